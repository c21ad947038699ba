//! The built-in functions that not every server has, with the versions that have them. A name counts as built in only
//! if each server that may get the text has the function: elsewhere a stored or a loadable function may have the name.

use std::sync::Arc;

use super::names::{CALLABLE, SPECIAL, TIGHT};
use super::words::{Meaning, meaning};

/// Whether a name is that of a built-in function on the servers in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// Each server in use has a built-in function of the name, so that no stored or loadable function can hide it.
    Everywhere,
    /// Some servers in use have a built-in function of the name. On the others the name may be that of a stored or
    /// loadable function.
    Somewhere,
    /// No server in use is known to have a built-in function of the name.
    Nowhere,
}

/// The flavour and the version of a server in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerVersion {
    /// MariaDB.
    MariaDb(Version),
    /// MySQL, and servers made from it.
    MySql(Version),
}

/// Major, minor and patch version.
pub type Version = (u16, u16, u16);

impl ServerVersion {
    /// Reads the version string of a greeting: `10.11.6-MariaDB-1:10.11.6+maria~ubu`, `5.5.5-10.6.3-MariaDB`, `9.7.0`.
    /// Numbers that are missing are 0: the server has no function of later versions.
    pub fn parse(text: &str, is_mariadb: bool) -> Self {
        let text = if is_mariadb { text.strip_prefix("5.5.5-").unwrap_or(text) } else { text };
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let version = (next(), next(), next());
        if is_mariadb { Self::MariaDb(version) } else { Self::MySql(version) }
    }

    /// True if the server has this built-in function, of those that not every server has.
    fn has(self, function: &(&str, Range, Range)) -> bool {
        match self {
            Self::MariaDb(version) => function.1.contains(version),
            Self::MySql(version) => function.2.contains(version),
        }
    }
}

/// A server in use, with what is known of its built-in functions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerFunctions {
    /// The flavour and the version: what the tables say of the server.
    pub version: ServerVersion,
    /// The names that the tables call built in on this version, and that the server itself does not know. Sorted; empty
    /// if the server was not asked.
    pub lacks: Arc<[&'static str]>,
}

impl ServerFunctions {
    fn has(&self, function: &(&str, Range, Range)) -> bool {
        self.version.has(function) && !self.lacks(function.0.as_bytes())
    }

    /// True if the server does not know this name, in any case, that the tables call built in.
    fn lacks(&self, name: &[u8]) -> bool {
        self.lacks.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    }
}

impl From<ServerVersion> for ServerFunctions {
    fn from(version: ServerVersion) -> Self {
        ServerFunctions { version, lacks: Arc::default() }
    }
}

/// The versions of a flavour that have a function: from the first one on, up to and without the second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range(Version, Version);

/// Later than all versions.
const END: Version = (u16::MAX, 0, 0);
/// Each version that the proxy works with.
const ALWAYS: Range = Range((0, 0, 0), END);
/// No version.
const NEVER: Range = Range(END, END);

const fn since(major: u16, minor: u16, patch: u16) -> Range {
    Range((major, minor, patch), END)
}

const fn until(major: u16, minor: u16, patch: u16) -> Range {
    Range((0, 0, 0), (major, minor, patch))
}

impl Range {
    fn contains(self, version: Version) -> bool {
        self.0 <= version && version < self.1
    }
}

/// Functions of some servers or versions, sorted by name: the name, the versions of MariaDB (10.6 and later), and the
/// versions of MySQL (8.0 and later) that have the function. Functions that a later version added stand with the
/// version of the release notes; `tests/attacks/functions.rs` compares the rest with real servers.
#[rustfmt::skip]
const VERSIONED: [(&str, Range, Range); 212] = [
    ("add_months", ALWAYS, NEVER),
    ("any_value", NEVER, ALWAYS),
    ("area", ALWAYS, NEVER),
    ("asbinary", ALWAYS, NEVER),
    ("astext", ALWAYS, NEVER),
    ("aswkb", ALWAYS, NEVER),
    ("aswkt", ALWAYS, NEVER),
    ("bin_to_uuid", NEVER, ALWAYS),
    ("binlog_gtid_pos", ALWAYS, NEVER),
    ("boundary", ALWAYS, NEVER),
    ("buffer", ALWAYS, NEVER),
    ("centroid", ALWAYS, NEVER),
    ("chr", ALWAYS, NEVER),
    ("column_add", ALWAYS, NEVER),
    ("column_check", ALWAYS, NEVER),
    ("column_create", ALWAYS, NEVER),
    ("column_delete", ALWAYS, NEVER),
    ("column_exists", ALWAYS, NEVER),
    ("column_get", ALWAYS, NEVER),
    ("column_json", ALWAYS, NEVER),
    ("column_list", ALWAYS, NEVER),
    ("concat_operator_oracle", ALWAYS, NEVER),
    ("connection_id", ALWAYS, ALWAYS),
    ("contains", ALWAYS, NEVER),
    ("convexhull", ALWAYS, NEVER),
    ("crc32c", since(10, 8, 0), NEVER),
    ("crosses", ALWAYS, NEVER),
    ("cube", NEVER, ALWAYS),
    ("decode", ALWAYS, NEVER),
    ("decode_histogram", ALWAYS, NEVER),
    ("decode_oracle", ALWAYS, NEVER),
    ("des_decrypt", ALWAYS, NEVER),
    ("des_encrypt", ALWAYS, NEVER),
    ("dimension", ALWAYS, NEVER),
    ("disjoint", ALWAYS, NEVER),
    ("encode", ALWAYS, NEVER),
    ("encrypt", ALWAYS, NEVER),
    ("endpoint", ALWAYS, NEVER),
    ("envelope", ALWAYS, NEVER),
    ("equals", ALWAYS, NEVER),
    ("etag", NEVER, since(9, 4, 0)),
    ("exteriorring", ALWAYS, NEVER),
    ("format_bytes", NEVER, since(8, 0, 16)),
    ("format_pico_time", since(11, 0, 2), since(8, 0, 16)),
    ("from_vector", NEVER, since(9, 0, 0)),
    ("geomcollection", NEVER, since(8, 0, 11)),
    ("geomcollfromtext", ALWAYS, NEVER),
    ("geomcollfromwkb", ALWAYS, NEVER),
    ("geometrycollection", ALWAYS, ALWAYS),
    ("geometrycollectionfromtext", ALWAYS, NEVER),
    ("geometrycollectionfromwkb", ALWAYS, NEVER),
    ("geometryfromtext", ALWAYS, NEVER),
    ("geometryfromwkb", ALWAYS, NEVER),
    ("geometryn", ALWAYS, NEVER),
    ("geometrytype", ALWAYS, NEVER),
    ("geomfromtext", ALWAYS, NEVER),
    ("geomfromwkb", ALWAYS, NEVER),
    ("glength", ALWAYS, NEVER),
    ("grouping", NEVER, ALWAYS),
    ("gtid_subset", NEVER, ALWAYS),
    ("gtid_subtract", NEVER, ALWAYS),
    ("icu_version", NEVER, since(8, 0, 4)),
    ("interiorringn", ALWAYS, NEVER),
    ("intersects", ALWAYS, NEVER),
    ("is_uuid", NEVER, ALWAYS),
    ("isclosed", ALWAYS, NEVER),
    ("isempty", ALWAYS, NEVER),
    ("isring", ALWAYS, NEVER),
    ("issimple", ALWAYS, NEVER),
    ("json_array_intersect", since(11, 2, 0), NEVER),
    ("json_compact", ALWAYS, NEVER),
    ("json_detailed", ALWAYS, NEVER),
    ("json_equals", since(10, 7, 0), NEVER),
    ("json_exists", ALWAYS, NEVER),
    ("json_key_value", since(11, 2, 0), NEVER),
    ("json_loose", ALWAYS, NEVER),
    ("json_normalize", since(10, 7, 0), NEVER),
    ("json_object_filter_keys", since(11, 2, 0), NEVER),
    ("json_object_to_array", since(11, 2, 0), NEVER),
    ("json_overlaps", since(10, 9, 0), since(8, 0, 17)),
    ("json_query", ALWAYS, NEVER),
    ("json_schema_valid", since(11, 1, 0), since(8, 0, 17)),
    ("json_schema_validation_report", NEVER, since(8, 0, 17)),
    ("json_storage_free", NEVER, ALWAYS),
    ("json_storage_size", NEVER, ALWAYS),
    ("json_table", ALWAYS, ALWAYS),
    ("kdf", since(11, 3, 0), NEVER),
    ("lastval", ALWAYS, NEVER),
    ("lengthb", ALWAYS, NEVER),
    ("linefromtext", ALWAYS, NEVER),
    ("linefromwkb", ALWAYS, NEVER),
    ("linestring", ALWAYS, ALWAYS),
    ("linestringfromtext", ALWAYS, NEVER),
    ("linestringfromwkb", ALWAYS, NEVER),
    ("lpad_oracle", ALWAYS, NEVER),
    ("ltrim_oracle", ALWAYS, NEVER),
    ("master_gtid_wait", ALWAYS, NEVER),
    ("master_pos_wait", ALWAYS, ALWAYS),
    ("mbrcoveredby", since(12, 0, 0), ALWAYS),
    ("mbrcovers", NEVER, ALWAYS),
    ("mbrequal", ALWAYS, NEVER),
    ("md5", ALWAYS, until(9, 6, 0)),
    ("median", ALWAYS, NEVER),
    ("mlinefromtext", ALWAYS, NEVER),
    ("mlinefromwkb", ALWAYS, NEVER),
    ("mpointfromtext", ALWAYS, NEVER),
    ("mpointfromwkb", ALWAYS, NEVER),
    ("mpolyfromtext", ALWAYS, NEVER),
    ("mpolyfromwkb", ALWAYS, NEVER),
    ("multilinestring", ALWAYS, ALWAYS),
    ("multilinestringfromtext", ALWAYS, NEVER),
    ("multilinestringfromwkb", ALWAYS, NEVER),
    ("multipoint", ALWAYS, ALWAYS),
    ("multipointfromtext", ALWAYS, NEVER),
    ("multipointfromwkb", ALWAYS, NEVER),
    ("multipolygon", ALWAYS, ALWAYS),
    ("multipolygonfromtext", ALWAYS, NEVER),
    ("multipolygonfromwkb", ALWAYS, NEVER),
    ("natural_sort_key", since(10, 7, 0), NEVER),
    ("nextval", ALWAYS, NEVER),
    ("numgeometries", ALWAYS, NEVER),
    ("numinteriorrings", ALWAYS, NEVER),
    ("numpoints", ALWAYS, NEVER),
    ("nvl", ALWAYS, NEVER),
    ("nvl2", ALWAYS, NEVER),
    ("old_password", ALWAYS, NEVER),
    ("overlaps", ALWAYS, NEVER),
    ("password", ALWAYS, NEVER),
    ("percentile_cont", ALWAYS, NEVER),
    ("percentile_disc", ALWAYS, NEVER),
    ("point", ALWAYS, ALWAYS),
    ("pointfromtext", ALWAYS, NEVER),
    ("pointfromwkb", ALWAYS, NEVER),
    ("pointn", ALWAYS, NEVER),
    ("pointonsurface", ALWAYS, NEVER),
    ("polyfromtext", ALWAYS, NEVER),
    ("polyfromwkb", ALWAYS, NEVER),
    ("polygon", ALWAYS, ALWAYS),
    ("polygonfromtext", ALWAYS, NEVER),
    ("polygonfromwkb", ALWAYS, NEVER),
    ("ps_current_thread_id", NEVER, since(8, 0, 16)),
    ("ps_thread_id", NEVER, since(8, 0, 16)),
    ("random_bytes", since(10, 10, 0), ALWAYS),
    ("regexp_like", NEVER, since(8, 0, 4)),
    ("replace_oracle", ALWAYS, NEVER),
    ("roles_graphml", NEVER, ALWAYS),
    ("rollup", NEVER, ALWAYS),
    ("rpad_oracle", ALWAYS, NEVER),
    ("rtrim_oracle", ALWAYS, NEVER),
    ("session_user", ALWAYS, ALWAYS),
    ("setval", ALWAYS, NEVER),
    ("sformat", since(10, 7, 0), NEVER),
    ("sha", ALWAYS, until(9, 6, 0)),
    ("sha1", ALWAYS, until(9, 6, 0)),
    ("source_pos_wait", NEVER, since(8, 0, 26)),
    ("srid", ALWAYS, NEVER),
    ("st_boundary", ALWAYS, NEVER),
    ("st_buffer_strategy", NEVER, ALWAYS),
    ("st_collect", since(12, 0, 0), since(8, 0, 24)),
    ("st_frechetdistance", NEVER, since(8, 0, 23)),
    ("st_geohash", since(12, 0, 0), ALWAYS),
    ("st_geomcollfromtxt", NEVER, ALWAYS),
    ("st_hausdorffdistance", NEVER, since(8, 0, 23)),
    ("st_isring", ALWAYS, NEVER),
    ("st_isvalid", since(12, 0, 0), ALWAYS),
    ("st_latfromgeohash", since(12, 0, 0), ALWAYS),
    ("st_latitude", NEVER, since(8, 0, 12)),
    ("st_lineinterpolatepoint", NEVER, since(8, 0, 24)),
    ("st_lineinterpolatepoints", NEVER, since(8, 0, 24)),
    ("st_longfromgeohash", since(12, 0, 0), ALWAYS),
    ("st_longitude", NEVER, since(8, 0, 12)),
    ("st_makeenvelope", NEVER, ALWAYS),
    ("st_numinteriorring", NEVER, ALWAYS),
    ("st_pointatdistance", NEVER, since(8, 0, 24)),
    ("st_pointfromgeohash", since(12, 0, 0), ALWAYS),
    ("st_pointonsurface", ALWAYS, NEVER),
    ("st_relate", ALWAYS, NEVER),
    ("st_simplify", since(12, 0, 0), ALWAYS),
    ("st_swapxy", NEVER, since(8, 0, 4)),
    ("st_transform", NEVER, since(8, 0, 13)),
    ("st_validate", since(12, 0, 0), ALWAYS),
    ("startpoint", ALWAYS, NEVER),
    ("statement_digest", NEVER, since(8, 0, 4)),
    ("statement_digest_text", NEVER, since(8, 0, 4)),
    ("string_to_vector", NEVER, since(9, 0, 0)),
    ("substr_oracle", ALWAYS, NEVER),
    ("sys_guid", ALWAYS, NEVER),
    ("system_user", ALWAYS, ALWAYS),
    ("to_char", ALWAYS, NEVER),
    ("to_vector", NEVER, since(9, 0, 0)),
    ("touches", ALWAYS, NEVER),
    ("user", ALWAYS, ALWAYS),
    ("uuid_to_bin", NEVER, ALWAYS),
    ("uuid_v4", since(11, 7, 0), NEVER),
    ("uuid_v7", since(11, 7, 0), NEVER),
    ("validate_password_strength", NEVER, ALWAYS),
    ("vec_distance", since(11, 7, 0), NEVER),
    ("vec_distance_cosine", since(11, 7, 0), NEVER),
    ("vec_distance_euclidean", since(11, 7, 0), NEVER),
    ("vec_fromtext", since(11, 7, 0), NEVER),
    ("vec_totext", since(11, 7, 0), NEVER),
    ("vector_dim", NEVER, since(9, 0, 0)),
    ("vector_to_string", NEVER, since(9, 0, 0)),
    ("version", ALWAYS, ALWAYS),
    ("wait_for_executed_gtid_set", NEVER, ALWAYS),
    ("wait_until_sql_thread_after_gtids", NEVER, until(8, 4, 0)),
    ("within", ALWAYS, NEVER),
    ("wsrep_last_seen_gtid", ALWAYS, NEVER),
    ("wsrep_last_written_gtid", ALWAYS, NEVER),
    ("wsrep_sync_wait_upto_gtid", ALWAYS, NEVER),
    ("x", ALWAYS, NEVER),
    ("y", ALWAYS, NEVER),
];

/// Functions that MariaDB tells from stored functions by the number of their arguments: `POINT(1, 2)` is built in, and
/// `POINT(1)` calls a stored function.
const BY_ARGUMENTS: [&str; 7] =
    ["geometrycollection", "linestring", "multilinestring", "multipoint", "multipolygon", "point", "polygon"];

/// Says whether the name, in any case, is that of a built-in function on all these servers. Without a server the answer
/// is about all versions and flavours.
pub(crate) fn native(name: &[u8], servers: &[ServerFunctions]) -> Native {
    let known = match meaning(name) {
        Meaning::Callable | Meaning::Tight | Meaning::WriteVerbOrFunction => return common(name, servers),
        Meaning::GetLock | Meaning::ReleaseLock | Meaning::AsksLock => return common(name, servers),
        Meaning::InsertId | Meaning::FoundRows | Meaning::RowCount | Meaning::LoadFile => {
            return common(name, servers);
        }
        Meaning::Somewhere
        | Meaning::OneServer
        | Meaning::UsesSequence
        | Meaning::ReadsSequence
        | Meaning::Name => versioned(name),
        _ => None,
    };
    let Some(function) = known else { return Native::Nowhere };
    if is_by_arguments(name, servers) {
        return Native::Somewhere;
    }
    match servers {
        [] if (function.1, function.2) == (ALWAYS, ALWAYS) => Native::Everywhere,
        [] => Native::Somewhere,
        _ => on(servers, |server| server.has(function)),
    }
}

/// Says where a function is built in that all versions of both flavours have, as far as the tables know.
fn common(name: &[u8], servers: &[ServerFunctions]) -> Native {
    match servers {
        [] => Native::Everywhere,
        _ => on(servers, |server| !server.lacks(name)),
    }
}

/// Says on which of the servers a function is built in. There is at least one server.
fn on(servers: &[ServerFunctions], has: impl Fn(&ServerFunctions) -> bool) -> Native {
    match servers.iter().filter(|server| has(server)).count() {
        0 => Native::Nowhere,
        all if all == servers.len() => Native::Everywhere,
        _ => Native::Somewhere,
    }
}

/// True if one of these servers, or one of all servers if there are none, tells the built-in function from a stored one
/// by the number of its arguments.
pub(crate) fn is_by_arguments(name: &[u8], servers: &[ServerFunctions]) -> bool {
    let is_mariadb = |server: &ServerFunctions| matches!(server.version, ServerVersion::MariaDb(_));
    (servers.is_empty() || servers.iter().any(is_mariadb))
        && BY_ARGUMENTS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Returns each name that the tables call built in on a server of this version, except for those that the server tells
/// from stored functions by the number of arguments, and JSON_TABLE, which is a function only in a list of tables.
pub fn functions_of(version: ServerVersion) -> impl Iterator<Item = &'static str> {
    let special = SPECIAL.iter().filter(|(_, meaning)| {
        matches!(
            meaning,
            Meaning::GetLock
                | Meaning::ReleaseLock
                | Meaning::AsksLock
                | Meaning::InsertId
                | Meaning::FoundRows
                | Meaning::RowCount
                | Meaning::LoadFile
                | Meaning::WriteVerbOrFunction
        )
    });
    let common = CALLABLE.into_iter().chain(TIGHT).chain(special.map(|(name, _)| *name));
    let server = [version.into()];
    let versioned = VERSIONED.iter().filter(move |function| version.has(function));
    common
        .chain(versioned.map(|function| function.0))
        .filter(move |name| *name != "json_table" && !is_by_arguments(name.as_bytes(), &server))
}

fn versioned(name: &[u8]) -> Option<&'static (&'static str, Range, Range)> {
    let mut lower = [0; 40];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let at = VERSIONED.binary_search_by(|function| function.0.as_bytes().cmp(lower)).ok()?;
    VERSIONED.get(at)
}

/// Returns the names of functions that not every server has, with whether this server has each of them.
pub fn versioned_functions(server: ServerVersion) -> impl Iterator<Item = (&'static str, bool)> {
    VERSIONED.iter().map(move |function| (function.0, server.has(function)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, is_mariadb, expected) in [
            ("10.11.6-MariaDB-1:10.11.6+maria~ubu2204", true, ServerVersion::MariaDb((10, 11, 6))),
            ("5.5.5-10.6.3-MariaDB-log", true, ServerVersion::MariaDb((10, 6, 3))),
            ("12.0.2-MariaDB", true, ServerVersion::MariaDb((12, 0, 2))),
            ("9.7.0", false, ServerVersion::MySql((9, 7, 0))),
            ("8.0.36-28.1", false, ServerVersion::MySql((8, 0, 36))),
            ("8.4", false, ServerVersion::MySql((8, 4, 0))),
            ("", false, ServerVersion::MySql((0, 0, 0))),
        ] {
            assert_eq!(ServerVersion::parse(text, is_mariadb), expected, "{text}");
        }
    }

    #[test]
    fn a_function_is_built_in_if_each_server_has_it() {
        use Native::{Everywhere, Nowhere, Somewhere};
        use ServerVersion::{MariaDb, MySql};
        let (old, new) = (MariaDb((10, 6, 17)), MariaDb((11, 7, 2)));
        let (eight, nine) = (MySql((8, 0, 11)), MySql((9, 7, 0)));
        let servers_of = |versions: Vec<ServerVersion>| -> Vec<ServerFunctions> {
            versions.into_iter().map(ServerFunctions::from).collect()
        };
        for (name, servers, expected) in [
            ("abs", vec![old, nine], Everywhere),
            ("GET_LOCK", vec![], Everywhere),
            ("Md5", vec![], Somewhere),
            ("Md5", vec![old, eight], Everywhere),
            ("md5", vec![eight, nine], Somewhere),
            ("md5", vec![nine], Nowhere),
            ("uuid_v7", vec![old], Nowhere),
            ("uuid_v7", vec![old, new], Somewhere),
            ("uuid_v7", vec![new], Everywhere),
            ("json_overlaps", vec![eight], Nowhere),
            ("json_overlaps", vec![old], Nowhere),
            ("json_overlaps", vec![new, nine], Everywhere),
            ("nextval", vec![new], Everywhere),
            ("nextval", vec![nine], Nowhere),
            ("icu_version", vec![old], Nowhere),
            ("version", vec![], Everywhere),
            ("Point", vec![], Somewhere),
            ("Point", vec![old], Somewhere),
            ("Point", vec![nine], Everywhere),
            ("total", vec![new], Nowhere),
            ("select", vec![new], Everywhere),
        ] {
            assert_eq!(native(name.as_bytes(), &servers_of(servers.clone())), expected, "{name} {servers:?}");
        }
    }

    #[test]
    fn a_function_that_a_server_does_not_know_is_not_built_in() {
        use Native::{Everywhere, Nowhere, Somewhere};
        let new = ServerVersion::MySql((9, 7, 0));
        let all = ServerFunctions::from(new);
        let some = ServerFunctions { version: new, lacks: ["abs", "to_vector"].into() };
        for name in ["Abs", "TO_VECTOR"] {
            let native = |servers: &[ServerFunctions]| native(name.as_bytes(), servers);
            assert_eq!(native(std::slice::from_ref(&all)), Everywhere, "{name}");
            assert_eq!(native(&[all.clone(), some.clone()]), Somewhere, "{name}");
            assert_eq!(native(std::slice::from_ref(&some)), Nowhere, "{name}");
        }
        assert_eq!(native(b"acos", &[some]), Everywhere);
    }

    #[test]
    fn the_table_is_sorted_and_has_each_name_that_depends_on_the_version() {
        use crate::vocabulary::names::{SOMEWHERE, SPECIAL};
        assert!(VERSIONED.is_sorted_by_key(|function| function.0));
        let special = SPECIAL.iter().filter(|(_, meaning)| {
            matches!(meaning, Meaning::OneServer | Meaning::UsesSequence | Meaning::ReadsSequence)
        });
        let names = SOMEWHERE.iter().chain(special.map(|(name, _)| name));
        // Functions of versions whose release notes were not seen; CURRVAL is only a word behind a dot.
        let missing: Vec<_> = names.filter(|name| versioned(name.as_bytes()).is_none()).collect();
        assert_eq!(missing, [&"distance", &"to_number", &"trunc", &"currval"]);
    }
}
