//! The ids that servers give to rows of a transaction, where it is run again.

use super::*;

fn inserted(id: u8) -> Vec<u8> {
    vec![0, 1, id, 3, 0, 0, 0]
}

const LAST: &str = "SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1";
const CHILD: &str = "insert into u values (last_insert_id())";

/// A client that inserted a row in a transaction, which got the id 77, and one with that id, which got 40.
async fn parent_and_child(world: &World) -> Client {
    let (mut client, _, mut db) = attached(world, &Login::default()).await;
    both(&mut client, &mut db, "begin", &[ok_with(IN_TRANS)]).await;
    both(&mut client, &mut db, WRITE, &[inserted(77)]).await;
    both(&mut client, &mut db, CHILD, &[inserted(40)]).await;
    client
}

/// This INSERT gets another id first, is taken back, and run with the one that the client knows.
async fn corrected(db: &mut Db, sql: &str, id: u8, before: &str, leftover: &str) {
    again(db, LAST, &text(before)).await;
    db.answer_ok("SAVEPOINT `pointsman replay`").await;
    again(db, sql, &[inserted(5)]).await;
    db.answer_ok("ROLLBACK TO SAVEPOINT `pointsman replay`").await;
    db.answer_ok(&format!("SET insert_id = {id}, last_insert_id = {before}")).await;
    again(db, sql, &[inserted(id)]).await;
    again(db, "SELECT CAST(@@insert_id AS BINARY) LIMIT 1", &text(leftover)).await;
}

#[test]
fn an_insert_gets_the_id_that_the_client_knows() {
    play(async {
        let world = World::new();
        let mut client = parent_and_child(&world).await;
        let db1 = world.server("db-1");
        switch(&world);
        client.query("select last_insert_id()");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        engines(&mut db).await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        corrected(&mut db, WRITE, 77, "0", "0").await;
        // What the first try left there must not be in the row.
        corrected(&mut db, CHILD, 40, "77", "0").await;
        again(&mut db, "select last_insert_id()", &text("40")).await;
        client.expect(&text("40")).await;
    });
}

#[test]
fn an_id_that_was_not_used_is_not_the_next_inserts() {
    play(async {
        let world = World::new();
        let mut client = parent_and_child(&world).await;
        let db1 = world.server("db-1");
        switch(&world);
        client.query("commit");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        engines(&mut db).await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        corrected(&mut db, WRITE, 77, "0", "77").await;
        client.expect_err(1213, "40001").await;
        db.peer.expect_end().await;
    });
}

#[test]
fn an_id_of_before_the_transaction_is_not_made_up() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        both(&mut client, &mut db, WRITE, &[vec![0, 1, 77, 2, 0, 0, 0]]).await;
        both(&mut client, &mut db, "begin", &[ok_with(IN_TRANS)]).await;
        // An id that the client gave itself is in the answer, too.
        both(&mut client, &mut db, "insert into x values (100)", &[inserted(100)]).await;
        both(&mut client, &mut db, CHILD, &[changed()]).await;
        let db1 = world.server("db-1");
        switch(&world);
        client.query("commit");
        let mut db = db1.accept().await;
        db.expect_set("").await;
        engines(&mut db).await;
        again(&mut db, "begin", &[ok_with(IN_TRANS)]).await;
        again(&mut db, LAST, &text("0")).await;
        db.answer_ok("SAVEPOINT `pointsman replay`").await;
        again(&mut db, "insert into x values (100)", &[inserted(100)]).await;
        again(&mut db, LAST, &text("0")).await;
        client.expect_err(1213, "40001").await;
        db.peer.expect_end().await;
    });
}
