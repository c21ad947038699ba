//! Temporary tables, LOCK TABLES, GET_LOCK.

use super::super::session::{Session, Step, cell, fail};
use super::super::state::SAFE_UPDATES;

/// Tables for LOCK TABLES … READ; any number of sessions may lock one.
pub const LOCK_TABLES: usize = 16;

/// `nl_shadow` is a table of everybody, until a session hides it behind a temporary one.
pub async fn temporary(session: &mut Session) -> Step {
    if session.model.temp {
        return within(session).await;
    }
    if session.below(3) == 0 || session.model.writes_refused() || !session.pin() {
        session.rows("SELECT v FROM test.nl_shadow", vec![vec![cell("base")]]).await?;
        return Ok(());
    }
    session.ok("CREATE TEMPORARY TABLE test.nl_shadow (v VARCHAR(40)) ENGINE=InnoDB").await?;
    session.model.empty_temp(true);
    insert(session).await
}

async fn insert(session: &mut Session) -> Step {
    let tag = session.tag();
    let mut after = session.model.data.clone();
    after.temp.push(tag.clone());
    session.write(&format!("INSERT INTO test.nl_shadow VALUES ('{tag}')"), after, Some(1)).await?;
    Ok(())
}

async fn within(session: &mut Session) -> Step {
    let writes = !session.model.writes_refused();
    match session.below(8) {
        0 | 1 if writes && session.model.data.temp.len() < 8 => insert(session).await,
        2 if writes => {
            if session.model.vars[SAFE_UPDATES] == "1" {
                return session.error("DELETE FROM test.nl_shadow", &[1175], "").await;
            }
            let mut after = session.model.data.clone();
            let affected = after.temp.len() as u64;
            after.temp.clear();
            session.write("DELETE FROM test.nl_shadow", after, Some(affected)).await?;
            Ok(())
        }
        3 if writes => drop_temporary(session).await,
        _ => {
            let mut want: Vec<String> = session.model.data.temp.clone();
            want.sort();
            let want = want.into_iter().map(|v| vec![cell(v)]).collect();
            session.rows("SELECT v FROM test.nl_shadow ORDER BY BINARY v", want).await?;
            Ok(())
        }
    }
}

pub async fn drop_temporary(session: &mut Session) -> Step {
    if session.model.temp {
        session.ok("DROP TEMPORARY TABLE test.nl_shadow").await?;
        session.model.empty_temp(false);
    }
    Ok(())
}

pub async fn table_lock(session: &mut Session) -> Step {
    let Some(table) = session.model.table_lock else {
        // A read-only transaction is ended by LOCK TABLES as well; temporary tables need no lock.
        if session.model.manual_commit || !session.pin() {
            return Ok(());
        }
        let table = session.below(LOCK_TABLES);
        session.commits(&format!("LOCK TABLES test.nl_lock_{table} READ")).await?;
        session.model.commit();
        session.model.table_lock = Some(table);
        return Ok(());
    };
    match session.below(5) {
        0 => {
            let want = vec![vec![cell(table.to_string())]];
            session.rows(&format!("SELECT n FROM test.nl_lock_{table}"), want).await?;
            Ok(())
        }
        1 => session.error("SELECT COUNT(*) FROM test.nl_rows", &[1100], "nl_rows").await,
        2 => {
            let sql = format!("UPDATE test.nl_lock_{table} SET n = 1 WHERE n = -1");
            if session.model.writes_refused() {
                return session.error(&sql, &[1792, 1099], "").await;
            }
            session.error(&sql, &[1099], "").await
        }
        _ => unlock(session).await,
    }
}

pub async fn unlock(session: &mut Session) -> Step {
    session.commits("UNLOCK TABLES").await?;
    session.model.table_lock = None;
    Ok(())
}

/// Names are new each time, so that a lock that outlives its session meets nobody.
pub async fn named_lock(session: &mut Session) -> Step {
    if session.below(4) == 0 {
        return others_lock(session).await;
    }
    let one = vec![vec![cell("1")]];
    let held = session.model.named_locks.len();
    if held == 0 || (held < 3 && session.below(3) == 0) {
        if !session.pin() {
            return Ok(());
        }
        let name = format!("nl.{}", session.tag());
        session.rows(&format!("SELECT GET_LOCK('{name}', 0)"), one).await?;
        session.shared.peer(session.number, |peer| peer.locks.push(name.clone()));
        session.model.named_locks.push(name);
        return Ok(());
    }
    let at = session.below(held);
    let name = session.model.named_locks[at].clone();
    match session.below(4) {
        0 => {
            session.rows(&format!("SELECT IS_FREE_LOCK('{name}')"), vec![vec![cell("0")]]).await?;
        }
        1 => release_all(session).await?,
        _ => {
            session.shared.peer(session.number, |peer| peer.locks.retain(|lock| *lock != name));
            session.model.named_locks.retain(|lock| *lock != name);
            session.rows(&format!("SELECT RELEASE_LOCK('{name}')"), one).await?;
        }
    }
    Ok(())
}

/// A lock that another session holds all the while is not to be had.
async fn others_lock(session: &mut Session) -> Step {
    let count = session.shared.peers.borrow().len();
    let start = session.below(count);
    let held = |number: usize| {
        let peers = session.shared.peers.borrow();
        let peer = &peers[number];
        if number as u32 == session.number || peer.doomed { None } else { peer.locks.first().cloned() }
    };
    let found =
        (0..count.min(40)).map(|at| (start + at) % count).find_map(|at| held(at).map(|lock| (at, lock)));
    let Some((other, name)) = found else { return Ok(()) };
    if !session.pin() {
        return Ok(());
    }
    let sql = format!("SELECT GET_LOCK('{name}', 0)");
    let answer = session.text(&sql).await?;
    let peer = session.shared.peers.borrow()[other].clone();
    match answer.to_string().split_whitespace().nth(2) {
        Some("[0]") => Ok(()),
        Some("[1]") if peer.doomed || !peer.locks.contains(&name) => {
            session.rows(&format!("SELECT RELEASE_LOCK('{name}')"), vec![vec![cell("1")]]).await?;
            Ok(())
        }
        _ => fail(format!("{sql}, while session {other} holds it: expected 0, got {answer}")),
    }
}

pub async fn release_all(session: &mut Session) -> Step {
    let count = session.model.named_locks.len();
    session.shared.peer(session.number, |peer| peer.locks.clear());
    session.model.named_locks.clear();
    if count > 0 && session.model.hidden.locks {
        // Triggers may have taken more of them.
        session.text("SELECT RELEASE_ALL_LOCKS()").await?;
    } else if count > 0 {
        session.rows("SELECT RELEASE_ALL_LOCKS()", vec![vec![cell(count.to_string())]]).await?;
    }
    Ok(())
}
