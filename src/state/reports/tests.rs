use super::*;
use crate::backend::Onto;
use crate::sql;
use crate::state::PinSet;
use crate::wire::Capabilities;
use crate::wire::Writer;

fn class_of(text: &str) -> StatementClass {
    sql::classify(text.as_bytes(), sql::Options::default(), &())
}

/// Every class that the enumeration looks at: each kind with each set of the effects that count.
fn classes() -> impl Iterator<Item = StatementClass> {
    use StatementKind::{Admin, Ddl, Read, Session, Transaction, Unknown, Write};
    const EFFECTS: [Effects; 11] = [
        Effects::SETS_STATE,
        Effects::BEGINS,
        Effects::BEGINS_READ_ONLY,
        Effects::BEGINS_READ_WRITE,
        Effects::ENDS,
        Effects::COMMITS_IMPLICITLY,
        Effects::LEAVES_UNKNOWN,
        Effects::CALLS,
        Effects::EXECUTES,
        Effects::SEVERAL,
        Effects::UNDERSTOOD,
    ];
    [Admin, Ddl, Read, Session, Transaction, Unknown, Write].into_iter().flat_map(|kind| {
        (0..1u32 << EFFECTS.len()).map(move |bits| {
            let has = EFFECTS.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            let effects = has.fold(Effects::empty(), |all, (_, effect)| all | *effect);
            StatementClass { kind, effects, reason: crate::terms::Why::PlainRead }
        })
    })
}

#[test]
fn what_each_statement_explains() {
    let opaque = Effects::LEAVES_UNKNOWN | Effects::CALLS | Effects::EXECUTES;
    let ends = Effects::BEGINS | Effects::BEGINS_READ_ONLY | Effects::BEGINS_READ_WRITE | Effects::ENDS;
    let mut tried = 0;
    for class in classes() {
        tried += 1;
        assert_eq!(explains(Role::Primary, &class), Explains::all(), "the primary is believed");
        let explained = explains(Role::Replica, &class);
        let has = |part| explained.contains(part);
        let hides = class.kind == StatementKind::Unknown || class.effects.intersects(opaque);
        assert_eq!(has(Explains::HIDDEN), hides, "{class:?}");
        let sets = class.effects.contains(Effects::SETS_STATE);
        assert!(!has(Explains::NAMED) || sets || hides, "{class:?}");
        assert!(
            !has(Explains::SCHEMA) || (sets && class.kind == StatementKind::Session && !hides),
            "{class:?}"
        );
        let plain = class.kind <= StatementKind::Transaction && !hides;
        assert!(!has(Explains::WRITES) || !plain || class.kind == StatementKind::Admin, "{class:?}");
        assert!(!has(Explains::BEGINS) || class.effects.intersects(ends) || !is_plain(&class), "{class:?}");
        if class.kind == StatementKind::Read && class.effects.is_empty() {
            assert_eq!(explained, Explains::empty());
        }
        if class.effects.contains(Effects::UNDERSTOOD) && !class.effects.contains(Effects::EXECUTES) {
            assert_eq!(has(Explains::BEGINS), class.effects.intersects(ends), "{class:?}");
            let over = class.effects.intersects(ends | Effects::COMMITS_IMPLICITLY);
            assert_eq!(has(Explains::ENDS), over, "only what the text says ends a transaction: {class:?}");
            assert!(!has(Explains::WRITES) || hides, "{class:?}");
        }
    }
    assert_eq!(tried, 7 * 2048);
}

fn is_plain(class: &StatementClass) -> bool {
    matches!(class.kind, StatementKind::Read | StatementKind::Session | StatementKind::Transaction)
        && !class.effects.intersects(Effects::LEAVES_UNKNOWN | Effects::CALLS | Effects::EXECUTES)
}

fn variable(name: &str, value: &str) -> Vec<u8> {
    let mut data = Vec::new();
    data.put_lenenc_bytes(name.as_bytes());
    data.put_lenenc_bytes(value.as_bytes());
    let mut state = vec![0];
    state.put_lenenc_bytes(&data);
    state
}

fn schema(name: &str) -> Vec<u8> {
    let mut data = Vec::new();
    data.put_lenenc_bytes(name.as_bytes());
    let mut state = vec![1];
    state.put_lenenc_bytes(&data);
    state
}

const AC: StatusFlags = StatusFlags::AUTOCOMMIT;

/// One answer of a server to a session on a port that splits.
struct Story {
    state: SessionState,
    flavor: Flavor,
    port: Port,
}

impl Story {
    fn new(flavor: Flavor) -> Self {
        let mut state = SessionState::default();
        state.texts.of_mariadb = flavor == Flavor::MariaDb;
        Story { state, flavor, port: Port::Split }
    }

    fn hears(
        &mut self,
        role: Role,
        text: &str,
        status: StatusFlags,
        id: u64,
        changes: &[u8],
    ) -> Result<(), FalseReport> {
        let class = class_of(text);
        let whole = Rc::new(AskedText::new(text.as_bytes().into(), self.state.sql_options()));
        let before = (self.state.carried.clone(), self.state.transaction.status);
        let result = self.one_answer(role, text, &whole, (status, id, changes));
        if result.is_ok() {
            self.state.done(role, &class, Some(text.as_bytes()), PinSet::default());
        } else {
            assert_eq!(before, (self.state.carried.clone(), self.state.transaction.status), "{text}");
            assert!(self.state.pins.on(Role::Replica).is_empty() || self.state.in_transaction(), "{text}");
        }
        result
    }

    /// One OK packet, perhaps of many to this text.
    fn one_answer(
        &mut self,
        role: Role,
        text: &str,
        whole: &Rc<AskedText>,
        (status, id, changes): (StatusFlags, u64, &[u8]),
    ) -> Result<(), FalseReport> {
        let class = class_of(text);
        let ok = OkPacket { status, last_insert_id: id, state: changes, ..OkPacket::default() };
        let asked = Asked {
            class,
            command: Command::Query,
            arguments: text.as_bytes(),
            statement: 0,
            text: class.effects.contains(Effects::SETS_STATE).then_some(whole),
        };
        let modes = TextModes::DOUBLE_QUOTED_STRINGS | TextModes::BACKSLASH_ESCAPES;
        let read_only = role == Role::Replica;
        let heard = AnswerSource {
            role,
            flavor: self.flavor,
            read_only,
            explained: false,
            port: self.port,
            modes,
            asked,
        };
        self.state.ok(&ok, heard)
    }

    fn replica(&mut self, text: &str, status: StatusFlags, changes: &[u8]) -> Result<(), FalseReport> {
        self.hears(Role::Replica, text, status, 0, changes)
    }

    fn set_on_primary(&self) -> String {
        let mut out = Vec::new();
        let onto = Onto {
            flavor: self.flavor,
            read_only: false,
            autocommit: true,
            in_transaction: false,
            flags: Capabilities::empty(),
            trackers_changed: false,
        };
        self.state.carried.write_set(Some(&Carried::new(None, 0)), onto, &mut out);
        String::from_utf8(out).unwrap()
    }
}

const BOTH: [Flavor; 2] = [Flavor::MySql, Flavor::MariaDb];

#[test]
fn a_read_on_a_replica_explains_nothing() {
    let no_ac = StatusFlags::empty();
    for flavor in BOTH {
        let mut story = Story::new(flavor);
        let read = "select a from t";
        for (status, id, state, report) in [
            (no_ac, 0, vec![], FalseReport::Flag),
            (AC | StatusFlags::NO_BACKSLASH_ESCAPES, 0, vec![], FalseReport::Flag),
            (AC | StatusFlags::ANSI_QUOTES, 0, vec![], FalseReport::Flag),
            (AC | StatusFlags::IN_TRANS, 0, vec![], FalseReport::Transaction),
            (AC, 7, vec![], FalseReport::InsertId),
            (AC | StatusFlags::MORE_RESULTS_EXISTS, 0, vec![], FalseReport::Flag),
            (AC, 0, schema("other"), FalseReport::Schema),
            (AC, 0, variable("sort_buffer_size", "262144"), FalseReport::Variable),
            (AC, 0, variable("sort_buffer_size=1,@x", "262144"), FalseReport::Variable),
            (AC, 0, variable("", "262144"), FalseReport::Variable),
            (AC, 0, variable("character_set_client", "gbk"), FalseReport::Variable),
            (AC, 0, variable("last_insert_id", "7"), FalseReport::Variable),
            (AC, 0, variable("autocommit", "OFF"), FalseReport::Variable),
            (AC, 0, variable("last_gtid", "0-1-999999"), FalseReport::Gtid),
            (AC, 0, b"\x03\x04\x00\x02ab".to_vec(), FalseReport::Gtid),
            // A routine behind a view may make it, for which the primary is the place.
            (AC, 0, b"\x02\x011".to_vec(), FalseReport::Unnamed),
            (AC, 0, b"\x09\x01x".to_vec(), FalseReport::Unreadable),
            (AC, 0, b"\x00\x7f".to_vec(), FalseReport::Unreadable),
        ] {
            assert_eq!(
                story.hears(Role::Replica, read, status, id, &state),
                Err(report),
                "{flavor:?} {state:?}"
            );
        }
        // What servers report unasked.
        for state in [variable("statement_id", "7"), b"\x05\x09\x08T_______".to_vec()] {
            assert_eq!(story.replica(read, AC, &state), Ok(()));
        }
        assert_eq!(story.set_on_primary(), "");
    }
}

/// A text of many statements has as many answers: the work must not be the product of both.
#[test]
fn a_text_is_searched_as_often_for_many_answers_as_for_one() {
    const TEXTS: [&str; 7] = [
        "SET NAMES utf8mb4;",
        "SET STATEMENT sql_mode='ANSI_QUOTES' FOR SET @a = 1;",
        "SET sql_mode='', time_zone='+01:00', session_track_schema=1;",
        "USE other;",
        "SET @a = 1, character_set_results = latin1;",
        "SET TRANSACTION READ ONLY;",
        "CALL p();",
    ];
    let charset = |name: &str| {
        ["client", "connection", "results"].map(|of| variable(&format!("character_set_{of}"), name))
    };
    let reports = [
        vec![],
        schema("other"),
        charset("utf8mb4").concat(),
        charset("latin1").concat(),
        [variable("collation_connection", "utf8mb4_general_ci"), variable("sql_mode", "ANSI_QUOTES")]
            .concat(),
        [variable("time_zone", "+01:00"), variable("tx_read_only", "ON"), schema("third")].concat(),
        [variable("session_track_schema", "ON"), variable("max_join_size", "7"), b"\x02\x011".to_vec()]
            .concat(),
    ];
    for (flavor, role) in BOTH.into_iter().flat_map(|flavor| Role::BOTH.map(|role| (flavor, role))) {
        for (text, times) in TEXTS.iter().flat_map(|text| [(text, 1), (text, 3)]) {
            let text = text.repeat(times);
            let mut story = Story::new(flavor);
            let whole = Rc::new(AskedText::new(text.as_bytes().into(), story.state.sql_options()));
            let mut after_a_round = 0;
            for round in 0..20 {
                for state in &reports {
                    for status in [AC, AC | StatusFlags::MORE_RESULTS_EXISTS, AC | StatusFlags::ANSI_QUOTES] {
                        // Whether a replica may report that is for other tests.
                        let _ = story.one_answer(role, &text, &whole, (status, 0, state));
                        // For each part of an answer to a statement about accounts.
                        let _ = whole.before_renewal();
                    }
                }
                match round {
                    0 => after_a_round = whole.searches(),
                    _ => assert_eq!(whole.searches(), after_a_round, "{flavor:?} {role:?} {text} {round}"),
                }
            }
        }
    }
}

#[test]
fn with_autocommit_off_a_read_begins_a_transaction() {
    let mut story = Story::new(Flavor::MySql);
    story
        .hears(Role::Primary, "set autocommit=0", StatusFlags::empty(), 0, &variable("autocommit", "OFF"))
        .unwrap();
    assert_eq!(story.replica("select 1", AC, b""), Err(FalseReport::Flag));
    assert_eq!(story.replica("select 1", StatusFlags::empty(), b""), Ok(()));
    assert_eq!(story.replica("select a from t", StatusFlags::IN_TRANS, b""), Ok(()));
    assert_eq!(story.replica("select a from t", StatusFlags::empty(), b""), Err(FalseReport::Transaction));
    assert_eq!(story.replica("commit", StatusFlags::empty(), b""), Ok(()));
}

#[test]
fn a_transaction_begins_and_ends_by_its_statements() {
    let (open, read) = (AC | StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY, "select a from t");
    let mut story = Story::new(Flavor::MySql);
    assert_eq!(story.replica("start transaction read only", AC, b""), Err(FalseReport::Transaction));
    assert_eq!(story.replica("start transaction read only", open, b""), Ok(()));
    assert_eq!(story.replica("commit", open, b""), Err(FalseReport::Transaction));
    assert_eq!(story.replica("commit and chain", AC, b""), Err(FalseReport::Transaction));
    assert_eq!(story.replica("commit and chain", open, b""), Ok(()));
    assert_eq!(story.replica(read, AC, b""), Err(FalseReport::Transaction));
    assert_eq!(story.replica(read, open, b""), Ok(()));
    assert_eq!(story.replica("commit", AC, b""), Ok(()));
    assert_eq!(story.replica(read, open, b""), Err(FalseReport::Transaction));
}

#[test]
fn a_hint_and_a_set_statement_change_nothing() {
    let mut story = Story::new(Flavor::MySql);
    let hint = "select /*+ SET_VAR(sort_buffer_size=1000) */ 1";
    assert_eq!(story.replica(hint, AC, &variable("sort_buffer_size", "262144")), Ok(()));
    assert_eq!(story.replica(hint, AC, &variable("max_join_size", "1")), Err(FalseReport::Variable));
    let mut story = Story::new(Flavor::MariaDb);
    let sets = "SET STATEMENT sql_mode='ANSI_QUOTES' FOR SELECT 1";
    let quotes = AC | StatusFlags::ANSI_QUOTES;
    assert_eq!(story.replica(sets, quotes, &variable("sql_mode", "ANSI_QUOTES")), Ok(()));
    assert!(std::mem::take(&mut story.state.trackers.restored), "the connection is set up anew");
    assert_eq!(story.state.transaction.status, AC);
    assert_eq!(story.replica("select 1", quotes, b""), Err(FalseReport::Flag));
    assert_eq!(story.set_on_primary(), "");
}

#[test]
fn a_set_on_a_replica_is_taken_from_its_text() {
    for flavor in BOTH {
        let mut story = Story::new(flavor);
        let set = "SET sort_buffer_size = 300000, time_zone = '+01:00'";
        let mut lies = variable("sort_buffer_size", "1");
        lies.extend(variable("time_zone", "',@x=(select 1),time_zone='"));
        assert_eq!(story.replica(set, AC, &lies), Ok(()));
        assert_eq!(story.set_on_primary(), "sort_buffer_size=300000,time_zone='+01:00'", "{flavor:?}");
        lies.extend(variable("max_join_size", "1"));
        assert_eq!(story.replica(set, AC, &lies), Err(FalseReport::Variable));
        // The name stands in the text, but not as what is set.
        let set = "SET sort_buffer_size = 300000 /* max_join_size */, div_precision_increment = 5";
        assert_eq!(story.replica(set, AC, &variable("max_join_size", "1")), Ok(()));
        assert!(!story.set_on_primary().contains("max_join_size"), "{}", story.set_on_primary());
        let mut story = Story::new(flavor);
        assert_eq!(story.replica("SET sort_buffer_size = 300000, time_zone = '+01:00'", AC, b""), Ok(()));
        // Not a word of it.
        assert_eq!(story.replica("SET lc_time_names = 'de_DE'", AC, b""), Ok(()));
        assert!(story.set_on_primary().ends_with(",lc_time_names='de_DE'"));
        assert_eq!(
            story.replica("SET lc_time_names = DEFAULT", AC, &variable("lc_time_names", "sv_SE")),
            Ok(())
        );
        assert!(!story.set_on_primary().contains("lc_time_names"));
        let lies = variable("autocommit", "OFF");
        assert_eq!(story.replica("SET autocommit = 1", StatusFlags::empty(), &lies), Err(FalseReport::Flag));
        assert_eq!(story.replica("SET autocommit = 0", StatusFlags::empty(), &lies), Ok(()));
        assert!(!story.state.carried.autocommit);
    }
}

#[test]
fn a_mode_that_a_replica_set_is_the_one_of_the_text() {
    let escapes = AC | StatusFlags::NO_BACKSLASH_ESCAPES;
    let mut story = Story::new(Flavor::MySql);
    let mode = |value| variable("sql_mode", value);
    let set = "SET sql_mode = 'ANSI'";
    assert_eq!(story.replica(set, escapes, &mode("NO_BACKSLASH_ESCAPES")), Err(FalseReport::Flag));
    assert_eq!(story.replica(set, AC, &mode("NO_BACKSLASH_ESCAPES")), Ok(()));
    assert_eq!(story.set_on_primary(), "sql_mode='ANSI'");
    assert!(story.state.sql_options().ansi_quotes && !story.state.sql_options().no_backslash_escapes);
    let set = "SET sql_mode = 'NO_BACKSLASH_ESCAPES'";
    assert_eq!(story.replica(set, AC, &mode("NO_BACKSLASH_ESCAPES")), Err(FalseReport::Flag));
    assert_eq!(story.replica(set, escapes, &mode("NO_BACKSLASH_ESCAPES")), Ok(()));
    assert!(story.state.sql_options().no_backslash_escapes);
    assert_eq!(story.replica("select 1", escapes, b""), Ok(()));
    assert_eq!(story.replica("select 1", AC, b""), Err(FalseReport::Flag));
}

#[test]
fn a_character_set_is_the_one_of_the_text() {
    let names = |name: &str| {
        let all = ["character_set_client", "character_set_connection", "character_set_results"];
        all.iter().flat_map(|variable_name| variable(variable_name, name)).collect::<Vec<u8>>()
    };
    let mut story = Story::new(Flavor::MySql);
    assert_eq!(story.replica("SET NAMES latin1", AC, &names("gbk")), Err(FalseReport::Variable));
    assert_eq!(story.replica("SET NAMES latin1", AC, b""), Err(FalseReport::Variable), "silence");
    // A part of a word is no name, and the primary would refuse it with the session's next statement.
    for (name, value) in [
        ("character_set_client", "1"),
        ("character_set_client", "latin"),
        ("character_set_results", "names"),
        ("character_set_connection", "latin1_swedish_ci"),
        ("collation_connection", "latin1"),
        ("collation_connection", "1"),
    ] {
        let lies = [names("latin1"), variable(name, value)].concat();
        assert_eq!(
            story.replica("SET NAMES latin1", AC, &lies),
            Err(FalseReport::Variable),
            "{name} {value}"
        );
        let set = "SET NAMES latin1, @x = 1";
        assert_eq!(story.replica(set, AC, &lies), Err(FalseReport::Variable), "{name} {value}");
    }
    assert_eq!(story.replica("SET NAMES latin1", AC, &names("latin1")), Ok(()));
    assert!(story.set_on_primary().contains("NAMES 'latin1'"), "{}", story.set_on_primary());
    assert_eq!(story.replica("SET NAMES utf8", AC, &names("utf8mb3")), Ok(()));
    assert_eq!(story.replica("SET NAMES DEFAULT", AC, &names("gbk")), Err(FalseReport::Variable));
    assert_eq!(story.replica("SET NAMES DEFAULT", AC, &names("utf8mb4")), Ok(()));
    let result =
        story.replica("SET character_set_results = NULL", AC, &variable("character_set_results", ""));
    assert_eq!(result, Ok(()));
}

#[test]
fn a_schema_is_the_one_of_the_text() {
    let mut story = Story::new(Flavor::MySql);
    let schema_of = |story: &Story| story.state.carried.schema.as_deref().map(<[u8]>::to_vec);
    assert_eq!(story.replica("USE `Shop`", AC, &schema("other")), Err(FalseReport::Schema));
    assert_eq!(story.replica("USE `Shop`", AC, &schema("shop")), Ok(()));
    assert_eq!(schema_of(&story).as_deref(), Some(&b"Shop"[..]));
    assert_eq!(story.replica("USE b", AC, b""), Ok(()), "silence");
    assert_eq!(schema_of(&story).as_deref(), Some(&b"b"[..]));
}

#[test]
fn a_text_that_hides_what_runs_carries_nothing_to_a_primary() {
    let call = "CALL p()";
    let mut story = Story::new(Flavor::MySql);
    assert_eq!(story.replica(call, StatusFlags::empty(), b""), Err(FalseReport::Flag));
    assert_eq!(story.replica(call, AC, &schema("b")), Err(FalseReport::Schema));
    assert_eq!(story.replica(call, AC, &variable("sort_buffer_size", "300000")), Ok(()));
    assert_eq!(story.set_on_primary(), "");
    assert!(story.state.pins.on(Role::Replica).has(Pin::Unknown));
    let mut story = Story { port: Port::Replica, ..Story::new(Flavor::MySql) };
    assert_eq!(story.replica("select a from v", AC, b"\x02\x011"), Ok(()));
    assert!(story.state.pins.on(Role::Replica).has(Pin::Unknown));
    let mut story = Story { port: Port::Replica, ..Story::new(Flavor::MySql) };
    assert_eq!(story.replica(call, AC, &variable("sort_buffer_size", "300000")), Ok(()));
    assert_eq!(story.set_on_primary(), "sort_buffer_size=300000");
}

#[test]
fn the_primary_is_believed_but_for_what_a_plain_set_does_not_name() {
    let mut story = Story::new(Flavor::MySql);
    let (mine, other) = (variable("sort_buffer_size", "300000"), variable("max_join_size", "7"));
    story.hears(Role::Primary, "insert into t values (1)", AC, 0, &mine).unwrap();
    assert_eq!(story.set_on_primary(), "sort_buffer_size=300000", "a trigger's");
    story.hears(Role::Primary, "set lc_time_names='de_DE'", AC, 0, &other).unwrap();
    assert!(story.state.pins.on(Role::Primary).has(Pin::Unknown));
    assert!(!story.set_on_primary().contains("max_join_size"));
    // A name that is no variable of the servers, or a value that is no literal everywhere, never becomes a statement.
    for (name, value) in [
        ("sort_buffer_size=1,@x", "7"),
        ("no_such_variable", "7"),
        ("time_zone", "a\\"),
        ("time_zone", "\u{e9}"),
    ] {
        let mut story = Story::new(Flavor::MySql);
        story.hears(Role::Primary, "call p()", AC, 0, &variable(name, value)).unwrap();
        assert_eq!(story.set_on_primary(), "", "{name}");
        assert!(story.state.pins.on(Role::Primary).has(Pin::Variable), "{name}");
    }
}

#[test]
fn only_what_the_text_says_ends_a_transaction_that_reads() {
    let (open, something) = (AC | StatusFlags::IN_TRANS, [2u8, 1, b'1']);
    for text in
        ["SELECT 1", "SELECT @@version", "SELECT @@autocommit, DATABASE()", "SHOW TABLES", "EXPLAIN SELECT 1"]
    {
        let mut story = Story::new(Flavor::MariaDb);
        assert_eq!(story.replica("START TRANSACTION READ ONLY", open, &[]), Ok(()));
        assert_eq!(story.replica(text, AC, &[]), Err(FalseReport::Transaction), "{text}");
        assert_eq!(story.replica(text, open, &[]), Ok(()), "{text}");
    }
    let mut story = Story::new(Flavor::MariaDb);
    assert_eq!(story.replica("START TRANSACTION READ ONLY", open, &[]), Ok(()));
    let access_mode = [variable("tx_read_only", "ON"), something.to_vec()].concat();
    for state in [&something[..], &access_mode] {
        assert_eq!(story.replica("ROLLBACK", AC, state), Err(FalseReport::Unnamed));
        assert_eq!(story.replica("SELECT @@version", open, state), Err(FalseReport::Unnamed));
    }
    assert_eq!(story.replica("ROLLBACK", AC, &[]), Ok(()));
    for text in ["SELECT a FROM t", "SELECT @@version"] {
        assert_eq!(story.replica(text, AC, &access_mode), Err(FalseReport::Unnamed), "{text}");
    }
}
