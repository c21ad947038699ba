//! The response walker: finds where the answer to a command ends from packet headers and
//! first bytes only, and translates what differs between the two legs: EOF packets,
//! session trackers, sequence ids. Rows are never decoded; memory does not grow.
//!
//! The answer is fed in pieces of any size. Bytes that the walker did not consume (an incomplete
//! packet of up to 16 KiB, or an incomplete header) are fed again with more bytes behind them. So
//! the output does not depend on where the input is cut.

mod ahead;
mod columns;
mod legs;
mod local_files;
mod observer;
mod phase;
mod sequence;
#[cfg(test)]
mod tests;

use ahead::{Ahead, look_ahead};
use columns::number_of_columns;
pub use legs::{Call, InFront, Legs};
use local_files::LocalFiles;
pub use observer::{Observer, OnErr};
use phase::{NextPacket, Phase};

use std::num::{NonZeroU16, NonZeroU32};

use super::{
    Edits, EofPacket, ErrPacket, MAX_PAYLOAD, OkPacket, PacketHeader, PrepareOk, ProtocolError,
    ResponseShape, StatusFlags, frame_with,
};

/// The longest OK, EOF or ERR packet that is accepted, in bytes; servers send a few hundred.
const MAX_CONTROL: usize = 1 << 20;

/// The longest packet, in bytes, that is sent to the client only once it is complete. Most rows are shorter, and few
/// bytes are copied while the proxy waits for the rest.
const MAX_HELD_BACK: usize = 16 << 10;

/// The error code of a progress report (MariaDB), behind which the answer goes on. The proxy asks servers for none.
const PROGRESS: u16 = 0xffff;

/// How each definition of a column or a parameter begins: with the name of the catalogue, in `character_set_results`. The
/// second is that of utf16 and ucs2, the third of utf16le, the last of utf32; in all others these letters are ASCII's.
const CATALOGUES: [&[u8]; 4] = [b"\x03def", b"\x06\0d\0e\0f", b"\x06d\0e\0f\0", b"\x0c\0\0\0d\0\0\0e\0\0\0f"];

/// How far `feed` came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walked {
    /// The answer is not complete. The bytes that were not consumed must be fed again, with more bytes behind them.
    More {
        /// How many bytes the next call of `feed` needs, counted from the first that was not consumed.
        need: usize,
    },
    /// The answer is complete.
    Done,
    /// The server asks for a local file: the client now sends packets, the last of which is empty. Then the caller
    /// continues with `resume`.
    LocalInfile,
}

/// The state of the walk through one answer; see the module.
#[derive(Debug)]
pub struct ResponseWalker {
    legs: Legs,
    phase: Phase,
    /// The sequence id that the server's next packet must have.
    seq: u8,
    /// The number that is added to the server's sequence ids for the client.
    shift: u8,
    /// True if a packet is being forwarded and its payload did not pass completely yet.
    open: bool,
    /// The bytes of the open packet's payload that did not pass yet: less than 16 MiB.
    left: u32,
    /// True if the previous packet was 16 MiB - 1 long: the next one continues it and is forwarded unread.
    continued: bool,
    /// True if any packet was seen.
    begun: bool,
    /// True if the open packet was already passed to the observer.
    told: bool,
    /// The last status flags seen. An EOF packet that the walker inserts gets its flags from them.
    status: StatusFlags,
    /// The client's id for the statement that is being prepared.
    statement_id: Option<NonZeroU32>,
    /// The command asked for a cursor.
    cursor: bool,
    /// The server opened a cursor: the answer ended behind the columns.
    opened_cursor: bool,
    /// How many columns the client expects of the prepared statement, until the answer says how many there are.
    columns: Option<NonZeroU16>,
    /// The number of columns, if it is another than the client expects.
    other_columns: Option<NonZeroU16>,
    /// The files that the server may ask the client for.
    local_files: Option<Box<LocalFiles>>,
    /// How many packets before the end of the request an ERR packet may be numbered, as the first packet of the answer.
    stops_before: u8,
}

impl ResponseWalker {
    /// Begins the answer to a command whose last packet had the sequence id `seq - 1`. `status` has the
    /// session's status flags before the command.
    pub fn new(shape: ResponseShape, legs: Legs, seq: u8, status: StatusFlags) -> Self {
        let phase = Phase::start(shape);
        let cursor = shape == ResponseShape::Cursor;
        let (statement_id, local_files) = (None, None);
        ResponseWalker {
            legs,
            phase,
            seq,
            shift: 0,
            open: false,
            left: 0,
            continued: false,
            begun: false,
            told: false,
            status,
            statement_id,
            cursor,
            opened_cursor: false,
            columns: None,
            other_columns: None,
            local_files,
            stops_before: 0,
        }
    }

    /// Allows the server to ask the client for the files of these names, which are in the statement. Without this call
    /// the server may ask for none.
    pub fn allows_local_files(&mut self, names: Vec<Vec<u8>>) {
        self.local_files = Some(Box::new(LocalFiles(names)));
    }

    /// Sets how many packets of the request, or of the local file, there were (at most 255 count). A server that stops
    /// reading in the middle numbers its ERR packet behind the last packet of which it read the header.
    pub fn answers_packets(&mut self, packets: u8) {
        self.stops_before = packets.saturating_sub(1);
    }

    /// Sets how many packets the client already got, in answers to earlier statements of the same text.
    pub fn goes_on(&mut self, ahead: u8) {
        self.shift = ahead;
    }

    /// Sets the statement id that the client gets in the answer to COM_STMT_PREPARE, instead of the server's.
    pub fn names_statement(&mut self, id: u32) {
        self.statement_id = NonZeroU32::new(id);
    }

    /// True if the server opened a cursor, so that the answer ended behind the columns.
    pub fn opened_cursor(&self) -> bool {
        self.opened_cursor
    }

    /// The last status flags seen.
    pub fn status(&self) -> StatusFlags {
        self.status
    }

    /// Returns the number that is added to the server's sequence ids for the client. It must be subtracted from the
    /// sequence ids of a local file's packets, which the client sends.
    pub fn shift(&self) -> u8 {
        self.shift
    }

    /// Returns the sequence id that the client expects of the next packet.
    pub fn client_seq(&self) -> u8 {
        self.seq.wrapping_add(self.shift)
    }

    /// True if no packet was forwarded only in part, so that the proxy may send one of its own.
    pub fn between_packets(&self) -> bool {
        !self.open && !self.continued
    }

    /// Continues after a local file, whose last packet had the sequence id `seq - 1` on the server's leg.
    pub fn resume(&mut self, seq: u8) {
        self.seq = seq;
        self.phase = Phase::First;
    }

    /// Walks over `input`, appends what the client gets to `edits`, and returns how many bytes were
    /// consumed. Sequence ids are rewritten in `input`, only in consumed bytes.
    pub fn feed(
        &mut self,
        input: &mut [u8],
        edits: &mut Edits,
        observer: &mut impl Observer,
    ) -> Result<(usize, Walked), ProtocolError> {
        let mut at = 0;
        loop {
            if self.open {
                let here = (self.left as usize).min(input.len() - at);
                edits.keep(at, at + here);
                if !self.told {
                    observer.unread(input.get(at..at + here).unwrap_or_default());
                }
                at += here;
                self.left = self.left.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
                if self.left > 0 {
                    return Ok((at, Walked::More { need: 1 }));
                }
                self.open = false;
                if !self.continued
                    && let Some(end) = self.packet_ended(edits)
                {
                    return Ok((at, end));
                }
            }
            if self.phase == Phase::Done {
                return Ok((at, Walked::Done));
            }
            if self.phase == (Phase::Rows { columns_eof_due: false }) && !self.continued {
                let (end, rows) = self.whole_rows(input, at);
                observer.rows_pass(rows);
                edits.keep(at, end);
                observer.unread(input.get(at..end).unwrap_or_default());
                at = end;
            }
            let rest = input.get(at..).unwrap_or_default();
            let eof = match self.phase {
                Phase::Rows { columns_eof_due: true } => {
                    match look_ahead(rest, self.legs.call != Call::No, self.legs.server_session_track) {
                        Ahead::Need(need) => return Ok((at, Walked::More { need })),
                        Ahead::Eof(eof) => Some(eof),
                        Ahead::Far => None,
                    }
                }
                _ => None,
            };
            let Some(header) = PacketHeader::parse(rest) else {
                return Ok((at, Walked::More { need: PacketHeader::LEN }));
            };
            if let Some(need) = self.check_sequence(header, rest)? {
                return Ok((at, Walked::More { need }));
            }
            match self.look(header, rest)? {
                // If the server is lost now, the client can still get an ERR packet: no part of this packet was sent.
                NextPacket::Opaque | NextPacket::Definition
                    if header.total() > rest.len() && header.total() <= MAX_HELD_BACK =>
                {
                    return Ok((at, Walked::More { need: header.total() }));
                }
                NextPacket::Opaque | NextPacket::Definition => {
                    self.columns_eof(eof, edits);
                    if matches!(self.phase, Phase::Rows { .. }) && !self.continued {
                        observer.rows_pass(1);
                    }
                    let end = self.pass(header, input, at, edits);
                    self.told = false;
                    observer.unread(input.get(at..end).unwrap_or_default());
                    at = end;
                }
                NextPacket::Wait(need) => return Ok((at, Walked::More { need })),
                NextPacket::Control => {
                    let len = header.total();
                    let Some(packet) = rest.get(..len) else {
                        return Ok((at, Walked::More { need: len }));
                    };
                    let payload = packet.get(PacketHeader::LEN..).unwrap_or_default();
                    if self.control(header, payload, edits, observer)? {
                        if matches!(self.phase, Phase::PrepareHead { .. }) {
                            self.name_statement(input, at);
                        }
                        at = self.pass(header, input, at, edits);
                        self.told = true;
                        continue;
                    }
                    self.seq = self.seq.wrapping_add(1);
                    self.begun = true;
                    at += len;
                }
            }
        }
    }

    /// Writes the client's statement id into the first packet of the answer to COM_STMT_PREPARE, which is complete.
    fn name_statement(&self, input: &mut [u8], at: usize) {
        let place = at + PacketHeader::LEN + 1;
        if let (Some(id), Some(bytes)) = (self.statement_id, input.get_mut(place..place + 4)) {
            bytes.copy_from_slice(&id.get().to_le_bytes());
        }
    }

    /// Returns where the run of complete, ordinary rows that begins at `at` ends, and how many they are. Such rows are most of most answers,
    /// so they have a loop of their own. Every other packet is left to `feed`.
    fn whole_rows(&mut self, input: &mut [u8], mut at: usize) -> (usize, u64) {
        let mut rows = 0;
        while let Some(&[a, b, c, seq, first]) = input.get(at..).and_then(|rest| rest.first_chunk::<5>()) {
            let len = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
            let end = at + PacketHeader::LEN + len;
            let special = first >= 0xfe || len == 0 || len == MAX_PAYLOAD || seq != self.seq;
            if special || end > input.len() {
                break;
            }
            if self.shift != 0
                && let Some(seq) = input.get_mut(at + 3)
            {
                *seq = seq.wrapping_add(self.shift);
            }
            self.seq = self.seq.wrapping_add(1);
            self.begun = true;
            at = end;
            rows += 1;
        }
        (at, rows)
    }

    /// Begins to forward a packet: forwards its header, with the client's sequence id. `feed` forwards the payload.
    /// Returns the offset of the payload.
    fn pass(&mut self, header: PacketHeader, input: &mut [u8], at: usize, edits: &mut Edits) -> usize {
        if self.shift != 0
            && let Some(seq) = input.get_mut(at + 3)
        {
            *seq = header.seq.wrapping_add(self.shift);
        }
        self.seq = self.seq.wrapping_add(1);
        self.begun = true;
        self.continued = header.is_continued();
        (self.open, self.left) = (true, u32::try_from(header.len).unwrap_or(u32::MAX));
        edits.keep(at, at + PacketHeader::LEN);
        at + PacketHeader::LEN
    }

    /// Decides what to do with the packet at the beginning of `rest`.
    fn look(&mut self, header: PacketHeader, rest: &[u8]) -> Result<NextPacket, ProtocolError> {
        if self.continued {
            return Ok(NextPacket::Opaque);
        }
        if header.len == 0 {
            // Each row has a value or more.
            return match self.phase {
                Phase::Text => Ok(NextPacket::Opaque),
                _ => Err(ProtocolError::Truncated("the first byte of an answer")),
            };
        }
        let Some(&first) = rest.get(PacketHeader::LEN) else {
            return Ok(NextPacket::Wait(PacketHeader::LEN + 1));
        };
        let next = self.phase.look(first, header.len, &self.legs)?;
        if next == NextPacket::Definition {
            return is_definition(header, rest, first);
        }
        if next == NextPacket::Control && header.len > MAX_CONTROL {
            return Err(ProtocolError::TooLarge {
                what: "an OK, EOF or ERR packet",
                len: header.len,
                limit: MAX_CONTROL,
            });
        }
        Ok(next)
    }

    /// Handles a complete control packet, and sets the next phase. Returns true if the client gets the packet
    /// unchanged, and false if the packet was replaced or dropped.
    fn control(
        &mut self,
        header: PacketHeader,
        payload: &[u8],
        edits: &mut Edits,
        observer: &mut impl Observer,
    ) -> Result<bool, ProtocolError> {
        self.stops_before = 0;
        match (payload.first().copied().unwrap_or_default(), self.phase) {
            (0xff, _) => self.error(payload, edits, observer),
            // MySQL answers with a plain OK packet to some statements that it neither prepares nor refuses.
            (0x00, Phase::Prepare) if payload.len() < PrepareOk::LEN => {
                self.ok(0, header, payload, edits, observer)
            }
            (0x00, Phase::Prepare) => {
                let ok = PrepareOk::parse(payload)?;
                observer.prepared(&ok)?;
                self.phase = Phase::PrepareHead { params: ok.params, columns: ok.columns };
                Ok(true)
            }
            (0xfe, Phase::ColumnsEof | Phase::ParamsEof { .. }) => {
                self.metadata_eof(payload, edits, observer)
            }
            (0x00, _) => self.ok(0, header, payload, edits, observer),
            (0xfe, _) => self.ok(0xfe, header, payload, edits, observer),
            (0xfb, Phase::First) => {
                let name = payload.get(1..).unwrap_or_default();
                if !self.local_files.as_ref().is_some_and(|files| files.has(name)) {
                    return Err(ProtocolError::LocalFile);
                }
                self.phase = Phase::InfileRequest;
                Ok(true)
            }
            _ => {
                let columns = number_of_columns(payload)?;
                self.compare_columns(columns);
                self.phase = Phase::Head(columns);
                Ok(true)
            }
        }
    }

    fn error(
        &mut self,
        payload: &[u8],
        edits: &mut Edits,
        observer: &mut impl Observer,
    ) -> Result<bool, ProtocolError> {
        let err = ErrPacket::parse(payload)?;
        // Behind the login, every error has an SQLSTATE. Not every client takes a packet without one for an error.
        if matches!(err.code, 0 | PROGRESS) || payload.get(3) != Some(&b'#') {
            return Err(ProtocolError::Unsupported("the form of errors"));
        }
        // A server that opens a cursor runs the statement between the columns and their EOF packet, except for a CALL.
        if !self.cursor || self.legs.call != Call::No {
            self.columns_eof(None, edits);
        }
        let decision = observer.err(&err, !self.begun);
        self.phase = Phase::Done;
        match decision {
            OnErr::Forward => {
                self.phase = Phase::LastPacket;
                Ok(true)
            }
            OnErr::Replace(other) => {
                let seq = self.client_seq();
                edits.put_with(|out| frame_with(out, seq, |out| other.encode(out)));
                Ok(false)
            }
            OnErr::Swallow => Ok(false),
        }
    }

    /// Handles an OK packet, or the packet that ends rows: passes it to the observer, and translates it for the client.
    fn ok(
        &mut self,
        byte: u8,
        header: PacketHeader,
        payload: &[u8],
        edits: &mut Edits,
        observer: &mut impl Observer,
    ) -> Result<bool, ProtocolError> {
        let ok = if byte == 0xfe && !self.legs.server_deprecate_eof {
            let eof = EofPacket::parse(payload)?;
            OkPacket { status: eof.status, warnings: eof.warnings, ..OkPacket::default() }
        } else {
            OkPacket::parse(payload, self.legs.server_session_track)?
        };
        let says_more = ok.status.contains(StatusFlags::MORE_RESULTS_EXISTS);
        if says_more && !self.phase.may_have_more() {
            return Err(ProtocolError::Unsupported("one result for this command"));
        }
        observer.ok(&ok)?;
        let cursor = byte == 0xfe && self.opens_cursor(ok.status);
        if byte == 0xfe {
            observer.rows_end();
        }
        let (more, sent) = (says_more, (ok.status, ok.warnings));
        let ok = OkPacket {
            status: self.legs.status(ok.status),
            warnings: self.legs.warnings.unwrap_or(ok.warnings),
            ..ok
        };
        self.status = ok.status;
        if cursor {
            self.opened_cursor = true;
        } else {
            self.columns_eof(Some(ahead::eof_in_front_of(&ok)), edits);
        }
        if (ok.status, ok.warnings) == sent && self.legs.passes_ok(byte, &ok, observer.tracked()) {
            self.phase = if more { Phase::FirstNext } else { Phase::LastPacket };
            return Ok(true);
        }
        self.phase = if more { Phase::First } else { Phase::Done };
        let seq = header.seq.wrapping_add(self.shift);
        self.legs.write_ok(byte, &ok, (seq, observer.tracked()), edits)?;
        Ok(false)
    }

    /// True if these flags of the packet behind the columns say that the client must get the rows with COM_STMT_FETCH.
    /// An open cursor of a routine or of a compound statement sets SERVER_STATUS_CURSOR_EXISTS in all results, too: but
    /// then another result follows, and the rows come at once.
    fn opens_cursor(&self, status: StatusFlags) -> bool {
        self.cursor
            && status.contains(StatusFlags::CURSOR_EXISTS)
            && !status.contains(StatusFlags::MORE_RESULTS_EXISTS)
    }

    /// Handles the EOF packet behind column or parameter definitions, from a server that still sends it.
    fn metadata_eof(
        &mut self,
        payload: &[u8],
        edits: &mut Edits,
        observer: &mut impl Observer,
    ) -> Result<bool, ProtocolError> {
        let eof = EofPacket::parse(payload)?;
        let cursor = self.phase == Phase::ColumnsEof && self.opens_cursor(eof.status);
        let keep = !self.legs.client_deprecate_eof;
        if cursor {
            self.opened_cursor = true;
            let ok = OkPacket { status: eof.status, warnings: eof.warnings, ..OkPacket::default() };
            observer.ok(&ok)?;
            self.status = eof.status;
            if keep {
                self.phase = Phase::LastPacket;
                return Ok(true);
            }
            self.phase = Phase::Done;
            let seq = self.client_seq();
            self.legs.write_ok(0xfe, &ok, (seq, observer.tracked()), edits)?;
            return Ok(false);
        }
        observer.columns_end(eof.status)?;
        self.status = eof.status;
        self.phase = self.phase.after_eof(keep);
        if !keep {
            self.shift = self.shift.wrapping_sub(1);
        }
        Ok(keep)
    }

    /// Sets the phase after a packet was forwarded completely.
    fn packet_ended(&mut self, edits: &mut Edits) -> Option<Walked> {
        let (next, eof) = self.phase.packet_ended(&self.legs);
        self.phase = next;
        if eof {
            self.insert_eof(None, edits);
        }
        match self.phase {
            Phase::Done => Some(Walked::Done),
            Phase::Infile => Some(Walked::LocalInfile),
            _ => None,
        }
    }

    /// Inserts the EOF packet behind the columns if the client still waits for it. `eof`: the server's, if it is known.
    #[inline]
    fn columns_eof(&mut self, eof: Option<EofPacket>, edits: &mut Edits) {
        if self.phase == (Phase::Rows { columns_eof_due: true }) {
            self.insert_eof(eof, edits);
            self.phase = Phase::Rows { columns_eof_due: false };
        }
    }

    /// Inserts the EOF packet behind metadata, for a client that expects it.
    fn insert_eof(&mut self, eof: Option<EofPacket>, edits: &mut Edits) {
        let eof = eof.map(|eof| {
            let status = self.legs.in_front.of(eof.status, self.status);
            EofPacket { status: self.legs.status(status), ..eof }
        });
        let eof = eof.unwrap_or_else(|| {
            let mut also =
                self.legs.also & (StatusFlags::MORE_RESULTS_EXISTS | StatusFlags::METADATA_CHANGED);
            if self.legs.call != Call::No {
                also |= StatusFlags::MORE_RESULTS_EXISTS;
            }
            EofPacket { warnings: 0, status: (self.status & StatusFlags::OF_THE_SESSION) | also }
        });
        let seq = self.client_seq();
        edits.put_with(|out| frame_with(out, seq, |out| eof.encode(out)));
        self.shift = self.shift.wrapping_add(1);
    }
}

/// Decides about a packet in the place of a definition, which begins with this byte.
fn is_definition(header: PacketHeader, rest: &[u8], first: u8) -> Result<NextPacket, ProtocolError> {
    let unexpected = Err(ProtocolError::Unexpected { expected: "a definition", byte: first });
    // The length of the name, and its own byte.
    let len = usize::from(first) + 1;
    if header.len < len || header.is_continued() || !CATALOGUES.iter().any(|name| name.len() == len) {
        return unexpected;
    }
    match rest.get(PacketHeader::LEN..PacketHeader::LEN + len) {
        None => Ok(NextPacket::Wait(PacketHeader::LEN + len)),
        Some(begin) if CATALOGUES.contains(&begin) => Ok(NextPacket::Definition),
        Some(_) => unexpected,
    }
}
