//! The session's server connections by their place: in use, kept for a role, parked. What the rest of the process knows of them
//! (KILL, `/sessions`, the number of connections of a server that are in use) is written here and nowhere else, as a connection
//! changes its place.

use crate::backend::{Connection, Leased, Seat};
use crate::net::{Runtime, Stream};
use crate::terms::{PerRole, Role};
use crate::topology::ServerId;
use crate::upstream::Upstream;
use crate::worker::Attached;

/// See the module.
pub struct Links<S: Stream> {
    /// The connection of the statement under way, with its place in the pool.
    in_use: Option<Leased<S>>,
    /// The pinned connections, at most one for each role.
    kept: Option<Box<PerRole<Option<Leased<S>>>>>,
    /// The seats of parked connections. Another session may have stolen these connections since.
    pub(super) seats: Vec<Seat<S>>,
}

impl<S: Stream> Default for Links<S> {
    fn default() -> Self {
        Links { in_use: None, kept: None, seats: Vec::new() }
    }
}

impl<S: Stream> Links<S> {
    /// Returns the connection in use.
    #[inline]
    pub(super) fn connection(&self) -> Option<&Connection<S>> {
        self.in_use.as_ref().map(|(connection, _)| &**connection)
    }

    /// Returns the connection in use, to send on it or to read from it.
    #[inline]
    pub(super) fn connection_mut(&mut self) -> Option<&mut Connection<S>> {
        self.in_use.as_mut().map(|(connection, _)| &mut **connection)
    }

    /// Removes and returns the seat of a parked connection to the primary, also to a former one.
    pub(super) fn forget_primary_seat(&mut self) -> Option<Seat<S>> {
        let at = self.seats.iter().position(|seat| !seat.key().class.read_only)?;
        Some(self.seats.swap_remove(at))
    }

    /// Returns the connection that is kept for a role.
    pub(super) fn kept(&self, role: Role) -> Option<&Connection<S>> {
        let kept = self.kept.as_ref().and_then(|kept| kept.of(role).as_ref());
        kept.map(|(connection, _)| &**connection)
    }

    /// The same, to use it.
    pub(super) fn kept_mut(&mut self, role: Role) -> Option<&mut Connection<S>> {
        let kept = self.kept.as_mut().and_then(|kept| kept.of_mut(role).as_mut());
        kept.map(|(connection, _)| &mut **connection)
    }

    /// Returns the server of the connection that is kept for a role.
    pub(super) fn kept_on(&self, role: Role) -> Option<ServerId> {
        self.kept(role).map(|connection| connection.about.server)
    }
}

impl<R: Runtime> Upstream<R> {
    /// Takes a connection into use, which nobody else has.
    #[inline]
    pub(super) fn begin_use(&mut self, leased: Leased<R::Stream>) {
        debug_assert!(self.links.in_use.is_none(), "one statement, one connection");
        debug_assert!(leased.0.is_between_exchanges(), "nobody waits for an answer on it");
        let shown = shown(&leased.0);
        self.resources.count_in(shown.server);
        self.handle.servers.show_in_use(Some(shown));
        self.links.in_use = Some(leased);
    }

    /// Takes the connection out of use: whoever calls this parks, keeps or closes it.
    #[inline]
    pub(super) fn end_use(&mut self) -> Option<Leased<R::Stream>> {
        let leased = self.links.in_use.take()?;
        self.handle.servers.show_in_use(None);
        self.resources.count_out(leased.0.about.server);
        Some(leased)
    }

    /// Keeps a connection for a role.
    pub(super) fn keep(&mut self, role: Role, leased: Leased<R::Stream>) {
        debug_assert!(!self.keeps(role), "one role, one connection");
        self.handle.servers.show_kept(role, Some(shown(&leased.0)));
        let kept = self.links.kept.get_or_insert_with(|| Box::new(PerRole { primary: None, replica: None }));
        *kept.of_mut(role) = Some(leased);
    }

    /// Returns the connection that was kept for a role, and keeps it no longer.
    #[inline]
    pub(super) fn take_kept(&mut self, role: Role) -> Option<Leased<R::Stream>> {
        let leased = self.links.kept.as_mut()?.of_mut(role).take()?;
        self.handle.servers.show_kept(role, None);
        Some(leased)
    }
}

/// Returns what the rest of the process knows of a connection.
#[inline]
pub(super) fn shown<S: Stream>(connection: &Connection<S>) -> Attached {
    let about = &connection.about;
    Attached {
        server: about.server,
        generation: about.generation,
        thread_id: about.thread_id,
        read_only: about.class.read_only,
    }
}
