//! `pointsman tap`, the slow log and the audit log, with a real proxy process.

use crate::dialogue::{eventually, metric, patient, readers_are};
use crate::support::{Cluster, Proxy, Scratch, connect, proxy_config, signal};
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

/// A value that must not show.
const SENTINEL: &str = "c4n4ry";

/// A cluster with a replica, and the configuration of a proxy with a port that splits.
async fn scene() -> (Cluster, String) {
    let cluster = Cluster::mariadb(1).await;
    cluster.primary().sql("CREATE TABLE IF NOT EXISTS test.tapped (id INT PRIMARY KEY, v TEXT)").await;
    let config = patient(&proxy_config(&cluster)).replace("mode = \"primary\"", "mode = \"split\"");
    // A read behind a write waits for its replica, however busy the machine is.
    (cluster, format!("workers = 2\nworker_fill = 0\n{config}\n[consistency]\nmax_wait = \"60s\"\n"))
}

async fn client(proxy: &Proxy, user: &str) -> mysql_async::Conn {
    connect(proxy.rw, user, user, "test").await.unwrap()
}

/// A running `pointsman tap`.
struct Tap {
    child: Child,
    folder: Scratch,
}

impl Tap {
    /// Starts it with these options, and waits until the proxy has begun to answer.
    async fn start(proxy: &Proxy, options: &[&str]) -> Self {
        let folder = Scratch::new("tap");
        let output = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_pointsman"))
            .args(["tap", "--url", &format!("http://127.0.0.1:{}", proxy.http)])
            .args(options)
            .stdin(Stdio::null())
            .stdout(output("out"))
            .stderr(output("err"))
            .spawn()
            .unwrap();
        let tap = Tap { child, folder };
        eventually("the reader is connected", async || {
            tap.read("err").contains("until Ctrl-C").then_some(())
        })
        .await;
        // The workers know the reader a moment later. They are told of it before they are asked what their sessions do.
        proxy.get("/sessions").await.unwrap();
        tap
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn out(&self) -> String {
        self.read("out")
    }

    /// The statements with this in their digest text.
    async fn statement(&self, part: &str) -> Value {
        eventually(&format!("{part} is shown"), async || {
            let out = self.out();
            let lines = out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines
                .into_iter()
                .find(|line| line["digest_text"].as_str().is_some_and(|text| text.contains(part)))
        })
        .await
    }

    async fn ended(&mut self) -> ExitStatus {
        eventually("pointsman tap ends", async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_tap_shows_statements_with_their_reasons_and_without_literals() {
    let (_cluster, config) = scene().await;
    let mut proxy = Proxy::start(&config).await;
    readers_are(&proxy, 1).await;
    let mut json = Tap::start(&proxy, &["--json"]).await;
    let people = Tap::start(&proxy, &[]).await;
    let slow = Tap::start(&proxy, &["--json", "--min-ms", "300"]).await;
    let failed = Tap::start(&proxy, &["--json", "--error", "--user", "app"]).await;
    let mut app = client(&proxy, "app").await;
    app.query_drop(format!("INSERT INTO tapped VALUES (1, '{SENTINEL}')")).await.unwrap();
    app.query_drop(format!("SELECT v FROM tapped WHERE v = '{SENTINEL}'")).await.unwrap();
    app.exec_drop("SELECT id FROM tapped WHERE v = ?", (SENTINEL,)).await.unwrap();
    assert!(app.query_drop(format!("SELECT '{SENTINEL}' FROM nowhere")).await.is_err());
    assert!(app.query_drop(format!("SELECT '{SENTINEL}' FORM nowhere")).await.is_err());
    app.query_drop(format!("DO SLEEP(0.4), '{SENTINEL}'")).await.unwrap();
    let mut root = client(&proxy, "super").await;
    root.query_drop(format!("CREATE OR REPLACE USER seen IDENTIFIED BY '{SENTINEL}'")).await.unwrap();

    let read = json.statement("SELECT `v` FROM `tapped`").await;
    assert_eq!(
        (&read["target"], &read["reason"], &read["kind"]),
        (&"replica".into(), &"plain_read".into(), &"read".into())
    );
    assert_eq!(
        (&read["user"], &read["schema"], &read["server"]),
        (&"app".into(), &"test".into(), &"db-1".into())
    );
    assert_eq!((&read["rows_sent"], &read["error"]), (&1.into(), &Value::Null));
    assert!(read["client"].as_str().unwrap().starts_with("127.0.0.1:") && read["us"].as_u64() > Some(0));
    let insert = json.statement("INSERT INTO `tapped`").await;
    assert_eq!((&insert["target"], &insert["rows_affected"]), (&"primary".into(), &1.into()));
    assert_eq!(json.statement("SELECT `id`").await["rows_sent"], 1);
    assert_eq!(failed.statement("FROM `nowhere`").await["error"], 1146);
    assert!(!failed.out().contains("INSERT") && !failed.out().contains("probe"));
    let long = slow.statement("SLEEP").await;
    assert!(long["us"].as_u64() > Some(400_000), "{long}");
    json.statement("IDENTIFIED BY").await;
    // On a busy machine another statement may be slow, too.
    let micros = |tap: &Tap| -> Vec<u64> {
        let lines = tap.out();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut all: Vec<_> =
            lines.filter_map(|line| line["us"].as_u64()).filter(|us| *us >= 300_000).collect();
        all.sort_unstable();
        all
    };
    eventually("all slow statements, and no other", async || {
        let out = slow.out();
        (micros(&slow) == micros(&json) && out.lines().count() == micros(&slow).len()).then_some(())
    })
    .await;
    eventually("people read the statements, too", async || {
        let line = people.out().lines().find(|line| line.contains("SELECT `v` FROM `tapped`"))?.to_owned();
        assert!(line.contains("db-1 (replica, plain_read)") && line.contains(" 1 rows "), "{line}");
        Some(())
    })
    .await;
    for tap in [&json, &people, &slow, &failed] {
        assert!(!tap.out().contains(SENTINEL), "{}", tap.out());
    }
    assert!(!proxy.log().contains(SENTINEL));
    // Ctrl-C ends it well. A fifth reader takes the place of the oldest. When the proxy goes away, the others say so.
    assert!(signal(json.child.id(), "INT") && json.ended().await.success());
    let _more = [Tap::start(&proxy, &[]).await, Tap::start(&proxy, &[]).await];
    let mut people = people;
    assert_eq!(people.ended().await.code(), Some(1));
    assert!(people.read("err").contains("pointsman does not answer at"), "{}", people.read("err"));
    proxy.signal("TERM");
    proxy.wait_exit(Duration::from_secs(30)).await;
    let mut slow = slow;
    assert_eq!(slow.ended().await.code(), Some(1));
    let said = slow.read("err");
    assert!(
        said.contains("pointsman does not answer at") && said.contains("ended the stream")
            || said.contains("went away"),
        "{said}"
    );
}

/// A reader of `/tap` that takes nothing more after the head of the answer.
async fn stalled(proxy: &Proxy) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], proxy.http).into()).await.unwrap();
    stream.write_all(b"GET /tap HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    stream
}

/// How long 2,000 statements take.
async fn two_thousand(client: &mut mysql_async::Conn, text: &str) -> Duration {
    let begin = Instant::now();
    for _ in 0..2_000 {
        client.query_drop(text).await.unwrap();
    }
    begin.elapsed()
}

#[tokio::test]
async fn a_reader_that_does_not_read_loses_statements_and_slows_nobody() {
    let (_cluster, config) = scene().await;
    let proxy = Proxy::start(&config).await;
    let mut client = client(&proxy, "app").await;
    // A digest text of nearly a KiB, so that sockets and stores are full soon.
    let columns: Vec<_> = (0..90).map(|n| format!("1 AS c{n}")).collect();
    let text = format!("SELECT {}", columns.join(", "));
    let alone = two_thousand(&mut client, &text).await;
    let dropped = async || metric(&proxy, "pointsman_stream_dropped_total{reader=\"tap\"}").await;
    assert_eq!(dropped().await, 0.0);
    let mut reader = stalled(&proxy).await;
    // The sockets and the stores have room for some megabytes: for a few thousand of these texts.
    for round in 0.. {
        if dropped().await > 0.0 {
            break;
        }
        assert!(round < 20, "nothing was dropped of {} statements", round * 2_000);
        two_thousand(&mut client, &text).await;
    }
    // Statements do not wait for the reader: a wait would last until it reads. Nor are they slower. What else the machine
    // does makes some of them slow, but not each time.
    eventually("statements are as fast as without a reader", async || {
        let watched = two_thousand(&mut client, &text).await;
        eprintln!("{alone:?} alone, {watched:?} watched");
        (watched < alone * 3 + Duration::from_secs(2)).then_some(())
    })
    .await;
    let lost = dropped().await;
    assert!(lost > 1_000.0, "{lost}");
    // The reader is told how many statements it lost.
    const TOLD: &[u8] = b"{\"dropped\":";
    let told = async {
        let (mut part, mut kept) = (vec![0; 1 << 20], 0);
        loop {
            let length = reader.read(&mut part[kept..]).await.unwrap();
            assert!(length > 0, "the stream ended");
            let end = kept + length;
            if part[..end].windows(TOLD.len()).any(|window| window == TOLD) {
                return;
            }
            // Megabytes stand before it: each is searched once, and only what may be the words' beginning is kept.
            kept = end.min(TOLD.len() - 1);
            part.copy_within(end - kept..end, 0);
        }
    };
    timeout(Duration::from_secs(60), told).await.expect("the reader is told nothing");
    client.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_tap_needs_the_token_and_a_filter_that_makes_sense() {
    let (_cluster, config) = scene().await;
    let config = config.replace("[monitor]", "token = \"a-long-token\"\n\n[monitor]");
    let proxy = Proxy::start(&config).await;
    assert_eq!(proxy.get("/tap").await.unwrap().0, 401);
    let run = async |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.args(["tap", "--config"]).arg(proxy.config_path()).args(options);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["--reason", "because"]).await;
    assert!(code == Some(1) && said.contains("one of port, in_transaction"), "{said}");
    let (code, said) = run(&["--digest", "42"]).await;
    assert!(code == Some(1) && said.contains("write a number like"), "{said}");
    // Without a terminal `pointsman top` says what to use instead.
    let mut top = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    top.args(["top", "--config"]).arg(proxy.config_path());
    let top = tokio::task::spawn_blocking(move || top.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&top.stderr).into_owned();
    assert!(top.status.code() == Some(2) && said.contains("needs a terminal"), "{said}");
    // Without digests there is nothing to show.
    proxy.write_config(&format!("{config}\n[digests]\nmax = 0\n"));
    proxy.signal("HUP");
    // A tap of before the reload would go on.
    eventually("digests are off", async || proxy.log().contains("configuration reloaded").then_some(()))
        .await;
    let (_, said) = run(&[]).await;
    assert!(said.contains("set digests.max"), "{said}");
}

#[tokio::test]
async fn slow_statements_are_in_the_log() {
    let (_cluster, config) = scene().await;
    let proxy = Proxy::start(&format!("{config}\n[log]\nslow = \"2s\"\nliterals = true\n")).await;
    let mut app = client(&proxy, "app").await;
    app.query_drop("SELECT 'quick'").await.unwrap();
    app.query_drop(format!("DO SLEEP(2.5), '{SENTINEL}'")).await.unwrap();
    app.query_drop("SET STATEMENT max_statement_time = 600 FOR DO SLEEP(2.5), 'no-literals'").await.unwrap();
    let lines = eventually("two lines in the log", async || {
        let log = proxy.log();
        let lines: Vec<_> =
            log.lines().filter(|line| line.contains("slow statement")).map(str::to_owned).collect();
        (lines.len() == 2).then_some(lines)
    })
    .await;
    assert!(
        lines[0].contains(" slow: ") && lines[0].contains("user=\"app\"") && lines[0].contains(SENTINEL),
        "{}",
        lines[0]
    );
    assert!(!lines[1].contains("no-literals") && lines[1].contains("SLEEP"), "{}", lines[1]);
    assert!(!proxy.log().contains("quick"));
    app.disconnect().await.unwrap();
}

/// The lines of an audit log, in order.
fn lines(path: &PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

#[tokio::test]
async fn the_audit_log_has_logins_definitions_privileges_and_actions() {
    let (_cluster, config) = scene().await;
    let folder = Scratch::new("audit");
    let path = folder.path().join("audit.log");
    let audit = format!("\n[audit]\nto = {path:?}\nmax_size = \"4KiB\"\nkeep = 2\n");
    let mut proxy = Proxy::start(&format!("{config}{audit}")).await;
    assert!(connect(proxy.rw, "app", SENTINEL, "test").await.is_err());
    eventually("the refused login is written", async || (lines(&path).len() == 1).then_some(())).await;
    let mut app = client(&proxy, "app").await;
    let mut root = client(&proxy, "super").await;
    app.query_drop(format!("SELECT '{SENTINEL}'")).await.unwrap();
    root.query_drop("CREATE OR REPLACE TABLE audited (v INT)").await.unwrap();
    root.query_drop(format!("CREATE OR REPLACE USER audited IDENTIFIED BY '{SENTINEL}'")).await.unwrap();
    root.query_drop("GRANT SELECT ON test.audited TO audited").await.unwrap();
    root.query_drop("SET GLOBAL wait_timeout = 28800").await.unwrap();
    assert!(app.query_drop("DROP USER audited").await.is_err());
    let all =
        eventually("the events are written", async || Some(lines(&path)).filter(|all| all.len() >= 8)).await;
    let brief = |one: &Value| {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        (text("event"), text("user"), text("outcome"), one["error"].as_u64())
    };
    let event = |event: &str, user: &str, error: Option<u64>| {
        let outcome = if error.is_some() { "failed" } else { "ok" };
        (event.to_owned(), user.to_owned(), outcome.to_owned(), error)
    };
    // Each session's events come in their order; those of sessions on two workers may cross.
    let of = |user: &str| all.iter().filter(|one| one["user"] == user).collect::<Vec<_>>();
    let (of_app, of_root) = (of("app"), of("super"));
    let briefly = |events: &[&Value]| events.iter().map(|one| brief(one)).collect::<Vec<_>>();
    assert_eq!(
        briefly(&of_app),
        [event("login", "app", Some(1045)), event("login", "app", None), event("grant", "app", Some(1227))]
    );
    assert_eq!(
        briefly(&of_root),
        [
            event("login", "super", None),
            event("ddl", "super", None),
            event("grant", "super", None),
            event("grant", "super", None),
            event("action", "super", None),
        ]
    );
    assert_eq!(of_app[0]["reason"], "password");
    let created = "CREATE OR REPLACE TABLE `audited` ( `v` INTEGER )";
    assert_eq!(of_root[1]["statement"], created, "{}", of_root[1]);
    assert!(all.iter().all(|one| one["client"].as_str().unwrap().starts_with("127.0.0.1:")));
    // Moved by somebody else, and set aside when it is full.
    std::fs::rename(&path, folder.path().join("moved")).unwrap();
    eventually("the file is opened again", async || path.exists().then_some(())).await;
    for _ in 0..60 {
        root.query_drop("DROP TABLE IF EXISTS nothing_of_the_kind").await.unwrap();
    }
    let numbered = |number: u32| folder.path().join(format!("audit.log.{number}"));
    eventually("files are set aside", async || (numbered(1).exists() && numbered(2).exists()).then_some(()))
        .await;
    // From here on no file is renamed.
    eventually("all events are written", async || {
        (metric(&proxy, "pointsman_audit_events_total{outcome=\"written\"}").await >= 68.0).then_some(())
    })
    .await;
    assert!(std::fs::metadata(numbered(1)).unwrap().len() <= 4096 && !numbered(3).exists());
    let text: String = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(!text.contains(SENTINEL) && !proxy.log().contains(SENTINEL));
    assert_eq!(metric(&proxy, "pointsman_audit_events_total{outcome=\"lost\"}").await, 0.0);
    // The end waits for the last event.
    root.query_drop("DROP TABLE IF EXISTS the_last_one").await.unwrap();
    proxy.signal("TERM");
    proxy.wait_exit(Duration::from_secs(30)).await;
    assert_eq!(lines(&path).last().unwrap()["statement"], "DROP TABLE IF EXISTS `the_last_one`");
}
