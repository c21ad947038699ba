//! State that no text shows, left by views, triggers, routines, cascades and defaults: a session finds its own, or none.

use super::super::answer::{Answer, Part};
use super::super::objects::{KINDS, Kind, PROCEDURES};
use super::super::session::{Session, Step, fail};
use super::variables;

/// Locks of sessions, of which a few are kept to be looked at.
const LOCKS: usize = 64;

pub async fn hidden(session: &mut Session) -> Step {
    if !session.shared.baseline.hidden {
        return variables::who_am_i(session).await;
    }
    if session.model.hidden.since.is_none() && !begin(session).await? {
        return look(session).await;
    }
    let writes = !session.model.writes_refused();
    match session.below(16) {
        0 if writes && session.mariadb() => {
            let tag = session.tag();
            leave(session, &format!("INSERT INTO test.nl_hidden_default (v) VALUES ('{tag}')")).await
        }
        1 if session.mariadb() => {
            look_at(
                session,
                "SELECT v FROM test.nl_hidden_default WHERE a = LASTVAL(test.nl_hidden_sequence)",
            )
            .await
        }
        2..5 if writes => by_write(session).await,
        5..7 => by_view(session).await,
        7 => by_function(session).await,
        8 => by_procedure(session).await,
        _ => look(session).await,
    }
}

/// Says in a row of its own with which value the session's views and cascades shall leave their state. False: not now.
async fn begin(session: &mut Session) -> Step<bool> {
    if session.model.in_transaction() || session.model.writes_refused() || session.model.table_lock.is_some()
    {
        return Ok(false);
    }
    let owner = session.owner;
    let since = session.tags();
    let tag = session.tag();
    session.ok(&format!("UPDATE test.nlh_tags SET v = '{tag}' WHERE owner = {owner}")).await?;
    session.model.hidden.since = Some(since);
    session.shared.lock_names.borrow_mut().push((session.number, tag));
    Ok(true)
}

pub(super) fn kind(session: &mut Session) -> &'static Kind {
    loop {
        let kind = &KINDS[session.below(KINDS.len())];
        // What a transaction uses cannot be replaced, and whoever wants to use it waits.
        let held = kind.name == "changing" && session.model.in_transaction();
        if (session.mariadb() || !kind.mariadb) && !held {
            return kind;
        }
    }
}

/// What the model knows from now on of what this kind leaves.
fn leaves(session: &mut Session, kind: &Kind, tag: &str) {
    match kind.name {
        "named" | "blind" => session.model.hidden.variable = true,
        "role" => session.model.hidden.role = true,
        "lock" => {
            session.model.hidden.locks = true;
            if tag.is_empty() {
                return;
            }
            name_lock(session, session.number, tag);
        }
        _ => {}
    }
}

pub(super) fn name_lock(session: &Session, of: u32, tag: &str) {
    let mut names = session.shared.lock_names.borrow_mut();
    if names.len() >= LOCKS {
        names.remove(0);
    }
    names.push((of, tag.to_string()));
}

/// A view, a view over a view, or their rows written to a table.
async fn by_view(session: &mut Session) -> Step {
    let (owner, kind) = (session.owner, kind(session));
    leaves(session, kind, "");
    let name = kind.name;
    let sql = match session.below(4) {
        0 if !session.model.writes_refused() => {
            format!("INSERT INTO test.nlh_sink SELECT w FROM test.nlh_view_{name} WHERE owner = {owner}")
        }
        1 => format!("SELECT w FROM test.nlh_over_{name} WHERE owner = {owner}"),
        _ => format!("SELECT w FROM test.nlh_view_{name} WHERE owner = {owner}"),
    };
    leave(session, &sql).await?;
    behind(session, kind).await
}

/// A trigger, by every kind of write.
async fn by_write(session: &mut Session) -> Step {
    let (owner, id, kind) = (session.owner, session.below(3) + 1, kind(session));
    let (name, tag) = (kind.name, session.tag());
    leaves(session, kind, &tag);
    let table = format!("test.nlh_table_{name}");
    let own = format!("owner = {owner} AND id = {id}");
    let values = format!("INTO {table} (owner, id, v) VALUES ({owner}, {id}, '{tag}')");
    let join = format!("{table} t JOIN test.nlh_tags g ON g.owner = t.owner");
    let sql = match session.below(12) {
        0 => format!("INSERT {values}"),
        1 => format!("INSERT {values} ON DUPLICATE KEY UPDATE v = '{tag}'"),
        2 | 3 => format!("REPLACE {values}"),
        4 => format!("UPDATE {table} SET v = '{tag}' WHERE {own}"),
        5 => format!("UPDATE {join} SET t.v = '{tag}' WHERE t.owner = {owner} AND t.id = {id}"),
        6 => format!("DELETE FROM {table} WHERE {own}"),
        7 => format!("DELETE t FROM {join} WHERE t.owner = {owner} AND t.id = {id}"),
        8 => {
            if let Some(conn) = session.conn.as_mut() {
                conn.file = format!("{owner}\t{id}\n").into_bytes();
            }
            format!("LOAD DATA LOCAL INFILE 'nlh' REPLACE INTO TABLE {table} (owner, id) SET v = '{tag}'")
        }
        9 => format!("INSERT INTO test.nlh_chain_{name} VALUES ({owner}, '{tag}')"),
        _ => format!("UPDATE test.nlh_parent_{name} SET id = id + 1 WHERE owner = {owner}"),
    };
    leave(session, &sql).await?;
    behind(session, kind).await
}

/// A function by its name, also one of a package. The proxy keeps the connection of a session that called it.
async fn by_function(session: &mut Session) -> Step {
    if !session.pin() {
        return Ok(());
    }
    let (kind, tag) = (kind(session), session.tag());
    leaves(session, kind, &tag);
    let of_package = session.mariadb() && session.below(2) == 0;
    let place = if of_package { "nlh_package.f" } else { "nlh_f" };
    leave(session, &format!("SELECT test.{place}_{}('{tag}')", kind.name)).await?;
    look(session).await?;
    variables::reset(session).await
}

async fn by_procedure(session: &mut Session) -> Step {
    if session.model.in_transaction() || !session.pin() {
        return Ok(());
    }
    let (kind, tag) = (&PROCEDURES[session.below(PROCEDURES.len())], session.tag());
    leave(session, &format!("CALL test.nlh_p_{}('{tag}')", kind.name)).await?;
    match session.below(3) {
        0 => variables::change_user(session).await,
        _ => variables::reset(session).await,
    }
}

/// Nobody can tell what a session sees of itself when the server reports nothing any more.
async fn behind(session: &mut Session, kind: &Kind) -> Step {
    if kind.name != "blind" {
        return Ok(());
    }
    match session.below(3) {
        0 => variables::change_user(session).await,
        _ => variables::reset(session).await,
    }
}

/// Whether the statement succeeds depends on the session's transaction and variables; what it leaves is looked at later.
async fn leave(session: &mut Session, sql: &str) -> Step {
    session.text(sql).await.map(drop)
}

pub(super) async fn look(session: &mut Session) -> Step {
    match session.below(9) {
        0 => others_lock(session).await,
        1 => settings(session).await,
        2 => one_shots(session).await,
        3 => look_at(session, "SELECT v FROM test.nlh_temporary").await,
        4 if session.mariadb() => {
            look_at(session, "SELECT v FROM test.nlh_numbers WHERE a = LASTVAL(test.nlh_sequence)").await
        }
        5 if session.pin() => session.error("EXECUTE nlh_statement", &[1243], "").await,
        _ => look_at(session, "SELECT @nlh_into, @nlh_set, @nlh_named, @nlh_blind, @nlh_changing").await,
    }
}

/// Every value is NULL, or this session's own since it began or was reset.
async fn look_at(session: &mut Session, sql: &str) -> Step {
    let answer = session.text(sql).await?;
    let since = session.model.hidden.since;
    let own = format!("s{}.", session.number);
    let is_own = |value: &[u8]| {
        let number = std::str::from_utf8(value).ok().and_then(|value| value.strip_prefix(&own)?.parse().ok());
        number.is_some_and(|number: u64| since.is_none_or(|since| number > since))
    };
    for part in &answer.parts {
        let Part::Set(set) = part else { continue };
        if let Some(other) = set.rows.iter().flatten().flatten().find(|value| !is_own(value)) {
            return fail(format!(
                "{sql}: expected {own}… after {since:?} or nothing, got {}",
                other.escape_ascii()
            ));
        }
    }
    Ok(())
}

fn cells(answer: &Answer) -> Vec<String> {
    let Some(Part::Set(set)) = answer.parts.first() else { return Vec::new() };
    let text = |cell: &Option<Vec<u8>>| {
        cell.as_ref().map_or("NULL".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    set.rows.iter().flatten().map(text).collect()
}

/// A lock that a trigger or a view of another session took, or of this one before it began anew.
async fn others_lock(session: &mut Session) -> Step {
    let count = session.shared.lock_names.borrow().len();
    if count == 0 {
        return Ok(());
    }
    let (number, tag) = session.shared.lock_names.borrow()[session.random.below(count)].clone();
    let sql = format!("SELECT RELEASE_LOCK('nlh.{tag}')");
    let answer = session.text(&sql).await?;
    let held = cells(&answer).first().is_some_and(|value| value == "1");
    let before = tag.rsplit('.').next().and_then(|at| at.parse::<u64>().ok());
    let own = number == session.number && session.model.hidden.since < before;
    if held && !own {
        return fail(format!("{sql}, a lock of session {number}: got {answer}"));
    }
    Ok(())
}

async fn settings(session: &mut Session) -> Step {
    let sql = "SELECT COALESCE(CURRENT_ROLE(), 'NONE'), @@max_seeks_for_key";
    let answer = session.text(sql).await?;
    let values = cells(&answer);
    let [role, seeks] = values.as_slice() else { return Ok(()) };
    let hidden = &session.model.hidden;
    let number = seeks.parse::<u64>().unwrap_or_default();
    let own = hidden.variable && number == 100_000 + u64::from(session.number);
    if (!hidden.role && role != "NONE") || (number < 1_000_000 && !own) {
        return fail(format!("{sql}: got {answer}"));
    }
    Ok(())
}

/// What only procedures leave, behind which a session always begins anew.
async fn one_shots(session: &mut Session) -> Step {
    let clock = if session.model.timestamp.is_some() { "1" } else { "UNIX_TIMESTAMP() > 1500000000" };
    let sql = format!(
        "SELECT @@insert_id, @@pseudo_thread_id < 1000000000, {clock}, RAND() < 0.00001 AND RAND() < 0.00001"
    );
    let answer = session.text(&sql).await?;
    let values = cells(&answer);
    if !values.is_empty() && values != ["0", "1", "1", "0"] {
        return fail(format!("{sql}: got {answer}"));
    }
    Ok(())
}
