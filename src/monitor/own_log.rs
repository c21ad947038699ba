//! Where the binary log of a MariaDB server begins that was a replica and became the primary. With `log_slave_updates = OFF` a replica's
//! log is empty, so it begins with the server's first own write. The number of that write shows what the server had applied
//! before, also if an operator emptied its `gtid_slave_pos`.

use std::sync::Arc;

use super::client::ResultSet;
use crate::topology::{Facts, Flavor};

/// Without a name it shows the oldest log. Needs BINLOG MONITOR; without that right nobody knows where the log begins.
pub(super) const QUESTION: &str = "SHOW BINLOG EVENTS LIMIT 8";

/// What is known of the log of one server, on one connection.
#[derive(Debug, Default)]
pub(super) struct OwnLog {
    /// True if the server was seen as a replica whose log had no write of its own, and was not asked since.
    was_empty: bool,
    /// See `Facts::first_own`.
    first: Arc<str>,
}

impl OwnLog {
    /// Takes an answer. Returns true if the server is to be asked where its log begins.
    pub fn should_ask(&mut self, facts: &Facts) -> bool {
        if facts.flavor != Flavor::MariaDb {
            return false;
        }
        match &facts.replication {
            Some(replication) => {
                if replication.applying {
                    *self = OwnLog { was_empty: !has_own(facts), first: Arc::default() };
                }
                false
            }
            None => self.was_empty && facts.tells_replication && !facts.is_read_only() && has_own(facts),
        }
    }

    /// Takes the answer to the question; None: it was an error.
    pub fn answered(&mut self, sets: Option<&[ResultSet]>) {
        *self = OwnLog { was_empty: false, first: sets.and_then(first_write).unwrap_or_default().into() };
    }

    /// Returns the GTID of the first write; empty if it is unknown.
    pub fn first(&self) -> Arc<str> {
        self.first.clone()
    }
}

/// True if the log has a write of this server.
fn has_own(facts: &Facts) -> bool {
    let mut writes = facts.binlog_state.split(',').map(str::trim);
    writes.any(|gtid| gtid.split('-').nth(1) == Some(&*facts.identity))
}

/// Returns the first GTID of the log. None if something was before, which was purged, or if the answer is not understood.
fn first_write(sets: &[ResultSet]) -> Option<&str> {
    let set = sets.first()?;
    let column = |name: &str| set.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    let (kind, info) = (column("Event_type")?, column("Info")?);
    for row in &set.rows {
        let text = |at: usize| std::str::from_utf8(row.get(at)?.as_deref()?).ok();
        match (text(kind)?, text(info)?) {
            ("Format_desc" | "Binlog_checkpoint" | "Start_encryption", _) | ("Gtid_list", "[]") => {}
            ("Gtid", info) => {
                return info.strip_prefix("BEGIN ").unwrap_or(info).strip_prefix("GTID ")?.split(' ').next();
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::tests::snapshots::facts;
    use crate::topology::Replication;

    fn events(rows: &[(&str, &str)]) -> Vec<ResultSet> {
        let names = ["Log_name", "Pos", "Event_type", "Server_id", "End_log_pos", "Info"];
        let row = |(kind, info): &(&str, &str)| {
            ["binlog.000001", "4", kind, "11", "256", info]
                .map(|text| Some(text.as_bytes().to_vec()))
                .to_vec()
        };
        vec![ResultSet { columns: names.map(str::to_owned).to_vec(), rows: rows.iter().map(row).collect() }]
    }

    #[test]
    fn the_first_write_of_a_log_is_found_where_nothing_was_before_it() {
        let head = [
            ("Format_desc", "Server ver: 10.11"),
            ("Gtid_list", "[]"),
            ("Binlog_checkpoint", "binlog.000001"),
        ];
        let first =
            |more: &[(&str, &str)]| first_write(&events(&[&head[..], more].concat())).map(str::to_owned);
        assert_eq!(first(&[("Gtid", "GTID 0-11-71"), ("Query", "ALTER USER")]).as_deref(), Some("0-11-71"));
        assert_eq!(first(&[("Gtid", "BEGIN GTID 0-11-71 cid=9")]).as_deref(), Some("0-11-71"));
        assert_eq!(first(&[]), None);
        assert_eq!(first(&[("Query", "BEGIN"), ("Gtid", "GTID 0-11-71")]), None);
        let purged = [("Format_desc", ""), ("Gtid_list", "[0-11-70]"), ("Gtid", "GTID 0-11-71")];
        assert_eq!(first_write(&events(&purged)), None);
    }

    #[test]
    fn a_promoted_replica_is_asked_once() {
        let replication = Replication {
            receiving: true,
            applying: true,
            lag: None,
            source: Some("db-0:3306".into()),
            several: false,
        };
        let primary = |state: &str| Facts {
            flavor: Flavor::MariaDb,
            read_only: false,
            replication: None,
            tells_replication: true,
            identity: "11".into(),
            binlog_state: state.into(),
            ..facts()
        };
        let replica = |state: &str| Facts { replication: Some(replication.clone()), ..primary(state) };
        let mut log = OwnLog::default();
        assert!(!log.should_ask(&primary("0-11-71")), "nobody saw it as a replica");
        assert!(!log.should_ask(&replica("")));
        assert!(!log.should_ask(&primary("")), "it has not written yet");
        assert!(!log.should_ask(&Facts { read_only: true, ..primary("0-11-71") }));
        assert!(log.should_ask(&primary("0-10-3, 0-11-71")));
        log.answered(Some(&events(&[("Gtid_list", "[]"), ("Gtid", "GTID 0-11-71")])));
        assert_eq!(&*log.first(), "0-11-71");
        assert!(!log.should_ask(&primary("0-11-80")));
        assert_eq!(&*log.first(), "0-11-71");
        assert!(!log.should_ask(&replica("0-11-80")));
        assert_eq!(&*log.first(), "", "it is a replica again");
        assert!(!log.should_ask(&primary("0-11-90")), "it had writes of its own as a replica");
        log.should_ask(&replica("0-1-80"));
        assert!(log.should_ask(&primary("0-11-90")));
        log.answered(None);
        assert!(!log.should_ask(&primary("0-11-90")) && log.first().is_empty(), "the account may not ask");
    }
}
