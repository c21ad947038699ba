//! Upgrade in place: two processes, one set of listening sockets.
//!
//! # Who does what
//!
//! `app/upgrade.rs` is the running process, `app/takeover.rs` the new one. Between them is a socket pair, which is the
//! new one's standard input, and `POINTSMAN_PREDECESSOR` in its environment, which counts only if it names the parent:
//! it stays there when that one has gone.
//!
//! | running process | new process |
//! |---|---|
//! | SIGUSR2: sends its sockets into the pair ([`send_sockets`](crate::net::send_sockets)), starts the new one | |
//! | | receives them ([`Inherited`](crate::net::Inherited)), reads the file |
//! | | each listener, and `admin.http`, takes those with its address, or binds |
//! | | waits until it is [ready](crate::admin::readiness), starts its workers, says `ready` |
//! | says `go`; tells systemd `MAINPID=` | |
//! | drains, without `drain.delay` | [`Server::open`](crate::server::Server::open): workers accept; HTTP answers |
//!
//! Before `go` the new process accepts nobody, so it can fail at any step, and the kernel keeps whoever it got a copy
//! of a socket for in the queue that both hold. Anything else that it says is why it ends, for the other's log. It
//! gives up by itself after 20 s; the running one ends it 10 s later, and also when it is told to end itself before it
//! said `go`. After `go` there is no way back, and no step that can fail.
//!
//! # Why the sockets themselves
//!
//! Each worker has a socket of its own by SO_REUSEPORT, and the kernel puts a client into the queue of one of them
//! before anybody accepts. A second process could bind sockets of its own beside them. But when the first one closes
//! its sockets, who is in their queues is reset, however fast it accepts until then: with that in place of the
//! hand-over, `tests/operating/upgrade.rs` fails at each run. A copy of a descriptor is the same socket with the same
//! queue. They are found by their own address (`getsockname`), not by a name that came with them.
//!
//! No socket may be left without somebody who accepts, so [`Listener::spread`](crate::net::Listener::spread) gives each
//! to a worker, whatever their number was before; what no listener of the new file wants is closed, and ends with the
//! old process, which accepts who is in its queue, as in any [drain](super::drain). A Unix socket's file is never
//! removed: it belongs to the socket, which goes on.
//!
//! For the same reason [`Server`](crate::server::Server) keeps a copy of each socket only until it drains: a port is
//! open as long as one copy is.
//!
//! # HTTP
//!
//! The old process stops accepting there at `go`. It answers connections that it accepted before for a second, and
//! still says "ready", which is true of the port. The new one answers from `go` on, since before it would have to say
//! "starting".
//!
//! # systemd
//!
//! `app/service_manager.rs`. With `NotifyAccess=main` only the main process is heard, so the old one says who follows;
//! systemd reads that before it looks who has ended. When the old one has gone, the new one is a child of systemd's.
