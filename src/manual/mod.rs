//! How Pointsman works inside, for those who carry it on: no code, one page a topic, each linked to the code
//! that it is about. Read it with `cargo doc --no-deps --document-private-items --open`. What users need is
//! in `README.md`.
//!
//! | page | |
//! |---|---|
//! | [`connection`] | one client, from accept to close, through the files |
//! | [`splitting`] | on a port that splits: from the text to the server, step by step |
//! | [`consistency`] | how fresh a read is, and what that costs |
//! | [`walker`] | how an answer passes without being decoded |
//! | [`state`] | what a session is, what of it moves, and what pins it |
//! | [`prepared`] | prepared statements: one text, many ids |
//! | [`pool`] | server connections: parking, taking, limits |
//! | [`probes`] | what is asked of the servers, and who is the writer |
//! | [`kubernetes`] | from pods to servers, and from Secrets to passwords |
//! | [`failover`] | what becomes of a statement when its server goes |
//! | [`drain`] | how the process ends, and what its clients notice |
//! | [`upgrade`] | how another process takes its place, and clients do not notice |
//! | [`kill`] | two numbers for one session |
//! | [`tls`] | how a connection to a server is encrypted, and who the server is |
//! | [`threads`] | threads, sockets, buffers, signals |
//!
//! The modules stand in layers, and `tests/architecture.rs` holds the table of who may use whom. The rule
//! that explains most of it: [`session`](crate::session) and [`discovery`](crate::discovery) never see each
//! other. They meet in one immutable [`Snapshot`](crate::topology::Snapshot), and there is no second copy of
//! "who is the primary".
#![allow(rustdoc::private_intra_doc_links, reason = "these pages are about the inside")]

pub mod connection;
pub mod consistency;
pub mod drain;
pub mod failover;
pub mod kill;
pub mod kubernetes;
pub mod pool;
pub mod prepared;
pub mod probes;
pub mod splitting;
pub mod state;
pub mod threads;
pub mod tls;
pub mod upgrade;
pub mod walker;
