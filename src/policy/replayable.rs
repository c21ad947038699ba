//! Whether a transaction with this statement in it can be run again on another primary.
//!
//! | the statement | again |
//! |---|---|
//! | is no text and no execute | no |
//! | needs or leaves something that another server does not have, or ends the transaction | no |
//! | defines, administers, or is not understood; changes the session's state | no |
//! | commits implicitly, unless it is the BEGIN alone | no |
//! | writes what ROW_COUNT() or FOUND_ROWS() answers: the proxy's own queries change these | no |
//! | begins a transaction behind other statements of the transaction | no |
//! | runs under another session state than the transaction began with, or while the session holds something | no |
//! | reads, writes, sets a savepoint, or asks about the last statement | yes: the answers are compared |

use crate::sql::{Effects, StatementClass};
use crate::terms::{StatementKind, Why};
use crate::wire::Command;

/// Effects of a statement after which a transaction can no longer be replayed: the statement leaves or needs
/// something that another server does not have, or it ends the transaction.
const ELSEWHERE: Effects = Effects::READS_SEQUENCE
    .union(Effects::SETS_LITERALS)
    .union(Effects::SETS_USER_VARIABLES)
    .union(Effects::CREATES_TEMPORARY)
    .union(Effects::DROPS_TABLE)
    .union(Effects::LOCKS_TABLES)
    .union(Effects::READ_LOCK)
    .union(Effects::UNLOCKS)
    .union(Effects::GET_LOCK)
    .union(Effects::RELEASES_LOCKS)
    .union(Effects::HANDLER_OPEN)
    .union(Effects::HANDLER_CLOSE)
    .union(Effects::PREPARES)
    .union(Effects::EXECUTES)
    .union(Effects::DEALLOCATES)
    .union(Effects::USES_SEQUENCE)
    .union(Effects::LEAVES_UNKNOWN)
    .union(Effects::SETS_ROLE)
    .union(Effects::ENDS)
    .union(Effects::SETS_NEXT_TRANSACTION)
    .union(Effects::SETS_STATE)
    .union(Effects::CALLS)
    .union(Effects::CHANGES_ROUTINES)
    .union(Effects::CHANGES_RELATIONS);

/// What is known of a statement of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InTransaction {
    /// True for a command that runs a text or a prepared statement.
    pub executes: bool,
    /// The kind of the statement.
    pub kind: StatementKind,
    /// What the statement is tied to.
    pub tied: Tied,
    /// True if the statement asks for ROW_COUNT() or FOUND_ROWS().
    pub counts: bool,
    /// Whether the statement begins a transaction.
    pub begins: Begins,
    /// True if the statement commits implicitly.
    pub commits: bool,
    /// True if this is the first statement of the transaction.
    pub is_first: bool,
    /// True if the session's state is as it was when the transaction began.
    pub same_state: bool,
    /// True if the session holds something on the primary, the transaction aside, that no other server has.
    pub holds: bool,
}

/// What a statement is tied to, so that it may do something else on another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tied {
    /// Nothing.
    Free,
    /// The last statement, or the insert id: the replay compares the answer, so it notices a difference.
    ToItsSession,
    /// Its server, or its connection.
    ToItsServer,
}

/// Whether a statement begins a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// The statement begins no transaction.
    No,
    /// The statement begins a transaction and does nothing else.
    Alone,
    /// A statement of a text with several statements begins a transaction, perhaps not the first statement.
    AmongOthers,
}

impl InTransaction {
    /// Returns the facts that follow from the class. The other facts are those of a transaction's first statement, in a
    /// session that holds nothing.
    pub fn of(command: Command, class: &StatementClass) -> Self {
        use Why::{Ambiguous, InsertId, LooksBack, NamedLock, NotUnderstood, OneServer, ServerFile};
        let effects = class.effects;
        let elsewhere = effects.intersects(ELSEWHERE)
            || matches!(class.reason, Ambiguous | NamedLock | NotUnderstood | OneServer | ServerFile);
        InTransaction {
            executes: command.runs_statement(),
            kind: class.kind,
            tied: match class.reason {
                _ if elsewhere => Tied::ToItsServer,
                InsertId | LooksBack => Tied::ToItsSession,
                _ => Tied::Free,
            },
            counts: effects.intersects(Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS),
            begins: match effects.contains(Effects::BEGINS) {
                false => Begins::No,
                true if effects.contains(Effects::SEVERAL) => Begins::AmongOthers,
                true => Begins::Alone,
            },
            commits: effects.contains(Effects::COMMITS_IMPLICITLY),
            is_first: true,
            same_state: true,
            holds: false,
        }
    }

    /// True if the statement does the same on another primary in the same state, as far as its answer shows.
    pub fn can_run_again(&self) -> bool {
        let kind = match self.kind {
            StatementKind::Read | StatementKind::Transaction => true,
            StatementKind::Write => !self.counts,
            StatementKind::Session => self.tied == Tied::ToItsSession,
            StatementKind::Admin | StatementKind::Ddl | StatementKind::Unknown => false,
        };
        self.executes
            && kind
            && self.tied != Tied::ToItsServer
            && (self.begins == Begins::Alone || !self.commits)
            && (self.begins == Begins::No || self.is_first)
            && self.same_state
            && !self.holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs_again(sql: &str) -> bool {
        let class = crate::sql::classify(sql.as_bytes(), crate::sql::Options::default(), &());
        InTransaction::of(Command::Query, &class).can_run_again()
    }

    #[test]
    fn what_does_the_same_elsewhere_may_run_again() {
        for sql in [
            "begin",
            "start transaction with consistent snapshot",
            "savepoint a",
            "insert into t values (1), (2)",
            "insert into u values (last_insert_id())",
            "select a from t for update",
            "select last_insert_id()",
            "show warnings",
            "update t set a = 1; delete from t where b = 2",
        ] {
            assert!(runs_again(sql), "{sql}");
        }
    }

    #[test]
    fn what_another_server_does_otherwise_may_not() {
        for sql in [
            "insert into t values (row_count())",
            "update t set a = found_rows()",
            "insert into t values (1); begin",
            "begin; insert into t values (1)",
            "commit",
            "commit and chain",
            "set autocommit = 1",
            "set transaction read only",
            "create table t (a int)",
            "truncate t",
            "call p()",
            "xa start 'x'",
            "load data infile 'x' into table t",
            "select get_lock('a', 1)",
            "execute s",
            "lock tables t write",
            "insert into t values (f(1))",
        ] {
            assert!(!runs_again(sql), "{sql}");
        }
    }

    /// Returns every combination of the facts.
    fn all() -> Vec<InTransaction> {
        let mut all = Vec::new();
        for &kind in StatementKind::ALL {
            for tied in [Tied::Free, Tied::ToItsSession, Tied::ToItsServer] {
                for begins in [Begins::No, Begins::Alone, Begins::AmongOthers] {
                    for bits in 0..64u32 {
                        let is = |at: u32| bits >> at & 1 == 1;
                        all.push(InTransaction {
                            executes: is(0),
                            kind,
                            tied,
                            counts: is(1),
                            begins,
                            commits: is(2),
                            is_first: is(3),
                            same_state: is(4),
                            holds: is(5),
                        });
                    }
                }
            }
        }
        all
    }

    #[test]
    fn nothing_runs_again_that_another_server_may_do_otherwise() {
        let all = all();
        assert_eq!(all.len(), 4_032);
        for facts in all.into_iter().filter(InTransaction::can_run_again) {
            use StatementKind::{Admin, Ddl, Unknown};
            assert!(!matches!(facts.kind, Admin | Ddl | Unknown), "{facts:?}");
            assert!(facts.tied != Tied::ToItsServer && !facts.holds && facts.same_state, "{facts:?}");
            assert!(!facts.commits || facts.begins == Begins::Alone, "it ends what was before: {facts:?}");
            assert!(facts.begins == Begins::No || facts.is_first, "it ends what was before: {facts:?}");
            assert!(!(facts.kind == StatementKind::Write && facts.counts), "{facts:?}");
        }
    }

    #[test]
    fn what_reads_or_writes_rows_and_no_more_runs_again() {
        let plain = InTransaction {
            executes: true,
            kind: StatementKind::Write,
            tied: Tied::Free,
            counts: false,
            begins: Begins::No,
            commits: false,
            is_first: false,
            same_state: true,
            holds: false,
        };
        assert!(plain.can_run_again());
        assert!(InTransaction { kind: StatementKind::Read, ..plain }.can_run_again());
        let asks = InTransaction { kind: StatementKind::Session, tied: Tied::ToItsSession, ..plain };
        assert!(asks.can_run_again());
    }

    #[test]
    fn each_effect_that_ties_a_statement_to_its_server_counts() {
        let class = |effects| StatementClass { kind: StatementKind::Write, effects, reason: Why::Modifies };
        for effect in ELSEWHERE.iter() {
            assert_eq!(
                InTransaction::of(Command::Query, &class(effect)).tied,
                Tied::ToItsServer,
                "{effect:?}"
            );
        }
    }
}
