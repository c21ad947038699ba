//! Server connections and the pool.
//!
//! A session takes a connection at its first statement and keeps it until it leaves, resets, changes its
//! user, or has to move. [`Pool`](crate::backend::Pool) is a worker's own; between workers only the
//! [`Ceilings`](crate::backend::Ceilings) are shared, and these are touched when a connection is opened or
//! closed.
//!
//! # Which connections can stand in for each other
//!
//! [`PoolKey`](crate::backend::PoolKey): the server, the account, and the [`Class`](crate::backend::Class),
//! which is what changes a server's answers (FOUND_ROWS, IGNORE_SPACE, INTERACTIVE, multi-statements, query
//! attributes, MariaDB's extended metadata, …) and whether it is read-only. All that the
//! [walker](super::walker) can translate is *not* in the class, so that there are few. One more condition: a
//! schema can be changed but not taken away, so a session without a schema takes no connection that has one.
//!
//! # Taking
//!
//! [`Pool::take`](crate::backend::Pool::take): the youngest idle connection that fits and has said nothing
//! unasked (a look without a system call); otherwise a permit from the ceilings, in order, for at most
//! `limits.queue_timeout`, and a new one ([`connect`](crate::backend::connect)). When a limit is reached and
//! a connection of another class or user lies idle, the oldest is closed to make way.
//!
//! # The prelude
//!
//! [`Connection::become_session`](crate::backend::Connection::become_session) compares what the server was
//! told last with what the session is, and appends a `SET` and perhaps COM_INIT_DB. If all of it is certain
//! to be accepted (no variables, same schema), it leaves in the same write in front of the statement, and the
//! answers are swallowed from the front of the server's: no extra round trip. If a server could refuse some
//! of it, the statement must not run after a refusal, so the prelude goes alone and its answers are awaited
//! (`settle`).
//!
//! # Giving back
//!
//! [`Pool::give`](crate::backend::Pool::give) sends COM_RESET_CONNECTION at once, so that transaction, locks
//! and temporary tables of the session do not live on, and behind it the `SET` for a session that logs in
//! like the one before, the likeliest next. Nobody waits for the answers: they are swallowed when the
//! connection is taken. A connection is closed instead if an answer is under way, if a reset would not undo
//! what the session left, or if somebody waits for its permit.
//!
//! # Limits
//!
//! Per server (`limits.max_server_connections`) and per user there (`users.max_connections`). When the server
//! itself says 1226 or 1203, the user's ceiling comes down to what is open now
//! ([`Permit::server_refused`](crate::backend::Permit::server_refused)), and the control thread gives it back
//! once a minute, to find out whether the limit was raised. A reload that lowers a limit closes nothing: what
//! is over it is made up as connections close.
//!
//! # Generations
//!
//! A connection remembers the generation of the snapshot by which it was chosen. When the writer changes, the
//! worker drops pooled connections of the old generation
//! ([`Context::new_snapshot`](crate::session::Context::new_snapshot)), and sessions leave theirs before the
//! next statement: no statement on a connection of an old generation reaches the old server. Connections of
//! replica ports have no such bond; they go when their server is down.
