//! When the routines are read, on scripted servers in paused time.

use std::cell::RefCell;
use std::collections::HashMap;

use tokio::task::LocalSet;
use tokio::time::sleep;

use super::*;
use crate::config::Config;
use crate::monitor::tests::snapshots::{unseen, with_primary};
use crate::monitor::{Encryption, Greeting, ResultSet, Target};
use crate::sql::{RoutineFacts, Routines as _};

/// The names of a server's functions; None: the server answers with error 1142.
type Functions = Option<Vec<&'static str>>;

/// What each server answers, and when it was asked.
#[derive(Clone, Default)]
struct RoutineServers {
    functions: Rc<RefCell<HashMap<String, Functions>>>,
    asked: Rc<RefCell<Vec<(String, Instant)>>>,
    connects: Rc<RefCell<Vec<(String, Instant)>>>,
    /// The functions that the servers do not have.
    lacks: Rc<RefCell<Vec<String>>>,
    /// The number of connections that ended without COM_QUIT.
    vanished: Rc<RefCell<u32>>,
}

struct Link {
    servers: RoutineServers,
    address: String,
    greeting: Greeting,
    polite: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        *self.servers.vanished.borrow_mut() += u32::from(!self.polite);
    }
}

impl Connector for RoutineServers {
    type Connection = Link;

    async fn connect(&self, target: &Target) -> Result<Link, Error> {
        let address = target.address.to_string();
        self.connects.borrow_mut().push((address.clone(), Instant::now()));
        if !self.functions.borrow().contains_key(&address) {
            return Err(Error::Lost("connection refused".to_owned()));
        }
        let greeting = Greeting {
            version: "11.4.2-MariaDB".into(),
            capabilities: 1 << 35,
            collation: 45,
            encryption: Encryption::Plain,
        };
        Ok(Link { servers: self.clone(), address, greeting, polite: false })
    }
}

impl Connection for Link {
    fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<ResultSet>, Error> {
        if let Some((name, _)) = sql.strip_prefix("DO ").and_then(|rest| rest.split_once('(')) {
            let unknown = self.servers.lacks.borrow().contains(&name.to_owned());
            let (code, name) = if unknown { (1305, name) } else { (1583, "x") };
            return Err(Error::Server { code, message: format!("about {name}") });
        }
        if sql.contains("SHOW GRANTS") {
            self.servers.asked.borrow_mut().push((self.address.clone(), Instant::now()));
        }
        let all = sql.contains("mysql.proc");
        let functions = self.servers.functions.borrow()[&self.address].clone();
        let denied = Error::Server { code: 1142, message: "SELECT command denied".to_owned() };
        let names = match functions {
            Some(names) => names,
            None if all => return Err(denied),
            None => vec![],
        };
        let value = |text: &str| Some(text.as_bytes().to_vec());
        let row = |name: &&str| ["s", name, "FUNCTION", "NO SQL", "", "SQL", "RETURN 1"].map(value).to_vec();
        Ok(vec![ResultSet { columns: Vec::new(), rows: names.iter().map(row).collect() }])
    }

    async fn quit(mut self) {
        self.polite = true;
    }
}

struct Story {
    servers: RoutineServers,
    snapshot: watch::Sender<Arc<Snapshot>>,
    routines: Routines,
    began: Instant,
}

impl Story {
    fn start() -> Self {
        let text = "[monitor]\nuser = \"m\"\npassword = \"m\"\n[[users]]\nname = \"a\"\npassword = \"a\"\n\
                    [[discovery.servers]]\nname = \"x\"\naddress = \"x:1\"\n";
        let config = Config::parse(text, std::path::Path::new("")).unwrap();
        // The sender may be dropped: the settings stay.
        let live = watch::channel(Arc::new(config.live)).1;
        let servers = RoutineServers::default();
        let (snapshot, seen) = watch::channel(Arc::new(unseen(&["db-0", "db-1"])));
        let routines = Routines::start(servers.clone(), live, seen);
        Story { servers, snapshot, routines, began: Instant::now() }
    }

    fn has(&self, name: &str, functions: Functions) {
        self.servers.functions.borrow_mut().insert(format!("{name}:3306"), functions);
    }

    /// Makes the probes find this server writable and the other one read-only.
    fn primary(&self, name: &str) {
        self.snapshot.send_modify(|snapshot| *snapshot = Arc::new(with_primary(snapshot, name)));
    }

    /// Lets time pass. Returns which servers were asked, and after how many milliseconds.
    async fn pass(&mut self, time: Duration) -> Vec<(String, u128)> {
        sleep(time).await;
        let asked = std::mem::take(&mut *self.servers.asked.borrow_mut());
        let began = std::mem::replace(&mut self.began, Instant::now());
        let name = |address: String| address.trim_end_matches(":3306").to_owned();
        asked.into_iter().map(|(address, at)| (name(address), (at - began).as_millis())).collect()
    }

    fn knows(&self, name: &str) -> bool {
        let current = self.routines.current.borrow().clone();
        current.function(Some(b"s"), name.as_bytes()) == RoutineFacts::ReadsOnly
    }
}

fn at(name: &str, ms: u128) -> (String, u128) {
    (name.to_owned(), ms)
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn at_start_every_minute_and_from_a_new_primary() {
    LocalSet::new()
        .run_until(async {
            let mut s = Story::start();
            s.has("db-0", Some(vec!["f"]));
            s.has("db-1", Some(vec!["f", "g"]));
            assert_eq!(s.pass(SECOND).await, [], "there is no primary yet");
            s.primary("db-0");
            assert_eq!(s.pass(SECOND * 130).await, [at("db-0", 0), at("db-0", 60_000), at("db-0", 120_000)]);
            assert!(s.knows("f") && !s.knows("g"));
            let version = s.routines.current.borrow().version();
            assert_eq!(s.pass(SECOND * 60).await, [at("db-0", 50_000)]);
            assert_eq!(s.routines.current.borrow().version(), version, "the same again is nothing new");
            s.primary("db-1");
            assert_eq!(s.pass(SECOND).await, [at("db-1", 0)]);
            assert!(s.knows("g"));
            assert_eq!(*s.servers.vanished.borrow(), 0);
            // Without a receiver the task ends.
            let Story { routines, servers, .. } = s;
            drop(routines);
            servers.asked.borrow_mut().clear();
            sleep(SECOND * 200).await;
            assert!(servers.asked.borrow().is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn on_demand_but_not_in_a_storm() {
    LocalSet::new()
        .run_until(async {
            let mut s = Story::start();
            s.has("db-0", Some(vec![]));
            s.primary("db-0");
            s.pass(SECOND * 10).await;
            s.has("db-0", Some(vec!["f"]));
            s.routines.changed();
            assert_eq!(s.pass(SECOND / 10).await, [at("db-0", 0)], "at once");
            assert!(s.knows("f"));
            for _ in 0..100 {
                s.routines.changed();
                sleep(SECOND / 100).await;
            }
            let asked = s.pass(SECOND * 3).await;
            assert!(asked.len() <= 3, "{asked:?}");
            assert!(!asked.is_empty(), "the last change is not missed");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_tried_again_and_what_was_read_stays() {
    LocalSet::new()
        .run_until(async {
            let mut s = Story::start();
            s.primary("db-0");
            s.pass(SECOND * 11).await;
            let connects = s.servers.connects.borrow().clone();
            let mut at: Vec<_> = connects.iter().filter(|(address, _)| address.starts_with("db-0")).collect();
            at.dedup();
            let at: Vec<u64> = at.iter().map(|(_, at)| (*at - connects[0].1).as_secs()).collect();
            assert_eq!(at, [0, 5, 10]);
            s.has("db-0", Some(vec!["f"]));
            s.pass(SECOND * 5).await;
            assert!(s.knows("f") && s.routines.current.borrow().is_complete());
            s.servers.functions.borrow_mut().clear();
            s.pass(SECOND * 120).await;
            assert!(s.knows("f"));
            // The privilege is revoked.
            s.has("db-0", None);
            s.pass(SECOND * 10).await;
            assert!(!s.knows("f") && !s.routines.current.borrow().is_complete());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn servers_are_asked_for_their_functions_once_and_again_after_they_were_down() {
    LocalSet::new()
        .run_until(async {
            use crate::sql::Native;
            let mut s = Story::start();
            s.has("db-0", Some(vec![]));
            s.has("db-1", Some(vec![]));
            s.primary("db-0");
            s.pass(SECOND).await;
            let native = |s: &Story| s.routines.current.borrow().native(b"acos");
            assert_eq!(native(&s), Native::Everywhere);
            // Nobody is asked again.
            s.servers.lacks.borrow_mut().push("acos".to_owned());
            s.pass(SECOND * 200).await;
            assert_eq!(native(&s), Native::Everywhere);
            s.snapshot.send_modify(|snapshot| {
                let mut next = Snapshot::clone(snapshot);
                for server in Arc::make_mut(&mut next.servers) {
                    Arc::make_mut(server).health = crate::topology::Health::Down;
                }
                *snapshot = Arc::new(next);
            });
            s.pass(SECOND).await;
            s.primary("db-0");
            s.pass(SECOND).await;
            assert_eq!(native(&s), Native::Nowhere);
        })
        .await;
}
