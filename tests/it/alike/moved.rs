//! Sessions by chance while the primary moves: planned switchovers between steps, and in the middle of them. A session through the
//! proxy gets each packet that one on a server gets that stays the primary.
//!
//! Settings as of `drawn`; `ALIKE_STEPS` is 400 without it.

use super::drawn::{Run, packets_of};
use super::shrink::difference;
use super::world::Side;
use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, connect, number, proxy_config};

/// What these sessions are made of: nothing that a connection alone knows (temporary tables, locks, cursors, XA), and no questions
/// about the statement before.
const STEPS: &str = "\
[step]
20 {read}
14 {write}
4 {fails}
8 {prepared}
3 {long}
6 {transaction}
6 {setting}
6 {variable}
3 {names}
3 {sqlps}
4 {several}
2 {schema}
2 {show}
4 SELECT LAST_INSERT_ID()
6 !move
6 !moving
";

/// What a server that is read-only takes and logs, so that the next primary lacks it: the first three, and routines whose definer passes
/// `read_only`. And what gets ids by AUTO_INCREMENT: the next one is not the same on two servers (moves.txt has such sessions).
const LEFT_OUT: [&str; 8] =
    ["TEMPORARY", "ANALYZE", "FLUSH", "CALL", "alike_writes", "INSERT I", "REPLACE INTO", "LOAD DATA"];

/// The rules of `drawn`, with other steps, and without these.
fn grammar() -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/alike/grammar.txt"));
    let text = text.expect("the grammar");
    let (head, rest) = text.split_once("\n[step]\n").expect("the rule");
    let (_, rest) = rest.split_once("\n\n").expect("its end");
    let lasting: Vec<_> =
        rest.lines().filter(|line| LEFT_OUT.iter().all(|word| !line.contains(word))).collect();
    format!("{head}\n{STEPS}\n{}", lasting.join("\n"))
}

/// A server that stays the primary, and a proxy before two that take turns.
async fn sides(still: &Cluster, moving: Cluster) -> (Vec<Side>, Proxy) {
    let split = "mode = \"split\"\ncompression = \"any\"";
    let config = patient(&proxy_config(&moving)).replacen("mode = \"primary\"", split, 1);
    let proxy = Proxy::start(&config).await;
    readers_are(&proxy, 1).await;
    // From now on caching_sha2_password takes a scramble.
    for server in still.servers().iter().chain(moving.servers()) {
        connect(server.port(), "app", "app", "test").await.expect("a login");
    }
    let direct = Side::new(still, "direct", still.primary().port(), "tz00".into()).await;
    let moved = Side::new(&moving, "moved", proxy.rw, "tz00".into()).await.moving(moving);
    (vec![direct, moved], proxy)
}

async fn sessions_outlive_moves(still: Cluster, moving: Cluster) {
    let (sides, proxy) = sides(&still, moving).await;
    let text = std::env::var("GRAMMAR")
        .map_or_else(|_| grammar(), |path| std::fs::read_to_string(path).expect("a grammar"));
    let run = Run::new(still.kind(), &text, number("ALIKE_STEPS", 400), vec![proxy.http]);
    packets_of(run, vec![sides]).await;
}

/// The findings that were mended, in `moves.txt`.
async fn findings_stay_mended(still: Cluster, moving: Cluster) {
    let (mut sides, _proxy) = sides(&still, moving).await;
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/alike/moves.txt"));
    let mut wrong = Vec::new();
    let wanted = std::env::var("ALIKE").unwrap_or_default();
    for case in super::cases(&text.expect("the cases")) {
        if case.kinds.contains(&still.kind()) && case.name.contains(&wanted) {
            wrong.extend(difference(&mut sides, &case).await.map(|found| format!("{}{found}", case.text())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn mariadb_sessions_outlive_moves() {
    sessions_outlive_moves(Cluster::mariadb(1).await, Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_sessions_outlive_moves() {
    if let Some(still) = Cluster::mysql(1).await {
        sessions_outlive_moves(still, Cluster::start(Kind::MySql, 1).await).await;
    }
}

#[tokio::test]
async fn mariadb_moves_are_as_before() {
    findings_stay_mended(Cluster::mariadb(1).await, Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_moves_are_as_before() {
    if let Some(still) = Cluster::mysql(1).await {
        findings_stay_mended(still, Cluster::start(Kind::MySql, 1).await).await;
    }
}
