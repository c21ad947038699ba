//! The benchmark's quick client, standard library only, so that it is not what is measured.
//! usage: connect connect PORT N THREADS   N times connect, SELECT 1, close; prints seconds, and the 99th percentile of
//!                                         a login, from connect() to its OK packet, in seconds
//!        connect result PORT MIB          reads a result of MIB; prints MiB/s
//!        connect load PORT MIB            sends MIB as LOAD DATA LOCAL; prints MiB/s
#![allow(clippy::disallowed_types, clippy::print_stdout)] // no runtime here: the clock is the system's

mod client;

use client::{Client, other};
use std::io::{Error, Result};
use std::time::Instant;

/// What a client reads at once, in bytes.
const BUFFER: usize = 256 * 1024;
/// One row of the big result, in bytes.
const ROW: usize = 65_536;
/// One packet of the big file, in bytes: about what the C clients send.
const PIECE: usize = 16_384;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| args.get(i).and_then(|a| a.parse::<usize>().ok());
    let port = number(1).and_then(|p| u16::try_from(p).ok());
    let done = match (args.first().map(String::as_str), port, number(2)) {
        (Some("connect"), Some(port), Some(n)) => connects(port, n, number(3).unwrap_or(8)),
        (Some("result"), Some(port), Some(mib)) => result(port, mib).map(|figure| format!("{figure:.3}")),
        (Some("load"), Some(port), Some(mib)) => load(port, mib).map(|figure| format!("{figure:.3}")),
        // `cargo test` and `cargo bench` run it without arguments.
        _ => return eprintln!("usage: connect connect|result|load PORT N [THREADS]"),
    };
    match done {
        Ok(figures) => println!("{figures}"),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1);
        }
    }
}

fn connects(port: u16, n: usize, threads: usize) -> Result<String> {
    let began = Instant::now();
    let each = n / threads;
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            std::thread::spawn(move || {
                let mut logins = Vec::with_capacity(each);
                for _ in 0..each {
                    let login = Instant::now();
                    let mut client = Client::login(port, "", BUFFER)?;
                    logins.push(login.elapsed());
                    client.command(b"\x03SELECT 1")?;
                    // Column count, column, EOF, row, EOF.
                    for _ in 0..5 {
                        client.read()?;
                    }
                    client.command(b"\x01")?;
                }
                Ok::<_, Error>(logins)
            })
        })
        .collect();
    let mut logins = Vec::with_capacity(n);
    for worker in workers {
        logins.extend(worker.join().map_err(|_| other("a thread panicked"))??);
    }
    let seconds = began.elapsed().as_secs_f64();
    logins.sort_unstable();
    let p99 = logins.get(logins.len() * 99 / 100).copied().unwrap_or_default().as_secs_f64();
    Ok(format!("{seconds:.3} {p99:.6}"))
}

fn result(port: u16, mib: usize) -> Result<f64> {
    let mut client = Client::login(port, "", BUFFER)?;
    let rows = mib * 1024 * 1024 / ROW;
    let began = Instant::now();
    let query = format!("\x03SELECT REPEAT('x', {ROW}) FROM sbtest.seq_1_to_{rows}");
    client.command(query.as_bytes())?;
    let columns = client.read()?;
    if columns.first() != Some(&1) {
        return Err(other(&String::from_utf8_lossy(&columns)));
    }
    let (mut seen, mut eofs, mut buffer) = (0_usize, 0, vec![0_u8; ROW + 64]);
    while eofs < 2 {
        let len = client.read_into(&mut buffer)?;
        match buffer[0] {
            0xFF => return Err(other(&String::from_utf8_lossy(&buffer[..len.min(200)]))),
            0xFE if len < 9 => eofs += 1,
            _ => seen += len,
        }
    }
    if seen < rows * ROW {
        return Err(other(&format!("{seen} bytes instead of {}", rows * ROW)));
    }
    Ok(mib as f64 / began.elapsed().as_secs_f64())
}

fn load(port: u16, mib: usize) -> Result<f64> {
    let mut client = Client::login(port, "", BUFFER)?;
    let began = Instant::now();
    // The server reads every byte and finds no line: it is the way there that is measured.
    client.command(
        b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE sbtest.sink CHARACTER SET binary LINES STARTING BY 'q'",
    )?;
    let request = client.read()?;
    if request.first() != Some(&0xFB) {
        return Err(other(&String::from_utf8_lossy(&request)));
    }
    let mut line = vec![b'x'; 1023];
    line.push(b'\n');
    let payload = line.repeat(PIECE / line.len());
    for _ in 0..mib * 1024 * 1024 / payload.len() {
        client.write(&payload)?;
    }
    client.write(b"")?;
    let end = client.read()?;
    if end.first() != Some(&0) {
        return Err(other(&String::from_utf8_lossy(&end)));
    }
    Ok(mib as f64 / began.elapsed().as_secs_f64())
}
