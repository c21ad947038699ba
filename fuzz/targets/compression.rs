//! Compressed packets of either peer: however they are cut, the same bytes come out, never more than the headers claim;
//! and what one side sends, the other reads, unless a byte was changed on the way.
#![no_main]

use std::io;
use std::task::Poll;

use libfuzzer_sys::fuzz_target;
use pointsman::net::{Algorithm, Below, Buf, Compressed, Compression, Io};

/// A reader may stop anywhere: no input is worth more bytes than these.
const ENOUGH: usize = 4 << 20;
const HEADER: usize = 7;

/// What a peer has sent, of which a read returns this much at most; and what was sent to it.
struct Wire<'a> {
    incoming: &'a [u8],
    cut: usize,
    outgoing: Vec<u8>,
}

impl Io for Wire<'_> {
    fn read(&mut self, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let n = self.cut.min(room.len()).min(self.incoming.len());
        if n == 0 {
            return Poll::Pending;
        }
        let (now, later) = self.incoming.split_at(n);
        room[..n].copy_from_slice(now);
        self.incoming = later;
        Poll::Ready(Ok(n))
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.outgoing.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
}

fuzz_target!(|input: &[u8]| {
    let [flags, cut, at, with, bytes @ ..] = input else { return };
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let algorithm = if flag(0) { Algorithm::Zstd(1) } else { Algorithm::Zlib };
    let from_server = flag(1);
    let text = bytes.repeat(1 << (flags >> 4 & 7));
    // Raw bytes seldom are compressed data: mostly they are its content.
    let mut stream = if flag(2) { bytes.to_vec() } else { sent(algorithm, !from_server, &text) };
    let changed = flag(3) && !stream.is_empty();
    if changed {
        let place = usize::from(*at) % stream.len().min(256);
        stream[place] = *with;
    }
    let whole = received(algorithm, from_server, &stream, usize::MAX, 1 << 16);
    let cuts = received(algorithm, from_server, &stream, usize::from(*cut) + 1, 1 << 10);
    match (&whole, &cuts) {
        (Some(whole), Some(cuts)) => assert!(whole == cuts),
        (None, None) => {}
        // One of them may have stopped before the error.
        (Some(read), None) | (None, Some(read)) => assert!(read.len() >= ENOUGH),
    }
    if !flag(2) && !changed {
        let read = whole.unwrap_or_default();
        // Towards clients the sequence ids change.
        assert!(read.len() == text.len() && (from_server || read == text));
    }
});

/// What a side sends for these bytes.
fn sent(algorithm: Algorithm, to_server: bool, bytes: &[u8]) -> Vec<u8> {
    let mut side = Compression::new(Compressed { algorithm, to_server }, b"");
    let mut below = Below { tls: None, io: Wire { incoming: b"", cut: 0, outgoing: Vec::new() } };
    assert!(matches!(side.poll_write(&mut below, bytes, &mut 0), Poll::Ready(Ok(()))));
    below.io.outgoing
}

/// What a side reads from this stream; None after an error. `room` is the room for one read.
fn received(
    algorithm: Algorithm,
    from_server: bool,
    stream: &[u8],
    cut: usize,
    room: usize,
) -> Option<Vec<u8>> {
    let mut side = Compression::new(Compressed { algorithm, to_server: from_server }, b"");
    let mut below = Below { tls: None, io: Wire { incoming: stream, cut, outgoing: Vec::new() } };
    let mut all = Vec::new();
    let mut broken = false;
    while all.len() < ENOUGH {
        let readable = side.poll_readable(&mut below).is_ready();
        let mut buf = Buf::with_room(room);
        match side.poll_read(&mut below, &mut buf) {
            Poll::Ready(Ok(n)) => {
                assert!(readable && n > 0 && n == buf.len());
                all.extend_from_slice(buf.filled());
            }
            Poll::Ready(Err(_)) => {
                assert!(readable && side.has_ended());
                broken = true;
                break;
            }
            Poll::Pending => {
                assert!(!readable && below.io.incoming.is_empty() && !side.has_ended());
                break;
            }
        }
    }
    assert!(all.len() <= claimed(stream), "{} bytes", all.len());
    assert!(below.io.outgoing.is_empty());
    (!broken).then_some(all)
}

/// The most bytes that the packets of a stream may have: what their headers claim.
fn claimed(mut stream: &[u8]) -> usize {
    let mut sum = 0;
    while let Some((&[a, b, c, _, d, e, f], rest)) = stream.split_first_chunk::<HEADER>() {
        let len = |a: u8, b: u8, c: u8| usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        sum += if len(d, e, f) == 0 { len(a, b, c) } else { len(d, e, f) };
        stream = rest.get(len(a, b, c)..).unwrap_or_default();
    }
    sum
}
