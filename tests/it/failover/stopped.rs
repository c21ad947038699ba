//! A primary that is stopped in good order, as a pod that is deleted is: it tells statements under way that it is
//! shutting down, and MySQL takes its time.

use super::{answered, begin_after};
use crate::dialogue::writers::Writers;
use crate::dialogue::{refusal, refused, runs_on, value};
use crate::support::{Cluster, Kind, Proxy};
use mysql_async::prelude::Queryable;

pub async fn under_load(mut cluster: Cluster, proxy: Proxy) {
    let port = cluster.primary().port();
    // MySQL's SLEEP() answers 1 when it is interrupted, and no error.
    let write = |name: &str| -> &'static str {
        format!("INSERT INTO log SELECT CONCAT('{name}', SLEEP(600 * (@@port = {port})))").leak()
    };
    let writers = Writers::start(&proxy, 6).await;
    let waits: &str = format!("SELECT SLEEP(600 * (@@port = {port}))").leak();
    let read = begin_after(&proxy, &[], waits);
    let alone = begin_after(&proxy, &[], write("stopped-alone"));
    let inside =
        begin_after(&proxy, &["BEGIN", "INSERT INTO log VALUES ('stopped-before')"], write("stopped-inside"));
    for part in ["SELECT SLEEP", "stopped-alone", "stopped-inside"] {
        runs_on(&cluster, 0, part).await;
    }
    let began = tokio::time::Instant::now();
    cluster.primary_mut().end().await;
    cluster.promote(1).await;

    let (mut reader, result) = answered(read).await;
    result.expect("a read runs on the next primary");
    let (_, alone) = answered(alone).await;
    let (mut client, inside) = answered(inside).await;
    inside.expect("a transaction goes on there");
    // If the old primary answered it, it is not to be run elsewhere: it asked for `@@port`.
    let committed = match client.query_drop("COMMIT").await {
        Ok(()) => "1",
        error => {
            assert_eq!((refused(error).0, cluster.kind()), (1213, Kind::MySql));
            "0"
        }
    };
    let mut times = async |name: &str| {
        let ask = format!("SELECT COUNT(*) FROM test.log WHERE token LIKE '{name}%'");
        value(&mut reader, &ask).await.expect("who read goes on")
    };
    for name in ["stopped-before", "stopped-inside"] {
        assert_eq!(times(name).await, committed, "{name}");
    }
    match alone {
        Ok(()) => assert_eq!(times("stopped-alone").await, "1"),
        error => {
            assert_eq!(refusal(error).state, "08007");
            assert!(["0", "1"].contains(&&*times("stopped-alone").await));
        }
    }
    writers.each_wrote().await;
    writers.settle(cluster.primary(), began).await;
}
