//! Opens and authenticates server connections.

use std::net::SocketAddr;
use std::sync::Arc;

use zeroize::Zeroize;

use super::connection::{About, Class, Connection};
use super::{Credential, Introduction, ServerError};
use crate::auth::{AuthError, Channel, ClientExchange, ClientStep, Exposure, Pending, readable};
use crate::config::Secret;
use crate::net::{
    Algorithm, Buf, Compressed, Encrypted, Endpoint, EndpointError, PacketError, Runtime, Stream, TlsClient,
    TlsError, UNIX, UnverifiedCertificate, WITHOUT_LIMIT, read_packet,
};
use crate::terms::CertificateProof;
use crate::topology::{Flavor, LoginFlags, Server, ServerId};
use crate::wire::error_code::{ER_HANDSHAKE_ERROR, ER_NET_PACKETS_OUT_OF_ORDER, ER_NET_READ_ERROR};
use crate::wire::{
    AuthSwitchRequest, Capabilities, ErrPacket, Greeting, HandshakeResponse, OkPacket, PacketHeader,
    ProtocolError, ProxyHeader, StatusFlags, attributes_for_server, encode_ssl_request, frame_with,
};

/// The longest packet that is accepted during a login, in bytes; the longest one expected is a public key.
pub(super) const MAX_LOGIN_PACKET: usize = 64 * 1024;

/// The level of zstd that servers compress with: zstd's own default.
pub(super) const ZSTD_LEVEL: u8 = 3;
/// ERR codes for other bytes where a server expects a packet: bad handshake, packets out of order, an error while reading.
const NO_PACKET: [u16; 3] = [ER_HANDSHAKE_ERROR, ER_NET_PACKETS_OUT_OF_ORDER, ER_NET_READ_ERROR];

/// The beginnings of MariaDB's errors (1105) for a PROXY header.
const ABOUT_HEADER: [&[u8]; 2] = [b"Proxy header", b"Failed to parse proxy header"];

/// The maximum packet size that the proxy announces; servers ignore it.
pub(super) const MAX_PACKET: u32 = 1 << 30;

/// The server to connect to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its identity in the snapshot.
    pub server: ServerId,
    /// Its name, for errors.
    pub name: Arc<str>,
    /// Where the server listens: `host:port` or `unix:/path`, which the login parses.
    pub address: Arc<str>,
    /// The names that its certificate may have; empty: the host of its address.
    pub tls_names: Arc<[Arc<str>]>,
    /// The generation of the snapshot that the server was chosen from.
    pub generation: u64,
    /// True if a session begins with autocommit there.
    pub autocommit: bool,
    /// True if a reset connection is like one that was just opened: the server runs no `init_connect` at a login.
    pub resets: bool,
    /// What the monitor found there; None: it did not look yet.
    pub flavor: Option<Flavor>,
    /// The server that the monitor sees there (see `Life`); empty: unknown.
    pub instance: Arc<str>,
}

impl Target {
    /// Returns the target for a server of the snapshot of this generation.
    pub fn new(server: &Server, generation: u64) -> Self {
        Target {
            server: server.id,
            name: server.name.clone(),
            address: server.address.clone(),
            tls_names: server.tls_names.clone(),
            generation,
            autocommit: server.facts.as_ref().is_none_or(|f| f.login.contains(LoginFlags::AUTOCOMMIT)),
            resets: server.facts.as_ref().is_none_or(|f| !f.login.contains(LoginFlags::UNCERTAIN)),
            flavor: server.facts.as_ref().map(|facts| facts.flavor),
            instance: server.facts.as_ref().map(|facts| facts.life.instance.clone()).unwrap_or_default(),
        }
    }

    /// True if the server listens on a unix socket of this machine.
    pub fn is_local(&self) -> bool {
        self.address.starts_with(UNIX)
    }
}

/// The account to log in with.
#[derive(Debug, Clone)]
pub struct Login {
    /// The account.
    pub user: Arc<str>,
    /// Its password, or a hash of it, or nothing.
    pub credential: Credential,
    /// Counts the passwords of the accounts (see `Credentials`); 0 for the proxy's own account, and `OF_CLIENT` for a
    /// login without a password.
    pub generation: u64,
}

impl Login {
    /// The generation of logins that clients did with a server themselves.
    pub const OF_CLIENT: u64 = u64::MAX;

    /// Returns the login of a client that logged in to a server itself. No connection can be opened with it.
    pub fn of_client(user: Arc<str>) -> Self {
        Login { user, credential: Credential::OfClient, generation: Login::OF_CLIENT }
    }

    /// True if no connection can be opened with this login.
    pub fn is_of_client(&self) -> bool {
        self.credential == Credential::OfClient
    }

    /// Returns a login that counts as one of no account.
    pub fn new(user: Arc<str>, password: Secret) -> Self {
        Login { user, credential: password.into(), generation: 0 }
    }
}

/// Why connecting failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server's address could not be parsed.
    #[error("{0}")]
    Address(#[from] EndpointError),
    /// The connection was refused, reset or closed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It took longer than `timeouts.connect`.
    #[error("no answer within {0:?}")]
    Timeout(std::time::Duration),
    /// The server violated the protocol.
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    /// An ERR packet.
    #[error("{0}")]
    Refused(#[from] ServerError),
    /// TLS could not be established, or the server's certificate is not accepted.
    #[error("server {server}: {error}")]
    Tls {
        /// The server's name.
        server: Arc<str>,
        /// The cause.
        error: TlsError,
    },
    /// Authentication is not possible.
    #[error("{0}")]
    Auth(#[from] AuthError),
    /// Another server answered than the one that the monitor sees. It gets no statement.
    #[error(
        "at {address} answers another server than the one that is known as {server}: its name or address has moved, or leads \
         to several servers"
    )]
    AnotherServer {
        /// The server's name.
        server: Arc<str>,
        /// Its address.
        address: Arc<str>,
    },
    /// The server ended a connection that began with a PROXY header.
    #[error(
        "server {server} ends connections that begin with a PROXY header ({error}): users.send_proxy_protocol is on for \
         {user}, so list this proxy in proxy_protocol_networks of the server, which must be MariaDB or Percona Server"
    )]
    ProxyHeader {
        /// The server's name.
        server: Arc<str>,
        /// The account.
        user: Arc<str>,
        /// The cause.
        error: Box<ConnectError>,
    },
}

impl From<PacketError> for ConnectError {
    fn from(e: PacketError) -> Self {
        match e {
            PacketError::Io(e) => ConnectError::Io(e),
            PacketError::Protocol(e) => ConnectError::Protocol(e),
        }
    }
}

/// Connects, encrypts the connection according to `servers_tls`, and logs in, without a time limit. Also
/// returns the server's greeting.
pub async fn connect<R: Runtime>(
    runtime: &R,
    target: &Target,
    login: &Login,
    class: Class,
    introduction: &Introduction<'_>,
) -> Result<(Connection<R::Stream>, Greeting), ConnectError> {
    let tls = runtime.tls();
    let wanted = tls.is_optional() && !target.is_local();
    let mut used = tls;
    loop {
        let mut greeted = false;
        match log_in(runtime, target, login, class, introduction, &used, &mut greeted).await {
            // The server supports no safe version of TLS, or has a broken certificate.
            Err(ConnectError::Tls { server, error }) if used.is_optional() => {
                tracing::debug!(%server, %error, "connecting without TLS");
                used = Arc::new(used.without());
            }
            Ok((mut connection, greeting)) => {
                connection.fell_back = wanted && connection.encrypted.is_none();
                connection.check_instance(target).await?;
                return Ok((connection, greeting));
            }
            Err(error) if introduction.announced.is_some() && greeted && may_be_the_header(&error) => {
                let (server, user) = (target.name.clone(), login.user.clone());
                return Err(ConnectError::ProxyHeader { server, user, error: Box::new(error) });
            }
            Err(error) => return Err(error),
        }
    }
}

async fn log_in<R: Runtime>(
    runtime: &R,
    target: &Target,
    login: &Login,
    class: Class,
    introduction: &Introduction<'_>,
    tls: &TlsClient,
    greeted: &mut bool,
) -> Result<(Connection<R::Stream>, Greeting), ConnectError> {
    let known = login.credential.known()?;
    // So that a server says when a factor is missing.
    let factors = Capabilities::MULTI_FACTOR_AUTHENTICATION;
    let introduction = introduction.for_names(&[login.user.as_bytes()]);
    let reached = reach(runtime, target, class, factors, &introduction, tls, greeted).await?;
    let ReachedServer { mut stream, mut buf, greeting, seq, capabilities, collation, mut encrypted, local } =
        reached;
    let exchange = ClientExchange::new(known, channel(local, encrypted));
    // Before its proof a server gets no password in clear text.
    let unverified = encrypted.filter(|_| proves_certificate(&greeting)).and_then(|tls| tls.unverified);
    let exchange = exchange.only_verified(tls.verifies() || unverified.is_some());
    let (response, pending) = exchange.greeted(&greeting.auth_plugin, greeting.nonce);
    let attributes = attributes_for_server(introduction.attributes);
    let answer = HandshakeResponse {
        capabilities,
        max_packet: MAX_PACKET,
        collation,
        user: login.user.as_bytes(),
        auth_response: &response,
        schema: None,
        auth_plugin: pending.plugin().name().as_bytes(),
        attributes: &attributes,
        zstd_level: ZSTD_LEVEL,
    };
    send(&mut stream, seq, |out| answer.encode(out)).await?;
    let mut sent = SentLogin { target, login, tls, seq, capabilities, unverified, proof: None };
    let status = sent.authenticate(&mut stream, &mut buf, pending).await?;
    if let Some(algorithm) = algorithm(capabilities) {
        stream.compress(Compressed { algorithm, to_server: true }, buf.filled());
    }
    if let Some(encrypted) = &mut encrypted {
        encrypted.proof = sent.proof;
        encrypted.verified |= sent.proof == Some(CertificateProof::Right);
    }
    let about = about(target, &login.user, class, &greeting, capabilities);
    let mut connection = Connection::new(stream, about, status);
    connection.encrypted = encrypted.map(Box::new);
    Ok((connection, greeting))
}

/// A server that has greeted the proxy, and that waits for the handshake response.
pub(super) struct ReachedServer<S> {
    pub(super) stream: S,
    pub(super) buf: Buf,
    pub(super) greeting: Greeting,
    /// The sequence id of the handshake response.
    pub(super) seq: u8,
    /// The capability flags for the handshake response.
    pub(super) capabilities: Capabilities,
    pub(super) collation: u8,
    pub(super) encrypted: Option<Encrypted>,
    /// True for a unix socket of this machine.
    pub(super) local: bool,
}

/// Connects, reads the greeting, and encrypts the connection. Asks for these `more` capability flags, if the server has
/// them. Sets `greeted` once the server has greeted.
pub(super) async fn reach<R: Runtime>(
    runtime: &R,
    target: &Target,
    class: Class,
    more: Capabilities,
    introduction: &Introduction<'_>,
    tls: &TlsClient,
    greeted: &mut bool,
) -> Result<ReachedServer<R::Stream>, ConnectError> {
    let endpoint: Endpoint = target.address.parse()?;
    let mut stream = runtime.connect(&endpoint).await?;
    if let Some(announced) = introduction.announced {
        announce(&mut stream, announced.source(&endpoint)).await?;
    }
    let mut buf = Buf::with_room(1024);
    let (greeting, seq) = greeting(&mut stream, &mut buf).await?;
    *greeted = true;
    if target.flavor.is_some_and(|known| known != flavor(greeting.capabilities)) {
        // Texts would be read, and state set, in the way of another server. It gets no password.
        return Err(
            ProtocolError::Unsupported("a greeting of another kind of server than the monitor's").into()
        );
    }
    let mut capabilities = agreed(greeting.capabilities, class) | (more & greeting.capabilities);
    if (class.capabilities - capabilities).contains(Capabilities::QUERY_ATTRIBUTES) {
        // The server would read the attributes as the beginning of the text.
        return Err(ProtocolError::Unsupported("query attributes, which the client sends").into());
    }
    let collation = u8::try_from(introduction.collation).unwrap_or(greeting.collation);
    let mut seq = seq.wrapping_add(1);
    let local = target.is_local();
    let of_tls = |error| ConnectError::Tls { server: target.name.clone(), error };
    let mut encrypted = None;
    if !local && tls.wants(greeting.capabilities.contains(Capabilities::SSL)).map_err(of_tls)? {
        if let Some(&byte) = buf.filled().first() {
            // Unprotected bytes: anybody on the path may have written them.
            return Err(ProtocolError::Unexpected { expected: "nothing before TLS", byte }.into());
        }
        capabilities |= Capabilities::SSL;
        send(&mut stream, seq, |out| encode_ssl_request(capabilities, MAX_PACKET, collation, out)).await?;
        seq = seq.wrapping_add(1);
        let secured = runtime.secure(stream, tls, &target.tls_names, &endpoint).await;
        let (secured, how) = secured.map_err(of_tls)?;
        stream = secured;
        encrypted = Some(how);
    }
    Ok(ReachedServer { stream, buf, greeting, seq, capabilities, collation, encrypted, local })
}

/// Returns the properties of a connection to a server that greeted so.
pub(super) fn about(
    target: &Target,
    user: &Arc<str>,
    class: Class,
    greeting: &Greeting,
    capabilities: Capabilities,
) -> About {
    let flavor = flavor(greeting.capabilities);
    // A reset of MariaDB forgets what the login said of the client.
    let forgets = flavor == Flavor::MariaDb && capabilities.intersects(Capabilities::SETS_VARIABLES);
    About {
        server: target.server,
        generation: target.generation,
        user: user.clone(),
        class,
        flavor,
        capabilities,
        autocommit: target.autocommit,
        resets: target.resets && !forgets,
        has_defaults: target.resets,
        thread_id: greeting.connection_id,
    }
}

/// Sends the PROXY header, which precedes everything else.
async fn announce<S: Stream>(stream: &mut S, source: Option<SocketAddr>) -> std::io::Result<()> {
    let mut out = Buf::default();
    out.replace_with(|out| ProxyHeader::write(source, out));
    stream.write_all(out).await.0
}

/// True if a server that greeted may have ended the login because of a PROXY header that it does not expect. What it says
/// then is often lost with the connection.
pub(super) fn may_be_the_header(error: &ConnectError) -> bool {
    match error {
        ConnectError::Io(_) | ConnectError::Tls { error: TlsError::Io(_), .. } => true,
        ConnectError::Protocol(ProtocolError::Sequence { .. }) => true,
        ConnectError::Refused(error) => {
            NO_PACKET.contains(&error.code)
                || ABOUT_HEADER.iter().any(|about| error.message.starts_with(about))
        }
        _ => false,
    }
}

/// Reads the initial handshake packet. Returns it with its sequence id.
async fn greeting<S: Stream>(stream: &mut S, buf: &mut Buf) -> Result<(Greeting, u8), ConnectError> {
    let header = read_packet(stream, buf, Some(0), MAX_LOGIN_PACKET, &WITHOUT_LIMIT).await?;
    let greeting = {
        let payload = payload(buf, header);
        if payload.first() == Some(&0xff) {
            return Err(ServerError::from(&ErrPacket::parse(payload)?).into());
        }
        Greeting::parse(payload)?
    };
    buf.consume(header.total());
    if !greeting.capabilities.contains(Capabilities::PROTOCOL_41 | Capabilities::PLUGIN_AUTH) {
        return Err(ProtocolError::Unsupported("authentication plugins of the 4.1 protocol").into());
    }
    Ok((greeting, header.seq))
}

/// Returns how far the connection can be trusted with the password.
pub(super) fn channel(local: bool, encrypted: Option<Encrypted>) -> Channel {
    match encrypted {
        Some(encrypted) if encrypted.verified => Channel::Verified,
        Some(_) => Channel::Encrypted,
        None if local => Channel::Local,
        None => Channel::Open,
    }
}

/// A login whose handshake response has been sent.
struct SentLogin<'a> {
    target: &'a Target,
    login: &'a Login,
    tls: &'a TlsClient,
    /// The sequence id of the last packet.
    seq: u8,
    capabilities: Capabilities,
    /// The server's certificate, if the server is to prove it.
    unverified: Option<UnverifiedCertificate>,
    /// What the server proved.
    proof: Option<CertificateProof>,
}

impl SentLogin<'_> {
    /// Answers the server until it sends an OK packet. Returns the status flags of that packet.
    async fn authenticate<S: Stream>(
        &mut self,
        stream: &mut S,
        buf: &mut Buf,
        mut pending: Pending<'_>,
    ) -> Result<StatusFlags, ConnectError> {
        loop {
            self.seq = self.seq.wrapping_add(1);
            let header = read_packet(stream, buf, Some(self.seq), MAX_LOGIN_PACKET, &WITHOUT_LIMIT).await?;
            let step = {
                let payload = payload(buf, header);
                match payload.first() {
                    Some(0) => {
                        let tracks = self.capabilities.contains(Capabilities::SESSION_TRACK);
                        let ok = OkPacket::parse(payload, tracks)?;
                        self.take_proof(&pending, ok.info);
                        let status = ok.status;
                        buf.consume(header.total());
                        return Ok(status);
                    }
                    Some(0xff) => return Err(ServerError::from(&ErrPacket::parse(payload)?).into()),
                    Some(0xfe) => {
                        let switch = AuthSwitchRequest::parse(payload)?;
                        pending.auth_switch(switch.plugin, switch.data)?
                    }
                    Some(2) if self.capabilities.contains(Capabilities::MULTI_FACTOR_AUTHENTICATION) => {
                        let next = AuthSwitchRequest::parse(payload)?;
                        return Err(AuthError::NextFactor(readable(next.plugin)).into());
                    }
                    Some(1) => pending.more_data(payload.get(1..).unwrap_or_default())?,
                    // MariaDB sends the 0x01 only in front of bytes that could be mistaken for another packet's.
                    Some(_) => pending.more_data(payload)?,
                    None => {
                        let error = ProtocolError::Unexpected { expected: "the end of the login", byte: 0 };
                        return Err(error.into());
                    }
                }
            };
            buf.consume(header.total());
            if let Some(packet) = step.packet() {
                self.seq = self.seq.wrapping_add(1);
                send(stream, self.seq, |out| out.extend_from_slice(packet)).await?;
            }
            pending = match step {
                ClientStep::Send(_, next)
                | ClientStep::RequestPublicKey(next)
                | ClientStep::WaitForVerdict(next) => next,
            };
            if let Some(how) = pending.exposed() {
                self.warn_of_exposure(how);
            }
        }
    }

    /// Checks the server's proof of its certificate, if one is expected. Logs, at most once an hour for each server, that the
    /// proof is wrong or missing.
    fn take_proof(&mut self, pending: &Pending<'_>, text: &[u8]) {
        let Some(UnverifiedCertificate { fingerprint, has_key }) = self.unverified else { return };
        let proof = pending.certificate_proof(text, &fingerprint);
        // An attacker who copied the certificate can pass on the server's proof. Only the handshake shows that the attacker
        // lacks the key.
        let is_useless = proof == Some(CertificateProof::Right) && !has_key;
        self.proof = if is_useless { Some(CertificateProof::Missing) } else { proof };
        let (server, user) = (&self.target.name, &self.login.user);
        let what = match self.proof {
            None => return,
            Some(_) if is_useless => {
                "the server's proof of its certificate counts as missing: the proxy cannot verify signatures by the \
                 certificate's key, which is an RSA key of less than 2048 bits, or of an unknown kind"
            }
            Some(CertificateProof::Right) => {
                return tracing::debug!(%server, %user, "the server proved its certificate by the password");
            }
            Some(CertificateProof::Wrong) => {
                "the server's proof of its certificate is wrong: somebody between the proxy and the server may have another \
                 certificate, and read everything"
            }
            Some(CertificateProof::Missing) => {
                "the server did not prove its certificate, as MariaDB 11.4 and later do: whoever answers at the server's \
                 address may be somebody else"
            }
        };
        if self.tls.unproven_is_news(server) {
            tracing::warn!(%server, %user, "{what}; set servers_tls.ca_file (or ca_secret), so that only a verified server is used");
        }
    }

    /// Logs, at most once an hour for each server, that a server got a password without proving its identity.
    fn warn_of_exposure(&self, how: Exposure) {
        if !self.tls.exposure_is_news(&self.target.name) {
            return;
        }
        let how = match how {
            Exposure::UnverifiedKey => "encrypted with the RSA key that the server itself sent, without TLS",
            Exposure::UnverifiedTls => "over TLS with a certificate that nobody verified",
        };
        tracing::warn!(server = %self.target.name, user = %self.login.user,
            "the server asked for the password of this account and got it {how}: whoever answers at the server's address \
             can ask for it; set servers_tls.ca_file (or ca_secret), so that only a verified server gets passwords");
    }
}

fn payload(buf: &Buf, header: PacketHeader) -> &[u8] {
    buf.filled().get(PacketHeader::LEN..header.total()).unwrap_or_default()
}

pub(super) async fn send<S: Stream>(
    stream: &mut S,
    seq: u8,
    write: impl FnOnce(&mut Vec<u8>),
) -> std::io::Result<()> {
    let mut out = Buf::default();
    out.replace_with(|out| frame_with(out, seq, write));
    let (sent, mut out) = stream.write_all(out).await;
    // The packet may contain the password.
    out.replace_with(|out| out.zeroize());
    sent
}

/// Returns the capability flags to ask for: those that the proxy and the client's class need, as far as the
/// server has them.
fn agreed(server: Capabilities, class: Class) -> Capabilities {
    let mut agreed = server & (Capabilities::ALWAYS | class.capabilities);
    if flavor(server) == Flavor::MySql {
        agreed |= Capabilities::LONG_PASSWORD;
    }
    agreed
}

/// Returns how the connection is compressed behind the login.
pub(super) fn algorithm(agreed: Capabilities) -> Option<Algorithm> {
    if agreed.contains(Capabilities::COMPRESS) {
        Some(Algorithm::Zlib)
    } else {
        agreed.contains(Capabilities::ZSTD_COMPRESSION_ALGORITHM).then_some(Algorithm::Zstd(ZSTD_LEVEL))
    }
}

/// True if the server ends a login over TLS with a proof of its certificate: MariaDB since 11.4. Its version may begin with a
/// `5.5.5-` for old replicas.
fn proves_certificate(greeting: &Greeting) -> bool {
    let version = greeting.version.strip_prefix(b"5.5.5-").unwrap_or(&greeting.version);
    let mut parts = version.split(|byte| !byte.is_ascii_digit());
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u32>().ok();
    let at_least = number().zip(number()).is_some_and(|version| version >= (11, 4));
    at_least && flavor(greeting.capabilities) == Flavor::MariaDb
}

fn flavor(server: Capabilities) -> Flavor {
    if server.are_of_mariadb() { Flavor::MariaDb } else { Flavor::MySql }
}

#[cfg(test)]
mod tests;
