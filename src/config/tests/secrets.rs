//! No message shows a secret.

use super::*;

/// No message shows a wrong secret, or what is written in place of one.
#[test]
fn no_problem_shows_a_secret() {
    let file = |monitor: &str, rest: &str| {
        format!(
            "[[discovery.servers]]\nname = \"a\"\naddress = \"a:3306\"\n[monitor]\nuser = \"m\"\n{monitor}\n[[users]]\nname = \"a\"\npassword = \"a\"\n{rest}\n"
        )
    };
    let monitors = [
        "password = 1234554321",
        "password = -1234554321",
        "password = 12345.54321",
        "password = 1234554321x",
        "password = 0x1234554321",
        "password = 1234-55-43",
        "password = true",
        "password = [\"1234554321\"]",
        "password = {is = \"1234554321\"}",
        "password = \"1234554321",
        "password = '1234554321",
        "password = \"\"\"1234554321",
        "password = 1234554321 password",
        "password = \"1234554321\\q\"",
        "password = \"1234554321\\u0000\"",
        "password = hunter1234554321",
        "password \"1234554321\"",
        "password = \"1234554321\" \"x\"",
        "password = \"1234554321\"\npassword = \"1234554321\"",
        "password = \"1234554321\"\npassword_env = \"1234554321\"",
        "password_env = \"s1234554321\"",
        "password_env = 1234554321",
        "secret = \"1234554321\"",
        "secret = \"s/1234554321/x\"",
        "secret = 1234554321",
    ];
    let webhooks = [
        "http://me:1234554321@host/",
        "https://host/services/1234554321",
        "1234554321",
        "http://host/1234554321 x",
    ];
    let webhooks = webhooks.map(|url| file("password = \"m\"", &format!("[notify]\nwebhook = \"{url}\"")));
    let admins = [
        "token = 1234554321",
        "token_env = \"s1234554321\"",
        "token_env = 1234554321",
        "token = \"1234554321 x\"",
    ];
    let admins = admins.map(|line| file("password = \"m\"", &format!("[admin]\n{line}")));
    for text in monitors.iter().map(|monitor| file(monitor, "")).chain(webhooks).chain(admins) {
        let error = parse(&text).expect_err(&text).to_string();
        for part in ["12345", "54321", "1234-", "hunter"] {
            assert!(!error.contains(part), "{text}\n{error}");
        }
    }
}

/// The page shows the settings to whoever reaches the HTTP port, also those that Kubernetes completed.
#[test]
fn the_shown_settings_have_no_secret() {
    let text = "[[discovery.servers]]\nname = \"a\"\naddress = \"a:3306\"\n\
                [monitor]\nuser = \"m\"\npassword = \"1234554321\"\n\
                [[users]]\nname = \"a\"\npassword = \"1234554321\"\n\
                [admin]\ntoken = \"1234554321\"\n\
                [notify]\nwebhook = \"http://alerts:8080/1234554321\"\n";
    let config = parse(text).unwrap();
    let mut live = config.live.clone();
    live.monitor.password = Secret::new("1234554321 too");
    let shown = config.shown_with(&live);
    assert!(!shown.contains("12345"), "{shown}");
    assert!(shown.contains("webhook = \"http://********\""), "{shown}");
    let mut plain = config;
    plain.live.notify.webhook = None;
    assert_eq!(plain.shown_with(&plain.live), plain.to_string(), "otherwise as `check` prints them");
}
