//! `log.slow`, `log.literals` and `[audit]`.

use super::*;
use crate::config::values::is_log_filter;

#[test]
fn each_level_may_have_its_time() {
    assert!(Level::WORDS.is_sorted_by_key(|(_, level)| *level), "the strictest first");
    assert_eq!(Level::WORDS.len(), crate::telemetry::stream::LEVELS);
}

#[test]
fn slow_is_a_duration_or_one_for_each_level() {
    let slow = |text: &str| parse(&format!("{LEAST}[log]\nslow = {text}\n")).unwrap();
    let ms = |ms| Some(Duration::from_millis(ms));
    for (text, wanted, printed) in [
        ("\"off\"", [None; 4], "slow = \"off\"\n"),
        ("\"1s\"", [ms(1000); 4], "slow = \"1s\"\n"),
        (
            "{ eventual = \"200ms\", strong = \"500ms\" }",
            [ms(500), None, None, ms(200)],
            "slow = { strong = \"500ms\", eventual = \"200ms\" }\n",
        ),
        ("{ session = \"off\" }", [None; 4], "slow = \"off\"\n"),
    ] {
        let config = slow(text);
        assert_eq!(config.live.statements.slow, wanted);
        assert!(config.to_string().contains(printed), "{config}");
    }
    assert!(slow("\"1s\"").live.has_digests());
    assert_eq!(
        problems_after_least("[log]\nslow = 1\nliterals = 1\n"),
        [
            "line 11: log.slow: is 1; write a string in quotes",
            "line 12: log.literals: is 1; write true or false"
        ]
    );
    assert_eq!(
        problems_after_least("[log]\nslow = { strong = \"fast\", weak = \"1s\" }\n"),
        [
            "line 11: log.slow.strong: \"fast\" is not a duration; write \"off\", or a whole number and ms, s, m or h in \
             quotes, like \"1s\"",
            "line 11: log.slow.weak: not a known key; known here: strong, session, bounded, eventual",
        ]
    );
    let literal = parse(&format!("{LEAST}[log]\nliterals = true\n")).unwrap();
    assert!(literal.warnings().iter().any(|warning| warning.starts_with("log.literals: ")));
}

#[test]
fn an_audit_log_has_a_place_and_events() {
    let audit = |text: &str| parse(&format!("{LEAST}[audit]\n{text}\n")).unwrap().live.audit;
    assert_eq!(audit("").recorded(), AuditEvents::empty());
    let file = audit(
        "to = \"/var/log/audit.log\"\nevents = [\"logins\", \"grants\"]\nmax_size = \"1MiB\"\nkeep = 0",
    );
    assert_eq!(file.to, AuditTarget::File("/var/log/audit.log".into()));
    assert_eq!(
        (file.recorded(), file.max_size, file.keep),
        (AuditEvents::LOGINS | AuditEvents::GRANTS, 1 << 20, 0)
    );
    assert_eq!(audit("to = \"stdout\"").recorded(), AuditEvents::all());
    assert!(
        parse(&format!("{LEAST}[audit]\nto = \"stdout\"\n[digests]\nmax = 0\n")).unwrap().live.has_digests()
    );
    assert_eq!(
        problems_after_least("[audit]\nto = \"audit.log\"\nevents = [\"login\"]\nmax_size = \"1KiB\"\n"),
        [
            "line 11: audit.to: \"audit.log\" is no place; write \"off\", \"stdout\" or a path like \
             \"/var/log/pointsman/audit.log\"",
            "line 12: audit.events: \"login\" is unknown; known are \"logins\", \"ddl\", \"grants\", \"actions\"",
            "line 13: audit.max_size: is too small for a log; write at least \"4KiB\"",
        ]
    );
    let (before, after) = (
        parse(LEAST).unwrap(),
        parse(&format!("{LEAST}[audit]\nto = \"stdout\"\n[log]\nslow = \"1s\"\n")).unwrap(),
    );
    assert_eq!(before.live.changes(&after.live), ["log.slow", "audit"]);
}

#[test]
fn log_filters() {
    for good in ["info", "off", "warn,pointsman::monitor=debug", "pointsman=trace, info"] {
        assert!(is_log_filter(good), "{good}");
    }
    for bad in ["", "inf", "info,", "=info", "pointsman=", "pointsman=loud", "a b=info"] {
        assert!(!is_log_filter(bad), "{bad}");
    }
}

proptest::proptest! {
    /// After any cut or insertion the parser returns a result without a panic, and a file that is
    /// accepted is printed as a file that is accepted.
    #[test]
    fn any_edit_of_the_documented_file_has_an_answer(
        from in 0..DOCUMENTED.len(),
        length in 0_usize..60,
        put in r#"([a-z_]{0,9}|[\[\]="'.\\0-9:{},\n#]{0,6}|\PC{0,4})"#,
    ) {
        let boundary = |at: usize| (at..=DOCUMENTED.len()).find(|&at| DOCUMENTED.is_char_boundary(at)).unwrap();
        let (from, to) = (boundary(from), boundary((from + length).min(DOCUMENTED.len())));
        let text = format!("{}{put}{}", &DOCUMENTED[..from], &DOCUMENTED[to..]);
        match parse(&text) {
            Ok(config) => {
                parse(&config.to_string()).unwrap();
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
