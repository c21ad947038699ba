//! The character set and the names of a login, by the collation id that the client sends: each flavour of server has its own
//! ids, and the proxy must be as the server behind it is.

use crate::dialogue::raw::{Greeted, Raw, error_code};
use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_common::scramble::{scramble_native, scramble_sha256};

/// LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH.
const CAPABILITIES: u32 = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;

const ASK: &[u8] = b"SELECT CONCAT_WS(' ', @@character_set_client, @@character_set_connection, \
    @@character_set_results, @@collation_connection, CURRENT_USER())";

/// The ids of character sets that no client can use.
const UNUSABLE: &str = "SELECT GROUP_CONCAT(id) FROM information_schema.collation_character_set_applicability \
    WHERE character_set_name IN ('ucs2', 'utf16', 'utf16le', 'utf32')";

/// Beyond the last id of MariaDB's, whose collations of UCA 14.0.0 begin at 2048.
const LAST: u16 = 3300;

#[tokio::test]
async fn mariadb_character_sets() {
    character_sets(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_character_sets() {
    if let Some(cluster) = Cluster::mysql(1).await {
        character_sets(cluster).await;
    }
}

async fn character_sets(cluster: Cluster) {
    cluster
        .primary()
        .sql("CREATE USER 'jürgen'@'%' IDENTIFIED BY 'app'; CREATE DATABASE `grün`; GRANT ALL ON `grün`.* TO 'jürgen'@'%'")
        .await;
    cluster.wait_caught_up().await;
    let user = "\n[[users]]\nname = \"jürgen\"\npassword = \"app\"\n";
    let config = patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    let proxy = Proxy::start(&format!("{config}{user}")).await;
    readers_are(&proxy, 1).await;
    let primary = cluster.primary().port();
    // MySQL must have seen the password once.
    for user in ["app", "jürgen"] {
        connect(primary, user, "app", if user == "app" { "test" } else { "grün" }).await.expect("a login");
    }
    for id in 0..=u8::MAX {
        assert_eq!(
            login(proxy.rw, "app".as_bytes(), id, b"").await,
            login(primary, "app".as_bytes(), id, b"").await,
            "login, {id}"
        );
    }
    // MariaDB waits for a second before it refuses a change.
    let slow = match cluster.kind() {
        Kind::MariaDb => cluster.primary().value(UNUSABLE).await,
        Kind::MySql => String::new(),
    };
    let slow: Vec<u16> =
        slow.split(',').filter_map(|id| id.parse().ok()).filter(|id: &u16| !id.is_multiple_of(32)).collect();
    let ids: Vec<u16> =
        (0..=LAST).chain([0x7fff, 0x8000, 0xff2d, u16::MAX]).filter(|id| !slow.contains(id)).collect();
    let part = |n: usize| ids.iter().copied().skip(n).step_by(4).collect::<Vec<_>>();
    let all = |port| async move {
        tokio::join!(
            changes(port, part(0)),
            changes(port, part(1)),
            changes(port, part(2)),
            changes(port, part(3))
        )
    };
    let (direct, proxied) = tokio::join!(all(primary), all(proxy.rw));
    assert_eq!(direct.0.len() + direct.1.len() + direct.2.len() + direct.3.len(), ids.len());
    for (direct, proxied) in
        [(&direct.0, &proxied.0), (&direct.1, &proxied.1), (&direct.2, &proxied.2), (&direct.3, &proxied.3)]
    {
        for (direct, proxied) in direct.iter().zip(proxied) {
            assert_eq!(proxied, direct, "COM_CHANGE_USER");
        }
    }
    // A name in UTF-8 or latin1, in cp1250, in a character set that lacks the letter, and in one of many bytes.
    let names: [&[u8]; 4] = ["jürgen".as_bytes(), b"j\xfcrgen", b"j\x81rgen", b"j?rgen"];
    let schemas: [&[u8]; 4] = [b"", "grün".as_bytes(), b"gr\xfcn", "gr😁n".as_bytes()];
    for id in [45, 8, 47, 26, 63, 33, 11, 51, 4, 0] {
        for (name, schema) in names.iter().flat_map(|name| schemas.map(|schema| (*name, schema))) {
            let direct = login(primary, name, id, schema).await;
            let shown = format!("{id}, {}, {}", name.escape_ascii(), schema.escape_ascii());
            assert_eq!(login(proxy.rw, name, id, schema).await, direct, "{shown}");
        }
    }
    let latin1 = login(proxy.rw, b"j\xfcrgen", 8, b"gr\xfcn").await;
    assert!(latin1.starts_with("latin1 ") && latin1.ends_with("rgen@%"), "{latin1}");
    let refused = if cluster.kind() == Kind::MariaDb { "1231 42000" } else { "utf8mb4" };
    assert!(login(proxy.rw, b"app", 17, b"").await.starts_with(refused));
    let sets = cluster
        .primary()
        .value("SELECT GROUP_CONCAT(character_set_name) FROM information_schema.character_sets")
        .await;
    assert!(sets.contains("utf32"), "{sets}");
    for set in sets.split(',').chain(["NULL", "DEFAULT"]) {
        assert_eq!(results_in(proxy.rw, set).await, results_in(primary, set).await, "{set}");
    }
}

/// What a session gets whose `character_set_results` is this one. The names in a result, the catalogue's among them, are in that
/// character set, too.
async fn results_in(port: u16, set: &str) -> Vec<String> {
    let (mut raw, _) = log_in(port, b"app", 45, b"test").await.expect("a login");
    let mut seen = vec![shown(&mut raw, 3, format!("SET character_set_results = {set}").as_bytes()).await];
    for _ in 0..2 {
        let text = "SELECT 'é€' AS `größe`, 42, NULL, 1.5, CAST('x' AS BINARY)";
        seen.push(shown(&mut raw, 3, text.as_bytes()).await);
        seen.push(shown(&mut raw, 3, b"SELECT no_such FROM dual").await);
        seen.push(shown(&mut raw, 3, b"SHOW VARIABLES LIKE 'sql_auto_is_null'").await);
    }
    seen
}

/// A command's answer: each packet up to the end of the first result.
async fn shown(raw: &mut Raw, command: u8, arguments: &[u8]) -> String {
    let mut packet = raw.command(command, arguments).await.expect("an answer");
    let mut shown = packet.escape_ascii().to_string();
    let (mut ends, mut left) = (0, if matches!(packet[0], 0 | 0xff) { 0 } else { 2 });
    while ends < left {
        packet = raw.read().await.expect("more of an answer").1;
        shown.push_str(&format!(" | {}", packet.escape_ascii()));
        ends += usize::from(packet[0] == 0xfe && packet.len() < 9);
        left = if packet[0] == 0xff { 0 } else { left };
    }
    shown
}

/// What a session says of itself whose login has this collation id, or the error.
async fn login(port: u16, user: &[u8], id: u8, schema: &[u8]) -> String {
    match log_in(port, user, id, schema).await {
        Ok((mut raw, _)) => asked(&mut raw).await,
        Err(refused) => refused,
    }
}

/// The same for COM_CHANGE_USER, for these ids.
async fn changes(port: u16, ids: Vec<u16>) -> Vec<(u16, String)> {
    let (mut raw, mut greeted) = log_in(port, b"app", 45, b"").await.expect("a login");
    let mut told = Vec::new();
    for id in ids {
        let mut command = [b"app\0\x14".as_slice(), &[0; 0]].concat();
        let scramble = scramble(&greeted);
        command[4] = u8::try_from(scramble.len()).expect("a short scramble");
        command.extend_from_slice(&scramble);
        command.push(0);
        command.extend_from_slice(&id.to_le_bytes());
        command.extend_from_slice(greeted.plugin.as_bytes());
        command.push(0);
        let mut payload = vec![17];
        payload.extend_from_slice(&command);
        raw.send(0, &payload).await.expect("sent");
        match outcome(&mut raw, &greeted).await {
            Ok(()) => told.push((id, asked(&mut raw).await)),
            Err(refused) => {
                told.push((id, refused));
                (raw, greeted) = log_in(port, b"app", 45, b"").await.expect("a login");
            }
        }
    }
    told
}

fn scramble(greeted: &Greeted) -> Vec<u8> {
    match greeted.plugin.as_str() {
        "caching_sha2_password" => scramble_sha256(&greeted.nonce, b"app").map(|s| s.to_vec()),
        _ => scramble_native(&greeted.nonce, b"app").map(|s| s.to_vec()),
    }
    .unwrap_or_default()
}

async fn log_in(port: u16, user: &[u8], id: u8, schema: &[u8]) -> Result<(Raw, Greeted), String> {
    let mut raw = Raw::connect(port).await.expect("connect");
    let greeted = raw.greeting().await.expect("a greeting");
    let scramble = scramble(&greeted);
    let with_schema = if schema.is_empty() { 0 } else { 8 };
    let mut out = (CAPABILITIES | with_schema).to_le_bytes().to_vec();
    out.extend_from_slice(&(1u32 << 24).to_le_bytes());
    out.push(id);
    out.extend_from_slice(&[0; 23]);
    out.extend_from_slice(user);
    out.push(0);
    out.push(u8::try_from(scramble.len()).expect("a short scramble"));
    out.extend_from_slice(&scramble);
    if !schema.is_empty() {
        out.extend_from_slice(schema);
        out.push(0);
    }
    out.extend_from_slice(greeted.plugin.as_bytes());
    out.push(0);
    raw.send(1, &out).await.expect("sent");
    outcome(&mut raw, &greeted).await?;
    Ok((raw, greeted))
}

/// Reads up to the OK packet, or to the error: its code and, if that is about the character set, its text.
async fn outcome(raw: &mut Raw, greeted: &Greeted) -> Result<(), String> {
    let mut greeted = greeted.clone();
    loop {
        let (seq, packet) = raw.read().await.expect("an answer");
        match packet.first() {
            Some(0) => return Ok(()),
            Some(1) if packet == [1, 3] => {}
            // MySQL does not know the name's password yet, so there is no such account.
            Some(1) => return Err("1045 28000".to_owned()),
            Some(0xfe) => {
                let end = packet.iter().position(|byte| *byte == 0).expect("a plugin");
                greeted.plugin = String::from_utf8_lossy(&packet[1..end]).into_owned();
                greeted.nonce = packet[end + 1..].iter().copied().take(20).collect();
                raw.send(seq + 1, &scramble(&greeted)).await.expect("sent");
            }
            _ => {
                let code = error_code(&packet);
                let text = String::from_utf8_lossy(&packet[4..]).into_owned();
                let (state, text) = text.split_at(5);
                return Err(format!(
                    "{code} {state} {}",
                    if [1231, 1300].contains(&code) { text } else { "" }
                )
                .trim_end()
                .to_owned());
            }
        }
    }
}

async fn asked(raw: &mut Raw) -> String {
    let mut payload = vec![3];
    payload.extend_from_slice(ASK);
    raw.send(0, &payload).await.expect("sent");
    let mut row = Vec::new();
    for at in 0..5 {
        let (_, packet) = raw.read().await.expect("an answer");
        assert_ne!(packet.first(), Some(&0xff), "{}", packet.escape_ascii());
        if at == 3 {
            row = packet[1..].to_vec();
        }
    }
    row.escape_ascii().to_string()
}
