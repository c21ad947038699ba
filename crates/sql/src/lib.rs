//! Reads statement texts: what a text reads, writes, sets and pins.
//! [`lexer`] splits any bytes into tokens, [`mod@classify`] returns the class of a text, and [`parts`] reads what the
//! session must remember. [`read_only`] guards replica ports, [`proxy_variable`] finds statements about the proxy's own
//! variable, [`mod@digest`] makes digest texts, [`kill`] finds the connection ids that the proxy must translate, [`set_names`] finds the collation that no
//! session tracker reports, [`catalogue`] knows what stored routines and
//! relations do, and [`grammar`] derives statements to their last token.

mod body;
pub mod catalogue;
pub mod class;
pub mod classify;
mod commenter;
pub mod digest;
pub mod grammar;
mod information_schema;
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
mod tokens;
pub mod vocabulary;

pub use body::opens_for_type;
pub use catalogue::RoutineCatalogue;
pub use class::{Effects, StatementClass};
pub use classify::{ClassCache, Context, before_renewal, classify};
pub use commenter::comment_value;
pub use lexer::{Kind, Lexer, Options, Token};
pub use pointsman_terms::TextCharset;
pub use readings::Readings;
pub use vocabulary::{Native, RelationFacts, RoutineFacts, Routines};

/// The longest text, in bytes, that is read for what a session must remember ([`parts`], [`proxy_variable`], [`kill`]).
/// If a longer text may leave something on the connection, according to its class, it pins the session.
pub const MAX_READ: usize = 128 * 1024;
