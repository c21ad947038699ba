//! Permits for states that hold a server connection, and the sabotage that this test must notice.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::session::Session;
use super::shared::bump;
use crate::wire::Conn;

/// Two sessions' sockets, each given to the other for one statement: the sabotage that must be noticed.
#[derive(Default)]
pub struct Pair {
    there: RefCell<[Option<Conn>; 2]>,
    back: RefCell<[Option<Conn>; 2]>,
}

pub type Offer = (u32, Rc<Pair>);

impl Session {
    /// Takes the right to be pinned; false: too many are.
    pub fn pin(&mut self) -> bool {
        if !self.permit {
            let left = self.shared.pins_left.get();
            if left == 0 {
                bump(&self.shared.skipped);
                return false;
            }
            self.shared.pins_left.set(left - 1);
            self.permit = true;
            self.held_for = 0;
        }
        true
    }

    pub fn let_go(&mut self) {
        if std::mem::take(&mut self.permit) {
            self.shared.pins_left.set(self.shared.pins_left.get() + 1);
        }
    }

    pub(super) async fn swap_there(&mut self, number: u64) -> Option<(usize, Rc<Pair>)> {
        let every = self.shared.settings.sabotage;
        if every == 0 {
            return None;
        }
        let taken = self.shared.offer.borrow_mut().take();
        let (side, pair) = match taken {
            Some((_, pair)) => (1, pair),
            None if number.is_multiple_of(every) => {
                let pair = Rc::new(Pair::default());
                *self.shared.offer.borrow_mut() = Some((self.number, pair.clone()));
                (0, pair)
            }
            None => return None,
        };
        bump(&self.shared.swaps);
        self.conn = trade(&pair.there, side, self.conn.take()).await;
        self.note(number, "SABOTAGE: the next statement goes over another session's socket".into());
        Some((side, pair))
    }

    pub(super) async fn swap_back(&mut self, pair: Option<(usize, Rc<Pair>)>) {
        if let Some((side, pair)) = pair {
            self.conn = trade(&pair.back, side, self.conn.take()).await;
        }
    }
}

/// Puts one's own there and waits for the other's; without one, takes one's own again.
async fn trade(place: &RefCell<[Option<Conn>; 2]>, side: usize, mine: Option<Conn>) -> Option<Conn> {
    place.borrow_mut()[side] = mine;
    for _ in 0..5000 {
        let theirs = place.borrow_mut()[1 - side].take();
        if theirs.is_some() {
            return theirs;
        }
        sleep(Duration::from_millis(1)).await;
    }
    place.borrow_mut()[side].take()
}
