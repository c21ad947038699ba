//! Packets of 16 MiB and more, and answers larger than any buffer.

use std::time::Duration;

use super::commands::attached;
use super::*;
use crate::wire::MAX_PAYLOAD;

/// Over 16 MiB: two packets, or three where the second is full as well.
fn sizes() -> [usize; 3] {
    [MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1000]
}

#[test]
fn packets_over_16_mib_pass_both_ways() {
    play(async {
        for size in sizes() {
            let world = World::with(Settings { chunk: 1 << 20, ..Settings::default() });
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let mut insert = query("insert into t values ('");
            insert.resize(size, b'x');
            client.send(insert.clone());
            db.expect(&insert).await;
            let seq = u8::try_from(size / MAX_PAYLOAD).unwrap() + 1;
            db.peer.say(&frames(seq, &[ok()]));
            client.peer.expect_bytes(&frames(seq, &[ok()])).await;

            // A row whose first value is as long begins with 0xfe, and its second packet with anything.
            let mut wide = vec![0xfe];
            wide.resize(size, 0xff);
            client.query("select a from t");
            db.expect_query("select a from t").await;
            if size < MAX_PAYLOAD {
                // With DEPRECATE_EOF, shorter is what ends rows.
                wide[0] = 0xfd;
            }
            let answer = result_set(MODERN, &["a"], &[wide, row(&["1"])], AUTOCOMMIT);
            db.reply(&answer);
            client.expect(&answer).await;
            client.send(vec![0x0e]);
            client.expect_ok().await;
            assert!(!db.peer.has_ended());
        }
    });
}

#[test]
fn large_packets_pass_to_a_client_that_waits_for_eof() {
    play(async {
        let style = Style { deprecate_eof: false, session_track: false };
        let world = World::with(Settings { chunk: 100_000, ..Settings::default() });
        let capabilities = super::connection_phase::wanted(crate::topology::Flavor::MySql, style);
        let (db0, login) = (world.server("db-0"), Login { capabilities, ..Login::default() });
        let mut client = world.login(&login).await;
        client.query("select a from t");
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.expect_query("select a from t").await;
        let answer = |style| {
            let wide = vec![0xfe; MAX_PAYLOAD + 9];
            result_set(style, &["a"], &[wide, row(&["1"]), row(&[&"y".repeat(40_000)])], AUTOCOMMIT)
        };
        db.reply(&answer(MODERN));
        client.expect(&answer(style)).await;
    });
}

#[test]
fn sequence_ids_wrap() {
    play(async {
        for style in super::connection_phase::styles() {
            let world = World::new();
            let capabilities = super::connection_phase::wanted(crate::topology::Flavor::MySql, style);
            let (db0, login) = (world.server("db-0"), Login { capabilities, ..Login::default() });
            let mut client = world.login(&login).await;
            client.query("select a from t");
            let mut db = db0.accept().await;
            db.expect_set("").await;
            db.expect_query("select a from t").await;
            let rows = vec![row(&["value"]); 1000];
            db.reply(&result_set(MODERN, &["a"], &rows, AUTOCOMMIT));
            client.expect(&result_set(style, &["a"], &rows, AUTOCOMMIT)).await;
        }
    });
}

#[test]
fn a_command_longer_than_a_buffer_on_a_new_connection_goes_behind_the_state() {
    play(async {
        for size in [16 * 1024 - 4, 16 * 1024 - 3, 20_000, 300_000] {
            let world = World::with(Settings { chunk: 1000, ..Settings::default() });
            let db0 = world.server("db-0");
            let mut client = world.client().await;
            let mut insert = query("insert into t values ('");
            insert.resize(size, b'x');
            let said = [frames(0, &[insert.clone()]), frames(0, &[query("do 1")])].concat();
            client.peer.say(&said);
            let mut db = db0.accept().await;
            db.expect_set("").await;
            db.expect(&insert).await;
            db.peer.expect_silence().await;
            db.reply_ok();
            client.expect_ok().await;
            db.answer_ok("do 1").await;
            client.expect_ok().await;
        }
    });
}

#[test]
fn a_server_lost_in_the_middle_of_a_long_command() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let said = frames(0, &[query(&"x".repeat(200_000))]);
        client.peer.say(&said[..100_000]);
        db.peer.expect_bytes(&said[..100_000]).await;
        db.die();
        client.peer.expect_silence().await;
        client.peer.say(&said[100_000..]);
        // What it would have left behind is not known: the client must connect again.
        client.expect_err(1105, "08007").await;
        client.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_long_command_cut_off_by_a_demotion_does_not_wait_for_an_answer() {
    play(async {
        let world = World::new();
        let (mut client, _, mut old) = attached(&world, &Login::default()).await;
        let mut insert = query("insert into t values ('");
        insert.resize(400_000, b'x');
        let bytes = frames(0, &[insert]);
        let (head, tail) = bytes.split_at(300_000);
        client.peer.say(head);
        old.peer.hear(200_000).await;
        world.read_only("db-0");
        world.primary("db-1");
        client.peer.say(tail);
        let text = client.expect_err(1105, "08007").await;
        assert!(text.contains("may or may not"), "{text}");
        let heard = 200_000 + old.peer.hear_to_end().await;
        assert!(heard < bytes.len(), "the rest must not reach a demoted server");
    });
}

#[test]
fn the_loss_of_a_replica_does_not_stop_a_write_under_way_on_the_primary() {
    play(async {
        for length in [60_000, 400_000] {
            let mut s = super::split::story().await;
            // The replica's connection is kept for its warnings.
            s.client.query(super::split::READ);
            s.db1.expect_query(super::split::READ).await;
            let mut warned = one();
            let last = warned.len() - 1;
            warned[last] = vec![0xfe, 0, 0, 2, 0, 1, 0];
            s.db1.reply(&warned);
            s.client.expect(&warned).await;
            let mut insert = query("insert into t values ('");
            insert.resize(length, b'x');
            let bytes = frames(0, &[insert.clone()]);
            s.db0.peer.set_full(true);
            s.client.peer.say(&bytes);
            tokio::time::sleep(Duration::from_millis(10)).await;
            s.world.down("db-1");
            tokio::time::sleep(Duration::from_millis(10)).await;
            s.db0.peer.set_full(false);
            s.db0.expect(&insert).await;
            s.db0.reply_ok();
            s.client.expect_ok().await;
        }
    });
}

#[test]
fn a_session_keeps_so_many_bytes_of_prepared_statements() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let text = |n: u8| command(0x16, [&[b' '; 13 << 20][..], b"select ", &[b'0' + n]].concat());
        for n in 1..=4 {
            client.send(text(n));
            db.expect(text(n)).await;
            db.reply(&prepared(MODERN, n.into(), 0..0, &[]));
            client.expect(&prepared(MODERN, n.into(), 0..0, &[])).await;
        }
        client.send(text(5));
        client.expect_err(1461, "42000").await;
        client.send(command(0x19, 1u32.to_le_bytes()));
        client.send(text(6));
        db.expect(text(6)).await;
        db.reply(&prepared(MODERN, 6, 0..0, &[]));
        client.expect(&prepared(MODERN, 5, 0..0, &[])).await;
    });
}

#[test]
fn a_long_text_is_prepared_behind_the_state_and_again_on_another_server() {
    play(async {
        let world = World::with(Settings { chunk: 50_000, ..Settings::default() });
        let (db0, db1) = (world.server("db-0"), world.server("db-1"));
        let mut client = world.client().await;
        let text = command(0x16, [b"select ", &[b' '; 900_000][..], b"1"].concat());
        let said = [frames(0, std::slice::from_ref(&text)), frames(0, &[query("do 1")])].concat();
        client.peer.say(&said);
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.expect(&text).await;
        db.reply(&prepared(MODERN, 1, 0..0, &[]));
        client.expect(&prepared(MODERN, 1, 0..0, &[])).await;
        // What came behind it is there still.
        db.answer_ok("do 1").await;
        client.expect_ok().await;
        failover::switch(&world);
        client.send(command(0x17, [&1u32.to_le_bytes()[..], &[0, 1, 0, 0, 0]].concat()));
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.expect(&text).await;
        db.reply(&prepared(MODERN, 7, 0..0, &[]));
        db.expect(command(0x17, [&7u32.to_le_bytes()[..], &[0, 1, 0, 0, 0]].concat())).await;
        db.reply_ok();
        client.expect_ok().await;
    });
}

/// What a server sends that stops reading at the packet with this number.
fn too_large(seq: u8) -> Vec<u8> {
    frames(seq, &[err(1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes")])
}

#[test]
fn a_server_that_stops_reading_in_the_middle_says_why() {
    play(async {
        for read in 1..3 {
            let world = World::with(Settings { chunk: 1 << 20, ..Settings::default() });
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let mut insert = query("insert into t values ('");
            insert.resize(3 * MAX_PAYLOAD + 1000, b'x');
            let said = frames(0, &[insert]);
            let (head, tail) = said.split_at(MAX_PAYLOAD * usize::from(read) + 100_000);
            client.peer.say(head);
            db.peer.hear(head.len()).await;
            db.peer.say(&too_large(read));
            db.die();
            client.peer.say(tail);
            client.peer.expect_bytes(&too_large(read)).await;
            client.peer.expect_end().await;
            // The server is as it was.
            assert!(world.outside.kicks.borrow().is_empty());
            world.expect_nothing_left(0).await;
        }
    });
}

#[test]
fn a_server_that_refuses_long_data_says_why() {
    play(async {
        // The part that the server does not read is the request's last one, or not.
        for unread in [1, 100_000, 3 << 20] {
            let world = World::with(Settings { chunk: 1 << 20, ..Settings::default() });
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let insert = command(0x16, "insert into t values (?)");
            client.send(insert.clone());
            db.expect(&insert).await;
            db.reply(&prepared(MODERN, 1, 0..1, &[]));
            client.expect(&prepared(MODERN, 1, 0..1, &[])).await;
            let mut data = command(0x18, b"\x01\0\0\0\0\0");
            data.resize(4 << 20, b'x');
            let said = frames(0, &[data]);
            let (head, tail) = said.split_at(said.len() - unread);
            client.peer.say(head);
            db.peer.hear(head.len()).await;
            db.peer.say(&too_large(1));
            db.die();
            client.peer.say(tail);
            client.peer.expect_bytes(&too_large(1)).await;
            client.peer.expect_end().await;
            assert!(world.outside.kicks.borrow().is_empty());
            world.expect_nothing_left(0).await;
        }
    });
}

#[test]
fn an_err_packet_about_the_size_ends_the_session_only_if_the_server_closed_the_connection() {
    play(async {
        for closes in [false, true] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            client.query("insert into t values (1)");
            db.expect_query("insert into t values (1)").await;
            db.peer.say(&too_large(1));
            if closes {
                db.die();
                client.peer.expect_bytes(&too_large(1)).await;
                client.peer.expect_end().await;
                continue;
            }
            db.expect(command(0x0e, [])).await;
            db.reply_ok();
            client.peer.expect_bytes(&too_large(1)).await;
            client.runs_on(&mut db, "do 1").await;
        }
    });
}

#[test]
fn another_answer_in_the_middle_of_a_request_is_not_forwarded() {
    play(async {
        let world = World::with(Settings { chunk: 1 << 20, ..Settings::default() });
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let mut insert = query("insert into t values ('");
        insert.resize(2 * MAX_PAYLOAD + 1000, b'x');
        let said = frames(0, &[insert]);
        let (head, tail) = said.split_at(2 * MAX_PAYLOAD);
        client.peer.say(head);
        db.peer.hear(head.len()).await;
        db.peer.say(&frames(1, &[ok()]));
        db.die();
        client.peer.say(tail);
        let (_, packet) = client.peer.packet().await;
        assert!(packet.starts_with(b"\xff\x51\x04#08S01"), "{packet:?}");
        client.peer.expect_end().await;
    });
}
