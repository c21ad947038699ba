//! Writes metric families in Prometheus's protobuf format.

use std::fmt;

use prometheus_client::encoding::prometheus_protobuf::{self, EncodeError, prometheus_data_model as model};
use prometheus_client::registry::Registry;
use prost::Message;

use super::families::with_exemplars;

/// The media type of `protobuf_exposition`.
pub const PROTOBUF_CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// Returns all families of a registry in Prometheus's protobuf format, the only one with native histograms.
pub fn protobuf_exposition(registry: &Registry) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(16 * 1024);
    for family in protobuf_families(registry)? {
        family.encode_length_delimited(&mut out)?;
    }
    Ok(out)
}

fn protobuf_families(registry: &Registry) -> Result<Vec<model::MetricFamily>, fmt::Error> {
    let (families, exemplars) = with_exemplars(|| prometheus_protobuf::encode(registry));
    let mut families = families?;
    let histograms = families.iter_mut().flat_map(|f| &mut f.metric).filter_map(|m| m.histogram.as_mut());
    for (histogram, exemplars) in histograms.zip(exemplars.into_iter().flatten()) {
        for (bucket, exemplar) in histogram.bucket.iter_mut().zip(exemplars) {
            bucket.exemplar = exemplar.map(|exemplar| model::Exemplar {
                label: vec![model::LabelPair { name: "trace_id".to_owned(), value: exemplar.id() }],
                value: exemplar.seconds(),
                timestamp: Some(exemplar.at().into()),
            });
        }
    }
    Ok(families)
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;

    use super::*;
    use crate::telemetry::families::{Families, exposition};
    use crate::telemetry::latency::Latency;

    #[derive(Debug)]
    struct Durations([Latency; 2]);

    impl Collector for Durations {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let parts = self.0.iter().collect();
            Families::new(encoder).latencies("seconds", "Durations.", [([("port", "split")], parts)])
        }
    }

    fn registry(durations: [&[u64]; 2]) -> Registry {
        let latencies = durations.map(|all| {
            let latency = Latency::default();
            all.iter().for_each(|&us| latency.observe_us(us));
            latency
        });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Durations(latencies)));
        registry
    }

    #[test]
    fn the_protobuf_format_has_both_kinds_of_buckets() {
        let families = prometheus_protobuf::encode(&registry([&[60, 1_000_000], &[0, 1_000_000]])).unwrap();
        let histogram = families[0].metric[0].histogram.as_ref().unwrap();
        assert_eq!((histogram.sample_count, histogram.sample_sum), (4, 2.00006));
        let of = |bound: f64| histogram.bucket.iter().find(|bucket| bucket.upper_bound == bound).unwrap();
        assert_eq!([0.00005, 0.0001, f64::INFINITY].map(|bound| of(bound).cumulative_count), [1, 2, 4]);
        assert_eq!((histogram.schema, histogram.zero_count), (3, 1));
        let spans: Vec<_> = histogram.positive_span.iter().map(|span| (span.offset, span.length)).collect();
        // 2^-14.03 seconds are in the bucket that ends at 2^(-112/8).
        assert_eq!((spans, &histogram.positive_delta[..]), (vec![(-112, 1), (111, 1)], &[1, 1][..]));
    }

    #[test]
    fn exemplars_are_in_the_line_of_their_bucket() {
        let latencies: [Latency; 2] = Default::default();
        for (latency, us, id) in
            [(&latencies[0], 60, 1), (&latencies[1], 70, u128::MAX), (&latencies[1], 7_000_000, 2)]
        {
            latency.observe_us(us);
            latency.exemplar(id, us);
            latency.exemplar(0, us);
            // The newest one of all workers counts: the next one is of another millisecond.
            let now = std::time::SystemTime::now();
            while now.elapsed().is_ok_and(|since| since.as_millis() < 2) {}
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Durations(latencies)));
        let text = exposition(&registry).unwrap();
        let with: Vec<_> = text.lines().filter_map(|line| line.split_once(" # {")).collect();
        let [(small, newest), (large, second)] = with[..] else { panic!("{text}") };
        assert_eq!(
            (small, large),
            (
                "seconds_bucket{le=\"0.0001\",port=\"split\"} 2",
                "seconds_bucket{le=\"+Inf\",port=\"split\"} 3"
            )
        );
        assert!(newest.starts_with("trace_id=\"ffffffffffffffffffffffffffffffff\"} 0.00007 1"), "{newest}");
        assert!(second.starts_with("trace_id=\"00000000000000000000000000000002\"} 7 1"), "{second}");
        assert!(text.ends_with("# EOF\n"));

        let families = protobuf_families(&registry).unwrap();
        let buckets = &families[0].metric[0].histogram.as_ref().unwrap().bucket;
        let found: Vec<_> =
            buckets.iter().filter_map(|b| b.exemplar.as_ref().map(|e| (b.upper_bound, e))).collect();
        let [(0.0001, newest), (f64::INFINITY, second)] = found[..] else { panic!("{found:?}") };
        assert_eq!(
            (newest.label[0].name.as_str(), newest.label[0].value.len(), newest.value),
            ("trace_id", 32, 0.00007)
        );
        assert!(second.timestamp.is_some());
        // The next exposition begins anew.
        assert!(!exposition(&super::tests::registry([&[], &[]])).unwrap().contains("trace_id"));
    }

    #[test]
    fn a_histogram_without_durations_is_a_native_one_too() {
        let families = prometheus_protobuf::encode(&registry([&[], &[]])).unwrap();
        let histogram = families[0].metric[0].histogram.as_ref().unwrap();
        // Prometheus knows native histograms by this, if they have no bucket.
        assert!(histogram.zero_threshold > 0.0 && histogram.positive_span.is_empty());
        assert!(!protobuf_exposition(&registry([&[], &[]])).unwrap().is_empty());
    }
}
