//! Every text that is known to change a server, sent to the read-only port: the replica, or the primary as
//! its fallback, stays as it was.

use super::client::{Answer, Bytes};
use super::corpus::{self, Entry};
use super::scene::{Scene, bytes};
use super::state::{State, changes};
use crate::support::Cluster;

#[tokio::test]
async fn attacks_change_nothing_on_mariadb() {
    change_nothing(Scene::new(Cluster::mariadb(1).await).await, corpus::attacks(), &["super", "app"]).await;
}

#[tokio::test]
async fn attacks_change_nothing_on_mysql() {
    if let Some(cluster) = Cluster::mysql(1).await {
        change_nothing(Scene::new(cluster).await, corpus::attacks(), &["super", "app"]).await;
    }
}

#[tokio::test]
async fn attacks_change_nothing_on_a_primary_of_mariadb() {
    change_nothing(Scene::new(Cluster::mariadb(0).await).await, corpus::attacks(), &["super", "app"]).await;
}

#[tokio::test]
async fn attacks_change_nothing_on_a_primary_of_mysql() {
    if let Some(cluster) = Cluster::mysql(0).await {
        change_nothing(Scene::new(cluster).await, corpus::attacks(), &["super", "app"]).await;
    }
}

#[tokio::test]
async fn opaque_views_change_nothing_for_administrators_on_mariadb() {
    let scene = Scene::with_opaque_views(Cluster::mariadb(1).await).await;
    change_nothing(scene, attacks_by_views(), &["super"]).await;
}

#[tokio::test]
async fn opaque_views_change_nothing_for_administrators_on_mysql() {
    if let Some(cluster) = Cluster::mysql(1).await {
        let scene = Scene::with_opaque_views(cluster).await;
        change_nothing(scene, attacks_by_views(), &["super"]).await;
    }
}

/// An ordinary account may read such views: see docs/read-only-port.md.
fn attacks_by_views() -> Vec<Entry> {
    let mut all = corpus::attacks();
    all.retain(|entry| entry.sql.contains("v_"));
    assert!(all.len() > 20, "the attacks by views have other names");
    all
}

async fn change_nothing(mut scene: Scene, attacks: Vec<Entry>, accounts: &[&str]) {
    let mut before = scene.watched().state().await;
    let (mut failed, mut tried) = (Vec::new(), 0);
    // A text for the other server is tried, too: this one may read it.
    for entry in attacks {
        let ways = accounts.iter().flat_map(|account| [(*account, false), (*account, true)]);
        for (account, prepared) in ways {
            scene.refresh().await;
            let answers = play(&scene, &entry, account, prepared, &before).await;
            tried += 1;
            let after = scene.watched().state().await;
            let found = changes(&before, &after);
            if !found.is_empty() {
                let how = if prepared { "prepared" } else { "text" };
                failed.push(format!(
                    "{} | {:?} | {account}, {how}: {:?}\n    {}\n    {found:?}",
                    entry.name, entry.server, answers, entry.sql
                ));
                scene.watched().restore(&before).await;
                scene.refresh().await;
                before = scene.watched().state().await;
            }
        }
    }
    assert!(failed.is_empty(), "{} of {tried} got through:\n{}", failed.len(), failed.join("\n"));
}

/// Plays one attack in a session of its own.
async fn play(scene: &Scene, entry: &Entry, account: &str, prepared: bool, state: &State) -> Vec<Answer> {
    let (collation, script) = match entry.sql.strip_prefix("-- collation: ") {
        Some(rest) => {
            let (id, script) = rest.split_once('\n').expect("a statement");
            (Some(id.parse().expect("a collation's number")), script)
        }
        None => (None, entry.sql),
    };
    // A port that refuses the login's character set is safe, too.
    let Ok(mut session) = Bytes::login(scene.proxy.ro, account, collation).await else { return Vec::new() };
    let places = scene.places(state);
    let mut answers = Vec::new();
    for sql in script.split("\n-- then\n") {
        let sql = places.fill(&bytes(sql));
        answers.push(if prepared { session.prepared(&sql).await } else { session.text(&sql).await });
    }
    answers
}
