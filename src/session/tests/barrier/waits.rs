//! Waits for replicas that reads, and workers, share.

use std::rc::Rc;

use tokio::task::{JoinHandle, spawn_local};

use super::*;
use crate::topology::{GtidSet, ServerId};

fn set(n: u32) -> Rc<GtidSet> {
    Rc::new(GtidSet::parse(Flavor::MySql, to(n).as_bytes()).unwrap())
}

/// A read waits until this server is there.
fn reaches(world: &World, server: &str, n: u32) -> JoinHandle<bool> {
    let (positions, server) = (world.context.positions.clone(), world.id(server));
    spawn_local(async move { positions.reaches(server, &set(n)).await })
}

fn waits(world: &World) -> (u64, u64) {
    let metrics = &world.context.metrics;
    (metrics.questions[Question::Wait].get(), metrics.asked[Question::Wait].get())
}

/// The story's read waits until the replica is at 6, over the second connection. The other client has read nothing yet.
async fn waiting() -> (Story, Db, Client) {
    let mut s = story().await;
    let other = s.world.login(&login()).await;
    s.client.query(READ);
    s.asked.tells(6).await;
    let mut waited = s.replica.accept().await;
    waited.expect_query(&wait(6)).await;
    (s, waited, other)
}

/// This server answers the client's read over a new connection.
async fn first_read(server: &Server, client: &mut Client) {
    let mut db = server.accept().await;
    db.expect_read_only_set("").await;
    db.answer_one(READ).await;
    client.expect(&one()).await;
}

#[test]
fn reads_share_a_wait_under_way_for_the_same_position() {
    play(async {
        let (mut s, mut waited, mut other) = waiting().await;
        other.query(READ);
        s.asked.tells(6).await;
        waited.peer.expect_silence().await;
        assert_eq!(s.questions(Question::Wait), (1, 2));
        waited.values(&["0"]);
        s.answers().await;
        first_read(&s.replica, &mut other).await;
    });
}

#[test]
fn a_wait_for_an_earlier_position_is_not_shared() {
    play(async {
        let (mut s, mut waited, mut later) = waiting().await;
        later.query(READ);
        s.asked.tells(7).await;
        waited.values(&["0"]);
        s.answers().await;
        waited.expect_query(&wait(7)).await;
        s.replica.expect_nobody().await;
        waited.values(&["0"]);
        first_read(&s.replica, &mut later).await;
        assert_eq!(s.questions(Question::Wait), (2, 2));
    });
}

#[test]
fn a_read_waits_where_others_wait_if_that_is_no_slower() {
    play(async {
        let world = world(strong());
        let (db1, db2) = (world.id("db-1"), world.id("db-2"));
        let shared = |n, own: ServerId| world.context.positions.waited_for(&set(n), own, |_| true);
        let read = reaches(&world, "db-1", 6);
        let mut first = world.server("db-1").accept().await;
        first.expect_query(&wait(6)).await;
        assert_eq!(shared(6, db2), None, "nobody knows how long waits there take");
        first.values(&["0"]);
        assert!(read.await.unwrap());

        let read = reaches(&world, "db-1", 8);
        first.expect_query(&wait(8)).await;
        assert_eq!((shared(8, db2), shared(7, db2)), (Some(db1), Some(db1)));
        assert_eq!(shared(9, db2), None, "this wait is for less");
        assert_eq!(shared(8, db1), None, "its own replica");
        assert_eq!(world.context.positions.waited_for(&set(8), db2, |id| id != db1), None);
        tokio::time::sleep(Duration::from_millis(6)).await;
        assert_eq!(shared(8, db2), None, "it may be late");
        tokio::time::sleep(Duration::from_millis(34)).await;
        first.values(&["0"]);
        assert!(read.await.unwrap());

        // Waits for the other replica are quick.
        let read = reaches(&world, "db-2", 9);
        let mut second = world.server("db-2").accept().await;
        second.waits(9, "0").await;
        assert!(read.await.unwrap());
        let both = [reaches(&world, "db-1", 10), reaches(&world, "db-2", 10)];
        first.expect_query(&wait(10)).await;
        second.expect_query(&wait(10)).await;
        assert_eq!(shared(10, db2), None);
        second.values(&["0"]);
        first.values(&["0"]);
        for read in both {
            assert!(read.await.unwrap());
        }
        let read = reaches(&world, "db-1", 11);
        first.expect_query(&wait(11)).await;
        assert_eq!(shared(11, db2), None, "twice as slow");
        first.values(&["0"]);
        assert!(read.await.unwrap());
        let read = reaches(&world, "db-2", 12);
        second.expect_query(&wait(12)).await;
        assert_eq!(shared(12, db1), Some(db2));
        second.values(&["0"]);
        assert!(read.await.unwrap());
    });
}

#[test]
fn a_replica_that_refuses_to_wait_leaves_time_for_another_one() {
    play(async {
        let world = world(strong());
        let (db1, db2) = (world.server("db-1"), world.server("db-2"));
        let mut client = world.login(&login()).await;
        client.query(READ);
        world.server("db-0").accept().await.tells(6).await;
        let (mut waited, other) = tokio::select! {
            waited = db1.accept() => (waited, &db2),
            waited = db2.accept() => (waited, &db1),
        };
        // Late at once, as a server whose replication has an error.
        waited.expect_query(&wait(6)).await;
        waited.values(&["1"]);
        other.accept().await.waits(6, "0").await;
        first_read(other, &mut client).await;
    });
}

/// Two workers of one process, whose servers are all at 5.
fn two_workers() -> (World, World) {
    let mut workers = World::workers(&strong(), 2);
    for world in &workers {
        for name in ["db-0", "db-1", "db-2"] {
            world.gets_to(name, &to(5));
        }
        world.primary("db-0");
        world.replica("db-1");
        world.replica("db-2");
    }
    let other = workers.pop().unwrap();
    (workers.pop().unwrap(), other)
}

#[test]
fn workers_share_a_wait() {
    play(async {
        let (one, other) = two_workers();
        let others = other.server("db-1");
        let read = reaches(&one, "db-1", 7);
        let mut waited = one.server("db-1").accept().await;
        waited.expect_query(&wait(7)).await;
        let joined = [reaches(&other, "db-1", 7), reaches(&other, "db-1", 6)];
        others.expect_nobody().await;
        waited.values(&["0"]);
        assert!(read.await.unwrap());
        for read in joined {
            assert!(read.await.unwrap());
        }
        // What was reached is known.
        assert!(reaches(&other, "db-1", 7).await.unwrap());
        others.expect_nobody().await;
        assert_eq!((waits(&one), waits(&other).0), ((1, 1), 0));
    });
}

#[test]
fn a_worker_asks_itself_if_another_one_gets_no_answer() {
    play(async {
        let (one, other) = two_workers();
        let others = other.server("db-1");
        let read = reaches(&one, "db-1", 6);
        let mut waited = one.server("db-1").accept().await;
        waited.expect_query(&wait(6)).await;
        let joined = reaches(&other, "db-1", 6);
        tokio::time::sleep(Duration::from_millis(1)).await;
        waited.values(&["1"]);
        assert!(!read.await.unwrap());
        let mut asked = others.accept().await;
        asked.waits(6, "0").await;
        assert!(joined.await.unwrap());
        // The first one's connection says nothing: the other does not wait for it for ever.
        let read = reaches(&one, "db-1", 7);
        waited.expect_query(&wait(7)).await;
        let joined = reaches(&other, "db-1", 7);
        assert!(!read.await.unwrap() && !joined.await.unwrap());
        let again = reaches(&other, "db-1", 8);
        asked.waits(8, "0").await;
        assert!(again.await.unwrap());
    });
}

#[test]
fn an_answer_from_before_a_change_of_roles_is_not_shared() {
    play(async {
        let (one, other) = two_workers();
        let read = reaches(&one, "db-1", 6);
        let mut waited = one.server("db-1").accept().await;
        waited.waits(6, "0").await;
        assert!(read.await.unwrap());
        other.down("db-2");
        let read = reaches(&other, "db-1", 6);
        let mut asked = other.server("db-1").accept().await;
        asked.waits(6, "0").await;
        assert!(read.await.unwrap());
    });
}

/// Two sessions whose reads go to db-1 and to db-2.
async fn one_on_each(world: &World, asked: &mut Option<Db>) -> [(Client, Db); 2] {
    let (primary, db1, db2) = (world.server("db-0"), world.server("db-1"), world.server("db-2"));
    let (mut first, mut second) = (None, None);
    while first.is_none() || second.is_none() {
        let mut client = world.login(&login()).await;
        client.query(READ);
        if asked.is_none() {
            *asked = Some(primary.accept().await);
        }
        asked.as_mut().unwrap().tells(5).await;
        let (mut db, place) = tokio::select! {
            db = db1.accept() => (db, &mut first),
            db = db2.accept() => (db, &mut second),
        };
        db.expect_read_only_set("").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
        *place = Some((client, db));
    }
    [first.unwrap(), second.unwrap()]
}

#[test]
fn sessions_wait_together_on_one_replica() {
    play(async {
        let world = world(strong());
        let mut asked = None;
        let [(mut client1, mut db1), (mut client2, mut db2)] = one_on_each(&world, &mut asked).await;
        let mut asked = asked.unwrap();
        // How long waits take is known of both.
        let (server1, server2) = (world.server("db-1"), world.server("db-2"));
        let known = [reaches(&world, "db-1", 6), reaches(&world, "db-2", 6)];
        let (mut waited1, mut waited2) = (server1.accept().await, server2.accept().await);
        waited1.waits(6, "0").await;
        waited2.waits(6, "0").await;
        for read in known {
            assert!(read.await.unwrap());
        }
        client1.query(READ);
        client2.query(READ);
        asked.tells(7).await;
        waited1.expect_query(&wait(7)).await;
        waited2.peer.expect_silence().await;
        waited1.values(&["0"]);
        db1.answer_one(READ).await;
        client1.expect(&one()).await;
        first_read(&server1, &mut client2).await;
        db2.peer.expect_silence().await;
    });
}
