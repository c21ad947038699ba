//! Pods without a label that left the list: without a label nothing but its name tells who comes back. A StatefulSet's
//! pod that is made anew has another uid and address, and keeps its volume.

use super::types::*;

/// More names than this many are not kept: those of a Deployment's pods never come back.
const MAX: usize = 32;

/// Behind a new list of servers.
pub(super) fn remember(before: &Snapshot, next: &mut Snapshot, servers: &mut [Server]) {
    let is_gone = |s: &Server| !servers.iter().any(|now| now.id == s.id);
    let matters = |s: &Server| is_unlabelled_pod(s) && (s.deposed || before.last_writer == Some(s.id));
    let left = before.servers.iter().filter(|s| matters(s) && is_gone(s));
    let mut gone: Vec<_> = before.gone.to_vec();
    gone.extend(left.map(|s| (s.name.clone(), s.id)));
    for server in servers.iter_mut().filter(|s| is_unlabelled_pod(s) && before.server(s.id).is_none()) {
        // Nobody took over from the last writer: it may go on.
        server.deposed =
            gone.iter().any(|(name, id)| *name == server.name && before.last_writer != Some(*id));
        gone.retain(|(name, id)| *name != server.name || before.last_writer == Some(*id));
    }
    gone.drain(..gone.len().saturating_sub(MAX));
    if *next.gone != *gone {
        next.gone = gone.into();
    }
}

/// The last writer, which left the list and is back under its name.
pub(super) fn last_writer<'a>(before: &Snapshot, servers: &'a [Server]) -> Option<&'a Server> {
    let (name, _) = before.gone.iter().find(|(_, id)| Some(*id) == before.last_writer)?;
    servers.iter().find(|s| s.name == *name && is_unlabelled_pod(s))
}

/// Another server takes over from a writer that left the list: whoever came back by its name meanwhile.
pub(super) fn successor<'a>(
    next: &mut Snapshot,
    servers: &'a mut [Server],
    old: ServerId,
    new: ServerId,
) -> Option<&'a mut Server> {
    let (name, _) = next.gone.iter().find(|(_, id)| *id == old)?.clone();
    let back = servers.iter_mut().find(|s| s.name == name && is_unlabelled_pod(s))?;
    next.gone = next.gone.iter().filter(|(_, id)| *id != old).cloned().collect();
    (back.id != new).then_some(back)
}

/// Static servers have no uid; what becomes of them is in the configuration.
fn is_unlabelled_pod(server: &Server) -> bool {
    !server.uid.is_empty() && server.label.is_none()
}
