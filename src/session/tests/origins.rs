//! Where clients come from: users that may log in only from some networks.

use std::sync::Arc;

use super::client::response;
use super::*;
use crate::config::{Config, Networks};
use crate::net::Peer as Address;
use crate::terms::{Close, Port, Refused as Reason};
use crate::wire::Greeting;
use crate::worker::Entrance;
use crate::worker::admission::Admission;

/// A list as the file has it.
fn networks(list: &str) -> Networks {
    let text = format!(
        "[[discovery.servers]]\nname = \"a\"\naddress = \"a:1\"\n[monitor]\nuser = \"m\"\npassword = \"m\"\n\
         [[users]]\nname = \"app\"\npassword = \"app\"\nfrom = {list}\n"
    );
    let config = Config::parse(&text, std::path::Path::new("")).unwrap();
    config.live.users["app"].from.clone().unwrap()
}

fn address(text: &str) -> Address {
    Address::from(text.parse::<std::net::SocketAddr>().unwrap())
}

/// `app` may log in only from these networks.
fn restrict(world: &World, list: &str) {
    let mut live = (*world.context.live()).clone();
    live.users.get_mut("app").unwrap().from = Some(networks(list));
    world.context.new_settings(Arc::new(live));
}

fn entrance() -> Entrance {
    Entrance { port: Port::Primary, listener: "rw".into(), native_password: true }
}

fn refused(world: &World, reason: Reason) -> u64 {
    world.context.metrics.refused[reason as usize].get()
}

/// A login of a client at this address.
async fn login_from(
    world: &World,
    admission: &Arc<Admission>,
    from: Address,
    login: &Login,
) -> Result<Client, Refused> {
    let pass = admission.enter(from, &world.context.live().limits).unwrap();
    Client::log_in(world.session(entrance(), pass), login).await
}

#[test]
fn a_user_logs_in_only_from_its_networks() {
    play(async {
        let world = World::new();
        restrict(&world, "[\"10.0.0.0/8\", \"fd00::7\"]");
        let (admission, login) = (Arc::default(), Login::default());
        for inside in ["10.1.2.3:5", "[::ffff:10.1.2.3]:5", "[fd00::7]:5"] {
            assert!(login_from(&world, &admission, address(inside), &login).await.is_ok(), "{inside}");
        }
        for outside in ["11.1.2.3:5", "[fd00::8]:5", "127.0.0.1:5"] {
            let refused = login_from(&world, &admission, address(outside), &login).await.err().unwrap();
            assert_eq!(refused.text, "Access denied for user 'app' (using password: YES)", "{outside}");
        }
        let over_unix = login_from(&world, &admission, Address::Unix, &login).await.err().unwrap();
        assert_eq!((over_unix.code, &*over_unix.sqlstate), (1045, "28000"));
        assert_eq!((refused(&world, Reason::Elsewhere), refused(&world, Reason::Password)), (4, 0));
        // Other users are not restricted.
        let other = Login { user: "other", ..Login::default() };
        login_from(&world, &admission, address("11.1.2.3:5"), &other).await.unwrap();
        // A change applies to the next login.
        restrict(&world, "\"unix\"");
        login_from(&world, &admission, Address::Unix, &login).await.unwrap();
        assert!(login_from(&world, &admission, address("10.1.2.3:5"), &login).await.is_err());
    });
}

/// What the proxy sends after the greeting, up to an ERR packet.
async fn answer(world: &World, from: &str, login: &Login) -> Vec<(u8, String)> {
    let pass = Arc::<Admission>::default().enter(address(from), &world.context.live().limits).unwrap();
    let mut peer = world.session(entrance(), pass);
    let (_, greeting) = peer.packet().await;
    let greeting = Greeting::parse(&greeting).unwrap();
    let capabilities = login.capabilities & greeting.capabilities;
    peer.say(&frames(1, &[response(login, capabilities, &greeting.nonce)]));
    let mut all = Vec::new();
    loop {
        let (seq, payload) = peer.packet().await;
        all.push((seq, payload.escape_ascii().to_string()));
        if payload.first() == Some(&0xff) {
            peer.expect_end().await;
            return all;
        }
    }
}

#[test]
fn a_right_password_from_elsewhere_looks_like_a_wrong_one() {
    play(async {
        let world = World::new();
        restrict(&world, "\"10.0.0.0/8\"");
        for plugin in ["mysql_native_password", "caching_sha2_password"] {
            let right = Login { plugin, ..Login::default() };
            let wrong = Login { password: "wrong", ..right.clone() };
            let nobody = answer(&world, "11.0.0.1:5", &Login { user: "bob", ..right.clone() }).await;
            let mut right = answer(&world, "11.0.0.1:5", &right).await;
            assert_eq!(right, answer(&world, "11.0.0.1:5", &wrong).await, "{plugin}");
            assert_eq!(right, answer(&world, "10.0.0.1:5", &wrong).await, "{plugin}");
            right[0].1 = right[0].1.replace("app", "bob");
            assert_eq!(right, nobody, "{plugin}");
        }
        assert_eq!((refused(&world, Reason::Elsewhere), refused(&world, Reason::Password)), (4, 4));
        assert_eq!(world.closed(Close::LoginFailed), 8);
    });
}

#[test]
fn failures_from_elsewhere_block_as_wrong_passwords_do() {
    play(async {
        let world =
            World::with(Settings { change: |live| live.limits.max_login_errors = 3, ..Settings::default() });
        restrict(&world, "\"10.0.0.0/8\"");
        let admission = Arc::default();
        let mut codes = Vec::new();
        for _ in 0..4 {
            let from = address("11.0.0.1:5");
            codes.push(login_from(&world, &admission, from, &Login::default()).await.err().unwrap().code);
        }
        assert_eq!(codes, [1045, 1045, 1045, 1129]);
    });
}
