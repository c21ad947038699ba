//! Why a text is refused, and at which token.

use std::fmt;

use crate::Token;
use crate::grammar::{Stop, Why};

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The first keyword is not one of a statement that only reads.
    Writes,
    /// `CALL`: a procedure may write.
    Procedure,
    /// The statement could make the session or a transaction writable.
    ReadWriteTransaction,
    /// The statement sets something for the whole server (GLOBAL, PERSIST) or for accounts.
    ServerWide,
    /// The statement sets a variable that sessions must not set on this port.
    Variable,
    /// The statement sets a character set in which the proxy cannot read texts.
    Charset,
    /// `XA`: a transaction that outlives the connection.
    Xa,
    /// The statement runs text that is not in it (`PREPARE … FROM @variable`).
    HiddenText,
    /// `INTO OUTFILE`, `INTO DUMPFILE`: writes a file on the server.
    WritesFile,
    /// A function or expression that writes: sequences, group replication's management.
    WritingFunction,
    /// A function that is neither built in nor known to only read.
    UnknownFunction,
    /// A view or a table that does more than read when it is read.
    ActingRelation,
    /// A table of `information_schema` for which servers open all views, and one of these calls a function that does more
    /// than read.
    OpensActingView,
    /// The catalogue cannot see into a name, and the account may write in spite of `read_only`.
    OpaqueName,
    /// A quote or comment does not end, or servers disagree about where it ends.
    Unreadable,
    /// A token does not fit the grammar.
    NotUnderstood,
    /// The nesting is too deep.
    TooDeep,
    /// Checking the text in all the ways in which servers may read it would be too much work.
    TooMuchWork,
    /// The text is too long to be checked, and has several statements.
    LongAndSeveral,
}

impl Reason {
    /// Returns words for messages that complete the sentence "the statement …".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Writes => "writes or may write",
            Self::Procedure => "calls a procedure, which may write",
            Self::ReadWriteTransaction => "would allow writes in this session",
            Self::ServerWide => "changes a setting of the server or of an account",
            Self::Variable => "sets a variable that cannot be set here",
            Self::Charset => "sets a character set in which statements cannot be read with certainty",
            Self::Xa => "belongs to an XA transaction",
            Self::HiddenText => "runs text that it does not contain",
            Self::WritesFile => "writes a file on the server",
            Self::WritingFunction => "uses a function that writes",
            Self::UnknownFunction => "calls a function that is not known to only read",
            Self::ActingRelation => "reads a view or a table that does more than read",
            Self::OpensActingView => {
                "makes the server open all views, and one of them calls a function that does more than read"
            }
            Self::OpaqueName => {
                "reads a view or calls a function that the proxy cannot see into, with an account that may write \
                 in spite of read_only"
            }
            Self::Unreadable => "cannot be read with certainty",
            Self::NotUnderstood => "is not understood",
            Self::TooDeep => "is nested too deeply",
            Self::TooMuchWork => "has too many versioned comments to be checked",
            Self::LongAndSeveral => "stands among others in a text of more than 128 KiB",
        }
    }
}

/// The beginning of the token at which a check stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Near {
    bytes: [u8; Near::MAX],
    length: u8,
}

impl Near {
    /// The most bytes that are shown.
    const MAX: usize = 24;

    fn of(text: &[u8]) -> Self {
        let shown = text.get(..Self::MAX).unwrap_or(text);
        let mut bytes = [0; Self::MAX];
        if let Some(place) = bytes.get_mut(..shown.len()) {
            place.copy_from_slice(shown);
        }
        Self { bytes, length: u8::try_from(shown.len()).unwrap_or(0) }
    }

    fn shown(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shown().escape_ascii())
    }
}

/// Why a text is refused, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The token at which the check stopped; empty if the reason is about the whole text.
    pub near: Near,
}

impl Refusal {
    /// Returns a refusal at the beginning of this text.
    pub(super) fn new(reason: Reason, text: &[u8]) -> Self {
        Self { reason, near: Near::of(text) }
    }

    /// Returns a refusal at this token.
    pub(super) fn near(reason: Reason, token: Option<&Token<'_>>) -> Self {
        Self::new(reason, token.map(|token| token.text).unwrap_or_default())
    }

    /// Returns the refusal of a statement whose derivation stopped.
    pub(super) fn stopped(stop: Stop, tokens: &[Token<'_>]) -> Self {
        let reason = match stop.why {
            Why::NotUnderstood => Reason::NotUnderstood,
            Why::TooDeep => Reason::TooDeep,
            Why::WritesFile => Reason::WritesFile,
            Why::AdvancesSequence => Reason::WritingFunction,
            Why::Verb => Reason::Writes,
            Why::Calls => Reason::Procedure,
            Why::Xa => Reason::Xa,
            Why::ReadWrite => Reason::ReadWriteTransaction,
            Why::BeyondSession => Reason::ServerWide,
            Why::Variable => Reason::Variable,
            Why::Charset => Reason::Charset,
            Why::HiddenText => Reason::HiddenText,
        };
        Self::near(reason, tokens.get(stop.at))
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::new(reason, b"")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())?;
        match self.near.shown() {
            b"" if self.reason == Reason::NotUnderstood => f.write_str(" at its end"),
            b"" => Ok(()),
            shown => write!(f, " (at \"{}\")", String::from_utf8_lossy(shown).escape_debug()),
        }
    }
}
