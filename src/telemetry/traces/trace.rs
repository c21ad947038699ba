//! One traced statement: its steps, and at its end what else is known of it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::super::Figures;
use crate::terms::{Close, Port, StatementKind, TraceStep};

/// The most steps of a statement that are kept. Only a statement that is tried again and again has more.
const MOST_STEPS: usize = 128;

/// A server in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedServer {
    /// Its name.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: Arc<str>,
    /// True for MariaDB.
    pub is_mariadb: bool,
}

/// One step of a statement.
#[derive(Debug, Clone)]
pub struct Step {
    /// What was done.
    pub kind: TraceStep,
    /// The step that this step is a part of: its index.
    pub parent: Option<usize>,
    /// When it began.
    pub began: Instant,
    /// When it ended. None: not yet.
    pub ended: Option<Instant>,
    /// The server.
    pub server: Option<TracedServer>,
    /// How it ended, in a word; empty if there is nothing to say.
    pub outcome: &'static str,
    /// The code of the error with which it ended.
    pub error: Option<u16>,
    /// The rows that passed.
    pub rows: u64,
    /// A position, or whatever else belongs to a step of this kind.
    pub note: Option<Box<str>>,
}

/// Names a step that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct StepId(u8);

impl StepId {
    /// Names no step: the statement is not traced.
    pub const NONE: StepId = StepId(u8::MAX);
}

/// What a traced statement did so far.
#[derive(Debug)]
pub struct Trace {
    /// The trace; never 0.
    pub id: u128,
    /// The client's span. None: the statement begins the trace.
    pub parent: Option<u64>,
    /// The `tracestate` of the client; mostly empty.
    pub state: Box<str>,
    /// When the proxy had read the command.
    pub began: Instant,
    /// The steps, in the order in which they began.
    pub steps: Vec<Step>,
    /// How many further steps were left out.
    pub left_out: u32,
}

impl Trace {
    /// Begins with the step in which the proxy reads the statement.
    pub fn new(id: u128, parent: Option<u64>, state: Box<str>, began: Instant) -> Self {
        let mut trace = Trace { id, parent, state, began, steps: Vec::with_capacity(6), left_out: 0 };
        let _ = trace.add(TraceStep::Route, None, began);
        trace
    }

    /// Begins a step, as a part of the step that is under way. The first step ends the reading of the statement.
    pub fn begin(&mut self, kind: TraceStep) -> StepId {
        let now = Instant::now();
        match self.steps.as_mut_slice() {
            [route] if route.ended.is_none() => route.ended = Some(now),
            _ => {}
        }
        let parent = self.steps.iter().rposition(|step| step.ended.is_none());
        self.add(kind, parent, now)
    }

    /// Adds a step that began and ended already, as a part of the step that is under way.
    pub fn add_past(&mut self, kind: TraceStep, began: Instant, ended: Instant) -> StepId {
        let parent = self.steps.iter().rposition(|step| step.ended.is_none());
        let id = self.add(kind, parent, began);
        if let Some(step) = self.step(id) {
            step.ended = Some(ended);
        }
        id
    }

    fn add(&mut self, kind: TraceStep, parent: Option<usize>, began: Instant) -> StepId {
        let at = self.steps.len();
        let Some(id) = u8::try_from(at).ok().filter(|_| at < MOST_STEPS) else {
            self.left_out += 1;
            return StepId::NONE;
        };
        let (server, note) = (None, None);
        let step = Step { kind, parent, began, ended: None, server, outcome: "", error: None, rows: 0, note };
        self.steps.push(step);
        StepId(id)
    }

    /// Returns a step.
    pub fn step(&mut self, id: StepId) -> Option<&mut Step> {
        self.steps.get_mut(usize::from(id.0))
    }

    /// Ends a step, and the parts of it that are still under way.
    pub fn end(&mut self, id: StepId) {
        self.end_from(usize::from(id.0), Instant::now());
    }

    /// Ends the last step of this kind that is under way, and returns it.
    pub fn end_last(&mut self, kind: TraceStep) -> StepId {
        let last = self.steps.iter().rposition(|step| step.kind == kind && step.ended.is_none());
        let Some(id) = last.and_then(|at| u8::try_from(at).ok()) else { return StepId::NONE };
        self.end(StepId(id));
        StepId(id)
    }

    /// Ends everything.
    pub fn finish(&mut self, now: Instant) {
        self.end_from(0, now);
    }

    fn end_from(&mut self, first: usize, now: Instant) {
        for step in self.steps.iter_mut().skip(first) {
            step.ended.get_or_insert(now);
        }
    }
}

/// A traced statement that has ended.
#[derive(Debug)]
pub struct TraceRecord {
    /// Its steps.
    pub trace: Trace,
    /// When it ended.
    pub ended: Instant,
    /// The same, in microseconds since the Unix epoch.
    pub ended_us: u64,
    /// The connection id of the client.
    pub session: u32,
    /// The client's address; None: a unix socket.
    pub client: Option<SocketAddr>,
    /// The account.
    pub user: Arc<str>,
    /// The default schema.
    pub schema: Box<str>,
    /// The digest's number and text; None: the command has no text.
    pub digest: Option<(u64, Box<str>)>,
    /// True if the statement was only prepared.
    pub prepares: bool,
    /// The kind of the statement.
    pub kind: Option<StatementKind>,
    /// The mode of the client's port.
    pub port: Port,
    /// The consistency level, in a word.
    pub level: &'static str,
    /// The code of the error that the client got.
    pub error: Option<u16>,
    /// Why the client's connection ended with the statement.
    pub closed: Option<Close>,
    /// What it did.
    pub figures: Figures,
}

impl TraceRecord {
    /// Returns about how much memory the record takes, in bytes.
    pub fn bytes(&self) -> usize {
        let digest = self.digest.as_ref().map_or(0, |(_, text)| text.len());
        let notes = self.trace.steps.iter().filter_map(|step| step.note.as_ref()).map(|note| note.len());
        let texts = self.schema.len() + self.trace.state.len() + digest + notes.sum::<usize>();
        size_of::<Self>() + self.trace.steps.capacity() * size_of::<Step>() + texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn steps_nest_and_end_with_what_they_are_parts_of() {
        let mut trace = Trace::new(1, None, "".into(), Instant::now());
        let replay = trace.begin(TraceStep::Replay);
        let queue = trace.begin(TraceStep::Queue);
        trace.end(queue);
        let hold = trace.begin(TraceStep::Hold);
        trace.end(replay);
        let server = trace.begin(TraceStep::Server);
        trace.end(server);
        trace.finish(Instant::now());
        let parents: Vec<_> = trace.steps.iter().map(|step| step.parent).collect();
        assert_eq!(parents, [None, None, Some(1), Some(1), None]);
        assert!(trace.steps.iter().all(|step| step.ended.is_some()));
        assert_eq!(trace.step(hold).unwrap().kind, TraceStep::Hold);
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_has_a_bounded_number_of_steps() {
        let mut trace = Trace::new(1, None, "".into(), Instant::now());
        for _ in 0..1_000 {
            let step = trace.begin(TraceStep::Server);
            trace.end(step);
        }
        assert_eq!(trace.steps.len(), MOST_STEPS);
        assert_eq!(trace.left_out, 1_001 - 128);
        assert_eq!(trace.begin(TraceStep::Hold), StepId::NONE);
        assert!(trace.step(StepId::NONE).is_none());
    }
}
