//! Chooses where the session's next statement goes, and restores the session's state on that server
//! connection before the statement runs.

use super::acquire::StatementError;
use super::refusals::{ends_connection, is_ending};
use super::request::Request;
use super::{Failure, Session};
use crate::backend::{ConnectError, InsertId, SwallowError, TextStatement, TextStatements};
use crate::net::{Buf, Runtime, Stream};
use crate::routing::place;
use crate::sql::{Effects, StatementClass};
use crate::terms::{Pin, Port};
use crate::terms::{Role, Why};

/// The result of restoring the session's state on a connection.
pub(super) enum Brought {
    /// The prelude goes in front of the statement, in the same write, or there is no prelude.
    Ready,
    /// The connection broke, or its server refused the session's state; another connection may accept it.
    Broken,
}

impl<R: Runtime> Session<R> {
    /// Chooses the role by the port, the class of the statement and what the session holds.
    #[inline]
    pub(super) fn place(&mut self, request: &Request) -> (Role, Why) {
        match self.port {
            Port::Primary => (Role::Writer, Why::Port),
            Port::Replica => (Role::Reader, Why::Port),
            Port::Split => {
                if let Some(role) = self.bound_to(request) {
                    return (role, Why::Pinned);
                }
                place(&request.class, &self.state.facts())
            }
        }
    }

    /// Returns the role whose connection has the prepared statement's cursor or long data, if this command
    /// needs them.
    pub(super) fn bound_to(&self, request: &Request) -> Option<Role> {
        if request.statement == 0 {
            return None;
        }
        let prepared = self.state.statements.peek(self.state.statements.meant(request.statement))?;
        match request.command {
            crate::wire::Command::StmtFetch | crate::wire::Command::StmtReset => {
                prepared.cursor.or(prepared.long_data)
            }
            _ => prepared.long_data,
        }
    }

    /// True if the connection in use needs no prelude before this statement.
    #[inline]
    pub(super) fn is_in_line(&self, request: &Request) -> bool {
        const RARE: Effects = Effects::PREPARES
            .union(Effects::EXECUTES)
            .union(Effects::DEALLOCATES)
            .union(Effects::READS_DIAGNOSTICS)
            .union(Effects::READS_ROW_COUNT)
            .union(Effects::READS_FOUND_ROWS)
            .union(Effects::READS_INSERT_ID);
        let Some(connection) = &self.backend else { return false };
        if connection.has_text_statements() && request.class.effects.contains(Effects::LEAVES_UNKNOWN) {
            return false;
        }
        connection.is_in_line(&self.state.carried, self.insert_id_for(request))
            && !connection.statements.owes_closing()
            && !request.class.effects.intersects(RARE)
    }

    /// Returns what `LAST_INSERT_ID()` must return where the statement runs; None if any value is good.
    fn insert_id_for(&self, request: &Request) -> Option<u64> {
        if self.role == Role::Reader && !request.class.effects.contains(Effects::READS_INSERT_ID) {
            return None;
        }
        match self.state.insert.id.get() {
            InsertId::Known(id) => Some(id),
            _ => None,
        }
    }

    /// Restores the session's state on the connection in use, and prepares the statement there if it names
    /// one.
    pub(super) async fn prepare_connection(
        &mut self,
        buf: &mut Buf,
        request: &mut Request,
    ) -> Result<Brought, StatementError> {
        if !self.is_in_line(request)
            && let Brought::Broken = self.restore_session(buf, request).await?
        {
            return Ok(Brought::Broken);
        }
        if request.statement == 0 {
            return Ok(Brought::Ready);
        }
        self.bring_statement(buf, request).await
    }

    /// Fills the prelude with the commands that restore the session's state on the connection in use. If a
    /// server could refuse one of them, sends them and waits for the answers, except before a repeatable read
    /// on a replica.
    pub(super) async fn restore_session(
        &mut self,
        buf: &Buf,
        request: &Request,
    ) -> Result<Brought, StatementError> {
        let named = self.statement_name(buf, request);
        self.insert_id_is_there(request).await?;
        let insert_id = self.insert_id_for(request);
        let effects = request.class.effects;
        let Some(connection) = &mut self.backend else { return Ok(Brought::Broken) };
        let counts = Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
        let here = (connection.about.server, connection.about.thread_id);
        let last = if effects.contains(Effects::READS_DIAGNOSTICS) {
            self.state.diagnostics.connection
        } else {
            self.state.last.connection
        };
        let elsewhere = connection.has_past || last != Some(here);
        let lost = effects.intersects(counts)
            || (effects.contains(Effects::READS_DIAGNOSTICS) && self.state.diagnostics.left);
        if elsewhere && lost && !self.state.last.is_new {
            if self.asks_row_count(buf, request) {
                return Err(StatementError::RowCount);
            }
            return Err(StatementError::Tell(Failure::Forgotten));
        }
        let another = std::mem::take(&mut connection.has_past) && effects.intersects(counts);
        let stale = connection.stale_diagnostics && effects.contains(Effects::READS_DIAGNOSTICS);
        if (stale || another) && self.state.pins.on(self.role).is_empty() {
            connection.reset(&mut self.prelude);
        }
        connection.close_statements(&mut self.prelude);
        let before = self.prelude.len();
        let mut sure = connection.become_session(&self.state.carried, insert_id, &mut self.prelude);
        if effects.contains(Effects::READS_DIAGNOSTICS) && before != self.prelude.len() {
            connection.forget_set(&mut self.prelude);
        }
        if effects.contains(Effects::LEAVES_UNKNOWN) && connection.has_text_statements() {
            // The statement may execute any prepared statement by name, so drop those of other sessions.
            connection.drop_text_statements_but(&self.state.objects.text_statements, &mut self.prelude);
        }
        if effects.intersects(Effects::PREPARES | Effects::EXECUTES | Effects::DEALLOCATES) {
            let before = self.prelude.len();
            let mut wish = self.state.objects.text_statements.clone();
            if self.role == Role::Reader && named.is_none() {
                // A replica's connection would refuse to prepare a write.
                wish = Default::default();
            }
            if named.is_some() && !effects.contains(Effects::EXECUTES) {
                wish = without_texts(&wish, |known| connection.has_text_statement(known), effects);
            }
            // A statement whose effects are unknown may have prepared others here. They belong to the
            // session, too.
            let unknown = self.state.pins.on(self.role).has(Pin::Unknown);
            if !unknown || wish.iter().any(|known| Some(&known.name) == named.as_ref()) {
                connection.become_text_statements(&wish, named.as_deref(), &mut self.prelude);
            }
            sure &= before == self.prelude.len();
        }
        let executes = effects.contains(Effects::EXECUTES);
        if sure || (effects.contains(Effects::REPEATABLE) && self.role == Role::Reader && !executes) {
            return Ok(Brought::Ready);
        }
        let brought = self.send_prelude().await?;
        match self.backend.as_mut().and_then(|connection| connection.take_unprepared()) {
            Some(error) if ends_connection(error.code) => {
                self.server_lost();
                Ok(Brought::Broken)
            }
            // EXECUTE would return this error, too, if the statement had been prepared here earlier.
            Some(error) => Err(StatementError::Tell(Failure::Server(error))),
            None => Ok(brought),
        }
    }

    /// True if the text is `SELECT ROW_COUNT()` and nothing else.
    fn asks_row_count(&self, buf: &Buf, request: &Request) -> bool {
        let asked = self.text_of(buf, *request).filter(|_| request.command == crate::wire::Command::Query);
        asked.is_some_and(|text| {
            let text = text.trim_ascii();
            let text = text.strip_suffix(b";").unwrap_or(text).trim_ascii_end();
            text.eq_ignore_ascii_case(b"select row_count()")
        })
    }

    /// Returns the name in an EXECUTE, a PREPARE or a DEALLOCATE, if the text does nothing else.
    pub(super) fn statement_name(&self, buf: &Buf, request: &Request) -> Option<std::rc::Rc<[u8]>> {
        use crate::sql::parts::{deallocated, executed, prepared};
        let (effects, options) = (request.class.effects, self.state.sql_options());
        let named = Effects::PREPARES | Effects::EXECUTES | Effects::DEALLOCATES;
        if !effects.intersects(named) || effects.contains(Effects::SEVERAL) {
            return None;
        }
        let text = self.text_of(buf, *request)?;
        let name = executed(text, options)
            .or_else(|| deallocated(text, options))
            .or_else(|| prepared(text, options).map(|(name, _)| name));
        name.map(std::rc::Rc::from)
    }

    /// Waits until the session's insert id is known, if only another connection has it. A session that took
    /// that connection asks it for the id first, which takes a moment. If no session took it, this session
    /// asks. Returns an error if the statement asks for an insert id that is lost.
    async fn insert_id_is_there(&mut self, request: &Request) -> Result<(), StatementError> {
        let here = self.backend.as_ref().map(|c| (c.about.server, c.about.thread_id));
        let asks = request.class.effects.contains(Effects::READS_INSERT_ID);
        let is_here = here == self.state.insert.connection || (self.role == Role::Reader && !asks);
        let limit = self.context.live.borrow().timeouts.connect;
        let context = self.context.clone();
        let until = tokio::time::Instant::now() + limit;
        while !is_here
            && self.state.insert.id.get() == InsertId::OnConnection
            && tokio::time::Instant::now() < until
        {
            if let Some(seat) = self.links.forget_writer_seat() {
                // If no session took the connection, this session asks it, because it does not return to it
                // either.
                match context.pool.reclaim(&seat) {
                    Some(mut connection) => {
                        let legacy = connection.legacy.take();
                        if context.pool.learn_insert_id(&mut connection, legacy, limit).await {
                            context.pool.park_for_others(connection, &seat);
                        } else {
                            context.pool.vacate(connection, &seat);
                        }
                    }
                    None => context.runtime.sleep(std::time::Duration::from_millis(1)).await,
                }
            } else {
                context.runtime.sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        if asks && self.state.insert.id.get() == InsertId::Lost {
            return Err(StatementError::TellAndClose(
                Failure::StateLost("an insert id"),
                crate::terms::Close::ServerLost,
            ));
        }
        Ok(())
    }

    /// Sends the prelude alone and waits for its answers.
    pub(super) async fn send_prelude(&mut self) -> Result<Brought, StatementError> {
        let prelude = std::mem::take(&mut self.prelude);
        let context = self.context.clone();
        let limit = context.live.borrow().timeouts.connect;
        let Some(connection) = &mut self.backend else { return Ok(Brought::Broken) };
        let sending = async {
            if !prelude.is_empty() {
                context.metrics.replays.add(1);
                let mut out = Buf::with_room(prelude.len());
                out.extend_from_slice(&prelude);
                connection.stream.write_all(out).await.0?;
            }
            connection.settle().await
        };
        let sent = match context.runtime.timeout(limit, sending).await {
            Some(sent) => sent,
            None => {
                let failure = ConnectError::Timeout(limit);
                tracing::warn!(id = self.handle.id, peer = %self.handle.peer, %failure, "a server does not take a session's state");
                Err(SwallowError::Io(std::io::ErrorKind::TimedOut.into()))
            }
        };
        let Err(error) = sent else { return Ok(Brought::Ready) };
        self.server_lost();
        match error {
            error if is_ending(&error) => Ok(Brought::Broken),
            SwallowError::Schema(e) if !self.may_leave() => Err(StatementError::Tell(Failure::Server(e))),
            SwallowError::Schema(error) | SwallowError::State(error) => {
                tracing::warn!(id = self.handle.id, peer = %self.handle.peer, %error, "a server refuses the state of a session");
                self.state_refused = Some(Box::new(error));
                Ok(Brought::Broken)
            }
            SwallowError::Protocol(_) | SwallowError::Io(_) => Ok(Brought::Broken),
        }
    }

    /// True if the current statement can go to the primary instead: a read outside of a transaction.
    pub(super) fn may_leave(&self) -> bool {
        self.port == Port::Split
            && self.role == Role::Reader
            && !self.state.pins.on(Role::Reader).has(Pin::Transaction)
    }

    /// Rolls back the read-only transaction that is open on a replica, because another transaction begins
    /// that may write.
    pub(super) async fn end_reading_transaction(&mut self) {
        if !self.state.pins.on(Role::Reader).has(Pin::Transaction) || !self.take_for(Role::Reader) {
            return;
        }
        let limit = self.context.live.borrow().timeouts.connect;
        let context = self.context.clone();
        let ended = match &mut self.backend {
            Some(connection) => context.runtime.timeout(limit, connection.query("ROLLBACK")).await,
            None => None,
        };
        if !matches!(ended, Some(Ok(_))) {
            self.server_lost();
            *self.lost.of_mut(Role::Reader) = false;
            self.connection_gone(Role::Reader);
        }
        self.state.rolled_back();
        self.state.unpin(Role::Reader, crate::state::PinSet::of(&[Pin::Transaction]));
        self.release_after_statement();
    }

    /// Counts a statement on a port that splits.
    pub(super) fn count_placed(&self, class: &StatementClass, role: Role, why: Why) {
        self.context.metrics.placed.at(class.kind, role, why).add(1);
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
