//! Which of a session's two servers a statement runs on: a pure function of the statement's class and the
//! session's state, with its reason.

use crate::sql::{Effects, StatementClass};
use crate::terms::{Role, StatementKind, Why};

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
    /// True on MariaDB. There, a transaction that begins while another is open does not keep the access mode of that one, and
    /// a stored function may keep the diagnostics of the statement before.
    pub of_mariadb: bool,
    /// The server of its last statement.
    pub last: Role,
    /// The server of the last statement that set `FOUND_ROWS()`.
    pub last_query: Role,
    /// The server that has its warnings, or its error. None: any server can be brought to say what its diagnostics are.
    pub diagnostics: Option<Role>,
    /// True if its transactions that only read begin on the primary: one of them had a statement that a replica must not get.
    pub reads_on_primary: bool,
}

impl SessionFacts {
    /// A session that has not executed anything.
    pub const FRESH: SessionFacts = SessionFacts {
        transaction: None,
        pinned: None,
        autocommit: true,
        only_reads: false,
        of_mariadb: true,
        last: Role::Primary,
        last_query: Role::Primary,
        diagnostics: None,
        reads_on_primary: false,
    };
}

/// What a statement does to a transaction that only reads, and that is open on a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InReading {
    /// The statement runs in the transaction, on the replica.
    Stays,
    /// The statement runs on the primary, and the transaction stays open on the replica.
    Beside,
    /// The server would commit the transaction first: the statement runs on the primary behind the transaction's end.
    Ends,
    /// The statement may do anything, and the server would run it in the transaction: the transaction goes on, on the primary.
    Moves,
    /// The server would refuse the statement, which writes.
    Refused,
}

/// Decides what becomes of a transaction that only reads, and that is open on a replica. A replica gets only what is derived
/// from the grammar of statements that read: whatever a replica writes to its binary log stops its replication.
pub fn in_reading(class: &StatementClass, facts: &SessionFacts) -> InReading {
    let has = |effect| class.effects.contains(effect);
    // A named lock on a replica excludes nobody. It does not depend on transactions.
    if class.reason == Why::NamedLock && !has(Effects::SEVERAL) {
        return InReading::Beside;
    }
    if with_diagnostics(class, facts).or_else(|| with_count(class, facts)) == Some(Role::Primary) {
        return InReading::Beside;
    }
    // A transaction that may write cannot begin on a replica; its BEGIN ends the transaction that is open there.
    // A chained transaction has the access mode of the one before it.
    let chains = has(Effects::ENDS) && !has(Effects::SEVERAL);
    let keeps = chains || facts.only_reads || !facts.of_mariadb;
    let begins = has(Effects::BEGINS) && !keeps || has(Effects::BEGINS_READ_WRITE);
    if begins || has(Effects::LOCKS_TABLES) {
        return InReading::Ends;
    }
    // LAST_INSERT_ID(n): of the number, the session would have only the replica's word.
    if has(Effects::READS_INSERT_ID | Effects::SETS_STATE) {
        return InReading::Moves;
    }
    // The primary's connection has the access mode that the session set.
    if has(Effects::READS_ACCESS_MODE) && class.kind == StatementKind::Admin && !has(Effects::SEVERAL) {
        return InReading::Beside;
    }
    // A lock on a row of a replica keeps nobody from writing.
    if class.reason == Why::LockingRead && !has(Effects::COMMITS_IMPLICITLY) {
        return InReading::Moves;
    }
    let writes = matches!(class.kind, StatementKind::Write | StatementKind::Ddl | StatementKind::Unknown);
    if has(Effects::UNDERSTOOD) && !writes {
        return InReading::Stays;
    }
    if has(Effects::COMMITS_IMPLICITLY) {
        return InReading::Ends;
    }
    let opaque = Effects::LEAVES_UNKNOWN | Effects::CALLS | Effects::SEVERAL;
    match class.kind {
        StatementKind::Write if !class.effects.intersects(opaque) => InReading::Refused,
        StatementKind::Session | StatementKind::Admin if !class.effects.intersects(opaque) => {
            InReading::Beside
        }
        _ => InReading::Moves,
    }
}

/// Returns the server that alone can answer what a statement asks of the session's diagnostics, if the statement asks for
/// nothing that depends on a transaction.
fn with_diagnostics(class: &StatementClass, facts: &SessionFacts) -> Option<Role> {
    let asks = Effects::READS_DIAGNOSTICS | Effects::OPENS_NO_TABLE;
    facts.diagnostics.filter(|_| class.effects.contains(asks) && !class.effects.contains(Effects::SEVERAL))
}

/// Returns the server that alone can answer `SELECT FOUND_ROWS()`, if a transaction is open on the other one.
fn with_count(class: &StatementClass, facts: &SessionFacts) -> Option<Role> {
    let asks = Effects::READS_FOUND_ROWS | Effects::OPENS_NO_TABLE;
    let others = Effects::READS_ROW_COUNT | Effects::SEVERAL;
    let asks_only = class.effects.contains(asks) && !class.effects.intersects(others);
    facts.transaction.filter(|_| asks_only).map(|_| facts.last_query)
}

/// Chooses the server for a statement on a port that splits.
pub fn place(class: &StatementClass, facts: &SessionFacts) -> (Role, Why) {
    if let Some(role) = with_diagnostics(class, facts).or_else(|| with_count(class, facts)) {
        return (role, Why::LooksBack);
    }
    match facts.transaction {
        Some(Role::Primary) => return (Role::Primary, Why::Transaction),
        Some(Role::Replica) if in_reading(class, facts) == InReading::Stays => {
            return (Role::Replica, Why::Transaction);
        }
        Some(Role::Replica) => return (Role::Primary, class.reason),
        None => {}
    }
    let looks_back = Effects::READS_DIAGNOSTICS | Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
    if class.effects.contains(Effects::READS_DIAGNOSTICS) {
        return (facts.diagnostics.unwrap_or(facts.last), Why::LooksBack);
    }
    if class.effects.intersects(looks_back) {
        let asks_query = class.effects.contains(Effects::READS_FOUND_ROWS);
        return (if asks_query { facts.last_query } else { facts.last }, Why::LooksBack);
    }
    let begins = facts.only_reads
        && class.kind == StatementKind::Transaction
        && class.effects.contains(Effects::BEGINS)
        && !class.effects.intersects(Effects::SEVERAL | Effects::BEGINS_READ_WRITE);
    if !reads(class) && !begins {
        return (Role::Primary, class.reason);
    }
    if facts.pinned == Some(Role::Primary) {
        return (Role::Primary, Why::Pinned);
    }
    if facts.reads_on_primary && class.kind == StatementKind::Transaction {
        return (Role::Primary, Why::Transaction);
    }
    if !facts.autocommit && !facts.only_reads {
        return (Role::Primary, Why::AutocommitOff);
    }
    // MySQL's COM_FIELD_LIST adds to the diagnostics in front of it.
    let adds = class.effects.contains(Effects::ADDS_DIAGNOSTICS) && !facts.of_mariadb;
    let with = facts.diagnostics.filter(|_| adds || (facts.of_mariadb && class.calls_stored_function()));
    (with.unwrap_or(Role::Replica), with.map_or(class.reason, |_| Why::LooksBack))
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
        StatementClass { kind, effects, reason: Why::PlainRead }
    }

    const READ: StatementClass =
        StatementClass { kind: StatementKind::Read, effects: Effects::REPEATABLE, reason: Why::PlainRead };
    /// Every combination of what [`place`] looks at.
    fn all() -> impl Iterator<Item = (StatementClass, SessionFacts)> {
        use StatementKind::{Admin, Ddl, Read, Session, Transaction, Unknown, Write};
        const EFFECTS: [Effects; 12] = [
            Effects::SEVERAL,
            Effects::ENDS,
            Effects::BEGINS,
            Effects::BEGINS_READ_ONLY,
            Effects::BEGINS_READ_WRITE,
            Effects::LOCKS_TABLES,
            Effects::READS_DIAGNOSTICS,
            Effects::OPENS_NO_TABLE,
            Effects::READS_FOUND_ROWS,
            Effects::HINT_PRIMARY,
            Effects::UNDERSTOOD,
            Effects::COMMITS_IMPLICITLY,
        ];
        let classes = [Read, Session, Transaction, Admin, Write, Ddl, Unknown].into_iter().flat_map(|kind| {
            [Why::PlainRead, Why::NamedLock].into_iter().flat_map(move |reason| {
                (0..1u32 << EFFECTS.len()).map(move |bits| {
                    let has = EFFECTS.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
                    let effects = has.fold(Effects::empty(), |all, (_, effect)| all | *effect);
                    StatementClass { kind, effects, reason }
                })
            })
        });
        classes.flat_map(|class| facts().map(move |facts| (class, facts)))
    }

    fn facts() -> impl Iterator<Item = SessionFacts> {
        let role = |at: u32| [None, Some(Role::Primary), Some(Role::Replica)][at as usize];
        (0..27 * 32).map(move |at: u32| {
            let (roles, bits) = (at / 32, at % 32);
            let is = |bit: u32| bits >> bit & 1 == 1;
            let one = |reader: bool| if reader { Role::Replica } else { Role::Primary };
            SessionFacts {
                transaction: role(roles / 9),
                pinned: role(roles / 3 % 3),
                diagnostics: role(roles % 3),
                autocommit: is(0),
                only_reads: is(1),
                of_mariadb: !is(2),
                last: one(is(3)),
                reads_on_primary: is(4),
                // The other one: a mistake shows.
                last_query: one(!is(3)),
            }
        })
    }

    #[test]
    fn promises_hold_for_every_statement_in_every_session() {
        let looks_back = Effects::READS_DIAGNOSTICS | Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
        let mut tried = 0;
        for (class, facts) in all() {
            tried += 1;
            let (role, why) = place(&class, &facts);
            let asks = class.effects.intersects(looks_back);
            if let Some(with) = with_diagnostics(&class, &facts).or_else(|| with_count(&class, &facts)) {
                assert_eq!(
                    (role, why),
                    (with, Why::LooksBack),
                    "no other server has them: {class:?} {facts:?}"
                );
                continue;
            }
            if facts.transaction == Some(Role::Primary) {
                assert_eq!(role, Role::Primary, "a transaction stays where it is: {class:?} {facts:?}");
            }
            if role == Role::Replica {
                let in_reading_transaction = facts.transaction == Some(Role::Replica);
                let begins_reading = facts.only_reads && class.effects.contains(Effects::BEGINS);
                let harmless = reads(&class) || asks || begins_reading;
                let stays = class.effects.contains(Effects::UNDERSTOOD) && in_reading_transaction;
                assert!(harmless || stays, "nothing that may write leaves the primary: {class:?} {facts:?}");
                assert!(stays || !in_reading_transaction, "{class:?} {facts:?}");
            }
            if facts.transaction.is_none() && !asks {
                let on_primary = class.effects.contains(Effects::HINT_PRIMARY)
                    && class.kind == StatementKind::Read
                    || facts.pinned == Some(Role::Primary)
                    || !facts.autocommit && !facts.only_reads;
                assert!(!on_primary || role == Role::Primary, "{class:?} {facts:?}");
            }
            if asks && facts.transaction.is_none() {
                let last = class.effects.contains(Effects::READS_DIAGNOSTICS);
                let query = class.effects.contains(Effects::READS_FOUND_ROWS);
                let expected = match last {
                    true => facts.diagnostics.unwrap_or(facts.last),
                    false if query => facts.last_query,
                    false => facts.last,
                };
                assert_eq!((role, why), (expected, Why::LooksBack), "{class:?} {facts:?}");
            }
        }
        assert_eq!(tried, 7 * 2 * 4096 * 864);
    }

    #[test]
    fn reads_go_to_a_replica_and_the_rest_does_not() {
        assert_eq!(place(&READ, &SessionFacts::FRESH), (Role::Replica, Why::PlainRead));
        for kind in [
            StatementKind::Session,
            StatementKind::Transaction,
            StatementKind::Admin,
            StatementKind::Write,
            StatementKind::Ddl,
            StatementKind::Unknown,
        ] {
            assert_eq!(
                place(&class(kind, Effects::empty()), &SessionFacts::FRESH).0,
                Role::Primary,
                "{kind:?}"
            );
        }
        let hinted = class(StatementKind::Read, Effects::HINT_PRIMARY);
        assert_eq!(place(&hinted, &SessionFacts::FRESH).0, Role::Primary);
    }

    #[test]
    fn a_session_that_holds_something_takes_its_reads_there() {
        let open = SessionFacts { transaction: Some(Role::Primary), ..SessionFacts::FRESH };
        assert_eq!(place(&READ, &open), (Role::Primary, Why::Transaction));
        let pinned = SessionFacts { pinned: Some(Role::Primary), ..SessionFacts::FRESH };
        assert_eq!(place(&READ, &pinned), (Role::Primary, Why::Pinned));
        let manual = SessionFacts { autocommit: false, ..SessionFacts::FRESH };
        assert_eq!(place(&READ, &manual), (Role::Primary, Why::AutocommitOff));
        // Spring's read-only transactions: SET SESSION TRANSACTION READ ONLY, SET autocommit=0.
        let reading = SessionFacts { autocommit: false, only_reads: true, ..SessionFacts::FRESH };
        assert_eq!(place(&READ, &reading).0, Role::Replica);
        assert_eq!(place(&class(StatementKind::Write, Effects::empty()), &reading).0, Role::Primary);
        // A cursor on a replica does not hold back writes, and reads stay with it.
        let cursor = SessionFacts { pinned: Some(Role::Replica), ..SessionFacts::FRESH };
        assert_eq!(place(&READ, &cursor).0, Role::Replica);
        assert_eq!(place(&class(StatementKind::Write, Effects::empty()), &cursor).0, Role::Primary);
    }

    #[test]
    fn a_read_only_transaction_runs_on_a_replica_until_another_begins() {
        let begin = class(StatementKind::Transaction, Effects::BEGINS_READ_ONLY);
        assert_eq!(place(&begin, &SessionFacts::FRESH).0, Role::Replica);
        let open = SessionFacts { transaction: Some(Role::Replica), ..SessionFacts::FRESH };
        let read = class(StatementKind::Read, Effects::UNDERSTOOD);
        assert_eq!(place(&read, &open), (Role::Replica, Why::Transaction));
        // What is not understood never reaches a replica.
        assert_eq!(place(&class(StatementKind::Read, Effects::empty()), &open).0, Role::Primary);
        let of = |kind, effects| in_reading(&class(kind, effects), &open);
        assert_eq!(of(StatementKind::Write, Effects::empty()), InReading::Refused);
        assert_eq!(of(StatementKind::Write, Effects::UNDERSTOOD), InReading::Refused);
        let locks = class(StatementKind::Write, Effects::UNDERSTOOD | Effects::LOCKS_ROWS);
        let locks = StatementClass { reason: Why::LockingRead, ..locks };
        assert_eq!(in_reading(&locks, &open), InReading::Moves);
        let mode = Effects::UNDERSTOOD | Effects::READS_ACCESS_MODE;
        assert_eq!(of(StatementKind::Admin, mode), InReading::Beside);
        assert_eq!(of(StatementKind::Admin, Effects::COMMITS_IMPLICITLY), InReading::Ends);
        assert_eq!(of(StatementKind::Ddl, Effects::COMMITS_IMPLICITLY), InReading::Ends);
        assert_eq!(of(StatementKind::Admin, Effects::empty()), InReading::Beside);
        assert_eq!(of(StatementKind::Unknown, Effects::LEAVES_UNKNOWN), InReading::Moves);
        let asks = Effects::READS_INSERT_ID | Effects::UNDERSTOOD;
        assert_eq!(of(StatementKind::Session, asks), InReading::Stays);
        assert_eq!(of(StatementKind::Session, asks | Effects::SETS_STATE), InReading::Moves);
        let effects = Effects::BEGINS | Effects::COMMITS_IMPLICITLY | Effects::UNDERSTOOD;
        let begin = class(StatementKind::Transaction, effects);
        assert_eq!(place(&begin, &open).0, Role::Primary);
        let of_mysql = SessionFacts { of_mariadb: false, ..open };
        assert_eq!(place(&begin, &of_mysql).0, Role::Replica);
        let effects = Effects::BEGINS | Effects::ENDS | Effects::UNDERSTOOD;
        let chain = class(StatementKind::Transaction, effects);
        assert_eq!(place(&chain, &open).0, Role::Replica);
    }

    #[test]
    fn a_transaction_that_says_that_it_writes_never_begins_on_a_replica() {
        let effects = Effects::BEGINS | Effects::BEGINS_READ_WRITE | Effects::COMMITS_IMPLICITLY;
        let begin = class(StatementKind::Transaction, effects);
        let reading = SessionFacts { only_reads: true, ..SessionFacts::FRESH };
        assert_eq!(place(&begin, &reading).0, Role::Primary);
        let open = SessionFacts { transaction: Some(Role::Replica), of_mariadb: false, ..reading };
        assert_eq!(place(&begin, &open).0, Role::Primary);
    }

    #[test]
    fn diagnostics_are_asked_for_beside_a_transaction() {
        let warnings = class(StatementKind::Session, Effects::READS_DIAGNOSTICS | Effects::OPENS_NO_TABLE);
        let of_table = class(StatementKind::Session, Effects::READS_DIAGNOSTICS | Effects::UNDERSTOOD);
        for (open, with) in [(Role::Primary, Role::Replica), (Role::Replica, Role::Primary)] {
            let facts =
                SessionFacts { transaction: Some(open), diagnostics: Some(with), ..SessionFacts::FRESH };
            assert_eq!(place(&warnings, &facts), (with, Why::LooksBack));
            assert_eq!(place(&of_table, &facts), (open, Why::Transaction));
            let anywhere = SessionFacts { diagnostics: None, ..facts };
            assert_eq!(place(&of_table, &anywhere).0, open);
        }
        let reading = SessionFacts {
            transaction: Some(Role::Replica),
            diagnostics: Some(Role::Primary),
            ..SessionFacts::FRESH
        };
        assert_eq!(in_reading(&warnings, &reading), InReading::Beside);
        assert_eq!(in_reading(&of_table, &reading), InReading::Stays);
    }

    #[test]
    fn what_looks_back_goes_where_the_last_statement_was() {
        let warnings = class(StatementKind::Session, Effects::READS_DIAGNOSTICS);
        for last in [Role::Primary, Role::Replica] {
            assert_eq!(
                place(&warnings, &SessionFacts { diagnostics: Some(last), ..SessionFacts::FRESH }),
                (last, Why::LooksBack)
            );
        }
    }
}
