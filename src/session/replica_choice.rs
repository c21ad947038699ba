//! Chooses the replica for a session's reads: a replica that has the session's own writes, in the proxy's own
//! zone if possible, with the least load. Keeps the replica of the last read as long as nothing speaks
//! against it.

use std::time::Duration;

use tokio::time::Instant;

use super::barrier::Freshness;
use super::request::Request;
use super::{Context, Session};
use crate::config::Level;
use crate::net::Runtime;
use crate::routing::{Decision, Want, choose_replica, route};
use crate::sql::Effects;
use crate::state::{PinSet, Written};
use crate::terms::Why;
use crate::terms::{Pin, Port};
use crate::topology::{Server, ServerId, Snapshot};

/// A session keeps its replica, without a look at others, while the replica has fewer statements of this
/// worker under way than this.
const BUSY: usize = 4;

/// While the session's replica is busy, one read in this many looks for a better replica.
const OFTEN: u8 = 8;

/// The least time for which a replica is avoided after it failed.
const EJECTED: Duration = Duration::from_millis(200);

impl<R: Runtime> Session<R> {
    /// Returns the replica for this read; None if there is none.
    #[inline]
    pub(super) fn reader_server(&mut self) -> Option<ServerId> {
        let versions = self.context.topology.versions();
        if !matches!(self.freshness, Freshness::Unasked) && self.reader_at == versions.roles {
            // The replica for this statement is already chosen.
            return self.reader;
        }
        self.reads = self.reads.wrapping_add(1);
        if self.reads == 0 {
            // Chooses anew now and then, so that sessions that last for days are spread, too.
            self.reader = None;
        }
        if let Some(server) = self.reader
            && self.reader_at == versions.roles
            && matches!(self.state.written, Written::Nothing)
            && !self.looks_around(server)
        {
            return Some(server);
        }
        let snapshot = self.context.topology.get();
        let server = self.choose_reader(&snapshot, &[])?;
        (self.reader, self.reader_at) = (Some(server), versions.roles);
        self.forget_writes(&snapshot);
        Some(server)
    }

    /// True if this read should check whether another replica is better than the session's.
    #[inline]
    pub(super) fn looks_around(&self, reader: ServerId) -> bool {
        self.looks_around_at(self.reads, reader)
    }

    /// Like `looks_around`, for the read with this number.
    #[inline]
    pub(super) fn looks_around_at(&self, number: u8, reader: ServerId) -> bool {
        number.is_multiple_of(OFTEN) && (number == 0 || self.context.load(reader) >= BUSY)
    }

    /// True if the server is fresh enough to answer the statement under way, by what the statement has asked
    /// so far.
    pub(super) fn is_fresh(&self, server: &Server, snapshot: &Snapshot) -> bool {
        match &self.freshness {
            Freshness::Position(position) => self.context.asking.has(server, position, snapshot),
            Freshness::Ahead(batch) => {
                batch.expected().is_some_and(|position| self.context.asking.has(server, &position, snapshot))
            }
            Freshness::On(node) => server.id == *node,
            Freshness::Primary | Freshness::Diverted(_) => false,
            Freshness::Unasked => {
                let checks = self.port == Port::Split
                    && self.level_now.needs_own_writes()
                    && !matches!(self.state.written, Written::Nothing);
                (!checks || self.state.written.is_on(server))
                    && (self.level_now != Level::Session
                        || self.is_behind_nothing(server.id, snapshot.roles_version))
            }
        }
    }

    /// Returns the replicas that must not answer the statement under way.
    pub(super) fn not_fresh(&self, snapshot: &Snapshot) -> Vec<ServerId> {
        if self.level_now > Level::Session {
            return Vec::new();
        }
        snapshot
            .replicas()
            .filter(|server| !self.is_fresh(server, snapshot))
            .map(|server| server.id)
            .collect()
    }

    /// Chooses a replica by the snapshot and the load. On a replica port, may return the primary if no
    /// replica fits.
    pub(super) fn choose_reader(&self, snapshot: &Snapshot, tried: &[ServerId]) -> Option<ServerId> {
        let context = &self.context;
        let live = context.live.borrow();
        let mut avoid = tried.to_vec();
        context.add_ejected(&mut avoid);
        let random = context.random();
        let load = |id| context.load(id);
        let fits = |server: &Server| self.is_fresh(server, snapshot);
        // Prefers the session's replica while it serves: the connection is open there, and the statements are
        // prepared.
        if let Some(server) = self.reader
            && self.reader_at == snapshot.roles_version
            && !avoid.contains(&server)
            && load(server) < BUSY
            && snapshot.server(server).is_some_and(|s| s.serves_reads && s.weight > 0 && fits(s))
        {
            return Some(server);
        }
        let zone = live.replicas.zone.as_deref();
        let chosen = choose_replica(snapshot, random, &avoid, zone, fits, load)
            // A replica that failed a moment ago is better than none.
            .or_else(|| choose_replica(snapshot, random, tried, zone, fits, load));
        if chosen.is_some() || self.port == Port::Split {
            return chosen;
        }
        // `route` does not know what the read must see, so exclude the replicas that are not fresh enough.
        avoid.clear();
        avoid.extend_from_slice(tried);
        avoid.extend(self.not_fresh(snapshot));
        match route(context.want(self.port, super::Role::Reader), snapshot, random, &avoid, load) {
            Decision::Go { server, .. } => Some(server),
            _ => None,
        }
    }

    /// True if this read must go to the primary, because the connection that is kept on a replica (for a
    /// cursor or the like) lacks what the read must see.
    #[inline]
    pub(super) fn keeps_behind(&self, request: &Request) -> bool {
        let nothing = matches!(self.state.written, Written::Nothing);
        if (nothing && matches!(self.freshness, Freshness::Unasked)) || self.port != Port::Split {
            return false;
        }
        let own_writes = self.level_now.needs_own_writes();
        let Some(server) = self.links.kept_on(super::Role::Reader) else { return false };
        own_writes && self.is_free(request) && {
            let snapshot = self.context.topology.get();
            snapshot.server(server).is_some_and(|server| !self.is_fresh(server, &snapshot))
        }
    }

    /// True if this read does not need the state that is kept on a replica.
    pub(super) fn is_free(&self, request: &Request) -> bool {
        let effects = request.class.effects;
        let aside = PinSet::of(&[Pin::Cursor, Pin::LongData, Pin::Warnings, Pin::FoundRows]);
        let mut pins = self.state.pins.on(super::Role::Reader).without(aside);
        if effects.contains(Effects::BEGINS_READ_ONLY) {
            // The statement ends the transaction that is open on the replica.
            pins = pins.without(PinSet::of(&[Pin::Transaction]));
        }
        let follows = Effects::READS_DIAGNOSTICS | Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
        self.port == Port::Split
            && pins.is_empty()
            && self.bound_to(request).is_none()
            && !effects.intersects(follows)
    }

    /// Returns what to do about a read, in the form that `route` returns.
    pub(super) fn decide_reader(&self, snapshot: &Snapshot, tried: &[ServerId]) -> Decision {
        match self.choose_reader(snapshot, tried) {
            Some(server) => Decision::Go { server, reason: crate::routing::Reason::ReplicaPort },
            None => match self.context.want(self.port, super::Role::Reader) {
                Want::Reader { or_writer: true } if snapshot.writer.is_none() => Decision::WaitForWriter,
                _ => Decision::NoReplica,
            },
        }
    }

    /// Returns why a read finds no replica.
    pub(super) fn why_no_reader(&self) -> Why {
        let some_serves = self.context.topology.get().replicas().next().is_some();
        let asked = !matches!(self.state.written, Written::Nothing)
            || !matches!(self.freshness, Freshness::Unasked)
            || self.level_now == Level::Session;
        if some_serves && asked { Why::NotFresh } else { Why::NoReplica }
    }

    /// Forgets the session's writes once all replicas have them, so that reads need no more checks.
    pub(super) fn forget_writes(&mut self, snapshot: &Snapshot) {
        if let Written::These(_) = &self.state.written
            // Includes replicas that do not serve now: they may serve again without the writes.
            && snapshot
                .servers
                .iter()
                .filter(|s| snapshot.writer != Some(s.id) && s.weight > 0)
                .all(|s| self.state.written.is_on(s))
        {
            self.state.written = Written::Nothing;
        }
    }
}

impl<R: Runtime> Context<R> {
    /// Avoids a replica that failed a read or a connect for a moment, until a probe has seen the failure.
    pub(super) fn eject(&self, server: ServerId) {
        let pause = (self.live.borrow().monitor.interval * 2).max(EJECTED);
        self.ejected.borrow_mut().push((server, Instant::now() + pause));
    }

    pub(super) fn add_ejected(&self, avoid: &mut Vec<ServerId>) {
        let mut ejected = self.ejected.borrow_mut();
        if !ejected.is_empty() {
            let now = Instant::now();
            ejected.retain(|(_, until)| *until > now);
            avoid.extend(ejected.iter().map(|(server, _)| *server));
        }
    }
}
