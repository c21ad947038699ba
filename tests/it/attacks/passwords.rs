//! Passwords go to nobody but servers: whoever answers at a server's address and asks for the password gets nothing
//! where `servers_tls` asks for verified certificates, and where it does not the log says that they got it.

use std::path::PathBuf;
use std::process::Command;

use super::impostor::{Ask, ConnectionLog, Impostor};
use crate::dialogue::{eventually, patient};
use crate::support::{Authority, Proxy, config_without_servers};

const NAME: &str = "db-0.cluster.svc";
const PASSWORD: &str = "the-monitor's-own-password";
/// The words of the one warning.
const WARNING: &str = "the server asked for the password of this account and got it";

/// Servers at these ports, with `[servers_tls]` as given.
fn config(ports: &[u16], servers_tls: &str) -> String {
    let mut text = patient(&config_without_servers())
        .replace("password = \"monitor\"", &format!("password = \"{PASSWORD}\""));
    for (number, port) in ports.iter().enumerate() {
        text += &format!(
            "\n[[discovery.servers]]\nname = \"db-{number}\"\naddress = \"127.0.0.1:{port}\"\ntls_name = \"{NAME}\"\n"
        );
    }
    format!("{text}\n[servers_tls]\n{servers_tls}\n")
}

fn trusting(mode: &str, authority: &Authority) -> String {
    format!("mode = \"{mode}\"\nca_file = \"{}\"", authority.certificate().display())
}

/// Waits until the report's last error of a server says this.
async fn fails_with(proxy: &Proxy, number: usize, wanted: &str) {
    eventually(&format!("db-{number}: {wanted}"), async || {
        let Ok((200, body)) = proxy.get("/topology").await else { return None };
        let report: serde_json::Value = serde_json::from_str(&body).ok()?;
        report["servers"][number]["last_error"].as_str()?.contains(wanted).then_some(())
    })
    .await;
}

fn nothing_went(heard: &[ConnectionLog], what: &str) {
    for heard in heard {
        assert!(!heard.has(PASSWORD), "{what}: {heard:?}");
    }
}

#[tokio::test]
async fn only_a_verified_server_gets_a_password_where_certificates_are_verified() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let names = format!("DNS:{NAME}");
    let (genuine, foreign) = (ours.issue("genuine", &names), other.issue("foreign", &names));
    let neighbour = ours.issue("neighbour", "DNS:another.cluster.svc");
    let start = |certificate: Option<&(PathBuf, PathBuf)>| Impostor::start(Ask::Password, certificate);
    for mode in ["verify_ca", "verify_identity"] {
        let (plain, foreign, server) = (start(None), start(Some(&foreign)), start(Some(&genuine)));
        let neighbour = start(Some(&neighbour));
        let ports = [plain.port, foreign.port, neighbour.port, server.port];
        let proxy = Proxy::start_unready(&config(&ports, &trusting(mode, &ours)));
        let mut heard = plain.hears(3).await;
        heard.extend(foreign.hears(3).await);
        // Not even the handshake response, with the account's name.
        assert!(heard.iter().all(|heard| heard.packets.is_empty()), "{mode}: {heard:?}");
        fails_with(&proxy, 0, "offers no TLS").await;
        fails_with(&proxy, 1, "was not issued by the CA").await;
        match mode {
            "verify_identity" => {
                let heard = neighbour.hears(3).await;
                assert!(heard.iter().all(|heard| heard.packets.is_empty()), "{heard:?}");
                fails_with(&proxy, 2, "is not for").await;
            }
            _ => {
                let heard = neighbour.is_answered(3).await;
                assert!(heard.iter().all(|heard| heard.encrypted && heard.has(PASSWORD)), "{heard:?}");
            }
        }
        // The one that can prove who it is gets it, and nobody is warned.
        assert!(server.is_answered(1).await.iter().all(|heard| heard.encrypted && heard.has(PASSWORD)));
        assert!(!proxy.log().contains(WARNING), "{}", proxy.log());
    }
}

#[tokio::test]
async fn a_password_that_an_unverified_server_got_is_in_the_log_once_for_each_server() {
    let other = Authority::new("other");
    let certificate = other.issue("server", "DNS:anybody");
    for mode in ["disabled", "preferred", "required"] {
        let plain = Impostor::start(Ask::Password, None);
        let encrypted = Impostor::start(Ask::Password, Some(&certificate));
        let proxy =
            Proxy::start_unready(&config(&[plain.port, encrypted.port], &format!("mode = \"{mode}\"")));
        let got = encrypted.is_answered(3).await;
        assert!(
            got.iter().all(|heard| heard.has(PASSWORD) && heard.encrypted == (mode != "disabled")),
            "{got:?}"
        );
        let how = if mode == "required" {
            let got = plain.hears(3).await;
            assert!(got.iter().all(|heard| heard.packets.is_empty()), "{got:?}");
            fails_with(&proxy, 0, "offers no TLS").await;
            "over TLS with a certificate that nobody verified"
        } else {
            let got = plain.is_answered(3).await;
            assert!(got.iter().all(|heard| heard.has(PASSWORD)), "under the impostor's own key: {got:?}");
            "encrypted with the RSA key that the server itself sent"
        };
        proxy.told(how).await;
        let servers = if mode == "required" { 1 } else { 2 };
        eventually("each server is warned of", async || {
            (proxy.log().matches(WARNING).count() >= servers).then_some(())
        })
        .await;
        let log = proxy.log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(WARNING)).collect();
        assert_eq!(lines.len(), servers, "{mode}: {log}");
        assert!(lines.iter().any(|line| line.contains(how)), "{mode}: {lines:?}");
        assert!(
            lines.iter().all(|line| line.contains("servers_tls.ca_file") && line.contains("WARN")),
            "{lines:?}"
        );
        assert!(!log.contains(PASSWORD), "{log}");
    }
}

#[tokio::test]
async fn a_switch_to_a_plugin_that_sends_the_password_ends_the_login() {
    let other = Authority::new("other");
    let certificate = other.issue("server", "DNS:anybody");
    // The last two are asked with a challenge that is not theirs.
    for plugin in ["mysql_clear_password", "dialog", "mysql_old_password", "client_ed25519", "parsec"] {
        let asks =
            [None, Some(&certificate)].map(|certificate| Impostor::start(Ask::Switch(plugin), certificate));
        let proxy = Proxy::start_unready(&config(&asks.each_ref().map(|i| i.port), "mode = \"preferred\""));
        for (number, impostor) in asks.iter().enumerate() {
            let heard = impostor.hears(2).await;
            nothing_went(&heard, plugin);
            assert!(
                heard.iter().all(|heard| heard.packets.len() <= 1 && !heard.whole),
                "an answer to {plugin}: {heard:?}"
            );
            fails_with(&proxy, number, plugin).await;
        }
    }
    // The scramble of the plugin that MariaDB has by default proves the password without containing it.
    let impostor = Impostor::start(Ask::Switch("mysql_native_password"), None);
    let proxy = Proxy::start_unready(&config(&[impostor.port], "mode = \"preferred\""));
    let heard = impostor.is_answered(2).await;
    nothing_went(&heard, "mysql_native_password");
    assert!(heard.iter().all(|heard| heard.packets[1].len() == 20), "{heard:?}");
    assert!(!proxy.log().contains(WARNING), "{}", proxy.log());
}

#[tokio::test]
async fn a_verified_server_may_ask_for_the_password_in_clear_text() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let names = format!("DNS:{NAME}");
    let (genuine, foreign) = (ours.issue("genuine", &names), other.issue("foreign", &names));
    for plugin in ["mysql_clear_password", "sha256_password"] {
        let servers = [&genuine, &foreign].map(|pair| Impostor::start(Ask::Switch(plugin), Some(pair)));
        let ports = servers.each_ref().map(|server| server.port);
        let proxy = Proxy::start_unready(&config(&ports, &trusting("verify_identity", &ours)));
        assert!(servers[0].is_answered(1).await.iter().all(|heard| heard.encrypted && heard.has(PASSWORD)));
        let heard = servers[1].hears(2).await;
        assert!(heard.iter().all(|heard| heard.packets.is_empty()), "{plugin}: {heard:?}");
        assert!(!proxy.log().contains(WARNING), "{}", proxy.log());
    }
}

#[tokio::test]
async fn sha256_password_follows_the_rule_of_the_full_exchange() {
    let other = Authority::new("other");
    let certificate = other.issue("server", "DNS:anybody");
    let plain = Impostor::start(Ask::Switch("sha256_password"), None);
    let encrypted = Impostor::start(Ask::Switch("sha256_password"), Some(&certificate));
    let proxy = Proxy::start_unready(&config(&[plain.port, encrypted.port], "mode = \"preferred\""));
    assert!(encrypted.is_answered(2).await.iter().all(|heard| heard.encrypted && heard.has(PASSWORD)));
    // Without TLS, it asks for the key first.
    let heard = plain.is_answered(2).await;
    assert!(heard.iter().all(|heard| heard.packets[1] == [1]), "{heard:?}");
    let log = proxy.told(WARNING).await;
    let lines: Vec<_> = log.lines().filter(|line| line.contains(WARNING)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("over TLS with a certificate that nobody verified"), "{lines:?}");
}

#[tokio::test]
async fn check_warns_of_servers_that_nobody_verifies() {
    let ours = Authority::new("ours");
    let check = |servers_tls: &str| {
        let scratch = crate::support::Scratch::new("check");
        let path = scratch.path().join("pointsman.toml");
        let text =
            config(&[3306], servers_tls).replace("{rw}", "1").replace("{ro}", "2").replace("{http}", "3");
        std::fs::write(&path, text).expect("a file");
        let ran =
            Command::new(env!("CARGO_BIN_EXE_pointsman")).args(["check", "--config"]).arg(&path).output();
        let ran = ran.expect("pointsman check");
        assert!(ran.status.success());
        String::from_utf8_lossy(&ran.stderr).into_owned()
    };
    for mode in ["disabled", "preferred", "required"] {
        let said = check(&format!("mode = \"{mode}\""));
        assert!(said.contains("warning: servers_tls.mode") && said.contains(mode), "{said}");
    }
    assert_eq!(check(&trusting("verify_identity", &ours)), "");
}
