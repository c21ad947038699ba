//! Packets as servers and clients write them, by the manual rather than by `wire`.

use std::ops::Range;

use crate::wire::{MAX_PAYLOAD, PacketHeader, Writer};

/// SERVER_STATUS_AUTOCOMMIT
pub const AUTOCOMMIT: u16 = 2;
/// SERVER_STATUS_IN_TRANS, with autocommit on.
pub const IN_TRANS: u16 = 3;
/// SERVER_MORE_RESULTS_EXISTS, with autocommit on.
pub const MORE: u16 = 10;
/// SERVER_STATUS_CURSOR_EXISTS, with autocommit on.
pub const CURSOR: u16 = 0x42;
/// SERVER_SESSION_STATE_CHANGED
const STATE_CHANGED: u16 = 0x4000;

/// How one leg writes: what was agreed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub deprecate_eof: bool,
    pub session_track: bool,
}

/// What both legs of an ordinary test speak.
pub const MODERN: Style = Style { deprecate_eof: true, session_track: true };

/// Payloads with headers in front, the first with this sequence id; long ones are split.
pub fn frames(seq: u8, payloads: &[Vec<u8>]) -> Vec<u8> {
    let (mut out, mut seq) = (Vec::new(), seq);
    for payload in payloads {
        let mut rest = &payload[..];
        loop {
            let len = rest.len().min(MAX_PAYLOAD);
            out.extend_from_slice(&PacketHeader { len, seq }.to_bytes());
            out.extend_from_slice(&rest[..len]);
            rest = &rest[len..];
            seq = seq.wrapping_add(1);
            if len < MAX_PAYLOAD {
                break;
            }
        }
    }
    out
}

/// A command with arguments.
pub fn command(byte: u8, arguments: impl AsRef<[u8]>) -> Vec<u8> {
    [&[byte], arguments.as_ref()].concat()
}

/// COM_QUERY without attributes.
pub fn query(sql: &str) -> Vec<u8> {
    command(3, sql)
}

fn ok_packet(style: Style, header: u8, status: u16, info: &str, state: &[u8]) -> Vec<u8> {
    let with_state = style.session_track && !state.is_empty();
    let status = if with_state { status | STATE_CHANGED } else { status };
    let mut out = vec![header, 0, 0];
    out.extend_from_slice(&status.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    if with_state {
        out.put_lenenc_bytes(info.as_bytes());
        out.put_lenenc_bytes(state);
    } else if !info.is_empty() {
        out.put_lenenc_bytes(info.as_bytes());
    }
    out
}

/// OK, autocommit.
pub fn ok() -> Vec<u8> {
    ok_with(AUTOCOMMIT)
}

/// OK with this status.
pub fn ok_with(status: u16) -> Vec<u8> {
    ok_packet(MODERN, 0, status, "", &[])
}

/// OK of a login with the schema `shop`.
pub fn logged_in_to_shop() -> Vec<u8> {
    ok_packet(MODERN, 0, AUTOCOMMIT | 0x4000, "", &schema("shop"))
}

/// OK with session state changes, where the leg has them.
pub fn ok_state(style: Style, status: u16, state: &[u8]) -> Vec<u8> {
    ok_packet(style, 0, status, "said", state)
}

/// A tracker: a system variable.
pub fn variable(name: &str, value: &str) -> Vec<u8> {
    let mut inner = Vec::new();
    inner.put_lenenc_bytes(name.as_bytes());
    inner.put_lenenc_bytes(value.as_bytes());
    tracker(0, &inner)
}

/// A tracker: the schema.
pub fn schema(name: &str) -> Vec<u8> {
    let mut inner = Vec::new();
    inner.put_lenenc_bytes(name.as_bytes());
    tracker(1, &inner)
}

/// A tracker: something changed.
pub fn something() -> Vec<u8> {
    tracker(2, b"1")
}

/// A tracker: GTIDs of writes, as MySQL has them.
pub fn gtids(set: &str) -> Vec<u8> {
    let mut inner = vec![0];
    inner.put_lenenc_bytes(set.as_bytes());
    tracker(3, &inner)
}

fn tracker(kind: u8, inner: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.put_lenenc_bytes(inner);
    out
}

/// What a server reports after `SET NAMES utf8mb4 COLLATE utf8mb4_bin`.
pub fn names_utf8mb4_bin() -> Vec<u8> {
    [
        variable("character_set_client", "utf8mb4"),
        variable("character_set_connection", "utf8mb4"),
        variable("character_set_results", "utf8mb4"),
        variable("collation_connection", "utf8mb4_bin"),
    ]
    .concat()
}

/// ERR.
pub fn err(code: u16, sqlstate: &str, text: &str) -> Vec<u8> {
    [&[0xff], &code.to_le_bytes()[..], b"#", sqlstate.as_bytes(), text.as_bytes()].concat()
}

/// EOF as it stands behind metadata.
pub fn eof(status: u16) -> Vec<u8> {
    [&[0xfe, 0, 0], &status.to_le_bytes()[..]].concat()
}

/// What ends rows: EOF, or OK in its place.
pub fn end(style: Style, status: u16) -> Vec<u8> {
    if style.deprecate_eof { ok_packet(style, 0xfe, status, "", &[]) } else { eof(status) }
}

/// What ends rows, with session state changes.
pub fn end_state(status: u16, state: &[u8]) -> Vec<u8> {
    ok_packet(MODERN, 0xfe, status, "", state)
}

/// A column definition; the walker does not look into it.
pub fn column(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for part in ["def", "test", "t", "t", name, name] {
        out.put_lenenc_bytes(part.as_bytes());
    }
    out.extend_from_slice(&[12, 45, 0, 255, 0, 0, 0, 253, 0, 0, 0, 0, 0]);
    out
}

/// A text row.
pub fn row(values: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    values.iter().for_each(|value| out.put_lenenc_bytes(value.as_bytes()));
    out
}

/// Column definitions, and the EOF behind them where the leg has it.
pub fn columns(style: Style, names: &[&str]) -> Vec<Vec<u8>> {
    columns_with(style, names, AUTOCOMMIT)
}

/// The same with these flags in the EOF.
fn columns_with(style: Style, names: &[&str], status: u16) -> Vec<Vec<u8>> {
    let mut out: Vec<_> = names.iter().map(|name| column(name)).collect();
    if !style.deprecate_eof {
        out.push(eof(status));
    }
    out
}

/// A result set up to its last row.
pub fn head_and_rows(style: Style, names: &[&str], rows: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut out = vec![vec![u8::try_from(names.len()).unwrap()]];
    out.extend(columns(style, names));
    out.extend_from_slice(rows);
    out
}

/// A whole result set that ends with this status.
pub fn result_set(style: Style, names: &[&str], rows: &[Vec<u8>], status: u16) -> Vec<Vec<u8>> {
    /// Flags that only the end of rows has: LAST_ROW_SENT, SESSION_STATE_CHANGED.
    const OF_THE_END: u16 = 0x4080;
    let mut out = vec![vec![u8::try_from(names.len()).unwrap()]];
    out.extend(columns_with(style, names, status & !OF_THE_END));
    out.extend_from_slice(rows);
    out.push(end(style, status));
    out
}

/// One column `a`, one row `1`.
pub fn one() -> Vec<Vec<u8>> {
    result_set(MODERN, &["a"], &[row(&["1"])], AUTOCOMMIT)
}

/// The answer to COM_STMT_PREPARE.
pub fn prepared(style: Style, id: u32, params: Range<u8>, names: &[&str]) -> Vec<Vec<u8>> {
    let mut head = vec![0];
    head.extend_from_slice(&id.to_le_bytes());
    head.extend_from_slice(&[u8::try_from(names.len()).unwrap(), 0]);
    head.extend_from_slice(&[u8::try_from(params.len()).unwrap(), 0, 0, 0, 0]);
    let mut out = vec![head];
    if !params.is_empty() {
        out.extend(columns(style, &vec!["?"; params.len()]));
    }
    if !names.is_empty() {
        out.extend(columns(style, names));
    }
    out
}
