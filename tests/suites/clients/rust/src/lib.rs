//! Checks with a reason, and one line per feature: the twin of pylib/suite.py.

pub mod blocking;
pub mod equality;
pub mod model;
pub mod noleak;
pub mod wire;

use std::fmt::Debug;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

/// Where the endpoint is, from the environment that run.sh sets.
#[derive(Clone, Debug)]
pub struct Settings {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub database: String,
    pub flavor: String,
    pub load_file: String,
    /// Encrypted, without a check of the certificate.
    pub tls: bool,
    shared: PathBuf,
}

fn setting(name: &str, fallback: &str) -> String {
    std::env::var(format!("PM_{name}")).ok().filter(|v| !v.is_empty()).unwrap_or_else(|| fallback.into())
}

impl Settings {
    pub fn from_env() -> Settings {
        Settings {
            host: setting("HOST", "127.0.0.1"),
            port: setting("PORT", "3306").parse().expect("PM_PORT is a number"),
            user: setting("USER", "app"),
            password: setting("PASSWORD", "app"),
            database: setting("DATABASE", "test"),
            flavor: setting("FLAVOR", "mariadb"),
            load_file: setting("LOAD_FILE", ""),
            tls: setting("TLS", "0") == "1",
            shared: setting("SHARED", "../shared").into(),
        }
    }

    /// A file of `shared` with the table's name put in.
    pub fn sql(&self, name: &str, table: &str) -> String {
        let text =
            std::fs::read_to_string(self.shared.join(name)).expect("the shared SQL files are readable");
        text.trim().replace("{t}", table)
    }
}

/// Why a feature did not come to its end.
#[derive(Debug)]
pub enum Fail {
    Mismatch(String),
    Skip(String),
}

impl<E: std::error::Error> From<E> for Fail {
    fn from(error: E) -> Fail {
        Fail::Mismatch(format!("error: {error}"))
    }
}

/// The note behind a feature's `ok`, mostly empty.
pub type Outcome = Result<&'static str, Fail>;

pub const MIB: usize = 1024 * 1024;
/// As in pylib/suite.py: statements and rows around the border of one packet.
pub const EDGE_TEXT: [usize; 3] = [0xffffff - 2, 0xffffff - 1, 0xffffff];
pub const EDGE_ROW: [usize; 4] = [0xffffff - 5, 0xffffff - 4, 0xffffff - 3, 0x1000000];

pub fn short(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}

pub fn eq<T: PartialEq + Debug>(what: impl AsRef<str>, want: T, got: T) -> Result<(), Fail> {
    if want == got {
        return Ok(());
    }
    Err(Fail::Mismatch(format!("{}: expected {}, got {}", what.as_ref(), short(&want), short(&got))))
}

pub fn ok(what: impl AsRef<str>, holds: bool, got: impl Debug) -> Result<(), Fail> {
    if holds {
        Ok(())
    } else {
        Err(Fail::Mismatch(format!("{}: does not hold, got {}", what.as_ref(), short(&got))))
    }
}

pub fn pattern(size: usize, seed: usize) -> Vec<u8> {
    let mut out: Vec<u8> = (0..size).map(|at| ((at % 4096) * 7 + seed) as u8).collect();
    for at in (0..size.saturating_sub(8)).step_by(65536) {
        out[at..at + 8].copy_from_slice(&(at as u64).to_be_bytes());
    }
    out
}

pub fn letters(size: usize) -> String {
    let mut out = String::with_capacity(size + 16);
    for n in 0.. {
        if out.len() >= size {
            break;
        }
        out.push_str(&format!("{n:08}abcdefgh"));
    }
    out.truncate(size);
    out
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

/// Feeds on rows of shared/big.sql.
#[derive(Debug, Default)]
pub struct Big {
    count: u64,
    sum: u64,
    crc: u64,
}

impl Big {
    pub fn row(&mut self, n: u64, payload: &str) {
        self.count += 1;
        self.sum += n;
        self.crc += u64::from(crc32fast::hash(format!("{n}:{payload}").as_bytes()));
    }

    pub fn check(&self) -> Result<(), Fail> {
        eq(
            "rows, sum, checksum of the big result",
            (200_000, 19_999_900_000, 429_438_619_651_349),
            (self.count, self.sum, self.crc),
        )
    }
}

/// Runs features in turn and remembers whether one failed.
pub struct Suite {
    client: &'static str,
    only: Vec<String>,
    failed: bool,
}

impl Suite {
    pub fn new(client: &'static str) -> Suite {
        let only = setting("FEATURES", "").split(',').filter(|f| !f.is_empty()).map(Into::into).collect();
        Suite { client, only, failed: false }
    }

    pub async fn feature(&mut self, name: &str, body: impl Future<Output = Outcome>) {
        if !self.only.is_empty() && !self.only.iter().any(|only| only == name) {
            return;
        }
        let began = Instant::now();
        let outcome = tokio::time::timeout(Duration::from_secs(120), body)
            .await
            .unwrap_or_else(|_| Err(Fail::Mismatch("no end after 120 s".into())));
        let (client, took) = (self.client, began.elapsed().as_millis());
        match outcome {
            Ok("") => println!("ok {client} {name} {took}ms"),
            Ok(note) => println!("ok {client} {name} {took}ms ({note})"),
            Err(Fail::Skip(why)) => println!("skip {client} {name} {why}"),
            Err(Fail::Mismatch(why)) => {
                self.failed = true;
                let why: String =
                    why.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(600).collect();
                println!("FAIL {client} {name} {why} [{took}ms]");
            }
        }
    }

    pub fn has_not(&mut self, name: &str, why: &str) {
        if self.only.is_empty() || self.only.iter().any(|only| only == name) {
            println!("skip {} {name} {why}", self.client);
        }
    }

    pub fn end(self) -> ! {
        std::process::exit(i32::from(self.failed))
    }
}
