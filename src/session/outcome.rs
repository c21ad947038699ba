//! What becomes of a statement whose server was lost, or turned out to be no primary.

use std::time::Duration;

use tokio::time::Instant;

use super::attach::Stop;
use super::exchange::Outcome;
use super::guard::may_control;
use super::request::Request;
use super::{Failure, Session};
use crate::backend::ServerError;
use crate::net::{Buf, Runtime};
use crate::sql;
use crate::telemetry::{Close, Disruption};
use crate::topology::ServerId;
use crate::wire::{Capabilities, Command, ResponseWalker, query_text};

impl<R: Runtime> Session<R> {
    /// The connection broke, or its server was given up. `sent`: any byte of the request was taken;
    /// `forwarded`: the client has a part of the answer.
    pub(super) fn lost(
        &mut self,
        sent: bool,
        forwarded: bool,
        walker: &ResponseWalker,
        buf: &mut Buf,
        mut request: Request,
    ) -> Outcome {
        if let Some(connection) = &self.backend {
            self.context.outside.kick(connection.about.server);
        }
        let read_only = self.class().read_only;
        // With autocommit off, what is not committed is rolled back, also where no transaction was seen yet.
        let open = self.state.in_transaction() || !self.state.carried.autocommit;
        self.server_lost();
        if !open && !forwarded && request.whole && self.state.held().is_none() {
            // Never sent, or nothing that it could have changed.
            if !sent || read_only || self.is_repeatable(buf, request) {
                return Outcome::Again;
            }
        }
        self.state.lost_connection();
        let failure = self.told(sent, open, forwarded, buf, request);
        request.consume_from(buf);
        if forwarded && !walker.between_packets() {
            return Outcome::Stop(0, Stop::Close(Close::ServerLost));
        }
        let stop = match (self.state.held(), failure) {
            // What it held is gone: a client that goes on here would work without it.
            (Some(_), failure @ Failure::OutcomeUnknown) => Stop::TellAndClose(failure, Close::ServerLost),
            (Some(held), _) => Stop::TellAndClose(Failure::StateLost(held), Close::ServerLost),
            (None, failure) => Stop::Tell(failure),
        };
        Outcome::Stop(walker.client_seq(), stop)
    }

    /// Which error is true.
    fn told(&self, sent: bool, open: bool, forwarded: bool, buf: &Buf, request: Request) -> Failure {
        let (failure, disruption) = if open && (!sent || !self.may_end_transaction(buf, request)) {
            (Failure::RolledBack, Disruption::RolledBack)
        } else if self.class().read_only || (request.whole && self.is_repeatable(buf, request)) {
            if forwarded {
                (Failure::AnswerCut, Disruption::AnswerCut)
            } else {
                (Failure::RolledBack, Disruption::RolledBack)
            }
        } else {
            (Failure::OutcomeUnknown, Disruption::OutcomeUnknown)
        };
        self.count(disruption);
        failure
    }

    /// Whether running it twice is the same as running it once.
    fn is_repeatable(&self, buf: &Buf, request: Request) -> bool {
        match request.command {
            Command::InitDb
            | Command::FieldList
            | Command::Statistics
            | Command::ProcessInfo
            | Command::StmtPrepare => true,
            Command::Query => self
                .text_of(buf, request)
                .is_some_and(|text| sql::plain_read::is_plain_read(text, self.state.sql_options())),
            _ => false,
        }
    }

    /// Whether the statement may have committed before the answer was lost.
    fn may_end_transaction(&self, buf: &Buf, request: Request) -> bool {
        match request.command {
            Command::Query => self.text_of(buf, request).is_none_or(may_control),
            Command::StmtExecute | Command::StmtBulkExecute => self.state.may_control(),
            Command::StmtFetch | Command::StmtPrepare | Command::StmtReset | Command::Statistics => false,
            _ => true,
        }
    }

    /// The text of a whole COM_QUERY.
    pub(super) fn text_of<'a>(&self, buf: &'a Buf, request: Request) -> Option<&'a [u8]> {
        let attributes = self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let arguments = request.whole.then(|| request.arguments(buf))?;
        query_text(arguments, attributes).ok()
    }

    /// The server that was taken for the primary says it is read-only, and executed nothing: the statement
    /// waits for the new primary. If the server goes on being the primary, its word goes to the client.
    pub(super) async fn refused(&mut self, error: ServerError, server: ServerId) -> Result<(), Stop> {
        self.context.outside.kick(server);
        if self.state.in_transaction() || self.state.held().is_some() {
            // The transaction cannot go on there, nor the session.
            let held = self.state.held();
            self.server_lost();
            self.state.lost_connection();
            return Err(match held {
                Some(held) => Stop::TellAndClose(Failure::StateLost(held), Close::ServerLost),
                None => {
                    self.count(Disruption::RolledBack);
                    Stop::Tell(Failure::RolledBack)
                }
            });
        }
        self.server_lost();
        let began = Instant::now();
        let interval = self.context.live.borrow().monitor.interval;
        // After this long the probes have seen what the server is now.
        let patience = (interval * 3).max(Duration::from_millis(300));
        let mut was_none = false;
        loop {
            let snapshot = self.context.topology.get();
            match snapshot.writer {
                Some(writer) if writer != server || was_none => return Ok(()),
                Some(_) if began.elapsed() >= patience => return Err(Stop::Tell(Failure::Server(error))),
                Some(_) => {
                    let left = patience.saturating_sub(began.elapsed());
                    self.pause_for_change(left, snapshot.version).await?;
                }
                None => {
                    was_none = true;
                    self.wait_for_change(began, snapshot.version).await?;
                }
            }
        }
    }
}
