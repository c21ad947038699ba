//! What the silence of a server means for what is under way on its connections. A server that pauses (a fsync, a virtual
//! machine that moves, a limit on its processor) answers later; one that is gone never does.
//!
//! | the silent server | and | what is under way |
//! |---|---|---|
//! | was not the primary, or another server is the primary | | is lost: it runs elsewhere, or gets an error |
//! | was the primary | its address refused or reset a connection | is lost |
//! | was the primary | another server may become the primary: it is writable, or has the label | is lost |
//! | was the primary | has been silent for `failover.silence` | is lost |
//! | was the primary | | waits for its answer |

use std::time::Duration;

use super::candidates::may_be_primary;
use super::identity::ServerId;
use super::types::{Health, Label, Server, Snapshot};

/// What is known of a server that answers no probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// True if it was the primary, and there is no other one.
    pub was_primary: bool,
    /// True if its address refused or reset a connection.
    pub proven_dead: bool,
    /// True if another server may become the primary now.
    pub candidate: bool,
    /// True if it has been silent for `failover.silence`.
    pub too_long: bool,
}

impl Silence {
    /// True if what is under way waits for the server's answer, by the module's table.
    pub fn waits(self) -> bool {
        self.was_primary && !self.proven_dead && !self.candidate && !self.too_long
    }
}

/// Decides whether what is under way on the last primary, which does not answer, waits for its answer.
pub(super) fn decide(next: &mut Snapshot, servers: &[Server], now_ms: u64) {
    let last = servers.iter().find(|s| Some(s.id) == next.last_primary);
    let silent = last.filter(|s| next.primary.is_none() && s.health == Health::Down);
    next.silent_since_ms = silent.map(|_| next.silent_since_ms.unwrap_or(now_ms));
    let awaited = silent.filter(|silent| {
        let others = || servers.iter().filter(|s| s.id != silent.id);
        let since = next.silent_since_ms.unwrap_or(now_ms);
        let facts = Silence {
            was_primary: true,
            proven_dead: !silent.silent,
            candidate: others()
                .any(|s| may_be_primary(servers, s, next.last_primary) || s.label == Some(Label::Primary)),
            too_long: Duration::from_millis(now_ms.saturating_sub(since)) >= next.silence,
        };
        facts.waits()
    });
    next.awaited = awaited.map(|s| s.id);
}

impl Snapshot {
    /// True if nothing more can be expected on a connection to this server that was opened in this
    /// generation: the server does not answer and is not awaited, or it is cut off from its group, which has another
    /// primary.
    pub fn has_lost(&self, server: ServerId, generation: u64, read_only: bool) -> bool {
        let is_awaited = !read_only && generation == self.generation && self.awaited == Some(server);
        self.server(server).is_none_or(|server| {
            let deposed = !read_only && generation != self.generation;
            (server.health == Health::Down && !is_awaited) || (deposed && server.is_cut_off())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_combinations_one_waits() {
        let all = (0..16u32).map(|bits| {
            let is = |at: u32| bits >> at & 1 == 1;
            Silence { was_primary: is(0), proven_dead: is(1), candidate: is(2), too_long: is(3) }
        });
        let waiting: Vec<_> = all.filter(|facts| facts.waits()).collect();
        let alone = Silence { was_primary: true, proven_dead: false, candidate: false, too_long: false };
        assert_eq!(waiting, [alone]);
    }
}
