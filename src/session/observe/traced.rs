//! Traces of statements: which one is traced, and what its spans tell. A statement that is not traced costs one look.

use std::borrow::Cow;

use tokio::time::Instant;

use super::Observation;
use crate::client::{Request, traced_server};
use crate::config::Choice;
use crate::net::Runtime;
use crate::session::fresh::Freshness;
use crate::sql::comment_value;
use crate::telemetry::micros_of;
use crate::telemetry::stream::unix_us;
use crate::telemetry::traces::{Sampled, StepId, Trace, TraceRecord};
use crate::terms::{Close, Fresh, TraceStep};
use crate::topology::ServerId;
use crate::wire::{Command, Execute, TraceParent, query_attribute, query_text};

/// The longest `tracestate` that is passed on, in bytes: what the standard asks for.
const MAX_STATE: usize = 512;

/// The longest position in a span, in bytes.
const MAX_POSITION: usize = 256;

/// How a try ended.
pub(in crate::session) struct EndedTry {
    /// A word for it.
    pub outcome: &'static str,
    /// The code of the server's error.
    pub error: Option<u16>,
    /// The rows that the client got.
    pub rows: u64,
}

/// The query attributes, and the keys in comments.
const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

impl<R: Runtime> Observation<'_, R> {
    /// Decides whether a command is traced, and begins its trace.
    #[inline(never)]
    pub(in crate::session) fn begin_trace(&mut self, request: &Request) {
        let statements =
            [Command::Query, Command::StmtPrepare, Command::StmtExecute, Command::StmtBulkExecute];
        if !statements.contains(&request.command) {
            return;
        }
        let parent = self.said_by_client(request, PARENT);
        let parent = parent.and_then(|value| TraceParent::parse(&value));
        match self.context.traces.decide(parent.map(|parent| (parent.trace, parent.sampled))) {
            Sampled::No => {}
            Sampled::OverLimit => self.context.metrics.traces_over_limit.add(1),
            Sampled::Yes(new) => {
                let state = parent.and_then(|_| self.said_by_client(request, STATE));
                let state = state.filter(|state| state.len() <= MAX_STATE);
                let state = state.and_then(|state| std::str::from_utf8(&state).ok().map(Box::from));
                let (id, span) = parent.map_or((new, None), |parent| (parent.trace, Some(parent.span)));
                let trace = Trace::new(id, span, state.unwrap_or_default(), Instant::now());
                self.client.trace = Some(Box::new(trace));
            }
        }
    }

    /// Returns what the client says with a command: in a query attribute, or else in a comment of the text.
    fn said_by_client<'a>(&self, request: &'a Request, key: &str) -> Option<Cow<'a, [u8]>> {
        let (arguments, attributes) = (request.arguments(), self.client.has_attributes());
        match request.command {
            _ if !request.whole => None,
            Command::Query => {
                let text = query_text(arguments, attributes).ok()?;
                let attribute = attributes.then(|| query_attribute(arguments, key)).flatten();
                attribute.map(Cow::Borrowed).or_else(|| self.in_comment(text, key))
            }
            Command::StmtPrepare => self.in_comment(arguments, key),
            // The comments of its text are those of the prepare, and belong to another trace.
            Command::StmtExecute if attributes => {
                let id = arguments.first_chunk::<4>().copied().map(u32::from_le_bytes)?;
                let id = self.state.statements.meant(id);
                // Values that were sent in advance are not in the packet, so nothing behind them can be found.
                let prepared = self.state.statements.peek(id).filter(|p| p.long_data.is_none())?;
                let params = prepared.params;
                let execute = Execute::parse(request.payload(), params, true).ok()?;
                execute.attribute(params, key).map(Cow::Borrowed)
            }
            _ => None,
        }
    }

    fn in_comment<'a>(&self, text: &[u8], key: &str) -> Option<Cow<'a, [u8]>> {
        comment_value(text, self.state.sql_options(), key).map(Cow::Owned)
    }

    /// Begins a try of the statement on the connection in use.
    pub(in crate::session) fn begin_try(&mut self, server: Option<ServerId>) {
        let step = self.client.begin_step(TraceStep::Server);
        self.name_server(step, server);
    }

    /// Ends a try.
    pub(in crate::session) fn end_try(&mut self, ended: &EndedTry) {
        let Some(trace) = &mut self.client.trace else { return };
        let step = trace.end_last(TraceStep::Server);
        self.client.describe_step(step, |step| {
            (step.outcome, step.error, step.rows) = (ended.outcome, ended.error, ended.rows);
        });
    }

    /// Ends the wait for a position and a replica. `chosen`: the replica that is fresh enough, if the position is known.
    pub(in crate::session) fn end_barrier(
        &mut self,
        step: StepId,
        freshness: &Freshness,
        chosen: Option<ServerId>,
        outcome: Option<Fresh>,
    ) {
        let (server, position) = match freshness {
            Freshness::Position(position) => (chosen, Some(position.to_string())),
            Freshness::On(server) => (Some(*server), None),
            _ => (None, None),
        };
        self.client.end_step(step);
        self.name_server(step, server);
        self.client.describe_step(step, |step| {
            step.outcome = outcome.map_or("", Fresh::as_str);
            step.note = position.map(|mut position| {
                position.truncate(MAX_POSITION);
                position.into()
            });
        });
    }

    fn name_server(&mut self, step: StepId, server: Option<ServerId>) {
        let snapshot = self.context.topology.get();
        let server = server.and_then(|server| snapshot.server(server)).map(|server| traced_server(server));
        self.client.describe_step(step, |step| step.server = server);
    }

    /// Ends the trace of the command under way, and sends it to be exported. `closed`: why the session ends with it.
    #[cold]
    pub(in crate::session) fn finish_trace(&mut self, closed: Option<Close>) {
        let (Some(trace), Some(login)) = (&self.client.trace, &self.client.login) else { return };
        let (user, ended) = (login.user.clone(), Instant::now());
        let micros = micros_of(ended.saturating_duration_since(trace.began));
        let error = self.measured.error.get();
        let figures = self.figures(self.measured.placed.get(), error, micros);
        let digest = self.client.handle.statement.borrow().clone();
        let Some(mut trace) = self.client.trace.take() else { return };
        trace.finish(ended);
        let record = TraceRecord {
            trace: *trace,
            ended,
            ended_us: unix_us(),
            session: self.client.handle.id,
            client: self.client.handle.peer.get().address(),
            user,
            schema: String::from_utf8_lossy(self.state.carried.schema.as_deref().unwrap_or_default()).into(),
            digest: digest.map(|digest| (digest.id(), digest.text().into())),
            prepares: self.measured.command == Some(Command::StmtPrepare),
            kind: self.measured.class.map(|class| class.kind),
            port: self.client.port,
            level: self.level.word(),
            error,
            closed,
            figures,
        };
        self.context.outside.trace(Box::new(record));
    }
}
