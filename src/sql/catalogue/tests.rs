//! Catalogues as servers have them.

use super::*;

fn routine(kind: RoutineKind, name: &str, access: DataAccess, body: Option<&str>) -> Definition {
    let (schema, name) = name.split_once('.').unwrap();
    let body = body.map_or(Body::Hidden, |text| Body::Text(text.as_bytes().into(), Options::default()));
    Definition { schema: schema.as_bytes().into(), name: name.as_bytes().into(), kind, access, body }
}

fn function(name: &str, access: DataAccess, body: Option<&str>) -> Definition {
    routine(RoutineKind::Function, name, access, body)
}

fn catalogue(definitions: Vec<Definition>) -> RoutineCatalogue {
    RoutineCatalogue::default().replaced_by(definitions, true).unwrap()
}

fn lookup(c: &RoutineCatalogue, name: &str) -> RoutineFacts {
    match name.split_once('.') {
        Some((schema, name)) => c.function(Some(schema.as_bytes()), name.as_bytes()),
        None => c.function(None, name.as_bytes()),
    }
}

use DataAccess::{Contains, Modifies, Reads};
use RoutineFacts::{Harmless, Other, ReadsOnly, Unknown};

const INSERTS: &str = "BEGIN INSERT INTO t VALUES (1); RETURN 1; END";

#[test]
fn a_body_that_can_be_seen_overrules_what_is_declared() {
    for (access, body, expected) in [
        (Reads, Some("RETURN 1"), ReadsOnly),
        (Contains, Some("RETURN 1"), ReadsOnly),
        (Modifies, Some("RETURN 1"), Harmless),
        (Reads, Some(INSERTS), Harmless),
        (Reads, Some("RETURN (@x := 1)"), Other),
        (Reads, None, ReadsOnly),
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
    let sys = function("sys.format_bytes", Reads, Some("RETURN 1"));
    assert_eq!(lookup(&catalogue(vec![sys]), "sys.format_bytes"), Other, "about one server");
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
    assert_eq!(c.procedure(Some(b"shop"), b"Total"), Other, "procedures have their own names");
    assert_eq!(c.function(None, &[b'x'; 1000]), Unknown);
    assert_eq!(c.counts(), (4, 2));
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
    assert_eq!((none.version(), none.is_complete(), lookup(&none, "f")), (0, false, Unknown));
    let first = none.replaced_by(Vec::new(), true).expect("that there are none is news");
    assert_eq!((first.version(), first.is_complete()), (1, true));
    assert!(first.replaced_by(Vec::new(), true).is_none());
    let (f, g) = (function("shop.f", Reads, Some("RETURN 1")), function("shop.g", Reads, None));
    let second = first.replaced_by(vec![f.clone(), g.clone()], true).unwrap();
    assert_eq!((second.version(), lookup(&second, "f")), (2, ReadsOnly));
    assert!(second.replaced_by(vec![g.clone(), f.clone()], true).is_none(), "in another order");
    assert!(second.replaced_by(vec![f, g.clone()], false).is_some(), "no longer complete");
    let third = second.replaced_by(vec![g, function("shop.f", Reads, Some(INSERTS))], true).unwrap();
    assert_eq!((third.version(), lookup(&third, "f")), (3, Harmless));
}

#[test]
fn thousands_are_judged() {
    let body = "BEGIN DECLARE n INT; SELECT COUNT(*) INTO n FROM orders o JOIN items i ON o.id = i.oid WHERE o.c = x; \
                IF n > 10 THEN SET n = f0(n); END IF; RETURN n; END";
    let all = (0..5000)
        .map(|i| function(&format!("shop.f{i}"), Contains, Some(if i == 0 { "RETURN x" } else { body })));
    let c = catalogue(all.collect());
    assert_eq!(c.counts(), (5000, 5000));
}
