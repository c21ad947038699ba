//! The proxy in front of real servers whose pods stand in a real API server, with the rights
//! of its ServiceAccount and no more. Applications write and read all along and keep books;
//! `tests/it/pods.rs` has the scenes without them.

pub mod scene;

use crate::dialogue::writers::{Readers, Writers};
use crate::dialogue::{eventually, port_of, readers_are, topology, writer_is};
use scene::{ROLE, Scene, Setting, add};

/// The old primary is read-only and keeps its label until the new one writes already.
#[tokio::test]
async fn switchover_before_the_labels_move() {
    let Some(mut scene) = Scene::begin(2, 3).await else { return };
    // The old primary, as a replica, must not wait for one of its own.
    scene.cluster.primary().sql("SET GLOBAL rpl_semi_sync_master_timeout = 100").await;
    let writers = Writers::start(&scene.proxy, 6).await;

    let promoted = scene.cluster.switchover(1).await;
    scene.role(0, "replica").await;
    scene.role(1, "primary").await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.each_wrote().await;
    readers_are(&scene.proxy, 2).await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2, "one change, not two");
    writers.settle(scene.cluster.primary(), promoted).await;
}

/// As MOCO does it: who is told first to be the primary becomes writable later.
#[tokio::test]
async fn switchover_after_the_labels_moved() {
    let Some(mut scene) = Scene::begin(2, 3).await else { return };
    scene.cluster.primary().sql("SET GLOBAL rpl_semi_sync_master_timeout = 100").await;
    let writers = Writers::start(&scene.proxy, 6).await;

    scene.role(1, "primary").await;
    scene.role(0, "replica").await;
    let labelled = |now: &serde_json::Value| {
        let servers = now["servers"].as_array().into_iter().flatten();
        servers.filter(|s| s["label"] == "primary").map(|s| s["name"].clone()).collect::<Vec<_>>()
    };
    eventually("the label of db-1 is known", async || {
        (labelled(&topology(&scene.proxy).await) == ["db-1"]).then_some(())
    })
    .await;
    assert_ne!(topology(&scene.proxy).await["writer"], "db-1", "it is read-only");
    let promoted = scene.cluster.switchover(1).await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.each_wrote().await;
    writers.settle(scene.cluster.primary(), promoted).await;
}

/// A dead primary keeps its label, so two pods carry it; then it comes back, writable, with its label.
#[tokio::test]
async fn crash_with_two_primaries_labelled() {
    let Some(mut scene) = Scene::begin(2, 3).await else { return };
    let writers = Writers::start(&scene.proxy, 6).await;

    scene.cluster.primary_mut().kill();
    let promoted = scene.cluster.promote(1).await;
    scene.role(1, "primary").await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.each_wrote().await;
    writers.enter_phase(1);
    scene.cluster.server_mut(0).restart().await;
    eventually("db-0 is seen to be back", async || {
        let now = topology(&scene.proxy).await;
        let back = now["servers"].as_array()?.iter().any(|s| s["name"] == "db-0" && s["health"] == "up");
        back.then_some(())
    })
    .await;
    writers.each_wrote().await;
    writers.each_wrote().await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2, "two writable servers with the label");
    scene.nothing_of_phase(0, 1).await;

    scene.role(0, "replica").await;
    scene.cluster.rejoin(0).await;
    readers_are(&scene.proxy, 2).await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.settle(scene.cluster.primary(), promoted).await;
}

/// Nobody can move a label, and nobody hears of it; the old primary's position is enough.
#[tokio::test]
async fn switchover_while_the_api_server_is_dead() {
    let Some(mut scene) = Scene::begin(2, 3).await else { return };
    scene.cluster.primary().sql("SET GLOBAL rpl_semi_sync_master_timeout = 100").await;
    let writers = Writers::start(&scene.proxy, 6).await;

    scene.kubernetes.run("kill", &[]).await;
    let watch = scene.watch_is(false).await;
    assert!(watch["error"].is_string(), "{watch}");
    writers.each_wrote().await;
    let promoted = scene.cluster.switchover(1).await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.each_wrote().await;
    readers_are(&scene.proxy, 2).await;

    scene.kubernetes.run("restart", &[]).await;
    scene.watch_is(true).await;
    // All along the old one carried the label.
    writers.each_wrote().await;
    scene.role(1, "primary").await;
    scene.role(0, "replica").await;
    readers_are(&scene.proxy, 2).await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2, "the API server's return changes nothing");
    writers.settle(scene.cluster.primary(), promoted).await;
}

/// Neither a label nor the old primary can say that the new one lacks nothing; what the clients were told does.
#[tokio::test]
async fn crash_while_the_api_server_is_dead() {
    let Some(mut scene) = Scene::begin(2, 3).await else { return };
    let writers = Writers::start(&scene.proxy, 6).await;
    scene.kubernetes.run("kill", &[]).await;
    scene.watch_is(false).await;
    scene.cluster.primary_mut().kill();
    let promoted = scene.cluster.promote(1).await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.each_wrote().await;
    writers.settle(scene.cluster.primary(), promoted).await;
}

/// The API server holds its connections and says nothing; what moved meanwhile arrives late.
#[tokio::test]
async fn crash_while_the_api_server_hangs() {
    let Some(mut scene) = Scene::begin(2, 3).await else { return };
    let writers = Writers::start(&scene.proxy, 6).await;

    scene.kubernetes.run("freeze", &[]).await;
    scene.cluster.primary_mut().kill();
    let promoted = scene.cluster.promote(1).await;
    scene.kubernetes.run("thaw", &[]).await;
    scene.role(1, "primary").await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.each_wrote().await;
    scene.role(0, "replica").await;
    scene.cluster.rejoin(0).await;
    readers_are(&scene.proxy, 2).await;
    scene.watch_is(true).await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.settle(scene.cluster.primary(), promoted).await;
}

/// 1 → 5 → 2 pods under reads and writes.
#[tokio::test]
async fn scaled_out_and_in() {
    let Some(scene) = Scene::begin(4, 1).await else { return };
    let writers = Writers::start(&scene.proxy, 4).await;
    let readers = Readers::start(&scene.proxy).await;
    for number in 1..5 {
        add(&scene.pods, number, scene.cluster.server(number).port(), "replica").await;
        readers_are(&scene.proxy, number).await;
    }
    let second = scene.cluster.server(1).port();
    // Each session draws a replica and stays with it.
    eventually("a new replica answers", async || {
        let mut client = scene.proxy.reader().await.expect("login");
        (port_of(&mut client).await.expect("a read") == second).then_some(())
    })
    .await;

    for number in [4, 3, 2] {
        let name = scene::name(number);
        scene.pods.delete(&name).await;
        readers_are(&scene.proxy, number - 1).await;
        scene.pods.gone(&name).await;
        eventually(&format!("{name} is no server any more"), async || {
            let now = topology(&scene.proxy).await;
            now["servers"].as_array()?.iter().all(|s| s["name"] != name.as_str()).then_some(())
        })
        .await;
    }
    readers.settle().await;
    writers.each_wrote().await;
    assert_eq!(writer_is(&scene.proxy, 0).await, 1);
    writers.compare(scene.cluster.primary()).await;
}

/// A pod that is replaced under its name, at another address, is another server.
#[tokio::test]
async fn pod_comes_back_elsewhere() {
    let Some(scene) = Scene::begin(2, 2).await else { return };
    let readers = Readers::start(&scene.proxy).await;
    scene.pods.delete("db-1").await;
    scene.pods.gone("db-1").await;
    readers_are(&scene.proxy, 0).await;
    // The same name, another server behind it.
    let labels =
        [("app.kubernetes.io/name", "mariadb"), ("app.kubernetes.io/instance", "shop"), (ROLE, "replica")];
    let port = scene.cluster.server(2).port();
    scene.pods.pending("db-1", port, &labels).await;
    readers_are(&scene.proxy, 0).await;
    scene.pods.starts("db-1", "127.0.0.1").await;
    readers_are(&scene.proxy, 1).await;
    let mut client = scene.proxy.reader().await.expect("login");
    eventually("the new server answers", async || {
        (port_of(&mut client).await.expect("a read") == port).then_some(())
    })
    .await;
    readers.settle().await;
}

/// A namespace is shared: the selector keeps what others run in it away, in the first list and in the watch.
#[tokio::test]
async fn among_thousands_of_other_pods() {
    let Some(mut scene) = Scene::set(Setting { replicas: 2, pods: 3, others: 2000, relayed: false }).await
    else {
        return;
    };
    scene.cluster.primary().sql("SET GLOBAL rpl_semi_sync_master_timeout = 100").await;
    let writers = Writers::start(&scene.proxy, 6).await;
    let others = scene.pods.clone();
    let busy = tokio::spawn(async move {
        for turn in 0..100 {
            others.label(&scene::other(turn), "turn", Some("over")).await;
        }
    });
    let promoted = scene.cluster.switchover(1).await;
    scene.role(1, "primary").await;
    scene.role(0, "replica").await;
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.each_wrote().await;
    busy.await.expect("labels of other pods");
    let now = topology(&scene.proxy).await;
    assert_eq!(now["servers"].as_array().map(Vec::len), Some(3), "{now}");
    assert_eq!(writer_is(&scene.proxy, 1).await, 2);
    writers.settle(scene.cluster.primary(), promoted).await;
}
