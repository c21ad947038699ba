//! Events of pods: what is posted, and how an API server can fail.

use std::sync::mpsc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use super::server::{ApiServer, Mood};
use super::*;
use crate::discovery::kubernetes::Access;
use crate::discovery::kubernetes::events::{Pace, PodEvent, PodEvents};

/// Long enough for an answer on a busy machine.
const PACE: Pace = Pace { patience: Duration::from_secs(2), first_pause: Duration::from_millis(20) };

struct Play {
    api: ApiServer,
    events: PodEvents,
    log: mpsc::Receiver<String>,
}

/// A primary of log lines.
struct Log(mpsc::Sender<String>);

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line).into_owned();
        // The Kubernetes client logs too; the process's log leaves those lines out.
        if text.contains("pointsman") {
            let _ = self.0.send(text);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn play(namespace: Option<&str>, pace: Pace, test: impl AsyncFnOnce(Play)) {
    let (say, log) = mpsc::channel();
    let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Log(say.clone())).finish();
    let _listening = tracing::subscriber::set_default(lines);
    LocalSet::new()
        .run_until(async {
            let api = ApiServer::start().await;
            let access = Access::Given(Box::new(api.config()));
            let events = PodEvents::start_at(namespace.map(Into::into), access, "proxy-0".to_owned(), pace);
            test(Play { api, events, log }).await;
        })
        .await;
}

impl Play {
    fn post(&self, pod: &str) {
        self.post_at(pod, 1_763_710_245_678);
    }

    fn post_at(&self, pod: &str, at_ms: u64) {
        self.events.post(PodEvent {
            pod: pod.into(),
            uid: format!("uid-{pod}").into(),
            warning: true,
            reason: "WriterLost",
            message: "what and why".to_owned(),
            at_ms,
        });
    }

    /// Waits until this many Events are posted. Returns their pods.
    async fn posted(&self, count: usize) -> Vec<String> {
        let enough = async {
            while self.api.store.borrow().posted.len() < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = timeout(Duration::from_secs(30), enough).await.is_ok();
        let store = self.api.store.borrow();
        let pods = store.posted.iter().map(|(_, event)| event["involvedObject"]["name"].as_str().unwrap());
        let pods: Vec<_> = pods.map(str::to_owned).collect();
        assert!(in_time, "{pods:?} of {count}");
        pods
    }

    async fn tried(&self, count: usize) {
        let enough = async {
            while self.api.asked("/events") < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), enough).await.expect("requests");
    }

    /// Returns the next line of the log.
    async fn log_line(&self) -> String {
        let line = async {
            loop {
                match self.log.try_recv() {
                    Ok(line) => return line,
                    Err(_) => sleep(Duration::from_millis(5)).await,
                }
            }
        };
        timeout(Duration::from_secs(30), line).await.expect("a line of the log")
    }
}

#[tokio::test]
async fn it_is_what_kubectl_shows_of_a_pod() {
    play(Some("ns"), PACE, async |p| {
        p.post("db-1");
        p.posted(1).await;
        let (path, event) = p.api.store.borrow().posted[0].clone();
        assert_eq!(path, "/api/v1/namespaces/ns/events");
        let name = event["metadata"]["name"].as_str().unwrap();
        assert!(name.starts_with("db-1.") && event["metadata"]["namespace"] == "ns", "{event}");
        assert_eq!(
            event["involvedObject"],
            json!({"apiVersion": "v1", "kind": "Pod", "name": "db-1", "namespace": "ns", "uid": "uid-db-1"})
        );
        let at = "2025-11-21T07:30:45Z";
        for (field, wanted) in [
            ("kind", json!("Event")),
            ("apiVersion", json!("v1")),
            ("type", json!("Warning")),
            ("reason", json!("WriterLost")),
            ("message", json!("what and why")),
            ("count", json!(1)),
            ("firstTimestamp", json!(at)),
            ("lastTimestamp", json!(at)),
            ("eventTime", json!("2025-11-21T07:30:45.678000Z")),
            ("source", json!({"component": "pointsman", "host": "proxy-0"})),
            ("reportingComponent", json!("pointsman")),
            ("reportingInstance", json!("proxy-0")),
        ] {
            assert_eq!(event[field], wanted, "{field}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_long_reason_is_cut_and_the_namespace_may_be_the_own_one() {
    play(None, PACE, async |p| {
        let message = "é".repeat(600);
        let event = PodEvent {
            pod: "db-1".into(),
            uid: "".into(),
            warning: false,
            reason: "WriterChanged",
            message,
            at_ms: 0,
        };
        p.events.post(event);
        p.posted(1).await;
        let (path, event) = p.api.store.borrow().posted[0].clone();
        assert_eq!(path, "/api/v1/namespaces/own/events");
        assert_eq!(event["message"].as_str().unwrap(), "é".repeat(512), "what the API server takes");
        assert!(event["involvedObject"].get("uid").is_none() && event["type"] == "Normal", "{event}");
    })
    .await;
}

#[tokio::test]
async fn a_missing_right_is_said_once_with_the_role_that_would_give_it() {
    play(Some("ns"), PACE, async |p| {
        p.api.mood(Mood::Forbids);
        (0..3).for_each(|number| p.post(&format!("db-{number}")));
        let line = p.log_line().await;
        for part in ["may not create events in namespace ns", "a Role", "[\"events\"]", "verbs: [\"create\"]"]
        {
            // As the log quotes it.
            assert!(line.replace('\\', "").contains(part), "{part} in {line}");
        }
        p.tried(3).await;
        p.api.mood(Mood::Well);
        p.post("db-3");
        assert_eq!(p.posted(1).await, ["db-3"], "the refused ones are not tried again");
        assert_eq!(p.api.asked("/events"), 4, "one request each");
        assert!(p.log.try_recv().is_err(), "said once");
        // When the permission is revoked again, that is logged again.
        p.api.mood(Mood::Forbids);
        p.post("db-4");
        assert!(p.log_line().await.contains("may not create"));
    })
    .await;
}

#[tokio::test]
async fn it_outlasts_an_api_server_that_restarts_and_gives_up_on_one_that_is_gone() {
    play(Some("ns"), PACE, async |p| {
        p.post("db-0");
        p.posted(1).await;
        p.api.kill();
        p.post("db-1");
        sleep(Duration::from_millis(50)).await;
        p.api.restart().await;
        assert_eq!(p.posted(2).await, ["db-0", "db-1"]);
        p.api.kill();
        p.post("db-2");
        let line = p.log_line().await;
        assert!(line.contains("could not be posted") && line.contains("db-2"), "{line}");
        assert!(line.contains("cannot be reached"), "{line}");
        p.api.restart().await;
        p.post("db-3");
        assert_eq!(p.posted(3).await, ["db-0", "db-1", "db-3"]);
        assert!(p.log.try_recv().is_err(), "one line for what was lost");
    })
    .await;
}

#[tokio::test]
async fn one_change_is_one_event_whoever_saw_it() {
    play(Some("ns"), PACE, async |p| {
        // Two proxies see the same change, 100 ms apart; a minute later the same happens again.
        for at_ms in [1_763_710_240_000, 1_763_710_240_100, 1_763_710_300_000] {
            p.post_at("db-0", at_ms);
        }
        p.post("db-1");
        assert_eq!(p.posted(3).await, ["db-0", "db-0", "db-1"]);
    })
    .await;
}

#[tokio::test]
async fn an_api_server_that_hangs_holds_nobody_up_and_doubles_nothing() {
    let hasty = Pace { patience: Duration::from_secs(1), ..PACE };
    play(Some("ns"), hasty, async |p| {
        p.api.mood(Mood::Hangs);
        p.post("db-0");
        p.tried(1).await;
        // `tell` cannot wait: Events beyond the queue's size are dropped.
        (0..70).for_each(|n| p.post_at("db-1", n * 60_000));
        assert!(p.log_line().await.contains("an Event of a pod is dropped"));
        // The first try succeeds late and its answer is lost: the next try finds the Event there.
        p.tried(2).await;
        p.api.mood(Mood::Well);
        let pods = p.posted(65).await;
        assert_eq!(pods.iter().filter(|pod| *pod == "db-0").count(), 1, "{pods:?}");
        assert_eq!(pods.len(), 65, "64 wait");
        assert!(p.log.try_iter().all(|line| line.contains("is dropped")), "none of the 65 is missed");
    })
    .await;
}
