//! PREPARE, EXECUTE and DEALLOCATE PREPARE as text: all sessions use the same names.

use super::super::session::{Session, Step, cell};
use super::super::state::{Kind, SCHEMAS};
use super::settings;

pub async fn named(session: &mut Session) -> Step {
    let at = session.below(3);
    match session.below(8) {
        0 => prepare(session, at).await,
        1 => wrongly(session, at).await,
        2 => {
            let there = session.model.named[at].take().is_some();
            let sql = format!("DEALLOCATE PREPARE p{at}");
            if !there {
                return session.error(&sql, &[1243], &format!("p{at}")).await;
            }
            session.ok(&sql).await?;
            Ok(())
        }
        _ => execute(session, at).await,
    }
}

async fn prepare(session: &mut Session, at: usize) -> Step {
    let tag = session.tag();
    let locked = session.model.table_lock.is_some();
    let kind = match session.below(5) {
        0 if !locked => Kind::Where(session.model.schema),
        1 => Kind::Pipes(tag, settings::pipes(session)),
        2 => Kind::UserVar(session.below(4)),
        _ => Kind::Echo(tag),
    };
    let sql = match &kind {
        Kind::Where(_) => "SELECT name FROM nl_where".into(),
        Kind::Pipes(tag, _) => format!("SELECT ''{tag}'' || ''x''"),
        Kind::UserVar(var) => format!("SELECT @u{var}"),
        Kind::Echo(tag) => format!("SELECT ? AS a, ? AS b, ''{tag}'' AS c"),
        _ => return Ok(()),
    };
    session.ok(&format!("PREPARE p{at} FROM '{sql}'")).await?;
    session.model.named[at] = Some(kind);
    Ok(())
}

/// What cannot be prepared takes away what had the name.
async fn wrongly(session: &mut Session, at: usize) -> Step {
    let tag = session.tag();
    session.error(&format!("PREPARE p{at} FROM 'SELEKT ''{tag}'''"), &[1064], &tag).await?;
    session.model.named[at] = None;
    Ok(())
}

async fn execute(session: &mut Session, at: usize) -> Step {
    let locked = session.model.table_lock.is_some();
    let value = |var: usize| session.model.uservars[var].0.clone().map(String::into_bytes);
    let (want, using) = match &session.model.named[at] {
        None => return session.error(&format!("EXECUTE p{at}"), &[1243], &format!("p{at}")).await,
        Some(Kind::Where(_)) if locked => return Ok(()),
        Some(Kind::Where(schema)) => (vec![cell(SCHEMAS[*schema])], ""),
        Some(Kind::Pipes(tag, true)) => (vec![cell(format!("{tag}x"))], ""),
        Some(Kind::Pipes(_, false)) => (vec![cell("0")], ""),
        Some(Kind::UserVar(var)) => (vec![value(*var)], ""),
        Some(Kind::Echo(tag)) => (vec![value(1), value(2), cell(tag.as_str())], " USING @u1, @u2"),
        Some(_) => return Ok(()),
    };
    session.rows(&format!("EXECUTE p{at}{using}"), vec![want]).await?;
    Ok(())
}
