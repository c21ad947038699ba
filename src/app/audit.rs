//! `[audit]`: writes the audit log, on a thread of its own, so that a slow disk keeps neither traffic nor probes waiting.

mod file;
mod line;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::file::AuditOutput;
use crate::config::{AuditSettings, Live};
use crate::telemetry::{AuditCounts, AuditMessage, AuditSender};

/// How often the thread looks for changed settings and for a file that was moved.
const LOOK: Duration = Duration::from_millis(500);
/// The least time between two lines in the log about events that were lost.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the end of the process waits for the last events to be written.
const LAST: Duration = Duration::from_secs(2);

/// The pause before the end asks again whether the queue has room.
const PAUSE: Duration = Duration::from_millis(10);

/// The running thread. When this is dropped, it waits until the events so far are written.
pub(super) struct Audit(AuditSender);

impl Audit {
    /// Starts the thread. `live` has the settings.
    pub fn start(live: watch::Receiver<Arc<Live>>) -> io::Result<Self> {
        let (sender, messages) = AuditSender::new();
        let counts = sender.counts().clone();
        let write = move || AuditWriter::new(counts, live).run(&messages);
        std::thread::Builder::new().name("audit".to_owned()).spawn(write)?;
        Ok(Audit(sender))
    }

    /// Returns where events go.
    pub fn sender(&self) -> AuditSender {
        self.0.clone()
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let (began, (confirm, written)) = (Instant::now(), sync_channel(1));
        while !self.0.flush(confirm.clone()) && began.elapsed() < LAST {
            // The queue is full, and the thread writes: nothing is confirmed yet, so this is a pause.
            let _ = written.recv_timeout(PAUSE);
        }
        if written.recv_timeout(LAST.saturating_sub(began.elapsed())).is_err() {
            tracing::error!("audit: the process ends before the last events are written");
        }
    }
}

/// What the thread has.
struct AuditWriter {
    counts: Arc<AuditCounts>,
    live: watch::Receiver<Arc<Live>>,
    settings: AuditSettings,
    output: AuditOutput,
    /// Lost events that the log has reported, and when it did.
    reported: (u64, Option<Instant>),
    /// Why the last event could not be written.
    error: Option<io::Error>,
}

impl AuditWriter {
    fn new(counts: Arc<AuditCounts>, mut live: watch::Receiver<Arc<Live>>) -> Self {
        let settings = live.borrow_and_update().audit.clone();
        let (output, error) = opened(&settings);
        AuditWriter { counts, live, settings, output, reported: (0, None), error }
    }

    /// Writes events until all senders are gone.
    fn run(mut self, messages: &Receiver<AuditMessage>) {
        let mut looked = Instant::now();
        loop {
            let message = messages.recv_timeout(LOOK);
            if looked.elapsed() >= LOOK || message.is_err() {
                looked = Instant::now();
                self.look();
            }
            match message {
                Ok(AuditMessage::Record(record)) => self.write(&line::line(&record)),
                // Fails if the end of the process has waited long enough.
                Ok(AuditMessage::Flush(confirm)) => drop(confirm.try_send(())),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Follows the settings and the file, and reports events that were lost.
    fn look(&mut self) {
        if self.live.has_changed().unwrap_or(false) {
            let new = self.live.borrow_and_update().audit.clone();
            if new != self.settings {
                self.settings = new;
                (self.output, self.error) = opened(&self.settings);
            }
        }
        if let Err(error) = self.output.follow(&self.settings) {
            self.error = Some(error);
        }
        self.report();
    }

    fn write(&mut self, line: &str) {
        match self.output.write(line, &self.settings) {
            Ok(()) => _ = self.counts.written.fetch_add(1, Relaxed),
            Err(error) => {
                self.counts.lost.fetch_add(1, Relaxed);
                self.error = Some(error);
                self.report();
            }
        }
    }

    fn report(&mut self) {
        let lost = self.counts.lost.load(Relaxed);
        let (reported, at) = self.reported;
        let is_news = lost > reported || self.error.is_some();
        if !is_news || at.is_some_and(|at| at.elapsed() < SILENCE) {
            return;
        }
        let error = self.error.take().map_or("the queue was full".to_owned(), |error| error.to_string());
        match lost - reported {
            0 => tracing::error!(error, "audit: audit.to cannot be written"),
            lost => tracing::error!(lost, error, "audit: events were lost"),
        }
        self.reported = (lost, Some(Instant::now()));
    }
}

fn opened(settings: &AuditSettings) -> (AuditOutput, Option<io::Error>) {
    match AuditOutput::open(settings) {
        Ok(output) => (output, None),
        Err(error) => (AuditOutput::Failed, Some(error)),
    }
}
