//! Records an open transaction, so that it can be run again on another primary if its server is lost.

use std::rc::Rc;

use crate::client::{Client, Request, RequestHead};
use crate::config::Replay;
use crate::net::{Claim, Runtime};
use crate::policy::InTransaction;
use crate::session::Context;
use crate::sql::Effects;
use crate::state::{Entry, Journal, Prepared, SessionState, Summary, types_in, with_types};
use crate::terms::{Pin, Role};
use crate::upstream::Upstream;
use crate::wire::{Capabilities, Command, PacketHeader, Types, first_types};

/// Appends the packet of an execute with the parameter types in it. Returns None if the packet cannot be
/// parsed, or if its types are unknown.
fn append_self_contained(
    out: &mut Vec<u8>,
    packet: &[u8],
    request: &RequestHead,
    prepared: &Prepared,
    attributes: bool,
) -> Option<()> {
    let payload = packet.get(PacketHeader::LEN..)?;
    match types_in(payload, request.command, prepared.params, attributes).ok()? {
        Types::None | Types::Given(_) => out.extend_from_slice(packet),
        Types::AsBefore(at) => {
            let bulk = request.command == Command::StmtBulkExecute;
            let types = first_types(prepared.types.as_deref()?, usize::from(prepared.params), attributes)?;
            out.extend(with_types(packet, at, types, bulk)?);
        }
    }
    Some(())
}

/// The parts of a session that record its transaction.
pub(in crate::session) struct Journaling<'s, R: Runtime> {
    pub(in crate::session) context: &'s Context<R>,
    pub(in crate::session) client: &'s Client<R>,
    pub(in crate::session) upstream: &'s Upstream<R>,
    pub(in crate::session) state: &'s mut SessionState,
}

impl<R: Runtime> Journaling<'_, R> {
    /// Prepares the journal before a statement is sent: resets the digest if a transaction is open on the
    /// primary, or starts a journal if this statement may begin a transaction.
    #[inline]
    pub(in crate::session) fn begin_statement(&mut self, request: &RequestHead) {
        if self.state.pins.on(Role::Primary).has(Pin::Transaction) {
            if let Some(journal) = &mut self.state.transaction.journal {
                journal.summary = Summary::default();
            }
            return;
        }
        self.state.transaction.journal = None;
        if request.class.effects.contains(Effects::BEGINS) || !self.state.carried.autocommit {
            self.begin_journal();
        }
    }

    fn begin_journal(&mut self) {
        let Some(connection) = self.upstream.connection() else { return };
        let about = &connection.about;
        if self.context.live.borrow().failover.replay == Replay::Off
            || self.state.held(Role::Primary).is_some()
        {
            return;
        }
        self.state.transaction.journal = Some(Box::new(Journal {
            packets: Vec::new(),
            entries: Vec::new(),
            carried: self.state.carried.clone(),
            insert_id: self.state.insert.id.get(),
            connection: about.thread(),
            generation: about.generation,
            lost: false,
            summary: Summary::default(),
        }));
    }

    /// Records the statement after its complete answer. The request must still be in the buffer.
    #[inline]
    pub(in crate::session) fn answered(&mut self, request: &Request) {
        let Some(mut journal) = self.state.transaction.journal.take() else { return };
        // The transaction is over, or never began.
        if !self.state.in_transaction() {
            return;
        }
        // These commands do nothing in the transaction, so they need no entry.
        if [Command::StmtPrepare, Command::StmtReset].contains(&request.command)
            || self.record(&mut journal, request).is_some()
        {
            self.state.transaction.journal = Some(journal);
        }
    }

    /// Adds the statement to the journal. Returns None if the transaction can no longer be replayed.
    fn record(&self, journal: &mut Journal, request: &Request) -> Option<()> {
        if !request.whole || journal.summary.undone || !can_follow(self.state, journal, request) {
            return None;
        }
        let packet = request.buf.filled().get(..request.header.total())?;
        let limit = self.context.live.borrow().failover.replay_limit;
        let entries = journal.entries.len() * size_of::<Entry>();
        if journal.packets.len() + entries + packet.len() > limit
            || !self.has_memory_for(journal, packet.len())
        {
            return None;
        }
        let mut statement = None;
        if request.statement == 0 {
            journal.packets.extend_from_slice(packet);
        } else {
            let prepared = self.state.statements.peek(request.statement)?;
            let attributes = self.client.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
            // With a cursor or long data, this packet alone is not enough for a replay.
            let with_cursor = request.command == Command::StmtExecute && *packet.get(9)? & 7 != 0;
            if with_cursor || prepared.long_data.is_some() || prepared.cursor.is_some() {
                return None;
            }
            append_self_contained(&mut journal.packets, packet, request, prepared, attributes)?;
            statement = Some(prepared.text.clone());
        }
        journal.entries.push(Entry {
            end: journal.packets.len(),
            command: request.command,
            class: request.class,
            answer: journal.summary.finish(),
            statement,
        });
        Some(())
    }

    /// Returns false if the journal must grow for a packet of this length and the memory budget refuses.
    fn has_memory_for(&self, journal: &Journal, packet: usize) -> bool {
        let grows = |used: usize, capacity: usize| {
            if used > capacity { used.max(2 * capacity) - capacity } else { 0 }
        };
        let bytes = grows(journal.packets.len() + packet, journal.packets.capacity())
            + grows(journal.entries.len() + 1, journal.entries.capacity()) * size_of::<Entry>();
        bytes == 0 || self.context.buffers.memory.grant(Claim::Replay, bytes)
    }
}

/// True if the statement can be replayed behind the journal's statements on another primary.
pub(in crate::session) fn can_follow(state: &SessionState, journal: &Journal, request: &RequestHead) -> bool {
    let (before, now) = (&journal.carried, &state.carried);
    InTransaction {
        is_first: journal.entries.is_empty(),
        same_state: Rc::ptr_eq(before, now) || before == now,
        holds: state.held(Role::Primary).is_some(),
        ..InTransaction::of(request.command, &request.class)
    }
    .can_run_again()
}
