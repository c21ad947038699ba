//! A client that sends any bytes as a statement, with any collation in its handshake response.

use crate::dialogue::raw::{Raw, error_code, response};
use crate::support::connect;
use std::io;
use std::time::Duration;
use tokio::io::BufStream;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A statement that has no answer after this time is left alone; the servers end it themselves.
const LIMIT: Duration = Duration::from_secs(20);
/// SERVER_MORE_RESULTS_EXISTS
const MORE: u16 = 8;

/// What a statement got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// OK packets or rows.
    Done,
    /// An ERR packet, perhaps after other results.
    Error(u16, String),
    /// The connection ended, or the answer did not come.
    Gone,
}

/// A connection that is logged in.
#[derive(Debug)]
pub struct Bytes(Raw<BufStream<TcpStream>>);

impl Bytes {
    /// Logs in with schema `test`. Without a collation the session has the server's default for utf8mb4.
    pub async fn login(port: u16, user: &str, collation: Option<u8>) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let mut raw = Raw { stream: BufStream::new(stream) };
        let greeted = raw.greeting().await?;
        let mut login = response(user, user, &greeted);
        login[8] = collation.unwrap_or(45);
        raw.send(1, &login).await?;
        loop {
            let (_, payload) = raw.read().await?;
            match payload.first() {
                Some(0) => return Ok(Bytes(raw)),
                Some(1) if payload == [1, 3] => {}
                _ => return Err(io::Error::other(String::from_utf8_lossy(&payload).into_owned())),
            }
        }
    }

    /// Logs in at a server. MySQL wants to have seen the password before it takes a scramble of it.
    pub async fn directly(port: u16, user: &str, collation: Option<u8>) -> io::Result<Self> {
        let known = connect(port, user, user, "test").await;
        let session = Self::login(port, user, collation).await;
        drop(known);
        session
    }

    /// COM_QUERY, and all its results.
    pub async fn text(&mut self, sql: &[u8]) -> Answer {
        self.answer(async |raw| {
            send(raw, 3, sql).await?;
            results(raw).await
        })
        .await
    }

    /// COM_STMT_PREPARE, COM_STMT_EXECUTE with NULL for all parameters, and COM_STMT_CLOSE.
    pub async fn prepared(&mut self, sql: &[u8]) -> Answer {
        self.answer(async |raw| {
            send(raw, 0x16, sql).await?;
            let (_, head) = raw.read().await?;
            let [0, a, b, c, d, columns_low, columns_high, low, high, ..] = head[..] else {
                return Ok(error_of(&head));
            };
            let columns = u16::from_le_bytes([columns_low, columns_high]);
            let parameters = u16::from_le_bytes([low, high]);
            for count in [parameters, columns].into_iter().filter(|count| *count > 0) {
                for _ in 0..=count {
                    raw.read().await?;
                }
            }
            let id = [a, b, c, d];
            let mut execute = [&id[..], &[0, 1, 0, 0, 0]].concat();
            if parameters > 0 {
                execute.extend(vec![0xff; usize::from(parameters).div_ceil(8)]);
                execute.push(1);
                execute.extend([6, 0].repeat(usize::from(parameters)));
            }
            send(raw, 0x17, &execute).await?;
            let answer = results(raw).await?;
            send(raw, 0x19, &id).await?;
            Ok(answer)
        })
        .await
    }

    async fn answer(
        &mut self,
        ask: impl AsyncFnOnce(&mut Raw<BufStream<TcpStream>>) -> io::Result<Answer>,
    ) -> Answer {
        timeout(LIMIT, ask(&mut self.0)).await.ok().and_then(Result::ok).unwrap_or(Answer::Gone)
    }
}

async fn send(raw: &mut Raw<BufStream<TcpStream>>, command: u8, arguments: &[u8]) -> io::Result<()> {
    raw.send(0, &[&[command], arguments].concat()).await
}

fn error_of(payload: &[u8]) -> Answer {
    let text = payload.get(9..).unwrap_or_default();
    Answer::Error(error_code(payload), String::from_utf8_lossy(text).into_owned())
}

async fn results(raw: &mut Raw<BufStream<TcpStream>>) -> io::Result<Answer> {
    loop {
        let (_, head) = raw.read().await?;
        let status = match head.first() {
            Some(0xff) => return Ok(error_of(&head)),
            Some(0) => status_of_ok(&head),
            // No file for LOCAL INFILE.
            Some(0xfb) => {
                raw.send(2, &[]).await?;
                continue;
            }
            _ => match rows(raw).await? {
                Ok(status) => status,
                Err(error) => return Ok(error),
            },
        };
        if status & MORE == 0 {
            return Ok(Answer::Done);
        }
    }
}

/// Reads definitions and rows, up to the second EOF packet. Returns its status flags.
async fn rows(raw: &mut Raw<BufStream<TcpStream>>) -> io::Result<Result<u16, Answer>> {
    let mut ends = 0;
    loop {
        let (_, packet) = raw.read().await?;
        match packet[..] {
            [0xff, ..] => return Ok(Err(error_of(&packet))),
            [0xfe, _, _, low, high] => {
                ends += 1;
                let status = u16::from_le_bytes([low, high]);
                // SERVER_STATUS_CURSOR_EXISTS is never asked for.
                if ends == 2 {
                    return Ok(Ok(status));
                }
            }
            _ => {}
        }
    }
}

/// Behind the header and two length-encoded integers.
fn status_of_ok(payload: &[u8]) -> u16 {
    let mut at = 1;
    for _ in 0..2 {
        at += match payload.get(at) {
            Some(0xfc) => 3,
            Some(0xfd) => 4,
            Some(0xfe) => 9,
            _ => 1,
        };
    }
    match payload.get(at..at + 2) {
        Some([low, high]) => u16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}
