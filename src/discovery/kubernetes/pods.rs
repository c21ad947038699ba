//! The pods as last seen, and the servers that they form. Pure apart from its state: the same changes give
//! the same servers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::objects::{Bare, Pod};
use super::presets::{LabelRole, Roles, Rules};
use super::watcher::Change;
use crate::config::{Kubernetes, NoRole};
use crate::topology::{Discovered, Drain, Label};

/// The label with the zone. Newer clusters set it on pods, every cluster sets it on nodes.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The file with a pod's search domains, one of which contains the cluster's own domain.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The cluster's DNS domain if the file shows none.
const DNS_DOMAIN: &str = "cluster.local";

/// The stored facts about a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PodFacts {
    uid: Arc<str>,
    /// None: it has no address yet, or no such port.
    address: Option<Arc<str>>,
    role: LabelRole,
    /// True if it has had a role, so it is not being set up.
    had_role: bool,
    ready: bool,
    deleting: bool,
    /// True if its annotation asks that its server gets no new reads.
    drained: bool,
    zone: Option<Arc<str>>,
    node: Option<String>,
    tls_names: Arc<[Arc<str>]>,
}

/// The pods of one cluster.
pub(super) struct Pods {
    rules: Rules,
    /// The pods, by name.
    by_name: BTreeMap<Arc<str>, PodFacts>,
    /// True if a pod was seen as primary, which shows that labels are in use here.
    primary_seen: bool,
    /// The pod that the operator's resource names as the primary.
    named: Option<Arc<str>>,
    /// The zones from the configuration, by pod name.
    zones: HashMap<Arc<str>, Arc<str>>,
    /// The nodes' zones, by node name.
    nodes: HashMap<String, Arc<str>>,
    /// True if a missing port was already logged.
    logged_missing_port: bool,
    /// The cluster's DNS domain.
    domain: String,
}

impl Pods {
    pub fn new(settings: &Kubernetes) -> Self {
        let zones = settings.zones.iter().map(|zone| (zone.server.clone(), zone.zone.clone()));
        Pods {
            rules: Rules::of(settings),
            by_name: BTreeMap::new(),
            primary_seen: false,
            named: None,
            zones: zones.collect(),
            nodes: HashMap::new(),
            logged_missing_port: false,
            domain: dns_domain(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default()),
        }
    }

    /// Applies a change of pods. Returns false if it makes no difference.
    pub fn pods(&mut self, change: Change<Pod>) -> bool {
        match change {
            Change::Put(pod) => self.put(&pod),
            Change::Gone(pod) => self.by_name.remove(&*pod.metadata.name).is_some(),
            Change::All(pods) => {
                let gone = |name: &Arc<str>| !pods.iter().any(|pod| *pod.metadata.name == **name);
                let count = self.by_name.len();
                self.by_name.retain(|name, _| !gone(name));
                let fewer = self.by_name.len() < count;
                // Every pod must be processed, so `any` would not do.
                pods.iter().fold(fewer, |changed, pod| self.put(pod) || changed)
            }
        }
    }

    /// Applies a change of nodes. Returns false if it makes no difference to their zones.
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

    /// Records the pod that the operator's resource names as the primary. Returns false if that is not new.
    pub fn primary_is(&mut self, name: Option<Arc<str>>) -> bool {
        let differs = self.named != name;
        self.named = name;
        differs
    }

    /// Returns a node's zone.
    pub fn zone_of(&self, node: &str) -> Option<Arc<str>> {
        self.nodes.get(node).cloned()
    }

    fn put(&mut self, pod: &Pod) -> bool {
        let meta = &pod.metadata;
        if self.rules.leaves_out(&meta.labels) || pod.is_over() {
            return self.by_name.remove(&*meta.name).is_some();
        }
        let address = self.address(pod);
        let before = self.by_name.get(&*meta.name).filter(|pod| *pod.uid == *meta.uid);
        let role = self.rules.role(&meta.labels);
        let has_role = matches!(role, LabelRole::Primary | LabelRole::Replica);
        let had_role = has_role || before.is_some_and(|pod| pod.had_role);
        self.primary_seen |= role == LabelRole::Primary;
        let seen = PodFacts {
            uid: meta.uid.as_str().into(),
            address,
            role,
            had_role,
            ready: pod.is_ready(),
            deleting: meta.deletion_timestamp.is_some(),
            drained: meta.annotations.drain.as_deref() == Some("true"),
            zone: meta.labels.get(ZONE).map(|zone| Arc::from(&**zone)),
            node: pod.spec.node_name.clone(),
            tls_names: tls_names(pod, self.rules.certificate_for_service, &self.domain),
        };
        let changed = before != Some(&seen);
        self.by_name.insert(meta.name.as_str().into(), seen);
        changed
    }

    fn address(&mut self, pod: &Pod) -> Option<Arc<str>> {
        let ip = Some(&pod.status.pod_ip).filter(|ip| !ip.is_empty())?;
        let ports = || pod.spec.containers.iter().flat_map(|container| &container.ports);
        let by_name = |name: &String| ports().find(|port| port.name.as_ref() == Some(name));
        let named = self.rules.port_names.iter().find_map(by_name).map(|port| port.container_port);
        let Some(port) = named.or(self.rules.port) else {
            if !std::mem::replace(&mut self.logged_missing_port, true) {
                let (pod, port) = (&pod.metadata.name, self.rules.port_names.join(" or "));
                tracing::warn!(%pod, port, "a pod has no container port of that name (discovery.port): left out");
            }
            return None;
        };
        Some(if ip.contains(':') { format!("[{ip}]:{port}").into() } else { format!("{ip}:{port}").into() })
    }

    /// Returns the number of pods, with those that are no servers (yet).
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// Returns the servers, sorted by name, numbers in numerical order.
    pub fn servers(&self) -> Vec<Discovered> {
        let primary = match self.rules.roles {
            Roles::Ordinal => self.lowest_ready(),
            Roles::Label { .. } | Roles::ByProbes => None,
        };
        let server = |(name, seen): (&Arc<str>, &PodFacts)| {
            let label = match self.rules.roles {
                Roles::ByProbes => None,
                Roles::Ordinal if primary == Some(name) => Some(Label::Primary),
                Roles::Ordinal => Some(Label::Replica),
                Roles::Label { .. } => self.label(seen)?.map(|label| self.heeding_resource(name, label)),
            };
            let zone = seen.zone.clone().or_else(|| self.nodes.get(seen.node.as_ref()?).cloned());
            Some(Discovered {
                label,
                deleting: seen.deleting,
                drain: seen.drained.then_some(Drain::Annotation),
                zone: zone.or_else(|| self.zones.get(name).cloned()),
                uid: seen.uid.clone(),
                tls_names: seen.tls_names.clone(),
                ..Discovered::from((name.clone(), seen.address.clone()?))
            })
        };
        let mut servers: Vec<_> = self.by_name.iter().filter_map(server).collect();
        servers.sort_by(|a, b| PodOrder::of(&a.name).cmp(&PodOrder::of(&b.name)));
        servers
    }

    /// Returns the label of a pod. None: the pod is no server. `Some(None)`: no pod was ever labelled as
    /// primary, so the probes decide.
    fn label(&self, seen: &PodFacts) -> Option<Option<Label>> {
        match seen.role {
            LabelRole::Primary => Some(Some(Label::Primary)),
            LabelRole::Replica => Some(Some(Label::Replica)),
            LabelRole::Doubtful => Some(Some(Label::Absent)),
            LabelRole::Other => None,
            LabelRole::None => match self.rules.no_role {
                NoRole::Replica => Some(Some(Label::Replica)),
                NoRole::Probe if self.primary_seen => Some(Some(Label::Replica)),
                NoRole::Probe => Some(None),
                // Removing the label of a pod that works does not make the pod disappear.
                NoRole::LeaveOut => seen.had_role.then_some(Some(Label::Absent)),
            },
        }
    }

    /// Corrects a label by the operator's resource. The pod that the resource names counts as primary, like
    /// the labelled pod: either source may be the first to change. If both agree on a pod, another pod's
    /// primary label is outdated.
    fn heeding_resource(&self, name: &Arc<str>, label: Label) -> Label {
        let Some(named) = &self.named else { return label };
        let agreed = || self.by_name.get(named).is_some_and(|pod| pod.role == LabelRole::Primary);
        match label {
            Label::Replica if named == name => Label::Primary,
            Label::Primary if named != name && agreed() => Label::Absent,
            label => label,
        }
    }

    fn lowest_ready(&self) -> Option<&Arc<str>> {
        let ready = self.by_name.iter().filter(|(_, s)| s.ready && !s.deleting && s.address.is_some());
        ready.map(|(name, _)| name).min_by_key(|name| PodOrder::of(name))
    }
}

/// Returns the names that a pod's certificate may have: those that its headless Service gives the pod, the
/// longest first. Without such a Service there are none, and the certificate must be for the pod's address.
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

/// Returns the cluster's DNS domain: the part after `svc.` in the search list that every pod gets.
pub(super) fn dns_domain(resolv_conf: &str) -> String {
    let lists = resolv_conf.lines().filter_map(|line| line.trim_start().strip_prefix("search"));
    let found = lists.flat_map(str::split_whitespace).find_map(|domain| domain.strip_prefix("svc."));
    found.map_or(DNS_DOMAIN, |domain| domain.trim_end_matches('.')).to_owned()
}

/// A sort key by which `db-10` comes after `db-9`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct PodOrder<'a> {
    base: &'a str,
    number: u64,
    /// The name, if it does not end with a number.
    unnumbered: &'a str,
}

impl<'a> PodOrder<'a> {
    fn of(name: &'a str) -> Self {
        match name.rsplit_once('-').and_then(|(base, number)| Some((base, number.parse().ok()?))) {
            Some((base, number)) => PodOrder { base, number, unnumbered: "" },
            None => PodOrder { base: name, number: 0, unnumbered: name },
        }
    }
}
