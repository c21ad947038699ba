//! Clients that write all the time and keep books: each statement has a text of its own,
//! the table has no key, so what ran twice is there twice and what was lost is missing.

use crate::dialogue::{eventually, row};
use crate::support::{Node, Proxy};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// What they write to, and a table that counts.
pub const TABLES: &str = "CREATE TABLE test.log (token VARCHAR(60) NOT NULL); \
                          CREATE TABLE test.ids (id INT AUTO_INCREMENT PRIMARY KEY)";

/// What one writer knows.
#[derive(Debug, Default)]
pub struct Books {
    /// Answered with OK, and when.
    acknowledged: Vec<(String, Instant)>,
    /// Answered with 08007.
    pub unknown: Vec<String>,
    /// Rolled back, said the answer.
    pub undone: Vec<String>,
    /// Answered in a way that nobody promised.
    odd: Vec<String>,
}

struct Shared {
    over: AtomicBool,
    phase: AtomicUsize,
    /// Acknowledged in the phase of now, by writer.
    lately: Vec<AtomicUsize>,
}

/// All of them.
pub struct Writers {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<Books>>,
}

impl Writers {
    /// Every second one writes two rows a transaction, the others one a statement.
    pub async fn start(proxy: &Proxy, count: usize) -> Self {
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            phase: AtomicUsize::new(0),
            lately: (0..count).map(|_| AtomicUsize::new(0)).collect(),
        });
        let mut tasks = Vec::new();
        for number in 0..count {
            let client = proxy.client().await.expect("a writer's login");
            let writer = Writer { number, client, shared: shared.clone(), books: Books::default() };
            tasks.push(tokio::spawn(writer.run()));
        }
        let writers = Writers { shared, tasks };
        writers.each_wrote().await;
        writers
    }

    /// Waits until each of them was acknowledged something that it began after this call.
    pub async fn each_wrote(&self) {
        self.shared.lately.iter().for_each(|n| n.store(0, SeqCst));
        eventually("every writer is answered", async || {
            // Twice, since the first may have been on its way.
            self.shared.lately.iter().all(|n| n.load(SeqCst) >= 2).then_some(())
        })
        .await;
    }

    /// Statements from now on carry `-p<phase>-` in their text.
    pub fn enter_phase(&self, phase: usize) {
        self.shared.phase.store(phase, SeqCst);
    }

    /// Ends them, and compares what they know with what is there. Returns when the first statement was
    /// acknowledged after `since`.
    pub async fn settle(self, primary: &Node, since: Instant) -> Instant {
        self.settle_all(primary, &[since]).await.remove(0)
    }

    /// The same for several moments.
    pub async fn settle_all(self, primary: &Node, since: &[Instant]) -> Vec<Instant> {
        let books = self.compare(primary).await;
        let mut times: Vec<_> = books.iter().flat_map(|b| &b.acknowledged).map(|(_, at)| *at).collect();
        times.sort();
        let first = |since: &Instant| times.get(times.partition_point(|at| at < since)).copied();
        since.iter().map(|since| first(since).expect("nothing was acknowledged since")).collect()
    }

    /// Ends them, and compares what they know with what is there. Returns what they know.
    pub async fn compare(self, primary: &Node) -> Vec<Books> {
        self.shared.over.store(true, SeqCst);
        let mut books = Vec::new();
        for task in self.tasks {
            books.push(task.await.expect("a writer"));
        }
        let rows = primary.sql("SELECT token, COUNT(*) FROM test.log GROUP BY token").await;
        let there: HashMap<String, usize> = rows
            .into_iter()
            .map(|r| (r[0].clone().unwrap_or_default(), r[1].as_ref().map_or(0, |n| n.parse().unwrap_or(0))))
            .collect();
        let twice: Vec<_> = there.iter().filter(|(_, n)| **n > 1).collect();
        assert!(twice.is_empty(), "ran twice: {twice:?}");
        for book in &books {
            assert!(book.odd.is_empty(), "{:?}", book.odd);
            let lost: Vec<_> = book.acknowledged.iter().filter(|(t, _)| !there.contains_key(t)).collect();
            assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
            let back: Vec<_> = book.undone.iter().filter(|t| there.contains_key(*t)).collect();
            assert!(back.is_empty(), "said to be rolled back, but there: {back:?}");
            for pair in book.unknown.iter().filter_map(|t| t.strip_suffix("-a")) {
                let half = |h: &str| there.contains_key(&format!("{pair}-{h}"));
                assert_eq!(half("a"), half("b"), "half a transaction: {pair}");
            }
        }
        let all = |of: fn(&Books) -> usize| books.iter().map(of).sum::<usize>();
        eprintln!(
            "{} statements acknowledged, {} of unknown outcome, {} rolled back",
            all(|b| b.acknowledged.len()),
            all(|b| b.unknown.len()),
            all(|b| b.undone.len())
        );
        books
    }
}

/// Reads on the read-only port all the time, none of which may fail.
pub struct Readers {
    over: Arc<AtomicBool>,
    task: JoinHandle<u64>,
}

impl Readers {
    pub async fn start(proxy: &Proxy) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut client = proxy.reader().await.expect("a reader's login");
        let ended = over.clone();
        let task = tokio::spawn(async move {
            let mut count = 0;
            while !ended.load(SeqCst) {
                client.query_drop("SELECT COUNT(*) FROM test.log").await.expect("a read");
                count += 1;
            }
            count
        });
        Readers { over, task }
    }

    pub async fn settle(self) {
        self.over.store(true, SeqCst);
        assert!(self.task.await.expect("a reader failed") > 0);
    }
}

struct Writer {
    number: usize,
    client: Conn,
    shared: Arc<Shared>,
    books: Books,
}

impl Writer {
    async fn run(mut self) -> Books {
        for n in 0.. {
            if self.shared.over.load(SeqCst) {
                break;
            }
            let phase = self.shared.phase.load(SeqCst);
            let token = format!("w{}-p{phase}-{n}", self.number);
            if self.number.is_multiple_of(2) {
                self.statement(token).await
            } else {
                self.transaction(token).await
            }
            if self.books.odd.len() > 3 {
                // Who waits for this one will wait in vain.
                eprintln!("writer {} gives up: {:?}", self.number, self.books.odd);
                break;
            }
            // So that the machine has time for the servers.
            sleep(Duration::from_millis(3)).await;
        }
        self.books
    }

    async fn statement(&mut self, token: String) {
        let result = self.insert(&token).await;
        self.note(&[token], result, false);
    }

    async fn transaction(&mut self, token: String) {
        let pair = [format!("{token}-a"), format!("{token}-b")];
        for sql in ["BEGIN".to_owned(), insert(&pair[0]), insert(&pair[1])] {
            if let Err(e) = self.client.query_drop(sql).await {
                return self.note(&pair, Err(e), true);
            }
        }
        let result = self.client.query_drop("COMMIT").await;
        self.note(&pair, result, true);
    }

    async fn insert(&mut self, token: &str) -> Result<(), Error> {
        self.client.query_drop(insert(token)).await
    }

    fn note(&mut self, tokens: &[String], result: Result<(), Error>, in_transaction: bool) {
        let all = || tokens.iter().cloned();
        match result {
            Ok(()) => {
                let now = Instant::now();
                self.books.acknowledged.extend(all().map(|t| (t, now)));
                self.shared.lately[self.number].fetch_add(1, SeqCst);
            }
            Err(Error::Server(e)) if e.state == "08007" => self.books.unknown.extend(all()),
            Err(Error::Server(e)) if in_transaction && (e.code, &*e.state) == (1213, "40001") => {
                self.books.undone.extend(all());
            }
            Err(e) => self.books.odd.extend(all().map(|t| format!("{t}: {e:?}"))),
        }
    }
}

fn insert(token: &str) -> String {
    format!("INSERT INTO test.log (token) VALUES ('{token}')")
}

/// How often a text is in the table.
pub async fn count(client: &mut Conn, token: &str) -> String {
    let sql = format!("SELECT COUNT(*) FROM test.log WHERE token = '{token}'");
    row(client, &sql).await.expect("a count").remove(0)
}
