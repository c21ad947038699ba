//! The hand-over of the question for the primary's position (`src/positions/turns.rs`), in all orders in which threads can
//! take their steps, by loom. It needs no server.

mod sync {
    pub use loom::sync::atomic::Ordering::{self, SeqCst};

    /// loom lets a load see an old value even if it is `SeqCst`; a read-modify-write sees the last one.
    #[derive(Debug)]
    pub struct AtomicU64(loom::sync::atomic::AtomicU64);

    impl AtomicU64 {
        pub fn new(value: u64) -> Self {
            AtomicU64(loom::sync::atomic::AtomicU64::new(value))
        }

        pub fn load(&self, order: Ordering) -> u64 {
            self.0.fetch_add(0, order)
        }

        pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            self.0.fetch_add(value, order)
        }

        pub fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
            self.0.fetch_or(value, order)
        }

        pub fn fetch_and(&self, value: u64, order: Ordering) -> u64 {
            self.0.fetch_and(value, order)
        }

        pub fn swap(&self, value: u64, order: Ordering) -> u64 {
            self.0.swap(value, order)
        }

        pub fn compare_exchange(&self, from: u64, to: u64, ok: Ordering, not: Ordering) -> Result<u64, u64> {
            self.0.compare_exchange(from, to, ok, not)
        }
    }
}

#[expect(dead_code, reason = "not all of it is played")]
#[path = "../src/positions/turns.rs"]
mod turns;

use loom::sync::atomic::Ordering::SeqCst;
use loom::sync::atomic::{AtomicU64, AtomicUsize};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use turns::Turns;

/// What a worker learns from another one.
enum Message {
    /// The answer to the question with this number: how many writes the primary had.
    Answer(u64, usize),
    Turn,
    /// Another worker has ended.
    Ended,
}

/// A worker's messages.
struct Inbox(Mutex<Vec<Message>>, Condvar);

impl Inbox {
    fn send(&self, message: Message) {
        self.0.lock().unwrap().push(message);
        self.1.notify_one();
    }

    /// Returns the next message; `Ended` only if it `ends`.
    fn receive(&self, ends: bool) -> Message {
        let mut messages = self.0.lock().unwrap();
        loop {
            let first = messages.iter().position(|message| !matches!(message, Message::Ended) || ends);
            if let Some(first) = first {
                return messages.remove(first);
            }
            messages = self.1.wait(messages).unwrap();
        }
    }
}

struct Process {
    turns: Turns,
    inboxes: Vec<Inbox>,
    /// How many writes the primary has acknowledged.
    written: AtomicUsize,
    /// How many questions were sent.
    questions: AtomicU64,
}

impl Process {
    fn new(workers: usize) -> Arc<Self> {
        let inboxes = (0..workers).map(|_| Inbox(Mutex::new(Vec::new()), Condvar::new())).collect();
        let (written, questions) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Process { turns: Turns::default(), inboxes, written, questions })
    }

    /// Asks the primary for everybody who waits. Returns the answer.
    fn ask(&self, worker: usize) -> usize {
        let (number, sharers) = self.turns.begin();
        self.questions.fetch_add(1, SeqCst);
        let answer = self.written.fetch_add(0, SeqCst);
        for other in sharers.without(worker) {
            self.inboxes[other].send(Message::Answer(number, answer));
        }
        answer
    }

    fn pass(&self, worker: usize) {
        if let Some(next) = self.turns.pass(worker) {
            assert_ne!(next, worker, "this worker waits for nothing");
            self.inboxes[next].send(Message::Turn);
        }
    }

    /// A read of this worker: returns how many writes it sees.
    fn read(&self, worker: usize) -> usize {
        let after = self.turns.sequence();
        let mut has_turn = self.turns.wants(worker);
        loop {
            if has_turn {
                let seen = self.ask(worker);
                self.pass(worker);
                return seen;
            }
            match self.inboxes[worker].receive(false) {
                Message::Turn => has_turn = true,
                Message::Answer(number, seen) if number > after => return seen,
                // The answer to a question that was sent before this read began.
                Message::Answer(..) | Message::Ended => {}
            }
        }
    }

    /// A read of this worker that does not wait for its answer.
    fn give_up(&self, worker: usize) {
        if self.turns.wants(worker) {
            self.ask(worker);
            self.pass(worker);
        }
    }

    /// What a worker does.
    fn write_and_read(&self, worker: usize, times: usize) {
        for _ in 0..times {
            let acknowledged = self.written.fetch_add(1, SeqCst) + 1;
            let seen = self.read(worker);
            assert!(seen >= acknowledged, "a read saw {seen} of {acknowledged} writes");
        }
    }

    /// Worker 0 after its last read: it passes the turn on, if it gets the turn, until the others have ended.
    fn serve_until_others_end(&self) {
        let mut others = self.inboxes.len() - 1;
        while others > 0 {
            match self.inboxes[0].receive(true) {
                Message::Turn => {
                    self.ask(0);
                    self.pass(0);
                }
                Message::Answer(..) => {}
                Message::Ended => others -= 1,
            }
        }
    }
}

/// Each worker writes, and then reads, this often. `gives_up`: one of them has given up a read before.
fn play(workers: usize, reads: usize, preemptions: usize, gives_up: bool) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let process = Process::new(workers);
        let others: Vec<_> = (1..workers)
            .map(|worker| {
                let process = process.clone();
                thread::spawn(move || {
                    process.write_and_read(worker, reads);
                    process.inboxes[0].send(Message::Ended);
                })
            })
            .collect();
        if gives_up {
            process.give_up(0);
        }
        process.write_and_read(0, reads);
        process.serve_until_others_end();
        for other in others {
            other.join().unwrap();
        }
        let questions = process.questions.load(SeqCst);
        assert!(questions >= 1, "no question");
        assert!(gives_up || questions <= (workers * reads) as u64, "{questions} questions");
        assert!(process.turns.wants(0), "the turn is free behind the last read");
    });
}

#[test]
fn two_workers_see_all_that_was_acknowledged() {
    play(2, 2, 3, false);
}

#[test]
fn three_workers_see_all_that_was_acknowledged() {
    play(3, 1, 2, false);
}

#[test]
fn an_answer_for_a_read_that_gave_up_is_not_taken_for_a_later_one() {
    play(2, 1, 4, true);
}
