//! Servers, the network between them and the proxy, and the proxy or a rival of it.

use super::book::{Book, Class, Told};
use super::clients::{Sees, tables};
use super::plan::{Fault, Plan};
use super::run::Settings;
use crate::dialogue::{eventually, readers_are_within, writer_is};
use crate::support::{
    Cluster, Kind, Line, Proxy, Relay, Waits, config_without_servers, has_own_disks, number, report_skipped,
};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

pub const SERVERS: usize = 3;

/// A server that is restored from nothing applies all that was written since its scene began, beside 104 clients that go on.
const CATCHING_UP: Duration = Duration::from_secs(180);

/// What stands before the servers.
pub enum Front {
    Ours(Proxy),
    /// A port, and what was started for it.
    Rival(u16, #[allow(dead_code)] Option<super::rival::Command>),
}

pub struct Scene {
    pub front: Front,
    pub cluster: Cluster,
    /// Between the proxy and each server.
    pub lines: Vec<Relay>,
    /// Between a replica and its source.
    pub replication: HashMap<(usize, usize), Relay>,
    /// Primaries acknowledge nothing that no replica has.
    pub semi_sync: bool,
}

impl Scene {
    /// None where there is no such server.
    pub async fn begin(settings: Settings) -> Option<Self> {
        let semi_sync = settings.semi_sync;
        let mut cluster = match settings.kind {
            Kind::MariaDb => Cluster::mariadb(SERVERS - 1).await,
            Kind::MySql => Cluster::mysql(SERVERS - 1).await?,
        };
        let first_port = super::rival::first_port();
        let (mut lines, mut replication) = (Vec::new(), HashMap::new());
        for (number, server) in cluster.servers().iter().enumerate() {
            let port = first_port.map_or(0, |first| first + u16::try_from(number).expect("few servers"));
            lines.push(Relay::listening(port, server.port()).await);
            for replica in (0..SERVERS).filter(|replica| *replica != number) {
                replication.insert((replica, number), Relay::to(server.port()).await);
            }
        }
        cluster
            .replicate_through(replication.iter().map(|(way, relay)| (*way, relay.port())).collect())
            .await;
        cluster.primary().sql(&tables()).await;
        cluster.wait_caught_up().await;
        cluster.set_waits(if semi_sync { Waits::Always } else { Waits::Never }).await;
        let front = match super::rival::begin(&lines).await {
            Some(rival) => rival,
            None => Front::Ours(Proxy::start(&config(&lines, settings.sees)).await),
        };
        let scene = Scene { front, cluster, lines, replication, semi_sync };
        scene.settled().await;
        Some(scene)
    }

    pub fn port(&self) -> u16 {
        match &self.front {
            Front::Ours(proxy) => proxy.rw,
            Front::Rival(port, _) => *port,
        }
    }

    /// The primary's relays to all of its replicas.
    pub fn set_replication(&self, primary: usize, line: Line) {
        let own = self.replication.iter().filter(|((_, source), _)| *source == primary);
        own.for_each(|(_, relay)| relay.set(line));
    }

    pub fn all_through(&self) {
        self.lines.iter().chain(self.replication.values()).for_each(|relay| relay.set(Line::Through));
    }

    /// The servers are as they were in the beginning, and the proxy knows.
    pub async fn settled(&self) {
        if let Front::Ours(proxy) = &self.front {
            writer_is(proxy, self.cluster.primary_number()).await;
            readers_are_within(CATCHING_UP, proxy, SERVERS - 1).await;
        }
        if self.semi_sync {
            eventually("a commit waits for a replica", async || {
                self.cluster.primary().is_semi_sync().await.then_some(())
            })
            .await;
        }
    }

    /// Restored from nothing; the proxy does not reach it before it has caught up, as with a pod that is not ready.
    pub async fn bring_back(&mut self, number: usize, disk: Option<usize>) {
        self.lines[number].set(Line::Cut);
        self.cluster.rejoin_with(number, disk).await;
        self.lines[number].set(Line::Through);
    }

    /// One acknowledged write is there twice, another one not at all.
    pub async fn plant(&self, books: &[Book]) {
        let entries = books.iter().flat_map(|b| &b.entries);
        let mut writes = entries.filter(|e| e.class == Class::Write && e.told == Told::Done);
        let mut token = || writes.next().expect("two acknowledged writes").token.clone();
        let insert = format!("INSERT INTO test.log (token) VALUES ('{}')", token());
        let delete = format!("DELETE FROM test.log WHERE token = '{}'", token());
        self.cluster.primary().sql(&format!("{insert}; {delete}")).await;
    }

    /// Before the clients come.
    pub async fn prepare(&mut self, plan: &mut Plan) {
        if plan.fault != Fault::FullDisk {
            return;
        }
        if !has_own_disks() {
            report_skipped("a full disk", "needs root, for a file system of its own; the primary is killed");
            plan.fault = Fault::Killed;
            return;
        }
        // The next primary is one with a small disk.
        let small = plan.new;
        self.bring_back(small, Some(DISK_MIB)).await;
        self.cluster.switchover(small).await;
        self.settled().await;
        (plan.old, plan.new) = (small, plan.old);
    }
}

/// Room for the servers' own files and a little more; the rest is filled when the fault begins.
const DISK_MIB: usize = 600;

fn config(lines: &[Relay], sees: Sees) -> String {
    // A server is down after three intervals of silence, and a busy machine is silent at times.
    let interval = format!("password = \"monitor\"\ninterval = \"{}ms\"", number("PROBE_MS", 300));
    let text = config_without_servers().replace("\"primary\"", "\"split\"");
    let mut text = text.replace("password = \"monitor\"", &interval);
    let level = if sees == Sees::All { "strong" } else { "session" };
    let _ = write!(text, "\n[consistency]\nlevel = \"{level}\"\n");
    // Longer than all that happens to the servers may take on a slow machine.
    let commit = if number("LOOKED_UP", 0) == 0 { "unknown" } else { "looked_up" };
    let _ = write!(text, "\n[failover]\nhold = \"120s\"\ncommit = \"{commit}\"\n");
    text.push_str("\n[limits]\nqueue_timeout = \"120s\"\n");
    text.push_str("\n[discovery]\nkind = \"static\"\n");
    for (number, line) in lines.iter().enumerate() {
        let port = line.port();
        let _ =
            write!(text, "\n[[discovery.servers]]\nname = \"db-{number}\"\naddress = \"127.0.0.1:{port}\"\n");
    }
    text
}
