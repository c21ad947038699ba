//! What a worker knows of each of its sessions, and how it speaks to one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::admission::Pass;
use super::budget::Budget;
use super::level::Levels;
use super::pieces::Piece;
use super::timeouts::Stall;
use crate::backend::Login;
use crate::config::Level;
use crate::net::{Peer, Signal};
use crate::routing::{PerRole, Role};
use crate::telemetry::Port;
use crate::topology::ServerId;

/// Bits of a session's signal.
pub struct Signals;

impl Signals {
    /// The process is ending: what has no boundary ends now.
    pub const DRAIN: u16 = 1;
    /// KILL: end now.
    pub const KILLED: u16 = 1 << 1;
    /// The server that the session is attached to is lost, or must not be spoken to any more.
    pub const LOST: u16 = 1 << 2;
    /// `timeouts.idle` is over.
    pub const IDLE: u16 = 1 << 3;
    /// `timeouts.login` is over.
    pub const LOGIN: u16 = 1 << 4;
    /// The drain's time is over: end now.
    pub const END: u16 = 1 << 5;
    /// A statement has been under way for a while: look whether the client is still there.
    pub const LOOK: u16 = 1 << 6;
    /// Silent for a while when the process is ending: end, unless something is unfinished.
    pub const LEAVE: u16 = 1 << 7;
    /// `timeouts.client_read` or `timeouts.client_write` is over: the client came no further for so long.
    pub const STALLED: u16 = 1 << 8;
}

/// The server connection that a session has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// Whose.
    pub server: ServerId,
    /// The generation that it was opened in.
    pub generation: u64,
    /// What `CONNECTION_ID()` answers on it.
    pub thread_id: u32,
    /// Opened for a replica port.
    pub read_only: bool,
}

/// Where a client came in.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// The mode of the port.
    pub port: Port,
    /// The listener's name.
    pub listener: Arc<str>,
    /// Whether clients may log in by mysql_native_password.
    pub native_password: bool,
}

/// What a statement under way can do to the primary's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deed {
    /// Nothing that another server would lack.
    #[default]
    Reads,
    /// It changes rows, or commits, as a whole or not at all.
    Writes,
    /// A procedure: several steps, with the rights of whoever defined it.
    Calls,
    /// Definitions, or something that is not understood: perhaps several steps.
    Others,
}

/// See the module.
#[derive(Debug)]
pub struct Handle {
    /// The connection id that the client was greeted with.
    pub id: u32,
    /// Where it came in.
    pub entrance: Entrance,
    /// Where it comes from.
    pub peer: Peer,
    /// Its right to be here.
    pub(super) pass: RefCell<Pass>,
    /// The levels that it chose itself,
    pub(super) levels: Cell<Levels>,
    /// and the one that its reads have, as follows from these, its user, its listener and the settings of now.
    pub(super) level: Cell<Level>,
    /// How to wake it.
    pub signal: Signal,
    /// The server connection that a command under way has.
    pub attached: Cell<Option<Attached>>,
    /// Server connections that it keeps between its statements: to the primary, and to a replica.
    kept: PerRole<Cell<Option<Attached>>>,
    /// Whose it is, once logged in.
    pub login: RefCell<Option<Rc<Login>>>,
    /// Which part of its text the statement under way is.
    pub(super) piece: Cell<Piece>,
    /// A command is under way.
    pub busy: Cell<bool>,
    /// The server that was lost with it.
    pub(super) lost_on: Cell<Option<ServerId>>,
    /// When that came.
    pub(super) began: Cell<Instant>,
    /// How long it has waited for servers.
    pub(super) budget: Budget,
    /// What that does, as far as it was sent.
    pub(super) deed: Cell<Deed>,
    /// The proxy itself ended, or tries to end, what is under way on this connection: its server lost the primary's role.
    pub(super) demoted: Cell<Option<Attached>>,
    /// A KILL is on its way to the server for the command under way: it may arrive after that, and must not meet
    /// another session's.
    pub killing: Cell<bool>,
    /// Of this connection a KILL had no answer in time. It may arrive whenever, so nobody else is to have it.
    pub doubted: Cell<Option<Attached>>,
    /// The worker's tick of its last sign of life, in seconds.
    pub active: Cell<u32>,
    /// What of the client a command waits for now, if it has to wait.
    pub(super) stall: Cell<Option<Stall>>,
}

impl Handle {
    /// What it keeps for this role.
    pub(super) fn kept(&self, role: Role) -> &Cell<Option<Attached>> {
        self.kept.of(role)
    }

    /// All server connections that are bound to it now.
    pub(super) fn bound(&self) -> impl Iterator<Item = Attached> {
        [self.attached.get(), self.kept.writer.get(), self.kept.reader.get()].into_iter().flatten()
    }

    pub(super) fn new(id: u32, now: u32, entrance: Entrance, pass: Pass) -> Self {
        Handle {
            id,
            entrance,
            peer: pass.peer(),
            pass: RefCell::new(pass),
            levels: Cell::default(),
            level: Cell::new(Level::Strong),
            signal: Signal::default(),
            attached: Cell::new(None),
            kept: Default::default(),
            login: RefCell::new(None),
            piece: Cell::default(),
            busy: Cell::new(true),
            lost_on: Cell::new(None),
            began: Cell::new(Instant::now()),
            budget: Budget::default(),
            deed: Cell::default(),
            demoted: Cell::new(None),
            killing: Cell::new(false),
            doubted: Cell::new(None),
            active: Cell::new(now),
            stall: Cell::new(None),
        }
    }
}
