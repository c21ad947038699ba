//! What the catalogue of routines and relations learns from statements that change definitions.

use super::commands::attached;
use super::*;

#[test]
fn what_changes_a_definition_makes_the_catalogue_outdated() {
    play(async {
        let world = World::new();
        let (mut client, _, mut db0) = attached(&world, &Login::default()).await;
        let moment = || world.context.texts.routines.borrow().changes().now();
        for (sql, changes) in [
            ("CREATE VIEW v AS SELECT 1", true),
            ("DROP FUNCTION f", true),
            ("ALTER TABLE t ADD b INT AS (@x := a)", true),
            ("CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @x = 1", true),
            ("CREATE FUNCTION f RETURNS INT SONAME 'f.so'", true),
            ("RENAME TABLE a TO b", true),
            ("INSTALL COMPONENT 'file://c'", true),
            ("TRUNCATE t", false),
            ("CREATE TEMPORARY TABLE t (a INT)", false),
            ("INSERT INTO t VALUES (1)", false),
        ] {
            let (before, asked) = (moment(), world.outside.routines_changed.get());
            client.runs_on(&mut db0, sql).await;
            assert_eq!(moment() != before, changes, "{sql}");
            assert_eq!(world.outside.routines_changed.get() - asked, u32::from(changes), "{sql}");
        }
        // What failed has changed nothing, unless an earlier statement of the text did.
        let before = moment();
        client.query("CREATE VIEW v AS SELECT 1");
        db0.expect_query("CREATE VIEW v AS SELECT 1").await;
        db0.reply(&[err(1142, "42000", "CREATE VIEW command denied")]);
        client.expect_err(1142, "42000").await;
        assert_eq!(moment(), before);
        client.quit();
    });
}
