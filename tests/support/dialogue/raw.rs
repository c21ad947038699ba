//! A client that speaks packets by hand, to say what no driver would. Reads fail the test
//! after `PATIENCE`; the end of the connection is an answer like any other.

use super::PATIENCE;
use mysql_common::scramble::{scramble_native, scramble_sha256};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, MULTI_STATEMENTS,
/// MULTI_RESULTS, PLUGIN_AUTH.
const CAPABILITIES: u32 = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x1_0000 | 0x2_0000 | 0x8_0000;

/// What a client of MariaDB's lacks. Its own capabilities stand where another client has zeros.
const LONG_PASSWORD: u32 = 1;

/// A connection, logged in or not.
#[derive(Debug)]
pub struct Raw<S = TcpStream> {
    /// For what is less than a packet.
    pub stream: S,
}

/// What the server says first.
#[derive(Debug, Clone)]
pub struct Greeted {
    /// What KILL takes.
    pub id: u32,
    /// For the scramble.
    pub nonce: Vec<u8>,
    /// Which scramble.
    pub plugin: String,
}

impl Greeted {
    /// The payload of a greeting.
    pub fn read(payload: &[u8]) -> Self {
        let version_end = 1 + payload[1..].iter().position(|b| *b == 0).expect("a version");
        let rest = &payload[version_end + 1..];
        let id = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]);
        let mut nonce = rest[4..12].to_vec();
        // Filler, capabilities, collation, status, capabilities, length, 10 reserved bytes.
        nonce.extend_from_slice(&rest[31..43]);
        let plugin = rest[44..].split(|b| *b == 0).next().unwrap_or_default();
        Greeted { id, nonce, plugin: String::from_utf8_lossy(plugin).into_owned() }
    }
}

impl Raw {
    /// To 127.0.0.1.
    pub async fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Raw { stream })
    }

    /// Connected and logged in as `app`.
    pub async fn app(port: u16) -> Self {
        let mut raw = Raw::connect(port).await.expect("connect");
        raw.login("app", "app").await.expect("login");
        raw
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Sends one packet.
    pub async fn send(&mut self, seq: u8, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&framed(seq, payload)).await?;
        // What TLS has encrypted and the socket did not take yet would wait for the next packet.
        self.stream.flush().await
    }

    /// Reads one packet: its sequence id and payload.
    pub async fn read(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let work = async {
            let mut header = [0; 4];
            self.stream.read_exact(&mut header).await?;
            let len = u32::from_le_bytes([header[0], header[1], header[2], 0]);
            let mut payload = vec![0; len as usize];
            self.stream.read_exact(&mut payload).await?;
            Ok((header[3], payload))
        };
        timeout(PATIENCE, work).await.expect("the peer neither answers nor closes")
    }

    /// Reads to the end of the connection; what came.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // A reset is an end, too.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut all)).await.expect("the connection must end");
        all
    }

    /// The greeting, or what stands in its place.
    pub async fn greeting(&mut self) -> io::Result<Greeted> {
        let (_, payload) = self.read().await?;
        if payload.first() != Some(&10) {
            return Err(io::Error::other(format!("no greeting: {}", String::from_utf8_lossy(&payload))));
        }
        Ok(Greeted::read(&payload))
    }

    /// From the greeting to the OK packet, with schema `test`; the greeted connection id.
    pub async fn login(&mut self, user: &str, password: &str) -> io::Result<u32> {
        self.login_with(user, password, 0).await
    }

    /// The same with more capabilities.
    pub async fn login_with(&mut self, user: &str, password: &str, capabilities: u32) -> io::Result<u32> {
        Ok(self.login_ok(user, password, capabilities).await?.0)
    }

    /// The same; also the OK packet.
    pub async fn login_ok(
        &mut self,
        user: &str,
        password: &str,
        capabilities: u32,
    ) -> io::Result<(u32, Vec<u8>)> {
        let more = u64::from(capabilities & !CAPABILITIES);
        let (greeted, ok) = self.login_to(user, password, "test", more).await?;
        Ok((greeted.id, ok))
    }

    /// The same with another schema; also the whole greeting. The upper 32 capabilities are MariaDB's own.
    pub async fn login_to(
        &mut self,
        user: &str,
        password: &str,
        schema: &str,
        capabilities: u64,
    ) -> io::Result<(Greeted, Vec<u8>)> {
        let greeted = self.greeting().await?;
        self.send(1, &response_with(user, password, schema, &greeted, capabilities)).await?;
        loop {
            let (_, payload) = self.read().await?;
            match payload.first() {
                Some(0) => return Ok((greeted, payload)),
                // caching_sha2_password's fast path.
                Some(1) if payload == [1, 3] => {}
                _ => return Err(io::Error::other(String::from_utf8_lossy(&payload).into_owned())),
            }
        }
    }

    /// A command, and the first packet of its answer.
    pub async fn command(&mut self, byte: u8, arguments: &[u8]) -> io::Result<Vec<u8>> {
        let mut payload = vec![byte];
        payload.extend_from_slice(arguments);
        self.send(0, &payload).await?;
        Ok(self.read().await?.1)
    }

    /// COM_QUERY whose answer is one packet.
    pub async fn query(&mut self, sql: &str) -> io::Result<Vec<u8>> {
        self.command(3, sql.as_bytes()).await
    }
}

/// One packet with its header.
pub fn framed(seq: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a short payload").to_le_bytes();
    let mut packet = vec![len[0], len[1], len[2], seq];
    packet.extend_from_slice(payload);
    packet
}

/// A handshake response.
pub fn response(user: &str, password: &str, greeted: &Greeted) -> Vec<u8> {
    response_with(user, password, "test", greeted, 0)
}

/// The scramble of a password, by the nonce and the plugin of the greeting.
pub fn scramble(greeted: &Greeted, password: &str) -> Vec<u8> {
    match greeted.plugin.as_str() {
        "caching_sha2_password" => scramble_sha256(&greeted.nonce, password.as_bytes()).map(|s| s.to_vec()),
        _ => scramble_native(&greeted.nonce, password.as_bytes()).map(|s| s.to_vec()),
    }
    .unwrap_or_default()
}

/// A handshake response with another schema and other capabilities: with these, or without them if they are usual.
fn response_with(user: &str, password: &str, schema: &str, greeted: &Greeted, capabilities: u64) -> Vec<u8> {
    let scramble = scramble(greeted, password);
    let mut out = Vec::new();
    let [a, b, c, d, own @ ..] = capabilities.to_le_bytes();
    let usual = if own == [0; 4] { CAPABILITIES } else { CAPABILITIES & !LONG_PASSWORD };
    out.extend_from_slice(&(usual ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes());
    out.extend_from_slice(&(1u32 << 24).to_le_bytes());
    out.push(45);
    out.extend_from_slice(&[0; 19]);
    out.extend_from_slice(&own);
    out.extend_from_slice(user.as_bytes());
    out.push(0);
    out.push(u8::try_from(scramble.len()).expect("a short scramble"));
    out.extend_from_slice(&scramble);
    out.extend_from_slice(schema.as_bytes());
    out.push(0);
    out.extend_from_slice(greeted.plugin.as_bytes());
    out.push(0);
    out
}

/// The code of an ERR packet's payload; 0 for any other packet.
pub fn error_code(payload: &[u8]) -> u16 {
    match payload {
        [0xff, low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}
