use super::*;
use crate::sql::{Lexer, Options};

fn derive(sql: &str) -> Result<Form, String> {
    let tokens: Vec<_> =
        Lexer::new(sql.as_bytes(), Options::default()).filter(|token| !token.is_trivia()).collect();
    Parser::new(&tokens).derive().map_err(|stop| {
        let rest = tokens.get(stop.at).map_or("", |token| &sql[token.start..]);
        format!("{:?} at {rest}", stop.why)
    })
}

#[test]
fn depth_is_bounded() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth))
    };
    assert_eq!(derive(&nested("(", ")", 100_000)), Ok(Form::Query), "parentheses need no recursion");
    assert_eq!(derive(&nested("NOT (-(", "))", 10_000)), Ok(Form::Query));
    assert!(derive(&nested("(", "", 100_000)).is_err());
    for (open, close) in [
        ("ABS(", ")"),
        ("(SELECT ", ")"),
        ("CASE WHEN ", " THEN 1 END"),
        ("@a := ", ""),
        ("{d ", "}"),
        ("INTERVAL ", " DAY"),
    ] {
        assert_eq!(derive(&nested(open, close, 45)), Ok(Form::Query), "{open}");
        for closes in ["", close] {
            let deep = derive(&nested(open, closes, 100_000));
            assert!(deep.as_ref().is_err_and(|stop| stop.starts_with("TooDeep")), "{open}: {deep:?}");
        }
    }
    let tables = format!("SELECT * FROM {}t", "(".repeat(100_000));
    assert!(derive(&tables).is_err_and(|stop| stop.starts_with("TooDeep")));
}
