//! Whether a transaction can be run again on another primary.

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
    .union(Effects::CHANGES_ROUTINES);

/// True if a statement of this class does the same on another server in the same state, as far as its answer
/// shows.
pub fn can_run_again(command: Command, class: &StatementClass) -> bool {
    use Why::{Ambiguous, InsertId, LooksBack, NamedLock, NotUnderstood, OneServer, ServerFile};
    // In a text of several statements, something may stand in front of the BEGIN.
    let begins = class.effects.contains(Effects::BEGINS) && !class.effects.contains(Effects::SEVERAL);
    // The proxy's own queries during a replay change these counts.
    let counts = Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
    let kind = match class.kind {
        StatementKind::Read | StatementKind::Transaction => true,
        StatementKind::Write => !class.effects.intersects(counts),
        // The replay compares the answer, so it notices a difference.
        StatementKind::Session => matches!(class.reason, InsertId | LooksBack),
        StatementKind::Admin | StatementKind::Ddl | StatementKind::Unknown => false,
    };
    matches!(command, Command::Query | Command::StmtExecute | Command::StmtBulkExecute)
        && kind
        && !class.effects.intersects(ELSEWHERE)
        && (begins || !class.effects.contains(Effects::COMMITS_IMPLICITLY))
        && !matches!(class.reason, Ambiguous | NamedLock | NotUnderstood | OneServer | ServerFile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs_again(sql: &str) -> bool {
        let class = crate::sql::classify(sql.as_bytes(), crate::sql::Options::default(), &());
        can_run_again(Command::Query, &class)
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
}
