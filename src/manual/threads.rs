//! Threads, sockets, buffers and signals.
//!
//! # Threads
//!
//! One thread per core carries traffic (`server/worker.rs`): a current-thread runtime, its own listeners,
//! [`Pool`](crate::backend::Pool), [`BufferPool`](crate::net::BufferPool),
//! [`ClassCache`](crate::sql::ClassCache), texts of prepared statements, count of statements under way on
//! each server ([`Context`](crate::session::Context)), and
//! [`WorkerMetrics`](crate::telemetry::WorkerMetrics). On the path of a statement nothing is shared between
//! them: no lock, no channel, no atomic read-modify-write. Counters are cells of the one thread that adds,
//! read by others. What is shared is touched when a client connects (ids, loads), when a server connection is
//! opened or closed ([`Ceilings`](crate::backend::Ceilings)), and at a KILL.
//!
//! The main thread is the control thread (`app/run.rs`): probes, the owner of the snapshot, reload,
//! signals. It speaks to workers by three `watch` channels (snapshot, settings, the catalogue of stored
//! routines) and one queue each
//! ([`Control`](crate::server::Control)). A panic in any task ends the process (a hook that `app/defect.rs`
//! sets): half a proxy is worse than a restart.
//!
//! # HTTP
//!
//! The HTTP port has a thread of its own (`app/admin_port.rs`): what is asked there delays no probe of a server, and
//! a busy control thread delays no probe of the kubelet. `/livez` is 503 if the control thread has not turned for a
//! minute ([`Pulse`](crate::telemetry::Pulse)). Who comes is accepted at once (`admin/port.rs`). 256 connections are
//! open at most (`admin/seats.rs`): one more takes the place of the oldest of the address that has the most of them,
//! so that one address cannot push out another, and a new connection lives until 256 others came behind it. Each is
//! closed behind its answer, after 5 s without a whole request head, and after 30 s in any case. `/metrics` and
//! `/topology` are written once for everybody who waits for them, with a pause between two pages (`admin/pages.rs`);
//! TLS handshakes are computed one at a time, and other tasks run in between. So a probe waits for one page or one
//! signature at most. `benches/livez.py` measures it.
//!
//! # I/O shaped for completion
//!
//! [`net::Stream`](crate::net::Stream) and [`net::Runtime`](crate::net::Runtime) are all that sessions know
//! of sockets, time and tasks. A buffer goes into an operation and comes back with the result. The driver is
//! tokio's readiness (`net/tokio_driver.rs`); one on completion can stand in its place, which is why dropping
//! a `read` loses its buffer, and waiting is done without one (`readable`). The shortcuts `write_now`,
//! `read_now`, `has_news` may always say "nothing": then the long way is taken. Tests have a driver in memory
//! (`net/memory.rs`).
//!
//! # Buffers
//!
//! 16 KiB for a command and its answer, 256 KiB while a large answer or file passes, kept by the worker when
//! nobody needs them. An idle session owns none. Nothing is collected but control packets, commands up to 128
//! KiB, and two kinds of texts up to 16 MiB: those on replica ports, which can be judged only as a whole, and
//! those that are prepared, which are kept. To get such a text a worker never copies the whole of it: behind the first
//! mebibyte the buffer gets memory for all that is announced, the text goes to the server in pieces, and what is kept of
//! it is copied on the other thread (`benches/stall.rs` measures what others wait). A client that does not read stops the reading from its server:
//! memory stays bounded whatever passes.
//!
//! # Memory
//!
//! [`MemoryBudget`](crate::net::MemoryBudget) bounds the process (`limits.memory`). What grows by what clients say asks it
//! first: a connection at accept, a login or statement beyond its buffer ([`Buf::make_some_room`](crate::net::Buf)), a
//! large buffer, the text of a prepared statement and the types of its parameters, the journal of a transaction, and, as
//! the last, the usual buffer of a session that begins a statement, which waits for one that is given back. Each
//! [`Claim`](crate::net::Claim) has its own share of the budget, so that sessions that are there can end what they do while
//! new ones are refused. Nothing is added up: jemalloc says how many bytes are in use (`app/memory.rs`), about 10 µs a
//! question, asked once a second and after claims of a sixty-fourth of the budget. The buffers of a usual statement are used
//! again and ask nobody. While new clients are refused, pooled server connections without a session are closed.
//!
//! # Signals
//!
//! [`Signal`](crate::net::Signal) is how a worker speaks to one of its sessions: sixteen bits and a waker,
//! both on the same thread. [`Signals`](crate::session::Signals) names them: `DRAIN`, `KILLED`, `LOST`,
//! `IDLE`, `LOGIN`, `END`, `LOOK`, `LEAVE`, `STALLED`. Each wait says which of them may interrupt it
//! ([`or_raised`](crate::net::or_raised)). A second's tick of the worker raises the timeouts, so no session
//! has a timer of its own; `LOOK` makes a session whose statement takes long look whether its client is still
//! there. A session that waits for its client in the middle of a command notes the second of its last progress
//! (`session/timeouts.rs`), and `STALLED` is raised when `timeouts.client_read` or `client_write` is over. How a process ends is told in [`drain`](super::drain).
//!
//! # Settings
//!
//! [`Fixed`](crate::config::Fixed) and [`Live`](crate::config::Live) are different types, so that code can
//! only ask the right one. A reload replaces `Live` whole. Files are polled each second by content, because a
//! ConfigMap is changed by swapping a symlink in a parent folder, which no watch on the file itself sees.
