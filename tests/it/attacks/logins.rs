//! Logins that fail, or never end: who does that is blocked, told by 1129, and others from the same address are served.

use crate::dialogue::eventually;
use crate::dialogue::raw::{Greeted, Raw, error_code, response};
use crate::support::{Cluster, Proxy, connect, proxy_config};

async fn proxy(cluster: &Cluster, limits: &str) -> Proxy {
    let config = crate::dialogue::patient(&proxy_config(cluster));
    Proxy::start(&format!(
        "workers = 2\nworker_fill = 0\n{config}\n[replicas]\nfallback = \"primary\"\n[limits]\n{limits}\n"
    ))
    .await
}

/// The error code of a login; 0 if it succeeds.
async fn login(port: u16, user: &str, password: &str) -> u16 {
    let mut raw = Raw::connect(port).await.expect("connect");
    let Ok((_, first)) = raw.read().await else { return 1 };
    if first.first() == Some(&0xff) {
        return error_code(&first);
    }
    drop(raw);
    let mut raw = Raw::connect(port).await.expect("connect");
    let Ok(greeted) = raw.greeting().await else { return 1129 };
    raw.send(1, &response(user, password, &greeted)).await.expect("send");
    loop {
        let (_, payload) = raw.read().await.expect("an answer");
        if payload != [1, 3] {
            return error_code(&payload);
        }
    }
}

#[tokio::test]
async fn a_name_that_fails_is_blocked_for_a_while_and_others_are_not() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = proxy(&cluster, "max_login_errors = 20\nblock_time = \"10s\"").await;
    let _session = Raw::app(proxy.rw).await;
    let mut codes = Vec::new();
    for _ in 0..30 {
        codes.push(login(proxy.rw, "super", "wrong").await);
    }
    assert!(codes.contains(&1045) && codes.ends_with(&[1129, 1129, 1129]), "{codes:?}");
    assert_eq!(login(proxy.rw, "super", "super").await, 1129, "whoever it is");
    Raw::app(proxy.rw).await;
    eventually("the block ends by itself", async || {
        (login(proxy.rw, "super", "super").await == 0).then_some(())
    })
    .await;
    let metrics = proxy.get("/metrics").await.unwrap().1;
    assert!(metrics.contains("pointsman_logins_refused_total{reason=\"blocked\"}"), "{metrics}");
    proxy.told("peer=127.0.0.1:").await;
}

#[tokio::test]
async fn the_log_stays_short_whatever_names_come() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = proxy(&cluster, "max_login_errors = 0").await;
    let before = proxy.log().len();
    for _ in 0..50 {
        assert_eq!(login(proxy.rw, &format!("bad\n{}", "x".repeat(100_000)), "wrong").await, 1045);
    }
    let log = proxy.log();
    assert!(log[before..].contains("login refused"), "{log}");
    assert!(log.len() - before < 50 * 1024, "{} bytes", log.len() - before);
}

#[tokio::test]
async fn connections_of_an_address_and_of_a_user_are_limited() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = proxy(&cluster, "max_connections_per_address = 3\nmax_user_connections = 2").await;
    let _held = (Raw::app(proxy.rw).await, Raw::app(proxy.rw).await);
    let mut raw = Raw::connect(proxy.rw).await.unwrap();
    let greeted = raw.greeting().await.unwrap();
    raw.send(1, &response("app", "app", &greeted)).await.unwrap();
    let code = loop {
        let (_, payload) = raw.read().await.unwrap();
        if payload != [1, 3] {
            break error_code(&payload);
        }
    };
    assert_eq!(code, 1203);
    drop(raw);
    eventually("its seat is free", async || {
        let mut third = Raw::connect(proxy.rw).await.ok()?;
        third.greeting().await.ok()?;
        let mut fourth = Raw::connect(proxy.rw).await.ok()?;
        let (_, said) = fourth.read().await.ok()?;
        (error_code(&said) == 1040).then_some(())
    })
    .await;
}

#[tokio::test]
async fn looking_whether_the_port_is_open_blocks_nobody() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = proxy(&cluster, "max_login_errors = 20").await;
    for _ in 0..30 {
        let mut raw = Raw::connect(proxy.rw).await.expect("connect");
        raw.greeting().await.expect("a greeting");
    }
    eventually("they are gone", async || {
        let metrics = proxy.get("/metrics").await.ok()?.1;
        let reason = "pointsman_client_disconnects_total{reason=\"quit\"} 30";
        metrics.contains(reason).then_some(())
    })
    .await;
    assert_eq!(login(proxy.rw, "super", "super").await, 0);
}

/// CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION: a client that knows no plugins.
const WITHOUT_PLUGINS: u32 = 0x8200;

async fn modern_logins_only(cluster: Cluster) {
    let config = crate::dialogue::patient(&proxy_config(&cluster));
    let forbidden = config.replace("mode = \"primary\"", "mode = \"primary\"\nallow_native_password = false");
    let proxy = Proxy::start(&format!("{forbidden}\n[replicas]\nfallback = \"primary\"\n")).await;
    connect(proxy.rw, "app", "app", "test").await.expect("a client that can switch");
    let mut raw = Raw::connect(proxy.rw).await.unwrap();
    let greeted = raw.greeting().await.unwrap();
    assert_eq!(greeted.plugin, "caching_sha2_password");
    // It begins with the old plugin, and is asked to switch.
    let old = Greeted { plugin: "mysql_native_password".to_owned(), ..greeted };
    raw.send(1, &response("app", "app", &old)).await.unwrap();
    let (_, asked) = raw.read().await.unwrap();
    assert!(asked.starts_with(b"\xfecaching_sha2_password\0"), "{asked:?}");
    // One that cannot, on either port.
    for (port, code) in [(proxy.rw, 1251), (proxy.ro, 0)] {
        let mut raw = Raw::connect(port).await.unwrap();
        let greeted = raw.greeting().await.unwrap();
        let native = Greeted { plugin: "mysql_native_password".to_owned(), ..greeted };
        let mut login = response("app", "app", &native);
        login[..4].copy_from_slice(&WITHOUT_PLUGINS.to_le_bytes());
        raw.send(1, &login).await.unwrap();
        assert_eq!(error_code(&raw.read().await.unwrap().1), code);
    }
}

#[tokio::test]
async fn native_passwords_can_be_switched_off_in_front_of_mariadb() {
    modern_logins_only(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn native_passwords_can_be_switched_off_in_front_of_mysql() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    modern_logins_only(cluster).await;
}
