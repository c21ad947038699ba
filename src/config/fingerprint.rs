//! Which configuration a process serves, in a form that can be compared and shown: the SHA-256 of the file.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use toml::de::{DeTable, DeValue};

/// Keys whose values in the file are secrets.
const SECRETS: [&str; 2] = ["password", "token"];
/// Replaces the value of a secret; the same as in the output of `check`.
const HIDDEN: &str = "\"********\"";

/// The SHA-256 of a configuration file, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The sum of the unchanged file. Must not be shown: it could be used to guess a password in the file.
    whole: Arc<str>,
    /// The sum of the file with `********` in place of passwords and tokens. Equal to `whole` if the file has none.
    shown: Arc<str>,
}

impl Fingerprint {
    /// Computes the fingerprint of a file with this text.
    pub fn of(text: &str) -> Self {
        Fingerprint { whole: sha256(text), shown: sha256(&without_secrets(text)) }
    }

    /// Returns the sum that may be shown.
    pub fn shown(&self) -> &Arc<str> {
        &self.shown
    }

    /// True if `named` is the SHA-256 of this file, with or without the secrets in it.
    pub fn is(&self, named: &str) -> bool {
        named.eq_ignore_ascii_case(&self.whole) || named.eq_ignore_ascii_case(&self.shown)
    }
}

fn sha256(text: &str) -> Arc<str> {
    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.into()
}

fn without_secrets(text: &str) -> String {
    let mut found = Vec::new();
    if let Ok(root) = DeTable::parse(text) {
        collect(root.get_ref(), &mut found);
    }
    // Replaces from the end to the beginning, so that the remaining positions stay valid.
    found.sort_by_key(|span| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for span in found {
        if text.get(span.clone()).is_some() {
            text.replace_range(span, HIDDEN);
        }
    }
    text
}

/// Collects the positions of secrets' values in this table and the tables in it.
fn collect(table: &DeTable<'_>, found: &mut Vec<Range<usize>>) {
    for (key, value) in table.iter() {
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, found),
            DeValue::Array(items) => items.iter().for_each(|item| {
                if let DeValue::Table(inner) = item.get_ref() {
                    collect(inner, found);
                }
            }),
            _ if SECRETS.contains(&key.get_ref().as_ref()) => found.push(value.span()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_secrets_is_known_by_its_own_sum() {
        let of = Fingerprint::of("workers = 2\n");
        // printf 'workers = 2\n' | sha256sum
        assert_eq!(&*of.shown, "27a12c6c0ef423a0a0c5b7d34c9fafacfe6af084f707588cf604cf4814dbf2d5");
        assert_eq!(of.whole, of.shown);
        assert!(of.is(&of.shown.to_uppercase()) && !of.is("") && !of.is(&of.shown[1..]));
    }

    #[test]
    fn what_is_shown_does_not_depend_on_secrets() {
        let file = |password: &str, token: &str| {
            format!(
                "[monitor]\npassword = \"{password}\" # here\n[admin]\ntoken = '{token}'\n[[users]]\nname = \"a\"\n\
                 password = \"{password}\"\n[[users]]\npassword = \"\"\"{password}\"\"\"\n"
            )
        };
        let (one, other) = (Fingerprint::of(&file("a", "t")), Fingerprint::of(&file("böse", "token")));
        assert_eq!(one.shown, other.shown);
        assert_ne!(one.whole, other.whole);
        assert!(one.is(&one.whole.clone()) && one.is(other.shown()) && !one.is(&other.whole.clone()));
        let inline = Fingerprint::of("users = [{name = \"a\", password = \"b\"}]");
        assert_eq!(inline.shown, Fingerprint::of("users = [{name = \"a\", password = \"c\"}]").shown);
        assert_ne!(inline.shown, Fingerprint::of("users = [{name = \"b\", password = \"c\"}]").shown);
        assert_eq!(without_secrets("password = 5\n"), "password = \"********\"\n");
    }
}
