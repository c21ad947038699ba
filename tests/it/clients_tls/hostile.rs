//! What breaks, ends too early or is too large: a certificate that has ended, handshakes that stop at any byte, and
//! connection attributes beyond every measure.

use super::*;
use crate::dialogue::raw::{error_code, framed};
use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// CLIENT_CONNECT_ATTRS
const ATTRIBUTES: u32 = 0x10_0000;

/// ER_HANDSHAKE_ERROR
const BAD_HANDSHAKE: u16 = 1043;

/// Connections that stand still at a time.
const STANDING: usize = 200;

#[tokio::test]
async fn an_expired_certificate_is_served_to_those_who_do_not_look() {
    let cluster = Cluster::mariadb(0).await;
    let ours = Authority::new("ours");
    let listener = identity(&ours.issue_expired("expired", &format!("DNS:{NAME}")));
    let proxy = Proxy::start(&config(&cluster, &listener, &[])).await;
    let error = login(proxy.rw, &client_config(Some(&ours), None), "app").await.err();
    let error = error.expect("a client that verifies was content").to_string();
    assert!(error.contains("expired"), "{error}");
    assert!(login_works(&proxy).await, "a client that does not verify");
    assert!(proxy.client().await.is_ok(), "and one without TLS");
    assert!(proxy.log().contains("the certificate has ended"), "{}", proxy.log());
    let ends = metric(&proxy, "pointsman_tls_certificate_not_after_seconds{listener=\"rw\"}").await;
    assert_eq!(ends, 1_580_515_200.0, "what alerts look at");
}

/// What a client sends, in the order in which it is sent; the proxy's answers stand between.
struct Sent {
    hello: Vec<u8>,
    rest: Vec<u8>,
}

/// A ClientHello of a few hundred bytes: without a share for a key exchange of a kilobyte.
fn short_config() -> Arc<ClientConfig> {
    let kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let provider = Arc::new(CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() });
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    Arc::new(builder.with_no_client_auth())
}

/// Connects and sends the beginning of a login over TLS: `cut` bytes of it. Returns the connection, which goes on to stand
/// still, and the bytes that there were to send in all.
async fn half(port: u16, config: &Arc<ClientConfig>, cut: usize) -> (Raw, usize) {
    let mut raw = Raw::connect(port).await.unwrap();
    let greeted = raw.greeting().await.unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let mut tls = rustls::ClientConnection::new(config.clone(), name).unwrap();
    let mut sent = Sent { hello: framed(1, &ssl_request()), rest: Vec::new() };
    tls.write_tls(&mut sent.hello).unwrap();
    raw.stream.write_all(&sent.hello[..cut.min(sent.hello.len())]).await.unwrap();
    let Some(left) = cut.checked_sub(sent.hello.len()) else { return (raw, sent.hello.len()) };
    while tls.is_handshaking() {
        let mut header = [0; 5];
        tokio::io::AsyncReadExt::read_exact(&mut raw.stream, &mut header).await.unwrap();
        let mut record = header.to_vec();
        record.resize(5 + usize::from(u16::from_be_bytes([header[3], header[4]])), 0);
        tokio::io::AsyncReadExt::read_exact(&mut raw.stream, &mut record[5..]).await.unwrap();
        tls.read_tls(&mut record.as_slice()).unwrap();
        tls.process_new_packets().unwrap();
    }
    let login = framed(2, &response("app", "app", &greeted));
    io::Write::write_all(&mut tls.writer(), &login).unwrap();
    tls.write_tls(&mut sent.rest).unwrap();
    raw.stream.write_all(&sent.rest[..left.min(sent.rest.len() - 1)]).await.unwrap();
    (raw, sent.hello.len() + sent.rest.len())
}

/// The same without TLS.
async fn plain_half(port: u16, cut: usize) -> (Raw, usize) {
    let mut raw = Raw::connect(port).await.unwrap();
    let greeted = raw.greeting().await.unwrap();
    let login = framed(1, &response("app", "app", &greeted));
    raw.stream.write_all(&login[..cut.min(login.len() - 1)]).await.unwrap();
    (raw, login.len())
}

/// At each byte, with TLS and without: the connection ends with `timeouts.login`, without an OK packet.
#[tokio::test]
async fn a_login_that_stops_at_any_byte_ends_with_its_timeout() {
    let cluster = Cluster::mariadb(0).await;
    // The configuration ends with the timeouts.
    let more = "login = \"3s\"\n[limits]\nmax_login_errors = 0\n";
    let text = config(&cluster, &[mode("preferred")], &[]);
    let proxy = Proxy::start(&format!("workers = 2\nworker_fill = 0\n{text}\n{more}")).await;
    let config = short_config();
    let tls = half(proxy.rw, &config, usize::MAX).await.1;
    let plain = plain_half(proxy.rw, usize::MAX).await.1;
    assert!(tls > 400 && plain > 60, "{tls} {plain}");
    let log = proxy.log().len();
    let mut ended = 0;
    let cuts: Vec<_> = (0..tls).map(|cut| (true, cut)).chain((0..plain).map(|cut| (false, cut))).collect();
    for batch in cuts.chunks(STANDING) {
        let mut standing = Vec::new();
        for &(with_tls, cut) in batch {
            standing.push(match with_tls {
                true => half(proxy.rw, &config, cut).await.0,
                false => plain_half(proxy.rw, cut).await.0,
            });
        }
        // Others are served meanwhile.
        assert!(login_works(&proxy).await);
        ended += standing.len();
        for (raw, (with_tls, cut)) in standing.iter_mut().zip(batch) {
            let rest = raw.rest().await;
            let handshake = [0x14, 0x15, 0x16, 0x17].contains(rest.first().unwrap_or(&0x15));
            assert!(
                if *with_tls { handshake } else { rest.get(4) != Some(&0) },
                "{with_tls} {cut}: {rest:?}"
            );
        }
    }
    eventually("all have ended, each with the timeout", async || {
        let sample = "pointsman_client_disconnects_total{reason=\"login_timeout\"}";
        (metric(&proxy, sample).await == ended as f64).then_some(())
    })
    .await;
    // Lines are rationed, and none is of an error of the proxy.
    let log = proxy.log().split_off(log);
    assert!(log.lines().count() < ended / 2 && !log.contains("ERROR") && !log.contains("panic"), "{log}");
    assert!(login_works(&proxy).await);
}

/// A handshake response with one attribute, so that all attributes take this many bytes.
fn with_attributes(greeted: &Greeted, size: usize) -> Vec<u8> {
    let mut login = response("app", "app", greeted);
    let flags = u32::from_le_bytes([login[0], login[1], login[2], login[3]]) | ATTRIBUTES;
    login[..4].copy_from_slice(&flags.to_le_bytes());
    let long = |n: usize| [&[0xfd], &u32::try_from(n).unwrap().to_le_bytes()[..3]].concat();
    let name = b"\x04name";
    let value = vec![b'x'; size - name.len() - 4];
    login.extend([long(size), name.to_vec(), long(value.len()), value].concat());
    login
}

#[tokio::test]
async fn attributes_of_64_kib_are_accepted_and_of_megabytes_are_not() {
    let cluster = Cluster::mariadb(0).await;
    let more = "[limits]\nmax_login_errors = 0\n";
    let proxy = Proxy::start(&format!("{}\n{more}", config(&cluster, &[mode("preferred")], &[]))).await;
    let anybody = client_config(None, None);
    for (size, code) in
        [(100, 0), (65_535, 0), (65_536, BAD_HANDSHAKE), (256 << 10, BAD_HANDSHAKE), (8 << 20, BAD_HANDSHAKE)]
    {
        let mut plain = Raw::connect(proxy.rw).await.unwrap();
        let greeted = plain.greeting().await.unwrap();
        // Who is refused may not take the rest.
        let _ = plain.send(1, &with_attributes(&greeted, size)).await;
        let (_, answer) = plain.read().await.unwrap();
        let said = answer.escape_ascii().to_string();
        assert_eq!(error_code(&answer), code, "{size}: {said}");
        assert!(code == 0 || said.contains("bytes"), "{said}");
        let (mut tls, greeted) = encrypted(proxy.rw, &anybody, b"").await.unwrap();
        let _ = tls.send(2, &with_attributes(&greeted, size)).await;
        let (_, answer) = tls.read().await.unwrap();
        assert_eq!(error_code(&answer), code, "{size} over TLS: {}", answer.escape_ascii());
    }
    // Lengths that lie.
    for lie in
        [&b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\xfd\xff\xff\xff", b"\xfc\xff\xff", b"\xfb", b"\xff"]
    {
        let mut raw = Raw::connect(proxy.rw).await.unwrap();
        let greeted = raw.greeting().await.unwrap();
        let mut login = with_attributes(&greeted, 20);
        login.truncate(login.len() - 24);
        login.extend_from_slice(lie);
        raw.send(1, &login).await.unwrap();
        let answer = raw.rest().await;
        assert_eq!(
            error_code(answer.get(4..).unwrap_or_default()),
            BAD_HANDSHAKE,
            "{}",
            answer.escape_ascii()
        );
    }
    assert!(login_works(&proxy).await);
}
