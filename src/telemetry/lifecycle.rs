//! What phase the process is in; one owner sets it, readiness and status read it.

/// Phases, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lifecycle {
    /// The ports are not open yet.
    Starting,
    /// Every port accepts.
    Listening,
    /// Told to end: not ready any more, sessions are ending.
    Draining,
}

impl Lifecycle {
    /// The word in `/topology`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Lifecycle::Starting => "starting",
            Lifecycle::Listening => "listening",
            Lifecycle::Draining => "draining",
        }
    }
}
