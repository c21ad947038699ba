//! Waits for replicas that reads share.

use super::*;

/// The next connection that the proxy opens to one of these, and the other server.
async fn either<'a>(one: &'a Server, other: &'a Server) -> (Db, &'a Server) {
    tokio::select! {
        db = one.accept() => (db, other),
        db = other.accept() => (db, one),
    }
}

#[test]
fn reads_wait_together_for_one_of_two_replicas() {
    play(async {
        let world = world(strong());
        let (primary, db1, db2) = (world.server("db-0"), world.server("db-1"), world.server("db-2"));
        let mut clients = Vec::new();
        for _ in 0..24 {
            clients.push(world.login(&login()).await);
        }
        let counts = || {
            let m = &world.context.metrics;
            (m.questions[Question::Wait as usize].get(), m.asked[Question::Wait as usize].get())
        };
        // Each of them would take either replica.
        clients[..8].iter_mut().for_each(|client| client.query(READ));
        let mut asked = primary.accept().await;
        asked.tells(6).await;
        let (mut waited, other) = either(&db1, &db2).await;
        assert_eq!(waited.user, "monitor");
        waited.expect_query(&wait(6)).await;
        // Who comes now needs nothing later, and shares the wait that is under way.
        clients[8..16].iter_mut().for_each(|client| client.query(READ));
        asked.tells(6).await;
        other.expect_nobody().await;
        assert_eq!(counts(), (1, 16));
        // By now the first one may be behind, and should not keep them from the other.
        clients[16..].iter_mut().for_each(|client| client.query(READ));
        asked.tells(6).await;
        let mut tried = other.accept().await;
        tried.waits(6, "0").await;
        let mut db = other.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(READ).await;
        assert_eq!(counts().0, 2);
        waited.peer.expect_silence().await;
    });
}

#[test]
fn a_wait_for_an_earlier_position_is_not_shared() {
    play(async {
        let mut s = story().await;
        let mut later = s.world.login(&login()).await;
        s.client.query(READ);
        s.asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        waited.expect_query(&wait(6)).await;
        later.query(READ);
        s.asked.tells(7).await;
        waited.values(&["0"]);
        s.answers().await;
        waited.expect_query(&wait(7)).await;
        s.replica.expect_nobody().await;
        waited.values(&["0"]);
        let mut db = s.replica.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(READ).await;
        later.expect(&one()).await;
        assert_eq!(s.questions(Question::Wait), (2, 2));
    });
}
