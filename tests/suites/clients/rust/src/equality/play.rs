//! Plays a script on both sides, statement by statement, and compares.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use super::compare::{Allowed, differ};
use super::corpus::{Action, Item, Marks, Script, first_word};
use super::decode::{self, Column, Event, events};
use super::pace::Pace;
use crate::blocking::{Client, Endpoint};
use crate::model::answer::{self, Answer, Shape};
use crate::model::plan::{Step, Value};
use crate::wire::MULTI_STATEMENTS;

const INFILE: &[u8] = b"1\tone\n2\ttwo\n3\t\\N\n";

/// How the corpus is run once.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    pub name: &'static str,
    /// Reads behind writes wait until the replicas could serve them.
    pub paced: bool,
    /// Every statement by the binary protocol, if it can be prepared.
    pub prepared: bool,
    /// Capability flags on top of the usual.
    pub capabilities: u32,
}

#[derive(Debug, Default)]
pub struct Tally {
    pub statements: usize,
    pub answers: usize,
    pub errors: usize,
    /// Reads outside transactions: those that a replica may serve.
    pub reads: usize,
    /// Lines with a mask, and their reasons.
    pub masked: BTreeMap<usize, String>,
    /// Errors that the proxy made.
    pub proxy_errors: usize,
    pub failures: Vec<String>,
}

struct Pair {
    sides: [Client; 2],
    in_transaction: bool,
}

/// What one side said to one statement: the answer's events, and those of SHOW WARNINGS.
type Transcript = Vec<Vec<Event>>;

pub struct Player<'a> {
    pub endpoints: &'a [Endpoint; 2],
    pub pass: Pass,
    pub pace: Option<&'a mut Pace>,
    pub script: &'a Script,
    tally: Tally,
    sessions: HashMap<String, Pair>,
    /// Something was written since the replicas were last waited for.
    dirty: bool,
    /// The sessions that wrote since the replicas were last waited for.
    writers: BTreeSet<String>,
    /// Reads behind a write so far, and which of them wait: every one, every second, …
    behind: usize,
    stride: usize,
}

fn text(command: u8, text: &str) -> Vec<u8> {
    [&[command], text.as_bytes()].concat()
}

fn exchange(client: &mut Client, body: &[u8], shape: Shape) -> io::Result<Answer> {
    client.command(body)?;
    answer::read(client, shape, INFILE)
}

/// Whether the optimizer has a choice of plans, by statistics that each server makes for itself in the background.
fn joins(upper: &str) -> bool {
    upper.contains(" JOIN ") || upper.contains("STRAIGHT_JOIN") || upper.matches("SELECT").count() > 1
}

fn is_read(sql: &str) -> bool {
    ["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESC", "DESCRIBE", "EXPLAIN"]
        .contains(&first_word(sql).as_str())
}

/// How often a read follows a write, transactions aside.
fn behind_writes(script: &Script) -> usize {
    let mut dirty = true;
    let mut count = 0;
    for item in &script.items {
        if let Action::Query(sql) = &item.action {
            count += usize::from(is_read(sql) && std::mem::take(&mut dirty));
            dirty |= may_write(sql);
        }
    }
    count
}

/// Whether what it leaves behind could be missing on a replica.
fn may_write(sql: &str) -> bool {
    !is_read(sql) && !["SET", "USE", "PREPARE", "DEALLOCATE"].contains(&first_word(sql).as_str())
}

impl<'a> Player<'a> {
    pub fn new(
        endpoints: &'a [Endpoint; 2],
        pass: Pass,
        pace: Option<&'a mut Pace>,
        script: &'a Script,
    ) -> Self {
        let (tally, sessions) = Default::default();
        let most = pace.as_ref().map_or(1, |pace| pace.most.max(1));
        let stride = behind_writes(script).div_ceil(most).max(1);
        Player {
            endpoints,
            pass,
            pace,
            script,
            tally,
            sessions,
            dirty: true,
            writers: BTreeSet::new(),
            behind: 0,
            stride,
        }
    }

    pub fn play(mut self) -> Tally {
        for item in &self.script.items {
            if let Err(error) = self.item(item) {
                self.fail(item, &format!("{error}; both sides reconnect"));
                self.sessions.remove(&item.session);
            }
        }
        for pair in std::mem::take(&mut self.sessions).into_values() {
            for mut side in pair.sides {
                let _ = side.quit();
            }
        }
        self.tally
    }

    fn fail(&mut self, item: &Item, what: &str) {
        let sql = match &item.action {
            Action::Query(sql) => sql.split_whitespace().collect::<Vec<_>>().join(" "),
            other => format!("{other:?}"),
        };
        let name = &self.script.name;
        self.tally
            .failures
            .push(format!("{name}.sql:{} [{}] {:.200}\n    {what}", item.line, self.pass.name, sql));
    }

    fn connect(&self, item: &Item) -> io::Result<Pair> {
        let open = |endpoint: &Endpoint| {
            let mut endpoint = endpoint.clone();
            endpoint.user = item.user.clone();
            endpoint.password = item.user.clone();
            endpoint.database = format!("eq_{}", self.script.name);
            Client::connect(&endpoint, MULTI_STATEMENTS | self.pass.capabilities)
        };
        Ok(Pair { sides: [open(&self.endpoints[0])?, open(&self.endpoints[1])?], in_transaction: false })
    }

    fn item(&mut self, item: &Item) -> io::Result<()> {
        let mut pair = match self.sessions.remove(&item.session) {
            Some(pair) => pair,
            None => self.connect(item)?,
        };
        match &item.action {
            Action::Reconnect => {
                for side in &mut pair.sides {
                    side.quit()?;
                }
                // A rollback and the release of locks may come after the close.
                std::thread::park_timeout(std::time::Duration::from_millis(100));
                pair = self.connect(item)?;
                self.dirty = true;
                self.writers.insert(String::new());
            }
            Action::ChangeUser => {
                for side in &mut pair.sides {
                    side.change_user()?;
                }
            }
            _ => self.statement(item, &mut pair)?,
        }
        self.sessions.insert(item.session.clone(), pair);
        Ok(())
    }

    fn statement(&mut self, item: &Item, pair: &mut Pair) -> io::Result<()> {
        let sql = match &item.action {
            Action::Query(sql) | Action::Cursor(sql, _) => sql.as_str(),
            _ => "",
        };
        if is_read(sql) && !pair.in_transaction {
            let rows = ["SELECT", "WITH", "VALUES", "TABLE"].contains(&first_word(sql).as_str());
            self.tally.reads += if rows { item.marks.params.len().max(1) } else { 0 };
            self.wait(item);
        }
        if may_write(sql) {
            self.dirty = true;
            self.writers.insert(item.session.clone());
        }
        self.tally.statements += 1;
        let broke = |side: &str, error: io::Error| io::Error::new(error.kind(), format!("{side}: {error}"));
        let direct = self.one_side(item, &mut pair.sides[0]).map_err(|e| broke("direct", e))?;
        let proxy = self.one_side(item, &mut pair.sides[1]).map_err(|e| broke("proxy", e))?;
        pair.in_transaction = direct.iter().flatten().rev().find_map(status).is_some_and(|s| s & 1 != 0);
        self.compare(item, sql, &direct, &proxy);
        Ok(())
    }

    /// Before a read: until the replicas have what another session wrote, which the proxy does not promise at every level of
    /// consistency; and, at the pass' pace, until the proxy knows that they have all.
    fn wait(&mut self, item: &Item) {
        let foreign = self.writers.iter().any(|writer| *writer != item.session);
        if self.pass.paced && std::mem::take(&mut self.dirty) {
            self.behind += 1;
        }
        let settle = self.pass.paced && self.behind >= self.stride;
        if settle {
            self.behind = 0;
        }
        if !settle && !foreign {
            return;
        }
        self.writers.clear();
        // Replicas that do not follow fail the file once, not every read of it.
        if let Some(error) = self.pace.as_mut().and_then(|pace| pace.catch_up(settle).err()) {
            self.pace = None;
            self.fail(item, &error.to_string());
        }
    }

    fn one_side(&self, item: &Item, client: &mut Client) -> io::Result<Transcript> {
        let marks = &item.marks;
        let mut said = match &item.action {
            Action::Query(sql) if !marks.params.is_empty() => execute(client, sql, &marks.params, None)?,
            Action::Query(sql) if self.pass.prepared && !marks.text_only => {
                let said = execute(client, sql, &[Vec::new()], None)?;
                // What cannot be prepared still has to happen.
                match said.first().and_then(|events| decode::error(events)) {
                    Some((1295 | 1064, _)) => [said, query(client, sql)?].concat(),
                    _ => said,
                }
            }
            Action::Query(sql) => query(client, sql)?,
            Action::Cursor(sql, rows) => {
                let none = [Vec::new()];
                let params = if marks.params.is_empty() { &none[..] } else { &marks.params };
                execute(client, sql, params, Some(*rows))?
            }
            Action::Ping => simple(client, Step::Ping)?,
            Action::ResetConnection => simple(client, Step::ResetConnection)?,
            Action::InitDb(name) => simple(client, Step::InitDb(name.clone()))?,
            Action::FieldList(table) => simple(client, Step::FieldList(table.clone()))?,
            Action::SetOption(on) => simple(client, Step::SetOption(*on))?,
            Action::ChangeUser | Action::Reconnect => Vec::new(),
        };
        let warned = said.last().is_some_and(|events| decode::warnings(events) > 0);
        if warned && !marks.quiet {
            said.extend(query(client, "SHOW WARNINGS")?);
        }
        Ok(said)
    }

    fn compare(&mut self, item: &Item, sql: &str, direct: &Transcript, proxy: &Transcript) {
        self.tally.answers += direct.len();
        self.expected(item, direct);
        if let Some(mask) = item.marks.masks.first() {
            self.tally.masked.insert(item.line, mask.reason.clone());
        }
        if let Some(message) = proxy.iter().find_map(|events| made_by_proxy(events)) {
            self.tally.proxy_errors += 1;
            self.fail(item, &format!("the proxy's own error: {message}"));
            return;
        }
        if item.marks.masks.iter().any(|mask| mask.what.iter().any(|what| what == "*all")) {
            return;
        }
        let ordered = sql.to_uppercase().contains("ORDER BY") || !is_read(sql);
        let joins = joins(&sql.to_uppercase());
        let allowed = Allowed { marks: &item.marks, ordered, joins };
        let quiet = Marks::default();
        for at in 0..direct.len().max(proxy.len()) {
            let (Some(a), Some(b)) = (direct.get(at), proxy.get(at)) else {
                let what =
                    format!("direct {} answers {direct:?}, proxy {} {proxy:?}", direct.len(), proxy.len());
                return self.fail(item, &format!("{what:.900}"));
            };
            let last = at + 1 == direct.len() && at > 0 && is_warnings(a) && is_warnings(b);
            let loose = item
                .marks
                .masks
                .iter()
                .flat_map(|m| &m.what)
                .any(|w| ["*warnings", "*message", "*numbers", "*all"].contains(&w.as_str()));
            if last && loose {
                continue;
            }
            let strict = Allowed { marks: &quiet, ordered: true, joins: false };
            if let Some((left, right)) = differ(a, b, if last { &strict } else { &allowed }) {
                let part = if direct.len() > 1 {
                    format!("answer {} of {}: ", at + 1, direct.len())
                } else {
                    String::new()
                };
                return self.fail(item, &format!("{part}direct {left}\n    {part}proxy  {right}"));
            }
        }
    }

    /// Statements without a mark must work, those with one must fail as it says.
    fn expected(&mut self, item: &Item, direct: &Transcript) {
        let mut errors = direct.iter().filter_map(|events| decode::error(events));
        // In this pass a statement may come twice: refused, then as text.
        let error = errors.find(|(code, _)| {
            !(self.pass.prepared && matches!(code, 1295 | 1064) && direct.len() > 1)
                || item.marks.error.as_ref().is_some_and(|codes| codes.contains(code))
        });
        let error = error.map(|(code, message)| (code, message.to_string()));
        match (&item.marks.error, error) {
            (None, Some((code, message))) if !self.pass.prepared => {
                self.fail(item, &format!("unexpected error {code} on the direct side: {message}"));
            }
            (Some(codes), Some((code, message))) if !codes.is_empty() && !codes.contains(&code) => {
                self.fail(item, &format!("expected error {codes:?}, the direct side says {code}: {message}"));
            }
            (Some(codes), None) if !self.pass.prepared => {
                self.fail(item, &format!("expected error {codes:?}, the direct side made none"));
            }
            (Some(_), Some(_)) => self.tally.errors += 1,
            _ => {}
        }
    }
}

fn status(event: &Event) -> Option<u16> {
    match event {
        Event::Ok { status, .. } | Event::Eof { status, .. } => Some(*status),
        _ => None,
    }
}

fn is_warnings(events: &[Event]) -> bool {
    matches!(events.first(), Some(Event::Table { columns, .. }) if columns.first().is_some_and(|c| c.name() == "Level"))
}

fn made_by_proxy(events: &[Event]) -> Option<String> {
    events.iter().find_map(|event| match event {
        Event::Err { message, .. } if message.starts_with("pointsman:") => Some(message.clone()),
        Event::Table { rows, .. } => {
            let mut values = rows.iter().flatten().flatten();
            values.find(|value| value.starts_with("pointsman:")).cloned()
        }
        _ => None,
    })
}

fn query(client: &mut Client, sql: &str) -> io::Result<Transcript> {
    let answer = exchange(client, &text(0x03, sql), Shape::NoCursor)?;
    Ok(vec![events(&answer, false, &[])])
}

fn simple(client: &mut Client, step: Step) -> io::Result<Transcript> {
    let body = step.bytes("", &[]).unwrap_or_default();
    let answer = exchange(client, &body, step.shape())?;
    Ok(vec![events(&answer, false, &[])])
}

/// Prepares, executes with each set of parameters, closes.
fn execute(
    client: &mut Client,
    sql: &str,
    params: &[Vec<Value>],
    cursor: Option<u32>,
) -> io::Result<Transcript> {
    let answer = exchange(client, &text(0x16, sql), Shape::Prepared)?;
    let mut said = vec![events(&answer, false, &[])];
    let Some(id) = answer.statement else { return Ok(said) };
    let ids = [Some(id)];
    for values in params {
        let step = Step::Execute(0, cursor.is_some(), values.clone());
        let shape = if cursor.is_some() { Shape::Results } else { Shape::NoCursor };
        let answer = exchange(client, &step.bytes("", &ids).unwrap_or_default(), shape)?;
        let came = events(&answer, true, &[]);
        let columns = columns(&came);
        said.push(came);
        if let (Some(rows), true) = (cursor, open(&answer)) {
            fetch(client, &ids, rows, &columns, &mut said)?;
        }
    }
    client.command(&Step::CloseStatement(0).bytes("", &ids).unwrap_or_default())?;
    Ok(said)
}

fn columns(events: &[Event]) -> Vec<Column> {
    let tables = events.iter().find_map(|event| match event {
        Event::Table { columns, .. } => Some(columns.clone()),
        _ => None,
    });
    tables.unwrap_or_default()
}

/// SERVER_STATUS_CURSOR_EXISTS
fn open(answer: &Answer) -> bool {
    answer.status & 0x40 != 0
}

fn fetch(
    client: &mut Client,
    ids: &[Option<u32>],
    rows: u32,
    columns: &[Column],
    said: &mut Transcript,
) -> io::Result<()> {
    // SERVER_STATUS_LAST_ROW_SENT ends it; a thousand turns are more than the corpus needs.
    for _ in 0..1000 {
        let step = Step::Fetch(0, rows);
        let answer = exchange(client, &step.bytes("", ids).unwrap_or_default(), Shape::Fetched)?;
        let came = events(&answer, true, columns);
        let last = answer.status & 0x80 != 0 || decode::error(&came).is_some();
        said.push(came);
        if last {
            return Ok(());
        }
    }
    Err(io::Error::other("a cursor without an end"))
}
