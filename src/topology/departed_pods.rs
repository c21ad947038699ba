//! Pods that left the list and come back as other servers. Without a label nothing but its name tells who comes back: a
//! StatefulSet's pod that is made anew has another uid and address, and keeps its volume. With one the label counts, unless
//! it is the same pod, which its node's restart gave another address.

use std::sync::Arc;

use super::types::*;

/// More than this many are not kept: the pods of a Deployment never come back.
const MAX: usize = 32;

/// Behind a new list of servers.
pub(super) fn remember(before: &Snapshot, next: &mut Snapshot, servers: &mut [Server]) {
    let is_gone = |s: &Server| !servers.iter().any(|now| now.id == s.id);
    let matters = |s: &Server| is_pod(s) && (s.deposed || before.last_writer == Some(s.id));
    let left = before.servers.iter().filter(|s| matters(s) && is_gone(s));
    let mut gone: Vec<_> = before.gone.to_vec();
    gone.extend(left.map(|s| (known_as(s), s.id)));
    for server in servers.iter_mut().filter(|s| is_pod(s) && before.server(s.id).is_none()) {
        // Nobody took over from the last writer: it may go on.
        server.deposed = gone.iter().any(|(what, id)| is(server, what) && before.last_writer != Some(*id));
        gone.retain(|(what, id)| !is(server, what) || before.last_writer == Some(*id));
    }
    gone.drain(..gone.len().saturating_sub(MAX));
    if *next.gone != *gone {
        next.gone = gone.into();
    }
}

/// The last writer, which left the list and is back.
pub(super) fn last_writer<'a>(before: &Snapshot, servers: &'a [Server]) -> Option<&'a Server> {
    let (what, _) = before.gone.iter().find(|(_, id)| Some(*id) == before.last_writer)?;
    servers.iter().find(|s| is(s, what))
}

/// Another server takes over from a writer that left the list: whoever came back in its place meanwhile.
pub(super) fn successor<'a>(
    next: &mut Snapshot,
    servers: &'a mut [Server],
    old: ServerId,
    new: ServerId,
) -> Option<&'a mut Server> {
    let (what, _) = next.gone.iter().find(|(_, id)| *id == old)?.clone();
    let back = servers.iter_mut().find(|s| is(s, &what))?;
    next.gone = next.gone.iter().filter(|(_, id)| *id != old).cloned().collect();
    (back.id != new).then_some(back)
}

/// Static servers have no uid; what becomes of them is in the configuration.
fn is_pod(server: &Server) -> bool {
    !server.uid.is_empty()
}

/// What is remembered of a pod.
fn known_as(server: &Server) -> Arc<str> {
    if server.label.is_none() { server.name.clone() } else { server.uid.clone() }
}

fn is(server: &Server, what: &str) -> bool {
    is_pod(server) && (*server.uid == *what || (server.label.is_none() && *server.name == *what))
}
