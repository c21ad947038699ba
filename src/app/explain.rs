//! `pointsman explain 'SQL'`: where a split port sends a statement, and why, judged by the text
//! alone. Only a running proxy knows the state of a session and the servers' stored functions:
//! `/* pointsman: explain */` asks it.

use crate::routing::{SessionFacts, place};
use crate::sql::{Effects, Options, classify};
use crate::terms::Role;

/// Returns the answer, one line for each fact.
pub(super) fn explain(sql: &str) -> String {
    let class = classify(sql.as_bytes(), Options::default(), &());
    let (role, why) = place(&class, &SessionFacts::FRESH);
    let weak = Effects::HINT_BOUNDED | Effects::HINT_EVENTUAL;
    let strict = Effects::HINT_STRONG | Effects::HINT_SESSION;
    let target = match role {
        Role::Writer => "the primary",
        Role::Reader if class.effects.intersects(weak) && !class.effects.intersects(strict) => {
            "a replica, whether or not it has the session's own writes; the primary if there is none"
        }
        Role::Reader if class.effects.contains(Effects::HINT_STRONG) => {
            "a replica that has every write acknowledged by then; the primary if there is none"
        }
        Role::Reader => {
            "a replica that is fresh enough for the session's level; the primary if there is none"
        }
    };
    let because = why.words();
    let leaves: Vec<_> = class.effects.leaves().collect();
    let keeps = match leaves.as_slice() {
        [] => "nothing that keeps the session on its server connection".to_owned(),
        some => some.join(", "),
    };
    let mut text = format!(
        "kind:    {}\ngoes to: {target}\nbecause: {because}\nleaves:  {keeps}\n",
        class.kind.as_str()
    );
    if class.effects.contains(Effects::REPEATABLE) {
        text.push_str("retry:   it runs again on another server if its server is lost before it answers\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read() {
        let read = explain("select 1");
        assert!(read.contains("goes to: a replica") && read.contains("kind:    read"), "{read}");
        let weak = explain("/* pointsman: consistency=bounded */ select 1");
        assert!(weak.contains("goes to: a replica, whether or not"), "{weak}");
        let write = explain("update t set a = 1");
        assert!(write.contains("goes to: the primary") && write.contains("changes rows"), "{write}");
        assert!(explain("select get_lock('a', 1)").contains("leaves:  a named lock"));
    }
}
