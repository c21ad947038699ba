//! The result of an answer, and what an ERR packet leaves unknown.

use super::SessionState;
use crate::sql::{Effects, StatementClass};
use crate::terms::{Pin, Role, StatementKind};
use crate::wire::error_code::*;

/// What an ERR packet says about its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerError {
    /// The account lacks a privilege.
    Denied,
    /// The server could not parse the text (ER_PARSE_ERROR), or the text executes an unknown prepared statement:
    /// nothing was executed.
    NotParsed,
    /// The parameters of an execute are wrong (ER_WRONG_ARGUMENTS, ER_MALFORMED_PACKET): the server may not have taken
    /// their types.
    WrongParameters,
    /// The statement was killed (ER_QUERY_INTERRUPTED): no tracker reports what it did before that.
    Interrupted,
    /// Something else.
    Other,
}

impl AnswerError {
    /// Returns what an ERR packet with this code says. `first`: the ERR packet is the first packet of the answer.
    pub fn of(code: u16, first: bool) -> Self {
        match code {
            ER_DBACCESS_DENIED_ERROR | ER_TABLEACCESS_DENIED_ERROR | ER_SPECIFIC_ACCESS_DENIED_ERROR => {
                AnswerError::Denied
            }
            // 1243: EXECUTE of an unknown name.
            ER_PARSE_ERROR | ER_UNKNOWN_STMT_HANDLER if first => AnswerError::NotParsed,
            ER_WRONG_ARGUMENTS | ER_MALFORMED_PACKET => AnswerError::WrongParameters,
            ER_QUERY_INTERRUPTED => AnswerError::Interrupted,
            _ => AnswerError::Other,
        }
    }
}

/// What the answer to a statement reported.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answered {
    /// The error with which the answer ended.
    pub error: Option<AnswerError>,
    /// The code of that error.
    pub code: Option<u16>,
    /// True if the error also ended the connection.
    pub ended: bool,
    /// The number of results so far; at the type's maximum, there may be more.
    pub results: u16,
    /// The number of rows that the last result changed.
    pub affected: u64,
    /// True if the last result had rows.
    pub rows: bool,
    /// True if `FOUND_ROWS()` is about this statement now.
    pub counted: bool,
    /// True if the statement opened a cursor.
    pub cursor: bool,
    /// The number of warnings of the last result.
    pub warnings: u16,
    /// True if the character set changed.
    pub charset: bool,
    /// True if the SQL mode changed.
    pub mode: bool,
    /// True if a tracker reported a character set.
    pub charset_reported: bool,
    /// Set once the client has the whole answer: the sequence id of its next packet, if more of the same text
    /// follows.
    pub next_seq: Option<u8>,
}

impl Answered {
    /// True if FOUND_ROWS() is, or may be, about the statement of this class.
    pub(super) fn counts_rows(&self, class: &StatementClass, of_mariadb: bool) -> bool {
        let has = |effects| class.effects.intersects(effects);
        if class.effects.keeps_found_rows(of_mariadb) {
            return false;
        }
        if self.results == 0 && self.code.is_some_and(|code| NEVER_RUN.binary_search(&code).is_ok()) {
            // What an EXECUTE of a read returns is about its own text: a read executes no other one.
            let is_read = class.kind == StatementKind::Read;
            return has(Effects::CALLS) || (has(Effects::EXECUTES) && !is_read);
        }
        // What else fails, and the query in a SET, leave the value alone on MySQL.
        let unseen = Effects::CALLS | Effects::EXECUTES | Effects::LEAVES_UNKNOWN | Effects::SEVERAL;
        of_mariadb || has(unseen) || !(self.failed() || has(Effects::SETS_STATE))
    }

    /// Returns what FOUND_ROWS() is behind the statement of this class, which sent so many rows, if that shows it.
    pub(super) fn found_rows(&self, class: &StatementClass, sent: u32) -> Option<u32> {
        let unseen = Effects::CALLS | Effects::EXECUTES | Effects::LEAVES_UNKNOWN | Effects::SEVERAL;
        let are_sent = class.effects.contains(Effects::FOUND_ROWS_ARE_SENT)
            && !class.effects.intersects(unseen)
            && !class.calls_stored_function()
            && self.rows
            && self.results == 1
            && !self.cursor
            && !self.failed();
        are_sent.then_some(sent)
    }

    /// True if the answer ended with an ERR packet.
    pub fn failed(&self) -> bool {
        self.error.is_some()
    }
}

/// Errors that a server finds before it executes anything: of the syntax, of names, of rights.
const NEVER_RUN: [u16; 17] = [
    ER_DBACCESS_DENIED_ERROR,
    ER_ACCESS_DENIED_ERROR,
    ER_NO_DB_ERROR,
    ER_BAD_DB_ERROR,
    ER_NON_UNIQ_ERROR,
    ER_BAD_FIELD_ERROR,
    ER_DUP_FIELDNAME,
    ER_PARSE_ERROR,
    ER_EMPTY_QUERY,
    ER_NONUNIQ_TABLE,
    ER_TABLEACCESS_DENIED_ERROR,
    ER_COLUMNACCESS_DENIED_ERROR,
    ER_NO_SUCH_TABLE,
    ER_UNKNOWN_SYSTEM_VARIABLE,
    ER_SPECIFIC_ACCESS_DENIED_ERROR,
    ER_NOT_SUPPORTED_YET,
    ER_SP_DOES_NOT_EXIST,
];

/// Errors that may have rolled back more than their statement: a changed record, a wait for a lock (with
/// innodb_rollback_on_timeout), no room for locks, deadlock elsewhere.
pub fn may_undo(code: u16) -> bool {
    matches!(code, ER_CHECKREAD | ER_LOCK_WAIT_TIMEOUT | ER_LOCK_TABLE_FULL | ER_XA_RBDEADLOCK)
}

/// The doubt about the open transaction after an ERR packet, which has no status flags. Only the next answer
/// resolves it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TransactionDoubt {
    /// The transaction is as the status says.
    #[default]
    No,
    /// The transaction may have been rolled back.
    Undone,
    /// The transaction may have been committed: a statement that commits implicitly does so before it fails.
    /// After a loss, the client must not be told that the transaction was rolled back.
    Committed,
}

/// True if the text is ROLLBACK and nothing else.
pub fn is_rollback(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.strip_suffix(b";").unwrap_or(text).trim_ascii_end().eq_ignore_ascii_case(b"rollback")
}

/// Names have 64 characters of at most 4 bytes.
const MAX_NAME: usize = 256;

/// True if the text contains the name, in any case. Looks at each byte of the text once, even if the name
/// repeats itself: after a mismatch, it reuses the part that still matches (Knuth, Morris, Pratt).
pub(super) fn mentions(text: &[u8], name: &[u8]) -> bool {
    if name.len() > MAX_NAME {
        return false;
    }
    let fits = |at: usize, byte: u8| name.get(at).is_some_and(|known| known.eq_ignore_ascii_case(&byte));
    // For each prefix of the name, the length of the longest shorter prefix that is also its suffix.
    let mut shorter = [0u16; MAX_NAME];
    let back = |shorter: &[u16; MAX_NAME], mut length: usize, byte: u8| {
        while length > 0 && !fits(length, byte) {
            length = shorter.get(length - 1).copied().map_or(0, usize::from);
        }
        length + usize::from(fits(length, byte))
    };
    let mut length = 0;
    for (at, byte) in name.iter().enumerate().skip(1) {
        length = back(&shorter, length, *byte);
        if let Some(place) = shorter.get_mut(at) {
            *place = u16::try_from(length).unwrap_or(0);
        }
    }
    let mut length = 0;
    name.is_empty()
        || text.iter().any(|byte| {
            length = back(&shorter, length, *byte);
            length == name.len()
        })
}

impl SessionState {
    /// True if the transaction may be over, so that the next statement would commit by itself.
    pub fn is_perhaps_over(&self) -> bool {
        self.transaction.doubt != TransactionDoubt::No
    }

    /// Notes an ERR packet, which has no status flags to show what became of the transaction. A transaction on the other
    /// server is not touched.
    pub fn note_error(&mut self, role: Role, code: u16) {
        if !self.transaction_elsewhere(role).is_empty() {
            return;
        }
        if code == ER_LOCK_DEADLOCK {
            // A deadlock rolls back the whole transaction.
            self.rolled_back();
        } else if may_undo(code) {
            self.doubt_transaction();
        }
    }

    /// Notes that the whole transaction may have been rolled back.
    pub fn doubt_transaction(&mut self) {
        if self.transaction.doubt == TransactionDoubt::No {
            self.transaction.doubt = TransactionDoubt::Undone;
        }
    }

    /// Updates the doubt about the transaction after the answer to a statement.
    pub(super) fn doubt(&mut self, role: Role, effects: Effects, text: Option<&[u8]>) {
        if !self.answer.failed()
            || self.answer.error == Some(AnswerError::NotParsed)
            || !self.in_transaction()
        {
            return;
        }
        if role == Role::Replica {
            let more = Effects::SEVERAL | Effects::BEGINS | Effects::LEAVES_UNKNOWN;
            let only_ends = effects.contains(Effects::ENDS) && !effects.intersects(more);
            if self.answer.ended && only_ends && self.pins.on(role).has(Pin::Transaction) {
                self.rolled_back();
            }
            return;
        }
        // MySQL may answer a COMMIT that was executed with the end of the connection, also in a procedure.
        let commits = Effects::ENDS | Effects::CALLS | Effects::LEAVES_UNKNOWN;
        let ended = self.answer.ended && effects.intersects(commits);
        if ended && text.is_some_and(is_rollback) {
            // The statement rolled back, or the end of the connection does.
            return self.rolled_back();
        }
        if effects.contains(Effects::COMMITS_IMPLICITLY) || ended {
            self.transaction.doubt = TransactionDoubt::Committed;
        } else if effects.contains(Effects::ENDS) {
            self.doubt_transaction();
        }
    }

    /// Returns, in words, what is lost with the primary besides its pins, if the transaction may have been
    /// committed.
    pub(super) fn held_by_doubt(&self, role: Role) -> Option<&'static str> {
        (role == Role::Primary && self.transaction.doubt == TransactionDoubt::Committed)
            .then_some("a transaction that a statement which failed may have committed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::classify;

    /// True if FOUND_ROWS() is about the statement once it was answered, by an error with this code or not.
    fn counts(sql: &str, code: Option<u16>, of_mariadb: bool) -> bool {
        let class = classify(sql.as_bytes(), crate::sql::Options::default(), &());
        let answered = Answered { code, error: code.map(|_| AnswerError::Other), ..Answered::default() };
        answered.counts_rows(&class, of_mariadb)
    }

    #[test]
    fn the_count_of_rows_is_about_the_last_statement_that_a_server_executed() {
        let sql = "SELECT a FROM t";
        let on_both = |sql, code| [false, true].map(|of_mariadb| counts(sql, code, of_mariadb));
        assert_eq!(on_both(sql, None), [true, true]);
        for code in NEVER_RUN {
            assert_eq!(on_both(sql, Some(code)), [false, false], "{code}");
            assert_eq!(on_both("CALL p()", Some(code)), [true, true], "{code}: what ran in it nobody knows");
        }
        assert_eq!(on_both(sql, Some(1242)), [false, true]);
        assert_eq!(on_both("SET @a = (SELECT a FROM t)", None), [false, true]);
        assert_eq!(on_both("UPDATE t SET a = 1", None), [true, false]);
        assert_eq!(on_both("EXPLAIN SELECT a FROM t", None), [false, true]);
        assert_eq!(on_both("INSERT INTO t VALUES (1)", None), [false, false]);
        assert!(NEVER_RUN.is_sorted());
    }

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        for (text, name) in
            [("SELECT F(1)", "f"), ("aab", "AB"), ("xaaab", "aab"), ("abaabab", "abab"), ("a", "")]
        {
            assert!(mentions(text.as_bytes(), name.as_bytes()), "{name} in {text}");
        }
        for (text, name) in [("SELECT 1", "f"), ("aaba", "aabb"), ("", "a"), ("abaab", "abab")] {
            assert!(!mentions(text.as_bytes(), name.as_bytes()), "{name} in {text}");
        }
        let (text, name) = ("a".repeat(2_000), "a".repeat(200) + "b");
        assert!(!mentions(text.as_bytes(), name.as_bytes()));
        assert!(mentions((text + "B").as_bytes(), name.as_bytes()));
        assert!(!mentions(&[b'a'; 600], &[b'a'; 300]), "no name is so long");
    }
}
