//! Reads that go to a replica beside the question, while nobody writes.

use super::*;

const OTHER: &str = "SELECT n FROM counts WHERE id = 3";

/// As `story`, and the primary has said the same so often that it is taken to be quiet.
async fn quiet() -> Story {
    let mut s = story().await;
    for _ in 0..8 {
        s.client.query(READ);
        s.asked.tells(5).await;
        s.answers().await;
    }
    s
}

/// An answer that nobody may see.
fn stale(db: &Db) -> Vec<Vec<u8>> {
    result_set(db.style(), &["a"], &[row(&["stale"])], AUTOCOMMIT)
}

impl Story {
    fn overtaken(&self) -> u64 {
        self.world.context.metrics.overtaken.get()
    }

    /// The replica has answered, and the primary is being asked.
    async fn is_ahead(&mut self) {
        self.client.query(READ);
        self.db1.expect_query(READ).await;
        let stale = stale(&self.db1);
        self.db1.reply(&stale);
        self.asked.is_asked().await;
        self.client.peer.expect_silence().await;
    }
}

#[test]
fn it_is_answered_once_the_primary_has_said_the_same() {
    play(async {
        let mut s = quiet().await;
        for n in 0..3 {
            s.client.query(READ);
            s.db1.answer_one(READ).await;
            s.client.peer.expect_silence().await;
            s.asked.tells(5).await;
            s.client.expect(&one()).await;
            assert_eq!((s.reads(Fresh::There), s.overtaken()), (10 + n, 0));
        }
        // Its probe told that it has more than the primary said: the same holds.
        s.replica_is_at(9);
        s.client.query(READ);
        s.asked.tells(5).await;
        s.answers().await;
        s.client.quit();
        s.world.expect_nothing_left(1).await;
    });
}

#[test]
fn the_answer_is_dropped_when_the_primary_has_moved() {
    play(async {
        let mut s = quiet().await;
        s.is_ahead().await;
        s.asked.values(&["", &to(6), "0"]);
        // It asks as others do now.
        s.asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        waited.expect_query(&wait(6)).await;
        s.client.peer.expect_silence().await;
        waited.values(&["0"]);
        s.answers().await;
        assert_eq!((s.overtaken(), s.reads(Fresh::There), s.reads(Fresh::Waited)), (1, 9, 1));
        // Until the primary is quiet again, no other does this.
        for _ in 0..7 {
            s.client.query(READ);
            s.db1.peer.expect_silence().await;
            s.asked.tells(6).await;
            s.answers().await;
        }
        s.client.query(READ);
        s.db1.answer_one(READ).await;
        s.asked.tells(6).await;
        s.client.expect(&one()).await;
        s.replica.expect_nobody().await;
    });
}

#[test]
fn the_answer_is_dropped_when_something_is_being_committed() {
    play(async {
        let mut s = quiet().await;
        s.is_ahead().await;
        s.asked.values(&["aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:6#23", &to(5), "0"]);
        s.asked.tells(5).await;
        s.answers().await;
        assert_eq!(s.overtaken(), 1);
    });
}

#[test]
fn the_answer_is_dropped_when_the_primary_is_gone() {
    play(async {
        let mut s = quiet().await;
        s.is_ahead().await;
        let db2 = s.world.server("db-2");
        s.world.gets_to("db-2", &to(6));
        s.world.read_only("db-0");
        s.world.down("db-0");
        s.world.primary("db-2");
        let mut asked = db2.accept().await;
        s.client.peer.expect_silence().await;
        asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        waited.waits(6, "0").await;
        s.answers().await;
        assert_eq!(s.overtaken(), 1);
    });
}

#[test]
fn an_answer_that_comes_late_is_dropped_too_and_a_large_one_with_its_connection() {
    play(async {
        let mut s = quiet().await;
        s.client.query(READ);
        s.db1.expect_query(READ).await;
        s.asked.tells(6).await;
        let late = stale(&s.db1);
        s.db1.reply(&late);
        s.asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        waited.waits(6, "0").await;
        s.answers().await;
        for _ in 0..8 {
            s.client.query(READ);
            s.asked.tells(6).await;
            s.answers().await;
        }
        s.client.query(READ);
        s.db1.expect_query(READ).await;
        s.asked.tells(7).await;
        let large = row(&[&"x".repeat(100_000)]);
        let rows = result_set(s.db1.style(), &["a"], &vec![large; 5], AUTOCOMMIT);
        s.db1.reply(&rows);
        s.db1.peer.hear_to_end().await;
        s.asked.tells(7).await;
        waited.waits(7, "0").await;
        let mut db1 = s.replica.accept().await;
        db1.expect_read_only_set("").await;
        db1.answer_one(READ).await;
        s.client.expect(&one()).await;
        assert_eq!(s.overtaken(), 2);
    });
}

#[test]
fn a_replica_that_breaks_meanwhile_is_replaced() {
    play(async {
        let mut s = quiet().await;
        s.client.query(READ);
        s.db1.expect_query(READ).await;
        s.db1.die();
        s.asked.tells(5).await;
        // What the primary said holds for the next try.
        let mut again = s.replica.accept().await;
        again.expect_read_only_set("").await;
        again.answer_one(READ).await;
        s.client.expect(&one()).await;
        s.asked.peer.expect_silence().await;
    });
}

/// Its server said goodbye when the read arrived: that is no answer, and nobody gets the connection after this.
#[test]
fn a_replica_that_says_goodbye_meanwhile_is_replaced() {
    play(async {
        let mut s = quiet().await;
        s.client.query(READ);
        s.db1.expect_query(READ).await;
        let farewell = err(4031, "HY000", "The client was disconnected by the server because of inactivity.");
        s.db1.peer.say(&frames(0, &[farewell]));
        s.asked.tells(5).await;
        s.db1.peer.expect_end().await;
        let mut again = s.replica.accept().await;
        again.expect_read_only_set("").await;
        again.answer_one(READ).await;
        s.client.expect(&one()).await;
    });
}

#[test]
fn a_client_that_leaves_leaves_nothing_behind() {
    play(async {
        let mut s = quiet().await;
        s.is_ahead().await;
        drop(s.client);
        s.asked.values(&["", &to(5), "0"]);
        s.db1.reply(&one());
        s.db1.peer.expect_end().await;
        s.world.expect_nothing_left(0).await;
    });
}

#[test]
fn what_is_not_a_plain_read_waits_for_the_position() {
    play(async {
        let mut s = quiet().await;
        s.client.send(command(0x16, "select a from t"));
        s.db1.peer.expect_silence().await;
        s.asked.tells(5).await;
        s.db1.expect(command(0x16, "select a from t")).await;
        s.db1.reply(&prepared(MODERN, 7, 0..0, &["a"]));
        for _ in 0..2 {
            s.client.peer.packet().await;
        }
        let execute = |flags: u8| [&[0x17, 1, 0, 0, 0, flags][..], &[1, 0, 0, 0]].concat();
        let executed = |flags: u8| [&[0x17, 7, 0, 0, 0, flags][..], &[1, 0, 0, 0]].concat();
        // An execute without a cursor goes ahead, one with a cursor does not.
        s.client.send(execute(0));
        s.db1.expect(executed(0)).await;
        s.asked.tells(5).await;
        s.db1.reply(&one());
        s.client.expect(&one()).await;
        s.client.send(execute(1));
        s.db1.peer.expect_silence().await;
        s.asked.tells(5).await;
        s.db1.expect(executed(1)).await;
        s.db1.reply(&one());
        s.client.expect(&one()).await;
        s.client.query(BEGIN);
        s.db1.peer.expect_silence().await;
        s.asked.tells(5).await;
        s.db1.expect_query(BEGIN).await;
        s.db1.reply(&[ok_with(IN_READING)]);
        s.client.expect(&[ok_with(IN_READING)]).await;
    });
}

#[test]
fn who_wrote_what_the_primary_did_not_say_yet_waits_for_the_position() {
    play(async {
        let mut s = quiet().await;
        let mut other = s.world.login(&login()).await;
        other.query("INSERT INTO t VALUES (1)");
        let mut db0 = s.primary.accept().await;
        db0.expect_set("").await;
        db0.expect_query("INSERT INTO t VALUES (1)").await;
        db0.reply(&[ok_state(MODERN, AUTOCOMMIT, &gtids("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:6"))]);
        other.peer.packet().await;
        other.query(OTHER);
        s.replica.expect_nobody().await;
        s.asked.tells(6).await;
        let mut waited = s.replica.accept().await;
        waited.waits(6, "0").await;
        let mut db1 = s.replica.accept().await;
        db1.expect_read_only_set("").await;
        db1.answer_one(OTHER).await;
        other.expect(&one()).await;
        assert_eq!(s.overtaken(), 0);
    });
}
