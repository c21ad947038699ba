//! The operator's resource of the cluster, for the operators where it is read (`read_resource`): the pod that
//! it names as the primary, and the maintenance that it asks for.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::objects::{Meta, Object};
use super::watcher::Change;
use crate::config::{Kubernetes, Preset};
use crate::topology::Maintenance;

/// `MariaDB` of mariadb-operator or `MySQLCluster` of MOCO; each has only some of these fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ClusterResource {
    metadata: Meta,
    spec: Spec,
    status: Option<Status>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Spec {
    maintenance: Option<MaintenanceSpec>,
}

/// `spec.maintenance` of a MariaDB.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MaintenanceSpec {
    enabled: bool,
    cordon: bool,
    drain_connections: bool,
    drain_grace_period_seconds: Option<u64>,
    read_only: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    /// The name of the primary's pod.
    current_primary: Option<String>,
    /// The number at the end of the primary's pod name.
    current_primary_index: Option<u32>,
}

impl Object for ClusterResource {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

/// mariadb-operator's own default of `drainGracePeriodSeconds`.
const GRACE: Duration = Duration::from_secs(30);

/// Identifies the resource to watch.
#[derive(Debug, Clone)]
pub(super) struct ResourceKind {
    pub group: (&'static str, &'static str),
    pub plural: &'static str,
    /// The resource's name.
    pub name: Arc<str>,
    /// The prefix of its pods' names.
    base: String,
}

/// What the resource says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ResourceFacts {
    /// The name of the primary's pod.
    pub primary: Option<Arc<str>>,
    pub maintenance: Maintenance,
}

impl ResourceKind {
    /// Returns the resource of a configuration; None if it is not to be read.
    pub fn of(settings: &Kubernetes) -> Option<Self> {
        let (group, plural, base) = match settings.preset {
            _ if !settings.read_resource => return None,
            Preset::MariaDbOperator | Preset::MariaDbOperatorGalera => {
                (("k8s.mariadb.com", "v1alpha1"), "mariadbs", settings.cluster.to_string())
            }
            Preset::Moco => {
                (("moco.cybozu.com", "v1beta2"), "mysqlclusters", format!("moco-{}", settings.cluster))
            }
            _ => return None,
        };
        Some(ResourceKind { group, plural, name: settings.cluster.clone(), base })
    }

    /// Returns what the resource says after a change; None: the change is about another resource.
    pub fn facts_of(&self, change: Change<ClusterResource>) -> Option<ResourceFacts> {
        let is_it = |resource: &ClusterResource| *resource.metadata.name == *self.name;
        let resource = match change {
            Change::Put(resource) | Change::Gone(resource) if !is_it(&resource) => return None,
            Change::Put(resource) => Some(resource),
            Change::All(all) => all.into_iter().find(is_it),
            Change::Gone(_) => None,
        };
        if resource.is_none() {
            tracing::warn!(resource = self.plural, name = %self.name, "there is no such resource (discovery.read_resource)");
        }
        Some(resource.map(|resource| self.read(resource)).unwrap_or_default())
    }

    fn read(&self, resource: ClusterResource) -> ResourceFacts {
        let status = resource.status.unwrap_or_default();
        let by_number = || status.current_primary_index.map(|number| format!("{}-{number}", self.base));
        let primary =
            status.current_primary.filter(|name| !name.is_empty()).or_else(by_number).map(Arc::from);
        let spec = resource.spec.maintenance.filter(|spec| spec.enabled).unwrap_or_default();
        let grace = spec.drain_grace_period_seconds.map_or(GRACE, Duration::from_secs);
        let maintenance = Maintenance {
            cordoned: spec.cordon,
            drain: spec.drain_connections.then_some(grace),
            read_only: spec.read_only,
        };
        ResourceFacts { primary, maintenance }
    }
}
