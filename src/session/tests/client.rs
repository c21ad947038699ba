//! A client: logs in as drivers do, then says and hears what the test wants.

use super::peer::Peer;
use super::server::{Db, Server};
use super::{frames, one, query};
use crate::auth::{Channel, ClientExchange, ClientStep, Known, Nonce, Plugin};
use crate::terms::Port;
use crate::wire::{AuthSwitchRequest, Capabilities, Greeting, OkPacket, Writer};

/// As whom, and with what.
#[derive(Debug, Clone)]
pub struct Login {
    pub user: &'static str,
    pub password: &'static str,
    pub schema: Option<&'static str>,
    pub collation: u8,
    /// As the client names it; not sent without PLUGIN_AUTH.
    pub plugin: &'static str,
    pub capabilities: Capabilities,
    /// Encoded; not sent without CONNECT_ATTRS.
    pub attributes: &'static [u8],
    pub port: Port,
    /// Said in the same breath as the handshake response.
    pub behind: Vec<u8>,
    /// The handshake response's sequence id.
    pub seq: u8,
}

impl Default for Login {
    fn default() -> Self {
        let capabilities = Capabilities::ALWAYS
            | Capabilities::LONG_PASSWORD
            | Capabilities::MULTI_STATEMENTS
            | Capabilities::MULTI_RESULTS
            | Capabilities::PS_MULTI_RESULTS
            | Capabilities::LOCAL_FILES;
        Login {
            user: "app",
            password: "secret",
            schema: None,
            collation: 45,
            plugin: "mysql_native_password",
            capabilities,
            attributes: b"\x04_pid\x0242",
            port: Port::Primary,
            behind: Vec::new(),
            seq: 1,
        }
    }
}

/// An ERR packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: u16,
    pub sqlstate: String,
    pub text: String,
}

impl Refused {
    fn read(payload: &[u8]) -> Self {
        assert_eq!((payload[0], payload[3]), (0xff, b'#'), "an ERR packet: {}", payload.escape_ascii());
        Refused {
            code: u16::from_le_bytes([payload[1], payload[2]]),
            sqlstate: String::from_utf8_lossy(&payload[4..9]).into_owned(),
            text: String::from_utf8_lossy(&payload[9..]).into_owned(),
        }
    }
}

pub struct Client {
    pub peer: Peer,
    pub greeting: Greeting,
    /// Agreed with the proxy.
    pub capabilities: Capabilities,
    /// The plugin that the proxy asked to switch to.
    pub switched: Option<String>,
    /// `fast_auth_success` came.
    pub fast: bool,
    /// The proxy asked for the password itself, and got it.
    pub sent_password: bool,
}

impl Client {
    /// From the greeting to OK or ERR.
    pub async fn log_in(mut peer: Peer, login: &Login) -> Result<Client, Refused> {
        let (seq, payload) = peer.packet().await;
        assert_eq!(seq, 0);
        let greeting = Greeting::parse(&payload).expect("a greeting");
        let mut capabilities = login.capabilities & greeting.capabilities;
        if login.schema.is_some() {
            capabilities |= Capabilities::CONNECT_WITH_DB;
        }
        let response = response(login, capabilities, &greeting.nonce);
        peer.say(&[frames(login.seq, &[response]), login.behind.clone()].concat());
        let mut client =
            Client { peer, greeting, capabilities, switched: None, fast: false, sent_password: false };
        client.finish_login(2, login.password).await.map(|()| client)
    }

    /// Auth switches and OK, from this sequence id on.
    async fn finish_login(&mut self, mut seq: u8, password: &str) -> Result<(), Refused> {
        loop {
            let (got, payload) = self.peer.packet().await;
            assert_eq!(got, seq, "the sequence id of {}", payload.escape_ascii());
            match payload[0] {
                0 => {
                    let track = self.capabilities.contains(Capabilities::SESSION_TRACK);
                    OkPacket::parse(&payload, track).expect("an OK packet");
                    return Ok(());
                }
                0xff => return Err(Refused::read(&payload)),
                1 if payload == [1, 4] => {
                    // The full exchange, over a unix socket.
                    self.sent_password = true;
                    self.peer.say(&frames(seq.wrapping_add(1), &[[password.as_bytes(), &[0]].concat()]));
                    seq = seq.wrapping_add(2);
                }
                1 => {
                    assert_eq!(payload, [1, 3], "fast_auth_success");
                    self.fast = true;
                    seq = seq.wrapping_add(1);
                }
                0xfe => {
                    let switch = AuthSwitchRequest::parse(&payload).unwrap();
                    if matches!(switch.plugin, b"client_ed25519" | b"parsec") {
                        seq = self.sign(seq, &switch, password).await;
                        continue;
                    }
                    let plugin = Plugin::from_name(switch.plugin).expect("a plugin that clients know");
                    let nonce: Nonce = switch.data.try_into().expect("20 bytes of nonce");
                    self.switched = Some(plugin.name().to_owned());
                    let answer = plugin.scramble(password.as_bytes(), &nonce);
                    self.peer.say(&frames(seq.wrapping_add(1), &[answer]));
                    seq = seq.wrapping_add(2);
                }
                byte => panic!("unexpected 0x{byte:x} in a login"),
            }
        }
    }

    /// Signs the challenge. Returns the sequence id that comes next.
    async fn sign(&mut self, seq: u8, switch: &AuthSwitchRequest<'_>, password: &str) -> u8 {
        let exchange = ClientExchange::new(Known::Password(password.as_bytes()), Channel::Open);
        let (_, pending) = exchange.greeted(b"mysql_native_password", self.greeting.nonce);
        self.switched = Some(String::from_utf8_lossy(switch.plugin).into_owned());
        let mut step = pending.auth_switch(switch.plugin, switch.data).unwrap();
        let mut seq = seq;
        while let ClientStep::Send(packet, next) = step {
            self.peer.say(&frames(seq.wrapping_add(1), &[packet.to_vec()]));
            seq = seq.wrapping_add(2);
            if switch.plugin == b"client_ed25519" || !packet.is_empty() {
                break;
            }
            let (got, salt) = self.peer.packet().await;
            assert_eq!((got, salt[0]), (seq, b'P'), "the extended salt as servers send it");
            step = next.more_data(&salt).unwrap();
        }
        seq
    }

    /// COM_CHANGE_USER.
    pub async fn change_user(&mut self, login: &Login) -> Result<(), Refused> {
        let plugin = Plugin::from_name(login.plugin.as_bytes());
        let scramble = |plugin: Plugin| plugin.scramble(login.password.as_bytes(), &self.greeting.nonce);
        let answer = plugin.map(scramble).unwrap_or_default();
        let mut out = vec![0x11];
        out.put_nul_bytes(login.user.as_bytes());
        out.push(u8::try_from(answer.len()).unwrap());
        out.extend_from_slice(&answer);
        out.put_nul_bytes(login.schema.unwrap_or_default().as_bytes());
        out.extend_from_slice(&[login.collation, 0]);
        if self.capabilities.contains(Capabilities::PLUGIN_AUTH) {
            out.put_nul_bytes(login.plugin.as_bytes());
        }
        if self.capabilities.contains(Capabilities::CONNECT_ATTRS) {
            out.put_lenenc_bytes(login.attributes);
        }
        self.peer.say(&[frames(0, &[out]), login.behind.clone()].concat());
        self.finish_login(1, login.password).await
    }

    /// A command in one packet (or as many as it needs).
    pub fn send(&mut self, payload: Vec<u8>) {
        self.peer.say(&frames(0, &[payload]));
    }

    pub fn query(&mut self, sql: &str) {
        self.send(query(sql));
    }

    /// These packets come next, the first with sequence id 1.
    pub async fn expect(&mut self, payloads: &[Vec<u8>]) {
        self.peer.expect_bytes(&frames(1, payloads)).await;
    }

    /// The connection is still there. MySQL counts the error in the answer to COM_PING.
    pub async fn pings_behind_an_error(&mut self) {
        self.send(vec![0x0e]);
        self.expect(&[vec![0, 0, 0, 2, 0, 1, 0]]).await;
    }

    pub async fn expect_ok(&mut self) {
        self.expect(&[super::ok()]).await;
    }

    /// The query reaches `db` as it is, and the client gets what `db` replies.
    pub async fn hears_from(&mut self, db: &mut Db, sql: &str, reply: &[Vec<u8>]) {
        self.query(sql);
        db.expect_query(sql).await;
        db.reply(reply);
        self.expect(reply).await;
    }

    /// The query reaches `db` as it is. The client gets OK.
    pub async fn runs_on(&mut self, db: &mut Db, sql: &str) {
        self.hears_from(db, sql, &[super::ok()]).await;
    }

    /// The query reaches `db` as it is. The client gets one row.
    pub async fn reads_on(&mut self, db: &mut Db, sql: &str) {
        self.hears_from(db, sql, &one()).await;
    }

    /// For the query, the proxy connects to this server and sets the session's state. The client gets OK.
    pub async fn runs_first_on(&mut self, server: &Server, sql: &str) -> Db {
        let mut db = self.opens(server, sql).await;
        db.expect_set("").await;
        db.answer_ok(sql).await;
        self.expect_ok().await;
        db
    }

    /// As `runs_first_on`. The client gets one row.
    pub async fn reads_first_on(&mut self, server: &Server, sql: &str) -> Db {
        let mut db = self.opens(server, sql).await;
        db.expect_set("").await;
        db.answer_one(sql).await;
        self.expect(&one()).await;
        db
    }

    /// As `reads_first_on`, on a connection that only reads.
    pub async fn reads_first_on_read_only(&mut self, server: &Server, sql: &str) -> Db {
        let mut db = self.opens(server, sql).await;
        db.expect_read_only_set("").await;
        db.answer_one(sql).await;
        self.expect(&one()).await;
        db
    }

    async fn opens(&mut self, server: &Server, sql: &str) -> Db {
        self.query(sql);
        server.accept().await
    }

    /// An ERR packet with this sequence id, code and SQLSTATE.
    pub async fn expect_err_at(&mut self, seq: u8, code: u16, sqlstate: &str) -> String {
        let (got, payload) = self.peer.packet().await;
        let refused = Refused::read(&payload);
        assert_eq!((got, refused.code, &*refused.sqlstate), (seq, code, sqlstate), "{}", refused.text);
        refused.text
    }

    pub async fn expect_err(&mut self, code: u16, sqlstate: &str) -> String {
        self.expect_err_at(1, code, sqlstate).await
    }

    /// COM_QUIT.
    pub fn quit(mut self) {
        self.send(vec![1]);
    }
}

/// The handshake response, field by field as the flags demand.
pub fn response(login: &Login, capabilities: Capabilities, nonce: &Nonce) -> Vec<u8> {
    let has = |flag| capabilities.contains(flag);
    let plugin = if has(Capabilities::PLUGIN_AUTH) { login.plugin } else { "mysql_native_password" };
    let answer = match Plugin::from_name(plugin.as_bytes()) {
        Some(plugin) => plugin.scramble(login.password.as_bytes(), nonce),
        None => b"answer of another plugin".to_vec(),
    };
    let mut out = capabilities.low().to_vec();
    out.extend_from_slice(&(1u32 << 24).to_le_bytes());
    out.push(login.collation);
    out.extend_from_slice(&[0; 19]);
    out.extend_from_slice(&capabilities.high());
    out.put_nul_bytes(login.user.as_bytes());
    if has(Capabilities::PLUGIN_AUTH_LENENC_CLIENT_DATA) {
        out.put_lenenc_bytes(&answer);
    } else {
        out.push(u8::try_from(answer.len()).unwrap());
        out.extend_from_slice(&answer);
    }
    if let Some(schema) = login.schema {
        out.put_nul_bytes(schema.as_bytes());
    }
    if has(Capabilities::PLUGIN_AUTH) {
        out.put_nul_bytes(plugin.as_bytes());
    }
    if has(Capabilities::CONNECT_ATTRS) {
        out.put_lenenc_bytes(login.attributes);
    }
    out
}
