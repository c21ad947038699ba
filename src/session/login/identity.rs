//! Decides who a client is: looks for the account that the client names in the sources of `[credentials]`, and decides
//! whether the client's proof is enough to let it in.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::check::{Identification, PasswordVerdict};
use crate::auth::native_password::{self, Sha1};
use crate::auth::{ExpectedPacket, PasswordProof, Plugin};
use crate::backend::accounts::{Account, AccountTable, Accounts, FoundAccount, ProofMethod};
use crate::backend::{Credential, Lesson, Login, Proven, ServerError, Standing};
use crate::client::Failure;
use crate::config::{CredentialSettings, CredentialSource, Live, Requirements, Secret};
use crate::net::{Peer, Runtime, Stream};
use crate::terms::Refused;
use crate::topology::Flavor;
use crate::wire::error_code::*;

/// How long a login with a wrong password waits for the account tables to be read again, which happens once a second at most.
const READING: Duration = Duration::from_secs(3);

/// No password is known that has this double SHA-1.
const NOBODYS: Sha1 = *b"nobody's double SHA1";

/// How long a refused login waits at least and at most, in milliseconds. The wait hides how long its check took.
const REFUSAL_MS: (u64, u64) = (1, 4);

/// ERR codes of servers that take no connection of the proxy's now: too many connections, a shutdown, a blocked host, and a
/// host without accounts.
const UNAVAILABLE: [u16; 4] =
    [ER_CON_COUNT_ERROR, ER_SERVER_SHUTDOWN, ER_HOST_IS_BLOCKED, ER_HOST_NOT_PRIVILEGED];

/// What is known of the account that a client names.
pub(super) enum ClientIdentity {
    /// The configuration has its password.
    Configured(Login),
    /// The same, and the client's user in the operating system needs no password.
    OsUser(Login),
    /// The servers' account tables have it.
    Listed(Listed),
    /// Only the client itself can log in. True if a server might take the proxy's operating system user for it.
    OnlyClient(bool),
    /// The account tables cannot be read, so a server must say. What a server accepted before, and whether that still
    /// counts without asking again.
    Unlisted(Option<(Secret, bool)>),
    /// There is no such account, or the client must not use it.
    Nobody(Refused, Decoy),
}

/// What an account that does not exist looks like: clients must not find out which names are accounts.
#[derive(Clone, Copy)]
pub(super) enum Decoy {
    Configured,
    Listed,
}

/// An account of the servers' tables.
pub(super) struct Listed {
    stamp: u64,
    way: ProofMethod,
    /// What a server accepted before, or its hash.
    known: Option<Credential>,
    /// True if the client's user in the operating system needs no password.
    os_user: bool,
    /// True if a hash that a client reveals lets clients of the right operating system's user in from then on.
    teaches: bool,
    /// True if the account is exempt from `read_only`.
    passes_read_only: bool,
    /// The error for a client that knows the password, but still may not log in.
    barred: Option<(Refused, Failure)>,
}

/// The result of the exchange with a client.
pub(super) enum Evidence {
    /// The client knows the password, or the SHA-1 of it.
    Proof(PasswordProof),
    /// The client sent this password, which only a server can check.
    Password(Zeroizing<Vec<u8>>),
    /// The client's answer was wrong. With mysql_native_password, or if it is empty, the answer, which may be right for the
    /// next reading of the tables.
    Wrong(Option<Vec<u8>>),
}

/// Why a client is not let in: the reason to count, and the error for the client; None: the error of a wrong password.
pub(super) type Denial = (Refused, Option<Failure>);

impl ClientIdentity {
    /// Returns what the exchange can check. `greeted` is the plugin of the greeting; `native`: the listener allows
    /// mysql_native_password.
    pub fn expected(&self, greeted: Plugin, native: bool) -> ExpectedPacket<'_> {
        match self {
            ClientIdentity::Configured(Login { credential: Credential::Password(password), .. }) => {
                ExpectedPacket::Password(password.expose().as_bytes())
            }
            ClientIdentity::Configured(_) => ExpectedPacket::Nobody,
            ClientIdentity::OsUser(_) | ClientIdentity::Listed(Listed { os_user: true, .. }) => {
                ExpectedPacket::Anything
            }
            ClientIdentity::Listed(Listed { way: ProofMethod::Empty, .. }) => ExpectedPacket::Password(b""),
            ClientIdentity::Listed(Listed { way: ProofMethod::Native(double), .. }) if native => {
                ExpectedPacket::DoubleSha1(double)
            }
            ClientIdentity::Listed(Listed { known, .. }) => {
                ExpectedPacket::AskServer(known.as_ref().and_then(password_of))
            }
            ClientIdentity::Unlisted(learned) => {
                ExpectedPacket::AskServer(learned.as_ref().map(|(password, _)| bytes(password)))
            }
            // Such a client is never asked by the proxy.
            ClientIdentity::OnlyClient(_) | ClientIdentity::Nobody(_, Decoy::Configured) => {
                ExpectedPacket::Nobody
            }
            // An account with the server's default plugin.
            ClientIdentity::Nobody(_, Decoy::Listed) if native && greeted == Plugin::NativePassword => {
                ExpectedPacket::DoubleSha1(&NOBODYS)
            }
            ClientIdentity::Nobody(_, Decoy::Listed) => ExpectedPacket::AskServer(None),
        }
    }
}

/// Returns the password, unless only its hash is known, or only the client knows it.
fn password_of(credential: &Credential) -> Option<&[u8]> {
    match credential {
        Credential::Password(password) => Some(bytes(password)),
        Credential::Sha1(_) | Credential::OfClient => None,
    }
}

fn bytes(password: &Secret) -> &[u8] {
    password.expose().as_bytes()
}

impl<R: Runtime> Identification<'_, R> {
    /// Looks for the account in the sources, in their order.
    pub(super) fn identity(&self, user: &[u8]) -> ClientIdentity {
        let live = self.context.live();
        self.find_identity(user, &live).unwrap_or_else(|refused| {
            let configured = live.users.values().any(|user| user.password.is_some());
            let asks_servers = live.credentials.ask_servers();
            let like_configured = configured && self.context.identities.looks_configured(user);
            let decoy = if !asks_servers || like_configured { Decoy::Configured } else { Decoy::Listed };
            ClientIdentity::Nobody(refused, decoy)
        })
    }

    fn find_identity(&self, user: &[u8], live: &Live) -> Result<ClientIdentity, Refused> {
        let user = std::str::from_utf8(user).map_err(|_| Refused::Password)?;
        // A right password from elsewhere, or without what the user needs, must look like a wrong one. So the exchange never
        // learns the password.
        if live.withheld.contains(user) {
            return Err(Refused::Password);
        }
        if !self.may_log_in_from_here(user) {
            return Err(Refused::Elsewhere);
        }
        if live.users.get(user).is_some_and(|user| !self.has_what_is_required(&user.requires)) {
            return Err(Refused::Requirements);
        }
        // Looked up for every name, so that the time tells nothing.
        let os_user = self.os_user();
        let os_user = os_user.as_deref();
        for source in &live.credentials.sources {
            let found = match source {
                CredentialSource::Configuration => self.configured(user, os_user, live),
                CredentialSource::Accounts => self.listed(user, os_user, &live.credentials)?,
                CredentialSource::Learned => self.unlisted(user, live),
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(Refused::Password)
    }

    /// True if `users.from` has the client's address, or does not restrict the user.
    fn may_log_in_from_here(&self, user: &str) -> bool {
        let address = self.client.handle.peer.get().ip();
        self.context.live().users.get(user).is_none_or(|user| user.may_log_in_from(address))
    }

    /// Returns the client's user in the operating system. None: the client came by no unix socket, or through a load
    /// balancer, which is the socket's other end then.
    fn os_user(&self) -> Option<Box<str>> {
        let handle = &self.client.handle;
        let is_direct =
            handle.peer.get() == Peer::Unix && !handle.entrance.proxy_protocol_from.contains(None);
        if is_direct { self.client.stream.os_user() } else { None }
    }

    /// Looks for the user's password in the configuration.
    fn configured(&self, user: &str, os_user: Option<&str>, live: &Live) -> Option<ClientIdentity> {
        let login = self.context.configured_login(user)?;
        let Some(os_user) = os_user else { return Some(ClientIdentity::Configured(login)) };
        let unix_user = live.users.get(user).and_then(|user| user.unix_user.as_deref());
        let accounts = self.context.identities.accounts.borrow().clone();
        let is_listed = match &*accounts {
            Accounts::Known(table) if live.credentials.has(CredentialSource::Accounts) => {
                let found = self.find_account(user, &live.credentials, table);
                matches!(found, FoundAccount::Account(account) if !account.locked
                    && self.has_what_is_required(&account.requires)
                    && lets_in(table, account, user, os_user))
            }
            _ => false,
        };
        Some(match is_listed || unix_user == Some(os_user) {
            true => ClientIdentity::OsUser(login),
            false => ClientIdentity::Configured(login),
        })
    }

    /// Looks for the account that a server would use for a session of this client.
    fn find_account<'t>(
        &self,
        user: &str,
        settings: &CredentialSettings,
        table: &'t AccountTable,
    ) -> FoundAccount<'t> {
        let client = self.client.handle.peer.get().ip();
        let announced = self.context.announced_as(user, &self.client.handle).is_some();
        match (client, settings.check_client_host) {
            (Some(address), _) if announced => table.find_announced(user, address),
            (client, check) => table.find(user, client.filter(|_| check)),
        }
    }

    /// Looks for the account in the servers' tables. None: the tables cannot be read, or do not have it.
    fn listed(
        &self,
        user: &str,
        os_user: Option<&str>,
        settings: &CredentialSettings,
    ) -> Result<Option<ClientIdentity>, Refused> {
        let accounts = self.context.identities.accounts.borrow().clone();
        let Accounts::Known(table) = &*accounts else { return Ok(None) };
        let account = match self.find_account(user, settings, table) {
            FoundAccount::Account(account) => account,
            FoundAccount::Nobody => return Ok(None),
            FoundAccount::NotFromThere => return Err(Refused::Elsewhere),
            FoundAccount::NotThroughProxy => return Err(Refused::NotThroughProxy),
        };
        if !self.has_what_is_required(&account.requires) {
            return Err(Refused::Requirements);
        }
        // Without `learned`, the proxy can only use what it can check by the hash.
        let learns = settings.has(CredentialSource::Learned);
        let is_socket = |way: &ProofMethod| matches!(way, ProofMethod::Socket(_));
        let passwords =
            |way: &&ProofMethod| learns && !is_socket(way) && !matches!(way, ProofMethod::OnlyClient(..));
        let native = |way: &&ProofMethod| matches!(way, ProofMethod::Native(_) | ProofMethod::Empty);
        let is_only = |way: &&ProofMethod| matches!(way, ProofMethod::OnlyClient(..));
        let only_client =
            match account.ways.iter().find(native).or_else(|| account.ways.iter().find(passwords)) {
                Some(ProofMethod::Password(..)) => self.context.identities.needs_client(user),
                Some(_) => false,
                None => account.ways.iter().any(|way| is_only(&way)),
            };
        if only_client {
            let socket = account.ways.iter().any(is_socket);
            return Ok(Some(ClientIdentity::OnlyClient(socket)));
        }
        let way = account.ways.iter().find(native).or_else(|| account.ways.iter().find(passwords));
        let stamp = account.stamp();
        let known = self.context.identities.learned.credential_of(user, stamp);
        let os_user = os_user.filter(|os_user| lets_in(table, account, user, os_user));
        let mut barred = self.barred(user, account, table.flavor);
        let way = match (way, os_user) {
            (Some(way), _) => way.clone(),
            // A direct login would work, so the client may be told why this one does not.
            (None, Some(os_user)) => {
                let no_password = || (Refused::Password, Failure::NoPassword(user.into(), os_user.into()));
                barred = barred.or_else(|| Some(no_password()));
                ProofMethod::Socket(None)
            }
            (None, None) => return Err(Refused::Password),
        };
        let os_user = os_user.is_some() && (known.is_some() || is_socket(&way));
        let teaches = learns && known.is_none() && account.ways.iter().any(is_socket);
        let passes_read_only = account.passes_read_only;
        let listed = Listed { stamp, way, known, os_user, teaches, passes_read_only, barred };
        Ok(Some(ClientIdentity::Listed(listed)))
    }

    fn unlisted(&self, user: &str, live: &Live) -> Option<ClientIdentity> {
        // The tables have all accounts, so a user that they lack does not exist.
        let known = matches!(**self.context.identities.accounts.borrow(), Accounts::Known(_));
        if known && live.credentials.has(CredentialSource::Accounts) {
            return None;
        }
        if self.context.identities.needs_client(user) {
            return Some(ClientIdentity::OnlyClient(true));
        }
        Some(ClientIdentity::Unlisted(self.context.identities.learned.of(user, None)))
    }

    /// Returns the servers' own error for an account with which nobody can log in now.
    fn barred(&self, user: &str, account: &Account, flavor: Flavor) -> Option<(Refused, Failure)> {
        let failure = |code, message: String| Failure::Server(ServerError::new(code, message));
        match flavor {
            Flavor::MySql if account.locked => {
                let host = self.client.handle.peer.get().host();
                let message = format!("Access denied for user '{user}'@'{host}'. Account is locked.");
                Some((Refused::Locked, failure(MYSQL_ER_ACCOUNT_HAS_BEEN_LOCKED, message)))
            }
            Flavor::MariaDb if account.locked => Some((
                Refused::Locked,
                failure(
                    MARIADB_ER_ACCOUNT_HAS_BEEN_LOCKED,
                    "Access denied, this account is locked".to_owned(),
                ),
            )),
            // MariaDB lets such accounts in, to change their password.
            Flavor::MySql if account.expired => {
                let message = "Your password has expired. To log in you must change it using a client that supports expired \
                               passwords.";
                Some((Refused::Expired, failure(ER_MUST_CHANGE_PASSWORD_LOGIN, message.to_owned())))
            }
            _ => None,
        }
    }

    /// Lets the client in, or says why not.
    pub(super) async fn let_in_or_deny(
        &mut self,
        user: &[u8],
        identity: ClientIdentity,
        evidence: Evidence,
    ) -> Result<Login, Denial> {
        let wrong = (Refused::Password, None);
        match (identity, evidence) {
            // The exchange takes as long as the client likes: the password may have changed meanwhile.
            (ClientIdentity::Configured(login) | ClientIdentity::OsUser(login), Evidence::Proof(_)) => {
                if self.context.standing(&login) == Standing::Current { Ok(login) } else { Err(wrong) }
            }
            (
                ClientIdentity::Configured(login) | ClientIdentity::OsUser(login),
                Evidence::Password(password),
            ) => {
                // Takes as long as with an account of the servers, so that clients cannot tell the two apart.
                let _ = self.checked(user, &password).await;
                let right =
                    matches!(&login.credential, Credential::Password(known) if bytes(known) == &**password);
                let current = self.context.standing(&login) == Standing::Current;
                if right && current { Ok(login) } else { Err(wrong) }
            }
            (ClientIdentity::Listed(listed), Evidence::Proof(proof)) => self.proved(user, listed, proof),
            (ClientIdentity::Listed(listed), Evidence::Password(password)) => {
                let password = self.checked(user, &password).await?;
                self.let_in_with_password(user, &listed, password)
            }
            (ClientIdentity::Unlisted(Some((password, true))), Evidence::Proof(_)) => {
                self.let_in(text(user)?, Proven::Learned, password.into())
            }
            (ClientIdentity::Unlisted(Some((password, false))), Evidence::Proof(_)) => {
                let checked = self.checked(user, bytes(&password)).await;
                match &checked {
                    Ok(_) => self.learn(text(user)?, None, password, true),
                    Err((Refused::Password, _)) => self.learn(text(user)?, None, password, false),
                    // No server said anything about it.
                    Err(_) => {}
                }
                self.let_in(text(user)?, Proven::Learned, checked?.into())
            }
            (ClientIdentity::Unlisted(_), Evidence::Password(password)) => {
                let password = self.checked(user, &password).await?;
                self.learn(text(user)?, None, password.clone(), true);
                self.let_in(text(user)?, Proven::Learned, password.into())
            }
            // Takes as long as for an account that exists. The account may also have been created a moment ago.
            (ClientIdentity::Nobody(refused, _), Evidence::Password(password)) => {
                let password = match self.checked(user, &password).await {
                    Ok(password) => password,
                    Err(denial) if is_same_for_all(&denial, refused) => return Err(denial),
                    Err(_) => return Err((refused, None)),
                };
                match self.read_again(user).await {
                    Some(ClientIdentity::Listed(listed)) => {
                        self.let_in_with_password(user, &listed, password)
                    }
                    _ => Err((refused, None)),
                }
            }
            (identity, Evidence::Wrong(answer)) => self.look_again(user, identity, answer).await,
            (ClientIdentity::Nobody(refused, _), _) => Err((refused, None)),
            (ClientIdentity::Unlisted(None), Evidence::Proof(_)) | (ClientIdentity::OnlyClient(_), _) => {
                Err(wrong)
            }
        }
    }

    /// Has the tables read again after a wrong answer: the password may have been changed, or the account created, since.
    async fn look_again(
        &self,
        user: &[u8],
        identity: ClientIdentity,
        answer: Option<Vec<u8>>,
    ) -> Result<Login, Denial> {
        let refused = match identity {
            ClientIdentity::Nobody(refused, _) => refused,
            _ => Refused::Password,
        };
        let Some(ClientIdentity::Listed(listed)) = self.read_again(user).await else {
            return Err((refused, None));
        };
        // A client without a password, whose account was created a moment ago.
        if listed.os_user {
            return self.proved(user, listed, PasswordProof::Password);
        }
        let nonce = &self.client.greeted.nonce;
        if listed.way == ProofMethod::Empty && answer.as_ref().is_some_and(Vec::is_empty) {
            return self.proved(user, listed, PasswordProof::Password);
        }
        let proof = match (&listed.way, answer) {
            (ProofMethod::Native(double), Some(answer)) => native_password::verify(&answer, nonce, double),
            _ => None,
        };
        match proof {
            Some(single) => self.proved(user, listed, PasswordProof::Sha1(Zeroizing::new(single))),
            None => Err((refused, None)),
        }
    }

    /// Has the tables read again, and looks for the account once more. None: they are not read here.
    async fn read_again(&self, user: &[u8]) -> Option<ClientIdentity> {
        if !self.context.live.borrow().credentials.has(CredentialSource::Accounts) {
            let (least, most) = REFUSAL_MS;
            let wait = least + self.context.random() % (most - least + 1);
            self.context.runtime.sleep(Duration::from_millis(wait)).await;
            return None;
        }
        self.context.outside.accounts_doubted();
        let reading = self.context.identities.another_reading();
        let _ = self.context.runtime.timeout(READING, reading).await;
        Some(self.identity(user))
    }

    /// Lets in a client whose password a server accepted.
    fn let_in_with_password(&self, user: &[u8], listed: &Listed, password: Secret) -> Result<Login, Denial> {
        let user = text(user)?;
        self.learn(user, Some(listed.stamp), password.clone(), true);
        self.let_in_listed(user, listed, password.into())
    }

    fn let_in_listed(&self, user: &str, listed: &Listed, credential: Credential) -> Result<Login, Denial> {
        // As with configured users: only a change of the primary makes it matter.
        if listed.passes_read_only && self.context.topology.get().servers.len() > 1 {
            self.context.outside.passes_read_only(user);
        }
        self.let_in(user, Proven::Account(listed.stamp), credential)
    }

    /// Remembers what a server said of a password, in all workers.
    fn learn(&self, user: &str, stamp: Option<u64>, credential: impl Into<Credential>, right: bool) {
        let lesson = Lesson { user: user.into(), stamp, credential: credential.into(), right };
        self.context.identities.learned.note(lesson.clone());
        self.context.outside.learned(lesson);
    }

    fn proved(&self, user: &[u8], mut listed: Listed, proof: PasswordProof) -> Result<Login, Denial> {
        if let Some((refused, failure)) = listed.barred.take() {
            return Err((refused, Some(failure)));
        }
        let credential = match proof {
            PasswordProof::Sha1(single) => {
                let hash = Credential::Sha1(Arc::new(single));
                if listed.teaches {
                    self.learn(text(user)?, Some(listed.stamp), hash.clone(), true);
                }
                hash
            }
            PasswordProof::Password => listed.known.take().unwrap_or_else(|| Secret::default().into()),
        };
        self.let_in_listed(text(user)?, &listed, credential)
    }

    fn let_in(&self, user: &str, by: Proven, credential: Credential) -> Result<Login, Denial> {
        let credentials = self.context.pool.credentials();
        let forgot = credentials.forget_unused(|| self.context.accounts_with_sessions());
        let (login, ended) = credentials.proven(user, by, credential).ok_or((Refused::Password, None))?;
        if ended || forgot {
            self.context.pool.credentials_changed();
        }
        Ok(login)
    }

    /// Has a server check a password: it is right if the server lets the proxy in with it.
    async fn checked(&mut self, user: &[u8], password: &[u8]) -> Result<Secret, Denial> {
        // A password that is not UTF-8 cannot be checked, nor can it be configured.
        let (user, password) = (text(user)?, Secret::new(text(password)?));
        match self.verdict(user, &password).await {
            PasswordVerdict::Right => Ok(password),
            PasswordVerdict::Wrong => Err((Refused::Password, None)),
            PasswordVerdict::Barred(error) => Err((Refused::Server, Some(Failure::Server(error)))),
            PasswordVerdict::NeedsClient(why) => {
                self.context.identities.note_need_of_client(user);
                Err((Refused::Server, Some(Failure::NotPassed(why))))
            }
            PasswordVerdict::Unasked => Err((Refused::Aborted, None)),
            PasswordVerdict::Unknown(why) => Err((Refused::Server, Some(Failure::Unreachable(why)))),
        }
    }

    /// True if the connection has all that this account's connections must have. As with servers, a unix socket does not
    /// count as TLS here.
    fn has_what_is_required(&self, requires: &Requirements) -> bool {
        let Some(tls) = self.client.handle.tls.get() else {
            return !requires.tls && !requires.needs_certificate();
        };
        let names = tls.names.as_ref();
        let is = |required: &Option<_>, name: Option<&str>| {
            required.as_deref().is_none_or(|required: &str| name == Some(required))
        };
        (!requires.needs_certificate() || tls.certified)
            && is(&requires.subject, names.map(|names| &*names.subject))
            && is(&requires.issuer, names.map(|names| &*names.issuer))
    }
}

/// True if the account's servers would let this operating system's user in without a password.
fn lets_in(table: &AccountTable, account: &Account, user: &str, os_user: &str) -> bool {
    table.is_of_this_machine() && account.is_for_os_user(user, os_user)
}

/// True if a check failed as it does for every account, so that `nobody`, an account that does not exist or that the client must
/// not use, gets the same error. MySQL may send 1040 after a right password, which must look like a wrong one to a client
/// that must not use the account.
fn is_same_for_all((refused, failure): &Denial, nobody: Refused) -> bool {
    match failure {
        Some(Failure::Server(error)) => nobody == Refused::Password && UNAVAILABLE.contains(&error.code),
        // Only an account that exists needs more than a password.
        Some(Failure::NotPassed(_)) => false,
        _ => matches!(refused, Refused::Server | Refused::Aborted),
    }
}

fn text(bytes: &[u8]) -> Result<&str, Denial> {
    std::str::from_utf8(bytes).map_err(|_| (Refused::Password, None))
}

/// Returns what a server stores of the password for mysql_native_password.
pub(super) fn double_sha1(credential: &Credential) -> Option<Sha1> {
    match credential {
        Credential::Password(password) if password.expose().is_empty() => None,
        Credential::Password(password) => Some(native_password::double_sha1(bytes(password))),
        Credential::Sha1(single) => Some(native_password::double_of_single(single)),
        Credential::OfClient => None,
    }
}
