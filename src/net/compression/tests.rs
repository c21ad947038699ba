//! Both sides of the state machine, connected by a wire that cuts what passes.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::net::cut_wire::{End, Wire};
use crate::wire::frame;

/// A client and a server, and the wire between them.
struct Pair {
    client: Compression,
    server: Compression,
    wire: Wire,
}

impl Pair {
    fn new(algorithm: Algorithm, chunk: usize) -> Self {
        Pair {
            client: Compression::new(Compressed { algorithm, to_server: true }, b""),
            server: Compression::new(Compressed { algorithm, to_server: false }, b""),
            wire: Wire::cut(chunk),
        }
    }

    fn client(&mut self) -> (&mut Compression, Below<'_, End<'_>>) {
        (&mut self.client, Below { tls: None, io: self.wire.client() })
    }

    fn server(&mut self) -> (&mut Compression, Below<'_, End<'_>>) {
        (&mut self.server, Below { tls: None, io: self.wire.server() })
    }

    fn ask(&mut self, bytes: &[u8]) {
        let (client, mut below) = self.client();
        assert!(matches!(client.poll_write(&mut below, bytes, &mut 0), Poll::Ready(Ok(()))));
    }

    fn answer(&mut self, bytes: &[u8]) {
        let (server, mut below) = self.server();
        assert!(matches!(server.poll_write(&mut below, bytes, &mut 0), Poll::Ready(Ok(()))));
    }

    /// Returns the headers of the compressed packets on the way: sequence id, and lengths.
    fn headers(wire: &VecDeque<u8>) -> Vec<(u8, usize, usize)> {
        let bytes: Vec<u8> = wire.iter().copied().collect();
        let (mut at, mut headers) = (0, Vec::new());
        while let Some(&[a, b, c, seq, d, e, f]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            let len = |a: u8, b: u8, c: u8| usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
            headers.push((seq, len(a, b, c), len(d, e, f)));
            at += HEADER + len(a, b, c);
        }
        headers
    }
}

/// Reads until nothing more comes.
fn drain((side, mut below): (&mut Compression, Below<'_, End<'_>>), room: usize) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let readable = side.poll_readable(&mut below).map(|r| r.is_ok()).is_ready();
        let mut buf = Buf::with_room(room);
        match side.poll_read(&mut below, &mut buf) {
            Poll::Ready(Ok(0)) => return Ok(all),
            Poll::Ready(result) => {
                let n = result?;
                assert!(readable && n == buf.len());
                all.extend_from_slice(buf.filled());
            }
            Poll::Pending => {
                assert!(!readable && !side.has_news());
                return Ok(all);
            }
        }
    }
}

fn command(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, 0, payload);
    out
}

/// Bytes that no algorithm makes shorter.
fn noise(len: usize) -> Vec<u8> {
    let mut x = 0x2545_f491_4f6c_dd1du64;
    let next = |_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()[3]
    };
    (0..len).map(next).collect()
}

const BOTH: [Algorithm; 2] = [Algorithm::Zlib, Algorithm::Zstd(3)];

#[test]
fn what_one_side_writes_the_other_reads_however_the_wire_cuts_it() {
    let mut texts = vec![b"\x03SELECT 1".to_vec(), vec![b'x'; 49], vec![b'x'; 200_000], noise(100_000)];
    texts.push([vec![b'y'; 70_000], noise(70_000)].concat());
    for algorithm in BOTH {
        for chunk in [1, 3, 7, 1000, usize::MAX] {
            for text in &texts {
                let mut pair = Pair::new(algorithm, chunk);
                let bytes = command(text);
                pair.ask(&bytes);
                assert!(pair.wire.to_server.len() <= bytes.len() + 4 * HEADER);
                assert!(drain(pair.server(), 1000).unwrap() == bytes);
                pair.answer(&bytes);
                let mut answer = drain(pair.client(), 70_000).unwrap();
                answer[3] = 0;
                assert!(answer == bytes);
                assert_eq!((pair.client.memory(), pair.server.memory()), (0, 0));
                assert!(pair.client.packet.is_none() && pair.server.packet.is_none());
            }
        }
    }
}

#[test]
fn short_and_random_payloads_are_not_compressed() {
    for algorithm in BOTH {
        let mut pair = Pair::new(algorithm, usize::MAX);
        pair.ask(&command(&[b'x'; 45]));
        pair.ask(&command(&[b'x'; 46]));
        pair.ask(&command(&noise(300)));
        let headers = Pair::headers(&pair.wire.to_server);
        assert_eq!((headers[0], headers[2]), ((0, 49, 0), (0, 304, 0)));
        assert!(headers[1].1 < 50 && headers[1].2 == 50);
    }
}

#[test]
fn sequence_ids_go_on_with_the_other_side_and_begin_anew_with_a_command() {
    let mut pair = Pair::new(Algorithm::Zlib, usize::MAX);
    // Two commands in one write, of which the second takes three compressed packets.
    pair.ask(&[command(b"\x03SET x = 1"), command(&vec![b'x'; 150_000])].concat());
    let seqs = |wire: &VecDeque<u8>| Pair::headers(wire).iter().map(|h| h.0).collect::<Vec<_>>();
    assert_eq!(seqs(&pair.wire.to_server), [0, 0, 1, 2]);
    // The first command is read alone, so that its answer has the sequence id that its sender expects.
    let mut buf = Buf::with_room(1 << 20);
    let (server, mut below) = pair.server();
    assert!(matches!(server.poll_read(&mut below, &mut buf), Poll::Ready(Ok(14))));
    assert!(server.poll_readable(&mut below).is_ready() && server.has_news());
    pair.answer(b"\x01\0\0\x01\0");
    assert_eq!(seqs(&pair.wire.to_client), [1]);
    assert_eq!(drain(pair.server(), 1 << 20).unwrap().len(), 150_004);
    pair.answer(b"\x01\0\0\x01\0");
    pair.answer(b"\x01\0\0\x02\0");
    assert_eq!(seqs(&pair.wire.to_client), [1, 3, 4]);
    // The ordinary packets are numbered as the compressed packets that results begin with.
    let read = drain(pair.client(), 1 << 20).unwrap();
    assert_eq!(read, b"\x01\0\0\x01\0\x01\0\0\x03\0\x01\0\0\x04\0");
    // A local file goes on, also where the sequence ids of its packets wrap.
    pair.wire.to_server.clear();
    let (mut file, mut seq) = (Vec::new(), 3u8);
    for _ in 0..300 {
        frame(&mut file, seq, b"line");
        seq = seq.wrapping_add(1);
    }
    pair.ask(&file);
    assert_eq!(seqs(&pair.wire.to_server), [5]);
    pair.ask(&command(b"\x0e"));
    assert_eq!(seqs(&pair.wire.to_server), [5, 0]);
}

#[test]
fn a_local_file_begins_no_command_where_the_server_asked_for_it_with_the_last_sequence_id() {
    for told in [false, true] {
        let mut pair = Pair::new(Algorithm::Zlib, usize::MAX);
        pair.ask(&command(b"\x03LOAD"));
        // The server asks for the file with a packet whose own sequence id is 255, in its first compressed packet.
        pair.wire.to_client.extend([6, 0, 0, 1, 0, 0, 0]);
        pair.wire.to_client.extend(b"\x02\0\0\xff\xfbf");
        drain(pair.client(), 100).unwrap();
        if told {
            pair.client.continue_command();
        }
        pair.wire.to_server.clear();
        pair.ask(b"\x04\0\0\0line");
        pair.ask(b"\0\0\0\x01");
        let seqs: Vec<_> = Pair::headers(&pair.wire.to_server).iter().map(|header| header.0).collect();
        assert_eq!(seqs, if told { [2, 3] } else { [0, 1] });
    }
}

#[test]
fn a_packet_that_is_out_of_order_ends_the_connection() {
    let mut pair = Pair::new(Algorithm::Zlib, usize::MAX);
    pair.wire.to_server.extend([1, 0, 0, 1, 0, 0, 0, b'x']);
    assert_eq!(drain(pair.server(), 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(pair.server.has_ended() && pair.server.memory() == 0);
    let (server, mut below) = pair.server();
    assert!(server.write_now(&mut below, b"x").is_err());
}

#[test]
fn acknowledgements_of_a_replica_begin_the_numbers_anew() {
    let mut pair = Pair::new(Algorithm::Zlib, usize::MAX);
    pair.ask(&command(b"\x12"));
    drain(pair.server(), 100).unwrap();
    pair.server.continue_command();
    pair.answer(b"\x01\0\0\x01\0");
    pair.answer(b"\x01\0\0\x02\0");
    pair.ask(&command(b"\xefname"));
    drain(pair.server(), 100).unwrap();
    pair.answer(b"\x01\0\0\x01\0");
    let seqs: Vec<_> = Pair::headers(&pair.wire.to_client).iter().map(|header| header.0).collect();
    assert_eq!(seqs, [1, 2, 0]);
}

/// Returns a compressed packet with this payload, which claims another length than it has.
fn packet(algorithm: Algorithm, payload: &[u8], claimed: usize, behind: &[u8]) -> Vec<u8> {
    let mut room = vec![0; payload.len() + 1000];
    let len = codec::compress(algorithm, payload, &mut room).unwrap();
    room.truncate(len);
    room.extend_from_slice(behind);
    let [a, b, c, ..] = room.len().to_le_bytes();
    let [d, e, f, ..] = claimed.to_le_bytes();
    [&[a, b, c, 0, d, e, f], room.as_slice()].concat()
}

#[test]
fn a_wrong_length_is_an_error_and_a_bomb_gets_no_more_than_it_announced() {
    for algorithm in BOTH {
        let text = vec![b'x'; 10_000_000];
        for (claimed, behind) in [
            (9_999_999, &b""[..]),
            (10_000_001, b""),
            (60, b""),
            (10_000_000, b"z"),
            (0xff_ffff, b"zzzzzzzzzzzz"),
        ] {
            let mut pair = Pair::new(algorithm, usize::MAX);
            pair.wire.to_server.extend(packet(algorithm, &text, claimed, behind));
            let mut all = 0;
            let error = loop {
                let (server, mut below) = pair.server();
                let mut buf = Buf::with_room(100_000);
                match server.poll_read(&mut below, &mut buf) {
                    Poll::Ready(Ok(n)) => all += n,
                    Poll::Ready(Err(error)) => break error,
                    Poll::Pending => panic!("{algorithm:?} {claimed} {behind:?}"),
                }
                assert!(pair.server.memory() <= 3 * crate::net::lent::SIZE);
            };
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(all <= claimed);
        }
        // A packet whose data ends early.
        let mut pair = Pair::new(algorithm, usize::MAX);
        let mut bytes = packet(algorithm, b"a text of some length, and more", 31, b"");
        bytes[0] -= 1;
        pair.wire.to_server.extend(bytes);
        assert!(drain(pair.server(), 100).is_err());
    }
}

#[test]
fn a_packet_announces_and_gets_no_memory_for_it() {
    for algorithm in BOTH {
        let mut pair = Pair::new(algorithm, usize::MAX);
        pair.wire.to_server.extend([0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff]);
        assert_eq!(drain(pair.server(), 100).unwrap(), b"");
        assert_eq!(pair.server.memory(), 0);
    }
}

#[test]
fn a_partial_write_counts_packets_of_which_something_was_sent() {
    struct Full(usize);
    impl Io for Full {
        fn read(&mut self, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
        fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
            match self.0.min(bytes.len()) {
                0 => Poll::Pending,
                n => {
                    self.0 -= n;
                    Poll::Ready(Ok(n))
                }
            }
        }
    }
    let how = Compressed { algorithm: Algorithm::Zlib, to_server: false };
    let mut side = Compression::new(how, b"");
    let bytes = noise(3 * CHUNK);
    let mut below = Below { tls: None, io: Full(CHUNK + HEADER + 1) };
    // The second packet was begun; its rest is sent before anything else.
    assert_eq!(side.write_now(&mut below, &bytes).unwrap(), 2 * CHUNK);
    assert_eq!(side.write_now(&mut below, &bytes[2 * CHUNK..]).unwrap(), 0);
    below.io.0 = usize::MAX;
    assert_eq!(side.write_now(&mut below, &bytes[2 * CHUNK..]).unwrap(), CHUNK);
    assert_eq!(side.memory(), 0);
    below.io.0 = 0;
    assert_eq!(side.write_now(&mut below, b"x").unwrap(), 1);
    side.abandon();
    assert!(side.write_now(&mut below, b"x").is_err() && side.memory() == 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn mutated_packets_never_yield_more_than_they_claim(
        at in 0usize..400, with: u8, zlib: bool, chunk in 1usize..300, text in proptest::collection::vec(0u8..4, 60..400),
    ) {
        let algorithm = if zlib { Algorithm::Zlib } else { Algorithm::Zstd(1) };
        let mut pair = Pair::new(algorithm, chunk);
        let mut bytes = packet(algorithm, &text, text.len(), b"");
        let at = at % bytes.len();
        bytes[at] = with;
        let claimed = usize::from(bytes[4]) | usize::from(bytes[5]) << 8 | usize::from(bytes[6]) << 16;
        let len = usize::from(bytes[0]);
        pair.wire.to_server.extend(&bytes);
        if let Ok(read) = drain(pair.server(), 64) {
            prop_assert!(read.len() <= claimed.max(bytes.len()).max(len));
        }
    }

    #[test]
    fn any_bytes_come_out_as_they_went_in(
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..500), 1..20),
        chunk in 1usize..400, room in 1usize..300, zlib: bool,
    ) {
        let algorithm = if zlib { Algorithm::Zlib } else { Algorithm::Zstd(9) };
        let mut pair = Pair::new(algorithm, chunk);
        let parts: Vec<_> = parts.iter().map(|part| command(part)).collect();
        for part in &parts {
            pair.ask(part);
        }
        prop_assert_eq!(drain(pair.server(), room).unwrap(), parts.concat());
    }
}

#[test]
fn results_are_numbered_as_a_server_does_however_they_are_written() {
    let packets = |first: u8, payloads: &[&[u8]]| {
        let mut out = Vec::new();
        for (payload, i) in payloads.iter().zip(0..) {
            frame(&mut out, first.wrapping_add(i), payload);
        }
        out
    };
    let rows: &[&[u8]] = &[b"\x01", b"definition", b"", b"\0\0row", b"\0\0row", b"\xfe\0\0\x02\0"];
    for piece in [1, 2, 5, 7, usize::MAX] {
        let mut answers = super::answers::CompressedAnswers::default();
        let mut out = Vec::new();
        for (result, seq) in [(packets(1, rows), 3u8), (packets(7, &[b"\0\0\0"]), 9), (packets(8, rows), 200)]
        {
            for bytes in result.chunks(piece) {
                out.extend_from_slice(&answers.renumber(bytes, seq));
            }
        }
        let right = [packets(3, rows), packets(9, &[b"\0\0\0"]), packets(200, rows)].concat();
        assert_eq!(out, right, "{piece}");
    }
}
