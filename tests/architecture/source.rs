//! Rust files as this test needs them: without comments, strings and tests, and the
//! top-level modules of the crate that they name.

use std::path::{Path, PathBuf};

/// One file of `src`, or of a crate under `crates`. Such a crate counts as a module beside those of `src`: there it has its
/// name by `pub use`.
pub struct Source {
    /// Relative to the repository: `src/net/buffer.rs`, `crates/wire/src/header.rs`.
    pub path: String,
    /// Lines of the file as it is.
    pub lines: usize,
    /// The code outside tests; lines keep their numbers.
    pub code: String,
}

impl Source {
    pub fn new(path: String, text: &str) -> Self {
        let tests = path.ends_with("/tests.rs") || path.contains("/tests/");
        let code = if tests { String::new() } else { without_tests(&without_text(text)) };
        Self { path, lines: text.lines().count(), code }
    }

    /// The module right under the crate root that the file belongs to.
    pub fn top(&self) -> &str {
        self.modules().first().copied().unwrap_or("lib")
    }

    /// The module right under a folder that the file belongs to; None for the folder's own, and for files elsewhere. A
    /// folder is a path of modules: `net`, `sql/classify`.
    pub fn inner(&self, folder: &str) -> Option<&str> {
        let modules = self.modules();
        let depth = folder.split('/').count();
        let is_here = modules.iter().zip(folder.split('/')).filter(|(a, b)| *a == b).count() == depth;
        modules.get(depth).copied().filter(|_| is_here)
    }

    /// The folders that the file is in, from the top.
    pub fn folders(&self) -> Vec<String> {
        let modules = self.modules();
        (1..modules.len()).map(|depth| modules[..depth].join("/")).collect()
    }

    /// `src/net/tls/mod.rs` is `[net, tls]`, `crates/wire/src/walker/phase.rs` is `[wire, walker, phase]`.
    fn modules(&self) -> Vec<&str> {
        let inner = self.path.trim_end_matches(".rs");
        match inner.strip_prefix("crates/") {
            Some(inner) => inner.split('/').filter(|part| !["src", "lib", "mod"].contains(part)).collect(),
            None => inner.trim_start_matches("src/").trim_end_matches("/mod").split('/').collect(),
        }
    }

    /// How many of the modules stand above the root of the file's crate.
    fn above_root(&self) -> usize {
        usize::from(self.path.starts_with("crates/"))
    }
}

/// The crates of the layers, and which of each other they use: their manifests say it, and cargo holds them to it.
pub fn crates() -> Vec<(String, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let manifest = format!("{}/crates/{name}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let used = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("pointsman-")?.strip_suffix(".workspace = true"));
        found.push((name, used.map(str::to_owned).collect()));
    }
    found
}

/// Every file of `src` and of the crates. `uring` is apart: it knows nothing of the proxy.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = crates().into_iter().map(|(name, _)| name).filter(|name| name != "uring");
    let mut folders: Vec<PathBuf> = crates.map(|name| root.join("crates").join(name).join("src")).collect();
    folders.push(root.join("src"));
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source::new(name, &text));
            }
        }
    }
    found
}

/// The names that stand right under the crate root in the file's paths: `crate::NAME`,
/// `crate::{NAME, …}` and as many `super::` as lead to the root; and the crates that it names by their own names.
pub fn edges(source: &Source) -> Vec<String> {
    let mut found = paths(source, source.modules().len() - source.above_root(), &[]);
    let own_names = tokens(&source.code).into_iter();
    found.extend(own_names.filter_map(|token| token.strip_prefix("pointsman_").map(str::to_owned)));
    found
}

/// The same for what stands right under a folder: `crate::FOLDER::NAME`, or behind fewer `super::`.
pub fn names_behind(source: &Source, folder: &str) -> Vec<String> {
    let inside = folder.split('/').skip(source.above_root());
    let behind: Vec<&str> = inside.flat_map(|module| [module, "::"]).collect();
    paths(source, source.modules().len() - folder.split('/').count(), &behind)
}

/// Names behind `crate::` and these tokens, or behind so many `super::`.
fn paths(source: &Source, depth: usize, behind: &[&str]) -> Vec<String> {
    let tokens = tokens(&source.code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let supers = tokens[at..].chunks(2).take_while(|pair| *pair == ["super", "::"]).count();
        if supers > 0 {
            at += 2 * supers;
            if supers == depth {
                names(&tokens[at..], &mut found);
            }
        } else if tokens[at..].starts_with(&["crate".to_owned(), "::".to_owned()]) {
            at += 2;
            if tokens[at..].len() > behind.len() && tokens[at..].iter().zip(behind).all(|(a, b)| a == b) {
                at += behind.len();
                names(&tokens[at..], &mut found);
            }
        } else {
            at += 1;
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The first name, or in `{…}` the first name of each path.
fn names(tokens: &[String], found: &mut Vec<String>) {
    let Some(first) = tokens.first() else { return };
    if first != "{" {
        found.push(first.clone());
        return;
    }
    let mut depth = 0;
    let mut starts = false;
    for token in tokens {
        match token.as_str() {
            "{" => {
                depth += 1;
                starts = depth == 1;
            }
            "}" => depth -= 1,
            "," => starts = depth == 1,
            name => {
                if starts {
                    found.push(name.to_owned());
                }
                starts = false;
            }
        }
        if depth == 0 {
            return;
        }
    }
}

/// Identifiers, `::`, and other characters one by one.
fn tokens(code: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut joined = false;
    let mut chars = code.chars().peekable();
    while let Some(char) = chars.next() {
        let word = char.is_alphanumeric() || char == '_';
        match found.last_mut() {
            Some(last) if word && joined => last.push(char),
            _ if char == ':' && chars.next_if_eq(&':').is_some() => found.push("::".to_owned()),
            _ if char.is_whitespace() => {}
            _ => found.push(char.to_string()),
        }
        joined = word;
    }
    found
}

/// The text with comments and the content of literals taken out, line by line the same.
fn without_text(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(char) = rest.chars().next() {
        let length = literal(rest, code.chars().next_back());
        if length > 0 {
            code.extend(rest[..length].chars().filter(|char| *char == '\n'));
            code.push(' ');
            rest = &rest[length..];
        } else {
            code.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    code
}

/// The length of the comment or literal that begins here; 0 when none does.
fn literal(rest: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|char| char.is_alphanumeric() || char == '_');
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    let raw = rest.trim_start_matches('r').trim_start_matches('#');
    if rest.starts_with('r') && !in_word && raw.starts_with('"') {
        let hashes = rest.len() - raw.len() - 1;
        let end = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 2;
        return rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len());
    }
    // 'x' and '\n' are characters, 'a without a quote behind it is a lifetime.
    let mut chars = rest.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('\''), Some('\\'), _) => quoted(rest, '\''),
        (Some('\''), Some(char), Some('\'')) => 2 + char.len_utf8(),
        _ => 0,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in rest.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let two = rest.get(at..at + 2).unwrap_or_default();
        match two {
            "/*" => depth += 1,
            "*/" => depth -= 1,
            _ => {}
        }
        at += if two == "/*" || two == "*/" { 2 } else { 1 };
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The code without the items behind `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let length = item(&rest[at..]);
        kept.extend(rest[at..at + length].chars().filter(|char| *char == '\n'));
        rest = &rest[at + length..];
    }
    kept + rest
}

/// To the `;` of the item, or to the brace that closes it.
fn item(rest: &str) -> usize {
    let mut depth = 0;
    for (at, char) in rest.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        let ends = char == '}' || char == ';';
        if ends && depth == 0 {
            // `use a::{b, c};` goes on after its brace.
            let more = rest[at + 1..].trim_start();
            return if char == '}' && more.starts_with(';') { rest.len() - more.len() + 1 } else { at + 1 };
        }
    }
    rest.len()
}
