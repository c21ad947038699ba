//! Many at once, half-open connections, and clients that do not read.

use super::{Scene, serves};
use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{eventually, metric};
use std::process::Command;
use tokio::io::AsyncWriteExt;

/// KiB that one connection before its login may cost, unoptimised builds included.
const PER_CONNECT: u64 = 12;

#[tokio::test]
async fn thousands_that_never_log_in_disturb_nobody() {
    let count = descriptors(5_000);
    let mut scene = Scene::new("[timeouts]\nlogin = \"300s\"\n").await;
    let port = scene.proxy.rw;
    let mut served = Raw::app(port).await;
    let mut crowd = Vec::new();
    for n in 0..count {
        crowd.push(Raw::connect(port).await.unwrap());
        if n % 250 == 0 {
            serves(port).await;
            assert_eq!(error_code(&served.query("INSERT INTO t VALUES (2)").await.unwrap()), 0);
        }
    }
    for client in &mut crowd {
        client.greeting().await.unwrap();
    }
    // Half of them begin a packet of the greatest length that is allowed, and stop.
    for client in crowd.iter_mut().step_by(2) {
        client.stream.write_all(b"\x00\xf0\x01\x01\x00").await.unwrap();
    }
    eventually("all are there", async || {
        let (one, other) = ("{port=\"primary\",worker=\"0\"}", "{port=\"primary\",worker=\"1\"}");
        let clients = |labels: &str| format!("pointsman_clients{labels}");
        let all = metric(&scene.proxy, &clients(one)).await + metric(&scene.proxy, &clients(other)).await;
        (all >= f64::from(u32::try_from(count).unwrap())).then_some(())
    })
    .await;
    scene.unharmed(PER_CONNECT * count as u64 + 4 * 1024).await;
    drop(crowd);
    drop(served);
    scene.empty().await;
    scene.unharmed(PER_CONNECT * count as u64 + 4 * 1024).await;
}

/// As many connections as this process and the proxy may have; the proxy inherits the limit.
fn descriptors(wanted: usize) -> usize {
    let me = format!("--pid={}", std::process::id());
    let hard = Command::new("prlimit").args([&*me, "--nofile", "--noheadings", "--output=HARD"]).output();
    let hard = hard.expect("prlimit of util-linux").stdout;
    let hard = String::from_utf8_lossy(&hard).trim().parse::<usize>().unwrap_or(usize::MAX);
    let limit = hard.min(20_000);
    let raised = Command::new("prlimit").args([me, format!("--nofile={limit}:")]).status();
    assert!(raised.is_ok_and(|s| s.success()), "cannot raise the limit of descriptors to {limit}");
    wanted.min(limit.saturating_sub(500))
}

#[tokio::test]
async fn announced_lengths_cost_nothing() {
    let mut scene = Scene::new("").await;
    let mut crowd = Vec::new();
    for port in [scene.proxy.rw, scene.proxy.ro] {
        for _ in 0..30 {
            // 16 MiB of a text that never comes.
            let mut client = Raw::app(port).await;
            client.stream.write_all(b"\xfe\xff\xff\x00\x03SELECT ").await.unwrap();
            crowd.push(client);
        }
    }
    eventually("all are heard", async || {
        serves(scene.proxy.ro).await;
        (metric(&scene.proxy, "pointsman_client_received_bytes_total").await > 60.0 * 12.0).then_some(())
    })
    .await;
    scene.unharmed(16 * 1024).await;
    drop(crowd);
    scene.empty().await;
}

#[tokio::test]
async fn half_open_connections_end() {
    let mut scene = Scene::new("[timeouts]\nlogin = \"3s\"\n").await;
    let mut crowd = Vec::new();
    for n in 0..200 {
        let mut client = Raw::connect(scene.proxy.rw).await.unwrap();
        client.greeting().await.unwrap();
        // From nothing to a header and a bit.
        client.stream.write_all(&b"\x40\x00\x00\x01\x0d\xa2"[..n % 7]).await.unwrap();
        if n % 2 == 0 {
            // As a host does that forgot the connection: a reset.
            socket2::SockRef::from(&client.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            drop(client);
        } else {
            crowd.push(client);
        }
    }
    for client in &mut crowd {
        client.rest().await;
    }
    scene.empty().await;
    scene.unharmed(8 * 1024).await;
}

#[tokio::test]
async fn who_does_not_read_holds_only_itself() {
    let mut scene = Scene::new("").await;
    let huge = b"\x03SELECT REPEAT('x', 1048576) FROM seq_1_to_2000";
    let mut lazy = Vec::new();
    for _ in 0..8 {
        let mut client = Raw::app(scene.proxy.rw).await;
        client.send(0, huge).await.unwrap();
        lazy.push(client);
    }
    let sent = async || metric(&scene.proxy, "pointsman_client_sent_bytes_total").await;
    // The kernel's buffers are full when nothing moves any more while others are served.
    let mut before = 0.0;
    eventually("the results stand still", async || {
        for _ in 0..5 {
            serves(scene.proxy.ro).await;
        }
        let now = sent().await;
        let still = now > 1_000_000.0 && now - before < 100_000.0;
        before = now;
        still.then_some(())
    })
    .await;
    scene.unharmed(24 * 1024).await;
    // One reads on, and gets what it was sent; the others leave.
    let mut reader = lazy.pop().unwrap();
    lazy.clear();
    assert_eq!(reader.read().await.unwrap().1, [1], "one column");
    for _ in 0..2 {
        reader.read().await.unwrap();
    }
    for _ in 0..50 {
        assert_eq!(reader.read().await.unwrap().1.len(), 4 + 1_048_576);
    }
    drop(reader);
    scene.empty().await;
    scene.unharmed(24 * 1024).await;
}
