//! Makes spans of a traced statement: one for the statement, and one for each of its steps. The attributes follow the
//! semantic conventions for databases; those of the proxy itself begin with `pointsman.`.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use tokio::time::Instant;

use super::summary::{operation, summary};
use crate::telemetry::traces::{Step, TraceRecord, TracedServer};
use crate::terms::{Role, TraceStep};

/// Makes spans.
pub(super) struct Spans {
    ids: RandomIdGenerator,
    scope: InstrumentationScope,
}

/// What the spans of one statement have in common.
struct Common {
    trace: TraceId,
    state: TraceState,
    /// An instant, and the time of day at this instant.
    clock: (Instant, SystemTime),
    /// The statement's own span.
    root: SpanId,
}

impl Common {
    /// Returns the time of day at an instant.
    fn time(&self, at: Instant) -> SystemTime {
        let (instant, time) = self.clock;
        time.checked_sub(instant.saturating_duration_since(at)).unwrap_or(time)
    }
}

impl Spans {
    /// Creates the maker.
    pub fn new() -> Self {
        let scope =
            InstrumentationScope::builder("pointsman").with_version(env!("CARGO_PKG_VERSION")).build();
        Spans { ids: RandomIdGenerator::default(), scope }
    }

    /// Adds the spans of a statement to `batch`.
    pub fn add(&mut self, record: TraceRecord, batch: &mut Vec<SpanData>) {
        let common = Common {
            trace: TraceId::from(record.trace.id),
            state: TraceState::from_str(&record.trace.state).unwrap_or_default(),
            clock: (record.ended, UNIX_EPOCH + Duration::from_micros(record.ended_us)),
            root: self.ids.new_span_id(),
        };
        let ids: Vec<_> = record.trace.steps.iter().map(|_| self.ids.new_span_id()).collect();
        batch.push(self.statement(&record, &common));
        for (step, id) in record.trace.steps.iter().zip(&ids) {
            let parent = step.parent.and_then(|at| ids.get(at)).copied().unwrap_or(common.root);
            batch.push(self.step(step, (*id, parent), &record, &common));
        }
    }

    fn statement(&self, record: &TraceRecord, common: &Common) -> SpanData {
        let parent = record.trace.parent.map_or(SpanId::INVALID, SpanId::from);
        let server = record.trace.steps.iter().rev().find_map(|step| step.server.as_ref());
        let mut attributes = of_statement(record, server);
        let (figures, put) = (&record.figures, &mut attributes);
        add(put, "pointsman.session", i64::from(record.session));
        add(put, "pointsman.user", record.user.to_string());
        add(put, "pointsman.port", record.port.as_str());
        add(put, "pointsman.level", record.level);
        if let Some(kind) = record.kind {
            add(put, "pointsman.kind", kind.as_str());
        }
        if let Some((role, why)) = figures.placed {
            add(put, "pointsman.role", Role::target(role));
            add(put, "pointsman.reason", why.as_str());
        }
        if let Some((number, _)) = &record.digest {
            add(put, "pointsman.digest", format!("0x{number:016x}"));
        }
        if figures.repeated > 0 {
            add(put, "pointsman.repeated", i64::from(figures.repeated));
        }
        if record.trace.left_out > 0 {
            add(put, "pointsman.steps_left_out", i64::from(record.trace.left_out));
        }
        add(put, "db.response.returned_rows", number(figures.rows_sent));
        if let Some(client) = record.client {
            add(put, "network.peer.address", client.ip().to_string());
            add(put, "network.peer.port", i64::from(client.port()));
        }
        if let Some(closed) = record.closed {
            add(put, "pointsman.closed", closed.as_str());
        }
        let status = match (record.error, record.closed) {
            (Some(code), _) => Status::error(format!("error {code}")),
            (None, Some(closed)) => Status::error(closed.as_str()),
            (None, None) => Status::Unset,
        };
        let times = (record.trace.began, record.ended);
        let mut span = self.span((common.root, parent), common, times, name(record));
        (span.span_kind, span.parent_span_is_remote) = (SpanKind::Server, record.trace.parent.is_some());
        (span.attributes, span.status) = (attributes, status);
        span
    }

    fn step(&self, step: &Step, ids: (SpanId, SpanId), record: &TraceRecord, common: &Common) -> SpanData {
        let times = (step.began, step.ended.unwrap_or(record.ended));
        let mut span = self.span(ids, common, times, step.kind.as_str().into());
        let put = &mut span.attributes;
        if step.kind == TraceStep::Server {
            *put = of_statement(record, step.server.as_ref());
            add(put, "db.response.returned_rows", number(step.rows));
            span.span_kind = SpanKind::Client;
        }
        if let Some(server) = &step.server {
            add(put, "pointsman.server", server.name.to_string());
            let (host, port) = host_and_port(&server.address);
            add(put, "server.address", host.to_owned());
            if let Some(port) = port {
                add(put, "server.port", i64::from(port));
            }
        }
        if !step.outcome.is_empty() {
            add(put, "pointsman.outcome", step.outcome);
        }
        if let Some(position) = &step.note {
            add(put, "pointsman.position", position.to_string());
        }
        // Behind those of the statement: this server's own answer counts.
        put.retain(|pair| !matches!(pair.key.as_str(), "db.response.status_code" | "error.type"));
        if let Some(code) = step.error {
            add(put, "db.response.status_code", code.to_string());
            add(put, "error.type", code.to_string());
            span.status = Status::error(format!("error {code}"));
        }
        span
    }

    fn span(
        &self,
        (id, parent): (SpanId, SpanId),
        common: &Common,
        (began, ended): (Instant, Instant),
        name: Cow<'static, str>,
    ) -> SpanData {
        let state = common.state.clone();
        SpanData {
            span_context: SpanContext::new(common.trace, id, TraceFlags::SAMPLED, false, state),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time: common.time(began),
            end_time: common.time(ended),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// Returns the attributes that the conventions ask for.
fn of_statement(record: &TraceRecord, server: Option<&TracedServer>) -> Vec<KeyValue> {
    let mut all = Vec::with_capacity(20);
    let is_mariadb = server.is_some_and(|server| server.is_mariadb);
    add(&mut all, "db.system.name", if is_mariadb { "mariadb" } else { "mysql" });
    if !record.schema.is_empty() {
        add(&mut all, "db.namespace", record.schema.to_string());
    }
    if let Some((_, text)) = record.digest.as_ref().filter(|(_, text)| !text.is_empty()) {
        if record.prepares {
            add(&mut all, "db.operation.name", "PREPARE");
        } else if let Some(operation) = operation(text) {
            add(&mut all, "db.operation.name", operation.to_ascii_uppercase());
        }
        if let Some(summary) = summary(text) {
            add(&mut all, "db.query.summary", summary);
        }
        add(&mut all, "db.query.text", text.to_string());
    }
    if let Some(code) = record.error {
        add(&mut all, "db.response.status_code", code.to_string());
        add(&mut all, "error.type", code.to_string());
    }
    all
}

/// Returns the name of the statement's span.
fn name(record: &TraceRecord) -> Cow<'static, str> {
    let summary = record.digest.as_ref().and_then(|(_, text)| summary(text));
    match summary {
        Some(summary) if record.prepares => format!("PREPARE {summary}").into(),
        Some(summary) => summary.into(),
        None => "statement".into(),
    }
}

/// Splits the address of a server: `host:port`, or `unix:/path`.
fn host_and_port(address: &str) -> (&str, Option<u16>) {
    if let Some(path) = address.strip_prefix("unix:") {
        return (path, None);
    }
    let Some((host, port)) = address.rsplit_once(':') else { return (address, None) };
    (host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok())
}

fn add(attributes: &mut Vec<KeyValue>, key: &'static str, value: impl Into<opentelemetry::Value>) {
    attributes.push(KeyValue::new(key, value));
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
