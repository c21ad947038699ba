//! When the account tables are read, on scripted servers in paused time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use tokio::task::LocalSet;
use tokio::time::sleep;

use super::*;
use crate::config::Config;
use crate::monitor::tests::snapshots::{unseen, with_primary};
use crate::monitor::{Encryption, Greeting};

/// The names of a server's accounts; None: the server answers with error 1142.
type Users = Option<Vec<&'static str>>;

/// What each server answers, and when it was connected to and asked.
#[derive(Clone, Default)]
struct Servers {
    users: Rc<RefCell<HashMap<String, Users>>>,
    connected: Rc<RefCell<Vec<String>>>,
    asked: Rc<RefCell<Vec<Instant>>>,
    /// True if the servers are MySQL's.
    mysql: Rc<Cell<bool>>,
    /// How often the server refused to say who has CONNECTION_ADMIN.
    refusals: Rc<Cell<u32>>,
    /// How long an answer takes.
    slow: Rc<RefCell<Duration>>,
}

struct Link {
    servers: Servers,
    address: String,
    greeting: Greeting,
}

impl Connector for Servers {
    type Connection = Link;

    async fn connect(&self, target: &Target) -> Result<Link, Error> {
        let address = target.address.to_string();
        if !self.users.borrow().contains_key(&address) {
            return Err(Error::Lost("connection refused".to_owned()));
        }
        self.connected.borrow_mut().push(address.clone());
        let greeting = Greeting {
            version: if self.mysql.get() { "8.4.2" } else { "11.4.2-MariaDB" }.into(),
            capabilities: if self.mysql.get() { 1 } else { 1 << 35 },
            collation: 45,
            encryption: Encryption::Plain,
        };
        Ok(Link { servers: self.clone(), address, greeting })
    }
}

impl Connection for Link {
    fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<ResultSet>, Error> {
        if sql.contains("mysql.global_grants") {
            self.servers.refusals.set(self.servers.refusals.get() + 1);
            return Err(Error::Server { code: 1142, message: "SELECT command denied".to_owned() });
        }
        let table = if self.servers.mysql.get() { "mysql.user" } else { "mysql.global_priv" };
        assert!(sql.contains(table) && sql.ends_with("SELECT USER()"), "{sql}");
        self.servers.asked.borrow_mut().push(Instant::now());
        // The answer is that of the moment of the question.
        let users = self.servers.users.borrow().get(&self.address).cloned();
        let slow = *self.servers.slow.borrow();
        sleep(slow).await;
        let users = match users {
            Some(Some(users)) => users,
            Some(None) => {
                return Err(Error::Server { code: 1142, message: "SELECT command denied".to_owned() });
            }
            None => return Err(Error::Lost("the connection was reset".to_owned())),
        };
        let value = |text: &str| Some(text.as_bytes().to_vec());
        let row = |user: &&str| match self.servers.mysql.get() {
            true => ["%", user, "mysql_native_password", "", "N", "N", "", "", "", "N"].map(value).to_vec(),
            false => ["%", user, "{}"].map(value).to_vec(),
        };
        let set = |rows| ResultSet { columns: Vec::new(), rows };
        Ok(vec![set(users.iter().map(row).collect()), set(vec![vec![value("m@10.0.0.9")]])])
    }
}

struct Story {
    servers: Servers,
    live: watch::Sender<Arc<Live>>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    tables: AccountTables,
    began: Instant,
}

const SECOND: Duration = Duration::from_secs(1);

impl Story {
    fn start(sources: &str) -> Self {
        let text = format!(
            "[monitor]\nuser = \"m\"\npassword = \"m\"\n[credentials]\nsources = {sources}\n\
             [[users]]\nname = \"a\"\npassword = \"a\"\n[[discovery.servers]]\nname = \"x\"\naddress = \"x:1\"\n"
        );
        let config = Config::parse(&text, std::path::Path::new("")).unwrap();
        let (live, settings) = watch::channel(Arc::new(config.live));
        let servers = Servers::default();
        let (snapshot, seen) = watch::channel(Arc::new(unseen(&["db-0", "db-1"])));
        let tables = AccountTables::start(servers.clone(), settings, seen);
        Story { servers, live, snapshot, tables, began: Instant::now() }
    }

    fn has(&self, name: &str, users: Users) {
        self.servers.users.borrow_mut().insert(format!("{name}:3306"), users);
    }

    fn primary(&self, name: &str) {
        self.snapshot.send_modify(|snapshot| *snapshot = Arc::new(with_primary(snapshot, name)));
    }

    /// Lets time pass. Returns after how many milliseconds the tables were read.
    async fn pass(&mut self, time: Duration) -> Vec<u128> {
        sleep(time).await;
        let asked = std::mem::take(&mut *self.servers.asked.borrow_mut());
        let began = std::mem::replace(&mut self.began, Instant::now());
        asked.into_iter().map(|at| (at - began).as_millis()).collect()
    }

    fn known(&self) -> Option<usize> {
        self.tables.current.borrow().known()
    }
}

#[tokio::test(start_paused = true)]
async fn every_two_seconds_over_one_connection_to_the_primary() {
    LocalSet::new()
        .run_until(async {
            let mut s = Story::start("[\"accounts\"]");
            s.has("db-0", Some(vec!["app"]));
            s.has("db-1", Some(vec!["app", "late"]));
            assert!(s.pass(SECOND).await.is_empty() && s.known().is_none(), "there is no primary yet");
            s.primary("db-0");
            assert_eq!(s.pass(SECOND * 5).await, [0, 2000, 4000]);
            assert_eq!((s.known(), s.servers.connected.borrow().len()), (Some(1), 1));
            s.primary("db-1");
            s.pass(SECOND).await;
            assert_eq!((s.known(), s.servers.connected.borrow().len()), (Some(2), 2));
            // Without a receiver the task ends.
            let Story { tables, servers, .. } = s;
            drop(tables);
            sleep(SECOND * 3).await;
            servers.asked.borrow_mut().clear();
            sleep(SECOND * 10).await;
            assert!(servers.asked.borrow().is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn after_a_wrong_password_but_once_a_second_at_most() {
    LocalSet::new()
        .run_until(async {
            let mut s = Story::start("[\"accounts\"]");
            s.has("db-0", Some(vec![]));
            s.primary("db-0");
            s.pass(SECOND * 3).await;
            s.has("db-0", Some(vec!["app"]));
            s.tables.doubted();
            assert_eq!(s.pass(SECOND / 10).await, [0], "the last read is a second ago");
            assert_eq!(s.known(), Some(1));
            for _ in 0..100 {
                s.tables.doubted();
                sleep(SECOND / 100).await;
            }
            let asked = s.pass(SECOND).await;
            assert!((1..=2).contains(&asked.len()), "{asked:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_read_counts_while_the_primary_is_gone_and_not_when_it_refuses() {
    LocalSet::new()
        .run_until(async {
            let mut s = Story::start("[\"accounts\"]");
            s.has("db-0", Some(vec!["app"]));
            s.primary("db-0");
            s.pass(SECOND).await;
            s.servers.users.borrow_mut().clear();
            s.pass(SECOND * 60).await;
            assert_eq!(s.known(), Some(1));
            s.has("db-0", None);
            s.pass(SECOND * 3).await;
            assert_eq!(s.known(), None);
            let refused = s.pass(SECOND * 60).await;
            assert!(refused.len() <= 2, "{refused:?}");
            // Somebody grants the privilege, and somebody tries again.
            s.has("db-0", Some(vec!["app"]));
            s.tables.doubted();
            s.pass(SECOND).await;
            assert_eq!(s.known(), Some(1));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_under_way_is_not_the_one_to_wait_for() {
    LocalSet::new()
        .run_until(async {
            let mut s = Story::start("[\"accounts\"]");
            *s.servers.slow.borrow_mut() = SECOND / 2;
            s.has("db-0", Some(vec![]));
            s.primary("db-0");
            s.pass(SECOND / 4).await;
            let reading = s.tables.current.borrow().clone();
            assert_eq!((reading.begun.load(SeqCst), reading.ended), (1, 0));
            s.pass(SECOND / 2).await;
            let reading = s.tables.current.borrow().clone();
            assert_eq!((reading.begun.load(SeqCst), reading.ended), (1, 1));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn only_if_they_are_a_source() {
    LocalSet::new()
        .run_until(async {
            let mut s = Story::start("[\"configuration\"]");
            s.has("db-0", Some(vec!["app"]));
            s.primary("db-0");
            s.tables.doubted();
            assert!(s.pass(SECOND * 10).await.is_empty());
            s.live.send_modify(|live| {
                let mut now = (**live).clone();
                now.credentials.sources.push(CredentialSource::Accounts);
                *live = Arc::new(now);
            });
            assert!(!s.pass(SECOND).await.is_empty());
            assert_eq!(s.known(), Some(1));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_name_its_admins_is_asked_seldom() {
    LocalSet::new()
        .run_until(async {
            let mut s = Story::start("[\"accounts\"]");
            s.servers.mysql.set(true);
            s.has("db-0", Some(vec!["app"]));
            s.primary("db-0");
            s.pass(SECOND * 29).await;
            assert_eq!((s.known(), s.servers.refusals.get()), (Some(1), 1));
            s.pass(SECOND * 4).await;
            assert_eq!((s.servers.connected.borrow().len(), s.servers.refusals.get()), (1, 2));
        })
        .await;
}
