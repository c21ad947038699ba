//! Reload: on SIGHUP, on a change of the file, and with a file that is wrong.

use crate::alone;
use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{eventually, refused};
use crate::support::{Cluster, Proxy, connect};
use mysql_async::prelude::Queryable;

fn with_user(config: &str, name: &str, password: &str) -> String {
    format!("{config}\n[[users]]\nname = \"{name}\"\npassword = \"{password}\"\n")
}

#[tokio::test]
async fn users_come_go_and_change_without_a_restart() {
    let cluster = Cluster::mariadb(0).await;
    let config = alone(&cluster).await;
    for user in ["late", "later"] {
        let grant = format!("CREATE USER {user} IDENTIFIED BY 'first'; GRANT ALL ON test.* TO {user}");
        cluster.primary().sql(&grant).await;
    }
    let proxy = Proxy::start(&config).await;
    let mut old = Raw::app(proxy.rw).await;
    assert_eq!(refused(connect(proxy.rw, "late", "first", "test").await).0, 1045);

    // A change of the file is enough.
    let config = with_user(&config, "late", "first");
    proxy.write_config(&config);
    let mut late =
        eventually("the new user can log in", async || connect(proxy.rw, "late", "first", "test").await.ok())
            .await;
    late.query_drop("INSERT INTO t VALUES (2)").await.unwrap();

    // SIGHUP says at once that it was heard.
    let config = with_user(&config, "later", "first");
    proxy.write_config(&config);
    proxy.signal("HUP");
    eventually("the next user can log in", async || connect(proxy.rw, "later", "first", "test").await.ok())
        .await;

    // A user that goes: no new login, the session stays.
    let config = config.replace("name = \"late\"\n", "name = \"other\"\n");
    proxy.write_config(&config);
    proxy.signal("HUP");
    eventually("the user is gone", async || {
        connect(proxy.rw, "late", "first", "test").await.is_err().then_some(())
    })
    .await;
    late.query_drop("INSERT INTO t VALUES (3)").await.expect("who is logged in stays");
    assert_eq!(error_code(&old.query("DO 1").await.unwrap()), 0);
    assert!(proxy.log().contains("configuration reloaded"));
}

#[tokio::test]
async fn a_wrong_file_is_reported_and_changes_nothing() {
    let cluster = Cluster::mariadb(0).await;
    let config = alone(&cluster).await;
    let proxy = Proxy::start(&config).await;
    let mut old = Raw::app(proxy.rw).await;
    for (wrong, said) in [
        (format!("{config}\n[failover]\nhodl = \"1s\"\n"), "hodl"),
        (config.replace("password = \"app\"\n", ""), "app"),
        ("this is no TOML".to_owned(), "configuration not reloaded"),
    ] {
        let before = proxy.log().len();
        proxy.write_config(&wrong);
        proxy.signal("HUP");
        eventually("the log tells", async || {
            let log = proxy.log();
            let new = &log[before..];
            (new.contains("configuration not reloaded") && new.contains(said)).then_some(())
        })
        .await;
        Raw::app(proxy.rw).await;
        assert_eq!(error_code(&old.query("DO 1").await.unwrap()), 0);
    }
    assert_eq!(proxy.get("/readyz").await.unwrap().0, 200);
    let before = proxy.log().len();
    proxy.write_config(&config);
    proxy.signal("HUP");
    eventually("the right file is taken", async || {
        proxy.log()[before..].contains("reloaded: nothing").then_some(())
    })
    .await;
}

#[tokio::test]
async fn servers_come_by_reload() {
    let mut cluster = Cluster::mariadb(1).await;
    let config = alone(&cluster).await;
    cluster.wait_caught_up().await;
    let replica = format!(
        "\n[[discovery.servers]]\nname = \"db-1\"\naddress = \"127.0.0.1:{}\"\n",
        cluster.server(1).port()
    );
    let without = config.replace(&replica, "");
    assert_ne!(without, config);
    let proxy = Proxy::start(&without).await;
    let mut client = proxy.client().await.unwrap();
    client.query_drop("DO 1").await.unwrap();
    proxy.write_config(&config);
    crate::dialogue::readers_are(&proxy, 1).await;
    cluster.switchover(1).await;
    assert_eq!(crate::dialogue::writer_is(&proxy, 1).await, 2);
    client.query_drop("INSERT INTO t VALUES (2)").await.unwrap();
    assert_eq!(crate::dialogue::port_of(&mut client).await.unwrap(), cluster.server(1).port());
}
