//! The names in a statement on replica ports: functions must be built in, or known to only read; relations must not be
//! known to do more than read.

use super::refusal::{Reason, Refusal};
use crate::sql::catalogue::opens_views;
use crate::sql::classify::lookup;
use crate::sql::grammar::{Call, Facts, Name};
use crate::sql::{Native, RelationFacts, RoutineFacts, Routines, Token};

/// What is known of names.
pub struct Calls<'a> {
    /// The default schema; empty if there is none or it is unknown.
    pub schema: &'a [u8],
    /// The servers' catalogue.
    pub routines: &'a dyn Routines,
}

impl std::fmt::Debug for Calls<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls")
            .field("schema", &self.schema.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

impl<'a> Calls<'a> {
    fn default_schema(&self) -> Option<&'a [u8]> {
        (!self.schema.is_empty()).then_some(self.schema)
    }

    fn function(&self, call: &Call<'_>) -> RoutineFacts {
        let schema = call.name.schema.or(self.default_schema());
        lookup(call.name.name, |name| self.routines.function(schema, name))
    }
}

/// Checks the functions of a derived statement. Returns true if one of them is opaque. Without `calls` all functions are
/// allowed, except those that are known to write.
pub(super) fn functions(
    facts: &Facts<'_>,
    tokens: &[Token<'_>],
    calls: Option<&Calls<'_>>,
) -> Result<bool, Refusal> {
    let mut opaque = false;
    for call in &facts.calls {
        let refused = |reason| Refusal::near(reason, tokens.get(call.at));
        if writes_when_called(call.name.name) {
            return Err(refused(Reason::WritingFunction));
        }
        let Some(calls) = calls else { continue };
        match function(call, calls) {
            Seen::Reads => {}
            Seen::Opaque => opaque = true,
            Seen::Acts => return Err(refused(Reason::UnknownFunction)),
        }
    }
    Ok(opaque)
}

/// Returns the relations of a derived statement into which the catalogue cannot see. Refuses those that do more than read.
pub(super) fn opaque<'a>(facts: &Facts<'a>, calls: Option<&Calls<'_>>) -> Result<Vec<Name<'a>>, Refusal> {
    let mut opaque = Vec::new();
    let Some(calls) = calls else { return Ok(opaque) };
    for name in &facts.relations {
        match calls.routines.relation(name.schema.or(calls.default_schema()), name.name) {
            RelationFacts::Acts => {
                return Err(Refusal::new(
                    acting(name.schema.or(calls.default_schema()), name.name),
                    name.name,
                ));
            }
            RelationFacts::Opaque | RelationFacts::Unknown => opaque.push(*name),
            RelationFacts::Plain
            | RelationFacts::PlainToRead
            | RelationFacts::ReadingView
            | RelationFacts::CallingView => {}
        }
    }
    Ok(opaque)
}

/// Returns why a relation is refused that does more than read.
fn acting(schema: Option<&[u8]>, name: &[u8]) -> Reason {
    match schema {
        Some(schema) if schema.eq_ignore_ascii_case(b"information_schema") && opens_views(name) => {
            Reason::OpensActingView
        }
        _ => Reason::ActingRelation,
    }
}

/// What is known of a function.
enum Seen {
    Reads,
    Opaque,
    Acts,
}

fn function(call: &Call<'_>, calls: &Calls<'_>) -> Seen {
    if call.name.schema.is_none() && call.bare {
        let certain = match calls.routines.native(call.name.name) {
            // With a space in front of the parenthesis, some built-in functions are stored ones.
            Native::Everywhere => call.tight || !needs_tight(call.name.name),
            Native::Somewhere | Native::Nowhere => false,
        };
        if certain {
            return Seen::Reads;
        }
    }
    match calls.function(call) {
        RoutineFacts::ReadsOnly => Seen::Reads,
        RoutineFacts::ReadsOpaque => Seen::Opaque,
        RoutineFacts::Unknown if call.name.schema.is_none() && is_built_in(call.name.name, calls) => {
            Seen::Reads
        }
        _ => Seen::Acts,
    }
}

/// True if a function of this name that the catalogue does not have is a built-in one, or does not exist.
fn is_built_in(name: &[u8], calls: &Calls<'_>) -> bool {
    match calls.routines.native(name) {
        Native::Everywhere => true,
        Native::Somewhere => calls.routines.is_complete(),
        Native::Nowhere => false,
    }
}

fn needs_tight(name: &[u8]) -> bool {
    use crate::sql::classify::words::{Meaning, meaning};
    meaning(name) == Meaning::Tight
}

/// Functions of MariaDB's sequences. Applications on MySQL often have stored functions of the same names.
const SEQUENCE_FUNCTIONS: [&str; 2] = ["NEXTVAL", "SETVAL"];
/// The first parts of the names of functions that reconfigure servers (group_replication_set_as_primary, …).
const MANAGEMENT: [&[u8]; 4] = [
    b"group_replication_set_",
    b"group_replication_switch_",
    b"group_replication_enable_",
    b"asynchronous_connection_failover_",
];

fn writes_when_called(name: &[u8]) -> bool {
    let starts =
        |prefix: &&[u8]| name.get(..prefix.len()).is_some_and(|part| part.eq_ignore_ascii_case(prefix));
    SEQUENCE_FUNCTIONS.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes()))
        || MANAGEMENT.iter().any(starts)
}
