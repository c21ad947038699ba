//! Statements behind which new server connections begin with something else than those that are open: SET GLOBAL and
//! its like, and whatever is about accounts. The pool must know before the client does, who may connect anew at once.

use super::Session;
use super::request::Request;
use crate::net::{Buf, Runtime};
use crate::sql::{Effects, StatementKind, before_renewal};
use crate::wire::Command;

impl<R: Runtime> Session<R> {
    /// A part of the answer to a statement of that kind is there, perhaps the last. The client does not know yet.
    /// Who may not change one of the server's settings does not close others' connections by asking for it again and
    /// again.
    pub(super) fn renews_so_far(&self, buf: &Buf, request: Request, complete: bool) {
        let answer = &self.state.answer;
        let several = request.class.effects.contains(Effects::SEVERAL);
        // What does not only say that the account has no right to it may have been executed in part.
        let refused = answer.failed && (answer.denied || !several);
        // Each statement has at least one result; a compound statement counts as several and has one.
        let executed = || {
            let text = self.text_of(buf, request);
            let results = usize::from(answer.results);
            answer.results == u16::MAX
                || text.is_none_or(|text| results > before_renewal(text, self.state.sql_options()))
        };
        if (complete && !refused) || (several && executed()) {
            self.renews(request);
        }
    }

    /// A statement of that kind was executed, or may have been.
    pub(super) fn renews(&self, request: Request) {
        if request.command == Command::StmtPrepare {
            return;
        }
        let here = self.backend.as_ref().map(|connection| connection.about.server);
        // Accounts are the same on all servers: what is changed on one of them comes to the others.
        let server = if request.class.kind == StatementKind::Ddl { None } else { here };
        self.context.pool.renew(server);
    }
}
