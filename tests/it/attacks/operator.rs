//! A planned change as mariadb-operator 26.6 makes it, while accounts of both kinds write through the proxy: those that
//! `read_only` binds, and those that pass it. Whatever a client was told to be done is on the new primary in the end.
//! env: PAUSE_MS=1000 between the promotion and the end of the lock, CHANGES=2 changes in a row, WAIT_NO_SLAVE=0 a new
//! primary waits for no replica as long as none is connected.

use crate::dialogue::{eventually, patient, topology, value, writer_is};
use crate::pods::{self, ROLE, api::ApiServer};
use crate::support::{Cluster, Proxy, connect, number, proxy_config};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const TABLES: &str = "CREATE TABLE test.log (token VARCHAR(60) NOT NULL); \
    CREATE PROCEDURE test.note(t VARCHAR(60)) BEGIN INSERT INTO test.log VALUES (CONCAT(t, '-1')); \
    INSERT INTO test.log VALUES (CONCAT(t, '-2')); END";

/// The operator's own settings: a commit waits for a replica, also where none is connected, but not on a replica.
const SEMI_SYNC: &str = "SET GLOBAL rpl_semi_sync_master_wait_point = 'AFTER_COMMIT', \
    GLOBAL rpl_semi_sync_master_timeout = 10000, \
    GLOBAL rpl_semi_sync_master_enabled = ";

/// A planned change, as far as it has gone.
struct Change {
    old: usize,
    new: usize,
    /// The operator's connection to the former primary, which holds the lock.
    lock: Conn,
    /// What the former primary had when it was locked.
    position: String,
}

impl Change {
    /// The primary is locked, then read-only.
    async fn begin(cluster: &Cluster, old: usize, new: usize) -> Self {
        let mut change = Self::lock(cluster, old, new).await;
        change.read_only().await;
        change
    }

    async fn lock(cluster: &Cluster, old: usize, new: usize) -> Self {
        let mut lock = connect(cluster.server(old).port(), "super", "super", "test").await.expect("a login");
        lock.query_drop("FLUSH TABLES WITH READ LOCK").await.expect("the lock");
        Change { old, new, lock, position: String::new() }
    }

    async fn read_only(&mut self) {
        self.lock.query_drop("SET GLOBAL read_only = 1").await.expect("read_only");
        self.position = value(&mut self.lock, "SELECT @@gtid_binlog_pos").await.expect("a position");
    }

    /// The new primary has everything, and becomes writable. `alters`: the operator writes there before any replica
    /// follows.
    async fn promote(&self, cluster: &Cluster, alters: bool) -> Instant {
        let new = cluster.server(self.new);
        for (at, server) in cluster.servers().iter().enumerate() {
            if at != self.old {
                let wait = format!("SELECT MASTER_GTID_WAIT('{}', 20)", self.position);
                assert_eq!(server.value(&wait).await, "0", "db-{at} lacks {}", self.position);
            }
        }
        // The operator's own statements, each over a connection of its own.
        for sql in
            ["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL gtid_slave_pos = ''", "SET GLOBAL read_only = 0"]
        {
            new.sql(sql).await;
        }
        let promoted = Instant::now();
        new.sql("SET GLOBAL rpl_semi_sync_master_enabled = ON").await;
        let port = new.port();
        let direct = tokio::spawn(async move {
            let mut client = connect(port, "app", "app", "test").await.expect("a login");
            client.query_drop("INSERT INTO log VALUES ('direct')").await.expect("a write past the proxy");
            promoted.elapsed()
        });
        if alters {
            new.sql("ALTER USER repl@'%' IDENTIFIED BY 'repl'").await;
        }
        for (at, server) in cluster.servers().iter().enumerate() {
            if at != self.old && at != self.new {
                server.sql("RESET MASTER").await;
                server.follow(new.port()).await;
            }
        }
        let direct = direct.await.expect("a write past the proxy");
        eprintln!("a write past the proxy was done {direct:?} after the promotion");
        promoted
    }

    /// Waits until the proxy has followed, and has ended what its clients had begun on the former primary. On a busy machine
    /// the operator does not end its lock before either. Of procedures, definitions and large statements nobody can say that
    /// they did not run, and an account with one connection has none left to end a statement.
    async fn is_left(&mut self, proxy: &Proxy) {
        writer_is(proxy, self.new).await;
        let left = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for backup lock%' \
                    AND user <> 'narrow' \
                    AND info NOT REGEXP '^(CALL|CREATE|INSERT INTO log /|INSERT INTO test.log VALUES .CONCAT)'";
        eventually("nothing waits for the lock any more", async || {
            (value(&mut self.lock, left).await.expect("a count") == "0").then_some(())
        })
        .await;
    }

    /// The former primary is unlocked, and becomes a replica: what it wrote since then is hidden. The labels move at the
    /// end.
    async fn end(mut self, cluster: &Cluster, api: Option<&ApiServer>) -> Vec<String> {
        self.lock.query_drop("UNLOCK TABLES").await.expect("the end of the lock");
        sleep(Duration::from_millis(300)).await;
        let old = cluster.server(self.old);
        let rows = tokens(cluster, self.old).await;
        old.sql(&format!("RESET MASTER; SET GLOBAL gtid_slave_pos = '{}'", self.position)).await;
        old.sql("SET GLOBAL rpl_semi_sync_master_enabled = OFF").await;
        old.follow(cluster.server(self.new).port()).await;
        if let Some(api) = api {
            api.label(self.old, ROLE, "replica").await;
            api.label(self.new, ROLE, "primary").await;
        }
        rows.into_keys().collect()
    }
}

/// What is in the table of a server, and how often.
async fn tokens(cluster: &Cluster, number: usize) -> HashMap<String, usize> {
    let ask = "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; \
               SELECT token, COUNT(*) FROM test.log GROUP BY token";
    let rows = cluster.server(number).sql(ask).await;
    let count = |n: &Option<String>| n.as_ref().and_then(|n| n.parse().ok()).unwrap_or(0);
    rows.into_iter().map(|row| (row[0].clone().unwrap_or_default(), count(&row[1]))).collect()
}

/// What a writer was told.
#[derive(Debug, Default)]
struct Book {
    acknowledged: Vec<(String, Instant)>,
    unknown: Vec<String>,
    undone: Vec<String>,
    odd: Vec<String>,
}

/// Clients of both kinds of account, each writing rows of its own.
struct Writers {
    over: Arc<AtomicBool>,
    done: Arc<Vec<AtomicUsize>>,
    tasks: JoinSet<(String, Book)>,
}

impl Writers {
    async fn start(proxy: &Proxy) -> Self {
        let mut writers = Writers { over: Arc::default(), done: Arc::default(), tasks: JoinSet::new() };
        let kinds = [("app", false), ("app", true), ("super", false), ("super", true)];
        let all: Vec<_> = kinds.into_iter().chain(kinds).enumerate().collect();
        writers.done = Arc::new(all.iter().map(|_| AtomicUsize::new(0)).collect());
        for (number, (user, in_transactions)) in all {
            let client = connect(proxy.rw, user, user, "test").await.expect("a writer's login");
            let (over, done) = (writers.over.clone(), writers.done.clone());
            let name = format!("{user}{number}");
            writers.tasks.spawn(async move {
                let mut writer = Writer { name: name.clone(), client, book: Book::default() };
                for n in 0.. {
                    if over.load(SeqCst) {
                        break;
                    }
                    writer.write(format!("{name}-{n}"), in_transactions).await;
                    done[number].fetch_add(1, SeqCst);
                    sleep(Duration::from_millis(2)).await;
                }
                (writer.name, writer.book)
            });
        }
        writers.all_write().await;
        writers
    }

    async fn all_write(&self) {
        let before: Vec<_> = self.done.iter().map(|done| done.load(SeqCst)).collect();
        eventually("every writer gets answers", async || {
            let mut now = self.done.iter().map(|done| done.load(SeqCst)).zip(&before);
            now.all(|(now, before)| now >= before + 3).then_some(())
        })
        .await;
    }

    async fn end(mut self) -> Vec<(String, Book)> {
        self.over.store(true, SeqCst);
        let mut books = Vec::new();
        while let Some(book) = self.tasks.join_next().await {
            books.push(book.expect("a writer"));
        }
        books
    }
}

/// When the strong reads of a client began and ended.
async fn reads(port: u16, over: Arc<AtomicBool>) -> Vec<(Instant, Instant)> {
    let mut client = connect(port, "app", "app", "test").await.expect("a reader's login");
    let mut all = Vec::new();
    while !over.load(SeqCst) {
        let began = Instant::now();
        client.query_drop("SELECT COUNT(*) FROM test.log").await.expect("a read");
        all.push((began, Instant::now()));
        sleep(Duration::from_millis(2)).await;
    }
    all
}

struct Writer {
    name: String,
    client: Conn,
    book: Book,
}

impl Writer {
    async fn write(&mut self, token: String, in_transaction: bool) {
        let insert = format!("INSERT INTO test.log VALUES ('{token}')");
        let mut told = Ok(());
        if in_transaction {
            for sql in ["BEGIN", &insert, "COMMIT"] {
                told = self.client.query_drop(sql).await;
                if told.is_err() {
                    break;
                }
            }
        } else {
            told = self.client.query_drop(insert).await;
        }
        match told {
            Ok(()) => self.book.acknowledged.push((token, Instant::now())),
            Err(Error::Server(e)) if e.state == "08007" => self.book.unknown.push(token),
            Err(Error::Server(e)) if (e.code, &*e.state) == (1213, "40001") => self.book.undone.push(token),
            Err(e) => self.book.odd.push(format!("{token}: {e}")),
        }
    }
}

/// The longest time between two acknowledgements of one writer.
fn longest_stall(books: &[(String, Book)], moments: &[Instant]) -> (Duration, String) {
    let gap = |(name, book): &(String, Book)| {
        let times: Vec<_> = book.acknowledged.iter().map(|(_, at)| *at).collect();
        for moment in moments {
            let at = times.partition_point(|at| at < moment);
            if let (Some(before), Some(after)) = (at.checked_sub(1).map(|at| times[at]), times.get(at)) {
                eprintln!(
                    "{name}: last answer {:?} before the promotion, first one {:?} after it",
                    *moment - before,
                    *after - *moment
                );
            }
        }
        let most = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        (most, name.clone())
    };
    books.iter().map(gap).max().unwrap_or_default()
}

#[tokio::test]
async fn no_acknowledged_write_stays_behind_at_the_operators_change() {
    let Scene { cluster, api, proxy } = scene("").await;
    let writers = Writers::start(&proxy).await;
    let pause = Duration::from_millis(number("PAUSE_MS", 1_000) as u64);
    let (mut behind, mut moments) = (Vec::new(), Vec::new());
    for round in 0..number("CHANGES", 2) {
        let (old, new) = (round % 2, (round + 1) % 2);
        let began = Instant::now();
        let mut change = Change::begin(&cluster, old, new).await;
        let promoted = change.promote(&cluster, false).await;
        eprintln!("db-{new} took {:?} to become the primary", promoted - began);
        moments.push(promoted);
        tokio::time::sleep_until(promoted + pause).await;
        change.is_left(&proxy).await;
        behind.extend(change.end(&cluster, api.as_ref()).await);
        writer_is(&proxy, new).await;
        writers.all_write().await;
    }
    let books = writers.end().await;
    let (stall, whose) = longest_stall(&books, &moments);
    let count = |of: fn(&Book) -> usize| books.iter().map(|(_, book)| of(book)).sum::<usize>();
    eprintln!(
        "{} acknowledged, {} of unknown outcome, {} rolled back; longest stall {stall:?} ({whose})",
        count(|b| b.acknowledged.len()),
        count(|b| b.unknown.len()),
        count(|b| b.undone.len())
    );
    judge(&cluster, number("CHANGES", 2) % 2, &books, &behind).await;
}

async fn judge(cluster: &Cluster, primary: usize, books: &[(String, Book)], behind: &[String]) {
    let there = tokens(cluster, primary).await;
    let twice: Vec<_> = there.iter().filter(|(token, n)| **n > 1 && *token != "direct").collect();
    assert!(twice.is_empty(), "ran twice: {twice:?}");
    for (name, book) in books {
        assert!(book.odd.is_empty(), "{:?}", book.odd);
        let lost: Vec<_> = book.acknowledged.iter().filter(|(t, _)| !there.contains_key(t)).collect();
        let where_to = |t: &String| if behind.contains(t) { "a deposed primary only" } else { "no server" };
        let lost: Vec<_> = lost.iter().map(|(t, _)| format!("{t} is on {}", where_to(t))).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let back: Vec<_> = book.undone.iter().filter(|t| there.contains_key(*t)).collect();
        assert!(back.is_empty(), "said to be rolled back, but there: {back:?}");
        // Nothing of an ordinary account is in doubt or lost at a planned change.
        let told = book.unknown.len() + book.undone.len();
        assert!(!name.starts_with("app") || told == 0, "{name}: {:?} {:?}", book.unknown, book.undone);
    }
    eventually("every server has as many rows", async || {
        let count = there.values().sum::<usize>();
        for number in 0..cluster.servers().len() {
            if tokens(cluster, number).await.values().sum::<usize>() < count {
                return None;
            }
        }
        Some(())
    })
    .await;
}

/// A primary and two replicas, which are pods with labels if there is an API server.
struct Scene {
    cluster: Cluster,
    api: Option<ApiServer>,
    proxy: Proxy,
}

/// `more`: further lines of the configuration.
async fn scene(more: &str) -> Scene {
    let cluster = Cluster::mariadb(2).await;
    cluster.primary().sql(TABLES).await;
    cluster.wait_caught_up().await;
    for (at, server) in cluster.servers().iter().enumerate() {
        server
            .sql(&format!("SET GLOBAL rpl_semi_sync_master_wait_no_slave = {}", number("WAIT_NO_SLAVE", 1)))
            .await;
        server.sql(&format!("{SEMI_SYNC}{}", if at == 0 { "ON" } else { "OFF" })).await;
    }
    let api = pods::pods_of(&cluster).await;
    let proxy = match &api {
        Some(api) => {
            let mut proxy = pods::splitting_proxy(api, more);
            proxy.wait_ready().await;
            proxy
        }
        None => {
            let config = proxy_config(&cluster).replacen("mode = \"primary\"", "mode = \"split\"", 1);
            Proxy::start(&(patient(&config) + more)).await
        }
    };
    writer_is(&proxy, 0).await;
    Scene { cluster, api, proxy }
}

/// What a client may be told of a statement that was under way, if not that it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    Unknown,
    RolledBack,
    Refused,
}

/// Runs each of these statements on a session of its own while the primary is locked, and returns what was told.
async fn told(client: &mut Conn, statements: &[String]) -> Result<Told, String> {
    for sql in statements {
        let told = match sql.strip_prefix("EXECUTE:") {
            Some(prepared) => client.exec_drop(prepared, ()).await,
            None => client.query_drop(sql).await,
        };
        match told {
            Ok(()) => {}
            Err(Error::Server(e)) if e.state == "08007" => return Ok(Told::Unknown),
            Err(Error::Server(e)) if e.state == "40001" => return Ok(Told::RolledBack),
            Err(Error::Server(e)) if e.code == 1290 => return Ok(Told::Refused),
            Err(e) => return Err(e.to_string()),
        }
    }
    Ok(Told::Done)
}

/// What a session says before the primary is locked, and what while it is; `{t}` is its token.
const KINDS: [(&str, &[&str], &[&str]); 9] = [
    ("text", &[], &["INSERT INTO log VALUES ('{t}')"]),
    ("prepared", &[], &["EXECUTE:INSERT INTO log VALUES ('{t}')"]),
    ("several", &[], &["INSERT INTO log VALUES ('{t}'); INSERT INTO log VALUES ('{t}-2')"]),
    ("returning", &[], &["INSERT INTO log VALUES ('{t}') RETURNING token"]),
    ("commit", &["BEGIN", "INSERT INTO log VALUES ('{t}')"], &["COMMIT"]),
    ("autocommit", &["SET autocommit = 0", "INSERT INTO log VALUES ('{t}')"], &["COMMIT"]),
    ("ddl", &[], &["CREATE TABLE `{t}` (v INT)", "INSERT INTO log VALUES ('{t}')"]),
    ("procedure", &[], &["CALL note('{t}')"]),
    ("large", &[], &["INSERT INTO log /* {large} */ VALUES ('{t}')"]),
];

/// An account that passes `read_only`, and has one connection at a time: none is left to end what is under way.
const NARROW: &str = "CREATE USER narrow@'%' IDENTIFIED BY 'narrow' WITH MAX_USER_CONNECTIONS 1; \
    GRANT ALL ON *.* TO narrow@'%'";

#[tokio::test]
async fn whatever_was_under_way_is_told_as_it_is() {
    let Scene { cluster, api, proxy } =
        scene("\n[[users]]\nname = \"narrow\"\npassword = \"narrow\"\n").await;
    cluster.primary().sql(NARROW).await;
    cluster.wait_caught_up().await;
    let mut under_way = JoinSet::new();
    let mut clients = Vec::new();
    for user in ["app", "super", "narrow"] {
        for (kind, before, during) in KINDS.iter().filter(|(kind, ..)| user != "narrow" || *kind == "text") {
            let mut client = connect(proxy.rw, user, user, "test").await.expect("a login");
            let token = format!("{user}-{kind}");
            let text = |sql: &&str| sql.replace("{t}", &token).replace("{large}", &"x".repeat(3 << 20));
            // A connection of its own, before it is the only one.
            client.query_drop("DO 0").await.expect("a statement");
            for sql in before.iter().map(text) {
                client.query_drop(sql).await.expect("the statements before");
            }
            clients.push((token.clone(), client, during.iter().map(text).collect::<Vec<_>>()));
        }
    }
    let mut change = Change::lock(&cluster, 0, 1).await;
    let count = clients.len();
    for (token, mut client, during) in clients {
        under_way.spawn(async move { (token, told(&mut client, &during).await) });
    }
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE command IN ('Query', 'Execute') \
                   AND state LIKE 'Waiting for backup lock%'";
    eventually("every statement waits for the lock", async || {
        (value(&mut change.lock, waiting).await.expect("a count").parse() == Ok(count)).then_some(())
    })
    .await;
    change.read_only().await;
    let promoted = change.promote(&cluster, false).await;
    tokio::time::sleep_until(promoted + Duration::from_secs(1)).await;
    change.is_left(&proxy).await;
    let behind = change.end(&cluster, api.as_ref()).await;
    writer_is(&proxy, 1).await;
    let mut all: Vec<_> = under_way.join_all().await;
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let there = tokens(&cluster, 1).await;
    for (token, told) in all {
        let ran = there.keys().filter(|t| t.starts_with(&token)).count();
        let stray = behind.iter().any(|t| t.starts_with(&token)) && ran == 0;
        eprintln!(
            "{token}: {told:?}, {ran} rows{}",
            if stray { ", and one on the former primary" } else { "" }
        );
        match told {
            Ok(Told::Done) => assert!(ran > 0, "{token} was acknowledged and is not there"),
            // A text of several statements ends with the first that is refused.
            Ok(Told::RolledBack | Told::Refused) => assert_eq!(ran, 0, "{token} was refused and is there"),
            Ok(Told::Unknown) => {}
            Err(ref e) => panic!("{token}: {e}"),
        }
        // Of what is no procedure and fits into a buffer nothing is in doubt at a planned change.
        let (user, kind) = token.split_once('-').expect("a token");
        if user == "narrow" {
            // Nobody could end it: it ran on the former primary.
            assert_eq!((told, ran, stray), (Ok(Told::Unknown), 0, true), "{token}");
            continue;
        }
        // A definition waits for the lock behind the look at read_only, and would run on the former primary.
        let simple = !matches!(kind, "procedure" | "large" | "ddl");
        assert!(!simple || told == Ok(Told::Done), "{token}: {told:?}");
    }
}

#[tokio::test]
async fn a_new_primary_that_waits_for_its_replicas() {
    let Scene { cluster, api, proxy } = scene("").await;
    for server in cluster.servers() {
        server.sql("SET GLOBAL rpl_semi_sync_master_timeout = 4000").await;
    }
    let writers = Writers::start(&proxy).await;
    let readers: Vec<_> = (0..4).map(|_| tokio::spawn(reads(proxy.rw, writers.over.clone()))).collect();
    let alarms = Arc::new(AtomicBool::new(false));
    let mut change = Change::begin(&cluster, 0, 1).await;
    let (promoted, seen) = tokio::join!(change.promote(&cluster, true), async {
        let began = Instant::now();
        writer_is(&proxy, 1).await;
        let now = topology(&proxy).await;
        alarms.store(!now["alarm"].is_null(), SeqCst);
        (began.elapsed(), now["alarm"].clone())
    });
    eprintln!("the proxy saw the new primary after {:?}; alarm {}", seen.0, seen.1);
    let followed = promoted.elapsed();
    let until = Instant::now();
    eprintln!("ALTER USER and the replicas took {followed:?}");
    change.is_left(&proxy).await;
    let behind = change.end(&cluster, api.as_ref()).await;
    writers.all_write().await;
    let books = writers.end().await;
    let (stall, whose) = longest_stall(&books, &[promoted]);
    eprintln!("longest stall {stall:?} ({whose})");
    let mut longest = Duration::ZERO;
    for reader in readers {
        let reads = reader.await.expect("a reader");
        longest = reads.iter().map(|(began, ended)| *ended - *began).fold(longest, Duration::max);
        // A strong read needs a position of the new primary, and not that its replicas follow.
        let meanwhile = reads.iter().filter(|(began, ended)| *began > promoted && *ended < until).count();
        assert!(meanwhile > 0, "no strong read while the new primary waits for its replicas");
    }
    eprintln!("longest strong read {longest:?}");
    judge(&cluster, 1, &books, &behind).await;
    assert!(!alarms.load(SeqCst), "an alarm: {}", seen.1);
}
