//! The command line, and the wiring of a running proxy: configuration, telemetry,
//! discovery, workers, admin.

mod admin_port;
mod audit;
mod check;
mod clients_tls;
mod defect;
mod demo;
mod events;
mod explain;
mod http;
mod memory;
mod notice;
mod pages;
mod plain;
mod privacy;
mod questions;
mod reload;
mod run;
mod served;
mod servers_tls;
mod service_manager;
mod slow;
mod status;
mod table;
mod takeover;
mod tap;
#[cfg(test)]
mod tests;
mod top;
#[cfg(feature = "traces")]
mod traces;
#[cfg(not(feature = "traces"))]
#[path = "app/without_traces.rs"]
mod traces;
mod upgrade;
mod watch_files;
mod webhook;

use run::run;
#[doc(hidden)]
pub use top::top_screen;
pub use watch_files::FileWatch;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::takeover::{Predecessor, TakeoverError};
use crate::config::{Config, ConfigError};
use crate::telemetry::LogsError;

/// Exit code for a wrong configuration or command line; the same as clap's.
const EXIT_CONFIG: u8 = 2;

/// A MySQL-protocol proxy that sends writes to the primary, reads to replicas,
/// and follows the primary when it moves.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, about)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the proxy.
    Run {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Validate a configuration file and print what is in effect, secrets hidden.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Log in to the servers as the monitor and as each user, too, and say who cannot, and whose privileges pass
        /// read_only. Without an address: to the servers of the file.
        #[arg(long, value_name = "ADDRESS", num_args = 0..)]
        connect: Option<Vec<String>>,
    },
    /// Show the servers and the traffic of a running proxy.
    Status {
        #[command(flatten)]
        place: status::Where,
        /// Refresh in place twice a second, until Ctrl-C.
        #[arg(long)]
        watch: bool,
        /// Show this file's text below the table.
        #[arg(long, value_name = "FILE", requires = "watch")]
        note: Option<PathBuf>,
    },
    /// Show the statements of a running proxy as they end, without their literals, until Ctrl-C.
    Tap {
        #[command(flatten)]
        place: status::Where,
        /// The proxy's configuration file, in place of --url and the token's options.
        #[arg(long, value_name = "FILE", conflicts_with = "url")]
        config: Option<PathBuf>,
        #[command(flatten)]
        wanted: tap::TapWanted,
        /// Show JSON, one object in each line.
        #[arg(long)]
        json: bool,
    },
    /// Watch a running proxy in the terminal: its servers, its ports, and what each digest does.
    Top {
        #[command(flatten)]
        place: status::Where,
        /// The proxy's configuration file, in place of --url and the token's options.
        #[arg(long, value_name = "FILE", conflicts_with = "url")]
        config: Option<PathBuf>,
    },
    /// Say where a statement would go, and why.
    Explain {
        /// The statement.
        #[arg(value_name = "SQL")]
        sql: String,
    },
    /// Watch the proxy follow its primary: starts private servers, a proxy, some traffic and a live table.
    Demo {
        #[command(subcommand)]
        step: Option<demo::DemoStep>,
    },
    /// Print the completions of this command line for a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: pages::Shell,
    },
    /// Write the manual pages of all commands into a folder.
    Man {
        /// The folder. It must exist.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A configuration file that cannot be used.
    #[error("{}", located(path, source))]
    Config {
        /// The path as given on the command line.
        path: PathBuf,
        /// What is wrong.
        source: ConfigError,
    },
    /// A wrong `--url` of `status`.
    #[error("--url {url}: {wrong}; write it like http://127.0.0.1:9090")]
    Url {
        /// The URL as given on the command line.
        url: String,
        /// What is wrong.
        wrong: &'static str,
    },
    /// Another wrong option of `status` or `check`.
    #[error("{0}")]
    Target(String),
    /// The certificate for listeners without one cannot be made.
    #[error("TLS for clients: {0}")]
    Tls(String),
    /// The log cannot be set up.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// A port of `[admin]` cannot be opened.
    #[error("{key}: cannot listen on {address}: {source}")]
    AdminBind {
        /// The key of the address.
        key: &'static str,
        /// The address as configured.
        address: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A port of the SQL console is configured, and this program was built without it.
    #[cfg(not(feature = "console"))]
    #[error("admin.console: this pointsman was built without the SQL console (cargo feature `console`)")]
    WithoutConsole,
    /// A port cannot be opened.
    #[error(transparent)]
    Start(#[from] crate::server::StartError),
    /// The ports of the running process cannot be taken over.
    #[error(transparent)]
    Takeover(#[from] TakeoverError),
    /// io_uring was configured, and cannot be used.
    #[error(transparent)]
    NoIoUring(#[from] crate::net::NoIoUring),
    /// Any other error of the system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl AppError {
    fn exit_code(&self) -> ExitCode {
        match self {
            AppError::Config { .. } | AppError::Url { .. } | AppError::Target(_) => {
                ExitCode::from(EXIT_CONFIG)
            }
            #[cfg(not(feature = "console"))]
            AppError::WithoutConsole => ExitCode::from(EXIT_CONFIG),
            AppError::Logs(_)
            | AppError::AdminBind { .. }
            | AppError::Start(_)
            | AppError::Tls(_)
            | AppError::Takeover(_)
            | AppError::NoIoUring(_)
            | AppError::Io(_) => ExitCode::FAILURE,
        }
    }
}

/// Returns each problem of a file on its own line, with the file's name in front.
fn located(path: &Path, error: &ConfigError) -> String {
    if let ConfigError::Read { .. } = error {
        return error.to_string();
    }
    let text = error.to_string();
    let lines: Vec<_> = text.lines().map(|line| format!("{}: {line}", path.display())).collect();
    lines.join("\n")
}

/// Runs the command line, and returns the exit code.
pub fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            match &error {
                // A list of positions in a file, as compilers print it.
                AppError::Config { .. } => complain(&error),
                _ => complain(format!("pointsman: {error}")),
            }
            error.exit_code()
        }
    }
}

fn execute(command: CliCommand) -> Result<ExitCode, AppError> {
    match command {
        CliCommand::Run { config } => {
            let predecessor = Predecessor::of_this_process()?;
            let ended = load(&config).and_then(|loaded| run(loaded, &config, predecessor.as_ref()));
            if let (Err(error), Some(predecessor)) = (&ended, &predecessor) {
                predecessor.report_failure(error);
            }
            ended
        }
        CliCommand::Check { config, connect } => check::check(&config, connect.as_deref()),
        CliCommand::Status { place, watch, note } => {
            let target = status::StatusTarget::of(&place)?;
            let note = note.map(std::fs::read_to_string).transpose()?.unwrap_or_default();
            status::status(&target, watch, &note)
        }
        CliCommand::Tap { place, config, wanted, json } => {
            tap::tap(&tap::target(place, config.as_deref())?, &wanted, json)
        }
        CliCommand::Top { place, config } => top::top(&tap::target(place, config.as_deref())?),
        CliCommand::Explain { sql } => {
            say(&explain::explain(&sql))?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Demo { step } => Err(demo::demo(step)),
        CliCommand::Completions { shell } => {
            say(&pages::completions(shell, Cli::command()))?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Man { folder } => {
            pages::write_manual(Cli::command(), &folder)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(path: &Path) -> Result<Config, AppError> {
    Config::load(path).map_err(|source| AppError::Config { path: path.to_owned(), source })
}

/// Writes to standard output. A closed pipe is not an error.
fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Writes to standard error. Failures are ignored.
fn complain(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
