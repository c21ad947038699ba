//! Which passwords the accounts have, as of now. Each password of an account is a credential with a
//! generation: a server connection belongs to the credential that it was opened with, and no session of
//! another credential ever gets it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::Login;
use crate::config::{Secret, User};

/// Whether a credential still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the password of its account.
    Current,
    /// The account has another password now. Sessions that logged in before go on.
    Former,
    /// The account is not there any more.
    Removed,
}

/// See the module. One for each worker.
#[derive(Debug, Default)]
pub struct Credentials {
    current: RefCell<HashMap<Arc<str>, (Secret, u64)>>,
    generations: Cell<u64>,
}

impl Credentials {
    /// Takes over the users of a configuration: new ones, and those with another password, get a new generation.
    /// Returns true if a password changed or an account is gone.
    pub fn update(&self, users: &HashMap<Arc<str>, User>) -> bool {
        let mut current = self.current.borrow_mut();
        let before = current.len();
        current.retain(|name, _| users.contains_key(name));
        let mut changed = current.len() < before;
        for (name, user) in users {
            let known = current.get(name);
            if known.is_some_and(|(password, _)| *password == user.password) {
                continue;
            }
            changed |= known.is_some();
            self.generations.set(self.generations.get() + 1);
            current.insert(name.clone(), (user.password.clone(), self.generations.get()));
        }
        changed
    }

    /// What a client that says this name must prove to know. None: there is no such account.
    pub fn login(&self, user: &str) -> Option<Login> {
        let current = self.current.borrow();
        let (user, (password, generation)) = current.get_key_value(user)?;
        Some(Login { user: user.clone(), password: password.clone(), generation: *generation })
    }

    /// Whether this generation of an account's password still counts.
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

    fn users(all: &[(&str, &str)]) -> HashMap<Arc<str>, User> {
        let user = |(name, password): &(&str, &str)| {
            let (allow_empty_password, max_server_connections, level) = (false, None, None);
            let (name, password): (Arc<str>, _) = ((*name).into(), Secret::new(*password));
            (name.clone(), User { name, password, allow_empty_password, max_server_connections, level })
        };
        all.iter().map(user).collect()
    }

    #[test]
    fn a_password_that_comes_back_is_another_credential() {
        let credentials = Credentials::default();
        assert!(!credentials.update(&users(&[("app", "one"), ("other", "x")])));
        let first = credentials.login("app").unwrap();
        let other = credentials.login("other").unwrap();
        assert!(!credentials.update(&users(&[("app", "one"), ("other", "x"), ("new", "y")])));
        assert_eq!(credentials.standing("app", first.generation), Standing::Current);

        assert!(credentials.update(&users(&[("app", "two"), ("other", "x")])), "and `new` is gone");
        assert_eq!(credentials.standing("app", first.generation), Standing::Former);
        assert_eq!(credentials.standing("other", other.generation), Standing::Current);
        assert_eq!(credentials.login("app").unwrap().password.expose(), "two");
        assert!(credentials.login("new").is_none());

        assert!(credentials.update(&users(&[("other", "x")])));
        assert_eq!(credentials.standing("app", first.generation), Standing::Removed);
        assert!(!credentials.update(&users(&[("app", "one"), ("other", "x")])));
        assert_eq!(credentials.standing("app", first.generation), Standing::Former);
    }
}
