//! Lists a resource and follows its changes: pages, bookmarks, resume after a loss,
//! a new list when the API server has forgotten our place, pauses that grow.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::api::{Api, ApiError, escaped};
use super::objects::{Line, List, Object};
use super::state::{Reporter, WatchState};

/// Objects of a page.
const PAGE: usize = 500;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// A watch ends after this and up to a fifth more, and the next one goes on where it ended. So
    /// short, because a connection that hangs is not seen before: nobody speaks on a quiet watch.
    pub watch: Duration,
    /// After that a watch that did not end hangs.
    pub grace: Duration,
    /// The first pause after a failure; each one is twice as long as the one before.
    pub first_pause: Duration,
    /// The longest pause.
    pub last_pause: Duration,
    /// A watch that lived so long was none of the failures.
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

/// What a watch needs.
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
    /// The plural, as RBAC and paths have it.
    pub plural: &'static str,
    /// None: the process's own. Of no meaning for cluster-wide ones.
    pub namespace: Option<String>,
    /// It belongs to no namespace.
    pub cluster_wide: bool,
    /// The metadata is enough.
    pub metadata_only: bool,
    /// `labelSelector=…` or `fieldSelector=…`, escaped; may be empty.
    pub selector: String,
    /// The only object of it that is asked for, if it is one.
    pub name: Option<String>,
}

impl Resource {
    /// A selector of labels as the API takes it.
    pub fn by_labels(selector: &str) -> String {
        format!("labelSelector={}", escaped(selector))
    }

    /// One object.
    pub fn by_name(name: &str) -> String {
        format!("fieldSelector={}", escaped(&format!("metadata.name={name}")))
    }
}

/// What happened to the objects.
pub(super) enum Change<T> {
    /// These are all.
    All(Vec<T>),
    /// It is new or changed.
    Put(T),
    /// It is gone.
    Gone(T),
}

/// One list and watch.
pub(super) struct Watcher<T> {
    api: Rc<Api>,
    resource: Resource,
    reporter: Reporter,
    times: Times,
    /// The next one.
    pause: Duration,
    of: PhantomData<T>,
}

/// How a watch ended.
enum End {
    /// It came to its end, or broke: go on where it was.
    Over,
    /// Its place is forgotten: list anew.
    Forgotten,
}

impl<T: Object> Watcher<T> {
    pub fn new(api: Rc<Api>, resource: Resource, times: Times) -> Self {
        let reporter = Reporter::new(resource.plural);
        Watcher { api, resource, reporter, times, pause: times.first_pause, of: PhantomData }
    }

    /// What the reports say of it.
    pub fn state(&self) -> watch::Receiver<WatchState> {
        self.reporter.subscribe()
    }

    /// Never ends. Every change goes to `sink`, a list as one.
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

    /// Watches, one watch after the other, until the place is forgotten.
    async fn follow(&mut self, mut version: String, sink: &mut impl FnMut(Change<T>)) {
        loop {
            let opened = Instant::now();
            match self.watch(&mut version, sink).await {
                Ok(End::Forgotten) => return,
                Ok(End::Over) if opened.elapsed() >= self.times.healthy => {
                    self.pause = self.times.first_pause;
                }
                Ok(End::Over) => self.wait().await,
                Err(error) => {
                    self.failed("watch", &error);
                    self.wait().await;
                }
            }
        }
    }

    /// All pages of a list, and the place in history that it shows.
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
            let page: List<T> = serde_json::from_slice(&page).map_err(malformed)?;
            items.extend(page.items.unwrap_or_default());
            next = page.metadata.next;
            if next.is_empty() {
                return Ok((items, page.metadata.resource_version));
            }
        }
    }

    /// One watch. An error before it began is one; a break in it is its end.
    async fn watch(
        &mut self,
        version: &mut String,
        sink: &mut impl FnMut(Change<T>),
    ) -> Result<End, ApiError> {
        let accept = if self.resource.metadata_only { METADATA } else { JSON };
        let spread = u64::try_from(self.times.watch.as_millis() / 5).unwrap_or(u64::MAX).max(1);
        let time = self.times.watch + Duration::from_millis(random() % spread);
        let query = format!(
            "watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
            escaped(version),
            time.as_secs().max(1)
        );
        let uri = self.uri(&query).await?;
        let mut lines = match self.api.lines(&uri, accept).await {
            Err(ApiError::Refused { code: 410, .. }) => return Ok(End::Forgotten),
            lines => lines?,
        };
        self.reporter.connected();
        let deadline = Instant::now() + time + self.times.grace;
        loop {
            let Ok(line) = timeout_at(deadline, lines.next()).await else {
                self.api.forget();
                return Ok(End::Over);
            };
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(End::Over),
                Err(error) => {
                    tracing::debug!(resource = self.resource.plural, %error, "a watch broke");
                    self.api.forget();
                    return Ok(End::Over);
                }
            };
            let change: Change<T> = match serde_json::from_slice(&line).map_err(malformed)? {
                Line::Added(object) | Line::Modified(object) => Change::Put(object),
                Line::Deleted(object) => Change::Gone(object),
                Line::Bookmark(mark) => {
                    *version = mark.metadata.resource_version;
                    continue;
                }
                Line::Error(refusal) if refusal.code == 410 => return Ok(End::Forgotten),
                Line::Error(refusal) => {
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

    /// Half the pause and a random part of it, and the next one is twice as long.
    async fn wait(&mut self) {
        let half = self.pause / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        sleep(half + Duration::from_millis(random() % spread)).await;
        self.pause = (self.pause * 2).min(self.times.last_pause);
    }
}

/// What an administrator has to write: `verb` was refused, and all of `verbs` are needed.
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

/// The API server answers 404 for a kind that nobody defined there.
fn unknown(resource: &Resource) -> String {
    let (group, version) = resource.group.unwrap_or_default();
    format!(
        "this cluster has no {}.{group} of version {version}: leave discovery.read_resource out",
        resource.plural
    )
}

fn malformed(error: serde_json::Error) -> ApiError {
    // Without the text: it may hold a secret.
    ApiError::Malformed(format!("{:?} error at column {}", error.classify(), error.column()))
}

pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
