//! The protocol as values.
