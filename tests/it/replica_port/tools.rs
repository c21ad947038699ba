//! What tools send gets the same answer through the read-only port as from the replica directly.

use super::client::{Answer, Bytes};
use super::corpus::{TOOLS, entries};
use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Proxy, proxy_config};

#[tokio::test]
async fn tools_get_their_answers_on_mariadb() {
    get_their_answers(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn tools_get_their_answers_on_mysql() {
    if let Some(cluster) = Cluster::mysql(1).await {
        get_their_answers(cluster).await;
    }
}

async fn get_their_answers(cluster: Cluster) {
    cluster.primary().sql(&format!("USE test; {}", include_str!("tools/schema.sql"))).await;
    // Without these rights the proxy cannot tell views that read from others.
    cluster.primary().sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
    cluster.wait_caught_up().await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    readers_are(&proxy, 1).await;
    let (mut wrong, mut count) = (Vec::new(), 0);
    for account in ["app", "super"] {
        for file in TOOLS {
            let mut direct = direct_session(&cluster, account).await;
            let mut through = session(proxy.ro, account).await;
            for entry in entries(file, "tool") {
                let sql = entry.sql.as_bytes();
                let parameters = entry.sql.contains('?');
                let expected = answer(&mut direct, sql, parameters).await;
                let got = answer(&mut through, sql, parameters).await;
                count += 1;
                // A function or a clause that the server does not have is refused before the server says so.
                let lacks = matches!(code(&expected), Some(1064 | 1221 | 1305)) && code(&got) == Some(1290);
                if !lacks && !is_same(code(&got), code(&expected)) {
                    wrong.push(format!(
                        "{account}, {}: {got:?}, directly {expected:?}\n    {}",
                        entry.name, entry.sql
                    ));
                }
                if code(&got).is_none() || code(&expected).is_none() {
                    direct = direct_session(&cluster, account).await;
                    through = session(proxy.ro, account).await;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}\n{}", wrong.len(), wrong.join("\n"), proxy.log());
}

/// In the mode that the proxy's connections are in.
async fn direct_session(cluster: &Cluster, account: &str) -> Bytes {
    let mut direct = Bytes::directly(cluster.server(1).port(), account, None).await.expect("a login");
    direct.text(b"SET SESSION TRANSACTION READ ONLY").await;
    direct
}

async fn session(port: u16, account: &str) -> Bytes {
    Bytes::login(port, account, None).await.expect("a login")
}

async fn answer(session: &mut Bytes, sql: &[u8], parameters: bool) -> Answer {
    if parameters { session.prepared(sql).await } else { session.text(sql).await }
}

/// The error's code; 0 for success. A connection that ended has none.
fn code(answer: &Answer) -> Option<u16> {
    match answer {
        Answer::Done => Some(0),
        Answer::Error(code, _) => Some(*code),
        Answer::Gone => None,
    }
}

/// The port says 1290 where a server refuses a write in a read-only transaction, and the locks of dumps pass on replicas.
fn is_same(got: Option<u16>, direct: Option<u16>) -> bool {
    got == direct || (direct == Some(1792) && got == Some(1290)) || (direct == Some(1290) && got == Some(0))
}
