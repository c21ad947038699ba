use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::reader::FileReader;
use super::values::{AddressUse, check_address, format_duration, parse_duration};
use super::*;

mod clients_tls;
mod console;
mod kubernetes;
mod levels;
mod networks;
mod secrets;
mod servers_tls;
mod statements;

const DOCUMENTED: &str = include_str!("../../config/pointsman.toml");

/// An example with a port that splits.
const SPLIT: &str = r#"
[[listeners]]
name = "rw"
address = "127.0.0.1:3306"
mode = "split"                      # split | primary | replica

[[listeners]]
name = "ro"
address = "127.0.0.1:6447"
mode = "replica"

[admin]
http = "127.0.0.1:9090"

[discovery]
kind = "static"                     # static | kubernetes

[[discovery.servers]]
name = "db-0"
address = "127.0.0.1:13306"

[[discovery.servers]]
name = "db-1"
address = "127.0.0.1:13307"

[monitor]
user = "monitor"
password = "monitor"
interval = "100ms"

[[users]]
name = "app"
password = "app"

[consistency]
level = "strong"                    # strong | session | bounded | eventual
max_wait = "50ms"                   # how long a read may wait for a replica before it goes to the primary

[replicas]
max_lag = "10s"

[failover]
hold = "30s"                        # how long a write waits for a primary
"#;

/// The shortest valid configuration: nine lines.
const LEAST: &str = r#"[monitor]
user = "m"
password = "m"
[[users]]
name = "app"
password = "app"
[[discovery.servers]]
name = "a"
address = "a:3306"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    let env = |name: &str| (name == "APP_PW").then(|| "from env".to_owned());
    Config::parse_with(text, Path::new("/nowhere"), &env)
}

fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Err(ConfigError::Invalid(problems)) => problems.iter().map(Problem::to_string).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

/// Returns the problems of `LEAST` with `more` appended.
fn problems_after_least(more: &str) -> Vec<String> {
    problems(&format!("{LEAST}{more}"))
}

#[test]
fn the_example_of_the_design_works_as_it_stands() {
    let config = parse(SPLIT).unwrap();
    assert_eq!(config.fixed.listeners[0].mode, Mode::Split);
    assert_eq!(config.fixed.listeners[1].address, "127.0.0.1:6447");
    assert_eq!(config.fixed.admin_http.as_deref(), Some("127.0.0.1:9090"));
    assert_eq!(&*config.live.servers[1].address, "127.0.0.1:13307");
    assert_eq!(config.live.monitor.password.expose(), "monitor");
    assert_eq!(config.live.users["app"].password.as_ref().unwrap().expose(), "app");
}

#[test]
fn the_documented_file_states_the_defaults() {
    let stated = parse(DOCUMENTED).unwrap();
    let built_in = parse(LEAST).unwrap();
    assert_eq!(stated.fixed, built_in.fixed);
    assert_eq!(stated.live.monitor.interval, built_in.live.monitor.interval);
    // All other keys without a default are in these three parts.
    let without_required = |config: Config| Live {
        servers: Vec::new(),
        users: Default::default(),
        monitor: built_in.live.monitor.clone(),
        ..config.live
    };
    assert_eq!(without_required(stated), without_required(built_in.clone()));
    assert!(parse(DOCUMENTED).unwrap().live.users["app"].max_server_connections.is_none());
}

#[test]
fn the_documented_file_names_every_key_and_no_other() {
    let reader = FileReader::new(DOCUMENTED, Path::new(""), &|_| None);
    parse::read(&reader).unwrap();
    let mut stated = BTreeSet::new();
    let mut table = String::new();
    for line in DOCUMENTED.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_matches(['[', ']']).to_owned();
            stated.insert(table.clone());
            table.push('.');
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            stated.insert(format!("{table}{key}"));
        }
    }
    assert_eq!(stated, reader.known());
}

#[test]
fn servers_have_weights_and_zones() {
    let config = parse(&format!("{LEAST}weight = 0\nzone = \"a\"\n[replicas]\nzone = \"b\"\n")).unwrap();
    let server = &config.live.servers[0];
    assert_eq!((server.weight, server.zone.as_deref()), (0, Some("a")));
    assert_eq!(config.live.replicas.zone.as_deref(), Some("b"));
    let server = &parse(LEAST).unwrap().live.servers[0];
    assert_eq!((server.weight, server.zone.as_deref()), (1, None));
}

#[test]
fn what_is_printed_reads_back_but_for_secrets() {
    let server = "[[discovery.servers]]\nname = \"z\"\naddress = \"z:1\"\nweight = 7\nzone = \"a\"\n";
    let more = "[limits]\nmax_connections = 7\n[pool]\nmax_statements = 3\ncompression = \"zstd\"\n";
    let text = SPLIT.replace("[replicas]\n", "[replicas]\nzone = \"b\"\n");
    let config = parse(&format!("{text}{server}{more}")).unwrap();
    let printed = config.to_string();
    assert!(!printed.contains("\"monitor\"\ninterval"), "{printed}");
    let mut again = parse(&printed).unwrap();
    assert_eq!(again.live.monitor.password.expose(), "********");
    again.live.monitor.password = Secret::new("monitor");
    again.live.users = config.live.users.clone();
    // The fingerprint differs, because the printed file is not the original file.
    again.fingerprint = config.fingerprint.clone();
    assert_eq!(again, config);
}

#[test]
fn no_secret_is_printed() {
    let text =
        LEAST.replace("\"m\"\n[[", "\"hush-1\"\n[[").replace("password = \"app\"", "password = \"hush-2\"");
    let config = parse(&text).unwrap();
    assert_eq!(config.live.users["app"].password.as_ref().unwrap().expose(), "hush-2");
    for shown in [config.to_string(), format!("{config:?}")] {
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("********"));
    }
}

#[test]
fn unknown_keys_are_named_with_path_line_and_nearest_key() {
    assert_eq!(
        problems_after_least(
            "[monitr]\nx = 1\n[replicas]\nmax_lagg = \"1s\"\n[[listeners]]\nnam = \"a\"\naddress = \"a:1\"\nmode = \"replica\"\n"
        ),
        [
            "line 10: monitr: not a known key; did you mean monitor?",
            "line 13: replicas.max_lagg: not a known key; did you mean replicas.max_lag?",
            "line 14: listeners.name: is missing; write name = \"rw\"",
            "line 15: listeners.nam: not a known key; did you mean listeners.name?",
        ]
    );
    assert_eq!(
        problems_after_least("[drain]\nmaximum_of_all_things = 3\n"),
        ["line 11: drain.maximum_of_all_things: not a known key; known here: delay, timeout"]
    );
    assert_eq!(
        problems_after_least("[failover]\nmax_lag = \"1s\"\nworkers = 2\n"),
        [
            "line 11: failover.max_lag: not a known key here; did you mean replicas.max_lag?",
            "line 12: failover.workers: not a known key here; workers stands at the top of the file, above the first table",
        ]
    );
    assert_eq!(
        problems(&format!("worker = 2\n{LEAST}")),
        ["line 1: worker: not a known key; did you mean workers?"]
    );
}

#[test]
fn an_empty_list_of_servers_is_a_file_that_is_still_to_be_filled_in() {
    let config =
        parse("[discovery]\nservers = []\n[monitor]\nuser = \"monitor\"\npassword = \"p\"\n").unwrap();
    let warnings = config.warnings();
    let [warning] = &*warnings else { panic!("{warnings:?}") };
    assert!(warning.starts_with("discovery.servers: the list is empty"), "{warning}");
}

#[test]
fn an_empty_file_says_all_that_is_missing() {
    assert_eq!(
        problems(""),
        [
            "discovery.servers: names no server; write [[discovery.servers]] with name and address for each",
            "monitor.password: is missing; write one of password, password_file, password_env and secret",
            "monitor.user: is missing; write user = \"monitor\"",
        ]
    );
}

#[test]
fn wrong_values_say_what_to_write() {
    let one = |more: &str| {
        let mut all = problems_after_least(more);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    };
    for (more, message) in [
        (
            "[failover]\nhold = 30\n",
            "line 11: failover.hold: 30 is not a duration; write a whole number and ms, s, m or h in quotes, like \"30s\"",
        ),
        (
            "[failover]\nreplay_limit = \"2GiB\"\n",
            "line 11: failover.replay_limit: \"2GiB\" is not a size up to 1GiB; write a whole number and B, KiB or MiB in quotes, like \"1MiB\"",
        ),
        (
            "[failover]\nreplay = \"always\"\n",
            "line 11: failover.replay: \"always\" is unknown; write \"off\" or \"safe\"",
        ),
        (
            "[failover]\nhold = \"1.5s\"\n",
            "line 11: failover.hold: \"1.5s\" is not a duration; write a whole number and ms, s, m or h in quotes, like \"30s\"",
        ),
        (
            "[timeouts]\nlogin = \"0s\"\n",
            "line 11: timeouts.login: \"0s\" is out of range; write \"1ms\" to \"8760h\", like \"10s\"",
        ),
        (
            "[timeouts]\nidle = \"99999h\"\n",
            "line 11: timeouts.idle: \"99999h\" is out of range; write \"1ms\" to \"8760h\", like \"8h\"",
        ),
        (
            "[limits]\nmax_connections = 0\n",
            "line 11: limits.max_connections: is 0; write a whole number from 1 to 1000000",
        ),
        (
            "[limits]\nmax_server_connections = \"12\"\n",
            "line 11: limits.max_server_connections: is \"12\"; write a whole number from 1 to 1000000",
        ),
        (
            "[pool]\nmax_statements = 0\n",
            "line 11: pool.max_statements: is 0; write a whole number from 1 to 1000000",
        ),
        (
            "weight = 1001\n",
            "line 10: discovery.servers.weight: is 1001; write a whole number from 0 to 1000",
        ),
        ("weight = -1\n", "line 10: discovery.servers.weight: is -1; write a whole number from 0 to 1000"),
        ("zone = \"\"\n", "line 10: discovery.servers.zone: is empty; write zone = \"eu-central-1a\""),
        (
            "[replicas]\nzone = \"a b\"\n",
            "line 11: replicas.zone: \"a b\" contains a space or control character; write a name like \"eu-central-1a\"",
        ),
        (
            "[replicas]\nfallback = \"nowhere\"\n",
            "line 11: replicas.fallback: \"nowhere\" is unknown; write \"primary\" or \"none\"",
        ),
        ("[log]\nformat = true\n", "line 11: log.format: is true; write a string in quotes"),
        (
            "[log]\nlevel = \"inf\"\n",
            "line 11: log.level: \"inf\" is not a level; write off, error, warn, info, debug or trace, or a list like \"info,pointsman::monitor=debug\"",
        ),
        (
            "[admin]\nhttp = \"unix:/x\"\n",
            "line 11: admin.http: \"unix:/x\" is a unix socket, and this needs TCP; write \"0.0.0.0:9090\", or \"off\"",
        ),
        ("[admin]\ntoken = \"\"\n", "line 11: admin.token: is empty; write a long random text"),
        ("[admin]\ntoken = 5\n", "line 11: admin.token: is no text; write it in quotes"),
        (
            "[admin]\ntoken = \"a b\"\n",
            "line 11: admin.token: has a space, a control character or one outside of ASCII, which no HTTP header can carry; write others",
        ),
        (
            "[admin]\ntoken = \"a\"\ntoken_env = \"b\"\n",
            "line 12: admin.token_env: stands beside token; write only one of token, token_file and token_env",
        ),
        (
            "[admin.tls]\ncert_file = \"a\"\n",
            "line 11: admin.tls.cert_file: stands without key_file; write both",
        ),
        ("[[listeners]]\nname = \"a b\"\naddress = \":3306\"\n", ""),
    ] {
        if !message.is_empty() {
            assert_eq!(one(more), message);
        } else {
            assert_eq!(
                problems_after_least(more),
                [
                    "line 10: listeners.mode: is missing; write mode = \"split\", \"primary\" or \"replica\"",
                    "line 11: listeners.name: \"a b\" contains a space or control character; write a name like \"rw\"",
                    "line 12: listeners.address: \":3306\" has no host before the port; write \"0.0.0.0:3306\"",
                ]
            );
        }
    }
}

#[test]
fn tables_of_the_wrong_shape() {
    assert_eq!(
        problems_after_least("[listeners]\nname = \"rw\"\n"),
        ["line 10: listeners: must be an array of tables; write [[listeners]] before each one"]
    );
    assert_eq!(
        problems(&format!("drain = 3\n{LEAST}")),
        ["line 1: drain: must be a table; write [drain] and its keys below"]
    );
    assert_eq!(
        problems(&format!("listeners = []\n{LEAST}")),
        ["listeners: is empty; write [[listeners]] with name, address and mode, or leave it out"]
    );
    assert_eq!(
        problems(&format!("listeners = [1]\n{LEAST}")),
        ["line 1: listeners: must be an array of tables; write [[listeners]] before each one"]
    );
}

#[test]
fn duplicates_name_both_lines() {
    let more = "[[discovery.servers]]\nname = \"a\"\naddress = \"a:3306\"\n[[users]]\nname = \"app\"\npassword = \"x\"\n";
    assert_eq!(
        problems_after_least(more),
        [
            "line 11: discovery.servers.name: \"a\" stands already on line 8; write another one",
            "line 12: discovery.servers.address: \"a:3306\" stands already on line 9; write another one",
            "line 14: users.name: \"app\" stands already on line 5; write another one",
        ]
    );
    let two = "[[listeners]]\nname = \"x\"\naddress = \"127.0.0.1:0\"\nmode = \"replica\"\n\
               [[listeners]]\nname = \"y\"\naddress = \"127.0.0.1:0\"\nmode = \"replica\"\n";
    assert_eq!(parse(&format!("{LEAST}{two}")).unwrap().fixed.listeners.len(), 2, "port 0 is any free port");
}

#[test]
fn syntax_errors_have_a_line() {
    let error = parse("workers = 1\n[monitor\n").unwrap_err();
    assert!(matches!(error, ConfigError::Syntax { line: 2, .. }), "{error}");
    assert!(error.to_string().starts_with("line 2: not valid TOML: "), "{error}");
    assert!(matches!(parse("workers = 1\nworkers = 2\n"), Err(ConfigError::Syntax { line: 2, .. })));
}

#[test]
fn secrets_from_file_and_environment() {
    let dir = std::env::temp_dir().join(format!("pointsman-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("pw"), "from file\r\n").unwrap();
    let text = LEAST
        .replace("password = \"m\"", "password_file = \"pw\"")
        .replace("password = \"app\"", "password_env = \"APP_PW\"");
    let env = |name: &str| (name == "APP_PW").then(|| "from env".to_owned());
    let config = Config::parse_with(&text, &dir, &env).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(config.live.monitor.password.expose(), "from file");
    assert_eq!(config.live.users["app"].password.as_ref().unwrap().expose(), "from env");
    assert_eq!(config.sources, [dir.join("pw")]);
}

#[test]
fn secrets_that_cannot_be_had() {
    let text = LEAST
        .replace("password = \"m\"", "password_file = \"pw\"")
        .replace("password = \"app\"", "password_env = \"NOT_SET\"");
    assert_eq!(
        problems(&text),
        [
            "line 3: monitor.password_file: cannot read /nowhere/pw: No such file or directory (os error 2); write the path of a readable file",
            "line 6: users.password_env: the environment variable NOT_SET is not set; set it, or write password_file",
        ]
    );
    let two = LEAST.replace("password = \"m\"", "password = \"m\"\npassword_env = \"APP_PW\"");
    assert_eq!(
        problems(&two),
        [
            "line 4: monitor.password_env: stands beside password; write only one of password, password_file, password_env and secret"
        ]
    );
}

#[test]
fn an_empty_password_is_refused_unless_it_is_allowed() {
    let dir = std::env::temp_dir().join(format!("pointsman-empty-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let from_file = LEAST.replace("password = \"m\"", "password_file = \"pw\"");
    let from_env = LEAST.replace("password = \"app\"", "password_env = \"APP_PW\"");
    let inline = LEAST.replace("password = \"app\"", "password = \"\"");
    let allowed =
        |text: &str, line: &str| text.replace(line, &format!("{line}\nallow_empty_password = true"));
    for empty in ["", "\n", "\r\n", "\n\n"] {
        std::fs::write(dir.join("pw"), empty).unwrap();
        let env = |_: &str| Some(empty.to_owned());
        let problems = |text: &str| match Config::parse_with(text, &dir, &env) {
            Err(ConfigError::Invalid(all)) => all.iter().map(ToString::to_string).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let needs = "would need no password to log in; write the password, or allow_empty_password = true";
        let file = dir.join("pw");
        assert_eq!(
            problems(&from_file),
            [format!(
                "line 3: monitor.password_file: the file {} of the monitor is empty, which {needs}",
                file.display()
            )]
        );
        assert_eq!(
            problems(&from_env),
            [format!(
                "line 6: users.password_env: the environment variable APP_PW of user \"app\" is empty, which {needs}"
            )]
        );
        assert_eq!(
            problems(&inline),
            [format!("line 6: users.password: the password of user \"app\" is empty, which {needs}")]
        );
        let config =
            Config::parse_with(&allowed(&from_env, "password_env = \"APP_PW\""), &dir, &env).unwrap();
        assert_eq!(config.live.users["app"].password.as_ref().unwrap().expose(), "");
        assert!(config.to_string().contains("allow_empty_password = true\n"));
        let config = Config::parse_with(&allowed(&from_file, "password_file = \"pw\""), &dir, &env).unwrap();
        assert_eq!(config.live.monitor.password.expose(), "");
    }
    std::fs::remove_dir_all(&dir).unwrap();
    parse(&allowed(&inline, "password = \"\"")).unwrap();
}

#[test]
fn http_can_be_off_and_workers_follow_the_cores() {
    let config = parse(&format!("workers = 0\n{LEAST}[admin]\nhttp = \"off\"\n")).unwrap();
    assert_eq!(config.fixed.admin_http, None);
    assert_eq!(config.fixed.workers, std::thread::available_parallelism().unwrap());
    assert_eq!(parse(&format!("workers = 3\n{LEAST}")).unwrap().fixed.workers.get(), 3);
}

#[test]
fn changes_are_named() {
    let old = parse(LEAST).unwrap();
    assert!(old.fixed.changes(&old.fixed).is_empty());
    assert!(old.live.changes(&old.live).is_empty());
    let new = parse(&format!(
        "workers = 77\n{}[log]\nlevel = \"debug\"\n[admin]\nhttp = \"off\"\n[failover]\nhold = \"1s\"\n",
        LEAST.replace("\"app\"", "\"other\"")
    ))
    .unwrap();
    assert_eq!(old.fixed.changes(&new.fixed), ["workers", "admin.http", "log.level"]);
    assert_eq!(old.live.changes(&new.live), ["users", "failover"]);
}

#[test]
fn durations_read_and_print() {
    for (text, millis) in
        [("0s", 0), ("100ms", 100), ("1500ms", 1_500), ("10s", 10_000), ("5m", 300_000), ("8h", 28_800_000)]
    {
        let duration = parse_duration(text).unwrap();
        assert_eq!(duration, Duration::from_millis(millis));
        assert_eq!(format_duration(duration), text);
    }
    assert_eq!(format_duration(Duration::from_secs(60)), "1m");
    for wrong in
        ["", "10", "s", "-1s", "1 s", "1d", "1.0s", "99999999999999999999s", "18446744073709551615h", "10sé"]
    {
        assert_eq!(parse_duration(wrong), None, "{wrong}");
    }
}

#[test]
fn addresses() {
    for good in ["127.0.0.1:3306", "db-0.db.prod.svc:3306", "[::1]:3306", "[::]:1", "unix:/run/mysqld.sock"] {
        assert_eq!(check_address(good, AddressUse::Connect), Ok(()), "{good}");
    }
    assert_eq!(check_address("0.0.0.0:0", AddressUse::Bind), Ok(()));
    assert_eq!(check_address("0.0.0.0:0", AddressUse::Connect), Err("has port 0"));
    assert!(check_address("unix:/x", AddressUse::BindTcp).is_err());
    let long = format!("unix:/{}", "x".repeat(107));
    for bad in [
        "",
        "host",
        "host:",
        ":1",
        "::1:3306",
        "[::1]",
        "[::1:3306",
        "[x]:1",
        "h:65536",
        "h:+1",
        "h h:1",
        "unix:",
        "unix:x",
        "unix:@x",
        &long,
    ] {
        assert!(check_address(bad, AddressUse::Connect).is_err(), "{bad}");
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for open in ["[", "{a=", "a."] {
        assert!(parse(&format!("x = {}", open.repeat(100_000))).is_err());
        assert!(parse(&open.repeat(100_000)).is_err());
    }
}

#[test]
fn a_webhook_is_an_http_url() {
    let hook = |url: &str| parse(&format!("{LEAST}[notify]\nwebhook = {url:?}\n"));
    for (url, authority, path) in [
        ("http://a", "a:80", "/"),
        ("http://a.b.svc:8080/x/y?z=1", "a.b.svc:8080", "/x/y?z=1"),
        ("http://[::1]:9/", "[::1]:9", "/"),
        ("http://[::1]/", "[::1]:80", "/"),
    ] {
        let config = hook(url).unwrap();
        let found = config.live.notify.webhook.clone().unwrap();
        assert_eq!((&*found.authority, &*found.path), (authority, path));
        assert_eq!(parse(&config.to_string()).unwrap().live.notify, config.live.notify);
    }
    for (url, wrong) in [
        ("https://a/", "needs TLS"),
        ("a:80/x", "is no HTTP URL"),
        ("http:///x", "has no host"),
        ("http://user@a/", "has no host, or more"),
        ("http://a?x=1", "has no host, or more"),
        ("http://a:70000/", "has no port"),
        ("http://a:/", "has no port"),
    ] {
        let error = hook(url).unwrap_err().to_string();
        assert!(error.contains(&format!("notify.webhook: {wrong}")), "{error}");
    }
    assert_eq!(parse(LEAST).unwrap().live.notify.webhook, None);
}

#[test]
fn sizes_are_read_and_written() {
    let config = parse(&format!("{LEAST}[failover]\nreplay = \"off\"\nreplay_limit = \"64KiB\"\n")).unwrap();
    assert_eq!((config.live.failover.replay, config.live.failover.replay_limit), (Replay::Off, 65_536));
    for (text, bytes) in
        [("0B", 0), ("1000B", 1000), ("3KiB", 3072), ("1024KiB", 1 << 20), ("1024MiB", 1 << 30)]
    {
        let read = super::values::parse_size(text, 1 << 30).unwrap();
        assert_eq!(read, bytes);
        assert_eq!(super::values::parse_size(&super::values::format_size(read), 1 << 30), Some(read));
    }
    for wrong in ["1", "MiB", "1GB", "-1B", "1025MiB", "99999999999999999999B"] {
        assert_eq!(super::values::parse_size(wrong, 1 << 30), None, "{wrong}");
    }
}
