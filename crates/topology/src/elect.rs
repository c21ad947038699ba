//! Elects the primary. `elect` decides, `settle` updates generation and history.
//!
//! A candidate is up, writable, not being deleted, and replicates from no known server (`candidates.rs`). It is *eligible* unless
//! it is deposed: another server took the role from it, and nothing shows that it gave the role up. The first row that applies
//! decides. If there are several candidates, that is the alarm, whatever the row, but for the first two and the fourth:
//!
//! | | what is known | the primary | alarm |
//! |---|---|---|---|
//! | members | candidates are members of a group | replication group: the current one, else the labelled one. Galera: the labelled one, else the current one. Neither: the only one (replication group), or the lowest name once all servers were reached | |
//! | moved label | the primary's label moved to another candidate | that candidate, as soon as the acknowledged writes are known, or after `HANDOVER_MS` | |
//! | current | the current primary is a candidate | it stays | |
//! | start | there was no primary yet, and a server has not been reached yet | none | |
//! | nobody | there is no candidate | none | no candidate, if a server answers |
//! | deposed | no candidate is eligible | none | former primary |
//! | succeeded | the only eligible one is the last primary, and another server shows signs that it took over | none | former primary |
//! | one, no labels | one is eligible, and no server has a label | it | |
//! | one, labels | one is eligible | it, if it is labelled primary or has no label, or if no server labelled primary is fit and it holds all acknowledged writes; else none | no candidate, if none |
//! | sources | several are eligible | at start the one that others replicate from, later the one that all others replicate from; with labels it must be the labelled one; else none | |

use std::collections::VecDeque;
use std::sync::Arc;

use super::candidates::{candidates, successor};
use super::departed_pods;
use super::in_question::InQuestion;
use super::outside::replicates_from_outside;
use super::sources::replicates_from;
use super::types::*;

const HISTORY_MAX: usize = 32;

/// When the label has moved, nobody writes until it is known which writes were acknowledged, but at most for this long.
const HANDOVER_MS: u64 = 200;

/// Decides on the primary of `next` and updates its generation, history and deposed servers.
pub(super) fn settle(before: &Snapshot, next: &mut Snapshot, servers: &mut [Server], now_ms: u64) {
    next.handover_since_ms = successor(before, &candidates(servers, before.last_primary))
        .map(|_| before.handover_since_ms.unwrap_or(now_ms));
    let waited = next.handover_since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= HANDOVER_MS);
    let (primary, alarm) = elect(servers, before, next.acknowledged.as_ref(), waited);
    // A read-only primary is what the operator asked for.
    let as_asked = next.maintenance.read_only && primary_is_read_only(servers, before.last_primary);
    let in_order = as_asked || (primary.is_none() && replicates_from_outside(|| servers.iter(), before));
    next.alarm = alarm.filter(|alarm| match alarm {
        Alarm::NoCandidate => !in_order,
        // A new primary takes the former one's place: that is none any more if it replicates from a server.
        Alarm::SeveralCandidates => candidates(servers, primary.or(before.last_primary)).len() > 1,
        Alarm::FormerPrimary => true,
    });
    if let Some(primary) = primary.and_then(|id| find(servers, id))
        && next.last_primary_at.as_ref() != Some(&primary.address)
    {
        next.last_primary_at = Some(primary.address.clone());
    }
    if primary == before.primary {
        return;
    }
    let mut reason = match primary {
        Some(id) => gained(before, servers, id),
        None => lost(before, servers),
    };
    let from = before.primary().map(|s| s.name.clone());
    let to = primary.and_then(|id| find(servers, id)).map(|s| s.name.clone());
    if let Some(new) = primary.filter(|_| primary != before.last_primary) {
        let old = before.last_primary.and_then(|old| find(servers, old));
        let in_question = find(servers, new)
            .filter(|_| before.last_primary.is_some())
            .and_then(|new| InQuestion::of(before, next.acknowledged.as_ref(), old, new));
        if let Some(in_question) = in_question {
            next.writes_in_question = next.writes_in_question.saturating_add(in_question.writes);
            reason = format!("{reason}; {in_question}");
        }
        next.generation += 1;
        if let Some(old) = before.last_primary {
            depose(next, servers, old, new);
        }
        next.last_primary = primary;
    }
    next.primary = primary;
    let change =
        PrimaryChange { at_ms: now_ms, from, to, reason: reason.into(), generation: next.generation };
    remember(Arc::make_mut(&mut next.history), change);
}

fn remember(history: &mut VecDeque<PrimaryChange>, change: PrimaryChange) {
    while history.len() >= HISTORY_MAX {
        history.pop_front();
    }
    history.push_back(change);
}

/// Marks the old primary as deposed, because another server took over its role. If it was not seen to give up
/// the role, it may come back writable and lack writes that its successor acknowledged.
fn depose(next: &mut Snapshot, servers: &mut [Server], old: ServerId, new: ServerId) {
    let server = match servers.iter().position(|s| s.id == old) {
        Some(at) => servers.get_mut(at),
        None => departed_pods::successor(next, servers, old, new),
    };
    if let Some(server) = server {
        server.deposed = !(server.health == Health::Up && server.facts.as_ref().is_some_and(gives_up));
    }
}

/// True if an answer shows that a former primary gave up its role.
pub(super) fn gives_up(facts: &Facts) -> bool {
    facts.is_read_only() || facts.replication.as_ref().is_some_and(|r| r.applying)
}

/// Applies the table of the module. `before` contains the current and the last primary.
fn elect(
    servers: &[Server],
    before: &Snapshot,
    acknowledged: Option<&Acknowledged>,
    waited: bool,
) -> (Option<ServerId>, Option<Alarm>) {
    let (current, last) = (before.primary, before.last_primary);
    let group = servers.iter().any(|s| s.member.is_some());
    let candidates = candidates(servers, last);
    if group && !candidates.is_empty() {
        return among_members(servers, &candidates, before);
    }
    let several = (candidates.len() > 1).then_some(Alarm::SeveralCandidates);

    // A moved label is the operator's decision: it counts, although both are writable.
    if let Some(successor) = successor(before, &candidates) {
        let known = acknowledged.is_some_and(|writes| writes.generation == before.generation);
        return ((known || waited).then_some(successor.id), None);
    }
    // Keeps the current primary while it is a candidate: the proxy never alternates.
    if let Some(primary) = candidates.iter().find(|s| Some(s.id) == current) {
        return (Some(primary.id), several);
    }
    // At start the first server to answer must not win while others have not been reached yet.
    if last.is_none() && servers.iter().any(|s| s.health == Health::Unknown) {
        return (None, None);
    }
    if candidates.is_empty() {
        let answers = servers.iter().any(|s| s.health == Health::Up);
        return (None, answers.then_some(Alarm::NoCandidate));
    }
    let eligible: Vec<&Server> =
        candidates.iter().copied().filter(|s| !s.deposed || given_up(servers, before, s)).collect();
    if eligible.is_empty() {
        return (None, Some(several.unwrap_or(Alarm::FormerPrimary)));
    }
    let is_last = |s: &Server| {
        Some(s.id) == last || departed_pods::last_primary(before, servers).is_some_and(|back| back.id == s.id)
    };
    if let [only] = eligible.as_slice()
        && is_last(only)
        && was_succeeded(servers, only, before.generation)
    {
        return (None, Some(several.unwrap_or(Alarm::FormerPrimary)));
    }
    let labels = servers.iter().any(|s| s.label.is_some());
    let primary = match eligible.as_slice() {
        [only] if !labels => Some(*only),
        [only] => single_with_labels(servers, only, before, acknowledged),
        _ => among_several(servers, &eligible, labels, last.is_none()),
    };
    match primary {
        Some(primary) => (Some(primary.id), several),
        None => (None, Some(several.unwrap_or(Alarm::NoCandidate))),
    }
}

/// Applies the row "members". The majority certifies every write that a fit member accepts, so
/// no fit member lacks an acknowledged write, and several candidates are no alarm. A replication group names
/// its primary itself, and the labels follow late. A Galera cluster names none: only the label makes several
/// proxies agree. Nor does a replication group with several primaries.
fn among_members(
    servers: &[Server],
    candidates: &[&Server],
    before: &Snapshot,
) -> (Option<ServerId>, Option<Alarm>) {
    let mut labelled = candidates.iter().filter(|s| s.label == Some(Label::Primary));
    // Some operators label every member as primary. Then the label says nothing, and the first member to
    // answer must not win.
    let unheard = servers.iter().any(|s| s.health == Health::Unknown && s.label == Some(Label::Primary));
    let labelled = labelled.next().filter(|_| labelled.next().is_none() && !unheard);
    let current = candidates.iter().find(|s| Some(s.id) == before.primary);
    let galera = candidates.iter().any(|s| s.member.is_some_and(|m| m.group == Group::Galera));
    let primary = if galera { labelled.or(current) } else { current.or(labelled) };
    let waiting = before.last_primary.is_none() && servers.iter().any(|s| s.health == Health::Unknown);
    let lowest = || candidates.iter().filter(|_| !waiting).min_by(|a, b| a.name.cmp(&b.name));
    let several_write = candidates.iter().any(|s| s.member.is_some_and(|m| m.several_write));
    let only = || candidates.first().filter(|_| candidates.len() == 1 && !several_write);
    (primary.or_else(only).or_else(lowest).map(|s| s.id), None)
}

/// True if the role was moved to `server`, a former primary, on purpose: the last primary is no longer
/// configured, or answers that it is read-only. A pod that is gone has not given up the role: it may be on
/// its way back. With labels, a read-only last primary proves little, since a former primary that nobody
/// fenced keeps its label: `server` must also have all writes of the last primary.
fn given_up(servers: &[Server], before: &Snapshot, server: &Server) -> bool {
    let last = before.last_primary.and_then(|id| find(servers, id));
    let last = last.or_else(|| departed_pods::last_primary(before, servers));
    if server.label.is_none() {
        return last.map_or(server.uid.is_empty(), Server::is_up_read_only);
    }
    let positions = last.filter(|last| last.is_up_read_only()).and_then(|last| last.facts.as_ref());
    let positions = positions.zip(server.facts.as_ref()).filter(|(old, new)| old.gtid_on && new.gtid_on);
    positions.is_some_and(|(old, new)| !old.gtid.is_empty() && new.gtid.contains(&old.gtid))
}

/// True if there are signs that another server, now unreachable, took over from `back`, the last primary,
/// while that was lost. The signs: since this generation began, the other server got the label, later than
/// `back`, or a replica switched to it. A server that answers that it is read-only did not take over.
fn was_succeeded(servers: &[Server], back: &Server, generation: u64) -> bool {
    let labelled = |s: &Server| {
        let label = s.labelled.filter(|(of, _)| *of == generation);
        label.is_some() && label.map(|(_, when)| when) > back.labelled.map(|(_, when)| when)
    };
    let moved = |of: &&Server| {
        let source = of.replication().and_then(|r| r.source.as_ref());
        of.last_source.is_some() && source != of.last_source.as_ref()
    };
    let followed = |s: &Server| servers.iter().filter(moved).any(|of| replicates_from(of, s));
    let mut others = servers.iter().filter(|s| s.id != back.id && !s.is_up_read_only());
    others.any(|s| labelled(s) || followed(s))
}

/// Applies the row "one, labels".
fn single_with_labels<'a>(
    servers: &[Server],
    only: &'a Server,
    before: &Snapshot,
    acknowledged: Option<&Acknowledged>,
) -> Option<&'a Server> {
    let labelled_is_fit = servers.iter().any(|s| s.label == Some(Label::Primary) && s.is_candidate());
    let elected = only.label == Some(Label::Primary)
        // No operator labels this server.
        || only.label.is_none()
        || (!labelled_is_fit && holds_all_writes(servers, only, before, acknowledged));
    elected.then_some(only)
}

/// True if it is known that the server holds all acknowledged writes: it was a replica in this generation, and its position
/// contains each of them. If the last primary answers that it is read-only, its position says which writes these are;
/// otherwise the sessions' record of them does.
fn holds_all_writes(
    servers: &[Server],
    server: &Server,
    before: &Snapshot,
    acknowledged: Option<&Acknowledged>,
) -> bool {
    if before.last_primary.is_none() || server.replicated != Some(before.generation) {
        return false;
    }
    let last = before.last_primary.and_then(|id| find(servers, id)).filter(|last| last.is_up_read_only());
    let handed_over = last.and_then(|last| last.facts.as_ref()).filter(|facts| facts.gtid_on);
    let acknowledged = acknowledged.filter(|writes| writes.generation == before.generation);
    match (handed_over, acknowledged) {
        (Some(old), _) => !old.gtid.is_empty() && server.has(&old.gtid),
        (None, Some(writes)) => server.has(&writes.set),
        (None, None) => false,
    }
}

/// Applies the row "sources". At start, returns the server that others replicate from. Later, returns
/// only a server that all other candidates replicate from, which leaves no choice (replicas that were never
/// made read-only, and their primary is back).
fn among_several<'a>(
    servers: &[Server],
    eligible: &[&'a Server],
    labels: bool,
    at_start: bool,
) -> Option<&'a Server> {
    let mut sources = eligible.iter().copied().filter(|candidate| {
        let mut others = eligible.iter().filter(|s| s.id != candidate.id);
        let is_source = if at_start {
            servers.iter().any(|s| replicates_from(s, candidate))
        } else {
            others.all(|s| replicates_from(s, candidate))
        };
        is_source && (!labels || candidate.label == Some(Label::Primary))
    });
    let first = sources.next();
    if sources.next().is_some() { None } else { first }
}

/// True if the primary is read-only: the last primary or, at start, the labelled server.
fn primary_is_read_only(servers: &[Server], last: Option<ServerId>) -> bool {
    let is_it = |s: &&Server| last.map_or(s.label == Some(Label::Primary), |last| s.id == last);
    servers.iter().find(is_it).is_some_and(Server::is_up_read_only)
}

fn find(servers: &[Server], id: ServerId) -> Option<&Server> {
    servers.iter().find(|s| s.id == id)
}

/// Returns the reason of a loss for the history: "db-0 is down".
fn lost(before: &Snapshot, servers: &[Server]) -> String {
    match before.primary() {
        Some(old) => fate(old, servers),
        None => String::new(),
    }
}

/// Returns the reason of a change for the history: "db-0 is down, db-1 became writable".
fn gained(before: &Snapshot, servers: &[Server], id: ServerId) -> String {
    let Some(new) = find(servers, id) else { return String::new() };
    let how = match before.server(id) {
        _ if before.last_primary == Some(id) => "is writable again",
        Some(old) if old.is_up_read_only() => "became writable",
        _ => "is writable",
    };
    match before.last_primary {
        Some(last) if last != id => {
            let fate = match before.server(last) {
                Some(old) => fate(old, servers),
                None => {
                    let names = before.history.iter().rev().find_map(|change| change.to.as_deref());
                    format!("{}, the last primary, is gone", names.unwrap_or("a server"))
                }
            };
            format!("{fate}, {} {how}", new.name)
        }
        _ => format!("{} {how}", new.name),
    }
}

/// Describes what happened to the old primary.
fn fate(old: &Server, servers: &[Server]) -> String {
    let name = &old.name;
    match find(servers, old.id) {
        None if servers.iter().any(|s| s.name == old.name && s.address == old.address) => {
            format!("{name} was replaced by another server")
        }
        None => format!("{name} is no longer configured"),
        Some(now) if now.deleting => format!("{name} is being deleted"),
        Some(now) if now.health == Health::Down => match &now.last_error {
            Some(error) => format!("{name} is down ({error})"),
            None => format!("{name} is down"),
        },
        Some(now) if now.is_up_read_only() => format!("{name} is read-only"),
        Some(now) if now.is_cut_off() => format!("{name} is not with the majority of its group"),
        Some(now) if now.is_candidate() => format!("{name} lost the label"),
        Some(_) => format!("{name} does not answer"),
    }
}
