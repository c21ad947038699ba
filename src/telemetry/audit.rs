//! What the audit log records, on its way from the workers to the thread that writes it. Nobody waits for that thread: an
//! event that finds the queue full is lost, and counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::stream::unix_us;
use crate::terms::AuditKind;

/// How many events may wait to be written.
const QUEUE: usize = 8_192;

/// How an event ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditOutcome {
    /// True if it did not succeed.
    pub failed: bool,
    /// The code of the error that the client got, if it got one.
    pub error: Option<u16>,
    /// Why, in a word.
    pub reason: Option<&'static str>,
}

/// One event.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// When it ended, in microseconds since the Unix epoch.
    pub time_us: u64,
    /// What happened.
    pub kind: AuditKind,
    /// The connection id of the client.
    pub session: u32,
    /// The account, or the name that the client gave.
    pub user: Box<str>,
    /// The client's address; None: a unix socket.
    pub client: Option<SocketAddr>,
    /// The default schema.
    pub schema: Box<str>,
    /// The statement without literals, or the command; empty for a login.
    pub statement: Box<str>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// How many refused logins before it have no record, because there were too many.
    pub left_out: u64,
}

impl AuditRecord {
    /// Returns the record of something that ended now.
    pub fn now(kind: AuditKind, session: u32, user: &str, client: Option<SocketAddr>) -> Self {
        AuditRecord {
            time_us: unix_us(),
            kind,
            session,
            user: user.into(),
            client,
            schema: "".into(),
            statement: "".into(),
            outcome: AuditOutcome::default(),
            left_out: 0,
        }
    }
}

/// What the thread gets.
#[derive(Debug)]
pub enum AuditMessage {
    /// Write this.
    Record(Box<AuditRecord>),
    /// Everything before this was sent: confirm that it is written.
    Flush(SyncSender<()>),
}

/// How many events were written, and how many were lost.
#[derive(Debug, Default)]
pub struct AuditCounts {
    /// Events that were written.
    pub written: AtomicU64,
    /// Events that were not: the queue was full, or the file could not be written.
    pub lost: AtomicU64,
}

/// Sends events to the thread that writes them. Clones share the queue.
#[derive(Debug, Clone)]
pub struct AuditSender {
    queue: SyncSender<AuditMessage>,
    counts: Arc<AuditCounts>,
}

impl AuditSender {
    /// Returns the sender, and what the thread receives from.
    pub fn new() -> (Self, Receiver<AuditMessage>) {
        let (queue, receiver) = sync_channel(QUEUE);
        (AuditSender { queue, counts: Arc::default() }, receiver)
    }

    /// Records an event, without waiting.
    pub fn record(&self, record: AuditRecord) {
        if self.queue.try_send(AuditMessage::Record(Box::new(record))).is_err() {
            self.counts.lost.fetch_add(1, Relaxed);
        }
    }

    /// Asks for a confirmation that everything so far is written. Returns false if the queue is full.
    pub fn flush(&self, confirm: SyncSender<()>) -> bool {
        self.queue.try_send(AuditMessage::Flush(confirm)).is_ok()
    }

    /// Returns the counts, which the thread shares.
    pub fn counts(&self) -> &Arc<AuditCounts> {
        &self.counts
    }
}
