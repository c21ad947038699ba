//! The mysql_async driver: `query` (text) and `exec` (prepared), DEPRECATE_EOF, no session tracking.

mod values;

use std::time::Duration;

use futures_util::StreamExt;
use mysql_async::prelude::*;
use mysql_async::{ChangeUserOpts, Conn, Error, IsolationLevel, OptsBuilder, Row, SslOpts, TxOpts};
use pointsman_clients::*;
use tokio::time::Instant;

const PRE: &str = "mysql_async_";

fn options(s: &Settings) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(s.host.clone())
        .tcp_port(s.port)
        .user(Some(s.user.clone()))
        .pass(Some(s.password.clone()))
        .db_name(Some(s.database.clone()))
        .prefer_socket(false)
        .max_allowed_packet(Some(64 * MIB))
        .ssl_opts(s.tls.then(|| SslOpts::default().with_danger_accept_invalid_certs(true)))
}

async fn connect(s: &Settings) -> Result<Conn, Error> {
    Conn::new(options(s)).await
}

async fn one<T: FromValue + Send + 'static>(conn: &mut Conn, sql: &str) -> Result<T, Fail> {
    conn.query_first::<T, _>(sql).await?.ok_or_else(|| Fail::Mismatch(format!("{sql}: no row")))
}

async fn fresh(conn: &mut Conn, name: &str, columns: &str) -> Result<String, Fail> {
    conn.query_drop(format!("DROP TABLE IF EXISTS {PRE}{name}")).await?;
    conn.query_drop(format!("CREATE TABLE {PRE}{name} ({columns}) CHARACTER SET utf8mb4")).await?;
    Ok(format!("{PRE}{name}"))
}

async fn drop_table(mut conn: Conn, table: &str) -> Result<(), Fail> {
    conn.query_drop(format!("DROP TABLE {table}")).await?;
    Ok(conn.disconnect().await?)
}

/// The result must be a server's error with one of the codes.
fn fails<T>(what: &str, codes: &[u16], result: Result<T, Error>) -> Result<String, Fail> {
    match result {
        Err(Error::Server(error)) if codes.contains(&error.code) => {
            Ok(format!("{} {}", error.state, error.message))
        }
        Err(other) => Err(Fail::Mismatch(format!("{what}: expected error {codes:?}, got {other}"))),
        Ok(_) => Err(Fail::Mismatch(format!("{what}: expected error {codes:?}, got none"))),
    }
}

async fn login(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    eq("schema", s.database.clone(), one(&mut conn, "SELECT DATABASE()").await?)?;
    let user: String = one(&mut conn, "SELECT CURRENT_USER()").await?;
    eq("user", Some(s.user.as_str()), user.split('@').next())?;
    let version: String = one(&mut conn, "SELECT VERSION()").await?;
    eq("flavor", s.flavor == "mariadb", version.contains("MariaDB"))?;
    let (major, minor, _) = conn.server_version();
    ok("the greeting's version", version.starts_with(&format!("{major}.{minor}.")), (major, minor))?;
    conn.disconnect().await?;
    let mut bare = Conn::new(options(s).db_name(None::<String>)).await?;
    eq("no schema", None, one::<Option<String>>(&mut bare, "SELECT DATABASE()").await?)?;
    bare.disconnect().await?;
    let mut packed = Conn::new(options(s).compression(mysql_async::Compression::fast())).await?;
    eq(
        "with compression, if offered",
        "z".repeat(300_000),
        one(&mut packed, "SELECT REPEAT('z', 300000)").await?,
    )?;
    packed.disconnect().await?;
    Ok("")
}

async fn wrong_password(s: &Settings) -> Outcome {
    fails("wrong password", &[1045], Conn::new(options(s).pass(Some("wrong"))).await)?;
    fails("empty password", &[1045], Conn::new(options(s).pass(None::<String>)).await)?;
    // For unknown names MySQL plays any plugin, also one that the driver lacks.
    let unknown = Conn::new(options(s).user(Some("nobody"))).await;
    if s.flavor == "mysql" {
        ok("unknown user: an error", unknown.is_err(), "none")?;
    } else {
        fails("unknown user", &[1045], unknown)?;
    }
    fails("unknown schema", &[1044, 1049], Conn::new(options(s).db_name(Some("no_such_schema"))).await)?;
    Ok("")
}

async fn big_result(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let mut big = Big::default();
    conn.query::<(u64, String), _>(s.sql("big.sql", "")).await?.iter().for_each(|(n, p)| big.row(*n, p));
    big.check()?;
    let mut big = Big::default();
    conn.exec::<(u64, String), _, _>(s.sql("big.sql", ""), ())
        .await?
        .iter()
        .for_each(|(n, p)| big.row(*n, p));
    big.check()?;
    eq("afterwards", 1, one(&mut conn, "SELECT 1").await?)?;
    conn.disconnect().await?;
    Ok("")
}

async fn big_packet(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "big_packet", "id INT PRIMARY KEY, b LONGBLOB").await?;
    let blob = pattern(20 * MIB, 0);
    conn.exec_drop(format!("INSERT INTO {table} VALUES (1, ?)"), (blob.clone(),)).await?;
    let select = format!("SELECT LENGTH(b), b FROM {table}");
    let (size, back): (usize, Vec<u8>) = conn.query_first(&select).await?.unwrap_or_default();
    eq("stored length", 20 * MIB, size)?;
    ok("20 MiB blob round trip, text", back == blob, back.len())?;
    let (_, back): (usize, Vec<u8>) = conn.exec_first(&select, ()).await?.unwrap_or_default();
    ok("20 MiB blob round trip, prepared", back == blob, back.len())?;
    let literal = letters(20 * MIB);
    let back: String = one(&mut conn, &format!("SELECT '{literal}' AS v")).await?;
    ok("20 MiB literal round trip", back == literal, back.len())?;
    let around = "SELECT LENGTH('')".len();
    for size in EDGE_TEXT {
        let sql = format!("SELECT LENGTH('{}')", &literal[..size - around]);
        eq(format!("a statement of {size} bytes"), size - around, one(&mut conn, &sql).await?)?;
    }
    for size in EDGE_ROW {
        let back: String = one(&mut conn, &format!("SELECT REPEAT('x', {size})")).await?;
        ok(format!("a row with {size} bytes"), back == "x".repeat(size), back.len())?;
    }
    drop_table(conn, &table).await?;
    Ok("")
}

async fn errors(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "errors", "id INT PRIMARY KEY").await?;
    conn.query_drop(format!("INSERT INTO {table} VALUES (1), (2)")).await?;
    let among =
        format!("SELECT t.id, (SELECT u.id FROM {table} u WHERE u.id <= t.id) FROM {table} t ORDER BY t.id");
    for (sql, code) in [
        ("SELEKT 1".to_string(), 1064),
        (format!("SELECT * FROM {table}_none"), 1146),
        (format!("INSERT INTO {table} VALUES (1)"), 1062),
        (format!("SELECT nope FROM {table}"), 1054),
        (among, 1242),
    ] {
        fails(&sql, &[code], conn.query::<Row, _>(&sql).await)?;
        fails(&sql, &[code], conn.exec::<Row, _, _>(&sql, ()).await)?;
        eq("afterwards", 2, one(&mut conn, &format!("SELECT COUNT(*) FROM {table}")).await?)?;
    }
    let message =
        fails("duplicate", &[1062], conn.query_drop(format!("INSERT INTO {table} VALUES (1)")).await)?;
    ok("SQLSTATE and the server's own message", message.starts_with("23000 Duplicate entry '1'"), message)?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn transaction(s: &Settings) -> Outcome {
    let (mut a, mut b) = (connect(s).await?, connect(s).await?);
    let table = fresh(&mut b, "transaction", "id INT PRIMARY KEY, v INT").await?;
    let count = format!("SELECT COUNT(*) FROM {table}");
    let mut tx = a.start_transaction(TxOpts::default()).await?;
    tx.exec_drop(format!("INSERT INTO {table} VALUES (?, 1)"), (1,)).await?;
    eq("own write", Some(1), tx.query_first(&count).await?)?;
    eq("others see nothing before COMMIT", 0, one(&mut b, &count).await?)?;
    tx.commit().await?;
    eq("others see it after COMMIT", 1, one(&mut b, &count).await?)?;
    let mut tx = a.start_transaction(TxOpts::default()).await?;
    tx.query_drop(format!("INSERT INTO {table} VALUES (2, 2)")).await?;
    tx.rollback().await?;
    eq("after ROLLBACK", 1, one(&mut a, &count).await?)?;
    let mut snapshot = TxOpts::default();
    snapshot.with_consistent_snapshot(true).with_isolation_level(Some(IsolationLevel::RepeatableRead));
    let mut tx = a.start_transaction(snapshot).await?;
    b.query_drop(format!("INSERT INTO {table} VALUES (3, 3)")).await?;
    eq("the snapshot stays", Some(1), tx.exec_first(&count, ()).await?)?;
    tx.rollback().await?;
    let mut read_only = TxOpts::default();
    read_only.with_readonly(Some(true));
    let mut tx = a.start_transaction(read_only).await?;
    fails(
        "write in a READ ONLY transaction",
        &[1792],
        tx.query_drop(format!("INSERT INTO {table} VALUES (9, 9)")).await,
    )?;
    tx.rollback().await?;
    // A transaction that is dropped is rolled back before the next statement.
    let mut tx = a.start_transaction(TxOpts::default()).await?;
    tx.query_drop(format!("INSERT INTO {table} VALUES (4, 4)")).await?;
    drop(tx);
    eq("after a dropped transaction", 2, one(&mut a, &count).await?)?;
    let mut tx = a.start_transaction(TxOpts::default()).await?;
    tx.query_drop(format!("UPDATE {table} SET v = 7 WHERE id = 1")).await?;
    b.query_drop("SET SESSION innodb_lock_wait_timeout = 1").await?;
    fails("lock wait", &[1205], b.query_drop(format!("UPDATE {table} SET v = 9 WHERE id = 1")).await)?;
    tx.commit().await?;
    eq("committed", 7, one(&mut b, &format!("SELECT v FROM {table} WHERE id = 1")).await?)?;
    a.disconnect().await?;
    drop_table(b, &table).await?;
    Ok("")
}

async fn multi_statement(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "multi", "id INT AUTO_INCREMENT PRIMARY KEY, v INT").await?;
    let sql = format!(
        "INSERT INTO {table} (v) VALUES (1),(2); SELECT v FROM {table} ORDER BY v; UPDATE {table} SET v = v + 1; SELECT 'end'"
    );
    let mut result = conn.query_iter(sql).await?;
    eq("1st: affected", 2, result.affected_rows())?;
    eq("1st: no rows", 0, result.collect::<Row>().await?.len())?;
    eq("2nd: rows", vec![1, 2], result.collect::<i32>().await?)?;
    eq("3rd: affected", 2, result.affected_rows())?;
    eq("3rd: no rows", 0, result.collect::<Row>().await?.len())?;
    eq("4th: rows", vec!["end".to_string()], result.collect::<String>().await?)?;
    ok("no 5th", result.is_empty(), "another result")?;
    drop(result);
    let mut result = conn.query_iter("SELECT 1; SELEKT 2; SELECT 3").await?;
    let first = result.collect::<i32>().await;
    let second = match first {
        Ok(rows) => {
            eq("before the error", vec![1], rows)?;
            result.collect::<Row>().await
        }
        Err(error) => Err(error),
    };
    fails("error in the second statement", &[1064], second)?;
    drop(result);
    eq("afterwards", 2, one(&mut conn, &format!("SELECT COUNT(*) FROM {table}")).await?)?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn procedure(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    conn.query_drop(format!("DROP PROCEDURE IF EXISTS {PRE}proc")).await?;
    let body = "BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; SET twice = 2 * n; END";
    conn.query_drop(format!("CREATE PROCEDURE {PRE}proc(IN n INT, OUT twice INT) {body}")).await?;
    for prepared in [false, true] {
        if prepared {
            let mut result = conn.exec_iter(format!("CALL {PRE}proc(?, @twice)"), (20,)).await?;
            eq("first result set, prepared", vec![20], result.collect::<i32>().await?)?;
            eq(
                "second result set, prepared",
                vec![(21, "x".to_string())],
                result.collect::<(i32, String)>().await?,
            )?;
            result.drop_result().await?;
        } else {
            let mut result = conn.query_iter(format!("CALL {PRE}proc(20, @twice)")).await?;
            eq("first result set", vec![20], result.collect::<i32>().await?)?;
            eq("second result set", vec![(21, "x".to_string())], result.collect::<(i32, String)>().await?)?;
            result.drop_result().await?;
        }
        eq("OUT parameter", 40, one(&mut conn, "SELECT @twice").await?)?;
        conn.query_drop("SET @twice = NULL").await?;
    }
    drop_procedure(conn).await
}

async fn drop_procedure(mut conn: Conn) -> Outcome {
    conn.query_drop(format!("DROP PROCEDURE {PRE}proc")).await?;
    conn.disconnect().await?;
    Ok("")
}

async fn load(conn: &mut Conn, chunks: Vec<Vec<u8>>, table: &str) -> Result<u64, Error> {
    let parts: Vec<std::io::Result<_>> = chunks.into_iter().map(|chunk| Ok(chunk.into())).collect();
    conn.set_infile_handler(async move { Ok(futures_util::stream::iter(parts).boxed()) });
    conn.query_drop(format!("LOAD DATA LOCAL INFILE 'given' INTO TABLE {table}")).await?;
    Ok(conn.affected_rows())
}

async fn load_data(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "load", "id INT PRIMARY KEY, name VARCHAR(40), v INT").await?;
    let lines = std::fs::read(&s.load_file)?;
    eq("affected", 10_000, load(&mut conn, lines.chunks(1000).map(<[u8]>::to_vec).collect(), &table).await?)?;
    ok("info", conn.info().contains("Records: 10000  Deleted: 0  Skipped: 0  Warnings: 0"), conn.info())?;
    let sums: (u64, u64, u64, u64) = conn
        .query_first(format!(
            "SELECT COUNT(*), SUM(id), CAST(SUM(v IS NULL) AS UNSIGNED), SUM(v) FROM {table}"
        ))
        .await?
        .unwrap_or_default();
    eq("rows", (10_000, 50_005_000, 1_000, 90_000_000), sums)?;
    fails("no such table", &[1146], load(&mut conn, vec![lines.clone()], &format!("{table}_none")).await)?;
    eq(
        "after the error",
        "line 777".to_string(),
        one(&mut conn, &format!("SELECT name FROM {table} WHERE id = 777")).await?,
    )?;
    eq("an empty file", 0, load(&mut conn, vec![], &table).await?)?;
    // A handler that fails makes the driver close its connection.
    let mut broken = connect(s).await?;
    broken.set_infile_handler(async { Err(std::io::Error::other("broke").into()) });
    let refused = broken.query_drop(format!("LOAD DATA LOCAL INFILE 'given' INTO TABLE {table}")).await;
    ok("a handler that fails", refused.is_err(), &refused)?;
    eq("afterwards", 10_000, one(&mut conn, &format!("SELECT COUNT(*) FROM {table}")).await?)?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn charset(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "charset", "id INT PRIMARY KEY, s VARCHAR(100)").await?;
    let word = "naïve €-中文-🚂🎉";
    conn.exec_drop(format!("INSERT INTO {table} VALUES (1, ?)"), (word,)).await?;
    eq(
        "stored as utf8mb4",
        hex(word.as_bytes()),
        one(&mut conn, &format!("SELECT HEX(s) FROM {table}")).await?,
    )?;
    eq("utf8mb4 back", word.to_string(), one(&mut conn, &format!("SELECT s FROM {table}")).await?)?;
    let mut latin = Conn::new(options(s).setup(vec!["SET NAMES latin1"])).await?;
    latin.exec_drop(format!("INSERT INTO {table} VALUES (2, ?)"), (b"caf\xe9".to_vec(),)).await?;
    let select = format!("SELECT s, HEX(s) FROM {table} WHERE id = 2");
    let want = (b"caf\xe9".to_vec(), "636166C3A9".to_string());
    eq("latin1", Some(want.clone()), latin.query_first(&select).await?)?;
    eq("latin1, prepared", Some(want), latin.exec_first(&select, ()).await?)?;
    latin.query_drop("SET NAMES utf8mb4").await?;
    eq(
        "after SET NAMES",
        word.to_string(),
        one(&mut latin, &format!("SELECT s FROM {table} WHERE id = 1")).await?,
    )?;
    latin.disconnect().await?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn soil(conn: &mut Conn) -> Result<(), Fail> {
    conn.query_drop("SET @v = 42, SESSION group_concat_max_len = 777").await?;
    conn.query_drop(format!("CREATE TEMPORARY TABLE {PRE}temp (id INT)")).await?;
    eq("user variable", 42, one(conn, "SELECT @v").await?)
}

async fn check_clean(s: &Settings, conn: &mut Conn, schema: &str) -> Result<(), Fail> {
    eq("user variable", None, one::<Option<String>>(conn, "SELECT @v").await?)?;
    ok("session variable", one::<u64>(conn, "SELECT @@group_concat_max_len").await? != 777, 777)?;
    eq("schema", schema.to_string(), one(conn, "SELECT DATABASE()").await?)?;
    let temp = format!("SELECT * FROM {}.{PRE}temp", s.database);
    fails("temporary table", &[1146], conn.query_drop(temp).await).map(drop)
}

async fn change_user(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    for round in 0..3 {
        soil(&mut conn).await?;
        conn.exec_first::<i32, _, _>("SELECT 1 + ?", (round,)).await?;
        conn.change_user(ChangeUserOpts::default()).await?;
        check_clean(s, &mut conn, &s.database).await?;
        eq("execute afterwards", Some(1 + round), conn.exec_first("SELECT 1 + ?", (round,)).await?)?;
    }
    let elsewhere = ChangeUserOpts::new().with_db_name(Some("information_schema".into()));
    conn.change_user(elsewhere).await?;
    check_clean(s, &mut conn, "information_schema").await?;
    let wrong = ChangeUserOpts::new().with_pass(Some("wrong".into()));
    fails("wrong password", &[1045], conn.change_user(wrong).await)?;
    Ok("")
}

async fn reset_connection(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "reset", "id INT").await?;
    for round in 0..3 {
        soil(&mut conn).await?;
        conn.exec_first::<i32, _, _>("SELECT 1 + ?", (round,)).await?;
        conn.query_drop("START TRANSACTION").await?;
        conn.query_drop(format!("INSERT INTO {table} VALUES (1)")).await?;
        ok("the driver resets", conn.reset().await?, false)?;
        check_clean(s, &mut conn, &s.database).await?;
        eq(
            "the open transaction is rolled back",
            0,
            one(&mut conn, &format!("SELECT COUNT(*) FROM {table}")).await?,
        )?;
        eq("execute afterwards", Some(1 + round), conn.exec_first("SELECT 1 + ?", (round,)).await?)?;
    }
    drop_table(conn, &table).await?;
    Ok("")
}

async fn cursor(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let mut big = Big::default();
    let mut stream = conn.exec_stream::<(u64, String), _, _>(s.sql("big.sql", ""), ()).await?;
    let mut seen = 0;
    while let Some(row) = stream.next().await {
        let (n, payload) = row?;
        big.row(n, &payload);
        seen += 1;
        if seen % 50_000 == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    drop(stream);
    big.check()?;
    let mut stream = conn.query_stream::<(u64, String), _>(s.sql("big.sql", "")).await?;
    ok("a row", stream.next().await.is_some(), "none")?;
    drop(stream); // most rows unread
    eq("afterwards", 7, one(&mut conn, "SELECT 7").await?)?;
    conn.disconnect().await?;
    Ok("streamed rows: the driver has no server-side cursor")
}

async fn affected(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT").await?;
    conn.query_drop(format!("INSERT INTO {table} (v) VALUES (1),(2),(3)")).await?;
    eq("INSERT", 3, conn.affected_rows())?;
    eq("info", "Records: 3  Duplicates: 0  Warnings: 0".to_string(), conn.info().into_owned())?;
    let first = conn.last_insert_id();
    eq("last insert id", first, one(&mut conn, &format!("SELECT MIN(id) FROM {table}")).await?)?;
    eq("LAST_INSERT_ID()", first, one(&mut conn, "SELECT LAST_INSERT_ID()").await?)?;
    conn.exec_drop(format!("UPDATE {table} SET v = ?"), (2,)).await?;
    eq("UPDATE: changed", 2, conn.affected_rows())?;
    eq("info", "Rows matched: 3  Changed: 2  Warnings: 0".to_string(), conn.info().into_owned())?;
    conn.query_drop(format!("INSERT IGNORE INTO {table} (v) VALUES (1000), (2000), (4)")).await?;
    eq("warnings", 2, conn.get_warnings())?;
    let warnings: Vec<(String, u16, String)> = conn.query("SHOW WARNINGS").await?;
    eq("SHOW WARNINGS", vec![1264, 1264], warnings.iter().map(|w| w.1).collect())?;
    conn.exec_drop(format!("DELETE FROM {table}"), ()).await?;
    eq("DELETE", 6, conn.affected_rows())?;
    conn.query_drop("BEGIN").await?;
    let status = conn.last_ok_packet().map(|ok| ok.status_flags().bits() & 1);
    eq("status: in a transaction", Some(1), status)?;
    conn.query_drop("ROLLBACK").await?;
    let mut found = Conn::new(options(s).client_found_rows(true)).await?;
    found.query_drop(format!("INSERT INTO {table} (v) VALUES (1),(2),(3)")).await?;
    found.query_drop(format!("UPDATE {table} SET v = 2")).await?;
    eq("UPDATE with CLIENT_FOUND_ROWS: matched", 3, found.affected_rows())?;
    found.disconnect().await?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn ping(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    for _ in 0..100 {
        conn.ping().await?;
    }
    eq("afterwards", 1, one(&mut conn, "SELECT 1").await?)?;
    conn.disconnect().await?;
    Ok("")
}

async fn schema(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "schema", "id INT").await?;
    conn.query_drop("USE information_schema").await?;
    eq("USE", Some("information_schema".to_string()), conn.exec_first("SELECT DATABASE()", ()).await?)?;
    fails("the table is elsewhere", &[1109, 1146], conn.query_drop(format!("SELECT * FROM {table}")).await)?;
    fails("the table is elsewhere", &[1109, 1146], conn.prep(format!("SELECT * FROM {table}")).await)?;
    conn.query_drop(format!("USE {}", s.database)).await?;
    eq("back", s.database.clone(), one(&mut conn, "SELECT DATABASE()").await?)?;
    fails("unknown schema", &[1044, 1049], conn.query_drop("USE no_such_schema").await)?;
    eq("stays after the error", s.database.clone(), one(&mut conn, "SELECT DATABASE()").await?)?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn kill_query(s: &Settings) -> Outcome {
    let (mut conn, mut other) = (connect(s).await?, connect(s).await?);
    let table = fresh(&mut conn, "kill", "id INT").await?;
    conn.query_drop(format!("INSERT INTO {table} VALUES (1), (2)")).await?;
    let sleep = format!("SELECT SLEEP(20), id FROM {table}");
    let poll = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep' AND info LIKE '{sleep}%'"
    );
    for by in ["the greeting's id", "CONNECTION_ID()"] {
        let id =
            if by == "CONNECTION_ID()" { one(&mut conn, "SELECT CONNECTION_ID()").await? } else { conn.id() };
        let killer = async {
            let mut seen = false;
            for _ in 0..600 {
                seen = one::<u32>(&mut other, &poll).await? > 0;
                if seen {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            ok("the statement to kill is in the process list", seen, "nothing in 600 looks")?;
            let began = Instant::now();
            other.query_drop(format!("KILL QUERY {id}")).await?;
            Ok::<_, Fail>(began)
        };
        let (slept, killed) = tokio::join!(conn.query::<Row, _>(&sleep), killer);
        let began = killed?;
        fails(&format!("KILL QUERY by {by}"), &[1317], slept)?;
        ok(format!("KILL QUERY by {by}: ends soon"), began.elapsed().as_secs() < 10, began.elapsed())?;
        eq("afterwards", 2, one(&mut conn, &format!("SELECT COUNT(*) FROM {table}")).await?)?;
    }
    other.query_drop(format!("KILL {}", conn.id())).await?;
    ok("after KILL CONNECTION: an error", conn.query_drop("SELECT 1").await.is_err(), "none")?;
    drop_table(other, &table).await?;
    Ok("")
}

async fn prepare_cycles(s: &Settings) -> Outcome {
    let mut conn = Conn::new(options(s).stmt_cache_size(0)).await?;
    for n in 0..1000 {
        let statement = conn.prep(format!("SELECT ? + {n}")).await?;
        eq(format!("cycle {n}"), Some(n + 7), conn.exec_first(&statement, (7,)).await?)?;
        conn.close(statement).await?;
    }
    let mut open = Vec::new();
    for n in 0..100 {
        open.push(conn.prep(format!("SELECT ? + {n}")).await?);
    }
    for (n, statement) in open.iter().enumerate().rev() {
        eq("100 statements open at once", Some(n + 1000), conn.exec_first(statement, (1000,)).await?)?;
    }
    conn.disconnect().await?;
    Ok("")
}

async fn empty(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "empty", "id INT, s VARCHAR(10)").await?;
    let select = format!("SELECT * FROM {table}");
    let result = conn.query_iter(&select).await?;
    eq("columns", 2, result.columns_ref().len())?;
    result.drop_result().await?;
    eq("no rows", 0, conn.query::<Row, _>(&select).await?.len())?;
    eq("no rows, prepared", 0, conn.exec::<Row, _, _>(&select, ()).await?.len())?;
    let pair = Some((String::new(), None::<i32>));
    eq("empty and NULL", pair.clone(), conn.query_first("SELECT '', NULL").await?)?;
    eq("empty and NULL, prepared", pair, conn.exec_first("SELECT '', NULL", ()).await?)?;
    conn.query_drop("DO 1").await?;
    conn.exec_drop("DO 1", ()).await?;
    let wide = (0..500).map(|n| format!("{n} AS c{n}")).collect::<Vec<_>>().join(", ");
    let row: Option<Row> = conn.exec_first(format!("SELECT {wide}"), ()).await?;
    eq("500 columns", Some(499), row.and_then(|row| row.get::<i32, _>(499)))?;
    drop_table(conn, &table).await?;
    Ok("")
}

#[tokio::main]
async fn main() {
    let s = &Settings::from_env();
    let mut suite = Suite::new("mysql_async");
    suite.feature("login", login(s)).await;
    suite.feature("wrong_password", wrong_password(s)).await;
    suite.feature("text", values::text(s)).await;
    suite.feature("prepared", values::prepared(s)).await;
    suite.feature("big_result", big_result(s)).await;
    suite.feature("big_packet", big_packet(s)).await;
    suite.feature("errors", errors(s)).await;
    suite.feature("transaction", transaction(s)).await;
    suite.feature("multi_statement", multi_statement(s)).await;
    suite.feature("procedure", procedure(s)).await;
    suite.feature("load_data", load_data(s)).await;
    suite.feature("charset", charset(s)).await;
    suite.feature("change_user", change_user(s)).await;
    suite.feature("reset_connection", reset_connection(s)).await;
    suite.feature("cursor", cursor(s)).await;
    suite.feature("affected", affected(s)).await;
    suite.feature("ping", ping(s)).await;
    suite.feature("schema", schema(s)).await;
    suite.feature("kill_query", kill_query(s)).await;
    suite.feature("prepare_cycles", prepare_cycles(s)).await;
    suite.feature("empty", empty(s)).await;
    suite.has_not("pipeline", "the driver waits for each answer");
    suite.end();
}
