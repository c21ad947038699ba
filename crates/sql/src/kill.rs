//! `KILL` of a connection, with a connection id that the proxy assigned: [`parse`] returns the id and the kind.

use super::{Kind, Lexer, Options, Token};

/// What a `KILL` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The statement that the connection runs.
    Query,
    /// The connection.
    Connection,
}

/// A `KILL` statement with a literal id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// The connection id as the client wrote it, which is one that the proxy assigned.
    pub id: u64,
    /// What the statement ends.
    pub target: Target,
}

/// Reads a text that is only `KILL [HARD|SOFT] [CONNECTION|QUERY] n`, with or without a `;`.
/// Returns None for everything else: MariaDB's `QUERY ID n` and `USER name`, an id that is an
/// expression, versioned comments, several statements.
pub fn parse(sql: &[u8], options: Options) -> Option<Kill> {
    if options.is_ambiguous(sql) {
        return None;
    }
    let mut lexer = Lexer::new(sql, options);
    lexer.next_significant().filter(|token| token.is("KILL"))?;
    let mut token = lexer.next_significant()?;
    if token.is_any(&["HARD", "SOFT"]) {
        token = lexer.next_significant()?;
    }
    let mut target = Target::Connection;
    if token.is_any(&["CONNECTION", "QUERY"]) {
        if token.is("QUERY") {
            target = Target::Query;
        }
        token = lexer.next_significant()?;
    }
    let id = decimal(token)?;
    let alone = match lexer.next_significant() {
        None => true,
        Some(end) => end.kind == Kind::Semicolon && lexer.next_significant().is_none(),
    };
    alone.then_some(Kill { id, target })
}

/// True if a token of the text is the word KILL, wherever it stands. A text without one kills nothing.
pub fn has_kill(sql: &[u8], options: Options) -> bool {
    options.is_ambiguous(sql) || Lexer::new(sql, options).any(|token| token.is("KILL"))
}

fn decimal(token: Token<'_>) -> Option<u64> {
    let digits = Some(token.text).filter(|_| token.kind == Kind::Number)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_kill_kills() {
        let has = |sql: &str| has_kill(sql.as_bytes(), Options::default());
        for sql in ["KILL 5", "/* x */ kill 5", "/*!50000 KILL */ 5", "SELECT 1; KILL 5", "-- x\nKILL 5"] {
            assert!(has(sql), "{sql}");
        }
        for sql in
            ["/* ping */ SELECT 1", "/* KILL 5 */ SELECT 'KILL 5'", "-- kill\nSELECT `kill`", "SELECT killed"]
        {
            assert!(!has(sql), "{sql}");
        }
    }

    fn kill(sql: &str) -> Option<(u64, Target)> {
        parse(sql.as_bytes(), Options::default()).map(|kill| (kill.id, kill.target))
    }

    #[test]
    fn the_forms_of_both_servers() {
        for sql in [
            "KILL 5",
            "kill 5;",
            " /* x */ Kill\n5 -- y",
            "KILL CONNECTION 5",
            "KILL HARD 5",
            "KILL SOFT CONNECTION 5 ; ",
        ] {
            assert_eq!(kill(sql), Some((5, Target::Connection)), "{sql}");
        }
        for sql in ["KILL QUERY 5", "kill/**/query/**/5", "KILL SOFT QUERY 5", "KILL HARD QUERY 5;"] {
            assert_eq!(kill(sql), Some((5, Target::Query)), "{sql}");
        }
        assert_eq!(kill("KILL 18446744073709551615"), Some((u64::MAX, Target::Connection)));
    }

    #[test]
    fn everything_else_is_left_to_the_server() {
        for sql in [
            "",
            "KILL",
            "KILL QUERY",
            "KILL QUERY ID 5",
            "KILL USER bob",
            "KILL HARD USER 5",
            "KILL @a",
            "KILL 5+1",
            "KILL 5.0",
            "KILL 0x5",
            "KILL -5",
            "KILL '5'",
            "KILL (5)",
            "KILL CONNECTION_ID()",
            "KILL 5 6",
            "KILL 5; SELECT 1",
            "SELECT 1; KILL 5",
            "KILL QUERY CONNECTION 5",
            "KILL 18446744073709551616",
            "KILL /*!50000 QUERY */ 5",
            "`KILL` 5",
            "KILL 5 'x",
        ] {
            assert_eq!(kill(sql), None, "{sql}");
        }
    }
}
