//! A replica that reports about the session what the statement does not explain: the client's read is answered by
//! another server, and nothing of the report reaches the primary.

use super::split::{READ, Story, WRITE, loose};
use super::*;
use crate::terms::FalseReport;

/// OK instead of EOF, and NO_BACKSLASH_ESCAPES with autocommit.
const ESCAPES: u16 = 0x0202;

fn refused(world: &World, what: FalseReport) -> u64 {
    world.context.metrics.false_reports[what].get()
}

/// A read whose answer ends so is answered by the primary, and the write behind it comes alone, as the client said it.
async fn is_refused(end: Vec<u8>, what: FalseReport) {
    let Story { world, mut client, mut db0, mut db1, replica, .. } = loose().await;
    client.query(READ);
    db1.expect_query(READ).await;
    let mut answer = head_and_rows(MODERN, &["a"], &[row(&["1"])]);
    answer.push(end);
    db1.reply(&answer);
    db1.peer.expect_end().await;
    db0.answer_one(READ).await;
    client.expect(&one()).await;
    client.runs_on(&mut db0, WRITE).await;
    assert_eq!(refused(&world, what), 1, "{what:?}");
    // The next read goes to a replica again, with nothing of the report.
    let _db1 = client.reads_first_on_read_only(&replica, READ).await;
}

#[test]
fn a_name_with_sql_in_it() {
    play(async {
        let name = "sort_buffer_size=262144,@x=(select 1),sort_buffer_size";
        is_refused(end_state(AUTOCOMMIT, &variable(name, "262144")), FalseReport::Variable).await;
        is_refused(end_state(AUTOCOMMIT, &variable("sort_buffer_size", "1")), FalseReport::Variable).await;
    });
}

#[test]
fn the_flag_for_no_backslash_escapes() {
    play(async {
        is_refused(end_state(ESCAPES, &[]), FalseReport::Flag).await;
        is_refused(end_state(ESCAPES, &variable("sql_mode", "NO_BACKSLASH_ESCAPES")), FalseReport::Flag)
            .await;
    });
}

#[test]
fn autocommit_taken_away() {
    play(async {
        is_refused(end_state(0, &[]), FalseReport::Flag).await;
        is_refused(end_state(IN_TRANS, &[]), FalseReport::Transaction).await;
    });
}

#[test]
fn another_schema() {
    play(async {
        is_refused(end_state(AUTOCOMMIT, &schema("other")), FalseReport::Schema).await;
        is_refused(
            end_state(AUTOCOMMIT, &gtids("00000000-0000-0000-0000-000000000000:1-9")),
            FalseReport::Gtid,
        )
        .await;
    });
}

#[test]
fn a_false_report_behind_rows_that_the_client_has() {
    play(async {
        let Story { mut client, mut db0, mut db1, .. } = loose().await;
        client.hears_from(&mut db1, READ, &head_and_rows(MODERN, &["a"], &[row(&["1"])])).await;
        db1.peer.say(&frames(4, &[end_state(ESCAPES, &[])]));
        db1.peer.expect_end().await;
        let text = client.expect_err_at(4, 1105, "08S01").await;
        assert!(!text.is_empty());
        client.runs_on(&mut db0, WRITE).await;
    });
}

#[test]
fn a_false_number_of_parameters() {
    play(async {
        let Story { world, mut client, mut db0, mut db1, .. } = loose().await;
        let text = command(0x16, "select a from t where a = ? /* ? */");
        client.send(text.clone());
        db1.expect(&text).await;
        db1.reply(&prepared(MODERN, 1, 0..2, &["a"]));
        db1.peer.expect_end().await;
        db0.expect(&text).await;
        db0.reply(&prepared(MODERN, 1, 0..1, &["a"]));
        client.expect(&prepared(MODERN, 1, 0..1, &["a"])).await;
        assert_eq!(refused(&world, FalseReport::Parameters), 1);
    });
}

#[test]
fn a_replica_that_breaks_the_protocol_costs_no_session() {
    play(async {
        let Story { mut client, mut db0, mut db1, .. } = loose().await;
        client.query(READ);
        db1.expect_query(READ).await;
        db1.peer.say(&frames(9, &one()));
        db1.peer.expect_end().await;
        db0.answer_one(READ).await;
        client.expect(&one()).await;
    });
}

/// The next statement would take it for its own answer.
#[test]
fn what_comes_behind_a_whole_answer() {
    play(async {
        let Story { world, mut client, db0, mut db1, replica, .. } = loose().await;
        client.query(READ);
        db1.expect_query(READ).await;
        let mut answer = one();
        answer.push(ok());
        db1.reply(&answer);
        client.expect(&one()).await;
        db1.peer.expect_end().await;
        assert_eq!(refused(&world, FalseReport::Unreadable), 1);
        let _db1 = client.reads_first_on_read_only(&replica, READ).await;
        drop(db0);
    });
}

/// The statement behind the loss would have moved the transaction to the primary. The client is told of the loss, so the
/// transaction must not go on there.
#[test]
fn a_transaction_that_was_lost_with_its_replica_does_not_begin_again() {
    play(async {
        const BEGIN: &str = "start transaction read only";
        const SET: &str = "set lc_time_names = 'de_DE'";
        let Story { mut client, mut db0, mut db1, .. } = loose().await;
        client.query(BEGIN);
        db1.expect_query(BEGIN).await;
        let begun = ok_with(AUTOCOMMIT | IN_TRANS);
        db1.reply(std::slice::from_ref(&begun));
        client.expect(&[begun]).await;
        client.query(SET);
        db1.die();
        client.expect_err(1213, "40001").await;
        client.runs_on(&mut db0, WRITE).await;
    });
}
