//! A refused COM_CHANGE_USER: MySQL ends the connection. MariaDB lets the former account go on, in a session that has only its
//! account and its schema left, and takes three refusals.

use crate::dialogue::raw::{Greeted, Raw, error_code, response};
use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_common::scramble::{scramble_native, scramble_sha256};

#[tokio::test]
async fn mariadb_refused_change_of_user() {
    refused_change_of_user(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_refused_change_of_user() {
    if let Some(cluster) = Cluster::mysql(1).await {
        refused_change_of_user(cluster).await;
    }
}

async fn refused_change_of_user(cluster: Cluster) {
    let config = patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    let proxy = Proxy::start(&config).await;
    readers_are(&proxy, 1).await;
    let primary = cluster.primary().port();
    for user in ["app", "super"] {
        connect(primary, user, user, "test").await.expect("a login");
    }
    let direct = story(primary).await;
    assert_eq!(story(proxy.rw).await, direct);
    let last = if cluster.kind() == Kind::MariaDb { "1047" } else { "closed" };
    assert_eq!(direct.last().map(String::as_str), Some(last));
}

const ASK: &str = "SELECT CONCAT_WS(' ', @a, DATABASE(), CURRENT_USER(), @@sql_mode = @@global.sql_mode, \
    @@collation_connection, @@autocommit)";

async fn story(port: u16) -> Vec<String> {
    let mut told = Vec::new();
    for (user, password, schema) in [
        ("app", "wrong", "test"),
        ("super", "super", "no_such_schema"),
        ("nobody", "app", ""),
        ("super", "super", "test"),
    ] {
        let mut raw = Raw::connect(port).await.expect("connect");
        let greeted = raw.greeting().await.expect("a greeting");
        raw.send(1, &response("app", "app", &greeted)).await.expect("sent");
        outcome(&mut raw, &greeted, "app").await;
        for sql in ["SET @a = 5", "SET sql_mode = 'ANSI'", "SET NAMES latin1", "SET autocommit = 0", "BEGIN"]
        {
            assert_eq!(raw.query(sql).await.expect("an answer")[0], 0, "{sql}");
        }
        told.push(change(&mut raw, &greeted, (user, password, schema)).await);
        told.push(asked(&mut raw).await);
    }
    let mut raw = Raw::connect(port).await.expect("connect");
    let greeted = raw.greeting().await.expect("a greeting");
    raw.send(1, &response("app", "app", &greeted)).await.expect("sent");
    outcome(&mut raw, &greeted, "app").await;
    for _ in 0..4 {
        told.push(change(&mut raw, &greeted, ("super", "super", "no_such_schema")).await);
    }
    told
}

fn scramble(greeted: &Greeted, password: &str) -> Vec<u8> {
    match greeted.plugin.as_str() {
        "caching_sha2_password" => scramble_sha256(&greeted.nonce, password.as_bytes()).map(|s| s.to_vec()),
        _ => scramble_native(&greeted.nonce, password.as_bytes()).map(|s| s.to_vec()),
    }
    .unwrap_or_default()
}

async fn change(raw: &mut Raw, greeted: &Greeted, (user, password, schema): (&str, &str, &str)) -> String {
    let scramble = scramble(greeted, password);
    let mut payload = vec![17];
    payload.extend_from_slice(user.as_bytes());
    payload.push(0);
    payload.push(u8::try_from(scramble.len()).expect("a short scramble"));
    payload.extend_from_slice(&scramble);
    payload.extend_from_slice(schema.as_bytes());
    payload.extend_from_slice(b"\0\x08\0");
    payload.extend_from_slice(greeted.plugin.as_bytes());
    payload.push(0);
    if raw.send(0, &payload).await.is_err() {
        return "closed".to_owned();
    }
    outcome(raw, greeted, password).await
}

async fn outcome(raw: &mut Raw, greeted: &Greeted, password: &str) -> String {
    let mut greeted = greeted.clone();
    loop {
        let Ok((seq, packet)) = raw.read().await else { return "closed".to_owned() };
        match packet.first() {
            Some(0) => return "ok".to_owned(),
            Some(1) if packet == [1, 3] => {}
            // caching_sha2_password asks for the password, since the answer was wrong.
            Some(1) => {
                if raw.send(seq + 1, b"\0").await.is_err() {
                    return "closed".to_owned();
                }
            }
            Some(0xfe) => {
                let end = packet.iter().position(|byte| *byte == 0).expect("a plugin");
                greeted.plugin = String::from_utf8_lossy(&packet[1..end]).into_owned();
                greeted.nonce = packet[end + 1..].iter().copied().take(20).collect();
                raw.send(seq + 1, &scramble(&greeted, password)).await.expect("sent");
            }
            _ => return error_code(&packet).to_string(),
        }
    }
}

async fn asked(raw: &mut Raw) -> String {
    let mut payload = vec![3];
    payload.extend_from_slice(ASK.as_bytes());
    if raw.send(0, &payload).await.is_err() {
        return "closed".to_owned();
    }
    let mut row = Vec::new();
    for at in 0..5 {
        let Ok((_, packet)) = raw.read().await else { return "closed".to_owned() };
        if error_code(&packet) != 0 {
            return error_code(&packet).to_string();
        }
        if at == 3 {
            row = packet[1..].to_vec();
        }
    }
    row.escape_ascii().to_string()
}
