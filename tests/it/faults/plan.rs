//! One fault run, all of it decided beforehand by its seed.

use crate::support::{Chance, Direction, Line};
use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// kill -9, and a replica is promoted.
    Killed,
    /// SIGTERM, as a pod that is deleted gets it, and a replica is promoted meanwhile or afterwards.
    Stopped,
    /// Promoted 20 s later.
    Delayed,
    /// kill -9, and it comes back as the primary.
    Restarted,
    /// kill -9 while commits wait for a replica's acknowledgement.
    KilledInCommit,
    /// Promoted, and the dead one comes back, writable.
    KilledAndBack,
    /// The primary pauses (see `Plan::holds`), and another is promoted after two seconds; then the former goes on, writable.
    Frozen,
    /// The primary pauses for 0.1 to 40 s, and goes on; nobody was promoted. No client may notice.
    Paused,
    /// The proxy does not reach the primary. Here and below: a replica is promoted, or all is well again.
    ApartFromProxy,
    /// Its replicas do not reach the primary.
    ApartFromReplicas,
    /// Neither does.
    Apart,
    /// What is said one way does not arrive.
    OneWay,
    /// 200 ms, each way.
    Late,
    /// Connections are reset in the middle of a packet.
    Torn,
    /// No room on the primary's disk.
    FullDisk,
    /// The new primary takes no further connection for a while.
    NoConnections,
    /// A replica is promoted while the primary is writable and well.
    TwoWritable,
    /// Changes every two seconds, of the network or of the primary.
    Flapping,
    /// Nothing wrong: the primary becomes read-only, a replica takes over.
    Planned,
}

pub const FAULTS: [Fault; 19] = [
    Fault::Killed,
    Fault::Stopped,
    Fault::Delayed,
    Fault::Restarted,
    Fault::KilledInCommit,
    Fault::KilledAndBack,
    Fault::Frozen,
    Fault::Paused,
    Fault::ApartFromProxy,
    Fault::ApartFromReplicas,
    Fault::Apart,
    Fault::OneWay,
    Fault::Late,
    Fault::Torn,
    Fault::FullDisk,
    Fault::NoConnections,
    Fault::TwoWritable,
    Fault::Flapping,
    Fault::Planned,
];

pub const LATE: Line = Line::Late(Duration::from_millis(200));
pub const FLAP: Duration = Duration::from_secs(2);
pub const DELAY: Duration = Duration::from_secs(20);

/// How long a primary pauses that goes on as the primary, in milliseconds; one of these and up to half as much again.
const PAUSES_MS: [usize; 8] = [100, 200, 400, 800, 2000, 5000, 12_000, 27_000];

#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub fault: Fault,
    pub old: usize,
    pub new: usize,
    /// Before the fault, before the promotion, and before the fault ends.
    pub pauses: [Duration; 3],
    /// What becomes of the network, where there is a choice.
    pub line: Line,
    /// Bytes of the server's until a reset, each time.
    pub torn: [usize; 3],
    /// A replica is promoted, where it could be otherwise.
    pub promotes: bool,
    /// How long a primary pauses that goes on as the primary.
    pub pause: Duration,
    /// A pause is the network's, which holds all that is said between the proxy and the primary. Otherwise it is SIGSTOP.
    pub holds: bool,
}

impl Plan {
    /// Seeds in a row have all kinds in turn; what is drawn does not depend on the runs before.
    pub fn draw(seed: u64, only: Option<Fault>, old: usize, servers: usize) -> Self {
        let mut chance = Chance::new(seed.wrapping_add(0x5EED));
        let turn = usize::try_from(seed % FAULTS.len() as u64).expect("few kinds");
        let new = (old + 1 + chance.below(servers - 1)) % servers;
        let pauses = [chance.pause(), chance.pause(), chance.pause()];
        let line = match chance.below(5) {
            0 => Line::Silent,
            1 => Line::Cut,
            2 => Line::Held(Direction::ToServer),
            3 => Line::Held(Direction::ToClient),
            _ => Line::Held(Direction::Both),
        };
        let torn = std::array::from_fn(|_| {
            let most = [60, 600, 60_000][chance.below(3)];
            1 + chance.below(most)
        });
        let promotes = chance.below(2) == 0;
        let least = PAUSES_MS[chance.below(PAUSES_MS.len())];
        let pause = Duration::from_millis((least + chance.below(least / 2)) as u64);
        Plan {
            seed,
            fault: only.unwrap_or(FAULTS[turn]),
            old,
            new,
            pauses,
            line,
            torn,
            promotes,
            pause,
            holds: chance.below(2) == 0,
        }
    }

    /// One way only.
    pub fn one_way(&self) -> Line {
        match self.torn[0] % 2 {
            0 => Line::Held(Direction::ToServer),
            _ => Line::Held(Direction::ToClient),
        }
    }
}

/// By its name, in any case.
pub fn named(name: &str) -> Fault {
    let known = FAULTS.iter().find(|fault| format!("{fault:?}").eq_ignore_ascii_case(name));
    *known.unwrap_or_else(|| panic!("FAULT={name} is none of {FAULTS:?}"))
}
