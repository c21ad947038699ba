//! Fresh reads at a change of the primary, when many want something of the new one.

use super::*;
use crate::session::tests::failover::SAFE;
use crate::session::tests::world::uuid_of;

#[test]
fn a_new_primary_is_asked_where_it_was_waited_for_as_a_replica() {
    play(async {
        let mut s = story().await;
        s.client.query(READ);
        s.asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        waited.waits(6, "0").await;
        s.answers().await;
        s.world.gets_to("db-0", &to(6));
        s.replica_is_at(6);
        s.world.read_only("db-0");
        s.world.primary("db-1");
        s.world.replica("db-0");
        s.client.query(READ);
        waited.tells(6).await;
        let mut db0 = s.primary.accept().await;
        db0.expect_read_only_set("").await;
        db0.answer_one(READ).await;
        s.client.expect(&one()).await;
        s.client.query(READ);
        waited.tells(6).await;
        db0.answer_one(READ).await;
        s.client.expect(&one()).await;
        s.replica.expect_nobody().await;
    });
}

#[test]
fn a_read_that_only_passes_does_not_wait_for_a_login() {
    play(async {
        let mut s = story().await;
        let (_waited, mut db0) = s.behind().await;
        // The read has left its connection to whoever comes next.
        db0_is_taken(&mut s.client, &mut db0).await;
        let mut primary = s.world.login(&login()).await;
        primary.query(SAFE);
        let knocking = s.primary.accept_raw().await;
        let mut passing = s.world.login(&login()).await;
        passing.query(READ);
        s.asked.tells(6).await;
        // The other session's, which does not need it now.
        db0.answer_one(READ).await;
        passing.expect(&one()).await;
        assert_eq!(s.world.context.metrics.steals.get(), 1);
        let mut db = s.primary.let_in(knocking).await;
        db.expect_set("").await;
        db.answer_ok(SAFE).await;
        primary.expect_ok().await;
        // The passing read has left it again.
        db0_is_taken(&mut s.client, &mut db0).await;
        s.primary.expect_nobody().await;
    });
}

/// A session writes on the connection that a passing read left.
async fn db0_is_taken(client: &mut Client, db0: &mut Db) {
    client.runs_on(db0, SAFE).await;
}

#[test]
fn reads_that_only_pass_share_what_is_opened() {
    play(async {
        let mut s = story().await;
        let mut passing = Vec::new();
        for _ in 0..4 {
            passing.push(s.world.login(&login()).await);
        }
        passing.iter_mut().for_each(|client| client.query(READ));
        s.asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        waited.waits(6, "1").await;
        let (first, second) = (s.primary.accept_raw().await, s.primary.accept_raw().await);
        s.primary.expect_nobody().await;
        // Who stays does not wait behind them.
        let mut primary = s.world.login(&login()).await;
        primary.query(SAFE);
        let mut db = s.primary.accept().await;
        db.expect_set("").await;
        // Nor does its login make room for theirs.
        s.primary.expect_nobody().await;
        db.expect_query(SAFE).await;
        let mut busy = db;
        let mut db = s.primary.let_in(first).await;
        db.expect_set("").await;
        // In its place another one is opened.
        let third = s.primary.accept_raw().await;
        db.answer_one(READ).await;
        db.answer_one(READ).await;
        s.primary.expect_nobody().await;
        busy.reply_ok();
        primary.expect_ok().await;
        for peer in [second, third] {
            let mut db = s.primary.let_in(peer).await;
            db.expect_set("").await;
            db.answer_one(READ).await;
        }
        for client in &mut passing {
            client.expect(&one()).await;
        }
    });
}

const SEEN: &str = "SELECT @@global.gtid_owned, @@global.gtid_executed";

/// db-0 is a new primary that has written something, and nobody follows it yet.
async fn unfollowed() -> (World, Server, Server, Server, Client, String) {
    let world = world(strong());
    world.replica_of("db-1", "db-2");
    world.replica_of("db-2", "db-1");
    let client = world.login(&login()).await;
    let (db0, db1, db2) = (world.server("db-0"), world.server("db-1"), world.server("db-2"));
    (world, db0, db1, db2, client, format!("{}:1", uuid_of("db-0")))
}

#[test]
fn who_does_not_follow_a_new_primary_is_not_waited_for() {
    play(async {
        let (world, primary, db1, db2, mut client, own) = unfollowed().await;
        client.query(READ);
        let mut asked = primary.accept().await;
        asked.is_asked().await;
        let all = format!("{own},{}", to(5));
        asked.values(&["", &all, "0"]);
        let mut db = primary.accept().await;
        db.expect_set("").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
        db1.expect_nobody().await;
        db2.expect_nobody().await;
        // One does now.
        world.replica_of("db-1", "db-0");
        world.down("db-2");
        client.query(READ);
        asked.is_asked().await;
        asked.values(&["", &all, "0"]);
        let mut waited = db1.accept().await;
        assert_eq!(waited.user, "monitor");
        waited.waits_for(&all, "0").await;
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
    });
}

#[test]
fn what_nobody_can_have_seen_is_not_waited_for() {
    play(async {
        let (world, primary, db1, db2, mut client, own) = unfollowed().await;
        client.query(READ);
        let mut asked = primary.accept().await;
        let committing = format!("{own}#23");
        asked.is_asked().await;
        asked.values(&[&committing, &to(5), "0"]);
        let (mut at_1, mut at_2) = (db1.accept().await, db2.accept().await);
        for at in [&mut at_1, &mut at_2] {
            assert_eq!(at.user, "monitor");
            at.expect_query(SEEN).await;
            primary.expect_nobody().await;
            at.values(&["", &to(5)]);
        }
        let mut db = primary.accept().await;
        db.expect_set("").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
        // One of them applies it, or has done so: somebody may have read it there.
        let all = format!("{own},{}", to(5));
        for (owned, executed) in [(&*format!("{own}#7"), &*to(5)), ("", &*all)] {
            world.primary("db-0");
            client.query(READ);
            asked.is_asked().await;
            asked.values(&[&committing, &to(5), "0"]);
            at_1.expect_query(SEEN).await;
            at_1.values(&["", &to(5)]);
            at_2.expect_query(SEEN).await;
            db.peer.expect_silence().await;
            at_2.values(&[owned, executed]);
            let mut waited = primary.accept().await;
            waited.expect_query(&wait_for(&all)).await;
            db.peer.expect_silence().await;
            waited.values(&["0"]);
            db.answer_one(READ).await;
            client.expect(&one()).await;
            waited.die();
        }
        // One does not answer.
        client.query(READ);
        asked.is_asked().await;
        asked.values(&[&committing, &to(5), "0"]);
        at_1.expect_query(SEEN).await;
        at_1.die();
        let mut waited = primary.accept().await;
        waited.waits_for(&all, "0").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
        assert_eq!(world.context.metrics.questions[Question::Seen].get(), 8);
    });
}

#[test]
fn where_no_primary_answers_a_replica_is_waited_for_all_the_same() {
    const STRONG: &str = "/* pointsman: consistency=strong */ select a from t";
    play(async {
        let change = |live: &mut crate::config::Live| live.replicas.fallback = crate::config::Fallback::None;
        let world = world(Settings { change, ..strong() });
        world.down("db-2");
        let (db0, db1) = (world.server("db-0"), world.server("db-1"));
        world.replica_cut_off("db-1");
        let mut client = world.login(&Login { port: Port::Replica, ..Login::default() }).await;
        client.query(STRONG);
        let mut asked = db0.accept().await;
        let all = format!("{}:1,{}", uuid_of("db-0"), to(5));
        asked.is_asked().await;
        asked.values(&["", &all, "0"]);
        let mut waited = db1.accept().await;
        waited.waits_for(&all, "0").await;
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(STRONG).await;
        client.expect(&one()).await;
    });
}

#[test]
fn a_wait_ends_once_a_probe_sees_that_the_replica_does_not_follow() {
    play(async {
        let (world, primary, db1, _db2, mut client, own) = unfollowed().await;
        world.down("db-2");
        world.replica_of("db-1", "db-0");
        client.query(READ);
        let mut asked = primary.accept().await;
        asked.is_asked().await;
        let all = format!("{own},{}", to(5));
        asked.values(&["", &all, "0"]);
        let mut waited = db1.accept().await;
        waited.expect_query(&wait_for(&all)).await;
        let began = tokio::time::Instant::now();
        world.replica_cut_off("db-1");
        let mut db = primary.accept().await;
        db.expect_set("").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
        assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
        // It follows again, and is waited for again.
        waited.values(&["1"]);
        world.replica_of("db-1", "db-0");
        client.query(READ);
        asked.is_asked().await;
        asked.values(&["", &all, "0"]);
        waited.waits_for(&all, "0").await;
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
    });
}

#[test]
fn a_replica_that_was_waited_for_while_roles_changed_is_asked_again() {
    play(async {
        let (world, primary, db1, _db2, mut client, own) = unfollowed().await;
        world.replica_cut_off("db-2");
        world.replica_of("db-1", "db-0");
        client.query(READ);
        let mut asked = primary.accept().await;
        asked.is_asked().await;
        let all = format!("{own},{}", to(5));
        asked.values(&["", &all, "0"]);
        let mut waited = db1.accept().await;
        waited.expect_query(&wait_for(&all)).await;
        world.down("db-2");
        waited.values(&["0"]);
        waited.waits_for(&all, "0").await;
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
        primary.expect_nobody().await;
    });
}

#[test]
fn writes_on_a_new_primary_leave_connections_to_reads() {
    play(async {
        let mut s = story().await;
        // Three sessions have a connection to the replica.
        let (mut clients, mut parked) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let mut client = s.world.login(&login()).await;
            client.query(READ);
            s.asked.tells(5).await;
            let mut db = s.replica.accept().await;
            db.expect_read_only_set("").await;
            db.answer_one(READ).await;
            client.expect(&one()).await;
            clients.push(client);
            parked.push(db);
        }
        s.world.read_only("db-0");
        s.client.query(READ);
        let mut primaries = Vec::new();
        for _ in 0..3 {
            let mut primary = s.world.login(&login()).await;
            primary.query(SAFE);
            primaries.push(primary);
        }
        s.world.primary("db-1");
        // Two writes take a connection each, and leave one to the read: the third write opens another.
        let third = s.replica.accept_raw().await;
        let mut asked = s.replica.accept().await;
        asked.is_asked().await;
        let mut under_way = Vec::new();
        for mut db in [s.db1, parked.remove(0)] {
            db.expect_reset().await;
            db.expect_set("").await;
            db.expect_query(SAFE).await;
            under_way.push(db);
        }
        asked.values(&["", &format!("{}:1,{}", uuid_of("db-1"), to(5)), "0"]);
        let mut db = parked.remove(0);
        db.expect_reset().await;
        db.expect_set("").await;
        db.answer_one(READ).await;
        s.client.expect(&one()).await;
        // Another read takes the connection that the first one left, also while others are busy or being opened.
        clients[0].query(READ);
        asked.is_asked().await;
        asked.values(&["", &format!("{}:1,{}", uuid_of("db-1"), to(5)), "0"]);
        db.answer_one(READ).await;
        clients[0].expect(&one()).await;
        drop(third);
    });
}

#[test]
fn reads_that_only_pass_leave_their_connection_to_each_other() {
    play(async {
        let mut s = story().await;
        let (_waited, mut db0) = s.behind().await;
        for _ in 0..3 {
            let mut passing = s.world.login(&login()).await;
            passing.query(READ);
            s.asked.tells(6).await;
            db0.answer_one(READ).await;
            passing.expect(&one()).await;
        }
        s.primary.expect_nobody().await;
        assert_eq!(s.world.context.metrics.steals.get(), 0);
    });
}

#[test]
fn a_replica_that_has_shown_nothing_of_a_new_primary_is_tried_without_a_read() {
    play(async {
        let world = world(strong());
        world.down("db-2");
        let (primary, db1) = (world.server("db-0"), world.server("db-1"));
        let mut client = world.login(&login()).await;
        // db-1 takes over, and db-0 has just begun to follow it.
        world.read_only("db-0");
        world.primary("db-1");
        world.replica_of("db-0", "db-1");
        let all = format!("{}:1,{}", uuid_of("db-1"), to(5));
        let began = tokio::time::Instant::now();
        client.query(READ);
        let mut asked = db1.accept().await;
        asked.is_asked().await;
        asked.values(&["", &all, "0"]);
        let mut db = db1.accept().await;
        db.expect_set("").await;
        let mut tried = primary.accept().await;
        assert_eq!(tried.user, "monitor");
        db.answer_one(READ).await;
        client.expect(&one()).await;
        assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
        // Once it has the write, it answers reads, and is waited for as ever.
        tried.waits_for(&all, "0").await;
        client.query(READ);
        asked.is_asked().await;
        asked.values(&["", &all, "0"]);
        let mut at_replica = primary.accept().await;
        at_replica.expect_read_only_set("").await;
        at_replica.answer_one(READ).await;
        client.expect(&one()).await;
        let more = format!("{}:1-2,{}", uuid_of("db-1"), to(5));
        client.query(READ);
        asked.is_asked().await;
        asked.values(&["", &more, "0"]);
        tried.expect_query(&wait_for(&more)).await;
        db.peer.expect_silence().await;
        tried.values(&["0"]);
        at_replica.answer_one(READ).await;
        client.expect(&one()).await;
    });
}

#[test]
fn a_probe_shows_that_a_replica_has_something_of_a_new_primary() {
    play(async {
        let world = world(strong());
        world.down("db-2");
        let (primary, db1) = (world.server("db-0"), world.server("db-1"));
        let mut client = world.login(&login()).await;
        world.read_only("db-0");
        world.primary("db-1");
        world.gets_to("db-0", &format!("{}:1,{}", uuid_of("db-1"), to(5)));
        world.replica_of("db-0", "db-1");
        let all = format!("{}:1-2,{}", uuid_of("db-1"), to(5));
        client.query(READ);
        let mut asked = db1.accept().await;
        asked.is_asked().await;
        asked.values(&["", &all, "0"]);
        let mut waited = primary.accept().await;
        waited.waits_for(&all, "0").await;
        let mut db = primary.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
        db1.expect_nobody().await;
    });
}
