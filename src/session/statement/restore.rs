//! Restores the session's state on the server connection in use before a statement runs there.

use crate::backend::InsertId;
use crate::client::{Failure, Request, RequestHead, StatementError};
use crate::net::{Runtime, Stream};
use crate::session::Session;
use crate::session::common::StatementEnd;
use crate::session::loss::Tries;
use crate::sql::Effects;
use crate::sql::read_only::Verdict;
use crate::terms::{Port, Role, TraceStep, Why};
use crate::upstream::{Restored, SetUp};
use crate::wire::{Capabilities, Command};

impl<R: Runtime> Session<R> {
    /// Restores the session on its connection. False if the statement must be placed anew, since the connection broke.
    pub(in crate::session) async fn prepare_or_retry(
        &mut self,
        role: Role,
        request: &mut Request,
        tries: &mut Tries,
    ) -> Result<bool, StatementEnd> {
        let step = self.client.begin_step(TraceStep::Restore);
        let prepared = self.prepare_connection(request).await;
        self.client.end_step(step);
        match prepared {
            // Meanwhile its server may have been deposed, and have come back.
            Ok(Restored::Ready)
                if self.client.handle.servers.attached().is_some_and(|a| self.context.is_good(a)) =>
            {
                return Ok(true);
            }
            Ok(Restored::Ready | Restored::Broken) => {}
            Err(stop) => return Err(self.replies().end_unsent(request, stop).await),
        }
        self.upstream.server_lost();
        if role == Role::Replica && self.upstream.state_refused.take().is_some() {
            // A replica that does not take the session's state; the primary did.
            tries.not_replica = Some(Why::Refused);
        }
        self.retry(request, tries).await?;
        Ok(false)
    }

    /// Restores the session's state on the connection in use, as far as this statement needs it.
    pub(in crate::session) async fn restore_session(
        &mut self,
        request: &Request,
    ) -> Result<Restored, StatementError> {
        let effects = request.class.effects;
        let counts = Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
        let asks = if effects.intersects(counts) { self.classifier().asks_count(request) } else { None };
        let unknown = effects.contains(Effects::LEAVES_UNKNOWN);
        let statement = SetUp {
            effects,
            offers: unknown && self.classifier().may_reach_text_statements(request),
            named: self.classifier().statement_name(request),
            asks,
            several: self.permits_several(),
            may_leave: self.facts().may_leave(),
        };
        self.upstream.restore_session(&mut self.state, &statement).await
    }

    /// Restores the session's state on the connection in use, and prepares the statement there if it names
    /// one.
    pub(in crate::session) async fn prepare_connection(
        &mut self,
        request: &mut Request,
    ) -> Result<Restored, StatementError> {
        if request.class.effects.contains(Effects::OPAQUE)
            && let Restored::Broken = Box::pin(self.may_run_opaque(request)).await?
        {
            return Ok(Restored::Broken);
        }
        if self.may_keep_own_diagnostics(request) {
            request.class.effects |= Effects::READS_DIAGNOSTICS;
        }
        if self.option_differs() {
            Box::pin(self.option_leaves_class(request.command)).await;
        }
        if !self.upstream.is_in_line(&self.state, request.class.effects, self.permits_several())
            && let Restored::Broken = self.restore_session(request).await?
        {
            return Ok(Restored::Broken);
        }
        if request.statement == 0 {
            return Ok(Restored::Ready);
        }
        self.bring_statement(request).await
    }

    /// True if MariaDB may keep the error with which the proxy itself answered the command before, or add another to it: the
    /// error is raised on the connection first, so that the server decides. A COM_INIT_DB adds its own.
    /// (MySQL adds an error to one that a refused command left, and not to one that a statement raised.)
    fn may_keep_own_diagnostics(&self, request: &RequestHead) -> bool {
        let has_text =
            [Command::Query, Command::StmtPrepare].contains(&request.command) || request.command.executes();
        self.state.texts.of_mariadb
            && self.state.diagnostics.are_own()
            && (request.command == Command::InitDb
                || (has_text && self.state.may_keep_diagnostics(&request.class)))
    }

    /// True if the servers permit this session several statements in a text.
    pub(in crate::session) fn permits_several(&self) -> bool {
        let class = self.client.class(self.upstream.role);
        class.capabilities.contains(Capabilities::MULTI_STATEMENTS)
    }

    /// True if the connection in use permits several statements where the session's client forbade them, or the other way round.
    fn option_differs(&self) -> bool {
        let connection = self.upstream.connection();
        connection.is_some_and(|connection| connection.several != self.permits_several())
    }

    /// Prepares for a connection that logged in with another setting of COM_SET_OPTION than the session has now: it is closed
    /// once nothing pins it, so the session's insert id is learned first. The session's connections to both servers are told
    /// of the setting in front of their next statement (`SetUp::several`), that of the command itself by the command.
    async fn option_leaves_class(&mut self, command: Command) {
        self.learn_insert_id().await;
        let several = self.permits_several();
        if let Some(connection) = self.upstream.connection_mut().filter(|_| command == Command::SetOption) {
            connection.permits(several);
        }
    }

    /// True if the connection in use, to the primary, is closed behind the statement.
    pub(in crate::session) fn closes_behind_statement(&mut self) -> bool {
        let is_free = self.upstream.role == Role::Primary && self.state.pins.on(Role::Primary).is_empty();
        let connection = self.upstream.connection_mut().filter(|_| is_free);
        connection.is_some_and(|c| c.closes_after_session || c.stream.is_worn())
    }

    /// Asks the connection in use for the session's insert id, if only this connection knows it.
    pub(in crate::session) async fn learn_insert_id(&mut self) {
        let Some(connection) = self.upstream.connection_mut() else { return };
        let insert = &self.state.insert;
        if insert.id.get() == InsertId::OnConnection && insert.connection == Some(connection.about.thread()) {
            let limit = self.context.live.borrow().timeouts.connect;
            self.context.pool.learn_insert_id(connection, Some(insert.id.link()), limit).await;
        }
    }

    /// Prepares the statement on the connection in use if it is not prepared there, and writes the server's
    /// id of the statement into the request.
    pub(in crate::session) async fn bring_statement(
        &mut self,
        request: &mut Request,
    ) -> Result<Restored, StatementError> {
        if !self.upstream.name_statement(&mut self.state, request, self.client.has_attributes())? {
            if let Restored::Broken = Box::pin(self.prepare_here(request)).await? {
                return Ok(Restored::Broken);
            }
            if !self.upstream.name_statement(&mut self.state, request, self.client.has_attributes())? {
                return Ok(Restored::Broken);
            }
        }
        Ok(Restored::Ready)
    }

    /// Prepares the statement on the connection in use under the schema, the character set and the SQL mode
    /// of its first prepare.
    async fn prepare_here(&mut self, request: &RequestHead) -> Result<Restored, StatementError> {
        match self.state.statements.peek(request.statement).map(|p| p.text.clone()) {
            Some(text) => {
                self.learn_reading().await?;
                if self.client.port == Port::Replica
                    && let Verdict::Refused(refusal) =
                        self.classifier().judge_prepared(&text.text, &text.under)
                {
                    // A server that was not known at the first prepare may read the text differently.
                    return Err(StatementError::Tell(Failure::ReadOnlyPort(refusal)));
                }
                self.upstream.prepare_text(&self.state, &text, self.facts().may_leave()).await
            }
            None => Ok(Restored::Broken),
        }
    }
}
