//! Accounts that only the servers know: no `[[users]]`, on MariaDB and MySQL.

use crate::dialogue::{eventually, patient, value, writer_is};
use crate::support::{Cluster, Kind, Proxy, Scratch, connect, proxy_config};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use std::path::Path;
use std::process::Command;

/// The configuration without `[[users]]`, and with this in `[credentials]`.
fn config(cluster: &Cluster, credentials: &str) -> String {
    let text = patient(&proxy_config(cluster));
    let (before, users) = text.split_once("[[users]]").unwrap();
    let (_, behind) = users.split_once("[discovery]").unwrap();
    format!("{before}\n[credentials]\n{credentials}\n[discovery]{behind}")
}

async fn clusters(replicas: usize) -> Vec<Cluster> {
    let mut all = vec![Cluster::mariadb(replicas).await];
    all.extend(Cluster::mysql(replicas).await);
    all
}

async fn current_user(port: u16, user: &str, password: &str) -> Result<String, (u16, String)> {
    let asking = async {
        let mut client = connect(port, user, password, "").await?;
        let user = value(&mut client, "SELECT CURRENT_USER()").await?;
        client.disconnect().await?;
        Ok(user)
    };
    asking.await.map_err(|error| match error {
        mysql_async::Error::Server(error) => (error.code, error.message),
        error => panic!("{user}: {error}"),
    })
}

async fn code(port: u16, user: &str, password: &str) -> u16 {
    current_user(port, user, password).await.map_or_else(|(code, _)| code, |_| 0)
}

/// The plugin of most accounts, for the texts of tests.
fn default_plugin(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "mysql_native_password",
        Kind::MySql => "caching_sha2_password",
    }
}

#[tokio::test]
async fn a_password_of_the_servers_is_enough_from_its_first_second_to_its_last() {
    for cluster in clusters(0).await {
        let kind = cluster.kind();
        let (primary, proxy) = (cluster.primary(), Proxy::start(&config(&cluster, "")).await);
        assert_eq!(current_user(proxy.rw, "app", "app").await.unwrap(), "app@%", "{kind:?}");
        assert_eq!(code(proxy.rw, "app", "wrong").await, 1045);
        assert_eq!(code(proxy.rw, "app", "").await, 1045);
        assert_eq!(code(proxy.rw, "nobody", "app").await, 1045);

        // The first login of an account that was just created.
        primary.sql("CREATE USER late@'%' IDENTIFIED BY 'one'").await;
        assert_eq!(current_user(proxy.rw, "late", "one").await.unwrap(), "late@%", "{kind:?}");
        primary.sql("ALTER USER late@'%' IDENTIFIED BY 'two'").await;
        assert_eq!(current_user(proxy.rw, "late", "two").await.unwrap(), "late@%", "{kind:?}");
        primary.sql("CREATE USER bare@'%' IDENTIFIED BY ''").await;
        assert_eq!(code(proxy.rw, "bare", "wrong").await, 1045);
        primary.sql("DROP USER bare@'%'").await;
        primary.sql("CREATE USER open@'%' IDENTIFIED BY ''").await;
        assert_eq!(current_user(proxy.rw, "open", "").await.unwrap(), "open@%", "{kind:?}");
        primary.sql("ALTER USER open@'%' IDENTIFIED BY 'x'").await;
        assert_eq!(current_user(proxy.rw, "open", "x").await.unwrap(), "open@%", "{kind:?}");
        primary.sql("ALTER USER open@'%' IDENTIFIED BY ''").await;
        assert_eq!(current_user(proxy.rw, "open", "").await.unwrap(), "open@%", "{kind:?}");
        eventually("the old password is refused", async || {
            (code(proxy.rw, "late", "one").await == 1045).then_some(())
        })
        .await;
        assert_eq!(current_user(proxy.rw, "late", "two").await.unwrap(), "late@%", "{kind:?}");

        primary.sql("DROP USER late@'%'").await;
        eventually("a dropped account is refused", async || {
            (code(proxy.rw, "late", "two").await == 1045).then_some(())
        })
        .await;
        let log = proxy.log();
        let plugin = default_plugin(kind);
        for secret in ["IDENTIFIED", "'two'", "$A$005"] {
            assert!(!log.contains(secret), "{plugin}: {log}");
        }
        // A double SHA-1: a star and 40 hexadecimal digits. The log names grants ON *.*, too.
        let is_hash = |rest: &str| rest.chars().take(8).filter(char::is_ascii_hexdigit).count() == 8;
        assert!(!log.split('*').skip(1).any(is_hash), "{plugin}: {log}");
    }
}

#[tokio::test]
async fn anonymous_accounts_let_in_whom_servers_let_in() {
    for cluster in clusters(0).await {
        let (kind, primary) = (cluster.kind(), cluster.primary());
        let proxy = Proxy::start(&config(&cluster, "")).await;
        assert_eq!(code(proxy.rw, "anybody", "").await, 1045, "{kind:?}");
        primary
            .sql("CREATE USER ''@'%' IDENTIFIED BY ''; CREATE USER ''@'127.0.0.2' IDENTIFIED BY 'two'")
            .await;
        for (user, password) in
            [("anybody", ""), ("anybody", "x"), ("somebody", ""), ("app", "app"), ("app", ""), ("", "")]
        {
            let directly = current_user(primary.port(), user, password).await;
            let through = current_user(proxy.rw, user, password).await;
            assert_eq!(through, directly, "{kind:?}: {user}, {password}");
        }
        // Of all names, what only this one has set.
        let mut one = connect(proxy.rw, "anybody", "", "").await.expect("a login");
        let mut other = connect(proxy.rw, "somebody", "", "").await.expect("a login");
        one.query_drop("SET @a = 7").await.expect("a variable");
        assert_eq!(value(&mut other, "SELECT @a IS NULL").await.expect("a value"), "1");
        assert!(value(&mut other, "SELECT USER()").await.expect("a name").starts_with("somebody@"));
        primary.sql("DROP USER ''@'%'").await;
        eventually("nobody is let in any more", async || {
            (code(proxy.rw, "anybody", "").await == 1045).then_some(())
        })
        .await;
        assert_eq!(code(proxy.rw, "app", "app").await, 0, "{kind:?}");
    }
}

#[tokio::test]
async fn what_bars_an_account_on_the_servers_bars_it_here() {
    for cluster in clusters(0).await {
        let kind = cluster.kind();
        let primary = cluster.primary();
        primary.sql("CREATE USER locked@'%' IDENTIFIED BY 'x' ACCOUNT LOCK").await;
        primary.sql("CREATE USER expired@'%' IDENTIFIED BY 'x' PASSWORD EXPIRE").await;
        primary.sql("CREATE USER open@'%' IDENTIFIED BY ''").await;
        primary.sql("CREATE USER away@'10.9.%' IDENTIFIED BY 'x'").await;
        primary.sql("CREATE USER safe@'%' IDENTIFIED BY 'x' REQUIRE SSL").await;
        primary.sql("CREATE USER certified@'%' IDENTIFIED BY 'x' REQUIRE X509").await;
        let proxy = Proxy::start(&config(&cluster, "")).await;
        for (user, password) in [
            ("locked", "x"),
            ("locked", "y"),
            ("expired", "y"),
            ("open", ""),
            ("open", "x"),
            ("safe", "x"),
            ("certified", "x"),
        ] {
            let direct = code(primary.port(), user, password).await;
            assert_eq!(code(proxy.rw, user, password).await, direct, "{kind:?} {user} {password:?}");
        }
        // Directly MySQL may ask for a plugin that the driver lacks: an account that is not for this host does not exist.
        assert_eq!(code(proxy.rw, "away", "x").await, 1045);
        // MySQL closes the connection, MariaDB answers every statement so.
        let expired = code(proxy.rw, "expired", "x").await;
        assert_eq!(expired, if kind == Kind::MySql { 1862 } else { 1820 });
        let text = current_user(proxy.rw, "locked", "x").await.unwrap_err().1;
        assert!(text.contains("locked"), "{text}");
    }
}

#[tokio::test]
async fn every_plugin_with_a_password_works() {
    for cluster in clusters(1).await {
        let (kind, primary) = (cluster.kind(), cluster.primary());
        let accounts = match kind {
            Kind::MariaDb => {
                for server in cluster.servers() {
                    server.sql("INSTALL SONAME 'auth_ed25519'").await;
                }
                vec![
                    ("native", "IDENTIFIED VIA mysql_native_password USING PASSWORD('é')"),
                    ("signer", "IDENTIFIED VIA ed25519 USING PASSWORD('é')"),
                    ("either", "IDENTIFIED VIA unix_socket OR ed25519 USING PASSWORD('é')"),
                ]
            }
            Kind::MySql => vec![
                ("caching", "IDENTIFIED WITH caching_sha2_password BY 'é'"),
                ("hashed", "IDENTIFIED WITH sha256_password BY 'é'"),
            ],
        };
        for (user, how) in &accounts {
            primary.sql(&format!("CREATE USER {user}@'%' {how}; GRANT SELECT ON test.* TO {user}@'%'")).await;
        }
        cluster.wait_caught_up().await;
        let proxy = Proxy::start(&config(&cluster, "")).await;
        for (user, how) in &accounts {
            for port in [proxy.rw, proxy.ro] {
                assert_eq!(code(port, user, "wrong").await, 1045, "{how}");
                for _ in 0..2 {
                    assert_eq!(current_user(port, user, "é").await.unwrap(), format!("{user}@%"), "{how}");
                }
            }
        }
    }
}

#[tokio::test]
async fn without_the_tables_a_server_is_asked() {
    for cluster in clusters(0).await {
        let (kind, primary) = (cluster.kind(), cluster.primary());
        let table = if kind == Kind::MySql { "mysql.user" } else { "mysql.global_priv" };
        primary.sql(&format!("REVOKE SELECT ON {table} FROM monitor@'%'")).await;
        let proxy = Proxy::start(&config(&cluster, "")).await;
        assert_eq!(current_user(proxy.rw, "app", "app").await.unwrap(), "app@%", "{kind:?}");
        assert_eq!(code(proxy.rw, "app", "wrong").await, 1045);
        assert_eq!(code(proxy.rw, "nobody", "app").await, 1045);
        primary.sql("ALTER USER app@'%' IDENTIFIED BY 'two'").await;
        assert_eq!(current_user(proxy.rw, "app", "two").await.unwrap(), "app@%", "{kind:?}");
        assert_eq!(code(proxy.rw, "app", "app").await, 1045, "{kind:?}");
        proxy.told(&format!("GRANT SELECT ON {table} TO 'monitor'@'%'")).await;
    }
}

#[tokio::test]
async fn sources_that_are_not_named_are_not_asked() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = Proxy::start(&config(&cluster, "sources = [\"accounts\"]")).await;
    assert_eq!(current_user(proxy.rw, "app", "app").await.unwrap(), "app@%");
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    cluster.primary().sql("CREATE USER late@'%' IDENTIFIED BY 'x'").await;
    assert_eq!(current_user(proxy.rw, "app", "app").await.unwrap(), "app@%");
    assert_eq!(code(proxy.rw, "late", "x").await, 1045);
}

#[tokio::test]
async fn settings_of_a_user_need_no_password() {
    let cluster = Cluster::mariadb(0).await;
    let text = config(&cluster, "") + "\n[[users]]\nname = \"app\"\nfrom = [\"10.0.0.0/8\"]\n";
    let proxy = Proxy::start(&text).await;
    assert_eq!(code(proxy.rw, "app", "app").await, 1045);
    assert_eq!(current_user(proxy.rw, "super", "super").await.unwrap(), "super@%");
    proxy.write_config(&text.replace("10.0.0.0/8", "127.0.0.0/8"));
    eventually("the new networks count", async || (code(proxy.rw, "app", "app").await == 0).then_some(()))
        .await;
}

#[tokio::test]
async fn sessions_of_the_servers_accounts_share_connections_and_survive_a_change_of_the_primary() {
    let mut cluster = Cluster::mariadb(1).await;
    let proxy = Proxy::start(&config(&cluster, "")).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(connect(proxy.rw, "app", "app", "test").await.unwrap());
    }
    for client in &mut clients {
        client.query_drop("DO 1").await.unwrap();
    }
    cluster.switchover(1).await;
    writer_is(&proxy, 1).await;
    for client in &mut clients {
        client.query_drop("DO 1").await.unwrap();
    }
    // With a changed password, sessions go on that have a server connection.
    for client in &mut clients {
        client.query_drop("BEGIN").await.unwrap();
        client.query_drop("DO 1").await.unwrap();
    }
    cluster.primary().sql("ALTER USER app@'%' IDENTIFIED BY 'two'").await;
    assert_eq!(current_user(proxy.rw, "app", "two").await.unwrap(), "app@%");
    for client in &mut clients {
        client.query_drop("DO 1").await.unwrap();
        client.query_drop("COMMIT").await.unwrap();
    }
}

/// A server on a unix socket sees the proxy's user of the operating system, not the client's.
#[tokio::test]
async fn no_password_is_right_because_the_server_knows_the_proxys_user() {
    let (cluster, me) = (Cluster::mariadb(0).await, os_user());
    let primary = cluster.primary();
    let how = format!("unix_socket AS '{me}' OR ed25519 USING PASSWORD('right')");
    primary.sql("INSTALL SONAME 'auth_ed25519'").await;
    primary.sql(&format!("CREATE USER 'either'@'%' IDENTIFIED VIA {how}")).await;
    primary.sql("CREATE USER 'plain'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('right')").await;
    for sources in ["sources = [\"learned\"]", ""] {
        let text = config(&cluster, sources);
        let address = format!("127.0.0.1:{}", primary.port());
        let text = text.replace(&address, &format!("unix:{}", primary.socket().display()));
        let proxy = Proxy::start(&text).await;
        assert_eq!(code(proxy.rw, "either", "any").await, 1045, "{sources}");
        assert_eq!(code(proxy.rw, "plain", "any").await, 1045, "{sources}");
        assert_eq!(current_user(proxy.rw, "plain", "right").await.unwrap(), "plain@%", "{sources}");
    }
}

/// What `SELECT CURRENT_USER()` says on a unix socket, or the error's code.
async fn on_socket(socket: &Path, user: &str, password: Option<&str>) -> Result<String, u16> {
    let options = OptsBuilder::default().socket(socket.to_str()).user(Some(user)).pass(password);
    let asking = async {
        let mut client = Conn::new(options).await?;
        value(&mut client, "SELECT CURRENT_USER()").await
    };
    asking.await.map_err(|error| match error {
        mysql_async::Error::Server(error) => error.code,
        error => panic!("{user}: {error}"),
    })
}

/// The user of the operating system that runs the tests.
fn os_user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_right_user_of_the_operating_system_needs_no_password_on_a_unix_socket() {
    let (cluster, me) = (Cluster::mariadb(0).await, os_user());
    let primary = cluster.primary();
    for (user, how) in [
        ("either", format!("unix_socket AS '{me}' OR mysql_native_password USING PASSWORD('x')")),
        ("other", "unix_socket AS 'nobody' OR mysql_native_password USING PASSWORD('x')".to_owned()),
        ("only", format!("unix_socket AS '{me}'")),
    ] {
        primary.sql(&format!("CREATE USER {user}@'%' IDENTIFIED VIA {how}")).await;
    }
    let folder = Scratch::new("sock");
    let socket = folder.path().join("rw");
    let text = config(&cluster, "")
        + &format!(
            "\n[[listeners]]\nname = \"file\"\naddress = \"unix:{}\"\nmode = \"primary\"\n",
            socket.display()
        )
        + &format!("\n[[users]]\nname = \"app\"\npassword = \"app\"\nunix_user = \"{me}\"\n")
        + "\n[[users]]\nname = \"super\"\npassword = \"super\"\nunix_user = \"nobody\"\n";
    let proxy = Proxy::start(&text).await;
    let login = async |user, password| on_socket(&socket, user, password).await;

    assert_eq!(login("app", None).await.as_deref(), Ok("app@%"));
    assert_eq!(login("app", Some("wrong")).await.as_deref(), Ok("app@%"));
    assert_eq!(login("super", None).await, Err(1045));
    assert_eq!(login("super", Some("super")).await.as_deref(), Ok("super@%"));
    assert_eq!(code(proxy.rw, "app", "").await, 1045);

    assert_eq!(login("either", None).await, Err(1045), "nobody has told the password yet");
    assert_eq!(current_user(proxy.rw, "either", "x").await.unwrap(), "either@%");
    assert_eq!(current_user(proxy.rw, "other", "x").await.unwrap(), "other@%");
    for _ in 0..4 {
        assert_eq!(login("either", None).await.as_deref(), Ok("either@%"), "whichever worker it is");
    }
    assert_eq!(login("other", None).await, Err(1045));
    assert_eq!(code(proxy.rw, "either", "").await, 1045);

    assert_eq!(login("only", None).await, Err(1698));
    assert_eq!((code(proxy.rw, "only", "").await, code(proxy.rw, "only", "x").await), (1045, 1045));

    // A real client's idea of it.
    let client = |user| {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--batch", "--skip-column-names", "-e", "SELECT CURRENT_USER()"]);
        client.arg("--socket").arg(&socket).args(["--user", user]).output().expect("the client mariadb")
    };
    for user in ["app", "either"] {
        let output = client(user);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{user}@%\n"), "{output:?}");
    }
    let output = client("only");
    assert!(String::from_utf8_lossy(&output.stderr).contains("ERROR 1698"), "{output:?}");
}
