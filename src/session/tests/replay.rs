//! Transactions that lose their server before the COMMIT: run again on the next primary
//! where the client notices nothing, and told where it would.

mod grace;
mod insert_ids;
mod refused;

use std::time::Duration;

use super::commands::attached;
use super::failover::switch;
use super::*;
use crate::config::Replay;
use crate::terms::Disruption;

const WRITE: &str = "insert into t values (1)";
const READ: &str = "select a from t";
const ENGINES: &str = "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables \
    WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND engine NOT IN ('InnoDB', 'ROCKSDB', 'ndbcluster') \
    AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') LIMIT 1";

/// A row count of 1, no insert id, in a transaction.
pub fn changed() -> Vec<u8> {
    vec![0, 1, 0, 3, 0, 0, 0]
}

/// Rows of one text each, in a transaction.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    let rows: Vec<_> = texts.iter().map(|text| super::row(&[text])).collect();
    result_set(MODERN, &["a"], &rows, IN_TRANS)
}

pub fn text(text: &str) -> Vec<Vec<u8>> {
    texts(&[text])
}

fn error(code: u16, words: &str) -> Vec<u8> {
    err(code, "HY000", words)
}

/// The client says it, the server hears and answers it.
async fn both(client: &mut Client, db: &mut Db, sql: &str, answer: &[Vec<u8>]) {
    client.query(sql);
    again(db, sql, answer).await;
    client.expect(answer).await;
}

/// The server hears it and answers.
pub async fn again(db: &mut Db, sql: &str, answer: &[Vec<u8>]) {
    db.expect_query(sql).await;
    db.reply(answer);
}

/// A client in a transaction that wrote a row and read one.
pub async fn in_transaction(world: &World) -> (Client, Db) {
    let (mut client, _, mut db) = attached(world, &Login::default()).await;
    both(&mut client, &mut db, "begin", &[ok_with(IN_TRANS)]).await;
    both(&mut client, &mut db, WRITE, &[changed()]).await;
    both(&mut client, &mut db, READ, &text("x")).await;
    (client, db)
}

/// The new primary is asked whether all tables have a rollback, and they have.
pub async fn engines(db: &mut Db) {
    db.expect_query(ENGINES).await;
    db.reply(&texts(&[]));
    db.answer_ok("ROLLBACK").await;
}

/// A connection to the new primary, which hears of the transaction up to its read.
pub async fn accept(server: &Server) -> Db {
    let mut db = server.accept().await;
    db.expect_set("").await;
    engines(&mut db).await;
    again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
    again(&mut db, WRITE, &[changed()]).await;
    db
}

#[test]
fn a_transaction_goes_on_where_every_answer_is_the_same() {
    play(async {
        for chunk in [1, usize::MAX] {
            let world = World::with(Settings { chunk, ..Settings::default() });
            let (mut client, mut db) = in_transaction(&world).await;
            let db1 = world.server("db-1");
            switch(&world);
            db.peer.expect_end().await;
            // Nobody knows yet whether it goes on.
            db1.expect_nobody().await;
            client.query("update t set a = 2");
            let mut db = accept(&db1).await;
            again(&mut db, READ, &text("x")).await;
            again(&mut db, "update t set a = 2", &[changed()]).await;
            client.expect(&[changed()]).await;
            both(&mut client, &mut db, "commit", &[ok()]).await;
            assert_eq!(world.disrupted(Disruption::Replayed), 1);
            assert_eq!(world.disrupted_by_digest("UPDATE `t` SET `a` = ?", Disruption::Replayed), 1);
            assert_eq!(world.disrupted(Disruption::RolledBack), 0);
            both(&mut client, &mut db, WRITE, &[changed()]).await;
        }
    });
}

#[test]
fn a_statement_without_an_answer_runs_behind_the_others() {
    play(async {
        for sql in [WRITE, READ, "select a from t for update"] {
            let world = World::new();
            let (mut client, mut db) = in_transaction(&world).await;
            let db1 = world.server("db-1");
            client.query(sql);
            db.expect_query(sql).await;
            db.die();
            world.down("db-0");
            client.peer.expect_silence().await;
            world.primary("db-1");
            let mut db = accept(&db1).await;
            again(&mut db, READ, &text("x")).await;
            again(&mut db, sql, &[changed()]).await;
            client.expect(&[changed()]).await;
            assert_eq!(world.disrupted(Disruption::Replayed), 1);
        }
    });
}

#[test]
fn a_begin_without_an_answer_is_said_again() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        client.query("begin");
        db.expect_query("begin").await;
        db.die();
        world.down("db-0");
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        client.expect(&[ok_with(IN_TRANS)]).await;
    });
}

#[test]
fn another_answer_rolls_it_back() {
    play(async {
        for other in [text("y"), texts(&["x", "x"]), vec![error(1205, "a wait")]] {
            let world = World::new();
            let (mut client, _db) = in_transaction(&world).await;
            let db1 = world.server("db-1");
            switch(&world);
            client.query(WRITE);
            let mut db = accept(&db1).await;
            again(&mut db, READ, &other).await;
            client.expect_err(1213, "40001").await;
            // Nothing of it stays.
            db.peer.expect_end().await;
            assert_eq!(world.disrupted(Disruption::RolledBack), 1);
            client.query("begin");
            let mut db = db1.accept().await;
            db.expect_set("").await;
            again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
            client.expect(&[ok_with(IN_TRANS)]).await;
        }
    });
}

#[test]
fn a_commit_that_was_sent_is_never_run_again() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        let db1 = world.server("db-1");
        client.query("commit");
        db.expect_query("commit").await;
        db.die();
        world.down("db-0");
        world.primary("db-1");
        client.expect_err(1105, "08007").await;
        db1.expect_nobody().await;
        client.query(READ);
        let mut db = db1.accept().await;
        db.expect_set("").await;
        again(&mut db, READ, &text("x")).await;
    });
}

#[test]
fn a_commit_that_was_refused_is_run_behind_its_transaction() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        let db1 = world.server("db-1");
        client.query("commit");
        db.expect_query("commit").await;
        db.reply(&[error(1290, "The MySQL server is running with the --super-read-only option")]);
        client.peer.expect_silence().await;
        switch(&world);
        let mut db = accept(&db1).await;
        again(&mut db, READ, &text("x")).await;
        again(&mut db, "commit", &[ok()]).await;
        client.expect_ok().await;
        assert_eq!(world.disrupted(Disruption::Replayed), 1);
    });
}

#[test]
fn a_connection_that_is_lost_alone_takes_its_transaction_with_it() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        client.query(WRITE);
        db.expect_query(WRITE).await;
        db.die();
        client.expect_err(1213, "40001").await;
        assert_eq!(world.disrupted(Disruption::RolledBack), 1);
    });
}

#[test]
fn a_rollback_of_what_is_lost_is_no_news() {
    play(async {
        for (sql, sent) in [("rollback", false), (" ROLLBACK;", true)] {
            let world = World::new();
            let (mut client, mut db) = in_transaction(&world).await;
            let db1 = world.server("db-1");
            if sent {
                client.query(sql);
                db.expect_query(sql).await;
                db.die();
                world.down("db-0");
                world.primary("db-1");
            } else {
                switch(&world);
                client.query(sql);
            }
            let mut db = db1.accept().await;
            db.expect_set("").await;
            again(&mut db, sql, &[ok()]).await;
            client.expect_ok().await;
        }
    });
}

#[test]
fn a_table_without_rollback_keeps_writes_from_running_twice() {
    play(async {
        let world = World::new();
        let (mut client, _db) = in_transaction(&world).await;
        let db1 = world.server("db-1");
        switch(&world);
        client.query(WRITE);
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.expect_query(ENGINES).await;
        db.reply(&text("shop.audit"));
        client.expect_err(1213, "40001").await;
        db.peer.expect_end().await;
    });
}

#[test]
fn a_transaction_that_only_read_does_not_ask_for_engines() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        both(&mut client, &mut db, "begin", &[ok_with(IN_TRANS)]).await;
        both(&mut client, &mut db, READ, &text("x")).await;
        let db1 = world.server("db-1");
        switch(&world);
        client.query("commit");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        again(&mut db, READ, &text("x")).await;
        again(&mut db, "commit", &[ok()]).await;
        client.expect_ok().await;
    });
}

#[test]
fn a_statement_that_cannot_be_prepared_there_rolls_back_all_of_it() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        both(&mut client, &mut db, "begin", &[ok_with(IN_TRANS)]).await;
        client.send(command(0x16, "select a from t"));
        db.expect(command(0x16, "select a from t")).await;
        db.reply(&prepared(MODERN, 4, 0..0, &[]));
        client.expect(&prepared(MODERN, 1, 0..0, &[])).await;
        let execute = |id| command(0x17, [id, 0, 0, 0, 0, 1, 0, 0, 0]);
        client.send(execute(1));
        db.expect(execute(4)).await;
        db.reply(&[changed()]);
        client.expect(&[changed()]).await;
        let db1 = world.server("db-1");
        switch(&world);
        client.query(READ);
        let mut db = db1.accept().await;
        db.expect_set("").await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        db.expect(command(0x16, "select a from t")).await;
        db.reply(&[error(1146, "no such table")]);
        client.expect_err(1213, "40001").await;
        db.peer.expect_end().await;
    });
}

#[test]
fn statements_that_make_room_for_others_are_closed_on_the_way() {
    play(async {
        let world = World::with(Settings {
            change: |live| live.pool.max_statements = std::num::NonZeroUsize::MIN,
            ..Settings::default()
        });
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        both(&mut client, &mut db, "begin", &[ok_with(IN_TRANS)]).await;
        let execute = |id| command(0x17, [id, 0, 0, 0, 0, 1, 0, 0, 0]);
        let close = |id| command(0x19, [id, 0, 0, 0]);
        for (n, sql) in [(1, "select a from t"), (2, "select b from t")] {
            client.send(command(0x16, sql));
            db.expect(command(0x16, sql)).await;
            db.reply(&prepared(MODERN, n, 0..0, &[]));
            client.expect(&prepared(MODERN, n, 0..0, &[])).await;
            client.send(execute(n as u8));
            if n == 2 {
                db.expect(close(1)).await;
            }
            db.expect(execute(n as u8)).await;
            db.reply(&[changed()]);
            client.expect(&[changed()]).await;
        }
        let db1 = world.server("db-1");
        switch(&world);
        client.query("commit");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        for (id, sql) in [(8, "select a from t"), (9, "select b from t")] {
            db.expect(command(0x16, sql)).await;
            db.reply(&prepared(MODERN, id, 0..0, &[]));
            if id == 9 {
                db.expect(close(8)).await;
            }
            db.expect(execute(id as u8)).await;
            db.reply(&[changed()]);
        }
        // On the very same connection.
        again(&mut db, "commit", &[ok()]).await;
        client.expect_ok().await;
    });
}

#[test]
fn a_text_that_ends_with_a_begin_is_not_said_again() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        client.query("insert into t values (1); begin");
        db.expect_query("insert into t values (1); begin").await;
        db.die();
        world.down("db-0");
        world.primary("db-1");
        client.expect_err(1105, "08007").await;
        db0.expect_nobody().await;
        db1.expect_nobody().await;
    });
}

#[test]
fn what_was_rolled_back_with_a_refused_commit_is_not_run_again() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        client.query("commit");
        db.expect_query("commit").await;
        db.reply(&[error(1290, "The MySQL server is running with the --read-only option")]);
        // The probes go on calling it the primary.
        client.expect_err(1290, "HY000").await;
        let db1 = world.server("db-1");
        switch(&world);
        client.query("begin");
        client.expect_err(1213, "40001").await;
        db1.expect_nobody().await;
    });
}

#[test]
fn a_statement_that_two_primaries_were_lost_with_goes_to_no_third_one() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        let (db1, db2) = (world.server("db-1"), world.server("db-2"));
        client.query(WRITE);
        db.expect_query(WRITE).await;
        db.die();
        world.down("db-0");
        world.primary("db-1");
        let mut db = accept(&db1).await;
        again(&mut db, READ, &text("x")).await;
        db.expect_query(WRITE).await;
        db.die();
        world.down("db-1");
        world.primary("db-2");
        client.expect_err(1213, "40001").await;
        db2.expect_nobody().await;
    });
}

#[test]
fn prepared_statements_run_again_also_when_they_are_closed_and_without_types() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        both(&mut client, &mut db, "begin", &[ok_with(IN_TRANS)]).await;
        client.send(command(0x16, "update t set a = ?"));
        db.expect(command(0x16, "update t set a = ?")).await;
        db.reply(&prepared(MODERN, 4, 0..1, &[]));
        client.expect(&prepared(MODERN, 1, 0..1, &[])).await;
        let typed = |id, value| command(0x17, [id, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 0, value, 0, 0, 0]);
        let untyped = |id, value| command(0x17, [id, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, value, 0, 0, 0]);
        for (said, heard) in [(typed(1, 5), typed(4, 5)), (untyped(1, 6), untyped(4, 6))] {
            client.send(said);
            db.expect(heard).await;
            db.reply(&[changed()]);
            client.expect(&[changed()]).await;
        }
        client.send(command(0x19, [1, 0, 0, 0]));
        client.peer.expect_silence().await;
        let db1 = world.server("db-1");
        switch(&world);
        client.query("commit");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        engines(&mut db).await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        db.expect(command(0x16, "update t set a = ?")).await;
        db.reply(&prepared(MODERN, 9, 0..1, &[]));
        for heard in [typed(9, 5), typed(9, 6)] {
            db.expect(heard).await;
            db.reply(&[changed()]);
        }
        again(&mut db, "commit", &[ok()]).await;
        client.expect_ok().await;
    });
}

#[test]
fn what_is_only_on_one_server_is_not_run_again() {
    play(async {
        let long = format!("insert into t values ('{}')", "x".repeat(2000));
        let cases = [
            "select connection_id()",
            "load data infile 'x' into table t",
            "select * from t into outfile 'x'",
            "set sql_mode = ''",
            "insert into t values (nextval(s))",
            "call p()",
            &long,
        ];
        for sql in cases {
            let world = World::with(Settings {
                change: |live| live.failover.replay_limit = 1000,
                ..Settings::default()
            });
            let (mut client, mut db) = in_transaction(&world).await;
            both(&mut client, &mut db, sql, &[changed()]).await;
            let db1 = world.server("db-1");
            switch(&world);
            client.query(WRITE);
            let (_, packet) = client.peer.packet().await;
            assert_eq!(packet[0], 0xff, "{sql}");
            db1.expect_nobody().await;
            assert_eq!(world.disrupted(Disruption::Replayed), 0, "{sql}");
        }
    });
}

#[test]
fn what_a_write_takes_from_one_server_is_not_taken_from_another() {
    play(async {
        for sql in ["insert into t values (Connection_ID())", "update t set a = @@hostname"] {
            let world = World::new();
            let (mut client, mut db) = in_transaction(&world).await;
            both(&mut client, &mut db, sql, &[changed()]).await;
            let db1 = world.server("db-1");
            switch(&world);
            client.query(WRITE);
            client.expect_err(1213, "40001").await;
            db1.expect_nobody().await;
        }
    });
}

#[test]
fn nothing_is_run_again_where_that_is_off() {
    play(async {
        let world = World::with(Settings {
            change: |live| live.failover.replay = Replay::Off,
            ..Settings::default()
        });
        let (mut client, mut db) = in_transaction(&world).await;
        let db1 = world.server("db-1");
        switch(&world);
        client.peer.expect_silence().await;
        client.query(WRITE);
        client.expect_err(1213, "40001").await;
        db1.expect_nobody().await;
        db.peer.expect_end().await;
        client.query("begin");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        client.expect(&[ok_with(IN_TRANS)]).await;
        assert_eq!(world.disrupted(Disruption::RolledBack), 1);
    });
}

#[test]
fn a_primary_that_is_lost_on_the_way_leaves_it_to_the_next() {
    play(async {
        let world = World::new();
        let (mut client, _db) = in_transaction(&world).await;
        let (db1, db2) = (world.server("db-1"), world.server("db-2"));
        switch(&world);
        client.query(WRITE);
        let db = accept(&db1).await;
        db.die();
        world.down("db-1");
        world.primary("db-2");
        let mut db = accept(&db2).await;
        again(&mut db, READ, &text("x")).await;
        again(&mut db, WRITE, &[changed()]).await;
        client.expect(&[changed()]).await;
        assert_eq!(world.disrupted(Disruption::Replayed), 1);
    });
}

#[test]
fn without_autocommit_the_first_statement_is_enough() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("set autocommit = 0");
        db.expect_query("set autocommit = 0").await;
        db.reply(&[ok_state(MODERN, 0, &variable("autocommit", "OFF"))]);
        client.peer.packet().await;
        let open = vec![0, 1, 0, 1, 0, 0, 0];
        both(&mut client, &mut db, WRITE, std::slice::from_ref(&open)).await;
        let db1 = world.server("db-1");
        client.query(READ);
        db.expect_query(READ).await;
        db.die();
        world.down("db-0");
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_set(",autocommit=0").await;
        engines(&mut db).await;
        again(&mut db, WRITE, std::slice::from_ref(&open)).await;
        again(&mut db, READ, &text("x")).await;
        client.expect(&text("x")).await;
        assert_eq!(world.disrupted(Disruption::Replayed), 1);
    });
}

#[test]
fn a_transaction_stays_with_a_read_only_primary_until_there_is_another() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        let db1 = world.server("db-1");
        let mut other = world.client().await;
        world.read_only("db-0");
        both(&mut client, &mut db, READ, &text("x")).await;
        other.query("begin");
        other.peer.expect_silence().await;
        db1.expect_nobody().await;
        world.kill_last();
        other.peer.expect_end().await;
        // What it cannot do there waits for the next primary, with all of it.
        client.query("commit");
        db.expect_query("commit").await;
        db.reply(&[error(1290, "The MySQL server is running with the --read-only option")]);
        db.peer.expect_end().await;
        client.peer.expect_silence().await;
        world.primary("db-1");
        let mut mine = db1.accept().await;
        mine.expect_set("").await;
        engines(&mut mine).await;
        again(&mut mine, "begin", &[ok_with(IN_TRANS)]).await;
        again(&mut mine, WRITE, &[changed()]).await;
        for _ in 0..2 {
            again(&mut mine, READ, &text("x")).await;
        }
        again(&mut mine, "commit", &[ok()]).await;
        client.expect_ok().await;
    });
}
