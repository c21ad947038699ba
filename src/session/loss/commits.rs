//! Finds out what became of a COMMIT whose server was lost before it answered, from the binary log of the new
//! primary. MySQL's binary log does not say which connection wrote a transaction, but it has the
//! transaction's savepoints. So the proxy sends a savepoint with a unique name in front of each COMMIT, in
//! the same write.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::{Failure, Request, RequestHead, StatementError};
use crate::config::LostCommit;
use crate::net::Runtime;
use crate::session::Session;
use crate::session::common::UnansweredTry;
use crate::sql::Effects;
use crate::terms::{Close, Disruption, Pin, Port, Role, TraceStep, Why};
use crate::topology::{Flavor, Gtid, GtidSet};
use crate::wire::Command;

/// How long to wait for a new primary that still receives, or has not applied all that it received, and for
/// the other servers to follow it.
pub(in crate::session) const UNSETTLED: Duration = Duration::from_secs(2);

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of a COMMIT.
enum CommitFate {
    /// The COMMIT was executed, under this GTID. None if the GTID has a tag.
    Committed(Option<Gtid>),
    /// The transaction is not on the new primary, and cannot get there any more.
    Gone,
    /// The outcome cannot be determined, for this reason.
    Unknown(&'static str),
}

impl<R: Runtime> Session<R> {
    /// Marks the transaction that this statement commits, if its COMMIT can be looked up afterwards.
    pub(in crate::session) fn mark_commit(&mut self, request: &Request) {
        let context = self.context.clone();
        if self.upstream.role != Role::Primary
            || context.live.borrow().failover.commit != LostCommit::LookedUp
            || !self.state.pins.on(Role::Primary).has(Pin::Transaction)
            || self.state.transaction.journal.as_ref().is_some_and(|journal| !journal.writes())
            || !self.only_commits(request)
            || self.chains()
            || !context.topology.primary_has_gtids()
            // The savepoint would be listed in the client's profiles.
            || self.state.has_profiles(Role::Primary)
        {
            return;
        }
        let name = self.next_mark();
        let Some((connection, prelude)) = self.upstream.with_prelude() else { return };
        if connection.about.flavor == Flavor::MySql {
            connection.mark(name, prelude);
        }
    }

    /// Returns a globally unique name: the first bytes of the session's nonce, then the worker's next random
    /// number.
    fn next_mark(&self) -> u128 {
        let nonce =
            self.client.greeted.nonce.iter().take(8).fold(0, |all, byte| (all << 8) | u128::from(*byte));
        (nonce << 64) | u128::from(self.context.random())
    }

    /// True if `completion_type` may make a plain COMMIT begin the next transaction or end the session.
    fn chains(&self) -> bool {
        let mut variables = self.state.carried.variables.iter();
        let kind = variables.find(|(name, _)| **name == *b"completion_type");
        kind.is_some_and(|(_, kind)| !(kind.eq_ignore_ascii_case(b"NO_CHAIN") || **kind == *b"0"))
    }

    /// True if a statement only commits: it neither begins a next transaction nor ends the session.
    fn only_commits(&self, request: &Request) -> bool {
        request.command == Command::Query
            && request.class.effects.contains(Effects::ENDS)
            && self.client.text_of(request).is_some_and(|text| {
                let text = text.trim_ascii();
                let text = text.strip_suffix(b";").unwrap_or(text).trim_ascii_end();
                [&b"commit"[..], b"commit work"].iter().any(|commit| text.eq_ignore_ascii_case(commit))
            })
    }

    /// Tells the client what became of its COMMIT, once there is a new primary to ask.
    pub(in crate::session) async fn tell_fate(
        &mut self,
        request: &RequestHead,
        seq: u8,
        unanswered: Box<UnansweredTry>,
    ) -> Result<(), Close> {
        let step = self.client.begin_step(TraceStep::Fate);
        let fate = self.fate(&unanswered).await;
        self.client.end_step(step);
        self.state.connection_gone(Role::Primary);
        let id = self.client.handle.id;
        let failure = match fate {
            Ok(CommitFate::Committed(gtid)) => {
                tracing::info!(id, "a COMMIT without an answer is on the new primary");
                self.measured.disrupted(&self.context, Disruption::Committed);
                self.committed(gtid);
                self.state.done(Role::Primary, &request.class, None, self.upstream.sent);
                let sent = self.replies().send_ok(seq).await;
                let why = if self.client.port == Port::Split { Why::Transaction } else { Why::Port };
                self.observation().count_statement(request, Role::Primary, why);
                return sent;
            }
            Ok(CommitFate::Gone) => {
                tracing::info!(id, "a COMMIT without an answer is not on the new primary");
                self.measured.disrupted(&self.context, Disruption::RolledBack);
                Failure::RolledBack
            }
            Ok(CommitFate::Unknown(why)) => {
                tracing::info!(id, why, "nobody can tell what became of a COMMIT without an answer");
                self.measured.disrupted(&self.context, Disruption::OutcomeUnknown);
                Failure::OutcomeUnknown
            }
            Err(stop) => return self.replies().stop(seq, stop).await,
        };
        self.replies().stop(seq, StatementError::Tell(failure)).await
    }

    /// Records a commit: the session's reads must see it, and the next primary must have it.
    fn committed(&mut self, gtid: Option<Gtid>) {
        let text = gtid.map(|gtid| {
            let mut set = GtidSet::empty(Flavor::MySql);
            set.add_one(gtid);
            set.to_string()
        });
        let generation = self.context.topology.generation();
        let text = text.as_deref().map(str::as_bytes);
        self.context.acknowledged.borrow_mut().add(generation, Flavor::MySql, text);
        self.state.wrote(text.unwrap_or(b"?"), Flavor::MySql);
    }

    async fn fate(&mut self, unanswered: &UnansweredTry) -> Result<CommitFate, StatementError> {
        let context = self.context.clone();
        let (hold, interval) = {
            let live = context.live.borrow();
            (live.failover.hold, live.monitor.interval)
        };
        let (lost_at, mut unsettled_since) = (Instant::now(), None);
        let began = self.client.budget.began();
        // A copy, since the server's pod may be deleted meanwhile.
        let lost = context.topology.get().server(unanswered.server).cloned();
        let patience = (interval * 3).max(Duration::from_millis(300));
        let witness = context.commits.witness(unanswered.server);
        let sent = witness.map_or(unanswered.mark.at, |witness| witness.at.min(unanswered.mark.at));
        let Some(excluded) = context.commits.before(sent) else {
            return Ok(CommitFate::Unknown("no position of before is known"));
        };
        loop {
            let snapshot = context.topology.get();
            let left = hold.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(CommitFate::Unknown("there was no new primary to ask"));
            }
            let Some(primary) = snapshot.primary() else {
                self.client.pause_for_change(left, snapshot.version).await?;
                continue;
            };
            if primary.id == unanswered.server {
                let left = patience.saturating_sub(lost_at.elapsed());
                if left.is_zero() {
                    return Ok(CommitFate::Unknown(
                        "it may still be at work on its server, which is the primary",
                    ));
                }
                self.client.pause_for_change(left, snapshot.version).await?;
                continue;
            }
            let asked = context.commits.asked(snapshot.generation, unanswered.server, &excluded, sent);
            let reading = asked
                .answer
                .get_or_try_init(|| crate::positions::read(&context, &snapshot, primary, &asked.excluded));
            let seen = match self.client.unless_ended(context.runtime.timeout(left, reading)).await? {
                Some(Ok(seen)) => seen,
                Some(Err(_)) => {
                    self.client.pause_for_change(PAUSE.min(left), snapshot.version).await?;
                    continue;
                }
                None => return Ok(CommitFate::Unknown("the new primary's binary log took too long")),
            };
            let Some(seen) = seen else {
                return Ok(CommitFate::Unknown("the new primary does not let its binary log be read"));
            };
            if let Some(gtid) = seen.marks.get(&unanswered.mark.name) {
                return Ok(CommitFate::Committed(*gtid));
            }
            if !witness.is_some_and(|witness| seen.marks.contains_key(&witness.name)) {
                return Ok(CommitFate::Unknown(
                    "no COMMIT that was answered is seen on the new primary either",
                ));
            }
            if let Err(why) = seen.has_all() {
                return Ok(CommitFate::Unknown(why));
            }
            let now = context.topology.get();
            if now.primary != Some(primary.id) || now.generation != snapshot.generation {
                continue;
            }
            let why = match lost.as_ref().and_then(|lost| now.has_more_of(lost, &seen.executed)) {
                Some(true) => {
                    return Ok(CommitFate::Unknown(
                        "another server has transactions that the new primary lacks",
                    ));
                }
                Some(false) if seen.settled => return Ok(CommitFate::Gone),
                Some(false) => "the new primary still receives, or has not applied all of it",
                None => "another server, which may have it, is not seen to follow the new primary",
            };
            if unsettled_since.get_or_insert_with(Instant::now).elapsed() >= UNSETTLED {
                return Ok(CommitFate::Unknown(why));
            }
            self.client.unless_ended(context.runtime.sleep(PAUSE)).await?;
            if !seen.settled {
                context.commits.ask_again(&asked);
            }
        }
    }
}
