//! What a server's ERR packet means for the client, and for the statement that the packet answers.
//!
//! The first row that fits decides. A statement runs on another server only if the client has no part of its answer and
//! the error says that the server executed nothing.
//!
//! | the error says | and | verdict |
//! |---|---|---|
//! | the commit failed, but may be in the group | not on a replica | the client is told that the outcome is unknown |
//! | the transaction only reads | the port is for replicas | the client is told that the port is read-only |
//! | the server is read-only | a replica has the client's reading transaction, the statement is a COMMIT and can be sent again | roll back instead |
//! | the server is read-only | a replica has the client's reading transaction | the client is told that the transaction only reads |
//! | the statement was interrupted | the proxy did so, and the statement can be run again and sent again | elsewhere |
//! | the statement was interrupted | the proxy did so, and something is in doubt | the client is told that the outcome is unknown |
//! | the connection ends | the client has nothing of the answer | the probes decide what happened |
//! | the connection ends | the client has a part of it | the client is told in the proxy's words, with the doubt if there is one |
//! | the prepared statement is unknown or out of date | it is executed for the first time | prepare again |
//! | the server is read-only, cut off, or lacks an object, or the transaction only reads | a read that the primary may have instead | to the primary |
//! | the server is read-only or cut off | it was taken for the primary, and the statement does not run in steps | wait for a primary |
//! | the server is cut off | a replica, or a statement that runs in steps on a replica | as if the server was lost |
//! | anything else | | the client gets the unchanged packet |

/// What the code and the words of an ERR packet say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorMeaning {
    /// The commit failed on the server, but may be committed in the group: Galera's 1180 from a node that lost its
    /// group.
    MayBeCommitted,
    /// ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION.
    ReadOnlyTransaction,
    /// The server is read-only, and executed nothing.
    ReadOnly,
    /// The server has lost its group, and executed nothing.
    CutOff,
    /// ER_QUERY_INTERRUPTED.
    Interrupted,
    /// The server ends the connection.
    ConnectionEnds,
    /// The prepared statement is not known: ER_UNKNOWN_STMT_HANDLER.
    UnknownStatement,
    /// The prepared statement is out of date: ER_NEED_REPREPARE.
    PrepareAgain,
    /// An object or a right is missing, which a replica may not have received yet.
    Missing,
    /// Any other error, which concerns only the client.
    Other,
}

/// What is known of a statement before its answer arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// True if the connection was opened to read from a replica.
    pub on_replica: bool,
    /// True on a replica port, which refuses writes with an error text of its own.
    pub replica_port: bool,
    /// True if the client has no packet of the answer.
    pub nothing_forwarded: bool,
    /// True if the client has no packet of the answer, and the request is whole in the buffer.
    pub can_send_again: bool,
    /// True if nothing is in doubt when the answer ends here.
    pub no_doubt: bool,
    /// True for a read on a split port outside of a transaction: the primary can run the read instead.
    pub may_leave: bool,
    /// True if the client began a read-only transaction, which is open on a replica.
    pub in_reading_transaction: bool,
    /// True if the statement only ends a transaction.
    pub only_ends: bool,
    /// True for an execute whose prepared statement was not prepared again for this execute.
    pub executes: bool,
    /// True if the server may refuse a part of the statement after it has committed earlier parts, as with a procedure.
    pub in_steps: bool,
    /// Some if the proxy interrupted the statement because the server lost the primary's role. The value is true if the
    /// statement can be run again.
    pub interrupted: Option<bool>,
}

/// What the answer had in front of the ERR packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// True if the ERR packet is the first packet of the answer.
    pub nothing: bool,
    /// True if there was an OK packet.
    pub any_ok: bool,
}

/// The ERR packet that the client gets instead of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplacementError {
    /// A write may have been committed.
    MayBeCommitted,
    /// The port is read-only.
    ReadOnlyPort,
    /// The transaction is read-only.
    ReadOnlyTransaction,
    /// The statement was interrupted, and may have done a part of its work.
    Interrupted,
    /// The server ended the connection.
    ConnectionEnded,
}

/// How the statement continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryRoute {
    /// The read-only transaction is rolled back. A COMMIT would have the same effect.
    RollBack,
    /// The statement was interrupted before it did anything, and runs again on the next primary.
    AfterInterrupt,
    /// The probes find out whether the server is lost, or somebody killed the connection.
    AskProbes,
    /// The statement is prepared again; true if the server does not know it.
    PrepareAgain(bool),
    /// The read runs on the primary.
    ToPrimary,
    /// The server is not the primary any more: the statement waits for the next primary.
    WaitForPrimary,
    /// The statement continues as if the server had been lost before it received the statement.
    AsIfLost,
}

/// What to do with the ERR packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The client gets the packet.
    Forward,
    /// The client gets another packet.
    Replace(ReplacementError),
    /// The client gets nothing yet, and the statement continues in this way.
    Elsewhere(RetryRoute),
}

impl Expected {
    /// Decides by the module's table.
    pub fn verdict(self, said: ErrorMeaning, before: Before) -> Verdict {
        match said {
            ErrorMeaning::MayBeCommitted if !self.on_replica => {
                Verdict::Replace(ReplacementError::MayBeCommitted)
            }
            ErrorMeaning::ReadOnlyTransaction if self.replica_port => {
                Verdict::Replace(ReplacementError::ReadOnlyPort)
            }
            ErrorMeaning::ReadOnly if self.in_reading_transaction => {
                match self.only_ends && self.can_send_again {
                    true => Verdict::Elsewhere(RetryRoute::RollBack),
                    false => Verdict::Replace(ReplacementError::ReadOnlyTransaction),
                }
            }
            ErrorMeaning::Interrupted => self.interrupted(before),
            ErrorMeaning::ConnectionEnds => match self.nothing_forwarded && !before.any_ok {
                true => Verdict::Elsewhere(RetryRoute::AskProbes),
                false => Verdict::Replace(ReplacementError::ConnectionEnded),
            },
            // Column definitions may stand in front of the ERR packet if a function that writes failed while rows were
            // computed. The client has none of these definitions.
            _ if self.can_send_again && (before.nothing || self.may_leave) => self.unsent(said),
            _ => Verdict::Forward,
        }
    }

    fn interrupted(self, before: Before) -> Verdict {
        match self.interrupted {
            Some(true) if self.can_send_again && before.nothing => {
                Verdict::Elsewhere(RetryRoute::AfterInterrupt)
            }
            Some(_) if !self.no_doubt => Verdict::Replace(ReplacementError::Interrupted),
            _ => Verdict::Forward,
        }
    }

    /// Decides for a statement that can be sent again, while the client has no part of its answer.
    fn unsent(self, said: ErrorMeaning) -> Verdict {
        match said {
            ErrorMeaning::UnknownStatement if self.executes => {
                Verdict::Elsewhere(RetryRoute::PrepareAgain(true))
            }
            ErrorMeaning::PrepareAgain if self.executes => {
                Verdict::Elsewhere(RetryRoute::PrepareAgain(false))
            }
            ErrorMeaning::ReadOnlyTransaction
            | ErrorMeaning::Missing
            | ErrorMeaning::ReadOnly
            | ErrorMeaning::CutOff
                if self.may_leave =>
            {
                Verdict::Elsewhere(RetryRoute::ToPrimary)
            }
            ErrorMeaning::ReadOnly | ErrorMeaning::CutOff if !self.on_replica && !self.in_steps => {
                Verdict::Elsewhere(RetryRoute::WaitForPrimary)
            }
            ErrorMeaning::CutOff if self.on_replica => Verdict::Elsewhere(RetryRoute::AsIfLost),
            _ => Verdict::Forward,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: [ErrorMeaning; 10] = [
        ErrorMeaning::MayBeCommitted,
        ErrorMeaning::ReadOnlyTransaction,
        ErrorMeaning::ReadOnly,
        ErrorMeaning::CutOff,
        ErrorMeaning::Interrupted,
        ErrorMeaning::ConnectionEnds,
        ErrorMeaning::UnknownStatement,
        ErrorMeaning::PrepareAgain,
        ErrorMeaning::Missing,
        ErrorMeaning::Other,
    ];

    /// A combination of facts, with its verdict.
    struct Case {
        expected: Expected,
        said: ErrorMeaning,
        before: Before,
        verdict: Verdict,
    }

    /// Returns every possible combination.
    fn all() -> impl Iterator<Item = Case> {
        let facts =
            (0..1u32 << 12).flat_map(|bits| [None, Some(false), Some(true)].map(|third| (bits, third)));
        let facts = facts.map(|(bits, interrupted)| {
            let is = |at: u32| bits >> at & 1 == 1;
            let expected = Expected {
                on_replica: is(0),
                replica_port: is(1),
                nothing_forwarded: is(2),
                can_send_again: is(3),
                no_doubt: is(4),
                may_leave: is(5),
                in_reading_transaction: is(6),
                only_ends: is(7),
                executes: is(8),
                in_steps: is(9),
                interrupted,
            };
            (expected, Before { nothing: is(10), any_ok: is(11) })
        });
        facts
            .filter(|(expected, before)| {
                let again_though_forwarded = expected.can_send_again && !expected.nothing_forwarded;
                let ok_before_nothing = before.nothing && before.any_ok;
                // Both are reads on a replica, outside and inside of a transaction.
                let two_places = expected.may_leave && expected.in_reading_transaction;
                let reading_on_primary = expected.in_reading_transaction && !expected.on_replica;
                !(again_though_forwarded || ok_before_nothing || two_places || reading_on_primary)
            })
            .flat_map(|(expected, before)| {
                SAID.map(|said| Case { expected, said, before, verdict: expected.verdict(said, before) })
            })
    }

    #[test]
    fn never_twice() {
        for Case { expected, said, before, verdict } in all() {
            let Verdict::Elsewhere(way) = verdict else { continue };
            assert!(
                expected.nothing_forwarded,
                "the client has a part of it: {expected:?} {said:?} {before:?}"
            );
            assert!(
                expected.can_send_again || way == RetryRoute::AskProbes,
                "{expected:?} {said:?} {before:?}"
            );
            let executed_nothing = match way {
                RetryRoute::RollBack | RetryRoute::WaitForPrimary => {
                    matches!(said, ErrorMeaning::ReadOnly | ErrorMeaning::CutOff)
                }
                RetryRoute::AsIfLost => said == ErrorMeaning::CutOff,
                RetryRoute::AfterInterrupt => expected.interrupted == Some(true) && before.nothing,
                RetryRoute::PrepareAgain(_) => expected.executes,
                // A read, which may run twice.
                RetryRoute::ToPrimary => expected.may_leave,
                // The probes decide.
                RetryRoute::AskProbes => !before.any_ok,
            };
            assert!(executed_nothing, "{way:?}: {expected:?} {said:?} {before:?}");
            let committed_in_part =
                expected.in_steps && !expected.on_replica && way == RetryRoute::WaitForPrimary;
            assert!(!committed_in_part, "{expected:?} {said:?} {before:?}");
        }
    }

    #[test]
    fn never_silent() {
        for Case { expected, said, before, verdict } in all() {
            let doubt = match said {
                ErrorMeaning::MayBeCommitted => !expected.on_replica,
                ErrorMeaning::Interrupted => expected.interrupted.is_some() && !expected.no_doubt,
                // Drivers take these codes for the end of their own connection.
                ErrorMeaning::ConnectionEnds => true,
                _ => false,
            };
            assert!(!doubt || verdict != Verdict::Forward, "{expected:?} {said:?} {before:?}");
        }
    }

    #[test]
    fn what_is_the_clients_alone_is_forwarded() {
        for Case { expected, said, before, verdict } in all() {
            let own = matches!(said, ErrorMeaning::Other)
                || (said == ErrorMeaning::Missing && !expected.may_leave)
                || (said == ErrorMeaning::Interrupted && expected.interrupted.is_none());
            assert!(!own || verdict == Verdict::Forward, "{expected:?} {said:?} {before:?}");
        }
    }

    /// A client of a replica port, or in a read-only transaction, never gets the error text of another kind of server.
    #[test]
    fn words_fit_the_port() {
        for Case { expected, said, before, verdict } in all() {
            if expected.replica_port && said == ErrorMeaning::ReadOnlyTransaction {
                assert_eq!(
                    verdict,
                    Verdict::Replace(ReplacementError::ReadOnlyPort),
                    "{expected:?} {before:?}"
                );
            }
            if expected.in_reading_transaction && said == ErrorMeaning::ReadOnly {
                assert_ne!(verdict, Verdict::Forward, "{expected:?} {before:?}");
            }
        }
    }
}
