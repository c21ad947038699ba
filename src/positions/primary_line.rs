//! The reads of a worker that wait for the primary's position. The workers share the question (see [`super::sharing`]):
//! the worker that has the turn asks for all of them. A worker that is alone always has the turn, and no other thread is
//! woken.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::sync::mpsc::UnboundedReceiver;

use super::asker::{Asker, Guard};
use super::asking::{Ask, ask, count};
use super::batch::{Batch, PositionAnswer};
use super::known::KnownPosition;
use super::sharing::{Message, SharedReading, SharingTurn, WorkerSeat};
use crate::backend::{Connection, Values};
use crate::net::Runtime;
use crate::terms::Question;
use crate::topology::{Flavor, ServerId};
use crate::worker::Resources;

/// Reads that share an answer.
struct LineWait {
    /// The number of the last question that may have been sent before one of these reads arrived.
    after: u64,
    /// The primary that they want to know the position of.
    primary: ServerId,
    batch: Rc<Batch>,
}

/// See the module.
pub(super) struct PrimaryLine<R: Runtime> {
    resources: Rc<Resources<R>>,
    known: Rc<RefCell<KnownPosition>>,
    seat: RefCell<WorkerSeat>,
    /// The reads without an answer, the oldest first.
    waiting: RefCell<VecDeque<LineWait>>,
    /// Batches of former questions, for the next ones: their last reads may still have to look at the answer.
    former: RefCell<Vec<Rc<Batch>>>,
    /// Memory for the reads of a question.
    spare: Cell<Vec<LineWait>>,
    /// The turn, if a read got it and the task does not know yet.
    turn: RefCell<Option<SharingTurn>>,
    /// The connection to the primary.
    asker: RefCell<Option<Asker<R::Stream>>>,
    /// The worker's second of the last question over that connection.
    used: Cell<u32>,
    /// Connections to other servers, with the second since which nobody uses them: one may become the primary again.
    others: RefCell<Vec<(u32, Asker<R::Stream>)>>,
    task: RefCell<LineTask>,
    /// How many reads shared the last question.
    crowd: Cell<u64>,
}

/// If several reads shared the last question, the worker's loop goes round so many times before the next question is sent.
/// Further reads arrive meanwhile. None of these rounds sleeps. With 16 clients this halves the questions.
const GATHERING: u32 = 3;

/// So many batches of former questions are kept: one is being asked for, and the reads of another one get its answer.
const MOST_FORMER: usize = 4;

/// The task that asks, and that reads what other workers tell. Once begun it stays.
#[derive(Default)]
enum LineTask {
    #[default]
    None,
    /// Asks, or will look soon.
    Running,
    /// Waits for the turn or an answer.
    Idle(Waker),
}

impl<R: Runtime> PrimaryLine<R> {
    pub fn new(resources: Rc<Resources<R>>, known: Rc<RefCell<KnownPosition>>, seat: WorkerSeat) -> Self {
        PrimaryLine {
            resources,
            known,
            seat: RefCell::new(seat),
            waiting: RefCell::default(),
            former: RefCell::default(),
            spare: Cell::default(),
            turn: RefCell::default(),
            asker: RefCell::default(),
            used: Cell::new(0),
            others: RefCell::default(),
            task: RefCell::default(),
            crowd: Cell::new(0),
        }
    }

    /// True if there is a connection to this server.
    pub fn has_asked(&self, server: ServerId) -> bool {
        let leads_there = |asker: &Asker<R::Stream>| asker.connection.about.server == server;
        self.asker.borrow().as_ref().is_some_and(leads_there)
            || self.others.borrow().iter().any(|(_, asker)| leads_there(asker))
    }

    /// Takes a connection that may be needed.
    pub fn offer(&self, asker: Asker<R::Stream>) {
        self.others.borrow_mut().push((self.resources.seconds.get(), asker));
    }

    /// Takes the connection to this server, if nobody uses it.
    pub fn idle_asker(&self, server: ServerId) -> Option<Asker<R::Stream>> {
        let mut others = self.others.borrow_mut();
        let other = others.iter().position(|(_, asker)| asker.connection.about.server == server);
        if let Some(at) = other {
            return Some(others.swap_remove(at).1);
        }
        self.asker.borrow_mut().take_if(|asker| asker.connection.about.server == server)
    }

    /// Removes and returns the connections that `keep` does not accept, by the second of the last use and the server.
    pub fn trim(&self, mut keep: impl FnMut(u32, ServerId) -> bool) -> Vec<Connection<R::Stream>> {
        let mut others = self.others.borrow_mut();
        let unused = others.extract_if(.., |(used, asker)| !keep(*used, asker.connection.about.server));
        let mut trimmed: Vec<_> = unused.map(|(_, asker)| asker.connection).collect();
        let mut asker = self.asker.borrow_mut();
        let asker = asker.take_if(|asker| !keep(self.used.get(), asker.connection.about.server));
        trimmed.extend(asker.map(|asker| asker.connection));
        trimmed
    }

    /// Makes the connection to this server, if there is one, the one in use.
    fn turn_to(&self, primary: ServerId) {
        self.used.set(self.resources.seconds.get());
        let leads_there = self.asker.borrow().as_ref().map(|asker| asker.connection.about.server == primary);
        if leads_there == Some(true) {
            return;
        }
        let former = self.asker.take();
        self.asker.replace(self.idle_asker(primary));
        if let Some(former) = former {
            self.offer(former);
        }
    }

    /// Adds a read to the next question.
    fn add(&self, primary: ServerId) -> Rc<Batch> {
        let seat = self.seat.borrow();
        let now = seat.sequence();
        let mut waiting = self.waiting.borrow_mut();
        // Reads join those before them as long as the next question has not been begun.
        let open = waiting.back().filter(|open| open.after == now && open.primary == primary);
        let batch = match open {
            Some(open) => open.batch.clone(),
            None => {
                let batch = self.unused_batch();
                waiting.push_back(LineWait { after: now, primary, batch: batch.clone() });
                self.want();
                batch
            }
        };
        batch.join(None);
        batch
    }

    fn unused_batch(&self) -> Rc<Batch> {
        let mut former = self.former.borrow_mut();
        let Some(at) = former.iter().position(|batch| Rc::strong_count(batch) == 1) else {
            return Rc::default();
        };
        let batch = former.swap_remove(at);
        batch.begin_anew();
        batch
    }

    /// Waits for the next question, or gets the turn to ask it.
    fn want(&self) {
        if let Some(turn) = self.seat.borrow().wants() {
            self.turn.replace(Some(turn));
        }
    }

    /// Returns the turn or an answer, once there is one. None: the other workers are gone.
    async fn next(&self, inbox: &mut UnboundedReceiver<Message>) -> Option<Message> {
        poll_fn(|cx| {
            if let Some(turn) = self.turn.take() {
                self.task.replace(LineTask::Running);
                return Poll::Ready(Some(Message::Turn(turn)));
            }
            if let Poll::Ready(message) = inbox.poll_recv(cx) {
                self.task.replace(LineTask::Running);
                return Poll::Ready(message);
            }
            match &mut *self.task.borrow_mut() {
                LineTask::Idle(waker) => waker.clone_from(cx.waker()),
                task => *task = LineTask::Idle(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    fn is_waited_for(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Removes and returns the reads for which the answer to the question with this number is good.
    fn due(&self, number: u64) -> Vec<LineWait> {
        let mut waiting = self.waiting.borrow_mut();
        let count = waiting.iter().take_while(|waiting| waiting.after < number).count();
        let mut due = self.spare.take();
        due.extend(waiting.drain(..count));
        due
    }

    /// Tells the reads the answer of the server that was asked. Reads that want to know of another server get none.
    fn tell(&self, mut due: Vec<LineWait>, asked: Option<ServerId>, answer: &PositionAnswer) {
        let mut former = self.former.borrow_mut();
        for LineWait { primary, batch, .. } in due.drain(..) {
            batch.tell(if asked == Some(primary) { answer.clone() } else { PositionAnswer::Unknown });
            if former.len() < MOST_FORMER {
                former.push(batch);
            }
        }
        self.spare.set(due);
    }

    /// Adds a read to the next question to this primary.
    pub fn join(line: &Rc<Self>, primary: ServerId) -> Rc<Batch> {
        let batch = line.add(primary);
        let has_turn = line.turn.borrow().is_some();
        let mut task = line.task.borrow_mut();
        // The task runs after all tasks that are ready now, so that these share the question. Another worker's answer
        // wakes it by itself.
        match &*task {
            LineTask::None => {
                *task = LineTask::Running;
                let begun = line.seat.borrow_mut().inbox.take();
                if let Some(inbox) = begun {
                    line.resources.runtime.spawn(run(line.clone(), inbox));
                }
            }
            LineTask::Idle(_) if has_turn => {
                if let LineTask::Idle(waker) = std::mem::replace(&mut *task, LineTask::Running) {
                    waker.wake();
                }
            }
            LineTask::Running | LineTask::Idle(_) => {}
        }
        batch
    }
}

/// Asks, or waits for what other workers were told.
async fn run<R: Runtime>(line: Rc<PrimaryLine<R>>, mut inbox: UnboundedReceiver<Message>) {
    let mut guard = Guard::new(line.resources.clone());
    loop {
        let message = if line.is_waited_for() {
            let topology = &line.resources.topology;
            let primary = topology.primary().map(|primary| (primary, topology.generation()));
            let limit = {
                let live = line.resources.live.borrow();
                live.timeouts.connect + live.consistency.max_wait
            };
            let Some(message) = guard.watch(line.next(&mut inbox), limit, primary).await else {
                line.tell(line.due(u64::MAX), None, &PositionAnswer::Unknown);
                continue;
            };
            message
        } else {
            line.next(&mut inbox).await
        };
        match message {
            None => return,
            Some(Message::Turn(turn)) => ask_for_all(&line, turn, &mut guard).await,
            Some(Message::Answer(number, reading)) => take(&line, number, reading.as_deref()),
        }
    }
}

/// Asks as long as reads of this worker wait, and then gives the turn to another worker.
async fn ask_for_all<R: Runtime>(line: &PrimaryLine<R>, mut turn: SharingTurn, guard: &mut Guard<R>) {
    let resources = &*line.resources;
    loop {
        if line.crowd.get() > 1 {
            for _ in 0..GATHERING {
                resources.runtime.give_way().await;
            }
        }
        let number = turn.begin();
        let due = line.due(number);
        // A read that has given up holds its batch no more.
        let is_wanted = turn.is_shared() || due.iter().any(|waiting| Rc::strong_count(&waiting.batch) > 1);
        let snapshot = resources.topology.get();
        let (mut answer, mut asked) = (PositionAnswer::Unknown, None);
        if let Some(primary) = snapshot.primary.filter(|_| is_wanted) {
            line.turn_to(primary);
            line.crowd.set(joined(&due));
            count(resources, Question::Position, 1, line.crowd.get());
            let none = Batch::default();
            let question =
                Ask { server: primary, question: Question::Position, asker: &line.asker, batch: &none };
            let understand = |flavor, values: Values<'_>| {
                let reading = reading(values, primary, snapshot.generation);
                // Tells the other workers first: their threads must be woken.
                turn.end(reading.as_ref());
                match &reading {
                    Some(reading) => understood(line, flavor, reading),
                    None => {
                        // A new primary may have acknowledged writes that this server lacks.
                        resources.outside.kick(primary);
                        PositionAnswer::Unknown
                    }
                }
            };
            answer = ask(resources, &question, &snapshot, guard, understand).await.unwrap_or(answer);
            asked = Some(primary);
        }
        turn.end(None);
        line.tell(due, asked, &answer);
        if !line.is_waited_for() {
            return;
        }
    }
}

/// Takes the answer that another worker got.
fn take<R: Runtime>(line: &PrimaryLine<R>, number: u64, reading: Option<&SharedReading<'_>>) {
    let topology = &line.resources.topology;
    if reading.is_some_and(|reading| reading.generation < topology.generation()) {
        // The other worker does not know of the new primary yet: its next question is to that one.
        if line.is_waited_for() {
            line.want();
        }
        return;
    }
    let due = line.due(number);
    line.crowd.set(joined(&due));
    count(&line.resources, Question::Position, 0, line.crowd.get());
    let snapshot = topology.get();
    let asked = reading.and_then(|reading| snapshot.server(reading.server));
    let flavor = asked.and_then(|server| server.facts.as_ref()).map(|facts| facts.flavor);
    let answer = match (reading, flavor) {
        (Some(reading), Some(flavor)) => understood(line, flavor, reading),
        _ => PositionAnswer::Unknown,
    };
    line.tell(due, reading.map(|reading| reading.server), &answer);
}

/// Returns how many reads wait.
fn joined(due: &[LineWait]) -> u64 {
    due.iter().map(|waiting| waiting.batch.joined()).sum()
}

/// Reads the answer's row. None: the server is read-only, so it is no primary any more.
fn reading(mut values: Values<'_>, server: ServerId, generation: u64) -> Option<SharedReading<'_>> {
    let mut value = || values.next().flatten();
    let (owned, position) = (value().unwrap_or_default(), value().map(Cow::Borrowed));
    let writes = value().is_some_and(|value| value == b"0" || value.eq_ignore_ascii_case(b"OFF"));
    writes.then_some(SharedReading { server, generation, owned: Cow::Borrowed(owned), position })
}

/// Returns the position in an answer, if the server that gave it is still the primary.
fn understood<R: Runtime>(
    line: &PrimaryLine<R>,
    flavor: Flavor,
    reading: &SharedReading<'_>,
) -> PositionAnswer {
    let topology = &line.resources.topology;
    if topology.primary() != Some(reading.server) || topology.generation() != reading.generation {
        line.resources.outside.kick(reading.server);
        return PositionAnswer::Unknown;
    }
    let mut known = line.known.borrow_mut();
    let position = reading.position.as_ref().and_then(|text| known.position(flavor, text, &reading.owned));
    position
        .map_or(PositionAnswer::Untold, |(position, pending)| PositionAnswer::Position { position, pending })
}
