//! Settings with a closed set of words. One table is used for both reading and writing.

use super::types::{DiscoveryKind, Fallback, Level, LogFormat, LostCommit, Mode, Replay};

/// An enum whose values are words in the file.
pub trait Choice: Copy + PartialEq + 'static {
    /// Every word and its value.
    const WORDS: &'static [(&'static str, Self)];

    /// Returns the word in the file.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("?", |(word, _)| word)
    }

    /// Returns the value of a word, if it is one of `WORDS`.
    fn from_word(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
    }
}

impl Choice for Mode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("split", Mode::Split), ("primary", Mode::Primary), ("replica", Mode::Replica)];
}

impl Choice for DiscoveryKind {
    const WORDS: &'static [(&'static str, Self)] =
        &[("static", DiscoveryKind::Static), ("kubernetes", DiscoveryKind::Kubernetes)];
}

impl Choice for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

impl Choice for Level {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("strong", Level::Strong),
        ("session", Level::Session),
        ("bounded", Level::Bounded),
        ("eventual", Level::Eventual),
    ];
}

impl Choice for Fallback {
    const WORDS: &'static [(&'static str, Self)] =
        &[("primary", Fallback::Primary), ("none", Fallback::None)];
}

impl Choice for Replay {
    const WORDS: &'static [(&'static str, Self)] = &[("off", Replay::Off), ("safe", Replay::Safe)];
}

impl Choice for LostCommit {
    const WORDS: &'static [(&'static str, Self)] =
        &[("unknown", LostCommit::Unknown), ("looked_up", LostCommit::LookedUp)];
}
