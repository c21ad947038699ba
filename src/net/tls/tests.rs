//! The state machine against rustls' server, over a wire that the test cuts into pieces.

mod keys;

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::Poll;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::{Io, Tls, TlsClient, TlsError};
use crate::config::{Secret, ServersTls, TlsMode};
use crate::net::Buf;

const CA: &str = include_str!("fixture/ca.pem");
const CERTIFICATE: &str = include_str!("fixture/server.pem");
const KEY: &str = include_str!("fixture/server-key.pem");

/// A client's settings for TLS 1.2 with suites that may encrypt so many records.
fn limited(records: u64) -> rustls::ClientConfig {
    let mut provider = super::suites::provider();
    let few = |suite: &rustls::SupportedCipherSuite| {
        let rustls::SupportedCipherSuite::Tls12(suite) = suite else { return None };
        super::suites::most_records((*suite).into())?;
        let common = rustls::CipherSuiteCommon {
            suite: suite.common.suite,
            hash_provider: suite.common.hash_provider,
            confidentiality_limit: records,
        };
        let suite = rustls::Tls12CipherSuite {
            common,
            prf_provider: suite.prf_provider,
            kx: suite.kx,
            sign: suite.sign,
            aead_alg: suite.aead_alg,
        };
        Some(rustls::SupportedCipherSuite::Tls12(Box::leak(Box::new(suite))))
    };
    provider.cipher_suites = provider.cipher_suites.iter().filter_map(few).collect();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(CA.as_bytes()).map(Result::unwrap));
    rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[test]
fn a_connection_is_worn_before_its_keys_are() {
    let mut scene = Scene::new(&client(TlsMode::VerifyCa), &server_config(&[&rustls::version::TLS12]));
    scene.tls = Tls::new(Arc::new(limited(512)), "db-0.db.svc".try_into().unwrap()).unwrap();
    scene.shake().unwrap();
    for _ in 0..509 {
        assert_eq!(scene.tls.write_now(&mut scene.wire, b"x").unwrap(), 1);
    }
    assert!(!scene.tls.is_worn());
    assert_eq!(scene.tls.write_now(&mut scene.wire, b"x").unwrap(), 1);
    assert!(scene.tls.is_worn());
    assert_eq!(scene.tls.write_now(&mut scene.wire, b"x").unwrap(), 1);
    // The handshake had a record, too: rustls encrypts no more.
    assert!(scene.tls.write_now(&mut scene.wire, b"x").is_err());
}

#[test]
fn a_suite_without_a_limit_is_chosen_if_it_is_offered() {
    for (versions, name) in
        [(&[&rustls::version::TLS12][..], "CHACHA20_POLY1305"), (rustls::ALL_VERSIONS, "TLS13_AES_256_GCM")]
    {
        let mut scene = Scene::new(&client(TlsMode::VerifyCa), &server_config(versions));
        scene.shake().unwrap();
        let suite = scene.server.negotiated_cipher_suite().unwrap().suite();
        assert!(suite.as_str().unwrap().contains(name), "{suite:?}");
        assert!(!scene.tls.is_worn());
    }
}

/// The bytes that are in transit between client and server, and how many of them move at a time.
struct Wire {
    to_client: VecDeque<u8>,
    to_server: VecDeque<u8>,
    /// The most bytes that one read returns.
    chunk: usize,
    /// How many more bytes the socket accepts.
    room: usize,
    closed: bool,
    broken: bool,
}

impl Io for Wire {
    fn read(&mut self, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.to_client.is_empty() {
            return if self.closed { Poll::Ready(Ok(0)) } else { Poll::Pending };
        }
        let n = room.len().min(self.chunk);
        let n = self.to_client.read(&mut room[..n])?;
        Poll::Ready(Ok(n))
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let n = bytes.len().min(self.room);
        match n {
            0 if self.broken => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            0 => return Poll::Pending,
            _ => self.to_server.extend(&bytes[..n]),
        }
        self.room -= n;
        Poll::Ready(Ok(n))
    }
}

struct Scene {
    tls: Tls,
    wire: Wire,
    server: ServerConnection,
    /// The plaintext that the server has read.
    heard: Vec<u8>,
    /// The error with which the server's handshake failed.
    refused: Option<rustls::Error>,
}

fn settings(mode: TlsMode) -> ServersTls {
    ServersTls { mode, ca: Some(Secret::new(CA)), ..ServersTls::default() }
}

fn client(mode: TlsMode) -> TlsClient {
    TlsClient::new(&settings(mode)).unwrap()
}

fn server_config(versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

impl Scene {
    fn new(client: &TlsClient, server: &Arc<ServerConfig>) -> Self {
        Scene::at(client, server, 3306)
    }

    fn at(client: &TlsClient, server: &Arc<ServerConfig>, port: u16) -> Self {
        Scene {
            tls: client.begin(&names(&["db-0.db.svc"]), "127.0.0.1", port).unwrap(),
            wire: Wire {
                to_client: VecDeque::new(),
                to_server: VecDeque::new(),
                chunk: usize::MAX,
                room: usize::MAX,
                closed: false,
                broken: false,
            },
            server: ServerConnection::new(server.clone()).unwrap(),
            heard: Vec::new(),
            refused: None,
        }
    }

    /// Returns a scene connected over TLS 1.3, with nothing but the session tickets in transit.
    fn connected() -> Self {
        let mut scene = Scene::new(&client(TlsMode::VerifyCa), &server_config(rustls::ALL_VERSIONS));
        scene.shake().unwrap();
        scene
    }

    /// Lets the server read the bytes that came, and write its answers.
    fn serve(&mut self) {
        while !self.wire.to_server.is_empty() {
            self.server.read_tls(&mut self.wire.to_server).unwrap();
            if let Err(error) = self.server.process_new_packets() {
                self.refused = Some(error);
                return;
            }
            let mut room = vec![0; 1 << 20];
            while let Ok(n @ 1..) = self.server.reader().read(&mut room) {
                self.heard.extend(&room[..n]);
            }
        }
        while self.server.wants_write() {
            self.server.write_tls(&mut self.wire.to_client).unwrap();
        }
    }

    fn say(&mut self, data: &[u8]) {
        self.server.set_buffer_limit(None);
        self.server.writer().write_all(data).unwrap();
        self.serve();
    }

    fn shake(&mut self) -> io::Result<()> {
        loop {
            match self.tls.poll_handshake(&mut self.wire) {
                Poll::Ready(result) => {
                    self.serve();
                    return result;
                }
                Poll::Pending => self.serve(),
            }
        }
    }

    fn read(&mut self, room: &mut Buf) -> Poll<io::Result<usize>> {
        self.tls.poll_read(&mut self.wire, room)
    }

    fn readable(&mut self) -> bool {
        self.tls.poll_readable(&mut self.wire).is_ready()
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn bytes_pass_however_they_are_cut() {
    for (chunk, step, room) in
        [(1, 1, 7), (3, 1000, 100_000), (16_000, 17, 1), (usize::MAX, usize::MAX, 16_384)]
    {
        let mut scene = Scene::new(&client(TlsMode::VerifyCa), &server_config(rustls::ALL_VERSIONS));
        scene.wire.chunk = chunk;
        scene.shake().unwrap();
        let (question, answer) = (pattern(100_000), pattern(70_000));
        let mut written = 0;
        scene.wire.room = 0;
        while scene.tls.poll_write(&mut scene.wire, &question, &mut written).is_pending() {
            scene.wire.room = step;
        }
        scene.serve();
        assert!(scene.heard == question, "cut into {step}");
        scene.say(&answer);
        let mut read = Vec::new();
        while read.len() < answer.len() {
            let mut buf = Buf::with_room(room);
            assert!(scene.readable());
            let Poll::Ready(Ok(n @ 1..)) = scene.read(&mut buf) else { panic!("after {} bytes", read.len()) };
            assert_eq!(n, buf.len());
            read.extend_from_slice(buf.filled());
        }
        assert!(read == answer, "cut into {chunk}");
        assert!(!scene.readable());
    }
}

#[test]
fn a_read_takes_all_records_that_there_is_room_for() {
    let mut scene = Scene::connected();
    scene.say(&pattern(60_000));
    let mut buf = Buf::with_room(1 << 18);
    assert!(matches!(scene.read(&mut buf), Poll::Ready(Ok(60_000))));
}

#[test]
fn session_tickets_and_key_updates_are_not_readable() {
    let mut scene = Scene::connected();
    assert!(!scene.wire.to_client.is_empty(), "there are tickets");
    assert!(!scene.readable());
    assert!(scene.wire.to_client.is_empty() && !scene.tls.has_news());
    scene.server.refresh_traffic_keys().unwrap();
    scene.serve();
    assert!(!scene.wire.to_client.is_empty());
    assert!(!scene.readable());
    assert!(scene.read(&mut Buf::with_room(9)).is_pending());
    scene.say(b"data");
    assert!(scene.readable());
    assert!(scene.tls.has_news(), "what was decrypted waits");
    let mut buf = Buf::with_room(9);
    assert!(matches!(scene.read(&mut buf), Poll::Ready(Ok(4))));
    assert!(!scene.tls.has_news());
    // The client now encrypts with new keys: the server had requested a key update.
    let mut written = 0;
    assert!(scene.tls.poll_write(&mut scene.wire, b"question", &mut written).is_ready());
    scene.serve();
    assert_eq!(scene.heard, b"question");
}

#[test]
fn an_end_is_one_announced_or_not() {
    let mut scene = Scene::connected();
    scene.say(b"last");
    scene.server.send_close_notify();
    scene.serve();
    let mut buf = Buf::with_room(9);
    assert!(matches!(scene.read(&mut buf), Poll::Ready(Ok(4))));
    assert!(scene.readable());
    assert!(matches!(scene.read(&mut buf), Poll::Ready(Ok(0))));
    assert!(scene.tls.has_ended());
    let mut scene = Scene::connected();
    scene.say(b"last");
    scene.wire.closed = true;
    assert!(!scene.tls.has_ended());
    assert!(matches!(scene.read(&mut buf), Poll::Ready(Ok(4))));
    assert!(matches!(scene.read(&mut buf), Poll::Ready(Ok(0))));
    assert!(scene.tls.has_ended() && scene.readable());
}

#[test]
fn our_end_is_announced() {
    let mut scene = Scene::connected();
    scene.tls.close(&mut scene.wire);
    scene.server.read_tls(&mut scene.wire.to_server).unwrap();
    assert!(scene.server.process_new_packets().unwrap().peer_has_closed());
}

#[test]
fn what_is_taken_and_not_sent_goes_with_the_next_call() {
    let mut scene = Scene::connected();
    scene.wire.room = 10;
    let question = pattern(200_000);
    let taken = scene.tls.write_now(&mut scene.wire, &question).unwrap();
    assert!(taken > 0 && taken < question.len(), "{taken}");
    assert_eq!(scene.wire.to_server.len(), 10);
    assert_eq!(scene.tls.write_now(&mut scene.wire, &question[taken..]).unwrap(), 0);
    scene.wire.room = usize::MAX;
    // A read that waits for the answer must send the rest of the question first, or it would wait for ever.
    assert!(scene.read(&mut Buf::with_room(9)).is_pending());
    scene.serve();
    assert!(scene.heard == question[..taken]);
    assert_eq!(scene.tls.write_now(&mut scene.wire, &question[taken..]).unwrap(), question.len() - taken);
    scene.serve();
    assert!(scene.heard == question);
}

#[test]
fn a_write_that_fails_says_what_was_sent() {
    let question = pattern(100_000);
    // The socket takes nothing, a part of the first 64 KiB, and a part of the rest.
    for (room, sent) in [(0, 0), (1, 65_536), (70_000, 100_000)] {
        let mut scene = Scene::connected();
        (scene.wire.room, scene.wire.broken) = (room, true);
        let mut written = 0;
        let result = scene.tls.poll_write(&mut scene.wire, &question, &mut written);
        assert!(matches!(result, Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::BrokenPipe));
        assert_eq!(written, sent);
        (scene.wire.room, scene.wire.broken) = (usize::MAX, false);
        let before = scene.wire.to_server.len();
        assert!(scene.read(&mut Buf::with_room(9)).is_pending());
        assert!(scene.tls.write_now(&mut scene.wire, b"more").is_err());
        assert_eq!(scene.wire.to_server.len(), before, "nothing of it is sent later");
    }
}

#[test]
fn what_the_peer_sent_before_a_write_failed_is_read() {
    let mut scene = Scene::connected();
    scene.say(b"why");
    (scene.wire.room, scene.wire.broken) = (0, true);
    assert!(scene.tls.write_now(&mut scene.wire, b"more").is_err());
    let mut room = Buf::with_room(64);
    assert!(matches!(scene.read(&mut room), Poll::Ready(Ok(3))));
    assert_eq!(room.filled(), b"why");
    assert!(scene.tls.write_now(&mut scene.wire, b"more").is_err());
}

#[test]
fn nothing_is_sent_after_an_abort() {
    let mut scene = Scene::connected();
    scene.wire.room = 10;
    scene.tls.write_now(&mut scene.wire, b"a statement").unwrap();
    scene.tls.abandon();
    scene.wire.room = usize::MAX;
    assert!(matches!(scene.read(&mut Buf::with_room(9)), Poll::Ready(Err(_))));
    assert_eq!(scene.wire.to_server.len(), 10);
}

#[test]
fn a_record_in_pieces_is_kept_between_calls() {
    let mut scene = Scene::connected();
    assert!(!scene.readable());
    scene.say(b"one record");
    let whole: Vec<u8> = scene.wire.to_client.drain(..).collect();
    for (at, byte) in whole.iter().enumerate() {
        scene.wire.to_client.push_back(*byte);
        assert_eq!(scene.readable(), at + 1 == whole.len());
    }
    let mut buf = Buf::with_room(64);
    assert!(matches!(scene.read(&mut buf), Poll::Ready(Ok(10))));
}

#[test]
fn a_record_that_is_changed_on_its_way_breaks_the_connection() {
    let mut scene = Scene::connected();
    assert!(!scene.readable());
    scene.say(b"one record");
    *scene.wire.to_client.back_mut().unwrap() ^= 1;
    let mut buf = Buf::with_room(64);
    let Poll::Ready(Err(error)) = scene.read(&mut buf) else { panic!("it passed") };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(buf.is_empty() && scene.tls.has_ended());
}

#[test]
fn who_waits_owns_no_buffer() {
    let mut scene = Scene::connected();
    scene.say(&pattern(50_000));
    let mut buf = Buf::with_room(100);
    assert!(scene.read(&mut buf).is_ready());
    assert!(scene.tls.memory() > 0);
    while scene.readable() {
        let _ = scene.read(&mut Buf::with_room(9999));
    }
    assert!(scene.read(&mut Buf::with_room(9)).is_pending());
    assert_eq!(scene.tls.memory(), 0);
    let _ = scene.tls.write_now(&mut scene.wire, b"x").unwrap();
    assert_eq!(scene.tls.memory(), 0);
}

#[test]
fn sessions_go_on_many_times() {
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let (client, server) = (client(TlsMode::VerifyIdentity), server_config(versions));
        let mut resumed = 0;
        // One after the other fills the store; then many at once.
        for _ in 0..20 {
            let mut scene = Scene::new(&client, &server);
            scene.shake().unwrap();
            assert!(!scene.readable());
        }
        let mut scenes: Vec<_> = (0..15).map(|_| Scene::new(&client, &server)).collect();
        for scene in &mut scenes {
            scene.shake().unwrap();
            let how = client.finish(&scene.tls, &names(&["db-0.db.svc"]), "").unwrap();
            resumed += usize::from(how.resumed);
        }
        assert_eq!(resumed, scenes.len(), "{versions:?}");
        // The server's name is checked for a resumed session, too.
        assert!(client.finish(&scenes[0].tls, &names(&["db-1.db.svc"]), "").is_err());
    }
}

#[test]
fn servers_on_several_ports_of_a_host_have_sessions_of_their_own() {
    let client = client(TlsMode::VerifyIdentity);
    let servers = [(3306, server_config(rustls::ALL_VERSIONS)), (3307, server_config(rustls::ALL_VERSIONS))];
    for round in 0..3 {
        for (port, server) in &servers {
            let mut scene = Scene::at(&client, server, *port);
            scene.shake().unwrap();
            assert!(!scene.readable());
            assert_eq!(scene.tls.is_resumed(), round > 0, "port {port}, round {round}");
        }
    }
}

fn shaken(client: &TlsClient, wanted: &[&str], host: &str) -> Result<(), TlsError> {
    let tls = client.begin(&names(wanted), host, 3306)?;
    let mut scene = Scene::new(client, &server_config(rustls::ALL_VERSIONS));
    scene.tls = tls;
    scene.shake().map_err(TlsError::of_handshake)?;
    client.finish(&scene.tls, &names(wanted), host).map(drop)
}

#[test]
fn any_of_several_names_will_do() {
    let client = client(TlsMode::VerifyIdentity);
    shaken(&client, &["other", "db-0.db.svc"], "").unwrap();
    shaken(&client, &["one.wild.svc"], "").unwrap();
    shaken(&client, &[], "127.0.0.7").unwrap();
    let error = shaken(&client, &["db-1.db.svc", "db-1"], "").unwrap_err().to_string();
    let told = "is not for db-1.db.svc or db-1, but for db-0.db.svc, *.wild.svc, 127.0.0.7";
    assert!(error.contains(told), "{error}");
    assert!(shaken(&client, &[], "127.0.0.8").is_err());
}

#[test]
fn only_the_mode_that_asks_for_a_name_looks_at_it() {
    for mode in [TlsMode::Preferred, TlsMode::Required, TlsMode::VerifyCa] {
        shaken(&client(mode), &["another"], "").unwrap();
    }
}

#[test]
fn a_ca_that_did_not_issue_it_does_not_do() {
    let other = ServersTls { ca: Some(Secret::new(CERTIFICATE)), ..settings(TlsMode::VerifyCa) };
    let mut scene = Scene::new(&TlsClient::new(&other).unwrap(), &server_config(rustls::ALL_VERSIONS));
    let error = TlsError::of_handshake(scene.shake().unwrap_err()).to_string();
    assert!(error.contains("not issued by the CA"), "{error}");
    assert_eq!(scene.refused, Some(rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA)));
    for mode in [TlsMode::Preferred, TlsMode::Required] {
        shaken(&TlsClient::new(&ServersTls { mode, ..other.clone() }).unwrap(), &["another"], "").unwrap();
    }
}

#[test]
fn a_mode_wants_what_the_server_offers() {
    for (mode, offered, not_offered) in [
        (TlsMode::Disabled, Some(false), Some(false)),
        (TlsMode::Preferred, Some(true), Some(false)),
        (TlsMode::Required, Some(true), None),
        (TlsMode::VerifyCa, Some(true), None),
        (TlsMode::VerifyIdentity, Some(true), None),
    ] {
        let client = client(mode);
        assert_eq!((client.wants(true).ok(), client.wants(false).ok()), (offered, not_offered), "{mode:?}");
    }
}

#[test]
fn without_its_ca_nobody_is_verified() {
    let client = TlsClient::new(&ServersTls { ca: None, ..settings(TlsMode::VerifyIdentity) }).unwrap();
    assert!(matches!(shaken(&client, &["db-0.db.svc"], ""), Err(TlsError::NoCa)));
    for client in [client, TlsClient::unready(TlsMode::Required)] {
        assert!(client.wants(false).is_err() && client.wants(true).unwrap());
    }
}
