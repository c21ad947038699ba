//! Levels of users and listeners.

use super::*;

const PORTS: &str = r#"
[[listeners]]
name = "rw"
address = "127.0.0.1:3306"
mode = "split"
consistency = "session"

[[listeners]]
name = "ro"
address = "127.0.0.1:6447"
mode = "replica"
consistency = "strong"

[[listeners]]
name = "plain"
address = "127.0.0.1:6446"
mode = "primary"
"#;

fn with_user_level(level: &str) -> String {
    format!("{}{PORTS}", LEAST.replace("password = \"app\"", &format!("password = \"app\"\n{level}")))
}

#[test]
fn listeners_and_users_have_levels_or_none() {
    let live = parse(&with_user_level("consistency = \"eventual\"")).unwrap().live;
    let of = |name: &str| live.listener_levels.get(name).copied();
    assert_eq!((of("rw"), of("ro"), of("plain")), (Some(Level::Session), Some(Level::Strong), None));
    assert_eq!(live.users["app"].level, Some(Level::Eventual));
    let live = parse(LEAST).unwrap().live;
    assert!(live.listener_levels.is_empty() && live.users["app"].level.is_none());
}

#[test]
fn levels_are_printed_and_read_back() {
    let config = parse(&with_user_level("consistency = \"eventual\"")).unwrap();
    let again = parse(&config.to_string()).unwrap();
    assert_eq!(again.live.listener_levels, config.live.listener_levels);
    assert_eq!(again.live.users["app"].level, Some(Level::Eventual));
}

#[test]
fn a_reload_may_change_levels() {
    let old = parse(&with_user_level("")).unwrap();
    let new = parse(&with_user_level("").replace("\"session\"", "\"bounded\"")).unwrap();
    assert!(old.fixed.changes(&new.fixed).is_empty(), "no restart");
    assert_eq!(old.live.changes(&new.live), ["listeners.consistency"]);
    let new = parse(&with_user_level("consistency = \"session\"")).unwrap();
    assert_eq!(old.live.changes(&new.live), ["users"]);
}

#[test]
fn a_level_that_does_nothing_is_an_error() {
    let all = problems(&with_user_level("").replace("\"primary\"", "\"primary\"\nconsistency = \"strong\""));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].contains("listeners.consistency: does nothing with mode = \"primary\""), "{all:?}");
    let all = problems(&with_user_level("consistency = \"best\""));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].contains("users.consistency: \"best\" is unknown"), "{all:?}");
}
