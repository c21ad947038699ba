//! Logins to scripted servers. TLS handshakes that succeed are in `tests/it/tls.rs`.

use super::super::own_class;
use super::*;
use crate::config::TlsMode;
use crate::net::WITHOUT_LIMIT;
use crate::net::memory::{MemoryListener, MemoryRuntime, MemoryStream};

const INTRODUCTION: Introduction<'_> = Introduction { collation: 45, attributes: &[], announced: None };

fn greeting() -> Greeting {
    Greeting {
        version: Vec::new(),
        connection_id: 7,
        nonce: [1; 20],
        capabilities: Capabilities::ALWAYS | Capabilities::LONG_PASSWORD | Capabilities::SSL,
        collation: 45,
        status: crate::wire::StatusFlags::AUTOCOMMIT,
        auth_plugin: b"mysql_native_password".to_vec(),
    }
}

/// Logs in as `app` with the password `secret` to the server at this address.
async fn connect_to(
    runtime: &MemoryRuntime,
    at: &str,
    class: Class,
) -> Result<Connection<MemoryStream>, ConnectError> {
    connect_as(runtime, at, class, None).await
}

/// The same to a server of which the monitor knows this.
async fn connect_as(
    runtime: &MemoryRuntime,
    at: &str,
    class: Class,
    flavor: Option<Flavor>,
) -> Result<Connection<MemoryStream>, ConnectError> {
    let target = Target {
        autocommit: true,
        resets: true,
        flavor,
        instance: Arc::default(),
        server: ServerId(0),
        name: "db-0".into(),
        address: at.into(),
        tls_names: Arc::default(),
        generation: 0,
    };
    let login = Login::new("app".into(), Secret::new("secret"));
    connect(runtime, &target, &login, class, &INTRODUCTION).await.map(|(connection, _)| connection)
}

/// Accepts a connection, and sends a greeting.
async fn accept(listener: &MemoryListener, greeting: &Greeting) -> MemoryStream {
    let mut stream = listener.accept().await;
    send(&mut stream, 0, |out| greeting.encode(out)).await.unwrap();
    stream
}

/// Greets, and reads one packet: its sequence id and payload.
async fn greet(listener: &MemoryListener) -> (MemoryStream, u8, Vec<u8>) {
    let mut stream = accept(listener, &greeting()).await;
    let mut buf = Buf::with_room(1024);
    let header = read_packet(&mut stream, &mut buf, None, 1024, &WITHOUT_LIMIT).await.unwrap();
    let packet = payload(&buf, header).to_vec();
    (stream, header.seq, packet)
}

async fn log_in_with(mode: TlsMode) -> (Result<(bool, bool), String>, Vec<(u8, Vec<u8>)>) {
    let mut runtime = MemoryRuntime::default();
    runtime.tls = Arc::new(TlsClient::unready(mode));
    let listener = runtime.listen("db:3306");
    let server = async {
        let mut received = Vec::new();
        loop {
            let (mut stream, seq, packet) = greet(&listener).await;
            let is_request = packet.len() == 32;
            received.push((seq, packet));
            if !is_request {
                send(&mut stream, seq + 1, |out| OkPacket::default().encode(out, 0, false)).await.unwrap();
                return received;
            }
            if mode != TlsMode::Preferred {
                return received;
            }
        }
    };
    let (result, received) = tokio::join!(connect_to(&runtime, "db:3306", own_class()), server);
    let result = result.map(|connection| (connection.encrypted.is_some(), connection.fell_back));
    (result.map_err(|error| error.to_string()), received)
}

#[tokio::test]
async fn a_handshake_that_fails_is_followed_by_a_login_without_it_where_that_may_be() {
    let (result, received) = log_in_with(TlsMode::Preferred).await;
    assert_eq!(result, Ok((false, true)));
    let [(1, request), (1, response)] = &received[..] else { panic!("{received:?}") };
    // The SSL request is the beginning of a handshake response, with the SSL flag.
    assert_eq!(request.len(), 32);
    assert_eq!(request[1] & 0x08, 0x08, "CLIENT_SSL");
    assert_eq!(response[1] & 0x08, 0, "no CLIENT_SSL");
    assert_eq!(request[4..], response[4..32]);
}

#[tokio::test]
async fn nobody_logs_in_without_it_where_that_may_not_be() {
    let (result, received) = log_in_with(TlsMode::Required).await;
    assert!(result.unwrap_err().starts_with("server db-0: TLS handshake"));
    assert_eq!((received.len(), received[0].0, received[0].1.len()), (1, 1, 32));
}

#[tokio::test]
async fn nobody_asks_for_what_is_not_wanted() {
    let (result, received) = log_in_with(TlsMode::Disabled).await;
    assert_eq!(result, Ok((false, false)));
    assert_eq!((received.len(), received[0].1[1] & 0x08), (1, 0));
}

#[tokio::test]
async fn a_server_without_query_attributes_is_not_for_clients_that_send_them() {
    let runtime = MemoryRuntime::default();
    let listener = runtime.listen("db:3306");
    let class = Class { capabilities: Capabilities::QUERY_ATTRIBUTES, read_only: false };
    let greeting = greeting();
    let (result, _) = tokio::join!(connect_to(&runtime, "db:3306", class), accept(&listener, &greeting));
    let error = result.map(|_| ()).unwrap_err();
    assert!(matches!(error, ConnectError::Protocol(ProtocolError::Unsupported(_))), "{error}");
}

#[tokio::test]
async fn a_wrong_address_is_an_error_of_the_login() {
    for address in ["db", "db:", ":3306", "::1:3306", "db:65536", "unix:run/db", ""] {
        let result = connect_to(&MemoryRuntime::default(), address, own_class()).await;
        let error = result.map(|_| ()).unwrap_err();
        assert!(matches!(error, ConnectError::Address(_)), "{error}");
        assert!(error.to_string().contains(&format!("`{address}` is not an address")), "{error}");
    }
}

/// Logs in as `app` with the password `secret` at this address. After the handshake response the server asks with
/// each of these packets and gets an answer, then sends OK. Returns the answers.
async fn asked(at: &str, questions: &[&[u8]]) -> (Result<(), String>, Vec<Vec<u8>>) {
    let runtime = MemoryRuntime::with_chunk(1);
    let listener = runtime.listen(at);
    let server = async {
        let (mut stream, mut seq, _) = greet(&listener).await;
        let mut answers = Vec::new();
        for question in questions {
            send(&mut stream, seq + 1, |out| out.extend_from_slice(question)).await.unwrap();
            let mut buf = Buf::with_room(1024);
            let Ok(header) = read_packet(&mut stream, &mut buf, Some(seq + 2), 1024, &WITHOUT_LIMIT).await
            else {
                return answers;
            };
            answers.push(payload(&buf, header).to_vec());
            seq = header.seq;
        }
        send(&mut stream, seq + 1, |out| OkPacket::default().encode(out, 0, false)).await.unwrap();
        answers
    };
    let (result, answers) = tokio::join!(connect_to(&runtime, at, own_class()), server);
    (result.map(|_| ()).map_err(|error| error.to_string()), answers)
}

fn switch(plugin: &str, data: &[u8]) -> Vec<u8> {
    [&[0xfe], plugin.as_bytes(), &[0], data].concat()
}

#[tokio::test]
async fn mariadbs_packets_begin_with_their_first_byte_or_with_a_1_before_it() {
    use crate::auth::parsec;
    let salt = parsec::ExtSalt::random().unwrap();
    let key = parsec::public_key(b"secret", &salt).unwrap();
    // Ends with a byte that is a NUL.
    let mut challenge = [0xee; 32];
    challenge[31] = 0;
    let escaped = [&[1], salt.encode().as_slice()].concat();
    for packet in [salt.encode().as_slice(), &escaped] {
        let (result, answers) = asked("db:3306", &[&switch("parsec", &challenge), packet]).await;
        assert_eq!(result, Ok(()));
        let [request, answer] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(request, b"");
        assert!(parsec::verify(answer, &challenge, &key));
    }
}

#[tokio::test]
async fn a_challenge_of_ed25519_may_end_with_a_nul() {
    use crate::auth::ed25519;
    let (result, answers) = asked("db:3306", &[&switch("client_ed25519", &[0; 32])]).await;
    assert_eq!(result, Ok(()));
    assert!(ed25519::verify(&answers[0], &[0; 32], &ed25519::public_key(b"secret")));
}

#[tokio::test]
async fn a_server_behind_a_unix_socket_may_ask_for_the_password() {
    for question in [switch("dialog", b"\x04Password: "), switch("mysql_clear_password", b"")] {
        let (result, answers) = asked("unix:/run/db.sock", &[&question]).await;
        assert_eq!((result, answers), (Ok(()), vec![b"secret\0".to_vec()]));
        let (result, answers) = asked("db:3306", &[&question]).await;
        let error = result.unwrap_err();
        assert!(error.contains("in clear text") && error.contains("servers_tls.ca_file"), "{error}");
        assert_eq!(answers, Vec::<Vec<u8>>::new());
    }
}

#[tokio::test]
async fn a_second_question_of_a_dialog_ends_the_login() {
    let question = switch("dialog", b"\x04Password: ");
    let (result, answers) = asked("unix:/run/db.sock", &[&question, b"\x04Code: "]).await;
    assert!(result.unwrap_err().contains("asks \"Code:\""));
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn an_empty_packet_ends_the_login() {
    let (result, _) = asked("db:3306", &[b""]).await;
    assert!(result.unwrap_err().contains("the end of the login"));
}

/// A handshake by the key of a certificate of this fingerprint that no CA verified.
const UNVERIFIED: Encrypted = Encrypted {
    version: "TLSv1.3",
    resumed: false,
    verified: false,
    unverified: Some(UnverifiedCertificate { fingerprint: [7; 32], has_key: true }),
    proof: None,
};

/// Logs in with the password `secret` to a server of this version over TLS. The server asks with these packets, and
/// then sends OK with this text.
async fn proven(version: &str, questions: &[Vec<u8>], text: &[u8]) -> Result<Encrypted, String> {
    proven_with(UNVERIFIED, version, questions, text).await
}

/// The same, after this handshake.
async fn proven_with(
    handshake: Encrypted,
    version: &str,
    questions: &[Vec<u8>],
    text: &[u8],
) -> Result<Encrypted, String> {
    let mut runtime = MemoryRuntime::default();
    runtime.secured = Some(handshake);
    runtime.tls = Arc::new(TlsClient::unready(TlsMode::Required));
    let listener = runtime.listen("db:3306");
    let server = async {
        let mut greeting = Greeting { version: version.as_bytes().to_vec(), ..greeting() };
        greeting.capabilities -= Capabilities::LONG_PASSWORD;
        greeting.capabilities |= Capabilities::MARIADB_PROGRESS;
        let mut stream = accept(&listener, &greeting).await;
        let mut buf = Buf::with_room(1024);
        let mut seq = 0;
        for _ in 0..2 {
            // The request for TLS, and the handshake response.
            let header = read_packet(&mut stream, &mut buf, None, 1024, &WITHOUT_LIMIT).await.unwrap();
            seq = header.seq;
            buf.consume(header.total());
        }
        for question in questions {
            send(&mut stream, seq + 1, |out| out.extend_from_slice(question)).await.unwrap();
            match read_packet(&mut stream, &mut buf, None, 1024, &WITHOUT_LIMIT).await {
                Ok(header) => {
                    seq = header.seq;
                    buf.consume(header.total());
                }
                Err(_) => return,
            }
        }
        let ok = OkPacket { info: text, ..OkPacket::default() };
        send(&mut stream, seq + 1, |out| ok.encode(out, 0, false)).await.unwrap();
    };
    let (result, ()) = tokio::join!(connect_to(&runtime, "db:3306", own_class()), server);
    result.map(|connection| *connection.encrypted.unwrap()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn mariadb_11_4_proves_its_certificate_by_the_password() {
    use crate::auth::native_password::{certificate_proof, double_sha1};
    let right = certificate_proof(&double_sha1(b"secret"), &[1; 20], &[7; 32]);
    let other = certificate_proof(&double_sha1(b"secret"), &[1; 20], &[8; 32]);
    for version in ["11.4.2-MariaDB-log", "5.5.5-11.4.0-MariaDB", "12.0.1-MariaDB"] {
        let of = async |text: &[u8]| {
            let encrypted = proven(version, &[], text).await.unwrap();
            (encrypted.proof, encrypted.verified)
        };
        assert_eq!(of(&right).await, (Some(CertificateProof::Right), true), "{version}");
        // The mode verifies no server, so the login goes on.
        assert_eq!(of(&other).await, (Some(CertificateProof::Wrong), false), "{version}");
        assert_eq!(of(b"").await, (Some(CertificateProof::Missing), false), "{version}");
        let switched = switch("mysql_native_password", b"another nonce, of 20\0");
        let right = certificate_proof(&double_sha1(b"secret"), b"another nonce, of 20", &[7; 32]);
        let encrypted = proven(version, &[switched], &right).await.unwrap();
        assert_eq!(encrypted.proof, Some(CertificateProof::Right), "{version}");
    }
    for version in ["5.5.5-10.11.6-MariaDB", "11.3.2-MariaDB", "8.4.2", "x"] {
        let encrypted = proven(version, &[], &right).await.unwrap();
        assert_eq!((encrypted.proof, encrypted.verified), (None, false), "{version}");
    }
}

#[tokio::test]
async fn a_proof_does_not_count_if_the_key_of_the_certificate_cannot_be_verified() {
    use crate::auth::native_password::{certificate_proof, double_sha1};
    let unverified = Some(UnverifiedCertificate { fingerprint: [7; 32], has_key: false });
    let handshake = Encrypted { unverified, ..UNVERIFIED };
    for (fingerprint, expected) in [([7; 32], CertificateProof::Missing), ([8; 32], CertificateProof::Wrong)]
    {
        let proof = certificate_proof(&double_sha1(b"secret"), &[1; 20], &fingerprint);
        let encrypted = proven_with(handshake, "11.4.2-MariaDB", &[], &proof).await.unwrap();
        assert_eq!((encrypted.proof, encrypted.verified), (Some(expected), false));
    }
    let asks = [switch("sha256_password", b"another nonce, of 20\0")];
    assert!(proven_with(handshake, "11.4.2-MariaDB", &asks, b"").await.is_err(), "it gets no password");
}

#[tokio::test]
async fn no_password_goes_to_a_server_before_its_proof() {
    for plugin in ["sha256_password", "caching_sha2_password", "mysql_clear_password", "dialog"] {
        let data: &[u8] = if plugin == "dialog" { b"\x04Password: " } else { b"another nonce, of 20\0" };
        let mut questions = vec![switch(plugin, data)];
        if plugin == "caching_sha2_password" {
            // Its first answer is a scramble. Then the server asks for the full exchange.
            questions.push(vec![1, 4]);
        }
        let error = proven("11.4.2-MariaDB", &questions, b"").await.unwrap_err();
        assert!(error.contains("the server asks for the password"), "{plugin}: {error}");
        let before = proven("11.3.2-MariaDB", &questions, b"").await;
        assert_eq!(before.is_ok(), plugin.contains("sha2"), "{plugin}");
    }
}

#[tokio::test]
async fn a_server_that_greets_as_another_kind_than_the_monitor_found_gets_no_password() {
    for (known, says_mysql) in [(Flavor::MariaDb, true), (Flavor::MySql, false)] {
        let runtime = MemoryRuntime::default();
        let listener = runtime.listen("db:3306");
        let mut greeting = greeting();
        greeting.capabilities.set(Capabilities::LONG_PASSWORD, says_mysql);
        greeting.capabilities.set(Capabilities::MARIADB_PROGRESS, !says_mysql);
        let server = async {
            let mut stream = accept(&listener, &greeting).await;
            let mut buf = Buf::with_room(1024);
            read_packet(&mut stream, &mut buf, None, 1024, &WITHOUT_LIMIT).await.is_err()
        };
        let (result, hung_up) =
            tokio::join!(connect_as(&runtime, "db:3306", own_class(), Some(known)), server);
        let said = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains("another kind of server"), "{said}");
        assert!(hung_up, "the server got a packet");
    }
}
