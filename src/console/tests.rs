use std::fmt::Write;
use std::time::Duration;

use super::actions::Action;
use super::engine;
use super::functions::{AboutClient, MAX_PACKET, VARIABLES};
use super::link::Link;
use super::outcome::{ConsoleError, Rows};
use super::sources::{Filled, number, text};
use super::statement::{ConsoleStatement, recognise};
use super::tables::{TABLES, VIEWS};
use rusqlite::types::Value;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

fn about() -> AboutClient {
    AboutClient { schema: "main", user: "operator@10.0.0.1".to_owned(), id: 7 }
}

/// Runs a statement over these rows of a table.
fn run(sql: &str, filled: &[(&str, Vec<Vec<Value>>)]) -> Result<Rows, ConsoleError> {
    let ConsoleStatement::Query(query) = recognise(sql)? else { panic!("{sql} is no query") };
    let prepared = engine::prepare(query, about())?;
    for (table, rows) in filled {
        assert!(prepared.tables.contains(table), "{sql} does not read {table}: {:?}", prepared.tables);
        prepared.fill(table, rows)?;
    }
    prepared.run()
}

fn code(sql: &str) -> u16 {
    run(sql, &[]).expect_err(sql).code
}

fn one(sql: &str) -> Value {
    run(sql, &[]).unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}")).rows.remove(0).remove(0)
}

fn pins() -> Vec<Vec<Value>> {
    let row = |pin: &str, begun: i64| vec![text(pin), text("words"), number(begun), Value::Real(0.5)];
    vec![row("transaction", 3), row("cursor", 4), row("role", 3)]
}

#[test]
fn queries_filter_sort_group_and_join() {
    let sql = "SELECT begun, COUNT(*) AS n FROM pins GROUP BY begun ORDER BY n DESC";
    let found = run(sql, &[("pins", pins())]).unwrap();
    assert_eq!(found.columns, ["begun", "n"]);
    assert_eq!(found.rows, [[number(3), number(2)], [number(4), number(1)]]);
    let sql = "SELECT a.pin FROM pins a JOIN `pins` AS b ON a.begun = b.begun AND a.pin <> b.pin WHERE a.pin LIKE 'R%'";
    assert_eq!(run(sql, &[("pins", pins())]).unwrap().rows, [[text("role")]]);
}

#[test]
fn only_the_tables_that_a_query_reads_are_filled() {
    let of = |sql: &str| {
        let Ok(ConsoleStatement::Query(query)) = recognise(sql) else { panic!("{sql}") };
        engine::prepare(query, about()).unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}")).tables
    };
    assert!(of("SELECT 'servers'").is_empty());
    assert_eq!(of("SELECT count(*) FROM servers").into_iter().collect::<Vec<_>>(), ["servers"]);
    let pool = "SELECT hostgroup, srv_host, srv_port, * FROM stats_mysql_connection_pool";
    assert_eq!(of(pool).into_iter().collect::<Vec<_>>(), ["config", "metrics", "pools", "servers"]);
    let of_stats = of("SELECT * FROM stats.stats_mysql_connection_pool");
    assert_eq!(of_stats.into_iter().collect::<Vec<_>>(), ["config", "metrics", "pools", "servers"]);
}

#[test]
fn statements_of_servers_that_are_not_counted_apart_are_unknown() {
    let queries = |counted: usize| {
        let server = |name: &str| {
            let mut row = vec![Value::Null; TABLES[0].columns.len()];
            row[0] = text(name);
            row
        };
        let metric = |at: usize| {
            let name = "pointsman_server_statement_duration_seconds_count";
            vec![text(name), text(format!("server=\"db-{at}\"")), Value::Real(7.0)]
        };
        let sql = "SELECT Queries FROM stats_mysql_connection_pool ORDER BY srv_host";
        let servers = vec![server("db-0"), server("other")];
        let found = run(sql, &[("servers", servers), ("metrics", (0..counted).map(metric).collect())]);
        found.unwrap().rows.concat()
    };
    assert_eq!(queries(1), [number(7), number(0)]);
    assert_eq!(queries(16), [number(7), text("")]);
}

#[test]
fn the_views_of_the_schema_stats_have_the_same_rows() {
    let metrics = vec![vec![text("pointsman_clients"), text("port=\"rw\""), Value::Real(5.0)]];
    let value = |table: &str| {
        let sql = format!(
            "SELECT Variable_Value FROM {table} WHERE Variable_Name = 'Client_Connections_connected'"
        );
        run(&sql, &[("metrics", metrics.clone())]).unwrap().rows
    };
    assert_eq!(value("stats_mysql_global"), [[text("5")]]);
    assert_eq!(value("stats.stats_mysql_global"), [[text("5")]]);
}

#[test]
fn nothing_but_reading_is_allowed() {
    let writes = [
        "INSERT INTO pins VALUES (1)",
        "WITH x AS (SELECT 1) DELETE FROM pins",
        "WITH x AS (SELECT 1) UPDATE pins SET begun = 1",
        "WITH x AS (SELECT 1) INSERT INTO pins SELECT 1, 2, 3, 4",
        "ATTACH 'x' AS y",
        "PRAGMA hard_heap_limit = 0",
        "SELECT * FROM pragma_table_info('pins')",
        "CREATE TABLE x (a)",
        "DROP TABLE pins",
        "VACUUM INTO '/tmp/x'",
        "SAVE MYSQL USERS TO DISK",
    ];
    for sql in writes {
        assert_eq!(code(sql), 1290, "{sql}");
    }
    for sql in ["SELECT load_extension('x')", "SELECT readfile('/etc/passwd')", "SELECT 'a' GLOB '*'"] {
        assert_eq!(code(sql), 1064, "{sql}");
    }
    assert_eq!(code("SELECT 1; SELECT 2"), 1064);
    assert_eq!(code("SELECT * FROM nowhere"), 1146);
    assert_eq!(code(""), 1065);
    assert_eq!(code("GARBAGE"), 1064);
}

/// Functions of SQLite and of its shell that are not for queries: they read or write files, load programs, write to the log,
/// hand out addresses in memory, or work on indexes that the console does not have.
const FORBIDDEN: [&str; 24] = [
    "bm25",
    "edit",
    "fts3_tokenizer",
    "fts5",
    "fts5_get_locale",
    "fts5_insttoken",
    "fts5_locale",
    "fts5_source_id",
    "glob",
    "highlight",
    "json_patch",
    "load_extension",
    "match",
    "matchinfo",
    "offsets",
    "optimize",
    "readfile",
    "rtreecheck",
    "rtreedepth",
    "rtreenode",
    "snippet",
    "sqlite_log",
    "sqlite_source_id",
    "writefile",
];

#[test]
fn every_function_of_sqlite_is_known_or_forbidden() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let mut names = connection.prepare("SELECT DISTINCT name FROM pragma_function_list ORDER BY 1").unwrap();
    let names: Vec<String> = names.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(names.len() > 100, "{names:?}");
    let decided = |name: &str| super::functions::is_permitted(name) || FORBIDDEN.contains(&name);
    let of_binary_json = |name: &str| name.starts_with("jsonb");
    let of_the_build = |name: &str| name.starts_with("sqlite_compileoption");
    let open = names.iter().filter(|name| !decided(name) && !of_binary_json(name) && !of_the_build(name));
    assert_eq!(open.collect::<Vec<_>>(), [""; 0], "functions of SQLite that nobody has decided about");
    for name in FORBIDDEN {
        assert!(
            !super::functions::is_permitted(name) && !super::functions::is_permitted(&name.to_uppercase()),
            "{name}"
        );
        for arguments in ["", "'x'", "'x', 'y'", "1, 2, 3"] {
            assert_eq!(code(&format!("SELECT {name}({arguments})")), 1064, "{name}({arguments})");
        }
    }
}

#[test]
fn a_query_has_a_bounded_size() {
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)";
    assert_eq!(code(&format!("{endless} SELECT x FROM c")), 1041);
    assert_eq!(code("SELECT zeroblob(1000000000)"), 1041);
    let long = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000)";
    assert_eq!(code(&format!("{long} SELECT group_concat(x) FROM c")), 1041);
    let nested = "(".repeat(100_000);
    assert_eq!(code(&format!("SELECT {nested}1")), 1064);
}

#[test]
fn a_query_has_a_bounded_time() {
    let began = Instant::now();
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) FROM c";
    assert_eq!(code(endless), 1317);
    // One comparison that takes SQLite's own LIKE longer than the universe exists.
    let slow = "SELECT replace(hex(zeroblob(30000)), '0', 'a') LIKE '%a%a%a%a%a%a%a%a%a%a%a%a%a%b'";
    assert_eq!(one(slow), number(0));
    assert!(began.elapsed() < 3 * engine::TIME);
}

/// How long this thread has computed, whatever else the machine does.
fn computed() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn no_call_and_no_number_of_calls_takes_long() {
    let texts = "WITH t(s, p) AS (SELECT hex(zeroblob(20000)), hex(zeroblob(10000)) || '1')";
    // SQLite's own functions take the product of the lengths.
    let began = computed();
    for call in ["trim(s, p)", "ltrim(s, p)", "rtrim(s, p)", "instr(s, p)", "replace(s, p, 'x')"] {
        one(&format!("{texts} SELECT length({call}) FROM t"));
    }
    let calls_take = computed() - began;
    assert!(calls_take < engine::TIME / 5 && !calls_take.is_zero(), "{calls_take:?}");
    // Many calls between two jumps of SQLite's virtual machine, and many rows.
    let began = computed();
    let pattern = "_".repeat(900);
    let calls = format!("(s LIKE '%{pattern}1') + ").repeat(50);
    let endless = texts.replace("WITH", "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c),");
    for sql in [
        format!("{texts} SELECT {calls} 0 FROM t"),
        format!("{endless} SELECT sum(instr(s, p || x)) FROM c CROSS JOIN t"),
    ] {
        let refused = run(&sql, &[]).unwrap_err();
        assert_eq!(refused.code, 1317, "{}: {}", refused.text, &sql[sql.len() - 60..]);
    }
    let endless_take = computed() - began;
    assert!(endless_take < 3 * engine::TIME, "{endless_take:?}");
    eprintln!("{calls_take:?}, {endless_take:?}");
}

#[test]
fn functions_that_are_written_anew_compute_what_those_of_sqlite_do() {
    for (sql, wanted) in [
        ("SELECT trim('xyaxbyx', 'yx')", text("axb")),
        ("SELECT ltrim('xxa', 'x') || rtrim('axx', 'x')", text("aa")),
        ("SELECT trim('  a ')", text("a")),
        ("SELECT trim('a', '')", text("a")),
        ("SELECT trim(NULL, 'a')", Value::Null),
        ("SELECT instr('äbc', 'c')", number(3)),
        ("SELECT instr('abc', '')", number(1)),
        ("SELECT instr('abc', 'x')", number(0)),
        ("SELECT instr(NULL, 'x')", Value::Null),
        ("SELECT replace('aXbX', 'X', 'yy')", text("ayybyy")),
        ("SELECT replace('aXbX', '', 'y')", text("aXbX")),
        ("SELECT replace('a', 'a', NULL)", Value::Null),
        ("SELECT replace(121, 1, 3)", text("323")),
    ] {
        assert_eq!(one(sql), wanted, "{sql}");
    }
    let long = "SELECT replace(hex(zeroblob(30000)), '0', hex(zeroblob(30000)))";
    assert_eq!(code(long), 1041);
}

#[tokio::test]
async fn time_for_the_data_to_come_does_not_count() {
    let Ok(ConsoleStatement::Query(query)) = recognise("SELECT count(*) FROM pins") else { panic!() };
    let prepared = engine::prepare(query, about()).unwrap();
    tokio::time::sleep(engine::TIME).await;
    prepared.fill("pins", &vec![pins().remove(0); 5000]).unwrap();
    assert_eq!(prepared.run().unwrap().rows, [[number(5000)]]);
}

#[test]
fn like_matches_as_in_mysql() {
    for (text, pattern, wanted) in [
        ("abc", "abc", 1),
        ("ABC", "abc", 1),
        ("abc", "a%", 1),
        ("abc", "%c", 1),
        ("abc", "%b%", 1),
        ("abc", "a_c", 1),
        ("abc", "a_", 0),
        ("", "%", 1),
        ("", "_", 0),
        ("aXbXc", "a%x_", 1),
        ("aab", "%ab", 1),
        ("ab", "%abc", 0),
    ] {
        assert_eq!(
            one(&format!("SELECT '{text}' LIKE '{pattern}'")),
            number(wanted),
            "{text} LIKE {pattern}"
        );
    }
    assert_eq!(one("SELECT 'a%' LIKE 'a!%' ESCAPE '!'"), number(1));
    assert_eq!(one("SELECT 'ab' LIKE 'a!%' ESCAPE '!'"), number(0));
    assert_eq!(one("SELECT NULL LIKE 'a'"), Value::Null);
    assert_eq!(one("SELECT 12 LIKE '1%'"), number(1));
}

#[test]
fn what_clients_send_when_they_connect_is_answered() {
    assert_eq!(one("SELECT @@version_comment LIMIT 1"), text("Pointsman console"));
    assert_eq!(one("select @@session.autocommit"), number(1));
    assert_eq!(one("SELECT DATABASE()"), text("main"));
    assert_eq!(one("SELECT USER()"), text("operator@10.0.0.1"));
    assert_eq!(one("SELECT CONNECTION_ID()"), number(7));
    assert_eq!(one("SELECT 'it\\'s' /* a comment */"), text("it's"));
    assert_eq!(one("SELECT \"text\" -- behind"), text("text"));
    assert_eq!(run("SELECT @@max_allowed_packet", &[]).unwrap().columns, ["@@max_allowed_packet"]);
    assert_eq!(run("SELECT COUNT(*)", &[]).unwrap().columns, ["COUNT(*)"]);
    assert_eq!(code("SELECT @@nothing"), 1064);
    for sql in [
        "SET NAMES utf8mb4",
        "SET NAMES 'utf8'",
        "SET character_set_results = NULL",
        "SET autocommit=1",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET @@session.autocommit = OFF",
        "SET sql_mode='STRICT_TRANS_TABLES'",
        "COMMIT",
        "ROLLBACK;",
        "start transaction",
    ] {
        assert_eq!(recognise(sql), Ok(ConsoleStatement::Nothing), "{sql}");
    }
    assert_eq!(recognise("SET mysql_threads = 4").unwrap_err().code, 1193);
    assert_eq!(recognise("use `stats`;"), Ok(ConsoleStatement::Use("stats".to_owned())));
}

#[test]
fn show_statements() {
    let names = |sql: &str, table: &str, rows: Vec<Vec<Value>>| {
        let found = run(sql, &[(table, rows)]).unwrap_or_else(|refusal| panic!("{sql}: {refusal:?}"));
        found.rows.into_iter().map(|mut row| row.remove(0)).collect::<Vec<_>>()
    };
    let tables = || {
        vec![vec![text("servers"), text(""), text("")], vec![text("stats_mysql_global"), text(""), text("")]]
    };
    assert_eq!(names("SHOW TABLES", "tables", tables()), [text("servers"), text("stats_mysql_global")]);
    assert_eq!(names("SHOW TABLES FROM stats", "tables", tables()), [text("stats_mysql_global")]);
    assert_eq!(names("SHOW FULL TABLES LIKE 'ser%'", "tables", tables()), [text("servers")]);
    let variables = || vec![vec![text("version"), text("1")], vec![text("license"), text("2")]];
    assert_eq!(names("SHOW VARIABLES LIKE 'ver\\_%'", "variables", variables()), [] as [Value; 0]);
    assert_eq!(names("SHOW GLOBAL VARIABLES LIKE 'ver%'", "variables", variables()), [text("version")]);
    let sql = "SHOW VARIABLES WHERE Variable_name = 'license' OR Variable_name = 'x'";
    assert_eq!(names(sql, "variables", variables()), [text("license")]);
    assert_eq!(run("SHOW DATABASES", &[]).unwrap().rows.len(), 2);
    assert_eq!(run("SHOW ERRORS", &[]).unwrap().rows.len(), 0);
    assert_eq!(recognise("SHOW WARNINGS LIMIT 5"), Ok(ConsoleStatement::Warnings));
    assert_eq!(Rows::warned(&[]).rows.len(), 0);
    assert_eq!(Rows::warned(&["cut".to_owned()]).rows, [[text("Warning"), number(1105), text("cut")]]);
    assert_eq!(run("SHOW TABLES FROM nowhere", &[]).unwrap_err().code, 1049);
    assert_eq!(run("SHOW ENGINES", &[]).unwrap_err().code, 1064);
    let columns = vec![vec![text("pins"), text("begun"), text("INTEGER"), text("How often")]];
    for sql in [
        "DESCRIBE pins",
        "desc main.pins",
        "SHOW FULL COLUMNS FROM `pins`",
        "SHOW COLUMNS FROM PINS FROM main",
        "SHOW COLUMNS IN main.pins LIKE 'b%'",
    ] {
        assert_eq!(names(sql, "columns", columns.clone()), [text("begun")], "{sql}");
    }
    assert!(names("SHOW COLUMNS FROM pins WHERE Field = 'pin'", "columns", columns).is_empty());
    assert!(recognise("DESCRIBE stats.stats_mysql_global").is_ok());
    for nowhere in
        ["DESCRIBE nowhere", "DESCRIBE stats.pins", "SHOW COLUMNS FROM runtime_mysql_servers FROM stats"]
    {
        assert_eq!(run(nowhere, &[]).unwrap_err().code, 1146, "{nowhere}");
    }
    assert_eq!(run("DESCRIBE nowhere.pins", &[]).unwrap_err().code, 1049);
    assert_eq!(run("DESCRIBE", &[]).unwrap_err().code, 1064);
}

#[test]
fn actions_are_recognised() {
    let act = |action| Ok(ConsoleStatement::Action(action));
    assert_eq!(recognise("RELOAD;"), act(Action::Reload));
    assert_eq!(recognise("kill session 5"), act(Action::Kill { id: 5, connection: true }));
    assert_eq!(recognise("KILL CONNECTION 5"), act(Action::Kill { id: 5, connection: true }));
    assert_eq!(recognise("KILL 5"), act(Action::Kill { id: 5, connection: true }));
    assert_eq!(recognise("KILL QUERY 5"), act(Action::Kill { id: 5, connection: false }));
    assert_eq!(recognise("SET LOG LEVEL 'debug'"), act(Action::SetLogLevel("debug".to_owned())));
    let drain = |drained| Action::Drain { server: "db-1".to_owned(), drained };
    assert_eq!(recognise("DRAIN SERVER 'db-1'"), act(drain(true)));
    assert_eq!(recognise("undrain server \"db-1\";"), act(drain(false)));
    assert_eq!(recognise("RESET DIGESTS"), act(Action::ResetDigests));
    for wrong in ["DRAIN", "DRAIN SERVER", "DRAIN SERVER 'a' 'b'", "RESET", "RESET DIGESTS 1", "UNDRAIN 'a'"]
    {
        assert_eq!(recognise(wrong).unwrap_err().code, 1064, "{wrong}");
    }
    let long = "x".repeat(256);
    assert!(recognise(&format!("DRAIN SERVER '{}'", &long[1..])).is_ok());
    assert_eq!(recognise(&format!("DRAIN SERVER '{long}'")).unwrap_err().code, 1064);
    let level = vec!["pointsman::monitor=debug"; 50].join(",");
    assert_eq!(recognise(&format!("SET LOG LEVEL '{level}'")).unwrap_err().code, 1064);
    for wrong in [
        "KILL",
        "KILL SESSION",
        "KILL SESSION x",
        "KILL SESSION 5 6",
        "RELOAD x",
        "SET LOG LEVEL",
        "KILL 99999999999",
    ] {
        assert_eq!(recognise(wrong).unwrap_err().code, 1064, "{wrong}");
    }
}

#[test]
fn a_table_has_a_bounded_size() {
    let all = |length: usize| {
        let row = vec![text("x".repeat(length)), text("words"), number(1), Value::Real(0.5)];
        Filled::of("pins", std::iter::repeat_n(row, 30_000))
    };
    let many = all(1);
    assert_eq!(many.rows.len(), 20_000);
    assert_eq!(
        many.warning().as_deref(),
        Some("the table pins has more rows than a query can read: it read 20000")
    );
    let long = all(4000);
    assert!(long.is_cut && (2000..4000).contains(&long.rows.len()), "{}", long.rows.len());
    let few = Filled::of("pins", pins().into_iter());
    assert_eq!((few.rows.len(), few.warning()), (3, None));
    // A query over tables of this size has enough memory.
    let sql = "SELECT count(*) FROM (SELECT * FROM pins ORDER BY words, pin)";
    assert_eq!(run(sql, &[("pins", all(400).rows)]).unwrap().rows, [[number(20_000)]]);
}

#[tokio::test]
async fn a_packet_has_a_bounded_size() {
    for (longest, logged_in) in [(16 << 10, false), (64 << 10, true)] {
        for (length, fits) in [(longest, true), (longest + 1, false)] {
            let (mut client, server) = tokio::io::duplex(128 << 10);
            let mut link = Link::new(Box::new(server), engine::TIME);
            if logged_in {
                link.longest = MAX_PACKET;
            }
            let mut packet = u32::try_from(length).unwrap().to_le_bytes().to_vec();
            packet.resize(4 + length, b'x');
            client.write_all(&packet).await.unwrap();
            assert_eq!(link.read(0, engine::TIME).await.is_ok(), fits, "{length}");
        }
    }
}

#[test]
fn the_list_of_columns_is_that_of_the_views() {
    for view in VIEWS {
        let found = run(&format!("SELECT * FROM {}", view.name), &[]).unwrap();
        assert_eq!(found.columns, view.columns, "{}", view.name);
    }
    for table in TABLES {
        let found = run(&format!("SELECT * FROM {}", table.name), &[]).unwrap();
        let columns: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(found.columns, columns, "{}", table.name);
        assert!(table.columns.iter().all(|column| !column.about.is_empty()));
    }
    assert!(VARIABLES.is_sorted());
}

/// The marker in docs/console.md behind which the page is made of the list of tables.
const MADE: &str =
    "<!-- From here on made by `UPDATE_DOCS=1 cargo test --lib console_page`; a test compares it. -->\n";

#[test]
fn the_console_page_has_all_tables() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/console.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (written, _) = page.split_once(MADE).expect("a marker");
    let wanted = format!("{written}{MADE}{}", console_page());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page == wanted, "docs/console.md is out of date: UPDATE_DOCS=1 cargo test --lib console_page");
}

fn console_page() -> String {
    let mut page = "\n## Tables\n".to_owned();
    for table in TABLES {
        let _ =
            writeln!(page, "\n### {}\n\n{}\n\n| column | type | |\n|---|---|---|", table.name, table.about);
        for column in table.columns {
            let _ = writeln!(page, "| `{}` | {} | {} |", column.name, column.kind.as_str(), column.about);
        }
    }
    page.push_str("\n## Views\n\n| view | columns | |\n|---|---|---|\n");
    for view in VIEWS {
        let columns: Vec<_> = view.columns.iter().map(|column| format!("`{column}`")).collect();
        let _ = writeln!(page, "| `{}` | {} | {} |", view.name, columns.join(", "), view.about);
    }
    page
}
