//! Every text that is known to change a server, sent to the read-only port: the replica stays as it was.

use super::client::{Answer, Bytes};
use super::corpus::{self, Entry, Server};
use super::scene::{Scene, bytes};
use super::state::{State, changes};
use crate::support::{Cluster, Kind};

#[tokio::test]
async fn attacks_change_nothing_on_mariadb() {
    change_nothing(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn attacks_change_nothing_on_mysql() {
    if let Some(cluster) = Cluster::mysql(1).await {
        change_nothing(cluster).await;
    }
}

async fn change_nothing(cluster: Cluster) {
    let own = if cluster.kind() == Kind::MariaDb { Server::MariaDb } else { Server::MySql };
    let mut scene = Scene::new(cluster).await;
    let mut before = scene.watched().state().await;
    let (mut failed, mut open, mut tried) = (Vec::new(), Vec::new(), 0);
    // A text for the other server is tried, too: this one may read it.
    for entry in corpus::attacks() {
        let mut changed = false;
        for (account, prepared) in [("super", false), ("super", true), ("app", false), ("app", true)] {
            scene.refresh().await;
            let answers = play(&scene, &entry, account, prepared, &before).await;
            tried += 1;
            let after = scene.watched().state().await;
            let found = changes(&before, &after);
            if !found.is_empty() {
                changed = true;
                let how = if prepared { "prepared" } else { "text" };
                let line = format!(
                    "{} | {account}, {how}: {:?}\n    {}\n    {found:?}",
                    entry.name, answers, entry.sql
                );
                if entry.open {
                    open.push(line)
                } else {
                    failed.push(line)
                }
                scene.watched().restore(&before).await;
                scene.refresh().await;
                before = scene.watched().state().await;
            }
        }
        if entry.open && !changed && (entry.server == Server::Both || entry.server == own) {
            eprintln!("no longer open: {}: {}", entry.name, entry.sql);
        }
    }
    eprintln!("{tried} attacks on {own:?}; known to get through:\n{}", open.join("\n"));
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
