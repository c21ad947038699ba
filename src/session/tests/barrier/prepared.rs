//! The question for the primary's position as a prepared statement.

use super::super::world::uuid_of;
use super::*;

/// The question was asked this often as a text.
const TEXTS: usize = 8;

/// The next question would be prepared. The replica has all that the primary will say.
async fn nearly_prepared() -> Story {
    let mut s = story().await;
    for _ in 1..TEXTS {
        s.client.query(READ);
        s.asked.expect_query(POSITION).await;
        s.asked.values(&["", &to(5), "0"]);
        s.answers().await;
    }
    s.replica_is_at(9);
    s
}

#[test]
fn it_is_prepared_once_it_repeats() {
    play(async {
        let mut s = nearly_prepared().await;
        s.client.query(READ);
        s.asked.expect(command(0x16, POSITION)).await;
        s.asked.reply(&prepared(s.asked.style(), PREPARED, 0..0, &["x"; 3]));
        s.asked.prepared = true;
        for n in 6..9 {
            s.asked.expect(b"\x17\x07\0\0\0\0\x01\0\0\0").await;
            s.asked.values(&["", &to(n), "0"]);
            s.answers().await;
            s.client.query(READ);
        }
        // It is a text again on another connection.
        s.asked.die();
        s.asked = s.primary.accept().await;
        s.asked.expect_query(POSITION).await;
        s.asked.values(&["", &to(9), "0"]);
        s.answers().await;
    });
}

#[test]
fn a_null_is_no_position() {
    play(async {
        let mut s = nearly_prepared().await;
        s.client.query(READ);
        s.asked.is_asked().await;
        // The second value is NULL.
        let row = [&[0, 0b1000][..], &row(&["", "0"])].concat();
        s.asked.reply(&result_set(s.asked.style(), &["x"; 3], &[row], AUTOCOMMIT));
        s.primary_answers().await;
        // A row without its bitmap: the server says nothing of its role, and is asked again.
        s.client.query(READ);
        s.asked.is_asked().await;
        s.asked.reply(&result_set(s.asked.style(), &["x"; 3], &[vec![0]], AUTOCOMMIT));
        s.asked.tells(5).await;
        s.answers().await;
        assert_eq!(s.world.outside.kicks.borrow().len(), 1);
    });
}

#[test]
fn a_server_that_prepares_nothing_more_is_asked_as_before() {
    play(async {
        let mut s = nearly_prepared().await;
        s.client.query(READ);
        s.asked.expect(command(0x16, POSITION)).await;
        s.asked.reply(&[err(1461, "42000", "Can't create more than max_prepared_stmt_count statements")]);
        for _ in 0..2 {
            s.asked.expect_query(POSITION).await;
            s.asked.values(&["", &to(5), "0"]);
            s.answers().await;
            s.client.query(READ);
        }
        // A server that dies while it prepares is asked on another connection.
        s.asked.die();
        s.asked = s.primary.accept().await;
        for _ in 0..TEXTS {
            s.asked.expect_query(POSITION).await;
            s.asked.values(&["", &to(5), "0"]);
            s.answers().await;
            s.client.query(READ);
        }
        s.asked.expect(command(0x16, POSITION)).await;
        s.asked.die();
        s.asked = s.primary.accept().await;
        s.asked.tells(5).await;
        s.answers().await;
        assert!(s.world.outside.kicks.borrow().is_empty(), "nobody doubts the server");
    });
}

#[test]
fn a_former_primary_is_asked_other_things_without_it() {
    play(async {
        let mut s = nearly_prepared().await;
        s.client.query(READ);
        s.asked.tells(6).await;
        s.answers().await;
        s.world.read_only("db-0");
        // Nobody follows the new primary yet.
        s.world.replica_of("db-0", "db-2");
        s.world.replica_of("db-2", "db-0");
        s.world.primary("db-1");
        s.client.query(READ);
        let mut asked = s.replica.accept().await;
        asked.is_asked().await;
        asked.values(&[&format!("{}:1#23", uuid_of("db-1")), &to(9), "0"]);
        // Whether the new primary's transaction has reached it.
        s.asked.expect(b"\x19\x07\0\0\0").await;
        s.asked.prepared = false;
        s.asked.expect_query("SELECT @@global.gtid_owned, @@global.gtid_executed").await;
    });
}

#[test]
fn behind_its_trimmed_connection_it_begins_anew() {
    play(async {
        let mut s = nearly_prepared().await;
        let positions = s.world.context.positions.clone();
        let snapshot = s.world.context.topology.get();
        let closed = positions.trim(1_000, Duration::from_secs(60), &snapshot);
        assert_eq!(closed.len(), 1);
        drop(closed);
        s.client.query(READ);
        s.asked = s.primary.accept().await;
        s.asked.expect_query(POSITION).await;
        s.asked.values(&["", &to(5), "0"]);
        s.answers().await;
    });
}
