//! Everything that needs real servers, one module a topic: `cargo test --test it TOPIC` runs one of them. It is one program,
//! so tests of all topics run side by side, as many as RUST_TEST_THREADS says.

mod accounts;
mod announced;
mod attacks;
mod bad_input;
mod classify;
mod clients_shown;
mod clients_tls;
mod cluster;
mod commits;
mod compression;
mod consistency;
mod console;
mod dialogue;
mod digests;
mod factors;
mod failover;
mod faults;
mod groups;
mod knowledge;
mod kubernetes;
mod levels;
mod operating;
mod orders;
mod origins;
mod plugins;
mod pods;
mod positions;
mod presets;
mod replica_port;
mod sessions;
mod support;
mod tap;
mod tls;
mod top;
mod traces;
