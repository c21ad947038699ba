//! What is told of a change of the writer, and to whom.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::*;
use crate::admin::ChangeCosts;
use crate::app::notice::Notices;
use crate::app::webhook::Webhooks;
use crate::config::{Config, Live};
use crate::telemetry::{Disruption, WorkerMetrics, cell_of};
use crate::topology::WriterChange;

const PATIENCE: Duration = Duration::from_secs(30);

/// Answers 503 to the first request, 200 to the others, and tells of all of them.
async fn receiver() -> (u16, mpsc::UnboundedReceiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, heard) = mpsc::unbounded_channel();
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
            if tell.send(body).is_err() {
                return;
            }
        }
    });
    (port, heard)
}

fn settings(port: u16) -> Arc<Live> {
    let folder = Folder::new(&format!("notices-{port}"));
    folder.write("pw", "m");
    let text = format!("{LEAST}[notify]\nwebhook = \"http://127.0.0.1:{port}/hook\"\n");
    Arc::new(Config::load(&folder.write("p.toml", &text)).unwrap().live)
}

fn change(at_ms: u64, from: Option<&str>, to: Option<&str>, generation: u64) -> WriterChange {
    WriterChange {
        at_ms,
        from: from.map(Into::into),
        to: to.map(Into::into),
        reason: "why".into(),
        generation,
    }
}

fn with(history: &[WriterChange]) -> Arc<Snapshot> {
    Arc::new(Snapshot { history: Arc::new(history.iter().cloned().collect()), ..Snapshot::empty() })
}

async fn next(heard: &mut mpsc::UnboundedReceiver<(String, Value)>) -> Value {
    let (request, body) = timeout(PATIENCE, heard.recv()).await.expect("a notice").unwrap();
    assert_eq!(request, "POST /hook HTTP/1.1");
    assert!(body["proxy"].is_string());
    body
}

#[tokio::test]
async fn a_change_is_told_at_once_and_what_it_cost_when_it_has_settled() {
    LocalSet::new()
        .run_until(async {
            let (port, mut heard) = receiver().await;
            let (_live, seen) = watch::channel(settings(port));
            let workers: Vec<Arc<WorkerMetrics>> = vec![Arc::default(), Arc::default()];
            let (publish, snapshot) = watch::channel(with(&[]));
            let (costs, mut counted) = watch::channel(ChangeCosts::default());
            let webhooks = Webhooks::start(seen);
            spawn_local(Notices { snapshot, workers: workers.clone(), costs, webhooks }.run());
            let happened = |worker: &WorkerMetrics, what: Disruption, n| {
                cell_of(&worker.disruptions, what as usize).add(n);
            };
            let mut history = vec![change(1_000, None, Some("db-0"), 1)];
            publish.send_replace(with(&history));
            let first = next(&mut heard).await;
            assert_eq!((&first["event"], &first["to"]), (&"writer_changed".into(), &"db-0".into()));
            assert_eq!(next(&mut heard).await, first, "again: it was not taken");

            history.push(change(5_000, Some("db-0"), None, 1));
            publish.send_replace(with(&history));
            assert_eq!(next(&mut heard).await["event"], "writer_lost");
            happened(&workers[0], Disruption::Held, 3);
            happened(&workers[1], Disruption::Held, 1);
            happened(&workers[1], Disruption::RolledBack, 2);
            happened(&workers[0], Disruption::Moved, 50);
            history.push(change(5_040, Some("db-0"), Some("db-1"), 2));
            publish.send_replace(with(&history));
            let told = next(&mut heard).await;
            assert_eq!((&told["event"], &told["reason"]), (&"writer_changed".into(), &"why".into()));
            let settled = next(&mut heard).await;
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
            assert_eq!((costs[0].0.generation, costs[0].1.told(), costs.len()), (2, 2, 1));

            // The next one begins at nothing.
            history.push(change(9_000, Some("db-1"), Some("db-0"), 3));
            publish.send_replace(with(&history));
            assert_eq!(next(&mut heard).await["generation"], 3);
            let settled = next(&mut heard).await;
            assert_eq!((&settled["without_writer_ms"], &settled["held"]), (&0.into(), &0.into()));
        })
        .await;
}
