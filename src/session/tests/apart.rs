//! What only one of the session's connections has: what a transaction on a replica left
//! there is moved, a cursor there keeps nobody from reading what was written, and who says
//! that it writes gets the primary.

use super::split::{READ, Story, WRITE, execute, loose, story};
use super::*;
use crate::terms::{Port, Role, StatementKind, Why};

impl Story {
    /// On the replica, with this status and these session state changes.
    pub async fn runs_on_replica(&mut self, sql: &str, status: u16, state: &[u8]) {
        self.client.query(sql);
        self.db1.expect_query(sql).await;
        self.db1.reply(&[ok_state(MODERN, status, state)]);
        self.client.peer.packet().await;
    }
}

pub const READING: u16 = 0x2003;

/// A replica's read_only does not bind every account.
#[test]
fn a_session_of_reading_transactions_that_says_read_write_gets_the_primary() {
    play(async {
        let mut s = story().await;
        let sql = "set session transaction read only";
        s.runs(sql, AUTOCOMMIT, &variable("transaction_read_only", "ON")).await;
        s.client.hears_from(&mut s.db1, "begin", &[ok_with(0x2003)]).await;
        s.client.runs_on(&mut s.db1, "commit").await;
        s.runs("start transaction read write", IN_TRANS, &[]).await;
        s.runs(WRITE, IN_TRANS, &[]).await;
        s.runs("commit", AUTOCOMMIT, &[]).await;
        s.db1.peer.expect_silence().await;
    });
}

#[test]
fn what_a_reading_transaction_set_is_the_primarys_to_know_afterwards() {
    play(async {
        let mut s = story().await;
        s.runs_on_replica("start transaction read only", READING, &[]).await;
        s.runs_on_replica("set @a = concat('x', 1), @b = 6 * 7", READING, &something()).await;
        s.client.query("select last_insert_id()");
        s.db1.expect_query("select last_insert_id()").await;
        // Not even if the replica says so: the number is the session's own.
        let answer = result_set(MODERN, &["a"], &[row(&["7"])], READING);
        s.db1.reply(&answer);
        s.client.expect(&answer).await;
        s.runs_on_replica("commit", AUTOCOMMIT, &[]).await;
        s.client.query("insert into t values (@a, @b, last_insert_id())");
        let asked =
            ["@`a`", "@`b`"].map(|value| format!("{value},HEX({value}),CHARSET({value}),COLLATION({value})"));
        s.db1.expect_query(&format!("SELECT {} LIMIT 1", asked.join(","))).await;
        let values = ["x1", "7831", "latin1", "latin1_bin", "42", "2A", "binary", "binary"];
        s.db1.reply(&result_set(MODERN, &["a"; 8], &[row(&values)], AUTOCOMMIT));
        s.db0.answer_ok("SET @`a`=_latin1 X'7831' COLLATE latin1_bin,@`b`=42").await;
        s.db0.answer_ok("insert into t values (@a, @b, last_insert_id())").await;
        s.client.expect_ok().await;
        s.reads("select @b from t").await;
    });
}

/// Under the new character set the literal would mean something else. The values are where that was set: in a
/// transaction that only reads that is the replica.
#[test]
fn what_cannot_be_said_again_is_asked_where_the_character_set_changed() {
    play(async {
        let mut s = story().await;
        s.runs("set @a = '\u{e9}'", AUTOCOMMIT, &something()).await;
        s.client.query("start transaction read only");
        s.db1.answer_ok("SET @`a`='\u{e9}'").await;
        s.db1.expect_query("start transaction read only").await;
        s.db1.reply(&[ok_with(READING)]);
        s.client.expect(&[ok_with(READING)]).await;
        let names = ["client", "connection", "results"];
        let names = names.map(|name| variable(&format!("character_set_{name}"), "latin1")).concat();
        s.runs_on_replica("set names latin1", READING, &names).await;
        s.runs_on_replica("rollback", AUTOCOMMIT, &[]).await;
        s.client.query("select @a from t");
        s.db1.expect_query("SELECT @`a`,HEX(@`a`),CHARSET(@`a`),COLLATION(@`a`) LIMIT 1").await;
        let value = row(&["\u{e9}", "C3A9", "utf8mb4", "utf8mb4_bin"]);
        s.db1.reply(&result_set(MODERN, &["a"; 4], &[value], AUTOCOMMIT));
        s.db1.answer_one("select @a from t").await;
        s.client.expect(&one()).await;
        s.client.query("insert into t values (@a)");
        s.db0.answer_ok("SET NAMES 'latin1'").await;
        s.db0.answer_ok("SET @`a`=_utf8mb4 X'C3A9' COLLATE utf8mb4_bin").await;
        s.db0.answer_ok("insert into t values (@a)").await;
        s.client.expect_ok().await;
    });
}

#[test]
fn a_cursor_on_a_replica_does_not_keep_reads_from_the_sessions_own_writes() {
    play(async {
        let mut s = story().await;
        s.prepares().await;
        s.client.send(execute(1, true, 1));
        s.db1.expect(execute(70, true, 1)).await;
        let opened = vec![vec![1], column("a"), end(MODERN, CURSOR)];
        s.db1.reply(&opened);
        s.client.expect(&opened).await;
        s.runs(WRITE, AUTOCOMMIT, &gtids("3e11fa47-71ca-11e1-9e33-c80aa9429562:7")).await;
        s.reads_on_primary(READ).await;
        assert_eq!(s.placed(StatementKind::Read, Role::Primary, Why::NotFresh), 1);
        // The cursor is where it was.
        s.client.send(command(0x1c, [1, 0, 0, 0, 9, 0, 0, 0]));
        s.db1.expect(command(0x1c, [70, 0, 0, 0, 9, 0, 0, 0])).await;
        let last = vec![row(&["1"]), end(MODERN, 0x80 | AUTOCOMMIT)];
        s.db1.reply(&last);
        s.client.expect(&last).await;
    });
}

#[test]
fn a_cursor_whose_connection_was_killed_leaves_the_primarys_transaction_alone() {
    play(async {
        let mut s = story().await;
        s.prepares().await;
        s.client.send(execute(1, true, 1));
        s.db1.expect(execute(70, true, 1)).await;
        let opened = vec![vec![1], column("a"), end(MODERN, CURSOR)];
        s.db1.reply(&opened);
        s.client.expect(&opened).await;
        s.runs("begin", IN_TRANS, &[]).await;
        s.runs(WRITE, IN_TRANS, &[]).await;
        s.client.send(command(0x1c, [1, 0, 0, 0, 9, 0, 0, 0]));
        s.db1.expect(command(0x1c, [70, 0, 0, 0, 9, 0, 0, 0])).await;
        let killed = err(1927, "70100", "Connection was killed");
        s.db1.reply(std::slice::from_ref(&killed));
        s.db1.peer.close();
        s.client.expect(&[killed]).await;
        s.runs("commit", AUTOCOMMIT, &[]).await;
    });
}

#[test]
fn a_reading_transaction_that_a_replica_does_not_commit_is_over_all_the_same() {
    play(async {
        let mut s = story().await;
        for (commit, instead, after) in
            [("commit and chain", "ROLLBACK AND CHAIN", READING), ("commit", "ROLLBACK", AUTOCOMMIT)]
        {
            if commit == "commit and chain" {
                s.runs_on_replica("start transaction read only", READING, &[]).await;
            }
            s.runs_on_replica("savepoint a", READING, &[]).await;
            s.client.query(commit);
            s.db1.expect_query(commit).await;
            s.db1.reply(&[err(
                1290,
                "HY000",
                "running with the --read-only option so it cannot execute this",
            )]);
            s.db1.expect_query(instead).await;
            s.db1.reply(&[ok_with(after)]);
            s.client.expect(&[ok_with(after)]).await;
        }
        s.runs(WRITE, AUTOCOMMIT, &[]).await;
        s.reads(READ).await;
    });
}

/// Its binary log has savepoints: a COMMIT would give the replica a GTID of its own.
#[test]
fn a_transaction_with_savepoints_is_not_committed_on_a_replica_of_mariadb() {
    play(async {
        let settings = super::connection_phase::settings(crate::topology::Flavor::MariaDb, usize::MAX);
        let world = World::with(settings);
        world.down("db-2");
        let replica = world.server("db-1");
        let mut client = world.login(&Login { port: Port::Split, ..Login::default() }).await;
        client.query("start transaction read only");
        let mut db1 = replica.accept().await;
        db1.expect_role().await;
        db1.peer.packet().await;
        db1.reply_ok();
        for sql in ["start transaction read only", "savepoint a"] {
            if sql == "savepoint a" {
                client.query(sql);
            }
            db1.expect_query(sql).await;
            db1.reply(&[ok_with(READING)]);
            client.expect(&[ok_with(READING)]).await;
        }
        client.query("commit");
        db1.answer_ok("ROLLBACK").await;
        client.expect_ok().await;
        // Without savepoints it is as the client says.
        client.hears_from(&mut db1, "start transaction read only", &[ok_with(READING)]).await;
        client.runs_on(&mut db1, "commit").await;
    });
}

/// As drivers do at their connect: what they set in the same breath is not reported any more.
#[test]
fn what_is_set_together_with_trackers_is_asked_for_and_carried() {
    play(async {
        let mut s = story().await;
        let sql = "set sql_mode=concat(@@sql_mode,',ANSI'),session_track_schema=1,\
                   session_track_system_variables='autocommit'";
        s.runs(sql, AUTOCOMMIT, &variable("autocommit", "ON")).await;
        let answer = result_set(MODERN, &["@@session.sql_mode"], &[row(&["ANSI"])], AUTOCOMMIT);
        s.db0.expect_query("SELECT CAST(@@session.sql_mode AS BINARY) LIMIT 1").await;
        s.db0.reply(&answer);
        // Nothing keeps its reads on the primary.
        s.client.query(READ);
        s.db1.expect_query("SET sql_mode='ANSI'").await;
        s.db1.answer_ok(READ).await;
        s.db1.reply(&one());
        s.client.expect(&one()).await;
        // The primary's connection gets the proxy's trackers again.
        s.client.query(WRITE);
        s.db0.answer_ok(super::server::SET_TRACKERS).await;
        s.db0.answer_ok(WRITE).await;
        s.client.expect_ok().await;
    });
}

#[test]
fn writes_that_the_client_is_told_of_are_kept_for_who_elects() {
    play(async {
        let mut s = story().await;
        let heard = |s: &Story| s.world.context.acknowledged.borrow().of(1).map(|set| set.to_string());
        assert_eq!(heard(&s).as_deref(), Some(""));
        s.runs(WRITE, AUTOCOMMIT, &gtids("3e11fa47-71ca-11e1-9e33-c80aa9429562:7")).await;
        s.runs("set @a = 1", AUTOCOMMIT, &[]).await;
        assert_eq!(heard(&s).as_deref(), Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:7"));
        // Its write may come after the trackers are off.
        s.runs("set session_track_gtids = off; insert into t values (2)", AUTOCOMMIT, &[]).await;
        assert_eq!(heard(&s), None);
    });
}

/// COM_STMT_SEND_LONG_DATA.
fn long_data(id: u32) -> Vec<u8> {
    let mut out = command(0x18, id.to_le_bytes());
    out.extend_from_slice(&[0, 0, b'7']);
    out
}

#[test]
fn parameters_sent_in_advance_stay_in_the_transaction_that_reads() {
    play(async {
        let mut s = story().await;
        s.prepares().await;
        s.runs_on_replica("start transaction read only", READING, &[]).await;
        s.client.send(long_data(1));
        s.db1.expect(long_data(70)).await;
        s.client.send(execute(1, true, 0));
        s.db1.expect(execute(70, true, 0)).await;
        let answer = result_set(MODERN, &["a"], &[row(&["1"])], READING);
        s.db1.reply(&answer);
        s.client.expect(&answer).await;
    });
}

#[test]
fn a_write_with_parameters_sent_in_advance_waits_for_the_end_of_the_transaction_that_reads() {
    play(async {
        const INSERT: &str = "insert into t values (?)";
        let mut s = story().await;
        s.client.send(command(0x16, INSERT));
        s.db0.expect(command(0x16, INSERT)).await;
        s.db0.reply(&prepared(MODERN, 40, 0..1, &[]));
        s.client.expect(&prepared(MODERN, 1, 0..1, &[])).await;
        s.runs_on_replica("start transaction read only", READING, &[]).await;
        s.client.send(long_data(1));
        s.db0.expect(long_data(40)).await;
        // It must not be executed beside the transaction.
        s.client.send(execute(1, true, 0));
        let refusal = err(1792, "25006", "Cannot execute statement in a READ ONLY transaction.");
        s.client.expect(&[refusal]).await;
        s.client.send(long_data(1));
        s.db0.expect(command(0x19, [40, 0, 0, 0])).await;
        s.db0.expect(command(0x16, INSERT)).await;
        s.db0.reply(&prepared(MODERN, 41, 0..1, &[]));
        s.db0.expect(long_data(41)).await;
        s.runs_on_replica("commit", AUTOCOMMIT, &[]).await;
        s.client.send(execute(1, true, 0));
        s.db0.expect(execute(41, true, 0)).await;
        s.db0.reply_ok();
        s.client.expect_ok().await;
    });
}

#[test]
fn locks_of_the_primary_outlive_the_replica() {
    play(async {
        let mut s = loose().await;
        s.runs_on_replica("start transaction read only", READING, &[]).await;
        for sql in ["select get_lock('a', 1)", "select get_lock('b', 1)"] {
            s.client.query(sql);
            s.db0.answer_one(sql).await;
            for _ in one() {
                s.client.peer.packet().await;
            }
        }
        s.world.down("db-1");
        s.client.query(READ);
        s.client.expect_err(1213, "40001").await;
        s.reads_on_primary("select release_lock('b')").await;
        // It has the other one.
        let db2 = s.world.server("db-2");
        s.world.replica("db-2");
        s.reads_on_primary(READ).await;
        s.reads_on_primary("select release_lock('a')").await;
        s.client.query(READ);
        let mut db2 = db2.accept().await;
        db2.expect_read_only_set("").await;
        db2.answer_one(READ).await;
        s.client.expect(&one()).await;
    });
}

#[test]
fn a_cursor_on_a_replica_settles_no_doubt_of_the_primary() {
    play(async {
        let mut s = story().await;
        s.prepares().await;
        s.client.send(execute(1, true, 1));
        s.db1.expect(execute(70, true, 1)).await;
        let opened = vec![vec![1], column("a"), end(MODERN, CURSOR)];
        s.db1.reply(&opened);
        s.client.expect(&opened).await;
        s.runs("begin", IN_TRANS, &[]).await;
        s.runs(WRITE, IN_TRANS, &[]).await;
        let create = "create table t (a int)";
        s.client.query(create);
        s.db0.expect_query(create).await;
        s.db0.reply(&[err(1050, "42S01", "Table 't' already exists")]);
        s.client.expect_err(1050, "42S01").await;
        s.client.send(command(0x1c, [1, 0, 0, 0, 9, 0, 0, 0]));
        s.db1.expect(command(0x1c, [70, 0, 0, 0, 9, 0, 0, 0])).await;
        s.db1.reply(&[row(&["1"]), end(MODERN, CURSOR)]);
        for _ in 0..2 {
            s.client.peer.packet().await;
        }
        super::failover::switch(&s.world);
        s.client.query(WRITE);
        let text = s.client.expect_err(1053, "08S01").await;
        assert!(text.contains("may have committed"), "{text}");
    });
}

#[test]
fn a_lock_that_the_primary_is_lost_with_takes_no_reading_transaction_along() {
    play(async {
        let mut s = story().await;
        s.runs_on_replica("start transaction read only", READING, &[]).await;
        s.client.query("select get_lock('a', 10)");
        s.db0.expect_query("select get_lock('a', 10)").await;
        s.db0.die();
        // It is open, and must not be called rolled back.
        s.client.expect_err(1105, "08007").await;
        s.client.peer.expect_end().await;
    });
}

#[test]
fn a_commit_that_is_lost_with_a_replica_is_told_once() {
    play(async {
        let settings = super::connection_phase::settings(crate::topology::Flavor::MariaDb, usize::MAX);
        let world = World::with(settings);
        world.down("db-2");
        let replica = world.server("db-1");
        let mut client = world.login(&Login { port: Port::Split, ..Login::default() }).await;
        client.query("start transaction read only");
        let mut db1 = replica.accept().await;
        db1.expect_role().await;
        db1.peer.packet().await;
        db1.reply_ok();
        for sql in ["start transaction read only", "savepoint a", "set session_track_schema = 1"] {
            if sql != "start transaction read only" {
                client.query(sql);
            }
            db1.expect_query(sql).await;
            db1.reply(&[ok_with(READING)]);
            client.expect(&[ok_with(READING)]).await;
        }
        client.query("commit");
        let (_, set) = db1.peer.packet().await;
        assert!(set.starts_with(b"\x03SET "), "nothing goes in front: {set:?}");
        db1.die();
        client.expect_err(1213, "40001").await;
        client.query(READ);
        let mut db1 = replica.accept().await;
        db1.expect_role().await;
        db1.peer.packet().await;
        db1.reply_ok();
        db1.answer_one(READ).await;
        client.expect(&one()).await;
    });
}

#[test]
fn a_reading_transaction_killed_before_its_commit_is_told_as_lost() {
    play(async {
        for sql in ["select a from t; commit", "commit and chain"] {
            let mut s = story().await;
            s.runs_on_replica("start transaction read only", READING, &[]).await;
            s.client.query(sql);
            s.db1.expect_query(sql).await;
            let killed = err(1927, "70100", "Connection was killed");
            s.db1.reply(std::slice::from_ref(&killed));
            s.db1.peer.close();
            s.client.expect(&[killed]).await;
            s.client.query(WRITE);
            s.client.expect_err(1213, "40001").await;
        }
    });
}
