//! A flood of logins: `flood ADDRESS THREADS RATE SECS [HEX]`, standard library only. Each try is a connection of its own, RATE
//! of them a second (0: as many as the threads make). Without HEX a try sends a wrong password of `app`; with HEX it
//! asks for TLS and sends these bytes, a ClientHello, so that the server has the work of a whole handshake and the
//! client nearly none. Prints as JSON how many tries were made, and how they were answered.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::print_stdout)] // no runtime here

use std::io::{Error, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH.
const FLAGS: u32 = 0x1 | 0x200 | 0x8000 | 0x8_0000;
/// CLIENT_SSL
const SSL: u32 = 0x800;
/// A server that takes longer has lost the try.
const PATIENCE: Duration = Duration::from_secs(5);
/// A record of an alert, and the length of a record's header.
const ALERT: u8 = 21;
const RECORD_HEADER: usize = 5;

/// What became of the tries.
#[derive(Default)]
struct Account {
    tries: u64,
    /// ERR packets that say "access denied", and handshakes that were answered by a certificate.
    answered: u64,
    /// Other ERR packets, and alerts.
    refused: u64,
    /// Neither: the connection was closed or not made.
    failed: u64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = args.iter().skip(1).take(3).map(|a| a.parse().ok()).collect();
    let address = args.first().and_then(|a| a.parse().ok());
    let hello = bytes(args.get(4).map_or("", String::as_str));
    let (Some(address), Some([threads, rate, secs]), Some(hello)) = (address, numbers.as_deref(), hello)
    else {
        // `cargo test` and `cargo bench` run it without arguments.
        return eprintln!("usage: flood ADDRESS THREADS RATE SECS [HEX]");
    };
    let every = if *rate == 0 { Duration::ZERO } else { Duration::from_secs(*threads) / (*rate as u32) };
    let load = Duration::from_secs(*secs);
    let accounts: Vec<Account> = std::thread::scope(|scope| {
        let hello = hello.as_slice();
        let threads: Vec<_> =
            (0..*threads).map(|_| scope.spawn(move || flood(address, every, load, hello))).collect();
        threads.into_iter().filter_map(|t| t.join().ok()).collect()
    });
    let sum = |of: fn(&Account) -> u64| accounts.iter().map(of).sum::<u64>();
    println!(
        "{{\"tries\": {}, \"answered\": {}, \"refused\": {}, \"failed\": {}}}",
        sum(|a| a.tries),
        sum(|a| a.answered),
        sum(|a| a.refused),
        sum(|a| a.failed)
    );
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn flood(address: SocketAddr, every: Duration, load: Duration, hello: &[u8]) -> Account {
    let mut account = Account::default();
    let began = Instant::now();
    let mut due = began;
    while began.elapsed() < load {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += every;
        account.tries += 1;
        match one(address, hello) {
            Ok(true) => account.answered += 1,
            Ok(false) => account.refused += 1,
            Err(_) => account.failed += 1,
        }
    }
    account
}

/// One try; true if it got as far as it can.
fn one(address: SocketAddr, hello: &[u8]) -> Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 8192];
    let greeting = packet(&mut stream, &mut buffer)?;
    if greeting.first() == Some(&0xFF) {
        return Ok(false);
    }
    if hello.is_empty() {
        stream.write_all(&login())?;
        let answer = packet(&mut stream, &mut buffer)?;
        // 1045: access denied
        return Ok(answer.get(..3) == Some(&[0xFF, 0x15, 0x04]));
    }
    let mut request = framed(&head(FLAGS | SSL));
    request.extend_from_slice(hello);
    stream.write_all(&request)?;
    stream.read_exact(&mut buffer[..RECORD_HEADER])?;
    let [kind, _, _, high, low, ..] = buffer;
    // All of ServerHello; the certificate stands behind it in the same flight.
    stream.read_exact(&mut buffer[..usize::from(u16::from_be_bytes([high, low]))])?;
    stream.shutdown(Shutdown::Both)?;
    Ok(kind != ALERT)
}

fn login() -> Vec<u8> {
    let mut response = head(FLAGS);
    response.extend(b"app\0\x14");
    response.extend([7; 20]);
    response.extend(b"mysql_native_password\0");
    framed(&response)
}

/// The beginning of a handshake response: a request for TLS ends here.
fn head(flags: u32) -> Vec<u8> {
    let mut head = flags.to_le_bytes().to_vec();
    head.extend((1_u32 << 24).to_le_bytes());
    head.push(45);
    head.extend([0; 23]);
    head
}

/// The first packet of a client.
fn framed(payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![payload.len() as u8, 0, 0, 1];
    packet.extend(payload);
    packet
}

fn packet<'a>(stream: &mut TcpStream, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let len = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    let payload = buffer.get_mut(..len).ok_or_else(|| Error::other("packet too long"))?;
    stream.read_exact(payload)?;
    Ok(payload)
}
