//! The guard lets pass what real tools send, and a wide range of queries (`tests/replica_port/tools`).

#[allow(dead_code, reason = "tests with servers use the rest")]
#[path = "../../../tests/replica_port/corpus.rs"]
mod corpus;

use super::*;
use crate::sql::RoutineCatalogue;
use crate::sql::catalogue::{Contents, Moment};
use crate::sql::classify::native::ServerVersion;

/// A catalogue without routines and relations, of the servers that understand an entry.
fn catalogue(server: corpus::Server) -> RoutineCatalogue {
    let (mariadb, mysql) = (ServerVersion::MariaDb((11, 8, 0)), ServerVersion::MySql((9, 7, 0)));
    let servers = match server {
        corpus::Server::Both => vec![mariadb.into(), mysql.into()],
        corpus::Server::MariaDb => vec![mariadb.into()],
        corpus::Server::MySql => vec![mysql.into()],
    };
    let contents = Contents { servers, all_routines: true, all_loadable: true, ..Contents::default() };
    RoutineCatalogue::default().replaced_by(contents, Moment::default()).expect("a catalogue")
}

fn verdict(entry: &corpus::Entry) -> Verdict {
    let routines = catalogue(entry.server);
    check_calls(entry.sql.as_bytes(), Readings::default(), &Calls { schema: b"test", routines: &routines })
}

#[test]
fn what_tools_send_passes() {
    let all = corpus::tools();
    assert!(all.len() >= 700, "{} statements", all.len());
    let refused: Vec<String> = all
        .iter()
        .filter_map(|entry| match verdict(entry) {
            Verdict::Allowed | Verdict::Opaque => None,
            Verdict::Refused(refusal) => {
                Some(format!("{} ({:?}): {refusal:?}\n    {}", entry.name, entry.server, entry.sql))
            }
        })
        .collect();
    assert!(refused.is_empty(), "{} of {} are refused:\n{}", refused.len(), all.len(), refused.join("\n"));
}
