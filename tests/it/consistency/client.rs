//! What one session says, and how it records what it is told.

use super::history::{Act, NEVER, Op, Told, Via};
use super::load::{Log, PATIENCE, Role, Shared, is_counter};
use crate::support::{self, Chance};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// One client.
pub struct Session {
    via: Via,
    role: Role,
    insert_ids: bool,
    shared: Arc<Shared>,
    chance: Chance,
    /// Of the connection of now.
    number: u32,
    port: u16,
    conn: Option<Conn>,
    log: Log,
}

impl Session {
    /// `insert_ids`: its increments tell their value as an insert id, else in a transaction.
    pub fn new(via: Via, role: Role, insert_ids: bool, shared: Arc<Shared>, chance: Chance) -> Self {
        Session { via, role, insert_ids, shared, chance, number: 0, port: 0, conn: None, log: Log::default() }
    }

    pub async fn run(mut self) -> Log {
        while !self.shared.over.load(SeqCst) {
            if self.conn.is_none() && !self.log_in().await {
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            let rests = self.shared.rests();
            match self.role {
                Role::Writer if !rests && self.chance.below(10) < 6 => self.write_and_read().await,
                Role::Mixed if !rests && self.chance.below(10) < 2 => self.write_and_read().await,
                Role::Prompt => self.read_promptly().await,
                _ if self.via == Via::Direct && !rests => self.write_and_read().await,
                _ if self.via == Via::Direct => {}
                _ => {
                    let key = if self.chance.below(2) == 0 { self.newest() } else { self.any() };
                    self.read(key).await;
                }
            }
            if self.via == Via::Direct {
                sleep(Duration::from_millis(self.chance.below(8) as u64)).await;
            }
        }
        self.log
    }

    async fn log_in(&mut self) -> bool {
        let port = match self.via {
            Via::Proxy(number) => self.shared.ports.proxies[number],
            Via::Direct => *self.shared.ports.primary.borrow(),
        };
        match timeout(PATIENCE, support::connect(port, "app", "app", "test")).await {
            Ok(Ok(conn)) => {
                self.number = self.shared.sessions.fetch_add(1, SeqCst);
                self.port = port;
                self.conn = Some(conn);
                true
            }
            Ok(Err(error)) => {
                self.count("login", &text(&error));
                false
            }
            Err(_) => {
                self.count("login", "no answer");
                false
            }
        }
    }

    fn any(&mut self) -> u32 {
        self.shared.keys[self.chance.below(self.shared.keys.len())]
    }

    fn newest(&self) -> u32 {
        *self.shared.newest.borrow()
    }

    async fn read_promptly(&mut self) {
        let mut newest = self.shared.newest.subscribe();
        let _ = timeout(Duration::from_millis(100), newest.changed()).await;
        let key = self.newest();
        self.read(key).await;
    }

    async fn write_and_read(&mut self) {
        let key = self.any();
        if self.write(key).await && self.via != Via::Direct && self.chance.below(2) == 0 {
            self.read(key).await;
        }
    }

    /// True: acknowledged.
    async fn write(&mut self, key: u32) -> bool {
        let register = (!is_counter(key)).then(|| self.shared.values.fetch_add(1, SeqCst));
        let way = match self.via {
            Via::Direct => 0,
            // An insert id binds a session to its server: not everybody has one.
            _ if register.is_none() && !self.insert_ids => 3,
            _ => self.chance.below(4),
        };
        let conn = self.conn.as_mut().expect("logged in");
        // Where a transaction has not said COMMIT, nothing came of it.
        let mut undone = way == 3;
        let start = self.shared.now();
        let limit = limit(self.via, self.port, self.shared.ports.primary.clone());
        let done = tokio::select! {
            done = update(conn, key, register, way, &mut undone) => Ok(done),
            why = limit => Err(why),
        };
        let end = self.shared.now();
        let (told, error) = match &done {
            Ok(Ok(_)) => (Told::Done, None),
            Ok(Err(error)) => (if undone { Told::Refused } else { outcome(error) }, Some(text(error))),
            Err(why) => (if undone { Told::Refused } else { Told::Unknown }, Some((*why).to_owned())),
        };
        let act = match (register, &done) {
            (Some(value), _) => Act::Write(value),
            (None, Ok(Ok(value))) => Act::Add(*value),
            (None, _) => Act::Add(None),
        };
        let end = if told == Told::Unknown { NEVER } else { end };
        let (session, via) = (self.number, self.via);
        let how = ["text", "text", "prepared", "transaction"][way];
        self.log.ops.push(Op { session, via, key, start, end, act, told, how });
        if told == Told::Done {
            self.shared.newest.send_replace(key);
        }
        if let Some(error) = error {
            self.count("write", &error);
            let answered = matches!(done, Ok(Err(Error::Server(_))));
            self.after_error(answered).await;
        }
        told == Told::Done
    }

    async fn read(&mut self, key: u32) {
        let other = self.any();
        let way = self.chance.below(8);
        let think = if self.chance.below(4) == 0 { self.chance.below(20) } else { 0 };
        let conn = self.conn.as_mut().expect("logged in");
        let (mut answers, shared) = (Vec::new(), self.shared.clone());
        let reading = async {
            let start = shared.now();
            match way {
                0..4 => {
                    let text = format!("SELECT v FROM cells WHERE k = {key}");
                    answers.push((key, start, conn.query_first(text).await?, shared.now()));
                }
                4..6 => {
                    let value = conn.exec_first("SELECT v FROM cells WHERE k = ?", (key,)).await?;
                    answers.push((key, start, value, shared.now()));
                }
                _ => {
                    // What it sees is of its beginning, or later.
                    let options = if way == 6 { "READ ONLY" } else { "WITH CONSISTENT SNAPSHOT, READ ONLY" };
                    conn.query_drop(format!("START TRANSACTION {options}")).await?;
                    sleep(Duration::from_millis(think as u64)).await;
                    for key in [key, other] {
                        let text = format!("SELECT v FROM cells WHERE k = {key}");
                        answers.push((key, start, conn.query_first(text).await?, shared.now()));
                    }
                    conn.query_drop("COMMIT").await?;
                }
            }
            Ok::<_, Error>(())
        };
        let done = timeout(PATIENCE, reading).await;
        let how = match way {
            0..4 => "text",
            4..6 => "prepared",
            6 => "transaction",
            _ => "snapshot",
        };
        for (key, start, value, end) in answers {
            let value = value.unwrap_or(super::registers::NOTHING);
            let act = if is_counter(key) { Act::Get(value) } else { Act::Read(value) };
            let (session, via) = (self.number, self.via);
            self.log.ops.push(Op { session, via, key, start, end, act, told: Told::Done, how });
            self.shared.reads.fetch_add(1, SeqCst);
        }
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                // A transaction may be rolled back where a statement alone may not.
                let what = if way < 6 { "read" } else { "transaction of reads" };
                self.count(what, &text(&error));
                self.after_error(matches!(error, Error::Server(_))).await;
            }
            Err(_) => {
                self.count("read", "no answer");
                self.conn = None;
            }
        }
    }

    fn count(&mut self, what: &str, error: &str) {
        let via = self.via;
        *self.log.errors.entry(format!("{what} via {via:?}: {error}")).or_default() += 1;
    }

    /// What is left of a transaction ends. The primary of before is left.
    async fn after_error(&mut self, answered: bool) {
        let usable = answered && self.via != Via::Direct;
        let Some(mut conn) = self.conn.take().filter(|_| usable) else {
            return sleep(Duration::from_millis(5)).await;
        };
        if let Ok(Ok(())) = timeout(PATIENCE, conn.query_drop("ROLLBACK")).await {
            self.conn = Some(conn);
        }
    }
}

/// When an answer is not waited for any longer, and why: who goes past the proxies hears of another primary, and the
/// former one may never answer.
async fn limit(via: Via, port: u16, mut primary: watch::Receiver<u16>) -> &'static str {
    let changed = async {
        match via {
            Via::Direct => drop(primary.wait_for(|now| *now != port).await),
            Via::Proxy(_) => std::future::pending().await,
        }
    };
    match timeout(PATIENCE, changed).await {
        Ok(()) => "another primary",
        Err(_) => "no answer",
    }
}

/// The counter's value afterwards. `undone` becomes false with COMMIT.
async fn update(
    conn: &mut Conn,
    key: u32,
    register: Option<u64>,
    way: usize,
    undone: &mut bool,
) -> Result<Option<u64>, Error> {
    let value = match (register, way) {
        (Some(value), _) => value.to_string(),
        (None, 3) => "v + 1".to_owned(),
        (None, _) => "LAST_INSERT_ID(v + 1)".to_owned(),
    };
    if way == 3 {
        conn.query_drop("BEGIN").await?;
    }
    match (register, way) {
        (Some(value), 2) => conn.exec_drop("UPDATE cells SET v = ? WHERE k = ?", (value, key)).await?,
        (None, 2) => conn.exec_drop("UPDATE cells SET v = LAST_INSERT_ID(v + 1) WHERE k = ?", (key,)).await?,
        _ => conn.query_drop(format!("UPDATE cells SET v = {value} WHERE k = {key}")).await?,
    }
    assert_eq!(conn.affected_rows(), 1, "key {key} is not on this server");
    let mut told = conn.last_insert_id().filter(|_| register.is_none());
    if way == 3 {
        if register.is_none() {
            told = conn.query_first(format!("SELECT v FROM cells WHERE k = {key}")).await?;
        }
        *undone = false;
        conn.query_drop("COMMIT").await?;
    }
    Ok(told)
}

fn outcome(error: &Error) -> Told {
    match error {
        Error::Server(error) => match (error.code, &*error.state) {
            (_, "08007") => Told::Unknown,
            // Rolled back, a lock that took too long, read-only.
            (1213 | 1205 | 1290 | 1792 | 1836, _) => Told::Refused,
            _ => Told::Unknown,
        },
        _ => Told::Unknown,
    }
}

fn text(error: &Error) -> String {
    match error {
        Error::Server(error) => format!("{} ({}): {}", error.code, error.state, error.message),
        Error::Io(_) => "connection lost".into(),
        other => other.to_string(),
    }
}
