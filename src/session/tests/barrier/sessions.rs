//! Reads at `session`: where it could go back, and what it wrote itself.

use super::*;

#[test]
fn a_session_asks_where_it_could_go_back() {
    play(async {
        let mut s = {
            let world = world(Settings::default());
            world.down("db-2");
            let (primary, replica) = (world.server("db-0"), world.server("db-1"));
            let mut client = world.login(&login()).await;
            let mut db1 = client.reads_first_on_read_only(&replica, READ).await;
            // What it reads on the primary.
            let _db0 = client.reads_first_on(&primary, "select a from t for update").await;
            client.query(READ);
            let mut asked = primary.accept().await;
            asked.tells(5).await;
            db1.answer_one(READ).await;
            client.expect(&one()).await;
            Story { world, primary, replica, client, asked, db1 }
        };
        // On the same replica it cannot.
        for _ in 0..20 {
            s.client.query(READ);
            s.answers().await;
        }
        s.asked.peer.expect_silence().await;
        // Another replica may be behind the one of before.
        let db2 = s.world.server("db-2");
        s.world.replica("db-2");
        s.world.down("db-1");
        s.client.query(READ);
        s.asked.tells(6).await;
        let mut waited = db2.accept().await;
        waited.waits(6, "0").await;
        let mut db = db2.accept().await;
        db.expect_read_only_set("").await;
        db.answer_one(READ).await;
        s.client.expect(&one()).await;
    });
}

#[test]
fn a_session_waits_for_what_it_wrote_where_it_reads() {
    const WRITE: &str = "INSERT INTO t VALUES (1)";
    play(async {
        let world = world(Settings::default());
        world.down("db-2");
        let (primary, replica) = (world.server("db-0"), world.server("db-1"));
        let mut client = world.login(&login()).await;
        let writes = async |client: &mut Client, db: Option<Db>, n: u32| {
            client.query(WRITE);
            let mut db0 = match db {
                Some(db) => db,
                None => {
                    let mut db0 = primary.accept().await;
                    db0.expect_set("").await;
                    db0
                }
            };
            db0.expect_query(WRITE).await;
            db0.reply(&[ok_state(MODERN, AUTOCOMMIT, &gtids(&one_write(n)))]);
            client.peer.packet().await;
            db0
        };
        let db0 = writes(&mut client, None, 6).await;
        // It has read nothing yet: any replica that has the write.
        client.query(READ);
        let mut waited = replica.accept().await;
        assert_eq!(waited.user, "monitor");
        waited.waits_for(&one_write(6), "0").await;
        let mut db1 = replica.accept().await;
        db1.expect_read_only_set("").await;
        db1.answer_one(READ).await;
        client.expect(&one()).await;
        // What was waited for is known to be there.
        for _ in 0..3 {
            client.reads_on(&mut db1, READ).await;
        }
        let mut db0 = writes(&mut client, Some(db0), 7).await;
        client.query(READ);
        waited.expect_query(&wait_for(&format!("{}-7", one_write(6)))).await;
        db1.peer.expect_silence().await;
        waited.values(&["0"]);
        db1.answer_one(READ).await;
        client.expect(&one()).await;
        // In vain: now the primary is asked, and answers in the end.
        db0 = writes(&mut client, Some(db0), 8).await;
        client.query(READ);
        waited.waits_for(&format!("{}-8", one_write(6)), "1").await;
        let mut asked = primary.accept().await;
        assert_eq!(asked.user, "monitor");
        asked.tells(8).await;
        db0.answer_one(READ).await;
        client.expect(&one()).await;
        // A probe sees everything everywhere: there is nothing left to look for, but for what was read there.
        for name in ["db-1", "db-2"] {
            world.gets_to(name, &to(8));
        }
        world.replica("db-1");
        client.query(READ);
        asked.tells(8).await;
        db1.answer_one(READ).await;
        client.expect(&one()).await;
        client.reads_on(&mut db1, READ).await;
        waited.peer.expect_silence().await;
    });
}
