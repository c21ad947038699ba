//! `log.slow`: a line in the log for each slow statement, and never more lines than people can read.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::plain::plain;
use crate::telemetry::stream::{Event, TapBatch};

/// The most lines in a second.
const MOST: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

/// Limits the lines of the log.
struct SlowLines {
    /// When the second under way began.
    since: Instant,
    /// The lines in it.
    written: u32,
    /// Statements without a line since the last line.
    left_out: u64,
}

impl SlowLines {
    fn new() -> Self {
        SlowLines { since: Instant::now(), written: 0, left_out: 0 }
    }

    /// Returns how many statements were left out before this one. None: this one is left out, too.
    fn next(&mut self) -> Option<u64> {
        if self.since.elapsed() >= SECOND {
            (self.since, self.written) = (Instant::now(), 0);
        }
        if self.written >= MOST {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Logs the statements until the workers have ended.
pub(super) async fn log(mut batches: mpsc::Receiver<TapBatch>) {
    let mut lines = SlowLines::new();
    loop {
        match timeout(SECOND, batches.recv()).await {
            Ok(None) => return,
            Ok(Some(batch)) => {
                lines.left_out += batch.dropped;
                for event in &batch.events {
                    if let Some(left_out) = lines.next() {
                        line(event, left_out);
                    }
                }
            }
            Err(_) if lines.left_out > 0 => {
                let left_out = std::mem::take(&mut lines.left_out);
                tracing::info!(target: "slow", left_out, "more statements were slow than the log takes");
            }
            Err(_) => {}
        }
    }
}

fn line(event: &Event, left_out: u64) {
    let figures = &event.figures;
    let waits = &figures.waits;
    let (role, why) = figures.placed.unzip();
    tracing::info!(
        target: "slow",
        ms = figures.micros as f64 / 1e3,
        user = plain(&event.user),
        client = event.client.map_or("unix".to_owned(), |address| address.to_string()),
        session = event.session,
        schema = plain(&event.schema),
        server = event.server.as_deref(),
        role = role.map(|role| role.target()),
        reason = why.map(|why| why.as_str()),
        waited_ms = (waits.hold + waits.pool + waits.position) as f64 / 1e3,
        rows_sent = figures.rows_sent,
        rows_affected = figures.rows_affected,
        error = figures.error,
        left_out = (left_out > 0).then_some(left_out),
        trace_id = figures.trace.map(|trace| format!("{trace:032x}")),
        digest = format!("0x{:016x}", event.digest),
        statement = plain(event.text.as_ref().unwrap_or(&event.digest_text)),
        "slow statement"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn more_statements_than_people_can_read_are_counted() {
        let mut lines = SlowLines::new();
        let written = (0..250).filter(|_| lines.next().is_some()).count();
        assert_eq!((written, lines.left_out), (100, 150));
        tokio::time::advance(SECOND).await;
        assert_eq!((lines.next(), lines.next()), (Some(150), Some(0)));
    }
}
