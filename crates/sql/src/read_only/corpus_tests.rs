//! The guard lets pass what real tools send, and a wide range of queries (`tests/it/replica_port/tools`).

#[allow(dead_code, reason = "tests with servers use the rest")]
#[path = "../../../../tests/it/replica_port/corpus.rs"]
mod corpus;

use super::*;
use crate::vocabulary::native::{ServerFunctions, ServerVersion, native};
use crate::{Native, Routines};

/// The servers that understand an entry, without stored functions.
struct Servers(Vec<ServerFunctions>);

impl Servers {
    fn of(server: corpus::Server) -> Self {
        let (mariadb, mysql) = (ServerVersion::MariaDb((11, 8, 0)), ServerVersion::MySql((9, 7, 0)));
        Servers(match server {
            corpus::Server::Both => vec![mariadb.into(), mysql.into()],
            corpus::Server::MariaDb => vec![mariadb.into()],
            corpus::Server::MySql => vec![mysql.into()],
        })
    }
}

impl Routines for Servers {
    fn native(&self, name: &[u8]) -> Native {
        native(name, &self.0)
    }

    fn version(&self) -> u64 {
        1
    }

    fn is_complete(&self) -> bool {
        true
    }
}

fn verdict(entry: &corpus::Entry) -> Verdict {
    let routines = Servers::of(entry.server);
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
