//! The client's prepared statements: its ids, the texts behind them, and the packets that name them, which
//! are rewritten for the server connection that they go to. Source: "COM_STMT_EXECUTE" in MySQL's internals,
//! "COM_STMT_BULK_EXECUTE" in MariaDB's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::backend::{Carried, PreparedText};
use crate::net::{Claim, MemoryBudget};
use crate::sql::digest::Digest;
use crate::sql::{Effects, Readings, StatementClass};
use crate::terms::{Role, StatementKind, Why};
use crate::topology::Flavor;
use crate::wire::{
    Command, Execute, MAX_PAYLOAD, PacketHeader, ProtocolError, Types, bulk_types, flag_types,
};

/// The class of COM_STMT_PREPARE, whose answer says nothing about the session.
pub const PREPARED: StatementClass = StatementClass {
    kind: StatementKind::Session,
    effects: Effects::KEEPS_FOUND_ROWS,
    reason: Why::TextPrepared,
};

/// The id that means "the statement that was prepared last", for clients that do not wait for an id. MySQL has no
/// such id.
const LAST_PREPARED: u32 = u32::MAX;

/// One prepared statement of a client.
#[derive(Debug)]
pub struct Prepared {
    /// The prepared text, independent of any connection.
    pub text: Rc<PreparedText>,
    /// The class of the text.
    pub class: StatementClass,
    /// The version of the catalogue by which the text was classified.
    pub catalogue: u64,
    /// How the session's texts were read when the text was classified.
    pub read_as: Readings,
    /// The number of its parameters.
    pub params: u16,
    /// How many columns the client was told of its result, by the last prepare or execute. 0: the servers do not compare.
    pub columns: u16,
    /// The parameter types that the client sent last.
    pub types: Option<Rc<[u8]>>,
    /// The role whose connection has its open cursor.
    pub cursor: Option<Role>,
    /// The role whose connection has its long data (COM_STMT_SEND_LONG_DATA).
    pub long_data: Option<Role>,
    /// The digest of the text.
    pub digest: Option<Rc<Digest>>,
}

impl Prepared {
    /// True if the statement has an open cursor or long data.
    fn is_busy(&self) -> bool {
        self.cursor.is_some() || self.long_data.is_some()
    }
}

/// The most open statements of a session: as many as a whole server allows by default
/// (max_prepared_stmt_count).
pub const MOST: usize = 16_382;

/// The most bytes of their texts and parameter types. Servers do not count bytes, but they drop their
/// prepared statements with each connection; a session keeps its own.
const MOST_BYTES: usize = 64 << 20;

/// See the module.
#[derive(Debug, Default)]
pub struct ClientStatements {
    open: HashMap<u32, Prepared, RandomState>,
    /// The bytes of their texts and parameter types together.
    bytes: u32,
    last: u32,
    /// The statement that `LAST_PREPARED` means; 0 if there is none.
    last_prepared: u32,
}

impl ClientStatements {
    /// Notes that a COM_STMT_PREPARE begins. If it fails, `LAST_PREPARED` means no statement: a client that sends an
    /// execute in the same write must not execute an older statement.
    #[inline]
    pub fn prepare_begins(&mut self) {
        self.last_prepared = 0;
    }

    /// Closes all statements. No later statement gets one of their ids, as on servers: a client that still uses an id
    /// must not execute another statement.
    #[must_use]
    pub fn all_closed(self) -> Self {
        ClientStatements { last: self.last, ..Self::default() }
    }

    /// Returns the id that the next statement gets.
    pub fn next_id(&self) -> u32 {
        match self.last.wrapping_add(1) {
            0 | LAST_PREPARED => 1,
            id => id,
        }
    }

    /// True if the session may keep one more text of this length.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.open.len() < MOST && self.has_bytes(bytes)
    }

    fn has_bytes(&self, bytes: usize) -> bool {
        self.bytes as usize + bytes <= MOST_BYTES
    }

    /// Adds a statement under `next_id`. `flavor`: the server that prepared it.
    pub fn insert(&mut self, prepared: Prepared, flavor: Flavor) {
        self.last = self.next_id();
        self.last_prepared = match flavor {
            Flavor::MariaDb => self.last,
            Flavor::MySql => 0,
        };
        self.bytes = self.bytes.saturating_add(bytes_of(&prepared));
        self.open.insert(self.last, prepared);
    }

    /// Returns the id that a client's packet means; 0, which no statement has, if it means none.
    #[inline]
    pub fn meant(&self, id: u32) -> u32 {
        if id == LAST_PREPARED { self.last_prepared } else { id }
    }

    /// Returns the statement that a client's packet means by this id.
    #[inline]
    pub fn get(&mut self, id: u32) -> Option<&mut Prepared> {
        let id = self.meant(id);
        self.open.get_mut(&id)
    }

    /// Returns the statement with this id, to read. Does not resolve `LAST_PREPARED`.
    #[inline]
    pub fn peek(&self, id: u32) -> Option<&Prepared> {
        self.open.get(&id)
    }

    /// Keeps the parameter types that an execute sent, if the session has room for them. Otherwise the next
    /// execute has to send them again.
    pub fn keep_types(&mut self, id: u32, types: &[u8], memory: &MemoryBudget) {
        let Some(before) = self.open.get(&id).map(|p| p.types.as_ref().map_or(0, |types| types.len())) else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(u32::try_from(before).unwrap_or(u32::MAX));
        let kept = self.has_bytes(types.len()) && memory.grant(Claim::Prepared, types.len());
        if kept {
            self.bytes = self.bytes.saturating_add(u32::try_from(types.len()).unwrap_or(u32::MAX));
        }
        if let Some(prepared) = self.open.get_mut(&id) {
            prepared.types = kept.then(|| types.into());
        }
    }

    /// Removes a statement, for COM_STMT_CLOSE.
    pub fn remove(&mut self, id: u32) -> Option<Prepared> {
        let id = self.meant(id);
        let closed = self.open.remove(&id)?;
        if id == self.last_prepared {
            self.last_prepared = 0;
        }
        self.bytes = self.bytes.saturating_sub(bytes_of(&closed));
        Some(closed)
    }

    /// True if another statement of the client with the same text has a cursor or long data: the two cannot
    /// share one statement on a server.
    pub fn collides(&self, id: u32) -> bool {
        let Some(mine) = self.open.get(&id) else { return false };
        self.open.iter().any(|(other, p)| *other != id && p.text.id == mine.text.id && p.is_busy())
    }

    /// True if a statement with this text has a cursor or long data.
    pub fn is_busy(&self, text: u64) -> bool {
        self.open.values().any(|p| p.text.id == text && p.is_busy())
    }

    /// True if any statement has an open cursor on the connection for this role.
    pub fn has_cursor(&self, role: Role) -> bool {
        self.open.values().any(|p| p.cursor == Some(role))
    }

    /// True if any statement has long data on the connection for this role.
    pub fn has_long_data(&self, role: Role) -> bool {
        self.open.values().any(|p| p.long_data == Some(role))
    }

    /// Forgets the cursors and the long data of a lost connection.
    pub fn lost_connection(&mut self, role: Role) {
        for prepared in self.open.values_mut() {
            prepared.cursor = prepared.cursor.filter(|r| *r != role);
            prepared.long_data = prepared.long_data.filter(|r| *r != role);
        }
    }
}

/// Returns the bytes of the text and of the parameter types. Each came in one packet, so the number is exact.
fn bytes_of(prepared: &Prepared) -> u32 {
    let types = prepared.types.as_ref().map_or(0, |types| types.len());
    (prepared.text.text.len() + types).try_into().unwrap_or(u32::MAX)
}

/// The prepared texts with the same bytes, read under different session states.
type KnownStatement = Vec<Weak<PreparedText>>;

/// Unused texts take at most this many bytes before they are dropped.
const MOST_FRESH: usize = 16 << 20;

/// The texts that are prepared in a worker. Sessions with the same text and state share one.
#[derive(Debug, Default)]
pub struct PreparedTexts {
    by_text: RefCell<HashMap<Arc<[u8]>, KnownStatement>>,
    ids: std::cell::Cell<u64>,
    /// The bytes of the texts that were added since unused texts were last dropped.
    fresh: std::cell::Cell<usize>,
}

impl PreparedTexts {
    /// Returns the shared text for these bytes (up to `MAX_READ`), as servers read it for a session with this
    /// state.
    pub fn get(&self, text: &[u8], under: &Rc<Carried>) -> Rc<PreparedText> {
        let mut all = self.by_text.borrow_mut();
        let alike = all.get(text).and_then(|list| {
            list.iter().filter_map(Weak::upgrade).find(|known| known.under.parses_like(under))
        });
        if let Some(known) = alike {
            return known;
        }
        let text: Arc<[u8]> = text.into();
        let new = self.new_text(text.clone(), under);
        // Drops all unused texts at once, now and then.
        self.fresh.set(self.fresh.get().saturating_add(text.len()));
        if self.ids.get().is_multiple_of(1024) || self.fresh.get() > MOST_FRESH {
            self.fresh.set(0);
            retain_used(&mut all);
        }
        let list = all.entry(text).or_default();
        list.retain(|known| known.strong_count() > 0);
        list.push(Rc::downgrade(&new));
        new
    }
}

/// Drops the texts that no session uses any more.
fn retain_used(all: &mut HashMap<Arc<[u8]>, KnownStatement>) {
    all.retain(|_, list| {
        list.retain(|known| known.strong_count() > 0);
        !list.is_empty()
    });
}

impl PreparedTexts {
    /// Drops the texts that no session uses any more.
    pub fn sweep(&self) {
        self.fresh.set(0);
        retain_used(&mut self.by_text.borrow_mut());
    }

    /// Returns the same text, shared with no other statement.
    pub fn alone(&self, text: &PreparedText) -> Rc<PreparedText> {
        self.new_text(text.text.clone(), &text.under)
    }

    /// Returns a text that no other statement shares. Also used for long texts, because comparing them would
    /// take the worker too long.
    pub fn new_text(&self, text: Arc<[u8]>, under: &Rc<Carried>) -> Rc<PreparedText> {
        self.ids.set(self.ids.get() + 1);
        Rc::new(PreparedText { id: self.ids.get(), text, under: under.clone() })
    }
}

/// Returns the parameter types in the payload of COM_STMT_EXECUTE or COM_STMT_BULK_EXECUTE. `attributes`:
/// CLIENT_QUERY_ATTRIBUTES is on.
#[inline]
pub fn types_in(
    payload: &[u8],
    command: Command,
    params: u16,
    attributes: bool,
) -> Result<Types<'_>, ProtocolError> {
    if command == Command::StmtBulkExecute {
        return bulk_types(payload, params);
    }
    Execute::parse(payload, params, attributes).map(|execute| execute.types)
}

/// Returns the text with a plain string in place of its question mark. Returns None if the string is not
/// plain, or the text does not have exactly one question mark.
pub fn with_string(text: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let plain = |b: &u8| (b.is_ascii_graphic() || *b == b' ') && !matches!(b, b'\'' | b'"' | b'\\');
    let mut parts = text.split(|b| *b == b'?');
    let (before, behind) = (parts.next()?, parts.next()?);
    (value.iter().all(plain) && parts.next().is_none()).then(|| [before, b"'", value, b"'", behind].concat())
}

/// Returns the packet with the types of an earlier execute inserted at `at`, the offset that the parser
/// returned. Returns None if the packet would be too large.
pub fn with_types(packet: &[u8], at: usize, types: &[u8], bulk: bool) -> Option<Vec<u8>> {
    let header = PacketHeader::parse(packet)?;
    let payload = packet.get(PacketHeader::LEN..header.total())?;
    let len = payload.len() + types.len();
    if len >= MAX_PAYLOAD {
        return None;
    }
    let mut out = PacketHeader { len, seq: header.seq }.to_bytes().to_vec();
    let (head, tail) = payload.split_at_checked(at)?;
    out.extend_from_slice(head);
    flag_types(out.get_mut(PacketHeader::LEN..)?, at, bulk)?;
    out.extend_from_slice(types);
    out.extend_from_slice(tail);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame;

    /// Two parameters, of type LONG and VAR_STRING.
    const GIVEN: &[u8] = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x01\x03\0\xfd\0\x07\0\0\0\x01a";
    const BEFORE: &[u8] = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x00\x07\0\0\0\x01a";

    #[test]
    fn a_parameter_that_is_a_plain_string_is_put_in() {
        let sql = b"SELECT GET_LOCK(?,10)";
        assert_eq!(with_string(sql, b"ab").as_deref(), Some(&b"SELECT GET_LOCK('ab',10)"[..]));
        assert_eq!(with_string(sql, b"a'"), None);
        assert_eq!(with_string(b"SELECT '?', GET_LOCK(?,1)", b"ab"), None);
    }

    #[test]
    fn types_are_put_in() {
        let mut packet = Vec::new();
        frame(&mut packet, 0, BEFORE);
        let mut expected = Vec::new();
        frame(&mut expected, 0, GIVEN);
        assert_eq!(with_types(&packet, 12, b"\x03\0\xfd\0", false).unwrap(), expected);
        packet.clear();
        frame(&mut packet, 0, b"\xfa\x01\0\0\0\0\0rest");
        expected.clear();
        frame(&mut expected, 0, b"\xfa\x01\0\0\0\x80\0\x03\0\xfd\0rest");
        assert_eq!(with_types(&packet, 7, b"\x03\0\xfd\0", true).unwrap(), expected);
    }

    #[test]
    fn a_text_is_the_same_only_under_the_same_circumstances() {
        let texts = PreparedTexts::default();
        let (a, b) = (Rc::new(Carried::new(Some(b"a"), 45)), Rc::new(Carried::new(Some(b"b"), 45)));
        let one = texts.get(b"select 1", &a);
        assert_eq!(texts.get(b"select 1", &a).id, one.id);
        assert_ne!(texts.get(b"select 1", &b).id, one.id);
        assert_ne!(texts.get(b"select 2", &a).id, one.id);
        drop(one);
        assert_eq!(texts.get(b"select 1", &a).id, 4);
    }

    #[test]
    fn ids_are_the_clients_own() {
        let mut s = ClientStatements::default();
        let text = PreparedTexts::default().get(b"select 1", &Rc::new(Carried::new(None, 45)));
        let prepared = || Prepared {
            text: text.clone(),
            class: StatementClass::UNKNOWN,
            catalogue: 0,
            read_as: Readings::default(),
            params: 0,
            columns: 0,
            types: None,
            cursor: None,
            long_data: None,
            digest: None,
        };
        assert!(s.get(1).is_none() && s.get(LAST_PREPARED).is_none());
        s.insert(prepared(), Flavor::MariaDb);
        s.insert(prepared(), Flavor::MariaDb);
        assert_eq!((s.meant(LAST_PREPARED), s.next_id()), (2, 3));
        assert!(s.remove(1).is_some() && s.get(1).is_none() && s.get(LAST_PREPARED).is_some());
        s.prepare_begins();
        assert!(s.get(LAST_PREPARED).is_none() && s.get(2).is_some());
        s.insert(prepared(), Flavor::MariaDb);
        assert!(s.remove(LAST_PREPARED).is_some() && s.get(LAST_PREPARED).is_none() && s.get(3).is_none());
        s.insert(prepared(), Flavor::MySql);
        assert!(s.get(LAST_PREPARED).is_none() && s.remove(LAST_PREPARED).is_none() && s.get(4).is_some());
        s.insert(prepared(), Flavor::MariaDb);
        let mut s = s.all_closed();
        assert!(s.get(LAST_PREPARED).is_none() && s.get(5).is_none());
        assert_eq!(s.next_id(), 6);
    }
}
