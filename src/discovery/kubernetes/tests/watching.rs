//! Lists and watches, and how an API server can fail.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::server::{ApiServer, Mood};
use super::*;
use crate::discovery::kubernetes::watcher::Times;
use crate::discovery::kubernetes::{Access, WatchState, Watched, watch_in};

const ROLE: &str = "moco.cybozu.com/role";
pub(super) const TIMES: Times = Times {
    watch: Duration::from_secs(1),
    grace: Duration::from_millis(200),
    first_pause: Duration::from_millis(5),
    last_pause: Duration::from_millis(50),
    healthy: Duration::from_millis(500),
};

struct Play {
    api: ApiServer,
    watched: Watched,
}

async fn play(pods: &[(&str, &str)], test: impl AsyncFnOnce(Play)) {
    let local = LocalSet::new();
    local
        .run_until(async {
            let api = ApiServer::start().await;
            for (name, role) in pods {
                api.put(pod(name, &[(ROLE, role)]));
            }
            let access = Access::Given(Box::new(api.config()));
            let watched = watch_in(&settings(Preset::Moco), access, Some("node-1".into()), TIMES);
            test(Play { api, watched }).await;
        })
        .await;
}

impl Play {
    fn put(&self, name: &str, role: &str) {
        self.api.put(pod(name, &[(ROLE, role)]));
    }

    /// Waits until the servers are these; names, with `*` behind a primary.
    async fn servers_are(&mut self, wanted: &[&str]) {
        let names = |list: &[Discovered]| -> Vec<String> {
            list.iter()
                .map(|s| format!("{}{}", s.name, if s.label == Some(Label::Primary) { "*" } else { "" }))
                .collect()
        };
        let is = |list: &Option<std::sync::Arc<Vec<Discovered>>>| {
            list.as_ref().is_some_and(|list| names(list) == wanted)
        };
        if timeout(Duration::from_secs(20), self.watched.servers.wait_for(is)).await.is_err() {
            let now = self.watched.servers.borrow().clone();
            panic!("wanted {wanted:?}, there is {:?}", now.map(|list| names(&list)));
        }
    }

    fn state(&self) -> watch::Receiver<WatchState> {
        self.watched.states[0].clone()
    }

    async fn state_is(&self, what: impl Fn(&WatchState) -> bool) -> WatchState {
        let mut state = self.state();
        let seen = timeout(Duration::from_secs(20), state.wait_for(|state| what(state))).await;
        match seen {
            Ok(seen) => seen.unwrap().clone(),
            Err(_) => panic!("the state never came: {:?}", self.watched.states[0].borrow()),
        }
    }
}

#[tokio::test]
async fn a_list_in_pages_is_told_once_and_changes_follow() {
    let pods = [
        ("db-0", "primary"),
        ("db-1", "replica"),
        ("db-2", "replica"),
        ("db-3", "replica"),
        ("db-4", "replica"),
    ];
    play(&pods, async |mut p| {
        assert!(p.watched.servers.borrow().is_none(), "nothing is known yet, which is not: no servers");
        p.watched.servers.changed().await.unwrap();
        p.servers_are(&["db-0*", "db-1", "db-2", "db-3", "db-4"]).await;
        assert_eq!(p.api.asked("limit="), 3, "three pages");
        assert!(p.api.asked("labelSelector=app.kubernetes.io%2Fname%3Dmysql%2Capp") > 0);
        assert!(p.api.asked("/api/v1/namespaces/ns/pods?") > 0);
        p.put("db-0", "replica");
        p.put("db-1", "primary");
        p.servers_are(&["db-0", "db-1*", "db-2", "db-3", "db-4"]).await;
        p.api.delete("db-2");
        p.put("db-5", "replica");
        p.servers_are(&["db-0", "db-1*", "db-3", "db-4", "db-5"]).await;
        let state = p.state_is(|s| s.connected).await;
        assert_eq!((state.lists, state.failures, state.error), (1, 0, None));
        let looks_for = state.looks_for.unwrap_or_default();
        assert!(looks_for.starts_with("pods with the labels app.kubernetes.io/name=mysql,"), "{looks_for}");
        assert!(looks_for.ends_with(" in namespace ns"), "{looks_for}");
    })
    .await;
}

#[tokio::test]
async fn watches_end_and_go_on_where_they_were() {
    play(&[("db-0", "primary")], async |mut p| {
        p.servers_are(&["db-0*"]).await;
        p.api.bookmark();
        let watches = p.api.asked("watch=1");
        // The watch's time is over, and the next one begins after the bookmark.
        while p.api.asked("watch=1") < watches + 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(p.api.asked("resourceVersion=102") > 0);
        p.put("db-1", "replica");
        p.servers_are(&["db-0*", "db-1"]).await;
        assert_eq!(p.state_is(|s| s.connected).await.lists, 1);
    })
    .await;
}

#[tokio::test]
async fn while_the_api_is_away_the_last_list_stays() {
    play(&[("db-0", "primary"), ("db-1", "replica")], async |mut p| {
        p.servers_are(&["db-0*", "db-1"]).await;
        p.api.kill();
        let state = p.state_is(|s| !s.connected && s.failures > 2).await;
        assert!(state.error.unwrap().contains("cannot be reached"));
        p.put("db-1", "primary");
        p.put("db-0", "replica");
        assert_eq!(p.watched.servers.borrow_and_update().as_ref().unwrap().len(), 2);
        p.api.restart().await;
        p.servers_are(&["db-0", "db-1*"]).await;
        let state = p.state_is(|s| s.connected).await;
        assert_eq!((state.lists, state.error), (1, None), "it went on where it was");
    })
    .await;
}

#[tokio::test]
async fn a_forgotten_place_is_a_new_list_and_one_difference() {
    play(&[("db-0", "primary"), ("db-1", "replica"), ("db-2", "replica")], async |mut p| {
        p.servers_are(&["db-0*", "db-1", "db-2"]).await;
        p.api.kill();
        p.state_is(|s| !s.connected).await;
        p.api.delete("db-2");
        p.put("db-0", "replica");
        p.put("db-1", "primary");
        p.put("db-3", "replica");
        p.api.forget();
        p.watched.servers.mark_unchanged();
        p.api.restart().await;
        p.watched.servers.changed().await.unwrap();
        let told = p.watched.servers.borrow_and_update().clone().unwrap();
        let names: Vec<_> = told.iter().map(|s| &*s.name).collect();
        assert_eq!(names, ["db-0", "db-1", "db-3"], "all of it at once");
        assert_eq!(p.state_is(|s| s.connected).await.lists, 2);
    })
    .await;
}

#[tokio::test]
async fn a_new_list_that_says_the_same_is_told_nobody() {
    play(&[("db-0", "primary"), ("db-1", "replica")], async |mut p| {
        p.servers_are(&["db-0*", "db-1"]).await;
        p.api.forget();
        p.put("db-0", "primary");
        p.state_is(|s| s.lists == 2 && s.connected).await;
        assert!(!p.watched.servers.has_changed().unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_refusal_names_what_would_allow_it() {
    play(&[("db-0", "primary")], async |mut p| {
        p.servers_are(&["db-0*"]).await;
        p.api.mood(Mood::Forbids);
        let state = p.state_is(|s| !s.connected).await;
        let error = state.error.unwrap();
        for part in [
            "may not watch pods in namespace ns",
            "a Role",
            "\"pods\"",
            "\"get\", \"list\", \"watch\"",
            "User \"sa\"",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert_eq!(p.watched.servers.borrow().as_ref().unwrap().len(), 1, "what is known stays");
        p.api.mood(Mood::Well);
        p.put("db-1", "replica");
        p.servers_are(&["db-0*", "db-1"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_watch_that_hangs_is_given_up() {
    play(&[("db-0", "primary")], async |mut p| {
        p.servers_are(&["db-0*"]).await;
        p.state_is(|s| s.connected).await;
        let watches = p.api.asked("watch=1");
        p.api.mood(Mood::Hangs);
        while p.api.asked("watch=1") == watches {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        p.api.mood(Mood::Well);
        p.put("db-1", "replica");
        p.servers_are(&["db-0*", "db-1"]).await;
    })
    .await;
}

#[tokio::test]
async fn without_a_namespace_it_is_the_proxys_own() {
    LocalSet::new()
        .run_until(async {
            let api = ApiServer::start().await;
            let access = Access::Given(Box::new(api.config()));
            let settings = Kubernetes { namespace: None, read_nodes: true, ..settings(Preset::Moco) };
            let mut watched = watch_in(&settings, access, Some("node-1".into()), TIMES);
            watched.servers.wait_for(Option::is_some).await.unwrap();
            assert!(api.asked("/api/v1/namespaces/own/pods?") > 0);
            watched.states[1].wait_for(|s| s.connected).await.unwrap();
            assert!(api.asked("/api/v1/nodes?limit") > 0);
            let mut state = watched.states[0].clone();
            drop(watched);
            state.wait_for(|_| false).await.expect_err("they end with the last receiver");
        })
        .await;
}
