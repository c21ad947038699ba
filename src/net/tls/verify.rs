//! Verifies servers. The certificate chain is verified during the handshake. The names are checked
//! after it, because any of several names is enough, and an error text should list all of them. Without a CA, the handshake
//! still verifies that the server has the key of its certificate: the proof by the password relies on that.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::key::CertificateKey;
use super::{TlsError, parsed};
use crate::config::ServersTls;

/// Verifies that the CA issued the certificate, if the mode requires it.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Option<Roots>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Roots {
    store: RootCertStore,
    /// The certificates of the CA file. A server may use one of them itself.
    certificates: Vec<CertificateDer<'static>>,
}

impl Verifier {
    pub fn new(settings: &ServersTls, provider: &CryptoProvider) -> Result<Self, String> {
        let (store, certificates) = settings.roots().map_err(|wrong| format!("the CA {wrong}"))?;
        let roots = settings.mode.verifies().then_some(Roots { store, certificates });
        Ok(Verifier { roots, algorithms: provider.signature_verification_algorithms })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&parsed, &roots.store, intermediates, now, algorithms)
        {
            // A self-signed server certificate says that it is a CA's. It is accepted if it is in the CA file itself.
            Err(Error::InvalidCertificate(CertificateError::Other(e)))
                if e.to_string().contains("CaUsedAsEndEntity")
                    && roots.certificates.contains(certificate) => {}
            verified => verified?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.roots.is_some() {
            return verify_tls12_signature(message, certificate, signed, &self.algorithms);
        }
        match CertificateKey::of(certificate, &self.algorithms) {
            Some(key) => key.verify_tls12(message, signed, &self.algorithms),
            // `has_verified_key` is false for this certificate.
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.roots.is_some() {
            return verify_tls13_signature(message, certificate, signed, &self.algorithms);
        }
        match CertificateKey::of(certificate, &self.algorithms) {
            Some(key) => key.verify_tls13(message, signed, &self.algorithms),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// True if a handshake with this certificate succeeds only if the server has the certificate's key. Without a CA, a key that
/// the proxy cannot read, or cannot verify signatures with, is accepted without that.
pub(super) fn has_verified_key(
    certificate: &CertificateDer<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    CertificateKey::of(certificate, algorithms).is_some()
}

/// Checks that a certificate is for one of these names.
pub(super) fn is_for_any(certificate: &CertificateDer<'_>, names: &[Arc<str>]) -> Result<(), TlsError> {
    let wrong = |e: Error| TlsError::Handshake(format!("the server's certificate: {e}"));
    let parsed_certificate = ParsedCertificate::try_from(certificate).map_err(wrong)?;
    let mut has = Vec::new();
    for name in names.iter().filter_map(|name| parsed(name)) {
        match verify_server_name(&parsed_certificate, &name) {
            Ok(()) => return Ok(()),
            Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                presented, ..
            })) => {
                has = presented;
            }
            Err(e) => return Err(wrong(e)),
        }
    }
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"').to_owned()
    };
    let presented: Vec<_> = has.iter().map(bare).collect();
    let presented = match presented.is_empty() {
        true => "no name at all (a common name does not count)".to_owned(),
        false => presented.join(", "),
    };
    Err(TlsError::Name { expected: names.join(" or "), presented })
}
