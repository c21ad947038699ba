//! Checks statement texts before they are sent: classifies them, refuses what a replica port does not allow,
//! and handles KILL, which means sessions of this proxy.

use super::acquire::StatementError;
use super::aside::{Look, one_class};
use super::pieces::Piece;
use super::request::Request;
use super::{Failure, Session};
use crate::backend::Carried;
use crate::net::{Buf, Claim, Runtime};
use crate::sql::parts::asks_query_cost;
use crate::sql::read_only::{Calls, Reason, Verdict, check_calls};
use crate::sql::{self, Effects, MAX_READ, Readings, StatementClass};
use crate::state::MOST_STATEMENTS;
use crate::state::readings_under;
use crate::terms::{Close, Port};
use crate::terms::{StatementKind, Why};
use crate::wire::{Capabilities, Command, MAX_PAYLOAD, query_text};

/// The class of `SHOW STATUS LIKE 'last_query_cost'`. Like FOUND_ROWS(), the value is on the connection where
/// the last statement ran.
const QUERY_COST: StatementClass = StatementClass {
    kind: StatementKind::Session,
    effects: Effects::READS_FOUND_ROWS,
    reason: Why::LooksBack,
};

/// Why a replica port refuses several statements in a text longer than [`MAX_READ`], which is not cut into
/// statements: the statement …
const LONG_AND_SEVERAL: &str = "stands among others in a text of more than 128 KiB";

impl<R: Runtime> Session<R> {
    /// Returns the reason to refuse a text before it is parsed, if there is one.
    fn unfit(&self, request: &Request, whole: bool) -> Option<Failure> {
        let prepares = request.command == Command::StmtPrepare;
        match self.port {
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

    /// True if the memory budget allows a text that PREPARE keeps. `leaves` limits how many such texts a
    /// session keeps.
    pub(super) fn may_keep_text(&self, bytes: usize) -> bool {
        self.context.buffers.memory.grant(Claim::Prepared, bytes)
    }

    /// Handles COM_QUERY and COM_STMT_PREPARE.
    pub(super) async fn text(&mut self, buf: &mut Buf, request: &mut Request) -> Result<(), Close> {
        // The guard of a replica port needs the whole text, and so does COM_STMT_PREPARE: only a text that is
        // kept can be prepared on other connections.
        let needed = self.port == Port::Replica || request.command == Command::StmtPrepare;
        let whole = !needed || request.whole || Box::pin(self.complete(buf, request, MAX_PAYLOAD)).await?;
        if let Some(failure) = self.unfit(request, whole) {
            return Box::pin(self.decline(buf, *request, failure)).await;
        }
        let attributes =
            request.command == Command::Query && self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let text = match query_text(request.arguments(buf), attributes) {
            Ok(text) => text,
            // The query attributes are longer than a buffer: the text behind them is not read yet.
            Err(_) if !request.whole => &[],
            Err(_) => {
                let failure = Failure::Malformed("query attributes");
                return Err(
                    Box::pin(self.refuse(request.answer_seq(), &failure, Close::ClientProtocol)).await
                );
            }
        };
        // The text is the last part of the packet.
        let end = request.header.total().min(buf.len());
        let place = end.saturating_sub(text.len())..end;
        let short = text.len() <= MAX_READ;
        let look = match request.whole {
            true if self.reads_aside(text.len()) => Box::pin(self.look_aside(buf, place.clone())).await?,
            true => self.look(text),
            false => Look { verdict: Verdict::Allowed, class: StatementClass::UNKNOWN, several: false },
        };
        let text = buf.filled().get(place).unwrap_or_default();
        if let Verdict::Refused(reason) = look.verdict {
            let options = self.state.sql_options();
            if request.command == Command::Query && short && sets_read_write(text, options) {
                // Connection pools send this to every connection that they hand out. It changes nothing on a
                // replica, and nothing here.
                Box::pin(self.skip(buf, *request)).await?;
                return Box::pin(self.send_ok(request.answer_seq())).await;
            }
            return self.decline(buf, *request, Failure::ReadOnlyPort(reason.as_str())).await;
        }
        request.class = look.class;
        if self.port == Port::Replica {
            self.handle.piece.set(Piece { more: false, judged: self.context.topology.modes() });
        }
        if !short {
            if look.several && self.takes_several(request) {
                return self.decline(buf, *request, Failure::ReadOnlyPort(LONG_AND_SEVERAL)).await;
            }
            return self.forward(buf, request).await;
        }
        if request.command == Command::Query
            && request.class.effects.contains(Effects::PREPARES)
            && !self.may_keep_text(request.header.total())
        {
            return self.decline(buf, *request, Failure::TooManyStatements(MOST_STATEMENTS)).await;
        }
        request.class = self.class_looked_into(text, request.class);
        if request.command == Command::Query && request.class.effects.contains(Effects::HINT_EXPLAIN) {
            return Box::pin(self.explain(buf, *request)).await;
        }
        if request.class.effects.contains(Effects::MAY_BE_OWN) {
            return Box::pin(self.own_variable(buf, *request)).await;
        }
        if request.command == Command::Query && begins_like_kill(text) {
            return Box::pin(self.kill_text(buf, *request)).await;
        }
        if self.goes_in_pieces(buf, request) {
            return Box::pin(self.one_at_a_time(buf, *request)).await;
        }
        self.forward(buf, request).await
    }

    /// Returns every way in which the known servers may read a text of the session.
    #[inline]
    pub(super) fn readings(&self) -> Readings {
        self.state.readings(self.context.topology.modes())
    }

    /// Returns the verdict of the replica port's guard on a text, read in every way in which servers may read
    /// it.
    pub(super) fn judge(&self, text: &[u8]) -> Verdict {
        self.judge_as(text, self.readings(), &self.state.carried)
    }

    /// Returns the guard's verdict on a text that was prepared under this state. The guard judged the text at
    /// its prepare, so it judges again only if there is more than one way to read the text.
    pub(super) fn judge_prepared(&self, text: &[u8], under: &Carried) -> Verdict {
        let readings = readings_under(under, self.context.topology.modes());
        match readings.of(text).nth(1) {
            None => Verdict::Allowed,
            Some(_) if self.reads_aside(text.len()) => Verdict::Refused(Reason::Unreadable),
            Some(_) => self.judge_as(text, readings, under),
        }
    }

    fn judge_as(&self, text: &[u8], readings: Readings, state: &Carried) -> Verdict {
        let routines = self.context.routines.borrow();
        let schema = state.schema.as_deref().unwrap_or_default();
        check_calls(text, readings, &Calls { schema, routines: &**routines })
    }

    /// Judges a text again if a server that may read it differently appeared since the last judgement.
    pub(super) fn judge_again(&self, buf: &Buf, request: &Request) -> Result<(), StatementError> {
        let (piece, modes) = (self.handle.piece.get(), self.context.topology.modes());
        let has_text = matches!(request.command, Command::Query | Command::StmtPrepare);
        if !has_text || self.port != Port::Replica || piece.judged == modes {
            return Ok(());
        }
        self.handle.piece.set(Piece { judged: modes, ..piece });
        let text = match request.command {
            Command::StmtPrepare => Some(request.arguments(buf)),
            _ => self.text_of(buf, *request),
        };
        match text.map(|text| self.judge(text)) {
            Some(Verdict::Allowed) => Ok(()),
            Some(Verdict::Refused(reason)) => {
                Err(StatementError::Tell(Failure::ReadOnlyPort(reason.as_str())))
            }
            None => Err(StatementError::Tell(Failure::TooLongToCheck(MAX_PAYLOAD))),
        }
    }

    /// Returns the class of a text. If different ways to read the text give different classes, the text
    /// counts as not understood.
    pub(super) fn class_of_text(&self, text: &[u8]) -> StatementClass {
        let schema = self.state.carried.schema.as_deref();
        one_class(self.readings().of(text).map(|options| self.context.classify(text, options, schema)))
    }

    /// Refines the class of a text whose shape alone does not determine it.
    pub(super) fn class_looked_into(&self, text: &[u8], class: StatementClass) -> StatementClass {
        if class.effects.contains(Effects::EXECUTES) {
            return self.executed(text, class);
        }
        let asks = class.reason == Why::OneServer && asks_query_cost(text, self.state.sql_options());
        if asks { QUERY_COST } else { class }
    }

    /// Returns the class of an EXECUTE: that of the statement that was prepared as text under its name.
    fn executed(&self, text: &[u8], class: StatementClass) -> StatementClass {
        let options = self.state.sql_options();
        let known = crate::sql::parts::executed(text, options).and_then(|name| {
            self.state
                .objects
                .text_statements
                .iter()
                .find(|known| *known.name == *name)
                .map(|known| &known.text)
        });
        match known {
            Some(text) => {
                let inner = self.context.classify(text, options, self.state.carried.schema.as_deref());
                let own =
                    (class.effects & Effects::HINTS) | Effects::EXECUTES | Effects::READS_USER_VARIABLES;
                // A consistency hint on the EXECUTE overrides a hint in the prepared text.
                let levels = Effects::HINT_LEVELS;
                let weaker = if own.intersects(levels) { levels } else { Effects::empty() };
                let effects = (inner.effects - weaker) | own;
                StatementClass { effects, ..inner }
            }
            None => class,
        }
    }

    async fn decline(&mut self, buf: &mut Buf, request: Request, failure: Failure) -> Result<(), Close> {
        Box::pin(self.skip_and_stop(buf, request, StatementError::Tell(failure))).await
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
