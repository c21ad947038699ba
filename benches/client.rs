//! The wire protocol as the benchmark's clients need it: mysql_native_password and the short way of
//! caching_sha2_password, one packet at a time, the standard library only, so that it is not what is measured.

use std::io::{BufReader, Error, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

const USER: &str = "app";
const PASSWORD: &str = "app";
/// An answer that takes longer is an error, not an endless benchmark.
const PATIENCE: Duration = Duration::from_secs(60);

/// A logged-in client.
pub struct Client {
    stream: BufReader<TcpStream>,
    sequence: u8,
}

impl Client {
    /// Connects and logs in, without a schema if it is empty; `buffer` is for what comes, in bytes.
    pub fn login(port: u16, schema: &str, buffer: usize) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Client { stream: BufReader::with_capacity(buffer, stream), sequence: 0 };
        let greeting = client.read()?;
        if greeting.first() == Some(&0xFF) {
            return Err(other(&String::from_utf8_lossy(&greeting)));
        }
        let version = greeting.iter().skip(1).position(|b| *b == 0);
        let at = version.ok_or_else(|| other("no greeting"))? + 2;
        if greeting.len() < at + 43 {
            return Err(other(&String::from_utf8_lossy(&greeting)));
        }
        let salt = [&greeting[at + 4..at + 12], &greeting[at + 31..at + 43]].concat();
        let plugin = greeting[at + 44..].split(|b| *b == 0).next().unwrap_or_default();
        let (plugin, proof) = prove(plugin, &salt);
        // LOCAL_FILES, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH, LONG_PASSWORD
        let mut flags: u32 = 0x1 | 0x80 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
        if !schema.is_empty() {
            flags |= 0x8; // CONNECT_WITH_DB
        }
        let mut response = flags.to_le_bytes().to_vec();
        response.extend((1_u32 << 24).to_le_bytes());
        response.push(45);
        response.extend([0; 23]);
        response.extend(USER.bytes().chain([0, proof.len() as u8]));
        response.extend(proof);
        if !schema.is_empty() {
            response.extend(schema.bytes().chain([0]));
        }
        response.extend(plugin.iter().chain([&0]));
        client.write(&response)?;
        let mut packet = client.read()?;
        if packet.first() == Some(&0xFE) {
            let mut fields = packet[1..].split(|b| *b == 0);
            let (plugin, salt) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let (_, proof) = prove(plugin, salt);
            client.write(&proof)?;
            packet = client.read()?;
        }
        // The server remembers the password: OK follows.
        if packet == [1, 3] {
            packet = client.read()?;
        }
        match packet[..] {
            [0, ..] => Ok(client),
            [1, 4] => {
                Err(other("the server does not remember the password: log in once with another client"))
            }
            _ => Err(other(&format!("login: {}", String::from_utf8_lossy(&packet)))),
        }
    }

    /// Sends the first packet of a command.
    pub fn command(&mut self, payload: &[u8]) -> Result<()> {
        self.sequence = 0;
        self.write(payload)
    }

    /// Sends the next packet.
    pub fn write(&mut self, payload: &[u8]) -> Result<()> {
        let len = u32::try_from(payload.len()).map_err(|_| other("too long"))?;
        let mut packet = Vec::with_capacity(payload.len() + 4);
        packet.extend(&len.to_le_bytes()[..3]);
        packet.push(self.sequence);
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.get_mut().write_all(&packet)
    }

    /// The next packet, of 4 KiB at most.
    pub fn read(&mut self) -> Result<Vec<u8>> {
        let mut buffer = vec![0; 4096];
        let len = self.read_into(&mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }

    /// The next packet into a buffer that must be large enough; its length.
    pub fn read_into(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head)?;
        self.sequence = head[3].wrapping_add(1);
        let len = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
        let space = buffer.get_mut(..len).ok_or_else(|| other("packet too long"))?;
        self.stream.read_exact(space)?;
        Ok(len)
    }
}

/// An error of these words.
pub fn other(text: &str) -> Error {
    Error::other(text)
}

/// The plugin with which the client answers, and the proof: the server's plugin if the client knows it.
fn prove(plugin: &[u8], salt: &[u8]) -> (&'static [u8], Vec<u8>) {
    if plugin == b"caching_sha2_password" {
        (b"caching_sha2_password", cached_sha256(salt).to_vec())
    } else {
        (b"mysql_native_password", scramble(salt).to_vec())
    }
}

/// caching_sha2_password: SHA256(password) XOR SHA256(SHA256(SHA256(password)), salt).
fn cached_sha256(salt: &[u8]) -> [u8; 32] {
    let once = sha256(PASSWORD.as_bytes());
    let twice = sha256(&once);
    let mask = sha256(&[&twice, salt].concat());
    std::array::from_fn(|i| once[i] ^ mask[i])
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
    let mut w = [0_u32; 80];
    w[..16].copy_from_slice(&padded(message));
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

/// FIPS 180-4, for messages under 56 bytes: one block.
fn sha256(message: &[u8]) -> [u8; 32] {
    // The first 32 bits of the fractions of roots of the first primes.
    let primes: Vec<f64> = (2..312_u32).filter(|n| (2..*n).all(|d| n % d != 0)).map(f64::from).collect();
    let fraction = |root: f64| (root.fract() * 2_f64.powi(32)) as u32;
    let start: [u32; 8] = std::array::from_fn(|i| fraction(primes[i].sqrt()));
    let mut w = [0_u32; 64];
    w[..16].copy_from_slice(&padded(message));
    for i in 16..64 {
        let (a, b) = (w[i - 15], w[i - 2]);
        let first = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
        let second = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
        w[i] = w[i - 16].wrapping_add(first).wrapping_add(w[i - 7]).wrapping_add(second);
    }
    let mut state = start;
    for (word, prime) in w.iter().zip(primes) {
        let [a, b, c, d, e, f, g, h] = state;
        let mixed = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let chosen = (e & f) ^ (!e & g);
        let first = [mixed, chosen, fraction(prime.cbrt()), *word].into_iter().fold(h, u32::wrapping_add);
        let mixed = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let second = mixed.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        state = [first.wrapping_add(second), a, b, c, d.wrapping_add(first), e, f, g];
    }
    let mut digest = [0; 32];
    for (i, (old, new)) in start.iter().zip(state).enumerate() {
        digest[i * 4..i * 4 + 4].copy_from_slice(&old.wrapping_add(new).to_be_bytes());
    }
    digest
}

/// The only block of a message under 56 bytes, in words.
fn padded(message: &[u8]) -> [u32; 16] {
    let mut block = [0_u8; 64];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] = 0x80;
    block[56..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    std::array::from_fn(|i| u32::from_be_bytes(std::array::from_fn(|b| block[i * 4 + b])))
}
