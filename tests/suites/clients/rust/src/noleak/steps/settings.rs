//! System variables and character sets: set in every way there is, read back, and seen by their effects alone.

use super::super::session::{Session, Step, cell};
use super::super::state::{
    CHECKS, DIV_PRECISION, ISOLATION, SCHEMAS, SQL_MODE, TIME_NAMES, TIME_ZONE, VARS, WEEK_FORMAT,
};

/// In the order in which servers print them.
const MODES: [&str; 9] = [
    "PIPES_AS_CONCAT",
    "ANSI_QUOTES",
    "IGNORE_SPACE",
    "NO_BACKSLASH_ESCAPES",
    "STRICT_TRANS_TABLES",
    "STRICT_ALL_TABLES",
    "NO_ZERO_DATE",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_ENGINE_SUBSTITUTION",
];
const LOCALES: [(&str, &str); 4] =
    [("en_US", "March"), ("fr_FR", "mars"), ("es_ES", "marzo"), ("nl_NL", "maart")];
const LEVELS: [&str; 4] = ["READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"];

/// A new value for a variable, as the server will show it. Wide ranges carry the session's number.
fn value(session: &mut Session, var: usize) -> String {
    let number = session.number as usize;
    match VARS[var] {
        "group_concat_max_len" => (100_000 + number * 1000 + session.below(1000)).to_string(),
        "net_write_timeout" => (10_000 + number * 10 + session.below(10)).to_string(),
        "sql_select_limit" => (10_000_000 + number * 1000 + session.below(1000)).to_string(),
        "default_week_format" => session.below(8).to_string(),
        "div_precision_increment" => session.below(20).to_string(),
        "lc_time_names" => LOCALES[session.below(LOCALES.len())].0.into(),
        "time_zone" => {
            // Whole hours: MariaDB 10.11 looks offsets up by a collation, and takes -01:20 for a -03:28 seen before.
            format!("{}{:02}:00", ["+", "-"][session.below(2)], 1 + session.below(12))
        }
        "sql_mode" => {
            let chosen: Vec<&str> = MODES.into_iter().filter(|_| session.random.below(3) == 0).collect();
            chosen.join(",")
        }
        "max_sort_length" => (2000 + number * 10 + session.below(10)).to_string(),
        "innodb_lock_wait_timeout" => (100 + number * 10 + session.below(10)).to_string(),
        "tx_isolation" => LEVELS[session.below(4)].into(),
        _ => session.below(2).to_string(),
    }
}

/// The variable's name on this server.
fn name(session: &Session, var: usize) -> &'static str {
    if var == ISOLATION && !session.mariadb() { "transaction_isolation" } else { VARS[var] }
}

fn literal(value: &str) -> String {
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.into()
    } else {
        format!("'{value}'")
    }
}

pub async fn variables(session: &mut Session) -> Step {
    match session.below(10) {
        0..5 => set_one(session).await,
        5 => set_several(session).await,
        6 => set_wrongly(session).await,
        7 => show(session).await,
        _ => read(session).await,
    }
}

async fn set_one(session: &mut Session) -> Step {
    let var = session.below(VARS.len());
    if CHECKS.contains(&var) {
        return Ok(());
    }
    let name = name(session, var);
    let value = value(session, var);
    if var == ISOLATION {
        if session.below(2) == 0 {
            let level = value.replace('-', " ");
            session.ok(&format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}")).await?;
        } else {
            session.ok(&format!("SET SESSION {name} = '{value}'")).await?;
        }
        session.model.vars[var] = value;
        return Ok(());
    }
    if session.below(6) == 0 {
        // The global values stay as they are during a run, so this is where the session began.
        session.ok(&format!("SET SESSION {name} = DEFAULT")).await?;
        let first = session.shared.baseline.vars[var].clone();
        session.model.vars[var] = first;
        return Ok(());
    }
    let way = [
        "SET SESSION {n} = {v}",
        "SET {n} = {v}",
        "SET @@session.{n} = {v}",
        "SET {n} := {v}",
        "set local {n}={v}",
        "/* a */ SET @@SESSION.{n}={v}",
    ];
    let way = way[session.below(way.len())];
    session.ok(&way.replace("{n}", name).replace("{v}", &literal(&value))).await?;
    session.model.vars[var] = value;
    Ok(())
}

/// Variables that MySQL 9.7 turns off at DEFAULT, though they are on globally.
pub async fn checks(session: &mut Session) -> Step {
    let var = CHECKS[session.below(2)];
    let value = value(session, var);
    session.ok(&format!("SET SESSION {} = {value}", VARS[var])).await?;
    session.model.vars[var] = value;
    Ok(())
}

/// `SET @@name`: MariaDB's session trackers do not report it.
pub async fn unscoped(session: &mut Session) -> Step {
    let var = session.below(ISOLATION);
    let value = value(session, var);
    let sign = ["=", ":="][session.below(2)];
    session.ok(&format!("SET @@{} {sign} {}", VARS[var], literal(&value))).await?;
    session.model.vars[var] = value;
    Ok(())
}

async fn set_several(session: &mut Session) -> Step {
    let (a, b) = (session.below(4), 4 + session.below(5));
    let (first, second) = (value(session, a), value(session, b));
    let (tag, user) = (session.tag(), session.below(4));
    let sql = format!(
        "SET {} = {}, SESSION {} = {}, @u{user} = '{tag}'",
        VARS[a],
        literal(&first),
        VARS[b],
        literal(&second)
    );
    session.ok(&sql).await?;
    session.model.vars[a] = first;
    session.model.vars[b] = second;
    session.model.uservars[user] = (Some(tag), false);
    Ok(())
}

/// A SET of which one part is wrong changes nothing.
async fn set_wrongly(session: &mut Session) -> Step {
    let (var, tag) = (session.below(4), session.tag());
    let value = value(session, var);
    let start = format!("SET SESSION {} = {}", VARS[var], literal(&value));
    if session.below(2) == 0 {
        session.error(&format!("{start}, sql_mode = 'NO_{tag}'"), &[1231], &tag).await
    } else {
        let unknown = tag.replace('.', "_");
        session.error(&format!("{start}, nl_{unknown} = 1"), &[1193], &unknown).await
    }
}

async fn read(session: &mut Session) -> Step {
    let all = session.below(3) > 0;
    let (from, to) = if all {
        (0, VARS.len())
    } else {
        let var = session.below(VARS.len());
        (var, var + 1)
    };
    let names: Vec<String> = (from..to).map(|var| format!("@@{}", name(session, var))).collect();
    let want = session.model.vars[from..to].iter().map(|v| cell(v.as_str())).collect();
    session.rows(&format!("SELECT {}", names.join(", ")), vec![want]).await?;
    Ok(())
}

async fn show(session: &mut Session) -> Step {
    let var = session.below(TIME_ZONE + 1);
    let (name, value) = (VARS[var], session.model.vars[var].clone());
    let scope = ["", "SESSION ", "LOCAL "][session.below(3)];
    session
        .rows(&format!("SHOW {scope}VARIABLES LIKE '{name}'"), vec![vec![cell(name), cell(value)]])
        .await?;
    Ok(())
}

/// Statements that name no variable but answer by one.
pub async fn effects(session: &mut Session) -> Step {
    match session.below(11) {
        0 => epoch(session).await,
        1 => {
            let digits: usize = session.model.vars[DIV_PRECISION].parse().unwrap_or(4);
            let want = if digits == 0 { "0".into() } else { format!("0.{}", "3".repeat(digits)) };
            session.rows("SELECT 1/3", vec![vec![cell(want)]]).await?;
            Ok(())
        }
        2 => {
            let locale = session.model.vars[TIME_NAMES].clone();
            let month = LOCALES.iter().find(|(name, _)| *name == locale).map_or("?", |(_, month)| month);
            session.rows("SELECT MONTHNAME('2024-03-01')", vec![vec![cell(month)]]).await?;
            Ok(())
        }
        3 => {
            let format: usize = session.model.vars[WEEK_FORMAT].parse().unwrap_or(0);
            let want = session.shared.baseline.weeks[format].clone();
            session.rows("SELECT WEEK('2008-02-20')", vec![vec![cell(want)]]).await?;
            Ok(())
        }
        4 => {
            let tag = session.tag();
            let want =
                if session.model.has_mode("PIPES_AS_CONCAT") { cell(format!("{tag}x")) } else { cell("0") };
            // Without the mode both are cast to numbers, with warnings.
            let tag_is_not_a_number = format!("SELECT '{tag}' || 'x'");
            session.rows(&tag_is_not_a_number, vec![vec![want]]).await?;
            Ok(())
        }
        5 => {
            let tag = session.tag();
            let sql = format!("SELECT \"{tag}\"");
            if session.model.has_mode("ANSI_QUOTES") {
                return session.error(&sql, &[1054], &tag).await;
            }
            session.rows(&sql, vec![vec![cell(tag)]]).await?;
            Ok(())
        }
        6 => {
            let want = if session.model.has_mode("NO_BACKSLASH_ESCAPES") { "4" } else { "3" };
            session.rows(r"SELECT LENGTH('a\\b')", vec![vec![cell(want)]]).await?;
            Ok(())
        }
        7 => clock(session).await,
        8 | 9 => characters(session).await,
        _ => too_long(session).await,
    }
}

async fn epoch(session: &mut Session) -> Step {
    let zone = session.model.vars[TIME_ZONE].clone();
    let (Some(hours), Some(minutes)) = (zone.get(1..3), zone.get(4..6)) else { return Ok(()) };
    let (Ok(hours), Ok(minutes)) = (hours.parse::<i64>(), minutes.parse::<i64>()) else { return Ok(()) };
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let seconds = 86400 + sign * (hours * 60 + minutes) * 60;
    let (day, rest) = (seconds / 86400 + 1, seconds % 86400);
    let want = format!("1970-01-{day:02} {:02}:{:02}:00", rest / 3600, rest % 3600 / 60);
    session.rows("SELECT FROM_UNIXTIME(86400)", vec![vec![cell(want)]]).await?;
    Ok(())
}

async fn clock(session: &mut Session) -> Step {
    let choice = session.below(4);
    match session.model.timestamp {
        Some(at) if choice < 2 => {
            session.rows("SELECT UNIX_TIMESTAMP()", vec![vec![cell(at.to_string())]]).await?;
        }
        Some(_) if choice == 2 => {
            session.ok("SET timestamp = DEFAULT").await?;
            session.model.timestamp = None;
        }
        _ => {
            let at = 1_000_000_000 + u64::from(session.number) * 1000 + session.below(1000) as u64;
            session.ok(&format!("SET timestamp = {at}")).await?;
            session.model.timestamp = Some(at);
        }
    }
    Ok(())
}

/// Two bytes are one letter or two, by character_set_client; one letter is one byte or two, by character_set_results.
async fn characters(session: &mut Session) -> Step {
    if session.below(2) == 0 {
        let letters = if is(&session.model.charsets[0], "utf8") { "1" } else { "2" };
        session.rows("SELECT CHAR_LENGTH('\u{e9}')", vec![vec![cell(letters)]]).await?;
        return Ok(());
    }
    let results = &session.model.charsets[2];
    let want = match results.as_deref() {
        Some("latin1" | "latin2") => vec![0xe9],
        Some("cp850") => vec![0x82],
        _ => vec![0xc3, 0xa9],
    };
    session.rows("SELECT _utf8mb4 X'C3A9'", vec![vec![Some(want)]]).await?;
    Ok(())
}

fn is(charset: &Option<String>, start: &str) -> bool {
    charset.as_deref().is_some_and(|name| name.starts_with(start))
}

/// A value longer than its column: an error or a warning, by sql_mode.
async fn too_long(session: &mut Session) -> Step {
    if session.model.table_lock.is_some() || session.model.writes_refused() {
        return Ok(());
    }
    let owner = session.owner;
    let long = format!("{}.{}", session.tag(), "x".repeat(40));
    if session.model.strict() {
        let sql = format!("REPLACE INTO test.nl_rows (owner, id, v) VALUES ({owner}, 99, '{long}')");
        return session.error(&sql, &[1406], "'v'").await;
    }
    let mut after = session.model.data.clone();
    let affected = 1 + u64::from(after.rows.insert(13, long[..40].into()).is_some());
    let sql = format!("REPLACE INTO test.nl_rows (owner, id, v) VALUES ({owner}, 13, '{long}')");
    session.write(&sql, after, Some(affected)).await?;
    Ok(())
}

const CHARSETS: [(&str, &str); 7] = [
    ("utf8mb4", "utf8mb4_bin"),
    ("utf8mb4", "utf8mb4_unicode_ci"),
    ("latin1", "latin1_bin"),
    ("latin1", "latin1_german1_ci"),
    ("latin2", "latin2_bin"),
    ("cp850", "cp850_bin"),
    ("cp850", "cp850_general_ci"),
];

pub async fn charset(session: &mut Session) -> Step {
    let (charset, collation) = CHARSETS[session.below(CHARSETS.len())];
    let (set, collated) = (Some(charset.to_string()), Some(collation.to_string()));
    match session.below(8) {
        0 | 1 => {
            session.ok(&format!("SET NAMES {charset} COLLATE {collation}")).await?;
            session.model.charsets = [set.clone(), set.clone(), set, collated];
        }
        2 => {
            session.ok(&format!("set names '{charset}' collate '{collation}'")).await?;
            session.model.charsets = [set.clone(), set.clone(), set, collated];
        }
        3 => {
            session.ok(&format!("SET character_set_results = {charset}")).await?;
            session.model.charsets[2] = set;
        }
        4 => {
            session.ok(&format!("SET collation_connection = {collation}")).await?;
            session.model.charsets[1] = set;
            session.model.charsets[3] = collated;
        }
        5 => {
            session.ok("SET character_set_results = NULL").await?;
            session.model.charsets[2] = None;
        }
        _ => {
            let sql = "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection";
            let want = session.model.charsets.iter().map(|set| set.clone().map(String::into_bytes)).collect();
            session.rows(sql, vec![want]).await?;
        }
    }
    Ok(())
}

/// What `||` does in a statement that is parsed now.
pub fn pipes(session: &Session) -> bool {
    session.model.vars[SQL_MODE].split(',').any(|mode| mode == "PIPES_AS_CONCAT")
}

pub fn schema(session: &Session) -> &'static str {
    SCHEMAS[session.model.schema]
}
