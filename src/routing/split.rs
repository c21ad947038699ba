//! Which of a session's two servers a statement runs on: a pure function of the statement's class and the
//! session's state, with its reason.

use crate::sql::{ClassReason, Effects, StatementClass, StatementKind};

/// The role of one of the two servers that a session uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The primary.
    Writer,
    /// A replica.
    Reader,
}

/// A value for each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerRole<T> {
    /// For the primary.
    pub writer: T,
    /// For a replica.
    pub reader: T,
}

impl<T> PerRole<T> {
    /// Returns the value for this role.
    pub fn of(&self, role: Role) -> &T {
        match role {
            Role::Writer => &self.writer,
            Role::Reader => &self.reader,
        }
    }

    /// Returns the value for this role, mutably.
    pub fn of_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Writer => &mut self.writer,
            Role::Reader => &mut self.reader,
        }
    }
}

impl Role {
    /// Both roles.
    pub const BOTH: [Role; 2] = [Role::Writer, Role::Reader];
}

/// The part of a session's state that decides where a statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFacts {
    /// The server with an open transaction.
    pub transaction: Option<Role>,
    /// The server where the session holds something that its reads must see.
    pub pinned: Option<Role>,
    /// `@@autocommit`
    pub autocommit: bool,
    /// True if its transactions only read: SET SESSION TRANSACTION READ ONLY.
    pub only_reads: bool,
    /// True if a transaction that begins while another is open keeps its access mode, as on MySQL.
    pub keeps_access_mode: bool,
    /// The server of its last statement.
    pub last: Role,
    /// The server that has its warnings.
    pub diagnostics: Role,
}

/// Why a statement runs where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The port does not split.
    Port,
    /// A transaction is open on the chosen server.
    Transaction,
    /// The session holds something on the chosen server.
    Pinned,
    /// With autocommit off every statement is part of a transaction.
    AutocommitOff,
    /// It asks about the session's last statement.
    LooksBack,
    /// The class of the statement.
    Class(ClassReason),
    /// It is a read, but no replica serves reads.
    NoReplica,
    /// It is a read, but no replica has the session's own writes yet.
    NotFresh,
    /// A replica refused it, or failed.
    Refused,
}

impl Why {
    /// Returns the reason for people, as a sentence without its end.
    pub const fn words(self) -> &'static str {
        match self {
            Why::Port => "the port decides",
            Why::Transaction => "a transaction is open there",
            Why::Pinned => "the session holds something there",
            Why::AutocommitOff => "autocommit is off, so it is part of a transaction",
            Why::LooksBack => "it asks what the last statement did, which ran there",
            Why::Class(reason) => reason.words(),
            Why::NoReplica => "it reads, but no replica serves",
            Why::NotFresh => "it reads, but no replica is known to have the session's own writes yet",
            Why::Refused => "it reads, but a replica refused or failed it",
        }
    }
}

/// Chooses the server for a statement on a port that splits.
pub fn place(class: &StatementClass, facts: &SessionFacts) -> (Role, Why) {
    // A named lock on a replica excludes nobody. It does not depend on transactions.
    let locks = class.reason == ClassReason::NamedLock && !class.effects.contains(Effects::SEVERAL);
    if let Some(role) = facts.transaction.filter(|role| !(locks && *role == Role::Reader)) {
        // A transaction that may write cannot begin on a replica; its BEGIN ends the one that is open there.
        // A chained transaction has the access mode of the one before it.
        let chains = class.effects.contains(Effects::ENDS) && !class.effects.contains(Effects::SEVERAL);
        let keeps = chains || facts.only_reads || facts.keeps_access_mode;
        let begins = class.effects.contains(Effects::BEGINS) && !keeps
            || class.effects.contains(Effects::BEGINS_READ_WRITE);
        let leaves = begins || class.effects.contains(Effects::LOCKS_TABLES);
        if role == Role::Writer || !leaves {
            return (role, Why::Transaction);
        }
        return (Role::Writer, Why::Class(class.reason));
    }
    let looks_back = Effects::READS_DIAGNOSTICS | Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
    if class.effects.contains(Effects::READS_DIAGNOSTICS) {
        return (facts.diagnostics, Why::LooksBack);
    }
    if class.effects.intersects(looks_back) {
        return (facts.last, Why::LooksBack);
    }
    let begins = facts.only_reads
        && class.kind == StatementKind::Transaction
        && class.effects.contains(Effects::BEGINS)
        && !class.effects.intersects(Effects::SEVERAL | Effects::BEGINS_READ_WRITE);
    if !reads(class) && !begins {
        return (Role::Writer, Why::Class(class.reason));
    }
    if facts.pinned == Some(Role::Writer) {
        return (Role::Writer, Why::Pinned);
    }
    if !facts.autocommit && !facts.only_reads {
        return (Role::Writer, Why::AutocommitOff);
    }
    (Role::Reader, Why::Class(class.reason))
}

/// True if a statement may run on a replica, regardless of the session.
fn reads(class: &StatementClass) -> bool {
    if class.effects.contains(Effects::HINT_PRIMARY) {
        return false;
    }
    let begins = class.kind == StatementKind::Transaction
        && class.effects.contains(Effects::BEGINS_READ_ONLY)
        && !class.effects.contains(Effects::SEVERAL);
    class.kind == StatementKind::Read || begins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(kind: StatementKind, effects: Effects) -> StatementClass {
        StatementClass { kind, effects, reason: ClassReason::PlainRead }
    }

    const READ: StatementClass = StatementClass {
        kind: StatementKind::Read,
        effects: Effects::REPEATABLE,
        reason: ClassReason::PlainRead,
    };
    const FREE: SessionFacts = SessionFacts {
        transaction: None,
        pinned: None,
        autocommit: true,
        only_reads: false,
        keeps_access_mode: false,
        last: Role::Writer,
        diagnostics: Role::Writer,
    };

    #[test]
    fn reads_go_to_a_replica_and_the_rest_does_not() {
        assert_eq!(place(&READ, &FREE), (Role::Reader, Why::Class(ClassReason::PlainRead)));
        for kind in [
            StatementKind::Session,
            StatementKind::Transaction,
            StatementKind::Admin,
            StatementKind::Write,
            StatementKind::Ddl,
            StatementKind::Unknown,
        ] {
            assert_eq!(place(&class(kind, Effects::empty()), &FREE).0, Role::Writer, "{kind:?}");
        }
        let hinted = class(StatementKind::Read, Effects::HINT_PRIMARY);
        assert_eq!(place(&hinted, &FREE).0, Role::Writer);
    }

    #[test]
    fn a_session_that_holds_something_takes_its_reads_there() {
        let open = SessionFacts { transaction: Some(Role::Writer), ..FREE };
        assert_eq!(place(&READ, &open), (Role::Writer, Why::Transaction));
        let pinned = SessionFacts { pinned: Some(Role::Writer), ..FREE };
        assert_eq!(place(&READ, &pinned), (Role::Writer, Why::Pinned));
        let manual = SessionFacts { autocommit: false, ..FREE };
        assert_eq!(place(&READ, &manual), (Role::Writer, Why::AutocommitOff));
        // Spring's read-only transactions: SET SESSION TRANSACTION READ ONLY, SET autocommit=0.
        let reading = SessionFacts { autocommit: false, only_reads: true, ..FREE };
        assert_eq!(place(&READ, &reading).0, Role::Reader);
        assert_eq!(place(&class(StatementKind::Write, Effects::empty()), &reading).0, Role::Writer);
        // A cursor on a replica does not hold back writes, and reads stay with it.
        let cursor = SessionFacts { pinned: Some(Role::Reader), ..FREE };
        assert_eq!(place(&READ, &cursor).0, Role::Reader);
        assert_eq!(place(&class(StatementKind::Write, Effects::empty()), &cursor).0, Role::Writer);
    }

    #[test]
    fn a_read_only_transaction_runs_on_a_replica_until_another_begins() {
        let begin = class(StatementKind::Transaction, Effects::BEGINS_READ_ONLY);
        assert_eq!(place(&begin, &FREE).0, Role::Reader);
        let open = SessionFacts { transaction: Some(Role::Reader), ..FREE };
        let write = class(StatementKind::Write, Effects::empty());
        assert_eq!(place(&write, &open), (Role::Reader, Why::Transaction));
        let begin = class(StatementKind::Transaction, Effects::BEGINS | Effects::COMMITS_IMPLICITLY);
        assert_eq!(place(&begin, &open).0, Role::Writer);
        let of_mysql = SessionFacts { keeps_access_mode: true, ..open };
        assert_eq!(place(&begin, &of_mysql).0, Role::Reader);
        let chain = class(StatementKind::Transaction, Effects::BEGINS | Effects::ENDS);
        assert_eq!(place(&chain, &open).0, Role::Reader);
    }

    #[test]
    fn a_transaction_that_says_that_it_writes_never_begins_on_a_replica() {
        let effects = Effects::BEGINS | Effects::BEGINS_READ_WRITE | Effects::COMMITS_IMPLICITLY;
        let begin = class(StatementKind::Transaction, effects);
        let reading = SessionFacts { only_reads: true, ..FREE };
        assert_eq!(place(&begin, &reading).0, Role::Writer);
        let open = SessionFacts { transaction: Some(Role::Reader), keeps_access_mode: true, ..reading };
        assert_eq!(place(&begin, &open).0, Role::Writer);
    }

    #[test]
    fn what_looks_back_goes_where_the_last_statement_was() {
        let warnings = class(StatementKind::Session, Effects::READS_DIAGNOSTICS);
        for last in [Role::Writer, Role::Reader] {
            assert_eq!(place(&warnings, &SessionFacts { diagnostics: last, ..FREE }), (last, Why::LooksBack));
        }
    }
}
