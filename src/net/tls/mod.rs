//! TLS: the settings, prepared once for all workers, and the results of handshakes. This file is about connections to
//! servers, module `accept` about those of clients. Module `state` handles the bytes of both.

mod accept;
mod certificate;
mod key;
mod reminders;
mod sessions;
mod state;
mod suites;
#[cfg(test)]
mod tests;
mod verify;

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig};
use tokio::sync::watch;

use crate::config::{ServersTls, TlsMode};
use crate::terms::CertificateProof;
pub use accept::{AcceptorMaker, AcceptorsCell, ClientTls, TlsAcceptor};
pub use certificate::CertificateFacts;
use reminders::Reminders;
use sessions::AllSessions;
pub use state::Io;
pub(super) use state::Tls;

/// The prepared settings. All workers use one instance, so that they share the TLS sessions that can be resumed.
#[derive(Debug, Clone)]
pub struct TlsClient {
    mode: TlsMode,
    /// None if TLS is disabled, or if the CA that the mode needs is not known yet.
    config: Option<Arc<ClientConfig>>,
    sessions: AllSessions,
    /// Servers that the log has named because they got a password although they were not verified.
    exposed: Reminders,
    /// Servers that the log has named because they did not prove their certificate.
    unproven: Reminders,
}

impl Default for TlsClient {
    fn default() -> Self {
        TlsClient::unready(TlsMode::Disabled)
    }
}

/// Why a connection to a server is not encrypted as it should be.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The mode requires TLS, and the server's greeting does not have CLIENT_SSL.
    #[error(
        "the server offers no TLS, and servers_tls.mode = \"{0}\" wants it: give the server a certificate (ssl_cert, \
         ssl_key), or write mode = \"preferred\""
    )]
    NotOffered(&'static str),
    /// The CA's Secret was not read yet.
    #[error(
        "no CA's certificate was found yet in the Secret that servers_tls.ca_secret names, so no server can be verified"
    )]
    NoCa,
    /// The handshake failed.
    #[error("TLS handshake: {0}")]
    Handshake(String),
    /// The CA issued the certificate, but for other names.
    #[error(
        "the server's certificate is not for {expected}, but for {presented}: issue one for that name, set the \
         server's tls_name to one that it has, or write servers_tls.mode = \"verify_ca\""
    )]
    Name {
        /// The names that would be accepted.
        expected: String,
        /// The names in the certificate.
        presented: String,
    },
    /// The connection broke.
    #[error("TLS handshake: {0}")]
    Io(#[from] std::io::Error),
}

/// The result of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypted {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// True if an earlier TLS session was resumed, without certificates.
    pub resumed: bool,
    /// True if the CA issued the certificate and, if the mode requires it, the certificate is for the server's name; or if the
    /// server's proof is right.
    pub verified: bool,
    /// The server's certificate, if no CA verified it.
    pub unverified: Option<UnverifiedCertificate>,
    /// What the server proved of its certificate by the password, if a proof was expected.
    pub proof: Option<CertificateProof>,
}

/// A server's certificate that no CA verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnverifiedCertificate {
    /// The SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// True if the server has the certificate's key: it signed the handshake of this session with it. False if the proxy
    /// cannot verify signatures by this key.
    pub has_key: bool,
}

impl TlsClient {
    /// Prepares the settings. The error says what is wrong with the certificates.
    pub fn new(settings: &ServersTls) -> Result<Self, String> {
        let mode = settings.mode;
        if mode == TlsMode::Disabled || (mode.verifies() && settings.ca.is_none()) {
            return Ok(TlsClient::unready(mode));
        }
        let provider = Arc::new(suites::provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verify::Verifier::new(settings, &provider)?));
        let config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certified =
                    identity.certified(&provider).map_err(|(key, wrong)| format!("{key} {wrong}"))?;
                let single = rustls::sign::SingleCertAndKey::from(certified);
                builder.with_client_cert_resolver(Arc::new(single))
            }
        };
        Ok(TlsClient { config: Some(Arc::new(config)), ..TlsClient::unready(mode) })
    }

    /// Makes settings without certificates: no connection that must be encrypted can be opened.
    pub fn unready(mode: TlsMode) -> Self {
        TlsClient {
            mode,
            config: None,
            sessions: AllSessions::default(),
            exposed: Reminders::default(),
            unproven: Reminders::default(),
        }
    }

    /// Returns whether to encrypt a connection. `offered`: the server offers TLS.
    pub fn wants(&self, offered: bool) -> Result<bool, TlsError> {
        use crate::config::Choice;
        match self.mode {
            TlsMode::Disabled => Ok(false),
            TlsMode::Preferred => Ok(offered),
            _ if offered => Ok(true),
            mode => Err(TlsError::NotOffered(mode.word())),
        }
    }

    /// Returns these settings with TLS disabled, for a second try after a connection with TLS failed.
    pub fn without(&self) -> Self {
        TlsClient { mode: TlsMode::Disabled, ..self.clone() }
    }

    /// True if a connection that cannot be encrypted is better than none.
    pub fn is_optional(&self) -> bool {
        self.mode == TlsMode::Preferred
    }

    /// True if only a verified server may get a password.
    pub fn verifies(&self) -> bool {
        self.mode.verifies()
    }

    /// True if the log should say that a password went to this unverified server: at most once an hour for each
    /// server.
    pub fn exposure_is_news(&self, server: &Arc<str>) -> bool {
        self.exposed.is_due(server)
    }

    /// The same about a server whose proof of its certificate is wrong or missing.
    pub fn unproven_is_news(&self, server: &Arc<str>) -> bool {
        self.unproven.is_due(server)
    }

    /// Begins a connection to a server that may have any of these names; `host` and `port` are those of its address.
    pub(super) fn begin(&self, names: &[Arc<str>], host: &str, port: u16) -> Result<Tls, TlsError> {
        let config = self.config.as_deref().ok_or(TlsError::NoCa)?;
        let first = names.first().map_or(host, |name| name);
        // Names from the configuration are valid: invalid ones were refused when it was loaded.
        let name =
            parsed(first).ok_or_else(|| TlsError::Handshake(format!("{first:?} is no server's name")))?;
        let mut config = config.clone();
        config.resumption = Resumption::store(self.sessions.with(&name, port));
        Tls::new(Arc::new(config), name).map_err(|e| TlsError::Handshake(explained(&e)))
    }

    /// Checks, after the handshake, whether the certificate is for one of the names, if the mode requires it.
    pub(super) fn finish(&self, tls: &Tls, names: &[Arc<str>], host: &str) -> Result<Encrypted, TlsError> {
        if self.mode == TlsMode::VerifyIdentity {
            let certificate = tls.certificate();
            let certificate =
                certificate.ok_or_else(|| TlsError::Handshake("no certificate came".to_owned()))?;
            let host = Arc::from(host);
            let names = if names.is_empty() { std::slice::from_ref(&host) } else { names };
            verify::is_for_any(certificate, names)?;
        }
        let verified = self.mode.verifies();
        let config = self.config.as_deref().ok_or(TlsError::NoCa)?;
        let algorithms = &config.crypto_provider().signature_verification_algorithms;
        let certificate = if verified { None } else { tls.certificate() };
        // A resumed session has the certificate of its first handshake, which was verified in the same way.
        let unverified = certificate.map(|certificate| UnverifiedCertificate {
            fingerprint: fingerprint(certificate),
            has_key: verify::has_verified_key(certificate, algorithms),
        });
        let (version, resumed) = (tls.version(), tls.is_resumed());
        Ok(Encrypted { version, resumed, verified, unverified, proof: None })
    }
}

/// Returns the SHA-256 of a certificate.
fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    fingerprint.iter_mut().zip(digest.as_ref()).for_each(|(slot, byte)| *slot = *byte);
    fingerprint
}

/// Parses a DNS name or an IP address.
fn parsed(name: &str) -> Option<ServerName<'static>> {
    match name.parse::<IpAddr>() {
        Ok(address) => Some(address.into()),
        Err(_) => ServerName::try_from(name.to_owned()).ok(),
    }
}

impl TlsError {
    /// Converts an error of a handshake.
    pub(super) fn of_handshake(error: std::io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(of_tls) => TlsError::Handshake(explained(of_tls)),
            None => TlsError::Io(error),
        }
    }
}

/// Returns the text of an error with what to do about it.
fn explained(error: &rustls::Error) -> String {
    use CertificateError::{Expired, ExpiredContext, UnknownIssuer};
    match error {
        rustls::Error::InvalidCertificate(UnknownIssuer | CertificateError::BadSignature) => {
            "the server's certificate was not issued by the CA of servers_tls (ca_file or ca_secret): name the CA that \
             issued it"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(wrong @ (Expired | ExpiredContext { .. })) => {
            format!("the server's certificate is not valid any more ({wrong}): renew it")
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(e)) if e.to_string().contains("Version") => {
            format!("the server's certificate is of X.509 version 1 ({e}), which cannot be verified: issue it with \
                 extensions, as version 3")
        }
        rustls::Error::InvalidCertificate(wrong) => format!("the server's certificate is not valid: {wrong}"),
        rustls::Error::AlertReceived(alert) => {
            format!("the server refused it ({alert:?}): its error log says why")
        }
        // Of `CertificateKey`.
        rustls::Error::General(text) => text.clone(),
        error => error.to_string(),
    }
}

/// The current settings, shared with all who connect to servers. Set by the control thread.
#[derive(Debug, Clone)]
pub struct TlsCell(Arc<watch::Sender<Arc<TlsClient>>>);

impl Default for TlsCell {
    fn default() -> Self {
        TlsCell(Arc::new(watch::Sender::new(Arc::default())))
    }
}

impl TlsCell {
    /// Returns the current settings.
    pub fn get(&self) -> Arc<TlsClient> {
        self.0.borrow().clone()
    }

    /// Sets the settings for connections that are opened from now on.
    pub fn set(&self, client: TlsClient) {
        self.0.send_replace(Arc::new(client));
    }
}
