//! The equality test: a corpus of statements run on a server and through the proxy, and every answer compared.

pub mod compare;
pub mod corpus;
pub mod decode;
pub mod pace;
pub mod play;
