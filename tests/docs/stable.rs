//! What the last release promised is still there: keys of the configuration with their defaults, metrics with their types and
//! labels, tables of the console with their columns. docs/stability.md says what may change and how. A release writes the
//! files in `released` anew: `UPDATE_RELEASED=1 cargo test --test docs`.

use std::collections::BTreeSet;

use super::generated::{key_and_value, section};
use super::{CONFIG, read, root};

/// A line for each key: `section.key = default`; a key that has only an example has no default.
fn keys(file: &str) -> Vec<String> {
    let (mut head, mut found) = (String::new(), Vec::new());
    for line in file.lines() {
        let comment = line.strip_prefix('#').map(str::trim);
        let shown = comment.unwrap_or(line);
        if let Some(name) = section(shown) {
            head = format!("{}.", name.trim_matches(['[', ']']));
        } else if let Some((key, value)) = key_and_value(shown) {
            found.push(match comment {
                // What a list of servers, users or listeners shows is an example.
                None if !["discovery.servers.", "users.", "listeners.", "monitor."]
                    .contains(&head.as_str()) =>
                {
                    format!("{head}{key} = {value}")
                }
                _ => format!("{head}{key}"),
            });
        }
    }
    found
}

/// A line for each metric: its name, its type, its labels.
fn metrics(page: &str) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with("| `pointsman_"));
    let columns = |row: &str| {
        row.split('|').skip(1).take(3).map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>()
    };
    rows.map(|row| columns(row).join(" ").trim_end().to_owned()).collect()
}

/// A line for each column of a table of the console: `table.column TYPE`.
fn tables(page: &str) -> Vec<String> {
    let (mut table, mut found) = ("", Vec::new());
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("### ") {
            table = name;
        } else if let Some(row) = line.strip_prefix("| `")
            && let Some((column, rest)) = row.split_once("` | ")
            && let Some((kind, _)) = rest.split_once(" |")
            && kind.chars().all(|c| c.is_ascii_uppercase())
        {
            found.push(format!("{table}.{column} {kind}"));
        }
    }
    found
}

/// A line for each value of the chart.
fn values(schema: &str) -> Vec<String> {
    fn walk(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
        for (name, value) in value["properties"].as_object().into_iter().flatten() {
            let path = format!("{at}{name}");
            found.push(path.clone());
            walk(value, &format!("{path}."), found);
        }
    }
    let mut found = Vec::new();
    walk(&serde_json::from_str(schema).expect("JSON"), "", &mut found);
    found
}

fn now() -> [(&'static str, Vec<String>); 4] {
    let text = |name: &str| read(&root().join(name));
    [
        ("keys.txt", keys(&text(CONFIG))),
        ("metrics.txt", metrics(&text("docs/metrics.md"))),
        ("tables.txt", tables(&text("docs/console.md"))),
        ("values.txt", values(&text("deploy/helm/pointsman/values.schema.json"))),
    ]
}

#[test]
fn what_was_released_is_still_there() {
    for (name, now) in now() {
        let path = root().join("tests/docs/released").join(name);
        if std::env::var_os("UPDATE_RELEASED").is_some() {
            std::fs::write(&path, now.join("\n") + "\n").expect("a list");
        }
        let released = read(&path);
        assert!(released.lines().count() > 20, "{name} has only {} lines", released.lines().count());
        let now: BTreeSet<&str> = now.iter().map(String::as_str).collect();
        let gone: Vec<&str> = released.lines().filter(|line| !now.contains(line)).collect();
        assert!(gone.is_empty(), "gone since the last release ({name}): {gone:#?}: see docs/stability.md");
    }
}
