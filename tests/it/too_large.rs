//! Requests over `max_allowed_packet`: whatever the size, the limit and the command, a client of the proxy gets the answer
//! that it gets from the server itself, with the same sequence id, and keeps its connection or loses it likewise.

use std::io::Read as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::dialogue::raw::{Raw, error_code, framed};
use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Proxy, connect, proxy_config};

/// The longest payload of a packet.
const MAX: usize = 0xff_ffff;

const MIB: usize = 1 << 20;

/// `max_allowed_packet` in MiB, and the lengths of requests. (A server refuses a request of exactly its limit, too.)
const CASES: [(usize, &[usize]); 4] = [
    (1, &[MIB - 1, MIB, MIB + 1, MAX - 1, MAX, MAX + 1, 33 * MIB]),
    (16, &[MAX - 1, MAX, MAX + 1, 2 * MAX - 1, 2 * MAX, 33 * MIB]),
    (17, &[MAX + 1, 17 * MIB - 1, 17 * MIB, 2 * MAX]),
    (64, &[2 * MAX, 3 * MAX - 1, 3 * MAX, 3 * MAX + 1, 64 * MIB - 1, 64 * MIB]),
];

/// CLIENT_LOCAL_FILES and CLIENT_COMPRESS.
const LOCAL_FILES: u32 = 0x80;
const COMPRESS: u32 = 0x20;

/// How the many bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Text,
    Execute,
    LongData,
    LocalFile,
}

/// What the client sees: the sequence id and the payload of the answer's first packet up to its text's end, or None for the
/// end of the connection; and whether the next statement is answered.
type Seen = (Option<(u8, Vec<u8>)>, bool);

/// A command as packets, the first of which has this sequence id.
fn packets(mut seq: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 64);
    let mut rest = payload;
    loop {
        let (part, behind) = rest.split_at(rest.len().min(MAX));
        out.extend_from_slice(&framed(seq, part));
        (seq, rest) = (seq.wrapping_add(1), behind);
        if part.len() < MAX {
            return out;
        }
    }
}

/// A connection that may be compressed, and may end at any moment.
struct Peer {
    raw: Raw,
    compresses: bool,
    /// Decompressed bytes.
    have: Vec<u8>,
}

impl Peer {
    async fn new(port: u16, capabilities: u32) -> Self {
        let mut raw = Raw::connect(port).await.unwrap();
        raw.login_with("app", "app", capabilities).await.unwrap();
        Peer { raw, compresses: capabilities & COMPRESS != 0, have: Vec::new() }
    }

    /// Writes as far as the peer reads.
    async fn send(&mut self, bytes: &[u8]) {
        if !self.compresses {
            let _ = self.raw.stream.write_all(bytes).await;
            return;
        }
        for (seq, part) in bytes.chunks(MIB).enumerate() {
            let mut packet = framed(u8::try_from(seq % 256).unwrap(), part);
            // The payload is not compressed.
            packet.splice(4..4, [0; 3]);
            if self.raw.stream.write_all(&packet).await.is_err() {
                return;
            }
        }
    }

    async fn exactly(&mut self, n: usize) -> Option<Vec<u8>> {
        while self.have.len() < n {
            if !self.compresses {
                let mut some = vec![0; n - self.have.len()];
                self.raw.stream.read_exact(&mut some).await.ok()?;
                self.have.extend_from_slice(&some);
                continue;
            }
            let mut header = [0; 7];
            self.raw.stream.read_exact(&mut header).await.ok()?;
            let number = |at: usize| {
                usize::from(header[at]) | usize::from(header[at + 1]) << 8 | usize::from(header[at + 2]) << 16
            };
            let mut payload = vec![0; number(0)];
            self.raw.stream.read_exact(&mut payload).await.ok()?;
            if number(4) == 0 {
                self.have.extend_from_slice(&payload);
            } else {
                flate2::read::ZlibDecoder::new(&payload[..]).read_to_end(&mut self.have).ok()?;
            }
        }
        let rest = self.have.split_off(n);
        Some(std::mem::replace(&mut self.have, rest))
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let reading = async {
            let header = self.exactly(4).await?;
            let len = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
            Some((header[3], self.exactly(len).await?))
        };
        tokio::time::timeout(crate::dialogue::PATIENCE, reading).await.expect("neither an answer nor an end")
    }
}

/// Sends a request of this length, and returns what comes back.
async fn play(port: u16, how: How, length: usize, compressed: bool) -> Seen {
    let mut capabilities = if how == How::LocalFile { LOCAL_FILES } else { 0 };
    capabilities |= if compressed { COMPRESS } else { 0 };
    let mut peer = Peer::new(port, capabilities).await;
    let fill = |head: &[u8], tail: &[u8]| {
        let mut payload = head.to_vec();
        payload.resize(length - tail.len(), b'x');
        payload.extend_from_slice(tail);
        payload
    };
    let mut statement = [0; 4];
    if matches!(how, How::Execute | How::LongData) {
        peer.send(&framed(0, b"\x16INSERT INTO large VALUES (LENGTH(?))")).await;
        let (_, prepared) = peer.read().await.unwrap();
        statement.copy_from_slice(&prepared[1..5]);
        // The parameter, and the EOF packet behind it.
        peer.read().await.unwrap();
        peer.read().await.unwrap();
    }
    // One iteration, no NULL, one string.
    let execute = [b"\x17", &statement[..], b"\0\x01\0\0\0\0\x01\xfe\0"].concat();
    let answer = match how {
        How::Text => {
            let text = fill(b"\x03INSERT INTO large VALUES (LENGTH('", b"'))");
            peer.send(&packets(0, &text)).await;
            peer.read().await
        }
        How::Execute => {
            let value = (length - execute.len() - 9) as u64;
            let head = [&execute[..], b"\xfe", &value.to_le_bytes()].concat();
            peer.send(&packets(0, &fill(&head, b""))).await;
            peer.read().await
        }
        How::LongData => {
            peer.send(&packets(0, &fill(&[b"\x18", &statement[..], b"\0\0"].concat(), b""))).await;
            peer.send(&framed(0, &execute)).await;
            peer.read().await
        }
        How::LocalFile => {
            let load = b"\x03LOAD DATA LOCAL INFILE 'f' INTO TABLE large (@a) SET a = LENGTH(@a)";
            peer.send(&framed(0, load)).await;
            assert_eq!(peer.read().await.unwrap().1[0], 0xfb);
            let file = packets(2, &fill(b"", b""));
            let end = u8::try_from(length / MAX + 3).unwrap();
            peer.send(&[file, framed(end, b"")].concat()).await;
            peer.read().await
        }
    };
    peer.send(&framed(0, b"\x03DO 1")).await;
    let goes_on = peer.read().await.is_some();
    (answer, goes_on)
}

/// An answer without what differs between two statements that succeed.
fn words((answer, goes_on): Seen) -> (Option<(u8, u16, String)>, bool) {
    let words = |payload: &[u8]| match error_code(payload) {
        0 => String::new(),
        _ => String::from_utf8_lossy(&payload[3..]).into_owned(),
    };
    (answer.map(|(seq, payload)| (seq, error_code(&payload), words(&payload))), goes_on)
}

async fn answers_are_the_servers(cluster: &Cluster) {
    cluster.primary().sql("CREATE TABLE test.large (a BIGINT)").await;
    cluster.primary().sql("SET GLOBAL local_infile = 1").await;
    let port = cluster.primary().port();
    // MySQL remembers the password behind the first login.
    drop(connect(port, "app", "app", "test").await.unwrap());
    let mut wrong = Vec::new();
    for (limit, lengths) in CASES {
        cluster.primary().sql(&format!("SET GLOBAL max_allowed_packet = {}", limit * MIB)).await;
        let config = proxy_config(cluster).replace("mode = \"", "compression = \"zlib\"\nmode = \"");
        let proxy = Proxy::start(&patient(&config)).await;
        readers_are(&proxy, 1).await;
        for how in [How::Text, How::Execute, How::LongData, How::LocalFile] {
            for length in lengths {
                let direct = words(play(port, how, *length, false).await);
                let seen = words(play(proxy.rw, how, *length, false).await);
                if seen != direct {
                    wrong.push(format!("{how:?} {length} of {limit} MiB: {seen:?} instead of {direct:?}"));
                }
            }
        }
        // Compressed, the numbers of packets are those of the compressed ones, and servers count what they buffer, too.
        for (how, length) in [(How::Text, limit * MIB / 2), (How::Text, 65 * MIB), (How::LongData, 65 * MIB)]
        {
            let but_seq = |(answer, on): (Option<(u8, u16, String)>, bool)| (answer.map(|a| (a.1, a.2)), on);
            let direct = but_seq(words(play(port, how, length, true).await));
            let seen = but_seq(words(play(proxy.rw, how, length, true).await));
            if seen != direct {
                wrong.push(format!(
                    "{how:?} {length} of {limit} MiB, compressed: {seen:?} instead of {direct:?}"
                ));
            }
        }
        for words in ["broke the protocol", "may or may not", "is lost"] {
            if proxy.log().contains(words) {
                wrong.push(format!("{limit} MiB: the log says {words:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn mariadb_answers_as_directly() {
    answers_are_the_servers(&Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_answers_as_directly() {
    let Some(cluster) = Cluster::mysql(1).await else { return };
    answers_are_the_servers(&cluster).await;
}
