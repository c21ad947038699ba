//! `[servers_tls]`.

use super::*;

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net/tls/fixture/ca.pem");
const CERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net/tls/fixture/server.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net/tls/fixture/server-key.pem");

fn section(lines: &str) -> String {
    format!("{LEAST}tls_name = \"db.example\"\n[servers_tls]\n{lines}\n")
}

#[test]
fn a_ca_makes_the_default_strict() {
    let mode = |lines: &str| parse(&section(lines)).unwrap().live.servers_tls.mode;
    assert_eq!(mode(""), TlsMode::Preferred);
    assert_eq!(mode(&format!("ca_file = {CA:?}")), TlsMode::VerifyIdentity);
    assert_eq!(mode(&format!("mode = \"verify_ca\"\nca_file = {CA:?}")), TlsMode::VerifyCa);
    assert_eq!(mode("mode = \"disabled\""), TlsMode::Disabled);
}

#[test]
fn it_is_written_as_it_is_read() {
    let text = section(&format!("ca_file = {CA:?}\ncert_file = {CERT:?}\nkey_file = {KEY:?}"));
    let config = parse(&text).unwrap();
    assert_eq!(config.sources, [CA, CERT, KEY].map(std::path::PathBuf::from));
    let shown = config.to_string();
    assert!(shown.contains("[servers_tls]\nmode = \"verify_identity\"\nca_file = "), "{shown}");
    assert!(shown.contains("tls_name = \"db.example\"") && !shown.contains("PRIVATE"), "{shown}");
    let again = parse(&shown.replace("\"********\"", "\"m\"")).unwrap();
    assert_eq!(again.live.servers_tls, config.live.servers_tls);
    assert!(!format!("{config:?}").contains("PRIVATE"));
    let plain = parse(&section("")).unwrap();
    assert_eq!(plain.live.changes(&config.live), ["servers_tls"]);
}

#[test]
fn what_is_wrong_with_certificates_is_said() {
    let one = |lines: &str| {
        let found = problems(&section(lines));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    };
    assert!(one("mode = \"verify_ca\"").contains("servers_tls.mode: is \"verify_ca\", which needs"));
    assert!(one(&format!("ca_file = {KEY:?}")).contains("servers_tls.ca_file: holds no certificate"));
    assert!(one("ca_file = \"none\"").contains("cannot read"));
    assert!(one(&format!("cert_file = {CERT:?}")).contains("stands without key_file"));
    let swapped = format!("cert_file = {CA:?}\nkey_file = {KEY:?}");
    assert!(one(&swapped).contains("servers_tls.key_file: is not the key of the certificate"));
    assert!(one(&format!("cert_file = {CERT:?}\nkey_file = {CERT:?}")).contains("holds no private key"));
    assert!(
        one("ca_secret = \"ca/ca.crt\"").ends_with("needs discovery.kind = \"kubernetes\"; write ca_file")
    );
    assert!(one(&format!("ca_file = {CA:?}\nca_secret = \"ca/ca.crt\"")).contains("stands beside ca_file"));
    let name = problems(&section("").replace("db.example", "db example"));
    assert!(name[0].contains("tls_name: \"db example\" is no DNS name"), "{name:?}");
}

#[test]
fn the_ca_may_come_from_a_secret() {
    let text = section("ca_secret = \"shop-ca-bundle/ca.crt\"").replace(
        "[[discovery.servers]]\nname = \"a\"\naddress = \"a:3306\"\ntls_name = \"db.example\"\n",
        "[discovery]\nkind = \"kubernetes\"\npreset = \"mariadb-operator\"\ncluster = \"shop\"\n",
    );
    let config = parse(&text).unwrap();
    assert_eq!((config.live.servers_tls.mode, &config.live.servers_tls.ca), (TlsMode::VerifyIdentity, &None));
    assert!(config.to_string().contains("ca_secret = \"shop-ca-bundle/ca.crt\""));
    let live = config.live_with(|used| (&*used.at.key == "ca.crt").then(|| Secret::new("a CA")));
    assert_eq!(live.servers_tls.ca, Some(Secret::new("a CA")));
    assert_eq!(config.live_with(|_| None).servers_tls.ca, None);
}

#[test]
fn passwords_for_unverified_servers_are_warned_of() {
    let warnings = |text: &str| parse(text).unwrap().warnings();
    for mode in ["preferred", "required", "disabled"] {
        let found = warnings(&section(&format!("mode = {mode:?}")));
        assert!(found.len() == 1 && found[0].starts_with("servers_tls.mode: with "), "{found:?}");
        assert!(found[0].contains(mode) && found[0].contains("verify_identity"), "{found:?}");
    }
    assert_eq!(warnings(&section(&format!("ca_file = {CA:?}"))), [""; 0]);
    assert_eq!(warnings(&section(&format!("mode = \"verify_ca\"\nca_file = {CA:?}"))), [""; 0]);
    // A unix socket needs no warning: there is no network between the proxy and the server.
    assert_eq!(warnings(&section("").replace("\"a:3306\"", "\"unix:/run/mysqld.sock\"")), [""; 0]);
}

#[test]
fn the_http_port_has_a_certificate_and_a_token() {
    let token = std::env::temp_dir().join(format!("pointsman-token-{}", std::process::id()));
    std::fs::write(&token, "very-long\n").unwrap();
    let admin =
        format!("[admin]\ntoken_file = {token:?}\n[admin.tls]\ncert_file = {CERT:?}\nkey_file = {KEY:?}\n");
    let config = parse(&format!("{LEAST}{admin}")).unwrap();
    assert_eq!(config.live.admin.token.as_ref().map(Secret::expose), Some("very-long"));
    assert_eq!(config.sources.len(), 3, "a change of any of the files is one of the configuration");
    let shown = config.to_string();
    assert!(shown.contains("token = \"********\"\n\n[admin.tls]\ncert_file = "), "{shown}");
    assert!(!shown.contains("very-long") && !shown.contains("PRIVATE"), "{shown}");
    let plain = parse(LEAST).unwrap();
    assert_eq!(plain.live.changes(&config.live), ["admin"]);
    let found = problems(&format!("{LEAST}[admin.tls]\ncert_file = {CA:?}\nkey_file = {KEY:?}\n"));
    assert!(found[0].contains("admin.tls.key_file: is not the key of the certificate"), "{found:?}");
    std::fs::remove_file(token).unwrap();
}
