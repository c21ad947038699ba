//! TLS from clients: every mode, certificates of both sides, what an attacker sends, and what passes through.

mod hostile;

use crate::dialogue::raw::{Greeted, Raw, response};
use crate::dialogue::{eventually, metric, patient};
use crate::support::{Authority, Cluster, Kind, Proxy, Scratch, UNHURRIED, proxy_config};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The name in the listener's certificate.
const NAME: &str = "pointsman.db.svc";

/// CLIENT_SSL
const SSL: u32 = 0x800;

/// LONG_PASSWORD, PROTOCOL_41, CLIENT_SSL, SECURE_CONNECTION, PLUGIN_AUTH: a request for TLS.
pub fn ssl_request() -> Vec<u8> {
    let mut payload = (0x1_u32 | 0x200 | SSL | 0x8000 | 0x8_0000).to_le_bytes().to_vec();
    payload.extend_from_slice(&(1_u32 << 24).to_le_bytes());
    payload.push(45);
    payload.resize(32, 0);
    payload
}

/// The configuration with `[listeners.tls]` of both ports, and more keys of the user `app`.
fn config(cluster: &Cluster, tls: &[String], app: &[&str]) -> String {
    let section = format!("\n[listeners.tls]\n{}\n", tls.join("\n"));
    let text = patient(&proxy_config(cluster))
        .replace("mode = \"primary\"\n", &format!("mode = \"primary\"\n{section}"))
        .replace("mode = \"replica\"\n", &format!("mode = \"replica\"\n{section}"));
    let text = text.replace("password = \"app\"\n", &format!("password = \"app\"\n{}\n", app.join("\n")));
    // On a busy machine a first login takes long, and a client that encrypts is silent at times.
    format!("{text}\n[timeouts]\nconnect = \"20s\"\nclient_read = \"5m\"\nclient_write = \"5m\"\n")
}

fn mode(mode: &str) -> String {
    format!("mode = \"{mode}\"")
}

fn file(key: &str, path: &Path) -> String {
    format!("{key} = \"{}\"", path.display())
}

fn identity((certificate, key): &(PathBuf, PathBuf)) -> Vec<String> {
    vec![file("cert_file", certificate), file("key_file", key)]
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A client that trusts this CA (None: everybody), and has this certificate.
pub fn client_config(ca: Option<&Authority>, identity: Option<&(PathBuf, PathBuf)>) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = match ca {
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(ca.certificate()).unwrap()).unwrap();
            builder.with_root_certificates(roots)
        }
    };
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    })
}

/// Connects and encrypts. `injected` is sent right behind the request for TLS, in the clear.
pub async fn encrypted(
    port: u16,
    config: &Arc<ClientConfig>,
    injected: &[u8],
) -> io::Result<(Raw<TlsStream<TcpStream>>, Greeted)> {
    let mut raw = Raw::connect(port).await?;
    let greeted = raw.greeting().await?;
    let mut request = crate::dialogue::raw::framed(1, &ssl_request());
    request.extend_from_slice(injected);
    raw.stream.write_all(&request).await?;
    let name = ServerName::try_from(NAME).unwrap();
    let stream = TlsConnector::from(config.clone()).connect(name, raw.stream).await?;
    Ok((Raw { stream }, greeted))
}

/// Connects, encrypts and logs in.
async fn login(port: u16, config: &Arc<ClientConfig>, user: &str) -> io::Result<Raw<TlsStream<TcpStream>>> {
    login_and_text(port, config, user).await.map(|(raw, ..)| raw)
}

/// The same, with what the OK packet says, and the nonce of the login.
async fn login_and_text(
    port: u16,
    config: &Arc<ClientConfig>,
    user: &str,
) -> io::Result<(Raw<TlsStream<TcpStream>>, Vec<u8>, Vec<u8>)> {
    let (mut raw, greeted) = encrypted(port, config, b"").await?;
    raw.send(2, &response(user, user, &greeted)).await?;
    loop {
        let (_, payload) = raw.read().await?;
        match payload.first() {
            // Header, affected rows, insert id, status and warnings are a byte or two each; then the text's length.
            Some(0) => return Ok((raw, payload.get(8..).unwrap_or_default().to_vec(), greeted.nonce)),
            Some(1) => {}
            _ => return Err(io::Error::other(String::from_utf8_lossy(&payload).into_owned())),
        }
    }
}

/// Runs the command-line client as `app`.
fn client(port: u16, options: &[&str], sql: &str) -> Output {
    let port = port.to_string();
    let mut command = Command::new("mariadb");
    command.args(["--no-defaults", "-h127.0.0.1", "-uapp", "-papp", "--connect-timeout=20", "-N", "-B"]);
    command.args(["-P", &port]).args(options).args(["-e", sql, "test"]).stdin(Stdio::null());
    command.output().expect("cannot run mariadb, the command-line client")
}

/// What the client printed, or its error.
fn said(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

async fn cluster(kind: Kind) -> Option<Cluster> {
    match kind {
        Kind::MariaDb => Some(Cluster::mariadb(0).await),
        Kind::MySql => Cluster::mysql(0).await,
    }
}

async fn modes(kind: Kind) {
    let Some(cluster) = cluster(kind).await else { return };
    let anybody = client_config(None, None);
    let refused = "ERROR 3159 (HY000): Connections using insecure transport are prohibited";
    for (word, plain, tls) in
        [("disabled", true, false), ("preferred", true, true), ("required", false, true)]
    {
        let proxy = Proxy::start(&config(&cluster, &[mode(word)], &[])).await;
        for port in [proxy.rw, proxy.ro] {
            let without = said(&client(port, &["--skip-ssl"], "SELECT 1"));
            match plain {
                true => assert_eq!(without.as_deref(), Ok("1"), "{word}"),
                false => assert!(without.as_ref().is_err_and(|e| e.contains(refused)), "{word}: {without:?}"),
            }
            // The command-line client takes a connection without TLS if none is offered.
            assert_eq!(said(&client(port, &["--ssl"], "SELECT 2")).as_deref(), Ok("2"), "{word}");
            assert_eq!(login(port, &anybody, "app").await.is_ok(), tls, "{word}");
        }
        let refusals = metric(&proxy, "pointsman_logins_refused_total{reason=\"insecure_transport\"}").await;
        assert_eq!(refusals > 0.0, word == "required");
    }
    // The configuration without any word about TLS.
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    let mut session = login(proxy.rw, &anybody, "app").await.unwrap();
    assert_eq!(session.query("DO 1").await.unwrap()[0], 0);
    assert!(proxy.client().await.is_ok(), "and without TLS");
}

#[tokio::test]
async fn modes_on_mariadb() {
    modes(Kind::MariaDb).await;
}

#[tokio::test]
async fn modes_on_mysql() {
    modes(Kind::MySql).await;
}

/// 64 MiB in one row, in one statement and in a file, through TLS on both legs and on one.
async fn large(kind: Kind) {
    const SIZE: usize = 64 << 20;
    let Some(cluster) = cluster(kind).await else { return };
    cluster.primary().sql(UNHURRIED).await;
    let proxy = Proxy::start(&config(&cluster, &[mode("required")], &[])).await;
    let big = ["--ssl", "--max-allowed-packet=128M", "--quick"];
    let row = client(proxy.rw, &big, &format!("SELECT REPEAT('abcdefgh', {})", SIZE / 8));
    let row = said(&row).unwrap();
    assert!(row.len() == SIZE && row.as_bytes().chunks(8).all(|c| c == b"abcdefgh"));
    let rows = "WITH RECURSIVE n AS (SELECT 1 AS v UNION ALL SELECT v + 1 FROM n WHERE v < 500) \
                SELECT REPEAT('y', 70000) FROM n";
    let rows = said(&client(proxy.rw, &big, rows)).unwrap();
    assert!(rows.lines().count() == 500 && rows.lines().all(|row| row.len() == 70_000));
    let folder = Scratch::new("file");
    let path = folder.path().join("lines");
    std::fs::write(&path, format!("{}\n", "z".repeat(127)).repeat(SIZE / 128)).unwrap();
    let load = format!(
        "CREATE TABLE test.lines (v VARCHAR(200)); LOAD DATA LOCAL INFILE '{}' INTO TABLE test.lines; \
         SELECT SUM(LENGTH(v)) FROM test.lines",
        path.display()
    );
    let sum = said(&client(proxy.rw, &["--ssl", "--local-infile=1"], &load)).unwrap();
    assert_eq!(sum, (SIZE / 128 * 127).to_string());

    // A statement of many packets.
    let mut session = login(proxy.rw, &client_config(None, None), "app").await.unwrap();
    let text = format!("DO LENGTH('{}')", "x".repeat(20 << 20));
    let mut payload = vec![3];
    payload.extend_from_slice(text.as_bytes());
    for (seq, part) in (0..).zip(payload.chunks((1 << 24) - 1)) {
        session.send(seq, part).await.unwrap();
    }
    assert_eq!(session.read().await.unwrap().1[0], 0);
}

#[tokio::test]
async fn large_rows_and_files_on_mariadb() {
    large(Kind::MariaDb).await;
}

#[tokio::test]
async fn large_rows_and_files_on_mysql() {
    large(Kind::MySql).await;
}

/// Whoever is between client and proxy can put bytes behind the request for TLS. They must not be read as packets of the
/// client once it is encrypted, and no packet may be answered in the clear.
#[tokio::test]
async fn what_is_sent_before_tls_is_never_a_packet() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = Proxy::start(&config(&cluster, &[mode("preferred")], &[])).await;
    let anybody = client_config(None, None);
    let quit = crate::dialogue::raw::framed(0, &[1]);
    for injected in [&quit[..], b"\0", &[0x20; 300]] {
        let error = encrypted(proxy.rw, &anybody, injected).await.err();
        assert!(error.is_some(), "{injected:?} was skipped, or read as a packet");
    }
    // A whole login behind the request, in the clear.
    let mut raw = Raw::connect(proxy.rw).await.unwrap();
    let greeted = raw.greeting().await.unwrap();
    let mut bytes = crate::dialogue::raw::framed(1, &ssl_request());
    bytes.extend(crate::dialogue::raw::framed(2, &response("app", "app", &greeted)));
    bytes.extend(crate::dialogue::raw::framed(0, b"\x03CREATE TABLE test.injected (a INT)"));
    raw.stream.write_all(&bytes).await.unwrap();
    let rest = raw.rest().await;
    assert!(rest.is_empty() || rest[0] == 0x15, "no packet, at most an alert: {rest:?}");
    // The request is a packet of 32 bytes: a whole login that has the flag is none, and is no login either.
    let mut raw = Raw::connect(proxy.rw).await.unwrap();
    let greeted = raw.greeting().await.unwrap();
    let mut login = response("app", "app", &greeted);
    login[1] |= 8;
    raw.send(1, &login).await.unwrap();
    let answer = raw.rest().await;
    assert!(answer.get(4) == Some(&0xff), "{answer:?}");
    // A second request, inside of TLS.
    let (mut raw, _) = encrypted(proxy.rw, &anybody, b"").await.unwrap();
    raw.send(2, &ssl_request()).await.unwrap();
    let answer = raw.rest().await;
    assert!(answer.get(4) == Some(&0xff), "{answer:?}");
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'injected'";
    assert_eq!(cluster.primary().value(tables).await, "0");
    // Handshakes that end early, and what is none.
    for bytes in [
        &b""[..],
        &[0x16],
        &[0x16, 3, 1, 2, 0],
        &[0x16, 3, 1, 0, 4, 0xff, 0, 0, 0],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut raw = Raw::connect(proxy.rw).await.unwrap();
        raw.greeting().await.unwrap();
        raw.send(1, &ssl_request()).await.unwrap();
        raw.stream.write_all(bytes).await.unwrap();
        raw.stream.shutdown().await.unwrap();
        let rest = raw.rest().await;
        assert!(rest.is_empty() || rest[0] == 0x15, "{bytes:?}: {rest:?}");
    }
    let failed = "pointsman_client_tls_handshakes_total{version=\"unknown\",result=\"failed\"}";
    eventually("they are counted", async || (metric(&proxy, failed).await >= 6.0).then_some(())).await;
    assert!(login_works(&proxy).await);
}

async fn login_works(proxy: &Proxy) -> bool {
    login(proxy.rw, &client_config(None, None), "app").await.is_ok()
}

/// What `REQUIRE SSL`, `X509`, `SUBJECT` and `ISSUER` say, said of the proxy's users.
#[tokio::test]
async fn users_need_what_is_required_of_them() {
    let cluster = Cluster::mariadb(0).await;
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let mut listener = identity(&ours.issue("server", &format!("DNS:{NAME}")));
    listener.push(file("client_ca_file", &ours.certificate()));
    let (app, another, stranger) = (ours.issue("app", ""), ours.issue("another", ""), other.issue("app", ""));
    let none = client_config(Some(&ours), None);
    let [app, another, stranger] =
        [app, another, stranger].map(|identity| client_config(Some(&ours), Some(&identity)));
    let subject = ["require_subject = \"/CN=app\""];
    let issuer = ["require_issuer = \"/CN=ours\"", "require_tls = true"];
    // The keys, and who may log in: without TLS, without a certificate, as app, as another.
    for (keys, plain, without, by_app, by_another) in [
        (&[][..], true, true, true, true),
        (&["require_tls = true"], false, true, true, true),
        (&["require_certificate = true"], false, false, true, true),
        (&subject, false, false, true, false),
        (&issuer, false, false, true, true),
        (&["require_issuer = \"/CN=other\""], false, false, false, false),
    ] {
        let proxy = Proxy::start(&config(&cluster, &listener, keys)).await;
        let denied = |result: &io::Result<Raw<TlsStream<TcpStream>>>| {
            result.as_ref().is_err_and(|e| e.to_string().contains("Access denied for user 'app'"))
        };
        assert_eq!(proxy.client().await.is_ok(), plain, "{keys:?}");
        for (config, may) in [(&none, without), (&app, by_app), (&another, by_another)] {
            let result = login(proxy.rw, config, "app").await;
            assert!(result.is_ok() == may && denied(&result) != may, "{keys:?}: {:?}", result.err());
        }
        // The other CA's certificate does not get past the handshake, and the other user needs nothing.
        assert!(login(proxy.rw, &stranger, "app").await.is_err());
        assert!(login(proxy.rw, &none, "super").await.is_ok());
        // Nor is it a way in to log in as somebody else and to change the user.
        let mut changing = login(proxy.rw, &none, "super").await.unwrap();
        let answer = change_user(&mut changing, "app").await;
        assert_eq!(answer[0] == 0, without, "{keys:?}");
    }
    listener.push("verify_client = \"required\"".to_owned());
    let proxy = Proxy::start(&config(&cluster, &listener, &[])).await;
    assert!(login(proxy.rw, &none, "app").await.is_err());
    assert!(login(proxy.rw, &app, "app").await.is_ok());
}

/// COM_CHANGE_USER without a scramble: the proxy asks for one. The last packet of the answer.
async fn change_user(raw: &mut Raw<TlsStream<TcpStream>>, user: &str) -> Vec<u8> {
    let mut payload = vec![17];
    payload.extend_from_slice(user.as_bytes());
    payload.extend_from_slice(b"\0\0test\0\x2d\0mysql_native_password\0");
    raw.send(0, &payload).await.unwrap();
    let (seq, asked) = raw.read().await.unwrap();
    if asked[0] != 0xfe {
        return asked;
    }
    let nonce = asked.rsplitn(3, |b| *b == 0).nth(1).unwrap();
    let scramble = mysql_common::scramble::scramble_native(nonce, user.as_bytes()).unwrap();
    raw.send(seq + 1, &scramble).await.unwrap();
    raw.read().await.unwrap().1
}

/// cert-manager replaces both files while clients log in.
#[tokio::test]
async fn certificates_are_replaced_under_load() {
    let cluster = Cluster::mariadb(0).await;
    let ours = Authority::new("ours");
    let names = format!("DNS:{NAME}");
    let folder = Scratch::new("used");
    let used = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let put = |(certificate, key): &(PathBuf, PathBuf)| {
        // As kubelet and cert-manager do it: whole files, one after the other.
        for (from, to) in [(certificate, &used.0), (key, &used.1)] {
            let beside = to.with_extension("new");
            std::fs::copy(from, &beside).unwrap();
            std::fs::rename(&beside, to).unwrap();
        }
    };
    put(&ours.issue("first", &names));
    let proxy = Arc::new(Proxy::start(&config(&cluster, &identity(&used), &[])).await);
    let verifying = client_config(Some(&ours), None);
    let mut open = login(proxy.rw, &verifying, "app").await.unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (ends, proxy, ours) = (ends.clone(), proxy.clone(), client_config(Some(&ours), None));
            tokio::spawn(async move {
                let mut logins = 0;
                while !ends.load(Ordering::Relaxed) {
                    let mut session = login(proxy.rw, &ours, "app").await.expect("a login failed");
                    assert_eq!(session.query("DO 1").await.unwrap()[0], 0);
                    logins += 1;
                }
                logins
            })
        })
        .collect();
    for round in 2..6 {
        put(&ours.issue(&format!("round{round}"), &names));
        eventually("the new certificate is served", async || {
            let fresh = client_config(Some(&ours), None);
            let session = login(proxy.rw, &fresh, "app").await.unwrap();
            let served = session.stream.get_ref().1.peer_certificates().unwrap()[0].clone();
            (served == CertificateDer::from_pem_file(&used.0).unwrap()).then_some(())
        })
        .await;
    }
    ends.store(true, Ordering::Relaxed);
    let mut logins = 0;
    for client in clients {
        logins += client.await.unwrap();
    }
    assert!(logins > 20, "{logins}");
    assert_eq!(open.query("DO 1").await.unwrap()[0], 0, "connections stay");
    assert!(metric(&proxy, "pointsman_tls_certificate_not_after_seconds{listener=\"rw\"}").await > 1e9);

    // Files that do not belong together change nothing.
    let before = proxy.log().len();
    std::fs::write(&used.0, "no certificate").unwrap();
    eventually("the proxy has read it", async || {
        proxy.log()[before..].contains("not reloaded").then_some(())
    })
    .await;
    assert!(login(proxy.rw, &verifying, "app").await.is_ok());
}

/// MariaDB's clients since 11.4 verify a certificate without a CA: by what only who knows their password can say of it.
#[tokio::test]
async fn the_password_vouches_for_the_certificate() {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
    let cluster = Cluster::mariadb(0).await;
    let proxy = Proxy::start(&config(&cluster, &[mode("preferred")], &[])).await;
    let (session, text, nonce) = login_and_text(proxy.rw, &client_config(None, None), "app").await.unwrap();
    let certificate = session.stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let stored = digest(&SHA1_FOR_LEGACY_USE_ONLY, digest(&SHA1_FOR_LEGACY_USE_ONLY, b"app").as_ref());
    let fingerprint = digest(&SHA256, &certificate);
    let proof = digest(&SHA256, &[stored.as_ref(), &nonce, fingerprint.as_ref()].concat());
    let digits: String = proof.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(text, [b"\x01", digits.as_bytes()].concat());
    // Without TLS there is nothing to vouch for.
    let mut plain = Raw::connect(proxy.rw).await.unwrap();
    let greeted = plain.greeting().await.unwrap();
    plain.send(1, &response("app", "app", &greeted)).await.unwrap();
    let (_, ok) = plain.read().await.unwrap();
    assert_eq!((ok[0], ok.len()), (0, 7));
}

#[tokio::test]
async fn sessions_are_resumed_by_any_worker() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = Proxy::start(&format!(
        "workers = 2\nworker_fill = 0\n{}",
        config(&cluster, &[mode("required")], &[])
    ))
    .await;
    let config = client_config(None, None);
    for _ in 0..20 {
        let mut session = login(proxy.rw, &config, "app").await.unwrap();
        // With the answer the ticket has come.
        assert_eq!(session.query("DO 1").await.unwrap()[0], 0);
    }
    let count = async |result: &str| {
        let sample =
            format!("pointsman_client_tls_handshakes_total{{version=\"TLSv1.3\",result=\"{result}\"}}");
        metric(&proxy, &sample).await
    };
    assert_eq!((count("full").await, count("resumed").await), (1.0, 19.0));
}

/// What scanners look for: versions, ciphers, compression, renegotiation, early data, and what breaks the protocol. With
/// the certificate that the proxy makes, one of a CA, and one with an RSA key.
#[tokio::test]
async fn a_scan_finds_nothing() {
    let cluster = Cluster::mariadb(0).await;
    let ours = Authority::new("ours");
    let listeners = [
        vec![mode("required")],
        identity(&ours.issue("scanned", &format!("DNS:{NAME}"))),
        identity(&ours.issue_rsa("rsa", &format!("DNS:{NAME}"))),
    ];
    for listener in listeners {
        let unblocked = "[limits]\nmax_login_errors = 0\n";
        let proxy = Proxy::start(&format!("{}\n{unblocked}", config(&cluster, &listener, &[]))).await;
        let mut scan = Command::new("python3");
        let output = scan.args(["-B", "tests/it/tls/scan.py", "--port", &proxy.rw.to_string()]).output();
        let output = output.expect("cannot run python3: install it");
        let found = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && found.lines().count() > 60, "{listener:?}: {found}\n{error}");
        assert!(login_works(&proxy).await);
    }
}

/// What `pointsman check` says of certificates.
#[tokio::test]
async fn check_says_what_certificates_are_for() {
    let cluster = Cluster::mariadb(0).await;
    let ours = Authority::new("ours");
    let names = format!("DNS:{NAME},IP:10.0.0.1");
    let check = |issued: &(PathBuf, PathBuf)| {
        let folder = Scratch::new("checked");
        let path = folder.path().join("pointsman.toml");
        let text = config(&cluster, &identity(issued), &[]);
        let text = text.replace("{rw}", "3306").replace("{ro}", "6447").replace("{http}", "9090");
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        said(&command.args(["check", "--config"]).arg(&path).output().unwrap()).unwrap()
    };
    let good = check(&ours.issue("good", &names));
    let told = format!("# listeners.tls of rw: the certificate is for {NAME}, 10.0.0.1, and ends 20");
    assert!(good.contains(&told) && good.contains("Z, in 1 days"), "{good}");
    assert!(good.contains("[listeners.tls]\nmode = \"preferred\"\ncert_file = "), "{good}");
    let expired = check(&ours.issue_expired("expired", &names));
    assert!(expired.contains("and ENDED 2020-02-01T00:00:00Z: renew it"), "{expired}");
}
