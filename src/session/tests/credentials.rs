//! Passwords that change, and accounts that go, while their sessions are open.

use std::sync::Arc;
use std::time::Duration;

use super::client::response;
use super::commands::attached;
use super::*;
use crate::auth::Plugin;
use crate::config::Secret;
use crate::terms::Close;
use crate::wire::{AuthSwitchRequest, Greeting};

/// `app` has this password from now on; None: the account is gone.
fn rotate(world: &World, password: Option<&str>) {
    let mut live = (*world.context.live()).clone();
    match password {
        Some(password) => live.users.get_mut("app").unwrap().password = Some(Secret::new(password)),
        None => _ = live.users.remove("app"),
    }
    world.context.new_settings(Arc::new(live));
}

fn comes_back(world: &World) {
    let mut live = (*world.context.live()).clone();
    let user = crate::config::User { name: "app".into(), ..live.users["other"].clone() };
    live.users.insert("app".into(), user);
    world.context.new_settings(Arc::new(live));
}

fn with_new_password() -> Login {
    Login { password: "rotated", ..Login::default() }
}

/// Runs a statement on a connection that the proxy opens for it.
async fn runs_on_a_new_one(client: &mut Client, db0: &Server) -> Db {
    client.runs_first_on(db0, "do 2").await
}

#[test]
fn what_nobody_claims_is_closed_when_the_password_changes() {
    play(async {
        let world = World::new();
        let (client, mut db0, mut db) = attached(&world, &Login::default()).await;
        client.quit();
        db.expect_silence().await;
        rotate(&world, Some("rotated"));
        db.peer.expect_end().await;
        let refused = world.attempt(&Login::default()).await.err().unwrap();
        assert_eq!(refused.code, 1045);
        db0.password = "rotated";
        let mut next = world.login(&with_new_password()).await;
        runs_on_a_new_one(&mut next, &db0).await;
    });
}

#[test]
fn an_open_session_goes_on_with_its_own_connection_which_nobody_gets_after_it() {
    play(async {
        let world = World::new();
        let (mut client, mut db0, mut db) = attached(&world, &Login::default()).await;
        rotate(&world, Some("rotated"));
        db0.password = "rotated";
        let mut next = world.login(&with_new_password()).await;
        let mut other = runs_on_a_new_one(&mut next, &db0).await;
        for _ in 0..2 {
            client.runs_on(&mut db, "do 1").await;
        }
        next.runs_on(&mut other, "do 3").await;
        // It is reset for nobody, with a pin or without one.
        begin(&mut client, &mut db).await;
        client.quit();
        db.peer.expect_end().await;
        next.quit();
        other.expect_silence().await;
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn sessions_of_the_former_password_share_connections_with_each_other_only() {
    play(async {
        let change = |live: &mut crate::config::Live| {
            live.limits.max_server_connections = std::num::NonZeroUsize::new(1).unwrap();
            live.limits.queue_timeout = Duration::from_millis(100);
        };
        let world = World::with(Settings { change, ..Settings::default() });
        let (mut first, mut db0, mut db) = attached(&world, &Login::default()).await;
        let mut second = world.client().await;
        rotate(&world, Some("rotated"));
        second.runs_on(&mut db, "do 2").await;
        // The place is the new password's once nobody uses the connection, which is closed for it.
        db0.password = "rotated";
        let mut next = world.login(&with_new_password()).await;
        next.query("do 2");
        db.peer.expect_end().await;
        let mut new = db0.accept().await;
        new.expect_set("").await;
        new.answer_ok("do 2").await;
        next.expect_ok().await;
        // What the former password has no right to is not given to it, either.
        first.query("do 1");
        new.peer.expect_end().await;
        let mut peer = db0.accept_raw().await;
        peer.say(&frames(0, &[err(1045, "28000", "Access denied")]));
        let text = first.expect_err(1045, "28000").await;
        assert!(text.contains("the password of this account changed"), "{text}");
        first.peer.expect_end().await;
        assert_eq!(world.closed(Close::CredentialGone), 1);
    });
}

#[test]
fn a_session_of_a_removed_account_gets_no_connection_any_more() {
    play(async {
        let world = World::new();
        let (mut idle, db0, mut db) = attached(&world, &Login::default()).await;
        let mut busy = world.client().await;
        let mut own = busy.runs_first_on(&db0, "do 2").await;
        begin(&mut busy, &mut own).await;
        rotate(&world, None);
        db.peer.expect_end().await;
        assert_eq!(world.attempt(&Login::default()).await.err().unwrap().code, 1045);
        idle.query("do 1");
        let text = idle.expect_err(1045, "28000").await;
        assert!(text.contains("'app'") && text.contains("configuration"), "{text}");
        idle.peer.expect_end().await;
        // A transaction goes on to its end.
        busy.runs_on(&mut own, "commit").await;
        own.peer.expect_end().await;
        busy.query("do 3");
        busy.expect_err(1045, "28000").await;
        busy.peer.expect_end().await;
        db0.expect_nobody().await;
        assert_eq!(world.closed(Close::CredentialGone), 2);
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn an_account_that_comes_back_does_not_find_what_it_had() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        begin(&mut client, &mut db).await;
        rotate(&world, None);
        comes_back(&world);
        let mut next = world.client().await;
        runs_on_a_new_one(&mut next, &db0).await;
        client.runs_on(&mut db, "commit").await;
        client.quit();
        db.peer.expect_end().await;
    });
}

#[test]
fn another_user_brings_its_own_credential_along() {
    play(async {
        let world = World::new();
        let (mut client, mut db0, mut db) = attached(&world, &Login::default()).await;
        rotate(&world, Some("rotated"));
        assert_eq!(client.change_user(&with_new_password()).await, Ok(()));
        db.peer.expect_end().await;
        db0.password = "rotated";
        runs_on_a_new_one(&mut client, &db0).await;
        let refused = client.change_user(&Login::default()).await.unwrap_err();
        assert_eq!(refused.code, 1045, "the former password");
    });
}

#[test]
fn a_login_that_began_before_the_password_changed_does_not_end_with_it() {
    play(async {
        let world = World::new();
        let login = Login { plugin: "dialog", ..Login::default() };
        let mut peer = world.socket(&login);
        let greeting = Greeting::parse(&peer.packet().await.1).unwrap();
        let capabilities = login.capabilities & greeting.capabilities;
        peer.say(&frames(1, &[response(&login, capabilities, &greeting.nonce)]));
        let (_, switch) = peer.packet().await;
        let switch = AuthSwitchRequest::parse(&switch).unwrap();
        let plugin = Plugin::from_name(switch.plugin).unwrap();
        let answer = plugin.scramble(b"secret", switch.data.try_into().unwrap());
        rotate(&world, Some("rotated"));
        peer.say(&frames(3, &[answer]));
        assert_eq!(peer.packet().await.1, [1, 3], "it was the right one when the exchange began");
        let (_, payload) = peer.packet().await;
        assert_eq!((payload[0], u16::from_le_bytes([payload[1], payload[2]])), (0xff, 1045));
    });
}
