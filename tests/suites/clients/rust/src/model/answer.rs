//! Reads a whole answer, and makes the answers of two schemas comparable.

use std::io;

use crate::blocking::{Client, Packet};
use crate::wire::DEPRECATE_EOF;

const MORE_RESULTS: u16 = 0x0008;
const CURSOR_EXISTS: u16 = 0x0040;
/// How long a statement took is not part of the comparison (SERVER_QUERY_WAS_SLOW).
const TIMING: u16 = 0x0800 | 0x4000;

/// What kind of answer a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// OK, ERR, or result sets.
    Results,
    /// The same of a command that asked for no cursor: MariaDB's flags then may speak of one inside a procedure.
    NoCursor,
    Prepared,
    /// Rows of a cursor, without columns in front.
    Fetched,
    /// Columns only: COM_FIELD_LIST.
    Columns,
    /// One packet.
    Single,
    /// No answer at all.
    Nothing,
}

/// What a packet is, as far as its place tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ok,
    Err,
    Eof,
    /// The EOF packet between columns and rows.
    ColumnsEof,
    Column,
    Plain,
    PreparedOk,
}

#[derive(Debug, Default)]
pub struct Answer {
    pub packets: Vec<(Kind, Packet)>,
    /// The statement's number on this side, if one was prepared.
    pub statement: Option<u32>,
    /// The status flags that came last.
    pub status: u16,
}

fn lenenc(body: &[u8], at: &mut usize) -> Option<u64> {
    let first = *body.get(*at)?;
    let width = match first {
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        n => {
            *at += 1;
            return Some(u64::from(n));
        }
    };
    let bytes = body.get(*at + 1..*at + 1 + width)?;
    *at += 1 + width;
    Some(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}

/// Where the status flags stand in an OK packet (also one that ends rows).
fn ok_status_at(body: &[u8]) -> Option<usize> {
    let mut at = 1;
    lenenc(body, &mut at)?;
    lenenc(body, &mut at)?;
    Some(at)
}

fn status(body: &[u8], at: Option<usize>) -> u16 {
    at.and_then(|at| body.get(at..at + 2)).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

struct Reader<'a> {
    client: &'a mut Client,
    answer: Answer,
    deprecate: bool,
    cursors: bool,
}

impl Reader<'_> {
    fn next(&mut self) -> io::Result<Packet> {
        self.client.read()
    }

    fn keep(&mut self, kind: Kind, packet: Packet) {
        let at = match kind {
            Kind::Ok => ok_status_at(&packet.body),
            Kind::Eof | Kind::ColumnsEof => Some(3),
            _ => None,
        };
        if at.is_some() {
            self.answer.status = status(&packet.body, at);
        }
        self.answer.packets.push((kind, packet));
    }

    fn more(&self) -> bool {
        self.answer.status & MORE_RESULTS != 0
    }

    fn columns(&mut self, count: u64) -> io::Result<()> {
        for _ in 0..count {
            let packet = self.next()?;
            self.keep(Kind::Column, packet);
        }
        Ok(())
    }

    fn eof(&mut self) -> io::Result<()> {
        let packet = self.next()?;
        self.keep(Kind::ColumnsEof, packet);
        Ok(())
    }

    /// Rows up to what ends them; false if that was an error.
    fn rows(&mut self) -> io::Result<bool> {
        loop {
            let packet = self.next()?;
            match packet.body.first() {
                Some(0xff) => {
                    self.keep(Kind::Err, packet);
                    return Ok(false);
                }
                Some(0xfe) if self.deprecate && packet.body.len() < 0xff_ffff => {
                    self.keep(Kind::Ok, packet);
                    return Ok(true);
                }
                Some(0xfe) if !self.deprecate && packet.body.len() < 9 => {
                    self.keep(Kind::Eof, packet);
                    return Ok(true);
                }
                _ => self.keep(Kind::Plain, packet),
            }
        }
    }

    fn results(&mut self, infile: &[u8]) -> io::Result<()> {
        loop {
            let packet = self.next()?;
            match packet.body.first() {
                Some(0) => self.keep(Kind::Ok, packet),
                Some(0xff) => {
                    self.keep(Kind::Err, packet);
                    return Ok(());
                }
                Some(0xfe) if packet.body.len() < 9 => self.keep(Kind::Eof, packet),
                Some(0xfb) => {
                    self.keep(Kind::Plain, packet);
                    for part in infile.chunks(1000) {
                        self.client.write(part)?;
                    }
                    self.client.write(&[])?;
                    continue;
                }
                _ => {
                    let count = lenenc(&packet.body, &mut 0).unwrap_or(0);
                    self.keep(Kind::Plain, packet);
                    self.columns(count)?;
                    if !self.deprecate {
                        self.eof()?;
                    }
                    let cursor = self.cursors && !self.deprecate && self.answer.status & CURSOR_EXISTS != 0;
                    if !cursor && !self.rows()? {
                        return Ok(());
                    }
                }
            }
            if !self.more() {
                return Ok(());
            }
        }
    }

    fn prepared(&mut self) -> io::Result<()> {
        let packet = self.next()?;
        if packet.body.first() != Some(&0) || packet.body.len() < 12 {
            self.keep(Kind::Err, packet);
            return Ok(());
        }
        let b = &packet.body;
        let (columns, params) = (u16::from_le_bytes([b[5], b[6]]), u16::from_le_bytes([b[7], b[8]]));
        self.answer.statement = Some(u32::from_le_bytes([b[1], b[2], b[3], b[4]]));
        self.keep(Kind::PreparedOk, packet);
        for count in [params, columns] {
            self.columns(u64::from(count))?;
            if count > 0 && !self.deprecate {
                self.eof()?;
            }
        }
        Ok(())
    }

    fn read(&mut self, shape: Shape, infile: &[u8]) -> io::Result<()> {
        match shape {
            Shape::Results | Shape::NoCursor => self.results(infile)?,
            Shape::Prepared => self.prepared()?,
            Shape::Fetched => drop(self.rows()?),
            Shape::Columns => self.only_columns()?,
            Shape::Single => {
                let packet = self.next()?;
                let kind = if packet.body.first() == Some(&0xff) { Kind::Err } else { Kind::Plain };
                self.keep(kind, packet);
            }
            Shape::Nothing => {}
        }
        Ok(())
    }

    fn only_columns(&mut self) -> io::Result<()> {
        loop {
            let packet = self.next()?;
            match packet.body.first() {
                Some(0xff) => self.keep(Kind::Err, packet),
                Some(0xfe) => self.keep(Kind::Eof, packet),
                _ => {
                    self.keep(Kind::Column, packet);
                    continue;
                }
            }
            return Ok(());
        }
    }
}

/// Reads the whole answer to a command; a server that asks for a local file gets `infile`.
pub fn read(client: &mut Client, shape: Shape, infile: &[u8]) -> io::Result<Answer> {
    let deprecate = client.capabilities & DEPRECATE_EOF != 0;
    let mut reader =
        Reader { client, answer: Answer::default(), deprecate, cursors: shape == Shape::Results };
    match reader.read(shape, infile) {
        Ok(()) => Ok(reader.answer),
        Err(error) => {
            let all: Vec<String> = reader
                .answer
                .packets
                .iter()
                .map(|(kind, p)| format!("{kind:?} {:.200}", p.body.escape_ascii().to_string()))
                .collect();
            let came = format!("{error} after {} packets of the answer: {:.900}", all.len(), all.join(" | "));
            Err(io::Error::new(error.kind(), came))
        }
    }
}

/// The packet with what may differ between two sides taken out: schema, statement number, timing.
pub fn comparable(kind: Kind, packet: &Packet, schema: &str) -> (u8, Vec<u8>) {
    let mut body = packet.body.clone();
    match kind {
        Kind::Ok => mask(&mut body, ok_status_at(&packet.body)),
        Kind::Eof => mask(&mut body, Some(3)),
        // A proxy that writes this packet itself cannot know what the server would have said here of the
        // statement (it began a transaction, more results, no index used, slow, a state changed); clients read that from the packet behind the rows.
        Kind::ColumnsEof => {
            mask(&mut body, Some(3));
            if let Some(warnings) = body.get_mut(1..3) {
                warnings.fill(0);
            }
            if let Some([low, high]) = body.get_mut(3..5) {
                *low &= !(0x01 | 0x08 | 0x10 | 0x20);
                *high &= !(0x04 | 0x08 | 0x40);
            }
        }
        Kind::PreparedOk => {
            if let Some(number) = body.get_mut(1..5) {
                number.fill(0);
            }
        }
        Kind::Column => {
            // Catalog, then the schema, each with its length in front.
            let at = 1 + usize::from(body.first().copied().unwrap_or(0));
            let named = [&[schema.len() as u8], schema.as_bytes()].concat();
            if body.get(at..).is_some_and(|rest| rest.starts_with(&named)) {
                body.splice(at..at + named.len(), [0]);
            }
        }
        Kind::Err => {
            let text = wording(body.get(9..).unwrap_or_default(), schema);
            body.truncate(9);
            body.extend(text.bytes());
        }
        // A row of SHOW WARNINGS: level and code, then a message with its length in front.
        Kind::Plain if body.starts_with(b"\x05Error\x04") || body.starts_with(b"\x07Warning\x04") => {
            let at = 1 + usize::from(body[0]) + 5;
            let text = wording(body.get(at + 1..).unwrap_or_default(), schema);
            body.truncate(at);
            body.extend(text.bytes());
        }
        Kind::Plain => {}
    }
    (packet.seq, body)
}

/// A message without the side's schema and without a statement's number.
fn wording(message: &[u8], schema: &str) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    let text = ["'", "`"].iter().fold(text, |text, quote| {
        let whole = text.replace(&format!("{quote}{schema}{quote}"), "'$'");
        whole.replace(&format!("{quote}{schema}."), &format!("{quote}$."))
    });
    without_numbers(&text)
}

/// Without digits in brackets.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split('(');
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        out.push('(');
        out.push_str(if rest.starts_with(')') { rest } else { part });
    }
    out
}

fn mask(body: &mut [u8], at: Option<usize>) {
    if let Some(flags) = at.and_then(|at| body.get_mut(at..at + 2)) {
        let kept = u16::from_le_bytes([flags[0], flags[1]]) & !TIMING;
        flags.copy_from_slice(&kept.to_le_bytes());
    }
}
