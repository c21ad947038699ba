//! What sessions do: `/sessions` of the HTTP port.

use crate::dialogue::{eventually, patient};
use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use serde_json::Value;

async fn sessions(proxy: &Proxy) -> Vec<Value> {
    let page: Value = serde_json::from_str(&proxy.get("/sessions").await.unwrap().1).unwrap();
    page["sessions"].as_array().unwrap().clone()
}

async fn session(proxy: &Proxy, id: u32) -> Value {
    let all = sessions(proxy).await;
    all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("{id} is not among {all:#?}")).clone()
}

#[tokio::test]
async fn sessions_show_who_they_are_and_what_they_do() {
    let cluster = Cluster::mariadb(1).await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    let mut client = connect(proxy.rw, "app", "app", "test").await.unwrap();
    let id = client.id();

    client.query_drop("SELECT 'secret'").await.unwrap();
    let idle = eventually("the session is idle", async || {
        Some(session(&proxy, id).await).filter(|now| now["state"] == "idle")
    })
    .await;
    assert_eq!(
        (&idle["user"], &idle["schema"], &idle["mode"]),
        (&"app".into(), &"test".into(), &"primary".into())
    );
    assert_eq!(idle["statement"], "SELECT ?");
    assert_eq!((&idle["server"], &idle["pins"]), (&Value::Null, &Value::Array(Vec::new())));
    assert!(idle["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{idle}");

    client.query_drop("USE information_schema").await.unwrap();
    client.query_drop("BEGIN").await.unwrap();
    client.query_drop("SET @a = UUID()").await.unwrap();
    let pinned = session(&proxy, id).await;
    assert_eq!((&pinned["schema"], &pinned["kept_replica"]), (&"information_schema".into(), &Value::Null));
    assert_eq!(pinned["kept_primary"], "db-0", "{pinned}");
    let pins = pinned["pins"].as_array().unwrap();
    assert!(pins.contains(&"transaction".into()) && pins.contains(&"user_variable".into()), "{pinned}");

    let sleeping = tokio::spawn(async move {
        client.query_drop("SELECT SLEEP(600)").await.unwrap_err();
    });
    let runs = eventually("the statement runs", async || {
        Some(session(&proxy, id).await).filter(|now| now["state"] == "runs")
    })
    .await;
    assert_eq!((&runs["statement"], &runs["server"]), (&"SELECT `SLEEP` (?)".into(), &"db-0".into()));

    let mut other = connect(proxy.rw, "app", "app", "test").await.unwrap();
    other.query_drop(format!("KILL {id}")).await.unwrap();
    sleeping.await.unwrap();
    eventually("the killed session is gone", async || {
        sessions(&proxy).await.iter().all(|one| one["id"] != id).then_some(())
    })
    .await;
    other.disconnect().await.unwrap();
}
