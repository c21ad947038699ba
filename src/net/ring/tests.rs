//! What others stumbled over: rings without a buffer, sockets that take all of them, ends and cancellations at any time.

use std::cell::Cell;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use socket2::SockRef;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::reactor::Reactor;
use super::run::run_with;
use super::slot::MOST_PIECES;
use crate::net::{Buf, Endpoint, Listener, Runtime, Stream, SystemRuntime, SystemStream, turn_time};

/// Runs a test on a ring with so many buffers of this size.
fn on_ring_with<F: Future<Output = ()> + 'static>(count: u16, size: u32, test: impl FnOnce() -> F + 'static) {
    let aside = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let local = LocalSet::new();
    let ended = Rc::new(Cell::new(false));
    let end = ended.clone();
    local.spawn_local(async move {
        let test = tokio::task::spawn_local(async move { test().await });
        let time = SystemRuntime::default().timeout(Duration::from_secs(60), test).await;
        time.expect("the test hangs").expect("the test failed");
        end.set(true);
    });
    run_with(Reactor::with_buffers(count, size).unwrap(), local, aside.handle()).unwrap();
    assert!(ended.get());
}

fn on_ring<F: Future<Output = ()> + 'static>(test: impl FnOnce() -> F + 'static) {
    on_ring_with(64, 4096, test);
}

/// Returns a socket on the ring, and the other end, which blocks.
async fn connected() -> (SystemStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = Endpoint::Tcp { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    let stream = SystemRuntime::default().connect(&to).await.unwrap();
    (stream, listener.accept().unwrap().0)
}

async fn pause(milliseconds: u64) {
    SystemRuntime::default().sleep(Duration::from_millis(milliseconds)).await;
}

async fn read_some(stream: &mut SystemStream, room: usize) -> std::io::Result<Vec<u8>> {
    let mut buf = Buf::with_room(room);
    stream.read(&mut buf).await.map(|_| buf.filled().to_vec())
}

/// What is written until the next turn is sent with it.
fn gather() {
    Reactor::current().unwrap().alone.set(false);
}

/// Bytes that do not repeat soon.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8 ^ (n / 251) as u8).collect()
}

#[test]
fn the_time_of_a_turn_is_read_once_and_ends_with_the_turn() {
    on_ring(|| async {
        pause(1).await;
        let first = turn_time();
        let read = Instant::now();
        while read.elapsed() < Duration::from_millis(2) {}
        assert_eq!(turn_time(), first, "the turn goes on");
        pause(1).await;
        assert!(turn_time() >= read + Duration::from_millis(2), "this is a later turn");
    });
    let (first, read) = (turn_time(), Instant::now());
    assert!(first <= read && turn_time() >= read, "the thread has no turns any more");
}

#[test]
fn bytes_pass_both_ways_and_an_end_is_one() {
    on_ring(|| async {
        let (mut stream, mut peer) = connected().await;
        peer.write_all(b"question").unwrap();
        assert_eq!(read_some(&mut stream, 100).await.unwrap(), b"question");
        gather();
        assert_eq!(stream.write_now(b"answer").unwrap(), 6);
        // It is sent with the next turn.
        pause(1).await;
        let mut room = [0; 6];
        peer.read_exact(&mut room).unwrap();
        assert_eq!(&room, b"answer");
        // A read smaller than what came leaves the rest.
        peer.write_all(b"in parts").unwrap();
        assert_eq!(read_some(&mut stream, 3).await.unwrap(), b"in ");
        assert!(stream.has_news());
        assert_eq!(read_some(&mut stream, 100).await.unwrap(), b"parts");
        assert!(!stream.has_news() && !stream.has_ended());
        drop(peer);
        assert_eq!(read_some(&mut stream, 100).await.unwrap(), b"");
        assert!(stream.has_ended());
    });
}

/// Sends what does not fit into the buffers of the ring, in both directions.
async fn pass_much(rooms: &'static [usize]) {
    let (mut stream, peer) = connected().await;
    let all = pattern(3 << 20);
    let (mut writing, mut reading) = (peer.try_clone().unwrap(), peer);
    let (sent, expected) = (all.clone(), all.clone());
    let writer = std::thread::spawn(move || writing.write_all(&sent).unwrap());
    let reader = std::thread::spawn(move || {
        let mut heard = vec![0; expected.len()];
        reading.read_exact(&mut heard).unwrap();
        assert!(heard == expected, "other bytes arrived");
    });
    let mut buf = Buf::with_room(all.len());
    buf.extend_from_slice(&all);
    let (result, _) = stream.write_all(buf).await;
    result.unwrap();
    let mut heard = Vec::new();
    for room in rooms.iter().cycle() {
        heard.extend(read_some(&mut stream, *room).await.unwrap());
        if heard.len() % 7 == 0 {
            SystemRuntime::default().give_way().await;
        }
        if heard.len() >= all.len() {
            break;
        }
    }
    assert!(heard == all, "other bytes were read");
    writer.join().unwrap();
    reader.join().unwrap();
}

#[test]
fn more_than_the_ring_has_room_for_arrives_whole_and_in_order() {
    on_ring(|| pass_much(&[16 << 10]));
    on_ring(|| pass_much(&[1, 100_000, 4096, 4097, 33]));
    on_ring_with(2, 64, || pass_much(&[16 << 10, 50]));
    on_ring_with(1, 1 << 20, || pass_much(&[256 << 10]));
}

#[test]
fn a_socket_that_nobody_reads_does_not_use_up_the_buffers() {
    on_ring_with(MOST_PIECES as u16 * 4, 64, || async {
        let (mut greedy, mut fills) = connected().await;
        let (mut modest, mut asks) = connected().await;
        let all = pattern(1 << 20);
        let sent = all.clone();
        let filling = std::thread::spawn(move || fills.write_all(&sent).unwrap());
        assert!(greedy.readable().await.is_ok());
        for round in 0..200_u8 {
            asks.write_all(&[round; 10]).unwrap();
            assert_eq!(read_some(&mut modest, 100).await.unwrap(), [round; 10]);
        }
        let mut heard = Vec::new();
        while heard.len() < all.len() {
            heard.extend(read_some(&mut greedy, 1 << 14).await.unwrap());
        }
        assert!(heard == all);
        filling.join().unwrap();
    });
}

#[test]
fn sockets_without_a_buffer_are_served_one_after_the_other() {
    on_ring_with(2, 64, || async {
        let mut pairs = Vec::new();
        for _ in 0..40 {
            pairs.push(connected().await);
        }
        for round in 0..20_u8 {
            for (stream, peer) in &mut pairs {
                assert!(!stream.has_news(), "nothing is left of the round before");
                peer.write_all(&[round; 50]).unwrap();
            }
            for (stream, _) in &mut pairs {
                assert_eq!(read_some(stream, 100).await.unwrap(), [round; 50]);
                assert_eq!(stream.write_now(&[round; 3]).unwrap(), 3);
            }
            pause(1).await;
            for (_, peer) in &mut pairs {
                let mut room = [0; 3];
                peer.read_exact(&mut room).unwrap();
                assert_eq!(room, [round; 3]);
            }
        }
    });
}

#[test]
fn an_end_is_noticed_behind_bytes_that_nobody_reads() {
    on_ring_with(64, 64, || async {
        for unread in [0, 10, 64 * 200] {
            let (mut stream, mut peer) = connected().await;
            peer.write_all(&pattern(unread)).unwrap();
            pause(5).await;
            assert!(!stream.has_ended());
            drop(peer);
            stream.peer_closed().await;
            assert!(stream.has_ended());
            let mut heard = Vec::new();
            while heard.len() < unread {
                heard.extend(read_some(&mut stream, 1000).await.unwrap());
            }
            assert_eq!(heard, pattern(unread));
            assert_eq!(read_some(&mut stream, 10).await.unwrap(), b"");
        }
    });
}

#[test]
fn it_is_known_whether_anything_has_left() {
    on_ring(|| async {
        // Not yet.
        let (mut stream, mut peer) = connected().await;
        gather();
        stream.begins_request();
        stream.write_now(b"first").unwrap();
        stream.write_now(b" second").unwrap();
        assert!(stream.never_left());
        pause(1).await;
        assert!(!stream.never_left());
        let mut room = [0; 12];
        peer.read_exact(&mut room).unwrap();
        assert_eq!(&room, b"first second");
        // What waits for the turn is not sent behind an abort.
        gather();
        stream.begins_request();
        stream.write_now(b"third").unwrap();
        stream.abort();
        drop(stream);
        pause(1).await;
        assert_eq!(peer.read(&mut room).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        // The connection breaks before the turn, which this end does not know when it writes.
        let (mut stream, peer) = connected().await;
        assert!(!stream.has_ended());
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        gather();
        stream.begins_request();
        stream.write_now(b"never").unwrap();
        pause(1).await;
        assert!(stream.never_left() && stream.write_now(b"again").is_err());
        // What is written behind a request that left says nothing about it.
        let (mut stream, peer) = connected().await;
        gather();
        stream.begins_request();
        stream.write_now(b"left").unwrap();
        pause(1).await;
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        gather();
        let _ = stream.write_now(b"behind it");
        assert!(!stream.never_left());
        pause(1).await;
        assert!(!stream.never_left());
        // Some of it was taken.
        let (mut stream, mut peer) = connected().await;
        while stream.write_now(&vec![7; 1 << 16]).unwrap() > 0 {}
        pause(1).await;
        gather();
        while stream.write_now(&[8; 1000]).is_ok_and(|n| n > 0) {
            pause(1).await;
            gather();
        }
        assert!(!stream.has_ended());
        peer.read_exact(&mut [0; 1 << 16]).unwrap();
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        stream.peer_closed().await;
        assert!(stream.write_now(b"again").is_err());
    });
}

#[test]
fn the_end_of_a_long_answer_arrives_though_its_socket_is_closed() {
    on_ring(|| async {
        for shuts in [false, true] {
            let (mut stream, peer) = connected().await;
            let mut written = 0;
            // Until neither the socket nor its outbox take more, for a while.
            for size in [1 << 16, 1000, 1] {
                let mut refusals = 0;
                while refusals < 5 {
                    gather();
                    match stream.write_now(&vec![7; size]).unwrap() {
                        0 => refusals += 1,
                        n => (written, refusals) = (written + n, 0),
                    }
                    pause(1).await;
                }
            }
            if shuts {
                stream.shut();
            }
            drop(stream);
            pause(2).await;
            assert_eq!(super::lingering(), 1);
            let reader = std::thread::spawn(move || {
                let mut all = Vec::new();
                (&peer).read_to_end(&mut all).unwrap();
                all.len()
            });
            while super::lingering() > 0 {
                pause(1).await;
            }
            assert_eq!(reader.join().unwrap(), written);
        }
        // A peer that does not read is given up.
        let (mut stream, _peer) = connected().await;
        gather();
        while stream.write_now(&[7; 4096]).unwrap() > 0 {
            pause(1).await;
            gather();
        }
        drop(stream);
        for second in 0..60 {
            assert_eq!(super::lingering(), 1, "{second}");
            super::end_lingering();
        }
        pause(2).await;
        assert_eq!(super::lingering(), 0);
    });
}

#[test]
fn a_reset_is_an_error() {
    on_ring(|| async {
        let (mut stream, peer) = connected().await;
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        let result = stream.read(&mut Buf::with_room(10)).await;
        assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        assert!(stream.has_ended());
        assert!(stream.write_now(b"x").is_err());
    });
}

#[test]
fn bytes_are_seen_before_the_ring_tells_of_them() {
    on_ring(|| async {
        let (mut stream, mut peer) = connected().await;
        assert!(!stream.has_bytes());
        peer.write_all(b"x").unwrap();
        assert!(stream.has_bytes());
        let mut buf = Buf::with_room(10);
        pause(5).await;
        assert_eq!(stream.read_now(&mut buf).unwrap(), Some(1));
        assert_eq!(stream.read_now(&mut buf).unwrap(), None);
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(stream.has_bytes(), "an end is news, too");
    });
}

#[test]
fn sockets_that_close_at_any_time_confuse_nobody() {
    on_ring_with(4, 64, || async {
        // New sockets get the numbers of those that were just closed, while operations of these still come to their end.
        for round in 0..300_usize {
            let (mut old, mut peer) = connected().await;
            match round % 4 {
                0 => peer.write_all(&pattern(round)).unwrap(),
                1 => assert!(!old.has_ended()),
                2 => {
                    peer.write_all(&pattern(round)).unwrap();
                    old.readable().await.unwrap();
                }
                _ => {
                    let _ = old.write_now(&vec![7; 1 << 20]);
                }
            }
            drop(old);
            let (mut new, mut other) = connected().await;
            other.write_all(&[round as u8; 9]).unwrap();
            assert_eq!(read_some(&mut new, 100).await.unwrap(), [round as u8; 9]);
            drop(other);
            assert_eq!(read_some(&mut new, 100).await.unwrap(), b"");
        }
    });
}

#[test]
fn what_is_on_its_way_comes_after_a_close_and_not_after_an_abort() {
    on_ring(|| async {
        for aborts in [false, true] {
            let (mut stream, mut peer) = connected().await;
            let mut written = 0;
            while let n @ 1.. = stream.write_now(&vec![7; 1 << 16]).unwrap() {
                written += n;
            }
            if aborts {
                stream.abort();
            }
            drop(stream);
            // The socket is closed behind its operations: at the next turn.
            pause(5).await;
            let (mut heard, mut room) = (0, vec![0; 1 << 16]);
            while let Ok(n @ 1..) = peer.read(&mut room) {
                heard += n;
            }
            assert_eq!(heard == written, !aborts, "{heard} of {written}");
        }
    });
}

#[test]
fn a_connection_that_nobody_accepted_stays_with_the_port() {
    on_ring(|| async {
        let socket = Listener::bind(&"127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let first = Listener::from_socket(socket.try_clone().unwrap()).unwrap();
        let runtime = SystemRuntime::default();
        assert!(runtime.timeout(Duration::from_millis(5), first.accept()).await.is_none());
        let mut peer = TcpStream::connect(address).unwrap();
        drop(first);
        let second = Listener::from_socket(socket).unwrap();
        let accepted = second.accept().await.unwrap();
        assert_eq!(accepted.peer.address(), Some(peer.local_addr().unwrap()));
        let mut stream = accepted.into_stream().unwrap();
        peer.write_all(b"served").unwrap();
        assert_eq!(read_some(&mut stream, 10).await.unwrap(), b"served");
    });
}

#[test]
fn names_and_unix_paths_are_connected_to_and_failures_told() {
    on_ring(|| async {
        let runtime = SystemRuntime::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.connect(&Endpoint::Tcp { host: "localhost".into(), port }).await.unwrap();
        drop(listener);
        let refused = runtime.connect(&Endpoint::Tcp { host: "127.0.0.1".into(), port }).await;
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        let folder = std::env::temp_dir().join(format!("pointsman-ring-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = Endpoint::Unix(folder.join("socket"));
        assert!(runtime.connect(&path).await.is_err());
        let socket = Listener::bind(&path, 1).unwrap().remove(0);
        let listener = Listener::from_socket(socket).unwrap();
        let mut stream = runtime.connect(&path).await.unwrap();
        let mut accepted = listener.accept().await.unwrap().into_stream().unwrap();
        assert!(stream.os_user().is_some() && accepted.os_user().is_some());
        assert_eq!(stream.write_now(b"by path").unwrap(), 7);
        assert_eq!(read_some(&mut accepted, 10).await.unwrap(), b"by path");
        std::fs::remove_dir_all(&folder).unwrap();
    });
}

#[test]
fn a_client_that_never_stops_does_not_keep_the_thread_from_others() {
    on_ring(|| async {
        let (mut stream, mut peer) = connected().await;
        peer.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let talking = std::thread::spawn(move || while peer.write_all(&[7; 1 << 16]).is_ok() {});
        let others = Rc::new(Cell::new(0));
        let count = others.clone();
        let other = tokio::task::spawn_local(async move {
            loop {
                pause(1).await;
                count.set(count.get() + 1);
            }
        });
        // Each read finds bytes, so the task itself never waits.
        let (mut read, began) = (0, Instant::now());
        while others.get() < 20 {
            assert!(began.elapsed() < Duration::from_secs(30), "others had no turn");
            read += read_some(&mut stream, 1 << 14).await.unwrap().len();
        }
        assert!(read > 1 << 20, "{read}");
        // A task that only computes gives way.
        let before = others.get();
        while others.get() < before + 5 {
            SystemRuntime::default().give_way().await;
        }
        other.abort();
        drop(stream);
        talking.join().unwrap();
    });
}

#[test]
fn timers_end_in_their_order_and_leave_nothing() {
    on_ring(|| async {
        let runtime = SystemRuntime::default();
        let began = Instant::now();
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        for time in [30, 10, 20] {
            let (order, runtime) = (order.clone(), runtime.clone());
            tokio::task::spawn_local(async move {
                runtime.sleep(Duration::from_millis(time)).await;
                order.borrow_mut().push(time);
            });
        }
        assert_eq!(runtime.timeout(Duration::from_secs(50), async { 1 }).await, Some(1));
        assert_eq!(runtime.timeout(Duration::ZERO, std::future::pending::<()>()).await, None);
        // A timer that is given up.
        assert_eq!(runtime.timeout(Duration::from_secs(50), pause(40)).await, Some(()));
        assert!(began.elapsed() >= Duration::from_millis(40));
        assert_eq!(*order.borrow(), [10, 20, 30]);
        // That of the test itself is left.
        assert_eq!(Reactor::current().unwrap().timers.count(), 1);
    });
}

#[test]
fn other_threads_wake_the_thread_and_do_work_for_it() {
    on_ring(|| async {
        let runtime = SystemRuntime::default();
        assert_eq!(runtime.aside(|| 6 * 7).await, Some(42));
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let thread = std::thread::spawn(move || {
            for n in 0..2_000_u32 {
                sender.send(n).unwrap();
                if n % 100 == 0 {
                    // Long enough for the other thread to fall asleep.
                    std::thread::park_timeout(Duration::from_micros(300));
                }
            }
        });
        for n in 0..2_000 {
            assert_eq!(receiver.recv().await, Some(n));
        }
        assert_eq!(receiver.recv().await, None);
        thread.join().unwrap();
        // Timers of tokio's own are those of the other runtime.
        tokio::time::sleep(Duration::from_millis(2)).await;
    });
}
