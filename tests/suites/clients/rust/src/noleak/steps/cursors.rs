//! Cursors with COM_STMT_FETCH, long data, COM_STMT_RESET: states of a prepared statement that live on one connection.

use super::super::answer::{CURSOR_EXISTS, LAST_ROW_SENT, Part, Shape, show_rows};
use super::super::session::{Session, Step, expect_error, expect_ok, fail};
use super::super::state::Kind;
use super::bytes;
use super::prepared::{answer_of, prepare_kind, values};

pub async fn cursor(session: &mut Session) -> Step {
    let open = (0..4).find(|at| session.model.slots[*at].as_ref().is_some_and(|slot| slot.cursor.is_some()));
    if let Some(at) = open {
        return if session.below(6) == 0 { reset(session, at).await } else { fetch(session, at).await };
    }
    let at = match (0..4)
        .find(|at| session.model.slots[*at].as_ref().is_some_and(|slot| slot.kind == Kind::Cursor))
    {
        Some(at) => at,
        None => {
            let at = session.below(4);
            if session.model.slots[at].is_some() {
                return Ok(());
            }
            return prepare_kind(session, at, Kind::Cursor).await;
        }
    };
    if session.below(5) == 0 {
        return fetch_nothing(session, at).await;
    }
    if session.pin() { open_cursor(session, at).await } else { Ok(()) }
}

async fn open_cursor(session: &mut Session, at: usize) -> Step {
    let Some(slot) = session.model.slots[at].clone() else { return Ok(()) };
    let values = values(session, &slot);
    let label = format!("execute {} with a cursor", slot.id);
    let body = bytes::execute(slot.id, true, &values, true);
    let (answer, columns) = session.run_kinds(&label, &body, Shape::Binary, &[]).await?;
    let want = answer_of(session, &slot, &values);
    let [Part::Set(set)] = answer.parts.as_slice() else { return fail(format!("{label}: got {answer}")) };
    let open = set.end.status & CURSOR_EXISTS != 0;
    if !open && set.rows != want {
        return fail(format!("{label}: expected {}, got {answer}", show_rows(&want)));
    }
    if let Some(slot) = &mut session.model.slots[at] {
        slot.types = Some(bytes::types(&values));
        slot.cursor = open.then_some(want);
        slot.columns = columns;
    }
    Ok(())
}

async fn fetch(session: &mut Session, at: usize) -> Step {
    let Some(slot) = session.model.slots[at].clone() else { return Ok(()) };
    let count = session.below(4) + 1;
    let mut left = slot.cursor.unwrap_or_default();
    let rest = left.split_off(left.len().min(count));
    let label = format!("fetch {count} of {}", slot.id);
    let body = bytes::with_id(0x1c, slot.id, &(count as u32).to_le_bytes());
    let (answer, _) = session.run_kinds(&label, &body, Shape::Fetched, &slot.columns).await?;
    let [Part::Set(set)] = answer.parts.as_slice() else { return fail(format!("{label}: got {answer}")) };
    if set.rows != left {
        return fail(format!("{label}: expected {}, got {answer}", show_rows(&left)));
    }
    let last = set.end.status & LAST_ROW_SENT != 0;
    if last && !rest.is_empty() {
        return fail(format!("{label}: the last row is said to be sent, but {} are missing", rest.len()));
    }
    if let Some(slot) = &mut session.model.slots[at] {
        slot.cursor = (!last).then_some(rest);
    }
    Ok(())
}

/// 1421: no cursor is open.
async fn fetch_nothing(session: &mut Session, at: usize) -> Step {
    let Some(slot) = session.model.slots[at].clone() else { return Ok(()) };
    let label = format!("fetch of {}, which has no cursor", slot.id);
    let body = bytes::with_id(0x1c, slot.id, &1_u32.to_le_bytes());
    let (answer, _) = session.run_kinds(&label, &body, Shape::Fetched, &slot.columns).await?;
    expect_error(&label, &answer, &[1421], "")
}

async fn reset(session: &mut Session, at: usize) -> Step {
    let Some(slot) = &session.model.slots[at] else { return Ok(()) };
    let (id, label) = (slot.id, format!("reset {}", slot.id));
    let answer = session.run(&label, &bytes::with_id(0x1a, id, &[]), Shape::Text).await?;
    expect_ok(&label, &answer)?;
    if let Some(slot) = &mut session.model.slots[at] {
        slot.long = None;
        slot.cursor = None;
    }
    Ok(())
}

/// A part of the first parameter; executed by a later step.
pub async fn long_data(session: &mut Session) -> Step {
    let takes = |kind: &Kind| matches!(kind, Kind::Echo(_) | Kind::SetVar(_));
    let at = session.below(4);
    let Some(slot) = session.model.slots[at].clone() else {
        let tag = session.tag();
        return prepare_kind(session, at, Kind::Echo(tag)).await;
    };
    if !takes(&slot.kind) || !session.pin() {
        return Ok(());
    }
    if slot.long.is_some() && session.below(4) == 0 {
        return reset(session, at).await;
    }
    let part = format!("{}{}", session.tag(), "-".repeat(session.below(300)));
    let body = bytes::with_id(0x18, slot.id, &[&[0, 0], part.as_bytes()].concat());
    session.send(&format!("long data for {}: {part}", slot.id), &body).await?;
    if let Some(slot) = &mut session.model.slots[at] {
        slot.long.get_or_insert_default().extend(part.bytes());
    }
    Ok(())
}

pub async fn reset_all(session: &mut Session) -> Step {
    for at in 0..4 {
        if session.model.slots[at].as_ref().is_some_and(|slot| slot.long.is_some() || slot.cursor.is_some()) {
            reset(session, at).await?;
        }
    }
    Ok(())
}
