//! What the statement under way did, for the sums by digest.

use std::cell::Cell;
use std::num::NonZeroU128;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::Observation;
use super::audited::AuditedEnd;
use crate::client::{Failure, PacketRun, RequestHead, StatementError};
use crate::net::{Buf, Runtime};
use crate::session::Context;
use crate::sql::digest::Digest;
use crate::sql::{Effects, StatementClass};
use crate::state::{AskedText, PinSet};
use crate::telemetry::micros_of;
use crate::telemetry::stream::{ExecutedStatement, SLOW};
use crate::telemetry::{Figures, Waits};
use crate::terms::{Disruption, PerRole, Reader, Role, StatementKind, Why};
use crate::topology::ServerId;
use crate::upstream::Pumped;
use crate::wire::Command;

/// The longest text that readers of the stream get, in bytes.
const MAX_SHOWN: usize = 4_096;

/// What a statement did so far.
#[derive(Default)]
pub(in crate::session) struct Measured {
    /// The address of the session's carried state when the statement arrived. Another address afterwards means that the state
    /// has changed.
    pub carried: usize,
    /// The rows that the client got.
    pub rows_sent: u64,
    /// The bytes that the client got.
    pub bytes_out: u64,
    /// How long it waited for a server connection and for a position; `Budget` has how long for a primary.
    pub waits: Waits,
    /// How often a server had it before the try whose answer the client got.
    pub repeated: u32,
    /// The effects of a failover on it: a bit for the index of each [`Disruption`].
    disruptions: u16,
    /// What kept the session on its connections before.
    pins: PinSet,
    bytes_in: u64,
    /// False for a COM_STMT_PREPARE, whose text is not executed.
    counts: bool,
    /// True if the proxy has begun to run it: from then on, `Handle::began` is its time.
    pub runs: bool,
    /// Its class. None before it is sent to a server.
    pub class: Option<StatementClass>,
    /// The command.
    pub command: Option<Command>,
    /// Its text, if readers get literals.
    pub text: Option<Box<str>>,
    /// The digest of the text that an EXECUTE names.
    pub executed: Option<Rc<Digest>>,
    /// The server that was lost with it, if one was.
    pub lost_on: Option<ServerId>,
    /// The role of the server that executed it, and the reason for this role.
    pub placed: Cell<Option<(Role, Why)>>,
    /// The code of the error that the client got.
    pub error: Cell<Option<u16>>,
    /// The rest of the request that the client has still to send, if the server answers before.
    pub unread: Option<PacketRun>,
    /// Its text, while its answer is under way.
    pub asked: Option<Rc<AskedText>>,
    /// What was read from the server when a write to it had failed, before the request was sent to its end.
    pub early: Option<(Result<Pumped, StatementError>, Buf)>,
    /// True if the audit log has it.
    pub audited: Cell<bool>,
}

impl Measured {
    /// Counts an effect of a failover on the statement under way, or on its session.
    pub(in crate::session) fn disrupted<R: Runtime>(&mut self, context: &Context<R>, disruption: Disruption) {
        context.count(disruption);
        self.disruptions |= 1 << disruption as u16;
    }

    /// Keeps the text of the statement under way for the readers of the stream, unless it may have a password.
    #[cold]
    pub(in crate::session) fn keep_text<R: Runtime>(&mut self, context: &Context<R>, text: &[u8]) {
        if context.taps.is_watched() && !names_password(text) {
            let text = text.get(..MAX_SHOWN).unwrap_or(text);
            self.text = Some(String::from_utf8_lossy(text).into());
        }
    }

    /// Begins with a request.
    fn begin(&mut self, request: &RequestHead, pins: PinSet) {
        (self.class, self.command) = (None, Some(request.command));
        (self.text, self.executed) = (None, None);
        (self.unread, self.early, self.asked) = (None, None, None);
        self.audited.set(false);
        self.placed.set(None);
        self.error.set(None);
        (self.counts, self.runs) = (request.command != Command::StmtPrepare, false);
        (self.rows_sent, self.bytes_out, self.repeated, self.disruptions) = (0, 0, 0, 0);
        (self.waits, self.pins) = (Waits::default(), pins);
        self.bytes_in = request.header.total() as u64;
    }
}

impl<R: Runtime> Observation<'_, R> {
    /// Begins with a request.
    pub(in crate::session) fn begin(&mut self, request: &RequestHead) {
        self.client.handle.statement.replace(None);
        self.measured.begin(request, self.state.pins.on_both());
    }

    /// Shows the rest of the process what the session has become.
    pub(in crate::session) fn show(&self) {
        let (handle, pins, schema) = (&self.client.handle, &self.state.pins, &self.state.carried.schema);
        let [primary, replica] = [Role::Primary, Role::Replica].map(|role| pins.on(role).bits());
        handle.pins.set(PerRole { primary, replica });
        let is_shown = match (&*handle.schema.borrow(), schema) {
            (None, None) => true,
            (Some(shown), Some(schema)) => Rc::ptr_eq(shown, schema),
            _ => false,
        };
        if !is_shown {
            handle.schema.replace(schema.clone());
        }
    }

    /// Returns how long the statement under way has waited in the proxy.
    pub(in crate::session) fn waits(&self) -> Waits {
        Waits { hold: micros_of(self.client.budget.spent()), ..self.measured.waits }
    }

    /// Counts the statement that a server executed.
    pub(in crate::session) fn count_statement(&self, request: &RequestHead, role: Role, why: Why) {
        self.context.metrics.placed.at(request.class.kind, role, why).add(1);
        let (micros, metrics) = (self.client.micros(), &self.context.metrics);
        metrics.latency[self.client.port].observe_us(micros);
        let connection = self.state.last.connection;
        let on = connection.map(|at| (at.server.0, micros.saturating_sub(self.waits().sum())));
        if let Some((server, us)) = on {
            metrics.server_latencies.observe_us(server, us);
        }
        if let Some(trace) = &self.client.trace {
            metrics.exemplar(trace.id, self.client.port, micros, on);
        }
        if let Some(code) = self.state.answer.code {
            metrics.server_errors.count(code);
        }
        self.count_digest((role, why), micros);
    }

    /// Adds the statement that a server executed to the sums of its digest.
    #[inline]
    fn count_digest(&self, placed: (Role, Why), micros: u64) {
        self.audit_statement(AuditedEnd::Answered(self.state.answer.code));
        self.measured.placed.set(Some(placed));
        self.measured.error.set(self.state.answer.code);
        let statement = self.client.handle.statement.borrow();
        let Some(digest) = &*statement else { return };
        self.add_to(digest, Some(placed), self.state.answer.code, micros);
    }

    /// Adds a statement for which the client gets an error of the proxy to the sums of its digest.
    pub(in crate::session) fn count_failure(&mut self, failure: &Failure) {
        if matches!(failure, Failure::NoPrimary(..)) {
            // The metrics have it already.
            self.measured.disruptions |= 1 << Disruption::HoldExpired as u16;
        }
        self.audit_statement(AuditedEnd::Answered(Some(failure.parts().0)));
        self.measured.error.set(Some(failure.parts().0));
        let statement = self.client.handle.statement.borrow();
        let Some(digest) = &*statement else { return };
        let micros = if self.measured.runs { self.client.micros() } else { 0 };
        self.add_to(digest, None, Some(failure.parts().0), micros);
    }

    fn add_to(&self, digest: &Digest, placed: Option<(Role, Why)>, error: Option<u16>, micros: u64) {
        let Some(login) = self.client.login.as_ref().filter(|_| self.measured.counts) else { return };
        let figures = self.figures(placed, error, micros);
        let schema = self.state.carried.schema.as_deref().unwrap_or_default();
        let digest = (digest.id(), digest.text());
        self.context.digests.borrow_mut().count(&login.user, schema, digest, &figures);
        if self.context.taps.may_want(micros) {
            self.offer(&login.user, digest, &figures);
        }
    }

    /// Returns what the statement under way did.
    pub(in crate::session) fn figures(
        &self,
        placed: Option<(Role, Why)>,
        error: Option<u16>,
        micros: u64,
    ) -> Figures {
        Figures {
            trace: self.client.trace.as_ref().and_then(|trace| NonZeroU128::new(trace.id)),
            began: if self.measured.runs { self.client.handle.began.get() } else { Instant::now() },
            micros,
            waits: self.waits(),
            pins: self.state.pins.on_both().without(self.measured.pins).bits(),
            repeated: self.measured.repeated,
            disruptions: self.measured.disruptions,
            placed,
            error,
            rows_sent: self.measured.rows_sent,
            rows_affected: if placed.is_some() { self.state.answer.affected } else { 0 },
            bytes_in: self.measured.bytes_in,
            bytes_out: self.measured.bytes_out,
        }
    }

    /// Returns the text of the statement, unless it may have a password.
    fn shown_text(&self) -> Option<&str> {
        let text = self.measured.text.as_deref()?;
        self.measured.class.is_some_and(may_be_shown).then_some(text)
    }

    /// Shows the statement to the readers of the stream.
    #[cold]
    fn offer(&self, user: &Arc<str>, digest: (u64, &str), figures: &Figures) {
        let snapshot = self.context.topology.get();
        let server = figures.placed.and(self.state.last.connection);
        let server = server.and_then(|at| snapshot.server(at.server)).map(|server| &server.name);
        let seen = ExecutedStatement {
            session: self.client.handle.id,
            client: self.client.handle.peer.get().address(),
            user,
            schema: self.state.carried.schema.as_deref().unwrap_or_default(),
            digest,
            text: self.shown_text(),
            kind: self.measured.class.map(|class| class.kind),
            server,
            level: self.level as usize,
            figures,
        };
        let dropped = &self.context.metrics.stream_dropped;
        self.context.taps.offer(&seen, |reader| {
            let reader = if reader == SLOW { Reader::SlowLog } else { Reader::Tap };
            dropped[reader].add(1);
        });
    }
}

/// True if texts of this class have no password by which an account or a server can be reached, as far as the class tells.
/// Servers hide these in their own logs. Texts that are not understood may have one, and so may the text of a PREPARE, and
/// of several statements any one.
fn may_be_shown(class: StatementClass) -> bool {
    use StatementKind::{Read, Transaction, Write};
    matches!(class.kind, Read | Write | Transaction) && !class.effects.contains(Effects::SEVERAL)
}

/// True if the text has a word behind which a password often stands.
fn names_password(text: &[u8]) -> bool {
    let begins = |at: usize, word: &[u8]| {
        text.get(at..at + word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word))
    };
    text.iter().enumerate().any(|(at, byte)| match byte | 0x20 {
        b'i' => begins(at, b"identified"),
        b'p' => begins(at, b"password"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_may_have_a_password_are_not_shown() {
        use StatementKind::{Admin, Ddl, Read, Session, Transaction, Unknown, Write};
        let shown = |kind, effects| may_be_shown(StatementClass { kind, effects, reason: Why::Modifies });
        for kind in [Read, Write, Transaction] {
            assert!(shown(kind, Effects::empty()));
            assert!(!shown(kind, Effects::SEVERAL), "a SET GLOBAL may stand beside it");
        }
        for kind in [Admin, Ddl, Session, Unknown] {
            assert!(!shown(kind, Effects::empty()), "{kind:?}");
        }
        assert!(!names_password(b"select 'a', i, p") && !names_password(b""));
        let long = [b"select '".as_slice(), &[b'x'; 2 * MAX_SHOWN], b"', 'PassWord = 1'"].concat();
        for text in [b"select 'IDENTIFIED by'".as_slice(), b"set PassWord = 'a'", b"password", &long] {
            assert!(names_password(text));
        }
    }
}
