//! What does not belong there, before and after the login.

use super::Scene;
use crate::dialogue::raw::{Greeted, Raw, error_code, framed, response};
use crate::dialogue::{eventually, metric};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// In place of a handshake response.
fn before_login(greeted: &Greeted) -> Vec<(&'static str, Vec<u8>)> {
    let good = response("app", "app", greeted);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut payload = good.clone();
        change(&mut payload);
        framed(1, &payload)
    };
    vec![
        ("HTTP", b"GET / HTTP/1.1\r\nHost: db\r\n\r\n".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("zeros", vec![0; 300]),
        ("ones", vec![0xff; 300]),
        ("an empty packet", framed(1, b"")),
        ("one byte", framed(1, b"\x00")),
        ("a wrong sequence id", framed(7, &good)),
        ("a length over the limit", b"\xff\xff\xff\x01".to_vec()),
        ("cut in the capabilities", framed(1, &good[..3])),
        ("cut in the user", framed(1, &good[..34])),
        ("no end of the user", with(&|p| p[32..].fill(b'x'))),
        ("a scramble longer than the packet", with(&|p| p[36] = 250)),
        ("the 3.20 protocol", framed(1, b"\x00\x00\x00\x00\x00app\x00")),
        ("everything promised", with(&|p| p[..4].fill(0xff))),
        (
            "TLS that was not offered",
            framed(1, &[0x05, 0xaa, 0x0a, 0, 0, 0, 0, 1, 45].into_iter().chain([0; 23]).collect::<Vec<_>>()),
        ),
        ("an unknown collation", with(&|p| p[8] = 251)),
        ("a command before the login", framed(0, b"\x03SELECT 1")),
    ]
}

#[tokio::test]
async fn garbage_before_the_login_ends_that_connection() {
    let mut scene = Scene::new("[timeouts]\nlogin = \"3s\"\n").await;
    let greeted = Raw::connect(scene.proxy.rw).await.unwrap().greeting().await.unwrap();
    let count = before_login(&greeted).len();
    for n in 0..count {
        let mut client = Raw::connect(scene.proxy.rw).await.unwrap();
        let greeted = client.greeting().await.unwrap();
        let (what, bytes) = before_login(&greeted).swap_remove(n);
        client.stream.write_all(&bytes).await.unwrap();
        let answer = client.rest_or_login().await;
        let harmless = ["an unknown collation", "everything promised"].contains(&what);
        assert!(harmless || answer.first() != Some(&0), "{what}: logged in");
    }
    scene.unharmed(4 * 1024).await;
    scene.empty().await;
}

impl Raw {
    /// The first packet's payload if it is an OK packet, else all to the end of the connection.
    async fn rest_or_login(&mut self) -> Vec<u8> {
        match self.read().await {
            Ok((_, payload)) if payload.first() == Some(&0) => payload,
            Ok((_, payload)) => {
                self.rest().await;
                payload
            }
            Err(_) => Vec::new(),
        }
    }
}

#[tokio::test]
async fn every_command_byte_is_answered_or_ends_its_connection() {
    let mut scene = Scene::new("").await;
    let arguments: [&[u8]; 4] =
        [b"", b"\x01", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x01\0\0\0\0\x01\0\0\0x"];
    for port in [scene.proxy.rw, scene.proxy.ro] {
        for byte in 0..=255 {
            for argument in arguments {
                let mut client = Raw::app(port).await;
                let mut payload = vec![byte];
                payload.extend_from_slice(argument);
                client.send(0, &payload).await.unwrap();
                // COM_STMT_SEND_LONG_DATA and COM_STMT_CLOSE have no answer, so ask once more.
                client.send(0, b"\x0e").await.unwrap();
                let _ = client.read().await;
            }
        }
    }
    scene.unharmed(8 * 1024).await;
    scene.empty().await;
}

#[tokio::test]
async fn garbage_after_the_login_ends_that_connection() {
    let mut scene = Scene::new("").await;
    for (what, bytes, code) in [
        ("a wrong sequence id", framed(5, b"\x03SELECT 1"), 1156),
        ("an empty command", framed(0, b""), 1835),
        ("a wrong sequence id in a row", [framed(0, b"\x0e"), framed(1, b"\x0e")].concat(), 0),
        ("a change of user that ends early", framed(0, b"\x11app"), 1835),
    ] {
        for port in [scene.proxy.rw, scene.proxy.ro] {
            let mut client = Raw::app(port).await;
            client.stream.write_all(&bytes).await.unwrap();
            let (_, answer) = client.read().await.unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(error_code(&answer), code, "{what}: {}", String::from_utf8_lossy(&answer));
            client.rest().await;
        }
    }
    // What is only unknown does no harm.
    let mut client = Raw::app(scene.proxy.rw).await;
    for byte in [0x30, 0x7f, 0xee] {
        assert_eq!(error_code(&client.command(byte, b"abc").await.unwrap()), 1047);
    }
    // As with a server, a number that is cut off is that of no thread.
    assert_eq!(error_code(&client.command(0x0c, b"\x01").await.unwrap()), 1094);
    assert_eq!(error_code(&client.command(0x17, &[9, 0, 0, 0, 0, 1, 0, 0, 0]).await.unwrap()), 1243);
    assert_eq!(error_code(&client.query("DO 1").await.unwrap()), 0);
    scene.unharmed(4 * 1024).await;
}

/// Statements that break off: the server connection must not be used again, nor kept.
#[tokio::test]
async fn half_statements_leave_nothing_behind() {
    let mut scene = Scene::new("").await;
    for port in [scene.proxy.rw, scene.proxy.ro] {
        for (announced, sent) in [(100, 3), (100, 50), (1 << 20, 70_000), (0xff_ffff, 100_000)] {
            let mut client = Raw::app(port).await;
            assert_eq!(error_code(&client.query("DO 1").await.unwrap()), 0);
            let length: [u8; 4] = u32::to_le_bytes(announced);
            let mut bytes = vec![length[0], length[1], length[2], 0, 3];
            bytes.extend_from_slice(b"INSERT INTO t VALUES (7), (7), (7) -- ");
            bytes.resize(4 + sent, b'x');
            client.stream.write_all(&bytes).await.unwrap();
            drop(client);
        }
    }
    scene.empty().await;
    let in_use = async || {
        let all = metric(&scene.proxy, "pointsman_server_connections").await;
        all - metric(&scene.proxy, "pointsman_server_connections_idle").await
    };
    eventually("no server connection is kept", async || (in_use().await == 0.0).then_some(())).await;
    let mut client = Raw::app(scene.proxy.rw).await;
    let answer = client.query("DELETE FROM t WHERE v = 7").await.unwrap();
    assert_eq!(answer.get(..2), Some(&[0, 0][..]), "nothing of them ran: {answer:?}");
    scene.unharmed(8 * 1024).await;
}

#[tokio::test]
async fn a_slow_client_is_served_byte_by_byte() {
    let mut scene = Scene::new("").await;
    let mut client = Raw::connect(scene.proxy.rw).await.unwrap();
    let greeted = client.greeting().await.unwrap();
    dribble(&mut client, &framed(1, &response("app", "app", &greeted))).await;
    assert_eq!(client.read().await.unwrap().1.first(), Some(&0), "logged in");
    for _ in 0..3 {
        dribble(&mut client, &framed(0, b"\x03INSERT INTO t VALUES (8)")).await;
        assert_eq!(error_code(&client.read().await.unwrap().1), 0);
    }
    scene.unharmed(4 * 1024).await;
}

async fn dribble(client: &mut Raw, bytes: &[u8]) {
    for byte in bytes {
        client.stream.write_all(std::slice::from_ref(byte)).await.unwrap();
        // Long enough for most of them to be a read of their own; the outcome does not depend on it.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
