//! Statements on replica ports that name a relation or a function into which the catalogue cannot see. An ordinary account may
//! run them, since reports live on views: `read_only` binds it. An account that may change a read-only server must not.

use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{QueryError, may_change_servers};
use crate::client::{Failure, Request, StatementError};
use crate::net::Runtime;
use crate::session::Session;
use crate::session::common::prepared_as_text;
use crate::sql::read_only::{Calls, Reason, Relation, opaque_relations};
use crate::sql::{Effects, Kind, Lexer, Options};
use crate::upstream::Restored;
use crate::wire::Command;

/// How long an account's privileges are believed: an administrator may grant more.
const BELIEVED: Duration = Duration::from_secs(60);

/// The most accounts that are remembered.
const MOST_ACCOUNTS: usize = 1_000;

impl<R: Runtime> Session<R> {
    /// Refuses the statement if the session's account may change a read-only server. Asks the server of the connection in use,
    /// at most once a minute for each account.
    pub(in crate::session) async fn may_run_opaque(
        &mut self,
        request: &Request,
    ) -> Result<Restored, StatementError> {
        let Some(user) = self.client.login.as_ref().map(|login| login.user.clone()) else {
            return Ok(Restored::Ready);
        };
        let known = self.context.powers.borrow().get(&user).copied();
        let known = known.filter(|(_, asked)| asked.elapsed() < BELIEVED).map(|(powerful, _)| powerful);
        let powerful = match known {
            Some(powerful) => powerful,
            None => {
                let Some(powerful) = self.ask_powers().await else { return Ok(Restored::Broken) };
                let mut powers = self.context.powers.borrow_mut();
                if powers.len() >= MOST_ACCOUNTS {
                    powers.clear();
                }
                powers.insert(user, (powerful, Instant::now()));
                powerful
            }
        };
        if !powerful {
            return Ok(Restored::Ready);
        }
        match self.names_only_tables(request).await {
            Some(true) => Ok(Restored::Ready),
            Some(false) => Err(StatementError::Tell(Failure::ReadOnlyPort(Reason::OpaqueName.into()))),
            None => Ok(Restored::Broken),
        }
    }

    /// True if the statement names only tables, which do nothing when they are read, and no view: the account itself may see that.
    /// None: the connection broke.
    async fn names_only_tables(&mut self, request: &Request) -> Option<bool> {
        let prepared = self.state.statements.peek(request.statement).map(|prepared| prepared.text.clone());
        let text = match (&prepared, request.command) {
            (Some(prepared), _) => Some(&*prepared.text),
            (None, Command::StmtPrepare) => Some(request.arguments()),
            (None, _) => self.client.text_of(request),
        };
        let executed = text.filter(|_| request.class.effects.contains(Effects::EXECUTES));
        let executed = executed.and_then(|text| prepared_as_text(&self.state, text));
        let text = executed.as_ref().map(|executed| &*executed.text).or(text);
        if request.command == Command::FieldList
            || text.is_some_and(|text| {
                only_shows(text, self.state.readings(self.context.topology.modes()).options)
            })
        {
            return Some(true);
        }
        let of_text = executed.as_ref().map(|executed| &executed.under);
        let of_prepared = prepared.as_ref().map(|prepared| &prepared.under);
        let under = of_text.or(of_prepared).unwrap_or(&self.state.carried);
        let schema = under.schema.clone().unwrap_or_default();
        let routines = self.context.texts.routines.borrow().clone();
        let calls = Calls { schema: &schema, routines: &*routines };
        let names = text.and_then(|text| {
            opaque_relations(text, self.state.readings(self.context.topology.modes()), &calls)
        });
        let Some(question) = names.and_then(|names| question(&names, &schema)) else { return Some(false) };
        let limit = self.context.live().timeouts.connect;
        let connection = self.upstream.connection_mut()?;
        let asking = async {
            connection.settle().await.ok()?;
            match connection.query(&question).await {
                Ok(sets) => Some(sets.first()?.rows.first()?.first()?.as_deref() == Some(b"1")),
                Err(QueryError::Refused(_)) => Some(false),
                Err(_) => None,
            }
        };
        self.context.runtime.timeout(limit, asking).await.flatten()
    }

    /// Asks the server for the privileges of the connection's account. None: the connection broke. An account whose
    /// privileges the server does not show may have any.
    async fn ask_powers(&mut self) -> Option<bool> {
        let limit = self.context.live().timeouts.connect;
        let connection = self.upstream.connection_mut()?;
        let flavor = connection.about.flavor;
        let asking = async {
            connection.settle().await.ok()?;
            let answer = may_change_servers(flavor, async |sql: String| {
                let sets = connection.query(&sql).await?;
                let rows = sets.into_iter().next().map(|set| set.rows).unwrap_or_default();
                Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
            });
            match answer.await {
                Ok(powerful) => Some(powerful),
                Err(QueryError::Refused(_)) => Some(true),
                Err(_) => None,
            }
        };
        self.context.runtime.timeout(limit, asking).await.flatten()
    }
}

/// True for SHOW and DESCRIBE without any expression. A dump sends them for each view, so they pass for every account even where
/// the catalogue cannot see what MariaDB runs to answer them. Where it can see that, the guard has refused the statement.
fn only_shows(text: &[u8], options: Options) -> bool {
    let mut tokens = Lexer::new(text, options).filter(|token| !token.is_trivia());
    tokens.next().is_some_and(|first| first.is_any(&["SHOW", "DESCRIBE", "DESC"]))
        && !tokens.any(|token| {
            matches!(token.kind, Kind::Open | Kind::CodeOpen | Kind::Semicolon | Kind::Incomplete)
        })
}

/// The most relations about which a server is asked.
const MOST_RELATIONS: usize = 100;

/// Returns a query whose answer is 1 if none of these relations is a view: a table does nothing when it is read. (MariaDB's
/// `mysql.user` is a view of the server's own. A dump must read `information_schema`, whatever the catalogue sees.) None: a
/// name cannot be asked for.
fn question(names: &[Relation], default: &[u8]) -> Option<String> {
    let quoted = |name: &[u8]| {
        let name = std::str::from_utf8(name).ok()?;
        let plain = !name.is_empty() && !name.contains(['\\', '`', '"', '\0']);
        plain.then(|| name.replace('\'', "''"))
    };
    if names.is_empty() || names.len() > MOST_RELATIONS {
        return None;
    }
    let each: Option<Vec<String>> = names
        .iter()
        .map(|(schema, name)| {
            let schema = quoted(schema.as_deref().unwrap_or(default))?;
            Some(format!("(TABLE_SCHEMA = '{schema}' AND TABLE_NAME = '{}')", quoted(name)?))
        })
        .collect();
    Some(format!(
        "SELECT CAST(COUNT(*) = 0 AS BINARY) FROM information_schema.TABLES WHERE TABLE_TYPE NOT IN ('BASE TABLE', 'SYSTEM VERSIONED', \
         'SEQUENCE', 'SYSTEM VIEW') AND NOT (BINARY TABLE_SCHEMA = 'mysql' AND BINARY TABLE_NAME = 'user') AND ({}) LIMIT 1",
        each?.join(" OR ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_shows_has_no_expression() {
        let of = |text: &str| only_shows(text.as_bytes(), Options::default());
        for text in
            ["SHOW CREATE TABLE `v`", "show fields from v like 'a%'", "DESC v", "SHOW TABLE STATUS LIKE 'v'"]
        {
            assert!(of(text), "{text}");
        }
        for text in [
            "SHOW KEYS IN t WHERE Key_name = (SELECT a FROM v)",
            "DESC SELECT f()",
            "EXPLAIN v",
            "SELECT 1",
            "SHOW TABLES; DO f()",
        ] {
            assert!(!of(text), "{text}");
        }
    }

    #[test]
    fn names_are_asked_for_as_strings() {
        let name = |schema: Option<&str>, name: &str| {
            (schema.map(|s| s.as_bytes().to_vec()), name.as_bytes().to_vec())
        };
        let asked = question(&[name(None, "o'r"), name(Some("d"), "t")], b"shop").unwrap();
        assert!(asked.starts_with(
            "SELECT CAST(COUNT(*) = 0 AS BINARY) FROM information_schema.TABLES WHERE TABLE_TYPE NOT IN"
        ));
        let each = "((TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'o''r') OR (TABLE_SCHEMA = 'd' AND TABLE_NAME = 't')) LIMIT 1";
        assert!(asked.ends_with(each), "{asked}");
        for odd in ["", "a\\", "a`b", "\0"] {
            assert_eq!(question(&[name(None, odd)], b"shop"), None, "{odd}");
        }
        assert_eq!(question(&[name(None, "t")], b""), None, "no schema");
        assert_eq!(question(&[], b"shop"), None);
    }
}
