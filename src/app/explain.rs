//! `pointsman explain 'SQL'`: where a split port sends a statement, and why, as text.

use crate::routing::Explanation;

/// Returns the answer, one line for each fact.
pub(super) fn explain(sql: &str) -> String {
    let Explanation { kind, goes_to, because, leaves, unexplained, repeatable, .. } =
        Explanation::of(sql.as_bytes());
    let keeps = match leaves.as_slice() {
        [] => "nothing that keeps the session on its server connection".to_owned(),
        some => some.join(", "),
    };
    let mut text = format!("kind:    {kind}\ngoes to: {goes_to}\nbecause: {because}\nleaves:  {keeps}\n");
    if let Some(why) = unexplained {
        text.push_str(&format!(
            "reset:   its connection is reset before another session gets it, since {why}\n"
        ));
    }
    if repeatable {
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
