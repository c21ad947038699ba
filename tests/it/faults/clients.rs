//! A hundred sessions that write, read and wait, and keep books of what they were told.

use super::book::{Book, Class, Entry, Told};
use crate::support::{self, Chance};
use mysql_async::prelude::{Query, Queryable, WithParams};
use mysql_async::{BinaryProtocol, Conn, Error, QueryResult, Row};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// How many of each.
const CLASSES: [(Class, usize); 10] = [
    (Class::Write, 20),
    (Class::PreparedWrite, 10),
    (Class::Transaction, 14),
    (Class::PreparedTransaction, 8),
    (Class::Implicit, 6),
    (Class::Read, 16),
    (Class::PreparedRead, 6),
    (Class::LongRead, 4),
    (Class::Idle, 20),
    (Class::Temporary, 6),
];

/// Rows of `big`.
const BIG: usize = 8192;

/// What they write to, with where and when each row was written, by the one clock of this machine (replicas do not run
/// triggers for rows); and something that takes long to read.
pub fn tables() -> String {
    let mut sql = String::new();
    for table in ["log", "pair"] {
        sql += &format!(
            "CREATE TABLE test.{table} (token VARCHAR(60) NOT NULL, server INT, at DATETIME(6), KEY (token)); \
             CREATE TRIGGER test.whence_{table} BEFORE INSERT ON test.{table} FOR EACH ROW \
             SET NEW.server = @@server_id % 100 - 1, NEW.at = SYSDATE(6);"
        );
    }
    sql += "CREATE TABLE test.big (text CHAR(200)); INSERT INTO test.big VALUES (REPEAT('x', 200));";
    let doubled = "INSERT INTO test.big SELECT * FROM test.big;".repeat(BIG.ilog2() as usize);
    sql + &doubled
}

/// What all of them look at.
#[derive(Debug)]
struct Shared {
    port: u16,
    run: u64,
    over: AtomicBool,
    /// Whether each was answered well, lately.
    lately: Vec<AtomicUsize>,
    /// The latest acknowledged write.
    newest: watch::Sender<String>,
    sees: Sees,
    /// Without an answer for so long, a connection is given up.
    patience: Duration,
}

/// What a read must see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sees {
    /// Replicas may lag, or lose writes.
    Whatever,
    /// What its session wrote.
    Own,
    /// What anybody was acknowledged before.
    All,
}

/// What the clients are to do.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    pub port: u16,
    pub run: u64,
    pub sees: Sees,
    pub patience: Duration,
}

/// All of them.
#[derive(Debug)]
pub struct Clients {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<Book>>,
}

impl Clients {
    pub fn start(order: Order) -> Self {
        let Order { port, run, sees, patience } = order;
        let classes = CLASSES.iter().flat_map(|(class, count)| std::iter::repeat_n(*class, *count));
        let classes: Vec<_> = classes.collect();
        let shared = Arc::new(Shared {
            port,
            run,
            over: AtomicBool::new(false),
            lately: classes.iter().map(|_| AtomicUsize::new(0)).collect(),
            newest: watch::channel(String::new()).0,
            sees,
            patience,
        });
        let client = |(number, class): (usize, &Class)| {
            let client = Client {
                number,
                class: *class,
                shared: shared.clone(),
                chance: Chance::new(run.wrapping_mul(1000) + number as u64),
                conn: None,
                book: Book::default(),
                partly: false,
                opened: None,
                committed: None,
                own_rows: 0,
            };
            tokio::spawn(client.run())
        };
        let tasks = classes.iter().enumerate().map(client).collect();
        Clients { shared, tasks }
    }

    /// Waits until each of them was answered something that it began after this call; false if that does not come.
    pub async fn each_answered(&self, limit: Duration) -> bool {
        self.shared.lately.iter().for_each(|n| n.store(0, SeqCst));
        let deadline = Instant::now() + limit;
        // Twice, since the first may have been on its way.
        while self.shared.lately.iter().any(|n| n.load(SeqCst) < 2) {
            if Instant::now() > deadline {
                return false;
            }
            sleep(Duration::from_millis(20)).await;
        }
        true
    }

    /// Ends them all.
    pub async fn books(self) -> Vec<Book> {
        self.shared.over.store(true, SeqCst);
        let mut books = Vec::new();
        for task in self.tasks {
            books.push(task.await.expect("a client"));
        }
        books
    }
}

struct Client {
    number: usize,
    class: Class,
    shared: Arc<Shared>,
    chance: Chance,
    conn: Option<Conn>,
    book: Book,
    /// A part of the answer to the statement of now has come.
    partly: bool,
    /// Of the transaction of now: its first answer, its COMMIT.
    opened: Option<Instant>,
    committed: Option<Instant>,
    /// Rows of the session's temporary table.
    own_rows: usize,
}

impl Client {
    async fn run(mut self) -> Book {
        for n in 0.. {
            if self.shared.over.load(SeqCst) {
                break;
            }
            if self.conn.is_none() && !self.log_in().await {
                continue;
            }
            self.entry(n).await;
            let pause = match self.class {
                Class::Idle => 200 + self.chance.below(800),
                _ => 40 + self.chance.below(160),
            };
            sleep(Duration::from_millis(pause as u64)).await;
        }
        self.book
    }

    async fn log_in(&mut self) -> bool {
        let login = async {
            let mut conn = support::connect(self.shared.port, "app", "app", "test").await?;
            for sql in self.set_up() {
                conn.query_drop(sql).await?;
            }
            Ok::<_, Error>(conn)
        };
        if let Ok(Ok(conn)) = timeout(self.shared.patience, login).await {
            self.conn = Some(conn);
            self.own_rows = 0;
            return true;
        }
        self.book.failed_logins += 1;
        sleep(Duration::from_millis(100)).await;
        false
    }

    fn set_up(&self) -> Vec<String> {
        match self.class {
            Class::Implicit => vec!["SET autocommit = 0".into()],
            Class::Idle => vec![format!("SET @mine = 'idle-{}', time_zone = '+03:00'", self.number)],
            Class::Temporary => vec!["CREATE TEMPORARY TABLE own (n INT)".into()],
            _ => Vec::new(),
        }
    }

    /// One statement, or one transaction, and what came of it.
    async fn entry(&mut self, n: usize) {
        let token = match self.class.writes() {
            true => format!("r{}-c{}-{n}", self.shared.run, self.number),
            false => String::new(),
        };
        (self.partly, self.opened, self.committed) = (false, None, None);
        let (began, patience) = (Instant::now(), self.shared.patience);
        let told = match timeout(patience, self.act(&token)).await {
            Ok(result) => Told::of(result, self.class, self.partly),
            Err(_) => Told::Lost(format!("no answer within {patience:?}")),
        };
        match &told {
            Told::Done => {
                self.shared.lately[self.number].fetch_add(1, SeqCst);
                if self.class.writes() {
                    self.shared.newest.send_replace(token.clone());
                }
            }
            Told::Lost(_) | Told::Torn => self.conn = None,
            // The session ends with its table.
            Told::InDoubt if self.class == Class::Temporary => self.conn = None,
            Told::Odd(_) | Told::Refused(_) => {
                // What is left of a transaction.
                if let Some(conn) = &mut self.conn
                    && !matches!(timeout(patience, conn.query_drop("ROLLBACK")).await, Ok(Ok(())))
                {
                    self.conn = None;
                }
            }
            _ => {}
        }
        let (class, opened, committed) = (self.class, self.opened, self.committed);
        let entry = Entry { class, token, told, began, opened, committed, ended: Instant::now() };
        self.book.entries.push(entry);
    }

    async fn act(&mut self, token: &str) -> Result<(), Error> {
        match self.class {
            Class::Write => {
                self.say(&insert("log", token)).await?;
                self.sees_own(token).await;
                Ok(())
            }
            Class::PreparedWrite => self.execute("INSERT INTO log (token) VALUES (?)", token).await,
            Class::Transaction | Class::Implicit => self.transaction(token).await,
            Class::PreparedTransaction => self.prepared_transaction(token).await,
            Class::Read | Class::PreparedRead => self.read().await,
            Class::LongRead => self.long_read().await,
            Class::Idle => self.idle().await,
            Class::Temporary => self.temporary().await,
        }
    }

    fn conn(&mut self) -> &mut Conn {
        self.conn.as_mut().expect("logged in")
    }

    async fn say(&mut self, sql: &str) -> Result<(), Error> {
        self.conn().query_drop(sql).await
    }

    async fn execute(&mut self, sql: &str, token: &str) -> Result<(), Error> {
        self.conn().exec_drop(sql, (token,)).await
    }

    async fn think(&mut self) {
        let pause = 5 + self.chance.below(40);
        sleep(Duration::from_millis(pause as u64)).await;
    }

    async fn transaction(&mut self, token: &str) -> Result<(), Error> {
        if self.class != Class::Implicit {
            self.say("BEGIN").await?;
        }
        self.say(&insert("log", token)).await?;
        self.opened = Some(Instant::now());
        self.think().await;
        let seen: Option<usize> = self.conn().query_first(count(token)).await?;
        self.must_be(seen == Some(1), &format!("in its transaction {token} is there {seen:?} times"));
        self.say(&insert("log", token)).await?;
        self.think().await;
        self.say(&insert("pair", token)).await?;
        self.think().await;
        self.commit().await
    }

    async fn prepared_transaction(&mut self, token: &str) -> Result<(), Error> {
        self.say("START TRANSACTION").await?;
        self.execute("INSERT INTO log (token) VALUES (?)", token).await?;
        self.opened = Some(Instant::now());
        self.think().await;
        self.execute("INSERT INTO log (token) VALUES (?)", token).await?;
        self.think().await;
        self.execute("INSERT INTO pair (token) VALUES (?)", token).await?;
        self.commit().await
    }

    async fn commit(&mut self) -> Result<(), Error> {
        self.committed = Some(Instant::now());
        self.say("COMMIT").await
    }

    /// Who wrote sees it, wherever it reads. What becomes of the reading itself is the readers' part.
    async fn sees_own(&mut self, token: &str) {
        if self.shared.sees == Sees::Whatever || self.chance.below(8) > 0 {
            return;
        }
        let seen: Result<Option<usize>, Error> = self.conn().query_first(count(token)).await;
        if let Ok(seen) = seen {
            self.must_be(seen == Some(1), &format!("the writer of {token} sees it {seen:?} times"));
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        let token = self.shared.newest.borrow().clone();
        let rows = match self.class {
            Class::PreparedRead => {
                let query = "SELECT COUNT(*) FROM log WHERE token = ?".with((token.clone(),));
                let result: QueryResult<'_, 'static, BinaryProtocol> =
                    query.run(self.conn.as_mut().expect("logged in")).await?;
                self.partly = true;
                all(result).await?
            }
            _ => {
                let result = self.conn.as_mut().expect("logged in").query_iter(count(&token)).await?;
                self.partly = true;
                all(result).await?
            }
        };
        let seen = rows.first().and_then(|row| row.get::<usize, _>(0));
        if !token.is_empty() && self.shared.sees == Sees::All {
            self.must_be(seen.is_some_and(|n| n > 0), &format!("{token} was acknowledged and is not seen"));
        }
        Ok(())
    }

    async fn long_read(&mut self) -> Result<(), Error> {
        let (sql, expected) = match self.chance.below(2) {
            0 => ("SELECT text FROM big", BIG),
            _ => ("SELECT SLEEP(0.4), text FROM big LIMIT 3", 3),
        };
        let result = self.conn.as_mut().expect("logged in").query_iter(sql).await?;
        self.partly = true;
        let got = all(result).await?.len();
        self.must_be(got == expected, &format!("{sql}: {got} rows of {expected}"));
        Ok(())
    }

    async fn idle(&mut self) -> Result<(), Error> {
        let is = crate::dialogue::row(self.conn(), "SELECT @mine, @@time_zone").await?;
        let be = [format!("idle-{}", self.number), "+03:00".to_owned()];
        self.must_be(is == be, &format!("an idle session has {is:?} for {be:?}"));
        Ok(())
    }

    /// Half of the writes are prepared.
    async fn temporary(&mut self) -> Result<(), Error> {
        match self.chance.below(2) {
            0 => self.say(&format!("INSERT INTO own VALUES ({})", self.own_rows)).await?,
            _ => self.execute("INSERT INTO own VALUES (?)", &self.own_rows.to_string()).await?,
        }
        self.own_rows += 1;
        let seen: Option<usize> = self.conn().query_first("SELECT COUNT(*) FROM own").await?;
        let own = self.own_rows;
        self.must_be(seen == Some(own), &format!("a temporary table has {seen:?} rows of {own}"));
        Ok(())
    }

    fn must_be(&mut self, so: bool, otherwise: &str) {
        if !so {
            self.book.wrong.push(otherwise.to_owned());
        }
    }
}

async fn all<P: mysql_async::prelude::Protocol>(result: QueryResult<'_, '_, P>) -> Result<Vec<Row>, Error> {
    result.collect_and_drop().await
}

fn insert(table: &str, token: &str) -> String {
    format!("INSERT INTO {table} (token) VALUES ('{token}')")
}

fn count(token: &str) -> String {
    format!("SELECT COUNT(*) FROM log WHERE token = '{token}'")
}
