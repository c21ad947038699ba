//! Reads at `strong` that go to a replica while the primary is still being asked for its position. As long as
//! nobody writes, the primary's position stays the same, and the replica has it. The replica's answer waits,
//! unread, until the primary has confirmed the position. If the primary reports another position, the answer
//! is dropped, and the read runs again.

use std::mem;
use std::time::Duration;

use crate::client::{Request, StatementError, unless_ended};
use crate::config::Level;
use crate::net::{Buf, LARGE_BUFFER, Runtime, turn_time};
use crate::positions::{PositionAnswer, tells_positions};
use crate::session::Session;
use crate::session::common::Outcome;
use crate::session::fresh::{Freshness, Needed};
use crate::sql::Effects;
use crate::state::{Answered, Written};
use crate::terms::{Close, Fresh, Port, Role, StatementKind, TraceStep};
use crate::topology::Flavor;
use crate::upstream::Pumped;
use crate::wire::{Command, ResponseWalker, Walked};

/// The most bytes of an unwanted answer that are read and dropped. For a longer answer the connection is
/// closed instead.
const MOST_DROPPED: usize = LARGE_BUFFER;

/// The offset of the flags in the arguments of COM_STMT_EXECUTE, behind the statement's id.
const EXECUTE_FLAGS: usize = 4;

impl<R: Runtime> Session<R> {
    /// Chooses a replica for this read, and asks the primary for its position at the same time. None: the read must wait
    /// for the position.
    pub(in crate::session) fn start_speculative_read(&mut self, request: &Request) -> Option<Freshness> {
        let plain = Effects::OF_ALL | Effects::READS_USER_VARIABLES;
        let effects = request.class.effects;
        if self.reads.level != Level::Strong
            || self.client.port != Port::Split
            || request.class.kind != StatementKind::Read
            || !request.whole
            || !(effects.contains(Effects::REPEATABLE) && plain.contains(effects))
            || !self.state.pins.on(Role::Replica).is_empty()
            || self.upstream.kept_on(Role::Replica).is_some()
        {
            return None;
        }
        // An execute only without a cursor, which would stay open on the replica.
        let executes = request.command == Command::StmtExecute;
        let has_cursor = request.arguments().get(EXECUTE_FLAGS) != Some(&0);
        if request.command != Command::Query && (!executes || has_cursor) {
            return None;
        }
        let position = self.context.positions.quiet_at()?;
        let has_written = match &self.state.written {
            Written::Nothing => true,
            Written::These(written) => position.contains(written),
            Written::Unknown => false,
        };
        let snapshot = self.context.topology.get();
        let primary = snapshot.primary().filter(|primary| has_written && tells_positions(primary))?;
        let freshness = Freshness::Position(position.clone());
        let needed = Needed { written: &self.state.written, freshness: &freshness };
        let reads = self.reads.number;
        self.reads.number = reads.wrapping_add(1);
        // One read in 256 takes the ordinary path, which chooses a replica anew.
        if self.reads.number != 0
            && self.reads.choose_fresh(&needed, &snapshot)
            && let Some(batch) = self.context.positions.primary_position_expecting(primary.id, &position)
        {
            return Some(Freshness::Ahead(batch));
        }
        self.reads.number = reads;
        None
    }

    /// Waits for the primary's position after the request was sent. Returns true if the replica's answer is good. The wait
    /// counts until the position came, and not until the session's turn.
    pub(in crate::session) async fn is_as_expected(
        &mut self,
        freshness: &mut Freshness,
    ) -> Result<bool, StatementError> {
        let Freshness::Ahead(batch) = mem::take(freshness) else { return Ok(true) };
        let began = turn_time();
        let step = self.client.begin_step(TraceStep::Barrier);
        let answer = self.client.or_ended(batch.answer()).await;
        self.client.end_step(step);
        let answer = unless_ended(answer)?;
        let waited = batch.told_at().map_or(Duration::ZERO, |told| told.saturating_duration_since(began));
        let us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let metrics = &self.context.metrics;
        if let PositionAnswer::Position { position, pending: None } = answer
            && batch.is_as_expected(&position)
        {
            metrics.consistency_wait.observe_us(us);
            self.measured.waits.position += us;
            metrics.fresh_reads.at(self.reads.level as usize, Fresh::There).add(1);
            *freshness = Freshness::Position(position);
            return Ok(true);
        }
        metrics.overtaken.add(1);
        self.context.positions.note_activity();
        Ok(false)
    }

    /// Reads the answer and drops it, because it stands in front of the next answer on the connection.
    pub(in crate::session) async fn drop_answer(
        &mut self,
        walker: &mut ResponseWalker,
        request: &mut Request,
    ) -> Result<Outcome, Close> {
        let (mut chunk, mut dropped) = (Buf::default(), 0);
        loop {
            match self.upstream.pump(&mut self.client, &mut chunk, dropped > 0).await {
                Ok(Pumped::Answer) => {}
                Ok(Pumped::Broken) => return Ok(self.lost(true, false, walker, request)),
                Ok(Pumped::Unread) => return Ok(self.lost(false, false, walker, request)),
                Ok(Pumped::GivenUp) => return Ok(self.server_given_up(false, walker, request)),
                Ok(Pumped::Refused(e)) => return Ok(self.state_refused_by_server(e, walker, request)),
                Err(stop) => return self.broken_off(stop, walker, request),
            }
            let full = chunk.is_full();
            let walked = {
                let mut edits = self.context.edits.borrow_mut();
                edits.clear();
                walker.feed(chunk.filled_mut(), &mut edits, &mut ())
            };
            match walked {
                Ok((_, Walked::Done)) => break,
                Ok((used, Walked::More { need })) if dropped + used <= MOST_DROPPED => {
                    dropped += used;
                    chunk.consume(used);
                    self.upstream.make_room(&mut chunk, full, need);
                }
                _ => {
                    self.upstream.server_lost();
                    break;
                }
            }
        }
        self.context.buffers.give(chunk);
        self.state.answer = Answered::default();
        self.state.unpin(self.upstream.role, mem::take(&mut self.upstream.sent));
        if let Some(connection) = self.upstream.connection_mut() {
            connection.end_exchange();
            // The connection's warnings and row counts belong to a statement that the client does not know
            // of.
            connection.has_past = true;
            connection.leaves_diagnostics = true;
            connection.stale_diagnostics = connection.about.flavor == Flavor::MariaDb;
            self.upstream.release_after_statement(&mut self.state);
        }
        if let Err(stop) = self.settle_losses().await {
            request.consume();
            return Ok(Outcome::Stop(request.answer_seq(), stop));
        }
        Ok(Outcome::Overtaken)
    }
}
