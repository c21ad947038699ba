//! How fresh a read must be: what the statement itself says, else the session, its user,
//! its port, the configuration.

use super::Session;
use super::request::Request;
use crate::config::Level;
use crate::net::Runtime;
use crate::telemetry::Port;

impl<R: Runtime> Session<R> {
    /// The level that this statement is read at. Asked for each read, so without a lookup.
    #[inline]
    pub(super) fn level(&self, _request: &Request) -> Level {
        self.level_of_session()
    }

    /// The level of what does not say itself.
    #[inline]
    pub(super) fn level_of_session(&self) -> Level {
        match self.port {
            Port::Replica => Level::Bounded,
            _ => self.context.live.borrow().consistency.level,
        }
    }
}
