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

/// A file with one listener, at this address and with this list.
fn with_listener(address: &str, list: &str) -> String {
    format!(
        "{LEAST}[[listeners]]\nname = \"rw\"\naddress = \"{address}\"\nmode = \"split\"\nproxy_protocol_from = {list}\n"
    )
}

#[test]
fn load_balancers_of_a_listener() {
    let text = with_listener("0.0.0.0:3306", "[\"10.9.0.1\", \"fd00::/8\"]");
    let config = parse(&text).unwrap();
    let from = &config.fixed.listeners[0].proxy_protocol_from;
    assert!(from.contains(Some([10, 9, 0, 1].into())) && !from.contains(Some([10, 9, 0, 2].into())));
    let printed = config.to_string();
    assert!(printed.contains("proxy_protocol_from = [\"10.9.0.1\", \"fd00::/8\"]\n"), "{printed}");
    assert_eq!(parse(&printed).unwrap().fixed, config.fixed);
    assert!(
        parse(&with_listener("unix:/run/p", "\"unix\"")).unwrap().fixed.listeners[0]
            .proxy_protocol_from
            .contains(None)
    );
    let none = parse(&with_listener("0.0.0.0:3306", "[]")).unwrap();
    assert!(none.fixed.listeners[0].proxy_protocol_from.is_empty());
    assert!(!none.to_string().contains("proxy_protocol_from"));
    assert_eq!(config.fixed.changes(&none.fixed), ["listeners"]);
}

#[test]
fn wrong_load_balancers_of_a_listener() {
    let key = "line 14: listeners.proxy_protocol_from:";
    assert_eq!(
        problems(&with_listener("unix:/run/p", "[\"10.0.0.0/8\"]")),
        [format!("{key} has networks, but clients of a unix socket have no address; write [\"unix\"]")]
    );
    assert_eq!(
        problems(&with_listener("0.0.0.0:3306", "[\"unix\", \"10.0.0.0/8\"]")),
        [format!("{key} has \"unix\", but this listener is no unix socket; write networks only")]
    );
    assert_eq!(problems(&with_listener("0.0.0.0:3306", "[\"lb.example\"]")).len(), 1);
}

#[test]
fn a_list_of_everybody_is_worth_a_warning() {
    let warnings = |list: &str| {
        let config = parse(&with_listener("0.0.0.0:3306", list)).unwrap();
        config
            .warnings()
            .into_iter()
            .filter(|w| w.starts_with("listeners.proxy_protocol_from"))
            .collect::<Vec<_>>()
    };
    assert!(warnings("[\"10.0.0.0/8\"]").is_empty());
    let everybody = warnings("[\"10.0.0.0/8\", \"::/0\"]");
    assert!(
        everybody.len() == 1 && everybody[0].contains("\"::/0\" (listener rw) lets every host"),
        "{everybody:?}"
    );
}

#[test]
fn a_user_of_the_operating_system_needs_the_password_for_the_servers() {
    let line = "unix_user = \"root\"\n";
    let config = parse(&with_user(line)).unwrap();
    assert_eq!(config.live.users["app"].unix_user.as_deref(), Some("root"));
    let printed = config.to_string();
    assert!(printed.contains(line), "{printed}");
    assert_eq!(config.live.changes(&parse(LEAST).unwrap().live), ["users"]);
    assert_eq!(
        problems(&with_user("unix_user = \"\"")),
        ["line 7: users.unix_user: is empty; write unix_user = \"app\""]
    );
    let settings = "[[users]]\nname = \"other\"\nunix_user = \"root\"\n";
    assert_eq!(
        problems_after_least(settings),
        [
            "line 12: users.unix_user: needs the password that the proxy logs in to the servers with; write password = \
             \"…\", or password_file, password_env or secret"
        ]
    );
}
