//! How fresh a read must be: what the statement itself says, else what the session chose by SET or at its
//! login, else what its user, its listener or the configuration says. Also answers statements about the
//! proxy's own variable, by which sessions choose a level: servers never see these.

use super::acquire::StatementError;
use super::errors::Misuse;
use super::explain::Column;
use super::request::Request;
use super::{Context, Failure, Handle, Session};
use crate::config::{Choice, Level};
use crate::net::{Buf, Runtime};
use crate::sql::Effects;
use crate::sql::proxy_variable::{CONSISTENCY, Own, parse};
use crate::terms::{Close, Port};
use crate::wire::{Capabilities, Command, query_text};

/// The levels that a session chose itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Levels {
    /// Chosen by `SET pointsman_consistency`.
    pub set: Option<Level>,
    /// Chosen by the connection attribute of that name.
    pub attribute: Option<Level>,
}

/// What decided a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Statement,
    Set,
    Attribute,
    User,
    Listener,
    /// `[consistency]`, or the default of replica ports.
    Configuration,
}

impl Source {
    /// Returns the words for `explain`.
    pub fn words(self) -> &'static str {
        match self {
            Source::Statement => "a comment",
            Source::Set => "SET",
            Source::Attribute => "a connection attribute",
            Source::User => "the user",
            Source::Listener => "the listener",
            Source::Configuration => "the configuration",
        }
    }
}

/// Parses a level's word, in any case, as the variable and the attribute have it.
pub(super) fn read(word: &[u8]) -> Result<Level, Failure> {
    let level = Level::WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known.as_bytes()));
    level.map(|(_, level)| *level).ok_or_else(|| Failure::UnknownLevel(word.into()))
}

/// Returns the level that the statement's comment asks for; the strictest, if it asks for several.
fn hinted(effects: Effects) -> Option<Level> {
    match effects & Effects::HINT_LEVELS {
        hints if hints.is_empty() => None,
        hints if hints.contains(Effects::HINT_STRONG) => Some(Level::Strong),
        hints if hints.contains(Effects::HINT_SESSION) => Some(Level::Session),
        hints if hints.contains(Effects::HINT_BOUNDED) => Some(Level::Bounded),
        _ => Some(Level::Eventual),
    }
}

impl<R: Runtime> Context<R> {
    /// Sets the levels that the session chose itself.
    pub(super) fn choose_levels(&self, handle: &Handle, levels: Levels) {
        handle.levels.set(levels);
        handle.level.set(self.level_for(handle).0);
    }

    /// Returns the level of a session's reads by the current settings, and what decided it.
    pub(super) fn level_for(&self, handle: &Handle) -> (Level, Source) {
        let chosen = handle.levels.get();
        let set = chosen.set.map(|level| (level, Source::Set));
        if let Some(chosen) = set.or(chosen.attribute.map(|level| (level, Source::Attribute))) {
            return chosen;
        }
        let live = self.live.borrow();
        let login = handle.login.borrow();
        let user = login.as_ref().and_then(|login| live.users.get(&login.user)).and_then(|user| user.level);
        let listener = live.listener_levels.get(&handle.entrance.listener).copied();
        match (user, listener) {
            (Some(level), _) => (level, Source::User),
            (_, Some(level)) => (level, Source::Listener),
            _ if handle.entrance.port == Port::Replica => (Level::Bounded, Source::Configuration),
            _ => (live.consistency.level, Source::Configuration),
        }
    }
}

impl<R: Runtime> Session<R> {
    /// Returns the level of this statement. Called for each read, so it looks nothing up.
    #[inline]
    pub(super) fn level(&self, request: &Request) -> Level {
        hinted(request.class.effects).unwrap_or_else(|| self.level_of_session())
    }

    /// Returns the level of statements that do not ask for one.
    #[inline]
    pub(super) fn level_of_session(&self) -> Level {
        self.handle.level.get()
    }

    /// Returns the same as [`Self::level`], and what decided it.
    pub(super) fn explained_level(&self, request: &Request) -> (Level, Source) {
        let statement = hinted(request.class.effects).map(|level| (level, Source::Statement));
        statement.unwrap_or_else(|| self.context.level_for(&self.handle))
    }

    /// Answers a text about the proxy's variable. Forwards any other text.
    pub(super) async fn own_variable(&mut self, buf: &mut Buf, mut request: Request) -> Result<(), Close> {
        let prepares = request.command == Command::StmtPrepare;
        let Some(own) = self.own(buf, request) else {
            return self.forward_text(buf, &mut request).await;
        };
        let failure = match own {
            _ if prepares => Failure::OwnVariable(Misuse::Prepared),
            Own::SetGlobal => Failure::OwnVariable(Misuse::SetGlobal),
            Own::SelectGlobal => Failure::OwnVariable(Misuse::ReadGlobal),
            Own::NotAlone => Failure::OwnVariable(Misuse::NotAlone),
            Own::Set(value) => match value.map(read).transpose() {
                Ok(level) => {
                    let levels = Levels { set: level, ..self.handle.levels.get() };
                    self.context.choose_levels(&self.handle, levels);
                    let seq = self.skip(buf, request).await?;
                    return self.send_ok(seq).await;
                }
                Err(failure) => failure,
            },
            Own::Select(name) => {
                let name = String::from_utf8_lossy(name).into_owned();
                let seq = self.skip(buf, request).await?;
                return self.send_row(seq, &[Column::text(&name, 64)], &[Some(self.own_value())]).await;
            }
            Own::Show => {
                let seq = self.skip(buf, request).await?;
                let columns = [Column::text("Variable_name", 64), Column::text("Value", 1024)];
                let row = [Some(CONSISTENCY.to_owned()), Some(self.own_value())];
                return self.send_row(seq, &columns, &row).await;
            }
        };
        self.skip_and_stop(buf, request, StatementError::Tell(failure)).await
    }

    fn own<'a>(&self, buf: &'a Buf, request: Request) -> Option<Own<'a>> {
        let has_attributes = request.command == Command::Query;
        let attributes = has_attributes && self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let text = query_text(request.arguments(buf), attributes).unwrap_or_default();
        parse(text, self.state.sql_options()).filter(|_| request.whole)
    }

    /// True if `own_variable` answers this statement.
    pub(super) fn is_own(&self, buf: &Buf, request: Request) -> bool {
        request.class.effects.contains(Effects::MAY_BE_OWN) && self.own(buf, request).is_some()
    }

    fn own_value(&self) -> String {
        self.level_of_session().word().to_owned()
    }
}
