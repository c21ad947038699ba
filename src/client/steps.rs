//! The time of a command, and its steps if it is traced. The latter does nothing for a command that is not traced.

use std::sync::Arc;

use tokio::time::Instant;

use super::Client;
use crate::net::{Runtime, turn_time};
use crate::telemetry::micros_of;
use crate::telemetry::traces::{Step, StepId, TracedServer};
use crate::terms::TraceStep;
use crate::topology::{Flavor, Server};

impl<R: Runtime> Client<R> {
    /// Returns how long the statement under way has taken, in microseconds.
    pub fn micros(&self) -> u64 {
        micros_of(turn_time().saturating_duration_since(self.handle.began.get()))
    }

    /// Begins a step.
    #[inline]
    pub fn begin_step(&mut self, kind: TraceStep) -> StepId {
        match &mut self.trace {
            None => StepId::NONE,
            Some(trace) => trace.begin(kind),
        }
    }

    /// Ends a step, and the steps that are parts of it.
    #[inline]
    pub fn end_step(&mut self, step: StepId) {
        if let Some(trace) = &mut self.trace {
            trace.end(step);
        }
    }

    /// Ends the last step of this kind that is under way. For futures that have no room for a [`StepId`].
    #[inline]
    pub fn end_last_step(&mut self, kind: TraceStep) {
        if let Some(trace) = &mut self.trace {
            let _ = trace.end_last(kind);
        }
    }

    /// Adds to what is known of a step.
    #[inline]
    pub fn describe_step(&mut self, step: StepId, describe: impl FnOnce(&mut Step)) {
        if let Some(trace) = &mut self.trace
            && let Some(step) = trace.step(step)
        {
            describe(step);
        }
    }

    /// Ends the wait for a server connection. `opening`: when the pool began to open one; from then on the session did not
    /// wait in line.
    pub(crate) fn acquired(&mut self, queue: StepId, server: Option<&Arc<Server>>, opening: Option<Instant>) {
        let Some(trace) = &mut self.trace else { return };
        trace.end(queue);
        let server = server.map(|server| traced_server(server));
        if let Some(step) = trace.step(queue) {
            step.server.clone_from(&server);
            if let Some(opening) = opening {
                step.ended = Some(opening);
            }
        }
        if let Some(opening) = opening {
            let connect = trace.add_past(TraceStep::Connect, opening, Instant::now());
            if let Some(step) = trace.step(connect) {
                step.server = server;
            }
        }
    }
}

/// Returns what a trace says of a server.
pub fn traced_server(server: &Server) -> TracedServer {
    TracedServer {
        name: server.name.clone(),
        address: server.address.clone(),
        is_mariadb: server.facts.as_ref().is_some_and(|facts| facts.flavor == Flavor::MariaDb),
    }
}
