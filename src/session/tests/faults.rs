//! Peers that break the protocol lose their own connection, and nobody else's.

use super::commands::attached;
use super::*;
use crate::terms::Close;
use crate::wire::Capabilities;

#[test]
fn a_clients_wrong_sequence_ids() {
    play(async {
        for chunk in [1, usize::MAX] {
            let world = World::with(Settings { chunk, ..Settings::default() });
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            client.peer.say(&frames(5, &[query("do 1")]));
            client.expect_err_at(6, 1156, "08S01").await;
            client.peer.expect_end().await;
            db.expect_silence().await;
            assert_eq!(world.closed(Close::ClientProtocol), 1);
            world.expect_nothing_left(1).await;
        }
    });
}

#[test]
fn a_clients_wrong_sequence_ids_within_a_long_command_or_a_file() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.hears_from(&mut db, "load data local infile 'f' into table t", &[b"\xfbf".to_vec()]).await;
        client.peer.say(&[frames(2, &[b"1,one\n".to_vec()]), frames(7, &[Vec::new()])].concat());
        client.expect_err_at(3, 1156, "08S01").await;
        client.peer.expect_end().await;
        db.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}

/// A server that was taken over, or that somebody stands in front of, asks the client for its files.
#[test]
fn a_server_gets_only_files_that_the_client_names() {
    play(async {
        let offers = Login::default();
        let offers_none =
            Login { capabilities: offers.capabilities - Capabilities::LOCAL_FILES, ..offers.clone() };
        for (login, sql) in [
            (&offers, "select 1"),
            (&offers, "insert into t values (1)"),
            (&offers, "load data infile '/etc/passwd' into table t"),
            (&offers, "load data local infile 'f' into table t"),
            (&offers, "select 'load data local infile \\'/etc/passwd\\' into table t'"),
            (&offers, "select 1 /* load data local infile '/etc/passwd' into table t */"),
            (&offers, "load data local infile 'f' into table t fields terminated by '/etc/passwd'"),
            (&offers_none, "load data local infile '/etc/passwd' into table t"),
        ] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, login).await;
            client.query(sql);
            db.expect_query(sql).await;
            db.reply(&[b"\xfb/etc/passwd".to_vec()]);
            let text = client.expect_err(1105, "08S01").await;
            assert!(text.contains("a local file"), "{sql}: {text}");
            client.peer.expect_end().await;
            db.peer.expect_end().await;
            world.expect_nothing_left(0).await;
        }
    });
}

#[test]
fn a_named_file_is_read_however_the_statement_is_written() {
    play(async {
        for sql in [
            "LOAD DATA LOCAL INFILE 'a''b' INTO TABLE t",
            "load data low_priority local infile \"a'b\" into table t",
            "load data concurrent local infile 'a\\'b' ignore into table t",
            "load data from local infile 'a\\'b' into table t",
            "load xml local infile 'a\\'b' into table t rows identified by '<x>'",
            "select 1; load data local infile 'c' into table t; load data local infile 'a\\'b' into table u",
            "/*!50000 load data local infile 'a\\'b' */ into table t",
            "load data /*!99999 low_priority */ local infile /*M!100000 'c' */ 'a\\'b' into table t",
            "load data local -- x\n infile # y\n 'a\\'b' into table t",
        ] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            client.hears_from(&mut db, sql, &[b"\xfba'b".to_vec()]).await;
            client.peer.say(&frames(2, &[b"1\n".to_vec(), Vec::new()]));
            db.peer.expect_bytes(&frames(2, &[b"1\n".to_vec(), Vec::new()])).await;
            db.peer.say(&frames(4, &[ok()]));
            client.peer.expect_bytes(&frames(4, &[ok()])).await;
        }
    });
}

/// MariaDB prepares it; the name is in the text that was prepared.
#[test]
fn a_prepared_statement_names_its_file() {
    play(async {
        for (asked, is_named) in [("f", true), ("/etc/passwd", false)] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let text = command(0x16, "load data local infile 'f' into table t");
            client.send(text.clone());
            db.expect(&text).await;
            db.reply(&prepared(MODERN, 1, 0..0, &[]));
            client.expect(&prepared(MODERN, 1, 0..0, &[])).await;
            let execute = command(0x17, [1, 0, 0, 0, 0, 1, 0, 0, 0]);
            client.send(execute.clone());
            db.expect(&execute).await;
            let ask = [b"\xfb", asked.as_bytes()].concat();
            db.reply(std::slice::from_ref(&ask));
            if is_named {
                client.expect(&[ask]).await;
            } else {
                client.expect_err(1105, "08S01").await;
                client.peer.expect_end().await;
            }
        }
    });
}

#[test]
fn garbage_in_place_of_a_login() {
    play(async {
        let wrong = [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            frames(0, &[vec![0; 40]]),
            frames(1, &[vec![0; 40]]),
            frames(1, &[vec![0xff; 33]]),
            vec![0xff, 0xff, 0xff, 1],
        ];
        for chunk in [1, usize::MAX] {
            for bytes in &wrong {
                let world = World::with(Settings { chunk, ..Settings::default() });
                let mut peer = world.socket(&Login::default());
                peer.packet().await;
                peer.say(bytes);
                let (_, payload) = peer.packet().await;
                assert_eq!(payload[..3], [0xff, 0x13, 0x04], "1043: {}", payload.escape_ascii());
                peer.expect_end().await;
                assert_eq!(world.closed(Close::ClientProtocol), 1);
                world.expect_nothing_left(0).await;
            }
        }
    });
}

#[test]
fn a_login_with_a_wrong_sequence_id() {
    play(async {
        let world = World::new();
        for seq in [0, 2] {
            let refused = world.attempt(&Login { seq, ..Login::default() }).await.err().unwrap();
            assert_eq!((refused.code, &*refused.sqlstate), (1043, "08S01"));
        }
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn a_server_that_answers_the_state_with_a_wrong_sequence_id() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let mut client = world.client().await;
        client.query("insert into t values (1)");
        let mut db = db0.accept().await;
        db.expect_query(super::server::SET).await;
        db.expect_query("insert into t values (1)").await;
        db.peer.say(&frames(4, &[ok()]));
        client.expect_err(1105, "08S01").await;
        client.peer.expect_end().await;
        db.peer.expect_end().await;
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn commands_that_are_none() {
    play(async {
        let world = World::new();
        let mut client = world.client().await;
        client.send(Vec::new());
        client.expect_err(1835, "HY000").await;
        client.peer.expect_end().await;
        let mut client = world.client().await;
        client.send(command(0x11, b"no end of the name"));
        client.expect_err(1835, "HY000").await;
        client.peer.expect_end().await;
        let mut client = world.client().await;
        client.send(command(0x0c, [1, 2]));
        client.expect_err(1047, "08S01").await;
        // A compressed header: nothing can be said.
        let mut client = world.client().await;
        client.peer.say(b"\x09\0\0\0\0\0\0\x05\0\0\0\x03do 1");
        client.peer.expect_end().await;
    });
}

#[test]
fn a_client_that_closes_in_the_middle_of_a_command() {
    play(async {
        for said in [2, 4, 7] {
            let world = World::new();
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            client.peer.say(&frames(0, &[query("do 1")])[..said]);
            drop(client);
            db.expect_silence().await;
            assert_eq!(world.closed(Close::ClientLost), 1);
            world.expect_nothing_left(1).await;
        }
    });
}

#[test]
fn a_server_that_breaks_the_protocol() {
    play(async {
        let answers: [Vec<u8>; 6] = [
            // A wrong sequence id.
            frames(7, &[ok()]),
            // No result begins with an EOF.
            frames(1, &[eof(AUTOCOMMIT)]),
            // An empty packet.
            frames(1, &[Vec::new()]),
            // An OK packet that is cut.
            frames(1, &[vec![0, 0, 0]]),
            // More columns than there are numbers for.
            frames(1, &[vec![0xfe, 1, 2]]),
            // An ERR packet of 2 MiB.
            frames(1, &[[vec![0xff; 9], vec![b'x'; 2 << 20]].concat()]),
        ];
        for chunk in [1 << 10, usize::MAX] {
            for answer in &answers {
                let world = World::with(Settings { chunk, ..Settings::default() });
                let (mut client, _, mut db) = attached(&world, &Login::default()).await;
                client.query("select a from t");
                db.expect_query("select a from t").await;
                db.peer.say(answer);
                let text = client.expect_err(1105, "08S01").await;
                assert!(text.starts_with("pointsman: the server broke the protocol"), "{text}");
                client.peer.expect_end().await;
                db.peer.expect_end().await;
                assert_eq!(world.closed(Close::ServerProtocol), 1);
                world.expect_nothing_left(0).await;
            }
        }
    });
}

#[test]
fn a_server_that_breaks_the_protocol_between_rows() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("select a from t");
        db.expect_query("select a from t").await;
        let begun = head_and_rows(MODERN, &["a"], &[row(&["1"])]);
        db.peer.say(&[frames(1, &begun), frames(9, &[row(&["2"])])].concat());
        client.expect(&begun).await;
        let seq = u8::try_from(begun.len()).unwrap() + 1;
        client.expect_err_at(seq, 1105, "08S01").await;
        client.peer.expect_end().await;
        db.peer.expect_end().await;
    });
}

#[test]
fn a_server_that_speaks_unasked_is_left() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        // As MariaDB says that it is shut down, before it closes.
        db.peer.say(&frames(0, &[err(1927, "70100", "Connection was killed")]));
        client.peer.expect_silence().await;
        client.query("insert into t values (1)");
        let mut fresh = db0.accept().await;
        fresh.expect_set("").await;
        fresh.expect_query("insert into t values (1)").await;
        db.peer.expect_end().await;
    });
}

#[test]
fn a_server_that_greets_like_no_server() {
    play(async {
        let world = World::with(Settings {
            change: |live| live.failover.hold = std::time::Duration::from_millis(100),
            ..Settings::default()
        });
        let db0 = world.server("db-0");
        for greeting in [frames(0, &[b"SSH-2.0".to_vec()]), frames(3, &[ok()]), vec![0xff; 8]] {
            let mut client = world.client().await;
            client.query("do 1");
            let answer = async {
                loop {
                    let mut peer = db0.accept_raw().await;
                    peer.say(&greeting);
                    peer.expect_end().await;
                }
            };
            tokio::select! {
                () = answer => {}
                text = client.expect_err(1105, "08S01") => assert!(text.contains("no server could be reached"), "{text}"),
            }
            client.quit();
            while db0.listener.try_accept().is_some() {}
            world.expect_nothing_left(0).await;
        }
    });
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_longer_than_the_connect_timeout() {
    play(async {
        let world = World::with(Settings {
            change: |live| live.failover.hold = std::time::Duration::from_secs(5),
            ..Settings::default()
        });
        let db0 = world.server("db-0");
        let mut client = world.client().await;
        client.query("do 1");
        let mut first = db0.accept_raw().await;
        first.expect_end().await;
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.answer_ok("do 1").await;
        client.expect_ok().await;
    });
}
