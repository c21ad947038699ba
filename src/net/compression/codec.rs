//! zlib and zstd for the payload of one compressed packet. Every packet is compressed for itself, so that the contexts
//! belong to the thread: those that compress always, those that decompress between packets.

use std::cell::RefCell;
use std::io;

use flate2::{Compress, Compression as ZlibLevel, Decompress, FlushCompress, FlushDecompress, Status};
use zstd_safe::{CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

/// How packets are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// zlib.
    Zlib,
    /// zstd, which compresses with this level.
    Zstd(u8),
}

/// The highest level of zstd that is used, whatever the client asks for: above it a client would buy little with much of
/// the worker's time.
const MOST_ZSTD: u8 = 6;

/// The largest window of zstd, as a power of two: a packet has less than 16 MiB.
const MOST_WINDOW: u32 = 24;

/// The most unused decoders that a thread keeps, and the most memory that such a decoder has, in bytes.
const SPARE: usize = 4;
const MOST_SPARE: usize = 512 * 1024;

thread_local! {
    static ENCODERS: RefCell<Encoders> = const { RefCell::new(Encoders { zlib: None, zstd: None }) };
    static DECODERS: RefCell<Vec<Decoder>> = const { RefCell::new(Vec::new()) };
}

struct Encoders {
    zlib: Option<Box<Compress>>,
    zstd: Option<CCtx<'static>>,
}

/// Compresses `bytes` into the beginning of `room`. Returns the length, or None if `room` is too short.
pub(super) fn compress(algorithm: Algorithm, bytes: &[u8], room: &mut [u8]) -> Option<usize> {
    let done = ENCODERS.try_with(|encoders| encoders.borrow_mut().compress(algorithm, bytes, room));
    done.ok().flatten()
}

impl Encoders {
    fn compress(&mut self, algorithm: Algorithm, bytes: &[u8], room: &mut [u8]) -> Option<usize> {
        match algorithm {
            Algorithm::Zlib => {
                let zlib = self.zlib.get_or_insert_with(|| Box::new(Compress::new(ZlibLevel::fast(), true)));
                zlib.reset();
                let done = zlib.compress(bytes, room, FlushCompress::Finish);
                matches!(done, Ok(Status::StreamEnd)).then(|| usize::try_from(zlib.total_out()).ok())?
            }
            Algorithm::Zstd(level) => {
                if self.zstd.is_none() {
                    self.zstd = CCtx::try_create();
                }
                let zstd = self.zstd.as_mut()?;
                let level = i32::from(level.clamp(1, MOST_ZSTD));
                zstd.set_parameter(CParameter::CompressionLevel(level)).ok()?;
                zstd.compress2(room, bytes).ok()
            }
        }
    }
}

/// What decompresses one packet, step by step.
pub(super) enum Decoder {
    Zlib(Box<Decompress>),
    Zstd(DCtx<'static>),
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Decoder::Zlib(_) => "zlib",
            Decoder::Zstd(_) => "zstd",
        })
    }
}

/// What a step did.
pub(super) struct CodecStep {
    /// How many bytes of the input were used.
    pub used: usize,
    /// How many bytes were written.
    pub made: usize,
    /// True if the compressed data has ended.
    pub ended: bool,
}

impl Decoder {
    /// Borrows a decoder from the thread, or makes one.
    pub fn lend(algorithm: Algorithm) -> io::Result<Self> {
        let spare = DECODERS.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            let at = spares.iter().position(|spare| {
                matches!(
                    (spare, algorithm),
                    (Decoder::Zlib(_), Algorithm::Zlib) | (Decoder::Zstd(_), Algorithm::Zstd(_))
                )
            })?;
            Some(spares.swap_remove(at))
        });
        if let Ok(Some(spare)) = spare {
            return Ok(spare);
        }
        match algorithm {
            Algorithm::Zlib => Ok(Decoder::Zlib(Box::new(Decompress::new(true)))),
            Algorithm::Zstd(_) => {
                let mut zstd = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
                let _ = zstd.set_parameter(DParameter::WindowLogMax(MOST_WINDOW));
                Ok(Decoder::Zstd(zstd))
            }
        }
    }

    /// Returns the decoder to the thread.
    pub fn take_back(mut self) {
        let small = match &mut self {
            Decoder::Zlib(zlib) => {
                zlib.reset(true);
                true
            }
            Decoder::Zstd(zstd) => {
                zstd.reset(ResetDirective::SessionOnly).is_ok() && zstd.sizeof() <= MOST_SPARE
            }
        };
        let _ = DECODERS.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if small && spares.len() < SPARE {
                spares.push(self);
            }
        });
    }

    /// Decompresses a part of `input` into the beginning of `room`. Returns None if the data is broken.
    pub fn step(&mut self, input: &[u8], room: &mut [u8]) -> Option<CodecStep> {
        match self {
            Decoder::Zlib(zlib) => {
                let (read, written) = (zlib.total_in(), zlib.total_out());
                let status = zlib.decompress(input, room, FlushDecompress::None).ok()?;
                Some(CodecStep {
                    used: usize::try_from(zlib.total_in() - read).ok()?,
                    made: usize::try_from(zlib.total_out() - written).ok()?,
                    ended: status == Status::StreamEnd,
                })
            }
            Decoder::Zstd(zstd) => {
                let mut input = InBuffer::around(input);
                let mut output = OutBuffer::around(room);
                let left = zstd.decompress_stream(&mut output, &mut input).ok()?;
                Some(CodecStep { used: input.pos(), made: output.pos(), ended: left == 0 })
            }
        }
    }
}
