//! Pods that left the list and come back as other servers. Without labels a pod is recognised by its name: a
//! StatefulSet's recreated pod has another uid and address, and keeps its volume. With labels only a pod with
//! the same uid is recognised, to which a restart of its node gave another address; otherwise the label
//! counts.

use std::sync::Arc;

use super::types::*;

/// The maximum number of pods that are remembered: the pods of a Deployment never come back.
const MAX: usize = 32;

/// Updates the remembered pods after a new list of servers. Marks pods that are back as deposed.
pub(super) fn remember(before: &Snapshot, next: &mut Snapshot, servers: &mut [Server]) {
    let is_gone = |s: &Server| !servers.iter().any(|now| now.id == s.id);
    let matters = |s: &Server| is_pod(s) && (s.deposed || before.last_primary == Some(s.id));
    let departing = before.servers.iter().filter(|s| matters(s) && is_gone(s));
    let mut departed: Vec<_> = before.departed_pods.to_vec();
    departed.extend(departing.map(|s| (known_as(s), s.id)));
    for server in servers.iter_mut().filter(|s| is_pod(s) && before.server(s.id).is_none()) {
        // No server has taken over from the last primary: the last primary may go on.
        server.deposed =
            departed.iter().any(|(key, id)| is_known_as(server, key) && before.last_primary != Some(*id));
        departed.retain(|(key, id)| !is_known_as(server, key) || before.last_primary == Some(*id));
    }
    departed.drain(..departed.len().saturating_sub(MAX));
    if *next.departed_pods != *departed {
        next.departed_pods = departed.into();
    }
}

/// Returns the last primary if it left the list and is back.
pub(super) fn last_primary<'a>(before: &Snapshot, servers: &'a [Server]) -> Option<&'a Server> {
    let (key, _) = before.departed_pods.iter().find(|(_, id)| Some(*id) == before.last_primary)?;
    servers.iter().find(|s| is_known_as(s, key))
}

/// Handles that another server takes over from a primary that left the list. Returns the server that came back
/// in the old primary's place, unless that is the new primary.
pub(super) fn successor<'a>(
    next: &mut Snapshot,
    servers: &'a mut [Server],
    old: ServerId,
    new: ServerId,
) -> Option<&'a mut Server> {
    let (key, _) = next.departed_pods.iter().find(|(_, id)| *id == old)?.clone();
    let back = servers.iter_mut().find(|s| is_known_as(s, &key))?;
    next.departed_pods = next.departed_pods.iter().filter(|(_, id)| *id != old).cloned().collect();
    (back.id != new).then_some(back)
}

/// True if the server is a pod. Static servers have no uid; only the configuration changes them.
fn is_pod(server: &Server) -> bool {
    !server.uid.is_empty()
}

/// Returns what a pod is remembered by: its uid, or, if it has no label, its name.
fn known_as(server: &Server) -> Arc<str> {
    if server.label.is_none() { server.name.clone() } else { server.uid.clone() }
}

fn is_known_as(server: &Server, key: &str) -> bool {
    is_pod(server) && (*server.uid == *key || (server.label.is_none() && *server.name == *key))
}
