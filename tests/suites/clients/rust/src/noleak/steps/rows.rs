//! Own rows in shared tables: written, read back at once and later; insert ids, row counts, several statements in one.

use super::super::answer::{Part, Row};
use super::super::session::{Session, Step, cell, expect_ok, expect_rows, fail};
use super::super::state::Data;
use crate::wire::FOUND_ROWS;

const IDS: usize = 12;

/// All own rows, as `SELECT id, v … ORDER BY id` answers.
pub fn all(data: &Data) -> Vec<Row> {
    data.rows.iter().map(|(id, v)| vec![cell(id.to_string()), cell(v.as_str())]).collect()
}

pub async fn rows(session: &mut Session) -> Step {
    let (owner, id) = (session.owner, session.below(IDS) as u32 + 1);
    match session.below(16) {
        0..4 => insert(session, id).await,
        4..6 => update(session, id).await,
        6 => upsert(session, id).await,
        7 => replace(session, id).await,
        8 => ignore(session, id).await,
        9 | 10 => delete(session, id).await,
        11 => {
            let count = session.model.data.rows.len();
            let lock = ["", " FOR UPDATE"][usize::from(session.model.tx && session.below(2) == 0)];
            if session.model.writes_refused() && !lock.is_empty() {
                return Ok(());
            }
            let sql = format!(
                "SELECT COUNT(*), MAX(owner) FROM test.nl_rows WHERE owner = {owner} AND id > 0{lock}"
            );
            let most = if count > 0 { cell(owner.to_string()) } else { None };
            session.rows(&sql, vec![vec![cell(count.to_string()), most]]).await?;
            Ok(())
        }
        12 => {
            let want = session.model.data.rows.get(&id).map(|v| vec![cell(v.as_str())]);
            let sql = format!("SELECT v FROM test.nl_rows WHERE owner = {owner} AND id = {id}");
            session.rows(&sql, want.into_iter().collect()).await?;
            Ok(())
        }
        _ => read_all(session).await,
    }
}

async fn read_all(session: &mut Session) -> Step {
    let sql =
        format!("SELECT id, v FROM test.nl_rows WHERE owner = {} AND id > 0 ORDER BY id", session.owner);
    let want = all(&session.model.data);
    session.rows(&sql, want).await?;
    Ok(())
}

/// Writes, and often reads at once what was written.
async fn write(session: &mut Session, sql: &str, after: Data, affected: u64) -> Step {
    session.write(sql, after, Some(affected)).await?;
    if session.below(3) == 0 { read_all(session).await } else { Ok(()) }
}

async fn insert(session: &mut Session, id: u32) -> Step {
    let (owner, tag) = (session.owner, session.tag());
    let sql = format!("INSERT INTO test.nl_rows (owner, id, v) VALUES ({owner}, {id}, '{tag}')");
    if session.model.data.rows.contains_key(&id) && !session.model.writes_refused() {
        return session.error(&sql, &[1062], &format!("'{owner}-{id}'")).await;
    }
    let mut after = session.model.data.clone();
    after.rows.insert(id, tag);
    write(session, &sql, after, 1).await
}

async fn update(session: &mut Session, id: u32) -> Step {
    let (owner, tag) = (session.owner, session.tag());
    let mut after = session.model.data.clone();
    let same = session.below(4) == 0;
    let mut affected = 0;
    let mut value = tag;
    if let Some(v) = after.rows.get_mut(&id) {
        if same {
            value.clone_from(v);
            affected = u64::from(session.capability(FOUND_ROWS));
        } else {
            v.clone_from(&value);
            affected = 1;
        }
    }
    let sql = format!("UPDATE test.nl_rows SET v = '{value}' WHERE owner = {owner} AND id = {id}");
    write(session, &sql, after, affected).await
}

async fn upsert(session: &mut Session, id: u32) -> Step {
    let (owner, tag) = (session.owner, session.tag());
    let mut after = session.model.data.clone();
    let affected = if after.rows.insert(id, tag.clone()).is_some() { 2 } else { 1 };
    let sql = format!(
        "INSERT INTO test.nl_rows (owner, id, v) VALUES ({owner}, {id}, '{tag}') ON DUPLICATE KEY UPDATE v = '{tag}'"
    );
    write(session, &sql, after, affected).await
}

async fn replace(session: &mut Session, id: u32) -> Step {
    let (owner, tag) = (session.owner, session.tag());
    let mut after = session.model.data.clone();
    let affected = if after.rows.insert(id, tag.clone()).is_some() { 2 } else { 1 };
    let sql = format!("REPLACE INTO test.nl_rows (owner, id, v) VALUES ({owner}, {id}, '{tag}')");
    write(session, &sql, after, affected).await
}

async fn ignore(session: &mut Session, id: u32) -> Step {
    let (owner, tag) = (session.owner, session.tag());
    let mut after = session.model.data.clone();
    let there = after.rows.contains_key(&id);
    after.rows.entry(id).or_insert_with(|| tag.clone());
    let sql = format!("INSERT IGNORE INTO test.nl_rows (owner, id, v) VALUES ({owner}, {id}, '{tag}')");
    write(session, &sql, after, u64::from(!there)).await
}

async fn delete(session: &mut Session, id: u32) -> Step {
    let owner = session.owner;
    let mut after = session.model.data.clone();
    if session.below(6) == 0 {
        let affected = after.rows.len() as u64;
        after.rows.clear();
        let sql = format!("DELETE FROM test.nl_rows WHERE owner = {owner} AND id > 0");
        return write(session, &sql, after, affected).await;
    }
    let affected = u64::from(after.rows.remove(&id).is_some());
    write(session, &format!("DELETE FROM test.nl_rows WHERE owner = {owner} AND id = {id}"), after, affected)
        .await
}

/// Inserts that make ids, and questions for the last one, possibly much later.
pub async fn insert_id(session: &mut Session) -> Step {
    let owner = session.owner;
    let last = session.model.last_insert_id;
    match session.below(8) {
        0 | 1 if session.model.data.autos.len() < 6 => insert_auto(session).await,
        0..3 => {
            let mut after = session.model.data.clone();
            let Some((id, _)) = after.autos.pop_first() else { return insert_auto(session).await };
            let sql = format!("DELETE FROM test.nl_auto WHERE owner = {owner} AND id = {id}");
            write(session, &sql, after, 1).await
        }
        3 => {
            let number = u64::from(session.number) * 1_000_000 + session.below(1_000_000) as u64;
            let by_set = session.below(2) == 0;
            if by_set {
                session.ok(&format!("SET last_insert_id = {number}")).await?;
            } else {
                let want = vec![vec![cell(number.to_string())]];
                session.rows(&format!("SELECT LAST_INSERT_ID({number})"), want).await?;
            }
            session.model.last_insert_id = number;
            Ok(())
        }
        4 => {
            let want =
                session.model.data.autos.get(&last).map(|v| vec![cell(last.to_string()), cell(v.as_str())]);
            let sql =
                format!("SELECT id, v FROM test.nl_auto WHERE owner = {owner} AND id = LAST_INSERT_ID()");
            session.rows(&sql, want.into_iter().collect()).await?;
            Ok(())
        }
        5 => {
            let want =
                session.model.data.autos.iter().map(|(id, v)| vec![cell(id.to_string()), cell(v.as_str())]);
            let want = want.collect();
            let sql = format!("SELECT id, v FROM test.nl_auto WHERE owner = {owner} AND id > 0 ORDER BY id");
            session.rows(&sql, want).await?;
            Ok(())
        }
        _ => {
            let what = ["LAST_INSERT_ID()", "@@last_insert_id", "@@identity"][session.below(3)];
            session.rows(&format!("SELECT {what}"), vec![vec![cell(last.to_string())]]).await?;
            Ok(())
        }
    }
}

/// What stands for an id before the server has given it.
const UNKNOWN: u64 = u64::MAX - 8;

async fn insert_auto(session: &mut Session) -> Step {
    let owner = session.owner;
    let tags: Vec<String> = (0..=session.below(2)).map(|_| session.tag()).collect();
    let mut after = session.model.data.clone();
    after.autos.extend(tags.iter().enumerate().map(|(at, tag)| (UNKNOWN + at as u64, tag.clone())));
    let values: Vec<String> = tags.iter().map(|tag| format!("({owner}, '{tag}')")).collect();
    let sql = format!("INSERT INTO test.nl_auto (owner, v) VALUES {}", values.join(", "));
    let Some(okay) = session.write(&sql, after, Some(tags.len() as u64)).await? else { return Ok(()) };
    if okay.insert_id == 0 {
        return fail(format!("{sql}: an insert id of 0"));
    }
    let data = &mut session.model.data;
    for (at, tag) in tags.iter().enumerate() {
        data.autos.remove(&(UNKNOWN + at as u64));
        if let Some(other) = data.autos.insert(okay.insert_id + at as u64, tag.clone()) {
            return fail(format!("{sql}: the id of '{other}' again: {}", okay.insert_id));
        }
    }
    session.model.last_insert_id = okay.insert_id;
    Ok(())
}

/// FOUND_ROWS(), asked right behind what it is about.
pub async fn found_rows(session: &mut Session) -> Step {
    if !session.pin() {
        return Ok(());
    }
    let owner = session.owner;
    let count = session.model.data.rows.len();
    let limit = session.below(3) + 1;
    let sql = format!(
        "SELECT SQL_CALC_FOUND_ROWS id FROM test.nl_rows WHERE owner = {owner} AND id > 0 ORDER BY id LIMIT {limit}"
    );
    let ids = session.model.data.rows.keys().take(limit).map(|id| vec![cell(id.to_string())]).collect();
    session.rows(&sql, ids).await?;
    session.rows("SELECT FOUND_ROWS()", vec![vec![cell(count.to_string())]]).await?;
    Ok(())
}

/// The same for ROW_COUNT().
pub async fn row_count(session: &mut Session) -> Step {
    if session.model.writes_refused() || !session.pin() {
        return Ok(());
    }
    let (owner, tag) = (session.owner, session.tag());
    let count = session.model.data.rows.len();
    let mut after = session.model.data.clone();
    after.rows.iter_mut().for_each(|(id, v)| *v = format!("{tag}.{id}"));
    let sql = format!("UPDATE test.nl_rows SET v = CONCAT('{tag}.', id) WHERE owner = {owner} AND id > 0");
    session.write(&sql, after, Some(count as u64)).await?;
    session.rows("SELECT ROW_COUNT()", vec![vec![cell(count.to_string())]]).await?;
    Ok(())
}

/// Several statements in one command.
pub async fn several(session: &mut Session) -> Step {
    let (owner, tag) = (session.owner, session.tag());
    let id = session.below(IDS) as u32 + 1;
    let first = format!("SELECT '{tag}'");
    if session.below(2) == 0 || session.model.writes_refused() {
        let sql = format!(
            "{first}; SELECT id, v FROM test.nl_rows WHERE owner = {owner} AND id > 0 ORDER BY id; SELECT DATABASE()"
        );
        let schema = super::super::state::SCHEMAS[session.model.schema];
        let want = [vec![vec![cell(tag)]], all(&session.model.data), vec![vec![cell(schema)]]];
        let answer = session.text(&sql).await?;
        let same = answer.parts.len() == 3
            && answer
                .parts
                .iter()
                .zip(&want)
                .all(|(part, want)| matches!(part, Part::Set(set) if set.rows == *want));
        return if same { Ok(()) } else { fail(format!("{sql}: expected {want:?}, got {answer}")) };
    }
    let mut after = session.model.data.clone();
    after.rows.insert(id, tag.clone());
    let sql = format!("{first}; REPLACE INTO test.nl_rows (owner, id, v) VALUES ({owner}, {id}, '{tag}')");
    if !session.model.in_transaction() {
        session.maybe = Some(after.clone());
    }
    let mut answer = session.text(&sql).await?;
    let last = answer.parts.split_off(answer.parts.len().min(1));
    expect_rows(&sql, answer, &[vec![cell(tag)]])?;
    expect_ok(&sql, &super::super::answer::Answer { parts: last })?;
    session.maybe = None;
    session.model.data = after;
    Ok(())
}
