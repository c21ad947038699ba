//! The login, as far as a server that cannot encrypt sees it; handshakes that succeed are `tests/tls.rs`'s.

use super::super::own_class;
use super::*;
use crate::config::TlsMode;
use crate::net::WITHOUT_LIMIT;
use crate::net::memory::{MemoryListener, MemoryRuntime, MemoryStream};

const GREETING: Greeting = Greeting {
    version: Vec::new(),
    connection_id: 7,
    nonce: [1; 20],
    capabilities: Capabilities::from_bits_retain(
        Capabilities::ALWAYS.bits() | Capabilities::LONG_PASSWORD.bits() | Capabilities::SSL.bits(),
    ),
    collation: 45,
    status: crate::wire::StatusFlags::AUTOCOMMIT,
    auth_plugin: Vec::new(),
};

/// Greets, and reads one packet: its sequence id and payload.
async fn greet(listener: &MemoryListener) -> (MemoryStream, u8, Vec<u8>) {
    let mut stream = listener.accept().await;
    let greeting = Greeting { auth_plugin: b"mysql_native_password".to_vec(), ..GREETING.clone() };
    send(&mut stream, 0, |out| greeting.encode(out)).await.unwrap();
    let mut buf = Buf::with_room(1024);
    let header = read_packet(&mut stream, &mut buf, None, 1024, &WITHOUT_LIMIT).await.unwrap();
    let packet = payload(&buf, header).to_vec();
    (stream, header.seq, packet)
}

async fn log_in_with(mode: TlsMode) -> (Result<(bool, bool), String>, Vec<(u8, Vec<u8>)>) {
    let mut runtime = MemoryRuntime::default();
    runtime.tls = Arc::new(TlsClient::unready(mode));
    let listener = runtime.listen("db:3306");
    let target = Target {
        server: ServerId(0),
        name: "db-0".into(),
        endpoint: "db:3306".parse().unwrap(),
        tls_names: Arc::default(),
        generation: 0,
    };
    let login = Login { user: "app".into(), password: Secret::new("app"), generation: 0 };
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
    let (result, received) = tokio::join!(connect(&runtime, &target, &login, own_class(), 45), server);
    let result = result.map(|(connection, _)| (connection.encrypted.is_some(), connection.fell_back));
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
    let target = Target {
        server: ServerId(0),
        name: "db-0".into(),
        endpoint: "db:3306".parse().unwrap(),
        tls_names: Arc::default(),
        generation: 0,
    };
    let login = Login { user: "app".into(), password: Secret::new("app"), generation: 0 };
    let class = Class { capabilities: Capabilities::QUERY_ATTRIBUTES, read_only: false };
    let server = async {
        let mut stream = listener.accept().await;
        let greeting = Greeting { auth_plugin: b"mysql_native_password".to_vec(), ..GREETING.clone() };
        send(&mut stream, 0, |out| greeting.encode(out)).await.unwrap();
    };
    let (result, ()) = tokio::join!(connect(&runtime, &target, &login, class, 45), server);
    let error = result.map(|_| ()).unwrap_err();
    assert!(matches!(error, ConnectError::Protocol(ProtocolError::Unsupported(_))), "{error}");
}
