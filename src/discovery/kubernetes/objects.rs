//! The fields of the API's objects that are used here: a pod has a hundred fields, of which few are read.
//! Unknown fields are skipped without an allocation.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Labels by key.
pub(super) type LabelMap = BTreeMap<Box<str>, Box<str>>;

/// The metadata of every object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub name: String,
    pub namespace: Option<Box<str>>,
    pub uid: String,
    pub resource_version: String,
    /// When deletion was requested; the object may serve for a while yet.
    pub deletion_timestamp: Option<String>,
    pub labels: LabelMap,
    pub annotations: Annotations,
}

/// The annotations that mean something here: others can be long.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations {
    /// `"true"`: the pod's server is to get no new reads.
    #[serde(rename = "pointsman/drain")]
    pub drain: Option<Box<str>>,
}

/// An object that a watch can follow.
pub(super) trait Object: serde::de::DeserializeOwned {
    fn meta(&self) -> &Meta;
}

/// `v1.Pod`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub metadata: Meta,
    pub spec: PodSpec,
    pub status: PodStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    pub node_name: Option<String>,
    /// The host name if it differs from the pod's name.
    pub hostname: Option<Box<str>>,
    /// The headless Service that gives the pod a DNS name.
    pub subdomain: Option<Box<str>>,
    pub containers: Vec<Container>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Container {
    pub ports: Vec<Port>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Port {
    pub name: Option<String>,
    pub container_port: u16,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodStatus {
    pub phase: String,
    #[serde(rename = "podIP")]
    pub pod_ip: String,
    pub conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
}

/// An object of which only the metadata is used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bare {
    pub metadata: Meta,
}

impl Object for Pod {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

impl Object for Bare {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

impl Pod {
    /// True if its `Ready` condition is true.
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True")
    }

    /// True if all its containers have ended and will not start again.
    pub fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct ObjectList<T> {
    #[serde(default)]
    pub metadata: ListMeta,
    /// The objects. Go encodes an empty list as null.
    pub items: Option<Vec<T>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMeta {
    pub resource_version: String,
    /// The next page's token; empty on the last one.
    #[serde(rename = "continue")]
    pub next: String,
}

/// One line of a watch.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "UPPERCASE")]
pub(super) enum WatchLine<T> {
    Added(T),
    Modified(T),
    Deleted(T),
    Bookmark(Bare),
    Error(ApiRefusal),
}

/// The `v1.Status` of a failed request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ApiRefusal {
    pub code: u16,
    pub message: String,
}
