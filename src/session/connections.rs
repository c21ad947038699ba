//! The session's server connections between two statements: the connections that it must keep, and the seats
//! in the pool where it parked the others.

use super::handle::Deed;
use super::request::Request;
use super::{Attached, Session};
use crate::backend::{Connection, InsertId, Leased, Seat};
use crate::net::{Runtime, Stream};
use crate::sql::Effects;
use crate::state::PinSet;
use crate::terms::Pin;
use crate::terms::{PerRole, Role};
use crate::topology::ServerId;

/// See the module.
pub struct Links<S: Stream> {
    /// The pinned connections, at most one for each role.
    kept: Option<Box<PerRole<Option<Leased<S>>>>>,
    /// The seats of parked connections. Another session may have stolen these since.
    seats: Vec<Seat<S>>,
}

impl<S: Stream> Default for Links<S> {
    fn default() -> Self {
        Links { kept: None, seats: Vec::new() }
    }
}

impl<S: Stream> Links<S> {
    fn take_kept(&mut self, role: Role) -> Option<Leased<S>> {
        self.kept.as_mut().and_then(|kept| kept.of_mut(role).take())
    }

    fn keep(&mut self, role: Role, leased: Leased<S>) {
        let kept = self.kept.get_or_insert_with(|| Box::new(PerRole { writer: None, reader: None }));
        *kept.of_mut(role) = Some(leased);
    }

    /// Removes and returns the seat of a parked connection to the primary, also to a former one.
    pub fn forget_writer_seat(&mut self) -> Option<Seat<S>> {
        let at = self.seats.iter().position(|seat| !seat.key().class.read_only)?;
        Some(self.seats.swap_remove(at))
    }

    /// Returns the server of the connection that is kept for a role.
    pub fn kept_on(&self, role: Role) -> Option<ServerId> {
        let kept = self.kept.as_ref().and_then(|kept| kept.of(role).as_ref());
        kept.map(|(connection, _)| connection.about.server)
    }
}

impl<R: Runtime> Session<R> {
    /// Takes the connection that is kept for this role, or else one that was parked at this server, unless it
    /// is lost. Returns true if a connection is in use now.
    #[inline]
    pub(super) fn take_own(&mut self, role: Role, server: ServerId) -> bool {
        if let Some((connection, seat)) = self.links.take_kept(role) {
            self.use_connection(role, connection, seat);
            return true;
        }
        let class = self.class(role);
        while let Some(at) = self.links.seats.iter().position(|seat| {
            let key = seat.key();
            key.server == server && key.class == class
        }) {
            let seat = self.links.seats.swap_remove(at);
            if let Some(mut connection) = self.context.pool.reclaim(&seat) {
                if let Some(legacy) = connection.legacy.take() {
                    legacy.revoke();
                }
                self.use_connection(role, connection, seat);
                return true;
            }
        }
        false
    }

    /// Takes the connection that the last statement ran on or, for a request that reads diagnostics, the one
    /// that has these. Returns false if it cannot be taken.
    pub(super) fn take_last(&mut self, role: Role, request: &Request) -> bool {
        let last = if request.class.effects.contains(Effects::READS_DIAGNOSTICS) {
            self.state.diagnostics.connection
        } else {
            self.state.last.connection
        };
        match last {
            Some((server, _)) if !self.keeps(role) => self.take_own(role, server),
            _ => false,
        }
    }

    /// Makes this the connection of the statement under way.
    #[inline]
    pub(super) fn use_connection(
        &mut self,
        role: Role,
        connection: Box<Connection<R::Stream>>,
        seat: Seat<R::Stream>,
    ) {
        let about = &connection.about;
        self.context.count_in(about.server);
        self.handle.kept(role).set(None);
        self.handle.deed.set(Deed::Reads);
        self.handle.attached.set(Some(Attached {
            server: about.server,
            generation: about.generation,
            thread_id: about.thread_id,
            read_only: about.class.read_only,
        }));
        self.role = role;
        self.backend = Some(connection);
        self.seat = Some(seat);
    }

    /// Puts the connection away after a statement: keeps it if something pins it, else parks it in the pool,
    /// or closes it if it must not be used again.
    #[inline]
    pub(super) fn release_after_statement(&mut self) {
        let ended = std::mem::take(&mut self.state.answer.ended);
        let attached = self.handle.attached.take();
        let (Some(connection), Some(seat)) = (self.backend.take(), self.seat.take()) else { return };
        let server = connection.about.server;
        self.context.count_out(server);
        if !self.handle.killing.get() {
            self.handle.demoted.set(None);
        }
        let unsent = !self.prelude.is_empty();
        let about = &connection.about;
        let left = !about.class.read_only && self.context.topology.has_left(about.generation);
        // A KILL that is under way must not hit another session's statement: the session keeps the connection
        // until the KILL is answered.
        let unpinned = self.state.pins.on(self.role).is_empty() && !self.handle.killing.get();
        let doubted = attached.is_some() && self.handle.doubted.get() == attached;
        // A connection that the server ended after a part of an answer is not parked: it might break only
        // after another session has taken it.
        let holds =
            self.state.pins.on(self.role).has(Pin::Transaction) || self.state.held(self.role).is_some();
        if unsent
            || (ended && !holds)
            || ((left || doubted) && unpinned)
            || !connection.is_between_exchanges()
            || (connection.closes_after_session && unpinned)
            || self.state.trackers.read_only_lost
        {
            self.prelude.clear();
            self.context.pool.vacate(connection, &seat);
            if self.state.pins.on(self.role).has(Pin::Transaction) {
                // The client must get the error for its transaction before anything else.
                *self.lost.of_mut(self.role) = true;
            } else {
                self.connection_gone(self.role);
            }
            return;
        }
        let other = if self.role == Role::Writer { Role::Reader } else { Role::Writer };
        let stale = self.state.diagnostics.stale.take() == Some(other);
        if self.is_kept_for_nothing(other) {
            self.park_kept(other, stale);
        }
        if !unpinned {
            self.handle.kept(self.role).set(attached);
            self.links.keep(self.role, (connection, seat));
            if left {
                // The signal was not raised while the statement was under way.
                self.handle.signal.raise(super::Signals::LOST);
            }
            return;
        }
        self.park(self.role, connection, seat);
    }

    /// Parks a connection in the pool, since nothing pins it.
    #[inline]
    fn park(&mut self, role: Role, mut connection: Box<Connection<R::Stream>>, seat: Seat<R::Stream>) {
        if role == Role::Writer && self.state.insert.id.get() == InsertId::OnConnection {
            connection.legacy = Some(self.state.insert.id.bequeath());
        }
        let asked_for = self.state.last.role == role && self.state.last.counted;
        self.context.pool.park(connection, &seat, asked_for);
        self.links.seats.push(seat);
    }

    /// Gives up the diagnostics on the other role's connection, since the next statement runs on this role's.
    /// Parks the other connection if nothing else pins it.
    pub(super) fn let_diagnostics_go(&mut self, role: Role) {
        let other = if role == Role::Writer { Role::Reader } else { Role::Writer };
        self.state.unpin(other, PinSet::of(&[Pin::Warnings, Pin::FoundRows]));
        if self.is_kept_for_nothing(other) {
            self.park_kept(other, true);
        }
    }

    /// Gives up the diagnostics on the reader's connection, and parks it if nothing else pins it. Returns
    /// false if something else does.
    pub(super) fn let_reader_go(&mut self) -> bool {
        self.state.unpin(Role::Reader, PinSet::of(&[Pin::Warnings, Pin::FoundRows]));
        if self.is_kept_for_nothing(Role::Reader) {
            self.park_kept(Role::Reader, true);
        }
        !self.keeps(Role::Reader)
    }

    fn is_kept_for_nothing(&self, role: Role) -> bool {
        let kept = self.handle.kept(role).get().is_some();
        kept && self.state.pins.on(role).is_empty() && !self.handle.killing.get()
    }

    /// Parks a kept connection that nothing pins any more, or closes it if it must not be used again.
    /// `stale`: its diagnostics are not those of the session's last statement.
    fn park_kept(&mut self, role: Role, stale: bool) {
        let kept = self.handle.kept(role).take();
        let Some((mut connection, seat)) = self.links.take_kept(role) else { return };
        connection.stale_diagnostics |= stale;
        let doubted = kept.is_some() && self.handle.doubted.get() == kept;
        if !doubted && !connection.closes_after_session && kept.is_some_and(|kept| self.context.is_good(kept))
        {
            self.park(role, connection, seat);
        } else {
            self.context.pool.vacate(connection, &seat);
            self.connection_gone(role);
        }
    }

    /// Closes the connection in use, because it is lost or must not be used any more. The client learns what
    /// this means for the session at its next statement.
    pub(super) fn server_lost(&mut self) {
        self.handle.attached.set(None);
        self.prelude.clear();
        if let (Some(mut connection), Some(seat)) = (self.backend.take(), self.seat.take()) {
            // Aborts the connection: a server that is cut off would otherwise receive the statement once the
            // network is back, although its generation is over.
            connection.stream.abort();
            self.context.count_out(connection.about.server);
            self.context.pool.vacate(connection, &seat);
            *self.lost.of_mut(self.role) = true;
        }
    }

    /// Closes kept connections whose servers are lost. Called while no statement uses them.
    pub(super) fn kept_lost(&mut self) {
        self.handle.signal.lower(super::Signals::LOST);
        for role in Role::BOTH {
            let lost = self.handle.kept(role).get().is_some_and(|kept| !self.context.is_good(kept));
            if lost && let Some((connection, seat)) = self.links.take_kept(role) {
                self.handle.kept(role).set(None);
                self.context.pool.vacate(connection, &seat);
                *self.lost.of_mut(role) = true;
                if let (Role::Writer, Some(journal)) = (role, &mut self.state.transaction.journal) {
                    journal.lost = true;
                }
            }
        }
    }

    /// Forgets what the session had on a connection that is gone.
    pub(super) fn connection_gone(&mut self, role: Role) {
        self.state.lost_connection(role);
        self.state.statements.lost_connection(role);
        if role == Role::Writer && self.state.insert.id.get() == InsertId::OnConnection {
            self.state.insert.id.set(InsertId::Lost);
        }
    }

    /// True if the session keeps a connection for this role.
    pub(super) fn keeps(&self, role: Role) -> bool {
        self.links.kept_on(role).is_some()
    }

    /// Releases all server connections, since the session ends or begins anew. If `fit` is false, the
    /// connections that are in use or pinned are closed.
    pub(super) async fn release(&mut self, fit: bool) {
        let unsent = !std::mem::take(&mut self.prelude).is_empty();
        self.handle.attached.set(None);
        if let (Some(connection), Some(seat)) = (self.backend.take(), self.seat.take()) {
            self.context.count_out(connection.about.server);
            let fit = fit && !unsent && !self.state.outlives_reset(self.role);
            self.give(connection, seat, fit).await;
        }
        for role in Role::BOTH {
            self.handle.kept(role).set(None);
            if let Some((connection, seat)) = self.links.take_kept(role) {
                let fit = fit && !self.state.outlives_reset(role);
                self.give(connection, seat, fit).await;
            }
        }
        for seat in self.links.seats.drain(..) {
            if let Some(mut connection) = self.context.pool.reclaim(&seat) {
                // The session does not need the insert id any more.
                connection.legacy.take();
                self.context.pool.park_for_others(connection, &seat);
            } else {
                self.context.pool.leave(&seat);
            }
        }
        self.lost = PerRole::default();
        Role::BOTH.iter().for_each(|role| self.state.lost_connection(*role));
    }

    /// Resets a connection that may have state of the session on it, and parks it for others. Closes the
    /// connection if a reset would not help, or is impossible in the middle of an answer.
    async fn give(&mut self, connection: Box<Connection<R::Stream>>, seat: Seat<R::Stream>, fit: bool) {
        let about = &connection.about;
        let doubted = |of: Attached| (of.server, of.thread_id) == (about.server, about.thread_id);
        if fit
            && !self.handle.killing.get()
            && !self.handle.doubted.get().is_some_and(doubted)
            && connection.is_between_exchanges()
            && !connection.closes_after_session
            && !self.state.trackers.read_only_lost
            && self.login.is_some()
        {
            Box::pin(self.context.pool.reset(connection, &seat)).await;
        } else {
            self.context.pool.vacate(connection, &seat);
        }
    }
}
