//! Passwords that are empty by accident, that change, and accounts that are taken away: nobody comes in without
//! a password, and nobody gets a server connection that was opened with another one.

use crate::dialogue::{eventually, refusal, value};
use crate::support::{Cluster, Proxy, Scratch, connect, proxy_config};
use mysql_async::prelude::Queryable;
use std::path::Path;

/// A proxy whose user `app` has its password in this file.
fn with_file(cluster: &Cluster, file: &Path) -> String {
    let password = "name = \"app\"\npassword = \"app\"";
    let config = crate::dialogue::patient(&proxy_config(cluster));
    assert!(config.contains(password), "{config}");
    config.replace(password, &format!("name = \"app\"\npassword_file = \"{}\"", file.display()))
}

/// Server connections of `app`, as the server sees them.
async fn connections(cluster: &Cluster) -> u64 {
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'";
    cluster.primary().value(count).await.parse().expect("a number")
}

async fn are(cluster: &Cluster, count: u64) {
    eventually("server connections of the account", async || {
        (connections(cluster).await == count).then_some(())
    })
    .await;
}

async fn logged(proxy: &Proxy, words: &str) {
    eventually(words, async || proxy.log().contains(words).then_some(())).await;
}

async fn is_refused(proxy: &Proxy, password: &str) {
    for port in [proxy.rw, proxy.ro] {
        let refused = refusal(connect(port, "app", password, "test").await);
        assert_eq!((refused.code, &*refused.state), (1045, "28000"));
    }
}

#[tokio::test]
async fn an_empty_password_file_lets_nobody_in() {
    let cluster = Cluster::mariadb(0).await;
    let scratch = Scratch::new("passwords");
    let file = scratch.path().join("app");
    std::fs::write(&file, "app\n").expect("write");
    let proxy = Proxy::start(&format!("workers = 1\n{}", with_file(&cluster, &file))).await;
    let mut client = connect(proxy.rw, "app", "app", "test").await.expect("login");
    client.query_drop("SELECT 1").await.expect("a connection to park");
    for (times, empty) in ["", "\n", "\r\n", ""].into_iter().enumerate() {
        // As a full disk or an unfinished write leaves it.
        std::fs::write(&file, empty).expect("truncate");
        proxy.signal("HUP");
        eventually("the reload is done", async || {
            let log = proxy.log();
            let all = ["not reloaded: line", "configuration reloaded"];
            (all.iter().map(|words| log.matches(words).count()).sum::<usize>() > times).then_some(())
        })
        .await;
        is_refused(&proxy, "").await;
        let mut other = connect(proxy.rw, "app", "app", "test").await.expect("the running password stays");
        other.query_drop("SELECT 1").await.expect("a statement");
    }
    let named = format!("the file {} of user \"app\" is empty", file.display());
    let log = proxy.told(&named).await;
    assert!(log.contains("allow_empty_password = true"), "it says what to do");
}

#[tokio::test]
async fn an_empty_environment_variable_ends_the_start() {
    let cluster = Cluster::mariadb(0).await;
    let config = crate::dialogue::patient(&proxy_config(&cluster))
        .replace("name = \"app\"\npassword = \"app\"", "name = \"app\"\npassword_env = \"APP_PASSWORD\"");
    for empty in ["", "\n"] {
        let mut proxy = Proxy::start_with(&config, &[("APP_PASSWORD", empty)]);
        let status = proxy.wait_exit(crate::dialogue::PATIENCE).await;
        assert_eq!(status.code(), Some(2));
        let said = "users.password_env: the environment variable APP_PASSWORD of user \"app\" is empty";
        assert!(proxy.log().contains(said), "{}", proxy.log());
    }
}

#[tokio::test]
async fn an_account_without_a_password_must_be_allowed() {
    let cluster = Cluster::mariadb(0).await;
    cluster.primary().sql("CREATE USER open@'%' IDENTIFIED BY ''; GRANT ALL ON test.* TO open@'%'").await;
    let open = "[[users]]\nname = \"open\"\npassword = \"\"\nallow_empty_password = true\n";
    let proxy = Proxy::start(&format!("{}\n{open}", crate::dialogue::patient(&proxy_config(&cluster)))).await;
    let mut client = connect(proxy.rw, "open", "", "test").await.expect("login");
    assert_eq!(value(&mut client, "SELECT SUBSTRING_INDEX(USER(), '@', 1)").await.expect("a value"), "open");
}

#[tokio::test]
async fn mariadb_a_rotated_password_ends_what_nobody_uses() {
    rotates(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_a_rotated_password_ends_what_nobody_uses() {
    if let Some(cluster) = Cluster::mysql(0).await {
        rotates(cluster).await;
    }
}

async fn rotates(cluster: Cluster) {
    let scratch = Scratch::new("passwords");
    let file = scratch.path().join("app");
    std::fs::write(&file, "app").expect("write");
    let config = with_file(&cluster, &file);
    let proxy = Proxy::start(&format!("workers = 1\n{config}")).await;
    let mut open = connect(proxy.rw, "app", "app", "test").await.expect("login");
    let mut busy = connect(proxy.rw, "app", "app", "test").await.expect("login");
    let mut gone = connect(proxy.rw, "app", "app", "test").await.expect("login");
    busy.query_drop("CREATE TABLE rotated (v INT)").await.expect("a table");
    // Each holds a connection of its own, then leaves it: two parked, one for anybody.
    for client in [&mut open, &mut busy, &mut gone] {
        client.query_drop("BEGIN").await.expect("BEGIN");
    }
    let own = value(&mut open, "SELECT CONNECTION_ID()").await.expect("an id");
    for client in [&mut open, &mut gone] {
        client.query_drop("COMMIT").await.expect("COMMIT");
    }
    busy.query_drop("INSERT INTO rotated VALUES (1)").await.expect("a write");
    gone.disconnect().await.expect("the end");
    are(&cluster, 3).await;

    cluster.primary().sql("ALTER USER app IDENTIFIED BY 'rotated'").await;
    std::fs::write(&file, "rotated").expect("write");
    proxy.signal("HUP");
    logged(&proxy, "configuration reloaded").await;
    are(&cluster, 2).await;
    is_refused(&proxy, "app").await;
    // As on a server, sessions go on; and each with the connection that it had.
    assert_eq!(value(&mut open, "SELECT CONNECTION_ID()").await.expect("it goes on"), own);
    busy.query_drop("COMMIT").await.expect("it goes on");
    let mut new = connect(proxy.rw, "app", "rotated", "test").await.expect("the new password");
    let of_new = value(&mut new, "SELECT CONNECTION_ID()").await.expect("an id");
    assert_ne!(of_new, own);
    are(&cluster, 3).await;
    // Nobody gets what they leave.
    open.disconnect().await.expect("the end");
    busy.disconnect().await.expect("the end");
    are(&cluster, 1).await;
    assert_eq!(value(&mut new, "SELECT CONNECTION_ID()").await.expect("an id"), of_new);
    // COM_CHANGE_USER checks the password of now.
    let options = |password: &str| mysql_async::ChangeUserOpts::new().with_pass(Some(password.to_owned()));
    new.change_user(options("rotated")).await.expect("the new password");
    new.query_drop("SELECT 1").await.expect("a statement");
    assert!(new.change_user(options("app")).await.is_err(), "the former password");
}

#[tokio::test]
async fn a_session_whose_former_password_the_server_refuses_is_ended() {
    let cluster = Cluster::mariadb(0).await;
    // The one place is needed for another session, which does not get the connection that is there.
    let config = format!(
        "workers = 1\n{}\n[limits]\nmax_server_connections = 1\n",
        crate::dialogue::patient(&proxy_config(&cluster))
    );
    let proxy = Proxy::start(&config).await;
    let mut open = connect(proxy.rw, "app", "app", "test").await.expect("login");
    cluster.primary().sql("ALTER USER app IDENTIFIED BY 'rotated'").await;
    proxy.write_config(&config.replace("password = \"app\"", "password = \"rotated\""));
    proxy.signal("HUP");
    logged(&proxy, "configuration reloaded").await;
    // The worker has the new password a moment after the log line.
    let rotated = async || connect(proxy.rw, "app", "rotated", "test").await.ok();
    let mut new = eventually("a login with the new password", rotated).await;
    new.query_drop("SELECT 1").await.expect("a statement");
    let error = refusal(open.query_drop("SELECT 1").await);
    assert_eq!((error.code, &*error.state), (1045, "28000"));
    assert!(error.message.contains("the password of this account changed"), "{}", error.message);
    assert!(open.query_drop("SELECT 1").await.is_err(), "it is closed");
    new.query_drop("SELECT 1").await.expect("nothing is taken from the others");
}

#[tokio::test]
async fn an_account_that_is_removed_gets_no_connection_any_more() {
    let cluster = Cluster::mariadb(0).await;
    let config =
        format!("workers = 2\nworker_fill = 0\n{}", crate::dialogue::patient(&proxy_config(&cluster)));
    let proxy = Proxy::start(&config).await;
    let mut idle = connect(proxy.rw, "app", "app", "test").await.expect("login");
    idle.query_drop("CREATE TABLE removed (v INT)").await.expect("a table");
    let mut busy = connect(proxy.rw, "app", "app", "test").await.expect("login");
    busy.query_drop("BEGIN").await.expect("BEGIN");
    busy.query_drop("INSERT INTO removed VALUES (1)").await.expect("a write");
    proxy.write_config(&config.replace("[[users]]\nname = \"app\"\npassword = \"app\"\n", ""));
    proxy.signal("HUP");
    logged(&proxy, "configuration reloaded").await;
    are(&cluster, 1).await;
    // Each worker hears of it a moment later: so many refusals in a row that every worker gave one.
    eventually("nobody logs in", async || {
        for port in [proxy.rw, proxy.ro].repeat(10) {
            connect(port, "app", "app", "test").await.err()?;
        }
        Some(())
    })
    .await;
    is_refused(&proxy, "app").await;
    let error = refusal(idle.query_drop("SELECT 1").await);
    assert_eq!((error.code, &*error.state), (1045, "28000"));
    assert!(error.message.contains("not in the proxy's configuration any more"), "{}", error.message);
    // What is open on a server goes on to its end.
    busy.query_drop("COMMIT").await.expect("the transaction ends as it likes");
    are(&cluster, 0).await;
    assert_eq!(refusal(busy.query_drop("SELECT 1").await).code, 1045);
    assert_eq!(cluster.primary().value("SELECT COUNT(*) FROM test.removed").await, "1");
}
