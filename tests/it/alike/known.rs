//! Differences that the packet fuzzer finds and that are not mended, each with its reason (docs/known-limits.md).

use crate::support::Kind;

/// A difference that is known and not yet mended.
pub struct Known {
    /// The kinds of servers that show it.
    pub kinds: &'static [Kind],
    /// How the step begins.
    pub step: &'static str,
    /// How steps in front of it begin, in this order; others may stand between them.
    pub behind: &'static [&'static str],
    /// Parts of the first packets that differ: of the direct answer, and of the one through the proxy.
    pub parts: [&'static str; 2],
    pub why: &'static str,
}

const BOTH: &[Kind] = &[Kind::MariaDb, Kind::MySql];
const MYSQL: &[Kind] = &[Kind::MySql];
const MARIADB: &[Kind] = &[Kind::MariaDb];

/// A statement that compares a number with `abc` has four warnings where it was executed with a number before, else five.
pub const WARNINGS_BY_TYPES: &str = "MySQL's number of warnings depends on the types of an earlier execute of the statement on the connection";

const FOUND_BEHIND_RESET: &str = "servers keep FOUND_ROWS() at COM_RESET_CONNECTION and COM_CHANGE_USER";

const REFUSED_DEFINITION: &str = "a refused definition ends a transaction, which no error packet says: MySQL's next OK packet does, and that is one \
                                  of the proxy's own questions";

const WATCHED_BEFORE: &str = "a server that watches its session's state already may not report what the SET that begins to watch reports";

const FLAG_OF_PLAN: &str = "whether a query used no index depends on MySQL's plan, and that on the server's statistics of its dictionary";

const PREPARED_AGAIN: &str = "an execute that MariaDB prepares again, because another session changed a routine meanwhile, forgets the errors before it";

const NUMBER_IS_THERE: &str =
    "the connection with the diagnostics has a statement of the number that the client has closed";

const FUNCTION_UNKNOWN: &str = "nobody but the server knows whether a stored function opens a table, and keeps what a replica has, before \
                                the proxy has read it";

const PARAMETERS_TYPE: &str =
    "MySQL gives the column of a parameter the type of an earlier execute on the connection";

/// They are counted, and printed at the end. The rest of such a session is not compared.
pub const KNOWN: [Known; 52] = [
    Known {
        kinds: MARIADB,
        step: "!forget",
        behind: &["SET autocommit = 0"],
        parts: [r"\x00\x00\x00\x01", r"\x00\x00\x00\x00"],
        why: "no error packet says whether the refused statement began or ended a transaction (autocommit = 0)",
    },
    Known {
        kinds: MYSQL,
        step: "!",
        behind: &["!prepare", "!execute"],
        parts: [r"\x01?\x01?\x0c?", r"\x01?\x01?\x0c"],
        why: PARAMETERS_TYPE,
    },
    Known {
        kinds: MYSQL,
        step: "SHOW DATABASES",
        behind: &[],
        parts: [r"\xfe\x00\x00\x02\x00", r#"\xfe\x00\x00\"\x00"#],
        why: FLAG_OF_PLAN,
    },
    Known {
        kinds: MYSQL,
        step: "SHOW DATABASES",
        behind: &[],
        parts: [r#"\xfe\x00\x00\"\x00"#, r"\xfe\x00\x00\x02\x00"],
        why: FLAG_OF_PLAN,
    },
    Known {
        kinds: MARIADB,
        step: "SET session_track_state_change = 1",
        behind: &["SET"],
        parts: [r"\x02@", r"\x02\x00"],
        why: WATCHED_BEFORE,
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["!prepare SELECT alike_sets", "!execute"],
        parts: [r"\x010 | ", r"\x011 | "],
        why: PREPARED_AGAIN,
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["!prepare SELECT alike_sets", "!execute"],
        parts: [r"\x011 | ", r"\x010 | "],
        why: PREPARED_AGAIN,
    },
    Known {
        kinds: MYSQL,
        step: "!bytes 1b 0",
        behind: &[],
        parts: [r"\xfe\x01", r"\xfe\x00"],
        why: "the question for the insert id, in front of another setting of COM_SET_OPTION, takes the diagnostics away",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["SET session_track_state_change = 1"],
        parts: [r"\x02\xc0", r"\x02\x80"],
        why: "the EOF packet in front of the rows of a SET STATEMENT says that state has changed",
    },
    Known {
        kinds: MARIADB,
        step: "SELECT @@",
        behind: &["SELECT alike_"],
        parts: [r"\x011", r"\x010"],
        why: FUNCTION_UNKNOWN,
    },
    Known {
        kinds: MARIADB,
        step: "SHOW WARNINGS",
        behind: &["!prepare SELECT alike_"],
        parts: [r"\x07Warning", r"\xfe\x00\x00\x02"],
        why: FUNCTION_UNKNOWN,
    },
    Known {
        kinds: MYSQL,
        step: "SHOW",
        behind: &["!close", "!execute"],
        parts: [
            "Unknown prepared statement handler (#) given to mysql_stmt_precheck",
            r"\xfe\x00\x00\x02\x00",
        ],
        why: NUMBER_IS_THERE,
    },
    Known {
        kinds: MYSQL,
        step: "SELECT @@",
        behind: &["!close", "!execute"],
        parts: [r"\x012", r"\x011"],
        why: NUMBER_IS_THERE,
    },
    Known {
        kinds: MYSQL,
        step: "SELECT @@",
        behind: &["!fetch", "!use no_such", "!fetch"],
        parts: [r"\x012", r"\x011"],
        why: "where the diagnostics are the statement is not prepared",
    },
    Known {
        kinds: MYSQL,
        step: "SHOW",
        behind: &["!again"],
        parts: ["SQL syntax", "Malformed communication packet."],
        why: "an execute that is refused on a replica adds its error to nothing that the primary has",
    },
    Known {
        kinds: MARIADB,
        step: "SELECT @number",
        behind: &["SELECT alike_", "GET DIAGNOSTICS"],
        parts: [r"\x011", r"\x010"],
        why: FUNCTION_UNKNOWN,
    },
    Known {
        kinds: MYSQL,
        step: "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        behind: &["SET TRANSACTION ISOLATION LEVEL", "SELECT * FROM JSON_TABLE"],
        parts: [r"\x01\x00", r"\x00\x00"],
        why: "the isolation level of the next transaction is taken to be used up by a query of derived tables alone",
    },
    Known {
        kinds: MARIADB,
        step: "GET DIAGNOSTICS",
        behind: &["!bytes 1b 0100", "!bytes 1b 0000"],
        parts: ["", "is not known any more"],
        why: "an error is on a connection with another setting of COM_SET_OPTION, which this session's questions do not use",
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["CREATE"],
        parts: [r"\x05\t\x08________", r"\x02\x00\x01\x00"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["CHECK TABLE"],
        parts: [r"\x05\t\x08________", r"\x00\x00\x00"],
        why: "MySQL's next OK packet says that a result changed state, to a client whose results end with EOF packets",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["SELECT", "EXECUTE IMMEDIATE"],
        parts: [r"\xfe\x00\x00", r"\x010"],
        why: "nobody but the server knows whether a text that is made by an expression opens a table, and keeps what a replica has",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &["SET", "SET session_track_state_change = 1"],
        parts: [r"\x02@", r"\x02\x00"],
        why: WATCHED_BEFORE,
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["!prepare", "!fetch"],
        parts: ["The statement (#) has no open cursor", "Unknown prepared statement handler (#)"],
        why: "where the diagnostics are the statement is not prepared",
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["DROP"],
        parts: [r"\x00\x00\x00\x03\x00", r"\x0b\x05\t\x08T_______"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["CREATE"],
        parts: [r"\x00\x00\x00\x03\x00", r"\x0b\x05\t\x08T_______"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MYSQL,
        step: "!",
        behind: &["!prepare", "!other ALTER TABLE", "!prepare"],
        parts: ["Truncated incorrect DOUBLE value", "Truncated incorrect INTEGER value"],
        why: "MySQL names another type in this error if it prepared the statement before a table was altered; sessions share statements",
    },
    Known {
        kinds: MARIADB,
        step: "!bytes 0e",
        behind: &["SET", "SET STATEMENT sql_mode"],
        parts: [r"\x00\x00\x00\x02", r"\x00\x00\x00\x02"],
        why: "a SET STATEMENT in a character set that nobody told is not read, and its modes are taken for the session's",
    },
    Known {
        kinds: MARIADB,
        step: "SELECT FOUND_ROWS()",
        behind: &["XA"],
        parts: [r"\x010", r"\x011"],
        why: "MariaDB gives a new session the FOUND_ROWS() of the thread's session before",
    },
    Known {
        kinds: MYSQL,
        step: "SELECT v, COUNT(*)",
        behind: &["!other ALTER TABLE"],
        parts: [r"COUNT(*)\x00\x0c?\x00", r"COUNT(*)\x00\x0c?\x00"],
        why: "the flags of a column depend on MySQL's plan, and that on each server's statistics of the table",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &[],
        parts: [r"login: \x00\x00\x00\x02\x00\x02\x00", r"login: \x00\x00\x00\x02\x00\x00\x00"],
        why: "MariaDB sometimes counts a warning at a login",
    },
    Known {
        kinds: BOTH,
        step: "SELECT",
        behind: &[],
        parts: ["", "what the last statement did is not known any more"],
        why: "another session had the connection since the session's last query, before its first FOUND_ROWS()",
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["!use", "!prepare", "!use"],
        parts: [r"\x01\x05\x04test", r"\x00\x00\x00"],
        why: "MySQL's next OK packet says that an execute changed the schema and changed it back, on another server",
    },
    Known {
        kinds: BOTH,
        step: "SELECT FOUND_ROWS()",
        behind: &["!change"],
        parts: [r"\x01", r"\x010"],
        why: FOUND_BEHIND_RESET,
    },
    Known {
        kinds: BOTH,
        step: "SELECT FOUND_ROWS()",
        behind: &["!reset"],
        parts: [r"\x01", r"\x010"],
        why: FOUND_BEHIND_RESET,
    },
    Known {
        kinds: MARIADB,
        step: "!",
        behind: &[],
        parts: [r"\xfe\x00\x00\x02@", r"\xfe\x00\x00\x02\x00"],
        why: "MariaDB's EOF packets say that an execute changed the schema and changed it back",
    },
    Known {
        kinds: MYSQL,
        step: "!execute",
        behind: &[],
        parts: [r"\x00\x01?\x00\x0c", r"\x00\x01?\x00\x0c"],
        why: PARAMETERS_TYPE,
    },
    Known {
        kinds: MYSQL,
        step: "!",
        behind: &["!execute"],
        parts: [r"\xfe", r"\xfe"],
        why: WARNINGS_BY_TYPES,
    },
    Known {
        kinds: BOTH,
        step: "!prepare",
        behind: &[],
        parts: [r"\xfe\x00\x00", r"\xfe\x00\x00"],
        why: "no error packet says whether the refused statement began or ended a transaction (autocommit = 0)",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &[],
        parts: ["at row ", "at row "],
        why: "MariaDB counts the rows of the statement before it in an error about a parameter",
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &[],
        parts: [r"login: \x00\x00\x00\x02\x00\x01\x00", r"login: \x00\x00\x00\x02\x00\x00\x00"],
        why: "MariaDB sometimes counts a warning at a login",
    },
    Known {
        kinds: MYSQL,
        step: "!",
        behind: &["!prepare SELECT alike_sets(?), @f", "!execute"],
        parts: ["@f", "@f"],
        why: "MySQL gives the column of a user variable the type that it had when the connection prepared the statement",
    },
    Known {
        kinds: MYSQL,
        step: "ROLLBACK",
        behind: &["CREATE"],
        parts: [r"\x00\x00\x00\x03\x00", r"\x00\x00\x00\x03@\x00\x00\x00\x0b\x05"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MYSQL,
        step: "ROLLBACK",
        behind: &["DROP"],
        parts: [r"\x00\x00\x00\x03\x00", r"\x00\x00\x00\x03@\x00\x00\x00\x0b\x05"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MARIADB,
        step: "",
        behind: &[],
        parts: [r"login: \x00\x00\x00\x02@\x01\x00", r"login: \x00\x00\x00\x02@\x00\x00"],
        why: "MariaDB sometimes counts a warning at a login",
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["CREATE"],
        parts: [r"\x05\t\x08________", r"\x00\x00\x00"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["DROP"],
        parts: [r"\x05\t\x08________", r"\x00\x00\x00"],
        why: REFUSED_DEFINITION,
    },
    Known {
        kinds: MARIADB,
        step: "SELECT FOUND_ROWS()",
        behind: &[],
        parts: [r"\x01", r"\x010"],
        why: "MariaDB gives a new session the FOUND_ROWS() of the thread's session before",
    },
    Known {
        kinds: MARIADB,
        step: "SET STATEMENT",
        behind: &["SET session_track"],
        parts: [r"@ | ", r"\x00 | "],
        why: "the EOF packet in front of the rows of a SET STATEMENT says that state has changed",
    },
    Known {
        kinds: MARIADB,
        step: "SHOW COUNT(*) WARNINGS",
        behind: &["RESIGNAL"],
        parts: [r"\x011", r"\x012"],
        why: "MariaDB sometimes counts a warning at a login",
    },
    Known {
        kinds: MYSQL,
        step: "",
        behind: &["SET session_track_state_change"],
        parts: [r"\x02\x011", ""],
        why: "MySQL's next OK packet says that a result changed state, to a client whose results end with EOF packets",
    },
    Known {
        kinds: MYSQL,
        step: "!again",
        behind: &[],
        parts: [r"\x00\x00\x00", "silence"],
        why: "MySQL answers an execute behind one with a cursor with columns and no rows, and drivers wait, too",
    },
    Known {
        kinds: MARIADB,
        step: "!again",
        behind: &["!prepare"],
        parts: ["Incorrect arguments", "Malformed communication packet"],
        why: "MariaDB reads on behind the end of an execute that is too short",
    },
];
