//! Bodies as people write them, and what hides in them.

use super::*;

/// Knows `reader`, `primary` and `wild` as functions and procedures of `shop`.
struct Known;

impl Routines for Known {
    fn function(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        if schema.is_none_or(|schema| schema != b"shop") {
            return RoutineFacts::Unknown;
        }
        match name {
            b"reader" => RoutineFacts::ReadsOnly,
            b"writer" => RoutineFacts::Harmless,
            b"wild" => RoutineFacts::Other,
            b"acts" => RoutineFacts::Acts,
            b"unseen" => RoutineFacts::ReadsOpaque,
            _ => RoutineFacts::Unknown,
        }
    }

    fn procedure(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        self.function(schema, name)
    }

    fn relation(&self, schema: Option<&[u8]>, name: &[u8]) -> RelationFacts {
        let system = schema.is_some_and(|schema| schema == b"performance_schema");
        if schema.is_none_or(|schema| schema != b"shop") {
            return if system { RelationFacts::PlainToRead } else { RelationFacts::Unknown };
        }
        match name {
            b"t" | b"u" | b"v" | b"orders" | b"customers" => RelationFacts::Plain,
            b"audited" => RelationFacts::PlainToRead,
            b"reading" => RelationFacts::ReadingView,
            b"hidden" => RelationFacts::Opaque,
            b"riddle" => RelationFacts::UnknownView,
            b"serving" => RelationFacts::ServerView,
            b"looking" => RelationFacts::LooksBackView,
            b"acting" => RelationFacts::Acts,
            _ => RelationFacts::Unknown,
        }
    }

    fn version(&self) -> u64 {
        1
    }
}

fn with(body: &[u8], options: Options) -> RoutineFacts {
    let parameters = [Box::from(&b"Par"[..])];
    judge(Code { parameters: &parameters, ..Code::new(body, options, b"shop") }, &Known).of_routine()
}

fn judged(body: &str) -> RoutineFacts {
    with(body.as_bytes(), Options::default())
}

/// `None`: the routine may do anything.
fn all(bodies: &[&str], expected: Option<RoutineFacts>) {
    for body in bodies {
        let facts = judged(body);
        match expected {
            Some(expected) => assert_eq!(facts, expected, "{body}"),
            None => assert!(!facts.leaves_nothing(), "{body}: {facts:?}"),
        }
    }
}

#[test]
fn what_only_reads() {
    all(
        &[
            "RETURN x + 1",
            "RETURN @x + @y",
            "return concat('a', upper(name), if(x > 1, 'many', 'one'))",
            "SELECT 1",
            "(SELECT 1) UNION (SELECT 2)",
            "begin end",
            "BEGIN DECLARE y INT; SELECT COUNT(*) INTO y FROM orders WHERE id = x; RETURN y; END",
            "BEGIN DECLARE a, b DECIMAL(10,2) DEFAULT 0; SET a = x * 2, b := a + reader(a); RETURN a + b; END",
            "BEGIN SELECT a, b FROM t WHERE c = x LIMIT 1 INTO p, q; END",
            "BEGIN SELECT a INTO p FROM t; SELECT 'insert into t values (1); set @x = 1'; END",
            "main: BEGIN IF x > 1 THEN RETURN 1; ELSEIF x < 0 THEN RETURN 2; ELSE RETURN reader(3); END IF; END main",
            "BEGIN CASE x WHEN 1 THEN SELECT 1; WHEN 2 THEN BEGIN SELECT 2; END; ELSE BEGIN END; END CASE; END",
            "BEGIN CASE WHEN x > 1 THEN RETURN 1; END CASE; RETURN (SELECT MAX(id) FROM shop.orders); END",
            "BEGIN DECLARE i INT DEFAULT 0; WHILE i < 10 DO SET i = i + 1; END WHILE; RETURN i; END",
            "BEGIN DECLARE i INT; l: LOOP SET i = i + 1; IF i > 3 THEN LEAVE l; END IF; ITERATE l; END LOOP l; END",
            "BEGIN DECLARE i INT; REPEAT SET i = i + 1; UNTIL i > 3 END REPEAT; END",
            "BEGIN
               DECLARE done INT DEFAULT FALSE; -- the end
               DECLARE v VARCHAR(20);
               DECLARE gone CONDITION FOR SQLSTATE '45000';
               DECLARE c CURSOR FOR SELECT name FROM customers WHERE id IN (SELECT 1);
               DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE;
               DECLARE EXIT HANDLER FOR SQLEXCEPTION, SQLSTATE VALUE '23000', 1051, gone BEGIN RETURN NULL; END;
               OPEN c;
               FETCH c INTO v;
               CLOSE c;
               SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no';
               RETURN v;
             END",
            "BEGIN DECLARE m TEXT; GET DIAGNOSTICS CONDITION 1 m = MESSAGE_TEXT; RESIGNAL; END",
            "BEGIN FOR r IN (SELECT id FROM t) DO SELECT r.id; END FOR; END",
            "BEGIN FOR i IN 1..10 DO SELECT i; END FOR; FOR i IN REVERSE x .. y DO SELECT i; END FOR; END",
            "BEGIN SIGNAL SQLSTATE VALUE '45000' SET MESSAGE_TEXT = CONCAT(x, 1), MYSQL_ERRNO = 1; END",
            "BEGIN DECLARE `a b` INT; SET `A B` = 2; DO SLEEP(0); END",
            "WITH c AS (SELECT 1) SELECT * FROM c",
        ],
        Some(RoutineFacts::ReadsOnly),
    );
}

#[test]
fn what_may_write_but_leaves_nothing() {
    all(
        &[
            "INSERT INTO t VALUES (1)",
            "BEGIN INSERT INTO t (a, b) VALUES (x, reader(1)); RETURN 1; END",
            "BEGIN UPDATE t SET a = 1 WHERE b = x; DELETE FROM u; REPLACE INTO v VALUES (1); END",
            "BEGIN INSERT INTO t SELECT * FROM u ON DUPLICATE KEY UPDATE a = a + 1; END",
            "BEGIN IF x THEN INSERT INTO t VALUES (1); END IF; SELECT 1; END",
            "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION DELETE FROM t; SELECT 1; END",
            "BEGIN SELECT a INTO p FROM t WHERE id = x FOR UPDATE; END",
            "RETURN writer(1)",
            "CALL writer(1)",
            "CALL reader(1)",
        ],
        Some(RoutineFacts::Harmless),
    );
}

#[test]
fn what_only_reads_and_asks_about_the_session_or_the_server() {
    all(
        &[
            "RETURN (SELECT COUNT(*) FROM performance_schema.threads)",
            "RETURN LAST_INSERT_ID()",
            "RETURN LAST_INSERT_ID() + reader(1)",
            "RETURN @@hostname",
            "RETURN @@session.last_insert_id + @@warning_count",
            "RETURN IS_FREE_LOCK('a')",
            "BEGIN IF CONNECTION_ID() > 5 THEN RETURN (SELECT COUNT(*) FROM serving); END IF; RETURN 1; END",
        ],
        Some(RoutineFacts::ReadsServer),
    );
    all(&["RETURN ROW_COUNT()", "RETURN (SELECT COUNT(*) FROM looking)"], None);
    all(&["RETURN (SELECT COUNT(*) FROM riddle)"], Some(RoutineFacts::ReadsOpaque));
    all(&["RETURN (SELECT LAST_INSERT_ID() FROM hidden)"], Some(RoutineFacts::WritesOpaque));
}

#[test]
fn what_may_do_anything() {
    all(
        &[
            "",
            "begin set @x = 1; end",
            "RETURN wild(@x)",
            "RETURN (SELECT @x := 1)",
            "BEGIN SELECT 1 INTO @x; END",
            "BEGIN SELECT a, b INTO p, @x FROM t; END",
            "BEGIN SELECT 1 INTO OUTFILE '/tmp/x' FROM t; SET @y = 1; END",
            "BEGIN SET sql_mode = ''; END",
            "BEGIN SET p = 1; END",
            "BEGIN DECLARE a INT; SET a = 1, sql_log_bin = 0; END",
            "BEGIN DECLARE a INT; SET SESSION a = 1; END",
            "BEGIN DECLARE a INT; SET @@a = 1; END",
            "BEGIN DECLARE a INT DEFAULT GET_LOCK('x', 1); END",
            "BEGIN DECLARE a INT; SET a = (SELECT GET_LOCK('x', 1)); END",
            "BEGIN IF GET_LOCK('x', 1) THEN SELECT 1; END IF; END",
            "BEGIN WHILE RELEASE_LOCK('x') DO SELECT 1; END WHILE; END",
            "BEGIN CASE GET_LOCK('x', 1) WHEN 1 THEN SELECT 1; END CASE; END",
            "BEGIN REPEAT SELECT 1; UNTIL GET_LOCK('x', 1) END REPEAT; END",
            "BEGIN DECLARE c CURSOR FOR SELECT GET_LOCK('x', 1); OPEN c; END",
            "BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND SET @x = 1; END",
            "BEGIN DECLARE EXIT HANDLER FOR SQLWARNING BEGIN CALL wild(); END; END",
            "BEGIN FOR r IN (SELECT GET_LOCK('x', 1)) DO SELECT 1; END FOR; END",
            "BEGIN CREATE TEMPORARY TABLE t (a INT); END",
            "BEGIN DROP TABLE t; END",
            "TRUNCATE TABLE t",
            "BEGIN PREPARE s FROM 'SELECT 1'; EXECUTE s; END",
            "BEGIN EXECUTE IMMEDIATE 'SELECT 1'; END",
            "BEGIN START TRANSACTION; INSERT INTO t VALUES (1); COMMIT; END",
            "BEGIN SAVEPOINT a; END",
            "BEGIN FETCH c INTO @x; END",
            "BEGIN GET DIAGNOSTICS @n = NUMBER; END",
            "CALL wild()",
            "CALL reader(@x)",
            "BEGIN SELECT a, b INTO p, q, @x FROM t; END",
            "BEGIN SELECT a INTO p, FROM t; SET @x = 1; END",
            "CALL unheard_of()",
            "CALL other.reader()",
            "RETURN wild(1)",
            "RETURN unheard_of(1)",
            "RETURN other.reader(1)",
            "RETURN `wild`(1)",
            "RETURN NEXTVAL(s)",
            "RETURN (SELECT FOUND_ROWS())",
            "BEGIN /*!50001 SET @x = 1 */; SELECT 1; END",
            "BEGIN SELECT 1; RETURN 'no end",
            "BEGIN LOCK TABLES t READ; END",
            "BEGIN FLUSH TABLES; END",
            "BEGIN USE other; END",
            "BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = wild(1); END",
            "BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a' 1 2; END",
            "BEGIN FOR i IN 1..wild(1) DO SELECT i; END FOR; END",
            "BEGIN FOR i IN s.nextval..9 DO SELECT i; END FOR; END",
            "BEGIN FOR i IN NEXT VALUE FOR s DO SELECT i; END FOR; END",
            "BEGIN FOR r IN (SELECT @x := 1) DO SELECT 1; END FOR; END",
            "RETURN (SELECT 1 2 3)",
            "x := 1",
            "BEGIN IF CASE x WHEN 1 THEN 2 END = 2 THEN SELECT 1; END IF; END",
            "async function() { session.sql('insert'); }",
        ],
        None,
    );
}

#[test]
fn what_is_known_to_act() {
    all(
        &[
            "BEGIN SET @x = 1; END",
            "RETURN (SELECT @x := 1)",
            "BEGIN SELECT 1 INTO @x; END",
            "BEGIN SET sql_mode = ''; END",
            "BEGIN SET SESSION tx_read_only = 0; END",
            "BEGIN SET GLOBAL read_only = 0; END",
            "BEGIN SET ROLE NONE; END",
            "RETURN GET_LOCK('x', 1)",
            "RETURN (SELECT 1 FROM t WHERE RELEASE_LOCK('x') AND LAST_INSERT_ID())",
            "RETURN LAST_INSERT_ID(7)",
            "RETURN NEXTVAL(s)",
            "RETURN acts(1)",
            "CALL acts()",
            "RETURN (SELECT MAX(n) FROM acting)",
            "RETURN (SELECT MAX(n) FROM t JOIN `acting`)",
            "RETURN (SELECT MAX(n) FROM t, shop.acting)",
            "RETURN (SELECT MAX(n) FROM t WHERE id IN (SELECT id FROM (((acting)))))",
            "BEGIN CREATE TEMPORARY TABLE t (a INT); END",
            "BEGIN COMMIT; END",
            "BEGIN FETCH c INTO @x; END",
        ],
        Some(RoutineFacts::Acts),
    );
}

#[test]
fn what_cannot_be_seen_is_not_trusted() {
    all(
        &[
            "RETURN (SELECT MAX(n) FROM hidden)",
            "RETURN (SELECT MAX(n) FROM not_in_the_catalogue)",
            "RETURN (SELECT MAX(n) FROM other.t)",
            "RETURN (SELECT MAX(n) FROM t, other.t)",
            "RETURN (SELECT MAX(n) FROM (t, gone))",
            "RETURN (SELECT MAX(n) FROM t LEFT JOIN gone ON t.a = gone.a)",
            "WITH w AS (SELECT 1 FROM gone) SELECT * FROM w",
            "RETURN unseen(1)",
        ],
        Some(RoutineFacts::ReadsOpaque),
    );
    all(
        &[
            "INSERT INTO audited VALUES (1)",
            "INSERT INTO reading VALUES (1)",
            "INSERT gone VALUES (1)",
            "INSERT IGNORE INTO gone VALUES (1)",
            "INSERT INTO t SELECT * FROM gone",
            "UPDATE audited SET a = 1",
            "UPDATE t, audited SET a = 1",
            "UPDATE LOW_PRIORITY IGNORE gone SET a = 1",
            "DELETE FROM hidden",
            "DELETE QUICK FROM gone",
            "DELETE audited FROM t JOIN audited",
            "REPLACE INTO t SELECT unseen(1)",
            "CALL unseen()",
        ],
        Some(RoutineFacts::WritesOpaque),
    );
    all(
        &[
            "SELECT * FROM audited, reading",
            "SELECT EXTRACT(YEAR FROM d), TRIM(BOTH 'x' FROM e), SUBSTRING(f FROM 2) FROM t",
            "WITH w (a, b) AS (SELECT 1, 2), x AS (SELECT 3) SELECT * FROM w, x, t",
            "WITH RECURSIVE w AS (SELECT 1 UNION ALL SELECT n + 1 FROM w) SELECT * FROM w",
            "SELECT * FROM t, u ORDER BY one, two",
            "SELECT 1 FROM DUAL",
            "SELECT JSON_VALUE(j.x, '$') FROM t JOIN JSON_TABLE(t.d, '$' COLUMNS (x JSON PATH '$')) j",
        ],
        Some(RoutineFacts::ReadsOnly),
    );
    all(
        &[
            "INSERT IGNORE INTO t (a, b) VALUES (1, 2), (3, 4) ON DUPLICATE KEY UPDATE a = VALUES(a), b = c",
            "UPDATE t, u SET t.a = 1, u.b = 2 WHERE t.id = u.id",
            "DELETE FROM t WHERE a IN (SELECT b FROM u)",
        ],
        Some(RoutineFacts::Harmless),
    );
}

#[test]
fn a_variable_is_known_inside_its_block_only() {
    for (body, expected) in [
        (
            "BEGIN BEGIN DECLARE sql_mode INT; SET sql_mode = 1; END; SET sql_mode = ''; END",
            RoutineFacts::Acts,
        ),
        ("BEGIN DECLARE a INT; BEGIN DECLARE b INT; SET a = 1; END; SET a = 2; END", RoutineFacts::ReadsOnly),
        ("BEGIN FOR sql_mode IN (SELECT 1) DO SELECT 1; END FOR; SET sql_mode = ''; END", RoutineFacts::Acts),
        ("BEGIN IF x THEN BEGIN DECLARE a INT; END; SET a = 1; END IF; END", RoutineFacts::Acts),
        (
            "BEGIN DECLARE EXIT HANDLER FOR SQLWARNING BEGIN DECLARE a INT; SET a = 1; END; SET a = 2; END",
            RoutineFacts::Acts,
        ),
        (
            "BEGIN CASE x WHEN 1 THEN BEGIN DECLARE a INT; SET a = 1; END; ELSE SET a = 2; END CASE; END",
            RoutineFacts::Acts,
        ),
        ("BEGIN SET par = 1, PAR = 2; END", RoutineFacts::ReadsOnly),
        ("BEGIN SET `par` = 1; END", RoutineFacts::ReadsOnly),
        ("BEGIN SET par.x = 1; END", RoutineFacts::Other),
        ("BEGIN SET new.x = 1; END", RoutineFacts::Other),
        ("BEGIN DECLARE ä INT; SET Ä = 1; END", RoutineFacts::Other),
        ("BEGIN SELECT 1; END IF; END", RoutineFacts::Other),
        ("BEGIN IF x THEN SELECT 1; END; END", RoutineFacts::Other),
        ("BEGIN SELECT 1; END; END", RoutineFacts::Other),
        ("BEGIN SELECT 1;", RoutineFacts::Other),
        ("a: BEGIN b: LOOP LEAVE b; END LOOP b; END a", RoutineFacts::ReadsOnly),
        (
            "BEGIN REPEAT SET par = 1; UNTIL CASE par WHEN 1 THEN 1 END END REPEAT; END",
            RoutineFacts::ReadsOnly,
        ),
    ] {
        assert_eq!(judged(body), expected, "{body}");
    }
}

#[test]
fn a_trigger_may_set_columns_of_its_row() {
    let judged = |body: &str| {
        judge(Code { of_trigger: true, ..Code::new(body.as_bytes(), Options::default(), b"shop") }, &Known)
    };
    assert!(judged("SET NEW.a = NEW.b + 1, new.c = UUID()").is_plain());
    assert!(
        judged("BEGIN IF NEW.a IS NULL THEN SET NEW.a = 1; END IF; INSERT INTO t VALUES (NEW.a); END")
            .is_plain()
    );
    assert!(!judged("BEGIN INSERT INTO audited VALUES (NEW.a); END").is_plain());
    assert!(judged("SELECT NEW.v INTO @t").acts);
    assert!(judged("SET @t = NEW.v").acts);
    assert!(judged("SET NEW.a = GET_LOCK('x', 1)").acts);
}

#[test]
fn views_and_expressions() {
    use RelationFacts::{Acts, CallingView, LooksBackView, Opaque, ReadingView, ServerView, UnknownView};
    let view =
        |query: &str| judge_query(Code::new(query.as_bytes(), Options::default(), b"shop"), &Known).of_view();
    for (query, expected) in [
        ("select `shop`.`t`.`a` AS `a`,`reader`(`shop`.`t`.`b`) AS `b` from `shop`.`t`", CallingView),
        ("select 1 AS `a` from (`shop`.`reading` join `shop`.`u` on((`shop`.`u`.`a` = 1)))", ReadingView),
        ("with w as (select 1) select * from w", ReadingView),
        (
            "select `performance_schema`.`threads`.`NAME` AS `n` from `performance_schema`.`threads`",
            ServerView,
        ),
        ("select 1 AS `a` from `shop`.`hidden`", Opaque),
        ("select 1 AS `a` from `other`.`gone`", Opaque),
        ("select `wild`(1) AS `a`", UnknownView),
        ("select `gone`(1) AS `a`", UnknownView),
        ("select last_insert_id() AS `a`", ServerView),
        ("select is_free_lock('a') AS `a`", ServerView),
        ("select connection_id() AS `a` from `shop`.`t`", ServerView),
        ("select row_count() AS `a`", LooksBackView),
        ("select `shop`.`t`.`a` AS `a` from `shop`.`t` where found_rows() > 1", LooksBackView),
        ("select 1 AS `a` from `shop`.`serving`", ServerView),
        ("select 1 AS `a` from (`shop`.`serving` join `shop`.`looking`)", LooksBackView),
        ("select 1 AS `a` from `shop`.`riddle`", UnknownView),
        ("select last_insert_id(777) AS `a`", Acts),
        ("select get_lock('a',1) AS `a`", Acts),
        ("select nextval(`shop`.`s`) AS `a`", Acts),
        ("select `acts`(1) AS `a`", Acts),
        ("select `writer`(1) AS `a`", Acts),
        ("select 1 AS `a` from `shop`.`acting`", Acts),
        ("JSON_DUALITY_OBJECT(1)", UnknownView),
        ("", UnknownView),
    ] {
        assert_eq!(view(query), expected, "{query}");
    }
    let expression =
        |text: &str| judge_expression(Code::new(text.as_bytes(), Options::default(), b"shop"), &Known);
    assert!(expression("concat(`a`,'(',lower(`b`))").is_plain());
    assert!(expression("@y:=`id`").acts);
    assert!(expression("nextval(`shop`.`s`)").acts);
    assert!(!expression("`loadable`(1)").is_plain());
}

#[test]
fn the_sql_mode_of_the_day_it_was_created_counts() {
    let ansi = Options { ansi_quotes: true, ..Options::default() };
    let body = br#"BEGIN SELECT "a; SET @x = 1" FROM t; END"#;
    assert_eq!(with(body, ansi), RoutineFacts::ReadsOnly, "a name");
    let body = br"BEGIN SELECT '\'; SET @x = 1; SELECT '; END";
    let plain = Options { no_backslash_escapes: true, ..Options::default() };
    assert_eq!(with(body, Options::default()), RoutineFacts::ReadsOnly, "a string");
    assert_eq!(with(body, plain), RoutineFacts::Other);
    let body = br"BEGIN SELECT '\'; SELECT '; END";
    assert_eq!(with(body, plain), RoutineFacts::Other, "no end");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever stands around it, what sets a user variable is found.
    #[test]
    fn a_hidden_assignment_is_never_overlooked(before in 0..PARTS.len(), after in 0..PARTS.len(), hidden in 0..HIDDEN.len()) {
        let body = format!("BEGIN DECLARE a INT; {}; {}; {}; END", PARTS[before], HIDDEN[hidden], PARTS[after]);
        proptest::prop_assert_eq!(judged(&body), RoutineFacts::Acts, "{}", body);
    }

    #[test]
    fn any_text_is_judged(body in "[a-zA-Z@;:=,.()'\"` \n0-9]{0,200}") {
        judged(&body);
    }
}

const PARTS: [&str; 8] = [
    "SELECT 1",
    "SET a = 1",
    "IF a THEN SELECT 1; END IF",
    "CASE a WHEN 1 THEN SELECT 1; ELSE SELECT 2; END CASE",
    "l: LOOP LEAVE l; END LOOP",
    "INSERT INTO t VALUES (1)",
    "BEGIN END",
    "SELECT ';' INTO a -- ;\n",
];

const HIDDEN: [&str; 8] = [
    "SET @x = 1",
    "IF a THEN SET @x = 1; END IF",
    "IF (SELECT @x := 1) THEN SELECT 1; END IF",
    "WHILE a DO SET @x = 1; END WHILE",
    "BEGIN SELECT 1 INTO @x; END",
    "REPEAT SET a = 1; SET @x = 1; UNTIL a END REPEAT",
    "CASE a WHEN 1 THEN SELECT 1; ELSE SET @x = 2; END CASE",
    "UPDATE t SET a = (@x := a)",
];

#[test]
fn a_comma_behind_a_type_declares_nothing() {
    let of = |declared: &str| {
        let text = format!("BEGIN DECLARE {declared}; SET tx_read_only = 0; RETURN 1; END");
        judge(Code::new(text.as_bytes(), Options::default(), b"shop"), &Known).of_routine()
    };
    assert_eq!(of("a, tx_read_only INT DEFAULT 1"), RoutineFacts::ReadsOnly);
    for declared in [
        "a INT DEFAULT (SELECT COALESCE(1, tx_read_only) FROM (SELECT 1 AS tx_read_only) d)",
        "a ROW (b INT, tx_read_only INT)",
        "a DECIMAL(10, 2) DEFAULT GREATEST(1, tx_read_only)",
        "a ENUM('x', 'y')",
    ] {
        assert_eq!(of(declared), RoutineFacts::Acts, "{declared}");
    }
}

#[test]
fn the_type_of_a_column_opens_its_relation() {
    for body in [
        "BEGIN DECLARE r ROW TYPE OF v; RETURN 1; END",
        "BEGIN DECLARE c CURSOR (p TYPE OF v.x) FOR SELECT p; RETURN 1; END",
        "BEGIN DECLARE a TYPE OF v.x DEFAULT 1; RETURN 1; END",
    ] {
        let found = judge(Code::new(body.as_bytes(), Options::default(), b"shop"), &Known);
        assert_eq!(found.of_routine(), RoutineFacts::Other, "{body}");
    }
}
