//! Asks a connection for values that only this connection knows. What a transaction on a replica left there
//! (user variables, an insert id) is asked for once the transaction is over, so that the primary can have it.

use crate::backend::{ColumnType, ServerError, is_collation_of, write_name};
use crate::client::{Failure, StatementError};
use crate::net::Runtime;
use crate::session::Session;
use crate::session::fresh::Freshness;
use crate::state::INSERT_ID;
use crate::terms::{Port, Role};
use crate::wire::error_code::ER_NEED_REPREPARE;

impl<R: Runtime> Session<R> {
    /// Asks the primary's connection, which is in use, for variables that were set to a value that only the
    /// server knows. Once the values are known, these variables do not pin the session to that connection.
    pub(in crate::session) async fn learn_variables(&mut self) {
        if self.upstream.role != Role::Primary {
            return;
        }
        let trackers = self.state.trackers_to_ask();
        if !trackers.is_empty() {
            let names: Vec<_> = trackers.iter().map(Vec::as_slice).collect();
            self.ask_for_variables(&names).await;
        }
        if let Some(names) = self.state.variables_to_ask() {
            let names: Vec<_> = names.iter().map(Vec::as_slice).collect();
            self.ask_for_variables(&names).await;
        }
        if let Some(names) = self.state.nulls_to_ask() {
            self.ask_for_values(&names).await;
        }
    }

    /// Asks the connection in use how it reads texts, if only this connection knows: a statement that is prepared there under
    /// other settings needs to have these set again. What a replica says of them may not reach the primary.
    pub(in crate::session) async fn learn_reading(&mut self) -> Result<(), StatementError> {
        let (role, port) = (self.upstream.role, self.client.port);
        match self.state.reading_to_ask(role) {
            Some(names) if names.is_empty() => Ok(()),
            Some(names) if role == Role::Primary || port == Port::Replica => {
                self.ask_for_variables(&names).await;
                Ok(())
            }
            Some(_) | None => {
                // What a server says of a statement that it can no longer prepare.
                let err = ServerError::new(ER_NEED_REPREPARE, b"Prepared statement needs to be re-prepared");
                Err(StatementError::Tell(Failure::Server(err)))
            }
        }
    }

    /// Asks the connection in use for the values of system variables.
    async fn ask_for_variables(&mut self, names: &[&[u8]]) {
        let (limit, context) = (self.context.live.borrow().timeouts.connect, self.context.clone());
        let role = self.upstream.role;
        let Some(connection) = self.upstream.connection_mut() else { return };
        let (flavor, here) = (connection.about.flavor, connection.about.thread());
        // Binary values are not converted to `character_set_results`, which may be utf16.
        let of = |name: &&[u8]| format!("CAST(@@session.{} AS BINARY)", String::from_utf8_lossy(name));
        let all = names.iter().map(of);
        let question = format!("SELECT {} LIMIT 1", all.collect::<Vec<_>>().join(","));
        let Some(Ok(sets)) = context.runtime.timeout(limit, connection.query(&question)).await else {
            return self.upstream.server_lost();
        };
        let row = sets.into_iter().next().and_then(|set| set.rows.into_iter().next()).unwrap_or_default();
        for (name, value) in names.iter().zip(row) {
            // Without `character_set_results`, nothing is converted.
            let none = (*name == b"character_set_results").then(Vec::new);
            if let Some(value) = value.or(none) {
                self.state.variable_is(role, name, &value, flavor);
            }
        }
        self.state.last.covered(here);
        if let Some(connection) = self.upstream.connection_mut().filter(|c| c.has_known_state()) {
            connection.now_has(&self.state.carried);
        }
    }

    /// Asks the replica's connection for the values that only it knows. A value that has no literal stays
    /// there.
    pub(in crate::session) async fn move_values(&mut self) {
        let Some(names) = self.state.unreported_on_replica() else { return };
        if names.is_empty() || !self.take_for(Role::Replica, &Freshness::Unasked) {
            return;
        }
        if self.ask_for_values(&names).await {
            self.upstream.release_after_statement(&mut self.state);
        }
    }

    /// Asks the connection in use for the values of user variables. Returns false if it was lost.
    async fn ask_for_values(&mut self, names: &[Vec<u8>]) -> bool {
        let (limit, context) = (self.context.live.borrow().timeouts.connect, self.context.clone());
        let asked = match self.upstream.connection_mut() {
            Some(connection) => context.runtime.timeout(limit, connection.query(&question(names))).await,
            None => None,
        };
        let Some(Ok(sets)) = asked else {
            // The client is told what was lost with the connection.
            self.upstream.server_lost();
            return false;
        };
        let set = sets.into_iter().next().unwrap_or_default();
        let row = set.rows.into_iter().next().unwrap_or_default();
        for ((name, values), types) in names.iter().zip(row.chunks(4)).zip(set.types.chunks(4)) {
            // LAST_INSERT_ID() is a number without a literal of its own.
            let of = types.first().filter(|_| name != INSERT_ID).copied().unwrap_or_default();
            let is_null = values.first().is_some_and(Option::is_none);
            match literal(values, of) {
                Some(_) if is_null && of == ColumnType::NeverSet => self.state.is_not_there(name),
                Some(literal) if is_null => self.state.null_is(name, &literal),
                Some(literal) => self.state.value_is(name, &literal),
                None => {}
            }
        }
        let role = self.upstream.role;
        if let Some(connection) = self.upstream.connection_mut() {
            if role == Role::Replica || connection.has_known_state() {
                connection.now_has(&self.state.carried);
            }
            self.state.last.covered(connection.about.thread());
        }
        true
    }
}

fn question(names: &[Vec<u8>]) -> String {
    let of = |name: &Vec<u8>| {
        let value = match name.as_slice() {
            INSERT_ID => INSERT_ID.escape_ascii().to_string(),
            name => {
                let mut quoted = vec![b'@'];
                write_name(name, &mut quoted);
                String::from_utf8_lossy(&quoted).into_owned()
            }
        };
        format!("{value},HEX({value}),CHARSET({value}),COLLATION({value})")
    };
    format!("SELECT {} LIMIT 1", names.iter().map(of).collect::<Vec<_>>().join(","))
}

/// Returns a literal for a value, given the value, its HEX(), its character set and its collation, and the type of the
/// value; for NULL, a literal of its type. None: there is no such literal.
fn literal(values: &[Option<Vec<u8>>], of: ColumnType) -> Option<Vec<u8>> {
    let [value, hex, charset, collation] = values else { return None };
    let (charset, collation) = (charset.as_ref()?, collation.as_ref()?);
    let Some(value) = value else { return null_of(charset, collation, of) };
    let hex = hex.as_ref()?;
    // A literal that the primary refuses would keep the session from it for good.
    if !hex.iter().all(u8::is_ascii_hexdigit) || !is_collation_of(charset, collation) {
        return None;
    }
    let bytes: String = value.iter().map(|b| format!("{b:02X}")).collect();
    // For a number, HEX() is not the hexadecimal form of its digits.
    if *charset == b"binary" && *hex != bytes.as_bytes() {
        return is_number(value).then(|| number(value, of));
    }
    // Without COLLATE: MySQL would require the collation's name `binary` to be quoted, and the character set
    // has only this collation.
    if *charset == b"binary" {
        return Some([b"_binary X'", &**hex, b"'"].concat());
    }
    let text = from_hex(hex)?;
    is_text(&text, charset).then(|| [b"_", &**charset, b" X'", hex, b"' COLLATE ", collation].concat())
}

fn null_of(charset: &[u8], collation: &[u8], of: ColumnType) -> Option<Vec<u8>> {
    match of {
        ColumnType::Signed | ColumnType::Unsigned | ColumnType::Double | ColumnType::Decimal => {
            Some(number(b"0", of))
        }
        ColumnType::Other | ColumnType::NeverSet if charset == b"binary" => Some(b"_binary X''".to_vec()),
        ColumnType::Other | ColumnType::NeverSet => {
            is_collation_of(charset, collation).then(|| [b"_", charset, b" X'' COLLATE ", collation].concat())
        }
    }
}

/// Writes a number so that it has this type: `1` is a signed integer, and so would be the double and the decimal 1.
fn number(value: &[u8], of: ColumnType) -> Vec<u8> {
    match of {
        ColumnType::Unsigned => [b"CAST(", value, b" AS UNSIGNED)"].concat(),
        ColumnType::Double if !value.contains(&b'e') => [value, b"e0"].concat(),
        // No server writes a decimal with an exponent; `1e5.` would be refused.
        ColumnType::Decimal if !value.iter().any(|b| b".e".contains(b)) => [value, b"."].concat(),
        _ => value.to_vec(),
    }
}

fn from_hex(hex: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
    hex.chunks(2).map(|pair| Some(digit(pair.first())? << 4 | digit(pair.get(1))?)).collect()
}

/// True if servers take these bytes for a text of this character set: of those with characters of several bytes, the
/// proxy reads only UTF-8.
fn is_text(text: &[u8], charset: &[u8]) -> bool {
    const OTHERS: [&[u8]; 11] = [
        b"ascii", b"big5", b"cp932", b"eucjpms", b"euckr", b"gb18030", b"gb2312", b"gbk", b"sjis", b"ujis",
        b"swe7",
    ];
    match charset {
        b"utf8mb4" => std::str::from_utf8(text).is_ok(),
        b"utf8mb3" | b"utf8" => {
            std::str::from_utf8(text).is_ok_and(|text| text.chars().all(|c| c.len_utf8() < 4))
        }
        charset => text.is_ascii() || !OTHERS.contains(&charset),
    }
}

/// True for a decimal number as servers write it: digits with a sign, a fraction and an exponent.
fn is_number(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let (mantissa, exponent) = match value.iter().position(|b| *b == b'e') {
        Some(at) => (value.get(..at), value.get(at + 1..)),
        None => (Some(value), None),
    };
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = mantissa.unwrap_or_default().splitn(2, |b| *b == b'.');
    let whole = parts.next().is_some_and(digits) && parts.next().is_none_or(digits);
    let sign = |part: &[u8]| part.strip_prefix(b"-").or(part.strip_prefix(b"+")).unwrap_or(part).to_vec();
    whole && exponent.is_none_or(|part| digits(&sign(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: Option<&str>, hex: &str, charset: &str, collation: &str) -> Option<String> {
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        let values = [value.and_then(bytes), bytes(hex), bytes(charset), bytes(collation)];
        literal(&values, ColumnType::Other).map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn values_as_literals() {
        assert_eq!(said(None, "", "binary", "binary").as_deref(), Some("_binary X''"));
        let text = said(None, "", "latin1", "latin1_bin");
        assert_eq!(text.as_deref(), Some("_latin1 X'' COLLATE latin1_bin"));
        assert_eq!(said(None, "", "latin1", "utf8mb4_bin"), None);
        for (of, zero) in [
            (ColumnType::Signed, "0"),
            (ColumnType::Unsigned, "CAST(0 AS UNSIGNED)"),
            (ColumnType::Double, "0e0"),
            (ColumnType::Decimal, "0."),
        ] {
            let binary = || Some(b"binary".to_vec());
            assert_eq!(literal(&[None, None, binary(), binary()], of).as_deref(), Some(zero.as_bytes()));
        }
        assert_eq!(said(Some("42"), "2A", "binary", "binary").as_deref(), Some("42"));
        assert_eq!(said(Some("-1.5"), "FFFFFFFFFFFFFFFE", "binary", "binary").as_deref(), Some("-1.5"));
        let text = said(Some("42"), "3432", "latin1", "latin1_bin");
        assert_eq!(text.as_deref(), Some("_latin1 X'3432' COLLATE latin1_bin"));
        let text = said(Some("42"), "3432", "binary", "binary");
        assert_eq!(text.as_deref(), Some("_binary X'3432'"));
        // The value has other bytes in the client's character set.
        let text = said(Some("\u{e9}"), "E9", "latin1", "latin1_bin");
        assert_eq!(text.as_deref(), Some("_latin1 X'E9' COLLATE latin1_bin"));
        assert_eq!(said(Some("?"), "2A", "binary", "binary"), None);
        // What no server says, and no server takes.
        for value in ["1-2", "--1", "1e", "1 or 1", ".", "1.2.3", "e5"] {
            assert_eq!(said(Some(value), "FF", "binary", "binary"), None, "{value}");
        }
        for (hex, charset, collation) in [
            ("FF", "utf8mb4", "utf8mb4_bin"),
            ("F09F9880", "utf8mb3", "utf8mb3_bin"),
            ("81", "gbk", "gbk_bin"),
            ("E9", "ascii", "ascii_bin"),
            ("41", "latin1", "utf8mb4_bin"),
            ("41", "nothing", "nothing_bin"),
            ("4", "latin1", "latin1_bin"),
            ("4x", "latin1", "latin1_bin"),
            ("41' OR '1", "latin1", "latin1_bin"),
            ("41", "latin1", "latin1_bin, @y = 1"),
        ] {
            assert_eq!(said(Some("A"), hex, charset, collation), None, "{charset} {collation}");
        }
        let text = said(Some("\u{1f600}"), "F09F9880", "utf8mb4", "utf8mb4_0900_ai_ci");
        assert_eq!(text.as_deref(), Some("_utf8mb4 X'F09F9880' COLLATE utf8mb4_0900_ai_ci"));
    }

    #[test]
    fn numbers_keep_their_types() {
        let shown = |value: &str, of| String::from_utf8(number(value.as_bytes(), of)).unwrap();
        for (value, of, expected) in [
            ("1", ColumnType::Other, "1"),
            ("1", ColumnType::Unsigned, "CAST(1 AS UNSIGNED)"),
            ("1", ColumnType::Double, "1e0"),
            ("-1.5", ColumnType::Double, "-1.5e0"),
            ("1e20", ColumnType::Double, "1e20"),
            ("1", ColumnType::Decimal, "1."),
            ("-1.50", ColumnType::Decimal, "-1.50"),
            ("1e5", ColumnType::Decimal, "1e5"),
        ] {
            assert_eq!(shown(value, of), expected);
        }
    }

    #[test]
    fn one_question_for_all() {
        let names = vec![b"a".to_vec(), INSERT_ID.to_vec()];
        let id = "LAST_INSERT_ID()";
        let expected = format!(
            "SELECT @`a`,HEX(@`a`),CHARSET(@`a`),COLLATION(@`a`),{id},HEX({id}),CHARSET({id}),COLLATION({id}) LIMIT 1"
        );
        assert_eq!(question(&names), expected);
    }
}
