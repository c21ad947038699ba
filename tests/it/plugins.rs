//! Accounts on real servers with authentication plugins beside the servers' own defaults: they log in through the proxy
//! with the password of `[[users]]`, and their connections serve other sessions behind a reset.

use crate::dialogue::{patient, readers_are, refused, value};
use crate::support::{Cluster, Proxy, connect, proxy_config, report_skipped};
use mysql_async::prelude::Queryable;
use std::process::Command;

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

/// Runs MariaDB's command-line client with these options, as its own plugin says. Returns what it printed, or its error.
fn signing_client(port: u16, user: &str, password: &str, options: &[&str]) -> Result<String, String> {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "-h127.0.0.1", "-N", "-B", "--default-auth=client_ed25519"]);
    client.args(["-P", &port.to_string(), "-u", user, &format!("-p{password}")]).args(options);
    let output = client.args(["-e", "SELECT CURRENT_USER()"]).output().expect("the client mariadb");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn a_client_that_names_ed25519_signs() {
    let cluster = Cluster::mariadb(0).await;
    let primary = cluster.primary();
    primary.sql("INSTALL SONAME 'auth_ed25519'").await;
    primary.sql(&format!("CREATE USER signer@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')")).await;
    if let Err(error) = signing_client(primary.port(), "signer", PASSWORD, &[]) {
        return report_skipped("a client that signs", &error);
    }
    primary.sql("CREATE USER listed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x')").await;
    let text = config(&cluster, "signer", "").replace("sources = [\"configuration\"]", "");
    let proxy = Proxy::start(&format!("{text}\n[log]\nlevel = \"info,pointsman::session=debug\"\n")).await;
    let signed = || proxy.log().matches("the client is asked to sign").count();
    for (user, password) in [("signer", PASSWORD), ("app", "app")] {
        for tls in ["--skip-ssl", "--ssl"] {
            let before = signed();
            assert_eq!(signing_client(proxy.rw, user, password, &[tls]), Ok(format!("{user}@%")), "{tls}");
            assert_eq!(signed(), before + 1, "{}", proxy.log());
            let refused = signing_client(proxy.rw, user, "wrong", &[tls]).unwrap_err();
            let denied = format!(
                "ERROR 1045 (28000): Access denied for user '{user}'@'127.0.0.1' (using password: YES)"
            );
            assert!(refused.ends_with(&denied), "{refused}");
            assert_eq!(signed(), before + 2);
        }
    }
    // Only a server can check this password, so the proxy has to ask for it, also when it has learned it.
    let before = signed();
    for _ in 0..2 {
        assert_eq!(signing_client(proxy.rw, "listed", "x", &["--ssl"]), Ok("listed@%".to_owned()));
        assert!(signing_client(proxy.rw, "listed", "wrong", &["--ssl"]).unwrap_err().contains("ERROR 1045"));
    }
    assert_eq!(signed(), before);
}
