//! The page of the chart's values, from the comments of `values.yaml`.

use std::fmt::Write;

use super::generated::{MADE, page_is};
use super::{read, root};

const VALUES: &str = "deploy/helm/pointsman/values.yaml";

/// A value: its path with dots, its default, and the comment above it.
struct Row {
    path: String,
    default: String,
    words: String,
}

/// `key: default` with the depth of its indentation.
fn key(line: &str) -> Option<(usize, &str, &str)> {
    let text = line.trim_start();
    let (key, default) = text.split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    // Two spaces a level; deeper lines of a list or of a text are no keys of this file.
    is_key.then_some(((line.len() - text.len()) / 2, key, default.trim()))
}

fn rows(file: &str) -> Vec<Row> {
    let (mut rows, mut words, mut above): (Vec<Row>, Vec<&str>, Vec<&str>) = Default::default();
    for line in file.lines() {
        let comment = line.trim_start().strip_prefix('#');
        match (comment, key(line)) {
            // Two spaces behind the `#`: an example.
            (Some(comment), _) if !comment.starts_with("  ") => words.push(comment.trim()),
            (Some(_), _) => {}
            (None, Some((depth, name, default))) => {
                above.truncate(depth);
                above.push(name);
                let default = default.split(" #").next().unwrap_or_default().trim();
                let row = Row { path: above.join("."), default: default.into(), words: words.join(" ") };
                rows.push(row);
                words.clear();
            }
            (None, None) => words.clear(),
        }
    }
    rows
}

fn page() -> String {
    let mut page = format!(
        "# Every value of the chart\n\n{MADE}\nThe comments of `{VALUES}`. A value without a default is a map, and what is in it \
         follows.\n\n| value | default | |\n|---|---|---|\n"
    );
    for row in rows(&read(&root().join(VALUES))) {
        let default = if row.default.is_empty() { String::new() } else { format!("`{}`", row.default) };
        let _ = writeln!(
            page,
            "| `{}` | {default} | {} |",
            row.path,
            row.words.replace('|', "\\|").replace('<', "&lt;")
        );
    }
    page
}

#[test]
fn every_value_of_the_chart_has_its_line() {
    page_is("chart-values.md", &page());
}

/// The schema knows each value, and the file each one of the schema.
#[test]
fn the_values_are_those_of_the_schema() {
    let schema = read(&root().join("deploy/helm/pointsman/values.schema.json"));
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    let known = schema["properties"].as_object().expect("values");
    let rows = rows(&read(&root().join(VALUES)));
    let top: Vec<&str> = rows.iter().map(|row| &*row.path).filter(|path| !path.contains('.')).collect();
    for path in &top {
        assert!(known.contains_key(*path), "{path} is not in the schema");
    }
    for name in known.keys() {
        assert!(top.contains(&name.as_str()) || name == "global", "{name} is not in values.yaml");
    }
}
