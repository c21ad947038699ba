//! `notify.events`: posts each change of the primary as an Event of the pod concerned.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Live;
use crate::discovery::{PodEvent, PodEvents};
use crate::topology::{PrimaryChange, Snapshot};

/// Creates the Events.
pub(super) struct PrimaryEvents {
    posted: PodEvents,
    /// The settings, which say whether Events are wanted.
    live: watch::Receiver<Arc<Live>>,
    /// The last primary, kept because its pod may be gone when its loss is seen.
    primary: Option<PrimaryPod>,
}

#[derive(Clone)]
struct PrimaryPod {
    /// The name of the primary's pod.
    name: Arc<str>,
    /// The uid of the primary's pod.
    uid: Arc<str>,
}

impl PrimaryEvents {
    pub fn new(posted: PodEvents, live: watch::Receiver<Arc<Live>>) -> Self {
        PrimaryEvents { posted, live, primary: None }
    }

    /// Posts an Event for a change, without waiting. The first primary that a starting proxy finds is not a change.
    pub fn post(&mut self, change: &PrimaryChange, snapshot: &Snapshot) {
        let before = self.primary.clone();
        if let Some(to) = &change.to {
            let server = snapshot.servers.iter().find(|server| server.name == *to);
            let uid = server.map(|server| server.uid.clone()).unwrap_or_default();
            self.primary = Some(PrimaryPod { name: to.clone(), uid });
        }
        let (Some(before), Some(now)) = (before, &self.primary) else { return };
        if self.live.borrow().notify.events {
            self.posted.post(event(change, &before.name, now));
        }
    }
}

/// Builds the Event. `about` is the new primary, or the primary that was lost.
fn event(change: &PrimaryChange, before: &str, about: &PrimaryPod) -> PodEvent {
    let PrimaryChange { generation, reason, .. } = change;
    let name = &about.name;
    let (word, what) = match &change.to {
        None => ("WriterLost", format!("{name} is not the primary any more, and there is no other yet")),
        Some(to) if **to == *before => ("WriterChanged", format!("{name} is the primary again")),
        Some(_) => ("WriterChanged", format!("{name} is the primary now, before it was {before}")),
    };
    PodEvent {
        pod: name.clone(),
        uid: about.uid.clone(),
        warning: change.to.is_none(),
        reason: word,
        message: format!("{what} (generation {generation}): {reason}"),
        at_ms: change.at_ms,
    }
}
