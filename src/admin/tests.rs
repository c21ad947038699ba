use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::config::{Config, Fallback};
use crate::terms::{Close, Disruption, Port, Role, StatementKind, Why};
use crate::topology::{
    Alarm, Facts, Flavor, GtidSet, Health, Maintenance, PrimaryChange, Replication, Server, ServerId,
};

/// The endpoints on a loopback socket, and the senders of the data that they read.
pub(super) struct Admin {
    pub address: std::net::SocketAddr,
    pub snapshot: watch::Sender<Arc<Snapshot>>,
    pub lifecycle: watch::Sender<Lifecycle>,
    pub live: watch::Sender<Arc<Live>>,
    pub serving: JoinHandle<()>,
    workers: Vec<Arc<WorkerMetrics>>,
}

pub(super) struct HttpReply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Admin {
    pub async fn start(modes: &[Mode]) -> Admin {
        let snapshot = watch::Sender::new(Arc::new(Snapshot::empty()));
        let lifecycle = watch::Sender::new(Lifecycle::Starting);
        let config = Config::parse(include_str!("../../config/pointsman.toml"), Path::new("")).unwrap();
        let live = watch::Sender::new(Arc::new(config.live));
        let workers = vec![Arc::new(WorkerMetrics::default()), Arc::new(WorkerMetrics::default())];
        let least =
            AdminParts::least(workers.clone(), snapshot.subscribe(), lifecycle.subscribe(), live.subscribe());
        let state = AdminState::new(AdminParts { modes: modes.to_vec(), ..least });
        // Binds as the program does: with the standard library's backlog of 128, further connections would be reset.
        let listener = crate::net::Listener::bind_alone("127.0.0.1:0").unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, state));
        Admin { address, snapshot, lifecycle, live, serving, workers }
    }

    pub async fn get(&self, path: &str) -> HttpReply {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    pub async fn send(&self, request: &str) -> HttpReply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        HttpReply { status, headers, body: body.to_owned() }
    }
}

fn facts(read_only: bool, replication: Option<Replication>) -> Facts {
    Facts {
        flavor: Flavor::MariaDb,
        version: "5.5.5-10.11.6-MariaDB".into(),
        capabilities: 0,
        collation: 45,
        tls: (!read_only).then_some("TLSv1.3"),
        read_only,
        super_read_only: false,
        replication,
        tells_replication: true,
        gtid: Arc::new(GtidSet::parse(Flavor::MariaDb, "0-1-42").unwrap()),
        gtid_on: true,
        wait_timeout: None,
        life: Default::default(),
        binlog_state: Default::default(),
        first_own: Default::default(),
        max_packet: None,
        max_connections: None,
        occupied: None,
        modes: crate::topology::TextModes::empty(),
        login: crate::topology::LoginFlags::default(),
        identity: "1".into(),
        round_trip: Duration::from_micros(1_500),
    }
}

fn server(id: u32, name: &str, facts: Option<Facts>, serves_reads: bool) -> Arc<Server> {
    let health = if facts.is_some() { Health::Up } else { Health::Down };
    let missed = if facts.is_some() { 0 } else { 3 };
    let last_error = facts.is_none().then(|| "connection refused".into());
    let fresh = Server::new(ServerId(id), name.into(), format!("{name}:3306").into());
    // `Server::lag` is the lag that the proxy computed; it counts more than what the server reports.
    let behind = facts.as_ref().and_then(|facts| facts.replication.as_ref());
    let lag = behind.map(|_| Duration::from_millis(250));
    Arc::new(Server { health, missed, last_error, facts, lag, serves_reads, ..fresh })
}

/// db-0 writes, db-1 replicates 250 ms behind, db-2 is down.
pub(super) fn three() -> Snapshot {
    let replication = Replication {
        receiving: true,
        applying: true,
        lag: Some(Duration::from_secs(1)),
        source: Some("db-0:3306".into()),
        several: false,
    };
    let change = PrimaryChange {
        at_ms: 1_700_000_000_000,
        from: None,
        to: Some("db-0".into()),
        reason: "the only candidate".into(),
        generation: 1,
    };
    Snapshot {
        version: 9,
        generation: 1,
        servers: Arc::from([
            server(0, "db-0", Some(facts(false, None)), false),
            server(1, "db-1", Some(facts(true, Some(replication))), true),
            server(2, "db-2", None, false),
        ]),
        primary: Some(ServerId(0)),
        alarm: None,
        history: Arc::new(VecDeque::from([change])),
        ..Snapshot::empty()
    }
}

#[tokio::test]
async fn livez_answers_in_every_phase() {
    let admin = Admin::start(&[Mode::Primary]).await;
    for phase in [Lifecycle::Starting, Lifecycle::Listening, Lifecycle::Draining] {
        admin.lifecycle.send_replace(phase);
        let answer = admin.get("/livez").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    }
}

#[tokio::test]
async fn readyz_follows_phase_and_snapshot() {
    let admin = Admin::start(&[Mode::Primary, Mode::Replica]).await;
    let expect = async |status: u16, body: &str| {
        let answer = admin.get("/readyz").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
    };
    expect(503, "starting: the ports are not open yet\n").await;
    admin.lifecycle.send_replace(Lifecycle::Listening);
    expect(503, "no primary is known\n").await;
    admin.snapshot.send_replace(Arc::new(three()));
    expect(200, "ready\nconfiguration: \n").await;
    let alarm = Some(Alarm::SeveralCandidates);
    admin.snapshot.send_replace(Arc::new(Snapshot { primary: None, alarm, ..three() }));
    expect(503, "no primary: several servers are writable\n").await;
    let cordoned = Maintenance { cordoned: true, ..Maintenance::default() };
    admin.snapshot.send_replace(Arc::new(Snapshot { maintenance: cordoned, ..three() }));
    expect(503, "cordoned: the cluster takes no new clients\n").await;
    let read_only = Maintenance { read_only: true, ..Maintenance::default() };
    admin.snapshot.send_replace(Arc::new(Snapshot { primary: None, maintenance: read_only, ..three() }));
    expect(200, "ready\nconfiguration: \n").await;
    admin.snapshot.send_replace(Arc::new(three()));
    admin.lifecycle.send_replace(Lifecycle::Draining);
    expect(503, "draining: the process is ending\n").await;
}

#[tokio::test]
async fn readyz_of_a_replica_port_follows_the_fallback() {
    let admin = Admin::start(&[Mode::Replica]).await;
    admin.lifecycle.send_replace(Lifecycle::Listening);
    let only_primary = Snapshot { servers: three().servers.iter().take(1).cloned().collect(), ..three() };
    admin.snapshot.send_replace(Arc::new(only_primary));
    assert_eq!(admin.get("/readyz").await.status, 200, "falls back to the primary");
    admin.live.send_modify(|live| Arc::make_mut(live).replicas.fallback = Fallback::None);
    let answer = admin.get("/readyz").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "no replica serves reads\n"));
    admin.snapshot.send_replace(Arc::new(Snapshot { primary: None, ..three() }));
    assert_eq!(admin.get("/readyz").await.status, 200, "a replica is enough");
}

/// The servers replicate from another site's primary. The proxy must be ready nevertheless if it has a read-only port.
#[tokio::test]
async fn readyz_of_a_replica_cluster_needs_a_port_that_only_reads() {
    for (modes, status) in
        [(&[Mode::Split, Mode::Replica][..], 200), (&[Mode::Split], 503), (&[Mode::Primary], 503)]
    {
        let admin = Admin::start(modes).await;
        admin.lifecycle.send_replace(Lifecycle::Listening);
        let outside = |server: &Arc<Server>| {
            let mut server = Server::clone(server);
            if let Some(facts) = &mut server.facts {
                facts.read_only = true;
                let replication = facts.replication.get_or_insert(Replication {
                    receiving: true,
                    applying: true,
                    lag: None,
                    source: None,
                    several: false,
                });
                replication.source = Some("primary.site-a:3306".into());
            }
            Arc::new(server)
        };
        let servers = three().servers.iter().map(outside).collect();
        admin.snapshot.send_replace(Arc::new(Snapshot { primary: None, servers, ..three() }));
        assert_eq!(admin.get("/readyz").await.status, status, "{modes:?}");
    }
}

#[tokio::test]
async fn topology_tells_servers_history_and_traffic() {
    let admin = Admin::start(&[Mode::Primary, Mode::Replica, Mode::Replica]).await;
    admin.lifecycle.send_replace(Lifecycle::Listening);
    admin.snapshot.send_replace(Arc::new(three()));
    for worker in &admin.workers {
        worker.clients[Port::Replica].add(3);
        worker.placed.at(StatementKind::Read, Role::Replica, Why::Port).add(50);
        worker.server_latencies.observe_us(0, 10);
        worker.server_connections.add(2);
    }
    admin.workers[0].server_latencies.observe_us(0, 10_000_000);
    let answer = admin.get("/topology").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    let mut json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert!(json["uptime_ms"].take().is_u64());
    let expected = serde_json::json!({
        "pointsman": env!("CARGO_PKG_VERSION"),
        "state": "listening",
        "uptime_ms": null,
        "version": 9,
        "generation": 1,
        "writer": "db-0",
        "alarm": null,
        "users_passing_read_only": [],
        "catalogue": {
            "known_relations": 0, "missing_grants": [], "reading_routines": 0, "relations": 0, "routines": 0
        },
        "maintenance": [],
        "config": {"sha256": "", "since_ms": 0, "awaited": null},
        "servers": [
            {"name": "db-0", "address": "db-0:3306", "health": "up", "role": "primary", "flavor": "mariadb",
             "version": "10.11.6-MariaDB", "read_only": false, "replicating": null, "source": null, "tls": "TLSv1.3",
             "lag_ms": null, "gtid": "0-1-42", "serves_reads": false, "missed_probes": 0, "probe_us": 1500,
             "last_error": null, "barred": false, "label": null, "deleting": false, "drained": null, "zone": null, "statements": 3,
             "max_connections": null, "connections": null, "believed_to_bear": null},
            {"name": "db-1", "address": "db-1:3306", "health": "up", "role": "replica", "flavor": "mariadb",
             "version": "10.11.6-MariaDB", "read_only": true, "replicating": true, "source": "db-0:3306", "tls": null,
             "lag_ms": 250, "gtid": "0-1-42", "serves_reads": true, "missed_probes": 0, "probe_us": 1500,
             "last_error": null, "barred": false, "label": null, "deleting": false, "drained": null, "zone": null, "statements": 0,
             "max_connections": null, "connections": null, "believed_to_bear": null},
            {"name": "db-2", "address": "db-2:3306", "health": "down", "role": "none", "flavor": null,
             "version": null, "read_only": null, "replicating": null, "source": null, "tls": null, "lag_ms": null,
             "gtid": null, "serves_reads": false, "missed_probes": 3, "probe_us": null,
             "last_error": "connection refused", "barred": false, "label": null, "deleting": false, "drained": null, "zone": null, "statements": 0,
             "max_connections": null, "connections": null, "believed_to_bear": null},
        ],
        "history": [
            {"at_ms": 1_700_000_000_000_u64, "from": null, "to": "db-0", "reason": "the only candidate", "generation": 1, "cost": null}
        ],
        "traffic": {
            "ports": [
                {"mode": "primary", "clients": 0, "accepted": 0, "statements": 0},
                {"mode": "replica", "clients": 6, "accepted": 0, "statements": 100},
            ],
            "server_connections": 4, "server_idle": 0, "waiting_for_writer": 0, "waiting_for_connection": 0
        },
        "kubernetes": [],
    });
    assert_eq!(json, expected);
}

#[tokio::test]
async fn metrics_are_whole_families() {
    let admin = Admin::start(&[Mode::Primary]).await;
    admin.snapshot.send_replace(Arc::new(three()));
    let [first, second] = &admin.workers[..] else { panic!("two workers") };
    first.clients[Port::Primary].add(5);
    second.clients[Port::Primary].add(7);
    first.placed.at(StatementKind::Read, Role::Replica, Why::Port).add(1);
    second.placed.at(StatementKind::Read, Role::Replica, Why::Port).add(2);
    second.placed.at(StatementKind::Write, Role::Primary, Why::Port).add(8);
    first.placed.at(StatementKind::Read, Role::Replica, Why::PlainRead).add(4);
    second.placed.at(StatementKind::Read, Role::Primary, Why::NotFresh).add(5);
    second.placed.at(StatementKind::Read, Role::Primary, Why::Pinned).add(6);
    first.latency[Port::Replica].observe_us(60);
    second.latency[Port::Replica].observe_us(10_000_000);
    second.closed[Close::IdleTimeout].add(4);
    second.disruptions[Disruption::RolledBack].add(6);

    let answer = admin.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.body.ends_with("# EOF\n"));
    for sample in [
        "pointsman_clients{port=\"primary\",worker=\"0\"} 5",
        "pointsman_clients{port=\"primary\",worker=\"1\"} 7",
        "pointsman_statements_total{port=\"replica\",kind=\"read\",target=\"replica\"} 3",
        "pointsman_statements_total{port=\"primary\",kind=\"write\",target=\"primary\"} 8",
        "pointsman_statements_total{port=\"primary\",kind=\"read\",target=\"primary\"} 0",
        "pointsman_statements_total{port=\"split\",kind=\"read\",target=\"replica\"} 4",
        "pointsman_statements_total{port=\"split\",kind=\"read\",target=\"primary\"} 11",
        "pointsman_split_statements_total{kind=\"read\",target=\"primary\",reason=\"pinned\"} 6",
        "pointsman_client_disconnects_total{reason=\"idle_timeout\"} 4",
        "pointsman_disruptions_total{effect=\"rolled_back\"} 6",
        "pointsman_statement_duration_seconds_count{port=\"replica\"} 2",
        "pointsman_statement_duration_seconds_sum{port=\"replica\"} 10.00006",
        "pointsman_statement_duration_seconds_bucket{le=\"0.0001\",port=\"replica\"} 1",
        "pointsman_statement_duration_seconds_bucket{le=\"+Inf\",port=\"replica\"} 2",
        "pointsman_server_up{server=\"db-0\"} 1",
        "pointsman_server_up{server=\"db-2\"} 0",
        "pointsman_server_writer{server=\"db-0\"} 1",
        "pointsman_server_writer{server=\"db-1\"} 0",
        "pointsman_server_serves_reads{server=\"db-1\"} 1",
        "pointsman_server_lag_seconds{server=\"db-1\"} 0.25",
        "pointsman_server_probe_seconds{server=\"db-0\"} 0.0015",
        "pointsman_server_missed_probes{server=\"db-2\"} 3",
        "pointsman_server_pool_connections{server=\"db-0\",state=\"in_use\"} 0",
        "pointsman_server_pool_limit{server=\"db-0\"} 1000",
        "pointsman_writer_changes_total 1",
        "pointsman_maintenance{asked=\"cordoned\"} 0",
        "pointsman_generation 1",
        "pointsman_config_reloads_total{result=\"failed\"} 0",
        "pointsman_config_stale 0",
        "pointsman_writer_known 1",
        concat!("pointsman_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(answer.body.lines().any(|line| line == sample), "{sample} is not in\n{}", answer.body);
    }
    let statements =
        answer.body.lines().filter(|line| line.starts_with("pointsman_statements_total{")).count();
    assert_eq!(statements, 28, "seven kinds from each port to each of its targets");
    assert!(!answer.body.contains("reason=\"port\""), "a port that does not split has no reasons");
    assert!(!answer.body.contains("pointsman_server_lag_seconds{server=\"db-0\"}"), "a primary has no lag");
    check_exposition(&answer.body);
}

#[tokio::test]
async fn metrics_have_native_histograms_for_a_scraper_that_wants_them() {
    let admin = Admin::start(&[Mode::Primary]).await;
    let format = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let accept = format!("{format};q=0.6,application/openmetrics-text;version=1.0.0;q=0.5");
    let answer = admin
        .send(&format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"))
        .await;
    assert_eq!(
        (answer.status, &answer.headers["content-type"].replace("; ", ";")),
        (200, &format.to_owned())
    );
    assert!(answer.body.contains("pointsman_statement_duration_seconds") && !answer.body.contains("# EOF"));
}

/// Checks that every sample belongs to a family that began with HELP and TYPE, that every family
/// occurs once, and that every value is a number.
fn check_exposition(text: &str) {
    let mut families = HashSet::new();
    let (mut help, mut family, mut kind) = (String::new(), String::new(), String::new());
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').unwrap();
            assert!(words.len() > 10 && words.ends_with('.'), "{line}");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            help = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, word) = rest.split_once(' ').unwrap();
            assert_eq!(name, help, "TYPE follows HELP");
            (family, kind) = (name.to_owned(), word.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            assert!(!series.contains("{}"), "{line}");
            let name = series.split('{').next().unwrap();
            let suffixes: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "info" => &["_info"],
                "histogram" => &["_sum", "_count", "_bucket"],
                other => panic!("{other}"),
            };
            assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{line} in {family}");
            assert!(name.starts_with("pointsman_") || name.starts_with("process_"), "{name}");
        }
    }
    for name in ["process_start_time_seconds", "process_cpu_seconds", "process_resident_memory_bytes"] {
        assert!(families.contains(name), "{name}");
    }
    assert!(families.len() > 25, "{}", families.len());
}

#[tokio::test]
async fn other_paths_and_methods() {
    let admin = Admin::start(&[Mode::Primary]).await;
    let answer = admin.get("/nowhere").await;
    assert_eq!(answer.status, 404);
    let paths = "/\n/livez\n/readyz\n/metrics\n/topology\n/digests\n/sessions\n/events\n/explain\n/tap\n";
    assert_eq!(answer.body, format!("no such path; there are:\n{paths}"));
    let answer =
        admin.send("POST /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "GET, HEAD"));
    let answer = admin.send("HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(admin.get("/readyz?verbose=1").await.status, 503, "a query is no part of the path");
}

#[tokio::test]
async fn oversized_and_broken_requests_end_alone() {
    let admin = Admin::start(&[Mode::Primary]).await;
    let long = format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let mut stream = TcpStream::connect(admin.address).await.unwrap();
    // The server may close while this is still being written.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    assert!(!text.starts_with(b"HTTP/1.1 200"));
    assert_eq!(admin.get("/livez").await.status, 200);
}

#[tokio::test]
async fn more_silent_connections_than_seats_keep_no_probe_waiting() {
    let admin = Admin::start(&[Mode::Primary]).await;
    let mut silent = Vec::new();
    for _ in 0..2 * port::SEATS {
        silent.push(TcpStream::connect(admin.address).await.unwrap());
    }
    for _ in 0..3 {
        assert_eq!(admin.get("/livez").await.status, 200);
    }
    let mut ended = 0;
    for stream in &mut silent {
        let read = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut [0])).await;
        ended += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert!(ended >= port::SEATS, "the oldest made room: {ended}");
}

#[tokio::test]
async fn a_connection_ends_behind_its_answer() {
    let admin = Admin::start(&[Mode::Primary]).await;
    // The request does not have "Connection: close". `send` reads to the end, so the server must close the connection.
    let answer = admin.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (200, "close"));
}

#[tokio::test]
async fn a_token_is_asked_of_all_but_probes() {
    let admin = Admin::start(&[Mode::Primary]).await;
    admin.lifecycle.send_replace(Lifecycle::Listening);
    admin.snapshot.send_replace(Arc::new(three()));
    admin.live.send_modify(|live| Arc::make_mut(live).admin.token = Some(crate::config::Secret::new("long")));
    let get = async |path: &str, header: &str| {
        admin.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n")).await.status
    };
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(path, "").await, 200, "{path}");
    }
    for path in ["/metrics", "/topology", "/digests", "/sessions", "/events", "/explain", "/secret"] {
        assert_eq!(get(path, "").await, 401, "{path}");
        for wrong in ["Bearer lon", "Bearer longer", "Bearer ", "Basic long", "long", "Bearer", "bearerlong"]
        {
            assert_eq!(get(path, &format!("Authorization: {wrong}\r\n")).await, 401, "{path} {wrong}");
        }
    }
    for right in ["Authorization: Bearer long\r\n", "authorization: bearer  long \r\n"] {
        assert_eq!(get("/metrics", right).await, 200, "{right}");
        assert_eq!(get("/secret", right).await, 404, "{right}");
    }
    let refused = admin.get("/topology").await;
    assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"pointsman\"");
}

#[tokio::test]
async fn every_reader_of_a_crowd_gets_a_page() {
    let admin = Admin::start(&[Mode::Primary]).await;
    let all = (0..200).map(|at| {
        let path = if at % 2 == 0 { "/metrics" } else { "/topology" };
        admin.get(path)
    });
    let answers = futures_of(all).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body.len() > 100));
}

/// Runs the futures concurrently.
async fn futures_of<F: Future<Output = HttpReply>>(all: impl Iterator<Item = F>) -> Vec<HttpReply> {
    let mut waiting: Vec<_> = all.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, answer) in &mut waiting {
            if answer.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(cx)
            {
                *answer = Some(done);
            }
        }
        match waiting.iter().all(|(_, answer)| answer.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, answer)| answer).collect()
}
