//! `[listeners.tls]`, and what users require.

use super::*;

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net/tls/fixture/ca.pem");
const CERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net/tls/fixture/server.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/net/tls/fixture/server-key.pem");

const LISTENER: &str = "[[listeners]]\nname = \"one\"\naddress = \"127.0.0.1:3306\"\nmode = \"split\"\n";

fn section(lines: &str) -> String {
    format!("{LEAST}\n{LISTENER}[listeners.tls]\n{lines}\n")
}

fn read(lines: &str) -> ClientsTls {
    parse(&section(lines)).unwrap().live.listener_tls["one"].clone()
}

#[test]
fn every_listener_offers_tls_unless_it_says_no() {
    assert_eq!(read(""), ClientsTls::default());
    let without_listeners = parse(LEAST).unwrap().live.listener_tls;
    assert_eq!(without_listeners["rw"], ClientsTls::default());
    assert_eq!(without_listeners["ro"].mode, ClientsTlsMode::Preferred);
    assert_eq!(read("mode = \"disabled\"").mode, ClientsTlsMode::Disabled);
    assert_eq!(read("").verify_client, VerifyClient::Off);
    assert_eq!(read(&format!("client_ca_file = {CA:?}")).verify_client, VerifyClient::IfGiven);
}

#[test]
fn it_is_written_as_it_is_read() {
    let lines = format!(
        "mode = \"required\"\ncert_file = {CERT:?}\nkey_file = {KEY:?}\nclient_ca_file = {CA:?}\nverify_client = \"required\""
    );
    let config = parse(&section(&lines)).unwrap();
    assert_eq!(config.sources, [CERT, KEY, CA].map(std::path::PathBuf::from), "their changes are reloads");
    let shown = config.to_string();
    assert!(shown.contains("[listeners.tls]\nmode = \"required\"\ncert_file = "), "{shown}");
    assert!(!shown.contains("PRIVATE") && !format!("{config:?}").contains("PRIVATE"));
    let again = parse(&shown.replace("\"********\"", "\"m\"")).unwrap();
    assert_eq!(again.live.listener_tls, config.live.listener_tls);
    let plain = parse(&section("")).unwrap();
    assert_eq!(plain.live.changes(&config.live), ["listeners.tls"]);
    assert!(plain.fixed.changes(&config.fixed).is_empty(), "no restart");
}

#[test]
fn what_is_wrong_is_said() {
    let one = |lines: &str| {
        let found = problems(&section(lines));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    };
    assert!(one("mode = \"on\"").contains("listeners.tls.mode: "));
    assert!(one("verify_client = \"required\"").contains("needs the clients' CA; write client_ca_file"));
    assert!(one(&format!("cert_file = {CERT:?}")).contains("stands without key_file"));
    assert!(
        one(&format!("cert_file = {CA:?}\nkey_file = {KEY:?}")).contains("is not the key of the certificate")
    );
    assert!(one(&format!("client_ca_file = {KEY:?}")).contains("client_ca_file: holds no certificate"));
    assert!(one("secret = \"tls/tls.crt\"").contains("is no name of a Secret"));
    assert!(
        one("secret = \"tls\"")
            .ends_with("needs discovery.kind = \"kubernetes\"; write cert_file and key_file")
    );
    assert!(one("client_ca_secret = \"ca/ca.crt\"").ends_with("; write client_ca_file"));
    let both = format!("secret = \"tls\"\ncert_file = {CERT:?}\nkey_file = {KEY:?}");
    assert!(one(&both).contains("stands beside cert_file and key_file"));
}

#[test]
fn a_secret_has_the_certificate_and_its_key() {
    let text = format!(
        "{LISTENER}[listeners.tls]\nsecret = \"front\"\nclient_ca_secret = \"clients/ca.crt\"\n\
         [discovery]\nkind = \"kubernetes\"\npreset = \"mariadb-operator\"\ncluster = \"shop\"\n\
         [monitor]\nuser = \"m\"\npassword = \"m\"\n[[users]]\nname = \"app\"\npassword = \"app\"\n"
    );
    let config = parse(&text).unwrap();
    let shown = config.to_string();
    assert!(shown.contains("secret = \"front\"\nclient_ca_secret = \"clients/ca.crt\""), "{shown}");
    let file = |path: &str| Secret::new(std::fs::read_to_string(path).unwrap());
    let known = |used: &SecretUse| match (&*used.at.name, &*used.at.key) {
        ("front", "tls.crt") => Some(file(CERT)),
        ("front", "tls.key") => Some(file(KEY)),
        ("clients", "ca.crt") => Some(file(CA)),
        _ => panic!("{used:?}"),
    };
    let of = |live: Live| live.listener_tls["one"].clone();
    let nothing = of(config.live_with(|_| None));
    assert!(nothing.identity.unwrap().is_awaited() && nothing.client_ca.is_none());
    let half = of(config.live_with(|used| known(used).filter(|_| &*used.at.key == "tls.crt")));
    assert!(half.identity.unwrap().is_awaited());
    let all = of(config.live_with(known));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    assert!(all.identity.as_ref().unwrap().certified(&provider).is_ok());
    assert!(all.roots().unwrap().len() == 1);
}

#[test]
fn users_require_what_accounts_of_a_server_can() {
    let user = |lines: &str| format!("{LEAST}\n[[users]]\nname = \"strict\"\npassword = \"p\"\n{lines}\n");
    let lines = "require_tls = true\nrequire_certificate = true\nrequire_subject = \"/O=Example/CN=app\"\n\
                 require_issuer = \"/CN=ours\"";
    let config = parse(&user(lines)).unwrap();
    let required = &config.live.users["strict"].requires;
    assert!(required.tls && required.certificate && required.needs_certificate());
    assert_eq!(required.subject.as_deref(), Some("/O=Example/CN=app"));
    assert!(config.to_string().contains(lines), "{config}");
    assert!(!config.live.users["app"].requires.needs_certificate());
    let found = problems(&user("require_subject = \"CN=app, O=Example\""));
    assert!(found[0].contains("users.require_subject: \"CN=app, O=Example\" is no name"), "{found:?}");
}
