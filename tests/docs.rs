//! The pages name what exists: links and their anchors, paths of the repository, keys of the configuration, metrics. A page that
//! is in no table of contents is found, too.

#[path = "docs/adding.rs"]
mod adding;
#[path = "docs/chart.rs"]
mod chart;
#[path = "docs/generated.rs"]
mod generated;
#[path = "docs/schema.rs"]
mod schema;
#[path = "docs/stable.rs"]
mod stable;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CONFIG: &str = "config/pointsman.toml";
const FOLDERS: [&str; 8] = ["benches", "config", "crates", "deploy", "docs", "fuzz", "src", "tests"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)).into();
    for folder in ["docs", "deploy", "tests"] {
        pages.extend(files(&root().join(folder), ".md"));
    }
    pages
}

/// The text without blocks of code.
fn prose(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// What stands between single backticks.
fn codes(text: &str) -> Vec<String> {
    prose(text).split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let text = prose(text);
    let parts = text.split("](").skip(1);
    parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned())).collect()
}

/// The anchors of a page's headings, as hosts of repositories make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let heads = prose(text);
    let heads = heads.lines().filter(|line| line.starts_with('#'));
    let slug = |head: &str| {
        let words = head.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    heads.map(slug).collect()
}

/// What is wrong with a page's links.
fn broken_links(page: &Path, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for link in links(text).iter().filter(|link| !link.contains("://")) {
        let (path, anchor) =
            link.split_once('#').map_or((link.as_str(), None), |(path, at)| (path, Some(at)));
        let target = match path {
            "" => page.to_owned(),
            path => page.parent().expect("a folder").join(path),
        };
        if !target.exists() {
            wrong.push(format!("the link {link} leads nowhere"));
        } else if let Some(anchor) = anchor
            && target.extension().is_some_and(|ending| ending == "md")
            && !anchors(&read(&target)).contains(anchor)
        {
            wrong.push(format!("{link}: no heading has this anchor"));
        }
    }
    wrong
}

/// Whether this looks like a path of the repository.
fn is_path(code: &str) -> bool {
    // Names in capitals are placeholders.
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '/' | '.' | '_' | '-');
    let of_source = code.ends_with(".rs") && code.contains('/');
    let begins =
        FOLDERS.iter().any(|folder| code.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
    code.chars().all(plain) && (of_source || begins)
}

/// Pages for those who carry the project on leave out `src`, and write a path in a crate as they write that of a module.
fn exists(code: &str) -> bool {
    let code = code.trim_end_matches('/');
    let mut places = ["", "src", "tests"].map(|folder| root().join(folder).join(code)).to_vec();
    if let Some((name, rest)) = code.split_once('/') {
        places.push(root().join("crates").join(name).join("src").join(rest));
    }
    places.iter().any(|place| place.exists() || place.with_extension("rs").exists())
}

/// The keys of each section, also those that are commented out because they have no default.
fn config_keys() -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in read(&root().join(CONFIG)).lines() {
        let line = line.trim_start_matches('#').trim();
        if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = head.trim_start_matches('[').to_owned();
            let (outer, inner) = section.rsplit_once('.').unwrap_or((&section, ""));
            keys.entry(outer.to_owned()).or_default().insert(inner.to_owned());
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            let inner = section.rsplit('.').next().unwrap_or_default().to_owned();
            keys.entry(inner).or_default().insert(key.to_owned());
        }
    }
    keys
}

/// `section.key` of the configuration, perhaps with a value.
fn unknown_key(code: &str, known: &BTreeMap<String, BTreeSet<String>>) -> bool {
    let name = code.split(' ').next().unwrap_or_default();
    let Some((section, key)) = name.split_once('.') else { return false };
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let is_file = ["md", "rs", "sh", "py", "toml", "json", "yaml", "sql"].contains(&key);
    let Some(keys) = known.get(section).filter(|_| plain(section) && plain(key) && !is_file) else {
        return false;
    };
    !keys.contains(key)
}

/// Names in the source, as Prometheus shows them.
fn metrics() -> BTreeSet<String> {
    let paths = ["src", "crates"].map(|folder| files(&root().join(folder), ".rs")).concat();
    let source: String = paths.iter().map(|path| read(path)).collect();
    let mut found = BTreeSet::new();
    for part in source.split("\"pointsman_").skip(1) {
        let name: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        found.insert(format!("pointsman_{name}"));
    }
    found
}

fn is_metric(word: &str, known: &BTreeSet<String>) -> bool {
    let endings = ["_total", "_info", "_seconds", "_bucket", "_sum", "_count", "_bytes"];
    let mut name = word;
    loop {
        if known.contains(name) {
            return true;
        }
        let Some(shorter) = endings.iter().find_map(|ending| name.strip_suffix(ending)) else { return false };
        name = shorter;
    }
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = read(&page);
        wrong
            .extend(broken_links(&page, &text).into_iter().map(|what| format!("{}: {what}", page.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_keys_and_metrics_exist() {
    let (keys, metrics) = (config_keys(), metrics());
    assert!(keys["failover"].contains("hold") && metrics.contains("pointsman_clients"), "{keys:?}");
    let mut wrong = Vec::new();
    // The values of the chart have names of their own, and one of them is for a metric that an adapter makes.
    for page in pages().into_iter().filter(|page| !page.ends_with("chart-values.md")) {
        let text = read(&page);
        for code in codes(&text) {
            if is_path(&code) && !exists(&code) {
                wrong.push(format!("{}: no file {code}", page.display()));
            }
            // The chart's README speaks of the chart's values.
            if unknown_key(&code, &keys) && !page.starts_with(root().join("deploy")) {
                wrong.push(format!("{}: {CONFIG} has no key {code}", page.display()));
            }
        }
        for word in text.split(|c: char| !(c.is_ascii_lowercase() || c == '_')) {
            if word.starts_with("pointsman_") && !word.ends_with('_') && !is_metric(word, &metrics) {
                wrong.push(format!("{}: no metric {word}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_alert_is_listed() {
    let rules = read(&root().join("deploy/helm/pointsman/files/rules.yaml"));
    let alerts = rules.lines().filter_map(|line| line.strip_prefix("- alert: ")).map(str::to_owned);
    let page = codes(&read(&root().join("docs/operations.md")));
    let listed = page.into_iter().filter(|code| code.starts_with("Pointsman") && !code.contains('-'));
    assert_eq!(listed.collect::<BTreeSet<_>>(), alerts.collect());
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let docs = root().join("docs");
    let summary = docs.join("SUMMARY.md");
    let listed: BTreeSet<_> = links(&read(&summary)).iter().map(|link| docs.join(link)).collect();
    let there: BTreeSet<_> = files(&docs, ".md").into_iter().filter(|page| *page != summary).collect();
    assert_eq!(listed, there);
}

#[test]
fn the_readme_stays_short() {
    let words = read(&root().join("README.md")).split_whitespace().count();
    assert!(words <= 1200, "{words} words");
}

/// Types and paths that a page of the developers names are there: `Type`, `module::function`, `Type::Variant`.
#[test]
fn what_the_internals_name_is_in_the_code() {
    let mut words = BTreeSet::new();
    for folder in ["src", "crates", "tests", "benches", "fuzz", "deploy", "config"] {
        for path in ["rs", "sh", "py", "toml", "yaml", "tpl"]
            .iter()
            .flat_map(|ending| files(&root().join(folder), ending))
        {
            words.extend(words_of(&read(&path)));
        }
    }
    let mut wrong = Vec::new();
    for page in files(&root().join("docs/internals"), ".md") {
        for code in codes(&read(&page)).iter().filter(|code| is_rust_name(code)) {
            if let Some(missing) = code.split("::").find(|part| !words.contains(*part)) {
                wrong.push(format!("{}: `{code}`: nothing is called {missing}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn words_of(text: &str) -> impl Iterator<Item = String> + '_ {
    let parts = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    parts.filter(|part| part.starts_with(|c: char| c.is_alphabetic() || c == '_')).map(str::to_owned)
}

/// A path of Rust, or a name in the style of its types.
fn is_rust_name(code: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_type = |part: &str| {
        part.starts_with(|c: char| c.is_uppercase())
            && part.contains(|c: char| c.is_lowercase())
            && !part.contains('_')
    };
    code.split("::").all(is_word) && (code.contains("::") || is_type(code))
}

mod self_test {
    use super::*;

    #[test]
    fn mistakes_are_found() {
        let page = root().join("docs/kill.md");
        let text = "[a](nowhere.md) [b](kill.md#no-such-heading) [c](kill.md#kill)\n```\n[d](code.md)\n```\n";
        assert_eq!(broken_links(&page, text).len(), 2, "{:?}", broken_links(&page, text));
        assert!(is_path("src/nothing.rs") && !exists("src/nothing.rs") && exists("session/mod.rs"));
        assert!(is_path("tests/it/attacks") && exists("tests/it/attacks") && !is_path("and/or"));
        let keys = config_keys();
        assert!(
            unknown_key("failover.holds = \"1s\"", &keys) && !unknown_key("failover.hold = \"1s\"", &keys)
        );
        assert!(is_rust_name("Server::lag") && is_rust_name("Snapshot") && is_rust_name("policy::loss"));
        assert!(
            !is_rust_name("GTID")
                && !is_rust_name("wait_timeout")
                && !is_rust_name("COM_PING")
                && !is_rust_name("A b")
        );
        assert!(!unknown_key("kill.md", &keys) && !unknown_key("information_schema.tables", &keys));
        let metrics = metrics();
        assert!(
            is_metric("pointsman_config_info", &metrics) && !is_metric("pointsman_nothing_total", &metrics)
        );
    }
}

/// docs/internals/releasing.md lists these places.
#[test]
fn one_version_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    let places = [
        ("deploy/helm/pointsman/Chart.yaml", "version: "),
        ("deploy/helm/pointsman/Chart.yaml", "appVersion: "),
        ("deploy/kustomize/base/kustomization.yaml", "newTag: "),
    ];
    for (path, key) in places {
        let text = read(&root().join(path));
        let found = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
        assert_eq!(found.map(|found| found.trim_matches('"')), Some(version), "{path}: {key}");
    }
}

/// `.dockerignore` leaves everything out but what it lists behind `!`.
#[test]
fn the_image_gets_what_it_copies() {
    let ignored = read(&root().join(".dockerignore"));
    let mut lines = ignored.lines().filter(|line| !line.is_empty());
    assert_eq!(lines.next(), Some("*"));
    let kept: BTreeSet<&str> = lines.map(|line| line.strip_prefix('!').expect("an exception")).collect();
    let dockerfile = read(&root().join("deploy/Dockerfile"));
    let copied: BTreeSet<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ").filter(|rest| !rest.starts_with("--from")))
        .flat_map(|paths| paths.rsplit_once(' ').expect("sources and a destination").0.split(' '))
        .collect();
    assert_eq!(copied, kept, "what the image copies, and what it is given");
    for path in &copied {
        assert!(root().join(path).exists(), "{path}");
    }
    let manifest: toml::Table = read(&root().join("Cargo.toml")).parse().expect("TOML");
    for member in manifest["workspace"]["members"].as_array().expect("a list") {
        let folder = member.as_str().expect("a path").trim_end_matches("/*");
        assert!(copied.contains(folder), "{member}: cargo needs it to build");
    }
}
