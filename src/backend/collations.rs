//! KnownCollation ids of handshake packets and the names that `SET NAMES` takes. Each flavour has its own ids: most ids below 256 mean
//! the same on both, but not all.

mod tables;

use std::borrow::Cow;

use super::session_variables::is_charset_name;
use crate::topology::Flavor;
use tables::{COMMON, KnownCollation, ONLY_MARIADB, ONLY_MYSQL, WITH_NOPAD};

/// The first id of MariaDB's variants without padding.
const NOPAD: u16 = 1024;

/// The first id of MariaDB's collations of UCA 14.0.0: the id has the character set in its bits 8 to 10, the language in its
/// bits 3 to 7, and three flags.
const UCA1400: u16 = 2048;

/// The character sets of those ids.
const UCA1400_CHARSETS: [&str; 5] = ["utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"];

/// The languages of those ids. MariaDB has no language for 21 and 22.
const UCA1400_LANGUAGES: [&str; 25] = [
    "",
    "icelandic_",
    "latvian_",
    "romanian_",
    "slovenian_",
    "polish_",
    "estonian_",
    "spanish_",
    "swedish_",
    "turkish_",
    "czech_",
    "danish_",
    "lithuanian_",
    "slovak_",
    "spanish2_",
    "roman_",
    "persian_",
    "esperanto_",
    "hungarian_",
    "sinhala_",
    "german2_",
    "-",
    "-",
    "vietnamese_",
    "croatian_",
];

/// The id of no collation: servers then use their default.
pub const DEFAULT_COLLATION: u16 = 0;

/// Returns the character set and collation of an id, if servers of this flavour have it, and if clients may use the character
/// set.
pub fn names(id: u16, flavor: Flavor) -> Option<(&'static str, Cow<'static, str>)> {
    let own = if flavor == Flavor::MariaDb { ONLY_MARIADB } else { ONLY_MYSQL };
    if let Some(KnownCollation { charset, name, .. }) = find(own, id).or_else(|| find(COMMON, id)) {
        return Some((charset, Cow::Borrowed(name)));
    }
    if flavor == Flavor::MySql || unusable(id, flavor).is_some() {
        return None;
    }
    match id {
        UCA1400.. => {
            let (charset, language) = uca1400(id)?;
            let pad = if id & 4 == 0 { "" } else { "nopad_" };
            let accents = if id & 2 == 0 { "ai" } else { "as" };
            let case = if id & 1 == 0 { "ci" } else { "cs" };
            Some((charset, format!("{charset}_uca1400_{language}{pad}{accents}_{case}").into()))
        }
        NOPAD.. if WITH_NOPAD.contains(&(id - NOPAD)) => {
            let KnownCollation { charset, name: padded, .. } = find(COMMON, id - NOPAD)?;
            let (name, end) = padded.rsplit_once('_')?;
            Some((charset, format!("{name}_nopad_{end}").into()))
        }
        _ => None,
    }
}

fn find(table: &[KnownCollation], id: u16) -> Option<&KnownCollation> {
    let at = table.binary_search_by_key(&id, |collation| collation.id).ok()?;
    table.get(at)
}

fn uca1400(id: u16) -> Option<(&'static str, &'static str)> {
    let offset = usize::from(id.checked_sub(UCA1400)?);
    let charset = UCA1400_CHARSETS.get(offset >> 8)?;
    let language = UCA1400_LANGUAGES.get((offset >> 3) & 31).filter(|language| **language != "-")?;
    Some((charset, language))
}

/// Returns the id's character set if it is one that no client can use: a server answers 1231 to a login with such an id.
fn unusable(id: u16, flavor: Flavor) -> Option<&'static str> {
    let base = if flavor == Flavor::MariaDb && (NOPAD..UCA1400).contains(&id) { id - NOPAD } else { id };
    let has_nopad = |bases: &[u16]| id == base || bases.contains(&base);
    match base {
        35 | 90 | 128..=151 | 159 if has_nopad(&[35, 90, 128, 150]) => Some("ucs2"),
        54 | 55 | 101..=124 if has_nopad(&[54, 55, 101, 123]) => Some("utf16"),
        56 | 62 if has_nopad(&[56, 62]) => Some("utf16le"),
        60 | 61 | 160..=183 if has_nopad(&[60, 61, 160, 182]) => Some("utf32"),
        _ if flavor == Flavor::MySql => None,
        17 if id == base => Some("filename"),
        640..=642 if id == base => Some("ucs2"),
        672..=674 if id == base => Some("utf16"),
        736..=738 if id == base => Some("utf32"),
        _ => uca1400(id).map(|(charset, _)| charset).filter(|charset| !charset.starts_with("utf8")),
    }
}

/// Returns the id that a server of this flavour and version understands by the id of a client, which is that of its default
/// if the server does not know it.
///
/// # Errors
///
/// The character set, if no client can use it.
pub fn client_collation(id: u16, flavor: Flavor, version: &str) -> Result<u16, &'static str> {
    let since = match flavor {
        Flavor::MariaDb if id >= UCA1400 => [10, 10, 1],
        Flavor::MySql if id >= 310 => [8, 0, 30],
        Flavor::MySql if id >= 255 => [8, 0, 0],
        Flavor::MySql | Flavor::MariaDb => [0, 0, 0],
    };
    if number_of(version) < since {
        return Ok(DEFAULT_COLLATION);
    }
    match unusable(id, flavor) {
        Some(charset) => Err(charset),
        None => Ok(names(id, flavor).map_or(DEFAULT_COLLATION, |_| id)),
    }
}

/// Returns the character set of an id that `client_collation` returned. None: it is the server's default.
pub fn charset_of(id: u16, flavor: Flavor) -> Option<&'static str> {
    names(id, flavor).map(|(charset, _)| charset)
}

/// Reads the three numbers of a server's version. An unreadable number is 0.
fn number_of(version: &str) -> [u32; 3] {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    [next(), next(), next()]
}

/// True if both names are known, and the collation is one of the character set.
pub fn is_collation_of(charset: &[u8], collation: &[u8]) -> bool {
    let known = |name: &[u8]| all().any(|known| known.charset.as_bytes() == name);
    let utf8 = |name: &[u8]| matches!(name, b"utf8" | b"utf8mb3");
    let own = collation.strip_prefix(charset).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"_"));
    let alias = utf8(charset) && (collation.starts_with(b"utf8_") || collation.starts_with(b"utf8mb3_"));
    is_charset_name(collation) && (known(charset) || utf8(charset)) && (own || alias)
}

/// True for the name of a character set that servers have.
pub fn is_known_charset(name: &[u8]) -> bool {
    const OTHERS: [&[u8]; 6] = [b"utf8", b"utf8mb3", b"ucs2", b"utf16", b"utf16le", b"utf32"];
    OTHERS.contains(&name) || all().any(|known| known.charset.as_bytes() == name)
}

fn all() -> impl Iterator<Item = &'static KnownCollation> {
    COMMON.iter().chain(ONLY_MYSQL).chain(ONLY_MARIADB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_know_the_usual_ids() {
        for table in [COMMON, ONLY_MARIADB, ONLY_MYSQL] {
            assert!(table.is_sorted_by_key(|collation| collation.id));
        }
        let name =
            |id, flavor| names(id, flavor).map(|(charset, collation)| format!("{charset} {collation}"));
        let (maria, mysql) = (Flavor::MariaDb, Flavor::MySql);
        assert_eq!(name(45, maria).as_deref(), Some("utf8mb4 utf8mb4_general_ci"));
        assert_eq!(name(255, mysql).as_deref(), Some("utf8mb4 utf8mb4_0900_ai_ci"));
        assert_eq!(name(213, mysql).as_deref(), Some("utf8mb3 utf8mb3_croatian_ci"));
        assert_eq!(name(213, maria).as_deref(), Some("utf8mb3 utf8mb3_croatian_mysql561_ci"));
        assert_eq!(name(1270, maria).as_deref(), Some("utf8mb4 utf8mb4_unicode_520_nopad_ci"));
        assert_eq!(name(2308, maria).as_deref(), Some("utf8mb4 utf8mb4_uca1400_nopad_ai_ci"));
        for (id, flavor) in
            [(255, maria), (35, mysql), (2304, mysql), (1026, maria), (2219, maria), (4000, maria)]
        {
            assert_eq!(name(id, flavor), None, "{id}");
        }
    }

    #[test]
    fn a_client_gets_what_a_server_of_that_version_has() {
        let (maria, mysql) = (Flavor::MariaDb, Flavor::MySql);
        assert_eq!(client_collation(8, maria, "10.11.6-MariaDB"), Ok(8));
        assert_eq!(client_collation(2304, maria, "5.5.5-10.11.6-MariaDB"), Ok(2304));
        assert_eq!(client_collation(2304, maria, "10.6.12-MariaDB"), Ok(0));
        assert_eq!(client_collation(323, mysql, "8.0.21"), Ok(0));
        assert_eq!(client_collation(323, mysql, "9.7.0"), Ok(323));
        assert_eq!(client_collation(17, mysql, "9.7.0"), Ok(0));
        assert_eq!(client_collation(17, maria, "10.11.6-MariaDB"), Err("filename"));
        assert_eq!(client_collation(u16::MAX, maria, "10.11.6-MariaDB"), Ok(0));
        for (id, charset) in [(35, "ucs2"), (54, "utf16"), (62, "utf16le"), (61, "utf32")] {
            assert_eq!(client_collation(id, mysql, "9.7.0"), Err(charset));
        }
    }
}
