//! The SQL console of a real proxy: logins with the command-line clients of both kinds, the queries of ProxySQL's exporters,
//! actions and what the log says of them, and clients who have no account.

mod dangerous;

use crate::dialogue::{PATIENCE, eventually, patient, port_of, refused, runs_on, value};
use crate::support::{Authority, Cluster, Proxy, Scratch, connect, free_port, proxy_config};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The configuration of a proxy with a console on this port.
fn with_console(cluster: &Cluster, port: u16, more: &str) -> String {
    format!(
        "{}\n[admin.console]\naddress = \"127.0.0.1:{port}\"\n[[admin.console.users]]\nname = \"operator\"\npassword = \
         \"secret\"\n{more}",
        patient(&proxy_config(cluster))
    )
}

async fn operator(port: u16) -> Conn {
    connect(port, "operator", "secret", "main").await.expect("the console")
}

/// The console behind a handover: a login to the former process is refused while it ends (1053).
async fn operator_of_the_next(port: u16) -> Conn {
    eventually("the next process answers", async || connect(port, "operator", "secret", "main").await.ok())
        .await
}

/// MySQL's own command-line client, if it is installed.
fn mysql() -> Option<PathBuf> {
    let cache = std::env::var_os("POINTSMAN_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/pointsman"));
    cache.or(home).map(|cache| cache.join("mysql97/bin/mysql")).filter(|program| program.exists())
}

/// Runs a statement with a command-line client, and returns what the client printed, or its error.
fn ask(client: &(PathBuf, Vec<&str>), port: u16, account: [&str; 2], sql: &str) -> Result<String, String> {
    let mut command = Command::new(&client.0);
    command.args(["--no-defaults", "-h127.0.0.1", "-N", "-B", "-P", &port.to_string()]).args(&client.1);
    command.args([format!("-u{}", account[0]), format!("-p{}", account[1])]).args(["-e", sql]);
    let output = command.output().expect("cannot run a command-line client");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn command_line_clients_of_both_kinds_log_in() {
    let cluster = Cluster::mariadb(1).await;
    let (port, authority) = (free_port(), Authority::new("console"));
    let (cert, key) = authority.issue("console", "IP:127.0.0.1");
    let tls = format!("[admin.console.tls]\ncert_file = {cert:?}\nkey_file = {key:?}\n");
    let proxy = Proxy::start(&with_console(&cluster, port, &tls)).await;
    let mut clients =
        vec![(PathBuf::from("mariadb"), vec!["--skip-ssl"]), (PathBuf::from("mariadb"), vec!["--ssl"])];
    for mode in ["--ssl-mode=DISABLED", "--ssl-mode=REQUIRED"] {
        clients.extend(mysql().map(|program| (program, vec![mode])));
    }
    for client in &clients {
        let found = ask(client, port, ["operator", "secret"], "SELECT name, role FROM servers ORDER BY name");
        assert_eq!(found.as_deref(), Ok("db-0\tprimary\ndb-1\treplica"), "{client:?}");
        let wrong = ask(client, port, ["operator", "wrong"], "SELECT 1").unwrap_err();
        let nobody = ask(client, port, ["nobody", "wrong"], "SELECT 1").unwrap_err();
        assert!(
            wrong.contains("ERROR 1045 (28000): Access denied for user 'operator'"),
            "{client:?}: {wrong}"
        );
        let name = |text: &str| text.replace("nobody", "operator");
        assert_eq!(wrong, name(&nobody), "{client:?}");
        let app = ask(client, port, ["app", "app"], "SELECT 1").unwrap_err();
        assert!(app.contains("1045"), "accounts of the servers have no business here: {app}");
        let empty = ask(client, port, ["operator", ""], "SELECT 1").unwrap_err();
        assert!(empty.contains("1045"), "{empty}");
    }
    proxy.told("console: login refused").await;
    assert!(!proxy.log().contains("secret"));
}

/// The number of lines of the log with these words.
fn lines_with(proxy: &Proxy, words: &str) -> usize {
    proxy.log().lines().filter(|line| line.contains(words)).count()
}

/// Waits until the log has this many lines with these words.
async fn logged(proxy: &Proxy, words: &str, times: usize) {
    eventually(&format!("{times} lines with {words:?}"), async || {
        (lines_with(proxy, words) >= times).then_some(())
    })
    .await;
    assert_eq!(lines_with(proxy, words), times, "{words}\n{}", proxy.log());
}

#[tokio::test]
async fn passwords_cannot_be_guessed_unseen() {
    let cluster = Cluster::mariadb(0).await;
    let (port, folder) = (free_port(), Scratch::new("console"));
    let file = folder.path().join("audit.log");
    let more = format!("\n[audit]\nto = {file:?}\n[limits]\nmax_login_errors = 45\nblock_time = \"15s\"\n");
    let proxy = Proxy::start(&with_console(&cluster, port, &more)).await;
    let mut inside = operator(port).await;
    // More than there are seats before the login: the oldest clients are closed before they get their error.
    let mut guesses = Vec::new();
    for _ in 0..50 {
        guesses.push(tokio::spawn(connect(port, "operator", "wrong", "main")));
        tokio::time::sleep(Duration::from_millis(8)).await;
    }
    for guess in guesses {
        assert!(guess.await.unwrap().is_err());
    }
    logged(&proxy, "console: login refused", 50).await;
    // The account is blocked now for the address, also for those who know the password.
    for password in ["secret", "wrong"] {
        let refused = connect(port, "operator", password, "main").await.unwrap_err().to_string();
        assert!(refused.contains("1129") && refused.contains("limits.max_login_errors"), "{refused}");
    }
    assert_eq!(value(&mut inside, "SELECT 1").await.unwrap(), "1", "open connections stay");
    let mut refusals = 52;
    eventually("the block ends by itself", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let login = connect(port, "operator", "secret", "main").await;
        refusals += usize::from(login.is_err());
        login.ok()
    })
    .await;
    // The right password with a wrong database is a login, too.
    let refused = connect(port, "operator", "secret", "nowhere").await.unwrap_err().to_string();
    assert!(refused.contains("1049"), "{refused}");
    logged(&proxy, "error=1049", 1).await;
    // And this one.
    refusals += 1;
    logged(&proxy, "console: login refused", refusals).await;
    let failed = |line: &&str| line.contains("\"event\":\"login\"") && line.contains("\"failed\"");
    let audited = || std::fs::read_to_string(&file).unwrap_or_default();
    eventually("the audit log has them", async || {
        (audited().lines().filter(failed).count() >= refusals).then_some(())
    })
    .await;
    assert_eq!(audited().lines().filter(failed).count(), refusals, "{}", audited());
}

/// What exporters and checks for ProxySQL send, and the least number of rows in the answer. Queries for which Pointsman
/// has nothing of the kind: `stats_mysql_commands_counters` (no counts by command), `global_variables` (settings of
/// ProxySQL), `monitor.mysql_server_ping_log` (the column `probe_us` of `servers` instead).
const PROXYSQL: [(&str, usize); 16] = [
    // percona/proxysql_exporter
    ("SELECT Variable_Name, Variable_Value FROM stats_mysql_global", 10),
    ("SELECT hostgroup, srv_host, srv_port, * FROM stats_mysql_connection_pool", 2),
    ("select Variable_Name, Variable_Value  from stats_memory_metrics", 2),
    (
        "SELECT COUNT(cli_host) as connection_count, cli_host FROM stats_mysql_processlist GROUP BY cli_host",
        1,
    ),
    ("SELECT username, frontend_connections FROM stats_mysql_users", 1),
    (
        "SELECT user, db, cli_host, hostgroup, COUNT(*) as count from stats_mysql_processlist group by user, db, \
         cli_host, hostgroup",
        1,
    ),
    // netdata
    (
        "SELECT hostgroup, srv_host, srv_port, status, ConnUsed, ConnFree, ConnOK, ConnERR, Queries, \
         Bytes_data_sent, Bytes_data_recv, Latency_us FROM stats_mysql_connection_pool",
        2,
    ),
    // Tutorials and checks.
    ("SELECT * FROM stats.stats_mysql_connection_pool", 2),
    ("SELECT hostgroup_id, hostname, port, status FROM runtime_mysql_servers ORDER BY hostgroup_id", 2),
    ("SELECT count(*) FROM runtime_mysql_servers WHERE status <> 'ONLINE'", 1),
    (
        "select hostgroup, schemaname, username, digest, digest_text, count_star from stats_mysql_query_digest",
        1,
    ),
    (
        "SELECT digest_text, count_star, sum_time, sum_time/count_star AS avg, min_time, max_time FROM \
         stats_mysql_query_digest ORDER BY sum_time DESC LIMIT 5",
        1,
    ),
    ("SELECT * FROM stats_mysql_errors", 1),
    ("SHOW PROCESSLIST", 1),
    ("SHOW MYSQL STATUS", 10),
    ("SHOW TABLES FROM stats", 5),
];

#[tokio::test]
async fn queries_of_exporters_for_proxysql_answer() {
    let cluster = Cluster::mariadb(1).await;
    let port = free_port();
    let webhook = "\n[notify]\nwebhook = \"http://127.0.0.1:9/hooks/token\"\n";
    let proxy = Proxy::start(&with_console(&cluster, port, webhook)).await;
    let mut client = proxy.client().await.unwrap();
    client.query_drop("SELECT 1 FROM DUAL").await.unwrap();
    assert!(client.query_drop("SELECT wrong").await.is_err());
    let mut console = operator(port).await;
    for (sql, least) in PROXYSQL {
        let rows: Vec<Row> = console.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(rows.len() >= least, "{sql}: {rows:?}");
    }
    let sql =
        "SELECT Variable_Value FROM stats_mysql_global WHERE Variable_Name = 'Client_Connections_connected'";
    assert_eq!(value(&mut console, sql).await.unwrap(), "1");
    let sql = "SELECT sum(ConnUsed + ConnFree) FROM stats_mysql_connection_pool WHERE status = 'ONLINE'";
    assert_eq!(value(&mut console, sql).await.unwrap(), "1");
    let sql = "SELECT sum(Queries) > 0 FROM stats_mysql_connection_pool WHERE hostgroup = 0";
    assert_eq!(value(&mut console, sql).await.unwrap(), "1");
    let sql = "SELECT code || ' ' || count FROM errors WHERE user = 'app'";
    let counted = async || (value(&mut console, sql).await.unwrap() == "1054 1").then_some(());
    eventually("the error is counted", counted).await;
    let sql = "SELECT value FROM config WHERE `key` = 'users[app].password'";
    assert_eq!(value(&mut console, sql).await.unwrap(), "********");
    let sql = "SELECT value FROM config WHERE `key` = 'notify.webhook'";
    assert_eq!(value(&mut console, sql).await.unwrap(), "http://********");
}

#[tokio::test]
async fn actions_do_what_they_say_and_the_log_has_them() {
    let cluster = Cluster::mariadb(0).await;
    let port = free_port();
    let folder = Scratch::new("console");
    let file = folder.path().join("audit.log");
    let config = with_console(&cluster, port, &format!("\n[audit]\nto = {file:?}\n"));
    let proxy = Proxy::start(&config).await;
    let mut client = proxy.client().await.unwrap();
    let mut console = operator(port).await;
    let done = async |console: &mut Conn, sql: String| -> String {
        let row: (String, String) = console.query_first(sql).await.unwrap().expect("a row");
        row.1
    };
    let id = client.id();
    client.query_drop("SELECT 1").await.unwrap();
    let sql = format!("SELECT user || ' ' || schema || ' ' || state FROM sessions WHERE id = {id}");
    let idle = async || (value(&mut console, &sql).await.unwrap() == "app test idle").then_some(());
    eventually("the session is idle", idle).await;
    assert_eq!(value(&mut console, "SELECT count(*) > 0 FROM digests").await.unwrap(), "1");
    done(&mut console, "RESET DIGESTS".to_owned()).await;
    assert_eq!(value(&mut console, "SELECT count(*) FROM digests").await.unwrap(), "0");
    let drained = done(&mut console, "DRAIN SERVER 'db-0'".to_owned()).await;
    assert!(drained.starts_with("db-0 gets no new reads"), "{drained}");
    let status = "SELECT status || ' ' || drained FROM runtime_mysql_servers JOIN servers ON name = comment";
    assert_eq!(value(&mut console, status).await.unwrap(), "OFFLINE_SOFT order");
    assert_eq!(done(&mut console, "UNDRAIN SERVER 'db-0'".to_owned()).await, "db-0 is not drained any more");
    let unknown = console.query_drop("DRAIN SERVER 'db-9'").await.unwrap_err().to_string();
    assert!(unknown.contains("no server is called db-9"), "{unknown}");
    assert_eq!(done(&mut console, format!("KILL SESSION {id}")).await, format!("killed session {id}"));
    assert!(client.query_drop("SELECT 1").await.is_err());
    let again = console.query_drop(format!("KILL SESSION {id}")).await.unwrap_err().to_string();
    assert!(again.contains(&format!("there is no session {id}")), "{again}");

    assert_eq!(done(&mut console, "RELOAD".to_owned()).await, "configuration reloaded: nothing changed");
    proxy.write_config(
        &config.replace("name = \"super\"\npassword = \"super\"", "name = \"super\"\npassword = \"x\""),
    );
    let reloaded = done(&mut console, "RELOAD".to_owned()).await;
    // The watch of the file may have come first.
    assert!(
        ["configuration reloaded: users", "configuration reloaded: nothing changed"].contains(&&*reloaded)
    );
    proxy.write_config(&format!("{config}\nnonsense = 1\n"));
    let refused = console.query_drop("RELOAD").await.unwrap_err().to_string();
    assert!(refused.contains("nonsense"), "{refused}");

    // Whoever took a password along is out when it changes.
    let mut former = operator(port).await;
    proxy.write_config(&config.replace("password = \"secret\"", "password = \"another\""));
    // Refused if the watch of the file came first.
    let _ = console.query_drop("RELOAD").await;
    let refused = former.query_drop("SELECT 1").await.unwrap_err().to_string();
    assert!(refused.contains("1045") && refused.contains("log in again"), "{refused}");
    let mut console = connect(port, "operator", "another", "main").await.expect("the console");

    done(&mut console, "SET LOG LEVEL 'warn'".to_owned()).await;
    let wrong = console.query_drop("SET LOG LEVEL 'loud'").await.unwrap_err().to_string();
    assert!(wrong.contains("\"loud\" is not a level"), "{wrong}");
    done(&mut console, "SET LOG LEVEL 'info,audit=off'".to_owned()).await;
    done(&mut console, "RESET DIGESTS".to_owned()).await;
    logged(&proxy, "console: action begins", 3).await;
    let log = proxy.log();
    let last = log.lines().rfind(|line| line.contains("console: action")).unwrap();
    assert!(last.contains("SET LOG LEVEL \\\"info,audit=off\\\""), "{log}");
    for part in [
        format!("console: action account=\"operator\" peer=127.0.0.1:{}", ""),
        format!("KILL SESSION {id}"),
        "console: action failed".to_owned(),
        "SET LOG LEVEL \\\"warn\\\"".to_owned(),
    ] {
        assert!(log.contains(&part), "{part} is not in\n{log}");
    }

    assert!(connect(port, "operator", "wrong", "").await.is_err());
    let killed = format!("KILL SESSION {id}");
    let events = [
        ("login", "", "ok"),
        ("action", "RESET DIGESTS", "ok"),
        ("action", "DRAIN SERVER \"db-9\"", "failed"),
        ("action", &killed, "ok"),
        ("action", "RELOAD", "failed"),
        ("login", "", "failed"),
    ];
    for (event, statement, outcome) in events {
        let is_it = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            (text("user"), text("event"), text("statement"), text("outcome"))
                == ("operator".into(), event.into(), statement.into(), outcome.into())
        };
        let found = || std::fs::read_to_string(&file).unwrap_or_default();
        let what = format!("{event} {statement} {outcome} is in the audit log");
        eventually(&what, async || found().lines().any(is_it).then_some(())).await;
    }
}

/// Reads until one read ran on this server. Sessions may choose the server anew for each of them.
async fn reads_on(clients: &mut [Conn], server: u16) {
    eventually(&format!("a read on port {server}"), async || {
        for client in &mut *clients {
            if port_of(client).await.expect("@@port") == server {
                return Some(());
            }
        }
        None
    })
    .await;
}

#[tokio::test]
async fn reads_leave_a_drained_server_and_come_back() {
    let cluster = Cluster::mariadb(2).await;
    let port = free_port();
    let proxy = Proxy::start(&with_console(&cluster, port, "")).await;
    let mut console = operator(port).await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(proxy.reader().await.unwrap());
    }
    for drained in [1, 2] {
        let server = cluster.server(drained).port();
        reads_on(&mut readers, server).await;
        console.query_drop(format!("DRAIN SERVER 'db-{drained}'")).await.unwrap();
        readers.push(proxy.reader().await.unwrap());
        // Each worker hears of it a moment later.
        eventually("reads leave the drained server", async || {
            for reader in &mut readers {
                if port_of(reader).await.expect("@@port") == server {
                    return None;
                }
            }
            Some(())
        })
        .await;
        for _ in 0..20 {
            for reader in &mut readers {
                assert_ne!(port_of(reader).await.unwrap(), server, "db-{drained} is drained");
            }
        }
        console.query_drop(format!("UNDRAIN SERVER 'db-{drained}'")).await.unwrap();
        reads_on(&mut readers, server).await;
    }
}

#[tokio::test]
async fn kill_query_ends_a_statement_of_any_account() {
    let cluster = Cluster::mariadb(0).await;
    let port = free_port();
    let proxy = Proxy::start(&with_console(&cluster, port, "")).await;
    let mut console = operator(port).await;
    for user in ["app", "super"] {
        let mut victim = connect(proxy.rw, user, user, "test").await.unwrap();
        let id = victim.id();
        let sleeping = tokio::spawn(async move {
            let result = victim.query_drop("SELECT 1 FROM (SELECT 1) AS x WHERE SLEEP(600)").await;
            (victim, result)
        });
        runs_on(&cluster, 0, "WHERE SLEEP").await;
        // The thread of the server means nothing to the console.
        let thread = "SELECT MAX(id) FROM information_schema.processlist WHERE info LIKE '%WHERE SLEEP(%'";
        let thread = cluster.primary().value(thread).await;
        let unknown = console.query_drop(format!("KILL QUERY {thread}")).await.unwrap_err().to_string();
        assert!(unknown.contains("there is no session"), "{unknown}");
        console.query_drop(format!("KILL QUERY {id}")).await.unwrap();
        let ended = tokio::time::timeout(PATIENCE, sleeping).await.expect("killed").unwrap();
        let (mut victim, result) = ended;
        assert_eq!(refused(result), (1317, "70100".to_owned()));
        assert_eq!(value(&mut victim, "SELECT 7").await.unwrap(), "7", "the session goes on");
    }
}

#[tokio::test]
async fn the_log_has_the_level_that_was_set() {
    let cluster = Cluster::mariadb(0).await;
    let port = free_port();
    let proxy = Proxy::start(&with_console(&cluster, port, "")).await;
    let mut console = operator(port).await;
    let mut lines = 0;
    for (level, shows) in [
        ("info", 0),
        ("debug", 1),
        ("warn", 0),
        ("info,pointsman::console=debug", 1),
        ("pointsman::pods=debug", 0),
    ] {
        console.query_drop(format!("SET LOG LEVEL '{level}'")).await.unwrap();
        // A client that sends no handshake response causes a line of the level debug.
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stranger = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stranger.write_all(&[1, 0, 0, 1, 0]).await.unwrap();
        let _ = stranger.read_to_end(&mut Vec::new()).await;
        lines += shows;
        logged(&proxy, "console: a login broke", lines).await;
    }
}

#[tokio::test]
async fn without_an_account_nothing_gets_through() {
    let cluster = Cluster::mariadb(0).await;
    let port = free_port();
    let proxy = Proxy::start(&with_console(&cluster, port, "")).await;
    let mut client = proxy.client().await.unwrap();
    let id = client.id();
    for (user, password) in [("operator", ""), ("operator", "wrong"), ("", ""), ("app", "app"), ("root", "")]
    {
        let refused = connect(port, user, password, "main").await.map(drop).unwrap_err().to_string();
        assert!(refused.contains("1045"), "{user}: {refused}");
    }
    // A command in place of a login, or right behind a wrong one.
    let kill = format!("\x03KILL SESSION {id}");
    let packet = |seq: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).expect("a short packet");
        [&[length, 0, 0, seq], payload].concat()
    };
    for sent in [packet(0, kill.as_bytes()), packet(1, kill.as_bytes()), vec![0xff; 64], packet(255, b"")] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stranger = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stranger.write_all(&[&sent[..], &packet(0, kill.as_bytes())].concat()).await.unwrap();
        let mut answer = Vec::new();
        let read = stranger.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(20), read).await.expect("the console hangs up");
    }
    client.query_drop("SELECT 1").await.expect("the session lives");
    assert!(!proxy.log().contains("console: action"), "{}", proxy.log());
    // Strangers take no seats from those who come later.
    let mut strangers = Vec::new();
    for _ in 0..100 {
        strangers.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let mut console = operator(port).await;
    assert_eq!(value(&mut console, "SELECT 1").await.unwrap(), "1");
}

#[tokio::test]
async fn idle_clients_lock_nobody_out() {
    let cluster = Cluster::mariadb(0).await;
    let port = free_port();
    let proxy = Proxy::start(&with_console(&cluster, port, "")).await;
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(operator(port).await);
    }
    clients[0].ping().await.unwrap();
    let mut last = operator(port).await;
    assert_eq!(value(&mut last, "SELECT 1").await.unwrap(), "1");
    logged(&proxy, "an idle client lost its place", 1).await;
    assert!(clients.remove(1).ping().await.is_err(), "idle longest");
    for client in &mut clients {
        client.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_query_costs_nobody_else() {
    let cluster = Cluster::mariadb(0).await;
    let port = free_port();
    let proxy = Proxy::start(&with_console(&cluster, port, "")).await;
    let (mut slow, mut quick) = (operator(port).await, operator(port).await);
    let endless = tokio::spawn(async move {
        let sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) FROM c";
        slow.query_drop(sql).await.unwrap_err().to_string()
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(quick.ping().await.is_ok());
    assert_eq!(proxy.get("/livez").await.unwrap().0, 200);
    let mut client = proxy.client().await.unwrap();
    client.query_drop("SELECT 1").await.unwrap();
    assert_eq!(value(&mut quick, "SELECT name FROM servers").await.unwrap(), "db-0");
    assert!(endless.await.unwrap().contains("1317"));
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    assert!(quick.query_drop(long).await.is_err());
    let prepared = operator(port).await.prep("SELECT ?").await.map(drop).unwrap_err().to_string();
    assert!(prepared.contains("1295"), "{prepared}");
}

#[tokio::test]
async fn answers_that_nobody_reads_take_a_bounded_memory() {
    let cluster = Cluster::mariadb(0).await;
    let port = free_port();
    let _proxy = Proxy::start(&with_console(&cluster, port, "")).await;
    let large = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 120) \
                 SELECT hex(zeroblob(32000)) FROM c";
    let (begun, mut began) = tokio::sync::mpsc::channel(4);
    let mut slow = Vec::new();
    for _ in 0..4 {
        let begun = begun.clone();
        slow.push(tokio::spawn(async move {
            let mut console = operator(port).await;
            let _unread = console.query_iter(large).await.expect("an answer");
            begun.send(()).await.unwrap();
            std::future::pending::<()>().await;
        }));
        began.recv().await.expect("an answer");
    }
    let mut console = operator(port).await;
    let refused = console.query_drop(large).await.unwrap_err().to_string();
    assert!(refused.contains("1041") && refused.contains("other clients"), "{refused}");
    assert_eq!(value(&mut console, "SELECT 1").await.unwrap(), "1");
    slow.into_iter().for_each(|one| one.abort());
    eventually("the memory is free", async || console.query_drop(large).await.ok()).await;
}

#[tokio::test]
async fn a_new_process_takes_the_console_over() {
    let cluster = Cluster::mariadb(1).await;
    let port = free_port();
    let mut proxy = Proxy::start(&with_console(&cluster, port, "")).await;
    let (mut before, mut orders) = (operator(port).await, operator(port).await);
    let started = "SELECT value FROM metrics WHERE name = 'process_start_time_seconds'";
    let former = value(&mut before, started).await.unwrap();
    // Orders until one is refused: what the last one did that was carried out is true of the new process.
    let ordering = tokio::spawn(async move {
        let mut drained = false;
        loop {
            let word = if drained { "UNDRAIN" } else { "DRAIN" };
            match orders.query_drop(format!("{word} SERVER 'db-1'")).await {
                Ok(()) => drained = !drained,
                Err(error) => return (drained, error.to_string()),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.upgrade().await;
    let (drained, refused) = ordering.await.unwrap();
    assert!(refused.contains("a new process takes over"), "{refused}");
    let mut after = operator_of_the_next(port).await;
    assert_ne!(value(&mut after, started).await.unwrap(), former, "another process answers");
    let state = "SELECT coalesce(drained, 'no') FROM servers WHERE name = 'db-1'";
    let expected = if drained { "order" } else { "no" };
    assert_eq!(value(&mut after, state).await.unwrap(), expected);
    let refused = before.query_drop("KILL SESSION 1").await.unwrap_err().to_string();
    assert!(refused.contains("1053"), "{refused}");
    // And once more, in the other state.
    let word = if drained { "UNDRAIN" } else { "DRAIN" };
    after.query_drop(format!("{word} SERVER 'db-1'")).await.unwrap();
    proxy.upgrade().await;
    let expected = if drained { "no" } else { "order" };
    assert_eq!(value(&mut operator_of_the_next(port).await, state).await.unwrap(), expected);
}
