//! `[admin]`: the HTTP port, its certificate and its access token.

use super::defaults;
use super::reader::Section;
use super::secret::Secret;
use super::tls::{self, Identity};
use super::values::{Use, check_address, is_variable};

/// The part of `[admin]` that a reload replaces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AdminAccess {
    /// `token`: required for all paths except the probes'; None: no token is required.
    pub token: Option<Secret>,
    /// `[admin.tls]`: the port's certificate; None: plain HTTP.
    pub tls: Option<Identity>,
}

/// Reads the section. Returns the address (None for "off") and the other settings.
pub(super) fn admin(s: &Section<'_>) -> (Option<String>, AdminAccess) {
    let http = http(s);
    let tls = s.table("tls", |s| tls::identity(s).filter(|identity| tls::is_usable(s, identity)));
    (http, AdminAccess { token: token(s), tls })
}

fn http(s: &Section<'_>) -> Option<String> {
    let Some((text, line)) = s.text("http") else { return Some(defaults::ADMIN_HTTP.to_owned()) };
    if text == "off" {
        return None;
    }
    if let Err(wrong) = check_address(&text, Use::BindTcp) {
        let text = format!("{text:?} {wrong}; write \"{}\", or \"off\"", defaults::ADMIN_HTTP);
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
