//! The guard of replica ports against another parser's reading: of what sqlparser takes for a write, a definition, a
//! SET of something dangerous, a CALL or a lock, the guard lets nothing through.
#![no_main]

mod statements;

use libfuzzer_sys::fuzz_target;
use pointsman::sql::read_only::{Calls, Verdict, check_calls, first_statement};
use pointsman::sql::{Options, Readings};
use sqlparser::ast::{
    ContextModifier, Expr, LockTableType, ObjectName, Query, Set, SetExpr, Statement, TransactionAccessMode,
    TransactionMode, Visit, Visitor,
};
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;
use std::ops::ControlFlow;

/// Deeper texts are the business of others.
const DEPTH: usize = 40;

fuzz_target!(|input: (u8, &[u8])| {
    let (how, bytes) = input;
    let text = match how % 4 {
        0 => bytes.to_vec(),
        1 => statements::words(bytes),
        _ => statements::statement(bytes),
    };
    let calls = Calls { schema: b"test", routines: &() };
    let readings =
        Readings { options: Options::default(), either_quotes: how & 4 != 0, either_escapes: how & 8 != 0 };
    let verdict = check_calls(&text, readings, &calls);
    if verdict == Verdict::Allowed {
        pieces_are_allowed(&text, &calls);
    }
    let Ok(text) = std::str::from_utf8(&text) else { return };
    let Some(danger) = parsed(text).and_then(|statements| statements.iter().find_map(danger)) else { return };
    assert_ne!(verdict, Verdict::Allowed, "{danger}: {text}");
});

/// Each statement of a text is let through if the whole is, and the other way round nothing is lost between them.
fn pieces_are_allowed(text: &[u8], calls: &Calls<'_>) {
    let mut rest = Some(text);
    while let Some(left) = rest {
        let (first, behind) = first_statement(left, Options::default());
        assert!(behind.is_none_or(|behind| first.len() + 1 + behind.len() == left.len()));
        let verdict = check_calls(first, Readings::default(), calls);
        assert_eq!(verdict, Verdict::Allowed, "{} of {}", first.escape_ascii(), text.escape_ascii());
        rest = behind;
    }
}

fn parsed(text: &str) -> Option<Vec<Statement>> {
    let dialect = MySqlDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(DEPTH).try_with_sql(text);
    parser.and_then(|mut parser| parser.parse_statements()).ok()
}

/// What a statement does that no replica port may do.
fn danger(statement: &Statement) -> Option<&'static str> {
    use Statement as S;
    let own = match statement {
        S::Query(_)
        | S::Commit { .. }
        | S::Rollback { .. }
        | S::Savepoint { .. }
        | S::ReleaseSavepoint { .. } => None,
        S::Use(_) | S::Kill { .. } | S::Deallocate { .. } | S::Execute { .. } | S::UnlockTables => None,
        S::ShowFunctions { .. } | S::ShowVariable { .. } | S::ShowStatus { .. } | S::ShowVariables { .. } => {
            None
        }
        S::ShowCreate { .. } | S::ShowColumns { .. } | S::ShowCatalogs { .. } | S::ShowDatabases { .. } => {
            None
        }
        S::ShowProcessList { .. } | S::ShowSchemas { .. } | S::ShowCharset(_) | S::ShowObjects(_) => None,
        S::ShowTables { .. } | S::ShowViews { .. } | S::ShowCollation { .. } | S::ExplainTable { .. } => None,
        // MariaDB's ANALYZE of a query: servers want the word TABLE in front of a table.
        S::Analyze(analyze) if !analyze.has_table_keyword => None,
        // Not run.
        S::Explain { analyze: false, .. } => return None,
        S::Explain { statement, .. } => danger(statement),
        S::Prepare { statement, .. } => danger(statement),
        S::StartTransaction { modes, .. } => writable(modes),
        S::LockTables { tables } => tables
            .iter()
            .any(|table| matches!(table.lock_type, LockTableType::Write { .. }))
            .then_some("a write lock"),
        S::Set(set) => dangerous_set(set),
        _ => Some("a statement that is no read"),
    };
    own.or_else(|| inside(statement))
}

fn writable(modes: &[TransactionMode]) -> Option<&'static str> {
    let write = TransactionMode::AccessMode(TransactionAccessMode::ReadWrite);
    modes.contains(&write).then_some("a transaction that may write")
}

fn dangerous_set(set: &Set) -> Option<&'static str> {
    let name = |name: &ObjectName, values: &[&Expr]| dangerous_variable(&name.to_string(), values);
    let global = |scope: Option<ContextModifier>| {
        matches!(scope, Some(ContextModifier::Global)).then_some("a setting of the server")
    };
    match set {
        Set::SingleAssignment { scope, variable, values, .. } => {
            global(*scope).or_else(|| name(variable, &values.iter().collect::<Vec<_>>()))
        }
        Set::ParenthesizedAssignments { .. } => Some("no SET of these servers"),
        Set::MultipleAssignments { assignments } => {
            assignments.iter().find_map(|one| global(one.scope).or_else(|| name(&one.name, &[&one.value])))
        }
        Set::SetTransaction { modes, .. } => writable(modes),
        Set::SetSessionAuthorization(_) => Some("another account"),
        Set::SetRole { .. } | Set::SetNames { .. } | Set::SetNamesDefault {} | Set::SetTimeZone { .. } => {
            None
        }
        Set::SetSessionParam(_) => Some("no SET of these servers"),
    }
}

fn dangerous_variable(name: &str, values: &[&Expr]) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('`', "");
    // A user variable may have any name.
    if name.starts_with('@') && !name.starts_with("@@") {
        return None;
    }
    let parts: Vec<&str> = name.trim_start_matches('@').split('.').collect();
    if parts.iter().any(|part| ["global", "persist", "persist_only", "password"].contains(part)) {
        return Some("a setting of the server");
    }
    let last = parts.last().copied().unwrap_or_default();
    if ["gtid_next", "gtid_purged", "gtid_slave_pos"].contains(&last) {
        return Some("a GTID");
    }
    let on = values.len() == 1 && ["1", "on", "true"].contains(&&*values[0].to_string().to_ascii_lowercase());
    (["tx_read_only", "transaction_read_only"].contains(&last) && !on).then_some("the access mode")
}

/// Writes and dangerous functions within a statement.
fn inside(statement: &Statement) -> Option<&'static str> {
    match statement.visit(&mut Finder) {
        ControlFlow::Break(danger) => Some(danger),
        ControlFlow::Continue(()) => None,
    }
}

struct Finder;

impl Visitor for Finder {
    type Break = &'static str;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        match *query.body {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                ControlFlow::Break("a write in a query")
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string().to_ascii_lowercase().replace('`', "");
        let harmless = statements::READING.contains(&&*name) || !statements::CALLED.contains(&&*name);
        if harmless { ControlFlow::Continue(()) } else { ControlFlow::Break("a function that may write") }
    }
}
