//! Dumps through the read-only port are those of the replica.

use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, connect, program_of_mysql, proxy_config, report_skipped};
use std::path::{Path, PathBuf};
use tokio::process::Command;

#[tokio::test]
async fn mariadb_is_dumped() {
    is_dumped(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_is_dumped() {
    if let Some(cluster) = Cluster::mysql(1).await {
        is_dumped(cluster).await;
    }
}

async fn is_dumped(cluster: Cluster) {
    let primary = cluster.primary();
    primary.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    primary.sql(&format!("USE test; {}", include_str!("tools/schema.sql"))).await;
    primary
        .sql(
            "CREATE FUNCTION test.reads() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM test.orders); \
             CREATE PROCEDURE test.p() SELECT 1; CREATE VIEW test.v AS SELECT test.reads() AS n; \
             CREATE TRIGGER test.tr BEFORE INSERT ON test.tree FOR EACH ROW SET NEW.name = UPPER(NEW.name)",
        )
        .await;
    cluster.wait_caught_up().await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    readers_are(&proxy, 1).await;
    let direct = cluster.server(1).port();
    // The password is known to the server from now on.
    let _known = connect(direct, "super", "super", "test").await.expect("a login");
    for options in [
        &["--single-transaction"][..],
        &["--single-transaction", "--routines", "--triggers", "--events"],
        &["--lock-tables"],
    ] {
        let expected = dump(cluster.kind(), direct, options).await.expect("a dump");
        assert!(expected.contains("'database order'"), "{expected}");
        let got = dump(cluster.kind(), proxy.ro, options).await.expect("a dump");
        assert_eq!(got, expected, "{options:?}");
    }
    mydumper(&cluster, proxy.ro).await;
}

/// mysqldump of MySQL, or mariadb-dump.
async fn dump(kind: Kind, port: u16, options: &[&str]) -> Result<String, String> {
    let (program, own) = match kind {
        // The proxy refuses the columns of this table to mariadb-dump, as names that cannot be read with certainty.
        Kind::MariaDb => (PathBuf::from("mariadb-dump"), &["--skip-ssl", "--ignore-table=test.größe"][..]),
        Kind::MySql => {
            (program_of_mysql("mysqldump"), &["--set-gtid-purged=OFF", "--get-server-public-key"][..])
        }
    };
    let mut command = Command::new(program);
    command.arg("--no-defaults").args(own).args([
        "-h",
        "127.0.0.1",
        "-usuper",
        "-psuper",
        "--protocol=tcp",
        "--skip-comments",
    ]);
    command.arg(format!("-P{port}")).args(options).arg("test");
    said(command).await
}

async fn said(mut command: Command) -> Result<String, String> {
    let output = command.stdin(std::process::Stdio::null()).output().await.expect("the program");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{command:?}: {errors}")),
    }
}

/// Without locks of the whole server, which a port for reads does not give.
async fn mydumper(cluster: &Cluster, port: u16) {
    if Command::new("mydumper").arg("--version").output().await.is_err() {
        report_skipped("mydumper through the read-only port", "mydumper is not installed");
        return;
    }
    let folder = cluster.server(1).data().with_file_name("dumped");
    let mut command = Command::new("mydumper");
    command.args([
        "--no-locks",
        "--trx-consistency-only",
        "-h",
        "127.0.0.1",
        "-u",
        "super",
        "-p",
        "super",
        "-B",
        "test",
        "-t",
        "2",
    ]);
    command.args(["--triggers", "--routines"]).arg("-P").arg(port.to_string()).arg("-o").arg(&folder);
    said(command).await.expect("a dump");
    let orders = text_of(&folder, "test.orders");
    assert!(orders.contains("database order"), "{orders}");
    assert!(text_of(&folder, "test.order_totals-schema-view").contains("VIEW"));
}

/// The files of a folder whose names begin like this.
fn text_of(folder: &Path, name: &str) -> String {
    let files = std::fs::read_dir(folder).expect("the folder of the dump").flatten();
    let wanted = files.filter(|file| file.file_name().to_string_lossy().starts_with(name));
    wanted.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect()
}
