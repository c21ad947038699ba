//! What the monitor's account may see, by SHOW GRANTS, and what a further right would be worth.

use super::super::client::ResultSet;
use crate::topology::Flavor;

/// The grants of the account. SHOW GRANTS includes grants through active roles, which no table shows to the account
/// itself.
#[derive(Debug, Default)]
pub(super) struct Rights {
    grants: Vec<Grant>,
    /// MySQL's partial revokes: the schemas that a grant on everything leaves out, except for dynamic privileges.
    revoked: Vec<String>,
}

#[derive(Debug)]
struct Grant {
    privileges: Vec<String>,
    /// None: on everything.
    schema: Option<String>,
    /// None: on all tables of the schema.
    table: Option<String>,
}

/// A right that the account lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRight {
    /// The statement that grants the right.
    pub grant: String,
    /// What the proxy would know with the right.
    pub worth: &'static str,
}

impl Rights {
    pub(super) fn read(grants: &ResultSet) -> Self {
        let mut rights = Rights::default();
        for row in &grants.rows {
            let Some(Some(text)) = row.first() else { continue };
            let text = String::from_utf8_lossy(text);
            match text.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")) {
                Some((list, rest)) => rights.grants.extend(grant(list, rest)),
                None if text.starts_with("REVOKE ") => rights.revoked.push(text.into_owned()),
                None => {}
            }
        }
        rights
    }

    /// True if the account has the privilege on everything, without exception. Dynamic privileges have none.
    pub(super) fn has_everywhere(&self, privilege: &str) -> bool {
        let all = self.grants.iter().filter(|grant| grant.schema.is_none());
        let dynamic = privilege.contains('_');
        all.into_iter().any(|grant| grant.has(privilege)) && (dynamic || self.revoked.is_empty())
    }

    /// True if the account has the privilege on this table.
    pub(super) fn has_on(&self, privilege: &str, schema: &str, table: &str) -> bool {
        self.has_everywhere(privilege)
            || self.grants.iter().any(|grant| {
                grant.has(privilege)
                    && grant.schema.as_deref().is_some_and(|pattern| is_like(schema, pattern))
                    && grant.table.as_deref().is_none_or(|name| name == table)
            })
    }
}

impl Grant {
    fn has(&self, privilege: &str) -> bool {
        self.privileges
            .iter()
            .any(|has| has == privilege || (has == "ALL PRIVILEGES" && !privilege.contains('_')))
    }
}

/// Reads `SELECT, SHOW VIEW` and `` `schema`.* TO … ``. Returns None for a grant on a routine or of a proxy user.
fn grant(list: &str, rest: &str) -> Option<Grant> {
    let (place, _) = rest.split_once(" TO ")?;
    // A privilege on columns, `SELECT (a, b)`, is not one on the table.
    let privileges = list.split(',').map(str::trim);
    let privileges = privileges.filter(|name| !name.contains(['(', ')'])).map(str::to_owned).collect();
    let unquoted = |name: &str| name.trim_matches('`').replace("``", "`");
    let (schema, table) = match place {
        "*.*" => (None, None),
        place => {
            let (schema, table) = place.split_once("`.").or_else(|| place.split_once('.'))?;
            let table = (table != "*").then(|| unquoted(table));
            (Some(unquoted(schema)), table)
        }
    };
    Some(Grant { privileges, schema, table })
}

/// True if the schema is like the pattern of a grant, where `_` and `%` stand for one and for any characters, and a
/// backslash precedes them if they stand for themselves.
fn is_like(schema: &str, pattern: &str) -> bool {
    let schema: Vec<char> = schema.chars().collect();
    // The places in `schema` that are reached with the pattern read so far.
    let mut reached = vec![false; schema.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    let mut pattern = pattern.chars();
    while let Some(wanted) = pattern.next() {
        let literal = if wanted == '\\' { pattern.next() } else { None };
        let mut next = vec![false; reached.len()];
        for (at, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
            match (literal, wanted) {
                (None, '%') => next.iter_mut().skip(at).for_each(|place| *place = true),
                (None, '_') if at < schema.len() => mark(&mut next, at + 1),
                (None, wanted) if schema.get(at) == Some(&wanted) => mark(&mut next, at + 1),
                (Some(wanted), _) if schema.get(at) == Some(&wanted) => mark(&mut next, at + 1),
                _ => {}
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or_default()
}

fn mark(places: &mut [bool], at: usize) {
    if let Some(place) = places.get_mut(at) {
        *place = true;
    }
}

/// What the account could not see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unseen {
    /// Some stored routines, or their bodies.
    pub(super) routines: bool,
    /// The loadable functions.
    pub(super) loadable: bool,
    /// The triggers of some tables, or all tables.
    pub(super) triggers: bool,
    /// The columns of some tables, or the queries of some views.
    pub(super) queries: bool,
}

impl Unseen {
    /// Returns the rights that would show what the account could not see, the most useful one first.
    pub(super) fn missing(self, flavor: Flavor, user: &str) -> Vec<MissingRight> {
        let right =
            |right: &str, worth| MissingRight { grant: format!("GRANT {right} TO '{user}'@'%'"), worth };
        let (routines, loadable) = match flavor {
            Flavor::MySql => ("SHOW_ROUTINE ON *.*", "SELECT ON performance_schema.*"),
            Flavor::MariaDb => ("SELECT ON mysql.proc", "SELECT ON mysql.func"),
        };
        let mut missing = Vec::new();
        if self.routines {
            missing.push(right(
                routines,
                "stored functions that only read are known: statements with them go to replicas",
            ));
        }
        if self.loadable {
            missing.push(right(
                loadable,
                "loadable functions are known: a function that is built in on some servers only is known to be built in",
            ));
        }
        if self.queries {
            missing.push(right(
                "SELECT, SHOW VIEW ON *.*",
                "views and generated columns are known: connections that have only read them are not reset",
            ));
        }
        if self.triggers {
            missing.push(right(
                "TRIGGER ON *.*",
                "tables without triggers are known: connections that have only written to them are not reset",
            ));
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(grants: &[&str]) -> Rights {
        let rows = grants.iter().map(|grant| vec![Some(grant.as_bytes().to_vec())]).collect();
        Rights::read(&ResultSet { columns: vec!["Grants for x".to_owned()], rows })
    }

    #[test]
    fn rights_on_everything() {
        let has = |privilege, grants: &[&str]| rights(grants).has_everywhere(privilege);
        let routine = "GRANT BACKUP_ADMIN,SHOW_ROUTINE ON *.* TO `m`@`%`";
        assert!(has("SHOW_ROUTINE", &["GRANT USAGE ON *.* TO `m`@`%`", routine]));
        assert!(has("SELECT", &["GRANT SELECT, INSERT ON *.* TO `m`@`%`"]));
        assert!(has("SHOW VIEW", &["GRANT ALL PRIVILEGES ON *.* TO `m`@`%` WITH GRANT OPTION"]));
        assert!(!has("SHOW_ROUTINE", &["GRANT ALL PRIVILEGES ON *.* TO `m`@`%`"]), "listed by name");
        assert!(!has("SELECT", &[]));
        assert!(!has("SELECT", &["GRANT SELECT ON `performance_schema`.* TO `m`@`%`"]));
        assert!(!has("SELECT", &["GRANT REPLICATION CLIENT ON *.* TO `SELECT`@`%`"]));
        let revoked = ["GRANT SELECT ON *.* TO `m`@`%`", "REVOKE SELECT ON `shop`.* FROM `m`@`%`"];
        assert!(!has("SELECT", &revoked));
        assert!(has("SHOW_ROUTINE", &[routine, "REVOKE SELECT ON `shop`.* FROM `m`@`%`"]));
    }

    #[test]
    fn rights_on_schemas_and_tables() {
        let rights = rights(&[
            "GRANT USAGE ON *.* TO `m`@`%`",
            "GRANT SELECT, TRIGGER ON `shop`.* TO `m`@`%`",
            "GRANT SELECT ON `log\\_%`.* TO `m`@`%`",
            "GRANT TRIGGER ON `other`.`t` TO `m`@`%`",
            "GRANT SELECT (a, b), TRIGGER ON `other`.`u` TO `m`@`%`",
            "GRANT EXECUTE ON FUNCTION `other`.`f` TO `m`@`%`",
            "GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION",
        ]);
        for (privilege, schema, table, expected) in [
            ("SELECT", "shop", "t", true),
            ("SHOW VIEW", "shop", "t", false),
            ("SELECT", "shops", "t", false),
            ("SELECT", "log_1", "t", true),
            ("SELECT", "logs1", "t", false),
            ("TRIGGER", "other", "t", true),
            ("TRIGGER", "other", "v", false),
            ("SELECT", "other", "u", false),
            ("TRIGGER", "other", "u", true),
        ] {
            assert_eq!(rights.has_on(privilege, schema, table), expected, "{privilege} on {schema}.{table}");
        }
    }
}
