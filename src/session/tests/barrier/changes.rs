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
        let mut writer = s.world.login(&login()).await;
        writer.query(SAFE);
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
        writer.expect_ok().await;
        // Who stays opens another.
        s.client.query(SAFE);
        let mut db = s.primary.accept().await;
        db.expect_set("").await;
        db.answer_ok(SAFE).await;
        s.client.expect_ok().await;
    });
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
        let mut writer = s.world.login(&login()).await;
        writer.query(SAFE);
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
        writer.expect_ok().await;
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
        asked.expect_query(POSITION).await;
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
        asked.expect_query(POSITION).await;
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
        asked.expect_query(POSITION).await;
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
            asked.expect_query(POSITION).await;
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
        asked.expect_query(POSITION).await;
        asked.values(&[&committing, &to(5), "0"]);
        at_1.expect_query(SEEN).await;
        at_1.die();
        let mut waited = primary.accept().await;
        waited.waits_for(&all, "0").await;
        db.answer_one(READ).await;
        client.expect(&one()).await;
        assert_eq!(world.context.metrics.questions[Question::Seen as usize].get(), 8);
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
        asked.expect_query(POSITION).await;
        asked.values(&["", &all, "0"]);
        let mut waited = db1.accept().await;
        waited.waits_for(&all, "0").await;
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(STRONG).await;
        client.expect(&one()).await;
    });
}
