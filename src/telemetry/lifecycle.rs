//! The phase of the process. Readiness and status read it.

use tokio::sync::watch;

/// A phase of the process; the variants are in chronological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lifecycle {
    /// The ports are not open yet.
    Starting,
    /// Every port accepts.
    Listening,
    /// The process was told to end: it is not ready any more, and sessions are ending.
    Draining,
}

impl Lifecycle {
    /// Enters this phase, unless the process is already in it or in a later one: opening the ports
    /// must not undo a SIGTERM during the start. Returns whether the phase was entered.
    pub fn enter(self, phase: &watch::Sender<Lifecycle>) -> bool {
        phase.send_if_modified(|now| {
            let forward = self > *now;
            if forward {
                *now = self;
            }
            forward
        })
    }

    /// Returns the word in `/topology`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Lifecycle::Starting => "starting",
            Lifecycle::Listening => "listening",
            Lifecycle::Draining => "draining",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_go_forward() {
        let phase = watch::Sender::new(Lifecycle::Starting);
        assert!(Lifecycle::Draining.enter(&phase));
        assert!(!Lifecycle::Listening.enter(&phase));
        assert!(!Lifecycle::Draining.enter(&phase), "told twice");
        assert_eq!(*phase.borrow(), Lifecycle::Draining);
    }
}
