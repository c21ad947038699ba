//! Pages that are made from what they describe. `UPDATE_DOCS=1 cargo test --test docs` writes them anew.

use std::fmt::Write;

use super::{CONFIG, read, root};

pub(super) const MADE: &str =
    "<!-- Made by `UPDATE_DOCS=1 cargo test --test docs`; a test compares it. -->\n";

/// A page of `docs` is this text, or is written anew.
pub(super) fn page_is(name: &str, wanted: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).expect("a page");
    }
    assert!(read(&path) == wanted, "docs/{name} is out of date: UPDATE_DOCS=1 cargo test --test docs");
}

/// `key = value`, perhaps commented out.
pub(super) fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(" = ")?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    is_key.then_some((key, value))
}

/// The keys of the configuration, from the comments of the file that has all of them.
fn configuration() -> String {
    let mut page = format!(
        "# Every key of the configuration\n\n{MADE}\nThe comments of `{CONFIG}`, which is a working configuration: \
         keys with their defaults. A key marked *example* has no default.\n\n"
    );
    let mut words: Vec<&str> = Vec::new();
    let file = read(&root().join(CONFIG));
    for line in file.lines() {
        let comment = line.strip_prefix('#').map(str::trim);
        let shown = comment.unwrap_or(line);
        if line.is_empty() {
            flush(&mut page, &mut words);
        } else if let Some(head) = section(shown) {
            let _ = writeln!(page, "\n## `{head}`\n");
            flush(&mut page, &mut words);
        } else if let Some((key, value)) = key_and_value(shown) {
            let example = if comment.is_some() { ", example" } else { "" };
            if words.is_empty() {
                let _ = writeln!(page, "- `{key}` (`{value}`{example})");
            } else {
                let _ = writeln!(page, "- `{key}` (`{value}`{example}): {}", words.join(" "));
            }
            words.clear();
        } else if let Some(text) = comment.filter(|text| !text.is_empty()) {
            words.push(text);
        } else {
            flush(&mut page, &mut words);
        }
    }
    flush(&mut page, &mut words);
    page
}

pub(super) fn section(line: &str) -> Option<&str> {
    let closed = line.ends_with(']') && line.starts_with('[') && !line.contains(' ');
    closed.then_some(line)
}

fn flush(page: &mut String, words: &mut Vec<&str>) {
    if !words.is_empty() {
        let _ = writeln!(page, "{}\n", words.join(" "));
        words.clear();
    }
}

#[test]
fn every_key_has_its_line() {
    page_is("configuration-reference.md", &configuration());
}
