//! The current passwords of the accounts. Each password of an account is a credential with a generation. A
//! server connection belongs to the credential that it was opened with, and no session of another credential
//! ever gets it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::quality::RandomState;
use zeroize::Zeroizing;

use super::Login;
use crate::auth::native_password::Sha1;
use crate::auth::{AuthError, Known};
use crate::config::{Secret, User};

/// The number of proven accounts from which on those without a session are forgotten. The servers' accounts are not always the
/// bound: an anonymous account lets in every name, and MySQL reads only the first 32 characters of a name.
const MANY_PROVEN: usize = 10_000;

/// What the proxy logs in to servers with.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The password.
    Password(Secret),
    /// The SHA-1 of the password, which is enough for mysql_native_password.
    Sha1(Arc<Zeroizing<Sha1>>),
    /// Nothing: the client did the exchange with the server itself.
    OfClient,
}

impl Credential {
    /// Returns what is known, for an exchange.
    ///
    /// # Errors
    /// [`AuthError::OnlyClient`] if nothing is known.
    pub fn known(&self) -> Result<Known<'_>, AuthError> {
        match self {
            Credential::Password(password) => Ok(Known::Password(password.expose().as_bytes())),
            Credential::Sha1(single) => Ok(Known::Sha1(single)),
            Credential::OfClient => Err(AuthError::OnlyClient),
        }
    }
}

impl From<Secret> for Credential {
    fn from(password: Secret) -> Self {
        Credential::Password(password)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

/// Where an account's credential comes from. If the origin changes, the account gets another credential.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CredentialOrigin {
    /// The configuration has this password.
    Configured(Secret),
    /// The servers' account tables have a password with this stamp (see `Account::stamp`).
    Account(u64),
    /// A server accepted this password.
    Learned(Secret),
}

#[derive(Debug)]
struct Current {
    origin: CredentialOrigin,
    credential: Credential,
    generation: u64,
}

/// Whether a credential is still valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The account's current password.
    Current,
    /// A former password of the account. Sessions that logged in with it continue.
    Former,
    /// The account was removed.
    Removed,
}

/// What a new configuration changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Renewal {
    /// Accounts that are new, or have another password.
    pub accounts: Vec<Arc<str>>,
    /// True if a password was replaced or removed.
    pub has_ended_one: bool,
}

/// What the proxy logs in with, for each account. Each worker has its own copy.
#[derive(Debug, Default)]
pub struct Credentials {
    current: RefCell<HashMap<Arc<str>, Current, RandomState>>,
    generations: Cell<u64>,
    /// The number of accounts that had sessions when accounts were forgotten last.
    kept: Cell<usize>,
}

/// Where the password of an account that is not configured comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    /// The servers' account tables have its hash, with this stamp (see `Account::stamp`).
    Account(u64),
    /// A server accepted it.
    Learned,
}

impl Credentials {
    /// Applies the users of a configuration: new users, and those with another password, get a new
    /// generation.
    pub fn update(&self, users: &HashMap<Arc<str>, User>) -> Renewal {
        let mut current = self.current.borrow_mut();
        let before = current.len();
        let password = |name: &Arc<str>| users.get(name).and_then(|user| user.password.as_ref());
        let is_configured = |entry: &Current| matches!(entry.origin, CredentialOrigin::Configured(_));
        current.retain(|name, entry| !is_configured(entry) || password(name).is_some());
        let mut renewal = Renewal { accounts: Vec::new(), has_ended_one: current.len() < before };
        for (name, user) in users {
            let Some(password) = &user.password else { continue };
            let origin = CredentialOrigin::Configured(password.clone());
            let known = current.get(name);
            if known.is_some_and(|entry| entry.origin == origin) {
                continue;
            }
            renewal.has_ended_one |= known.is_some();
            renewal.accounts.push(name.clone());
            current.insert(name.clone(), self.another(origin, password.clone().into()));
        }
        renewal
    }

    fn another(&self, origin: CredentialOrigin, credential: Credential) -> Current {
        let generation = self.generations.get() + 1;
        self.generations.set(generation);
        Current { origin, credential, generation }
    }

    /// Notes that a client proved to know the password of an account that is not configured. Also returns whether this
    /// ended a former credential. (Never None: the entry was just made.)
    pub fn proven(&self, user: &str, by: Proven, credential: Credential) -> Option<(Login, bool)> {
        let mut current = self.current.borrow_mut();
        let origin = match (by, &credential) {
            (Proven::Account(stamp), _) => CredentialOrigin::Account(stamp),
            (Proven::Learned, Credential::Password(password)) => CredentialOrigin::Learned(password.clone()),
            // A hash is only known from a table.
            (Proven::Learned, Credential::Sha1(_) | Credential::OfClient) => CredentialOrigin::Account(0),
        };
        let mut ended = false;
        match current.get_mut(user) {
            Some(entry) if entry.origin == origin => {
                // A password is worth more than its hash: it suits every plugin.
                if matches!(credential, Credential::Password(_)) {
                    entry.credential = credential;
                }
            }
            known => {
                ended = known.is_some();
                current.insert(user.into(), self.another(origin, credential));
            }
        }
        let (user, entry) = current.get_key_value(user)?;
        let (credential, generation) = (entry.credential.clone(), entry.generation);
        Some((Login { user: user.clone(), credential, generation }, ended))
    }

    /// Forgets the accounts that are not configured and have no session, if there are many: clients prove them again. Looks for
    /// the sessions only if the number of accounts has doubled since. Returns true if any account was forgotten.
    pub fn forget_unused(&self, with_sessions: impl FnOnce() -> HashSet<Arc<str>>) -> bool {
        let mut current = self.current.borrow_mut();
        let before = current.len();
        if before < MANY_PROVEN.max(2 * self.kept.get()) {
            return false;
        }
        let used = with_sessions();
        current.retain(|name, entry| {
            matches!(entry.origin, CredentialOrigin::Configured(_)) || used.contains(name)
        });
        self.kept.set(current.len());
        current.len() < before
    }

    /// Returns the credential that was configured, or proved last. None: there is none.
    pub fn login(&self, user: &str) -> Option<Login> {
        let current = self.current.borrow();
        let (user, entry) = current.get_key_value(user)?;
        let (credential, generation) = (entry.credential.clone(), entry.generation);
        Some(Login { user: user.clone(), credential, generation })
    }

    /// Returns the configured password of an account as a login.
    pub fn configured(&self, user: &str) -> Option<Login> {
        let is_configured = matches!(
            self.current.borrow().get(user),
            Some(Current { origin: CredentialOrigin::Configured(_), .. })
        );
        if is_configured { self.login(user) } else { None }
    }

    /// Returns whether this generation of an account's password is still valid. A login without a password stays valid, as
    /// a connection of the client to the server would.
    pub fn standing(&self, user: &str, generation: u64) -> Standing {
        if generation == Login::OF_CLIENT {
            return Standing::Current;
        }
        match self.current.borrow().get(user) {
            Some(entry) if entry.generation == generation => Standing::Current,
            Some(_) => Standing::Former,
            None => Standing::Removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(all: &[(&str, &str)]) -> HashMap<Arc<str>, User> {
        let user = |(name, password): &(&str, &str)| {
            let name: Arc<str> = (*name).into();
            (name.clone(), User::new(name, Some(Secret::new(*password))))
        };
        all.iter().map(user).collect()
    }

    #[test]
    fn a_password_that_comes_back_is_another_credential() {
        let credentials = Credentials::default();
        credentials.update(&users(&[("app", "one"), ("other", "x")]));
        let first = credentials.login("app").unwrap();
        let other = credentials.login("other").unwrap();
        let added = Renewal { accounts: vec!["new".into()], has_ended_one: false };
        assert_eq!(credentials.update(&users(&[("app", "one"), ("other", "x"), ("new", "y")])), added);
        assert_eq!(credentials.standing("app", first.generation), Standing::Current);

        let changed = Renewal { accounts: vec!["app".into()], has_ended_one: true };
        assert_eq!(
            credentials.update(&users(&[("app", "two"), ("other", "x")])),
            changed,
            "and `new` is gone"
        );
        assert_eq!(credentials.standing("app", first.generation), Standing::Former);
        assert_eq!(credentials.standing("other", other.generation), Standing::Current);
        assert_eq!(credentials.login("app").unwrap().credential, Secret::new("two").into());
        assert!(credentials.login("new").is_none());

        let removed = Renewal { accounts: Vec::new(), has_ended_one: true };
        assert_eq!(credentials.update(&users(&[("other", "x")])), removed);
        assert_eq!(credentials.standing("app", first.generation), Standing::Removed);
        assert!(!credentials.update(&users(&[("app", "one"), ("other", "x")])).has_ended_one);
        assert_eq!(credentials.standing("app", first.generation), Standing::Former);
    }

    #[test]
    fn of_many_proven_accounts_those_without_a_session_are_forgotten() {
        let credentials = Credentials::default();
        credentials.update(&users(&[("configured", "x")]));
        let prove =
            |name: &str| credentials.proven(name, Proven::Learned, Secret::new("one").into()).unwrap().0;
        let used = || HashSet::from([Arc::from("0")]);
        let open = prove("0");
        for number in 1..MANY_PROVEN - 1 {
            assert!(!credentials.forget_unused(used), "{number}");
            prove(&number.to_string());
        }
        assert!(credentials.forget_unused(used));
        assert_eq!(credentials.current.borrow().len(), 2);
        assert_eq!(credentials.standing("0", open.generation), Standing::Current);
        assert!(credentials.configured("configured").is_some() && credentials.login("1").is_none());
        // If all accounts have sessions, all stay, and the sessions are not looked at for every login.
        let all = || (0..MANY_PROVEN).map(|number| number.to_string().into()).collect();
        (0..MANY_PROVEN).for_each(|number| drop(prove(&number.to_string())));
        assert!(!credentials.forget_unused(all));
        assert!(!credentials.forget_unused(|| unreachable!("it was done just now")));
    }

    #[test]
    fn a_proven_password_is_one_credential_until_the_tables_have_another() {
        let credentials = Credentials::default();
        let hash = || Credential::Sha1(Arc::new(Zeroizing::new([1; 20])));
        let (first, ended) = credentials.proven("app", Proven::Account(1), hash()).unwrap();
        assert!(!ended && first.credential == hash());
        assert!(credentials.configured("app").is_none());
        let password = || Credential::Password(Secret::new("one"));
        let (second, ended) = credentials.proven("app", Proven::Account(1), password()).unwrap();
        assert!(!ended && second.generation == first.generation && second.credential == password());
        let (third, ended) = credentials.proven("app", Proven::Account(1), hash()).unwrap();
        assert!(!ended && third.credential == password(), "which is worth more");

        let (changed, ended) = credentials.proven("app", Proven::Account(2), hash()).unwrap();
        assert!(ended && changed.credential == hash());
        assert_eq!(credentials.standing("app", first.generation), Standing::Former);
        credentials.update(&users(&[("other", "x")]));
        assert_eq!(credentials.standing("app", changed.generation), Standing::Current);
        let (learned, ended) = credentials.proven("app", Proven::Learned, password()).unwrap();
        assert!(ended && learned.generation > changed.generation);
        assert!(!credentials.proven("app", Proven::Learned, password()).unwrap().1);

        assert!(credentials.update(&users(&[("app", "configured")])).has_ended_one);
        assert_eq!(credentials.standing("app", learned.generation), Standing::Former);
        assert!(credentials.configured("app").is_some());
    }
}
