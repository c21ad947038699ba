//! The interface on real sockets: what the kernel does at its limits.

#![expect(clippy::disallowed_types, reason = "time is not paused here")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{Completion, Ring};

const SOON: Option<Duration> = Some(Duration::from_secs(5));
const ECANCELED: i32 = 125;
const ENOBUFS: i32 = 105;

/// Takes turns until something came, and returns it.
fn wait(ring: &mut Ring) -> Vec<Completion> {
    let mut all = Vec::new();
    let began = Instant::now();
    while all.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing comes");
        ring.turn(SOON).unwrap();
        ring.take(&mut all).unwrap();
    }
    all
}

/// Returns the bytes of the completions, and gives their buffers back.
fn bytes(ring: &mut Ring, all: Vec<Completion>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for filled in all.into_iter().filter_map(|completion| completion.filled) {
        bytes.extend_from_slice(ring.buffers().bytes(&filled));
        ring.give_back(filled);
    }
    bytes
}

fn code(completion: &Completion) -> Option<i32> {
    completion.result.as_ref().err().and_then(std::io::Error::raw_os_error)
}

#[test]
fn one_receive_brings_all_pieces_and_the_end() {
    let mut ring = Ring::new(8, 4, 16).unwrap();
    let (here, mut there) = UnixStream::pair().unwrap();
    ring.receive(here.as_fd(), 7).unwrap();
    ring.turn(Some(Duration::ZERO)).unwrap();
    for round in 0..50_u8 {
        there.write_all(&[round; 5]).unwrap();
        let all = wait(&mut ring);
        assert!(all.iter().all(|completion| completion.tag == 7 && completion.more));
        assert_eq!(bytes(&mut ring, all), [round; 5]);
    }
    drop(there);
    let all = wait(&mut ring);
    assert!(
        all.iter().any(|completion| !completion.more && completion.result.as_ref().is_ok_and(|n| *n == 0))
    );
}

#[test]
fn without_a_buffer_a_receive_ends_and_loses_nothing() {
    let mut ring = Ring::new(8, 2, 16).unwrap();
    let (here, mut there) = UnixStream::pair().unwrap();
    ring.receive(here.as_fd(), 1).unwrap();
    ring.turn(Some(Duration::ZERO)).unwrap();
    let sent: Vec<u8> = (0..100).collect();
    there.write_all(&sent).unwrap();
    let mut all = wait(&mut ring);
    while all.iter().all(|completion| completion.more) {
        all.extend(wait(&mut ring));
    }
    assert_eq!(all.last().and_then(code), Some(ENOBUFS));
    let mut heard = bytes(&mut ring, all);
    assert_eq!(heard.len(), 32);
    // Both buffers are there again.
    while heard.len() < sent.len() {
        ring.receive(here.as_fd(), 2).unwrap();
        let all = wait(&mut ring);
        heard.extend(bytes(&mut ring, all));
    }
    assert_eq!(heard, sent);
}

#[test]
fn a_cancelled_receive_has_a_last_completion_at_any_time() {
    let mut ring = Ring::new(8, 8, 16).unwrap();
    for round in 0..200 {
        let (here, mut there) = UnixStream::pair().unwrap();
        ring.receive(here.as_fd(), 3).unwrap();
        // Before the kernel has it, under way, with bytes that come meanwhile, and behind its end.
        if round % 4 > 0 {
            ring.turn(Some(Duration::ZERO)).unwrap();
        }
        if round % 4 > 1 {
            there.write_all(b"meanwhile").unwrap();
        }
        if round % 4 > 2 {
            there.shutdown(std::net::Shutdown::Write).unwrap();
            ring.turn(Some(Duration::ZERO)).unwrap();
        }
        ring.cancel(3).unwrap();
        let mut all = wait(&mut ring);
        while all.iter().all(|completion| completion.more) {
            all.extend(wait(&mut ring));
        }
        let last = all.last().unwrap();
        assert!(code(last) == Some(ECANCELED) || last.result.as_ref().is_ok_and(|n| *n == 0), "{last:?}");
        bytes(&mut ring, all);
    }
}

#[test]
fn a_send_is_over_with_its_turn_and_says_how_much_it_sent() {
    let mut ring = Ring::new(4, 2, 16).unwrap();
    let (here, mut there) = UnixStream::pair().unwrap();
    let sent = |ring: &mut Ring| {
        let mut all = Vec::new();
        ring.take(&mut Vec::new()).unwrap();
        ring.sent(|sent| all.push((sent.tag, sent.bytes.len(), sent.result)));
        all
    };
    // More than the queue has places for.
    let mut others = Vec::new();
    for tag in 0..10 {
        let (from, to) = UnixStream::pair().unwrap();
        ring.send(from.as_fd(), vec![tag; 3], tag.into()).unwrap();
        others.push((from, to));
    }
    assert!(sent(&mut ring).is_empty(), "the turn is still to come");
    let began = Instant::now();
    ring.turn(Some(Duration::from_millis(30))).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(25), "a send that succeeds does not end the wait");
    let all = sent(&mut ring);
    assert_eq!(all.len(), 10);
    assert!(all.iter().enumerate().all(|(n, (tag, _, result))| *tag == n as u64 && matches!(result, Ok(3))));
    for (tag, (_, to)) in others.iter_mut().enumerate() {
        let mut room = [0; 3];
        to.read_exact(&mut room).unwrap();
        assert_eq!(room, [tag as u8; 3]);
    }
    // A socket that is full in the middle, and then at once.
    let much = 4 << 20;
    ring.send(here.as_fd(), vec![1; much], 5).unwrap();
    ring.turn(SOON).unwrap();
    let all = sent(&mut ring);
    let taken = all[0].2.as_ref().copied().unwrap();
    assert!(0 < taken && taken < much, "{taken}");
    ring.send(here.as_fd(), vec![1; 1 << 20], 5).unwrap();
    ring.turn(SOON).unwrap();
    assert_eq!(sent(&mut ring)[0].2.as_ref().unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut heard = vec![0; taken];
    there.read_exact(&mut heard).unwrap();
    there.set_nonblocking(true).unwrap();
    assert_eq!(there.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock, "nothing more was sent");
    // A peer that is gone, beside one that is there.
    drop(there);
    let (other, mut hears) = UnixStream::pair().unwrap();
    ring.send(here.as_fd(), vec![1; 3], 8).unwrap();
    ring.send(other.as_fd(), vec![2; 3], 9).unwrap();
    ring.turn(SOON).unwrap();
    let all = sent(&mut ring);
    assert_eq!((all[0].0, all[0].2.as_ref().unwrap_err().kind()), (8, ErrorKind::BrokenPipe));
    assert_eq!((all[1].0, *all[1].2.as_ref().unwrap()), (9, 3));
    hears.read_exact(&mut [0; 3]).unwrap();
}

#[test]
fn more_completions_than_there_is_room_for_are_kept() {
    let mut ring = Ring::new(2, 256, 16).unwrap();
    let mut pairs = Vec::new();
    for tag in 0..100_u64 {
        let (here, there) = UnixStream::pair().unwrap();
        ring.receive(here.as_fd(), tag).unwrap();
        pairs.push((here, there));
    }
    ring.turn(Some(Duration::ZERO)).unwrap();
    for (_, there) in &mut pairs {
        there.write_all(b"all at once").unwrap();
    }
    let mut seen = [false; 100];
    while !seen.iter().all(|seen| *seen) {
        let all = wait(&mut ring);
        for completion in &all {
            seen[completion.tag as usize] |= completion.filled.is_some();
        }
        bytes(&mut ring, all);
    }
}

#[test]
fn a_buffer_of_another_ring_is_nobodys() {
    let (mut ring, mut other) = (Ring::new(4, 2, 16).unwrap(), Ring::new(4, 2, 16).unwrap());
    let (here, mut there) = UnixStream::pair().unwrap();
    ring.receive(here.as_fd(), 1).unwrap();
    there.write_all(b"mine").unwrap();
    let filled = wait(&mut ring).remove(0).filled.unwrap();
    assert_eq!(other.buffers().bytes(&filled), b"");
    assert_eq!(ring.buffers().bytes(&filled), b"mine");
    other.give_back(filled);
}

#[test]
fn tags_with_a_meaning_of_the_ring_are_refused() {
    let mut ring = Ring::new(4, 2, 16).unwrap();
    let (here, _there) = UnixStream::pair().unwrap();
    for tag in [1 << 62, 1 << 63, super::NOBODY, super::NOBODY - 1] {
        assert_eq!(ring.receive(here.as_fd(), tag).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(ring.wait_for(here.as_fd(), 1, tag).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(ring.watch(here.as_fd(), 1, tag).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(ring.send(here.as_fd(), vec![1], tag).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    ring.turn(Some(Duration::ZERO)).unwrap();
    ring.sent(|sent| panic!("{sent:?}"));
}

#[test]
fn waits_end_with_their_events_and_their_time() {
    let mut ring = Ring::new(4, 2, 16).unwrap();
    let (here, mut there) = UnixStream::pair().unwrap();
    ring.wait_for(here.as_fd(), 1, 4).unwrap();
    let began = Instant::now();
    ring.turn(Some(Duration::from_millis(20))).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(15));
    there.write_all(b"x").unwrap();
    let all = wait(&mut ring);
    assert_eq!((all[0].tag, all[0].more), (4, false));
    ring.watch(here.as_fd(), 1, 6).unwrap();
    assert!(wait(&mut ring)[0].more);
    there.write_all(b"x").unwrap();
    assert!(wait(&mut ring)[0].more, "it goes on");
}

#[test]
fn a_ring_can_be_dropped_with_everything_under_way() {
    for _ in 0..20 {
        let mut ring = Ring::new(8, 4, 4096).unwrap();
        let (here, mut there) = UnixStream::pair().unwrap();
        ring.receive(here.as_fd(), 1).unwrap();
        ring.turn(Some(Duration::ZERO)).unwrap();
        there.write_all(b"comes late").unwrap();
        ring.send(here.as_fd(), vec![1; 4096], 2).unwrap();
        drop(ring);
        there.write_all(b"comes later").unwrap();
    }
}
