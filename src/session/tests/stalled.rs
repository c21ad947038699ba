//! Clients that stop in the middle of a command or of its answer, and those that are only slow.

use std::time::Duration;

use super::commands::attached;
use super::*;
use crate::terms::Close;

/// So many ticks of the worker, a second after the other.
async fn seconds(world: &World, count: u32) {
    for _ in 0..count {
        world.context.every_second();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn stalls(world: &World) -> usize {
    world.context.handles().iter().filter(|handle| handle.stall.get().is_some()).count()
}

#[test]
fn a_client_that_reads_nothing_of_its_answer_is_cut_off() {
    play(async {
        let world = World::new();
        let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
        client.peer.set_full(true);
        client.query("select a from t");
        db.answer_one("select a from t").await;
        seconds(&world, 60).await;
        assert_eq!((stalls(&world), db.peer.has_ended()), (1, false));
        seconds(&world, 3).await;
        assert!(db.peer.has_ended(), "the server connection is held");
        assert_eq!(world.closed(Close::ClientWriteTimeout), 1);
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_client_that_reads_slowly_gets_all_of_its_answer() {
    play(async {
        let world = World::new();
        let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
        client.peer.set_full(true);
        client.query("select a from t");
        let answer = result_set(MODERN, &["a"], &[row(&["a value"])], AUTOCOMMIT);
        db.expect_query("select a from t").await;
        db.reply(&answer);
        // A byte in 50 seconds, for as long as it takes.
        let bytes = frames(1, &answer);
        for byte in &bytes[..bytes.len() - 1] {
            seconds(&world, 50).await;
            client.peer.set_room(Some(1));
            client.peer.expect_bytes(&[*byte]).await;
        }
        client.peer.set_full(false);
        client.peer.expect_bytes(&bytes[bytes.len() - 1..]).await;
        client.reads_on(&mut db, "select 2").await;
        assert_eq!(stalls(&world), 0);
    });
}

#[test]
fn the_rest_of_a_long_statement_is_waited_for_as_long_as_it_comes() {
    play(async {
        let world = World::new();
        let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
        let said = frames(0, &[query(&"x".repeat(300_000))]);
        client.peer.say(&said[..200_000]);
        db.peer.expect_bytes(&said[..200_000]).await;
        for byte in &said[200_000..200_020] {
            seconds(&world, 25).await;
            client.peer.say(&[*byte]);
        }
        db.peer.expect_bytes(&said[200_000..200_020]).await;
        seconds(&world, 30).await;
        assert_eq!((stalls(&world), db.peer.has_ended()), (1, false));
        seconds(&world, 3).await;
        client.expect_err(1159, "08S01").await;
        client.peer.expect_end().await;
        db.peer.expect_end().await;
        assert_eq!(world.closed(Close::ClientReadTimeout), 1);
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn half_of_a_command_holds_nothing_for_long() {
    // A header's half, a header, a statement that is read whole before it goes, and one that is thrown away.
    let long = frames(0, &[query(&"x".repeat(300_000))]);
    let whole = frames(0, &[query(&"x".repeat(100_000))]);
    let unknown = frames(0, &[command(0x77, [0; 300_000])]);
    for part in [&long[..2], &long[..4], &whole[..50_000], &unknown[..200_000]] {
        play(async {
            let world = World::new();
            let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
            client.query("begin");
            db.expect_query("begin").await;
            let begun = ok_with(IN_TRANS);
            db.reply(std::slice::from_ref(&begun));
            client.expect(&[begun]).await;
            client.peer.say(part);
            seconds(&world, 30).await;
            assert_eq!((stalls(&world), world.closed(Close::ClientReadTimeout)), (1, 0));
            seconds(&world, 3).await;
            client.expect_err(1159, "08S01").await;
            client.peer.expect_end().await;
            assert_eq!(world.closed(Close::ClientReadTimeout), 1);
            assert_eq!(world.context.session_count(), 0);
        });
    }
}

#[test]
fn half_of_a_local_file_ends_at_the_server_too() {
    play(async {
        for sent in [0, 200_000] {
            let world = World::new();
            let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
            client.hears_from(&mut db, "load data local infile 'f' into table t", &[b"\xfbf".to_vec()]).await;
            let said = frames(2, &[vec![b'x'; 300_000]]);
            client.peer.say(&said[..sent]);
            db.peer.expect_bytes(&said[..sent]).await;
            seconds(&world, 33).await;
            client.expect_err_at(if sent == 0 { 2 } else { 3 }, 1159, "08S01").await;
            client.peer.expect_end().await;
            db.peer.expect_end().await;
            world.expect_nothing_left(0).await;
        }
    });
}

#[test]
fn a_change_of_user_must_be_done_within_the_time_of_a_login() {
    play(async {
        let world = World::new();
        let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
        client.send(command(0x11, b"other\0\0\0\x2d\0caching_sha2_password\0"));
        let (seq, switch) = client.peer.packet().await;
        assert_eq!((seq, switch[0]), (1, 0xfe));
        // The server connection is another's meanwhile.
        let mut next = world.client().await;
        next.reads_on(&mut db, "select 1").await;
        seconds(&world, 10).await;
        assert_eq!(world.closed(Close::LoginTimeout), 0);
        seconds(&world, 3).await;
        client.peer.expect_end().await;
        assert_eq!(world.closed(Close::LoginTimeout), 1);
    });
}

#[test]
fn nobody_who_is_only_silent_is_counted() {
    play(async {
        let world = World::new();
        let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
        seconds(&world, 200).await;
        client.query("select 1");
        // The server takes its time.
        db.expect_query("select 1").await;
        seconds(&world, 200).await;
        assert_eq!(stalls(&world), 0);
        db.reply(&one());
        client.expect(&one()).await;
        assert_eq!(stalls(&world), 0);
    });
}
