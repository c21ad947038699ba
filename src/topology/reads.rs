//! Which servers may serve reads.

use super::GtidSet;
use super::elect::replicates_from;
use super::types::*;

/// Up, read-only, a running replica or a fit member of a group, within `max_lag`, and with a weight; never the writer.
///
/// A replica whose source died still serves, although it receives nothing: otherwise the loss of the
/// primary would take all replicas with it, and without a writer nothing is written that it could lack.
/// With a new one its position tells. Where positions do not tell, it is as old as the time that
/// there has been a writer from which it did not receive.
///
/// `primary`: where the writer is, if its writes have GTIDs.
pub(super) fn serves(server: &Server, snapshot: &Snapshot, primary: Option<&GtidSet>) -> bool {
    let Some(facts) = &server.facts else { return false };
    if server.health != Health::Up
        || server.deleting
        || server.weight == 0
        || snapshot.writer == Some(server.id)
        || server.member.is_some_and(|member| !member.fit)
    {
        return false;
    }
    if server.member.is_some_and(|member| member.group == Group::Galera) {
        // Writable and in order: it certifies every write before that is acknowledged.
        return true;
    }
    let in_order = match &facts.replication {
        // Not a replica, or not allowed to know: what is read-only does not go its own way, but may have.
        None => facts.is_read_only(),
        Some(replication) => replication.applying,
    };
    in_order && !went_its_own_way(server, facts, primary) && server.freshness != Freshness::Late
}

/// It follows nobody and has what the primary has not, such as a former primary that came back with what no replica got.
/// Its position stands still and the primary's grows: at the next probe of that one it is known. Without a primary nobody
/// can tell: its last probe may be older than what replicas have.
fn went_its_own_way(server: &Server, facts: &Facts, primary: Option<&GtidSet>) -> bool {
    facts.replication.is_none()
        && facts.tells_replication
        && server.member.is_none()
        && facts.gtid_on
        && primary.is_some_and(|primary| !primary.contains(&facts.gtid))
}

impl Snapshot {
    /// Whether it would be in vain to wait until a replica has this: it lacks what the primary itself wrote, and when
    /// it was last probed it followed somebody else, or nobody, as all do for a moment when the primary is a new one.
    pub fn is_out_of_reach(&self, replica: &Server, position: &GtidSet) -> bool {
        let Some(primary) = self.writer().filter(|primary| !self.follows(replica, primary)) else {
            return false;
        };
        let of_both = replica.facts.as_ref().zip(primary.facts.as_ref());
        of_both.is_some_and(|(here, there)| position.subtract(&here.gtid).has_writes_of(&there.identity))
    }

    /// Whether another server than the primary and a lost one has writes of the lost one that are not in `executed`. None:
    /// not known. Who is not up, or was not seen to follow the primary yet, may have received more than it said; what a
    /// replica has not applied when it turns to another source, it drops.
    ///
    /// `lost` as it was then: its pod may be gone by now, or be made anew under its name, and still is the lost one.
    pub fn has_more_of(&self, lost: &Server, executed: &GtidSet) -> Option<bool> {
        let (primary, identity) = (self.writer()?, &lost.facts.as_ref()?.identity);
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

    /// Whether what the primary writes may come to a server, perhaps by way of others. In doubt it does: one that is not
    /// up may know more than it said, one with several sources may have it from any of them, and a source that is not
    /// one of the servers by its text may be the primary.
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
