//! A server's proof of its certificate by the password, as MariaDB 11.4 has it. The "server" with a proof is a second proxy,
//! which proves its certificate to clients.

use super::{file, mode, server_options};
use crate::dialogue::{eventually, metric, patient, value};
use crate::support::{Authority, Cluster, Proxy, config_without_servers, proxy_config};

/// A server with this version, and without proofs.
async fn disguised(options: Vec<String>) -> Cluster {
    let mut cluster = Cluster::mariadb(0).await;
    let version = "--version=11.4.2-MariaDB".to_owned();
    cluster.server_mut(0).restart_with(&[options, vec![version]].concat()).await;
    cluster
}

fn proofs(proof: &str) -> String {
    format!("pointsman_server_certificate_proofs_total{{proof=\"{proof}\"}}")
}

#[tokio::test]
async fn a_server_without_a_ca_is_verified_by_the_password() {
    let cluster = disguised(Vec::new()).await;
    let monitor = "[[users]]\nname = \"monitor\"\npassword = \"monitor\"\n";
    let server = Proxy::start(&format!("{}\n{monitor}", patient(&proxy_config(&cluster)))).await;
    let behind = format!(
        "{}\n[discovery]\nkind = \"static\"\n[[discovery.servers]]\nname = \"db-0\"\naddress = \"127.0.0.1:{}\"\n\
         [servers_tls]\n{}\n[log]\nlevel = \"debug\"\n",
        patient(&config_without_servers()),
        server.rw,
        mode("required")
    );
    let proxy = Proxy::start(&behind).await;
    let mut client = proxy.client().await.unwrap();
    assert_eq!(value(&mut client, "SELECT 1").await.unwrap(), "1");
    assert!(metric(&proxy, &proofs("right")).await >= 1.0);
    assert_eq!(metric(&proxy, &proofs("wrong")).await + metric(&proxy, &proofs("missing")).await, 0.0);
    let log = proxy.told("the server proved its certificate by the password").await;
    assert!(!log.contains("proof of its certificate is wrong") && !log.contains("did not prove"), "{log}");
}

#[tokio::test]
async fn a_server_without_a_proof_is_warned_of() {
    let authority = Authority::new("ca");
    let (identity, ca) = (authority.issue("server", "DNS:localhost"), authority.certificate());
    let cluster = disguised(server_options(&identity, &ca)).await;
    let config = |lines: &[String]| {
        format!("{}\n[servers_tls]\n{}\n", patient(&proxy_config(&cluster)), lines.join("\n"))
    };
    let proxy = Proxy::start(&config(&[mode("required")])).await;
    let mut client = proxy.client().await.unwrap();
    assert_eq!(value(&mut client, "SELECT 1").await.unwrap(), "1");
    assert!(metric(&proxy, &proofs("missing")).await >= 1.0);
    eventually("the log says so", async || {
        proxy.log().contains("the server did not prove its certificate").then_some(())
    })
    .await;
    // With a CA no proof is asked for.
    let proxy = Proxy::start(&config(&[mode("verify_ca"), file("ca_file", &ca)])).await;
    let mut client = proxy.client().await.unwrap();
    assert_eq!(value(&mut client, "SELECT 1").await.unwrap(), "1");
    assert_eq!(metric(&proxy, &proofs("missing")).await, 0.0);
}
