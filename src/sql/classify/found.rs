//! What was found about a statement so far: the strictest kind and its reason, the effects of all.

use crate::sql::{ClassReason, Effects, StatementClass, StatementKind};

/// Grows stricter only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    kind: StatementKind,
    reason: ClassReason,
    effects: Effects,
    /// All of it is what a hint can send to a replica.
    hintable: bool,
}

/// What only differs between servers, or calls a function that is not known.
fn is_hintable(kind: StatementKind, reason: ClassReason) -> bool {
    use ClassReason::{OneServer, SystemVariable, UnknownFunction};
    use StatementKind::{Admin, Read, Write};
    matches!((kind, reason), (Read, _) | (Admin, OneServer | SystemVariable) | (Write, UnknownFunction))
}

impl Found {
    /// A read of which nothing is known yet.
    pub(super) fn read() -> Self {
        Self {
            kind: StatementKind::Read,
            reason: ClassReason::PlainRead,
            effects: Effects::REPEATABLE,
            hintable: true,
        }
    }

    /// A statement of this sort, which is none to repeat.
    pub(super) fn of(kind: StatementKind, reason: ClassReason, effects: Effects) -> Self {
        Self { kind, reason, effects, hintable: false }
    }

    /// Not understood; `why` it is so.
    pub(super) fn unknown(why: ClassReason) -> Self {
        Self { reason: why, ..Self::from(StatementClass::UNKNOWN) }
    }

    /// At least this.
    pub(super) fn raise(&mut self, kind: StatementKind, reason: ClassReason, effects: Effects) {
        if kind > self.kind {
            self.kind = kind;
            self.reason = reason;
        }
        self.hintable &= is_hintable(kind, reason);
        // Asking a server about itself can be repeated, even if the answer then is another one's.
        if !matches!(reason, ClassReason::OneServer | ClassReason::SystemVariable) {
            self.effects.remove(Effects::REPEATABLE);
        }
        self.effects |= effects;
    }

    /// This too, whatever the kind.
    pub(super) fn add(&mut self, effects: Effects) {
        self.effects |= effects;
    }

    /// Another reason for the same kind.
    pub(super) fn because(mut self, reason: ClassReason) -> Self {
        self.reason = reason;
        self
    }

    /// Both of them: two readings of a statement, or two statements.
    pub(super) fn and(mut self, other: Self) -> Self {
        let repeatable = self.effects & other.effects & Effects::REPEATABLE;
        if other.kind > self.kind {
            (self.kind, self.reason) = (other.kind, other.reason);
        }
        self.hintable &= other.hintable;
        self.effects = ((self.effects | other.effects) - Effects::REPEATABLE) | repeatable;
        self
    }

    /// What a part of the statement does, its kind only if that is stricter than what a session's own settings are.
    pub(super) fn with_value(&mut self, value: Self) {
        self.effects |= value.effects - Effects::REPEATABLE;
        if value.kind >= StatementKind::Write {
            self.raise(value.kind, value.reason, Effects::empty());
        }
    }

    pub(super) fn kind(&self) -> StatementKind {
        self.kind
    }

    pub(super) fn hintable(&self) -> bool {
        self.hintable
    }

    pub(super) fn reason(&self) -> ClassReason {
        self.reason
    }

    pub(super) fn effects(&self) -> Effects {
        self.effects
    }

    /// Takes an effect back.
    pub(super) fn without(mut self, effects: Effects) -> Self {
        self.effects.remove(effects);
        self
    }

    /// The answer.
    pub(super) fn class(self) -> StatementClass {
        StatementClass { kind: self.kind, effects: self.effects, reason: self.reason }
    }
}

impl From<StatementClass> for Found {
    fn from(class: StatementClass) -> Self {
        Self::of(class.kind, class.reason, class.effects)
    }
}
