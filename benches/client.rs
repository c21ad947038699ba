//! The wire protocol as the benchmark's clients need it: native password, one packet at a time, the standard
//! library only, so that it is not what is measured.

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
        // LOCAL_FILES, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH, LONG_PASSWORD
        let mut flags: u32 = 0x1 | 0x80 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
        if !schema.is_empty() {
            flags |= 0x8; // CONNECT_WITH_DB
        }
        let mut response = flags.to_le_bytes().to_vec();
        response.extend((1_u32 << 24).to_le_bytes());
        response.push(45);
        response.extend([0; 23]);
        response.extend(USER.bytes().chain([0, 20]));
        response.extend(scramble(&salt));
        if !schema.is_empty() {
            response.extend(schema.bytes().chain([0]));
        }
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
