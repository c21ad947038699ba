//! A bare client: packets in and out, and the login. It decodes nothing that it need not.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;

pub const FOUND_ROWS: u32 = 1 << 1;
pub const MULTI_STATEMENTS: u32 = 1 << 16;
pub const DEPRECATE_EOF: u32 = 1 << 24;
/// LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, LOCAL_FILES, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION,
/// MULTI_RESULTS, PS_MULTI_RESULTS, PLUGIN_AUTH.
const ALWAYS: u32 = 0x1 | 0x4 | 0x8 | 0x80 | 0x200 | 0x2000 | 0x8000 | 1 << 17 | 1 << 18 | 1 << 19;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub seq: u8,
    pub body: Vec<u8>,
}

/// Where one side of the comparison is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub database: String,
}

pub struct Client {
    stream: BufReader<TcpStream>,
    endpoint: Endpoint,
    plugin: String,
    nonce: Vec<u8>,
    /// What both sides agreed on.
    pub capabilities: u32,
    seq: u8,
}

fn broken(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

fn until_zero(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.split(|b| *b == 0).next().unwrap_or_default()
}

impl Client {
    pub fn connect(endpoint: &Endpoint, wanted: u32) -> io::Result<Client> {
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut client = Client {
            stream: BufReader::new(stream),
            endpoint: endpoint.clone(),
            plugin: String::new(),
            nonce: Vec::new(),
            capabilities: 0,
            seq: 0,
        };
        let greeting = client.read()?.body;
        if greeting.first() == Some(&0xff) {
            return Err(broken(format!("refused: {}", String::from_utf8_lossy(&greeting))));
        }
        let at = 1 + until_zero(&greeting, 1).len() + 1;
        let fixed = greeting.get(at..at + 31).ok_or_else(|| broken("a short greeting"))?;
        let server = u32::from(fixed[13])
            | u32::from(fixed[14]) << 8
            | u32::from(fixed[18]) << 16
            | u32::from(fixed[19]) << 24;
        client.nonce = [&fixed[4..12], until_zero(&greeting, at + 31)].concat();
        client.plugin = String::from_utf8_lossy(until_zero(&greeting, at + 31 + 13)).into_owned();
        client.capabilities = (ALWAYS | wanted) & (server | 0x8);
        client.respond()?;
        Ok(client)
    }

    fn respond(&mut self) -> io::Result<()> {
        let mut body = self.capabilities.to_le_bytes().to_vec();
        body.extend((64_u32 << 20).to_le_bytes());
        body.push(45); // utf8mb4_general_ci
        body.extend([0; 23]);
        body.extend(self.identity()?);
        body.extend(self.plugin.bytes().chain([0]));
        self.write(&body)?;
        self.authenticate()
    }

    /// User, answer to the nonce, schema: the same bytes in a handshake response and in COM_CHANGE_USER.
    fn identity(&self) -> io::Result<Vec<u8>> {
        let answer = self.answer()?;
        let mut body: Vec<u8> = self.endpoint.user.bytes().chain([0]).collect();
        body.push(answer.len() as u8);
        body.extend(answer);
        body.extend(self.endpoint.database.bytes().chain([0]));
        Ok(body)
    }

    fn answer(&self) -> io::Result<Vec<u8>> {
        let password = self.endpoint.password.as_bytes();
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

    fn authenticate(&mut self) -> io::Result<()> {
        loop {
            let packet = self.read()?.body;
            match (packet.first(), packet.get(1)) {
                (Some(0), _) => return Ok(()),
                (Some(0xfe), _) => {
                    self.plugin = String::from_utf8_lossy(until_zero(&packet, 1)).into_owned();
                    self.nonce = until_zero(&packet, 2 + self.plugin.len()).to_vec();
                    let answer = self.answer()?;
                    self.write(&answer)?;
                }
                (Some(1), Some(3)) => {}
                (Some(1), Some(4)) => self.full_exchange()?,
                _ => return Err(broken(format!("login refused: {}", String::from_utf8_lossy(&packet)))),
            }
        }
    }

    fn full_exchange(&mut self) -> io::Result<()> {
        self.write(&[2])?;
        let key = self.read()?.body;
        let mut secret: Vec<u8> = self.endpoint.password.bytes().chain([0]).collect();
        for (byte, nonce) in secret.iter_mut().zip(self.nonce.iter().take(20).cycle()) {
            *byte ^= nonce;
        }
        let key = key.get(1..).unwrap_or_default();
        let sealed = mysql_common::crypto::encrypt(&secret, key).map_err(|e| broken(e.to_string()))?;
        self.write(&sealed)
    }

    /// COM_CHANGE_USER to the same account, with its whole exchange.
    pub fn change_user(&mut self) -> io::Result<()> {
        self.seq = 0;
        let mut body = vec![0x11];
        body.extend(self.identity()?);
        body.extend([45, 0]);
        body.extend(self.plugin.bytes().chain([0]));
        self.write(&body)?;
        self.authenticate()
    }

    /// Leaves, and waits until the other side has closed.
    pub fn quit(&mut self) -> io::Result<()> {
        self.command(&[1])?;
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        Ok(())
    }

    /// Begins a command; its answer is still to be read.
    pub fn command(&mut self, body: &[u8]) -> io::Result<()> {
        self.seq = 0;
        self.write(body)
    }

    pub fn write(&mut self, body: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(body.len() + 4);
        let mut rest = body;
        loop {
            let (part, after) = rest.split_at(rest.len().min(0xff_ffff));
            out.extend(&(part.len() as u32).to_le_bytes()[..3]);
            out.push(self.seq);
            self.seq = self.seq.wrapping_add(1);
            out.extend(part);
            if part.len() < 0xff_ffff {
                break;
            }
            rest = after;
        }
        self.stream.get_mut().write_all(&out)
    }

    /// One logical packet; `seq` is that of its last part.
    pub fn read(&mut self) -> io::Result<Packet> {
        let mut body = Vec::new();
        loop {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head)?;
            let len = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
            if head[3] != self.seq {
                return Err(broken(format!("sequence id {} where {} was due", head[3], self.seq)));
            }
            self.seq = self.seq.wrapping_add(1);
            let from = body.len();
            body.resize(from + len, 0);
            self.stream.read_exact(&mut body[from..])?;
            if len < 0xff_ffff {
                return Ok(Packet { seq: head[3], body });
            }
        }
    }

    /// Whether the other side has nothing more to say at once: what comes unasked is an error.
    pub fn quiet(&mut self) -> io::Result<bool> {
        if !self.stream.buffer().is_empty() {
            return Ok(false);
        }
        self.stream.get_ref().set_nonblocking(true)?;
        let mut byte = [0];
        let peeked = self.stream.get_ref().peek(&mut byte);
        self.stream.get_ref().set_nonblocking(false)?;
        Ok(matches!(peeked, Err(e) if e.kind() == io::ErrorKind::WouldBlock))
    }
}
