//! Prepared statements of the binary protocol, kept over many steps.

use super::super::answer::{Part, Row, Shape};
use super::super::session::{Session, Step, cell, expect_error, expect_ok, expect_rows, fail};
use super::super::state::{Kind, SCHEMAS, Slot};
use super::bytes::{self, Value};
use super::{rows, settings};

pub async fn prepared(session: &mut Session) -> Step {
    let at = session.below(4);
    if session.model.slots[at].is_none() {
        return if session.below(10) == 0 { wrongly(session).await } else { prepare(session, at).await };
    }
    match session.below(20) {
        0..2 => close(session, at).await,
        2 => strangers(session).await,
        _ => execute(session, at).await,
    }
}

fn sql(kind: &Kind) -> String {
    match kind {
        Kind::Echo(tag) => format!("SELECT ? AS a, ? AS b, '{tag}' AS c"),
        Kind::Where(_) => "SELECT name FROM nl_where".into(),
        Kind::Pipes(tag, _) => format!("SELECT '{tag}' || 'x'"),
        Kind::UserVar(var) => format!("SELECT @u{var}"),
        Kind::Row => "SELECT v FROM test.nl_rows WHERE owner = ? AND id = ?".into(),
        Kind::Rows | Kind::Cursor => {
            "SELECT id, v FROM test.nl_rows WHERE owner = ? AND id > 0 ORDER BY id".into()
        }
        Kind::Insert => "REPLACE INTO test.nl_rows (owner, id, v) VALUES (?, ?, ?)".into(),
        Kind::Update => "UPDATE test.nl_rows SET v = ? WHERE owner = ? AND id = ?".into(),
        Kind::Delete => "DELETE FROM test.nl_rows WHERE owner = ? AND id = ?".into(),
        Kind::SetVar(var) => format!("SET @u{var} = ?"),
    }
}

fn parameters(kind: &Kind) -> u16 {
    sql(kind).matches('?').count() as u16
}

pub async fn prepare(session: &mut Session, at: usize) -> Step {
    let tag = session.tag();
    let kind = match session.below(12) {
        0 | 1 => Kind::Echo(tag),
        2 => Kind::Where(session.model.schema),
        3 => Kind::Pipes(tag, settings::pipes(session)),
        4 => Kind::UserVar(session.below(4)),
        5 | 6 => Kind::Row,
        7 => Kind::Rows,
        8 | 9 => Kind::Insert,
        10 => [Kind::Update, Kind::Delete][session.below(2)].clone(),
        _ => Kind::SetVar(session.below(4)),
    };
    prepare_kind(session, at, kind).await
}

pub async fn prepare_kind(session: &mut Session, at: usize, kind: Kind) -> Step {
    let sql = sql(&kind);
    let answer =
        session.run(&format!("prepare {sql}"), &[b"\x16", sql.as_bytes()].concat(), Shape::Prepared).await?;
    let writes = matches!(kind, Kind::Insert | Kind::Update | Kind::Delete);
    if writes && session.model.writes_refused() && answer.error().is_some_and(|(code, _)| code == 1792) {
        return Ok(()); // MariaDB already refuses here, MySQL when it is executed.
    }
    let [Part::Prepared(id, params)] = answer.parts.as_slice() else {
        return fail(format!("prepare {sql}: got {answer}"));
    };
    if *params != parameters(&kind) {
        return fail(format!("prepare {sql}: {params} parameters"));
    }
    if session.model.slots.iter().flatten().any(|slot| slot.id == *id) {
        return fail(format!("prepare {sql}: id {id} is that of another open statement"));
    }
    session.model.closed.retain(|closed| closed != id);
    let slot = Slot { id: *id, kind, types: None, long: None, cursor: None, columns: Vec::new() };
    session.model.slots[at] = Some(slot);
    Ok(())
}

async fn wrongly(session: &mut Session) -> Step {
    let sql = format!("SELEKT '{}', ?", session.tag());
    let answer =
        session.run(&format!("prepare {sql}"), &[b"\x16", sql.as_bytes()].concat(), Shape::Prepared).await?;
    expect_error(&sql, &answer, &[1064], sql.split('\'').nth(1).unwrap_or_default())
}

async fn close(session: &mut Session, at: usize) -> Step {
    if let Some(slot) = session.model.slots[at].take() {
        session.send(&format!("close {}", slot.id), &bytes::with_id(0x19, slot.id, &[])).await?;
        session.model.closed.push(slot.id);
    }
    Ok(())
}

/// Ids that are closed, or that only others have.
async fn strangers(session: &mut Session) -> Step {
    let closed = session.model.closed.len();
    let id = if closed > 0 && session.below(2) == 0 {
        let at = session.below(closed);
        session.model.closed[at]
    } else {
        session.below(4000) as u32 + 1
    };
    if session.model.slots.iter().flatten().any(|slot| slot.id == id) {
        return Ok(());
    }
    let label = format!("execute {id}, which is not ours");
    let answer = session.run(&label, &bytes::execute(id, false, &[], false), Shape::Binary).await?;
    expect_error(&label, &answer, &[1243], "")
}

/// Values for one more execution; long data stands for the first.
pub fn values(session: &mut Session, slot: &Slot) -> Vec<Value> {
    let owner = Value::Int(i64::from(session.owner));
    let id = Value::Int(session.below(12) as i64 + 1);
    let tag = session.tag();
    let number = session.number;
    // MySQL casts to the type that a parameter had before, so each keeps one.
    let long = slot.long.is_some();
    match slot.kind {
        Kind::Echo(_) => {
            let first = if session.below(4) == 0 { Value::Null } else { Value::Text(tag) };
            let second = match session.below(3) {
                0 => Value::Null,
                _ => Value::Int(i64::from(number) * 1_000_000 + session.below(1000) as i64),
            };
            vec![if long { Value::Long } else { first }, second]
        }
        Kind::SetVar(_) if long => vec![Value::Long],
        Kind::SetVar(_) => vec![Value::Text(tag)],
        Kind::Row | Kind::Delete => vec![owner, id],
        Kind::Rows | Kind::Cursor => vec![owner],
        Kind::Insert => vec![owner, id, Value::Text(tag)],
        Kind::Update => vec![Value::Text(tag), owner, id],
        Kind::Where(_) | Kind::Pipes(..) | Kind::UserVar(_) => vec![],
    }
}

async fn execute(session: &mut Session, at: usize) -> Step {
    let Some(slot) = session.model.slots[at].clone() else { return Ok(()) };
    if slot.kind == Kind::Cursor {
        return super::cursors::cursor(session).await;
    }
    if matches!(slot.kind, Kind::SetVar(_)) && !session.pin() {
        return Ok(());
    }
    let values = values(session, &slot);
    let types = bytes::types(&values);
    let known = slot.types.as_ref() == Some(&types);
    let with_types = !known || session.below(2) == 0;
    let body = bytes::execute(slot.id, false, &values, with_types);
    let label = format!("execute {} ({}) {values:?} types {with_types}", slot.id, sql(&slot.kind));
    let refused =
        session.model.writes_refused() && matches!(slot.kind, Kind::Insert | Kind::Update | Kind::Delete);
    if let Some(slot) = &mut session.model.slots[at] {
        slot.long = None;
        slot.cursor = None;
        // A refused execution may or may not have taken the types.
        slot.types = (!refused).then_some(types);
    }
    let value = |at: usize| values.get(at).and_then(Value::cell);
    let id = |at: usize| value(at).and_then(|v| String::from_utf8(v).ok()?.parse().ok()).unwrap_or(0_u32);
    let mut after = session.model.data.clone();
    let affected = match slot.kind {
        Kind::Insert => 1 + u64::from(after.rows.insert(id(1), text(&values[2])).is_some()),
        Kind::Update => match after.rows.get_mut(&id(2)) {
            Some(v) => {
                *v = text(&values[0]);
                1
            }
            None => 0,
        },
        Kind::Delete => u64::from(after.rows.remove(&id(1)).is_some()),
        Kind::SetVar(var) => {
            let answer = session.run(&label, &body, Shape::Binary).await?;
            expect_ok(&label, &answer)?;
            let value = slot.long.unwrap_or_else(|| value(0).unwrap_or_default());
            session.model.uservars[var] = (Some(String::from_utf8_lossy(&value).into_owned()), true);
            return Ok(());
        }
        _ => {
            let answer = session.run(&label, &body, Shape::Binary).await?;
            return expect_rows(&label, answer, &answer_of(session, &slot, &values)).map(drop);
        }
    };
    session.write_command(&label, &body, after, Some(affected)).await?;
    Ok(())
}

fn text(value: &Value) -> String {
    String::from_utf8_lossy(&value.cell().unwrap_or_default()).into_owned()
}

/// The rows that a statement answers now.
pub fn answer_of(session: &Session, slot: &Slot, values: &[Value]) -> Vec<Row> {
    let value = |at: usize| match values.get(at) {
        Some(Value::Long) => slot.long.clone(),
        other => other.and_then(Value::cell),
    };
    match &slot.kind {
        Kind::Echo(tag) => vec![vec![value(0), value(1), cell(tag.as_str())]],
        Kind::Where(schema) => vec![vec![cell(SCHEMAS[*schema])]],
        Kind::Pipes(tag, true) => vec![vec![cell(format!("{tag}x"))]],
        Kind::Pipes(..) => vec![vec![cell("0")]],
        Kind::UserVar(var) => vec![vec![session.model.uservars[*var].0.clone().map(String::into_bytes)]],
        Kind::Rows | Kind::Cursor => rows::all(&session.model.data),
        Kind::Row => {
            let id = text(&values[1]).parse().unwrap_or(0);
            session.model.data.rows.get(&id).map(|v| vec![cell(v.as_str())]).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
