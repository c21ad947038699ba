//! A port that stands for a server's, and changes what the server says to accounts other than the monitor's: what a
//! replica says that somebody has taken over. The connections must not be encrypted.

#![allow(clippy::disallowed_types, reason = "the test and the relay's tasks share what is to be told")]

use super::chance::Chance;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What becomes of the answers.
#[derive(Debug, Clone)]
pub enum Lie {
    /// They pass unchanged.
    None,
    /// The status flags of every packet that ends an answer are changed by these bits, and it has these session state
    /// changes.
    Report(u16, Vec<u8>),
    /// One answer of so many has a random change.
    Random(usize),
}

#[derive(Debug)]
struct Lies {
    lie: Lie,
    chance: Chance,
    told: usize,
    /// The last changes, for people: the command, and the answer before and after.
    history: VecDeque<String>,
}

/// How many changes are remembered.
const REMEMBERED: usize = 200;

/// A connection on which something false was said ends when it is idle for so long.
const HANGS: Duration = Duration::from_millis(50);

/// See the module. It ends with its owner.
#[derive(Debug)]
pub struct Liar {
    port: u16,
    lies: Arc<Mutex<Lies>>,
    accepting: JoinHandle<()>,
}

impl Liar {
    /// Stands for the server on this port of 127.0.0.1.
    pub async fn of(server: u16, seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("cannot listen");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let lies = Arc::new(Mutex::new(Lies {
            lie: Lie::None,
            chance: Chance::new(seed),
            told: 0,
            history: VecDeque::new(),
        }));
        let shared = lies.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(stand_between(client, server, shared.clone()));
            }
        });
        Liar { port, lies, accepting }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Also for what is connected.
    pub fn tells(&self, lie: Lie) {
        self.lies.lock().expect("no panic").lie = lie;
    }

    /// The last changes of answers to commands with this part, or about no table of its kind, for people.
    pub fn told_of(&self, part: &str, most: usize) -> String {
        let kind = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let lies = self.lies.lock().expect("no panic");
        let of = lies.history.iter().rev().filter(|one| one.contains(part) || !one.contains(kind));
        of.take(most).cloned().collect::<Vec<_>>().join("\n\nand before that\n")
    }

    /// How many answers were changed.
    pub fn told(&self) -> usize {
        self.lies.lock().expect("no panic").told
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn stand_between(client: TcpStream, server: u16, lies: Arc<Mutex<Lies>>) -> io::Result<()> {
    let server = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], server))).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut client_read, mut client_write), (mut server_read, mut server_write)) =
        (client.into_split(), server.into_split());
    let commands = Arc::new(Mutex::new(Commands::default()));
    let asked = commands.clone();
    let up = async move {
        loop {
            let packet = packet(&mut client_read).await?;
            asked.lock().expect("no panic").said(&packet);
            server_write.write_all(&packet).await?;
        }
    };
    let down = async move { answers(&mut server_read, &mut client_write, &commands, &lies).await };
    tokio::select! {
        result = up => result,
        result = down => result,
    }
}

/// One packet with its header.
async fn packet(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    from.read_exact(&mut header).await?;
    let len = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
    let mut packet = vec![0; 4 + len];
    packet[..4].copy_from_slice(&header);
    from.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

/// What the client asked, and the server did not answer yet.
#[derive(Debug, Default)]
struct Commands {
    honest: bool,
    greeted: bool,
    waiting: VecDeque<(u8, String)>,
}

impl Commands {
    fn said(&mut self, packet: &[u8]) {
        let has = |name: &[u8]| packet.windows(name.len()).any(|part| part == name);
        if !self.greeted {
            self.greeted = true;
            self.honest = has(b"monitor\0");
        } else if let [_, _, _, 0, command, ..] = packet
            && !matches!(command, 0x01 | 0x18 | 0x19)
        {
            self.waiting.push_back((*command, packet[5..].escape_ascii().to_string()));
        }
    }
}

async fn answers(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    commands: &Mutex<Commands>,
    lies: &Mutex<Lies>,
) -> io::Result<()> {
    let mut lied = false;
    loop {
        let first = match lied {
            // The proxy may wait for what is left out, as for a server that hangs.
            true => timeout(HANGS, packet(from)).await.map_err(io::Error::other)??,
            false => packet(from).await?,
        };
        let asked = {
            let mut commands = commands.lock().expect("no panic");
            if commands.honest { None } else { commands.waiting.pop_front() }
        };
        let Some((command, text)) = asked else {
            to.write_all(&first).await?;
            continue;
        };
        let mut whole = vec![first];
        read_answer(from, command, &mut whole).await?;
        let (bytes, torn) = {
            let mut lies = lies.lock().expect("no panic");
            let told = lies.told;
            let changed = lies.changed(whole, &text);
            lied |= lies.told > told;
            changed
        };
        to.write_all(&bytes).await?;
        if torn {
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
    }
}

/// Reads the rest of one answer, as servers send it with CLIENT_DEPRECATE_EOF.
async fn read_answer(from: &mut OwnedReadHalf, command: u8, whole: &mut Vec<Vec<u8>>) -> io::Result<()> {
    loop {
        let first = whole.last().expect("a packet").clone();
        let payload = &first[4..];
        let more = match payload[0] {
            0xff => false,
            0 if command == 0x16 && payload.len() >= 12 => {
                let definitions = [5, 7].map(|at| u16::from_le_bytes([payload[at], payload[at + 1]]));
                for _ in 0..definitions.iter().sum() {
                    whole.push(packet(from).await?);
                }
                false
            }
            0 => has_more(payload, 1),
            columns => {
                for _ in 0..columns {
                    whole.push(packet(from).await?);
                }
                loop {
                    let row = packet(from).await?;
                    let first = row.get(4).copied();
                    whole.push(row);
                    match first {
                        Some(0xfe) => break has_more(&whole[whole.len() - 1][4..], 1),
                        Some(0xff) => break false,
                        _ => {}
                    }
                }
            }
        };
        if !more {
            return Ok(());
        }
        whole.push(packet(from).await?);
    }
}

/// The number at this place, and where the next field begins.
fn lenenc(payload: &[u8], at: usize) -> usize {
    at + match payload.get(at) {
        Some(0xfc) => 3,
        Some(0xfd) => 4,
        Some(0xfe) => 9,
        _ => 1,
    }
}

/// Where the status flags are in an OK packet.
pub fn status_at(payload: &[u8], at: usize) -> Option<usize> {
    let place = lenenc(payload, lenenc(payload, at));
    (payload.len() >= place + 4).then_some(place)
}

fn has_more(payload: &[u8], at: usize) -> bool {
    status_at(payload, at).is_some_and(|place| payload[place] & 8 != 0)
}

fn is_ok(packet: &[u8]) -> bool {
    matches!(packet.get(4), Some(0 | 0xfe)) && status_at(&packet[4..], 1).is_some()
}

/// An OK packet's payload with other status bits, and these session state changes.
fn with_report(payload: &[u8], bits: u16, state: &[u8]) -> Vec<u8> {
    let place = status_at(payload, 1).expect("an OK packet");
    let status = u16::from_le_bytes([payload[place], payload[place + 1]]) ^ bits;
    let mut out = payload[..place].to_vec();
    if state.is_empty() {
        out.extend_from_slice(&status.to_le_bytes());
        out.extend_from_slice(&payload[place + 2..]);
        return out;
    }
    out.extend_from_slice(&(status | 0x4000).to_le_bytes());
    out.extend_from_slice(&payload[place + 2..place + 4]);
    out.push(0);
    out.push(u8::try_from(state.len()).expect("a short state"));
    out.extend_from_slice(state);
    out
}

/// A tracker's report of a variable.
pub fn variable(name: &str, value: &str) -> Vec<u8> {
    let mut out = vec![0, u8::try_from(name.len() + value.len() + 2).expect("a short name")];
    for text in [name, value] {
        out.push(u8::try_from(text.len()).expect("a short text"));
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// A tracker's report of the default schema.
pub fn schema(name: &str) -> Vec<u8> {
    let len = u8::try_from(name.len()).expect("a short name");
    [&[1, len + 1, len], name.as_bytes()].concat()
}

fn reseal(packet: &mut Vec<u8>, payload: &[u8]) {
    let seq = packet[3];
    *packet = u32::try_from(payload.len()).expect("a short payload").to_le_bytes().to_vec();
    packet[3] = seq;
    packet.extend_from_slice(payload);
}

impl Lies {
    fn changed(&mut self, mut answer: Vec<Vec<u8>>, asked: &str) -> (Vec<u8>, bool) {
        let mut torn = false;
        match self.lie.clone() {
            Lie::None => {}
            Lie::Report(bits, state) => {
                let last = answer.last_mut().expect("a packet");
                if is_ok(last) {
                    self.told += 1;
                    let payload = with_report(&last[4..], bits, &state);
                    reseal(last, &payload);
                }
            }
            Lie::Random(one_of) if self.chance.below(one_of) == 0 => {
                self.told += 1;
                let before: Vec<u8> = answer.concat();
                torn = self.spoil(&mut answer);
                self.history.push_back(format!(
                    "{asked}\n{}\nbecame {}",
                    before.escape_ascii(),
                    answer.concat().escape_ascii()
                ));
                if self.history.len() > REMEMBERED {
                    self.history.pop_front();
                }
            }
            Lie::Random(_) => {}
        }
        let mut bytes = answer.concat();
        if torn {
            bytes.truncate(self.chance.below(bytes.len()));
        }
        (bytes, torn)
    }

    /// Changes an answer at random. Returns true if it is torn, and so its connection ends.
    fn spoil(&mut self, answer: &mut Vec<Vec<u8>>) -> bool {
        const BITS: [u16; 10] = [1, 2, 8, 0x40, 0x80, 0x100, 0x200, 0x2000, 0x4000, 0x8000];
        const NAMES: [&str; 15] = [
            "sort_buffer_size=262144,@pwned=(select 1),sort_buffer_size",
            "sort_buffer_size",
            "sql_mode",
            "autocommit",
            "character_set_client",
            "character_set_connection",
            "character_set_results",
            "collation_connection",
            "last_insert_id",
            "insert_id",
            "last_gtid",
            "tx_read_only",
            "lc_time_names",
            "foreign_key_checks",
            "",
        ];
        const VALUES: [&str; 10] =
            ["1", "OFF", "ON", "gbk", "NO_BACKSLASH_ESCAPES", "',@pwned='", "DEFAULT", "9-9-99", "\\", ""];
        let chance = &mut self.chance;
        let at = chance.below(answer.len());
        let last = answer.len() - 1;
        match chance.below(18) {
            0..=3 if is_ok(&answer[last]) => {
                let payload = with_report(&answer[last][4..], BITS[chance.below(BITS.len())], &[]);
                reseal(&mut answer[last], &payload);
            }
            4..=8 if is_ok(&answer[last]) => {
                let state = match chance.below(8) {
                    0 => schema(["test", "other", "mysql", ""][chance.below(4)]),
                    1 => vec![2, 1, b'1'],
                    2 => b"\x03\x07\x00\x05a:1-9".to_vec(),
                    3 => vec![u8::try_from(chance.below(256)).expect("a byte"), 1, 0],
                    _ => variable(NAMES[chance.below(NAMES.len())], VALUES[chance.below(VALUES.len())]),
                };
                let payload = with_report(&answer[last][4..], 0, &state);
                reseal(&mut answer[last], &payload);
            }
            9 if is_ok(&answer[last]) => {
                let place = 5 + chance.below(2);
                answer[last][place] = u8::try_from(chance.below(251)).expect("a byte");
            }
            10 | 11 => {
                let packet = &mut answer[at];
                if packet.len() > 4 {
                    let place = 4 + chance.below(packet.len() - 4);
                    packet[place] = u8::try_from(chance.below(256)).expect("a byte");
                }
            }
            12 => {
                let again = answer[at].clone();
                answer.insert(at, again);
            }
            13 if answer.len() > 1 => drop(answer.remove(at)),
            14 => {
                const CODES: [u16; 10] = [1064, 1205, 1213, 1290, 1792, 1836, 1053, 1243, 1305, 1615];
                let code = CODES[chance.below(CODES.len())].to_le_bytes();
                let payload = [&[0xff], &code[..], b"#HY000no"].concat();
                answer.truncate(at + 1);
                reseal(&mut answer[at], &payload);
            }
            15 => answer[at][3] = u8::try_from(chance.below(256)).expect("a byte"),
            16 => answer.push(vec![7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]),
            _ => return true,
        }
        false
    }
}
