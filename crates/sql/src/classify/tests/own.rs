//! The proxy's own variable, and the comments about levels, in classes and in their cache.

use super::*;

#[test]
fn what_may_be_about_the_proxys_variable_is_marked() {
    let own = E::REPEATABLE | E::MAY_BE_OWN;
    all(
        K::Session,
        R::SessionState,
        E::SETS_STATE | E::MAY_BE_OWN,
        &[
            "SET pointsman_consistency = 'session'",
            "SET @@session.`pointsman_consistency` = DEFAULT",
            "SET autocommit_ = 1, Pointsman_Consistency = 1",
        ],
    );
    all(K::Admin, R::SystemVariable, own, &["SELECT @@pointsman_consistency"]);
    let shows = ["SHOW VARIABLES", "SHOW VARIABLES LIKE 'x'", "SHOW GLOBAL VARIABLES LIKE 'pointsman%'"];
    all(K::Admin, R::OneServer, own | E::READS_ACCESS_MODE, &shows);
    reads(&["SELECT 'pointsman_consistency'", "SELECT pointsman_other FROM t"]);
}

#[test]
fn levels_in_comments() {
    for (word, effect) in [
        ("strong", E::HINT_STRONG),
        ("session", E::HINT_SESSION),
        ("bounded", E::HINT_BOUNDED),
        ("eventual", E::HINT_EVENTUAL),
    ] {
        let sql = format!("SELECT a /* pointsman: consistency={word} */ FROM t");
        all(K::Read, R::PlainRead, E::REPEATABLE | effect, &[&sql]);
    }
    let both = "/* pointsman: primary */ /* pointsman: consistency=bounded */ SELECT 1";
    all(K::Read, R::Hint, E::REPEATABLE | E::HINT_PRIMARY | E::HINT_BOUNDED, &[both]);
    reads(&["/* pointsman: consistency=none */ SELECT 1"]);
}

#[test]
fn texts_that_differ_in_their_comment_alone_are_kept_apart() {
    let mut cache = ClassCache::new();
    for (comment, effect) in [
        ("/* a comment */", E::empty()),
        ("/* pointsman: consistency=session */", E::HINT_SESSION),
        ("/* pointsman: consistency=bounded */", E::HINT_BOUNDED),
        ("/* another */", E::empty()),
        ("/* pointsman: consistency=session */", E::HINT_SESSION),
    ] {
        let sql = format!("{comment} SELECT a FROM t WHERE b = 1");
        let class = cache.classify(sql.as_bytes(), Options::default(), &());
        assert_eq!(class.effects & E::HINT_LEVELS, effect, "{sql}");
    }
    assert_eq!(cache.len(), 3, "the two plain comments have one shape");
}

const WORDS: [&str; 20] = [
    "SET",
    "SELECT",
    "SHOW",
    "SESSION",
    "GLOBAL",
    "VARIABLES",
    "LIKE",
    "WHERE",
    "Variable_name",
    "'pointsman%'",
    "pointsman_consistency",
    "`pointsman_consistency`",
    "@@",
    "@@session.",
    "=",
    ",",
    ";",
    "'strong'",
    "/*!50000",
    "*/",
];

proptest::proptest! {
    /// A text is only looked at if its class says so.
    #[test]
    fn what_the_proxy_answers_itself_is_marked(
        words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..9),
    ) {
        let sql = words.join(" ").replace("@@ ", "@@").replace("@@session. ", "@@session.");
        let own = crate::proxy_variable::parse(sql.as_bytes(), Options::default());
        let marked = class(&sql).effects.contains(E::MAY_BE_OWN);
        proptest::prop_assert!(marked || own.is_none(), "{}: {:?}", sql, own);
    }
}
