//! Traces: what reaches a collector of the statements that a proxy carries.

#[path = "traces/collector.rs"]
mod collector;

use self::collector::Collector;
use crate::dialogue::{PATIENCE, eventually, metric, patient, readers_are, runs_on};
use crate::support::{Cluster, Proxy, Scratch, connect, free_port, proxy_config};
use mysql_async::prelude::Queryable;

/// A value that must not show.
const SENTINEL: &str = "c4n4ry";

/// The configuration of a proxy with a port that splits, which sends traces to this collector.
fn traced(cluster: &Cluster, port: u16, more: &str) -> String {
    let config = patient(&proxy_config(cluster)).replace("mode = \"primary\"", "mode = \"split\"");
    // A read behind a write waits for its replica, however busy the machine is.
    let config = format!("{config}\n[consistency]\nmax_wait = \"60s\"\n");
    format!(
        "workers = 2\nworker_fill = 0\n{config}\n[traces]\nendpoint = \"http://127.0.0.1:{port}\"\n{more}\n"
    )
}

async fn client(proxy: &Proxy) -> mysql_async::Conn {
    connect(proxy.rw, "app", "app", "test").await.unwrap()
}

#[tokio::test]
async fn a_statement_and_its_steps_reach_the_collector() {
    let cluster = Cluster::mariadb(1).await;
    cluster.primary().sql("CREATE TABLE IF NOT EXISTS test.traced (id INT PRIMARY KEY, v TEXT)").await;
    let mut collector = Collector::start().await;
    let proxy = Proxy::start(&traced(&cluster, collector.port, "ratio = 1")).await;
    readers_are(&proxy, 1).await;
    let mut app = client(&proxy).await;
    app.query_drop(format!("INSERT INTO traced VALUES (1, '{SENTINEL}')")).await.unwrap();
    app.query_drop(format!("SELECT v FROM traced WHERE v = '{SENTINEL}'")).await.unwrap();
    app.exec_drop("SELECT id FROM traced WHERE v = ?", (SENTINEL,)).await.unwrap();
    assert!(app.query_drop(format!("SELECT '{SENTINEL}' FROM nowhere")).await.is_err());

    let insert = collector.statement("INSERT INTO").await;
    assert_eq!((insert.name.as_str(), insert.parent.as_str()), ("INSERT traced", ""));
    assert!(!insert.failed);
    for (key, value) in [
        ("db.system.name", "mariadb"),
        ("db.namespace", "test"),
        ("db.operation.name", "INSERT"),
        ("db.query.summary", "INSERT traced"),
        ("pointsman.role", "primary"),
        ("pointsman.port", "split"),
        ("pointsman.user", "app"),
        ("network.peer.address", "127.0.0.1"),
    ] {
        assert_eq!(insert.get(key), value, "{key}: {insert:#?}");
    }
    let steps = collector.steps(&insert);
    let server = steps.iter().find(|step| step.name == "server").unwrap();
    assert_eq!((server.kind, server.get("pointsman.server")), (3, "db-0"));
    assert_eq!(server.get("server.port"), cluster.primary().port().to_string());
    assert_eq!(collector.names(&insert)[0], "route");

    let read = collector.statement("SELECT `v` FROM").await;
    assert_eq!((read.get("pointsman.role"), read.get("pointsman.reason")), ("replica", "plain_read"));
    assert!(collector.names(&read).contains(&"barrier".to_owned()), "{:?}", collector.names(&read));
    let executed = collector.statement("SELECT `id` FROM").await;
    let prepared = collector.gather().await.iter().find(|span| span.name == "PREPARE SELECT traced");
    assert!(executed.name == "SELECT traced" && prepared.is_some());
    let failed = collector.statement("`nowhere`").await;
    assert!(failed.failed && failed.get("db.response.status_code") == "1146", "{failed:#?}");
    assert_eq!(collector.resource["service.name"], "pointsman");
    assert!(!format!("{:?}", collector.spans).contains(SENTINEL));
    eventually("the spans are counted", async || {
        (metric(&proxy, "pointsman_spans_exported_total").await > 0.0).then_some(())
    })
    .await;
}

fn comment(trace: u128, sampled: bool) -> String {
    format!("/*traceparent='00-{trace:032x}-00000000000000b7-0{}'*/", u8::from(sampled))
}

/// The share of the statements' time that their steps explain, weighted by time.
fn explained(collector: &Collector) -> f64 {
    let (mut whole, mut explained) = (0, 0);
    for of in collector.spans.iter().filter(|span| span.kind == 2) {
        whole += of.ended - of.began;
        let mut at = of.began;
        for step in collector.steps(of).iter().filter(|step| step.parent == of.id) {
            explained += step.ended.min(of.ended).saturating_sub(step.began.max(at));
            at = at.max(step.ended);
        }
    }
    explained as f64 / whole as f64
}

/// A switchover in the middle of a transaction: what held its next statement up, and where it ran.
#[tokio::test]
async fn a_switchover_shows_in_the_trace_of_the_statement_that_met_it() {
    let mut cluster = Cluster::mariadb(1).await;
    cluster.primary().sql("CREATE TABLE IF NOT EXISTS test.traced (id INT PRIMARY KEY, v TEXT)").await;
    let mut collector = Collector::start().await;
    let more = "ratio = 1\n[failover]\nhold = \"60s\"\nreplay = \"safe\"";
    let proxy = Proxy::start(&traced(&cluster, collector.port, more)).await;
    readers_are(&proxy, 1).await;
    let mut app = client(&proxy).await;
    app.query_drop("START TRANSACTION").await.unwrap();
    app.query_drop("INSERT INTO traced VALUES (7, 'x')").await.unwrap();
    cluster.switchover(1).await;
    app.query_drop("UPDATE traced SET v = 'y' WHERE id = 7").await.unwrap();
    app.query_drop("COMMIT").await.unwrap();
    let update = collector.statement("UPDATE `traced`").await;
    let steps = collector.steps(&update);
    let names = collector.names(&update);
    let replay = steps.iter().find(|step| step.name == "replay").unwrap_or_else(|| panic!("{names:?}"));
    assert!(steps.iter().any(|step| step.parent == replay.id), "a replay has steps of its own: {names:?}");
    let answered = steps.iter().rev().find(|step| step.name == "server").unwrap();
    assert_eq!((answered.get("pointsman.server"), answered.get("pointsman.outcome")), ("db-1", "answered"));
    // No bar here: these statements are so short that one pause of this machine between two steps decides the share.
    eprintln!("the steps explain {:.1} %", 100.0 * explained(&collector));
}

/// One server connection for two clients: the second one waits in line.
#[tokio::test]
async fn a_wait_in_line_and_a_slow_client_are_steps() {
    let cluster = Cluster::mariadb(0).await;
    let mut collector = Collector::start().await;
    let config = traced(&cluster, collector.port, "ratio = 1\n[limits]\nmax_server_connections = 1");
    let proxy = Proxy::start(&config.replace("workers = 2", "workers = 1")).await;
    let (mut first, mut second) = (client(&proxy).await, client(&proxy).await);
    let long = tokio::spawn(async move { first.query_drop("DO SLEEP(5), 'long'").await.unwrap() });
    runs_on(&cluster, 0, "SLEEP(5)").await;
    second.query_drop("SELECT 1 + 1 AS waited").await.unwrap();
    long.await.unwrap();
    let waited = collector.statement("`waited`").await;
    let steps = collector.steps(&waited);
    let queue = steps.iter().find(|step| step.name == "queue").unwrap();
    assert!(queue.ended - queue.began > 300_000_000, "{queue:?}");
    // 32 MiB fill the buffers of any socket, and this client begins to read a moment later.
    let mut slow =
        second.query_iter("SELECT REPEAT('x', 8388608), REPEAT('y', 8388608), 1 AS lazy").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    while slow.next().await.unwrap().is_some() {}
    slow.drop_result().await.unwrap();
    let slow = collector.statement("`lazy`").await;
    let names = collector.names(&slow);
    assert!(names.contains(&"client".to_owned()), "{names:?}");
    assert!(explained(&collector) >= 0.95);
}

#[tokio::test]
async fn clients_decide_within_the_limit_and_settings_change_at_once() {
    let cluster = Cluster::mariadb(0).await;
    let mut collector = Collector::start().await;
    let folder = Scratch::new("traces");
    let headers = folder.path().join("headers");
    std::fs::write(&headers, format!("authorization: Bearer {SENTINEL}\n")).unwrap();
    let more = format!("ratio = 0.0\nmax_per_second = 10\nheaders_file = \"{}\"", headers.display());
    let config = traced(&cluster, collector.port, &more).replace("workers = 2", "workers = 1");
    let proxy = Proxy::start(&config).await;
    let mut app = client(&proxy).await;
    app.query_drop("SELECT 1 AS alone").await.unwrap();
    app.query_drop(format!("SELECT 1 AS unwanted {}", comment(0xa1, false))).await.unwrap();
    app.query_drop(format!("SELECT 1 AS wanted {}", comment(0xa2, true))).await.unwrap();
    let wanted = collector.statement("`wanted`").await;
    assert_eq!((wanted.trace, wanted.parent), (format!("{:032x}", 0xa2), format!("{:016x}", 0xb7)));
    let texts: Vec<_> = collector.spans.iter().map(|span| span.get("db.query.text")).collect();
    assert!(!texts.iter().any(|text| text.contains("alone") || text.contains("unwanted")), "{texts:?}");
    assert!(
        collector.heads[0].contains(&format!("authorization: Bearer {SENTINEL}")),
        "{:?}",
        collector.heads
    );
    // A client that samples everything gets what the limit allows.
    eventually("statements over the limit are counted", async || {
        for _ in 0..200 {
            app.query_drop(format!("SELECT 1 AS flood {}", comment(0xa3, true))).await.unwrap();
        }
        (metric(&proxy, "pointsman_spans_dropped_total{reason=\"limit\"}").await >= 100.0).then_some(())
    })
    .await;
    // The ratio is read anew.
    proxy.write_config(&config.replace("ratio = 0.0", "ratio = 1"));
    eventually("the new ratio holds", async || {
        app.query_drop("SELECT 1 AS later").await.unwrap();
        collector
            .gather()
            .await
            .iter()
            .any(|span| span.get("db.query.text").contains("`later`"))
            .then_some(())
    })
    .await;
    assert!(!proxy.log().contains(SENTINEL), "{}", proxy.log());
    // Off: nothing more.
    let off = config.replace(&format!("http://127.0.0.1:{}", collector.port), "off");
    proxy.write_config(&off);
    eventually("traces are off", async || proxy.log().contains("traces").then_some(())).await;
}

#[tokio::test]
async fn without_a_collector_spans_are_dropped_and_statements_go_on() {
    let cluster = Cluster::mariadb(0).await;
    let port = free_port();
    let mut proxy = Proxy::start(&traced(&cluster, port, "ratio = 1")).await;
    let mut app = client(&proxy).await;
    app.query_drop("SELECT 1 AS dropped").await.unwrap();
    eventually("spans are dropped", async || {
        (metric(&proxy, "pointsman_spans_dropped_total{reason=\"export\"}").await > 0.0).then_some(())
    })
    .await;
    eventually("the failure is counted", async || {
        (metric(&proxy, "pointsman_span_exports_failed_total").await > 0.0).then_some(())
    })
    .await;
    let log = proxy.told("the collector takes no spans").await;
    assert_eq!(log.matches("the collector takes no spans").count(), 1, "{log}");
    // The collector comes, and the last spans leave with the proxy.
    let mut collector = Collector::on(port).await;
    eventually("the collector takes spans", async || {
        app.query_drop("SELECT 1 AS taken").await.unwrap();
        proxy.log().contains("the collector takes spans again").then_some(())
    })
    .await;
    app.query_drop("SELECT 1 AS goodbye").await.unwrap();
    drop(app);
    proxy.signal("TERM");
    proxy.wait_exit(PATIENCE).await;
    collector.statement("`goodbye`").await;
}
