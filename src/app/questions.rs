//! Answers the admin side's questions to the workers.

use crate::admin::Question;
use crate::server::Server;

/// Passes a question to the workers. Does not wait for the answer.
pub(super) fn answer(question: Question, server: &Server) {
    // Whoever asked may be gone.
    match question {
        Question::Digests(reply) => {
            let report = server.digests();
            tokio::spawn(async move { drop(reply.send(report.await)) });
        }
        Question::Tap(filter, reply) => drop(reply.send(server.tap(filter))),
        Question::ForgetDigests => server.forget_digests(),
        Question::Sessions(reply) => {
            let sessions = server.describe_sessions();
            tokio::spawn(async move { drop(reply.send(sessions.await)) });
        }
        Question::Pools(reply) => {
            let pools = server.pools();
            tokio::spawn(async move { drop(reply.send(pools.await)) });
        }
        Question::Kill { id, connection, reply } => {
            let killed = server.kill(id, connection);
            tokio::spawn(async move {
                let _ = reply.send(killed.await);
            });
        }
    }
}
