//! The connection phase of the console: TLS if the client asks for it, and the proof of a password. A user who does not
//! exist gets the same packets after the same time as one with a wrong password.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::SCHEMAS;
use super::functions::{MAX_PACKET, VERSION};
use super::link::Link;
use super::outcome::ConsoleError;
use super::places::{ConsolePlace, ConsolePlaces};
use crate::admin::AdminState;
use crate::auth::{self, AuthStep, ExpectedPacket, Plugin, ServerExchange};
use crate::config::{AuditEvents, ConsoleUser, Limits, Live};
use crate::telemetry::{AuditOutcome, AuditRecord};
use crate::terms::AuditKind;
use crate::wire::error_code::{ER_ACCESS_DENIED_ERROR, ER_HOST_IS_BLOCKED};
use crate::wire::{
    AuthSwitchRequest, Capabilities, Greeting, HandshakeResponse, StatusFlags, auth_more_data, is_ssl_request,
};
use crate::worker::admission::{Fault, Pass, block_seconds, shown};

/// How long a refused client waits for its error, so that passwords cannot be tried quickly.
const REFUSED: Duration = Duration::from_millis(500);

/// How long a client may take to read the error that it gets in place of the greeting.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A client that has logged in.
pub(super) struct Entered {
    pub link: Link,
    pub user: ConsoleUser,
    pub schema: &'static str,
    pub place: ConsolePlace,
    /// Counts the client for its address and account. While it lasts, wrong passwords of others at the address block
    /// neither.
    pub pass: Pass,
    /// The connection id.
    pub id: u32,
}

/// What a login needs.
pub(super) struct Door {
    pub peer: SocketAddr,
    pub tls: Option<Arc<ServerConfig>>,
    /// What records refused logins.
    pub admin: AdminState,
    pub live: Arc<Live>,
    /// The connection id.
    pub id: u32,
    /// The places of clients.
    pub places: ConsolePlaces,
    /// Counts wrong passwords; None if the address is blocked for them.
    pub pass: Option<Pass>,
}

/// Returns the limits that hold for the console: those of wrong passwords. The others are about sessions.
pub(super) fn limits(live: &Live) -> Limits {
    Limits { max_connections_per_address: 0, max_user_connections: 0, ..live.limits.clone() }
}

/// Logs a client in. None: the connection ended, and the log says why.
pub(super) async fn login(tcp: TcpStream, door: Door) -> Option<Entered> {
    let peer = door.peer;
    match converse(tcp, door).await {
        Ok(entered) => entered,
        Err(error) => {
            tracing::debug!(%peer, %error, "console: a login broke");
            None
        }
    }
}

async fn converse(tcp: TcpStream, door: Door) -> io::Result<Option<Entered>> {
    let Door { peer, tls, admin, live, id, places, pass } = door;
    let Some(mut pass) = pass else {
        let mut link = Link::new(Box::new(tcp), LAST_WORD);
        link.refuse(&blocked(peer.ip(), &live)).await?;
        return Ok(None);
    };
    let nonce = auth::nonce().map_err(io::Error::other)?;
    let greeting = greeting(nonce, tls.is_some(), id);
    let limit = live.timeouts.login;
    let mut payload = Vec::new();
    greeting.encode(&mut payload);
    let mut link = Link::new(Box::new(tcp), live.timeouts.client_write);
    link.first(&payload).await?;
    let Some(mut packet) = link.read(1, limit).await? else { return Ok(None) };
    if let Some(tls) = tls
        && is_ssl_request(&packet).map_err(io::Error::other)?
    {
        let accepted = tokio::time::timeout(limit, TlsAcceptor::from(tls).accept(link.stream)).await;
        let encrypted = accepted.map_err(|_| io::ErrorKind::TimedOut)??;
        link = Link::new(Box::new(encrypted), live.timeouts.client_write);
        let Some(next) = link.read(2, limit).await? else { return Ok(None) };
        packet = next;
    }
    let response = HandshakeResponse::parse(&packet).map_err(io::Error::other)?;
    link.capabilities = response.capabilities & greeting.capabilities;
    let user = live.admin.console.users.iter().find(|user| user.name.as_bytes() == response.user);
    let limits = limits(&live);
    let proven = prove(&mut link, user, nonce, &response, limit).await?;
    let name = shown(response.user);
    let schema = match response.schema {
        None => Some(SCHEMAS[0]),
        Some(asked) => SCHEMAS.into_iter().find(|known| known.as_bytes() == asked),
    };
    // From here to the record nothing waits: the task may be ended at every await, with its seat.
    let entered = match (user.filter(|_| proven), schema) {
        // Also for the right password, which could be found otherwise while the block lasts.
        _ if pass.is_blocked(response.user) => Err(blocked(peer.ip(), &live)),
        (None, _) => {
            pass.failed(Fault::Password(response.user), &limits);
            let text = format!("Access denied for user '{name}'@'{}' (using password: YES)", peer.ip());
            Err(ConsoleError::new(ER_ACCESS_DENIED_ERROR, text))
        }
        (Some(_), None) => Err(ConsoleError::no_schema(&shown(response.schema.unwrap_or_default()))),
        (Some(user), Some(schema)) => match places.take() {
            Some(place) => Ok((user, schema, place)),
            None => Err(ConsoleError::too_many_clients()),
        },
    };
    let mut record = AuditRecord::now(AuditKind::Login, id, &name, Some(peer));
    if let Err(refusal) = &entered {
        tracing::warn!(target: "audit", user = name, %peer, error = refusal.code, "console: login refused");
        record.outcome = AuditOutcome { failed: true, error: Some(refusal.code), reason: None };
    } else {
        tracing::info!(target: "audit", account = name, %peer, id, "console: login");
    }
    admin.audit(AuditEvents::LOGINS, record);
    let (user, schema, place) = match entered {
        Ok(entered) => entered,
        Err(refusal) => {
            tokio::time::sleep(REFUSED).await;
            link.refuse(&refusal).await?;
            return Ok(None);
        }
    };
    // Has no limit that could be reached.
    let _ = pass.log_in(&user.name, &limits);
    link.longest = MAX_PACKET;
    link.ok().await?;
    Ok(Some(Entered { link, user: user.clone(), schema, place, pass, id }))
}

/// ER_HOST_IS_BLOCKED
fn blocked(host: IpAddr, live: &Live) -> ConsoleError {
    let seconds = block_seconds(&live.limits);
    ConsoleError::new(
        ER_HOST_IS_BLOCKED,
        format!(
            "Host '{host}' is blocked because of many connection errors \
             (pointsman: limits.max_login_errors is reached; it ends by itself within {seconds} s)"
        ),
    )
}

fn greeting(nonce: auth::Nonce, tls: bool, connection_id: u32) -> Greeting {
    let mut capabilities = Capabilities::LONG_PASSWORD
        | Capabilities::LONG_FLAG
        | Capabilities::CONNECT_WITH_DB
        | Capabilities::PROTOCOL_41
        | Capabilities::TRANSACTIONS
        | Capabilities::SECURE_CONNECTION
        | Capabilities::PLUGIN_AUTH
        | Capabilities::CONNECT_ATTRS
        | Capabilities::PLUGIN_AUTH_LENENC_CLIENT_DATA
        | Capabilities::DEPRECATE_EOF;
    capabilities.set(Capabilities::SSL, tls);
    Greeting {
        version: VERSION.into(),
        connection_id,
        nonce,
        capabilities,
        collation: 45,
        status: StatusFlags::AUTOCOMMIT,
        auth_plugin: Plugin::CachingSha2.name().into(),
    }
}

/// Runs the exchange. Returns whether the client knows the password of the account.
async fn prove(
    link: &mut Link,
    user: Option<&ConsoleUser>,
    nonce: auth::Nonce,
    response: &HandshakeResponse<'_>,
    limit: Duration,
) -> io::Result<bool> {
    let password = user.and_then(|user| user.password.as_ref()).filter(|password| !password.is_empty());
    let expected = password
        .map_or(ExpectedPacket::Nobody, |password| ExpectedPacket::Password(password.expose().as_bytes()));
    let exchange = ServerExchange::new(Plugin::CachingSha2, nonce, expected);
    let named = response.capabilities.contains(Capabilities::PLUGIN_AUTH).then_some(response.auth_plugin);
    // A client that begins with another plugin is asked to switch.
    let (plugin, answer) = match named {
        Some(name) if Plugin::from_name(name).is_none() => (Some(&b""[..]), &b""[..]),
        named => (named, response.auth_response),
    };
    let mut step = exchange.respond(plugin, answer);
    loop {
        step = match step {
            AuthStep::Accept(_) => return Ok(true),
            AuthStep::MoreData { data, then } => {
                link.put(|out| auth_more_data(out, &data));
                then.finish()
            }
            AuthStep::AuthSwitch(switched) => {
                let (name, nonce) = (switched.plugin().name().as_bytes(), *switched.nonce());
                link.put(|out| AuthSwitchRequest { plugin: name, data: &nonce }.encode(out));
                link.flush().await?;
                let Some(answer) = link.read(link.seq, limit).await? else {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                };
                switched.respond(&answer)
            }
            _ => return Ok(false),
        };
    }
}
