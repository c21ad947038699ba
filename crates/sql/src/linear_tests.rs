//! Every reader of texts is linear: the steps that it takes (tokens and bytes passed, never time) stay under a line
//! at growing sizes, for every shape of text that is known to have cost more somewhere and for random ones.

use super::class::StatementClass;
use super::classify::{ClassCache, classify};
use super::read_only::{Calls, Reason, Verdict, check, check_calls, first_statement};
use super::steps::taken;
use super::{Effects, Kind, Lexer, Options, Readings, body, digest, kill, parts, proxy_variable, set_names};
use crate::TextCharset;
use pointsman_terms::StatementKind;

/// What stands first, what is repeated until the text is long enough, what stands last.
type Shape<'a> = (&'a str, &'a str, &'a str);

#[rustfmt::skip]
const SHAPES: &[Shape<'static>] = &[
    // Nesting that is never closed, and closing what never opened.
    ("SELECT ", "a(", "1"),
    ("SELECT ", "`a`(", "1"),
    ("SELECT ", "s.a(", "1"),
    ("SELECT ", "a(b,", "1"),
    ("SELECT a(", "b,", "1"),
    ("SELECT ", "json_query(", "1"),
    ("SELECT ", "(", "1"),
    ("SELECT ", ")", "1"),
    ("SELECT ", "1)", ""),
    ("SELECT (", "1,", ") )"),
    ("SELECT ", "IF(1,2,", "3"),
    ("SELECT ", "CASE WHEN ", "1"),
    ("SELECT ", "CASE a WHEN 1 THEN ", "1"),
    ("SELECT * FROM ", "(SELECT * FROM ", "t"),
    ("", "(", "SELECT 1"),
    ("(SELECT 1)", " UNION (SELECT 1)", ""),
    ("SELECT 1", " UNION SELECT 1", ""),
    ("WITH a AS (SELECT 1)", ",a AS (SELECT 1)", " SELECT 1"),
    ("", "WITH a AS (", "SELECT 1"),
    ("WITH ", "a (b) AS (", "SELECT 1"),
    ("WITH ", "a (b, c), ", "SELECT 1"),
    ("", "EXPLAIN ", "SELECT 1"),
    ("", "EXPLAIN (", "SELECT 1"),
    ("", "ANALYZE ", "SELECT 1"),
    ("", "SET STATEMENT a=1 FOR ", "SELECT 1"),
    ("", "SET STATEMENT a=(1) FOR (", "SELECT 1"),
    // Comments.
    ("SELECT 1", "/**/", ""),
    ("SELECT 1", "/*", "*/"),
    ("SELECT 1", "/*!", "*/"),
    ("SELECT 1", "/*!*/", ""),
    ("SELECT 1", "/*!50001 ", "*/"),
    ("SELECT 1", "/*!50001*/", ""),
    ("SELECT 1", "/*!50001 a*//*!50002 b*//*!50003 c*//*!50004 d*/", ""),
    ("SELECT /*!50001 1*//*!50002 +1*//*!50003 +1*//*!50004 +1*/", "+1", ""),
    ("", "/*!50001*//*!50002*//*!50003*//*!50004*/SELECT 1;", ""),
    ("SELECT ", "/*!50001 a(*/", ""),
    ("SELECT /*!50001 1 */ + '", "x", "'"),
    ("SELECT /*!50001 1*//*!50002 +1*//*!50003 +1*//*!50004 +1*/ + '", "x", "'"),
    ("SELECT 1", "-- a\n", ""),
    ("SELECT 1", "--", " "),
    ("SELECT 1", "#\n", ""),
    ("SELECT 1", "# /*", ""),
    ("SELECT ", "/*+ a */", "1"),
    ("SELECT /*+ ", "'", " */ 1"),
    ("", "/* pointsman: replica */", "SELECT 1"),
    ("SELECT 1 ", "/* pointsman: replica */ + f(1)", ""),
    ("SELECT 1", " /* pointsman: consistency = ", "*/"),
    // Strings and names, ended or not.
    ("SELECT ", "'", ""),
    ("SELECT ", "''", "'"),
    ("SELECT '", "''", ""),
    ("SELECT '", "\\'", "'"),
    ("SELECT '", "\\\\", "'"),
    ("SELECT '", "\\", "'"),
    ("SELECT ", "\"\"", ""),
    ("SELECT ", "`a`.", "`b`"),
    ("SELECT `", "``", "`"),
    ("SELECT ", "a.", "b"),
    ("SELECT ", ".", "b"),
    ("SELECT ", "_utf8mb4'a' ", ""),
    ("SELECT ", "x'00' ", ""),
    ("SELECT ", "N'a' ", ""),
    ("SELECT ", "1e1", ""),
    ("SELECT ", "1.", ""),
    ("SELECT ", "0x", ""),
    ("SELECT ", "9", ""),
    ("SELECT ", "\0", ""),
    ("SELECT ", "a", ""),
    ("SELECT ", "é ", ""),
    ("", " ", ""),
    ("", "\n", "KILL 1"),
    ("", "\0", ""),
    // Lists.
    ("SELECT * FROM t WHERE a IN (1", ",12345", ")"),
    ("SELECT * FROM t WHERE a IN ('a'", ",'it\\'s'", ")"),
    ("SELECT * FROM t WHERE a IN (", "?,", "1)"),
    ("INSERT INTO t VALUES (1,'a')", ",(12345,'some text')", ""),
    ("INSERT INTO t VALUES (1,'a')", ",(f(1),'some text')", ""),
    ("INSERT INTO t (a) SELECT 1", " UNION ALL SELECT 2", ""),
    ("UPDATE t SET a=1", ",b=2", ""),
    ("SELECT 1", ",@a", ""),
    ("SELECT @a:=1", ",@a:=@a", ""),
    // Statements.
    ("", ";", ""),
    ("", "a;", ""),
    ("", "SELECT 1;", ""),
    ("", "BEGIN;", ""),
    ("", "COMMIT;", ""),
    ("", "SET NAMES utf8mb4;", ""),
    ("", "SET sql_mode='';", "SELECT 1"),
    ("", "SET a=1;", "\\"),
    ("", "SET character_set_client=gbk;", "`é"),
    ("", "EXECUTE s;", "SELECT 1"),
    ("", "SET STATEMENT a=1 FOR SELECT 1;", ""),
    ("DELIMITER //", "\nSELECT 1//", ""),
    ("START TRANSACTION", ",READ ONLY", ""),
    ("COMMIT", " AND NO CHAIN", ""),
    ("SHOW TABLES WHERE 1", "+f(1)", ""),
    ("SHOW VARIABLES LIKE 'pointsman", "%s", "'"),
    ("DROP TABLE a", ",b.c", ""),
    ("CREATE TABLE t (a INT", ",b INT", ")"),
    ("", "LOAD DATA LOCAL INFILE 'a' INTO TABLE t;", ""),
    ("SHOW STATUS LIKE ", "'a' ", "'last_query_cost'"),
    ("LOCK TABLES a READ", ",b READ", ""),
    ("CALL p(1", ",f(@a)", ")"),
    ("DO 1", ",GET_LOCK('a',1)", ""),
    ("DO GET_LOCK('a',1)", ",RELEASE_LOCK('a')", ""),
    ("SET a=1", ",b=2", ""),
    ("SET a=1", ",@@b=2", ""),
    ("SET @a=1", ",@b=2", ""),
    ("SET @a=1", ",@b=(SELECT f(1))", ""),
    ("SET @a=1", ",NAMES utf8 COLLATE x", ""),
    ("SET pointsman_consistency=1", ",pointsman_consistency=1", ""),
    ("SET a=", "a(", "1"),
    ("SELECT @@a", ",@@session.pointsman_consistency", ""),
    ("PREPARE s FROM '", "PREPARE s FROM ''", "'"),
    ("PREPARE s FROM 'SELECT ", "a(", "'"),
    ("", "PREPARE s FROM 'SELECT 1';", ""),
    ("", "PREPARE s FROM 'SET sql_mode=1;SELECT 2';", ""),
    ("PREPARE /*!50001*//*!50002*//*!50003*//*!50004*/ s FROM 'PREPARE /*!50001*//*!50002*//*!50003*//*!50004*/ s FROM ''", "SELECT 1;", "'''"),
    ("EXECUTE s USING @a", ",@a", ""),
    ("EXECUTE IMMEDIATE '", "SELECT 1;", "'"),
    ("DEALLOCATE PREPARE ", "s", ""),
    ("KILL ", "/**/", "1"),
    ("HANDLER t READ FIRST WHERE 1", "+f(1)", ""),
    // Bodies.
    ("BEGIN ", "BEGIN ", "END"),
    ("BEGIN ", "l: LOOP ", "END LOOP"),
    ("BEGIN ", "SELECT 1; ", "END"),
    ("BEGIN ", "IF 1 THEN ", "END"),
    ("BEGIN ", "IF ", "END"),
    ("BEGIN ", "DECLARE a INT;", "END"),
    ("BEGIN DECLARE a", ",b", " INT; SET a=1; END"),
    ("BEGIN DECLARE a INT;", "SET a=1;", "END"),
    ("BEGIN SET a=1", ",a=1", "; END"),
    ("BEGIN DECLARE CONTINUE HANDLER FOR 1", ",1", " SET a=1; END"),
    ("BEGIN ", "FOR x IN (SELECT 1) DO ", "END"),
    ("BEGIN SELECT 1 INTO a", ",a", "; END"),
];

/// A text of this shape and about this many bytes.
fn text((head, part, tail): Shape<'_>, bytes: usize) -> Vec<u8> {
    let times = bytes.saturating_sub(head.len() + tail.len()) / part.len();
    [head.as_bytes(), part.repeat(times).as_bytes(), tail.as_bytes()].concat()
}

fn all_options() -> impl Iterator<Item = Options> {
    (0..8u8).map(|bits| Options {
        ansi_quotes: bits & 1 != 0,
        no_backslash_escapes: bits & 2 != 0,
        charset: if bits & 4 != 0 { TextCharset::MultiByte } else { TextCharset::Utf8 },
    })
}

/// Steps of one reading a byte. A reader may read a text some times over, and say so by its own factor.
const LINE: u64 = 3;
/// For any text: what a bounded look at it may cost.
const AT_LEAST: u64 = 1 << 18;

/// Fails over a reader that takes more steps than its line allows, and returns the steps.
#[track_caller]
fn linear(name: &str, readings: u64, sql: &[u8], read: impl FnOnce(&[u8])) -> u64 {
    let steps = taken(|| read(sql));
    let most = LINE * readings * sql.len() as u64 + AT_LEAST;
    let start = sql.get(..60).unwrap_or(sql).escape_ascii();
    assert!(steps <= most, "{name}: {steps} steps for {} bytes, not {most}: {start}…", sql.len());
    steps
}

/// Runs `read` over the texts of all shapes at 16 KiB, and over those that cost the most at 64 KiB, 256 KiB and 1 MiB.
#[track_caller]
fn at_growing_sizes(name: &str, readings: u64, read: impl Fn(&[u8])) {
    let steps = |shape: &Shape<'_>, bytes| linear(name, readings, &text(*shape, bytes), &read);
    let mut shapes: Vec<_> = SHAPES.iter().map(|shape| (steps(shape, 16 << 10), shape)).collect();
    for (bytes, most) in [(64 << 10, 24), (256 << 10, 6), (1 << 20, 3)] {
        shapes.sort_by_key(|(steps, _)| std::cmp::Reverse(*steps));
        shapes.truncate(most);
        shapes.iter_mut().for_each(|(last, shape)| *last = steps(shape, bytes));
    }
}

#[test]
fn steps_are_counted() {
    let sql = b"SELECT a, 'b' /* c */";
    let tokens = Lexer::new(sql, Options::default()).count() as u64;
    let steps =
        taken(|| assert!(Lexer::new(sql, Options::default()).all(|token| token.kind != Kind::Incomplete)));
    assert!(steps >= tokens + sql.len() as u64, "{steps}");
}

#[test]
fn the_guard_of_replica_ports_is_linear() {
    at_growing_sizes("check", 8, |sql| _ = check(sql, Options::default()));
    for options in all_options() {
        for shape in SHAPES {
            linear("check", 8, &text(*shape, 4 << 10), |sql| _ = check(sql, options));
        }
    }
}

#[test]
fn the_guard_is_linear_in_every_way_to_read_a_text() {
    let readings = Readings { either_quotes: true, either_escapes: true, ..Readings::default() };
    let calls = Calls { schema: b"test", routines: &() };
    at_growing_sizes("check_calls", 32, |sql| {
        check_calls(sql, readings, &calls);
    });
}

#[test]
fn texts_are_cut_in_linear_time() {
    at_growing_sizes("first_statement", 1, |sql| {
        let mut rest = Some(sql);
        while let Some(left) = rest {
            rest = first_statement(left, Options::default()).1;
        }
    });
}

#[test]
fn the_guard_gives_up_on_what_multiplies() {
    const VERSIONS: &str = "/*!50001 1*//*!50002 +1*//*!50003 +1*//*!50004 +1*/";
    let with =
        |more: usize| check(&text((&format!("SELECT {VERSIONS}"), "+1", ""), more), Options::default());
    assert_eq!(with(1 << 10), Verdict::Allowed);
    assert_eq!(with(64 << 10), Verdict::Refused(Reason::TooMuchWork.into()));
    // One reading is enough for anything of any length.
    let long = text(("SELECT /*!50001 1*/", "+1", ""), 1 << 20);
    assert_eq!(check(&long, Options::default()), Verdict::Allowed);
}

#[test]
fn classification_is_linear() {
    let options = Options::default();
    at_growing_sizes("classify", 8, |sql| _ = classify(sql, options, &()));
    at_growing_sizes("cache", 8, |sql| _ = ClassCache::new().classify(sql, options, &()));
    for options in all_options() {
        for shape in SHAPES {
            linear("classify", 8, &text(*shape, 4 << 10), |sql| _ = classify(sql, options, &()));
        }
    }
}

#[test]
fn what_the_session_remembers_is_read_in_linear_time() {
    type Reader = (&'static str, fn(&[u8], Options));
    let readers: [Reader; 19] = [
        ("changes_trackers", |sql, options| _ = parts::changes_trackers(sql, options)),
        ("temporary_table", |sql, options| _ = parts::temporary_table(sql, options)),
        ("dropped_tables", |sql, options| _ = parts::dropped_tables(sql, options)),
        ("prepared", |sql, options| _ = parts::prepared(sql, options)),
        ("executed", |sql, options| _ = parts::executed(sql, options)),
        ("immediate", |sql, options| _ = parts::immediate(sql, options)),
        ("deallocated", |sql, options| _ = parts::deallocated(sql, options)),
        ("named_locks", |sql, options| _ = parts::named_locks(sql, options)),
        ("user_variables", |sql, options| _ = parts::user_variables(sql, options)),
        ("named_user_variables", |sql, options| _ = parts::named_user_variables(sql, options)),
        ("creates_what_it_reads", |sql, options| _ = parts::creates_what_it_reads(sql, options, true)),
        ("system_variables", |sql, options| _ = parts::system_variables(sql, options)),
        ("sets_charset_too", |sql, options| _ = parts::sets_charset_too(sql, options)),
        ("local_files", |sql, options| _ = parts::local_files(sql, options)),
        ("asks_query_cost", |sql, options| _ = parts::asks_query_cost(sql, options)),
        ("own", |sql, options| _ = proxy_variable::parse(sql, options)),
        ("kill", |sql, options| _ = kill::parse(sql, options)),
        ("collation", |sql, options| _ = set_names::collation(sql, options)),
        ("digest", |sql, options| _ = digest::digest(sql, options, &mut String::new())),
    ];
    for (name, read) in readers {
        at_growing_sizes(name, 4, |sql| read(sql, Options::default()));
    }
}

fn judged(sql: &[u8], options: Options) -> (body::Findings, body::Findings) {
    let code = body::Code::new(sql, options, b"s");
    (body::judge(code, &()), body::judge_query(code, &()))
}

#[test]
fn bodies_of_routines_are_read_in_linear_time() {
    at_growing_sizes("body", 8, |sql| _ = judged(sql, Options::default()));
}

#[test]
fn a_text_over_its_budget_counts_as_not_understood() {
    const VERSIONS: &str = "/*!50001 1*//*!50002 +1*//*!50003 +1*//*!50004 +1*/";
    let class = |shape: Shape<'_>, bytes| classify(&text(shape, bytes), Options::default(), &());
    let versions = format!("SELECT {VERSIONS}");
    assert_eq!(class((&versions, "+1", ""), 1 << 10).kind, StatementKind::Read);
    let effects = StatementClass::UNKNOWN.effects;
    for (shape, bytes) in [
        ((&*versions, "+1", ""), 64 << 10),
        (("SELECT 1", "+1", ""), 256 << 10),
        (("", "SELECT 1;", ""), 512 << 10),
        (("", "/*!50001*//*!50002*//*!50003*//*!50004*/SELECT 1;", ""), 512 << 10),
    ] {
        let found = class(shape, bytes);
        assert_eq!((found.kind, found.effects), (StatementKind::Unknown, effects), "{shape:?}");
    }
    // What is long for its literals is understood.
    let bulk = class(("INSERT INTO t VALUES (1,'a')", ",(12345,'some text')", ""), 1 << 20);
    assert_eq!(bulk.kind, StatementKind::Write);
    let bulk = class(("INSERT INTO t VALUES (?,?)", ", (?, ?)", ""), 1 << 18);
    assert_eq!((bulk.kind, bulk.effects), (StatementKind::Write, Effects::KEEPS_FOUND_ROWS));
    let list = class(("SELECT * FROM t WHERE a IN (1", ",12345", ")"), 1 << 20);
    assert_eq!(list.kind, StatementKind::Read);
}

#[test]
fn a_call_in_a_call_is_no_deeper_for_the_proxy() {
    for shape in
        [("SELECT ", "a(", "1"), ("", "SET STATEMENT a=1 FOR ", "SELECT 1"), ("", "EXPLAIN (", "SELECT 1")]
    {
        // A stack that the depth of a text can use up ends the process.
        let sql = text(shape, 96 << 10);
        let small = std::thread::Builder::new().stack_size(256 << 10);
        let read = small.spawn(move || classify(&sql, Options::default(), &()).kind).expect("a thread");
        assert_ne!(read.join().expect("classified"), StatementKind::Read);
    }
}

/// Parts of the known shapes, put together at random: the same ones each time.
#[test]
fn random_shapes_are_read_in_linear_time() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    for _ in 0..300 {
        let (head, ..) = SHAPES[next(SHAPES.len())];
        let (.., tail) = SHAPES[next(SHAPES.len())];
        let part: String = (0..=next(3)).map(|_| SHAPES[next(SHAPES.len())].1).collect();
        let sql = text((head, &part, tail), 24 << 10);
        let options = Options {
            ansi_quotes: next(2) > 0,
            no_backslash_escapes: next(2) > 0,
            charset: TextCharset::Utf8,
        };
        linear("check", 8, &sql, |sql| _ = check(sql, options));
        linear("cache", 6, &sql, |sql| _ = ClassCache::new().classify(sql, options, &()));
        linear("body", 8, &sql, |sql| _ = judged(sql, options));
        linear("user variables", 4, &sql, |sql| _ = parts::named_user_variables(sql, options));
        linear("system variables", 4, &sql, |sql| _ = parts::system_variables(sql, options));
    }
}
