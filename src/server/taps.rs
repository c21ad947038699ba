//! Brings statements from the workers to a reader. The workers send nothing by themselves: they are asked several times a
//! second, and only while the reader takes what was found. So a statement wakes no other thread, and a reader that stops
//! reading costs the workers a full store.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::control::Server;
use super::messages::{Control, TapRequest};
use super::outside::SharedOutside;
use crate::config::Live;
use crate::telemetry::stream::{Filter, SLOW, TapBatch, TapId};

/// How often the workers are asked.
const PACE: Duration = Duration::from_millis(50);
/// How often the workers are asked for the slow log.
const SLOW_PACE: Duration = Duration::from_millis(200);

impl Server {
    /// Returns the statements that `log.slow` wants, by the settings in `live`.
    pub fn slow_statements(&self, live: watch::Receiver<Arc<Live>>) -> mpsc::Receiver<TapBatch> {
        let (batches, receiver) = mpsc::channel(1);
        tokio::spawn(feed_slow(self.shared.clone(), live, batches));
        receiver
    }

    /// Lets one more reader watch the statements of all workers. They come while the receiver exists.
    pub fn tap(&self, filter: Filter) -> mpsc::Receiver<TapBatch> {
        let (batches, receiver) = mpsc::channel(1);
        let id = self.shared.next_tap();
        tell(&self.shared, || TapRequest::Open { id, filter: Box::new(filter.clone()) });
        tokio::spawn(feed(self.shared.clone(), id, batches));
        receiver
    }
}

async fn feed(shared: Arc<SharedOutside>, id: TapId, batches: mpsc::Sender<TapBatch>) {
    tokio::select! {
        () = pass_on(&shared, id, &batches) => {}
        () = batches.closed() => {}
    }
    tell(&shared, || TapRequest::Close(id));
}

/// Asks the workers while there is a slow log. They open and close its reader themselves, by the settings.
async fn feed_slow(
    shared: Arc<SharedOutside>,
    mut live: watch::Receiver<Arc<Live>>,
    batches: mpsc::Sender<TapBatch>,
) {
    while live.wait_for(|live| live.statements.has_slow()).await.is_ok() {
        let Ok(place) = batches.reserve().await else { return };
        sleep(SLOW_PACE).await;
        match read(&shared, SLOW).await {
            None => return,
            Some(batch) if batch.is_empty() => {}
            Some(batch) => place.send(batch),
        }
    }
}

/// Asks the workers again and again, until they have ended or the reader is gone.
async fn pass_on(shared: &SharedOutside, id: TapId, batches: &mpsc::Sender<TapBatch>) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Ok(place) = batches.reserve().await {
        pace.tick().await;
        match read(shared, id).await {
            None => return,
            Some(batch) if batch.is_empty() => {}
            Some(batch) => place.send(batch),
        }
    }
}

/// Returns what all workers have for a reader. None: all workers have ended.
async fn read(shared: &SharedOutside, id: TapId) -> Option<TapBatch> {
    let asked = shared.workers.iter().filter_map(|worker| {
        let (reply, answer) = oneshot::channel();
        worker.send(Control::Tap(TapRequest::Read { id, reply })).ok().map(|()| answer)
    });
    // Asks all workers first, so that they answer concurrently.
    let asked: Vec<_> = asked.collect();
    let mut all = None;
    for answer in asked {
        if let Ok(batch) = answer.await {
            all.get_or_insert_with(TapBatch::default).merge(batch);
        }
    }
    if let Some(all) = &mut all {
        all.events.sort_by_key(|event| event.time_us);
    }
    all
}

fn tell(shared: &SharedOutside, request: impl Fn() -> TapRequest) {
    for worker in &shared.workers {
        // A worker that has ended has no statements.
        let _ = worker.send(Control::Tap(request()));
    }
}
