//! One client of the console, from its login to its end: reads commands and sends the answers.

use std::io;
use std::net::SocketAddr;

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::actions::Author;
use super::functions::AboutClient;
use super::login::Entered;
use super::outcome::{ConsoleError, QueryOutcome, Rows};
use super::places::ConsolePlace;
use super::sources::Filled;
use super::statement::{ConsoleStatement, recognise};
use super::{Console, SCHEMAS, actions, engine, sources};
use crate::config::ConsoleUser;
use crate::wire::Command;
use crate::wire::error_code::{ER_ACCESS_DENIED_ERROR, ER_SERVER_SHUTDOWN, ER_UNKNOWN_ERROR};

/// The most memory for the answers that clients have not read yet, in bytes.
pub(super) const ANSWERS: usize = 4 * engine::BYTES;

/// What the statements of a client need.
struct ConsoleSession {
    console: Console,
    /// The account as it was at the login.
    user: ConsoleUser,
    author: Author,
    schema: &'static str,
    place: ConsolePlace,
    /// The memory for the answer that the client reads.
    answer: Option<OwnedSemaphorePermit>,
    /// What SHOW WARNINGS says.
    warnings: Vec<String>,
    /// Its sender is dropped when another process takes over.
    open: watch::Receiver<()>,
}

/// Serves a client until it leaves.
pub(super) async fn serve(console: Console, entered: Entered, peer: SocketAddr, open: watch::Receiver<()>) {
    let Entered { mut link, user, schema, place, pass: _pass, id } = entered;
    let author = Author { account: user.name.clone(), peer, id };
    let mut session =
        ConsoleSession { console, user, author, schema, place, answer: None, warnings: Vec::new(), open };
    let ended = session.run(&mut link).await;
    if let Err(error) = ended {
        tracing::debug!(account = %session.author.account, %peer, %error, "console: a connection broke");
    }
}

impl ConsoleSession {
    async fn run(&mut self, link: &mut super::link::Link) -> io::Result<()> {
        loop {
            let idle = self.console.live().timeouts.idle;
            self.place.idle(true);
            let packet = tokio::select! {
                biased;
                () = self.place.lost() => {
                    tracing::info!(account = %self.author.account, peer = %self.author.peer, "console: an idle client \
                        lost its place to a new one");
                    link.seq = 0;
                    return link.refuse(&ConsoleError::lost_place()).await;
                }
                packet = link.read(0, idle) => packet?,
            };
            self.place.idle(false);
            let Some(packet) = packet else { return Ok(()) };
            let Some((first, rest)) = packet.split_first() else { return Ok(()) };
            if !self.console.live().admin.console.users.contains(&self.user) {
                let text = "the account is gone or has another password: log in again".to_owned();
                return link.refuse(&ConsoleError::new(ER_ACCESS_DENIED_ERROR, text)).await;
            }
            if self.open.has_changed().is_err() {
                let text = "a new process has taken over: log in again";
                return link.refuse(&ConsoleError::new(ER_SERVER_SHUTDOWN, text)).await;
            }
            match Command::from(*first) {
                Command::Quit => return Ok(()),
                Command::Ping | Command::ResetConnection => link.ok().await?,
                Command::SetOption => {
                    link.put_eof(0);
                    link.flush().await?;
                }
                Command::FieldList => {
                    // Clients ask for the columns of every table to complete names; they get none.
                    link.put_eof(0);
                    link.flush().await?;
                }
                Command::InitDb => match self.enter(&String::from_utf8_lossy(rest)) {
                    Ok(_) => link.ok().await?,
                    Err(refusal) => link.refuse(&refusal).await?,
                },
                Command::Query => match self.query(&String::from_utf8_lossy(rest)).await {
                    Ok(QueryOutcome::Rows(rows)) => {
                        link.rows(&rows).await?;
                        drop(rows);
                        self.answer = None;
                    }
                    Ok(QueryOutcome::Nothing) => link.ok().await?,
                    Err(refusal) => link.refuse(&refusal).await?,
                },
                Command::StmtPrepare | Command::StmtExecute | Command::StmtReset | Command::StmtFetch => {
                    link.refuse(&ConsoleError::no_prepare()).await?;
                }
                // They have no answer.
                Command::StmtSendLongData | Command::StmtClose => {}
                _ => link.refuse(&ConsoleError::unknown_command()).await?,
            }
        }
    }

    fn enter(&mut self, schema: &str) -> Result<QueryOutcome, ConsoleError> {
        let known = SCHEMAS.into_iter().find(|known| known.eq_ignore_ascii_case(schema));
        self.schema = known.ok_or_else(|| ConsoleError::no_schema(schema))?;
        Ok(QueryOutcome::Nothing)
    }

    async fn query(&mut self, text: &str) -> Result<QueryOutcome, ConsoleError> {
        match recognise(text)? {
            ConsoleStatement::Nothing => Ok(QueryOutcome::Nothing),
            ConsoleStatement::Use(schema) => self.enter(&schema),
            ConsoleStatement::Query(sql) => {
                let rows = self.select(sql).await?;
                self.warnings.clone_from(&rows.warnings);
                Ok(QueryOutcome::Rows(rows))
            }
            ConsoleStatement::Warnings => Ok(QueryOutcome::Rows(Rows::warned(&self.warnings))),
            ConsoleStatement::Action(action) => {
                actions::execute(&self.console, &self.author, action).await.map(QueryOutcome::Rows)
            }
        }
    }

    /// Runs a query. Only one runs at a time, so that the console never uses more than one core.
    async fn select(&mut self, sql: String) -> Result<Rows, ConsoleError> {
        let gone = |_| ConsoleError::new(ER_SERVER_SHUTDOWN, "the proxy ends");
        let turn = self.console.turn.clone().acquire_owned().await.map_err(gone)?;
        let about = AboutClient {
            schema: self.schema,
            user: format!("{}@{}", self.author.account, self.author.peer.ip()),
            id: self.author.id,
        };
        let ended = |_| ConsoleError::new(ER_SERVER_SHUTDOWN, "the query ended with an error of the proxy");
        let prepared =
            tokio::task::spawn_blocking(move || engine::prepare(sql, about)).await.map_err(ended)??;
        let filled = sources::rows(&self.console, &prepared.tables).await;
        let filled = filled.map_err(|error| ConsoleError::new(ER_UNKNOWN_ERROR, error.to_string()))?;
        let warnings = filled.iter().filter_map(Filled::warning).collect();
        let query = tokio::task::spawn_blocking(move || {
            // The query ends later than this future if the client's connection is ended meanwhile.
            let _turn = turn;
            for Filled { table, rows, .. } in filled {
                prepared.fill(table, &rows)?;
            }
            prepared.run()
        });
        let rows = Rows { warnings, ..query.await.map_err(ended)?? };
        let memory = u32::try_from(rows.bytes()).unwrap_or(u32::MAX);
        let answer = self.console.answers.clone().try_acquire_many_owned(memory);
        self.answer = Some(answer.map_err(|_| ConsoleError::answers_wait())?);
        Ok(rows)
    }
}
