//! TOML to parsed types. Every key is documented in `config/pointsman.toml`;
//! unknown keys are errors that name the key and the nearest known one.

mod types;

pub use types::*;
