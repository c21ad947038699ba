//! A real API server whose pods no kubelet runs: the test is the operator, which labels them,
//! and the kubelet, which says their addresses. `tests/setup/kubernetes.sh` starts it.

use super::report_skipped;
use super::room::{Place, room};
use super::scratch::Scratch;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// An API server with its etcd; they end with it.
pub struct Kubernetes {
    scratch: Scratch,
    client: kube::Client,
    _place: Place,
}

impl Kubernetes {
    /// A new one with nothing in it; None, loudly reported, where it cannot be had.
    pub async fn start() -> Option<Self> {
        if let Err(why) = script("kubernetes-build.sh", &["--there"]).await {
            let test = std::thread::current().name().unwrap_or("?").to_owned();
            report_skipped(&test, why.lines().last().unwrap_or("no API server"));
            return None;
        }
        let place = room().await;
        let scratch = Scratch::new("kubernetes");
        let folder = scratch.path().display().to_string();
        script("kubernetes.sh", &["start", &folder]).await.expect("the API server does not start");
        let client = client(&scratch.path().join("admin.kubeconfig")).await;
        Some(Kubernetes { scratch, client, _place: place })
    }

    /// A namespace with an account `pointsman` that may watch its pods.
    pub async fn namespace(&self, name: &str) -> Pods {
        self.run("account", &[name]).await;
        Pods { api: Api::namespaced(self.client.clone(), name), port: "mariadb" }
    }

    /// The kubeconfig of that account. Its token stands in a file of its own, as in a pod.
    pub fn kubeconfig(&self, namespace: &str) -> PathBuf {
        self.scratch.path().join(format!("{namespace}.kubeconfig"))
    }

    /// Another verb of `tests/setup/kubernetes.sh`: kill, restart, freeze, thaw, compact, token, rights.
    pub async fn run(&self, verb: &str, arguments: &[&str]) -> String {
        let folder = self.scratch.path().display().to_string();
        let mut all = vec![verb, &folder];
        all.extend_from_slice(arguments);
        script("kubernetes.sh", &all).await.unwrap_or_else(|why| panic!("kubernetes.sh {verb}: {why}"))
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        let folder = self.scratch.path().display().to_string();
        let mut stop = std::process::Command::new(path("kubernetes.sh"));
        let _ = stop.args(["stop", &folder]).stdin(Stdio::null()).status();
    }
}

/// The pods of one namespace.
#[derive(Clone)]
pub struct Pods {
    api: Api<Pod>,
    /// The container port's name.
    pub port: &'static str,
}

impl Pods {
    /// A pod on a node that does not exist, running and ready, whose container has a port of that name.
    pub async fn create(&self, name: &str, ip: &str, port: u16, labels: &[(&str, &str)]) {
        self.pending(name, port, labels).await;
        self.starts(name, ip).await;
    }

    /// A pod without an address yet.
    pub async fn pending(&self, name: &str, port: u16, labels: &[(&str, &str)]) {
        let labels: serde_json::Map<String, Value> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let ports = json!([{ "name": self.port, "containerPort": port }]);
        let pod = json!({
            "metadata": { "name": name, "labels": labels },
            // On a node, or a deletion would not wait for the kubelet.
            "spec": { "nodeName": "node-0", "containers": [{ "name": "mariadb", "image": "mariadb", "ports": ports }] },
        });
        let pod: Pod = serde_json::from_value(pod).expect("no pod");
        self.api.create(&PostParams::default(), &pod).await.expect("cannot create a pod");
    }

    /// What the kubelet reports of a pod that came up at this address.
    pub async fn starts(&self, name: &str, ip: &str) {
        let status = json!({ "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }] });
        self.status(name, status).await;
        self.ready(name, true).await;
    }

    /// Its condition Ready.
    pub async fn ready(&self, name: &str, ready: bool) {
        let word = if ready { "True" } else { "False" };
        self.status(name, json!({ "conditions": [{ "type": "Ready", "status": word }] })).await;
    }

    async fn status(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        let done = self.api.patch_status(name, &PatchParams::default(), &patch).await;
        done.expect("cannot set a pod's status");
    }

    /// Sets a label, or takes it away.
    pub async fn label(&self, name: &str, key: &str, value: Option<&str>) {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { key: value } } }));
        self.api.patch(name, &PatchParams::default(), &patch).await.expect("cannot label a pod");
    }

    /// Begins its deletion: it stays, with a deletionTimestamp, until `gone`.
    pub async fn delete(&self, name: &str) {
        self.api.delete(name, &DeleteParams::default()).await.expect("cannot delete a pod");
    }

    /// What the kubelet does when all containers have ended.
    pub async fn gone(&self, name: &str) {
        let now = DeleteParams::default().grace_period(0);
        self.api.delete(name, &now).await.expect("cannot remove a pod");
    }
}

async fn client(kubeconfig: &Path) -> kube::Client {
    let read = kube::config::Kubeconfig::read_from(kubeconfig).expect("cannot read the kubeconfig");
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(read, &options).await.expect("the kubeconfig is wrong");
    kube::Client::try_from(config).expect("no client for the API server")
}

fn path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup").join(script)
}

/// Its standard output; its standard error when it fails. What it starts goes on without it.
async fn script(name: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = tokio::process::Command::new(path(name));
    let done =
        command.args(arguments).stdin(Stdio::null()).output().await.expect("cannot run a set-up script");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}
