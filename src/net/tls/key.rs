//! The key in a server's certificate, with which the server signs its handshakes. webpki reads only certificates of X.509
//! version 3; servers that no CA verifies may have others.

use aws_lc_rs::rsa::PublicEncryptingKey;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::{DigitallySignedStruct, Error, PeerMisbehaved};
use x509_cert::Certificate;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode, Encode};

/// The algorithm identifier of RSA without its SEQUENCE: rsaEncryption with NULL (RFC 3279).
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// The public key of a certificate, of a kind that the proxy can verify signatures with.
pub(super) struct CertificateKey {
    /// The SubjectPublicKeyInfo.
    info: SubjectPublicKeyInfoDer<'static>,
    /// The algorithm identifier in it, without its SEQUENCE.
    algorithm: Vec<u8>,
    /// The bits of the key in it.
    bits: Vec<u8>,
}

impl CertificateKey {
    /// Reads the key. None: the certificate cannot be read, or the proxy cannot verify signatures by its key (an RSA key of
    /// less than 2048 or more than 8192 bits, or another kind of key). This depends on nothing but the certificate, so an
    /// attacker cannot choose it for the certificate of somebody else.
    pub fn of(certificate: &CertificateDer<'_>, algorithms: &WebPkiSupportedAlgorithms) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let info = certificate.tbs_certificate().subject_public_key_info();
        let algorithm = info.algorithm.to_der().ok()?;
        let algorithm = AnyRef::from_der(&algorithm).ok()?.value().to_vec();
        let bits = info.subject_public_key.as_bytes()?.to_vec();
        let info = info.to_der().ok()?;
        let mut known = algorithms.mapping.iter().flat_map(|(_, verifying)| verifying.iter());
        let is_known = known.any(|verifying| verifying.public_key_alg_id().as_ref() == algorithm);
        let is_usable = is_known && (algorithm != RSA || PublicEncryptingKey::from_der(&info).is_ok());
        is_usable.then(|| CertificateKey { info: info.into(), algorithm, bits })
    }

    /// Verifies the signature of a handshake of TLS 1.2, whose schemes leave the curve open.
    pub fn verify_tls12(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, Error> {
        let scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let (_, candidates) = scheme.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let mut suitable = candidates.iter().filter(|one| one.public_key_alg_id().as_ref() == self.algorithm);
        match suitable.any(|one| one.verify_signature(&self.bits, message, signed.signature()).is_ok()) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(not_signed()),
        }
    }

    /// Verifies the signature of a handshake of TLS 1.3.
    pub fn verify_tls13(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls13_signature_with_raw_key(message, &self.info, signed, algorithms);
        verified.map_err(|error| match error {
            Error::InvalidCertificate(_) => not_signed(),
            error => error,
        })
    }
}

fn not_signed() -> Error {
    Error::General(
        "the server did not sign the handshake with the key of its certificate: somebody between the proxy and the server \
         may have copied the certificate"
            .to_owned(),
    )
}
