//! Fresh reads where the session holds something, where a try fails, on replica ports, during maintenance.

use super::*;
use crate::config::Fallback;
use crate::topology::Maintenance;

#[test]
fn what_is_prepared_is_there() {
    play(async {
        let mut s = story().await;
        s.client.send(command(0x16, "select a from new"));
        s.db1.peer.expect_silence().await;
        s.asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        // Or a replica would not know the table.
        waited.waits(6, "0").await;
        s.db1.expect(command(0x16, "select a from new")).await;
        s.db1.reply(&prepared(MODERN, 1, 0..0, &["a"]));
        s.client.peer.packet().await;
        s.client.peer.packet().await;
        // COM_FIELD_LIST
        s.client.send(command(4, "new\0"));
        s.asked.tells(6).await;
        s.db1.expect(command(4, "new\0")).await;
    });
}

#[test]
fn what_keeps_a_connection_there_does_not_make_a_read_stale() {
    play(async {
        let mut s = story().await;
        s.client.send(command(0x16, "select a from t where b = ?"));
        s.asked.tells(5).await;
        s.db1.expect(command(0x16, "select a from t where b = ?")).await;
        s.db1.reply(&prepared(MODERN, 7, 0..1, &["a"]));
        for _ in 0..3 {
            s.client.peer.packet().await;
        }
        s.client.query(BEGIN);
        s.asked.tells(5).await;
        s.db1.expect_query(BEGIN).await;
        s.db1.reply(&[ok_with(IN_READING)]);
        s.client.expect(&[ok_with(IN_READING)]).await;
        // COM_STMT_SEND_LONG_DATA: its execute is bound to the replica.
        let long = |id: u32| [&[0x18][..], &id.to_le_bytes(), &[0, 0], b"x"].concat();
        s.client.send(long(1));
        s.db1.expect(long(7)).await;
        s.client.runs_on(&mut s.db1, "commit").await;
        let (mut waited, mut db0) = s.behind().await;
        s.client.query(READ);
        s.asked.tells(6).await;
        db0.answer_one(READ).await;
        s.client.expect(&one()).await;
        let execute =
            |id: u32| [&[0x17][..], &id.to_le_bytes(), &[0], &1u32.to_le_bytes(), &[0, 1, 253, 0]].concat();
        s.client.send(execute(1));
        s.asked.tells(6).await;
        waited.waits(6, "1").await;
        s.db1.peer.expect_silence().await;
        waited.waits(6, "0").await;
        s.db1.expect(execute(7)).await;
        s.db1.reply(&one());
        s.client.expect(&one()).await;
    });
}

#[test]
fn diagnostics_do_not_keep_a_read_from_another_replica() {
    play(async {
        let mut s = story().await;
        s.client.query(READ);
        s.asked.tells(5).await;
        s.db1.expect_query(READ).await;
        let mut warned = one();
        let last = warned.len() - 1;
        warned[last][5] = 1;
        s.db1.reply(&warned);
        s.client.expect(&warned).await;
        let db2 = s.world.server("db-2");
        s.world.gets_to("db-2", &to(6));
        s.world.replica("db-2");
        s.client.query(READ);
        s.asked.tells(6).await;
        let mut db = db2.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(READ).await;
        s.client.expect(&one()).await;
        s.client.quit();
        s.world.expect_nothing_left(2).await;
    });
}

#[test]
fn while_the_primary_is_read_only_on_purpose_its_last_position_counts() {
    play(async {
        let mut s = story().await;
        s.world.maintenance(Maintenance { read_only: true, ..Maintenance::default() });
        s.world.gets_to("db-0", &to(7));
        s.world.read_only("db-0");
        s.client.query(READ);
        // It has all there is.
        let mut db0 = s.primary.accept().await;
        db0.expect_read_only_set("").await;
        db0.answer_one(READ).await;
        s.client.expect(&one()).await;
        s.asked.peer.expect_silence().await;
        s.db1.peer.expect_silence().await;
    });
}

#[test]
fn a_wait_in_vain_is_forgotten_after_a_while_or_with_the_roles() {
    play(async {
        let mut s = story().await;
        let (mut waited, mut db0) = s.behind().await;
        for late in [false, true] {
            s.client.query(READ);
            s.asked.tells(6).await;
            db0.answer_one(READ).await;
            s.client.expect(&one()).await;
            match late {
                true => tokio::time::sleep(Duration::from_secs(10)).await,
                false => {
                    s.world.replica("db-2");
                    s.world.down("db-2");
                }
            }
            s.client.query(READ);
            s.asked.tells(6).await;
            waited.waits(6, "1").await;
            db0.answer_one(READ).await;
            s.client.expect(&one()).await;
        }
    });
}

/// As long as semi-synchronous replication waits for replicas that are yet to follow a new primary.
#[test]
fn what_is_being_committed_is_waited_for_once() {
    const COMMITTING: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:6#23";
    play(async {
        let mut s = story().await;
        let began = tokio::time::Instant::now();
        s.client.query(READ);
        s.asked.is_asked().await;
        s.asked.values(&[COMMITTING, &to(5), "0"]);
        // The replica says nothing.
        let mut waited = s.replica.accept().await;
        waited.expect_query(&wait(6)).await;
        let mut db0 = s.primary_answers().await;
        let took = began.elapsed();
        assert!(took < Duration::from_millis(80), "{took:?}");
        // Who does not wait for a replica gives the primary the time.
        s.client.query(READ);
        s.asked.is_asked().await;
        s.asked.values(&[COMMITTING, &to(5), "0"]);
        let mut committing = s.primary.accept().await;
        assert_eq!(committing.user, "monitor");
        db0.peer.expect_silence().await;
        committing.waits(6, "0").await;
        db0.answer_one(READ).await;
        s.client.expect(&one()).await;
    });
}

#[test]
fn another_try_of_a_read_is_as_fresh() {
    play(async {
        let world = world(strong());
        let (primary, db1, db2) = (world.server("db-0"), world.server("db-1"), world.server("db-2"));
        world.gets_to("db-1", &to(6));
        world.replica("db-1");
        let mut client = world.login(&login()).await;
        client.query(READ);
        let mut asked = primary.accept().await;
        asked.tells(6).await;
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query(READ).await;
        db.die();
        world.down("db-1");
        // The other one lacks a write, and the primary is committing the next one by now.
        asked.is_asked().await;
        asked.values(&["aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:7#23", &to(6), "0"]);
        let mut shows = primary.accept().await;
        assert_eq!(shows.user, "monitor");
        shows.expect_query(&wait(7)).await;
        primary.expect_nobody().await;
        shows.values(&["0"]);
        let mut db0 = primary.accept().await;
        db0.expect_set("").await;
        db0.answer_one(READ).await;
        client.expect(&one()).await;
        db2.expect_nobody().await;
    });
}

/// A strong read where reads are not, unless they say so.
const STRONG: &str = "/* pointsman: consistency=strong */ select a from t";

/// A session of a replica port that has read from db-1 or db-2, whoever serves; both were seen at 5.
async fn at_replica_port(settings: Settings, down: &str) -> (World, Server, Server, Client, Db) {
    let world = world(settings);
    world.down(down);
    let other = if down == "db-1" { "db-2" } else { "db-1" };
    let (primary, replica) = (world.server("db-0"), world.server(other));
    let mut client = world.login(&Login { port: Port::Replica, ..Login::default() }).await;
    let db = client.reads_first_on_read_only(&replica, READ).await;
    (world, primary, replica, client, db)
}

#[test]
fn a_replica_port_falls_back_to_the_primary_for_one_read() {
    play(async {
        let (_world, primary, replica, mut client, mut db1) = at_replica_port(strong(), "db-2").await;
        client.query(STRONG);
        let mut asked = primary.accept().await;
        asked.tells(6).await;
        let mut waited = replica.accept().await;
        waited.waits(6, "1").await;
        let mut db0 = primary.accept().await;
        db0.expect_read_only_set("").await;
        db0.answer_one(STRONG).await;
        client.expect(&one()).await;
        // The next one does not stay there.
        client.reads_on(&mut db1, READ).await;
    });
}

#[test]
fn a_replica_port_without_a_fallback_says_that_no_replica_is_there() {
    play(async {
        let alone = Settings { change: |live| live.replicas.fallback = Fallback::None, ..strong() };
        let (_world, primary, replica, mut client, mut db1) = at_replica_port(alone, "db-2").await;
        client.query(STRONG);
        let mut asked = primary.accept().await;
        asked.tells(6).await;
        let mut waited = replica.accept().await;
        waited.waits(6, "1").await;
        client.expect_err(1105, "HY000").await;
        client.reads_on(&mut db1, READ).await;
        primary.expect_nobody().await;
    });
}

#[test]
fn a_replica_port_waits_where_the_session_holds_something() {
    play(async {
        let (_world, primary, replica, mut client, mut db1) = at_replica_port(strong(), "db-2").await;
        client.reads_on(&mut db1, "select get_lock('a', 1)").await;
        client.query(STRONG);
        let mut asked = primary.accept().await;
        asked.tells(6).await;
        let mut waited = replica.accept().await;
        waited.waits(6, "1").await;
        waited.expect_query(&wait(6)).await;
        db1.peer.expect_silence().await;
        waited.values(&["0"]);
        db1.answer_one(STRONG).await;
        client.expect(&one()).await;
        // For no longer than queue_timeout.
        client.query(STRONG);
        asked.tells(7).await;
        let began = tokio::time::Instant::now();
        let told = async {
            loop {
                waited.waits(7, "1").await;
            }
        };
        tokio::select! {
            () = told => {}
            text = client.expect_err(1040, "08004") => assert!(text.contains("fresh"), "{text}"),
        }
        assert!(began.elapsed() < Duration::from_secs(11), "{:?}", began.elapsed());
    });
}

#[test]
fn another_try_on_a_replica_port_is_as_fresh() {
    play(async {
        let (world, primary, _replica, mut client, mut db2) = at_replica_port(strong(), "db-1").await;
        let db1 = world.server("db-1");
        world.gets_to("db-1", &to(6));
        world.replica("db-1");
        client.query(STRONG);
        let mut asked = primary.accept().await;
        asked.tells(6).await;
        let mut db = db1.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query(STRONG).await;
        db.die();
        world.down("db-1");
        // The session has a connection to the other, which lacks a write.
        let mut db0 = primary.accept().await;
        db0.expect_read_only_set("").await;
        db0.answer_one(STRONG).await;
        client.expect(&one()).await;
        db2.peer.expect_silence().await;
    });
}
