//! The connections of the HTTP port: so many at most, and the next one never waits. It takes the seat of the oldest
//! connection of the address that has the most of them.

use std::collections::{HashMap, VecDeque};

use tokio::task::AbortHandle;

use crate::net::Origin;

/// Kubelet, Prometheus and a few people need a handful. What this bounds is what others can hold.
pub(super) const SEATS: usize = 256;

/// The connections that may be open, the oldest first.
#[derive(Default)]
pub(super) struct Seats(VecDeque<Seat>);

struct Seat {
    of: Origin,
    task: AbortHandle,
}

impl Seats {
    /// Makes room for one more connection: ends another one if all seats are taken. Returns the address that lost one.
    pub fn make_room(&mut self) -> Option<Origin> {
        if self.0.len() < SEATS {
            return None;
        }
        self.0.retain(|seat| !seat.task.is_finished());
        if self.0.len() < SEATS { None } else { self.evict() }
    }

    /// Gives a seat to a connection.
    pub fn take(&mut self, of: Origin, task: AbortHandle) {
        self.0.push_back(Seat { of, task });
    }

    /// Ends the oldest connection of the address that has the most. A connection that is new lives until the whole
    /// table was filled again, which is longer than an answer to a probe takes, however many come.
    pub fn evict(&mut self) -> Option<Origin> {
        self.0.retain(|seat| !seat.task.is_finished());
        let mut held: HashMap<Origin, usize> = HashMap::new();
        self.0.iter().for_each(|seat| *held.entry(seat.of).or_default() += 1);
        let most = held.values().copied().max()?;
        let oldest = self.0.iter().position(|seat| held.get(&seat.of) == Some(&most))?;
        let seat = self.0.remove(oldest)?;
        seat.task.abort();
        Some(seat.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut seats = Seats::default();
        assert_eq!(sit(&mut seats, 1), None);
        for _ in 1..SEATS {
            assert_eq!(sit(&mut seats, 2), None);
        }
        for _ in 0..2 * SEATS {
            assert_eq!(sit(&mut seats, 2), Some(of(2)), "an address fills its own seats anew");
        }
        assert_eq!(sit(&mut seats, 3), Some(of(2)), "a third address gets one of them");
        tokio::task::yield_now().await;
        assert!(seats.0.iter().any(|seat| seat.of == of(1)), "the single connection stays");
        assert_eq!(seats.0.len(), SEATS);
    }

    #[tokio::test]
    async fn the_oldest_goes_where_every_address_has_one() {
        let mut seats = Seats::default();
        for last in 0..=255 {
            sit(&mut seats, last);
        }
        assert_eq!(sit(&mut seats, 200), Some(of(0)));
        assert_eq!(sit(&mut seats, 201), Some(of(200)), "which has two now");
    }

    #[tokio::test]
    async fn connections_that_ended_leave_their_seats() {
        let mut seats = Seats::default();
        for _ in 0..SEATS {
            seats.take(of(1), tokio::spawn(async {}).abort_handle());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        assert_eq!(seats.make_room(), None);
        assert!(seats.0.is_empty());
    }
}
