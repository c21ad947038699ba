//! COM_BINLOG_DUMP and its like: a stream once the server has begun it, and until then a command like any other.

use super::commands::attached;
use super::*;
use crate::terms::Port;

const ATTACK: &str = "set session transaction_read_only = 0";

/// Both commands, from the first position of a file.
fn dumps() -> [Vec<u8>; 2] {
    let gtid = [&[0; 6][..], &[0; 4], &[4, 0, 0, 0, 0, 0, 0, 0], &[0; 4]].concat();
    [command(0x12, [4, 0, 0, 0, 0, 0, 7, 0, 0, 0]), command(0x1e, gtid)]
}

fn settings(chunk: usize) -> Settings {
    Settings { chunk, ..Settings::default() }
}

#[test]
fn a_replication_stream_passes_both_ways_until_one_side_ends() {
    play(async {
        for dump in dumps() {
            for chunk in [1, 5, usize::MAX] {
                let world = World::with(settings(chunk));
                let (mut client, _, mut db) = attached(&world, &Login::default()).await;
                client.send(dump.clone());
                db.expect(&dump).await;
                let events = frames(1, &[b"\0event one".to_vec(), b"\0event two".to_vec()]);
                db.peer.say(&events);
                client.peer.expect_bytes(&events).await;
                // As a semi-synchronous replica acknowledges in the middle of the stream.
                client.peer.say(b"\x03\0\0\0\xefok");
                db.peer.expect_bytes(b"\x03\0\0\0\xefok").await;
                db.die();
                client.peer.expect_end().await;
                world.expect_nothing_left(0).await;
            }
        }
    });
}

#[test]
fn what_stands_behind_a_dump_that_is_refused_is_a_command_like_any_other() {
    play(async {
        for dump in dumps() {
            for chunk in [1, 5, usize::MAX] {
                let world = World::with(settings(chunk));
                world.down("db-2");
                let db1 = world.server("db-1");
                let mut client = world.login(&Login { port: Port::Replica, ..Login::default() }).await;
                let all = [dump.clone(), query(ATTACK), query("select a from t")];
                client.peer.say(&all.map(|payload| frames(0, &[payload])).concat());
                let mut db = db1.accept().await;
                db.expect_read_only_set("").await;
                db.expect(&dump).await;
                db.peer.expect_silence().await;
                client.peer.expect_silence().await;
                db.reply(&[err(1227, "42000", "Access denied")]);
                client.expect_err(1227, "42000").await;
                client.expect_err(1290, "HY000").await;
                // The next one, on the same connection.
                db.answer_one("select a from t").await;
                client.expect(&one()).await;
                // Which is nobody else's afterwards.
                client.quit();
                db.peer.expect_end().await;
                world.expect_nothing_left(0).await;
            }
        }
    });
}

#[test]
fn a_server_that_ends_behind_its_refusal_costs_that_session_only() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let [dump, _] = dumps();
        client.send(dump.clone());
        db.expect(&dump).await;
        db.reply(&[err(1236, "HY000", "Could not find first log file name in binary log index file")]);
        db.die();
        client.expect_err(1236, "HY000").await;
        client.query("do 1");
        client.expect_err(1053, "08S01").await;
        client.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn no_command_reaches_a_server_through_a_stream() {
    play(async {
        for chunk in [1, 5, usize::MAX] {
            for at_once in [true, false] {
                let world = World::with(settings(chunk));
                let (mut client, _, mut db) = attached(&world, &Login::default()).await;
                let [dump, _] = dumps();
                let attack = frames(0, &[query(ATTACK)]);
                client.peer.say(&frames(0, std::slice::from_ref(&dump)));
                if at_once {
                    client.peer.say(&attack);
                }
                db.expect(&dump).await;
                let events = frames(1, &[b"\0event one".to_vec()]);
                db.peer.say(&events);
                client.peer.expect_bytes(&events).await;
                if !at_once {
                    client.peer.say(&attack);
                }
                client.peer.expect_end().await;
                // At most a header is there, which is no command.
                assert!(db.peer.hear_to_end().await <= 4);
                world.expect_nothing_left(0).await;
            }
        }
    });
}

#[test]
fn the_end_of_a_stream_ends_the_session() {
    play(async {
        for chunk in [1, 5, usize::MAX] {
            for last in [eof(2), err(1236, "HY000", "log event entry exceeded max_allowed_packet")] {
                let world = World::with(settings(chunk));
                let (mut client, _, mut db) = attached(&world, &Login::default()).await;
                let [dump, _] = dumps();
                client.send(dump.clone());
                db.expect(&dump).await;
                let stream = frames(1, &[b"\0event one".to_vec(), last]);
                db.peer.say(&stream);
                client.peer.expect_bytes(&stream).await;
                client.peer.expect_end().await;
                db.peer.expect_end().await;
                world.expect_nothing_left(0).await;
            }
        }
    });
}

#[test]
fn commands_of_servers_among_themselves_reach_none() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        for byte in [0x13, 0x20, 0x0b, 0x0f, 0x10, 0x14, 0x1d, 0x21, 0xfb, 0xfe, 0xff] {
            client.send(command(byte, "t"));
            client.expect_err(1047, "08S01").await;
        }
        db.peer.expect_silence().await;
    });
}

#[test]
fn a_connection_that_registered_a_replica_is_nobody_elses() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let register = command(0x15, [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        client.send(register.clone());
        db.expect(&register).await;
        db.reply_ok();
        client.expect_ok().await;
        client.quit();
        db.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}
