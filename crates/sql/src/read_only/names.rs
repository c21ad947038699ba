//! The names in a statement on replica ports: functions must be built in, or known to only read; relations must not be
//! known to do more than read.

use super::refusal::{Reason, Refusal};
use crate::grammar::{DerivedCall, DerivedFacts, DerivedName};
use crate::information_schema::opens_views;
use crate::vocabulary::{has_built_ins, is_built_in_of, lookup};
use crate::{Native, RelationFacts, RoutineFacts, Routines, TextCharset, Token};

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

    fn function(&self, call: &DerivedCall<'_>, default: Option<&[u8]>) -> RoutineFacts {
        let schema = call.name.schema.or(default).or(self.default_schema());
        lookup(call.name.name, |name| self.routines.function(schema, name))
    }
}

/// Returns a name with characters outside ASCII that cannot be looked up, in a text of this character set. That of a relation
/// can where one byte is one character.
pub(super) fn outside_ascii<'a>(facts: &DerivedFacts<'a>, charset: TextCharset) -> Option<&'a [u8]> {
    let relations = facts.relations.iter().filter(|_| charset != TextCharset::SingleByte);
    let schemas = facts.relations.iter().filter_map(|name| name.schema);
    let calls = facts.calls.iter().flat_map(|call| call.name.schema.into_iter().chain([call.name.name]));
    let mut parts = relations.map(|name| name.name).chain(schemas).chain(calls);
    parts.find(|part| !part.is_ascii())
}

/// Checks the functions of a derived statement. Returns true if one of them is opaque. Without `calls` all functions are
/// allowed, except those that are known to write.
pub(super) fn functions(
    facts: &DerivedFacts<'_>,
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
        match function(call, calls, facts.default_schema) {
            SeenNames::Reads => {}
            SeenNames::Opaque => opaque = true,
            SeenNames::Acts => return Err(refused(Reason::UnknownFunction)),
        }
    }
    Ok(opaque)
}

/// Returns the relations of a derived statement into which the catalogue cannot see. Refuses those that do more than read.
pub(super) fn opaque<'a>(
    facts: &DerivedFacts<'a>,
    charset: TextCharset,
    calls: Option<&Calls<'_>>,
) -> Result<Vec<DerivedName<'a>>, Refusal> {
    let mut opaque = Vec::new();
    let Some(calls) = calls else { return Ok(opaque) };
    let computes_default = facts.calls.iter().any(|call| call.name.name.eq_ignore_ascii_case(b"DEFAULT"));
    for name in &facts.relations {
        let schema = name.schema.or(calls.default_schema());
        if charset == TextCharset::SingleByte && !name.name.is_ascii() {
            // The catalogue has names in UTF-8, in which each of these characters takes two bytes or more.
            let same_length: String = name.name.iter().copied().map(char::from).collect();
            if calls.routines.relation(schema, same_length.as_bytes()) == RelationFacts::Acts {
                return Err(Refusal::new(Reason::ActingRelation, name.name));
            }
        }
        match calls.routines.relation(schema, name.name) {
            RelationFacts::Acts => return Err(Refusal::new(acting(schema, name.name), name.name)),
            RelationFacts::Opaque | RelationFacts::UnknownView | RelationFacts::Unknown => opaque.push(*name),
            // A default may use a sequence.
            RelationFacts::PlainToRead if computes_default => opaque.push(*name),
            RelationFacts::Plain
            | RelationFacts::PlainToRead
            | RelationFacts::ReadingView
            | RelationFacts::CallingView
            | RelationFacts::ServerView
            | RelationFacts::LooksBackView => {}
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
enum SeenNames {
    Reads,
    Opaque,
    Acts,
}

fn function(call: &DerivedCall<'_>, calls: &Calls<'_>, default: Option<&[u8]>) -> SeenNames {
    if let Some(schema) = call.name.schema.filter(|schema| has_built_ins(schema)) {
        // A function that somebody stored there may run instead, or not: the version of the server says.
        return match is_built_in_of(schema, call.name.name, calls.routines) {
            true => SeenNames::Reads,
            false => SeenNames::Acts,
        };
    }
    if call.name.schema.is_none() && call.bare {
        let certain = match calls.routines.native(call.name.name) {
            // With a space in front of the parenthesis, some built-in functions are stored ones.
            Native::Everywhere => call.tight || !needs_tight(call.name.name),
            Native::Somewhere | Native::Nowhere => false,
        };
        if certain {
            return SeenNames::Reads;
        }
    }
    match calls.function(call, default) {
        RoutineFacts::ReadsOnly | RoutineFacts::ReadsServer => SeenNames::Reads,
        RoutineFacts::ReadsOpaque => SeenNames::Opaque,
        RoutineFacts::Unknown if call.name.schema.is_none() && is_built_in(call.name.name, calls) => {
            SeenNames::Reads
        }
        _ => SeenNames::Acts,
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
    use crate::vocabulary::words::{Meaning, meaning};
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
