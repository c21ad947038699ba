//! Failover in front of real servers: what idle sessions, transactions, and writers see
//! when the primary is killed, frozen or replaced, and that no write is lost or run twice.

mod grace;
mod sessions;
mod stopped;

use crate::dialogue::writers::{TABLES, Writers, count};
use crate::dialogue::{
    PATIENCE, eventually, metric, patient, port_of, readers_are, refusal, refused, row, runs_on, topology,
    value, writer_is,
};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use sessions::{Held, Idle, Open};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// Each scene on both kinds of server.
macro_rules! on_both {
    ($scene:ident, $replicas:expr, $mariadb:ident, $mysql:ident) => {
        #[tokio::test]
        async fn $mariadb() {
            $scene(Cluster::mariadb($replicas).await).await;
        }

        #[tokio::test]
        async fn $mysql() {
            if let Some(cluster) = Cluster::mysql($replicas).await {
                $scene(cluster).await;
            }
        }
    };
}

on_both!(primary_killed, 2, mariadb_primary_killed, mysql_primary_killed);
on_both!(planned_switchover, 2, mariadb_planned_switchover, mysql_planned_switchover);
on_both!(primary_frozen, 1, mariadb_primary_frozen, mysql_primary_frozen);
on_both!(replicas_down, 2, mariadb_replicas_down, mysql_replicas_down);
on_both!(answer_lost, 1, mariadb_answer_lost, mysql_answer_lost);
on_both!(all_down_and_back, 1, mariadb_all_down_and_back, mysql_all_down_and_back);
on_both!(primary_stopped, 2, mariadb_primary_stopped, mysql_primary_stopped);
on_both!(gives_its_role_up, 1, mariadb_gives_its_role_up, mysql_gives_its_role_up);

/// The tables, replicated, and a primary that never acknowledges what no replica has.
async fn prepare(cluster: &Cluster) -> Proxy {
    acknowledge_alone_after(cluster, 600_000).await;
    cluster.primary().sql(TABLES).await;
    cluster.wait_caught_up().await;
    // Longer than two restarts take on a slow machine.
    let config = patient(&proxy_config(cluster)) + "\n[failover]\nhold = \"120s\"\n";
    let proxy = Proxy::start(&config).await;
    assert_eq!(writer_is(&proxy, 0).await, 1, "the first generation");
    readers_are(&proxy, cluster.servers().len() - 1).await;
    proxy
}

async fn acknowledge_alone_after(cluster: &Cluster, milliseconds: u32) {
    let timeout = match cluster.kind() {
        Kind::MariaDb => "rpl_semi_sync_master_timeout",
        Kind::MySql => "rpl_semi_sync_source_timeout",
    };
    cluster.primary().sql(&format!("SET GLOBAL {timeout} = {milliseconds}")).await;
}

type Answered = (mysql_async::Conn, Result<(), mysql_async::Error>);

/// A client with a statement of its own under way.
fn begin(proxy: &Proxy, sql: &'static str) -> JoinHandle<Answered> {
    begin_after(proxy, &[], sql)
}

fn begin_after(proxy: &Proxy, first: &'static [&'static str], sql: &'static str) -> JoinHandle<Answered> {
    let port = proxy.rw;
    tokio::spawn(async move {
        let mut client = connect(port, "app", "app", "test").await.expect("login");
        for sql in first {
            client.query_drop(*sql).await.expect("the statements before");
        }
        let result = client.query_drop(sql).await;
        (client, result)
    })
}

/// Its end, which must come.
async fn answered(statement: JoinHandle<Answered>) -> Answered {
    timeout(PATIENCE, statement).await.expect("no answer").expect("its task")
}

fn report(scene: &str, cluster: &Cluster, promoted: Instant, first: Instant) {
    let time = first.saturating_duration_since(promoted);
    eprintln!("{} {scene}: first write {time:?} after the promotion", cluster.kind().name());
}

async fn primary_killed(mut cluster: Cluster) {
    let proxy = prepare(&cluster).await;
    let writers = Writers::start(&proxy, 6).await;
    let mut idle = Idle::open(&proxy, cluster.kind(), 50).await;
    let open = Open::begin(&proxy).await;
    let held = Held::open(&proxy).await;
    let in_flight = begin(&proxy, "INSERT INTO log SELECT CONCAT('in-flight', SLEEP(600))");
    runs_on(&cluster, 0, "in-flight").await;
    let slow: &'static str = format!(
        "INSERT INTO log SELECT CONCAT('in-open', SLEEP(600 * (@@port = {})))",
        cluster.primary().port()
    )
    .leak();
    let in_open = begin_after(&proxy, &["BEGIN", "INSERT INTO log VALUES ('opened')"], slow);
    runs_on(&cluster, 0, "in-open").await;
    let mut numbered = proxy.client().await.unwrap();
    numbered.query_drop("INSERT INTO ids VALUES (NULL), (NULL)").await.unwrap();
    let last = numbered.last_insert_id().expect("an id");

    cluster.primary_mut().kill();
    let (mut client, result) = answered(in_flight).await;
    assert_eq!(refusal(result).state, "08007");
    eventually("there is no writer", async || topology(&proxy).await["writer"].is_null().then_some(())).await;
    let waiting = begin(&proxy, "INSERT INTO log VALUES ('while-there-is-none')");
    eventually("all writers and one more wait", async || {
        (metric(&proxy, "pointsman_statements_waiting_for_writer").await >= 7.0).then_some(())
    })
    .await;
    assert!(!waiting.is_finished());

    let promoted = cluster.promote(1).await;
    let port = cluster.primary().port();
    let (mut waited, result) = answered(waiting).await;
    result.expect("it waits for the new primary");
    assert_eq!(count(&mut waited, "while-there-is-none").await, "1");
    assert_eq!(count(&mut client, "in-flight0").await, "0", "the connection goes on");
    let (mut opener, result) = answered(in_open).await;
    result.expect("a transaction runs again, up to what it did last");
    opener.query_drop("COMMIT").await.expect("COMMIT");
    for token in ["opened", "in-open0"] {
        assert_eq!(count(&mut opener, token).await, "1", "{token}");
    }
    match value(&mut numbered, "SELECT LAST_INSERT_ID()").await {
        Ok(id) => assert_eq!(id, last.to_string(), "a wrong id"),
        error => assert_eq!(refused(error).0, 1053),
    }
    idle.go_on_at(port, "killed").await;
    open.goes_on(port).await;
    held.lost(port).await;
    assert_eq!(writer_is(&proxy, 1).await, 2);
    writers.each_wrote().await;
    report("killed", &cluster, promoted, writers.settle(cluster.primary(), promoted).await);
    let now = topology(&proxy).await;
    let last = now["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["to"], &last["generation"]), (&"db-1".into(), &2.into()), "{now}");

    cluster.rejoin(0).await;
    readers_are(&proxy, 2).await;
    assert_eq!(writer_is(&proxy, 1).await, 2, "who comes back does not take over");
}

async fn planned_switchover(mut cluster: Cluster) {
    let proxy = prepare(&cluster).await;
    // The old primary, as a replica, must not wait for one of its own.
    acknowledge_alone_after(&cluster, 100).await;
    let writers = Writers::start(&proxy, 6).await;
    let mut idle = Idle::open(&proxy, cluster.kind(), 50).await;
    let open = Open::begin(&proxy).await;
    let held = Held::open(&proxy).await;

    let promoted = cluster.switchover(1).await;
    let port = cluster.primary().port();
    idle.go_on_at(port, "there").await;
    open.goes_on(port).await;
    held.lost(port).await;
    writers.each_wrote().await;
    assert_eq!(writer_is(&proxy, 1).await, 2);

    // And back, with sessions that moved once already.
    cluster.switchover(0).await;
    idle.go_on_at(cluster.primary().port(), "back").await;
    writers.each_wrote().await;
    assert_eq!(writer_is(&proxy, 0).await, 3);
    report("switchover", &cluster, promoted, writers.settle(cluster.primary(), promoted).await);
    let mut client = proxy.client().await.unwrap();
    let lost = "SELECT COUNT(DISTINCT token) FROM log WHERE token LIKE 'idle-%'";
    assert_eq!(value(&mut client, lost).await.unwrap(), "100");
}

async fn primary_frozen(mut cluster: Cluster) {
    let proxy = prepare(&cluster).await;
    cluster.primary().sql("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1").await;
    let writers = Writers::start(&proxy, 4).await;
    let mut idle = Idle::open(&proxy, cluster.kind(), 12).await;
    let open = Open::begin(&proxy).await;
    let held = Held::open(&proxy).await;
    let in_flight = begin(&proxy, "INSERT INTO log SELECT CONCAT('in-flight', SLEEP(600))");
    runs_on(&cluster, 0, "in-flight").await;

    cluster.server(0).freeze();
    let promoted = cluster.promote(1).await;
    let port = cluster.primary().port();
    assert_eq!(writer_is(&proxy, 1).await, 2);
    let (mut client, result) = answered(in_flight).await;
    assert_eq!(refusal(result).state, "08007");
    assert_eq!(port_of(&mut client).await.unwrap(), port);
    // From here on nothing of what is said may reach the old primary.
    writers.each_wrote().await;
    writers.enter_phase(1);
    idle.go_on_at(port, "-p1-").await;
    writers.each_wrote().await;

    cluster.server(0).thaw();
    eventually("the old primary is seen again", async || {
        (topology(&proxy).await["servers"][0]["health"] == "up").then_some(())
    })
    .await;
    writers.enter_phase(2);
    idle.go_on_at(port, "-p2-").await;
    open.goes_on(port).await;
    held.lost(port).await;
    writers.each_wrote().await;
    let mut late = proxy.client().await.unwrap();
    assert_eq!(port_of(&mut late).await.unwrap(), port);
    assert_eq!(writer_is(&proxy, 1).await, 2, "who thaws does not take over");
    let first = writers.settle(cluster.primary(), promoted).await;
    report("frozen", &cluster, promoted, first);

    let old = cluster.server(0);
    let heard = |what: &str| {
        let mine = "SELECT COUNT(*) FROM mysql.general_log WHERE user_host LIKE 'app%'";
        format!("{mine} AND argument LIKE '%{what}%'")
    };
    assert_ne!(old.value(&heard("-p0-")).await, "0", "the log hears statements");
    for late in ["-p1-", "-p2-"] {
        assert_eq!(old.value(&heard(late)).await, "0", "{late} reached the old primary");
    }
    let rows = "SELECT COUNT(*) FROM test.log WHERE token LIKE '%-p1-%' OR token LIKE '%-p2-%'";
    assert_eq!(old.value(rows).await, "0");
    assert_ne!(cluster.primary().value(rows).await, "0");
}

/// Executed and in the binary log, but not yet answered, when the primary dies: nothing of it may be sent again.
async fn answer_lost(mut cluster: Cluster) {
    let proxy = prepare(&cluster).await;
    let (wait, stop) = match cluster.kind() {
        Kind::MariaDb => ("rpl_semi_sync_master_wait_no_slave", "STOP SLAVE IO_THREAD"),
        Kind::MySql => ("rpl_semi_sync_source_wait_no_replica", "STOP REPLICA IO_THREAD"),
    };
    // Who commits now waits for an acknowledgement that never comes.
    cluster.primary().sql(&format!("SET GLOBAL {wait} = 1")).await;
    cluster.server(1).sql(stop).await;
    let alone = begin(&proxy, "INSERT INTO log VALUES ('lost-alone')");
    waits_for_acknowledgement(&cluster, "lost-alone").await;
    let commit = begin_after(&proxy, &["BEGIN", "INSERT INTO log VALUES ('lost-commit')"], "COMMIT");
    runs_on(&cluster, 0, "COMMIT").await;
    let holder = begin_after(&proxy, &["SET @x = (SELECT 1)"], "INSERT INTO log VALUES ('lost-holder')");
    runs_on(&cluster, 0, "lost-holder").await;

    cluster.primary_mut().kill();
    let (mut alone, first) = answered(alone).await;
    let (mut commit, second) = answered(commit).await;
    let (mut holder, third) = answered(holder).await;
    for result in [first, second, third] {
        assert_eq!(refusal(result).state, "08007");
    }
    cluster.primary_mut().restart().await;
    for token in ["lost-alone", "lost-commit", "lost-holder"] {
        // What recovery does with what was not acknowledged is the server's choice.
        let times = count(&mut alone, token).await;
        eprintln!("{} {token}: {times} times after the crash", cluster.kind().name());
        assert!(["0", "1"].contains(&&*times), "{token}: {times} times");
    }
    assert_eq!(port_of(&mut commit).await.unwrap(), cluster.primary().port());
    assert!(holder.query_drop("DO 1").await.is_err(), "what it held is lost, so it ends");
}

async fn waits_for_acknowledgement(cluster: &Cluster, part: &str) {
    let ask = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{part}%' AND state LIKE '%semi-sync ACK%'"
    );
    eventually("it is in the binary log", async || {
        (cluster.primary().value(&ask).await == "1").then_some(())
    })
    .await;
}

async fn replicas_down(mut cluster: Cluster) {
    let proxy = prepare(&cluster).await;
    acknowledge_alone_after(&cluster, 100).await;
    let replicas = [cluster.server(1).port(), cluster.server(2).port()];
    let mut open = proxy.client().await.unwrap();
    open.query_drop("BEGIN").await.unwrap();
    open.query_drop("INSERT INTO log VALUES ('through')").await.unwrap();
    let mut readers = Vec::new();
    // Each session draws a replica: as many as it takes until both are in use.
    eventually("reads are spread", async || {
        let mut reader = proxy.reader().await.unwrap();
        let port = port_of(&mut reader).await.unwrap();
        readers.push((reader, port));
        let used = |port| readers.iter().any(|(_, p)| *p == port);
        (readers.len() >= 8 && replicas.into_iter().all(used)).then_some(())
    })
    .await;
    // A read under way on the replica that dies.
    let at = readers.iter().position(|(_, p)| *p == replicas[0]).unwrap();
    let (mut reader, _) = readers.remove(at);
    let sleeps = format!("SELECT SLEEP(600 * (@@port = {})), @@port", replicas[0]);
    let reading = tokio::spawn(async move { row(&mut reader, &sleeps).await });
    runs_on(&cluster, 1, "SELECT SLEEP").await;
    cluster.server_mut(1).kill();
    assert_eq!(reading.await.unwrap().unwrap(), ["0".to_owned(), replicas[1].to_string()]);
    for (reader, _) in &mut readers {
        assert_eq!(port_of(reader).await.unwrap(), replicas[1]);
    }

    // MySQL would wait for them at COMMIT; their end is not what is tried here.
    open.query_drop("COMMIT").await.unwrap();
    cluster.server_mut(2).kill();
    for (reader, _) in &mut readers {
        assert_eq!(port_of(reader).await.unwrap(), cluster.primary().port(), "replicas.fallback");
        let result = reader.query_drop("INSERT INTO log VALUES ('by a reader')").await;
        assert_eq!(refused(result).0, 1290);
    }
    open.query_drop("INSERT INTO log VALUES ('alone')").await.expect("the primary works on");
    cluster.server_mut(1).restart().await;
    readers_are(&proxy, 1).await;
    // Each worker hears of it a moment later.
    for (reader, _) in &mut readers {
        eventually("back to a replica", async || {
            (port_of(reader).await.unwrap() == replicas[0]).then_some(())
        })
        .await;
    }
    assert_eq!(writer_is(&proxy, 0).await, 1, "the writer never changed");
}

async fn all_down_and_back(mut cluster: Cluster) {
    let proxy = prepare(&cluster).await;
    let hurried = format!("{}\n[failover]\nhold = \"1s\"\n", patient(&proxy_config(&cluster)));
    let hurried = Proxy::start(&hurried).await;
    let mut idle = Idle::open(&proxy, cluster.kind(), 12).await;
    let open = Open::begin(&proxy).await;
    let mut impatient = hurried.client().await.unwrap();
    impatient.query_drop("DO 1").await.unwrap();
    let mut reader = hurried.reader().await.unwrap();
    reader.query_drop("DO 1").await.unwrap();

    for number in 0..2 {
        cluster.server_mut(number).kill();
    }
    let waiting = begin(&proxy, "INSERT INTO log VALUES ('through-it-all')");
    for _ in 0..2 {
        let error = refusal(impatient.query_drop("INSERT INTO log VALUES ('too-late')").await);
        assert_eq!((error.code, &*error.state), (1290, "HY000"));
        assert!(error.message.contains("failover.hold"), "{}", error.message);
        assert!(error.message.contains("no primary"), "{}", error.message);
    }
    refusal(reader.query_drop("SELECT 1 FROM log").await);
    // This driver asks for variables as soon as it is logged in.
    assert_eq!(refusal(hurried.client().await).code, 1290);
    let (status, _) = hurried.get("/readyz").await.unwrap();
    assert_eq!(status, 503, "without a writer it is not ready");
    // All pods of the proxy lose the primary together: if none were ready, new connections would be refused.
    let (status, _) = proxy.get("/readyz").await.unwrap();
    assert_eq!(status, 200, "while statements wait it is ready");

    for number in 0..2 {
        cluster.server_mut(number).restart().await;
    }
    let (mut waited, result) = answered(waiting).await;
    result.expect("it waits through the outage");
    assert_eq!(count(&mut waited, "through-it-all").await, "1");
    assert_eq!(count(&mut waited, "too-late").await, "0", "an error that says so executed nothing");
    let port = cluster.primary().port();
    idle.go_on_at(port, "back").await;
    open.goes_on(port).await;
    let mut newcomer = hurried.client().await.unwrap();
    for client in [&mut impatient, &mut newcomer] {
        eventually("the impatient go on", async || port_of(client).await.ok().filter(|p| *p == port)).await;
    }
    eventually("the reader goes on", async || port_of(&mut reader).await.ok()).await;
    assert_eq!(writer_is(&proxy, 0).await, 1, "the same writer is no new generation");
}

async fn gives_its_role_up(cluster: Cluster) {
    cluster.primary().sql(TABLES).await;
    cluster.wait_caught_up().await;
    grace::read_only_before_there_is_another(cluster).await;
}

async fn primary_stopped(cluster: Cluster) {
    let proxy = prepare(&cluster).await;
    stopped::under_load(cluster, proxy).await;
}
