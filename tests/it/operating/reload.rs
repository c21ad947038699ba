//! Reload: on SIGHUP, on a change of the file, and with a file that is wrong.

use super::alone;
use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{PATIENCE, eventually, refused};
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

    // A user that goes: no new login, and no server connection for the session that is there.
    let config = config.replace("name = \"late\"\n", "name = \"other\"\n");
    proxy.write_config(&config);
    proxy.signal("HUP");
    eventually("the user is gone", async || {
        connect(proxy.rw, "late", "first", "test").await.is_err().then_some(())
    })
    .await;
    // Each worker hears of it a moment later.
    let ended = async || late.query_drop("INSERT INTO t VALUES (3)").await.err();
    let error = eventually("the session of the user gets no server connection", ended).await;
    assert_eq!(refused::<()>(Err(error)).0, 1045);
    assert_eq!(error_code(&old.query("DO 1").await.unwrap()), 0);
    proxy.told("configuration reloaded").await;
}

fn sha256sum(proxy: &Proxy) -> String {
    let ran = std::process::Command::new("sha256sum").arg(proxy.config_path()).output().expect("sha256sum");
    String::from_utf8_lossy(&ran.stdout).split(' ').next().unwrap_or_default().to_owned()
}

/// A configuration whose passwords are not in the file: so its sum is what is shown.
async fn without_passwords(cluster: &Cluster) -> String {
    let config = alone(cluster).await;
    ["app", "monitor", "super"].into_iter().fold(config, |config, name| {
        config.replace(&format!("password = \"{name}\""), &format!("password_env = \"PW_{name}\""))
    })
}

const PASSWORDS: [(&str, &str); 3] = [("PW_app", "app"), ("PW_monitor", "monitor"), ("PW_super", "super")];

#[tokio::test]
async fn readiness_tells_which_configuration_is_served() {
    let cluster = Cluster::mariadb(0).await;
    let config = without_passwords(&cluster).await;
    let mut proxy = Proxy::start_with(&config, &PASSWORDS);
    proxy.wait_ready().await;
    let first = sha256sum(&proxy);
    assert_eq!(proxy.get("/readyz").await.unwrap(), (200, format!("ready\nconfiguration: {first}\n")));
    proxy.write_config(&format!("{config}\n[replicas]\nmax_lag = \"9s\"\n"));
    let second = sha256sum(&proxy);
    assert_ne!(first, second);
    let ready = format!("ready\nconfiguration: {second}\n");
    eventually("the new one", async || (proxy.get("/readyz").await.ok()?.1 == ready).then_some(())).await;
    let topology = crate::dialogue::topology(&proxy).await;
    assert_eq!(topology["config"]["sha256"], second.as_str());
    let metrics = proxy.get("/metrics").await.unwrap().1;
    assert!(metrics.contains(&format!("pointsman_config_info{{sha256=\"{second}\"}} 1")), "{metrics}");
    // A file with a mistake is not served.
    proxy.write_config(&format!("{config}\nnothing = 1\n"));
    proxy.signal("HUP");
    eventually("refused", async || proxy.log().contains("not reloaded").then_some(())).await;
    assert_eq!(proxy.get("/readyz").await.unwrap().1, ready);
}

#[tokio::test]
async fn a_pod_is_not_ready_with_an_older_configuration_than_its_own() {
    let cluster = Cluster::mariadb(0).await;
    let old = without_passwords(&cluster).await;
    let new = format!("{old}\n[[users]]\nname = \"late\"\npassword_env = \"PW_app\"\n");
    cluster.primary().sql("CREATE USER late IDENTIFIED BY 'app'; GRANT ALL ON test.* TO late").await;
    // The sum of the new file is that of a file with this proxy's ports.
    let mut proxy = Proxy::start_with(
        &old,
        &[PASSWORDS[0], PASSWORDS[1], PASSWORDS[2], ("POINTSMAN_CONFIG_SHA256", "00")],
    );
    eventually("only the file is missing", async || {
        let (status, body) = proxy.get("/readyz").await.ok()?;
        (status == 503 && body.contains("00 is awaited")).then_some(())
    })
    .await;
    proxy.told("not the one that this process was started for").await;
    let ports = (proxy.rw, proxy.ro, proxy.http);
    proxy.write_config(&new);
    let sum = sha256sum(&proxy);
    proxy.signal("KILL");
    proxy.wait_exit(PATIENCE).await;
    // Now with the sum of the file that comes later.
    let environment = [PASSWORDS[0], PASSWORDS[1], PASSWORDS[2], ("POINTSMAN_CONFIG_SHA256", sum.as_str())];
    let filled = |text: &str| {
        let (rw, ro, http) = (ports.0.to_string(), ports.1.to_string(), ports.2.to_string());
        text.replace("{rw}", &rw).replace("{ro}", &ro).replace("{http}", &http)
    };
    let mut proxy = Proxy::start_with(&filled(&old), &environment);
    (proxy.rw, proxy.ro, proxy.http) = ports;
    eventually("not ready with the old file", async || {
        let (status, body) = proxy.get("/readyz").await.ok()?;
        (status == 503 && body.contains(&format!("{sum} is awaited"))).then_some(())
    })
    .await;
    assert_eq!(refused(connect(proxy.rw, "late", "app", "test").await).0, 1045);
    proxy.write_config(&filled(&new));
    proxy.wait_ready().await;
    connect(proxy.rw, "late", "app", "test").await.expect("who is ready serves the new user");
    // What comes behind the awaited file is newer, and needs no other pod.
    proxy.write_config(&filled(&format!("{new}\n[replicas]\nmax_lag = \"9s\"\n")));
    let newest = sha256sum(&proxy);
    eventually("ready with a newer one", async || {
        let (status, body) = proxy.get("/readyz").await.ok()?;
        (status == 200 && body.contains(&newest)).then_some(())
    })
    .await;
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
