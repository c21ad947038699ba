//! Reads a whole answer into values that the model can be compared with.

use std::fmt;
use std::io;

use crate::wire::{Conn, DEPRECATE_EOF, broken};

pub const IN_TRANS: u16 = 0x0001;
pub const AUTOCOMMIT: u16 = 0x0002;
const MORE_RESULTS: u16 = 0x0008;
pub const CURSOR_EXISTS: u16 = 0x0040;
pub const LAST_ROW_SENT: u16 = 0x0080;
pub const NO_BACKSLASH_ESCAPES: u16 = 0x0200;

/// A value as text, whatever protocol it came by; None is NULL.
pub type Cell = Option<Vec<u8>>;
pub type Row = Vec<Cell>;

/// What kind of answer a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// OK, ERR, or result sets with text rows.
    Text,
    /// The same with binary rows.
    Binary,
    Prepared,
    /// Binary rows of a cursor, without columns in front.
    Fetched,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Okay {
    pub affected: u64,
    pub insert_id: u64,
    pub status: u16,
    pub warnings: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    pub names: Vec<String>,
    pub rows: Vec<Row>,
    pub end: Okay,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Ok(Okay),
    Set(Set),
    Err(u16, String),
    /// The statement's id and its number of parameters.
    Prepared(u32, u16),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub parts: Vec<Part>,
}

impl Answer {
    pub fn error(&self) -> Option<(u16, &str)> {
        match self.parts.last() {
            Some(Part::Err(code, text)) => Some((*code, text)),
            _ => None,
        }
    }

    /// Of the packet that ended it, if that has status flags.
    pub fn end(&self) -> Option<Okay> {
        match self.parts.last() {
            Some(Part::Ok(okay)) => Some(*okay),
            Some(Part::Set(set)) => Some(set.end),
            _ => None,
        }
    }
}

/// Short: for a history.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Ok(o) => write!(
                    f,
                    "OK affected {} id {} warnings {} status {:#x}; ",
                    o.affected, o.insert_id, o.warnings, o.status
                )?,
                Part::Err(code, text) => write!(f, "ERROR {code} {text}; ")?,
                Part::Prepared(id, params) => write!(f, "prepared {id} with {params} parameters; ")?,
                Part::Set(set) => write!(
                    f,
                    "{} warnings {} status {:#x}; ",
                    show_rows(&set.rows),
                    set.end.warnings,
                    set.end.status
                )?,
            }
        }
        Ok(())
    }
}

pub fn show_rows(rows: &[Row]) -> String {
    let cell = |cell: &Cell| match cell {
        None => "NULL".to_string(),
        Some(bytes) if bytes.len() > 200 => {
            format!("{}… ({} bytes)", bytes[..60].escape_ascii(), bytes.len())
        }
        Some(bytes) => bytes.escape_ascii().to_string(),
    };
    let row = |row: &Row| row.iter().map(cell).collect::<Vec<_>>().join(" | ");
    let mut shown: Vec<String> = rows.iter().take(6).map(row).collect();
    if rows.len() > 6 {
        shown.push("…".into());
    }
    format!("{} rows [{}]", rows.len(), shown.join("] ["))
}

/// A cursor on the bytes of one packet.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).ok_or_else(|| broken("a short packet"))?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self, width: usize) -> io::Result<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn lenenc(&mut self) -> io::Result<u64> {
        match self.number(1)? {
            0xfc => self.number(2),
            0xfd => self.number(3),
            0xfe => self.number(8),
            n => Ok(n),
        }
    }

    fn string(&mut self) -> io::Result<&'a [u8]> {
        let len = self.lenenc()?;
        self.take(len as usize)
    }
}

struct Column {
    name: String,
    kind: u8,
    unsigned: bool,
}

fn okay(body: &[u8]) -> io::Result<Okay> {
    let mut b = Bytes(body.get(1..).unwrap_or_default());
    Ok(Okay {
        affected: b.lenenc()?,
        insert_id: b.lenenc()?,
        status: b.number(2)? as u16,
        warnings: b.number(2)? as u16,
    })
}

fn eof(body: &[u8]) -> io::Result<Okay> {
    let mut b = Bytes(body.get(1..).unwrap_or_default());
    let warnings = b.number(2)? as u16;
    Ok(Okay { status: b.number(2)? as u16, warnings, ..Okay::default() })
}

fn error(body: &[u8]) -> Part {
    let code = body.get(1..3).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let text = body.get(3..).unwrap_or_default();
    let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or_default() } else { text };
    Part::Err(code, String::from_utf8_lossy(text).into_owned())
}

fn column(body: &[u8]) -> io::Result<Column> {
    let mut b = Bytes(body);
    for _ in 0..4 {
        b.string()?;
    }
    let name = String::from_utf8_lossy(b.string()?).into_owned();
    b.string()?;
    b.take(1 + 2 + 4)?;
    let kind = b.number(1)? as u8;
    Ok(Column { name, kind, unsigned: b.number(2)? & 32 != 0 })
}

fn text_row(body: &[u8], columns: usize) -> io::Result<Row> {
    let mut b = Bytes(body);
    let mut row = Vec::with_capacity(columns);
    for _ in 0..columns {
        if b.0.first() == Some(&0xfb) {
            b.take(1)?;
            row.push(None);
        } else {
            row.push(Some(b.string()?.to_vec()));
        }
    }
    if b.0.is_empty() { Ok(row) } else { Err(broken("a row longer than its columns")) }
}

fn binary_row(body: &[u8], columns: &[Column]) -> io::Result<Row> {
    let mut b = Bytes(body);
    b.take(1)?;
    let nulls = b.take((columns.len() + 2).div_ceil(8))?;
    let mut row = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        if nulls[(at + 2) / 8] & 1 << ((at + 2) % 8) != 0 {
            row.push(None);
            continue;
        }
        let width = match column.kind {
            1 => 1,
            2 | 13 => 2,
            3 | 9 => 4,
            8 => 8,
            _ => 0,
        };
        if width == 0 {
            row.push(Some(b.string()?.to_vec()));
            continue;
        }
        let raw = b.number(width)?;
        let shift = 64 - 8 * width;
        let signed = (raw << shift) as i64 >> shift;
        row.push(Some(if column.unsigned { raw.to_string() } else { signed.to_string() }.into_bytes()));
    }
    if b.0.is_empty() {
        return Ok(row);
    }
    let kinds: Vec<u8> = columns.iter().map(|column| column.kind).collect();
    Err(broken(format!("a row longer than its columns of types {kinds:?}: {:.500}", body.escape_ascii())))
}

async fn columns(conn: &mut Conn, count: u64) -> io::Result<Vec<Column>> {
    let mut columns = Vec::with_capacity(count as usize);
    for _ in 0..count {
        conn.read().await?;
        columns.push(column(&conn.body)?);
    }
    Ok(columns)
}

/// Rows up to what ends them. Columns are those of the statement, also for a fetch.
async fn rows(
    conn: &mut Conn,
    columns: Option<&[Column]>,
    kinds: &[(u8, bool)],
) -> io::Result<(Vec<Row>, Result<Okay, Part>)> {
    let deprecate = conn.capabilities & DEPRECATE_EOF != 0;
    let fetched: Vec<Column>;
    let (columns, binary) = match columns {
        Some(columns) => (columns, !kinds.is_empty()),
        None => {
            fetched = kinds
                .iter()
                .map(|(kind, unsigned)| Column { name: String::new(), kind: *kind, unsigned: *unsigned })
                .collect();
            (fetched.as_slice(), true)
        }
    };
    let mut rows = Vec::new();
    loop {
        conn.read().await?;
        let body = &conn.body;
        match body.first() {
            Some(0xff) => return Ok((rows, Err(error(body)))),
            Some(0xfe) if deprecate && body.len() < 0xff_ffff => return Ok((rows, Ok(okay(body)?))),
            Some(0xfe) if !deprecate && body.len() < 9 => return Ok((rows, Ok(eof(body)?))),
            _ if binary => rows.push(binary_row(body, columns)?),
            _ => rows.push(text_row(body, columns.len())?),
        }
    }
}

async fn results(conn: &mut Conn, binary: bool) -> io::Result<(Answer, Vec<(u8, bool)>)> {
    let mut answer = Answer::default();
    let mut kinds = Vec::new();
    loop {
        conn.read().await?;
        let more = match conn.body.first() {
            Some(0) => {
                let okay = okay(&conn.body)?;
                answer.parts.push(Part::Ok(okay));
                okay.status & MORE_RESULTS != 0
            }
            Some(0xff) => {
                answer.parts.push(error(&conn.body));
                false
            }
            Some(0xfb) if !conn.file.is_empty() => {
                let file = std::mem::take(&mut conn.file);
                conn.write(&file).await?;
                conn.write(&[]).await?;
                true
            }
            Some(0xfb) => return Err(broken("asked for a local file")),
            _ => {
                let count = Bytes(&conn.body).lenenc()?;
                let columns = columns(conn, count).await?;
                kinds = columns.iter().map(|c| (c.kind, c.unsigned)).collect();
                let mut set =
                    Set { names: columns.iter().map(|c| c.name.clone()).collect(), ..Set::default() };
                let deprecate = conn.capabilities & DEPRECATE_EOF != 0;
                if !deprecate {
                    conn.read().await?;
                    set.end = eof(&conn.body)?;
                }
                if deprecate || set.end.status & CURSOR_EXISTS == 0 {
                    let (rows, end) = rows(conn, Some(&columns), if binary { &kinds } else { &[] }).await?;
                    set.rows = rows;
                    match end {
                        Ok(end) => set.end = end,
                        Err(part) => {
                            answer.parts.extend([Part::Set(set), part]);
                            return Ok((answer, kinds));
                        }
                    }
                }
                let more = set.end.status & MORE_RESULTS != 0;
                answer.parts.push(Part::Set(set));
                more
            }
        };
        if !more {
            return Ok((answer, kinds));
        }
    }
}

async fn prepared(conn: &mut Conn) -> io::Result<(Answer, Vec<(u8, bool)>)> {
    conn.read().await?;
    let b = &conn.body;
    if b.first() != Some(&0) || b.len() < 12 {
        return Ok((Answer { parts: vec![error(b)] }, Vec::new()));
    }
    let id = u32::from_le_bytes([b[1], b[2], b[3], b[4]]);
    let (outputs, params) = (u16::from_le_bytes([b[5], b[6]]), u16::from_le_bytes([b[7], b[8]]));
    for count in [params, outputs] {
        columns(conn, u64::from(count)).await?;
        if count > 0 && conn.capabilities & DEPRECATE_EOF == 0 {
            conn.read().await?;
            eof(&conn.body)?;
        }
    }
    Ok((Answer { parts: vec![Part::Prepared(id, params)] }, Vec::new()))
}

/// Reads the whole answer. `kinds` are the columns' types and signs for a fetch, and are answered for the next one.
pub async fn read(
    conn: &mut Conn,
    shape: Shape,
    kinds: &[(u8, bool)],
) -> io::Result<(Answer, Vec<(u8, bool)>)> {
    match shape {
        Shape::Text => results(conn, false).await,
        Shape::Binary => results(conn, true).await,
        Shape::Prepared => prepared(conn).await,
        Shape::Fetched => {
            let (rows, end) = rows(conn, None, kinds).await?;
            let part = match end {
                Ok(end) => Part::Set(Set { names: Vec::new(), rows, end }),
                Err(part) => part,
            };
            Ok((Answer { parts: vec![part] }, Vec::new()))
        }
    }
}
