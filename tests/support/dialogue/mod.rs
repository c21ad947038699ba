//! What integration tests say to a running proxy, and how they hear what it answers. No
//! test waits a fixed time: `eventually` polls until a deadline that only a defect reaches.

pub mod raw;
pub mod writers;

use crate::support::{Cluster, Proxy, connect};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, ServerError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What only a defect, not a slow machine, reaches.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `look` finds what it looks for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The ERR packet that a statement must have got.
#[track_caller]
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> ServerError {
    match result {
        Err(Error::Server(error)) => error,
        other => panic!("not an ERR packet: {other:?}"),
    }
}

/// Its code and SQLSTATE.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    let error = refusal(result);
    (error.code, error.state)
}

/// The first row as texts; NULL is "NULL".
pub async fn row(client: &mut Conn, sql: &str) -> Result<Vec<String>, Error> {
    let row: Option<mysql_async::Row> = client.query_first(sql).await?;
    let values = row.map(mysql_async::Row::unwrap).unwrap_or_default();
    Ok(values.into_iter().map(|v| v.as_sql(true).trim_matches('\'').to_owned()).collect())
}

/// The first column of the first row.
pub async fn value(client: &mut Conn, sql: &str) -> Result<String, Error> {
    Ok(row(client, sql).await?.into_iter().next().unwrap_or_default())
}

/// The port of the server that answers.
pub async fn port_of(client: &mut Conn) -> Result<u16, Error> {
    let port = value(client, "SELECT @@port").await?;
    Ok(port.parse().expect("@@port is a number"))
}

/// `/topology` as JSON.
pub async fn topology(proxy: &Proxy) -> serde_json::Value {
    let (status, body) = proxy.get("/topology").await.expect("/topology");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("/topology is JSON")
}

/// Waits until `/topology` names this server as the writer. Returns the generation.
pub async fn writer_is(proxy: &Proxy, number: usize) -> u64 {
    let name = format!("db-{number}");
    eventually(&format!("{name} is the writer"), async || {
        let now = topology(proxy).await;
        (now["writer"] == name.as_str()).then(|| now["generation"].as_u64().expect("a generation"))
    })
    .await
}

/// Waits until that many servers serve reads; if they do not, says what they look like.
pub async fn readers_are(proxy: &Proxy, count: usize) {
    readers_are_within(PATIENCE, proxy, count).await;
}

/// The same where they may have much to apply before.
pub async fn readers_are_within(patience: Duration, proxy: &Proxy, count: usize) {
    let deadline = Instant::now() + patience;
    loop {
        let now = topology(proxy).await;
        let servers = now["servers"].as_array().expect("servers");
        let serving = servers.iter().filter(|s| s["serves_reads"] == true && s["role"] == "replica");
        if serving.count() == count {
            return;
        }
        let in_time = Instant::now() < deadline;
        assert!(in_time, "not within {patience:?}: {count} servers serve reads\n{now:#}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// One sample of `/metrics`, by its name and labels as they stand there.
pub async fn metric(proxy: &Proxy, sample: &str) -> f64 {
    let (_, body) = proxy.get("/metrics").await.expect("/metrics");
    let line = body.lines().find_map(|l| l.strip_prefix(sample)?.strip_prefix(' '));
    line.and_then(|v| v.trim().parse().ok()).unwrap_or_else(|| panic!("no {sample} in\n{body}"))
}

/// Waits until a probe of this server was answered that began after this call. There must be no clients that read, so that
/// the server gets no SELECT but those of the probes.
pub async fn probed(cluster: &Cluster, number: usize) {
    let mut root = connect(cluster.server(number).port(), "app", "app", "test").await.expect("a connection");
    let mut selects = async || {
        let row: Option<(String, u64)> =
            root.query_first("SHOW GLOBAL STATUS LIKE 'Com_select'").await.expect("a row");
        row.expect("the server counts").1
    };
    // A probe is one SELECT. The next one begins after this call, and once the third has begun it is answered and told.
    let third = selects().await + 3;
    eventually(&format!("a probe of db-{number} is answered"), async || {
        (selects().await >= third).then_some(())
    })
    .await;
}

/// Waits until a statement whose text contains `part` runs on that server.
pub async fn runs_on(cluster: &Cluster, number: usize, part: &str) {
    let ask = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{part}%' AND id <> CONNECTION_ID()"
    );
    eventually(&format!("a statement with {part} runs on server {number}"), async || {
        (cluster.server(number).value(&ask).await != "0").then_some(())
    })
    .await;
}

/// Probes that a busy machine does not take for failures: a server is down after 3 × 1 s of silence.
pub fn patient(config: &str) -> String {
    config.replace("password = \"monitor\"\n", "password = \"monitor\"\ninterval = \"1s\"\n")
}
