//! The consistency levels.

use super::choice::Choice;

/// `consistency.level`: what a read must see; the strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A read sees every write that was acknowledged before the read began.
    Strong,
    /// A read sees the session's own writes.
    Session,
    /// A read sees data that is at most `replicas.max_lag` old.
    Bounded,
    /// A read sees whatever the replica has.
    Eventual,
}

impl Level {
    /// True if a read must see the earlier writes of its session.
    pub fn needs_own_writes(self) -> bool {
        self <= Level::Session
    }
}

impl Choice for Level {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("strong", Level::Strong),
        ("session", Level::Session),
        ("bounded", Level::Bounded),
        ("eventual", Level::Eventual),
    ];
}
