//! Who may log in from where and over what, and what is recorded of those who may not.

use std::sync::Arc;

use crate::client::Failure;
use crate::net::{Peer, Runtime, Stream};
use crate::session::Session;
use crate::telemetry::cell_of;
use crate::terms::{Close, Refused};
use crate::worker::admission::{Fault, block_seconds, shown};

impl<R: Runtime> Session<R> {
    /// Counts the client as this user, unless the user has reached the limit of its sessions.
    pub(in crate::session) fn pass_as(&self, user: &Arc<str>) -> Result<(), Failure> {
        let live = self.context.live();
        let passed = self.client.handle.pass.borrow_mut().log_in(user, &live.limits);
        passed.map_err(|refused| self.refusal(refused, user.as_bytes()))
    }

    /// True if `users.from` has the client's address, or does not restrict the user.
    pub(in crate::session) fn may_log_in_from_here(&self, user: &str) -> bool {
        let address = self.client.handle.peer.get().ip();
        self.context.live().users.get(user).is_none_or(|user| user.may_log_in_from(address))
    }

    /// Returns the client's user in the operating system. None: the client came by no unix socket, or through a load
    /// balancer, which is the socket's other end then.
    pub(in crate::session) fn os_user(&self) -> Option<Box<str>> {
        let handle = &self.client.handle;
        let is_direct =
            handle.peer.get() == Peer::Unix && !handle.entrance.proxy_protocol_from.contains(None);
        if is_direct { self.client.stream.os_user() } else { None }
    }

    /// Counts a login that was refused. It counts against the client's address, too, unless the client proved to know the
    /// password, or no server could say so.
    ///
    /// `Refused::Server` helps nobody who guesses: either no server looked at the password, or (as 1040 after the exchange, and
    /// errors about the account) the password was right. A wrong password is `Refused::Password` whatever else the server
    /// suffers from. If such errors counted, an outage of the servers would block the addresses of honest clients.
    pub(in crate::session) fn note_failed_login(&self, refused: Refused, user: &[u8]) {
        if matches!(refused, Refused::Locked | Refused::Expired | Refused::Server | Refused::Aborted) {
            return self.note_refusal(refused, user);
        }
        self.client.handle.pass.borrow().failed(Fault::Password(user), &self.context.live().limits);
        self.note_refusal(refused, user);
    }

    /// Counts why a client is refused. Logs it, too, unless there are too many such lines.
    pub(in crate::session) fn note_refusal(&self, refused: Refused, user: &[u8]) {
        cell_of(&self.context.metrics.refused, refused as usize).add(1);
        self.measured.refused.set(Some(refused));
        if let Some(left_out) = self.client.handle.pass.borrow().line() {
            let (id, peer, user, reason) =
                (self.client.handle.id, self.client.handle.peer.get(), shown(user), refused.as_str());
            tracing::info!(id, %peer, user, reason, left_out, "login refused");
        }
    }

    /// Counts and logs a refusal, and returns the error for the client.
    pub(in crate::session) fn refusal(&self, refused: Refused, user: &[u8]) -> Failure {
        self.note_refusal(refused, user);
        match refused {
            Refused::UserConnections => Failure::TooManyOfUser(shown(user)),
            _ => Failure::Blocked(
                self.client.handle.peer.get().host(),
                block_seconds(&self.context.live().limits),
            ),
        }
    }

    /// Records a login that ended without a session. A handshake that was broken off, took too long or was
    /// malformed counts against the client's address.
    pub(in crate::session) fn login_ended(&self, close: Close) {
        let refused = match close {
            Close::ClientLost => Refused::Aborted,
            Close::ClientProtocol => Refused::Handshake,
            Close::LoginTimeout => Refused::Timeout,
            _ => return,
        };
        self.client.handle.pass.borrow().failed(Fault::Handshake, &self.context.live().limits);
        self.note_refusal(refused, b"");
    }

    /// True if nobody can listen to the connection: it is encrypted, or a unix socket.
    pub(in crate::session) fn is_private(&self) -> bool {
        self.client.handle.tls.get().is_some() || self.client.handle.peer.get().origin().is_none()
    }
}
