//! A server: listens, logs the proxy in, then expects commands and replies.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};

use super::peer::{PATIENCE, Peer};
use super::{Style, frames, ok, one};
use crate::auth::Plugin;
use crate::net::memory::MemoryListener;
use crate::wire::{Capabilities, Greeting, HandshakeResponse, StatusFlags};

/// In front of what a session set itself, for collation 45, on a connection that may write.
pub const SET: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci,session_track_schema=1,\
                       session_track_state_change=1,session_track_system_variables='*',\
                       session_track_gtids=OWN_GTID";

/// What a statement behind one that changed the trackers has in front of it.
pub const SET_TRACKERS: &str = "SET session_track_schema=1,session_track_state_change=1,\
                                session_track_system_variables='*',session_track_gtids=OWN_GTID";

/// The same on a connection that only reads.
pub const SET_READ_ONLY: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci,session_track_schema=1,\
                                 session_track_state_change=1,session_track_system_variables='*',\
                                 transaction_read_only=1";

/// The password of the account by which the proxy asks its own questions.
pub const MONITORS: &str = "m";

const NONCE: [u8; 20] = *b"nonce-of-the-server!";

static KEY: LazyLock<PrivateDecryptingKey> =
    LazyLock::new(|| PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap());

/// How the server wants to be convinced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// By the plugin of its greeting.
    Plugin(Plugin),
    /// By another plugin than it greets with.
    Switch(Plugin),
    /// By the password itself under its RSA key.
    Full,
}

pub struct Server {
    pub listener: MemoryListener,
    pub capabilities: Capabilities,
    pub checks: Checks,
    pub password: &'static str,
    threads: Cell<u32>,
}

impl Server {
    pub fn new(listener: MemoryListener, capabilities: Capabilities) -> Self {
        let checks = Checks::Plugin(Plugin::NativePassword);
        Server { listener, capabilities, checks, password: "secret", threads: Cell::new(100) }
    }

    /// A connection that says nothing yet.
    pub async fn accept_raw(&self) -> Peer {
        let waiting = async {
            loop {
                if let Some(stream) = self.listener.try_accept() {
                    return Peer::new(stream);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the proxy connects")
    }

    /// The next connection, however late it comes.
    pub async fn accept_forever(&self) -> Peer {
        loop {
            if let Some(stream) = self.listener.try_accept() {
                return Peer::new(stream);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Nobody knocks.
    pub async fn expect_nobody(&self) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(self.listener.try_accept().is_none(), "the proxy connected");
    }

    /// A connection, logged in.
    pub async fn accept(&self) -> Db {
        self.let_in(self.accept_raw().await).await
    }

    /// One that said nothing yet is logged in.
    pub async fn let_in(&self, mut peer: Peer) -> Db {
        let thread_id = self.threads.get() + 1;
        self.threads.set(thread_id);
        let greeted = match self.checks {
            Checks::Plugin(plugin) => plugin,
            Checks::Switch(Plugin::NativePassword) | Checks::Full => Plugin::CachingSha2,
            Checks::Switch(Plugin::CachingSha2) => Plugin::NativePassword,
        };
        peer.say(&frames(0, &[self.greeting_of(thread_id, greeted)]));
        let (seq, payload) = peer.packet().await;
        assert_eq!(seq, 1);
        let response = HandshakeResponse::parse(&payload).expect("a handshake response");
        let user = String::from_utf8_lossy(response.user).into_owned();
        let (capabilities, attributes) = (response.capabilities, response.attributes.to_vec());
        assert_eq!(response.schema, None, "the schema comes later");
        let password = if user == "monitor" { MONITORS } else { self.password };
        self.check(&mut peer, greeted, response.auth_response, password).await;
        Db { peer, thread_id, user, capabilities, attributes, prepared: false }
    }

    /// A greeting that no login follows.
    pub fn greeting(&self) -> Vec<u8> {
        self.greeting_of(1, Plugin::NativePassword)
    }

    fn greeting_of(&self, connection_id: u32, plugin: Plugin) -> Vec<u8> {
        let mut greeting = Vec::new();
        Greeting {
            version: b"8.4.2".to_vec(),
            connection_id,
            nonce: NONCE,
            capabilities: self.capabilities,
            collation: 45,
            status: StatusFlags::AUTOCOMMIT,
            auth_plugin: plugin.name().as_bytes().to_vec(),
        }
        .encode(&mut greeting);
        greeting
    }

    async fn check(&self, peer: &mut Peer, greeted: Plugin, answer: &[u8], password: &str) {
        let right = greeted.scramble(password.as_bytes(), &NONCE);
        assert_eq!(answer, right, "the answer to the greeting's nonce");
        let seq = match self.checks {
            Checks::Plugin(Plugin::NativePassword) => 2,
            Checks::Plugin(Plugin::CachingSha2) => {
                peer.say(&frames(2, &[vec![1, 3]]));
                3
            }
            Checks::Switch(plugin) => {
                let nonce = *b"another nonce, of 20";
                let name = plugin.name().as_bytes();
                peer.say(&frames(2, &[[&[0xfe], name, &[0], &nonce[..], &[0]].concat()]));
                let right = plugin.scramble(password.as_bytes(), &nonce);
                peer.expect_bytes(&frames(3, &[right])).await;
                4
            }
            Checks::Full => self.check_fully(peer).await,
        };
        peer.say(&frames(seq, &[ok()]));
    }

    /// The password under the server's key. Returns the OK packet's sequence id.
    async fn check_fully(&self, peer: &mut Peer) -> u8 {
        peer.say(&frames(2, &[vec![1, 4]]));
        peer.expect_bytes(&frames(3, &[vec![2]])).await;
        let der: PublicKeyX509Der = KEY.public_key().as_der().unwrap();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64(der.as_ref()));
        peer.say(&frames(4, &[[&[1], pem.as_bytes()].concat()]));
        let (seq, cipher) = peer.packet().await;
        assert_eq!(seq, 5);
        let key = OaepPrivateDecryptingKey::new(KEY.clone()).unwrap();
        let mut plain = vec![0; 256];
        let plain = key.decrypt(&OAEP_SHA1_MGF1SHA1, &cipher, &mut plain, None).unwrap();
        let masked = [self.password.as_bytes(), &[0]].concat();
        let expected: Vec<u8> = masked.iter().zip(NONCE.iter().cycle()).map(|(a, b)| a ^ b).collect();
        assert_eq!(plain, expected, "the password under the key");
        6
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// A connection of the proxy, logged in.
pub struct Db {
    pub peer: Peer,
    pub thread_id: u32,
    pub user: String,
    /// Agreed with the proxy.
    pub capabilities: Capabilities,
    /// The connection attributes, encoded.
    pub attributes: Vec<u8>,
    /// True if the proxy has prepared its question here.
    pub prepared: bool,
}

impl Db {
    pub fn style(&self) -> Style {
        Style {
            deprecate_eof: self.capabilities.contains(Capabilities::DEPRECATE_EOF),
            session_track: self.capabilities.contains(Capabilities::SESSION_TRACK),
        }
    }

    /// If the connection was reset for the next session when its session ended, the reset is answered.
    pub async fn pass_reset(&mut self) {
        if self.peer.next_payload().await != [0x1f] {
            return;
        }
        self.expect_left().await;
    }

    /// Nothing more comes for a while, except the reset for the next session.
    pub async fn expect_silence(&mut self) {
        let _ = tokio::time::timeout(Duration::from_millis(10), self.pass_reset()).await;
        self.peer.expect_silence().await;
    }

    /// A session left its connection: the connection is reset, and gets what a session begins with.
    pub async fn expect_left(&mut self) {
        self.expect_reset().await;
        self.expect_role().await;
        self.expect_any_set().await;
    }

    async fn expect_any_set(&mut self) {
        let set = self.peer.packet().await.1;
        assert!(set.windows(10).any(|part| part == b"SET NAMES "), "{}", set.escape_ascii());
        self.reply_ok();
    }

    /// This command comes next, perhaps behind a reset for the next session.
    pub async fn expect(&mut self, payload: impl AsRef<[u8]>) {
        if payload.as_ref() != [0x1f] {
            self.pass_reset().await;
            self.expect_role().await;
        }
        self.peer.expect_bytes(&frames(0, &[payload.as_ref().to_vec()])).await;
    }

    pub async fn expect_query(&mut self, sql: &str) {
        self.expect(super::query(sql)).await;
    }

    /// These packets, the first with sequence id 1.
    pub fn reply(&mut self, payloads: &[Vec<u8>]) {
        self.peer.say(&frames(1, payloads));
    }

    pub fn reply_ok(&mut self) {
        self.reply(&[ok()]);
    }

    /// If the active role is asked for, as after a login, the question is answered.
    pub async fn expect_role(&mut self) {
        if self.peer.next_payload().await.ends_with(b"SELECT CURRENT_ROLE() LIMIT 1") {
            self.peer.packet().await;
            let none = [super::row(&["NONE"])];
            let packets = super::result_set(self.style(), &["CURRENT_ROLE()"], &none, super::AUTOCOMMIT);
            self.reply(&packets);
        }
    }

    /// The SET of a new session comes, with this behind it, and is answered.
    pub async fn expect_set(&mut self, more: &str) {
        self.expect_query(&format!("{SET}{more}")).await;
        self.reply_ok();
    }

    /// The same on a connection that only reads.
    pub async fn expect_read_only_set(&mut self, more: &str) {
        self.expect_query(&format!("{SET_READ_ONLY}{more}")).await;
        self.reply_ok();
    }

    /// COM_INIT_DB comes and is answered.
    pub async fn expect_init_db(&mut self, schema: &str) {
        self.expect(super::command(2, schema)).await;
        self.reply_ok();
    }

    /// The proxy asks whether it is alive.
    pub async fn expect_ping(&mut self) {
        self.peer.expect_bytes(&frames(0, &[vec![0x0e]])).await;
    }

    /// A session left something on it: the connection is reset for the next.
    pub async fn expect_reset(&mut self) {
        self.peer.expect_bytes(&frames(0, &[vec![0x1f]])).await;
        self.reply_ok();
        // The schema that the connection has is selected again, in the same write.
        let next = tokio::time::timeout(Duration::from_millis(1), self.peer.next_payload()).await;
        if next.is_ok_and(|payload| payload.starts_with(&[2])) {
            self.peer.packet().await;
            self.reply_ok();
        }
    }

    /// This query comes next and is answered by one row.
    pub async fn answer_one(&mut self, sql: &str) {
        self.expect_query(sql).await;
        self.reply(&one());
    }

    /// This query comes next and is answered by OK.
    pub async fn answer_ok(&mut self, sql: &str) {
        self.expect_query(sql).await;
        self.reply_ok();
    }

    /// What a server does that dies.
    pub fn die(self) {}
}
