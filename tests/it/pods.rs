//! The servers as pods of a real API server, with RBAC on and a ServiceAccount's token: real
//! MariaDB servers behind the pods, and what operators and API servers do to both.

pub mod api;

use std::time::Duration;

use crate::dialogue::{
    eventually, metric, patient, port_of, readers_are, refusal, refused, row, topology, writer_is,
};
use crate::support::{Cluster, Proxy, config_without_servers, connect};
use api::{ApiServer, NAMESPACE};
use mysql_async::prelude::Queryable;
use tokio::time::sleep;

pub const ROLE: &str = "k8s.mariadb.com/role";

/// An API server, a pod for each server of the cluster, and a proxy that watches them.
async fn start(cluster: &Cluster) -> Option<(ApiServer, Proxy)> {
    let api = pods_of(cluster).await?;
    cluster.primary().sql("CREATE TABLE IF NOT EXISTS test.written (n INT PRIMARY KEY)").await;
    let mut proxy = proxy(&api, "");
    proxy.wait_ready().await;
    writer_is(&proxy, cluster.primary_number()).await;
    readers_are(&proxy, cluster.servers().len() - 1).await;
    Some((api, proxy))
}

/// An API server with a pod for each server of the cluster.
pub async fn pods_of(cluster: &Cluster) -> Option<ApiServer> {
    let api = ApiServer::start().await?;
    for number in 0..cluster.servers().len() {
        let role = if number == cluster.primary_number() { "primary" } else { "replica" };
        api.pod(number, cluster.server(number).port(), &[(ROLE, role)]).await;
    }
    Some(api)
}

/// A proxy whose first port splits.
pub fn splitting_proxy(api: &ApiServer, more: &str) -> Proxy {
    let config = config(more).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    Proxy::start_with(&config, &[("KUBECONFIG", &api.kubeconfig())])
}

pub fn proxy(api: &ApiServer, more: &str) -> Proxy {
    Proxy::start_with(&config(more), &[("KUBECONFIG", &api.kubeconfig())])
}

fn config(more: &str) -> String {
    let pods = "\n[discovery]\nkind = \"kubernetes\"\npreset = \"mariadb-operator\"\ncluster = \"shop\"\nport = \"mysql\"\n";
    patient(&(config_without_servers() + pods)) + more
}

async fn connected(proxy: &Proxy, wanted: bool) -> String {
    eventually(&format!("connected: {wanted}"), async || {
        let pods = topology(proxy).await["kubernetes"][0].clone();
        (pods["connected"] == wanted).then(|| pods["error"].to_string())
    })
    .await
}

async fn label_is(proxy: &Proxy, number: usize, wanted: &str) {
    eventually(&format!("db-{number} is labelled {wanted}"), async || {
        (topology(proxy).await["servers"][number]["label"] == wanted).then_some(())
    })
    .await;
}

async fn lists(proxy: &Proxy) -> f64 {
    metric(proxy, "pointsman_kubernetes_lists_total{resource=\"pods\"}").await
}

/// Waits on the held write until it is done.
fn write(proxy: &Proxy, number: u32) -> tokio::task::JoinHandle<Result<u16, mysql_async::Error>> {
    let port = proxy.rw;
    tokio::spawn(async move {
        let mut client = connect(port, "app", "app", "test").await?;
        client.query_drop(format!("INSERT INTO written VALUES ({number})")).await?;
        port_of(&mut client).await
    })
}

#[tokio::test]
async fn a_crash_and_the_label_after_the_promotion() {
    let mut cluster = Cluster::mariadb(2).await;
    let Some((api, proxy)) = start(&cluster).await else { return };
    assert_eq!(write(&proxy, 1).await.unwrap().unwrap(), cluster.primary().port());
    cluster.primary_mut().kill();
    cluster.promote(1).await;
    // It has the one write that a client was told of: nobody has to wait for its label.
    assert_eq!(write(&proxy, 2).await.unwrap().unwrap(), cluster.server(1).port());
    assert_eq!(writer_is(&proxy, 1).await, 2);
    api.label(1, ROLE, "primary").await;
    label_is(&proxy, 1, "primary").await;
    assert_eq!(writer_is(&proxy, 1).await, 2);
    // The dead one returns with its label, writable.
    cluster.server_mut(0).restart().await;
    eventually("the old primary is seen", async || {
        (topology(&proxy).await["alarm"] == "several_candidates").then_some(())
    })
    .await;
    assert_eq!(write(&proxy, 3).await.unwrap().unwrap(), cluster.server(1).port());
    api.label(0, ROLE, "replica").await;
    cluster.rejoin(0).await;
    readers_are(&proxy, 2).await;
    assert_eq!(writer_is(&proxy, 1).await, 2);
    let mut client = proxy.client().await.unwrap();
    assert_eq!(
        row(&mut client, "SELECT COUNT(*), MAX(n) FROM written FOR UPDATE").await.unwrap(),
        ["3", "3"]
    );
}

/// The operator promotes another server while the former primary goes on, and moves the label.
#[tokio::test]
async fn a_label_that_moves_while_both_are_writable() {
    let cluster = Cluster::mariadb(2).await;
    let Some((api, proxy)) = start(&cluster).await else { return };
    write(&proxy, 1).await.unwrap().unwrap();
    cluster.wait_caught_up().await;
    let next = cluster.server(1);
    next.sql("STOP SLAVE").await;
    write(&proxy, 2).await.unwrap().unwrap();
    next.sql("RESET SLAVE ALL; SET GLOBAL read_only = 0").await;
    eventually("both are seen writable", async || {
        let now = topology(&proxy).await;
        let detail = now["alarm_detail"].as_str().unwrap_or_default().to_owned();
        (detail == "db-1 is writable besides the primary db-0").then_some(())
    })
    .await;
    api.label(1, ROLE, "primary").await;
    api.label(0, ROLE, "replica").await;
    assert_eq!(writer_is(&proxy, 1).await, 2);
    assert_eq!(write(&proxy, 3).await.unwrap().unwrap(), next.port());
    // The second write is on the former primary alone.
    let now = topology(&proxy).await;
    let reason =
        now["history"].as_array().and_then(|all| all.last()).expect("a change")["reason"].to_string();
    assert!(reason.contains("up to 1 acknowledged writes are not known to be there"), "{reason}");
    assert_eq!(metric(&proxy, "pointsman_writes_in_question_total").await, 1.0);
    proxy.told("acknowledged writes may be lost").await;
}

#[tokio::test]
async fn a_crash_and_the_label_before_the_promotion() {
    let mut cluster = Cluster::mariadb(2).await;
    let Some((api, proxy)) = start(&cluster).await else { return };
    cluster.primary_mut().kill();
    let held = write(&proxy, 1);
    api.label(2, ROLE, "primary").await;
    api.label(0, ROLE, "replica").await;
    label_is(&proxy, 2, "primary").await;
    eventually("the loss is seen", async || topology(&proxy).await["writer"].is_null().then_some(())).await;
    assert!(!held.is_finished(), "the label alone makes no writer");
    cluster.promote(2).await;
    assert_eq!(writer_is(&proxy, 2).await, 2);
    assert_eq!(held.await.unwrap().unwrap(), cluster.server(2).port());
}

#[tokio::test]
async fn a_switchover_while_the_api_is_away() {
    let mut cluster = Cluster::mariadb(2).await;
    let Some((api, proxy)) = start(&cluster).await else { return };
    api.run(&["kill"]).await;
    let error = connected(&proxy, false).await;
    assert!(error.contains("cannot be reached"), "{error}");
    assert_eq!(metric(&proxy, "pointsman_kubernetes_connected{resource=\"pods\"}").await, 0.0);
    proxy.told("what is known stays").await;
    readers_are(&proxy, 2).await;
    // No label moves, but the old primary's position says that the new one has everything.
    cluster.switchover(1).await;
    assert_eq!(writer_is(&proxy, 1).await, 2);
    assert_eq!(write(&proxy, 1).await.unwrap().unwrap(), cluster.server(1).port());
    api.run(&["restart"]).await;
    connected(&proxy, true).await;
    // The labels are those of before: that is no reason to go back.
    label_is(&proxy, 0, "primary").await;
    assert_eq!(writer_is(&proxy, 1).await, 2);
    api.label(1, ROLE, "primary").await;
    api.label(0, ROLE, "replica").await;
    label_is(&proxy, 0, "replica").await;
    readers_are(&proxy, 2).await;
    assert_eq!(writer_is(&proxy, 1).await, 2);
}

#[tokio::test]
async fn compacted_while_nobody_listened() {
    let cluster = Cluster::mariadb(1).await;
    let Some((api, proxy)) = start(&cluster).await else { return };
    let before = lists(&proxy).await;
    proxy.signal("STOP");
    // What happens before its watch is closed would wait in the socket.
    api.run(&["restart"]).await;
    api.label(1, "noise", "1").await;
    api.delete(1).await;
    api.pod(1, cluster.server(1).port(), &[(ROLE, "replica")]).await;
    api.run(&["compact"]).await;
    // Its cache of changes begins now, and etcd knows none from before.
    api.run(&["restart"]).await;
    proxy.signal("CONT");
    eventually("a new list", async || (lists(&proxy).await > before).then_some(())).await;
    connected(&proxy, true).await;
    readers_are(&proxy, 1).await;
    assert_eq!(writer_is(&proxy, 0).await, 1, "no reroute");
}

#[tokio::test]
async fn replicas_come_and_go() {
    let cluster = Cluster::mariadb(2).await;
    let Some(api) = ApiServer::start().await else { return };
    api.pod(0, cluster.server(0).port(), &[(ROLE, "primary")]).await;
    let mut proxy = proxy(&api, "");
    proxy.wait_ready().await;
    // A pod without a role is being set up.
    api.pod(1, cluster.server(1).port(), &[]).await;
    api.pod(2, cluster.server(2).port(), &[(ROLE, "replica")]).await;
    readers_are(&proxy, 1).await;
    assert_eq!(topology(&proxy).await["servers"].as_array().unwrap().len(), 2);
    api.label(1, ROLE, "replica").await;
    readers_are(&proxy, 2).await;

    // An open transaction on a pod that goes may end; nothing new begins there.
    let mut reader = proxy.reader().await.unwrap();
    reader.query_drop("START TRANSACTION READ ONLY").await.unwrap();
    let port = port_of(&mut reader).await.unwrap();
    let going = (1..3).find(|n| cluster.server(*n).port() == port).expect("a replica");
    api.begin_deletion(going).await;
    eventually("it is being deleted", async || {
        (topology(&proxy).await["servers"][going]["deleting"] == true).then_some(())
    })
    .await;
    readers_are(&proxy, 1).await;
    assert_eq!(port_of(&mut reader).await.unwrap(), port);
    reader.query_drop("COMMIT").await.unwrap();
    eventually("its next read is elsewhere", async || {
        (port_of(&mut reader).await.unwrap() != port).then_some(())
    })
    .await;
    api.delete(going).await;
    eventually("it is gone", async || {
        (topology(&proxy).await["servers"].as_array()?.len() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_pod_at_all_is_said_with_what_was_looked_for() {
    let mut cluster = Cluster::mariadb(1).await;
    let Some(api) = ApiServer::start().await else { return };
    let proxy = proxy(&api, "");
    logged(&proxy, "no pod is a server of this cluster").await;
    let looks_for = topology(&proxy).await["kubernetes"][0]["looks_for"].to_string();
    assert!(looks_for.contains("app.kubernetes.io/instance=shop"), "{looks_for}");
    api.pod(0, cluster.server(0).port(), &[(ROLE, "primary")]).await;
    api.pod(1, cluster.server(1).port(), &[(ROLE, "replica")]).await;
    writer_is(&proxy, 0).await;
    readers_are(&proxy, 1).await;
    cluster.server_mut(0).kill();
    logged(&proxy, "the servers need attention").await;
    cluster.server_mut(1).kill();
    logged(&proxy, "there is no primary, and no server answers").await;
    assert!(!proxy.log().contains("need no attention any more"), "{}", proxy.log());
    for number in 0..2 {
        api.delete(number).await;
    }
    eventually("no server is known", async || {
        (proxy.log().matches("no pod is a server of this cluster").count() == 2).then_some(())
    })
    .await;
}

async fn logged(proxy: &Proxy, text: &str) {
    eventually(text, async || proxy.log().contains(text).then_some(())).await;
}

#[tokio::test]
async fn a_primary_whose_pod_is_deleted_ends_what_is_open_and_gets_nothing_new() {
    let mut cluster = Cluster::mariadb(1).await;
    let Some((api, plain)) = start(&cluster).await else { return };
    drop(plain);
    let mut proxy = proxy(&api, "\n[failover]\nhold = \"120s\"\ngrace = \"1h\"\n");
    proxy.wait_ready().await;
    let mut open = proxy.client().await.unwrap();
    open.query_drop("BEGIN").await.unwrap();
    open.query_drop("INSERT INTO written VALUES (1)").await.unwrap();
    api.begin_deletion(0).await;
    eventually("nobody is the writer", async || topology(&proxy).await["writer"].is_null().then_some(()))
        .await;
    let waiting = write(&proxy, 2);
    eventually("who comes now waits", async || {
        (metric(&proxy, "pointsman_statements_waiting_for_writer").await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(port_of(&mut open).await.unwrap(), cluster.primary().port());
    open.query_drop("INSERT INTO written VALUES (3)").await.expect("its server still takes writes");
    open.query_drop("COMMIT").await.expect("what is open may end");
    assert!(!waiting.is_finished());
    cluster.switchover(1).await;
    api.label(1, ROLE, "primary").await;
    assert_eq!(waiting.await.unwrap().unwrap(), cluster.primary().port());
    assert_eq!(writer_is(&proxy, 1).await, 2);
    let all = cluster.primary().value("SELECT GROUP_CONCAT(n ORDER BY n) FROM test.written").await;
    assert_eq!(all, "1,2,3");
    api.delete(0).await;
}

#[tokio::test]
async fn rights_and_tokens_come_and_go() {
    let cluster = Cluster::mariadb(1).await;
    let Some((api, proxy)) = start(&cluster).await else { return };
    api.run(&["rights", NAMESPACE, "take"]).await;
    // A watch under way goes on; the next one is refused.
    let error = connected_after_a_watch(&proxy, false).await;
    for part in ["may not watch pods", "a Role", "verbs"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!(writer_is(&proxy, 0).await, 1);
    api.run(&["rights", NAMESPACE, "give"]).await;
    connected(&proxy, true).await;
    // The old token is worth nothing any more, and nobody is let in again without another one.
    api.run(&["token", "revoke", NAMESPACE]).await;
    api.run(&["kill"]).await;
    connected(&proxy, false).await;
    api.run(&["restart"]).await;
    connected(&proxy, true).await;
    api.pod(7, cluster.server(1).port(), &[(ROLE, "replica")]).await;
    eventually("the new pod is seen", async || {
        (topology(&proxy).await["servers"].as_array()?.len() == 3).then_some(())
    })
    .await;
}

/// What mariadb-operator's user asks for, and whom it names.
#[tokio::test]
async fn the_operators_resource_is_heeded() {
    let cluster = Cluster::mariadb(2).await;
    let Some((api, plain)) = start(&cluster).await else { return };
    api.resource().await;
    drop(plain);
    let config = config("").replace("port = \"mysql\"", "port = \"mysql\"\nread_resource = true");
    let mut proxy = Proxy::start_with(&config, &[("KUBECONFIG", &api.kubeconfig())]);
    proxy.wait_ready().await;
    let resource = async || topology(&proxy).await["kubernetes"][1].clone();
    let error = eventually("the missing right is told", async || {
        resource().await["error"].as_str().map(str::to_owned)
    })
    .await;
    for part in ["may not list mariadbs", "apiGroups: [\"k8s.mariadb.com\"]", "resourceNames: [\"shop\"]"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let verbs =
        ["create", "role", "resource", "--verb=get,list,watch", "--resource=mariadbs.k8s.mariadb.com"];
    api.kubectl(&[&verbs[..], &["--resource-name=shop"]].concat()).await;
    let account = format!("--serviceaccount={NAMESPACE}:pointsman");
    api.kubectl(&["create", "rolebinding", "resource", "--role=resource", &account]).await;
    eventually("it is read", async || (resource().await["connected"] == true).then_some(())).await;

    let mut client = proxy.client().await.unwrap();
    api.maintenance("{\"enabled\": true, \"cordon\": true}").await;
    in_maintenance(&proxy, &["cordoned"]).await;
    nobody_comes_in(&proxy).await;
    assert_eq!(proxy.get("/readyz").await.unwrap().0, 503);
    client.query_drop("INSERT INTO written VALUES (1)").await.expect("who is there goes on");
    api.maintenance("{\"drainConnections\": true, \"drainGracePeriodSeconds\": 1}").await;
    eventually("the idle client is ended", async || {
        let ended = metric(&proxy, "pointsman_client_disconnects_total{reason=\"idle_timeout\"}").await;
        (ended == 1.0).then_some(())
    })
    .await;
    client.ping().await.expect_err("it was ended");

    api.maintenance("{\"cordon\": false, \"drainConnections\": false, \"readOnly\": true}").await;
    in_maintenance(&proxy, &["read_only"]).await;
    cluster.primary().sql("SET GLOBAL read_only = 1").await;
    let mut client = eventually("it is open again", async || proxy.client().await.ok()).await;
    let mut reader = eventually("it is open again", async || proxy.reader().await.ok()).await;
    let error = refusal(client.query_drop("INSERT INTO written VALUES (2)").await);
    assert_eq!(error.code, 1290);
    assert!(error.message.contains("in maintenance"), "{}", error.message);
    assert_eq!(row(&mut reader, "SELECT COUNT(*) FROM test.written").await.unwrap(), ["1"]);
    assert_eq!(proxy.get("/readyz").await.unwrap().0, 200);

    api.maintenance("{\"enabled\": false}").await;
    in_maintenance(&proxy, &[]).await;
    // Each worker hears of it a moment later; who has heard waits.
    let held = eventually("a write waits again", async || {
        let held = write(&proxy, 2);
        sleep(Duration::from_millis(500)).await;
        (!held.is_finished()).then_some(held)
    })
    .await;
    cluster.primary().sql("SET GLOBAL read_only = 0").await;
    let port = match held.await.unwrap() {
        Ok(port) => port,
        // All of the proxy stood still for a moment, and that one worker had not heard.
        Err(_) => write(&proxy, 2).await.unwrap().unwrap(),
    };
    assert_eq!(port, cluster.primary().port());
    assert_eq!(writer_is(&proxy, 0).await, 1);

    // The resource is the first to name another primary.
    label_is(&proxy, 1, "replica").await;
    let named = "{\"status\": {\"currentPrimary\": \"db-1\"}}";
    api.kubectl(&["patch", "mariadb", "shop", "--subresource=status", "--type=merge", "-p", named]).await;
    label_is(&proxy, 1, "primary").await;
    assert_eq!(writer_is(&proxy, 0).await, 1);
}

/// Of a pod, by its reason and number: type, uid of the pod, message, source.
async fn event_of(api: &ApiServer, reason: &str, number: usize) -> [String; 4] {
    let selected = format!("--field-selector=reason={reason},involvedObject.name=db-{number}");
    let found = eventually(&format!("{reason} of db-{number}"), async || {
        let text = api.kubectl_says(&["get", "events", "-o", "json", &selected]).await;
        let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let items = list["items"].as_array().expect("items").clone();
        assert!(items.len() <= 1, "one for each change: {text}");
        items.first().cloned()
    })
    .await;
    let [kind, uid, message, source] =
        [&found["type"], &found["involvedObject"]["uid"], &found["message"], &found["source"]["component"]];
    [kind, uid, message, source].map(|text| text.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_change_is_an_event_of_the_pod_for_who_may_tell() {
    let mut cluster = Cluster::mariadb(2).await;
    let Some((api, plain)) = start(&cluster).await else { return };
    drop(plain);
    let mut proxy = proxy(&api, "\n[notify]\nevents = true\n");
    proxy.wait_ready().await;
    writer_is(&proxy, 0).await;
    readers_are(&proxy, 2).await;
    // Without the right that is said once, and nothing else is different.
    for (number, generation) in [(1, 2), (2, 3)] {
        cluster.switchover(number).await;
        api.label(number, ROLE, "primary").await;
        api.label(number - 1, ROLE, "replica").await;
        assert_eq!(writer_is(&proxy, number).await, generation);
        readers_are(&proxy, 2).await;
    }
    let missing = "may not create events in the proxy's own namespace; a Role with the rule";
    eventually("the missing right is told", async || proxy.log().contains(missing).then_some(())).await;
    api.kubectl(&["create", "role", "events", "--verb=create", "--resource=events"]).await;
    let account = format!("--serviceaccount={NAMESPACE}:pointsman");
    api.kubectl(&["create", "rolebinding", "events", "--role=events", &account]).await;
    eventually("the right is known", async || api.may("create", "events").await.then_some(())).await;

    cluster.primary_mut().kill();
    let [kind, uid, message, source] = event_of(&api, "WriterLost", 2).await;
    assert_eq!((&*kind, &*source), ("Warning", "pointsman"));
    assert!(
        message.starts_with("db-2 is not the primary any more, and there is no other yet (generation 3): "),
        "{message}"
    );
    assert_eq!(uid, api.kubectl_says(&["get", "pod", "db-2", "-o", "jsonpath={.metadata.uid}"]).await);
    api.label(1, ROLE, "primary").await;
    cluster.promote(1).await;
    assert_eq!(writer_is(&proxy, 1).await, 4);
    let [kind, _, message, _] = event_of(&api, "WriterChanged", 1).await;
    assert_eq!(kind, "Normal");
    assert!(message.starts_with("db-1 is the primary now, before it was db-2 (generation 4): "), "{message}");
    // What people type.
    let shown = api.kubectl_says(&["get", "events"]).await;
    let line = shown.lines().find(|line| line.contains("WriterChanged")).expect("a line");
    assert!(line.contains("pod/db-1") && line.contains("Normal"), "{shown}");
    assert!(!line.contains("<unknown>"), "it has a time: {shown}");
    let pod = api.kubectl_says(&["describe", "pod", "db-1"]).await;
    assert!(pod.contains("WriterChanged") && pod.contains("db-1 is the primary now"), "{pod}");
    // They come in their order: those from before were given up, and the right was missed once.
    assert_eq!(proxy.log().matches(missing).count(), 1, "{}", proxy.log());
}

/// Each worker hears of it a moment later: so many refusals in a row that every worker gave one.
async fn nobody_comes_in(proxy: &Proxy) {
    eventually("nobody comes in", async || {
        for _ in 0..20 {
            for connected in [proxy.client().await, proxy.reader().await] {
                let Err(error) = connected else { return None };
                assert_eq!(refused::<()>(Err(error)).0, 3032);
            }
        }
        Some(())
    })
    .await;
}

async fn in_maintenance(proxy: &Proxy, asked: &[&str]) {
    eventually(&format!("in maintenance: {asked:?}"), async || {
        (topology(proxy).await["maintenance"] == serde_json::json!(asked)).then_some(())
    })
    .await;
}

/// A watch lives 30 s.
async fn connected_after_a_watch(proxy: &Proxy, wanted: bool) -> String {
    for _ in 0..120 {
        let pods = topology(proxy).await["kubernetes"][0].clone();
        if pods["connected"] == wanted {
            return pods["error"].to_string();
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("connected is never {wanted}: {}", proxy.log());
}
