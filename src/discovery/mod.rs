//! Who the servers are; discovery and probes meet in one watched snapshot.
//! One task owns it: every event goes through the reducer, and who is interested
//! watches.

mod log;
mod owner;

#[cfg(test)]
mod tests;

pub use owner::start;
