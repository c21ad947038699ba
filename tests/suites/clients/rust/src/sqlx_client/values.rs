//! Values of every type in both protocols.

use pointsman_clients::*;
use sqlx::mysql::MySqlRow;
use sqlx::types::BigDecimal;
use sqlx::types::chrono::{NaiveDate, NaiveDateTime};
use sqlx::{AssertSqlSafe, Error, MySqlConnection, Row, SqlSafeStr};

use super::{PRE, connect, count, drop_table, fails, one, rows, run, text_rows};

async fn types_table(s: &Settings, conn: &mut MySqlConnection, name: &str) -> Result<String, Error> {
    let table = format!("{PRE}{name}");
    run(conn, "SET time_zone = '+00:00'").await?;
    run(conn, format!("DROP TABLE IF EXISTS {table}")).await?;
    run(conn, s.sql("types_create.sql", &table)).await?;
    Ok(table)
}

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

fn at(y: i32, mo: u32, d: u32, h: u32, mi: u32, s: u32, us: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(y, mo, d).and_then(|day| day.and_hms_micro_opt(h, mi, s, us)).unwrap_or_default()
}

async fn check_types(
    s: &Settings,
    conn: &mut MySqlConnection,
    table: &str,
    rows: &[MySqlRow],
) -> Result<(), Fail> {
    eq("the server's own verdict", 111, one::<i64>(conn, s.sql("types_check.sql", table)).await?)?;
    eq("rows", 3, rows.len())?;
    let (one, two, three) = (&rows[0], &rows[1], &rows[2]);
    eq("row 1, tinyint", (127, 255), (one.try_get::<i8, _>("ti")?, one.try_get::<u8, _>("tu")?))?;
    eq::<(i16, i32, i32)>(
        "row 1, integers",
        (32767, 8388607, i32::MAX),
        (one.try_get("si")?, one.try_get("mi")?, one.try_get("i")?),
    )?;
    eq(
        "row 1, long",
        (u32::MAX, i64::MAX, u64::MAX),
        (one.try_get("iu")?, one.try_get("bi")?, one.try_get("bu")?),
    )?;
    eq("row 1, floats", (1.5_f32, 1.25e100_f64), (one.try_get("f")?, one.try_get("d")?))?;
    eq("row 1, decimal", "12345678901234567890.0123456789".parse::<BigDecimal>().ok(), one.try_get("de")?)?;
    let strings: (String, String, String) = (one.try_get("vc")?, one.try_get("ch")?, one.try_get("tx")?);
    eq("row 1, strings", ("héllo €".into(), "abc".into(), "long".repeat(1000)), strings)?;
    eq::<Vec<u8>>("row 1, blob", all_bytes(), one.try_get("bl")?)?;
    eq("row 1, binary", vec![0_u8, 1, 0xfe, 0xff], one.try_get("bn")?)?;
    eq("row 1, date", NaiveDate::from_ymd_opt(2024, 2, 29), one.try_get("dt")?)?;
    eq("row 1, datetime", at(2024, 12, 31, 23, 59, 59, 123_456), one.try_get("dtm")?)?;
    eq("row 1, timestamp", at(2024, 6, 15, 12, 34, 56, 0), one.try_get_unchecked("ts")?)?;
    eq("row 1, year", 2024_u16, one.try_get("yr")?)?;
    eq::<(String, String)>(
        "row 1, enum and set",
        ("b".into(), "x,z".into()),
        (one.try_get("en")?, one.try_get("st")?),
    )?;
    let js: serde_json::Value = serde_json::from_str(&one.try_get_unchecked::<String, _>("js")?)?;
    eq("row 1, JSON", serde_json::json!({"a": [1, null]}), js)?;
    eq("row 2, tinyint", (-128, 0), (two.try_get::<i8, _>("ti")?, two.try_get::<u8, _>("tu")?))?;
    eq::<(i16, i32, i32)>(
        "row 2, integers",
        (-32768, -8388608, i32::MIN),
        (two.try_get("si")?, two.try_get("mi")?, two.try_get("i")?),
    )?;
    eq::<(u32, i64, u64)>(
        "row 2, long",
        (0, i64::MIN, 0),
        (two.try_get("iu")?, two.try_get("bi")?, two.try_get("bu")?),
    )?;
    eq("row 2, floats", (-1.5_f32, -2.5e-10_f64), (two.try_get("f")?, two.try_get("d")?))?;
    eq("row 2, decimal", "-0.0000000001".parse::<BigDecimal>().ok(), two.try_get("de")?)?;
    eq("row 2, strings", (String::new(), String::new()), (two.try_get("vc")?, two.try_get("tx")?))?;
    eq("row 2, binary", vec![0_u8; 4], two.try_get("bn")?)?;
    eq("row 2, datetime", at(1000, 1, 1, 0, 0, 0, 0), two.try_get("dtm")?)?;
    for column in 1..25 {
        eq(format!("row 3, column {column}"), true, sqlx::ValueRef::is_null(&three.try_get_raw(column)?))?;
    }
    Ok(())
}

pub async fn text(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = types_table(s, &mut conn, "text").await?;
    eq("inserted", 3, run(&mut conn, s.sql("types_insert.sql", &table)).await?.rows_affected())?;
    let rows = text_rows(&mut conn, format!("SELECT * FROM {table} ORDER BY id")).await?;
    check_types(s, &mut conn, &table, &rows).await?;
    drop_table(conn, &table).await?;
    Ok("")
}

async fn insert_values(conn: &mut MySqlConnection, table: &str) -> Result<(), Error> {
    let sql = AssertSqlSafe(format!("INSERT INTO {table} VALUES ({})", ["?"; 25].join(","))).into_sql_str();
    let decimal = |text: &str| text.parse::<BigDecimal>().unwrap_or_default();
    let first = sqlx::query(sql.clone())
        .bind(1)
        .bind(127_i8)
        .bind(255_u8)
        .bind(i16::MAX)
        .bind(8388607)
        .bind(i32::MAX);
    let first = first.bind(u32::MAX).bind(i64::MAX).bind(u64::MAX).bind(1.5_f32).bind(1.25e100_f64);
    let first = first
        .bind(decimal("12345678901234567890.0123456789"))
        .bind("héllo €")
        .bind("abc")
        .bind("long".repeat(1000));
    let first =
        first.bind(all_bytes()).bind(vec![0_u8, 1, 0xfe, 0xff]).bind(NaiveDate::from_ymd_opt(2024, 2, 29));
    let first = first
        .bind(at(2024, 12, 31, 23, 59, 59, 123_456))
        .bind(at(2024, 6, 15, 12, 34, 56, 0))
        .bind("12:34:56.5");
    first
        .bind(2024)
        .bind("b")
        .bind("x,z")
        .bind(sqlx::types::Json(serde_json::json!({"a": [1, null]})))
        .execute(&mut *conn)
        .await?;
    let second = sqlx::query(sql.clone())
        .bind(2)
        .bind(-128_i8)
        .bind(0_u8)
        .bind(i16::MIN)
        .bind(-8388608)
        .bind(i32::MIN);
    let second = second
        .bind(0_u32)
        .bind(i64::MIN)
        .bind(0_u64)
        .bind(-1.5_f32)
        .bind(-2.5e-10_f64)
        .bind(decimal("-0.0000000001"));
    let second = second
        .bind("")
        .bind("")
        .bind("")
        .bind(Vec::<u8>::new())
        .bind(vec![0_u8; 4])
        .bind(NaiveDate::from_ymd_opt(1000, 1, 1));
    let second =
        second.bind(at(1000, 1, 1, 0, 0, 0, 0)).bind(at(2000, 1, 1, 0, 0, 0, 0)).bind("-123:04:05.678901");
    second.bind(1901).bind("a").bind("").bind("[]").execute(&mut *conn).await?;
    let mut third = sqlx::query(sql).bind(3);
    for _ in 0..24 {
        third = third.bind(None::<String>);
    }
    third.execute(&mut *conn).await.map(drop)
}

pub async fn prepared(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = types_table(s, &mut conn, "prepared").await?;
    insert_values(&mut conn, &table).await?;
    let got = rows(&mut conn, format!("SELECT * FROM {table} ORDER BY id")).await?;
    check_types(s, &mut conn, &table, &got).await?;
    let select = AssertSqlSafe(format!("SELECT id FROM {table} WHERE bu = ? OR vc = ? ORDER BY id LIMIT 1"))
        .into_sql_str();
    for (bu, vc, want) in [(u64::MAX, "none", 1), (7, "", 2), (0, "x", 2)] {
        let id: i32 = sqlx::query_scalar(select.clone()).bind(bu).bind(vc).fetch_one(&mut conn).await?;
        eq("execute again", want, id)?;
    }
    fails("error in prepare", &[1064], rows(&mut conn, "SELEKT ?").await)?;
    let duplicate = sqlx::query(AssertSqlSafe(format!("INSERT INTO {table} (id) VALUES (?)")))
        .bind(1)
        .execute(&mut conn)
        .await;
    fails("error in execute", &[1062], duplicate)?;
    eq("afterwards", 3, count(&mut conn, &table).await?)?;
    drop_table(conn, &table).await?;
    Ok("")
}
