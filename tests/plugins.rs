//! Accounts on real servers with authentication plugins beside the servers' own defaults: they log in through the proxy
//! with the password of `[[users]]`, and their connections serve other sessions behind a reset.

use crate::dialogue::{patient, readers_are, refused, value};
use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;

/// Longer than a seed of Ed25519, and of more than ASCII.
const PASSWORD: &str = "a password with more than 32 bytes, é";
/// The words of the warning that an unverified server got a password.
const WARNING: &str = "the server asked for the password of this account and got it";

/// The configuration with this account, one server connection, and these lines in `[servers_tls]`.
fn config(cluster: &Cluster, user: &str, servers_tls: &str) -> String {
    format!(
        "workers = 1\n{}\n[limits]\nmax_server_connections = 1\n[servers_tls]\n{servers_tls}\n\
         [[users]]\nname = \"{user}\"\npassword = \"{PASSWORD}\"\n",
        patient(&proxy_config(cluster))
    )
}

/// The ids of the primary's connections of this account.
async fn connections(cluster: &Cluster, user: &str) -> String {
    let ids = "SELECT GROUP_CONCAT(id ORDER BY id) FROM information_schema.processlist WHERE user = ";
    cluster.primary().value(&format!("{ids}'{user}'")).await
}

/// The account logs in with its password only, writes, and its connection goes to the next session behind a reset.
async fn serves(cluster: &Cluster, proxy: &Proxy, user: &str) {
    assert_eq!(refused(connect(proxy.rw, user, "wrong", "test").await).0, 1045);
    let mut first = connect(proxy.rw, user, PASSWORD, "test").await.unwrap();
    first.query_drop("INSERT INTO t VALUES (7)").await.unwrap();
    first.query_drop("SET @mine = 1").await.unwrap();
    assert_eq!(value(&mut first, "SELECT @mine + COUNT(*) FROM t WHERE v = 7").await.unwrap(), "2");
    let used = connections(cluster, user).await;
    assert!(used.parse::<u64>().is_ok(), "one connection: {used}");
    first.disconnect().await.unwrap();

    let mut second = connect(proxy.rw, user, PASSWORD, "test").await.unwrap();
    assert_eq!(value(&mut second, "SELECT @mine").await.unwrap(), "NULL");
    second.query_drop("DELETE FROM t WHERE v = 7").await.unwrap();
    assert_eq!(connections(cluster, user).await, used, "the same connection");
}

#[tokio::test]
async fn ed25519_accounts_of_mariadb_including_the_monitors() {
    let cluster = Cluster::mariadb(1).await;
    for server in cluster.servers() {
        server.sql("INSTALL SONAME 'auth_ed25519'").await;
    }
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.t (v INT)").await;
    primary.sql("ALTER USER monitor@'%' IDENTIFIED VIA ed25519 USING PASSWORD('monitor')").await;
    for (user, plugins) in [
        ("signer", format!("ed25519 USING PASSWORD('{PASSWORD}')")),
        // MariaDB asks for one plugin after the other.
        (
            "either",
            format!("ed25519 USING PASSWORD('x') OR mysql_native_password USING PASSWORD('{PASSWORD}')"),
        ),
        (
            "other",
            format!("mysql_native_password USING PASSWORD('x') OR ed25519 USING PASSWORD('{PASSWORD}')"),
        ),
    ] {
        primary.sql(&format!("CREATE USER {user}@'%' IDENTIFIED VIA {plugins}")).await;
        primary.sql(&format!("GRANT ALL ON test.* TO {user}@'%'")).await;
    }
    cluster.wait_caught_up().await;
    for user in ["signer", "either", "other"] {
        let proxy = Proxy::start(&config(&cluster, user, "")).await;
        serves(&cluster, &proxy, user).await;
        readers_are(&proxy, 1).await;
        let mut reader = connect(proxy.ro, user, PASSWORD, "test").await.unwrap();
        assert_eq!(value(&mut reader, "SELECT @@read_only").await.unwrap(), "1");
        assert!(!proxy.log().contains(WARNING), "{}", proxy.log());
    }
}

#[tokio::test]
async fn a_password_that_is_not_the_accounts_is_the_servers_refusal() {
    let cluster = Cluster::mariadb(0).await;
    cluster.primary().sql("INSTALL SONAME 'auth_ed25519'; CREATE TABLE test.t (v INT)").await;
    cluster.primary().sql("CREATE USER signer@'%' IDENTIFIED VIA ed25519 USING PASSWORD('rotated')").await;
    let proxy = Proxy::start(&config(&cluster, "signer", "")).await;
    let error = match connect(proxy.rw, "signer", PASSWORD, "").await {
        Ok(mut client) => client.query_drop("SELECT 1 FROM test.t").await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.to_string().contains("signer"), "{error}");
}

#[tokio::test]
async fn sha256_accounts_of_mysql() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.t (v INT)").await;
    primary.sql(&format!("CREATE USER hashed@'%' IDENTIFIED WITH sha256_password BY '{PASSWORD}'")).await;
    primary.sql("GRANT ALL ON test.* TO hashed@'%'").await;
    let data = primary.value("SELECT @@datadir").await;
    let verified = format!("mode = \"verify_ca\"\nca_file = \"{data}ca.pem\"");
    for (servers_tls, warning) in [
        ("mode = \"disabled\"", Some("with the RSA key that the server itself sent")),
        ("mode = \"required\"", Some("over TLS with a certificate that nobody verified")),
        (&*verified, None),
    ] {
        let proxy = Proxy::start(&config(&cluster, "hashed", servers_tls)).await;
        serves(&cluster, &proxy, "hashed").await;
        let log = proxy.log();
        match warning {
            Some(how) => assert!(log.contains(WARNING) && log.contains(how), "{servers_tls}: {log}"),
            None => assert!(!log.contains(WARNING), "{servers_tls}: {log}"),
        }
        assert!(!log.contains(PASSWORD), "{log}");
    }
    // Over a unix socket the server wants the cipher, and the proxy warns of nobody.
    let address = format!("address = \"127.0.0.1:{}\"", primary.port());
    let socket = format!("address = \"unix:{}\"", primary.value("SELECT @@socket").await);
    let proxy = Proxy::start(&config(&cluster, "hashed", "").replace(&address, &socket)).await;
    serves(&cluster, &proxy, "hashed").await;
    assert!(!proxy.log().contains(WARNING), "{}", proxy.log());
}
