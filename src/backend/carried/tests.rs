//! What is carried, and how it is written for a server.

use super::*;
use crate::backend::write_name;
use crate::wire::Capabilities;

#[test]
fn a_name_does_not_end_its_quotes() {
    let mut out = Vec::new();
    write_name(b"x` FROM 'SET GLOBAL a = 1' -- ", &mut out);
    assert_eq!(out, b"`x`` FROM 'SET GLOBAL a = 1' -- `");
    out.clear();
    write_quoted(b"it's", &mut out);
    assert_eq!(out, b"'it''s'");
}

#[test]
fn a_variable_has_one_value_under_both_of_its_names() {
    let mut state = Carried::new(None, 45);
    assert!(state.set_variable(b"min_examined_row_limit", b"3"));
    assert!(state.set_variable(b"log_slow_min_examined_row_limit", b"4"));
    assert_eq!(state.variable(b"min_examined_row_limit"), Some(&b"4"[..]));
    assert_eq!(state.variables.len(), 1);
    assert!(state.forget_variable(b"log_slow_min_examined_row_limit"));
    assert_eq!(state.variables.len(), 0);
}

#[test]
fn what_is_about_inserts_is_carried_only_if_it_is_off() {
    for (value, carried) in [("0", true), ("OFF", true), ("1", false), ("ON", false), ("TRUE", false)] {
        let mut state = Carried::new(None, 45);
        assert_eq!(state.set_variable(b"sql_auto_is_null", value.as_bytes()), carried, "{value}");
    }
}

fn set(carried: &Carried, flavor: Flavor, read_only: bool) -> String {
    let mut out = Vec::new();
    carried.write_set(
        None,
        Onto {
            flavor,
            read_only,
            autocommit: true,
            in_transaction: false,
            flags: Capabilities::empty(),
            trackers_changed: false,
        },
        &mut out,
    );
    String::from_utf8(out).unwrap()
}

fn between(from: &Carried, to: &Carried) -> (String, String) {
    let (mut system, mut user) = (Vec::new(), Vec::new());
    let onto = Onto {
        flavor: Flavor::MySql,
        read_only: false,
        autocommit: true,
        in_transaction: false,
        flags: Capabilities::empty(),
        trackers_changed: false,
    };
    to.write_set(Some(from), onto, &mut system);
    to.user_variables.write(Some(&from.user_variables), &mut user);
    (String::from_utf8(system).unwrap(), String::from_utf8(user).unwrap())
}

fn rc(s: &str) -> Rc<[u8]> {
    Rc::from(s.as_bytes())
}

const TRACK: &str = "session_track_schema=1,session_track_state_change=1,session_track_system_variables='*'";

#[test]
fn a_new_session() {
    let c = Carried::new(Some(b"test"), 45);
    assert_eq!(
        set(&c, Flavor::MariaDb, true),
        format!("NAMES utf8mb4 COLLATE utf8mb4_general_ci,{TRACK},tx_read_only=1")
    );
    let unknown = Carried::new(None, 255);
    assert_eq!(set(&unknown, Flavor::MariaDb, false), format!("NAMES DEFAULT,{TRACK}"));
}

fn busy() -> Carried {
    let mut c = Carried::new(None, 8);
    c.charset = Charset::Set {
        client: rc("utf8mb4"),
        results: rc(""),
        connection: rc("latin1"),
        collation: rc("latin1_bin"),
        names: rc("latin1"),
        named: rc("latin1_swedish_ci"),
        results_apart: true,
    };
    c.autocommit = false;
    c.variables =
        vec![(rc("sql_mode"), rc("A'B")), (rc("max_join_size"), rc("100")), (rc("time_zone"), rc("+00:00"))];
    c
}

#[test]
fn a_session_that_set_things() {
    assert_eq!(
        set(&busy(), Flavor::MySql, false),
        format!(
            "NAMES 'latin1' COLLATE 'latin1_swedish_ci',character_set_client='utf8mb4',character_set_results=NULL,\
             character_set_connection='latin1',collation_connection='latin1_bin',{TRACK},\
             session_track_gtids=OWN_GTID,\
             autocommit=0,sql_mode='A''B',max_join_size=100,time_zone='+00:00'"
        )
    );
}

#[test]
fn set_character_set_takes_the_collation_of_the_schema() {
    let mut c = Carried::new(None, 45);
    let set_by = |c: &mut Carried, connection: &[u8], collation: &[u8]| {
        for name in [&b"character_set_client"[..], b"character_set_results"] {
            assert!(c.note(name, b"latin1", Flavor::MySql));
        }
        assert!(c.note(b"character_set_connection", connection, Flavor::MySql));
        c.set_names();
        c.set_collation(collation, true, Flavor::MySql);
    };
    set_by(&mut c, b"utf8mb4", b"utf8mb4_general_ci");
    let parts = "character_set_connection='utf8mb4',collation_connection='utf8mb4_general_ci'";
    assert_eq!(set(&c, Flavor::MariaDb, false), format!("NAMES 'latin1',{parts},{TRACK}"));
    set_by(&mut c, b"latin1", b"latin1_bin");
    assert_eq!(set(&c, Flavor::MariaDb, false), format!("NAMES 'latin1' COLLATE 'latin1_bin',{TRACK}"));
}

#[test]
fn from_one_session_to_another_only_the_difference() {
    let (fresh, busy) = (Carried::new(None, 8), busy());
    assert_eq!(between(&busy, &busy), (String::new(), String::new()));
    let (back, _) = between(&busy, &fresh);
    assert_eq!(
        back,
        "NAMES latin1 COLLATE latin1_swedish_ci,autocommit=1,sql_mode=DEFAULT,max_join_size=DEFAULT,\
         time_zone=DEFAULT"
    );
    let mut other = busy.clone();
    other.variables[1].1 = rc("7");
    assert!(other.user_variables.set(b"x", b"'a'"));
    assert_eq!(between(&busy, &other), ("max_join_size=7".to_owned(), "@`x`='a'".to_owned()));
    let mut third = other.clone();
    assert!(third.user_variables.set(b"x", b"1") && third.user_variables.set(b"y", b"2"));
    assert_eq!(between(&other, &third).1, "@`x`=1,@`y`=2");
    assert!(third.user_variables.set(b"x", b"null") && third.user_variables.set(b"z", b"null"));
    assert_eq!(between(&other, &third).1, "@`x`=1,@`x`=NULL,@`y`=2,@`z`=NULL");
    third.user_variables.forget(b"x");
    assert!(!third.user_variables.set(b"x", b"NULL"));
    assert_eq!(between(&other, &third).1, "@`y`=2,@`z`=NULL");
    // What a connection has beyond this state is taken away by a reset.
    assert_eq!(between(&third, &busy).1, "");
}

#[test]
fn what_a_session_sets_of_the_access_mode_does_not_reach_connections_that_only_read() {
    let mut c = Carried::new(None, 8);
    c.variables = vec![(rc("transaction_read_only"), rc("OFF"))];
    let mut out = Vec::new();
    let onto = Onto {
        flavor: Flavor::MySql,
        read_only: true,
        autocommit: true,
        in_transaction: false,
        flags: Capabilities::empty(),
        trackers_changed: false,
    };
    c.write_set(Some(&Carried::new(None, 8)), onto, &mut out);
    assert_eq!(out, b"");
}

#[test]
fn a_string_says_what_it_was_written_in() {
    let said = |charset: &Charset, literal: &str, flavor| {
        charset.introduce(literal.as_bytes(), flavor).map(|text| String::from_utf8(text).unwrap())
    };
    let (mysql, mariadb) = (Flavor::MySql, Flavor::MariaDb);
    let latin1 = Some("_latin1'a' COLLATE latin1_swedish_ci".to_owned());
    assert_eq!(said(&Charset::Handshake(8), "'a'", mysql), latin1);
    assert!(said(&Charset::Handshake(255), "'a'", mysql).is_some());
    assert_eq!(said(&Charset::Handshake(255), "'a'", mariadb), None);
    let set = |collation: &str| Charset::Set {
        client: rc("utf8mb4"),
        results: rc("utf8mb4"),
        connection: rc("utf8mb4"),
        collation: rc(collation),
        names: rc("utf8mb4"),
        named: rc(""),
        results_apart: false,
    };
    assert_eq!(said(&set(""), "'a'", mysql), Some("_utf8mb4'a'".to_owned()));
    assert_eq!(said(&set("latin1_bin"), "'a'", mysql), Some("_latin1'a' COLLATE latin1_bin".to_owned()));
    assert_eq!(said(&set("binary"), "'a'", mysql), Some("_binary'a'".to_owned()));
    assert_eq!(said(&set(""), "'\u{e9}'", mysql), None);
}

#[test]
fn texts_mean_the_same_under_the_same_schema_character_set_and_mode() {
    let (a, mut b) = (busy(), busy());
    b.autocommit = true;
    b.variables.retain(|(name, _)| **name != *b"time_zone");
    assert!(a.parses_like(&b));
    b.variables.clear();
    assert!(!a.parses_like(&b));
}
