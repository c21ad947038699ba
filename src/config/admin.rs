//! `[admin]`: the HTTP port, its certificate and its access token; the SQL console and its accounts.

use std::sync::Arc;

use super::reader::Section;
use super::secret::{Account, Secret};
use super::tls::{self, Identity};
use super::values::{AddressUse, check_address, is_variable};

/// `admin.http`
pub(super) const ADMIN_HTTP: &str = "0.0.0.0:9090";

/// The example for `admin.console.address`, which has no default.
pub(super) const ADMIN_CONSOLE: &str = "127.0.0.1:6032";

/// The part of `[admin]` that a reload replaces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AdminAccess {
    /// `token`: required for all paths except the probes'; None: no token is required.
    pub token: Option<Secret>,
    /// `[admin.tls]`: the port's certificate; None: plain HTTP.
    pub tls: Option<Identity>,
    /// `[admin.console]`, except the address.
    pub console: ConsoleAccess,
}

/// The part of `[admin.console]` that a reload replaces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsoleAccess {
    /// `[[admin.console.users]]`: the accounts, in the order of the file.
    pub users: Vec<ConsoleUser>,
    /// `[admin.console.tls]`; None: the certificate of `[admin.tls]`, if there is one.
    pub tls: Option<Identity>,
}

/// `[[admin.console.users]]`: an account of the console, which has nothing to do with the accounts of the servers.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsoleUser {
    /// The account's name.
    pub name: Arc<str>,
    /// The account's password; None while the Kubernetes Secret that has the password is not known. The account cannot
    /// log in then.
    pub password: Option<Secret>,
}

impl AdminAccess {
    /// Returns the certificate of the console; None: the console has no TLS.
    pub fn console_tls(&self) -> Option<&Identity> {
        self.console.tls.as_ref().or(self.tls.as_ref())
    }
}

/// The addresses of `[admin]`, which need a restart.
pub(super) struct Addresses {
    /// `http`; None: "off".
    pub http: Option<String>,
    /// `console.address`; None: there is no console.
    pub console: Option<String>,
}

/// Reads the section.
pub(super) fn admin(s: &Section<'_>) -> (Addresses, AdminAccess) {
    let http = http(s);
    let tls = usable_tls(s);
    let (console_address, console) = s.table("console", console);
    (Addresses { http, console: console_address }, AdminAccess { token: token(s), tls, console })
}

fn usable_tls(s: &Section<'_>) -> Option<Identity> {
    s.table("tls", |s| tls::identity(s).filter(|identity| tls::is_usable(s, identity)))
}

/// Reads `[admin.console]`. Without the section, there is no console.
fn console(s: &Section<'_>) -> (Option<String>, ConsoleAccess) {
    let users = s.tables("users", |s| {
        let (name, line) = s.required_text("name", "operator");
        let name: Arc<str> = name.into();
        let password = s.secret(Account::Console(name.clone()), false);
        (ConsoleUser { name, password: Some(password) }, line)
    });
    if s.get("users").is_none() {
        // Makes the keys known, for messages about misspelt ones.
        s.table("users", |s| (s.get("name").is_some(), s.has_secret()));
    }
    let users = users.unwrap_or_default();
    for (at, (user, line)) in users.iter().enumerate() {
        // An empty name has its own problem already.
        if !user.name.is_empty() && users.iter().take(at).any(|(other, _)| other.name == user.name) {
            let text = format!("{:?} stands already above; write another one", user.name);
            s.problem(*line, "users.name", text);
        }
    }
    let users: Vec<_> = users.into_iter().map(|(user, _)| user).collect();
    let access = ConsoleAccess { users, tls: usable_tls(s) };
    if s.line.is_none() {
        s.get("address");
        return (None, access);
    }
    let (address, _) = s.address("address", ADMIN_CONSOLE, AddressUse::BindTcp);
    if access.users.is_empty() {
        let text =
            "names nobody, so nobody could log in; write [[admin.console.users]] with name and password";
        s.problem(s.line, "users", text);
    }
    (Some(address), access)
}

fn http(s: &Section<'_>) -> Option<String> {
    let Some((text, line)) = s.text("http") else { return Some(ADMIN_HTTP.to_owned()) };
    if text == "off" {
        return None;
    }
    if let Err(wrong) = check_address(&text, AddressUse::BindTcp) {
        let text = format!("{text:?} {wrong}; write \"{}\", or \"off\"", ADMIN_HTTP);
        s.problem(Some(line), "http", text);
    }
    Some(text)
}

/// Reads the token from at most one of `token`, `token_file` and `token_env`.
fn token(s: &Section<'_>) -> Option<Secret> {
    let given: Vec<_> = ["token", "token_file", "token_env"]
        .into_iter()
        .filter_map(|key| s.get(key).map(|found| (key, found)))
        .collect();
    if let [(first, _), (second, found), ..] = given.as_slice() {
        let text = format!("stands beside {first}; write only one of token, token_file and token_env");
        s.problem(Some(found.line), second, text);
        return None;
    }
    let (key, found) = given.into_iter().next()?;
    let line = found.line;
    let token = match (key, found.value.as_str()) {
        // The message must not show the value: it may be the token.
        (_, None) => Err("is no text; write it in quotes".to_owned()),
        ("token_file", Some(path)) => s.secret_file(path),
        ("token_env", Some(name)) => (s.reader.env)(name).ok_or_else(|| match is_variable(name) {
            true => format!("the environment variable {name} is not set; set it, or write token_file"),
            false => "is no name of an environment variable; write one, or token = \"…\"".to_owned(),
        }),
        (_, Some(text)) => Ok(text.to_owned()),
    };
    let wrong = match token {
        // An empty token would match a request with an empty token.
        Ok(token) if token.is_empty() => "is empty; write a long random text".to_owned(),
        Ok(token) if !token.bytes().all(|b| b.is_ascii_graphic()) => {
            "has a space, a control character or one outside of ASCII, which no HTTP header can carry; write others"
                .to_owned()
        }
        Ok(token) => return Some(Secret::new(token)),
        Err(wrong) => wrong,
    };
    s.problem(Some(line), key, wrong);
    None
}
