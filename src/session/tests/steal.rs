//! Many sessions over few server connections: one that is parked is taken by whoever needs
//! it, with the difference in front; one that is pinned is waited for, in order.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::commands::attached;
use super::*;
use crate::terms::Close;
use crate::wire::Capabilities;

/// One server connection.
pub fn one_only() -> World {
    let change = |live: &mut crate::config::Live| live.limits.max_server_connections = NonZeroUsize::MIN;
    World::with(Settings { change, ..Settings::default() })
}

/// A statement that is answered by OK with these session state changes.
pub async fn tell(client: &mut Client, db: &mut Db, sql: &str, state: &[u8]) {
    client.query(sql);
    db.expect_query(sql).await;
    db.reply(&[ok_state(MODERN, AUTOCOMMIT, state)]);
    client.peer.packet().await;
}

pub async fn read(client: &mut Client, db: &mut Db, sql: &str) {
    client.reads_on(db, sql).await;
}

fn inserted(id: u8) -> Vec<u8> {
    vec![0, 1, id, 2, 0, 0, 0]
}

#[test]
fn two_sessions_over_one_connection_bring_only_the_difference() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        tell(&mut first, &mut db, "use shop", &schema("shop")).await;
        tell(&mut first, &mut db, "set sql_mode = 'ANSI'", &variable("sql_mode", "ANSI")).await;
        tell(&mut first, &mut db, "set @a = 1, @b = 'x'", &something()).await;
        let login = Login { schema: Some("shop"), ..Login::default() };
        let (mut second, ()) = tokio::join!(world.login(&login), async {
            // Variables of the user's can only be taken away by a reset.
            db.expect_reset().await;
            db.expect_set("").await;
            db.expect_init_db("shop").await;
        });
        read(&mut second, &mut db, "select a from t").await;
        assert_eq!(world.context.metrics.steals.get(), 1);
        let replays = || world.context.metrics.replays.get();
        let before = replays();
        // The first comes back: its own again, in the same write as its read's.
        first.query("insert into t values (@a)");
        db.expect_query("SET sql_mode='ANSI'").await;
        db.expect_query("SET @`a`=1,@`b`='x'").await;
        // A server could refuse a mode: the write waits for its word.
        db.peer.expect_silence().await;
        db.reply_ok();
        db.reply_ok();
        db.answer_ok("insert into t values (@a)").await;
        first.expect_ok().await;
        assert_eq!(replays(), before + 1);
        // As long as nobody else comes, nothing goes in front.
        read(&mut first, &mut db, "select @a").await;
        db0.expect_nobody().await;
        first.quit();
        second.quit();
        db.expect_silence().await;
        world.expect_nothing_left(1).await;
    });
}

/// `sql_mode = DEFAULT` would forget what the flags of the login added to the mode, and `wait_timeout = DEFAULT` is not what a login
/// with CLIENT_INTERACTIVE begins with.
#[test]
fn a_session_begins_with_what_the_flags_of_its_login_set() {
    for (flag, name, begins_with) in [
        (
            Capabilities::IGNORE_SPACE,
            "sql_mode",
            "CONCAT_WS(',',NULLIF(@@global.sql_mode,''),'IGNORE_SPACE')",
        ),
        (Capabilities::INTERACTIVE, "wait_timeout", "@@global.interactive_timeout"),
        (Capabilities::empty(), "sql_mode", "DEFAULT"),
    ] {
        play(async {
            let world = one_only();
            let login = Login { capabilities: Login::default().capabilities | flag, ..Login::default() };
            let (mut first, _db0, mut db) = attached(&world, &login).await;
            tell(&mut first, &mut db, &format!("set {name} = '7'"), &variable(name, "7")).await;
            let mut second = world.login(&login).await;
            second.query("select a from t");
            db.expect_query(&format!("SET {name}={begins_with}")).await;
            db.reply_ok();
            db.answer_one("select a from t").await;
            second.expect(&one()).await;
        });
    }
}

#[test]
fn an_insert_id_is_asked_for_before_another_session_gets_the_connection() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        first.hears_from(&mut db, "insert into t values ()", &[inserted(7)]).await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.expect_query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
        // The id in the OK packet is not always what LAST_INSERT_ID() says.
        db.reply(&result_set(MODERN, &["LAST_INSERT_ID()"], &[row(&["5"])], AUTOCOMMIT));
        db.expect_query("SET last_insert_id=0").await;
        db.answer_ok("select a from t").await;
        db.reply(&one());
        second.expect(&one()).await;
        first.query("select last_insert_id()");
        db.answer_ok("SET last_insert_id=5").await;
        db.answer_one("select last_insert_id()").await;
        first.expect(&one()).await;
        db0.expect_nobody().await;
        first.quit();
        second.quit();
        world.expect_nothing_left(1).await;
    });
}

/// No other session gets that connection: somebody set a global variable while it inserted.
#[test]
fn an_insert_id_is_asked_for_before_a_connection_of_before_a_renewal_is_closed() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        first.query("insert into t values ()");
        db.expect_query("insert into t values ()").await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.peer.expect_silence().await;
        world.context.pool.renew(None);
        db.reply(&[inserted(7)]);
        first.expect(&[inserted(7)]).await;
        db.expect_query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
        db.reply(&result_set(MODERN, &["LAST_INSERT_ID()"], &[row(&["5"])], AUTOCOMMIT));
        let mut new = db0.accept().await;
        db.peer.expect_end().await;
        new.expect_set("").await;
        read_on(&mut second, &mut new, "select a from t").await;
        first.query("select last_insert_id()");
        new.answer_ok("SET last_insert_id=5").await;
        read_on(&mut first, &mut new, "select last_insert_id()").await;
        first.quit();
        second.quit();
        world.expect_nothing_left(1).await;
    });
}

/// Answers a statement that the client has sent.
async fn read_on(client: &mut Client, db: &mut Db, sql: &str) {
    db.answer_one(sql).await;
    client.expect(&one()).await;
}

/// Sessions with the same state share it, but an insert id is no part of that: a connection of another session does not
/// serve as if it were one's own.
#[test]
fn an_insert_id_that_is_being_asked_for_is_waited_for_on_a_connection_in_the_same_state() {
    play(async {
        let change = |live: &mut crate::config::Live| {
            live.limits.max_server_connections = NonZeroUsize::new(2).unwrap();
        };
        let world = World::with(Settings { change, ..Settings::default() });
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        first.hears_from(&mut db, "insert into t values ()", &[inserted(7)]).await;
        let mut third = world.client().await;
        third.query("begin");
        let mut other = db0.accept().await;
        other.expect_set("").await;
        other.expect_query("begin").await;
        other.reply(&[ok_with(0x2003)]);
        third.peer.packet().await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.expect_query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
        third.runs_on(&mut other, "commit").await;
        third.quit();
        first.query("update t set a = 1");
        other.expect_silence().await;
        db.reply(&result_set(MODERN, &["LAST_INSERT_ID()"], &[row(&["5"])], AUTOCOMMIT));
        db.expect_query("SET last_insert_id=0").await;
        db.answer_ok("select a from t").await;
        db.reply(&one());
        second.expect(&one()).await;
        other.answer_ok("SET last_insert_id=5").await;
        other.answer_ok("update t set a = 1").await;
        first.expect_ok().await;
    });
}

/// Who wanted the connection ends while it is asked: its former session is told all the same.
#[test]
fn an_insert_id_is_not_lost_with_who_asked_for_it() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        first.hears_from(&mut db, "insert into t values ()", &[inserted(7)]).await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.expect_query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
        world.kill_last();
        tokio::time::sleep(Duration::from_millis(10)).await;
        db.reply(&result_set(MODERN, &["LAST_INSERT_ID()"], &[row(&["5"])], AUTOCOMMIT));
        db.peer.expect_end().await;
        first.query("select last_insert_id()");
        let mut db = db0.accept().await;
        db.expect_set(",last_insert_id=5").await;
        db.answer_one("select last_insert_id()").await;
        first.expect(&one()).await;
    });
}

#[test]
fn an_insert_id_that_nobody_will_ask_for_is_not_asked_for() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        first.hears_from(&mut db, "insert into t values ()", &[inserted(7)]).await;
        first.quit();
        db.expect_silence().await;
        let mut second = world.client().await;
        second.reads_on(&mut db, "select last_insert_id()").await;
        db0.expect_nobody().await;
    });
}

#[test]
fn a_connection_that_dies_when_it_is_asked_for_its_insert_id_costs_only_that() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        first.hears_from(&mut db, "insert into t values ()", &[inserted(7)]).await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.expect_query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
        db.die();
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.answer_one("select a from t").await;
        second.expect(&one()).await;
        read(&mut first, &mut db, "select a from t").await;
        // The session's own value is gone, and any other would be wrong.
        first.query("select last_insert_id()");
        first.expect_err(1053, "08S01").await;
        first.peer.expect_end().await;
        second.quit();
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn what_the_last_statement_did_is_forgotten_once_and_kept_from_then_on() {
    play(async {
        {
            let sql = "select found_rows()";
            let world = one_only();
            let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
            let mut second = world.client().await;
            read(&mut second, &mut db, "select a from t").await;
            first.query(sql);
            let text = first.expect_err(1105, "HY000").await;
            assert!(text.contains("keeps its connection from now on"), "{text}");
            read(&mut first, &mut db, "select b from t").await;
            second.query("select c from t");
            db.peer.expect_silence().await;
            db0.expect_nobody().await;
            first.reads_on(&mut db, sql).await;
            first.quit();
            db.expect_reset().await;
            db.expect_set("").await;
            db.answer_one("select c from t").await;
            second.expect(&one()).await;
        }
    });
}

#[test]
fn a_statement_that_never_ran_does_not_make_another_sessions_count_its_own() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        read(&mut first, &mut db, "select a from t limit 1").await;
        let mut second = world.client().await;
        read(&mut second, &mut db, "select b from t").await;
        // FOUND_ROWS() is about the read in front of it, here as on a server.
        first.query("select a from no_such");
        db.expect_query("select a from no_such").await;
        db.reply(&[err(1146, "42S02", "Table 'no_such' doesn't exist")]);
        first.expect_err(1146, "42S02").await;
        first.query("select found_rows()");
        let text = first.expect_err(1105, "HY000").await;
        assert!(text.contains("is not known any more"), "{text}");
    });
}

#[test]
fn the_rows_of_a_query_are_the_sessions_to_know() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        read(&mut first, &mut db, "select a from t").await;
        let mut second = world.client().await;
        read(&mut second, &mut db, "select b from t").await;
        first.query("select Found_rows()");
        let [_, column] = [first.peer.packet().await, first.peer.packet().await];
        assert!(column.1.windows(12).any(|part| part == b"Found_rows()"));
        db.peer.expect_silence().await;
    });
}

#[test]
fn the_row_count_is_the_sessions_to_know() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        let changed = vec![0, 7, 0, 2, 0, 0, 0];
        first.query("update t set a = 1");
        db.expect_query("update t set a = 1").await;
        db.reply(std::slice::from_ref(&changed));
        first.expect(&[changed]).await;
        let mut second = world.client().await;
        read(&mut second, &mut db, "select a from t").await;
        for answer in ["7", "-1"] {
            first.query("SELECT ROW_COUNT() ;");
            let packets = [first.peer.packet().await, first.peer.packet().await, first.peer.packet().await];
            assert!(packets[1].1.windows(11).any(|part| part == b"ROW_COUNT()"));
            // NOT_NULL and BINARY, as servers have it; no decimals, and two bytes of filler.
            assert!(packets[1].1.ends_with(&[0x81, 0, 0, 0, 0]));
            let (eof, row) = (first.peer.packet().await, &packets[2]);
            let row = if row.1.first() == Some(&0xfe) { &eof } else { row };
            assert_eq!(row.1[1..], *answer.as_bytes());
            if row.0 == eof.0 {
                first.peer.packet().await;
            }
            db.peer.expect_silence().await;
        }
    });
}

#[test]
fn a_kill_on_its_way_meets_no_other_session() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        first.query("select sleep(100)");
        db.expect_query("select sleep(100)").await;
        let mut killer = world.client().await;
        killer.query(&format!("kill query {}", first.greeting.connection_id));
        let mut kills = db0.accept().await;
        kills.expect_query(&format!("KILL QUERY {}", db.thread_id)).await;
        // The statement ends by itself before the KILL has its answer.
        db.reply(&one());
        first.expect(&one()).await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.peer.expect_silence().await;
        kills.reply_ok();
        killer.expect_ok().await;
        read(&mut first, &mut db, "select b from t").await;
        db.answer_one("select a from t").await;
        second.expect(&one()).await;
    });
}

#[test]
fn unread_warnings_keep_the_connection_until_the_next_statement() {
    play(async {
        let world = one_only();
        let (mut first, _, mut db) = attached(&world, &Login::default()).await;
        let warned = vec![0, 0, 0, 2, 0, 1, 0];
        first.query("insert into t values ('long')");
        db.expect_query("insert into t values ('long')").await;
        db.reply(std::slice::from_ref(&warned));
        first.expect(&[warned]).await;
        let mut second = world.client().await;
        second.query("select b from t");
        db.peer.expect_silence().await;
        read(&mut first, &mut db, "show warnings").await;
        db.peer.expect_silence().await;
        read(&mut first, &mut db, "select a from t").await;
        db.answer_one("select b from t").await;
        second.expect(&one()).await;
    });
}

#[test]
fn a_pinned_connection_is_waited_for_in_order_and_given_on_when_the_pin_ends() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        begin(&mut first, &mut db).await;
        let (mut second, mut third) = (world.client().await, world.client().await);
        second.query("do 2");
        db.peer.expect_silence().await;
        third.query("do 3");
        db.peer.expect_silence().await;
        assert_eq!(world.context.metrics.waiting_for_connection.get(), 2);
        first
            .hears_from(&mut db, "select a from t", &result_set(MODERN, &["a"], &[row(&["1"])], IN_TRANS))
            .await;
        first.runs_on(&mut db, "commit").await;
        // The first asks again, but it is not its turn.
        first.query("do 1");
        for (client, sql) in [(&mut second, "do 2"), (&mut third, "do 3"), (&mut first, "do 1")] {
            db.answer_ok(sql).await;
            client.expect_ok().await;
        }
        db0.expect_nobody().await;
        for client in [first, second, third] {
            client.quit();
        }
        world.expect_nothing_left(1).await;
        assert_eq!(world.context.metrics.pool_waits.get(), 3);
    });
}

#[test]
fn a_full_limit_is_not_waited_for_for_ever_and_the_error_names_it() {
    play(async {
        let of_user = |live: &mut crate::config::Live| {
            for user in live.users.values_mut() {
                user.max_server_connections = std::num::NonZeroU32::new(1).and_then(|n| n.try_into().ok());
            }
        };
        let by_user = World::with(Settings { change: of_user, ..Settings::default() });
        for (world, limit) in
            [(one_only(), "limits.max_server_connections"), (by_user, "max_connections of the user")]
        {
            let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
            first.reads_on(&mut db, "select get_lock('a', 1)").await;
            let mut second = world.client().await;
            let began = tokio::time::Instant::now();
            second.query("select 2");
            let text = second.expect_err(1040, "08004").await;
            assert!(text.contains("within 10.0 s") && text.contains(limit), "{text}");
            assert_eq!(began.elapsed().as_secs(), 10);
            // A session that ends while it waits leaves nothing.
            second.query("select 3");
            db0.expect_nobody().await;
            assert_eq!(world.context.metrics.waiting_for_connection.get(), 1);
            world.kill_last();
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(world.closed(Close::Killed), 1);
            // And nobody who comes behind it waits for it.
            let mut third = world.client().await;
            third.query("select 4");
            first.quit();
            db.expect_reset().await;
            db.expect_set("").await;
            db.answer_one("select 4").await;
            third.expect(&one()).await;
            third.quit();
            world.expect_nothing_left(1).await;
        }
    });
}

#[test]
fn one_that_cannot_serve_makes_way_for_one_that_can() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        tell(&mut first, &mut db, "use shop", &schema("shop")).await;
        first.hears_from(&mut db, "insert into t values ()", &[inserted(7)]).await;
        // A schema cannot be taken away from a connection, nor its account changed.
        let mut second = world.login(&Login { user: "other", ..Login::default() }).await;
        second.query("select a from t");
        db.expect_query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
        db.reply(&result_set(MODERN, &["LAST_INSERT_ID()"], &[row(&["7"])], AUTOCOMMIT));
        db.peer.expect_end().await;
        let mut db = db0.accept().await;
        db.expect_set("").await;
        db.answer_one("select a from t").await;
        second.expect(&one()).await;
        // The first gets another, with all that it had.
        first.query("select last_insert_id()");
        db.peer.expect_end().await;
        let mut db = db0.accept().await;
        db.expect_set(",last_insert_id=7").await;
        db.expect_init_db("shop").await;
        db.answer_one("select last_insert_id()").await;
        first.expect(&one()).await;
        first.quit();
        second.quit();
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_session_that_ends_while_its_connection_is_asked_for_leaves_its_place() {
    play(async {
        let world = one_only();
        let (mut first, db0, mut db) = attached(&world, &Login::default()).await;
        first.hears_from(&mut db, "insert into t values ()", &[inserted(7)]).await;
        let mut second = world.client().await;
        second.query("select a from t");
        db.expect_query("SELECT CAST(LAST_INSERT_ID() AS BINARY) LIMIT 1").await;
        world.kill_last();
        tokio::time::sleep(Duration::from_millis(10)).await;
        drop(db);
        // The only place is free again.
        let mut third = world.client().await;
        let _db = third.reads_first_on(&db0, "select b from t").await;
        first.quit();
        third.quit();
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn a_parked_connection_that_died_is_replaced_also_where_there_is_no_room() {
    play(async {
        let world = one_only();
        let (mut first, db0, db) = attached(&world, &Login::default()).await;
        db.die();
        let mut second = world.client().await;
        let mut db = second.runs_first_on(&db0, "insert into t values (1)").await;
        read(&mut first, &mut db, "select a from t").await;
        first.quit();
        second.quit();
        world.expect_nothing_left(1).await;
    });
}
