//! Every byte of an answer: the steps of `alike/cases.txt` on a direct connection, and through a default and a tight proxy.
//! Each packet must be the same, but for the numbers of prepared statements. `ALIKE=words` plays the cases whose names contain
//! these words. `drawn` plays sessions by chance.

mod commands;
mod drawn;
mod found_rows;
mod grammar;
mod known;
mod line;
mod moved;
mod peer;
mod settings;
mod shrink;
mod world;

use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use world::{Case, Side};

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
            words: words.split_whitespace().map(str::to_owned).collect(),
            steps: Vec::new(),
        });
    }
    all
}

/// A default proxy, and a tight one, where sessions take connections from each other.
async fn proxies(cluster: &Cluster) -> [(&'static str, Proxy); 2] {
    let split = "mode = \"split\"\ncompression = \"any\"";
    let config = patient(&proxy_config(cluster)).replacen("mode = \"primary\"", split, 1);
    let tight = format!("workers = 1\n{config}\n[limits]\nmax_server_connections = 3\n");
    let proxies = [("default", Proxy::start(&config).await), ("tight", Proxy::start(&tight).await)];
    for (_, proxy) in &proxies {
        readers_are(proxy, 1).await;
    }
    // From now on caching_sha2_password takes a scramble.
    for server in cluster.servers() {
        connect(server.port(), "app", "app", "test").await.expect("a login");
    }
    proxies
}

/// How often this proxy has refused what a replica reported. No replica lies here, so a finding is every time.
async fn accusations(http: u16) -> usize {
    let (_, metrics) = Proxy::get_from(http, "/metrics").await.expect("metrics");
    let counts = metrics.lines().filter(|line| line.starts_with("pointsman_false_reports_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

/// Lets the monitor account see everything, so that proxies that start now read views and functions on replicas.
async fn show_catalogue(cluster: &Cluster) {
    cluster.primary().sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
}

async fn answers_are_alike(cluster: Cluster) {
    let proxies = proxies(&cluster).await;
    let mut direct = Side::new(&cluster, "direct", cluster.primary().port(), "tz00".into()).await;
    let mut sides = Vec::new();
    for (number, (name, proxy)) in (1..).zip(&proxies) {
        sides.push(Side::new(&cluster, name, proxy.rw, format!("tz0{number}")).await);
    }
    let wanted = std::env::var("ALIKE").unwrap_or_default();
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/alike/cases.txt"));
    let mut all = cases(&text.expect("the cases"));
    let words = std::env::var("ALIKE_WORDS").unwrap_or_default();
    for case in &mut all {
        case.words.extend(words.split_whitespace().map(str::to_owned));
    }
    let (mut wrong, mut accused) = (Vec::new(), [0; 2]);
    for case in all.iter().filter(|c| c.kinds.contains(&cluster.kind()) && c.name.contains(&wanted)) {
        let expected = direct.play(case).await;
        for side in &mut sides {
            let through = side.play(case).await;
            let differ = expected.iter().zip(&through).filter(|(direct, through)| direct != through);
            let name = side.name;
            let differ: Vec<_> = differ.map(|(a, b)| format!("  direct {a}\n  {name} {b}")).collect();
            if !differ.is_empty() {
                wrong.push(format!("{}:\n{}", case.name, differ.join("\n")));
            }
        }
        for ((name, proxy), accused) in proxies.iter().zip(&mut accused) {
            let all = accusations(proxy.http).await;
            if all > std::mem::replace(accused, all) {
                wrong.push(format!("{}: {name} accused a replica of false reports", case.name));
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
async fn every_byte_is_as_mariadb_would_answer_if_the_catalogue_is_seen() {
    let cluster = Cluster::mariadb(1).await;
    show_catalogue(&cluster).await;
    answers_are_alike(cluster).await;
}

#[tokio::test]
async fn every_byte_is_as_mysql_would_answer() {
    if let Some(cluster) = Cluster::mysql(1).await {
        answers_are_alike(cluster).await;
    }
}

#[tokio::test]
async fn every_byte_is_as_mysql_would_answer_if_the_catalogue_is_seen() {
    if let Some(cluster) = Cluster::mysql(1).await {
        show_catalogue(&cluster).await;
        answers_are_alike(cluster).await;
    }
}
