//! What an answer came to, and what an error leaves open.

use super::super::refusals::may_undo;
use super::SessionState;
use crate::routing::Role;
use crate::sql::Effects;
use crate::telemetry::Pin;

/// What an answer said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answered {
    /// It ended with an ERR packet.
    pub failed: bool,
    /// That said that the account has no right to it.
    pub denied: bool,
    /// That said that the text was not understood (ER_PARSE_ERROR): nothing of it ran.
    pub not_parsed: bool,
    /// That said that the parameters of an execute are wrong (ER_WRONG_ARGUMENTS, ER_MALFORMED_PACKET): the server may
    /// not have taken their types.
    pub wrong_parameters: bool,
    /// It was killed on the way (ER_QUERY_INTERRUPTED): what it did by then, no tracker tells.
    pub interrupted: bool,
    /// So many of its results are there, or more.
    pub results: u16,
    /// So many rows its last result changed.
    pub affected: u64,
    /// Its last result had rows.
    pub rows: bool,
    /// It opened a cursor.
    pub cursor: bool,
    /// Warnings of its last result.
    pub warnings: u16,
    /// The character set changed.
    pub charset: bool,
    /// A tracker said what it is.
    pub charset_told: bool,
    /// By the end of its connection.
    pub ended: bool,
    /// The client has all of it: the sequence id of what it gets next, if that belongs to the same text.
    pub next_seq: Option<u8>,
}

impl Answered {
    /// It ended with an ERR packet of this code.
    pub fn note_failure(&mut self, code: u16) {
        self.failed = true;
        self.interrupted = code == 1317;
        self.denied = matches!(code, 1044 | 1142 | 1227);
        self.wrong_parameters = matches!(code, 1210 | 1835);
    }
}

/// An ERR packet has no status flags: what became of the transaction that was open, only the next answer tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TransactionDoubt {
    /// It is as the status says.
    #[default]
    No,
    /// Perhaps it was rolled back.
    Undone,
    /// Perhaps it was committed: a statement that commits implicitly does so before it fails. Nobody may be told of a loss
    /// that it was rolled back.
    Committed,
}

/// Whether all that a text says is ROLLBACK.
pub fn is_rollback(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.strip_suffix(b";").unwrap_or(text).trim_ascii_end().eq_ignore_ascii_case(b"rollback")
}

/// Names have 64 characters of at most 4 bytes.
const MAX_NAME: usize = 256;

/// Whether a text has these letters in it, in any case. Each byte of the text is looked at once, whatever the name
/// repeats: behind a byte that does not fit, what fits already of the next place is known (Knuth, Morris, Pratt).
pub(super) fn mentions(text: &[u8], name: &[u8]) -> bool {
    if name.len() > MAX_NAME {
        return false;
    }
    let fits = |at: usize, byte: u8| name.get(at).is_some_and(|known| known.eq_ignore_ascii_case(&byte));
    // Of each begin of the name, the length of the longest shorter begin that it ends with.
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
    /// Whether the transaction may be over, and the next statement commit by itself.
    pub fn is_perhaps_over(&self) -> bool {
        self.over != TransactionDoubt::No
    }

    /// An ERR packet: it has no status flags to say what became of the transaction.
    pub fn note_error(&mut self, code: u16) {
        if code == 1213 {
            // A deadlock rolls it back as a whole.
            self.rolled_back();
        } else if may_undo(code) {
            self.doubt_transaction();
        }
    }

    /// The transaction may have been rolled back as a whole.
    pub fn doubt_transaction(&mut self) {
        if self.over == TransactionDoubt::No {
            self.over = TransactionDoubt::Undone;
        }
    }

    /// The statement has its answer.
    pub(super) fn doubt(&mut self, role: Role, effects: Effects, text: Option<&[u8]>) {
        if !self.answer.failed || self.answer.not_parsed || !self.in_transaction() {
            return;
        }
        if role == Role::Reader {
            let more = Effects::SEVERAL | Effects::BEGINS | Effects::LEAVES_UNKNOWN;
            let only_ends = effects.contains(Effects::ENDS) && !effects.intersects(more);
            if self.answer.ended && only_ends && self.pins.on(role).has(Pin::Transaction) {
                self.rolled_back();
            }
            return;
        }
        // MySQL puts the end of the connection over a COMMIT that was executed, also in a procedure.
        let commits = Effects::ENDS | Effects::CALLS | Effects::LEAVES_UNKNOWN;
        let ended = self.answer.ended && effects.intersects(commits);
        if ended && text.is_some_and(is_rollback) {
            // It did, or the end of the connection does.
            return self.rolled_back();
        }
        if effects.contains(Effects::COMMITS_IMPLICITLY) || ended {
            self.over = TransactionDoubt::Committed;
        } else if effects.contains(Effects::ENDS) {
            self.doubt_transaction();
        }
    }

    /// What is lost with the primary beside its pins, if the transaction may have been committed.
    pub(super) fn held_by_doubt(&self, role: Role) -> Option<&'static str> {
        (role == Role::Writer && self.over == TransactionDoubt::Committed)
            .then_some("a transaction that a statement which failed may have committed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
