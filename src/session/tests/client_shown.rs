//! What servers learn of a client: its connection attributes, and for which client a statement is.

use super::*;
use crate::config::{ClientTag, Live};
use crate::topology::Flavor;
use crate::wire::{Capabilities, attributes_for_server};

const TEXT: &str = "UPDATE t SET a = 1";

/// The first session of a world has this id.
const FIRST: u32 = 0x4000_0002;

fn tagged(tag: fn(&mut Live)) -> World {
    World::with(Settings { change: tag, ..Settings::default() })
}

fn comment(session: u32) -> String {
    format!("/* pointsman_client=unix app {session} */ ")
}

#[test]
fn a_server_connection_has_the_attributes_of_its_first_session() {
    play(async {
        let world = World::new();
        let server = world.server("db-0");
        let capabilities = Login::default().capabilities | Capabilities::CONNECT_ATTRS;
        let attributes = b"\x0cprogram_name\x04shop\x15pointsman_consistency\x06strong";
        let mut first = world.login(&Login { capabilities, attributes, ..Login::default() }).await;
        first.query(TEXT);
        let mut db = server.accept().await;
        assert_eq!(db.attributes, attributes_for_server(b"\x0cprogram_name\x04shop"));
        db.expect_set("").await;
        db.answer_ok(TEXT).await;
        first.expect_ok().await;
        first.quit();
        // The next session gets the same connection.
        let attributes = b"\x0cprogram_name\x05other";
        let mut next = world.login(&Login { capabilities, attributes, ..Login::default() }).await;
        next.runs_on(&mut db, TEXT).await;
        server.expect_nobody().await;
    });
}

#[test]
fn a_changed_user_has_attributes_of_its_own() {
    play(async {
        let world = World::new();
        let server = world.server("db-0");
        let capabilities = Login::default().capabilities | Capabilities::CONNECT_ATTRS;
        let attributes = b"\x0cprogram_name\x04shop";
        let mut client = world.login(&Login { capabilities, attributes, ..Login::default() }).await;
        let other = Login { user: "other", capabilities, attributes: b"\x01a\x01b", ..Login::default() };
        client.change_user(&other).await.unwrap();
        client.query(TEXT);
        assert_eq!(server.accept().await.attributes, attributes_for_server(b"\x01a\x01b"));
    });
}

#[test]
fn a_statement_names_its_client_in_a_comment() {
    play(async {
        let world = tagged(|live| live.pool.client_tag = ClientTag::Comment);
        let server = world.server("db-0");
        let mut client = world.client().await;
        client.query(TEXT);
        let mut db = server.accept().await;
        db.expect_set("").await;
        db.answer_ok(&format!("{}{TEXT}", comment(FIRST))).await;
        client.expect_ok().await;
        // The text of a prepared statement is shared, so it has no comment.
        client.send(command(0x16, TEXT));
        db.expect(command(0x16, TEXT)).await;
        let style = db.style();
        db.reply(&prepared(style, 1, 0..0, &[]));
        client.peer.packet().await;
        client.quit();
        // Another session of the connection has another name, and a whole write is one packet.
        let mut next = world.client().await;
        next.query(TEXT);
        db.answer_ok(&format!("{}{TEXT}", comment(FIRST + 1))).await;
        next.expect_ok().await;
    });
}

#[test]
fn a_text_that_would_be_too_long_has_no_comment() {
    play(async {
        let world = tagged(|live| live.pool.client_tag = ClientTag::Comment);
        let server = world.server("db-0");
        let mut client = world.client().await;
        let room = 1024 - 1 - comment(FIRST).len();
        let mut db = None;
        for (len, fits) in [(room - 1, true), (room, false), (1023, false)] {
            let text = format!("{TEXT}{}", " ".repeat(len - TEXT.len()));
            client.query(&text);
            if db.is_none() {
                let mut accepted = server.accept().await;
                accepted.expect_set("").await;
                db = Some(accepted);
            }
            let expected = if fits { format!("{}{text}", comment(FIRST)) } else { text };
            db.as_mut().unwrap().answer_ok(&expected).await;
            client.expect_ok().await;
        }
    });
}

#[test]
fn a_statement_names_its_client_in_an_attribute() {
    play(async {
        let mut settings = super::connection_phase::settings(Flavor::MySql, 1);
        settings.change = |live| live.pool.client_tag = ClientTag::Attribute;
        let world = World::with(settings);
        let server = world.server("db-0");
        let capabilities = Login::default().capabilities | Capabilities::QUERY_ATTRIBUTES;
        let mut client = world.login(&Login { capabilities, ..Login::default() }).await;
        client.send(query(&format!("\0\x01{TEXT}")));
        let mut db = server.accept().await;
        db.answer_ok(&format!("\0\x01{}", server::SET)).await;
        let value = format!("unix app {FIRST}");
        let mut sent = b"\x03\x01\x01\0\x01\xfe\0\x10pointsman_client".to_vec();
        sent.push(u8::try_from(value.len()).unwrap());
        sent.extend_from_slice(value.as_bytes());
        sent.extend_from_slice(TEXT.as_bytes());
        db.expect(&sent).await;
        db.reply_ok();
        client.expect_ok().await;
        // A client that cannot send attributes gets a connection without them.
        let mut plain = world.client().await;
        let _db = plain.runs_first_on(&server, TEXT).await;
    });
}
