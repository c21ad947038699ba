//! What the metrics, traces and the audit log learn of a statement.

mod audited;
mod measured;
mod traced;

pub(in crate::session) use audited::{AuditedEnd, audit_kill, audit_login};
pub(in crate::session) use measured::Measured;
