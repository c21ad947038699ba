//! The servers' stored routines, tables and views: which of them only read, and which leave nothing behind in the
//! session that uses them. A catalogue is immutable; when the servers' tables are read again, a new one replaces it.

mod changes;
mod definitions;
mod names;
mod opening;

use std::sync::Arc;

use super::body::{self, Code, Findings};
use super::information_schema::{self, SchemaReading};
use super::vocabulary::native::{ServerFunctions, is_by_arguments, native};
use super::vocabulary::{Native, RelationFacts, RoutineFacts, Routines};
pub use changes::{Changes, Moment};
pub use definitions::{
    Body, Contents, DataAccess, Definition, QualifiedName, Relation, RelationKind, RoutineKind, Table,
};
use names::{CatalogueNames, NameFacts, NameSet};

/// How many times all objects are judged. An object needs one more round than the objects that it uses; if a chain of
/// uses is deeper than this, the objects at its top are not understood.
const MAX_ROUNDS: usize = 32;

/// The schemas of the servers themselves.
const SERVER_SCHEMAS: [&[u8]; 4] = [b"sys", b"mysql", b"performance_schema", b"information_schema"];

/// The catalogue; see the module.
#[derive(Debug, Clone, Default)]
pub struct RoutineCatalogue {
    version: u64,
    contents: Arc<Contents>,
    packages: NameSet,
    /// The packages that have DETERMINISTIC functions, or that the account cannot see into.
    constant: NameSet,
    loadable: NameSet,
    functions: CatalogueNames<RoutineFacts>,
    procedures: CatalogueNames<RoutineFacts>,
    relations: CatalogueNames<RelationFacts>,
    /// What is known of each routine, in the order of `contents`.
    routine_facts: Vec<RoutineFacts>,
    /// What is known of each relation, in the order of `contents`.
    relation_facts: Vec<RelationFacts>,
    /// What is known of a query for which a server opens all views.
    opened: RelationFacts,
    changes: Arc<Changes>,
    as_of: Moment,
}

/// How many routines and relations are in a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// All routines.
    pub routines: usize,
    /// The routines that are not known to do more than read.
    pub reading: usize,
    /// All relations.
    pub relations: usize,
    /// The relations of which everything is known that reading them does.
    pub plain: usize,
}

impl RoutineCatalogue {
    /// Makes an empty catalogue. `changes`: where sessions note that they changed something.
    pub fn with_changes(changes: Arc<Changes>) -> Self {
        Self { changes, ..Self::default() }
    }

    /// Returns the catalogue that replaces this one, or None if nothing changed. `as_of` was the moment before the
    /// contents were read.
    pub fn replaced_by(&self, mut contents: Contents, as_of: Moment) -> Option<Self> {
        contents.routines.sort_by(|a, b| (&a.schema, &a.name, a.kind).cmp(&(&b.schema, &b.name, b.kind)));
        contents.relations.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        if self.version > 0 && *self.contents == contents {
            // What was judged stays, and is as new as this reading.
            let next = Self { version: self.version + 1, as_of, ..self.clone() };
            return (self.as_of != as_of).then_some(next);
        }
        let mut next = RoutineCatalogue {
            version: self.version + 1,
            packages: NameSet::new(&contents.packages),
            constant: NameSet::new(&contents.constant_packages),
            loadable: NameSet::new(&contents.loadable),
            routine_facts: vec![RoutineFacts::Other; contents.routines.len()],
            relation_facts: vec![RelationFacts::Opaque; contents.relations.len()],
            opened: RelationFacts::Opaque,
            changes: self.changes.clone(),
            as_of,
            ..Self::default()
        };
        for (at, routine) in contents.routines.iter().enumerate() {
            let names = match routine.kind {
                RoutineKind::Function => &mut next.functions,
                RoutineKind::Procedure => &mut next.procedures,
            };
            names.insert(&routine.schema, &routine.name, at);
        }
        for (at, relation) in contents.relations.iter().enumerate() {
            next.relations.insert(&relation.schema, &relation.name, at);
        }
        next.contents = Arc::new(contents);
        next.judge();
        Some(next)
    }

    /// Returns the catalogue for other servers in use, or None if the servers are the same. What was read from the servers'
    /// tables stays.
    pub fn with_servers(&self, servers: Vec<ServerFunctions>) -> Option<Self> {
        if self.contents.servers == servers {
            return None;
        }
        self.replaced_by(Contents { servers, ..Contents::clone(&self.contents) }, self.as_of)
    }

    /// Returns how many routines and relations there are, and how many of them are known to be harmless.
    pub fn counts(&self) -> Counts {
        use RelationFacts::{CallingView, LooksBackView, Plain, PlainToRead, ReadingView, ServerView};
        let plain = |facts: &&RelationFacts| {
            matches!(facts, Plain | PlainToRead | ReadingView | CallingView | ServerView | LooksBackView)
        };
        Counts {
            routines: self.routine_facts.len(),
            reading: self.routine_facts.iter().filter(|facts| facts.is_read()).count(),
            relations: self.relation_facts.len(),
            plain: self.relation_facts.iter().filter(plain).count(),
        }
    }

    /// Returns the grants that the monitor's account lacks to see more, each with what it would be worth.
    pub fn missing(&self) -> &[(Box<str>, &'static str)] {
        &self.contents.missing
    }

    /// Where sessions note that they changed routines or relations.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Judges all objects. Each begins as not understood; the facts of an object can improve in the round after the
    /// facts of the objects that it uses improved.
    fn judge(&mut self) {
        self.facts_changed();
        let contents = self.contents.clone();
        for _ in 0..MAX_ROUNDS {
            let routines = contents.routines.iter().zip(&self.routine_facts);
            let routines: Vec<_> =
                routines.map(|(routine, known)| self.facts_of_routine(routine, *known)).collect();
            let relations = contents.relations.iter().zip(&self.relation_facts);
            let relations: Vec<_> =
                relations.map(|(relation, known)| self.facts_of_relation(relation, *known)).collect();
            let same = routines == self.routine_facts && relations == self.relation_facts;
            (self.routine_facts, self.relation_facts) = (routines, relations);
            self.facts_changed();
            let opened = opening::facts(self);
            if same && opened == self.opened {
                return;
            }
            self.opened = opened;
        }
    }

    /// Returns `facts`, which were judged when the catalogue was read, as far as they still hold.
    fn still(&self, facts: RelationFacts) -> RelationFacts {
        match facts {
            RelationFacts::Acts | RelationFacts::UnknownView => facts,
            _ if !self.changes.since(self.as_of).any() => facts,
            // The replicas must not be asked meanwhile.
            RelationFacts::ServerView | RelationFacts::LooksBackView => RelationFacts::UnknownView,
            _ => RelationFacts::Opaque,
        }
    }

    fn facts_changed(&mut self) {
        self.functions.facts_changed(&self.routine_facts);
        self.procedures.facts_changed(&self.routine_facts);
        self.relations.facts_changed(&self.relation_facts);
    }

    fn facts_of_routine(&self, routine: &Definition, known: RoutineFacts) -> RoutineFacts {
        let is_final =
            matches!(known, RoutineFacts::ReadsOnly | RoutineFacts::ReadsServer | RoutineFacts::Acts);
        if is_final {
            return known;
        }
        let (text, options) = match &routine.body {
            // Servers do not check what is declared.
            Body::Hidden if routine.access == DataAccess::Reads => return RoutineFacts::ReadsOpaque,
            Body::Hidden | Body::Opaque => return RoutineFacts::Other,
            Body::Text(text, options) => (text, *options),
        };
        let code = Code { parameters: &routine.parameters, ..Code::new(text, options, &routine.schema) };
        let mut found = body::judge(code, self);
        found.writes |= routine.access == DataAccess::Modifies;
        found.of_routine()
    }

    fn facts_of_relation(&self, relation: &Relation, known: RelationFacts) -> RelationFacts {
        let of_server = is_of_server(&relation.schema);
        let facts = match &relation.kind {
            RelationKind::View(Body::Text(text, options))
                if matches!(known, RelationFacts::Opaque | RelationFacts::UnknownView) =>
            {
                body::judge_query(Code::new(text, *options, &relation.schema), self).of_view()
            }
            RelationKind::View(Body::Text(..)) => known,
            RelationKind::View(_) | RelationKind::Other => RelationFacts::Opaque,
            RelationKind::Sequence => RelationFacts::PlainToRead,
            RelationKind::Table(table) => self.facts_of_table(table, &relation.schema),
        };
        match facts {
            RelationFacts::Plain if of_server => RelationFacts::PlainToRead,
            facts => facts,
        }
    }

    fn facts_of_table(&self, table: &Table, schema: &[u8]) -> RelationFacts {
        let Some(columns) = &table.columns else { return RelationFacts::Opaque };
        let read = columns.iter().fold(Findings::default(), |found, column| {
            found.and(self.findings(column, schema, body::judge_expression))
        });
        if read.acts {
            return RelationFacts::Acts;
        }
        if !read.is_plain() {
            return RelationFacts::Opaque;
        }
        let Some(writing) = &table.triggers else { return RelationFacts::PlainToRead };
        let judge = |code: Code<'_>, routines: &dyn Routines| {
            body::judge(Code { of_trigger: true, ..code }, routines)
        };
        let plain = writing.iter().all(|body| self.findings(body, schema, judge).is_plain());
        // A table that cascades to itself runs its own triggers.
        let is_plain = |(schema, name): &QualifiedName| {
            self.relations.find(&self.relation_facts, Some(schema), name) == Some(RelationFacts::Plain)
        };
        if plain && table.cascades.iter().all(is_plain) {
            RelationFacts::Plain
        } else {
            RelationFacts::PlainToRead
        }
    }

    fn findings(
        &self,
        body: &Body,
        schema: &[u8],
        judge: impl Fn(Code<'_>, &dyn Routines) -> Findings,
    ) -> Findings {
        match body {
            Body::Hidden | Body::Opaque => Findings::UNKNOWN,
            Body::Text(text, options) => judge(Code::new(text, *options, schema), self),
        }
    }

    fn find(&self, names: &CatalogueNames<RoutineFacts>, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        let facts = names.find(&self.routine_facts, schema, name).unwrap_or(RoutineFacts::Unknown);
        let stale = self.changes.since(self.as_of);
        match facts {
            _ if stale.routines => RoutineFacts::Unknown,
            // What the routine uses may have changed.
            RoutineFacts::ReadsOnly if stale.relations => RoutineFacts::ReadsOpaque,
            RoutineFacts::Harmless | RoutineFacts::ReadsServer if stale.relations => {
                RoutineFacts::WritesOpaque
            }
            facts => facts,
        }
    }
}

/// True for a schema of the servers themselves. Where names of schemas differ by case, `SYS` is anybody's; where they do not,
/// servers keep them in lower case.
fn is_of_server(schema: &[u8]) -> bool {
    SERVER_SCHEMAS.contains(&schema)
}

/// True if a server may take the name for that of one of its own schemas: `İNFORMATION_SCHEMA`, where names of schemas do not
/// differ by case.
fn looks_like_servers(schema: &[u8]) -> bool {
    SERVER_SCHEMAS.iter().any(|own| names::may_mean(schema, own))
}

impl NameFacts for RoutineFacts {
    fn severity(self) -> u8 {
        match self {
            RoutineFacts::Unknown => 0,
            RoutineFacts::ReadsOnly => 1,
            RoutineFacts::ReadsOpaque => 2,
            RoutineFacts::ReadsServer => 3,
            RoutineFacts::Harmless => 4,
            RoutineFacts::WritesOpaque => 5,
            RoutineFacts::Other => 6,
            RoutineFacts::Acts => 7,
        }
    }
}

impl NameFacts for RelationFacts {
    fn severity(self) -> u8 {
        match self {
            RelationFacts::Unknown => 0,
            RelationFacts::Plain => 1,
            RelationFacts::ReadingView => 2,
            RelationFacts::PlainToRead => 3,
            RelationFacts::CallingView => 4,
            RelationFacts::ServerView => 5,
            RelationFacts::LooksBackView => 6,
            RelationFacts::Opaque => 7,
            RelationFacts::UnknownView => 8,
            RelationFacts::Acts => 9,
        }
    }
}

impl Routines for RoutineCatalogue {
    fn function(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        // `package.function()` looks like a function in a schema, and a loadable function like one in the default schema.
        if schema.is_some_and(|schema| self.packages.contains(schema)) {
            return RoutineFacts::Acts;
        }
        if self.loadable.contains(name) {
            return RoutineFacts::Other;
        }
        self.find(&self.functions, schema, name)
    }

    fn procedure(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        if schema.is_some_and(|schema| self.packages.contains(schema)) {
            return RoutineFacts::Acts;
        }
        self.find(&self.procedures, schema, name)
    }

    fn relation(&self, schema: Option<&[u8]>, name: &[u8]) -> RelationFacts {
        if schema.is_some_and(|schema| !schema.is_ascii() && looks_like_servers(schema)) {
            return RelationFacts::Acts;
        }
        let is = |wanted: &[u8]| schema.is_some_and(|schema| schema.eq_ignore_ascii_case(wanted));
        if is(b"performance_schema") {
            return RelationFacts::PlainToRead;
        }
        if is(b"information_schema") {
            return match information_schema::reading(name) {
                SchemaReading::Plain => RelationFacts::PlainToRead,
                SchemaReading::OpensViews => self.still(self.opened),
                SchemaReading::Unknown => RelationFacts::Opaque,
                SchemaReading::Resets | SchemaReading::LooksAlike => RelationFacts::Acts,
            };
        }
        if schema.is_none() && information_schema::may_reset(name) {
            return RelationFacts::Acts;
        }
        // Servers compare the names of relations byte by byte, or fold the text's own name first: a name in ASCII has no
        // other characters then.
        let found = match name.is_ascii() {
            true => self.relations.find_exact(&self.relation_facts, schema, name),
            false => self.relations.find(&self.relation_facts, schema, name),
        };
        found.map_or(RelationFacts::Unknown, |facts| self.still(facts))
    }

    fn native(&self, name: &[u8]) -> Native {
        match self.contents.servers.as_slice() {
            [] => ().native(name),
            _ if self.contents.of_components.iter().any(|known| known.eq_ignore_ascii_case(name)) => {
                Native::Everywhere
            }
            // No stored function has the name, so that the number of arguments does not matter. That of a loadable
            // function is only known if all of them are.
            servers
                if is_by_arguments(name, servers)
                    && self.contents.all_routines
                    && self.function(None, name) == RoutineFacts::Unknown
                    && !self.changes.since(self.as_of).routines =>
            {
                Native::Everywhere
            }
            servers => native(name, servers),
        }
    }

    fn version(&self) -> u64 {
        // Two lower bits, so that what was classified with an outdated catalogue is classified anew.
        self.version << 2 | self.changes.since(self.as_of).bits()
    }

    fn is_complete(&self) -> bool {
        self.contents.all_routines && self.contents.all_loadable && !self.changes.since(self.as_of).routines
    }
}

#[cfg(test)]
mod tests;
