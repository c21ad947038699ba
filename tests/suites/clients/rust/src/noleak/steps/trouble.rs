//! Errors and warnings, KILL, connections that end anywhere, big answers, several commands at once.

use tokio::time::Instant;

use super::super::answer::Part;
use super::super::session::{Session, Step, Stop, cell, expect_rows, fail};
use super::super::shared::bump;
use super::bytes::{self, Value};
use crate::wire::frame;

/// Statements that fail, with what the message must contain.
fn broken(session: &mut Session) -> (String, &'static [u16], String) {
    let tag = session.tag();
    let name = format!("nl_{}", tag.replace('.', "_"));
    match session.below(7) {
        0 => (format!("SELEKT '{tag}'"), &[1064], tag),
        1 if session.model.table_lock.is_none() => (format!("SELECT * FROM test.{name}"), &[1146], name),
        2 => (format!("SELECT {name}"), &[1054], name),
        3 => (format!("SELECT test.{name}(1)"), &[1305, 1630], name),
        4 => ("SELECT (SELECT 1 UNION SELECT 2)".into(), &[1242], String::new()),
        5 => (format!("SELECT @@{name}"), &[1193], name),
        _ => (format!("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{tag}'"), &[1644], tag),
    }
}

pub async fn errors(session: &mut Session) -> Step {
    let (sql, codes, part) = broken(session);
    session.error(&sql, codes, &part).await
}

/// Warnings and errors, asked for behind the statement that made them.
pub async fn diagnostics(session: &mut Session) -> Step {
    if !session.pin() {
        return Ok(());
    }
    let (codes, part, level): (Vec<u16>, String, &str) = match session.below(3) {
        0 => {
            let (sql, codes, part) = broken(session);
            session.error(&sql, codes, &part).await?;
            (codes.to_vec(), part, "Error")
        }
        1 => {
            // A statement without warnings leaves none.
            let tag = session.tag();
            let sql = format!("SELECT v FROM test.nl_rows WHERE owner = {} AND id = -7", session.owner);
            session.rows(&sql, vec![]).await?;
            session.rows(&format!("SHOW WARNINGS LIMIT {}", 5 + tag.len()), vec![]).await?;
            return Ok(());
        }
        _ => {
            let tag = format!("x{}", session.tag());
            session.rows(&format!("SELECT CAST('{tag}' AS SIGNED)"), vec![vec![cell("0")]]).await?;
            (vec![1292], tag, "Warning")
        }
    };
    let times = session.below(2) + 1;
    for _ in 0..times {
        let sql = if level == "Error" && session.below(2) == 0 { "SHOW ERRORS" } else { "SHOW WARNINGS" };
        let answer = session.text(sql).await?;
        let [Part::Set(set)] = answer.parts.as_slice() else { return fail(format!("{sql}: got {answer}")) };
        let as_text = |row: &[Option<Vec<u8>>], at: usize| {
            String::from_utf8_lossy(row.get(at).and_then(|c| c.as_deref()).unwrap_or_default()).into_owned()
        };
        let same = set.rows.len() == 1
            && set.rows.iter().all(|row| {
                as_text(row, 0) == level
                    && codes.iter().any(|code| code.to_string() == as_text(row, 1))
                    && as_text(row, 2).contains(&part)
            });
        if !same {
            return fail(format!("{sql}: expected {level} {codes:?} with '{part}', got {answer}"));
        }
    }
    if session.below(2) == 0 {
        let sql = if session.below(2) == 0 { "SHOW COUNT(*) WARNINGS" } else { "SELECT @@warning_count" };
        session.rows(sql, vec![vec![cell("1")]]).await?;
    } else if !part.is_empty() {
        let tag = session.tag();
        session.ok("GET DIAGNOSTICS CONDITION 1 @u0 = MESSAGE_TEXT").await?;
        let sql = format!("SELECT LOCATE('{part}', @u0) > 0, '{tag}'");
        session.rows(&sql, vec![vec![cell("1"), cell(tag)]]).await?;
        let tag = session.tag();
        session.ok(&format!("SET @u0 = '{tag}'")).await?;
        session.model.uservars[0] = (Some(tag), false);
    }
    Ok(())
}

/// KILL of the own connection or of another session's.
pub async fn kill(session: &mut Session) -> Step {
    bump(&session.shared.kills);
    let what = ["KILL", "KILL CONNECTION", "KILL QUERY"][session.below(3)];
    let count = session.shared.peers.borrow().len();
    let other = session.below(count) as u32;
    let mine = session.shared.peer(session.number, |peer| peer.clone());
    if other == session.number {
        session.shared.peer(session.number, |peer| peer.doomed = true);
        let sql = format!("{what} {}", mine.id);
        let answer = session.text(&sql).await?;
        // An answer that is no error would have to be the last.
        return if what == "KILL QUERY" { Err(Stop::Lost) } else { fail(format!("{sql}: got {answer}")) };
    }
    let peer = session.shared.peer(other, |peer| peer.clone());
    if peer.id == 0 || peer.doomed || peer.account != mine.account {
        return Ok(());
    }
    session.shared.peer(other, |peer| peer.doomed = true);
    let sql = format!("{what} {}", peer.id);
    let answer = session.text(&sql).await?;
    let gone = session.shared.peer(other, |now| now.id != peer.id || now.account != peer.account);
    match (answer.parts.as_slice(), answer.error()) {
        ([Part::Ok(_)], _) => {
            if !gone && what != "KILL QUERY" {
                session.shared.peer(other, |now| now.killed_at = Some(Instant::now()));
            }
            Ok(())
        }
        // 1094: unknown thread id; 1095: not the owner
        (_, Some((1094 | 1095, _))) if gone => Ok(()),
        _ => fail(format!("{sql}, which is session {other}: got {answer}")),
    }
}

/// The connection ends: in order, or in the middle of a command, or before its answer was read.
pub async fn disconnect(session: &mut Session) -> Step {
    let reset = session.below(2) == 0;
    if session.below(6) == 0 {
        let share = session.below(100);
        return session.half_login(share, reset).await;
    }
    let (body, after) = last_command(session);
    let bytes = frame(&body, 0);
    let whole = session.below(3) == 0;
    let cut = if whole { bytes.len() } else { session.below(bytes.len()) };
    if whole {
        session.maybe = after;
    }
    let label =
        format!("the connection ends after {cut} of {} bytes of {:.200}", bytes.len(), body.escape_ascii());
    // A name of its own in the model: what is committed now, or with this command.
    session.cut(&label, &bytes[..cut], reset).await?;
    session.renew().await
}

/// A command for a connection that ends with it, and the rows if it is carried out in full and commits.
fn last_command(session: &mut Session) -> (Vec<u8>, Option<super::super::state::Data>) {
    let (owner, tag) = (session.owner, session.tag());
    let query = |sql: String| [b"\x03", sql.as_bytes()].concat();
    let commits = !session.model.in_transaction() && !session.model.writes_refused();
    match session.below(7) {
        0 => (vec![1], None),
        1 | 2 => {
            let mut after = session.model.data.clone();
            after.rows.insert(5, tag.clone());
            let sql = format!("REPLACE INTO test.nl_rows (owner, id, v) VALUES ({owner}, 5, '{tag}')");
            (query(sql), (commits && session.model.table_lock.is_none()).then_some(after))
        }
        3 => (query("COMMIT".into()), Some(session.model.data.clone())),
        4 => (query(format!("SELECT REPEAT('{tag}', 40000)")), None),
        5 => (query(format!("SET @u0 = '{tag}', time_zone = '+01:23', sql_mode = 'ANSI_QUOTES'")), None),
        _ => match session.model.slots[session.below(4)].clone() {
            // The values of a statement that writes are not among these.
            Some(slot) => {
                let values = [Value::Int(i64::from(owner)), Value::Null];
                let harmless = matches!(slot.kind, super::super::state::Kind::Echo(_));
                let values = if harmless { &values[..] } else { &[] };
                let id = if harmless { slot.id } else { u32::MAX - 7 };
                (bytes::execute(id, false, values, true), None)
            }
            None => (query(format!("SELECT '{tag}'")), None),
        },
    }
}

/// Leaves in order.
pub async fn leave(session: &mut Session) -> Step {
    session.cut("COM_QUIT", &frame(&[1], 0), false).await?;
    session.renew().await
}

pub async fn big(session: &mut Session) -> Step {
    let (tag, times) = (session.tag(), session.below(60_000) + 1);
    let want = vec![vec![cell(tag.repeat(times))]];
    session.rows(&format!("SELECT REPEAT('{tag}', {times})"), want).await?;
    Ok(())
}

/// Commands written at once, without waiting for answers.
pub async fn pipeline(session: &mut Session) -> Step {
    let tags: Vec<String> = (0..session.below(4) + 2).map(|_| session.tag()).collect();
    let statements: Vec<String> = tags.iter().map(|tag| format!("SELECT '{tag}', @u0")).collect();
    let answers = session.pipeline(&statements).await?;
    let user = session.model.uservars[0].0.clone().map(String::into_bytes);
    for (answer, (sql, tag)) in answers.into_iter().zip(statements.iter().zip(&tags)) {
        expect_rows(sql, answer, &[vec![cell(tag.as_str()), user.clone()]])?;
    }
    Ok(())
}
