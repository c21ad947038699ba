//! When the listeners' certificates end, in `/metrics`.

use std::fmt;
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::net::AcceptorsCell;
use crate::telemetry::Families;

/// The certificates of the listeners as metric families.
#[derive(Debug)]
pub(super) struct CertificateFamilies(pub AcceptorsCell);

impl Collector for CertificateFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let mut all = self.0.all();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        families.gauges(
            "pointsman_tls_certificate_not_after_seconds",
            "When the certificate of a listener ends, as Unix time. Certificates that the proxy made itself are left out.",
            all.iter().filter_map(|(listener, acceptor)| {
                let ends = acceptor.not_after()?.duration_since(UNIX_EPOCH).ok()?;
                Some(([("listener", &**listener)], ends.as_secs_f64()))
            }),
        )
    }
}
