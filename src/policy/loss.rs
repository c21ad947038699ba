//! What a lost server means for the statement under way and for its session.
//!
//! The first row that fits decides. "Again" is only said where the client has no part of the answer, the request is whole in
//! the buffer, and nothing else was lost with the connection (a lock, a temporary table, …).
//!
//! | what was lost | the statement | verdict |
//! |---|---|---|
//! | a transaction on the primary | only rolls it back | forget both: it goes on |
//! | a transaction on the primary that can be run again, and the statement behind it | has not lost a second server | replay |
//! | the primary, and a journal that can begin anew | begins a transaction | again |
//! | the primary that a marked COMMIT was sent to | | look the COMMIT up |
//! | no transaction | was not sent, only reads, or can be repeated | again, unless it has lost a second server |
//! | anything | | an error, see [`Error`] |

use crate::routing::Role;

/// What is known when a server is lost with a statement under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// For which role the connection was used.
    pub role: Role,
    /// The server may have got any part of the request.
    pub sent: bool,
    /// The client has a part of the answer,
    pub forwarded: bool,
    /// and that part ends between two packets.
    pub between_packets: bool,
    /// The request is whole in the buffer: it can be sent again.
    pub whole: bool,
    /// A transaction was open on the connection.
    pub open: bool,
    /// The statement may have ended that transaction.
    pub commits: bool,
    /// The connection held something, transaction and diagnostics aside, that no other has.
    pub held: bool,
    /// The statement itself would have left something on the connection.
    pub leaves: bool,
    /// All that the statement does is to roll the transaction back.
    pub only_rolls_back: bool,
    /// There is a journal of the transaction, and the statement can be run behind it.
    pub can_replay: bool,
    /// The statement begins a transaction.
    pub begins: bool,
    /// Running the statement twice is the same as running it once.
    pub repeatable: bool,
    /// Another server was lost with this statement before: perhaps it is the statement that ends servers.
    pub second: bool,
    /// A savepoint that can be looked for in a binary log went in front of this COMMIT.
    pub marked: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The transaction is forgotten, and the ROLLBACK runs elsewhere.
    ForgetTransaction,
    /// The statement runs elsewhere; nothing of it was executed, or nothing that counts.
    Again,
    /// The transaction runs again on the next primary, and the statement behind it.
    Replay,
    /// The next primary knows whether the COMMIT was executed.
    LookUp,
    /// The client is told, and stays.
    Tell(Error),
    /// The client is told, and the connection ends: what the statement or the session left there is gone.
    TellAndClose(Error),
    /// Nothing is in doubt that the session does not know, but this is gone: the client is told that, and the connection
    /// ends. The error is what became of the statement.
    TellStateLost(Error),
    /// The connection ends in the middle of a packet.
    Close(Error),
}

/// Which error is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The transaction is lost, and nothing of it was committed. Of a statement without one: nothing of it counts, it may
    /// begin anew.
    RolledBack,
    /// Nobody can tell whether a write was executed.
    OutcomeUnknown,
    /// The rest of a read's answer is missing.
    AnswerCut,
    /// A second server was lost with the statement.
    LostTwice,
}

impl Loss {
    /// See the module's table.
    pub fn fate(self) -> Fate {
        let can_go_again = !self.forwarded && self.whole && !self.held;
        if can_go_again && self.role == Role::Writer {
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
            // A client that went on would work without what is gone.
            Error::OutcomeUnknown if self.held || self.leaves => Fate::TellAndClose(error),
            _ if self.held => Fate::TellStateLost(error),
            _ => Fate::Tell(error),
        }
    }

    /// Only a statement that a server may have run can be the one that ends servers.
    fn is_second(self) -> bool {
        self.sent && self.second
    }

    fn only_reads(self) -> bool {
        self.role == Role::Reader || (self.whole && self.repeatable)
    }

    /// What became of the statement.
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

    /// Every combination that can be: what was forwarded was sent, and only what was sent can have committed.
    fn all() -> impl Iterator<Item = Loss> {
        (0..1u32 << FACTS)
            .map(|bits| {
                let is = |at: u32| bits >> at & 1 == 1;
                Loss {
                    role: if is(0) { Role::Writer } else { Role::Reader },
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
                    && (loss.role == Role::Writer || !loss.marked)
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
            assert!(loss.open && loss.can_replay && loss.role == Role::Writer, "{loss:?}");
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
            let told = match fate {
                Fate::Tell(error) | Fate::TellAndClose(error) | Fate::Close(error) => error,
                Fate::TellStateLost(error) => error,
                _ => continue,
            };
            let ended = !loss.open || loss.commits;
            let may_have_written = loss.sent && ended && !loss.only_reads();
            if may_have_written {
                assert_eq!(told, Error::OutcomeUnknown, "{loss:?}");
            }
            if !loss.sent {
                assert_eq!(told, Error::RolledBack, "nothing was executed: {loss:?}");
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
