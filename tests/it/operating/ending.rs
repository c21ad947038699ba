//! How sessions end: SIGTERM's drain, and timeouts.

use super::scene;
use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{PATIENCE, eventually, runs_on};
use tokio::net::TcpStream;

const PING: u8 = 0x0e;

#[tokio::test]
async fn a_drain_waits_for_transactions() {
    let (cluster, mut proxy) = scene("[drain]\ntimeout = \"60s\"\n").await;
    let mut asking = Raw::app(proxy.rw).await;
    let mut silent = Raw::app(proxy.rw).await;
    let mut never_spoke = Raw::connect(proxy.rw).await.unwrap();
    never_spoke.greeting().await.unwrap();
    let mut open = Raw::app(proxy.rw).await;
    for sql in ["BEGIN", "INSERT INTO t VALUES (2)"] {
        assert_eq!(error_code(&open.query(sql).await.unwrap()), 0);
    }
    proxy.signal("TERM");
    eventually("the port is closed", async || {
        TcpStream::connect(("127.0.0.1", proxy.rw)).await.is_err().then_some(())
    })
    .await;
    assert_eq!(proxy.get("/readyz").await.unwrap().0, 503);
    assert_eq!(proxy.get("/livez").await.unwrap().0, 200);
    assert_eq!(error_code(&asking.query("INSERT INTO t VALUES (4)").await.unwrap()), 0, "still served");
    assert_eq!(error_code(&asking.command(PING, &[]).await.unwrap()), 1053, "a pool asks, and is told");
    assert!(asking.rest().await.is_empty());
    assert!(silent.rest().await.is_empty() && never_spoke.rest().await.is_empty(), "without a word");
    assert!(proxy.exit_status().is_none(), "a transaction is open");
    assert_eq!(error_code(&open.query("INSERT INTO t VALUES (3)").await.unwrap()), 0);
    assert_eq!(error_code(&open.command(PING, &[]).await.unwrap()), 0, "in the middle of a transaction");
    assert_eq!(error_code(&open.query("COMMIT").await.unwrap()), 0);
    assert_eq!(error_code(&open.command(PING, &[]).await.unwrap()), 1053);
    assert_eq!(proxy.wait_exit(PATIENCE).await.code(), Some(0));
    assert_eq!(cluster.primary().value("SELECT COUNT(*) FROM test.t").await, "4");
}

#[tokio::test]
async fn a_busy_client_that_never_asks_ends_behind_an_answer() {
    let (_cluster, mut proxy) = scene("[drain]\ntimeout = \"16s\"\n").await;
    let mut busy = Raw::app(proxy.rw).await;
    proxy.signal("TERM");
    let mut answers = 0;
    loop {
        assert_eq!(error_code(&busy.query("DO 1").await.unwrap()), 0, "after {answers} answers");
        answers += 1;
        // As a driver does that looks at its socket before it speaks.
        match busy.stream.try_read(&mut [0]) {
            Ok(n) => break assert_eq!(n, 0, "an end behind the answer"),
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock),
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        // What the event loop does not know of yet is read only when it looked.
        tokio::task::yield_now().await;
    }
    assert!(answers > 1, "not before time is short");
    assert_eq!(proxy.wait_exit(PATIENCE).await.code(), Some(0));
    assert!(!proxy.log().contains("1053"), "nobody was cut off");
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let (cluster, mut proxy) = scene("[drain]\ntimeout = \"500ms\"\n").await;
    let mut open = Raw::app(proxy.rw).await;
    for sql in ["BEGIN", "INSERT INTO t VALUES (2)"] {
        assert_eq!(error_code(&open.query(sql).await.unwrap()), 0);
    }
    let mut busy = Raw::app(proxy.rw).await;
    busy.send(0, b"\x03INSERT INTO t SELECT SLEEP(600)").await.unwrap();
    runs_on(&cluster, 0, "SLEEP(600)").await;
    proxy.signal("TERM");
    for client in [&mut open, &mut busy] {
        let (_, answer) = client.read().await.unwrap();
        assert_eq!(error_code(&answer), 1053, "{}", String::from_utf8_lossy(&answer));
        client.rest().await;
    }
    assert_eq!(proxy.wait_exit(PATIENCE).await.code(), Some(0));
    assert!(proxy.log().contains("1053"), "the log tells that sessions were cut off");
    assert_eq!(cluster.primary().value("SELECT COUNT(*) FROM test.t").await, "1", "rolled back");
}

#[tokio::test]
async fn a_drain_announces_itself_before_ports_close() {
    let (_cluster, mut proxy) = scene("[drain]\ndelay = \"8s\"\ntimeout = \"1s\"\n").await;
    proxy.signal("TERM");
    eventually("not ready", async || (proxy.get("/readyz").await.ok()?.0 == 503).then_some(())).await;
    let mut late = Raw::app(proxy.rw).await;
    assert_eq!(error_code(&late.query("DO 1").await.unwrap()), 0, "still served");
    late.rest().await;
    assert_eq!(proxy.wait_exit(PATIENCE).await.code(), Some(0));
}

#[tokio::test]
async fn idle_clients_and_slow_logins_are_ended() {
    let (cluster, proxy) = scene("[timeouts]\nidle = \"4s\"\nlogin = \"4s\"\n").await;
    let mut silent = Raw::connect(proxy.rw).await.unwrap();
    let mut idle = Raw::app(proxy.rw).await;
    let mut busy = Raw::app(proxy.rw).await;
    busy.send(0, b"\x03DO SLEEP(10)").await.unwrap();
    runs_on(&cluster, 0, "SLEEP(10)").await;
    idle.rest().await;
    silent.greeting().await.unwrap();
    silent.rest().await;
    let (_, answer) = busy.read().await.unwrap();
    assert_eq!(error_code(&answer), 0, "a statement under way is not idleness");
    busy.rest().await;
    let metrics = proxy.get("/metrics").await.unwrap().1;
    for reason in ["idle_timeout", "login_timeout"] {
        let line =
            metrics.lines().find(|l| l.starts_with("pointsman_client_disconnects") && l.contains(reason));
        assert!(line.is_some_and(|l| !l.ends_with(" 0")), "{reason}: {line:?}");
    }
}
