//! Many sessions that need a connection to a server in the same moment, as after a change of the primary.

use std::time::Duration;

use super::*;

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
