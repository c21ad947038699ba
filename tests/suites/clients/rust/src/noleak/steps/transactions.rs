//! Transactions of every kind, savepoints, autocommit.

use super::super::session::{Session, Step};

pub async fn transaction(session: &mut Session) -> Step {
    match (session.model.tx, session.model.manual_commit) {
        (true, _) => inside(session).await,
        (false, true) => manual(session).await,
        (false, false) => outside(session).await,
    }
}

async fn outside(session: &mut Session) -> Step {
    if session.model.read_only && session.below(4) == 0 {
        return read_write(session).await;
    }
    if !session.pin() {
        return Ok(());
    }
    match session.below(12) {
        0 if !session.model.read_only => {
            session.ok("SET autocommit = 0").await?;
            session.model.manual_commit = true;
            session.model.undo = Some(session.model.data.clone());
            Ok(())
        }
        1 => {
            // For the next transaction only.
            session.ok("SET TRANSACTION READ WRITE").await?;
            session.ok("BEGIN").await?;
            session.model.begin(false);
            Ok(())
        }
        2 => {
            session.ok("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?;
            session.ok("BEGIN").await?;
            let read_only = session.model.read_only;
            session.model.begin(read_only);
            Ok(())
        }
        _ => begin(session).await,
    }
}

/// Transactions that must not write, and sessions that begin only such.
pub async fn read_only(session: &mut Session) -> Step {
    if session.model.in_transaction() {
        return transaction(session).await;
    }
    if session.below(4) == 0 {
        session.ok("SET SESSION TRANSACTION READ ONLY").await?;
        session.model.read_only = true;
        return Ok(());
    }
    if !session.pin() {
        return Ok(());
    }
    if session.below(3) == 0 {
        session.ok("SET TRANSACTION READ ONLY").await?;
        session.ok("BEGIN").await?;
    } else {
        session.ok("START TRANSACTION READ ONLY").await?;
    }
    session.model.begin(true);
    Ok(())
}

async fn begin(session: &mut Session) -> Step {
    let ways = [
        "BEGIN",
        "START TRANSACTION",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        "START TRANSACTION READ WRITE",
    ];
    let way = session.below(ways.len());
    session.commits(ways[way]).await?;
    let read_only = match way {
        3 => false,
        // MySQL: what the transaction was is what the next one is.
        _ if session.model.tx && !session.mariadb() => session.model.tx_read_only,
        _ => session.model.read_only,
    };
    session.model.begin(read_only);
    Ok(())
}

async fn inside(session: &mut Session) -> Step {
    let name = session.below(3) as u8;
    match session.below(14) {
        0..3 => {
            session.ok(&format!("SAVEPOINT sp{name}")).await?;
            session.model.save(name);
        }
        3..5 => {
            let sql = format!("ROLLBACK TO SAVEPOINT sp{name}");
            if !session.model.saves.iter().any(|(other, _)| *other == name) {
                return session.error(&sql, &[1305], &format!("sp{name}")).await;
            }
            session.ok(&sql).await?;
            session.model.rollback_to(name);
        }
        5 => {
            let sql = format!("RELEASE SAVEPOINT sp{name}");
            if !session.model.saves.iter().any(|(other, _)| *other == name) {
                return session.error(&sql, &[1305], &format!("sp{name}")).await;
            }
            session.ok(&sql).await?;
            session.model.release(name);
        }
        6 => return session.error("SET TRANSACTION READ ONLY", &[1568], "").await,
        7 => return begin(session).await,
        8 => {
            let read_only = session.model.tx_read_only;
            session.commits("COMMIT AND CHAIN").await?;
            session.model.begin(read_only);
        }
        9 => {
            let read_only = session.model.tx_read_only;
            session.ok("ROLLBACK AND CHAIN").await?;
            session.model.rollback();
            session.model.begin(read_only);
        }
        10..12 => {
            session.ok("ROLLBACK").await?;
            session.model.rollback();
        }
        _ => {
            session.commits("COMMIT").await?;
            session.model.commit();
        }
    }
    Ok(())
}

async fn manual(session: &mut Session) -> Step {
    match session.below(6) {
        0 => begin(session).await,
        1 => {
            session.ok("ROLLBACK").await?;
            session.model.rollback();
            Ok(())
        }
        2 => automatic(session).await,
        _ => {
            session.commits("COMMIT").await?;
            session.model.commit();
            Ok(())
        }
    }
}

async fn automatic(session: &mut Session) -> Step {
    session.commits("SET autocommit = 1").await?;
    session.model.manual_commit = false;
    session.model.commit();
    Ok(())
}

pub async fn read_write(session: &mut Session) -> Step {
    if session.model.read_only {
        session.ok("SET SESSION TRANSACTION READ WRITE").await?;
        session.model.read_only = false;
    }
    Ok(())
}

/// No transaction from here on.
pub async fn end(session: &mut Session) -> Step {
    if session.model.tx {
        if session.below(2) == 0 {
            session.commits("COMMIT").await?;
            session.model.commit();
        } else {
            session.ok("ROLLBACK").await?;
            session.model.rollback();
        }
    }
    if session.model.manual_commit { automatic(session).await } else { Ok(()) }
}
