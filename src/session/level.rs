//! How fresh a read must be: what the statement itself says, else what the session chose by SET or at its
//! login, else what its user, its listener or the configuration says. Also answers statements about the
//! proxy's own variable, by which sessions choose a level: servers never see these.

use super::Session;
use crate::client::{Failure, Request};
use crate::config::{Choice, Level};
use crate::net::Runtime;
use crate::sql::Effects;
use crate::worker::Source;

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

impl<R: Runtime> Session<R> {
    /// Returns the level of this statement. Called for each read, so it looks nothing up.
    #[inline]
    pub(super) fn level(&self, request: &Request) -> Level {
        hinted(request.class.effects).unwrap_or_else(|| self.level_of_session())
    }

    /// Returns the level of statements that do not ask for one.
    #[inline]
    pub(super) fn level_of_session(&self) -> Level {
        self.client.handle.level.get()
    }

    /// Returns the same as [`Self::level`], and what decided it.
    pub(super) fn explained_level(&self, request: &Request) -> (Level, Source) {
        let statement = hinted(request.class.effects).map(|level| (level, Source::Statement));
        statement.unwrap_or_else(|| self.context.level_for(&self.client.handle))
    }
}
