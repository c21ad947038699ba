//! The certificate of a port of `[admin]`, prepared for rustls.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::sign::SingleCertAndKey;

use crate::config::Identity;

/// The current certificate.
#[derive(Default)]
pub(crate) struct Certificate {
    of: Option<Identity>,
    ready: Option<Arc<ServerConfig>>,
    /// The protocols that are offered by ALPN.
    protocols: Vec<Vec<u8>>,
}

impl Certificate {
    /// Offers this protocol by ALPN.
    pub fn speaking(mut self, protocol: &[u8]) -> Self {
        self.protocols.push(protocol.to_vec());
        self
    }

    /// Returns the current certificate; None without one.
    pub fn current(&mut self, wanted: Option<&Identity>) -> Option<Arc<ServerConfig>> {
        if self.of.as_ref() != wanted {
            self.of = wanted.cloned();
            match wanted.map(|identity| server_config(identity, &self.protocols)).transpose() {
                Ok(ready) => self.ready = ready,
                // Rare, since certificates are checked with the configuration. The last one is better than none.
                Err(error) => tracing::error!("[admin]: {error}; the former certificate stays"),
            }
        }
        self.ready.clone()
    }
}

fn server_config(identity: &Identity, protocols: &[Vec<u8>]) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certified = identity.certified(&provider).map_err(|(key, wrong)| format!("{key} {wrong}"))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = protocols.to_vec();
    Ok(Arc::new(config))
}
