//! The server as a pod of a real API server: its certificate is for the pod's name, and the CA in a Secret.

use std::path::Path;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use tokio::time::Instant;

use super::{cipher, server_options};
use crate::dialogue::{eventually, patient};
use crate::pods::api::{ApiServer, NAMESPACE};
use crate::support::{Authority, Cluster, Proxy, config_without_servers};

const SECRET: &str = "shop-ca-bundle";

async fn put_ca(api: &ApiServer, ca: &Path) {
    let file = format!("--from-file=ca.crt={}", ca.display());
    let manifest = api
        .kubectl_says(&["create", "secret", "generic", SECRET, &file, "--dry-run=client", "-o", "json"])
        .await;
    let path = ca.with_file_name("secret.json");
    std::fs::write(&path, manifest).unwrap();
    api.kubectl(&["apply", "-f", &path.to_string_lossy()]).await;
}

/// As mariadb-operator has it: a certificate for every pod behind the headless Service, and the CA in a bundle.
#[tokio::test]
async fn a_pod_is_verified_by_its_name_and_the_ca_of_a_secret() {
    let mut cluster = Cluster::mariadb(0).await;
    let Some(api) = ApiServer::start().await else { return };
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let names = "DNS:*.shop-internal.shop.svc,DNS:localhost";
    let issued = old.issue("server", names);
    let servers_ca = old.certificate();
    cluster.primary_mut().restart_with(&server_options(&issued, &servers_ca)).await;
    put_ca(&api, &old.certificate()).await;
    api.pod(0, cluster.primary().port(), &[("k8s.mariadb.com/role", "primary")]).await;
    let pods = "\n[discovery]\nkind = \"kubernetes\"\npreset = \"mariadb-operator\"\ncluster = \"shop\"\nport = \"mysql\"\n";
    let tls = format!("\n[servers_tls]\nca_secret = \"{SECRET}/ca.crt\"\n");
    let config = patient(&config_without_servers()) + pods + &tls + "\n[failover]\nhold = \"2s\"\n";
    let mut proxy = Proxy::start_with(&config, &[("KUBECONFIG", &api.kubeconfig())]);

    // Nobody is verified by a CA that may not be read, and nobody is let through.
    eventually("what is missing is said", async || {
        let (_, body) = proxy.get("/topology").await.ok()?;
        let now: serde_json::Value = serde_json::from_str(&body).ok()?;
        let error = now["servers"][0]["last_error"].as_str()?.to_owned();
        let refused =
            now["kubernetes"].as_array()?.iter().find_map(|watch| watch["error"].as_str())?.to_owned();
        let told = refused.contains("secrets") && refused.contains(SECRET);
        (error.contains("servers_tls.ca_secret") && told && now["servers"][0]["health"] != "up").then_some(())
    })
    .await;
    let rule = ["--verb=get,list,watch", "--resource=secrets", &format!("--resource-name={SECRET}")];
    api.kubectl(&[&["create", "role", "ca"], &rule[..]].concat()).await;
    let binding = ["--role=ca", &format!("--serviceaccount={}:pointsman", NAMESPACE)];
    api.kubectl(&[&["create", "rolebinding", "ca"], &binding[..]].concat()).await;
    proxy.wait_ready().await;
    assert!(!cipher(&proxy).await.is_empty());
    let mut busy = proxy.client().await.unwrap();
    busy.query_drop("BEGIN").await.unwrap();

    // The operator changes CA and certificates.
    put_ca(&api, &new.certificate()).await;
    let replaced = Instant::now();
    let (certificate, key) = new.issue("server", names);
    std::fs::copy(certificate, &issued.0).unwrap();
    std::fs::copy(key, &issued.1).unwrap();
    std::fs::copy(new.certificate(), &servers_ca).unwrap();
    cluster.primary().sql("FLUSH SSL").await;
    eventually("a connection by the new CA", async || proxy.client().await.ok()).await;
    // A new list, once the watch of thirty seconds has ended, would say it, too.
    assert!(replaced.elapsed() < Duration::from_secs(20), "{:?}", replaced.elapsed());
    busy.query_drop("COMMIT").await.unwrap();

    // A certificate for another Service's pods.
    let (certificate, key) = new.issue("server", "DNS:*.other.shop.svc");
    std::fs::copy(certificate, &issued.0).unwrap();
    std::fs::copy(key, &issued.1).unwrap();
    cluster.primary().sql("FLUSH SSL").await;
    busy.query_drop("BEGIN").await.unwrap();
    // Connections that are open go on, and there may be some: each is held, until a new one is needed.
    let mut held = Vec::new();
    let refused = loop {
        let begun = async {
            let mut client = proxy.client().await?;
            client.query_drop("BEGIN").await?;
            Ok::<_, mysql_async::Error>(client)
        };
        match begun.await {
            Ok(client) => held.push(client),
            Err(error) => break error.to_string(),
        }
        assert!(held.len() < 20, "new connections to a server with another's certificate");
    };
    let told = "is not for db-0.shop-internal.shop.svc.cluster.local or db-0.shop-internal.shop.svc or ";
    assert!(refused.contains(told) && refused.contains("but for *.other.shop.svc"), "{refused}");
}
