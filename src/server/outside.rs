//! The requests that sessions send to other threads.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use tokio::sync::{mpsc, oneshot};

use super::messages::{Control, Kick};
use crate::backend::Lesson;
use crate::telemetry::stream::{SLOW, TapId};
use crate::telemetry::traces::{TraceRecord, TraceSender};
use crate::telemetry::{AuditRecord, AuditSender};
use crate::topology::ServerId;
use crate::worker::admission::Admission;
use crate::worker::{KillRequest, Outside};

/// The first connection id. It is well above a server's ids, which count from 1: so a number given to KILL
/// identifies either a client of this proxy or a server's connection. It is below 2^31 for clients that store
/// it in a signed integer.
const FIRST_CONNECTION_ID: u32 = 0x4000_0000;

/// State shared by all workers; touched only when clients connect, kill, or meet a failure.
pub(super) struct SharedOutside {
    pub workers: Vec<mpsc::UnboundedSender<Control>>,
    pub kick: Arc<dyn Fn(Kick) + Send + Sync>,
    /// Takes the events of the audit log.
    audit: AuditSender,
    /// Takes the traces of statements.
    traces: TraceSender,
    /// Decides which clients are admitted.
    pub admission: Arc<Admission>,
    ids: AtomicU32,
    /// The number of the last reader of statements.
    last_tap: AtomicU64,
}

impl SharedOutside {
    pub fn new(
        workers: Vec<mpsc::UnboundedSender<Control>>,
        kick: Arc<dyn Fn(Kick) + Send + Sync>,
        audit: AuditSender,
        traces: TraceSender,
    ) -> Self {
        SharedOutside {
            workers,
            kick,
            audit,
            traces,
            admission: Arc::default(),
            ids: AtomicU32::new(0),
            last_tap: AtomicU64::new(SLOW),
        }
    }

    /// Returns the number of a new reader of statements.
    pub fn next_tap(&self) -> TapId {
        self.last_tap.fetch_add(1, Relaxed) + 1
    }

    /// Kills a session, whichever worker has it. Returns false if there is no such session.
    pub async fn kill(self: Arc<Self>, request: KillRequest) -> bool {
        for worker in &self.workers {
            let (reply, answer) = oneshot::channel();
            let sent = worker.send(Control::Kill { request: request.clone(), reply });
            if sent.is_ok() && answer.await.unwrap_or(false) {
                return true;
            }
        }
        false
    }
}

/// One worker's access to the shared state.
pub(super) struct WorkerOutside(pub Arc<SharedOutside>);

impl Outside for WorkerOutside {
    fn kick(&self, server: ServerId) {
        (self.0.kick)(Kick::One(server));
    }

    fn kick_anew(&self, server: ServerId) {
        (self.0.kick)(Kick::Anew(server));
    }

    fn kick_all(&self) {
        (self.0.kick)(Kick::All);
    }

    fn routines_changed(&self) {
        (self.0.kick)(Kick::Routines);
    }

    fn accounts_doubted(&self) {
        (self.0.kick)(Kick::Accounts);
    }

    fn passes_read_only(&self, user: &str) {
        (self.0.kick)(Kick::PassesReadOnly(user.into()));
    }

    fn learned(&self, lesson: Lesson) {
        for worker in &self.0.workers {
            // A worker that has ended needs no passwords.
            let _ = worker.send(Control::Learned(lesson.clone()));
        }
    }

    fn audit(&self, record: AuditRecord) {
        self.0.audit.record(record);
    }

    fn trace(&self, record: Box<TraceRecord>) {
        self.0.traces.send(record);
    }

    fn connection_id(&self) -> u32 {
        FIRST_CONNECTION_ID | (self.0.ids.fetch_add(1, Relaxed) & (FIRST_CONNECTION_ID - 1))
    }

    fn kill(&self, request: KillRequest) -> Pin<Box<dyn Future<Output = bool>>> {
        Box::pin(self.0.clone().kill(request))
    }
}
