//! The io_uring of one thread, with a ring of receive buffers, as a safe interface. All `unsafe` of the proxy is here.
//!
//! What makes it safe:
//! - The kernel writes to memory of this process only for `receive`, and there only to the buffers of `Buffers`, which
//!   are allocated once and freed only when no operation is under way.
//! - A buffer belongs either to the kernel or to one `Filled`, which cannot be copied: who holds it is the only one who
//!   can read the buffer, until `give_back` hands it to the kernel again.
//! - The kernel reads memory of this process only for `send`: bytes that the ring owns until the kernel has taken the
//!   operation from the queue. It tries once, at that moment, and never later.
//! - All other operations have no memory: they wait for a state of a descriptor, or end another operation.
//!
//! A descriptor must stay open until the completion of each of its operations, or the operation would be one on whatever
//! gets its number next. That is wrong, but touches no foreign memory; see `Ring::receive`.

mod buffers;
mod probe;
mod ring;

pub use buffers::{Buffers, Filled};
pub use probe::{Unusable, probe};
pub use ring::{Completion, NOBODY, Ring, Sent};

#[cfg(test)]
mod tests;
