//! What a server does when a table of `information_schema` is read. Most tables only show what the server has in memory. For
//! some, MariaDB opens each view that the account may see, which can call functions; a few reset what they show.

/// What a server does when a table of `information_schema` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemaReading {
    /// Shows something, and changes nothing.
    Plain,
    /// MariaDB opens views.
    OpensViews,
    /// The table may belong to a plugin, which may do anything.
    Unknown,
    /// Resets the counters that it shows.
    Resets,
    /// May be any of these, by a name that only resembles it.
    LooksAlike,
}

/// Tables that no server opens views for: those of MariaDB 10.11 and MySQL 9.7. (Each was read beside a view that calls a
/// function.)
#[rustfmt::skip]
const PLAIN: [&str; 121] = [
    "administrable_role_authorizations", "applicable_roles", "character_sets", "check_constraints", "client_statistics",
    "collation_character_set_applicability", "collations", "column_privileges", "column_statistics", "columns_extensions",
    "enabled_roles", "engines", "events", "files", "global_status", "global_variables", "index_statistics",
    "innodb_buffer_page", "innodb_buffer_page_lru", "innodb_buffer_pool_stats", "innodb_cached_indexes", "innodb_cmp",
    "innodb_cmp_per_index", "innodb_cmpmem", "innodb_columns", "innodb_datafiles", "innodb_fields", "innodb_foreign",
    "innodb_foreign_cols", "innodb_ft_being_deleted", "innodb_ft_config", "innodb_ft_default_stopword",
    "innodb_ft_deleted", "innodb_ft_index_cache", "innodb_ft_index_table", "innodb_indexes", "innodb_lock_waits",
    "innodb_locks", "innodb_metrics", "innodb_mutexes", "innodb_session_temp_tablespaces", "innodb_sys_columns",
    "innodb_sys_datafiles", "innodb_sys_fields", "innodb_sys_foreign", "innodb_sys_foreign_cols", "innodb_sys_indexes",
    "innodb_sys_semaphore_waits", "innodb_sys_tables", "innodb_sys_tablespaces", "innodb_sys_tablestats",
    "innodb_sys_virtual", "innodb_tables", "innodb_tablespaces", "innodb_tablespaces_brief",
    "innodb_tablespaces_encryption", "innodb_tablespaces_scrubbing", "innodb_tablestats", "innodb_temp_table_info",
    "innodb_trx", "innodb_virtual", "json_duality_view_columns", "json_duality_view_links", "json_duality_view_tables",
    "json_duality_views", "key_caches", "key_column_usage", "key_period_usage", "keywords", "libraries", "locales",
    "metadata_lock_info", "optimizer_trace", "parameters", "partitions", "periods", "plugins", "processlist", "profiling",
    "query_cache_info", "query_response_time", "referential_constraints", "resource_groups", "role_column_grants",
    "role_routine_grants", "role_table_grants", "routine_libraries", "routines", "schema_privileges", "schemata",
    "schemata_extensions", "sequences", "session_status", "session_variables", "spatial_ref_sys", "sql_functions",
    "st_geometry_columns", "st_spatial_reference_systems", "st_units_of_measure", "statistics", "system_variables",
    "table_constraints", "table_constraints_extensions", "table_privileges", "table_statistics", "tables_extensions",
    "tablespaces", "tablespaces_extensions", "temp_tables_info", "thread_pool_groups", "thread_pool_queues",
    "thread_pool_stats", "thread_pool_waits", "triggers", "user_attributes", "user_privileges", "user_statistics",
    "user_variables", "view_routine_usage", "view_table_usage", "wsrep_status",
];

/// Tables for which MariaDB opens views. (MySQL has three of them, and opens nothing.)
const OPENS_VIEWS: [&str; 4] = ["columns", "geometry_columns", "tables", "views"];

/// The end of the names of tables that reset what they show: `INNODB_CMP_RESET`.
const RESETS: &[u8] = b"_reset";

/// Says what a server does when the table is read. The name is without quotes, in any case. No table of a server has a name
/// outside ASCII, but a server may take such a name for that of a table: `INNODB_CMP_REſET`.
pub(super) fn reading(name: &[u8]) -> SchemaReading {
    if !name.is_ascii() {
        return SchemaReading::LooksAlike;
    }
    let name = name.to_ascii_lowercase();
    let is_one = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
    match () {
        () if is_one(&PLAIN) => SchemaReading::Plain,
        () if is_one(&OPENS_VIEWS) => SchemaReading::OpensViews,
        () if name.ends_with(RESETS) => SchemaReading::Resets,
        () => SchemaReading::Unknown,
    }
}

/// True if a server may take the name, without quotes and in any case, for that of a table that resets what it shows.
pub(super) fn may_reset(name: &[u8]) -> bool {
    // The further bytes of a character do not count.
    let mut last = name.iter().rev().filter(|byte| !matches!(byte, 0x80..0xc0));
    RESETS
        .iter()
        .rev()
        .all(|known| last.next().is_some_and(|byte| !byte.is_ascii() || byte.eq_ignore_ascii_case(known)))
}

/// True for a table of `information_schema` for which MariaDB opens views.
pub fn opens_views(name: &[u8]) -> bool {
    reading(name) == SchemaReading::OpensViews
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_plain_tables_is_sorted_and_has_none_that_does_more() {
        assert!(PLAIN.is_sorted());
        assert!(PLAIN.iter().all(|name| !name.as_bytes().ends_with(RESETS) && !OPENS_VIEWS.contains(name)));
    }

    #[test]
    fn names_that_may_mean_a_table_that_resets() {
        for (name, expected) in [
            ("INNODB_CMP_RESET", true),
            ("innodb_cmp_re\u{17f}et", true),
            ("x\u{17f}r\u{17f}\u{17f}\u{17f}\u{17f}", true),
            ("gr\u{f6}\u{df}e", false),
            ("reset", false),
            ("innodb_cmp", false),
        ] {
            assert_eq!(may_reset(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn a_table_that_is_not_on_a_list_is_unknown() {
        for (name, expected) in [
            ("ENGINES", SchemaReading::Plain),
            ("Tables", SchemaReading::OpensViews),
            ("INNODB_CMP_PER_INDEX_RESET", SchemaReading::Resets),
            ("innodb_of_a_later_version_reset", SchemaReading::Resets),
            ("all_plugins", SchemaReading::Unknown),
            ("t\u{e4}bles", SchemaReading::LooksAlike),
            ("INNODB_CMP_RE\u{17f}ET", SchemaReading::LooksAlike),
        ] {
            assert_eq!(reading(name.as_bytes()), expected, "{name}");
        }
    }
}
