//! The line of a statement from top to bottom, and what is rare on it: other tries, refusals, what must be restored first.

mod connect;
mod line;
mod opaque;
mod reading_transaction;
mod refused;
mod restore;
mod retry;
mod silence;
