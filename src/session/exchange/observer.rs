//! Observes the packets of an answer: the session's state follows them, and decides which packets the client gets.

use std::cell::RefCell;

use crate::client::refusals::{
    DEMOTED, MAY_BE_COMMITTED, READ_ONLY_SERVER, Refusal, ended, ends_connection, read_only_transaction, said,
};
use crate::policy::{Before, Expected, ReplacementError, Verdict};
use crate::session::loss::Late;
use crate::sql::parts::parameters;
use crate::state::{AnswerError, AnswerSource, SessionState, positions};
use crate::telemetry::Cell;
use crate::terms::{FalseReport, Role};
use crate::topology::{AcknowledgedWrites, Flavor};
use crate::wire::{
    ErrPacket, Observer, OkPacket, OnErr, PrepareOk, ProtocolError, StatusFlags, Tracked, error_code,
};
use crate::worker::TopologyCell;

/// Observes the packets of an answer for the session.
pub(super) struct AnswerObserver<'a> {
    pub(super) state: &'a mut SessionState,
    pub(super) heard: AnswerSource<'a>,
    /// Knows how servers read texts.
    pub(super) topology: &'a TopologyCell,
    /// What a replica reported that the statement does not explain.
    pub(super) false_report: Option<FalseReport>,
    /// The facts about the statement that were known before the answer.
    pub(super) expected: Expected,
    /// The writes that the answer reports although its server is no longer the primary. They are not acknowledged to
    /// the client yet. None if the server is still the primary.
    pub(super) late: Option<Box<Late>>,
    /// Counts writes of unknown outcome.
    pub(super) unknown: &'a Cell,
    /// The worker's record of acknowledged writes, and the generation of the connection. None on a replica.
    pub(super) writes: Option<(&'a RefCell<AcknowledgedWrites>, u64)>,
    /// True if an OK packet contained a GTID.
    pub(super) has_gtid: bool,
    /// True if there was an OK packet.
    pub(super) any_ok: bool,
    /// The ERR packet that the client does not get.
    pub(super) refusal: Option<Refusal>,
    pub(super) prepared: Option<PrepareOk>,
    /// True if the buffer has the whole request.
    pub(super) whole: bool,
    /// The rows that passed.
    pub(super) rows: u64,
}

impl AnswerObserver<'_> {
    /// Returns the error for a report that the statement does not explain.
    fn refuse(&mut self, report: FalseReport) -> ProtocolError {
        self.false_report = Some(report);
        ProtocolError::Unexplained(report.as_str())
    }

    /// Returns the ERR packet that replaces the server's, and counts a statement whose outcome is in doubt.
    fn packet_instead(&mut self, words: ReplacementError) -> ErrPacket<'static> {
        match words {
            ReplacementError::MayBeCommitted => {
                self.state.rolled_back();
                self.unknown.add(1);
                MAY_BE_COMMITTED
            }
            ReplacementError::ReadOnlyPort => READ_ONLY_SERVER,
            ReplacementError::ReadOnlyTransaction => {
                read_only_transaction(self.heard.flavor == Flavor::MariaDb)
            }
            ReplacementError::Interrupted => {
                self.unknown.add(1);
                DEMOTED
            }
            ReplacementError::ConnectionEnded => ended(self.expected.no_doubt, self.unknown),
        }
    }
}

impl Observer for AnswerObserver<'_> {
    fn ok(&mut self, ok: &OkPacket<'_>) -> Result<(), ProtocolError> {
        if self.state.shows_another_mode(ok.status) {
            self.heard.modes = self.topology.modes_for(self.heard.port);
        }
        self.state.ok(ok, self.heard).map_err(|report| self.refuse(report))?;
        if let Some(journal) = &mut self.state.transaction.journal {
            journal.summary.ok(ok);
        }
        self.any_ok = true;
        if let (Some((writes, generation)), false) = (self.writes, ok.state.is_empty()) {
            let mut writes = writes.borrow_mut();
            positions(ok.state, |gtid| {
                self.has_gtid = true;
                match &mut self.late {
                    Some(late) => late.add(gtid, self.heard.flavor),
                    None => writes.add(generation, self.heard.flavor, Some(gtid)),
                }
            });
        }
        Ok(())
    }

    fn tracked(&self) -> &Tracked {
        self.state.tracked()
    }

    fn columns_end(&mut self, status: StatusFlags) -> Result<(), ProtocolError> {
        if self.heard.role == Role::Primary {
            return Ok(());
        }
        if self.state.shows_another_mode(status) {
            self.heard.modes = self.topology.modes_for(self.heard.port);
        }
        self.state.check_flags(status, self.heard).map_err(|report| self.refuse(report))
    }

    fn rows_end(&mut self) {
        self.state.answer.rows = true;
    }

    fn err(&mut self, err: &ErrPacket<'_>, first: bool) -> OnErr {
        if let Some(journal) = &mut self.state.transaction.journal {
            journal.summary.err(err);
        }
        self.state.answer.error = Some(AnswerError::of(err.code, first));
        self.state.answer.code = Some(err.code);
        self.state.answer.ended = ends_connection(err.code);
        if first && err.code == error_code::ER_SP_DOES_NOT_EXIST {
            self.state.lacks_routine(err.message);
        }
        self.state.note_error(self.heard.role, err.code);
        let before = Before { nothing: first, any_ok: self.any_ok };
        match self.expected.verdict(said(err), before) {
            Verdict::Forward => OnErr::Forward,
            Verdict::Replace(words) => {
                let packet = self.packet_instead(words);
                self.state.answers_instead((&packet).into());
                OnErr::Replace(packet)
            }
            Verdict::Elsewhere(way) => {
                self.refusal = Some(Refusal { way, error: err.into() });
                OnErr::Swallow
            }
        }
    }

    fn prepared(&mut self, ok: &PrepareOk) -> Result<(), ProtocolError> {
        // The session reads the parameters of each execute by this number, also for the primary.
        let counted = if self.heard.role == Role::Replica && self.whole {
            parameters(self.heard.asked.arguments, self.state.sql_options())
        } else {
            None
        };
        if counted.is_some_and(|(least, most)| !(least..=most).contains(&usize::from(ok.params))) {
            return Err(self.refuse(FalseReport::Parameters));
        }
        self.prepared = Some(*ok);
        Ok(())
    }

    #[inline]
    fn rows_pass(&mut self, rows: u64) {
        self.rows += rows;
        let sent = &mut self.state.last.sent;
        *sent = sent.saturating_add(u32::try_from(rows).unwrap_or(u32::MAX));
    }

    #[inline]
    fn unread(&mut self, bytes: &[u8]) {
        if let Some(journal) = &mut self.state.transaction.journal {
            journal.summary.unread(bytes);
        }
    }
}
