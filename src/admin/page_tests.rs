//! docs/metrics.md is generated from the answer of `/metrics`. `UPDATE_DOCS=1 cargo test --lib metrics_page` writes it
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::backend::{Ceilings, Full};
use crate::config::Config;
use crate::discovery::WatchState;
use crate::net::{AcceptorMaker, AcceptorsCell};
use crate::telemetry::{AuditSender, DriverFamilies, exposition};
use crate::terms::{Role, StatementKind, Why};
use crate::topology::ServerId;

/// Returns endpoints with everything registered that can be.
pub(super) fn everything() -> AdminState {
    AdminState::new(all_parts())
}

/// The same, and somebody answers the questions to the workers.
pub(super) fn asking(questions: Questions) -> AdminState {
    AdminState::new(AdminParts { questions: Some(questions), ..all_parts() })
}

fn all_parts() -> AdminParts {
    let config = Config::parse(include_str!("../../config/pointsman.toml"), Path::new("")).unwrap();
    let passing: PassingAccounts = Arc::new(["root".into()].into());
    let watched = watch::channel(WatchState {
        resource: "pods",
        looks_for: None,
        connected: true,
        since_ms: 0,
        error: None,
        lists: 0,
        events: 0,
        failures: 0,
    })
    .1;
    let worker = WorkerMetrics::default();
    worker.placed.at(StatementKind::Read, Role::Replica, Why::PlainRead).add(1);
    let least = AdminParts::least(
        vec![Arc::new(worker)],
        watch::channel(Arc::new(super::tests::three())).1,
        watch::channel(Lifecycle::Starting).1,
        watch::channel(Arc::new(config.live)).1,
    );
    AdminParts {
        modes: vec![Mode::Split],
        ceilings: Some(full_server()),
        memory: Some(Arc::default()),
        audit: Some(AuditSender::new().0),
        traces: Some(Arc::default()),
        certificates: Some(certificates()),
        driver: Some(DriverFamilies { driver: "epoll", reason: "configured" }),
        config: Some(watch::channel(ServedConfig::default()).1),
        passing: vec![watch::channel(passing).1],
        kubernetes: vec![watched],
        ..least
    }
}

/// The limits of a process after the first server refused a connection.
fn full_server() -> Arc<Ceilings> {
    let ceilings = Arc::<Ceilings>::default();
    let refused = ceilings.clone();
    let refuse = async move {
        let permit = refused.acquire(ServerId(0), 10, &"app".into(), None).await.unwrap();
        assert!(permit.server_refused(Full::Server));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::spawn(move || runtime.block_on(refuse)).join().unwrap();
    ceilings
}

/// The certificates of a listener that has one.
fn certificates() -> AcceptorsCell {
    let file = |name: &str| format!("{}/src/net/tls/fixture/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let tls =
        format!("[listeners.tls]\ncert_file = {:?}\nkey_file = {:?}\n", file("server"), file("server-key"));
    let text = include_str!("../../config/pointsman.toml").replacen("[listeners.tls]\n", &tls, 1);
    let cell = AcceptorsCell::default();
    let wrong = AcceptorMaker::new(cell.clone())
        .unwrap()
        .update(&Config::parse(&text, Path::new("")).unwrap().live.listener_tls);
    assert_eq!(wrong, []);
    cell
}

/// A metric family, as described by its lines in the exposition.
#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(of), Some(help)) => {
                name = of.to_owned();
                families.entry(name.clone()).or_default().help = help.to_owned();
            }
            (Some("#"), Some("TYPE"), Some(of), Some(kind)) => {
                name = of.to_owned();
                families.entry(name.clone()).or_default().kind = kind.to_owned();
            }
            (Some(sample), ..) if sample.starts_with(&name) => {
                let labels = sample.split_once('{').map(|(_, labels)| labels).unwrap_or_default();
                let keys = labels.split("=\"").filter_map(|part| part.rsplit([',', '"']).next());
                let keys = keys.map(str::to_owned).filter(|key| !key.is_empty() && key != "le" && key != "}");
                families.entry(name.clone()).or_default().labels.extend(keys);
            }
            _ => {}
        }
    }
    families
}

fn metrics_page() -> String {
    let mut page = "# Every metric\n\n<!-- Made by `UPDATE_DOCS=1 cargo test --lib metrics_page`; a test compares it. -->\n\n\
                    What `/metrics` has, in the OpenMetrics format, by the names that Prometheus shows. Histograms are native ones, too, for\n\
                    scrapers that ask for the [format](operations.md#native-histograms) which has them.\n\n\
                    | metric | kind | labels | |\n|---|---|---|---|\n"
        .to_owned();
    for (name, family) in families(&exposition(&everything().registry).unwrap()) {
        let ending = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let help = family.help.replace('|', "\\|");
        let _ = writeln!(page, "| `{name}{ending}` | {} | {} | {help} |", family.kind, labels.join(", "));
    }
    page
}

#[test]
fn the_metrics_page_is_what_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let wanted = metrics_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page == wanted, "docs/metrics.md is out of date: UPDATE_DOCS=1 cargo test --lib metrics_page");
}
