//! What the proxy answers itself, what passes, and what comes in one breath.

use super::connection_phase::wanted;
use super::server::SET;
use super::*;
use crate::terms::Close;
use crate::topology::Flavor;
use crate::wire::Capabilities;

/// A client whose first statement is done, and its server connection. The statement is no plain read: the
/// connection will be reset.
pub async fn attached(world: &World, login: &Login) -> (Client, Server, Db) {
    let db0 = world.server("db-0");
    let mut client = world.login(login).await;
    let db = client.runs_first_on(&db0, "do 1").await;
    (client, db0, db)
}

#[test]
fn a_ping_needs_no_server() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let mut client = world.client().await;
        client.send(vec![0x0e]);
        client.expect_ok().await;
        db0.expect_nobody().await;
        client.quit();
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn the_state_goes_in_front_of_the_first_statement_in_the_same_write() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let mut client = world.client().await;
        client.query("select 1");
        let mut db = db0.accept().await;
        // Nothing is answered before both are there.
        db.expect_query(SET).await;
        db.answer_ok("select 1").await;
        client.peer.expect_silence().await;
        db.reply(&one());
        client.expect(&one()).await;
    });
}

#[test]
fn what_a_server_could_refuse_of_the_state_goes_alone_before_a_write() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("use shop");
        db.expect_query("use shop").await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &schema("shop"))]);
        client.peer.packet().await;
        let db1 = world.server("db-1");
        world.read_only("db-0");
        world.primary("db-1");
        client.query("insert into t values (1)");
        let mut db = db1.accept().await;
        db.expect_query(SET).await;
        db.expect(command(2, "shop")).await;
        db.peer.expect_silence().await;
        db.reply_ok();
        db.reply(&[err(1049, "42000", "Unknown database 'shop'")]);
        // Like a server, which lets a session go on whose schema was dropped. The statement fails if it needs the schema.
        db.expect_query("insert into t values (1)").await;
        db.reply(&[err(1046, "3D000", "No database selected")]);
        assert_eq!(client.expect_err(1046, "3D000").await, "No database selected");
        // The next statement asks again.
        client.query("insert into t values (2)");
        db.expect(command(2, "shop")).await;
        db.peer.expect_silence().await;
        db.reply_ok();
        db.answer_ok("insert into t values (2)").await;
        client.expect_ok().await;
    });
}

#[test]
fn statement_ids_are_the_sessions_own_and_some_commands_have_no_answer() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        for (own, servers) in [(1, 0x0102_0304), (2, 0x0506_0708)] {
            let text = command(0x16, format!("insert into t{own} values (?)"));
            client.send(text.clone());
            db.expect(text).await;
            db.reply(&prepared(MODERN, servers, 0..1, &[]));
            client.expect(&prepared(MODERN, own, 0..1, &[])).await;
        }
        client.send(command(0x18, b"\x01\0\0\0\0\0piece"));
        db.expect(command(0x18, b"\x04\x03\x02\x01\0\0piece")).await;
        client.send(command(0x17, b"\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0"));
        db.expect(command(0x17, b"\x04\x03\x02\x01\0\x01\0\0\0\0\x01\xfd\0")).await;
        db.reply_ok();
        client.expect_ok().await;
        // MySQL does not know MariaDB's id for the last one.
        client.send(command(0x17, b"\xff\xff\xff\xff\0\x01\0\0\0\0\x01\xfd\0\x01x"));
        let text = client.expect_err(1243, "HY000").await;
        assert!(text.starts_with("Unknown prepared statement handler (4294967295)"), "{text}");
        client.send(command(0x17, b"\x02\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x01x"));
        db.expect(command(0x17, b"\x08\x07\x06\x05\0\x01\0\0\0\0\x01\xfd\0\x01x")).await;
        db.reply_ok();
        client.expect_ok().await;
        // The server's stays open, for whoever prepares the same.
        client.send(command(0x19, [1, 0, 0, 0]));
        client.peer.expect_silence().await;
        client.reads_on(&mut db, "select 1").await;
        for byte in [0x17, 0x1a, 0x1c] {
            client.send(command(byte, [1, 0, 0, 0, 0, 1, 0, 0, 0]));
            let text = client.expect_err(1243, "HY000").await;
            assert!(
                text.starts_with("Unknown prepared statement handler (1) given to mysql_stmt_precheck"),
                "{text}"
            );
        }
        db.peer.expect_silence().await;
    });
}

#[test]
fn a_statement_without_cursor_or_long_data_is_reset_by_the_proxy() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.send(command(0x16, "insert into t values (?)"));
        db.expect(command(0x16, "insert into t values (?)")).await;
        db.reply(&prepared(MODERN, 77, 0..1, &[]));
        client.expect(&prepared(MODERN, 1, 0..1, &[])).await;
        client.send(command(0x1a, [1, 0, 0, 0]));
        client.expect_ok().await;
        db.peer.expect_silence().await;
        client.send(command(0x18, b"\x01\0\0\0\0\0piece"));
        db.expect(command(0x18, b"\x4d\0\0\0\0\0piece")).await;
        client.send(command(0x1a, [1, 0, 0, 0]));
        db.expect(command(0x1a, [77, 0, 0, 0])).await;
        db.reply_ok();
        client.expect_ok().await;
        // Nothing pins any more.
        client.quit();
        db.expect_silence().await;
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn closing_a_statement_needs_no_server() {
    play(async {
        let world = World::new();
        let db0 = world.server("db-0");
        let mut client = world.client().await;
        client.send(command(0x19, [1, 0, 0, 0]));
        client.peer.expect_silence().await;
        db0.expect_nobody().await;
    });
}

#[test]
fn two_writes_in_one_breath_run_once_each() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let writes = ["insert into t values (1)", "insert into t values (2)"];
        let both: Vec<u8> = writes.iter().flat_map(|sql| frames(0, &[query(sql)])).collect();
        client.peer.say(&both);
        for sql in writes {
            db.answer_ok(sql).await;
            client.expect_ok().await;
        }
        db.peer.expect_silence().await;
        client.peer.expect_silence().await;
    });
}

#[test]
fn commands_in_one_breath_are_answered_in_order() {
    play(async {
        for chunk in [1, 5, usize::MAX] {
            let world = World::with(Settings { chunk, ..Settings::default() });
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            let said: Vec<u8> = [query("do 1"), vec![0x0e], command(0x19, [9, 0, 0, 0]), query("select 2")]
                .into_iter()
                .flat_map(|command| frames(0, &[command]))
                .collect();
            client.peer.say(&said);
            db.expect_query("do 1").await;
            // One after another: an error may decide over what follows.
            db.peer.expect_silence().await;
            db.reply_ok();
            client.expect_ok().await;
            client.expect_ok().await;
            // The close in between is the proxy's own affair.
            db.answer_one("select 2").await;
            client.expect(&one()).await;
            client.peer.expect_silence().await;
        }
    });
}

#[test]
fn a_local_file_passes_on_every_pair_of_legs() {
    play(async {
        for chunk in [1, 3, usize::MAX] {
            for style in super::connection_phase::styles() {
                for behind in [false, true] {
                    local_file(chunk, style, behind).await;
                }
            }
        }
    });
}

/// `behind` a result set in the same query, so that the client's sequence ids are shifted.
async fn local_file(chunk: usize, style: Style, behind: bool) {
    let world = World::with(Settings { chunk, ..Settings::default() });
    let login = Login { capabilities: wanted(Flavor::MySql, style), ..Login::default() };
    let db0 = world.server("db-0");
    let mut client = world.login(&login).await;
    client.query("load data local infile 'f' into table t");
    let mut db = db0.accept().await;
    db.expect_set("").await;
    db.expect_query("load data local infile 'f' into table t").await;
    let before = |style| if behind { result_set(style, &["a"], &[], MORE) } else { Vec::new() };
    let ask = vec![b"\xfbf".to_vec()];
    let answer = |style| [before(style), ask.clone()].concat();
    db.reply(&answer(MODERN));
    client.expect(&answer(style)).await;
    let file = [b"1,one\n".to_vec(), b"2,two\n".to_vec(), Vec::new()];
    let at = |style| u8::try_from(answer(style).len()).unwrap() + 1;
    client.peer.say(&frames(at(style), &file));
    db.peer.expect_bytes(&frames(at(MODERN), &file)).await;
    db.peer.say(&frames(at(MODERN) + 3, &[ok()]));
    client.peer.expect_bytes(&frames(at(style) + 3, &[ok()])).await;
    client.runs_on(&mut db, "do 1").await;
}

#[test]
fn change_user_answers_itself_and_gives_the_connection_back() {
    play(async {
        for plugin in ["mysql_native_password", "caching_sha2_password"] {
            let world = World::new();
            let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
            client.runs_on(&mut db, "set @x = 1 + 1").await;
            let other =
                Login { user: "other", plugin, behind: frames(0, &[query("do 1")]), ..Login::default() };
            client.change_user(&other).await.unwrap();
            db.expect_reset().await;
            let mut others = db0.accept().await;
            assert_eq!(others.user, "other");
            others.expect_set("").await;
            others.answer_ok("do 1").await;
            client.expect_ok().await;
            let wrong = Login { password: "wrong", plugin, ..Login::default() };
            let refused = client.change_user(&wrong).await.err().unwrap();
            assert_eq!((refused.code, &*refused.sqlstate), (1045, "28000"));
            client.peer.expect_end().await;
            others.expect_silence().await;
            world.expect_nothing_left(2).await;
        }
    });
}

#[test]
fn change_user_to_a_plugin_without_an_answer_is_asked_to_switch() {
    play(async {
        let world = World::new();
        let mut client = world.client().await;
        let mut out = command(0x11, b"other\0\0\0\x2d\0caching_sha2_password\0");
        client.send(std::mem::take(&mut out));
        let (seq, payload) = client.peer.packet().await;
        assert_eq!(seq, 1);
        assert!(payload.starts_with(b"\xfecaching_sha2_password\0"), "{}", payload.escape_ascii());
        let answer = crate::auth::Plugin::CachingSha2.scramble(b"secret", &client.greeting.nonce);
        client.peer.say(&frames(2, &[answer]));
        client.peer.expect_bytes(&frames(3, &[vec![1, 3], ok()])).await;
    });
}

#[test]
fn reset_connection_answers_itself_and_forgets_the_state() {
    play(async {
        let world = World::new();
        let (mut client, db0, mut db) = attached(&world, &Login::default()).await;
        client.query("set sql_mode = 'ANSI'");
        db.expect_query("set sql_mode = 'ANSI'").await;
        db.reply(&[ok_state(MODERN, IN_TRANS, &variable("sql_mode", "ANSI"))]);
        client.peer.packet().await;
        client.send(vec![0x1f]);
        client.expect_ok().await;
        // The transaction was a pin: it ends by a reset.
        db.expect_reset().await;
        client.query("select 1");
        // The server's own character set, as on MySQL.
        db.answer_ok(&SET.replace("utf8mb4 COLLATE utf8mb4_general_ci", "DEFAULT")).await;
        db.answer_one("select 1").await;
        client.expect(&one()).await;
        client.query("set max_join_size = 7");
        db.expect_query("set max_join_size = 7").await;
        db.reply(&[ok_state(MODERN, AUTOCOMMIT, &variable("max_join_size", "7"))]);
        client.peer.packet().await;
        client.send(command(0x16, "select ?"));
        db.expect(command(0x16, "select ?")).await;
        db.reply(&prepared(MODERN, 3, 0..1, &["?"]));
        client.expect(&prepared(MODERN, 1, 0..1, &["?"])).await;
        client.send(vec![0x1f]);
        client.expect_ok().await;
        db.expect_silence().await;
        client.reads_on(&mut db, "select 2").await;
        client.send(command(0x17, [1, 0, 0, 0, 0, 1, 0, 0, 0]));
        client.expect_err(1243, "HY000").await;
        db0.expect_nobody().await;
    });
}

#[test]
fn an_unknown_command_is_an_error_and_a_quit_is_an_end() {
    play(async {
        let world = World::new();
        let mut client = world.client().await;
        client.send(vec![0x77, 1, 2, 3]);
        client.expect_err(1047, "08S01").await;
        client.send(vec![1]);
        client.peer.expect_end().await;
        assert_eq!(world.closed(Close::Quit), 1);
        world.expect_nothing_left(0).await;
    });
}

#[test]
fn statements_with_attributes_keep_them() {
    play(async {
        let settings = super::connection_phase::settings(Flavor::MySql, usize::MAX);
        let world = World::with(settings);
        let db0 = world.server("db-0");
        let mut login = Login::default();
        login.capabilities |= Capabilities::QUERY_ATTRIBUTES;
        let mut client = world.login(&login).await;
        let tagged = command(3, b"\x01\x01\0\x01\xfe\0\x01k\x01vselect 1");
        client.send(tagged.clone());
        let mut db = db0.accept().await;
        db.expect(command(3, format!("\0\x01{SET}"))).await;
        db.reply_ok();
        db.expect(&tagged).await;
        db.reply(&one());
        client.expect(&one()).await;
    });
}
