//! Many sessions that need a connection to a server in the same moment, as after a change of the primary.

use std::time::Duration;

use super::failover::{SAFE, switch};
use super::split::READ;
use super::*;
use crate::terms::Port;

/// A worker opens so many of a kind at the same time.
const OPENING: usize = 8;

/// So many clients that have said `do 1`, and what the server has been asked for.
async fn crowd(world: &World, db0: &Server, count: usize) -> (Vec<Client>, Vec<Peer>) {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(world.client().await);
    }
    clients.iter_mut().for_each(|client| client.query("do 1"));
    let mut knocking = Vec::new();
    for _ in 0..OPENING {
        knocking.push(db0.accept_raw().await);
    }
    db0.expect_nobody().await;
    (clients, knocking)
}

#[test]
fn a_crowd_is_served_by_what_is_opened_first() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let (clients, mut knocking) = crowd(&world, &db0, OPENING + 4).await;
        let mut first = db0.let_in(knocking.remove(0)).await;
        first.expect_set("").await;
        // In its place another one is opened.
        knocking.push(db0.accept_raw().await);
        // The three that still wait need none of their own.
        for _ in 0..4 {
            first.answer_ok("do 1").await;
        }
        first.peer.expect_silence().await;
        db0.expect_nobody().await;
        let mut others = Vec::new();
        for peer in knocking {
            let mut db = db0.let_in(peer).await;
            db.expect_set("").await;
            db.answer_ok("do 1").await;
            others.push(db);
        }
        for mut client in clients {
            client.expect_ok().await;
            client.quit();
        }
        db0.expect_nobody().await;
        world.expect_nothing_left(9).await;
    });
}

#[test]
fn nobody_waits_for_a_connection_that_was_refused() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let (_clients, mut knocking) = crowd(&world, &db0, OPENING + 2).await;
        drop(knocking.remove(0));
        knocking.push(db0.accept_raw().await);
        drop(knocking.remove(0));
        knocking.push(db0.accept_raw().await);
    });
}

#[test]
fn where_nobody_is_let_in_nobody_waits_for_others() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let (mut clients, mut knocking) = crowd(&world, &db0, OPENING + 4).await;
        tokio::time::sleep(Duration::from_millis(260)).await;
        for _ in 0..4 {
            knocking.push(db0.accept_raw().await);
        }
        db0.expect_nobody().await;
        // Each has its own.
        for peer in knocking {
            let mut db = db0.let_in(peer).await;
            db.expect_set("").await;
            db.answer_ok("do 1").await;
        }
        for client in &mut clients {
            client.expect_ok().await;
        }
    });
}

/// A session whose only statement was a read on this server, and its connection there.
async fn has_read(world: &World, server: &Server, login: &Login) -> (Client, Db) {
    let mut client = world.login(login).await;
    let db = client.reads_first_on_read_only(server, READ).await;
    (client, db)
}

#[test]
fn a_new_primarys_connections_that_only_read_serve_its_writers() {
    play(async {
        let world = World::new();
        world.down("db-2");
        let db1 = world.server("db-1");
        let login = Login { port: Port::Split, ..Login::default() };
        let (mut reader, mut db) = has_read(&world, &db1, &login).await;
        switch(&world);
        let mut primary = world.login(&login).await;
        primary.query(SAFE);
        // What the former session left, and that it only read, goes.
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_ok(SAFE).await;
        primary.expect_ok().await;
        let mut other = reader.runs_first_on(&db1, SAFE).await;
        // It is the primary's now, as any other.
        primary.runs_on(&mut db, SAFE).await;
        db1.expect_nobody().await;
        // And fenced as any other.
        world.read_only("db-1");
        world.primary("db-0");
        db.peer.expect_end().await;
        other.peer.expect_end().await;
        reader.quit();
        primary.quit();
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn one_that_only_read_and_died_is_not_offered_to_writers() {
    play(async {
        let world = World::new();
        world.down("db-2");
        let db1 = world.server("db-1");
        let (mut reader, db) = has_read(&world, &db1, &Login { port: Port::Split, ..Login::default() }).await;
        db.die();
        switch(&world);
        let _db = reader.runs_first_on(&db1, SAFE).await;
        reader.quit();
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn what_its_last_statement_did_is_not_asked_of_a_connection_that_was_reset() {
    const COUNTS: &str = "insert into log values (found_rows())";
    play(async {
        let world = World::new();
        world.down("db-2");
        let db1 = world.server("db-1");
        let (mut client, mut db) =
            has_read(&world, &db1, &Login { port: Port::Split, ..Login::default() }).await;
        switch(&world);
        client.query(COUNTS);
        db.expect_query(COUNTS).await;
        db.reply(&[err(1792, "25006", "Cannot execute statement in a READ ONLY transaction.")]);
        // On the same connection it would count nothing.
        let text = client.expect_err(1105, "HY000").await;
        assert!(text.contains("is not known any more"), "{text}");
    });
}

#[test]
fn who_reads_from_the_primary_for_want_of_replicas_keeps_its_connection() {
    play(async {
        let world = World::new();
        world.down("db-1");
        world.down("db-2");
        let db0 = world.server("db-0");
        let (mut reader, mut db) =
            has_read(&world, &db0, &Login { port: Port::Replica, ..Login::default() }).await;
        let mut primary = world.client().await;
        let _other = primary.runs_first_on(&db0, SAFE).await;
        reader.reads_on(&mut db, READ).await;
    });
}
