//! Events of the scheduler, one for every kind of state. An event runs in a session of its own, on the primary, and nobody
//! else may ever find what it leaves there.

use std::io;

use super::driver::{first_row, run_sql, text};
use super::objects::{KINDS, Kind, PROCEDURES, body, trigger};
use crate::wire::Conn;

/// A value that belongs to no session.
pub const VALUE: &str = "e0.1";
/// Whoever holds a lock named by it, it is none of the sessions.
pub const NOBODY: u32 = u32::MAX;

/// What an event does that leaves this kind of state: some kinds only a procedure can leave.
pub fn action(kind: &Kind, value: &str) -> String {
    match kind.name {
        "role" | "changing" => trigger(kind, &format!("'{value}'")),
        _ => body(kind, &format!("'{value}'")),
    }
}

/// Makes the events of the account that has more rights. Each runs once a second and counts its runs.
pub async fn make(conn: &mut Conn, mariadb: bool) -> io::Result<()> {
    run_sql(conn, "SET GLOBAL event_scheduler = ON").await?;
    run_sql(
        conn,
        "CREATE TABLE IF NOT EXISTS test.nlh_events (name VARCHAR(40) PRIMARY KEY, runs INT NOT NULL)",
    )
    .await?;
    run_sql(conn, "DELETE FROM test.nlh_events").await?;
    for kind in KINDS.iter().chain(&PROCEDURES).filter(|kind| mariadb || !kind.mariadb) {
        let (name, action) = (kind.name, action(kind, VALUE));
        run_sql(conn, &format!("DROP EVENT IF EXISTS test.nlh_event_{name}")).await?;
        run_sql(conn, &format!("INSERT INTO test.nlh_events VALUES ('{name}', 0)")).await?;
        let count = format!("UPDATE test.nlh_events SET runs = runs + 1 WHERE name = '{name}'");
        // It lasts, so that sessions look while its state is there.
        run_sql(
            conn,
            &format!(
                "CREATE EVENT test.nlh_event_{name} ON SCHEDULE EVERY 1 SECOND DO BEGIN {count}; {action} DO SLEEP(0.3); END"
            ),
        )
        .await?;
    }
    Ok(())
}

/// How often the events ran that ran least, and in all. Behind it none of them runs again.
pub async fn end(conn: &mut Conn, mariadb: bool) -> io::Result<(u64, u64)> {
    let row = first_row(conn, "SELECT MIN(runs), SUM(runs) FROM test.nlh_events").await?;
    for kind in KINDS.iter().chain(&PROCEDURES).filter(|kind| mariadb || !kind.mariadb) {
        run_sql(conn, &format!("DROP EVENT IF EXISTS test.nlh_event_{}", kind.name)).await?;
    }
    let number = |cell| text(cell).and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok((number(&row[0]), number(&row[1])))
}
