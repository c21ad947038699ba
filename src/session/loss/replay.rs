//! Replays a transaction whose server was lost before its COMMIT was sent: runs it again on the current
//! primary, statement by statement. The transaction goes on there only if every answer is the one that the
//! client already got. Otherwise it is rolled back, and the client gets an error.

use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{InsertId, QueryError};
use crate::client::refusals::{ends_connection, may_mean_not_primary};
use crate::client::{Failure, Request, StatementError};
use crate::net::{Buf, Runtime};
use crate::session::Session;
use crate::session::common::StatementEnd;
use crate::session::fresh::Freshness;
use crate::sql::Effects;
use crate::state::{Answer, Journal, Witness};
use crate::terms::{Disruption, Pin, Role, StatementKind, TraceStep};
use crate::topology::Group;
use crate::upstream::{Pumped, Restored};
use crate::wire::{Edits, Legs, PacketHeader, ResponseWalker, Walked};
use crate::worker::Signals;

/// How many primaries a replay, or a statement that runs again, tries before the client gets an error.
pub(in crate::session) const MAX_PRIMARIES: u32 = 4;

/// A savepoint with a name that no client uses.
const SAVEPOINT: &str = "SAVEPOINT `pointsman replay`";
const BACK: &str = "ROLLBACK TO SAVEPOINT `pointsman replay`";

const LAST_INSERT_ID: &str = "SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1";

/// Finds a table that the account can see and whose changes a rollback does not undo. What the transaction
/// wrote there before the server was lost would be written twice.
const NOT_TRANSACTIONAL: &str = "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables \
    WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND engine NOT IN ('InnoDB', 'ROCKSDB', 'ndbcluster') \
    AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') LIMIT 1";

/// The result of a replay.
pub(in crate::session) enum Again {
    /// Every answer was the same.
    Same,
    /// An answer was different, or a query of the proxy failed.
    Differs(&'static str),
    /// The new server was lost, too.
    Lost,
}

impl<R: Runtime> Session<R> {
    /// Settles lost connections that the client does not know of: replays the transaction if it can be
    /// replayed, and reports the other losses.
    pub(in crate::session) async fn settle_losses(&mut self) -> Result<(), StatementError> {
        let open = self.state.pins.on(Role::Primary).has(Pin::Transaction);
        let journal = open && self.state.transaction.journal.is_some();
        if self.upstream.lost.primary && journal && self.state.held(Role::Primary).is_none() {
            self.upstream.lost.primary = false;
            self.replay(false).await?;
        }
        self.tell_of_loss()
    }

    /// Settles losses before this statement is sent, and ends the statement if that fails.
    pub(in crate::session) async fn settle_losses_first(
        &mut self,
        request: &mut Request,
    ) -> Result<(), StatementEnd> {
        if self.upstream.lost.primary && self.facts().only_rolls_back(request) {
            self.forget_lost_transaction();
        }
        match self.settle_losses().await {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.replies().end_unsent(request, stop).await),
        }
    }

    /// Replays the open transaction on the current primary before this statement of the transaction.
    /// `too_often`: gives up instead.
    pub(in crate::session) async fn replay_first(
        &mut self,
        request: &mut Request,
        too_often: bool,
    ) -> Result<(), StatementEnd> {
        let writes = request.class.kind >= StatementKind::Write;
        let ran = if too_often { Err(self.rolled_back()) } else { self.replay(writes).await };
        match ran {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.replies().end_unsent(request, stop).await),
        }
    }

    /// Replays the open transaction on the current primary; waits for a primary if there is none. `writes`:
    /// the statement after the replay writes.
    pub(in crate::session) async fn replay(&mut self, writes: bool) -> Result<(), StatementError> {
        let step = self.client.begin_step(TraceStep::Replay);
        let replayed = self.replay_transaction(writes).await;
        self.client.end_step(step);
        replayed
    }

    async fn replay_transaction(&mut self, writes: bool) -> Result<(), StatementError> {
        let Some(mut journal) = self.state.transaction.journal.take() else { return Err(self.rolled_back()) };
        if journal.names_one_server() || !self.confirm_primary_lost(&journal).await? {
            return Err(self.rolled_back());
        }
        self.learn_insert_id_of_before(&mut journal).await;
        for _ in 0..MAX_PRIMARIES {
            match self.run_on_primary(&journal, writes).await {
                Ok(Again::Same) => {
                    self.resume_transaction(journal);
                    return Ok(());
                }
                Ok(Again::Differs(why)) => {
                    tracing::debug!(id = self.client.handle.id, why, "a transaction cannot be run again");
                    break;
                }
                Ok(Again::Lost) => {
                    if let Some(connection) = self.upstream.connection() {
                        self.context.outside.kick(connection.about.server);
                    }
                    self.upstream.server_lost();
                    self.upstream.lost.primary = false;
                }
                // Any error on the new primary ends the replay: half a transaction is worth nothing.
                Err(StatementError::Tell(_)) => break,
                Err(stop) => return Err(stop),
            }
        }
        Err(self.rolled_back())
    }

    /// Gives the transaction up, and returns the error for the client.
    fn rolled_back(&mut self) -> StatementError {
        self.upstream.server_lost();
        self.upstream.lost.primary = false;
        self.state.connection_gone(Role::Primary);
        self.measured.disrupted(&self.context, Disruption::RolledBack);
        StatementError::Tell(Failure::RolledBack)
    }

    /// True if the server was lost, and not only the connection: whoever kills a transaction does not want it
    /// to run again. Waits a moment, because the probes need time to notice.
    async fn confirm_primary_lost(&mut self, journal: &Journal) -> Result<bool, StatementError> {
        let (server, generation) = (journal.connection.server, journal.generation);
        if journal.lost {
            return Ok(true);
        }
        self.context.outside.kick(server);
        self.client
            .probes_say(|snapshot| snapshot.primary != Some(server) || snapshot.generation != generation)
            .await
    }

    /// Waits for the insert id that the session had when the transaction began, if the former primary still tells it.
    async fn learn_insert_id_of_before(&self, journal: &mut Journal) {
        if !journal.lacks_insert_id_of_before() {
            return;
        }
        let until = Instant::now() + self.context.live.borrow().timeouts.connect;
        while self.state.insert.id.is_coming() && Instant::now() < until {
            self.context.runtime.sleep(Duration::from_millis(1)).await;
        }
        journal.insert_id = self.state.insert.id.get();
    }

    async fn run_on_primary(&mut self, journal: &Journal, writes: bool) -> Result<Again, StatementError> {
        self.attach(Role::Primary, &Freshness::Unasked).await?;
        self.run_again(journal, writes).await
    }

    /// Runs all statements of the journal on the connection that was just acquired.
    async fn run_again(&mut self, journal: &Journal, writes: bool) -> Result<Again, StatementError> {
        // If the insert id at the transaction's begin is unknown, 0 shows later whether the transaction
        // generated one.
        let insert_id = match journal.insert_id {
            InsertId::Known(id) => id,
            _ => 0,
        };
        // The signal was about the old server.
        self.client.handle.signal.lower(Signals::LOST);
        let Some((connection, prelude)) = self.upstream.with_prelude() else { return Ok(Again::Lost) };
        connection.close_statements(prelude);
        connection.become_session(&journal.carried, Some(insert_id), prelude);
        if let Restored::Broken = self.upstream.send_prelude(self.facts().may_leave()).await? {
            return Ok(Again::Lost);
        }
        if (writes || journal.writes())
            && let Some(stopped) = self.not_all_is_transactional().await
        {
            return Ok(stopped);
        }
        for at in 0..journal.entries.len() {
            match self.run_entry(journal, at).await? {
                Again::Same => {}
                other => return Ok(other),
            }
        }
        Ok(self.settle_insert_id(journal).await)
    }

    /// Replays one statement. If the server generated another insert id, rolls the statement back and repeats
    /// it with the insert id that the client knows.
    async fn run_entry(&mut self, journal: &Journal, at: usize) -> Result<Again, StatementError> {
        let Some(entry) = journal.entries.get(at) else { return Ok(Again::Same) };
        let known = matches!(journal.insert_id, InsertId::Known(_));
        if entry.class.effects.contains(Effects::READS_INSERT_ID) && !known {
            match self.ask(LAST_INSERT_ID).await {
                Ok(Some(id)) if id != b"0" => {}
                Ok(_) => return Ok(Again::Differs("an insert id of before")),
                Err(stopped) => return Ok(stopped),
            }
        }
        let chooses = entry.answer.insert_id != 0
            && entry.class.kind == StatementKind::Write
            && !entry.class.effects.contains(Effects::SEVERAL);
        let before = match chooses {
            true => match self.savepoint().await {
                Ok(before) => before,
                Err(stopped) => return Ok(stopped),
            },
            false => None,
        };
        let Some((answer, refused)) = self.ask_again(journal, at).await? else { return Ok(Again::Lost) };
        if answer == entry.answer {
            return Ok(Again::Same);
        }
        if refused.is_some_and(may_mean_not_primary) {
            return Ok(Again::Lost);
        }
        let last = at + 1 == journal.entries.len();
        // The proxy's own queries here would overwrite the diagnostics that the client may still ask for.
        let asked_for = last && (self.state.last.looks_back || self.state.diagnostics.are_left());
        // A Galera cluster whose size changed gives the other rows of the statement different ids.
        let several = entry.answer.rows > 1 && self.is_of_galera();
        let (true, Some(before)) = (chooses && !asked_for && !several, before) else {
            return Ok(Again::Differs("another answer"));
        };
        if (Answer { insert_id: entry.answer.insert_id, ..answer }) != entry.answer {
            return Ok(Again::Differs("another answer"));
        }
        let set = format!("SET insert_id = {}, last_insert_id = {before}", entry.answer.insert_id);
        for sql in [BACK, &set] {
            if let Err(stopped) = self.ask(sql).await {
                return Ok(stopped);
            }
        }
        match self.ask_again(journal, at).await? {
            Some((answer, _)) if answer == entry.answer => {}
            Some(_) => return Ok(Again::Differs("another insert id")),
            None => return Ok(Again::Lost),
        }
        // The next INSERT would use an insert_id that this statement did not use.
        Ok(match self.ask("SELECT CAST(@@insert_id AS BINARY) LIMIT 1").await {
            Ok(Some(left)) if left == b"0" => Again::Same,
            Ok(_) => Again::Differs("another insert id"),
            Err(stopped) => stopped,
        })
    }

    /// Sets a savepoint in front of a statement, and returns what `LAST_INSERT_ID()` returned before it.
    async fn savepoint(&mut self) -> Result<Option<u64>, Again> {
        let before = self.ask(LAST_INSERT_ID).await?;
        self.ask(SAVEPOINT).await?;
        Ok(before.and_then(|id| std::str::from_utf8(&id).ok()?.parse().ok()))
    }

    fn is_of_galera(&self) -> bool {
        let snapshot = self.context.topology.get();
        let server =
            self.upstream.connection().and_then(|connection| snapshot.server(connection.about.server));
        server.and_then(|server| server.member).is_some_and(|member| member.group == Group::Galera)
    }

    /// Records whether the new connection has the session's insert id from now on.
    async fn settle_insert_id(&mut self, journal: &Journal) -> Again {
        if self.state.insert.id.get() != InsertId::OnConnection {
            return Again::Same;
        }
        let made = match journal.insert_id {
            InsertId::Known(_) => true,
            // The query would overwrite diagnostics that the client may still ask for. Give up the insert id
            // instead: the client gets an error if it asks for that.
            _ if self.state.last.looks_back || self.state.diagnostics.are_left() => false,
            _ => match self.ask(LAST_INSERT_ID).await {
                Ok(id) => id.is_some_and(|id| id != b"0"),
                Err(stopped) => return stopped,
            },
        };
        let Some(connection) = self.upstream.connection_mut() else { return Again::Lost };
        connection.set_insert_id(None);
        if made {
            self.state.insert.connection = Some(connection.about.thread());
        } else {
            self.state.insert.id.set(InsertId::Lost);
        }
        Again::Same
    }

    /// Sends a statement of the journal, and returns the digest of its answer and the code of the ERR packet
    /// if there is one. Returns None if the server is lost.
    async fn ask_again(
        &mut self,
        journal: &Journal,
        at: usize,
    ) -> Result<Option<(Answer, Option<u16>)>, StatementError> {
        let Some(entry) = journal.entries.get(at) else { return Ok(None) };
        let mut packet = journal.packet(at).to_vec();
        if let Some(text) = &entry.statement {
            let place = PacketHeader::LEN + 1;
            let Some(id) = self.upstream.prepared_here(&self.state, text).await? else { return Ok(None) };
            if let Some(bytes) = packet.get_mut(place..place + 4) {
                bytes.copy_from_slice(&id.to_le_bytes());
            }
        }
        // The prelude closes prepared statements that had to make room; those commands have no answer.
        let in_front = std::mem::take(&mut self.upstream.prelude);
        let mut out = Buf::with_room(in_front.len() + packet.len());
        out.extend_from_slice(&in_front);
        out.extend_from_slice(&packet);
        let shape = entry.command.response_to(packet.get(PacketHeader::LEN..).unwrap_or_default());
        let Some(connection) = self.upstream.connection_mut() else { return Ok(None) };
        connection.begins();
        let (legs, status) =
            (Legs::new(connection.about.capabilities, self.client.capabilities), connection.status);
        let (broken, _) = self.upstream.write_server(out).await;
        if broken {
            return Ok(None);
        }
        let walker = ResponseWalker::new(shape, legs, 1, status);
        self.witness(walker).await
    }

    /// Reads an answer that the client does not get, and returns its digest and error code.
    async fn witness(
        &mut self,
        mut walker: ResponseWalker,
    ) -> Result<Option<(Answer, Option<u16>)>, StatementError> {
        let (mut chunk, mut edits, mut witness) = (Buf::default(), Edits::default(), Witness::default());
        let mut begun = false;
        loop {
            match self.upstream.pump(&mut self.client, &mut chunk, begun).await? {
                Pumped::Answer => {}
                Pumped::Broken | Pumped::GivenUp | Pumped::Unread | Pumped::Refused(_) => return Ok(None),
            }
            let walked = walker.feed(chunk.filled_mut(), &mut edits, &mut witness);
            edits.clear();
            let Ok((used, walked)) = walked else {
                self.context.buffers.give(chunk);
                return Ok(None);
            };
            begun |= used > 0;
            chunk.consume(used);
            match walked {
                Walked::Done => break,
                Walked::LocalInfile => return Ok(None),
                Walked::More { need } => chunk.make_room(need.saturating_sub(chunk.len()).max(1)),
            }
        }
        self.context.buffers.give(chunk);
        if let Some(connection) = self.upstream.connection_mut() {
            connection.end_exchange();
            connection.has_past = false;
            // The client got its warnings or its error from another connection.
            connection.leaves_diagnostics = true;
        }
        Ok(Some((witness.summary.finish(), witness.refused)))
    }

    /// Runs a query of the proxy's own, and returns the first value of its answer.
    async fn ask(&mut self, sql: &str) -> Result<Option<Vec<u8>>, Again> {
        let (limit, context) = (self.context.live.borrow().timeouts.connect, self.context.clone());
        let Some(connection) = self.upstream.connection_mut() else { return Err(Again::Lost) };
        match context.runtime.timeout(limit, connection.query(sql)).await {
            Some(Ok(sets)) => {
                let value = sets.into_iter().next().and_then(|set| set.rows.into_iter().next());
                Ok(value.and_then(|row| row.into_iter().next()).flatten())
            }
            Some(Err(QueryError::Refused(error))) if ends_connection(error.code) => Err(Again::Lost),
            Some(Err(QueryError::Refused(error))) => {
                tracing::debug!(id = self.client.handle.id, %error, sql, "refused while a transaction is run again");
                Err(Again::Differs("a question that is refused"))
            }
            Some(Err(QueryError::Io(_) | QueryError::Protocol(_))) => Err(Again::Lost),
            None => Err(Again::Differs("a question that takes too long")),
        }
    }

    /// Checks that a rollback undoes everything that this account can write, as far as the account can see.
    /// Asks once for each change of the servers' roles; other sessions wait for that answer. Returns Some if
    /// the transaction cannot go on here.
    pub(in crate::session) async fn not_all_is_transactional(&mut self) -> Option<Again> {
        let about = &self.upstream.connection()?.about;
        let user = about.user.clone();
        let roles = self.context.topology.get().roles_version;
        let known = self.context.engines.borrow_mut().of(roles, &user);
        let all = known
            .get_or_try_init(async || {
                match self.ask(NOT_TRANSACTIONAL).await {
                    Ok(None) => {}
                    Ok(Some(table)) => {
                        let table = String::from_utf8_lossy(&table);
                        tracing::warn!(%user, %table, "no transaction is run again: a table has an engine without rollback");
                        return Ok(false);
                    }
                    Err(Again::Lost) => return Err(Again::Lost),
                    Err(_) => {
                        tracing::warn!(%user, "no transaction is run again: the tables' engines could not be asked for");
                        return Ok(false);
                    }
                }
                // With autocommit off, the query has begun a transaction.
                self.ask("ROLLBACK").await.map(|_| true)
            })
            .await;
        match all {
            Ok(true) => None,
            Ok(false) => Some(Again::Differs("a table that no rollback changes back")),
            Err(stopped) => Some(stopped),
        }
    }

    /// Continues the transaction on the new connection, where it is now open as it was on the old connection.
    fn resume_transaction(&mut self, mut journal: Box<Journal>) {
        let Some(connection) = self.upstream.connection_mut() else { return };
        let here = connection.about.thread();
        let before = Some(journal.connection);
        self.state.last.moved(journal.connection, here);
        if self.state.diagnostics.connection() == before {
            self.state.diagnostics.are_on(here);
        }
        connection.leaves_diagnostics = true;
        journal.connection = here;
        journal.generation = connection.about.generation;
        journal.lost = false;
        self.state.transaction.journal = Some(journal);
        self.measured.disrupted(&self.context, Disruption::Replayed);
        tracing::debug!(id = self.client.handle.id, "a transaction was run again on another primary");
        self.upstream.release_after_statement(&mut self.state);
    }
}
