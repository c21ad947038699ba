//! Whether a text only reads, for sure: then it may be run again when its answer was lost.
//! A short list of what is known to be harmless; everything else is not.

use super::lexer::{Kind, Lexer, Options};

/// Words that stand in front of `(` without being a function, and functions without effects.
const BEFORE_PARENTHESIS: [&str; 42] = [
    "select",
    "from",
    "where",
    "and",
    "or",
    "not",
    "in",
    "exists",
    "on",
    "using",
    "join",
    "as",
    "by",
    "having",
    "union",
    "all",
    "any",
    "some",
    "over",
    "when",
    "then",
    "else",
    "values",
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "coalesce",
    "ifnull",
    "nullif",
    "if",
    "concat",
    "lower",
    "upper",
    "length",
    "abs",
    "round",
    "substr",
    "substring",
    "cast",
    "date",
];

/// What makes even a SELECT more than a read, or its answer its connection's own.
const NEVER: [&str; 14] = [
    "into",
    "for",
    "lock",
    "procedure",
    "sql_calc_found_rows",
    "found_rows",
    "row_count",
    "last_insert_id",
    "connection_id",
    "next",
    "nextval",
    "currval",
    "lastval",
    "update",
];

/// See the module.
pub fn is_plain_read(sql: &[u8], options: Options) -> bool {
    if options.is_ambiguous(sql) {
        return false;
    }
    let mut lexer = Lexer::new(sql, options);
    let mut first = true;
    let mut ended = false;
    let mut callable = false;
    while let Some(token) = lexer.next_significant() {
        if ended {
            return false;
        }
        if first && !token.is("select") {
            return false;
        }
        first = false;
        match token.kind {
            Kind::Word if token.is_any(&NEVER) => return false,
            Kind::Open if callable => return false,
            Kind::At | Kind::AtAt | Kind::Assign | Kind::CodeOpen | Kind::CodeClose | Kind::Incomplete => {
                return false;
            }
            Kind::Semicolon => ended = true,
            _ => {}
        }
        callable = match token.kind {
            Kind::Word => !token.is_any(&BEFORE_PARENTHESIS),
            Kind::QuotedIdentifier => true,
            _ => false,
        };
    }
    !first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_reads() {
        for sql in [
            "SELECT c FROM sbtest1 WHERE id=1",
            "select count(*), max(id) from t where a in (1,2) and (b = 'x' or exists (select 1 from u));",
            "SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN 1 AND 2 -- comment",
        ] {
            assert!(is_plain_read(sql.as_bytes(), Options::default()), "{sql}");
        }
    }

    #[test]
    fn everything_else() {
        for sql in [
            "",
            "SELECT my_function(1)",
            "SELECT `f`(1)",
            "SELECT db.f(1)",
            "SELECT nextval(s)",
            "SELECT NEXT VALUE FOR s",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t LOCK IN SHARE MODE",
            "SELECT 1 INTO @a",
            "SELECT @a := 1",
            "SELECT 1; DELETE FROM t",
            "SELECT /*!50000 f(1) */",
            "SELECT get_lock('a', 1)",
            "INSERT INTO t SELECT 1",
            "WITH x AS (SELECT 1) DELETE FROM t",
            "SELECT LAST_INSERT_ID()",
            "SELECT 'open",
        ] {
            assert!(!is_plain_read(sql.as_bytes(), Options::default()), "{sql}");
        }
    }
}
