//! The response walker: the same answer, cut anywhere, gives the client the same bytes,
//! and no answer makes it hold or read more than it was given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::wire::{
    Call, Edits, InFront, Legs, PacketHeader, ResponseShape, ResponseWalker, StatusFlags, Walked,
};

const SHAPES: [ResponseShape; 7] = [
    ResponseShape::Ok,
    ResponseShape::Results,
    ResponseShape::Prepare,
    ResponseShape::Rows,
    ResponseShape::Fields,
    ResponseShape::Text,
    ResponseShape::Cursor,
];

const CALLS: [Call; 3] = [Call::No, Call::OfMariaDb, Call::OfMySql];
const IN_FRONT: [InFront; 5] =
    [InFront::AsBehind, InFront::AsBefore, InFront::NoTransaction, InFront::OwnTransaction, InFront::NoPlan];

fuzz_target!(|input: (u8, u8, &[u8], &[u8])| {
    let (flags, shape, cuts, bytes) = input;
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let legs = Legs {
        server_deprecate_eof: flag(0),
        server_session_track: flag(1),
        call: CALLS[usize::from(shape) / SHAPES.len() % CALLS.len()],
        in_front: IN_FRONT[usize::from(shape) / (SHAPES.len() * CALLS.len()) % IN_FRONT.len()],
        server_compresses: flag(5),
        client_deprecate_eof: flag(2),
        client_session_track: flag(3),
        eof_says_changed: usize::from(shape) / (SHAPES.len() * CALLS.len() * IN_FRONT.len()) % 2 == 1,
        also: StatusFlags::empty(),
        never: StatusFlags::empty(),
        warnings: flag(4).then_some(3),
    };
    let columns = if flag(6) { 2 } else { 0 };
    let shape = SHAPES[usize::from(shape) % SHAPES.len()];
    // Raw bytes seldom have a right header: mostly they are packets' contents.
    let stream = if flag(7) { bytes.to_vec() } else { packets(bytes) };
    let whole = walk((shape, columns), legs, &stream, |_| usize::MAX);
    let single = walk((shape, columns), legs, &stream, |_| 1);
    assert_eq!(whole, single, "{shape:?} {legs:?}");
    if !cuts.is_empty() {
        let some = walk((shape, columns), legs, &stream, |round| usize::from(cuts[round % cuts.len()]).max(1));
        assert_eq!(whole, some, "{shape:?} {legs:?}");
    }
});

/// Contents, each behind a byte for its length, as packets with right headers.
fn packets(mut bytes: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut seq = 1u8;
    while let [len, rest @ ..] = bytes {
        let (content, more) = rest.split_at(rest.len().min(usize::from(*len)));
        stream.extend_from_slice(&PacketHeader { len: content.len(), seq }.to_bytes());
        stream.extend_from_slice(content);
        seq = seq.wrapping_add(1);
        bytes = more;
    }
    stream
}

#[derive(Debug, PartialEq)]
struct End {
    /// None: the peer broke the protocol, and how much went out before depends on the cuts.
    out: Option<Vec<u8>>,
    end: &'static str,
    left: usize,
    status: StatusFlags,
}

fn walk((shape, columns): (ResponseShape, u16), legs: Legs, stream: &[u8], cut: impl Fn(usize) -> usize) -> End {
    let mut walker = ResponseWalker::new(shape, legs, 1, StatusFlags::AUTOCOMMIT);
    walker.allows_local_files(vec![b"f".to_vec()]);
    walker.expects_columns(columns);
    let (mut out, mut held, mut sent) = (Vec::new(), Vec::new(), 0);
    let mut edits = Edits::default();
    for round in 0.. {
        let more = cut(round).min(stream.len() - sent);
        held.extend_from_slice(&stream[sent..sent + more]);
        sent += more;
        edits.clear();
        let unread = stream.len() - sent + held.len();
        match walker.feed(&mut held, &mut edits, &mut ()) {
            Err(_) => return End { out: None, end: "error", left: 0, status: StatusFlags::empty() },
            Ok((used, walked)) => {
                assert!(used <= held.len());
                edits.apply(&held, |piece| out.extend_from_slice(piece));
                let end = match walked {
                    Walked::Done => "done",
                    Walked::LocalInfile => "local infile",
                    Walked::More { need } => {
                        assert!(need > held.len() - used, "it needs what it has: {need}");
                        if sent < stream.len() {
                            held.drain(..used);
                            continue;
                        }
                        "more"
                    }
                };
                return End { out: Some(out), end, left: unread - used, status: walker.status() };
            }
        }
    }
    unreachable!("the rounds are endless")
}
