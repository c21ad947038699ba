//! Who may log in from where and over what, and what is recorded of those who may not.

use std::rc::Rc;
use std::sync::Arc;

use crate::client::{Client, Failure};
use crate::net::Runtime;
use crate::session::Context;
use crate::terms::{Close, Refused};
use crate::worker::admission::{Fault, block_seconds, shown};

/// The connection phase of a client, up to an identity or an ERR packet. COM_CHANGE_USER repeats its second half. It knows
/// the worker and the client's socket, and nothing of a session.
pub(in crate::session) struct LoginPhase<'s, R: Runtime> {
    pub(super) context: &'s Rc<Context<R>>,
    pub(super) client: &'s mut Client<R>,
}

impl<R: Runtime> LoginPhase<'_, R> {
    /// Counts the client as this user, unless the user has reached the limit of its sessions.
    pub(super) fn pass_as(&self, user: &Arc<str>) -> Result<(), Failure> {
        let live = self.context.live();
        let passed = self.client.handle.pass.borrow_mut().log_in(user, &live.limits);
        passed.map_err(|refused| self.refusal(refused, user.as_bytes()))
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
    pub(super) fn note_refusal(&self, refused: Refused, user: &[u8]) {
        self.context.metrics.refused[refused].add(1);
        self.client.greeted.refused.set(Some(refused));
        if let Some(left_out) = self.client.handle.pass.borrow().line() {
            let (id, peer, user, reason) =
                (self.client.handle.id, self.client.handle.peer.get(), shown(user), refused.as_str());
            tracing::info!(id, %peer, user, reason, left_out, "login refused");
        }
    }

    /// Counts and logs a refusal, and returns the error for the client.
    pub(super) fn refusal(&self, refused: Refused, user: &[u8]) -> Failure {
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
    pub(super) fn login_ended(&self, close: Close) {
        let refused = match close {
            Close::ClientLost => Refused::Aborted,
            Close::ClientProtocol => Refused::Handshake,
            Close::LoginTimeout => Refused::Timeout,
            _ => return,
        };
        self.client.handle.pass.borrow().failed(Fault::Handshake, &self.context.live().limits);
        self.note_refusal(refused, b"");
    }
}
