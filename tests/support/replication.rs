//! The replication statements of both servers, as an operator would type them.

use super::node::{Kind, Node};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(60);
/// With half a transaction received, MySQL waits a minute for the other half.
const STOP_REPLICA: &str = "STOP REPLICA";

impl Node {
    /// Replicates from the server on `port`, from where this one stands.
    pub async fn follow(&self, port: u16) {
        match self.kind {
            Kind::MariaDb => {
                // A former primary has its own writes in the binary log only, not in gtid_slave_pos.
                self.sql("STOP SLAVE").await;
                self.sql("SET GLOBAL gtid_slave_pos = @@gtid_current_pos").await;
                self.sql(&format!(
                    "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='repl', \
                     MASTER_PASSWORD='repl', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos"
                ))
                .await;
                self.sql("START SLAVE").await;
            }
            Kind::MySql => {
                self.slow_sql(STOP_REPLICA).await;
                self.sql(&format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='repl', \
                     SOURCE_PASSWORD='repl', SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=86400, \
                     SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1"
                ))
                .await;
                self.sql("START REPLICA").await;
            }
        }
    }

    /// Waits until the receiver is connected and the applier runs.
    pub async fn wait_replicating(&self) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let receiver = self.replica_status("_IO_Running").await;
            let applier = self.replica_status("_SQL_Running").await;
            if receiver == "Yes" && applier == "Yes" {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "port {} does not replicate: receiver {receiver}, applier {applier}: {} {}",
                self.port(),
                self.replica_status("Last_IO_Error").await,
                self.replica_status("Last_SQL_Error").await
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// One column of SHOW REPLICA STATUS, by the end of its name; empty when there is none.
    pub async fn replica_status(&self, column: &str) -> String {
        let statement = match self.kind {
            Kind::MariaDb => "SHOW SLAVE STATUS",
            Kind::MySql => "SHOW REPLICA STATUS",
        };
        let rows = self.named_row(statement).await;
        rows.into_iter().find(|(name, _)| name.ends_with(column)).map(|(_, value)| value).unwrap_or_default()
    }

    /// What it has executed, in its own notation.
    pub async fn gtid(&self) -> String {
        match self.kind {
            Kind::MariaDb => self.value("SELECT @@gtid_current_pos").await,
            Kind::MySql => self.value("SELECT @@gtid_executed").await,
        }
        .replace('\n', "")
    }

    /// Waits until it has executed `position`.
    pub async fn wait_for(&self, position: &str) {
        if position.is_empty() {
            return;
        }
        let wait = match self.kind {
            Kind::MariaDb => format!("SELECT MASTER_GTID_WAIT('{position}', 15)"),
            Kind::MySql => format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', 15)"),
        };
        let mut answer = self.value(&wait).await;
        for _ in 0..11 {
            // One that was restored has all to replay.
            if answer != "0" {
                answer = self.value(&wait).await;
            }
        }
        assert_eq!(
            answer,
            "0",
            "port {} did not reach {position} in three minutes; it has {}: {}",
            self.port(),
            self.gtid().await,
            self.replica_status("Last_SQL_Error").await
        );
    }

    /// Stops receiving, and applies all that was received. Returns its position.
    pub(super) async fn apply_received(&self) -> String {
        let (stop, received) = match self.kind {
            Kind::MariaDb => ("STOP SLAVE IO_THREAD", "Gtid_IO_Pos"),
            Kind::MySql => ("STOP REPLICA IO_THREAD", "Retrieved_Gtid_Set"),
        };
        self.sql(stop).await;
        let received = self.replica_status(received).await.replace('\n', "");
        self.wait_for(&received).await;
        self.gtid().await
    }

    /// Whether it has executed all of `position`, without waiting.
    pub(super) async fn has(&self, position: &str) -> bool {
        let ask = match self.kind {
            Kind::MariaDb => format!("SELECT MASTER_GTID_WAIT('{position}', 0.01) = 0"),
            Kind::MySql => format!("SELECT GTID_SUBSET('{position}', @@gtid_executed)"),
        };
        position.is_empty() || self.value(&ask).await == "1"
    }

    /// Ends replication and forgets the source.
    pub(super) async fn stop_following(&self) {
        match self.kind {
            Kind::MariaDb => drop(self.sql("STOP SLAVE; RESET SLAVE ALL").await),
            Kind::MySql => {
                self.slow_sql(STOP_REPLICA).await;
                self.sql("RESET REPLICA ALL").await;
            }
        }
    }

    /// A primary that must not acknowledges nothing that no replica has; a former one may, and waits for none.
    pub async fn acknowledge_alone(&self, may: bool) {
        let (timeout, wait) = if may { (100, "OFF") } else { (600_000, "ON") };
        let (role, replica) = match self.kind {
            Kind::MariaDb => ("master", "slave"),
            Kind::MySql => ("source", "replica"),
        };
        self.sql(&format!(
            "SET GLOBAL rpl_semi_sync_{role}_timeout = {timeout}, GLOBAL rpl_semi_sync_{role}_wait_no_{replica} = {wait}"
        ))
        .await;
    }

    /// Semi-sync as a whole.
    pub(super) async fn wait_for_replicas(&self, on: bool) {
        let role = match self.kind {
            Kind::MariaDb => "master",
            Kind::MySql => "source",
        };
        self.sql(&format!("SET GLOBAL rpl_semi_sync_{role}_enabled = {}", u8::from(on))).await;
    }

    /// Whether a commit waits for a replica now: not after one that took too long, until a replica has caught up.
    pub async fn is_semi_sync(&self) -> bool {
        let role = match self.kind {
            Kind::MariaDb => "master",
            Kind::MySql => "source",
        };
        let rows = self.sql(&format!("SHOW STATUS LIKE 'Rpl_semi_sync_{role}_status'")).await;
        rows.first().and_then(|row| row.get(1)?.as_deref()) == Some("ON")
    }

    /// Sets read_only (and super_read_only on MySQL), running statements finished.
    pub async fn set_read_only(&mut self, on: bool) {
        let statement = match (self.kind, on) {
            (Kind::MariaDb, true) => "SET GLOBAL read_only = 1",
            (Kind::MariaDb, false) => "SET GLOBAL read_only = 0",
            (Kind::MySql, true) => "SET GLOBAL super_read_only = 1",
            (Kind::MySql, false) => "SET GLOBAL read_only = 0",
        };
        self.sql(statement).await;
        self.role = match on {
            true => super::Role::Replica,
            false => super::Role::Primary,
        };
    }
}
