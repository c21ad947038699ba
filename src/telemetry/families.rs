//! Writes metric families in the OpenMetrics text format. The callers pass full names, so that a
//! text search for a metric finds its source.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::cells::{LATENCY_BOUNDS_US, Latency};

/// The media type of `exposition`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns all families of a registry in the format of `/metrics`.
pub fn exposition(registry: &Registry) -> Result<String, fmt::Error> {
    let mut out = String::with_capacity(16 * 1024);
    text::encode(&mut out, registry)?;
    Ok(out)
}

/// A label's key and value; values are closed enums or configured names.
pub type Label<'a> = (&'static str, &'a str);

/// Writes one family after the other. Pass names of counters without `_total`: the
/// format adds it.
pub struct Families<'a>(DescriptorEncoder<'a>);

impl<'a> Families<'a> {
    /// Writes to the encoder that a collector gets.
    pub fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Families(encoder)
    }

    /// Writes one number that only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters::<0>(name, help, [([], value)])
    }

    /// Writes a counter for each set of labels.
    pub fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([Label<'l>; N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            labelled(&mut family, &labels, |metric| {
                metric.encode_counter::<NoLabelSet, u64, f64>(&value, None)
            })?;
        }
        Ok(())
    }

    /// Writes a counter of seconds for each set of labels.
    pub fn seconds_counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([Label<'l>; N], f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            labelled(&mut family, &labels, |metric| {
                metric.encode_counter::<NoLabelSet, f64, f64>(&value, None)
            })?;
        }
        Ok(())
    }

    /// Writes a counter of seconds.
    pub fn seconds_counter(&mut self, name: &str, help: &str, seconds: f64) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, f64, f64>(&seconds, None)
    }

    /// Writes one number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges::<0>(name, help, [([], value)])
    }

    /// Writes a gauge for each set of labels.
    pub fn gauges<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([Label<'l>; N], f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            labelled(&mut family, &labels, |metric| encode_number(metric, value))?;
        }
        Ok(())
    }

    /// Writes facts as labels of a metric that is always 1. The format adds `_info` to the name.
    pub fn info<const N: usize>(&mut self, name: &str, help: &str, labels: [Label<'_>; N]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Info)?;
        family.encode_info(&labels)
    }

    /// Writes durations in seconds: a histogram for each set of labels, which is the sum of some histograms.
    pub fn latencies<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([Label<'l>; N], Vec<&'l Latency>)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, parts) in values {
            let (sum, buckets) = merged(&parts);
            let count = buckets.iter().map(|(_, count)| count).sum();
            labelled(&mut family, &labels, |metric| {
                metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            })?;
        }
        Ok(())
    }
}

/// Adds up some histograms. Returns the sum in seconds, and the buckets (not cumulative).
fn merged(parts: &[&Latency]) -> (f64, Vec<(f64, u64)>) {
    let bounds = LATENCY_BOUNDS_US.iter().map(|&us| seconds(us)).chain([f64::INFINITY]);
    let mut buckets: Vec<(f64, u64)> = bounds.map(|bound| (bound, 0)).collect();
    let mut sum_us = 0_u64;
    for part in parts {
        let (counts, us) = part.read();
        sum_us = sum_us.wrapping_add(us);
        for (bucket, count) in buckets.iter_mut().zip(counts) {
            bucket.1 += count;
        }
    }
    (seconds(sum_us), buckets)
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// Writes a number; a whole number without a fraction, as readers of metrics expect.
fn encode_number(metric: &mut MetricEncoder<'_>, value: f64) -> fmt::Result {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        metric.encode_gauge(&(value as i64))
    } else {
        metric.encode_gauge(&value)
    }
}

/// Writes a value with labels. An empty label set must not become an empty pair of braces.
fn labelled<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: &[Label<'_>; N],
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if N == 0 { encode(family) } else { encode(&mut family.encode_family(labels)?) }
}
