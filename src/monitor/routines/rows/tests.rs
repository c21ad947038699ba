//! What the rows mean.

use super::*;
use crate::sql::TextCharset;

fn row(values: &[&str]) -> Row {
    values.iter().map(|value| (*value != "NULL").then(|| value.as_bytes().to_vec())).collect()
}

fn read(values: [&str; 7]) -> Definition {
    definition(&row(&values)).unwrap()
}

#[test]
fn both_servers_words_are_understood() {
    for (word, access) in [
        ("NO SQL", DataAccess::Reads),
        ("NO_SQL", DataAccess::Reads),
        ("READS SQL DATA", DataAccess::Reads),
        ("READS_SQL_DATA", DataAccess::Reads),
        ("CONTAINS SQL", DataAccess::Contains),
        ("CONTAINS_SQL", DataAccess::Contains),
        ("MODIFIES SQL DATA", DataAccess::Modifies),
        ("MODIFIES_SQL_DATA", DataAccess::Modifies),
        ("", DataAccess::Modifies),
    ] {
        assert_eq!(read(["s", "f", "FUNCTION", word, "", "SQL", "RETURN 1"]).access, access, "{word}");
    }
    let procedure = read(["shop", "Adds", "PROCEDURE", "NO SQL", "", "SQL", "NULL"]);
    assert_eq!((procedure.kind, &procedure.body), (RoutineKind::Procedure, &Body::Hidden));
    assert_eq!((&*procedure.schema, &*procedure.name), (&b"shop"[..], &b"Adds"[..]));
    for other in [&["s", "p", "PACKAGE", "NO SQL", "", "SQL", "x"][..], &["s", "l", "LIBRARY"], &[]] {
        assert!(definition(&row(other)).is_none(), "{other:?}");
    }
}

#[test]
fn a_body_is_read_in_its_own_mode_or_not_at_all() {
    let body = |mode, language, text| read(["s", "f", "FUNCTION", "NO SQL", mode, language, text]).body;
    let text = |options| Body::Text(b"RETURN 1".as_slice().into(), options);
    assert_eq!(body("STRICT_TRANS_TABLES", "SQL", "RETURN 1"), text(Options::default()));
    let both = Options { ansi_quotes: true, no_backslash_escapes: true, charset: TextCharset::Utf8 };
    assert_eq!(body("REAL_AS_FLOAT,ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "SQL", "RETURN 1"), text(both));
    assert_eq!(body("PIPES_AS_CONCAT,ANSI_QUOTES,ORACLE", "SQL", "RETURN 1"), Body::Opaque);
    assert_eq!(body("", "EXTERNAL", "return 1"), Body::Opaque);
    assert_eq!(body("", "SQL", ""), Body::Opaque, "too long");
}

#[test]
fn parameters_are_read() {
    let names = |list: &str| {
        let names = parameters(list.as_bytes());
        names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(""), Vec::<String>::new());
    assert_eq!(names("x INT, y VARCHAR(10), `a b` DECIMAL(10, 2)"), ["x", "y", "a b"]);
    assert_eq!(names("IN a INT,\n INOUT b SET('x', 'y') /* c INT */"), ["IN", "a", "INOUT", "b"]);
    let mut routines = vec![
        read(["s", "f", "FUNCTION", "NO SQL", "", "SQL", "RETURN 1"]),
        read(["s", "f", "PROCEDURE", "NO SQL", "", "SQL", "RETURN 1"]),
    ];
    let rows = vec![row(&["s", "f", "PROCEDURE", "x"]), row(&["s", "g", "PROCEDURE", "y"])];
    add_parameters(&mut routines, &ResultSet { columns: Vec::new(), rows });
    let counts: Vec<_> = routines.iter().map(|routine| (routine.kind, routine.parameters.len())).collect();
    assert_eq!(counts, [(RoutineKind::Function, 0), (RoutineKind::Procedure, 1)]);
}

#[test]
fn a_parameter_with_the_type_of_a_column_makes_the_routine_opaque() {
    let with = |list: &str| {
        let row = row(&["s", "f", "FUNCTION", "NO SQL", "", "SQL", "RETURN 1", "YES", list]);
        definition(&row).unwrap().body
    };
    assert!(matches!(with("a INT, type INT"), Body::Text(..)));
    assert_eq!(with("a INT, b TYPE OF v.x"), Body::Opaque);
}
