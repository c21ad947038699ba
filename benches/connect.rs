//! The benchmark's quick client, standard library only, so that it is not what is measured.
//! usage: connect connect PORT N THREADS   N times connect, SELECT 1, close; prints seconds
//!        connect result PORT MIB          reads a result of MIB; prints MiB/s
//!        connect load PORT MIB            sends MIB as LOAD DATA LOCAL; prints MiB/s
#![allow(clippy::disallowed_types, clippy::print_stdout)] // no runtime here: the clock is the system's

use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;
use std::time::Instant;

const USER: &str = "app";
const PASSWORD: &str = "app";
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
        (Some("result"), Some(port), Some(mib)) => result(port, mib),
        (Some("load"), Some(port), Some(mib)) => load(port, mib),
        // `cargo test` and `cargo bench` run it without arguments.
        _ => return eprintln!("usage: connect connect|result|load PORT N [THREADS]"),
    };
    match done {
        Ok(figure) => println!("{figure:.3}"),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1);
        }
    }
}

fn connects(port: u16, n: usize, threads: usize) -> Result<f64> {
    let began = Instant::now();
    let each = n / threads;
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            std::thread::spawn(move || {
                for _ in 0..each {
                    let mut client = Client::login(port)?;
                    client.command(b"\x03SELECT 1")?;
                    // Column count, column, EOF, row, EOF.
                    for _ in 0..5 {
                        client.read()?;
                    }
                    client.command(b"\x01")?;
                }
                Ok::<(), Error>(())
            })
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| other("a thread panicked"))??;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn result(port: u16, mib: usize) -> Result<f64> {
    let mut client = Client::login(port)?;
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
    let mut client = Client::login(port)?;
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

struct Client {
    stream: std::io::BufReader<TcpStream>,
    sequence: u8,
}

impl Client {
    fn login(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let mut client =
            Client { stream: std::io::BufReader::with_capacity(256 * 1024, stream), sequence: 0 };
        let greeting = client.read()?;
        let version = greeting.iter().skip(1).position(|b| *b == 0);
        let at = version.ok_or_else(|| other("no greeting"))? + 2;
        if greeting.len() < at + 43 {
            return Err(other(&String::from_utf8_lossy(&greeting)));
        }
        let salt = [&greeting[at + 4..at + 12], &greeting[at + 31..at + 43]].concat();
        // LOCAL_FILES, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH, LONG_PASSWORD
        let flags: u32 = 0x1 | 0x80 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
        let mut response = flags.to_le_bytes().to_vec();
        response.extend((1_u32 << 24).to_le_bytes());
        response.push(45);
        response.extend([0; 23]);
        response.extend(USER.bytes().chain([0, 20]));
        response.extend(scramble(&salt));
        response.extend(b"mysql_native_password\0");
        client.write(&response)?;
        let mut packet = client.read()?;
        if packet.starts_with(b"\xFEmysql_native_password\0") {
            client.write(&scramble(&packet[23..43]))?;
            packet = client.read()?;
        }
        match packet.first() {
            Some(0) => Ok(client),
            _ => Err(other(&format!("login: {}", String::from_utf8_lossy(&packet)))),
        }
    }

    fn command(&mut self, payload: &[u8]) -> Result<()> {
        self.sequence = 0;
        self.write(payload)
    }

    fn write(&mut self, payload: &[u8]) -> Result<()> {
        let len = u32::try_from(payload.len()).map_err(|_| other("too long"))?;
        let mut packet = Vec::with_capacity(payload.len() + 4);
        packet.extend(&len.to_le_bytes()[..3]);
        packet.push(self.sequence);
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.get_mut().write_all(&packet)
    }

    fn read(&mut self) -> Result<Vec<u8>> {
        let mut buffer = vec![0; 4096];
        let len = self.read_into(&mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }

    fn read_into(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head)?;
        self.sequence = head[3].wrapping_add(1);
        let len = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
        let space = buffer.get_mut(..len).ok_or_else(|| other("packet too long"))?;
        self.stream.read_exact(space)?;
        Ok(len)
    }
}

fn other(text: &str) -> Error {
    Error::other(text)
}

/// mysql_native_password: SHA1(password) XOR SHA1(salt, SHA1(SHA1(password))).
fn scramble(salt: &[u8]) -> [u8; 20] {
    let once = sha1(PASSWORD.as_bytes());
    let twice = sha1(&once);
    let mask = sha1(&[salt, &twice].concat());
    std::array::from_fn(|i| once[i] ^ mask[i])
}

/// FIPS 180-4, for messages under 56 bytes: one block.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut block = [0_u8; 64];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] = 0x80;
    block[56..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    let mut w = [0_u32; 80];
    for (i, word) in block.chunks_exact(4).enumerate() {
        w[i] = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
    }
    for i in 16..80 {
        w[i] = (w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16]).rotate_left(1);
    }
    let start = [0x6745_2301_u32, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    let [mut a, mut b, mut c, mut d, mut e] = start;
    for (i, word) in w.iter().enumerate() {
        let (f, k) = match i {
            0..20 => ((b & c) | (!b & d), 0x5A82_7999),
            20..40 => (b ^ c ^ d, 0x6ED9_EBA1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
            _ => (b ^ c ^ d, 0xCA62_C1D6_u32),
        };
        let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    let mut digest = [0; 20];
    for (i, (old, new)) in start.iter().zip([a, b, c, d, e]).enumerate() {
        digest[i * 4..i * 4 + 4].copy_from_slice(&old.wrapping_add(new).to_be_bytes());
    }
    digest
}
