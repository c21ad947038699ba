//! Both sides of the state machine, connected by a wire that cuts what passes.

use std::io;
use std::sync::Arc;
use std::task::Poll;

use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::config::{Identity, Secret};
use crate::net::Buf;
use crate::net::cut_wire::Wire;

const CA: &str = include_str!("../fixture/ca.pem");
const CERTIFICATE: &str = include_str!("../fixture/server.pem");
const KEY: &str = include_str!("../fixture/server-key.pem");

/// Runs a handshake. `begun`: how many of the client's first bytes come with the request for TLS.
fn shake(
    acceptor: &TlsAcceptor,
    client: &Arc<ClientConfig>,
    wire: &mut Wire,
    begun: usize,
) -> io::Result<(Tls, Tls)> {
    let name = ServerName::try_from("db-0.db.svc").unwrap();
    let mut client = Tls::new(client.clone(), name).unwrap();
    let mut client_is_done = client.poll_handshake(&mut wire.client()).is_ready();
    let first: Vec<u8> = wire.to_server.drain(..begun.min(wire.to_server.len())).collect();
    let mut proxy = acceptor.begin(&first).unwrap();
    let mut proxy_is_done = false;
    for _ in 0..10_000 {
        if !proxy_is_done && let Poll::Ready(result) = proxy.poll_handshake(&mut wire.server()) {
            result?;
            proxy_is_done = true;
        }
        if !client_is_done && let Poll::Ready(result) = client.poll_handshake(&mut wire.client()) {
            result?;
            client_is_done = true;
        }
        if client_is_done && proxy_is_done {
            // Takes the session tickets.
            assert!(client.poll_readable(&mut wire.client()).is_pending());
            return Ok((client, proxy));
        }
    }
    panic!("the handshake does not end");
}

fn client(identity: Option<&Identity>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_pem(CA) {
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certified = identity.certified(&provider).unwrap();
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
    })
}

fn rustls_pem(pem: &str) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap()
}

fn identity(cert: &str, key: &str) -> Identity {
    let (cert, key) = (Secret::new(cert), Secret::new(key));
    Identity { cert_file: "cert".into(), key_file: "key".into(), cert, key }
}

fn settings() -> ClientsTls {
    ClientsTls { identity: Some(identity(CERTIFICATE, KEY)), ..ClientsTls::default() }
}

/// Returns the acceptor of one listener with these settings.
fn acceptor(settings: ClientsTls) -> Arc<TlsAcceptor> {
    let cell = AcceptorsCell::default();
    let mut maker = AcceptorMaker::new(cell.clone()).unwrap();
    assert_eq!(maker.update(&HashMap::from([("rw".into(), settings)])), []);
    cell.get("rw")
}

/// A CA, and how it issues certificates for clients.
struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        Authority(Issuer::new(parameters, key), pem)
    }

    fn issue(&self, organization: &str, name: &str) -> Identity {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::OrganizationName, organization);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        identity(&certificate.pem(), &key.serialize_pem())
    }

    fn verified(&self, verify_client: VerifyClient) -> ClientsTls {
        ClientsTls { client_ca: Some(Secret::new(&*self.1)), verify_client, ..settings() }
    }
}

#[test]
fn bytes_pass_however_they_are_cut() {
    let (acceptor, config) = (acceptor(settings()), client(None));
    for (chunk, begun) in [(usize::MAX, 0), (1, 3), (7, 100), (usize::MAX, usize::MAX)] {
        let mut wire = Wire::cut(chunk);
        let (mut client, mut proxy) = shake(&acceptor, &config, &mut wire, begun).unwrap();
        let question: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
        for inwards in [true, false] {
            let (from, to) = if inwards { (&mut client, &mut proxy) } else { (&mut proxy, &mut client) };
            let mut written = 0;
            let mut out = if inwards { wire.client() } else { wire.server() };
            assert!(from.poll_write(&mut out, &question, &mut written).is_ready());
            let mut read = Vec::new();
            while read.len() < question.len() {
                let mut buf = Buf::with_room(30_000);
                let mut io = if inwards { wire.server() } else { wire.client() };
                let Poll::Ready(Ok(1..)) = to.poll_read(&mut io, &mut buf) else { continue };
                read.extend_from_slice(buf.filled());
            }
            assert!(read == question, "{chunk} {begun}");
        }
        assert_eq!(proxy.memory(), 0, "who waits owns no buffer");
    }
}

#[test]
fn what_is_no_handshake_ends_it_with_an_alert() {
    for garbage in [&b"SELECT 1 and more than a record's head"[..], &[0x16, 3, 1, 0, 4, 0xff, 0, 0, 0]] {
        let mut wire = Wire::whole();
        wire.to_server.extend(garbage);
        let mut proxy = acceptor(settings()).begin(b"").unwrap();
        let Poll::Ready(Err(error)) = proxy.poll_handshake(&mut wire.server()) else { panic!("no error") };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(wire.to_client.front(), Some(&0x15), "an alert");
    }
    // A handshake that announces more than any client sends is not collected without end.
    let mut wire = Wire::whole();
    let mut proxy = acceptor(settings()).begin(b"").unwrap();
    for _ in 0..100 {
        wire.to_server.extend([0x16, 3, 1, 0x40, 0]);
        wire.to_server.extend([1, 0xff, 0xff, 0xff]);
        wire.to_server.extend([0; 0x4000 - 4]);
        if proxy.poll_handshake(&mut wire.server()).is_ready() {
            return;
        }
    }
    panic!("it goes on");
}

#[test]
fn sessions_are_resumed_also_after_a_new_certificate() {
    let cell = AcceptorsCell::default();
    let mut maker = AcceptorMaker::new(cell.clone()).unwrap();
    let both =
        |settings: ClientsTls| HashMap::from([("rw".into(), settings.clone()), ("ro".into(), settings)]);
    assert_eq!(maker.update(&both(settings())), []);
    let config = client(None);
    let how = |acceptor: &TlsAcceptor| {
        let (_, proxy) = shake(acceptor, &config, &mut Wire::whole(), 0).unwrap();
        ClientTls::of(&proxy, acceptor).resumed
    };
    let before = cell.get("rw");
    assert!(!how(&before));
    assert!(how(&before) && how(&cell.get("ro")));
    let renewed = ClientsTls { identity: Some(identity(&format!("{CERTIFICATE}\n"), KEY)), ..settings() };
    assert_eq!(maker.update(&both(renewed.clone())), []);
    assert!(!Arc::ptr_eq(&before, &cell.get("rw")));
    assert!(how(&cell.get("rw")));
    let same = cell.get("rw");
    assert_eq!(maker.update(&both(renewed)), []);
    assert!(Arc::ptr_eq(&same, &cell.get("rw")), "what did not change is not made again");
}

#[test]
fn clients_are_verified_every_time() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let (app, stranger) = (ours.issue("Example", "app"), other.issue("Example", "app"));
    for verify_client in [VerifyClient::IfGiven, VerifyClient::Required] {
        let acceptor = acceptor(ours.verified(verify_client));
        let certified = client(Some(&app));
        for _ in 0..2 {
            let (_, proxy) = shake(&acceptor, &certified, &mut Wire::whole(), 0).unwrap();
            let tls = ClientTls::of(&proxy, &acceptor);
            assert!(tls.certified && !tls.resumed, "{tls:?}");
            let names = tls.names.unwrap();
            assert_eq!((&*names.subject, &*names.issuer), ("/O=Example/CN=app", "/CN=ours"));
        }
        assert!(shake(&acceptor, &client(Some(&stranger)), &mut Wire::whole(), 0).is_err());
        let without = shake(&acceptor, &client(None), &mut Wire::whole(), 0);
        match verify_client {
            VerifyClient::IfGiven => assert!(!ClientTls::of(&without.unwrap().1, &acceptor).certified),
            _ => assert!(without.is_err()),
        }
    }
    // Who does not ask sees no certificate.
    let acceptor = acceptor(settings());
    let (_, proxy) = shake(&acceptor, &client(Some(&app)), &mut Wire::whole(), 0).unwrap();
    let tls = ClientTls::of(&proxy, &acceptor);
    assert!(!tls.certified);
    assert_ne!(tls.fingerprint, [0; 32]);
}

#[test]
fn names_that_read_in_two_ways_match_nothing() {
    let ours = Authority::new("ours");
    let acceptor = acceptor(ours.verified(VerifyClient::Required));
    for name in ["app/O=Example", "app\n", "äpp"] {
        let config = client(Some(&ours.issue("Example", name)));
        let (_, proxy) = shake(&acceptor, &config, &mut Wire::whole(), 0).unwrap();
        let tls = ClientTls::of(&proxy, &acceptor);
        assert!(tls.certified && tls.names.is_none(), "{name:?}: {tls:?}");
    }
}

#[test]
fn a_listener_without_a_usable_certificate_makes_its_own() {
    let own = acceptor(ClientsTls::default());
    assert!(own.is_offered() && !own.is_required());
    assert_eq!(own.not_after(), None, "nobody has to renew it");
    assert!(acceptor(settings()).not_after().is_some());
    let disabled = acceptor(ClientsTls { mode: ClientsTlsMode::Disabled, ..settings() });
    assert!(!disabled.is_offered() && disabled.begin(b"").is_err());
    let unknown = AcceptorsCell::default().get("rw");
    assert!(!unknown.is_offered());

    let cell = AcceptorsCell::default();
    let mut maker = AcceptorMaker::new(cell.clone()).unwrap();
    let mut update = |settings: ClientsTls| {
        let wrong = maker.update(&HashMap::from([("rw".into(), settings)]));
        wrong.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
    };
    let mode = ClientsTlsMode::Required;
    let awaited = ClientsTls { mode, identity: Some(identity("", "")), ..ClientsTls::default() };
    assert_eq!(update(awaited), "the Secret has no tls.crt and tls.key");
    assert!(cell.get("rw").is_offered() && cell.get("rw").is_required());
    assert_eq!(update(settings()), "");
    let good = cell.get("rw");
    let swapped = update(ClientsTls { identity: Some(identity(CA, KEY)), ..settings() });
    assert!(swapped.contains("is not the key of the certificate"), "{swapped}");
    assert!(Arc::ptr_eq(&good, &cell.get("rw")), "the former one stays");
}

#[test]
fn without_the_clients_ca_a_listener_that_needs_it_admits_nobody() {
    let cell = AcceptorsCell::default();
    let mut maker = AcceptorMaker::new(cell.clone()).unwrap();
    let settings = ClientsTls { verify_client: VerifyClient::Required, ..settings() };
    let wrong = maker.update(&HashMap::from([("rw".into(), settings)]));
    assert!(wrong[0].1.contains("the clients' CA is not known yet"), "{wrong:?}");
    assert!(!cell.get("rw").is_offered() && cell.get("rw").is_required());
}

#[test]
fn a_certificate_says_what_it_is_for() {
    let facts = CertificateFacts::of(&rustls_pem(CERTIFICATE)[0]).unwrap();
    assert_eq!(facts.names, ["db-0.db.svc", "*.wild.svc", "127.0.0.7"]);
    assert!(facts.ends.len() == "2027-01-01T00:00:00Z".len() && facts.ends.ends_with('Z'), "{facts:?}");
    let own = own_certificate().unwrap();
    let facts = CertificateFacts::of(own.cert.first().unwrap()).unwrap();
    assert_eq!(facts.names, ["CN=Pointsman_auto_generated_certificate"]);
    assert_eq!(CertificateFacts::of(&rustls::pki_types::CertificateDer::from(&b"0"[..])), None);
}

/// Feeds bytes to a connection that waits for a handshake, and sees that it ends or waits. What a client can send before it
/// is known must not end the process.
fn survives(acceptor: &TlsAcceptor, bytes: &[u8], begun: usize, chunk: usize) {
    let begun = begun.min(bytes.len());
    let mut wire = Wire::cut(chunk.max(1));
    wire.to_server.extend(&bytes[begun..]);
    let mut proxy = acceptor.begin(&bytes[..begun]).unwrap();
    for _ in 0..3 {
        let _ = proxy.poll_handshake(&mut wire.server());
    }
    let _ = proxy.poll_read(&mut wire.server(), &mut Buf::with_room(100));
    assert_eq!(proxy.poll_readable(&mut wire.server()).is_ready(), proxy.has_ended());
    let _ = proxy.write_now(&mut wire.server(), b"x");
    proxy.close(&mut wire.server());
}

/// Returns what a client sends first.
fn client_hello() -> Vec<u8> {
    let mut wire = Wire::whole();
    let name = ServerName::try_from("db-0.db.svc").unwrap();
    assert!(Tls::new(client(None), name).unwrap().poll_handshake(&mut wire.client()).is_pending());
    wire.to_server.into()
}

#[test]
fn every_cut_and_every_changed_byte_of_a_handshake_is_survived() {
    let (acceptor, hello) = (acceptor(settings()), client_hello());
    for at in 0..hello.len() {
        survives(&acceptor, &hello[..at], at / 2, 100);
        for bit in [1, 0x80] {
            let mut changed = hello.clone();
            changed[at] ^= bit;
            survives(&acceptor, &changed, 0, usize::MAX);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
        head in 0..4_usize,
        begun in 0..2_000_usize,
        chunk in 1..300_usize,
    ) {
        static ACCEPTOR: std::sync::LazyLock<Arc<TlsAcceptor>> =
            std::sync::LazyLock::new(|| acceptor(settings()));
        // Behind a header of a record there is more to reach.
        let heads: [&[u8]; 4] = [b"", &[0x16, 3, 1, 1, 0], &[0x17, 3, 3, 0, 40], &[0x15, 3, 3, 0, 2]];
        survives(&ACCEPTOR, &[heads[head], &bytes].concat(), begun, chunk);
    }

    #[test]
    fn what_is_changed_behind_a_handshake_is_survived(
        at in any::<proptest::sample::Index>(),
        with in any::<u8>(),
        more in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let acceptor = acceptor(settings());
        let mut wire = Wire::whole();
        let (mut client, mut proxy) = shake(&acceptor, &self::client(None), &mut wire, 0).unwrap();
        let mut written = 0;
        assert!(client.poll_write(&mut wire.client(), &[7; 300], &mut written).is_ready());
        let at = at.index(wire.to_server.len());
        wire.to_server[at] = with;
        wire.to_server.extend(&more);
        let mut buf = Buf::with_room(1_000);
        for _ in 0..3 {
            let _ = proxy.poll_read(&mut wire.server(), &mut buf);
        }
        // What was read is what was sent, or nothing.
        assert!(buf.is_empty() || buf.filled() == [7; 300]);
        let _ = proxy.write_now(&mut wire.server(), b"x");
    }
}
