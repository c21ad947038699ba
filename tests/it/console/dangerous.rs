//! What of SQLite does more than compute, each tried on a connection of its own.

use super::{operator, with_console};
use crate::dialogue::value;
use crate::support::{Cluster, Proxy, free_port};
use mysql_async::prelude::Queryable;

/// What of SQLite reaches files, memory, programs or the process, and what would write. With a word of the error's text.
const DANGEROUS: &[(&str, u16, &str)] = &[
    ("SELECT load_extension('/tmp/x.so')", 1064, "not authorized"),
    ("SELECT load_extension('/tmp/x.so', 'main')", 1064, "not authorized"),
    ("SELECT LOAD_EXTENSION('x') FROM servers", 1064, "not authorized"),
    ("SELECT readfile('/etc/passwd')", 1064, "no such function"),
    ("SELECT writefile('/tmp/x', 'x')", 1064, "no such function"),
    ("SELECT edit('x', 'sh')", 1064, "no such function"),
    ("SELECT fts3_tokenizer('simple')", 1064, "not authorized"),
    ("SELECT fts3_tokenizer('simple', x'4141414141414141')", 1064, "not authorized"),
    ("SELECT fts5(x'00')", 1064, "not authorized"),
    ("SELECT fts5_source_id()", 1064, "not authorized"),
    ("SELECT rtreecheck('pins')", 1064, "not authorized"),
    ("SELECT rtreenode(2, x'ffffffff')", 1064, "not authorized"),
    ("SELECT rtreedepth(x'ffff')", 1064, "not authorized"),
    ("SELECT matchinfo(name) FROM servers", 1064, "not authorized"),
    ("SELECT offsets(name) FROM servers", 1064, "not authorized"),
    ("SELECT optimize(name) FROM servers", 1064, "not authorized"),
    ("SELECT snippet(name) FROM servers", 1064, "not authorized"),
    ("SELECT sqlite_log(1, 'x')", 1064, "not authorized"),
    ("SELECT sqlite_compileoption_get(1)", 1064, "not authorized"),
    ("SELECT 'a' GLOB '*'", 1064, "not authorized"),
    ("SELECT json_patch('{}', '{}')", 1064, "not authorized"),
    ("SELECT * FROM pragma_database_list", 1290, "only reads"),
    ("SELECT * FROM pragma_table_info('servers')", 1290, "only reads"),
    ("SELECT * FROM dbstat", 1290, "only reads"),
    ("SELECT * FROM sqlite_dbpage", 1146, "no such table"),
    ("SELECT * FROM fsdir('/')", 1146, "no such table"),
    ("SELECT * FROM csv", 1146, "no such table"),
    ("ATTACH DATABASE '/tmp/x' AS y", 1290, "only reads"),
    ("DETACH DATABASE stats", 1290, "only reads"),
    ("PRAGMA writable_schema = ON", 1290, "only reads"),
    ("PRAGMA temp_store_directory = '/tmp'", 1290, "only reads"),
    ("VACUUM INTO '/tmp/x'", 1290, "only reads"),
    ("CREATE VIRTUAL TABLE x USING fts5(a)", 1290, "only reads"),
    ("CREATE TRIGGER x AFTER INSERT ON pins BEGIN SELECT 1; END", 1064, "one statement at a time"),
    ("SELECT * FROM fts3tokenize('simple', 'x')", 1290, "only reads"),
    ("REINDEX", 1064, "the console knows"),
    ("WITH x AS (SELECT 1) INSERT INTO pins SELECT 1, 2, 3, 4", 1290, "only reads"),
    ("EXPLAIN DELETE FROM pins", 1064, "the console knows"),
];

#[tokio::test]
async fn dangerous_functions_are_refused_on_connections_that_live() {
    let cluster = Cluster::mariadb(0).await;
    let port = free_port();
    let _proxy = Proxy::start(&with_console(&cluster, port, "")).await;
    let mut wrong = Vec::new();
    for (sql, code, text) in DANGEROUS {
        let mut console = operator(port).await;
        assert_eq!(value(&mut console, "SELECT 1").await.unwrap(), "1", "alive before {sql}");
        match console.query_drop(*sql).await {
            Err(mysql_async::Error::Server(error)) if error.code == *code && error.message.contains(text) => {
            }
            answer => wrong.push(format!("{sql}: {answer:?}")),
        }
        assert_eq!(value(&mut console, "SELECT 1").await.unwrap(), "1", "alive after {sql}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
