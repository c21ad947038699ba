//! What a worker knows about each of its sessions, and the signal that wakes a session.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::admission::Pass;
use super::level::Levels;
use super::timeouts::Stall;
use crate::backend::Login;
use crate::config::{ClientCompression, Level, Networks};
use crate::net::{ClientTls, Peer, Signal};
use crate::sql::digest::Digest;
use crate::terms::{PerRole, Port, Role, Unexplained};
use crate::topology::ServerId;

/// Bits of a session's signal.
pub struct Signals;

impl Signals {
    /// The process is draining: what has no natural end, such as a replication stream, ends now.
    pub const DRAIN: u16 = 1;
    /// A KILL of the connection: end now.
    pub const KILLED: u16 = 1 << 1;
    /// A server connection that the session has is lost, or must not be used any more.
    pub const LOST: u16 = 1 << 2;
    /// `timeouts.idle` is over.
    pub const IDLE: u16 = 1 << 3;
    /// `timeouts.login` is over.
    pub const LOGIN: u16 = 1 << 4;
    /// The drain's time is over: end now.
    pub const END: u16 = 1 << 5;
    /// A statement has been under way for a while: check whether the client's connection is broken.
    pub const LOOK: u16 = 1 << 6;
    /// The client was silent for a while during a drain: end, unless something is unfinished.
    pub const LEAVE: u16 = 1 << 7;
    /// `timeouts.client_read` or `timeouts.client_write` is over: the client made no progress for so long.
    pub const STALLED: u16 = 1 << 8;
}

/// A server connection that a session has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// The server of the connection.
    pub server: ServerId,
    /// The generation in which the connection was opened.
    pub generation: u64,
    /// What `CONNECTION_ID()` returns on the connection.
    pub thread_id: u32,
    /// True if the connection was opened for reads.
    pub read_only: bool,
}

/// The port to which a client connected.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// The mode of the port.
    pub port: Port,
    /// The listener's name.
    pub listener: Arc<str>,
    /// True if clients may log in with mysql_native_password.
    pub native_password: bool,
    /// The compression that clients may ask for.
    pub compression: ClientCompression,
    /// The peers whose connections begin with a PROXY header.
    pub proxy_protocol_from: Networks,
}

/// What a statement under way can do to the primary's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataAccess {
    /// The statement changes nothing that another server would lack.
    #[default]
    Reads,
    /// The statement changes rows, or commits, as a whole or not at all.
    Writes,
    /// The statement calls a procedure: several steps, perhaps with the rights of the definer.
    Calls,
    /// The statement is DDL or is not understood: perhaps several steps.
    Others,
}

/// The server connections that a session has, and what is being done to them from outside the session.
#[derive(Debug, Default)]
// `repr(C)` keeps this order, see `Handle`.
#[repr(C)]
pub struct Servers {
    /// The server connection of the command under way.
    attached: Cell<Option<Attached>>,
    /// What the statement under way does to the primary's data; `Reads` until it is sent.
    pub data_access: Cell<DataAccess>,
    /// True if a KILL for the command under way is on its way to the server. It may arrive after the command,
    /// and must not hit another session's command.
    pub killing: Cell<bool>,
    /// Server connections that the session keeps between statements: to the primary, and to a replica.
    kept: PerRole<Cell<Option<Attached>>>,
    /// Why the session's connections may have state that nobody saw, as of the last statements there.
    pub unexplained: PerRole<Cell<Option<Unexplained>>>,
    /// The connection on which the proxy itself ended, or tries to end, the statement under way: its server
    /// lost the primary's role.
    pub demoted: Cell<Option<Attached>>,
    /// The connection for which a KILL got no answer in time. The KILL may still arrive, so no other session
    /// may get this connection.
    pub doubted: Cell<Option<Attached>>,
}

impl Servers {
    /// Returns the server connection of the command under way.
    #[inline]
    pub fn attached(&self) -> Option<Attached> {
        self.attached.get()
    }

    /// Returns the connection that the session keeps for this role.
    pub fn kept(&self, role: Role) -> Option<Attached> {
        self.kept.of(role).get()
    }

    /// Shows the connection that the session has taken into use, or that it has none. Only `upstream::links` calls this.
    #[inline]
    pub fn show_in_use(&self, connection: Option<Attached>) {
        self.attached.set(connection);
    }

    /// Shows the connection that the session keeps for this role, or that it keeps none. Only `upstream::links` calls
    /// this.
    #[inline]
    pub fn show_kept(&self, role: Role, connection: Option<Attached>) {
        self.kept.of(role).set(connection);
    }

    /// True if the proxy itself ended, or tries to end, the statement under way.
    #[inline]
    pub fn was_interrupted(&self) -> bool {
        let demoted = self.demoted.get();
        demoted.is_some() && demoted == self.attached.get()
    }

    /// Returns all server connections that the session has now.
    pub fn bound(&self) -> impl Iterator<Item = Attached> {
        [self.attached.get(), self.kept.primary.get(), self.kept.replica.get()].into_iter().flatten()
    }
}

/// See the module.
#[derive(Debug)]
// `repr(C)` keeps this order: the fields that each statement touches come first, and share a few cache lines.
#[repr(C)]
pub struct Handle {
    /// Wakes the session.
    pub signal: Signal,
    /// When the statement under way arrived, or the last one.
    pub began: Cell<Instant>,
    /// The digest of the statement under way, or of the last one. None: the command has no text.
    pub statement: RefCell<Option<Rc<Digest>>>,
    /// The default schema, as of the last answer.
    pub schema: RefCell<Option<Rc<[u8]>>>,
    /// What keeps the session on its connections, as of the last answer: a bit for the index of each `Pin`.
    pub pins: Cell<PerRole<u32>>,
    /// The worker's second of the session's last activity.
    pub active: Cell<u32>,
    /// The worker's second that looks at the session's silence. 0: none does.
    pub silent_until: Cell<u32>,
    /// The level of the session's reads. Follows from `levels`, the user, the listener and the current
    /// settings.
    pub level: Cell<Level>,
    /// True if a command is under way.
    pub busy: Cell<bool>,
    /// True if the worker's next second looks at the session.
    pub watched: Cell<bool>,
    /// The consistency levels that the session chose itself.
    pub levels: Cell<Levels>,
    /// The session's server connections.
    pub servers: Servers,
    /// What the command under way waits for the client to do, if it waits. Set by `Stall::begin`, so that somebody looks.
    pub stall: Cell<Option<Stall>>,
    /// The connection id that the client was greeted with.
    pub id: u32,
    /// The account, once the client is logged in.
    pub login: RefCell<Option<Rc<Login>>>,
    /// The connection attributes of the client that servers get, encoded. None: it sent none.
    pub attributes: RefCell<Option<Rc<[u8]>>>,
    /// What is known of the client's TLS connection. Empty: it is not encrypted.
    pub tls: OnceCell<Box<ClientTls>>,
    /// The client's address: of its socket, or, once it is read, of its PROXY header.
    pub peer: Cell<Peer>,
    /// The client's admission.
    pub pass: RefCell<Pass>,
    /// The port to which the client connected.
    pub entrance: Entrance,
}

impl Handle {
    /// Creates the handle of a session that begins.
    pub fn new(id: u32, now: u32, entrance: Entrance, pass: Pass) -> Self {
        Handle {
            id,
            entrance,
            peer: Cell::new(pass.peer()),
            tls: OnceCell::new(),
            pass: RefCell::new(pass),
            levels: Cell::default(),
            level: Cell::new(Level::Strong),
            signal: Signal::default(),
            servers: Servers::default(),
            login: RefCell::new(None),
            attributes: RefCell::new(None),
            busy: Cell::new(true),
            began: Cell::new(Instant::now()),
            statement: RefCell::new(None),
            schema: RefCell::new(None),
            pins: Cell::default(),
            active: Cell::new(now),
            stall: Cell::new(None),
            watched: Cell::default(),
            silent_until: Cell::default(),
        }
    }
}

/// A KILL that is on its way. If dropped without an answer, it leaves its connection in doubt.
pub struct KillUnderWay<'a>(&'a Handle, Option<Attached>);

impl<'a> KillUnderWay<'a> {
    /// Notes that a KILL for what runs on this connection is sent.
    pub fn begin(handle: &'a Handle, of: Attached) -> Self {
        handle.servers.killing.set(true);
        KillUnderWay(handle, Some(of))
    }

    /// Notes that the server answered the KILL.
    pub fn answered(mut self) {
        self.1 = None;
    }
}

impl Drop for KillUnderWay<'_> {
    fn drop(&mut self) {
        self.0.servers.killing.set(false);
        if self.1.is_some() {
            self.0.servers.doubted.set(self.1);
        }
    }
}
