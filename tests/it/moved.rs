//! A name or an address that leads to another server, while the former one lives on.

use crate::dialogue::eventually;
use crate::dialogue::raw::{Raw, error_code};
use crate::support::{
    Cluster, Kind, Proxy, Relay, Scratch, config_without_servers, free_port, has_own_disks, report_skipped,
};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn mariadb_that_is_another_one_gets_no_statement() {
    other_server(Cluster::mariadb(0).await, Cluster::mariadb(0).await, By::Address).await;
}

#[tokio::test]
async fn mysql_that_is_another_one_gets_no_statement() {
    if let (Some(first), Some(second)) = (Cluster::mysql(0).await, Cluster::mysql(0).await) {
        other_server(first, second, By::Address).await;
    }
}

#[tokio::test]
async fn mariadb_whose_name_moves_gets_no_statement() {
    if has_own_hosts() {
        let (first, second) = (Cluster::mariadb(0).await, Cluster::mariadb(0).await);
        other_server(first, second, By::Name).await;
    }
}

#[tokio::test]
async fn mysql_whose_name_moves_gets_no_statement() {
    if let (true, Some(first), Some(second)) =
        (has_own_hosts(), Cluster::mysql(0).await, Cluster::mysql(0).await)
    {
        other_server(first, second, By::Name).await;
    }
}

#[tokio::test]
async fn connections_to_an_address_that_mariadb_left_are_retired() {
    if has_own_hosts() {
        retired(Cluster::mariadb(0).await).await;
    }
}

#[tokio::test]
async fn connections_to_an_address_that_mysql_left_are_retired() {
    if let (true, Some(cluster)) = (has_own_hosts(), Cluster::mysql(0).await) {
        retired(cluster).await;
    }
}

fn has_own_hosts() -> bool {
    let has = has_own_disks();
    if !has {
        report_skipped("a name that moves", "needs root, for a file of hosts of its own");
    }
    has
}

/// A name that leads to one of two addresses of this machine.
struct Name {
    port: u16,
    ways: [Relay; 2],
    scratch: Scratch,
}

impl Name {
    /// Leads to the first of the servers at these ports.
    async fn of(servers: [u16; 2]) -> Self {
        let port = free_port();
        let way = |last: u8, server| Relay::at([127, 0, 0, last].into(), port, server);
        let name = Name {
            port,
            ways: [way(2, servers[0]).await, way(3, servers[1]).await],
            scratch: Scratch::new("hosts"),
        };
        name.lead_to(0);
        name
    }

    fn hosts(&self) -> PathBuf {
        self.scratch.path().join("hosts")
    }

    /// In place: the proxy has this file, whatever its name.
    fn lead_to(&self, way: usize) {
        let hosts = format!("127.0.0.1 localhost\n127.0.0.{} db.test\n", way + 2);
        std::fs::write(self.hosts(), hosts).expect("cannot write the file of hosts");
    }

    fn server(&self) -> String {
        format!("\n[[discovery.servers]]\nname = \"db-0\"\naddress = \"db.test:{}\"\n", self.port)
    }
}

/// What leads elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Address,
    Name,
}

/// The server stays the same, at another address: connections to the former address are closed as soon as nothing pins them,
/// and no client notices.
async fn retired(cluster: Cluster) {
    cluster.primary().sql("CREATE TABLE test.noted (number VARCHAR(40))").await;
    let port = cluster.primary().port();
    let name = Name::of([port, port]).await;
    let config = config_without_servers() + "\n[discovery]\nkind = \"static\"\n" + &name.server();
    let proxy = Proxy::start_with_hosts(&config, &name.hosts()).await;
    let (mut idle, mut pinned) = (Raw::app(proxy.rw).await, Raw::app(proxy.rw).await);
    let works = async |client: &mut Raw, sql: &str| {
        let answer = client.query(sql).await.expect("an answer");
        assert_eq!(error_code(&answer), 0, "{sql}: {}", String::from_utf8_lossy(&answer));
        answer
    };
    works(&mut idle, "SET @own = 'kept'").await;
    works(&mut pinned, "CREATE TEMPORARY TABLE own (a INT)").await;
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for number in 0..4 {
        writers.spawn(writes(proxy.rw, format!("w{number}"), over.clone()));
    }
    eventually("all are connected", async || (name.ways[0].open() >= 4).then_some(())).await;
    name.lead_to(1);
    eventually("the former address has the pinned connection only", async || {
        (name.ways[0].open() == 1 && name.ways[1].open() >= 2).then_some(())
    })
    .await;
    works(&mut pinned, "INSERT INTO own VALUES (1)").await;
    works(&mut pinned, "DROP TEMPORARY TABLE own").await;
    eventually("the former address has none", async || (name.ways[0].open() == 0).then_some(())).await;
    assert!(!works(&mut idle, "SELECT @own").await.is_empty());
    over.store(true, Ordering::Relaxed);
    let all = writers.join_all().await;
    let there = numbers(&cluster).await;
    for write in all.iter().flatten() {
        assert!(there.contains(&write.number), "{} was acknowledged", write.number);
    }
    let sent: usize = all.iter().map(|writes| writes.len()).sum();
    assert_eq!(sent, there.len(), "none got an error");
}

/// A write: its number, and when it was sent and acknowledged.
struct Write {
    number: String,
    sent: Instant,
    done: Instant,
}

/// A client that writes until `over`.
async fn writes(port: u16, name: String, over: Arc<AtomicBool>) -> Vec<Write> {
    let mut client = Raw::app(port).await;
    let mut all = Vec::new();
    for n in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let (number, sent) = (format!("{name}-{n}"), Instant::now());
        let answer =
            client.query(&format!("INSERT INTO noted VALUES ('{number}')")).await.expect("an answer");
        // What was under way on the former server may be in doubt.
        if error_code(&answer) == 0 {
            all.push(Write { number, sent, done: Instant::now() });
        }
        sleep(std::time::Duration::from_millis(5)).await;
    }
    all
}

async fn numbers(cluster: &Cluster) -> HashSet<String> {
    let rows = cluster.primary().sql("SELECT number FROM test.noted").await;
    rows.into_iter().filter_map(|row| row[0].clone()).collect()
}

/// As soon as one write is acknowledged on the second server, none that is sent later goes to the first one.
async fn other_server(first: Cluster, second: Cluster, by: By) {
    for cluster in [&first, &second] {
        cluster.primary().sql("CREATE TABLE test.noted (number VARCHAR(40))").await;
    }
    if second.kind() == Kind::MariaDb {
        // The same number does not make it the same server.
        let number = first.primary().value("SELECT @@server_id").await;
        second.primary().sql(&format!("SET GLOBAL server_id = {number}")).await;
    }
    let (of_first, of_second) = (first.primary().port(), second.primary().port());
    let relay = Relay::to(of_first).await;
    let name = Name::of([of_first, of_second]).await;
    let config = config_without_servers() + "\n[discovery]\nkind = \"static\"\n";
    let port = relay.port();
    let server = format!("\n[[discovery.servers]]\nname = \"db-0\"\naddress = \"127.0.0.1:{port}\"\n");
    let proxy = match by {
        By::Address => Proxy::start(&(config + &server)).await,
        By::Name => Proxy::start_with_hosts(&(config + &name.server()), &name.hosts()).await,
    };
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for name in 0..4 {
        writers.spawn(writes(proxy.rw, format!("early{name}"), over.clone()));
    }
    eventually("the first server is written", async || (numbers(&first).await.len() > 20).then_some(()))
        .await;
    match by {
        By::Address => relay.lead_to(of_second),
        By::Name => name.lead_to(1),
    }
    for name in 0..12 {
        writers.spawn(writes(proxy.rw, format!("late{name}"), over.clone()));
    }
    eventually("the second server is written by all", async || {
        let there = numbers(&second).await;
        let wrote = |name: String| there.iter().any(|number| number.starts_with(&name));
        ((0..4).all(|n| wrote(format!("early{n}-"))) && (0..12).all(|n| wrote(format!("late{n}-"))))
            .then_some(())
    })
    .await;
    over.store(true, Ordering::Relaxed);
    let all: Vec<Write> = writers.join_all().await.into_iter().flatten().collect();
    let (on_first, on_second) = (numbers(&first).await, numbers(&second).await);
    let of_second = all.iter().filter(|write| on_second.contains(&write.number));
    let moved = of_second.map(|write| write.done).min().expect("a write on the second server");
    let strays = all.iter().filter(|write| on_first.contains(&write.number) && write.sent > moved);
    let strays: Vec<_> = strays.map(|write| &write.number).collect();
    assert!(strays.is_empty(), "both servers are written: {strays:?}");
    let lost: Vec<_> =
        all.iter().filter(|w| !on_first.contains(&w.number) && !on_second.contains(&w.number)).collect();
    assert!(lost.is_empty(), "{} acknowledged writes are nowhere", lost.len());
}
