//! One authenticated server connection: what it is, what the server knows on it of the
//! session, and which answers to the proxy's own commands are still to come.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::carried::write_quoted;
use super::{Carried, PendingInsertId, Permit, ServerError, Statements};
use crate::net::{Buf, Encrypted, Stream};
use crate::telemetry::WorkerMetrics;
use crate::topology::{Flavor, ServerId};
use crate::wire::{Capabilities, ErrPacket, OkPacket, PacketHeader, ProtocolError, StatusFlags, frame_with};

/// What tells connections apart that cannot stand in for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class {
    /// The flags of `Capabilities::CLASS` that the client asked for.
    pub capabilities: Capabilities,
    /// Under `SET SESSION TRANSACTION READ ONLY`, as replica ports need it.
    pub read_only: bool,
}

/// What never changes on a connection.
#[derive(Debug)]
pub struct About {
    /// Whose it is.
    pub server: ServerId,
    /// The snapshot's generation when it was opened.
    pub generation: u64,
    /// The account.
    pub user: Arc<str>,
    /// See `Class`.
    pub class: Class,
    /// MySQL or MariaDB.
    pub flavor: Flavor,
    /// Agreed with the server.
    pub capabilities: Capabilities,
    /// What `CONNECTION_ID()` answers on it.
    pub thread_id: u32,
}

/// Counts an open connection of the pool.
#[derive(Debug)]
struct Open(Arc<WorkerMetrics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.server_connections.sub(1);
    }
}

/// Statements that were prepared as text: their names, and the statements, which have no backslashes.
pub type TextStatements = Rc<[TextStatement]>;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextStatement {
    /// In lower case.
    pub name: Rc<[u8]>,
    /// Without quotes around it.
    pub text: Arc<[u8]>,
    /// Schema, character set and SQL mode were these.
    pub under: Rc<Carried>,
}

/// The statements of `list`, only that under this name those of `from` count.
fn with_name(list: &TextStatements, name: &[u8], from: &TextStatements) -> TextStatements {
    let others = list.iter().filter(|known| *known.name != *name);
    others.chain(from.iter().filter(|known| *known.name == *name)).cloned().collect()
}

/// What a transaction is known by in every binary log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its savepoint's name, which nobody else ever has.
    pub name: u128,
    /// Its COMMIT was not sent before that.
    pub at: Instant,
    /// The server gave it a GTID.
    pub told: bool,
}

/// The statement that marks a transaction, as the binary log has it, too.
fn mark_text(name: u128) -> Vec<u8> {
    format!("SAVEPOINT `pointsman {name:032x}`").into_bytes()
}

/// The mark that a statement of a binary log is. None: it is another. Some(None): one that cannot be read.
pub fn read_mark(text: &[u8]) -> Option<Option<u128>> {
    let name = text.strip_prefix(b"SAVEPOINT `pointsman ")?;
    let name = name.strip_suffix(b"`").and_then(|name| std::str::from_utf8(name).ok());
    Some(name.filter(|name| name.len() == 32).and_then(|name| u128::from_str_radix(name, 16).ok()))
}

/// An answer to swallow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Reset,
    Set,
    InitDb,
    /// PREPARE of the statement that is to be executed next: an error is the session's to hear.
    Prepare,
    /// The savepoint that marks a transaction: without it nobody finds it, that is all.
    Mark,
}

/// See the module.
#[derive(Debug)]
pub struct Connection<S> {
    /// The socket.
    pub stream: S,
    /// Its last session was another: the diagnostics of that session's last statement are still there.
    pub has_past: bool,
    /// Warnings that are there are not of its session's last statement.
    pub stale_diagnostics: bool,
    /// It has some, and nothing has run since that surely took them away.
    pub leaves_diagnostics: bool,
    /// Something was said on it that COM_RESET_CONNECTION does not take back: it is never another session's.
    pub closes_after_session: bool,
    /// What it is.
    pub about: About,
    /// The status of the last OK or EOF packet.
    pub status: StatusFlags,
    /// The count of its server (see `Renewals`) when it was begun.
    pub begun: u64,
    /// The savepoint that marks the transaction which is being committed, see `Connection::mark`.
    pub mark: Option<Mark>,
    /// How it is encrypted.
    pub encrypted: Option<Encrypted>,
    /// It is not, although it should be where that can be had.
    pub fell_back: bool,
    /// The server's default schema. It outlives a reset, on MySQL and on MariaDB; nothing else does.
    schema: Option<Rc<[u8]>>,
    /// What the server was told of a session; None before the first SET and after a reset.
    applied: Option<Rc<Carried>>,
    /// What `LAST_INSERT_ID()` answers here, if that is known.
    insert_id: Option<u64>,
    /// While it waits: whom to tell before the insert id is gone.
    pub legacy: Option<PendingInsertId>,
    /// Prepared here.
    pub statements: Statements,
    /// Prepared here as text, by name: what EXECUTE knows.
    text_statements: TextStatements,
    /// The name that is being prepared for the session's EXECUTE, and what the server said against it.
    preparing: Option<Rc<[u8]>>,
    unprepared: Option<ServerError>,
    /// Answers to swallow, in order, before the answer to the session's own command.
    expecting: VecDeque<Expect>,
    /// A request was begun, and its answer is not complete: the next bytes would not be understood.
    mid_exchange: bool,
    /// Dropped with the connection.
    permit: Option<(Permit, Open)>,
}

/// Swallowing went this far.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing is expected any more; the rest of the buffer is the session's.
    Yes,
    /// More bytes are needed.
    Waiting,
}

/// An answer that was to be swallowed was an error.
#[derive(Debug, thiserror::Error)]
pub enum SwallowError {
    /// The session's schema is not there, or not for this account: the session must hear of it.
    #[error("{0}")]
    Schema(ServerError),
    /// This connection cannot be brought to the session's state.
    #[error("{0}")]
    State(ServerError),
    /// The server broke the protocol.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl<S: Stream> Connection<S> {
    pub(super) fn new(stream: S, about: About, status: StatusFlags) -> Self {
        Connection {
            stream,
            has_past: false,
            stale_diagnostics: false,
            leaves_diagnostics: false,
            closes_after_session: false,
            about,
            status,
            begun: 0,
            mark: None,
            encrypted: None,
            fell_back: false,
            schema: None,
            applied: None,
            insert_id: Some(0),
            legacy: None,
            statements: Statements::default(),
            text_statements: TextStatements::default(),
            preparing: None,
            unprepared: None,
            expecting: VecDeque::new(),
            mid_exchange: false,
            permit: None,
        }
    }

    /// Whether it should be closed for a session in another worker, see `Permit::claim`.
    pub fn claim(&self) -> bool {
        self.permit.as_ref().is_some_and(|(permit, _)| permit.claim())
    }

    /// It is the pool's, and counts.
    pub(super) fn hold(&mut self, permit: Permit, metrics: &Arc<WorkerMetrics>) {
        metrics.server_connections.add(1);
        self.permit = Some((permit, Open(metrics.clone())));
    }

    /// A request is about to be sent.
    pub fn begins(&mut self) {
        self.mid_exchange = true;
    }

    /// Its answer is complete.
    pub fn end_exchange(&mut self) {
        self.mark = None;
        self.mid_exchange = false;
    }

    /// Whether a command may follow.
    pub fn is_between_exchanges(&self) -> bool {
        !self.mid_exchange
    }

    /// Whether answers must be swallowed before the session's.
    pub fn is_expecting(&self) -> bool {
        !self.expecting.is_empty()
    }

    /// Whether the only one of these is to the mark of a transaction.
    pub fn only_marks(&self) -> bool {
        self.mark.is_some() && self.expecting.len() == 1
    }

    /// Whether this connection can serve a session with this state: a schema can be changed, but not
    /// taken away.
    pub fn can_become(&self, wish: &Carried) -> bool {
        wish.schema.is_some() || self.schema.is_none()
    }

    /// The session's state changed on the connection itself.
    pub fn now_has(&mut self, carried: &Rc<Carried>) {
        if self.schema != carried.schema {
            self.schema = carried.schema.clone();
        }
        self.applied = Some(carried.clone());
    }

    /// The trackers that the proxy needs were changed: what is set from now on may not be reported.
    pub fn forget_applied(&mut self) {
        self.applied = None;
    }

    /// Whether it was told of any session.
    pub fn is_told(&self) -> bool {
        self.applied.is_some()
    }

    /// What `LAST_INSERT_ID()` answers here now; None: nobody knows.
    pub fn set_insert_id(&mut self, id: Option<u64>) {
        self.insert_id = id;
    }

    /// What was prepared here as text: all that the session has, or as far as this name goes.
    pub fn now_has_text_statements(&mut self, list: &TextStatements, only: Option<&[u8]>) {
        self.text_statements = match only {
            None => list.clone(),
            Some(name) => with_name(&self.text_statements, name, list),
        };
    }

    /// What the server said against the statement that EXECUTE names.
    pub fn take_unprepared(&mut self) -> Option<ServerError> {
        self.unprepared.take()
    }

    /// Whether nothing has to be sent before a session with this state can use it. `insert_id` if that counts.
    #[inline]
    pub fn is_in_line(&self, wish: &Rc<Carried>, insert_id: Option<u64>) -> bool {
        self.applied.as_ref().is_some_and(|applied| Rc::ptr_eq(applied, wish))
            && (insert_id.is_none() || insert_id == self.insert_id)
    }

    /// Appends COM_RESET_CONNECTION, which also ends an open transaction.
    pub fn reset(&mut self, out: &mut Vec<u8>) {
        frame_with(out, 0, |out| out.push(0x1f));
        self.has_past = false;
        self.stale_diagnostics = false;
        self.leaves_diagnostics = false;
        self.expecting.push_back(Expect::Reset);
        self.applied = None;
        self.insert_id = Some(0);
        self.statements.clear();
        self.text_statements = TextStatements::default();
    }

    /// Appends what brings the connection to this state, if anything does. False: a server could refuse
    /// some of it, and a statement that must not run then has to wait for the answers.
    pub fn become_session(&mut self, wish: &Rc<Carried>, insert_id: Option<u64>, out: &mut Vec<u8>) -> bool {
        let read_only = self.about.class.read_only;
        let gone = |applied: &Rc<Carried>| {
            let has = |name| wish.user_variables.iter().any(|(n, _)| n == name);
            !applied.user_variables.iter().all(|(name, _)| has(name))
        };
        if self.applied.as_ref().is_some_and(gone) {
            // A user variable that is NULL is not the same as one that was never set.
            self.reset(out);
        }
        let from = self.applied.as_deref().filter(|from| *from != &**wish || from.schema != self.schema);
        let mut sure = true;
        if self.applied.is_none() || from.is_some() {
            let mut set = b"SET ".to_vec();
            wish.write_set(from, self.about.flavor, read_only, &mut set);
            if set.len() > 4 {
                sure = from.map_or(&[][..], |from| &from.variables) == wish.variables;
            }
            let mut user_set = b"SET ".to_vec();
            wish.write_user_variables(from, &mut user_set);
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
            && self.schema.as_ref() != Some(schema)
        {
            frame_with(out, 0, |out| {
                out.push(0x02);
                out.extend_from_slice(schema);
            });
            self.expecting.push_back(Expect::InitDb);
            sure = false;
        }
        self.now_has(wish);
        sure
    }

    /// Appends what takes away the warnings that a SET in front may leave on MySQL (3135 of an sql_mode, for one);
    /// MariaDB's SET has none.
    pub fn forget_set(&mut self, out: &mut Vec<u8>) {
        if self.about.flavor == Flavor::MySql {
            self.query_in_front(b"DO 0", Expect::Set, out);
        }
    }

    /// Appends the savepoint of this name: in the binary logs of all servers it stands in the transaction, if that
    /// wrote anything.
    pub fn mark(&mut self, name: u128, out: &mut Vec<u8>) {
        self.query_in_front(&mark_text(name), Expect::Mark, out);
        self.mark = Some(Mark { name, at: Instant::now(), told: false });
    }

    /// The answer under way has a GTID.
    pub fn tells_gtid(&mut self) {
        if let Some(mark) = &mut self.mark {
            mark.told = true;
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

    /// Appends what gives EXECUTE the statements that the session prepared as text, and no others; `only` this one
    /// where no other is named. (A server refuses to prepare some under LOCK TABLES.)
    pub fn become_text_statements(&mut self, wish: &TextStatements, only: Option<&[u8]>, out: &mut Vec<u8>) {
        if Rc::ptr_eq(&self.text_statements, wish) {
            return;
        }
        let wish = match only {
            Some(name) => &with_name(&self.text_statements, name, wish),
            None => wish,
        };
        let before = std::mem::replace(&mut self.text_statements, wish.clone());
        for old in before.iter().filter(|old| !wish.contains(old)) {
            let text = [&b"DEALLOCATE PREPARE `"[..], &old.name, b"`"].concat();
            self.query_in_front(&text, Expect::Set, out);
        }
        let now = self.applied.clone();
        let expect = if only.is_some() { Expect::Prepare } else { Expect::Set };
        for new in wish.iter().filter(|new| !before.contains(new)) {
            let mut text = [&b"PREPARE `"[..], &new.name, b"` FROM "].concat();
            write_quoted(&new.text, &mut text);
            self.preparing = only.map(Rc::from);
            match &now {
                Some(now) if !now.parses_like(&new.under) => {
                    self.become_session(&Rc::new(now.parsing_like(&new.under)), None, out);
                    self.query_in_front(&text, expect, out);
                    self.become_session(now, None, out);
                }
                _ => self.query_in_front(&text, expect, out),
            }
        }
    }

    /// Appends what takes away the statements prepared as text that are not these.
    pub fn drop_text_statements_but(&mut self, own: &TextStatements, out: &mut Vec<u8>) {
        let kept: TextStatements =
            self.text_statements.iter().filter(|known| own.contains(known)).cloned().collect();
        self.become_text_statements(&kept, None, out);
    }

    /// Whether this one is prepared here.
    pub fn has_text_statement(&self, statement: &TextStatement) -> bool {
        self.text_statements.contains(statement)
    }

    /// Whether there are any.
    pub fn has_text_statements(&self) -> bool {
        !self.text_statements.is_empty()
    }

    /// Appends COM_STMT_CLOSE for statements that are not wanted any more.
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

    /// Consumes expected answers from the front of `buf`.
    pub fn swallow(&mut self, buf: &mut Buf) -> Result<Settled, SwallowError> {
        while let Some(expect) = self.expecting.front().copied() {
            let Some(header) = PacketHeader::parse(buf.filled()) else { return Ok(Settled::Waiting) };
            if header.seq != 1 {
                return Err(ProtocolError::Sequence { expected: 1, got: header.seq }.into());
            }
            let Some(payload) = buf.filled().get(PacketHeader::LEN..header.total()) else {
                buf.make_room(header.total().saturating_sub(buf.len()));
                return Ok(Settled::Waiting);
            };
            match payload.first() {
                Some(0xff) => {
                    let err = ServerError::from(&ErrPacket::parse(payload)?);
                    match expect {
                        Expect::InitDb => return Err(SwallowError::Schema(err)),
                        Expect::Prepare => self.not_prepared(err),
                        Expect::Mark => self.mark = None,
                        Expect::Reset | Expect::Set => return Err(SwallowError::State(err)),
                    }
                }
                Some(0) => {
                    let track = self.about.capabilities.contains(Capabilities::SESSION_TRACK);
                    self.status = OkPacket::parse(payload, track)?.status;
                }
                byte => {
                    let byte = byte.copied().unwrap_or_default();
                    return Err(ProtocolError::Unexpected { expected: "an OK packet", byte }.into());
                }
            }
            buf.consume(header.total());
            self.expecting.pop_front();
        }
        Ok(Settled::Yes)
    }

    /// A PREPARE that fails has dropped the statement that had its name.
    fn not_prepared(&mut self, error: ServerError) {
        if let Some(name) = self.preparing.take() {
            self.text_statements = with_name(&self.text_statements, &name, &TextStatements::default());
        }
        self.unprepared = Some(error);
    }

    /// Waits for the expected answers: before a statement that must not run if one of them is an error.
    pub async fn settle(&mut self) -> Result<(), SwallowError> {
        let mut buf = Buf::with_room(512);
        while self.swallow(&mut buf)? == Settled::Waiting {
            buf.make_room(1);
            let (result, back) = self.stream.read(buf).await;
            buf = back;
            match result {
                Ok(0) => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                Ok(_) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Whether the connection still lives, as far as is known here: swallows what already came. A server
    /// that says something unasked is about to close.
    pub fn is_alive(&mut self, spare: &mut Buf) -> bool {
        if !self.stream.has_news() {
            return true;
        }
        spare.clear();
        let alive = loop {
            match self.stream.read_now(spare) {
                Ok(None) => break spare.is_empty(),
                Ok(Some(0)) | Err(_) => break false,
                Ok(Some(_)) => match self.swallow(spare) {
                    Ok(_) if !self.is_expecting() && !spare.is_empty() => break false,
                    // An answer that is not whole yet: wait for it in the ordinary way would lose these
                    // bytes, and such short answers come whole. Rather another connection.
                    Ok(_) => {}
                    Err(_) => break false,
                },
            }
        };
        spare.clear();
        alive
    }
}
