//! Traces of statements: which ones are traced, and which steps they have.

use std::time::Duration;

use super::commands::attached;
use super::failover::switch;
use super::replay::{accept, again, changed, in_transaction, text};
use super::*;
use crate::config::{Live, TraceEndpoint};
use crate::telemetry::Latency;
use crate::telemetry::traces::{Step, TraceRecord};
use crate::terms::{Port, TraceStep};
use crate::topology::Flavor;
use crate::wire::Capabilities;

const PARENT: &str = "00-000000000000000000000000000000aa-00000000000000bb-01";
const NOT_SAMPLED: &str = "00-000000000000000000000000000000aa-00000000000000bb-00";

fn on(live: &mut Live) {
    let endpoint = TraceEndpoint { tls: false, authority: "collector:4318".into(), base: "".into() };
    live.traces.endpoint = Some(endpoint);
    live.traces.ratio = 1.0;
}

/// Only statements whose client says so are traced, two in a second.
fn on_demand(live: &mut Live) {
    on(live);
    live.traces.ratio = 0.0;
    live.traces.max_per_second = 2;
}

fn world(change: fn(&mut Live)) -> World {
    World::with(Settings { change, ..Settings::default() })
}

/// The traces since the last look.
fn taken(world: &World) -> Vec<TraceRecord> {
    world.outside.traced.take()
}

fn last(world: &World) -> TraceRecord {
    taken(world).pop().expect("a trace")
}

/// The kinds of the steps. The network in memory never takes bytes at once, so each answer waits for the client.
fn kinds(record: &TraceRecord) -> Vec<&'static str> {
    let steps = record.trace.steps.iter().filter(|step| step.kind != TraceStep::Client);
    steps.map(|step| step.kind.as_str()).collect()
}

fn of_kind(record: &TraceRecord, kind: TraceStep) -> Vec<Step> {
    record.trace.steps.iter().filter(|step| step.kind == kind).cloned().collect()
}

fn server_of(step: &Step) -> &str {
    step.server.as_ref().map_or("", |server| &server.name)
}

#[test]
fn a_traced_statement_is_an_exemplar_of_its_port_and_its_server() {
    play(async {
        let world = world(on_demand);
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let mut exemplars = async |text: &str| {
            client.runs_on(&mut db, text).await;
            let metrics = &world.context.metrics;
            let ports: Vec<_> = metrics.latency.values().flat_map(Latency::trace_ids).collect();
            (ports, metrics.server_latencies.of(0).map(Latency::trace_ids))
        };
        assert_eq!(exemplars("do 3").await, (vec![], Some(vec![])), "a statement without a trace");
        let traced = exemplars(&format!("do 2 /*traceparent='{PARENT}'*/")).await;
        assert_eq!(traced, (vec![0xaa], Some(vec![0xaa])));
    });
}

#[test]
fn a_statement_without_a_connection_waits_for_one_and_for_its_state() {
    play(async {
        let world = world(on);
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.runs_on(&mut db, "do 2").await;
        client.send(vec![0x0e]);
        client.expect_ok().await;
        let records = taken(&world);
        assert_eq!(records.len(), 2, "a COM_PING is no statement");
        assert_eq!(kinds(&records[0]), ["route", "queue", "connect", "restore", "server", "restore"]);
        let nested = of_kind(&records[0], TraceStep::Restore).pop().unwrap();
        assert_eq!(
            nested.parent,
            Some(4),
            "the answers to what restores the state come with the statement's"
        );
        assert_eq!(server_of(&of_kind(&records[0], TraceStep::Connect)[0]), "db-0");
        assert_eq!(kinds(&records[1]), ["route", "server"]);
        for record in &records {
            assert!(
                record
                    .trace
                    .steps
                    .iter()
                    .all(|step| step.ended.is_some() && step.began >= record.trace.began)
            );
            assert!((record.trace.id, record.trace.parent).0 != 0 && record.trace.parent.is_none());
            assert_eq!((record.error, record.closed, &*record.user), (None, None, "app"));
            assert_eq!(record.figures.trace.map(u128::from), Some(record.trace.id));
        }
        assert_ne!(records[0].trace.id, records[1].trace.id);
        assert_eq!(records[1].digest.as_ref().unwrap().1.as_ref(), "DO ?");
        client.quit();
        world.expect_nothing_left(1).await;
    });
}

#[test]
fn nothing_is_traced_while_traces_are_off() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let text = format!("do 2 /*traceparent='{PARENT}'*/");
        client.runs_on(&mut db, &text).await;
        assert!(taken(&world).is_empty());
    });
}

#[test]
fn a_comment_says_whose_part_a_statement_is() {
    play(async {
        let world = world(on_demand);
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        assert!(taken(&world).is_empty());
        let mut run = async |text: String| {
            client.runs_on(&mut db, &text).await;
        };
        run(format!("do 2 /*traceparent='{NOT_SAMPLED}'*/")).await;
        run("do 3 /*traceparent='nonsense'*/".to_owned()).await;
        assert!(taken(&world).is_empty());
        run(format!("do 4 /*db='x',traceparent='{PARENT}',tracestate='a%3Db'*/")).await;
        let record = last(&world);
        assert_eq!((record.trace.id, record.trace.parent), (0xaa, Some(0xbb)));
        assert_eq!(&*record.trace.state, "a=b");
        // Two in a second.
        for _ in 0..3 {
            run(format!("do 5 /*traceparent='{PARENT}'*/")).await;
        }
        assert_eq!((taken(&world).len(), world.context.metrics.traces_over_limit.get()), (1, 2));
        world.context.refill_traces();
        run(format!("do 6 /*traceparent='{PARENT}'*/")).await;
        assert_eq!(taken(&world).len(), 1);
    });
}

#[test]
fn a_query_attribute_wins_over_a_comment_and_reaches_the_server() {
    play(async {
        let settings = super::connection_phase::settings(Flavor::MySql, usize::MAX);
        let world = World::with(Settings { change: on_demand, ..settings });
        let capabilities = Login::default().capabilities | Capabilities::QUERY_ATTRIBUTES;
        let mut client = world.login(&Login { capabilities, ..Login::default() }).await;
        let server = world.server("db-0");
        let mut sent = b"\x03\x01\x01\0\x01\xfe\0\x0btraceparent".to_vec();
        sent.push(u8::try_from(PARENT.len()).unwrap());
        sent.extend_from_slice(PARENT.as_bytes());
        sent.extend_from_slice(format!("do 1 /*traceparent='{NOT_SAMPLED}'*/").as_bytes());
        client.send(sent.clone());
        let mut db = server.accept().await;
        db.answer_ok(&format!("\0\x01{}", server::SET)).await;
        db.expect(&sent).await;
        db.reply_ok();
        client.expect_ok().await;
        assert_eq!(last(&world).trace.parent, Some(0xbb));
    });
}

#[test]
fn an_execute_whose_values_were_sent_in_advance_has_no_parent() {
    play(async {
        let settings = super::connection_phase::settings(Flavor::MySql, usize::MAX);
        let world = World::with(Settings { change: on_demand, ..settings });
        let capabilities = Login::default().capabilities | Capabilities::QUERY_ATTRIBUTES;
        let mut client = world.login(&Login { capabilities, ..Login::default() }).await;
        let server = world.server("db-0");
        client.send(command(0x16, "do ?"));
        let mut db = server.accept().await;
        db.answer_ok(&format!("\0\x01{}", server::SET)).await;
        db.expect(command(0x16, "do ?")).await;
        db.reply(&prepared(MODERN, 1, 0..1, &[]));
        client.expect(&prepared(MODERN, 1, 0..1, &[])).await;
        let in_advance = command(0x18, b"\x01\0\0\0\0\0in advance");
        client.send(in_advance.clone());
        db.expect(in_advance).await;
        // The parameter, whose value is not here, and two attributes. Who takes the first value for the parameter's takes
        // the second one for the attribute `traceparent`.
        let mut execute =
            b"\x01\0\0\0\x08\x01\0\0\0\x03\0\x01\xfd\0\0\xfd\0\x0btraceparent\xfd\0\x01x".to_vec();
        for value in ["not a parent", PARENT] {
            execute.push(u8::try_from(value.len()).unwrap());
            execute.extend_from_slice(value.as_bytes());
        }
        client.send(command(0x17, &execute));
        db.expect(command(0x17, &execute)).await;
        db.reply_ok();
        client.expect_ok().await;
        assert_eq!(taken(&world).len(), 0);
    });
}

#[test]
fn a_transaction_that_runs_again_is_a_step() {
    play(async {
        let world = world(on);
        let (mut client, db) = in_transaction(&world).await;
        let db1 = world.server("db-1");
        client.query("update t set a = 2");
        drop(db);
        switch(&world);
        let mut db = accept(&db1).await;
        again(&mut db, "select a from t", &text("x")).await;
        again(&mut db, "update t set a = 2", &[changed()]).await;
        client.expect(&[changed()]).await;
        let record = last(&world);
        let kinds = kinds(&record);
        let replay = kinds.iter().position(|kind| *kind == "replay").expect("a replay");
        let parts = record.trace.steps.iter().filter(|step| step.parent == Some(replay));
        let parts: Vec<_> = parts.map(|step| step.kind.as_str()).collect();
        assert!(parts.contains(&"queue") && parts.contains(&"connect"), "{kinds:?}: {parts:?}");
        let last = record.trace.steps.iter().rfind(|step| step.kind == TraceStep::Server).unwrap();
        assert_eq!((server_of(last), last.outcome, last.parent), ("db-1", "answered", None));
        assert_eq!(record.figures.disruptions.count_ones(), 1);
    });
}

#[test]
fn a_wait_for_a_primary_and_a_second_try_are_steps() {
    play(async {
        let world = world(on);
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        let db1 = world.server("db-1");
        client.query("do 2");
        db.expect_query("do 2").await;
        db.reply(&[err(1290, "HY000", "The MySQL server is running with the --read-only option")]);
        client.peer.expect_silence().await;
        switch(&world);
        let mut db = db1.accept().await;
        db.expect_set("").await;
        db.answer_ok("do 2").await;
        client.expect_ok().await;
        let record = last(&world);
        let tries = of_kind(&record, TraceStep::Server);
        assert_eq!(tries.len(), 2, "{:?}", kinds(&record));
        assert_eq!((server_of(&tries[0]), tries[0].outcome, tries[0].error), ("db-0", "refused", Some(1290)));
        assert_eq!((server_of(&tries[1]), tries[1].outcome, tries[1].error), ("db-1", "answered", None));
        assert!(kinds(&record).contains(&"hold"), "{:?}", kinds(&record));
        assert_eq!(record.error, None);
    });
}

#[test]
fn a_statement_that_fails_and_one_that_ends_its_session_say_so() {
    play(async {
        let world = world(on);
        let (mut client, _, mut db) = attached(&world, &Login::default()).await;
        client.query("nonsense");
        db.expect_query("nonsense").await;
        db.reply(&[err(1064, "42000", "You have an error in your SQL syntax")]);
        client.expect_err(1064, "42000").await;
        let record = last(&world);
        assert_eq!(record.error, Some(1064));
        assert_eq!(of_kind(&record, TraceStep::Server)[0].error, Some(1064));
        client.query("do 3");
        db.expect_query("do 3").await;
        drop(client);
        db.reply_ok();
        tokio::time::sleep(Duration::from_millis(10)).await;
        let record = last(&world);
        assert!(record.closed.is_some() && record.error.is_none(), "{record:?}");
    });
}

#[test]
fn a_text_of_several_statements_on_a_replica_port_is_one_trace() {
    play(async {
        let world = world(on);
        let server = world.server("db-1");
        world.replica_cut_off("db-2");
        let capabilities = Login::default().capabilities | Capabilities::MULTI_STATEMENTS;
        let mut client = world.login(&Login { port: Port::Replica, capabilities, ..Login::default() }).await;
        client.query("select 1; select 2");
        let mut db = server.accept().await;
        db.expect_read_only_set("").await;
        db.expect_query("select 1").await;
        db.reply(&one());
        db.expect_query(" select 2").await;
        db.reply(&one());
        tokio::time::sleep(Duration::from_millis(10)).await;
        let records = taken(&world);
        assert_eq!(records.len(), 1);
        assert_eq!(of_kind(&records[0], TraceStep::Server).len(), 2, "{:?}", kinds(&records[0]));
    });
}
