//! Commands and answers: the product of EOF style and session tracking on either leg,
//! flavor and chunk size. The bytes that a server hears are the client's; what it answers
//! comes out byte for byte where the legs agree, and as the client's own leg writes it
//! where they do not.

use super::connection_phase::{settings, styles, wanted};
use super::*;
use crate::topology::Flavor;
use crate::wire::Capabilities;

/// A command, and its answer as a leg of this style has it.
struct Exchange {
    command: Vec<u8>,
    answer: Box<dyn Fn(Style) -> Vec<Vec<u8>>>,
    /// The session trackers in it are cut for clients.
    edited: bool,
}

fn exchange(command: Vec<u8>, answer: impl Fn(Style) -> Vec<Vec<u8>> + 'static) -> Exchange {
    Exchange { command, answer: Box::new(answer), edited: false }
}

fn rows() -> Vec<Vec<u8>> {
    let long = "x".repeat(300);
    // A row that begins with NULL (0xfb), one that begins with 0xfe (a value of 16 MiB is declared, and not
    // looked at), an empty value.
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
    let cursor = |style: Style| {
        let head = vec![vec![1], column("a"), end(style, CURSOR)];
        head
    };
    let fields = |style: Style| vec![column("a"), column("b"), end(style, AUTOCOMMIT)];
    vec![
        exchange(text("select a, b from t"), table),
        exchange(text("select a from t where 0"), |style| result_set(style, &["a"], &[], AUTOCOMMIT)),
        exchange(text("select a, b from t; do 1; select c from u"), many),
        exchange(text("select a, b from huge"), cut),
        exchange(text("select a from broken"), none),
        exchange(text("do 1"), |_| vec![ok()]),
        exchange(text("selekt"), |_| vec![err(1064, "42000", "You have an error")]),
        exchange(command(0x16, "select ?, ? from t"), |style| prepared(style, 7, 0..2, &["a", "b"])),
        exchange(command(0x16, "do ?"), |style| prepared(style, 8, 0..1, &[])),
        exchange(command(0x16, "do 1"), |style| prepared(style, 9, 0..0, &[])),
        exchange(command(0x17, [7, 0, 0, 0, 0, 1, 0, 0, 0]), table),
        exchange(command(0x17, [7, 0, 0, 0, 1, 1, 0, 0, 0]), cursor),
        exchange(command(0x1c, [7, 0, 0, 0, 9, 0, 0, 0]), |style| {
            [rows(), vec![end(style, CURSOR)]].concat()
        }),
        exchange(command(0x1a, [7, 0, 0, 0]), |_| vec![ok()]),
        exchange(command(0x04, b"t\0"), fields),
        exchange(command(0x09, []), |_| vec![b"Uptime: 1  Threads: 2".to_vec()]),
        exchange(command(0x02, "shop"), |_| vec![ok()]),
    ]
}

/// OK packets with trackers: the proxy's own are taken out, those of the client's defaults stay.
fn tracked(text: impl Fn(&str) -> Vec<u8>, server: Style) -> Exchange {
    let answer = move |style: Style| {
        let shown = [variable("time_zone", "+00:00"), schema("shop")].concat();
        let hidden = variable("sql_mode", "ANSI");
        // What the client may see of it is what the server's leg could carry.
        let state = match style == server {
            true if server.session_track => [shown, hidden].concat(),
            _ if server.session_track => shown,
            _ => Vec::new(),
        };
        vec![ok_state(style, AUTOCOMMIT, &state)]
    };
    Exchange { edited: true, ..exchange(text("set time_zone = '+00:00', sql_mode = 'ANSI'"), answer) }
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
    let mut list = plain(text);
    list.push(tracked(text, server));
    for Exchange { command, answer, edited } in list {
        let about = format!("{flavor:?} chunk {chunk}, {server:?} to {client:?}, 0x{:x}", command[0]);
        tracing::debug!("{about}");
        speaker.send(command.clone());
        if db.is_none() {
            let mut fresh = db0.accept().await;
            assert_eq!(fresh.style(), server, "{about}");
            fresh.expect(text(super::server::SET)).await;
            fresh.reply_ok();
            db = Some(fresh);
        }
        let db = db.as_mut().unwrap();
        db.expect(&command).await;
        let said = frames(1, &answer(server));
        db.peer.say(&said);
        let heard = if edited { shown(client, server) } else { frames(1, &answer(client)) };
        if server == client && !edited {
            assert_eq!(said, heard, "the legs agree: {about}");
        }
        speaker.peer.expect_bytes(&heard).await;
    }
    speaker.peer.expect_silence().await;
    speaker.quit();
    db.unwrap().peer.expect_bytes(&frames(0, &[vec![0x1f]])).await;
}

/// What is left of `tracked` for this client.
fn shown(client: Style, server: Style) -> Vec<u8> {
    let both = client.session_track && server.session_track;
    let state = if both { [variable("time_zone", "+00:00"), schema("shop")].concat() } else { Vec::new() };
    frames(1, &[ok_state(client, AUTOCOMMIT, &state)])
}
