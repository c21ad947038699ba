//! What the catalogue says about the relations in a statement. A view does what its query does, and calls what its query
//! calls: the statement must run where it would run with that query in the view's place.

use super::found::Found;
use super::{Effects, Env, Kind, StatementKind, Why};
use crate::grammar::{DerivedFacts, DerivedName, Form, Parser};
use crate::tokens::Statement;
use crate::{RelationFacts, Token};

/// What a stored function may read of the session.
const LOOKS: Effects = Effects::READS_INSERT_ID.union(Effects::READS_USER_VARIABLES);

/// The first words of statements that read or write the rows of relations.
const VERBS: [&str; 9] = ["SELECT", "WITH", "VALUES", "TABLE", "DO", "INSERT", "REPLACE", "UPDATE", "DELETE"];

/// A statement that was derived from the grammar, to its last token.
pub(super) struct Derived<'a> {
    pub(super) form: Form,
    pub(super) facts: DerivedFacts<'a>,
}

/// Derives a statement that reads or writes rows, or that shows something; None if it is another one, or is not
/// understood.
pub(super) fn derived<'a>(statement: Statement<'_, 'a>) -> Option<Derived<'a>> {
    let first = statement.at(0);
    if first.kind != Kind::Open && !first.is_any(&VERBS) && !first.is("SHOW") {
        return None;
    }
    let tokens: Vec<Token<'a>> =
        statement.iter().map(|tok| Token { kind: tok.kind, text: tok.text, start: tok.start }).collect();
    let mut parser = Parser::new(&tokens);
    let form = parser.derive().ok()?;
    Some(Derived { form, facts: parser.facts })
}

/// Adds to `found` what the relations of the statement do.
pub(super) fn judge(found: &mut Found, derived: &Derived<'_>, env: Env<'_>) {
    if !matches!(derived.form, Form::Query | Form::Write) {
        return;
    }
    for name in &derived.facts.relations {
        match facts(name, env) {
            RelationFacts::Acts => {
                found.raise(StatementKind::Write, Why::View, LOOKS | Effects::LEAVES_UNKNOWN);
                found.never_hinted();
            }
            RelationFacts::UnknownView => {
                found.raise(StatementKind::Write, Why::View, LOOKS | Effects::LEAVES_UNKNOWN);
            }
            RelationFacts::LooksBackView => {
                let counts = Effects::READS_ROW_COUNT | Effects::READS_FOUND_ROWS;
                found.raise(StatementKind::Session, Why::LooksBack, LOOKS | counts);
            }
            RelationFacts::ServerView => found.raise(StatementKind::Admin, Why::OneServer, LOOKS),
            RelationFacts::CallingView => found.add(LOOKS),
            RelationFacts::Plain
            | RelationFacts::PlainToRead
            | RelationFacts::ReadingView
            | RelationFacts::Opaque
            | RelationFacts::Unknown => {}
        }
    }
}

/// Returns what is known of the relation that a name means.
fn facts(name: &DerivedName<'_>, env: Env<'_>) -> RelationFacts {
    let schema = name.schema.or((!env.schema.is_empty()).then_some(env.schema));
    if env.is_utf8 || name.name.is_ascii() {
        return env.routines.relation(schema, name.name);
    }
    // The catalogue has names in UTF-8, and takes each character outside ASCII for any other one.
    let same_length: String = name.name.iter().copied().map(char::from).collect();
    env.routines.relation(schema, same_length.as_bytes())
}
