//! The consistency level of a session's reads: the level that the session chose, otherwise the level of its user, of
//! its listener, or of the configuration.

use super::{Handle, Resources};
use crate::config::Level;
use crate::net::Runtime;
use crate::terms::Port;

/// The levels that a session chose itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Levels {
    /// Chosen by `SET pointsman_consistency`.
    pub set: Option<Level>,
    /// Chosen by the connection attribute of that name.
    pub attribute: Option<Level>,
}

/// What decided a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelSource {
    /// A comment in the statement.
    Statement,
    /// `SET pointsman_consistency`.
    Set,
    /// The connection attribute of that name.
    Attribute,
    /// The user's configuration.
    User,
    /// The listener's configuration.
    Listener,
    /// `[consistency]`, or the default of replica ports.
    Configuration,
}

impl LevelSource {
    /// Returns the words for `explain`.
    pub fn words(self) -> &'static str {
        match self {
            LevelSource::Statement => "a comment",
            LevelSource::Set => "SET",
            LevelSource::Attribute => "a connection attribute",
            LevelSource::User => "the user",
            LevelSource::Listener => "the listener",
            LevelSource::Configuration => "the configuration",
        }
    }
}

impl<R: Runtime> Resources<R> {
    /// Sets the levels that the session chose itself.
    pub fn choose_levels(&self, handle: &Handle, levels: Levels) {
        handle.levels.set(levels);
        handle.level.set(self.level_for(handle).0);
    }

    /// Returns the level of a session's reads by the current settings, and what decided it.
    pub fn level_for(&self, handle: &Handle) -> (Level, LevelSource) {
        let chosen = handle.levels.get();
        let set = chosen.set.map(|level| (level, LevelSource::Set));
        if let Some(chosen) = set.or(chosen.attribute.map(|level| (level, LevelSource::Attribute))) {
            return chosen;
        }
        let live = self.live.borrow();
        let login = handle.login.borrow();
        let user = login.as_ref().and_then(|login| live.users.get(&login.user)).and_then(|user| user.level);
        let listener = live.listener_levels.get(&handle.entrance.listener).copied();
        match (user, listener) {
            (Some(level), _) => (level, LevelSource::User),
            (_, Some(level)) => (level, LevelSource::Listener),
            _ if handle.entrance.port == Port::Replica => (Level::Bounded, LevelSource::Configuration),
            _ => (live.consistency.level, LevelSource::Configuration),
        }
    }
}
