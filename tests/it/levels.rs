//! How fresh reads are, on real servers and by real clients: the examples of docs/consistency.md with a
//! replica that applies nothing, and the ways for a client to choose.

use crate::dialogue::{eventually, patient};
use crate::support::{Cluster, Node, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, OptsBuilder};
use std::collections::HashMap;

const PAGE: &str = include_str!("../../docs/consistency.md");

/// Beyond it a replica gets no reads. More than a slow machine takes from a write to the first read of an example.
const MAX_LAG: &str = "\n[replicas]\nmax_lag = \"8s\"\n";

async fn proxy(cluster: &Cluster) -> Proxy {
    let config = patient(&proxy_config(cluster)).replace("mode = \"primary\"", "mode = \"split\"");
    Proxy::start(&format!("{config}{MAX_LAG}")).await
}

/// A replica that receives everything, applies nothing, and answers reads as ever, as long as this lives.
struct Held(Conn);

impl Held {
    async fn hold(replica: &Node) -> Self {
        let mut conn = connect(replica.port(), "super", "super", "test").await.unwrap();
        conn.query_drop("FLUSH TABLES WITH READ LOCK").await.unwrap();
        Held(conn)
    }

    async fn let_go(mut self) {
        self.0.query_drop("UNLOCK TABLES").await.unwrap();
    }
}

/// What a read of an example may answer.
#[derive(Debug, PartialEq, Eq)]
enum Answers {
    Nothing,
    /// This, whatever the replica has.
    Always(&'static str),
    /// `0` from a replica that is behind, `1` in the end.
    Sometime,
}

/// A line of an example: whose, what, and what comes of it.
type Line = (char, &'static str, Answers);

/// The examples by the level that their first line sets.
fn examples() -> HashMap<&'static str, Vec<Line>> {
    let blocks = PAGE.split("```sql\n").skip(1).map(|block| block.split_once("\n```").unwrap().0);
    let examples = blocks.map(|block| {
        let lines: Vec<_> = block.lines().map(line).collect();
        let level = lines[0].1.split('\'').nth(1).expect("an example begins with its level");
        (level, lines)
    });
    examples.collect()
}

/// `/* A */ SELECT …;  -- 1, always`
fn line(text: &'static str) -> Line {
    let session = text.strip_prefix("/* ").and_then(|rest| rest.chars().next()).expect("whose line it is");
    let (sql, answer) = text.split_once(";").expect("a statement's end");
    let answers = match answer.trim().strip_prefix("-- ") {
        None => Answers::Nothing,
        Some(answer) if answer.starts_with("0 or 1") => Answers::Sometime,
        Some(answer) => Answers::Always(answer.split(',').next().unwrap()),
    };
    (session, sql, answers)
}

#[tokio::test]
async fn mariadb_examples() {
    examples_are_true(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_examples() {
    if let Some(cluster) = Cluster::mysql(1).await {
        examples_are_true(cluster).await;
    }
}

async fn examples_are_true(cluster: Cluster) {
    let proxy = proxy(&cluster).await;
    cluster.primary().sql("CREATE TABLE test.orders (id INT PRIMARY KEY)").await;
    let examples = examples();
    for level in ["strong", "session", "bounded", "eventual"] {
        assert!(examples.contains_key(level), "the page has an example of {level}");
    }
    for (level, lines) in examples {
        cluster.primary().sql("DELETE FROM test.orders").await;
        cluster.wait_caught_up().await;
        serves(&proxy).await;
        let mut held = Some(Held::hold(cluster.replica(0)).await);
        let mut sessions = HashMap::new();
        for (session, sql, answers) in &lines {
            if !sessions.contains_key(session) {
                sessions.insert(*session, connect(proxy.rw, "app", "app", "test").await.unwrap());
            }
            let conn = sessions.get_mut(session).unwrap();
            let said: Option<String> = conn.query_first(*sql).await.unwrap();
            match answers {
                Answers::Nothing => {}
                Answers::Always(value) => assert_eq!(said.as_deref(), Some(*value), "{level}: {sql}"),
                Answers::Sometime => {
                    assert_eq!(said.as_deref(), Some("0"), "{level}, from the replica: {sql}");
                    if level != "bounded" {
                        held.take().unwrap().let_go().await;
                    }
                    eventually(&format!("{level}: {sql}"), async || {
                        let said = conn.query_first::<String, _>(*sql).await.unwrap();
                        (said.as_deref() == Some("1")).then_some(())
                    })
                    .await;
                }
            }
        }
        if let Some(held) = held {
            held.let_go().await;
        }
    }
}

/// Waits until the replica gets reads.
async fn serves(proxy: &Proxy) {
    let mut conn = connect(proxy.rw, "app", "app", "test").await.unwrap();
    eventually("a replica gets reads", async || {
        let explain = "/* pointsman: explain */ SELECT 1";
        let row: mysql_async::Row = conn.query_first(explain).await.unwrap().unwrap();
        (row.get::<String, _>("target").as_deref() == Some("replica")).then_some(())
    })
    .await;
}

fn options(port: u16, attribute: &str) -> OptsBuilder {
    let options = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).prefer_socket(false);
    let options = options.user(Some("app")).pass(Some("app")).db_name(Some("test"));
    options.connect_attribute("pointsman_consistency", attribute)
}

async fn level(conn: &mut Conn) -> String {
    conn.query_first("SELECT @@session.pointsman_consistency").await.unwrap().unwrap()
}

fn code(result: Result<(), Error>) -> u16 {
    match result {
        Err(Error::Server(error)) => error.code,
        other => panic!("no error of a server: {other:?}"),
    }
}

#[tokio::test]
async fn mariadb_clients_choose() {
    clients_choose(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_clients_choose() {
    if let Some(cluster) = Cluster::mysql(1).await {
        clients_choose(cluster).await;
    }
}

async fn clients_choose(cluster: Cluster) {
    let proxy = proxy(&cluster).await;
    cluster.primary().sql("CREATE TABLE test.orders (id INT PRIMARY KEY)").await;
    cluster.wait_caught_up().await;
    serves(&proxy).await;
    by_attribute_and_set(&proxy).await;
    let held = Held::hold(cluster.replica(0)).await;
    by_comment(&proxy).await;
    held.let_go().await;
    programs(&proxy);
}

async fn by_attribute_and_set(proxy: &Proxy) {
    let mut conn = Conn::new(options(proxy.rw, "eventual")).await.unwrap();
    assert_eq!(level(&mut conn).await, "eventual");
    conn.query_drop("SET pointsman_consistency = 'bounded'").await.unwrap();
    assert_eq!(level(&mut conn).await, "bounded");
    let shown: Vec<(String, String)> = conn.query("SHOW VARIABLES LIKE 'pointsman%'").await.unwrap();
    assert_eq!(shown, [("pointsman_consistency".to_owned(), "bounded".to_owned())]);
    assert!(conn.reset().await.unwrap(), "COM_RESET_CONNECTION");
    assert_eq!(level(&mut conn).await, "eventual");
    assert_eq!(code(conn.query_drop("SET pointsman_consistency = 'best'").await), 1231);
    assert_eq!(code(conn.exec_drop("SELECT @@pointsman_consistency", ()).await), 1295);
    // The server's own variables are still the server's.
    let two: Option<(String, u8)> =
        conn.query_first("SHOW VARIABLES LIKE 'auto_increment_increment'").await.unwrap();
    assert_eq!(two, Some(("auto_increment_increment".to_owned(), 1)));
    conn.change_user(mysql_async::ChangeUserOpts::default()).await.unwrap();
    assert_eq!(level(&mut conn).await, "eventual", "the driver says its attributes again");
    conn.disconnect().await.unwrap();
    let refused = Conn::new(options(proxy.rw, "best")).await.map(drop);
    assert_eq!(code(refused), 1231);
}

/// The replica is behind: where a read goes shows in what it answers.
async fn by_comment(proxy: &Proxy) {
    const COUNT: &str = "SELECT COUNT(*) FROM orders WHERE id = ?";
    let mut conn = Conn::new(options(proxy.rw, "session")).await.unwrap();
    conn.query_drop("INSERT INTO orders VALUES (1)").await.unwrap();
    for (comment, count) in [("", 1), ("/* pointsman: consistency=eventual */ ", 0), ("", 1)] {
        let sql = format!("{comment}{COUNT}");
        let prepared: Option<u8> = conn.exec_first(sql.as_str(), (1,)).await.unwrap();
        assert_eq!(prepared, Some(count), "{sql}");
        let text: Option<u8> = conn.query_first(sql.replace('?', "1")).await.unwrap();
        assert_eq!(text, Some(count), "{sql}");
    }
    conn.disconnect().await.unwrap();
}

/// The `mariadb` program, which speaks another dialect of the protocol than the driver above.
fn programs(proxy: &Proxy) {
    let port = proxy.rw.to_string();
    let output = std::process::Command::new("mariadb")
        .args([
            "--no-defaults",
            "--protocol=tcp",
            "-h127.0.0.1",
            "-P",
            &port,
            "-uapp",
            "-papp",
            "-N",
            "--comments",
        ])
        .args(["--init-command", "SET pointsman_consistency = 'session'"])
        .args(["-e", "SELECT @@pointsman_consistency; SHOW VARIABLES LIKE 'pointsman%';"])
        .args(["-e", "/* pointsman: explain */ /* pointsman: consistency=bounded */ SELECT 1"])
        .output()
        .expect("the mariadb program");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..2], ["session", "pointsman_consistency\tsession"], "{said}");
    assert!(lines[2].contains("\tbounded (by a comment)"), "{said}");
}
