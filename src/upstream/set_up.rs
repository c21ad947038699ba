//! Restores the session's state on the server connection in use, by commands in front of the statement.

use std::rc::Rc;

use super::Upstream;
use crate::backend::{ConnectError, InsertId, SwallowError, TextStatement, TextStatements};
use crate::client::refusals::{ends_connection, is_ending};
use crate::client::{Count, CountQuestion, Failure, StatementError};
use crate::net::{Buf, Runtime, Stream};
use crate::sql::Effects;
use crate::state::{Bring, BringCount, SessionState};
use crate::terms::{Pin, Role};
use crate::topology::Flavor;

/// Effects of statements whose changes of the session's state the proxy must hear of.
const MAY_CHANGE_STATE: Effects = Effects::SEVERAL
    .union(Effects::SETS_STATE)
    .union(Effects::SETS_USER_VARIABLES)
    .union(Effects::LEAVES_UNKNOWN)
    .union(Effects::CALLS)
    .union(Effects::EXECUTES);

/// The result of restoring the session's state on a connection.
pub enum Restored {
    /// The prelude goes in front of the statement, in the same write, or there is no prelude.
    Ready,
    /// The connection broke, or its server refused the session's state; another connection may accept it.
    Broken,
}

/// The statement for which a connection is set up.
pub struct SetUp {
    /// The effects of the statement's class.
    pub effects: Effects,
    /// The name in an EXECUTE, a PREPARE or a DEALLOCATE that does nothing else.
    pub named: Option<Rc<[u8]>>,
    /// True if the statement may execute anything that the session prepared as text.
    pub offers: bool,
    /// The statement if it is `SELECT ROW_COUNT()` or `SELECT FOUND_ROWS()`, which the session can answer itself.
    pub asks: Option<CountQuestion>,
    /// True if the server permits several statements in a text, as the session's client wants it.
    pub several: bool,
    /// True if the statement can go to the primary when a replica refuses the session's state.
    pub may_leave: bool,
}

/// What is known of the connection in use before diagnostics are brought there.
struct DiagnosticsHere {
    /// True if another session used the connection in the meantime.
    has_past: bool,
    /// True if the connection may have diagnostics, of whatever statement.
    may_have: bool,
    /// True if a SET goes in front of the statement.
    sets: bool,
}

impl<R: Runtime> Upstream<R> {
    /// True if the connection in use needs no prelude before this statement.
    #[inline]
    pub fn is_in_line(&self, state: &SessionState, effects: Effects, several: bool) -> bool {
        const RARE: Effects = Effects::PREPARES
            .union(Effects::EXECUTES)
            .union(Effects::DEALLOCATES)
            .union(Effects::READS_DIAGNOSTICS)
            .union(Effects::ADDS_DIAGNOSTICS)
            .union(Effects::READS_ROW_COUNT)
            .union(Effects::READS_FOUND_ROWS)
            .union(Effects::READS_INSERT_ID)
            .union(Effects::READS_TRACKERS)
            .union(Effects::OPAQUE);
        let Some(connection) = self.links.connection() else { return false };
        if connection.is_taken_over
            || connection.several != several
            || connection.unsure.get()
            || (effects.contains(Effects::LEAVES_UNKNOWN)
                && (connection.has_text_statements() || !state.objects.text_statements.is_empty()))
        {
            return false;
        }
        connection.is_in_line(&state.carried, self.insert_id_for(state, effects))
            && !connection.statements.owes_closing()
            && !effects.intersects(RARE)
    }

    /// Returns what `LAST_INSERT_ID()` must return where the statement runs; None if any value is good.
    fn insert_id_for(&self, state: &SessionState, effects: Effects) -> Option<u64> {
        if self.role == Role::Replica && !effects.contains(Effects::READS_INSERT_ID) {
            return None;
        }
        match state.insert.id.get() {
            InsertId::Known(id) => Some(id),
            _ => None,
        }
    }

    /// Fills the prelude with the commands that restore the session's state on the connection in use. If a
    /// server could refuse one of them, sends them and waits for the answers, except before a repeatable read
    /// on a replica.
    pub async fn restore_session(
        &mut self,
        state: &mut SessionState,
        statement: &SetUp,
    ) -> Result<Restored, StatementError> {
        let SetUp { effects, named, offers, asks, several, may_leave } = statement;
        let (effects, named) = (*effects, named.as_ref());
        self.await_insert_id(state, effects).await?;
        let insert_id = self.insert_id_for(state, effects);
        let Some(connection) = self.links.connection_mut() else { return Ok(Restored::Broken) };
        let asks_query = effects.contains(Effects::READS_FOUND_ROWS);
        let here = connection.about.thread();
        let asks_diagnostics = effects.contains(Effects::READS_DIAGNOSTICS);
        let has_past = connection.has_past;
        let may_have = connection.stale_diagnostics || connection.leaves_diagnostics;
        let bring = state.diagnostics.bring(here, has_past, may_have);
        // Another session's FOUND_ROWS() must be forgotten, by a query that ROW_COUNT() is about afterwards.
        let forgets = connection.counted_another && asks_query;
        let bring_count = state.last.bring_count(effects, here, has_past || forgets);
        let is_query_lost = asks_query && state.last.is_query_lost(here, has_past);
        if let Some(question) = asks
            && match question.count {
                Count::Row => bring_count != BringCount::Nothing && state.last.knows_row_count(),
                Count::Found if is_query_lost => state.last.found_rows().is_some(),
                Count::Found => asks_query && state.last.is_query_before_reset(),
            }
        {
            return Err(StatementError::Count(question.clone()));
        }
        let lost =
            bring_count == BringCount::Lost || is_query_lost || (asks_diagnostics && bring == Bring::Lost);
        if lost {
            return Err(StatementError::Tell(Failure::Forgotten));
        }
        connection.has_past = false;
        let unsure = connection.unsure.take();
        if unsure {
            connection.ping(&mut self.prelude);
        }
        connection.close_statements(&mut self.prelude);
        if connection.several != *several {
            connection.set_option(*several, &mut self.prelude);
        }
        if effects.contains(Effects::OPAQUE) {
            connection.lock_for_opaque();
        }
        connection.in_transaction = state.pins.on(self.role).has(Pin::Transaction);
        let before = self.prelude.len();
        let mut sure = connection.become_session(&state.carried, insert_id, &mut self.prelude);
        let sets = before != self.prelude.len();
        self.bring_diagnostics(state, effects, &DiagnosticsHere { has_past, may_have, sets });
        let Some(connection) = self.links.connection_mut() else { return Ok(Restored::Broken) };
        if effects.contains(Effects::READS_TRACKERS) && !effects.intersects(MAY_CHANGE_STATE) {
            connection.show_trackers(state.tracked(), &mut self.prelude);
        }
        if forgets {
            connection.forget_found_rows(&mut self.prelude);
        }
        if *offers {
            sure &= self.offer_text_statements(state, named);
        }
        if effects.intersects(Effects::PREPARES | Effects::EXECUTES | Effects::DEALLOCATES) {
            sure &= self.restore_text_statements(state, effects, named);
        }
        if !asks_diagnostics {
            self.bring_count(bring_count, *several);
        }
        let executes = effects.contains(Effects::EXECUTES);
        sure &= !unsure;
        let may_run_again =
            effects.contains(Effects::REPEATABLE) && self.role == Role::Replica && !self.without_schema;
        if sure || (may_run_again && !executes) {
            return Ok(Restored::Ready);
        }
        let brought = self.send_state(*may_leave, state.pins.on(self.role).is_empty()).await?;
        match self.links.connection_mut().and_then(|connection| connection.take_unprepared()) {
            Some(error) if ends_connection(error.code) => {
                self.server_lost();
                Ok(Restored::Broken)
            }
            // EXECUTE would return this error, too, if the statement had been prepared here earlier.
            Some(error) => Err(StatementError::Tell(Failure::Server(error))),
            None => Ok(brought),
        }
    }

    /// Appends what must be done before the statement asks for the session's diagnostics, or adds to them.
    fn bring_diagnostics(&mut self, state: &mut SessionState, effects: Effects, on: &DiagnosticsHere) {
        let Some(connection) = self.links.connection_mut() else { return };
        let here = connection.about.thread();
        let of_mysql = connection.about.flavor == Flavor::MySql;
        let bring = state.diagnostics.bring(here, on.has_past, on.may_have);
        let keeps = effects.contains(Effects::KEEPS_DIAGNOSTICS);
        // MySQL: what is left on this connection, the command adds to. What is elsewhere gets the command's error later.
        let adds = of_mysql && effects.contains(Effects::ADDS_DIAGNOSTICS);
        let adds = adds && (!keeps || matches!(bring, Bring::Nothing | Bring::Clear));
        let brings = (effects.contains(Effects::READS_DIAGNOSTICS) || adds) && bring != Bring::Lost;
        let clears = match bring {
            // What an earlier statement left here must not be in the list.
            Bring::Lost => adds && on.may_have,
            Bring::Clear => brings,
            // A SET in the prelude may leave a warning (1287 for big_tables, on MySQL 3135 for an sql_mode). MariaDB keeps
            // what was here before it, which may be the session's.
            Bring::Nothing => brings && on.sets && (of_mysql || !on.may_have),
            Bring::Raise(error) => {
                if brings {
                    connection.raise(error, &mut self.prelude);
                }
                false
            }
        };
        if clears {
            connection.clear_diagnostics(&mut self.prelude);
            // What clears them is a statement, too: the connection's `FOUND_ROWS()` is about that one now.
            state.last.covered(here);
        }
        if on.has_past {
            // A statement that keeps counts and diagnostics must not make those of the other session its own.
            state.another_used(here);
        }
        if brings {
            for refused in state.take_refused(self.role, here) {
                connection.refuse(refused, &mut self.prelude);
            }
        }
    }

    /// Appends a command behind which `ROW_COUNT()` is what the session must get. `several`: see `SetUp`.
    fn bring_count(&mut self, bring: BringCount, several: bool) {
        let Some(connection) = self.links.connection_mut() else { return };
        match bring {
            BringCount::Nothing | BringCount::Lost => {}
            BringCount::Zero => connection.ping(&mut self.prelude),
            // An EOF packet answers it; it changes nothing.
            BringCount::MinusOne => connection.set_option(several, &mut self.prelude),
        }
    }

    /// Appends the commands by which a statement that may execute any prepared statement by name finds those of the session,
    /// and none of another session. Returns false if any are needed. `named`: the only one that an EXECUTE names.
    fn offer_text_statements(&mut self, state: &SessionState, named: Option<&Rc<[u8]>>) -> bool {
        let Some(connection) = self.links.connection_mut() else { return true };
        let before = self.prelude.len();
        let own = &state.objects.text_statements;
        // An EXECUTE of something that the session does not have reaches nothing else.
        let offers = named.is_none_or(|name| own.iter().any(|known| known.name == *name));
        match self.role {
            Role::Primary if offers => connection.offer_text_statements(own, &mut self.prelude),
            // A replica's connection would refuse to prepare a write.
            Role::Primary | Role::Replica => connection.drop_text_statements_but(own, &mut self.prelude),
        }
        before == self.prelude.len()
    }

    /// Appends the commands that prepare on the connection in use what the session prepared as text. Returns false if any are
    /// needed. `named`: the only one that the statement is about.
    fn restore_text_statements(
        &mut self,
        state: &SessionState,
        effects: Effects,
        named: Option<&Rc<[u8]>>,
    ) -> bool {
        let Some(connection) = self.links.connection_mut() else { return true };
        let before = self.prelude.len();
        let mut wish = state.objects.text_statements.clone();
        if self.role == Role::Replica && named.is_none() {
            // A replica's connection would refuse to prepare a write.
            wish = Default::default();
        }
        if named.is_some() && !effects.contains(Effects::EXECUTES) {
            wish = without_texts(&wish, |known| connection.has_text_statement(known), effects);
        }
        // A statement whose effects are unknown may have prepared others here. They belong to the
        // session, too.
        let unknown = state.pins.on(self.role).has(Pin::Unknown);
        if !unknown || wish.iter().any(|known| Some(&known.name) == named) {
            connection.become_text_statements(&wish, named.map(|name| &**name), &mut self.prelude);
        } else {
            // Those of other sessions do not: what left the state unknown may have shown only in its answer.
            connection.drop_text_statements_but(&state.objects.text_statements, &mut self.prelude);
        }
        before == self.prelude.len()
    }

    /// Asks the connection that is kept for the primary for the session's insert id, which a statement on a replica needs. That
    /// statement's diagnostics and counts are the session's from now on, not those of the kept connection.
    async fn ask_kept_primary(&mut self, state: &SessionState, limit: std::time::Duration) {
        // The connection stays in its place: whoever drops this future loses nothing.
        let Some(connection) = self.links.kept_mut(Role::Primary) else { return };
        let pending = Some(state.insert.id.link());
        connection.counted_another = true;
        if self.resources.pool.learn_insert_id(connection, pending, limit).await {
            return;
        }
        if let Some((connection, seat)) = self.take_kept(Role::Primary) {
            self.resources.pool.vacate(connection, &seat);
            self.lost.primary = true;
        }
    }

    /// Waits until the session's insert id is known, if only another connection has it. A session that took
    /// that connection asks it for the id first, which takes a moment. If no session took it, or this session keeps it, this
    /// session asks. Returns an error if the statement asks for an insert id that is lost.
    async fn await_insert_id(
        &mut self,
        state: &SessionState,
        effects: Effects,
    ) -> Result<(), StatementError> {
        let here = self.links.connection().map(|c| c.about.thread());
        let asks = effects.contains(Effects::READS_INSERT_ID);
        let is_here = here == state.insert.connection || (self.role == Role::Replica && !asks);
        let limit = self.resources.live.borrow().timeouts.connect;
        let resources = self.resources.clone();
        let until = tokio::time::Instant::now() + limit;
        while !is_here
            && state.insert.id.get() == InsertId::OnConnection
            && tokio::time::Instant::now() < until
        {
            if self.keeps_on(Role::Primary, state.insert.connection) {
                self.ask_kept_primary(state, limit).await;
                break;
            }
            if let Some(seat) = self.links.forget_primary_seat() {
                // If no session took the connection, this session asks it, because it does not return to it
                // either.
                match resources.pool.reclaim(&seat) {
                    Some(mut connection) => {
                        let pending = connection.pending_insert_id.take();
                        if resources.pool.learn_insert_id(&mut connection, pending, limit).await {
                            resources.pool.park_for_others(connection, &seat);
                        } else {
                            resources.pool.vacate(connection, &seat);
                        }
                    }
                    None => resources.runtime.sleep(std::time::Duration::from_millis(1)).await,
                }
            } else {
                resources.runtime.sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        if asks && !is_here && !matches!(state.insert.id.get(), InsertId::Known(_)) {
            return Err(StatementError::TellAndClose(
                Failure::StateLost("an insert id"),
                crate::terms::Close::ServerLost,
            ));
        }
        Ok(())
    }

    /// Sends the prelude alone, and waits for its answers. If the session's schema is gone, or if the account has no rights
    /// on it any more, the statement runs without a schema: a server, too, lets such a session go on, and it is the
    /// statement that fails if it needs the schema. `unpinned`: another connection can take the place of this one.
    async fn send_state(&mut self, may_leave: bool, unpinned: bool) -> Result<Restored, StatementError> {
        if let Restored::Broken = self.send_prelude_of_state(may_leave).await? {
            return Ok(Restored::Broken);
        }
        let Some(connection) = self.links.connection() else { return Ok(Restored::Broken) };
        let Some((error, has_another)) = connection.refused_schema() else { return Ok(Restored::Ready) };
        let error = error.clone();
        match () {
            () if may_leave => {
                self.state_refused = Some(Box::new(error));
                self.server_lost();
                Ok(Restored::Broken)
            }
            () if !has_another => {
                self.without_schema = false;
                Ok(Restored::Ready)
            }
            () if unpinned => {
                self.without_schema = true;
                self.let_connection_go();
                Ok(Restored::Broken)
            }
            () => Err(StatementError::Tell(Failure::Server(error))),
        }
    }

    /// Parks the connection in use for other sessions.
    fn let_connection_go(&mut self) {
        if let Some((connection, seat)) = self.end_use() {
            self.resources.pool.park_for_others(connection, &seat);
        }
    }

    /// Sends the prelude alone and waits for its answers.
    pub async fn send_prelude(&mut self, may_leave: bool) -> Result<Restored, StatementError> {
        self.send_and_settle(may_leave, false).await
    }

    /// Does the same. A schema that the server refuses does not fail: see [`Connection::refused_schema`].
    ///
    /// [`Connection::refused_schema`]: crate::backend::Connection::refused_schema
    pub async fn send_prelude_of_state(&mut self, may_leave: bool) -> Result<Restored, StatementError> {
        self.send_and_settle(may_leave, true).await
    }

    async fn send_and_settle(&mut self, may_leave: bool, of_state: bool) -> Result<Restored, StatementError> {
        let prelude = std::mem::take(&mut self.prelude);
        let resources = self.resources.clone();
        let limit = resources.live.borrow().timeouts.connect;
        let Some(connection) = self.links.connection_mut() else { return Ok(Restored::Broken) };
        let sending = async {
            if !prelude.is_empty() {
                resources.metrics.replays.add(1);
                let mut out = Buf::with_room(prelude.len());
                out.extend_from_slice(&prelude);
                connection.stream.write_all(out).await.0?;
            }
            if of_state { connection.settle_state().await } else { connection.settle().await }
        };
        let sent = match resources.runtime.timeout(limit, sending).await {
            Some(sent) => sent,
            None => {
                let failure = ConnectError::Timeout(limit);
                tracing::warn!(id = self.handle.id, peer = %self.handle.peer.get(), %failure, "a server does not take a session's state");
                Err(SwallowError::Io(std::io::ErrorKind::TimedOut.into()))
            }
        };
        let Err(error) = sent else { return Ok(Restored::Ready) };
        self.server_lost();
        match error {
            error if is_ending(&error) => Ok(Restored::Broken),
            SwallowError::Schema(e) if !may_leave => Err(StatementError::Tell(Failure::Server(e))),
            SwallowError::Schema(error) | SwallowError::State(error) => {
                tracing::warn!(id = self.handle.id, peer = %self.handle.peer.get(), %error, "a server refuses the state of a session");
                self.state_refused = Some(Box::new(error));
                Ok(Restored::Broken)
            }
            SwallowError::Role | SwallowError::Protocol(_) | SwallowError::Io(_) => Ok(Restored::Broken),
        }
    }
}

/// Returns the prepared statements that the connection must have before a PREPARE or a DEALLOCATE. PREPARE
/// needs no statement that is not there yet. DEALLOCATE needs any statement with the name, so `DO 0` takes
/// the place of a missing text. (Under LOCK TABLES a server would refuse to prepare some texts.)
fn without_texts(
    wish: &TextStatements,
    is_there: impl Fn(&TextStatement) -> bool,
    effects: Effects,
) -> TextStatements {
    let stand_in = |known: &TextStatement| match () {
        () if is_there(known) => Some(known.clone()),
        () if effects.contains(Effects::PREPARES) => None,
        () => Some(TextStatement { text: std::sync::Arc::from(&b"DO 0"[..]), ..known.clone() }),
    };
    wish.iter().filter_map(stand_in).collect()
}
