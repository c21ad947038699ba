//! A session's server connections: the connection that the statement under way uses, the pinned connections that the
//! session keeps between two statements, and the seats in the pool of the connections that the session parked. This
//! module does not decide where a statement goes.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

mod links;
mod open;
mod prepare;
mod pump;
mod send;
mod set_up;

use std::rc::Rc;

use crate::backend::{Carried, Class, Connection, InsertId, Seat, ServerError, ServerThread};
use crate::net::{Runtime, Stream};
use crate::state::{PinSet, SessionState};
use crate::terms::{PerRole, Pin, Role};
use crate::topology::ServerId;
use crate::worker::{Attached, DataAccess, Handle, Resources, Signals};

use links::{Links, shown};

pub use open::{Opened, Wanted};
pub use prepare::malformed_parameters;
pub use pump::{Pumped, ServerRead, StillReads};
pub use set_up::{Restored, SetUp};

/// See the module.
// `repr(C)` keeps this order: the fields that each statement touches come first, and share a few cache lines.
#[repr(C)]
pub struct Upstream<R: Runtime> {
    links: Links<R::Stream>,
    resources: Rc<Resources<R>>,
    handle: Rc<Handle>,
    /// Commands for a server connection that was just acquired. They are sent in front of the next statement,
    /// in the same write.
    pub prelude: Vec<u8>,
    /// The pins that the statement under way added to that connection.
    pub sent: PinSet,
    /// Whether that connection is the session's primary or its reader.
    pub role: Role,
    /// True if the connection for that role broke, or its server lost the role: what the session had there is
    /// gone.
    pub lost: PerRole<bool>,
    /// True if the primary refused the session's schema a moment ago, on a connection with another schema: the statement
    /// under way needs a connection without one.
    pub without_schema: bool,
    /// The snapshot's version at which the kept connections were last found usable.
    checked: PerRole<u64>,
    /// The last error with which a server refused the session's state.
    pub state_refused: Option<Box<ServerError>>,
}

impl<R: Runtime> Upstream<R> {
    /// Returns the upstream side of a session that has no server connection yet.
    pub fn new(resources: Rc<Resources<R>>, handle: Rc<Handle>) -> Self {
        Upstream {
            links: Links::default(),
            resources,
            handle,
            role: Role::Primary,
            sent: PinSet::default(),
            state_refused: None,
            without_schema: false,
            checked: PerRole::default(),
            lost: PerRole::default(),
            prelude: Vec::new(),
        }
    }

    /// Returns the server connection of the statement under way.
    #[inline]
    pub fn connection(&self) -> Option<&Connection<R::Stream>> {
        self.links.connection()
    }

    /// The same, to send on it or to read from it.
    #[inline]
    pub fn connection_mut(&mut self) -> Option<&mut Connection<R::Stream>> {
        self.links.connection_mut()
    }

    /// Returns the connection in use, and the commands that are sent in front of the next statement there.
    pub fn with_prelude(&mut self) -> Option<(&mut Connection<R::Stream>, &mut Vec<u8>)> {
        Some((self.links.connection_mut()?, &mut self.prelude))
    }

    /// Takes the connection that is kept for this role. If there is none, takes a parked connection to this server that
    /// is still alive and can have this state. Returns true if a connection is in use now.
    #[inline]
    pub fn take_own(&mut self, role: Role, server: ServerId, class: Class, wish: &Carried) -> bool {
        if let Some((connection, seat)) = self.take_kept(role) {
            self.use_connection(role, connection, seat);
            return true;
        }
        let mut unfit = None;
        while let Some(at) = self.links.seats.iter().position(|seat| {
            let key = seat.key();
            key.server == server && key.class == class
        }) {
            let seat = self.links.seats.swap_remove(at);
            if let Some(mut connection) = self.resources.pool.reclaim(&seat) {
                // The session's schema may be gone since the connection was parked.
                if !connection.can_become(wish) || (self.without_schema && connection.has_schema()) {
                    if connection.pending_insert_id.is_some() {
                        // The session must still ask it for the insert id.
                        self.resources.pool.park(connection, &seat, false);
                        unfit = Some(seat);
                    } else {
                        self.resources.pool.park_for_others(connection, &seat);
                    }
                    continue;
                }
                if let Some(pending) = connection.pending_insert_id.take() {
                    pending.revoke();
                }
                self.links.seats.extend(unfit);
                self.use_connection(role, connection, seat);
                return true;
            }
        }
        self.links.seats.extend(unfit);
        false
    }

    /// Checks the connection that is kept for this role, once for each snapshot. If its server is lost, closes the
    /// connection and returns false.
    #[inline]
    pub fn check_kept(&mut self, state: &mut SessionState, role: Role) -> bool {
        let version = self.resources.topology.version();
        if let Some(kept) = self.links.kept(role).map(shown)
            && *self.checked.of(role) != version
        {
            if !self.resources.is_good(kept) {
                self.kept_lost(state);
                return false;
            }
            *self.checked.of_mut(role) = version;
        }
        true
    }

    /// Makes this the connection of the statement under way.
    #[inline]
    pub fn use_connection(
        &mut self,
        role: Role,
        connection: Box<Connection<R::Stream>>,
        seat: Seat<R::Stream>,
    ) {
        debug_assert!(!self.keeps(role), "the kept connection is the one to use");
        self.handle.servers.data_access.set(DataAccess::Reads);
        self.role = role;
        self.begin_use((connection, seat));
    }

    /// Releases the connection after a statement: keeps it if something pins it, parks it in the pool otherwise, or
    /// closes it if it must not be used again.
    #[inline]
    pub fn release_after_statement(&mut self, state: &mut SessionState) {
        let ended = std::mem::take(&mut state.answer.ended);
        let Some((mut connection, seat)) = self.end_use() else { return };
        if !self.handle.servers.killing.get() {
            self.handle.servers.demoted.set(None);
        }
        let unsent = !self.prelude.is_empty();
        let about = &connection.about;
        let left = !about.class.read_only && self.resources.topology.has_left(about.generation);
        // A KILL that is under way must not hit another session's statement: the session keeps the connection
        // until the KILL is answered.
        let unpinned = state.pins.on(self.role).is_empty() && !self.handle.servers.killing.get();
        let doubted = self.handle.servers.doubted.get() == Some(shown(&connection));
        // A connection that the server ended after a part of an answer is not parked: it might break only
        // after another session has taken it.
        let holds = state.pins.on(self.role).has(Pin::Transaction) || state.held(self.role).is_some();
        if unsent
            || (ended && !holds)
            || ((left || doubted) && unpinned)
            || !connection.is_between_exchanges()
            || ((connection.closes_after_session || connection.stream.is_worn()) && unpinned)
            || state.trackers.read_only_lost
        {
            self.prelude.clear();
            if state.pins.on(self.role).has(Pin::Transaction) {
                self.resources.pool.vacate(connection, &seat);
                // The client must get the error for its transaction before anything else.
                *self.lost.of_mut(self.role) = true;
            } else {
                let can_tell = !unsent && !ended;
                self.close(state, self.role, connection, seat, can_tell);
            }
            return;
        }
        let other = if self.role == Role::Primary { Role::Replica } else { Role::Primary };
        let stale = state.diagnostics.stale.take() == Some(other);
        if self.is_kept_for_nothing(state, other) {
            self.park_kept(state, other, stale);
        }
        if !unpinned {
            self.keep(self.role, (connection, seat));
            if left {
                // The signal was not raised while the statement was under way.
                self.handle.signal.raise(Signals::LOST);
            }
            return;
        }
        self.park(state, self.role, connection, seat);
    }

    /// Closes a connection that nobody may use any more. `can_tell`: it would still answer. The session's insert id is asked for
    /// first, if only the connection knows it.
    fn close(
        &mut self,
        state: &mut SessionState,
        role: Role,
        mut connection: Box<Connection<R::Stream>>,
        seat: Seat<R::Stream>,
        can_tell: bool,
    ) {
        if can_tell {
            tells_insert_id(state, role, &mut connection);
        }
        state.connection_gone(role);
        self.resources.pool.vacate(connection, &seat);
    }

    /// Closes the connection in use, whose server answers and is not the primary any more.
    pub fn server_demoted(&mut self, state: &mut SessionState) {
        self.prelude.clear();
        let Some((mut connection, seat)) = self.end_use() else { return };
        if !state.pins.on(self.role).has(Pin::Transaction) {
            return self.close(state, self.role, connection, seat, true);
        }
        tells_insert_id(state, self.role, &mut connection);
        self.resources.pool.vacate(connection, &seat);
        *self.lost.of_mut(self.role) = true;
    }

    /// Parks a connection in the pool, since nothing pins it.
    #[inline]
    fn park(
        &mut self,
        state: &SessionState,
        role: Role,
        mut connection: Box<Connection<R::Stream>>,
        seat: Seat<R::Stream>,
    ) {
        if role == Role::Primary && state.insert.id.get() == InsertId::OnConnection {
            connection.pending_insert_id = Some(state.insert.id.link());
        }
        let asked_for = state.last.role == role && state.last.counted;
        self.resources.pool.park(connection, &seat, asked_for);
        self.links.seats.push(seat);
    }

    /// Gives up the diagnostics on the other role's connection, because the next statement runs on the connection for
    /// `role`. Parks the other connection if nothing else pins it.
    pub fn let_diagnostics_go(&mut self, state: &mut SessionState, role: Role) {
        let other = if role == Role::Primary { Role::Replica } else { Role::Primary };
        state.unpin(other, PinSet::of(&[Pin::Warnings, Pin::FoundRows]));
        if self.is_kept_for_nothing(state, other) {
            self.park_kept(state, other, true);
        }
    }

    /// Gives up the diagnostics on the reader's connection, and parks it if nothing else pins it. Returns
    /// false if something else does.
    pub fn let_replica_go(&mut self, state: &mut SessionState) -> bool {
        state.unpin(Role::Replica, PinSet::of(&[Pin::Warnings, Pin::FoundRows]));
        if self.is_kept_for_nothing(state, Role::Replica) {
            self.park_kept(state, Role::Replica, true);
        }
        !self.keeps(Role::Replica)
    }

    fn is_kept_for_nothing(&self, state: &SessionState, role: Role) -> bool {
        self.keeps(role) && state.pins.on(role).is_empty() && !self.handle.servers.killing.get()
    }

    /// Parks a kept connection that nothing pins any more, or closes it if it must not be used again.
    /// `stale`: its diagnostics are not those of the session's last statement.
    fn park_kept(&mut self, state: &mut SessionState, role: Role, stale: bool) {
        debug_assert!(state.pins.on(role).is_empty(), "nothing of the session is on it");
        let Some((mut connection, seat)) = self.take_kept(role) else { return };
        connection.stale_diagnostics |= stale;
        let kept = shown(&connection);
        let doubted = self.handle.servers.doubted.get() == Some(kept);
        if !doubted && !connection.closes_after_session && self.resources.is_good(kept) {
            self.park(state, role, connection, seat);
        } else {
            self.close(state, role, connection, seat, true);
        }
    }

    /// Closes the connection in use, because it is lost or must not be used any more. The client learns what
    /// this means for the session at its next statement.
    pub fn server_lost(&mut self) {
        self.prelude.clear();
        if let Some((mut connection, seat)) = self.end_use() {
            // Aborts the connection: a server that is cut off would otherwise receive the statement once the
            // network is back, although its generation is over.
            connection.stream.abort();
            self.resources.pool.vacate(connection, &seat);
            *self.lost.of_mut(self.role) = true;
        }
    }

    /// Closes kept connections whose servers are lost. Called while no statement uses them.
    pub fn kept_lost(&mut self, state: &mut SessionState) {
        self.handle.signal.lower(Signals::LOST);
        for role in Role::BOTH {
            let lost = self.links.kept(role).map(shown).is_some_and(|kept| !self.resources.is_good(kept));
            if lost && let Some((mut connection, seat)) = self.take_kept(role) {
                let about = &connection.about;
                let is_dead = self.resources.topology.get().has_lost(
                    about.server,
                    about.generation,
                    about.class.read_only,
                );
                if !is_dead && state.held(role).is_none() {
                    tells_insert_id(state, role, &mut connection);
                }
                self.resources.pool.vacate(connection, &seat);
                *self.lost.of_mut(role) = true;
                if let (Role::Primary, Some(journal)) = (role, &mut state.transaction.journal) {
                    journal.lost = true;
                }
            }
        }
    }

    /// Returns the server of the connection that is kept for a role.
    pub fn kept_on(&self, role: Role) -> Option<ServerId> {
        self.links.kept_on(role)
    }

    /// True if the connection that is kept for this role cannot get this state: it has a default schema, for example, which the
    /// session has dropped on the other server. A default schema can be changed, but not removed.
    pub fn kept_has_more(&self, role: Role, wish: &Carried) -> bool {
        self.links.kept(role).is_some_and(|kept| !kept.can_become(wish))
    }

    /// True if the session keeps this connection for this role.
    fn keeps_on(&self, role: Role, connection: Option<ServerThread>) -> bool {
        self.links.kept(role).is_some_and(|kept| Some(kept.about.thread()) == connection)
    }

    /// True if the session keeps a connection for this role.
    pub fn keeps(&self, role: Role) -> bool {
        self.links.kept_on(role).is_some()
    }

    /// Releases all server connections, since the session ends or begins anew: resets them for sessions with this
    /// character set. If `fit` is false, the connections that are in use or pinned are closed.
    pub async fn release(&mut self, state: &mut SessionState, fit: bool, collation: u16) {
        let unsent = !std::mem::take(&mut self.prelude).is_empty();
        if let Some((connection, seat)) = self.end_use() {
            let fit = fit && !unsent && !state.outlives_reset(self.role);
            self.give(state, connection, seat, fit, collation).await;
        }
        for role in Role::BOTH {
            self.handle.servers.unexplained.of(role).set(None);
            if let Some((connection, seat)) = self.take_kept(role) {
                let fit = fit && !state.outlives_reset(role);
                self.give(state, connection, seat, fit, collation).await;
            }
        }
        for seat in self.links.seats.drain(..) {
            if let Some(mut connection) = self.resources.pool.reclaim(&seat) {
                // The session does not need the insert id any more.
                connection.pending_insert_id.take();
                Box::pin(self.resources.pool.reset(connection, &seat, collation)).await;
            } else {
                self.resources.pool.leave(&seat);
            }
        }
        debug_assert!(self.connection().is_none() && !Role::BOTH.into_iter().any(|role| self.keeps(role)));
        self.lost = PerRole::default();
        Role::BOTH.iter().for_each(|role| state.lost_connection(*role));
    }

    /// Resets a connection that may have state of the session on it, and parks it for others. Closes the
    /// connection if a reset would not help, or is impossible in the middle of an answer.
    async fn give(
        &mut self,
        state: &SessionState,
        mut connection: Box<Connection<R::Stream>>,
        seat: Seat<R::Stream>,
        fit: bool,
        collation: u16,
    ) {
        let about = &connection.about;
        let doubted = |of: Attached| (of.server, of.thread_id) == (about.server, about.thread_id);
        if fit
            && !self.handle.servers.killing.get()
            && !self.handle.servers.doubted.get().is_some_and(doubted)
            && connection.is_between_exchanges()
            && !connection.closes_after_session
            && !state.trackers.read_only_lost
            && self.handle.login.borrow().is_some()
        {
            Box::pin(self.resources.pool.reset(connection, &seat, collation)).await;
        } else {
            if fit && connection.closes_after_session && connection.is_between_exchanges() {
                connection.quit_now();
            }
            self.resources.pool.vacate(connection, &seat);
        }
    }
}

/// Has a connection that is about to be closed tell the session's insert id, if only this connection knows it.
fn tells_insert_id<S: Stream>(state: &SessionState, role: Role, connection: &mut Connection<S>) {
    let knows = role == Role::Primary
        && state.insert.id.get() == InsertId::OnConnection
        && state.insert.connection == Some(connection.about.thread());
    // The id that a transaction generated is generated again where the transaction runs again.
    let is_of_before = !state.pins.on(role).has(Pin::Transaction)
        || state.transaction.journal.as_ref().is_some_and(|journal| journal.lacks_insert_id_of_before());
    if knows && is_of_before && connection.is_between_exchanges() {
        connection.pending_insert_id = Some(state.insert.id.link());
    }
}
