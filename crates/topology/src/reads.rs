//! Which servers may serve reads.

use super::GtidSet;
use super::sources::replicates_from;
use super::types::*;

/// True if a server may serve reads: it is up, read-only, a running replica or a fit member of a group,
/// within `max_lag`, has a weight, is not drained, and is not the primary.
///
/// A replica whose source died still serves reads although it receives nothing. Otherwise the loss of the
/// primary would take all replicas with it; and without a primary there are no new writes to miss. Under a new
/// primary its position decides. Where positions cannot be compared, its lag is the time during which there
/// was a primary that it did not receive from.
///
/// `primary`: the primary's position, if its writes have GTIDs.
pub(super) fn serves(server: &Server, snapshot: &Snapshot, primary: Option<&GtidSet>) -> bool {
    let Some(facts) = &server.facts else { return false };
    if server.health != Health::Up
        || server.deleting
        || snapshot.drain_of(server).is_some()
        || server.weight == 0
        || snapshot.primary == Some(server.id)
        || server.member.is_some_and(|member| !member.fit)
    {
        return false;
    }
    if server.member.is_some_and(|member| member.group == Group::Galera) {
        // Writable, and still consistent: it certifies every write before the write is acknowledged.
        return true;
    }
    let in_order = match &facts.replication {
        // No replica, or replication is not visible: a read-only server is not diverging, but may have
        // diverged.
        // A group certifies what each of its primaries takes.
        None => facts.is_read_only() || server.member.is_some_and(|member| member.several_write),
        Some(replication) => replication.applying,
    };
    in_order && !went_its_own_way(server, facts, primary) && server.freshness != Freshness::Late
}

/// True if a server has no source and has writes that the primary lacks, such as a former primary that came
/// back with writes that no replica received. The server's position stands still and the primary's grows, so
/// the result is right from the primary's next probe on. Without a primary nobody can tell: its last probe
/// may be older than what replicas have.
fn went_its_own_way(server: &Server, facts: &Facts, primary: Option<&GtidSet>) -> bool {
    facts.replication.is_none()
        && facts.tells_replication
        && server.member.is_none()
        && facts.gtid_on
        && primary.is_some_and(|primary| !primary.contains(&facts.gtid))
}

impl Snapshot {
    /// True if waiting until a replica has this position would be in vain: it lacks writes that the primary
    /// itself made, and when last probed it did not follow the primary. For a moment this holds for all
    /// replicas of a new primary.
    pub fn is_out_of_reach(&self, replica: &Server, position: &GtidSet) -> bool {
        let Some(primary) = self.primary().filter(|primary| !self.follows(replica, primary)) else {
            return false;
        };
        let of_both = replica.facts.as_ref().zip(primary.facts.as_ref());
        of_both.is_some_and(|(here, there)| position.subtract(&here.gtid).has_writes_of(&there.identity))
    }

    /// True if a server other than the primary and `lost` has writes of `lost` that are not in `executed`.
    /// None: unknown. A server that is not up, or was not yet seen to follow the primary, may have received
    /// more than it reported. A replica that switches to another source drops what it has not applied.
    ///
    /// `lost` is the server's state at the time: its pod may be gone by now, or recreated under the same
    /// name, which still counts as `lost`.
    pub fn has_more_of(&self, lost: &Server, executed: &GtidSet) -> Option<bool> {
        let (primary, identity) = (self.primary()?, &lost.facts.as_ref()?.identity);
        let mut all_known = true;
        for other in self.servers.iter().filter(|other| other.id != primary.id && other.name != lost.name) {
            let facts = other.facts.as_ref();
            if facts.is_some_and(|facts| facts.gtid.subtract(executed).has_writes_of(identity)) {
                return Some(true);
            }
            let several = other.replication().is_some_and(|replication| replication.several);
            all_known &= other.missed == 0 && !several && replicates_from(other, primary);
        }
        all_known.then_some(false)
    }

    /// True if the primary's writes may reach a server, perhaps through others. In doubt it returns true: a
    /// server that is not up may have more than it reported; one with several sources may get the writes from
    /// any of them; and a source that matches no known server by its text may be the primary.
    fn follows(&self, server: &Server, primary: &Server) -> bool {
        let mut at = server;
        for _ in 0..self.servers.len() {
            let Some(facts) = at.facts.as_ref().filter(|_| at.id != primary.id && at.member.is_none()) else {
                return true;
            };
            match &facts.replication {
                None => return !facts.tells_replication,
                Some(replication) if at.health != Health::Up || replication.several => return true,
                Some(replication) if !replication.receiving => return false,
                Some(_) => {}
            }
            match self.servers.iter().find(|source| replicates_from(at, source)) {
                Some(source) => at = source,
                None => return true,
            }
        }
        false
    }
}
