//! Unix sockets on both legs.

use super::alone;
use crate::dialogue::{refused, value};
use crate::support::{Cluster, Kind, Proxy, Scratch};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

#[tokio::test]
async fn mariadb_over_unix_sockets() {
    over_unix_sockets(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_over_unix_sockets() {
    if let Some(cluster) = Cluster::mysql(0).await {
        over_unix_sockets(cluster).await;
    }
}

async fn over_unix_sockets(cluster: Cluster) {
    let config = alone(&cluster).await;
    let folder = Scratch::new("sock");
    let listener = folder.path().join("rw");
    let server = cluster.primary().value("SELECT @@socket").await;
    let port = cluster.primary().port();
    let config = config
        .replace(&format!("address = \"127.0.0.1:{port}\""), &format!("address = \"unix:{server}\""))
        .replace("address = \"127.0.0.1:{rw}\"", &format!("address = \"unix:{}\"", listener.display()));
    // What a proxy that was killed left behind is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&listener).unwrap());
    let proxy = Proxy::start(&config).await;
    let connect = async |password: &str| {
        let options = OptsBuilder::default().socket(listener.to_str()).user(Some("app"));
        Conn::new(options.pass(Some(password)).db_name(Some("test"))).await
    };
    let mut client = connect("app").await.unwrap();
    client.query_drop("INSERT INTO t VALUES (2)").await.unwrap();
    assert_eq!(value(&mut client, "SELECT COUNT(*) FROM t").await.unwrap(), "2");
    // The server saw a connection without a port.
    let host = "SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID()";
    let host = value(&mut client, host).await.unwrap();
    assert_eq!(host, "localhost", "{}", if cluster.kind() == Kind::MySql { "mysql" } else { "mariadb" });
    assert_eq!(refused(connect("wrong").await).0, 1045);
    let mut reader = proxy.reader().await.expect("TCP on the other port");
    assert_eq!(value(&mut reader, "SELECT COUNT(*) FROM t").await.unwrap(), "2");
}
