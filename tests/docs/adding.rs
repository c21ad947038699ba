//! The pages on adding something list every place that has each existing thing of the kind: a new place, and one that is gone, are
//! found.

use super::*;

/// A page, and names: a place of the page's table names all of one row.
const PAGES: [(&str, &[&[&str]]); 4] = [
    ("adding-a-command.md", &[&["StmtBulkExecute", "RegisterSlave", "SetOption"]]),
    (
        "adding-a-metric.md",
        &[
            &["accept_errors", "certificate_proofs"],
            &[
                "pointsman_client_received_bytes_total",
                "pointsman_client_sent_bytes_total",
                "pointsman_clients_handed_over_total",
            ],
        ],
    ),
    ("adding-a-preset.md", &[&["kubedb", "canonical", "kubeblocks"], &["KubeDb", "Canonical", "KubeBlocks"]]),
    ("adding-a-setting.md", &[&["worker_fill", "max_login_errors", "queue_timeout", "client_write"]]),
];

/// Where nothing is to be written: what a release writes, lists that these names are in by chance, and this file.
const LEFT_OUT: [&str; 4] =
    ["docs/internals/", "tests/docs/adding.rs", "tests/docs/released/metrics.txt", "CHANGELOG.md"];

/// True if the text has the name as a word of its own.
fn names(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}

/// The paths in the first column of a page's table.
fn listed(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

/// The files that name all of these; where a path has the name, it has `NAME`.
fn with_all(texts: &[(String, String)], wanted: &[&str]) -> BTreeSet<String> {
    let with = |name: &str| -> BTreeSet<String> {
        let naming = texts.iter().filter(|(_, text)| names(text, name));
        naming.map(|(path, _)| path.replace(name, "NAME")).collect()
    };
    let sets = wanted.iter().map(|name| with(name));
    sets.reduce(|all, next| &all & &next).unwrap_or_default()
}

#[test]
fn each_place_is_on_the_page() {
    let endings = [".rs", ".md", ".toml", ".json", ".yaml", ".py", ".sh", ".txt", ".tpl", ".js"];
    let mut texts = vec![("README.md".to_owned(), read(&root().join("README.md")))];
    for path in FOLDERS.iter().flat_map(|folder| files(&root().join(folder), "")) {
        let short = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        if endings.iter().any(|ending| short.ends_with(ending))
            && !LEFT_OUT.iter().any(|out| short.starts_with(out))
        {
            texts.extend(fs::read_to_string(&path).ok().map(|text| (short, text)));
        }
    }
    for (page, rows) in PAGES {
        let listed = listed(&read(&root().join("docs/internals").join(page)));
        let found: BTreeSet<_> = rows.iter().flat_map(|wanted| with_all(&texts, wanted)).collect();
        assert_eq!(listed, found, "{page}: in its table, and in the code");
    }
}

#[test]
fn a_name_is_a_word_of_its_own() {
    assert!(names("a.worker_fill = 1", "worker_fill") && names("worker_fill", "worker_fill"));
    assert!(!names("worker_fills", "worker_fill") && !names("my_worker_fill", "worker_fill"));
}
