//! A server reads a prepared text anew when a table that it names has changed: in the character set of then, and on MySQL
//! in the sql_mode of then. What was judged at the prepare is judged again.

use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;

#[tokio::test]
async fn mariadb_writes_no_file_by_a_text_that_it_reads_anew() {
    writes_no_file(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_writes_no_file_by_a_text_that_it_reads_anew() {
    if let Some(cluster) = Cluster::mysql(1).await {
        writes_no_file(cluster).await;
    }
}

async fn writes_no_file(mut cluster: Cluster) {
    let folder = cluster.server(1).data().parent().expect("a folder").join("files");
    std::fs::create_dir_all(&folder).expect("a folder for files");
    if cluster.kind() == Kind::MariaDb {
        let option = format!("--secure-file-priv={}", folder.display());
        cluster.server_mut(1).restart_with(&[option]).await;
        cluster.server(1).wait_replicating().await;
    }
    let folder = folder.canonicalize().expect("a folder");
    cluster.primary().sql("CREATE TABLE test.t (a INT PRIMARY KEY); INSERT INTO test.t VALUES (1)").await;
    cluster.wait_caught_up().await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    readers_are(&proxy, 1).await;
    // `\xbf\\` is one character of gbk, and a character and an escape sign of latin1.
    let of_charset = |file: &str| {
        let mut text =
            b"SELECT '\xbf\\' , a FROM test.t WHERE 1 OR ' , a FROM test.t INTO OUTFILE \"".to_vec();
        text.extend_from_slice(format!("{}/{file}\" #'", folder.display()).as_bytes());
        text
    };
    let of_mode = |file: &str| {
        let path = folder.join(file);
        format!("SELECT '\\', a FROM test.t INTO OUTFILE \"{}\" -- ' FROM test.t", path.display())
            .into_bytes()
    };
    for (before, text, then) in [
        ("SET NAMES latin1", of_charset("charset"), "SET NAMES gbk"),
        ("SET sql_mode = ''", of_mode("mode"), "SET sql_mode = 'NO_BACKSLASH_ESCAPES'"),
    ] {
        let mut client = connect(proxy.ro, "super", "super", "test").await.expect("login");
        client.query_drop(before).await.expect("a setting");
        let Ok(statement) = client.prep(text.clone()).await else { continue };
        client.exec_drop(&statement, ()).await.expect("a read");
        if client.query_drop(then).await.is_err() {
            continue;
        }
        cluster.primary().sql(&format!("ALTER TABLE test.t COMMENT = '{}'", then.replace('\'', ""))).await;
        cluster.wait_caught_up().await;
        for _ in 0..2 {
            let answer = client.exec_drop(&statement, ()).await;
            let files: Vec<_> = std::fs::read_dir(&folder).expect("a folder").collect();
            assert!(files.is_empty(), "{:?}: {then}: {answer:?}: {files:?}", cluster.kind());
        }
    }
}

/// A literal in double quotes is a name in ANSI_QUOTES, and the audit log shows names.
#[tokio::test]
async fn a_password_stays_out_of_the_audit_log_when_the_mode_changes_behind_its_prepare() {
    for cluster in [Some(Cluster::mariadb(0).await), Cluster::mysql(0).await].into_iter().flatten() {
        let path = cluster.server(0).data().parent().expect("a folder").join("audit.log");
        let audit = format!("\n[audit]\nto = {path:?}\n");
        let proxy = Proxy::start(&(patient(&proxy_config(&cluster)) + &audit)).await;
        let mut client = connect(proxy.rw, "super", "super", "test").await.expect("login");
        for sql in [
            "SET sql_mode = ''",
            "PREPARE s FROM 'ALTER USER app@''%'' IDENTIFIED BY \"topsecret\"'",
            "SET sql_mode = 'ANSI_QUOTES'",
        ] {
            client.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        // A server may read the text anew, and refuse it.
        let _ = client.query_drop("EXECUTE s").await;
        let log = crate::dialogue::eventually("the audit log has the statement", async || {
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            log.contains("\"grant\"").then_some(log)
        })
        .await;
        assert!(!log.contains("topsecret"), "{:?}: {log}", cluster.kind());
    }
}
