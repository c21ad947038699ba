//! Watches Secrets by name: a rotated password is a change like any other. Their contents are never shown,
//! not even in an error.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use k8s_openapi::ByteString;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use zeroize::Zeroizing;

use super::api::{Access, Api};
use super::objects::{Meta, Object};
use super::state::WatchState;
use super::watcher::{Change, Resource, Times, Watcher};
use crate::config::{Secret, SecretRef};

/// The values, by the Secret's name and the key in it.
pub type SecretValues = Arc<HashMap<SecretRef, Secret>>;

/// `v1.Secret`
#[derive(Default, Deserialize)]
#[serde(default)]
struct Held {
    metadata: Meta,
    data: BTreeMap<String, ByteString>,
}

impl Object for Held {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

/// The results of the watches.
#[derive(Debug, Clone)]
pub struct WatchedSecrets {
    /// The values of the Secrets that exist.
    pub values: watch::Receiver<SecretValues>,
    /// The combined state of the watches, for the reports.
    pub state: watch::Receiver<WatchState>,
}

/// Watches the Secrets that `wanted` names, each with its own watch, on the current thread, which must be
/// inside a `LocalSet`. Ends when the last receiver of the values is dropped.
pub fn watch_secrets(
    namespace: Option<Arc<str>>,
    access: Access,
    wanted: watch::Receiver<BTreeSet<Arc<str>>>,
) -> WatchedSecrets {
    watch_in(namespace, access, wanted, Times::default())
}

pub(super) fn watch_in(
    namespace: Option<Arc<str>>,
    access: Access,
    mut wanted: watch::Receiver<BTreeSet<Arc<str>>>,
    times: Times,
) -> WatchedSecrets {
    let (publish, values) = watch::channel(SecretValues::default());
    let (publish_state, state) = watch::channel(WatchState::new("secrets"));
    let publish = Rc::new(publish);
    let manager = Manager { api: Rc::new(Api::new(access)), namespace, times, publish: publish.clone() };
    spawn_local(async move {
        let mut running = HashMap::new();
        loop {
            let names = wanted.borrow_and_update().clone();
            manager.keep(&mut running, &names);
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { publish.closed().await; return },
                () = any_changed(&mut running) => publish_combined(&publish_state, &running),
                () = publish.closed() => return,
            }
        }
    });
    WatchedSecrets { values, state }
}

struct Manager {
    api: Rc<Api>,
    namespace: Option<Arc<str>>,
    times: Times,
    publish: Rc<watch::Sender<SecretValues>>,
}

/// The watch of one Secret. Dropping it ends the task.
struct Running {
    task: JoinHandle<()>,
    state: watch::Receiver<WatchState>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Manager {
    fn keep(&self, running: &mut HashMap<Arc<str>, Running>, names: &BTreeSet<Arc<str>>) {
        let count = running.len();
        running.retain(|name, _| names.contains(name));
        if running.len() < count {
            self.publish.send_modify(|values| {
                Arc::make_mut(values).retain(|at, _| names.contains(&at.name));
            });
        }
        for name in names {
            if !running.contains_key(name) {
                running.insert(name.clone(), self.start(name));
            }
        }
    }

    fn start(&self, name: &Arc<str>) -> Running {
        let resource = Resource {
            group: None,
            plural: "secrets",
            namespace: self.namespace.as_ref().map(ToString::to_string),
            cluster_wide: false,
            metadata_only: false,
            selector: Resource::by_name(name),
            name: Some(name.to_string()),
        };
        let watcher = Watcher::new(self.api.clone(), resource, self.times);
        let state = watcher.state();
        let (publish, name) = (self.publish.clone(), name.clone());
        let task = spawn_local(watcher.run(move |change: Change<Held>| {
            let is_it = |held: &Held| *held.metadata.name == *name;
            let held = match change {
                Change::Put(held) | Change::Gone(held) if !is_it(&held) => return,
                Change::Put(held) => Some(held),
                Change::All(all) => all.into_iter().find(is_it),
                Change::Gone(_) => None,
            };
            // A Secret that is briefly missing while it is being replaced must not remove anybody's password.
            match held {
                Some(held) => replace(&publish, &name, held),
                None => tracing::warn!(secret = %name, "there is no such Secret: what it held last stays"),
            }
        }));
        Running { task, state }
    }
}

fn replace(publish: &watch::Sender<SecretValues>, name: &Arc<str>, held: Held) {
    let mut new = HashMap::new();
    for (key, value) in held.data {
        // A single newline at the end comes from an editor, as in a password_file.
        let bytes = Zeroizing::new(value.0);
        let text = std::str::from_utf8(&bytes).ok().map(|text| text.strip_suffix('\n').unwrap_or(text));
        match text.filter(|text| !text.contains('\0')) {
            Some(text) => {
                _ = new.insert(SecretRef { name: name.clone(), key: key.into() }, Secret::new(text))
            }
            None => tracing::debug!(secret = %name, key, "not a password: no text"),
        }
    }
    publish.send_if_modified(|values| {
        let old = values.iter().filter(|(at, _)| at.name == *name);
        if old.clone().count() == new.len() && old.clone().all(|(at, value)| new.get(at) == Some(value)) {
            return false;
        }
        let values = Arc::make_mut(values);
        values.retain(|at, _| at.name != *name);
        values.extend(new);
        true
    });
}

async fn any_changed(running: &mut HashMap<Arc<str>, Running>) {
    let mut changes: Vec<_> = running.values_mut().map(|one| Box::pin(one.state.changed())).collect();
    std::future::poll_fn(|context| {
        let any = changes
            .iter_mut()
            .any(|change| matches!(change.as_mut().poll(context), std::task::Poll::Ready(Ok(()))));
        if any { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Publishes the combined state: connected if all watches are; the counts are sums.
fn publish_combined(publish: &watch::Sender<WatchState>, running: &HashMap<Arc<str>, Running>) {
    let mut sum: Option<WatchState> = None;
    for secret in running.values() {
        let state = secret.state.borrow().clone();
        sum = Some(match sum {
            None => state,
            Some(sum) => {
                let worse = if sum.connected { &state } else { &sum };
                WatchState {
                    connected: sum.connected && state.connected,
                    since_ms: worse.since_ms,
                    error: worse.error.clone(),
                    lists: sum.lists + state.lists,
                    events: sum.events + state.events,
                    failures: sum.failures + state.failures,
                    ..state
                }
            }
        });
    }
    if let Some(sum) = sum {
        publish.send_replace(sum);
    }
}
