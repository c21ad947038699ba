//! A client that reads what comes, and never gives up because of what it reads.

use crate::dialogue::raw::Raw;
use crate::support::liar::status_at;
use std::time::Duration;

/// A client that reads packets by hand, and takes any answer.
pub struct Talker(Raw, pub Vec<String>);

/// An answer, as far as it came.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// An OK packet, or rows that ended: the values of the first column.
    Done(Vec<Vec<u8>>),
    /// An ERR packet: its code.
    Refused(u16),
    /// The connection ended.
    Ended,
    /// Nothing came for a long time.
    Silence,
}

impl Talker {
    pub async fn to(port: u16) -> Self {
        Talker(Raw::app(port).await, Vec::new())
    }

    pub async fn says(&mut self, text: &str) -> Answer {
        self.sends(3, text.as_bytes()).await
    }

    pub async fn sends(&mut self, command: u8, arguments: &[u8]) -> Answer {
        self.1.push(arguments.escape_ascii().to_string());
        let payload = [&[command], arguments].concat();
        if self.0.send(0, &payload).await.is_err() {
            return Answer::Ended;
        }
        let answer = async { if command == 0x16 { self.prepared().await } else { self.answer().await } };
        match tokio::time::timeout(Duration::from_secs(10), answer).await {
            Ok(answer) => answer.unwrap_or(Answer::Ended),
            Err(_) => Answer::Silence,
        }
    }

    /// Ends the transaction, as often as it takes. False if the connection ended.
    pub async fn ends(&mut self, how: &str) -> bool {
        loop {
            match self.says(how).await {
                Answer::Done(_) => return true,
                Answer::Refused(_) => {}
                Answer::Ended | Answer::Silence => return false,
            }
        }
    }

    fn notes(&mut self, error: &[u8]) {
        self.1.push(format!("got {}", error.escape_ascii()));
    }

    async fn prepared(&mut self) -> std::io::Result<Answer> {
        let (_, head) = self.0.read().await?;
        match head[..] {
            [0xff, low, high, ..] => return Ok(Answer::Refused(u16::from_le_bytes([low, high]))),
            [0, _, _, _, _, columns, _, params, ..] => {
                for count in [params, columns] {
                    // The definitions, and the EOF packet behind them.
                    for _ in 0..count + u8::from(count > 0) {
                        if error_in(&self.0.read().await?.1).is_some() {
                            // A lie in place of a definition: this client does not know where the answer ends.
                            return Ok(Answer::Ended);
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(Answer::Done(Vec::new()))
    }

    async fn answer(&mut self) -> std::io::Result<Answer> {
        let mut rows = Vec::new();
        loop {
            let (_, head) = self.0.read().await?;
            let more = match head.first() {
                Some(0) => status_at(&head, 1).is_some_and(|place| head[place] & 8 != 0),
                _ => {
                    if let Some(code) = error_in(&head) {
                        self.notes(&head);
                        return Ok(Answer::Refused(code));
                    }
                    let is_eof = |packet: &[u8]| packet.first() == Some(&0xfe) && packet.len() < 9;
                    loop {
                        let (_, definition) = self.0.read().await?;
                        if error_in(&definition).is_some() {
                            return Ok(Answer::Ended);
                        }
                        if is_eof(&definition) {
                            break;
                        }
                    }
                    loop {
                        let (_, row) = self.0.read().await?;
                        if is_eof(&row) {
                            break row.get(3).is_some_and(|status| status & 8 != 0);
                        }
                        if let Some(code) = error_in(&row) {
                            self.notes(&row);
                            return Ok(Answer::Refused(code));
                        }
                        rows.push(row);
                    }
                }
            };
            if !more {
                return Ok(Answer::Done(rows));
            }
        }
    }
}

/// The code of an ERR packet. A row or a definition with a false first byte is none.
fn error_in(packet: &[u8]) -> Option<u16> {
    match packet {
        [0xff, low, high, b'#', ..] => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    }
}
