//! What a probe asks about a server's state in its group, and what the answer means.

use super::client::ResultSet;
use crate::topology::{Group, Member};

/// Asked once on each connection: whether the server is a node of a Galera cluster, which only a restart can
/// change. Needs no privilege. A server without Galera's code does not know the names and returns no rows.
pub(super) const WSREP: &str = "SHOW VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_provider')";

/// Asks for a node's state in its Galera cluster. Needs no privilege.
pub(super) const GALERA: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN \
('wsrep_cluster_status', 'wsrep_local_state', 'wsrep_ready'); SHOW GLOBAL VARIABLES WHERE Variable_name IN \
('pxc_maint_mode', 'wsrep_reject_queries')";

/// The `wsrep_local_state` of a member that is up to date.
const SYNCED: &str = "4";

/// Returns the state of the group member that gave this answer; None if the server is in no group.
pub(super) fn member(sets: &[ResultSet]) -> Option<Member> {
    replication_group(sets).or_else(|| galera(sets))
}

/// Parses `group_view`: the number of rows of this server itself, how many of these are ONLINE, and how many
/// are PRIMARY; then the number of reachable members, of all, and of all that are PRIMARY. A member in a minority sees
/// the others as UNREACHABLE.
fn replication_group(sets: &[ResultSet]) -> Option<Member> {
    let first = sets.first()?;
    let at = first.columns.iter().position(|name| name == "group_view")?;
    let text = std::str::from_utf8(first.rows.first()?.get(at)?.as_deref()?).ok()?;
    let counts: Vec<u32> = text.split(' ').map_while(|count| count.parse().ok()).collect();
    let [own, online, primary, reachable, all, primaries] = counts[..] else { return None };
    if own == 0 {
        return None;
    }
    let majority = reachable.saturating_mul(2) > all;
    let fit = online == own && majority;
    // A member that left or was expelled sees only itself and still answers waiting commits: it is not apart.
    let apart = all > 1 && !majority;
    let several_write = primaries > 1;
    Some(Member { group: Group::Replication, fit, apart, writes: fit && primary == own, several_write })
}

/// True if the answer to `WSREP` comes from a node of a Galera cluster.
pub(super) fn is_galera(sets: &[ResultSet]) -> bool {
    let value = |name: &str| sets.iter().find_map(|set| variable(set, name)).unwrap_or_default();
    let provider = value("wsrep_provider");
    value("wsrep_on").eq_ignore_ascii_case("ON")
        && !provider.is_empty()
        && !provider.eq_ignore_ascii_case("none")
}

fn galera(sets: &[ResultSet]) -> Option<Member> {
    let value = |name: &str| sets.iter().find_map(|set| variable(set, name));
    let is = |name: &str, wanted: &str| value(name).is_some_and(|v| v.eq_ignore_ascii_case(wanted));
    let is_or_absent = |name: &str, wanted: &str| value(name).is_none_or(|v| v.eq_ignore_ascii_case(wanted));
    value("wsrep_cluster_status")?;
    let apart = !is("wsrep_cluster_status", "Primary");
    let fit = !apart
        && is("wsrep_local_state", SYNCED)
        && is("wsrep_ready", "ON")
        && is_or_absent("pxc_maint_mode", "DISABLED")
        && is_or_absent("wsrep_reject_queries", "NONE");
    Some(Member { group: Group::Galera, fit, apart, writes: fit, several_write: true })
}

/// Returns the value of a row of SHOW STATUS or SHOW VARIABLES.
fn variable<'a>(set: &'a ResultSet, name: &str) -> Option<&'a str> {
    if !set.columns.first()?.eq_ignore_ascii_case("Variable_name") {
        return None;
    }
    let is_it = |row: &&super::client::Row| {
        let found = row.first().and_then(Option::as_deref);
        found.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
    };
    let row = set.rows.iter().find(is_it)?;
    std::str::from_utf8(row.get(1)?.as_deref()?).ok()
}
