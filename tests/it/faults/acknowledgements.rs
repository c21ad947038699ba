//! What MariaDB does not get over by itself, with or without a proxy: semi-synchronous commits whose acknowledgements were
//! lost with their connections. A replica that comes back by GTID does not say again what it has, a later commit would tell
//! it, but with two groups of commits waiting nothing more gets into the binary log: the second one holds its lock. That
//! ends with `rpl_semi_sync_master_timeout`, which is long where nothing may be acknowledged that no replica has.

use crate::support::{Kind, Line, connect};
use mysql_async::prelude::Queryable;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Longer than a replica on a busy machine takes to acknowledge.
const TOO_LONG: Duration = Duration::from_secs(10);

/// Lets such commits go, on whichever of these servers they wait, once a replica of it has them. Ends with its owner.
///
/// While a link between servers is cut or held, nothing is let go: what waits in line behind these commits is acknowledged
/// at once, too, and must reach the replica that has the others, or a promotion loses it.
#[must_use]
pub fn let_go(kind: Kind, ports: Vec<u16>, links: Vec<watch::Receiver<Line>>) -> JoinSet<()> {
    let mut beside = JoinSet::new();
    if kind == Kind::MariaDb {
        beside.spawn(async move {
            loop {
                sleep(TOO_LONG / 5).await;
                if links.iter().any(|link| !matches!(*link.borrow(), Line::Through)) {
                    continue;
                }
                for port in &ports {
                    // A server that is gone or frozen is asked again.
                    if let Ok(Ok(true)) = timeout(TOO_LONG, let_one_go(*port, &ports)).await {
                        eprintln!("port {port}: commits were let go whose acknowledgements were lost");
                    }
                }
            }
        });
    }
    beside
}

async fn let_one_go(port: u16, ports: &[u16]) -> mysql_async::Result<bool> {
    let mut primary = connect(port, "super", "super", "test").await?;
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for semi-sync ACK%' \
                   AND time_ms >= ";
    let waiting: Option<usize> = primary.query_first(format!("{waiting}{}", TOO_LONG.as_millis())).await?;
    if waiting == Some(0) {
        return Ok(false);
    }
    let own: Option<(Option<String>, u32)> =
        primary.query_first("SELECT @@gtid_binlog_pos, @@server_id").await?;
    let Some((Some(written), id)) = own else { return Ok(false) };
    for other in ports.iter().filter(|other| **other != port) {
        if received(*other, id).await.ok().flatten().as_ref() == Some(&written) {
            primary
                .query_drop("SET GLOBAL rpl_semi_sync_master_enabled = 0; SET GLOBAL rpl_semi_sync_master_enabled = 1")
                .await?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// How far it has received from this source, if it is connected to that.
async fn received(port: u16, source: u32) -> mysql_async::Result<Option<String>> {
    let mut replica = connect(port, "super", "super", "test").await?;
    let row: Option<mysql_async::Row> = replica.query_first("SHOW SLAVE STATUS").await?;
    let column = |name: &str| row.as_ref().and_then(|row| row.get::<Option<String>, _>(name).flatten());
    let follows = column("Slave_IO_Running").as_deref() == Some("Yes")
        && column("Master_Server_Id") == Some(source.to_string());
    Ok(column("Gtid_IO_Pos").filter(|_| follows))
}
