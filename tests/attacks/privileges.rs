//! Accounts that pass `read_only` are named: in the log, in /topology, in a metric, and by `check --connect`.

use std::process::{Command, Output};

use crate::dialogue::{eventually, patient, topology};
use crate::support::{Cluster, Proxy, Scratch, proxy_config};

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
    assert!(proxy.log().contains("users=\"super\""), "{}", proxy.log());

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
