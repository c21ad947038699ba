//! The tables, views and triggers of a server. Which queries are cheap was measured with 5,000 tables: see
//! docs/internals/probes.md.

use std::collections::HashMap;

use super::{Originals, Rights, Unseen, body, text_of};
use crate::monitor::client::{Connection, Error, ResultSet};
use crate::sql::Options;
use crate::sql::catalogue::{Body, Contents, QualifiedName, Relation, RelationKind, Table};
use crate::topology::Flavor;

/// The relations, the queries of views (empty if the account may not see one; the servers' own in `sys` are opaque anyway), and the triggers that the account sees.
const RELATIONS: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES \
WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema'); \
SELECT TABLE_SCHEMA, TABLE_NAME, IF(LENGTH(VIEW_DEFINITION) > 65536, '', VIEW_DEFINITION) FROM information_schema.VIEWS \
WHERE BINARY TABLE_SCHEMA <> 'sys' OR DEFINER NOT IN ('mysql.sys@localhost', 'mariadb.sys@localhost'); \
SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, IF(LENGTH(ACTION_STATEMENT) > 65536, '', ACTION_STATEMENT), SQL_MODE, \
TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS";

/// Expressions of columns that may call something: MariaDB allows user variables in them, sequences in defaults, and
/// loadable functions. MySQL allows none of these, so there the columns need not be read.
const MARIADB_COLUMNS: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, EXTRA LIKE 'VIRTUAL%', \
COALESCE(GENERATION_EXPRESSION, COLUMN_DEFAULT) FROM information_schema.COLUMNS \
WHERE BINARY TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') \
AND (GENERATION_EXPRESSION LIKE '%(%' OR GENERATION_EXPRESSION LIKE '%@%' \
OR (COLUMN_DEFAULT NOT LIKE 'current_timestamp(%)' AND (COLUMN_DEFAULT LIKE '%(%' OR COLUMN_DEFAULT LIKE '%@%')))";

/// The foreign keys by which a change of one table changes another one, whose triggers then may run. MariaDB never runs them.
const MYSQL_CASCADES: &str = "SELECT UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, CONSTRAINT_SCHEMA, TABLE_NAME \
FROM information_schema.REFERENTIAL_CONSTRAINTS \
WHERE NOT (UPDATE_RULE IN ('NO ACTION', 'RESTRICT') AND DELETE_RULE IN ('NO ACTION', 'RESTRICT'))";

/// The privileges of which each one shows the columns of a table.
const SHOW_COLUMNS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "REFERENCES"];

/// Reads the relations that the account may see, and notes what it may not see.
pub(super) async fn read<C: Connection>(
    connection: &mut C,
    flavor: Flavor,
    rights: &Rights,
    contents: &mut Contents,
    unseen: &mut Unseen,
) -> Result<(), Error> {
    let mut sets = connection.query(RELATIONS).await?;
    sets.extend(match flavor {
        Flavor::MariaDb => connection.query(MARIADB_COLUMNS).await?,
        Flavor::MySql => connection.query(MYSQL_CASCADES).await?,
    });
    let triggers = triggers(connection, &sets).await?;
    contents.relations = relations(&sets, triggers, flavor, rights);
    // The servers' own relations do not matter. Without a right on everything there may be others that the account does
    // not see at all.
    let own = |relation: &&Relation| !matches!(&*relation.schema, b"mysql" | b"sys");
    let relations: Vec<&Relation> = contents.relations.iter().filter(own).collect();
    let tables = || {
        relations.iter().filter_map(|relation| match &relation.kind {
            RelationKind::Table(table) => Some(table),
            _ => None,
        })
    };
    let hidden = relations.iter().any(|relation| relation.kind == RelationKind::View(Body::Hidden));
    let some = rights.has_everywhere("SHOW VIEW") || !relations.is_empty();
    unseen.triggers =
        !(some || rights.has_everywhere("TRIGGER")) || tables().any(|table| table.triggers.is_none());
    unseen.queries = !some || hidden || tables().any(|table| table.columns.is_none());
    Ok(())
}

/// Returns the body of each trigger, in the order of their rows.
async fn triggers<C: Connection>(connection: &mut C, sets: &[ResultSet]) -> Result<Vec<Body>, Error> {
    let mut originals = Originals::default();
    let mut bodies = Vec::new();
    for row in sets.get(2).map(|set| set.rows.as_slice()).unwrap_or_default() {
        let text = text_of(row, 2).unwrap_or_default();
        let mut body = body(text, text_of(row, 3).unwrap_or_default());
        let name = (text_of(row, 4).unwrap_or_default(), text_of(row, 5).unwrap_or_default());
        originals.check(connection, "TRIGGER", name, &mut body).await?;
        bodies.push(body);
    }
    Ok(bodies)
}

/// A key of a relation: its schema and its name.
type RelationPlace<'a> = (&'a [u8], &'a [u8]);

fn relations(sets: &[ResultSet], triggers: Vec<Body>, flavor: Flavor, rights: &Rights) -> Vec<Relation> {
    let rows = |at: usize| sets.get(at).map(|set: &ResultSet| set.rows.as_slice()).unwrap_or_default();
    let mut views: HashMap<RelationPlace<'_>, Body> = HashMap::new();
    for row in rows(1) {
        if let (Some(schema), Some(name), Some(text)) = (text_of(row, 0), text_of(row, 1), text_of(row, 2)) {
            // A view's query is kept in the default mode.
            let query =
                if text.is_empty() { Body::Hidden } else { Body::Text(text.into(), Options::default()) };
            views.insert((schema, name), query);
        }
    }
    let mut tables: HashMap<RelationPlace<'_>, RelationCode> = HashMap::new();
    for (row, trigger) in rows(2).iter().zip(triggers) {
        if let (Some(schema), Some(name)) = (text_of(row, 0), text_of(row, 1)) {
            tables.entry((schema, name)).or_default().when_written.push(trigger);
        }
    }
    let (columns, keys) = match flavor {
        Flavor::MariaDb => (rows(3), [].as_slice()),
        Flavor::MySql => ([].as_slice(), rows(3)),
    };
    for row in keys {
        if let [Some(schema), Some(name), Some(of_child), Some(child)] = row.as_slice()
            && (schema, name) != (of_child, child)
        {
            let code = tables.entry((schema, name)).or_default();
            code.cascades.push((of_child.as_slice().into(), child.as_slice().into()));
        }
    }
    for row in columns {
        if let (Some(schema), Some(name), Some(text)) = (text_of(row, 0), text_of(row, 1), text_of(row, 3)) {
            let code = tables.entry((schema, name)).or_default();
            let expression = Body::Text(text.into(), Options::default());
            if text_of(row, 2) == Some(b"1") {
                code.when_read.push(expression);
            } else {
                // A default runs as if a trigger did it.
                let text = [b"DO ", text].concat();
                code.when_written.push(Body::Text(text.into(), Options::default()));
            }
        }
    }
    rows(0).iter().filter_map(|row| relation(row, flavor, rights, &mut views, &mut tables)).collect()
}

/// The code that runs when a table is used.
#[derive(Default)]
struct RelationCode {
    when_read: Vec<Body>,
    when_written: Vec<Body>,
    cascades: Vec<QualifiedName>,
}

fn relation<'r>(
    row: &'r [Option<Vec<u8>>],
    flavor: Flavor,
    rights: &Rights,
    views: &mut HashMap<RelationPlace<'r>, Body>,
    tables: &mut HashMap<RelationPlace<'r>, RelationCode>,
) -> Option<Relation> {
    let [Some(schema), Some(name), Some(kind)] = row else { return None };
    let place = (schema.as_slice(), name.as_slice());
    let kind = match kind.as_slice() {
        b"VIEW" => RelationKind::View(views.remove(&place).unwrap_or(Body::Hidden)),
        b"SEQUENCE" => RelationKind::Sequence,
        b"BASE TABLE" | b"SYSTEM VERSIONED" => {
            let code = tables.remove(&place).unwrap_or_default();
            let (schema, name) = (String::from_utf8_lossy(schema), String::from_utf8_lossy(name));
            let has = |privilege: &str| rights.has_on(privilege, &schema, &name);
            let sees_columns = flavor == Flavor::MySql || SHOW_COLUMNS.iter().any(|right| has(right));
            RelationKind::Table(Table {
                columns: sees_columns.then_some(code.when_read),
                triggers: has("TRIGGER").then_some(code.when_written),
                cascades: code.cascades,
            })
        }
        _ => RelationKind::Other,
    };
    Some(Relation { schema: schema.as_slice().into(), name: name.as_slice().into(), kind })
}
