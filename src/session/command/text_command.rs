//! Checks statement texts before they are sent: classifies them, refuses what a replica port does not allow,
//! and handles KILL, which means sessions of this proxy.

use crate::client::{Failure, Piece, Request, RequestHead, StatementError};
use crate::net::{Claim, Runtime};
use crate::session::Session;
use crate::session::common::{Classified, reads_aside};
use crate::sql;
use crate::sql::read_only::{Reason, Verdict};
use crate::sql::{Effects, MAX_READ, StatementClass};
use crate::state::MOST_STATEMENTS;
use crate::terms::{Close, Port};
use crate::wire::{Capabilities, Command, MAX_PAYLOAD, query_text};

impl<R: Runtime> Session<R> {
    /// Returns the reason to refuse a text before it is parsed, if there is one.
    fn unfit(&self, request: &RequestHead, whole: bool) -> Option<Failure> {
        let prepares = request.command == Command::StmtPrepare;
        match self.client.port {
            _ if whole && prepares && !self.may_keep(request.header.total()) => {
                Some(Failure::TooManyStatements(MOST_STATEMENTS))
            }
            _ if whole => None,
            _ if !request.header.is_continued() && request.header.total() <= MAX_PAYLOAD => {
                Some(Failure::OutOfMemory)
            }
            Port::Replica => Some(Failure::TooLongToCheck(MAX_PAYLOAD)),
            _ => Some(Failure::TooLongToPrepare(MAX_PAYLOAD)),
        }
    }

    /// True if the session may keep one more statement of this length, by its own limits and the memory
    /// budget.
    fn may_keep(&self, bytes: usize) -> bool {
        self.state.statements.has_room(bytes) && self.context.buffers.memory.grant(Claim::Prepared, bytes)
    }

    /// Handles COM_QUERY and COM_STMT_PREPARE.
    pub(in crate::session) async fn text(&mut self, request: &mut Request) -> Result<(), Close> {
        if request.command == Command::StmtPrepare {
            self.state.statements.prepare_begins();
        }
        // The guard of a replica port needs the whole text, and so does COM_STMT_PREPARE: only a text that is
        // kept can be prepared on other connections.
        let needed = self.client.port == Port::Replica || request.command == Command::StmtPrepare;
        let whole = !needed || request.whole || Box::pin(self.client.complete(request, MAX_PAYLOAD)).await?;
        if let Some(failure) = self.unfit(request, whole) {
            return Box::pin(self.decline(request, failure)).await;
        }
        let attributes = request.command == Command::Query
            && self.client.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let text = match query_text(request.arguments(), attributes) {
            Ok(text) => text,
            // The query attributes are longer than a buffer: the text behind them is not read yet.
            Err(_) if !request.whole => &[],
            Err(_) => {
                let failure = Failure::Malformed("query attributes");
                return Err(Box::pin(self.client.refuse(
                    request.answer_seq(),
                    &failure,
                    Close::ClientProtocol,
                ))
                .await);
            }
        };
        // The text is the last part of the packet.
        let end = request.header.total().min(request.buf.len());
        let place = end.saturating_sub(text.len())..end;
        let short = text.len() <= MAX_READ;
        let Classified { verdict, class, several } = match request.whole {
            true if reads_aside(self.client.port, text.len()) => {
                Box::pin(self.classifier().look_aside(&mut request.buf, place.clone())).await?
            }
            true => self.classifier().look(text),
            false => {
                self.client.handle.statement.replace(self.context.texts.unread());
                Classified { verdict: Verdict::Allowed, class: StatementClass::UNKNOWN, several: false }
            }
        };
        let text = request.buf.filled().get(place).unwrap_or_default();
        if let Verdict::Refused(refusal) = verdict {
            let options = self.state.sql_options();
            if request.command == Command::Query && short && sets_read_write(text, options) {
                // Connection pools send this to every connection that they hand out. It changes nothing on a
                // replica, and nothing here.
                Box::pin(self.client.skip(request)).await?;
                return Box::pin(self.replies().send_ok(request.answer_seq())).await;
            }
            if request.command == Command::Query && short {
                self.state.refuses_to_prepare(text);
            }
            return self.decline(request, Failure::ReadOnlyPort(refusal)).await;
        }
        if self.client.port == Port::Replica
            && request.command == Command::StmtPrepare
            && sql::kill::has_kill(text, self.state.sql_options())
        {
            // The proxy executes a KILL itself.
            return self.decline(request, Failure::ReadOnlyPort(Reason::Writes.into())).await;
        }
        request.head.class = class;
        if self.client.port == Port::Replica {
            self.client.piece = Piece { more: false, judged: self.context.topology.modes() };
        }
        if !short {
            if several && self.takes_several(request) {
                return self.decline(request, Failure::ReadOnlyPort(Reason::LongAndSeveral.into())).await;
            }
            return self.forward(request).await;
        }
        if request.command == Command::Query
            && request.class.effects.contains(Effects::PREPARES)
            && !self.context.may_keep_text(request.header.total())
        {
            self.state.refuses_to_prepare(text);
            return self.decline(request, Failure::TooManyStatements(MOST_STATEMENTS)).await;
        }
        request.head.class = match self.classifier().class_looked_into(text, request.head.class) {
            Ok(class) => class,
            Err(refusal) => return self.decline(request, Failure::ReadOnlyPort(refusal)).await,
        };
        if request.command == Command::Query && request.class.effects.contains(Effects::HINT_EXPLAIN) {
            return Box::pin(self.explain(request)).await;
        }
        if request.class.effects.contains(Effects::MAY_BE_OWN) {
            return Box::pin(self.own_variable(request)).await;
        }
        if request.command == Command::Query && begins_like_kill(text) {
            return Box::pin(self.kill_text(request)).await;
        }
        if self.client.port == Port::Replica && self.goes_in_pieces(request) {
            return Box::pin(self.one_at_a_time(request)).await;
        }
        self.forward(request).await
    }

    async fn decline(&mut self, request: &mut Request, failure: Failure) -> Result<(), Close> {
        Box::pin(self.replies().skip_and_stop(request, StatementError::Tell(failure))).await
    }
}

/// True if the text is `SET SESSION TRANSACTION READ WRITE` and nothing else.
fn sets_read_write(text: &[u8], options: sql::Options) -> bool {
    let mut lexer = sql::Lexer::new(text, options);
    let mut says = |words: &[&str]| {
        lexer.next_significant().is_some_and(|t| t.kind == sql::Kind::Word && t.is_any(words))
    };
    let all = says(&["set"]) && says(&["session", "local"]) && says(&["transaction"]);
    let all = all && says(&["read"]) && says(&["write"]);
    all && lexer.next_significant().is_none_or(|t| t.kind == sql::Kind::Semicolon)
        && lexer.next_significant().is_none()
}

/// True if the text may be a KILL behind white space and comments: a cheap first check.
fn begins_like_kill(text: &[u8]) -> bool {
    let begin = text.iter().find(|b| !b.is_ascii_whitespace());
    matches!(begin, Some(b'k' | b'K' | b'/' | b'#' | b'-'))
}
