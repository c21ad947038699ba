//! How fresh the replica of a read must be: whether the primary must be asked for its position first, and whether a
//! replica is fresh enough for a read that did not ask for a position.
//!
//! The first row that applies decides:
//!
//! | the statement | asks for a position |
//! |---|---|
//! | at `bounded` or `eventual`, or has already asked | no |
//! | a command that reads no table; a question about the last statement; a change of session state | no |
//! | in a transaction that is open on a replica, unless it begins the next one | no: the transaction has its snapshot |
//! | transaction control that begins nothing | no |
//! | at `strong` | yes |
//! | at `session`, if the replica may lack what the session has read or written | yes |
//! | at `session` | no |

use crate::config::Level;

/// What is known of a statement that a replica should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The level of the statement.
    pub level: Level,
    /// True if the statement asked for a position before, in another try.
    pub asked: bool,
    /// What the statement does.
    pub act: Act,
    /// True if a transaction is open on the session's replica.
    pub inside: bool,
    /// True if the replica may lack what the session's earlier reads have seen.
    pub could_go_back: bool,
    /// True if the replica may lack what the session wrote.
    pub wrote: bool,
}

/// What a statement that a replica should run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The statement reads tables, or names them, as COM_STMT_PREPARE does.
    Reads,
    /// The statement begins a transaction, whose reads see the replica's data of that moment.
    Begins,
    /// The statement only controls a transaction.
    Controls,
    /// The statement needs no data of tables: a question about the last statement, a change of session state, a command
    /// without tables.
    Nothing,
}

impl Reading {
    /// True if the statement must know the primary's position before a replica is chosen.
    #[inline]
    pub fn needs_position(&self) -> bool {
        if self.level > Level::Session || self.asked {
            return false;
        }
        let sees_anew = match self.act {
            Act::Reads => !self.inside,
            Act::Begins => true,
            Act::Controls | Act::Nothing => false,
        };
        sees_anew && (self.level == Level::Strong || self.could_go_back || self.wrote)
    }
}

/// What is known of a replica, for a read that did not ask for a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unasked {
    /// The level of the read.
    pub level: Level,
    /// True on a split port. Only there does a session both write and read.
    pub splits: bool,
    /// True if the replica is known to have all that the session wrote.
    pub has_writes: bool,
    /// True if a read from the replica cannot see less than the session's earlier reads.
    pub behind_nothing: bool,
}

impl Unasked {
    /// True if the replica may answer the read.
    #[inline]
    pub fn is_fresh(&self) -> bool {
        let own_writes = !self.splits || !self.level.needs_own_writes() || self.has_writes;
        own_writes && (self.level != Level::Session || self.behind_nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [Level; 4] = [Level::Strong, Level::Session, Level::Bounded, Level::Eventual];
    const BOTH: [bool; 2] = [false, true];

    fn readings() -> Vec<Reading> {
        let mut all = Vec::new();
        for level in LEVELS {
            for act in [Act::Reads, Act::Begins, Act::Controls, Act::Nothing] {
                for bits in 0..16u32 {
                    let is = |at: u32| bits >> at & 1 == 1;
                    let (asked, inside, could_go_back, wrote) = (is(0), is(1), is(2), is(3));
                    all.push(Reading { level, asked, act, inside, could_go_back, wrote });
                }
            }
        }
        all
    }

    #[test]
    fn never_a_stale_row() {
        let all = readings();
        assert_eq!(all.len(), 256);
        for reading in all {
            let sees = matches!(reading.act, Act::Begins) || (reading.act == Act::Reads && !reading.inside);
            let strict = reading.level == Level::Strong && !reading.asked;
            let own = reading.level == Level::Session && (reading.could_go_back || reading.wrote);
            if sees && (strict || (own && !reading.asked)) {
                assert!(reading.needs_position(), "{reading:?}");
            }
        }
    }

    #[test]
    fn nobody_asks_in_vain() {
        for reading in readings().into_iter().filter(Reading::needs_position) {
            assert!(!reading.asked, "twice: {reading:?}");
            assert!(reading.level <= Level::Session, "{reading:?}");
            assert!(matches!(reading.act, Act::Reads | Act::Begins), "{reading:?}");
            assert!(reading.act == Act::Begins || !reading.inside, "it has its snapshot: {reading:?}");
        }
    }

    #[test]
    fn a_replica_that_was_not_asked_has_what_the_level_promises() {
        for level in LEVELS {
            for (splits, has_writes, behind_nothing) in
                BOTH.into_iter().flat_map(|a| BOTH.into_iter().flat_map(move |b| BOTH.map(|c| (a, b, c))))
            {
                let unasked = Unasked { level, splits, has_writes, behind_nothing };
                let fresh = unasked.is_fresh();
                if level.needs_own_writes() && splits && !has_writes {
                    assert!(!fresh, "own writes: {unasked:?}");
                }
                if level == Level::Session && !behind_nothing {
                    assert!(!fresh, "back in time: {unasked:?}");
                }
                if level > Level::Session || (has_writes && behind_nothing) {
                    assert!(fresh, "{unasked:?}");
                }
            }
        }
    }
}
