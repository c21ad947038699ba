//! LOAD DATA LOCAL: a file of the client goes to a server only if the client's own statement names it, in whatever way
//! that is written. (What a server gets that asks for another is in the dialogues of `session/tests/faults.rs`.)

use crate::dialogue::patient;
use crate::dialogue::raw::{Raw, error_code, framed};
use crate::support::{Cluster, Kind, Proxy, proxy_config};
use tokio::io::AsyncWriteExt;

const LOCAL_FILES: u32 = 1 << 7;

/// All of them name `it's`. The last ones only MariaDB has.
const BOTH: [&str; 6] = [
    "LOAD DATA LOCAL INFILE 'it''s' INTO TABLE t",
    "load data low_priority local infile \"it's\" into table t",
    "LOAD DATA CONCURRENT LOCAL INFILE 'it\\'s' IGNORE INTO TABLE t",
    "/*!40000 LOAD DATA LOCAL INFILE 'it\\'s' */ INTO TABLE t",
    "LOAD DATA /*!99999 LOW_PRIORITY */ LOCAL INFILE 'it\\'s' INTO TABLE t -- 'x'",
    "DO 1; LOAD DATA LOCAL INFILE 'it\\'s' INTO TABLE t; DO 2",
];
const PREPARED: &str = "LOAD DATA LOCAL INFILE 'it''s' INTO TABLE t";

#[tokio::test]
async fn mariadb_gets_the_file_that_is_named() {
    gets_the_file(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_gets_the_file_that_is_named() {
    if let Some(cluster) = Cluster::mysql(0).await {
        gets_the_file(cluster).await;
    }
}

async fn gets_the_file(cluster: Cluster) {
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.t (v INT); SET GLOBAL local_infile = 1").await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    let mut client = Raw::connect(proxy.rw).await.unwrap();
    client.login_with("app", "app", LOCAL_FILES).await.unwrap();
    let mut loaded = 0;
    for sql in BOTH {
        let command = [b"\x03", sql.as_bytes()].concat();
        loaded += loads(&mut client, &command).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(primary.value("SELECT COUNT(*) FROM test.t").await, loaded.to_string(), "{sql}");
    }
    // MariaDB prepares it, in both ways; MySQL does in none.
    let prepared = client.command(0x16, PREPARED.as_bytes()).await.unwrap();
    let named = client_text(&mut client, &format!("PREPARE s FROM '{}'", PREPARED.replace('\'', "''"))).await;
    match cluster.kind() {
        Kind::MariaDb => {
            assert_eq!((error_code(&prepared), named), (0, 0));
            let execute = [&[0x17][..], &prepared[1..5], &[0, 1, 0, 0, 0]].concat();
            for command in [execute, b"\x03EXECUTE s".to_vec()] {
                loaded += loads(&mut client, &command).await.expect("a prepared LOAD DATA");
                assert_eq!(primary.value("SELECT COUNT(*) FROM test.t").await, loaded.to_string());
            }
        }
        Kind::MySql => assert_eq!((error_code(&prepared), named), (1295, 1295)),
    }
    // A client that did not offer files is not asked for any.
    let mut client = Raw::app(proxy.rw).await;
    let refused = client.query(BOTH[0]).await.unwrap();
    assert!([1148, 3948, 4166].contains(&error_code(&refused)), "{}", refused.escape_ascii());
    assert_eq!(error_code(&client.query("DO 1").await.unwrap()), 0);
}

/// The error of a text without rows.
async fn client_text(client: &mut Raw, sql: &str) -> u16 {
    error_code(&client.query(sql).await.unwrap())
}

/// Gives the server the file that it asks for; how many lines that were.
async fn loads(client: &mut Raw, command: &[u8]) -> Result<usize, String> {
    client.send(0, command).await.unwrap();
    let mut lines = 0;
    loop {
        let (seq, packet) = client.read().await.map_err(|error| error.to_string())?;
        match packet.first() {
            Some(0xfb) => {
                if &packet[1..] != b"it's" {
                    return Err(packet.escape_ascii().to_string());
                }
                let file = [framed(seq + 1, b"1\n2\n"), framed(seq + 2, b"")].concat();
                client.stream.write_all(&file).await.unwrap();
                lines += 2;
            }
            // SERVER_MORE_RESULTS_EXISTS stands behind two length-encoded numbers of one byte.
            Some(0) if packet[3] & 8 != 0 => {}
            Some(0) => return Ok(lines),
            _ => return Err(packet.escape_ascii().to_string()),
        }
    }
}
