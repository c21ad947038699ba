//! How long a text keeps a worker from its other sessions: `stall RW_PORT RO_PORT [ROUNDS [PID]]`, standard library only,
//! against a proxy (its process id is PID) with `workers = 1`, a `split` port and a `replica` port.
//! One client sends COM_PING without a pause, which the proxy answers itself; another sends texts of up to 16 MiB. Prints the
//! longest wait for a ping during each text and, with PID, the most processor time that the worker took between a ping and
//! its answer: while client, proxy and servers share two cores, a wait is longer than that by the time in which the worker
//! had no core. Each is the least of all rounds, since whatever else runs on the machine only makes it longer. The last line
//! is the longest of all.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::print_stdout)] // no runtime here

#[allow(dead_code)]
mod client;

use client::Client;
use std::io::Result;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Between a ping and its answer: the time, and how much of it the worker's thread ran.
#[derive(Debug, Clone, Copy, Default)]
struct Wait {
    time: Duration,
    ran: Duration,
}

/// The longest wait for a ping while `work` runs. `worker` is the thread's `schedstat`.
fn longest_wait(port: u16, worker: Option<&str>, work: impl FnOnce() -> Result<()>) -> Result<Wait> {
    let (ends, begins) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let pings = scope.spawn(|| -> Result<Wait> {
            let mut client = Client::login(port, "", 1024)?;
            let mut longest = Wait::default();
            while !ends.load(Ordering::Relaxed) {
                let (begun, ran) = (Instant::now(), ran(worker)?);
                client.command(&[PING])?;
                client.read()?;
                let wait = Wait { time: begun.elapsed(), ran: self::ran(worker)?.saturating_sub(ran) };
                if begins.load(Ordering::Relaxed) {
                    longest.time = longest.time.max(wait.time);
                    longest.ran = longest.ran.max(wait.ran);
                }
            }
            Ok(longest)
        });
        std::thread::sleep(Duration::from_millis(20));
        begins.store(true, Ordering::Relaxed);
        let done = work();
        // A wait that has begun is counted, too.
        std::thread::sleep(Duration::from_millis(10));
        ends.store(true, Ordering::Relaxed);
        let longest = pings.join().map_err(|_| client::other("the thread of the pings panicked"))??;
        done.map(|()| longest)
    })
}

/// How long the thread ran, as the kernel counts it: the first number, in nanoseconds.
fn ran(schedstat: Option<&str>) -> Result<Duration> {
    let Some(path) = schedstat else { return Ok(Duration::ZERO) };
    let text = std::fs::read_to_string(path)?;
    let first = text.split(' ').next().and_then(|first| first.parse().ok());
    first.map(Duration::from_nanos).ok_or_else(|| client::other("no schedstat"))
}

/// The `schedstat` of the worker of this process.
fn worker_of(pid: u32) -> Result<String> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == "worker-0" {
            return Ok(task.join("schedstat").to_string_lossy().into_owned());
        }
    }
    Err(client::other("this process has no thread `worker-0`"))
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

fn shown(wait: Wait, worker: Option<&str>) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    match worker {
        Some(_) => format!("{:8.3} ms, the worker ran {:7.3} ms ", ms(wait.time), ms(wait.ran)),
        None => format!("{:8.3} ms ", ms(wait.time)),
    }
}

fn main() -> Result<()> {
    let arguments: Vec<u32> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (rw, ro, rounds, pid) = match arguments.as_slice() {
        [rw, ro] => (*rw, *ro, 3, None),
        [rw, ro, rounds] => (*rw, *ro, *rounds, None),
        [rw, ro, rounds, pid] => (*rw, *ro, *rounds, Some(*pid)),
        // `cargo test` and `cargo bench` run it without arguments.
        _ => {
            eprintln!("usage: stall RW_PORT RO_PORT [ROUNDS [PID]]");
            return Ok(());
        }
    };
    let port = |port| u16::try_from(port).map_err(|_| client::other("no port"));
    let (rw, ro) = (port(rw)?, port(ro)?);
    let worker = pid.map(worker_of).transpose()?;
    let worker = worker.as_deref();
    let (kib, largest) = (1024, (16 << 20) - 64);
    let ways = [
        ("split, query", rw, QUERY, vec![127 * kib, largest]),
        ("split, prepare", rw, PREPARE, vec![127 * kib, 256 * kib, 1024 * kib, largest]),
        ("replica, query", ro, QUERY, vec![31 * kib, 127 * kib, 1024 * kib, largest]),
        ("replica, prepare", ro, PREPARE, vec![31 * kib, 1024 * kib, largest]),
    ];
    let best = |work: &dyn Fn() -> Result<()>| -> Result<Wait> {
        let mut least = Wait { time: Duration::MAX, ran: Duration::MAX };
        for _ in 0..rounds {
            let wait = longest_wait(rw, worker, work)?;
            least = Wait { time: least.time.min(wait.time), ran: least.ran.min(wait.ran) };
        }
        Ok(least)
    };
    let nobody = best(&|| {
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    })?;
    println!("{}nobody else", shown(nobody, worker));
    let (mut longest, mut hardest) = ((Wait::default(), String::new()), (Wait::default(), String::new()));
    for (name, port, command, sizes) in &ways {
        for size in sizes {
            for shape in SHAPES {
                let text = text(shape, *size);
                let wait = best(&|| send(*port, *command, &text))?;
                let what = format!("{name}, {} KiB: {}{}…", size / kib, shape.0, shape.1);
                println!("{}{what}", shown(wait, worker));
                if wait.time > longest.0.time {
                    longest = (wait, what.clone());
                }
                if wait.ran > hardest.0.ran {
                    hardest = (wait, what);
                }
            }
        }
    }
    println!("{}is the longest wait: {}", shown(longest.0, worker), longest.1);
    if worker.is_some() {
        println!("{}is the most that the worker ran: {}", shown(hardest.0, worker), hardest.1);
    }
    Ok(())
}
