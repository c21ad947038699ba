//! What happens to servers and network in a run, and what an operator does about it.

use super::check::Row;
use super::plan::{DELAY, FLAP, Fault, LATE, Plan};
use super::scene::{SERVERS, Scene};
use crate::dialogue::eventually;
use crate::support::{Direction, Line};
use mysql_async::prelude::Queryable;
use tokio::time::{Instant, sleep};

/// What a run came to, for the checker.
#[derive(Debug, Default)]
pub struct History {
    /// When a primary was lost, or changed.
    pub moments: Vec<Instant>,
    pub primaries: Vec<usize>,
    /// Of deposed primaries that could be asked.
    pub deposed: Vec<(usize, Vec<Row>)>,
}

impl History {
    fn now(&mut self) {
        self.moments.push(Instant::now());
    }
}

impl Scene {
    /// The fault, and all that belongs to it; in the end everything is in order again.
    pub async fn play(&mut self, plan: &Plan) -> History {
        let mut history = History { primaries: vec![plan.old], ..History::default() };
        sleep(plan.pauses[0]).await;
        match plan.fault {
            Fault::Killed | Fault::Delayed | Fault::KilledAndBack | Fault::KilledInCommit => {
                self.killed(plan, &mut history).await;
            }
            Fault::Stopped => self.stopped(plan, &mut history).await,
            Fault::Restarted => {
                self.kill_primary(&mut history);
                sleep(plan.pauses[1]).await;
                self.cluster.restart_primary().await;
            }
            Fault::Frozen | Fault::Paused => self.frozen(plan, &mut history).await,
            Fault::ApartFromProxy | Fault::ApartFromReplicas | Fault::Apart | Fault::OneWay => {
                self.apart(plan, &mut history).await;
            }
            Fault::Late => self.late(plan, &mut history).await,
            Fault::Torn => self.torn(plan, &mut history).await,
            Fault::FullDisk => self.full_disk(plan, &mut history).await,
            Fault::NoConnections => self.no_connections(plan, &mut history).await,
            Fault::TwoWritable => {
                self.promote(plan.new, &mut history).await;
                sleep(plan.pauses[1] + plan.pauses[2]).await;
                history.now();
            }
            Fault::Flapping => self.flapping(plan, &mut history).await,
            Fault::Planned => self.switch(plan.new, &mut history).await,
        }
        self.all_through();
        self.restore(plan, &mut history).await;
        history
    }

    fn kill_primary(&mut self, history: &mut History) {
        history.now();
        self.cluster.primary_mut().kill();
    }

    async fn promote(&mut self, new: usize, history: &mut History) {
        self.cluster.promote(new).await;
        history.primaries.push(new);
    }

    async fn switch(&mut self, new: usize, history: &mut History) {
        history.now();
        self.cluster.switchover(new).await;
        history.primaries.push(new);
    }

    /// Who is left out replicates again; its rows are asked for before.
    async fn restore(&mut self, plan: &Plan, history: &mut History) {
        let old = plan.old;
        let left_out = old != self.cluster.primary_number() && plan.fault != Fault::Planned;
        if !left_out || (plan.fault == Fault::Flapping && !plan.promotes) {
            return;
        }
        if self.cluster.server(old).is_running()
            && let Some(rows) = self.rows_of(old, plan.seed).await
        {
            history.deposed.push((old, rows));
        }
        self.bring_back(old, None).await;
    }

    /// All rows of a run that a server has, committed or not: a commit that waits for a replica shows to nobody else.
    pub async fn rows_of(&self, number: usize, run: u64) -> Option<Vec<Row>> {
        let mut all = Vec::new();
        for (table, name) in ["log", "pair"].into_iter().enumerate() {
            let ask = format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; \
                 SELECT token, server, at FROM test.{name} WHERE token LIKE 'r{run}-%'"
            );
            let rows = self.cluster.server(number).try_sql(&ask).await.ok()?;
            all.extend(rows.into_iter().map(|row| {
                let text = |column: usize| row[column].clone().unwrap_or_default();
                let server = text(1).parse().unwrap_or(usize::MAX);
                Row { token: text(0), table, server, at: text(2) }
            }));
        }
        Some(all)
    }

    async fn killed(&mut self, plan: &Plan, history: &mut History) {
        if plan.fault == Fault::KilledInCommit {
            self.set_replication(plan.old, Line::Held(Direction::Both));
            sleep(plan.pauses[2]).await;
        }
        self.kill_primary(history);
        sleep(if plan.fault == Fault::Delayed { DELAY } else { plan.pauses[1] }).await;
        self.promote(plan.new, history).await;
        if plan.fault == Fault::KilledAndBack {
            sleep(plan.pauses[2]).await;
            self.cluster.server_mut(plan.old).restart().await;
            sleep(plan.pauses[1]).await;
        }
    }

    /// In good order a primary waits for its replicas, which are at work, and for its clients.
    async fn stopped(&mut self, plan: &Plan, history: &mut History) {
        history.now();
        self.cluster.primary().tell_to_end();
        if !plan.promotes {
            self.cluster.primary_mut().end().await;
        }
        sleep(plan.pauses[1]).await;
        self.promote(plan.new, history).await;
        self.cluster.server_mut(plan.old).end().await;
    }

    async fn frozen(&mut self, plan: &Plan, history: &mut History) {
        history.now();
        match plan.holds {
            true => self.lines[plan.old].set(Line::Held(Direction::Both)),
            false => self.cluster.primary().freeze(),
        }
        if plan.fault == Fault::Frozen {
            sleep(FLAP).await;
            self.promote(plan.new, history).await;
            sleep(plan.pauses[2]).await;
        } else {
            sleep(plan.pause).await;
        }
        match plan.holds {
            true => self.lines[plan.old].set(Line::Through),
            false => self.cluster.server(plan.old).thaw(),
        }
        sleep(plan.pauses[2]).await;
    }

    async fn apart(&mut self, plan: &Plan, history: &mut History) {
        let line = if plan.fault == Fault::OneWay { plan.one_way() } else { plan.line };
        if plan.fault != Fault::ApartFromReplicas {
            self.lines[plan.old].set(line);
        }
        if matches!(plan.fault, Fault::ApartFromReplicas | Fault::Apart) {
            self.set_replication(plan.old, plan.line);
        }
        history.now();
        sleep(plan.pauses[1]).await;
        if plan.promotes {
            self.promote(plan.new, history).await;
            sleep(plan.pauses[2]).await;
        }
        self.all_through();
        sleep(plan.pauses[2]).await;
    }

    async fn late(&mut self, plan: &Plan, history: &mut History) {
        self.lines[plan.old].set(LATE);
        self.lines[plan.new].set(LATE);
        sleep(FLAP).await;
        if plan.promotes {
            self.kill_primary(history);
            sleep(plan.pauses[1]).await;
            self.promote(plan.new, history).await;
            sleep(FLAP).await;
        }
    }

    async fn torn(&mut self, plan: &Plan, history: &mut History) {
        for bytes in plan.torn {
            history.now();
            for line in &self.lines {
                line.set(Line::Torn(bytes));
            }
            sleep(plan.pauses[1]).await;
            self.all_through();
            sleep(plan.pauses[2]).await;
        }
    }

    async fn full_disk(&mut self, plan: &Plan, history: &mut History) {
        self.cluster.primary().fill_disk();
        sleep(FLAP + plan.pauses[1]).await;
        self.kill_primary(history);
        self.promote(plan.new, history).await;
    }

    /// As many connections as it takes, also of others.
    async fn no_connections(&mut self, plan: &Plan, history: &mut History) {
        let new = self.cluster.server(plan.new);
        let mut others = Vec::new();
        for _ in 0..12 {
            others.push(crate::support::connect(new.port(), "app", "app", "test").await.expect("a login"));
        }
        new.close_doors().await;
        self.kill_primary(history);
        sleep(plan.pauses[1]).await;
        // Its replicas cannot follow while it is full.
        self.cluster.gather(plan.new).await;
        self.cluster.take_over(plan.new).await;
        history.primaries.push(plan.new);
        sleep(FLAP + plan.pauses[2]).await;
        self.cluster.primary().open_doors().await;
        for mut conn in others {
            let _ = conn.query_drop("DO 0").await;
        }
        self.cluster.others_follow(plan.old).await;
    }

    async fn flapping(&mut self, plan: &Plan, history: &mut History) {
        for _ in 0..2 {
            if plan.promotes {
                self.switch(plan.new, history).await;
                sleep(FLAP).await;
                self.switch(plan.old, history).await;
                sleep(FLAP).await;
            } else {
                history.now();
                self.lines[plan.old].set(plan.line);
                sleep(FLAP).await;
                self.lines[plan.old].set(Line::Through);
                sleep(FLAP).await;
            }
        }
    }

    /// All rows of a run on the primary of now.
    pub async fn rows(&self, run: u64) -> Vec<Row> {
        let primary = self.cluster.primary_number();
        eventually("the rows of the run", async || self.rows_of(primary, run).await).await
    }

    /// All replicas have what the primary has, and as many rows: what one of them lost would be missed later.
    pub async fn replicas_agree(&self, run: u64) -> Vec<String> {
        self.cluster.wait_caught_up().await;
        let here = self.rows(run).await.len();
        let mut wrong = Vec::new();
        for number in 0..SERVERS {
            let there = self.rows_of(number, run).await.map_or(0, |rows| rows.len());
            if there != here {
                wrong.push(format!("db-{number} has {there} rows of the run, the primary {here}"));
            }
        }
        wrong
    }
}
