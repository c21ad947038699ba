//! Records an open transaction, so that it can be run again on another primary if its server is lost: the
//! packets of its statements, and a checksum of each answer that the client got.

use std::hash::Hasher;
use std::rc::Rc;

use twox_hash::XxHash64;

use super::Session;
use super::refusals::may_undo;
use super::request::Request;
use super::statements::{Prepared, types_in, with_types};
use crate::backend::{Carried, InsertId, PreparedText};
use crate::config::Replay;
use crate::net::{Buf, Claim, Runtime};
use crate::sql::{Effects, MAX_READ, StatementClass};
use crate::terms::Pin;
use crate::terms::Role;
use crate::terms::{StatementKind, Why};
use crate::topology::ServerId;
use crate::wire::{
    Capabilities, Command, ErrPacket, Observer, OkPacket, OnErr, PacketHeader, StatusFlags, Types,
    first_types,
};

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
    /// True if an error came that may have rolled back more than its own statement.
    undone: bool,
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
    fn ok(&mut self, ok: &OkPacket<'_>) {
        self.summary.ok(ok);
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
    /// The end of its packet in `Journal::packets`.
    pub end: usize,
    /// Its command.
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
    /// The connection on which the transaction runs: the server and the thread id.
    pub connection: (ServerId, u32),
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

/// Appends the packet of an execute with the parameter types in it. Returns None if the packet cannot be
/// parsed, or if its types are unknown.
fn append_self_contained(
    out: &mut Vec<u8>,
    packet: &[u8],
    request: Request,
    prepared: &Prepared,
    attributes: bool,
) -> Option<()> {
    let payload = packet.get(PacketHeader::LEN..)?;
    match types_in(payload, request.command, prepared.params, attributes).ok()? {
        Types::None | Types::Given(_) => out.extend_from_slice(packet),
        Types::AsBefore(at) => {
            let bulk = request.command == Command::StmtBulkExecute;
            let types = first_types(prepared.types.as_deref()?, usize::from(prepared.params), attributes)?;
            out.extend(with_types(packet, at, types, bulk)?);
        }
    }
    Some(())
}

impl<R: Runtime> Session<R> {
    /// Prepares the journal before a statement is sent: resets the digest if a transaction is open on the
    /// primary, or starts a journal if this statement may begin a transaction.
    #[inline]
    pub(super) fn journal_begins(&mut self, request: &Request) {
        if self.role != Role::Writer {
            return;
        }
        if self.state.pins.on(Role::Writer).has(Pin::Transaction) {
            if let Some(journal) = &mut self.state.transaction.journal {
                journal.summary = Summary::default();
            }
            return;
        }
        self.state.transaction.journal = None;
        if request.class.effects.contains(Effects::BEGINS) || !self.state.carried.autocommit {
            self.begin_journal();
        }
    }

    fn begin_journal(&mut self) {
        let Some(connection) = &self.backend else { return };
        let about = &connection.about;
        if self.context.live.borrow().failover.replay == Replay::Off
            || self.state.held(Role::Writer).is_some()
        {
            return;
        }
        self.state.transaction.journal = Some(Box::new(Journal {
            packets: Vec::new(),
            entries: Vec::new(),
            carried: self.state.carried.clone(),
            insert_id: self.state.insert.id.get(),
            connection: (about.server, about.thread_id),
            generation: about.generation,
            lost: false,
            summary: Summary::default(),
        }));
    }

    /// Records the statement after its complete answer. The request must still be in the buffer.
    #[inline]
    pub(super) fn journal_answered(&mut self, buf: &Buf, request: Request) {
        if self.role != Role::Writer || self.state.transaction.journal.is_none() {
            return;
        }
        let Some(mut journal) = self.state.transaction.journal.take() else { return };
        // The transaction is over, or never began.
        if !self.state.in_transaction() {
            return;
        }
        // These commands do nothing in the transaction, so they need no entry.
        if matches!(request.command, Command::StmtPrepare | Command::StmtReset | Command::Statistics)
            || self.record(&mut journal, buf, request).is_some()
        {
            self.state.transaction.journal = Some(journal);
        }
    }

    /// Adds the statement to the journal. Returns None if the transaction can no longer be replayed.
    fn record(&self, journal: &mut Journal, buf: &Buf, request: Request) -> Option<()> {
        if !request.whole || journal.summary.undone || !self.can_follow(journal, &request) {
            return None;
        }
        let packet = buf.filled().get(..request.header.total())?;
        let limit = self.context.live.borrow().failover.replay_limit;
        let entries = journal.entries.len() * size_of::<Entry>();
        if journal.packets.len() + entries + packet.len() > limit
            || !self.has_memory_for(journal, packet.len())
        {
            return None;
        }
        let mut statement = None;
        if request.statement == 0 {
            journal.packets.extend_from_slice(packet);
        } else {
            let prepared = self.state.statements.peek(request.statement)?;
            let attributes = self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
            // With a cursor or long data, this packet alone is not enough for a replay.
            let with_cursor = request.command == Command::StmtExecute && *packet.get(9)? & 7 != 0;
            if with_cursor || prepared.long_data.is_some() || prepared.cursor.is_some() {
                return None;
            }
            append_self_contained(&mut journal.packets, packet, request, prepared, attributes)?;
            statement = Some(prepared.text.clone());
        }
        journal.entries.push(Entry {
            end: journal.packets.len(),
            command: request.command,
            class: request.class,
            answer: journal.summary.finish(),
            statement,
        });
        Some(())
    }

    /// Returns false if the journal must grow for a packet of this length and the memory budget refuses.
    fn has_memory_for(&self, journal: &Journal, packet: usize) -> bool {
        let grows = |used: usize, capacity: usize| {
            if used > capacity { used.max(2 * capacity) - capacity } else { 0 }
        };
        let bytes = grows(journal.packets.len() + packet, journal.packets.capacity())
            + grows(journal.entries.len() + 1, journal.entries.capacity()) * size_of::<Entry>();
        bytes == 0 || self.context.buffers.memory.grant(Claim::Replay, bytes)
    }

    /// True if the statement can be replayed behind the journal's statements on another primary: it does the
    /// same there, and the session's state is as it was at the begin of the transaction.
    pub(super) fn can_follow(&self, journal: &Journal, request: &Request) -> bool {
        let begins_again = request.class.effects.contains(Effects::BEGINS) && !journal.entries.is_empty();
        can_run_again(request.command, &request.class)
            && !begins_again
            && (Rc::ptr_eq(&journal.carried, &self.state.carried) || journal.carried == self.state.carried)
            && self.state.held(Role::Writer).is_none()
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
