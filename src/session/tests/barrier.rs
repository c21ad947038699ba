//! Reads at `strong` and `session`: what the proxy asks the primary and the replicas before a read goes,
//! and who answers when it cannot know.

mod ahead;
mod changes;
mod corners;
mod prepared;
mod sessions;
mod waits;

use std::time::Duration;

use super::split::READ;
use super::*;
use crate::config::Level;
use crate::telemetry::stream::Filter;
use crate::terms::{Fresh, Port, Question};
use crate::topology::Flavor;

pub(super) const POSITION: &str =
    "SELECT @@global.gtid_owned, @@global.gtid_executed, CONCAT(@@global.read_only, '')";
const BEGIN: &str = "start transaction read only";
const IN_READING: u16 = 0x2003;

fn login() -> Login {
    Login { port: Port::Split, ..Login::default() }
}

/// So many writes of one source.
fn to(n: u32) -> String {
    format!("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-{n}")
}

fn wait(n: u32) -> String {
    wait_for(&to(n))
}

fn wait_for(set: &str) -> String {
    format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{set}', 0.050)")
}

/// The write of that number.
fn one_write(n: u32) -> String {
    format!("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:{n}")
}

/// The id of the prepared question.
const PREPARED: u32 = 7;

impl Db {
    fn values(&mut self, values: &[&str]) {
        let names = vec!["x"; values.len()];
        let row = if self.prepared { [b"\0\0", &*row(values)].concat() } else { row(values) };
        self.reply(&result_set(self.style(), &names, &[row], AUTOCOMMIT));
    }

    /// The primary is asked how far it is: first by the text, later by the statement, which is prepared here if it is not
    /// yet.
    async fn is_asked(&mut self) {
        let (_, mut packet) = self.peer.packet().await;
        if packet == command(0x16, POSITION) {
            assert!(!std::mem::replace(&mut self.prepared, true), "prepared twice");
            self.reply(&prepared(self.style(), PREPARED, 0..0, &["x"; 3]));
            packet = self.peer.packet().await.1;
        }
        let execution = [&[0x17][..], &PREPARED.to_le_bytes(), &[0, 1, 0, 0, 0]].concat();
        assert_eq!(packet, if self.prepared { execution } else { query(POSITION) });
    }

    /// The primary says how far it is.
    async fn tells(&mut self, n: u32) {
        self.is_asked().await;
        self.values(&["", &to(n), "0"]);
    }

    /// The replica is asked to wait, and answers: 0 is there, 1 is not.
    async fn waits(&mut self, n: u32, answer: &str) {
        self.waits_for(&to(n), answer).await;
    }

    async fn waits_for(&mut self, set: &str, answer: &str) {
        self.expect_query(&wait_for(set)).await;
        self.values(&[answer]);
    }
}

struct Story {
    world: World,
    primary: Server,
    replica: Server,
    client: Client,
    /// The proxy's own connection to the primary.
    asked: Db,
    /// The session's connection to the replica.
    db1: Db,
}

fn strong() -> Settings {
    Settings { level: Level::Strong, ..Settings::default() }
}

/// All servers were seen at 5.
fn world(settings: Settings) -> World {
    let world = World::with(settings);
    for name in ["db-0", "db-1", "db-2"] {
        world.gets_to(name, &to(5));
    }
    world.primary("db-0");
    world.replica("db-1");
    world.replica("db-2");
    world
}

/// A primary and one replica, so that the choice is known; one strong read was answered there, at 5.
async fn story() -> Story {
    story_with(strong()).await
}

async fn story_with(settings: Settings) -> Story {
    let world = world(settings);
    world.down("db-2");
    let (primary, replica) = (world.server("db-0"), world.server("db-1"));
    let mut client = world.login(&login()).await;
    client.query(READ);
    let mut asked = primary.accept().await;
    assert_eq!(asked.user, "monitor");
    asked.tells(5).await;
    let mut db1 = replica.accept().await;
    db1.expect_read_only_set("").await;
    db1.answer_one(READ).await;
    client.expect(&one()).await;
    Story { world, primary, replica, client, asked, db1 }
}

impl Story {
    fn reads(&self, outcome: Fresh) -> u64 {
        self.world.context.metrics.fresh_reads.at(Level::Strong as usize, outcome).get()
    }

    fn questions(&self, question: Question) -> (u64, u64) {
        let m = &self.world.context.metrics;
        (m.questions[question].get(), m.asked[question].get())
    }

    async fn answers(&mut self) {
        self.db1.answer_one(READ).await;
        self.client.expect(&one()).await;
    }

    /// A probe found the replica here.
    fn replica_is_at(&self, n: u32) {
        self.world.gets_to("db-1", &to(n));
        self.world.replica("db-1");
    }

    /// The session's first statement on the primary is this read.
    async fn primary_answers(&mut self) -> Db {
        let mut db0 = self.primary.accept().await;
        db0.expect_set("").await;
        db0.answer_one(READ).await;
        self.client.expect(&one()).await;
        db0
    }

    /// The replica does not get to 6 in time.
    async fn behind(&mut self) -> (Db, Db) {
        self.client.query(READ);
        self.asked.tells(6).await;
        let mut waited = self.replica.accept().await;
        assert_eq!(waited.user, "monitor");
        waited.waits(6, "1").await;
        let db0 = self.primary_answers().await;
        (waited, db0)
    }
}

#[test]
fn a_query_without_a_table_asks_nothing() {
    play(async {
        let mut s = story().await;
        for sql in ["SELECT 1", "/* ping */ SELECT 1", "SELECT 'a' AS b"] {
            s.client.reads_on(&mut s.db1, sql).await;
        }
        s.asked.peer.expect_silence().await;
        let sql = "SELECT 1 UNION SELECT a FROM t";
        s.client.query(sql);
        s.asked.tells(5).await;
        s.db1.answer_one(sql).await;
        s.client.expect(&one()).await;
    });
}

#[test]
fn a_replica_that_is_known_to_be_there_answers_at_once() {
    play(async {
        let mut s = story().await;
        s.client.query(READ);
        s.db1.peer.expect_silence().await;
        s.asked.tells(5).await;
        s.answers().await;
        // Its probe told it.
        s.replica_is_at(9);
        s.client.query(READ);
        s.asked.tells(8).await;
        s.answers().await;
        assert_eq!((s.reads(Fresh::There), s.questions(Question::Wait)), (3, (0, 0)));
        s.replica.expect_nobody().await;
        s.client.quit();
        s.world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_replica_that_was_waited_for_is_known_to_be_there() {
    play(async {
        let mut s = story().await;
        s.client.query(READ);
        s.asked.tells(7).await;
        let mut waited = s.replica.accept().await;
        waited.expect_query(&wait(7)).await;
        s.db1.peer.expect_silence().await;
        waited.values(&["0"]);
        s.answers().await;
        s.client.query(READ);
        s.asked.tells(7).await;
        s.answers().await;
        assert_eq!((s.reads(Fresh::There), s.reads(Fresh::Waited)), (2, 1));
        waited.peer.expect_silence().await;
    });
}

#[test]
fn after_a_wait_in_vain_the_primary_answers_until_a_probe_finds_the_replica_there() {
    play(async {
        let mut s = story().await;
        let (mut waited, mut db0) = s.behind().await;
        s.client.query(READ);
        s.asked.tells(8).await;
        db0.answer_one(READ).await;
        s.client.expect(&one()).await;
        assert_eq!((s.reads(Fresh::Primary), s.questions(Question::Wait)), (2, (1, 1)));
        // It has what it was waited for, and perhaps what is asked for now.
        s.replica_is_at(6);
        s.client.query(READ);
        s.asked.tells(9).await;
        waited.waits(9, "0").await;
        s.answers().await;
        db0.peer.expect_silence().await;
    });
}

#[test]
fn a_replica_that_says_nothing_is_waited_for_no_longer_than_max_wait() {
    play(async {
        let mut s = story().await;
        s.client.query(READ);
        s.asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        waited.expect_query(&wait(6)).await;
        let began = tokio::time::Instant::now();
        s.primary_answers().await;
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(45) && took < Duration::from_millis(80), "{took:?}");
    });
}

#[test]
fn who_comes_while_a_question_is_under_way_shares_the_next() {
    play(async {
        let mut s = story().await;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(s.world.login(&login()).await);
        }
        s.client.query(READ);
        s.asked.is_asked().await;
        for client in &mut others {
            client.query(READ);
        }
        s.asked.peer.expect_silence().await;
        // Its answer is of before they came.
        s.asked.values(&["", &to(5), "0"]);
        s.answers().await;
        s.asked.is_asked().await;
        s.replica.expect_nobody().await;
        s.asked.values(&["", &to(6), "0"]);
        // One wait for all of them, too.
        let mut waited = s.replica.accept().await;
        waited.waits(6, "0").await;
        for client in &mut others {
            let mut db = s.replica.accept().await;
            db.expect_read_only_set("").await;
            db.answer_one(READ).await;
            client.expect(&one()).await;
        }
        assert_eq!((s.questions(Question::Position), s.questions(Question::Wait)), ((3, 5), (1, 3)));
        s.asked.peer.expect_silence().await;
    });
}

#[test]
fn an_answer_of_a_server_that_takes_no_writes_is_not_used() {
    play(async {
        let mut s = story().await;
        s.client.query(READ);
        s.asked.is_asked().await;
        s.asked.values(&["", &to(5), "1"]);
        s.db1.peer.expect_silence().await;
        assert!(s.world.outside.kicks.borrow().contains(&s.world.id("db-0")), "a probe will see it");
        s.world.read_only("db-0");
        s.world.down("db-0");
        let db2 = s.world.server("db-2");
        s.world.gets_to("db-2", &to(7));
        s.world.primary("db-2");
        let mut asked = db2.accept().await;
        asked.tells(7).await;
        let mut waited = s.replica.accept().await;
        waited.waits(7, "0").await;
        s.answers().await;
    });
}

#[test]
fn an_answer_of_a_server_that_is_the_primary_no_more_is_not_used() {
    play(async {
        let mut s = story().await;
        s.client.query(READ);
        s.asked.is_asked().await;
        s.world.read_only("db-0");
        let db2 = s.world.server("db-2");
        s.world.gets_to("db-2", &to(7));
        s.world.primary("db-2");
        s.asked.values(&["", &to(5), "0"]);
        let mut asked = db2.accept().await;
        s.db1.peer.expect_silence().await;
        asked.tells(7).await;
        // The former primary is read-only, and it or the other replica is waited for.
        s.world.down("db-0");
        let mut waited = s.replica.accept().await;
        waited.waits(7, "0").await;
        s.answers().await;
    });
}

#[test]
fn without_a_primary_it_waits_for_one_or_is_told() {
    play(async {
        let mut s = story().await;
        s.world.context.taps.open(1, Filter::default());
        s.world.down("db-0");
        s.client.query(READ);
        s.db1.peer.expect_silence().await;
        let db2 = s.world.server("db-2");
        s.world.primary("db-2");
        let mut asked = db2.accept().await;
        asked.tells(5).await;
        s.answers().await;
        s.world.down("db-2");
        let (began, kicks) = (tokio::time::Instant::now(), s.world.outside.kicks_all.get());
        s.client.query(READ);
        s.db1.peer.expect_silence().await;
        // Whatever probes tell meanwhile starts no more of them.
        (6..20).for_each(|n| s.replica_is_at(n));
        s.client.expect_err(1290, "HY000").await;
        assert!(began.elapsed() >= Duration::from_secs(30), "{:?}", began.elapsed());
        assert_eq!(s.world.outside.kicks_all.get(), kicks + 1);
        // The wait for a primary is not a wait for its position, too.
        let events = s.world.context.taps.take(1).unwrap().events;
        let [first, second] = [events[0].figures, events[1].figures];
        assert!(first.waits.hold > 0 && first.waits.sum() <= first.micros, "{first:?}");
        assert!(second.waits.hold > 29_000_000 && second.waits.sum() <= second.micros, "{second:?}");
    });
}

#[test]
fn a_transaction_that_reads_asks_as_it_begins() {
    play(async {
        let mut s = story().await;
        for n in [5, 6] {
            s.client.query(BEGIN);
            s.asked.tells(n).await;
            if n == 6 {
                // The one before is open, and this one sees more.
                let mut waited = s.replica.accept().await;
                waited.waits(6, "0").await;
            }
            s.db1.expect_query(BEGIN).await;
            s.db1.reply(&[ok_with(IN_READING)]);
            s.client.expect(&[ok_with(IN_READING)]).await;
            for _ in 0..2 {
                s.client.query(READ);
                let answer = result_set(MODERN, &["a"], &[row(&["1"])], IN_READING);
                s.db1.expect_query(READ).await;
                s.db1.reply(&answer);
                s.client.expect(&answer).await;
            }
        }
        s.asked.peer.expect_silence().await;
        // No replica has what the third must see.
        s.client.query(BEGIN);
        s.asked.tells(7).await;
        s.db1.peer.expect_silence().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        s.db1.answer_ok("ROLLBACK").await;
        let mut db0 = s.primary.accept().await;
        db0.expect_set("").await;
        db0.expect_query(BEGIN).await;
        db0.reply(&[ok_with(IN_READING)]);
        s.client.expect(&[ok_with(IN_READING)]).await;
    });
}

#[test]
fn reads_on_the_primary_are_bounded() {
    play(async {
        let mut s = story_with(Settings {
            change: |live| {
                live.limits.max_server_connections = std::num::NonZeroUsize::new(2).unwrap();
                live.consistency.primary_share = 50;
            },
            ..strong()
        })
        .await;
        let (_waited, mut db0) = s.behind().await;
        let mut second = s.world.login(&login()).await;
        for _ in 0..2 {
            s.client.query(READ);
            s.asked.tells(6).await;
            db0.expect_query(READ).await;
            second.query(READ);
            s.asked.tells(6).await;
            s.primary.expect_nobody().await;
            assert_eq!(s.world.context.metrics.waiting_for_replica.get(), 1);
            db0.reply(&one());
            s.client.expect(&one()).await;
            // The first is done, though its client stays.
            let mut db = tokio::select! {
                db = s.primary.accept() => db,
                () = db0.expect_query(READ) => {
                    db0.reply(&one());
                    second.expect(&one()).await;
                    continue;
                }
            };
            db.expect_set("").await;
            db.answer_one(READ).await;
            second.expect(&one()).await;
        }
        assert_eq!(s.world.context.metrics.waiting_for_replica.get(), 0);
        // Who never gets his turn is told.
        s.client.query(READ);
        s.asked.tells(6).await;
        db0.expect_query(READ).await;
        second.query(READ);
        s.asked.tells(6).await;
        let text = second.expect_err(1040, "08004").await;
        assert!(text.contains("primary_share"), "{text}");
        db0.reply(&one());
        s.client.expect(&one()).await;
    });
}

#[test]
fn who_is_killed_while_it_waits_leaves_nothing() {
    play(async {
        // While the primary is asked,
        let mut s = story().await;
        s.client.query(READ);
        s.asked.is_asked().await;
        s.world.kill_last();
        s.world.expect_nothing_left(1).await;
        // and while a replica is waited for.
        let mut client = s.world.login(&login()).await;
        client.query(READ);
        s.asked.values(&["", &to(5), "0"]);
        s.asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        waited.expect_query(&wait(6)).await;
        s.world.kill_last();
        s.world.expect_nothing_left(1).await;
        // Whose question nobody waits for is not asked.
        waited.values(&["0"]);
        waited.peer.expect_silence().await;
        s.asked.peer.expect_silence().await;
    });
}

#[test]
fn a_question_whose_connection_broke_is_asked_on_another() {
    play(async {
        let mut s = story().await;
        // As one that was idle for too long,
        s.asked.die();
        s.client.query(READ);
        s.asked = s.primary.accept().await;
        s.asked.tells(5).await;
        s.answers().await;
        // with MySQL's last word about that.
        let farewell = err(4031, "HY000", "The client was disconnected by the server because of inactivity.");
        s.asked.reply(&[farewell]);
        s.client.query(READ);
        s.asked = s.primary.accept().await;
        s.asked.tells(5).await;
        s.answers().await;
        // In the middle, too.
        s.client.query(READ);
        s.asked.is_asked().await;
        s.asked.die();
        s.asked = s.primary.accept().await;
        s.asked.tells(5).await;
        s.answers().await;
        assert!(s.world.outside.kicks.borrow().is_empty(), "nobody doubts the server");
    });
}

#[test]
fn mariadb_is_asked_in_its_own_words() {
    play(async {
        let world = World::with(Settings {
            level: Level::Strong,
            ..super::connection_phase::settings(Flavor::MariaDb, usize::MAX)
        });
        for name in ["db-0", "db-1"] {
            world.gets_to(name, "0-1-5,2-2-9");
        }
        world.primary("db-0");
        world.replica("db-1");
        world.down("db-2");
        let (primary, replica) = (world.server("db-0"), world.server("db-1"));
        let mut client = world.login(&login()).await;
        client.query(READ);
        let mut asked = primary.accept().await;
        asked
            .expect_query(
                "SELECT '', CONCAT_WS(',', NULLIF(@@global.gtid_binlog_pos, ''), \
                 NULLIF(@@global.gtid_current_pos, '')), CONCAT(@@global.read_only, '')",
            )
            .await;
        asked.values(&["", "0-1-7,0-1-6,2-2-9", "0"]);
        let mut waited = replica.accept().await;
        // Only what it is not known to have: its own writes never show in gtid_slave_pos, for which this waits.
        waited.expect_query("SELECT MASTER_GTID_WAIT('0-1-7', 0.050)").await;
        waited.values(&["0"]);
        let mut db1 = replica.accept().await;
        db1.expect_query(&super::server::SET_READ_ONLY.replace("transaction_read_only", "tx_read_only"))
            .await;
        db1.reply_ok();
        db1.answer_one(READ).await;
        client.expect(&one()).await;
    });
}
