//! Chooses where the session's next statement goes, and restores the session's state on that server
//! connection before the statement runs.

use super::Session;
use crate::client::{Failure, Request, StatementError};
use crate::net::{Buf, Runtime};
use crate::routing::place;
use crate::sql::read_only::Verdict;
use crate::sql::{Effects, StatementClass};
use crate::terms::{Port, Role, Why};
use crate::upstream::{Brought, SetUp};

impl<R: Runtime> Session<R> {
    /// Chooses the role by the port, the class of the statement and what the session holds.
    #[inline]
    pub(super) fn place(&mut self, request: &Request) -> (Role, Why) {
        match self.client.port {
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

    /// Restores the session's state on the connection in use, as far as this statement needs it.
    pub(super) async fn restore_session(
        &mut self,
        buf: &Buf,
        request: &Request,
    ) -> Result<Brought, StatementError> {
        let effects = request.class.effects;
        let asks = effects.contains(Effects::READS_ROW_COUNT) && self.asks_row_count(buf, request);
        let statement = SetUp {
            effects,
            named: self.statement_name(buf, request),
            asks_row_count: asks,
            may_leave: self.may_leave(),
        };
        self.upstream.restore_session(&mut self.state, &statement).await
    }

    /// Restores the session's state on the connection in use, and prepares the statement there if it names
    /// one.
    pub(super) async fn prepare_connection(
        &mut self,
        buf: &mut Buf,
        request: &mut Request,
    ) -> Result<Brought, StatementError> {
        if !self.upstream.is_in_line(&self.state, request.class.effects)
            && let Brought::Broken = self.restore_session(buf, request).await?
        {
            return Ok(Brought::Broken);
        }
        if request.statement == 0 {
            return Ok(Brought::Ready);
        }
        self.bring_statement(buf, request).await
    }

    /// Prepares the statement on the connection in use if it is not prepared there, and writes the server's
    /// id of the statement into the request.
    pub(super) async fn bring_statement(
        &mut self,
        buf: &mut Buf,
        request: &mut Request,
    ) -> Result<Brought, StatementError> {
        if !self.upstream.name_statement(&mut self.state, buf, request, self.client.has_attributes())? {
            if let Brought::Broken = Box::pin(self.prepare_here(request)).await? {
                return Ok(Brought::Broken);
            }
            if !self.upstream.name_statement(&mut self.state, buf, request, self.client.has_attributes())? {
                return Ok(Brought::Broken);
            }
        }
        Ok(Brought::Ready)
    }

    /// Prepares the statement on the connection in use under the schema, the character set and the SQL mode
    /// of its first prepare.
    async fn prepare_here(&mut self, request: &Request) -> Result<Brought, StatementError> {
        match self.state.statements.peek(request.statement).map(|p| p.text.clone()) {
            Some(text) => {
                if self.client.port == Port::Replica
                    && let Verdict::Refused(reason) = self.judge_prepared(&text.text, &text.under)
                {
                    // A server that was not known at the first prepare may read the text differently.
                    return Err(StatementError::Tell(Failure::ReadOnlyPort(reason.as_str())));
                }
                self.upstream.prepare_text(&self.state, &text, self.may_leave()).await
            }
            None => Ok(Brought::Broken),
        }
    }

    /// Counts a statement on a port that splits.
    pub(super) fn count_placed(&self, class: &StatementClass, role: Role, why: Why) {
        self.context.metrics.placed.at(class.kind, role, why).add(1);
    }
}
