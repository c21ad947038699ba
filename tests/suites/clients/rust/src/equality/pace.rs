//! Waits until replicas have all that the primary has, and counts what they serve.

use std::io;
use std::time::Duration;

use super::decode::{Event, events};
use crate::blocking::{Client, Endpoint};
use crate::model::answer::{self, Shape};

/// One statement whose rows are wanted; an error is an error here.
pub fn ask(client: &mut Client, sql: &str) -> io::Result<Vec<Vec<Option<String>>>> {
    client.command(&[&[3], sql.as_bytes()].concat())?;
    let answer = answer::read(client, Shape::Results, &[])?;
    let mut rows = Vec::new();
    for event in events(&answer, false, &[]) {
        match event {
            Event::Err { message, .. } => return Err(io::Error::other(format!("{sql}: {message}"))),
            Event::Table { rows: more, .. } => rows.extend(more),
            _ => {}
        }
    }
    Ok(rows)
}

fn first(rows: Vec<Vec<Option<String>>>) -> String {
    rows.into_iter().flatten().next().flatten().unwrap_or_default()
}

/// The primary and the replicas behind the proxy.
pub struct Pace {
    mariadb: bool,
    primary: Client,
    replicas: Vec<Client>,
    /// How long the proxy may need to learn what a replica has.
    settle: Duration,
    /// Pauses in one file: with more, a long one would hold up all others.
    pub most: usize,
}

impl Pace {
    pub fn new(
        mariadb: bool,
        primary: &Endpoint,
        replicas: &[Endpoint],
        settle: Duration,
        most: usize,
    ) -> io::Result<Pace> {
        let replicas = replicas.iter().map(|at| Client::connect(at, 0)).collect::<io::Result<_>>()?;
        Ok(Pace { mariadb, primary: Client::connect(primary, 0)?, replicas, settle, most })
    }

    /// Waits until the replicas have all that is committed, and then, to `settle`, until the proxy knows.
    pub fn catch_up(&mut self, settle: bool) -> io::Result<()> {
        let (position, wait) = if self.mariadb {
            ("SELECT @@gtid_binlog_pos", "MASTER_GTID_WAIT")
        } else {
            ("SELECT @@gtid_executed", "WAIT_FOR_EXECUTED_GTID_SET")
        };
        let position = first(ask(&mut self.primary, position)?);
        for replica in &mut self.replicas {
            let reached = first(ask(replica, &format!("SELECT {wait}('{position}', 20)"))?);
            if reached != "0" {
                return Err(io::Error::other(format!("a replica did not reach {position} in 20 s")));
            }
        }
        if settle {
            std::thread::park_timeout(self.settle);
        }
        Ok(())
    }

    /// The replicas note every statement, so that what the proxy sent them can be counted.
    pub fn log(&mut self) -> io::Result<()> {
        for replica in &mut self.replicas {
            ask(replica, "SET GLOBAL log_output = 'TABLE'")?;
            ask(replica, "SET GLOBAL general_log = 1")?;
        }
        Ok(())
    }

    /// Queries of the corpus' account that the replicas have executed, by the servers' own logs.
    pub fn reads_served(&mut self) -> io::Result<u64> {
        let sql = "SELECT COUNT(*) FROM mysql.general_log WHERE user_host LIKE 'app[%' AND command_type IN ('Query', 'Execute') \
                   AND CONVERT(argument USING utf8mb4) REGEXP '^[[:space:](]*(/[*][^*]*[*]/)?[[:space:]]*(SELECT|WITH|TABLE|VALUES)'";
        let mut sum = 0;
        for replica in &mut self.replicas {
            sum += first(ask(replica, sql)?).parse::<u64>().map_err(|e| io::Error::other(e.to_string()))?;
        }
        Ok(sum)
    }
}
