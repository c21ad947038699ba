//! The servers' stored routines, as far as it matters here: which of them only read, which leave
//! nothing behind in the session that calls them. Immutable; read anew, it is replaced whole.

use std::collections::HashMap;

use super::body;
use super::classify::{RoutineFacts, Routines};
use super::lexer::Options;

/// Routines that call others are judged after those; deeper chains of calls than this may do anything.
const MAX_ROUNDS: usize = 8;
/// Names have 64 characters of at most 4 bytes.
const MAX_NAME: usize = 256;

/// A function or a procedure: each has its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoutineKind {
    /// CREATE FUNCTION
    Function,
    /// CREATE PROCEDURE
    Procedure,
}

/// SQL_DATA_ACCESS: what the routine says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataAccess {
    /// NO SQL, READS SQL DATA
    Reads,
    /// CONTAINS SQL, which is what stands there when nobody said anything.
    Contains,
    /// MODIFIES SQL DATA
    Modifies,
}

/// What can be seen of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The account may not see it.
    Hidden,
    /// It is there, but too long, or in another language than SQL.
    Opaque,
    /// Its text in UTF-8, and how it was read when it was created.
    Text(Box<[u8]>, Options),
}

/// A routine as the servers' tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Where it belongs.
    pub schema: Box<[u8]>,
    /// Its name.
    pub name: Box<[u8]>,
    /// What it is.
    pub kind: RoutineKind,
    /// What it says of itself.
    pub access: DataAccess,
    /// What it is made of.
    pub body: Body,
}

/// By name in lower case.
type Places = HashMap<Box<[u8]>, Named>;

/// The routines of one name. Schemas without number may have one, and a text may name it without end: neither may
/// make a lookup longer.
#[derive(Debug, Clone)]
struct Named {
    /// Their places in `definitions`, by schema in lower case.
    in_schema: HashMap<Box<[u8]>, Vec<usize>>,
    /// What is true of all of them.
    worst: RoutineFacts,
}

impl Default for Named {
    fn default() -> Self {
        Self { in_schema: HashMap::new(), worst: RoutineFacts::Other }
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct RoutineCatalogue {
    version: u64,
    complete: bool,
    definitions: Vec<Definition>,
    functions: Places,
    procedures: Places,
    /// What is known of each of `definitions`.
    facts: Vec<RoutineFacts>,
}

impl RoutineCatalogue {
    /// The next catalogue, None if it says the same. `complete`: these are all there are.
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

    /// How many routines there are, and how many of them only read.
    pub fn counts(&self) -> (usize, usize) {
        (self.facts.len(), self.facts.iter().filter(|facts| **facts == RoutineFacts::ReadsOnly).count())
    }

    /// From "each may do anything" upwards: what calls others gets better when they do.
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

    /// The worst of those that the name may mean.
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

/// The worst of what is known of the routines at these places.
fn worst<'a>(facts: &[RoutineFacts], places: impl IntoIterator<Item = &'a usize>) -> RoutineFacts {
    let known = places.into_iter().filter_map(|at| facts.get(*at)).copied();
    known.max_by_key(|facts| severity(*facts)).unwrap_or(RoutineFacts::Unknown)
}

const fn severity(facts: RoutineFacts) -> u8 {
    match facts {
        RoutineFacts::Unknown => 0,
        RoutineFacts::ReadsOnly => 1,
        RoutineFacts::Harmless => 2,
        RoutineFacts::Other => 3,
    }
}

impl Routines for RoutineCatalogue {
    fn function(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        self.find(&self.functions, schema, name)
    }

    fn procedure(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        self.find(&self.procedures, schema, name)
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
