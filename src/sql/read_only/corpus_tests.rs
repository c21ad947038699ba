//! The guard lets pass what real tools send, and a wide range of queries (`tests/replica_port/tools`).

#[allow(dead_code, reason = "tests with servers use the rest")]
#[path = "../../../tests/replica_port/corpus.rs"]
mod corpus;

use super::*;

/// A catalogue that knows nothing: no rights, no routines.
fn verdict(sql: &str) -> Verdict {
    check_calls(sql.as_bytes(), Readings::default(), &Calls { schema: b"test", routines: &() })
}

#[test]
fn what_tools_send_passes() {
    let all = corpus::tools();
    assert!(all.len() >= 700, "{} statements", all.len());
    let refused: Vec<String> = all
        .iter()
        .filter_map(|entry| match verdict(entry.sql) {
            Verdict::Allowed | Verdict::Opaque => None,
            Verdict::Refused(refusal) => {
                Some(format!("{} ({:?}): {refusal:?}\n    {}", entry.name, entry.server, entry.sql))
            }
        })
        .collect();
    assert!(refused.is_empty(), "{} of {} are refused:\n{}", refused.len(), all.len(), refused.join("\n"));
}
