//! The connection phase towards a client, which COM_CHANGE_USER repeats. The proxy authenticates the client alone,
//! without a server connection. Only the schema that a login names is checked on a server.

use zeroize::Zeroizing;

use super::begin::{greeting_facts, status_of};
use super::check::Identification;
use super::entry::LoginPhase;
use super::identity::{ClientIdentity, Evidence};
use crate::auth;
use crate::auth::{
    AskedByServer, Asking, AuthError, AuthStep, PasswordProof, Plugin, ServerExchange, SignatureExchange,
    SignaturePlugin, SignatureStep,
};
use crate::backend::{Login, charset_of, client_collation, in_utf8, is_well_formed};
use crate::client::refusals::{malformed_name, unusable_charset};
use crate::client::{Failure, ended_by};
use crate::config::ClientCompression;
use crate::net::{Buf, PacketError, Runtime, Stream, first_of, or_raised, read_packet};
use crate::session::observe::audit_login;
use crate::sql::proxy_variable::CONSISTENCY;
use crate::terms::{Close, Refused};
use crate::topology::{Facts, Flavor, Snapshot};
use crate::wire::{
    AuthSwitchRequest, Capabilities, Greeting, HandshakeResponse, HandshakeResponse320, PacketHeader,
    auth_more_data, is_ssl_request, kept_attributes,
};
use crate::worker::Signals;
use crate::worker::admission::shown;

/// The longest packet of a login, in bytes; connection attributes take up to 64 KiB.
const MAX_LOGIN_PACKET: usize = 128 * 1024;

/// What a client sent to log in.
pub(super) struct LoginClaim {
    pub user: Vec<u8>,
    pub response: Vec<u8>,
    /// None from a client without authentication plugins.
    pub plugin: Option<Vec<u8>>,
    pub schema: Option<Vec<u8>>,
    pub collation: u16,
    /// The connection attributes that servers get.
    pub attributes: Vec<u8>,
    /// The connection attribute for the consistency level.
    pub level: Option<Vec<u8>>,
}

/// What a client answered to the greeting.
pub(super) enum GreetingAnswer {
    /// It wants to log in. `buf` has what it has already sent behind that, `seq` is the sequence id of the next packet to
    /// the client.
    Claim { claim: LoginClaim, buf: Buf, seq: u8 },
    /// The client speaks the protocol from before version 4.1. The buffer begins with its handshake response.
    Before41(Buf),
}

/// What the proxy has seen of an exchange.
struct SeenPacket {
    /// True if the client's last answer was not empty: the error then says `using password: YES`.
    gave_password: bool,
    /// The plugin of the last answer, unless it is one that signs.
    plugin: Option<Plugin>,
    /// What a server would store of the password for the plugin that signed.
    signer: Option<Vec<u8>>,
}

/// A client that is let in, and has no session yet.
pub(super) struct LetIn {
    pub claim: LoginClaim,
    pub login: Login,
    /// The text of the OK packet that ends the login.
    pub proof: Vec<u8>,
    /// The sequence id of that packet.
    pub seq: u8,
}

/// How the authentication ended.
pub(super) enum Authenticated {
    /// The client is let in.
    LetIn(LetIn),
    /// Only the client itself can log in, to a server. `perhaps_socket`: a server might take the proxy's operating system
    /// user for the client.
    OnlyClient { claim: LoginClaim, perhaps_socket: bool, seq: u8 },
}

impl<R: Runtime> LoginPhase<'_, R> {
    /// Asks who the client is.
    fn identification(&mut self) -> Identification<'_, R> {
        Identification { context: self.context, client: self.client }
    }

    /// Greets the client, and reads its answer. `buf` has what the client sent before the greeting.
    pub(super) async fn greet(&mut self, mut buf: Buf) -> Result<GreetingAnswer, Close> {
        self.client.greeted.nonce = auth::nonce().map_err(|_| Close::LoginFailed)?;
        let acceptor = self.context.runtime.acceptor(&self.client.handle.entrance.listener);
        let Some(greeting) = self.greeting_of_servers(acceptor.is_offered()).await? else {
            let failure = Failure::Unreachable("no server was reached yet".to_owned());
            return Err(self.client.refuse(0, &failure, Close::LoginTimeout).await);
        };
        self.client.greeted.plugin =
            Plugin::from_name(&greeting.auth_plugin).unwrap_or(Plugin::NativePassword);
        let sent = self.client.send(0, |out| greeting.encode(out)).await;
        sent.map_err(|close| without_a_word(close, &buf))?;
        // The buffer is small, and is allocated once the socket looks readable, which a fresh socket may do
        // without any data.
        if buf.is_empty() {
            self.wait_for_client().await.map_err(|close| without_a_word(close, &buf))?;
            buf = Buf::with_room(512);
        }
        let header = self.login_packet(&mut buf, 1).await.map_err(|close| without_a_word(close, &buf))?;
        let asks = if acceptor.is_offered() { is_ssl_request(payload(&buf, header)) } else { Ok(false) };
        let (header, seq) = match asks {
            Ok(false) => (header, 2),
            Ok(true) => {
                buf.consume(header.total());
                Box::pin(self.secure(&acceptor, &mut buf)).await?;
                (self.login_packet(&mut buf, 2).await?, 3)
            }
            Err(e) => {
                let failure = Failure::Handshake(e.to_string());
                return Err(self.client.refuse(2, &failure, Close::ClientProtocol).await);
            }
        };
        if HandshakeResponse320::is_one(payload(&buf, header)) {
            return Ok(GreetingAnswer::Before41(buf));
        }
        let claim = {
            let payload = payload(&buf, header);
            match HandshakeResponse::parse(payload) {
                Ok(response) => {
                    self.client.capabilities = response.capabilities & greeting.capabilities;
                    self.client.zstd_level = response.zstd_level;
                    self.client.looks =
                        response.attribute("_client_name") == Some(crate::session::common::LOOKS);
                    Ok(LoginClaim {
                        user: response.user.to_vec(),
                        response: response.auth_response.to_vec(),
                        plugin: response
                            .capabilities
                            .contains(Capabilities::PLUGIN_AUTH)
                            .then(|| response.auth_plugin.to_vec()),
                        schema: response.schema.map(<[u8]>::to_vec),
                        collation: u16::from(response.collation),
                        attributes: kept_attributes(response.attributes),
                        level: response.attribute(CONSISTENCY).map(<[u8]>::to_vec),
                    })
                }
                Err(e) => Err(e),
            }
        };
        let claim = match claim {
            Ok(claim) => claim,
            Err(e) => {
                let failure = Failure::Handshake(e.to_string());
                return Err(self.client.refuse(seq, &failure, Close::ClientProtocol).await);
            }
        };
        buf.consume(header.total());
        if acceptor.is_required() && !self.client.is_private() {
            self.note_refusal(Refused::InsecureTransport, &claim.user);
            let close = self.client.refuse(seq, &Failure::InsecureTransport, Close::LoginFailed).await;
            audit_login(self.context, self.client, &claim.user, false, Some(close));
            return Err(close);
        }
        Ok(GreetingAnswer::Claim { claim, buf, seq })
    }

    /// Reads the collation id and the names of a login as the servers do: each flavour has its own ids, and the names are in
    /// the character set of the id. Fails with the servers' error if no client can use the character set.
    fn read_as_servers_do(&self, claim: &mut LoginClaim) -> Result<(), Failure> {
        let snapshot = self.context.topology.get();
        let Some(facts) = greeting_facts(&snapshot) else { return Ok(()) };
        let id = client_collation(claim.collation, facts.flavor, &facts.version).map_err(unusable_charset)?;
        claim.collation = id;
        let default = || charset_of(u16::from(facts.collation), facts.flavor);
        let charset = charset_of(id, facts.flavor).or_else(default).unwrap_or_default();
        claim.user = in_utf8(&claim.user, charset).into_owned();
        if let Some(schema) = claim.schema.take() {
            claim.schema = Some(match facts.flavor {
                Flavor::MariaDb if !is_well_formed(&schema, charset) => {
                    return Err(malformed_name(&schema, charset));
                }
                // MariaDB takes a binary name of a schema as it is, unlike that of a user.
                Flavor::MariaDb if charset == "binary" => schema,
                Flavor::MariaDb | Flavor::MySql => in_utf8(&schema, charset).into_owned(),
            });
        }
        Ok(())
    }

    /// Authenticates the client. `seq` is the sequence id of the next packet to the client.
    pub(super) async fn authenticate(
        &mut self,
        mut claim: LoginClaim,
        buf: &mut Buf,
        mut seq: u8,
    ) -> Result<Authenticated, Close> {
        if let Err(failure) = self.read_as_servers_do(&mut claim) {
            return Err(self.client.refuse(seq, &failure, Close::LoginFailed).await);
        }
        if self.client.handle.pass.borrow().is_blocked(&claim.user) {
            let failure = self.refusal(Refused::Blocked, &claim.user);
            return Err(self.client.refuse(seq, &failure, Close::LoginFailed).await);
        }
        let identity = self.identification().identity(&claim.user);
        if let ClientIdentity::OnlyClient(perhaps_socket) = identity {
            return Ok(Authenticated::OnlyClient { claim, perhaps_socket, seq });
        }
        let (evidence, seen) = self.prove(&claim, &identity, buf, &mut seq).await?;
        let handle = self.client.handle.clone();
        let mut identification = self.identification();
        let judging = Box::pin(identification.let_in_or_deny(&claim.user, identity, evidence));
        // `timeouts.login` ends the waits in there, with an error for the client.
        let ending = Signals::KILLED | Signals::END | Signals::LEAVE;
        let judged = or_raised(&handle.signal, ending, judging).await.map_err(ended_by)?;
        let login = match judged {
            Ok(login) => login,
            // A server has asked for more than a password, or the account was created or changed a moment ago.
            Err(_)
                if let ClientIdentity::OnlyClient(perhaps_socket) =
                    self.identification().identity(&claim.user) =>
            {
                return Ok(Authenticated::OnlyClient { claim, perhaps_socket, seq });
            }
            Err((refused, failure)) => {
                self.note_failed_login(refused, &claim.user);
                let (user, host) = (shown(&claim.user), self.client.handle.peer.get().host());
                let denied = Failure::AccessDenied { user, host, password: seen.gave_password };
                let failure = failure.unwrap_or(denied);
                return Err(self.client.refuse(seq, &failure, Close::LoginFailed).await);
            }
        };
        let proof = self.certificate_proof(seen.plugin, seen.signer, &login.credential);
        Ok(Authenticated::LetIn(LetIn { claim, login, proof, seq }))
    }

    /// Runs the exchange, in which the client proves that it knows the account's password, or sends the password. Returns
    /// an error if the exchange ends the login.
    async fn prove(
        &mut self,
        claim: &LoginClaim,
        identity: &ClientIdentity,
        buf: &mut Buf,
        seq: &mut u8,
    ) -> Result<(Evidence, SeenPacket), Close> {
        let (greeted, private) = (self.client.greeted.plugin, self.client.is_private());
        let native = self.client.handle.entrance.native_password;
        let asks_servers = self.context.live.borrow().credentials.ask_servers();
        let expected = identity.expected(greeted, native);
        let exchange = ServerExchange::new(greeted, self.client.greeted.nonce, expected)
            .in_private(private)
            .asking(asks_servers);
        let exchange = if native { exchange } else { exchange.without_native() };
        let mut step = exchange.respond(claim.plugin.as_deref(), &claim.response);
        let plugin = claim.plugin.as_deref().map_or(Some(Plugin::NativePassword), Plugin::from_name);
        let mut seen = SeenPacket { gave_password: !claim.response.is_empty(), plugin, signer: None };
        let mut answer = claim.response.clone();
        loop {
            step = match step {
                AuthStep::Accept(proof) => return Ok((Evidence::Proof(proof), seen)),
                AuthStep::Check(password) => return Ok((Evidence::Password(password), seen)),
                AuthStep::Reject => {
                    // An empty answer means that there is no password, whatever the plugin.
                    let readable = seen.plugin == Some(Plugin::NativePassword) || !seen.gave_password;
                    return Ok((Evidence::Wrong(readable.then_some(answer)), seen));
                }
                AuthStep::NotSupported => {
                    return Err(self.client.refuse(*seq, &Failure::OldClient, Close::LoginFailed).await);
                }
                AuthStep::Sign(plugin, password) => {
                    seen.plugin = None;
                    seen.gave_password = true;
                    seen.signer = self.ask_signature(plugin, password, buf, seq).await?;
                    let proved = Evidence::Proof(PasswordProof::Password);
                    return Ok((if seen.signer.is_some() { proved } else { Evidence::Wrong(None) }, seen));
                }
                AuthStep::MoreData { data, then } => {
                    self.client.send(*seq, |out| auth_more_data(out, &data)).await?;
                    *seq = seq.wrapping_add(1);
                    then.finish()
                }
                AuthStep::AuthSwitch(switched) => {
                    let (name, nonce) = (switched.plugin().name().as_bytes(), *switched.nonce());
                    seen.plugin = Some(switched.plugin());
                    self.client
                        .send(*seq, |out| AuthSwitchRequest { plugin: name, data: &nonce }.encode(out))
                        .await?;
                    answer = self.login_answer(buf, seq).await?.to_vec();
                    seen.gave_password = !answer.is_empty();
                    switched.respond(&answer)
                }
                AuthStep::AskPassword(asking) => {
                    self.client.send(*seq, |out| auth_more_data(out, &Asking::REQUEST)).await?;
                    return Ok((self.ask_password(asking, private, buf, seq).await?, seen));
                }
            };
        }
    }

    /// Lets the client sign a challenge with its password. Returns what a server would store of the password, if the
    /// signature is right.
    async fn ask_signature(
        &mut self,
        plugin: SignaturePlugin,
        password: Option<&[u8]>,
        buf: &mut Buf,
        seq: &mut u8,
    ) -> Result<Option<Vec<u8>>, Close> {
        let failed = |_: AuthError| Close::LoginFailed;
        let exchange = SignatureExchange::new(plugin, password).map_err(failed)?;
        let request = AuthSwitchRequest { plugin: plugin.name().as_bytes(), data: exchange.challenge() };
        self.client.send(*seq, |out| request.encode(out)).await?;
        tracing::debug!(id = self.client.handle.id, plugin = plugin.name(), "the client is asked to sign");
        let answer = self.login_answer(buf, seq).await?;
        let mut step = exchange.respond(&answer).map_err(failed)?;
        if let SignatureStep::ExtSalt(salt, next) = step {
            self.client.send(*seq, |out| out.extend_from_slice(&salt)).await?;
            let answer = self.login_answer(buf, seq).await?;
            step = next.respond(&answer).map_err(failed)?;
        }
        match step {
            SignatureStep::Accept(stored) => Ok(Some(stored)),
            SignatureStep::ExtSalt(..) | SignatureStep::Reject => Ok(None),
        }
    }

    /// Reads the password that the client was asked for.
    async fn ask_password(
        &mut self,
        mut asking: Asking,
        private: bool,
        buf: &mut Buf,
        seq: &mut u8,
    ) -> Result<Evidence, Close> {
        loop {
            let packet = self.login_answer(buf, seq).await?;
            match asking.answer(&packet, private) {
                AskedByServer::Password(password) => return Ok(Evidence::Password(password)),
                AskedByServer::Malformed => return Ok(Evidence::Wrong(None)),
                AskedByServer::Key(key, next) => {
                    self.client.send(*seq, |out| auth_more_data(out, key.public())).await?;
                    asking = next;
                }
            }
        }
    }

    /// Reads the client's answer to the packet with sequence id `seq`, and sets `seq` to that of the next packet to the
    /// client. The answer may be a password.
    async fn login_answer(&mut self, buf: &mut Buf, seq: &mut u8) -> Result<Zeroizing<Vec<u8>>, Close> {
        let header = self.login_packet(buf, seq.wrapping_add(1)).await?;
        *seq = seq.wrapping_add(2);
        let packet = Zeroizing::new(payload(buf, header).to_vec());
        buf.consume(header.total());
        Ok(packet)
    }

    /// Reads a whole packet with this sequence id. The caller consumes it.
    pub(super) async fn login_packet(&mut self, buf: &mut Buf, seq: u8) -> Result<PacketHeader, Close> {
        let ending = Signals::KILLED | Signals::END | Signals::LOGIN | Signals::LEAVE;
        let memory = &self.context.buffers.memory;
        let read = read_packet(&mut self.client.stream, buf, Some(seq), MAX_LOGIN_PACKET, memory);
        match or_raised(&self.client.handle.signal, ending, read).await {
            Ok(Ok(header)) => Ok(header),
            Ok(Err(PacketError::Io(error))) if error.kind() == std::io::ErrorKind::OutOfMemory => {
                Err(self.client.refuse(seq.wrapping_add(1), &Failure::OutOfMemory, Close::OutOfMemory).await)
            }
            Ok(Err(PacketError::Io(_))) => Err(Close::ClientLost),
            Ok(Err(PacketError::Protocol(e))) => {
                let failure = Failure::Handshake(e.to_string());
                Err(self.client.refuse(seq.wrapping_add(1), &failure, Close::ClientProtocol).await)
            }
            Err(raised) => Err(ended_by(raised)),
        }
    }

    pub(super) async fn wait_for_client(&mut self) -> Result<(), Close> {
        let ending = Signals::KILLED | Signals::END | Signals::LOGIN | Signals::LEAVE;
        match or_raised(&self.client.handle.signal, ending, self.client.stream.readable()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Close::ClientLost),
            Err(raised) => Err(ended_by(raised)),
        }
    }

    /// Returns the greeting, once a server was seen: the client speaks the dialect of the flavour in the greeting until the
    /// session ends. None: no server was seen within `timeouts.login`.
    async fn greeting_of_servers(&mut self, with_tls: bool) -> Result<Option<Greeting>, Close> {
        let handle = self.client.handle.clone();
        let context = self.context.clone();
        let ending = Signals::KILLED | Signals::END | Signals::LOGIN | Signals::LEAVE;
        loop {
            let snapshot = context.topology.get();
            if let Some(greeting) = self.greeting(&snapshot, with_tls) {
                return Ok(Some(greeting));
            }
            let changed =
                first_of(context.topology.changed_from(snapshot.version), self.client.stream.peer_closed());
            match or_raised(&handle.signal, ending, changed).await {
                Ok(Some(())) => {}
                // A load balancer's check that gives up.
                Ok(None) => return Err(Close::Quit),
                Err(raised) if ended_by(raised) == Close::LoginTimeout => return Ok(None),
                Err(raised) => return Err(ended_by(raised)),
            }
        }
    }

    fn greeting(&self, snapshot: &Snapshot, with_tls: bool) -> Option<Greeting> {
        let facts = greeting_facts(snapshot)?;
        let known = snapshot.servers.iter().filter_map(|s| s.facts.as_ref());
        // Offers only what all servers have, since the session may use any of them.
        let servers =
            known.fold(Capabilities::OFFERED, |all, f| all & Capabilities::from_bits_retain(f.capabilities));
        let (mut plugin, mut capabilities) = (greeted_plugin(facts), servers);
        if !self.client.handle.entrance.native_password {
            plugin = Plugin::CachingSha2;
        }
        capabilities.set(Capabilities::SSL, with_tls);
        let offered = self.client.handle.entrance.compression;
        let (zlib, zstd) = match offered {
            ClientCompression::Off => (false, false),
            ClientCompression::Zlib => (true, false),
            ClientCompression::Zstd => (false, true),
            ClientCompression::Any => (true, true),
        };
        capabilities.set(Capabilities::COMPRESS, zlib);
        capabilities.set(Capabilities::ZSTD_COMPRESSION_ALGORITHM, zstd);
        Some(Greeting {
            version: facts.version.as_bytes().to_vec(),
            connection_id: self.client.handle.id,
            nonce: self.client.greeted.nonce,
            capabilities,
            collation: facts.collation,
            status: status_of(facts.login),
            auth_plugin: plugin.name().as_bytes().to_vec(),
        })
    }
}

/// Turns the loss of a client that sent nothing into a quit. A load balancer's check connects, may read the
/// greeting and leaves. If that counted as a failed login, the balancer's address would be blocked for its
/// clients.
pub(super) fn without_a_word(close: Close, said: &Buf) -> Close {
    if close == Close::ClientLost && said.is_empty() { Close::Quit } else { close }
}

/// Returns the plugin that the server itself would greet with: caching_sha2_password since MySQL 8.0.4, the
/// only one that clients of MySQL 9 support.
fn greeted_plugin(facts: &Facts) -> Plugin {
    let old = ["5.", "4."].iter().any(|v| facts.version.starts_with(v));
    match facts.flavor {
        Flavor::MySql if !old => Plugin::CachingSha2,
        _ => Plugin::NativePassword,
    }
}

pub(super) fn payload(buf: &Buf, header: PacketHeader) -> &[u8] {
    buf.filled().get(PacketHeader::LEN..header.total()).unwrap_or_default()
}
