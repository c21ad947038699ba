//! Reads from a new primary's binary log which transactions it has beyond a known position of its
//! predecessor, and whether more of these can still arrive.

use std::collections::HashMap;

use super::asking::open;
use crate::backend::{QueryError, read_mark};
use crate::net::Runtime;
use crate::topology::{Flavor, Gtid, GtidSet, Server, Snapshot};
use crate::wire::BinlogEvent;
use crate::worker::Resources;

/// The most bytes of a binary log that are read.
const MOST: usize = 64 << 20;

/// Selects the server's position, and how many of its channels receive, or have not applied all that they
/// received.
const POSITION: &str = "SELECT @@global.gtid_executed, (SELECT COUNT(*) FROM \
    performance_schema.replication_connection_status WHERE SERVICE_STATE <> 'OFF' \
    OR NOT GTID_SUBSET(RECEIVED_TRANSACTION_SET, @@global.gtid_executed))";

/// See the module.
#[derive(Debug)]
pub struct SeenMarks {
    /// The marks in the binary log, and the GTIDs of their transactions.
    pub marks: HashMap<u128, Option<Gtid>>,
    /// True if the binary log showed every transaction that was asked for.
    all: bool,
    /// All GTIDs that the server has executed.
    pub executed: GtidSet,
    /// True if the server receives nothing, and has applied all that it received.
    pub settled: bool,
}

impl SeenMarks {
    /// Returns why a mark may be missing here although the server has its transaction; Ok if that cannot be.
    pub fn has_all(&self) -> Result<(), &'static str> {
        if !self.all {
            return Err("the new primary's binary log does not show all its transactions");
        }
        Ok(())
    }
}

/// The server could not be asked.
#[derive(Debug)]
pub struct Unreachable;

/// Asks the server for its position and reads its binary log. None: the server refuses.
pub async fn read<R: Runtime>(
    resources: &Resources<R>,
    snapshot: &Snapshot,
    server: &Server,
    excluded: &GtidSet,
) -> Result<Option<SeenMarks>, Unreachable> {
    let limit = resources.live.borrow().timeouts.connect;
    let Some(mut connection) = open(resources, server, snapshot).await else { return Err(Unreachable) };
    let refused = |error: QueryError| match error {
        QueryError::Io(_) => Err(Unreachable),
        error => {
            tracing::warn!(server = %server.name, %error, "a binary log cannot be read: what became of a COMMIT is unknown");
            Ok(None)
        }
    };
    let sets = match resources.runtime.timeout(limit, connection.query(POSITION)).await {
        Some(Ok(sets)) => sets,
        Some(Err(error)) => return refused(error),
        None => return Err(Unreachable),
    };
    let mut row = sets.into_iter().flat_map(|set| set.rows).flatten().map(Option::unwrap_or_default);
    let executed = row.next().and_then(|text| GtidSet::parse(Flavor::MySql, text).ok());
    let (Some(executed), settled) = (executed, row.next().is_some_and(|count| count == b"0")) else {
        return Ok(None);
    };
    let mut marks = HashMap::new();
    let (mut found, mut now, mut unread) = (GtidSet::empty(Flavor::MySql), None, false);
    let reading = connection.binlog(excluded, MOST, |event| match event {
        BinlogEvent::Gtid { source, number } => {
            let gtid = Gtid { source, number };
            found.add_one(gtid);
            now = Some(gtid);
        }
        BinlogEvent::Query { text } => match read_mark(text) {
            Some(Some(mark)) => {
                marks.insert(mark, now);
            }
            Some(None) => unread = true,
            None => {}
        },
        BinlogEvent::Unread => (now, unread) = (None, true),
        BinlogEvent::Format { .. } | BinlogEvent::Other => {}
    });
    let whole = match reading.await {
        Ok(whole) => whole,
        Err(error) => return refused(error),
    };
    let _ = resources.runtime.timeout(limit, connection.quit()).await;
    let all = whole && !unread && found.contains(&executed.subtract(excluded));
    Ok(Some(SeenMarks { marks, all, executed, settled }))
}
