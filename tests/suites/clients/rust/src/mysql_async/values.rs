//! Values of every type in both protocols.

use mysql_async::prelude::*;
use mysql_async::{Conn, Params, Row, Value};
use pointsman_clients::*;

use super::{PRE, connect, drop_table, fails, one};

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

/// The rows as parameters; JSON is compared without its spaces.
fn values() -> Vec<Vec<Value>> {
    let text = |t: &str| Value::Bytes(t.into());
    vec![
        vec![
            1.into(),
            127.into(),
            255.into(),
            32767.into(),
            8388607.into(),
            i32::MAX.into(),
            u32::MAX.into(),
            i64::MAX.into(),
            u64::MAX.into(),
            Value::Float(1.5),
            Value::Double(1.25e100),
            text("12345678901234567890.0123456789"),
            text("héllo €"),
            text("abc"),
            text(&"long".repeat(1000)),
            Value::Bytes(all_bytes()),
            Value::Bytes(vec![0, 1, 0xfe, 0xff]),
            Value::Date(2024, 2, 29, 0, 0, 0, 0),
            Value::Date(2024, 12, 31, 23, 59, 59, 123_456),
            Value::Date(2024, 6, 15, 12, 34, 56, 0),
            Value::Time(false, 0, 12, 34, 56, 500_000),
            2024.into(),
            text("b"),
            text("x,z"),
            text("{\"a\": [1, null]}"),
        ],
        vec![
            2.into(),
            (-128).into(),
            0.into(),
            (-32768).into(),
            (-8388608).into(),
            i32::MIN.into(),
            0.into(),
            i64::MIN.into(),
            0.into(),
            Value::Float(-1.5),
            Value::Double(-2.5e-10),
            text("-0.0000000001"),
            text(""),
            text(""),
            text(""),
            text(""),
            Value::Bytes(vec![0; 4]),
            Value::Date(1000, 1, 1, 0, 0, 0, 0),
            Value::Date(1000, 1, 1, 0, 0, 0, 0),
            Value::Date(2000, 1, 1, 0, 0, 0, 0),
            Value::Time(true, 5, 3, 4, 5, 678_901),
            1901.into(),
            text("a"),
            text(""),
            text("[]"),
        ],
        [vec![3.into()], vec![Value::NULL; 24]].concat(),
    ]
}

/// One form for a value of either protocol, near to what SQL literals look like.
fn plain(value: &Value) -> String {
    match value {
        Value::NULL => "NULL".into(),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.replace("\": [", "\":[").replace("1, null", "1,null"),
            Err(_) => hex(bytes),
        },
        Value::Int(n) => n.to_string(),
        Value::UInt(n) => n.to_string(),
        Value::Float(f) => f.to_string(),
        Value::Double(d) => d.to_string(),
        Value::Date(y, mo, d, 0, 0, 0, 0) => format!("{y:04}-{mo:02}-{d:02}"),
        Value::Date(y, mo, d, h, mi, s, 0) => format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}"),
        Value::Date(y, mo, d, h, mi, s, us) => format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}.{us:06}"),
        Value::Time(negative, d, h, mi, s, us) => {
            format!(
                "{}{:02}:{mi:02}:{s:02}.{us:06}",
                if *negative { "-" } else { "" },
                d * 24 + u32::from(*h)
            )
        }
    }
}

fn same(want: &Value, got: &Value) -> bool {
    let (want_text, got_text) = (plain(want), plain(got));
    let as_number = |text: &str| text.parse::<f64>().ok();
    match want {
        Value::Float(_) | Value::Double(_) => as_number(&want_text) == as_number(&got_text),
        Value::Date(..) => got_text.trim_end_matches(".000000").trim_end_matches(" 00:00:00") == want_text,
        _ => want_text == got_text,
    }
}

async fn check_types(s: &Settings, conn: &mut Conn, table: &str, rows: Vec<Row>) -> Result<(), Fail> {
    eq("the server's own verdict", 111, one(conn, &s.sql("types_check.sql", table)).await?)?;
    eq("rows", 3, rows.len())?;
    for (want, row) in values().iter().zip(rows) {
        for (at, column) in row.columns_ref().iter().enumerate() {
            let got = row.as_ref(at).unwrap_or(&Value::NULL);
            ok(format!("column {} is {}", column.name_str(), short(&want[at])), same(&want[at], got), got)?;
        }
    }
    Ok(())
}

async fn types_table(s: &Settings, conn: &mut Conn, name: &str) -> Result<String, Fail> {
    let table = format!("{PRE}{name}");
    conn.query_drop("SET time_zone = '+00:00'").await?;
    conn.query_drop(format!("DROP TABLE IF EXISTS {table}")).await?;
    conn.query_drop(s.sql("types_create.sql", &table)).await?;
    Ok(table)
}

pub async fn text(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = types_table(s, &mut conn, "text").await?;
    conn.query_drop(s.sql("types_insert.sql", &table)).await?;
    eq("inserted", 3, conn.affected_rows())?;
    let rows = conn.query(format!("SELECT * FROM {table} ORDER BY id")).await?;
    check_types(s, &mut conn, &table, rows).await?;
    drop_table(conn, &table).await?;
    Ok("")
}

pub async fn prepared(s: &Settings) -> Outcome {
    let mut conn = connect(s).await?;
    let table = types_table(s, &mut conn, "prepared").await?;
    let marks = vec!["?"; 25].join(",");
    conn.exec_batch(
        format!("INSERT INTO {table} VALUES ({marks})"),
        values().into_iter().map(Params::Positional),
    )
    .await?;
    let rows = conn.exec(format!("SELECT * FROM {table} WHERE id > ? ORDER BY id"), (0,)).await?;
    check_types(s, &mut conn, &table, rows).await?;
    let statement =
        conn.prep(format!("SELECT id FROM {table} WHERE bu = :bu OR vc = :vc ORDER BY id LIMIT 1")).await?;
    for (bu, vc, want) in [(u64::MAX, "none", 1), (7, "", 2), (0, "x", 2)] {
        let id: Option<i32> =
            conn.exec_first(&statement, mysql_async::params! { "bu" => bu, "vc" => vc }).await?;
        eq("execute again", Some(want), id)?;
    }
    conn.close(statement).await?;
    fails("error in prepare", &[1064], conn.prep("SELEKT ?").await)?;
    fails(
        "error in execute",
        &[1062],
        conn.exec_drop(format!("INSERT INTO {table} (id) VALUES (?)"), (1,)).await,
    )?;
    eq("afterwards", Some(3), conn.exec_first(format!("SELECT COUNT(*) FROM {table}"), ()).await?)?;
    drop_table(conn, &table).await?;
    Ok("")
}
