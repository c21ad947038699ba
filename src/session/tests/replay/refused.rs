//! What a primary refuses as read-only, behind a commit of its own; and what is asked of it again.

use super::*;

#[test]
fn a_statement_that_commits_before_it_is_refused_runs_nothing_again() {
    play(async {
        for sql in [
            "lock tables t write",
            "create table u (a int)",
            "start transaction read write",
            "lock tables t write; unlock tables",
            "create table u (a int); begin",
            "lock tables t write; set @x = 1",
        ] {
            let world = World::new();
            let (mut client, mut db) = in_transaction(&world).await;
            let db1 = world.server("db-1");
            client.query(sql);
            db.expect_query(sql).await;
            let refusal = error(1290, "The MySQL server is running with the --super-read-only option");
            db.reply(std::slice::from_ref(&refusal));
            client.expect(&[refusal]).await;
            switch(&world);
            client.query(READ);
            let told = client.expect_err(1053, "08S01").await;
            // Of several it is not known which ones ran.
            let held = told.contains("table locks") && sql.contains(';');
            assert!(held || told.contains("may have committed"), "{told}");
            db1.expect_nobody().await;
            assert_eq!(world.disrupted(Disruption::Replayed), 0);
        }
    });
}

#[test]
fn a_begin_that_is_refused_has_committed_nothing() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        let db1 = world.server("db-1");
        client.query("begin");
        db.expect_query("begin").await;
        db.reply(&[error(1290, "The MySQL server is running with the --super-read-only option")]);
        switch(&world);
        let mut db = accept(&db1).await;
        again(&mut db, READ, &text("x")).await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        client.expect(&[ok_with(IN_TRANS)]).await;
    });
}

#[test]
fn tables_made_since_the_last_loss_are_asked_for() {
    play(async {
        let world = World::new();
        let (mut client, mut db) = in_transaction(&world).await;
        for _ in 0..2 {
            world.down("db-0");
            db.peer.expect_end().await;
            world.primary("db-0");
            let db0 = world.server("db-0");
            client.query("savepoint a");
            db = accept(&db0).await;
            again(&mut db, READ, &text("x")).await;
            again(&mut db, "savepoint a", &[ok_with(IN_TRANS)]).await;
            client.expect(&[ok_with(IN_TRANS)]).await;
            both(&mut client, &mut db, "rollback", &[ok()]).await;
            both(&mut client, &mut db, "begin", &[ok_with(IN_TRANS)]).await;
            both(&mut client, &mut db, WRITE, &[changed()]).await;
            both(&mut client, &mut db, READ, &text("x")).await;
        }
    });
}

#[test]
fn without_a_transaction_a_definition_waits_for_the_next_primary() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        both(&mut client, &mut db, "set autocommit = 0", &[ok_with(0)]).await;
        client.query("create table u (a int)");
        db.expect_query("create table u (a int)").await;
        db.reply(&[error(1290, "The MySQL server is running with the --super-read-only option")]);
        client.peer.expect_silence().await;
        let db1 = world.server("db-1");
        switch(&world);
        let mut db = db1.accept().await;
        db.expect_role().await;
        db.peer.packet().await;
        db.reply_ok();
        db.expect_query("create table u (a int)").await;
        db.reply(&[ok_with(0)]);
        client.expect(&[ok_with(0)]).await;
    });
}
