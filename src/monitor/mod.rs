//! Probes of the servers; each outcome is an event for the topology's reducer.
