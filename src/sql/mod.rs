//! Statement text to class and effects: what it reads, writes, sets, pins.
//! [`lexer`] splits any bytes into tokens, [`read_only`] guards replica ports,
//! [`kill`] finds the connection ids that the proxy must translate, [`set_names`] the
//! collation that no tracker reports.

pub mod holds;
pub mod kill;
pub mod lexer;
pub mod plain_read;
pub mod read_only;
pub mod set_names;

pub use lexer::{Kind, Lexer, Options, Token};
