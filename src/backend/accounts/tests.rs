use super::*;
use std::net::Ipv4Addr;

fn row(values: &[&str]) -> Vec<Option<Vec<u8>>> {
    values.iter().map(|value| Some(value.as_bytes().to_vec())).collect()
}

fn table(flavor: Flavor, own: &str, rows: &[&[&str]]) -> AccountTable {
    let rows: Vec<_> = rows.iter().map(|values| row(values)).collect();
    AccountRows::read(flavor, &rows, &[row(&[own])]).unwrap()
}

fn mariadb(own: &str, rows: &[(&str, &str, &str)]) -> AccountTable {
    let rows: Vec<_> = rows.iter().map(|(host, user, json)| [*host, *user, *json]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
    table(Flavor::MariaDb, own, &rows)
}

const SECRET: &str = r#"{"access":0,"version_id":101106,"plugin":"mysql_native_password","authentication_string":"*14E65567ABDB5135D0CFD9A70B3032C179A49EE7","password_last_changed":1700000000}"#;
const OTHER: &str = r#"{"plugin":"mysql_native_password","authentication_string":"*0000000000000000000000000000000000000000"}"#;

fn from(last: u8) -> Option<IpAddr> {
    Some(IpAddr::V4(Ipv4Addr::new(10, 1, 0, last)))
}

#[test]
fn host_parts_match_as_on_servers() {
    for (pattern, host, matches) in [
        ("%", "10.0.0.1", true),
        ("", "anything", true),
        ("10.0.0.1", "10.0.0.1", true),
        ("10.0.0.1", "10.0.0.11", false),
        ("10.%", "10.200.3.4", true),
        ("10.%", "110.2.3.4", false),
        ("10.0.0._", "10.0.0.9", true),
        ("10.0.0._", "10.0.0.19", false),
        ("%.example.com", "Web.Example.COM", true),
        ("%.example.com", "example.com", false),
        ("%a%b%", "xxaxxbxx", true),
        ("%a%b%", "xxbxxaxx", false),
        ("web\\_1", "web_1", true),
        ("web\\_1_", "webx12", false),
        ("10.1.0.0/255.255.0.0", "10.1.255.255", true),
        ("10.1.0.0/255.255.0.0", "10.2.0.0", false),
        ("10.1.0.0/16", "10.1.2.3", true),
        ("10.1.0.0/255.0.255.0", "10.1.2.3", false),
        ("localhost", "localhost", true),
        ("127.0.0.1", "localhost", true),
        ("localhost", "127.0.0.1", false),
        ("fe80::%", "fe80::1", true),
    ] {
        assert_eq!(HostPattern::new(pattern).matches(host), matches, "{host} and {pattern}");
    }
}

#[test]
fn the_most_specific_host_comes_first() {
    let mut hosts = ["%", "10.%", "10.1.0.0/16", "10.1.%", "10.1.2.3", "10.1.2.0/24"];
    hosts.sort_by_key(|host| HostPattern::new(host).rank());
    assert_eq!(hosts, ["10.1.2.3", "10.1.2.0/24", "10.1.0.0/16", "10.1.%", "10.%", "%"]);
}

#[test]
fn a_long_pattern_takes_no_long_time() {
    let (pattern, host) = ("%a".repeat(120), "a".repeat(100));
    assert!(!HostPattern::new(&pattern).matches(&host));
}

#[test]
fn a_row_of_mysql_says_all_that_a_login_needs() {
    let caching = "2441243030352401020304";
    let table = table(
        Flavor::MySql,
        "monitor@10.0.0.9",
        &[
            &["%", "app", "caching_sha2_password", caching, "N", "N", "", "", ""],
            &[
                "10.%",
                "old",
                "mysql_native_password",
                &"2A31".replace("31", &"31".repeat(40)),
                "Y",
                "N",
                "",
                "",
                "",
            ],
            &["%", "none", "caching_sha2_password", "", "N", "Y", "ANY", "", ""],
            &["%", "certified", "caching_sha2_password", caching, "N", "N", "SPECIFIED", "", "/CN=a"],
            &["localhost", "mysql.sys", "mysql_no_login", caching, "Y", "N", "", "", ""],
        ],
    );
    let account = |user| match table.find(user, None) {
        FoundAccount::Account(account) => account.clone(),
        _ => panic!("{user} is not found"),
    };
    assert!(
        matches!(&account("app").ways[..], [ProofMethod::Password(plugin, _)] if **plugin == *"caching_sha2_password")
    );
    assert!(account("old").locked && account("old").ways == [ProofMethod::Native([0x11; 20])]);
    assert!(
        account("none").expired
            && account("none").requires.tls
            && account("none").ways == [ProofMethod::Empty]
    );
    assert_eq!(account("certified").requires.subject.as_deref(), Some("/CN=a"));
    assert!(matches!(table.find("mysql.sys", None), FoundAccount::NotFromThere));
    assert!(matches!(table.find("app2", None), FoundAccount::Nobody));
}

#[test]
fn some_accounts_are_only_for_their_clients() {
    let factors =
        r#"[{"plugin": "authentication_webauthn", "authentication_string": "", "passwordless": 0}]"#;
    let caching = "2441243030352401020304";
    let mysql = |user: &str, plugin: &str, factors: Option<&str>| {
        let values = ["%", user, plugin, caching, "N", "N", "", "", "", "N"]
            .map(|value| Some(value.as_bytes().to_vec()));
        [values.as_slice(), &[factors.map(|factors| factors.as_bytes().to_vec())]].concat()
    };
    let rows = [
        mysql("one", "caching_sha2_password", None),
        mysql("none", "caching_sha2_password", Some("[]")),
        mysql("two", "caching_sha2_password", Some(factors)),
        mysql("key", "authentication_webauthn", None),
        mysql("nobody", "mysql_no_login", Some(factors)),
    ];
    let of_mysql = AccountRows::read(Flavor::MySql, &rows, &[row(&["monitor@10.0.0.9"])]).unwrap();
    let of_mariadb = mariadb(
        "monitor@10.0.0.9",
        &[
            ("%", "ticket", r#"{"plugin":"gssapi","authentication_string":"a@R"}"#),
            (
                "%",
                "either",
                r#"{"plugin":"gssapi","auth_or":[{},{"plugin":"ed25519","authentication_string":"x"}]}"#,
            ),
        ],
    );
    let plugins = |table: &AccountTable, user: &str| match table.find(user, None) {
        FoundAccount::Account(account) => account
            .ways
            .iter()
            .map(|way| match way {
                ProofMethod::OnlyClient(plugin, _) => format!("only client: {plugin}"),
                ProofMethod::Password(plugin, _) => plugin.to_string(),
                _ => "another".to_owned(),
            })
            .collect::<Vec<_>>()
            .join(", "),
        _ => panic!("{user} is not found"),
    };
    assert_eq!(plugins(&of_mysql, "one"), "caching_sha2_password");
    assert_eq!(plugins(&of_mysql, "none"), "caching_sha2_password");
    assert_eq!(plugins(&of_mysql, "two"), "only client: caching_sha2_password");
    assert_eq!(plugins(&of_mysql, "key"), "only client: authentication_webauthn");
    assert_eq!(plugins(&of_mysql, "nobody"), "");
    assert_eq!(plugins(&of_mariadb, "ticket"), "only client: gssapi");
    assert_eq!(plugins(&of_mariadb, "either"), "only client: gssapi, ed25519");
}

#[test]
fn a_row_of_mariadb_may_have_several_ways() {
    let root = r#"{"access":18446744073709551615,"plugin":"mysql_native_password","authentication_string":"invalid","auth_or":[{},{"plugin":"unix_socket"}]}"#;
    let table = mariadb(
        "monitor@10.0.0.9",
        &[
            ("%", "app", SECRET),
            ("%", "root", root),
            ("%", "empty", r#"{"access":0,"plugin":"mysql_native_password","authentication_string":""}"#),
            ("%", "bare", "{}"),
            ("%", "slow", r#"{"max_statement_time":0.0}"#),
            ("%", "timed", r#"{"max_statement_time":2.5}"#),
            ("10.0.0.9", "timed", "{}"),
            (
                "%",
                "signs",
                r#"{"plugin":"ed25519","authentication_string":"abc","account_locked":true,"ssl_type":2}"#,
            ),
            ("", "reader", r#"{"is_role":true}"#),
            (
                "%",
                "late",
                r#"{"plugin":"mysql_native_password","authentication_string":"","password_last_changed":0}"#,
            ),
        ],
    );
    let ways = |user| match table.find(user, None) {
        FoundAccount::Account(account) => account.ways.clone(),
        _ => panic!("{user} is not found"),
    };
    assert!(ways("app") == [ProofMethod::Native(crate::auth::native_password::double_sha1(b"secret"))]);
    assert!(
        ways("root") == [ProofMethod::Socket(None)]
            && ways("empty") == [ProofMethod::Empty]
            && ways("bare") == [ProofMethod::Empty]
    );
    assert!(matches!(table.find("reader", None), FoundAccount::Nobody));
    assert!(table.limits_time("timed") && !table.limits_time("slow") && !table.limits_time("app"));
    let FoundAccount::Account(signs) = table.find("signs", None) else { panic!() };
    assert!(
        signs.locked && signs.requires.certificate && matches!(signs.ways[..], [ProofMethod::Password(..)])
    );
    let FoundAccount::Account(late) = table.find("late", None) else { panic!() };
    assert!(late.expired);
}

#[test]
fn privileges_that_pass_read_only() {
    let passes = |access: &str, version: &str| {
        let json = format!(r#"{{"access":{access},"version_id":{version}}}"#);
        mariadb("m@h", &[("%", "app", json.as_str())]).passes_read_only("app")
    };
    let (all, of_super, read_only_admin) = (u64::MAX.to_string(), 1 << 15, 1_u64 << 33);
    assert!(passes(&all, "101106") && passes(&all, "100620"));
    assert!(passes(&of_super.to_string(), "100620") && passes(&of_super.to_string(), "null"));
    assert!(!passes(&of_super.to_string(), "101106"));
    assert!(passes(&read_only_admin.to_string(), "110402"));
    assert!(!passes(&(!(of_super as u64 | read_only_admin)).to_string(), "100620"));
    assert!(!passes("\"?\"", "101106"));

    let mysql =
        |host, user, of_super| [host, user, "caching_sha2_password", "", "N", "N", "", "", "", of_super];
    let rows =
        [mysql("%", "root", "Y"), mysql("%", "app", "N"), mysql("10.%", "app", "N"), mysql("%", "dba", "N")];
    let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
    let mut table = table(Flavor::MySql, "m@10.0.0.9", &rows);
    let passing =
        |table: &AccountTable| ["root", "app", "dba", "none"].map(|user| table.passes_read_only(user));
    assert_eq!(passing(&table), [true, false, false, false]);
    table.add_admins(&[
        row(&["dba", "%"]),
        row(&["app", "11.%"]),
        row(&["none", "%"]),
        vec![None],
        vec![None, None],
    ]);
    assert_eq!(passing(&table), [true, false, true, false]);
    table.add_admins(&[row(&["app", "10.%"])]);
    assert_eq!(passing(&table), [true, true, true, false]);
}

#[test]
fn rows_that_no_server_writes_are_refused() {
    let own = [row(&["monitor@%"])];
    for (flavor, values) in [
        (Flavor::MySql, row(&["%", "app"])),
        (Flavor::MySql, row(&["%", "app", "x", "0", "N", "N", "", "", ""])),
        (Flavor::MySql, row(&["%", "app", "x", "00", "N", "N", "NEW", "", ""])),
        (Flavor::MariaDb, row(&["%", "app", "no JSON"])),
        (Flavor::MariaDb, row(&["%", "app", r#"{"ssl_type":9}"#])),
    ] {
        assert!(AccountRows::read(flavor, &[values], &own).is_err());
    }
    assert!(AccountRows::read(Flavor::MySql, &[], &[]).is_err());
}

#[test]
fn the_client_must_have_been_able_to_log_in_directly() {
    let found =
        |rows: &[(&str, &str, &str)], client| match mariadb("monitor@10.0.0.9", rows).find("app", client) {
            FoundAccount::Account(_) => "account",
            FoundAccount::NotFromThere => "not from there",
            FoundAccount::NotThroughProxy => "not through the proxy",
            FoundAccount::Nobody => "nobody",
        };
    let everywhere = [("%", "app", SECRET)];
    assert_eq!(found(&everywhere, from(1)), "account");
    assert_eq!(found(&[("10.0.%", "app", SECRET)], from(1)), "not from there");
    assert_eq!(found(&[("10.1.%", "app", SECRET)], from(1)), "not through the proxy");
    assert_eq!(found(&[("10.0.%", "app", SECRET)], None), "account");
    let alike = [("10.1.%", "app", SECRET), ("%", "app", SECRET)];
    assert_eq!(found(&alike, from(1)), "account");
    let different = [("10.1.%", "app", OTHER), ("%", "app", SECRET)];
    assert_eq!(found(&different, from(1)), "not through the proxy");
    assert_eq!(found(&[("%", "other", SECRET)], from(1)), "nobody");
    // With a PROXY header the servers see the client.
    let table = mariadb("monitor@10.0.0.9", &[("10.1.%", "app", SECRET)]);
    assert!(matches!(table.find_announced("app", from(1).unwrap()), FoundAccount::Account(_)));
    assert!(matches!(table.find_announced("app", "10.0.0.9".parse().unwrap()), FoundAccount::NotFromThere));
}

#[test]
fn an_anonymous_account_lets_in_all_names_that_have_no_account_of_a_host_as_specific() {
    let open = r#"{"plugin":"mysql_native_password","authentication_string":""}"#;
    let found = |own, rows: &[(&str, &str, &str)], user| match mariadb(own, rows).find(user, None) {
        FoundAccount::Account(account) if account.ways == [ProofMethod::Empty] => "anonymous",
        FoundAccount::Account(_) => "named",
        FoundAccount::NotFromThere => "not from there",
        FoundAccount::NotThroughProxy => "not through the proxy",
        FoundAccount::Nobody => "nobody",
    };
    let everywhere = [("%", "app", SECRET), ("%", "", open)];
    for (user, expected) in [("app", "named"), ("anybody", "anonymous"), ("", "anonymous")] {
        assert_eq!(found("m@10.0.0.9", &everywhere, user), expected, "{user}");
    }
    // The servers look by the host first.
    let local = [("%", "app", SECRET), ("localhost", "", open)];
    assert_eq!(found("m@localhost", &local, "app"), "anonymous");
    assert_eq!(found("m@10.0.0.9", &local, "app"), "named");
    assert_eq!(found("m@10.0.0.9", &local, "anybody"), "not from there");
    assert_eq!(
        found("m@localhost", &[("localhost", "app", SECRET), ("localhost", "", open)], "app"),
        "named"
    );
    let table = mariadb("m@10.0.0.9", &[("10.1.%", "", open)]);
    assert!(matches!(table.find_announced("anybody", from(1).unwrap()), FoundAccount::Account(_)));
}

#[test]
fn the_operating_systems_user_is_the_accounts_or_the_one_that_it_names() {
    let is_for = |json, os_user| match mariadb("m@h", &[("%", "app", json)]).find("app", None) {
        FoundAccount::Account(account) => account.is_for_os_user("app", os_user),
        _ => panic!("no account"),
    };
    let unnamed = r#"{"plugin":"unix_socket","authentication_string":""}"#;
    let named = r#"{"plugin":"mysql_native_password","auth_or":[{},{"plugin":"unix_socket","authentication_string":"bob"}]}"#;
    assert!(is_for(unnamed, "app") && !is_for(unnamed, "bob"));
    assert!(is_for(named, "bob") && !is_for(named, "app"));
    assert!(!is_for(SECRET, "app"));
}

#[test]
fn a_server_that_sees_a_local_proxy_is_on_the_same_machine() {
    for (own, here) in [
        ("m@localhost", true),
        ("m@127.0.0.1", true),
        ("m@::1", true),
        ("m@::ffff:127.0.0.1", true),
        ("m@10.0.0.9", false),
        ("m@localhost.example.com", false),
    ] {
        assert_eq!(mariadb(own, &[]).is_of_this_machine(), here, "{own}");
    }
}

#[test]
fn the_stamp_changes_with_the_password_only() {
    let stamp = |json| match mariadb("m@h", &[("%", "app", json)]).find("app", None) {
        FoundAccount::Account(account) => account.stamp(),
        _ => 0,
    };
    assert_ne!(stamp(SECRET), stamp(OTHER));
    assert_eq!(stamp(SECRET), stamp(&SECRET.replace("1700000000", "1800000000")));
}
