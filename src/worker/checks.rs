//! The turns of clients whose passwords servers check.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::net::Origin;

/// How many passwords of a worker's clients the servers check at a time. Further clients wait: a crowd of clients with wrong
/// passwords must not take the servers' connections.
const CHECKS: usize = 8;

/// How many of these are for one address. Further clients of the address wait for one another, and not in the queue of all
/// addresses. They are not refused: behind one address may be a node with many honest clients, which all log in when the
/// proxy has started. Half of the places, so that such an address is served quickly, and a guessing one keeps nobody out.
const CHECKS_PER_ADDRESS: usize = CHECKS / 2;

/// See the module.
#[derive(Debug)]
pub struct Checks {
    places: Semaphore,
    addresses: RefCell<HashMap<Origin, Address>>,
}

/// The clients of an address that wait for a place or have one.
#[derive(Debug)]
struct Address {
    clients: usize,
    places: Arc<Semaphore>,
}

/// A client that waits for a place or has one, until it is dropped.
struct CheckTurn<'a> {
    checks: &'a Checks,
    origin: Origin,
}

/// The right to have one password checked. Dropping it lets the next client have its turn.
pub struct CheckPlace<'a> {
    _place: SemaphorePermit<'a>,
    _of_address: Option<(OwnedSemaphorePermit, CheckTurn<'a>)>,
}

impl Default for Checks {
    fn default() -> Self {
        Checks { places: Semaphore::new(CHECKS), addresses: RefCell::default() }
    }
}

impl Checks {
    /// Waits until a password of a client at this address may be checked. A client on a unix socket has no address, and no
    /// limit of its own. The future may be dropped at any time. (Never None: the semaphores are never closed.)
    pub async fn place(&self, origin: Option<Origin>) -> Option<CheckPlace<'_>> {
        let of_address = match origin {
            None => None,
            Some(origin) => {
                let (turn, places) = self.turn(origin);
                Some((places.acquire_owned().await.ok()?, turn))
            }
        };
        Some(CheckPlace { _place: self.places.acquire().await.ok()?, _of_address: of_address })
    }

    /// Returns how many passwords may be checked now without waiting.
    #[cfg(test)]
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }

    fn turn(&self, origin: Origin) -> (CheckTurn<'_>, Arc<Semaphore>) {
        let mut addresses = self.addresses.borrow_mut();
        let address = addresses
            .entry(origin)
            .or_insert_with(|| Address { clients: 0, places: Arc::new(Semaphore::new(CHECKS_PER_ADDRESS)) });
        address.clients += 1;
        (CheckTurn { checks: self, origin }, address.places.clone())
    }
}

impl Drop for CheckTurn<'_> {
    fn drop(&mut self) {
        let mut addresses = self.checks.addresses.borrow_mut();
        if let Some(address) = addresses.get_mut(&self.origin) {
            address.clients = address.clients.saturating_sub(1);
            if address.clients == 0 {
                addresses.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn address(last: u8) -> Option<Origin> {
        Some(Origin::V4(Ipv4Addr::new(10, 0, 0, last)))
    }

    /// Returns the place if it is free now.
    fn now<'a>(waits: Pin<&mut impl Future<Output = Option<CheckPlace<'a>>>>) -> Option<CheckPlace<'a>> {
        match waits.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => place,
            Poll::Pending => None,
        }
    }

    /// Takes a place that is free at once. None: the client would have to wait.
    fn free(checks: &Checks, origin: Option<Origin>) -> Option<CheckPlace<'_>> {
        now(pin!(checks.place(origin)))
    }

    #[test]
    fn eight_clients_have_places_at_a_time() {
        let checks = Checks::default();
        let mut places: Vec<_> = (0..8).map(|_| free(&checks, None).unwrap()).collect();
        assert!(free(&checks, None).is_none());
        places.pop();
        assert!(free(&checks, None).is_some());
    }

    #[test]
    fn an_address_has_half_of_the_places_and_is_forgotten_afterwards() {
        let checks = Checks::default();
        let mut places: Vec<_> = (0..4).map(|_| free(&checks, address(1)).unwrap()).collect();
        assert!(free(&checks, address(1)).is_none());
        let others: Vec<_> = (2..6).map(|last| free(&checks, address(last)).unwrap()).collect();
        assert!(free(&checks, address(7)).is_none(), "all eight are taken");
        drop(others);
        assert!(free(&checks, address(1)).is_none());
        places.pop();
        assert!(free(&checks, address(1)).is_some());
        assert_eq!(checks.addresses.borrow().len(), 1);
        drop(places);
        assert!(checks.addresses.borrow().is_empty());
    }

    #[test]
    fn a_crowd_of_one_address_keeps_no_other_address_waiting() {
        let checks = Checks::default();
        let places: Vec<_> = (0..4).map(|_| free(&checks, address(1)).unwrap()).collect();
        let mut crowd: Vec<_> = (0..100).map(|_| Box::pin(checks.place(address(1)))).collect();
        assert!(crowd.iter_mut().all(|waits| now(waits.as_mut()).is_none()));
        assert!(free(&checks, address(2)).is_some());
        drop(places);
        let served = crowd.iter_mut().filter_map(|waits| now(waits.as_mut()));
        assert_eq!(served.count(), 100, "each client has its turn");
        drop(crowd);
        assert!(checks.addresses.borrow().is_empty());
    }
}
