//! What the audit log records of a session: its logins, and the statements that change definitions, privileges or a server.

use super::Observation;
use crate::client::Client;
use crate::config::AuditEvents;
use crate::net::Runtime;
use crate::session::Context;
use crate::sql::{Effects, StatementClass};
use crate::telemetry::{AuditOutcome, AuditRecord};
use crate::terms::{AuditKind, Close, Refused, StatementKind, Why};
use crate::wire::Command;
use crate::worker::admission::shown;

/// How a statement ended.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) enum AuditedEnd {
    /// With an answer, or with this error.
    Answered(Option<u16>),
    /// Without an answer: the session ended.
    Cut(Close),
}

/// Returns what the audit log calls a text of this class, and the events of which one must be wanted. None: the audit log
/// does not record it. A text of several statements counts as each of them.
fn audited(class: StatementClass) -> Option<(AuditKind, AuditEvents)> {
    let has = |effect| class.effects.contains(effect);
    let defines = class.kind == StatementKind::Ddl || has(Effects::ALSO_DEFINES);
    let administers = class.reason == Why::Administration
        || class.effects.intersects(Effects::ALSO_ADMINISTERS | Effects::READ_LOCK);
    let grants = has(Effects::RENEWS) && defines;
    let renews_alone = has(Effects::RENEWS) && !defines;
    let mut events = AuditEvents::empty();
    events.set(AuditEvents::GRANTS, grants);
    let unknown = class.kind == StatementKind::Unknown;
    events.set(AuditEvents::DDL, unknown || (defines && (!grants || has(Effects::SEVERAL))));
    events.set(AuditEvents::ACTIONS, administers || renews_alone);
    let kind = match () {
        () if unknown => AuditKind::Unknown,
        () if grants => AuditKind::Grant,
        () if defines => AuditKind::Ddl,
        () => AuditKind::Action,
    };
    (!events.is_empty()).then_some((kind, events))
}

/// True for a command that only asks for something, or changes only its session.
const fn only_asks(command: Command) -> bool {
    match command {
        Command::Query
        | Command::StmtExecute
        | Command::StmtBulkExecute
        | Command::CreateDb
        | Command::DropDb
        | Command::ProcessKill
        | Command::Refresh
        | Command::Shutdown
        | Command::RegisterSlave => false,
        Command::Quit
        | Command::InitDb
        | Command::FieldList
        | Command::Statistics
        | Command::ProcessInfo
        | Command::Debug
        | Command::Ping
        | Command::ChangeUser
        | Command::BinlogDump
        | Command::StmtPrepare
        | Command::StmtSendLongData
        | Command::StmtClose
        | Command::StmtReset
        | Command::SetOption
        | Command::StmtFetch
        | Command::BinlogDumpGtid
        | Command::ResetConnection
        | Command::Unknown(_) => true,
    }
}

impl<R: Runtime> Observation<'_, R> {
    /// Records the statement under way, if the audit log wants it.
    #[inline]
    pub(in crate::session) fn audit_statement(&self, ended: AuditedEnd) {
        let wanted = self.context.audited.get();
        if !wanted.is_empty()
            && let Some(class) = self.measured.class
            && let Some((kind, events)) = audited(class)
            && wanted.intersects(events)
        {
            self.record_statement(kind, ended);
        }
    }

    #[cold]
    fn record_statement(&self, kind: AuditKind, ended: AuditedEnd) {
        let Some(command) = self.measured.command.filter(|command| !only_asks(*command)) else { return };
        if self.measured.audited.replace(true) {
            return;
        }
        let mut record = audit_record(self.client, kind);
        record.schema =
            String::from_utf8_lossy(self.state.carried.schema.as_deref().unwrap_or_default()).into();
        let statement = self.client.handle.statement.borrow();
        let text = self.measured.executed.as_ref().or(statement.as_ref());
        record.statement = match text {
            Some(digest) => digest.text().into(),
            None => format!("{command:?}").into(),
        };
        record.outcome = match ended {
            AuditedEnd::Answered(error) => AuditOutcome { failed: error.is_some(), error, reason: None },
            AuditedEnd::Cut(close) => {
                AuditOutcome { failed: true, error: None, reason: Some(close.as_str()) }
            }
        };
        self.context.outside.audit(record);
    }
}

fn audit_record<R: Runtime>(client: &Client<R>, kind: AuditKind) -> AuditRecord {
    let handle = &client.handle;
    let user = client.login.as_ref().map_or("", |login| &login.user);
    AuditRecord::now(kind, handle.id, user, handle.peer.get().address())
}

/// Records a KILL of a session of this proxy.
pub(in crate::session) fn audit_kill<R: Runtime>(
    context: &Context<R>,
    client: &Client<R>,
    id: u32,
    connection: bool,
) {
    if context.audited.get().contains(AuditEvents::ACTIONS) {
        let what = if connection { "CONNECTION" } else { "QUERY" };
        let statement = format!("KILL {what} {id}").into();
        context.outside.audit(AuditRecord { statement, ..audit_record(client, AuditKind::Action) });
    }
}

/// Records a login of a user of this name, if the audit log wants logins. `close`: it was refused, and the session ends.
#[cold]
pub(in crate::session) fn audit_login<R: Runtime>(
    context: &Context<R>,
    client: &Client<R>,
    user: &[u8],
    changes_user: bool,
    close: Option<Close>,
) {
    if !context.audited.get().contains(AuditEvents::LOGINS) {
        return;
    }
    // A flood of refused logins must not push other events out of the files that are kept.
    let left_out = match close {
        Some(_) => match client.handle.pass.borrow().audited_refusal() {
            Some(left_out) => left_out,
            None => return,
        },
        None => 0,
    };
    let kind = if changes_user { AuditKind::ChangeUser } else { AuditKind::Login };
    let reason = client.greeted.refused.get().map(Refused::as_str);
    let outcome = AuditOutcome {
        failed: close.is_some(),
        error: client.greeted.told.as_ref().filter(|_| close.is_some()).map(|error| error.code),
        reason: close.map(|close| reason.unwrap_or(close.as_str())),
    };
    let record = AuditRecord { user: shown(user).into(), outcome, left_out, ..audit_record(client, kind) };
    context.outside.audit(record);
}
