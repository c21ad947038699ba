//! A primary that gives its role up and lives: what is open there may end within
//! `failover.grace`, and moves then.

use super::*;
use crate::topology::Maintenance;

const SECOND: Duration = Duration::from_secs(1);

/// db-0 is read-only, and still is so much later; there is no other.
fn read_only_for(world: &World, time: Duration) {
    world.read_only("db-0");
    world.passes(time);
    world.read_only("db-0");
}

#[test]
fn an_open_transaction_goes_on_for_the_grace_and_moves_then() {
    play(async {
        for chunk in [1, usize::MAX] {
            let world = World::with(Settings { chunk, ..Settings::default() });
            let (mut client, mut db) = in_transaction(&world).await;
            read_only_for(&world, 4 * SECOND);
            both(&mut client, &mut db, READ, &text("x")).await;
            let mut other = world.client().await;
            other.query("begin");
            other.peer.expect_silence().await;
            world.passes(SECOND);
            world.read_only("db-0");
            db.peer.expect_end().await;
            client.query("commit");
            client.peer.expect_silence().await;
            let db1 = world.server("db-1");
            world.primary("db-1");
            let (mut first, mut second) = (db1.accept().await, db1.accept().await);
            first.expect_set("").await;
            again(&mut first, "begin", &[ok_with(IN_TRANS)]).await;
            other.expect(&[ok_with(IN_TRANS)]).await;
            second.expect_set("").await;
            engines(&mut second).await;
            again(&mut second, "begin", &[ok_with(IN_TRANS)]).await;
            again(&mut second, WRITE, &[changed()]).await;
            again(&mut second, READ, &text("x")).await;
            again(&mut second, READ, &text("x")).await;
            again(&mut second, "commit", &[ok()]).await;
            client.expect_ok().await;
            assert_eq!(world.disrupted(Disruption::Replayed), 1);
        }
    });
}

#[test]
fn a_statement_under_way_ends_there_and_the_next_one_moves() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        client.query(READ);
        db.expect_query(READ).await;
        read_only_for(&world, 6 * SECOND);
        client.peer.expect_silence().await;
        db.reply(&text("y"));
        client.expect(&text("y")).await;
        // Before it says a word: what it has locked there is not to wait for that.
        db.peer.expect_end().await;
        client.query("commit");
        client.peer.expect_silence().await;
        let db1 = world.server("db-1");
        world.primary("db-1");
        let mut db = accept(&db1).await;
        again(&mut db, READ, &text("x")).await;
        again(&mut db, READ, &text("y")).await;
        again(&mut db, "commit", &[ok()]).await;
        client.expect_ok().await;
    });
}

#[test]
fn a_primary_that_is_back_within_the_grace_keeps_its_transactions_and_gets_the_others_again() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        read_only_for(&world, 4 * SECOND);
        world.primary("db-0");
        // The time begins anew.
        read_only_for(&world, 4 * SECOND);
        both(&mut client, &mut db, READ, &text("x")).await;
        let db0 = world.server("db-0");
        world.passes(SECOND);
        world.read_only("db-0");
        db.peer.expect_end().await;
        world.primary("db-0");
        client.query("commit");
        let mut db = accept(&db0).await;
        again(&mut db, READ, &text("x")).await;
        again(&mut db, READ, &text("x")).await;
        again(&mut db, "commit", &[ok()]).await;
        client.expect_ok().await;
    });
}

#[test]
fn who_cannot_move_is_told_what_is_lost_once_the_grace_is_over() {
    play(async {
        for (sql, answer, code, state, lost) in [
            ("create temporary table x (a int)", ok(), 1053, "08S01", "temporary tables"),
            ("lock tables t write", ok(), 1053, "08S01", "table locks"),
            // It is not known to be the same elsewhere.
            ("begin; call p()", ok_with(IN_TRANS), 1053, "08S01", "locks"),
        ] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            both(&mut client, &mut db, sql, &[answer]).await;
            read_only_for(&world, 4 * SECOND);
            both(&mut client, &mut db, READ, &text("x")).await;
            world.passes(SECOND);
            world.read_only("db-0");
            client.query(READ);
            let said = client.expect_err(code, state).await;
            assert!(said.contains(lost), "{said}");
            db.peer.expect_end().await;
        }
        let world = World::with(Settings {
            change: |live| live.failover.replay = Replay::Off,
            ..Settings::default()
        });
        let (mut client, _db) = in_transaction(&world).await;
        read_only_for(&world, 5 * SECOND);
        client.query(READ);
        client.expect_err(1213, "40001").await;
        assert_eq!(world.disrupted(Disruption::Held), 0, "nobody has to wait for that");
    });
}

#[test]
fn without_a_grace_they_move_at_once() {
    play(async {
        let none = Settings { change: |live| live.failover.grace = Duration::ZERO, ..Settings::default() };
        let world = World::with(none);
        let (mut client, mut db) = in_transaction(&world).await;
        world.read_only("db-0");
        db.peer.expect_end().await;
        client.query(READ);
        client.peer.expect_silence().await;
        let db1 = world.server("db-1");
        world.primary("db-1");
        let mut db = accept(&db1).await;
        again(&mut db, READ, &text("x")).await;
        again(&mut db, READ, &text("x")).await;
        client.expect(&text("x")).await;
    });
}

#[test]
fn nobody_leaves_a_primary_that_is_read_only_for_maintenance() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        world.maintenance(Maintenance { read_only: true, ..Maintenance::default() });
        read_only_for(&world, 60 * SECOND);
        both(&mut client, &mut db, READ, &text("x")).await;
        // What it refuses costs nothing of what is there.
        client.query(WRITE);
        db.expect_query(WRITE).await;
        db.reply(&[err(1290, "HY000", "The MySQL server is running with the --read-only option")]);
        let said = client.expect_err(1290, "HY000").await;
        assert!(said.contains("maintenance"), "{said}");
        both(&mut client, &mut db, READ, &text("x")).await;
        // Over: from here on another one may come.
        world.maintenance(Maintenance::default());
        read_only_for(&world, 4 * SECOND);
        both(&mut client, &mut db, READ, &text("x")).await;
        world.passes(SECOND);
        world.read_only("db-0");
        db.peer.expect_end().await;
    });
}

#[test]
fn what_reads_on_a_replica_stays_there() {
    play(async {
        let world = World::new();
        let db1 = world.server("db-1");
        world.replica_cut_off("db-2");
        let login = Login { port: crate::terms::Port::Replica, ..Login::default() };
        let mut client = world.login(&login).await;
        client.query("begin");
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        client.expect(&[ok_with(IN_TRANS)]).await;
        read_only_for(&world, 60 * SECOND);
        both(&mut client, &mut db, READ, &text("x")).await;
    });
}

#[test]
fn what_is_run_again_on_a_primary_that_gives_its_role_up_is_run_again_on_the_next() {
    play(async {
        let none = Settings { change: |live| live.failover.grace = Duration::ZERO, ..Settings::default() };
        let world = World::with(none);
        let (mut client, mut db) = in_transaction(&world).await;
        client.query(READ);
        db.expect_query(READ).await;
        let db1 = world.server("db-1");
        switch(&world);
        // It is asked for the rest of the answer, and let go behind it.
        db.reply(&text("y"));
        client.expect(&text("y")).await;
        client.query("commit");
        let mut db = accept(&db1).await;
        db.expect_query(READ).await;
        world.read_only("db-1");
        db.reply(&text("x"));
        again(&mut db, READ, &text("y")).await;
        db.peer.expect_end().await;
        client.peer.expect_silence().await;
        let db2 = world.server("db-2");
        world.primary("db-2");
        let mut db = accept(&db2).await;
        again(&mut db, READ, &text("x")).await;
        again(&mut db, READ, &text("y")).await;
        again(&mut db, "commit", &[ok()]).await;
        client.expect_ok().await;
        assert_eq!(world.disrupted(Disruption::Replayed), 2);
    });
}

#[test]
fn a_large_statement_goes_on_within_the_grace_too() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        read_only_for(&world, 4 * SECOND);
        let sql = format!("update t set a = '{}'", "x".repeat(200_000));
        both(&mut client, &mut db, &sql, &[changed()]).await;
        world.passes(SECOND);
        world.read_only("db-0");
        db.peer.expect_end().await;
        // It was too large to be looked at, and could have left anything.
        client.query("commit");
        client.expect_err(1053, "08S01").await;
    });
}
