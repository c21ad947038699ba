//! Where clients come from: load balancers' headers, and users that may log in only from some networks.

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
pub fn networks(list: &str) -> Networks {
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

/// A port with load balancers in front.
pub fn behind_balancers() -> Entrance {
    let proxy_protocol_from = networks("[\"10.9.0.0/16\", \"unix\"]");
    Entrance { proxy_protocol_from, ..entrance(Port::Primary) }
}

fn refused(world: &World, reason: Reason) -> u64 {
    world.context.metrics.refused[reason].get()
}

/// A login of a client at this address.
async fn login_from(
    world: &World,
    admission: &Arc<Admission>,
    from: Address,
    login: &Login,
) -> Result<Client, Refused> {
    let pass = admission.enter(from, &world.context.live().limits).unwrap();
    Client::log_in(world.session(behind_balancers(), pass), login).await
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
            let host = address(outside).host();
            assert_eq!(refused.text, format!("Access denied for user 'app'@'{host}' (using password: YES)"));
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
    let mut peer = world.session(behind_balancers(), pass);
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
            let mut inside = answer(&world, "10.0.0.1:5", &wrong).await;
            inside[0].1 = inside[0].1.replace("10.0.0.1", "11.0.0.1");
            assert_eq!(right, inside, "{plugin}");
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

/// A load balancer's address, as `behind_balancers` has it.
const BALANCER: &str = "10.9.0.1:40000";

/// A header that names this client.
fn header(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 10.9.0.1 5000 3306\r\n").into_bytes()
}

/// A connection of the load balancer, which begins with these bytes.
fn connect(world: &World, admission: &Arc<Admission>, balancer: Address, first: &[u8]) -> Peer {
    let mut peer = world.session(behind_balancers(), admission.enter_behind_balancer(balancer));
    peer.say(first);
    peer
}

/// A login through the load balancer.
async fn login_behind(
    world: &World,
    admission: &Arc<Admission>,
    header: &[u8],
    login: &Login,
) -> Result<Client, Refused> {
    Client::log_in(connect(world, admission, address(BALANCER), header), login).await
}

/// The peers of all sessions.
fn peers(world: &World) -> Vec<String> {
    world.context.handles().iter().map(|handle| handle.peer.get().to_string()).collect()
}

/// The ERR packet in place of the greeting.
async fn error_for_greeting(mut peer: Peer) -> (u16, String) {
    let (seq, payload) = peer.packet().await;
    assert_eq!((seq, payload[0]), (0, 0xff));
    peer.expect_end().await;
    (u16::from_le_bytes([payload[1], payload[2]]), String::from_utf8_lossy(&payload[9..]).into_owned())
}

#[test]
fn the_address_in_the_header_is_the_clients() {
    play(async {
        let mut v2 =
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xc6\x33\x64\x07\x0a\x09\0\x01\x13\x88\x0c\xea".to_vec();
        v2.extend_from_slice(b"\x04\0\x01x");
        for chunk in [1, 3, usize::MAX] {
            for (header, peer) in [
                (header("198.51.100.7"), "198.51.100.7:5000"),
                (b"PROXY TCP6 2001:db8::7 ::1 5000 3306\r\n".to_vec(), "[2001:db8::7]:5000"),
                (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 5000 3306\r\n".to_vec(), "198.51.100.7:5000"),
                (v2.clone(), "198.51.100.7:5000"),
                // The load balancer itself, and a client that it does not know.
                (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), BALANCER),
                (b"PROXY UNKNOWN\r\n".to_vec(), BALANCER),
            ] {
                let world = World::with(Settings { chunk, ..Settings::default() });
                let db0 = world.server("db-0");
                let login = Login::default();
                let mut client = login_behind(&world, &Arc::default(), &header, &login).await.unwrap();
                assert_eq!(peers(&world), [peer], "chunk {chunk}");
                let _db = client.reads_first_on(&db0, "select 1").await;
                client.quit();
                world.expect_nothing_left(1).await;
            }
        }
    });
}

#[test]
fn nothing_is_sent_before_the_header_and_nothing_behind_it_is_lost() {
    play(async {
        let world = World::new();
        let admission = Arc::default();
        let text = header("198.51.100.7");
        let mut peer = connect(&world, &admission, Address::Unix, &text[..text.len() - 1]);
        peer.expect_silence().await;
        // The answer to a greeting that the client cannot have seen.
        let login = Login::default();
        let blind = frames(1, &[response(&login, login.capabilities, &[9; 20])]);
        peer.say(&[&text[text.len() - 1..], &blind].concat());
        let (_, greeting) = peer.packet().await;
        assert_eq!(greeting[0], 10);
        let (seq, payload) = peer.packet().await;
        assert_eq!((seq, u16::from_le_bytes([payload[1], payload[2]])), (2, 1045));
        assert_eq!(refused(&world, Reason::Password), 1);
    });
}

#[test]
fn failures_count_for_the_header_and_not_for_the_load_balancer() {
    play(async {
        let change = |live: &mut crate::config::Live| live.limits.max_login_errors = 3;
        let world = World::with(Settings { change, ..Settings::default() });
        let admission = Arc::default();
        let (one, other) = (header("198.51.100.7"), header("198.51.100.8"));
        let wrong = Login { password: "wrong", ..Login::default() };
        let mut last = None;
        for _ in 0..4 {
            last = login_behind(&world, &admission, &one, &wrong).await.err();
        }
        let last = last.unwrap();
        assert_eq!(last.code, 1129);
        assert!(last.text.starts_with("Host '198.51.100.7' is blocked"), "{}", last.text);
        // The whole address, by broken handshakes: the error comes in place of the greeting.
        for _ in 0..2 {
            let mut peer = connect(&world, &admission, address(BALANCER), &one);
            peer.packet().await;
            peer.say(b"no handshake response");
            peer.packet().await;
            peer.expect_end().await;
        }
        let (code, text) = error_for_greeting(connect(&world, &admission, address(BALANCER), &one)).await;
        assert_eq!(code, 1129);
        assert!(text.starts_with("Host '198.51.100.7' is blocked"), "{text}");
        // Others behind the same load balancer, and itself, are served.
        login_behind(&world, &admission, &other, &Login::default()).await.unwrap();
        login_behind(&world, &admission, b"PROXY UNKNOWN\r\n", &Login::default()).await.unwrap();
        // Broken headers are the load balancer's own fault, and block nobody.
        for _ in 0..10 {
            let (code, text) =
                error_for_greeting(connect(&world, &admission, address(BALANCER), b"GET / HTTP/1.1\r\n"))
                    .await;
            assert_eq!(code, 1043);
            assert_eq!(text, "pointsman: bad handshake: byte 0x47 where a PROXY header should begin");
        }
        login_behind(&world, &admission, b"PROXY UNKNOWN\r\n", &Login::default()).await.unwrap();
        assert_eq!(world.closed(Close::ClientProtocol), 12);
        assert_eq!(refused(&world, Reason::Handshake), 12);
    });
}

#[test]
fn connections_count_for_the_address_in_the_header() {
    play(async {
        let change = |live: &mut crate::config::Live| live.limits.max_connections_per_address = 2;
        let world = World::with(Settings { change, ..Settings::default() });
        let admission = Arc::default();
        let (one, login) = (header("198.51.100.7"), Login::default());
        let first = login_behind(&world, &admission, &one, &login).await.unwrap();
        let _second = login_behind(&world, &admission, &one, &login).await.unwrap();
        let (code, text) = error_for_greeting(connect(&world, &admission, address(BALANCER), &one)).await;
        assert_eq!(code, 1040);
        assert!(text.ends_with("limits.max_connections_per_address is reached by 198.51.100.7"), "{text}");
        assert_eq!(refused(&world, Reason::AddressConnections), 1);
        assert_eq!(world.closed(Close::TooManyConnections), 1);
        let _other = login_behind(&world, &admission, &header("198.51.100.8"), &login).await.unwrap();
        // Connections whose header is not there yet count for nobody.
        let _waiting: Vec<_> =
            (0..5).map(|_| connect(&world, &admission, address(BALANCER), b"PROXY ")).collect();
        first.quit();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        login_behind(&world, &admission, &one, &login).await.unwrap();
    });
}

#[test]
fn who_sends_no_header_learns_why_and_who_leaves_without_a_word_counts_for_nothing() {
    play(async {
        let world = World::new();
        let admission = Arc::default();
        connect(&world, &admission, address(BALANCER), b"").close();
        connect(&world, &admission, address(BALANCER), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").close();
        let mut aborted = connect(&world, &admission, address(BALANCER), b"PROXY TCP4 ");
        let mut silent = connect(&world, &admission, address(BALANCER), b"");
        silent.expect_silence().await;
        assert_eq!((world.closed(Close::Quit), world.closed(Close::ClientLost)), (2, 0));
        aborted.close();
        silent.expect_silence().await;
        assert_eq!((world.closed(Close::Quit), world.closed(Close::ClientLost)), (2, 1));
        for _ in 0..12 {
            world.context.every_second();
        }
        let (code, text) = error_for_greeting(silent).await;
        assert_eq!(code, 1043);
        assert_eq!(
            text,
            "pointsman: bad handshake: no PROXY header within timeouts.login; \
             listeners.proxy_protocol_from demands one from 10.9.0.1"
        );
        let reasons = [Reason::Aborted, Reason::Timeout, Reason::Handshake, Reason::Password];
        assert_eq!(reasons.map(|reason| refused(&world, reason)), [1, 1, 0, 0]);
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn users_come_from_the_address_in_the_header() {
    play(async {
        let world = World::new();
        restrict(&world, "\"198.51.100.0/24\"");
        let (admission, login) = (Arc::default(), Login::default());
        let mut client = login_behind(&world, &admission, &header("198.51.100.7"), &login).await.unwrap();
        client.change_user(&login).await.unwrap();
        let other = Login { user: "other", ..Login::default() };
        let mut outside = login_behind(&world, &admission, &header("10.9.0.1"), &other).await.unwrap();
        assert_eq!(outside.change_user(&login).await.unwrap_err().code, 1045);
        assert_eq!(refused(&world, Reason::Elsewhere), 1);
        // Nobody becomes another by the balancer's own address.
        let local = login_behind(&world, &admission, b"PROXY UNKNOWN\r\n", &login).await;
        assert_eq!(local.err().unwrap().code, 1045);
    });
}
