//! Where a split port sends a statement, and why, judged by the text alone. Only a running proxy knows the state of a
//! session and the servers' stored functions: `/* pointsman: explain */` asks the proxy.

use serde::Serialize;

use super::split::{SessionFacts, place};
use crate::sql::{Effects, Options, classify};
use crate::terms::{Role, Unexplained};

/// Where a statement goes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The kind of the statement, as in metrics.
    pub kind: &'static str,
    /// `primary` or `replica`, as in metrics.
    pub target: &'static str,
    /// The target in words, with what a replica must have.
    pub goes_to: &'static str,
    /// The reason for the target, as in metrics.
    pub reason: &'static str,
    /// The reason in words.
    pub because: &'static str,
    /// What the statement leaves behind that keeps the session on its server connection.
    pub leaves: Vec<&'static str>,
    /// Why the text alone does not show everything that the statement leaves on its connection; None: it does.
    pub unexplained: Option<&'static str>,
    /// True if the statement runs again on another server if its server is lost before it answers.
    pub repeatable: bool,
}

impl Explanation {
    /// Judges a statement as the first one of a new session.
    pub fn of(sql: &[u8]) -> Self {
        let class = classify(sql, Options::default(), &());
        let (role, why) = place(&class, &SessionFacts::FRESH);
        Explanation {
            kind: class.kind.as_str(),
            target: role.target(),
            goes_to: in_words(role, class.effects),
            reason: why.as_str(),
            because: why.words(),
            leaves: class.effects.leaves().collect(),
            unexplained: class.unexplained().map(Unexplained::words),
            repeatable: class.effects.contains(Effects::REPEATABLE),
        }
    }
}

fn in_words(role: Role, effects: Effects) -> &'static str {
    let weak = Effects::HINT_BOUNDED | Effects::HINT_EVENTUAL;
    let strict = Effects::HINT_STRONG | Effects::HINT_SESSION;
    match role {
        Role::Primary => "the primary",
        Role::Replica if effects.intersects(weak) && !effects.intersects(strict) => {
            "a replica, whether or not it has the session's own writes; the primary if there is none"
        }
        Role::Replica if effects.contains(Effects::HINT_STRONG) => {
            "a replica that has every write acknowledged by then; the primary if there is none"
        }
        Role::Replica => {
            "a replica that is fresh enough for the session's level; the primary if there is none"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_reasons_and_what_is_left() {
        let read = Explanation::of(b"select 1");
        assert_eq!((read.kind, read.target, read.repeatable), ("read", "replica", true));
        let weak = Explanation::of(b"/* pointsman: consistency=bounded */ select 1");
        assert!(weak.goes_to.starts_with("a replica, whether or not"), "{weak:?}");
        let write = Explanation::of(b"update t set a = 1");
        assert_eq!((write.goes_to, write.target), ("the primary", "primary"));
        assert!(write.because.contains("changes rows"), "{write:?}");
        assert_eq!(Explanation::of(b"select get_lock('a', 1)").leaves, ["a named lock"]);
    }
}
