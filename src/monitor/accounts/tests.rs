//! Which accounts are asked and when, on scripted servers in paused time.

use std::cell::RefCell;

use tokio::task::LocalSet;

use super::*;
use crate::config::Config;
use crate::monitor::tests::snapshots::{unseen, with_primary};
use crate::monitor::{Encryption, Greeting, ResultSet};

/// Scripted servers: one privilege of each account, `None` if its login is refused; and who logged in where,
/// after how many seconds.
#[derive(Clone)]
struct Servers {
    grants: Rc<RefCell<HashMap<&'static str, Option<&'static str>>>>,
    asked: Rc<RefCell<Vec<String>>>,
    away: Rc<RefCell<bool>>,
    began: Instant,
}

struct Link {
    greeting: Greeting,
    grants: &'static str,
}

impl Connector for Servers {
    type Connection = Link;

    async fn connect(&self, target: &Target) -> Result<Link, Error> {
        let after = self.began.elapsed().as_secs();
        self.asked.borrow_mut().push(format!("{}@{} {after}", target.user, target.name));
        if *self.away.borrow() {
            return Err(Error::Lost("connection refused".to_owned()));
        }
        let denied = Error::Server { code: 1045, message: "Access denied".to_owned() };
        let grants = self.grants.borrow().get(&*target.user).copied().flatten().ok_or(denied)?;
        let greeting = Greeting {
            version: "11.4.2-MariaDB".into(),
            capabilities: 1 << 35,
            collation: 45,
            encryption: Encryption::Plain,
        };
        Ok(Link { greeting, grants })
    }
}

impl Connection for Link {
    fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<ResultSet>, Error> {
        assert_eq!(sql, "SHOW GRANTS");
        let line = format!("GRANT {} ON *.* TO `x`@`%`", self.grants);
        Ok(vec![ResultSet { columns: Vec::new(), rows: vec![vec![Some(line.into_bytes())]] }])
    }
}

struct Story {
    servers: Servers,
    live: watch::Sender<Arc<Live>>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    passing: watch::Receiver<PassingAccounts>,
}

fn live(users: &[(&str, &str)]) -> Arc<Live> {
    let mut text = "[monitor]\nuser = \"m\"\npassword = \"m\"\n\
                    [[discovery.servers]]\nname = \"x\"\naddress = \"x:1\"\n"
        .to_owned();
    for (name, password) in users {
        text += &format!("[[users]]\nname = \"{name}\"\npassword = \"{password}\"\n");
    }
    Arc::new(Config::parse(&text, std::path::Path::new("")).unwrap().live)
}

impl Story {
    fn of(servers: &[&str]) -> Self {
        let grants = [("app", Some("SELECT")), ("boss", Some("READ_ONLY ADMIN")), ("late", None)];
        let servers_seen = Servers {
            grants: Rc::new(RefCell::new(grants.into())),
            asked: Rc::default(),
            away: Rc::default(),
            began: Instant::now(),
        };
        let (live, live_seen) = watch::channel(live(&[("app", "a"), ("boss", "a"), ("late", "a")]));
        let (snapshot, seen) = watch::channel(Arc::new(unseen(servers)));
        let passing = passing_accounts(servers_seen.clone(), live_seen, seen);
        Story { servers: servers_seen, live, snapshot, passing }
    }

    fn primary(&self, name: &str) {
        self.snapshot.send_modify(|snapshot| *snapshot = Arc::new(with_primary(snapshot, name)));
    }

    /// Lets time pass. Returns the logins of that time.
    async fn pass(&self, seconds: u64) -> String {
        sleep(Duration::from_secs(seconds)).await;
        std::mem::take(&mut *self.servers.asked.borrow_mut()).join(", ")
    }

    fn passing(&self) -> Vec<String> {
        self.passing.borrow().iter().map(|user| user.to_string()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn each_primary_is_asked_for_each_account_and_again_after_a_while() {
    LocalSet::new()
        .run_until(async {
            let story = Story::of(&["db-0", "db-1"]);
            assert_eq!(story.pass(9).await, "", "there is no primary yet");
            story.primary("db-0");
            assert_eq!(story.pass(591).await, "app@db-0 9, boss@db-0 9, late@db-0 9");
            assert_eq!(story.passing(), ["boss"]);
            // A refused login is not tried again soon.
            assert_eq!(story.pass(600).await, "app@db-0 609, boss@db-0 609");
            story.servers.grants.borrow_mut().insert("boss", Some("SELECT"));
            story.primary("db-1");
            assert_eq!(story.pass(1).await, "app@db-1 1200, boss@db-1 1200, late@db-1 1200");
            assert!(story.passing().is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn changed_accounts_are_asked_at_once_and_the_others_are_not() {
    LocalSet::new()
        .run_until(async {
            let story = Story::of(&["db-0", "db-1"]);
            story.primary("db-0");
            story.pass(10).await;
            story.servers.grants.borrow_mut().insert("late", Some("ALL PRIVILEGES"));
            story.live.send_replace(live(&[("app", "a"), ("late", "another")]));
            assert_eq!(story.pass(10).await, "late@db-0 10");
            assert_eq!(story.passing(), ["late"], "boss is gone");
            story.live.send_replace(live(&[("app", "a"), ("late", "another")]));
            assert_eq!(story.pass(10).await, "", "nothing that matters here changed");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_away_is_asked_again_and_one_server_alone_never() {
    LocalSet::new()
        .run_until(async {
            let story = Story::of(&["db-0", "db-1"]);
            story.servers.away.replace(true);
            story.primary("db-0");
            assert_eq!(story.pass(4).await, "app@db-0 0");
            story.servers.away.replace(false);
            assert_eq!(story.pass(4).await, "app@db-0 5, boss@db-0 5, late@db-0 5");
            let Story { servers, passing, .. } = story;
            drop(passing);
            servers.asked.borrow_mut().clear();
            sleep(PERIOD * 2).await;
            assert!(servers.asked.borrow().is_empty(), "nobody wants to know");

            let alone = Story::of(&["db-0"]);
            alone.primary("db-0");
            assert_eq!(alone.pass(1000).await, "");
        })
        .await;
}
