//! The servers' stored routines: which of them only read, and which leave nothing behind in the
//! session that calls them. A catalogue is immutable; when the routines are read again, a new one
//! replaces it.

use std::collections::HashMap;

use super::body;
use super::classify::{RelationFacts, RoutineFacts, Routines};
use super::lexer::Options;

/// How many times all routines are judged. A routine needs one more round than the routines that it calls; if a chain
/// of calls is deeper than this, the routines at its top may do anything.
const MAX_ROUNDS: usize = 8;
/// The longest name, in bytes: 64 characters of at most 4 bytes each.
const MAX_NAME: usize = 256;

/// A function or a procedure. A function and a procedure may have the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoutineKind {
    /// CREATE FUNCTION
    Function,
    /// CREATE PROCEDURE
    Procedure,
}

/// SQL_DATA_ACCESS: what the routine declares about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataAccess {
    /// NO SQL, READS SQL DATA
    Reads,
    /// CONTAINS SQL, the default if nothing was declared
    Contains,
    /// MODIFIES SQL DATA
    Modifies,
}

/// The body of a routine, as far as the proxy can see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The proxy's account may not see the body.
    Hidden,
    /// The body is too long, or in a language other than SQL.
    Opaque,
    /// The text of the body in UTF-8, and the lexer options of the session that created the routine.
    Text(Box<[u8]>, Options),
}

/// A routine as it is in the servers' tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The schema of the routine.
    pub schema: Box<[u8]>,
    /// The name of the routine.
    pub name: Box<[u8]>,
    /// Function or procedure.
    pub kind: RoutineKind,
    /// What the routine declares about itself.
    pub access: DataAccess,
    /// The body of the routine.
    pub body: Body,
}

/// Routines by name in lower case.
type Places = HashMap<Box<[u8]>, Named>;

/// The routines of one name. Any number of schemas may have a routine of that name, and a text may call it any number
/// of times; so every lookup must take constant time.
#[derive(Debug, Clone)]
struct Named {
    /// The indexes of the routines in `definitions`, by schema in lower case.
    in_schema: HashMap<Box<[u8]>, Vec<usize>>,
    /// The worst of the facts of all these routines: the answer if the schema is unknown.
    worst: RoutineFacts,
}

impl Default for Named {
    fn default() -> Self {
        Self { in_schema: HashMap::new(), worst: RoutineFacts::Other }
    }
}

/// The catalogue of stored routines; see the module.
#[derive(Debug, Clone, Default)]
pub struct RoutineCatalogue {
    version: u64,
    complete: bool,
    definitions: Vec<Definition>,
    functions: Places,
    procedures: Places,
    /// What is known of each routine, in the order of `definitions`.
    facts: Vec<RoutineFacts>,
}

impl RoutineCatalogue {
    /// Returns the catalogue that replaces this one, or None if nothing changed. `complete`: `definitions` has all
    /// routines of the servers.
    pub fn replaced_by(&self, mut definitions: Vec<Definition>, complete: bool) -> Option<Self> {
        definitions.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        if self.version > 0 && self.complete == complete && self.definitions == definitions {
            return None;
        }
        let mut next = RoutineCatalogue { version: self.version + 1, complete, ..Self::default() };
        for (at, definition) in definitions.iter().enumerate() {
            let places = match definition.kind {
                RoutineKind::Function => &mut next.functions,
                RoutineKind::Procedure => &mut next.procedures,
            };
            let name = definition.name.to_ascii_lowercase().into_boxed_slice();
            let schema = definition.schema.to_ascii_lowercase().into_boxed_slice();
            places.entry(name).or_default().in_schema.entry(schema).or_default().push(at);
        }
        next.facts = vec![RoutineFacts::Other; definitions.len()];
        next.definitions = definitions;
        next.judge();
        Some(next)
    }

    /// Returns how many routines there are, and how many of them only read.
    pub fn counts(&self) -> (usize, usize) {
        (self.facts.len(), self.facts.iter().filter(|facts| facts.is_read()).count())
    }

    /// Judges all routines. Each begins as "may do anything"; the facts of a routine can improve in the round after the
    /// facts of the routines that it calls improved.
    fn judge(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let judged = self.definitions.iter().zip(&self.facts);
            let facts: Vec<_> = judged.map(|(definition, known)| self.facts_of(definition, *known)).collect();
            if facts == self.facts {
                return;
            }
            self.facts = facts;
            for named in self.functions.values_mut().chain(self.procedures.values_mut()) {
                named.worst = worst(&self.facts, named.in_schema.values().flatten());
            }
        }
    }

    fn facts_of(&self, definition: &Definition, known: RoutineFacts) -> RoutineFacts {
        let own_schemas: [&[u8]; 4] = [b"sys", b"mysql", b"performance_schema", b"information_schema"];
        if known == RoutineFacts::ReadsOnly || own_schemas.contains(&&*definition.schema) {
            return known;
        }
        let reads = definition.access != DataAccess::Modifies;
        match &definition.body {
            Body::Hidden if definition.access == DataAccess::Reads => RoutineFacts::ReadsOnly,
            Body::Hidden | Body::Opaque => RoutineFacts::Other,
            Body::Text(text, options) => match body::judge(text, *options, &definition.schema, self) {
                RoutineFacts::ReadsOnly if !reads => RoutineFacts::Harmless,
                facts => facts,
            },
        }
    }

    /// Returns the worst facts of the routines that the name may mean.
    fn find(&self, places: &Places, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        let mut lower = [0; MAX_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else { return RoutineFacts::Unknown };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let Some(named) = places.get(&*lower) else { return RoutineFacts::Unknown };
        let Some(schema) = schema else { return named.worst };
        let mut lower = [0; MAX_NAME];
        let Some(lower) = lower.get_mut(..schema.len()) else { return RoutineFacts::Unknown };
        lower.copy_from_slice(schema);
        lower.make_ascii_lowercase();
        named.in_schema.get(&*lower).map_or(RoutineFacts::Unknown, |places| worst(&self.facts, places))
    }
}

/// Returns the worst facts of the routines at these indexes.
fn worst<'a>(facts: &[RoutineFacts], places: impl IntoIterator<Item = &'a usize>) -> RoutineFacts {
    let known = places.into_iter().filter_map(|at| facts.get(*at)).copied();
    known.max_by_key(|facts| severity(*facts)).unwrap_or(RoutineFacts::Unknown)
}

const fn severity(facts: RoutineFacts) -> u8 {
    match facts {
        RoutineFacts::Unknown => 0,
        RoutineFacts::ReadsOnly => 1,
        RoutineFacts::ReadsOpaque => 2,
        RoutineFacts::Harmless => 3,
        RoutineFacts::WritesOpaque => 4,
        RoutineFacts::Other => 5,
        RoutineFacts::Acts => 6,
    }
}

impl Routines for RoutineCatalogue {
    fn function(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        self.find(&self.functions, schema, name)
    }

    fn procedure(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        self.find(&self.procedures, schema, name)
    }

    fn relation(&self, _: Option<&[u8]>, _: &[u8]) -> RelationFacts {
        RelationFacts::Unknown
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}

#[cfg(test)]
mod tests;
