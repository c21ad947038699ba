//! The grammar's vocabulary. Each list names what is known; what is in none of them is not understood.

use crate::TextCharset;

/// Words that MySQL 9.7 and MariaDB 10.11 both reserve, and those that are values or options in an expression: without
/// quotes none of them is a name. (Tried: each word as a column on both servers.)
#[rustfmt::skip]
const RESERVED: [&str; 232] = [
    "accessible", "add", "all", "alter", "analyze", "and", "as", "asc", "asensitive", "before", "between", "bigint",
    "binary", "blob", "both", "by", "call", "cascade", "case", "change", "char", "character", "check", "collate",
    "column", "condition", "constraint", "continue", "convert", "create", "cross", "current_date", "current_time",
    "current_timestamp", "current_user", "cursor", "databases", "day_hour", "day_microsecond", "day_minute",
    "day_second", "dec", "decimal", "declare", "default", "delayed", "delete", "desc", "describe", "deterministic",
    "distinct", "distinctrow", "div", "double", "drop", "dual", "each", "else", "elseif", "enclosed", "escaped",
    "except", "exists", "exit", "explain", "false", "fetch", "float", "float4", "float8", "for", "force", "foreign",
    "from", "fulltext", "grant", "group", "having", "high_priority", "hour_microsecond", "hour_minute",
    "hour_second", "if", "ignore", "in", "index", "infile", "inner", "inout", "insensitive", "insert", "int",
    "int1", "int2", "int3", "int4", "int8", "integer", "intersect", "interval", "into", "is", "iterate", "join",
    "key", "keys", "kill", "leading", "leave", "left", "like", "limit", "linear", "lines", "load", "localtime",
    "localtimestamp", "lock", "long", "longblob", "longtext", "loop", "low_priority", "match", "maxvalue",
    "mediumblob", "mediumint", "mediumtext", "middleint", "minute_microsecond", "minute_second", "mod", "modifies",
    "natural", "no_write_to_binlog", "not", "null", "numeric", "on", "optimize", "optionally", "or", "order", "out",
    "outer", "outfile", "over", "partition", "precision", "primary", "procedure", "purge", "range", "read",
    "read_write", "reads", "real", "recursive", "references", "regexp", "release", "rename", "repeat", "replace",
    "require", "resignal", "restrict", "return", "revoke", "right", "rlike", "row_number", "rows", "schemas",
    "second_microsecond", "select", "sensitive", "separator", "set", "show", "signal", "smallint", "spatial",
    "specific", "sql", "sql_big_result", "sql_buffer_result", "sql_cache", "sql_calc_found_rows", "sql_no_cache",
    "sql_small_result", "sqlexception", "sqlstate", "sqlwarning", "ssl", "starting", "straight_join", "table",
    "terminated", "then", "tinyblob", "tinyint", "tinytext", "to", "trailing", "trigger", "true", "undo", "union",
    "unique", "unlock", "unsigned", "update", "usage", "use", "using", "utc_date", "utc_time", "utc_timestamp",
    "values", "varbinary", "varchar", "varcharacter", "varying", "when", "where", "while", "with", "write", "xor",
    "year_month", "zerofill",
];

/// Reserved words that are functions, too.
const FUNCTION_WORDS: [&str; 21] = [
    "char",
    "convert",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "if",
    "insert",
    "left",
    "localtime",
    "localtimestamp",
    "mod",
    "repeat",
    "replace",
    "right",
    "row_number",
    "utc_date",
    "utc_time",
    "utc_timestamp",
    "values",
];

/// Words that begin a clause on some server, although another server allows them as an alias.
const BEGIN_CLAUSES: [&str; 14] = [
    "offset",
    "window",
    "qualify",
    "tablesample",
    "returning",
    "lateral",
    "json_table",
    "minus",
    "separator",
    "over",
    "full",
    "wait",
    "nowait",
    "skip",
];

/// Units of time, behind INTERVAL and in EXTRACT.
const UNITS: [&str; 29] = [
    "microsecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "second_microsecond",
    "minute_microsecond",
    "minute_second",
    "hour_microsecond",
    "hour_second",
    "hour_minute",
    "day_microsecond",
    "day_second",
    "day_minute",
    "day_hour",
    "year_month",
    "sql_tsi_second",
    "sql_tsi_minute",
    "sql_tsi_hour",
    "sql_tsi_day",
    "sql_tsi_week",
    "sql_tsi_month",
    "sql_tsi_quarter",
    "sql_tsi_year",
    "sql_tsi_frac_second",
];

/// What SHOW shows on one of the servers: its first word.
/// <https://dev.mysql.com/doc/refman/9.0/en/show.html>, <https://mariadb.com/kb/en/show/>
#[rustfmt::skip]
const SHOWN: [&str; 73] = [
    "all", "analyze", "authors", "binary", "binlog", "character", "charset", "client_statistics", "collation", "columns",
    "connections", "contributors", "count", "create", "databases", "engine", "engines", "errors", "event", "events",
    "explain", "extended", "fields", "full", "function", "functions", "global", "grants", "index", "index_statistics",
    "indexes", "keys", "library", "local", "locales", "master", "mutex", "open", "package", "parse_tree", "plugins",
    "privileges", "procedure", "processlist", "profile", "profiles", "query", "query_response_time", "relaylog",
    "replica", "replicas", "schemas", "sequences", "session", "slave", "source", "spatial_ref_sys", "stages", "status",
    "storage", "table", "table_statistics", "tables", "temporary", "thread_statistics", "triggers", "user_statistics",
    "user_variables", "variables", "warnings", "wsrep_membership", "wsrep_status", "plugin",
];

/// System variables that a session may set for itself where nothing may be written: what both servers let a session
/// set, without what concerns replication, the binary log, the general log, privileges or files. The variables of the
/// access mode and of the character sets have rules of their own. (Made from MySQL 9.7 and MariaDB 10.11, and the
/// documentation of later versions of MariaDB.)
#[rustfmt::skip]
const SESSION_VARIABLES: [&str; 234] = [
    "alter_algorithm", "analyze_max_length", "analyze_sample_percentage", "aria_repair_threads",
    "aria_sort_buffer_size", "aria_stats_method", "auto_increment_increment", "auto_increment_offset", "autocommit",
    "avoid_temporal_upgrade", "big_tables", "block_encryption_mode", "bulk_insert_buffer_size",
    "character_set_collations", "character_set_database", "character_set_filesystem", "character_set_server",
    "check_constraint_checks", "collation_database", "collation_server", "column_compression_threshold",
    "column_compression_zlib_level", "column_compression_zlib_strategy", "column_compression_zlib_wrap",
    "completion_type", "connection_memory_chunk_size", "connection_memory_limit", "cte_max_recursion_depth",
    "deadlock_search_depth_long", "deadlock_search_depth_short", "deadlock_timeout_long", "deadlock_timeout_short",
    "default_collation_for_utf8mb4", "default_regex_flags", "default_storage_engine", "default_table_encryption",
    "default_tmp_storage_engine", "default_week_format", "div_precision_increment", "enable_cascade_triggers",
    "enable_secondary_engine_statistics", "end_markers_in_json", "eq_range_index_dive_limit",
    "expensive_subquery_limit", "explain_format", "explain_json_format_version", "explicit_defaults_for_timestamp",
    "foreign_key_checks", "generated_random_password_length", "group_concat_max_len",
    "group_replication_consistency", "histogram_generation_max_mem_size", "histogram_size", "histogram_type",
    "identity", "idle_readonly_transaction_timeout", "idle_transaction_timeout", "idle_write_transaction_timeout",
    "in_predicate_conversion_threshold", "information_schema_stats_expiry", "innodb_compression_default",
    "innodb_ddl_buffer_size", "innodb_ddl_threads", "innodb_default_encryption_key_id", "innodb_ft_enable_stopword",
    "innodb_ft_user_stopword_table", "innodb_lock_wait_timeout", "innodb_parallel_read_threads",
    "innodb_snapshot_isolation", "innodb_strict_mode", "innodb_table_locks", "insert_id", "interactive_timeout",
    "internal_tmp_disk_storage_engine", "internal_tmp_mem_storage_engine", "join_buffer_size",
    "join_buffer_space_limit", "join_cache_level", "keep_files_on_create", "last_insert_id", "lc_messages",
    "lc_time_names", "lock_wait_timeout", "log_queries_not_using_indexes", "log_slow_admin_statements",
    "log_slow_filter", "log_slow_max_warnings", "log_slow_min_examined_row_limit", "log_slow_query",
    "log_slow_query_time", "log_slow_rate_limit", "log_slow_slave_statements", "log_slow_verbosity", "log_warnings",
    "long_query_time", "low_priority_updates", "max_delayed_threads", "max_error_count", "max_execution_time",
    "max_heap_table_size", "max_insert_delayed_threads", "max_join_size", "max_length_for_sort_data",
    "max_open_cursors", "max_points_in_geometry", "max_recursive_iterations", "max_rowid_filter_size",
    "max_seeks_for_key", "max_session_mem_used", "max_sort_length", "max_sp_recursion_depth", "max_statement_time",
    "max_tmp_tables", "min_examined_row_limit", "mrr_buffer_size", "myisam_repair_threads",
    "myisam_sort_buffer_size", "myisam_stats_method", "net_read_timeout", "net_retry_count", "net_write_timeout",
    "new_mode", "note_verbosity", "old", "old_alter_table", "old_mode", "old_passwords",
    "optimizer_adjust_secondary_key_costs", "optimizer_disk_read_cost", "optimizer_disk_read_ratio",
    "optimizer_extra_pruning_depth", "optimizer_index_block_copy_cost", "optimizer_join_limit_pref_ratio",
    "optimizer_key_compare_cost", "optimizer_key_copy_cost", "optimizer_key_lookup_cost",
    "optimizer_key_next_find_cost", "optimizer_max_sel_arg_weight", "optimizer_max_sel_args",
    "optimizer_max_subgraph_pairs", "optimizer_prune_level", "optimizer_record_context", "optimizer_row_copy_cost",
    "optimizer_row_lookup_cost", "optimizer_row_next_find_cost", "optimizer_rowid_compare_cost",
    "optimizer_rowid_copy_cost", "optimizer_scan_setup_cost", "optimizer_search_depth",
    "optimizer_selectivity_sampling_limit", "optimizer_switch", "optimizer_trace", "optimizer_trace_features",
    "optimizer_trace_limit", "optimizer_trace_max_mem_size", "optimizer_trace_offset",
    "optimizer_use_condition_selectivity", "optimizer_where_cost", "parser_max_mem_size", "pointsman_consistency",
    "preload_buffer_size", "print_identified_with_as_hex", "profiling", "profiling_history_size",
    "progress_report_time", "query_alloc_block_size", "query_cache_strip_comments", "query_cache_type",
    "query_cache_wlock_invalidate", "query_prealloc_size", "rand_seed1", "rand_seed2", "range_alloc_block_size",
    "range_optimizer_max_mem_size", "read_buffer_size", "read_rnd_buffer_size", "restrict_fk_on_non_standard_key",
    "resultset_metadata", "rowid_merge_buff_size", "secondary_engine_cost_threshold", "select_into_buffer_size",
    "select_into_disk_sync", "select_into_disk_sync_delay", "session_track_gtids", "session_track_schema",
    "session_track_state_change", "session_track_system_variables", "session_track_transaction_info",
    "set_operations_buffer_size", "show_create_table_skip_secondary_engine", "show_create_table_verbosity",
    "show_gipk_in_create_table_and_information_schema", "show_old_temporals", "slow_query_log", "sort_buffer_size",
    "sql_auto_is_null", "sql_big_selects", "sql_buffer_result", "sql_generate_invisible_primary_key",
    "sql_if_exists", "sql_mode", "sql_notes", "sql_quote_show_create", "sql_require_primary_key",
    "sql_safe_updates", "sql_select_limit", "sql_warnings", "standard_compliant_cte", "storage_engine",
    "system_versioning_alter_history", "system_versioning_asof", "tcp_nodelay", "terminology_use_previous",
    "thread_pool_priority", "time_zone", "timestamp", "tmp_disk_table_size", "tmp_memory_table_size",
    "tmp_table_size", "transaction_alloc_block_size", "transaction_allow_batching", "transaction_isolation",
    "transaction_prealloc_size", "tx_isolation", "unique_checks", "updatable_views_with_limit", "use_stat_tables",
    "wait_timeout", "windowing_use_high_precision", "wsrep_causal_reads", "wsrep_dirty_reads",
    "wsrep_retry_autocommit", "wsrep_sync_wait", "xa_detach_on_prepare",
];

fn is_one_of(list: &[&str], word: &[u8]) -> bool {
    list.iter().any(|known| known.len() == word.len() && known.as_bytes().eq_ignore_ascii_case(word))
}

/// Searches a sorted list.
fn is_in(list: &[&str], word: &[u8]) -> bool {
    let lower = |at: usize| word.get(at).map(u8::to_ascii_lowercase);
    let compare =
        |known: &&str| known.bytes().map(Some).chain([None]).zip((0..).map(lower)).find(|(a, b)| a != b);
    list.binary_search_by(|known| match compare(known) {
        None => std::cmp::Ordering::Equal,
        Some((known, word)) => known.cmp(&word),
    })
    .is_ok()
}

/// True if the word is no name unless it is quoted.
pub(super) fn is_reserved(word: &[u8]) -> bool {
    is_in(&RESERVED, word)
}

/// True if the reserved word is a function if `(` follows.
pub(super) fn is_function_word(word: &[u8]) -> bool {
    is_one_of(&FUNCTION_WORDS, word)
}

/// True if the word may begin a clause where an alias without AS could stand.
pub(super) fn begins_clause(word: &[u8]) -> bool {
    is_one_of(&BEGIN_CLAUSES, word)
}

/// True if the word is a unit of time.
pub(super) fn is_unit(word: &[u8]) -> bool {
    is_one_of(&UNITS, word)
}

/// True if the word may follow SHOW.
pub(super) fn is_shown(word: &[u8]) -> bool {
    is_one_of(&SHOWN, word)
}

/// True if a session may set this system variable for itself on a port that only reads.
pub fn is_session_variable(name: &[u8]) -> bool {
    is_in(&SESSION_VARIABLES, name)
}

/// True for NEXTVAL and SETVAL, functions of MariaDB's sequences.
pub(super) fn is_sequence_function(name: &[u8]) -> bool {
    is_one_of(&["nextval", "setval"], name)
}

/// True if `_name` in front of a string names a character set with which a server finds the same end of the string.
/// (The literal itself is read in the session's character set.)
pub(super) fn is_charset(name: &[u8]) -> bool {
    TextCharset::of(name) < TextCharset::MultiByte || is_one_of(&["ucs2", "utf16", "utf16le", "utf32"], name)
}

/// True if a session's texts may have this character set.
pub fn is_safe_charset(name: &[u8]) -> bool {
    TextCharset::of(name) != TextCharset::Unsafe
}

/// True if a collation belongs to such a character set.
pub(super) fn is_safe_collation(name: &[u8]) -> bool {
    let charset = name.split(|byte| *byte == b'_').next().unwrap_or_default();
    is_safe_charset(charset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sorted_lists_are_sorted() {
        assert!(RESERVED.is_sorted() && SESSION_VARIABLES.is_sorted());
        for word in RESERVED {
            assert!(is_reserved(word.as_bytes()) && is_reserved(word.to_uppercase().as_bytes()), "{word}");
            assert!(!is_reserved(format!("{word}x").as_bytes()), "{word}");
        }
        assert!(!is_reserved(b"") && !is_reserved(b"zzz") && !is_reserved(b"a"));
    }

    #[test]
    fn no_variable_of_replication_privileges_or_the_access_mode_is_listed() {
        let parts =
            ["gtid", "binlog", "log_bin", "read_only", "server_id", "pseudo", "wsrep_on", "character_set_c"];
        for name in SESSION_VARIABLES {
            let known = ["session_track_gtids", "character_set_collations"].contains(&name);
            assert!(known || !parts.iter().any(|part| name.contains(part)), "{name}");
        }
    }
}
