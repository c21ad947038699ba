//! What servers know of the clients behind the proxy: connection attributes, `pool.client_tag`.

use crate::dialogue::raw::Raw;
use crate::dialogue::{patient, row, value};
use crate::support::{Cluster, Node, Proxy, proxy_config};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

/// The statements that the server has run and that contain this text.
async fn texts(server: &Node, part: &str) -> Vec<String> {
    let rows = server.sql("SELECT argument FROM mysql.general_log WHERE command_type = 'Query'").await;
    let all = rows.into_iter().filter_map(|mut row| row.remove(0));
    all.filter(|text| text.contains(part) && !text.contains("general_log")).collect()
}

/// CLIENT_QUERY_ATTRIBUTES
const QUERY_ATTRIBUTES: u32 = 1 << 27;

/// Reads up to the EOF packet that is the last of these, and returns all packets as one text.
async fn up_to_eof(client: &mut Raw, mut count: usize) -> String {
    let mut all = String::new();
    while count > 0 {
        let packet = client.read().await.expect("a packet").1;
        assert_ne!(packet[0], 0xff, "{}", packet.escape_ascii());
        count -= usize::from(packet[0] == 0xfe && packet.len() < 9);
        all.push_str(&String::from_utf8_lossy(&packet));
    }
    all
}

/// Sends a command that returns rows, and returns them.
async fn answer(client: &mut Raw, command: u8, arguments: &[u8]) -> String {
    let first = client.command(command, arguments).await.expect("an answer");
    assert_eq!(first, [1], "one column: {}", first.escape_ascii());
    up_to_eof(client, 2).await
}

const LOG: &str = "SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1";

fn tagged(cluster: &Cluster, how: &str) -> String {
    format!("{}\n[pool]\nclient_tag = \"{how}\"\n", patient(&proxy_config(cluster)))
}

#[tokio::test]
async fn a_server_shows_the_attributes_of_clients() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    let opts = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(proxy.rw).user(Some("app"));
    let opts = opts.pass(Some("app")).connect_attribute("_client_name", "driver");
    let opts = opts.prefer_socket(false).connect_attribute("program_name", "shop");
    let mut client = Conn::new(opts.connect_attribute("pointsman_consistency", "strong")).await.unwrap();
    let id = value(&mut client, "SELECT CONNECTION_ID()").await.unwrap();
    let all =
        "SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs WHERE PROCESSLIST_ID = ";
    let shown = cluster.server(0).sql(&format!("{all}{id} ORDER BY ORDINAL_POSITION")).await;
    let shown: Vec<(String, String)> = shown
        .into_iter()
        .filter_map(|row| {
            let [name, value] = <[Option<String>; 2]>::try_from(row).ok()?;
            name.zip(value)
        })
        .collect();
    let of = |name: &str| shown.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(of("_client_name"), Some("pointsman"), "{shown:?}");
    assert_eq!(of("pointsman_client_name"), Some("driver"), "{shown:?}");
    assert_eq!((of("program_name"), of("pointsman_consistency")), (Some("shop"), None), "{shown:?}");
}

#[tokio::test]
async fn a_comment_names_the_client_and_changes_nothing_else() {
    let cluster = Cluster::mariadb(0).await;
    let server = cluster.server(0);
    server.sql(LOG).await;
    let proxy = Proxy::start(&tagged(&cluster, "comment")).await;
    let mut client = proxy.client().await.unwrap();
    let id = client.id();
    for text in
        ["SELECT /*+ NO_SUCH_HINT() */ 'kept' AS a", "/*!50000 SELECT 'kept' AS a */", "(SELECT 'kept' AS a)"]
    {
        assert_eq!(value(&mut client, text).await.unwrap(), "kept", "{text}");
    }
    let mut results = client.query_iter("SELECT 1; SELECT 'kept'").await.unwrap();
    let first: Vec<u8> = results.collect().await.unwrap();
    let second: Vec<String> = results.collect().await.unwrap();
    assert_eq!((first, second), (vec![1], vec!["kept".to_owned()]));
    drop(results);
    let refused = value(&mut client, "SELECT wrong FROM").await.unwrap_err().to_string();
    assert!(refused.contains("near '' at line 1"), "{refused}");
    let empty = value(&mut client, "").await.unwrap_err().to_string();
    assert!(empty.contains("1065"), "{empty}");
    let prepared: Option<String> = client.exec_first("SELECT 'kept by prepare'", ()).await.unwrap();
    assert_eq!(prepared.as_deref(), Some("kept by prepare"));
    client
        .query_drop("CREATE TABLE test.t1 (a TEXT); CREATE VIEW test.v1 AS SELECT a FROM test.t1")
        .await
        .unwrap();
    client.query_drop("CREATE PROCEDURE test.p1() SELECT 'kept' AS a").await.unwrap();
    assert_eq!(value(&mut client, "CALL test.p1()").await.unwrap(), "kept");
    let body = row(&mut client, "SHOW CREATE PROCEDURE test.p1").await.unwrap().remove(2);
    assert!(!body.contains("pointsman"), "{body}");
    let mine = format!(" app {id} */ ");
    let seen = texts(server, "kept").await;
    assert!(seen.len() >= 5, "{seen:?}");
    for text in seen.iter().filter(|text| !text.contains("by prepare")) {
        let rest = text.strip_prefix("/* pointsman_client=127.0.0.1:").unwrap_or_else(|| panic!("{text}"));
        assert!(rest.contains(&mine) || !rest.contains("*/"), "{text}");
    }
}

#[tokio::test]
async fn an_attribute_names_the_client() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    cluster.server(0).sql("INSTALL COMPONENT 'file://component_query_attributes'").await;
    let proxy = Proxy::start(&tagged(&cluster, "attribute")).await;
    let mut client = Raw::connect(proxy.rw).await.unwrap();
    let id = client.login_with("app", "app", QUERY_ATTRIBUTES).await.unwrap();
    let ask = "SELECT mysql_query_attribute_string('pointsman_client')";
    let shown = format!(" app {id}");
    let sent = [b"\0\x01", ask.as_bytes()].concat();
    let told = answer(&mut client, 3, &sent).await;
    assert!(told.contains(&shown), "{told}");
    // An attribute of the client cannot stand in its place.
    let forged = [b"\x01\x01\0\x01\xfe\0\x10pointsman_client\x06forged".as_slice(), ask.as_bytes()].concat();
    let told = answer(&mut client, 3, &forged).await;
    assert!(told.contains(&shown) && !told.contains("forged"), "{told}");
    let mixed = "SELECT CONCAT(?, mysql_query_attribute_string('pointsman_client'))";
    for (text, params, execute) in
        [(ask, 0, &b"\0\0\0\0\0\x01\0\0\0"[..]), (mixed, 1, b"\0\0\0\0\x08\x01\0\0\0\x01\0\x01\xfe\0\0\x01x")]
    {
        let prepared = client.command(0x16, text.as_bytes()).await.unwrap();
        assert_eq!(prepared[0], 0, "{}", prepared.escape_ascii());
        up_to_eof(&mut client, 1 + params).await;
        let execute = [&prepared[1..5], &execute[4..]].concat();
        let told = answer(&mut client, 0x17, &execute).await;
        assert!(told.contains(&shown), "{text}: {told}");
    }
    // Clients that cannot send attributes are served as before.
    let mut plain = proxy.client().await.unwrap();
    assert_eq!(value(&mut plain, ask).await.unwrap(), "NULL");
}
