//! Chooses the replica for a read: of two drawn at random by weight, the less loaded one. Replicas in the
//! proxy's own zone take precedence. Pure, one pass, no allocation.

use crate::topology::{Server, ServerId, Snapshot};

/// Returns the replica for a read; None if none is eligible.
///
/// A replica is eligible if it serves reads, is not in `avoid` (servers that have just failed) and satisfies
/// `fits` (has applied what the read must see). If one in `zone` is eligible, replicas elsewhere are ignored.
/// Two replicas are drawn by `weight` and compared by `load` (statements in flight) per weight. On a tie the
/// first one drawn is chosen, so that without load each replica gets its share by weight. `random` is any
/// number, new for each call.
pub fn choose_replica(
    snapshot: &Snapshot,
    random: u64,
    avoid: &[ServerId],
    zone: Option<&str>,
    fits: impl Fn(&Server) -> bool,
    load: impl Fn(ServerId) -> usize,
) -> Option<ServerId> {
    let mut near = Draw::default();
    let mut far = Draw::default();
    for server in snapshot.replicas().filter(|s| s.weight > 0 && !avoid.contains(&s.id)) {
        let is_near = zone.is_some() && server.zone.as_deref() == zone;
        // Once a near replica fits, far ones are irrelevant and need no check.
        if (is_near || near.first.is_none()) && fits(server) {
            let draw = if is_near { &mut near } else { &mut far };
            draw.add(ticket(random, server), server);
        }
    }
    let Draw { first, second } = if near.first.is_some() { near } else { far };
    let ((_, first), second) = (first?, second);
    let Some((_, second)) = second else { return Some(first.id) };
    // load(a) / weight(a), without the division.
    let strain = |a: &Server, b: &Server| load(a.id) as u128 * u128::from(b.weight);
    let is_second = strain(second, first) < strain(first, second);
    Some(if is_second { second.id } else { first.id })
}

/// Two replicas that differ by so many statements under way may differ by chance.
const BY_CHANCE: usize = 4;

/// True if a session that reads from `own` would do better on `other`: if `other` alone is in `zone`, or if `own` has
/// a quarter more statements under way for its weight, counting `BY_CHANCE` more for `other`.
///
/// A session that moved for each small difference would have a connection to every replica, and neither the
/// connection nor the server's thread would be in a cache when the session's next statement comes.
pub fn is_worth_a_move(
    own: &Server,
    other: &Server,
    zone: Option<&str>,
    load: impl Fn(ServerId) -> usize,
) -> bool {
    let is_near = |server: &Server| zone.is_some() && server.zone.as_deref() == zone;
    if is_near(own) != is_near(other) {
        return is_near(other);
    }
    let (here, there) = (load(own.id) as u128, (load(other.id) + BY_CHANCE) as u128);
    here * u128::from(other.weight) * 4 > there * u128::from(own.weight) * 5
}

/// The two lowest tickets so far, lowest first.
#[derive(Default)]
struct Draw<'a> {
    first: Option<(f64, &'a Server)>,
    second: Option<(f64, &'a Server)>,
}

impl<'a> Draw<'a> {
    fn add(&mut self, ticket: f64, server: &'a Server) {
        let entry = Some((ticket, server));
        if self.first.is_none_or(|(lowest, _)| ticket < lowest) {
            self.second = std::mem::replace(&mut self.first, entry);
        } else if self.second.is_none_or(|(lowest, _)| ticket < lowest) {
            self.second = entry;
        }
    }
}

/// Returns an exponentially distributed number with the weight as its rate. Each server's ticket is the
/// lowest with a probability in proportion to its weight, and the same holds for the next lowest among the
/// rest (Efraimidis and Spirakis).
fn ticket(random: u64, server: &Server) -> f64 {
    // SplitMix64's finalizer derives an independent number for each server from the one random number.
    let mut z =
        random.wrapping_add(u64::from(server.id.0).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    // In (0, 1]: 53 bits, as an f64 holds.
    let uniform = ((z >> 11) + 1) as f64 / (1u64 << 53) as f64;
    -uniform.ln() / f64::from(server.weight)
}

#[cfg(test)]
mod tests;
