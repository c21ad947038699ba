//! Which notices are sent for a change of the primary, and to which receivers.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::*;
use crate::admin::ChangeCosts;
use crate::app::events::PrimaryEvents;
use crate::app::notice::Notices;
use crate::app::webhook::Webhooks;
use crate::config::{Config, Live, Notify};
use crate::discovery::{Access, PodEvents};
use crate::telemetry::WorkerMetrics;
use crate::terms::Disruption;
use crate::topology::{PrimaryChange, Server, ServerId};

const PATIENCE: Duration = Duration::from_secs(30);

/// Answers 503 to the first request and 200 to the others, and forwards all of them to the test.
async fn receiver() -> (u16, mpsc::UnboundedReceiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = mpsc::unbounded_channel();
    spawn_local(async move {
        for answer in std::iter::once("503 Busy").chain(std::iter::repeat("200 OK")) {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let body = loop {
                peer.read_buf(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                if let Ok(body) = serde_json::from_str(body) {
                    break (head.lines().next().unwrap_or_default().to_owned(), body);
                }
            };
            peer.write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                .await
                .unwrap();
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (port, requests)
}

fn settings(port: u16) -> Arc<Live> {
    let folder = Folder::new(&format!("notices-{port}"));
    folder.write("pw", "m");
    let text = format!("{LEAST}[notify]\nwebhook = \"http://127.0.0.1:{port}/hook\"\n");
    Arc::new(Config::load(&folder.write("p.toml", &text)).unwrap().live)
}

fn change(at_ms: u64, from: Option<&str>, to: Option<&str>, generation: u64) -> PrimaryChange {
    PrimaryChange {
        at_ms,
        from: from.map(Into::into),
        to: to.map(Into::into),
        reason: "why".into(),
        generation,
    }
}

fn with(history: &[PrimaryChange]) -> Arc<Snapshot> {
    Arc::new(Snapshot { history: Arc::new(history.iter().cloned().collect()), ..Snapshot::empty() })
}

async fn next(requests: &mut mpsc::UnboundedReceiver<(String, Value)>) -> Value {
    let (request, body) = timeout(PATIENCE, requests.recv()).await.expect("a notice").unwrap();
    assert_eq!(request, "POST /hook HTTP/1.1");
    assert!(body["proxy"].is_string());
    body
}

#[tokio::test]
async fn a_change_is_told_at_once_and_what_it_cost_when_it_has_settled() {
    LocalSet::new()
        .run_until(async {
            let (port, mut requests) = receiver().await;
            let (_live, seen) = watch::channel(settings(port));
            let workers: Vec<Arc<WorkerMetrics>> = vec![Arc::default(), Arc::default()];
            let (publish, snapshot) = watch::channel(with(&[]));
            let (costs, mut counted) = watch::channel(ChangeCosts::default());
            let webhooks = Webhooks::start(seen);
            let notices = Notices { snapshot, workers: workers.clone(), costs, webhooks, events: None };
            spawn_local(notices.run());
            let happened = |worker: &WorkerMetrics, what: Disruption, n| {
                worker.disruptions[what].add(n);
            };
            let mut history = vec![change(1_000, None, Some("db-0"), 1)];
            publish.send_replace(with(&history));
            let first = next(&mut requests).await;
            assert_eq!((&first["event"], &first["to"]), (&"writer_changed".into(), &"db-0".into()));
            assert_eq!(next(&mut requests).await, first, "again: it was not taken");

            history.push(change(5_000, Some("db-0"), None, 1));
            publish.send_replace(with(&history));
            assert_eq!(next(&mut requests).await["event"], "writer_lost");
            happened(&workers[0], Disruption::Held, 3);
            happened(&workers[1], Disruption::Held, 1);
            happened(&workers[1], Disruption::RolledBack, 2);
            happened(&workers[0], Disruption::Moved, 50);
            history.push(change(5_040, Some("db-0"), Some("db-1"), 2));
            publish.send_replace(with(&history));
            let notice = next(&mut requests).await;
            assert_eq!((&notice["event"], &notice["reason"]), (&"writer_changed".into(), &"why".into()));
            let settled = next(&mut requests).await;
            assert_eq!((&settled["event"], &settled["generation"]), (&"change_settled".into(), &2.into()));
            for (field, wanted) in [("without_writer_ms", 40), ("held", 4), ("moved", 50), ("rolled_back", 2)]
            {
                assert_eq!(settled[field], wanted, "{settled}");
            }
            let costs = timeout(PATIENCE, counted.wait_for(|costs| !costs.is_empty()))
                .await
                .unwrap()
                .unwrap()
                .clone();
            assert_eq!((costs[0].0.generation, costs[0].1.clients_with_errors(), costs.len()), (2, 2, 1));

            // The cost of the next change is counted from zero.
            history.push(change(9_000, Some("db-1"), Some("db-0"), 3));
            publish.send_replace(with(&history));
            assert_eq!(next(&mut requests).await["generation"], 3);
            let settled = next(&mut requests).await;
            assert_eq!((&settled["without_writer_ms"], &settled["held"]), (&0.into(), &0.into()));
        })
        .await;
}

/// Sends Events to an API server at this port.
fn pod_events(port: u16, live: watch::Receiver<Arc<Live>>) -> Option<PrimaryEvents> {
    let mut api = kube::Config::new(format!("http://127.0.0.1:{port}").parse().unwrap());
    api.default_namespace = "own".to_owned();
    Some(PrimaryEvents::new(PodEvents::start(None, Access::Given(Box::new(api)), "proxy-0".to_owned()), live))
}

/// Returns a snapshot as `with` does, with these pods.
fn with_pods(history: &[PrimaryChange], pods: &[(&str, &str)]) -> Arc<Snapshot> {
    let server = |(name, uid): &(&str, &str)| {
        let server = Server::new(ServerId(0), (*name).into(), "10.0.0.1:3306".into());
        Arc::new(Server { uid: (*uid).into(), ..server })
    };
    let servers = pods.iter().map(server).collect();
    Arc::new(Snapshot { servers, ..Snapshot::clone(&with(history)) })
}

struct Notified {
    publish: watch::Sender<Arc<Snapshot>>,
    live: watch::Sender<Arc<Live>>,
    webhook: mpsc::UnboundedReceiver<(String, Value)>,
}

/// Sends changes to a webhook and to the API server at this port.
async fn notified(api: u16, events: bool) -> Notified {
    let (port, webhook) = receiver().await;
    let mut settings = Live::clone(&settings(port));
    settings.notify.events = events;
    let (live, seen) = watch::channel(Arc::new(settings));
    let (publish, snapshot) = watch::channel(with(&[]));
    let (costs, _) = watch::channel(ChangeCosts::default());
    let events = pod_events(api, seen.clone());
    spawn_local(
        Notices { snapshot, workers: Vec::new(), costs, webhooks: Webhooks::start(seen), events }.run(),
    );
    Notified { publish, live, webhook }
}

/// Returns the next Event: type, reason, pod, uid, message.
async fn event(requests: &mut mpsc::UnboundedReceiver<(String, Value)>) -> [String; 5] {
    let (request, body) = timeout(PATIENCE, requests.recv()).await.expect("an Event").unwrap();
    assert_eq!(request, "POST /api/v1/namespaces/own/events HTTP/1.1");
    let pod = &body["involvedObject"];
    [&body["type"], &body["reason"], &pod["name"], &pod["uid"], &body["message"]]
        .map(|text| text.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn each_change_is_an_event_of_the_pod_that_it_is_about() {
    LocalSet::new()
        .run_until(async {
            let (api, mut events) = receiver().await;
            let Notified { publish, live, .. } = notified(api, true).await;
            let mut history = vec![change(1_000, None, Some("db-0"), 1)];
            publish.send_replace(with_pods(&history, &[("db-0", "uid-0"), ("db-1", "uid-1")]));
            // The first primary is not a change: the next change is the first Event.
            tokio::task::yield_now().await;
            history.push(change(5_000, Some("db-0"), None, 1));
            // Another pod already has this name.
            publish.send_replace(with_pods(&history, &[("db-0", "uid-9"), ("db-1", "uid-1")]));
            let lost = "db-0 is not the primary any more, and there is no other yet (generation 1): why";
            let lost = ["Warning", "WriterLost", "db-0", "uid-0", lost];
            assert_eq!(event(&mut events).await, lost);
            assert_eq!(event(&mut events).await, lost, "again: it was not taken");
            history.push(change(5_040, None, Some("db-1"), 2));
            publish.send_replace(with_pods(&history, &[("db-0", "uid-9"), ("db-1", "uid-1")]));
            let changed = "db-1 is the primary now, before it was db-0 (generation 2): why";
            assert_eq!(event(&mut events).await, ["Normal", "WriterChanged", "db-1", "uid-1", changed]);

            // A reload turns Events off for a while.
            live.send_modify(|live| Arc::make_mut(live).notify = Notify::default());
            history.push(change(6_000, Some("db-1"), None, 2));
            publish.send_replace(with_pods(&history, &[]));
            tokio::time::sleep(Duration::from_millis(50)).await;
            live.send_modify(|live| Arc::make_mut(live).notify.events = true);
            history.push(change(6_100, None, Some("db-1"), 2));
            publish.send_replace(with_pods(&history, &[("db-1", "uid-1")]));
            let again = "db-1 is the primary again (generation 2): why";
            assert_eq!(event(&mut events).await, ["Normal", "WriterChanged", "db-1", "uid-1", again]);
        })
        .await;
}

#[tokio::test]
async fn a_dead_api_server_keeps_no_notice_from_the_webhook() {
    LocalSet::new()
        .run_until(async {
            // An API server that accepts connections and never answers.
            let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let Notified { publish, mut webhook, .. } =
                notified(silent.local_addr().unwrap().port(), true).await;
            let mut history = vec![change(1_000, None, Some("db-0"), 1)];
            publish.send_replace(with(&history));
            let first = next(&mut webhook).await;
            assert_eq!(next(&mut webhook).await, first, "again: it was not taken");
            history.push(change(2_000, Some("db-0"), Some("db-1"), 2));
            publish.send_replace(with(&history));
            assert_eq!(next(&mut webhook).await["generation"], 2);
            // The request with the Event stays unanswered for longer than `next` waits.
            let _unanswered = timeout(PATIENCE, silent.accept()).await.expect("a request").unwrap();
            for generation in 3..=20 {
                history.push(change(3_000, Some("db-0"), Some("db-1"), generation));
                publish.send_replace(with(&history));
            }
            for generation in 3..=20 {
                loop {
                    let notice = next(&mut webhook).await;
                    if notice["event"] == "writer_changed" {
                        assert_eq!(notice["generation"], generation);
                        break;
                    }
                }
            }
        })
        .await;
}
