//! What a lost server means for the statement under way and for its session.
//!
//! The first row that applies decides. A statement only runs again if the client has no part of the answer,
//! the request is whole in the buffer, and nothing else was lost with the connection (a lock, a temporary
//! table, …).
//!
//! | what was lost | the statement | verdict |
//! |---|---|---|
//! | a transaction on the primary | only rolls it back | forget the transaction; the ROLLBACK runs elsewhere |
//! | a transaction on the primary with a journal | can run after a replay, and has not lost a second server | replay |
//! | the primary | begins a transaction that has a journal | run it again |
//! | the primary | is a marked COMMIT, and was sent | look the COMMIT up |
//! | no transaction | was not sent, only reads, or can be repeated | run it again, unless it has lost a second server |
//! | anything else | any | an error, see [`Error`] |

use crate::terms::Role;

/// What is known when a server is lost with a statement under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The role for which the connection was used.
    pub role: Role,
    /// True if the server may have received any part of the request.
    pub sent: bool,
    /// True if the client has a part of the answer.
    pub forwarded: bool,
    /// True if what the client has of the answer ends between two packets.
    pub between_packets: bool,
    /// True if the request is whole in the buffer: it can be sent again.
    pub whole: bool,
    /// True if a transaction was open on the connection.
    pub open: bool,
    /// True if the statement may have ended that transaction.
    pub commits: bool,
    /// True if the connection held something, transaction and diagnostics aside, that no other connection
    /// has.
    pub held: bool,
    /// True if the statement itself would have left something on the connection.
    pub leaves: bool,
    /// True if the statement only rolls the transaction back.
    pub only_rolls_back: bool,
    /// True if there is a journal of the transaction, and the statement can run after its replay.
    pub can_replay: bool,
    /// True if the statement begins a transaction.
    pub begins: bool,
    /// True if running the statement twice has the same effect as running it once.
    pub repeatable: bool,
    /// True if another server was lost with this statement before: perhaps the statement crashes servers.
    pub second: bool,
    /// True if a savepoint that can be looked up in a binary log was sent in front of this COMMIT.
    pub marked: bool,
}

/// What to do about the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The transaction is forgotten, and the ROLLBACK runs elsewhere.
    ForgetTransaction,
    /// The statement runs again elsewhere: it was not executed, or only with effects that are lost or
    /// harmless.
    Again,
    /// The transaction is replayed on the next primary, and the statement runs after it.
    Replay,
    /// The next primary's binary log shows whether the COMMIT was executed.
    LookUp,
    /// The client gets an error and stays connected.
    Tell(Error),
    /// The client gets an error, and its connection ends, because what the statement or the session left on
    /// the server is gone.
    TellAndClose(Error),
    /// The client gets an error that names the lost session state, and its connection ends. Nothing else is
    /// in doubt. The [`Error`] is what became of the statement.
    TellStateLost(Error),
    /// The client's connection ends in the middle of a packet.
    Close(Error),
}

/// What became of a statement that does not run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The transaction is lost, and nothing of it was committed. For a statement without a transaction: it
    /// has had no effect, and the client may send it again.
    RolledBack,
    /// It is unknown whether a write was executed.
    OutcomeUnknown,
    /// The rest of a read's answer is missing.
    AnswerCut,
    /// A second server was lost with the statement.
    LostTwice,
}

impl Loss {
    /// Decides by the module's table.
    pub fn fate(self) -> Fate {
        let can_go_again = !self.forwarded && self.whole && !self.held;
        if can_go_again && self.role == Role::Primary {
            if self.open && self.only_rolls_back {
                return Fate::ForgetTransaction;
            }
            if self.can_replay && self.open && !self.is_second() {
                return Fate::Replay;
            }
            if self.can_replay && self.begins {
                // Nothing was in the transaction yet.
                return Fate::Again;
            }
        }
        if self.marked && self.sent && !self.forwarded && !self.held && !self.leaves {
            return Fate::LookUp;
        }
        if can_go_again && !self.open && (!self.sent || self.only_reads()) {
            return if self.is_second() { Fate::Tell(Error::LostTwice) } else { Fate::Again };
        }
        let error = self.error();
        if self.forwarded && !self.between_packets {
            return Fate::Close(error);
        }
        match error {
            // A client that continued would rely on what is gone.
            Error::OutcomeUnknown if self.held || self.leaves => Fate::TellAndClose(error),
            _ if self.held => Fate::TellStateLost(error),
            _ => Fate::Tell(error),
        }
    }

    /// True if a second server was lost. Only a statement that a server may have run can be the cause.
    fn is_second(self) -> bool {
        self.sent && self.second
    }

    fn only_reads(self) -> bool {
        self.role == Role::Replica || (self.whole && self.repeatable)
    }

    /// Returns what became of the statement.
    fn error(self) -> Error {
        if self.open && (self.only_reads() || !self.commits) {
            Error::RolledBack
        } else if self.sent && !self.only_reads() {
            Error::OutcomeUnknown
        } else if self.forwarded {
            Error::AnswerCut
        } else {
            Error::RolledBack
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: u32 = 15;

    /// Returns every possible combination: only what was sent can be forwarded or have committed.
    fn all() -> impl Iterator<Item = Loss> {
        (0..1u32 << FACTS)
            .map(|bits| {
                let is = |at: u32| bits >> at & 1 == 1;
                Loss {
                    role: if is(0) { Role::Primary } else { Role::Replica },
                    sent: is(1),
                    forwarded: is(2),
                    between_packets: is(3),
                    whole: is(4),
                    open: is(5),
                    commits: is(6),
                    held: is(7),
                    leaves: is(8),
                    only_rolls_back: is(9),
                    can_replay: is(10),
                    begins: is(11),
                    repeatable: is(12),
                    second: is(13),
                    marked: is(14),
                }
            })
            .filter(|loss| {
                (loss.sent || !(loss.forwarded || loss.commits))
                    && (loss.role == Role::Primary || !loss.marked)
            })
    }

    fn runs_again(fate: Fate) -> bool {
        matches!(fate, Fate::ForgetTransaction | Fate::Again | Fate::Replay)
    }

    #[test]
    fn never_a_write_twice() {
        for loss in all().filter(|loss| loss.sent && loss.fate() == Fate::Again) {
            // A transaction that only begins has no write yet.
            let harmless = loss.only_reads() || (loss.can_replay && loss.begins);
            assert!(harmless, "{loss:?}");
        }
        for loss in all().filter(|loss| loss.fate() == Fate::Replay) {
            assert!(loss.open && loss.can_replay && loss.role == Role::Primary, "{loss:?}");
        }
    }

    #[test]
    fn never_a_wrong_row() {
        for loss in all().filter(|loss| loss.forwarded) {
            let fate = loss.fate();
            assert!(
                !runs_again(fate) && fate != Fate::LookUp,
                "the client has a part of an answer: {loss:?}"
            );
            assert_eq!(matches!(fate, Fate::Close(_)), !loss.between_packets, "{loss:?}");
        }
    }

    #[test]
    fn never_silent() {
        for loss in all() {
            let fate = loss.fate();
            if loss.held {
                let ends = matches!(fate, Fate::TellAndClose(_) | Fate::TellStateLost(_) | Fate::Close(_));
                assert!(ends, "what it held is gone: {loss:?}");
            }
            if loss.open && runs_again(fate) {
                let known = loss.only_rolls_back || loss.can_replay;
                assert!(known, "a lost transaction is told: {loss:?}");
            }
            if !loss.whole {
                assert!(!runs_again(fate), "the rest of it is not there: {loss:?}");
            }
        }
    }

    #[test]
    fn doubt_is_told_where_it_is() {
        for loss in all() {
            let fate = loss.fate();
            let error = match fate {
                Fate::Tell(error) | Fate::TellAndClose(error) | Fate::Close(error) => error,
                Fate::TellStateLost(error) => error,
                _ => continue,
            };
            let ended = !loss.open || loss.commits;
            let may_have_written = loss.sent && ended && !loss.only_reads();
            if may_have_written {
                assert_eq!(error, Error::OutcomeUnknown, "{loss:?}");
            }
            if !loss.sent {
                assert_eq!(error, Error::RolledBack, "nothing was executed: {loss:?}");
            }
        }
    }

    #[test]
    fn no_third_server_for_what_ends_servers() {
        for loss in all().filter(|loss| loss.sent && loss.second) {
            let fate = loss.fate();
            let begins = loss.can_replay && loss.begins;
            assert!(fate != Fate::Replay && (fate != Fate::Again || begins), "{loss:?}");
        }
    }

    #[test]
    fn a_commit_is_looked_up_only_if_it_may_have_been_executed() {
        for loss in all().filter(|loss| loss.fate() == Fate::LookUp) {
            assert!(loss.marked && loss.sent && !loss.held && !loss.leaves, "{loss:?}");
        }
    }
}
