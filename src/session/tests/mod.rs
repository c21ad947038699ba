//! Sessions against scripted peers in memory: a client says something, a server expects
//! it and replies, and every byte on both legs is looked at. Time is paused: what would
//! hang runs into the peers' patience at once.

mod client;
mod packets;
mod peer;
mod server;
mod world;

mod announced;
mod apart;
mod barrier;
mod budget;
mod client_shown;
mod command_phase;
mod commands;
mod commits;
mod connection_phase;
mod cost;
mod credentials;
mod crowd;
mod definitions;
mod demoted;
mod diagnostics;
mod drain;
mod dump;
mod failover;
mod false_reports;
mod faults;
mod hostile;
mod identity;
mod kill;
mod large;
mod levels;
mod login_limits;
mod lost;
mod origins;
mod os_user;
mod pass_through;
mod pool;
mod renewal;
mod replay;
mod replica_choice;
mod replica_port;
mod seconds;
mod split;
mod stalled;
mod steal;
mod stopped;
mod stream;
mod traced;
mod variables;

use std::future::Future;

pub use client::{Client, Login, Refused};
pub use packets::*;
pub use peer::Peer;
pub use server::{Db, Server};
pub use world::{Settings, World, entrance};

/// Runs a story on one thread, with a clock that jumps when nobody does anything.
pub fn play(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    tokio::task::LocalSet::new().block_on(&runtime.unwrap(), story);
}

/// Begins a transaction.
pub async fn begin(client: &mut Client, db: &mut Db) {
    client.hears_from(db, "begin", &[ok_with(IN_TRANS)]).await;
}
