//! The labels of each operator's pods and their meaning, as one table. For a custom cluster the configuration
//! describes them. Values are compared case-insensitively.

use super::objects::LabelMap;
use crate::config::{Kubernetes, NoRole, PodPort, Preset};

/// A row of the table. `<c>` is the cluster's name, `<component>` the component's.
struct PresetRow {
    preset: Preset,
    selector: &'static str,
    roles: RowRoles,
    /// `key=value` without which a role is not trusted; "" if there is none.
    health: &'static str,
    /// The names of the container port; the first one that a pod has is used.
    ports: &'static [&'static str],
    no_role: NoRole,
    /// `key=value` that makes a pod without a role a replica nevertheless.
    replica_mark: &'static str,
    /// True if the operator's certificate is for the pods' headless Service and for `*.` before its name.
    /// rustls does not accept that wildcard: it requires two labels after `*.`.
    certificate_for_service: bool,
}

enum RowRoles {
    /// The label, its values for the primary, and its values for a replica.
    Label(&'static str, &'static [&'static str], &'static [&'static str]),
    /// The primary is the ready pod with the lowest number at the end of its name.
    Ordinal,
}

use RowRoles::{Label, Ordinal};

/// The defaults, for operators that differ in a few fields.
const USUAL: PresetRow = PresetRow {
    preset: Preset::Custom,
    selector: "",
    roles: Label("role", &["primary"], &["replica"]),
    health: "",
    ports: &["mysql"],
    no_role: NoRole::LeaveOut,
    replica_mark: "",
    certificate_for_service: false,
};

const TABLE: [PresetRow; 12] = [
    PresetRow {
        preset: Preset::MariaDbOperator,
        selector: "app.kubernetes.io/name=mariadb,app.kubernetes.io/instance=<c>",
        roles: Label("k8s.mariadb.com/role", &["primary"], &["replica"]),
        ports: &["mariadb"],
        ..USUAL
    },
    PresetRow {
        preset: Preset::MariaDbOperatorGalera,
        selector: "app.kubernetes.io/name=mariadb,app.kubernetes.io/instance=<c>",
        roles: Label("k8s.mariadb.com/role", &["primary"], &["replica"]),
        ports: &["mariadb"],
        ..USUAL
    },
    PresetRow {
        preset: Preset::OracleInnoDbCluster,
        selector: "component=mysqld,tier=mysql,mysql.oracle.com/cluster=<c>",
        roles: Label("mysql.oracle.com/cluster-role", &["PRIMARY"], &["SECONDARY"]),
        replica_mark: "mysql.oracle.com/instance-type=read-replica",
        ..USUAL
    },
    PresetRow {
        preset: Preset::RadonDb,
        selector: "mysql.radondb.com/cluster=<c>,app.kubernetes.io/managed-by=mysql.radondb.com,\
                   app.kubernetes.io/name in (mysql,mysql-readonly)",
        roles: Label("role", &["LEADER"], &["FOLLOWER"]),
        health: "healthy=yes",
        replica_mark: "readonly=true",
        ..USUAL
    },
    PresetRow {
        preset: Preset::Bitpoke,
        selector: "mysql.presslabs.org/cluster=<c>,app.kubernetes.io/name=mysql,\
                   app.kubernetes.io/managed-by=mysql.presslabs.org",
        roles: Label("role", &["master"], &["replica"]),
        health: "healthy=yes",
        ..USUAL
    },
    PresetRow {
        preset: Preset::PerconaPs,
        selector: "app.kubernetes.io/name=mysql,app.kubernetes.io/instance=<c>,\
                   app.kubernetes.io/component=database,\
                   app.kubernetes.io/managed-by=percona-server-mysql-operator",
        roles: Label("mysql.percona.com/primary", &["true"], &["false"]),
        no_role: NoRole::Probe,
        ..USUAL
    },
    PresetRow {
        preset: Preset::PerconaPxc,
        selector: "app.kubernetes.io/name=percona-xtradb-cluster,app.kubernetes.io/instance=<c>,\
                   app.kubernetes.io/component=pxc",
        roles: Ordinal,
        certificate_for_service: true,
        ..USUAL
    },
    PresetRow {
        preset: Preset::Moco,
        selector: "app.kubernetes.io/name=mysql,app.kubernetes.io/instance=<c>,\
                   app.kubernetes.io/created-by=moco",
        roles: Label("moco.cybozu.com/role", &["primary"], &["replica"]),
        ..USUAL
    },
    PresetRow {
        preset: Preset::KubeBlocks,
        selector: "app.kubernetes.io/managed-by=kubeblocks,app.kubernetes.io/instance=<c>,\
                   apps.kubeblocks.io/component-name=<component>",
        roles: Label("kubeblocks.io/role", &["primary", "leader"], &["secondary", "follower"]),
        ports: &["mysql", "mariadb"],
        ..USUAL
    },
    PresetRow {
        preset: Preset::KubeDb,
        selector: "app.kubernetes.io/name in (mysqls.kubedb.com,mariadbs.kubedb.com,perconaxtradbs.kubedb.com),\
                   app.kubernetes.io/instance=<c>,app.kubernetes.io/managed-by=kubedb.com",
        roles: Label("kubedb.com/role", &["primary", "master"], &["standby", "secondary", "slave"]),
        ports: &["db"],
        ..USUAL
    },
    PresetRow {
        preset: Preset::Canonical,
        selector: "application-name=<component>,cluster-name=<c>",
        roles: Label("role", &["primary"], &["replicas"]),
        ports: &[],
        ..USUAL
    },
    PresetRow {
        preset: Preset::Bitnami,
        selector: "app.kubernetes.io/name in (mysql,mariadb),app.kubernetes.io/instance=<c>",
        roles: Label("app.kubernetes.io/component", &["primary"], &["secondary"]),
        ..USUAL
    },
];

/// The labels of pods that belong to jobs: each has one of them.
const JOBS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
/// MySQL's default port.
pub(super) const MYSQL_PORT: u16 = 3306;

/// How the labels and ports of one cluster's pods are interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    /// The label selector for the API.
    pub selector: String,
    pub roles: Roles,
    health: Option<(String, String)>,
    /// The names of the container port, in order of preference.
    pub port_names: Vec<String>,
    /// The port if no name is found; None: the pod is then no server.
    pub port: Option<u16>,
    pub no_role: NoRole,
    replica_mark: Option<(String, String)>,
    /// Labels that exclude a pod: keys, some with the value that they must have.
    leave_out: Vec<(String, Option<String>)>,
    /// See `PresetRow`.
    pub certificate_for_service: bool,
}

/// What determines a pod's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roles {
    /// The pod's label.
    Label { key: String, primary: Vec<String>, replica: Vec<String> },
    /// The number in the pod's name.
    Ordinal,
    /// Nothing: the probes decide.
    ByProbes,
}

/// The role that a pod's labels give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelRole {
    Primary,
    Replica,
    /// It has a role, but not the label that vouches for it.
    Doubtful,
    /// It has no role.
    None,
    /// It has a role in which it must not be used.
    Other,
}

impl Rules {
    /// Returns the rules for a configuration.
    pub fn of(pods: &Kubernetes) -> Self {
        let mut rules = match TABLE.iter().find(|row| row.preset == pods.preset) {
            Some(row) => Rules::of_row(row, pods),
            None => Rules::custom(pods),
        };
        match &pods.port {
            Some(PodPort::Name(name)) => (rules.port_names, rules.port) = (vec![name.to_string()], None),
            Some(PodPort::Number(number)) => {
                (rules.port_names, rules.port) = (Vec::new(), Some(number.get()))
            }
            None => {}
        }
        rules.leave_out.extend(JOBS.map(|key| (key.to_owned(), None)));
        rules
    }

    fn of_row(row: &PresetRow, pods: &Kubernetes) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let selector = row.selector.replace("<c>", &pods.cluster).replace("<component>", &pods.component);
        let roles = match row.roles {
            Label(key, primary, replica) => {
                Roles::Label { key: key.to_owned(), primary: owned(primary), replica: owned(replica) }
            }
            Ordinal => Roles::Ordinal,
        };
        Rules {
            selector,
            roles,
            health: pair(row.health),
            port_names: owned(row.ports),
            port: Some(MYSQL_PORT),
            no_role: row.no_role,
            replica_mark: pair(row.replica_mark),
            leave_out: Vec::new(),
            certificate_for_service: row.certificate_for_service,
        }
    }

    fn custom(pods: &Kubernetes) -> Self {
        let labels = &pods.labels;
        let owned = |words: &[std::sync::Arc<str>]| words.iter().map(|word| word.to_string()).collect();
        let roles = if labels.role.is_empty() {
            Roles::ByProbes
        } else {
            Roles::Label {
                key: labels.role.to_string(),
                primary: owned(&labels.primary),
                replica: owned(&labels.replica),
            }
        };
        let left_out = |text: &std::sync::Arc<str>| match pair(text) {
            Some((key, value)) => (key, Some(value)),
            None => (text.to_string(), None),
        };
        Rules {
            selector: labels.selector.to_string(),
            roles,
            health: pair(&labels.health),
            port_names: vec!["mysql".to_owned(), "mariadb".to_owned()],
            port: Some(MYSQL_PORT),
            no_role: labels.no_role,
            replica_mark: None,
            leave_out: labels.leave_out.iter().map(left_out).collect(),
            certificate_for_service: false,
        }
    }

    /// True if a pod is excluded from the servers, whatever its role.
    pub fn leaves_out(&self, labels: &LabelMap) -> bool {
        self.leave_out.iter().any(|(key, wanted)| match (labels.get(key.as_str()), wanted) {
            (Some(value), Some(wanted)) => value.eq_ignore_ascii_case(wanted),
            (found, _) => found.is_some(),
        })
    }

    /// Returns a pod's role by its labels.
    pub fn role(&self, labels: &LabelMap) -> LabelRole {
        let Roles::Label { key, primary, replica } = &self.roles else { return LabelRole::None };
        let is = |values: &[String], value: &str| values.iter().any(|v| v.eq_ignore_ascii_case(value));
        let role = match labels.get(key.as_str()).filter(|value| !value.is_empty()) {
            None if has(labels, self.replica_mark.as_ref()) => LabelRole::Replica,
            None => return LabelRole::None,
            Some(value) if is(primary, value) => LabelRole::Primary,
            Some(value) if is(replica, value) => LabelRole::Replica,
            Some(_) => return LabelRole::Other,
        };
        if self.health.is_none() || has(labels, self.health.as_ref()) { role } else { LabelRole::Doubtful }
    }
}

fn has(labels: &LabelMap, wanted: Option<&(String, String)>) -> bool {
    wanted.is_some_and(|(key, value)| {
        labels.get(key.as_str()).is_some_and(|found| found.eq_ignore_ascii_case(value))
    })
}

fn pair(text: &str) -> Option<(String, String)> {
    text.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
}
