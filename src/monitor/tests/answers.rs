//! What the probe's answers mean.

use super::*;
use crate::monitor::statement::{Wsrep, facts, flavor, text};
use crate::topology::{Facts, Flavor, GtidSet, Replication};

fn greeting(version: &str) -> Greeting {
    let capabilities = if version.contains("MariaDB") { 1 << 35 } else { 7 };
    Greeting { version: version.into(), capabilities, collation: 255, encryption: Encryption::Plain }
}

fn read(version: &str, sets: &[ResultSet]) -> Result<Facts, Error> {
    facts(&greeting(version), sets, Duration::from_micros(150))
}

const MARIADB: [&str; 5] = ["read_only", "innodb_read_only", "identity", "gtid_slave_pos", "gtid"];
const SLAVES: [&str; 6] = [
    "Connection_name",
    "Master_Host",
    "Master_Port",
    "Slave_IO_Running",
    "Slave_SQL_Running",
    "Seconds_Behind_Master",
];
const MYSQL: [&str; 11] = [
    "read_only",
    "super_read_only",
    "innodb_read_only",
    "identity",
    "gtid",
    "gtid_mode",
    "host",
    "port",
    "receiving",
    "applying",
    "lag_ms",
];

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const OTHER: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

fn maria(gtid: &str) -> GtidSet {
    GtidSet::parse(Flavor::MariaDb, gtid).unwrap()
}

fn replication(receiving: bool, applying: bool, lag_ms: Option<u64>, source: &str) -> Option<Replication> {
    let lag = lag_ms.map(Duration::from_millis);
    Some(Replication { receiving, applying, lag, source: Some(source.into()), several: false })
}

#[test]
fn mariadb_primary() {
    let facts = read(
        "11.4.2-MariaDB-log",
        &[set(&MARIADB, &[&["0", "0", "3", "0-1-9", "0-3-17"]]), set(&SLAVES, &[])],
    )
    .unwrap();
    assert_eq!((facts.flavor, facts.read_only, facts.super_read_only), (Flavor::MariaDb, false, false));
    assert_eq!((&*facts.identity, &*facts.gtid.to_string(), facts.replication), ("3", "0-3-17", None));
    assert!(facts.gtid_on && facts.gtid.contains(&maria("0-1-9")) && facts.gtid.contains(&maria("0-3-17")));
    assert!(!facts.gtid.contains(&maria("0-1-10")), "own writes say nothing of others'");
    assert_eq!((facts.capabilities, facts.collation, &*facts.version), (1 << 35, 255, "11.4.2-MariaDB-log"));
}

#[test]
fn mariadb_replica() {
    for (row, expected) in [
        (["", "db-0", "3306", "Yes", "Yes", "4"], replication(true, true, Some(4000), "db-0:3306")),
        (["", "db-0", "3306", "Connecting", "Yes", "NULL"], replication(false, true, None, "db-0:3306")),
        (["", "db-0", "3306", "Yes", "No", "NULL"], replication(true, false, None, "db-0:3306")),
        (["", "fd00::1", "3306", "Yes", "Yes", "0"], replication(true, true, Some(0), "[fd00::1]:3306")),
        (["", "", "3306", "No", "No", "NULL"], None),
    ] {
        let sets = [set(&MARIADB, &[&["1", "0", "3", "", ""]]), set(&SLAVES, &[&row])];
        assert_eq!(read("11.4.2-MariaDB", &sets).unwrap().replication, expected, "{row:?}");
    }
}

#[test]
fn several_channels_are_as_good_as_the_worst() {
    let rows: [&[&str]; 2] =
        [&["a", "db-0", "3306", "Yes", "Yes", "1"], &["b", "db-9", "3306", "Connecting", "Yes", "7"]];
    let sets = [set(&MARIADB, &[&["1", "0", "3", "", ""]]), set(&SLAVES, &rows)];
    let facts = read("11.4.2-MariaDB", &sets).unwrap();
    let worst = replication(false, true, Some(7000), "db-0:3306").unwrap();
    assert_eq!(facts.replication, Some(Replication { several: true, ..worst }));
    assert!(facts.tells_replication);
}

#[test]
fn mariadb_read_only_is_a_word_in_later_versions() {
    for (word, read_only, binds_super) in [
        ("OFF", false, false),
        ("ON", true, false),
        ("NO_LOCK", true, false),
        ("NO_LOCK_NO_ADMIN", true, true),
    ] {
        let facts = read("12.1.2-MariaDB", &[set(&MARIADB, &[&[word, "0", "3", "", ""]])]).unwrap();
        assert_eq!((facts.read_only, facts.super_read_only), (read_only, binds_super), "{word}");
    }
}

#[test]
fn mysql_answers_in_one_row_per_channel() {
    let gtid = format!("{UUID}:1-5,\n{OTHER}:1");
    let primary = ["0", "0", "0", "uuid", &gtid, "ON", "NULL", "NULL", "NULL", "NULL", "NULL"];
    let facts = read("9.7.1", &[set(&MYSQL, &[&primary])]).unwrap();
    assert_eq!((facts.flavor, facts.read_only, facts.replication), (Flavor::MySql, false, None));
    assert_eq!(facts.gtid.to_string(), format!("{UUID}:1-5,{OTHER}:1"));
    assert!(facts.gtid_on && &*facts.identity == "uuid");

    let replica = ["1", "1", "0", "uuid", "", "ON", "db-0", "3306", "ON", "ON", "1637"];
    let facts = read("9.7.1", &[set(&MYSQL, &[&replica])]).unwrap();
    assert_eq!((facts.read_only, facts.super_read_only), (true, true));
    assert_eq!(facts.replication, replication(true, true, Some(1637), "db-0:3306"));

    let aurora = ["0", "0", "1", "uuid", "", "OFF", "NULL", "NULL", "NULL", "NULL", "NULL"];
    assert!(read("8.0.39", &[set(&MYSQL, &[&aurora])]).unwrap().is_read_only(), "innodb_read_only");
}

#[test]
fn writes_have_gtids_in_one_mode_only_and_where_the_position_can_be_read() {
    let gtid = format!("{UUID}:1-5");
    for (mode, gtid, on) in [
        ("ON", &*gtid, true),
        ("ON_PERMISSIVE", &gtid, false),
        ("OFF_PERMISSIVE", &gtid, false),
        ("OFF", "", false),
        ("NULL", &gtid, false),
        ("ON", "what a later version may say", false),
    ] {
        let row = ["0", "0", "0", "uuid", gtid, mode, "NULL", "NULL", "NULL", "NULL", "NULL"];
        let facts = read("9.7.1", &[set(&MYSQL, &[&row])]).unwrap();
        assert_eq!(facts.gtid_on, on, "{mode} {gtid}");
        assert_eq!(facts.gtid.is_empty(), !gtid.starts_with(UUID), "{mode} {gtid}");
    }
}

#[test]
fn an_answer_that_says_nothing_is_an_error_and_no_panic() {
    for sets in [
        vec![],
        vec![set(&MARIADB, &[])],
        vec![set(&["gtid"], &[&["0-1-1"]])],
        vec![set(&MARIADB, &[&["NULL", "0", "3", "", ""]])],
        vec![set(&MARIADB, &[&[]])],
    ] {
        assert!(matches!(read("11.4.2-MariaDB", &sets), Err(Error::Protocol(_))), "{sets:?}");
    }
}

#[test]
fn flavors_and_statements() {
    assert_eq!(flavor(&greeting("5.5.5-10.11.6-MariaDB-0+deb12u1")), Flavor::MariaDb);
    assert_eq!(flavor(&greeting("8.4.3-3 Percona")), Flavor::MySql);
    // The version is what an administrator chose; the flags are the server's own.
    assert_eq!(flavor(&Greeting { capabilities: 1 << 35, ..greeting("8.0.99") }), Flavor::MariaDb);
    assert_eq!(flavor(&Greeting { capabilities: 7, ..greeting("9.7.0 not MariaDB") }), Flavor::MySql);
    // Other servers that speak the protocol.
    assert_eq!(flavor(&Greeting { capabilities: 6, ..greeting("5.7.16") }), Flavor::MySql);
    for (flavor, with_replication) in
        [(Flavor::MySql, true), (Flavor::MySql, false), (Flavor::MariaDb, true), (Flavor::MariaDb, false)]
    {
        let sql = text(flavor, with_replication, Wsrep::None, false);
        assert!(text(flavor, with_replication, Wsrep::Node, false).ends_with(crate::monitor::member::GALERA));
        assert!(
            text(flavor, with_replication, Wsrep::Unknown, false).contains(crate::monitor::member::WSREP)
        );
        assert!(text(flavor, with_replication, Wsrep::None, true).starts_with(&*sql));
        assert!(!sql.contains("  ") && !sql.contains('\n') && sql.contains(" AS gtid"), "{sql}");
        let sees = sql.contains("replication_connection_status") || sql.contains("SHOW ALL SLAVES STATUS");
        assert_eq!(sees, with_replication);
    }
}

#[test]
fn connections_are_counted_where_the_probe_asked() {
    let names = ["Variable_name", "Value"];
    let state = set(&MARIADB, &[&["0", "0", "3", "", ""]]);
    let other = set(&names, &[&["wsrep_ready", "ON"]]);
    assert_eq!(super::statement::connected(&[state.clone(), other.clone()]), None);
    let counted = set(&names, &[&["Threads_connected", "17"]]);
    assert_eq!(super::statement::connected(&[state.clone(), other, counted]), Some(17));
    assert_eq!(super::statement::connected(&[state, set(&names, &[&["Threads_connected", "many"]])]), None);
}

#[test]
fn whether_it_may_tell_of_its_replication() {
    let maria = set(&MARIADB, &[&["0", "0", "3", "", ""]]);
    let galera = set(&["Variable_name", "Value"], &[&["wsrep_on", "ON"]]);
    let tells = |version: &str, sets: &[ResultSet]| read(version, sets).unwrap().tells_replication;
    assert!(tells("11.4.2-MariaDB", &[maria.clone(), set(&SLAVES, &[])]));
    assert!(!tells("11.4.2-MariaDB", std::slice::from_ref(&maria)));
    assert!(!tells("11.4.2-MariaDB", &[maria, galera]));
    let row = ["0", "0", "0", "uuid", "", "ON", "NULL", "NULL", "NULL", "NULL", "NULL"];
    assert!(tells("9.7.1", &[set(&MYSQL, &[&row])]));
    assert!(!tells("9.7.1", &[set(&MYSQL[..6], &[&row[..6]])]));
}
