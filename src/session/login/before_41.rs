//! A client that speaks the protocol from before version 4.1, as HAProxy's `option mysql-check user … pre-41` does. MySQL
//! refuses such clients. MariaDB lets them in, if their account needs no more than `mysql_native_password`, and so does the
//! proxy. Its servers' answers are in another format, though, so only COM_PING and COM_QUIT work: what a health check needs.

use super::begin::greeting_facts;
use super::entry::LoginPhase;
use super::phase::{LoginClaim, payload};
use crate::backend::{DEFAULT_COLLATION, ServerError};
use crate::client::Failure;
use crate::net::{Buf, Runtime};
use crate::session::Session;
use crate::session::common::ok_before_41;
use crate::terms::{Close, Refused};
use crate::topology::Flavor;
use crate::wire::error_code::ER_NOT_SUPPORTED_AUTH_MODE;
use crate::wire::{Capabilities, HandshakeResponse320, PacketHeader, ProtocolError};

/// The command bytes.
const COM_QUIT: u8 = 1;
const COM_PING: u8 = 0x0e;

impl<R: Runtime> Session<R> {
    /// Logs such a client in, and answers it until it leaves. `buf` begins with its handshake response. Returns how the session
    /// ends.
    pub(super) async fn serve_before_41(&mut self, mut buf: Buf) -> Close {
        let Some(header) = PacketHeader::parse(buf.filled()) else { return Close::ClientProtocol };
        let acceptor = self.context.runtime.acceptor(&self.client.handle.entrance.listener);
        let requires_tls = acceptor.is_required() && !self.client.is_private();
        let buf = &mut buf;
        self.client.greeted.is_before_41 = true;
        let of_mariadb =
            greeting_facts(&self.context.topology.get()).is_some_and(|f| f.flavor == Flavor::MariaDb);
        let parsed = HandshakeResponse320::parse(payload(buf, header));
        // MySQL knows the form only with an answer to the nonce.
        let parsed = parsed.and_then(|response| {
            let is_known = of_mariadb || response.capabilities.contains(Capabilities::SECURE_CONNECTION);
            is_known.then_some(response).ok_or(ProtocolError::Unsupported("the 4.1 protocol"))
        });
        let claim = parsed.map(|response| LoginClaim {
            user: response.user.to_vec(),
            response: response.auth_response.to_vec(),
            plugin: None,
            schema: response.schema.map(<[u8]>::to_vec),
            collation: DEFAULT_COLLATION,
            attributes: Vec::new(),
            level: None,
        });
        buf.consume(header.total());
        let claim = match claim {
            Ok(claim) => claim,
            Err(e) => {
                return self
                    .client
                    .refuse(2, &Failure::Handshake(e.to_string()), Close::ClientProtocol)
                    .await;
            }
        };
        if requires_tls {
            self.login_phase().note_refusal(Refused::InsecureTransport, &claim.user);
            return self.client.refuse(2, &Failure::InsecureTransport, Close::LoginFailed).await;
        }
        // The account is the proxy's business, the protocol that of the servers.
        let takes_nonce = claim.response.is_empty() || claim.response.len() == NATIVE_LEN;
        if !of_mariadb || !takes_nonce {
            return self.client.refuse(2, &Failure::Server(too_old(of_mariadb)), Close::LoginFailed).await;
        }
        match self.log_in_as(claim, false, buf, 2).await {
            Ok(()) => self.login_phase().answer_before_41(buf).await,
            Err(close) => close,
        }
    }
}

impl<R: Runtime> LoginPhase<'_, R> {
    /// Answers the commands of a client that is logged in. Returns how the session ends.
    async fn answer_before_41(&mut self, buf: &mut Buf) -> Close {
        loop {
            let header = match self.login_packet(buf, 0).await {
                Ok(header) => header,
                Err(close) => return close,
            };
            let command = payload(buf, header).first().copied();
            buf.consume(header.total());
            let answered = match command {
                Some(COM_QUIT) => return Close::Quit,
                Some(COM_PING) => self.client.send(1, ok_before_41).await,
                _ => self.client.send_failure(1, &Failure::UnknownCommand).await,
            };
            if let Err(close) = answered {
                return close;
            }
        }
    }
}

/// The length of an answer for `mysql_native_password`, in bytes.
const NATIVE_LEN: usize = 20;

/// Returns ER_NOT_SUPPORTED_AUTH_MODE in the words of the servers.
fn too_old(of_mariadb: bool) -> ServerError {
    let name = if of_mariadb { "MariaDB" } else { "MySQL" };
    let message = format!(
        "Client does not support authentication protocol requested by server; consider upgrading {name} client"
    );
    ServerError::new(ER_NOT_SUPPORTED_AUTH_MODE, message)
}
