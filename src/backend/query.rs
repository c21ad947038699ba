//! The proxy's own small queries: probes, KILL. Their answers are collected, not forwarded.

use std::ops::Range;

use super::{Connection, ServerError};
use crate::net::{Buf, LARGE_BUFFER, PacketError, Stream};
use crate::wire::{
    Capabilities, Edits, ErrPacket, Legs, Observer, OnErr, PacketHeader, PrepareOk, ProtocolError, Reader,
    ResponseShape, ResponseWalker, Walked, frame_with,
};

/// The longest answer that is collected, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// One text result set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultSet {
    /// The columns' names (aliases).
    pub columns: Vec<String>,
    /// The columns' types.
    pub types: Vec<ColumnType>,
    /// The rows, each with one value per column; None is NULL.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
}

/// The type of a column, as far as values of user variables differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColumnType {
    /// The type that servers give a user variable that was never set: of MariaDB, MYSQL_TYPE_LONG_BLOB, one byte longer than
    /// that of a NULL; of MySQL, MYSQL_TYPE_VAR_STRING.
    NeverSet,
    /// MYSQL_TYPE_LONGLONG without the flag UNSIGNED.
    Signed,
    /// MYSQL_TYPE_LONGLONG with the flag UNSIGNED.
    Unsigned,
    /// MYSQL_TYPE_DOUBLE.
    Double,
    /// MYSQL_TYPE_NEWDECIMAL.
    Decimal,
    /// Any other type.
    #[default]
    Other,
}

impl ColumnType {
    /// Reads the type in a column definition: its last thirteen bytes are fixed, whatever stands in front of them.
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_column_definition.html>
    fn of(definition: &[u8]) -> Self {
        const UNSIGNED_FLAG: u8 = 32;
        match definition.last_chunk() {
            Some(
                [0x0c, 63, 0, 0, 0, 0, 1, 251, 0x80, 0, _, 0, 0]
                | [0x0c, 63, 0, _, _, 0, 0, 253, 0x80, 0, _, 0, 0],
            ) => Self::NeverSet,
            Some([0x0c, _, _, _, _, _, _, 8, flags, _, _, _, _]) if flags & UNSIGNED_FLAG != 0 => {
                Self::Unsigned
            }
            Some([0x0c, _, _, _, _, _, _, 8, _, _, _, _, _]) => Self::Signed,
            Some([0x0c, _, _, _, _, _, _, 5, _, _, _, _, _]) => Self::Double,
            Some([0x0c, _, _, _, _, _, _, 246, _, _, _, _, _]) => Self::Decimal,
            _ => Self::Other,
        }
    }
}

/// Why a query failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The server violated the protocol.
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    /// An ERR packet.
    #[error("{0}")]
    Refused(#[from] ServerError),
}

impl From<PacketError> for QueryError {
    fn from(e: PacketError) -> Self {
        match e {
            PacketError::Io(e) => QueryError::Io(e),
            PacketError::Protocol(e) => QueryError::Protocol(e),
        }
    }
}

/// Remembers an ERR packet, and the head of a COM_STMT_PREPARE's answer.
#[derive(Default)]
struct QueryRefusal(Option<ServerError>, Option<PrepareOk>);

impl Observer for QueryRefusal {
    fn err(&mut self, err: &crate::wire::ErrPacket<'_>, _first: bool) -> OnErr {
        self.0 = Some(err.into());
        OnErr::Swallow
    }

    fn prepared(&mut self, ok: &PrepareOk) -> Result<(), ProtocolError> {
        self.1 = Some(*ok);
        Ok(())
    }
}

impl<S: Stream> Connection<S> {
    /// Runs the text as one COM_QUERY and collects its result sets; OK packets give none.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<ResultSet>, QueryError> {
        let mut out = Buf::default();
        out.extend_from_slice(&self.question(sql));
        let (answer, heard) = self.ask(out, ResponseShape::Results).await?;
        match heard.0 {
            Some(err) => Err(err.into()),
            None => Ok(result_sets(&answer)?),
        }
    }

    /// Runs each text as one COM_QUERY, and returns the error of each. All are sent before the first answer is read, so
    /// texts and answers together must fit into the sockets' buffers.
    pub async fn refusals(&mut self, texts: &[String]) -> Result<Vec<Option<ServerError>>, QueryError> {
        let mut out = Buf::default();
        texts.iter().for_each(|text| out.extend_from_slice(&self.question(text)));
        self.stream.write_all(out).await.0?;
        let (mut buf, mut refusals) = (Buf::with_room(4096), Vec::with_capacity(texts.len()));
        for _ in texts {
            refusals.push(self.answer(&mut buf, ResponseShape::Results).await?.1.0);
        }
        Ok(refusals)
    }

    /// Returns the framed request for a query that `row` sends.
    pub fn question(&self, sql: &str) -> Vec<u8> {
        let attributes = self.about.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let mut out = Vec::with_capacity(sql.len() + 8);
        frame_with(&mut out, 0, |out| {
            out.push(0x03);
            if attributes {
                out.extend_from_slice(&[0, 1]);
            }
            out.extend_from_slice(sql.as_bytes());
        });
        out
    }

    /// Returns the framed request that `row` sends for a prepared statement without parameters.
    pub fn execution(&self, statement: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(14);
        frame_with(&mut out, 0, |out| {
            out.push(0x17);
            out.extend_from_slice(&statement.to_le_bytes());
            // No cursor; one execution.
            out.extend_from_slice(&[0, 1, 0, 0, 0]);
        });
        out
    }

    /// Sends COM_STMT_CLOSE, which has no answer.
    pub async fn close_statement(&mut self, statement: u32) -> std::io::Result<()> {
        let mut out = Buf::default();
        out.replace_with(|out| {
            frame_with(out, 0, |out| {
                out.push(0x19);
                out.extend_from_slice(&statement.to_le_bytes());
            });
        });
        self.stream.write_all(out).await.0
    }

    /// Sends a query for one small row. For frequent use: unlike `query`, it hardly allocates. The answer
    /// goes to `buf`; returns the range of the row's payload there, empty if there is no row.
    pub async fn row(&mut self, question: &[u8], buf: &mut Buf) -> Result<Range<usize>, QueryError> {
        buf.clear();
        let sent = self.stream.write_now(question)?;
        if let Some(rest) = question.get(sent..).filter(|rest| !rest.is_empty()) {
            let mut out = Buf::with_room(rest.len());
            out.extend_from_slice(rest);
            self.stream.write_all(out).await.0?;
        }
        let ends_columns = !self.about.capabilities.contains(Capabilities::DEPRECATE_EOF);
        loop {
            if let Some(row) = only_row(buf.filled(), ends_columns)? {
                return Ok(row);
            }
            if buf.is_full() {
                buf.make_room(1);
            }
            if buf.len() > MAX_ANSWER {
                let len = buf.len();
                return Err(ProtocolError::TooLarge { what: "an answer", len, limit: MAX_ANSWER }.into());
            }
            if self.stream.read(buf).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Sends COM_STMT_PREPARE and drops the answer's column definitions.
    pub async fn prepare(&mut self, text: &[u8]) -> Result<PrepareOk, QueryError> {
        let mut out = Buf::default();
        out.extend_from_slice(&PacketHeader { len: 1 + text.len(), seq: 0 }.to_bytes());
        out.extend_from_slice(&[0x16]);
        // Sends in parts, so that a long text is not copied whole.
        let mut parts = text.chunks(LARGE_BUFFER);
        out.extend_from_slice(parts.next().unwrap_or_default());
        for part in parts {
            let (written, mut back) = self.stream.write_all(out).await;
            written?;
            back.clear();
            back.extend_from_slice(part);
            out = back;
        }
        match self.ask(out, ResponseShape::Prepare).await?.1 {
            QueryRefusal(Some(err), _) => Err(err.into()),
            QueryRefusal(None, Some(ok)) => Ok(ok),
            QueryRefusal(None, None) => {
                Err(ProtocolError::Truncated("the answer to COM_STMT_PREPARE").into())
            }
        }
    }

    /// Sends one command and collects its answer, as a client with DEPRECATE_EOF gets it.
    async fn ask(&mut self, out: Buf, shape: ResponseShape) -> Result<(Vec<u8>, QueryRefusal), QueryError> {
        self.stream.write_all(out).await.0?;
        self.answer(&mut Buf::with_room(4096), shape).await
    }

    /// Collects one answer. `buf` has what was received before, and keeps what follows the answer.
    async fn answer(
        &mut self,
        buf: &mut Buf,
        shape: ResponseShape,
    ) -> Result<(Vec<u8>, QueryRefusal), QueryError> {
        let legs = Legs::new(self.about.capabilities, Capabilities::DEPRECATE_EOF);
        let mut walker = ResponseWalker::new(shape, legs, 1, self.status);
        let (mut edits, mut answer) = (Edits::default(), Vec::new());
        let mut refusal = QueryRefusal::default();
        loop {
            let (used, walked) = walker.feed(buf.filled_mut(), &mut edits, &mut refusal)?;
            edits.apply(buf.filled(), |b| answer.extend_from_slice(b));
            edits.clear();
            buf.consume(used);
            match walked {
                Walked::Done => return Ok((answer, refusal)),
                Walked::LocalInfile => return Err(ProtocolError::Unsupported("a local file").into()),
                Walked::More { need } => buf.make_room(need.saturating_sub(buf.len()).max(1)),
            }
            if answer.len() > MAX_ANSWER {
                let len = answer.len();
                return Err(ProtocolError::TooLarge { what: "an answer", len, limit: MAX_ANSWER }.into());
            }
            if self.stream.read(buf).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Sends COM_QUIT and closes, without waiting for an answer.
    pub async fn quit(mut self) {
        let mut out = Buf::default();
        out.replace_with(|out| frame_with(out, 0, |out| out.push(0x01)));
        let _ = self.stream.write_all(out).await;
    }

    /// Sends COM_QUIT if that is possible without waiting, so that the server does not count an aborted client. The
    /// connection cannot be used afterwards.
    pub fn quit_now(&mut self) {
        let mut out = Vec::new();
        frame_with(&mut out, 0, |out| out.push(0x01));
        let _ = self.stream.write_now(&out);
    }

    /// Returns when the server sends something unasked or closes. The future may be dropped; a query may then
    /// follow.
    pub async fn closed(&mut self) {
        let mut buf = Buf::with_room(256);
        while self.stream.readable().await.is_ok() {
            if !matches!(self.stream.read_now(&mut buf), Ok(None)) {
                return;
            }
        }
    }
}

/// Returns the range of the result set's row once the whole set has arrived; an empty range if it has none.
fn only_row(answer: &[u8], ends_columns: bool) -> Result<Option<Range<usize>>, QueryError> {
    let mut at = 0;
    let mut next = || {
        let header = PacketHeader::parse(answer.get(at..)?)?;
        let (begin, end) = (at + PacketHeader::LEN, at + header.total());
        at = end;
        answer.get(begin..end).map(|payload| (begin..end, payload))
    };
    let refused = |payload: &[u8]| -> Result<(), QueryError> {
        match payload.first() {
            Some(0xff) => Err(ServerError::from(&ErrPacket::parse(payload)?).into()),
            _ => Ok(()),
        }
    };
    let Some((_, head)) = next() else { return Ok(None) };
    refused(head)?;
    if head.first() == Some(&0) {
        return Ok(Some(0..0));
    }
    let columns = Reader::new(head).lenenc("the number of columns")?;
    for _ in 0..columns.saturating_add(u64::from(ends_columns)) {
        if next().is_none() {
            return Ok(None);
        }
    }
    let mut row = 0..0;
    loop {
        let Some((range, payload)) = next() else { return Ok(None) };
        refused(payload)?;
        // The end of the set: as a length prefix, 0xfe would mean a value longer than a packet.
        if payload.first() == Some(&0xfe) {
            return Ok(Some(row));
        }
        row = range;
    }
}

/// The values of a row, of which None is NULL.
pub struct Values<'a> {
    values: Reader<'a>,
    /// For a binary row, the bitmap of the NULLs and the next value's bit there.
    nulls: Option<(&'a [u8], usize)>,
}

impl<'a> Values<'a> {
    /// Reads the payload of a text row.
    pub fn of(row: &'a [u8]) -> Self {
        Values { values: Reader::new(row), nulls: None }
    }

    /// Reads the payload of a binary row in which all columns are strings. A row that is too short has no values.
    pub fn of_strings(row: &'a [u8], columns: u16) -> Self {
        // https://mariadb.com/kb/en/resultset-row/: a zero byte, then the bitmap, whose first two bits are not used.
        let bitmap = (usize::from(columns) + 9) / 8;
        let (nulls, values) = row.get(1..).and_then(|row| row.split_at_checked(bitmap)).unwrap_or_default();
        Values { values: Reader::new(values), nulls: Some((nulls, 2)) }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.nulls {
            Some((bitmap, bit)) => {
                let byte = bitmap.get(*bit / 8)?;
                let is_null = byte >> (*bit % 8) & 1 == 1;
                *bit += 1;
                if is_null {
                    return Some(None);
                }
            }
            None if self.values.rest().first() == Some(&0xfb) => {
                self.values.u8("a NULL").ok()?;
                return Some(None);
            }
            None => {}
        }
        self.values.lenenc_bytes("a value").ok().map(Some)
    }
}

/// Splits whole packets of DEPRECATE_EOF results into values.
fn result_sets(answer: &[u8]) -> Result<Vec<ResultSet>, ProtocolError> {
    let mut sets = Vec::new();
    let mut packets = ResultPackets(answer);
    while let Some(packet) = packets.next() {
        if packet.first() == Some(&0) {
            continue;
        }
        let columns = Reader::new(packet).lenenc("the number of columns")?;
        let mut set = ResultSet::default();
        for _ in 0..columns {
            let definition = packets.next().unwrap_or_default();
            set.types.push(ColumnType::of(definition));
            let mut r = Reader::new(definition);
            for _ in 0..4 {
                r.lenenc_bytes("a column definition")?;
            }
            set.columns.push(String::from_utf8_lossy(r.lenenc_bytes("a column's name")?).into_owned());
        }
        for row in packets.by_ref() {
            if row.first() == Some(&0xfe) {
                break;
            }
            let mut r = Reader::new(row);
            let mut values = Vec::with_capacity(set.columns.len());
            for _ in 0..columns {
                if r.rest().first() == Some(&0xfb) {
                    r.u8("a NULL")?;
                    values.push(None);
                } else {
                    values.push(Some(r.lenenc_bytes("a value")?.to_vec()));
                }
            }
            set.rows.push(values);
        }
        sets.push(set);
    }
    Ok(sets)
}

/// Payloads of whole packets, one after another.
struct ResultPackets<'a>(&'a [u8]);

impl<'a> Iterator for ResultPackets<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let header = PacketHeader::parse(self.0)?;
        let (packet, rest) = self.0.split_at_checked(header.total())?;
        self.0 = rest;
        packet.get(PacketHeader::LEN..)
    }
}
