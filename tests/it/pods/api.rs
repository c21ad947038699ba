//! An API server by `tests/setup/kubernetes.sh`; it ends with its owner.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Place, Scratch, report_skipped, room_for};

/// Where the pods are.
pub const NAMESPACE: &str = "shop";
/// The script's word for "not to be had here".
const SKIPPED: i32 = 77;

pub struct ApiServer {
    scratch: Scratch,
    _place: Place,
}

impl ApiServer {
    /// With the namespace and the proxy's account; None, loudly reported, where it cannot be had.
    pub async fn start() -> Option<Self> {
        let api = ApiServer { scratch: Scratch::new("api"), _place: room_for(1).await };
        // Building it takes minutes and is not a test's work.
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup/kubernetes-build.sh");
        let there =
            Command::new(build).arg("--there").stdin(Stdio::null()).output().await.expect("the script");
        if there.status.code() == Some(SKIPPED) {
            let text = String::from_utf8_lossy(&there.stderr);
            let test = std::thread::current().name().unwrap_or("?").to_owned();
            report_skipped(&test, text.trim().trim_start_matches("SKIPPED: "));
            return None;
        }
        let (code, text) = api.script(&["start"]).await;
        assert_eq!(code, Some(0), "{text}");
        api.run(&["account", NAMESPACE]).await;
        Some(api)
    }

    pub fn kubeconfig(&self) -> String {
        self.folder() + "/" + NAMESPACE + ".kubeconfig"
    }

    /// `db-NUMBER` on loopback, running and ready.
    pub async fn pod(&self, number: usize, port: u16, labels: &[(&str, &str)]) {
        let mut arguments = ["pod", NAMESPACE].map(str::to_owned).to_vec();
        arguments.extend([format!("db-{number}"), "127.0.0.1".to_owned(), port.to_string()]);
        arguments
            .extend(["app.kubernetes.io/name=mariadb", "app.kubernetes.io/instance=shop"].map(str::to_owned));
        arguments.extend(labels.iter().map(|(key, value)| format!("{key}={value}")));
        self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    pub async fn label(&self, number: usize, key: &str, value: &str) {
        self.kubectl(&["label", "pod", &format!("db-{number}"), "--overwrite", &format!("{key}={value}")])
            .await;
    }

    /// It is told to end, and as nobody runs it, nobody ends it.
    pub async fn begin_deletion(&self, number: usize) {
        self.kubectl(&["delete", "pod", &format!("db-{number}"), "--wait=false"]).await;
    }

    pub async fn delete(&self, number: usize) {
        self.kubectl(&["delete", "pod", &format!("db-{number}"), "--force", "--grace-period=0"]).await;
    }

    /// mariadb-operator's resource of the cluster, which the proxy's account may not read yet.
    pub async fn resource(&self) {
        let definition =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/kubernetes/mariadb-crd.yaml");
        self.kubectl(&["create", "-f", &definition.to_string_lossy()]).await;
        self.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await;
        let resource = self.scratch.path().join("shop.yaml");
        let text = "apiVersion: k8s.mariadb.com/v1alpha1\nkind: MariaDB\nmetadata: {name: shop}\nspec: {replicas: 3}\n";
        std::fs::write(&resource, text).expect("cannot write the resource");
        self.kubectl(&["create", "-f", &resource.to_string_lossy()]).await;
    }

    /// As the operator's user asks for it in `spec.maintenance`.
    pub async fn maintenance(&self, asked: &str) {
        let patch = format!("{{\"spec\": {{\"maintenance\": {asked}}}}}");
        self.kubectl(&["patch", "mariadb", "shop", "--type=merge", "-p", &patch]).await;
    }

    pub async fn kubectl(&self, arguments: &[&str]) {
        let all: Vec<_> = ["kubectl", "-n", NAMESPACE].iter().chain(arguments).copied().collect();
        self.run(&all).await;
    }

    /// What it prints.
    pub async fn kubectl_says(&self, arguments: &[&str]) -> String {
        let all: Vec<_> = ["kubectl", "-n", NAMESPACE].iter().chain(arguments).copied().collect();
        let done = self.done(&all).await;
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Whether the proxy's account has a right; the server learns of a new one a little later.
    pub async fn may(&self, verb: &str, resource: &str) -> bool {
        let who = format!("system:serviceaccount:{NAMESPACE}:pointsman");
        let asked = ["kubectl", "-n", NAMESPACE, "--as", &who, "auth", "can-i", verb, resource];
        self.done(&asked).await.status.success()
    }

    /// The script with a verb, the folder and the rest.
    pub async fn run(&self, arguments: &[&str]) {
        let (code, text) = self.script(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
    }

    async fn script(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let done = self.done(arguments).await;
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    }

    async fn done(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup/kubernetes.sh");
        let (verb, rest) = arguments.split_first().expect("a verb");
        let work = Command::new(script).arg(verb).arg(self.folder()).args(rest).stdin(Stdio::null()).output();
        timeout(Duration::from_secs(600), work).await.expect("in time").expect("the script")
    }

    fn folder(&self) -> String {
        self.scratch.path().join("k").to_string_lossy().into_owned()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup/kubernetes.sh");
        let _ =
            std::process::Command::new(script).args(["stop", &self.folder()]).stderr(Stdio::null()).status();
    }
}
