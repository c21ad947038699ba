//! User variables that a session carries from one connection to another.

use std::rc::Rc;

use super::variable_values::write_name;

/// A session that sets more user variables than this cannot be carried.
const MAX_VARIABLES: usize = 64;

/// The longest literal of a user variable that is carried, in bytes.
const MAX_LITERAL: usize = 1024;

const NULL: &[u8] = b"NULL";

/// A user variable of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserVariable {
    /// The name in lower case.
    pub name: Rc<[u8]>,
    /// The last literal other than NULL that the variable was assigned, as it was written: servers keep its type for a NULL
    /// behind it. NULL: there was no other. Empty: the value, or its type, is unknown.
    pub literal: Rc<[u8]>,
    /// True if the value is NULL, and has the literal's type, which may be unknown.
    pub is_null: bool,
}

impl UserVariable {
    /// True if a server can be given the value, with its type.
    pub fn is_known(&self) -> bool {
        !self.literal.is_empty()
    }
}

/// The user variables of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserVariables(Vec<UserVariable>);

impl UserVariables {
    /// Records that a user variable was assigned a literal. Returns false if that cannot be replayed
    /// elsewhere.
    pub fn set(&mut self, name: &[u8], literal: &[u8]) -> bool {
        if literal.len() > MAX_LITERAL {
            return false;
        }
        if let Some(known) = self.get_mut(name) {
            if literal.eq_ignore_ascii_case(NULL) {
                known.is_null = *known.literal != *NULL;
                return known.is_known();
            }
            known.literal = Rc::from(literal);
            known.is_null = false;
            return true;
        }
        let fits = self.0.len() < MAX_VARIABLES;
        if fits {
            let is_null = literal.eq_ignore_ascii_case(NULL);
            let literal = Rc::from(if is_null { NULL } else { literal });
            self.0.push(UserVariable { name: Rc::from(name), literal, is_null: false });
        }
        fits
    }

    /// Records that a user variable is NULL, and has the type of this literal. Returns false if that cannot be replayed
    /// elsewhere.
    pub fn set_to_null_of(&mut self, name: &[u8], literal: &[u8]) -> bool {
        self.set(name, literal) && self.set(name, NULL)
    }

    /// Records that a user variable's value, and its type, is unknown. Its name stays: the connection must be reset before
    /// another session gets it, the next literal counts as a change, and a NULL has a type that nobody knows.
    pub fn forget(&mut self, name: &[u8]) {
        let unknown = Rc::from(&b""[..]);
        if let Some(known) = self.get_mut(name) {
            known.literal = unknown;
            known.is_null = false;
        } else if self.0.len() < MAX_VARIABLES {
            let name = Rc::from(name);
            self.0.push(UserVariable { name, literal: unknown, is_null: false });
        }
    }

    /// Removes a variable that no connection has.
    pub fn remove(&mut self, name: &[u8]) {
        self.0.retain(|known| *known.name != *name);
    }

    /// True if this variable is NULL, and only the server knows its type.
    pub fn is_null_of_unknown_type(&self, name: &[u8]) -> bool {
        let is_one = |known: &UserVariable| *known.name == *name && known.is_null && !known.is_known();
        self.0.iter().any(is_one)
    }

    /// True if the session's statements have set this variable, or created it.
    pub fn has(&self, name: &[u8]) -> bool {
        self.0.iter().any(|known| *known.name == *name)
    }

    /// Returns the variables.
    pub fn iter(&self) -> impl Iterator<Item = &UserVariable> {
        self.0.iter()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get_mut(&mut self, name: &[u8]) -> Option<&mut UserVariable> {
        self.0.iter_mut().find(|known| *known.name == *name)
    }

    /// Appends the assignments for user variables. They need a statement of their own: a literal is read
    /// under the character set and SQL mode in force when its statement is parsed.
    pub fn write(&self, from: Option<&UserVariables>, out: &mut Vec<u8>) {
        let begin = out.len();
        let has = |one: &UserVariable| from.is_some_and(|from| from.0.contains(one));
        for one in self.0.iter().filter(|one| one.is_known() && !has(one)) {
            let literals = [&*one.literal].into_iter().chain(one.is_null.then_some(NULL));
            for literal in literals {
                out.push(b'@');
                write_name(&one.name, out);
                out.push(b'=');
                out.extend_from_slice(literal);
                out.push(b',');
            }
        }
        if out.len() > begin {
            out.pop();
        }
    }
}
