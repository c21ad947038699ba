//! Differential fuzzing of the read-only port: texts by chance, from an account with all rights, in every character set that
//! the port admits and in several sql_modes, as text and prepared. The replica's state never changes.
//!
//! `SOUPS` texts (2,000 without it) are made; those that the guard refuses are not sent, but for a sample: the port must
//! refuse them, too. `FINDINGS` ends the run after so many changes. A run without `POINTSMAN_SEED`
//! always makes the same texts: what a change did not break must not stop it. `SOUPS_WITHOUT` are strings
//! with commas between them; texts with one of them are not sent.

mod finding;
mod quality;
mod tokens;

use super::client::{Answer, Bytes};
use super::scene::{Places, Scene};
use super::{corpus, statements};
use crate::support::{Chance, Cluster, Kind, number};
use pointsman::sql::read_only::{Calls, Reason, Refusal, Verdict, check_calls};
use pointsman::sql::{Options, Readings};
use pointsman::terms::TextCharset;
use quality::Quality;
use std::collections::BTreeMap;

/// Texts that are made before the state is compared.
const ROUND: usize = 4000;
/// Sessions of one round, side by side.
const SESSIONS: usize = 6;
/// A session's own settings are set again after so many texts.
const FRESH_AFTER: usize = 60;

const MODES: &[&str] = &[
    "",
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
    "IGNORE_SPACE",
    "PIPES_AS_CONCAT",
    "HIGH_NOT_PRECEDENCE",
    "ORACLE",
    "ANSI",
    "TRADITIONAL",
    "MSSQL",
    "IGNORE_SPACE,PIPES_AS_CONCAT",
    "",
];

/// MySQL refuses these.
const OF_MARIADB: [&str; 2] = ["ORACLE", "MSSQL"];

#[tokio::test]
async fn soups_change_nothing_on_mariadb() {
    change_nothing(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn soups_change_nothing_on_mysql() {
    if let Some(cluster) = Cluster::mysql(1).await {
        change_nothing(cluster).await;
    }
}

/// How a session sets its sql_mode.
#[derive(Debug, Clone, Copy)]
enum Spelling {
    /// By its name: the proxy reads it.
    Name,
    /// By an expression: only the server's report tells it.
    Expression,
    /// By its number, or by an expression where it has several names, and the trackers are off: nothing tells it.
    Untold,
}

/// Modes with the bit that stands for them in `SET sql_mode = <number>`, the same on both servers.
const BITS: [(&str, u32); 4] = [
    ("PIPES_AS_CONCAT", 1 << 1),
    ("ANSI_QUOTES", 1 << 2),
    ("IGNORE_SPACE", 1 << 3),
    ("NO_BACKSLASH_ESCAPES", 1 << 20),
];

impl Spelling {
    /// The statement that sets `mode`.
    fn set(self, mode: &str) -> String {
        let expression = format!("REPLACE('{mode}', '-', '')");
        let bit = |name| BITS.iter().find(|(known, _)| *known == name).map(|(_, bit)| bit);
        match self {
            Self::Name => format!("SET sql_mode = '{mode}'"),
            Self::Expression => format!("SET sql_mode = {expression}"),
            Self::Untold => {
                let number = mode.split(',').map(bit).sum::<Option<u32>>();
                let value = number.map_or(expression, |number| number.to_string());
                format!("SET session_track_system_variables = '', sql_mode = {value}")
            }
        }
    }
}

/// How a session reads texts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The collation of the handshake response.
    collation: Option<u8>,
    /// SET NAMES.
    names: Option<String>,
    /// The character set that comes of it.
    charset: String,
    mode: &'static str,
    spelling: Spelling,
    prepared: bool,
}

impl Settings {
    /// How the server reads the texts of such a session, and how a proxy might that does not know the mode.
    fn readings(&self) -> Vec<Readings> {
        let modes = match self.spelling {
            Spelling::Name => vec![self.mode],
            Spelling::Expression | Spelling::Untold => vec![self.mode, "", "ANSI_QUOTES"],
        };
        modes.into_iter().map(|mode| self.readings_in(mode)).collect()
    }

    fn readings_in(&self, mode: &str) -> Readings {
        let has = |name| mode.split(',').any(|one| one == name);
        let ansi_quotes = ["ANSI_QUOTES", "ANSI", "ORACLE", "MSSQL"].into_iter().any(has);
        let no_backslash_escapes = has("NO_BACKSLASH_ESCAPES");
        Options { ansi_quotes, no_backslash_escapes, charset: TextCharset::of(self.charset.as_bytes()) }
            .into()
    }
}

/// One session, and what it sends.
#[derive(Debug, Clone)]
pub struct Plan {
    settings: Settings,
    texts: Vec<Vec<u8>>,
}

/// What the texts of a run got.
#[derive(Debug, Default)]
struct Counts {
    made: usize,
    refused: BTreeMap<&'static str, usize>,
    sent: usize,
    answered: usize,
    errors: BTreeMap<u16, usize>,
    gone: usize,
}

async fn change_nothing(cluster: Cluster) {
    let kind = cluster.kind();
    let seed = number("POINTSMAN_SEED", 37);
    let (wanted, most) = (number("SOUPS", 2000), number("FINDINGS", 20));
    let mut scene = Scene::new(cluster).await;
    let mut chance = Chance::new(seed as u64);
    let without = std::env::var("SOUPS_WITHOUT").unwrap_or_default();
    let without: Vec<&str> = without.split(',').filter(|part| !part.is_empty()).collect();
    let charsets = admitted(&scene).await;
    let texts = sources(kind);
    let mut quality = Quality::new(&scene, number("REFUSED_SAMPLE", 50)).await;
    eprintln!("{}: seed {seed}, {} texts, character sets {}", kind.name(), texts.len(), shown(&charsets));
    let (mut counts, mut findings, mut disagreed) = (Counts::default(), Vec::new(), Vec::new());
    let mut before = scene.watched().state().await;
    while counts.made < wanted && findings.len() < most {
        let mut plans = Vec::new();
        for _ in 0..SESSIONS {
            let settings = settings(&mut chance, &charsets, kind);
            let mut plan = plan(&mut chance, &texts, settings, &mut counts, &mut quality);
            plan.texts.retain(|text| !has_any(text, &without));
            plans.push(plan);
        }
        let places = scene.places(&before);
        play(&scene, &places, &plans, &mut counts).await;
        let after = scene.watched().state().await;
        if after != before {
            let found = finding::look(&mut scene, &plans, &before, &after).await;
            eprintln!("{found}");
            findings.push(found);
        }
        disagreed.extend(quality.ask(&scene, &places).await);
        before = scene.watched().state().await;
    }
    eprintln!("{}: {counts:#?}\n{quality}", kind.name());
    still_replicates(&scene).await;
    assert!(
        findings.is_empty(),
        "{}: seed {seed}: {} changes:\n{}",
        kind.name(),
        findings.len(),
        findings.join("\n")
    );
    assert!(
        disagreed.is_empty(),
        "{}: seed {seed}: the port answers what the guard refuses:\n{}",
        kind.name(),
        disagreed.join("\n")
    );
}

fn shown(charsets: &[Charset]) -> String {
    let one = |(id, names, charset): &Charset| match (id, names) {
        (Some(id), _) => format!("{charset} (login {id})"),
        (_, Some(_)) => charset.clone(),
        _ => "default".to_owned(),
    };
    charsets.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Without regard to case.
fn has_any(text: &[u8], parts: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    parts.iter().any(|part| text.windows(part.len()).any(|window| window == part.as_bytes()))
}

/// A write of the primary arrives.
async fn still_replicates(scene: &Scene) {
    scene.cluster.primary().sql("REPLACE INTO test.u VALUES (99)").await;
    scene.cluster.wait_caught_up().await;
}

/// What somebody wrote, in tokens. Not what waits, since a run has many texts.
fn sources(kind: Kind) -> Vec<Vec<Vec<u8>>> {
    let written = statements::writing(kind).map(str::to_owned);
    let tools = corpus::tools().into_iter().map(|entry| entry.sql.to_owned());
    let attacks = corpus::attacks();
    let attacks = attacks.iter().flat_map(|entry| entry.sql.split("\n-- then\n")).map(str::to_owned);
    let waits = |text: &String| {
        let text = text.to_ascii_uppercase();
        ["SLEEP", "BENCHMARK", "GET_LOCK", "SHUTDOWN", "RESTART", "INFORMATION_SCHEMA"]
            .iter()
            .any(|word| text.contains(word))
    };
    let all = tools.chain(attacks).chain(written).filter(|text| !waits(text));
    all.map(|text| tokens::tokens(&super::scene::bytes(&text))).filter(|tokens| !tokens.is_empty()).collect()
}

/// A character set that the port lets a session have: the collation of the handshake or the name in SET NAMES, and its own name.
type Charset = (Option<u8>, Option<String>, String);

/// Tries all character sets of the server.
async fn admitted(scene: &Scene) -> Vec<Charset> {
    let mut all = vec![(None, None, "utf8mb4".to_owned())];
    let names = "SELECT character_set_name FROM information_schema.character_sets ORDER BY 1";
    for name in
        scene.replica().sql(names).await.into_iter().filter_map(|row| row.into_iter().next().flatten())
    {
        let mut session = Bytes::login(scene.proxy.ro, "super", None).await.expect("a login");
        let set = session.text(format!("SET NAMES {name}").as_bytes()).await == Answer::Done;
        if set && session.text(b"SELECT 1").await == Answer::Done {
            all.push((None, Some(name.clone()), name));
        }
    }
    let ids =
        "SELECT MIN(id), character_set_name FROM information_schema.collations WHERE id < 256 GROUP BY 2";
    let default = scene.replica().value("SELECT @@global.character_set_client").await;
    for row in scene.replica().sql(ids).await {
        let [Some(id), Some(name)] = &row[..] else { continue };
        let id = id.parse().expect("a number");
        if let Ok(mut session) = Bytes::login(scene.proxy.ro, "super", Some(id)).await
            && session.text(b"SELECT 1").await == Answer::Done
        {
            // At a login, a server puts its default in the place of a character set that no client may have (utf16, …).
            let refused = scene.replica().try_sql(&format!("SET NAMES {name}")).await.is_err();
            all.push((Some(id), None, if refused { default.clone() } else { name.clone() }));
        }
    }
    all
}

fn settings(chance: &mut Chance, charsets: &[Charset], kind: Kind) -> Settings {
    // Half of the sessions are like most sessions.
    let charset = if chance.below(2) == 0 { &charsets[0] } else { tokens::one(chance, charsets) };
    let (collation, names, charset) = charset.clone();
    let mode = if chance.below(2) == 0 { "" } else { tokens::one(chance, MODES) };
    let mode = if kind == Kind::MySql && OF_MARIADB.contains(&mode) { "" } else { mode };
    let spelling =
        *tokens::one(chance, &[Spelling::Name, Spelling::Name, Spelling::Expression, Spelling::Untold]);
    Settings { collation, names, charset, mode, spelling, prepared: chance.below(3) == 0 }
}

/// Makes texts for one session, and keeps those that the guard lets pass.
fn plan(
    chance: &mut Chance,
    sources: &[Vec<Vec<u8>>],
    settings: Settings,
    counts: &mut Counts,
    quality: &mut Quality,
) -> Plan {
    let mut texts = Vec::new();
    for _ in 0..ROUND / SESSIONS {
        let text = tokens::soup(chance, sources);
        counts.made += 1;
        match refusal(&text, &settings.readings()) {
            None => texts.push(text),
            Some(reason) => {
                *counts.refused.entry(reason.as_str()).or_default() += 1;
                quality.note(chance, &settings, &text, reason);
            }
        }
    }
    Plan { settings, texts }
}

/// Why the guard, without a catalogue, refuses a text in each of these readings. None if it lets it pass in one of them.
fn refusal(text: &[u8], readings: &[Readings]) -> Option<Reason> {
    let refusals = readings.iter().map(|readings| {
        match check_calls(text, *readings, &Calls { schema: b"test", routines: &() }) {
            Verdict::Allowed | Verdict::Opaque => None,
            Verdict::Refused(Refusal { reason, .. }) => Some(reason),
        }
    });
    refusals.collect::<Option<Vec<_>>>().and_then(|reasons| reasons.first().copied())
}

/// Plays all plans, side by side.
async fn play(scene: &Scene, places: &Places, plans: &[Plan], counts: &mut Counts) {
    let mut tasks = tokio::task::JoinSet::new();
    for plan in plans {
        let (port, places, plan) = (scene.proxy.ro, places.clone(), plan.clone());
        tasks.spawn(async move { run(port, &plan, &places).await });
    }
    while let Some(answers) = tasks.join_next().await {
        for answer in answers.expect("a session") {
            counts.sent += 1;
            match answer {
                Answer::Done => counts.answered += 1,
                Answer::Error(code, _) => *counts.errors.entry(code).or_default() += 1,
                Answer::Gone => counts.gone += 1,
            }
        }
    }
}

/// Plays one plan. A session that ended is opened again.
pub async fn run(port: u16, plan: &Plan, places: &Places) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut session = None;
    for (number, text) in plan.texts.iter().enumerate() {
        if number % FRESH_AFTER == 0 {
            session = None;
        }
        let open = match session.take() {
            Some(open) => open,
            None => match opened(port, &plan.settings).await {
                Some(open) => open,
                None => return answers,
            },
        };
        let (mut open, text) = (open, places.fill(text));
        let answer = if plan.settings.prepared { open.prepared(&text).await } else { open.text(&text).await };
        session = (answer != Answer::Gone).then_some(open);
        answers.push(answer);
    }
    answers
}

/// A session with these settings.
async fn opened(port: u16, settings: &Settings) -> Option<Bytes> {
    let mut session = Bytes::login(port, "super", settings.collation).await.ok()?;
    if let Some(names) = &settings.names {
        session.text(format!("SET NAMES {names}").as_bytes()).await;
    }
    if !settings.mode.is_empty() {
        session.text(settings.spelling.set(settings.mode).as_bytes()).await;
    }
    Some(session)
}
