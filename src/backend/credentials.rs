//! The current passwords of the accounts. Each password of an account is a credential with a generation. A
//! server connection belongs to the credential that it was opened with, and no session of another credential
//! ever gets it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::Login;
use crate::config::{Secret, User};

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

/// The passwords of the accounts. Each worker has its own copy.
#[derive(Debug, Default)]
pub struct Credentials {
    current: RefCell<HashMap<Arc<str>, (Secret, u64)>>,
    generations: Cell<u64>,
}

impl Credentials {
    /// Applies the users of a configuration: new users, and those with another password, get a new
    /// generation.
    pub fn update(&self, users: &HashMap<Arc<str>, User>) -> Renewal {
        let mut current = self.current.borrow_mut();
        let before = current.len();
        current.retain(|name, _| users.contains_key(name));
        let mut renewal = Renewal { accounts: Vec::new(), has_ended_one: current.len() < before };
        for (name, user) in users {
            let known = current.get(name);
            if known.is_some_and(|(password, _)| *password == user.password) {
                continue;
            }
            renewal.has_ended_one |= known.is_some();
            renewal.accounts.push(name.clone());
            self.generations.set(self.generations.get() + 1);
            current.insert(name.clone(), (user.password.clone(), self.generations.get()));
        }
        renewal
    }

    /// Returns the credential that a client of this name must prove to know. None: there is no such account.
    pub fn login(&self, user: &str) -> Option<Login> {
        let current = self.current.borrow();
        let (user, (password, generation)) = current.get_key_value(user)?;
        Some(Login { user: user.clone(), password: password.clone(), generation: *generation })
    }

    /// Returns whether this generation of an account's password is still valid.
    pub fn standing(&self, user: &str, generation: u64) -> Standing {
        match self.current.borrow().get(user) {
            Some((_, current)) if *current == generation => Standing::Current,
            Some(_) => Standing::Former,
            None => Standing::Removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Requirements;

    fn users(all: &[(&str, &str)]) -> HashMap<Arc<str>, User> {
        let user = |(name, password): &(&str, &str)| {
            let (allow_empty_password, max_server_connections, level) = (false, None, None);
            let requires = Requirements::default();
            let (name, password): (Arc<str>, _) = ((*name).into(), Secret::new(*password));
            (
                name.clone(),
                User {
                    name,
                    password,
                    allow_empty_password,
                    max_server_connections,
                    level,
                    requires,
                    from: None,
                },
            )
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
        assert_eq!(credentials.login("app").unwrap().password.expose(), "two");
        assert!(credentials.login("new").is_none());

        let removed = Renewal { accounts: Vec::new(), has_ended_one: true };
        assert_eq!(credentials.update(&users(&[("other", "x")])), removed);
        assert_eq!(credentials.standing("app", first.generation), Standing::Removed);
        assert!(!credentials.update(&users(&[("app", "one"), ("other", "x")])).has_ended_one);
        assert_eq!(credentials.standing("app", first.generation), Standing::Former);
    }
}
