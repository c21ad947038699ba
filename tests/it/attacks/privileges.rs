//! Accounts that pass `read_only` are named: in the log, in /topology, in a metric, and by `check --connect`.

use std::process::{Command, Output};

use crate::dialogue::{eventually, patient, topology};
use crate::support::{Cluster, Proxy, Scratch, connect, proxy_config};

fn check(config: &str, arguments: &[&str]) -> (Output, String) {
    let scratch = Scratch::new("check");
    let path = scratch.path().join("pointsman.toml");
    std::fs::write(&path, config.replace("{rw}", "1").replace("{ro}", "2").replace("{http}", "3"))
        .expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    let ran =
        command.args(["check", "--config"]).arg(&path).args(arguments).output().expect("pointsman check");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    (ran, said)
}

async fn named(cluster: &Cluster) {
    let config = patient(&proxy_config(cluster));
    let proxy = Proxy::start(&config).await;
    eventually("the account is named", async || {
        let told = topology(&proxy).await;
        (told["users_passing_read_only"] == serde_json::json!(["super"])).then_some(())
    })
    .await;
    let metrics = proxy.get("/metrics").await.expect("metrics").1;
    let series: Vec<_> =
        metrics.lines().filter(|l| l.starts_with("pointsman_user_passes_read_only{")).collect();
    assert_eq!(series, ["pointsman_user_passes_read_only{user=\"super\"} 1"]);
    proxy.told("users=\"super\"").await;

    let (ran, said) = check(&config, &["--connect"]);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("warning: users \"super\": these users pass read_only"), "{said}");
    assert!(!said.contains("\"app\"") && !said.contains("monitor.user"), "{said}");
    let (_, said) = check(&config, &[]);
    assert!(!said.contains("pass read_only"), "nobody was asked: {said}");

    let wrong = config.replace("password = \"app\"", "password = \"secret-9\"");
    let address = format!("127.0.0.1:{}", cluster.primary().port());
    let (ran, said) = check(&wrong, &["--connect", &address]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(said.contains(&format!("error: users \"app\" cannot log in to {address}")), "{said}");
    assert!(said.contains("1045") && !said.contains("secret-9"), "{said}");
    let (ran, said) = check(&config, &["--connect", "127.0.0.1:1"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(said.contains("error: 127.0.0.1:1 does not answer"), "{said}");
}

#[tokio::test]
async fn mariadb_names_who_passes_read_only() {
    named(&Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_names_who_passes_read_only() {
    let Some(cluster) = Cluster::mysql(1).await else { return };
    named(&cluster).await;
}

/// Accounts of the tables are named once they log in.
async fn named_after_its_login(cluster: &Cluster, exempt: &[(&str, &str)], others: &[(&str, &str)]) {
    let text = proxy_config(cluster);
    let (before, users) = text.split_once("[[users]]").unwrap();
    let config = format!("{before}\n[discovery]{}", users.split_once("[discovery]").unwrap().1);
    let primary = cluster.primary();
    for (user, privileges) in [exempt, others].concat() {
        primary
            .sql(&format!(
                "CREATE USER {user}@'%' IDENTIFIED BY 'x'; GRANT {privileges} ON *.* TO {user}@'%'"
            ))
            .await;
    }
    let proxy = Proxy::start(&patient(&config)).await;
    let passing = async || topology(&proxy).await["users_passing_read_only"].clone();
    for (user, _) in others {
        connect(proxy.rw, user, "x", "").await.unwrap();
    }
    assert_eq!(passing().await, serde_json::json!([]), "{}", proxy.log());
    for (user, _) in [exempt, exempt].concat() {
        connect(proxy.rw, user, "x", "").await.unwrap();
    }
    let names: Vec<_> = exempt.iter().map(|(user, _)| *user).collect();
    eventually("the accounts are named", async || {
        (passing().await == serde_json::json!(names)).then_some(())
    })
    .await;
    for user in &names {
        let line = format!("users=\"{user}\"");
        let log = proxy.told(&line).await;
        assert_eq!(log.matches(&line).count(), 1, "{log}");
    }
    primary.sql(&format!("DROP USER {}@'%'", names[0])).await;
    eventually("a dropped account is no longer named", async || {
        (passing().await == serde_json::json!(names[1..])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn accounts_of_mariadbs_tables_are_named_when_they_log_in() {
    let cluster = Cluster::mariadb(1).await;
    let exempt = [("admin", "READ ONLY ADMIN"), ("all_of_it", "ALL PRIVILEGES")];
    // Since 10.11 it is not exempt.
    named_after_its_login(&cluster, &exempt, &[("half", "SUPER, CONNECTION ADMIN, SELECT")]).await;
}

#[tokio::test]
async fn accounts_of_mysqls_tables_are_named_when_they_log_in() {
    let Some(cluster) = Cluster::mysql(1).await else { return };
    let primary = cluster.primary();
    let (exempt, others) =
        ([("admin", "CONNECTION_ADMIN"), ("old", "SUPER")], [("reader", "SELECT, PROCESS")]);
    primary.sql("GRANT SELECT ON mysql.global_grants TO monitor@'%'").await;
    named_after_its_login(&cluster, &exempt, &others).await;
}
