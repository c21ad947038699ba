//! The command loop: waits without a buffer, reads a command, and answers or forwards it.

use std::rc::Rc;

use crate::client::{Failure, Request, RequestHead, StatementError, ended_by};
use crate::net::{Runtime, Stream, or_raised};
use crate::session::Session;
use crate::sql::digest::Digest;
use crate::sql::read_only::{Reason, Verdict};
use crate::sql::{Effects, MAX_READ, Options, StatementClass};
use crate::terms::{Close, Pin, Port, Role, StatementKind, Why};
use crate::topology::Flavor;
use crate::wire::{Capabilities, Command, PacketHeader};
use crate::worker::{Drain, Levels, Signals};

/// A command of up to this many bytes is read whole before it is sent: it can then be classified, and sent
/// again.
const MAX_HELD: usize = MAX_READ;

/// The longest command that the proxy executes itself (COM_CHANGE_USER, COM_PROCESS_KILL), in bytes.
const MAX_OWN_COMMAND: usize = 128 * 1024;

impl<R: Runtime> Session<R> {
    /// Serves commands from the login until the session ends.
    pub(in crate::session) async fn serve(&mut self, request: &mut Request) -> Close {
        self.client.handle.busy.set(false);
        self.observation().show();
        loop {
            if request.buf.is_empty() {
                self.context.buffers.give(std::mem::take(&mut request.buf));
                if let Err(close) = self.idle().await {
                    return close;
                }
                request.buf = match self.context.buffers.small_to_begin() {
                    Some(buf) => buf,
                    None => match Box::pin(self.client.wait_for_memory()).await {
                        Ok(buf) => buf,
                        Err(close) => return close,
                    },
                };
            }
            let done = match self.next_command(request).await {
                Ok(()) => {
                    self.context.seconds.begin(&self.client.handle);
                    self.client.budget.begin();
                    if self.context.drain.get() != Drain::No && self.how_pressed() == Drain::Pressed {
                        Box::pin(self.dispatch_last(request)).await
                    } else {
                        self.dispatch(request).await
                    }
                }
                Err(close) => Err(close),
            };
            if self.client.trace.is_some() {
                self.observation().finish_trace(done.err());
            }
            self.upstream.release_after_statement(&mut self.state);
            self.observation().show();
            self.client.handle.busy.set(false);
            self.client.handle.active.set(self.context.seconds.get());
            if let Err(close) = done {
                return close;
            }
            if self.state.has_ended() {
                return Close::Quit;
            }
            if self.client.stream.is_worn() && request.buf.is_empty() && !self.state.is_unfinished() {
                return Box::pin(self.end_with_worn_keys()).await;
            }
        }
    }

    /// Ends the session because its TLS keys may encrypt no more.
    async fn end_with_worn_keys(&mut self) -> Close {
        self.client.refuse(0, &Failure::KeysWorn, Close::Drained).await
    }

    /// Waits for a command. Holds no buffer. A server connection that is lost meanwhile is closed at once.
    pub(in crate::session) async fn idle(&mut self) -> Result<(), Close> {
        loop {
            let mut ending = Signals::KILLED | Signals::END | Signals::IDLE | Signals::LOST;
            if !self.state.is_unfinished() {
                ending |= Signals::LEAVE;
            }
            match or_raised(&self.client.handle.signal, ending, self.client.stream.readable()).await {
                Ok(Ok(())) => {
                    // The client's bytes arrived in the same turn of the event loop: the client is not idle
                    // after all.
                    self.client.handle.signal.lower(Signals::IDLE | Signals::LEAVE);
                    return Ok(());
                }
                Ok(Err(_)) => return Err(Close::ClientLost),
                Err(Signals::LOST) => self.upstream.kept_lost(&mut self.state),
                Err(raised) => {
                    let raised = raised & !Signals::LOST;
                    if raised & (Signals::END | Signals::LEAVE) != 0 && !self.stop_if_silent() {
                        return Ok(());
                    }
                    if raised & Signals::END != 0 {
                        return Err(self.client.refuse(0, &Failure::ShuttingDown, Close::Drained).await);
                    }
                    // Closes at once: releasing the server connections takes time, in which the client might
                    // send a statement.
                    self.client.stream.shut();
                    return Err(ended_by(raised));
                }
            }
        }
    }

    /// Reads the next command: its header and its command byte, and a command of up to `MAX_HELD` bytes
    /// whole.
    async fn next_command(&mut self, request: &mut Request) -> Result<(), Close> {
        loop {
            if let Some(header) = PacketHeader::parse(request.buf.filled()) {
                if header.seq != 0 {
                    let failure = Failure::OutOfOrder;
                    return Err(self
                        .client
                        .refuse(header.seq.wrapping_add(1), &failure, Close::ClientProtocol)
                        .await);
                }
                if header.len == 0 {
                    let failure = Failure::Malformed("an empty command");
                    return Err(self.client.refuse(1, &failure, Close::ClientProtocol).await);
                }
                if let Some(byte) = request.buf.filled().get(PacketHeader::LEN) {
                    request.begin(header, Command::from(*byte));
                    if !request.whole && header.total() <= MAX_HELD {
                        Box::pin(self.client.complete(request, MAX_HELD)).await?;
                    }
                    return Ok(());
                }
            }
            let read = if request.buf.is_empty() {
                self.client.fill_first(&mut request.buf).await?
            } else {
                self.client.fill(&mut request.buf, 1).await?
            };
            if read == 0 {
                return Err(if request.buf.is_empty() { Close::Quit } else { Close::ClientLost });
            }
        }
    }

    pub(in crate::session) async fn dispatch(&mut self, request: &mut Request) -> Result<(), Close> {
        self.observation().begin(request);
        if self.context.traces.is_on() {
            self.observation().begin_trace(request);
        }
        match request.command {
            Command::Quit => Err(Close::Quit),
            Command::Query | Command::StmtPrepare => self.text(request).await,
            Command::StmtExecute | Command::StmtFetch => self.statement(request).await,
            _ => Box::pin(self.rarer(request)).await,
        }
    }

    /// Answers a command that may be the session's last: the end of the connection (FIN) travels in the
    /// last packet of the answer, so that a client that checks its socket before use cannot miss it.
    pub(in crate::session) async fn dispatch_last(&mut self, request: &mut Request) -> Result<(), Close> {
        if self.client.handle.signal.get() & Signals::END != 0 {
            // Tells the client that the command is not executed.
            return Err(self
                .client
                .refuse(request.answer_seq(), &Failure::ShuttingDown, Close::Drained)
                .await);
        }
        self.client.stream.cork(true);
        self.dispatch(request).await?;
        if request.buf.is_empty()
            && ends_a_unit(request)
            && !self.state.is_unfinished()
            && !self.client.stream.has_bytes()
        {
            self.client.stream.shut();
            return Err(Close::Drained);
        }
        self.client.stream.cork(false);
        Ok(())
    }

    /// Dispatches every command. The futures of most should take no room in every session.
    async fn rarer(&mut self, request: &mut Request) -> Result<(), Close> {
        request.class = class_of(request.command);
        match request.command {
            // Only the server knows whether the transaction goes on.
            Command::Ping if self.state.is_perhaps_over() && self.upstream.keeps(Role::Primary) => {
                self.forward(request).await
            }
            Command::Ping => {
                self.client.skip(request).await?;
                self.refuse_if_draining(request.answer_seq()).await?;
                self.replies().send_pong(request.answer_seq()).await
            }
            Command::ChangeUser | Command::ProcessKill => {
                self.complete_own(request).await?;
                if request.command == Command::ChangeUser {
                    self.refuse_if_draining(request.answer_seq()).await?;
                    let header = request.header;
                    self.change_user(&mut request.buf, header).await
                } else {
                    self.process_kill(request).await
                }
            }
            Command::ResetConnection => {
                self.client.skip(request).await?;
                if let Err(stop) = Box::pin(self.reset_session()).await {
                    return self.replies().stop(request.answer_seq(), stop).await;
                }
                self.replies().send_ok(request.answer_seq()).await
            }
            // No client sends COM_SLEEP: this is the header of a compressed packet, from a client that compresses
            // although the listener offers no compression that the client has. Such a client would not understand
            // any answer.
            Command::Unknown(0) if !self.client.compresses() => {
                tracing::info!(id = self.client.handle.id, peer = %self.client.handle.peer.get(), "a client compresses, which was not offered (listeners.compression)");
                Err(Close::ClientProtocol)
            }
            Command::Unknown(_) => {
                self.client.skip(request).await?;
                self.replies().send_failure(request.answer_seq(), &Failure::UnknownCommand).await
            }
            Command::BinlogDump | Command::BinlogDumpGtid => self.stream(request).await,
            Command::RegisterSlave => {
                let result = self.forward(request).await;
                if let Some(connection) = self.upstream.connection_mut() {
                    connection.closes_after_session = true;
                }
                result
            }
            Command::StmtClose => self.close_statement(request).await,
            Command::StmtExecute
            | Command::StmtBulkExecute
            | Command::StmtFetch
            | Command::StmtReset
            | Command::StmtSendLongData => self.statement(request).await,
            Command::Query | Command::StmtPrepare => self.text(request).await,
            Command::SetOption => self.option(request).await,
            Command::CreateDb | Command::DropDb => self.create_or_drop(request).await,
            Command::FieldList => self.list_fields(request).await,
            Command::Refresh | Command::Shutdown | Command::Debug => self.administer(request).await,
            Command::InitDb | Command::Statistics | Command::ProcessInfo => self.forward(request).await,
            Command::Quit => Err(Close::Quit),
        }
    }

    /// Waits for the rest of a command that the proxy itself reads as a whole.
    async fn complete_own(&mut self, request: &mut Request) -> Result<(), Close> {
        if self.client.complete(request, MAX_OWN_COMMAND).await? {
            return Ok(());
        }
        let failure = match request.header.total() <= MAX_OWN_COMMAND {
            true => Failure::OutOfMemory,
            false => Failure::Malformed("a command that is too long"),
        };
        Err(self.client.refuse(1, &failure, Close::ClientProtocol).await)
    }

    /// Forwards COM_SET_OPTION, except on a read-only port: its servers get one statement at a time in any case.
    async fn option(&mut self, request: &mut Request) -> Result<(), Close> {
        if !self.set_option(request.arguments()) {
            self.client.skip(request).await?;
            return self.replies().send_failure(request.answer_seq(), &Failure::UnknownCommand).await;
        }
        if self.client.port == Port::Replica {
            self.client.skip(request).await?;
            return self.replies().send_end(request.answer_seq()).await;
        }
        self.forward(request).await
    }

    /// Handles COM_CREATE_DB and COM_DROP_DB, which are counted as the texts that do the same.
    async fn create_or_drop(&mut self, request: &mut Request) -> Result<(), Close> {
        if self.client.port != Port::Replica {
            let what = if request.command == Command::CreateDb { "CREATE" } else { "DROP" };
            let name = String::from_utf8_lossy(request.arguments()).replace('`', "``");
            let text = format!("{what} DATABASE `{name}`");
            let digest = Rc::new(Digest::of(text.as_bytes(), Options::default()));
            self.client.handle.statement.replace(Some(digest));
        }
        self.administer(request).await
    }

    /// Handles COM_FIELD_LIST, which opens a view, as DESCRIBE does.
    async fn list_fields(&mut self, request: &mut Request) -> Result<(), Close> {
        if self.client.port == Port::Replica {
            self.complete_own(request).await?;
            match self.classifier().judge(&described(request.arguments())) {
                Verdict::Allowed => {}
                Verdict::Opaque => request.class.effects |= Effects::OPAQUE,
                Verdict::Refused(refusal) => {
                    self.client.skip(request).await?;
                    let failure = Failure::ReadOnlyPort(refusal);
                    return self.replies().send_failure(request.answer_seq(), &failure).await;
                }
            }
        }
        self.forward(request).await
    }

    /// Forwards a command that changes something on its server, or writes something to the server's logs, other than by a
    /// text; a read-only port refuses it.
    async fn administer(&mut self, request: &mut Request) -> Result<(), Close> {
        if self.client.port == Port::Replica {
            self.client.skip(request).await?;
            let failure = Failure::ReadOnlyPort(Reason::Writes.into());
            return self.replies().send_failure(request.answer_seq(), &failure).await;
        }
        self.forward(request).await
    }

    /// Applies COM_SET_OPTION, which permits (0) or forbids (1) several statements in a text. This is part of
    /// a connection's class: the session continues on connections that logged in with this setting. Returns
    /// false for any other option, which servers interpret differently.
    fn set_option(&mut self, arguments: &[u8]) -> bool {
        match arguments {
            [0, 0] => self.client.capabilities |= Capabilities::MULTI_STATEMENTS,
            [1, 0] => self.client.capabilities -= Capabilities::MULTI_STATEMENTS,
            _ => return false,
        }
        true
    }

    /// Executes COM_RESET_CONNECTION: server connections are reset on their way back to the pool. The connection on which
    /// the client itself logged in is reset and stays.
    async fn reset_session(&mut self) -> Result<(), StatementError> {
        let snapshot = self.context.topology.get();
        let of_mysql =
            snapshot.servers.iter().filter_map(|s| s.facts.as_ref()).any(|f| f.flavor == Flavor::MySql);
        // MySQL returns to the server's default character set, as with a collation id that it does not know.
        // MariaDB returns to the handshake's.
        let collation = if of_mysql { 0 } else { self.client.collation };
        let own = self.own_login();
        // MariaDB sets all variables to their global values, and does not look at the flags of the login again.
        self.client.forgets_flags = !of_mysql;
        match own {
            Some(role) => self.reset_own(role).await?,
            None => Box::pin(self.upstream.release(&mut self.state, true, collation)).await,
        }
        self.state.reset(collation);
        self.begin_as_servers_do().await;
        self.context.states.share(&mut self.state.carried);
        let levels = Levels { set: None, ..self.client.handle.levels.get() };
        self.context.choose_levels(&self.client.handle, levels);
        if let Some(role) = own {
            self.state.pin(role, Pin::UnknownLogin);
        }
        Ok(())
    }
}

/// What a command that is no statement leaves as it was, unless it fails.
const KEEPS_ALL: Effects =
    Effects::KEEPS_DIAGNOSTICS.union(Effects::ADDS_DIAGNOSTICS).union(Effects::KEEPS_FOUND_ROWS);

/// Returns the class of a command without a text.
fn class_of(command: Command) -> StatementClass {
    let class = |kind, effects, reason| StatementClass { kind, effects, reason };
    match command {
        Command::InitDb => {
            let effects = Effects::SETS_STATE | Effects::EXPLAINED | KEEPS_ALL;
            class(StatementKind::Session, effects, Why::SessionState)
        }
        // On MariaDB it leaves the diagnostics alone, as a statement without a table does. On MySQL it adds a warning.
        Command::FieldList => {
            let effects = Effects::REPEATABLE
                | Effects::OPENS_NO_TABLE
                | Effects::ADDS_DIAGNOSTICS
                | Effects::KEEPS_FOUND_ROWS;
            class(StatementKind::Read, effects, Why::Definitions)
        }
        Command::CreateDb | Command::DropDb => {
            let effects =
                Effects::COMMITS_IMPLICITLY | Effects::ADDS_DIAGNOSTICS | Effects::KEEPS_DIAGNOSTICS;
            class(StatementKind::Ddl, effects, Why::Definition)
        }
        Command::RegisterSlave => class(StatementKind::Admin, Effects::LEAVES_UNKNOWN, Why::Administration),
        Command::Quit
        | Command::Query
        | Command::Refresh
        | Command::Shutdown
        | Command::Statistics
        | Command::ProcessInfo
        | Command::ProcessKill
        | Command::Debug
        | Command::Ping
        | Command::ChangeUser
        | Command::BinlogDump
        | Command::StmtPrepare
        | Command::StmtExecute
        | Command::StmtSendLongData
        | Command::StmtClose
        | Command::StmtReset
        | Command::SetOption
        | Command::StmtFetch
        | Command::BinlogDumpGtid
        | Command::ResetConnection
        | Command::StmtBulkExecute
        | Command::Unknown(_) => {
            class(StatementKind::Admin, Effects::EXPLAINED | KEEPS_ALL, Why::Administration)
        }
    }
}

/// Returns a DESCRIBE of the table in the arguments of COM_FIELD_LIST: its name, a zero byte, a pattern.
fn described(arguments: &[u8]) -> Vec<u8> {
    let name = arguments.split(|byte| *byte == 0).next().unwrap_or_default();
    let quoted = name.iter().flat_map(|byte| std::iter::repeat_n(*byte, if *byte == b'`' { 2 } else { 1 }));
    b"DESCRIBE `".iter().copied().chain(quoted).chain(*b"`").collect()
}

/// True if a client may be done with the connection after this command; false if it only prepares something.
fn ends_a_unit(request: &RequestHead) -> bool {
    match request.command {
        Command::Query => request.class.kind != StatementKind::Session,
        Command::StmtExecute | Command::StmtBulkExecute | Command::Ping => true,
        Command::Quit
        | Command::InitDb
        | Command::FieldList
        | Command::CreateDb
        | Command::DropDb
        | Command::Refresh
        | Command::Shutdown
        | Command::Statistics
        | Command::ProcessInfo
        | Command::ProcessKill
        | Command::Debug
        | Command::ChangeUser
        | Command::BinlogDump
        | Command::RegisterSlave
        | Command::StmtPrepare
        | Command::StmtSendLongData
        | Command::StmtClose
        | Command::StmtReset
        | Command::SetOption
        | Command::StmtFetch
        | Command::BinlogDumpGtid
        | Command::ResetConnection
        | Command::Unknown(_) => false,
    }
}
