//! What can be wrong with a configuration file, in words for the person who wrote it.

use std::fmt;
use std::path::PathBuf;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file itself cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// As given.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("line {line}: not valid TOML: {message}")]
    Syntax {
        /// 1-based.
        line: usize,
        /// The TOML parser's words.
        message: String,
    },
    /// TOML, but not a configuration: every problem, one a line, in the file's order.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
}

/// One thing that is wrong: where, which key, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// 1-based; None if the key is missing altogether.
    pub line: Option<usize>,
    /// The key's full path, `monitor.interval`.
    pub key: String,
    /// What is wrong, and what to write.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}: {}", self.key, self.text)
    }
}
