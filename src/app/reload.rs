//! Replaces the live part of the configuration, on SIGHUP and when the file changes. If
//! the file has a mistake, it is reported, and the running configuration stays.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::served::Served;
use super::watch_files::FileWatch;
use crate::config::{AuditEvents, Config, Live, Secret, SecretRef, SecretUse};
use crate::discovery::SecretValues;
use crate::telemetry::{AuditRecord, AuditSender, ReloadMetrics};
use crate::terms::AuditKind;

/// After the file was refused, it is tried again at this interval.
const RETRY: Duration = Duration::from_secs(3);

/// Why the file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// SIGHUP.
    Signal,
    /// The console. Its own record says who it was.
    Console,
    /// The file, or a file that it names, changed; or it was refused, and is tried again.
    File,
}

/// What a reload changed, or why the file was refused.
type ReloadOutcome = Result<String, String>;

/// The running configuration and its sources.
pub(super) struct Reloader {
    path: PathBuf,
    running: Config,
    live: watch::Sender<Arc<Live>>,
    files: FileWatch,
    secrets: Secrets,
    metrics: Arc<ReloadMetrics>,
    served: Served,
    /// Why the file was refused last; None once a file was accepted.
    refused: Option<String>,
    /// Requests of the console to reload.
    asked: mpsc::UnboundedReceiver<oneshot::Sender<ReloadOutcome>>,
    /// Where the events of the audit log go.
    audit: Option<AuditSender>,
}

/// The settings that come from Kubernetes: the Secrets that the configuration names, and the zone of the node.
pub(super) struct Secrets {
    /// Sends the names of the Secrets to watch.
    wanted: watch::Sender<BTreeSet<Arc<str>>>,
    /// The contents of the Secrets; None without Kubernetes.
    values: Option<watch::Receiver<SecretValues>>,
    /// The zone of the node that this process runs on; the default of `replicas.zone`.
    own_zone: Option<watch::Receiver<Option<Arc<str>>>>,
    /// The last usable password of each key of a Secret: it stays in effect while the key is empty.
    usable: HashMap<SecretRef, Secret>,
    /// The uses whose password is empty, which the log has already reported.
    empty: Vec<SecretUse>,
}

impl Secrets {
    /// Makes the settings for a configuration. Nothing is watched yet.
    pub fn of(config: &Config) -> Self {
        let wanted = watch::channel(names(config)).0;
        Secrets { wanted, values: None, own_zone: None, usable: HashMap::new(), empty: Vec::new() }
    }

    /// Returns the names of the Secrets to watch.
    pub fn wanted(&self) -> watch::Receiver<BTreeSet<Arc<str>>> {
        self.wanted.subscribe()
    }

    /// Sets where the contents of the Secrets come from.
    pub fn watched(&mut self, values: watch::Receiver<SecretValues>) {
        self.values = Some(values);
    }

    /// Sets where the zone of the node comes from.
    pub fn zone_is(&mut self, own_zone: watch::Receiver<Option<Arc<str>>>) {
        self.own_zone = Some(own_zone);
    }

    /// Returns the live part of the configuration, completed from the Secrets and the zone of the node.
    pub fn fill(&mut self, config: &Config) -> Live {
        let values = self.values.as_ref().map(|values| values.borrow().clone()).unwrap_or_default();
        self.usable.retain(|at, _| config.secrets.iter().any(|used| used.at == *at));
        self.empty.retain(|empty| config.secrets.contains(empty));
        let mut live = config.live_with(|used| {
            self.password(used, values.get(&used.at), config.allows_empty_password(&used.account))
        });
        if let (None, Some(own)) = (&live.replicas.zone, &self.own_zone) {
            live.replicas.zone = own.borrow().clone();
        }
        live
    }

    /// Returns the password of an account whose Secret has the value `held`. An empty password is not accepted: the
    /// running password stays, and without one the account cannot be used.
    fn password(&mut self, used: &SecretUse, held: Option<&Secret>, allow_empty: bool) -> Option<Secret> {
        let is_empty = held.is_some_and(|held| held.is_empty() && !allow_empty);
        if !is_empty {
            self.empty.retain(|empty| empty != used);
            match held {
                // An empty password that is allowed for this account is not stored: another account may name the same
                // key, and must not get an empty password.
                Some(held) if held.is_empty() => {}
                Some(held) => _ = self.usable.insert(used.at.clone(), held.clone()),
                None => _ = self.usable.remove(&used.at),
            }
            return held.cloned();
        }
        let running = self.usable.get(&used.at).cloned();
        if !self.empty.contains(used) {
            let stays = if running.is_some() { "the running password stays" } else { "nobody can use it" };
            tracing::error!(
                account = %used.account,
                secret = %used.at,
                "the password in the Secret is empty: {stays}; \
                 write the password, or allow_empty_password = true"
            );
            self.empty.push(used.clone());
        }
        running
    }

    /// Waits until every Secret was seen, at most for `patience`: a Secret may not exist.
    pub async fn complete(&mut self, config: &Config, patience: Duration) {
        let Some(values) = &mut self.values else { return };
        let all = |values: &SecretValues| config.secrets.iter().all(|used| values.contains_key(&used.at));
        let _ = timeout(patience, values.wait_for(all)).await;
    }

    /// Waits for a change, and returns what changed, for the log.
    async fn changed(&mut self) -> &'static str {
        tokio::select! {
            () = change(&mut self.values) => "Secrets",
            () = change(&mut self.own_zone) => "the own node",
        }
    }
}

/// Waits for a change. Never returns if there is no receiver, or its sender is gone.
async fn change<T>(of: &mut Option<watch::Receiver<T>>) {
    let changed = match of {
        Some(of) => of.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending().await
    }
}

fn names(config: &Config) -> BTreeSet<Arc<str>> {
    config.secrets.iter().map(|used| used.at.name.clone()).collect()
}

impl Reloader {
    /// `running` was read from `path`; `live` publishes the settings.
    pub fn new(
        path: PathBuf,
        running: Config,
        live: watch::Sender<Arc<Live>>,
        secrets: Secrets,
        metrics: Arc<ReloadMetrics>,
        served: Served,
    ) -> Self {
        // Starts with an empty list of files, so that the first check reloads once; silently if
        // nothing changed since the file was read at the start.
        let files = FileWatch::new(Vec::new());
        let asked = mpsc::unbounded_channel().1;
        let audit = None;
        let mut reloader =
            Reloader { path, running, live, files, secrets, metrics, served, refused: None, asked, audit };
        reloader.watch_sources();
        let live = reloader.live.borrow().clone();
        reloader.served.shows(reloader.running.shown_with(&live));
        reloader
    }

    /// Sets where the console asks for a reload.
    #[cfg(feature = "console")]
    pub fn asked_by(&mut self, asked: mpsc::UnboundedReceiver<oneshot::Sender<ReloadOutcome>>) {
        self.asked = asked;
    }

    /// Sets where the events of the audit log go.
    pub fn with_audit(mut self, audit: AuditSender) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Records a reload, if the audit log wants such events.
    fn record(&self, by: Trigger, failed: bool) {
        let user = match by {
            Trigger::Signal => "signal",
            Trigger::File => "file",
            Trigger::Console => return,
        };
        if let Some(audit) = &self.audit
            && self.live.borrow().audit.recorded().contains(AuditEvents::ACTIONS)
        {
            let mut record = AuditRecord::now(AuditKind::Action, 0, user, None);
            (record.statement, record.outcome.failed) = ("RELOAD".into(), failed);
            audit.record(record);
        }
    }

    /// Reloads until the future is dropped.
    pub async fn run(mut self, mut hangup: Signal) {
        loop {
            let by = tokio::select! {
                _ = hangup.recv() => Trigger::Signal,
                () = self.files.changed() => Trigger::File,
                Some(reply) = self.asked.recv() => {
                    // The console may be gone.
                    let _ = reply.send(self.reload_for_console());
                    continue;
                }
                of = self.secrets.changed() => {
                    self.publish(of);
                    continue;
                }
                () = self.served.overdue() => {
                    self.served.give_up();
                    continue;
                }
                // A refused file may name a secret file that arrives later.
                () = sleep(RETRY), if self.refused.is_some() => Trigger::File,
            };
            self.reload(by);
        }
    }

    /// Reloads the file, and says what changed.
    fn reload_for_console(&mut self) -> ReloadOutcome {
        let before = self.live.borrow().clone();
        self.reload(Trigger::Console);
        if let Some(error) = &self.refused {
            return Err(format!("configuration not reloaded: {error}"));
        }
        let changes = before.changes(&self.live.borrow());
        Ok(match changes.is_empty() {
            true => "configuration reloaded: nothing changed".to_owned(),
            false => format!("configuration reloaded: {}", changes.join(", ")),
        })
    }

    /// Reloads the file. If an operator requested it, the logs have it even if nothing changed.
    pub fn reload(&mut self, by: Trigger) {
        let requested = by != Trigger::File;
        let new = match Config::load(&self.path) {
            Ok(new) => new,
            Err(error) => return self.refuse(error.to_string(), by),
        };
        let kind = |config: &Config| std::mem::discriminant(&config.fixed.discovery);
        if kind(&new) != kind(&self.running) {
            // This process cannot watch the servers of another kind of discovery, and perhaps not its secrets.
            let error =
                "discovery.kind changed, which needs a restart; nothing of the file is taken over before";
            return self.refuse(error.to_owned(), by);
        }
        let new = self.with_running_levels(new);
        self.refused = None;
        self.metrics.done.add(1);
        self.metrics.stale.sub(self.metrics.stale.get());
        let restart = self.running.fixed.changes(&new.fixed);
        if !restart.is_empty() {
            let keys = restart.join(", ");
            tracing::warn!(keys, "these keys changed and need a restart; the running values stay");
        }
        let changes = self.running.live.changes(&new.live);
        if !changes.is_empty() {
            tracing::info!(changed = changes.join(", "), "configuration reloaded");
        } else if requested && restart.is_empty() {
            tracing::info!("configuration reloaded: nothing changed");
        }
        if requested || !changes.is_empty() || !restart.is_empty() {
            self.record(by, false);
        }
        self.running.live = new.live;
        self.running.sources = new.sources;
        self.running.secrets = new.secrets;
        self.secrets.wanted.send_if_modified(|wanted| {
            let names = names(&self.running);
            let differs = *wanted != names;
            *wanted = names;
            differs
        });
        self.publish("");
        self.served.now(&new.fingerprint);
        self.watch_sources();
    }

    /// Keeps the running level of listeners that the new file does not have, or has under another name: they still run.
    fn with_running_levels(&self, mut new: Config) -> Config {
        let stays = |name: &str| !new.fixed.listeners.iter().any(|listener| *listener.name == *name);
        let running = self.running.live.listener_levels.iter();
        let kept: Vec<_> =
            running.filter(|(name, _)| stays(name)).map(|(n, level)| (n.clone(), *level)).collect();
        new.live.listener_levels.extend(kept);
        new
    }

    /// Publishes the settings, completed from Kubernetes, if they changed. `of` names the source of the change in the
    /// log; empty for the file.
    fn publish(&mut self, of: &str) {
        let live = self.secrets.fill(&self.running);
        self.served.shows(self.running.shown_with(&live));
        if **self.live.borrow() == live {
            return;
        }
        if !of.is_empty() {
            let changed = self.live.borrow().changes(&live).join(", ");
            tracing::info!(changed, of, "taken over from Kubernetes");
        }
        self.live.send_replace(Arc::new(live));
    }

    fn refuse(&mut self, error: String, by: Trigger) {
        if by != Trigger::File || self.refused.as_ref() != Some(&error) {
            for problem in error.lines() {
                tracing::error!(file = %self.path.display(), "configuration not reloaded: {problem}");
            }
            self.metrics.failed.add(1);
            self.record(by, true);
        }
        self.metrics.stale.add(u64::from(self.refused.is_none()));
        self.refused = Some(error);
    }

    fn watch_sources(&mut self) {
        let own = std::iter::once(self.path.clone());
        self.files.watch(own.chain(self.running.sources.iter().cloned()).collect());
    }
}
