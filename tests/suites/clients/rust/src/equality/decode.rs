//! Answers as values: column definitions, rows by column, OK and ERR, so that a difference can be named and masked.

use crate::blocking::Packet;
use crate::model::answer::{Answer, Kind};

/// How long a statement took (SERVER_QUERY_WAS_SLOW), whether a tracker reported (SERVER_SESSION_STATE_CHANGED), and which
/// plan the optimizer took (SERVER_QUERY_NO_GOOD_INDEX_USED, SERVER_QUERY_NO_INDEX_USED) differ from run to run.
const TIMING: u16 = 0x0800 | 0x4000 | 0x0010 | 0x0020;

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Catalog, schema, table, org_table, name, org_name.
    pub names: [String; 6],
    pub charset: u16,
    pub length: u32,
    pub kind: u8,
    pub flags: u16,
    pub decimals: u8,
    /// COM_FIELD_LIST adds the column's default.
    pub default: Vec<u8>,
}

impl Column {
    pub fn name(&self) -> &str {
        &self.names[4]
    }
}

pub type Row = Vec<Option<String>>;

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Ok {
        affected: u64,
        insert_id: u64,
        status: u16,
        warnings: u16,
        info: String,
    },
    Err {
        code: u16,
        state: String,
        message: String,
    },
    Prepared {
        columns: u16,
        params: u16,
        warnings: u16,
    },
    Table {
        columns: Vec<Column>,
        rows: Vec<Row>,
    },
    /// An EOF packet: status and warnings.
    Eof {
        status: u16,
        warnings: u16,
    },
    Other(Vec<u8>),
}

pub struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(part)
    }

    fn number(&mut self, width: usize) -> Option<u64> {
        Some(self.take(width)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn lenenc(&mut self) -> Option<u64> {
        match self.number(1)? {
            0xfc => self.number(2),
            0xfd => self.number(3),
            0xfe => self.number(8),
            n => Some(n),
        }
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let count = self.lenenc()?;
        self.take(usize::try_from(count).ok()?)
    }
}

fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_string(),
        Err(_) => format!("0x{}", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
    }
}

fn column(body: &[u8]) -> Option<Column> {
    let mut cut = Cut(body);
    let mut names: [String; 6] = Default::default();
    for name in &mut names {
        *name = readable(cut.text()?);
    }
    cut.take(1)?;
    Some(Column {
        names,
        charset: cut.number(2)? as u16,
        length: cut.number(4)? as u32,
        kind: cut.number(1)? as u8,
        flags: cut.number(2)? as u16,
        decimals: cut.number(1)? as u8,
        default: cut.0.to_vec(),
    })
}

fn text_row(body: &[u8], columns: usize) -> Option<Row> {
    let mut cut = Cut(body);
    let mut row = Row::new();
    for _ in 0..columns {
        if cut.0.first() == Some(&0xfb) {
            cut.take(1);
            row.push(None);
        } else {
            row.push(Some(readable(cut.text()?)));
        }
    }
    cut.0.is_empty().then_some(row)
}

/// Values stay as their bytes, except for strings: which bytes belong to which column is what matters.
fn binary_row(body: &[u8], columns: &[Column]) -> Option<Row> {
    let mut cut = Cut(body);
    cut.take(1)?;
    let nulls = cut.take((columns.len() + 9) / 8)?;
    let mut row = Row::new();
    for (at, column) in columns.iter().enumerate() {
        if nulls.get((at + 2) / 8)? & (1 << ((at + 2) % 8)) != 0 {
            row.push(None);
            continue;
        }
        let bytes = match column.kind {
            1 => cut.take(1)?,
            2 | 13 => cut.take(2)?,
            3 | 4 | 9 => cut.take(4)?,
            5 | 8 => cut.take(8)?,
            6 => &[],
            _ => cut.text()?,
        };
        let number = matches!(column.kind, 1..=5 | 7..=13);
        row.push(Some(if number { format!("#{}", bytes.escape_ascii()) } else { readable(bytes) }));
    }
    cut.0.is_empty().then_some(row)
}

fn ok(body: &[u8]) -> Option<Event> {
    let mut cut = Cut(body);
    cut.take(1)?;
    let (affected, insert_id) = (cut.lenenc()?, cut.lenenc()?);
    let status = cut.number(2)? as u16 & !TIMING;
    let warnings = cut.number(2)? as u16;
    Some(Event::Ok { affected, insert_id, status, warnings, info: readable(cut.0) })
}

fn err(body: &[u8]) -> Option<Event> {
    let mut cut = Cut(body);
    cut.take(1)?;
    let code = cut.number(2)? as u16;
    let state = if cut.0.first() == Some(&b'#') { readable(cut.take(6)?) } else { String::new() };
    Some(Event::Err { code, state, message: readable(cut.0) })
}

fn one(kind: Kind, packet: &Packet) -> Event {
    let body = &packet.body;
    let number = |at: usize| body.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let event = match kind {
        Kind::Ok => ok(body),
        // MySQL answers COM_STMT_PREPARE of some statements that may not run with a bare OK packet.
        Kind::Err if body.first() == Some(&0) => ok(body),
        Kind::Err => err(body),
        Kind::PreparedOk => {
            Some(Event::Prepared { columns: number(5), params: number(7), warnings: number(10) })
        }
        Kind::Eof => Some(Event::Eof { status: number(3) & !TIMING, warnings: number(1) }),
        _ => None,
    };
    event.unwrap_or_else(|| Event::Other(body.clone()))
}

/// What the answer's packets say. `binary`: rows of an executed statement. `known`: the columns of fetched rows.
pub fn events(answer: &Answer, binary: bool, known: &[Column]) -> Vec<Event> {
    let mut out = Vec::new();
    let mut open: Option<(Vec<Column>, Vec<Row>)> = None;
    let mut counted = false;
    for (kind, packet) in &answer.packets {
        match kind {
            Kind::Column => {
                let (columns, _) = open.get_or_insert_default();
                counted = false;
                match column(&packet.body) {
                    Some(column) => columns.push(column),
                    None => out.push(Event::Other(packet.body.clone())),
                }
            }
            // A proxy that writes this packet itself cannot know what it would have said: see model::answer.
            Kind::ColumnsEof => {}
            Kind::Plain if open.is_none() && known.is_empty() => {
                // The number of columns: those that come say the same.
                if counted {
                    out.push(Event::Other(packet.body.clone()));
                }
                counted = true;
            }
            Kind::Plain => {
                let (columns, rows) = open.get_or_insert_with(|| (known.to_vec(), Vec::new()));
                let row = if binary {
                    binary_row(&packet.body, columns)
                } else {
                    text_row(&packet.body, columns.len())
                };
                match row {
                    Some(row) => rows.push(row),
                    None => out.push(Event::Other(packet.body.clone())),
                }
            }
            _ => {
                if let Some((columns, rows)) = open.take() {
                    out.push(Event::Table { columns, rows });
                }
                counted = false;
                out.push(one(*kind, packet));
            }
        }
    }
    if let Some((columns, rows)) = open {
        out.push(Event::Table { columns, rows });
    }
    out
}

/// How many warnings the last part of the answer speaks of; an error counts as one.
pub fn warnings(events: &[Event]) -> u16 {
    match events.last() {
        Some(Event::Ok { warnings, .. } | Event::Eof { warnings, .. }) => *warnings,
        Some(Event::Err { .. }) => 1,
        Some(Event::Prepared { warnings, .. }) => *warnings,
        _ => 0,
    }
}

pub fn error(events: &[Event]) -> Option<(u16, &str)> {
    events.iter().find_map(|event| match event {
        Event::Err { code, message, .. } => Some((*code, message.as_str())),
        _ => None,
    })
}
