//! A bare client on a tokio socket: packets, the login, COM_CHANGE_USER. It can also end in the middle of a packet.

use std::io;

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const FOUND_ROWS: u32 = 1 << 1;
pub const LOCAL_FILES: u32 = 1 << 7;
pub const MULTI_STATEMENTS: u32 = 1 << 16;
pub const SESSION_TRACK: u32 = 1 << 23;
pub const DEPRECATE_EOF: u32 = 1 << 24;
/// LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, MULTI_RESULTS, PS_MULTI_RESULTS, PLUGIN_AUTH.
const ALWAYS: u32 = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 1 << 17 | 1 << 18 | 1 << 19;

/// Where and as whom a session logs in.
#[derive(Clone, Debug)]
pub struct Login {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub schema: String,
    pub capabilities: u32,
}

pub struct Conn {
    stream: TcpStream,
    /// Bytes that came and were not yet read as packets: from `at` on.
    input: Vec<u8>,
    at: usize,
    seq: u8,
    plugin: String,
    nonce: Vec<u8>,
    login: Login,
    /// What both sides agreed on.
    pub capabilities: u32,
    /// The connection id of the greeting.
    pub id: u32,
    /// What the other side gets that asks for a local file.
    pub file: Vec<u8>,
    /// The packet read last.
    pub body: Vec<u8>,
}

pub fn broken(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

fn until_zero(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.split(|b| *b == 0).next().unwrap_or_default()
}

/// A command as one or more packets; sequence ids from 0.
pub fn frame(body: &[u8], first_seq: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 4);
    let (mut rest, mut seq) = (body, first_seq);
    loop {
        let (part, after) = rest.split_at(rest.len().min(0xff_ffff));
        out.extend(&(part.len() as u32).to_le_bytes()[..3]);
        out.push(seq);
        seq = seq.wrapping_add(1);
        out.extend(part);
        if part.len() < 0xff_ffff {
            return out;
        }
        rest = after;
    }
}

impl Conn {
    pub async fn connect(login: &Login) -> io::Result<Conn> {
        let mut conn = Conn::greeted(login).await?;
        conn.log_in().await?;
        Ok(conn)
    }

    /// Answers the greeting.
    pub async fn log_in(&mut self) -> io::Result<()> {
        let response = self.response()?;
        self.write(&response).await?;
        self.authenticate().await
    }

    /// Connects and reads the greeting, no more.
    pub async fn greeted(login: &Login) -> io::Result<Conn> {
        Conn::greeted_on(TcpStream::connect((login.host.as_str(), login.port)).await?, login).await
    }

    /// The same over a socket that is connected.
    pub async fn greeted_on(stream: TcpStream, login: &Login) -> io::Result<Conn> {
        stream.set_nodelay(true)?;
        let mut conn = Conn {
            stream,
            input: Vec::with_capacity(4096),
            at: 0,
            seq: 0,
            plugin: String::new(),
            nonce: Vec::new(),
            login: login.clone(),
            capabilities: 0,
            id: 0,
            file: Vec::new(),
            body: Vec::new(),
        };
        conn.read().await?;
        conn.greeting()?;
        Ok(conn)
    }

    fn greeting(&mut self) -> io::Result<()> {
        let body = &self.body;
        if body.first() == Some(&0xff) {
            return Err(broken(format!("refused: {}", String::from_utf8_lossy(body))));
        }
        let at = 1 + until_zero(body, 1).len() + 1;
        let fixed = body.get(at..at + 31).ok_or_else(|| broken("a short greeting"))?;
        let server = u32::from(fixed[13])
            | u32::from(fixed[14]) << 8
            | u32::from(fixed[18]) << 16
            | u32::from(fixed[19]) << 24;
        self.id = u32::from_le_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]);
        self.nonce = [&fixed[4..12], until_zero(body, at + 31)].concat();
        self.plugin = String::from_utf8_lossy(until_zero(body, at + 31 + 13)).into_owned();
        self.capabilities = (ALWAYS | self.login.capabilities) & (server | 0x8);
        Ok(())
    }

    /// The handshake response.
    pub fn response(&self) -> io::Result<Vec<u8>> {
        let mut body = self.capabilities.to_le_bytes().to_vec();
        body.extend((64_u32 << 20).to_le_bytes());
        body.push(45); // utf8mb4_general_ci
        body.extend([0; 23]);
        body.extend(self.identity()?);
        body.extend(self.plugin.bytes().chain([0]));
        Ok(body)
    }

    /// User, answer to the nonce, schema: the same bytes in a handshake response and in COM_CHANGE_USER.
    fn identity(&self) -> io::Result<Vec<u8>> {
        let answer = self.answer()?;
        let mut body: Vec<u8> = self.login.user.bytes().chain([0]).collect();
        body.push(answer.len() as u8);
        body.extend(answer);
        body.extend(self.login.schema.bytes().chain([0]));
        Ok(body)
    }

    fn answer(&self) -> io::Result<Vec<u8>> {
        let password = self.login.password.as_bytes();
        let nonce: [u8; 20] =
            self.nonce.get(..20).and_then(|n| n.try_into().ok()).ok_or_else(|| broken("a short nonce"))?;
        match self.plugin.as_str() {
            "mysql_native_password" => {
                Ok(scramble_native(&nonce, password).map(Vec::from).unwrap_or_default())
            }
            "caching_sha2_password" => {
                Ok(scramble_sha256(&nonce, password).map(Vec::from).unwrap_or_default())
            }
            other => Err(broken(format!("unknown plugin {other}"))),
        }
    }

    async fn authenticate(&mut self) -> io::Result<()> {
        loop {
            self.read().await?;
            match (self.body.first(), self.body.get(1)) {
                (Some(0), _) => return Ok(()),
                (Some(0xfe), _) => {
                    self.plugin = String::from_utf8_lossy(until_zero(&self.body, 1)).into_owned();
                    self.nonce = until_zero(&self.body, 2 + self.plugin.len()).to_vec();
                    let answer = self.answer()?;
                    self.write(&answer).await?;
                }
                (Some(1), Some(3)) => {}
                (Some(1), Some(4)) => self.full_exchange().await?,
                _ => return Err(broken(format!("login refused: {}", self.body.escape_ascii()))),
            }
        }
    }

    async fn full_exchange(&mut self) -> io::Result<()> {
        self.write(&[2]).await?;
        self.read().await?;
        let mut secret: Vec<u8> = self.login.password.bytes().chain([0]).collect();
        for (byte, nonce) in secret.iter_mut().zip(self.nonce.iter().take(20).cycle()) {
            *byte ^= nonce;
        }
        let key = self.body.get(1..).unwrap_or_default();
        let sealed = mysql_common::crypto::encrypt(&secret, key).map_err(|e| broken(e.to_string()))?;
        self.write(&sealed).await
    }

    /// COM_CHANGE_USER with its whole exchange.
    pub async fn change_user(&mut self, login: &Login) -> io::Result<()> {
        self.login = login.clone();
        self.seq = 0;
        let mut body = vec![0x11];
        body.extend(self.identity()?);
        body.extend([45, 0]);
        body.extend(self.plugin.bytes().chain([0]));
        self.write(&body).await?;
        self.authenticate().await
    }

    /// Begins a command; its answer is still to be read.
    pub async fn command(&mut self, body: &[u8]) -> io::Result<()> {
        self.seq = 0;
        self.write(body).await
    }

    /// One logical packet, with the next sequence id.
    pub async fn write(&mut self, body: &[u8]) -> io::Result<()> {
        let out = frame(body, self.seq);
        self.seq = self.seq.wrapping_add((body.len() / 0xff_ffff + 1) as u8);
        self.stream.write_all(&out).await
    }

    /// Bytes as they are, whole packets or not.
    pub async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The answer that comes next is that of a command of its own (several were written at once).
    pub fn next_command(&mut self) {
        self.seq = 1;
    }

    /// Reads one logical packet into `body`.
    pub async fn read(&mut self) -> io::Result<()> {
        self.body.clear();
        loop {
            let head = self.bytes(4).await?;
            let len = u32::from_le_bytes([self.input[head], self.input[head + 1], self.input[head + 2], 0]);
            let (len, seq) = (len as usize, self.input[head + 3]);
            if seq != self.seq {
                return Err(broken(format!("sequence id {seq} where {} was due", self.seq)));
            }
            self.seq = self.seq.wrapping_add(1);
            let from = self.bytes(len).await?;
            self.body.extend_from_slice(&self.input[from..from + len]);
            if len < 0xff_ffff {
                return Ok(());
            }
        }
    }

    /// The sequence id of the packet read last.
    pub fn last_seq(&self) -> u8 {
        self.seq.wrapping_sub(1)
    }

    /// Makes the next `count` bytes be there, takes them, says where they are in `input`.
    async fn bytes(&mut self, count: usize) -> io::Result<usize> {
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        }
        while self.input.len() - self.at < count {
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"));
            }
        }
        let from = self.at;
        self.at += count;
        Ok(from)
    }

    /// Whether the other side has said nothing unasked.
    pub fn quiet(&self) -> bool {
        self.at == self.input.len()
    }

    /// The connection ends with a reset instead of an orderly close.
    pub fn reset_on_close(&self) {
        let _ = self.stream.set_zero_linger();
    }
}
