//! Waits for servers, shared by the workers of the process: after a write, all of them wait for the same replicas to reach
//! the same position. If one worker is waiting for a server to reach that position or a later one, the others wait for that
//! worker.

use tokio::sync::{Mutex, watch};

use crate::topology::{GtidSet, ServerId};

/// A wait of one of the workers.
#[derive(Debug)]
struct SharedWait {
    server: ServerId,
    /// The snapshot's `roles_version` when the wait began. A server that was rebuilt since may lack the position.
    roles: u64,
    target: GtidSet,
    reached: ReachedPosition,
}

/// True once the server has reached the position. Closed while this is false: it is not known.
pub(super) type ReachedPosition = watch::Receiver<bool>;

/// What a worker that waits for a server does.
pub(super) enum Share {
    /// The worker asks the server, and sends `true` if the server reaches the position. If the sender is dropped before,
    /// the other workers ask.
    Ask(watch::Sender<bool>),
    /// Another worker is asking the server, or has asked it.
    Join(ReachedPosition),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SharedWaits {
    /// Never held across an await.
    waits: Mutex<Vec<SharedWait>>,
}

impl SharedWait {
    fn has_reached(&self) -> bool {
        *self.reached.borrow()
    }

    fn is_for(&self, server: ServerId, roles: u64, target: &GtidSet) -> bool {
        self.server == server && self.roles == roles && self.target.contains(target)
    }
}

impl SharedWaits {
    /// Begins to wait until a server has this position. `roles`: the snapshot's `roles_version`.
    pub async fn begin(&self, server: ServerId, roles: u64, target: &GtidSet) -> Share {
        let (sender, reached) = watch::channel(false);
        let own = SharedWait { server, roles, target: target.clone(), reached };
        let mut waits = self.waits.lock().await;
        waits
            .retain(|wait| wait.roles >= roles && (wait.has_reached() || wait.reached.has_changed().is_ok()));
        if let Some(found) = waits.iter().find(|wait| wait.is_for(server, roles, target)) {
            return Share::Join(found.reached.clone());
        }
        // Of the positions that the server has reached the last one is enough.
        let is_reached = |wait: &SharedWait| wait.server == server && wait.has_reached();
        while waits.iter().filter(|wait| is_reached(wait)).count() > 1
            && let Some(first) = waits.iter().position(is_reached)
        {
            waits.remove(first);
        }
        waits.push(own);
        Share::Ask(sender)
    }
}

/// Waits for another worker's answer. False: there is none.
pub(super) async fn is_reached(mut reached: ReachedPosition) -> bool {
    reached.wait_for(|reached| *reached).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Flavor;

    const A: ServerId = ServerId(1);
    const B: ServerId = ServerId(2);

    fn to(n: u32) -> GtidSet {
        GtidSet::parse(Flavor::MariaDb, format!("0-1-{n}").as_bytes()).unwrap()
    }

    async fn asks(waits: &SharedWaits, server: ServerId, roles: u64, n: u32) -> watch::Sender<bool> {
        match waits.begin(server, roles, &to(n)).await {
            Share::Ask(sender) => sender,
            Share::Join(_) => panic!("another worker waits for {n}"),
        }
    }

    async fn joins(waits: &SharedWaits, server: ServerId, roles: u64, n: u32) -> ReachedPosition {
        match waits.begin(server, roles, &to(n)).await {
            Share::Ask(_) => panic!("no other worker waits for {n}"),
            Share::Join(reached) => reached,
        }
    }

    #[tokio::test]
    async fn workers_that_wait_for_as_much_or_less_get_the_answer() {
        let waits = SharedWaits::default();
        let sender = asks(&waits, A, 1, 5).await;
        let (same, less) = (joins(&waits, A, 1, 5).await, joins(&waits, A, 1, 4).await);
        drop(asks(&waits, A, 1, 6).await);
        drop(asks(&waits, B, 1, 5).await);
        sender.send(true).unwrap();
        assert!(is_reached(same).await && is_reached(less).await);
        // So do those that come later.
        drop(sender);
        assert!(is_reached(joins(&waits, A, 1, 5).await).await);
    }

    #[tokio::test]
    async fn an_answer_does_not_outlive_the_roles() {
        let waits = SharedWaits::default();
        asks(&waits, A, 1, 5).await.send(true).unwrap();
        // A worker that knows of the change, and then one that does not yet.
        drop(asks(&waits, A, 2, 5).await);
        drop(asks(&waits, A, 1, 5).await);
    }

    #[tokio::test]
    async fn a_worker_that_gets_no_answer_asks() {
        let waits = SharedWaits::default();
        let sender = asks(&waits, A, 1, 5).await;
        let reached = joins(&waits, A, 1, 5).await;
        drop(sender);
        assert!(!is_reached(reached).await);
        drop(asks(&waits, A, 1, 5).await);
    }

    #[tokio::test]
    async fn little_is_remembered() {
        let waits = SharedWaits::default();
        for n in 1..100 {
            asks(&waits, A, 1, n).await.send(true).unwrap();
            drop(asks(&waits, B, 1, n).await);
        }
        assert!(waits.waits.lock().await.len() <= 4);
    }
}
