//! Prepares the tables, runs a plan's sessions on one thread, and tells what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::sleep;

use super::answer::{self, Answer, Part, Row, Shape};
use super::events;
use super::objects;
use super::session::{OWNERS, Session, Stop};
use super::shared::{Fault, Plan, Settings, Shared};
use super::state::{Baseline, Charsets, ISOLATION, SCHEMAS, VARS};
use super::steps;
use crate::wire::{Conn, DEPRECATE_EOF, Login, MULTI_STATEMENTS, broken};

/// Seconds after which every event must have run.
const LONG: f64 = 30.0;

/// What a run came to.
pub struct Report {
    pub statements: u64,
    pub seconds: f64,
    pub faults: Vec<Fault>,
    /// The number of the last step that each session began.
    pub steps: BTreeMap<u32, u64>,
    pub histories: Vec<VecDeque<(u64, String)>>,
    pub by_feature: BTreeMap<&'static str, u64>,
    /// Logins, connections ended, KILLs, wrong answers after a KILL, steps not taken for want of a permit, swaps.
    pub counts: [u64; 6],
    /// How often the scheduler ran the event that it ran least, and all events.
    pub events: (u64, u64),
}

pub(super) fn login(settings: &Settings, account: usize) -> Login {
    let (user, password) = settings.accounts[account].clone();
    let (host, port) = (settings.host.clone(), settings.port);
    Login {
        host,
        port,
        user,
        password,
        schema: SCHEMAS[0].into(),
        capabilities: DEPRECATE_EOF | MULTI_STATEMENTS,
    }
}

async fn ask(conn: &mut Conn, body: &[u8]) -> io::Result<Answer> {
    conn.command(body).await?;
    let answer = answer::read(conn, Shape::Text, &[]).await?.0;
    match answer.error() {
        Some((code, text)) => Err(broken(format!("{}: {code} {text}", body.escape_ascii()))),
        None => Ok(answer),
    }
}

pub(super) async fn run_sql(conn: &mut Conn, sql: &str) -> io::Result<()> {
    ask(conn, &[b"\x03", sql.as_bytes()].concat()).await.map(drop)
}

pub(super) async fn first_row(conn: &mut Conn, sql: &str) -> io::Result<Row> {
    let answer = ask(conn, &[b"\x03", sql.as_bytes()].concat()).await?;
    match answer.parts.as_slice() {
        [Part::Set(set)] if !set.rows.is_empty() => Ok(set.rows[0].clone()),
        _ => Err(broken(format!("{sql}: {answer}"))),
    }
}

pub(super) fn text(cell: &Option<Vec<u8>>) -> Option<String> {
    cell.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

async fn charsets(conn: &mut Conn) -> io::Result<Charsets> {
    let sql = "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection";
    let row = first_row(conn, sql).await?;
    Ok(std::array::from_fn(|at| row.get(at).and_then(text)))
}

/// What a fresh session has; the tables, with rows that keep the gaps between sessions' rows apart.
pub async fn prepare(settings: &Settings, sessions: u32) -> io::Result<Baseline> {
    let mut conn = Conn::connect(&login(settings, 0)).await?;
    let mut baseline = Baseline { charsets: charsets(&mut conn).await?, ..Baseline::default() };
    let version = first_row(&mut conn, "SELECT VERSION()").await?;
    baseline.mariadb = text(&version[0]).unwrap_or_default().contains("MariaDB");
    let name =
        |var: usize| if var == ISOLATION && !baseline.mariadb { "transaction_isolation" } else { VARS[var] };
    let names: Vec<String> = (0..VARS.len()).map(|var| format!("@@{}", name(var))).collect();
    let row = first_row(&mut conn, &format!("SELECT {}", names.join(", "))).await?;
    baseline.vars = row.iter().map(|cell| text(cell).unwrap_or_default()).collect();
    let weeks: Vec<String> = (0..8).map(|mode| format!("WEEK('2008-02-20', {mode})")).collect();
    let row = first_row(&mut conn, &format!("SELECT {}", weeks.join(", "))).await?;
    baseline.weeks = row.iter().map(|cell| text(cell).unwrap_or_default()).collect();
    tables(&mut conn, sessions).await?;
    // Made by the last account, which may have more rights.
    let mut maker = Conn::connect(&login(settings, settings.accounts.len() - 1)).await?;
    baseline.hidden = match hidden(&mut maker, baseline.mariadb).await {
        Ok(()) => true,
        // Only the rights of one account may be too few.
        Err(error) if settings.accounts.len() == 1 => {
            println!("SKIPPED noleak, the step 'hidden': {error}");
            false
        }
        Err(error) => return Err(error),
    };
    ask(&mut conn, &[0x1f]).await?;
    baseline.reset_charsets = charsets(&mut conn).await?;
    Ok(baseline)
}

/// Objects that leave state out of sight.
async fn hidden(conn: &mut Conn, mariadb: bool) -> io::Result<()> {
    if mariadb {
        for sql in [
            "DROP TABLE IF EXISTS test.nl_hidden_default",
            "DROP SEQUENCE IF EXISTS test.nl_hidden_sequence",
            "CREATE SEQUENCE test.nl_hidden_sequence",
            "CREATE TABLE test.nl_hidden_default (a BIGINT DEFAULT (NEXTVAL(test.nl_hidden_sequence)), v VARCHAR(40), KEY (a))",
        ] {
            run_sql(conn, sql).await?;
        }
    }
    objects::make(conn, mariadb).await?;
    events::make(conn, mariadb).await
}

async fn tables(conn: &mut Conn, sessions: u32) -> io::Result<()> {
    let engine = "ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4";
    let own = "owner INT NOT NULL, v VARCHAR(40) NOT NULL";
    run_sql(conn, &format!("CREATE TABLE IF NOT EXISTS test.nl_rows ({own}, id INT NOT NULL, PRIMARY KEY (owner, id)) {engine}")).await?;
    run_sql(conn, &format!("CREATE TABLE IF NOT EXISTS test.nl_auto ({own}, id BIGINT NOT NULL AUTO_INCREMENT, PRIMARY KEY (owner, id), KEY (id)) {engine}")).await?;
    run_sql(conn, &format!("CREATE TABLE IF NOT EXISTS test.nl_shadow (v VARCHAR(40)) {engine}")).await?;
    for table in ["nl_rows", "nl_auto", "nl_shadow"] {
        run_sql(conn, &format!("TRUNCATE TABLE test.{table}")).await?;
    }
    run_sql(conn, "INSERT INTO test.nl_shadow VALUES ('base')").await?;
    for schema in SCHEMAS {
        run_sql(conn, &format!("CREATE TABLE IF NOT EXISTS {schema}.nl_where (name VARCHAR(20)) {engine}"))
            .await?;
        run_sql(conn, &format!("TRUNCATE TABLE {schema}.nl_where")).await?;
        run_sql(conn, &format!("INSERT INTO {schema}.nl_where VALUES ('{schema}')")).await?;
    }
    for n in 0..16 {
        run_sql(conn, &format!("CREATE TABLE IF NOT EXISTS test.nl_lock_{n} (n INT) {engine}")).await?;
        run_sql(conn, &format!("TRUNCATE TABLE test.nl_lock_{n}")).await?;
        run_sql(conn, &format!("INSERT INTO test.nl_lock_{n} VALUES ({n})")).await?;
    }
    let owners: Vec<u32> = (0..sessions * OWNERS).collect();
    for some in owners.chunks(500) {
        let values: Vec<String> = some.iter().map(|owner| format!("({owner}, -1, '')")).collect();
        for table in ["nl_rows", "nl_auto"] {
            run_sql(conn, &format!("INSERT INTO test.{table} (owner, id, v) VALUES {}", values.join(", ")))
                .await?;
        }
    }
    Ok(())
}

async fn one_session(number: u32, shared: Rc<Shared>) {
    let mut session = match Session::start(number, shared.clone()).await {
        Ok(session) => session,
        Err(Stop::Fail(what)) => return shared.fail(Fault { session: number, feature: "login", what }),
        Err(_) => return,
    };
    let steps = shared.plan.sessions.get(&number).cloned().flatten();
    let mut at = 0;
    let mut before = 0;
    while !shared.time_is_up() {
        let step = match &steps {
            None => at,
            Some(list) if list.is_empty() => return,
            Some(list) => list[at as usize % list.len()],
        };
        at += 1;
        match steps::step(&mut session, step).await {
            Ok(()) => {}
            Err(Stop::Fail(what)) => return session.report(what),
            Err(_) => return,
        }
        // Where nothing could be sent, there may be more to do when others have gone on.
        if shared.statements.get() == before {
            sleep(Duration::from_millis(1)).await;
        }
        before = shared.statements.get();
    }
}

async fn progress(shared: Rc<Shared>) {
    let mut before = 0;
    loop {
        sleep(Duration::from_secs(10)).await;
        let now = shared.statements.get();
        let rate = (now - before) / 10;
        let rest = shared.plan.statements.saturating_sub(now);
        match rest.checked_div(rate) {
            Some(left) => eprintln!("{now} statements, {rate}/s, {left} s to go"),
            None => eprintln!("{now} statements, none in 10 s"),
        }
        before = now;
    }
}

/// Runs a plan to its end or to the first failure.
pub fn run(settings: &Settings, plan: &Plan, quiet: bool) -> io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    let count = plan.sessions.keys().max().map_or(0, |last| last + 1);
    let report = local.block_on(&runtime, async {
        let baseline = prepare(settings, count).await?;
        // Without it another session's first read may miss the tables on a replica that stood still.
        sleep(Duration::from_secs(3)).await;
        let shared = Rc::new(Shared::new(settings.clone(), baseline, plan.clone()));
        let tasks: Vec<_> = plan
            .sessions
            .keys()
            .map(|number| tokio::task::spawn_local(one_session(*number, shared.clone())))
            .collect();
        let ticker = (!quiet).then(|| tokio::task::spawn_local(progress(shared.clone())));
        let replacing = settings
            .direct
            .filter(|_| shared.baseline.hidden)
            .map(|port| tokio::task::spawn_local(objects::replace(settings.clone(), port)));
        for task in tasks {
            // A failure ends the run: nobody waits for those that hang in it.
            while !task.is_finished() && shared.faults.borrow().is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
        }
        for task in ticker.into_iter().chain(replacing) {
            task.abort();
        }
        let mut report = outcome(&shared);
        if shared.baseline.hidden {
            let (counts, what) = match end_events(settings, shared.baseline.mariadb).await {
                Ok(counts) => (counts, "the scheduler never ran one of its events".to_owned()),
                Err(error) => ((0, 0), format!("the events cannot be counted: {error}")),
            };
            report.events = counts;
            if counts.0 == 0 && report.seconds > LONG && settings.sabotage == 0 {
                report.faults.push(Fault { session: 0, feature: "events", what });
            }
        }
        Ok::<_, io::Error>(report)
    })?;
    Ok(report)
}

/// Asks the server itself, if its port is known: the sessions that ended with the run, some within their login, may have used
/// up what the proxy permits an address in failed logins.
async fn end_events(settings: &Settings, mariadb: bool) -> io::Result<(u64, u64)> {
    let maker = login(settings, settings.accounts.len() - 1);
    let port = settings.direct.unwrap_or(maker.port);
    let mut maker = Conn::connect(&Login { port, ..maker }).await?;
    events::end(&mut maker, mariadb).await
}

fn outcome(shared: &Shared) -> Report {
    let steps = shared.plan.sessions.keys().map(|number| (*number, shared.peer(*number, |peer| peer.steps)));
    Report {
        statements: shared.statements.get(),
        seconds: shared.began.elapsed().as_secs_f64(),
        faults: shared.faults.borrow().clone(),
        steps: steps.collect(),
        histories: shared.histories.borrow().clone(),
        by_feature: shared.by_feature.borrow().clone(),
        counts: [
            shared.logins.get(),
            shared.lost.get(),
            shared.kills.get(),
            shared.excused.get(),
            shared.skipped.get(),
            shared.swaps.get(),
        ],
        events: (0, 0),
    }
}
