//! The places of clients that have logged in. If all places are taken, the client that has been idle longest loses its
//! place: its host may have vanished, and an idle client may stay for hours.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The most clients.
const CLIENTS: usize = 16;

/// All places. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct ConsolePlaces {
    /// The channel serves as a lock: nobody waits for its changes.
    taken: Arc<watch::Sender<Vec<Taken>>>,
}

#[derive(Debug)]
struct Taken {
    /// When the client's last statement was answered; None while a statement is under way.
    idle_since: Option<Instant>,
    lost: Arc<Notify>,
}

/// A client's place. Dropping it releases the place.
#[derive(Debug)]
pub(super) struct ConsolePlace {
    places: ConsolePlaces,
    lost: Arc<Notify>,
}

impl ConsolePlaces {
    /// Takes a place, if need be that of the client that has been idle longest. None: all clients have a statement under
    /// way.
    pub fn take(&self) -> Option<ConsolePlace> {
        let lost = Arc::new(Notify::new());
        let is_room = self.locked(|taken| {
            if taken.len() >= CLIENTS {
                let idle = taken.iter().enumerate().filter_map(|(at, one)| Some((one.idle_since?, at)));
                let Some((_, longest)) = idle.min() else { return false };
                taken.remove(longest).lost.notify_one();
            }
            taken.push(Taken { idle_since: None, lost: lost.clone() });
            true
        });
        is_room.then(|| ConsolePlace { places: self.clone(), lost })
    }

    fn locked<T: Default>(&self, change: impl FnOnce(&mut Vec<Taken>) -> T) -> T {
        let mut result = T::default();
        self.taken.send_if_modified(|taken| {
            result = change(taken);
            false
        });
        result
    }
}

impl ConsolePlace {
    /// Says whether the client is idle from now on.
    pub fn idle(&self, idle: bool) {
        let idle_since = idle.then(Instant::now);
        self.places.locked(|taken| {
            if let Some(own) = taken.iter_mut().find(|one| Arc::ptr_eq(&one.lost, &self.lost)) {
                own.idle_since = idle_since;
            }
        });
    }

    /// Waits until the place is lost to another client.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for ConsolePlace {
    fn drop(&mut self) {
        self.places.locked(|taken| taken.retain(|one| !Arc::ptr_eq(&one.lost, &self.lost)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::{advance, timeout};

    #[tokio::test(start_paused = true)]
    async fn the_client_that_has_been_idle_longest_loses_its_place() {
        let places = ConsolePlaces::default();
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| places.take().unwrap()).collect();
        assert!(places.take().is_none(), "all have a statement under way");
        for idle in [5, 3, 9] {
            clients[idle].idle(true);
            advance(Duration::from_secs(1)).await;
        }
        clients[5].idle(false);
        let later = places.take().unwrap();
        let mut lost = Vec::new();
        for (at, client) in clients.iter().enumerate() {
            if timeout(Duration::ZERO, client.lost()).await.is_ok() {
                lost.push(at);
            }
        }
        assert_eq!(lost, [3]);
        clients.remove(3);
        assert_eq!(places.taken.borrow().len(), CLIENTS, "its end releases no place of another client");
        clients.clear();
        drop(later);
        assert!(places.taken.borrow().is_empty());
    }
}
