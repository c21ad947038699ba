//! A replicated cluster under an operator, in all orders: servers die and return, labels are late
//! or the API is away, probes see what they see. Whoever is the writer has every write that was
//! acknowledged before.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["db-0", "db-1", "db-2", "db-3"];
/// Joins late, empty and writable, as a pod that is being set up.
const FRESH: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// A probe of a server answers, or does not.
    Probe(usize),
    /// A client writes, if the proxy knows where.
    Write,
    /// Replicas catch up.
    Replicate(usize),
    Crash(usize),
    Restart(usize),
    /// The network between the proxy and a server.
    Partition(usize),
    Heal(usize),
    /// The operator makes the best replica the primary; the label comes at once or late.
    Promote {
        label_first: bool,
    },
    /// The planned way: read-only first.
    Switchover,
    /// The operator makes who returned a replica.
    Rejoin(usize),
    /// What the operator wanted to label arrives.
    Labels,
    /// The fresh pod is there.
    Join,
    /// A pod of the same name, empty, on another address.
    Replace(usize),
}

#[derive(Debug, Clone)]
struct Machine {
    up: bool,
    reachable: bool,
    read_only: bool,
    source: Option<usize>,
    data: Vec<u32>,
    life: u32,
}

struct World {
    machines: Vec<Machine>,
    /// By the operator.
    primary: usize,
    joined: bool,
    /// As the API has them, and as the proxy heard.
    labels: [Label; 4],
    heard: [Label; 4],
    acknowledged: Vec<u32>,
    next: u32,
    story: Story,
}

impl World {
    fn new() -> Self {
        let machine = |at: usize| Machine {
            up: true,
            reachable: true,
            read_only: at > 0,
            source: (at > 0).then_some(0),
            data: vec![0],
            life: 0,
        };
        let mut machines: Vec<_> = (0..4).map(machine).collect();
        machines[FRESH] = Machine { read_only: false, source: None, data: Vec::new(), ..machine(FRESH) };
        let labels = [Label::Primary, Label::Replica, Label::Replica, Label::Absent];
        let story = Story { snapshot: Snapshot::empty(), now_ms: 1_000_000 };
        let mut world = World {
            machines,
            primary: 0,
            joined: false,
            labels,
            heard: labels,
            acknowledged: vec![0],
            next: 1,
            story,
        };
        world.tell();
        (0..3).for_each(|at| world.probe(at));
        world
    }

    fn tell(&mut self) {
        let mut list = discovered(&NAMES[..if self.joined { 4 } else { 3 }]);
        for (at, server) in list.iter_mut().enumerate() {
            server.label = Some(self.heard[at]);
            server.uid = format!("{at}-{}", self.machines[at].life).into();
        }
        self.story.event(Event::Servers(list));
    }

    fn probe(&mut self, at: usize) {
        let machine = &self.machines[at];
        if at == FRESH && !self.joined {
            return;
        }
        if !machine.reachable {
            self.story.silent(NAMES[at]);
        } else if !machine.up {
            self.story.refuses(NAMES[at]);
        } else {
            let source = machine.source.map(|source| Replication {
                receiving: self.machines[source].up,
                applying: true,
                lag: Some(Duration::ZERO),
                source: Some(format!("{}:3306", NAMES[source]).into()),
                several: false,
            });
            let facts = Facts {
                read_only: machine.read_only,
                replication: source,
                gtid: gtid(&format!("0-1-{}", machine.data.len())),
                identity: format!("{at}-{}", machine.life).into(),
                ..writable()
            };
            self.story.says(NAMES[at], facts);
        }
    }

    /// A write counts when a replica has it, as with semi-synchronous replication.
    fn write(&mut self) {
        let Some(at) = self.story.writer().and_then(|w| NAMES.iter().position(|name| *name == w)) else {
            return;
        };
        let machine = &mut self.machines[at];
        if !machine.up || !machine.reachable || machine.read_only {
            return;
        }
        machine.data.push(self.next);
        let data = machine.data.clone();
        let receiver = self.machines.iter_mut().find(|m| m.up && m.source == Some(at));
        match receiver {
            Some(receiver) => {
                receiver.data = data;
                self.acknowledged.push(self.next);
            }
            // It waits for one, and is not committed.
            None => _ = self.machines[at].data.pop(),
        }
        self.next += 1;
    }

    /// The replica with the most. One that lacks an acknowledged write the operator does not take: who
    /// has it is away, and without a server nobody can help that.
    fn best(&self) -> Option<usize> {
        let replicas = (0..4).filter(|at| {
            let machine = &self.machines[*at];
            machine.up
                && machine.source == Some(self.primary)
                && self.acknowledged.iter().all(|write| machine.data.contains(write))
        });
        replicas.max_by_key(|at| (self.machines[*at].data.len(), *at))
    }

    fn promote(&mut self, at: usize) {
        let old = std::mem::replace(&mut self.primary, at);
        for (other, machine) in self.machines.iter_mut().enumerate() {
            if machine.source == Some(old) {
                machine.source = (other != at).then_some(at);
            }
        }
        let data = self.machines[at].data.clone();
        let followers = self.machines.iter_mut().filter(|m| m.source == Some(at));
        followers.for_each(|m| m.data.clone_from(&data));
        self.machines[at].read_only = false;
        // The dead one keeps its label for the time being.
        self.labels[at] = Label::Primary;
    }

    /// Writable, and with the label that it died with: nobody fenced it. But if its time as the primary
    /// began and ended without a probe, its label was put right meanwhile: a proxy that missed all of that and
    /// cannot reach the real primary has nothing to tell the two apart by.
    fn restart(&mut self, at: usize) {
        self.machines[at].up = true;
        if at != self.primary && at != FRESH && !self.story.server(NAMES[at]).deposed {
            (self.labels[at], self.heard[at]) = (Label::Replica, Label::Replica);
            self.tell();
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Probe(at) => self.probe(at),
            Step::Write => self.write(),
            Step::Replicate(at) => {
                if let Some(source) = self.machines[at].source.filter(|source| self.machines[*source].up) {
                    self.machines[at].data = self.machines[source].data.clone();
                }
            }
            Step::Crash(at) => self.machines[at].up = false,
            Step::Restart(at) => self.restart(at),
            Step::Partition(at) => self.machines[at].reachable = false,
            Step::Heal(at) => self.machines[at].reachable = true,
            Step::Promote { label_first } => {
                if let Some(best) = self.best().filter(|_| !self.machines[self.primary].up) {
                    self.promote(best);
                    if label_first {
                        self.heard = self.labels;
                        self.tell();
                    }
                }
            }
            Step::Switchover => {
                let old = self.primary;
                if let Some(best) = self.best().filter(|_| self.machines[old].up) {
                    self.machines[old].read_only = true;
                    self.machines[best].data = self.machines[old].data.clone();
                    self.promote(best);
                    self.labels[old] = Label::Replica;
                    self.machines[old].source = Some(best);
                }
            }
            Step::Rejoin(at) => {
                if at != self.primary && at != FRESH && self.machines[at].up {
                    let data = self.machines[self.primary].data.clone();
                    let source = Some(self.primary);
                    self.machines[at] =
                        Machine { read_only: true, source, data, ..self.machines[at].clone() };
                    self.labels[at] = Label::Replica;
                }
            }
            Step::Labels => {
                self.heard = self.labels;
                self.tell();
            }
            Step::Join => {
                self.joined = true;
                self.tell();
            }
            Step::Replace(at) => {
                if at != self.primary && at != FRESH {
                    let life = self.machines[at].life + 1;
                    self.machines[at] = Machine {
                        read_only: false,
                        source: None,
                        data: Vec::new(),
                        life,
                        ..self.machines[at].clone()
                    };
                    (self.labels[at], self.heard[at]) = (Label::Absent, Label::Absent);
                    self.tell();
                }
            }
        }
    }

    /// The writer has all that was acknowledged, unless it is dead and was not probed since: then no write to
    /// it is acknowledged, and the next probe ends its time.
    fn check(&self, before: u64) -> Result<(), TestCaseError> {
        let Some(writer) = self.story.writer() else { return Ok(()) };
        if self.story.snapshot.generation == before {
            return Ok(());
        }
        let at = NAMES.iter().position(|name| *name == writer).expect("a machine");
        let Machine { up: true, data, .. } = &self.machines[at] else { return Ok(()) };
        let lost: Vec<_> = self.acknowledged.iter().filter(|write| !data.contains(write)).collect();
        prop_assert!(lost.is_empty(), "{writer} lacks {lost:?}: {:?}", self.story.snapshot.history);
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..4usize;
    prop_oneof![
        12 => at.clone().prop_map(Step::Probe),
        6 => Just(Step::Write),
        3 => at.clone().prop_map(Step::Replicate),
        2 => at.clone().prop_map(Step::Crash),
        3 => at.clone().prop_map(Step::Restart),
        1 => at.clone().prop_map(Step::Partition),
        2 => at.clone().prop_map(Step::Heal),
        3 => any::<bool>().prop_map(|label_first| Step::Promote { label_first }),
        1 => Just(Step::Switchover),
        2 => at.clone().prop_map(Step::Rejoin),
        2 => Just(Step::Labels),
        1 => Just(Step::Join),
        1 => at.prop_map(Step::Replace),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_new_writer_has_every_acknowledged_write(steps in vec(step(), 1..160)) {
        let mut world = World::new();
        prop_assert_eq!(world.story.writer(), Some("db-0"));
        for step in &steps {
            let generation = world.story.snapshot.generation;
            world.step(step);
            world.check(generation)?;
        }
    }
}

/// The property would hold for a proxy that never takes a new writer, too.
#[test]
fn the_walk_does_find_new_writers() {
    let mut world = World::new();
    for step in [
        Step::Write,
        Step::Crash(0),
        Step::Probe(0),
        Step::Promote { label_first: false },
        Step::Probe(2),
        Step::Probe(1),
        Step::Labels,
    ] {
        world.step(&step);
    }
    assert_eq!((world.story.writer(), world.story.snapshot.generation), (Some(NAMES[world.primary]), 2));
    world.step(&Step::Write);
    assert_eq!(world.acknowledged.len(), 3);
}
