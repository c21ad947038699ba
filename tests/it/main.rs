//! Everything that needs real servers, one module a topic: `cargo test --test it TOPIC` runs one of them. It is one program,
//! so tests of all topics run side by side, as many as RUST_TEST_THREADS says.

mod accounts;
mod alike;
mod announced;
mod attacks;
mod bad_input;
mod before_41;
mod change_user;
mod character_sets;
mod classify;
mod clients_shown;
mod clients_tls;
mod cluster;
mod commits;
mod compression;
mod consistency;
mod console;
mod defaults;
#[path = "../support/dialogue/mod.rs"]
mod dialogue;
mod digests;
mod ends;
mod factors;
mod failover;
mod faults;
mod greetings;
mod groups;
mod idle_connections;
mod insert_ids;
mod knowledge;
mod kubernetes;
mod levels;
mod moved;
mod operating;
mod orders;
mod origins;
mod plugins;
mod pods;
mod positions;
mod prepared;
mod presets;
mod refused_by_replica;
mod replica_port;
mod schemas;
mod sessions;
mod silence;
#[path = "../support/mod.rs"]
mod support;
mod tap;
mod tls;
mod too_large;
mod top;
mod traces;
