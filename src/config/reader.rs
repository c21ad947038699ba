//! Reads a parsed TOML document key by key. Reading a key makes it known; keys of the file that
//! were never read are unknown keys. All problems are collected, not only the first.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Problem};
use super::secret::SecretUse;

/// Looks up an environment variable. A parameter, so that tests need not change the environment of the process.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One document being read.
pub(super) struct FileReader<'a> {
    /// The whole file.
    pub text: &'a str,
    /// The folder to which `password_file` is relative.
    pub base_dir: &'a Path,
    pub env: Environment<'a>,
    problems: RefCell<Vec<Problem>>,
    unknown: RefCell<Vec<Unknown>>,
    known: RefCell<BTreeSet<String>>,
    sources: RefCell<Vec<PathBuf>>,
    secrets: RefCell<Vec<SecretAt>>,
}

/// A Kubernetes Secret that the file names: its use, the line, and the full path of the key.
type SecretAt = (SecretUse, usize, String);

/// A value and its line.
pub(super) struct FoundValue<'a> {
    pub value: &'a DeValue<'a>,
    pub line: usize,
}

impl<'a> FileReader<'a> {
    pub fn new(text: &'a str, base_dir: &'a Path, env: Environment<'a>) -> Self {
        FileReader {
            text,
            base_dir,
            env,
            problems: RefCell::default(),
            unknown: RefCell::default(),
            known: RefCell::default(),
            sources: RefCell::default(),
            secrets: RefCell::default(),
        }
    }

    /// Parses the text, and calls `read` with the root table.
    pub fn document<T>(&self, read: impl FnOnce(&Section<'_>) -> T) -> Result<T, ConfigError> {
        let root = DeTable::parse(self.text).map_err(|e| ConfigError::Syntax {
            line: e.span().map_or(1, |span| self.line(&span)),
            message: e.message().trim_end().to_owned(),
        })?;
        let section = Section::new(self, String::new(), None, Some(root.get_ref()));
        let value = read(&section);
        section.refuse_unknown();
        let mut problems = self.problems.take();
        let known = self.known.borrow();
        problems.extend(self.unknown.take().into_iter().map(|key| key.into_problem(&known)));
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort();
        Err(ConfigError::Invalid(problems))
    }

    pub fn problem(&self, line: Option<usize>, key: impl Into<String>, text: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { line, key: key.into(), text: text.into() });
    }

    /// Notes another file that belongs to the configuration, such as a `password_file`.
    pub fn source(&self, path: PathBuf) {
        self.sources.borrow_mut().push(path);
    }

    /// Returns the noted files.
    pub fn take_sources(&self) -> Vec<PathBuf> {
        self.sources.take()
    }

    /// Notes a Kubernetes Secret that has a password or a CA.
    pub fn secret(&self, used: SecretUse, line: usize, key: String) {
        self.secrets.borrow_mut().push((used, line, key));
    }

    /// Returns the noted Secrets.
    pub fn take_secrets(&self) -> Vec<SecretUse> {
        self.secrets.take().into_iter().map(|(used, ..)| used).collect()
    }

    /// Notes a problem for each Secret, which cannot be used for the reason `why`.
    pub fn refuse_secrets(&self, why: &str) {
        let secrets = self.secrets.borrow();
        // One key may name two values of a Secret: a certificate and its key.
        let keys: BTreeSet<_> = secrets.iter().map(|(_, line, key)| (line, key)).collect();
        for (line, key) in keys {
            let instead = match key {
                key if key.ends_with("client_ca_secret") => "client_ca_file",
                key if key.ends_with("ca_secret") => "ca_file",
                key if key.ends_with("tls.secret") => "cert_file and key_file",
                _ => "password_file",
            };
            self.problem(Some(*line), key.clone(), format!("{why}; write {instead}"));
        }
    }

    /// Returns the full path of every key that was asked for, whether the file has it or not.
    #[cfg(test)]
    pub fn known(&self) -> BTreeSet<String> {
        self.known.borrow().clone()
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        1 + before.iter().filter(|&&b| b == b'\n').count()
    }
}

/// One table of the document; a missing table reads as an empty one.
pub(super) struct Section<'a> {
    pub reader: &'a FileReader<'a>,
    /// The full path of the table; empty for the root.
    path: String,
    /// The line of the table's header.
    pub line: Option<usize>,
    table: Option<&'a DeTable<'a>>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    fn new(
        reader: &'a FileReader<'a>,
        path: String,
        line: Option<usize>,
        table: Option<&'a DeTable<'a>>,
    ) -> Self {
        Section { reader, path, line, table, asked: RefCell::default() }
    }

    /// Returns the full path of a key.
    pub fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Returns the value of a key, and makes the key known.
    pub fn get(&self, key: &'static str) -> Option<FoundValue<'a>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.reader.known.borrow_mut().insert(self.path_of(key));
        let (at, value) = self.table?.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(FoundValue { value: value.get_ref(), line: self.reader.line(&at.span()) })
    }

    /// Notes that a key is wrong.
    pub fn problem(&self, line: Option<usize>, key: &str, text: impl Into<String>) {
        self.reader.problem(line, self.path_of(key), text);
    }

    /// Reads the table `key`, or an empty table if the file has none. Refuses keys that `read` did not ask for.
    pub fn table<T>(&self, key: &'static str, read: impl FnOnce(&Section<'_>) -> T) -> T {
        let path = self.path_of(key);
        let (line, table) = match self.get(key) {
            None => (None, None),
            Some(FoundValue { value: DeValue::Table(table), line }) => (Some(line), Some(table)),
            Some(found) => {
                let text = format!("must be a table; write [{path}] and its keys below");
                self.problem(Some(found.line), key, text);
                (Some(found.line), None)
            }
        };
        let section = Section::new(self.reader, path, line, table);
        let value = read(&section);
        section.refuse_unknown();
        value
    }

    /// Reads each table of the array `key`; None if the file does not have it.
    pub fn tables<T>(&self, key: &'static str, read: impl Fn(&Section<'_>) -> T) -> Option<Vec<T>> {
        let path = self.path_of(key);
        let found = self.get(key)?;
        let wrong = || format!("must be an array of tables; write [[{path}]] before each one");
        let DeValue::Array(items) = found.value else {
            self.problem(Some(found.line), key, wrong());
            return None;
        };
        let mut values = Vec::new();
        for item in items.iter() {
            let line = Some(self.reader.line(&item.span()));
            let DeValue::Table(table) = item.get_ref() else {
                self.problem(line, key, wrong());
                return None;
            };
            let section = Section::new(self.reader, path.clone(), line, Some(table));
            values.push(read(&section));
            section.refuse_unknown();
        }
        Some(values)
    }

    /// Notes the keys that were never asked for. Their messages are made at the end, when all known keys are known.
    fn refuse_unknown(&self) {
        let asked = self.asked.take();
        for name in self.table.into_iter().flat_map(|table| table.keys()) {
            let text: &str = name.get_ref();
            if !asked.contains(&text) {
                self.reader.unknown.borrow_mut().push(Unknown {
                    line: self.reader.line(&name.span()),
                    section: self.path.clone(),
                    name: text.to_owned(),
                    asked: asked.clone(),
                });
            }
        }
    }
}

/// A key of the file that was never asked for.
struct Unknown {
    line: usize,
    section: String,
    name: String,
    /// The known keys of its section.
    asked: Vec<&'static str>,
}

impl Unknown {
    /// Makes the message: the key is a misspelt key of this section, or else a key in the wrong section.
    fn into_problem(self, known: &BTreeSet<String>) -> Problem {
        let distance = |key: &&str| strsim::damerau_levenshtein(&self.name, key);
        let near = self.asked.iter().copied().min_by_key(distance);
        let near = near.filter(|key| distance(key) <= 1 + key.len() / 3);
        let elsewhere = known.iter().find(|path| path.rsplit('.').next() == Some(&*self.name));
        let text = match (near, elsewhere) {
            (Some(near), _) => format!("not a known key; did you mean {}?", join(&self.section, near)),
            (None, Some(path)) if path.contains('.') => {
                format!("not a known key here; did you mean {path}?")
            }
            (None, Some(path)) => {
                format!("not a known key here; {path} stands at the top of the file, above the first table")
            }
            (None, None) => format!("not a known key; known here: {}", self.asked.join(", ")),
        };
        Problem { line: Some(self.line), key: join(&self.section, &self.name), text }
    }
}

/// Returns the full path of a key; `section` is empty for the root.
fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}
