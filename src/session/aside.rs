//! Reads long texts on another thread, so that the worker serves its other sessions meanwhile: what a text is
//! and does, and on replica ports whether it may run there.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::client_write::ended_by;
use super::pieces::has_several;
use super::request::Request;
use super::{Session, Signals};
use crate::backend::PreparedText;
use crate::net::{Buf, Runtime, or_raised};
use crate::sql::read_only::{Calls, Verdict, check_calls};
use crate::sql::{Context, MAX_READ, StatementClass, classify};
use crate::terms::{Close, Port};

/// On replica ports, texts of up to this many bytes are checked on the worker's own thread, which takes some
/// milliseconds at worst.
const MAX_CHECKED_HERE: usize = 32 * 1024;

/// Texts of more than this many bytes are not classified: their class is unknown.
const MAX_CLASSIFIED: usize = 1024 * 1024;

/// The result of reading a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The verdict of the replica ports' guard. On other ports every text is allowed.
    pub verdict: Verdict,
    /// The text's class.
    pub class: StatementClass,
    /// True if the text was read on another thread, on a replica port, and has more than one statement.
    pub several: bool,
}

impl<R: Runtime> Session<R> {
    /// Reads a whole text on this thread.
    pub(super) fn look(&self, text: &[u8]) -> Look {
        let verdict = if self.port == Port::Replica { self.judge(text) } else { Verdict::Allowed };
        let class = match verdict {
            Verdict::Allowed => self.class_of_text(text),
            Verdict::Refused(_) => StatementClass::UNKNOWN,
        };
        Look { verdict, class, several: false }
    }

    /// True if a text of this many bytes is read on another thread.
    pub(super) fn reads_aside(&self, length: usize) -> bool {
        length > if self.port == Port::Replica { MAX_CHECKED_HERE } else { MAX_READ }
    }

    /// Does the same as [`Self::look`] on another thread, for a long text at `place` in the buffer. A worker
    /// has one text at a time read in this way, in the order of their arrival.
    pub(super) async fn look_aside(&mut self, buf: &mut Buf, place: Range<usize>) -> Result<Look, Close> {
        let (context, readings) = (self.context.clone(), self.readings());
        let schema = self.state.carried.schema.as_deref().unwrap_or_default().to_vec();
        let (routines, guarded) = (context.routines.borrow().clone(), self.port == Port::Replica);
        let whole = std::mem::take(buf);
        let work = move || {
            let text = whole.filled().get(place).unwrap_or_default();
            let calls = Calls { schema: &schema, routines: &*routines };
            let verdict = if guarded { check_calls(text, readings, &calls) } else { Verdict::Allowed };
            let of = |options| classify(text, Context { options, schema: &schema }, &*routines);
            let class = match verdict {
                Verdict::Allowed if text.len() <= MAX_CLASSIFIED => one_class(readings.of(text).map(of)),
                _ => StatementClass::UNKNOWN,
            };
            let several = guarded && has_several(text, readings.options);
            (Look { verdict, class, several }, whole)
        };
        let reading = async {
            let _turn = context.reading.acquire().await.ok()?;
            context.runtime.aside(work).await
        };
        match or_raised(&self.handle.signal, Signals::KILLED | Signals::END | Signals::IDLE, reading).await {
            Ok(Some((look, back))) => {
                *buf = back;
                Ok(look)
            }
            // The other thread has ended, so the process is ending, too.
            Ok(None) => Err(Close::Drained),
            Err(raised) => Err(ended_by(raised)),
        }
    }
}

impl<R: Runtime> Session<R> {
    /// Copies the text of a long COM_STMT_PREPARE on another thread, and returns the text to be kept.
    pub(super) async fn long_text(&self, buf: &mut Buf, request: Request) -> Result<Rc<PreparedText>, Close> {
        let whole = std::mem::take(buf);
        let copy = move || (Arc::<[u8]>::from(request.arguments(&whole)), whole);
        // The other thread has ended, so the process is ending, too.
        let (text, back) = self.context.runtime.aside(copy).await.ok_or(Close::Drained)?;
        *buf = back;
        Ok(self.context.texts.new_text(text, &self.state.carried))
    }
}

/// Returns the class of a text from its classes under every way to read it. If these differ, the class is
/// unknown.
pub(super) fn one_class(mut ways: impl Iterator<Item = StatementClass>) -> StatementClass {
    let class = ways.next().unwrap_or(StatementClass::UNKNOWN);
    if ways.all(|other| other == class) { class } else { StatementClass::UNKNOWN }
}
