//! Sessions on two proxies, and some on the primary itself, that write and read registers and counters without a
//! pause, but for one that all who write make together, and record it.

use super::client::Session;
use super::history::{Act, Op, Told, Via};
use super::trouble::Trouble;
use crate::support::{self, Chance};
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// What only a defect, not a slow machine, reaches.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Of so many milliseconds
const TURN: u128 = 120;
/// nobody writes in these.
const REST: u128 = 40;

/// One row each.
pub const TABLE: &str = "CREATE TABLE test.cells (k INT PRIMARY KEY, v BIGINT UNSIGNED NOT NULL)";

/// What a session does all along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Mostly writes, and reads what it wrote.
    Writer,
    Mixed,
    Reader,
    /// Waits for somebody's acknowledgement, and reads at once.
    Prompt,
}

/// How many sessions of each on each proxy, and on the primary.
#[derive(Debug, Clone)]
pub struct Crew {
    pub proxied: Vec<Role>,
    pub direct: usize,
    /// Who goes through the second proxy only reads.
    pub second_reads: bool,
    pub registers: usize,
    pub counters: usize,
}

/// Where they go.
#[derive(Debug, Clone)]
pub struct Ports {
    pub proxies: Vec<u16>,
    /// The primary's of now.
    pub primary: watch::Receiver<u16>,
}

/// What all of them look at.
#[derive(Debug)]
pub struct Shared {
    pub ports: Ports,
    pub keys: Vec<u32>,
    pub clock: Instant,
    pub over: AtomicBool,
    pub sessions: AtomicU32,
    pub values: AtomicU64,
    pub reads: AtomicUsize,
    /// The latest that somebody was acknowledged.
    pub newest: watch::Sender<u32>,
}

impl Shared {
    pub fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).expect("centuries")
    }

    /// Those who write rest now, all of them: what the proxies do while the primary is quiet, and as it ends, counts too.
    pub fn rests(&self) -> bool {
        self.clock.elapsed().as_millis() % TURN < REST
    }
}

/// All that happened, and what was answered in place of something that did.
#[derive(Debug, Default)]
pub struct Log {
    pub ops: Vec<Op>,
    pub errors: BTreeMap<String, usize>,
}

impl Log {
    /// Those that a change of primary does not explain: past the proxies it is read-only for a moment, an insert id
    /// stays with its server, and a transaction may find other rows than before when it runs again, also one that
    /// only reads.
    pub fn unexplained(&self, trouble: Trouble) -> Vec<&str> {
        let explained = |error: &str| {
            let ran_again = error.starts_with("write via Proxy")
                || trouble.changes_primary() && error.starts_with("transaction of reads via Proxy");
            let aborted = ran_again && error.contains(": 1213 (40001)");
            let past =
                error.starts_with("write via Direct: 1290") || error.ends_with("Direct: another primary");
            aborted || past || error.contains("held an insert id")
        };
        self.errors.keys().map(String::as_str).filter(|error| !explained(error)).collect()
    }

    pub fn merge(&mut self, other: Log) {
        self.ops.extend(other.ops);
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }
}

/// All of them.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<Log>>,
    log: Log,
}

/// Keys of a round are its own; counters come behind registers.
const PER_ROUND: u32 = 1000;
const COUNTERS: u32 = 500;

pub fn is_counter(key: u32) -> bool {
    key % PER_ROUND >= COUNTERS
}

impl Load {
    /// `round`: another one each time in front of the same servers.
    pub async fn start(ports: Ports, crew: &Crew, round: u32, seed: u64) -> Self {
        let number = |n: usize| u32::try_from(n).expect("few keys");
        let registers = 0..number(crew.registers);
        let counters = COUNTERS..COUNTERS + number(crew.counters);
        let keys: Vec<_> = registers.chain(counters).map(|key| round * PER_ROUND + key).collect();
        let shared = Arc::new(Shared {
            ports,
            clock: Instant::now(),
            over: AtomicBool::new(false),
            sessions: AtomicU32::new(1),
            values: AtomicU64::new(1),
            reads: AtomicUsize::new(0),
            newest: watch::channel(keys[0]).0,
            keys,
        });
        let log = insert(&shared).await;
        let mut load = Load { shared, tasks: Vec::new(), log };
        for proxy in 0..load.shared.ports.proxies.len() {
            for role in &crew.proxied {
                let role = if crew.second_reads && proxy == 1 && *role != Role::Prompt {
                    Role::Reader
                } else {
                    *role
                };
                load.spawn(Via::Proxy(proxy), role, seed);
            }
        }
        (0..crew.direct).for_each(|_| load.spawn(Via::Direct, Role::Writer, seed));
        load
    }

    fn spawn(&mut self, via: Via, role: Role, seed: u64) {
        let chance = Chance::new(seed.wrapping_mul(1000) + self.tasks.len() as u64);
        let shared = self.shared.clone();
        let insert_ids = self.tasks.len().is_multiple_of(3);
        let session = Session::new(via, role, insert_ids, shared, chance);
        self.tasks.push(tokio::spawn(session.run()));
    }

    /// Waits until so many more reads were answered.
    pub async fn more(&self, reads: usize) {
        let until = self.shared.reads.load(SeqCst) + reads;
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let now = self.shared.reads.load(SeqCst);
            if now >= until {
                return;
            }
            if now > last {
                (last, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "no read was answered for {PATIENCE:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends them all.
    pub async fn finish(mut self) -> Log {
        self.shared.over.store(true, SeqCst);
        for task in self.tasks {
            self.log.merge(task.await.expect("a session"));
        }
        self.log
    }
}

/// The rows; each is its key's first write.
async fn insert(shared: &Shared) -> Log {
    let port = *shared.ports.primary.borrow();
    let mut conn = support::connect(port, "app", "app", "test").await.expect("the primary");
    let values = shared.keys.iter().map(|key| match is_counter(*key) {
        true => (*key, Act::Add(Some(1)), 1),
        false => {
            let value = shared.values.fetch_add(1, SeqCst);
            (*key, Act::Write(value), value)
        }
    });
    let values: Vec<_> = values.collect();
    let rows: Vec<_> = values.iter().map(|(key, _, value)| format!("({key}, {value})")).collect();
    let start = shared.now();
    conn.query_drop(format!("INSERT INTO cells VALUES {}", rows.join(", "))).await.expect("an INSERT");
    let end = shared.now();
    let op = |(key, act, _)| Op {
        session: 0,
        via: Via::Direct,
        key,
        start,
        end,
        act,
        told: Told::Done,
        how: "INSERT",
    };
    Log { ops: values.into_iter().map(op).collect(), errors: BTreeMap::new() }
}
