//! Who the servers are; discovery and probes meet in one watched snapshot.
