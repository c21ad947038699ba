//! Servers that may lack the key of the certificate that they present.

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm};
use rustls::SupportedProtocolVersion;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};

use super::super::UnverifiedCertificate;
use super::*;

/// A certificate of X.509 version 1, which webpki cannot read.
const VERSION_1: &str = include_str!("../fixture/version1.pem");
const VERSION_1_KEY: &str = include_str!("../fixture/version1-key.pem");
/// A certificate for an RSA key of 1024 bits, by which the proxy cannot verify signatures.
const RSA_1024: &str = include_str!("../fixture/rsa1024.pem");

/// The modes that accept a certificate of any CA.
const MODES: [TlsMode; 2] = [TlsMode::Preferred, TlsMode::Required];

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn key(pem: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A key of this kind that belongs to no certificate.
fn another(algorithm: &'static SignatureAlgorithm) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(rcgen::KeyPair::generate_for(algorithm).unwrap().serialize_der()).unwrap()
}

/// A server that presents this certificate and signs with this key, whether the two belong together or not.
fn server(
    version: &'static SupportedProtocolVersion,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = provider.key_provider.load_private_key(key).unwrap();
    let presents = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    Arc::new(config.with_no_client_auth().with_cert_resolver(Arc::new(presents)))
}

/// Shakes hands, and takes the tickets. Returns whether the session was resumed, and what is known of the certificate.
fn outcome(client: &TlsClient, server: &Arc<ServerConfig>) -> Result<(bool, UnverifiedCertificate), String> {
    let mut scene = Scene::new(client, server);
    scene.shake().map_err(|error| TlsError::of_handshake(error).to_string())?;
    assert!(!scene.readable());
    let encrypted = client.finish(&scene.tls, &[], "").unwrap();
    assert!(!encrypted.verified);
    Ok((encrypted.resumed, encrypted.unverified.unwrap()))
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_refused() {
    for version in [&TLS12, &TLS13] {
        for mode in MODES {
            for kind in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
                for copied in [CERTIFICATE, VERSION_1] {
                    let error = outcome(&client(mode), &server(version, certificate(copied), another(kind)))
                        .unwrap_err();
                    let said = "did not sign the handshake with the key of its certificate";
                    assert!(error.contains(said), "{version:?}, {mode:?}, {kind:?}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_server_with_the_key_of_its_certificate_is_known_to_have_it() {
    for version in [&TLS12, &TLS13] {
        for (presented, its_key) in [(CERTIFICATE, KEY), (VERSION_1, VERSION_1_KEY)] {
            let client = client(TlsMode::Required);
            let server = server(version, certificate(presented), key(its_key));
            let (resumed, first) = outcome(&client, &server).unwrap();
            assert!(!resumed && first.has_key, "{version:?}");
            assert_eq!(outcome(&client, &server).unwrap(), (true, first), "{version:?}");
        }
    }
}

#[test]
fn a_server_without_the_key_resumes_no_session_of_the_server_with_it() {
    for version in [&TLS12, &TLS13] {
        let client = client(TlsMode::Required);
        let owner = server(version, certificate(CERTIFICATE), key(KEY));
        let thief = server(version, certificate(CERTIFICATE), another(&PKCS_ECDSA_P256_SHA256));
        for _ in 0..2 {
            assert!(outcome(&client, &owner).unwrap().1.has_key);
            outcome(&client, &thief).unwrap_err();
        }
    }
}

#[test]
fn a_certificate_without_a_usable_key_is_accepted_and_known_to_prove_nothing() {
    let unreadable = CertificateDer::from(b"no certificate at all".to_vec());
    for version in [&TLS12, &TLS13] {
        for presented in [certificate(RSA_1024), unreadable.clone()] {
            let client = client(TlsMode::Required);
            let server = server(version, presented, another(&PKCS_ECDSA_P256_SHA256));
            for again in [false, true] {
                let (resumed, certificate) = outcome(&client, &server).unwrap();
                assert_eq!((resumed, certificate.has_key), (again, false), "{version:?}");
            }
        }
    }
}
