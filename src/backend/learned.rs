//! The passwords that clients told and a server accepted (the full exchange of caching_sha2_password, and
//! mysql_clear_password). In memory only; shared by the workers, and only touched at logins.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Secret;

/// How long an answer of a server is believed of an account that is in no table the proxy can read: so long an old
/// password may still work for new clients after it was changed.
pub const BELIEVED: Duration = Duration::from_secs(5);

/// The most passwords that are kept. Beyond that, the one that a server confirmed first is forgotten.
const MAX: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Learned(Mutex<HashMap<Box<str>, Entry>>);

#[derive(Debug, Clone)]
struct Entry {
    password: Secret,
    /// The stamp of the account that the password is for (see `Account::stamp`); None: the account is in no table.
    stamp: Option<u64>,
    confirmed: Instant,
}

impl Learned {
    fn all(&self) -> MutexGuard<'_, HashMap<Box<str>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the password of the account with this stamp, and whether it is right without asking a server again.
    pub fn of(&self, user: &str, stamp: Option<u64>) -> Option<(Secret, bool)> {
        let all = self.all();
        let entry = all.get(user).filter(|entry| entry.stamp == stamp)?;
        Some((entry.password.clone(), stamp.is_some() || entry.confirmed.elapsed() < BELIEVED))
    }

    /// Notes that a server has just accepted this password.
    pub fn learn(&self, user: &str, stamp: Option<u64>, password: Secret) {
        let mut all = self.all();
        if all.len() >= MAX && !all.contains_key(user) {
            let oldest = all.iter().min_by_key(|(_, entry)| entry.confirmed).map(|(user, _)| user.clone());
            oldest.and_then(|user| all.remove(&user));
        }
        all.insert(user.into(), Entry { password, stamp, confirmed: Instant::now() });
    }

    /// Forgets a password that a server refused.
    pub fn forget(&self, user: &str, password: &Secret) {
        let mut all = self.all();
        if all.get(user).is_some_and(|entry| entry.password == *password) {
            all.remove(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_password_is_for_one_stamp_and_without_a_table_for_a_while() {
        let (learned, secret) = (Learned::default(), Secret::new("secret"));
        assert_eq!(learned.of("app", None), None);
        learned.learn("app", Some(1), secret.clone());
        assert_eq!(learned.of("app", Some(1)), Some((secret.clone(), true)));
        assert_eq!(learned.of("app", Some(2)), None);
        assert_eq!(learned.of("app", None), None);
        tokio::time::advance(BELIEVED).await;
        assert_eq!(learned.of("app", Some(1)), Some((secret.clone(), true)), "the table vouches for it");

        learned.learn("app", None, secret.clone());
        assert_eq!(learned.of("app", None), Some((secret.clone(), true)));
        tokio::time::advance(BELIEVED).await;
        assert_eq!(learned.of("app", None), Some((secret.clone(), false)));
        learned.forget("app", &Secret::new("another"));
        assert!(learned.of("app", None).is_some());
        learned.forget("app", &secret);
        assert_eq!(learned.of("app", None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_passwords_is_bounded() {
        let learned = Learned::default();
        for at in 0..=MAX {
            learned.learn(&at.to_string(), None, Secret::new("x"));
            if at == 0 {
                tokio::time::advance(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(learned.all().len(), MAX);
        assert!(learned.of("0", None).is_none() && learned.of(&MAX.to_string(), None).is_some());
    }
}
