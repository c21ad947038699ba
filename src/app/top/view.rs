//! Draws the model.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line as Text;
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table, TableState, Wrap};

use super::super::plain::plain;
use super::model::{Model, TopLine};
use crate::admin::Report;

/// The height of the reasons of a digest.
const WHY_HEIGHT: u16 = 11;
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &mut Model) {
    let servers = model.now.as_ref().map_or(0, |now| now.report.servers.len());
    let tables = u16::try_from(servers).unwrap_or(u16::MAX).min(frame.area().height / 4).saturating_add(1);
    let ports = model.now.as_ref().map_or(0, |now| now.report.traffic.ports.len());
    let ports = u16::try_from(ports).unwrap_or(u16::MAX).saturating_add(1);
    let why = if model.why { WHY_HEIGHT } else { 0 };
    let [head, servers, ports, list, why, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(tables),
        Constraint::Length(ports),
        Constraint::Min(3),
        Constraint::Length(why),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(headline(model)), head);
    if let Some(now) = &model.now {
        frame.render_widget(server_table(model, &now.report), servers);
        frame.render_widget(port_table(model, &now.report), ports);
    }
    digest_table(frame, model, list);
    if let Some(line) = model.lines.get(model.selected).filter(|_| model.why) {
        let block = Block::new().borders(Borders::TOP).title("why");
        frame.render_widget(Paragraph::new(reasons(line)).wrap(Wrap { trim: false }).block(block), why);
    }
    frame.render_widget(Paragraph::new(keys(model)), foot);
}

fn headline(model: &Model) -> Vec<Text<'static>> {
    let Some(now) = &model.now else {
        return vec![Text::from(model.silent.clone().unwrap_or_else(|| "asking the proxy".to_owned()))];
    };
    let report = &now.report;
    let primary =
        report.primary.as_deref().map_or("NO PRIMARY".to_owned(), |name| format!("primary {}", plain(name)));
    let first = match &model.silent {
        Some(reason) => plain(reason),
        None => format!("pointsman {} · {} · {primary}", plain(&report.pointsman), plain(&report.state)),
    };
    let traffic = &report.traffic;
    let second = format!(
        "server connections {} ({} idle) · waiting for a primary {} · waiting for a connection {}",
        traffic.server_connections,
        traffic.server_idle,
        traffic.waiting_for_primary,
        traffic.waiting_for_connection
    );
    vec![Text::styled(first, BOLD), Text::from(second)]
}

fn server_table(model: &Model, report: &Report) -> Table<'static> {
    let rows = report.servers.iter().map(|server| {
        let rate = model.server_rate(&server.name).map_or("-".to_owned(), |rate| format!("{rate:.0}"));
        Row::new([
            plain(&server.name),
            plain(&server.role),
            plain(&server.health),
            if server.serves_reads { "yes" } else { "no" }.to_owned(),
            server.lag_ms.map_or("-".to_owned(), |ms| format!("{ms} ms")),
            rate,
        ])
    });
    let widths = [20, 10, 10, 6, 12, 14].map(Constraint::Length);
    let titles = ["SERVER", "ROLE", "HEALTH", "READS", "LAG", "STATEMENTS/S"];
    Table::new(rows, widths).header(Row::new(titles).style(BOLD))
}

fn port_table(model: &Model, report: &Report) -> Table<'static> {
    let rows = report.traffic.ports.iter().map(|port| {
        let rate = model.port_rate(&port.mode).map_or("-".to_owned(), |rate| format!("{rate:.0}"));
        Row::new([plain(&port.mode), port.clients.to_string(), rate])
    });
    let widths = [20, 10, 14].map(Constraint::Length);
    Table::new(rows, widths).header(Row::new(["PORT", "SESSIONS", "STATEMENTS/S"]).style(BOLD))
}

fn digest_table(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let rows = model.lines.iter().map(|line| {
        let (digest, rates) = (&line.digest, &line.rates);
        let average = if rates.calls > 0.0 { rates.busy / rates.calls * 1e3 } else { 0.0 };
        let pins: u64 = digest.pins.values().sum();
        Row::new([
            format!("{:.1}", rates.calls),
            format!("{:.3}", rates.busy),
            format!("{average:.2}"),
            format!("{:.2}", digest.p95_us as f64 / 1e3),
            format!("{:.3}", rates.waited),
            format!("{:.1}", rates.failed),
            pins.to_string(),
            plain(&digest.user),
            plain(&digest.digest_text),
        ])
    });
    let widths = [8, 7, 8, 8, 7, 7, 6, 12].map(Constraint::Length).into_iter().chain([Constraint::Min(20)]);
    let header = ["CALLS/S", "BUSY", "AVG MS", "P95 MS", "WAITS", "ERR/S", "PINS", "USER", "STATEMENT"];
    let table = Table::new(rows, widths).header(Row::new(header).style(BOLD)).row_highlight_style(CHOSEN);
    let mut state = TableState::new().with_selected((!model.lines.is_empty()).then_some(model.selected));
    frame.render_stateful_widget(table, area, &mut state);
}

/// Returns where the statements of a digest went, and why.
fn reasons(line: &TopLine) -> Vec<Text<'static>> {
    let digest = &line.digest;
    let waits = &digest.waited_us;
    let seconds = |us: u64| format!("{:.3} s", us as f64 / 1e6);
    vec![
        Text::from(plain(&digest.digest_text)),
        Text::from(format!(
            "{}  user {}  schema {}",
            plain(&digest.digest),
            plain(&digest.user),
            plain(&digest.schema)
        )),
        Text::from(format!(
            "{} statements, {} rows sent, {} changed, longest {:.2} ms",
            digest.count,
            digest.rows_sent,
            digest.rows_affected,
            digest.max_us as f64 / 1e3
        )),
        Text::from(format!("went to  {}", counts(&digest.targets))),
        Text::from(format!("because  {}", counts(&digest.reasons))),
        Text::from(format!(
            "waited   {} for a primary, {} for a connection, {} for a position",
            seconds(waits.hold),
            seconds(waits.pool),
            seconds(waits.position)
        )),
        Text::from(format!("pinned   {}", counts(&digest.pins))),
        Text::from(format!("errors   {}", counts(&digest.errors))),
    ]
}

fn counts(of: &BTreeMap<String, u64>) -> String {
    let mut all: Vec<_> = of.iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let words: Vec<_> = all.iter().map(|(name, count)| format!("{} {count}", plain(name))).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn keys(model: &Model) -> String {
    if model.types {
        return format!("filter: {}_   Enter keeps it, Esc clears it", plain(&model.filter));
    }
    let filter = if model.filter.is_empty() { String::new() } else { format!(" [{}]", plain(&model.filter)) };
    format!("q quit   s sort [{}]   / filter{filter}   Enter why   ↑↓ choose", model.sort.word())
}
