//! `mode = "split"`: reads to a replica, the rest to the primary, on one port.

use std::num::NonZeroUsize;

use super::apart::READING;
use super::server::SET;
use super::*;
use crate::config::Level;
use crate::terms::{Pin, Port, Role, StatementKind, Why};

pub const READ: &str = "select a from t";
pub const WRITE: &str = "insert into t values (1)";

pub fn login() -> Login {
    Login { port: Port::Split, ..Login::default() }
}

/// A primary and one replica, so that the choice is known, and a client with a connection to each.
pub struct Story {
    pub world: World,
    pub primary: Server,
    pub replica: Server,
    pub client: Client,
    pub db0: Db,
    pub db1: Db,
}

/// One replica, and nobody connected.
pub fn world(settings: Settings) -> World {
    let world = World::with(settings);
    world.down("db-2");
    world
}

pub async fn story() -> Story {
    story_with(Settings::default()).await
}

/// Where reads may follow others on another server without a question.
pub async fn loose() -> Story {
    story_with(Settings { level: Level::Eventual, ..Settings::default() }).await
}

async fn story_with(settings: Settings) -> Story {
    let world = world(settings);
    let (primary, replica) = (world.server("db-0"), world.server("db-1"));
    let mut client = world.login(&login()).await;
    let db0 = client.runs_first_on(&primary, WRITE).await;
    let db1 = client.reads_first_on_read_only(&replica, READ).await;
    Story { world, primary, replica, client, db0, db1 }
}

impl Story {
    pub async fn reads(&mut self, sql: &str) {
        self.client.reads_on(&mut self.db1, sql).await;
    }

    pub async fn reads_on_primary(&mut self, sql: &str) {
        self.client.reads_on(&mut self.db0, sql).await;
    }

    /// On the primary, with this status and these session state changes.
    pub async fn runs(&mut self, sql: &str, status: u16, state: &[u8]) {
        self.client.query(sql);
        self.db0.expect_query(sql).await;
        self.db0.reply(&[ok_state(MODERN, status, state)]);
        self.client.peer.packet().await;
    }

    pub fn placed(&self, kind: StatementKind, target: Role, reason: Why) -> u64 {
        self.world.context.metrics.placed.at(kind, target, reason).get()
    }

    async fn ends(mut self, pooled: u64) {
        self.client.send(vec![1]);
        self.primary.expect_nobody().await;
        self.replica.expect_nobody().await;
        self.world.expect_nothing_left(pooled).await;
    }
}

#[test]
fn reads_go_to_the_replica_and_the_rest_to_the_primary() {
    play(async {
        for chunk in [1, usize::MAX] {
            let mut s = story_with(Settings { chunk, level: Level::Eventual, ..Settings::default() }).await;
            s.reads("/* of a page */ select b from t where c = 'for update'").await;
            s.reads("with x as (select 1) select * from x").await;
            for write in
                ["/* tag */ insert into t values ()", "-- tag\nupdate t set a = 1", "create table u (a int)"]
            {
                s.runs(write, AUTOCOMMIT, &[]).await;
            }
            s.reads_on_primary("select a from t for update").await;
            s.reads_on_primary("/* pointsman: primary */ select a from t").await;
            s.reads(READ).await;
            assert_eq!(s.placed(StatementKind::Read, Role::Replica, Why::PlainRead), 4);
            assert_eq!(s.placed(StatementKind::Write, Role::Primary, Why::LockingRead), 1);
            s.db0.peer.expect_silence().await;
            s.ends(2).await;
        }
    });
}

#[test]
fn what_a_set_did_travels_in_front_of_the_next_read_in_the_same_write() {
    play(async {
        let mut s = story().await;
        s.runs("use shop", AUTOCOMMIT, &schema("shop")).await;
        s.runs("set time_zone = '+01:00'", AUTOCOMMIT, &variable("time_zone", "+01:00")).await;
        s.runs("set @x = 'a'", AUTOCOMMIT, &something()).await;
        s.client.query("select @x");
        s.db1.expect_query("SET time_zone='+01:00'").await;
        s.db1.expect_query("SET @`x`='a'").await;
        s.db1.expect(command(2, "shop")).await;
        // Nothing was answered so far.
        s.db1.answer_ok("select @x").await;
        s.db1.reply_ok();
        s.db1.reply_ok();
        s.client.peer.expect_silence().await;
        s.db1.reply(&one());
        s.client.expect(&one()).await;
        // Only what changed since.
        s.runs("set @x = 'b'", AUTOCOMMIT, &something()).await;
        s.client.query("select @x");
        s.db1.answer_ok("SET @`x`='b'").await;
        s.db1.answer_one("select @x").await;
        s.client.expect(&one()).await;
        s.reads("select @x").await;
        s.ends(2).await;
    });
}

#[test]
fn a_state_that_the_replica_refuses_never_answers_the_read() {
    play(async {
        let mut s = story().await;
        s.runs("set sql_mode = 'NEW'", AUTOCOMMIT, &variable("sql_mode", "NEW")).await;
        s.client.query(READ);
        s.db1.expect_query("SET sql_mode='NEW'").await;
        s.db1.expect_query(READ).await;
        s.db1.reply(&[err(1231, "42000", "Variable 'sql_mode' can't be set to 'NEW'")]);
        s.db1.reply(&one());
        s.db1.peer.expect_end().await;
        // The primary took it already.
        s.db0.answer_one(READ).await;
        s.client.expect(&one()).await;
        s.ends(1).await;
    });
}

#[test]
fn a_transaction_stays_on_the_primary() {
    play(async {
        let mut s = loose().await;
        s.runs("begin", IN_TRANS, &[]).await;
        for sql in [READ, "select b from t"] {
            s.client.query(sql);
            s.db0.expect_query(sql).await;
            let answer = result_set(MODERN, &["a"], &[row(&["1"])], IN_TRANS);
            s.db0.reply(&answer);
            s.client.expect(&answer).await;
        }
        s.runs(WRITE, IN_TRANS, &[]).await;
        assert_eq!(s.placed(StatementKind::Read, Role::Primary, Why::Transaction), 2);
        s.runs("commit", AUTOCOMMIT, &[]).await;
        s.reads(READ).await;
        s.runs("set autocommit = 0", 0, &[]).await;
        s.client.query(READ);
        s.db0.answer_one(READ).await;
        s.client.peer.packet().await;
        assert_eq!(s.placed(StatementKind::Read, Role::Primary, Why::AutocommitOff), 1);
    });
}

#[test]
fn a_transaction_that_only_reads_runs_on_the_replica() {
    play(async {
        let mut s = story().await;
        let status = 0x2003;
        s.client.hears_from(&mut s.db1, "start transaction read only", &[ok_with(status)]).await;
        // What writes gets the server's error. The replica only says whether it could prepare the text.
        let refusal = err(1792, "25006", "Cannot execute statement in a READ ONLY transaction.");
        let syntax = err(1064, "42000", "You have an error in your SQL syntax");
        let missing = err(1146, "42S02", "Table 'test.t' doesn't exist");
        let unsupported =
            err(1295, "HY000", "This command is not supported in the prepared statement protocol yet");
        let busy = err(1205, "HY000", "Lock wait timeout exceeded; try restarting transaction");
        let mut is_first = true;
        for (of_replica, of_client) in [
            (&refusal, &refusal),
            (&syntax, &syntax),
            (&missing, &missing),
            (&unsupported, &refusal),
            (&busy, &refusal),
        ] {
            s.client.query(WRITE);
            if !std::mem::take(&mut is_first) {
                // The former error must not be in the list.
                s.db1.answer_ok("DO 0").await;
            }
            s.db1.expect(command(0x16, WRITE)).await;
            s.db1.reply(std::slice::from_ref(of_replica));
            s.client.expect(std::slice::from_ref(of_client)).await;
        }
        s.client.query(WRITE);
        s.db1.answer_ok("DO 0").await;
        s.db1.expect(command(0x16, WRITE)).await;
        s.db1.reply(&prepared(MODERN, 7, 0..0, &[]));
        s.db1.expect(command(0x19, [7, 0, 0, 0])).await;
        s.client.expect(&[refusal]).await;
        s.client.query(READ);
        s.db1.expect_query(READ).await;
        let answer = result_set(MODERN, &["a"], &[row(&["1"])], status);
        s.db1.reply(&answer);
        s.client.expect(&answer).await;
        s.client.runs_on(&mut s.db1, "commit").await;
        s.runs(WRITE, AUTOCOMMIT, &[]).await;
        s.ends(2).await;
    });
}

#[test]
fn a_transaction_that_ends_while_the_replica_prepares_in_vain_is_told_of_with_the_next_statement() {
    for is_deadlock in [false, true] {
        play(async move {
            let mut s = story().await;
            s.client.hears_from(&mut s.db1, "start transaction read only", &[ok_with(0x2003)]).await;
            s.client.query(WRITE);
            s.db1.expect(command(0x16, WRITE)).await;
            if is_deadlock {
                s.db1.reply(&[err(1213, "40001", "Deadlock found when trying to get lock")]);
            } else {
                s.db1.peer.close();
            }
            s.client
                .expect(&[err(1792, "25006", "Cannot execute statement in a READ ONLY transaction.")])
                .await;
            s.client.query(READ);
            s.client.expect_err(1213, "40001").await;
            s.runs(WRITE, AUTOCOMMIT, &[]).await;
        });
    }
}

#[test]
fn a_transaction_that_may_write_ends_one_that_only_reads() {
    play(async {
        let mut s = story().await;
        s.client.hears_from(&mut s.db1, "start transaction read only", &[ok_with(0x2003)]).await;
        // On MySQL it goes on as the one before, also with COMMIT AND CHAIN.
        for sql in ["begin", "commit and chain"] {
            s.client.hears_from(&mut s.db1, sql, &[ok_with(0x2003)]).await;
        }
        let sql = "start transaction read write";
        s.client.query(sql);
        s.db1.answer_ok("ROLLBACK").await;
        s.db0.expect_query(sql).await;
        s.db0.reply(&[ok_with(IN_TRANS)]);
        s.client.expect(&[ok_with(IN_TRANS)]).await;
        s.runs("rollback", AUTOCOMMIT, &[]).await;
        s.reads(READ).await;
        s.ends(2).await;
    });
}

/// Types of one LONG parameter, and a value; without the types, those of the execute before.
pub fn execute(id: u32, typed: bool, flags: u8) -> Vec<u8> {
    let mut out = command(0x17, id.to_le_bytes());
    out.extend_from_slice(&[flags, 1, 0, 0, 0, 0]);
    out.extend_from_slice(if typed { &[1, 3, 0] } else { &[0] });
    out.extend_from_slice(&[5, 0, 0, 0]);
    out
}

const PREPARED: &str = "select a from t where a > ?";

impl Story {
    /// Prepared on the replica, as its number 70, and executed there with types.
    pub async fn prepares(&mut self) {
        self.client.send(command(0x16, PREPARED));
        self.db1.expect(command(0x16, PREPARED)).await;
        self.db1.reply(&prepared(MODERN, 70, 0..1, &["a"]));
        self.client.expect(&prepared(MODERN, 1, 0..1, &["a"])).await;
        self.client.send(execute(1, true, 0));
        self.db1.expect(execute(70, true, 0)).await;
        self.db1.reply(&one());
        self.client.expect(&one()).await;
    }
}

#[test]
fn a_prepared_read_is_prepared_on_the_primary_when_it_is_needed_there() {
    play(async {
        for chunk in [1, usize::MAX] {
            let mut s = story_with(Settings { chunk, level: Level::Eventual, ..Settings::default() }).await;
            s.prepares().await;
            s.client.send(execute(1, false, 0));
            s.db1.expect(execute(70, false, 0)).await;
            s.db1.reply(&one());
            s.client.expect(&one()).await;
            s.runs("begin", IN_TRANS, &[]).await;
            let answer = result_set(MODERN, &["a"], &[row(&["1"])], IN_TRANS);
            // The primary was never told the types.
            for (typed, is_new) in [(true, true), (false, false)] {
                s.client.send(execute(1, false, 0));
                if is_new {
                    s.db0.expect(command(0x16, PREPARED)).await;
                    s.db0.reply(&prepared(MODERN, 4, 0..1, &["a"]));
                }
                s.db0.expect(execute(4, typed, 0)).await;
                s.db0.reply(&answer);
                s.client.expect(&answer).await;
            }
            s.runs("commit", AUTOCOMMIT, &[]).await;
            s.client.send(execute(1, false, 0));
            s.db1.expect(execute(70, false, 0)).await;
            s.db1.reply(&one());
            s.client.expect(&one()).await;
            s.ends(2).await;
        }
    });
}

#[test]
fn a_statement_that_the_server_does_not_know_or_wants_anew_is_prepared_again() {
    play(async {
        for (code, sqlstate) in [(1243, "HY000"), (1615, "HY000")] {
            let mut s = story().await;
            s.prepares().await;
            s.client.send(execute(1, false, 0));
            s.db1.expect(execute(70, false, 0)).await;
            s.db1.reply(&[err(code, sqlstate, "prepare it again")]);
            if code == 1615 {
                s.db1.expect(command(0x19, 70u32.to_le_bytes())).await;
            }
            s.db1.expect(command(0x16, PREPARED)).await;
            s.db1.reply(&prepared(MODERN, 71, 0..1, &["a"]));
            s.db1.expect(execute(71, true, 0)).await;
            s.db1.reply(&one());
            s.client.expect(&one()).await;
            s.client.send(execute(1, false, 0));
            s.db1.expect(execute(71, false, 0)).await;
            s.db1.reply(&one());
            s.client.expect(&one()).await;
            s.ends(2).await;
        }
    });
}

#[test]
fn a_server_that_always_wants_it_anew_is_not_asked_for_ever() {
    play(async {
        let mut s = story().await;
        s.prepares().await;
        s.client.send(execute(1, true, 0));
        let mut id = 70;
        let answers = async {
            loop {
                let (_, heard) = s.db1.peer.packet().await;
                match heard[0] {
                    0x17 => s.db1.reply(&[err(1615, "HY000", "Prepared statement needs to be re-prepared")]),
                    0x16 => {
                        id += 1;
                        s.db1.reply(&prepared(MODERN, id, 0..1, &["a"]));
                    }
                    byte => assert_eq!(byte, 0x19),
                }
            }
        };
        tokio::select! {
            () = answers => {}
            (_, payload) = s.client.peer.packet() => assert_eq!(payload[0], 0xff),
        }
        assert!(id < 80, "prepared {} times", id - 70);
    });
}

#[test]
fn a_cursor_keeps_its_connection_and_fetches_go_there() {
    play(async {
        let mut s = story().await;
        s.prepares().await;
        let fetch = |id: u32| command(0x1c, [&id.to_le_bytes()[..], &[9, 0, 0, 0]].concat());
        s.client.send(execute(1, true, 1));
        s.db1.expect(execute(70, true, 1)).await;
        let opened = vec![vec![1], column("a"), end(MODERN, CURSOR)];
        s.db1.reply(&opened);
        s.client.expect(&opened).await;
        assert_eq!(s.world.context.metrics.pins[Pin::Cursor].get(), 1);
        // Writes go on meanwhile, and reads stay where the cursor is.
        s.runs(WRITE, AUTOCOMMIT, &[]).await;
        s.reads(READ).await;
        s.client.send(fetch(1));
        s.db1.expect(fetch(70)).await;
        let last = vec![row(&["1"]), end(MODERN, 0x80 | AUTOCOMMIT)];
        s.db1.reply(&last);
        s.client.expect(&last).await;
        s.client.send(fetch(1));
        s.client.expect_err(1421, "HY000").await;
        // It is closed: nothing keeps the connection any more.
        s.client.send(vec![1]);
        s.db1.expect_silence().await;
        s.world.expect_nothing_left(2).await;
    });
}

#[test]
fn a_pinned_connection_to_a_replica_is_never_taken() {
    play(async {
        let change = |live: &mut crate::config::Live| live.limits.max_server_connections = NonZeroUsize::MIN;
        let mut s = story_with(Settings { change, ..Settings::default() }).await;
        s.prepares().await;
        s.client.send(execute(1, true, 1));
        s.db1.expect(execute(70, true, 1)).await;
        let opened = vec![vec![1], column("a"), end(MODERN, CURSOR)];
        s.db1.reply(&opened);
        s.client.expect(&opened).await;
        let mut other = s.world.login(&login()).await;
        other.query("select 2");
        s.db1.peer.expect_silence().await;
        s.replica.expect_nobody().await;
        // It is closed by its client: the server's cursor must not wait for the next who uses the text.
        s.client.send(command(0x19, 1u32.to_le_bytes()));
        s.client.query(READ);
        s.db1.expect(command(0x19, 70u32.to_le_bytes())).await;
        let (mut heard, answers) = (Vec::new(), [one(), one()]);
        for answer in &answers {
            heard.push(s.db1.peer.packet().await.1);
            s.db1.reply(answer);
        }
        heard.sort();
        assert_eq!(heard, [query("select 2"), query(READ)]);
        s.client.expect(&one()).await;
        other.expect(&one()).await;
        other.quit();
        s.ends(2).await;
    });
}

#[test]
fn a_read_that_the_replica_refuses_runs_on_the_primary() {
    play(async {
        let refusals = [
            err(1792, "25006", "Cannot execute statement in a READ ONLY transaction."),
            err(1290, "HY000", "The MySQL server is running with the --read-only option"),
            err(1836, "HY000", "Running in read-only mode"),
        ];
        for refusal in refusals {
            let mut s = loose().await;
            s.client.query(READ);
            s.db1.expect_query(READ).await;
            s.db1.reply(&[refusal]);
            s.db0.answer_one(READ).await;
            s.client.expect(&one()).await;
            assert_eq!(s.placed(StatementKind::Read, Role::Primary, Why::Refused), 1);
            s.reads(READ).await;
            s.ends(2).await;
        }
    });
}

#[test]
fn without_replicas_reads_run_on_the_primary() {
    play(async {
        let mut s = loose().await;
        s.world.down("db-1");
        s.db1.peer.expect_end().await;
        s.client.reads_on(&mut s.db0, READ).await;
        assert_eq!(s.placed(StatementKind::Read, Role::Primary, Why::NoReplica), 1);
        // Also before a probe has seen it: nobody listens at the other.
        s.world.replica("db-2");
        s.client.reads_on(&mut s.db0, "select b from t").await;
        assert!(s.world.outside.kicks.borrow().contains(&s.world.id("db-2")));
        s.client.quit();
        s.world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_read_whose_replica_is_full_runs_on_the_primary() {
    play(async {
        let world = world(Settings { level: Level::Eventual, ..Settings::default() });
        let (primary, replica) = (world.server("db-0"), world.server("db-1"));
        let mut client = world.login(&login()).await;
        client.query(READ);
        let mut peer = replica.accept_raw().await;
        // As MariaDB says it, before it knows who asks.
        peer.say(&frames(0, &[[&[0xff, 0x10, 0x04][..], b"Too many connections"].concat()]));
        let mut db0 = primary.accept().await;
        db0.expect_set("").await;
        db0.answer_one(READ).await;
        client.expect(&one()).await;
        client.quit();
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_read_whose_replica_dies_runs_elsewhere() {
    play(async {
        let mut s = story().await;
        s.client.query(READ);
        s.db1.expect_query(READ).await;
        drop(s.replica);
        s.world.runtime.unlisten("db-1:3306");
        s.db1.die();
        s.db0.answer_one(READ).await;
        s.client.expect(&one()).await;
        s.client.quit();
        s.world.expect_nothing_left(1).await;
    });
}

#[test]
fn what_a_session_holds_on_the_primary_its_reads_follow() {
    play(async {
        let mut s = loose().await;
        s.runs("create temporary table x (a int)", AUTOCOMMIT, &[]).await;
        s.reads_on_primary("select a from x").await;
        assert_eq!(s.placed(StatementKind::Read, Role::Primary, Why::Pinned), 1);
        s.runs("drop temporary table x", AUTOCOMMIT, &something()).await;
        s.reads(READ).await;
        s.reads_on_primary("select get_lock('a', 1)").await;
        s.reads_on_primary(READ).await;
        s.reads_on_primary("select release_all_locks()").await;
        s.reads(READ).await;
        s.reads_on_primary("select get_lock('a',1)").await;
        s.reads_on_primary("select get_lock('a',1), get_lock('b',1)").await;
        s.reads_on_primary("select release_lock('a'), release_lock('b')").await;
        s.reads_on_primary(READ).await;
        s.reads_on_primary("select release_lock('A')").await;
        s.reads(READ).await;
        s.ends(2).await;
    });
}

#[test]
fn a_demoted_primary_takes_no_replica_sessions_transaction_with_it() {
    play(async {
        let mut s = story().await;
        s.runs_on_replica("start transaction read only", READING, &[]).await;
        let db2 = s.world.server("db-2");
        s.world.read_only("db-0");
        s.world.primary("db-2");
        s.db0.peer.expect_end().await;
        s.client.query(READ);
        s.db1.expect_query(READ).await;
        let answer = result_set(MODERN, &["a"], &[row(&["1"])], READING);
        s.db1.reply(&answer);
        s.client.expect(&answer).await;
        s.client.runs_on(&mut s.db1, "commit").await;
        s.client.query(WRITE);
        let mut new = db2.accept().await;
        new.answer_ok(SET).await;
        new.answer_ok(WRITE).await;
        s.client.expect_ok().await;
    });
}
