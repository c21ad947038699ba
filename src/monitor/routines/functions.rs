//! Asks each server which of the built-in functions that the tables list for its version it knows: once for each server
//! and version, and again after the server was down. The tables of later versions may be wrong.
//!
//! `DO name(1 AS a), ABS(1 AS a)` fails while it is parsed, in one of three ways: built-in functions refuse a named
//! argument or the count of one, words of the grammar make it a syntax error, and stored functions refuse it or are
//! missing, since no schema is the default one. Loadable functions allow named arguments, so that ABS fails. Nothing is
//! ever executed. The error log has none of these errors; the servers' error counters and MariaDB's plugin SQL_ERROR_LOG do.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::super::client::{Connection, Connector, Error, Target};
use super::super::statement;
use super::{PATIENCE, RETRY};
use crate::config::Live;
use crate::sql::vocabulary::native::{ServerFunctions, ServerVersion, functions_of};
use crate::topology::{Flavor, Health, Server, ServerId, Snapshot};
use crate::wire::error_code::*;

/// How many statements are sent in one write. Their answers must fit into the sockets' buffers.
const AT_ONCE: usize = 64;

/// ER_SP_DOES_NOT_EXIST and ER_FUNC_INEXISTENT_NAME_COLLISION (MariaDB), ER_WRONG_PARAMETERS_TO_STORED_FCT (MySQL),
/// ER_NO_DB_ERROR: the server took the name for that of a stored function.
const STORED: [u16; 4] = [
    ER_SP_DOES_NOT_EXIST,
    ER_FUNC_INEXISTENT_NAME_COLLISION,
    ER_WRONG_PARAMETERS_TO_STORED_FCT,
    ER_NO_DB_ERROR,
];
/// ER_WRONG_PARAMCOUNT_TO_NATIVE_FCT, ER_WRONG_PARAMETERS_TO_NATIVE_FCT: the function in the message is built in.
const BUILT_IN: [u16; 2] = [ER_WRONG_PARAMCOUNT_TO_NATIVE_FCT, ER_WRONG_PARAMETERS_TO_NATIVE_FCT];

/// What the servers said, by their identity and version.
pub(super) type FunctionAnswers = HashMap<(ServerId, Arc<str>), Arc<[&'static str]>>;

/// Returns what is known of the functions of the servers in use, each once.
pub(super) fn of_servers(snapshot: &Snapshot, answers: &FunctionAnswers) -> Vec<ServerFunctions> {
    let known = snapshot.servers.iter().filter_map(|server| {
        let facts = server.facts.as_ref()?;
        let version = version(facts.flavor, &facts.version);
        let lacks = answers.get(&(server.id, facts.version.clone())).cloned().unwrap_or_default();
        Some(ServerFunctions { version, lacks })
    });
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    known.dedup();
    known
}

fn version(flavor: Flavor, text: &str) -> ServerVersion {
    ServerVersion::parse(text, flavor == Flavor::MariaDb)
}

/// Asks servers as they appear, until the receiver of the answers is dropped.
pub(super) async fn ask_servers<C: Connector>(
    connector: Rc<C>,
    live: watch::Receiver<Arc<Live>>,
    mut snapshot: watch::Receiver<Arc<Snapshot>>,
    publish: watch::Sender<FunctionAnswers>,
) {
    let mut retry = None;
    loop {
        let now = snapshot.borrow_and_update().clone();
        forget(&now, &publish);
        let due = retry.is_none_or(|at| at <= Instant::now());
        let next =
            due.then(|| now.servers.iter().find(|server| is_unasked(server, &publish.borrow()))).flatten();
        if let Some(server) = next {
            let monitor = live.borrow().monitor.clone();
            let target = Target::at(server, monitor.user, monitor.password);
            match timeout(PATIENCE, ask(&*connector, &target)).await {
                Ok(Ok((version, lacks))) => {
                    report(&target.name, &lacks);
                    retry = None;
                    // The prober may see another version than this answer's a moment later.
                    let key = (server.id, version);
                    let seen = server.facts.as_ref().is_some_and(|facts| facts.version == key.1);
                    publish.send_modify(|answers| drop(answers.insert(key, lacks)));
                    if seen { continue } else { retry = Some(Instant::now() + RETRY) }
                }
                Ok(Err(error)) => {
                    tracing::debug!(server = %target.name, %error, "the built-in functions cannot be asked for");
                    retry = Some(Instant::now() + RETRY);
                }
                Err(_) => retry = Some(Instant::now() + RETRY),
            }
        }
        let waits = async {
            match retry.filter(|at| *at > Instant::now()) {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = snapshot.changed() => if changed.is_err() { return },
            () = waits => {}
            () = publish.closed() => return,
        }
    }
}

fn is_unasked(server: &Server, answers: &FunctionAnswers) -> bool {
    let facts = server.facts.as_ref().filter(|_| server.health == Health::Up);
    facts.is_some_and(|facts| !answers.contains_key(&(server.id, facts.version.clone())))
}

/// Forgets the answers of servers that are down: another program may start in their place.
fn forget(snapshot: &Snapshot, publish: &watch::Sender<FunctionAnswers>) {
    publish.send_if_modified(|answers| {
        let before = answers.len();
        answers.retain(|(id, _), _| snapshot.server(*id).is_some_and(|server| server.health != Health::Down));
        answers.len() != before
    });
}

fn report(server: &str, lacks: &[&'static str]) {
    if !lacks.is_empty() {
        tracing::info!(server, functions = ?lacks, "the server does not have these built-in functions of its version");
    }
}

/// Returns the server's version, and the names that the tables call built in and that the server does not know, sorted.
///
/// # Errors
/// When the server cannot be asked.
pub async fn ask<C: Connector>(
    connector: &C,
    target: &Target,
) -> Result<(Arc<str>, Arc<[&'static str]>), Error> {
    let mut connection = connector.connect(target).await?;
    let text = connection.greeting().version.clone();
    let flavor = statement::flavor(connection.greeting());
    // MariaDB reads texts by other rules in Oracle's mode.
    connection.query("SET SESSION sql_mode = ''").await?;
    let names: Vec<&'static str> = functions_of(version(flavor, &text)).collect();
    let mut lacks = Vec::new();
    for names in names.chunks(AT_ONCE) {
        let texts: Vec<String> = names.iter().map(|name| format!("DO {name}(1 AS a), ABS(1 AS a)")).collect();
        let errors = connection.errors(&texts).await?;
        for (name, error) in names.iter().zip(errors) {
            if is_unknown(name, error)? {
                lacks.push(*name);
            }
        }
    }
    connection.quit().await;
    lacks.sort_unstable();
    Ok((text, lacks.into()))
}

/// True if this error says that the server knows no built-in function and no word of this name.
fn is_unknown(name: &str, error: Option<Error>) -> Result<bool, Error> {
    match error {
        Some(Error::Server { code, .. }) if STORED.contains(&code) => Ok(true),
        Some(Error::Server { code, message }) if BUILT_IN.contains(&code) => {
            Ok(name != "abs" && message.to_ascii_lowercase().contains("abs"))
        }
        Some(error) if is_ending(&error) => Err(error),
        Some(_) => Ok(false),
        None => Err(Error::Protocol(format!("the server takes {name}(1 AS a) for a statement"))),
    }
}

/// True if the error is about the connection or the session, and not about the statement.
fn is_ending(error: &Error) -> bool {
    statement::is_goodbye(error)
        || !matches!(error, Error::Server { code, .. } if *code != ER_QUERY_INTERRUPTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_a_name_is() {
        let is_unknown = |name: &str, code: u16, message: &str| {
            super::is_unknown(name, Some(Error::Server { code, message: message.to_owned() }))
        };
        for (name, code, message, expected) in [
            ("acos", 1583, "Incorrect parameters in the call to native function 'acos'", false),
            ("atan2", 1583, "Incorrect parameters in the call to native function 'atan'", false),
            ("pi", 1582, "Incorrect parameter count in the call to native function 'pi'", false),
            ("abs", 1583, "Incorrect parameters in the call to native function 'abs'", false),
            ("loaded", 1583, "Incorrect parameters in the call to native function 'ABS'", true),
            ("x", 1305, "FUNCTION x does not exist", true),
            ("x", 1584, "Incorrect parameters in the call to stored function `x`", true),
            ("left", 1064, "You have an error in your SQL syntax near 'AS a), ABS(1 AS a)'", false),
            ("cast", 4161, "Unknown data type: 'a'", false),
        ] {
            assert_eq!(is_unknown(name, code, message), Ok(expected), "{name} {code}");
        }
        assert!(is_unknown("x", 1317, "Query execution was interrupted").is_err());
        assert!(is_unknown("x", 1053, "Server shutdown in progress").is_err());
        assert!(super::is_unknown("x", None).is_err());
    }
}
