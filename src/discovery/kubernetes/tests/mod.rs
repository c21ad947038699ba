//! Tests against a scripted API server, and without one.

mod events;
mod facts;
mod mapping;
mod presets;
mod resource;
mod secrets;
mod server;
mod watching;

use serde_json::{Value, json};

use super::objects::Pod;
use super::pods::Pods;
use super::watcher::Change;
use crate::config::{Kubernetes, Labels, Preset};
use crate::topology::{Discovered, Drain, Label};

fn settings(preset: Preset) -> Kubernetes {
    Kubernetes {
        namespace: Some("ns".into()),
        preset,
        cluster: "c".into(),
        component: "comp".into(),
        port: None,
        read_nodes: false,
        read_resource: false,
        zones: Vec::new(),
        labels: Labels::default(),
    }
}

/// A running, ready pod. Its address is made of its number.
fn pod(name: &str, labels: &[(&str, &str)]) -> Value {
    let number: u32 = name.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let labels: serde_json::Map<_, _> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": "ns", "uid": format!("uid-{name}"), "creationTimestamp": null,
            "labels": labels, "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
        },
        "spec": {
            "nodeName": format!("node-{number}"),
            "containers": [
                {"name": "exporter", "ports": [{"name": "metrics", "containerPort": 9104}]},
                {"name": "server", "ports": [
                    {"name": "mysql", "containerPort": 3306}, {"name": "db", "containerPort": 3307},
                    {"name": "mariadb", "containerPort": 3308},
                ]},
            ],
        },
        "status": {
            "phase": "Running", "podIP": format!("10.0.0.{number}"),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

fn parsed(pod: &Value) -> Pod {
    serde_json::from_value(pod.clone()).expect("a pod")
}

/// Returns the servers that these pods form, listed at once.
fn servers(settings: &Kubernetes, pods: &[Value]) -> Vec<Discovered> {
    let mut known = Pods::new(settings);
    known.pods(Change::All(pods.iter().map(parsed).collect()));
    known.servers()
}

/// Returns the servers' names and labels.
fn labels(servers: &[Discovered]) -> Vec<(&str, Option<Label>)> {
    servers.iter().map(|server| (&*server.name, server.label)).collect()
}
