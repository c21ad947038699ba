//! A worker's questions to servers about their positions, for all reads that wait for the answer: what the primary's
//! position is, and whether a replica has reached it. Only one question of a kind is under way to a server.
//! Reads that arrive meanwhile share the next question, since the answer to the one under way may be older
//! than these reads. A wait for a position is different: reads that need no more than that position share the wait under way.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::asker::{Asker, Guard};
use super::asking::{Ask, ask, count};
use super::batch::{Batch, PositionAnswer};
use super::known::{KnownPosition, without_threads};
use super::primary_line::PrimaryLine;
use super::shared_waits::{Share, SharedWaits, is_reached};
use super::sharing::WorkerSeat;
use crate::backend::{Connection, Values};
use crate::net::{Runtime, first_of};
use crate::terms::Question;
use crate::topology::{Flavor, Group, GtidSet, Health, Server, ServerId, Snapshot};
use crate::worker::Resources;

/// The questions of one kind to one server.
struct QueryLine<S> {
    server: ServerId,
    question: Question,
    asker: RefCell<Option<Asker<S>>>,
    /// The reads that share the next question, which is sent once the question under way is answered.
    next: RefCell<Option<Rc<Batch>>>,
    /// The question under way, if it waits for a position.
    wait: RefCell<Option<UnderWay>>,
    /// How long waits usually take, in microseconds: a moving average. 0: not known.
    usual: Cell<u32>,
    /// The task that asks, and how to wake it.
    task: RefCell<QueryTask>,
    /// The worker's second of the last question.
    used: Cell<u32>,
}

/// A wait for a replica that is under way.
struct UnderWay {
    batch: Rc<Batch>,
    began: Instant,
    /// The snapshot's `roles_version` at that time.
    roles: u64,
}

/// How a wait for a replica ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The replica has the position.
    Reached,
    /// The replica did not reach the position in time.
    Late,
    /// The replica cannot reach the position.
    InVain,
}

/// The task of a line. It stays while its line is used, since reads would pay for a new one.
#[derive(Default)]
enum QueryTask {
    #[default]
    None,
    /// Asks, or will look soon.
    Running,
    /// Waits for a read.
    Idle(Waker),
}

impl<S> QueryLine<S> {
    /// Returns the reads that share the wait under way, if they wait for this position or a later one.
    fn wait_under_way(&self, position: &Rc<GtidSet>, roles: u64) -> Option<Rc<Batch>> {
        let wait = self.wait.borrow();
        let wait = wait.as_ref().filter(|wait| wait.roles == roles && wait.batch.waits_for(position));
        wait.map(|wait| wait.batch.clone())
    }

    /// True if reads wait for this server, or will in a moment, and the wait takes no longer than usual, and than `limit`.
    fn is_waited_for(&self, limit: Duration) -> bool {
        let usual = Duration::from_micros(self.usual.get().into());
        match &*self.wait.borrow() {
            Some(wait) => wait.began.elapsed() < limit.min(usual * LATE),
            None => !usual.is_zero() && self.next.borrow().is_some(),
        }
    }

    /// Takes note of a wait. `answered`: the server has answered.
    fn waited(&self, answered: bool) {
        let took = self.wait.borrow().as_ref().map(|wait| wait.began.elapsed());
        let took = took.and_then(|took| u32::try_from(took.as_micros()).ok()).filter(|_| answered);
        self.usual.set(match (took, self.usual.get()) {
            (None, _) => 0,
            (Some(took), 0) => took.max(1),
            (Some(took), usual) => (usual - usual / 8 + took / 8).max(1),
        });
    }

    /// True if nobody asks.
    fn is_idle(&self) -> bool {
        !matches!(*self.task.borrow(), QueryTask::Running)
    }

    /// Returns the next batch, once there is one. None: the line is given up.
    async fn batch(&self) -> Option<Rc<Batch>> {
        poll_fn(|cx| {
            if let Some(batch) = self.next.take() {
                self.task.replace(QueryTask::Running);
                return Poll::Ready(Some(batch));
            }
            match &mut *self.task.borrow_mut() {
                QueryTask::None => return Poll::Ready(None),
                QueryTask::Idle(waker) => waker.clone_from(cx.waker()),
                running @ QueryTask::Running => *running = QueryTask::Idle(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    /// Ends the task. Called while it is idle.
    fn give_up(&self) {
        if let QueryTask::Idle(waker) = self.task.replace(QueryTask::None) {
            waker.wake();
        }
    }
}

/// Reads share a wait on another replica than their own until this part of `consistency.max_wait` has passed, and until the
/// wait has taken so many times as long as usual: a replica that is late must not hold up reads that would wait for others.
const YOUNG: u32 = 10;
const LATE: u32 = 4;

/// See the module.
pub struct Positions<R: Runtime> {
    resources: Rc<Resources<R>>,
    lines: RefCell<Vec<Rc<QueryLine<R::Stream>>>>,
    /// The question for the primary's position, shared with the other workers.
    primary: Rc<PrimaryLine<R>>,
    known: Rc<RefCell<KnownPosition>>,
    /// The waits for servers that the workers share. None: there is no other worker.
    shared_waits: Option<Arc<SharedWaits>>,
}

impl<R: Runtime> Positions<R> {
    /// Returns the positions for a worker, of which nothing is known yet.
    pub fn new(resources: Rc<Resources<R>>, seat: WorkerSeat) -> Self {
        let known: Rc<RefCell<KnownPosition>> = Rc::default();
        let shared_waits = seat.waits();
        let primary = Rc::new(PrimaryLine::new(resources.clone(), known.clone(), seat));
        Positions { resources, lines: RefCell::default(), primary, known, shared_waits }
    }

    fn line(&self, server: ServerId, question: Question) -> Rc<QueryLine<R::Stream>> {
        let mut lines = self.lines.borrow_mut();
        if let Some(line) = lines.iter().find(|l| l.server == server && l.question == question) {
            return line.clone();
        }
        let line = Rc::new(QueryLine {
            server,
            question,
            asker: RefCell::default(),
            next: RefCell::default(),
            wait: RefCell::default(),
            usual: Cell::new(0),
            task: RefCell::default(),
            used: Cell::new(0),
        });
        lines.push(line.clone());
        line
    }

    /// Takes an idle connection to this server from other kinds of questions.
    fn idle_asker(&self, server: ServerId) -> Option<Asker<R::Stream>> {
        let lines = self.lines.borrow();
        let mut idle = lines.iter().filter(|line| line.server == server && line.is_idle());
        idle.find_map(|line| line.asker.take()).or_else(|| self.primary.idle_asker(server))
    }

    /// True if a server is known to have this position, by its last probe or by an answer that a read waited
    /// for.
    pub fn has(&self, server: &Server, position: &Rc<GtidSet>, snapshot: &Snapshot) -> bool {
        self.known.borrow_mut().has(server, position, snapshot)
    }

    /// True while nobody writes on the primary.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.known.borrow().is_quiet()
    }

    /// Returns the primary's position while nobody writes. None: somebody writes.
    pub fn quiet_at(&self) -> Option<Rc<GtidSet>> {
        self.known.borrow().quiet_at()
    }

    /// Records that the primary was not at the position of [`Self::quiet_at`], or could not be asked.
    pub fn note_activity(&self) {
        self.known.borrow_mut().note_activity();
    }

    /// True if a server is not worth a wait: the last wait for the server was in vain, and the server has not reached
    /// that position since.
    pub fn is_behind(&self, server: &Server, snapshot: &Snapshot) -> bool {
        self.known.borrow_mut().is_behind(server, snapshot)
    }

    /// True if a wait until a replica has this position would be in vain, as far as is known.
    pub fn is_in_vain(&self, server: &Server, position: &GtidSet, snapshot: &Snapshot) -> bool {
        self.is_behind(server, snapshot)
            || snapshot.is_out_of_reach(server, position)
            || self.known.borrow().is_newcomer(server, position)
    }

    /// Takes note of a new snapshot.
    pub fn note(&self, snapshot: &Snapshot) {
        self.known.borrow_mut().note(snapshot);
        // A new primary may have been asked other things, as a replica: then a connection is there.
        if let Some(primary) = snapshot.primary.filter(|primary| !self.primary.has_asked(*primary))
            && let Some(asker) = self.idle_asker(primary)
        {
            self.primary.offer(asker);
        }
    }

    /// Has the replicas that follow a new primary, and have shown no write of it, wait for this position, without a
    /// read that waits for them. So reads use such a replica again as soon as it has what the primary wrote.
    pub fn try_newcomers(self: &Rc<Self>, position: &Rc<GtidSet>, snapshot: &Snapshot) {
        for server in snapshot.replicas() {
            let is_to_try = self.known.borrow().is_newcomer(server, position)
                && !snapshot.is_out_of_reach(server, position)
                && self.line(server.id, Question::Wait).is_idle();
            if is_to_try {
                self.keep_for_seen(server);
                let (positions, server, position) = (self.clone(), server.id, position.clone());
                self.resources.runtime.spawn(async move {
                    positions.ask(server, Question::Wait, Some(&position)).await;
                });
            }
        }
    }

    /// Gives an idle connection to the question *seen*, which reads wait for: a login may take longer than a read may
    /// wait.
    fn keep_for_seen(&self, server: &Server) {
        let seen = self.line(server.id, Question::Seen);
        let is_mysql = server.facts.as_ref().is_some_and(|facts| facts.flavor == Flavor::MySql);
        if is_mysql && seen.is_idle() && seen.asker.borrow().is_none() {
            seen.used.set(self.resources.seconds.get());
            seen.asker.replace(self.idle_asker(server.id));
        }
    }

    /// Removes and returns the connections that were not used for `idle`, or whose server is gone. `now` is
    /// the worker's second.
    pub fn trim(&self, now: u32, idle: Duration, snapshot: &Snapshot) -> Vec<Connection<R::Stream>> {
        let limit = u32::try_from(idle.as_secs()).unwrap_or(u32::MAX).max(1);
        let mut closed = Vec::new();
        self.lines.borrow_mut().retain(|line| {
            if !line.is_idle() {
                return true;
            }
            let is_there = snapshot.server(line.server).is_some();
            let keep = is_there && now.wrapping_sub(line.used.get()) <= limit;
            if !keep {
                closed.extend(line.asker.take().map(|asker| asker.connection));
                line.give_up();
            }
            keep
        });
        closed.extend(
            self.primary
                .trim(|used, server| snapshot.server(server).is_some() && now.wrapping_sub(used) <= limit),
        );
        closed
    }

    /// Asks the primary for its position. Every write that was acknowledged before the call is in the answer's
    /// position.
    pub async fn primary_position(self: &Rc<Self>, primary: ServerId) -> PositionAnswer {
        PrimaryLine::join(&self.primary, primary).answer().await
    }

    /// Asks the primary for its position, for a read that goes to a replica before the answer arrives and assumes that
    /// the primary is at `position`. None: other reads that share the question assume another position.
    pub fn primary_position_expecting(
        self: &Rc<Self>,
        primary: ServerId,
        position: &Rc<GtidSet>,
    ) -> Option<Rc<Batch>> {
        let batch = PrimaryLine::join(&self.primary, primary);
        batch.expects(position).then_some(batch)
    }

    /// Returns another replica than the read's `own` one for which other reads wait, if the read can share the wait and
    /// `is_usable` accepts the replica. It must be about as quick as the read's own one. Prefers a wait under way for this
    /// position or a later one to a wait that is about to begin.
    pub fn waited_for(
        &self,
        position: &Rc<GtidSet>,
        own: ServerId,
        is_usable: impl Fn(ServerId) -> bool,
    ) -> Option<ServerId> {
        let limit = self.resources.live.borrow().consistency.max_wait / YOUNG;
        let roles = self.resources.topology.versions().roles;
        let lines = self.lines.borrow();
        let mut waits = lines.iter().filter(|line| line.question == Question::Wait);
        let own = waits.clone().find(|line| line.server == own);
        if own.is_some_and(|own| own.is_waited_for(limit)) {
            return None;
        }
        let slowest = own.map_or(u32::MAX, |own| own.usual.get().saturating_mul(2));
        let fits = |line: &&Rc<QueryLine<_>>| {
            line.is_waited_for(limit) && line.usual.get() <= slowest && is_usable(line.server)
        };
        let others = waits.clone().filter(fits);
        let under_way = others.clone().find(|line| line.wait_under_way(position, roles).is_some());
        let gathers = |line: &&Rc<QueryLine<_>>| line.next.borrow().is_some() && fits(line);
        under_way.or_else(|| waits.find(gathers)).map(|line| line.server)
    }

    /// Returns true if a replica has this position, or reaches it within `consistency.max_wait`.
    pub async fn reaches(self: &Rc<Self>, replica: ServerId, position: &Rc<GtidSet>) -> bool {
        let limit = self.resources.live.borrow().consistency.max_wait;
        self.reaches_within(limit, replica, position).await
    }

    /// Like [`Self::reaches`], within `limit`. Returns `InVain` as soon as a probe shows that the replica cannot
    /// get there: it does not follow the primary.
    pub async fn reaches_while_it_can(
        self: &Rc<Self>,
        limit: Duration,
        replica: ServerId,
        position: &Rc<GtidSet>,
    ) -> Wait {
        let reaches = self.reaches_within(limit, replica, position);
        match first_of(reaches, until_out_of_reach(&self.resources, replica, position)).await {
            Some(true) => Wait::Reached,
            Some(false) => Wait::Late,
            None => Wait::InVain,
        }
    }

    async fn reaches_within(
        self: &Rc<Self>,
        limit: Duration,
        replica: ServerId,
        position: &Rc<GtidSet>,
    ) -> bool {
        let asked = self.ask(replica, Question::Wait, Some(position));
        let reached =
            matches!(self.resources.runtime.timeout(limit, asked).await, Some(PositionAnswer::Reached));
        if !reached {
            let roles = self.resources.topology.versions().roles;
            self.known.borrow_mut().failed(replica, position, roles);
        }
        reached
    }

    /// Waits, before a read on the primary, until the primary shows the transactions in `pending`, which it is still
    /// committing and which a replica may already have shown. Stops after `consistency.max_wait`, or once it is known
    /// that no other server has any of these transactions. `position` contains `pending`.
    pub async fn shows(self: &Rc<Self>, primary: ServerId, position: &Rc<GtidSet>, pending: &Rc<GtidSet>) {
        let began = Instant::now();
        if !self.nobody_has(primary, pending).await {
            let limit = self.resources.live.borrow().consistency.max_wait.saturating_sub(began.elapsed());
            self.reaches_within(limit, primary, position).await;
        }
    }

    /// Returns true if no server but the primary has any of these transactions, so that nobody can have seen
    /// them. Servers that the proxy does not know do not count. If a server is down, returns false.
    async fn nobody_has(self: &Rc<Self>, primary: ServerId, pending: &Rc<GtidSet>) -> bool {
        let snapshot = self.resources.topology.get();
        let others = || snapshot.servers.iter().filter(|server| server.id != primary);
        if others().any(|server| server.health != Health::Up) {
            return false;
        }
        let asked = others().map(|server| self.join(server.id, Question::Seen, Some(pending)));
        let asked: Vec<_> = asked.collect();
        let all = async {
            for batch in asked {
                if !matches!(batch.answer().await, PositionAnswer::Unseen) {
                    return false;
                }
            }
            true
        };
        let limit = self.resources.live.borrow().consistency.max_wait / 2;
        self.resources.runtime.timeout(limit, all).await == Some(true)
    }

    /// Returns true if a Galera node has applied, in time, all that the cluster agreed on before the call.
    pub async fn is_in_step(self: &Rc<Self>, node: ServerId) -> bool {
        let limit = self.resources.live.borrow().consistency.max_wait;
        let asked = self.ask(node, Question::Step, None);
        matches!(self.resources.runtime.timeout(limit, asked).await, Some(PositionAnswer::Reached))
    }

    /// Closes the connections for questions that were not used for `idle`. Called every second.
    pub fn close_idle(&self, idle: Duration) {
        for connection in self.trim(self.resources.seconds.get(), idle, &self.resources.topology.get()) {
            let limit = self.resources.live.borrow().timeouts.connect;
            let runtime = self.resources.runtime.clone();
            self.resources.runtime.spawn(async move {
                let _ = runtime.timeout(limit, connection.quit()).await;
            });
        }
    }

    async fn ask(
        self: &Rc<Self>,
        server: ServerId,
        question: Question,
        position: Option<&Rc<GtidSet>>,
    ) -> PositionAnswer {
        self.join(server, question, position).answer().await
    }

    /// Adds a read to the next question of this kind to a server, and has a task ask it.
    fn join(
        self: &Rc<Self>,
        server: ServerId,
        question: Question,
        position: Option<&Rc<GtidSet>>,
    ) -> Rc<Batch> {
        let line = self.line(server, question);
        let roles = self.resources.topology.versions().roles;
        // A position that was reached stays reached while the roles stay the same, so it does not matter when the wait began.
        if let Some(batch) = position.and_then(|position| line.wait_under_way(position, roles)) {
            batch.join(None);
            count(&self.resources, question, 0, 1);
            return batch;
        }
        let batch = line.next.borrow_mut().get_or_insert_with(Rc::default).clone();
        batch.join(position);
        // The task runs after all tasks that are ready now, so that these share the question.
        match line.task.replace(QueryTask::Running) {
            QueryTask::Running => {}
            QueryTask::Idle(waker) => waker.wake(),
            QueryTask::None => self.resources.runtime.spawn(answer_all(self.clone(), line)),
        }
        batch
    }
}

/// Asks for one batch after the other, until the line is given up.
async fn answer_all<R: Runtime>(positions: Rc<Positions<R>>, line: Rc<QueryLine<R::Stream>>) {
    let mut guard = Guard::new(positions.resources.clone());
    while let Some(batch) = line.batch().await {
        if Rc::strong_count(&batch) == 1 {
            // All reads of the batch have given up.
            continue;
        }
        let snapshot = positions.resources.topology.get();
        count(&positions.resources, line.question, 0, batch.joined());
        if line.question == Question::Wait {
            let (batch, roles) = (batch.clone(), snapshot.roles_version);
            line.wait.replace(Some(UnderWay { batch, began: Instant::now(), roles }));
        }
        let asked = AskedTogether { positions: &positions, line: &line, batch: &batch, snapshot: &snapshot };
        let answer = asked.answer(&mut guard).await;
        line.wait.take();
        batch.tell(answer.unwrap_or(PositionAnswer::Unknown));
    }
}

/// A question for a batch.
struct AskedTogether<'a, R: Runtime> {
    positions: &'a Positions<R>,
    line: &'a QueryLine<R::Stream>,
    batch: &'a Rc<Batch>,
    /// The snapshot when the question began.
    snapshot: &'a Snapshot,
}

impl<R: Runtime> AskedTogether<'_, R> {
    /// Returns the server's answer, or what another worker knows of that server.
    async fn answer(&self, guard: &mut Guard<R>) -> Option<PositionAnswer> {
        let (line, target) = (self.line, self.batch.target());
        let Some(target) = target.filter(|_| line.question == Question::Wait) else {
            return self.ask(guard).await;
        };
        let Some(waits) = &self.positions.shared_waits else { return self.wait(guard).await };
        let resources = &self.positions.resources;
        loop {
            let reached = match waits.begin(line.server, self.snapshot.roles_version, &target).await {
                Share::Join(reached) => reached,
                Share::Ask(sender) => {
                    let answer = self.wait(guard).await;
                    if matches!(answer, Some(PositionAnswer::Reached)) {
                        let _ = sender.send(true);
                    }
                    return answer;
                }
            };
            // No server waits longer. If the other worker does, its connection may be lost.
            let limit = resources.live.borrow().consistency.max_wait;
            match guard.watch(is_reached(reached), limit, None).await {
                Some(true) => {
                    let mut known = self.positions.known.borrow_mut();
                    known.reached(line.server, Some(target), self.snapshot);
                    return Some(PositionAnswer::Reached);
                }
                _ if !self.is_wanted() => return None,
                None => return self.wait(guard).await,
                Some(false) => {}
            }
        }
    }

    /// Asks the server to wait, and takes note of how long that takes.
    async fn wait(&self, guard: &mut Guard<R>) -> Option<PositionAnswer> {
        let answer = self.ask(guard).await;
        self.line.waited(answer.is_some());
        answer
    }

    /// True if reads still wait for the answer, and it would still count. Those reads hold the batch, as the line and its
    /// task do.
    fn is_wanted(&self) -> bool {
        let roles = self.positions.resources.topology.versions().roles;
        Rc::strong_count(self.batch) > 2 && roles == self.snapshot.roles_version
    }

    async fn ask(&self, guard: &mut Guard<R>) -> Option<PositionAnswer> {
        let AskedTogether { positions, line, batch, snapshot } = *self;
        let resources = &*positions.resources;
        line.used.set(resources.seconds.get());
        count(resources, line.question, 1, 0);
        if line.question == Question::Seen && line.asker.borrow().is_none() {
            line.asker.replace(positions.idle_asker(line.server));
        }
        let question = Ask { server: line.server, question: line.question, asker: &line.asker, batch };
        let understand =
            |flavor, values: Values<'_>| understood(positions, line, flavor, values, batch, snapshot);
        ask(resources, &question, snapshot, guard, understand).await
    }
}

/// Waits until a replica cannot reach this position, as far as its probes show.
async fn until_out_of_reach<R: Runtime>(resources: &Resources<R>, replica: ServerId, position: &GtidSet) {
    loop {
        let snapshot = resources.topology.get();
        if snapshot.server(replica).is_none_or(|server| snapshot.is_out_of_reach(server, position)) {
            return;
        }
        resources.topology.changed_from(snapshot.version).await;
    }
}

fn understood<R: Runtime>(
    positions: &Positions<R>,
    line: &QueryLine<R::Stream>,
    flavor: Flavor,
    mut values: Values<'_>,
    batch: &Batch,
    asked_at: &Snapshot,
) -> PositionAnswer {
    let mut value = || values.next().flatten();
    match line.question {
        // See `PrimaryLine`.
        Question::Position => PositionAnswer::Unknown,
        Question::Wait | Question::Step => {
            // 0: reached; 1 or -1: not in time; NULL: an error.
            if value() != Some(b"0") {
                return PositionAnswer::Unknown;
            }
            if line.question == Question::Wait {
                positions.known.borrow_mut().reached(line.server, batch.target(), asked_at);
            }
            PositionAnswer::Reached
        }
        Question::Seen => {
            let (Some(owned), Some(executed)) = (value(), value()) else { return PositionAnswer::Unknown };
            let here = GtidSet::parse(flavor, executed).and_then(|mut here| {
                here.insert(without_threads(owned))?;
                Ok(here)
            });
            let is_apart = |here: GtidSet| batch.target().is_some_and(|all| all.subtract(&here) == *all);
            if here.is_ok_and(is_apart) { PositionAnswer::Unseen } else { PositionAnswer::Unknown }
        }
    }
}

/// True if the server is in a Galera cluster, which has its own means for reads that see everything.
pub fn is_galera(server: &Server) -> bool {
    server.member.is_some_and(|member| member.group == Group::Galera)
}

/// True if the primary reports its position at all.
pub fn tells_positions(server: &Arc<Server>) -> bool {
    server.facts.as_ref().is_some_and(|f| f.gtid_on)
}
