//! Statement text to class and effects: what it reads, writes, sets, pins.
//! [`lexer`] splits any bytes into tokens, [`mod@classify`] says what a text is and does, [`parts`] what of it the session
//! remembers. [`read_only`] guards replica ports,
//! [`own`] finds what is about the proxy's own variable, [`kill`] the connection ids that the proxy must translate, [`set_names`] the
//! collation that no tracker reports, [`catalogue`] knows what stored routines do.

mod body;
pub mod catalogue;
pub mod class;
pub mod classify;
pub mod kill;
pub mod lexer;
#[cfg(test)]
mod linear_tests;
pub mod parts;
pub mod proxy_variable;
pub mod read_only;
mod readings;
pub mod set_names;
pub mod steps;

pub use catalogue::RoutineCatalogue;
pub use class::{ClassReason, Effects, StatementClass, StatementKind};
pub use classify::{ClassCache, Context, RoutineFacts, Routines, before_renewal, classify};
pub use lexer::{Kind, Lexer, Options, Token};
pub use readings::Readings;

/// Texts up to this long, in bytes, are read for what a session must remember of them ([`parts`], [`own`], [`kill`]). Of a
/// longer one that is not known, and what its class says that it may leave pins the session.
pub const MAX_READ: usize = 128 * 1024;
