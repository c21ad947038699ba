//! What readers of the stream of statements get, and what the audit log records.

use std::sync::Arc;
use std::time::Duration;

use super::commands::attached;
use super::split::{Story, story};
use super::*;
use crate::config::{AuditEvents, AuditSettings, AuditTarget, Live};
use crate::telemetry::stream::{Errors, Event, Filter, SLOW};
use crate::terms::{AuditKind, Port, Role, StatementKind, Why};
use crate::worker::admission::Admission;

/// A value that must not show.
const SENTINEL: &str = "c4n4ry";

/// What waits for a reader, once everything is counted.
async fn read(world: &World, id: u64) -> Vec<Event> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    world.context.taps.take(id).unwrap().events
}

/// The kind, the user, the statement, the error and the reason of each event of the audit log.
async fn audited(world: &World) -> Vec<(AuditKind, String, String, Option<u16>, Option<&'static str>)> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    let all = std::mem::take(&mut *world.outside.audited.borrow_mut());
    all.into_iter()
        .map(|one| (one.kind, one.user.into(), one.statement.into(), one.outcome.error, one.outcome.reason))
        .collect()
}

fn to_stdout(live: &mut Live) {
    live.audit = AuditSettings { to: AuditTarget::Stdout, ..AuditSettings::default() };
}

#[test]
fn a_reader_gets_what_a_statement_did_and_none_of_its_literals() {
    play(async {
        let mut s: Story = story().await;
        s.world.context.taps.open(1, Filter::default());
        s.world.context.taps.open(2, Filter { error: Some(Errors::Any), ..Filter::default() });
        s.runs("use shop", AUTOCOMMIT, &schema("shop")).await;
        s.client.query(&format!("select a from t where b = '{SENTINEL}'"));
        s.db1.expect(command(2, "shop")).await;
        s.db1.answer_ok(&format!("select a from t where b = '{SENTINEL}'")).await;
        s.db1.reply(&one());
        s.client.expect(&one()).await;
        let events = read(&s.world, 1).await;
        let [used, event] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((used.kind, &*used.digest_text), (Some(StatementKind::Session), "USE `shop`"));
        assert_eq!((&*event.user, &*event.schema, event.client), ("app", "shop", None));
        assert_eq!((event.kind, event.server.as_deref()), (Some(StatementKind::Read), Some("db-1")));
        assert_eq!(event.figures.placed, Some((Role::Replica, Why::PlainRead)));
        assert_eq!((event.figures.rows_sent, event.figures.error), (1, None));
        assert_eq!(event.session, s.client.greeting.connection_id);
        assert_eq!(&*event.digest_text, "SELECT `a` FROM `t` WHERE `b` = ?");
        assert!(!format!("{events:?}").contains(SENTINEL));
        // Errors of servers and of the proxy.
        s.client.query(&format!("insert into t values ('{SENTINEL}')"));
        s.db0.expect_query(&format!("insert into t values ('{SENTINEL}')")).await;
        s.db0.reply(&[err(1062, "23000", "Duplicate entry")]);
        s.client.expect_err(1062, "23000").await;
        s.client.query("set global pointsman_consistency = 'session'");
        s.client.peer.packet().await;
        let failed = read(&s.world, 2).await;
        let errors: Vec<_> =
            failed.iter().map(|event| (event.figures.error, event.server.as_deref())).collect();
        assert_eq!((errors[0], errors.len()), ((Some(1062), Some("db-0")), 2));
        assert_eq!((errors[1].1, failed[1].figures.placed), (None, None), "no server executed it");
        assert!(!format!("{failed:?}").contains(SENTINEL));
        s.world.context.taps.close(1);
        s.world.context.taps.close(2);
        assert!(!s.world.context.taps.is_watched());
    });
}

#[test]
fn literals_show_only_if_allowed_and_never_those_that_may_be_passwords() {
    play(async {
        for allowed in [false, true] {
            let change =
                if allowed { |live: &mut Live| live.statements.literals = true } else { |_: &mut Live| {} };
            let world = World::with(Settings { change, ..Settings::default() });
            let (mut client, _, mut db) = attached(&world, &Login::default()).await;
            world.context.taps.open(1, Filter::default());
            let texts = [
                format!("select '{SENTINEL}'"),
                format!("create user u identified by '{SENTINEL}'"),
                format!("set password = '{SENTINEL}'"),
                format!("prepare s from 'alter user u identified by \"{SENTINEL}\"'"),
                format!("nonsense '{SENTINEL}'"),
                format!("select 1; grant all on *.* to u identified by '{SENTINEL}'"),
                format!("select 'identified', '{SENTINEL}'"),
                format!("change master to master_password = '{SENTINEL}'"),
                format!("insert into t values (1); set global wsrep_sst_auth = 'root:{SENTINEL}'"),
                format!("select '{SENTINEL}', '{}', 'password'", "x".repeat(5_000)),
            ];
            for text in &texts {
                client.runs_on(&mut db, text).await;
            }
            let events = read(&world, 1).await;
            assert_eq!(events.len(), texts.len());
            assert_eq!(events[0].text.as_deref(), allowed.then_some(&*texts[0]));
            assert!(!format!("{:?}", &events[1..]).contains(SENTINEL), "{events:?}");
        }
    });
}

#[test]
fn slow_is_what_takes_longer_than_its_level_allows() {
    play(async {
        let change = |live: &mut Live| {
            live.statements.slow = [Some(Duration::from_secs(2)), Some(Duration::from_secs(1)), None, None];
            live.digests.max = 0;
        };
        let world = World::with(Settings { change, ..Settings::default() });
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let hints = ["session", "strong", "eventual"];
        for (hint, ms) in hints.iter().flat_map(|hint| [500, 1_500, 2_500].map(|ms| (hint, ms))) {
            let text = format!("/* pointsman: consistency={hint} */ do {ms}");
            client.query(&text);
            db.expect_query(&text).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            db.reply_ok();
            client.expect_ok().await;
        }
        let slow: Vec<_> =
            read(&world, SLOW).await.iter().map(|event| event.figures.micros / 100_000).collect();
        assert_eq!(slow, [15, 25, 25]);
        let live = world.context.live();
        world
            .context
            .new_settings(std::sync::Arc::new(Live { statements: Default::default(), ..(*live).clone() }));
        assert!(!world.context.taps.is_watched(), "a reload ends it");
    });
}

#[test]
fn logins_are_recorded_with_their_outcome() {
    play(async {
        let world = World::with(Settings { change: to_stdout, ..Settings::default() });
        let mut client = world.client().await;
        assert!(world.attempt(&Login { password: "wrong", ..Login::default() }).await.is_err());
        assert!(world.attempt(&Login { user: "nobody", ..Login::default() }).await.is_err());
        client.change_user(&Login { user: "other", ..Login::default() }).await.unwrap();
        assert!(client.change_user(&Login { password: "wrong", ..Login::default() }).await.is_err());
        let login =
            |user: &str, error, reason| (AuditKind::Login, user.to_owned(), String::new(), error, reason);
        let change = |user: &str, error, reason| {
            (AuditKind::ChangeUser, user.to_owned(), String::new(), error, reason)
        };
        assert_eq!(
            audited(&world).await,
            [
                login("app", None, None),
                login("app", Some(1045), Some("password")),
                login("nobody", Some(1045), Some("password")),
                change("other", None, None),
                change("app", Some(1045), Some("password")),
            ]
        );
    });
}

/// Whoever knows no password cannot push the events of others out of the files that are kept.
#[test]
fn a_flood_of_refused_logins_is_counted_and_not_written() {
    play(async {
        let world = World::with(Settings { change: to_stdout, ..Settings::default() });
        let admission: Arc<Admission> = Arc::default();
        let attempt = async |password| {
            let pass = admission.enter(crate::net::Peer::Unix, &world.context.live().limits).unwrap();
            let login = Login { password, ..Login::default() };
            Client::log_in(world.session(entrance(Port::Primary), pass), &login).await
        };
        // As if ten were refused in this second already.
        for _ in 0..10 {
            assert!(admission.audited_refusal().is_some());
        }
        assert!(attempt("wrong").await.is_err());
        assert_eq!(audited(&world).await, []);
        assert!(attempt("secret").await.is_ok());
        assert_eq!(audited(&world).await.len(), 1, "who is let in is recorded");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(attempt("wrong").await.is_err());
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(world.outside.audited.borrow()[0].left_out, 1);
    });
}

#[test]
fn statements_that_change_definitions_privileges_or_servers_are_recorded() {
    play(async {
        let world = World::with(Settings { change: to_stdout, ..Settings::default() });
        let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
        audited(&world).await;
        let run = async |client: &mut Client, db: &mut Db, sql: &str| {
            client.runs_on(db, sql).await;
        };
        for plain in ["select 1", "insert into t values (1)", "set @a = 1", "begin", "commit"] {
            run(&mut client, &mut db, plain).await;
        }
        assert_eq!(audited(&world).await, []);
        run(&mut client, &mut db, "drop table t").await;
        run(&mut client, &mut db, &format!("create user u identified by '{SENTINEL}'")).await;
        run(&mut client, &mut db, &format!("set password = '{SENTINEL}'")).await;
        run(&mut client, &mut db, "set global max_connections = 10").await;
        run(&mut client, &mut db, &format!("nonsense '{SENTINEL}'")).await;
        run(&mut client, &mut db, "prepare s from 'truncate t'").await;
        run(&mut client, &mut db, "execute s").await;
        client.query("alter table t add b int");
        db.expect_query("alter table t add b int").await;
        db.reply(&[err(1142, "42000", "ALTER command denied")]);
        client.expect_err(1142, "42000").await;
        let all = audited(&world).await;
        let texts: Vec<_> = all.iter().map(|(kind, _, text, error, _)| (*kind, &**text, *error)).collect();
        assert_eq!(texts[0], (AuditKind::Ddl, "DROP TABLE `t`", None));
        assert_eq!((texts[1].0, texts[2].0), (AuditKind::Grant, AuditKind::Grant));
        assert_eq!(texts[3], (AuditKind::Action, "SET GLOBAL `max_connections` = ?", None));
        assert_eq!(texts[4].0, AuditKind::Unknown);
        assert_eq!(texts[5], (AuditKind::Ddl, "TRUNCATE `t`", None), "what EXECUTE names");
        assert_eq!((texts[6].0, texts[6].2, texts.len()), (AuditKind::Ddl, Some(1142), 7));
        assert!(all.iter().all(|(_, user, ..)| user == "app") && !format!("{all:?}").contains(SENTINEL));
        // A stricter statement beside it hides none.
        for (text, kind) in [
            ("shutdown; insert into t values (1)", AuditKind::Action),
            ("insert into t values (1); purge binary logs to 'a'", AuditKind::Action),
            ("flush tables with read lock", AuditKind::Action),
            ("create table t (a int); nonsense", AuditKind::Unknown),
        ] {
            run(&mut client, &mut db, text).await;
            let all = audited(&world).await;
            assert_eq!(all.iter().map(|one| one.0).collect::<Vec<_>>(), [kind], "{text}");
        }
        // COM_DROP_DB has no text.
        client.send(command(6, "shop"));
        db.expect(command(6, "shop")).await;
        db.reply_ok();
        client.expect_ok().await;
        assert_eq!(audited(&world).await[0].2, "DROP SCHEMA `shop`");
        // The client does not wait for the answer.
        client.query("drop table u");
        db.expect_query("drop table u").await;
        client.peer.close();
        db.reply_ok();
        let cut = audited(&world).await;
        assert_eq!((cut.len(), &*cut[0].2, cut[0].3), (1, "DROP TABLE `u`", None));
    });
}

#[test]
fn a_kill_by_the_proxy_is_recorded_and_what_is_not_wanted_is_not() {
    play(async {
        let world = World::with(Settings { change: to_stdout, ..Settings::default() });
        let mut victim = world.client().await;
        let mut client = world.client().await;
        audited(&world).await;
        let id = victim.greeting.connection_id;
        client.query(&format!("KILL {id}"));
        client.expect_ok().await;
        victim.peer.expect_end().await;
        let kill = audited(&world).await;
        assert_eq!((kill[0].0, &*kill[0].2), (AuditKind::Action, &*format!("KILL CONNECTION {id}")));
        let own = client.greeting.connection_id;
        client.query(&format!("KILL QUERY {own}"));
        client.expect_err(1317, "70100").await;
        assert_eq!(audited(&world).await[0].2, format!("KILL QUERY {own}"));
        let mut live = (*world.context.live()).clone();
        live.audit.to = AuditTarget::Off;
        world.context.new_settings(Arc::new(live));
        world.client().await;
        assert_eq!(audited(&world).await, []);
    });
}

/// Whichever of its statements is wanted.
#[test]
fn a_text_of_several_statements_counts_as_each_of_them() {
    play(async {
        for (events, text) in [
            (AuditEvents::ACTIONS, "purge binary logs to 'a'; drop table t"),
            (AuditEvents::GRANTS, "grant all on t to u; nonsense"),
            (AuditEvents::DDL, "drop table t; nonsense"),
            (AuditEvents::DDL, "drop table t; grant all on t to u"),
        ] {
            let world = World::with(Settings { change: to_stdout, ..Settings::default() });
            let mut live = (*world.context.live()).clone();
            live.audit.events = events;
            world.context.new_settings(Arc::new(live));
            let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
            client.runs_on(&mut db, text).await;
            assert_eq!(audited(&world).await.len(), 1, "{text}");
        }
    });
}

/// The id is of a thread of a server, or of nobody.
#[test]
fn a_binary_kill_that_the_server_executes_is_recorded() {
    play(async {
        let world = World::with(Settings { change: to_stdout, ..Settings::default() });
        let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
        audited(&world).await;
        let kill = [b"\x0c".as_slice(), &7u32.to_le_bytes()].concat();
        client.send(kill.clone());
        db.expect(kill).await;
        db.reply_ok();
        client.expect_ok().await;
        let all = audited(&world).await;
        assert_eq!((all.len(), all[0].0, &*all[0].2), (1, AuditKind::Action, "ProcessKill"));
    });
}

#[test]
fn texts_without_a_digest_have_a_common_one() {
    play(async {
        let change = |live: &mut Live| live.digests.max = 0;
        let world = World::with(Settings { change, ..Settings::default() });
        let (mut client, _db0, mut db) = attached(&world, &Login::default()).await;
        let text = command(0x16, "insert into t values (1)");
        client.send(text.clone());
        db.expect(text).await;
        db.reply(&prepared(MODERN, 4, 0..0, &[]));
        client.expect(&prepared(MODERN, 1, 0..0, &[])).await;
        let mut live = (*world.context.live()).clone();
        live.digests.max = 100;
        world.context.new_settings(Arc::new(live));
        world.context.taps.open(1, Filter::default());
        let long = format!("insert into t values ('{}')", "x".repeat(300_000));
        client.query(&long);
        db.expect_query(&long).await;
        db.reply_ok();
        client.expect_ok().await;
        let execute = |id| command(0x17, [id, 0, 0, 0, 0, 1, 0, 0, 0]);
        client.send(execute(1));
        db.expect(execute(4)).await;
        db.reply_ok();
        client.expect_ok().await;
        let texts: Vec<_> = read(&world, 1).await.into_iter().map(|one| one.digest_text).collect();
        assert_eq!(
            texts,
            ["(a text that was too long to be read)".into(), Box::from("INSERT INTO `t` VALUES (?)")]
        );
    });
}
