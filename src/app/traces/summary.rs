//! A statement in a few words, for the names of spans: what it does, and to which tables.

/// The most bytes of a summary: what the conventions ask for.
const MOST: usize = 255;

/// The words behind which a table's name stands.
const BEFORE_TABLES: [&str; 5] = ["FROM", "JOIN", "INTO", "UPDATE", "TABLE"];

/// Returns what a statement does, in a word: its first one.
pub(super) fn operation(digest_text: &str) -> Option<&str> {
    let is_word = |word: &&str| word.bytes().all(|b| b.is_ascii_alphabetic());
    digest_text.split([' ', '(', ';']).find(|word| !word.is_empty()).filter(is_word)
}

/// Returns the operation, and the names of the tables in the order of the text.
pub(super) fn summary(digest_text: &str) -> Option<String> {
    let mut all = operation(digest_text)?.to_ascii_uppercase();
    let mut words = digest_text.split_ascii_whitespace().peekable();
    while let Some(word) = words.next() {
        if !BEFORE_TABLES.iter().any(|before| word.eq_ignore_ascii_case(before)) {
            continue;
        }
        let Some(mut name) = words.next_if(|word| word.starts_with('`')).map(plain) else { continue };
        // `schema` . `table`
        while words.next_if_eq(&".").is_some() {
            name.push('.');
            name.push_str(&words.next().map(plain).unwrap_or_default());
        }
        if all.len() + 1 + name.len() > MOST {
            break;
        }
        all.push(' ');
        all.push_str(&name);
    }
    Some(all)
}

/// Returns an identifier without its quotes.
fn plain(word: &str) -> String {
    word.trim_end_matches([',', ';', ')']).trim_matches('`').chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Options;
    use crate::sql::digest::Digest;

    fn of(text: &str) -> Option<String> {
        summary(Digest::of(text.as_bytes(), Options::default()).text())
    }

    #[test]
    fn a_summary_has_the_operation_and_its_tables() {
        for (text, expected) in [
            ("select * from orders where id = 7", "SELECT orders"),
            ("SELECT a.x FROM shop.a JOIN b ON a.id = b.id", "SELECT shop.a b"),
            ("INSERT INTO t (a) VALUES (1)", "INSERT t"),
            ("update `t` set a = 1", "UPDATE t"),
            ("DELETE FROM t", "DELETE t"),
            ("SELECT 1", "SELECT"),
            ("(SELECT 1) UNION SELECT * FROM u", "SELECT u"),
            ("COMMIT", "COMMIT"),
            ("CREATE TABLE t (a INT)", "CREATE t"),
            ("SELECT * FROM (SELECT 1) x", "SELECT"),
        ] {
            assert_eq!(of(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(summary(""), None);
        let long = format!("SELECT * FROM `{}` JOIN `{}`", "a".repeat(200), "b".repeat(200));
        assert_eq!(summary(&long).unwrap().len(), 207);
    }
}
