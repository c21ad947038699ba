//! What the metrics, traces and the audit log learn of a statement: an [`Observation`] looks at the session's parts, and changes
//! none but the client's trace and what was measured.

mod audited;
mod measured;
mod traced;

pub(in crate::session) use audited::{AuditedEnd, audit_kill, audit_login};
pub(in crate::session) use measured::Measured;
pub(in crate::session) use traced::EndedTry;

use super::Context;
use crate::client::Client;
use crate::config::Level;
use crate::net::Runtime;
use crate::state::SessionState;

/// The parts of a session that are looked at.
pub(in crate::session) struct Observation<'s, R: Runtime> {
    pub(super) context: &'s Context<R>,
    pub(super) client: &'s mut Client<R>,
    pub(super) measured: &'s mut Measured,
    pub(super) state: &'s SessionState,
    /// How fresh its reads are.
    pub(super) level: Level,
}
