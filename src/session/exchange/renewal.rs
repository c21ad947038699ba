//! Statements after which new server connections start with other settings than open ones: SET GLOBAL and the
//! like, and statements about accounts. The pool must know before the client, because the client may connect
//! anew at once.

use crate::client::{Request, RequestHead};
use crate::net::Runtime;
use crate::session::Session;
use crate::sql::Effects;
use crate::state::AnswerError;
use crate::terms::StatementKind;
use crate::wire::Command;

impl<R: Runtime> Session<R> {
    /// Renews the pooled connections if such a statement may have been executed. Called when a part of the
    /// answer is there, perhaps the last, and before the client gets it. A statement that was denied for lack
    /// of a privilege does not renew, so that its account cannot close other sessions' connections by
    /// repeating it.
    pub(in crate::session) fn renews_so_far(&mut self, request: &Request, complete: bool) {
        let answer = self.state.answer;
        let several = request.class.effects.contains(Effects::SEVERAL);
        // A text of several statements that failed may have been executed in part, unless the error is a
        // missing privilege.
        let refused = answer.failed() && (answer.error == Some(AnswerError::Denied) || !several);
        // Compares the results so far with the number of statements before the renewing one, because each
        // statement has at least one result. A compound statement counts as several statements and has one
        // result.
        let mut executed = || {
            answer.results == u16::MAX
                || self
                    .classifier()
                    .asked_text(request)
                    .is_none_or(|text| usize::from(answer.results) > text.before_renewal())
        };
        if (complete && !refused) || (several && executed()) {
            self.renews(request);
        }
    }

    /// Renews the pooled connections after such a statement was executed, or may have been.
    pub(in crate::session) fn renews(&self, request: &RequestHead) {
        if request.command == Command::StmtPrepare {
            return;
        }
        let here = self.upstream.connection().map(|connection| connection.about.server);
        // Account changes are replicated, so they affect all servers.
        let server = if request.class.kind == StatementKind::Ddl { None } else { here };
        self.context.pool.renew(server);
    }
}
