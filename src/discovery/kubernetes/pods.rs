//! The pods as last seen, and what servers they make. Pure but for its memory: the
//! same changes give the same servers.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use super::objects::{Bare, Pod};
use super::presets::{Role, Roles, Rules};
use super::watcher::Change;
use crate::config::{Kubernetes, NoRole};
use crate::topology::{Discovered, Label};

/// Newer clusters put it on pods, every cluster on nodes.
const ZONE: &str = "topology.kubernetes.io/zone";

/// Where a pod's search domains are, of which one tells the cluster's own.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The cluster's DNS domain where nothing tells another.
const DNS_DOMAIN: &str = "cluster.local";

/// What is kept of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    uid: Arc<str>,
    /// None: it has no address yet, or no such port.
    address: Option<Arc<str>>,
    role: Role,
    /// It had a role once, so that it is not being set up.
    had_role: bool,
    ready: bool,
    deleting: bool,
    zone: Option<Arc<str>>,
    node: Option<String>,
    tls_names: Arc<[Arc<str>]>,
}

/// The pods of one cluster.
pub(super) struct Pods {
    rules: Rules,
    /// By the pod's name.
    seen: BTreeMap<Arc<str>, Seen>,
    /// Some pod was seen as primary, so labels mean something here.
    primary_seen: bool,
    /// Whom the operator's resource calls the primary.
    named: Option<Arc<str>>,
    /// By the pod's name, from the configuration.
    zones: HashMap<Arc<str>, Arc<str>>,
    /// By the node's name.
    nodes: HashMap<String, Arc<str>>,
    /// The missing port was said.
    told: bool,
    /// The cluster's DNS domain.
    domain: String,
}

impl Pods {
    pub fn new(settings: &Kubernetes) -> Self {
        let zones = settings.zones.iter().map(|zone| (zone.server.clone(), zone.zone.clone()));
        Pods {
            rules: Rules::of(settings),
            seen: BTreeMap::new(),
            primary_seen: false,
            named: None,
            zones: zones.collect(),
            nodes: HashMap::new(),
            told: false,
            domain: dns_domain(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default()),
        }
    }

    /// Takes a change; false if it makes no difference.
    pub fn pods(&mut self, change: Change<Pod>) -> bool {
        match change {
            Change::Put(pod) => self.put(&pod),
            Change::Gone(pod) => self.seen.remove(&*pod.metadata.name).is_some(),
            Change::All(pods) => {
                let gone = |name: &Arc<str>| !pods.iter().any(|pod| *pod.metadata.name == **name);
                let count = self.seen.len();
                self.seen.retain(|name, _| !gone(name));
                let fewer = self.seen.len() < count;
                // Every pod must be taken, so no `any`.
                pods.iter().fold(fewer, |changed, pod| self.put(pod) || changed)
            }
        }
    }

    /// The nodes' zones, likewise.
    pub fn nodes(&mut self, change: Change<Bare>) -> bool {
        let zone = |node: &Bare| node.metadata.labels.get(ZONE).map(|zone| Arc::<str>::from(&**zone));
        match change {
            Change::Put(node) => match zone(&node) {
                Some(zone) => self.nodes.insert(node.metadata.name, zone.clone()) != Some(zone),
                None => self.nodes.remove(&node.metadata.name).is_some(),
            },
            Change::Gone(node) => self.nodes.remove(&node.metadata.name).is_some(),
            Change::All(nodes) => {
                let all = nodes.iter().filter_map(|node| Some((node.metadata.name.clone(), zone(node)?)));
                let all: HashMap<_, _> = all.collect();
                let changed = all != self.nodes;
                self.nodes = all;
                changed
            }
        }
    }

    /// The operator's resource calls this pod the primary; false if that is nothing new.
    pub fn primary_is(&mut self, name: Option<Arc<str>>) -> bool {
        let differs = self.named != name;
        self.named = name;
        differs
    }

    /// A node's zone.
    pub fn zone_of(&self, node: &str) -> Option<Arc<str>> {
        self.nodes.get(node).cloned()
    }

    fn put(&mut self, pod: &Pod) -> bool {
        let meta = &pod.metadata;
        if self.rules.leaves_out(&meta.labels) || pod.is_over() {
            return self.seen.remove(&*meta.name).is_some();
        }
        let address = self.address(pod);
        let before = self.seen.get(&*meta.name).filter(|seen| *seen.uid == *meta.uid);
        let role = self.rules.role(&meta.labels);
        let has_role = matches!(role, Role::Primary | Role::Replica);
        let had_role = has_role || before.is_some_and(|seen| seen.had_role);
        self.primary_seen |= role == Role::Primary;
        let seen = Seen {
            uid: meta.uid.as_str().into(),
            address,
            role,
            had_role,
            ready: pod.is_ready(),
            deleting: meta.deletion_timestamp.is_some(),
            zone: meta.labels.get(ZONE).map(|zone| Arc::from(&**zone)),
            node: pod.spec.node_name.clone(),
            tls_names: tls_names(pod, self.rules.certificate_for_service, &self.domain),
        };
        let changed = before != Some(&seen);
        self.seen.insert(meta.name.as_str().into(), seen);
        changed
    }

    fn address(&mut self, pod: &Pod) -> Option<Arc<str>> {
        let ip = Some(&pod.status.pod_ip).filter(|ip| !ip.is_empty())?;
        let ports = || pod.spec.containers.iter().flat_map(|container| &container.ports);
        let by_name = |name: &String| ports().find(|port| port.name.as_ref() == Some(name));
        let named = self.rules.port_names.iter().find_map(by_name).map(|port| port.container_port);
        let Some(port) = named.or(self.rules.port) else {
            if !std::mem::replace(&mut self.told, true) {
                let (pod, port) = (&pod.metadata.name, self.rules.port_names.join(" or "));
                tracing::warn!(%pod, port, "a pod has no container port of that name (discovery.port): left out");
            }
            return None;
        };
        Some(if ip.contains(':') { format!("[{ip}]:{port}").into() } else { format!("{ip}:{port}").into() })
    }

    /// The servers, by name and number.
    pub fn servers(&self) -> Vec<Discovered> {
        let writer = match self.rules.roles {
            Roles::Ordinal => self.lowest_ready(),
            Roles::Label { .. } | Roles::Unsaid => None,
        };
        let server = |(name, seen): (&Arc<str>, &Seen)| {
            let label = match self.rules.roles {
                Roles::Unsaid => None,
                Roles::Ordinal if writer == Some(name) => Some(Label::Primary),
                Roles::Ordinal => Some(Label::Replica),
                Roles::Label { .. } => self.label(seen)?.map(|label| self.heeding_resource(name, label)),
            };
            let zone = seen.zone.clone().or_else(|| self.nodes.get(seen.node.as_ref()?).cloned());
            Some(Discovered {
                label,
                deleting: seen.deleting,
                zone: zone.or_else(|| self.zones.get(name).cloned()),
                uid: seen.uid.clone(),
                tls_names: seen.tls_names.clone(),
                ..Discovered::from((name.clone(), seen.address.clone()?))
            })
        };
        let mut servers: Vec<_> = self.seen.iter().filter_map(server).collect();
        servers.sort_by(|a, b| numbered(&a.name).cmp(&numbered(&b.name)));
        servers
    }

    /// None: it is no server. `Some(None)`: nobody has a label, the probes decide.
    fn label(&self, seen: &Seen) -> Option<Option<Label>> {
        match seen.role {
            Role::Primary => Some(Some(Label::Primary)),
            Role::Replica => Some(Some(Label::Replica)),
            Role::Doubtful => Some(Some(Label::Absent)),
            Role::Other => None,
            Role::None => match self.rules.no_role {
                NoRole::Replica => Some(Some(Label::Replica)),
                NoRole::Probe if self.primary_seen => Some(Some(Label::Replica)),
                NoRole::Probe => Some(None),
                // Who takes a label away from a pod at work does not mean that it vanishes.
                NoRole::LeaveOut => seen.had_role.then_some(Some(Label::Absent)),
            },
        }
    }

    /// Whom the resource names is the primary as much as who is labelled so: either may be the first to say it.
    /// Where both say the same of a pod, another one's label is left over.
    fn heeding_resource(&self, name: &Arc<str>, label: Label) -> Label {
        let Some(named) = &self.named else { return label };
        let agreed = || self.seen.get(named).is_some_and(|seen| seen.role == Role::Primary);
        match label {
            Label::Replica if named == name => Label::Primary,
            Label::Primary if named != name && agreed() => Label::Absent,
            label => label,
        }
    }

    fn lowest_ready(&self) -> Option<&Arc<str>> {
        let ready = self.seen.iter().filter(|(_, s)| s.ready && !s.deleting && s.address.is_some());
        ready.map(|(name, _)| name).min_by_key(|name| numbered(name))
    }
}

/// The names that a pod's certificate may be for: those that its headless Service gives it, the longest first. Without
/// one it has none, and its certificate must be for its address.
fn tls_names(pod: &Pod, certificate_for_service: bool, domain: &str) -> Arc<[Arc<str>]> {
    let (meta, spec) = (&pod.metadata, &pod.spec);
    let Some(service) = spec.subdomain.as_deref().filter(|service| !service.is_empty()) else {
        return Arc::default();
    };
    let host = spec.hostname.as_deref().filter(|host| !host.is_empty()).unwrap_or(&meta.name);
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let mut names = vec![
        format!("{host}.{service}.{namespace}.svc.{domain}"),
        format!("{host}.{service}.{namespace}.svc"),
        format!("{host}.{service}.{namespace}"),
        format!("{host}.{service}"),
        host.to_owned(),
    ];
    if certificate_for_service {
        names.push(service.to_owned());
    }
    names.into_iter().map(Arc::from).collect()
}

/// The cluster's DNS domain: behind `svc` in the search list that every pod gets.
pub(super) fn dns_domain(resolv_conf: &str) -> String {
    let lists = resolv_conf.lines().filter_map(|line| line.trim_start().strip_prefix("search"));
    let found = lists.flat_map(str::split_whitespace).find_map(|domain| domain.strip_prefix("svc."));
    found.map_or(DNS_DOMAIN, |domain| domain.trim_end_matches('.')).to_owned()
}

/// `db-10` comes after `db-9`.
fn numbered(name: &str) -> (&str, u64, &str) {
    match name.rsplit_once('-').and_then(|(base, number)| Some((base, number.parse().ok()?))) {
        Some((base, number)) => (base, number, ""),
        None => (name, 0, name),
    }
}
