//! Which of several replicas a session reads from, by what the replicas have to do.

use super::split::READ;
use super::*;
use crate::config::Level;
use crate::terms::Port;

/// A session that has read once, from the replica `db-1`, since `db-2` has a statement under way.
struct OnReplica {
    world: World,
    client: Client,
    db: Db,
}

async fn on_replica() -> OnReplica {
    let world = World::with(Settings { level: Level::Eventual, ..Settings::default() });
    world.context.count_in(world.id("db-2"));
    let mut client = world.login(&Login { port: Port::Split, ..Login::default() }).await;
    client.query(READ);
    let mut db = world.server("db-1").accept().await;
    db.expect_read_only_set("").await;
    db.answer_one(READ).await;
    client.expect(&one()).await;
    OnReplica { world, client, db }
}

impl OnReplica {
    /// So many statements of other sessions begin on this replica.
    fn begin(&self, name: &str, statements: usize) {
        (0..statements).for_each(|_| self.world.context.count_in(self.world.id(name)));
    }

    /// So many reads run on the replica of before.
    async fn stays(&mut self, reads: usize) {
        for _ in 0..reads {
            self.client.reads_on(&mut self.db, READ).await;
        }
    }
}

#[test]
fn a_session_leaves_a_busy_replica_only_for_one_that_has_much_less_to_do() {
    play(async {
        let mut story = on_replica().await;
        // Each eighth read looks at the other replica, which has fewer statements under way, but not by a quarter.
        story.begin("db-1", 50);
        story.begin("db-2", 39);
        story.stays(30).await;
        // Now the session's replica has over a quarter more. The session looks at the first of these reads, and at the
        // read after them: the second look moves it.
        story.begin("db-1", 10);
        story.stays(8).await;
        story.client.query(READ);
        let mut db2 = story.world.server("db-2").accept().await;
        db2.expect_read_only_set("").await;
        db2.answer_one(READ).await;
        story.client.expect(&one()).await;
    });
}

#[test]
fn a_session_stays_with_its_replica_if_the_other_one_was_idle_for_a_moment() {
    play(async {
        let mut story = on_replica().await;
        story.begin("db-1", 50);
        story.stays(8).await;
        story.begin("db-2", 49);
        // More than 255 reads, after which a session on an idle replica chooses anew.
        story.stays(300).await;
    });
}
