//! Asks a connection for the insert id that only it knows, before another session gets it or it is closed.

use std::time::Duration;

use crate::backend::{Connection, PendingInsertId};
use crate::net::Runtime;

/// How long a connection that is closed may take to say its session's insert id.
pub const LAST_QUESTION: Duration = Duration::from_secs(5);

/// Asks, and tells the session that waits for it. Returns false if the connection did not answer.
pub async fn learn_insert_id<R: Runtime>(
    runtime: &R,
    connection: &mut Connection<R::Stream>,
    pending: Option<PendingInsertId>,
    limit: Duration,
) -> bool {
    let asked = async {
        connection.settle().await.map_err(|error| error.to_string())?;
        // The limit stands against the session's own `sql_select_limit`, which may be 0, and the cast against its
        // `character_set_results`, which may be utf16.
        let asked = connection.query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
        let sets = asked.map_err(|error| error.to_string())?;
        let value = sets.first().and_then(|set| set.rows.first()?.first()?.clone());
        let number = value.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
        number.ok_or_else(|| "not a number".to_owned())
    };
    let asked = runtime.timeout(limit, asked).await.unwrap_or_else(|| Err("no answer in time".into()));
    let id = asked.inspect_err(|error| {
        let thread = connection.about.thread_id;
        tracing::info!(
            thread,
            error,
            "a server connection did not say its session's insert id, which is lost"
        );
    });
    if let Ok(id) = id {
        if let Some(pending) = pending {
            pending.deliver(id);
        }
        connection.set_insert_id(Some(id));
    }
    id.is_ok()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use crate::backend::shelf::tests::{Kind, connection_to, key};
    use crate::backend::{Ceilings, InsertId, InsertIdCell, Loads, Pool};
    use crate::net::memory::{MemoryRuntime, pair};
    use crate::net::{Buf, Stream};
    use crate::telemetry::WorkerMetrics;

    const QUESTION: &[u8] = b"SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1";

    /// One row with the column `5`, as a server answers a client without DEPRECATE_EOF.
    fn answer() -> Vec<u8> {
        let column = b"\x03def\0\0\0\x01i\0\x0c\x3f\0\x14\0\0\0\xfd\0\0\0\0\0";
        let packets: [&[u8]; 5] = [b"\x01", column, b"\xfe\0\0\x02\0", b"\x015", b"\xfe\0\0\x02\0"];
        let framed = packets.iter().zip(1..).map(|(packet, seq)| {
            let length = u8::try_from(packet.len()).unwrap();
            [&[length, 0, 0, seq], *packet].concat()
        });
        framed.flatten().collect()
    }

    /// Whatever the reason why the connection is closed: its session is not told that its insert id is lost.
    #[tokio::test]
    async fn a_connection_that_is_closed_says_its_sessions_insert_id_first() {
        let play = async {
            let metrics = Arc::<WorkerMetrics>::default();
            let pool: Pool<MemoryRuntime> = Pool::new(
                MemoryRuntime::default(),
                Arc::<Ceilings>::default(),
                (0, Arc::new(Loads::new(2, 1))),
                Rc::default(),
                metrics,
            );
            let (ours, mut peer) = pair(usize::MAX);
            let mut connection = connection_to(ours, Kind::default(), 7);
            let cell = InsertIdCell::default();
            cell.set(InsertId::OnConnection);
            connection.pending_insert_id = Some(cell.link());
            let seat = pool.shelf(&key()).seat_open(1, 7);
            pool.vacate(connection, &seat);
            assert_eq!(cell.get(), InsertId::OnConnection, "not lost yet");
            let mut heard = Buf::with_room(100);
            while !heard.filled().ends_with(QUESTION) {
                peer.read(&mut heard).await.unwrap();
            }
            let mut said = Buf::default();
            said.extend_from_slice(&answer());
            peer.write_all(said).await.0.unwrap();
            while cell.get() == InsertId::OnConnection {
                tokio::task::yield_now().await;
            }
            assert_eq!(cell.get(), InsertId::Known(5));
        };
        tokio::task::LocalSet::new().run_until(play).await;
    }
}
