//! What a server has, beyond what its last answer shows.
//!
//! Before an operator makes a replica the primary, some operators (mariadb-operator) empty its `gtid_slave_pos`. From then on
//! its answers show its own writes alone, until the former primary follows it. What it had applied as a replica it still has,
//! as long as the same process runs on the same data. What it applied between its last answer as a replica and its promotion
//! shows in the number of its first own write.

use std::sync::Arc;

use super::gtid::GtidSet;
use super::types::{Facts, Health, Life, Server, Snapshot};

/// Two reports of when a server was started differ by up to a second each if they are about the same start.
const SAME_START_S: u64 = 2;

impl Life {
    /// True if another server reports this. Unknown instances prove nothing.
    pub fn is_of_another(&self, other: &Life) -> bool {
        !self.instance.is_empty() && !other.instance.is_empty() && self.instance != other.instance
    }

    /// True if the server was started again between the two reports.
    pub(super) fn began_again(&self, before: &Life) -> bool {
        self.started.zip(before.started).is_some_and(|(now, before)| now.abs_diff(before) > SAME_START_S)
    }
}

/// Records that a former replica has everything that the last primary had, if the last primary is read-only, so that its position is
/// its last one, and if the replica gave the next number to its first own write.
pub(super) fn learn_from_numbers(before: &Snapshot, servers: &mut [Server]) {
    let last = servers.iter().find(|s| Some(s.id) == before.last_primary && s.is_up_read_only());
    let last = last.and_then(|last| last.facts.as_ref()).filter(|facts| facts.gtid_on);
    let Some(last) = last.map(|facts| facts.gtid.clone()) else { return };
    for server in servers.iter_mut().filter(|s| s.replicated == Some(before.generation)) {
        let Some(facts) = server.facts.as_ref().filter(|facts| facts.gtid_on && !facts.first_own.is_empty())
        else {
            continue;
        };
        let mut all = server.all_held(facts);
        if !all.contains(&last) && last.subtract(&all).is_followed_by(&facts.first_own, &facts.identity) {
            // By its text: as writes that were replicated, not as own writes of the last primary.
            if all.insert(last.to_string()).is_ok() {
                server.held = Some(Arc::new(all));
            }
        }
    }
}

impl Server {
    /// Returns its answer, if it applies what it replicates and its position says what it has.
    pub(super) fn applies_to(&self) -> Option<&Facts> {
        let applies =
            |facts: &&Facts| facts.gtid_on && facts.replication.as_ref().is_some_and(|r| r.applying);
        self.facts.as_ref().filter(|_| self.health == Health::Up).filter(applies)
    }

    /// True if it has these writes: by its position, by what it had applied as a replica, or because its
    /// binary log has the rest.
    pub(super) fn has(&self, writes: &GtidSet) -> bool {
        let Some(facts) = self.facts.as_ref().filter(|facts| facts.gtid_on) else { return false };
        if facts.gtid.contains(writes) {
            return true;
        }
        let all = self.all_held(facts);
        all.contains(writes) || writes.subtract(&all).is_in_binlog_state(facts.binlog_state.as_bytes())
    }

    /// Returns its position, with what it had applied as a replica.
    pub(super) fn all_held(&self, facts: &Facts) -> GtidSet {
        let mut all = GtidSet::clone(&facts.gtid);
        if let Some(held) = &self.held {
            all.union(held);
        }
        all
    }
}
