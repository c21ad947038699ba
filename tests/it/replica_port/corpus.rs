//! Statements in data files, for the tests of the read-only port: what tools send, what attackers would send.
//!
//! A statement begins behind a line `-- tool: NAME | SERVER` (or `-- attack: …`) and ends before the next such line, without
//! its last line feed. SERVER is `both`, `mariadb` or `mysql`.

/// Which servers understand a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Both,
    MariaDb,
    MySql,
}

/// One statement of a file.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The tool that sends the statement, or what an attack would change.
    pub name: &'static str,
    pub server: Server,
    pub sql: &'static str,
}

/// What tools send. Every statement must pass.
pub const TOOLS: [&str; 7] = [
    include_str!("tools/drivers.sql"),
    include_str!("tools/orms.sql"),
    include_str!("tools/bi.sql"),
    include_str!("tools/desktop.sql"),
    include_str!("tools/dumps.sql"),
    include_str!("tools/queries.sql"),
    include_str!("tools/statements.sql"),
];

/// Returns the statements of a file whose header lines begin with `-- KIND: `.
pub fn entries(file: &'static str, kind: &str) -> Vec<Entry> {
    let mark = format!("-- {kind}: ");
    let mut starts: Vec<usize> = file.match_indices(&mark).map(|(at, _)| at).collect();
    starts.retain(|at| *at == 0 || file.as_bytes()[at - 1] == b'\n');
    let ends = starts.iter().skip(1).copied().chain([file.len()]);
    starts.iter().zip(ends).map(|(start, end)| entry(&file[start + mark.len()..end])).collect()
}

fn entry(block: &'static str) -> Entry {
    let (header, sql) = block.split_once('\n').expect("a statement behind its header");
    let (name, server) = header.rsplit_once(" | ").unwrap_or_else(|| panic!("no server: {header}"));
    let server = match server {
        "both" => Server::Both,
        "mariadb" => Server::MariaDb,
        "mysql" => Server::MySql,
        other => panic!("{header}: server {other}"),
    };
    Entry { name, server, sql: sql.strip_suffix('\n').unwrap_or(sql) }
}

/// What would change a server. A session of several statements has lines `-- then` between them, and a line `-- collation: ID`
/// before the first one if the login asks for a collation. `<A0>` is a byte, `{thread}` the thread that applies events,
/// `{session}` a session of another account, `/dir` a folder.
const ATTACKS: &str = include_str!("attacks/attacks.sql");

/// Returns all attacks.
pub fn attacks() -> Vec<Entry> {
    entries(ATTACKS, "attack")
}

/// Returns all statements of [`TOOLS`].
pub fn tools() -> Vec<Entry> {
    TOOLS.iter().flat_map(|file| entries(file, "tool")).collect()
}
