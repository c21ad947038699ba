//! `GtidSet` against the servers' own functions, on sets by chance.

use crate::support::{Chance, Cluster, Node};
use pointsman::topology::{Flavor, GtidSet};
use std::fmt::Write as _;

const ROUNDS: usize = 400;

fn pick<'a>(chance: &mut Chance, from: &[&'a str]) -> &'a str {
    from[chance.below(from.len())]
}

/// As people and servers write them: overlapping, out of order, with blanks, newlines, empty parts, tags.
fn mysql_set(chance: &mut Chance) -> String {
    const UUIDS: [&str; 4] = [
        "3e11fa47-71ca-11e1-9e33-c80aa9429562",
        "3E11FA47-71CA-11E1-9E33-C80AA9429562",
        "4e11fa4771ca11e19e33c80aa9429562",
        "3e11fa47-71ca-11e1-9e33-c80aa9429563",
    ];
    let mut text = String::new();
    for _ in 0..chance.below(5) {
        text += pick(chance, &["", "", " ", "\n"]);
        text += pick(chance, &UUIDS);
        for _ in 0..=chance.below(2) {
            if chance.below(3) == 0 {
                let _ = write!(text, ":{}", pick(chance, &["t", "T", "tag_2", "_", "u"]));
            }
            for _ in 0..=chance.below(4) {
                let first = 1 + chance.below(20);
                let _ = match chance.below(4) {
                    0 => write!(text, ":{first}"),
                    1 => write!(text, " : {first} - {}", first + chance.below(8)),
                    2 => write!(text, ":{first}-{}", 1 + chance.below(20)),
                    _ => write!(text, ":{first}-{}", first + chance.below(8)),
                };
            }
        }
        text += pick(chance, &[",", ",", ",", ", ", ",\n", ",,"]);
    }
    text
}

/// One character is another one, or gone.
fn damaged(chance: &mut Chance, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(at) = (!bytes.is_empty()).then(|| chance.below(bytes.len())) {
        match chance.below(3) {
            0 => drop(bytes.remove(at)),
            1 => bytes[at] = pick(chance, &[":", "-", ",", "0", "9", "x", "_", " "]).as_bytes()[0],
            _ => bytes.insert(at, pick(chance, &[":", "-", ",", "0", "9", "t", "_", " "]).as_bytes()[0]),
        }
    }
    String::from_utf8(bytes).expect("ASCII stays ASCII")
}

fn mysql(text: &str) -> GtidSet {
    GtidSet::parse(Flavor::MySql, text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

async fn row(server: &Node, sql: &str) -> Vec<String> {
    let rows = server.sql(sql).await;
    let first = rows.into_iter().next().unwrap_or_else(|| panic!("no row: {sql}"));
    first.into_iter().map(|v| v.unwrap_or_default().replace('\n', "")).collect()
}

#[tokio::test]
async fn mysql_counts_as_the_server_does() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    let server = cluster.primary();
    let mut chance = Chance::new(83);
    let mut contained = 0;
    for round in 0..ROUNDS {
        let (a, mut b) = (mysql_set(&mut chance), mysql_set(&mut chance));
        if round % 2 == 0 {
            // Else one hardly ever contains the other.
            b = mysql(&a).subtract(&mysql(&b)).to_string();
        }
        let (set_a, set_b) = (mysql(&a), mysql(&b));
        let mut both = set_a.clone();
        both.union(&set_b);
        let own = [
            set_a.to_string(),
            set_a.subtract(&set_b).to_string(),
            both.to_string(),
            u8::from(set_b.contains(&set_a)).to_string(),
            u8::from(set_a.contains(&set_b)).to_string(),
        ];
        contained += usize::from(set_a.contains(&set_b) && !set_b.is_empty());
        let ask = format!(
            "SELECT GTID_SUBTRACT('{a}', ''), GTID_SUBTRACT('{a}', '{b}'), GTID_SUBTRACT('{a},{b}', ''), \
             GTID_SUBSET('{a}', '{b}'), GTID_SUBSET('{b}', '{a}')"
        );
        assert_eq!(row(server, &ask).await, own, "{a:?} and {b:?}");
    }
    assert!(contained > ROUNDS / 8, "{contained} of {ROUNDS}");
}

#[tokio::test]
async fn mysql_refuses_what_the_server_refuses() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    let server = cluster.primary();
    let mut chance = Chance::new(97);
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let set = mysql_set(&mut chance);
        let text = damaged(&mut chance, &set);
        let theirs = server.try_sql(&format!("SELECT GTID_SUBTRACT('{text}', '')")).await;
        let own = GtidSet::parse(Flavor::MySql, &text);
        match (theirs, own) {
            (Ok(rows), Ok(own)) => {
                let normal = rows[0][0].clone().unwrap_or_default().replace('\n', "");
                assert_eq!(normal, own.to_string(), "{text:?}");
            }
            (Err(_), Err(_)) => refused += 1,
            (theirs, own) => panic!("{text:?}: {theirs:?} and {own:?}"),
        }
    }
    assert!(refused > ROUNDS / 8, "{refused} of {ROUNDS}");
}

/// One GTID of each domain; domain 0 has what set the server up.
fn mariadb_position(chance: &mut Chance) -> String {
    let mut gtids: Vec<String> = Vec::new();
    for domain in 1..5 {
        if chance.below(3) > 0 {
            gtids.push(format!("{domain}-{}-{}", 1 + chance.below(3), 1 + chance.below(4)));
        }
    }
    if chance.below(2) == 0 {
        gtids.reverse();
    }
    gtids.join(pick(chance, &[",", ", "]))
}

fn mariadb(text: &str) -> GtidSet {
    GtidSet::parse(Flavor::MariaDb, text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

#[tokio::test]
async fn mariadb_counts_as_the_server_does() {
    let cluster = Cluster::mariadb(0).await;
    let server = cluster.primary();
    server.sql("SET GLOBAL gtid_strict_mode = OFF").await;
    let mut chance = Chance::new(1011);
    let mut contained = 0;
    for _ in 0..ROUNDS / 2 {
        let (a, b) = (mariadb_position(&mut chance), mariadb_position(&mut chance));
        server.sql(&format!("SET GLOBAL gtid_slave_pos = '{a}'")).await;
        let ask = format!("SELECT @@gtid_slave_pos, MASTER_GTID_WAIT('{b}', 0) = 0");
        let answer = row(server, &ask).await;
        assert_eq!(mariadb(&answer[0]), mariadb(&a), "{a:?}");
        assert_eq!(sorted(&answer[0]), sorted(&mariadb(&a).to_string()), "{a:?}");
        let contains = mariadb(&a).contains(&mariadb(&b));
        assert_eq!(answer[1], u8::from(contains).to_string(), "{b:?} at {a:?}");
        contained += usize::from(contains && !b.is_empty());
    }
    assert!(contained > ROUNDS / 20, "{contained}");
}

/// The server shows them in the order of a hash.
fn sorted(text: &str) -> Vec<&str> {
    let mut gtids: Vec<_> = text.split(',').filter(|gtid| !gtid.is_empty()).collect();
    gtids.sort_unstable();
    gtids
}
