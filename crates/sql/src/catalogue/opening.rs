//! What runs when a server opens all views, to show their columns or their queries. MariaDB computes the constant parts of a
//! view's query then, and calls DETERMINISTIC functions for that, but no built-in function that does more than read, except
//! LAST_INSERT_ID(number). MySQL keeps what it shows in its dictionary.

use super::names::NamePlaces;
use super::{
    Body, Contents, Relation, RelationKind, RoutineCatalogue, RoutineKind, ServerFunctions, is_of_server,
};
use crate::body::{self, Called, Code};
use crate::vocabulary::native::ServerVersion;
use crate::vocabulary::words::{Meaning, meaning};
use crate::vocabulary::{RelationFacts, RoutineFacts, Routines as _, has_built_ins};

/// Returns what is known of a query for which the servers open all views. The objects of the catalogue are judged.
pub(super) fn facts(catalogue: &RoutineCatalogue) -> RelationFacts {
    let Contents { servers, relations, missing, .. } = &*catalogue.contents;
    let opens = |server: &ServerFunctions| matches!(server.version, ServerVersion::MariaDb(_));
    if !servers.is_empty() && !servers.iter().any(opens) {
        return RelationFacts::PlainToRead;
    }
    // There may be views that the account does not see.
    let hidden = relations.is_empty() || !missing.is_empty();
    let called = called_when_opened(catalogue);
    let mut worst = if hidden { RelationFacts::Opaque } else { RelationFacts::PlainToRead };
    // Of the servers' own views the texts are not read.
    let is_read = |relation: &&Relation| {
        !is_of_server(&relation.schema) || matches!(relation.kind, RelationKind::View(Body::Text(..)))
    };
    for relation in relations.iter().filter(is_read) {
        let facts = match &relation.kind {
            RelationKind::View(Body::Text(text, options)) => {
                match body::calls(Code::new(text, *options, &relation.schema)) {
                    Some(calls) => calls.iter().fold(RelationFacts::PlainToRead, |worst, call| {
                        worse(worst, of_call(catalogue, &called, call, &relation.schema))
                    }),
                    None => RelationFacts::Opaque,
                }
            }
            RelationKind::View(Body::Hidden | Body::Opaque) | RelationKind::Other => RelationFacts::Opaque,
            RelationKind::Sequence | RelationKind::Table(_) => continue,
        };
        worst = worse(worst, facts);
    }
    worst
}

/// The facts of the routines that run when a view is opened.
struct Runs {
    /// In the order of the contents.
    each: Vec<Option<RoutineFacts>>,
    /// The worst of them.
    worst: Option<RoutineFacts>,
}

fn called_when_opened(catalogue: &RoutineCatalogue) -> Runs {
    use super::NameFacts as _;
    let routines = catalogue.contents.routines.iter().zip(&catalogue.routine_facts);
    let each: Vec<_> = routines
        .map(|(routine, facts)| {
            let runs = routine.kind == RoutineKind::Function && routine.deterministic;
            runs.then_some(*facts)
        })
        .collect();
    let worst = each.iter().flatten().copied().max_by_key(|facts| facts.severity());
    Runs { each, worst }
}

fn of_call(catalogue: &RoutineCatalogue, called: &Runs, call: &Called<'_>, default: &[u8]) -> RelationFacts {
    if call.schema.is_some_and(|schema| catalogue.packages.contains(schema)) {
        let runs = call.schema.is_some_and(|schema| catalogue.constant.contains(schema));
        return if runs { RelationFacts::Acts } else { RelationFacts::PlainToRead };
    }
    if call.schema.is_none() && catalogue.loadable.contains(call.name) {
        return RelationFacts::Opaque;
    }
    if call.schema.is_none_or(has_built_ins) && meaning(call.name) == Meaning::InsertId && !call.empty {
        return RelationFacts::CallingView;
    }
    let facts: Vec<RoutineFacts> = match catalogue.functions.places(call.schema.unwrap_or(default), call.name)
    {
        // A built-in function, or none that is there.
        NamePlaces::None if catalogue.is_complete() => return RelationFacts::PlainToRead,
        NamePlaces::None => return RelationFacts::Opaque,
        NamePlaces::These(places) => {
            places.into_iter().filter_map(|at| called.each.get(at).copied().flatten()).collect()
        }
        NamePlaces::Any => called.worst.into_iter().collect(),
    };
    facts.into_iter().fold(RelationFacts::PlainToRead, |worst, facts| {
        let facts = match facts {
            RoutineFacts::ReadsOnly | RoutineFacts::ReadsServer => RelationFacts::CallingView,
            RoutineFacts::ReadsOpaque | RoutineFacts::Other | RoutineFacts::Unknown => RelationFacts::Opaque,
            RoutineFacts::Harmless | RoutineFacts::WritesOpaque | RoutineFacts::Acts => RelationFacts::Acts,
        };
        worse(worst, facts)
    })
}

fn worse(one: RelationFacts, other: RelationFacts) -> RelationFacts {
    use super::NameFacts as _;
    if one.severity() >= other.severity() { one } else { other }
}
