//! `users.send_proxy_protocol`: servers that read PROXY headers know the client's address, and accounts with a host apply.

use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{eventually, patient, port_of, value, writer_is};
use crate::support::{Authority, Cluster, Proxy, proxy_config};
use mysql_async::{Conn, OptsBuilder};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream};

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Accounts for clients at `ELSEWHERE` only; the second one may do less.
const ACCOUNTS: &str = "CREATE USER shop@127.0.0.2 IDENTIFIED BY 'shop'; GRANT ALL ON test.* TO shop@127.0.0.2; \
                        CREATE USER shop@127.0.0.3 IDENTIFIED BY 'shop'; GRANT SELECT ON test.* TO shop@127.0.0.3";

/// Servers that accept headers from the proxy.
async fn cluster(replicas: usize) -> Cluster {
    let mut cluster = Cluster::mariadb(replicas).await;
    cluster.primary().sql(ACCOUNTS).await;
    cluster.wait_caught_up().await;
    for number in 0..=replicas {
        cluster.server_mut(number).restart_with(&["--proxy-protocol-networks=127.0.0.1".to_owned()]).await;
    }
    cluster
}

fn config(cluster: &Cluster) -> String {
    let user = "[[users]]\nname = \"shop\"\npassword = \"shop\"\nsend_proxy_protocol = true\n";
    format!("{}\n{user}", patient(&proxy_config(cluster)))
}

/// A client at this address.
async fn connect(from: Ipv4Addr, port: u16) -> Raw {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("an address of this host");
    let stream: TcpStream = socket.connect(SocketAddr::from((HERE, port))).await.expect("connect");
    stream.set_nodelay(true).expect("an option");
    Raw { stream }
}

async fn shop(from: Ipv4Addr, port: u16) -> Raw {
    let mut raw = connect(from, port).await;
    raw.login("shop", "shop").await.expect("login");
    raw
}

/// The one value of a statement's only row.
async fn ask(client: &mut Raw, sql: &str) -> String {
    let first = client.query(sql).await.expect("an answer");
    assert_eq!(first, [1], "{}", first.escape_ascii());
    let mut ends = 0;
    let mut found = String::new();
    while ends < 2 {
        let packet = client.read().await.expect("a packet").1;
        match packet.first() {
            Some(0xfe) => ends += 1,
            _ if ends == 1 => found = String::from_utf8_lossy(&packet[1..]).into_owned(),
            _ => {}
        }
    }
    found
}

#[tokio::test]
async fn a_server_knows_the_address_of_each_client() {
    let cluster = cluster(0).await;
    let proxy = Proxy::start(&config(&cluster)).await;
    let mut client = shop(ELSEWHERE, proxy.rw).await;
    assert_eq!(ask(&mut client, "SELECT CURRENT_USER()").await, "shop@127.0.0.2");
    assert_eq!(ask(&mut client, "SELECT USER()").await, "shop@127.0.0.2");
    let port = client.stream.local_addr().unwrap().port();
    let shown =
        cluster.server(0).value("SELECT HOST FROM information_schema.PROCESSLIST WHERE USER = 'shop'").await;
    assert_eq!(shown, format!("127.0.0.2:{port}"));
    // Another address is another account, on another connection.
    let mut less = shop(Ipv4Addr::new(127, 0, 0, 3), proxy.rw).await;
    assert_eq!(ask(&mut less, "SELECT CURRENT_USER()").await, "shop@127.0.0.3");
    let denied = less.query("CREATE TABLE test.t (a INT)").await.unwrap();
    assert_eq!(error_code(&denied), 1142, "{}", denied.escape_ascii());
    assert_eq!(error_code(&client.query("CREATE TABLE test.t (a INT)").await.unwrap()), 0);
    let (mine, other) = ("SELECT CONNECTION_ID()", "SELECT CONNECTION_ID()");
    let first = ask(&mut client, mine).await;
    assert_ne!(ask(&mut less, other).await, first);
    assert_eq!(ask(&mut client, mine).await, first, "the connection stays with its session");
    // No account is for the third address.
    let mut nobody = connect(HERE, proxy.rw).await;
    let refused = match nobody.login("shop", "shop").await {
        Err(error) => error.to_string(),
        Ok(_) => String::from_utf8_lossy(&nobody.query("DO 1").await.unwrap()).into_owned(),
    };
    assert!(refused.contains("Access denied for user 'shop'@'127.0.0.1'"), "{refused}");
    // Connections end with their sessions, and properly.
    drop((client, less));
    eventually("the server connections end", async || {
        let left = cluster
            .server(0)
            .value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'shop'");
        (left.await == "0").then_some(())
    })
    .await;
    let aborted =
        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Aborted_clients'";
    assert_eq!(cluster.server(0).value(aborted).await, "0");
    // Other users share connections as ever.
    let mut app = proxy.client().await.unwrap();
    assert_eq!(value(&mut app, "SELECT USER()").await.unwrap(), "app@127.0.0.1");
}

#[tokio::test]
async fn the_header_precedes_tls() {
    let authority = Authority::new("ca");
    let ((certificate, key), ca) = (authority.issue("server", "DNS:localhost"), authority.certificate());
    let files = [("cert", certificate), ("key", key), ("ca", ca)];
    let mut options = vec!["--proxy-protocol-networks=127.0.0.1".to_owned()];
    options.extend(files.map(|(what, path)| format!("--ssl-{what}={}", path.display())));
    let mut cluster = Cluster::mariadb(0).await;
    cluster.primary().sql(ACCOUNTS).await;
    cluster.server_mut(0).restart_with(&options).await;
    let proxy = Proxy::start(&format!("{}\n[servers_tls]\nmode = \"required\"\n", config(&cluster))).await;
    let mut client = shop(ELSEWHERE, proxy.rw).await;
    assert_eq!(ask(&mut client, "SELECT CURRENT_USER()").await, "shop@127.0.0.2");
    let version =
        "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_version'";
    assert!(ask(&mut client, version).await.starts_with("TLSv1."));
}

#[tokio::test]
async fn the_address_survives_a_change_of_the_primary() {
    let mut cluster = cluster(1).await;
    let proxy = Proxy::start(&config(&cluster)).await;
    writer_is(&proxy, 0).await;
    let mut client = shop(ELSEWHERE, proxy.rw).await;
    assert_eq!(error_code(&client.query("CREATE TABLE test.t (a INT)").await.unwrap()), 0);
    assert_eq!(ask(&mut client, "SELECT CURRENT_USER()").await, "shop@127.0.0.2");
    cluster.server_mut(0).kill();
    cluster.promote(1).await;
    writer_is(&proxy, 1).await;
    assert_eq!(error_code(&client.query("INSERT INTO test.t VALUES (1)").await.unwrap()), 0);
    assert_eq!(ask(&mut client, "SELECT CURRENT_USER()").await, "shop@127.0.0.2");
    assert_eq!(ask(&mut client, "SELECT @@port").await, cluster.server(1).port().to_string());
}

#[tokio::test]
async fn a_server_that_expects_no_header_says_which_setting_is_wrong() {
    let cluster = Cluster::mariadb(0).await;
    cluster.primary().sql("CREATE USER shop IDENTIFIED BY 'shop'; GRANT ALL ON test.* TO shop").await;
    let proxy = Proxy::start(&config(&cluster)).await;
    let opts = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(proxy.rw).prefer_socket(false);
    // The driver asks for variables at once.
    let error = Conn::new(opts.user(Some("shop")).pass(Some("shop"))).await.unwrap_err().to_string();
    assert!(error.contains("users.send_proxy_protocol is on for shop"), "{error}");
    assert!(error.contains("db-0") && error.contains("proxy_protocol_networks"), "{error}");
    let mut app = proxy.client().await.unwrap();
    assert_eq!(port_of(&mut app).await.unwrap(), cluster.server(0).port());
    // The check says so, too.
    let check = std::process::Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args(["check", "--connect", "--config"])
        .arg(proxy.config_path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(!check.status.success(), "{said}");
    assert!(
        said.contains("users \"shop\" cannot log in to db-0") && said.contains("send_proxy_protocol"),
        "{said}"
    );
}
