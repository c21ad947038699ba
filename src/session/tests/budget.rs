//! One statement waits for `failover.hold` in all, however many primaries come and go meanwhile.

use std::time::Duration;

use super::commands::attached;
use super::failover::SAFE;
use super::server::SET;
use super::*;
use crate::terms::Disruption;

const HOLD: Duration = Duration::from_secs(30);

/// The client's statement ends with this error when `failover.hold` is over, and not before.
async fn expect_expired(world: &World, client: &mut Client, began: tokio::time::Instant) {
    let text = client.expect_err(1290, "HY000").await;
    assert!(text.contains("none appeared within 30.0 s (failover.hold)"), "{text}");
    let waited = began.elapsed();
    assert!(waited >= HOLD && waited < HOLD + Duration::from_secs(1), "{waited:?}");
    assert_eq!(world.disrupted(Disruption::HoldExpired), 1);
}

#[test]
fn a_second_loss_leaves_what_is_left() {
    play(async {
        let world = World::new();
        let (mut client, _, _db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        world.down("db-0");
        let began = tokio::time::Instant::now();
        client.query(SAFE);
        tokio::time::sleep(Duration::from_secs(20)).await;
        world.primary("db-1");
        // It is lost again before it has the statement.
        let peer = db1.accept_raw().await;
        world.down("db-1");
        drop(peer);
        expect_expired(&world, &mut client, began).await;
    });
}

#[test]
fn a_primary_that_refuses_leaves_what_is_left() {
    play(async {
        let world = World::new();
        let (mut client, _, _db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        world.down("db-0");
        let began = tokio::time::Instant::now();
        client.query(SAFE);
        tokio::time::sleep(Duration::from_secs(20)).await;
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.expect_query(SAFE).await;
        db.reply(&[err(1290, "HY000", "--read-only")]);
        world.read_only("db-1");
        expect_expired(&world, &mut client, began).await;
    });
}

#[test]
fn a_transaction_that_runs_again_waits_no_longer() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        begin(&mut client, &mut db).await;
        world.down("db-0");
        db.die();
        let began = tokio::time::Instant::now();
        client.query("insert into t values (1)");
        tokio::time::sleep(Duration::from_secs(20)).await;
        world.primary("db-1");
        let mut db = db1.accept().await;
        db.expect_query(SET).await;
        world.down("db-1");
        db.die();
        let text = client.expect_err(1213, "40001").await;
        assert!(text.contains("rolled back"), "{text}");
        assert!(began.elapsed() < HOLD + Duration::from_secs(1), "{:?}", began.elapsed());
    });
}

/// The time in which a server executes a statement is nobody's wait.
#[test]
fn a_statement_that_ran_for_long_has_all_of_it() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        client.query(SAFE);
        db.expect_query(SAFE).await;
        tokio::time::sleep(Duration::from_secs(25)).await;
        let began = tokio::time::Instant::now();
        world.down("db-0");
        db.reply(&[err(1290, "HY000", "--read-only")]);
        tokio::time::sleep(Duration::from_secs(20)).await;
        db1.expect_nobody().await;
        expect_expired(&world, &mut client, began).await;
    });
}

/// Nothing of it is left over for the next one.
#[test]
fn the_next_statement_has_a_budget_of_its_own() {
    play(async {
        let world = World::new();
        let mut client = world.client().await;
        world.down("db-0");
        for _ in 0..2 {
            client.query(SAFE);
            let began = tokio::time::Instant::now();
            client.expect_err(1290, "HY000").await;
            assert_eq!(began.elapsed().as_secs(), HOLD.as_secs());
        }
    });
}
