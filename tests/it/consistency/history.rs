//! What sessions did, when, and what they were told: the checkers' input.

use std::fmt;

/// Of an operation without an outcome: it may have taken effect at any time after its start.
pub const NEVER: u64 = u64::MAX;

/// Which way a session reaches the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    Proxy(usize),
    /// The primary itself, past every proxy.
    Direct,
}

/// What was asked of a register or a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A value that no other operation writes to this register.
    Write(u64),
    Read(u64),
    /// One more; the value afterwards, where the statement told it.
    Add(Option<u64>),
    Get(u64),
}

/// What its session knows of it. Reads without an answer are not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Done,
    /// Certainly without effect.
    Refused,
    Unknown,
}

/// One operation. Times are nanoseconds of one monotonic clock; the effect, if there is one, lies between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// Of one connection: who connects anew is another session.
    pub session: u32,
    pub via: Via,
    pub key: u32,
    pub start: u64,
    /// `NEVER` where the outcome is unknown.
    pub end: u64,
    pub act: Act,
    pub told: Told,
    /// By which statements.
    pub how: &'static str,
}

impl Op {
    pub fn reads(&self) -> bool {
        matches!(self.act, Act::Read(_) | Act::Get(_))
    }

    pub fn acknowledged(&self) -> bool {
        !self.reads() && self.told == Told::Done
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |ns: u64| ns as f64 / 1e6;
        let Op { session, via, key, start, act, how, .. } = self;
        write!(f, "{:.3} … ", ms(*start))?;
        match self.end {
            NEVER => write!(f, "?"),
            end => write!(f, "{:.3} ms", ms(end)),
        }?;
        write!(f, ", session {session} via {via:?}, key {key}: {act:?} ({how})")?;
        match self.told {
            Told::Done => Ok(()),
            told => write!(f, " ({told:?})"),
        }
    }
}

/// What is wrong with a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A read lacks a write that was acknowledged before the read began.
    Stale,
    /// What one session saw of a write under way, another one did not see later. No acknowledged write is missing.
    Inversion,
    /// A value that nobody wrote.
    Unwritten,
    /// The value of a write that was refused.
    Refused,
    /// A value before its write began.
    Early,
    /// An acknowledged write is gone, or two of a counter's increments are one.
    Lost,
    /// A counter counts more than was asked of it.
    TooMuch,
    /// A session's later operation saw less than an earlier one.
    Backwards,
    /// The same, but what is gone was still under way when the later one began.
    BackwardsUnderWay,
}

/// Operations that cannot all be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub fault: Fault,
    pub ops: Vec<Op>,
}

impl Violation {
    /// When it came to light.
    pub fn at(&self) -> u64 {
        self.ops.iter().map(|op| op.start).max().unwrap_or_default()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.fault)?;
        let mut ops = self.ops.clone();
        ops.sort_by_key(|op| (op.start, op.end));
        ops.dedup();
        ops.iter().try_for_each(|op| write!(f, "\n    {op}"))
    }
}
