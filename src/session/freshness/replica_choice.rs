//! Chooses the replica for a session's reads: a replica that has the session's own writes, in the proxy's own
//! zone if possible, with the least load. Keeps the replica of the last read as long as nothing speaks
//! against it.

use std::cell::Cell;
use std::rc::Rc;

use crate::client::RequestHead;
use crate::config::{Fallback, Level};
use crate::net::Runtime;
use crate::policy::{Act, Reading, Unasked};
use crate::routing::{Decision, Want, choose_replica, is_worth_a_move, route};
use crate::session::context::Context;
use crate::session::fresh::{Freshness, Needed};
use crate::sql::Effects;
use crate::state::{SessionState, Written};
use crate::terms::{Pin, Port, Role, StatementKind, Why};
use crate::topology::{GtidSet, Health, Server, ServerId, Snapshot};
use crate::wire::Command;

/// A session keeps its replica, without a look at others, while the replica has fewer statements of this
/// worker under way than this.
const BUSY: usize = 4;

/// While the session's replica is busy, one read in this many looks for a better replica.
const OFTEN: u8 = 8;

/// The effects of statements whose answer does not depend on any position: those that only the connection of the last
/// statement can answer, and those that read no table.
const WITHOUT_POSITION: Effects = Effects::READS_DIAGNOSTICS
    .union(Effects::READS_ROW_COUNT)
    .union(Effects::READS_FOUND_ROWS)
    .union(Effects::READS_NO_TABLE);

/// Which servers answered the reads of a session: a later read must not see less than an earlier one.
#[derive(Debug, Default)]
pub struct AnsweringServers {
    /// The replica of the last read.
    pub replica: Option<ServerId>,
    /// The lower half of the snapshot's `roles_version` at that read. A replica that has been up since then was not rebuilt,
    /// since a replica that is rebuilt is down meanwhile.
    pub roles: u32,
    /// True if something was read since then from the primary, or at a weaker level from another replica.
    pub primary: bool,
}

/// Where a session's reads go.
pub struct Reads<R: Runtime> {
    context: Rc<Context<R>>,
    port: Port,
    /// The consistency level of the statement under way.
    pub level: Level,
    /// The number of the session's reads; after 255 it begins again at 0.
    pub number: u8,
    /// The server chosen for the session's last read. None: the next read chooses anew.
    pub replica: Option<ServerId>,
    /// The snapshot's `roles_version` at that choice.
    pub chosen_at: u64,
    /// True if the session's last look at other replicas spoke for a move.
    doubted: Cell<bool>,
    /// Which servers answered the session's reads.
    pub seen: AnsweringServers,
}

impl<R: Runtime> Reads<R> {
    /// Returns the reads of a session that has not read yet.
    pub fn new(context: Rc<Context<R>>, port: Port) -> Self {
        Reads {
            context,
            port,
            level: Level::Strong,
            number: 0,
            replica: None,
            chosen_at: 0,
            doubted: Cell::new(false),
            seen: AnsweringServers::default(),
        }
    }

    /// Begins a statement with these effects. Its level is what its comment asks for, otherwise the session's.
    #[inline]
    pub fn begin(&mut self, effects: Effects, session: Level) {
        self.level = hinted(effects).unwrap_or(session);
    }

    /// True if this statement, which a replica should run, must pass the barrier first.
    #[inline]
    pub fn must_ask(
        &self,
        why: Why,
        request: &RequestHead,
        freshness: &Freshness,
        state: &SessionState,
    ) -> bool {
        // Most statements are done here: at weaker levels nothing else is looked at.
        if self.level > Level::Session {
            return false;
        }
        let effects = request.class.effects;
        // The tables of a COM_STMT_PREPARE or a COM_FIELD_LIST must have reached the replica, too.
        let names_tables = matches!(
            request.command,
            Command::Query | Command::StmtExecute | Command::StmtPrepare | Command::FieldList
        );
        let act = match request.class.kind {
            _ if !names_tables || why == Why::LooksBack || effects.intersects(WITHOUT_POSITION) => {
                Act::Nothing
            }
            StatementKind::Session => Act::Nothing,
            _ if effects.intersects(Effects::BEGINS | Effects::BEGINS_READ_ONLY) => Act::Begins,
            StatementKind::Transaction => Act::Controls,
            _ => Act::Reads,
        };
        let reading = Reading {
            level: self.level,
            asked: !matches!(freshness, Freshness::Unasked),
            act,
            inside: why == Why::Transaction || state.pins.on(Role::Replica).has(Pin::Transaction),
            could_go_back: self.level == Level::Session && self.could_go_back(),
            wrote: self.port == Port::Split && matches!(state.written, Written::These(_)),
        };
        reading.needs_position()
    }

    /// Records that this server, in this role, answered a statement; `rows`: with rows.
    #[inline]
    pub fn note_seen(&mut self, server: ServerId, role: Role, rows: bool, freshness: &Freshness) {
        let on_primary = self.context.topology.primary() == Some(server);
        if on_primary && matches!(freshness, Freshness::Diverted(_)) {
            // The next read looks for a replica again.
            self.replica = None;
        }
        if role == Role::Replica && !on_primary {
            let roles = self.context.topology.versions().roles;
            let chosen = self.replica == Some(server);
            let roles = if chosen { self.chosen_at } else { roles };
            let seen = AnsweringServers { replica: Some(server), roles: half(roles), primary: false };
            if self.level > Level::Session && (self.seen.primary || self.seen.replica.is_some()) {
                // A read at a weaker level does not pass the barrier: on another replica it may have seen
                // more than the reads before it, or less.
                let same = (self.seen.replica, self.seen.roles) == (seen.replica, seen.roles);
                self.seen.primary |= !same;
            } else {
                self.seen = seen;
            }
        } else if rows {
            self.seen.primary = true;
        }
    }
    /// Returns the replica for a read that needs this freshness; None if there is none.
    #[inline]
    pub fn server(&mut self, written: &mut Written, freshness: &Freshness) -> Option<ServerId> {
        let versions = self.context.topology.versions();
        if !matches!(freshness, Freshness::Unasked) && self.chosen_at == versions.roles {
            // The replica for this statement is already chosen.
            return self.replica;
        }
        self.number = self.number.wrapping_add(1);
        if self.number == 0 && self.replica.is_some_and(|own| self.context.load(own) < BUSY) {
            // The session chooses anew now and then, so that sessions that last for days are spread, too. On a busy
            // replica the looks at other replicas do that.
            self.replica = None;
        }
        if let Some(server) = self.replica
            && self.chosen_at == versions.roles
            && matches!(written, Written::Nothing)
            && !self.looks_around(server)
        {
            return Some(server);
        }
        let snapshot = self.context.topology.get();
        let server = self.choose(&Needed { written, freshness }, &snapshot, &[])?;
        (self.replica, self.chosen_at) = (Some(server), versions.roles);
        self.forget_writes(written, &snapshot);
        Some(server)
    }

    /// True if this read should check whether another replica is better than the session's.
    #[inline]
    pub fn looks_around(&self, replica: ServerId) -> bool {
        self.looks_around_at(self.number, replica)
    }

    /// Like `looks_around`, for the read with this number.
    #[inline]
    pub fn looks_around_at(&self, number: u8, replica: ServerId) -> bool {
        number.is_multiple_of(OFTEN) && (number == 0 || self.context.load(replica) >= BUSY)
    }

    /// True if the server is fresh enough for a read that needs this.
    pub fn is_fresh(&self, needed: &Needed<'_>, server: &Server, snapshot: &Snapshot) -> bool {
        match needed.freshness {
            Freshness::Position(position) => self.context.positions.has(server, position, snapshot),
            Freshness::Ahead(batch) => batch
                .expected()
                .is_some_and(|position| self.context.positions.has(server, &position, snapshot)),
            Freshness::On(node) => server.id == *node,
            Freshness::Primary | Freshness::Diverted(_) => false,
            Freshness::Unasked => {
                let splits = self.port == Port::Split;
                // Only compared where it matters.
                let compares = splits && self.level.needs_own_writes();
                Unasked {
                    level: self.level,
                    splits,
                    has_writes: !compares || needed.written.is_on(server),
                    behind_nothing: self.is_behind_nothing(server.id, snapshot),
                }
                .is_fresh()
            }
        }
    }

    /// Returns the replicas that must not answer a read that needs this.
    pub fn not_fresh(&self, needed: &Needed<'_>, snapshot: &Snapshot) -> Vec<ServerId> {
        if self.level > Level::Session {
            return Vec::new();
        }
        snapshot
            .replicas()
            .filter(|server| !self.is_fresh(needed, server, snapshot))
            .map(|server| server.id)
            .collect()
    }

    /// Chooses a replica by the snapshot and the load. On a replica port, may return the primary if no
    /// replica fits.
    pub fn choose(&self, needed: &Needed<'_>, snapshot: &Snapshot, tried: &[ServerId]) -> Option<ServerId> {
        let context = &self.context;
        let live = context.live.borrow();
        let mut avoid = tried.to_vec();
        context.add_ejected(&mut avoid);
        let random = context.random();
        let load = |id| context.load(id);
        let fits = |server: &Server| self.is_fresh(needed, server, snapshot);
        let own = self.replica.filter(|own| self.chosen_at == snapshot.roles_version && !avoid.contains(own));
        let own = own.and_then(|own| snapshot.server(own));
        let own = own.filter(|own| own.serves_reads && own.weight > 0 && fits(own));
        if let Some(own) = own.filter(|own| load(own.id) < BUSY) {
            return Some(own.id);
        }
        let zone = live.replicas.zone.as_deref();
        let best = choose_replica(snapshot, random, &avoid, zone, fits, load);
        if let (Some(own), Some(best)) = (own, best.and_then(|best| snapshot.server(best))) {
            // Statements come and go in bursts, so the session moves only if two looks in a row speak for it.
            let was_doubted = self.doubted.replace(is_worth_a_move(own, best, zone, load));
            if !(was_doubted && self.doubted.take()) {
                return Some(own.id);
            }
        }
        // A replica that failed a moment ago is better than none.
        let chosen = best.or_else(|| choose_replica(snapshot, random, tried, zone, fits, load));
        if chosen.is_some() || self.port == Port::Split {
            return chosen;
        }
        // `route` does not know what the read must see, so exclude the replicas that are not fresh enough.
        avoid.clear();
        avoid.extend_from_slice(tried);
        avoid.extend(self.not_fresh(needed, snapshot));
        match route(context.want(self.port, Role::Replica), snapshot, random, &avoid, load) {
            Decision::Go { server, .. } => Some(server),
            _ => None,
        }
    }

    /// Returns what to do about a read, in the form that `route` returns.
    pub fn decide(&self, needed: &Needed<'_>, snapshot: &Snapshot, tried: &[ServerId]) -> Decision {
        match self.choose(needed, snapshot, tried) {
            Some(server) => Decision::Go { server, reason: crate::routing::Reason::ReplicaPort },
            None => match self.context.want(self.port, Role::Replica) {
                Want::Replica { or_primary: true } if snapshot.primary.is_none() => Decision::WaitForPrimary,
                _ => Decision::NoReplica,
            },
        }
    }

    /// Returns why a read finds no replica.
    pub fn why_none(&self, needed: &Needed<'_>) -> Why {
        let some_serves = self.context.topology.get().replicas().next().is_some();
        let asked = !matches!(needed.written, Written::Nothing)
            || !matches!(needed.freshness, Freshness::Unasked)
            || self.level == Level::Session;
        if some_serves && asked { Why::NotFresh } else { Why::NoReplica }
    }

    /// Forgets the session's writes once all replicas have them, so that reads need no more checks.
    pub fn forget_writes(&self, written: &mut Written, snapshot: &Snapshot) {
        if let Written::These(_) = written
            // Includes replicas that do not serve now: they may serve again without the writes.
            && snapshot
                .servers
                .iter()
                .filter(|s| snapshot.primary != Some(s.id) && s.weight > 0)
                .all(|s| written.is_on(s))
        {
            *written = Written::Nothing;
        }
    }

    /// True if the replica that the session would read from may lack what its earlier reads have seen.
    #[inline]
    pub fn could_go_back(&self) -> bool {
        let Some(replica) = self.seen.replica else { return self.seen.primary };
        self.seen.primary
            || (self.seen.roles != half(self.context.topology.versions().roles)
                && !self.was_up(replica, &self.context.topology.get()))
            // Without a primary, nobody can say whether another replica would do.
            || (self.looks_around_at(self.number.wrapping_add(1), replica)
                && self.context.topology.primary().is_some())
    }

    /// True if the replica has been up since the session's last read.
    #[cold]
    fn was_up(&self, replica: ServerId, snapshot: &Snapshot) -> bool {
        let now = half(snapshot.roles_version);
        let age = |version: u32| now.wrapping_sub(version);
        snapshot.server(replica).is_some_and(|server| {
            server.health == Health::Up && age(self.seen.roles) <= age(half(server.up_since))
        })
    }

    /// True if a read from this server, without the barrier, cannot see less than the session's earlier
    /// reads.
    pub fn is_behind_nothing(&self, server: ServerId, snapshot: &Snapshot) -> bool {
        !self.seen.primary
            && self.seen.replica.is_none_or(|seen| {
                seen == server
                    && (self.seen.roles == half(snapshot.roles_version) || self.was_up(server, snapshot))
            })
    }

    /// Chooses a replica that is fresh enough. Returns false if there is none.
    pub fn choose_fresh(&mut self, needed: &Needed<'_>, snapshot: &Snapshot) -> bool {
        if let Some(replica) = self.replica
            && self.chosen_at == snapshot.roles_version
            && !self.looks_around(replica)
            && let Some(server) = snapshot.server(replica)
            && server.serves_reads
            && self.is_fresh(needed, server, snapshot)
        {
            return true;
        }
        let chosen = self.choose(needed, snapshot, &[]);
        let serves = |server: &Server| server.serves_reads && self.is_fresh(needed, server, snapshot);
        let chosen = chosen.filter(|id| snapshot.server(*id).is_some_and(|s| serves(s)));
        if chosen.is_some() {
            (self.replica, self.chosen_at) = (chosen, snapshot.roles_version);
        }
        chosen.is_some()
    }

    /// True if the primary must not answer the session's reads.
    pub fn has_no_primary(&self) -> bool {
        self.port == Port::Replica && self.context.live.borrow().replicas.fallback == Fallback::None
    }

    /// Returns a replica that is worth waiting for. None: a wait for each of them just failed, or would be in
    /// vain.
    pub fn worth_waiting_for(&self, snapshot: &Snapshot, position: Option<&Rc<GtidSet>>) -> Option<ServerId> {
        let context = &self.context;
        let zone = context.live.borrow().replicas.zone.clone();
        // If the primary may not answer instead, a replica that does not follow the primary yet is waited
        // for, too.
        let fits = |server: &Server| match position.filter(|_| !self.has_no_primary()) {
            Some(position) => !context.positions.is_in_vain(server, position, snapshot),
            None => !context.positions.is_behind(server, snapshot),
        };
        let is_usable = |id| snapshot.server(id).is_some_and(|s| s.serves_reads && s.weight > 0 && fits(s));
        let mut avoid = Vec::new();
        context.add_ejected(&mut avoid);
        if let Some(own) = self.replica
            && self.chosen_at == snapshot.roles_version
            && !self.looks_around(own)
            && is_usable(own)
        {
            // One wait for many reads costs less than one on each replica. But one replica must not draw all reads.
            let most = context.load(own).max(BUSY);
            let serves = |id| is_usable(id) && !avoid.contains(&id) && context.load(id) <= most;
            let shared = position.and_then(|position| context.positions.waited_for(position, own, serves));
            return Some(shared.unwrap_or(own));
        }
        let load = |id| context.load(id);
        choose_replica(snapshot, context.random(), &avoid, zone.as_deref(), fits, load)
    }
}

/// Returns the lower half of a version: enough to detect a change, and sessions stay small.
pub(in crate::session) fn half(version: u64) -> u32 {
    let [a, b, c, d, ..] = version.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Returns the level that the statement's comment asks for; the strictest, if it asks for several.
pub(in crate::session) fn hinted(effects: Effects) -> Option<Level> {
    match effects & Effects::HINT_LEVELS {
        hints if hints.is_empty() => None,
        hints if hints.contains(Effects::HINT_STRONG) => Some(Level::Strong),
        hints if hints.contains(Effects::HINT_SESSION) => Some(Level::Session),
        hints if hints.contains(Effects::HINT_BOUNDED) => Some(Level::Bounded),
        _ => Some(Level::Eventual),
    }
}
