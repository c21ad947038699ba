//! TLS from clients: the settings of each listener, prepared once for all workers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::sync::watch;

use super::certificate::{CertificateFacts, Names};
use super::state::Tls;
use super::{TlsError, explained, fingerprint, suites};
use crate::config::{ClientsTls, ClientsTlsMode, VerifyClient};

/// One ticket for each handshake: of the two that TLS 1.3 proposes the second is for browsers, which open several
/// connections at once.
const TICKETS: usize = 1;

/// The prepared settings of one listener.
#[derive(Default)]
pub struct TlsAcceptor {
    mode: ClientsTlsMode,
    /// None if TLS is disabled, or cannot be offered.
    config: Option<Arc<ServerConfig>>,
    /// When the certificate ends.
    not_after: Option<SystemTime>,
    /// True if the process made the certificate itself.
    own: bool,
    /// The SHA-256 of the certificate.
    fingerprint: [u8; 32],
}

impl std::fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, offered: {}", self.mode, self.config.is_some())
    }
}

/// What is known of a client whose connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// True if an earlier TLS session was resumed, without certificates.
    pub resumed: bool,
    /// True if the client has a certificate of the listener's CA.
    pub certified: bool,
    /// The names in the client's certificate. None: it has none, or names that cannot be compared.
    pub names: Option<Names>,
    /// The SHA-256 of the certificate that the client got.
    pub fingerprint: [u8; 32],
}

/// The acceptors of all listeners, by name.
type Acceptors = HashMap<Arc<str>, Arc<TlsAcceptor>>;

/// The current acceptors, shared by all workers. Set by the control thread.
#[derive(Debug, Clone)]
pub struct AcceptorsCell(Arc<watch::Sender<Acceptors>>);

impl Default for AcceptorsCell {
    fn default() -> Self {
        AcceptorsCell(Arc::new(watch::Sender::new(Acceptors::new())))
    }
}

impl AcceptorsCell {
    /// Returns the acceptor of a listener. One that is not known offers no TLS.
    pub fn get(&self, listener: &str) -> Arc<TlsAcceptor> {
        self.0.borrow().get(listener).cloned().unwrap_or_default()
    }

    /// Returns the acceptors of all listeners.
    pub fn all(&self) -> Vec<(Arc<str>, Arc<TlsAcceptor>)> {
        self.0.borrow().iter().map(|(name, acceptor)| (name.clone(), acceptor.clone())).collect()
    }
}

/// Makes the acceptors, again whenever the settings change.
pub struct AcceptorMaker {
    cell: AcceptorsCell,
    /// One for all listeners and workers. It stays when certificates change, so that clients can resume.
    tickets: Arc<dyn ProducesTickets>,
    /// The certificate of listeners without one.
    own: Arc<CertifiedKey>,
    used: HashMap<Arc<str>, ClientsTls>,
}

impl AcceptorMaker {
    /// Makes the certificate for listeners without one. The error says what the cryptographic library said.
    pub fn new(cell: AcceptorsCell) -> Result<Self, String> {
        let tickets = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|e| e.to_string())?;
        Ok(AcceptorMaker { cell, tickets, own: Arc::new(own_certificate()?), used: HashMap::new() })
    }

    /// Prepares the settings of all listeners. Connections that are there already keep theirs. Returns what is wrong, by
    /// listener: such a listener keeps its former settings, or serves the certificate that the process made.
    pub fn update(&mut self, all: &HashMap<Arc<str>, ClientsTls>) -> Vec<(Arc<str>, String)> {
        let mut wrong = Vec::new();
        let mut now = Acceptors::new();
        for (listener, settings) in all {
            let before = self.cell.0.borrow().get(listener).cloned();
            if let Some(before) = before.as_ref().filter(|_| self.used.get(listener) == Some(settings)) {
                now.insert(listener.clone(), before.clone());
                continue;
            }
            let acceptor = self.acceptor(settings).or_else(|error| {
                wrong.push((listener.clone(), error));
                match before {
                    Some(before) => Ok(before),
                    // Without the CA's certificate nobody can be verified, so a listener that verifies refuses all.
                    None => self.acceptor(&ClientsTls { identity: None, ..settings.clone() }),
                }
            });
            now.insert(
                listener.clone(),
                acceptor.unwrap_or_else(|_| Arc::new(TlsAcceptor::refusing(settings))),
            );
        }
        self.used.clone_from(all);
        self.cell.0.send_replace(now);
        wrong
    }

    fn acceptor(&self, settings: &ClientsTls) -> Result<Arc<TlsAcceptor>, String> {
        let mode = settings.mode;
        if mode == ClientsTlsMode::Disabled {
            return Ok(Arc::new(TlsAcceptor { mode, ..TlsAcceptor::default() }));
        }
        let provider = Arc::new(suites::provider());
        let certified = match &settings.identity {
            None => self.own.clone(),
            Some(identity) if identity.is_awaited() => {
                return Err("the Secret has no tls.crt and tls.key".to_owned());
            }
            Some(identity) => {
                let certified = identity.certified(&provider);
                Arc::new(certified.map_err(|(_, wrong)| format!("{} {wrong}", identity.key_file))?)
            }
        };
        let not_after = certified.cert.first().and_then(CertificateFacts::of).map(|facts| facts.not_after);
        let own = settings.identity.is_none();
        let fingerprint = certified.cert.first().map(fingerprint).unwrap_or_default();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?;
        let verifies = settings.verify_client != VerifyClient::Off;
        let builder = match verifies {
            false => builder.with_no_client_auth(),
            true => builder.with_client_cert_verifier(verifier(settings, provider)?),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        // A session that is resumed is not verified again: a certificate that ended, or a CA that was replaced, would
        // still be good. So listeners that verify clients resume nothing.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // The client's order would choose a suite of TLS 1.2 that may encrypt only so many records.
        config.ignore_client_order = true;
        config.send_tls13_tickets = if verifies { 0 } else { TICKETS };
        if !verifies {
            config.ticketer = self.tickets.clone();
        }
        Ok(Arc::new(TlsAcceptor { mode, config: Some(Arc::new(config)), not_after, own, fingerprint }))
    }
}

fn verifier(
    settings: &ClientsTls,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if settings.client_ca.is_none() {
        return Err("the clients' CA is not known yet, so no client can be verified".to_owned());
    }
    let roots = settings.roots().map_err(|wrong| format!("the clients' CA {wrong}"))?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match settings.verify_client {
        VerifyClient::Required => builder,
        VerifyClient::IfGiven | VerifyClient::Off => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|e| format!("the clients' CA: {e}"))
}

/// Makes a certificate, as servers do that have none: it encrypts, and proves nothing.
fn own_certificate() -> Result<CertifiedKey, String> {
    let key = rcgen::KeyPair::generate().map_err(|e| e.to_string())?;
    let mut parameters = rcgen::CertificateParams::default();
    let mut name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::CommonName, "Pointsman_auto_generated_certificate");
    parameters.distinguished_name = name;
    let certificate = parameters.self_signed(&key).map_err(|e| e.to_string())?;
    let der = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(vec![certificate.into()], der.into(), &provider).map_err(|e| e.to_string())
}

impl TlsAcceptor {
    /// True if the greeting has CLIENT_SSL.
    pub fn is_offered(&self) -> bool {
        self.config.is_some()
    }

    /// True if a client without TLS is refused.
    pub fn is_required(&self) -> bool {
        self.mode == ClientsTlsMode::Required
    }

    /// Returns when the listener's certificate ends. None: the process made it, or it cannot be read.
    pub fn not_after(&self) -> Option<SystemTime> {
        self.not_after.filter(|_| !self.own)
    }

    /// An acceptor that admits nobody, if TLS or a certificate is required.
    fn refusing(settings: &ClientsTls) -> Self {
        let required = settings.verify_client == VerifyClient::Required;
        let mode = if required { ClientsTlsMode::Required } else { settings.mode };
        TlsAcceptor { mode, ..TlsAcceptor::default() }
    }

    /// Begins a connection. `begun` is what the client has already sent of the handshake.
    pub(in crate::net) fn begin(&self, begun: &[u8]) -> Result<Tls, TlsError> {
        let config = self.config.clone().ok_or(TlsError::NotOffered("disabled"))?;
        Tls::accept(config, begun).map_err(|e| TlsError::Handshake(explained(&e)))
    }
}

impl ClientTls {
    /// Returns what is known after the handshake.
    pub(in crate::net) fn of(tls: &Tls, acceptor: &TlsAcceptor) -> Self {
        let certificate = tls.certificate();
        ClientTls {
            version: tls.version(),
            resumed: tls.is_resumed(),
            certified: certificate.is_some(),
            names: certificate.and_then(Names::of),
            fingerprint: acceptor.fingerprint,
        }
    }
}

#[cfg(test)]
mod tests;
