//! Variables whose values only one server connection knows: what keeps a session there, and
//! when it has an end, since a later literal tells all there is to know.

use crate::routing::{PerRole, Role};
use crate::sql::parts::Name;

/// More of them than this are not told apart.
const MAX_NAMES: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Untold {
    names: Vec<Name>,
    /// Others, of which nobody knows the names.
    nameless: bool,
}

impl Untold {
    /// This one, too.
    pub fn add(&mut self, name: &[u8]) {
        if self.names.len() >= MAX_NAMES {
            self.nameless = true;
        } else if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_vec());
        }
    }

    /// Some.
    pub fn add_nameless(&mut self) {
        self.nameless = true;
    }

    /// The value of this one is known again. True: it was the last.
    pub fn settle(&mut self, name: &[u8]) -> bool {
        let before = self.names.len();
        self.names.retain(|known| known != name);
        before > 0 && self.names.is_empty() && !self.nameless
    }

    /// Their names; None: some have none.
    pub fn names(&self) -> Option<&[Name]> {
        (!self.nameless).then_some(&self.names)
    }

    /// None any more.
    pub fn clear(&mut self) {
        *self = Untold::default();
    }
}

/// Those of a session; nothing for the most of them, which have none.
#[derive(Debug, Default)]
pub struct UntoldVariables(Option<Box<PerRole<[Untold; 2]>>>);

/// Which variables.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// The server's.
    System,
    /// The user's.
    User,
}

impl UntoldVariables {
    /// Those that only the connection for this role knows.
    pub fn on(&mut self, role: Role, whose: Whose) -> &mut Untold {
        let [system, user] = self.0.get_or_insert_default().of_mut(role);
        match whose {
            Whose::System => system,
            Whose::User => user,
        }
    }

    /// The value of this one is known again. Returns where it was the last.
    pub fn settle(&mut self, whose: Whose, name: &[u8]) -> impl Iterator<Item = Role> + use<> {
        let known = self.0.is_some();
        let mut last = |role| known && self.on(role, whose).settle(name);
        let both = Role::BOTH.map(|role| (role, last(role)));
        both.into_iter().filter(|(_, last)| *last).map(|(role, _)| role)
    }

    /// None any more on that connection.
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
        let mut untold = Untold::default();
        assert!(!untold.settle(b"a"));
        untold.add(b"a");
        untold.add(b"a");
        untold.add(b"b");
        assert!(!untold.settle(b"a") && !untold.settle(b"c") && untold.settle(b"b"));
        untold.add(b"a");
        untold.add_nameless();
        assert!(!untold.settle(b"a"));
        untold.clear();
        untold.add(b"a");
        assert!(untold.settle(b"a"));
    }
}
