//! The question for the primary's position, shared by the workers of the process: the worker that has the turn asks, and
//! sends the others the answer. (Sixty-four workers that ask for themselves would cost a primary twenty cores.)

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::shared_waits::SharedWaits;
use super::turns::{MOST, Sharers, Turns};
use crate::topology::ServerId;

/// The primary's answer.
#[derive(Debug, Clone)]
pub(super) struct SharedReading<'a> {
    /// The server that was asked.
    pub server: ServerId,
    /// The generation of the snapshot in which it was the primary.
    pub generation: u64,
    /// The GTIDs that threads own, which are being committed.
    pub owned: Cow<'a, [u8]>,
    /// The position; None if the server has none.
    pub position: Option<Cow<'a, [u8]>>,
}

impl SharedReading<'_> {
    fn to_other_workers(&self) -> Arc<SharedReading<'static>> {
        let own = |bytes: &Cow<'_, [u8]>| Cow::Owned(bytes.to_vec());
        let (owned, position) = (own(&self.owned), self.position.as_ref().map(own));
        Arc::new(SharedReading { server: self.server, generation: self.generation, owned, position })
    }
}

/// What a worker learns from another one.
pub(super) enum Message {
    /// The answer to the question with this number; None: there was none.
    Answer(u64, Option<Arc<SharedReading<'static>>>),
    /// The worker has the turn.
    Turn(SharingTurn),
}

/// The workers that share a question.
#[derive(Debug)]
struct SharingGroup {
    turns: Turns,
    inboxes: Vec<UnboundedSender<Message>>,
    waits: Arc<SharedWaits>,
}

/// A worker's place among those that share a question.
pub struct WorkerSeat {
    group: Arc<SharingGroup>,
    worker: usize,
    /// None while a task reads it.
    pub(super) inbox: Option<UnboundedReceiver<Message>>,
}

/// Makes the seats of this many workers. More than [`MOST`] workers are several groups, each with a question of its own.
pub fn seats(workers: usize) -> Vec<WorkerSeat> {
    let groups = workers.div_ceil(MOST).max(1);
    let sizes = (0..groups).map(|group| workers / groups + usize::from(group < workers % groups));
    sizes.flat_map(group_of).collect()
}

fn group_of(size: usize) -> Vec<WorkerSeat> {
    let (inboxes, readers): (Vec<_>, Vec<_>) = (0..size).map(|_| unbounded_channel()).unzip();
    let group = Arc::new(SharingGroup { turns: Turns::default(), inboxes, waits: Arc::default() });
    let seat = |(worker, inbox)| WorkerSeat { group: group.clone(), worker, inbox: Some(inbox) };
    readers.into_iter().enumerate().map(seat).collect()
}

impl WorkerSeat {
    /// Returns the number of the last question. A read may use the answers to later questions.
    #[inline]
    pub(super) fn sequence(&self) -> u64 {
        self.group.turns.sequence()
    }

    /// Returns the waits for servers that the workers share. None: there is no other worker.
    pub(super) fn waits(&self) -> Option<Arc<SharedWaits>> {
        (self.group.inboxes.len() > 1).then(|| self.group.waits.clone())
    }

    /// Waits for the next question, or gets the turn to ask it.
    pub(super) fn wants(&self) -> Option<SharingTurn> {
        self.group.turns.wants(self.worker).then(|| SharingTurn::new(self.group.clone(), self.worker))
    }
}

/// The right to ask. If it is dropped, those who wait for the question under way get no answer, and another worker that
/// waits gets the turn.
pub(super) struct SharingTurn {
    group: Arc<SharingGroup>,
    worker: usize,
    under_way: Option<(u64, Sharers)>,
    /// False once another worker has the turn.
    held: bool,
}

impl SharingTurn {
    fn new(group: Arc<SharingGroup>, worker: usize) -> Self {
        SharingTurn { group, worker, under_way: None, held: true }
    }

    /// Begins a question, which must be sent after this. Returns its number.
    pub fn begin(&mut self) -> u64 {
        let (number, sharers) = self.group.turns.begin();
        self.under_way = Some((number, sharers));
        number
    }

    /// True if other workers wait for the question under way.
    pub fn is_shared(&self) -> bool {
        self.under_way.is_some_and(|(_, sharers)| sharers.without(self.worker).next().is_some())
    }

    /// Ends the question under way: the workers that wait for it get this answer, or none.
    pub fn end(&mut self, reading: Option<&SharedReading<'_>>) {
        let is_shared = self.is_shared();
        let Some((number, sharers)) = self.under_way.take().filter(|_| is_shared) else { return };
        let reading = reading.map(SharedReading::to_other_workers);
        for other in sharers.without(self.worker) {
            if let Some(inbox) = self.group.inboxes.get(other) {
                // A worker that has ended needs no answer.
                let _ = inbox.send(Message::Answer(number, reading.clone()));
            }
        }
    }
}

impl Drop for SharingTurn {
    fn drop(&mut self) {
        self.end(None);
        while self.held {
            let Some(next) = self.group.turns.pass(self.worker) else { return };
            self.held = false;
            let turn = SharingTurn::new(self.group.clone(), next);
            let sent = self.group.inboxes.get(next).map(|inbox| inbox.send(Message::Turn(turn)));
            if let Some(Err(unsent)) = sent {
                if let Message::Turn(mut turn) = unsent.0 {
                    turn.held = false;
                }
                self.group.turns.forget(next);
                self.held = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(generation: u64) -> SharedReading<'static> {
        let (owned, position) = (Cow::Borrowed(&b""[..]), Some(Cow::Borrowed(&b"0-1-7"[..])));
        SharedReading { server: ServerId(1), generation, owned, position }
    }

    /// The next message: the number of the question and the generation of its answer. None: the turn, which asks once.
    fn told(seat: &mut WorkerSeat) -> Option<(u64, Option<u64>)> {
        match seat.inbox.as_mut().unwrap().try_recv().unwrap() {
            Message::Answer(number, reading) => Some((number, reading.map(|reading| reading.generation))),
            Message::Turn(mut turn) => {
                turn.begin();
                None
            }
        }
    }

    fn is_told_nothing(seat: &mut WorkerSeat) -> bool {
        seat.inbox.as_mut().unwrap().try_recv().is_err()
    }

    #[test]
    fn a_worker_that_is_alone_tells_nobody() {
        let mut seats = seats(2);
        for number in 1..4 {
            let mut turn = seats[0].wants().unwrap();
            assert_eq!((turn.begin(), turn.is_shared()), (number, false));
            turn.end(Some(&reading(1)));
            drop(turn);
            assert_eq!(seats[0].sequence(), number);
        }
        assert!(seats.iter_mut().all(is_told_nothing));
    }

    #[test]
    fn those_who_come_before_a_question_share_it_and_those_behind_it_get_the_turn() {
        let mut seats = seats(3);
        let mut turn = seats[2].wants().unwrap();
        assert!(seats[0].wants().is_none());
        let number = turn.begin();
        assert!(seats[1].wants().is_none() && turn.is_shared());
        turn.end(Some(&reading(7)));
        assert_eq!(told(&mut seats[0]), Some((number, Some(7))));
        assert!(is_told_nothing(&mut seats[1]));
        drop(turn);
        assert_eq!(told(&mut seats[1]), None);
        assert!(is_told_nothing(&mut seats[0]) && is_told_nothing(&mut seats[2]));
    }

    #[test]
    fn a_lost_question_ends_the_wait_and_a_worker_that_is_gone_does_not_keep_the_turn() {
        let mut seats = seats(3);
        let mut turn = seats[0].wants().unwrap();
        assert!(seats[1].wants().is_none() && seats[2].wants().is_none());
        turn.begin();
        drop(turn);
        for seat in &mut seats[1..] {
            assert_eq!(told(seat), Some((1, None)));
        }
        let mut turn = seats[0].wants().unwrap();
        turn.begin();
        assert!(seats[1].wants().is_none() && seats[2].wants().is_none());
        seats[1].inbox = None;
        drop(turn);
        assert_eq!(told(&mut seats[2]), None);
        assert!(seats[0].wants().is_some());
    }

    #[test]
    fn many_workers_are_groups_of_about_the_same_size() {
        let sizes = |workers: usize| {
            let mut sizes: Vec<_> = seats(workers)
                .iter()
                .map(|seat| (Arc::as_ptr(&seat.group), seat.group.inboxes.len()))
                .collect();
            sizes.dedup();
            sizes.into_iter().map(|(_, size)| size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(63), [63]);
        assert_eq!(sizes(64), [32, 32]);
        assert_eq!(sizes(200), [50, 50, 50, 50]);
    }
}
