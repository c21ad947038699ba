//! Every byte of an answer: the steps of `alike/cases.txt` on a direct connection, and through a default and a tight proxy.
//! Each packet must be the same, but for the numbers of prepared statements. `ALIKE=words` plays the cases whose names contain
//! these words.

mod peer;

use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use peer::Peer;

/// What each case finds: tables of its own, and routines.
const SETUP: [&str; 4] = [
    "DROP TABLE IF EXISTS test.alike, test.alike_2",
    "CREATE TABLE test.alike (id INT AUTO_INCREMENT PRIMARY KEY, v INT, s VARCHAR(20) DEFAULT 'x') CHARACTER SET utf8mb4",
    "INSERT INTO test.alike (v, s) VALUES (1, 'one'), (2, NULL), (3, 'three')",
    "CREATE TABLE test.alike_2 (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
];

const ROUTINES: [&str; 3] = [
    "CREATE PROCEDURE test.alike_out(INOUT a INT) BEGIN SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'one'; SET a = a + 1; END",
    "CREATE PROCEDURE test.alike_rows(INOUT a INT) BEGIN UPDATE alike SET v = v + 1; SELECT v, s FROM alike ORDER BY id; \
     SELECT a; SET a = 5; END",
    "CREATE PROCEDURE test.alike_long(OUT a LONGTEXT) BEGIN SELECT 1; SET a = REPEAT('abc', 10000); END",
];

/// A session's steps, one a line.
#[derive(Debug)]
struct Case {
    name: String,
    kinds: Vec<Kind>,
    capabilities: u32,
    steps: Vec<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some(head) = line.strip_prefix("== ") else {
            all.last_mut().expect("a case in front of its steps").steps.push(line.into());
            continue;
        };
        let (name, words) = head.split_once('|').unwrap_or((head, ""));
        let has = |word| words.split_whitespace().any(|w| w == word);
        let kinds = [Kind::MariaDb, Kind::MySql];
        let any = !has("mariadb") && !has("mysql");
        all.push(Case {
            name: name.trim().into(),
            kinds: kinds.into_iter().filter(|kind| any || has(kind.name())).collect(),
            capabilities: words.split_whitespace().fold(0, |all, word| all | peer::capability(word)),
            steps: Vec::new(),
        });
    }
    all
}

/// Plays a case. Returns what each step answered.
async fn play(cluster: &Cluster, port: u16, case: &Case) -> Vec<String> {
    for statement in SETUP {
        cluster.primary().sql(statement).await;
    }
    cluster.wait_caught_up().await;
    let mut peer = Peer::login(port, case.capabilities).await;
    let mut answers = vec![format!("login: {}", peer.login)];
    for step in &case.steps {
        let answer = match step.strip_prefix("!other ") {
            Some(sql) => {
                cluster.primary().sql(sql).await;
                cluster.wait_caught_up().await;
                String::new()
            }
            None => peer.step(step).await,
        };
        answers.push(format!("{step}\n      {answer}"));
    }
    answers
}

async fn answers_are_alike(cluster: Cluster) {
    for statement in ROUTINES {
        cluster.primary().sql(statement).await;
    }
    let config = patient(&proxy_config(&cluster)).replace("mode = \"primary\"", "mode = \"split\"");
    let tight = format!("workers = 1\n{config}\n[limits]\nmax_server_connections = 3\n");
    let proxies = [("default", Proxy::start(&config).await), ("tight", Proxy::start(&tight).await)];
    for (_, proxy) in &proxies {
        readers_are(proxy, 1).await;
    }
    // From now on caching_sha2_password takes a scramble.
    for server in cluster.servers() {
        connect(server.port(), "app", "app", "test").await.expect("a login");
    }
    let wanted = std::env::var("ALIKE").unwrap_or_default();
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alike/cases.txt"));
    let all = cases(&text.expect("the cases"));
    let mut wrong = Vec::new();
    for case in all.iter().filter(|c| c.kinds.contains(&cluster.kind()) && c.name.contains(&wanted)) {
        let direct = play(&cluster, cluster.primary().port(), case).await;
        for (name, proxy) in &proxies {
            let through = play(&cluster, proxy.rw, case).await;
            let differ = direct.iter().zip(&through).filter(|(direct, through)| direct != through);
            let differ: Vec<_> = differ.map(|(a, b)| format!("  direct {a}\n  {name} {b}")).collect();
            if !differ.is_empty() {
                wrong.push(format!("{}:\n{}", case.name, differ.join("\n")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_byte_is_as_mariadb_would_answer() {
    answers_are_alike(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn every_byte_is_as_mysql_would_answer() {
    if let Some(cluster) = Cluster::mysql(1).await {
        answers_are_alike(cluster).await;
    }
}
