//! Reads single values: texts, counts, durations, addresses, words and secrets. Each problem
//! says what is written in the file (unless it may be a secret), and what to write instead.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::Ipv6Addr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;
use zeroize::Zeroizing;

use super::choice::Choice;
use super::networks::Networks;
use super::reader::{FoundValue, Section};
use super::secret::{Account, Secret, SecretRef, SecretUse};

/// The longest duration. Longer ones are mistakes, and could overflow clocks.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// What an address may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressUse {
    /// To listen; port 0 means any free port.
    Bind,
    /// To connect; port 0 is an error.
    Connect,
    /// To listen with TCP; a unix socket is an error.
    BindTcp,
}

impl Section<'_> {
    /// Reads a string and its line; None if absent, or if the value is not a string, for which a problem is noted.
    pub fn text(&self, key: &'static str) -> Option<(String, usize)> {
        let FoundValue { value, line } = self.get(key)?;
        match value.as_str() {
            Some(text) => Some((text.to_owned(), line)),
            None => {
                let what = if SECRET_KEYS.contains(&key) { "no string".to_owned() } else { shown(value) };
                self.problem(Some(line), key, format!("is {what}; write a string in quotes"));
                None
            }
        }
    }

    /// Reads a string that must be present and not empty; returns "" after a problem.
    pub fn required_text(&self, key: &'static str, example: &str) -> (String, Option<usize>) {
        let missing = self.get(key).is_none();
        match self.text(key) {
            Some((text, line)) if text.trim().is_empty() => {
                self.problem(Some(line), key, format!("is empty; write {key} = \"{example}\""));
                (String::new(), Some(line))
            }
            Some((text, line)) => (text, Some(line)),
            None => {
                if missing {
                    self.problem(self.line, key, format!("is missing; write {key} = \"{example}\""));
                }
                (String::new(), self.line)
            }
        }
    }

    /// Reads a name that is shown in logs, metrics and tables.
    pub fn name(&self, example: &str) -> (Arc<str>, Option<usize>) {
        let (text, line) = self.required_text("name", example);
        self.check_name("name", &text, line, example);
        (text.into(), line)
    }

    /// Reads `zone`, if it is given.
    pub fn zone(&self) -> Option<Arc<str>> {
        self.get("zone")?;
        let example = "eu-central-1a";
        let (text, line) = self.required_text("zone", example);
        self.check_name("zone", &text, line, example);
        Some(text.into())
    }

    fn check_name(&self, key: &'static str, text: &str, line: Option<usize>, example: &str) {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let text =
                format!("{text:?} contains a space or control character; write a name like \"{example}\"");
            self.problem(line, key, text);
        }
    }

    /// Reads one of the words of a setting.
    pub fn choice<T: Choice>(&self, key: &'static str, default: T) -> T {
        let Some((text, line)) = self.text(key) else { return default };
        T::from_word(&text).unwrap_or_else(|| {
            let words: Vec<_> = T::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.problem(Some(line), key, format!("{text:?} is unknown; write {}", words.join(" or ")));
            default
        })
    }

    /// Reads a whole number from `least` to a million.
    pub fn count(&self, key: &'static str, least: usize) -> Option<usize> {
        self.count_up_to(key, least, 1_000_000)
    }

    /// Reads a whole number from `least` to `most`.
    pub fn count_up_to<T>(&self, key: &'static str, least: T, most: T) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + Display + Copy,
    {
        let FoundValue { value, line } = self.get(key)?;
        let number = match value {
            DeValue::Integer(i) => u64::from_str_radix(i.as_str(), i.radix()).ok(),
            _ => None,
        };
        let number = number.and_then(|n| T::try_from(n).ok());
        let fits = number.filter(|n| (least..=most).contains(n));
        if fits.is_none() {
            let text = format!("is {}; write a whole number from {least} to {most}", shown(value));
            self.problem(Some(line), key, text);
        }
        fits
    }

    /// Reads a whole number from 1 to a million.
    pub fn nonzero(&self, key: &'static str) -> Option<NonZeroUsize> {
        self.count(key, 1).and_then(NonZeroUsize::new)
    }

    /// Reads `true` or `false`.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        let FoundValue { value, line } = self.get(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.problem(Some(line), key, format!("is {}; write true or false", shown(value)));
        }
        flag
    }

    /// Reads a list of strings, or a single string; none may be empty.
    pub fn texts(&self, key: &'static str, example: &str) -> Option<Vec<Arc<str>>> {
        let FoundValue { value, line } = self.get(key)?;
        let text = |value: &DeValue<'_>| value.as_str().filter(|text| !text.is_empty()).map(Arc::from);
        let texts = match value {
            DeValue::Array(items) => items.iter().map(|item| text(item.get_ref())).collect(),
            one => text(one).map(|text| vec![text]),
        };
        if texts.is_none() {
            let text = format!("is {}; write {key} = [\"{example}\"]", shown(value));
            self.problem(Some(line), key, text);
        }
        texts
    }

    /// Reads a list of networks.
    pub fn networks(&self, key: &'static str) -> Option<Networks> {
        let line = self.get(key)?.line;
        let texts = self.texts(key, "10.0.0.0/8")?;
        Networks::parse(&texts).map_err(|wrong| self.problem(Some(line), key, wrong)).ok()
    }

    /// Reads a duration of at least `least`.
    pub fn duration(&self, key: &'static str, default: Duration, least: Duration) -> Duration {
        let Some(FoundValue { value, line }) = self.get(key) else { return default };
        let example = format_duration(default.max(least));
        let Some(duration) = value.as_str().and_then(parse_duration) else {
            let text = format!(
                "{} is not a duration; write a whole number and ms, s, m or h in quotes, like \"{example}\"",
                shown(value)
            );
            self.problem(Some(line), key, text);
            return default;
        };
        if duration < least || duration > LONGEST {
            let (least, most) = (format_duration(least), format_duration(LONGEST));
            let text = format!(
                "{} is out of range; write \"{least}\" to \"{most}\", like \"{example}\"",
                shown(value)
            );
            self.problem(Some(line), key, text);
            return default;
        }
        duration
    }

    /// Reads a number of bytes, up to 1 GiB.
    pub fn size(&self, key: &'static str, default: usize) -> usize {
        let Some(FoundValue { value, line }) = self.get(key) else { return default };
        value.as_str().and_then(|text| parse_size(text, 1 << 30)).unwrap_or_else(|| {
            let example = format_size(default);
            let text = format!(
                "{} is not a size up to 1GiB; write a whole number and B, KiB or MiB in quotes, like \"{example}\"",
                shown(value)
            );
            self.problem(Some(line), key, text);
            default
        })
    }

    /// Reads a number of bytes, at least 32 MiB; None if it is not given.
    pub fn memory(&self, key: &'static str) -> Option<usize> {
        const LEAST: usize = 32 << 20;
        let FoundValue { value, line } = self.get(key)?;
        let bytes =
            value.as_str().and_then(|text| parse_size(text, usize::MAX)).filter(|bytes| *bytes >= LEAST);
        if bytes.is_none() {
            let text = format!(
                "{} is not a size from 32MiB; write a whole number and MiB or GiB in quotes, like \"256MiB\"",
                shown(value)
            );
            self.problem(Some(line), key, text);
        }
        bytes
    }

    /// Reads an address that must be present; returns "" if it is missing.
    pub fn address(&self, key: &'static str, example: &str, purpose: AddressUse) -> (String, Option<usize>) {
        let (text, line) = self.required_text(key, example);
        if !text.is_empty()
            && let Err(wrong) = check_address(&text, purpose)
        {
            self.problem(line, key, format!("{text:?} {wrong}; write \"{example}\""));
        }
        (text, line)
    }

    /// Reads a password from exactly one of `password`, `password_file`, `password_env` and `secret`. A
    /// password in a Kubernetes Secret is returned empty, and the Secret is noted for `account`. Any other
    /// empty password is a problem, unless `allow_empty` is true.
    pub fn secret(&self, account: Account, allow_empty: bool) -> Secret {
        let given: Vec<_> = SECRET_SOURCES
            .into_iter()
            .filter_map(|key| self.get(key).map(|found| (key, found.line)))
            .collect();
        let (key, line) = match given.as_slice() {
            [one] => *one,
            [] => {
                let text = "is missing; write one of password, password_file, password_env and secret";
                self.problem(self.line, "password", text);
                return Secret::default();
            }
            [(first, _), (second, line), ..] => {
                let text = format!(
                    "stands beside {first}; write only one of password, password_file, password_env and secret"
                );
                self.problem(Some(*line), second, text);
                return Secret::default();
            }
        };
        let Some((mut text, _)) = self.text(key) else { return Secret::default() };
        let secret = match key {
            "password_file" => self.secret_file(&text),
            "password_env" => (self.reader.env)(&text).ok_or_else(|| match is_variable(&text) {
                true => format!("the environment variable {text} is not set; set it, or write password_file"),
                false => "is no name of an environment variable; write one, or password = \"…\"".to_owned(),
            }),
            "secret" => {
                self.named_secret("secret", account, "my-cluster-root/password");
                return Secret::default();
            }
            // Takes the text, so that no copy of the password stays in memory.
            _ => Ok(std::mem::take(&mut text)),
        };
        match secret.map(Secret::new) {
            Ok(secret) if secret.expose().contains('\0') => {
                self.problem(Some(line), key, "contains a NUL character; no server accepts that");
            }
            Ok(secret) if secret.is_empty() && allow_empty => {}
            Ok(secret) if secret.is_empty() => {
                let source = match key {
                    "password_file" => format!("the file {}", self.reader.base_dir.join(&text).display()),
                    "password_env" => format!("the environment variable {text}"),
                    _ => "the password".to_owned(),
                };
                let text = format!(
                    "{source} of {account} is empty, which would need no password to log in; \
                     write the password, or allow_empty_password = true"
                );
                self.problem(Some(line), key, text);
            }
            Ok(secret) => return secret,
            Err(text) => self.problem(Some(line), key, text),
        }
        Secret::default()
    }

    /// True if the section says where its password is.
    pub fn has_secret(&self) -> bool {
        SECRET_SOURCES.into_iter().any(|key| self.get(key).is_some())
    }

    /// Notes the Kubernetes Secret that this key names, whose value is for `account`.
    pub fn named_secret(&self, key: &'static str, account: Account, example: &str) {
        let Some((text, line)) = self.text(key) else { return };
        match text.split_once('/').filter(|(name, key)| !name.is_empty() && is_key(key)) {
            // In all other cases the message must not show the text, which may be the password itself.
            Some((name, of)) if name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)) => {
                let at = SecretRef { name: name.into(), key: of.into() };
                self.reader.secret(SecretUse { account, at }, line, self.path_of(key));
            }
            _ => {
                let text = format!("is no Secret and its key; write \"{example}\"");
                self.problem(Some(line), key, text);
            }
        }
    }

    /// Reads the file that this key names; None after a problem. A change of the file is a change of the configuration.
    pub fn file(&self, key: &'static str, path: &str, line: usize) -> Option<Secret> {
        match self.read(path) {
            Ok(text) => Some(Secret::new(text)),
            Err(wrong) => {
                self.problem(Some(line), key, wrong);
                None
            }
        }
    }

    fn read(&self, path: &str) -> Result<String, String> {
        let path = self.reader.base_dir.join(path);
        self.reader.source(path.clone());
        std::fs::read_to_string(&path)
            .map_err(|e| format!("cannot read {}: {e}; write the path of a readable file", path.display()))
    }

    /// Reads a file, without a newline at its end. A change of the file is a change of the configuration.
    pub fn secret_file(&self, path: &str) -> Result<String, String> {
        let text = Zeroizing::new(self.read(path)?);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }
}

/// The keys that say where a password is.
const SECRET_SOURCES: [&str; 4] = ["password", "password_file", "password_env", "secret"];

/// Keys whose values are never shown in a message.
const SECRET_KEYS: [&str; 4] = ["password", "password_env", "secret", "token"];

/// True for a usual name of an environment variable. Any other text may be the password itself.
pub(super) fn is_variable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// True for a valid key of a Secret's data.
fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

/// Returns a value as shown in a message.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(i) => i.to_string(),
        DeValue::Float(f) => f.to_string(),
        DeValue::Boolean(b) => b.to_string(),
        other => format!("a {}", other.type_str()),
    }
}

/// Parses a duration: `100ms`, `10s`, `5m`, `8h`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        _ => None,
    }
}

/// Returns the shortest text that `parse_duration` reads as the same duration. The duration must be in whole
/// milliseconds.
pub(super) fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        _ if duration.subsec_millis() != 0 => format!("{}ms", duration.as_millis()),
        0 => "0s".to_owned(),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

const SIZES: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Parses a size up to `most` bytes: `512B`, `64KiB`, `1MiB`, `2GiB`.
pub(super) fn parse_size(text: &str, most: usize) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, each) = SIZES.iter().find(|(name, _)| *name == unit)?;
    number.parse::<usize>().ok()?.checked_mul(*each).filter(|bytes| *bytes <= most)
}

/// Returns the shortest text that `parse_size` reads as the same size.
pub(super) fn format_size(bytes: usize) -> String {
    let whole = SIZES.iter().find(|(_, each)| bytes != 0 && bytes.is_multiple_of(*each));
    whole.map_or_else(|| "0B".to_owned(), |(name, each)| format!("{}{name}", bytes / each))
}

/// Checks an address: `host:port`, `[v6]:port`, `unix:/path`.
pub(super) fn check_address(text: &str, purpose: AddressUse) -> Result<(), &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match purpose {
            AddressUse::BindTcp => Err("is a unix socket, and this needs TCP"),
            // The kernel's sockaddr_un has 108 bytes, including the NUL at the end.
            _ if path.len() > 107 => Err("has a path of more than 107 bytes"),
            _ if !path.starts_with('/') => Err("has no absolute path after unix:"),
            _ => Ok(()),
        };
    }
    let (host, port) = text.rsplit_once(':').ok_or("has no port")?;
    match host.strip_prefix('[') {
        Some(rest) => {
            let ip = rest.strip_suffix(']').ok_or("has no ] after the IPv6 address")?;
            ip.parse::<Ipv6Addr>().map_err(|_| "has no IPv6 address between [ and ]")?;
        }
        None if host.contains(':') => return Err("has an IPv6 address without [ and ]"),
        None if host.is_empty() => return Err("has no host before the port"),
        None if !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) => {
            return Err("has a host name with characters that no host name has");
        }
        None => {}
    }
    let digits = port.chars().all(|c| c.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(0) if purpose == AddressUse::Connect => Err("has port 0"),
        Ok(_) if digits => Ok(()),
        _ => Err("has no port from 1 to 65535 after the last colon"),
    }
}

/// True for a log level, or a list such as `warn,pointsman::monitor=debug`.
pub(crate) fn is_log_filter(text: &str) -> bool {
    let level = |word: &str| matches!(word, "off" | "error" | "warn" | "info" | "debug" | "trace");
    let target = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    text.split(',').map(str::trim).all(|part| match part.split_once('=') {
        Some((name, word)) => target(name) && level(word),
        None => level(part),
    })
}

/// Notes a problem for each value that occurred before; `key` is relative to the section.
pub(super) fn no_duplicates<'v>(
    section: &Section<'_>,
    key: &str,
    values: impl Iterator<Item = (&'v str, Option<usize>)>,
) {
    let mut seen = HashMap::new();
    // An empty value has its own problem already.
    for (value, line) in values.filter(|(value, _)| !value.is_empty()) {
        match seen.get(value) {
            Some(Some(first)) => {
                let text = format!("{value:?} stands already on line {first}; write another one");
                section.problem(line, key, text);
            }
            Some(None) => section.problem(line, key, format!("{value:?} stands twice; write another one")),
            None => _ = seen.insert(value, line),
        }
    }
}
