//! `matrix sqlx|mysql_async`: logs in as the lines of standard input say, see matrix/README.md of the suites' folder.

use std::io::{BufRead, Write};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

use futures_util::FutureExt;
use mysql_async::prelude::*;
use mysql_async::{OptsBuilder, SslOpts};
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};

/// One login: what a line of standard input says.
struct Login {
    host: String,
    port: u16,
    user: String,
    password: String,
    tls: String,
    ca: String,
    row: String,
    value: String,
}

/// Why a login failed: the error's number, or the driver's name for the error; and its text.
struct Refused {
    code: String,
    text: String,
}

impl Login {
    fn from_line(line: &str) -> Login {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        Login {
            host: next(),
            port: next().parse().expect("a port"),
            user: next(),
            password: next(),
            tls: next(),
            ca: next(),
            row: next(),
            value: next(),
        }
    }

    fn write(&self) -> String {
        format!("REPLACE INTO logins VALUES ('{}', '{}')", self.row, self.value)
    }

    fn read(&self) -> String {
        format!("SELECT value FROM logins WHERE id = '{}'", self.row)
    }
}

/// The names of an error and of the error inside: `Driver.UnknownAuthPlugin`.
fn class(error: &impl std::fmt::Debug) -> String {
    let shown = format!("{error:?}");
    let names = shown.split('(').map(|part| part.split([' ', '{', ')']).next().unwrap_or_default());
    let named = |name: &&str| name.chars().all(char::is_alphanumeric) && !name.is_empty();
    names.take_while(named).take(2).collect::<Vec<_>>().join(".")
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Refused {
        let from_server = error.as_database_error().and_then(|e| e.try_downcast_ref::<MySqlDatabaseError>());
        let code = from_server.map_or_else(|| class(&error), |e| e.number().to_string());
        Refused { code, text: error.to_string() }
    }
}

impl From<mysql_async::Error> for Refused {
    fn from(error: mysql_async::Error) -> Refused {
        let code = match &error {
            mysql_async::Error::Server(e) => e.code.to_string(),
            _ => class(&error),
        };
        Refused { code, text: error.to_string() }
    }
}

async fn by_sqlx(login: &Login) -> Result<(String, String), Refused> {
    let options = MySqlConnectOptions::new()
        .host(&login.host)
        .port(login.port)
        .username(&login.user)
        .password(&login.password)
        .database("test");
    let options = match login.tls.as_str() {
        "none" => options.ssl_mode(MySqlSslMode::Disabled),
        "required" => options.ssl_mode(MySqlSslMode::Required),
        _ => options.ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(&login.ca),
    };
    let mut conn = MySqlConnection::connect_with(&options).await?;
    let row = sqlx::raw_sql(AssertSqlSafe("SELECT CURRENT_USER()".to_owned())).fetch_one(&mut conn).await?;
    let user = row.try_get_unchecked(0)?;
    sqlx::raw_sql(AssertSqlSafe(login.write())).execute(&mut conn).await?;
    let row = sqlx::raw_sql(AssertSqlSafe(login.read())).fetch_one(&mut conn).await?;
    let value = row.try_get_unchecked(0)?;
    conn.close().await?;
    Ok((user, value))
}

async fn by_mysql_async(login: &Login) -> Result<(String, String), Refused> {
    let ssl = match login.tls.as_str() {
        "none" => None,
        "required" => Some(SslOpts::default().with_danger_accept_invalid_certs(true)),
        _ => {
            let ca = PathBuf::from(&login.ca);
            Some(SslOpts::default().with_root_certs(vec![ca.into()]).with_disable_built_in_roots(true))
        }
    };
    let options = OptsBuilder::default()
        .ip_or_hostname(login.host.clone())
        .tcp_port(login.port)
        .user(Some(login.user.clone()))
        .pass(Some(login.password.clone()))
        .db_name(Some("test"))
        .prefer_socket(false)
        .ssl_opts(ssl);
    let mut conn = mysql_async::Conn::new(options).await?;
    let user: Option<String> = conn.query_first("SELECT CURRENT_USER()").await?;
    conn.query_drop(login.write()).await?;
    let value: Option<String> = conn.query_first(login.read()).await?;
    conn.disconnect().await?;
    Ok((user.unwrap_or_default(), value.unwrap_or_default()))
}

/// The version of a dependency: Cargo.toml pins it.
fn version(driver: &str) -> &'static str {
    let pins = include_str!("../../Cargo.toml").lines();
    let pin = pins.filter_map(|line| line.strip_prefix(driver)?.split('"').nth(1)).next();
    pin.unwrap_or("?").trim_start_matches('=')
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let driver = std::env::args().nth(1).unwrap_or_default();
    println!("{}", version(&driver));
    for line in std::io::stdin().lock().lines() {
        let login = Login::from_line(&line.expect("a line"));
        let attempt =
            async { if driver == "sqlx" { by_sqlx(&login).await } else { by_mysql_async(&login).await } };
        // mysql_async panics when the server asks for a plugin that is not compiled in.
        let panicked = |_| Err(Refused { code: "panic".into(), text: "the driver panicked".into() });
        let answer = AssertUnwindSafe(attempt).catch_unwind().await.unwrap_or_else(panicked);
        match answer {
            Ok((user, value)) => println!("ok\t{user}\t{value}"),
            Err(Refused { code, text }) => {
                println!("error\t{code}\t{}", text.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
        std::io::stdout().flush().expect("standard output");
    }
}
