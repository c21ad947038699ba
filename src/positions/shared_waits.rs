//! Waits for servers, shared by the workers of the process: after a write, all of them wait for the same replicas to get
//! the same position. Where one waits already, for that position or a later one, the others wait for its answer.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use crate::topology::{GtidSet, ServerId};

/// A wait of one of the workers.
#[derive(Debug)]
struct SharedWait {
    server: ServerId,
    /// The snapshot's `roles_version` when the wait began. A server that was rebuilt since may lack the position.
    roles: u64,
    target: Arc<GtidSet>,
    answer: Outcome,
}

/// Whether the server has reached the position; None: nobody knows yet.
pub(super) type Outcome = watch::Receiver<Option<bool>>;

/// What a worker that waits for a server does.
pub(super) enum Share {
    /// Asks the server, and tells the others the answer. Those ask themselves if this is dropped before.
    Ask(watch::Sender<Option<bool>>),
    /// Waits for what another worker learns, or has learnt.
    Hear(Outcome),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SharedWaits {
    waits: Mutex<Vec<SharedWait>>,
}

impl SharedWait {
    fn has_reached(&self) -> bool {
        *self.answer.borrow() == Some(true)
    }

    fn is_under_way(&self) -> bool {
        self.answer.borrow().is_none() && self.answer.has_changed().is_ok()
    }

    fn is_for(&self, server: ServerId, roles: u64, target: &GtidSet) -> bool {
        self.server == server && self.roles == roles && self.target.contains(target)
    }
}

impl SharedWaits {
    /// Begins to wait until a server has this position. `roles`: the snapshot's `roles_version`.
    pub async fn begin(&self, server: ServerId, roles: u64, target: &GtidSet) -> Share {
        let mut waits = self.waits.lock().await;
        waits.retain(|wait| wait.roles >= roles && (wait.is_under_way() || wait.has_reached()));
        if let Some(found) = waits.iter().find(|wait| wait.is_for(server, roles, target)) {
            return Share::Hear(found.answer.clone());
        }
        // Of the positions that the server has reached the last one is enough.
        let is_reached = |wait: &SharedWait| wait.server == server && wait.has_reached();
        while waits.iter().filter(|wait| is_reached(wait)).count() > 1
            && let Some(first) = waits.iter().position(is_reached)
        {
            waits.remove(first);
        }
        let (tell, answer) = watch::channel(None);
        waits.push(SharedWait { server, roles, target: Arc::new(target.clone()), answer });
        Share::Ask(tell)
    }
}

/// Returns what another worker has learnt. None: it has given up.
pub(super) async fn hear(mut outcome: Outcome) -> Option<bool> {
    outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| *outcome)
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

    async fn asks(waits: &SharedWaits, server: ServerId, roles: u64, n: u32) -> watch::Sender<Option<bool>> {
        match waits.begin(server, roles, &to(n)).await {
            Share::Ask(tell) => tell,
            Share::Hear(_) => panic!("somebody waits for {n} already"),
        }
    }

    async fn hears(waits: &SharedWaits, server: ServerId, roles: u64, n: u32) -> Outcome {
        match waits.begin(server, roles, &to(n)).await {
            Share::Ask(_) => panic!("nobody waits for {n}"),
            Share::Hear(outcome) => outcome,
        }
    }

    #[tokio::test]
    async fn who_waits_for_as_much_or_less_hears_the_answer() {
        let waits = SharedWaits::default();
        let tell = asks(&waits, A, 1, 5).await;
        let (same, less) = (hears(&waits, A, 1, 5).await, hears(&waits, A, 1, 4).await);
        drop(asks(&waits, A, 1, 6).await);
        drop(asks(&waits, B, 1, 5).await);
        tell.send(Some(true)).unwrap();
        assert_eq!((hear(same).await, hear(less).await), (Some(true), Some(true)));
        // Later ones hear it, too.
        drop(tell);
        assert_eq!(hear(hears(&waits, A, 1, 5).await).await, Some(true));
    }

    #[tokio::test]
    async fn an_answer_does_not_outlive_the_roles_and_a_wait_in_vain_is_no_answer() {
        let waits = SharedWaits::default();
        asks(&waits, A, 1, 5).await.send(Some(true)).unwrap();
        // A worker that knows of the change, and then one that does not yet.
        let newer = asks(&waits, A, 2, 5).await;
        drop(asks(&waits, A, 1, 5).await);
        newer.send(Some(false)).unwrap();
        drop(asks(&waits, A, 2, 5).await);
    }

    #[tokio::test]
    async fn who_heard_nothing_asks() {
        let waits = SharedWaits::default();
        let tell = asks(&waits, A, 1, 5).await;
        let outcome = hears(&waits, A, 1, 5).await;
        drop(tell);
        assert_eq!(hear(outcome).await, None);
        drop(asks(&waits, A, 1, 5).await);
    }

    #[tokio::test]
    async fn little_is_remembered() {
        let waits = SharedWaits::default();
        for n in 1..100 {
            asks(&waits, A, 1, n).await.send(Some(true)).unwrap();
            drop(asks(&waits, B, 1, n).await);
        }
        assert!(waits.waits.lock().await.len() <= 4);
    }
}
