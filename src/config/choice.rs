//! Settings with a closed set of words, the same table for reading and writing.

use super::types::{DiscoveryKind, Fallback, Level, LogFormat, LostCommit, Mode, Replay};

/// An enum that a word in the file names.
pub trait Choice: Copy + PartialEq + 'static {
    /// Every word and what it means.
    const WORDS: &'static [(&'static str, Self)];

    /// The word in the file.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("?", |(word, _)| word)
    }

    /// What a word means, if it is one of them.
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
