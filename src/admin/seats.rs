//! Limits the connections of a port. A new connection never waits: if all seats are taken, it replaces the
//! oldest connection of the address that has the most connections.

use std::collections::{HashMap, VecDeque};

use tokio::task::AbortHandle;

use crate::net::Origin;

/// The open connections.
pub(crate) struct Seats {
    /// The most connections at a time.
    most: usize,
    /// The connections, oldest first.
    taken: VecDeque<ReaderSeat>,
    /// How many connections each address has. Stored instead of counted when needed: many connections can be accepted
    /// in a row, and a probe waits behind them.
    held: HashMap<Origin, usize>,
}

struct ReaderSeat {
    of: Origin,
    task: AbortHandle,
}

impl Seats {
    /// Makes empty seats.
    pub fn new(most: usize) -> Self {
        Seats { most, taken: VecDeque::new(), held: HashMap::new() }
    }

    /// Makes room for one more connection: ends another one if all seats are taken. Returns the address of a connection
    /// that was ended while still in use.
    pub fn make_room(&mut self) -> Option<Origin> {
        if self.taken.len() < self.most {
            return None;
        }
        if let Some(ended) = self.taken.iter().position(|seat| seat.task.is_finished()) {
            self.free(ended);
            return None;
        }
        self.evict()
    }

    /// Gives a seat to a connection.
    pub fn take(&mut self, of: Origin, task: AbortHandle) {
        *self.held.entry(of).or_default() += 1;
        self.taken.push_back(ReaderSeat { of, task });
    }

    /// Ends the oldest connection of the address that has the most connections, and returns that address. A new
    /// connection lives at least until all seats were filled again, which takes longer than the answer to a probe.
    pub fn evict(&mut self) -> Option<Origin> {
        let most = self.held.values().copied().max()?;
        let oldest = self.taken.iter().position(|seat| self.held.get(&seat.of) == Some(&most))?;
        let seat = self.free(oldest)?;
        seat.task.abort();
        Some(seat.of)
    }

    fn free(&mut self, at: usize) -> Option<ReaderSeat> {
        let seat = self.taken.remove(at)?;
        if let Some(held) = self.held.get_mut(&seat.of) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&seat.of);
            }
        }
        Some(seat)
    }
}

/// Returns the index of the oldest connection of the address that has the most. `all` has the oldest first.
pub(super) fn oldest_of_the_busiest(all: impl Iterator<Item = Origin> + Clone) -> Option<usize> {
    let mut held: HashMap<Origin, usize> = HashMap::new();
    for of in all.clone() {
        *held.entry(of).or_default() += 1;
    }
    let most = held.values().copied().max();
    all.into_iter().position(|of| held.get(&of).copied() == most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEATS: usize = 256;

    fn of(last: u8) -> Origin {
        Origin::of(std::net::IpAddr::from([10, 0, 0, last]))
    }

    fn sit(seats: &mut Seats, last: u8) -> Option<Origin> {
        let lost = seats.make_room();
        let task = tokio::spawn(std::future::pending::<()>());
        seats.take(of(last), task.abort_handle());
        lost
    }

    #[tokio::test]
    async fn who_has_the_most_gives_the_oldest() {
        let mut seats = Seats::new(SEATS);
        assert_eq!(sit(&mut seats, 1), None);
        for _ in 1..SEATS {
            assert_eq!(sit(&mut seats, 2), None);
        }
        for _ in 0..2 * SEATS {
            assert_eq!(sit(&mut seats, 2), Some(of(2)), "an address fills its own seats anew");
        }
        assert_eq!(sit(&mut seats, 3), Some(of(2)), "a third address gets one of them");
        tokio::task::yield_now().await;
        assert!(seats.taken.iter().any(|seat| seat.of == of(1)), "the single connection stays");
        assert_eq!((seats.taken.len(), seats.held[&of(2)]), (SEATS, SEATS - 2));
    }

    #[tokio::test]
    async fn the_oldest_goes_where_every_address_has_one() {
        let mut seats = Seats::new(SEATS);
        for last in 0..=255 {
            sit(&mut seats, last);
        }
        assert_eq!(sit(&mut seats, 200), Some(of(0)));
        assert_eq!(sit(&mut seats, 201), Some(of(200)), "which has two now");
    }

    #[tokio::test]
    async fn connections_that_ended_leave_their_seats() {
        let mut seats = Seats::new(SEATS);
        for _ in 0..SEATS {
            let connection = tokio::spawn(async {});
            seats.take(of(1), connection.abort_handle());
            connection.await.unwrap();
        }
        for _ in 0..SEATS {
            assert_eq!(sit(&mut seats, 2), None);
        }
        assert_eq!((seats.taken.len(), seats.held.len()), (SEATS, 1));
    }
}
