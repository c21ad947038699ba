//! Sessions as applications leave them, and what each must see after a failover.

use crate::dialogue::{eventually, port_of, refused, row, value};
use crate::support::{Kind, Proxy};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Statement};

/// Everything of a session that must look the same afterwards.
const STATE: &str = "SELECT DATABASE(), @@character_set_client, @@character_set_connection, @@collation_connection, \
                     @@character_set_results, @@sql_mode, @@time_zone, @@autocommit, @@group_concat_max_len, \
                     @@sql_safe_updates, @@lock_wait_timeout";

/// Idle sessions that hold nothing but what can be carried.
pub struct Idle {
    clients: Vec<(Conn, Vec<String>)>,
    kind: Kind,
}

impl Idle {
    /// `count` of them, in turn with each kind of state.
    pub async fn open(proxy: &Proxy, kind: Kind, count: usize) -> Self {
        let mut clients = Vec::new();
        for n in 0..count {
            let mut client = proxy.client().await.expect("an idle session's login");
            for sql in setup(kind, n) {
                client.query_drop(*sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
            // One kind has not spoken to a server when the primary goes.
            let state = if n % 6 == 5 { Vec::new() } else { row(&mut client, STATE).await.expect(STATE) };
            clients.push((client, state));
        }
        Idle { clients, kind }
    }

    /// Each goes on as if nothing had happened, on the server with this port, and can write.
    pub async fn go_on_at(&mut self, port: u16, mark: &str) {
        for (n, (client, before)) in self.clients.iter_mut().enumerate() {
            let now = row(client, STATE).await.unwrap_or_else(|e| panic!("idle session {n} lost: {e}"));
            if !before.is_empty() {
                assert_eq!(now, *before, "session {n}, {:?}", setup(self.kind, n));
            }
            let there = async || (port_of(client).await.expect("@@port") == port).then_some(());
            eventually(&format!("session {n} is on the new primary"), there).await;
            let sql = format!("INSERT INTO test.log VALUES ('idle-{n}-{mark}')");
            client.query_drop(&sql).await.unwrap_or_else(|e| panic!("session {n}: {sql}: {e}"));
            // For those without autocommit.
            client.query_drop("COMMIT").await.expect("COMMIT");
        }
    }
}

fn setup(kind: Kind, n: usize) -> &'static [&'static str] {
    match (n % 6, kind) {
        (1, _) if n % 4 == 1 => &["USE sbtest", "SET NAMES latin1"],
        (1, _) => &["SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'"],
        (2, _) => &["SET sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES', time_zone = '+03:00'"],
        (3, _) => &["SET autocommit = 0", "SET SESSION group_concat_max_len = 77777"],
        (4, Kind::MariaDb) => &[
            "SET SESSION tx_isolation = 'READ-COMMITTED'",
            "SET character_set_results = NULL, lock_wait_timeout = 77",
        ],
        (4, Kind::MySql) => &[
            "SET SESSION transaction_isolation = 'READ-COMMITTED'",
            "SET character_set_results = NULL, lock_wait_timeout = 77",
        ],
        _ => &[],
    }
}

/// Sessions with an open transaction.
pub struct Open {
    explicit: Conn,
    implicit: Conn,
    /// What the former's INSERT made.
    id: u64,
}

impl Open {
    /// One by BEGIN, one by autocommit = 0; both wrote.
    pub async fn begin(proxy: &Proxy) -> Self {
        let mut explicit = proxy.client().await.expect("login");
        explicit.query_drop("BEGIN").await.expect("BEGIN");
        explicit.query_drop("INSERT INTO log VALUES ('open-explicit')").await.expect("INSERT");
        explicit.query_drop("INSERT INTO ids VALUES (NULL)").await.expect("INSERT");
        let id = explicit.last_insert_id().expect("an id");
        let mut implicit = proxy.client().await.expect("login");
        // The next primary would choose another one.
        implicit.query_drop("INSERT INTO ids VALUES (NULL)").await.expect("INSERT");
        implicit.query_drop("SET autocommit = 0").await.expect("SET");
        implicit.query_drop("INSERT INTO log VALUES ('open-implicit')").await.expect("INSERT");
        Open { explicit, implicit, id }
    }

    /// Both go on as if nothing had happened: what they wrote is there once, on the server with this port.
    pub async fn goes_on(mut self, port: u16) {
        self.explicit
            .query_drop("INSERT INTO log VALUES ('open-second')")
            .await
            .expect("the transaction goes on");
        let last = value(&mut self.explicit, "SELECT LAST_INSERT_ID()").await.expect("its insert id");
        assert_eq!(last, self.id.to_string());
        let own = "SELECT COUNT(*) FROM log WHERE token LIKE 'open-%'";
        assert_eq!(value(&mut self.explicit, own).await.unwrap(), "2", "its own rows are there");
        self.explicit.query_drop("COMMIT").await.expect("COMMIT");
        self.implicit.query_drop("COMMIT").await.expect("COMMIT");
        let row = format!("SELECT COUNT(*) FROM ids WHERE id = {}", self.id);
        assert_eq!(
            value(&mut self.explicit, &row).await.unwrap(),
            "1",
            "its row has the id that it was told"
        );
        assert_eq!(value(&mut self.implicit, "SELECT @@autocommit").await.unwrap(), "0");
        for client in [&mut self.explicit, &mut self.implicit] {
            client.query_drop("BEGIN").await.unwrap();
            assert_eq!(port_of(client).await.unwrap(), port);
            client.query_drop("COMMIT").await.unwrap();
        }
        let there = "SELECT GROUP_CONCAT(token ORDER BY token) FROM log WHERE token LIKE 'open-%'";
        assert_eq!(
            value(&mut self.explicit, there).await.unwrap(),
            "open-explicit,open-implicit,open-second"
        );
    }
}

/// Sessions that hold something that cannot be carried, and one with things that can.
pub struct Held(Vec<(&'static str, Conn)>, Conn, Statement);

impl Held {
    /// One of each, and one that held something but let it go.
    pub async fn open(proxy: &Proxy) -> Self {
        let mut all = Vec::new();
        for sql in ["SET @x = (SELECT 1)", "CREATE TEMPORARY TABLE mine (a INT)", "DO GET_LOCK('here', 0)"] {
            let mut client = proxy.client().await.expect("login");
            client.query_drop(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            all.push((sql, client));
        }
        let mut free = proxy.client().await.expect("login");
        free.query_drop("SET @y = 'carried'").await.expect("a literal");
        let statement = free.prep("SELECT CONCAT(@y, ?)").await.expect("prepare");
        for sql in ["CREATE TEMPORARY TABLE gone (a INT)", "DROP TEMPORARY TABLE gone"] {
            free.query_drop(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
        Held(all, free, statement)
    }

    /// Each is told once, and then its connection is gone; what can be carried is there.
    pub async fn lost(self, port: u16) {
        let Held(all, mut free, statement) = self;
        for (what, mut client) in all {
            let result = client.query_drop("SELECT 1").await;
            assert_eq!(refused(result), (1053, "08S01".to_owned()), "{what}");
            let after = client.query_drop("SELECT 1").await;
            assert!(after.is_err(), "{what}: the connection must end");
            assert!(!matches!(after, Err(mysql_async::Error::Server(_))), "{what}: {after:?}");
        }
        let said: Option<String> = free.exec_first(&statement, ("!",)).await.expect("a statement moves");
        assert_eq!(said.as_deref(), Some("carried!"));
        assert_eq!(port_of(&mut free).await.expect("a session that holds nothing"), port);
    }
}
