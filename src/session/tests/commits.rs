//! A COMMIT whose server dies before it answers, with `failover.commit = "looked_up"`: what the new
//! primary's binary log must show for which answer.

use std::time::Duration;

use super::commands::attached;
use super::*;
use crate::config::LostCommit;
use crate::terms::Disruption;

const WRITE: &str = "insert into t values (1)";
/// `uuid_of("db-0")`
const A: &str = "00000000-0000-0000-0000-000000000000";
const POSITION: &str = "SELECT @@global.gtid_executed, (SELECT COUNT(*) FROM \
    performance_schema.replication_connection_status WHERE SERVICE_STATE <> 'OFF' \
    OR NOT GTID_SUBSET(RECEIVED_TRANSACTION_SET, @@global.gtid_executed))";
const CHECKSUMS: &str = "SET @source_binlog_checksum = @@global.binlog_checksum, @master_binlog_checksum = @@global.binlog_checksum";

fn to(number: u64) -> String {
    format!("{A}:1-{number}")
}

/// An event of a binary log, without a checksum.
fn event(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 20];
    out[5] = kind;
    out.extend_from_slice(body);
    out
}

/// The transaction of this number, with these texts in it.
fn transaction(number: u64, texts: &[&str]) -> Vec<Vec<u8>> {
    let mut out = vec![event(33, &[&[0][..], &[0; 16], &number.to_le_bytes()].concat())];
    for text in [&["BEGIN"], texts].concat() {
        out.push(event(2, &[&[0; 14], text.as_bytes()].concat()));
    }
    out
}

struct Story {
    world: World,
    client: Client,
    db1: Server,
    /// The savepoint of the COMMIT that was answered, as GTID 6, and of the one that was not.
    first: String,
    second: String,
}

/// What the new primary says of itself.
struct Says<'a> {
    executed: u64,
    busy: &'a str,
    log: Vec<Vec<u8>>,
}

/// A COMMIT comes, with a savepoint in front of it in the same write.
async fn marked(client: &mut Client, db: &mut Db) -> String {
    client.query("begin");
    db.answer_in_transaction("begin").await;
    client.expect(&[ok_with(IN_TRANS)]).await;
    client.query(WRITE);
    db.answer_in_transaction(WRITE).await;
    client.expect(&[ok_with(IN_TRANS)]).await;
    client.query("commit");
    let (seq, payload) = db.peer.packet().await;
    assert_eq!((seq, payload[0]), (0, 3));
    let savepoint = String::from_utf8(payload[1..].to_vec()).unwrap();
    assert!(savepoint.starts_with("SAVEPOINT `pointsman "), "{savepoint}");
    db.expect_query("commit").await;
    db.reply(&[ok_with(IN_TRANS)]);
    savepoint
}

impl Db {
    async fn answer_in_transaction(&mut self, sql: &str) {
        self.expect_query(sql).await;
        self.reply(&[ok_with(IN_TRANS)]);
    }
}

/// The primary had the transactions up to 5 when a session commits 6, is told so, and commits another.
async fn story() -> Story {
    let world = World::with(Settings {
        change: |live| live.failover.commit = LostCommit::LookedUp,
        ..Settings::default()
    });
    for name in ["db-0", "db-1", "db-2"] {
        world.gets_to(name, &to(5));
    }
    world.primary("db-0");
    world.replica("db-1");
    world.replica("db-2");
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (mut client, _, mut db) = attached(&world, &Login::default()).await;
    let first = marked(&mut client, &mut db).await;
    db.reply(&[ok_state(MODERN, AUTOCOMMIT, &gtids(&format!("{A}:6")))]);
    client.peer.packet().await;
    let second = marked(&mut client, &mut db).await;
    assert_ne!(first, second, "each its own");
    // The answer to the savepoint is heard, and nothing else.
    tokio::time::sleep(Duration::from_millis(10)).await;
    db.die();
    world.down("db-0");
    let db1 = world.server("db-1");
    Story { world, client, db1, first, second }
}

impl Story {
    /// Both transactions, as the lost server wrote them.
    fn both(&self) -> Vec<Vec<u8>> {
        [transaction(6, &[&self.first]), transaction(7, &[&self.second])].concat()
    }

    /// The new primary is there, and is asked.
    async fn takes_over(&self, says: Says<'_>) {
        self.world.primary("db-1");
        self.world.replica_of("db-2", "db-1");
        self.is_asked(says).await;
    }

    async fn is_asked(&self, says: Says<'_>) {
        let mut db = self.db1.accept().await;
        assert_eq!(db.user, "monitor");
        db.expect_query(POSITION).await;
        let row = row(&[&to(says.executed), says.busy]);
        db.reply(&result_set(MODERN, &["gtid_executed", "busy"], &[row], AUTOCOMMIT));
        db.answer_ok(CHECKSUMS).await;
        let set = [
            &1u64.to_le_bytes()[..],
            &[0; 16],
            &1u64.to_le_bytes(),
            &1u64.to_le_bytes(),
            &6u64.to_le_bytes(),
        ];
        let set = set.concat();
        let head = [&[0x1e, 5, 0][..], &[0; 8], &4u64.to_le_bytes(), &48u32.to_le_bytes()].concat();
        db.expect([head, set].concat()).await;
        let mut answer = says.log;
        answer.push(vec![0xfe, 0, 0, 2, 0]);
        db.reply(&answer);
    }

    async fn ends_rolled_back(mut self) {
        self.client.expect_err(1213, "40001").await;
        assert_eq!(self.world.disrupted(Disruption::RolledBack), 1);
        self.goes_on().await;
    }

    async fn ends_unknown(mut self) {
        self.client.expect_err(1105, "08007").await;
        assert_eq!(self.world.disrupted(Disruption::OutcomeUnknown), 1);
        self.goes_on().await;
    }

    /// Without a transaction, behind an error.
    async fn goes_on(&mut self) {
        self.client.pings_behind_an_error().await;
    }
}

#[test]
fn found_it_is_answered_as_the_lost_server_would_have() {
    play(async {
        let mut s = story().await;
        // It is enough to be found, whatever else is not known.
        s.takes_over(Says { executed: 9, busy: "1", log: transaction(7, &[&s.second]) }).await;
        s.client.expect_ok().await;
        assert_eq!(s.world.disrupted(Disruption::Committed), 1);
        assert_eq!(s.world.disrupted_by_digest("COMMIT", Disruption::Committed), 1);
        assert_eq!(s.world.disrupted(Disruption::OutcomeUnknown), 0);
        let heard = s.world.context.acknowledged.borrow().of(s.world.context.topology.generation()).unwrap();
        assert_eq!(heard.to_string(), format!("{A}:7"), "the client was told of it");
        s.client.send(vec![0x0e]);
        s.client.expect_ok().await;
    });
}

#[test]
fn not_found_it_ends_rolled_back_where_all_is_seen() {
    play(async {
        let s = story().await;
        s.takes_over(Says { executed: 6, busy: "0", log: transaction(6, &[&s.first]) }).await;
        s.ends_rolled_back().await;
    });
}

#[test]
fn a_new_primary_that_still_receives_is_asked_again() {
    play(async {
        let s = story().await;
        s.takes_over(Says { executed: 6, busy: "1", log: transaction(6, &[&s.first]) }).await;
        s.is_asked(Says { executed: 6, busy: "0", log: transaction(6, &[&s.first]) }).await;
        s.ends_rolled_back().await;

        let mut s = story().await;
        s.takes_over(Says { executed: 6, busy: "1", log: transaction(6, &[&s.first]) }).await;
        s.is_asked(Says { executed: 7, busy: "0", log: s.both() }).await;
        s.client.expect_ok().await;
    });
}

#[test]
fn not_found_it_is_unknown_where_something_is_not_seen() {
    play(async {
        // A transaction that the log does not show.
        let s = story().await;
        s.takes_over(Says { executed: 7, busy: "0", log: transaction(6, &[&s.first]) }).await;
        s.ends_unknown().await;
        // One that cannot be read.
        for kind in [34, 40, 42] {
            let s = story().await;
            let log = [transaction(6, &[&s.first]), vec![event(kind, &[0; 60])]].concat();
            s.takes_over(Says { executed: 6, busy: "0", log }).await;
            s.ends_unknown().await;
        }
        // Marks do not come through, or the log has lost what was acknowledged.
        let s = story().await;
        s.takes_over(Says { executed: 6, busy: "0", log: transaction(6, &[]) }).await;
        s.ends_unknown().await;
        // A mark that ends in something else.
        let s = story().await;
        let strange = format!("{}\0\0\0\0", s.second);
        let log = [transaction(6, &[&s.first]), transaction(7, &[&strange])].concat();
        s.takes_over(Says { executed: 7, busy: "0", log }).await;
        s.ends_unknown().await;
        // Another server has more.
        let s = story().await;
        s.world.gets_to("db-2", &to(7));
        s.takes_over(Says { executed: 6, busy: "0", log: transaction(6, &[&s.first]) }).await;
        s.ends_unknown().await;
    });
}

#[test]
fn not_found_it_is_unknown_where_another_server_may_have_it() {
    play(async {
        for down in [true, false] {
            let s = story().await;
            s.world.primary("db-1");
            if down {
                s.world.down("db-2");
            } else {
                // It may have received more than it has applied.
                s.world.replica_of("db-2", "db-0");
            }
            s.is_asked(Says { executed: 6, busy: "0", log: transaction(6, &[&s.first]) }).await;
            s.ends_unknown().await;
        }
        // It follows in the end.
        let s = story().await;
        s.world.primary("db-1");
        s.world.replica_of("db-2", "db-0");
        s.is_asked(Says { executed: 6, busy: "0", log: transaction(6, &[&s.first]) }).await;
        s.world.replica_of("db-2", "db-1");
        s.ends_rolled_back().await;
    });
}

#[test]
fn the_lost_servers_pod_may_be_gone() {
    play(async {
        let s = story().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        s.world.configured(&["db-1", "db-2"]);
        s.takes_over(Says { executed: 6, busy: "0", log: transaction(6, &[&s.first]) }).await;
        s.ends_rolled_back().await;
    });
}

#[test]
fn a_refusal_is_unknown() {
    play(async {
        let s = story().await;
        s.world.primary("db-1");
        let mut db = s.db1.accept().await;
        db.expect_query(POSITION).await;
        db.reply(&[err(1142, "42000", "SELECT command denied")]);
        s.ends_unknown().await;
    });
}

#[test]
fn without_another_primary_it_is_unknown() {
    play(async {
        // Nobody within failover.hold.
        story().await.ends_unknown().await;
        // The same one: there it may still be at work.
        let s = story().await;
        s.world.primary("db-0");
        s.ends_unknown().await;
    });
}

#[test]
fn only_a_commit_of_what_was_written_is_marked() {
    play(async {
        let world = World::with(Settings {
            change: |live| live.failover.commit = LostCommit::LookedUp,
            ..Settings::default()
        });
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        for sql in [&["commit"][..], &["begin", "select 1", "commit"], &["begin", WRITE, "rollback"]] {
            for sql in sql {
                client.query(sql);
                db.expect_query(sql).await;
                let status = if ["commit", "rollback"].contains(sql) { AUTOCOMMIT } else { IN_TRANS };
                db.reply(&[ok_with(status)]);
                client.expect(&[ok_with(status)]).await;
            }
        }
        client.query("begin");
        db.answer_in_transaction("begin").await;
        client.expect(&[ok_with(IN_TRANS)]).await;
        client.query(WRITE);
        db.answer_in_transaction(WRITE).await;
        client.expect(&[ok_with(IN_TRANS)]).await;
        client.query("commit and chain");
        db.expect_query("commit and chain").await;
    });
}

#[test]
fn a_commit_that_begins_the_next_transaction_is_not_looked_up() {
    play(async {
        let world = World::with(Settings {
            change: |live| live.failover.commit = LostCommit::LookedUp,
            ..Settings::default()
        });
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let set = "set completion_type = 'CHAIN'";
        let answers = [
            (set, ok_state(MODERN, AUTOCOMMIT, &variable("completion_type", "CHAIN"))),
            ("begin", ok_with(IN_TRANS)),
            ("insert into t values (1)", ok_with(IN_TRANS)),
            // Nothing goes in front of it.
            ("commit", ok_with(IN_TRANS)),
        ];
        for (sql, answer) in answers {
            client.query(sql);
            db.expect_query(sql).await;
            db.reply(&[answer]);
            client.peer.packet().await;
        }
    });
}
