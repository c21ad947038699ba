//! A statement that is prepared again on a connection, under the settings of its first prepare, where the connection alone knows
//! what the session has set since: the session keeps that.

use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable as _;

/// Each setting by which servers read texts, with a value that no tracker reports and no text tells.
const SETTINGS: [&str; 6] = [
    "sql_mode = 4",
    "sql_mode = CONCAT('ANSI_QUOTES', ',PIPES_AS_CONCAT')",
    "character_set_client = (SELECT 'latin1')",
    "character_set_connection = (SELECT 'latin1')",
    "collation_connection = (SELECT 'latin1_bin')",
    "character_set_results = (SELECT 'latin1')",
];

/// What else ties the session to its connection, so that the setting is not asked for at once.
const TIES: [&str; 3] = ["SET insert_id = 68", "SET sql_mode = DEFAULT, insert_id = 1", "DO 0"];

const SHOWN: &str = "SELECT CONCAT_WS('/', @@sql_mode, @@character_set_client, @@character_set_connection, \
                     @@collation_connection, IFNULL(@@character_set_results, '-'))";

/// Plays the session on this port, and returns the settings at its end and what the statements said.
async fn play(port: u16, begin: &str, tie: &str, setting: &str) -> (Option<String>, Vec<Option<String>>) {
    let mut conn = connect(port, "app", "app", "test").await.unwrap();
    conn.query_drop(begin).await.unwrap();
    conn.query_drop(tie).await.unwrap();
    // Each is closed on the server when the other one is prepared: a connection keeps one statement. Under ANSI_QUOTES they would
    // name columns.
    let all = [conn.prep("SELECT \"a\"").await.unwrap(), conn.prep("SELECT \"b\"").await.unwrap()];
    conn.query_drop(format!("SET session_track_system_variables = '', {setting}")).await.unwrap();
    let mut said = Vec::new();
    for statement in all.iter().cycle().take(3) {
        said.push(match conn.exec_first::<String, _, _>(statement, ()).await {
            Ok(value) => value,
            Err(mysql_async::Error::Server(error)) => Some(format!("error {}", error.code)),
            Err(error) => panic!("{setting}: {error}"),
        });
    }
    (conn.query_first(SHOWN).await.unwrap(), said)
}

async fn settings_stay(cluster: &Cluster) {
    let direct = cluster.primary().port();
    drop(connect(direct, "app", "app", "test").await.unwrap());
    let config = format!("{}\n[pool]\nmax_statements = 1\n", proxy_config(cluster));
    let proxy = Proxy::start(&patient(&config).replacen("mode = \"primary\"", "mode = \"split\"", 1)).await;
    readers_are(&proxy, 1).await;
    let mut wrong = Vec::new();
    for begin in ["DO 1", "START TRANSACTION READ ONLY"] {
        for (tie, setting) in TIES.iter().flat_map(|tie| SETTINGS.map(|setting| (tie, setting))) {
            let (expected, said) = play(direct, begin, tie, setting).await;
            // A read-only port refuses a character set in which it might not read what follows.
            let ports = if setting.contains("SELECT") { vec![proxy.rw] } else { vec![proxy.rw, proxy.ro] };
            for port in ports {
                let (seen, heard) = play(port, begin, tie, setting).await;
                // Where only a replica could say what was set, its word does not count: it may go no further.
                let refused =
                    heard.iter().all(|one| one.as_deref() == Some("error 1615") || said.contains(one));
                if seen != expected || (heard != said && !(begin.contains("READ ONLY") && refused)) {
                    wrong.push(format!(
                        "{begin}; {tie}; {setting}: {seen:?} {heard:?} instead of {expected:?} {said:?}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn mariadb_sessions_keep_how_their_texts_are_read() {
    settings_stay(&Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_sessions_keep_how_their_texts_are_read() {
    if let Some(cluster) = Cluster::mysql(1).await {
        settings_stay(&cluster).await;
    }
}
