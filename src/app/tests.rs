mod notices;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::reload::{Reloader, Secrets, Trigger};
use super::served::Served;
use super::status::{StatusTarget, Where, authority, fetch, frame};
use super::table::render;
use super::*;
use crate::admin::{
    AdminParts, AdminState, ChangeCost, KubernetesReport, PortReport, PrimaryChangeReport, Report,
    ServerReport, Traffic,
};
use crate::config::{Secret, SecretRef};
use crate::telemetry::{AuditMessage, AuditSender, Lifecycle, ReloadMetrics};
use crate::topology::Snapshot;

/// A temporary folder that is removed when the value is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("pointsman-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const LEAST: &str = "[monitor]\nuser = \"m\"\npassword_file = \"pw\"\n[[users]]\nname = \"a\"\npassword = \"a\"\n\
                     [[discovery.servers]]\nname = \"a\"\naddress = \"a:3306\"\n";

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
    assert!(Cli::try_parse_from(["pointsman", "run"]).is_err(), "--config is needed");
    let cli = Cli::try_parse_from(["pointsman", "status", "--watch"]).unwrap();
    assert!(
        matches!(cli.command, CliCommand::Status { place, watch: true, note: None } if place.url == "http://127.0.0.1:9090")
    );
}

#[test]
fn explain_answers_and_bad_configurations_end_with_2() {
    let explain = execute(CliCommand::Explain { sql: "select 1".to_owned() }).unwrap();
    assert_eq!(format!("{explain:?}"), format!("{:?}", ExitCode::SUCCESS));
    let folder = Folder::new("exit");
    folder.write("pw", "x");
    let bad = folder.write("bad.toml", "worker = 1\nworkers = -1\n");
    let error = execute(CliCommand::Check { config: bad.clone(), connect: None }).unwrap_err();
    let text = error.to_string();
    let at = bad.display();
    assert!(text.starts_with(&format!("{at}: ")), "{text}");
    assert!(text.contains(&format!("\n{at}: line 2: workers: is -1; ")), "{text}");
    assert_eq!(format!("{:?}", error.exit_code()), format!("{:?}", ExitCode::from(2)));
    let error = execute(CliCommand::Run { config: folder.0.join("none") }).unwrap_err();
    assert!(error.to_string().starts_with("cannot read "), "{error}");
}

#[tokio::test]
async fn a_swapped_symlink_is_a_change_and_a_touch_is_not() {
    let folder = Folder::new("symlink");
    fs::create_dir(folder.0.join("v1")).unwrap();
    fs::create_dir(folder.0.join("v2")).unwrap();
    folder.write("v1/file", "one");
    folder.write("v2/file", "two");
    let link = folder.0.join("data");
    std::os::unix::fs::symlink("v1", &link).unwrap();
    let file = link.join("file");
    let mut watch = FileWatch::new(vec![file.clone()]);
    let quiet = Duration::from_millis(1_500);

    folder.write("v1/file", "one");
    assert!(tokio::time::timeout(quiet, watch.changed()).await.is_err(), "same content");

    let swapped = folder.0.join("data.new");
    std::os::unix::fs::symlink("v2", &swapped).unwrap();
    fs::rename(&swapped, &link).unwrap();
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, watch.changed()).await.expect("a swap is a change");

    fs::remove_file(folder.0.join("v2/file")).unwrap();
    assert!(tokio::time::timeout(quiet, watch.changed()).await.is_err(), "being replaced");
    folder.write("v2/file", "three");
    tokio::time::timeout(patience, watch.changed()).await.expect("back with other content");

    let other = folder.write("other", "one");
    watch.watch(vec![file.clone(), other.clone()]);
    tokio::time::timeout(patience, watch.changed()).await.expect("one more");
    fs::remove_file(file).unwrap();
    tokio::time::timeout(patience, watch.changed()).await.expect("gone for good");
    fs::write(other, "two").unwrap();
    tokio::time::timeout(patience, watch.changed()).await.expect("what is there counts all the same");
}

#[tokio::test]
async fn a_reload_replaces_what_is_live_and_a_bad_file_nothing() {
    let folder = Folder::new("reload");
    folder.write("pw", "old");
    let path = folder.write("p.toml", LEAST);
    let running = Config::load(&path).unwrap();
    let (sender, mut live) = watch::channel(Arc::new(running.live.clone()));
    let secrets = Secrets::of(&running);
    let metrics = Arc::new(ReloadMetrics::default());
    let served = served();
    let shown = served.watched();
    let mut reloader = Reloader::new(path.clone(), running, sender, secrets, Arc::clone(&metrics), served);

    reloader.reload(Trigger::Signal);
    assert!(!live.has_changed().unwrap(), "nothing changed");

    folder.write("pw", "new");
    reloader.reload(Trigger::File);
    assert!(live.has_changed().unwrap());
    assert_eq!(live.borrow_and_update().monitor.password.expose(), "new");

    folder.write("p.toml", "nonsense");
    reloader.reload(Trigger::Signal);
    reloader.reload(Trigger::File);
    assert!(!live.has_changed().unwrap(), "the running one stays");
    assert_eq!((metrics.stale.get(), metrics.failed.get()), (1, 1), "the same mistake counts once");

    folder.write("p.toml", &format!("workers = 9\n{LEAST}[failover]\nhold = \"1s\"\n"));
    reloader.reload(Trigger::Signal);
    assert_eq!(live.borrow_and_update().failover.hold, Duration::from_secs(1));
    assert_eq!((metrics.stale.get(), metrics.done.get()), (0, 3));
    let text = shown.borrow().text.clone();
    assert!(text.contains("hold = \"1s\"") && !text.contains("workers = 9"), "what is in effect: {text}");
}

#[tokio::test]
async fn reloads_are_in_the_audit_log_with_what_caused_them() {
    let folder = Folder::new("audited");
    folder.write("pw", "old");
    let audited = format!("{LEAST}[audit]\nto = \"stdout\"\n");
    let path = folder.write("p.toml", &audited);
    let running = Config::load(&path).unwrap();
    let sender = watch::Sender::new(Arc::new(running.live.clone()));
    let secrets = Secrets::of(&running);
    let (audit, records) = AuditSender::new();
    let mut reloader =
        Reloader::new(path, running, sender, secrets, Arc::default(), served()).with_audit(audit);
    let recorded = |reloader: &mut Reloader, by| {
        reloader.reload(by);
        let record = |message| match message {
            AuditMessage::Record(record) => {
                (record.user.to_string(), record.statement.to_string(), record.outcome.failed)
            }
            AuditMessage::Flush(_) => panic!("nobody asked"),
        };
        records.try_iter().map(record).collect::<Vec<_>>()
    };
    let entry = |user: &str, failed| vec![(user.to_owned(), "RELOAD".to_owned(), failed)];
    assert_eq!(recorded(&mut reloader, Trigger::File), [], "nothing changed");
    assert_eq!(recorded(&mut reloader, Trigger::Signal), entry("signal", false));
    assert_eq!(recorded(&mut reloader, Trigger::Console), [], "the console has its own record");
    folder.write("pw", "new");
    assert_eq!(recorded(&mut reloader, Trigger::File), entry("file", false));
    folder.write("p.toml", "nonsense");
    assert_eq!(recorded(&mut reloader, Trigger::File), entry("file", true));
    assert_eq!(recorded(&mut reloader, Trigger::File), [], "it is tried again");
    // The last thing that the log has is who turned it off.
    folder.write("p.toml", LEAST);
    assert_eq!(recorded(&mut reloader, Trigger::Signal), entry("signal", false));
    assert_eq!(recorded(&mut reloader, Trigger::Signal), []);
}

#[tokio::test]
async fn what_needs_a_restart_leaves_what_runs_as_it_is() {
    let folder = Folder::new("restart");
    folder.write("pw", "x");
    let listener = |name: &str, level: &str| {
        format!(
            "[[listeners]]\nname = \"{name}\"\naddress = \"127.0.0.1:1\"\nmode = \"split\"\nconsistency = \"{level}\"\n"
        )
    };
    let path = folder.write("p.toml", &format!("{LEAST}{}", listener("one", "session")));
    let running = Config::load(&path).unwrap();
    let before = running.live.clone();
    let (sender, mut live) = watch::channel(Arc::new(before.clone()));
    let secrets = Secrets::of(&running);
    let metrics = Arc::new(ReloadMetrics::default());
    let mut reloader = Reloader::new(path, running, sender, secrets, Arc::clone(&metrics), served());

    folder.write("p.toml", &format!("{LEAST}{}", listener("two", "eventual")));
    reloader.reload(Trigger::Signal);
    let after = live.borrow_and_update().clone();
    assert_eq!(
        after.listener_levels.get("one"),
        before.listener_levels.get("one"),
        "it runs under that name"
    );

    let kubernetes = "[discovery]\nkind = \"kubernetes\"\npreset = \"mariadb-operator\"\ncluster = \"db\"\n\
                      [monitor]\nuser = \"m\"\npassword = \"p\"\n[[users]]\nname = \"a\"\npassword = \"a\"\n";
    folder.write("p.toml", kubernetes);
    Config::load(&folder.0.join("p.toml")).unwrap();
    reloader.reload(Trigger::Signal);
    assert!(!live.has_changed().unwrap(), "its servers are no pods");
    assert_eq!((metrics.stale.get(), metrics.failed.get()), (1, 1));
}

/// Returns a `Served` that awaits no file.
fn served() -> Served {
    Served::awaiting(None, &crate::config::Fingerprint::of(""))
}

#[tokio::test]
async fn a_secret_that_arrives_after_the_file_is_found() {
    let folder = Folder::new("late");
    folder.write("pw", "x");
    let path = folder.write("p.toml", LEAST);
    let running = Config::load(&path).unwrap();
    let (sender, mut live) = watch::channel(Arc::new(running.live.clone()));
    let secrets = Secrets::of(&running);
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).unwrap();
    let task =
        tokio::spawn(Reloader::new(path, running, sender, secrets, Arc::default(), served()).run(hangup));
    folder.write("p.toml", &format!("{LEAST}[[users]]\nname = \"b\"\npassword_file = \"late\"\n"));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!live.has_changed().unwrap());
    folder.write("late", "there");
    tokio::time::timeout(Duration::from_secs(30), live.changed()).await.unwrap().unwrap();
    assert_eq!(live.borrow_and_update().users["b"].password.as_ref().unwrap().expose(), "there");
    task.abort();
}

#[tokio::test]
async fn a_changed_secret_file_reloads_by_itself() {
    let folder = Folder::new("watched");
    folder.write("pw", "old");
    let path = folder.write("p.toml", LEAST);
    let running = Config::load(&path).unwrap();
    let (sender, mut live) = watch::channel(Arc::new(running.live.clone()));
    let secrets = Secrets::of(&running);
    let reloader = Reloader::new(path, running, sender, secrets, Arc::default(), served());
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).unwrap();
    let task = tokio::spawn(reloader.run(hangup));
    folder.write("pw", "new");
    tokio::time::timeout(Duration::from_secs(30), live.changed()).await.unwrap().unwrap();
    assert_eq!(live.borrow_and_update().monitor.password.expose(), "new");
    task.abort();
}

#[test]
fn urls() {
    assert_eq!(authority("http://127.0.0.1:9090"), Ok((false, "127.0.0.1:9090".to_owned())));
    assert_eq!(authority("http://proxy/"), Ok((false, "proxy:9090".to_owned())));
    assert_eq!(authority("[::1]:80"), Ok((false, "[::1]:80".to_owned())));
    assert_eq!(authority("https://x:1"), Ok((true, "x:1".to_owned())));
    assert_eq!(authority("ftp://x:1"), Err("is not an http or https URL"));
    assert!(authority("http://").is_err());
    assert!(authority("http://x/topology").is_err());
}

fn target(url: &str, ca_file: Option<PathBuf>) -> Result<StatusTarget, AppError> {
    StatusTarget::of(&Where {
        url: url.to_owned(),
        ca_file,
        tls_name: None,
        token_file: None,
        token_env: None,
    })
}

#[test]
fn https_needs_a_ca_and_a_ca_https() {
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net/tls/fixture/ca.pem");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net/tls/fixture/server-key.pem");
    assert!(target("https://x", Some(ca.into())).is_ok());
    let wrong = |url: &str, ca: Option<&str>| target(url, ca.map(PathBuf::from)).err().unwrap().to_string();
    assert!(wrong("https://x", None).contains("--ca-file"));
    assert!(wrong("http://x", Some(ca)).contains("https://"));
    assert!(wrong("https://x", Some(key)).contains("holds no certificate"));
    assert!(wrong("https://x", Some("/nowhere")).contains("/nowhere"));
}

#[tokio::test]
async fn status_reads_what_admin_serves() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = target(&url, None).unwrap();
    let (_snapshot, snapshot) = watch::channel(Arc::new(Snapshot::empty()));
    let (_lifecycle, lifecycle) = watch::channel(Lifecycle::Listening);
    let config = Config::parse(include_str!("../../config/pointsman.toml"), Path::new("")).unwrap();
    let (_live, live) = watch::channel(Arc::new(config.live));
    let modes = config.fixed.listeners.iter().map(|l| l.mode).collect();
    let state =
        AdminState::new(AdminParts { modes, ..AdminParts::least(Vec::new(), snapshot, lifecycle, live) });
    let server = tokio::spawn(crate::admin::serve(listener, state));
    let report = fetch(&target).await.unwrap();
    assert_eq!(report.state, "listening");
    assert_eq!(report.traffic.ports.len(), 2);
    server.abort();
    let _ = server.await;
    let reason = fetch(&target).await.unwrap_err();
    assert!(reason.contains("refused"), "{reason}");
}

fn report(uptime_ms: u64, statements: u64) -> Report {
    let server = |name: &str, health: &str, role: &str| ServerReport {
        name: name.to_owned(),
        address: format!("{name}:3306"),
        health: health.to_owned(),
        role: role.to_owned(),
        flavor: Some("mariadb".to_owned()),
        version: (health == "up").then(|| "10.11.6-MariaDB".to_owned()),
        read_only: Some(role != "primary"),
        replicating: (role == "replica").then_some(true),
        source: None,
        max_connections: None,
        connections: None,
        believed_to_bear: None,
        tls: (role == "primary").then(|| "TLSv1.3".to_owned()),
        lag_ms: (role == "replica").then_some(250),
        gtid: None,
        serves_reads: role == "replica",
        label: None,
        deleting: false,
        drained: None,
        zone: None,
        missed_probes: 0,
        probe_us: (health == "up").then_some(1_234),
        last_error: (health == "down").then(|| "connection refused\x1b[2J".to_owned()),
        barred: false,
        statements: 7,
    };
    let port =
        |mode: &str, statements| PortReport { mode: mode.to_owned(), clients: 8, accepted: 9, statements };
    Report {
        pointsman: "1.2.3".to_owned(),
        state: "listening".to_owned(),
        uptime_ms,
        version: 1,
        generation: 2,
        primary: Some("db-1".to_owned()),
        alarm: None,
        alarm_detail: None,
        users_passing_read_only: vec!["root\x1b".to_owned()],
        drain_orders: Vec::new(),
        server_accounts: None,
        catalogue: crate::admin::CatalogueReport::default(),
        maintenance: Vec::new(),
        config: Default::default(),
        servers: vec![
            server("db-0", "down", "none"),
            server("db-1", "up", "primary"),
            server("db-two", "up", "replica"),
        ],
        history: vec![PrimaryChangeReport {
            at_ms: 100_000,
            from: Some("db-0".to_owned()),
            to: Some("db-1".to_owned()),
            reason: "db-0 is down".to_owned(),
            generation: 2,
            cost: Some(ChangeCost {
                without_primary_ms: 21,
                held: 4,
                rolled_back: 1,
                ..ChangeCost::default()
            }),
        }],
        traffic: Traffic {
            ports: vec![port("primary", statements), port("replica", 7)],
            server_connections: 12,
            server_idle: 4,
            waiting_for_primary: 1,
            waiting_for_connection: 0,
        },
        kubernetes: Vec::new(),
    }
}

#[test]
fn the_table_is_aligned_and_shows_rates() {
    let page = render(&report(75_500, 1_750), Some(&report(75_000, 1_000)), 165_000);
    assert_eq!(
        page,
        "pointsman 1.2.3 · listening · up 1m 15s · primary db-1 · generation 2\n\
         \n\
         SERVER  ADDRESS      HEALTH  ROLE     VERSION          TLS  READS  LAG     PROBE\n\
         db-0    db-0:3306    down    -        -                -    no     -       -\n\
         db-1    db-1:3306    up      primary  10.11.6-MariaDB  1.3  no     -       1.23 ms\n\
         db-two  db-two:3306  up      replica  10.11.6-MariaDB  -    yes    250 ms  1.23 ms\n\
         \n\
         PORT     CLIENTS  STATEMENTS/S  STATEMENTS\n\
         primary  8        1500          1750\n\
         replica  8        0             7\n\
         server connections 12 (4 idle) · waiting for a primary 1 · waiting for a connection 0\n\
         users that pass read_only: root \n\
         db-0: connection refused [2J\n\
         \n\
         Changes of the primary, newest first:\n\
         \u{20}\u{20}1m 5s ago: db-0 -> db-1 (db-0 is down): 21 ms without one, 4 statements waited, 1 client was told\n"
    );
}

#[test]
fn the_table_says_which_server_lets_no_probe_in() {
    let mut now = report(1_000, 0);
    now.servers[1].last_error = Some("error 1045: Access denied".to_owned());
    // One missed probe says nothing yet.
    assert!(!render(&now, None, 0).contains("1045"));
    now.servers[1].barred = true;
    let said = "\ndb-1 lets no probe in; sessions' connections tell its role, what else is shown of it is from before: error 1045: Access denied\n";
    assert!(render(&now, None, 0).contains(said));
}

#[test]
fn the_table_says_why_there_is_no_primary() {
    let mut none = report(1_000, 0);
    none.primary = None;
    assert!(render(&none, None, 0).contains("· NO PRIMARY · generation 2\n"));
    none.servers.iter_mut().for_each(|server| server.health = "down".to_owned());
    assert!(render(&none, None, 0).contains("· NO PRIMARY: no server answers · generation 2\n"));
    let servers = std::mem::take(&mut none.servers);
    none.kubernetes.push(KubernetesReport {
        resource: "pods".to_owned(),
        looks_for: Some("pods with the labels a=b in namespace c".to_owned()),
        connected: true,
        since_ms: 0,
        error: None,
    });
    assert!(render(&none, None, 0).contains("· NO PRIMARY: no server is known · generation 2\n"));
    assert!(
        render(&none, None, 0)
            .contains("\nKubernetes: there is no server among the pods with the labels a=b in namespace c\n")
    );
    none.servers = servers;
    assert!(!render(&none, None, 0).contains("Kubernetes"));
    none.servers.iter_mut().for_each(|server| server.health = "up".to_owned());
    none.alarm = Some("several_candidates".to_owned());
    none.alarm_detail = Some("db-0 is writable, but not alone, db-1 is writable, but not alone".to_owned());
    assert!(render(&none, None, 0).contains("NO PRIMARY: several servers are writable"));
    assert!(render(&none, None, 0).contains("\ndb-0 is writable, but not alone, db-1"));
    none.alarm_detail = None;
    none.alarm = None;
    none.maintenance = ["cordoned", "read_only"].map(str::to_owned).to_vec();
    assert!(
        render(&none, None, 0)
            .contains("· NO PRIMARY · generation 2 · IN MAINTENANCE: cordoned, read_only\n")
    );
    // After a restart the proxy counts from zero, so there is no rate.
    assert!(
        render(&report(10, 5), Some(&report(75_000, 1_000)), 0)
            .contains("primary  8        -             5\n")
    );
}

#[test]
fn a_frame_draws_over_the_last_one() {
    assert_eq!(frame("a\nb\n"), "\x1b[?7l\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J\x1b[?7h");
}

#[tokio::test]
async fn a_rotated_kubernetes_secret_is_taken_over_and_a_missing_one_lets_nobody_in() {
    let folder = Folder::new("rotated");
    let pods = "[monitor]\nuser = \"m\"\nsecret = \"ops/monitor\"\n[discovery]\nkind = \"kubernetes\"\n\
                preset = \"moco\"\ncluster = \"c\"\n[[users]]\nname = \"a\"\nsecret = \"apps/a\"\n";
    let path = folder.write("p.toml", pods);
    let running = Config::load(&path).unwrap();
    let at = |name: &str, key: &str| SecretRef { name: name.into(), key: key.into() };
    let mut held = HashMap::from([(at("ops", "monitor"), Secret::new("m1"))]);
    let (rotate, values) = watch::channel(Arc::new(held.clone()));
    let mut secrets = Secrets::of(&running);
    assert_eq!(secrets.wanted().borrow().iter().map(|name| &**name).collect::<Vec<_>>(), ["apps", "ops"]);
    secrets.watched(values);
    let first = secrets.fill(&running);
    assert_eq!(first.monitor.password.expose(), "m1");
    assert!(first.users.is_empty(), "an unknown password is not an empty one");

    let wanted = secrets.wanted();
    let (sender, mut live) = watch::channel(Arc::new(first));
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).unwrap();
    let task =
        tokio::spawn(Reloader::new(path, running, sender, secrets, Arc::default(), served()).run(hangup));
    held.insert(at("apps", "a"), Secret::new("a1"));
    held.insert(at("ops", "monitor"), Secret::new("m2"));
    rotate.send_replace(Arc::new(held));
    tokio::time::timeout(Duration::from_secs(30), live.changed()).await.unwrap().unwrap();
    let now = live.borrow_and_update().clone();
    assert_eq!(
        (now.monitor.password.expose(), now.users["a"].password.as_ref().unwrap().expose()),
        ("m2", "a1")
    );

    folder.write("p.toml", &pods.replace("ops/monitor", "other/monitor"));
    let mut wanted = wanted;
    let names = |wanted: &std::collections::BTreeSet<Arc<str>>| wanted.iter().any(|name| &**name == "other");
    tokio::time::timeout(Duration::from_secs(5), wanted.wait_for(names)).await.unwrap().unwrap();
    task.abort();
}

#[test]
fn an_empty_kubernetes_secret_leaves_the_running_password() {
    let folder = Folder::new("empty");
    let pods = "[monitor]\nuser = \"m\"\nsecret = \"ops/monitor\"\n[discovery]\nkind = \"kubernetes\"\n\
                preset = \"moco\"\ncluster = \"c\"\n[[users]]\nname = \"a\"\nsecret = \"apps/a\"\n\
                [[users]]\nname = \"b\"\nsecret = \"apps/a\"\nallow_empty_password = true\n";
    let config = Config::load(&folder.write("p.toml", pods)).unwrap();
    let at = |name: &str, key: &str| SecretRef { name: name.into(), key: key.into() };
    let held = |monitor: &str, user: &str| {
        let all = [(at("ops", "monitor"), Secret::new(monitor)), (at("apps", "a"), Secret::new(user))];
        Arc::new(HashMap::from(all))
    };
    let mut secrets = Secrets::of(&config);
    let (rotate, values) = watch::channel(held("m1", ""));
    secrets.watched(values);
    let first = secrets.fill(&config);
    assert!(!first.users.contains_key("a"), "nobody logs in without a password");
    assert_eq!(first.users["b"].password.as_ref().unwrap().expose(), "");
    rotate.send_replace(held("m1", "a1"));
    assert_eq!(secrets.fill(&config).users["a"].password.as_ref().unwrap().expose(), "a1");
    for empty in ["", "\n", "\r\n"] {
        rotate.send_replace(held(empty, empty));
        let now = secrets.fill(&config);
        assert_eq!(
            (now.monitor.password.expose(), now.users["a"].password.as_ref().unwrap().expose()),
            ("m1", "a1")
        );
        assert!(now.users["b"].password.as_ref().unwrap().is_empty());
    }
    rotate.send_replace(held("m2", "a2"));
    let now = secrets.fill(&config);
    assert_eq!(
        (now.monitor.password.expose(), now.users["a"].password.as_ref().unwrap().expose()),
        ("m2", "a2")
    );
    // A password that was removed from the Secret is not restored by a later empty value.
    rotate.send_replace(Arc::default());
    assert!(!secrets.fill(&config).users.contains_key("a"));
    rotate.send_replace(held("m3", ""));
    assert!(!secrets.fill(&config).users.contains_key("a"));
}

#[test]
fn the_zone_of_the_own_node_stands_in_for_the_configured_one() {
    let folder = Folder::new("zone");
    let pods = "[monitor]\nuser = \"m\"\npassword = \"m\"\n[discovery]\nkind = \"kubernetes\"\n\
                preset = \"moco\"\ncluster = \"c\"\nread_nodes = true\n[[users]]\nname = \"a\"\npassword = \"a\"\n";
    for (replicas, zone) in [("", "of-node"), ("[replicas]\nzone = \"mine\"\n", "mine")] {
        let config = Config::load(&folder.write("p.toml", &format!("{pods}{replicas}"))).unwrap();
        let mut secrets = Secrets::of(&config);
        let (node, own_zone) = watch::channel(None);
        secrets.zone_is(own_zone);
        assert_eq!(secrets.fill(&config).replicas.zone.as_deref(), (zone == "mine").then_some("mine"));
        node.send_replace(Some("of-node".into()));
        assert_eq!(secrets.fill(&config).replicas.zone.as_deref(), Some(zone));
    }
}

#[test]
fn a_watch_that_hears_nothing_is_shown() {
    let mut now = report(60_000, 10);
    let watch = |connected, error: Option<&str>| KubernetesReport {
        looks_for: None,
        resource: "pods".to_owned(),
        connected,
        since_ms: 1_000_000,
        error: error.map(str::to_owned),
    };
    now.kubernetes = vec![watch(true, None)];
    assert!(!render(&now, None, 1_042_000).contains("Kubernetes"));
    now.kubernetes = vec![watch(false, Some("refused"))];
    let page = render(&now, None, 1_042_000);
    assert!(page.contains("Kubernetes, pods: nothing new for 42s: refused\n"), "{page}");
}
