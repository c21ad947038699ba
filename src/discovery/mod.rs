//! Who the servers are; discovery and probes meet in one watched snapshot.
//! One task owns it: every event goes through the reducer, and who is interested
//! watches.

mod kubernetes;
mod log;
mod owner;

#[cfg(test)]
mod tests;

pub use kubernetes::{
    Access, PodEvent, PodEvents, PodServers, SecretValues, WatchState, Watched, WatchedSecrets, watch_pods,
    watch_secrets,
};
pub use owner::{Acknowledgements, Source, Started, start, start_with};
