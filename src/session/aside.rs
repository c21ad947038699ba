//! Long texts are read on another thread, so that the worker goes on with its other sessions meanwhile: what a text is
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
use crate::telemetry::{Close, Port};

/// Texts up to this long, in bytes, are checked on the worker itself: some milliseconds at the worst.
const MAX_CHECKED_HERE: usize = 32 * 1024;

/// Texts longer than this, in bytes, are of no class but unknown.
const MAX_CLASSIFIED: usize = 1024 * 1024;

/// What a look at a text found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// What the guard of replica ports says. On other ports everything may run.
    pub verdict: Verdict,
    /// What the text is and does.
    pub class: StatementClass,
    /// It was read aside, on a replica port, and has more than one statement.
    pub several: bool,
}

impl<R: Runtime> Session<R> {
    /// Looks at a whole text.
    pub(super) fn look(&self, text: &[u8]) -> Look {
        let verdict = if self.port == Port::Replica { self.judge(text) } else { Verdict::Allowed };
        let class = match verdict {
            Verdict::Allowed => self.class_of_text(text),
            Verdict::Refused(_) => StatementClass::UNKNOWN,
        };
        Look { verdict, class, several: false }
    }

    /// Whether a text of this length is for another thread.
    pub(super) fn reads_aside(&self, length: usize) -> bool {
        length > if self.port == Port::Replica { MAX_CHECKED_HERE } else { MAX_READ }
    }

    /// The same as [`Self::look`] for a long text, which stands at this place of the buffer. One of a worker's long texts
    /// is read at a time, in the order in which they came.
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
            // The other thread ended: the process does, too.
            Ok(None) => Err(Close::Drained),
            Err(raised) => Err(ended_by(raised)),
        }
    }
}

impl<R: Runtime> Session<R> {
    /// What a long text of COM_STMT_PREPARE is kept as: copied on the other thread, too.
    pub(super) async fn long_text(&self, buf: &mut Buf, request: Request) -> Result<Rc<PreparedText>, Close> {
        let whole = std::mem::take(buf);
        let copy = move || (Arc::<[u8]>::from(request.arguments(&whole)), whole);
        // The other thread ended: the process does, too.
        let (text, back) = self.context.runtime.aside(copy).await.ok_or(Close::Drained)?;
        *buf = back;
        Ok(self.context.texts.new_text(text, &self.state.carried))
    }
}

/// The class of a text by the ways to read it. One that is something else by another way is not understood.
pub(super) fn one_class(mut ways: impl Iterator<Item = StatementClass>) -> StatementClass {
    let class = ways.next().unwrap_or(StatementClass::UNKNOWN);
    if ways.all(|other| other == class) { class } else { StatementClass::UNKNOWN }
}
