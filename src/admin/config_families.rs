//! Which configuration is served, as a value for reports and as metric families.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::telemetry::Families;

/// Which configuration a process serves. Field names are a contract: add, never rename.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServedConfig {
    /// The SHA-256 of the file in hexadecimal, computed with `********` in place of passwords and tokens. A file that
    /// was refused does not count.
    pub sha256: String,
    /// Since when this configuration is served: Unix time in milliseconds.
    pub since_ms: u64,
    /// The SHA-256 of the file that the process was started for, while it waits for this file and is not ready.
    pub awaited: Option<String>,
    /// The effective configuration without secrets, for the page.
    #[serde(skip)]
    pub text: Arc<str>,
}

/// `ServedConfig` as metric families.
#[derive(Debug)]
pub(super) struct ConfigFamilies(pub watch::Receiver<ServedConfig>);

impl Collector for ConfigFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let served = self.0.borrow();
        let mut families = Families::new(encoder);
        families.info(
            "pointsman_config",
            "The configuration file that is in effect, by its SHA-256: pods with equal values serve equal files.",
            [("sha256", &served.sha256)],
        )?;
        families.gauge(
            "pointsman_config_awaited",
            "1 while the mounted configuration file is not yet the one that the deployment asks for; the process is not ready until it is.",
            f64::from(u8::from(served.awaited.is_some())),
        )
    }
}
