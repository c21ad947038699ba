//! What words can mean.

/// What a word means. The caller must check whether the word is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// Any name.
    Name,
    /// A pure function of every server, or a reserved word that can precede `(`.
    Callable,
    /// A pure function only if `(` follows immediately; otherwise it may be a stored function.
    Tight,
    /// A pure function of some servers or versions; on others a stored function may have the name.
    Somewhere,
    /// A word that can precede `(` if a query follows: ANY, LATERAL, …
    BeforeQuery,
    /// NULL, TRUE, FALSE.
    Literal,
    /// `AGAINST (`, behind `MATCH (…)`.
    Against,
    /// `COLUMNS (`, in JSON_TABLE behind a path.
    Columns,
    /// `OF (`, behind MEMBER.
    Of,
    /// `GET_LOCK(`
    GetLock,
    /// `RELEASE_LOCK(`, `RELEASE_ALL_LOCKS(`
    ReleaseLock,
    /// `IS_FREE_LOCK(`, `IS_USED_LOCK(`
    AsksLock,
    /// `LAST_INSERT_ID(`
    InsertId,
    /// `FOUND_ROWS(`
    FoundRows,
    /// `ROW_COUNT(`
    RowCount,
    /// Functions about one server or connection: `VERSION(`, `CONNECTION_ID(`, …
    OneServer,
    /// `LOAD_FILE(`
    LoadFile,
    /// `NEXTVAL(`, `SETVAL(`
    UsesSequence,
    /// `LASTVAL(`, `.currval`
    ReadsSequence,
    /// INTO
    Into,
    /// FOR
    For,
    /// LOCK
    Lock,
    /// PROCEDURE
    Procedure,
    /// SQL_CALC_FOUND_ROWS
    CalcFoundRows,
    /// The system schemas except information_schema.
    ServerSchema,
    /// information_schema
    InformationSchema,
    /// A reserved word that begins a write.
    WriteVerb,
    /// INSERT, REPLACE: a function if `(` follows, otherwise a reserved word that begins a write.
    WriteVerbOrFunction,
    /// FROM, JOIN, STRAIGHT_JOIN, TABLE: a table follows.
    Source,
}
