//! Memory: whatever clients can make the proxy keep stays within `limits.memory`. What is new is refused with
//! the server's own errors, and who behaves is served all the while.

use crate::dialogue::raw::{Raw, error_code, framed, response};
use crate::dialogue::{eventually, metric, patient};
use crate::support::{Cluster, Proxy, proxy_config};
use std::fmt::Write as _;
use tokio::io::AsyncWriteExt;

/// What the proxy may use, in MiB.
const LIMIT: u64 = 64;

/// A server, a proxy with little memory, and a client that behaves.
struct Scene {
    _cluster: Cluster,
    proxy: Proxy,
    client: Raw,
    /// The memory of the process, in KiB, that neither its allocator nor its file has: data that the loader changed, stacks.
    apart: u64,
}

impl Scene {
    async fn new(addition: &str) -> Self {
        let cluster = Cluster::mariadb(0).await;
        cluster.primary().sql("CREATE TABLE test.t (v LONGTEXT); INSERT INTO test.t VALUES (1)").await;
        let config = patient(&proxy_config(&cluster)).replace("mode = \"primary\"", "mode = \"split\"");
        let limits = format!("[limits]\nmemory = \"{LIMIT}MiB\"\n{addition}");
        let proxy = Proxy::start(&format!("workers = 2\nworker_fill = 0\n{config}\n{limits}\n")).await;
        let client = Raw::app(proxy.rw).await;
        let mut scene = Scene { _cluster: cluster, proxy, client, apart: 0 };
        let allocated = metric(&scene.proxy, "pointsman_memory_bytes").await as u64 / 1024;
        scene.apart = scene.memory("RssAnon").saturating_sub(allocated);
        scene
    }

    /// A kind of memory of the proxy, in KiB: a name of `/proc/PID/status`.
    fn memory(&self, kind: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.proxy.pid())).expect("no /proc");
        let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).expect("a number of KiB")
    }

    /// The proxy never had more than its budget, but for its program; the client that behaves is served; and what this
    /// claim wanted was refused.
    async fn holds(&mut self, claim: &str) {
        self.is_served().await;
        let (most, program) = (self.memory("VmHWM"), self.memory("RssFile") + self.apart);
        eprintln!("{claim}: {} KiB at most, beside {program} KiB of program", most - program);
        assert!(most <= LIMIT * 1024 + program, "{most} KiB at most, with {program} KiB of program");
        let refused =
            metric(&self.proxy, &format!("pointsman_memory_refusals_total{{claim=\"{claim}\"}}")).await;
        assert!(refused > 0.0, "nothing was refused for {claim}");
        assert!(!self.proxy.log().contains("panicked"), "it panicked");
    }

    /// Once the attackers are gone, new clients come and go, and long statements pass.
    async fn recovers(&mut self) {
        self.is_served().await;
        let port = self.proxy.rw;
        let long = format!("SELECT LENGTH('{}')", "x".repeat(100_000));
        eventually("new clients are served", async || {
            let mut raw = Raw::connect(port).await.ok()?;
            raw.login("app", "app").await.ok()?;
            let answer = raw.query(&long).await.ok()?;
            (error_code(&answer) == 0).then_some(())
        })
        .await;
    }

    async fn is_served(&mut self) {
        let answer = self.client.query("INSERT INTO t VALUES ('served')").await.unwrap();
        assert_eq!(error_code(&answer), 0, "{}", String::from_utf8_lossy(&answer));
    }
}

/// So many sessions, all logged in while there is memory for them.
async fn sessions(port: u16, count: usize) -> Vec<Raw> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(Raw::app(port).await);
    }
    all
}

#[tokio::test]
async fn half_said_logins_stay_within_the_budget() {
    let mut scene = Scene::new("\n[timeouts]\nlogin = \"300s\"\n").await;
    let mut crowd = Vec::new();
    for _ in 0..1_500 {
        let mut raw = Raw::connect(scene.proxy.rw).await.unwrap();
        let greeted = raw.greeting().await.unwrap();
        crowd.push((raw, greeted));
    }
    for (n, (raw, greeted)) in crowd.iter_mut().enumerate() {
        let mut payload = response(&"u".repeat(120_000), "x", greeted);
        payload.resize(127 * 1024, b'x');
        // All but the end. Who was refused is closed already.
        let _ = raw.stream.write_all(&framed(1, &payload)[..120_000]).await;
        if n % 300 == 0 {
            scene.is_served().await;
        }
    }
    scene.holds("statement").await;
    drop(crowd);
    scene.recovers().await;
}

#[tokio::test]
async fn half_said_statements_stay_within_the_budget() {
    let mut scene = Scene::new("\n[timeouts]\nclient_read = \"300s\"\n").await;
    let some = vec![b' '; 8 << 20];
    let mut crowd = sessions(scene.proxy.rw, 12).await;
    crowd.extend(sessions(scene.proxy.ro, 12).await);
    for (n, raw) in crowd.iter_mut().enumerate() {
        // COM_STMT_PREPARE has to be whole, and on a replica port COM_QUERY, too.
        let command = if n < 12 { 0x16 } else { 3 };
        raw.stream.write_all(&[0x00, 0x00, 0xf0, 0, command]).await.unwrap();
        raw.stream.write_all(&some).await.unwrap();
    }
    scene.holds("statement").await;
    // Who was refused hears of it once all was said.
    let mut codes = Vec::new();
    for mut raw in crowd {
        raw.stream.write_all(&vec![b' '; 0xf0_0000 - 1 - some.len()]).await.unwrap();
        codes.push(error_code(&raw.read().await.unwrap().1));
    }
    assert!(codes.contains(&1041), "nobody heard 1041: {codes:?}");
    scene.recovers().await;
}

#[tokio::test]
async fn prepared_statements_stay_within_the_budget() {
    let mut scene = Scene::new("").await;
    let long = |n: usize| format!("{n:08}{}", "x".repeat(100_000));
    let mut both = sessions(scene.proxy.rw, 2).await;
    // One session cannot keep so much, and several together neither: as texts, by COM_STMT_PREPARE.
    for (raw, prepares) in both.iter_mut().zip([true, false]) {
        let mut last = 0;
        for n in 0..1_000 {
            let answer = if prepares {
                raw.query(&format!("PREPARE s{n} FROM \"SELECT '{}'\"", long(n))).await.unwrap()
            } else {
                let text = format!("SELECT '{}'", long(n));
                let answer = raw.command(0x16, text.as_bytes()).await.unwrap();
                if error_code(&answer) == 0 {
                    // The column and, without CLIENT_DEPRECATE_EOF, what ends the columns.
                    raw.read().await.unwrap();
                    raw.read().await.unwrap();
                }
                answer
            };
            last = error_code(&answer);
            if last != 0 {
                break;
            }
        }
        // Of what is prepared as text only a part is kept; more of it pins the session, and is the server's.
        assert_eq!(last, if prepares { 0 } else { 1461 }, "prepared as text: {prepares}");
    }
    scene.holds("prepared_statement").await;
    drop(both);
    scene.recovers().await;
}

#[tokio::test]
async fn transactions_that_may_be_replayed_stay_within_the_budget() {
    let mut scene = Scene::new("").await;
    let mut writers = sessions(scene.proxy.rw, 120).await;
    let insert = format!("INSERT INTO t VALUES ('{}')", "x".repeat(100_000));
    for raw in &mut writers {
        assert_eq!(error_code(&raw.query("BEGIN").await.unwrap()), 0);
        for _ in 0..9 {
            // What cannot be kept runs all the same.
            assert_eq!(error_code(&raw.query(&insert).await.unwrap()), 0);
        }
    }
    scene.holds("replay").await;
    for raw in &mut writers {
        assert_eq!(error_code(&raw.query("ROLLBACK").await.unwrap()), 0);
    }
    drop(writers);
    scene.recovers().await;
}

#[tokio::test]
async fn large_results_that_nobody_reads_stay_within_the_budget() {
    let mut scene = Scene::new("max_server_connections = 400\n").await;
    let mut lazy = sessions(scene.proxy.rw, 300).await;
    for (n, raw) in lazy.iter_mut().enumerate() {
        raw.send(0, b"\x03SELECT REPEAT('x', 1048576) FROM seq_1_to_2000").await.unwrap();
        if n % 50 == 0 {
            scene.is_served().await;
        }
    }
    let proxy = &scene.proxy;
    eventually("larger buffers are refused", async || {
        let sample = "pointsman_memory_refusals_total{claim=\"large_buffer\"}";
        (metric(proxy, sample).await > 0.0).then_some(())
    })
    .await;
    scene.holds("large_buffer").await;
    drop(lazy);
    scene.recovers().await;
}

#[tokio::test]
async fn parameter_types_count_as_what_a_session_keeps() {
    let mut scene = Scene::new("").await;
    let mut raw = Raw::app(scene.proxy.rw).await;
    // 3,000 small statements, each with a block of types for 60,000 parameters.
    let marks = vec!["?"; 30_000].join(",");
    let mut refused = 0;
    for n in 0..1_200 {
        let mut text = String::new();
        let _ = write!(text, "SELECT {n} IN ({marks})");
        let answer = raw.command(0x16, text.as_bytes()).await.unwrap();
        if error_code(&answer) != 0 {
            refused = error_code(&answer);
            break;
        }
        // 30,000 parameters, what ends them, a column, what ends that.
        for _ in 0..30_003 {
            raw.read().await.unwrap();
        }
        let mut execute = answer[1..5].to_vec();
        execute.extend_from_slice(&[0, 1, 0, 0, 0]);
        execute.resize(execute.len() + 30_000usize.div_ceil(8), 0xff);
        execute.push(1);
        execute.extend(std::iter::repeat_n([6, 0], 30_000).flatten());
        assert_eq!(error_code(&raw.command(0x17, &execute).await.unwrap()), 0);
        for _ in 0..4 {
            raw.read().await.unwrap();
        }
    }
    assert_eq!(refused, 1461);
    scene.holds("prepared_statement").await;
    drop(raw);
    scene.recovers().await;
}
