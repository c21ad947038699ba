//! The statements on real servers, through an independent client. Ignored unless asked for:
//! `POINTSMAN_PROBE_PRIMARY=host:port POINTSMAN_PROBE_REPLICA=host:port cargo test real -- --ignored`,
//! with the accounts monitor/monitor and super/super. It moves the role there and back.

use std::time::SystemTime;

use mysql_async::prelude::{Query, Queryable};
use mysql_async::{Conn, OptsBuilder};
use tokio::time::timeout;

use super::*;
use crate::topology::{Facts, Flavor, Replication};

struct Real;

struct RealLink(Conn, Greeting);

fn error(error: mysql_async::Error) -> Error {
    match error {
        mysql_async::Error::Server(e) => Error::Server { code: e.code, message: e.message },
        other => Error::Lost(other.to_string()),
    }
}

impl Connector for Real {
    type Connection = RealLink;

    async fn connect(&self, target: &Target) -> Result<RealLink, Error> {
        let (host, port) = target.address.rsplit_once(':').unwrap();
        let opts = OptsBuilder::default()
            .ip_or_hostname(host)
            .tcp_port(port.parse().unwrap())
            .user(Some(&*target.user))
            .pass(Some(target.password.expose()))
            .prefer_socket(false);
        let mut conn = Conn::new(opts).await.map_err(error)?;
        let version: String = "SELECT version()".first(&mut conn).await.map_err(error)?.unwrap();
        Ok(RealLink(conn, Greeting { version: version.into(), capabilities: 0, collation: 45 }))
    }
}

impl Connection for RealLink {
    fn greeting(&self) -> &Greeting {
        &self.1
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<ResultSet>, Error> {
        let mut answer = self.0.query_iter(sql).await.map_err(error)?;
        let mut sets = Vec::new();
        while let Some(columns) = answer.columns() {
            let columns = columns.iter().map(|c| c.name_str().into_owned()).collect();
            let rows: Vec<mysql_async::Row> = answer.collect().await.map_err(error)?;
            let text = |value| match value {
                mysql_async::Value::Bytes(bytes) => Some(bytes),
                _ => None,
            };
            let rows = rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect();
            sets.push(ResultSet { columns, rows });
        }
        drop(answer);
        // The client keeps an ERR packet of a later result for the next command.
        self.0.ping().await.map_err(error)?;
        Ok(sets)
    }
}

/// One probe as `user`.
async fn ask(address: &str, user: &str, with_replication: bool) -> Result<Facts, Error> {
    let target =
        Target { name: "db".into(), address: address.into(), user: user.into(), password: Secret::new(user) };
    let mut link = Real.connect(&target).await?;
    let sql = statement::text(statement::flavor(link.greeting()), with_replication);
    let began = SystemTime::now();
    let sets = link.query(sql).await?;
    statement::facts(link.greeting(), &sets, began.elapsed().unwrap())
}

async fn run(address: &str, sql: &str) {
    let target = Target {
        name: "db".into(),
        address: address.into(),
        user: "super".into(),
        password: Secret::new("super"),
    };
    Real.connect(&target).await.unwrap().query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

async fn until(address: &str, what: impl Fn(&Facts) -> bool) -> Facts {
    let wait = async {
        loop {
            let facts = ask(address, "monitor", true).await.unwrap();
            if what(&facts) {
                return facts;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(15), wait).await.unwrap_or_else(|_| panic!("{address} never came there"))
}

fn replication(facts: &Facts) -> &Replication {
    facts.replication.as_ref().expect("a replica")
}

#[tokio::test]
#[ignore = "needs POINTSMAN_PROBE_PRIMARY and POINTSMAN_PROBE_REPLICA"]
async fn real_servers_tell_their_state() {
    let [primary, replica] =
        ["POINTSMAN_PROBE_PRIMARY", "POINTSMAN_PROBE_REPLICA"].map(|v| std::env::var(v).unwrap());
    let (primary, replica) = (&*primary, &*replica);

    let facts = ask(primary, "monitor", true).await.unwrap();
    assert_eq!((facts.is_read_only(), &facts.replication), (false, &None));
    let is_mysql = facts.flavor == Flavor::MySql;
    assert!(!facts.identity.is_empty());

    let facts =
        until(replica, |f| replication(f).receiving && replication(f).lag == Some(Duration::ZERO)).await;
    assert!(facts.read_only && replication(&facts).applying);
    assert_eq!(facts.super_read_only, is_mysql);
    assert_eq!(replication(&facts).source.as_deref(), Some(primary));

    // A write arrives, and the positions are the same.
    run(primary, "CREATE TABLE IF NOT EXISTS test.probe (i INT)").await;
    run(primary, "INSERT INTO test.probe VALUES (1)").await;
    let written = ask(primary, "monitor", true).await.unwrap().gtid;
    assert!(!written.is_empty());
    until(replica, |f| f.gtid == written).await;

    // An account without the privilege is told so in a way that the probe understands.
    let denied = ask(replica, "app", true).await.unwrap_err();
    assert!(statement::is_missing_privilege(&denied), "{denied}");
    assert_eq!(ask(replica, "app", false).await.unwrap().replication, None);

    // Behind, broken, stopped.
    let (stop_io, stop, go) = if is_mysql {
        ("STOP REPLICA IO_THREAD", "STOP REPLICA SQL_THREAD", "START REPLICA")
    } else {
        ("STOP SLAVE IO_THREAD", "STOP SLAVE SQL_THREAD", "START SLAVE")
    };
    run(replica, stop_io).await;
    let facts = until(replica, |f| !replication(f).receiving).await;
    assert_eq!((replication(&facts).applying, replication(&facts).lag), (true, None));
    run(replica, stop).await;
    until(replica, |f| !replication(f).applying).await;
    run(replica, go).await;
    until(replica, |f| replication(f).receiving && replication(f).applying).await;
}
