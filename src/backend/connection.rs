//! One authenticated server connection: its properties, the session state that was set on it, and the
//! outstanding answers to the proxy's own commands.

mod diagnostics;
mod left;
mod schema;
mod settling;
mod text_statements;
mod trackers;

use std::cell::Cell;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::carried::Onto;
use super::{Carried, PendingInsertId, Permit, ServerError, Statements};
use crate::net::{Encrypted, Stream};
use crate::telemetry::WorkerMetrics;
use crate::topology::{Flavor, ServerId};
use crate::wire::{Capabilities, StatusFlags, frame_with};

pub use diagnostics::RefusedCommand;
use left::LoginRole;
use schema::{RefusedSchema, frame_init_db};

pub use left::Left;
pub use settling::{Settled, SwallowError};

/// The properties in which connections must agree to be interchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class {
    /// The flags of `Capabilities::CLASS` that the client asked for.
    pub capabilities: Capabilities,
    /// True for a connection under `SET SESSION TRANSACTION READ ONLY`, as replica ports need it.
    pub read_only: bool,
}

/// The properties of a connection that never change.
#[derive(Debug)]
pub struct About {
    /// The server.
    pub server: ServerId,
    /// The generation of the snapshot that the server was chosen from.
    pub generation: u64,
    /// The account.
    pub user: Arc<str>,
    /// See `Class`.
    pub class: Class,
    /// MySQL or MariaDB.
    pub flavor: Flavor,
    /// The capability flags agreed with the server.
    pub capabilities: Capabilities,
    /// True if a session begins with autocommit on the server. (MySQL's status flags show autocommit even if it is off by
    /// default.)
    pub autocommit: bool,
    /// True if a reset leaves the connection as a login does, see `Target`.
    pub resets: bool,
    /// True if a login sets no variable but by its flags: no `init_connect`, and no MAX_STATEMENT_TIME of the account.
    pub has_defaults: bool,
    /// What `CONNECTION_ID()` returns on the connection.
    pub thread_id: u32,
}

/// Counts an open connection in the metrics, until dropped.
#[derive(Debug)]
struct OpenStatements(Arc<WorkerMetrics>);

impl Drop for OpenStatements {
    fn drop(&mut self) {
        self.0.server_connections.sub(1);
    }
}

/// The statements that a session prepared with PREPARE.
pub type TextStatements = Rc<[TextStatement]>;

/// A statement prepared with PREPARE. Its text has no backslashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextStatement {
    /// The name, in lower case.
    pub name: Rc<[u8]>,
    /// The text, without quotes around it.
    pub text: Arc<[u8]>,
    /// The state at PREPARE: its schema, character set and SQL mode count.
    pub under: Rc<Carried>,
}

/// The savepoint that identifies a transaction in every binary log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The savepoint's name, which is globally unique.
    pub name: u128,
    /// When the savepoint was written. The COMMIT is sent later.
    pub at: Instant,
    /// True if the server reported a GTID for the transaction.
    pub has_gtid: bool,
}

/// Returns the statement that marks a transaction, as it also stands in the binary log.
fn mark_text(name: u128) -> Vec<u8> {
    format!("SAVEPOINT `pointsman {name:032x}`").into_bytes()
}

/// Returns the name of the mark if a statement of a binary log is one. None: it is another statement.
/// Some(None): a mark whose name cannot be parsed.
pub fn read_mark(text: &[u8]) -> Option<Option<u128>> {
    let name = text.strip_prefix(b"SAVEPOINT `pointsman ")?;
    let name = name.strip_suffix(b"`").and_then(|name| std::str::from_utf8(name).ok());
    Some(name.filter(|name| name.len() == 32).and_then(|name| u128::from_str_radix(name, 16).ok()))
}

/// The proxy's own command whose answer is to be swallowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Reset,
    Set,
    /// COM_INIT_DB of the session's schema.
    InitDb,
    /// COM_INIT_DB of the schema that the connection has. If the schema is gone, the statements that need it say so.
    SameSchema,
    /// PREPARE of the statement that the session executes next: an error is for the session.
    Prepare,
    /// PREPARE of a statement that the session may execute next. If it fails, the statement is not there.
    TryPrepare,
    /// The savepoint that marks a transaction. If it fails, the transaction only goes unmarked.
    Mark,
    /// An error that the statement raises.
    Raised,
    /// An EOF packet.
    End,
    /// A result set of one column. This packet of it is the next one.
    Rows(SentQuestion, u8),
}

/// A connection as its server knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerThread {
    /// The server.
    pub server: ServerId,
    /// The thread id. No server gives 0 to a connection, so `Option<ServerThread>` is no larger.
    thread_id: NonZeroU32,
}

impl ServerThread {
    /// The connection with this thread id.
    pub fn new(server: ServerId, thread_id: u32) -> Self {
        ServerThread { server, thread_id: NonZeroU32::new(thread_id).unwrap_or(NonZeroU32::MAX) }
    }
}

/// What a query of the proxy's own, in front of a statement, is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SentQuestion {
    /// Its row is the active role.
    Role,
    /// It has no rows, and makes FOUND_ROWS() 0.
    NoRows,
}

/// What few statements need of a connection, outside of it, so that connections stay small.
#[derive(Debug, Default)]
struct Aside {
    /// The name that is being prepared for the session's EXECUTE.
    preparing: Option<Rc<[u8]>>,
    /// The names that are being prepared because the session may execute them, in order.
    trying: VecDeque<Rc<[u8]>>,
    /// The server's error for that PREPARE.
    unprepared: Option<ServerError>,
    /// The session's schema, if the server refused to select it here: it is gone, or the account has no rights on it any
    /// more. The connection's schema then is the one from before.
    refused: Option<RefusedSchema>,
    /// The default schema before the last COM_INIT_DB in front of a statement.
    former_schema: Option<Rc<[u8]>>,
}

/// See the module.
#[derive(Debug)]
// `repr(C)` keeps this order: the fields that each statement touches come first, and share a few cache lines.
#[repr(C)]
pub struct Connection<S> {
    /// The socket.
    pub stream: S,
    /// The session state that was set on the connection; None before the first SET and after a reset.
    applied: Option<Rc<Carried>>,
    /// True if the session trackers are not as the proxy set them.
    trackers_changed: bool,
    /// True if a statement ran since the last reset that the catalogue cannot see into.
    ran_opaque: bool,
    /// True if row counts and diagnostics on the connection are not from this session's last statement.
    pub has_past: bool,
    /// True if the server answered nothing for a while since the connection was last used. If it was started again meanwhile,
    /// only the next packet shows that nobody is at the other end.
    pub unsure: Cell<bool>,
    /// True if FOUND_ROWS() on the connection may be about a statement of another session. No reset changes it.
    pub counted_another: bool,
    /// True if another session used the connection last, and what is set on it was not compared with this session's state
    /// yet.
    pub is_taken_over: bool,
    /// True if the warnings on the connection are not from its session's last statement.
    pub stale_diagnostics: bool,
    /// True if the session's transaction is open on the connection, as far as its state was restored there.
    pub in_transaction: bool,
    /// True if the connection may have warnings: no later statement has certainly cleared them.
    pub leaves_diagnostics: bool,
    /// True if something was sent that COM_RESET_CONNECTION does not undo: no other session may get the
    /// connection.
    pub closes_after_session: bool,
    /// True if the server permits several statements in a text.
    pub several: bool,
    /// True if the client has sent nothing behind the command under way, as far as the session has read.
    pub is_last: bool,
    /// True if the client ended behind the command under way, and so did the proxy here: the server may end the statement.
    pub is_shut: bool,
    /// True if the session's client itself logged in on it, so that no other connection can take its place.
    pub of_client: bool,
    /// True if the connection is unencrypted although TLS is wanted where possible.
    pub fell_back: bool,
    /// True while a request has no complete answer: another command cannot be sent.
    mid_exchange: bool,
    /// What statements left on the connection since the last reset.
    left: Left,
    /// The same before the request under way.
    left_before: Left,
    /// The properties that never change.
    pub about: About,
    /// The status flags of the last OK or EOF packet.
    pub status: StatusFlags,
    /// The server closes the connection after so many seconds without a command; `u16::MAX` stands for more.
    pub idle_limit: u16,
    /// When the connection was parked last, in seconds since the worker began.
    pub parked: u32,
    /// What `LAST_INSERT_ID()` returns here, if known.
    insert_id: Option<u64>,
    /// The statements prepared here with COM_STMT_PREPARE.
    pub statements: Statements,
    /// The outstanding answers to swallow, in order, before the answer to the session's own command.
    expecting: VecDeque<Expect>,
    /// The statements prepared here with PREPARE, which EXECUTE finds.
    text_statements: TextStatements,
    /// While the connection is parked: the session that must learn the insert id before it is lost.
    pub pending_insert_id: Option<PendingInsertId>,
    /// The mark of the transaction that is being committed, see `Connection::mark`.
    pub mark: Option<Mark>,
    /// The connection's default schema. On MySQL and on MariaDB it survives a reset, without its character set.
    schema: Option<Rc<[u8]>>,
    /// The renewal count of its server (see `Renewals`) when it was opened.
    pub begun: u64,
    /// The role that was active after the login.
    login_role: LoginRole,
    /// What few statements need.
    aside: Box<Aside>,
    /// How the connection is encrypted; None: it is not.
    pub encrypted: Option<Box<Encrypted>>,
    /// The place in the pool's limits and metrics, released when the connection is dropped.
    permit: Option<(Permit, OpenStatements)>,
}

impl About {
    /// Returns the connection as its server knows it.
    pub fn thread(&self) -> ServerThread {
        ServerThread::new(self.server, self.thread_id)
    }
}

impl<S: Stream> Connection<S> {
    pub(super) fn new(stream: S, about: About, status: StatusFlags) -> Self {
        Connection {
            stream,
            has_past: false,
            unsure: Cell::new(false),
            parked: 0,
            idle_limit: u16::MAX,
            counted_another: false,
            is_taken_over: false,
            stale_diagnostics: false,
            leaves_diagnostics: false,
            in_transaction: false,
            closes_after_session: false,
            several: about.class.capabilities.contains(Capabilities::MULTI_STATEMENTS),
            is_last: false,
            is_shut: false,
            of_client: false,
            about,
            status,
            begun: 0,
            mark: None,
            encrypted: None,
            fell_back: false,
            schema: None,
            applied: None,
            insert_id: Some(0),
            pending_insert_id: None,
            statements: Statements::default(),
            text_statements: TextStatements::default(),
            aside: Box::default(),
            ran_opaque: false,
            trackers_changed: false,
            expecting: VecDeque::new(),
            mid_exchange: false,
            left: Left::Nothing,
            left_before: Left::Nothing,
            login_role: LoginRole::NotAsked,
            permit: None,
        }
    }

    /// True if it should be closed for a session in another worker, see `Permit::claim`.
    pub fn claim(&self) -> bool {
        self.permit.as_ref().is_some_and(|(permit, _)| permit.claim())
    }

    /// True if it should be closed because it is one too many, see `Permit::pays`.
    pub fn pays(&self) -> bool {
        self.permit.as_ref().is_some_and(|(permit, _)| permit.pays())
    }

    /// True if `claim` or `pays` would return true now. All connections of a shelf agree.
    pub fn is_wanted(&self) -> bool {
        self.permit.as_ref().is_some_and(|(permit, _)| permit.is_wanted())
    }

    /// Records that the login selected this schema.
    pub(super) fn begins_in(&mut self, schema: Option<&[u8]>) {
        self.schema = schema.map(Rc::from);
    }

    /// Makes the connection count in the pool's limits and metrics.
    pub(super) fn hold(&mut self, mut permit: Permit, metrics: &Arc<WorkerMetrics>) {
        permit.opened();
        metrics.server_connections.add(1);
        self.permit = Some((permit, OpenStatements(metrics.clone())));
    }

    /// True if the server may have closed the connection, or may close it at this moment, because no command came for so long.
    /// `now` is in seconds since the worker began, as `parked`.
    pub fn may_time_out(&self, now: u32) -> bool {
        let own = self.applied.as_deref().filter(|applied| !applied.variables.is_empty());
        let limit = match own.and_then(|applied| applied.variable(b"wait_timeout")) {
            None if self.idle_limit == u16::MAX => return false,
            None => u64::from(self.idle_limit),
            Some(value) => std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or(0),
        };
        // Seconds are rounded down.
        u64::from(now.wrapping_sub(self.parked)) + 1 >= limit.saturating_mul(3) / 4
    }

    /// Records that a request is about to be sent.
    pub fn begins(&mut self) {
        self.stream.begins_request();
        self.mid_exchange = true;
        self.begins_unexplained();
    }

    /// Records that the answer is complete.
    pub fn end_exchange(&mut self) {
        self.mark = None;
        (self.mid_exchange, self.is_last) = (false, false);
    }

    /// True if a command may be sent.
    pub fn is_between_exchanges(&self) -> bool {
        !self.mid_exchange
    }

    /// True if answers must be swallowed before the session's.
    pub fn is_expecting(&self) -> bool {
        !self.expecting.is_empty()
    }

    /// True if the only outstanding answer is to the mark of a transaction.
    pub fn only_marks(&self) -> bool {
        self.mark.is_some() && self.expecting.len() == 1
    }

    /// True if this connection can serve a session with this state: a default schema can be changed, but not
    /// removed.
    pub fn can_become(&self, wish: &Carried) -> bool {
        (wish.schema.is_some() || self.schema.is_none())
            && (self.about.resets || !self.lacks_reset(wish))
            && !self.lacks_default(wish)
    }

    /// True if only a reset can take away what the connection has beyond this state: assigning NULL to a user variable is
    /// not enough, since it differs from a variable that was never set.
    fn lacks_reset(&self, wish: &Carried) -> bool {
        let lacks = |applied: &Carried| {
            applied.user_variables.iter().any(|known| !wish.user_variables.has(&known.name))
        };
        self.applied.as_deref().is_some_and(lacks)
    }

    /// True if the connection has a variable with which this state begins, and nobody knows its value there.
    fn lacks_default(&self, wish: &Carried) -> bool {
        let has = |name| wish.variable(name).is_some();
        let applied = self.applied.as_ref().filter(|_| !self.about.has_defaults);
        applied.is_some_and(|applied| !applied.variables.iter().all(|(name, _)| has(name)))
    }

    /// Records that the connection now has this state, but for a schema that its server refused.
    pub fn now_has(&mut self, carried: &Rc<Carried>) {
        self.is_taken_over = false;
        if self.aside.refused.as_ref().is_some_and(|refused| carried.schema.as_ref() == Some(&refused.name)) {
            let schema = self.schema.clone();
            self.applied = Some(Rc::new(Carried { schema, ..Carried::clone(carried) }));
            return;
        }
        self.aside.refused = None;
        if self.schema != carried.schema {
            self.schema = carried.schema.clone();
        }
        self.applied = Some(carried.clone());
    }

    /// Forgets what is set on the connection.
    pub fn forget_applied(&mut self) {
        self.applied = None;
    }

    /// Prepares for a statement that names something into which nobody can see: the statement may leave the
    /// connection's read-only mode, and hide that from the trackers. So the next such statement has the whole state set anew in front of it.
    pub fn lock_for_opaque(&mut self) {
        if std::mem::replace(&mut self.ran_opaque, true) {
            self.forget_applied();
        }
    }

    /// True if the state set on the connection is known.
    pub fn has_known_state(&self) -> bool {
        self.applied.is_some()
    }

    /// Records what `LAST_INSERT_ID()` returns here; None: unknown.
    pub fn set_insert_id(&mut self, id: Option<u64>) {
        self.insert_id = id;
    }

    /// Takes the server's error for the statement that EXECUTE names.
    pub fn take_unprepared(&mut self) -> Option<ServerError> {
        self.aside.unprepared.take()
    }

    /// True if a session with this state can use the connection without a prelude. `insert_id` is None if it
    /// does not matter.
    #[inline]
    pub fn is_in_line(&self, wish: &Rc<Carried>, insert_id: Option<u64>) -> bool {
        !self.trackers_changed
            && self.applied.as_ref().is_some_and(|applied| Rc::ptr_eq(applied, wish))
            && (insert_id.is_none() || insert_id == self.insert_id)
    }

    /// Appends COM_RESET_CONNECTION, which also ends an open transaction.
    pub fn reset(&mut self, out: &mut Vec<u8>) {
        frame_with(out, 0, |out| out.push(0x1f));
        self.has_past = false;
        self.stale_diagnostics = false;
        self.leaves_diagnostics = false;
        (self.ran_opaque, self.trackers_changed) = (false, false);
        self.expecting.push_back(Expect::Reset);
        if let Some(schema) = self.schema.clone() {
            // A reset sets character_set_database to the server's default, as if there were no schema.
            frame_init_db(&schema, out);
            self.expecting.push_back(Expect::SameSchema);
        }
        self.left = Left::Nothing;
        self.applied = None;
        self.insert_id = Some(0);
        self.statements.clear();
        self.text_statements = TextStatements::default();
    }

    /// Appends the commands that set this session state on the connection, if any are needed. Returns false
    /// if a server could reject one: a statement that must not run then has to wait for the answers.
    pub fn become_session(&mut self, wish: &Rc<Carried>, insert_id: Option<u64>, out: &mut Vec<u8>) -> bool {
        let read_only = self.about.class.read_only;
        self.aside.refused = None;
        if self.lacks_reset(wish) {
            self.reset(out);
        }
        if self.applied.is_none() {
            self.ask_login_role(out);
        }
        let from = self.applied.as_deref().filter(|from| *from != &**wish || from.schema != self.schema);
        // Without a value of its own, the session has the schema's, and not the server's default.
        let schema_decides =
            from.is_some_and(|from| from.has_charset_of_schema()) && !wish.has_charset_of_schema();
        let mut sure = true;
        let trackers_changed = std::mem::take(&mut self.trackers_changed);
        let from = if trackers_changed { self.applied.as_deref() } else { from };
        if self.applied.is_none() || from.is_some() {
            let mut set = b"SET ".to_vec();
            let (flavor, autocommit) = (self.about.flavor, self.about.autocommit);
            let flags = self.about.capabilities;
            let in_transaction = self.in_transaction;
            let onto = Onto { flavor, read_only, autocommit, in_transaction, flags, trackers_changed };
            wish.write_set(from, onto, &mut set);
            if set.len() > 4 {
                sure = from.map_or(&[][..], |from| &from.variables) == wish.variables;
            }
            let mut user_set = b"SET ".to_vec();
            wish.user_variables.write(from.map(|from| &from.user_variables), &mut user_set);
            self.append_insert_id(insert_id, &mut set);
            if set.len() > 4 {
                self.query_in_front(&set, Expect::Set, out);
            }
            if user_set.len() > 4 {
                self.query_in_front(&user_set, Expect::Set, out);
            }
        } else if insert_id.is_some() && insert_id != self.insert_id {
            let mut set = b"SET ".to_vec();
            self.append_insert_id(insert_id, &mut set);
            self.query_in_front(&set, Expect::Set, out);
        }
        if let Some(schema) = &wish.schema
            && (schema_decides || self.schema.as_ref() != Some(schema))
        {
            self.select_in_front(schema, wish, out);
            sure = false;
            let mut set = b"SET ".to_vec();
            if wish.write_charset_of_schema(&mut set) {
                self.query_in_front(&set, Expect::Set, out);
            }
        }
        self.now_has(wish);
        sure
    }

    /// Appends COM_PING, whose answer shows that the server is there.
    pub fn ping(&mut self, out: &mut Vec<u8>) {
        frame_with(out, 0, |out| out.push(0x0e));
        self.expecting.push_back(Expect::Set);
    }

    /// Appends a query without rows, so that FOUND_ROWS() is 0, as in a new session. (MariaDB gives a new session the thread of
    /// an earlier one, with its FOUND_ROWS().)
    pub fn forget_found_rows(&mut self, out: &mut Vec<u8>) {
        self.counted_another = false;
        self.query_in_front(b"SELECT NULL FROM DUAL WHERE FALSE", Expect::Rows(SentQuestion::NoRows, 0), out);
    }

    /// Appends the begin of a transaction that only reads.
    pub fn begin_reading(&mut self, out: &mut Vec<u8>) {
        self.query_in_front(b"START TRANSACTION READ ONLY", Expect::Set, out);
    }

    /// Appends a savepoint of this name. If the transaction wrote anything, the savepoint is part of it in
    /// the binary logs of all servers.
    pub fn mark(&mut self, name: u128, out: &mut Vec<u8>) {
        self.query_in_front(&mark_text(name), Expect::Mark, out);
        self.mark = Some(Mark { name, at: Instant::now(), has_gtid: false });
    }

    /// Records that the current answer contains a GTID.
    pub fn saw_gtid(&mut self) {
        if let Some(mark) = &mut self.mark {
            mark.has_gtid = true;
        }
    }

    fn append_insert_id(&mut self, wish: Option<u64>, set: &mut Vec<u8>) {
        if let Some(id) = wish.filter(|id| self.insert_id != Some(*id)) {
            if set.len() > 4 {
                set.push(b',');
            }
            set.extend_from_slice(format!("last_insert_id={id}").as_bytes());
            self.insert_id = Some(id);
        }
    }

    /// Appends COM_STMT_CLOSE for the statements that are to be closed.
    pub fn close_statements(&mut self, out: &mut Vec<u8>) {
        for id in self.statements.take_closing() {
            frame_with(out, 0, |out| {
                out.push(0x19);
                out.extend_from_slice(&id.to_le_bytes());
            });
        }
    }

    /// Appends a COM_QUERY whose answer, an OK packet, is swallowed.
    fn query_in_front(&mut self, text: &[u8], expect: Expect, out: &mut Vec<u8>) {
        frame_with(out, 0, |out| {
            out.push(0x03);
            if self.about.capabilities.contains(Capabilities::QUERY_ATTRIBUTES) {
                out.extend_from_slice(&[0, 1]);
            }
            out.extend_from_slice(text);
        });
        self.expecting.push_back(expect);
    }
}
