//! Servers as pods: lists and watches the pods through the API, and tells the owner of the snapshot which
//! servers they form. While the API is unavailable, the last known state stays.

mod api;
mod events;
mod objects;
mod pods;
mod presets;
mod resource;
mod secrets;
mod state;
mod watcher;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_local;

pub use api::Access;
pub use events::{PodEvent, PodEvents};
pub use secrets::{SecretValues, WatchedSecrets, watch_secrets};
pub use state::WatchState;

use self::api::Api;
use self::pods::Pods;
use self::presets::Rules;
use self::resource::ResourceKind;
use self::watcher::{Resource, Times, Watcher};
use crate::config::Kubernetes;
use crate::topology::{Discovered, Maintenance};

/// The servers that the pods form; None until there was a complete list.
pub type PodServers = watch::Receiver<Option<Arc<Vec<Discovered>>>>;

/// The results of the watches.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The servers, for the owner of the snapshot.
    pub servers: PodServers,
    /// What the operator's resource asks for, if it is read; also for the owner.
    pub maintenance: watch::Receiver<Maintenance>,
    /// The state of each resource's watch, for the reports.
    pub states: Vec<watch::Receiver<WatchState>>,
    /// The zone of the node that this process runs on, if nodes may be read.
    pub own_zone: watch::Receiver<Option<Arc<str>>>,
}

/// Starts the watches on the current thread, which must be inside a `LocalSet`. They end when the last
/// receiver of the servers is dropped.
///
/// `own_node` is the name of the node that this process runs on, if known.
pub fn watch_pods(settings: &Kubernetes, access: Access, own_node: Option<String>) -> Watched {
    watch_in(settings, access, own_node, Times::default())
}

fn watch_in(settings: &Kubernetes, access: Access, own_node: Option<String>, times: Times) -> Watched {
    let api = Rc::new(Api::new(access));
    let rules = Rules::of(settings);
    let pods = Rc::new(RefCell::new(Pods::new(settings)));
    let (publish, servers) = watch::channel(None);
    let looks_for = looked_for(&rules.selector, settings.namespace.as_deref());
    let publish = Rc::new(Publisher { servers: publish, looks_for: looks_for.clone() });
    let resource = |plural, cluster_wide, selector| Resource {
        group: None,
        plural,
        namespace: settings.namespace.as_ref().map(ToString::to_string),
        cluster_wide,
        metadata_only: cluster_wide,
        selector,
        name: None,
    };
    let watcher =
        Watcher::new(api.clone(), resource("pods", false, Resource::by_labels(&rules.selector)), times);
    watcher.looks_for(looks_for);
    let mut states = vec![watcher.state()];
    let (publish_zone, own_zone) = watch::channel(None);
    let (cluster, publisher) = (pods.clone(), publish.clone());
    let run = watcher.run(move |change| {
        if cluster.borrow_mut().pods(change) || !publisher.has_published() {
            publisher.publish(&cluster.borrow());
        }
    });
    until_closed(publish.clone(), run);
    let (publish_maintenance, maintenance) = watch::channel(Maintenance::default());
    if let Some(kind) = ResourceKind::of(settings) {
        let only = Resource {
            group: Some(kind.group),
            name: Some(kind.name.to_string()),
            ..resource(kind.plural, false, Resource::by_name(&kind.name))
        };
        let watcher = Watcher::new(api.clone(), only, times);
        states.push(watcher.state());
        let (cluster, publisher) = (pods.clone(), publish.clone());
        let run = watcher.run(move |change| {
            let Some(facts) = kind.facts_of(change) else { return };
            publish_maintenance.send_if_modified(|published| {
                std::mem::replace(published, facts.maintenance) != facts.maintenance
            });
            if cluster.borrow_mut().primary_is(facts.primary) && publisher.has_published() {
                publisher.publish(&cluster.borrow());
            }
        });
        until_closed(publish.clone(), run);
    }
    if settings.read_nodes {
        let watcher = Watcher::new(api, resource("nodes", true, String::new()), times);
        states.push(watcher.state());
        let (cluster, publisher) = (pods, publish.clone());
        let run = watcher.run(move |change| {
            if !cluster.borrow_mut().nodes(change) {
                return;
            }
            let zone = own_node.as_ref().and_then(|node| cluster.borrow().zone_of(node));
            publish_zone.send_if_modified(|published| std::mem::replace(published, zone.clone()) != zone);
            // Before the first list of pods, this would publish an empty list of servers.
            if publisher.has_published() {
                publisher.publish(&cluster.borrow());
            }
        });
        until_closed(publish, run);
    }
    Watched { servers, maintenance, states, own_zone }
}

/// Returns what the watch of the pods looks for: the labels of `selector`.
fn looked_for(selector: &str, namespace: Option<&str>) -> Arc<str> {
    let place = namespace.map_or("the proxy's own namespace".to_owned(), |name| format!("namespace {name}"));
    format!("pods with the labels {selector} in {place}").into()
}

/// Publishes the servers that the pods form.
struct Publisher {
    servers: watch::Sender<Option<Arc<Vec<Discovered>>>>,
    looks_for: Arc<str>,
}

impl Publisher {
    /// True if there was a complete list.
    fn has_published(&self) -> bool {
        self.servers.borrow().is_some()
    }

    /// Logs also that there is no server: the name of the cluster may be wrong.
    fn publish(&self, pods: &Pods) {
        let servers = pods.servers();
        if self.servers.borrow().as_deref() == Some(&servers) {
            return;
        }
        if servers.is_empty() {
            tracing::warn!(
                looks_for = &*self.looks_for,
                found = pods.count(),
                "no pod is a server of this cluster"
            );
        }
        self.servers.send_replace(Some(Arc::new(servers)));
    }
}

fn until_closed(publish: Rc<Publisher>, run: impl Future<Output = ()> + 'static) {
    spawn_local(async move {
        tokio::select! {
            () = run => {}
            () = publish.servers.closed() => {}
        }
    });
}
