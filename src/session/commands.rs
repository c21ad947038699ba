//! The command loop: waits without a buffer, reads a command, and answers or forwards it.

use std::time::Duration;

use super::barrier::Freshness;
use super::client_write::ended_by;
use super::level::Levels;
use super::request::Request;
use super::timeouts::{Side, or_stalled};
use super::{Drain, Failure, Session, Signals};
use crate::net::{Buf, Runtime, Stream, or_raised};
use crate::sql::{Effects, MAX_READ, StatementClass};
use crate::terms::{Close, Port};
use crate::terms::{StatementKind, Why};
use crate::topology::Flavor;
use crate::wire::{Capabilities, Command, PacketHeader, ResponseShape};

/// A command of up to this many bytes is read whole before it is sent: it can then be classified, and sent
/// again.
const MAX_HELD: usize = MAX_READ;

/// A session that reads a long command lets other sessions run after each this many bytes.
const TURN: usize = 1024 * 1024;

/// The longest command that the proxy executes itself (COM_CHANGE_USER, COM_PROCESS_KILL), in bytes.
const MAX_OWN_COMMAND: usize = 128 * 1024;

/// How often a session that waits for memory tries again.
const MEMORY_PAUSE: Duration = Duration::from_millis(50);

impl<R: Runtime> Session<R> {
    /// Serves commands from the login until the session ends.
    pub(super) async fn serve(&mut self, mut buf: Buf) -> Close {
        self.handle.busy.set(false);
        loop {
            if buf.is_empty() {
                self.context.buffers.give(std::mem::take(&mut buf));
                if let Err(close) = self.idle().await {
                    return close;
                }
                buf = match self.context.buffers.small_to_begin() {
                    Some(buf) => buf,
                    None => match Box::pin(self.wait_for_memory()).await {
                        Ok(buf) => buf,
                        Err(close) => return close,
                    },
                };
            }
            let done = match self.next_command(&mut buf).await {
                Ok(mut request) => {
                    self.handle.busy.set(true);
                    self.handle.active.set(self.context.tick.get());
                    self.handle.budget.begin();
                    if self.how_pressed() == Drain::Pressed {
                        Box::pin(self.dispatch_last(&mut buf, &mut request)).await
                    } else {
                        self.dispatch(&mut buf, &mut request).await
                    }
                }
                Err(close) => Err(close),
            };
            self.release_after_statement();
            self.freshness = Freshness::Unasked;
            self.handle.busy.set(false);
            self.handle.active.set(self.context.tick.get());
            if let Err(close) = done {
                return close;
            }
        }
    }

    /// Waits for a buffer while the memory budget is used up, at most `limits.queue_timeout`.
    async fn wait_for_memory(&mut self) -> Result<Buf, Close> {
        let context = self.context.clone();
        let limit = context.live.borrow().limits.queue_timeout;
        let free = async {
            loop {
                // Other workers return memory without waking this one.
                context.runtime.timeout(MEMORY_PAUSE, context.buffers.given_back()).await;
                if let Some(buf) = context.buffers.small_to_begin() {
                    return buf;
                }
            }
        };
        let ending = Signals::KILLED | Signals::END | Signals::LEAVE;
        match or_raised(&self.handle.signal, ending, context.runtime.timeout(limit, free)).await {
            Ok(Some(buf)) => Ok(buf),
            Ok(None) => Err(self.refuse(1, &Failure::OutOfMemory, Close::OutOfMemory).await),
            Err(raised) => Err(ended_by(raised)),
        }
    }

    /// Waits for a command. Holds no buffer. A server connection that is lost meanwhile is closed at once.
    pub(super) async fn idle(&mut self) -> Result<(), Close> {
        loop {
            let mut ending = Signals::KILLED | Signals::END | Signals::IDLE | Signals::LOST;
            if !self.is_unfinished() {
                ending |= Signals::LEAVE;
            }
            match or_raised(&self.handle.signal, ending, self.client.readable()).await {
                Ok(Ok(())) => {
                    // The client's bytes arrived in the same turn of the event loop: the client is not idle
                    // after all.
                    self.handle.signal.lower(Signals::IDLE | Signals::LEAVE);
                    return Ok(());
                }
                Ok(Err(_)) => return Err(Close::ClientLost),
                Err(Signals::LOST) => self.kept_lost(),
                Err(raised) => {
                    let raised = raised & !Signals::LOST;
                    if raised & (Signals::END | Signals::LEAVE) != 0 && !self.stop_if_silent() {
                        return Ok(());
                    }
                    if raised & Signals::END != 0 {
                        return Err(self.refuse(0, &Failure::ShuttingDown, Close::Drained).await);
                    }
                    // Closes at once: releasing the server connections takes time, in which the client might
                    // send a statement.
                    self.client.shut();
                    return Err(ended_by(raised));
                }
            }
        }
    }

    /// Reads the next command: its header and its command byte, and a command of up to `MAX_HELD` bytes
    /// whole.
    async fn next_command(&mut self, buf: &mut Buf) -> Result<Request, Close> {
        loop {
            if let Some(header) = PacketHeader::parse(buf.filled()) {
                if header.seq != 0 {
                    let failure = Failure::OutOfOrder;
                    return Err(self
                        .refuse(header.seq.wrapping_add(1), &failure, Close::ClientProtocol)
                        .await);
                }
                if header.len == 0 {
                    let failure = Failure::Malformed("an empty command");
                    return Err(self.refuse(1, &failure, Close::ClientProtocol).await);
                }
                if let Some(byte) = buf.filled().get(PacketHeader::LEN) {
                    let command = Command::from(*byte);
                    let mut request = Request::at(buf, header, command);
                    if !request.whole && header.total() <= MAX_HELD {
                        Box::pin(self.complete(buf, &mut request, MAX_HELD)).await?;
                    }
                    return Ok(request);
                }
            }
            let read = if buf.is_empty() { self.fill_first(buf).await? } else { self.fill(buf, 1).await? };
            if read == 0 {
                return Err(if buf.is_empty() { Close::Quit } else { Close::ClientLost });
            }
        }
    }

    /// Reads the first bytes of a command, for which `timeouts.client_read` does not count. Returns 0 at the
    /// end of the stream.
    async fn fill_first(&mut self, buf: &mut Buf) -> Result<usize, Close> {
        let ending = Signals::KILLED | Signals::END | Signals::IDLE;
        let read = self.client.read(std::mem::take(buf));
        let read = or_raised(&self.handle.signal, ending, read).await;
        self.filled(buf, read.map_err(ended_by)?)
    }

    /// Reads more of a command, behind what `buf` has. Returns 0 at the end of the stream. `seq` is the
    /// sequence id of the ERR packet that the client gets if `timeouts.client_read` is over.
    pub(super) async fn fill(&mut self, buf: &mut Buf, seq: u8) -> Result<usize, Close> {
        if buf.is_full() {
            buf.make_room(1);
        }
        let (handle, tick) = (&self.handle, &self.context.tick);
        let read = self.client.read(std::mem::take(buf));
        match or_stalled(handle, tick, Side::Read, Signals::KILLED | Signals::END, read).await {
            Ok(read) => self.filled(buf, read),
            Err(raised) if raised & (Signals::KILLED | Signals::END) == 0 => {
                Err(Box::pin(self.refuse(seq, &Failure::ReadTimeout, Close::ClientReadTimeout)).await)
            }
            Err(raised) => Err(ended_by(raised)),
        }
    }

    fn filled(&self, buf: &mut Buf, (result, back): (std::io::Result<usize>, Buf)) -> Result<usize, Close> {
        *buf = back;
        let n = result.map_err(|_| Close::ClientLost)?;
        self.context.metrics.bytes_in.add(n as u64);
        Ok(n)
    }

    /// Reads until the request is whole, if it is a single packet of at most `limit` bytes. Returns false if
    /// it is longer, or the memory budget is used up.
    pub(super) async fn complete(
        &mut self,
        buf: &mut Buf,
        request: &mut Request,
        limit: usize,
    ) -> Result<bool, Close> {
        if request.header.is_continued() || request.header.total() > limit {
            return Ok(request.whole);
        }
        let mut turn = TURN;
        while buf.len() < request.header.total() {
            let missing = request.header.total() - buf.len();
            if !buf.make_some_room(missing, TURN, &self.context.buffers.memory) {
                return Ok(false);
            }
            if self.fill(buf, request.answer_seq()).await? == 0 {
                return Err(Close::ClientLost);
            }
            if buf.len() >= turn {
                turn = buf.len().saturating_add(TURN);
                self.context.runtime.give_way().await;
            }
        }
        request.whole = true;
        Ok(true)
    }

    pub(super) async fn dispatch(&mut self, buf: &mut Buf, request: &mut Request) -> Result<(), Close> {
        match request.command {
            Command::Quit => Err(Close::Quit),
            Command::Query | Command::StmtPrepare => self.text(buf, request).await,
            Command::StmtExecute | Command::StmtFetch => self.statement(buf, request).await,
            _ => Box::pin(self.rarer(buf, request)).await,
        }
    }

    /// Dispatches the rarer commands, whose futures should take no room in every session.
    async fn rarer(&mut self, buf: &mut Buf, request: &mut Request) -> Result<(), Close> {
        match request.command {
            Command::Ping => {
                self.skip(buf, *request).await?;
                self.refuse_if_draining(request.answer_seq()).await?;
                self.send_pong(request.answer_seq()).await
            }
            Command::ChangeUser | Command::ProcessKill => {
                if !self.complete(buf, request, MAX_OWN_COMMAND).await? {
                    let failure = match request.header.total() <= MAX_OWN_COMMAND {
                        true => Failure::OutOfMemory,
                        false => Failure::Malformed("a command that is too long"),
                    };
                    return Err(self.refuse(1, &failure, Close::ClientProtocol).await);
                }
                if request.command == Command::ChangeUser {
                    self.refuse_if_draining(request.answer_seq()).await?;
                    self.change_user(buf, request.header).await
                } else {
                    self.process_kill(buf, *request).await
                }
            }
            Command::ResetConnection => {
                self.skip(buf, *request).await?;
                self.reset_session().await;
                self.send_ok(request.answer_seq()).await
            }
            // No client sends COM_SLEEP: this is the header of a compressed packet, from a client that
            // compresses although the proxy did not offer it. Such a client would not understand any answer.
            Command::Unknown(0) => {
                tracing::info!(id = self.handle.id, peer = %self.handle.peer, "a client compresses, which was not offered");
                Err(Close::ClientProtocol)
            }
            Command::Unknown(_) => {
                self.skip(buf, *request).await?;
                self.send_failure(request.answer_seq(), &Failure::UnknownCommand).await
            }
            command if command.response() == ResponseShape::Stream => self.stream(buf, *request).await,
            command => self.other(command, buf, request).await,
        }
    }

    /// Forwards other commands, and records what they mean for the session.
    async fn other(&mut self, command: Command, buf: &mut Buf, request: &mut Request) -> Result<(), Close> {
        request.class = class_of(command);
        match command {
            Command::RegisterSlave => {
                let told = self.forward(buf, request).await;
                if let Some(connection) = &mut self.backend {
                    connection.closes_after_session = true;
                }
                return told;
            }
            Command::StmtClose => return self.close_statement(buf, *request).await,
            Command::StmtReset | Command::StmtSendLongData | Command::StmtBulkExecute => {
                return self.statement(buf, request).await;
            }
            Command::SetOption => {
                if !self.set_option(request.arguments(buf)) {
                    self.skip(buf, *request).await?;
                    return self.send_failure(request.answer_seq(), &Failure::UnknownCommand).await;
                }
                if self.port == Port::Replica {
                    // Servers of a replica port get one statement at a time in any case, so the command is
                    // not forwarded.
                    self.skip(buf, *request).await?;
                    return self.send_end(request.answer_seq()).await;
                }
            }
            Command::CreateDb | Command::DropDb | Command::Refresh | Command::Shutdown
                if self.port == Port::Replica =>
            {
                self.skip(buf, *request).await?;
                let failure = Failure::ReadOnlyPort("writes or may write");
                return self.send_failure(request.answer_seq(), &failure).await;
            }
            _ => {}
        }
        self.forward(buf, request).await
    }

    /// Applies COM_SET_OPTION, which permits (0) or forbids (1) several statements in a text. This is part of
    /// a connection's class: the session continues on connections that logged in with this setting. Returns
    /// false for any other option, which servers interpret differently.
    fn set_option(&mut self, arguments: &[u8]) -> bool {
        match arguments {
            [0, 0] => self.capabilities |= Capabilities::MULTI_STATEMENTS,
            [1, 0] => self.capabilities -= Capabilities::MULTI_STATEMENTS,
            _ => return false,
        }
        true
    }

    /// Executes COM_RESET_CONNECTION: server connections are reset on their way back to the pool.
    async fn reset_session(&mut self) {
        self.release(true).await;
        let snapshot = self.context.topology.get();
        let of_mysql =
            snapshot.servers.iter().filter_map(|s| s.facts.as_ref()).any(|f| f.flavor == Flavor::MySql);
        // MySQL returns to the server's default character set, as with a collation id that it does not know.
        // MariaDB returns to the handshake's.
        self.state.reset(if of_mysql { 0 } else { self.collation });
        let levels = Levels { set: None, ..self.handle.levels.get() };
        self.context.choose_levels(&self.handle, levels);
    }

    /// Discards a request, reading the rest of it from the client. Returns the sequence id of the answer's
    /// first packet.
    pub(super) async fn skip(&mut self, buf: &mut Buf, request: Request) -> Result<u8, Close> {
        let mut run = super::request::PacketRun::command(0);
        loop {
            let Some(used) = run.feed(buf.filled_mut()) else {
                let failure = Failure::OutOfOrder;
                return Err(self.refuse(run.seq, &failure, Close::ClientProtocol).await);
            };
            buf.consume(used);
            if run.has_ended() {
                return Ok(run.seq.wrapping_add(request.header.seq));
            }
            if self.fill(buf, run.seq).await? == 0 {
                return Err(Close::ClientLost);
            }
        }
    }
}

/// Returns the class of a command without a text.
fn class_of(command: Command) -> StatementClass {
    let class = |kind, effects, reason| StatementClass { kind, effects, reason };
    match command {
        Command::InitDb => class(StatementKind::Session, Effects::SETS_STATE, Why::SessionState),
        Command::FieldList => class(StatementKind::Read, Effects::REPEATABLE, Why::Definitions),
        Command::CreateDb | Command::DropDb => {
            class(StatementKind::Ddl, Effects::COMMITS_IMPLICITLY, Why::Definition)
        }
        Command::RegisterSlave => class(StatementKind::Admin, Effects::LEAVES_UNKNOWN, Why::Administration),
        _ => class(StatementKind::Admin, Effects::empty(), Why::Administration),
    }
}
