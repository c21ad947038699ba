//! The names in stored code: the relations that it reads and writes, and the routines that it calls. There is no parser:
//! each name in the code is looked up as if it were that of a relation, so that none is overlooked. A column or an alias
//! with the name of a view that acts makes the code worse than it is, never better.

use std::collections::HashSet;

use super::{Judge, is_name, unquoted};
use crate::vocabulary::words::{Meaning, meaning};
use crate::vocabulary::{Native, RelationFacts, RoutineFacts, has_built_ins, is_built_in_of, lookup};
use crate::{Kind, Token, steps};

/// Functions with FROM or other words of queries among their arguments.
const WITH_FROM: [&str; 6] = ["EXTRACT", "TRIM", "SUBSTRING", "SUBSTR", "MID", "POSITION"];

/// Verbs that a table may follow without a further word.
const VERBS: [&str; 3] = ["INSERT", "REPLACE", "DELETE"];
/// Words between such a verb, or UPDATE, and the table.
const MODIFIERS: [&str; 5] = ["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE", "QUICK"];

/// What is expected while the list of tables of a query is read, for one depth of parentheses.
#[derive(Debug, Clone, Copy, Default)]
struct Depth {
    /// True in a list of tables, in which a comma precedes the next table.
    in_list: bool,
    /// True if FROM belongs to a function.
    of_function: bool,
}

impl<'a> Judge<'a> {
    /// Looks up the names in a query or an expression.
    pub(super) fn names(&mut self, toks: &[Token<'a>]) {
        self.look_up(toks, false);
    }

    /// Looks up the names in INSERT, UPDATE, REPLACE or DELETE: any relation in it may be the one that is written.
    pub(super) fn names_of_write(&mut self, toks: &[Token<'a>]) {
        self.look_up(toks, true);
    }

    /// Looks up the procedure and the arguments of a CALL.
    pub(super) fn names_of_call(&mut self, toks: &[Token<'a>]) {
        let (schema, name) = match toks {
            [_, schema, dot, name, ..] if dot.kind == Kind::Dot => (unquoted(schema), unquoted(name)),
            [_, name, ..] => (self.code.schema, unquoted(name)),
            _ => return self.unknown(),
        };
        let facts = lookup(name, |name| self.routines.procedure(Some(schema), name));
        self.routine(facts);
        let open = toks.iter().position(|token| token.kind == Kind::Open).unwrap_or(toks.len());
        self.look_up(toks.get(open..).unwrap_or_default(), false);
    }

    fn look_up(&mut self, toks: &[Token<'a>], writes: bool) {
        let mut depths = vec![Depth::default()];
        let defined = defined(toks);
        // INSERT and REPLACE may be followed by the table at once.
        let mut expects = writes;
        let at = |place: Option<usize>| place.and_then(|place| toks.get(place));
        for (here, token) in toks.iter().enumerate() {
            steps::count(1);
            let (before, next) = (at(here.checked_sub(1)), at(Some(here + 1)));
            match token.kind {
                Kind::Assign => self.acts(),
                Kind::Open => {
                    let of_function = before.is_some_and(|name| name.is_any(&WITH_FROM));
                    depths.push(Depth { in_list: expects, of_function });
                }
                Kind::Close => {
                    depths.pop();
                    expects = false;
                }
                Kind::Comma => expects = depths.last().is_some_and(|depth| depth.in_list),
                Kind::Word | Kind::QuotedIdentifier => {
                    if before.is_some_and(|before| matches!(before.kind, Kind::At | Kind::AtAt)) {
                        continue;
                    }
                    if let Some(now) = self.word(token, before, &mut depths) {
                        expects = now;
                        continue;
                    }
                    let known = self.name(toks, here, writes);
                    if expects && !is_kind(next, Kind::Dot) {
                        // The table of an INSERT has its columns behind it, a table function its arguments.
                        let call = is_kind(next, Kind::Open) && !writes;
                        let here = || defined.contains(&unquoted(token).to_ascii_lowercase());
                        self.found.opaque |= !known && !call && !here();
                        expects = false;
                    }
                }
                _ => {}
            }
        }
    }

    /// Handles a word of the grammar that may precede a table. Returns whether a table is expected behind it, or None
    /// for any other word.
    fn word(&self, token: &Token<'a>, before: Option<&Token<'a>>, depths: &mut [Depth]) -> Option<bool> {
        if token.kind != Kind::Word || is_kind(before, Kind::Dot) {
            return None;
        }
        let depth = depths.last_mut()?;
        let is = |words: &[&str]| token.is_any(words);
        if is(&["FROM"]) {
            depth.in_list = !depth.of_function;
            return Some(depth.in_list);
        }
        if is(&["JOIN", "STRAIGHT_JOIN", "INTO", "TABLE", "LATERAL"]) {
            return Some(true);
        }
        if is(&["UPDATE"]) {
            let is_clause = before.is_some_and(|before| before.is_any(&["KEY", "FOR"]));
            depth.in_list = !is_clause;
            return Some(!is_clause);
        }
        if is(&VERBS) {
            return before.is_none().then_some(true);
        }
        if is(&MODIFIERS) {
            let behind = before
                .is_some_and(|word| word.is_any(&VERBS) || word.is_any(&MODIFIERS) || word.is("UPDATE"));
            return behind.then_some(true);
        }
        if is(&["WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "WINDOW", "SELECT", "VALUES", "VALUE", "SET"]) {
            depth.in_list = false;
            return Some(false);
        }
        is(&["DUAL"]).then_some(false)
    }

    /// Looks up the name at this place: as that of a function if a parenthesis follows, and as that of a relation.
    /// Returns true if it is the name of a relation in the catalogue.
    fn name(&mut self, toks: &[Token<'a>], here: usize, writes: bool) -> bool {
        let at = |place: Option<usize>| place.and_then(|place| toks.get(place));
        let Some(token) = toks.get(here) else { return false };
        let (before, next) = (at(here.checked_sub(1)), at(Some(here + 1)));
        let schema = match is_kind(before, Kind::Dot) {
            true => at(here.checked_sub(2)).filter(|schema| is_name(schema)).map(unquoted),
            false => None,
        };
        if is_kind(next, Kind::Open) {
            self.call(token, schema, toks.get(here + 1..).unwrap_or_default());
        }
        if is_kind(next, Kind::Dot) {
            // A schema, or a table that is named in the list of tables, too.
            return false;
        }
        let facts = self.routines.relation(Some(schema.unwrap_or(self.code.schema)), unquoted(token));
        match facts {
            RelationFacts::Unknown => return false,
            RelationFacts::Plain | RelationFacts::ReadingView if !writes => {}
            RelationFacts::CallingView if !writes => self.found.calls = true,
            RelationFacts::ServerView if !writes => (self.found.calls, self.found.of_server) = (true, true),
            RelationFacts::LooksBackView if !writes => {
                (self.found.calls, self.found.looks_back) = (true, true)
            }
            RelationFacts::Plain => {}
            // A view writes the tables under it, which are not known here.
            RelationFacts::PlainToRead
            | RelationFacts::ReadingView
            | RelationFacts::CallingView
            | RelationFacts::ServerView
            | RelationFacts::LooksBackView => self.found.opaque |= writes,
            RelationFacts::Opaque => self.found.opaque = true,
            RelationFacts::UnknownView => (self.found.opaque, self.found.unknown_view) = (true, true),
            RelationFacts::Acts => self.acts(),
        }
        true
    }

    /// Looks up the function of a call. `behind`: the opening parenthesis, and what follows.
    fn call(&mut self, name: &Token<'a>, schema: Option<&[u8]>, behind: &[Token<'a>]) {
        let meaning = meaning(unquoted(name));
        let of_built_ins = schema.filter(|schema| has_built_ins(schema));
        if (schema.is_none() && name.kind == Kind::Word) || of_built_ins.is_some() {
            match meaning {
                Meaning::GetLock | Meaning::ReleaseLock => return self.acts(),
                Meaning::InsertId if !is_kind(behind.get(1), Kind::Close) => return self.acts(),
                _ => {}
            }
            if let Some(schema) = of_built_ins
                && is_built_in_of(schema, unquoted(name), self.routines)
            {
                return;
            }
            let adjacent = behind.first().is_some_and(|open| open.start == name.start + name.text.len());
            let tight = meaning != Meaning::Tight || adjacent;
            if schema.is_none() && tight && self.routines.native(name.text) == Native::Everywhere {
                return;
            }
        }
        let schema = schema.unwrap_or(self.code.schema);
        let facts = lookup(unquoted(name), |name| self.routines.function(Some(schema), name));
        if facts != RoutineFacts::Unknown {
            self.routine(facts);
        }
    }

    /// Notes what a routine does that the code calls. That a routine is not understood shows in the class, too.
    fn routine(&mut self, facts: RoutineFacts) {
        self.found.calls = true;
        match facts {
            RoutineFacts::ReadsOnly => {}
            RoutineFacts::ReadsOpaque => self.found.opaque = true,
            RoutineFacts::ReadsServer => self.found.of_server = true,
            RoutineFacts::Harmless => self.found.writes = true,
            RoutineFacts::WritesOpaque => (self.found.writes, self.found.opaque) = (true, true),
            RoutineFacts::Unknown | RoutineFacts::Other => self.unknown(),
            RoutineFacts::Acts => self.acts(),
        }
    }
}

fn is_kind(token: Option<&Token<'_>>, kind: Kind) -> bool {
    token.is_some_and(|token| token.kind == kind)
}

/// Returns the names of common table expressions, in lower case: `name AS (` or `name (columns) AS (` behind WITH.
fn defined(toks: &[Token<'_>]) -> HashSet<Vec<u8>> {
    let mut names = HashSet::new();
    if !toks.iter().any(|token| token.is("WITH")) {
        return names;
    }
    for (at, name) in toks.iter().enumerate().filter(|(_, token)| is_name(token)) {
        let behind = toks.get(at + 1..).unwrap_or_default();
        let behind = match behind {
            [open, list @ ..] if open.kind == Kind::Open => {
                let close = list.iter().inspect(|_| steps::count(1));
                let close = close.take_while(|token| is_name(token) || token.kind == Kind::Comma).count();
                list.get(close..).filter(|rest| rest.first().is_some_and(|close| close.kind == Kind::Close))
            }
            _ => Some(behind),
        };
        let behind = match behind {
            Some([close, rest @ ..]) if close.kind == Kind::Close => rest,
            Some(rest) => rest,
            None => continue,
        };
        if matches!(behind, [word, open, ..] if word.is("AS") && open.kind == Kind::Open) {
            names.insert(unquoted(name).to_ascii_lowercase());
        }
    }
    names
}
