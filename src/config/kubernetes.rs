//! `[discovery]` with kind = "kubernetes": which pods are the servers, and what their
//! labels mean. The module `discovery` defines the presets.

use std::fmt::{self, Formatter};
use std::num::NonZeroU16;
use std::sync::Arc;

use toml::de::DeValue;

use super::choice::Choice;
use super::reader::{FoundValue, Section};
use super::values::no_duplicates;
use super::written::quoted;

/// Which pods are the servers, and how their labels are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    /// The namespace of the pods; None: the namespace that the proxy itself runs in.
    pub namespace: Option<Arc<str>>,
    /// The operator or chart whose labels the pods have.
    pub preset: Preset,
    /// `<c>` in the preset's selector; empty with `custom`.
    pub cluster: Arc<str>,
    /// `<component>` in the preset's selector, if it has one.
    pub component: Arc<str>,
    /// The port of the pods; None: the preset's.
    pub port: Option<PodPort>,
    /// True if the zone of a pod may be read from its node, which needs a ClusterRole.
    pub read_nodes: bool,
    /// True if the operator's resource of the cluster is read, too.
    pub read_resource: bool,
    /// The zones of pods, by the pod's name.
    pub zones: Vec<PodZone>,
    /// The meaning of labels; only with `custom`.
    pub labels: Labels,
}

/// One of `discovery.zones`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodZone {
    /// The pod's name.
    pub server: Arc<str>,
    /// The pod's zone.
    pub zone: Arc<str>,
}

/// `discovery.port`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodPort {
    /// The name of a container port.
    Name(Arc<str>),
    /// The number of a port.
    Number(NonZeroU16),
}

/// What a custom cluster's labels mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// A label selector in the format of `kubectl -l`.
    pub selector: Arc<str>,
    /// The label with the role; empty: there is none, and the probes decide.
    pub role: Arc<str>,
    /// The role's values that mean primary.
    pub primary: Vec<Arc<str>>,
    /// The role's values that mean replica.
    pub replica: Vec<Arc<str>>,
    /// The label `key=value` that a pod must have for its role to count; empty: none is needed.
    pub health: Arc<str>,
    /// How a pod without a role is treated.
    pub no_role: NoRole,
    /// Pods with one of these labels (`key` or `key=value`) are ignored.
    pub leave_out: Vec<Arc<str>>,
}

/// `discovery.preset`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// mariadb-operator with replication.
    MariaDbOperator,
    /// mariadb-operator with Galera.
    MariaDbOperatorGalera,
    /// Oracle's operator for InnoDBCluster.
    OracleInnoDbCluster,
    /// RadonDB MySQL.
    RadonDb,
    /// Bitpoke (Presslabs) MySQL operator.
    Bitpoke,
    /// Percona operator for MySQL (Percona Server).
    PerconaPs,
    /// Percona operator for XtraDB Cluster.
    PerconaPxc,
    /// MOCO.
    Moco,
    /// KubeBlocks.
    KubeBlocks,
    /// KubeDB.
    KubeDb,
    /// Canonical's charms.
    Canonical,
    /// Bitnami's charts.
    Bitnami,
    /// A custom cluster, which the other keys of the section describe.
    Custom,
}

/// `discovery.no_role`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NoRole {
    /// The pod is ignored: it may be being set up.
    #[default]
    LeaveOut,
    /// The pod is a replica.
    Replica,
    /// The pod is a replica; but as long as no pod has a role, the probes alone decide.
    Probe,
}

impl Preset {
    /// True if `read_resource` is possible with this preset.
    fn has_resource(self) -> bool {
        matches!(self, Preset::MariaDbOperator | Preset::MariaDbOperatorGalera | Preset::Moco)
    }
}

impl Choice for Preset {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("mariadb-operator", Preset::MariaDbOperator),
        ("mariadb-operator-galera", Preset::MariaDbOperatorGalera),
        ("oracle-innodbcluster", Preset::OracleInnoDbCluster),
        ("radondb", Preset::RadonDb),
        ("bitpoke", Preset::Bitpoke),
        ("percona-ps", Preset::PerconaPs),
        ("percona-pxc", Preset::PerconaPxc),
        ("moco", Preset::Moco),
        ("kubeblocks", Preset::KubeBlocks),
        ("kubedb", Preset::KubeDb),
        ("canonical", Preset::Canonical),
        ("bitnami", Preset::Bitnami),
        ("custom", Preset::Custom),
    ];
}

impl Choice for NoRole {
    const WORDS: &'static [(&'static str, Self)] =
        &[("leave_out", NoRole::LeaveOut), ("replica", NoRole::Replica), ("probe", NoRole::Probe)];
}

/// The keys that only a custom cluster has.
const CUSTOM_KEYS: [&str; 7] =
    ["selector", "role_label", "primary", "replica", "health_label", "no_role", "leave_out"];
/// The keys of kind = "kubernetes".
const KEYS: [&str; 8] =
    ["namespace", "preset", "cluster", "component", "port", "read_nodes", "read_resource", "zones"];

/// Notes a problem for each key that only kind = "kubernetes" has. So the message is not "not a known key".
pub(super) fn refuse_all(s: &Section<'_>) {
    refuse(s, &KEYS, "belongs to kind = \"kubernetes\"; leave it out");
    refuse(s, &CUSTOM_KEYS, "belongs to kind = \"kubernetes\"; leave it out");
}

fn refuse(s: &Section<'_>, keys: &[&'static str], why: &str) {
    for key in keys {
        if let Some(found) = s.get(key) {
            s.problem(Some(found.line), key, why);
        }
    }
}

/// Reads the section.
pub(super) fn kubernetes(s: &Section<'_>) -> Kubernetes {
    let words = || Preset::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    if s.get("preset").is_none() {
        s.problem(s.line, "preset", format!("is missing; write one of {}", words()));
    }
    let preset = s.choice("preset", Preset::MariaDbOperator);
    let labels = if preset == Preset::Custom {
        refuse(
            s,
            &["cluster", "component"],
            "goes with an operator's preset; with \"custom\" write selector",
        );
        labels(s)
    } else {
        refuse(s, &CUSTOM_KEYS, "goes with preset = \"custom\"; leave it out");
        Labels::default()
    };
    Kubernetes {
        namespace: s.get("namespace").map(|_| label_text(s, "namespace", "databases")),
        preset,
        cluster: if preset == Preset::Custom { "".into() } else { label_text(s, "cluster", "my-cluster") },
        component: component(s, preset),
        port: port(s),
        read_nodes: s.flag("read_nodes").unwrap_or(false),
        read_resource: read_resource(s, preset),
        zones: zones(s),
        labels,
    }
}

fn read_resource(s: &Section<'_>, preset: Preset) -> bool {
    let wanted = s.flag("read_resource").unwrap_or(false);
    if wanted && !preset.has_resource() {
        let why = "goes with the presets \"mariadb-operator\", \"mariadb-operator-galera\" and \"moco\"; leave it out";
        refuse(s, &["read_resource"], why);
    }
    wanted
}

fn component(s: &Section<'_>, preset: Preset) -> Arc<str> {
    match preset {
        Preset::Canonical => label_text(s, "component", "mysql-k8s"),
        Preset::KubeBlocks if s.get("component").is_none() => "mysql".into(),
        Preset::KubeBlocks => label_text(s, "component", "mysql"),
        // `kubernetes` has already noted the problem.
        Preset::Custom => "".into(),
        _ => {
            refuse(s, &["component"], "goes with the presets \"kubeblocks\" and \"canonical\"; leave it out");
            "".into()
        }
    }
}

fn labels(s: &Section<'_>) -> Labels {
    let selector = s.required_text("selector", "app=mysql").0.into();
    let role: Arc<str> =
        s.get("role_label").map_or("".into(), |_| s.required_text("role_label", "role").0.into());
    if role.is_empty() {
        let why = "says nothing without role_label; write role_label, or leave it out";
        refuse(s, &["primary", "replica", "no_role"], why);
    }
    let or = |key, word: &str| s.texts(key, word).unwrap_or_else(|| vec![word.into()]);
    let health = s.text("health_label").unwrap_or_default();
    if !health.0.is_empty() && !health.0.contains('=') {
        s.problem(
            Some(health.1),
            "health_label",
            format!("{:?} has no value; write \"healthy=yes\"", health.0),
        );
    }
    Labels {
        selector,
        role,
        primary: or("primary", "primary"),
        replica: or("replica", "replica"),
        health: health.0.into(),
        no_role: s.choice("no_role", NoRole::default()),
        leave_out: s.texts("leave_out", "job-name").unwrap_or_default(),
    }
}

/// Reads a text that is used in a label selector or in a path of the API.
fn label_text(s: &Section<'_>, key: &'static str, example: &str) -> Arc<str> {
    let (text, line) = s.required_text(key, example);
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
        let text = format!("{text:?} is no name in Kubernetes; write {key} = \"{example}\"");
        s.problem(line, key, text);
    }
    text.into()
}

fn port(s: &Section<'_>) -> Option<PodPort> {
    let FoundValue { value, .. } = s.get("port")?;
    if let DeValue::String(_) = value {
        return Some(PodPort::Name(label_text(s, "port", "mysql")));
    }
    let number = s.count_up_to("port", 1, u16::MAX)?;
    NonZeroU16::new(number).map(PodPort::Number)
}

fn zones(s: &Section<'_>) -> Vec<PodZone> {
    let example = "db-0=eu-central-1a";
    let texts = s.texts("zones", example).unwrap_or_default();
    let line = s.get("zones").map(|found| found.line);
    let zone = |text: &Arc<str>| {
        let split = text.split_once('=').filter(|(server, zone)| !server.is_empty() && !zone.is_empty());
        if split.is_none() {
            s.problem(line, "zones", format!("{text:?} is no pod and its zone; write [\"{example}\"]"));
        }
        split.map(|(server, zone)| PodZone { server: server.into(), zone: zone.into() })
    };
    let zones: Vec<_> = texts.iter().filter_map(zone).collect();
    no_duplicates(s, "zones", zones.iter().map(|zone| (&*zone.server, line)));
    zones
}

/// Writes the section's keys, except `kind`.
pub(super) fn write(f: &mut Formatter<'_>, kubernetes: &Kubernetes) -> fmt::Result {
    let Kubernetes { namespace, preset, cluster, component, port, read_nodes, read_resource, zones, labels } =
        kubernetes;
    if let Some(namespace) = namespace {
        writeln!(f, "namespace = {}", quoted(namespace))?;
    }
    writeln!(f, "preset = {}", quoted(preset.word()))?;
    for (key, value) in [("cluster", cluster), ("component", component)] {
        if !value.is_empty() {
            writeln!(f, "{key} = {}", quoted(value))?;
        }
    }
    match port {
        Some(PodPort::Name(name)) => writeln!(f, "port = {}", quoted(name))?,
        Some(PodPort::Number(number)) => writeln!(f, "port = {number}")?,
        None => {}
    }
    writeln!(f, "read_nodes = {read_nodes}")?;
    if preset.has_resource() {
        writeln!(f, "read_resource = {read_resource}")?;
    }
    if *preset == Preset::Custom {
        write_labels(f, labels)?;
    }
    let zones: Vec<_> = zones.iter().map(|z| quoted(&format!("{}={}", z.server, z.zone))).collect();
    writeln!(f, "zones = [{}]", zones.join(", "))
}

fn write_labels(f: &mut Formatter<'_>, labels: &Labels) -> fmt::Result {
    let list = |values: &[Arc<str>]| values.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(", ");
    writeln!(f, "selector = {}", quoted(&labels.selector))?;
    if !labels.role.is_empty() {
        writeln!(f, "role_label = {}", quoted(&labels.role))?;
        writeln!(f, "primary = [{}]\nreplica = [{}]", list(&labels.primary), list(&labels.replica))?;
        writeln!(f, "no_role = {}", quoted(labels.no_role.word()))?;
    }
    if !labels.health.is_empty() {
        writeln!(f, "health_label = {}", quoted(&labels.health))?;
    }
    writeln!(f, "leave_out = [{}]", list(&labels.leave_out))
}
