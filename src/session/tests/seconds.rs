//! What a worker does once a second: it looks at the sessions for which something may be due, and at no other.

use std::sync::Arc;
use std::time::Duration;

use super::commands::attached;
use super::*;
use crate::terms::Close;

fn idle_limit(world: &World, seconds: u64) {
    let mut live = (*world.context.live()).clone();
    live.timeouts.idle = Duration::from_secs(seconds);
    world.context.new_settings(Arc::new(live));
}

/// How many sessions the next seconds look at.
async fn looks(world: &World, seconds: usize) -> Vec<usize> {
    let mut looks = Vec::new();
    for _ in 0..seconds {
        looks.push(world.context.every_second());
        // The sessions act on their signals.
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    looks
}

#[test]
fn silent_sessions_are_not_looked_at() {
    play(async {
        let world = World::new();
        let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
        let _silent = [world.client().await, world.client().await];
        assert_eq!(looks(&world, 4).await, [3, 0, 0, 0]);
        // A statement under way is, in each second.
        client.query("do 2");
        db.expect_query("do 2").await;
        assert_eq!(looks(&world, 3).await, [1, 1, 1]);
        db.reply(&[ok()]);
        client.expect_ok().await;
        assert_eq!(looks(&world, 3).await, [1, 0, 0]);
        // So is a part of a command.
        client.peer.say(&[5, 0, 0, 0, 3]);
        client.peer.expect_silence().await;
        assert_eq!(looks(&world, 3).await, [1, 1, 1]);
    });
}

#[test]
fn silence_ends_when_its_time_is_over() {
    play(async {
        let world = World::new();
        idle_limit(&world, 5);
        let (first, mut second) = (world.client().await, world.client().await);
        assert_eq!(looks(&world, 3).await, [2, 0, 0]);
        second.send(vec![0x0e]);
        second.expect_ok().await;
        // The second that follows a command looks at its session. The sixth ends the session that said nothing, and finds
        // that the other one did.
        assert_eq!(looks(&world, 3).await, [1, 0, 2]);
        assert_eq!(world.closed(Close::IdleTimeout), 1);
        assert_eq!(looks(&world, 3).await, [0, 0, 1]);
        assert_eq!(world.closed(Close::IdleTimeout), 2);
        drop((first, second));
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_new_limit_is_everybody_s() {
    play(async {
        let world = World::new();
        let _clients = [world.client().await, world.client().await];
        assert_eq!(looks(&world, 20).await[..3], [2, 0, 0]);
        idle_limit(&world, 25);
        assert_eq!(looks(&world, 6).await, [2, 0, 0, 0, 0, 2]);
        assert_eq!(world.closed(Close::IdleTimeout), 2);
    });
}

#[test]
fn who_has_left_is_forgotten() {
    play(async {
        let world = World::new();
        let clients = [world.client().await, world.client().await];
        assert_eq!(looks(&world, 2).await, [2, 0]);
        assert_eq!(world.context.seconds.silent(), 2);
        drop(clients);
        assert_eq!(looks(&world, 2).await, [0, 0]);
        assert_eq!(world.context.seconds.silent(), 0);
    });
}
