//! What the statement under way did, for the sums by digest.

use std::rc::Rc;

use tokio::time::Instant;

use super::Session;
use crate::client::{Failure, Request};
use crate::net::Runtime;
use crate::sql::digest::Digest;
use crate::telemetry::Figures;
use crate::terms::{Role, Why};
use crate::wire::Command;

/// What a statement did so far.
#[derive(Default)]
pub(super) struct Measured {
    /// Its digest. None for commands without a text.
    pub digest: Option<Rc<Digest>>,
    /// The rows that the client got.
    pub rows_sent: u64,
    /// The bytes that the client got.
    pub bytes_out: u64,
    bytes_in: u64,
    /// False for a COM_STMT_PREPARE, whose text is not executed.
    counts: bool,
    /// True if the proxy has begun to run it: from then on, `Session::began` is its time.
    pub runs: bool,
}

impl Measured {
    /// Begins with a request.
    pub fn begin(&mut self, request: &Request) {
        self.digest = None;
        (self.counts, self.runs) = (request.command != Command::StmtPrepare, false);
        (self.rows_sent, self.bytes_out) = (0, 0);
        self.bytes_in = request.header.total() as u64;
    }
}

impl<R: Runtime> Session<R> {
    /// Returns how long the statement under way has taken, in microseconds.
    pub(super) fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Adds the statement that a server executed to the sums of its digest.
    #[inline]
    pub(super) fn count_digest(&self, placed: (Role, Why), micros: u64) {
        let Some(digest) = &self.measured.digest else { return };
        self.add_to(digest, Some(placed), self.state.answer.code, micros);
    }

    /// Adds a statement for which the client gets an error of the proxy to the sums of its digest.
    pub(super) fn count_failure(&self, failure: &Failure) {
        let Some(digest) = &self.measured.digest else { return };
        let micros = if self.measured.runs { self.micros() } else { 0 };
        self.add_to(digest, None, Some(failure.parts().0), micros);
    }

    fn add_to(&self, digest: &Rc<Digest>, placed: Option<(Role, Why)>, error: Option<u16>, micros: u64) {
        let Some(login) = self.client.login.as_ref().filter(|_| self.measured.counts) else { return };
        let figures = Figures {
            began: if self.measured.runs { self.began } else { Instant::now() },
            micros,
            waited: u64::try_from(self.client.budget.spent().as_micros()).unwrap_or(u64::MAX),
            placed,
            error,
            rows_sent: self.measured.rows_sent,
            rows_affected: if placed.is_some() { self.state.answer.affected } else { 0 },
            bytes_in: self.measured.bytes_in,
            bytes_out: self.measured.bytes_out,
        };
        let schema = self.state.carried.schema.as_deref().unwrap_or_default();
        let digest = (digest.id(), digest.text());
        self.context.digests.borrow_mut().count(&login.user, schema, digest, &figures);
    }
}
