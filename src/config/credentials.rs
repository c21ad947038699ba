//! `[credentials]`: where the proxy gets the passwords of the accounts that log in.

use std::fmt::{self, Formatter};

use super::choice::Choice;
use super::reader::Section;
use super::written::quoted;

/// `[credentials]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSettings {
    /// `sources`, in the order in which they are asked. Default: all of them.
    pub sources: Vec<CredentialSource>,
    /// `check_client_host`: a client must be permitted to log in from its own address, too. Default true.
    pub check_client_host: bool,
}

/// A word of `credentials.sources`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialSource {
    /// The passwords of `[[users]]`, which may be in Kubernetes Secrets.
    Configuration,
    /// The account tables of the primary.
    Accounts,
    /// Passwords that clients sent to the proxy and a server accepted.
    Learned,
}

impl Choice for CredentialSource {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("configuration", CredentialSource::Configuration),
        ("accounts", CredentialSource::Accounts),
        ("learned", CredentialSource::Learned),
    ];
}

impl Default for CredentialSettings {
    fn default() -> Self {
        let sources = CredentialSource::WORDS.iter().map(|(_, source)| *source).collect();
        CredentialSettings { sources, check_client_host: true }
    }
}

impl CredentialSettings {
    /// True if the file names this source.
    pub fn has(&self, source: CredentialSource) -> bool {
        self.sources.contains(&source)
    }

    /// True if an account needs no `[[users]]` with a password.
    pub fn ask_servers(&self) -> bool {
        self.has(CredentialSource::Accounts) || self.has(CredentialSource::Learned)
    }

    pub(super) fn read(s: &Section<'_>) -> Self {
        let default = CredentialSettings::default();
        let check_client_host = s.flag("check_client_host").unwrap_or(default.check_client_host);
        CredentialSettings { sources: sources(s).unwrap_or(default.sources), check_client_host }
    }

    pub(super) fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.sources.iter().map(|source| quoted(source.word())).collect();
        writeln!(f, "\n[credentials]\nsources = [{}]", words.join(", "))?;
        writeln!(f, "check_client_host = {}", self.check_client_host)
    }
}

fn sources(s: &Section<'_>) -> Option<Vec<CredentialSource>> {
    let line = s.get("sources")?.line;
    let words = s.texts("sources", "configuration")?;
    let mut sources = Vec::new();
    for word in &words {
        match CredentialSource::from_word(word) {
            Some(source) if sources.contains(&source) => {
                s.problem(Some(line), "sources", format!("names {word:?} twice"));
            }
            Some(source) => sources.push(source),
            None => {
                let known: Vec<_> =
                    CredentialSource::WORDS.iter().map(|(word, _)| format!("{word:?}")).collect();
                s.problem(
                    Some(line),
                    "sources",
                    format!("{word:?} is unknown; write {}", known.join(" or ")),
                );
            }
        }
    }
    if words.is_empty() {
        s.problem(
            Some(line),
            "sources",
            "names no source, so nobody could log in; write sources = [\"accounts\"]",
        );
    }
    Some(sources)
}
