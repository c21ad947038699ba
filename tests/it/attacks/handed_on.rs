//! Sessions that share one server connection answer as directly, statement by statement, while another session of the account
//! takes the connection between them: what a reset, a login or a transaction's end does to a session stays with it.

use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{eventually, patient, row, value};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

const SMALL: &str = "[limits]\nmax_server_connections = 1\nqueue_timeout = \"200ms\"\n";

const MADE: &[&str] = &[
    "CREATE DATABASE latin CHARACTER SET latin1",
    "GRANT ALL ON latin.* TO app@'%'",
    "CREATE TABLE latin.t (a INT PRIMARY KEY, b INT)",
    "CREATE TABLE latin.s (a INT PRIMARY KEY)",
    "INSERT INTO latin.t VALUES (1, 1), (2, 2), (3, 3)",
    "CREATE PROCEDURE latin.runs() EXECUTE p",
    "CREATE PROCEDURE latin.prepares() PREPARE p FROM 'SELECT 8'",
    "CREATE PROCEDURE latin.deallocates() DEALLOCATE PREPARE p",
];

/// Statements of one session each.
const SESSIONS: &[&[&str]] = &[
    &["SELECT @@character_set_database, @@collation_database"],
    &["USE test", "SELECT @@character_set_database", "USE latin", "SELECT @@collation_database"],
    &[
        "SET collation_database = utf8mb4_bin",
        "SELECT @@collation_database",
        "USE test",
        "USE latin",
        "SELECT @@collation_database",
    ],
    &[
        "SET character_set_database = cp1251",
        "USE latin",
        "SELECT @@character_set_database, @@collation_database",
    ],
    &["SET CHARACTER SET latin1", "SELECT @@character_set_connection, @@collation_connection"],
    &[
        "SET autocommit = 0",
        "SAVEPOINT x",
        "INSERT INTO s VALUES (1)",
        "ROLLBACK TO x",
        "COMMIT",
        "SELECT COUNT(*) FROM s",
    ],
    &[
        "SET autocommit = 0",
        "SAVEPOINT x",
        "SELECT 1",
        "SET @a = 1",
        "INSERT INTO s VALUES (2)",
        "ROLLBACK TO SAVEPOINT x",
        "COMMIT",
        "SELECT COUNT(*), @a FROM s",
    ],
    &["SET autocommit = 0", "SAVEPOINT x", "COMMIT", "ROLLBACK TO x", "SELECT COUNT(*) FROM s"],
    &["SET autocommit = 0", "SAVEPOINT x", "SAVEPOINT y", "RELEASE SAVEPOINT x", "ROLLBACK TO y"],
    &[
        "SET autocommit = 0",
        "INSERT INTO s VALUES (3)",
        "SAVEPOINT x",
        "INSERT INTO s VALUES (4)",
        "ROLLBACK TO x",
        "ROLLBACK",
    ],
    // A procedure may execute whatever the session prepared, on whichever connection.
    &["PREPARE p FROM 'SELECT 7'", "CALL runs()", "EXECUTE p"],
    &["PREPARE p FROM 'SELECT 7'", "CALL prepares()", "CALL runs()", "EXECUTE p", "SELECT 1", "CALL runs()"],
    &["PREPARE p FROM 'SELECT 7'", "CALL deallocates()", "EXECUTE p", "CALL runs()"],
    &[
        "CREATE TABLE gone (a INT)",
        "PREPARE p FROM 'SELECT a FROM gone'",
        "DROP TABLE gone",
        "SET @a = 1; DO 2",
        "EXECUTE p",
    ],
    &[
        "PREPARE p FROM 'SELECT 7'",
        "PREPARE q FROM 'SELECT 9'",
        "SET @a = 1; EXECUTE q",
        "EXECUTE q",
        "CALL runs()",
    ],
    &["BEGIN", "COMMIT RELEASE", "SELECT 1"],
    &["ROLLBACK AND NO CHAIN RELEASE", "SELECT 1"],
    &["SET completion_type = 2", "BEGIN", "COMMIT NO RELEASE", "SELECT 1", "ROLLBACK", "SELECT 2"],
    &["SET completion_type = 'RELEASE'", "BEGIN", "UPDATE t SET b = b + 1 WHERE a = 1", "COMMIT", "SELECT 1"],
    &["SET completion_type = 1", "BEGIN", "COMMIT", "SELECT 1", "ROLLBACK NO RELEASE", "SELECT 2"],
];

#[tokio::test]
async fn mariadb_sessions_that_share_a_connection_are_as_direct() {
    sessions_are_as_direct(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_sessions_that_share_a_connection_are_as_direct() {
    if let Some(cluster) = Cluster::mysql(0).await {
        sessions_are_as_direct(cluster).await;
    }
}

/// The answers; of an error its code, and of a lost connection that it is lost.
async fn answers(port: u16, session: &[&str], between: &mut impl AsyncFnMut()) -> Vec<String> {
    let mut client = connect(port, "app", "app", "latin").await.expect("login");
    let mut all = Vec::new();
    for sql in session {
        between().await;
        let answer = match row(&mut client, sql).await {
            Ok(row) => format!("{row:?}"),
            // A server that closes the session says nothing, or that it does.
            Err(mysql_async::Error::Server(error)) if error.code != 1927 => error.code.to_string(),
            Err(_) => "lost".to_owned(),
        };
        all.push(format!("{sql}: {answer}"));
    }
    drop(client.disconnect().await);
    all
}

async fn sessions_are_as_direct(cluster: Cluster) {
    let mut maker = connect(cluster.primary().port(), "super", "super", "test").await.expect("login");
    for sql in MADE {
        maker.query_drop(*sql).await.expect(sql);
    }
    let proxy = Proxy::start(&format!("workers = 1\n{}\n{SMALL}", patient(&proxy_config(&cluster)))).await;
    let mut wrong = Vec::new();
    for session in SESSIONS {
        maker.query_drop("DELETE FROM latin.s").await.expect("no rows");
        let direct = answers(cluster.primary().port(), session, &mut async || {}).await;
        for round in 0..2 {
            // What the session before left behind is committed or gone: directly and here it begins alike.
            maker.query_drop("DELETE FROM latin.s").await.expect("no rows");
            let mut other = None::<Conn>;
            let mut between = async || {
                if round == 0 {
                    return;
                }
                if other.is_none() {
                    other = connect(proxy.rw, "app", "app", "test").await.ok();
                }
                if let Some(taker) = &mut other
                    && taker.query_drop("SELECT 5").await.is_err()
                {
                    // The session keeps its connection.
                    other = None;
                }
            };
            let through = answers(proxy.rw, session, &mut between).await;
            for (through, directly) in through.iter().zip(&direct) {
                if through != directly {
                    wrong.push(format!("round {round}, {session:?}: {through}, directly {directly}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{:?}:\n{}", cluster.kind(), wrong.join("\n"));
    limit_of_the_account_holds(&cluster, &mut wrong).await;
    login_says(&cluster, &proxy, &mut wrong).await;
    settings_of_others_end(&cluster, &proxy, &mut wrong).await;
    other_sessions_rows_are_not_found(&proxy, &mut wrong).await;
    an_option_keeps_the_insert_id(&cluster, &proxy, &mut wrong).await;
    no_setting_hides_the_insert_id(&cluster, &proxy, &mut wrong).await;
    assert!(wrong.is_empty(), "{:?}:\n{}", cluster.kind(), wrong.join("\n"));
}

/// MariaDB ends the statements of this account after three seconds, on each connection.
async fn limit_of_the_account_holds(cluster: &Cluster, wrong: &mut Vec<String>) {
    if cluster.kind() != Kind::MariaDb {
        return;
    }
    cluster.primary().sql("CREATE USER lim@'%' IDENTIFIED BY 'lim' WITH MAX_STATEMENT_TIME 3; GRANT SELECT ON latin.* TO lim@'%'").await;
    // The proxy reads the accounts if it has none of its own.
    let config = patient(&proxy_config(cluster));
    let (before, users) = config.split_once("[[users]]").expect("users");
    let (_, behind) = users.split_once("[discovery]").expect("the servers");
    let proxy =
        Proxy::start(&format!("workers = 1\n{before}\n[credentials]\n[discovery]{behind}\n{SMALL}")).await;
    for round in 0..4 {
        let mut client =
            eventually("the account is known", async || connect(proxy.rw, "lim", "lim", "latin").await.ok())
                .await;
        let limit = value(&mut client, "SELECT @@max_statement_time + 0").await.expect("a limit");
        if !limit.starts_with('3') {
            wrong.push(format!("round {round}: MAX_STATEMENT_TIME is {limit}"));
        }
        drop(client.disconnect().await);
    }
}

/// CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH
const PLAIN: u32 = 1 << 9 | 1 << 15 | 1 << 19;
const IGNORE_SPACE: u32 = 1 << 8;
const INTERACTIVE: u32 = 1 << 10;

/// What clients say of themselves at the login holds on connections that others had before.
async fn login_says(cluster: &Cluster, proxy: &Proxy, wrong: &mut Vec<String>) {
    cluster.primary().sql("SET GLOBAL interactive_timeout = 777").await;
    for (flags, sql, wanted) in [
        (IGNORE_SPACE, "SELECT COUNT (*) FROM latin.t", &b"3"[..]),
        (INTERACTIVE, "SELECT @@wait_timeout", b"777"),
    ] {
        for round in 0..3 {
            let mut client = Raw::connect(proxy.rw).await.expect("a connection");
            client.login_with("app", "app", PLAIN | flags).await.expect("login");
            let mut answer = client.query(sql).await.expect("an answer");
            if error_code(&answer) == 0 {
                // The column, the packet behind it, the row.
                for _ in 0..3 {
                    answer = client.read().await.expect("a result").1;
                }
            }
            if !answer.ends_with(wanted) {
                wrong.push(format!("round {round}: {sql}: {}", answer.escape_ascii()));
            }
            drop(client.command(1, b"").await);
        }
    }
}

/// A session that gets the connection of a living session with settings begins as after its own login.
async fn settings_of_others_end(cluster: &Cluster, proxy: &Proxy, wrong: &mut Vec<String>) {
    for mode in ["DEFAULT", "''", "'ANSI'"] {
        cluster.primary().sql(&format!("SET GLOBAL sql_mode = {mode}")).await;
        begins_as_directly(cluster, proxy, &format!("global sql_mode {mode}"), wrong).await;
    }
    cluster.primary().sql("SET GLOBAL sql_mode = DEFAULT").await;
    let init = "SET sql_mode = 'PIPES_AS_CONCAT', wait_timeout = 66";
    cluster.primary().sql(&format!("SET GLOBAL init_connect = \"{init}\"")).await;
    let proxy = Proxy::start(&format!("workers = 1\n{}\n{SMALL}", patient(&proxy_config(cluster)))).await;
    begins_as_directly(cluster, &proxy, "init_connect", wrong).await;
    cluster.primary().sql("SET GLOBAL init_connect = ''").await;
}

async fn begins_as_directly(cluster: &Cluster, proxy: &Proxy, world: &str, wrong: &mut Vec<String>) {
    for (flags, name) in
        [(IGNORE_SPACE, "sql_mode"), (INTERACTIVE, "wait_timeout"), (0, "sql_mode"), (0, "wait_timeout")]
    {
        let sql = format!("SELECT @@{name}");
        let mut direct = Raw::connect(cluster.primary().port()).await.expect("a connection");
        direct.login_with("app", "app", PLAIN | flags).await.expect("login");
        let wanted = last_value(&mut direct, &sql).await;
        let mut clients = Vec::new();
        for _ in 0..2 {
            let mut client = Raw::connect(proxy.rw).await.expect("a connection");
            client.login_with("app", "app", PLAIN | flags).await.expect("login");
            clients.push(client);
        }
        let [one, other] = &mut clients[..] else { unreachable!() };
        let set = if name == "sql_mode" { "SET sql_mode = 'ANSI_QUOTES'" } else { "SET wait_timeout = 55" };
        last_value(one, set).await;
        let seen = last_value(other, &sql).await;
        if seen != wanted {
            wrong.push(format!("{world}, flags {flags}: {sql}: {seen}, directly {wanted}"));
        }
    }
}

/// Returns the last value of the first row of the answer to a query; of an error its code.
async fn last_value(client: &mut Raw, sql: &str) -> String {
    let mut answer = client.query(sql).await.expect("an answer");
    if error_code(&answer) != 0 {
        return error_code(&answer).to_string();
    }
    if answer.first() == Some(&0) {
        return "OK".to_owned();
    }
    let columns = answer[0];
    // The columns, the packet behind them, the row.
    for _ in 0..columns + 2 {
        answer = client.read().await.expect("a result").1;
    }
    let value = String::from_utf8_lossy(&answer[1..]).into_owned();
    while !matches!(client.read().await.expect("an end").1.as_slice(), [0xfe, ..]) {}
    value
}

/// `FOUND_ROWS()` is 0 until a session has run a query, whoever had its connection before.
async fn other_sessions_rows_are_not_found(proxy: &Proxy, wrong: &mut Vec<String>) {
    for statements in [
        &["SET @z = 1"][..],
        &["SET @z = 1", "INSERT INTO latin.s VALUES (77)", "DELETE FROM latin.s WHERE a = 77"],
        &["BEGIN", "COMMIT"],
        &[],
    ] {
        let mut before = Raw::app(proxy.rw).await;
        last_value(&mut before, "SELECT 1 UNION SELECT 2 UNION SELECT 3").await;
        drop(before.command(1, b"").await);
        let mut client = Raw::app(proxy.rw).await;
        for sql in statements {
            client.query(sql).await.expect(sql);
        }
        let found = last_value(&mut client, "SELECT FOUND_ROWS()").await;
        if found != "0" {
            wrong.push(format!("{statements:?}, FOUND_ROWS(): {found}"));
        }
        last_value(&mut client, "SELECT 1 UNION SELECT 2").await;
        let found = last_value(&mut client, "SELECT FOUND_ROWS()").await;
        if found != "2" {
            wrong.push(format!("{statements:?}, two rows, FOUND_ROWS(): {found}"));
        }
        drop(client.command(1, b"").await);
    }
}

/// Settings under which the proxy must still be able to ask a session's connection.
const SETTINGS: [&str; 10] = [
    "sql_select_limit = 0",
    "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
    "character_set_results = utf16",
    "character_set_results = NULL",
    "sql_big_selects = 0, max_join_size = 1",
    "autocommit = 0",
    "sql_safe_updates = 1, sql_auto_is_null = 1",
    "completion_type = 1",
    "big_tables = 1, max_heap_table_size = 16384",
    "group_concat_max_len = 4, max_length_for_sort_data = 4",
];

/// Whatever a session has set: its insert id stays with it when another session gets its connection.
async fn no_setting_hides_the_insert_id(cluster: &Cluster, proxy: &Proxy, wrong: &mut Vec<String>) {
    cluster.primary().sql("CREATE TABLE latin.ii (a INT AUTO_INCREMENT PRIMARY KEY, b INT)").await;
    for setting in SETTINGS {
        let mut seen = Vec::new();
        for port in [cluster.primary().port(), proxy.rw] {
            cluster.primary().sql("TRUNCATE TABLE latin.ii").await;
            let mut client = Raw::app(port).await;
            let set = last_value(&mut client, &format!("SET {setting}")).await;
            last_value(&mut client, "INSERT INTO latin.ii (b) VALUES (7)").await;
            last_value(&mut client, "COMMIT").await;
            let mut other = Raw::app(port).await;
            last_value(&mut other, "SELECT 1").await;
            seen.push((set, last_value(&mut client, "SELECT LAST_INSERT_ID() LIMIT 1").await));
        }
        if seen[0] != seen[1] {
            wrong.push(format!("SET {setting}, LAST_INSERT_ID(): {:?}, directly {:?}", seen[1], seen[0]));
        }
    }
}

/// COM_SET_OPTION, which turns several statements in one text on.
const SET_OPTION: u8 = 0x1b;

/// COM_SET_OPTION on a connection that others must not get afterwards costs its session nothing.
async fn an_option_keeps_the_insert_id(cluster: &Cluster, proxy: &Proxy, wrong: &mut Vec<String>) {
    cluster
        .primary()
        .sql("CREATE TABLE latin.i (a INT AUTO_INCREMENT PRIMARY KEY, b INT) AUTO_INCREMENT = 40")
        .await;
    for statements in [
        &["INSERT INTO latin.i (b) VALUES (1)"][..],
        &["INSERT INTO latin.i (b) VALUES (1)", "SELEC 1"],
        &["INSERT INTO latin.i (b) VALUES (1)", "INSERT INTO latin.none_such (b) VALUES (1)"],
    ] {
        let mut client = Raw::app(proxy.rw).await;
        for sql in statements {
            client.query(sql).await.expect(sql);
        }
        let option = client.command(SET_OPTION, &[0, 0]).await.expect("an answer");
        let id = last_value(&mut client, "SELECT LAST_INSERT_ID() >= 40").await;
        if error_code(&option) != 0 || id != "1" {
            wrong.push(format!("{statements:?}, COM_SET_OPTION, LAST_INSERT_ID() >= 40: {id}"));
        }
        drop(client.command(1, b"").await);
    }
}
