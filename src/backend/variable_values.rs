//! How a variable's value, as servers report it, is written into a SET. The test `alike::settings` tries each variable of both
//! servers with values of every kind.

/// Variables that are NULL unless they are set. Servers report NULL as an empty value, and refuse an empty string.
const NULL_IF_EMPTY: [&[u8]; 5] = [
    b"default_tmp_storage_engine",
    b"enforce_storage_engine",
    b"external_table_storage_engine",
    b"innodb_ft_user_stopword_table",
    b"innodb_tmpdir",
];

/// Is NULL unless it is set, and may be an empty string: the report does not show which.
const NULL_OR_EMPTY: &[u8] = b"external_table_secondary_storage_engine";

/// Variables whose text may look like a number, which they reject.
const TEXTS: [&[u8]; 2] = [b"default_master_connection", NULL_OR_EMPTY];

/// MariaDB reports the word DEFAULT, which is no text, or a moment in the session's time zone of that time.
const AS_OF: &[u8] = b"system_versioning_asof";
const UNSET: &[u8] = b"DEFAULT";

/// True if a SET gives the variable this value on another connection.
pub fn can_be_set(name: &[u8], value: &[u8]) -> bool {
    match name {
        AS_OF => value == UNSET,
        NULL_OR_EMPTY => !value.is_empty(),
        _ => true,
    }
}

/// Appends a value. Numbers stay unquoted, since numeric variables reject strings.
pub fn write_value(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    match name {
        AS_OF => out.extend_from_slice(value),
        name if value.is_empty() && NULL_IF_EMPTY.contains(&name) => out.extend_from_slice(b"NULL"),
        name if is_number(value) && !TEXTS.contains(&name) => out.extend_from_slice(value),
        _ => write_quoted(value, out),
    }
}

fn is_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    digits.iter().all(|b| b.is_ascii_digit() || *b == b'.')
        && digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().filter(|b| **b == b'.').count() <= 1
}

/// Appends a quoted string. Quotes are doubled: a hexadecimal literal would lose the character set. Values
/// whose meaning depends on the SQL mode or the character set never get here (see `session_variables`).
pub fn write_quoted(value: &[u8], out: &mut Vec<u8>) {
    write_between(b'\'', value, out);
}

/// Appends a name as a quoted identifier.
pub fn write_name(name: &[u8], out: &mut Vec<u8>) {
    write_between(b'`', name, out);
}

fn write_between(quote: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(quote);
    for byte in value {
        if *byte == quote {
            out.push(quote);
        }
        out.push(*byte);
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_their_variables_take_them() {
        for (name, value, written) in [
            ("sort_buffer_size", "262144", "262144"),
            ("timestamp", "-1.5", "-1.5"),
            ("sql_mode", "", "''"),
            ("time_zone", "+05:00", "'+05:00'"),
            ("innodb_tmpdir", "", "NULL"),
            ("innodb_tmpdir", "/tmp", "'/tmp'"),
            ("enforce_storage_engine", "", "NULL"),
            ("default_master_connection", "-1", "'-1'"),
            ("default_master_connection", "", "''"),
            ("system_versioning_asof", "DEFAULT", "DEFAULT"),
        ] {
            let mut out = Vec::new();
            write_value(name.as_bytes(), value.as_bytes(), &mut out);
            assert!(can_be_set(name.as_bytes(), value.as_bytes()), "{name} {value}");
            assert_eq!(String::from_utf8_lossy(&out), written, "{name} {value}");
        }
    }

    #[test]
    fn what_the_report_does_not_show_is_not_set() {
        assert!(!can_be_set(b"system_versioning_asof", b"2010-01-01 00:00:00.000000"));
        assert!(!can_be_set(b"external_table_secondary_storage_engine", b""));
    }
}
