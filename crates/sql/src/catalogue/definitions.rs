//! Routines and relations as they are in the servers' tables.

use crate::Options;
use crate::vocabulary::native::ServerFunctions;

/// A function or a procedure. A function and a procedure may have the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// The body of a routine, a view, a trigger or an expression, as far as the proxy can see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The proxy's account may not see the body.
    Hidden,
    /// The body is too long, or in a language other than SQL.
    Opaque,
    /// The text of the body in UTF-8, and the lexer options of the session that created it.
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
    /// True if it is DETERMINISTIC: then MariaDB may call it when it opens a view, not only when it reads it.
    pub deterministic: bool,
    /// The names of its parameters.
    pub parameters: Vec<Box<[u8]>>,
    /// The body of the routine.
    pub body: Body,
}

/// A table, a sequence or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The schema of the relation.
    pub schema: Box<[u8]>,
    /// The name of the relation.
    pub name: Box<[u8]>,
    /// What it is.
    pub kind: RelationKind,
}

/// What a relation is, with what runs when it is read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelationKind {
    /// A view, with its query.
    View(Body),
    /// A sequence, read as a table.
    Sequence,
    /// A base table.
    Table(Table),
    /// Anything else: it is not understood.
    Other,
}

/// A schema and a name.
pub type QualifiedName = (Box<[u8]>, Box<[u8]>);

/// What runs when a base table is read or written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The expressions of virtual columns that may call something; None if the account may not see columns.
    pub columns: Option<Vec<Body>>,
    /// The triggers, and the defaults that may call something; None if the account may not see triggers.
    pub triggers: Option<Vec<Body>>,
    /// The schemas and names of other tables whose rows are changed with the rows of this one, by foreign keys. MySQL can
    /// run their triggers then (`enable_cascade_triggers`).
    pub cascades: Vec<QualifiedName>,
}

/// All that was read from the servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The stored functions and procedures.
    pub routines: Vec<Definition>,
    /// True if `routines` and `packages` are all that there are.
    pub all_routines: bool,
    /// The names of packages: `package.function()` looks like a function in a schema.
    pub packages: Vec<Box<[u8]>>,
    /// The names of packages that have DETERMINISTIC functions, or that the account cannot see into.
    pub constant_packages: Vec<Box<[u8]>>,
    /// The names of loadable functions.
    pub loadable: Vec<Box<[u8]>>,
    /// The names of functions that a component of the server itself has, as if they were built in: MD5 since MySQL 9.6.
    pub of_components: Vec<Box<[u8]>>,
    /// True if `loadable` has all of them.
    pub all_loadable: bool,
    /// The tables and views that the account may see.
    pub relations: Vec<Relation>,
    /// The servers in use, as far as their built-in functions differ; each once.
    pub servers: Vec<ServerFunctions>,
    /// The grants that the account lacks to see more, each with what it would be worth.
    pub missing: Vec<(Box<str>, &'static str)>,
}
