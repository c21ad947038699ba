//! Differential fuzzing at the level of packets: sessions by chance on a direct connection, and through a default and a tight
//! proxy, at the same time. Each packet must be the same. A finding is made small, and printed as a case for `cases.txt`.
//!
//! `ALIKE_STEPS` steps (6,000 without it) are played on each side, from `POINTSMAN_SEED` on: each session has a seed of its own,
//! and a run with that seed begins with that session. `FINDINGS` ends the run after so many; `LANES` sessions run side by side;
//! `GRAMMAR` is another file of rules.
#![allow(clippy::disallowed_types, reason = "the lanes share what they found")]

use super::grammar::Grammar;
use super::shrink::{Difference, Sides, difference, shrink};
use super::world::{Case, Side};
use crate::dialogue::raw::Raw;
use crate::support::{Chance, Cluster, Kind, number};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Steps of a session, at least.
const LENGTH: usize = 80;
/// After so many steps a run says how far it is.
const PROGRESS: usize = 50_000;

const WORDS: [&str; 6] = ["found", "ignore_space", "track", "deprecate", "local", "compress"];

/// Of others each session in eight.
const SELDOM: [&str; 7] =
    ["long_flag", "odbc", "interactive", "ps_results", "not_transactions", "one_statement", "one_result"];

/// A difference that is known and not yet mended.
struct Known {
    /// The kinds of servers that show it.
    kinds: &'static [Kind],
    /// How the step begins.
    step: &'static str,
    /// How steps in front of it begin, in this order; others may stand between them.
    behind: &'static [&'static str],
    /// Parts of the first packets that differ: of the direct answer, and of the one through the proxy.
    parts: [&'static str; 2],
    why: &'static str,
}

const SETS_BY_EXPRESSION: &str =
    "whether the client's tracker of state is on is not known if an expression set it";

const BOTH: &[Kind] = &[Kind::MariaDb, Kind::MySql];
const MYSQL: &[Kind] = &[Kind::MySql];
const MARIADB: &[Kind] = &[Kind::MariaDb];

/// A statement that compares a number with `abc` has four warnings where it was executed with a number before, else five.
const WARNINGS_BY_TYPES: &str = "MySQL's number of warnings depends on the types of an earlier execute of the statement on the connection";

const FOUND_BEHIND_RESET: &str = "servers keep FOUND_ROWS() at COM_RESET_CONNECTION and COM_CHANGE_USER";

const REFUSED_DEFINITION: &str = "a refused definition ends a transaction, which no error packet says: MySQL's next OK packet does, and that is one \
                                  of the proxy's own questions";

const WATCHED_BEFORE: &str = "a server that watches its session's state already may not report what the SET that begins to watch reports";

const FLAG_OF_PLAN: &str = "whether a query used no index depends on MySQL's plan, and that on the server's statistics of its dictionary";

const PREPARED_AGAIN: &str = "an execute that MariaDB prepares again, because another session changed a routine meanwhile, forgets the errors before it";

/// They are counted, and printed at the end. The rest of such a session is not compared.
const KNOWN: [Known; 40] = [
    Known {
        kinds: MYSQL,
        step: "SHOW DATABASES",
        behind: &[],
        parts: [r"\xfe\x00\x00\x02\x00", r#"\xfe\x00\x00\"\x00"#],
        why: FLAG_OF_PLAN,
    },
    Known {
        kinds: MYSQL,
        step: "SHOW DATABASES",
        behind: &[],
        parts: [r#"\xfe\x00\x00\"\x00"#, r"\xfe\x00\x00\x02\x00"],
        why: FLAG_OF_PLAN,
    },
    Known {
        kinds: MARIADB,
        step: "SET session_track_state_change = 1",
        behind: &["SET"],
        parts: [r"\x02@", r"\x02\x00"],
        why: WATCHED_BEFORE,
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["!prepare SELECT alike_sets", "!execute"],
        parts: [r"\x010 | ", r"\x011 | "],
        why: PREPARED_AGAIN,
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["!prepare SELECT alike_sets", "!execute"],
        parts: [r"\x011 | ", r"\x010 | "],
        why: PREPARED_AGAIN,
    },
    Known {
        kinds: MYSQL,
        step: "!bytes 1b 0",
        behind: &[],
        parts: [r"\xfe\x01", r"\xfe\x00"],
        why: "the question for the insert id, in front of another setting of COM_SET_OPTION, takes the diagnostics away",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["SET session_track_state_change = 1"],
        parts: [r"\x02\xc0", r"\x02\x80"],
        why: "the EOF packet in front of the rows of a SET STATEMENT says that state has changed",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["SELECT", "EXECUTE IMMEDIATE"],
        parts: [r"\xfe\x00\x00", r"\x010"],
        why: "nobody but the server knows whether a text that is made by an expression opens a table, and keeps what a replica has",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["SET", "SET session_track_state_change = 1"],
        parts: [r"\x02@", r"\x02\x00"],
        why: WATCHED_BEFORE,
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["!prepare", "!fetch"],
        parts: ["The statement (#) has no open cursor", "Unknown prepared statement handler (#)"],
        why: "where the diagnostics are the statement is not prepared",
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["DROP"],
        parts: [r"\x00\x00\x00\x03\x00", r"\x0b\x05\t\x08T_______"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["CREATE"],
        parts: [r"\x00\x00\x00\x03\x00", r"\x0b\x05\t\x08T_______"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MYSQL,
        step: "!",
        behind: &["!prepare", "!other ALTER TABLE", "!prepare"],
        parts: ["Truncated incorrect DOUBLE value", "Truncated incorrect INTEGER value"],
        why: "MySQL names another type in this error if it prepared the statement before a table was altered; sessions share statements",
    },
    Known {
        kinds: MARIADB,
        step: "!bytes 0e",
        behind: &["SET", "SET STATEMENT sql_mode"],
        parts: [r"\x00\x00\x00\x02", r"\x00\x00\x00\x02"],
        why: "a SET STATEMENT in a character set that nobody told is not read, and its modes are taken for the session's",
    },
    Known {
        kinds: MARIADB,
        step: "SELECT FOUND_ROWS()",
        behind: &["XA"],
        parts: [r"\x010", r"\x011"],
        why: "MariaDB gives a new session the FOUND_ROWS() of the thread's session before",
    },
    Known {
        kinds: MYSQL,
        step: "SELECT v, COUNT(*)",
        behind: &["!other ALTER TABLE"],
        parts: [r"COUNT(*)\x00\x0c?\x00", r"COUNT(*)\x00\x0c?\x00"],
        why: "the flags of a column depend on MySQL's plan, and that on each server's statistics of the table",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &[],
        parts: [r"login: \x00\x00\x00\x02\x00\x02\x00", r"login: \x00\x00\x00\x02\x00\x00\x00"],
        why: "MariaDB sometimes counts a warning at a login",
    },
    Known {
        kinds: BOTH,
        step: "SELECT",
        behind: &[],
        parts: ["", "what the last statement did is not known any more"],
        why: "another session had the connection since the session's last query, before its first FOUND_ROWS()",
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["!use", "!prepare", "!use"],
        parts: [r"\x01\x05\x04test", r"\x00\x00\x00"],
        why: "MySQL's next OK packet says that an execute changed the schema and changed it back, on another server",
    },
    Known {
        kinds: BOTH,
        step: "SELECT FOUND_ROWS()",
        behind: &["!change"],
        parts: [r"\x01", r"\x010"],
        why: FOUND_BEHIND_RESET,
    },
    Known {
        kinds: BOTH,
        step: "SELECT FOUND_ROWS()",
        behind: &["!reset"],
        parts: [r"\x01", r"\x010"],
        why: FOUND_BEHIND_RESET,
    },
    Known {
        kinds: MARIADB,
        step: "!",
        behind: &[],
        parts: [r"\xfe\x00\x00\x02@", r"\xfe\x00\x00\x02\x00"],
        why: "MariaDB's EOF packets say that an execute changed the schema and changed it back",
    },
    Known {
        kinds: MYSQL,
        step: "!execute",
        behind: &[],
        parts: [r"\x00\x01?\x00\x0c", r"\x00\x01?\x00\x0c"],
        why: "MySQL gives the column of a parameter the type of an earlier execute on the connection",
    },
    Known {
        kinds: MYSQL,
        step: "!",
        behind: &["!execute"],
        parts: [r"\xfe", r"\xfe"],
        why: WARNINGS_BY_TYPES,
    },
    Known {
        kinds: BOTH,
        step: "!prepare",
        behind: &[],
        parts: [r"\xfe\x00\x00", r"\xfe\x00\x00"],
        why: "no error packet says whether the refused statement began or ended a transaction (autocommit = 0)",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &[],
        parts: ["at row ", "at row "],
        why: "MariaDB counts the rows of the statement before it in an error about a parameter",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &[],
        parts: [r"login: \x00\x00\x00\x02\x00\x01\x00", r"login: \x00\x00\x00\x02\x00\x00\x00"],
        why: "MariaDB sometimes counts a warning at a login",
    },
    Known {
        kinds: MYSQL,
        step: "!",
        behind: &["!prepare SELECT alike_sets(?), @f", "!execute"],
        parts: ["@f", "@f"],
        why: "MySQL gives the column of a user variable the type that it had when the connection prepared the statement",
    },
    Known {
        kinds: MYSQL,
        step: "ROLLBACK",
        behind: &["CREATE"],
        parts: [r"\x00\x00\x00\x03\x00", r"\x00\x00\x00\x03@\x00\x00\x00\x0b\x05"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MYSQL,
        step: "ROLLBACK",
        behind: &["DROP"],
        parts: [r"\x00\x00\x00\x03\x00", r"\x00\x00\x00\x03@\x00\x00\x00\x0b\x05"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &[],
        parts: [r"login: \x00\x00\x00\x02@\x01\x00", r"login: \x00\x00\x00\x02@\x00\x00"],
        why: "MariaDB sometimes counts a warning at a login",
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["CREATE"],
        parts: [r"\x05\t\x08________", r"\x00\x00\x00"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["DROP"],
        parts: [r"\x05\t\x08________", r"\x00\x00\x00"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MARIADB,
        step: "SELECT FOUND_ROWS()",
        behind: &[],
        parts: [r"\x01", r"\x010"],
        why: "MariaDB gives a new session the FOUND_ROWS() of the thread's session before",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["SET session_track_state_change = @b"],
        parts: ["", ""],
        why: SETS_BY_EXPRESSION,
    },
    Known {
        kinds: MARIADB,
        step: "SET STATEMENT",
        behind: &["SET session_track"],
        parts: [r"@ | ", r"\x00 | "],
        why: "the EOF packet in front of the rows of a SET STATEMENT says that state has changed",
    },
    Known {
        kinds: MARIADB,
        step: "SHOW COUNT(*) WARNINGS",
        behind: &["RESIGNAL"],
        parts: [r"\x011", r"\x012"],
        why: "MariaDB sometimes counts a warning at a login",
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["SET session_track_state_change"],
        parts: [r"\x02\x011", ""],
        why: "MySQL's next OK packet says that a result changed state, to a client whose results end with EOF packets",
    },
    Known {
        kinds: MYSQL,
        step: "!again",
        behind: &[],
        parts: [r"\x00\x00\x00", "silence"],
        why: "MySQL answers an execute behind one with a cursor with columns and no rows, and drivers wait, too",
    },
    Known {
        kinds: MARIADB,
        step: "!again",
        behind: &["!prepare"],
        parts: ["Incorrect arguments", "Malformed communication packet"],
        why: "MariaDB reads on behind the end of an execute that is too short",
    },
];

/// What lanes share.
struct Run {
    kind: Kind,
    grammar: Grammar,
    /// The seed of the next session.
    next: AtomicUsize,
    steps: AtomicUsize,
    wanted: usize,
    most: usize,
    /// By their shapes.
    findings: Mutex<BTreeMap<String, String>>,
    /// Sessions that differed in a step of a shape that was found before.
    again: AtomicUsize,
    /// Sessions that differed in a way of `KNOWN`.
    known: [AtomicUsize; KNOWN.len()],
    over: AtomicBool,
    /// The HTTP ports of the proxies.
    proxies: [u16; 2],
    /// How often a proxy has refused what a replica reported.
    accused: AtomicUsize,
}

impl Run {
    /// Notes a session during which a replica was accused. The lanes beside it may be the reason: with LANES=1 it is this one.
    async fn note_accusations(&self, case: &Case) {
        let mut all = 0;
        for http in self.proxies {
            all += super::accusations(http).await;
        }
        if all > self.accused.fetch_max(all, Relaxed) && self.is_new("accusation", 0) {
            let text = format!(
                "{}# a replica was accused of false reports, by this session or one beside it\n",
                case.text()
            );
            eprintln!("{text}");
            self.findings.lock().expect("no panic").insert("accusation".to_owned(), text);
        }
    }

    fn goes_on(&self) -> bool {
        self.steps.load(Relaxed) < self.wanted && self.findings.lock().expect("no panic").len() < self.most
    }

    fn case(&self, seed: usize) -> Case {
        let mut chance = Chance::new(seed as u64);
        let steps = self.grammar.steps(&mut chance, LENGTH);
        let mut words: Vec<_> =
            WORDS.into_iter().filter(|_| chance.below(3) == 0).map(str::to_owned).collect();
        words.extend(SELDOM.into_iter().filter(|_| chance.below(8) == 0).map(str::to_owned));
        Case { name: format!("seed {seed}"), kinds: vec![self.kind], words, steps }
    }

    /// True if the difference is one of `KNOWN`, which counts it.
    fn is_known(&self, case: &Case, found: &Difference) -> bool {
        let step = case.steps[..found.at].last().map_or("", String::as_str);
        let shown = found.shown();
        let before = &case.steps[..found.at.saturating_sub(1)];
        let is_it = |known: &Known| {
            known.kinds.contains(&self.kind)
                && (known.why != WARNINGS_BY_TYPES || differ_in_warnings(&shown))
                && (known.why != SETS_BY_EXPRESSION || differ_in_changed(&shown))
                && stand_in(before, known.behind)
                && step.starts_with(known.step)
                && known.parts.iter().zip(&shown).all(|(part, shown)| shown.contains(part))
        };
        let Some(at) = KNOWN.iter().position(is_it) else { return false };
        self.known[at].fetch_add(1, Relaxed);
        true
    }

    /// True for the first finding of its shape.
    fn is_new(&self, shape: &str, seed: usize) -> bool {
        let mut findings = self.findings.lock().expect("no panic");
        if findings.contains_key(shape) {
            self.again.fetch_add(1, Relaxed);
            return false;
        }
        findings.insert(shape.to_owned(), format!("seed {seed}"));
        true
    }
}

/// What makes findings alike: the first words of the step, without numbers.
fn shape(case: &Case, found: &Difference) -> String {
    let step = case.steps[..found.at].last().map_or("login", String::as_str);
    let words = step.split_whitespace().take(3).map(|word| word.replace(|c: char| c.is_ascii_digit(), ""));
    words.collect::<Vec<_>>().join(" ")
}

async fn lane(run: Arc<Run>, mut sides: Sides) {
    while run.goes_on() {
        let seed = run.next.fetch_add(1, Relaxed);
        let case = run.case(seed);
        let found = difference(&mut sides, &case).await;
        // Behind a difference nothing is compared.
        let compared = found.as_ref().map_or(case.steps.len(), |found| found.at);
        let before = run.steps.fetch_add(compared, Relaxed);
        if before / PROGRESS != (before + compared) / PROGRESS {
            eprintln!("{}: {} steps, at seed {seed}", run.kind.name(), before + compared);
        }
        run.note_accusations(&case).await;
        let Some(found) = found else { continue };
        if run.is_known(&case, &found) {
            continue;
        }
        let shape = shape(&case, &found);
        if run.is_new(&shape, seed) {
            let (case, found) = shrink(&mut sides, case, found).await;
            // The whole session may have shown the same difference in other bytes, or with more words.
            let verb = |shape: &str| shape.split(' ').next().map(str::to_owned);
            if verb(&shape) == verb(&self::shape(&case, &found)) && run.is_known(&case, &found) {
                run.findings.lock().expect("no panic").remove(&shape);
                continue;
            }
            let text = format!("{}{found}", case.text());
            eprintln!("{text}");
            run.findings.lock().expect("no panic").insert(shape, text);
        }
    }
}

/// What the sessions say that take the tight proxy's connections away from others. None of it is looked at.
const TAKING: [&str; 13] = [
    "SELECT 1",
    "DO 1",
    "SELECT @@version",
    "SET @mine = 1",
    "SELECT @mine",
    "UPDATE test.taken SET n = n + 1",
    "SELECT n FROM test.taken",
    "SET sql_mode = 'ANSI'",
    "SET NAMES latin1",
    "SELECT no_such_column",
    "SHOW WARNINGS",
    "INSERT INTO test.taken VALUES (1)",
    "DELETE FROM test.taken",
];

async fn takes_connections(run: Arc<Run>, port: u16, number: u64) {
    let mut chance = Chance::new(number);
    while !run.over.load(Relaxed) {
        let Ok(mut raw) = Raw::connect(port).await else { continue };
        if raw.login("app", "app").await.is_err() {
            continue;
        }
        for _ in 0..chance.below(40) {
            let Ok(mut packet) = raw.query(TAKING[chance.below(TAKING.len())]).await else { break };
            let mut ends = 0;
            if !matches!(packet.first(), Some(0 | 0xff)) {
                while ends < 2 && packet.first() != Some(&0xff) {
                    let Ok((_, next)) = raw.read().await else { break };
                    packet = next;
                    ends += usize::from(packet.first() == Some(&0xfe) && packet.len() == 5);
                }
            }
            sleep(Duration::from_millis(chance.below(4) as u64)).await;
        }
    }
}

async fn packets_are_alike(cluster: Cluster) {
    let kind = cluster.kind();
    let seed = number("POINTSMAN_SEED", 38);
    super::show_catalogue(&cluster).await;
    cluster.primary().sql("CREATE TABLE test.taken (n INT)").await;
    let [(_, default), (_, tight)] = super::proxies(&cluster).await;
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/alike/grammar.txt").to_owned();
    let text = std::fs::read_to_string(std::env::var("GRAMMAR").unwrap_or(own)).expect("the grammar");
    let run = Arc::new(Run {
        kind,
        grammar: Grammar::read(&text, kind),
        next: seed.into(),
        steps: 0.into(),
        wanted: number("ALIKE_STEPS", 6000),
        most: number("FINDINGS", 10),
        findings: Mutex::default(),
        again: 0.into(),
        known: [const { AtomicUsize::new(0) }; KNOWN.len()],
        over: false.into(),
        proxies: [default.http, tight.http],
        accused: 0.into(),
    });
    let mut lanes = JoinSet::new();
    for number in 0..number("LANES", 3) {
        let side = async |name, port, way| Side::new(&cluster, name, port, format!("tz{number}{way}")).await;
        let direct = side("direct", cluster.primary().port(), 0).await;
        let sides = [direct, side("default", default.rw, 1).await, side("tight", tight.rw, 2).await];
        lanes.spawn(lane(run.clone(), sides));
    }
    let mut others = JoinSet::new();
    for number in 0..2 {
        others.spawn(takes_connections(run.clone(), tight.rw, number));
    }
    let started = Instant::now();
    while let Some(done) = lanes.join_next().await {
        done.expect("a lane");
    }
    let time = started.elapsed();
    run.over.store(true, Relaxed);
    while others.join_next().await.is_some() {}
    let (steps, again) = (run.steps.load(Relaxed), run.again.load(Relaxed));
    let findings: Vec<String> = run.findings.lock().expect("no panic").values().cloned().collect();
    let (kind, found) = (kind.name(), findings.len());
    eprintln!(
        "{kind}: seed {seed}: {steps} steps on each of 3 sides in {time:.1?}: {found} findings, {again} more like them"
    );
    for (known, count) in KNOWN.iter().zip(&run.known) {
        eprintln!("{kind}: {} sessions differed in a known way: {}", count.load(Relaxed), known.why);
    }
    assert!(findings.is_empty(), "{kind}: seed {seed}: {found} findings:\n{}", findings.join("\n"));
}

/// True if steps that begin so are among these, in this order.
fn stand_in(steps: &[String], beginnings: &[&str]) -> bool {
    let mut steps = steps.iter();
    beginnings.iter().all(|beginning| steps.any(|step| step.starts_with(beginning)))
}

/// True for two EOF packets with the same flags.
fn differ_in_warnings(shown: &[String; 2]) -> bool {
    const EOF: usize = r"\xfe\x00\x00\x02\x00".len();
    // The OK packet that ends rows without EOF packets.
    const OK: usize = r"\xfe\x00\x00\x02\x00\x00\x00".len();
    const FLAGS: usize = r"\x02\x00".len();
    let flags = shown.each_ref().map(|packet| match packet.len() {
        EOF if packet.starts_with(r"\xfe") => packet.get(EOF - FLAGS..),
        OK if packet.starts_with(r"\xfe") => packet.get(OK - 2 * FLAGS..OK - FLAGS),
        _ => None,
    });
    flags[0].is_some() && flags[0] == flags[1]
}

/// True if the packets differ in SESSION_STATE_CHANGED at most, the flag of their last byte, which may show ANSI_QUOTES, too.
fn differ_in_changed(shown: &[String; 2]) -> bool {
    let without =
        |packet: &String| packet.replace(r"\xc0", r"\x80").replace('@', r"\x00").replace('B', r"\x02");
    shown.iter().all(|packet| packet.starts_with(r"\xfe")) && without(&shown[0]) == without(&shown[1])
}

#[tokio::test]
async fn packets_are_alike_on_mariadb() {
    packets_are_alike(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn packets_are_alike_on_mysql() {
    if let Some(cluster) = Cluster::mysql(1).await {
        packets_are_alike(cluster).await;
    }
}
