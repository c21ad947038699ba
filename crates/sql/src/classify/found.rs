//! What was found about a statement so far: the strictest kind with its reason, and all effects.

use crate::{Effects, StatementClass};
use pointsman_terms::{StatementKind, Why};

/// An intermediate result; its kind only ever becomes stricter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    kind: StatementKind,
    reason: Why,
    effects: Effects,
    /// True if a hint may send the statement to a replica.
    hintable: bool,
}

/// True for a read, for a statement whose answer differs between servers, and for a call of an unknown function.
fn is_hintable(kind: StatementKind, reason: Why) -> bool {
    use StatementKind::{Admin, Read, Write};
    use Why::{OneServer, SystemVariable, UnknownFunction, View};
    matches!(
        (kind, reason),
        (Read, _) | (Admin, OneServer | SystemVariable) | (Write, UnknownFunction | View)
    )
}

impl Found {
    /// A plain read: the result before anything else was found.
    pub(super) fn read() -> Self {
        Self {
            kind: StatementKind::Read,
            reason: Why::PlainRead,
            effects: Effects::REPEATABLE,
            hintable: true,
        }
    }

    /// A statement of this kind, which must not be repeated.
    pub(super) fn of(kind: StatementKind, reason: Why, effects: Effects) -> Self {
        Self { kind, reason, effects, hintable: false }
    }

    /// A statement that is not understood, for this reason.
    pub(super) fn unknown(why: Why) -> Self {
        Self { reason: why, ..Self::from(StatementClass::UNKNOWN) }
    }

    /// Makes the kind at least this strict, and adds the effects.
    pub(super) fn raise(&mut self, kind: StatementKind, reason: Why, effects: Effects) {
        if kind > self.kind {
            self.kind = kind;
            self.reason = reason;
        }
        self.hintable &= is_hintable(kind, reason);
        // A question about a server can be repeated, even if another server answers then.
        if !matches!(reason, Why::OneServer | Why::SystemVariable) {
            self.effects.remove(Effects::REPEATABLE);
        }
        self.effects |= effects;
    }

    /// Notes that no hint may send the statement to a replica.
    pub(super) fn never_hinted(&mut self) {
        self.hintable = false;
    }

    /// Adds effects without changing the kind.
    pub(super) fn add(&mut self, effects: Effects) {
        self.effects |= effects;
    }

    /// Replaces the reason.
    pub(super) fn because(mut self, reason: Why) -> Self {
        self.reason = reason;
        self
    }

    /// Combines two results: of two readings of a statement, or of two statements.
    pub(super) fn and(mut self, other: Self) -> Self {
        let of_both = self.effects & other.effects & Effects::OF_ALL;
        self.effects |= self.outranked() | other.outranked();
        if other.kind > self.kind {
            (self.kind, self.reason) = (other.kind, other.reason);
        }
        self.hintable &= other.hintable;
        self.effects = ((self.effects | other.effects) - Effects::OF_ALL) | of_both;
        self
    }

    /// Returns effects for what a stricter kind beside this one would hide.
    fn outranked(&self) -> Effects {
        let mut effects = Effects::empty();
        effects.set(Effects::ALSO_DEFINES, self.kind == StatementKind::Ddl);
        effects.set(Effects::ALSO_ADMINISTERS, self.reason == Why::Administration);
        effects
    }

    /// Adds the effects of a value in the statement. The value's kind counts only if it is `Write` or stricter.
    pub(super) fn with_value(&mut self, value: Self) {
        self.effects |= value.effects - Effects::OF_ALL;
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

    pub(super) fn reason(&self) -> Why {
        self.reason
    }

    pub(super) fn effects(&self) -> Effects {
        self.effects
    }

    /// Removes effects.
    pub(super) fn without(mut self, effects: Effects) -> Self {
        self.effects.remove(effects);
        self
    }

    /// Returns the final class.
    pub(super) fn class(self) -> StatementClass {
        StatementClass { kind: self.kind, effects: self.effects, reason: self.reason }
    }
}

impl From<StatementClass> for Found {
    fn from(class: StatementClass) -> Self {
        Self::of(class.kind, class.reason, class.effects)
    }
}
