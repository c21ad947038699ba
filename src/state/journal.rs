//! The record of an open transaction: the packets of its statements, and a digest of each answer that the client got.
//! The transaction can be run again on another primary as long as it has a record.

use std::hash::Hasher;
use std::rc::Rc;

use twox_hash::XxHash64;

use super::may_undo;
use crate::backend::{Carried, InsertId, PreparedText, ServerThread};
use crate::sql::{Effects, MAX_READ, StatementClass};
use crate::terms::StatementKind;
use crate::wire::{Command, ErrPacket, Observer, OkPacket, OnErr, ProtocolError, StatusFlags};

/// The status flags that belong to a statement's result. The other flags describe the session.
const TELLING: StatusFlags =
    StatusFlags::IN_TRANS.union(StatusFlags::MORE_RESULTS_EXISTS).union(StatusFlags::CURSOR_EXISTS);

/// The digest of one answer that the client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// Covers the whole answer but the insert id.
    pub checksum: u64,
    /// The insert id; for a text of several statements, a mix of all their insert ids.
    pub insert_id: u64,
    /// Rows changed.
    pub rows: u64,
}

/// Computes the digest of an answer while the answer passes.
#[derive(Debug, Clone)]
pub struct Summary {
    hasher: XxHash64,
    insert_id: u64,
    rows: u64,
    /// True if the answer had an error that may have rolled back more than its own statement.
    pub undone: bool,
}

impl Default for Summary {
    fn default() -> Self {
        Summary { hasher: XxHash64::with_seed(0), insert_id: 0, rows: 0, undone: false }
    }
}

impl Summary {
    /// Adds bytes of columns and rows, which the walker does not decode.
    #[inline]
    pub fn unread(&mut self, bytes: &[u8]) {
        self.hasher.write(bytes);
    }

    /// Adds an OK packet, or the packet that ends the rows: what it says about the statement, but not what it
    /// says about the session.
    #[inline]
    pub fn ok(&mut self, ok: &OkPacket<'_>) {
        if ok.last_insert_id != 0 {
            self.insert_id =
                self.insert_id.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(ok.last_insert_id);
        }
        self.rows = self.rows.saturating_add(ok.affected_rows);
        self.hasher.write_u64(ok.affected_rows);
        self.hasher.write_u16(ok.warnings);
        self.hasher.write_u16((ok.status & TELLING).bits());
        self.hasher.write_usize(ok.info.len());
        self.hasher.write(ok.info);
    }

    /// Adds an ERR packet.
    pub fn err(&mut self, err: &ErrPacket<'_>) {
        self.undone |= may_undo(err.code);
        self.hasher.write_u16(err.code);
        self.hasher.write(&err.sqlstate);
        self.hasher.write(err.message);
    }

    /// Returns the digest of the complete answer.
    pub fn finish(&self) -> Answer {
        Answer { checksum: self.hasher.finish(), insert_id: self.insert_id, rows: self.rows }
    }
}

/// Observes the answer to a replayed statement.
#[derive(Debug, Default)]
pub struct Witness {
    /// The digest of this answer, computed as it was the first time.
    pub summary: Summary,
    /// The code of the ERR packet, if the answer ended with one.
    pub refused: Option<u16>,
}

impl Observer for Witness {
    fn ok(&mut self, ok: &OkPacket<'_>) -> Result<(), ProtocolError> {
        self.summary.ok(ok);
        Ok(())
    }

    fn err(&mut self, err: &ErrPacket<'_>, _first: bool) -> OnErr {
        self.refused = Some(err.code);
        self.summary.err(err);
        OnErr::Forward
    }

    fn unread(&mut self, bytes: &[u8]) {
        self.summary.unread(bytes);
    }
}

/// One statement of a transaction.
#[derive(Debug)]
pub struct Entry {
    /// The end of the statement's packet in `Journal::packets`.
    pub end: usize,
    /// The statement's command.
    pub command: Command,
    /// The class of the statement.
    pub class: StatementClass,
    /// The digest of the answer that the client got.
    pub answer: Answer,
    /// The prepared statement that it executes; None for a text.
    pub statement: Option<Rc<PreparedText>>,
}

/// The record of one open transaction.
#[derive(Debug)]
pub struct Journal {
    /// The packets, back to back.
    pub packets: Vec<u8>,
    /// The statements.
    pub entries: Vec<Entry>,
    /// The session's state at the begin of the transaction. A statement that changes this state ends the
    /// journal.
    pub carried: Rc<Carried>,
    /// What `LAST_INSERT_ID()` returned at the begin of the transaction.
    pub insert_id: InsertId,
    /// The connection on which the transaction runs.
    pub connection: ServerThread,
    /// The generation of that connection.
    pub generation: u64,
    /// True if a snapshot showed that the server is lost.
    pub lost: bool,
    /// The digest of the answer under way.
    pub summary: Summary,
}

impl Journal {
    /// Returns the packet of an entry.
    pub fn packet(&self, at: usize) -> &[u8] {
        let begin = at.checked_sub(1).and_then(|before| self.entries.get(before)).map_or(0, |e| e.end);
        self.entries.get(at).and_then(|entry| self.packets.get(begin..entry.end)).unwrap_or_default()
    }

    /// True if the session's insert id is the one that it had when the transaction began, and only its connection knows that.
    pub fn lacks_insert_id_of_before(&self) -> bool {
        let makes = |entry: &Entry| {
            entry.answer.insert_id != 0 || entry.class.effects.contains(Effects::READS_INSERT_ID)
        };
        self.insert_id == InsertId::OnConnection && !self.entries.iter().any(makes)
    }

    /// True if any statement changed rows, or may have.
    pub fn writes(&self) -> bool {
        self.entries.iter().any(|entry| entry.class.kind >= StatementKind::Write)
    }

    /// True if a write names something that differs between servers: system variables, files, or the
    /// connection id. The answer to a write would not show the difference. Names in comments and strings
    /// count, too, and so does every text that is too long to be searched: a false alarm is better than a
    /// miss.
    pub fn names_one_server(&self) -> bool {
        const NAMES: [&[u8]; 3] = [b"@@", b"connection_id", b"load_file"];
        let writes = self.entries.iter().enumerate().filter(|(_, e)| e.class.kind >= StatementKind::Write);
        writes.into_iter().any(|(at, entry)| {
            let prepared = entry.statement.as_ref();
            let text = prepared.map_or_else(|| self.packet(at), |text| &text.text);
            text.len() > MAX_READ
                || NAMES
                    .iter()
                    .any(|name| text.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_same_however_it_comes_in_pieces() {
        let bytes: Vec<u8> = (0..200u8).collect();
        let sum = |chunk: usize| {
            let mut summary = Summary::default();
            bytes.chunks(chunk).for_each(|part| summary.unread(part));
            summary.ok(&OkPacket { affected_rows: 1, last_insert_id: 7, ..OkPacket::default() });
            summary.finish()
        };
        let whole = sum(200);
        assert_eq!(whole.insert_id, 7);
        for chunk in [1, 3, 31, 32, 33, 64] {
            assert_eq!(sum(chunk), whole, "pieces of {chunk}");
        }
    }

    #[test]
    fn what_the_client_was_told_counts_and_what_the_session_was_told_does_not() {
        let sum = |ok: OkPacket<'_>| {
            let mut summary = Summary::default();
            summary.ok(&ok);
            summary.finish()
        };
        let ok = OkPacket { affected_rows: 1, info: b"Rows matched: 1", ..OkPacket::default() };
        let same = OkPacket { state: b"\x01", status: StatusFlags::AUTOCOMMIT, ..ok };
        assert_eq!(sum(ok), sum(same));
        for other in [
            OkPacket { affected_rows: 2, ..ok },
            OkPacket { warnings: 1, ..ok },
            OkPacket { info: b"Rows matched: 2", ..ok },
            OkPacket { status: StatusFlags::IN_TRANS, ..ok },
            OkPacket { last_insert_id: 1, ..ok },
        ] {
            assert_ne!(sum(ok), sum(other), "{other:?}");
        }
    }

    #[test]
    fn ids_of_several_statements_count_in_their_order() {
        let sum = |ids: [u64; 2]| {
            let mut summary = Summary::default();
            ids.iter().for_each(|id| summary.ok(&OkPacket { last_insert_id: *id, ..OkPacket::default() }));
            summary.finish().insert_id
        };
        assert_ne!(sum([5, 6]), sum([6, 5]));
        assert_eq!((sum([7, 0]), sum([0, 7])), (7, 7));
    }

    #[test]
    fn an_error_that_may_undo_more_than_its_statement_is_noted() {
        let undone = |code| {
            let mut summary = Summary::default();
            summary.err(&ErrPacket { code, sqlstate: *b"HY000", message: b"" });
            summary.undone
        };
        assert!(undone(1205) && undone(1020) && !undone(1062));
    }
}
