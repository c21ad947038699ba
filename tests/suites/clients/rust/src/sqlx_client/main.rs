//! The sqlx driver: `raw_sql` (text) and `query` (prepared, with a statement cache).

mod values;

use std::time::Duration;

use futures_util::StreamExt;
use pointsman_clients::*;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlQueryResult, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, Connection, Either, Error, Executor, MySqlConnection, Row};
use tokio::time::Instant;

const PRE: &str = "sqlx_";

fn options(s: &Settings) -> MySqlConnectOptions {
    MySqlConnectOptions::new()
        .host(&s.host)
        .port(s.port)
        .username(&s.user)
        .password(&s.password)
        .database(&s.database)
        .ssl_mode(if s.tls { MySqlSslMode::Required } else { MySqlSslMode::Disabled })
}

async fn connect(s: &Settings) -> Result<MySqlConnection, Error> {
    MySqlConnection::connect_with(&options(s)).await
}

/// Text protocol.
async fn run(conn: &mut MySqlConnection, sql: impl Into<String>) -> Result<MySqlQueryResult, Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(conn).await
}

async fn text_rows(conn: &mut MySqlConnection, sql: impl Into<String>) -> Result<Vec<MySqlRow>, Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).fetch_all(conn).await
}

/// Prepared.
async fn rows(conn: &mut MySqlConnection, sql: impl Into<String>) -> Result<Vec<MySqlRow>, Error> {
    sqlx::query(AssertSqlSafe(sql.into())).fetch_all(conn).await
}

async fn one<T>(conn: &mut MySqlConnection, sql: impl Into<String>) -> Result<T, Error>
where
    T: for<'r> sqlx::Decode<'r, sqlx::MySql> + sqlx::Type<sqlx::MySql>,
{
    sqlx::raw_sql(AssertSqlSafe(sql.into())).fetch_one(conn).await?.try_get_unchecked(0)
}

async fn count(conn: &mut MySqlConnection, table: &str) -> Result<i64, Error> {
    let row = sqlx::query(AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"))).fetch_one(conn).await?;
    row.try_get(0)
}

async fn fresh(conn: &mut MySqlConnection, name: &str, columns: &str) -> Result<String, Error> {
    run(conn, format!("DROP TABLE IF EXISTS {PRE}{name}")).await?;
    run(conn, format!("CREATE TABLE {PRE}{name} ({columns}) CHARACTER SET utf8mb4")).await?;
    Ok(format!("{PRE}{name}"))
}

async fn drop_table(mut conn: MySqlConnection, table: &str) -> Result<(), Fail> {
    run(&mut conn, format!("DROP TABLE {table}")).await?;
    Ok(conn.close().await?)
}

fn fails<T>(what: &str, codes: &[u16], result: Result<T, Error>) -> Result<String, Fail> {
    match result {
        Err(Error::Database(error))
            if codes.contains(&error.downcast_ref::<MySqlDatabaseError>().number()) =>
        {
            Ok(format!("{} {}", error.code().unwrap_or_default(), error.message()))
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
    conn.close().await?;
    Ok("")
}

async fn wrong_password(s: &Settings) -> Outcome {
    let with = |o: MySqlConnectOptions| async move { MySqlConnection::connect_with(&o).await };
    fails("wrong password", &[1045], with(options(s).password("wrong")).await)?;
    fails("empty password", &[1045], with(options(s).password("")).await)?;
    fails("unknown schema", &[1044, 1049], with(options(s).database("no_such_schema")).await)?;
    Ok("")
}

async fn read_big(conn: &mut MySqlConnection, sql: String, prepared: bool, rest_ms: u64) -> Result<(), Fail> {
    let mut big = Big::default();
    let mut stream = if prepared {
        sqlx::query(AssertSqlSafe(sql)).fetch(conn)
    } else {
        sqlx::raw_sql(AssertSqlSafe(sql)).fetch(conn)
    };
    let mut seen = 0;
    while let Some(row) = stream.next().await {
        let row = row?;
        big.row(row.try_get_unchecked::<i64, _>(0)? as u64, &row.try_get::<String, _>(1)?);
        seen += 1;
        if rest_ms > 0 && seen % 50_000 == 0 {
            tokio::time::sleep(Duration::from_millis(rest_ms)).await;
        }
    }
    big.check()
}

async fn big_result(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    for prepared in [false, true] {
        read_big(&mut conn, s.sql("big.sql", ""), prepared, 0).await?;
    }
    eq("afterwards", 1, one::<i32>(&mut conn, "SELECT 1").await?)?;
    conn.close().await?;
    Ok("")
}

async fn big_packet(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "big_packet", "id INT PRIMARY KEY, b LONGBLOB").await?;
    let blob = pattern(20 * MIB, 0);
    sqlx::query(AssertSqlSafe(format!("INSERT INTO {table} VALUES (1, ?)")))
        .bind(&blob)
        .execute(&mut conn)
        .await?;
    let select = format!("SELECT LENGTH(b), b FROM {table}");
    for got in [text_rows(&mut conn, &select).await?, rows(&mut conn, &select).await?] {
        eq("stored length", 20 * MIB as i64, got[0].try_get_unchecked(0)?)?;
        let back: Vec<u8> = got[0].try_get(1)?;
        ok("20 MiB blob round trip", back == blob, back.len())?;
    }
    let literal = letters(20 * MIB);
    // The driver takes a row that begins with 0xfe, so with a first value over 16 MiB, for the end of the rows.
    let got = text_rows(&mut conn, format!("SELECT 1, '{literal}' AS v")).await?;
    let back: String = got[0].try_get(1)?;
    ok("20 MiB literal round trip", back == literal, back.len())?;
    let around = "SELECT LENGTH('')".len();
    for size in EDGE_TEXT {
        let sql = format!("SELECT LENGTH('{}')", &literal[..size - around]);
        eq(
            format!("a statement of {size} bytes"),
            (size - around) as i64,
            one::<i64>(&mut conn, sql).await?,
        )?;
    }
    for size in &EDGE_ROW[..3] {
        let back: String = one(&mut conn, format!("SELECT REPEAT('x', {size})")).await?;
        ok(format!("a row with {size} bytes"), back == "x".repeat(*size), back.len())?;
    }
    drop_table(conn, &table).await?;
    Ok("")
}

async fn errors(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "errors", "id INT PRIMARY KEY").await?;
    run(&mut conn, format!("INSERT INTO {table} VALUES (1), (2)")).await?;
    let among =
        format!("SELECT t.id, (SELECT u.id FROM {table} u WHERE u.id <= t.id) FROM {table} t ORDER BY t.id");
    for (sql, code) in [
        ("SELEKT 1".to_string(), 1064),
        (format!("SELECT * FROM {table}_none"), 1146),
        (format!("INSERT INTO {table} VALUES (1)"), 1062),
        (format!("SELECT nope FROM {table}"), 1054),
        (among, 1242),
    ] {
        fails(&sql, &[code], text_rows(&mut conn, &sql).await)?;
        eq("after the error", 2, count(&mut conn, &table).await?)?;
        fails(&sql, &[code], rows(&mut conn, &sql).await)?;
        eq("after the error", 2, count(&mut conn, &table).await?)?;
    }
    let message =
        fails("duplicate", &[1062], run(&mut conn, format!("INSERT INTO {table} VALUES (1)")).await)?;
    ok("SQLSTATE and the server's own message", message.starts_with("23000 Duplicate entry '1'"), message)?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn transaction(s: &Settings) -> Outcome {
    let (mut a, mut b) = (connect(s).await?, connect(s).await?);
    let table = fresh(&mut b, "transaction", "id INT PRIMARY KEY, v INT").await?;
    let mut tx = a.begin().await?;
    tx.execute(AssertSqlSafe(format!("INSERT INTO {table} VALUES (1, 1)"))).await?;
    eq("own write", 1, count(&mut tx, &table).await?)?;
    eq("others see nothing before COMMIT", 0, count(&mut b, &table).await?)?;
    tx.commit().await?;
    eq("others see it after COMMIT", 1, count(&mut b, &table).await?)?;
    let mut tx = a.begin().await?;
    run(&mut tx, format!("INSERT INTO {table} VALUES (2, 2)")).await?;
    tx.rollback().await?;
    eq("after ROLLBACK", 1, count(&mut a, &table).await?)?;
    let mut tx = a.begin().await?;
    eq("snapshot", 1, count(&mut tx, &table).await?)?;
    run(&mut b, format!("INSERT INTO {table} VALUES (3, 3)")).await?;
    eq("the snapshot stays", 1, count(&mut tx, &table).await?)?;
    // A nested transaction is a savepoint.
    let mut nested = tx.begin().await?;
    run(&mut nested, format!("INSERT INTO {table} VALUES (4, 4)")).await?;
    nested.rollback().await?;
    tx.commit().await?;
    eq("savepoint", 2, count(&mut a, &table).await?)?;
    let mut tx = a.begin().await?;
    run(&mut tx, format!("INSERT INTO {table} VALUES (5, 5)")).await?;
    drop(tx); // rolled back before the next statement
    eq("after a dropped transaction", 2, count(&mut a, &table).await?)?;
    let mut tx = a.begin().await?;
    run(&mut tx, format!("UPDATE {table} SET v = 7 WHERE id = 1")).await?;
    run(&mut b, "SET SESSION innodb_lock_wait_timeout = 1").await?;
    fails("lock wait", &[1205], run(&mut b, format!("UPDATE {table} SET v = 9 WHERE id = 1")).await)?;
    tx.commit().await?;
    eq("committed", 7, one::<i32>(&mut b, format!("SELECT v FROM {table} WHERE id = 1")).await?)?;
    a.close().await?;
    drop_table(b, &table).await?;
    Ok("")
}

async fn multi_statement(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "multi", "id INT AUTO_INCREMENT PRIMARY KEY, v INT").await?;
    let sql = format!(
        "INSERT INTO {table} (v) VALUES (1),(2); SELECT v FROM {table} ORDER BY v; UPDATE {table} SET v = v + 1; SELECT 99"
    );
    let mut seen = Vec::new();
    let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut conn);
    while let Some(item) = results.next().await {
        seen.push(match item? {
            Either::Left(done) => format!("affected {}", done.rows_affected()),
            Either::Right(row) => format!("row {}", row.try_get_unchecked::<i64, _>(0)?),
        });
    }
    drop(results);
    eq(
        "four results",
        "affected 2,row 1,row 2,affected 0,affected 2,row 99,affected 0".to_string(),
        seen.join(","),
    )?;
    fails(
        "error in the second statement",
        &[1064],
        text_rows(&mut conn, "SELECT 1; SELEKT 2; SELECT 3").await,
    )?;
    eq("afterwards", 2, count(&mut conn, &table).await?)?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn procedure(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    run(&mut conn, format!("DROP PROCEDURE IF EXISTS {PRE}proc")).await?;
    let body = "BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; SET twice = 2 * n; END";
    run(&mut conn, format!("CREATE PROCEDURE {PRE}proc(IN n INT, OUT twice INT) {body}")).await?;
    let got = text_rows(&mut conn, format!("CALL {PRE}proc(20, @twice)")).await?;
    eq("two result sets", vec![1, 2], got.iter().map(|row| row.len()).collect())?;
    eq(
        "their values",
        (20, 21),
        (got[0].try_get_unchecked::<i64, _>(0)?, got[1].try_get_unchecked::<i64, _>(0)?),
    )?;
    let got = rows(&mut conn, format!("CALL {PRE}proc(30, @twice)")).await?;
    eq("two result sets, prepared", vec![1, 2], got.iter().map(|row| row.len()).collect())?;
    eq("OUT parameter", 60, one::<i64>(&mut conn, "SELECT @twice").await?)?;
    run(&mut conn, format!("DROP PROCEDURE {PRE}proc")).await?;
    conn.close().await?;
    Ok("")
}

async fn charset(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "charset", "id INT PRIMARY KEY, s VARCHAR(100)").await?;
    let word = "naïve €-中文-🚂🎉";
    sqlx::query(AssertSqlSafe(format!("INSERT INTO {table} VALUES (1, ?)")))
        .bind(word)
        .execute(&mut conn)
        .await?;
    eq(
        "stored as utf8mb4",
        hex(word.as_bytes()),
        one(&mut conn, format!("SELECT HEX(s) FROM {table}")).await?,
    )?;
    for got in [
        text_rows(&mut conn, format!("SELECT s FROM {table}")).await?,
        rows(&mut conn, format!("SELECT s FROM {table}")).await?,
    ] {
        eq("utf8mb4 back", word.to_string(), got[0].try_get(0)?)?;
    }
    run(&mut conn, "SET NAMES latin1").await?;
    eq(
        "latin1 back",
        b"na\xefve \x80-??-??".to_vec(),
        one::<Vec<u8>>(&mut conn, format!("SELECT s FROM {table}")).await?,
    )?;
    run(&mut conn, "SET NAMES utf8mb4").await?;
    eq("after SET NAMES", word.to_string(), one(&mut conn, format!("SELECT s FROM {table}")).await?)?;
    drop_table(conn, &table).await?;
    Ok("latin1 by SET NAMES: the driver speaks utf8mb4")
}

async fn cursor(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    read_big(&mut conn, s.sql("big.sql", ""), true, 50).await?;
    let mut stream = sqlx::query(AssertSqlSafe(s.sql("big.sql", ""))).fetch(&mut conn);
    ok("a row", stream.next().await.is_some(), "none")?;
    drop(stream); // most rows unread
    eq("afterwards", 7, one::<i32>(&mut conn, "SELECT 7").await?)?;
    conn.close().await?;
    Ok("streamed rows: the driver has no server-side cursor")
}

async fn affected(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT").await?;
    let insert = format!("INSERT INTO {table} (v) VALUES (1),(2),(3)");
    for prepared in [false, true] {
        let done = if prepared {
            sqlx::query(AssertSqlSafe(insert.clone())).execute(&mut conn).await?
        } else {
            run(&mut conn, insert.clone()).await?
        };
        eq("INSERT", 3, done.rows_affected())?;
        eq(
            "last insert id",
            done.last_insert_id(),
            one::<u64>(&mut conn, format!("SELECT MIN(id) FROM {table}")).await?,
        )?;
        eq(
            "LAST_INSERT_ID()",
            done.last_insert_id(),
            one::<u64>(&mut conn, "SELECT LAST_INSERT_ID()").await?,
        )?;
        // The driver asks for CLIENT_FOUND_ROWS: matched rows count.
        eq("UPDATE: matched", 3, run(&mut conn, format!("UPDATE {table} SET v = 2")).await?.rows_affected())?;
        run(&mut conn, format!("INSERT IGNORE INTO {table} (v) VALUES (1000), (2000), (4)")).await?;
        let warnings = text_rows(&mut conn, "SHOW WARNINGS").await?;
        eq("SHOW WARNINGS", 2, warnings.len())?;
        eq("their code", 1264, warnings[1].try_get_unchecked::<i64, _>(1)?)?;
        eq("DELETE", 6, run(&mut conn, format!("DELETE FROM {table}")).await?.rows_affected())?;
    }
    drop_table(conn, &table).await?;
    Ok("")
}

async fn ping(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    for _ in 0..100 {
        conn.ping().await?;
    }
    eq("afterwards", 1, one::<i32>(&mut conn, "SELECT 1").await?)?;
    conn.close().await?;
    Ok("")
}

async fn schema(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "schema", "id INT").await?;
    run(&mut conn, "USE information_schema").await?;
    eq("USE", "information_schema".to_string(), one(&mut conn, "SELECT DATABASE()").await?)?;
    fails("the table is elsewhere", &[1109, 1146], run(&mut conn, format!("SELECT * FROM {table}")).await)?;
    fails("the table is elsewhere", &[1109, 1146], rows(&mut conn, format!("SELECT * FROM {table}")).await)?;
    run(&mut conn, format!("USE {}", s.database)).await?;
    eq("back", s.database.clone(), one(&mut conn, "SELECT DATABASE()").await?)?;
    fails("unknown schema", &[1044, 1049], run(&mut conn, "USE no_such_schema").await)?;
    eq("stays after the error", s.database.clone(), one(&mut conn, "SELECT DATABASE()").await?)?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn kill_query(s: &Settings) -> Outcome {
    let (mut conn, mut other) = (connect(s).await?, connect(s).await?);
    let table = fresh(&mut conn, "kill", "id INT").await?;
    run(&mut conn, format!("INSERT INTO {table} VALUES (1), (2)")).await?;
    let sleep = format!("SELECT SLEEP(20), id FROM {table}");
    let poll = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep' AND info LIKE '{sleep}%'"
    );
    for prepared in [false, true] {
        let id: u64 = one(&mut conn, "SELECT CONNECTION_ID()").await?;
        let killer = async {
            let mut seen = false;
            for _ in 0..600 {
                seen = one::<i64>(&mut other, &poll).await? > 0;
                if seen {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            ok("the statement to kill is in the process list", seen, "nothing in 600 looks")?;
            let began = Instant::now();
            run(&mut other, format!("KILL QUERY {id}")).await?;
            Ok::<_, Fail>(began)
        };
        let sleeper = async {
            if prepared { rows(&mut conn, &sleep).await } else { text_rows(&mut conn, &sleep).await }
        };
        let (slept, killed) = tokio::join!(sleeper, killer);
        let began = killed?;
        fails("KILL QUERY by CONNECTION_ID()", &[1317], slept)?;
        ok("ends soon", began.elapsed().as_secs() < 10, began.elapsed())?;
        eq("afterwards", 2, count(&mut conn, &table).await?)?;
    }
    drop_table(other, &table).await?;
    Ok("by CONNECTION_ID(): the driver hides the greeting's id")
}

async fn prepare_cycles(s: &Settings) -> Outcome {
    let mut conn = MySqlConnection::connect_with(&options(s).statement_cache_capacity(100)).await?;
    for n in 0..1000_i64 {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT CAST(? AS SIGNED) + {n}")))
            .bind(7)
            .fetch_one(&mut conn)
            .await?;
        eq(format!("cycle {n}"), n + 7, row.try_get_unchecked(0)?)?;
    }
    for n in (900..1000_i64).rev() {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT CAST(? AS SIGNED) + {n}")))
            .bind(-n)
            .fetch_one(&mut conn)
            .await?;
        eq("100 statements open at once", 0, row.try_get_unchecked::<i64, _>(0)?)?;
    }
    conn.clear_cached_statements().await?;
    eq("afterwards", 1, one::<i32>(&mut conn, "SELECT 1").await?)?;
    conn.close().await?;
    Ok("a cache of 100 statements closes the oldest")
}

async fn empty(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = fresh(&mut conn, "empty", "id INT, s VARCHAR(10)").await?;
    let select = format!("SELECT * FROM {table}");
    eq("no rows", 0, text_rows(&mut conn, &select).await?.len())?;
    eq("no rows, prepared", 0, rows(&mut conn, &select).await?.len())?;
    for got in [text_rows(&mut conn, "SELECT '', NULL").await?, rows(&mut conn, "SELECT '', NULL").await?] {
        eq("empty", String::new(), got[0].try_get(0)?)?;
        eq("NULL", None, got[0].try_get_unchecked::<Option<i64>, _>(1)?)?;
    }
    let wide = (0..500).map(|n| format!("{n} AS c{n}")).collect::<Vec<_>>().join(", ");
    eq(
        "500 columns",
        499,
        rows(&mut conn, format!("SELECT {wide}")).await?[0].try_get_unchecked::<i64, _>(499)?,
    )?;
    eq("DO", 0, run(&mut conn, "DO 1").await?.rows_affected())?;
    drop_table(conn, &table).await?;
    Ok("")
}

#[tokio::main]
async fn main() {
    let s = &Settings::from_env();
    let mut suite = Suite::new("sqlx");
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
    suite.has_not("load_data", "the driver has no LOAD DATA LOCAL");
    suite.feature("charset", charset(s)).await;
    suite.has_not("change_user", "the driver has no COM_CHANGE_USER");
    suite.has_not("reset_connection", "the driver has no COM_RESET_CONNECTION");
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
