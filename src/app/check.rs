//! `pointsman check`: prints the settings that a file puts in effect and warnings about them, and with `--connect`
//! tests the accounts on the servers.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::LocalSet;

use super::{AppError, complain, load, say};
use crate::config::{Account, Config, CredentialSource, Discovery, Identity, Secret};
use crate::monitor::{BackendConnector, Error, PASSES, Target, missing_grant, missing_rights, passes};
use crate::net::{CertificateFacts, SystemRuntime, TlsClient};

/// What else may keep out a user with `send_proxy_protocol`.
const HOST_MATTERS: &str = " (users.send_proxy_protocol is on; this check comes from the proxy's own address, which the account \
     may not be for)";

/// A day in seconds.
const DAY: u64 = 24 * 3600;

/// Runs the command. `connect`: the addresses to connect to, or, if empty, the servers of the file; None: do not
/// connect.
pub(super) fn check(path: &Path, connect: Option<&[String]>) -> Result<ExitCode, AppError> {
    let loaded = load(path)?;
    say(&format!("# SHA-256 of the file: {}\n{loaded}", loaded.fingerprint.shown()))?;
    for (key, identity) in identities(&loaded) {
        say(&certificate(&key, identity))?;
    }
    for warning in loaded.warnings() {
        warn(path, &warning);
    }
    let Some(addresses) = connect else { return Ok(ExitCode::SUCCESS) };
    let servers = servers(&loaded, addresses)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(LocalSet::new().run_until(ask(&loaded, &servers)))?;
    for failure in &found.failures {
        complain(format!("{}: error: {failure}", path.display()));
    }
    for warning in &found.warnings {
        warn(path, warning);
    }
    Ok(if found.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns all certificates of the file with the sections that have them. Those in Secrets are not known here.
fn identities(config: &Config) -> Vec<(String, &Identity)> {
    let live = &config.live;
    let of_listeners = config.fixed.listeners.iter().filter_map(|listener| {
        let identity = live.listener_tls.get(&listener.name)?.identity.as_ref()?;
        Some((format!("listeners.tls of {}", listener.name), identity))
    });
    let others = [("admin.tls", &live.admin.tls), ("servers_tls", &live.servers_tls.identity)];
    let others = others.into_iter().filter_map(|(key, identity)| Some((key.to_owned(), identity.as_ref()?)));
    of_listeners.chain(others).filter(|(_, identity)| !identity.is_awaited()).collect()
}

/// Returns a comment line that says what a certificate is for, and when it ends.
fn certificate(key: &str, identity: &Identity) -> String {
    let Some(facts) = identity.first().and_then(|first| CertificateFacts::of(&first)) else {
        return format!("# {key}: the certificate cannot be read\n");
    };
    let when = match facts.not_after.duration_since(SystemTime::now()) {
        Ok(left) => format!("ends {}, in {} days", facts.ends, left.as_secs() / DAY),
        Err(_) => format!("ENDED {}: renew it", facts.ends),
    };
    format!("# {key}: the certificate is for {}, and {when}\n", facts.names.join(", "))
}

fn warn(path: &Path, text: &str) {
    complain(format!("{}: warning: {text}", path.display()));
}

/// A server to connect to.
struct CheckedServer {
    name: Arc<str>,
    address: Arc<str>,
    tls_names: Arc<[Arc<str>]>,
}

impl CheckedServer {
    fn shown(&self) -> String {
        match self.name == self.address {
            true => self.name.to_string(),
            false => format!("{} ({})", self.name, self.address),
        }
    }
}

fn servers(config: &Config, addresses: &[String]) -> Result<Vec<CheckedServer>, AppError> {
    if !addresses.is_empty() {
        let named = |address: &String| {
            let address: Arc<str> = address.as_str().into();
            CheckedServer { name: address.clone(), address, tls_names: Arc::default() }
        };
        return Ok(addresses.iter().map(named).collect());
    }
    if let Discovery::Kubernetes(_) = config.fixed.discovery {
        let text =
            "--connect: the servers come from Kubernetes; write whom to ask, as in --connect db-0.db:3306";
        return Err(AppError::Target(text.to_owned()));
    }
    let configured = config.live.servers.iter().map(|server| CheckedServer {
        name: server.name.clone(),
        address: server.address.clone(),
        tls_names: server.tls_name.iter().cloned().collect(),
    });
    Ok(configured.collect())
}

/// What was found on the servers.
#[derive(Default)]
struct CheckFound {
    failures: Vec<String>,
    warnings: Vec<String>,
}

async fn ask(config: &Config, servers: &[CheckedServer]) -> Result<CheckFound, AppError> {
    let runtime = SystemRuntime::default();
    let tls = TlsClient::new(&config.live.servers_tls);
    runtime.servers_tls.set(tls.map_err(|error| AppError::Target(format!("servers_tls: {error}")))?);
    let connector = BackendConnector::new(runtime, Arc::default());
    let mut found = CheckFound::default();
    let mut passing = Vec::new();
    let mut accounts = Vec::new();
    for checked in all_accounts(config) {
        if config.secrets.iter().any(|used| used.account == checked.account) {
            let what = checked.shown;
            found.warnings.push(format!("{what}: its password is in a Secret, so it was not asked"));
        } else {
            accounts.push(checked);
        }
    }
    let reads_accounts = config.live.credentials.has(CredentialSource::Accounts);
    for server in servers {
        for CheckedAccount { shown: what, account, user: name, password } in &accounts {
            let target = Target {
                server: crate::topology::ServerId(0),
                name: server.name.clone(),
                address: server.address.clone(),
                tls_names: server.tls_names.clone(),
                user: name.clone(),
                password: password.clone(),
                proxy_header: sends_header(config, account),
            };
            let at = server.shown();
            match passes(&connector, &target).await {
                // The monitor never writes, so its privileges do not matter.
                Ok(true) if *account != Account::Monitor && !passing.contains(what) => {
                    passing.push(what.clone())
                }
                Ok(_) if *account == Account::Monitor => {
                    for right in missing_rights(&connector, &target).await.unwrap_or_default() {
                        found.warnings.push(format!(
                            "{at}: {name} may not see everything in the server's catalogue. With this grant {}: {}",
                            right.worth, right.grant
                        ));
                    }
                    let missing =
                        if reads_accounts { missing_grant(&connector, &target).await } else { None };
                    if let Some(grant) = missing {
                        found.warnings.push(format!(
                            "{at}: {name} may not read the account tables, so clients of accounts with mysql_native_password \
                             need [[users]], and others are checked by a server at each first login: {grant}"
                        ));
                    }
                }
                Ok(_) => {}
                Err(error @ Error::Lost(_)) => {
                    found.failures.push(format!("{at} does not answer: {error}"));
                    break;
                }
                Err(error) => {
                    let hint = if target.proxy_header { HOST_MATTERS } else { "" };
                    found.failures.push(format!("{what} cannot log in to {at}: {error}{hint}"));
                }
            }
        }
    }
    if !passing.is_empty() {
        found.warnings.push(format!("{}: {PASSES}", passing.join(", ")));
    }
    Ok(found)
}

/// True if the connections of this account begin with a PROXY header.
fn sends_header(config: &Config, account: &Account) -> bool {
    let Account::User(name) = account else { return false };
    config.live.users.get(name).is_some_and(|user| user.send_proxy_protocol)
}

/// An account whose login is tried on each server.
struct CheckedAccount {
    /// Its name in the output.
    shown: String,
    account: Account,
    user: Arc<str>,
    password: Secret,
}

/// Returns all accounts, the monitor first, then users by name.
fn all_accounts(config: &Config) -> Vec<CheckedAccount> {
    let monitor = config.live.monitor.clone();
    let mut all = vec![CheckedAccount {
        shown: "monitor.user".to_owned(),
        account: Account::Monitor,
        user: monitor.user,
        password: monitor.password,
    }];
    let mut users: Vec<_> = config.live.users.values().collect();
    users.sort_by(|one, other| one.name.cmp(&other.name));
    for user in users {
        let Some(password) = user.password.clone() else { continue };
        all.push(CheckedAccount {
            shown: format!("users \"{}\"", user.name),
            account: Account::User(user.name.clone()),
            user: user.name.clone(),
            password,
        });
    }
    all
}
