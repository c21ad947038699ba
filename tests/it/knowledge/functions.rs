//! The built-in functions that the tables list for a version, compared with what real servers know, and functions that only
//! some servers of a cluster have.

use super::{Control, until};
use crate::dialogue::{eventually, patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use pointsman::config::Secret;
use pointsman::monitor::{BackendConnector, Routines, Target, missing_functions};
use pointsman::net::SystemRuntime;
use pointsman::sql::vocabulary::native::{ServerVersion, functions_of, versioned_functions};
use pointsman::sql::vocabulary::{Native, Routines as _};
use std::collections::BTreeSet;
use tokio::task::LocalSet;

#[tokio::test]
async fn mariadb_has_the_functions_of_its_version() {
    has_the_functions_of_its_version(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_has_the_functions_of_its_version() {
    if let Some(cluster) = Cluster::mysql(0).await {
        has_the_functions_of_its_version(cluster).await;
    }
}

/// Functions that are not there without arguments.
const WITH_ARGUMENTS: [&str; 7] =
    ["geometrycollection", "linestring", "multilinestring", "multipoint", "multipolygon", "point", "polygon"];
/// ER_SP_DOES_NOT_EXIST, ER_FUNC_INEXISTENT_NAME_COLLISION
const DOES_NOT_EXIST: [u16; 2] = [1305, 1630];

async fn has_the_functions_of_its_version(cluster: Cluster) {
    let mut client = connect(cluster.primary().port(), "super", "super", "test").await.unwrap();
    let version: String = client.query_first("SELECT VERSION()").await.unwrap().unwrap();
    let server = ServerVersion::parse(&version, cluster.kind() == Kind::MariaDb);
    let mut wrong = Vec::new();
    for (name, expected) in versioned_functions(server) {
        let argument = match name {
            "point" => "1, 2",
            name if WITH_ARGUMENTS.contains(&name) => "x'00'",
            _ => "",
        };
        let exists = match client.query_drop(format!("SELECT {name}({argument})")).await {
            Err(mysql_async::Error::Server(error)) => !DOES_NOT_EXIST.contains(&error.code),
            _ => true,
        };
        // A word of the grammar, which is no function, or only in a list of tables.
        let is_word = match cluster.kind() {
            Kind::MySql => ["contains", "srid", "password"].contains(&name),
            Kind::MariaDb => name == "json_table",
        };
        if exists != expected && !is_word {
            wrong.push((name, exists));
        }
    }
    assert!(wrong.is_empty(), "{version}: {wrong:?}");
}

/// Functions that MariaDB lists, and that the tables deliberately do not have: they are called by other names.
const UNLISTED: [&str; 10] = [
    "concat_operator_oracle",
    "decode_oracle",
    "lpad_oracle",
    "ltrim_oracle",
    "replace_oracle",
    "rpad_oracle",
    "rtrim_oracle",
    "schemas",
    "substr_oracle",
    "trim_oracle",
];

#[tokio::test]
async fn mariadb_knows_every_function_that_the_tables_list() {
    LocalSet::new().run_until(knows_every_function(Cluster::mariadb(0).await)).await;
}

#[tokio::test]
async fn mysql_knows_every_function_that_the_tables_list() {
    if let Some(cluster) = Cluster::mysql(0).await {
        LocalSet::new().run_until(knows_every_function(cluster)).await;
    }
}

async fn knows_every_function(cluster: Cluster) {
    let primary = cluster.primary();
    let target = Target {
        server: pointsman::topology::ServerId(0),
        name: "db-0".into(),
        address: format!("127.0.0.1:{}", primary.port()).into(),
        tls_names: [].into(),
        user: "monitor".into(),
        password: Secret::new("monitor"),
        proxy_header: false,
    };
    let connector = BackendConnector::new(SystemRuntime::default(), std::sync::Arc::default());
    let (version, lacks) = missing_functions(&connector, &target).await.unwrap();
    assert_eq!(*lacks, [""; 0], "{version}");
    if cluster.kind() == Kind::MariaDb {
        let listed: BTreeSet<&str> = functions_of(ServerVersion::parse(&version, true)).collect();
        let rows = primary.sql("SELECT LOWER(function) FROM information_schema.sql_functions").await;
        let names = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
        let names: Vec<_> = names
            .filter(|name| !listed.contains(&**name) && !UNLISTED.contains(&&**name))
            .filter(|name| !name.starts_with("st_") && !WITH_ARGUMENTS.contains(&&**name))
            .collect();
        assert_eq!(names, [""; 0], "not in the tables");
    }
    // Names of other versions and of the other flavour are not known.
    let control = Control::start(&cluster, "monitor");
    let connector = BackendConnector::new(SystemRuntime::default(), std::sync::Arc::default());
    let mut routines = Routines::start(connector, control.live.clone(), control.snapshot.clone());
    let known = until(&mut routines, "the server's version", |known| known.version() > 0).await;
    let elsewhere = if cluster.kind() == Kind::MariaDb { "any_value" } else { "nvl" };
    for (name, expected) in
        [("acos", Native::Everywhere), (elsewhere, Native::Nowhere), ("uuid_v7", Native::Nowhere)]
    {
        assert_eq!(known.native(name.as_bytes()), expected, "{name}");
    }
}

/// Functions that only another version or the other flavour has built in.
const ELSEWHERE: [(Kind, &[&str]); 2] = [
    (Kind::MariaDb, &["any_value", "uuid_to_bin", "uuid_v7", "cube", "rollup", "st_collect", "analyse"]),
    (Kind::MySql, &["nvl", "sformat", "uuid_v7", "median", "percentile_cont", "analyse", "kdf"]),
];

#[tokio::test]
async fn mariadb_functions_with_names_of_other_servers_are_refused() {
    names_of_other_servers_are_refused(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_functions_with_names_of_other_servers_are_refused() {
    if let Some(cluster) = Cluster::mysql(1).await {
        names_of_other_servers_are_refused(cluster).await;
    }
}

/// With a catalogue that sees all functions, and with one that sees none.
async fn names_of_other_servers_are_refused(cluster: Cluster) {
    let names = ELSEWHERE.iter().find(|(kind, _)| *kind == cluster.kind()).unwrap().1;
    for server in cluster.servers() {
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    }
    let primary = cluster.primary();
    for name in names {
        let body = "BEGIN SET GLOBAL long_query_time = 7; RETURN 1; END";
        primary.sql(&format!("CREATE FUNCTION test.{name}() RETURNS INT NO SQL {body}")).await;
    }
    let rights = match cluster.kind() {
        Kind::MariaDb => "SLAVE MONITOR ON *.*",
        Kind::MySql => "REPLICATION CLIENT ON *.* TO blind@'%'; GRANT SELECT ON performance_schema.*",
    };
    primary.sql(&format!("CREATE USER blind@'%' IDENTIFIED BY 'monitor'; GRANT {rights} TO blind@'%'")).await;
    cluster.wait_caught_up().await;
    for monitor in ["monitor", "blind"] {
        let config =
            patient(&proxy_config(&cluster)).replace("user = \"monitor\"", &format!("user = \"{monitor}\""));
        let proxy = Proxy::start(&config).await;
        readers_are(&proxy, 1).await;
        for account in ["super", "app"] {
            let mut client = connect(proxy.ro, account, account, "test").await.unwrap();
            for call in names
                .iter()
                .flat_map(|name| [format!("{name}()"), format!("{name} ()"), format!("`{name}`()")])
            {
                let answer = client.query_drop(format!("SELECT {call}")).await;
                let refused = matches!(&answer, Err(mysql_async::Error::Server(error)) if error.code == 1290);
                assert!(refused, "{monitor}, {account}: {call}: {answer:?}");
            }
            let pi = eventually("a built-in function", async || {
                client.query_first::<f64, _>("SELECT ROUND(PI(), 2)").await.ok().flatten()
            });
            let about = pi.await;
            assert!(about > 3.1 && about < 3.2, "{about}");
        }
    }
    let time = cluster.server(1).value("SELECT @@global.long_query_time").await;
    assert!(!time.starts_with('7'), "{time}");
}
