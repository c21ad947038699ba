//! `pointsman top`, drawn from the answers of a real proxy.

use mysql_async::prelude::Queryable;

use crate::dialogue::{eventually, patient, readers_are};
use crate::support::{Cluster, Proxy, connect, proxy_config};

/// Returns the words of the line that begins with this word.
fn line<'a>(screen: &'a str, first: &str) -> Vec<&'a str> {
    let mut lines = screen.lines().map(|line| line.trim_matches('"').split_whitespace().collect::<Vec<_>>());
    lines.find(|words| words.first() == Some(&first)).unwrap_or_else(|| panic!("{first}\n{screen}"))
}

#[tokio::test]
async fn the_screen_has_the_servers_the_sessions_and_the_digests() {
    let cluster = Cluster::mariadb(1).await;
    cluster.primary().sql("CREATE TABLE IF NOT EXISTS test.topped (id INT PRIMARY KEY)").await;
    let config = patient(&proxy_config(&cluster)).replace("mode = \"primary\"", "mode = \"split\"");
    let proxy = Proxy::start(&config).await;
    readers_are(&proxy, 1).await;
    let mut client = connect(proxy.rw, "app", "app", "test").await.unwrap();
    client.query_drop("INSERT INTO topped VALUES (4711)").await.unwrap();
    client.query_drop("SELECT id FROM topped WHERE id = 4711").await.unwrap();
    let url = format!("http://127.0.0.1:{}", proxy.http);
    let screen = eventually("the screen has the statements", async || {
        let screen = pointsman::app::top_screen(&url, 160, 40).await.unwrap();
        (screen.contains("INSERT INTO") && screen.contains("SELECT `id`")).then_some(screen)
    })
    .await;
    assert_eq!(line(&screen, "db-0")[1..4], ["primary", "up", "no"], "{screen}");
    assert_eq!(line(&screen, "db-1")[1..4], ["replica", "up", "yes"], "{screen}");
    // The port, its sessions, and a rate.
    let port = line(&screen, "split");
    assert!(port[1] == "1" && port[2].parse::<u64>().is_ok(), "{screen}");
    let whose =
        |statement: &str| screen.lines().any(|line| line.contains(&format!(" app          {statement}")));
    assert!(whose("INSERT INTO `topped`") && whose("SELECT `id` FROM `topped`"), "{screen}");
    assert!(screen.contains("q quit") && !screen.contains("4711"), "{screen}");
    client.disconnect().await.unwrap();
}
