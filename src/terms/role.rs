//! The roles of the two servers that a session uses.

/// The role of one of the two servers that a session uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The primary.
    Writer,
    /// A replica.
    Reader,
}

/// A value for each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerRole<T> {
    /// For the primary.
    pub writer: T,
    /// For a replica.
    pub reader: T,
}

impl<T> PerRole<T> {
    /// Returns the value for this role.
    pub fn of(&self, role: Role) -> &T {
        match role {
            Role::Writer => &self.writer,
            Role::Reader => &self.reader,
        }
    }

    /// Returns the value for this role, mutably.
    pub fn of_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Writer => &mut self.writer,
            Role::Reader => &mut self.reader,
        }
    }
}

impl Role {
    /// Both roles.
    pub const BOTH: [Role; 2] = [Role::Writer, Role::Reader];

    /// Returns the other role.
    pub const fn other(self) -> Role {
        match self {
            Role::Writer => Role::Reader,
            Role::Reader => Role::Writer,
        }
    }

    /// Returns the kind of server in `/metrics` and in the answer of `explain`.
    pub const fn target(self) -> &'static str {
        match self {
            Role::Writer => "primary",
            Role::Reader => "replica",
        }
    }
}
