//! Events that sessions make, change and drop. What an event does, a session of the scheduler has done: its maker's own
//! variables, locks and tables stay as they are, however well the text of the event shows what it sets.

use super::super::events::{NOBODY, VALUE, action};
use super::super::objects::PROCEDURES;
use super::super::session::{Session, Step, cell};
use super::{hidden, variables};

pub async fn events(session: &mut Session) -> Step {
    if !session.shared.baseline.hidden {
        return variables::who_am_i(session).await;
    }
    let model = &session.model;
    let name = format!("nlh_e_{}", session.owner);
    if model.in_transaction() || model.writes_refused() || model.table_lock.is_some() {
        return look(session, &name).await;
    }
    if session.model.opaque && session.below(2) == 0 {
        // The proxy sets the session's state anew behind it.
        session.ok("SET session_track_schema = 1").await?;
    }
    // Whether a statement succeeds depends on the session's variables; what it does, only its event may find.
    let sql = match session.below(6) {
        0 => format!("DROP EVENT IF EXISTS test.{name}"),
        1 => format!("ALTER EVENT test.{name} DISABLE"),
        2 => format!(
            "ALTER EVENT test.{name} ON SCHEDULE AT NOW() + INTERVAL 1 SECOND ENABLE DO {}",
            what(session)
        ),
        at => {
            let replace = if session.mariadb() && at == 3 { "OR REPLACE " } else { "" };
            let create =
                format!("CREATE {replace}EVENT test.{name} ON SCHEDULE AT NOW() + INTERVAL 1 SECOND");
            format!("{create} DO {}", what(session))
        }
    };
    session.text(&sql).await?;
    look(session, &name).await
}

/// The body of an event, with a value that no session may find in its own variables.
fn what(session: &mut Session) -> String {
    let tag = session.tag().replacen('s', "e", 1);
    hidden::name_lock(session, NOBODY, &tag);
    // A text with several statements is not understood, and the session keeps its connection.
    let choices = if session.pin() { 3 } else { 2 };
    match session.below(choices) {
        0 => format!("SET @nlh_set = '{tag}', @u0 = '{tag}', sql_mode = '', max_seeks_for_key = 100000"),
        1 => {
            let kind = &PROCEDURES[session.below(PROCEDURES.len())];
            format!("CALL test.nlh_p_{}('{tag}')", kind.name)
        }
        _ => {
            session.model.opaque = true;
            format!("BEGIN {} END", action(hidden::kind(session), &tag))
        }
    }
}

async fn look(session: &mut Session, name: &str) -> Step {
    match session.below(4) {
        0 => {
            let sql = format!("SELECT RELEASE_LOCK('nlh.{VALUE}') <=> 1");
            session.rows(&sql, vec![vec![cell("0")]]).await.map(drop)
        }
        1 => session.text(&format!("SHOW CREATE EVENT test.{name}")).await.map(drop),
        _ => hidden::look(session).await,
    }
}
