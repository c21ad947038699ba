use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use serde_json::{Value, json};

use super::*;

/// An answer of `/topology` after so many seconds, with so many statements.
fn topology(seconds: u64, statements: u64) -> Value {
    let server = |name: &str, role: &str| {
        json!({
            "name": name, "address": "a:3306", "health": "up", "role": role, "flavor": "mysql", "version": "8.4.2",
            "read_only": false, "replicating": null, "source": null, "lag_ms": 0, "gtid": null,
            "serves_reads": role == "replica", "missed_probes": 0, "probe_us": 200, "last_error": null,
            "statements": if role == "replica" { statements / 4 } else { statements },
        })
    };
    json!({
        "pointsman": "1.2.3", "state": "listening", "uptime_ms": seconds * 1000, "version": 1, "generation": 1,
        "writer": "db-0", "alarm": null, "servers": [server("db-0", "primary"), server("db-1", "replica")],
        "history": [],
        "traffic": {
            "ports": [{"mode": "split", "clients": 12, "accepted": 99, "statements": statements}],
            "server_connections": 9, "server_idle": 4, "waiting_for_writer": 0, "waiting_for_connection": 2,
        },
    })
}

fn digest(text: &str, count: u64, sum_us: u64) -> Value {
    json!({
        "user": "app", "schema": "shop", "digest": format!("0x{:016x}", text.len()), "digest_text": text,
        "count": count, "sum_us": sum_us, "p50_us": 1, "p95_us": 2500, "p99_us": 1, "max_us": 9000,
        "waited_us": {"hold": 0, "pool": 1_500_000, "position": 0}, "rows_sent": 7, "rows_affected": 0, "bytes_in": 1,
        "bytes_out": 1, "failed": 1, "errors": {"1062": 1}, "targets": {"primary": 1, "replica": count - 1},
        "reasons": {"plain_read": count - 1, "not_fresh": 1}, "pins": {"user_variable": 3},
        "first_seen": null, "last_seen": null,
    })
}

fn sample(topology: Value, digests: &[Value]) -> Result<Sample, String> {
    let digests = json!({"digests": digests, "evicted": 0});
    Ok(Sample::of(serde_json::from_value(topology).unwrap(), serde_json::from_value(digests).unwrap()))
}

/// A proxy that was asked twice, two seconds apart.
fn model() -> Model {
    let mut model = Model::default();
    model.update(sample(
        topology(10, 1_000),
        &[digest("SELECT ?", 100, 1_000_000), digest("UPDATE `t`", 10, 50)],
    ));
    model.update(sample(
        topology(12, 5_000),
        &[digest("SELECT ?", 300, 3_000_000), digest("UPDATE `t`", 1_010, 60)],
    ));
    model
}

fn frame(model: &mut Model) -> String {
    let mut terminal = Terminal::new(TestBackend::new(110, 30)).unwrap();
    terminal.draw(|frame| view::draw(frame, model)).unwrap();
    terminal.backend().to_string()
}

fn press(model: &mut Model, keys: &[KeyCode]) -> Then {
    keys.iter().map(|key| model.key(Some(KeyEvent::from(*key)))).last().unwrap()
}

/// The lines of the list, in order.
fn listed(model: &Model) -> Vec<&str> {
    model.lines.iter().map(|line| &*line.digest.digest_text).collect()
}

#[test]
fn a_frame_has_servers_ports_and_what_each_digest_did_in_a_second() {
    let shown = frame(&mut model());
    for wanted in [
        "pointsman 1.2.3 · listening · primary db-0",
        "server connections 9 (4 idle) · waiting for a primary 0 · waiting for a connection 2",
        "db-0                 primary    up         no     0 ms         2000",
        "db-1                 replica    up         yes    0 ms         500",
        "split                12         2000",
        "100.0    1.000   10.00    2.50     0.000   0.0     3      app          SELECT ?",
        "500.0    0.000   0.00     2.50     0.000   0.0     3      app          UPDATE `t`",
        "q quit   s sort [time]   / filter   Enter why",
    ] {
        assert!(shown.contains(wanted), "{wanted}\n{shown}");
    }
    assert!(!shown.contains("because"));
}

#[test]
fn keys_sort_filter_and_show_why() {
    let mut model = model();
    assert_eq!(listed(&model), ["SELECT ?", "UPDATE `t`"]);
    press(&mut model, &[KeyCode::Char('s')]);
    assert_eq!((listed(&model), model.sort.word()), (vec!["UPDATE `t`", "SELECT ?"], "calls"));
    press(&mut model, &[KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    let shown = frame(&mut model);
    for wanted in [
        "went to  replica 299, primary 1",
        "because  plain_read 299, not_fresh 1",
        "waited   0.000 s for a primary, 1.500 s for a connection, 0.000 s for a position",
        "pinned   user_variable 3",
        "errors   1062 1",
        "300 statements, 7 rows sent, 0 changed, longest 9.00 ms",
    ] {
        assert!(shown.contains(wanted), "{wanted}\n{shown}");
    }
    // In the order by time it has another place, and is still the chosen one.
    let (calls, chosen) = (model.selected, model.lines[model.selected].digest.digest_text.clone());
    for _ in 0..4 {
        press(&mut model, &[KeyCode::Char('s')]);
    }
    assert_ne!(model.selected, calls, "by time");
    assert_eq!(model.lines[model.selected].digest.digest_text, chosen);
    press(&mut model, &[KeyCode::Char('s')]);
    press(&mut model, &[KeyCode::Esc, KeyCode::Char('/'), KeyCode::Char('U'), KeyCode::Char('q')]);
    assert_eq!(listed(&model), Vec::<&str>::new());
    press(&mut model, &[KeyCode::Backspace, KeyCode::Char('P'), KeyCode::Enter]);
    assert_eq!((listed(&model), model.selected), (vec!["UPDATE `t`"], 0));
    assert!(frame(&mut model).contains("/ filter [UP]"));
    press(&mut model, &[KeyCode::Esc]);
    assert_eq!(listed(&model).len(), 2);
    for _ in 0..4 {
        press(&mut model, &[KeyCode::Char('s')]);
    }
    assert_eq!(model.sort.word(), "time", "all orders in turn");
    assert_eq!(press(&mut model, &[KeyCode::Char('q')]), Then::Quit);
}

#[test]
fn silence_and_a_new_process_are_no_rates() {
    let mut model = Model::default();
    model.update(Err("pointsman does not answer".to_owned()));
    assert!(frame(&mut model).contains("pointsman does not answer"));
    model.update(sample(topology(100, 7), &[digest("SELECT ?", 100, 1)]));
    assert!(frame(&mut model).contains("split                12         -"));
    model.update(sample(topology(1, 3), &[digest("SELECT ?", 3, 1)]));
    assert!(frame(&mut model).contains("split                12         -"), "it was started again");
    model.update(Err("it is gone".to_owned()));
    let shown = frame(&mut model);
    assert!(shown.contains("it is gone") && shown.contains("SELECT ?"), "the last answers stay");
    let mut evil = digest("SELECT \u{1b}[2J", 1, 1);
    evil["user"] = json!("a\nb");
    model.update(sample(topology(5, 3), &[evil]));
    assert!(!frame(&mut model).contains('\u{1b}'));
}
