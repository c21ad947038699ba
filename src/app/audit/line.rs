//! An event as a line of JSON.

use serde::Serialize;

use crate::telemetry::AuditRecord;
use crate::telemetry::stream::rfc_time;

/// Field names are a contract: add, never rename.
#[derive(Serialize)]
struct AuditLine<'a> {
    time: String,
    event: &'static str,
    user: &'a str,
    client: String,
    session: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    schema: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    statement: &'a str,
    /// `ok` or `failed`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u64>,
}

/// Returns the line, with its end.
pub(super) fn line(record: &AuditRecord) -> String {
    let line = AuditLine {
        time: rfc_time(record.time_us),
        event: record.kind.as_str(),
        user: &record.user,
        client: match record.client {
            Some(address) => address.to_string(),
            // No session: a signal, or a file.
            None if record.session == 0 => "none".to_owned(),
            None => "unix".to_owned(),
        },
        session: record.session,
        schema: &record.schema,
        statement: &record.statement,
        outcome: if record.outcome.failed { "failed" } else { "ok" },
        error: record.outcome.error,
        reason: record.outcome.reason,
        left_out: Some(record.left_out).filter(|n| *n > 0),
    };
    // Texts and numbers cannot fail.
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}
