//! A scripted server that only claims to be one: it greets, asks for the password in the way of its script, and keeps
//! every byte that came, behind TLS if it has a certificate.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use pointsman::wire::{Capabilities, Greeting, StatusFlags};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::dialogue::raw::framed;

const NONCE: [u8; 20] = *b"abcdefghijklmnopqrst";
/// The length of an SSLRequest.
const SSL_REQUEST: usize = 32;
/// A connection that stands still ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it wants behind the handshake response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The full exchange of caching_sha2_password.
    Password,
    /// Another plugin.
    Switch(&'static str),
}

/// Its port, and what it hears.
pub struct Impostor {
    pub port: u16,
    heard: Receiver<ConnectionLog>,
}

/// What one connection said.
#[derive(Debug, Default)]
pub struct ConnectionLog {
    /// The handshake response, and what followed, without headers; what came under the impostor's key is decrypted.
    pub packets: Vec<Vec<u8>>,
    /// The TLS handshake ended well.
    pub encrypted: bool,
    /// The impostor got an answer to all that it asked. A probe gives up when a busy machine is too slow for it.
    pub whole: bool,
}

impl ConnectionLog {
    /// True if these bytes are anywhere in what came.
    pub fn has(&self, wanted: &str) -> bool {
        self.packets.iter().any(|packet| packet.windows(wanted.len()).any(|part| part == wanted.as_bytes()))
    }
}

impl Impostor {
    /// Listens until the test ends; with a certificate (PEM files) it offers TLS.
    pub fn start(ask: Ask, certificate: Option<&(PathBuf, PathBuf)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let tls = certificate.map(server_config);
        let key = Arc::new(PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key"));
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, key, tell) = (tls.clone(), key.clone(), tell.clone());
                std::thread::spawn(move || serve(stream, ask, tls, &key, &tell));
            }
        });
        Impostor { port, heard }
    }

    /// Waits for the end of so many connections.
    pub async fn hears(&self, connections: usize) -> Vec<ConnectionLog> {
        self.hears_those(connections, |_| true).await
    }

    /// Waits for the end of so many connections that answered all that the impostor asked.
    pub async fn is_answered(&self, connections: usize) -> Vec<ConnectionLog> {
        self.hears_those(connections, |heard| heard.whole).await
    }

    async fn hears_those(
        &self,
        connections: usize,
        counts: impl Fn(&ConnectionLog) -> bool,
    ) -> Vec<ConnectionLog> {
        let mut all = Vec::new();
        let deadline = tokio::time::Instant::now() + 3 * PATIENCE;
        while all.len() < connections {
            all.extend(self.heard.try_iter().filter(&counts));
            assert!(tokio::time::Instant::now() < deadline, "only {} connections came", all.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        all
    }
}

fn server_config((certificate, key): &(PathBuf, PathBuf)) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(certificate).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(chain, key);
    Arc::new(config.expect("a certificate of that key"))
}

fn serve(
    mut stream: TcpStream,
    ask: Ask,
    tls: Option<Arc<ServerConfig>>,
    key: &PrivateDecryptingKey,
    tell: &Sender<ConnectionLog>,
) {
    let mut heard = ConnectionLog::default();
    // However the client ends it, what came until then counts.
    let _ = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| {
        greet(&mut stream, tls.is_some())?;
        let first = read(&mut stream)?;
        let Some(config) = tls.filter(|_| first.1.len() == SSL_REQUEST) else {
            return converse(&mut stream, first, ask, key, &mut heard);
        };
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        stream.flush()?;
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        heard.encrypted = true;
        let response = read(&mut stream)?;
        converse(&mut stream, response, ask, key, &mut heard)
    });
    let _ = tell.send(heard);
}

fn greet(stream: &mut TcpStream, with_tls: bool) -> io::Result<()> {
    let mut capabilities = Capabilities::ALWAYS | Capabilities::LONG_PASSWORD;
    capabilities.set(Capabilities::SSL, with_tls);
    let greeting = Greeting {
        version: b"8.4.0".to_vec(),
        connection_id: 7,
        nonce: NONCE,
        capabilities,
        collation: 45,
        status: StatusFlags::AUTOCOMMIT,
        auth_plugin: b"caching_sha2_password".to_vec(),
    };
    let mut payload = Vec::new();
    greeting.encode(&mut payload);
    stream.write_all(&framed(0, &payload))
}

fn converse(
    stream: &mut (impl Read + Write),
    (seq, response): (u8, Vec<u8>),
    ask: Ask,
    key: &PrivateDecryptingKey,
    heard: &mut ConnectionLog,
) -> io::Result<()> {
    heard.packets.push(response);
    match ask {
        Ask::Switch(plugin) => {
            let payload = [&[0xfe], plugin.as_bytes(), &[0], &NONCE, &[0]].concat();
            stream.write_all(&framed(seq + 1, &payload))?;
            stream.flush()?;
            heard.packets.push(read(stream)?.1);
        }
        Ask::Password => {
            stream.write_all(&framed(seq + 1, &[1, 4]))?;
            stream.flush()?;
            let (seq, mut packet) = read(stream)?;
            if packet == [2] {
                stream.write_all(&framed(seq + 1, &[&[1], public_key(key).as_slice()].concat()))?;
                stream.flush()?;
                packet = decrypted(key, &read(stream)?.1);
            }
            heard.packets.push(packet);
        }
    }
    heard.whole = true;
    Ok(())
}

/// The sequence id and the payload of one packet.
fn read(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let [a, b, c, seq] = header;
    let mut payload = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
    stream.read_exact(&mut payload)?;
    Ok((seq, payload))
}

fn public_key(key: &PrivateDecryptingKey) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let der: PublicKeyX509Der = key.public_key().as_der().expect("DER");
    let mut text = b"-----BEGIN PUBLIC KEY-----\n".to_vec();
    for chunk in der.as_ref().chunks(3) {
        let bits = chunk.iter().chain([&0, &0]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..4 {
            text.push(if place <= chunk.len() { DIGITS[bits >> (18 - 6 * place) & 63] } else { b'=' });
        }
    }
    text.extend_from_slice(b"\n-----END PUBLIC KEY-----\n");
    text
}

fn decrypted(key: &PrivateDecryptingKey, cipher: &[u8]) -> Vec<u8> {
    let key = OaepPrivateDecryptingKey::new(key.clone()).expect("a key");
    let mut plain = vec![0; key.min_output_size()];
    let Ok(plain) = key.decrypt(&OAEP_SHA1_MGF1SHA1, cipher, &mut plain, None) else {
        return cipher.to_vec();
    };
    plain.iter().zip(NONCE.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}
