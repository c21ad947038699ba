//! The roles of the two servers that a session uses.

/// The role of one of the two servers that a session uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, enum_map::Enum)]
pub enum Role {
    /// The primary.
    Primary,
    /// A replica.
    Replica,
}

/// A value for each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerRole<T> {
    /// For the primary.
    pub primary: T,
    /// For a replica.
    pub replica: T,
}

impl<T> PerRole<T> {
    /// Returns the value for this role.
    pub fn of(&self, role: Role) -> &T {
        match role {
            Role::Primary => &self.primary,
            Role::Replica => &self.replica,
        }
    }

    /// Returns the value for this role, mutably.
    pub fn of_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Primary => &mut self.primary,
            Role::Replica => &mut self.replica,
        }
    }
}

impl Role {
    /// Both roles.
    pub const BOTH: [Role; 2] = [Role::Primary, Role::Replica];

    /// Returns the other role.
    pub const fn other(self) -> Role {
        match self {
            Role::Primary => Role::Replica,
            Role::Replica => Role::Primary,
        }
    }

    /// Returns the kind of server in `/metrics` and in the answer of `explain`.
    pub const fn target(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Replica => "replica",
        }
    }
}
