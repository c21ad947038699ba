//! The client's prepared statements: its ids, the texts behind them, and the packets that
//! name them, which are written anew for the server connection that they go to.
//! Source: "COM_STMT_EXECUTE" in MySQL's internals, "COM_STMT_BULK_EXECUTE" in MariaDB's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::backend::{Carried, PreparedText};
use crate::net::{Claim, MemoryBudget};
use crate::routing::Role;
use crate::sql::{ClassReason, Effects, StatementClass, StatementKind};
use crate::wire::{
    Command, Execute, MAX_PAYLOAD, PacketHeader, ProtocolError, Types, bulk_types, flag_types,
};

/// The answer to COM_STMT_PREPARE says nothing of the session.
pub(super) const PREPARED: StatementClass = StatementClass {
    kind: StatementKind::Session,
    effects: Effects::empty(),
    reason: ClassReason::TextPrepared,
};

/// "The statement that was prepared last" (MariaDB), for clients that do not wait for its id.
const LAST_PREPARED: u32 = u32::MAX;

/// One statement of a client.
#[derive(Debug)]
pub struct Prepared {
    /// What it is, on whatever connection.
    pub text: Rc<PreparedText>,
    /// What it does.
    pub class: StatementClass,
    /// Its parameters.
    pub params: u16,
    /// The parameter types that the client gave last.
    pub types: Option<Rc<[u8]>>,
    /// Where it has an open cursor.
    pub cursor: Option<Role>,
    /// Where parameters were sent in advance.
    pub long_data: Option<Role>,
}

impl Prepared {
    /// It has a cursor, or parameters sent in advance.
    fn is_busy(&self) -> bool {
        self.cursor.is_some() || self.long_data.is_some()
    }
}

/// Open statements of a session: as many as a server has in all unless it was told otherwise (max_prepared_stmt_count).
pub const MOST: usize = 16_382;

/// Their texts. Servers count no bytes, but give up what is prepared on them with each connection; a session does not.
const MOST_BYTES: usize = 64 << 20;

/// See the module.
#[derive(Debug, Default)]
pub struct ClientStatements {
    open: HashMap<u32, Prepared>,
    /// Of their texts and parameter types, together.
    bytes: u32,
    last: u32,
}

impl ClientStatements {
    /// The id that the next statement gets.
    pub fn next_id(&self) -> u32 {
        match self.last.wrapping_add(1) {
            0 | LAST_PREPARED => 1,
            id => id,
        }
    }

    /// Whether one more text of this length is within what a session may keep.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.open.len() < MOST && self.has_bytes(bytes)
    }

    fn has_bytes(&self, bytes: usize) -> bool {
        self.bytes as usize + bytes <= MOST_BYTES
    }

    /// A statement was prepared under `next_id`.
    pub fn insert(&mut self, prepared: Prepared) {
        self.last = self.next_id();
        self.bytes = self.bytes.saturating_add(bytes_of(&prepared));
        self.open.insert(self.last, prepared);
    }

    /// The id that a client's packet means.
    #[inline]
    pub fn meant(&self, id: u32) -> u32 {
        if id == LAST_PREPARED { self.last } else { id }
    }

    /// The statement of an id.
    #[inline]
    pub fn get(&mut self, id: u32) -> Option<&mut Prepared> {
        let id = self.meant(id);
        self.open.get_mut(&id)
    }

    /// The same, to look at.
    #[inline]
    pub fn peek(&self, id: u32) -> Option<&Prepared> {
        self.open.get(&id)
    }

    /// Keeps the parameter types that an execute gave, if the session has room for them; without them the next
    /// execute has to give them again.
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

    /// COM_STMT_CLOSE.
    pub fn remove(&mut self, id: u32) -> Option<Prepared> {
        let id = self.meant(id);
        let closed = self.open.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(bytes_of(&closed));
        Some(closed)
    }

    /// Whether another statement of the client with the same text is in the middle of something: it and this one
    /// cannot be one statement on a server.
    pub fn collides(&self, id: u32) -> bool {
        let Some(mine) = self.open.get(&id) else { return false };
        self.open.iter().any(|(other, p)| *other != id && p.text.id == mine.text.id && p.is_busy())
    }

    /// Whether a statement of this text is in the middle of something.
    pub fn is_busy(&self, text: u64) -> bool {
        self.open.values().any(|p| p.text.id == text && p.is_busy())
    }

    /// Whether any statement has an open cursor there.
    pub fn has_cursor(&self, role: Role) -> bool {
        self.open.values().any(|p| p.cursor == Some(role))
    }

    /// Whether any statement waits for its execute with parameters sent in advance.
    pub fn has_long_data(&self, role: Role) -> bool {
        self.open.values().any(|p| p.long_data == Some(role))
    }

    /// A connection is gone, with its cursors, and what was sent in advance.
    pub fn lost_connection(&mut self, role: Role) {
        for prepared in self.open.values_mut() {
            prepared.cursor = prepared.cursor.filter(|r| *r != role);
            prepared.long_data = prepared.long_data.filter(|r| *r != role);
        }
    }
}

/// What its text and the types of its parameters take: each was in one packet, so that this is exact.
fn bytes_of(prepared: &Prepared) -> u32 {
    let types = prepared.types.as_ref().map_or(0, |types| types.len());
    (prepared.text.text.len() + types).try_into().unwrap_or(u32::MAX)
}

/// One text, as it is read under different circumstances.
type Known = Vec<Weak<PreparedText>>;

/// Texts that nobody has any more take at most so many bytes.
const MOST_FRESH: usize = 16 << 20;

/// The texts that are prepared in a worker, each once.
#[derive(Debug, Default)]
pub struct Texts {
    by_text: RefCell<HashMap<Arc<[u8]>, Known>>,
    ids: std::cell::Cell<u64>,
    /// Bytes of the texts that came since those were let go that nobody has any more.
    fresh: std::cell::Cell<usize>,
}

impl Texts {
    /// The one for this text of up to `MAX_READ` bytes, read as a session of this state has it read.
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
        // Those that nobody has any more go now and then, all at once.
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

/// Drops the texts that nobody has any more.
fn retain_used(all: &mut HashMap<Arc<[u8]>, Known>) {
    all.retain(|_, list| {
        list.retain(|known| known.strong_count() > 0);
        !list.is_empty()
    });
}

impl Texts {
    /// Drops the texts that nobody has any more.
    pub fn sweep(&self) {
        self.fresh.set(0);
        retain_used(&mut self.by_text.borrow_mut());
    }

    /// The same text, shared with nobody.
    pub fn alone(&self, text: &PreparedText) -> Rc<PreparedText> {
        self.new_text(text.text.clone(), &text.under)
    }

    /// A text that is shared with nobody: to compare a long one with others would take the worker too long.
    pub fn new_text(&self, text: Arc<[u8]>, under: &Rc<Carried>) -> Rc<PreparedText> {
        self.ids.set(self.ids.get() + 1);
        Rc::new(PreparedText { id: self.ids.get(), text, under: under.clone() })
    }
}

/// The parameter types in the payload of COM_STMT_EXECUTE or COM_STMT_BULK_EXECUTE. `attributes`:
/// CLIENT_QUERY_ATTRIBUTES is on.
#[inline]
pub fn types_in(
    payload: &[u8],
    command: Command,
    params: u16,
    attributes: bool,
) -> Result<Types<'_>, ProtocolError> {
    match command {
        Command::StmtBulkExecute => bulk_types(payload, params),
        _ => Execute::parse(payload, params, attributes).map(|execute| execute.types),
    }
}

/// A text with a plain string in place of its one question mark.
pub fn with_string(text: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let plain = |b: &u8| (b.is_ascii_graphic() || *b == b' ') && !matches!(b, b'\'' | b'"' | b'\\');
    let mut parts = text.split(|b| *b == b'?');
    let (before, behind) = (parts.next()?, parts.next()?);
    (value.iter().all(plain) && parts.next().is_none()).then(|| [before, b"'", value, b"'", behind].concat())
}

/// A packet with the types of the execute before put in, at the offset that was told. None: it would be too
/// large for one packet.
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
        let texts = Texts::default();
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
        let text = Texts::default().get(b"select 1", &Rc::new(Carried::new(None, 45)));
        let prepared = || Prepared {
            text: text.clone(),
            class: StatementClass::UNKNOWN,
            params: 0,
            types: None,
            cursor: None,
            long_data: None,
        };
        assert!(s.get(1).is_none() && s.get(LAST_PREPARED).is_none());
        s.insert(prepared());
        s.insert(prepared());
        assert_eq!((s.meant(LAST_PREPARED), s.next_id()), (2, 3));
        assert!(s.remove(1).is_some() && s.get(1).is_none() && s.get(LAST_PREPARED).is_some());
    }
}
