//! Which servers can be the primary, and whether an operator moved the role.

use std::borrow::Borrow;

use super::sources::has_source;
use super::types::*;

/// Returns the servers that can be the primary. `last`: the last primary.
pub(super) fn candidates(servers: &[Server], last: Option<ServerId>) -> Vec<&Server> {
    // If there is a group, a server outside it is no candidate: it is being set up, or was expelled.
    let group = servers.iter().any(|s| s.member.is_some());
    let all = servers.iter().filter(|s| may_be_primary(servers, s, last));
    all.filter(|s| !group || s.member.is_some()).collect()
}

/// True if the server is up and writable, and not a replica of another one that nobody made read-only: such a replica
/// becomes a candidate when it stops to replicate, when it was read-only before, or when its label says so. One that is labelled
/// as a replica must have no source any more: operators stop replicas also to look which one has the most. The last primary had the
/// role already, and two servers may follow each other.
pub(super) fn may_be_primary(
    servers: &[impl Borrow<Server>],
    server: &Server,
    last: Option<ServerId>,
) -> bool {
    let runs = server.replication().is_some_and(|r| r.applying || r.receiving);
    let leads = |source: &Server| has_source(server, source) && !has_source(source, server);
    let follows = || runs && servers.iter().any(|source| leads(source.borrow()));
    let has_any_source = || server.replication().is_some_and(|r| r.source.is_some());
    let is_still_replica =
        || server.member.is_none() && server.label == Some(Label::Replica) && has_any_source();
    let chosen = last == Some(server.id) || server.label == Some(Label::Primary) || server.made_writable;
    server.is_candidate() && (chosen || !(is_still_replica() || follows()))
}

/// Returns the server to which an operator gave the role of the last primary, which is still writable: the label moved in this
/// generation from the one to the other. The dead primary of an earlier generation that returns with its old label is none.
pub(super) fn successor<'a>(before: &Snapshot, candidates: &[&'a Server]) -> Option<&'a Server> {
    let last = candidates.iter().find(|s| Some(s.id) == before.last_primary)?;
    let gave = last.label == Some(Label::Replica) && last.unlabelled == Some(before.generation);
    let mut labelled = candidates.iter().filter(|s| s.label == Some(Label::Primary));
    let only = labelled.next().filter(|_| gave && labelled.next().is_none())?;
    let got = only.labelled.is_some_and(|(generation, _)| generation == before.generation);
    (got && !only.deposed).then_some(only)
}
