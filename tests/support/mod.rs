//! Real servers and the built proxy for integration tests:
//! `let mut cluster = Cluster::mariadb(2).await;` and
//! `let proxy = Proxy::start(&proxy_config(&cluster)).await;`. All of it ends with its owner.

mod certificates;
mod chance;
mod cluster;
mod group;
mod kubernetes;
pub mod liar;
mod node;
mod proxy;
mod relay;
mod replication;
mod room;
mod scratch;

pub use certificates::Authority;
pub use chance::{Chance, number};
pub use cluster::{Cluster, Waits};
pub use group::Group;
pub use kubernetes::{Kubernetes, Pods};
pub use node::{Kind, Node, Role, UNHURRIED, has_own_disks};
pub use proxy::{Proxy, config_without_servers, proxy_config};
pub use relay::{Direction, Line, Relay};
pub use room::{MUCH, Place, room_for};
pub use scratch::{Scratch, free_port, signal};

use std::io::Write;
use std::path::PathBuf;

/// A client of its own, over TCP on loopback, without a pool.
///
/// # Errors
/// Whatever the peer answers to the login, or the connect.
pub async fn connect(
    port: u16,
    user: &str,
    password: &str,
    schema: &str,
) -> Result<mysql_async::Conn, mysql_async::Error> {
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some(user))
        .pass(Some(password))
        .db_name(Some(schema))
        // Without this the driver moves to the server's Unix socket, past a proxy under test.
        .prefer_socket(false);
    mysql_async::Conn::new(options).await
}

/// Says loudly that a test did not run, and writes it to `target/test-report/skipped` for the summary.
pub fn report_skipped(what: &str, why: &str) {
    let line = format!("SKIPPED: {what}: {why}");
    eprintln!("\n*** {line}\n");
    let folder = target().join("test-report");
    let file = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::OpenOptions::new().create(true).append(true).open(folder.join("skipped")));
    if let Ok(mut file) = file {
        let _ = writeln!(file, "{line}");
    }
}

/// Cargo's target folder of this build.
fn target() -> PathBuf {
    let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().map_or(tmp.clone(), PathBuf::from)
}

/// A program of MySQL 9.7.
pub fn program_of_mysql(name: &str) -> PathBuf {
    cache().join("mysql97/bin").join(name)
}

/// Where the set-up scripts keep what they fetched; the same rule as in `tests/setup/lib.sh`.
fn cache() -> PathBuf {
    std::env::var_os("POINTSMAN_CACHE").map_or_else(
        || {
            let home = std::env::var_os("HOME").unwrap_or_else(|| "/root".into());
            PathBuf::from(home).join(".cache/pointsman")
        },
        PathBuf::from,
    )
}
