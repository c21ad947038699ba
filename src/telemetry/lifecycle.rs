//! What phase the process is in; one owner sets it, readiness and status read it.

use tokio::sync::watch;

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
    /// Enters this phase unless it is over already: a SIGTERM during the start is not
    /// undone by the ports opening. Whether it was entered.
    pub fn enter(self, phase: &watch::Sender<Lifecycle>) -> bool {
        phase.send_if_modified(|now| {
            let forward = self > *now;
            if forward {
                *now = self;
            }
            forward
        })
    }

    /// The word in `/topology`.
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
