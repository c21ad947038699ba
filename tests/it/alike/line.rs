//! Packets of a connection that is logged in, compressed or not.

use crate::dialogue::raw::{Raw, framed};
use flate2::read::ZlibDecoder;
use std::io::{self, Read};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any wait of the proxy or of a server.
const SILENCE: Duration = Duration::from_secs(15);
const COMPRESSED_HEADER: usize = 7;

#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    compress: bool,
    /// The sequence id of the next compressed packet.
    compressed_sequence: u8,
    /// Bytes of the socket that are no whole compressed packet yet.
    wire: Vec<u8>,
    /// Bytes that are no whole packet yet.
    plain: Vec<u8>,
}

fn length(header: &[u8]) -> usize {
    u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize
}

impl Line {
    pub fn new(raw: Raw, compress: bool) -> Self {
        Line { stream: raw.stream, compress, compressed_sequence: 0, wire: Vec::new(), plain: Vec::new() }
    }

    /// Sends one packet.
    pub async fn send(&mut self, sequence: u8, payload: &[u8]) -> io::Result<()> {
        let mut packet = framed(sequence, payload);
        if self.compress {
            if sequence == 0 {
                self.compressed_sequence = 0;
            }
            // A compressed packet whose payload is not compressed.
            packet = framed(self.compressed_sequence, &packet);
            packet.splice(4..4, [0; 3]);
            self.compressed_sequence = self.compressed_sequence.wrapping_add(1);
        }
        self.stream.write_all(&packet).await
    }

    /// Reads one packet: its sequence id and payload.
    pub async fn read(&mut self) -> io::Result<(u8, Vec<u8>)> {
        loop {
            if self.plain.len() >= 4 && self.plain.len() >= 4 + length(&self.plain) {
                let rest = self.plain.split_off(4 + length(&self.plain));
                let packet = std::mem::replace(&mut self.plain, rest);
                return Ok((packet[3], packet[4..].to_vec()));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let into = if self.compress { &mut self.wire } else { &mut self.plain };
        if timeout(SILENCE, self.stream.read_buf(into)).await?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while self.compress && self.wire.len() >= COMPRESSED_HEADER {
            let end = COMPRESSED_HEADER + length(&self.wire);
            if self.wire.len() < end {
                break;
            }
            let rest = self.wire.split_off(end);
            let packet = std::mem::replace(&mut self.wire, rest);
            self.compressed_sequence = packet[3].wrapping_add(1);
            let payload = &packet[COMPRESSED_HEADER..];
            if length(&packet[4..]) == 0 {
                self.plain.extend_from_slice(payload);
            } else {
                ZlibDecoder::new(payload).read_to_end(&mut self.plain)?;
            }
        }
        Ok(())
    }
}
