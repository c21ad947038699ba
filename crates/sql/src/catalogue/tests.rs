//! Catalogues as servers have them.

use super::*;
use crate::Options;
use crate::vocabulary::native::{ServerFunctions, ServerVersion};

fn routine(kind: RoutineKind, name: &str, access: DataAccess, body: Option<&str>) -> Definition {
    let (schema, name) = name.split_once('.').unwrap();
    let body = body.map_or(Body::Hidden, |text| Body::Text(text.as_bytes().into(), Options::default()));
    let (schema, name) = (schema.as_bytes().into(), name.as_bytes().into());
    Definition { schema, name, kind, access, deterministic: false, parameters: Vec::new(), body }
}

fn function(name: &str, access: DataAccess, body: Option<&str>) -> Definition {
    routine(RoutineKind::Function, name, access, body)
}

fn catalogue(definitions: Vec<Definition>) -> RoutineCatalogue {
    RoutineCatalogue::default().replaced_by(contents(definitions, true), Moment::default()).unwrap()
}

fn contents(routines: Vec<Definition>, complete: bool) -> Contents {
    let relations = ["shop.t", "shop.orders", "shop.items"].map(|name| table(name, &[], &[])).to_vec();
    Contents { routines, all_routines: complete, all_loadable: complete, relations, ..Contents::default() }
}

fn body(text: &str) -> Body {
    Body::Text(text.as_bytes().into(), Options::default())
}

fn relation(name: &str, kind: RelationKind) -> Relation {
    let (schema, name) = name.split_once('.').unwrap();
    Relation { schema: schema.as_bytes().into(), name: name.as_bytes().into(), kind }
}

fn table(name: &str, columns: &[&str], triggers: &[&str]) -> Relation {
    let bodies = |texts: &[&str]| Some(texts.iter().map(|text| body(text)).collect());
    relation(
        name,
        RelationKind::Table(Table {
            columns: bodies(columns),
            triggers: bodies(triggers),
            ..Table::default()
        }),
    )
}

fn view(name: &str, query: &str) -> Relation {
    relation(name, RelationKind::View(body(query)))
}

fn lookup(c: &RoutineCatalogue, name: &str) -> RoutineFacts {
    match name.split_once('.') {
        Some((schema, name)) => c.function(Some(schema.as_bytes()), name.as_bytes()),
        None => c.function(None, name.as_bytes()),
    }
}

use DataAccess::{Contains, Modifies, Reads};
use RoutineFacts::{Acts, Harmless, Other, ReadsOnly, ReadsOpaque, Unknown, WritesOpaque};

const INSERTS: &str = "BEGIN INSERT INTO shop.t VALUES (1); RETURN 1; END";

#[test]
fn a_body_that_can_be_seen_overrules_what_is_declared() {
    for (access, body, expected) in [
        (Reads, Some("RETURN 1"), ReadsOnly),
        (Contains, Some("RETURN 1"), ReadsOnly),
        (Modifies, Some("RETURN 1"), Harmless),
        (Reads, Some(INSERTS), Harmless),
        (Reads, Some("RETURN (@x := 1)"), Acts),
        (Reads, None, ReadsOpaque),
        (Contains, None, Other),
        (Modifies, None, Other),
    ] {
        let c = catalogue(vec![function("shop.f", access, body)]);
        assert_eq!(lookup(&c, "shop.f"), expected, "{access:?} {body:?}");
    }
    let opaque = Definition { body: Body::Opaque, ..function("shop.f", Reads, None) };
    assert_eq!(
        lookup(&catalogue(vec![opaque]), "shop.f"),
        Other,
        "JavaScript, or too long to be looked into"
    );
    // The texts of the servers' own routines are not read.
    let sys = Definition { body: Body::Opaque, ..function("sys.format_bytes", Reads, None) };
    assert_eq!(lookup(&catalogue(vec![sys]), "sys.format_bytes"), Other, "about one server");
    let own = function("sys.own", Reads, Some("RETURN (@x := 1)"));
    assert_eq!(lookup(&catalogue(vec![own]), "sys.own"), Acts, "somebody else's");
}

#[test]
fn names_are_compared_as_servers_do() {
    let c = catalogue(vec![
        function("shop.Total", Reads, Some("RETURN 1")),
        function("Audit.total", Reads, Some(INSERTS)),
        function("shop.only", Reads, Some("RETURN 1")),
        routine(RoutineKind::Procedure, "shop.total", Reads, Some("SET @x = 1")),
    ]);
    assert_eq!(lookup(&c, "shop.TOTAL"), ReadsOnly);
    assert_eq!(lookup(&c, "audit.total"), Harmless, "schemas too: some servers ignore their case");
    assert_eq!(lookup(&c, "total"), Harmless, "the worst of both");
    assert_eq!((lookup(&c, "only"), lookup(&c, "audit.only")), (ReadsOnly, Unknown));
    assert_eq!(c.procedure(Some(b"shop"), b"Total"), Acts, "procedures have their own names");
    assert_eq!(c.function(None, &[b'x'; 1000]), Unknown);
    assert_eq!((c.counts().routines, c.counts().reading), (4, 2));
}

#[test]
fn routines_are_as_good_as_what_they_call() {
    let call = |name: &str, called: &str| {
        function(&format!("shop.{name}"), Contains, Some(&format!("RETURN {called}(1)")))
    };
    let c = catalogue(vec![
        call("a", "b"),
        call("b", "c"),
        call("c", "leaf"),
        function("shop.leaf", Reads, Some("RETURN 1")),
        function("other.leaf", Reads, Some(INSERTS)),
        call("w", "inserts"),
        function("shop.inserts", Reads, Some(INSERTS)),
        call("lost", "gone"),
        call("elsewhere", "other.leaf"),
        call("there", "back"),
        call("back", "there"),
        call("self", "self"),
        routine(RoutineKind::Procedure, "shop.p", Contains, Some("BEGIN SELECT a(1); CALL q(); END")),
        routine(RoutineKind::Procedure, "shop.q", Contains, Some("SELECT 1")),
    ]);
    for (name, expected) in [
        ("a", ReadsOnly),
        ("b", ReadsOnly),
        ("leaf", Harmless),
        ("shop.leaf", ReadsOnly),
        ("w", Harmless),
        ("lost", Other),
        ("elsewhere", Harmless),
        ("there", Other),
        ("back", Other),
        ("self", Other),
    ] {
        assert_eq!(lookup(&c, name), expected, "{name}");
    }
    assert_eq!(c.procedure(Some(b"shop"), b"p"), Harmless);
}

#[test]
fn only_a_change_is_a_new_version() {
    let none = RoutineCatalogue::default();
    let replaced = |c: &RoutineCatalogue, routines: Vec<Definition>, complete| {
        c.replaced_by(contents(routines, complete), Moment::default())
    };
    assert_eq!((none.version(), none.is_complete(), lookup(&none, "f")), (0, false, Unknown));
    let first = replaced(&none, Vec::new(), true).expect("that there are none is news");
    assert_eq!((first.version(), first.is_complete()), (4, true));
    assert!(replaced(&first, Vec::new(), true).is_none());
    let (f, g) = (function("shop.f", Reads, Some("RETURN 1")), function("shop.g", Reads, None));
    let second = replaced(&first, vec![f.clone(), g.clone()], true).unwrap();
    assert_eq!((second.version(), lookup(&second, "f")), (8, ReadsOnly));
    assert!(replaced(&second, vec![g.clone(), f.clone()], true).is_none(), "in another order");
    assert!(replaced(&second, vec![f, g.clone()], false).is_some(), "no longer complete");
    let third = replaced(&second, vec![g, function("shop.f", Reads, Some(INSERTS))], true).unwrap();
    assert_eq!((third.version(), lookup(&third, "f")), (12, Harmless));
}

#[test]
fn after_a_change_nothing_is_known_until_the_next_reading() {
    let routines = vec![
        function("shop.f", Reads, Some("RETURN (SELECT COUNT(*) FROM t)")),
        function("shop.w", Reads, Some(INSERTS)),
    ];
    let mut all = contents(routines, true);
    all.relations.push(view("shop.acting", "select last_insert_id(1)"));
    let changes = Arc::new(Changes::default());
    let empty = RoutineCatalogue::with_changes(changes.clone());
    let first = empty.replaced_by(all.clone(), changes.now()).unwrap();
    let known = |c: &RoutineCatalogue| {
        (lookup(c, "shop.f"), lookup(c, "shop.w"), c.relation(Some(b"shop"), b"t"), c.is_complete())
    };
    assert_eq!(known(&first), (ReadsOnly, Harmless, RelationFacts::Plain, true));
    let version = first.version();
    changes.of_relations();
    assert_eq!(known(&first), (ReadsOpaque, WritesOpaque, RelationFacts::Opaque, true));
    assert_eq!(first.relation(Some(b"shop"), b"acting"), RelationFacts::Acts);
    assert_ne!(first.version(), version, "cached classes are invalid");
    let before_change = changes.now();
    changes.of_routines();
    assert_eq!(known(&first), (Unknown, Unknown, RelationFacts::Opaque, false));
    // A reading that began before the change may have missed it.
    let second = first.replaced_by(all.clone(), before_change).unwrap();
    assert_eq!(known(&second), (Unknown, Unknown, RelationFacts::Opaque, false));
    let third = second.replaced_by(all.clone(), changes.now()).unwrap();
    assert_eq!(known(&third), (ReadsOnly, Harmless, RelationFacts::Plain, true));
    assert!(third.version() > second.version() && second.version() > first.version());
    assert!(third.replaced_by(all, changes.now()).is_none());
}

#[test]
fn relations_are_as_good_as_what_runs_when_they_are_used() {
    use RelationFacts::{
        Acts, CallingView, LooksBackView, Opaque, Plain, PlainToRead, ReadingView, ServerView, Unknown,
        UnknownView,
    };
    let hidden = Table { columns: None, triggers: Some(Vec::new()), ..Table::default() };
    let no_triggers = Table { columns: Some(Vec::new()), triggers: None, ..Table::default() };
    let mut all = contents(
        vec![
            function("shop.reads", Contains, Some("RETURN (SELECT COUNT(*) FROM `over`)")),
            function("shop.keeps", Contains, Some("BEGIN SET @x = 1; RETURN 1; END")),
            function("shop.looks", Contains, Some("RETURN (SELECT COUNT(*) FROM deep)")),
            function("shop.unseen", Contains, None),
            function("shop.host", Contains, Some("RETURN @@hostname")),
            function("sys.own", Reads, Some("BEGIN SET @x = 1; RETURN 1; END")),
        ],
        true,
    );
    all.relations.extend([
        table("shop.computed", &["concat(`a`,'x')"], &["SET NEW.a = UUID()", "DO uuid()"]),
        table("shop.logged", &[], &["SET @x = NEW.a"]),
        table("shop.counted", &[], &["DO nextval(`shop`.`s`)"]),
        table("shop.sets", &["@y:=`id`"], &[]),
        table("shop.chained", &[], &["INSERT INTO logged VALUES (1)"]),
        table("shop.copied", &[], &["INSERT INTO t VALUES (NEW.a)"]),
        relation("shop.hidden", RelationKind::Table(hidden)),
        relation("shop.quiet", RelationKind::Table(no_triggers)),
        relation("shop.s", RelationKind::Sequence),
        relation("shop.odd", RelationKind::Other),
        relation("shop.secret", RelationKind::View(Body::Hidden)),
        view("shop.base", "select `shop`.`t`.`a` from `shop`.`t`"),
        view("shop.over", "select 1 from (`shop`.`base` join `shop`.`quiet`)"),
        view("shop.calls", "select `reads`(1) AS `n` from `shop`.`over`"),
        view("shop.above", "select 1 from `shop`.`calls`"),
        table("shop.calling", &[], &["SET NEW.a = reads()"]),
        view("shop.blind", "select 1 from `shop`.`secret`"),
        view("shop.gone", "select 1 from `shop`.`dropped`"),
        view("shop.deep", "select 1 from `shop`.`deeper`"),
        view("shop.deeper", "select `keeps`() AS `k`"),
        view("shop.through", "select `looks`() AS `k`"),
        view("shop.virtual", "select * from `shop`.`sets`"),
        view("shop.unseen", "select `unseen`() AS `k`"),
        view("shop.above_unseen", "select 1 from `shop`.`unseen`"),
        view("shop.hosts", "select `host`() AS `h`"),
        view("shop.above_hosts", "select 1 from `shop`.`hosts`"),
        view("shop.counts", "select row_count() AS `n`"),
        view("shop.above_counts", "select 1 from (`shop`.`counts` join `shop`.`hosts`)"),
        view("shop.there", "select 1 from `shop`.`back`"),
        view("shop.back", "select 1 from `shop`.`there`"),
        relation("sys.statements", RelationKind::View(Body::Opaque)),
        view("sys.sets", "select last_insert_id(1)"),
        view("sys.over_own", "select `sys`.`own`() AS `a`"),
        table("mysql.user", &[], &[]),
        table("other.BASE", &[], &[]),
        view("shop.it`s", "select last_insert_id(1)"),
    ]);
    let c = RoutineCatalogue::default().replaced_by(all, Moment::default()).unwrap();
    for (name, expected) in [
        ("t", Plain),
        ("computed", Plain),
        ("copied", Plain),
        ("logged", PlainToRead),
        ("counted", PlainToRead),
        ("chained", PlainToRead),
        ("quiet", PlainToRead),
        ("s", PlainToRead),
        ("sets", Acts),
        ("hidden", Opaque),
        ("odd", Opaque),
        ("secret", Opaque),
        ("base", ReadingView),
        ("OVER", ReadingView),
        ("calls", CallingView),
        ("above", CallingView),
        ("calling", PlainToRead),
        ("blind", Opaque),
        ("gone", Opaque),
        ("deep", Acts),
        ("through", Acts),
        ("virtual", Acts),
        ("unseen", UnknownView),
        ("above_unseen", UnknownView),
        ("hosts", ServerView),
        ("above_hosts", ServerView),
        ("counts", LooksBackView),
        ("above_counts", LooksBackView),
        ("there", Opaque),
        ("back", Opaque),
        ("dropped", Unknown),
        ("it`s", Acts),
        ("it``s", Acts),
    ] {
        assert_eq!(c.relation(Some(b"shop"), name.as_bytes()), expected, "{name}");
    }
    assert_eq!(lookup(&c, "shop.reads"), ReadsOnly);
    assert_eq!(c.relation(None, b"base"), ReadingView, "the worst of a view and a table");
    assert_eq!(c.relation(Some(b"Other"), b"base"), Plain);
    for (schema, name, expected) in [
        ("sys", "statements", Opaque),
        ("sys", "sets", Acts),
        ("sys", "over_own", Acts),
        ("mysql", "user", PlainToRead),
        ("information_schema", "tables", Opaque),
        ("information_schema", "engines", PlainToRead),
        ("Performance_Schema", "anything", PlainToRead),
    ] {
        assert_eq!(c.relation(Some(schema.as_bytes()), name.as_bytes()), expected, "{schema}.{name}");
    }
    assert_eq!((c.counts().relations, c.counts().plain), (39, 21));
}

#[test]
fn what_opens_all_views_is_as_bad_as_the_functions_that_mariadb_calls_then() {
    use RelationFacts::{Acts, CallingView, Opaque, PlainToRead};
    let named = |name: &str, deterministic, body| Definition {
        deterministic,
        ..function(name, Contains, Some(body))
    };
    let sets = "BEGIN SET GLOBAL long_query_time = 3; RETURN 1; END";
    let functions = [
        named("shop.acts", true, sets),
        named("shop.at_each_row", false, sets),
        named("shop.reads", true, "RETURN (SELECT COUNT(*) FROM t)"),
        Definition { deterministic: true, ..function("shop.unseen", Contains, None) },
        named("shop.opens", true, "BEGIN DECLARE r ROW TYPE OF v; RETURN 1; END"),
    ];
    let opened = |queries: &[&str], servers: &[ServerFunctions], complete: bool| {
        let mut all = contents(functions.to_vec(), complete);
        let views = queries.iter().enumerate();
        all.relations.extend(views.map(|(at, query)| view(&format!("shop.v{at}"), query)));
        all.relations.push(relation("sys.of_the_server", RelationKind::View(Body::Opaque)));
        all.packages = vec![Box::from(&b"pkg"[..]), Box::from(&b"quiet"[..])];
        all.constant_packages = vec![Box::from(&b"pkg"[..])];
        all.loadable = vec![Box::from(&b"loaded"[..])];
        all.servers = servers.to_vec();
        let c = RoutineCatalogue::default().replaced_by(all, Moment::default()).unwrap();
        c.relation(Some(b"INFORMATION_SCHEMA"), b"columns")
    };
    for (query, expected) in [
        ("select `a` from `shop`.`t`", PlainToRead),
        ("select 1 from `shop`.`dropped`", PlainToRead),
        ("select `shop`.`acts`() AS `x`", Acts),
        ("select round(1.5,`SHOP`.`Acts`()) AS `x`", Acts),
        ("select round(1.5,`acts`()) AS `x`", Acts),
        ("select `other`.`acts`() AS `x`", PlainToRead),
        ("select `shop`.`at_each_row`() AS `x`", PlainToRead),
        ("select `shop`.`reads`() AS `x`", CallingView),
        ("select `shop`.`unseen`() AS `x`", Opaque),
        ("select `shop`.`opens`() AS `x`", Opaque),
        ("select `pkg`.`f`() AS `x`", Acts),
        ("select `quiet`.`f`() AS `x`", PlainToRead),
        ("select loaded(1) AS `x`", Opaque),
        ("select last_insert_id(7) AS `x`", CallingView),
        ("select last_insert_id() AS `x`", PlainToRead),
        ("select nextval(`shop`.`s`) AS `x`", PlainToRead),
    ] {
        assert_eq!(opened(&[query], &[], true), expected, "{query}");
        let more = ["select 1", query, "select 2"];
        assert_eq!(opened(&more, &[], true), expected, "among others: {query}");
        let mysql = [ServerFunctions::from(ServerVersion::MySql((9, 7, 0)))];
        assert_eq!(opened(&[query], &mysql, true), PlainToRead, "MySQL opens nothing: {query}");
    }
    assert_eq!(opened(&["select `f`(1)"], &[], false), Opaque, "there may be a function that is not seen");
    let c = RoutineCatalogue::default();
    assert_eq!(c.relation(Some(b"information_schema"), b"tables"), RelationFacts::Unknown, "never read");
    assert_eq!(c.relation(Some(b"information_schema"), b"engines"), PlainToRead);
    assert_eq!(c.relation(Some(b"information_schema"), b"INNODB_CMP_RESET"), Acts);
    assert_eq!(c.relation(None, b"innodb_cmp_reset"), Acts, "the default schema is not known");
}

#[test]
fn a_table_is_as_good_as_the_tables_that_its_foreign_keys_change() {
    use RelationFacts::{Plain, PlainToRead};
    let parent = |name: &str, children: &[&str]| {
        let child = |name: &&str| (Box::from(&b"shop"[..]), Box::from(name.as_bytes()));
        let cascades = children.iter().map(child).collect();
        relation(
            name,
            RelationKind::Table(Table { columns: Some(Vec::new()), triggers: Some(Vec::new()), cascades }),
        )
    };
    let mut all = contents(Vec::new(), true);
    all.relations.extend([
        table("shop.logged", &[], &["SET @x = OLD.a"]),
        parent("shop.parent", &["t", "logged"]),
        parent("shop.grandparent", &["parent"]),
        parent("shop.harmless", &["t", "orders"]),
        parent("shop.unseen", &["elsewhere"]),
        parent("shop.left", &["right"]),
        parent("shop.right", &["left"]),
    ]);
    let c = RoutineCatalogue::default().replaced_by(all, Moment::default()).unwrap();
    for (name, expected) in [
        ("harmless", Plain),
        ("parent", PlainToRead),
        ("grandparent", PlainToRead),
        ("unseen", PlainToRead),
        ("left", PlainToRead),
        ("right", PlainToRead),
    ] {
        assert_eq!(c.relation(Some(b"shop"), name.as_bytes()), expected, "{name}");
    }
}

#[test]
fn a_chain_of_views_that_is_too_deep_is_not_understood() {
    let mut all = contents(Vec::new(), true);
    // In the worst order: each view uses the next one.
    all.relations.extend((0..100).map(|i| {
        let query = if i == 99 {
            "select last_insert_id(1)".into()
        } else {
            format!("select * from shop.v{}", i + 1)
        };
        view(&format!("shop.v{i}"), &query)
    }));
    let c = RoutineCatalogue::default().replaced_by(all, Moment::default()).unwrap();
    let facts = |i: usize| c.relation(Some(b"shop"), format!("v{i}").as_bytes());
    assert_eq!(
        (facts(99), facts(93), facts(0)),
        (RelationFacts::Acts, RelationFacts::Acts, RelationFacts::Opaque)
    );
}

#[test]
fn packages_and_loadable_functions_may_do_anything() {
    let mut all = contents(
        vec![
            function("pkg.f", Reads, Some("RETURN 1")),
            function("shop.uuid_to_bin", Reads, Some("RETURN 1")),
        ],
        true,
    );
    all.packages = vec![b"Pkg"[..].into()];
    all.loadable = vec![b"UUID_to_bin"[..].into()];
    let c = RoutineCatalogue::default().replaced_by(all, Moment::default()).unwrap();
    assert_eq!(lookup(&c, "PKG.f"), Acts);
    assert_eq!(lookup(&c, "pkg.any"), Acts);
    assert_eq!(c.procedure(Some(b"pkg"), b"p"), Acts);
    assert_eq!(lookup(&c, "uuid_to_bin"), Other);
    assert_eq!(lookup(&c, "shop.uuid_to_bin"), Other);
    assert_eq!(lookup(&c, "shop.f"), Unknown);
}

#[test]
fn functions_are_built_in_by_the_versions_in_use() {
    let with = |servers: Vec<ServerVersion>| {
        let servers = servers.into_iter().map(ServerFunctions::from).collect();
        let all = Contents { servers, ..contents(Vec::new(), true) };
        RoutineCatalogue::default().replaced_by(all, Moment::default()).unwrap()
    };
    let (mariadb, mysql) = (ServerVersion::MariaDb((10, 11, 6)), ServerVersion::MySql((9, 7, 0)));
    assert_eq!(with(vec![mariadb]).native(b"MD5"), Native::Everywhere);
    assert_eq!(with(vec![mysql]).native(b"md5"), Native::Nowhere);
    assert_eq!(with(vec![mariadb, mysql]).native(b"md5"), Native::Somewhere);
    assert_eq!(with(vec![mariadb]).native(b"uuid_to_bin"), Native::Nowhere);
    assert_eq!(with(Vec::new()).native(b"version"), Native::Everywhere);
    // On MariaDB, `POINT(1)` calls a stored function if there is one, and `POINT(1, 2)` never does.
    assert_eq!(with(vec![mysql]).native(b"point"), Native::Everywhere);
    assert_eq!(with(vec![mariadb]).native(b"point"), Native::Everywhere);
    let all = contents(vec![function("shop.point", Reads, Some("RETURN 1"))], true);
    let c = RoutineCatalogue::default()
        .replaced_by(Contents { servers: vec![mariadb.into()], ..all }, Moment::default());
    assert_eq!(c.unwrap().native(b"Point"), Native::Somewhere);
    let unseen = Contents { servers: vec![mariadb.into()], ..contents(Vec::new(), false) };
    let c = RoutineCatalogue::default().replaced_by(unseen, Moment::default());
    assert_eq!(c.unwrap().native(b"point"), Native::Somewhere);
}

#[test]
fn a_view_over_a_function_that_cannot_be_seen_is_not_understood() {
    let relations =
        vec![view("shop.v", "select hidden() AS a"), view("shop.w", "select `shop`.`hidden`(1) AS a")];
    let contents = Contents { relations, ..contents(Vec::new(), false) };
    let c = RoutineCatalogue::default().replaced_by(contents, Moment::default()).unwrap();
    for name in [b"v", b"w"] {
        assert_eq!(c.relation(Some(b"shop"), name), RelationFacts::UnknownView, "{name:?}");
    }
}

/// Characters that some server takes for another letter, or may take for it.
const LIKE: [&str; 7] = ["\u{17f}", "\u{130}", "\u{131}", "\u{212a}", "\u{e9}", "\u{ff45}", "\u{1f600}"];

#[test]
fn a_name_that_only_resembles_one_of_a_server_is_not_trusted() {
    let c = catalogue(Vec::new());
    let names = ["tables", "views", "columns", "innodb_cmp_reset", "INNODB_CMPMEM_RESET", "engines"];
    let spelled = |name: &str, at: usize, like: &str| format!("{}{like}{}", &name[..at], &name[at + 1..]);
    for like in LIKE {
        for schema in SERVER_SCHEMAS {
            let schema = std::str::from_utf8(schema).unwrap();
            for (at, name) in (0..schema.len()).flat_map(|at| names.map(|name| (at, name))) {
                let schema = spelled(&schema.to_uppercase(), at, like);
                let facts = c.relation(Some(schema.as_bytes()), name.as_bytes());
                assert_eq!(facts, RelationFacts::Acts, "{schema}.{name}");
            }
        }
        for (at, name) in names.iter().flat_map(|name| (0..name.len()).map(move |at| (at, *name))) {
            let name = spelled(name, at, like);
            let facts = |schema: Option<&[u8]>| c.relation(schema, name.as_bytes());
            assert_eq!(facts(Some(b"Information_Schema")), RelationFacts::Acts, "{name}");
            let resets = name.to_lowercase().contains("innodb");
            assert!(!resets || facts(None) == RelationFacts::Acts || facts(None) == RelationFacts::Unknown);
        }
    }
    assert_eq!(c.relation(None, "innodb_cmp_re\u{17f}et".as_bytes()), RelationFacts::Acts);
    assert_eq!(c.relation(Some("informatik_schem\u{e4}".as_bytes()), b"tables"), RelationFacts::Unknown);
}

#[test]
fn a_view_with_a_name_outside_ascii_says_nothing_of_other_tables() {
    let acting = "select sleep(1), @a := 1 AS a";
    let relations = vec![view("shop.\u{2167}", acting), table("shop.t", &[], &[]), view("shop.k", acting)];
    let all = Contents { relations, ..contents(Vec::new(), true) };
    let c = RoutineCatalogue::default().replaced_by(all, Moment::default()).unwrap();
    let facts = |name: &str| c.relation(Some(b"shop"), name.as_bytes());
    assert_eq!((facts("t"), facts("T")), (RelationFacts::Plain, RelationFacts::Plain));
    assert_eq!((facts("\u{2167}"), facts("\u{2177}")), (RelationFacts::Acts, RelationFacts::Acts));
    // The Kelvin sign is a k where a server ignores case.
    assert_eq!(facts("\u{212a}"), RelationFacts::Acts);
}

#[test]
fn a_function_in_a_schema_of_built_ins_is_the_built_in_one() {
    let mariadb = ServerVersion::MariaDb((10, 11, 6)).into();
    let stored = vec![function("oracle_schema.concat", Reads, Some("RETURN 1"))];
    let relations = vec![
        view("shop.v", "select `oracle_schema`.`substr`('a',1) AS a"),
        view("shop.w", "select oracle_schema.last_insert_id(3) AS a"),
        view("shop.x", "select Oracle_Schema.get_lock('a', 1) AS a"),
    ];
    let all = Contents { servers: vec![mariadb], relations, ..contents(stored, true) };
    let c = RoutineCatalogue::default().replaced_by(all, Moment::default()).unwrap();
    let facts = |name: &[u8]| c.relation(Some(b"shop"), name);
    assert_eq!(facts(b"v"), RelationFacts::ReadingView);
    assert_eq!((facts(b"w"), facts(b"x")), (RelationFacts::Acts, RelationFacts::Acts));
    let effects = |sql: &str| crate::classify(sql.as_bytes(), Options::default(), &c).effects;
    assert!(effects("SELECT maxdb_schema.`get_lock`('a', 1)").contains(crate::Effects::GET_LOCK));
    assert!(effects("SELECT ORACLE_SCHEMA.last_insert_id(3)").contains(crate::Effects::SETS_STATE));
    assert!(effects("SELECT oracle_schema.concat(3)").is_empty() == effects("SELECT concat(3)").is_empty());
}

#[test]
fn thousands_are_judged() {
    let body = "BEGIN DECLARE n INT; SELECT COUNT(*) INTO n FROM orders o JOIN items i ON o.id = i.oid WHERE o.c = x; \
                IF n > 10 THEN SET n = f0(n); END IF; RETURN n; END";
    let all = (0..5000)
        .map(|i| function(&format!("shop.f{i}"), Contains, Some(if i == 0 { "RETURN x" } else { body })));
    let c = catalogue(all.collect());
    assert_eq!((c.counts().routines, c.counts().reading), (5000, 5000));
}
