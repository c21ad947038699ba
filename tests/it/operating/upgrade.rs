//! SIGUSR2: a new process takes the ports over, and no client can tell.

use super::{alone, scene};
use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{PATIENCE, eventually};
use crate::support::{Cluster, Proxy, Scratch, connect, free_port};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

const PING: u8 = 0x0e;

/// Tasks that go on until told to stop, each with how often it did what it does.
#[derive(Default)]
struct Crowd {
    stop: Arc<AtomicBool>,
    tasks: Vec<(&'static str, Arc<AtomicUsize>, JoinHandle<()>)>,
}

impl Crowd {
    /// `once` panics if anything is not as it should be.
    fn join<F: Future<Output = ()> + Send>(
        &mut self,
        name: &'static str,
        once: impl Fn() -> F + Send + Sync + 'static,
    ) {
        let (stop, times) = (self.stop.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = times.clone();
        let task = async move {
            while !stop.load(Relaxed) {
                once().await;
                counted.fetch_add(1, Relaxed);
            }
        };
        self.tasks.push((name, times, tokio::spawn(task)));
    }

    /// Waits until each task was served once more, or has failed.
    async fn goes_on(&self) {
        for (name, times, task) in &self.tasks {
            let before = times.load(Relaxed);
            let served = async || (times.load(Relaxed) > before || task.is_finished()).then_some(());
            eventually(&format!("{name} is served"), served).await;
        }
    }

    async fn stop(self) {
        self.stop.store(true, Relaxed);
        for (name, _, task) in self.tasks {
            task.await.unwrap_or_else(|failed| panic!("{name}: {failed}"));
        }
    }
}

async fn ask_and_go(connected: Result<Conn, mysql_async::Error>) {
    let mut client = connected.expect("connected and logged in");
    let one: Option<u8> = client.query_first("SELECT 1").await.expect("an answer");
    assert_eq!(one, Some(1));
    client.disconnect().await.expect("left");
}

/// Transactions of a client that looks before each, as pools do. Counts how often it was told to connect again in `moved`,
/// and returns how many transactions it committed.
async fn transactions(port: u16, stop: Arc<AtomicBool>, moved: Arc<AtomicUsize>) -> usize {
    let mut committed = 0;
    let mut client = Raw::app(port).await;
    while !stop.load(Relaxed) {
        match error_code(&client.command(PING, &[]).await.expect("an answer to a ping")) {
            0 => {}
            1053 => {
                client = Raw::app(port).await;
                moved.fetch_add(1, Relaxed);
                continue;
            }
            other => panic!("a ping is answered with {other}"),
        }
        for sql in ["BEGIN", "INSERT INTO t VALUES (2)", "DO SLEEP(0.02)", "COMMIT"] {
            assert_eq!(error_code(&client.query(sql).await.expect("an answer")), 0, "{sql}");
        }
        committed += 1;
    }
    committed
}

/// Gone, or only waiting to be asked for its exit status.
fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

async fn gone(pid: u32) {
    eventually("the former process has ended", async || is_gone(pid).then_some(())).await;
}

fn with_unix_port(config: &str, path: &Path) -> String {
    format!(
        "{config}\n[[listeners]]\nname = \"file\"\naddress = \"unix:{}\"\nmode = \"primary\"\n",
        path.display()
    )
}

fn crowd(proxy: &Proxy, path: PathBuf) -> Crowd {
    let mut crowd = Crowd::default();
    let (rw, ro, http) = (proxy.rw, proxy.ro, proxy.http);
    for name in ["tcp 1", "tcp 2", "tcp 3", "tcp 4"] {
        crowd.join(name, move || async move { ask_and_go(connect(rw, "app", "app", "test").await).await });
    }
    crowd.join("reader", move || async move {
        ask_and_go(connect(ro, "app", "app", "test").await).await;
    });
    crowd.join("unix", move || {
        let options = OptsBuilder::default().socket(path.to_str()).user(Some("app")).pass(Some("app"));
        async move { ask_and_go(Conn::new(options).await).await }
    });
    // Many at once wait in the queue, and the greeting comes to each.
    for name in ["burst 1", "burst 2", "burst 3"] {
        crowd.join(name, move || async move {
            let all: Vec<_> = (0..32).map(|_| tokio::spawn(Raw::connect(rw))).collect();
            for one in all {
                let mut one = one.await.unwrap().expect("connected");
                one.greeting().await.expect("a greeting");
            }
        });
    }
    crowd.join("http", move || async move {
        let (status, body) = Proxy::get_from(http, "/readyz").await.expect("an answer");
        assert_eq!(status, 200, "{body}");
    });
    crowd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_notices_that_processes_follow_each_other() {
    let cluster = Cluster::mariadb(0).await;
    let folder = Scratch::new("upgrade");
    let path = folder.path().join("rw");
    let config = with_unix_port(&alone(&cluster).await, &path);
    // The first process must not end before the transaction that is open all the time, however slow the machine is.
    let config = format!("{config}\n[replicas]\nfallback = \"primary\"\n[drain]\ntimeout = \"300s\"\n");
    let mut proxy = Proxy::start(&format!("workers = 2\nworker_fill = 0\n{config}")).await;
    let mut open = Raw::app(proxy.rw).await;
    for sql in ["BEGIN", "INSERT INTO t VALUES (3)"] {
        assert_eq!(error_code(&open.query(sql).await.unwrap()), 0);
    }
    let crowd = crowd(&proxy, path);
    let lasting: Vec<_> = (0..3)
        .map(|_| {
            let moved = Arc::new(AtomicUsize::new(0));
            (moved.clone(), tokio::spawn(transactions(proxy.rw, crowd.stop.clone(), moved)))
        })
        .collect();
    let mut former = Vec::new();
    for workers in [4, 1, 2] {
        crowd.goes_on().await;
        sleep(Duration::from_millis(500)).await;
        proxy.write_config(&format!("workers = {workers}\n{config}"));
        former.push(proxy.upgrade().await);
        for (moved, task) in &lasting {
            let told = async || (moved.load(Relaxed) >= former.len() || task.is_finished()).then_some(());
            eventually("a client is told to connect again", told).await;
        }
    }
    // The transaction that was open all the time is still served by the first process.
    assert_eq!(error_code(&open.query("COMMIT").await.unwrap()), 0);
    assert_eq!(error_code(&open.command(PING, &[]).await.unwrap()), 1053, "{}", proxy.log());
    assert_eq!(proxy.wait_exit(PATIENCE).await.code(), Some(0));
    for former in &former[1..] {
        gone(*former).await;
    }
    crowd.goes_on().await;
    crowd.stop().await;
    let mut rows = 2;
    for (_, task) in lasting {
        rows += task.await.unwrap();
    }
    assert_eq!(cluster.primary().value("SELECT COUNT(*) FROM test.t").await, rows.to_string());
    assert!(!proxy.log().contains("the rest was told ERROR 1053"), "nobody was cut off");
    let last = proxy.pid();
    proxy.signal("TERM");
    gone(last).await;
}

/// What the log says since `before`.
async fn said(proxy: &Proxy, before: usize, what: &str) {
    eventually(&format!("the log says {what:?}"), async || {
        proxy.log()[before..].contains(what).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_process_that_cannot_start_changes_nothing() {
    let (cluster, mut proxy) = scene("").await;
    let config = format!("workers = 2\nworker_fill = 0\n{}", alone(&cluster).await);
    let somebody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = somebody.local_addr().unwrap();
    let occupied = format!("\n[[listeners]]\nname = \"x\"\naddress = \"{taken}\"\nmode = \"primary\"\n");
    let mut open = Raw::app(proxy.rw).await;
    assert_eq!(error_code(&open.query("BEGIN").await.unwrap()), 0);
    for (wrong, why) in [
        ("this is no TOML".to_owned(), "exit status: 2"),
        (format!("{config}{occupied}"), "listeners.x: cannot listen on"),
    ] {
        let before = proxy.log().len();
        proxy.write_config(&wrong);
        proxy.signal("USR2");
        said(&proxy, before, "no new process has taken over: this one goes on").await;
        said(&proxy, before, why).await;
        assert_eq!(error_code(&open.query("INSERT INTO t VALUES (2)").await.unwrap()), 0);
        Raw::app(proxy.rw).await;
        assert_eq!(proxy.get("/readyz").await.unwrap().0, 200);
    }
    assert_eq!(error_code(&open.query("COMMIT").await.unwrap()), 0);
    assert_eq!(error_code(&open.command(PING, &[]).await.unwrap()), 0, "it does not drain");

    // And the next one succeeds: one port goes, another one comes.
    let other = free_port();
    proxy.write_config(&config.replace("127.0.0.1:{ro}", &format!("127.0.0.1:{other}")));
    let former = proxy.upgrade().await;
    assert_ne!(former, proxy.pid());
    Raw::app(other).await;
    Raw::app(proxy.rw).await;
    eventually("the port that is not configured any more is closed", async || {
        TcpStream::connect(("127.0.0.1", proxy.ro)).await.is_err().then_some(())
    })
    .await;
    assert_eq!(error_code(&open.command(PING, &[]).await.unwrap()), 1053);
    assert_eq!(proxy.wait_exit(PATIENCE).await.code(), Some(0));
}

#[tokio::test]
async fn a_new_process_that_knows_no_primary_is_given_up() {
    let (mut cluster, mut proxy) = scene("").await;
    cluster.primary_mut().kill();
    let before = proxy.log().len();
    proxy.signal("USR2");
    said(&proxy, before, "a new process starts").await;
    proxy.signal("USR2");
    said(&proxy, before, "a new process is starting already").await;
    said(&proxy, before, "not ready within 20s: no primary").await;
    said(&proxy, before, "no new process has taken over").await;
    cluster.primary_mut().restart().await;
    Raw::app(proxy.rw).await;

    // Who is told to end meanwhile takes the new process along.
    cluster.primary_mut().kill();
    let before = proxy.log().len();
    proxy.signal("USR2");
    said(&proxy, before, "a new process starts").await;
    let log = proxy.log();
    let started = log[before..].lines().find(|line| line.contains("a new process starts")).unwrap();
    let started: u32 = started.rsplit_once("pid=").unwrap().1.trim().parse().unwrap();
    proxy.signal("TERM");
    assert_eq!(proxy.wait_exit(PATIENCE).await.code(), Some(0));
    gone(started).await;
}

#[tokio::test]
async fn systemd_is_told_which_process_is_the_main_one() {
    let cluster = Cluster::mariadb(0).await;
    let config = alone(&cluster).await;
    let folder = Scratch::new("notify");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut proxy = Proxy::start_with(&config, &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    proxy.wait_ready().await;
    let heard = || {
        let mut text = [0; 64];
        let n = socket.recv(&mut text).expect("a word");
        String::from_utf8_lossy(&text[..n]).into_owned()
    };
    assert_eq!(heard(), "READY=1");
    proxy.upgrade().await;
    assert_eq!(heard(), format!("MAINPID={}", proxy.pid()));
    assert_eq!(proxy.wait_exit(PATIENCE).await.code(), Some(0));
    Raw::app(proxy.rw).await;
}
