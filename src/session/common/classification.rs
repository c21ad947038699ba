//! Classifies texts, and decides on replica ports whether a text may run there. Long texts are read on another
//! thread, so that the worker serves its other sessions meanwhile.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::cut::has_several;
use crate::backend::{Carried, PreparedText, TextStatement};
use crate::client::{Client, Failure, Piece, Request, StatementError, ended_by};
use crate::net::{Buf, Runtime, or_raised};
use crate::session::Context;
use crate::session::observe::Measured;
use crate::sql::digest::Digest;
use crate::sql::parts::asks_query_cost;
use crate::sql::read_only::{Calls, Reason, Refusal, Verdict, check_calls};
use crate::sql::{
    self, Context as ReadingContext, Effects, MAX_READ, Readings, Routines, StatementClass, classify,
};
use crate::state::{SessionState, readings_under};
use crate::terms::{Close, Pin, Port, Role, StatementKind, Why};
use crate::wire::{Command, MAX_PAYLOAD};
use crate::worker::Signals;

/// On replica ports, texts of up to this many bytes are checked on the worker's own thread, which takes some
/// milliseconds at worst.
const MAX_CHECKED_HERE: usize = 32 * 1024;

/// Texts of more than this many bytes are not classified: their class is unknown.
const MAX_CLASSIFIED: usize = 1024 * 1024;

/// The class of `SHOW STATUS LIKE 'last_query_cost'`. Like FOUND_ROWS(), the value is on the connection where
/// the last statement ran.
const QUERY_COST: StatementClass = StatementClass {
    kind: StatementKind::Session,
    effects: Effects::READS_FOUND_ROWS,
    reason: Why::LooksBack,
};

/// The result of reading a text.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) struct Classified {
    /// The verdict of the replica ports' guard. On other ports every text is allowed.
    pub verdict: Verdict,
    /// The text's class.
    pub class: StatementClass,
    /// True if the text was read on another thread, on a replica port, and has more than one statement.
    pub several: bool,
}

/// The parts of a session by which texts are read: its character set, modes and schema, what it prepared, and what the servers'
/// catalogue says.
pub(in crate::session) struct Classifier<'s, R: Runtime> {
    pub(in crate::session) context: &'s Rc<Context<R>>,
    pub(in crate::session) client: &'s mut Client<R>,
    pub(in crate::session) measured: &'s mut Measured,
    pub(in crate::session) state: &'s mut SessionState,
}

impl<R: Runtime> Classifier<'_, R> {
    /// Notes that an answered statement has changed what the catalogue knows, and asks for a new reading.
    pub(in crate::session) fn catalogue_changed(&self, effects: Effects) {
        let changes = Effects::CHANGES_ROUTINES | Effects::CHANGES_RELATIONS;
        // Of several statements, the first ones may have succeeded.
        let failed = self.state.answer.failed() && !effects.contains(Effects::SEVERAL);
        if failed || !effects.intersects(changes) {
            return;
        }
        let catalogue = self.context.texts.routines.borrow();
        if effects.contains(Effects::CHANGES_ROUTINES) {
            catalogue.changes().of_routines();
        }
        if effects.contains(Effects::CHANGES_RELATIONS) {
            catalogue.changes().of_relations();
        }
        self.context.outside.routines_changed();
    }

    /// Reads a whole text on this thread, and notes its digest.
    pub(in crate::session) fn look(&mut self, text: &[u8]) -> Classified {
        let verdict = if self.client.port == Port::Replica { self.judge(text) } else { Verdict::Allowed };
        let (class, digest) = match verdict {
            Verdict::Allowed | Verdict::Opaque => self.class_of_text(text),
            Verdict::Refused(_) => (StatementClass::UNKNOWN, None),
        };
        let class = seen(class, verdict);
        self.client.handle.statement.replace(digest);
        if self.context.shows_literals.get() {
            self.measured.keep_text(self.context, text);
        }
        Classified { verdict, class, several: false }
    }

    /// Like [`Self::look`], but reads a long text, at `place` in the buffer, on another thread. Only one text of a
    /// worker is read in this way at a time, in the order of their arrival.
    pub(in crate::session) async fn look_aside(
        self,
        buf: &mut Buf,
        place: Range<usize>,
    ) -> Result<Classified, Close> {
        let (context, readings) = (self.context.clone(), self.readings());
        let schema = self.state.carried.schema.as_deref().unwrap_or_default().to_vec();
        let (routines, guarded) =
            (context.texts.routines.borrow().clone(), self.client.port == Port::Replica);
        let whole = std::mem::take(buf);
        let digests = self.context.texts.digests.get();
        let work = move || {
            let text = whole.filled().get(place).unwrap_or_default();
            let calls = Calls { schema: &schema, routines: &*routines };
            let verdict = if guarded { check_calls(text, readings, &calls) } else { Verdict::Allowed };
            let of = |options| classify(text, ReadingContext { options, schema: &schema }, &*routines);
            let class = match verdict {
                Verdict::Refused(_) => StatementClass::UNKNOWN,
                _ if text.len() > MAX_CLASSIFIED => seen(StatementClass::UNKNOWN, verdict),
                _ => seen(one_class(readings.of(text).map(of)), verdict),
            };
            let several = guarded && has_several(text, readings.options);
            let digest = digests.then(|| match readings.of(text).nth(1) {
                None => Digest::of(text, readings.options),
                Some(_) => Digest::of_not_understood(text),
            });
            (Classified { verdict, class, several }, digest, whole)
        };
        let reading = async {
            let _turn = context.texts.permit.acquire().await.ok()?;
            context.runtime.aside(work).await
        };
        match or_raised(&self.client.handle.signal, Signals::KILLED | Signals::END | Signals::IDLE, reading)
            .await
        {
            Ok(Some((look, digest, back))) => {
                *buf = back;
                self.client.handle.statement.replace(digest.map(Rc::new));
                Ok(look)
            }
            // The other thread has ended, so the process is ending, too.
            Ok(None) => Err(Close::Drained),
            Err(raised) => Err(ended_by(raised)),
        }
    }
}

impl<R: Runtime> Classifier<'_, R> {
    /// Copies the text of a long COM_STMT_PREPARE on another thread, and returns the text to be kept.
    pub(in crate::session) async fn long_text(
        self,
        request: &mut Request,
    ) -> Result<Rc<PreparedText>, Close> {
        let whole = Request { buf: std::mem::take(&mut request.buf), head: request.head };
        let copy = move || (Arc::<[u8]>::from(whole.arguments()), whole.buf);
        // The other thread has ended, so the process is ending, too.
        let (text, back) = self.context.runtime.aside(copy).await.ok_or(Close::Drained)?;
        request.buf = back;
        Ok(self.context.texts.prepared.new_text(text, &self.state.carried))
    }
}

/// True if a text of this many bytes is read on another thread.
pub(in crate::session) fn reads_aside(port: Port, length: usize) -> bool {
    length > if port == Port::Replica { MAX_CHECKED_HERE } else { MAX_READ }
}

/// Returns the statement that was prepared as text under the name in this EXECUTE.
pub(in crate::session) fn prepared_as_text(state: &SessionState, execute: &[u8]) -> Option<TextStatement> {
    let name = crate::sql::parts::executed(execute, state.sql_options())?;
    state.objects.text_statements.iter().find(|known| *known.name == *name).cloned()
}

/// Returns the class of a text from its classes under every way to read it. If these differ, the class is
/// unknown.
pub(in crate::session) fn one_class(mut ways: impl Iterator<Item = StatementClass>) -> StatementClass {
    let mut class = ways.next().unwrap_or(StatementClass::UNKNOWN);
    for other in ways {
        // Explained only if every reading is.
        let explained = class.effects & other.effects & Effects::EXPLAINED;
        let plain =
            |class: StatementClass| StatementClass { effects: class.effects - Effects::EXPLAINED, ..class };
        if plain(class) != plain(other) {
            return StatementClass::UNKNOWN;
        }
        class.effects = plain(class).effects | explained;
    }
    class
}

impl<R: Runtime> Classifier<'_, R> {
    /// Returns every way in which the known servers may read a text of the session.
    #[inline]
    pub(in crate::session) fn readings(&self) -> Readings {
        self.state.readings(self.context.topology.modes())
    }

    /// Returns the verdict of the replica port's guard on a text, read in every way in which servers may read
    /// it.
    pub(in crate::session) fn judge(&self, text: &[u8]) -> Verdict {
        self.judge_as(text, self.readings(), &self.state.carried)
    }

    /// Returns the guard's verdict on a text that was prepared under this state. The guard judged the text at
    /// its prepare, so it judges again only if there is more than one way to read the text.
    pub(in crate::session) fn judge_prepared(&self, text: &[u8], under: &Carried) -> Verdict {
        let readings = readings_under(under, self.context.topology.modes());
        match readings.of(text).nth(1) {
            None => Verdict::Allowed,
            Some(_) if reads_aside(self.client.port, text.len()) => {
                Verdict::Refused(Reason::Unreadable.into())
            }
            Some(_) => self.judge_as(text, readings, under),
        }
    }

    fn judge_as(&self, text: &[u8], readings: Readings, state: &Carried) -> Verdict {
        let routines = self.context.texts.routines.borrow();
        let schema = state.schema.as_deref().unwrap_or_default();
        check_calls(text, readings, &Calls { schema, routines: &**routines })
    }

    /// Judges a text again if a server that may read it differently appeared since the last judgement.
    pub(in crate::session) fn judge_again(&mut self, request: &Request) -> Result<(), StatementError> {
        let (piece, modes) = (self.client.piece, self.context.topology.modes());
        let has_text = request.command.has_text();
        if !has_text || self.client.port != Port::Replica || piece.judged == modes {
            return Ok(());
        }
        self.client.piece = Piece { judged: modes, ..piece };
        let prepares = request.command == Command::StmtPrepare;
        let text = if prepares { Some(request.arguments()) } else { self.client.text_of(request) };
        match text.map(|text| self.judge(text)) {
            Some(Verdict::Refused(refusal)) => Err(StatementError::Tell(Failure::ReadOnlyPort(refusal))),
            Some(_) => Ok(()),
            None => Err(StatementError::Tell(Failure::TooLongToCheck(MAX_PAYLOAD))),
        }
    }

    /// Returns the class of a text. If different ways to read the text give different classes, the text
    /// counts as not understood.
    pub(in crate::session) fn class_of_text(&self, text: &[u8]) -> (StatementClass, Option<Rc<Digest>>) {
        let schema = self.state.carried.schema.as_deref();
        let (mut digest, mut ways) = (None, 0);
        let class = one_class(self.readings().of(text).map(|options| {
            let (class, its_digest) = self.context.texts.classify(text, options, schema);
            (digest, ways) = (its_digest, ways + 1);
            class
        }));
        if ways > 1 {
            // What is a literal in one way is none in another.
            digest = digest.map(|_| Rc::new(Digest::of_not_understood(text)));
        }
        (class, digest)
    }

    /// Refines the class of a text whose shape alone does not determine it.
    pub(in crate::session) fn class_looked_into(
        &mut self,
        text: &[u8],
        class: StatementClass,
    ) -> Result<StatementClass, Refusal> {
        if class.effects.contains(Effects::EXECUTES) {
            return self.executed(text, class);
        }
        let asks = class.reason == Why::OneServer && asks_query_cost(text, self.state.sql_options());
        Ok(if asks { QUERY_COST } else { class })
    }

    /// Returns the class of an EXECUTE: that of the statement that was prepared as text under its name. On a replica port that
    /// statement is judged again: the catalogue may have changed since its PREPARE.
    fn executed(&mut self, text: &[u8], class: StatementClass) -> Result<StatementClass, Refusal> {
        match prepared_as_text(self.state, text) {
            Some(TextStatement { text, under, .. }) => {
                let ways = self.ways_of_prepared(&under);
                // Names mean what they meant at the PREPARE, whatever the default schema is now.
                let schema = under.schema.as_deref();
                let mut digests = Vec::new();
                let inner = one_class(ways.iter().flat_map(|readings| readings.of(&text)).map(|options| {
                    let (class, digest) = self.context.texts.classify(&text, options, schema);
                    digests.push((options, digest));
                    class
                }));
                // What is a literal in one way may be none in another.
                let same = digests.windows(2).all(|pair| matches!(pair, [one, other] if one.0 == other.0));
                let digest = digests.pop().and_then(|(_, digest)| digest);
                let digest = digest
                    .map(|digest| if same { digest } else { Rc::new(Digest::of_not_understood(&text)) });
                let verdict = match self.client.port {
                    Port::Replica => self.judge_ways(&text, ways, &under),
                    _ => Verdict::Allowed,
                };
                if let Verdict::Refused(refusal) = verdict {
                    return Err(refusal);
                }
                let inner = seen(inner, verdict);
                self.measured.executed = digest;
                let own =
                    (class.effects & Effects::HINTS) | Effects::EXECUTES | Effects::READS_USER_VARIABLES;
                // A consistency hint on the EXECUTE overrides a hint in the prepared text.
                let levels = Effects::HINT_LEVELS;
                let weaker = if own.intersects(levels) { levels } else { Effects::empty() };
                let effects = (inner.effects - weaker) | own;
                Ok(StatementClass { effects, ..inner })
            }
            None => {
                let class = self.executes_nothing(text, class);
                // What was prepared under a name that the proxy does not know was judged at its PREPARE alone. The text of
                // an EXECUTE IMMEDIATE is judged with it.
                let unknown = self.client.port == Port::Replica
                    && hides_statements(self.state)
                    && !is_immediate(text, self.state.sql_options());
                Ok(seen(class, if unknown { Verdict::Opaque } else { Verdict::Allowed }))
            }
        }
    }

    /// Returns the class of an EXECUTE of a name that the session does not have. In a transaction that is open on a replica
    /// it stays there: the server answers that it does not know the name, and nothing runs. EXECUTE IMMEDIATE, and a text of
    /// several statements, run something without a name.
    fn executes_nothing(&self, text: &[u8], class: StatementClass) -> StatementClass {
        let named = crate::sql::parts::executed(text, self.state.sql_options()).is_some();
        if !named || hides_statements(self.state) || self.state.facts().transaction != Some(Role::Replica) {
            return class;
        }
        let effects = (class.effects & Effects::HINTS) | Effects::EXECUTES | Effects::UNDERSTOOD;
        StatementClass { kind: StatementKind::Session, effects, reason: class.reason }
    }

    /// Returns the ways in which servers may read a statement that was prepared under this state: as at its PREPARE, and as
    /// now. A server reads a text anew when a table that it names has changed, or the type of a parameter.
    fn ways_of_prepared(&self, under: &Carried) -> [Readings; 2] {
        [readings_under(under, self.context.topology.modes()), self.readings()]
    }

    /// Judges and classifies a prepared statement again, if the catalogue has changed since, or the way in which the
    /// session's texts are read.
    pub(in crate::session) fn classify_again(&mut self, id: u32, now: Readings) -> Result<(), Refusal> {
        let version = self.context.texts.routines.borrow().version();
        let Some(text) = self.outdated(id, now) else { return Ok(()) };
        let class = if reads_aside(self.client.port, text.text.len()) {
            // Too long to be read here. (On a replica port it was judged aside.)
            seen(StatementClass::UNKNOWN, Verdict::Opaque)
        } else {
            let ways = self.ways_of_prepared(&text.under);
            let verdict = match self.client.port {
                Port::Replica => self.judge_ways(&text.text, ways, &text.under),
                _ => Verdict::Allowed,
            };
            if let Verdict::Refused(refusal) = verdict {
                return Err(refusal);
            }
            let schema = text.under.schema.as_deref();
            let options = ways.iter().flat_map(|readings| readings.of(&text.text));
            seen(one_class(options.map(|o| self.context.texts.classify(&text.text, o, schema).0)), verdict)
        };
        if let Some(prepared) = self.state.statements.get(id) {
            (prepared.class, prepared.catalogue, prepared.read_as) = (class, version, now);
        }
        Ok(())
    }

    /// Returns the text of a prepared statement if the catalogue, or the way in which the session's texts are read, has changed
    /// since the statement was judged.
    fn outdated(&self, id: u32, now: Readings) -> Option<Rc<PreparedText>> {
        let version = self.context.texts.routines.borrow().version();
        let prepared = self.state.statements.peek(id)?;
        let is_outdated = prepared.catalogue != version || prepared.read_as != now;
        is_outdated.then(|| prepared.text.clone())
    }

    /// True if a prepared statement must be judged again, on another thread: it is one of a replica port, and its text is too
    /// long for this thread.
    pub(in crate::session) fn is_judged_aside(&self, id: u32, now: Readings) -> bool {
        self.client.port == Port::Replica
            && self.outdated(id, now).is_some_and(|known| reads_aside(self.client.port, known.text.len()))
    }

    /// Judges a long prepared statement again, on another thread.
    pub(in crate::session) async fn judge_aside_again(self, id: u32, now: Readings) -> Result<(), Refusal> {
        let routines = self.context.texts.routines.borrow().clone();
        let Some(known) = self.outdated(id, now) else { return Ok(()) };
        let ways = self.ways_of_prepared(&known.under);
        let schema = known.under.schema.as_deref().unwrap_or_default().to_vec();
        let (text, version, context) = (known.text.clone(), routines.version(), self.context.clone());
        let work = move || {
            let calls = Calls { schema: &schema, routines: &*routines };
            worst(ways.map(|readings| check_calls(&text, readings, &calls)))
        };
        let judging = async {
            let _turn = context.texts.permit.acquire().await.ok()?;
            context.runtime.aside(work).await
        };
        match judging.await {
            Some(Verdict::Refused(refusal)) => return Err(refusal),
            Some(verdict) => {
                if let Some(prepared) = self.state.statements.get(id) {
                    prepared.class = seen(StatementClass::UNKNOWN, verdict);
                    (prepared.catalogue, prepared.read_as) = (version, now);
                }
            }
            // The other thread has ended, so the process is ending, too.
            None => return Err(Reason::TooMuchWork.into()),
        }
        Ok(())
    }

    /// Returns the guard's verdict on a prepared text that is read in several ways.
    fn judge_ways(&self, text: &[u8], ways: [Readings; 2], under: &Carried) -> Verdict {
        worst(ways.map(|readings| self.judge_as(text, readings, under)))
    }
}

/// True if the session may have prepared statements that the proxy does not know.
fn hides_statements(state: &SessionState) -> bool {
    state.pins.on_both().has(Pin::Unknown)
}

/// True for `EXECUTE IMMEDIATE 'text'`.
fn is_immediate(text: &[u8], options: sql::Options) -> bool {
    let mut tokens = sql::Lexer::new(text, options).filter(|token| !token.is_trivia());
    let second = tokens.nth(1).is_some_and(|token| token.is("IMMEDIATE"));
    second && tokens.next().is_some_and(|token| token.kind == sql::Kind::String)
}

/// Returns the strictest of verdicts on one text.
fn worst(verdicts: [Verdict; 2]) -> Verdict {
    match verdicts {
        [refused @ Verdict::Refused(_), _] | [_, refused @ Verdict::Refused(_)] => refused,
        [Verdict::Opaque, _] | [_, Verdict::Opaque] => Verdict::Opaque,
        [Verdict::Allowed, Verdict::Allowed] => Verdict::Allowed,
    }
}

/// Returns the class of a text on which the guard returned this verdict.
fn seen(class: StatementClass, verdict: Verdict) -> StatementClass {
    match verdict {
        Verdict::Opaque => StatementClass { effects: class.effects | Effects::OPAQUE, ..class },
        Verdict::Allowed | Verdict::Refused(_) => class,
    }
}
