//! What the answers to logins give away, and answers of clients that are not theirs: a user that does not exist looks like
//! a wrong password, a login that somebody recorded lets nobody in, and an answer counts for its plugin alone.

use crate::clients_tls::{client_config, encrypted};
use crate::dialogue::raw::{Greeted, Raw, error_code, response};
use crate::dialogue::{metric, patient};
use crate::support::{Cluster, Kind, Proxy, number, proxy_config};
use mysql_common::scramble::{scramble_native, scramble_sha256};
use rustls::ClientConfig;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

const NATIVE: &str = "mysql_native_password";
const SHA2: &str = "caching_sha2_password";

/// One that exists and one that does not, as long as each other.
const USERS: [&str; 2] = ["app", "apq"];

/// The plugin of the greeting is native_password on `rw` (in front of MariaDB), and caching_sha2_password on `ro`. Nobody is
/// blocked.
async fn proxy(cluster: &Cluster, change: fn(String) -> String) -> Proxy {
    let text = change(patient(&proxy_config(cluster)))
        .replace("mode = \"replica\"\n", "mode = \"replica\"\nallow_native_password = false\n");
    let more = "[replicas]\nfallback = \"primary\"\n[limits]\nmax_login_errors = 0\n";
    Proxy::start(&format!("workers = 2\nworker_fill = 0\n{text}\n{more}")).await
}

/// How a client logs in wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WrongProof {
    /// An answer of the right length.
    Scramble,
    /// No answer at first, then one of the right length.
    Empty,
    /// Never an answer.
    Nothing,
    /// An answer of a plugin that the proxy does not support, then one of the right length.
    OtherPlugin,
    /// An answer that is too short.
    Short,
}

const WAYS: [WrongProof; 5] = [
    WrongProof::Scramble,
    WrongProof::Empty,
    WrongProof::Nothing,
    WrongProof::OtherPlugin,
    WrongProof::Short,
];

/// The packets of one login up to its end, with sequence ids; ids, nonces and names are masked.
async fn transcript<S: AsyncRead + AsyncWrite + Unpin>(
    raw: &mut Raw<S>,
    seq: u8,
    greeted: &Greeted,
    user: &str,
    way: WrongProof,
    proof: &[u8],
    private: bool,
) -> String {
    let plugin = if way == WrongProof::OtherPlugin { "sha256_password" } else { greeted.plugin.as_str() };
    let wanted = Greeted { plugin: plugin.to_owned(), ..greeted.clone() };
    // The flags, the user's name and the schema are those of a good login.
    let good = response(user, "", &wanted);
    let answer = match way {
        WrongProof::Empty | WrongProof::Nothing => &[][..],
        WrongProof::Short => &proof[..proof.len() - 1],
        WrongProof::Scramble | WrongProof::OtherPlugin => proof,
    };
    let at = 32 + user.len() + 1;
    let login = [&good[..at], &[u8::try_from(answer.len()).unwrap()], answer, &good[at + 1..]].concat();
    raw.send(seq, &login).await.unwrap();
    let mut seen = Vec::new();
    while let Ok((seq, packet)) = raw.read().await {
        assert_ne!(packet.first(), Some(&0), "{user} is logged in by {way:?}");
        let answer = match packet.as_slice() {
            [0xfe, ..] if way == WrongProof::Nothing => Some(&b""[..]),
            [0xfe, ..] => Some(proof),
            // The full exchange: the password, or first the request for the public key.
            [1, 4] if private => Some(&b"guess\0"[..]),
            [1, 4] => Some(&[2][..]),
            [1, ..] => Some(&[7; 256][..]),
            _ => None,
        };
        seen.extend([&[seq], packet.as_slice(), b"\n"].concat());
        if let Some(answer) = answer {
            raw.send(seq + 1, answer).await.unwrap();
        }
    }
    let text = seen.escape_ascii().to_string();
    text.replace(&greeted.nonce.escape_ascii().to_string(), "NONCE").replace(user, "USER")
}

/// One try; the greeting is part of what is compared.
async fn attempt(
    port: u16,
    tls: Option<&Arc<ClientConfig>>,
    user: &str,
    way: WrongProof,
    proof: &[u8],
) -> String {
    let (answers, greeted) = if let Some(config) = tls {
        let (mut raw, greeted) = encrypted(port, config, b"").await.unwrap();
        (transcript(&mut raw, 2, &greeted, user, way, proof, true).await, greeted)
    } else {
        let mut raw = Raw::connect(port).await.unwrap();
        let greeted = raw.greeting().await.unwrap();
        (transcript(&mut raw, 1, &greeted, user, way, proof, false).await, greeted)
    };
    format!("{} {answers}", greeted.plugin)
}

/// `TRIES=10000` is the number for each plugin, with TLS and without; by default these four share it.
#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_the_same_bytes() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = proxy(&cluster, |text| text).await;
    same_bytes(&proxy, number("TRIES", 2_500), 8).await;
}

/// The accounts are the servers'. Each refusal waits for the account tables, so there are more clients at a time.
#[tokio::test]
async fn an_unknown_account_of_the_servers_and_a_wrong_password_get_the_same_bytes() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = proxy(&cluster, without_users).await;
    same_bytes(&proxy, number("TRIES", 400), 80).await;
}

fn without_users(text: String) -> String {
    let (before, behind) = text.split_once("[[users]]").unwrap();
    let (_, behind) = behind.split_once("[discovery]").unwrap();
    format!("{before}[discovery]{behind}")
}

async fn same_bytes(proxy: &Proxy, tries: usize, lanes: usize) {
    let anybody = client_config(None, None);
    for (port, plugin, length) in [(proxy.rw, NATIVE, 20), (proxy.ro, SHA2, 32)] {
        for tls in [false, true] {
            let running: Vec<_> = (0..lanes)
                .map(|lane| {
                    let config = tls.then(|| anybody.clone());
                    tokio::spawn(async move {
                        let mut seen: BTreeMap<(WrongProof, String), [usize; 2]> = BTreeMap::new();
                        for n in (lane..tries).step_by(lanes) {
                            let round = n + n / lanes;
                            let (who, way) = (round % 2, WAYS[round / 2 % WAYS.len()]);
                            let proof: Vec<u8> = (0..length).map(|i| (n * 31 + i * 7) as u8).collect();
                            let answers = attempt(port, config.as_ref(), USERS[who], way, &proof).await;
                            seen.entry((way, answers)).or_default()[who] += 1;
                        }
                        seen
                    })
                })
                .collect();
            let mut seen: BTreeMap<(WrongProof, String), [usize; 2]> = BTreeMap::new();
            for lane in running {
                for (key, [known, unknown]) in lane.await.unwrap() {
                    let counts = seen.entry(key).or_default();
                    *counts = [counts[0] + known, counts[1] + unknown];
                }
            }
            // One answer for each way, and both kinds of user get it equally often.
            assert_eq!(seen.len(), WAYS.len(), "{plugin} {tls}: {seen:#?}");
            for ((way, answers), [known, unknown]) in &seen {
                assert!(known.abs_diff(*unknown) <= tries / 10, "{plugin} {tls} {way:?}: {known} {unknown}");
                assert!(
                    answers.starts_with(plugin) && answers.contains("\\xff\\x15\\x04#28000"),
                    "{answers}"
                );
            }
        }
    }
    let refused = metric(proxy, "pointsman_logins_refused_total{reason=\"password\"}").await;
    assert_eq!(refused, (4 * tries) as f64);
}

async fn recorded_logins(kind: Kind) {
    let cluster = match kind {
        Kind::MariaDb => Some(Cluster::mariadb(0).await),
        Kind::MySql => Cluster::mysql(0).await,
    };
    let Some(cluster) = cluster else { return };
    let proxy = proxy(&cluster, |text| text).await;
    let anybody = client_config(None, None);
    for port in [proxy.rw, proxy.ro] {
        let mut first = Raw::connect(port).await.unwrap();
        let greeted = first.greeting().await.unwrap();
        let login = response("app", "app", &greeted);
        first.send(1, &login).await.unwrap();
        assert_ne!(error_code(&first.read().await.unwrap().1), 1045, "the login itself");
        // The same bytes again, while that session is there and when it is gone, and inside of TLS.
        for _ in 0..2 {
            let mut again = Raw::connect(port).await.unwrap();
            again.greeting().await.unwrap();
            again.send(1, &login).await.unwrap();
            assert_eq!(error_code(&again.read().await.unwrap().1), 1045);
            let (mut again, _) = encrypted(port, &anybody, b"").await.unwrap();
            again.send(2, &login).await.unwrap();
            assert_eq!(error_code(&again.read().await.unwrap().1), 1045);
            let _ = first.command(1, b"").await;
        }
    }
}

#[tokio::test]
async fn a_recorded_login_lets_nobody_in_in_front_of_mariadb() {
    recorded_logins(Kind::MariaDb).await;
}

#[tokio::test]
async fn a_recorded_login_lets_nobody_in_in_front_of_mysql() {
    recorded_logins(Kind::MySql).await;
}

/// The proxy asks for one plugin; a client that knows the password answers as another one would.
#[tokio::test]
async fn an_answer_counts_for_its_plugin_alone() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = proxy(&cluster, |text| text).await;
    for (port, asked) in [(proxy.rw, NATIVE), (proxy.ro, SHA2)] {
        for answer in 0..6 {
            let mut raw = Raw::connect(port).await.unwrap();
            let greeted = raw.greeting().await.unwrap();
            assert_eq!(greeted.plugin, asked);
            let unknown = Greeted { plugin: "dialog".to_owned(), ..greeted };
            raw.send(1, &response("app", "app", &unknown)).await.unwrap();
            let (seq, switch) = raw.read().await.unwrap();
            assert!(
                switch.starts_with(&[b"\xfe", asked.as_bytes(), b"\0"].concat()),
                "{}",
                switch.escape_ascii()
            );
            let native = scramble_native(&unknown.nonce, b"app").unwrap().to_vec();
            let sha2 = scramble_sha256(&unknown.nonce, b"app").unwrap().to_vec();
            let (right, wrong) = if asked == NATIVE { (native, sha2) } else { (sha2, native) };
            let (bytes, code) = match answer {
                0 => (wrong, 1045),
                // In clear text, as mysql_clear_password and the full exchange of caching_sha2_password send it.
                1 => (b"app\0".to_vec(), 1045),
                // What asks a server for its key.
                2 => (vec![2], 1045),
                3 => ([right.as_slice(), &right].concat(), 1045),
                4 => (right[..right.len() - 1].to_vec(), 1045),
                _ => (right, 0),
            };
            raw.send(seq + 1, &bytes).await.unwrap();
            let (_, verdict) = raw.read().await.unwrap();
            assert_eq!(error_code(&verdict), code, "{asked}, answer {answer}: {}", verdict.escape_ascii());
            assert!(code == 0 || raw.rest().await.is_empty(), "the connection ends");
        }
    }
}
