//! Events of pods, for `kubectl describe pod` and `kubectl get events`. The caller does not wait: Events are
//! posted one after the other. An Event that the API server does not accept in a few tries is dropped and
//! logged.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::api::{Access, Api, ApiError};
use super::watcher::{Resource, forbidden};

/// The maximum number of Events that wait.
const QUEUE: usize = 64;
/// How often an Event is tried. With the pauses this takes a quarter of a minute: an API server that restarts
/// is away for seconds.
const TRIES: u32 = 5;
/// The longest message that the API server accepts, in bytes.
const LONGEST_MESSAGE: usize = 1024;
/// The component that reports the Events.
const COMPONENT: &str = "pointsman";
/// The action. The API server requires it with an exact time; no command shows it.
const ACTION: &str = "FollowPrimary";

/// The same happens to the same pod at most once in a period of this length, as far as Events tell.
const SAME_CHANGE_MS: u64 = 10_000;

/// Something that happened to a pod.
#[derive(Debug, Clone)]
pub struct PodEvent {
    /// The pod's name.
    pub pod: Arc<str>,
    /// The pod's uid, by which `kubectl describe` distinguishes pods of the same name; empty: unknown.
    pub uid: Arc<str>,
    /// True for a warning.
    pub warning: bool,
    /// The reason: one word for machines.
    pub reason: &'static str,
    /// The message for people.
    pub message: String,
    /// When it happened (Unix time in milliseconds).
    pub at_ms: u64,
}

/// The queue of Events to post.
pub struct PodEvents {
    queue: mpsc::Sender<PodEvent>,
}

/// The time limit and pause of posting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The time limit of one request.
    pub patience: Duration,
    /// The pause after the first failure; each further pause is twice as long.
    pub first_pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { patience: Duration::from_secs(5), first_pause: Duration::from_secs(1) }
    }
}

impl PodEvents {
    /// Starts posting on the current thread, inside its `LocalSet`, until dropped. The pods are in
    /// `namespace`, or in the process's own; `proxy` is the name of the reporting instance.
    pub fn start(namespace: Option<Arc<str>>, access: Access, proxy: String) -> Self {
        Self::start_at(namespace, access, proxy, Pace::default())
    }

    pub(super) fn start_at(namespace: Option<Arc<str>>, access: Access, proxy: String, pace: Pace) -> Self {
        let (queue, mut events) = mpsc::channel(QUEUE);
        let resource = Resource {
            group: None,
            plural: "events",
            namespace: namespace.map(|namespace| namespace.to_string()),
            cluster_wide: false,
            metadata_only: false,
            selector: String::new(),
            name: None,
        };
        let mut poster = Poster { api: Api::new(access), resource, proxy, pace, refused: false };
        spawn_local(async move {
            while let Some(event) = events.recv().await {
                poster.deliver(event).await;
            }
        });
        PodEvents { queue }
    }

    /// Queues an Event without waiting; drops it if the queue is full.
    pub fn post(&self, event: PodEvent) {
        if self.queue.try_send(event).is_err() {
            tracing::warn!("the Kubernetes API does not keep up: an Event of a pod is dropped");
        }
    }
}

struct Poster {
    api: Api,
    resource: Resource,
    proxy: String,
    pace: Pace,
    /// True if a missing permission was already logged.
    refused: bool,
}

impl Poster {
    async fn deliver(&mut self, event: PodEvent) {
        let name = name_of(&event);
        let mut pause = self.pace.first_pause;
        for tries in 1.. {
            let error = match self.post(&name, &event).await {
                Ok(()) | Err(ApiError::Refused { code: 409, .. }) => {
                    self.refused = false;
                    return;
                }
                Err(error) => error,
            };
            if tries >= TRIES || is_final(&error) {
                return self.gives_up(&event, &error);
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    async fn post(&self, name: &str, event: &PodEvent) -> Result<(), ApiError> {
        let namespace = match &self.resource.namespace {
            Some(namespace) => namespace.clone(),
            None => self.api.own_namespace().await?,
        };
        let object = serde_json::to_vec(&self.object(name, &namespace, event));
        let object = object.map_err(|error| ApiError::Malformed(error.to_string()))?;
        self.api.post(&format!("/api/v1/namespaces/{namespace}/events"), object, self.pace.patience).await
    }

    /// Builds an Event of the core group, which both commands read. As `events.k8s.io/v1` it would be the
    /// same object, but without fields that they show: that version accepts neither `source`, which names the
    /// proxy, nor the first and last time.
    fn object(&self, name: &str, namespace: &str, event: &PodEvent) -> Event {
        let at = i64::try_from(event.at_ms).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
        Event {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(event.pod.to_string()),
                namespace: Some(namespace.to_owned()),
                uid: Some(event.uid.to_string()).filter(|uid| !uid.is_empty()),
                ..ObjectReference::default()
            },
            type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(event.reason.to_owned()),
            message: Some(shortened(&event.message).to_owned()),
            count: Some(1),
            first_timestamp: at.map(Time),
            last_timestamp: at.map(Time),
            // The two times above are in whole seconds.
            event_time: at.map(MicroTime),
            action: Some(ACTION.to_owned()),
            source: Some(EventSource {
                component: Some(COMPONENT.to_owned()),
                host: Some(self.proxy.clone()),
            }),
            reporting_component: Some(COMPONENT.to_owned()),
            reporting_instance: Some(self.proxy.clone()),
            ..Event::default()
        }
    }

    /// Logs that an Event was dropped. A missing permission will be missing for the next Event too, so it is
    /// logged once.
    fn gives_up(&mut self, event: &PodEvent, error: &ApiError) {
        let PodEvent { pod, reason, .. } = event;
        let ApiError::Refused { code: 403, message } = error else {
            tracing::warn!(%pod, reason, %error, "an Event of a pod could not be posted");
            return;
        };
        if !std::mem::replace(&mut self.refused, true) {
            let error = forbidden(&self.resource, "create", &["create"], message);
            tracing::warn!(error, "changes of the primary become no Events (notify.events)");
        }
    }
}

/// Returns the Event's name. It is the same in each try, so that an Event whose answer was lost is not posted twice, and the
/// same for all proxies that see the change within one period of `SAME_CHANGE_MS`, so that it becomes one Event.
fn name_of(event: &PodEvent) -> String {
    let mut hasher = DefaultHasher::new();
    (&event.uid, event.reason, event.at_ms / SAME_CHANGE_MS).hash(&mut hasher);
    format!("{:.200}.{:016x}", event.pod, hasher.finish())
}

/// True if another try would be refused, too.
fn is_final(error: &ApiError) -> bool {
    matches!(error, ApiError::Refused { code: 400..=499, .. })
        && !matches!(error, ApiError::Refused { code: 401 | 408 | 429, .. })
}

fn shortened(message: &str) -> &str {
    let end = (0..=LONGEST_MESSAGE).rev().find(|end| message.is_char_boundary(*end));
    end.and_then(|end| message.get(..end)).filter(|_| message.len() > LONGEST_MESSAGE).unwrap_or(message)
}
