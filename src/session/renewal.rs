//! Statements behind which new server connections begin with something else than those that are open: SET GLOBAL and
//! its like, and whatever is about accounts. The pool must know before the client does, who may connect anew at once.

use super::Session;
use super::request::Request;
use crate::net::Runtime;
use crate::sql::{Effects, StatementKind};
use crate::wire::Command;

impl<R: Runtime> Session<R> {
    /// A part of the answer to a statement of that kind is there, or there will be none. The client does not know yet.
    pub(super) fn renews(&self, request: &Request) {
        let class = request.class;
        let answer = &self.state.answer;
        // A text ends at its first error: what comes before that was executed, but who may not change one of the
        // server's settings does not close others' connections by asking for it again and again.
        let refused = answer.failed && (answer.denied || !class.effects.contains(Effects::SEVERAL));
        if refused || request.command == Command::StmtPrepare {
            return;
        }
        let here = self.backend.as_ref().map(|connection| connection.about.server);
        // Accounts are the same on all servers: what is changed on one of them comes to the others.
        let server = if class.kind == StatementKind::Ddl { None } else { here };
        self.context.pool.renew(server);
    }
}
