//! Commands and answers: the product of EOF style and session tracking on either leg,
//! flavor and chunk size. The bytes that a server hears are the client's; what it answers
//! comes out byte for byte where the legs agree, and as the client's own leg writes it
//! where they do not.

use super::connection_phase::{settings, styles, wanted};
use super::*;
use crate::topology::Flavor;
use crate::wire::Capabilities;

/// A command as the client says it and as the server hears it, and its answer as a leg of this style has it.
struct Exchange {
    command: Vec<u8>,
    heard: Vec<u8>,
    answer: Box<dyn Fn(Style) -> Vec<Vec<u8>>>,
    /// The statement's ids in the first packet of the answer: the server's, and the client's.
    ids: Option<[u32; 2]>,
}

fn exchange(command: Vec<u8>, answer: impl Fn(Style) -> Vec<Vec<u8>> + 'static) -> Exchange {
    Exchange { heard: command.clone(), command, answer: Box::new(answer), ids: None }
}

/// A statement is prepared that the server calls so, and the client so.
fn prepares(text: &str, ids: [u32; 2], answer: impl Fn(Style, u32) -> Vec<Vec<u8>> + 'static) -> Exchange {
    let at_server = move |style| answer(style, ids[0]);
    Exchange { ids: Some(ids), ..exchange(command(0x16, text), at_server) }
}

/// A command on a statement with these ids.
fn names(byte: u8, ids: [u8; 2], rest: &[u8], answer: impl Fn(Style) -> Vec<Vec<u8>> + 'static) -> Exchange {
    let [heard, said] = ids.map(|id| command(byte, [&[id, 0, 0, 0], rest].concat()));
    Exchange { heard, ..exchange(said, answer) }
}

fn rows() -> Vec<Vec<u8>> {
    let long = "x".repeat(300);
    // In the place of a first packet, NULL would ask for a local file and an empty value be an OK packet.
    vec![row(&["1", "one"]), vec![0xfb, 0xfb], row(&["", ""]), row(&[&long, "2"])]
}

/// What passes untouched where the styles agree.
fn plain(text: impl Fn(&str) -> Vec<u8>) -> Vec<Exchange> {
    let table = |style| result_set(style, &["a", "b"], &rows(), AUTOCOMMIT);
    let many = |style| {
        let first = result_set(style, &["a", "b"], &rows(), MORE);
        [first, vec![ok_with(MORE)], result_set(style, &["c"], &[], AUTOCOMMIT)].concat()
    };
    let cut = |style| {
        let error = err(1317, "70100", "Query execution was interrupted");
        [head_and_rows(style, &["a", "b"], &rows()), vec![error]].concat()
    };
    let none = |style| [head_and_rows(style, &["a"], &[]), vec![err(1030, "HY000", "Got error 28")]].concat();
    let cursor = |style: Style| vec![vec![1], column("a"), end(style, CURSOR)];
    // A cursor that a procedure has open: the flag is in all that it answers, to the end on MySQL.
    let open = |style| {
        let first = result_set(style, &["a", "b"], &rows(), MORE | CURSOR);
        [first, result_set(style, &["c"], &[], MORE | CURSOR), vec![ok_with(CURSOR)]].concat()
    };
    let fields = |style: Style| vec![column("a"), column("b"), end(style, AUTOCOMMIT)];
    vec![
        exchange(text("select a, b from t"), table),
        exchange(text("select a from t where 0"), |style| result_set(style, &["a"], &[], AUTOCOMMIT)),
        exchange(text("select a, b from t; do 1; select c from u"), many),
        exchange(text("select a, b from t where c"), open),
        exchange(text("select a, b from huge"), cut),
        exchange(text("select a from broken"), none),
        exchange(text("do 1"), |_| vec![ok()]),
        exchange(text("select wrong from t"), |_| vec![err(1054, "42S22", "Unknown column")]),
        prepares("select ?, ? from t", [7, 1], |style, id| prepared(style, id, 0..2, &["a", "b"])),
        prepares("do ?", [8, 2], |style, id| prepared(style, id, 0..1, &[])),
        prepares("do 1", [9, 3], |style, id| prepared(style, id, 0..0, &[])),
        names(0x17, [9, 3], &[0, 1, 0, 0, 0], table),
        names(0x17, [9, 3], &[0, 1, 0, 0, 0], open),
        names(0x17, [9, 3], &[1, 1, 0, 0, 0], open),
        names(0x17, [9, 3], &[1, 1, 0, 0, 0], cursor),
        names(0x1c, [9, 3], &[9, 0, 0, 0], |style| [rows(), vec![end(style, CURSOR)]].concat()),
        names(0x1a, [9, 3], &[], |_| vec![ok()]),
        exchange(command(0x04, b"t\0"), fields),
        exchange(command(0x09, []), |_| vec![b"Uptime: 1  Threads: 2".to_vec()]),
        exchange(command(0x02, "shop"), |_| vec![ok()]),
    ]
}

#[test]
fn every_answer_on_every_pair_of_legs() {
    play(async {
        for flavor in [Flavor::MySql, Flavor::MariaDb] {
            for chunk in [1, 3, usize::MAX] {
                for server in styles() {
                    for client in styles() {
                        exchanges(flavor, chunk, server, client).await;
                    }
                }
            }
        }
    });
}

async fn exchanges(flavor: Flavor, chunk: usize, server: Style, client: Style) {
    let mut settings = settings(flavor, chunk);
    settings.served.set(Capabilities::DEPRECATE_EOF, server.deprecate_eof);
    settings.served.set(Capabilities::SESSION_TRACK, server.session_track);
    let world = World::with(settings);
    let db0 = world.server("db-0");
    let login = Login { capabilities: wanted(flavor, client), ..Login::default() };
    let mut speaker = world.login(&login).await;
    // Attributes are agreed on both legs or on none.
    let attributes = speaker.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
    let text = |sql: &str| query(&if attributes { format!("\0\x01{sql}") } else { sql.to_owned() });

    let mut db = None;
    for Exchange { command, heard, answer, ids } in plain(text) {
        speaker.send(command.clone());
        if db.is_none() {
            let mut fresh = db0.accept().await;
            assert_eq!(fresh.style(), server);
            // MariaDB tells the GTID of a write unasked.
            let set = super::server::SET;
            let set = if flavor == Flavor::MariaDb {
                set.replace(",session_track_gtids=OWN_GTID", "")
            } else {
                set.into()
            };
            fresh.expect(text(&set)).await;
            fresh.reply_ok();
            db = Some(fresh);
        }
        let db = db.as_mut().unwrap();
        if command.first() == Some(&0x04) {
            // A statement that had a cursor is not used again.
            db.expect([0x19, 9, 0, 0, 0]).await;
        }
        db.expect(&heard).await;
        let (said, mut heard) = (frames(1, &answer(server)), frames(1, &answer(client)));
        assert_eq!(said == heard, server.deprecate_eof == client.deprecate_eof || !has_eof(&command));
        if let Some([servers, clients]) = ids {
            assert_eq!(heard[5..9], servers.to_le_bytes());
            heard[5..9].copy_from_slice(&clients.to_le_bytes());
        }
        db.peer.say(&said);
        speaker.peer.expect_bytes(&heard).await;
    }
    let mut db = db.unwrap();
    trackers(&mut speaker, &mut db, text, client).await;
    speaker.peer.expect_silence().await;
    speaker.quit();
    db.expect_silence().await;
    world.expect_nothing_left(1).await;
}

/// Whether the answer has a packet that the two styles write in two ways.
fn has_eof(command: &[u8]) -> bool {
    match command {
        [0x03, text @ ..] => !text.ends_with(b"do 1") && !text.ends_with(b"wrong from t"),
        [0x16, text @ ..] => text != b"do 1",
        [byte, ..] => [0x17, 0x1c, 0x04].contains(byte),
        [] => false,
    }
}

/// Of session state changes the client gets what a server tells by default, if it asked for any.
async fn trackers(speaker: &mut Client, db: &mut Db, text: impl Fn(&str) -> Vec<u8>, client: Style) {
    let shown = [variable("time_zone", "+00:00"), schema("shop")].concat();
    let all = [&shown[..], &variable("sql_mode", "ANSI"), &something()].concat();
    let both = client.session_track && db.style().session_track;
    let command = text("set time_zone = '+00:00', sql_mode = 'ANSI'");
    speaker.send(command.clone());
    db.expect(&command).await;
    db.reply(&[ok_state(db.style(), AUTOCOMMIT, &all)]);
    speaker.expect(&[ok_state(client, AUTOCOMMIT, if both { &shown } else { &[] })]).await;
}
