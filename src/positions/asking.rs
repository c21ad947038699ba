//! Asks a server about its position, over a connection that is kept for such questions.

use std::cell::RefCell;
use std::time::Duration;

use super::asker::{Asker, Guard};
use super::batch::Batch;
use crate::backend::{Connection, Introduction, Login, QueryError, Target, Values, connect, own_class};
use crate::net::{Runtime, Stream};
use crate::terms::Question;
use crate::topology::{Flavor, Server, ServerId, Snapshot};
use crate::worker::Resources;

/// The collation in the handshake of connections for questions: utf8mb4_general_ci.
const COLLATION: u16 = 45;

/// A question.
pub(super) struct Ask<'a, S> {
    pub server: ServerId,
    pub question: Question,
    /// Where the connection is kept. None: one must be opened.
    pub asker: &'a RefCell<Option<Asker<S>>>,
    /// The reads that wait for the answer.
    pub batch: &'a Batch,
}

/// Counts questions of a kind, and the reads that share them.
pub(super) fn count<R: Runtime>(resources: &Resources<R>, question: Question, questions: u64, reads: u64) {
    resources.metrics.questions[question].add(questions);
    resources.metrics.asked[question].add(reads);
}

/// Asks, and returns what `understand` makes of the answer. None: there is no answer.
pub(super) async fn ask<R: Runtime, T>(
    resources: &Resources<R>,
    asked: &Ask<'_, R::Stream>,
    snapshot: &Snapshot,
    guard: &mut Guard<R>,
    understand: impl FnOnce(Flavor, Values<'_>) -> T,
) -> Option<T> {
    let server = snapshot.server(asked.server)?;
    let flavor = server.facts.as_ref().map(|facts| facts.flavor)?;
    let mut result = Err(Failed::Lost);
    // The server may have closed an idle connection, with or without an ERR packet: the second try uses a new
    // connection.
    for fresh in [false, true] {
        if fresh || asked.asker.borrow().is_none() {
            // Boxed: opening is rare, and the task would carry its large future.
            let connection = Box::pin(open(resources, server, snapshot)).await?;
            asked.asker.replace(Some(Asker::new(connection)));
        }
        let mut asker = asked.asker.take()?;
        let waited = asker.kind.is_some();
        result = ask_server(resources, &mut asker, asked, server, snapshot, guard).await;
        if result.is_ok() {
            let understood = understand(flavor, asker.values());
            asked.asker.replace(Some(asker));
            return Some(understood);
        }
        asker.connection.stream.abort();
        match &result {
            Err(Failed::Lost) => {}
            Err(Failed::Refused(_)) if waited => {}
            _ => break,
        }
    }
    if let Err(Failed::Refused(error)) = result {
        tracing::warn!(server = %server.name, error, "a server does not tell its position");
    }
    resources.outside.kick(asked.server);
    None
}

enum Failed {
    /// The connection broke, perhaps because it was idle for long.
    Lost,
    /// The server is no longer the primary, or it has not answered in time.
    Gone,
    /// The server sent an ERR packet, or an answer that cannot be read.
    Refused(String),
}

async fn ask_server<R: Runtime>(
    resources: &Resources<R>,
    asker: &mut Asker<R::Stream>,
    asked: &Ask<'_, R::Stream>,
    server: &Server,
    snapshot: &Snapshot,
    guard: &mut Guard<R>,
) -> Result<(), Failed> {
    let (connect, wait) = {
        let live = resources.live.borrow();
        (live.timeouts.connect, live.consistency.max_wait)
    };
    let answered = asker.ask(asked.question, || text(asked.question, server, asked.batch, wait));
    let primary = (asked.question == Question::Position).then_some((server.id, snapshot.generation));
    match guard.watch(answered, connect + wait, primary).await {
        Some(Ok(())) => Ok(()),
        Some(Err(QueryError::Io(_))) => Err(Failed::Lost),
        Some(Err(error)) => Err(Failed::Refused(error.to_string())),
        None => Err(Failed::Gone),
    }
}

/// Opens a connection for questions. None: the server cannot be asked now.
pub async fn open<R: Runtime>(
    resources: &Resources<R>,
    server: &Server,
    snapshot: &Snapshot,
) -> Option<Connection<R::Stream>> {
    let target = Target::new(server, snapshot.generation);
    let (login, limit) = {
        let live = resources.live.borrow();
        let monitor = &live.monitor;
        let login = Login::new(monitor.user.clone(), monitor.password.clone());
        (login, live.timeouts.connect)
    };
    let introduction = Introduction::of_proxy(COLLATION);
    let connecting = connect(&resources.runtime, &target, &login, own_class(), &introduction);
    let failed = match resources.runtime.timeout(limit, connecting).await {
        Some(Ok((connection, _))) => return Some(connection),
        Some(Err(error)) => {
            resources.doubt(server.id, &error);
            error.to_string()
        }
        None => {
            resources.outside.kick(server.id);
            format!("no answer within {limit:?}")
        }
    };
    tracing::debug!(server = %server.name, error = failed, "a server cannot be asked for its position");
    None
}

/// Returns the text of a question, of which all columns are strings: prepared, they look as in the answer to a text. A wait is limited on the server, too, so that none is left behind there.
fn text(question: Question, server: &Server, batch: &Batch, wait: Duration) -> String {
    let seconds = wait.as_secs_f64();
    let flavor = server.facts.as_ref().map_or(Flavor::MySql, |facts| facts.flavor);
    match (question, flavor) {
        (Question::Position, Flavor::MySql) => {
            // A transaction that commits moves from gtid_owned to gtid_executed, so in this order none is
            // missed.
            "SELECT @@global.gtid_owned, @@global.gtid_executed, CONCAT(@@global.read_only, '')".to_owned()
        }
        // gtid_binlog_pos has what the primary itself wrote, even before it commits; gtid_current_pos what it
        // replicated before.
        (Question::Position, Flavor::MariaDb) => {
            "SELECT '', CONCAT_WS(',', NULLIF(@@global.gtid_binlog_pos, ''), NULLIF(@@global.gtid_current_pos, '')), \
             CONCAT(@@global.read_only, '')"
                .to_owned()
        }
        (Question::Wait, Flavor::MySql) => {
            format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{}', {seconds:.3})", batch.position())
        }
        (Question::Wait, Flavor::MariaDb) => {
            // MASTER_GTID_WAIT waits for gtid_slave_pos, which never shows the domain of a former primary's
            // own writes: only what the last probe lacked is waited for.
            let known = server.facts.as_ref().map(|facts| &facts.gtid);
            let missing = batch.target().map(|target| match known {
                Some(known) => target.subtract(known).to_string(),
                None => target.to_string(),
            });
            format!("SELECT MASTER_GTID_WAIT('{}', {seconds:.3})", missing.unwrap_or_default())
        }
        // In the same order as for the primary: what an applier commits is visible before it moves from
        // gtid_owned to gtid_executed.
        (Question::Seen, _) => "SELECT @@global.gtid_owned, @@global.gtid_executed".to_owned(),
        (Question::Step, _) => "SET STATEMENT wsrep_sync_wait = 1 FOR SELECT 0".to_owned(),
    }
}
