//! The connection to a client of the console: whole packets, of bounded length and within a bounded time. Answers are
//! collected and written at once.

use std::io;
use std::time::Duration;

use rusqlite::types::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::outcome::{ConsoleError, Rows};
use crate::wire::error_code::ER_NET_PACKET_TOO_LARGE;
use crate::wire::{
    Capabilities, EofPacket, ErrPacket, OkPacket, PacketHeader, StatusFlags, Writer, frame, frame_with,
};

/// The longest packet of a client that has not logged in.
const LOGIN_PACKET: usize = 16 << 10;
/// The first room for a packet. A longer packet gets room as its bytes arrive.
const ROOM: usize = 4096;
/// As much of an answer is collected before it is written, in bytes.
const WRITE_AT: usize = 64 << 10;
/// utf8mb4_general_ci, the collation of all texts.
const UTF8: u16 = 45;
/// The collation of numbers.
const BINARY: u16 = 63;

/// A stream of bytes: TCP, with or without TLS.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// See the module.
pub(super) struct Link {
    pub stream: Box<dyn Duplex>,
    /// What both sides can do; set by the login.
    pub capabilities: Capabilities,
    /// The sequence id of the next packet to the client.
    pub seq: u8,
    /// How long the client may take to read an answer.
    pub write_limit: Duration,
    /// The longest packet of the client.
    pub longest: usize,
    out: Vec<u8>,
}

/// The protocol's types of columns (`enum_field_types`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Double = 5,
    LongLong = 8,
    VarString = 253,
}

impl Link {
    pub fn new(stream: Box<dyn Duplex>, write_limit: Duration) -> Self {
        let (capabilities, longest) = (Capabilities::empty(), LOGIN_PACKET);
        Link { stream, capabilities, seq: 0, write_limit, longest, out: Vec::new() }
    }

    /// Reads a packet. Its sequence id must be `expected`. None: the client closed the connection.
    pub async fn read(&mut self, expected: u8, limit: Duration) -> io::Result<Option<Vec<u8>>> {
        timeout(limit, self.read_packet(expected)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn read_packet(&mut self, expected: u8) -> io::Result<Option<Vec<u8>>> {
        let mut head = [0; PacketHeader::LEN];
        if self.stream.read(head.split_at_mut(1).0).await? == 0 {
            return Ok(None);
        }
        self.stream.read_exact(head.split_at_mut(1).1).await?;
        let broken = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text);
        let header = PacketHeader::parse(&head).ok_or_else(|| broken("no header"))?;
        if header.seq != expected {
            return Err(broken("a packet has a wrong sequence id"));
        }
        if header.len > self.longest {
            self.seq = expected.wrapping_add(1);
            let text = format!("the packet is longer than {} bytes (max_allowed_packet)", self.longest);
            let refusal = ConsoleError::new(ER_NET_PACKET_TOO_LARGE, text);
            self.refuse(&refusal).await?;
            return Err(broken("a packet is too long"));
        }
        let mut payload = Vec::with_capacity(header.len.min(ROOM));
        (&mut self.stream).take(header.len as u64).read_to_end(&mut payload).await?;
        if payload.len() < header.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.seq = expected.wrapping_add(1);
        Ok(Some(payload))
    }

    /// Adds a packet to the answer.
    pub fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        frame_with(&mut self.out, self.seq, write);
        self.seq = self.seq.wrapping_add(1);
    }

    /// Writes what was collected.
    pub async fn flush(&mut self) -> io::Result<()> {
        let writing = async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        };
        let written = timeout(self.write_limit, writing).await;
        self.out.clear();
        self.out.shrink_to(WRITE_AT);
        written.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Sends an OK packet.
    pub async fn ok(&mut self) -> io::Result<()> {
        self.put_ok(0, 0);
        self.flush().await
    }

    fn put_ok(&mut self, header: u8, warnings: u16) {
        let track = self.capabilities.contains(Capabilities::SESSION_TRACK);
        let packet = OkPacket { status: StatusFlags::AUTOCOMMIT, warnings, ..OkPacket::default() };
        self.put(|out| packet.encode(out, header, track));
    }

    /// Sends an ERR packet.
    pub async fn refuse(&mut self, refusal: &ConsoleError) -> io::Result<()> {
        let ConsoleError { code, sqlstate, text } = refusal;
        self.put(|out| ErrPacket { code: *code, sqlstate: *sqlstate, message: text.as_bytes() }.encode(out));
        self.flush().await
    }

    /// Sends a text result set.
    pub async fn rows(&mut self, rows: &Rows) -> io::Result<()> {
        let deprecate_eof = self.capabilities.contains(Capabilities::DEPRECATE_EOF);
        self.put(|out| out.put_lenenc(rows.columns.len() as u64));
        for (at, name) in rows.columns.iter().enumerate() {
            let kind = type_of(rows, at);
            self.put(|out| put_column(out, name, kind));
        }
        if !deprecate_eof {
            self.put_eof(0);
        }
        let warnings = u16::try_from(rows.warnings.len()).unwrap_or(u16::MAX);
        for row in &rows.rows {
            self.put(|out| row.iter().for_each(|value| put_value(out, value)));
            if self.out.len() >= WRITE_AT {
                self.flush().await?;
            }
        }
        match deprecate_eof {
            true => self.put_ok(0xfe, warnings),
            false => self.put_eof(warnings),
        }
        self.flush().await
    }

    /// Adds an EOF packet.
    pub fn put_eof(&mut self, warnings: u16) {
        self.put(|out| EofPacket { warnings, status: StatusFlags::AUTOCOMMIT }.encode(out));
    }

    /// Sends a greeting or another packet with this payload, at sequence id 0.
    pub async fn first(&mut self, payload: &[u8]) -> io::Result<()> {
        self.seq = 1;
        frame(&mut self.out, 0, payload);
        self.flush().await
    }
}

/// Returns the type of a column, by its values: a text if one value is a text, or all are NULL.
fn type_of(rows: &Rows, at: usize) -> Type {
    let mut kind = None;
    for value in rows.rows.iter().filter_map(|row| row.get(at)) {
        kind = match (value, kind) {
            (Value::Null, kind) => kind,
            (Value::Integer(_), None | Some(Type::LongLong)) => Some(Type::LongLong),
            (Value::Integer(_) | Value::Real(_), _) => Some(Type::Double),
            (Value::Text(_) | Value::Blob(_), _) => return Type::VarString,
        };
    }
    kind.unwrap_or(Type::VarString)
}

/// Appends "Protocol::ColumnDefinition41".
fn put_column(out: &mut Vec<u8>, name: &str, kind: Type) {
    /// BINARY_FLAG and NUM_FLAG, as servers set them for numbers.
    const NUMBER: u16 = 0x8080;
    let text = kind == Type::VarString;
    for part in ["def", "", "", "", name, ""] {
        out.put_lenenc_bytes(part.as_bytes());
    }
    out.put_lenenc(12);
    out.extend_from_slice(&(if text { UTF8 } else { BINARY }).to_le_bytes());
    out.extend_from_slice(&(if text { 1024_u32 } else { 20 }).to_le_bytes());
    out.push(kind as u8);
    out.extend_from_slice(&(if text { 0 } else { NUMBER }).to_le_bytes());
    // 31 decimals: a number of any scale.
    out.extend_from_slice(&[if kind == Type::Double { 31 } else { 0 }, 0, 0]);
}

/// Appends a value as text.
fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0xfb),
        Value::Integer(n) => out.put_lenenc_bytes(n.to_string().as_bytes()),
        Value::Real(n) => out.put_lenenc_bytes(n.to_string().as_bytes()),
        Value::Text(text) => out.put_lenenc_bytes(text.as_bytes()),
        Value::Blob(bytes) => out.put_lenenc_bytes(bytes),
    }
}
