//! What happens to replication, replicas and primaries while sessions read.

use super::load::Load;
use super::scene::{SERVERS, Scene};
use crate::support::{Direction, Kind, Line, Node};
use std::time::Duration;
use tokio::time::sleep;

/// Where a large transaction goes.
pub const BULK: &str = "CREATE TABLE test.bulk (id BIGINT AUTO_INCREMENT PRIMARY KEY, text CHAR(100)); \
                        INSERT INTO test.bulk (text) VALUES (REPEAT('x', 100))";
/// Its rows: a replica needs about a second for them.
const BULK_ROWS: usize = 1 << 16;

/// Once in so many reads.
const BULK_EVERY: usize = 4000;

/// Other than the natural lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    Nothing,
    /// Replicas apply everything one second late.
    OneLate,
    BothLate,
    /// One is late, and the other one is killed and comes back.
    LateLeft,
    /// Replicas receive and do not apply.
    OneStopped,
    BothStopped,
    /// A transaction that a replica needs long for.
    SlowApply,
    /// A replica receives nothing, and does not notice.
    Unheard,
    /// A replica stands still, and goes on.
    Frozen,
    /// A replica is killed, and comes back.
    Restarted,
    /// The primary changes, there and back.
    Switchover,
    /// The same, while one proxy serves only reads, so that nothing but its own probes tells it.
    Unnoticed,
    /// The primary stands still, is replaced, and goes on, still writable.
    Deposed,
    /// The primary is killed and replaced.
    Crash,
}

/// In an order that leaves the servers as they were for as long as possible.
pub const TROUBLES: [Trouble; 13] = [
    Trouble::Nothing,
    Trouble::OneLate,
    Trouble::BothLate,
    Trouble::LateLeft,
    Trouble::OneStopped,
    Trouble::BothStopped,
    Trouble::SlowApply,
    Trouble::Unheard,
    Trouble::Frozen,
    Trouble::Restarted,
    Trouble::Switchover,
    Trouble::Unnoticed,
    Trouble::Crash,
];

impl Trouble {
    /// Statements through the proxies get no errors.
    pub fn is_silent(self) -> bool {
        use Trouble::{Crash, Deposed, Frozen, LateLeft, Restarted};
        !matches!(self, LateLeft | Frozen | Restarted | Deposed | Crash)
    }
}

impl Trouble {
    pub fn changes_primary(self) -> bool {
        use Trouble::{Crash, Deposed, Switchover, Unnoticed};
        matches!(self, Switchover | Unnoticed | Deposed | Crash)
    }

    /// The servers are not the same afterwards.
    pub fn is_last(self) -> bool {
        matches!(self, Trouble::Deposed | Trouble::Crash)
    }
}

impl Node {
    async fn applier(&self, what: &str) {
        let word = if self.kind() == Kind::MariaDb { "SLAVE" } else { "REPLICA" };
        self.sql(&format!("{what} {word} SQL_THREAD")).await;
    }

    /// How much later than the primary it applies everything.
    pub async fn set_delay(&self, seconds: u8) {
        match self.kind() {
            Kind::MariaDb => {
                // Only while it receives nothing, either.
                self.sql("STOP SLAVE").await;
                self.sql(&format!("CHANGE MASTER TO MASTER_DELAY = {seconds}")).await;
                self.sql("START SLAVE").await;
            }
            Kind::MySql => {
                self.applier("STOP").await;
                self.sql(&format!("CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {seconds}")).await;
                self.applier("START").await;
            }
        }
        self.wait_replicating().await;
    }
}

impl Scene {
    /// The trouble, until so many reads were answered; in the end everything is in order again, but for what comes
    /// last in `TROUBLES`.
    pub async fn play(&mut self, trouble: Trouble, load: &Load, reads: usize) {
        let replicas: Vec<_> = (0..SERVERS).filter(|n| *n != self.cluster.primary_number()).collect();
        match trouble {
            Trouble::Nothing => load.more(reads).await,
            Trouble::OneLate => self.late(&replicas[..1], load, reads).await,
            Trouble::BothLate => self.late(&replicas, load, reads).await,
            Trouble::LateLeft => {
                self.cluster.server(replicas[0]).set_delay(1).await;
                load.more(reads / 3).await;
                self.restarted(replicas[1], load, reads / 3).await;
                self.cluster.server(replicas[0]).set_delay(0).await;
            }
            Trouble::OneStopped => self.stopped(&replicas[..1], load, reads).await,
            Trouble::BothStopped => self.stopped(&replicas, load, reads).await,
            Trouble::SlowApply => {
                for done in (0..reads).step_by(BULK_EVERY) {
                    bulk(self.cluster.primary()).await;
                    load.more(BULK_EVERY.min(reads - done)).await;
                }
            }
            Trouble::Unheard => {
                let way = (replicas[0], self.cluster.primary_number());
                self.replication[&way].set(Line::Held(Direction::Both));
                load.more(reads).await;
                self.replication[&way].set(Line::Through);
            }
            Trouble::Frozen => {
                self.cluster.server(replicas[0]).freeze();
                sleep(Duration::from_millis(1200)).await;
                load.more(reads / 2).await;
                self.cluster.server(replicas[0]).thaw();
                load.more(reads / 2).await;
            }
            Trouble::Restarted => self.restarted(replicas[0], load, reads / 2).await,
            Trouble::Switchover | Trouble::Unnoticed => {
                let old = self.cluster.primary_number();
                for new in [replicas[0], old] {
                    self.cluster.switchover(new).await;
                    self.primary_changed();
                    self.writer_known().await;
                    load.more(reads / 2).await;
                }
            }
            Trouble::Deposed => {
                let old = self.cluster.primary_number();
                self.cluster.primary().freeze();
                sleep(Duration::from_millis(300)).await;
                self.replaced(replicas[0]).await;
                load.more(reads / 2).await;
                self.cluster.server(old).thaw();
                load.more(reads / 2).await;
            }
            Trouble::Crash => {
                self.cluster.primary_mut().kill();
                sleep(Duration::from_millis(300)).await;
                self.replaced(replicas[0]).await;
                load.more(reads).await;
            }
        }
    }

    async fn late(&self, replicas: &[usize], load: &Load, reads: usize) {
        for number in replicas {
            self.cluster.server(*number).set_delay(1).await;
        }
        load.more(reads).await;
        for number in replicas {
            self.cluster.server(*number).set_delay(0).await;
        }
        load.more(reads / 10).await;
    }

    async fn restarted(&mut self, number: usize, load: &Load, reads: usize) {
        self.cluster.server_mut(number).kill();
        load.more(reads).await;
        self.cluster.server_mut(number).restart().await;
        load.more(reads).await;
        self.cluster.server(number).wait_replicating().await;
    }

    async fn stopped(&self, replicas: &[usize], load: &Load, reads: usize) {
        for number in replicas {
            self.cluster.server(*number).applier("STOP").await;
        }
        load.more(reads).await;
        for number in replicas {
            self.cluster.server(*number).applier("START").await;
        }
        load.more(reads / 10).await;
    }

    async fn replaced(&mut self, new: usize) {
        self.cluster.promote(new).await;
        self.primary_changed();
        self.writer_known().await;
    }
}

/// A large transaction on the primary.
pub async fn bulk(primary: &Node) {
    let rows: usize = primary.value("SELECT COUNT(*) FROM test.bulk").await.parse().expect("a number");
    if rows < BULK_ROWS {
        let double = "INSERT INTO test.bulk (text) SELECT text FROM test.bulk;";
        primary.sql(&double.repeat((BULK_ROWS / rows).ilog2() as usize)).await;
    }
    primary.sql("UPDATE test.bulk SET text = REPEAT(CHAR(65 + FLOOR(RAND() * 26)), 100)").await;
}
