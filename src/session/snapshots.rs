//! What a new snapshot of the servers means for the sessions of a worker.

use std::rc::Rc;
use std::sync::Arc;

use super::context::Context;
use crate::net::Runtime;
use crate::terms::Disruption;
use crate::topology::{ServerId, Snapshot};
use crate::worker::{Attached, Signals};

impl<R: Runtime> Context<R> {
    /// Applies a new snapshot: signals the sessions whose server is lost, and closes pooled connections that
    /// must not be used again.
    pub fn new_snapshot(self: &Rc<Self>, snapshot: Arc<Snapshot>) {
        self.commits.note(&snapshot);
        self.positions.note(&snapshot);
        if self.topology.versions().roles == snapshot.roles_version {
            // Only positions have changed, as they do ten times a second: no connection is affected.
            self.topology.set(snapshot);
            return;
        }
        self.renew_changed(&snapshot);
        self.metrics.server_latencies.keep(|server| snapshot.server(ServerId(server)).is_some());
        let old = |generation: u64, read_only: bool| !read_only && generation != snapshot.generation;
        let left =
            |kept: Attached| old(kept.generation, kept.read_only) || (!kept.read_only && snapshot.grace_over);
        // A former primary that answers still tells what only its connections know.
        let mut moved = self.pool.leave_awaited(|c| {
            let (generation, read_only) = (c.about.generation, c.about.class.read_only);
            old(generation, read_only) && !snapshot.has_lost(c.about.server, generation, read_only)
        });
        self.pool.retain(|c, _, claimed| {
            let (generation, read_only) = (c.about.generation, c.about.class.read_only);
            let keep =
                !snapshot.has_lost(c.about.server, generation, read_only) && !old(generation, read_only);
            // The session moves to the new primary at its next statement, and gets no error. Connections to
            // replicas do not count: replicas are chosen anew all the time.
            moved += u64::from(!keep && claimed && !read_only);
            if keep && snapshot.awaited == Some(c.about.server) {
                c.unsure.set(true);
            }
            keep
        });
        self.metrics.disruptions[Disruption::Moved].add(moved);
        let affected: Vec<_> = self
            .handles()
            .into_iter()
            .filter(|h| {
                h.servers.bound().any(|a| {
                    // A statement under way on a demoted server that is alive may finish. The session's next
                    // statement moves to the new primary.
                    snapshot.has_lost(a.server, a.generation, a.read_only) || (!h.busy.get() && left(a))
                })
            })
            .collect();
        self.topology.set(snapshot);
        for handle in affected {
            handle.signal.raise(Signals::LOST);
        }
        self.end_demoted_writes();
    }

    /// Renews the pooled connections to servers on which new sessions begin otherwise than before, since somebody has set
    /// global variables past this process.
    fn renew_changed(&self, snapshot: &Snapshot) {
        let before = self.topology.get();
        for server in snapshot.servers.iter() {
            let old = before.server(server.id).and_then(|old| old.facts.as_ref());
            let (Some(old), Some(new)) = (old, server.facts.as_ref()) else { continue };
            if (old.login, old.modes) != (new.login, new.modes) {
                tracing::info!(server = %server.name, "sessions begin with other settings: pooled connections are renewed");
                self.pool.renew(Some(server.id));
            }
        }
    }
}
