//! Logins with several factors on MySQL 9.7, by MySQL's own client: what the client gets through the proxy is what it gets
//! from the server. No authenticator is here, so that the second factor begins and does not end well.

use crate::dialogue::patient;
use crate::support::{Cluster, Proxy, proxy_config, report_skipped};
use std::path::Path;
use std::process::{Command, Stdio};

/// A key that nobody has, of the server's account, in place of one that a registration would leave.
const REGISTERED: &str = "UPDATE mysql.user SET User_attributes = JSON_SET(User_attributes, \
    '$.multi_factor_authentication[0].requires_registration', 0, \
    '$.multi_factor_authentication[0].authentication_string', TO_BASE64(REPEAT('k', 80))) WHERE User = 'two'; \
    FLUSH PRIVILEGES";

/// The configuration without `[[users]]`, and with this in `[credentials]`.
fn config(cluster: &Cluster, credentials: &str) -> String {
    let text = patient(&proxy_config(cluster));
    let (before, users) = text.split_once("[[users]]").unwrap();
    let (_, behind) = users.split_once("[discovery]").unwrap();
    format!("{before}\n[credentials]\n{credentials}\n[discovery]{behind}")
}

/// MySQL's own client, with its plugins.
struct OwnClient {
    program: String,
    plugins: String,
}

impl OwnClient {
    /// Returns all that it prints for this statement.
    async fn says(&self, port: u16, password: &str, sql: &str) -> String {
        let mut command = Command::new(&self.program);
        command.args(["--no-defaults", "-h127.0.0.1", "-utwo", "-N", "-B"]);
        command.arg(format!("-P{port}")).arg(format!("-p{password}"));
        command.arg(format!("--plugin-dir={}", self.plugins)).args(["-e", sql]).stdin(Stdio::null());
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        said.lines().filter(|line| !line.contains("Warning")).collect::<Vec<_>>().join("\n")
    }
}

#[tokio::test]
async fn the_client_gets_the_servers_second_factor() {
    let Some(mut cluster) = Cluster::mysql(0).await else { return };
    let options = [
        "--authentication-policy=*,*,",
        "--plugin-load-add=authentication_webauthn.so",
        "--loose-authentication-webauthn-rp-id=pointsman.test",
    ];
    cluster.primary_mut().restart_with(&options.map(str::to_owned)).await;
    let primary = cluster.primary();
    let (base, plugins) =
        (primary.value("SELECT @@basedir").await, primary.value("SELECT @@plugin_dir").await);
    let client = OwnClient { program: format!("{base}../bin/mysql"), plugins };
    let sql = "SELECT COUNT(*) FROM information_schema.plugins \
               WHERE plugin_name = 'authentication_webauthn' AND plugin_status = 'ACTIVE'";
    if primary.value(sql).await != "1" || !Path::new(&client.program).exists() {
        return report_skipped("factors", "this MySQL has no authentication_webauthn");
    }
    let with = "IDENTIFIED WITH caching_sha2_password BY 'one' AND IDENTIFIED WITH authentication_webauthn";
    primary.sql(&format!("CREATE USER two@'%' {with}")).await;

    let proxy = Proxy::start(&config(&cluster, "")).await;
    let ask = "SELECT CURRENT_USER()";
    // The server lets the client in only to register.
    for (password, expected) in [("one", "ERROR 4055"), ("wrong", "ERROR 1045")] {
        let direct = client.says(primary.port(), password, ask).await;
        assert!(direct.contains(expected), "{direct}");
        assert_eq!(client.says(proxy.rw, password, ask).await, direct, "{}", proxy.log());
    }
    let begin = "ALTER USER USER() 2 FACTOR INITIATE REGISTRATION";
    let (direct, passed) =
        (client.says(primary.port(), "one", begin).await, client.says(proxy.rw, "one", begin).await);
    assert!(!direct.contains("ERROR") && !passed.contains("ERROR"), "{direct}\n{passed}\n{}", proxy.log());

    primary.sql(REGISTERED).await;
    let direct = client.says(primary.port(), "one", ask).await;
    assert!(direct.contains("No FIDO device available"), "{direct}");
    assert_eq!(client.says(proxy.rw, "one", ask).await, direct, "{}", proxy.log());
    assert_eq!(client.says(proxy.rw, "wrong", ask).await, client.says(primary.port(), "wrong", ask).await);

    // Without the tables a server says so while it checks the password. MySQL's client does not begin again in one login.
    let asking = Proxy::start(&config(&cluster, "sources = [\"learned\"]")).await;
    let mut said = String::new();
    for _ in 0..8 {
        // Each worker learns it by itself.
        said = client.says(asking.rw, "one", ask).await;
        if said == direct {
            break;
        }
    }
    assert_eq!(said, direct, "{}", asking.log());
    for log in [proxy.log(), asking.log()] {
        assert!(!log.contains("panicked"), "{log}");
    }
}
