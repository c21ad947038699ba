//! Reads accounts from the servers' tables.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;

use super::{Account, AccountTable, HostPattern, ProofMethod};
use crate::config::Requirements;
use crate::topology::Flavor;

/// The statements that read the accounts, and from where the server sees their connection: two result sets.
pub struct AccountRows;

/// A row that is not as the servers write it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a row of {0} cannot be read")]
pub struct BadRow(&'static str);

/// `HEX`, because the salt of caching_sha2_password is binary.
/// Servers before 8.0.14 have no `User_attributes`, which has the second and the third factor.
const MYSQL: &str = "SELECT Host, User, plugin, HEX(authentication_string), account_locked, password_expired, \
    ssl_type, x509_issuer, x509_subject, Super_priv \
    /*!80014 , JSON_EXTRACT(User_attributes, '$.multi_factor_authentication') */ FROM mysql.user; SELECT USER()";
const MYSQL_ADMINS: &str = "SELECT USER, HOST FROM mysql.global_grants WHERE PRIV = 'CONNECTION_ADMIN'";
const MARIADB: &str = "SELECT Host, User, Priv FROM mysql.global_priv; SELECT USER()";

/// `SUPER_ACL` and `READ_ONLY_ADMIN_ACL` of MariaDB's sql/privilege.h.
const SUPER: u64 = 1 << 15;
const READ_ONLY_ADMIN: u64 = 1 << 33;

/// From this version on, MariaDB's SUPER does not include READ ONLY ADMIN. Servers grant it to accounts that have SUPER and
/// were last changed by an earlier version.
const SUPER_ALONE: u64 = 10_11_00;

/// A row of the tables, or of the second result set.
type RowValues = [Option<Vec<u8>>];

impl AccountRows {
    /// Returns the statements for this kind of server.
    pub fn sql(flavor: Flavor) -> &'static str {
        match flavor {
            Flavor::MySql => MYSQL,
            Flavor::MariaDb => MARIADB,
        }
    }

    /// Returns the statement that reads which accounts have privileges that exempt them from `read_only` and are in no row
    /// of the accounts. It may be refused: few monitor accounts need it.
    pub fn admins_sql(flavor: Flavor) -> Option<&'static str> {
        (flavor == Flavor::MySql).then_some(MYSQL_ADMINS)
    }

    /// Returns the statement that grants the privileges for them.
    pub fn grant(flavor: Flavor, user: &str) -> String {
        match flavor {
            Flavor::MySql => format!("GRANT SELECT ON mysql.user TO '{user}'@'%'"),
            Flavor::MariaDb => format!("GRANT SELECT ON mysql.global_priv TO '{user}'@'%'"),
        }
    }

    /// Reads the rows of both result sets.
    ///
    /// # Errors
    /// [`BadRow`] if a row is not as the servers write it. Nothing is guessed then.
    pub fn read(
        flavor: Flavor,
        accounts: &[Vec<Option<Vec<u8>>>],
        own: &[Vec<Option<Vec<u8>>>],
    ) -> Result<AccountTable, BadRow> {
        let own = own.first().and_then(|row| text(row, 0)).ok_or(BadRow("USER()"))?;
        let (_, own_host) = own.rsplit_once('@').ok_or(BadRow("USER()"))?;
        let read = |row: &Vec<_>| match flavor {
            Flavor::MySql => mysql(row).ok_or(BadRow("mysql.user")).map(Some),
            Flavor::MariaDb => mariadb(row).ok_or(BadRow("mysql.global_priv")),
        };
        let accounts: Result<Vec<_>, _> = accounts.iter().map(read).collect();
        Ok(AccountTable::new(flavor, own_host, accounts?.into_iter().flatten().collect()))
    }
}

fn text(row: &RowValues, at: usize) -> Option<&str> {
    std::str::from_utf8(row.get(at)?.as_deref()?).ok()
}

fn mysql(row: &RowValues) -> Option<(String, Account)> {
    let (host, user, plugin) = (text(row, 0)?, text(row, 1)?, text(row, 2)?);
    let stored = row.get(3)?.as_deref().unwrap_or_default();
    let is_yes = |at| text(row, at).map(|word| word == "Y");
    // NULL and an empty text mean none.
    let name = |at| text(row, at).filter(|name| !name.is_empty()).map(Into::into);
    let requires = requirements(text(row, 6)?, name(7), name(8))?;
    let factors = row.get(10).and_then(|factors| factors.as_deref()).filter(|factors| has_factors(factors));
    let ways = match (way(plugin, &unhex(stored)?), factors) {
        (Some(_), Some(factors)) => Some(only_client(plugin, &[stored, factors].concat())),
        (way, _) => way,
    };
    let ways = ways.into_iter().collect();
    let account = Account {
        host: HostPattern::new(host),
        ways,
        locked: is_yes(4)?,
        expired: is_yes(5)?,
        requires,
        passes_read_only: is_yes(9).unwrap_or_default(),
        limits_time: false,
    };
    Some((user.to_owned(), account))
}

/// The words of `mysql.user.ssl_type`.
fn requirements(
    ssl_type: &str,
    issuer: Option<std::sync::Arc<str>>,
    subject: Option<std::sync::Arc<str>>,
) -> Option<Requirements> {
    let none = Requirements::default();
    match ssl_type {
        "" => Some(none),
        "ANY" => Some(Requirements { tls: true, ..none }),
        "X509" => Some(Requirements { tls: true, certificate: true, ..none }),
        // A cipher is the only requirement without a certificate. Which one is for the server to check.
        "SPECIFIED" => Some(Requirements { tls: true, certificate: false, subject, issuer }),
        _ => None,
    }
}

/// The JSON of `mysql.global_priv`, as far as it is about logins.
#[derive(Deserialize)]
struct Priv {
    #[serde(default)]
    is_role: bool,
    #[serde(flatten)]
    main: Method,
    #[serde(default)]
    auth_or: Vec<Method>,
    #[serde(default)]
    account_locked: bool,
    /// Seconds since 1970; 0 after `PASSWORD EXPIRE`.
    password_last_changed: Option<i64>,
    #[serde(default)]
    ssl_type: i64,
    x509_issuer: Option<String>,
    x509_subject: Option<String>,
    /// The global privileges, as bits. Not worth a refusal of the whole row.
    #[serde(default)]
    access: serde_json::Value,
    /// The server that changed them last: `101106` for 10.11.6.
    #[serde(default)]
    version_id: serde_json::Value,
    /// Seconds.
    #[serde(default)]
    max_statement_time: serde_json::Value,
}

impl Priv {
    fn passes_read_only(&self) -> bool {
        let [access, version] =
            [&self.access, &self.version_id].map(|value| value.as_u64().unwrap_or_default());
        access & READ_ONLY_ADMIN != 0 || (access & SUPER != 0 && version < SUPER_ALONE)
    }
}

#[derive(Deserialize)]
struct Method {
    plugin: Option<String>,
    authentication_string: Option<String>,
}

impl Method {
    fn way(&self) -> Option<ProofMethod> {
        let stored = self.authentication_string.as_deref().unwrap_or_default();
        way(self.plugin.as_deref().unwrap_or("mysql_native_password"), stored.as_bytes())
    }
}

/// Returns None for a role.
fn mariadb(row: &RowValues) -> Option<Option<(String, Account)>> {
    let (host, user) = (text(row, 0)?, text(row, 1)?);
    let read: Priv = serde_json::from_slice(row.get(2)?.as_deref()?).ok()?;
    if read.is_role {
        return Some(None);
    }
    let passes_read_only = read.passes_read_only();
    let limits_time = read.max_statement_time.as_f64().is_some_and(|seconds| seconds > 0.0);
    let main = read.main.way();
    let ways = match read.auth_or.as_slice() {
        [] => main.into_iter().collect(),
        // An empty object stands for the main method.
        several => {
            let of = |method: &Method| if method.plugin.is_none() { main.clone() } else { method.way() };
            several.iter().filter_map(of).collect()
        }
    };
    // `enum SSL_type`: -1 not specified, 0 none, 1 any, 2 X509, 3 specified.
    let ssl_type = match read.ssl_type {
        -1 | 0 => "",
        1 => "ANY",
        2 => "X509",
        3 => "SPECIFIED",
        _ => return None,
    };
    let name = |name: Option<String>| name.filter(|name| !name.is_empty()).map(Into::into);
    let account = Account {
        host: HostPattern::new(host),
        ways,
        locked: read.account_locked,
        expired: read.password_last_changed == Some(0),
        requires: requirements(ssl_type, name(read.x509_issuer), name(read.x509_subject))?,
        passes_read_only,
        limits_time,
    };
    Some(Some((user.to_owned(), account)))
}

/// The plugins of which the proxy can do the client's part, with a password that the client told.
const WITH_PASSWORD: [&str; 11] = [
    "mysql_native_password",
    "caching_sha2_password",
    "sha256_password",
    "ed25519",
    "parsec",
    "pam",
    "authentication_pam",
    "authentication_ldap_simple",
    // Percona Server's.
    "auth_pam",
    "auth_pam_compat",
    // Of Amazon RDS and Aurora: a token in place of a password.
    "AWSAuthenticationPlugin",
];

/// True if the JSON is an array with an element.
fn has_factors(json: &[u8]) -> bool {
    serde_json::from_slice::<Vec<serde_json::Value>>(json).is_ok_and(|factors| !factors.is_empty())
}

fn only_client(plugin: &str, stored: &[u8]) -> ProofMethod {
    ProofMethod::OnlyClient(plugin.into(), hash_of(stored))
}

fn hash_of(stored: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    stored.hash(&mut hasher);
    hasher.finish()
}

/// Returns None for an account with which nobody can log in.
fn way(plugin: &str, stored: &[u8]) -> Option<ProofMethod> {
    match plugin {
        "mysql_native_password" | "caching_sha2_password" | "sha256_password" if stored.is_empty() => {
            Some(ProofMethod::Empty)
        }
        // Also for a text that is no hash, such as MariaDB's `invalid`.
        "mysql_native_password" => native(stored).map(ProofMethod::Native),
        "mysql_no_login" => None,
        "unix_socket" | "auth_socket" => {
            let name = std::str::from_utf8(stored).ok()?;
            Some(ProofMethod::Socket(Some(name).filter(|name| !name.is_empty()).map(Into::into)))
        }
        plugin if WITH_PASSWORD.contains(&plugin) => {
            Some(ProofMethod::Password(plugin.into(), hash_of(stored)))
        }
        plugin => Some(only_client(plugin, stored)),
    }
}

/// Reads `*` and 40 hexadecimal digits.
fn native(stored: &[u8]) -> Option<[u8; 20]> {
    unhex(stored.strip_prefix(b"*")?)?.try_into().ok()
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}
