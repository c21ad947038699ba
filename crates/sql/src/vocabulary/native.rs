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
    fn has(self, function: &VersionedFunction) -> bool {
        match self {
            Self::MariaDb(version) => function.mariadb.contains(version),
            Self::MySql(version) => function.mysql.contains(version),
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
    fn has(&self, function: &VersionedFunction) -> bool {
        self.version.has(function) && !self.lacks(function.name.as_bytes())
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

/// A built-in function that not every server has.
#[derive(Debug)]
struct VersionedFunction {
    name: &'static str,
    /// The versions of MariaDB, 10.6 and later, that have the function.
    mariadb: Range,
    /// The versions of MySQL, 8.0 and later, that have the function.
    mysql: Range,
}

/// Returns a line of `VERSIONED`.
const fn function(name: &'static str, mariadb: Range, mysql: Range) -> VersionedFunction {
    VersionedFunction { name, mariadb, mysql }
}

/// Functions of some servers or versions, sorted by name. Functions that a later version added stand with the
/// version of the release notes; `tests/it/attacks/functions.rs` compares the rest with real servers.
#[rustfmt::skip]
static VERSIONED: [VersionedFunction; 212] = [
    function("add_months", ALWAYS, NEVER),
    function("any_value", NEVER, ALWAYS),
    function("area", ALWAYS, NEVER),
    function("asbinary", ALWAYS, NEVER),
    function("astext", ALWAYS, NEVER),
    function("aswkb", ALWAYS, NEVER),
    function("aswkt", ALWAYS, NEVER),
    function("bin_to_uuid", NEVER, ALWAYS),
    function("binlog_gtid_pos", ALWAYS, NEVER),
    function("boundary", ALWAYS, NEVER),
    function("buffer", ALWAYS, NEVER),
    function("centroid", ALWAYS, NEVER),
    function("chr", ALWAYS, NEVER),
    function("column_add", ALWAYS, NEVER),
    function("column_check", ALWAYS, NEVER),
    function("column_create", ALWAYS, NEVER),
    function("column_delete", ALWAYS, NEVER),
    function("column_exists", ALWAYS, NEVER),
    function("column_get", ALWAYS, NEVER),
    function("column_json", ALWAYS, NEVER),
    function("column_list", ALWAYS, NEVER),
    function("concat_operator_oracle", ALWAYS, NEVER),
    function("connection_id", ALWAYS, ALWAYS),
    function("contains", ALWAYS, NEVER),
    function("convexhull", ALWAYS, NEVER),
    function("crc32c", since(10, 8, 0), NEVER),
    function("crosses", ALWAYS, NEVER),
    function("cube", NEVER, ALWAYS),
    function("decode", ALWAYS, NEVER),
    function("decode_histogram", ALWAYS, NEVER),
    function("decode_oracle", ALWAYS, NEVER),
    function("des_decrypt", ALWAYS, NEVER),
    function("des_encrypt", ALWAYS, NEVER),
    function("dimension", ALWAYS, NEVER),
    function("disjoint", ALWAYS, NEVER),
    function("encode", ALWAYS, NEVER),
    function("encrypt", ALWAYS, NEVER),
    function("endpoint", ALWAYS, NEVER),
    function("envelope", ALWAYS, NEVER),
    function("equals", ALWAYS, NEVER),
    function("etag", NEVER, since(9, 4, 0)),
    function("exteriorring", ALWAYS, NEVER),
    function("format_bytes", NEVER, since(8, 0, 16)),
    function("format_pico_time", since(11, 0, 2), since(8, 0, 16)),
    function("from_vector", NEVER, since(9, 0, 0)),
    function("geomcollection", NEVER, since(8, 0, 11)),
    function("geomcollfromtext", ALWAYS, NEVER),
    function("geomcollfromwkb", ALWAYS, NEVER),
    function("geometrycollection", ALWAYS, ALWAYS),
    function("geometrycollectionfromtext", ALWAYS, NEVER),
    function("geometrycollectionfromwkb", ALWAYS, NEVER),
    function("geometryfromtext", ALWAYS, NEVER),
    function("geometryfromwkb", ALWAYS, NEVER),
    function("geometryn", ALWAYS, NEVER),
    function("geometrytype", ALWAYS, NEVER),
    function("geomfromtext", ALWAYS, NEVER),
    function("geomfromwkb", ALWAYS, NEVER),
    function("glength", ALWAYS, NEVER),
    function("grouping", NEVER, ALWAYS),
    function("gtid_subset", NEVER, ALWAYS),
    function("gtid_subtract", NEVER, ALWAYS),
    function("icu_version", NEVER, since(8, 0, 4)),
    function("interiorringn", ALWAYS, NEVER),
    function("intersects", ALWAYS, NEVER),
    function("is_uuid", NEVER, ALWAYS),
    function("isclosed", ALWAYS, NEVER),
    function("isempty", ALWAYS, NEVER),
    function("isring", ALWAYS, NEVER),
    function("issimple", ALWAYS, NEVER),
    function("json_array_intersect", since(11, 2, 0), NEVER),
    function("json_compact", ALWAYS, NEVER),
    function("json_detailed", ALWAYS, NEVER),
    function("json_equals", since(10, 7, 0), NEVER),
    function("json_exists", ALWAYS, NEVER),
    function("json_key_value", since(11, 2, 0), NEVER),
    function("json_loose", ALWAYS, NEVER),
    function("json_normalize", since(10, 7, 0), NEVER),
    function("json_object_filter_keys", since(11, 2, 0), NEVER),
    function("json_object_to_array", since(11, 2, 0), NEVER),
    function("json_overlaps", since(10, 9, 0), since(8, 0, 17)),
    function("json_query", ALWAYS, NEVER),
    function("json_schema_valid", since(11, 1, 0), since(8, 0, 17)),
    function("json_schema_validation_report", NEVER, since(8, 0, 17)),
    function("json_storage_free", NEVER, ALWAYS),
    function("json_storage_size", NEVER, ALWAYS),
    function("json_table", ALWAYS, ALWAYS),
    function("kdf", since(11, 3, 0), NEVER),
    function("lastval", ALWAYS, NEVER),
    function("lengthb", ALWAYS, NEVER),
    function("linefromtext", ALWAYS, NEVER),
    function("linefromwkb", ALWAYS, NEVER),
    function("linestring", ALWAYS, ALWAYS),
    function("linestringfromtext", ALWAYS, NEVER),
    function("linestringfromwkb", ALWAYS, NEVER),
    function("lpad_oracle", ALWAYS, NEVER),
    function("ltrim_oracle", ALWAYS, NEVER),
    function("master_gtid_wait", ALWAYS, NEVER),
    function("master_pos_wait", ALWAYS, ALWAYS),
    function("mbrcoveredby", since(12, 0, 0), ALWAYS),
    function("mbrcovers", NEVER, ALWAYS),
    function("mbrequal", ALWAYS, NEVER),
    function("md5", ALWAYS, until(9, 6, 0)),
    function("median", ALWAYS, NEVER),
    function("mlinefromtext", ALWAYS, NEVER),
    function("mlinefromwkb", ALWAYS, NEVER),
    function("mpointfromtext", ALWAYS, NEVER),
    function("mpointfromwkb", ALWAYS, NEVER),
    function("mpolyfromtext", ALWAYS, NEVER),
    function("mpolyfromwkb", ALWAYS, NEVER),
    function("multilinestring", ALWAYS, ALWAYS),
    function("multilinestringfromtext", ALWAYS, NEVER),
    function("multilinestringfromwkb", ALWAYS, NEVER),
    function("multipoint", ALWAYS, ALWAYS),
    function("multipointfromtext", ALWAYS, NEVER),
    function("multipointfromwkb", ALWAYS, NEVER),
    function("multipolygon", ALWAYS, ALWAYS),
    function("multipolygonfromtext", ALWAYS, NEVER),
    function("multipolygonfromwkb", ALWAYS, NEVER),
    function("natural_sort_key", since(10, 7, 0), NEVER),
    function("nextval", ALWAYS, NEVER),
    function("numgeometries", ALWAYS, NEVER),
    function("numinteriorrings", ALWAYS, NEVER),
    function("numpoints", ALWAYS, NEVER),
    function("nvl", ALWAYS, NEVER),
    function("nvl2", ALWAYS, NEVER),
    function("old_password", ALWAYS, NEVER),
    function("overlaps", ALWAYS, NEVER),
    function("password", ALWAYS, NEVER),
    function("percentile_cont", ALWAYS, NEVER),
    function("percentile_disc", ALWAYS, NEVER),
    function("point", ALWAYS, ALWAYS),
    function("pointfromtext", ALWAYS, NEVER),
    function("pointfromwkb", ALWAYS, NEVER),
    function("pointn", ALWAYS, NEVER),
    function("pointonsurface", ALWAYS, NEVER),
    function("polyfromtext", ALWAYS, NEVER),
    function("polyfromwkb", ALWAYS, NEVER),
    function("polygon", ALWAYS, ALWAYS),
    function("polygonfromtext", ALWAYS, NEVER),
    function("polygonfromwkb", ALWAYS, NEVER),
    function("ps_current_thread_id", NEVER, since(8, 0, 16)),
    function("ps_thread_id", NEVER, since(8, 0, 16)),
    function("random_bytes", since(10, 10, 0), ALWAYS),
    function("regexp_like", NEVER, since(8, 0, 4)),
    function("replace_oracle", ALWAYS, NEVER),
    function("roles_graphml", NEVER, ALWAYS),
    function("rollup", NEVER, ALWAYS),
    function("rpad_oracle", ALWAYS, NEVER),
    function("rtrim_oracle", ALWAYS, NEVER),
    function("session_user", ALWAYS, ALWAYS),
    function("setval", ALWAYS, NEVER),
    function("sformat", since(10, 7, 0), NEVER),
    function("sha", ALWAYS, until(9, 6, 0)),
    function("sha1", ALWAYS, until(9, 6, 0)),
    function("source_pos_wait", NEVER, since(8, 0, 26)),
    function("srid", ALWAYS, NEVER),
    function("st_boundary", ALWAYS, NEVER),
    function("st_buffer_strategy", NEVER, ALWAYS),
    function("st_collect", since(12, 0, 0), since(8, 0, 24)),
    function("st_frechetdistance", NEVER, since(8, 0, 23)),
    function("st_geohash", since(12, 0, 0), ALWAYS),
    function("st_geomcollfromtxt", NEVER, ALWAYS),
    function("st_hausdorffdistance", NEVER, since(8, 0, 23)),
    function("st_isring", ALWAYS, NEVER),
    function("st_isvalid", since(12, 0, 0), ALWAYS),
    function("st_latfromgeohash", since(12, 0, 0), ALWAYS),
    function("st_latitude", NEVER, since(8, 0, 12)),
    function("st_lineinterpolatepoint", NEVER, since(8, 0, 24)),
    function("st_lineinterpolatepoints", NEVER, since(8, 0, 24)),
    function("st_longfromgeohash", since(12, 0, 0), ALWAYS),
    function("st_longitude", NEVER, since(8, 0, 12)),
    function("st_makeenvelope", NEVER, ALWAYS),
    function("st_numinteriorring", NEVER, ALWAYS),
    function("st_pointatdistance", NEVER, since(8, 0, 24)),
    function("st_pointfromgeohash", since(12, 0, 0), ALWAYS),
    function("st_pointonsurface", ALWAYS, NEVER),
    function("st_relate", ALWAYS, NEVER),
    function("st_simplify", since(12, 0, 0), ALWAYS),
    function("st_swapxy", NEVER, since(8, 0, 4)),
    function("st_transform", NEVER, since(8, 0, 13)),
    function("st_validate", since(12, 0, 0), ALWAYS),
    function("startpoint", ALWAYS, NEVER),
    function("statement_digest", NEVER, since(8, 0, 4)),
    function("statement_digest_text", NEVER, since(8, 0, 4)),
    function("string_to_vector", NEVER, since(9, 0, 0)),
    function("substr_oracle", ALWAYS, NEVER),
    function("sys_guid", ALWAYS, NEVER),
    function("system_user", ALWAYS, ALWAYS),
    function("to_char", ALWAYS, NEVER),
    function("to_vector", NEVER, since(9, 0, 0)),
    function("touches", ALWAYS, NEVER),
    function("user", ALWAYS, ALWAYS),
    function("uuid_to_bin", NEVER, ALWAYS),
    function("uuid_v4", since(11, 7, 0), NEVER),
    function("uuid_v7", since(11, 7, 0), NEVER),
    function("validate_password_strength", NEVER, ALWAYS),
    function("vec_distance", since(11, 7, 0), NEVER),
    function("vec_distance_cosine", since(11, 7, 0), NEVER),
    function("vec_distance_euclidean", since(11, 7, 0), NEVER),
    function("vec_fromtext", since(11, 7, 0), NEVER),
    function("vec_totext", since(11, 7, 0), NEVER),
    function("vector_dim", NEVER, since(9, 0, 0)),
    function("vector_to_string", NEVER, since(9, 0, 0)),
    function("version", ALWAYS, ALWAYS),
    function("wait_for_executed_gtid_set", NEVER, ALWAYS),
    function("wait_until_sql_thread_after_gtids", NEVER, until(8, 4, 0)),
    function("within", ALWAYS, NEVER),
    function("wsrep_last_seen_gtid", ALWAYS, NEVER),
    function("wsrep_last_written_gtid", ALWAYS, NEVER),
    function("wsrep_sync_wait_upto_gtid", ALWAYS, NEVER),
    function("x", ALWAYS, NEVER),
    function("y", ALWAYS, NEVER),
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
        [] if (function.mariadb, function.mysql) == (ALWAYS, ALWAYS) => Native::Everywhere,
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
        .chain(versioned.map(|function| function.name))
        .filter(move |name| *name != "json_table" && !is_by_arguments(name.as_bytes(), &server))
}

fn versioned(name: &[u8]) -> Option<&'static VersionedFunction> {
    let mut lower = [0; 40];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let at = VERSIONED.binary_search_by(|function| function.name.as_bytes().cmp(lower)).ok()?;
    VERSIONED.get(at)
}

/// Returns the names of functions that not every server has, with whether this server has each of them.
pub fn versioned_functions(server: ServerVersion) -> impl Iterator<Item = (&'static str, bool)> {
    VERSIONED.iter().map(move |function| (function.name, server.has(function)))
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
        assert!(VERSIONED.is_sorted_by_key(|function| function.name));
        let special = SPECIAL.iter().filter(|(_, meaning)| {
            matches!(meaning, Meaning::OneServer | Meaning::UsesSequence | Meaning::ReadsSequence)
        });
        let names = SOMEWHERE.iter().chain(special.map(|(name, _)| name));
        // Functions of versions whose release notes were not seen; CURRVAL is only a word behind a dot.
        let missing: Vec<_> = names.filter(|name| versioned(name.as_bytes()).is_none()).collect();
        assert_eq!(missing, [&"distance", &"to_number", &"trunc", &"currval"]);
    }
}
