//! A look at statement texts before they go: what a replica port refuses, what leaves
//! something behind, and KILL, which means sessions of this proxy.

use super::attach::Stop;
use super::request::Request;
use super::{Failure, Session};
use crate::net::{Buf, Runtime};
use crate::sql::read_only::{Verdict, check};
use crate::telemetry::{Close, Port};
use crate::wire::{Capabilities, Command, MAX_PAYLOAD, query_text};

/// Statement words that neither begin nor end a transaction.
const DATA_WORDS: [&[u8]; 8] =
    [b"select", b"insert", b"update", b"delete", b"replace", b"with", b"show", b"values"];

impl<R: Runtime> Session<R> {
    /// COM_QUERY and COM_STMT_PREPARE.
    pub(super) async fn text(&mut self, buf: &mut Buf, mut request: Request) -> Result<(), Close> {
        // Only a whole text can be judged.
        if self.port == Port::Replica
            && !request.whole
            && !Box::pin(self.complete(buf, &mut request, MAX_PAYLOAD)).await?
        {
            return self.decline(buf, request, Failure::TooLongToCheck(MAX_PAYLOAD)).await;
        }
        let attributes =
            request.command == Command::Query && self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let text = match query_text(request.arguments(buf), attributes) {
            Ok(text) => text,
            // Attributes longer than a buffer: what stands behind them is not there yet.
            Err(_) if !request.whole => &[],
            Err(_) => {
                let failure = Failure::Malformed("query attributes");
                return Err(
                    Box::pin(self.refuse(request.answer_seq(), &failure, Close::ClientProtocol)).await
                );
            }
        };
        if self.port == Port::Replica
            && let Verdict::Refused(reason) = check(text, self.state.sql_options())
        {
            return self.decline(buf, request, Failure::ReadOnlyPort(reason.as_str())).await;
        }
        if request.command == Command::Query && request.whole {
            request.plain = self.state.looks_plain(text);
        } else {
            self.state.is_not_plain();
        }
        if request.command == Command::Query && begins_like_kill(text) {
            return Box::pin(self.kill_text(buf, request)).await;
        }
        request.leaves = self.state.leaves(text, request.whole);
        self.forward(buf, request).await
    }

    async fn decline(&mut self, buf: &mut Buf, request: Request, failure: Failure) -> Result<(), Close> {
        Box::pin(self.skip_and_stop(buf, request, Stop::Tell(failure))).await
    }
}

/// A cheap first look: `KILL` behind white space and comments.
fn begins_like_kill(text: &[u8]) -> bool {
    let begin = text.iter().find(|b| !b.is_ascii_whitespace());
    matches!(begin, Some(b'k' | b'K' | b'/' | b'#' | b'-'))
}

/// Whether a text may begin or end a transaction: everything but plain data statements.
pub(super) fn may_control(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let word = text.split(|b| !b.is_ascii_alphabetic()).next().unwrap_or_default();
    let data = DATA_WORDS.iter().any(|w| word.eq_ignore_ascii_case(w));
    !data || text.trim_ascii_end().iter().rev().skip(1).any(|b| *b == b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_end_a_transaction() {
        for sql in
            ["COMMIT", "/* x */ commit", "insert into t values (1); commit", "create table t (a int)", "do 1"]
        {
            assert!(may_control(sql.as_bytes()), "{sql}");
        }
        for sql in [" SELECT 1", "insert into t values (1);", "update t set a = 1 ; "] {
            assert!(!may_control(sql.as_bytes()), "{sql}");
        }
    }
}
