//! How the servers read a session's texts: by what they reported about the session, otherwise by their own
//! settings.

use super::SessionState;
use crate::backend::Carried;
use crate::sql::{Options, Readings};
use crate::terms::TextCharset;
use crate::topology::TextModes;
use crate::wire::StatusFlags;

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReadingState {
    /// The value of `sql_mode` that a tracker reported; empty if none did.
    mode: TextModes,
    open: Open,
}

bitflags::bitflags! {
    /// What is unknown about the session.
    #[derive(Debug, Clone, Copy, Default)]
    struct Open: u8 {
        /// The character set is the server's default.
        const SERVERS_CHARSET = 1;
        /// A statement set the character set, and no tracker reported the value.
        const CHARSET = 2;
        /// A statement set `sql_mode`, and no tracker reported the value.
        const MODE = 4;
    }
}

impl ReadingState {
    /// Notes the value of a variable that a tracker reported.
    pub(super) fn reported(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"sql_mode" => {
                self.mode = std::str::from_utf8(value).map_or(TextModes::empty(), TextModes::of_sql_mode);
                self.open.set(Open::MODE, self.mode.is_empty());
            }
            b"character_set_client" => self.open -= Open::CHARSET,
            _ => {}
        }
    }
}

/// Returns every way in which the servers may read a text under this state.
pub fn readings_under(state: &Carried, servers: TextModes) -> Readings {
    let mode = state.variables.iter().find(|(name, _)| **name == *b"sql_mode");
    let mode = mode
        .map(|(_, value)| std::str::from_utf8(value).map_or(TextModes::ANY_SQL_MODE, TextModes::of_sql_mode));
    let charset = state.charset.of_client().unwrap_or(servers.charset());
    readings_of(mode.unwrap_or(servers), charset)
}

fn readings_of(open: TextModes, charset: TextCharset) -> Readings {
    let either = |one, other| open.contains(one) && open.contains(other);
    Readings {
        options: Options {
            ansi_quotes: open.contains(TextModes::ANSI_QUOTES),
            no_backslash_escapes: open.contains(TextModes::NO_BACKSLASH_ESCAPES),
            charset,
        },
        either_quotes: either(TextModes::ANSI_QUOTES, TextModes::DOUBLE_QUOTED_STRINGS),
        either_escapes: either(TextModes::NO_BACKSLASH_ESCAPES, TextModes::BACKSLASH_ESCAPES),
    }
}

impl SessionState {
    /// Returns how the session's texts are to be read, as far as the session is known.
    #[inline]
    pub fn sql_options(&self) -> Options {
        self.texts.options
    }

    /// Returns every way in which the servers may read the session's texts. `servers` says how they read the
    /// texts of a session that set nothing.
    #[inline]
    pub fn readings(&self, servers: TextModes) -> Readings {
        let mut charset = self.texts.options.charset;
        if self.texts.reading.open.contains(Open::SERVERS_CHARSET) {
            charset = charset.max(servers.charset());
        }
        if !self.texts.reading.mode.is_empty() {
            return Readings::from(Options { charset, ..self.texts.options });
        }
        let open = if self.texts.reading.open.contains(Open::MODE) {
            TextModes::ANY_SQL_MODE
        } else {
            servers | self.modes_of_now()
        };
        readings_of(open, charset)
    }

    /// Returns the modes that the answers to the session showed; nothing before the first answer.
    fn modes_of_now(&self) -> TextModes {
        let Options { ansi_quotes, no_backslash_escapes, .. } = self.texts.options;
        let off = |modes| if self.last.is_new { TextModes::empty() } else { modes };
        let quotes = if ansi_quotes { TextModes::ANSI_QUOTES } else { off(TextModes::DOUBLE_QUOTED_STRINGS) };
        let escapes = if no_backslash_escapes {
            TextModes::NO_BACKSLASH_ESCAPES
        } else {
            off(TextModes::BACKSLASH_ESCAPES)
        };
        quotes | escapes
    }

    /// Notes that a statement set this variable, or variables with unknown names (None), to an unknown value.
    pub(super) fn reading_unreported(&mut self, name: Option<&[u8]>) {
        if name.is_none_or(|name| name == b"sql_mode") {
            self.texts.reading.mode = TextModes::empty();
            self.texts.reading.open |= Open::MODE;
        }
        if name.is_none_or(|name| name == b"character_set_client") {
            self.texts.reading.open |= Open::CHARSET;
        }
        self.texts.options = self.options_of_now();
    }

    /// Notes `SET @@sql_mode = value` on MariaDB. No tracker reports it, but the status flags do.
    pub(super) fn mode_given(&mut self) {
        self.texts.reading.mode = TextModes::empty();
        self.texts.reading.open -= Open::MODE;
    }

    pub(super) fn options_of_now(&mut self) -> Options {
        let charset = self.carried.charset.of_client();
        self.texts.reading.open.set(Open::SERVERS_CHARSET, charset.is_none());
        let mode = self.carried.variables.iter().find(|(name, _)| **name == *b"sql_mode");
        let mode_has = |word: &[u8]| {
            mode.is_some_and(|(_, value)| value.split(|b| *b == b',').any(|w| w.eq_ignore_ascii_case(word)))
        };
        let reported = self.texts.reading.mode;
        Options {
            ansi_quotes: self.transaction.status.contains(StatusFlags::ANSI_QUOTES)
                || mode_has(b"ANSI_QUOTES")
                || reported.contains(TextModes::ANSI_QUOTES),
            no_backslash_escapes: self.transaction.status.contains(StatusFlags::NO_BACKSLASH_ESCAPES),
            charset: match charset {
                _ if self.texts.reading.open.contains(Open::CHARSET) => TextCharset::Unsafe,
                Some(charset) => charset,
                // `readings` adds what the servers' own is.
                None => TextCharset::Utf8,
            },
        }
    }
}
