//! What a statement answers while a cursor is open on the server: the client gets what the server says, whichever
//! capabilities either leg has.

use crate::dialogue::patient;
use crate::dialogue::raw::{Raw, framed};
use crate::support::{Cluster, Kind, Proxy, proxy_config};
use tokio::io::AsyncWriteExt;

/// PS_MULTI_RESULTS, without which MySQL refuses CALL in the binary protocol.
const PS_MULTI_RESULTS: u32 = 1 << 18;
const DEPRECATE_EOF: u32 = 1 << 24;

/// SERVER_STATUS_CURSOR_EXISTS, SERVER_QUERY_NO_INDEX_USED, SERVER_QUERY_NO_GOOD_INDEX_USED and
/// SERVER_MORE_RESULTS_EXISTS: what the proxy cannot know yet when it puts an EOF packet behind columns.
const OF_THE_RESULT: u8 = 0x40 | 0x20 | 0x10 | 0x08;

const PROCEDURE: &str = "CREATE PROCEDURE p() BEGIN DECLARE c CURSOR FOR SELECT 1 UNION SELECT 2; OPEN c; SELECT 7; \
                         SELECT 8 LIMIT 0; SELECT 9, 'x' UNION SELECT 10, NULL; CLOSE c; SELECT 11 LIMIT 0; END";

/// Statements of both servers, and those that only MariaDB has.
const BOTH: [&str; 4] =
    ["CALL p()", "SELECT 1 UNION SELECT 2", "SELECT 1 LIMIT 0", "INSERT INTO t VALUES (1)"];
const MARIADB: [&str; 4] = [
    "FOR rec IN (SELECT 1 x UNION SELECT 2) DO SELECT 5 LIMIT 0; END FOR",
    "FOR rec IN (SELECT 1 x UNION SELECT 2) DO SELECT rec.x, 'y'; END FOR",
    "FOR rec IN (SELECT 1 x UNION SELECT 2) DO INSERT INTO t VALUES (rec.x); SELECT * FROM u; END FOR",
    "BEGIN NOT ATOMIC DECLARE c CURSOR FOR SELECT 1; OPEN c; SELECT 7; SELECT 8 LIMIT 0; CLOSE c; END",
];

#[tokio::test]
async fn mariadb_answers_the_same_through_the_proxy() {
    the_same_answers(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_answers_the_same_through_the_proxy() {
    if let Some(cluster) = Cluster::mysql(0).await {
        the_same_answers(cluster).await;
    }
}

async fn the_same_answers(cluster: Cluster) {
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.t (v INT); CREATE TABLE test.u (v INT); USE test").await;
    primary.sql(&PROCEDURE.replace("PROCEDURE p", "PROCEDURE test.p")).await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    // The server's cache of passwords is warm then, and a raw client can log in without RSA.
    drop(proxy.client().await.unwrap());
    Raw::app(proxy.rw).await.query("DO 1").await.unwrap();
    let mut texts = BOTH.to_vec();
    if cluster.kind() == Kind::MariaDb {
        texts.extend(MARIADB);
    }
    for capabilities in [PS_MULTI_RESULTS, PS_MULTI_RESULTS | DEPRECATE_EOF] {
        let mut direct = logged_in(primary.port(), capabilities).await;
        let mut proxied = logged_in(proxy.rw, capabilities).await;
        for text in &texts {
            let command = [b"\x03", text.as_bytes()].concat();
            let expected = answer(&mut direct, &command).await;
            assert_eq!(answer(&mut proxied, &command).await, expected, "{capabilities:x}: {text}");
            for flags in [0, 1] {
                let expected = executed(&mut direct, text, flags).await;
                let got = executed(&mut proxied, text, flags).await;
                assert_eq!(got, expected, "{capabilities:x}: {text}, executed with flags {flags}");
            }
        }
    }
}

async fn logged_in(port: u16, capabilities: u32) -> Raw {
    let mut raw = Raw::connect(port).await.unwrap();
    raw.login_with("app", "app", capabilities).await.unwrap();
    raw
}

/// All packets of the answers to a prepare, to an execute with these flags, and to a fetch.
async fn executed(client: &mut Raw, text: &str, flags: u8) -> Vec<(u8, Vec<u8>)> {
    let mut prepared = answer(client, &[b"\x16", text.as_bytes()].concat()).await;
    let id = prepared[0].1[1..5].to_vec();
    prepared[0].1[1..5].fill(0);
    let execute = [&[0x17][..], &id, &[flags, 1, 0, 0, 0]].concat();
    prepared.extend(answer(client, &execute).await);
    let mut fetched = answer(client, &[&[0x1c][..], &id, &[9, 0, 0, 0]].concat()).await;
    if let Some((_, refused)) = fetched.first_mut().filter(|(_, packet)| packet[0] == 0xff) {
        // Its text has the statement's number.
        refused.truncate(3);
    }
    prepared.extend(fetched);
    assert!(client.stream.write_all(&framed(0, &[&[0x19][..], &id].concat())).await.is_ok());
    prepared
}

/// All packets of an answer: a ping goes behind the command, and its OK packet begins anew.
async fn answer(client: &mut Raw, command: &[u8]) -> Vec<(u8, Vec<u8>)> {
    client.stream.write_all(&[framed(0, command), framed(0, b"\x0e")].concat()).await.unwrap();
    let (mut all, mut behind_columns) = (Vec::new(), true);
    loop {
        let (seq, mut packet) = client.read().await.unwrap();
        if seq == 1 && !all.is_empty() {
            assert_eq!(packet[0], 0, "the answer to the ping: {}", packet.escape_ascii());
            return all;
        }
        if packet.len() == 5 && packet[0] == 0xfe {
            if behind_columns {
                packet[3] &= !OF_THE_RESULT;
            }
            behind_columns = !behind_columns;
        }
        all.push((seq, packet));
    }
}
