//! Secrets by name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::server::{ApiServer, Mood};
use super::watching::TIMES;
use super::*;
use crate::config::SecretRef;
use crate::discovery::kubernetes::Access;
use crate::discovery::kubernetes::secrets::{SecretValues, WatchedSecrets, watch_in};

/// `data` is base64.
fn secret(name: &str, data: &[(&str, &str)]) -> Value {
    let data: serde_json::Map<_, _> =
        data.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({"kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": data})
}

struct Play {
    api: ApiServer,
    wanted: watch::Sender<BTreeSet<Arc<str>>>,
    watched: WatchedSecrets,
}

impl Play {
    fn value(&self, name: &str, key: &str) -> Option<String> {
        get(&self.watched.values.borrow(), name, key)
    }

    async fn is(&mut self, name: &str, key: &str, value: Option<&str>) {
        let wanted = |values: &SecretValues| get(values, name, key).as_deref() == value;
        let seen = timeout(Duration::from_secs(20), self.watched.values.wait_for(wanted)).await.is_ok();
        assert!(seen, "{name}/{key} is {:?}", self.value(name, key));
    }
}

fn get(values: &SecretValues, name: &str, key: &str) -> Option<String> {
    let at = SecretRef { name: name.into(), key: key.into() };
    values.get(&at).map(|secret| secret.expose().to_owned())
}

async fn play(wanted: &[&str], test: impl AsyncFnOnce(Play)) {
    LocalSet::new()
        .run_until(async {
            let api = ApiServer::start().await;
            api.put(secret("ops", &[("monitor", "b25l"), ("newline", "b25lCg=="), ("noise", "/w==")]));
            let access = Access::Given(Box::new(api.config()));
            let wanted = watch::Sender::new(wanted.iter().map(|name| Arc::from(*name)).collect());
            let watched = watch_in(Some("ns".into()), access, wanted.subscribe(), TIMES);
            test(Play { api, wanted, watched }).await;
        })
        .await;
}

#[tokio::test]
async fn a_rotated_password_is_heard() {
    play(&["ops"], async |mut p| {
        p.is("ops", "monitor", Some("one")).await;
        assert_eq!(p.value("ops", "newline").as_deref(), Some("one"));
        assert_eq!(p.value("ops", "noise"), None, "not a text");
        assert!(p.api.asked("/api/v1/namespaces/ns/secrets?limit=500&fieldSelector=metadata.name%3Dops") > 0);
        p.api.put(secret("ops", &[("monitor", "dHdv")]));
        p.is("ops", "monitor", Some("two")).await;
        assert_eq!(p.value("ops", "newline"), None);
        // Deleted and created again: nobody is locked out in between.
        p.api.delete("ops");
        p.api.put(secret("apps", &[]));
        p.api.put(secret("ops", &[("monitor", "b25l")]));
        p.is("ops", "monitor", Some("one")).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_wanted_can_change() {
    play(&[], async |mut p| {
        assert_eq!(p.api.asked("secrets"), 0, "nobody asks without need");
        p.wanted.send_replace(BTreeSet::from(["ops".into()]));
        p.is("ops", "monitor", Some("one")).await;
        p.wanted.send_replace(BTreeSet::new());
        p.is("ops", "monitor", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_refusal_names_the_secret() {
    play(&["ops"], async |mut p| {
        p.is("ops", "monitor", Some("one")).await;
        p.api.mood(Mood::Forbids);
        let mut state = p.watched.state.clone();
        let state = state.wait_for(|state| state.error.is_some()).await.unwrap().clone();
        let error = state.error.unwrap();
        assert!(error.contains("may not watch secrets in namespace ns"), "{error}");
        assert!(error.contains("resourceNames: [\"ops\"]"), "{error}");
        assert_eq!(p.value("ops", "monitor").as_deref(), Some("one"), "what is known stays");
    })
    .await;
}

#[test]
fn nothing_shows_a_secret() {
    let values = SecretValues::new(
        [(SecretRef { name: "a".into(), key: "b".into() }, crate::config::Secret::new("hush"))].into(),
    );
    assert!(!format!("{values:?}").contains("hush"));
}
