//! `[servers_tls]`: how connections to the servers are encrypted, and with which certificates.
//! Files are read and checked with the configuration; the contents of a Kubernetes Secret
//! come later.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use super::choice::Choice;
use super::reader::Section;
use super::secret::{Account, Secret};

/// `[servers_tls]`
#[derive(Debug, Clone, PartialEq)]
pub struct ServersTls {
    /// Default `preferred`, or `verify_identity` if there is a CA.
    pub mode: TlsMode,
    /// The CA certificates as PEM; None: no CA is configured, or its Secret is not known yet.
    pub ca: Option<Secret>,
    /// `ca_file`, as written.
    pub ca_file: Option<Arc<str>>,
    /// The proxy's certificate towards servers.
    pub identity: Option<Identity>,
}

/// `servers_tls.mode`; the same modes as MySQL's ssl-mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never uses TLS.
    Disabled,
    /// Uses TLS if the server offers it; does not verify the server.
    Preferred,
    /// Always uses TLS; does not verify the server.
    Required,
    /// Always uses TLS; the CA must have issued the server's certificate.
    VerifyCa,
    /// Always uses TLS; the CA must have issued the server's certificate, and it must be for the server's name.
    VerifyIdentity,
}

impl TlsMode {
    /// True if the mode needs a CA.
    pub fn verifies(self) -> bool {
        matches!(self, TlsMode::VerifyCa | TlsMode::VerifyIdentity)
    }
}

impl Choice for TlsMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disabled", TlsMode::Disabled),
        ("preferred", TlsMode::Preferred),
        ("required", TlsMode::Required),
        ("verify_ca", TlsMode::VerifyCa),
        ("verify_identity", TlsMode::VerifyIdentity),
    ];
}

/// A certificate of the proxy with its key: towards servers, for clients of a listener, or for its HTTP port.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// `cert_file`, as written, or what stands for it in texts.
    pub cert_file: Arc<str>,
    /// `key_file`, as written, or what stands for it in texts.
    pub key_file: Arc<str>,
    /// The certificate and its intermediate certificates, as PEM.
    pub cert: Secret,
    /// The private key of the certificate, as PEM.
    pub key: Secret,
}

impl Default for ServersTls {
    fn default() -> Self {
        ServersTls { mode: TlsMode::Preferred, ca: None, ca_file: None, identity: None }
    }
}

impl ServersTls {
    /// Returns the CA's certificates; empty without a CA. The error says what is wrong, in words that follow the name
    /// of the CA.
    pub fn roots(&self) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
        roots(self.ca.as_ref())
    }
}

/// Returns the certificates of a CA, as trust anchors and as they are; none without a CA. The error says what is wrong, in
/// words that follow the name of the CA.
pub(super) fn roots(ca: Option<&Secret>) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = ca else { return Ok((roots, Vec::new())) };
    let certificates = certificates(pem)?;
    for certificate in &certificates {
        roots
            .add(certificate.clone())
            .map_err(|e| format!("holds something that is no certificate of a CA ({e})"))?;
    }
    Ok((roots, certificates))
}

impl Identity {
    /// True if the Secret that has the certificate or its key is not known yet.
    pub fn is_awaited(&self) -> bool {
        self.cert.is_empty() || self.key.is_empty()
    }

    /// Returns the certificate, without its intermediate certificates. None: it cannot be read.
    pub fn first(&self) -> Option<CertificateDer<'static>> {
        certificates(&self.cert).ok()?.into_iter().next()
    }

    /// Returns the certificate with its private key. The error is the configuration's key that is wrong, and a text
    /// that says why.
    pub fn certified(&self, provider: &CryptoProvider) -> Result<CertifiedKey, (&'static str, String)> {
        let chain = certificates(&self.cert).map_err(|text| ("cert_file", text))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes()).map_err(|e| {
            ("key_file", format!("holds no private key ({e}); write one as PEM, without a passphrase"))
        })?;
        CertifiedKey::from_der(chain, key, provider)
            .map_err(|e| ("key_file", format!("is not the key of the certificate in cert_file ({e})")))
    }
}

fn certificates(pem: &Secret) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.expose().as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => {
            Err("holds no certificate; write PEM, which begins with -----BEGIN CERTIFICATE-----".to_owned())
        }
        Err(e) => Err(format!("is no PEM ({e})")),
    }
}

/// Reads the section.
pub(super) fn servers_tls(s: &Section<'_>) -> ServersTls {
    let ca_file = s.text("ca_file");
    let ca = ca_file.as_ref().and_then(|(path, line)| s.file("ca_file", path, *line));
    let in_secret = s.get("ca_secret");
    if let (Some(_), Some(found)) = (&ca_file, &in_secret) {
        s.problem(Some(found.line), "ca_secret", "stands beside ca_file; write only one of them");
    } else if in_secret.is_some() {
        s.named_secret("ca_secret", Account::ServersCa, "my-cluster-ca/ca.crt");
    }
    let has_ca = ca_file.is_some() || in_secret.is_some();
    let mode = s.choice("mode", if has_ca { TlsMode::VerifyIdentity } else { TlsMode::Preferred });
    let line = s.get("mode").map(|found| found.line);
    if mode.verifies() && !has_ca {
        let text = format!("is {:?}, which needs the CA's certificate; write ca_file", mode.word());
        s.problem(line, "mode", text);
    }
    let read = ServersTls { mode, ca, ca_file: ca_file.map(|(path, _)| path.into()), identity: identity(s) };
    if let Err(wrong) = read.roots() {
        s.problem(s.get("ca_file").map(|found| found.line), "ca_file", wrong);
    }
    if let Some(identity) = &read.identity {
        is_usable(s, identity);
    }
    read
}

/// True if the key belongs to the certificate; notes a problem if not.
pub(super) fn is_usable(s: &Section<'_>, identity: &Identity) -> bool {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let wrong = identity.certified(&provider).err();
    if let Some((key, wrong)) = &wrong {
        s.problem(s.line, key, wrong.as_str());
    }
    wrong.is_none()
}

/// Reads `cert_file` and `key_file`: both or none must be given.
pub(super) fn identity(s: &Section<'_>) -> Option<Identity> {
    let (cert_file, key_file) = (s.text("cert_file"), s.text("key_file"));
    let alone = match (&cert_file, &key_file) {
        (Some((_, line)), None) => Some((*line, "cert_file", "key_file")),
        (None, Some((_, line))) => Some((*line, "key_file", "cert_file")),
        _ => None,
    };
    if let Some((line, key, missing)) = alone {
        s.problem(Some(line), key, format!("stands without {missing}; write both"));
    }
    let ((cert_file, cert_line), (key_file, key_line)) = cert_file.zip(key_file)?;
    let cert = s.file("cert_file", &cert_file, cert_line);
    let key = s.file("key_file", &key_file, key_line);
    let (cert, key) = cert.zip(key)?;
    Some(Identity { cert_file: cert_file.into(), key_file: key_file.into(), cert, key })
}

/// Reads `tls_name`: the name in a server's certificate.
pub(super) fn tls_name(s: &Section<'_>) -> Option<Arc<str>> {
    let (name, line) = s.text("tls_name")?;
    if ServerName::try_from(name.as_str()).is_err() {
        let text = format!("{name:?} is no DNS name and no IP address; write \"db-0.example\"");
        s.problem(Some(line), "tls_name", text);
    }
    Some(name.into())
}
