//! Facts about a statement and its session, on which decisions depend.

use crate::client::{Client, Request, RequestHead};
use crate::net::Runtime;
use crate::sql::Effects;
use crate::state::{PinSet, SessionState, is_rollback};
use crate::terms::{Pin, Port, Role, StatementKind};
use crate::upstream::Upstream;
use crate::wire::Command;

/// The parts of a session on which decisions about its statements depend.
pub(in crate::session) struct StatementFacts<'s, R: Runtime> {
    pub(in crate::session) client: &'s Client<R>,
    pub(in crate::session) upstream: &'s Upstream<R>,
    pub(in crate::session) state: &'s SessionState,
}

impl<R: Runtime> StatementFacts<'_, R> {
    /// True if the statement does nothing but roll back, which is also what the loss of the server did.
    pub(in crate::session) fn only_rolls_back(&self, request: &Request) -> bool {
        let ends = request.command == Command::Query && request.class.effects.contains(Effects::ENDS);
        ends && self.state.held(Role::Primary).is_none()
            && self.client.text_of(request).is_some_and(is_rollback)
    }

    /// True if the loss of the connection for this role would roll back a transaction.
    pub(in crate::session) fn has_open(&self, role: Role) -> bool {
        let pinned = self.state.pins.on(role).has(Pin::Transaction);
        let (begun, elsewhere) = (self.state.in_transaction(), self.state.transaction_elsewhere(role));
        match role {
            Role::Replica if pinned => true,
            // An earlier statement of the same text may have ended the pinned transaction, or begun one that
            // has no pin yet.
            Role::Primary if begun && (pinned || elsewhere.is_empty()) => true,
            // With autocommit off, uncommitted work is rolled back even if no transaction was seen yet.
            _ => !self.state.carried.autocommit && elsewhere.is_empty(),
        }
    }

    /// True if the server may have committed something before it refuses the statement as read-only: a
    /// statement that commits implicitly does that first, and may be refused afterwards.
    #[inline]
    pub(in crate::session) fn runs_in_steps(&self, request: &RequestHead) -> bool {
        let (kind, effects) = (request.class.kind, request.class.effects);
        let begins = effects.intersects(Effects::BEGINS | Effects::BEGINS_READ_ONLY)
            && !effects.contains(Effects::BEGINS_READ_WRITE);
        let sets = kind == StatementKind::Session && effects.contains(Effects::SETS_STATE);
        // In these statements only the commit can be refused, and a refused commit does nothing.
        let only_commits = !effects.intersects(Effects::SEVERAL | Effects::LOCKS_TABLES)
            && (begins || sets || effects.contains(Effects::UNLOCKS));
        let open = self.state.pins.on(Role::Primary).has(Pin::Transaction) || self.state.in_transaction();
        let commits_first = open && effects.contains(Effects::COMMITS_IMPLICITLY) && !only_commits;
        kind == StatementKind::Unknown || effects.contains(Effects::CALLS) || commits_first
    }

    /// True if there is no doubt even when the end of the answer is missing: the effect of the statement is known, or
    /// is rolled back.
    pub(in crate::session) fn leaves_no_doubt(&self, request: &RequestHead) -> bool {
        self.upstream.role == Role::Replica
            || self.is_repeatable(request)
            || (self.has_open(self.upstream.role)
                && !may_end_transaction(request)
                && !self.state.is_perhaps_over())
    }

    /// True if running the statement twice is the same as running it once.
    pub(in crate::session) fn is_repeatable(&self, request: &RequestHead) -> bool {
        match request.command {
            Command::InitDb
            | Command::FieldList
            | Command::Statistics
            | Command::ProcessInfo
            | Command::StmtPrepare
            | Command::StmtFetch => true,
            Command::Query | Command::StmtExecute => request.class.effects.contains(Effects::REPEATABLE),
            Command::Quit
            | Command::CreateDb
            | Command::DropDb
            | Command::Refresh
            | Command::Shutdown
            | Command::ProcessKill
            | Command::Debug
            | Command::Ping
            | Command::ChangeUser
            | Command::BinlogDump
            | Command::RegisterSlave
            | Command::StmtSendLongData
            | Command::StmtClose
            | Command::StmtReset
            | Command::SetOption
            | Command::BinlogDumpGtid
            | Command::ResetConnection
            | Command::StmtBulkExecute
            | Command::Unknown(_) => false,
        }
    }

    /// True if the current statement can go to the primary instead: a read outside of a transaction.
    pub(in crate::session) fn may_leave(&self) -> bool {
        self.client.port == Port::Split
            && self.upstream.role == Role::Replica
            && !self.state.pins.on(Role::Replica).has(Pin::Transaction)
    }

    /// Returns the role whose connection has the prepared statement's cursor or long data, if this command
    /// needs them.
    pub(in crate::session) fn bound_to(&self, request: &RequestHead) -> Option<Role> {
        if request.statement == 0 {
            return None;
        }
        let prepared = self.state.statements.peek(self.state.statements.meant(request.statement))?;
        let needs_cursor = [Command::StmtFetch, Command::StmtReset].contains(&request.command);
        prepared.cursor.filter(|_| needs_cursor).or(prepared.long_data)
    }

    /// True if this read does not need the state that is kept on a replica.
    pub(in crate::session) fn is_free(&self, request: &RequestHead) -> bool {
        let effects = request.class.effects;
        let aside = PinSet::of(&[Pin::Cursor, Pin::LongData, Pin::Warnings, Pin::FoundRows]);
        let mut pins = self.state.pins.on(Role::Replica).without(aside);
        if effects.contains(Effects::BEGINS_READ_ONLY) {
            // The statement ends the transaction that is open on the replica.
            pins = pins.without(PinSet::of(&[Pin::Transaction]));
        }
        let follows = Effects::READS_DIAGNOSTICS | Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
        self.client.port == Port::Split
            && pins.is_empty()
            && self.bound_to(request).is_none()
            && !effects.intersects(follows)
            && !(self.state.diagnostics.only_on() == Some(Role::Replica)
                && self.state.may_keep_diagnostics(&request.class))
    }
}

/// True if the statement may have committed before the answer was lost.
pub(in crate::session) fn may_end_transaction(request: &RequestHead) -> bool {
    let by_class = || {
        let effects = Effects::ENDS | Effects::COMMITS_IMPLICITLY | Effects::CALLS | Effects::LEAVES_UNKNOWN;
        let leaves_it = matches!(
            request.class.kind,
            StatementKind::Read | StatementKind::Session | StatementKind::Transaction | StatementKind::Write
        );
        let repeatable = request.class.effects.contains(Effects::REPEATABLE);
        request.class.effects.intersects(effects) || !(leaves_it || repeatable)
    };
    match request.command {
        Command::Query | Command::StmtExecute | Command::StmtBulkExecute => by_class(),
        Command::StmtFetch | Command::StmtPrepare | Command::StmtReset | Command::Statistics => false,
        Command::Quit
        | Command::InitDb
        | Command::FieldList
        | Command::CreateDb
        | Command::DropDb
        | Command::Refresh
        | Command::Shutdown
        | Command::ProcessInfo
        | Command::ProcessKill
        | Command::Debug
        | Command::Ping
        | Command::ChangeUser
        | Command::BinlogDump
        | Command::RegisterSlave
        | Command::StmtSendLongData
        | Command::StmtClose
        | Command::SetOption
        | Command::BinlogDumpGtid
        | Command::ResetConnection
        | Command::Unknown(_) => true,
    }
}
