//! The passwords that clients sent (by the full exchange of caching_sha2_password, or by mysql_clear_password) and that a
//! server accepted, and hashes of passwords that let clients of the same user of the operating system in without a
//! password. In memory only. Each worker has its own copy, and sends what it learns to the others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Credential;
use crate::config::Secret;

/// How long a server's answer counts for an account that is in no table that the proxy can read. After a change of the
/// password, new clients may be let in with the former password for this long.
pub const BELIEVED: Duration = Duration::from_secs(5);

/// The most passwords that are kept. Beyond that, the one that a server confirmed first is forgotten.
const MAX: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Learned(RefCell<HashMap<Box<str>, LearnedEntry>>);

/// News for the other workers.
#[derive(Debug, Clone)]
pub struct Lesson {
    /// The account.
    pub user: Box<str>,
    /// Its stamp; None: the account is in no table.
    pub stamp: Option<u64>,
    /// The password, or its hash.
    pub credential: Credential,
    /// True if a server accepted the password just now, false if it refused it.
    pub right: bool,
}

#[derive(Debug, Clone)]
struct LearnedEntry {
    credential: Credential,
    /// The stamp of the account that the password is for (see `Account::stamp`); None: the account is in no table.
    stamp: Option<u64>,
    confirmed: Instant,
}

impl Learned {
    /// Returns the password of the account with this stamp, and whether it is right without asking a server again.
    pub fn of(&self, user: &str, stamp: Option<u64>) -> Option<(Secret, bool)> {
        let all = self.0.borrow();
        let entry = all.get(user).filter(|entry| entry.stamp == stamp)?;
        let Credential::Password(password) = &entry.credential else { return None };
        Some((password.clone(), stamp.is_some() || entry.confirmed.elapsed() < BELIEVED))
    }

    /// Returns what the proxy can log in with to the account with this stamp: the password, or its hash.
    pub fn credential_of(&self, user: &str, stamp: u64) -> Option<Credential> {
        let all = self.0.borrow();
        all.get(user).filter(|entry| entry.stamp == Some(stamp)).map(|entry| entry.credential.clone())
    }

    /// Notes what a server said of a password.
    pub fn note(&self, lesson: Lesson) {
        let Lesson { user, stamp, credential, right } = lesson;
        let mut all = self.0.borrow_mut();
        if !right {
            if all.get(&user).is_some_and(|entry| entry.credential == credential) {
                all.remove(&user);
            }
            return;
        }
        if all.len() >= MAX && !all.contains_key(&user) {
            let oldest = all.iter().min_by_key(|(_, entry)| entry.confirmed).map(|(user, _)| user.clone());
            oldest.and_then(|user| all.remove(&user));
        }
        all.insert(user, LearnedEntry { credential, stamp, confirmed: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lesson(user: &str, stamp: Option<u64>, password: &str, right: bool) -> Lesson {
        Lesson { user: user.into(), stamp, credential: Secret::new(password).into(), right }
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_is_for_one_stamp_and_without_a_table_for_a_while() {
        let (learned, secret) = (Learned::default(), Secret::new("secret"));
        assert_eq!(learned.of("app", None), None);
        learned.note(lesson("app", Some(1), "secret", true));
        assert_eq!(learned.of("app", Some(1)), Some((secret.clone(), true)));
        assert_eq!(learned.of("app", Some(2)), None);
        assert_eq!(learned.of("app", None), None);
        tokio::time::advance(BELIEVED).await;
        assert_eq!(learned.of("app", Some(1)), Some((secret.clone(), true)), "the table vouches for it");

        learned.note(lesson("app", None, "secret", true));
        assert_eq!(learned.of("app", None), Some((secret.clone(), true)));
        tokio::time::advance(BELIEVED).await;
        assert_eq!(learned.of("app", None), Some((secret.clone(), false)));
        learned.note(lesson("app", None, "another", false));
        assert!(learned.of("app", None).is_some());
        learned.note(lesson("app", None, "secret", false));
        assert_eq!(learned.of("app", None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_passwords_is_bounded() {
        let learned = Learned::default();
        for at in 0..=MAX {
            learned.note(lesson(&at.to_string(), None, "x", true));
            if at == 0 {
                tokio::time::advance(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(learned.0.borrow().len(), MAX);
        assert!(learned.of("0", None).is_none() && learned.of(&MAX.to_string(), None).is_some());
    }
}
