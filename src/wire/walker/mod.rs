//! The response walker: finds where the answer to a command ends by headers and
//! first bytes only, and translates what the two legs say differently: EOF packets,
//! session trackers, sequence ids. Rows are never decoded; memory does not grow.
//!
//! It takes the answer in stretches of any size. What it has not consumed (a packet of up to
//! 16 KiB that is not whole yet, less than a header of a longer one) is given again with more
//! bytes behind it; so the same bytes, cut anywhere, give the same output.

mod legs;
mod phase;
#[cfg(test)]
mod tests;

pub use legs::Legs;
use phase::{Next, Phase};

use std::num::NonZeroU32;

use super::{
    Edits, EofPacket, ErrPacket, MAX_PAYLOAD, OkPacket, PacketHeader, PrepareOk, ProtocolError, Reader,
    ResponseShape, StatusFlags, frame_with,
};

/// The longest OK, EOF or ERR packet that is taken; servers send a few hundred bytes.
const MAX_CONTROL: usize = 1 << 20;

/// The longest packet that goes to the client only once it is there as a whole, in bytes: most rows are shorter, and
/// little is copied to wait for the end of one.
const MAX_HELD_BACK: usize = 16 << 10;

/// What to do with an ERR packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnErr {
    /// It goes to the client as it is.
    Forward,
    /// This one goes in its place.
    Replace(ErrPacket<'static>),
    /// Nothing goes: the caller answers the client in another way.
    Swallow,
}

/// Hears what the walker reads.
pub trait Observer {
    /// An OK packet, or the end of a result set.
    fn ok(&mut self, _ok: &OkPacket<'_>) {}
    /// The OK packet of just now ended rows.
    fn rows_end(&mut self) {}
    /// An ERR packet; `first` says that nothing of the answer was there before it.
    fn err(&mut self, _err: &ErrPacket<'_>, _first: bool) -> OnErr {
        OnErr::Forward
    }
    /// The head of the answer to COM_STMT_PREPARE.
    fn prepared(&mut self, _ok: &PrepareOk) {}
    /// A stretch of what goes to the client unread: columns and rows, with their headers.
    #[inline]
    fn unread(&mut self, _bytes: &[u8]) {}
}

impl Observer for () {}

/// How far a stretch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walked {
    /// The answer goes on. The input from the consumed byte on must be given again, at least
    /// `need` bytes long.
    More {
        /// Bytes, counted from the first that was not consumed.
        need: usize,
    },
    /// The answer is complete.
    Done,
    /// The server asks for a local file: the client sends packets now, up to an empty one. Then
    /// `resume` says where the sequence ids stand.
    LocalInfile,
}

/// See the module.
#[derive(Debug)]
pub struct ResponseWalker {
    legs: Legs,
    phase: Phase,
    /// The sequence id that the server's next packet must have.
    seq: u8,
    /// What is added to the server's sequence ids for the client.
    shift: u8,
    /// An opaque packet is under way,
    open: bool,
    /// and so many bytes of it are still to come.
    left: usize,
    /// The packet before was 16 MiB - 1 long: the next one goes on with it and is not looked at.
    continued: bool,
    /// Whether any packet was seen.
    begun: bool,
    /// The open packet was read, and the observer told of it.
    told: bool,
    /// The last status seen: what an EOF packet says that the server did not send.
    status: StatusFlags,
    /// What the client is to call the statement that is being prepared.
    statement_id: Option<NonZeroU32>,
    /// The command asked for a cursor.
    cursor: bool,
    /// The answer ended behind its columns: there is one.
    opened_cursor: bool,
    /// The files that the server may ask the client for.
    local_files: Option<Box<LocalFiles>>,
}

impl ResponseWalker {
    /// For the answer to a command whose last packet had the sequence id `seq - 1`. `status` is the
    /// session's status before it.
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
            local_files,
        }
    }

    /// Lets the server ask the client for files of these names, which the statement has. Without this call it may ask
    /// for none.
    pub fn allows_local_files(&mut self, names: Vec<Vec<u8>>) {
        self.local_files = Some(Box::new(LocalFiles(names)));
    }

    /// The client has this many packets already, of answers to statements before this one in its text.
    pub fn goes_on(&mut self, ahead: u8) {
        self.shift = ahead;
    }

    /// The id that the client gets in the answer to COM_STMT_PREPARE, in place of the server's.
    pub fn names_statement(&mut self, id: u32) {
        self.statement_id = NonZeroU32::new(id);
    }

    /// Whether the answer ended behind its columns, since a cursor was opened.
    pub fn opened_cursor(&self) -> bool {
        self.opened_cursor
    }

    /// The last status flags seen.
    pub fn status(&self) -> StatusFlags {
        self.status
    }

    /// What is added to the server's sequence ids for the client; the client's packets of a local file
    /// need the opposite.
    pub fn shift(&self) -> u8 {
        self.shift
    }

    /// The sequence id, as the client counts, that a packet made by the proxy has at this place.
    pub fn client_seq(&self) -> u8 {
        self.seq.wrapping_add(self.shift)
    }

    /// Whether the client is between two packets, so that one made by the proxy may follow.
    pub fn between_packets(&self) -> bool {
        !self.open && !self.continued
    }

    /// Goes on after a local file, whose last packet had the sequence id `seq - 1` on the server's leg.
    pub fn resume(&mut self, seq: u8) {
        self.seq = seq;
        self.phase = Phase::First;
    }

    /// Walks over `input`, appends what the client gets to `edits`, and tells how many bytes were
    /// consumed. Sequence ids are rewritten in place, in consumed bytes only.
    pub fn feed(
        &mut self,
        input: &mut [u8],
        edits: &mut Edits,
        observer: &mut impl Observer,
    ) -> Result<(usize, Walked), ProtocolError> {
        let mut at = 0;
        loop {
            if self.open {
                let here = self.left.min(input.len() - at);
                edits.keep(at, at + here);
                if !self.told {
                    observer.unread(input.get(at..at + here).unwrap_or_default());
                }
                at += here;
                self.left -= here;
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
                let end = self.whole_rows(input, at);
                edits.keep(at, end);
                observer.unread(input.get(at..end).unwrap_or_default());
                at = end;
            }
            let rest = input.get(at..).unwrap_or_default();
            let Some(header) = PacketHeader::parse(rest) else {
                return Ok((at, Walked::More { need: PacketHeader::LEN }));
            };
            if header.seq != self.seq {
                return Err(ProtocolError::Sequence { expected: self.seq, got: header.seq });
            }
            match self.look(header, rest)? {
                // A client that has none of a packet can be told why the rest does not come.
                Next::Opaque if header.total() > rest.len() && header.total() <= MAX_HELD_BACK => {
                    return Ok((at, Walked::More { need: header.total() }));
                }
                Next::Opaque => {
                    self.columns_eof(edits);
                    let end = self.pass(header, input, at, edits);
                    self.told = false;
                    observer.unread(input.get(at..end).unwrap_or_default());
                    at = end;
                }
                Next::Wait(need) => return Ok((at, Walked::More { need })),
                Next::Control => {
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

    /// Writes the client's statement id into the head of a COM_STMT_PREPARE's answer, which is whole.
    fn name_statement(&self, input: &mut [u8], at: usize) {
        let place = at + PacketHeader::LEN + 1;
        if let (Some(id), Some(bytes)) = (self.statement_id, input.get_mut(place..place + 4)) {
            bytes.copy_from_slice(&id.get().to_le_bytes());
        }
    }

    /// Where the run of whole, ordinary rows from `at` on ends: most of most answers, so it has a loop of its
    /// own. What is left to `feed` is whatever is special in any way.
    fn whole_rows(&mut self, input: &mut [u8], mut at: usize) -> usize {
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
        }
        at
    }

    /// Begins to forward a packet: its header with the client's sequence id; the payload follows.
    fn pass(&mut self, header: PacketHeader, input: &mut [u8], at: usize, edits: &mut Edits) -> usize {
        if self.shift != 0
            && let Some(seq) = input.get_mut(at + 3)
        {
            *seq = header.seq.wrapping_add(self.shift);
        }
        self.seq = self.seq.wrapping_add(1);
        self.begun = true;
        self.continued = header.is_continued();
        (self.open, self.left) = (true, header.len);
        edits.keep(at, at + PacketHeader::LEN);
        at + PacketHeader::LEN
    }

    /// What to do with the packet that begins `rest`.
    fn look(&mut self, header: PacketHeader, rest: &[u8]) -> Result<Next, ProtocolError> {
        if self.continued || matches!(self.phase, Phase::Text | Phase::Columns(_) | Phase::Params { .. }) {
            return Ok(Next::Opaque);
        }
        if header.len == 0 {
            // No packet of the protocol is empty here, but a row or a text may be all that a server says.
            return match self.phase {
                Phase::Rows { .. } => Ok(Next::Opaque),
                _ => Err(ProtocolError::Truncated("the first byte of an answer")),
            };
        }
        let Some(&first) = rest.get(PacketHeader::LEN) else {
            return Ok(Next::Wait(PacketHeader::LEN + 1));
        };
        let next = self.phase.look(first, header.len, &self.legs)?;
        if next == Next::Control && header.len > MAX_CONTROL {
            return Err(ProtocolError::TooLarge {
                what: "an OK, EOF or ERR packet",
                len: header.len,
                limit: MAX_CONTROL,
            });
        }
        Ok(next)
    }

    /// Handles a whole control packet. True: it goes to the client as it is, and the phase is set
    /// for what follows it. False: it was replaced or dropped.
    fn control(
        &mut self,
        header: PacketHeader,
        payload: &[u8],
        edits: &mut Edits,
        observer: &mut impl Observer,
    ) -> Result<bool, ProtocolError> {
        match (payload.first().copied().unwrap_or_default(), self.phase) {
            (0xff, _) => self.error(payload, edits, observer),
            // MySQL answers a plain OK packet to some statements that it neither prepares nor refuses.
            (0x00, Phase::Prepare) if payload.len() < PrepareOk::LEN => {
                self.phase = Phase::LastPacket;
                Ok(true)
            }
            (0x00, Phase::Prepare) => {
                let ok = PrepareOk::parse(payload)?;
                observer.prepared(&ok);
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
                let mut r = Reader::new(payload);
                let columns = r.lenenc("the number of columns")?;
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
        self.columns_eof(edits);
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

    /// An OK packet, or the packet that ends rows: told to the observer, then as the client's leg has it.
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
        observer.ok(&ok);
        let cursor = byte == 0xfe && self.opens_cursor(ok.status);
        if byte == 0xfe {
            observer.rows_end();
        }
        let more = ok.status.contains(StatusFlags::MORE_RESULTS_EXISTS) && self.phase.may_have_more();
        let ok = OkPacket { status: ok.status | self.legs.also, ..ok };
        self.status = ok.status;
        if cursor {
            self.opened_cursor = true;
        } else {
            self.columns_eof(edits);
        }
        if self.legs.passes_ok(byte, &ok) {
            self.phase = if more { Phase::FirstNext } else { Phase::LastPacket };
            return Ok(true);
        }
        self.phase = if more { Phase::First } else { Phase::Done };
        let seq = header.seq.wrapping_add(self.shift);
        self.legs.write_ok(byte, &ok, seq, edits)?;
        Ok(false)
    }

    /// Whether these flags of the packet behind the columns say that the rows come by COM_STMT_FETCH. A cursor of a
    /// routine or of a compound statement sets SERVER_STATUS_CURSOR_EXISTS for all results while it is open: those are
    /// followed by another result, and their rows come at once.
    fn opens_cursor(&self, status: StatusFlags) -> bool {
        self.cursor
            && status.contains(StatusFlags::CURSOR_EXISTS)
            && !status.contains(StatusFlags::MORE_RESULTS_EXISTS)
    }

    /// The EOF packet behind column or parameter definitions, from a server that still sends it.
    fn metadata_eof(
        &mut self,
        payload: &[u8],
        edits: &mut Edits,
        observer: &mut impl Observer,
    ) -> Result<bool, ProtocolError> {
        let eof = EofPacket::parse(payload)?;
        self.status = eof.status;
        let cursor = self.phase == Phase::ColumnsEof && self.opens_cursor(eof.status);
        let keep = !self.legs.client_deprecate_eof;
        if cursor {
            self.opened_cursor = true;
            let ok = OkPacket { status: eof.status, warnings: eof.warnings, ..OkPacket::default() };
            observer.ok(&ok);
            if keep {
                self.phase = Phase::LastPacket;
                return Ok(true);
            }
            self.phase = Phase::Done;
            let seq = self.client_seq();
            self.legs.write_ok(0xfe, &ok, seq, edits)?;
            return Ok(false);
        }
        self.phase = self.phase.after_eof(keep);
        if !keep {
            self.shift = self.shift.wrapping_sub(1);
        }
        Ok(keep)
    }

    /// A packet went to the client whole: what comes now.
    fn packet_ended(&mut self, edits: &mut Edits) -> Option<Walked> {
        let (next, eof) = self.phase.packet_ended(&self.legs);
        self.phase = next;
        if eof {
            self.insert_eof(edits);
        }
        match self.phase {
            Phase::Done => Some(Walked::Done),
            Phase::Infile => Some(Walked::LocalInfile),
            _ => None,
        }
    }

    /// In front of the first packet behind the columns.
    #[inline]
    fn columns_eof(&mut self, edits: &mut Edits) {
        if self.phase == (Phase::Rows { columns_eof_due: true }) {
            self.insert_eof(edits);
            self.phase = Phase::Rows { columns_eof_due: false };
        }
    }

    /// The EOF packet behind metadata, for a client that waits for it.
    fn insert_eof(&mut self, edits: &mut Edits) {
        let more = self.legs.also & StatusFlags::MORE_RESULTS_EXISTS;
        let status = (self.status & StatusFlags::OF_THE_SESSION) | more;
        let seq = self.client_seq();
        edits.put_with(|out| frame_with(out, seq, |out| EofPacket { warnings: 0, status }.encode(out)));
        self.shift = self.shift.wrapping_add(1);
    }
}

/// The names of a client's files that a statement has.
#[derive(Debug)]
struct LocalFiles(Vec<Vec<u8>>);

impl LocalFiles {
    fn has(&self, asked: &[u8]) -> bool {
        self.0.iter().any(|named| is_same_file(named, asked))
    }
}

/// Whether the server asks for the file that the statement named. `character_set_filesystem` can change the bytes of
/// characters beyond ASCII, so those are not compared.
fn is_same_file(named: &[u8], asked: &[u8]) -> bool {
    let ascii = |name: &[u8]| -> Vec<u8> { name.iter().copied().filter(u8::is_ascii).collect() };
    named == asked || (!named.is_ascii() && !asked.is_ascii() && ascii(named) == ascii(asked))
}
