//! The client's prepared statements: its ids, the texts behind them, and the packets that
//! name them, which are written anew for the server connection that they go to.
//! Source: "COM_STMT_EXECUTE" in MySQL's internals, "COM_STMT_BULK_EXECUTE" in MariaDB's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use crate::backend::{Carried, PreparedText};
use crate::net::{Claim, MemoryBudget};
use crate::routing::Role;
use crate::sql::{ClassReason, Effects, MAX_READ, StatementClass, StatementKind};
use crate::wire::{MAX_PAYLOAD, PacketHeader, Reader};

/// The answer to COM_STMT_PREPARE says nothing of the session.
pub(super) const PREPARED: StatementClass = StatementClass {
    kind: StatementKind::Session,
    effects: Effects::empty(),
    reason: ClassReason::TextPrepared,
};

/// "The statement that was prepared last" (MariaDB), for clients that do not wait for its id.
const LAST_PREPARED: u32 = u32::MAX;

/// COM_STMT_EXECUTE's flag that parameters are counted (CLIENT_QUERY_ATTRIBUTES).
const PARAMETER_COUNT_AVAILABLE: u8 = 8;

/// COM_STMT_BULK_EXECUTE's flag that types are there.
const SEND_TYPES: u16 = 128;

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
    by_text: RefCell<HashMap<Rc<[u8]>, Known>>,
    ids: std::cell::Cell<u64>,
    /// Bytes of the texts that came since those were let go that nobody has any more.
    fresh: std::cell::Cell<usize>,
}

impl Texts {
    /// The one for this text, read as a session of this state has it read.
    pub fn get(&self, text: &[u8], under: &Rc<Carried>) -> Rc<PreparedText> {
        if text.len() > MAX_READ {
            // To compare it with others would take the worker too long.
            self.ids.set(self.ids.get() + 1);
            return Rc::new(PreparedText { id: self.ids.get(), text: text.into(), under: under.clone() });
        }
        let mut all = self.by_text.borrow_mut();
        let alike = all.get(text).and_then(|list| {
            list.iter().filter_map(Weak::upgrade).find(|known| known.under.parses_like(under))
        });
        if let Some(known) = alike {
            return known;
        }
        self.ids.set(self.ids.get() + 1);
        let text: Rc<[u8]> = text.into();
        let new = Rc::new(PreparedText { id: self.ids.get(), text: text.clone(), under: under.clone() });
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
fn retain_used(all: &mut HashMap<Rc<[u8]>, Known>) {
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
        self.ids.set(self.ids.get() + 1);
        Rc::new(PreparedText { id: self.ids.get(), text: text.text.clone(), under: text.under.clone() })
    }
}

/// The parameter types in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Types<'a> {
    /// It has no parameters.
    None,
    /// These.
    Given(&'a [u8]),
    /// Those of the execute before: they would stand at this offset of the payload.
    AsBefore(usize),
    /// The packet cannot be read.
    Unreadable,
}

/// Reads where the types stand in the payload of COM_STMT_EXECUTE (the command byte included).
/// `attributes`: CLIENT_QUERY_ATTRIBUTES is on.
pub fn execute_types(payload: &[u8], params: u16, attributes: bool) -> Types<'_> {
    parse_execute(payload, params, attributes).unwrap_or(Types::Unreadable)
}

fn parse_execute(payload: &[u8], params: u16, attributes: bool) -> Option<Types<'_>> {
    const WHAT: &str = "COM_STMT_EXECUTE";
    let flags = *payload.get(5)?;
    let mut r = Reader::new(payload.get(10..)?);
    let mut count = usize::from(params);
    if attributes && flags & PARAMETER_COUNT_AVAILABLE != 0 {
        count = usize::try_from(r.lenenc(WHAT).ok()?).ok()?;
    }
    if count == 0 {
        return Some(Types::None);
    }
    r.bytes(count.div_ceil(8), WHAT).ok()?;
    let bound = r.u8(WHAT).ok()?;
    let begin = payload.len() - r.rest().len();
    if bound != 1 {
        return Some(Types::AsBefore(begin));
    }
    for _ in 0..count {
        r.u16(WHAT).ok()?;
        if attributes {
            r.lenenc_bytes(WHAT).ok()?;
        }
    }
    payload.get(begin..payload.len() - r.rest().len()).map(Types::Given)
}

/// The value of an execute's one parameter, if it is a string. `types` are those of before.
pub fn string_parameter<'a>(payload: &'a [u8], types: Option<&[u8]>, attributes: bool) -> Option<&'a [u8]> {
    const WHAT: &str = "COM_STMT_EXECUTE";
    let (kind, begin) = match parse_execute(payload, 1, attributes)? {
        Types::Given(types) => {
            let end = types.as_ptr_range().end.addr() - payload.as_ptr().addr();
            (*types.first()?, end)
        }
        Types::AsBefore(begin) => (*types?.first()?, begin),
        Types::None | Types::Unreadable => return None,
    };
    let counted = attributes && payload.get(5)? & PARAMETER_COUNT_AVAILABLE != 0;
    let (count, bitmap) = if counted { (*payload.get(10)?, 11) } else { (1, 10) };
    // MYSQL_TYPE_VARCHAR, _VAR_STRING, _STRING
    let is_string = matches!(kind, 0x0f | 0xfd | 0xfe);
    if count != 1 || *payload.get(bitmap)? != 0 || !is_string {
        return None;
    }
    Reader::new(payload.get(begin..)?).lenenc_bytes(WHAT).ok()
}

/// A text with a plain string in place of its one question mark.
pub fn with_string(text: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let plain = |b: &u8| (b.is_ascii_graphic() || *b == b' ') && !matches!(b, b'\'' | b'"' | b'\\');
    let mut parts = text.split(|b| *b == b'?');
    let (before, behind) = (parts.next()?, parts.next()?);
    (value.iter().all(plain) && parts.next().is_none()).then(|| [before, b"'", value, b"'", behind].concat())
}

/// The same for COM_STMT_BULK_EXECUTE.
pub fn bulk_types(payload: &[u8], params: u16) -> Types<'_> {
    let Some(flags) = payload.get(5..7) else { return Types::Unreadable };
    let flags = u16::from_le_bytes([flags.first().copied().unwrap_or(0), flags.get(1).copied().unwrap_or(0)]);
    let len = usize::from(params) * 2;
    if flags & SEND_TYPES == 0 {
        return Types::AsBefore(7);
    }
    payload.get(7..7 + len).map_or(Types::Unreadable, Types::Given)
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
    let flag_at = PacketHeader::LEN + if bulk { 5 } else { at.checked_sub(1)? };
    if let Some(flag) = out.get_mut(flag_at) {
        *flag |= if bulk { SEND_TYPES.to_le_bytes()[0] } else { 1 };
    }
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
        let given = b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x02ab";
        assert_eq!(string_parameter(given, None, false), Some(&b"ab"[..]));
        let named = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\0\x01\xfd\0\0\x02ab";
        assert_eq!(string_parameter(named, None, true), Some(&b"ab"[..]));
        let before = b"\x17\x01\0\0\0\0\x01\0\0\0\0\0\x02ab";
        assert_eq!(string_parameter(before, Some(b"\xfe\0"), false), Some(&b"ab"[..]));
        for (payload, types) in [
            (&before[..], None),
            (before, Some(&b"\x03\0"[..])),
            (b"\x17\x01\0\0\0\0\x01\0\0\0\x01\x01\xfd\0", None),
            (b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x03ab", None),
        ] {
            assert_eq!(string_parameter(payload, types, false), None, "{}", payload.escape_ascii());
        }
        let sql = b"SELECT GET_LOCK(?,10)";
        assert_eq!(with_string(sql, b"ab").as_deref(), Some(&b"SELECT GET_LOCK('ab',10)"[..]));
        assert_eq!(with_string(sql, b"a'"), None);
        assert_eq!(with_string(b"SELECT '?', GET_LOCK(?,1)", b"ab"), None);
    }

    #[test]
    fn types_are_found() {
        assert_eq!(execute_types(GIVEN, 2, false), Types::Given(b"\x03\0\xfd\0"));
        assert_eq!(execute_types(BEFORE, 2, false), Types::AsBefore(12));
        assert_eq!(execute_types(b"\x17\x01\0\0\0\0\x01\0\0\0", 0, false), Types::None);
        assert_eq!(execute_types(b"\x17\x01\0\0\0\0\x01\0\0\0\x00", 2, false), Types::Unreadable);
        let named = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\x00\x01\x03\0\x01n\x07\0\0\0";
        assert_eq!(execute_types(named, 0, true), Types::Given(b"\x03\0\x01n"));
        let bulk = b"\xfa\x01\0\0\0\x80\0\x03\0\xfd\0rest";
        assert_eq!(bulk_types(bulk, 2), Types::Given(b"\x03\0\xfd\0"));
        assert_eq!(bulk_types(b"\xfa\x01\0\0\0\0\0rest", 2), Types::AsBefore(7));
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
