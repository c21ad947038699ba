//! The content of `/digests`: what the statements of each digest did. Times are in microseconds, points in time in seconds
//! since the Unix epoch.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::task::spawn_blocking;

use super::{AdminState, Unanswered, Waited};
use crate::telemetry::{DigestReport, DigestTotals, Totals};
use crate::terms::{Disruption, Pin, Role, Why};

/// The whole answer.
#[derive(Default, Serialize)]
pub(super) struct DigestsPage {
    /// The digests, those first on which most time was spent.
    digests: Vec<DigestLine>,
    /// The sums of digests that lost their place in the tables.
    other: DigestSums,
    /// How often a digest lost its place.
    evicted: u64,
}

#[derive(Serialize)]
struct DigestLine {
    user: String,
    schema: String,
    /// The digest's number, the same in all proxies.
    digest: String,
    digest_text: String,
    #[serde(flatten)]
    sums: DigestSums,
}

#[derive(Default, Serialize)]
struct DigestSums {
    count: u64,
    sum_us: u64,
    p50_us: u64,
    p95_us: u64,
    p99_us: u64,
    max_us: u64,
    waited_us: Waited,
    rows_sent: u64,
    rows_affected: u64,
    bytes_in: u64,
    bytes_out: u64,
    failed: u64,
    errors: BTreeMap<String, u64>,
    targets: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<&'static str, u32>,
    pins: BTreeMap<&'static str, u32>,
    repeated: u64,
    disruptions: BTreeMap<&'static str, u32>,
    first_seen: Option<f64>,
    last_seen: Option<f64>,
}

/// Reads the query of a URL: how many digests at most. The error says what is wrong.
pub(super) fn most(query: &str) -> Result<usize, String> {
    if query.is_empty() {
        return Ok(usize::MAX);
    }
    let most = query.strip_prefix("most=").and_then(|most| most.parse().ok());
    most.ok_or_else(|| format!("the query is {query:?}; write most=100, or no query for all digests"))
}

impl DigestsPage {
    /// Asks the workers for at most `most` digests, those on which most time was spent. Without workers, there are none.
    pub async fn of(state: &AdminState, most: usize) -> Result<Self, Unanswered> {
        let DigestReport { mut digests, other, evicted } = state.digests().await?;
        digests.truncate(most);
        let described = move || DigestsPage {
            digests: digests.into_iter().map(DigestLine::from).collect(),
            other: DigestSums::from(&other),
            evicted,
        };
        Ok(spawn_blocking(described).await.unwrap_or_default())
    }
}

impl From<DigestTotals> for DigestLine {
    fn from(one: DigestTotals) -> Self {
        let sums = DigestSums::from(&one.totals);
        let DigestTotals { user, schema, id, text, .. } = one;
        DigestLine { user, schema, digest: format!("0x{id:016x}"), digest_text: text, sums }
    }
}

impl From<&Totals> for DigestSums {
    fn from(totals: &Totals) -> Self {
        let quantile = |share| totals.latency.quantile(share).min(totals.max);
        let mut errors: BTreeMap<_, _> =
            totals.errors.iter().filter(|(_, n)| *n > 0).map(|(code, n)| (code.to_string(), *n)).collect();
        if totals.other_errors > 0 {
            errors.insert("other".to_owned(), totals.other_errors);
        }
        let roles = Role::BOTH.iter().zip(totals.roles).filter(|(_, n)| *n > 0);
        let pins = Pin::ALL.iter().zip(totals.pins).filter(|(_, n)| *n > 0);
        let disruptions = Disruption::ALL.iter().zip(totals.disruptions).filter(|(_, n)| *n > 0);
        let reasons = Why::ALL.iter().zip(totals.reasons).filter(|(_, n)| *n > 0);
        DigestSums {
            count: totals.count,
            sum_us: totals.sum,
            p50_us: quantile(0.5),
            p95_us: quantile(0.95),
            p99_us: quantile(0.99),
            max_us: totals.max,
            waited_us: Waited {
                hold: totals.waits.hold,
                pool: totals.waits.pool,
                position: totals.waits.position,
            },
            rows_sent: totals.rows_sent,
            rows_affected: totals.rows_affected,
            bytes_in: totals.bytes_in,
            bytes_out: totals.bytes_out,
            failed: totals.failed(),
            errors,
            targets: roles.map(|(role, n)| (role.target(), n)).collect(),
            reasons: reasons.map(|(why, n)| (why.as_str(), n)).collect(),
            pins: pins.map(|(pin, n)| (pin.as_str(), n)).collect(),
            repeated: totals.repeated,
            disruptions: disruptions.map(|(effect, n)| (effect.as_str(), n)).collect(),
            first_seen: totals.seen.map(|(first, _)| seconds(first)),
            last_seen: totals.seen.map(|(_, last)| seconds(last)),
        }
    }
}

/// Rounded to milliseconds.
fn seconds(since: Duration) -> f64 {
    (since.as_secs_f64() * 1e3).round() / 1e3
}
