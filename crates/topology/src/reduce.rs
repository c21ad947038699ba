//! The reducer: computes the next snapshot from one event. No clock, no I/O, no log: the same events give the
//! same snapshots, so every failover can be a test.

use std::sync::Arc;
use std::time::Duration;

use super::position_history::Until;
use super::types::*;
use super::{departed_pods, elect, held, lag, reads, silence};

/// Returns the snapshot after `event`, which was seen at `now_ms` (Unix time in milliseconds).
///
/// An event without news gives an equal snapshot with the same version.
pub fn reduce(snapshot: &Snapshot, event: &Event, now_ms: u64) -> Snapshot {
    let mut next = snapshot.clone();
    let mut servers: Vec<Server> = snapshot.servers.iter().map(|s| Server::clone(s)).collect();
    let mut probe = None;
    match event {
        Event::Servers(list) => {
            servers = discovered(&servers, list, &mut next.next_id);
            departed_pods::remember(snapshot, &mut next, &mut servers);
            let now = (snapshot.generation, snapshot.version);
            let back = departed_pods::last_primary(&next, &servers).map(|server| server.id);
            servers.iter_mut().for_each(|s| labelled(s, snapshot, Some(s.id) == back, now));
        }
        Event::Probe { server, outcome } => {
            probe = probed(&mut servers, *server, outcome, &mut next, now_ms);
            if let Some(facts) = answer(event) {
                next.modes |= facts.modes;
            }
        }
        Event::MaxLag(max_lag) => next.max_lag = *max_lag,
        Event::Grace(grace) => next.grace = *grace,
        Event::Silence(silence) => next.silence = *silence,
        Event::Maintenance(maintenance) => next.maintenance = *maintenance,
        Event::DrainOrder { server, drained } => {
            let orders = Arc::make_mut(&mut next.drain_orders);
            let _ = if *drained { orders.insert(server.clone()) } else { orders.remove(server) };
        }
        Event::Acknowledged(writes) => next.acknowledged = Some(writes.clone()),
    }
    held::learn_from_numbers(snapshot, &mut servers);
    elect::settle(snapshot, &mut next, &mut servers, now_ms);
    wait_for_primary(&mut next, &servers, now_ms);
    silence::decide(&mut next, &servers, now_ms);
    if next.primary.is_some() {
        // Clients will be told of more writes.
        next.acknowledged = None;
    }
    let of_primary = answer(event).filter(|_| probe.is_some() && probe == next.primary);
    follow(snapshot, &mut next, &servers, of_primary, now_ms);
    let until = next.primary.map_or(Until::End, |primary| Until::Now(now_ms, primary));
    let all = next.primary != snapshot.primary || next.max_lag != snapshot.max_lag;
    let primary_answers = servers.iter().any(|s| Some(s.id) == next.primary && s.missed == 0);
    let primary = servers.iter().find(|s| Some(s.id) == next.primary).and_then(|s| s.facts.as_ref());
    let position = primary.filter(|facts| facts.gtid_on).map(|facts| facts.gtid.clone());
    for server in &mut servers {
        if all || probe == Some(server.id) {
            lag::measure(server, &next, until, now_ms);
        }
        server.serves_reads = reads::serves(server, &next, position.as_deref());
        if next.primary.is_some() && server.replicates() {
            server.replicated = Some(next.generation);
        }
        if let Some(facts) = server.applies_to().filter(|_| probe == Some(server.id)) {
            server.held = Some(facts.gtid.clone());
        }
        if primary_answers {
            server.last_source = server.replication().and_then(|r| r.source.clone());
        }
    }
    servers.iter_mut().for_each(|server| came_up(server, snapshot));
    debug_assert!(next.generation >= snapshot.generation, "no primary comes back under its former number");
    debug_assert!(
        next.primary.is_none_or(|id| servers.iter().any(|server| server.id == id)),
        "the primary is a server"
    );
    debug_assert!(servers.iter().all(|server| server.id.0 < next.next_id), "no id is given twice");
    next.servers = servers.into_iter().map(|server| reuse(snapshot, server)).collect();
    if next != *snapshot {
        next.version += 1;
        next.roles_version += u64::from(!same_roles(snapshot, &next));
    }
    next
}

/// Notes the version with which a server came up, or another process of it answers. That changes a role.
fn came_up(server: &mut Server, before: &Snapshot) {
    let life = |server: &Server| server.facts.as_ref().map(|facts| facts.life.clone());
    let old = before.server(server.id).filter(|old| old.health == Health::Up);
    if server.health == Health::Up && old.is_none_or(|old| life(old) != life(server)) {
        server.up_since = before.roles_version + 1;
    }
}

/// Sets since when there is no primary because the last one gave up its role, if another one is to be
/// expected.
fn wait_for_primary(next: &mut Snapshot, servers: &[Server], now_ms: u64) {
    let last = servers.iter().find(|s| Some(s.id) == next.last_primary);
    let gave_up = last.is_some_and(|s| s.is_up_read_only() || (s.health == Health::Up && s.deleting));
    let waits = next.primary.is_none() && gave_up && servers.len() > 1 && !next.maintenance.read_only;
    next.lost_at_ms = waits.then(|| next.lost_at_ms.unwrap_or(now_ms));
    let waited = |since| Duration::from_millis(now_ms.saturating_sub(since));
    next.grace_over = next.lost_at_ms.is_some_and(|since| waited(since) >= next.grace);
}

/// Updates the trail of the primary. `answer` is the primary's answer, if this event is one.
fn follow(before: &Snapshot, next: &mut Snapshot, servers: &[Server], answer: Option<&Facts>, now_ms: u64) {
    let Some(primary) = next.primary.and_then(|id| servers.iter().find(|s| s.id == id)) else { return };
    if next.primary != before.primary
        && let Some(old) = before.server(primary.id).filter(|old| old.health == Health::Up && old.missed == 0)
        && let Some(facts) = old.facts.as_ref().filter(|facts| facts.gtid_on)
    {
        next.trail.take_over(primary.id, &facts.gtid, now_ms, next.max_lag);
    }
    match answer {
        Some(facts) if facts.gtid_on => {
            let round_trip_ms = u64::try_from(facts.round_trip.as_millis()).unwrap_or(u64::MAX);
            let between = (now_ms.saturating_sub(round_trip_ms.saturating_add(1)), now_ms);
            next.trail.note(primary.id, &facts.gtid, between, next.max_lag);
        }
        Some(_) => next.trail.forget(),
        None => {}
    }
}

fn answer(event: &Event) -> Option<&Facts> {
    match event {
        Event::Probe { outcome: ProbeOutcome::Facts(facts) | ProbeOutcome::Member(facts, _), .. } => {
            Some(facts)
        }
        _ => None,
    }
}

/// True if the snapshots differ only in what `Snapshot::roles_version` ignores.
fn same_roles(before: &Snapshot, after: &Snapshot) -> bool {
    let still = Snapshot {
        version: before.version,
        servers: before.servers.clone(),
        trail: before.trail.clone(),
        ..after.clone()
    };
    let servers = before.servers.iter().zip(after.servers.iter());
    still == *before
        && before.servers.len() == after.servers.len()
        && servers.into_iter().all(|(old, new)| Arc::ptr_eq(old, new) || same_role(old, new))
}

fn same_role(old: &Server, new: &Server) -> bool {
    let mut still = Server {
        missed: old.missed,
        last_error: old.last_error.clone(),
        lag: old.lag,
        freshness: old.freshness,
        stalled_since_ms: old.stalled_since_ms,
        held: old.held.clone(),
        ..new.clone()
    };
    if let (Some(still), Some(old)) = (&mut still.facts, &old.facts) {
        still.gtid = old.gtid.clone();
        still.binlog_state = old.binlog_state.clone();
        still.round_trip = old.round_trip;
        still.occupied = old.occupied;
        still.tls = old.tls;
        if let (Some(still), Some(old)) = (&mut still.replication, &old.replication) {
            still.lag = old.lag;
        }
    }
    still == *old
}

/// Reuses the old allocation of a server that did not change, so that comparing is cheap.
fn reuse(snapshot: &Snapshot, server: Server) -> Arc<Server> {
    match snapshot.server(server.id) {
        Some(old) if **old == server => old.clone(),
        _ => Arc::new(server),
    }
}

/// Applies a complete list of servers in its order. A server is identified by name, address and uid: what is
/// known about one server must not be assumed of another.
fn discovered(servers: &[Server], list: &[Discovered], next_id: &mut u32) -> Vec<Server> {
    let mut next: Vec<Server> = Vec::with_capacity(list.len());
    for found in list {
        if next.iter().any(|s| s.name == found.name) {
            continue;
        }
        let is_known = |s: &&Server| s.name == found.name && s.address == found.address && s.uid == found.uid;
        let known = servers.iter().find(is_known);
        let mut server = match known {
            Some(server) => server.clone(),
            None => Server::new(new_id(next_id), found.name.clone(), found.address.clone()),
        };
        server.label = found.label;
        server.deleting = found.deleting;
        server.drain = found.drain;
        server.weight = found.weight;
        server.zone = found.zone.clone();
        server.uid = found.uid.clone();
        server.tls_names = found.tls_names.clone();
        next.push(server);
    }
    next
}

/// Records when the label became `Primary`. A pod that got another address keeps its time. If the last primary
/// left the list and is back, it counts as labelled before all others.
fn labelled(server: &mut Server, before: &Snapshot, is_back: bool, now: (u64, u64)) {
    let same_pod = |old: &&Arc<Server>| !old.uid.is_empty() && old.uid == server.uid;
    let old = before.server(server.id).or_else(|| before.servers.iter().find(same_pod));
    server.unlabelled = match old {
        _ if server.label != Some(Label::Replica) => None,
        Some(old) if old.label == Some(Label::Primary) => Some(before.generation),
        Some(old) => old.unlabelled,
        None => None,
    };
    server.labelled = match old {
        _ if server.label != Some(Label::Primary) => None,
        Some(old) if old.label == server.label => old.labelled,
        None if is_back => None,
        _ => Some(now),
    };
}

fn new_id(next_id: &mut u32) -> ServerId {
    let id = ServerId(*next_id);
    *next_id += 1;
    id
}

/// Applies the outcome of a probe. Returns the id of the server, which is a new one if another server
/// answered.
fn probed(
    servers: &mut [Server],
    id: ServerId,
    outcome: &ProbeOutcome,
    next: &mut Snapshot,
    now_ms: u64,
) -> Option<ServerId> {
    // A probe of a server that has since been removed or replaced is ignored.
    let server = servers.iter_mut().find(|s| s.id == id)?;
    match outcome {
        ProbeOutcome::Facts(facts) => answered(server, facts, None, &mut next.next_id, now_ms),
        ProbeOutcome::Member(facts, member) => {
            answered(server, facts, Some(*member), &mut next.next_id, now_ms)
        }
        ProbeOutcome::Timeout => {
            let was_down = server.health == Health::Down;
            missed(server, "no answer within the probe's time");
            server.silent |= !was_down && server.health == Health::Down;
        }
        ProbeOutcome::Refused(error) => missed(server, error),
        ProbeOutcome::Barred { error, told } => {
            // Its connection was opened to the server that was probed before; an answer that names another one is of no use.
            let known = told.as_deref().zip(server.facts.as_ref());
            let told = known
                .filter(|(told, known)| !is_other_server(known, told))
                .map(|(told, known)| merged(known, told));
            if told.is_some() || server.health == Health::Up || is_back(server, next) {
                barred(server, error, told);
            } else {
                missed(server, error);
            }
        }
        ProbeOutcome::Unreachable(error) => {
            down(server, error);
            server.silent = false;
        }
        ProbeOutcome::Lost(error) => {
            server.silent |= server.health != Health::Down;
            down(server, error);
        }
    }
    Some(server.id)
}

fn answered(server: &mut Server, facts: &Facts, member: Option<Member>, next_id: &mut u32, now_ms: u64) {
    if server.facts.as_ref().is_some_and(|old| is_other_server(old, facts)) {
        // Same address, other data: it gets a new identity and keeps nothing that was known of the old
        // server.
        let fresh = Server::new(new_id(next_id), server.name.clone(), server.address.clone());
        let Server { label, labelled, unlabelled, deleting, drain, weight, .. } = *server;
        let (zone, uid, tls_names) = (server.zone.take(), server.uid.clone(), server.tls_names.clone());
        *server =
            Server { label, labelled, unlabelled, deleting, drain, weight, zone, uid, tls_names, ..fresh };
    }
    let mut facts = facts.clone();
    if let Some(old) = &server.facts {
        if facts.life.began_again(&old.life) {
            // Its data may be older than before: it may have been restored.
            server.held = None;
        }
        facts.round_trip = steady(old.round_trip, facts.round_trip);
    }
    let replication = facts.replication.as_ref();
    server.stalled_since_ms = match replication {
        Some(r) if !r.receiving => Some(server.stalled_since_ms.unwrap_or(now_ms)),
        _ => None,
    };
    settle(server, facts);
    server.member = member;
    server.health = Health::Up;
    server.silent = false;
    server.missed = 0;
    server.last_error = None;
}

/// Takes facts for the server's, and follows its role.
fn settle(server: &mut Server, facts: Facts) {
    if elect::gives_up(&facts) {
        server.deposed = false;
    }
    let was_read_only = server.facts.as_ref().is_some_and(Facts::is_read_only);
    server.made_writable = !facts.is_read_only() && (server.made_writable || was_read_only);
    server.facts = Some(facts);
}

fn down(server: &mut Server, error: &Arc<str>) {
    server.health = Health::Down;
    server.missed = MISSED_UNTIL_DOWN;
    server.last_error = Some(error.clone());
}

/// It lives, and is what it was before but for what it told on another connection.
fn barred(server: &mut Server, error: &Arc<str>, told: Option<Facts>) {
    server.health = Health::Up;
    server.silent = false;
    server.missed = 0;
    if server.last_error.as_ref() != Some(error) {
        server.last_error = Some(error.clone());
    }
    if let Some(facts) = told {
        settle(server, facts);
    }
}

/// Adds to what is known what a server told any account: its role and its position.
fn merged(known: &Facts, told: &Facts) -> Facts {
    // From whom a server with another role replicates is not known any more.
    let has_moved = known.is_read_only() != told.is_read_only();
    let (replication, tells_replication) =
        if has_moved { (None, false) } else { (known.replication.clone(), known.tells_replication) };
    Facts {
        read_only: told.read_only,
        super_read_only: told.super_read_only,
        gtid: told.gtid.clone(),
        gtid_on: told.gtid_on,
        binlog_state: told.binlog_state.clone(),
        replication,
        tells_replication,
        ..known.clone()
    }
}

/// True if a server that was silent, and lets no probe in now, is what it was before: nothing proved that it had ended. It may have
/// lost its role meanwhile if another server is the primary now.
fn is_back(server: &Server, snapshot: &Snapshot) -> bool {
    let replaced = snapshot.primary.is_some_and(|primary| primary != server.id);
    server.silent && server.facts.as_ref().is_some_and(|facts| facts.is_read_only() || !replaced)
}

fn missed(server: &mut Server, error: &str) {
    server.missed = (server.missed + 1).min(MISSED_UNTIL_DOWN);
    if server.missed == MISSED_UNTIL_DOWN {
        server.health = Health::Down;
    }
    if server.last_error.as_deref() != Some(error) {
        server.last_error = Some(Arc::from(error));
    }
}

/// True if two answers come from different servers. An unknown (empty) identity proves nothing.
fn is_other_server(old: &Facts, new: &Facts) -> bool {
    let same_identity = old.identity.is_empty() || new.identity.is_empty() || old.identity == new.identity;
    !same_identity || new.life.is_of_another(&old.life)
}

fn steady(old: Duration, new: Duration) -> Duration {
    if new > old.saturating_mul(2) || new.saturating_mul(2) < old { new } else { old }
}
