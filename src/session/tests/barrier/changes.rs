//! Fresh reads at a change of the primary, when many want something of the new one.

use super::*;
use crate::session::tests::failover::SAFE;

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
