//! Who decides how fresh a read must be, and the proxy's own variable.

use std::collections::HashMap;
use std::sync::Arc;

use super::split::{READ, Story, WRITE, execute, story};
use super::*;
use crate::config::Level;
use crate::terms::Port;
use crate::wire::{Capabilities, Reader};

/// The connection attribute, encoded.
const SESSION: &[u8] = b"\x15pointsman_consistency\x07session";
const EVENTUAL: &[u8] = b"\x15pointsman_consistency\x08eventual";

const ASK: &str = "select @@pointsman_consistency";

/// Where nobody said anything: `strong` on split ports.
fn plain() -> World {
    World::with(Settings { level: Level::Strong, ..Settings::default() })
}

fn login(port: Port, attributes: &'static [u8]) -> Login {
    let login = Login::default();
    let capabilities = login.capabilities | Capabilities::CONNECT_ATTRS;
    Login { port, attributes, capabilities, ..login }
}

impl Client {
    /// The values of the one row that comes.
    async fn row(&mut self) -> Vec<Option<String>> {
        let (seq, count) = self.peer.packet().await;
        assert_eq!(seq, 1, "{}", count.escape_ascii());
        let deprecates = self.capabilities.contains(Capabilities::DEPRECATE_EOF);
        for _ in 0..usize::from(count[0]) + usize::from(!deprecates) {
            self.peer.packet().await;
        }
        let (_, row) = self.peer.packet().await;
        let (_, end) = self.peer.packet().await;
        assert_eq!(end[0], 0xfe, "the end of the rows");
        let mut values = Vec::new();
        let mut reader = Reader::new(&row);
        while !reader.is_empty() {
            values.push(match reader.rest()[0] {
                0xfb => reader.u8("NULL").map(|_| None).unwrap(),
                _ => Some(String::from_utf8_lossy(reader.lenenc_bytes("a value").unwrap()).into_owned()),
            });
        }
        values
    }

    /// What the variable says.
    async fn level(&mut self) -> String {
        self.query(ASK);
        self.row().await.remove(0).unwrap()
    }

    /// What `explain` says of a read with this in front.
    async fn explained(&mut self, comment: &str) -> String {
        self.query(&format!("/* pointsman: explain */ {comment} {READ}"));
        self.row().await.remove(6).unwrap()
    }

    async fn sets(&mut self, sql: &str) {
        self.query(sql);
        self.expect_ok().await;
    }
}

/// Where a level can be said, the nearest first, as `explain` calls it.
const PLACES: [&str; 6] =
    ["a comment", "SET", "a connection attribute", "the user", "the listener", "the configuration"];

/// What `explain` says where these places have these levels, and the variable.
async fn chosen(levels: &[(&str, Level)]) -> (String, String) {
    let at = |place: &str| levels.iter().find(|(name, _)| *name == place).map(|(_, level)| *level);
    let world = plain();
    let mut live = (*world.context.live()).clone();
    if let Some(level) = at("the configuration") {
        live.consistency.level = level;
    }
    if let Some(level) = at("the listener") {
        live.listener_levels = HashMap::from([("split".into(), level), ("replica".into(), Level::Bounded)]);
    }
    for user in live.users.values_mut() {
        user.level = at("the user").filter(|_| &*user.name == "app");
    }
    world.context.new_settings(Arc::new(live));
    let attributes = match at("a connection attribute") {
        Some(Level::Session) => SESSION,
        Some(_) => EVENTUAL,
        None => b"\x04_pid\x0242",
    };
    let mut client = world.login(&login(Port::Split, attributes)).await;
    let word = |level| if level == Level::Session { "session" } else { "eventual" };
    if let Some(level) = at("SET") {
        client.sets(&format!("set pointsman_consistency = {}", word(level))).await;
    }
    let comment = at("a comment").map(|l| format!("/* pointsman: consistency={} */", word(l)));
    (client.explained(&comment.unwrap_or_default()).await, client.level().await)
}

#[test]
fn the_nearest_place_decides() {
    play(async {
        for (near, place) in PLACES.iter().enumerate() {
            for far in &PLACES[near + 1..] {
                let said = chosen(&[(place, Level::Session), (far, Level::Eventual)]).await;
                assert_eq!(said.0, format!("session (by {place})"), "before {far}");
                // The variable is the session's: a comment does not show in it.
                assert_eq!(said.1, if near == 0 { "eventual" } else { "session" }, "{place}, {far}");
                let said = chosen(&[(place, Level::Eventual), (far, Level::Session)]).await;
                assert_eq!(said.0, format!("eventual (by {place})"), "before {far}");
            }
        }
        assert_eq!(chosen(&[]).await, ("strong (by the configuration)".into(), "strong".into()));
    });
}

#[test]
fn a_replica_port_begins_with_bounded_whatever_split_ports_do() {
    play(async {
        let world = plain();
        let mut client = world.login(&login(Port::Replica, b"")).await;
        assert_eq!(client.level().await, "bounded");
        client.sets("SET SESSION pointsman_consistency = 'strong'").await;
        assert_eq!(client.explained("").await, "strong (by SET)");
        let mut other = world.login(&login(Port::Replica, SESSION)).await;
        assert_eq!(other.level().await, "session");
    });
}

const GTID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562:7";

/// At level `session`, with a write that no replica is known to have.
async fn written() -> Story {
    let mut s = story().await;
    s.client.sets("SET pointsman_consistency = 'session'").await;
    s.runs(WRITE, AUTOCOMMIT, &gtids(GTID)).await;
    s
}

#[test]
fn the_level_of_a_statement_decides_where_it_reads() {
    play(async {
        let mut s = written().await;
        let weak = "/* pointsman: consistency=eventual */ select a from t";
        s.reads_on_primary(READ).await;
        s.reads(weak).await;
        s.reads("select a from t -- pointsman: consistency=bounded").await;
        s.reads_on_primary(READ).await;
        s.client.sets("SET pointsman_consistency = 'eventual'").await;
        s.reads(READ).await;
        s.reads_on_primary("/* pointsman: consistency=session */ select a from t").await;
        // Of two the strictest, and what is no level is a comment like any other.
        let two =
            "/* pointsman: consistency=eventual */ /* pointsman: consistency=session */ select a from t";
        s.reads_on_primary(two).await;
        s.reads("/* pointsman: consistency=best */ select a from t").await;
    });
}

#[test]
fn a_write_that_a_demoted_server_refuses_does_not_make_the_session_forget_its_writes() {
    play(async {
        let world = plain();
        let (primary, replica) = (world.server("db-0"), world.server("db-1"));
        world.gets_to("db-0", GTID);
        let mut client = world.login(&login(Port::Split, SESSION)).await;
        client.query(WRITE);
        let mut db = primary.accept().await;
        db.expect_set("").await;
        db.expect_query(WRITE).await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &gtids(GTID))]);
        client.peer.packet().await;
        client.query(WRITE);
        db.expect_query(WRITE).await;
        world.read_only("db-0");
        super::demoted::kills(&primary, "GRANT USAGE ON *.* TO `app`@`%`", &db).await;
        db.reply(&[err(1290, "HY000", "The MySQL server is running with the --read-only option")]);
        client.peer.expect_silence().await;
        world.primary("db-0");
        let mut db = primary.accept().await;
        db.expect_set("").await;
        // It changes nothing, so the first write is the only one.
        db.answer_ok(WRITE).await;
        client.expect_ok().await;
        client.query(READ);
        // Both replicas are to wait for that write, and neither answers.
        for _ in 0..2 {
            assert_eq!(replica.accept().await.user, "monitor");
        }
        replica.expect_nobody().await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
    });
}

#[test]
fn a_weaker_read_in_between_does_not_make_the_session_forget_what_it_saw() {
    play(async {
        let mut s = story().await;
        s.reads_on_primary("select a from t for update").await;
        s.reads("/* pointsman: consistency=eventual */ select a from t").await;
        // The primary, asked how far it is, says nothing: it gets the read itself.
        s.reads_on_primary(READ).await;
    });
}

#[test]
fn a_query_without_a_table_asks_nothing_and_does_not_make_the_session_forget_what_it_saw() {
    play(async {
        let mut s = story().await;
        s.reads_on_primary("select a from t for update").await;
        s.reads("SELECT 1").await;
        s.reads_on_primary(READ).await;
    });
}

#[test]
fn a_prepared_statement_has_the_level_of_its_text() {
    play(async {
        let mut s = written().await;
        let sql = "/* pointsman: consistency=eventual */ select a from t where a > ?";
        s.client.send(command(0x16, sql));
        s.db1.expect(command(0x16, sql)).await;
        s.db1.reply(&prepared(MODERN, 70, 0..1, &["a"]));
        s.client.expect(&prepared(MODERN, 1, 0..1, &["a"])).await;
        s.client.send(execute(1, true, 0));
        s.db1.expect(execute(70, true, 0)).await;
        s.db1.reply(&one());
        s.client.expect(&one()).await;
        s.reads_on_primary(READ).await;
    });
}

#[test]
fn an_execute_as_text_has_the_level_of_the_prepared_text_or_its_own() {
    play(async {
        let mut s = story().await;
        s.client.sets("SET pointsman_consistency = 'session'").await;
        let weak = "prepare s from '/* pointsman: consistency=eventual */ select a from t'";
        s.runs(weak, AUTOCOMMIT, &something()).await;
        s.runs(WRITE, AUTOCOMMIT, &gtids(GTID)).await;
        s.client.query("execute s");
        s.db1.answer_ok("PREPARE `s` FROM '/* pointsman: consistency=eventual */ select a from t'").await;
        s.db1.answer_one("execute s").await;
        s.client.expect(&one()).await;
        s.reads_on_primary("/* pointsman: consistency=session */ execute s").await;
    });
}

#[test]
fn several_statements_have_one_level() {
    play(async {
        let mut s = written().await;
        s.reads_on_primary("select a from t; select b from t").await;
        s.reads("select a from t; /* pointsman: consistency=eventual */ select b from t").await;
    });
}

#[test]
fn the_variable_is_answered_without_any_server() {
    play(async {
        for deprecates in [false, true] {
            let world = plain();
            let servers = ["db-0", "db-1", "db-2"].map(|name| world.server(name));
            let mut login = login(Port::Split, b"");
            login.capabilities.set(Capabilities::DEPRECATE_EOF, deprecates);
            let style = Style { deprecate_eof: deprecates, session_track: false };
            let mut client = world.login(&login).await;
            client.sets("SET @@session.pointsman_consistency = 'Bounded'").await;
            client.query("SELECT @@session.pointsman_consistency AS level");
            client.expect(&own_result(style, &[("level", 64)], &["bounded"])).await;
            let show = [("Variable_name", 64), ("Value", 1024)];
            client.query("SHOW VARIABLES LIKE 'pointsman%'");
            client.expect(&own_result(style, &show, &["pointsman_consistency", "bounded"])).await;
            client.sets("SET pointsman_consistency = DEFAULT").await;
            assert_eq!(client.level().await, "strong");
            for server in servers {
                server.expect_nobody().await;
            }
        }
    });
}

/// A result of the proxy's own: VAR_STRING columns of so many bytes, utf8mb4_general_ci.
fn own_result(style: Style, columns: &[(&str, u32)], values: &[&str]) -> Vec<Vec<u8>> {
    let mut out = vec![vec![u8::try_from(columns.len()).unwrap()]];
    for (name, length) in columns {
        let name = [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        let tail = [&[0, 12, 45, 0][..], &length.to_le_bytes(), &[0xfd, 0, 0, 0, 0, 0]].concat();
        out.push([&b"\x03def\0\0\0"[..], &name, &tail].concat());
    }
    if !style.deprecate_eof {
        out.push(eof(AUTOCOMMIT));
    }
    out.extend([row(values), end(style, AUTOCOMMIT)]);
    out
}

#[test]
fn what_the_variable_does_not_take_is_an_error_and_changes_nothing() {
    play(async {
        let world = plain();
        let servers = ["db-0", "db-1", "db-2"].map(|name| world.server(name));
        let mut client = world.login(&login(Port::Split, SESSION)).await;
        for (sql, code, sqlstate, words) in [
            ("SET pointsman_consistency = 'best'", 1231, "42000", "'best'; it takes 'strong', 'session'"),
            ("SET pointsman_consistency = 0", 1231, "42000", "value of '0'"),
            ("SET GLOBAL pointsman_consistency = 'strong'", 1228, "HY000", "is a SESSION variable"),
            ("SELECT @@global.pointsman_consistency", 1238, "HY000", "is a SESSION variable"),
            ("SET autocommit = 0, pointsman_consistency = 'strong'", 1235, "42000", "must be alone"),
            ("SET pointsman_consistency = 'strong'; SELECT 1", 1235, "42000", "must be alone"),
            ("SELECT 1; SET pointsman_consistency = 'strong'", 1235, "42000", "must be alone"),
            ("INSERT INTO t VALUES (@@pointsman_consistency)", 1235, "42000", "must be alone"),
        ] {
            client.query(sql);
            let text = client.expect_err(code, sqlstate).await;
            assert!(text.starts_with("pointsman: ") && text.contains(words), "{sql}: {text}");
        }
        for sql in ["SET pointsman_consistency = ?", ASK, "SHOW VARIABLES LIKE 'pointsman%'"] {
            client.send(command(0x16, sql));
            let text = client.expect_err(1295, "HY000").await;
            assert!(text.contains("as text"), "{sql}: {text}");
        }
        assert_eq!(client.level().await, "session");
        for server in servers {
            server.expect_nobody().await;
        }
    });
}

#[test]
fn explain_knows_the_proxys_variable() {
    play(async {
        let world = plain();
        let mut client = world.login(&login(Port::Split, b"")).await;
        client.query("/* pointsman: explain */ SET pointsman_consistency = 'bounded'");
        let row = client.row().await;
        assert_eq!((row[1].as_deref(), row[2].as_deref()), (Some("proxy"), None));
        assert_eq!(client.level().await, "strong", "it was not run");
        client.query("/* pointsman: explain */ SHOW VARIABLES LIKE 'version'");
        assert_eq!(client.row().await[1].as_deref(), Some("primary"));
    });
}

#[test]
fn other_variables_are_the_servers_business() {
    play(async {
        let mut s = story().await;
        s.client.sets("SET pointsman_consistency = 'eventual'").await;
        s.client.query("SHOW VARIABLES LIKE 'pointsman%'");
        assert_eq!(s.client.row().await[1].as_deref(), Some("eventual"));
        // Of the same shape.
        s.reads_on_primary("SHOW VARIABLES LIKE 'version%'").await;
        s.reads_on_primary("SHOW VARIABLES").await;
        s.reads_on_primary("SHOW GLOBAL VARIABLES LIKE 'pointsman%'").await;
        s.reads("select pointsman_consistency from t").await;
        s.runs("set @pointsman_consistency = 'x'", AUTOCOMMIT, &[]).await;
        assert_eq!(s.client.level().await, "eventual");
    });
}

#[test]
fn it_may_be_set_in_a_transaction_and_says_so() {
    play(async {
        let mut s = story().await;
        s.runs("begin", IN_TRANS, &[]).await;
        s.client.query("SET pointsman_consistency = 'bounded'");
        s.client.expect(&[ok_with(IN_TRANS)]).await;
        s.runs("rollback", AUTOCOMMIT, &[]).await;
        assert_eq!(s.client.level().await, "bounded");
        s.db0.peer.expect_silence().await;
    });
}

#[test]
fn a_reset_puts_it_back_to_what_the_login_said() {
    play(async {
        let world = plain();
        let mut client = world.login(&login(Port::Split, SESSION)).await;
        client.sets("SET pointsman_consistency = 'eventual'").await;
        assert_eq!(client.level().await, "eventual");
        client.send(vec![0x1f]);
        client.expect_ok().await;
        assert_eq!(client.level().await, "session");
        client.sets("SET pointsman_consistency = 'bounded'").await;
        client.change_user(&login(Port::Split, EVENTUAL)).await.unwrap();
        assert_eq!(client.level().await, "eventual");
        client.change_user(&login(Port::Split, b"")).await.unwrap();
        assert_eq!(client.level().await, "strong");
    });
}

#[test]
fn another_user_has_another_level() {
    play(async {
        let change = |live: &mut crate::config::Live| {
            live.users.get_mut("other").unwrap().level = Some(Level::Bounded);
        };
        let world = World::with(Settings { change, level: Level::Strong, ..Settings::default() });
        let mut client = world.login(&login(Port::Split, b"")).await;
        assert_eq!(client.level().await, "strong");
        client.change_user(&Login { user: "other", ..login(Port::Split, b"") }).await.unwrap();
        assert_eq!(client.explained("").await, "bounded (by the user)");
    });
}

#[test]
fn a_login_with_a_level_that_there_is_not_is_refused() {
    play(async {
        const WRONG: &[u8] = b"\x15pointsman_consistency\x04best";
        let world = plain();
        let refused = world.attempt(&login(Port::Split, WRONG)).await.err().unwrap();
        assert_eq!((refused.code, &*refused.sqlstate), (1231, "42000"));
        assert!(
            refused.text.contains("it takes 'strong', 'session', 'bounded' or 'eventual'"),
            "{refused:?}"
        );
        // Only who may log in hears of it.
        let stranger = Login { password: "wrong", ..login(Port::Split, WRONG) };
        assert_eq!(world.attempt(&stranger).await.err().unwrap().code, 1045);
        let mut client = world.login(&login(Port::Split, SESSION)).await;
        assert_eq!(client.change_user(&login(Port::Split, WRONG)).await.unwrap_err().code, 1231);
    });
}

#[test]
fn a_reload_reaches_sessions_that_chose_nothing() {
    play(async {
        let world = plain();
        let mut free = world.login(&login(Port::Split, b"")).await;
        let mut bound = world.login(&login(Port::Split, SESSION)).await;
        let mut live = (*world.context.live()).clone();
        live.listener_levels = HashMap::from([("split".into(), Level::Eventual)]);
        world.context.new_settings(Arc::new(live));
        assert_eq!((&*free.level().await, &*bound.level().await), ("eventual", "session"));
        assert_eq!(free.explained("").await, "eventual (by the listener)");
    });
}
