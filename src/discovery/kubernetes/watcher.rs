//! Lists a resource and watches its changes: pages, bookmarks, resuming after a loss, a new list when the API
//! server has forgotten the watch's version, growing pauses.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::api::{Api, ApiError, escaped};
use super::objects::{Object, ObjectList, WatchLine};
use super::state::{Reporter, WatchState};

/// The number of objects on a page.
const PAGE: usize = 500;

/// The watcher's time limits and pauses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The duration of a watch; up to a fifth is added. The next watch continues where it ended. The duration
    /// is short because a connection that hangs is not noticed before: a quiet watch has no traffic.
    pub watch: Duration,
    /// The time after which a watch that has not ended counts as hanging.
    pub grace: Duration,
    /// The first pause after a failure; each further pause is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub last_pause: Duration,
    /// A watch that lasted this long does not count as a failure.
    pub healthy: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            watch: Duration::from_secs(25),
            grace: Duration::from_secs(5),
            first_pause: Duration::from_millis(100),
            last_pause: Duration::from_secs(10),
            healthy: Duration::from_secs(5),
        }
    }
}

/// The permissions that a watch needs.
const VERBS: [&str; 3] = ["get", "list", "watch"];

const JSON: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// What to watch.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// The group, and its version; None: the core group.
    pub group: Option<(&'static str, &'static str)>,
    /// The plural, as used in RBAC and in paths.
    pub plural: &'static str,
    /// The namespace; None: the process's own. Not used for cluster-wide resources.
    pub namespace: Option<String>,
    /// True if the resource belongs to no namespace.
    pub cluster_wide: bool,
    /// True if only the metadata is needed.
    pub metadata_only: bool,
    /// `labelSelector=…` or `fieldSelector=…`, escaped; may be empty.
    pub selector: String,
    /// The name of the only object that is asked for, if there is just one.
    pub name: Option<String>,
}

impl Resource {
    /// Returns a label selector as the API expects it.
    pub fn by_labels(selector: &str) -> String {
        format!("labelSelector={}", escaped(selector))
    }

    /// Returns a selector for one object.
    pub fn by_name(name: &str) -> String {
        format!("fieldSelector={}", escaped(&format!("metadata.name={name}")))
    }
}

/// A change of the objects.
pub(super) enum Change<T> {
    /// The complete list.
    All(Vec<T>),
    /// A new or changed object.
    Put(T),
    /// A deleted object.
    Gone(T),
}

/// Lists and watches one resource.
pub(super) struct Watcher<T> {
    api: Rc<Api>,
    resource: Resource,
    reporter: Reporter,
    times: Times,
    /// The next pause.
    pause: Duration,
    of: PhantomData<T>,
}

/// How a watch ended.
enum WatchEnd {
    /// It ended or broke: continue at the same version.
    Over,
    /// The API server has forgotten the version: list again.
    Forgotten,
}

impl<T: Object> Watcher<T> {
    pub fn new(api: Rc<Api>, resource: Resource, times: Times) -> Self {
        let reporter = Reporter::new(resource.plural);
        Watcher { api, resource, reporter, times, pause: times.first_pause, of: PhantomData }
    }

    /// Says in the reports which objects are watched.
    pub fn looks_for(&self, objects: Arc<str>) {
        self.reporter.looks_for(objects);
    }

    /// Returns the state of the watch, for the reports.
    pub fn state(&self) -> watch::Receiver<WatchState> {
        self.reporter.subscribe()
    }

    /// Lists and watches for ever. Passes every change to `sink`, a list as one change.
    pub async fn run(mut self, mut sink: impl FnMut(Change<T>)) {
        loop {
            match self.list().await {
                Ok((items, version)) => {
                    sink(Change::All(items));
                    self.reporter.listed();
                    self.reporter.connected();
                    self.follow(version, &mut sink).await;
                }
                Err(error) => self.failed("list", &error),
            }
            self.wait().await;
        }
    }

    /// Runs one watch after the other until the API server has forgotten the version.
    async fn follow(&mut self, mut version: String, sink: &mut impl FnMut(Change<T>)) {
        loop {
            let opened = Instant::now();
            match self.watch(&mut version, sink).await {
                Ok(WatchEnd::Forgotten) => return,
                Ok(WatchEnd::Over) if opened.elapsed() >= self.times.healthy => {
                    self.pause = self.times.first_pause;
                }
                Ok(WatchEnd::Over) => self.wait().await,
                Err(error) => {
                    self.failed("watch", &error);
                    self.wait().await;
                }
            }
        }
    }

    /// Returns all pages of a list, and the version that it shows.
    async fn list(&self) -> Result<(Vec<T>, String), ApiError> {
        let accept = if self.resource.metadata_only { METADATA_LIST } else { JSON };
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let mut query = format!("limit={PAGE}");
            if !next.is_empty() {
                query = format!("{query}&continue={}", escaped(&next));
            }
            let page = self.api.get(&self.uri(&query).await?, accept).await?;
            let page: ObjectList<T> = serde_json::from_slice(&page).map_err(malformed)?;
            items.extend(page.items.unwrap_or_default());
            next = page.metadata.next;
            if next.is_empty() {
                return Ok((items, page.metadata.resource_version));
            }
        }
    }

    /// Runs one watch. A failure to begin is an error; a later break is just the watch's end.
    async fn watch(
        &mut self,
        version: &mut String,
        sink: &mut impl FnMut(Change<T>),
    ) -> Result<WatchEnd, ApiError> {
        let accept = if self.resource.metadata_only { METADATA } else { JSON };
        let spread = u64::try_from(self.times.watch.as_millis() / 5).unwrap_or(u64::MAX).max(1);
        let time = self.times.watch + Duration::from_millis(fastrand::u64(..spread));
        let query = format!(
            "watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
            escaped(version),
            time.as_secs().max(1)
        );
        let uri = self.uri(&query).await?;
        let mut lines = match self.api.lines(&uri, accept).await {
            Err(ApiError::Refused { code: 410, .. }) => return Ok(WatchEnd::Forgotten),
            lines => lines?,
        };
        self.reporter.connected();
        let deadline = Instant::now() + time + self.times.grace;
        loop {
            let Ok(line) = timeout_at(deadline, lines.next()).await else {
                self.api.forget();
                return Ok(WatchEnd::Over);
            };
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(WatchEnd::Over),
                Err(error) => {
                    tracing::debug!(resource = self.resource.plural, %error, "a watch broke");
                    self.api.forget();
                    return Ok(WatchEnd::Over);
                }
            };
            let change: Change<T> = match serde_json::from_slice(&line).map_err(malformed)? {
                WatchLine::Added(object) | WatchLine::Modified(object) => Change::Put(object),
                WatchLine::Deleted(object) => Change::Gone(object),
                WatchLine::Bookmark(mark) => {
                    *version = mark.metadata.resource_version;
                    continue;
                }
                WatchLine::Error(refusal) if refusal.code == 410 => return Ok(WatchEnd::Forgotten),
                WatchLine::Error(refusal) => {
                    return Err(ApiError::Refused { code: refusal.code, message: refusal.message });
                }
            };
            if let Change::Put(object) | Change::Gone(object) = &change {
                version.clone_from(&object.meta().resource_version);
            }
            self.pause = self.times.first_pause;
            self.reporter.event();
            sink(change);
        }
    }

    async fn uri(&self, query: &str) -> Result<String, ApiError> {
        let Resource { group, plural, namespace, cluster_wide, selector, .. } = &self.resource;
        let and = if selector.is_empty() { "" } else { "&" };
        let of = group.map_or("/api/v1".to_owned(), |(group, version)| format!("/apis/{group}/{version}"));
        if *cluster_wide {
            return Ok(format!("{of}/{plural}?{query}{and}{selector}"));
        }
        let namespace = match namespace {
            Some(namespace) => namespace.clone(),
            None => self.api.own_namespace().await?,
        };
        Ok(format!("{of}/namespaces/{namespace}/{plural}?{query}{and}{selector}"))
    }

    fn failed(&mut self, verb: &'static str, error: &ApiError) {
        let text = match error {
            ApiError::Refused { code: 403, message } => forbidden(&self.resource, verb, &VERBS, message),
            ApiError::Refused { code: 404, .. } if self.resource.group.is_some() => unknown(&self.resource),
            other => other.to_string(),
        };
        self.reporter.away(&text);
    }

    /// Waits half the pause plus a random part of the other half, then doubles the pause.
    async fn wait(&mut self) {
        let half = self.pause / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        sleep(half + Duration::from_millis(fastrand::u64(..spread))).await;
        self.pause = (self.pause * 2).min(self.times.last_pause);
    }
}

/// Returns the error for a refused `verb`, with the rule that an administrator must add; all of `verbs` are
/// needed.
pub(super) fn forbidden(resource: &Resource, verb: &str, verbs: &[&str], message: &str) -> String {
    let Resource { group, plural, namespace, cluster_wide, name, .. } = resource;
    let group = group.map_or("", |(group, _)| group);
    let (role, place) = match namespace {
        _ if *cluster_wide => ("ClusterRole", "the cluster".to_owned()),
        Some(namespace) => ("Role", format!("namespace {namespace}")),
        None => ("Role", "the proxy's own namespace".to_owned()),
    };
    let names = name.as_ref().map(|name| format!(", resourceNames: [\"{name}\"]")).unwrap_or_default();
    format!(
        "the ServiceAccount may not {verb} {plural} in {place}; a {role} with the rule {{apiGroups: [\"{group}\"], \
         resources: [\"{plural}\"]{names}, verbs: {verbs:?}}} bound to it would allow it \
         (403: {message})"
    )
}

/// Returns the error for a kind that the cluster does not define (404).
fn unknown(resource: &Resource) -> String {
    let (group, version) = resource.group.unwrap_or_default();
    format!(
        "this cluster has no {}.{group} of version {version}: leave discovery.read_resource out",
        resource.plural
    )
}

fn malformed(error: serde_json::Error) -> ApiError {
    // The text itself is left out: it may contain a secret.
    ApiError::Malformed(format!("{:?} error at column {}", error.classify(), error.column()))
}
