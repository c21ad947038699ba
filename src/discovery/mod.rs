//! Discovers the servers; discovery and probes meet in one watched snapshot. One task owns the snapshot:
//! every event goes through the reducer, and all readers watch the result.

mod kubernetes;
mod log;
mod owner;

#[cfg(test)]
mod tests;

pub use kubernetes::{
    Access, PodEvent, PodEvents, PodServers, SecretValues, WatchState, Watched, WatchedSecrets, watch_pods,
    watch_secrets,
};
pub use owner::{Acknowledgements, Drainer, DrainsHeld, NotOrdered, Source, Started, start, start_with};
