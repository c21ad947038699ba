//! A replicated cluster managed by an operator, with events in all orders: servers die and return, labels are
//! late or the API is unavailable, and probes see only part of it. Whichever server becomes the primary has
//! every write that was acknowledged before.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["db-0", "db-1", "db-2", "db-3"];
/// The server that joins late, empty and writable, like a pod that is being set up.
const FRESH: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// A probe of a server answers, or does not.
    Probe(usize),
    /// A client writes, if the proxy has a primary.
    Write,
    /// A replica catches up.
    Replicate(usize),
    Crash(usize),
    Restart(usize),
    /// The network fails between the proxy and a server.
    Partition(usize),
    Heal(usize),
    /// The operator makes the best replica the primary; the label comes at once or late.
    Promote {
        label_first: bool,
    },
    /// A planned switchover: the old primary becomes read-only first.
    Switchover,
    /// The operator makes a server that returned a replica.
    Rejoin(usize),
    /// The labels that the operator set reach the proxy.
    Labels,
    /// The fresh pod joins.
    Join,
    /// A pod is replaced by an empty one of the same name at another address.
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
    /// The primary, according to the operator.
    primary: usize,
    joined: bool,
    /// The labels in the API, and below as the proxy last saw them.
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

    /// Writes on the primary. The write is acknowledged if a replica receives it, as with semi-synchronous
    /// replication.
    fn write(&mut self) {
        let Some(at) = self.story.primary().and_then(|w| NAMES.iter().position(|name| *name == w)) else {
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
            // No replica receives the write, so it is not committed.
            None => _ = self.machines[at].data.pop(),
        }
        self.next += 1;
    }

    /// Returns the replica with the most writes. The operator promotes none that lacks an acknowledged write:
    /// a server that has the write is unreachable then, and nothing helps until it is back.
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
        // The dead primary keeps its label for now.
        self.labels[at] = Label::Primary;
    }

    /// Restarts a server. A former primary that nobody fenced is writable and still has its label. Exception:
    /// if no probe saw it as the primary, its label has been corrected meanwhile. A proxy that missed all
    /// that and cannot reach the real primary could not distinguish the two.
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

    /// Checks that a new primary has all acknowledged writes, unless it is dead and was not probed since: then
    /// no write to it is acknowledged, and the next probe ends its role.
    fn check(&self, before: u64) -> Result<(), TestCaseError> {
        let Some(primary) = self.story.primary() else { return Ok(()) };
        if self.story.snapshot.generation == before {
            return Ok(());
        }
        let at = NAMES.iter().position(|name| *name == primary).expect("a machine");
        let Machine { up: true, data, .. } = &self.machines[at] else { return Ok(()) };
        let lost: Vec<_> = self.acknowledged.iter().filter(|write| !data.contains(write)).collect();
        prop_assert!(lost.is_empty(), "{primary} lacks {lost:?}: {:?}", self.story.snapshot.history);
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
    fn a_new_primary_has_every_acknowledged_write(steps in vec(step(), 1..160)) {
        let mut world = World::new();
        prop_assert_eq!(world.story.primary(), Some("db-0"));
        for step in &steps {
            let generation = world.story.snapshot.generation;
            world.step(step);
            world.check(generation)?;
        }
    }
}

/// Checks that new primaries do occur: the property would also hold for a proxy that never accepts one.
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
    assert_eq!((world.story.primary(), world.story.snapshot.generation), (Some(NAMES[world.primary]), 2));
    world.step(&Step::Write);
    assert_eq!(world.acknowledged.len(), 3);
}
