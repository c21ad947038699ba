//! Variables whose values only one server connection knows. They pin the session to that connection until a
//! later statement assigns a literal, which makes the value known.

use crate::sql::parts::Name;
use crate::terms::{PerRole, Role};

/// At most this many names are kept; further variables count as nameless.
const MAX_NAMES: usize = 64;

/// The variables of one kind whose values only one connection knows.
#[derive(Debug, Default)]
pub struct Unreported {
    names: Vec<Name>,
    /// True if there are further variables, with unknown names.
    nameless: bool,
}

impl Unreported {
    /// Adds a variable.
    pub fn add(&mut self, name: &[u8]) {
        if self.names.len() >= MAX_NAMES {
            self.nameless = true;
        } else if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_vec());
        }
    }

    /// Adds variables with unknown names.
    pub fn add_nameless(&mut self) {
        self.nameless = true;
    }

    /// Removes a variable, because its value is known again. Returns true if it was the last.
    pub fn settle(&mut self, name: &[u8]) -> bool {
        let before = self.names.len();
        self.names.retain(|known| known != name);
        before > 0 && self.names.is_empty() && !self.nameless
    }

    /// Returns the names; None if some names are unknown.
    pub fn names(&self) -> Option<&[Name]> {
        (!self.nameless).then_some(&self.names)
    }

    /// Removes all variables.
    pub fn clear(&mut self) {
        *self = Unreported::default();
    }
}

/// The unreported variables of a session; None inside for most sessions, which have no such variables.
#[derive(Debug, Default)]
pub struct UnreportedVariables(Option<Box<PerRole<[Unreported; 2]>>>);

/// The kind of variable.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// System variables.
    System,
    /// User variables.
    User,
}

impl UnreportedVariables {
    /// Returns the variables whose values only the connection for this role knows.
    pub fn on(&mut self, role: Role, whose: Whose) -> &mut Unreported {
        let [system, user] = self.0.get_or_insert_default().of_mut(role);
        match whose {
            Whose::System => system,
            Whose::User => user,
        }
    }

    /// Removes a variable, because its value is known again. Returns the roles on whose connection it was the
    /// last.
    pub fn settle(&mut self, whose: Whose, name: &[u8]) -> impl Iterator<Item = Role> + use<> {
        let known = self.0.is_some();
        let mut last = |role| known && self.on(role, whose).settle(name);
        let both = Role::BOTH.map(|role| (role, last(role)));
        both.into_iter().filter(|(_, last)| *last).map(|(role, _)| role)
    }

    /// Removes all variables of this kind on the connection for this role.
    pub fn clear(&mut self, role: Role, whose: Whose) {
        if self.0.is_some() {
            self.on(role, whose).clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_to_be_told_ends_it() {
        let mut unreported = Unreported::default();
        assert!(!unreported.settle(b"a"));
        unreported.add(b"a");
        unreported.add(b"a");
        unreported.add(b"b");
        assert!(!unreported.settle(b"a") && !unreported.settle(b"c") && unreported.settle(b"b"));
        unreported.add(b"a");
        unreported.add_nameless();
        assert!(!unreported.settle(b"a"));
        unreported.clear();
        unreported.add(b"a");
        assert!(unreported.settle(b"a"));
    }
}
