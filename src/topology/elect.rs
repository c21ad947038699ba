//! Who is the writer: the rules of "Failover" in the design, and nothing else.
//! One function decides, one keeps the books (generation, history).

use std::collections::VecDeque;
use std::sync::Arc;

use super::types::*;

const HISTORY_MAX: usize = 32;

/// Decides on the writer of `next` and keeps generation, history and the deposed in step.
pub(super) fn settle(before: &Snapshot, next: &mut Snapshot, servers: &mut [Server], now_ms: u64) {
    let (writer, alarm) = elect(servers, before.writer, before.last_writer);
    next.alarm = alarm;
    if writer == before.writer {
        return;
    }
    let reason = match writer {
        Some(id) => gained(before, servers, id),
        None => lost(before, servers),
    };
    let from = before.writer().map(|s| s.name.clone());
    let to = writer.and_then(|id| find(servers, id)).map(|s| s.name.clone());
    if writer.is_some() && writer != before.last_writer {
        next.generation += 1;
        depose(servers, before.last_writer);
        next.last_writer = writer;
    }
    next.writer = writer;
    let change = WriterChange { at_ms: now_ms, from, to, reason: reason.into(), generation: next.generation };
    remember(Arc::make_mut(&mut next.history), change);
}

fn remember(history: &mut VecDeque<WriterChange>, change: WriterChange) {
    while history.len() >= HISTORY_MAX {
        history.pop_front();
    }
    history.push_back(change);
}

/// The old writer lost its role to another. If it was not seen to give it up, it may come back
/// writable and without the writes that its successor acknowledged.
fn depose(servers: &mut [Server], old: Option<ServerId>) {
    if let Some(server) = servers.iter_mut().find(|s| Some(s.id) == old) {
        server.deposed = !server.is_up_read_only();
    }
}

/// The rules, in order. `current` is the writer now, `last` the last one there was.
fn elect(
    servers: &[Server],
    current: Option<ServerId>,
    last: Option<ServerId>,
) -> (Option<ServerId>, Option<Alarm>) {
    // Rule 2 (group replication: the member that the majority calls primary) will stand here.
    let candidates: Vec<&Server> = servers.iter().filter(|s| s.is_candidate()).collect();
    let several = (candidates.len() > 1).then_some(Alarm::SeveralCandidates);

    // Rule 5, first half: never alternate.
    if let Some(writer) = candidates.iter().find(|s| Some(s.id) == current) {
        return (Some(writer.id), several);
    }
    // At start the first answer must not win over one that is still on its way.
    if last.is_none() && servers.iter().any(|s| s.health == Health::Unknown) {
        return (None, None);
    }
    if candidates.is_empty() {
        let answers = servers.iter().any(|s| s.health == Health::Up);
        return (None, answers.then_some(Alarm::NoCandidate));
    }
    let eligible: Vec<&Server> =
        candidates.iter().copied().filter(|s| !s.deposed || given_up(servers, last)).collect();
    if eligible.is_empty() {
        return (None, Some(several.unwrap_or(Alarm::FormerPrimary)));
    }
    let labels = servers.iter().any(|s| s.label.is_some());
    let writer = match eligible.as_slice() {
        [only] if !labels => Some(*only),
        [only] => single_with_labels(servers, only),
        _ => among_several(servers, &eligible, labels, last.is_none()),
    };
    match writer {
        Some(writer) => (Some(writer.id), several),
        None => (None, Some(several.unwrap_or(Alarm::NoCandidate))),
    }
}

/// The last writer is gone from the list, or answers that it is read-only: someone moved the role.
fn given_up(servers: &[Server], last: Option<ServerId>) -> bool {
    last.and_then(|id| find(servers, id)).is_none_or(Server::is_up_read_only)
}

/// Rules 3 and 4.
fn single_with_labels<'a>(servers: &[Server], only: &'a Server) -> Option<&'a Server> {
    let labelled_is_fit = servers.iter().any(|s| s.label == Some(Label::Primary) && s.is_candidate());
    let elected = only.label == Some(Label::Primary) || (!labelled_is_fit && holds_all_writes(only));
    elected.then_some(only)
}

/// Rule 4's condition: it was a replica of this generation, and its GTID position contains every
/// write that this proxy saw acknowledged. The hook for it: positions of acknowledged writes are
/// not collected yet, so the answer is "wait for the label".
fn holds_all_writes(_server: &Server) -> bool {
    false
}

/// Rule 5, second half. At start: the one that others replicate from. Later only one that all the
/// others replicate from, which is no choice but a fact (replicas that were never made read-only,
/// and their primary is back).
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

/// Compares texts only: a source under another name for the same host is not recognised, and then
/// there is no writer but an alarm.
fn replicates_from(replica: &Server, source: &Server) -> bool {
    replica.id != source.id
        && replica.health == Health::Up
        && replica.replication().and_then(|r| r.source.as_deref()) == Some(&*source.address)
}

fn find(servers: &[Server], id: ServerId) -> Option<&Server> {
    servers.iter().find(|s| s.id == id)
}

/// "db-0 is down", for the history.
fn lost(before: &Snapshot, servers: &[Server]) -> String {
    match before.writer() {
        Some(old) => fate(old, servers),
        None => String::new(),
    }
}

/// "db-0 is down, db-1 became writable", for the history.
fn gained(before: &Snapshot, servers: &[Server], id: ServerId) -> String {
    let Some(new) = find(servers, id) else { return String::new() };
    let how = match before.server(id) {
        _ if before.last_writer == Some(id) => "is writable again",
        Some(old) if old.is_up_read_only() => "became writable",
        _ => "is writable",
    };
    match before.last_writer {
        Some(last) if last != id => {
            let fate = match before.server(last) {
                Some(old) => fate(old, servers),
                None => "the last writer is gone".to_owned(),
            };
            format!("{fate}, {} {how}", new.name)
        }
        _ => format!("{} {how}", new.name),
    }
}

/// What became of the old writer.
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
        Some(_) => format!("{name} does not answer"),
    }
}
