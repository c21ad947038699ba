//! `[admin.console]`

use super::*;

const CONSOLE: &str = "[admin.console]\naddress = \"127.0.0.1:6032\"\n";
const OPERATOR: &str = "[[admin.console.users]]\nname = \"operator\"\npassword = \"long\"\n";

#[test]
fn the_console_is_off_by_default() {
    let config = parse(LEAST).unwrap();
    assert_eq!(config.fixed.admin_console, None);
    assert!(config.live.admin.console.users.is_empty());
    assert!(!config.to_string().contains("console"));
}

#[test]
fn a_console_has_an_address_and_accounts() {
    let config = parse(&format!("{LEAST}{CONSOLE}{OPERATOR}")).unwrap();
    assert_eq!(config.fixed.admin_console.as_deref(), Some("127.0.0.1:6032"));
    let users = &config.live.admin.console.users;
    assert_eq!((users.len(), &*users[0].name), (1, "operator"));
    assert_eq!(users[0].password.as_ref().map(Secret::expose), Some("long"));
    let shown = config.to_string();
    assert!(shown.contains("[admin.console]\naddress = \"127.0.0.1:6032\"\n"), "{shown}");
    let user = "[[admin.console.users]]\nname = \"operator\"\npassword = \"********\"\n";
    assert!(shown.contains(user) && !shown.contains("long\""), "{shown}");
    let plain = parse(LEAST).unwrap();
    assert_eq!(plain.live.changes(&config.live), ["admin"]);
    assert_eq!(plain.fixed.changes(&config.fixed), ["admin.console.address"]);
}

#[test]
fn mistakes_are_named() {
    let found = |more: &str| problems_after_least(more).join("\n");
    for (more, wanted) in [
        (CONSOLE.to_owned(), "admin.console.users: names nobody"),
        (format!("[admin.console]\n{OPERATOR}"), "admin.console.address: is missing"),
        (
            format!("{CONSOLE}{OPERATOR}{OPERATOR}"),
            "admin.console.users.name: \"operator\" stands already above",
        ),
        (
            format!("{CONSOLE}[[admin.console.users]]\nname = \"a\"\n"),
            "admin.console.users.password: is missing",
        ),
        (
            format!("{CONSOLE}[[admin.console.users]]\nname = \"a\"\npassword = \"\"\n"),
            "the password of console user \"a\" is empty",
        ),
        (
            format!("{CONSOLE}[[admin.console.users]]\nname = \"a\"\nsecret = \"a/b\"\n"),
            "admin.console.users.secret: needs discovery.kind = \"kubernetes\"; write password_file",
        ),
        (
            format!("[admin.console]\naddress = \"unix:/x\"\n{OPERATOR}"),
            "admin.console.address: \"unix:/x\" is a unix socket, and this needs TCP",
        ),
        (format!("{CONSOLE}port = 1\n{OPERATOR}"), "admin.console.port: not a known key"),
    ] {
        let problems = found(&more);
        assert!(problems.contains(wanted), "{more}\n{problems}");
    }
}
