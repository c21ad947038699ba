//! Connections for questions about positions.

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{Connection, QueryError, Values};
use crate::net::{Buf, Runtime, Stream};
use crate::terms::Question;
use crate::topology::ServerId;
use crate::wire::PrepareOk;
use crate::worker::Resources;

/// A question that was asked this often on a connection is prepared there. The first ones are texts, so that the first
/// read after a change of the primary waits for one answer, not for two.
const WORTH_PREPARING: u32 = 8;

/// A connection for questions.
pub(super) struct Asker<S> {
    pub connection: Connection<S>,
    /// The packet of the last question.
    packet: Vec<u8>,
    /// The kind of the last question. None: nothing was asked yet.
    pub kind: Option<Question>,
    /// How often this question was asked.
    asked: u32,
    form: QuestionForm,
    buf: Buf,
    /// Where the answer's row is in `buf`.
    row: Range<usize>,
}

/// How the last question is sent.
enum QuestionForm {
    Text,
    /// As COM_STMT_EXECUTE of this statement.
    Prepared(PrepareOk),
    /// As a text, because the server refuses to prepare it, for example at its `max_prepared_stmt_count`.
    NotPrepared,
}

impl<S: Stream> Asker<S> {
    pub fn new(connection: Connection<S>) -> Self {
        Asker {
            connection,
            packet: Vec::new(),
            kind: None,
            asked: 0,
            form: QuestionForm::Text,
            buf: Buf::with_room(512),
            row: 0..0,
        }
    }

    /// Asks, and keeps the answer for [`Self::values`]. `text` is only called if the last question cannot be sent again:
    /// only waits differ from one another.
    pub async fn ask(&mut self, question: Question, text: impl FnOnce() -> String) -> Result<(), QueryError> {
        if self.kind.replace(question) != Some(question) || question == Question::Wait {
            if let QuestionForm::Prepared(statement) = self.form {
                self.connection.close_statement(statement.statement_id).await?;
            }
            self.packet = self.connection.question(&text());
            (self.asked, self.form) = (0, QuestionForm::Text);
        } else if self.asked == WORTH_PREPARING
            && matches!(self.form, QuestionForm::Text)
            && matches!(question, Question::Position | Question::Seen)
        {
            Box::pin(self.prepare(&text())).await?;
        }
        self.asked = self.asked.saturating_add(1);
        self.row = self.connection.row(&self.packet, &mut self.buf).await?;
        Ok(())
    }

    async fn prepare(&mut self, text: &str) -> Result<(), QueryError> {
        match self.connection.prepare(text.as_bytes()).await {
            Ok(statement) => {
                self.packet = self.connection.execution(statement.statement_id);
                self.form = QuestionForm::Prepared(statement);
                Ok(())
            }
            Err(QueryError::Refused(_)) => {
                self.form = QuestionForm::NotPrepared;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the values of the last answer, none if it has no row.
    pub fn values(&self) -> Values<'_> {
        let row = self.buf.filled().get(self.row.clone()).unwrap_or_default();
        match self.form {
            QuestionForm::Prepared(statement) => Values::of_strings(row, statement.columns),
            QuestionForm::Text | QuestionForm::NotPrepared => Values::of(row),
        }
    }
}

/// A future of its own.
type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// What ends questions early: their limit of time, and a change of the primary. Sets up nothing for most questions: an
/// alarm and a look-out of a former question serve the next ones.
pub(super) struct Guard<R: Runtime> {
    resources: Rc<Resources<R>>,
    /// Rings when a question, perhaps a former one, has used up its time.
    alarm: Option<Boxed>,
    /// Ends with the next change of the topology.
    change: Option<Boxed>,
}

impl<R: Runtime> Guard<R> {
    pub fn new(resources: Rc<Resources<R>>) -> Self {
        Guard { resources, alarm: None, change: None }
    }

    /// Awaits the answer. None: it did not arrive within `limit`, or `primary` is given, and that server is no longer the
    /// primary of that generation.
    pub async fn watch<F: Future>(
        &mut self,
        asked: F,
        limit: Duration,
        primary: Option<(ServerId, u64)>,
    ) -> Option<F::Output> {
        let began = Instant::now();
        let mut asked = pin!(asked);
        poll_fn(|cx| {
            if let Poll::Ready(output) = asked.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let ends =
                self.rings(cx, began, limit) || primary.is_some_and(|primary| self.is_deposed(cx, primary));
            if ends { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    fn rings(&mut self, cx: &mut Context<'_>, began: Instant, limit: Duration) -> bool {
        loop {
            if let Some(alarm) = &mut self.alarm {
                if alarm.as_mut().poll(cx).is_pending() {
                    return false;
                }
                self.alarm = None;
            }
            let left = limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return true;
            }
            let runtime = self.resources.runtime.clone();
            self.alarm = Some(Box::pin(async move { runtime.sleep(left).await }));
        }
    }

    fn is_deposed(&mut self, cx: &mut Context<'_>, (server, generation): (ServerId, u64)) -> bool {
        loop {
            if let Some(change) = &mut self.change {
                if change.as_mut().poll(cx).is_pending() {
                    return false;
                }
                self.change = None;
            }
            let topology = &self.resources.topology;
            if topology.primary() != Some(server) || topology.generation() != generation {
                return true;
            }
            let (resources, seen) = (self.resources.clone(), topology.version());
            self.change = Some(Box::pin(async move { resources.topology.changed_from(seen).await }));
        }
    }
}
