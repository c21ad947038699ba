//! How servers parse the text of a session that has set nothing: by their global settings, which an
//! administrator may change at any time, and which may differ between servers.

use super::Flavor;
use pointsman_terms::TextCharset;

bitflags::bitflags! {
    /// The ways in which a text may be parsed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct TextModes: u8 {
        /// `sql_mode` has ANSI_QUOTES.
        const ANSI_QUOTES = 1;
        /// `sql_mode` lacks ANSI_QUOTES.
        const DOUBLE_QUOTED_STRINGS = 2;
        /// `sql_mode` has NO_BACKSLASH_ESCAPES.
        const NO_BACKSLASH_ESCAPES = 4;
        /// `sql_mode` lacks NO_BACKSLASH_ESCAPES.
        const BACKSLASH_ESCAPES = 8;
        /// `character_set_client` is gbk or the like, where a backslash may be the second byte of a character.
        const MULTI_BYTE_CHARSET = 16;
        /// `character_set_client` is unknown, or ASCII characters are others in it (swe7).
        const UNSAFE_CHARSET = 32;
        /// `character_set_client` has single bytes beyond ASCII, such as latin1.
        const SINGLE_BYTE_CHARSET = 64;
    }
}

bitflags::bitflags! {
    /// What a session begins with on a server, as far as the status flags of OK packets show it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LoginFlags: u8 {
        /// `autocommit` is on.
        const AUTOCOMMIT = 1;
        /// `sql_mode` has NO_BACKSLASH_ESCAPES.
        const NO_BACKSLASH_ESCAPES = 2;
        /// `sql_mode` has ANSI_QUOTES, which only MariaDB's status flags show.
        const ANSI_QUOTES = 4;
        /// The rest is uncertain: the probe did not see the variables, or `init_connect` may set them.
        const UNCERTAIN = 8;
    }
}

impl Default for LoginFlags {
    /// The servers' own defaults.
    fn default() -> Self {
        LoginFlags::AUTOCOMMIT
    }
}

impl LoginFlags {
    /// Returns the flags for a server's global variables; None is unknown.
    pub fn of_server(
        flavor: Flavor,
        autocommit: Option<&str>,
        sql_mode: Option<&str>,
        init_connect: Option<&str>,
    ) -> Self {
        let modes = sql_mode.map_or(TextModes::empty(), TextModes::of_sql_mode);
        let off = autocommit.is_some_and(|value| value == "0" || value.eq_ignore_ascii_case("OFF"));
        let known = autocommit.is_some() && sql_mode.is_some();
        let mut flags = LoginFlags::empty();
        flags.set(Self::AUTOCOMMIT, !off);
        flags.set(Self::NO_BACKSLASH_ESCAPES, modes.contains(TextModes::NO_BACKSLASH_ESCAPES));
        flags.set(Self::ANSI_QUOTES, flavor == Flavor::MariaDb && modes.contains(TextModes::ANSI_QUOTES));
        flags.set(Self::UNCERTAIN, !known || init_connect.is_none_or(|text| !text.trim().is_empty()));
        flags
    }
}

impl TextModes {
    /// Every SQL mode.
    pub const ANY_SQL_MODE: TextModes = TextModes::ANSI_QUOTES
        .union(Self::DOUBLE_QUOTED_STRINGS)
        .union(Self::NO_BACKSLASH_ESCAPES)
        .union(Self::BACKSLASH_ESCAPES);

    /// Returns the modes for a server's global `sql_mode`, `init_connect` and `character_set_client`; None is
    /// unknown.
    pub fn of_server(sql_mode: Option<&str>, init_connect: Option<&str>, charset: Option<&str>) -> Self {
        let charset = match charset.map_or(TextCharset::Unsafe, |name| TextCharset::of(name.as_bytes())) {
            TextCharset::Utf8 => Self::empty(),
            TextCharset::SingleByte => Self::SINGLE_BYTE_CHARSET,
            TextCharset::MultiByte => Self::MULTI_BYTE_CHARSET,
            TextCharset::Unsafe => Self::UNSAFE_CHARSET,
        };
        let mode = sql_mode.map_or(Self::ANY_SQL_MODE, Self::of_sql_mode);
        if init_connect.is_none_or(may_set_sql_mode) {
            // Some accounts and connections do not run it.
            return charset | Self::ANY_SQL_MODE;
        }
        charset | mode
    }

    /// Returns the kind of character set of a text in a server's own character set.
    pub fn charset(self) -> TextCharset {
        match () {
            () if self.contains(Self::UNSAFE_CHARSET) => TextCharset::Unsafe,
            () if self.contains(Self::MULTI_BYTE_CHARSET) => TextCharset::MultiByte,
            () if self.contains(Self::SINGLE_BYTE_CHARSET) => TextCharset::SingleByte,
            // Before any server was seen, nothing is known.
            () if self.is_empty() => TextCharset::SingleByte,
            () => TextCharset::Utf8,
        }
    }

    /// Returns the modes for a value of `sql_mode`.
    pub fn of_sql_mode(value: &str) -> Self {
        let has = |mode: &str| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(mode));
        // Servers also report the modes that these combine; a statement may name a combination alone.
        let ansi = ["ANSI_QUOTES", "ANSI", "ORACLE", "MSSQL", "POSTGRESQL", "DB2", "MAXDB"];
        let quotes =
            if ansi.iter().any(|mode| has(mode)) { Self::ANSI_QUOTES } else { Self::DOUBLE_QUOTED_STRINGS };
        let escapes =
            if has("NO_BACKSLASH_ESCAPES") { Self::NO_BACKSLASH_ESCAPES } else { Self::BACKSLASH_ESCAPES };
        quotes | escapes
    }
}

/// True if the statements of `init_connect` may set `sql_mode`: by name, or in a way that cannot be seen.
fn may_set_sql_mode(init_connect: &str) -> bool {
    let text = init_connect.to_ascii_lowercase();
    ["sql_mode", "call", "execute", "(", "@@"].iter().any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_from_global_settings() {
        let plain = TextModes::DOUBLE_QUOTED_STRINGS | TextModes::BACKSLASH_ESCAPES;
        let of = |mode, init| TextModes::of_server(Some(mode), Some(init), Some("utf8mb4"));
        assert_eq!(of("STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION", ""), plain);
        assert_eq!(of("", "SET NAMES utf8mb4; SET autocommit = 1"), plain);
        assert_eq!(
            of("REAL_AS_FLOAT,ANSI_QUOTES,ANSI", ""),
            TextModes::ANSI_QUOTES | TextModes::BACKSLASH_ESCAPES
        );
        assert_eq!(
            of("no_backslash_escapes", ""),
            TextModes::NO_BACKSLASH_ESCAPES | TextModes::DOUBLE_QUOTED_STRINGS
        );
        for hidden in ["SET SQL_MODE = 'ANSI'", "CALL p()", "DO f()", "EXECUTE p", "SET @@session.x = 1"] {
            assert_eq!(of("", hidden), TextModes::ANY_SQL_MODE, "{hidden}");
        }
    }

    #[test]
    fn login_flags_are_read_from_global_settings() {
        let of =
            |flavor, autocommit, mode| LoginFlags::of_server(flavor, Some(autocommit), Some(mode), Some(""));
        assert_eq!(of(Flavor::MariaDb, "1", "STRICT_TRANS_TABLES"), LoginFlags::AUTOCOMMIT);
        let both = LoginFlags::NO_BACKSLASH_ESCAPES | LoginFlags::ANSI_QUOTES;
        assert_eq!(of(Flavor::MariaDb, "0", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"), both);
        assert_eq!(of(Flavor::MySql, "OFF", "ANSI,NO_BACKSLASH_ESCAPES"), LoginFlags::NO_BACKSLASH_ESCAPES);
        let unknown = LoginFlags::AUTOCOMMIT | LoginFlags::UNCERTAIN;
        assert_eq!(LoginFlags::of_server(Flavor::MySql, None, Some(""), Some("")), unknown);
        assert_eq!(LoginFlags::of_server(Flavor::MySql, Some("1"), Some(""), Some("CALL p()")), unknown);
    }

    #[test]
    fn what_is_unknown_may_be_anything() {
        assert_eq!(
            TextModes::of_server(None, None, None),
            TextModes::ANY_SQL_MODE | TextModes::UNSAFE_CHARSET
        );
        assert_eq!(
            TextModes::of_server(None, Some(""), Some("latin1")),
            TextModes::ANY_SQL_MODE | TextModes::SINGLE_BYTE_CHARSET
        );
        for charset in ["gbk", "SJIS", "big5", "cp932", "gb18030"] {
            let modes = TextModes::of_server(Some(""), Some(""), Some(charset));
            assert_eq!(modes.charset(), TextCharset::MultiByte, "{charset}");
        }
        let of = |charset| TextModes::of_server(Some(""), Some(""), charset).charset();
        assert_eq!(of(Some("swe7")), TextCharset::Unsafe);
        assert_eq!(of(None), TextCharset::Unsafe);
        assert_eq!(of(Some("utf8mb4")), TextCharset::Utf8);
        assert_eq!(of(Some("latin1")), TextCharset::SingleByte);
    }
}
