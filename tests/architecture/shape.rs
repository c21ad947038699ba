//! How large functions and structs are, and which files of a folder need each other in a circle: for the eye
//! (`make lint` prints it), and for what must not grow.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, names_behind};

/// Which file of a folder names which others of it.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// The name of a function, and its lines from `fn` to the brace that closes it.
pub fn functions(source: &Source) -> Vec<(String, usize)> {
    let lines: Vec<&str> = source.code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let Some((before, behind)) = line.split_once("fn ") else { continue };
        let head = before.split_whitespace().all(|word| {
            word.starts_with("pub") || word.starts_with("in") || ["const", "async", "unsafe"].contains(&word)
        });
        let name: String = behind.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let end = format!("{indent}}}");
        let Some(length) = lines[at..].iter().position(|line| *line == end) else { continue };
        // A function without a body ends before the next brace.
        let body = lines[at..=at + length].iter().any(|line| line.contains('{'));
        if head && body && !name.is_empty() {
            found.push((name, length + 1));
        }
    }
    found
}

/// The name of a function, and its parameters as they are written.
pub fn signatures(source: &Source) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = source.code.as_str();
    while let Some(at) = rest.find("fn ") {
        let is_word = rest[..at].ends_with(|c: char| c.is_whitespace() || c == '(');
        rest = &rest[at + "fn ".len()..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // Bounds of generics may have parentheses of their own: `F: Fn(u8)`.
        let generics =
            if rest[name.len()..].starts_with('<') { closed(&rest[name.len()..], '<', '>') } else { 0 };
        let begin = name.len() + generics;
        if is_word && !name.is_empty() && rest[begin..].starts_with('(') {
            let end = begin + closed(&rest[begin..], '(', ')');
            found.push((name, rest[begin + 1..end - 1].to_owned()));
        }
    }
    found
}

/// The length of a text up to what closes its first character. An arrow closes nothing.
fn closed(text: &str, open: char, close: char) -> usize {
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        depth += usize::from(c == open);
        depth -= usize::from(c == close && before != '-');
        if depth == 0 {
            return at + c.len_utf8();
        }
        before = c;
    }
    text.len()
}

/// True if a parameter is a tuple of more than two parts.
pub fn has_long_tuple(parameters: &str) -> bool {
    parameters.match_indices('(').any(|(at, _)| {
        let is_tuple = !parameters[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let inner = &parameters[at + 1..at + closed(&parameters[at..], '(', ')') - 1];
        let mut depth = 0usize;
        let commas = inner.trim_end().trim_end_matches(',').chars().filter(|c| {
            depth += usize::from("(<[".contains(*c));
            depth = depth.saturating_sub(usize::from(")>]".contains(*c)));
            *c == ',' && depth == 0
        });
        is_tuple && commas.count() > 1
    })
}

/// The name of a struct, its fields, and how many of them are bools.
pub fn structs(source: &Source) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    let mut rest = source.code.as_str();
    while let Some(at) = rest.find("struct ") {
        rest = &rest[at + "struct ".len()..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let end = rest.find([';', '(', '{']).unwrap_or(rest.len());
        if !rest[end..].starts_with('{') {
            continue;
        }
        let body = rest[end + 1..].split("\n}").next().unwrap_or_default();
        let is_field =
            |line: &&str| line.starts_with("    ") && !line.starts_with("     ") && line.contains(": ");
        let fields: Vec<&str> = body.lines().filter(is_field).collect();
        let bools = fields.iter().filter(|line| line.trim_end().ends_with(": bool,")).count();
        found.push((name, fields.len(), bools));
    }
    found
}

/// The names of the types and traits that a file defines; associated types are none.
pub fn types(source: &Source) -> Vec<String> {
    let definition = |line: &str| {
        let (indented, line) = (line.starts_with(' '), line.trim_start());
        let line = match line.strip_prefix("pub") {
            Some(rest) => rest
                .split_once(") ")
                .filter(|_| rest.starts_with('('))
                .map_or(rest.trim_start(), |(_, rest)| rest),
            None => line,
        };
        let (kind, rest) = line.split_once(' ')?;
        let kinds = ["struct", "enum", "union", "trait", "type"];
        let is_type = kinds.contains(&kind) && !(indented && kind == "type");
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        (is_type && !name.is_empty()).then_some(name)
    };
    source.code.lines().filter_map(definition).collect()
}

/// The files of a folder and what they name of each other; `mod.rs`, which names them all, is left out, and the files of a
/// folder in it count as one.
pub fn uses(sources: &[Source], folder: &str) -> Graph {
    let mut graph = Graph::new();
    for source in sources.iter().filter(|source| !source.code.is_empty()) {
        if let Some(node) = source.inner(folder) {
            graph.entry(node.to_owned()).or_default().extend(names_behind(source, folder));
        }
    }
    prune(graph)
}

/// The same by calls: a file that calls a function or method that only one file of the folder has needs that file,
/// whatever stands in front of the dot. `elsewhere` has the names that other folders define, too: they prove nothing.
pub fn calls(sources: &[Source], folder: &str) -> Graph {
    let is_here = |source: &&Source| source.inner(folder).is_some();
    let files: Vec<&Source> = sources.iter().filter(is_here).filter(|s| !s.code.is_empty()).collect();
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (source, node) in files.iter().filter_map(|source| Some((source, source.inner(folder)?))) {
        for (name, _) in functions(source) {
            owners.entry(name).or_default().insert(node.to_owned());
        }
    }
    let outside = sources.iter().filter(|source| !is_here(source));
    let elsewhere: BTreeSet<String> = outside.flat_map(functions).map(|(name, _)| name).collect();
    let mut graph = Graph::new();
    for (source, node) in files.iter().filter_map(|source| Some((source, source.inner(folder)?))) {
        let used = graph.entry(node.to_owned()).or_default();
        for (name, owner) in owners.iter().filter(|(_, owner)| owner.len() == 1) {
            let own = source.code.contains(&format!("self.{name}("));
            let any = has_call(&source.code, name);
            if own || (any && !elsewhere.contains(name) && !OF_STD.contains(&name.as_str())) {
                used.extend(owner.iter().cloned());
            }
        }
    }
    prune(graph)
}

/// True if the code has a call of a function or method of this name.
fn has_call(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}(")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && !code[..at].ends_with("fn ")
    })
}

/// Names of methods of the standard library that files of a folder may define, too.
const OF_STD: [&str; 8] = ["take", "get", "set", "replace", "insert", "remove", "clear", "next"];

fn prune(mut graph: Graph) -> Graph {
    let nodes: BTreeSet<String> = graph.keys().cloned().collect();
    for (node, used) in &mut graph {
        used.retain(|other| other != node && nodes.contains(other));
    }
    graph
}

/// The largest set of files of which each needs all others, directly or through others.
pub fn largest_circle(graph: &Graph) -> Vec<String> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|node| (node, reachable(graph, node))).collect();
    let circle = |node: &String| -> Vec<String> {
        let both = reach[node].iter().filter(|other| reach[**other].contains(node));
        both.map(|other| (*other).clone()).collect()
    };
    graph.keys().map(circle).max_by_key(Vec::len).unwrap_or_default()
}

fn reachable<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut left = vec![from];
    while let Some(node) = left.pop() {
        for other in &graph[node] {
            if found.insert(other) {
                left.push(other);
            }
        }
    }
    found
}
