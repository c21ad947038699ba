//! One connection that speaks the commands of prepared statements by hand.

use crate::dialogue::raw::{Greeted, Raw, error_code, framed, response};
use mysql_common::scramble::{scramble_native, scramble_sha256};
use tokio::io::AsyncWriteExt as _;

/// MariaDB's id of the statement that was prepared last.
pub const LAST_PREPARED: u32 = u32::MAX;

/// MARIADB_CLIENT_STMT_BULK_OPERATIONS, among MariaDB's extended capabilities.
const BULK_OPERATIONS: u8 = 1 << 2;

/// A statement that was prepared on both connections of a session.
#[derive(Debug)]
pub struct Statement {
    /// Its id on the direct connection, and on that of the proxy.
    pub ids: [u32; 2],
    pub params: u16,
}

/// A command. `id`: a statement by its place in the list; None is the one that was prepared last.
#[derive(Debug, Clone)]
pub enum Op {
    Prepare {
        text: &'static str,
        params: u16,
    },
    Execute {
        id: Option<usize>,
        params: u16,
    },
    Bulk {
        id: Option<usize>,
    },
    Close {
        id: Option<usize>,
    },
    ResetStatement {
        id: Option<usize>,
    },
    /// Long data for the parameter, and an execute that has no other value.
    LongData {
        id: Option<usize>,
    },
    Reset,
    ChangeUser,
    Ping,
    Query(&'static str),
}

impl Op {
    /// To read the answer to any prepare.
    pub fn prepare() -> Self {
        Op::Prepare { text: "", params: 0 }
    }
}

/// An answer as far as it must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Ok { affected: u8, status: u16 },
    Error { code: u16, text: String },
    Rows { rows: Vec<Vec<u8>>, status: u16 },
    Prepared { id: u32, params: u16 },
    Nothing,
}

impl Answer {
    /// Without the statement's id.
    pub fn comparable(&self) -> Answer {
        match self {
            Answer::Prepared { params, .. } => Answer::Prepared { id: 0, params: *params },
            other => other.clone(),
        }
    }
}

#[derive(Debug)]
pub struct Peer {
    raw: Raw,
    greeted: Greeted,
    schema: &'static str,
}

impl Peer {
    /// Logs in as `app`, and uses a schema.
    pub async fn login(port: u16, schema: &'static str) -> Self {
        let mut raw = Raw::connect(port).await.expect("connect");
        let greeted = raw.greeting().await.expect("a greeting");
        let mut login = response("app", "app", &greeted);
        // Without CLIENT_MYSQL the last reserved bytes are MariaDB's extended capabilities.
        login[0] &= !1;
        login[28] = BULK_OPERATIONS;
        raw.send(1, &login).await.expect("a login");
        while raw.read().await.expect("the OK packet").1 == [1, 3] {}
        let mut peer = Peer { raw, greeted, schema };
        peer.raw.command(2, schema.as_bytes()).await.expect("a schema");
        peer
    }

    /// Sends commands in one write.
    pub async fn send(&mut self, ops: &[Op], statements: &[Statement], side: usize) {
        let mut bytes = Vec::new();
        for op in ops {
            if let Op::LongData { id } = op {
                bytes.extend(framed(
                    0,
                    &[&[0x18], id_of(*id, statements, side).as_slice(), &[0, 0], b"3"].concat(),
                ));
            }
            bytes.extend(framed(0, &self.payload(op, statements, side)));
        }
        self.raw.stream.write_all(&bytes).await.expect("a write");
    }

    fn payload(&self, op: &Op, statements: &[Statement], side: usize) -> Vec<u8> {
        let id = |id: &Option<usize>| id_of(*id, statements, side);
        match op {
            Op::Prepare { text, .. } => [&[0x16], text.as_bytes()].concat(),
            Op::Execute { id: at, params } => {
                let mut packet = [&[0x17], id(at).as_slice(), &[0, 1, 0, 0, 0]].concat();
                if *params > 0 {
                    // No NULL, types follow: LONG, 5.
                    packet.extend([0, 1, 3, 0, 5, 0, 0, 0]);
                }
                packet
            }
            // The types follow (128): LONG; two rows: 5 and 6.
            Op::Bulk { id: at } => {
                [&[0xfa], id(at).as_slice(), &[128, 0, 3, 0], &[0, 5, 0, 0, 0], &[0, 6, 0, 0, 0]].concat()
            }
            Op::Close { id: at } => [&[0x19], id(at).as_slice()].concat(),
            Op::ResetStatement { id: at } => [&[0x1a], id(at).as_slice()].concat(),
            Op::LongData { id: at } => [&[0x17], id(at).as_slice(), &[0, 1, 0, 0, 0, 0, 1, 0xfd, 0]].concat(),
            Op::Reset => vec![0x1f],
            Op::ChangeUser => {
                let scramble = scramble(&self.greeted.plugin, &self.greeted.nonce);
                let length = u8::try_from(scramble.len()).expect("a short scramble");
                let mut packet = [b"\x11app\0".as_slice(), &[length], &scramble].concat();
                packet.extend([self.schema.as_bytes(), b"\0\x2d\0"].concat());
                packet.extend([self.greeted.plugin.as_bytes(), b"\0"].concat());
                packet
            }
            Op::Ping => vec![0x0e],
            Op::Query(text) => [&[3], text.as_bytes()].concat(),
        }
    }

    /// Reads the answer to a command.
    pub async fn answer(&mut self, op: &Op, statements: &[Statement], side: usize) -> Answer {
        match op {
            Op::Close { .. } => return Answer::Nothing,
            Op::ChangeUser => return self.changed().await,
            _ => {}
        }
        let first = self.packet().await;
        match (op, first.first()) {
            (_, Some(0xff)) => {
                let mut text = String::from_utf8_lossy(&first[9..]).into_owned();
                for (at, statement) in statements.iter().enumerate() {
                    let shown = format!("({})", statement.ids[side]);
                    text = text.replace(&shown, &format!("(#{at})"));
                }
                // The function of the server's source differs with the version.
                let text = text.split(" given to ").next().unwrap_or_default().to_owned();
                Answer::Error { code: error_code(&first), text }
            }
            (Op::Prepare { .. }, Some(0)) => {
                let number = |at: usize| u16::from_le_bytes([first[at], first[at + 1]]);
                let id = u32::from_le_bytes([first[1], first[2], first[3], first[4]]);
                for definitions in [number(7), number(5)] {
                    for _ in 0..definitions + u16::from(definitions > 0) {
                        self.packet().await;
                    }
                }
                Answer::Prepared { id, params: number(7) }
            }
            (_, Some(0)) => ok(&first),
            _ => self.rows().await,
        }
    }

    async fn rows(&mut self) -> Answer {
        let (mut in_rows, mut rows) = (false, Vec::new());
        loop {
            let packet = self.packet().await;
            match packet.first() {
                Some(0xfe) if packet.len() < 9 && in_rows => {
                    return Answer::Rows { rows, status: status(&packet[3..]) };
                }
                Some(0xfe) if packet.len() < 9 => in_rows = true,
                Some(0xff) => {
                    let text = String::from_utf8_lossy(&packet[9..]).into_owned();
                    return Answer::Error { code: error_code(&packet), text };
                }
                _ if in_rows => rows.push(packet),
                _ => {}
            }
        }
    }

    /// Reads the answer to COM_CHANGE_USER, which may ask for another scramble.
    async fn changed(&mut self) -> Answer {
        loop {
            let (seq, packet) = self.raw.read().await.expect("an answer");
            match packet.first() {
                Some(0xfe) => {
                    let mut parts = packet[1..].splitn(2, |byte| *byte == 0);
                    let plugin = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
                    let nonce = parts.next().unwrap_or_default();
                    let nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce);
                    self.raw.send(seq + 1, &scramble(&plugin, nonce)).await.expect("a scramble");
                }
                Some(1) => {}
                Some(0) => return ok(&packet),
                _ => return Answer::Error { code: error_code(&packet), text: String::new() },
            }
        }
    }

    async fn packet(&mut self) -> Vec<u8> {
        self.raw.read().await.expect("a packet").1
    }
}

fn id_of(id: Option<usize>, statements: &[Statement], side: usize) -> [u8; 4] {
    id.map_or(LAST_PREPARED, |at| statements[at].ids[side]).to_le_bytes()
}

fn scramble(plugin: &str, nonce: &[u8]) -> Vec<u8> {
    let scramble = match plugin {
        "caching_sha2_password" => scramble_sha256(nonce, b"app").map(|s| s.to_vec()),
        _ => scramble_native(nonce, b"app").map(|s| s.to_vec()),
    };
    scramble.unwrap_or_default()
}

fn ok(packet: &[u8]) -> Answer {
    let id = match packet[2] {
        0xfc => 3,
        0xfd => 4,
        _ => 1,
    };
    Answer::Ok { affected: packet[1], status: status(&packet[2 + id..]) }
}

/// The flags that a client acts on: in a transaction, autocommit, a cursor, NO_BACKSLASH_ESCAPES, ANSI_QUOTES.
fn status(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]]) & (0x1 | 0x2 | 0x40 | 0x80 | 0x200 | 0x8000)
}
