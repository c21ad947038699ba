//! Writes metric families in the OpenMetrics text format, and what that has in common with the protobuf format. The callers pass full names, so that a
//! text search for a metric finds its source.

use std::cell::RefCell;
use std::fmt::{self, Write};

use prometheus_client::encoding::{
    DescriptorEncoder, MetricEncoder, NativeHistogram, NativeHistogramBuckets, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::exemplars::Exemplar;
use super::latency::{LATENCY_BOUNDS_US, LATENCY_BUCKETS, Latency, LatencySums, SCHEMA};

/// The media type of `exposition`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Durations of up to this many seconds are in the zero bucket of native histograms: Prometheus's default, so that
/// histograms of different sources can be added. Durations are whole microseconds.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// The exemplars of a histogram's buckets.
pub(super) type OfBuckets = [Option<Exemplar>; LATENCY_BUCKETS];

thread_local! {
    /// The exemplars of the histograms that this thread has written since it began an exposition, in their order. They are
    /// added afterwards: the library's encoder takes exemplars, but lets nobody make one.
    static EXEMPLARS: RefCell<Vec<OfBuckets>> = const { RefCell::new(Vec::new()) };
}

/// Writes, and returns the exemplars of the histograms that were written; None if there are none.
pub(super) fn with_exemplars<T>(write: impl FnOnce() -> T) -> (T, Option<Vec<OfBuckets>>) {
    EXEMPLARS.take();
    let written = write();
    let exemplars = EXEMPLARS.take();
    let is_any = exemplars.iter().flatten().any(Option::is_some);
    (written, is_any.then_some(exemplars))
}

/// Returns all families of a registry in the OpenMetrics text format.
pub fn exposition(registry: &Registry) -> Result<String, fmt::Error> {
    let mut out = String::with_capacity(16 * 1024);
    let (written, exemplars) = with_exemplars(|| text::encode(&mut out, registry));
    written?;
    match exemplars {
        None => Ok(out),
        Some(exemplars) => annotated(&out, &exemplars),
    }
}

/// Adds exemplars to the lines of the buckets, which are in the order of the exemplars.
fn annotated(text: &str, exemplars: &[OfBuckets]) -> Result<String, fmt::Error> {
    let mut out = String::with_capacity(text.len() + 4 * 1024);
    let mut exemplars = exemplars.iter().flatten();
    for line in text.lines() {
        out.push_str(line);
        let is_bucket = line.split_once('{').is_some_and(|(name, labels)| {
            name.ends_with("_bucket") && !name.starts_with('#') && labels.starts_with("le=")
        });
        if let Some(exemplar) = is_bucket.then(|| exemplars.next().copied().flatten()).flatten() {
            let (id, value, at) = (exemplar.id(), exemplar.seconds(), exemplar.at_ms as f64 / 1e3);
            write!(out, " # {{trace_id=\"{id}\"}} {value} {at}")?;
        }
        out.push('\n');
    }
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

    /// Writes durations in seconds: a histogram for each set of labels, which is the sum of some histograms. Formats without
    /// native histograms get only the classic buckets.
    pub fn latencies<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([Label<'l>; N], Vec<&'l Latency>)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, parts) in values {
            let mut sums = LatencySums::default();
            parts.into_iter().for_each(|part| sums.add(part));
            EXEMPLARS.with_borrow_mut(|exemplars| exemplars.push(sums.exemplars));
            let bounds = LATENCY_BOUNDS_US.iter().map(|&us| seconds(us)).chain([f64::INFINITY]);
            let classic: Vec<(f64, u64)> = bounds.zip(sums.classic()).collect();
            let count = classic.iter().map(|(_, count)| count).sum();
            let native = sums.native();
            let native = NativeHistogram {
                schema: SCHEMA,
                zero_threshold: ZERO_THRESHOLD,
                zero_count: native.zero,
                negative: NativeHistogramBuckets { spans: &[], deltas: &[] },
                positive: NativeHistogramBuckets { spans: &native.spans, deltas: &native.deltas },
                created: None,
            };
            labelled(&mut family, &labels, |metric| {
                metric.encode_histogram_with_native::<NoLabelSet>(
                    seconds(sums.sum_us),
                    count,
                    &classic,
                    None,
                    native,
                )
            })?;
        }
        Ok(())
    }
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
