//! One end of a connection that a test holds: says bytes, hears packets.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::timeout;

use crate::net::memory::MemoryStream;
use crate::net::{Buf, Stream};
use crate::wire::PacketHeader;

/// How long a peer waits before the test fails; longer than any wait of the proxy.
pub const PATIENCE: Duration = Duration::from_secs(300);

pub struct Peer {
    stream: MemoryStream,
    heard: Vec<u8>,
    ended: bool,
}

impl Peer {
    pub fn new(stream: MemoryStream) -> Self {
        Peer { stream, heard: Vec::new(), ended: false }
    }

    /// Writes these bytes at once.
    pub fn say(&mut self, bytes: &[u8]) {
        let mut buf = Buf::default();
        buf.extend_from_slice(bytes);
        let writing = pin!(self.stream.write_all(buf));
        match writing.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready((result, _)) => result.expect("the proxy listens"),
            Poll::Pending => panic!("memory takes all at once"),
        }
    }

    /// Reads once. False at the end.
    async fn more(&mut self) -> bool {
        let mut buf = Buf::with_room(1 << 16);
        let result = self.stream.read(&mut buf).await;
        self.heard.extend_from_slice(buf.filled());
        self.ended |= result.unwrap_or(0) == 0;
        !self.ended
    }

    /// The next `n` bytes.
    pub async fn hear(&mut self, n: usize) -> Vec<u8> {
        while self.heard.len() < n {
            let more = timeout(PATIENCE, self.more()).await;
            let so_far = String::from_utf8_lossy(&self.heard[..self.heard.len().min(200)]).into_owned();
            match more {
                Ok(true) => {}
                Ok(false) => panic!("the proxy closed; heard {so_far:?} of {n} bytes"),
                Err(_) => panic!("the proxy says nothing; heard {so_far:?} of {n} bytes"),
            }
        }
        self.heard.drain(..n).collect()
    }

    /// The next packet: sequence id and payload.
    pub async fn packet(&mut self) -> (u8, Vec<u8>) {
        let header = PacketHeader::parse(&self.hear(PacketHeader::LEN).await).unwrap();
        (header.seq, self.hear(header.len).await)
    }

    /// The next packet within this time; None at the end, and if nothing comes.
    pub async fn next_within(&mut self, limit: Duration) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(header) = PacketHeader::parse(&self.heard)
                && self.heard.len() >= header.total()
            {
                return Some((
                    header.seq,
                    self.heard.drain(..header.total()).skip(PacketHeader::LEN).collect(),
                ));
            }
            if !matches!(timeout(limit, self.more()).await, Ok(true)) {
                return None;
            }
        }
    }

    /// The payload of the next packet, which stays.
    pub async fn next_payload(&mut self) -> Vec<u8> {
        let head = self.hear(PacketHeader::LEN).await;
        let payload = self.hear(PacketHeader::parse(&head).unwrap().len).await;
        self.heard.splice(0..0, head.into_iter().chain(payload.iter().copied()));
        payload
    }

    /// Exactly these bytes come next.
    pub async fn expect_bytes(&mut self, bytes: &[u8]) {
        let heard = self.hear(bytes.len()).await;
        if heard != bytes {
            let at = heard.iter().zip(bytes).position(|(a, b)| a != b).unwrap_or_default();
            let show = |b: &[u8]| b[at.saturating_sub(20)..(at + 80).min(b.len())].escape_ascii().to_string();
            panic!("from byte {at} on (20 before)\n heard    {}\n expected {}", show(&heard), show(bytes));
        }
    }

    /// Nothing more comes for a while, and nothing is left over.
    pub async fn expect_silence(&mut self) {
        let more = timeout(Duration::from_millis(10), self.more()).await;
        let heard = self.heard.escape_ascii().to_string();
        assert!(self.heard.is_empty() && more.is_err(), "expected silence: {more:?}, {heard}");
    }

    /// The proxy closes, and says nothing more before.
    pub async fn expect_end(&mut self) {
        while timeout(PATIENCE, self.more()).await.expect("the proxy closes") {}
        assert!(self.heard.is_empty(), "before the end: {}", self.heard.escape_ascii());
    }

    /// How many bytes come until the proxy closes.
    pub async fn hear_to_end(&mut self) -> usize {
        while timeout(PATIENCE, self.more()).await.expect("the proxy closes") {}
        self.heard.len()
    }

    /// Ends here.
    pub fn close(&mut self) {
        self.stream.shut();
    }

    /// It does not read, and what the proxy says to it waits; or it reads again.
    pub fn set_full(&self, full: bool) {
        self.stream.set_full(full);
    }

    /// Of what the proxy says to it, so many bytes are taken, and the rest waits.
    pub fn set_room(&self, room: Option<usize>) {
        self.stream.set_room(room);
    }

    /// The proxy closed already.
    pub fn has_ended(&mut self) -> bool {
        self.stream.has_ended()
    }
}
