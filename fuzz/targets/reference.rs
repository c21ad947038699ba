//! The servers' rules of quotes and comments once more, slow and byte by byte: what a byte of a text belongs to.

use pointsman::sql::Options;

/// What a byte is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Code,
    Quote,
    Comment,
}

/// One part for each byte. Behind the place where a quote or comment does not end nothing is to be relied on.
pub fn parts(sql: &[u8], options: Options) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut versioned = false;
    while let Some(&byte) = sql.get(parts.len()) {
        let at = parts.len();
        let next = sql.get(at + 1).copied();
        let (part, end) = match (byte, next) {
            (b'\'', _) => (Part::Quote, quote(sql, at, !options.no_backslash_escapes)),
            (b'"', _) if options.ansi_quotes => (Part::Quote, quote(sql, at, false)),
            (b'"', _) => (Part::Quote, quote(sql, at, !options.no_backslash_escapes)),
            (b'`', _) => (Part::Quote, quote(sql, at, false)),
            (b'#', _) => (Part::Comment, line(sql, at)),
            (b'-', Some(b'-')) if sql.get(at + 2).is_none_or(|third| (1..=32).contains(third)) => {
                (Part::Comment, line(sql, at))
            }
            (b'/', Some(b'*')) if !versioned && is_versioned(sql, at) => {
                versioned = true;
                (Part::Code, at + 2)
            }
            (b'*', Some(b'/')) if versioned => {
                versioned = false;
                (Part::Code, at + 2)
            }
            (b'/', Some(b'*')) => (Part::Comment, block(sql, at)),
            _ => (Part::Code, at + 1),
        };
        parts.resize(end, part);
    }
    parts
}

fn is_versioned(sql: &[u8], at: usize) -> bool {
    sql.get(at + 2) == Some(&b'!') || (sql.get(at + 2) == Some(&b'M') && sql.get(at + 3) == Some(&b'!'))
}

fn quote(sql: &[u8], start: usize, backslash: bool) -> usize {
    let mut at = start + 1;
    while at < sql.len() {
        if backslash && sql[at] == b'\\' {
            at += 2;
        } else if sql[at] == sql[start] && sql.get(at + 1) == Some(&sql[start]) {
            at += 2;
        } else if sql[at] == sql[start] {
            return at + 1;
        } else {
            at += 1;
        }
    }
    sql.len()
}

fn line(sql: &[u8], start: usize) -> usize {
    (start..sql.len()).find(|at| sql[*at] == b'\n').unwrap_or(sql.len())
}

fn block(sql: &[u8], start: usize) -> usize {
    (start + 2..sql.len()).find(|at| sql[*at..].starts_with(b"*/")).map_or(sql.len(), |at| at + 2)
}
