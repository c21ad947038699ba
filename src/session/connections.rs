//! The session's server connections between two statements: those that it must keep, and
//! the seats in the pool where it left the others.

use super::handle::Deed;
use super::pins::PinSet;
use super::request::Request;
use super::{Attached, Session};
use crate::backend::{Connection, InsertId, Leased, Seat};
use crate::net::{Runtime, Stream};
use crate::routing::{PerRole, Role};
use crate::sql::Effects;
use crate::telemetry::Pin;
use crate::topology::ServerId;

/// See the module.
pub struct Links<S: Stream> {
    /// Pinned, one for each role.
    kept: Option<Box<PerRole<Option<Leased<S>>>>>,
    /// Where connections were parked. Another session may have taken them since.
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

    /// Takes the seat of a parked connection to the primary out, whatever primary that is.
    pub fn forget_writer_seat(&mut self) -> Option<Seat<S>> {
        let at = self.seats.iter().position(|seat| !seat.key().class.read_only)?;
        Some(self.seats.swap_remove(at))
    }

    /// The server of the connection that is kept for a role.
    pub fn kept_on(&self, role: Role) -> Option<ServerId> {
        let kept = self.kept.as_ref().and_then(|kept| kept.of(role).as_ref());
        kept.map(|(connection, _)| connection.about.server)
    }
}

impl<R: Runtime> Session<R> {
    /// Takes the connection that is kept for this role, or the one that was parked at this server, unless it is
    /// lost. True: it is in use now.
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

    /// Takes the connection that the last statement ran on.
    pub(super) fn take_last(&mut self, role: Role, request: &Request) -> bool {
        let last = if request.class.effects.contains(Effects::READS_DIAGNOSTICS) {
            self.state.diagnostics_connection
        } else {
            self.state.last_connection
        };
        match last {
            Some((server, _)) if !self.keeps(role) => self.take_own(role, server),
            _ => false,
        }
    }

    /// The statement under way runs on this connection.
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

    /// The statement is done: its connection is kept, or left in the pool.
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
        // A KILL that is on its way must not meet another session's statement: the connection stays until then.
        let unpinned = self.state.pins.on(self.role).is_empty() && !self.handle.killing.get();
        let doubted = attached.is_some() && self.handle.doubted.get() == attached;
        // What the server ended behind a part of an answer may break only when another session has it.
        let holds =
            self.state.pins.on(self.role).has(Pin::Transaction) || self.state.held(self.role).is_some();
        if unsent
            || (ended && !holds)
            || ((left || doubted) && unpinned)
            || !connection.is_between_exchanges()
            || (connection.closes_after_session && unpinned)
            || self.state.read_only_lost
        {
            self.prelude.clear();
            self.context.pool.vacate(connection, &seat);
            if self.state.pins.on(self.role).has(Pin::Transaction) {
                // The client has to hear of it before anything else.
                *self.lost.of_mut(self.role) = true;
            } else {
                self.connection_gone(self.role);
            }
            return;
        }
        let other = if self.role == Role::Writer { Role::Reader } else { Role::Writer };
        let stale = self.state.stale_diagnostics.take() == Some(other);
        if self.is_kept_for_nothing(other) {
            self.park_kept(other, stale);
        }
        if !unpinned {
            self.handle.kept(self.role).set(attached);
            self.links.keep(self.role, (connection, seat));
            if left {
                // It was not told while the statement was under way.
                self.handle.signal.raise(super::Signals::LOST);
            }
            return;
        }
        self.park(self.role, connection, seat);
    }

    /// Nothing keeps this connection: it waits in the pool.
    #[inline]
    fn park(&mut self, role: Role, mut connection: Box<Connection<R::Stream>>, seat: Seat<R::Stream>) {
        if role == Role::Writer && self.state.insert_id.get() == InsertId::OnConnection {
            connection.legacy = Some(self.state.insert_id.bequeath());
        }
        let asked_for = self.state.last == role && self.state.counted;
        self.context.pool.park(connection, &seat, asked_for);
        self.links.seats.push(seat);
    }

    /// The next statement runs on this role's connection: what the other keeps of the last one is not asked for.
    pub(super) fn let_diagnostics_go(&mut self, role: Role) {
        let other = if role == Role::Writer { Role::Reader } else { Role::Writer };
        self.state.unpin(other, PinSet::of(&[Pin::Warnings, Pin::FoundRows]));
        if self.is_kept_for_nothing(other) {
            self.park_kept(other, true);
        }
    }

    /// The same for the replica's own, which this statement ends as well. False: something else keeps it.
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

    /// What pinned the other connection has ended.
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

    /// The connection in use is lost or must not be spoken to: lets it go. What that means for the session is
    /// said to the client at its next statement.
    pub(super) fn server_lost(&mut self) {
        self.handle.attached.set(None);
        self.prelude.clear();
        if let (Some(mut connection), Some(seat)) = (self.backend.take(), self.seat.take()) {
            // Cut off, it would get the statement when the cut is mended, and its generation is over.
            connection.stream.abort();
            self.context.count_out(connection.about.server);
            self.context.pool.vacate(connection, &seat);
            *self.lost.of_mut(self.role) = true;
        }
    }

    /// While no statement is under way: lets go what is kept on servers that are lost.
    pub(super) fn kept_lost(&mut self) {
        self.handle.signal.lower(super::Signals::LOST);
        for role in Role::BOTH {
            let lost = self.handle.kept(role).get().is_some_and(|kept| !self.context.is_good(kept));
            if lost && let Some((connection, seat)) = self.links.take_kept(role) {
                self.handle.kept(role).set(None);
                self.context.pool.vacate(connection, &seat);
                *self.lost.of_mut(role) = true;
                if let (Role::Writer, Some(journal)) = (role, &mut self.state.journal) {
                    journal.lost = true;
                }
            }
        }
    }

    /// What was on a connection that is gone is gone with it.
    pub(super) fn connection_gone(&mut self, role: Role) {
        self.state.lost_connection(role);
        self.state.statements.lost_connection(role);
        if role == Role::Writer && self.state.insert_id.get() == InsertId::OnConnection {
            self.state.insert_id.set(InsertId::Lost);
        }
    }

    /// Whether the session keeps a connection for this role.
    pub(super) fn keeps(&self, role: Role) -> bool {
        self.links.kept_on(role).is_some()
    }

    /// The session ends, or begins anew: its connections are for others. `fit` unless an answer is under way.
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
                // Nobody asks for the insert id any more.
                connection.legacy.take();
                self.context.pool.park_for_others(connection, &seat);
            } else {
                self.context.pool.leave(&seat);
            }
        }
        self.lost = PerRole::default();
        Role::BOTH.iter().for_each(|role| self.state.lost_connection(*role));
    }

    /// A connection that may have something on it is reset, and closed where a reset does not help; mid-answer it
    /// cannot even be told.
    async fn give(&mut self, connection: Box<Connection<R::Stream>>, seat: Seat<R::Stream>, fit: bool) {
        let about = &connection.about;
        let doubted = |of: Attached| (of.server, of.thread_id) == (about.server, about.thread_id);
        if fit
            && !self.handle.killing.get()
            && !self.handle.doubted.get().is_some_and(doubted)
            && connection.is_between_exchanges()
            && !connection.closes_after_session
            && !self.state.read_only_lost
            && self.login.is_some()
        {
            Box::pin(self.context.pool.reset(connection, &seat)).await;
        } else {
            self.context.pool.vacate(connection, &seat);
        }
    }
}
