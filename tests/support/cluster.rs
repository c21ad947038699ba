//! A primary and its replicas on loopback, and what an operator does to them. Servers keep
//! their number for life: 0 begins as the primary, 1 … n as replicas.

use super::node::{Kind, Node, Role};
use super::room::{Place, room};
use super::scratch::{Scratch, free_port};
use super::{cache, report_skipped};
use std::collections::HashMap;
use std::path::Path;
use tokio::time::Instant;

/// Whether a primary waits for a replica before it acknowledges a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Five seconds, and not where there is none.
    AsStarted,
    /// It acknowledges nothing that no replica has.
    Always,
    /// The last writes may be lost with it.
    Never,
}

/// One replication set-up; its servers end with it.
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<Node>,
    primary: usize,
    /// Where a replica finds its source, if not at the source's own port.
    ways: HashMap<(usize, usize), u16>,
    waits: Waits,
    // Last: servers die before their folders go.
    _scratch: Scratch,
    _place: Place,
}

impl Cluster {
    /// MariaDB with semi-sync GTID replication, caught up.
    pub async fn mariadb(replicas: usize) -> Self {
        Self::start(Kind::MariaDb, replicas).await
    }

    /// The same with MySQL 9.7; None, loudly reported, where it cannot be had.
    pub async fn mysql(replicas: usize) -> Option<Self> {
        if has_mysql() {
            return Some(Self::start(Kind::MySql, replicas).await);
        }
        let test = std::thread::current().name().unwrap_or("?").to_owned();
        report_skipped(&test, "no MySQL 9.7, see tests/setup/mysql97.sh");
        None
    }

    /// Either kind; panics with the servers' logs when they do not start.
    pub async fn start(kind: Kind, replicas: usize) -> Self {
        let place = room().await;
        make_template(kind).await;
        let scratch = Scratch::new("");
        let mut servers: Vec<_> = (0..=replicas)
            .map(|i| {
                let role = match i {
                    0 => Role::Primary,
                    _ => Role::Replica,
                };
                let dir = scratch.path().join(i.to_string());
                Node::spawn(kind, role, free_port(), i + 1, dir)
            })
            .collect();
        for server in &mut servers {
            server.ready().await;
        }
        let cluster = Cluster {
            servers,
            primary: 0,
            ways: HashMap::new(),
            waits: Waits::AsStarted,
            _scratch: scratch,
            _place: place,
        };
        cluster.follow_primary().await;
        cluster.wait_caught_up().await;
        cluster
    }

    /// Which server.
    pub fn kind(&self) -> Kind {
        self.primary().kind
    }

    /// All servers, by number.
    pub fn servers(&self) -> &[Node] {
        &self.servers
    }

    /// A server by its number.
    pub fn server(&self, number: usize) -> &Node {
        &self.servers[number]
    }

    /// A server by its number, to kill or restart it.
    pub fn server_mut(&mut self, number: usize) -> &mut Node {
        &mut self.servers[number]
    }

    /// The current primary's number.
    pub fn primary_number(&self) -> usize {
        self.primary
    }

    /// The current primary.
    pub fn primary(&self) -> &Node {
        &self.servers[self.primary]
    }

    /// The current primary, to kill or restart it.
    pub fn primary_mut(&mut self) -> &mut Node {
        &mut self.servers[self.primary]
    }

    /// The i-th of the servers that are not the primary, from 0.
    pub fn replica(&self, i: usize) -> &Node {
        self.replicas().nth(i).expect("no such replica")
    }

    fn replicas(&self) -> impl Iterator<Item = &Node> {
        let primary = self.primary;
        let others = self.servers.iter().enumerate();
        others.filter(move |(n, _)| *n != primary).map(|(_, s)| s)
    }

    fn live_replicas(&self) -> Vec<&Node> {
        self.replicas().filter(|s| s.is_running()).collect()
    }

    fn live_numbers(&self) -> Vec<usize> {
        let all = 0..self.servers.len();
        all.filter(|n| *n != self.primary && self.servers[*n].is_running()).collect()
    }

    async fn follow_primary(&self) {
        for number in self.live_numbers() {
            self.follow(number, self.primary).await;
        }
        for replica in self.live_replicas() {
            replica.wait_replicating().await;
        }
    }

    async fn follow(&self, replica: usize, source: usize) {
        let way = self.ways.get(&(replica, source)).copied();
        self.servers[replica].follow(way.unwrap_or(self.servers[source].port())).await;
    }

    /// Replicas reach their sources at these ports from now on: by replica and source.
    pub async fn replicate_through(&mut self, ways: HashMap<(usize, usize), u16>) {
        self.ways = ways;
        self.follow_primary().await;
    }

    /// From now on, whoever is the primary.
    pub async fn set_waits(&mut self, waits: Waits) {
        self.waits = waits;
        for number in 0..self.servers.len() {
            self.tell_waits(number, number == self.primary).await;
        }
    }

    /// What a server is told of it before it becomes a primary, or a replica: a replica must not wait for one of its own.
    async fn tell_waits(&self, number: usize, primary: bool) {
        match self.waits {
            Waits::AsStarted => {}
            Waits::Always => self.servers[number].acknowledge_alone(!primary).await,
            Waits::Never => self.servers[number].wait_for_replicas(false).await,
        }
    }

    /// Waits until every running replica has what the primary has now.
    pub async fn wait_caught_up(&self) {
        let position = self.primary().gtid().await;
        for replica in self.live_replicas() {
            replica.wait_for(&position).await;
        }
    }

    /// The primary is lost (killed, frozen): server `number` takes over with everything that any running replica
    /// received, the others follow it. The lost one is not touched. Returns when the new primary became writable.
    pub async fn promote(&mut self, number: usize) -> Instant {
        self.gather(number).await;
        self.make_primary(number).await
    }

    /// Before a promotion: all that any running replica received is on this one.
    pub async fn gather(&self, number: usize) {
        assert_ne!(number, self.primary, "it is the primary");
        let mut ahead = Vec::new();
        for replica in self.live_numbers() {
            ahead.push((replica, self.servers[replica].apply_received().await));
        }
        for (other, position) in ahead {
            // Semi-sync promises that *one* replica has a write, not that this one has it.
            let chosen = self.server(number);
            if other != number && !chosen.has(&position).await {
                self.follow(number, other).await;
                chosen.wait_for(&position).await;
            }
        }
    }

    /// Planned: the primary becomes read-only, server `number` catches up and takes over, all others follow it.
    /// Returns when the new primary became writable.
    pub async fn switchover(&mut self, number: usize) -> Instant {
        assert_ne!(number, self.primary, "it is the primary");
        self.primary_mut().set_read_only(true).await;
        let position = self.primary().gtid().await;
        self.server(number).wait_for(&position).await;
        self.make_primary(number).await
    }

    async fn make_primary(&mut self, number: usize) -> Instant {
        let old = self.primary;
        let at = self.take_over(number).await;
        self.others_follow(old).await;
        at
    }

    /// The first half of a promotion: nobody follows it yet.
    pub async fn take_over(&mut self, number: usize) -> Instant {
        self.servers[number].stop_following().await;
        self.tell_waits(number, true).await;
        if self.waits == Waits::Always {
            // It may have given up waiting while it was a replica; on again, it waits at once.
            self.servers[number].wait_for_replicas(false).await;
            self.servers[number].wait_for_replicas(true).await;
        }
        self.servers[number].set_read_only(false).await;
        let at = Instant::now();
        self.primary = number;
        at
    }

    /// The other half.
    pub async fn others_follow(&self, old: usize) {
        let number = self.primary;
        let demoted = self.servers[old].role == Role::Replica;
        for (i, server) in self.servers.iter().enumerate() {
            // A lost primary stays as it is; one that was made read-only follows.
            if i != number && server.is_running() && (i != old || demoted) {
                self.tell_waits(i, false).await;
                self.follow(i, number).await;
                server.wait_replicating().await;
            }
        }
    }

    /// A primary that was killed comes back as it was.
    pub async fn restart_primary(&mut self) {
        let number = self.primary;
        self.servers[number].restart().await;
        self.tell_waits(number, true).await;
    }

    /// Brings a lost server back as a replica of the current primary, restored from nothing: it may have
    /// writes that nobody else has.
    pub async fn rejoin(&mut self, number: usize) {
        self.rejoin_with(number, None).await;
    }

    /// The same with a disk of its own of so many MiB, until it is brought back the next time.
    pub async fn rejoin_with(&mut self, number: usize, disk: Option<usize>) {
        assert_ne!(number, self.primary, "it is the primary");
        let server = &mut self.servers[number];
        server.kill();
        server.disk = disk;
        server.recreate(Role::Replica).await;
        self.tell_waits(number, false).await;
        self.follow(number, self.primary).await;
        self.servers[number].wait_replicating().await;
        self.wait_caught_up().await;
    }
}

/// Whether MySQL 9.7 was fetched.
pub(super) fn has_mysql() -> bool {
    cache().join("mysql97/bin/mysqld").exists()
}

/// Before the servers start side by side: the first would make it while the others wait.
pub(super) async fn make_template(kind: Kind) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup/server.sh");
    let made = tokio::process::Command::new(script)
        .args(["template", kind.name()])
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .expect("cannot run tests/setup/server.sh");
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "no {} here: {errors}", kind.name());
}
