//! Variables that the servers do not report: read from the text, asked for, or a pin.

use std::num::NonZeroUsize;

use super::commands::attached;
use super::split;
use super::steal::{one_only, read, tell};
use super::*;
use crate::config::Level;

/// Another session comes and goes: what the first has by then is seen in front of its next statement.
async fn visit(world: &World, db: &mut Db) {
    let mut other = world.client().await;
    other.query("select a from t");
    read_swallowed(db).await;
    other.expect(&one()).await;
    tell(&mut other, db, "set @v = 1", &something()).await;
    other.quit();
}

/// The visitor's read, behind what brings the connection to it.
async fn read_swallowed(db: &mut Db) {
    loop {
        let (_, packet) = db.peer.packet().await;
        if packet == query("select a from t") {
            return db.reply(&one());
        }
        db.reply_ok();
    }
}

#[test]
fn under_table_locks_only_the_statement_that_is_executed_is_prepared() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        for sql in ["prepare p1 from 'select a from t'", "prepare p2 from 'select a from u'"] {
            tell(&mut first, &mut db, sql, &something()).await;
        }
        visit(&world, &mut db).await;
        first.query("lock tables u read");
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_ok("lock tables u read").await;
        first.expect_ok().await;
        first.reads_on(&mut db, "execute p3").await;
        first.query("execute p2");
        db.answer_ok("PREPARE `p2` FROM 'select a from u'").await;
        db.answer_one("execute p2").await;
        first.expect(&one()).await;
        // EXECUTE says what PREPARE has to say, and nothing is lost.
        first.query("execute p1");
        db.expect_query("PREPARE `p1` FROM 'select a from t'").await;
        db.reply(&[err(1100, "HY000", "Table 't' was not locked with LOCK TABLES")]);
        first.expect_err(1100, "HY000").await;
        db.peer.expect_silence().await;
        first.reads_on(&mut db, "execute p2").await;
        // DEALLOCATE only has to find something, and PREPARE nothing.
        first.query("deallocate prepare p1");
        db.answer_ok("PREPARE `p1` FROM 'DO 0'").await;
        db.answer_ok("deallocate prepare p1").await;
        first.expect_ok().await;
        for sql in ["prepare p1 from 'select b from u'", "prepare p1 from 'select c from u'", "unlock tables"]
        {
            first.runs_on(&mut db, sql).await;
        }
    });
}

#[test]
fn a_procedure_finds_what_its_session_prepared() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        for sql in ["prepare p1 from 'select a from t'", "prepare p2 from 'select a from u'"] {
            tell(&mut first, &mut db, sql, &something()).await;
        }
        visit(&world, &mut db).await;
        first.query("call p()");
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_ok("PREPARE `p1` FROM 'select a from t'").await;
        // Its table is gone.
        db.expect_query("PREPARE `p2` FROM 'select a from u'").await;
        db.reply(&[err(1146, "42S02", "Table 'u' doesn't exist")]);
        db.answer_ok("call p()").await;
        first.expect_ok().await;
        // The server has p1. Of p2, EXECUTE says why it is not there.
        first.reads_on(&mut db, "execute p1").await;
        first.query("execute p2");
        db.expect_query("PREPARE `p2` FROM 'select a from u'").await;
        db.reply(&[err(1146, "42S02", "Table 'u' doesn't exist")]);
        first.expect_err(1146, "42S02").await;
        db.peer.expect_silence().await;
    });
}

#[test]
fn what_a_procedure_may_have_set_is_not_set_again() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        tell(&mut first, &mut db, "set @a = 'old'", &something()).await;
        tell(&mut first, &mut db, "call p()", &something()).await;
        tell(&mut first, &mut db, "set session_track_schema = 1", &[]).await;
        // The trackers are set anew, and @a is what the procedure made of it.
        first.query("select @a");
        db.answer_ok(super::server::SET_TRACKERS).await;
        db.answer_one("select @a").await;
        first.expect(&one()).await;
    });
}

#[test]
fn a_moment_on_the_clock_is_carried_and_ends() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        let clock = |value: &str| variable("timestamp", value);
        tell(&mut first, &mut db, "set timestamp = 1000000123", &clock("1000000123.000000")).await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.answer_ok("SET timestamp=DEFAULT").await;
        db.answer_one("select a from t").await;
        second.expect(&one()).await;
        first.query("select now()");
        db.answer_ok("SET timestamp=1000000123").await;
        db.answer_one("select now()").await;
        first.expect(&one()).await;
        // The servers report the moment that it was last.
        tell(&mut first, &mut db, "set timestamp = default", &clock("1000000123.000000")).await;
        read(&mut second, &mut db, "select a from t").await;
        // A moment that only the server knows keeps the connection, until a literal ends it.
        tell(&mut first, &mut db, "set timestamp = 1 + 1", &clock("2.000000")).await;
        second.query("select b from t");
        db.peer.expect_silence().await;
        tell(&mut first, &mut db, "set timestamp = 0", &clock("1795187015.507575")).await;
        db.answer_one("select b from t").await;
        second.expect(&one()).await;
    });
}

#[test]
fn what_mariadb_does_not_report_is_read_from_the_text() {
    play(async {
        let change = |live: &mut crate::config::Live| live.limits.max_server_connections = NonZeroUsize::MIN;
        let settings = super::connection_phase::settings(crate::topology::Flavor::MariaDb, usize::MAX);
        let world = World::with(Settings { change, ..settings });
        let db0 = world.server("db-0");
        let mut first = world.client().await;
        first.query("set @@div_precision_increment = 7, @@sql_mode = 'ANSI'");
        let mut db = db0.accept().await;
        db.answer_ok(&super::server::SET.replace(",session_track_gtids=OWN_GTID", "")).await;
        db.answer_ok("set @@div_precision_increment = 7, @@sql_mode = 'ANSI'").await;
        first.expect_ok().await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.answer_ok("SET div_precision_increment=DEFAULT,sql_mode=DEFAULT").await;
        db.answer_one("select a from t").await;
        second.expect(&one()).await;
        first.query("select 1/3");
        db.answer_ok("SET div_precision_increment=7,sql_mode='ANSI'").await;
        db.answer_one("select 1/3").await;
        first.expect(&one()).await;
        // What the text does not tell is asked for; the connection is kept until it is known.
        first.runs_on(&mut db, "set @@div_precision_increment = @@sql_select_limit % 9").await;
        db.expect_query("SELECT CAST(@@session.div_precision_increment AS BINARY) LIMIT 1").await;
        second.query("select b from t");
        db.peer.expect_silence().await;
        db.reply(&result_set(MODERN, &["@@session.div_precision_increment"], &[row(&["5"])], AUTOCOMMIT));
        db.answer_ok("SET sql_mode=DEFAULT,div_precision_increment=DEFAULT").await;
        db.answer_one("select b from t").await;
        second.expect(&one()).await;
    });
}

#[test]
fn a_user_variable_by_expression_keeps_the_connection_until_it_gets_a_literal() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        tell(&mut first, &mut db, "set @a = 1, @b = 'x'", &something()).await;
        tell(&mut first, &mut db, "set @A = @a + 1, @c = 2", &something()).await;
        let mut second = world.client().await;
        second.query("select a from t");
        tell(&mut first, &mut db, "set @c = 3", &something()).await;
        db.peer.expect_silence().await;
        // A NULL has the type of the value before it, which only the server knows.
        tell(&mut first, &mut db, "set @a = null", &something()).await;
        let asked = ["@`a`", "HEX(@`a`)", "CHARSET(@`a`)", "COLLATION(@`a`)"];
        db.expect_query(&format!("SELECT {} LIMIT 1", asked.join(","))).await;
        let is_null = [vec![0xfb, 0xfb], row(&["binary", "binary"])].concat();
        db.reply(&result_set(MODERN, &asked, &[is_null], AUTOCOMMIT));
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_one("select a from t").await;
        second.expect(&one()).await;
        first.query("set @c = null");
        db.answer_ok("SET @`a`=_binary X'',@`a`=NULL,@`b`='x',@`c`=3").await;
        db.answer_ok("set @c = null").await;
        first.expect_ok().await;
        visit(&world, &mut db).await;
        first.query("select @a");
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_ok("SET @`a`=_binary X'',@`a`=NULL,@`b`='x',@`c`=3,@`c`=NULL").await;
        db.answer_one("select @a").await;
        first.expect(&one()).await;
    });
}

/// Servers create the variables that a write reads, and those that a text sets whose execution fails.
#[test]
fn variables_that_a_statement_created_stay_with_the_session() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        let mut wrote = ok();
        wrote[1] = 1;
        first.hears_from(&mut db, "update t set a = @a", &[wrote]).await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_one("select a from t").await;
        second.expect(&one()).await;
        // Its character set is not known.
        let refused = err(1231, "42000", "Variable 'sql_mode' can't be set to the value of 'x'");
        first.query("set @b = 1, sql_mode = 'x'");
        db.answer_ok("SET @`a`='0',@`a`=NULL").await;
        db.expect_query("set @b = 1, sql_mode = 'x'").await;
        db.reply(std::slice::from_ref(&refused));
        first.expect(&[refused]).await;
        second.query("select b from t");
        db.peer.expect_silence().await;
        tell(&mut first, &mut db, "set @b = 1", &something()).await;
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_one("select b from t").await;
        second.expect(&one()).await;
        // MySQL did not need the variable if no row was there.
        first.query("delete from t where a = @c");
        db.answer_ok("SET @`a`='0',@`a`=NULL,@`b`=1").await;
        db.answer_ok("delete from t where a = @c").await;
        first.expect_ok().await;
        let asked = ["@`c`", "HEX(@`c`)", "CHARSET(@`c`)", "COLLATION(@`c`)"];
        db.expect_query(&format!("SELECT {} LIMIT 1", asked.join(","))).await;
        let is_null = [vec![0xfb, 0xfb], row(&["latin1", "latin1_bin"])].concat();
        db.reply(&result_set(MODERN, &asked, &[is_null], AUTOCOMMIT));
        visit(&world, &mut db).await;
        first.query("select @c");
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_ok("SET @`a`='0',@`a`=NULL,@`b`=1,@`c`=_latin1 X'' COLLATE latin1_bin,@`c`=NULL").await;
        db.answer_one("select @c").await;
        first.expect(&one()).await;
    });
}

#[test]
fn user_variables_keep_their_character_set() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        tell(&mut first, &mut db, "set @a = 1, @b = 'x'", &something()).await;
        let names = |to: &str| {
            let all = ["character_set_client", "character_set_connection", "character_set_results"];
            all.map(|name| variable(name, to)).concat()
        };
        tell(&mut first, &mut db, "set names latin1 collate latin1_bin", &names("latin1")).await;
        tell(&mut first, &mut db, "set @c = 'y'", &something()).await;
        tell(&mut first, &mut db, "set names latin2", &names("latin2")).await;
        visit(&world, &mut db).await;
        first.query("select @b");
        db.answer_ok("SET NAMES 'latin2'").await;
        db.answer_ok(
            "SET @`a`=1,@`b`=_utf8mb4'x' COLLATE utf8mb4_general_ci,@`c`=_latin1'y' COLLATE latin1_bin",
        )
        .await;
        db.answer_one("select @b").await;
        first.expect(&one()).await;
        // Letters of another character set cannot be said in this way.
        tell(&mut first, &mut db, "set @b = '\u{e9}'", &something()).await;
        tell(&mut first, &mut db, "set names latin1", &names("latin1")).await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.peer.expect_silence().await;
        tell(&mut first, &mut db, "set @b = 'z'", &something()).await;
        read_swallowed(&mut db).await;
        second.expect(&one()).await;
    });
}

#[test]
fn what_may_execute_anything_finds_no_statement_of_another_session() {
    // Oracle's mode of MariaDB needs no CALL in a block.
    for text in ["call f()", "if 1 then f; end if", "select 1; call f()"] {
        play(async move {
            let world = one_only();
            let (mut first, _, mut db) = attached(&world, &Login::default()).await;
            tell(&mut first, &mut db, "prepare p1 from 'select a from t'", &something()).await;
            let mut second = world.client().await;
            read(&mut second, &mut db, "select a from t").await;
            // A function executes nothing that was prepared as text.
            second.reads_on(&mut db, "select f()").await;
            second.query(text);
            db.answer_ok("DEALLOCATE PREPARE `p1`").await;
            db.answer_one(text).await;
            second.expect(&one()).await;
            // It may have prepared one, which is the session's.
            second.reads_on(&mut db, "execute p1").await;
        });
    }
}

#[test]
fn a_function_that_is_not_there_leaves_nothing() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        let mut second = world.client().await;
        for (missing, pinned) in [("f", false), ("g", true)] {
            first.query("select test.f(1)");
            db.expect_query("select test.f(1)").await;
            let error = err(1305, "42000", &format!("FUNCTION test.{missing} does not exist"));
            db.reply(std::slice::from_ref(&error));
            first.expect(&[error]).await;
            read(&mut first, &mut db, "select a from t").await;
            second.query("select b from t");
            if pinned {
                // The function itself is there, and calls one that is not.
                db.peer.expect_silence().await;
            } else {
                // It might have set the insert id.
                db.expect_query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
                db.reply(&result_set(MODERN, &["LAST_INSERT_ID()"], &[row(&["0"])], AUTOCOMMIT));
                db.answer_one("select b from t").await;
                second.expect(&one()).await;
            }
        }
    });
}

/// MariaDB reports it when it is set, and again, with a later statement, when it is restored. By then another session may have the
/// connection.
#[test]
fn a_variable_of_set_statement_is_not_the_sessions() {
    play(async {
        let settings = super::connection_phase::settings(crate::topology::Flavor::MariaDb, usize::MAX);
        let world = split::world(Settings { level: Level::Eventual, ..settings });
        let (primary, replica) = (world.server("db-0"), world.server("db-1"));
        let mut client = world.login(&split::login()).await;
        let sql = "set statement max_statement_time = 9 for update t set a = 1";
        client.query(sql);
        let mut db = primary.accept().await;
        db.expect_role().await;
        db.peer.packet().await;
        db.reply_ok();
        db.expect_query(sql).await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &variable("max_statement_time", "9"))]);
        client.peer.packet().await;
        client.query("select a from t");
        let mut db1 = replica.accept().await;
        db1.expect_role().await;
        let set = String::from_utf8_lossy(&db1.peer.packet().await.1).into_owned();
        assert!(set.contains("SET NAMES") && !set.contains("max_statement_time"), "{set}");
        db1.reply_ok();
        db1.answer_one("select a from t").await;
        client.expect(&one()).await;
    });
}
