//! The crate's layers as a test: a module uses only what stands below it, no file grows
//! over 600 lines, and nothing that handles bytes from outside can panic by design.
//! The table is the one of the design; who needs another edge changes it here, with a reason. The lowest layers are crates:
//! cargo holds those to their manifests, and here they are what the others use.

#[path = "architecture/source.rs"]
mod source;

#[path = "architecture/shape.rs"]
mod shape;

use source::{Source, crates, edges, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Each module and what it may use. What those may use is allowed too.
/// `app` and `main` stand above all and may use everything.
const LAYERS: [(&str, &[&str]); 17] = [
    // Layer 0, beside the crates.
    ("config", &[]),
    // Layer 1
    ("routing", &["sql", "topology", "terms"]),
    // Decisions of sessions, as pure functions.
    ("policy", &["routing", "config", "sql", "terms", "wire"]),
    ("telemetry", &["wire", "terms"]),
    // The settings of TLS say what a connection has to be.
    // io_uring is a way to wait for sockets.
    ("net", &["wire", "telemetry", "config", "uring"]),
    // Layer 2
    ("backend", &["net", "auth", "wire", "topology", "config", "telemetry", "terms"]),
    // What a session's statements left behind. Only `session` writes it.
    ("state", &["backend", "routing", "sql", "telemetry", "topology", "terms", "wire"]),
    // What the sessions of one worker use.
    ("worker", &["backend", "routing", "sql", "net", "config", "telemetry", "topology", "terms"]),
    ("positions", &["worker", "backend", "net", "telemetry", "topology", "terms", "wire"]),
    // The two legs of a session. Neither knows where statements go.
    (
        "client",
        &["worker", "auth", "backend", "net", "policy", "sql", "telemetry", "topology", "terms", "wire"],
    ),
    ("upstream", &["client", "state", "worker"]),
    // Layer 3: `session` and `discovery` never see each other, they meet in the snapshot.
    // Bodies of stored routines are SQL to be judged.
    ("monitor", &["backend", "topology", "config", "telemetry", "sql"]),
    // The owner of the snapshot starts the probes and takes their events.
    ("discovery", &["monitor", "backend", "topology", "config", "telemetry"]),
    ("session", &["upstream", "positions", "client", "state", "policy"]),
    // Layer 4
    ("server", &["session", "client", "worker", "discovery", "config", "topology", "telemetry"]),
    ("admin", &["session", "discovery", "config", "topology", "telemetry"]),
    // The SQL console: shows what the HTTP port shows, and logs clients in as sessions do.
    ("console", &["admin", "worker", "auth", "wire", "config", "telemetry", "terms"]),
    // Doc comments only; their links are no edges.
];
const TOP: [&str; 3] = ["app", "main", "lib"];

/// Modules that read what peers send: there a panic is a way to take the proxy down.
const NO_PANIC: [&str; 11] = [
    "wire",
    "net",
    "auth",
    "state",
    "worker",
    "positions",
    "client",
    "upstream",
    "session",
    "backend",
    "console",
];
const PANICS: [&str; 5] = [".unwrap()", ".expect(", "panic!", "unreachable!", "unwrap_unchecked"];

const MAX_LINES: usize = 600;

const MAX_FUNCTION: usize = 100;

static CRATES: LazyLock<Vec<(String, Vec<String>)>> = LazyLock::new(crates);

/// What a module or a crate may use.
fn below(user: &str) -> Vec<&'static str> {
    let module = LAYERS.iter().find(|(module, _)| *module == user).map(|(_, below)| below.to_vec());
    let of_crate = || {
        CRATES
            .iter()
            .find(|(name, _)| name == user)
            .map(|(_, used)| used.iter().map(String::as_str).collect())
    };
    module.or_else(of_crate).unwrap_or_default()
}

fn is_known(module: &str) -> bool {
    LAYERS.iter().any(|(name, _)| *name == module) || CRATES.iter().any(|(name, _)| name == module)
}

fn may_use(user: &str, used: &str) -> bool {
    user == used || TOP.contains(&user) || below(user).into_iter().any(|module| may_use(module, used))
}

fn forbidden_edges(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    // What a crate names is in that crate, or in its manifest.
    for source in sources.iter().filter(|source| source.path.starts_with("src/")) {
        for used in edges(source) {
            if is_known(&used) && !may_use(source.top(), &used) {
                found.push(format!("{}: {} must not use {used}", source.path, source.top()));
            }
        }
    }
    found
}

fn panics(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| NO_PANIC.contains(&source.top())) {
        for (at, line) in source.code.lines().enumerate() {
            if PANICS.iter().any(|panic| line.contains(panic)) {
                found.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    found
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let long = sources.iter().filter(|source| source.lines > MAX_LINES);
    long.map(|source| format!("{}: {} lines", source.path, source.lines)).collect()
}

#[test]
fn modules_use_only_what_is_below_them() {
    let found = forbidden_edges(&sources());
    assert!(found.is_empty(), "edges that the layers forbid:\n{}", found.join("\n"));
}

#[test]
fn every_module_has_its_layer() {
    for source in sources() {
        let top = source.top();
        assert!(TOP.contains(&top) || is_known(top), "{}: the module {top} stands in no layer", source.path);
    }
}

/// A crate without this line would have no lints at all. `uring` has stricter ones of its own.
#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    assert!(CRATES.iter().any(|(name, _)| name == "wire"), "is the reader blind?");
    for (name, _) in CRATES.iter().filter(|(name, _)| name != "uring") {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates").join(name).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).expect("a manifest");
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{name}");
    }
}

#[test]
fn nothing_that_peers_reach_panics_by_design() {
    let found = panics(&sources());
    assert!(found.is_empty(), "panics outside tests:\n{}", found.join("\n"));
}

#[test]
fn files_stay_readable() {
    let found = too_long(&sources());
    assert!(found.is_empty(), "files over {MAX_LINES} lines:\n{}", found.join("\n"));
}

/// Cargo does not look for tests by itself here: a file that nobody names would never run.
#[test]
fn every_test_file_is_a_part_of_some_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect(path);
    let (programs, topics) = (read("Cargo.toml"), read("tests/it/main.rs"));
    let is_program = |name: &str| programs.contains(&format!("[[test]]\nname = \"{name}\"\n"));
    let is_topic = |name: &str| name == "main" || topics.lines().any(|line| line == format!("mod {name};"));
    let unnamed: Vec<String> = (names_in(&root.join("tests"), Some("rs")).into_iter())
        .filter(|name| !is_program(name))
        .chain(names_in(&root.join("tests/it"), Some("rs")).into_iter().filter(|name| !is_topic(name)))
        .collect();
    assert!(unnamed.is_empty(), "neither Cargo.toml nor tests/it/main.rs names {unnamed:?}");
}

#[test]
fn every_suite_is_in_the_table_of_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("tests/README.md")).expect("tests/README.md");
    let suites = names_in(&root.join("tests/suites"), None);
    assert!(suites.len() > 5, "is the reader blind?");
    let missing: Vec<_> =
        suites.iter().filter(|suite| !table.contains(&format!("`tests/suites/{suite}`"))).collect();
    assert!(missing.is_empty(), "tests/README.md does not say how to run {missing:?}");
}

/// The names in a folder without their endings: those of files with this ending, or those of folders.
fn names_in(folder: &Path, ending: Option<&str>) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let wanted = entries.filter(|path| match ending {
        Some(ending) => path.extension().is_some_and(|is| is == ending),
        None => path.is_dir(),
    });
    wanted.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

#[test]
fn files_do_not_need_each_other_in_a_circle() {
    let sources = sources();
    // At any depth: a folder inside a folder has its own files to look at.
    let folders: BTreeSet<String> = sources.iter().flat_map(Source::folders).collect();
    assert!(folders.contains("sql/classify"), "is the reader blind?");
    let found: Vec<(&str, Vec<String>)> = folders
        .iter()
        .map(|folder| (folder.as_str(), shape::largest_circle(&shape::uses(&sources, folder))))
        .filter(|(_, circle)| circle.len() > 1)
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// A statement's way goes through these folders from top to bottom: no file of them calls one that stands above it.
const STRAIGHT: [&str; 8] =
    ["session", "upstream", "client", "positions", "worker", "state", "policy", "routing"];

#[test]
fn files_of_a_session_do_not_call_each_other_in_a_circle() {
    let sources = sources();
    let folders: BTreeSet<String> = sources.iter().flat_map(Source::folders).collect();
    let straight = |folder: &&String| STRAIGHT.contains(&folder.split('/').next().unwrap_or_default());
    for folder in folders.iter().filter(straight) {
        let circle = shape::largest_circle(&shape::calls(&sources, folder));
        assert!(circle.len() <= 1, "files of {folder} call each other in a circle: {circle:?}");
    }
}

/// The most names of types that may have several definitions. It may only become smaller.
const MOST_SHARED_NAMES: usize = 30;

/// The glossary explains each name of a type that is defined more than once.
#[test]
fn names_with_several_definitions_are_explained() {
    let (sources, mut files): (_, BTreeMap<String, usize>) = (sources(), BTreeMap::new());
    for source in sources.iter().filter(|source| !source.path.ends_with("_tests.rs")) {
        shape::types(source).into_iter().for_each(|name| *files.entry(name).or_default() += 1);
    }
    assert!(files.len() > 900, "is the reader blind?");
    let shared: BTreeSet<&str> =
        files.iter().filter(|(_, definitions)| **definitions > 1).map(|(name, _)| name.as_str()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let glossary = fs::read_to_string(root.join("docs/internals/glossary.md")).expect("the glossary");
    let (_, table) =
        glossary.split_once("## Names of types that have several definitions").expect("the section");
    let explained: BTreeSet<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(shared, explained, "found in the code, and explained in docs/internals/glossary.md");
    assert!(shared.len() <= MOST_SHARED_NAMES, "{} names", shared.len());
}

/// The servers' errors have names. A number that one of them has is found wherever it stands as a number of its own.
#[test]
fn errors_of_the_servers_have_names() {
    let sources = sources();
    let found = bare_error_codes(&sources);
    assert!(found.is_empty(), "write the names of wire/error_code.rs:\n{}", found.join("\n"));
    let table = sources.iter().find(|source| source.path == ERROR_CODES).expect("the table");
    assert!(error_codes(&table.code).len() > 60, "is the reader blind?");
}

const ERROR_CODES: &str = "crates/wire/src/error_code.rs";

fn error_codes(table: &str) -> BTreeSet<String> {
    let rows = table.lines().filter(|line| line.trim_start().contains("ER_") && line.contains(" = "));
    rows.filter_map(|line| line.split(" = ").nth(1)?.split_whitespace().next().map(str::to_owned)).collect()
}

fn bare_error_codes(sources: &[Source]) -> Vec<String> {
    let table = sources.iter().find(|source| source.path == ERROR_CODES).expect("the table");
    let (known, mut found) = (error_codes(&table.code), Vec::new());
    for source in sources.iter().filter(|source| source.path != ERROR_CODES) {
        for (at, line) in source.code.lines().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
            // Behind `code`, any number from 1000 on is one.
            let is_code = line.contains("code: ") || line.contains("code == ");
            let is_bare = |word: &&str| {
                known.contains(*word)
                    || (is_code && word.parse().is_ok_and(|n: u16| (1000..5000).contains(&n)))
            };
            found.extend(words.filter(is_bare).map(|word| format!("{}:{}: {word}", source.path, at + 1)));
        }
    }
    found
}

/// What KILL and `/sessions` see of a session's server connections has one writer: where the connections are.
#[test]
fn what_is_shown_of_connections_is_written_by_their_owner() {
    const OWNER: &str = "src/upstream/links.rs";
    let writes =
        |source: &&Source| [".show_in_use(", ".show_kept("].iter().any(|call| source.code.contains(call));
    let sources = sources();
    let writers: Vec<_> = sources.iter().filter(writes).map(|source| source.path.as_str()).collect();
    assert_eq!(writers, [OWNER]);
}

/// For the eye: what is large. `make lint` shows it.
#[test]
#[allow(clippy::print_stdout)] // That is what it is for.
fn report() {
    let sources = sources();
    let mut functions = Vec::new();
    let mut structs = Vec::new();
    for source in sources.iter().filter(|source| !source.path.contains("tests")) {
        functions
            .extend(shape::functions(source).into_iter().map(|(name, lines)| (lines, name, &source.path)));
        let all = shape::structs(source).into_iter();
        structs.extend(all.map(|(name, fields, bools)| (fields, bools, name, &source.path)));
    }
    functions.sort_by(|a, b| b.cmp(a));
    structs.sort_by(|a, b| b.cmp(a));
    for (lines, name, path) in functions.iter().take(8) {
        println!("{lines:4} lines  fn {name}  {path}");
    }
    for (fields, bools, name, path) in structs.iter().take(8) {
        println!("{fields:4} fields, {bools} bools  struct {name}  {path}");
    }
    assert!(functions.len() > 1000 && structs.len() > 200, "is the reader blind?");
    let long: Vec<_> = functions.iter().filter(|(lines, ..)| *lines > MAX_FUNCTION).collect();
    assert!(long.is_empty(), "functions over {MAX_FUNCTION} lines: {long:?}");
}

/// A request owns its bytes, and what belongs together has a name.
#[test]
fn parameters_that_belong_together_are_one_value() {
    let (mut beside, mut tuples) = (Vec::new(), Vec::new());
    let sources = sources();
    for source in sources.iter().filter(|source| !source.path.contains("tests")) {
        for (name, parameters) in shape::signatures(source) {
            let takes =
                |kind: &str| parameters.split(|c: char| !c.is_alphanumeric()).any(|word| word == kind);
            // A buffer that is called a chunk has a part of the answer.
            let takes_bytes = takes("Buf") && !parameters.contains("chunk: &mut Buf");
            if takes_bytes && (takes("Request") || takes("RequestHead")) {
                beside.push(format!("{}: {name}", source.path));
            }
            if shape::has_long_tuple(&parameters) {
                tuples.push(format!("{}: {name}", source.path));
            }
        }
    }
    assert!(beside.is_empty(), "a buffer beside a request: {beside:#?}");
    assert!(tuples.is_empty(), "tuples of more than two parts: {tuples:#?}");
}

mod self_test {
    use super::*;
    use shape::{calls, functions, has_long_tuple, largest_circle, signatures, structs, uses};

    #[test]
    fn parameters_are_read() {
        let text = "impl A {\n    fn one<F: Fn(u8) -> u8>(&self, (a, b): (u8, Vec<(u8, u8)>), f: F) {}\n}\nfn two() {}\n";
        let read = signatures(&source("src/a.rs", text));
        assert_eq!(read[0], ("one".to_owned(), "&self, (a, b): (u8, Vec<(u8, u8)>), f: F".to_owned()));
        assert_eq!((read.len(), read[1].0.as_str()), (2, "two"));
        assert!(!has_long_tuple(&read[0].1) && !has_long_tuple("f: impl Fn(u8, u8, u8)"));
        assert!(has_long_tuple("(a, b, c): (u8, u8, u8)") && has_long_tuple("a: Vec<(u8, (u8, u8), u8,)>"));
    }

    fn source(path: &str, text: &str) -> Source {
        Source::new(path.to_owned(), text)
    }

    #[test]
    fn the_layers_have_no_circle() {
        for (above, below) in LAYERS {
            for module in below {
                assert!(!may_use(module, above), "{above} and {module} use each other");
            }
        }
        assert!(may_use("session", "wire"), "through net");
        assert!(!may_use("session", "discovery") && !may_use("discovery", "session"));
    }

    #[test]
    fn forbidden_edges_are_found_however_they_are_written() {
        for (path, text) in [
            ("src/routing/mod.rs", "use crate::net::Buffer;"),
            ("src/routing/header.rs", "use crate::{terms::X, net::{self, Y}};"),
            ("src/routing/header.rs", "use\n crate :: {\n    session,\n};"),
            ("src/routing/header.rs", "fn f() -> crate::net::Buffer { todo() }"),
            ("src/routing/header.rs", "use super::super::net::Buffer;"),
            ("src/routing/walker/phase.rs", "use super::super::super::net::Buffer;"),
            ("src/routing/mod.rs", "use super::net;"),
            ("src/routing/mod.rs", "use super::{terms, net};"),
            ("src/session/mod.rs", "use crate::discovery::Watch;"),
            ("src/net/mod.rs", "use pointsman_sql::Lexer;"),
            ("src/routing/mod.rs", "let c = '\"'; let x = crate::config::Config::default(); let d = '\"';"),
            ("src/routing/mod.rs", "fn f<'a>(x: &'a str) -> &'a str { crate::net::f(x) }"),
            ("src/routing/mod.rs", "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::net;"),
        ] {
            assert_eq!(forbidden_edges(&[source(path, text)]).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn allowed_edges_comments_strings_and_tests_are_none() {
        for (path, text) in [
            ("src/net/mod.rs", "use crate::wire::Header; use crate::net::Buffer; use super::wire;"),
            ("src/net/a/b.rs", "use super::super::Buffer; use super::session;"),
            ("src/routing/mod.rs", "// crate::net\n/* crate::net /* crate::net */ */"),
            ("src/routing/mod.rs", "let a = \"crate::net \\\" crate::net\"; let b = r#\"crate::net\"#;"),
            (
                "src/routing/mod.rs",
                "#[cfg(test)]\nmod tests { use crate::net; mod more { use crate::session; } }",
            ),
            ("src/routing/mod.rs", "#[cfg(test)]\nuse crate::net::memory;"),
            ("src/routing/walker/tests.rs", "use crate::net::memory;"),
            ("src/app.rs", "use crate::{admin, server};"),
        ] {
            assert_eq!(forbidden_edges(&[source(path, text)]), Vec::<String>::new(), "{path}: {text}");
        }
    }

    #[test]
    fn panics_and_long_files_are_found() {
        let bad = ["x.unwrap();", "x.expect(\"y\");", "panic!(\"z\");", "\n\nunreachable!()"];
        for text in bad {
            assert_eq!(panics(&[source("crates/auth/src/pem.rs", text)]).len(), 1, "{text}");
        }
        for text in
            ["x.unwrap_or(1)", "// x.unwrap()", "#[cfg(test)]\nmod t { fn f() { x.unwrap() } }", "\"panic!\""]
        {
            assert_eq!(panics(&[source("crates/auth/src/pem.rs", text)]), Vec::<String>::new(), "{text}");
        }
        assert_eq!(panics(&[source("src/config/mod.rs", "x.unwrap()")]), Vec::<String>::new());
        assert_eq!(too_long(&[source("src/routing/mod.rs", &"\n".repeat(601))]).len(), 1);
        assert_eq!(too_long(&[source("src/routing/mod.rs", &"\n".repeat(600))]), Vec::<String>::new());
    }

    #[test]
    fn bare_error_codes_are_found() {
        let table = source(ERROR_CODES, "errors! {\n    ER_CON_COUNT_ERROR = 1040 b\"08004\";\n}");
        let found =
            |text| bare_error_codes(&[source(ERROR_CODES, &table.code), source("src/net/a.rs", text)]);
        for text in ["if code == 4999 {", "matches!(n, 1040 | 7)", "f(1040)", "E { code: 1999, .. }"] {
            assert_eq!(found(text).len(), 1, "{text}");
        }
        for text in ["// 1040", "\"1040\"", "11040", "1040.0", "if code == 7 {", "f(4999)"] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn circles_of_files_are_found() {
        let files = [
            source("src/net/mod.rs", "pub use a::A; use b::B; use c::C;"),
            source("src/net/a.rs", "use super::b::B;\nimpl S {\n    fn one(&self) {\n    }\n}"),
            source(
                "src/net/b/mod.rs",
                "use crate::net::{Buf, c::C};\nimpl S {\n    pub fn two(&self) {\n    }\n}",
            ),
            source("src/net/b/inner.rs", "use super::super::c::C; fn f(s: &S) { self.one() }"),
            source("src/net/c.rs", "use crate::net::a::A; use crate::wire::b; fn f(s: &S) { self.two() }"),
        ];
        assert_eq!(largest_circle(&uses(&files, "net")), ["a", "b", "c"]);
        assert_eq!(largest_circle(&uses(&files[..4], "net")), Vec::<String>::new());
        assert_eq!(calls(&files, "net")["c"], ["b".to_owned()].into());
        assert_eq!(largest_circle(&calls(&files, "net")), Vec::<String>::new());
    }

    #[test]
    fn sizes_are_counted() {
        let text = "impl A {\n    pub async fn f(\n        &self,\n    ) -> u8 {\n        1\n    }\n}\nfn g() {\n}\n";
        let found = functions(&source("src/net/a.rs", text));
        assert_eq!(found, [("f".to_owned(), 5), ("g".to_owned(), 2)]);
        let text =
            "pub struct S<R> {\n    /// x: y\n    a: u8,\n    pub b: bool,\n}\nstruct T(u8);\nstruct U;\n";
        assert_eq!(structs(&source("src/net/a.rs", text)), [("S".to_owned(), 2, 1)]);
    }

    #[test]
    fn the_real_sources_are_read() {
        let sources = sources();
        let edge = |top: &str, used: &str| {
            sources.iter().any(|source| source.top() == top && edges(source).iter().any(|edge| edge == used))
        };
        assert!(sources.len() > 30, "only {} files", sources.len());
        assert!(edge("net", "wire"), "net certainly uses wire; is the reader blind?");
    }
}
