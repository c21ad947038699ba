//! Passwords: wrong ones are refused as a server does, right ones show nowhere.

use super::alone;
use crate::dialogue::raw::Raw;
use crate::dialogue::{refusal, topology, value};
use crate::support::{Cluster, Kind, Proxy, Scratch, connect, report_skipped};
use mysql_async::prelude::Queryable;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

#[tokio::test]
async fn mariadb_refuses_wrong_passwords() {
    wrong_passwords(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_refuses_wrong_passwords() {
    if let Some(cluster) = Cluster::mysql(0).await {
        wrong_passwords(cluster).await;
    }
}

async fn wrong_passwords(cluster: Cluster) {
    let config = alone(&cluster).await;
    // The servers know another password for this one.
    cluster
        .primary()
        .sql("CREATE USER drifted IDENTIFIED BY 'changed'; GRANT ALL ON test.* TO drifted")
        .await;
    let drifted = "[[users]]\nname = \"drifted\"\npassword = \"configured\"\n";
    let proxy = Proxy::start(&format!("{config}\n{drifted}")).await;
    for port in [proxy.rw, proxy.ro] {
        for (user, password) in [
            ("app", "wrong"),
            ("app", ""),
            ("app", "app "),
            ("super", "app"),
            ("nobody", "app"),
            ("nobody", ""),
            ("", ""),
            ("root", ""),
            ("monitor", "monitor"),
        ] {
            let error = refusal(connect(port, user, password, "test").await);
            assert_eq!((error.code, &*error.state), (1045, "28000"), "{user}/{password}");
            let using = if password.is_empty() { "NO" } else { "YES" };
            let said = format!("Access denied for user '{user}'@'127.0.0.1' (using password: {using})");
            assert_eq!(error.message, said);
        }
    }
    let error = refusal(connect(proxy.rw, "app", "app", "no_such_schema").await);
    assert!([1044, 1049].contains(&error.code), "{error:?}");
    let refused = connect(proxy.rw, "drifted", "configured", "test").await;
    assert_eq!(refusal(refused).code, 1045, "what a server says of the account is the client's to hear");
    assert_eq!(refusal(connect(proxy.rw, "drifted", "changed", "test").await).code, 1045);

    // COM_CHANGE_USER with a wrong password ends the session (MySQL) or leaves the former account (MariaDB), with the right one
    // it is another.
    let mut client = proxy.client().await.unwrap();
    let options = |password| {
        mysql_async::ChangeUserOpts::new().with_user(Some("super".into())).with_pass(Some(password))
    };
    client.change_user(options("super".to_owned())).await.unwrap();
    let me = value(&mut client, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)").await.unwrap();
    assert_eq!(me, "super");
    assert!(client.change_user(options("wrong".to_owned())).await.is_err());
    let after = value(&mut client, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)").await;
    match cluster.kind() {
        Kind::MariaDb => assert_eq!(after.unwrap(), "super"),
        Kind::MySql => assert!(after.is_err()),
    }
}

#[tokio::test]
async fn passwords_show_nowhere() {
    const SECRETS: [&str; 4] = ["Geheim-app-1", "Geheim-monitor-2", "Geheim-wrong-3", "Geheim-later-4"];
    let cluster = Cluster::mariadb(0).await;
    let config = alone(&cluster).await;
    cluster
        .primary()
        .sql(&format!(
            "CREATE USER hidden IDENTIFIED BY '{}'; GRANT ALL ON test.* TO hidden; CREATE USER watcher IDENTIFIED BY '{}'; \
             GRANT REPLICATION CLIENT, SLAVE MONITOR ON *.* TO watcher",
            SECRETS[0], SECRETS[1]
        ))
        .await;
    let config = config.replace(
        "user = \"monitor\"\npassword = \"monitor\"",
        &format!("user = \"watcher\"\npassword = \"{}\"", SECRETS[1]),
    );
    let config = format!("{config}\n[[users]]\nname = \"hidden\"\npassword = \"{}\"\n", SECRETS[0]);
    let config = format!("{config}\n[log]\nlevel = \"trace\"\n");
    let mut proxy = Proxy::start(&config).await;
    let mut client = connect(proxy.rw, "hidden", SECRETS[0], "test").await.unwrap();
    client.query_drop("SELECT * FROM t").await.unwrap();
    assert!(connect(proxy.rw, "hidden", SECRETS[2], "test").await.is_err());
    let mut raw = Raw::connect(proxy.rw).await.unwrap();
    assert!(raw.login("hidden", SECRETS[2]).await.is_err());
    client.disconnect().await.unwrap();
    proxy.write_config(&config.replace(SECRETS[0], SECRETS[3]));
    proxy.signal("HUP");
    crate::dialogue::eventually("it is reloaded", async || {
        proxy.log().contains("configuration reloaded").then_some(())
    })
    .await;
    let metrics = proxy.get("/metrics").await.unwrap().1;
    let topology = topology(&proxy).await.to_string();
    let check = Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args(["check", "--config"])
        .arg(proxy.config_path())
        .output()
        .expect("pointsman check");
    assert!(check.status.success());
    let check = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.contains("hidden"), "{check}");
    proxy.signal("TERM");
    proxy.wait_exit(crate::dialogue::PATIENCE).await;
    let log = proxy.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not as talkative as this test needs");
    for (place, text) in [("metrics", metrics), ("topology", topology), ("check", check), ("log", log)] {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {place}");
        }
    }
}

/// Passwords stand in its memory.
#[tokio::test]
async fn a_process_that_is_aborted_leaves_no_core_file() {
    let folder = Scratch::new("core");
    let mut abort = Command::new("sh");
    let control =
        abort.args(["-c", "ulimit -c unlimited; kill -ABRT $$"]).current_dir(folder.path()).status();
    if !control.is_ok_and(|status| status.core_dumped()) {
        return report_skipped("a_process_that_is_aborted_leaves_no_core_file", "nothing dumps core here");
    }
    let cluster = Cluster::mariadb(0).await;
    let mut proxy = Proxy::start(&alone(&cluster).await).await;
    let pid = proxy.pid().to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, "--core=unlimited"]).status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit of util-linux");
    proxy.signal("ABRT");
    let ended = proxy.wait_exit(crate::dialogue::PATIENCE).await;
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
}
