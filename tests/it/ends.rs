//! Clients that leave: a server executes what it received whole, and answers a client that closed only its own half. Through
//! the proxy it is the same, also if the statement must wait for a server connection.

use mysql_async::prelude::Queryable;
use tokio::io::AsyncWriteExt;

use crate::dialogue::raw::{Raw, error_code, framed, response};
use crate::dialogue::{eventually, patient, readers_are};
use crate::support::{Cluster, Proxy, connect, proxy_config};

/// Clients at the same time: more than the servers' connections of the proxy in this test.
const CLIENTS: usize = 60;

/// COM_QUIT.
const QUIT: &[u8] = b"\x01";

/// A statement as a command.
fn query(sql: &str) -> Vec<u8> {
    [b"\x03", sql.as_bytes()].concat()
}

/// How the client ends, behind what it sends in one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// It closes its own half, and reads.
    Half,
    /// It closes the connection.
    Close,
}

/// What a client sends in one write, and how many rows that stores.
fn cases() -> Vec<(&'static str, Vec<Vec<u8>>, usize)> {
    let insert = || query("INSERT INTO ends VALUES (1)");
    let execute = |id: u32| {
        let head = [b"\x17", &id.to_le_bytes()[..]].concat();
        [head, b"\0\x01\0\0\0".to_vec()].concat()
    };
    vec![
        ("a statement", vec![insert()], 1),
        ("a statement and COM_QUIT", vec![insert(), QUIT.to_vec()], 1),
        ("several", vec![insert(), insert(), query("SELECT 1"), insert(), QUIT.to_vec()], 3),
        ("a transaction", vec![query("BEGIN"), insert(), query("COMMIT"), QUIT.to_vec()], 1),
        ("an open transaction", vec![query("BEGIN"), insert(), QUIT.to_vec()], 0),
        ("an execute", vec![b"\x16INSERT INTO ends VALUES (1)".to_vec(), execute(1), execute(1)], 2),
        ("a slow one", vec![query("INSERT INTO ends SELECT SLEEP(2.5)")], 1),
        ("no statement", vec![], 0),
    ]
}

/// Plays a client to its end, and returns what it read behind the login.
async fn play(port: u16, commands: &[Vec<u8>], how: How, behind_login: bool) -> Vec<u8> {
    let bytes: Vec<u8> = commands.iter().flat_map(|command| framed(0, command)).collect();
    let mut raw = Raw::connect(port).await.unwrap();
    let greeted = raw.greeting().await.unwrap();
    let mut login = framed(1, &response("app", "app", &greeted));
    if behind_login {
        login.extend_from_slice(&bytes);
    }
    raw.stream.write_all(&login).await.unwrap();
    if behind_login && how == How::Half {
        raw.stream.shutdown().await.unwrap();
    }
    // The fast path of caching_sha2_password is a packet of its own.
    while raw.read().await.unwrap().1.first() != Some(&0) {}
    if !behind_login {
        raw.stream.write_all(&bytes).await.unwrap();
    }
    match how {
        How::Close => Vec::new(),
        How::Half => {
            let _ = raw.stream.shutdown().await;
            let mut read = Vec::new();
            while let Ok((seq, payload)) = raw.read().await {
                // MySQL ends the connection of a client that sent no COM_QUIT with this packet (ER_NET_READ_ERROR).
                if (seq, error_code(&payload)) != (0, 1158) {
                    read.extend_from_slice(&framed(seq, &payload));
                }
            }
            read
        }
    }
}

async fn what_was_received_is_executed(cluster: &Cluster) {
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.ends (a BIGINT)").await;
    // MariaDB gives a new connection the thread of an earlier one, which goes on counting the ids of its statements.
    primary.sql("SET GLOBAL thread_cache_size = 0").await;
    drop(connect(primary.port(), "app", "app", "test").await.unwrap());
    for (name, commands, rows) in cases() {
        for behind_login in [false, true] {
            primary.sql("TRUNCATE test.ends").await;
            let direct = play(primary.port(), &commands, How::Half, behind_login).await;
            // Statement ids are the server's own, and count from 1 on a new thread.
            let proxy = Proxy::start(&patient(&proxy_config(cluster))).await;
            readers_are(&proxy, 1).await;
            let seen = play(proxy.rw, &commands, How::Half, behind_login).await;
            assert_eq!(seen, direct, "{name}, behind the login: {behind_login}");
            let stored = primary.value("SELECT COUNT(*) FROM test.ends").await;
            assert_eq!(stored, (2 * rows).to_string(), "{name}, behind the login: {behind_login}");
        }
    }
}

async fn nothing_is_lost_in_the_queue(cluster: &Cluster) {
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.ends (a BIGINT)").await;
    let limits = "\n[limits]\nmax_server_connections = 4\n";
    let proxy = Proxy::start(&format!("{}{limits}", patient(&proxy_config(cluster)))).await;
    readers_are(&proxy, 1).await;
    for ends in [vec![], vec![QUIT.to_vec()]] {
        for how in [How::Close, How::Half] {
            primary.sql("TRUNCATE test.ends").await;
            let commands = [vec![query("INSERT INTO ends SELECT SLEEP(0.05)")], ends.clone()].concat();
            let clients = (0..CLIENTS).map(|_| {
                let commands = commands.clone();
                tokio::spawn(async move { play(proxy.rw, &commands, how, false).await })
            });
            for client in clients.collect::<Vec<_>>() {
                client.await.unwrap();
            }
            eventually("all rows", async || {
                let stored = primary.value("SELECT COUNT(*) FROM test.ends").await;
                (stored == CLIENTS.to_string()).then_some(())
            })
            .await;
        }
    }
}

/// Servers look for the client's end while a statement sleeps or waits for a named lock, and end the statement then.
async fn who_waits_for_nobody_ends(cluster: &Cluster) {
    let primary = cluster.primary();
    drop(connect(primary.port(), "app", "app", "test").await.unwrap());
    primary.sql("GRANT PROCESS ON *.* TO app@'%'").await;
    let mut holder = connect(primary.port(), "app", "app", "test").await.unwrap();
    holder.query_drop("SELECT GET_LOCK('ends', 0)").await.unwrap();
    for driver in ["epoll", "io_uring"] {
        let config = patient(&proxy_config(cluster));
        let config = format!("io = \"{driver}\"\n{config}\n[servers_tls]\nmode = \"disabled\"\n");
        let proxy = Proxy::start(&config).await;
        readers_are(&proxy, 1).await;
        for (how, sql) in [
            (How::Close, "SELECT GET_LOCK('ends', 3600)"),
            (How::Close, "SELECT SLEEP(3600)"),
            (How::Half, "SELECT SLEEP(20)"),
            (How::Half, "SELECT GET_LOCK('ends', 20)"),
        ] {
            let commands = [query(sql)];
            let direct = play(primary.port(), &commands, How::Half, false);
            let through = play(proxy.rw, &commands, how, false);
            let (direct, through) = tokio::join!(direct, through);
            if how == How::Half {
                assert_eq!(through, direct, "{driver}: {sql}");
            }
            eventually("nobody waits", async || {
                let waiting =
                    format!("SELECT COUNT(*) FROM information_schema.processlist WHERE info = \"{sql}\"");
                (primary.value(&waiting).await == "0").then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn mariadb_ends_who_waits_for_nobody() {
    who_waits_for_nobody_ends(&Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_ends_who_waits_for_nobody() {
    let Some(cluster) = Cluster::mysql(1).await else { return };
    who_waits_for_nobody_ends(&cluster).await;
}

#[tokio::test]
async fn mariadb_executes_what_was_received() {
    what_was_received_is_executed(&Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_executes_what_was_received() {
    let Some(cluster) = Cluster::mysql(1).await else { return };
    what_was_received_is_executed(&cluster).await;
}

#[tokio::test]
async fn mariadb_loses_nothing_in_the_queue() {
    nothing_is_lost_in_the_queue(&Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_loses_nothing_in_the_queue() {
    let Some(cluster) = Cluster::mysql(1).await else { return };
    nothing_is_lost_in_the_queue(&cluster).await;
}
