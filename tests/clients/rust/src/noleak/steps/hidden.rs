//! State that no text shows, left by triggers, views and defaults: a session finds its own, or none.

use super::super::answer::Part;
use super::super::session::{OWNERS, Session, Step, fail};

pub async fn hidden(session: &mut Session) -> Step {
    if !session.shared.baseline.hidden {
        return super::variables::who_am_i(session).await;
    }
    match session.below(6) {
        0 if !session.model.writes_refused() => {
            let tag = session.tag();
            leave(session, &format!("INSERT INTO test.nl_hidden_trigger VALUES ('{tag}')")).await
        }
        1 if session.shared.baseline.mariadb && !session.model.writes_refused() => {
            let tag = session.tag();
            leave(session, &format!("INSERT INTO test.nl_hidden_default (v) VALUES ('{tag}')")).await
        }
        2 => {
            let owner = session.number * OWNERS;
            leave(session, &format!("SELECT w FROM test.nl_hidden_view WHERE owner = {owner} AND id = -1")).await
        }
        3 if session.shared.baseline.mariadb => {
            look(session, "SELECT v FROM test.nl_hidden_default WHERE a = LASTVAL(test.nl_hidden_sequence)").await
        }
        _ => look(session, "SELECT @nl_trigger, @nl_view").await,
    }
}

/// Whether the statement succeeds depends on the session's transaction and variables; what it leaves is looked at later.
async fn leave(session: &mut Session, sql: &str) -> Step {
    session.text(sql).await.map(drop)
}

/// Every value is NULL, or this session's own.
async fn look(session: &mut Session, sql: &str) -> Step {
    let answer = session.text(sql).await?;
    let own = format!("s{}.", session.number);
    for part in &answer.parts {
        let Part::Set(set) = part else { continue };
        let values = set.rows.iter().flatten().flatten();
        if let Some(other) = values.into_iter().find(|value| !value.starts_with(own.as_bytes())) {
            return fail(format!("{sql}: expected {own}… or nothing, got {}", other.escape_ascii()));
        }
    }
    Ok(())
}
