//! Sessions of prepared statements, in packets: several commands in one write, prepares that fail, and MariaDB's id -1. The
//! proxy must answer each command as a server answers it directly, and leave the same rows. `PREPARED=100` plays that many
//! sessions on each server, `POINTSMAN_SEED=7` begins with that seed.

mod again;
mod peer;

use crate::dialogue::{patient, readers_are, refused, value};
use crate::support::{Chance, Cluster, Kind, Proxy, connect, number, proxy_config};
use mysql_async::prelude::Queryable as _;
use peer::{Answer, LAST_PREPARED, Op, Peer, Statement};

/// Texts that can be prepared, and their number of parameters.
const GOOD: [(&str, u16); 6] = [
    ("INSERT INTO t (v) VALUES (1)", 0),
    ("INSERT INTO t (v) VALUES (?)", 1),
    ("UPDATE t SET v = v + 1 LIMIT 2", 0),
    ("SELECT 7", 0),
    ("SELECT v + ? FROM t ORDER BY id LIMIT 2", 1),
    ("SELECT COUNT(*) FROM t", 0),
];

/// Texts whose prepare fails.
const BAD: [&str; 4] = ["SELEC 1", "INSERT INTO test.nowhere VALUES (1)", "SELECT nothing FROM t", ""];

/// Statements prepared as text.
const TEXTS: [&str; 12] = [
    "PREPARE a FROM 'INSERT INTO t (v) VALUES (2)'",
    "PREPARE a FROM 'SELECT COUNT(*) FROM t'",
    "PREPARE a FROM 'SELEC 1'",
    "PREPARE a FROM 'INSERT INTO test.nowhere VALUES (1)'",
    "PREPARE b FROM 'UPDATE t SET v = 0 LIMIT 1'",
    "PREPARE b FROM ''",
    "EXECUTE a",
    "EXECUTE a",
    "EXECUTE b",
    "DEALLOCATE PREPARE a",
    "SET @bad = 'SELEC 2'",
    "PREPARE a FROM @bad",
];

/// The two connections of a session that is played twice.
struct Both {
    direct: Peer,
    proxied: Peer,
    statements: Vec<Statement>,
    /// What was sent, for a failure.
    sent: Vec<String>,
    chance: Chance,
}

#[tokio::test]
async fn mariadb_and_the_proxy_answer_alike() {
    answers_alike(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_and_the_proxy_answer_alike() {
    if let Some(cluster) = Cluster::mysql(1).await {
        answers_alike(cluster).await;
    }
}

async fn answers_alike(cluster: Cluster) {
    let config = patient(&proxy_config(&cluster)).replace("mode = \"primary\"", "mode = \"split\"");
    let proxy = Proxy::start(&config).await;
    readers_are(&proxy, 1).await;
    let server = cluster.primary();
    for schema in ["direct", "proxied"] {
        server.sql(&format!("CREATE DATABASE {schema}; GRANT ALL ON {schema}.* TO app@'%'")).await;
        server.sql(&format!("CREATE TABLE {schema}.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")).await;
    }
    cluster.wait_caught_up().await;
    // From now on caching_sha2_password takes a scramble.
    connect(server.port(), "app", "app", "test").await.expect("a login");
    let first = number("POINTSMAN_SEED", 1);
    for seed in first..first + number("PREPARED", 25) {
        let mut both = Both {
            direct: Peer::login(server.port(), "direct").await,
            proxied: Peer::login(proxy.rw, "proxied").await,
            statements: Vec::new(),
            sent: Vec::new(),
            chance: Chance::new(seed as u64),
        };
        for _ in 0..40 {
            let write = both.next_write(cluster.kind());
            both.play(write, seed).await;
        }
        let rows = |schema: &str| format!("SELECT COUNT(*), SUM(v), MAX(id) FROM {schema}.t");
        let (direct, proxied) = (server.sql(&rows("direct")).await, server.sql(&rows("proxied")).await);
        assert_eq!(direct, proxied, "seed {seed}:\n{}", both.sent.join("\n"));
    }
}

impl Both {
    /// One to five commands.
    fn next_write(&mut self, kind: Kind) -> Vec<Op> {
        let count = 1 + self.chance.below(5);
        let mut last = self.last_params();
        let mut ops = Vec::new();
        for _ in 0..count {
            let op = self.next_op(kind, last);
            // MariaDB reads long data as a value of the type that an earlier execute had, directly as well.
            let again = matches!(op, Op::LongData { .. }) && kind == Kind::MariaDb;
            let fresh = matches!(ops.last(), Some(Op::Prepare { params: 1, .. }));
            if again && !(fresh && matches!(op, Op::LongData { id: None })) {
                continue;
            }
            match &op {
                Op::Prepare { params, .. } => last = *params,
                Op::Reset | Op::ChangeUser => last = 0,
                _ => {}
            }
            // The client answers a request for another scramble.
            let ends = matches!(op, Op::ChangeUser);
            ops.push(op);
            if ends {
                break;
            }
        }
        ops
    }

    fn last_params(&self) -> u16 {
        self.statements.last().map_or(0, |one| one.params)
    }

    fn next_op(&mut self, kind: Kind, last: u16) -> Op {
        let (id, params) = match self.chance.below(3) {
            0 if !self.statements.is_empty() => {
                let at = self.chance.below(self.statements.len());
                (Some(at), self.statements[at].params)
            }
            _ => (None, last),
        };
        let good = self.chance.below(GOOD.len());
        match self.chance.below(40) {
            0..8 => Op::Prepare { text: GOOD[good].0, params: GOOD[good].1 },
            8..12 => Op::Prepare { text: BAD[self.chance.below(BAD.len())], params: 0 },
            12..22 => Op::Execute { id, params },
            22..24 if kind == Kind::MariaDb => Op::Bulk { id },
            22..26 => Op::Close { id },
            26 => Op::ResetStatement { id },
            27..30 if params > 0 => Op::LongData { id },
            30 => Op::Reset,
            31 => Op::ChangeUser,
            32 => Op::Ping,
            _ => Op::Query(TEXTS[self.chance.below(TEXTS.len())]),
        }
    }

    async fn play(&mut self, ops: Vec<Op>, seed: usize) {
        self.sent.push(format!("{ops:?}"));
        self.direct.send(&ops, &self.statements, 0).await;
        self.proxied.send(&ops, &self.statements, 1).await;
        for op in &ops {
            let direct = self.direct.answer(op, &self.statements, 0).await;
            let proxied = self.proxied.answer(op, &self.statements, 1).await;
            if let (Answer::Prepared { id, params }, Answer::Prepared { id: other, .. }) = (&direct, &proxied)
            {
                self.statements.push(Statement { ids: [*id, *other], params: *params });
            }
            let what = format!("seed {seed}, {op:?}, after\n{}", self.sent.join("\n"));
            assert_eq!(direct.comparable(), proxied.comparable(), "{what}");
        }
    }
}

/// An execute behind a prepare that fails, in one write, must not execute the statement before.
#[tokio::test]
async fn a_failed_prepare_leaves_no_last_statement() {
    let mut clusters = vec![Cluster::mariadb(0).await];
    clusters.extend(Cluster::mysql(0).await);
    for cluster in clusters {
        let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
        cluster.primary().sql("CREATE TABLE test.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)").await;
        for bulk in [false, true] {
            let mut client = Peer::login(proxy.rw, "test").await;
            let insert = Op::Prepare { text: "INSERT INTO t (v) VALUES (?)", params: 1 };
            client.send(&[insert], &[], 0).await;
            let Answer::Prepared { id, .. } = client.answer(&Op::prepare(), &[], 0).await else { panic!() };
            let execute = match bulk {
                true => Op::Bulk { id: None },
                false => Op::Execute { id: None, params: 1 },
            };
            let ops = [Op::Prepare { text: "SELEC 1", params: 0 }, execute, Op::Ping];
            client.send(&ops, &[], 0).await;
            let answers = [
                client.answer(&ops[0], &[], 0).await,
                client.answer(&ops[1], &[], 0).await,
                client.answer(&ops[2], &[], 0).await,
            ];
            assert!(matches!(&answers[0], Answer::Error { code: 1064, .. }), "{answers:?}");
            assert!(matches!(&answers[1], Answer::Error { code: 1243 | 1047, .. }), "{answers:?}");
            assert!(matches!(&answers[2], Answer::Ok { .. }), "{answers:?}");
            assert_eq!(
                cluster.primary().value("SELECT COUNT(*) FROM test.t").await,
                "0",
                "{id}, {LAST_PREPARED}"
            );
        }
    }
}

/// A PREPARE that the read-only port refuses must not leave the older statement of that name.
#[tokio::test]
async fn a_refused_prepare_drops_the_older_statement() {
    let mut clusters = vec![Cluster::mariadb(1).await];
    clusters.extend(Cluster::mysql(1).await);
    for cluster in clusters {
        let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
        readers_are(&proxy, 1).await;
        let mut client = proxy.reader().await.unwrap();
        client.query_drop("PREPARE a FROM 'SELECT 1'").await.unwrap();
        client.query_drop("PREPARE b FROM 'SELECT 2'").await.unwrap();
        assert_eq!(value(&mut client, "EXECUTE a").await.unwrap(), "1");
        let insert = client.query_drop("PREPARE a FROM 'CREATE TABLE test.u (id INT)'").await;
        assert_eq!(refused(insert).0, 1290);
        assert_eq!(refused(client.query_drop("EXECUTE a").await).0, 1243);
        assert_eq!(value(&mut client, "EXECUTE b").await.unwrap(), "2");
        client.disconnect().await.unwrap();
    }
}
