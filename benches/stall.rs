//! How long a text keeps a worker from its other sessions: `stall RW_PORT RO_PORT [ROUNDS]`, standard library only, against
//! a proxy with `workers = 1`, a `split` port and a `replica` port.
//! One client sends COM_PING without a pause, which the proxy answers itself; another sends texts of up to 16 MiB. Prints the
//! longest wait for a ping during each text (the least of all rounds: whatever else runs on the machine only makes a wait
//! longer), the same with nobody else there, and the longest of all.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::print_stdout)] // no runtime here

#[allow(dead_code)]
mod client;

use client::Client;
use std::io::Result;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PING: u8 = 0x0e;
const QUERY: u8 = 3;
const PREPARE: u8 = 0x16;

/// What stands first, what is repeated, what stands last.
const SHAPES: [(&str, &str, &str); 18] = [
    ("SELECT ", "a(", "1"),
    ("SELECT ", "(", "1"),
    ("SELECT ", ")", "1"),
    ("SELECT ", "a b ", ""),
    ("SELECT 1", "+1", ""),
    ("SELECT * FROM t WHERE a IN (1", ",7", ")"),
    ("SELECT '", "x", "'"),
    ("SELECT '", "\\'", "'"),
    ("SELECT 1", "/**/", ""),
    ("SELECT 1", "/*!50001*/", ""),
    ("SELECT /*!50001 1*//*!50002 +1*//*!50003 +1*//*!50004 +1*/", "+1", ""),
    ("", " ", "KILL 1"),
    ("", "SET NAMES utf8mb4;", ""),
    ("", "SELECT 1;", ""),
    ("SET @a=1", ",@b=2", ""),
    ("SET a=1", ",b=2", ""),
    ("", "SET STATEMENT a=1 FOR ", "SELECT 1"),
    ("PREPARE s FROM '", "SELECT 1;", "'"),
];

/// A text of at most this many bytes.
fn text((head, part, tail): (&str, &str, &str), bytes: usize) -> Vec<u8> {
    let times = (bytes - head.len() - tail.len()) / part.len();
    [head, &part.repeat(times), tail].concat().into_bytes()
}

/// The longest wait for a ping while `work` runs.
fn longest_wait(port: u16, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let (ends, longest) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let pings = scope.spawn(|| -> Result<()> {
            let mut client = Client::login(port, "", 1024)?;
            while !ends.load(Ordering::Relaxed) {
                let begun = Instant::now();
                client.command(&[PING])?;
                client.read()?;
                let waited = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                longest.fetch_max(waited, Ordering::Relaxed);
            }
            Ok(())
        });
        std::thread::sleep(Duration::from_millis(20));
        longest.store(0, Ordering::Relaxed);
        let done = work();
        // A wait that has begun is counted, too.
        std::thread::sleep(Duration::from_millis(10));
        ends.store(true, Ordering::Relaxed);
        pings.join().map_err(|_| client::other("the thread of the pings panicked"))??;
        done
    })?;
    Ok(Duration::from_micros(longest.load(Ordering::Relaxed)))
}

/// Sends a text and waits until its answer begins, or until the connection ends.
fn send(port: u16, command: u8, text: &[u8]) -> Result<()> {
    let mut client = Client::login(port, "", 1024)?;
    let mut payload = vec![command];
    payload.extend_from_slice(text);
    client.command(&payload)?;
    let _ = client.read();
    Ok(())
}

fn main() -> Result<()> {
    let ports: Vec<u16> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (rw, ro, rounds) = match ports.as_slice() {
        [rw, ro] => (*rw, *ro, 3),
        [rw, ro, rounds] => (*rw, *ro, *rounds),
        // `cargo test` and `cargo bench` run it without arguments.
        _ => {
            eprintln!("usage: stall RW_PORT RO_PORT [ROUNDS]");
            return Ok(());
        }
    };
    let (kib, largest) = (1024, (16 << 20) - 64);
    let ways = [
        ("split, query", rw, QUERY, vec![127 * kib, largest]),
        ("split, prepare", rw, PREPARE, vec![127 * kib, 256 * kib, 1024 * kib, largest]),
        ("replica, query", ro, QUERY, vec![31 * kib, 127 * kib, 1024 * kib, largest]),
        ("replica, prepare", ro, PREPARE, vec![31 * kib, 1024 * kib, largest]),
    ];
    let best = |work: &dyn Fn() -> Result<()>| -> Result<Duration> {
        let waits: Result<Vec<_>> = (0..rounds).map(|_| longest_wait(rw, work)).collect();
        Ok(waits?.into_iter().min().unwrap_or_default())
    };
    let nobody = best(&|| {
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    })?;
    println!("{:8.3} ms  nobody else", nobody.as_secs_f64() * 1e3);
    let mut worst = (Duration::ZERO, String::new());
    for (name, port, command, sizes) in &ways {
        for size in sizes {
            for shape in SHAPES {
                let text = text(shape, *size);
                let wait = best(&|| send(*port, *command, &text))?;
                let what = format!("{name}, {} KiB: {}{}…", size / kib, shape.0, shape.1);
                println!("{:8.3} ms  {what}", wait.as_secs_f64() * 1e3);
                worst = worst.max((wait, what));
            }
        }
    }
    println!("{:8.3} ms  is the longest: {}", worst.0.as_secs_f64() * 1e3, worst.1);
    Ok(())
}
