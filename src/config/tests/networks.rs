//! Lists of networks: from where users may log in.

use super::*;

/// The configuration with these lines for the user.
fn with_user(more: &str) -> String {
    LEAST.replace("password = \"app\"\n", &format!("password = \"app\"\n{more}\n"))
}

#[test]
fn a_user_logs_in_from_everywhere_unless_the_file_says_from_where() {
    let user = |text: &str| parse(text).unwrap().live.users["app"].clone();
    let inside = Some([10, 1, 2, 3].into());
    let outside = Some([11, 1, 2, 3].into());
    let free = user(LEAST);
    assert!(free.may_log_in_from(inside) && free.may_log_in_from(outside) && free.may_log_in_from(None));
    let bound = user(&with_user("from = [\"10.0.0.0/8\"]"));
    assert!(bound.may_log_in_from(inside) && !bound.may_log_in_from(outside) && !bound.may_log_in_from(None));
    let local = user(&with_user("from = \"unix\""));
    assert!(!local.may_log_in_from(inside) && local.may_log_in_from(None));
}

#[test]
fn the_networks_of_a_user_are_printed_and_read_back() {
    let line = "from = [\"10.0.0.0/8\", \"::1\", \"unix\"]\n";
    let config = parse(&with_user(line)).unwrap();
    let printed = config.to_string();
    assert!(printed.contains(line), "{printed}");
    assert_eq!(parse(&printed).unwrap().live.users["app"].from, config.live.users["app"].from);
    assert_eq!(config.live.changes(&parse(LEAST).unwrap().live), ["users"]);
}

#[test]
fn wrong_networks_of_a_user() {
    for (line, problem) in [
        (
            "from = []",
            "line 7: users.from: names no network, so this user could not log in; \
             write from = [\"10.0.0.0/8\"], or leave it out",
        ),
        (
            "from = [\"10.1.0.0/8\"]",
            "line 7: users.from: \"10.1.0.0/8\" is an address in a network; \
             write \"10.0.0.0/8\" or \"10.1.0.0\"",
        ),
        ("from = 10", "line 7: users.from: is 10; write from = [\"10.0.0.0/8\"]"),
        ("from = [10]", "line 7: users.from: is a array; write from = [\"10.0.0.0/8\"]"),
        (
            "from = \"%\"",
            "line 7: users.from: \"%\" is no network; \
             write a network like \"10.0.0.0/8\" or \"fd00::/8\", an address, or \"unix\"",
        ),
    ] {
        assert_eq!(problems(&with_user(line)), [problem]);
    }
}
