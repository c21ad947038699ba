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
    let nested = |depth: usize| format!("SELECT {}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(derive(&nested(150)), Ok(Form::Query));
    assert!(derive(&nested(100_000)).is_err_and(|stop| stop.starts_with("TooDeep")));
    let cases = format!("SELECT {}1", "CASE WHEN ".repeat(100_000));
    assert!(derive(&cases).is_err_and(|stop| stop.starts_with("TooDeep")));
    let tables = format!("SELECT * FROM {}t", "(".repeat(100_000));
    assert!(derive(&tables).is_err_and(|stop| stop.starts_with("TooDeep")));
}
