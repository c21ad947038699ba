//! Server connections and the pool.
//!
//! Between two statements a session has no connection in use: it is *kept* (pinned; `session/links.rs` has
//! room for one to each of the session's two servers) or *parked* in the [`Pool`](crate::backend::Pool),
//! which is a worker's own. Between workers only the [`Ceilings`](crate::backend::Ceilings) are shared, and
//! these are touched when a connection is opened or closed.
//!
//! # Which connections can stand in for each other
//!
//! [`PoolKey`](crate::backend::PoolKey): the server, the account, the generation of its password (see
//! [Credentials](#credentials)), and the [`Class`](crate::backend::Class),
//! which is what changes a server's answers (FOUND_ROWS, IGNORE_SPACE, INTERACTIVE, multi-statements, query
//! attributes, MariaDB's extended metadata, …) and whether it only reads. All that the
//! [walker](super::walker) can translate is *not* in the class, so that there are few. One more condition: a
//! schema can be changed but not taken away, so a session without a schema takes no connection that has one.
//!
//! # Parking
//!
//! Each key has a `Shelf` (`backend/shelf.rs`) of places. A session that parks keeps its
//! [`Seat`](crate::backend::Seat), a number in that place: while the number is still there, nobody took the
//! connection, and `reclaim` is a comparison. So a session with room around it finds its connection as it
//! left it, and nothing is ever replayed. A session that ends gives its seats up; what it had parked is for
//! anybody.
//!
//! A parked connection is not reset. What a session leaves that is not a pin can be overwritten by the next
//! one's state, and that is all that is sent. Only a connection that was *kept* when its session ended or
//! reset itself gets a COM_RESET_CONNECTION, at once, so that transaction, locks and temporary tables do not
//! live on. Its answer is swallowed when the connection is taken. What no reset takes away closes the connection
//! (see [below](#what-a-reset-leaves)). And before a statement that looks back
//! (`SHOW WARNINGS`) on a connection of another's past (`has_past`) there is a reset, too. A connection is
//! closed instead of parked if an answer is under way, if it left its read-only mode, if its server lost its
//! role, or if a session in another worker waits for its permit.
//!
//! # What a reset leaves
//!
//! Tried on MariaDB 10.11 and MySQL 9.7 with every session variable that can be set and every other state
//! (`tests/attacks/resets.rs`), COM_RESET_CONNECTION leaves:
//!
//! | what | MariaDB | MySQL | here |
//! |---|---|---|---|
//! | the active roles | kept | kept | pin `role`; the connection is closed |
//! | the resource group | – | kept | pin `unknown`; closed |
//! | `SHOW PROFILES` | kept | – | pin `variable` from `SET profiling` on; closed |
//! | `INFORMATION_SCHEMA.OPTIMIZER_TRACE` | – | kept | pin `variable` from `SET optimizer_trace` on; closed |
//! | `performance_schema.threads.instrumented` | – | kept | shows in no session; left |
//! | `FOUND_ROWS()` | kept | kept | a session that begins with it may get the number of a former one of its account |
//! | the schema | kept | kept | known, and told |
//!
//! COM_CHANGE_USER is no better: MariaDB keeps roles and profiles through it, MySQL groups and traces. In
//! microseconds a COM_RESET_CONNECTION took 24 and 27 (MariaDB, MySQL), a COM_CHANGE_USER 61 and 106 in two round
//! trips, a connection with its login 645 and 741 without TLS. What a session may have done unseen is the pin `unknown`
//! ([`outlives_reset`](crate::session)): routines can set roles, on both servers also functions. MariaDB reports
//! `state change` for it, MySQL nothing, so a trigger on MySQL that sets a role is the one way that nobody sees.
//! A session's own role never moves: the pin keeps it where it is, and when that server is lost the session ends.
//! (`SET SESSION AUTHORIZATION` of MariaDB 12 is not understood, so `unknown`.)
//!
//! # Settings of the whole server
//!
//! A connection keeps what its server had at its login: session variables begin as the global ones were, and the
//! account has its privileges and default roles of then. SET GLOBAL, SET PERSIST, RESET PERSIST, and whatever is about
//! accounts (GRANT, ALTER USER, SET DEFAULT ROLE, FLUSH PRIVILEGES, …) have `Effects::RENEWS`. Before the client gets
//! such an answer, `session/renewal.rs` raises the count of the server
//! ([`Renewals`](crate::backend::Renewals), shared by the workers; for accounts that of all servers). A connection
//! has the count of when it was begun, and one with another count is taken over by nobody: what is not claimed is
//! closed at once, in other workers within a second; what a session claims stays its own until it ends. A refusal (1044,
//! 1142, 1227) raises nothing, so that nobody closes others' connections by asking for what they may not do.
//!
//! What no text tells is not seen: CALL, EXECUTE of a text prepared as text, a change past this proxy (also through
//! another one), and the moment between the change on the primary and on a replica. `pool.idle_timeout` bounds that
//! for connections that nobody uses.
//!
//! # Credentials
//!
//! [`Credentials`](crate::backend::Credentials) has the password of each account with a generation, which every change
//! of the password raises, also a change back. A login gets the generation of now, keeps it for as long as the session
//! lives (COM_CHANGE_USER is another login), and asks the pool with it: sessions of different passwords have different
//! shelves. After a reload each shelf knows its [`Standing`](crate::backend::Standing):
//!
//! | standing | what waits there | a session that ends, or parks while others wait | a session that needs a connection |
//! |---|---|---|---|
//! | `Current` | stays | parks | as below |
//! | `Former` | stays if a session claims it, else it is closed | its connection is closed | by its own password; 1045 ends the session |
//! | `Removed` | is closed | its connection is closed, also when it parks | 1045 ends the session |
//!
//! A login whose exchange began with a password that changed before its end is refused. A KILL logs in with the
//! password of now, since it is the proxy's own work.
//!
//! # Taking
//!
//! A session's own connection first (`take_own`). Then [`Pool::lease`](crate::backend::Pool::lease), in this
//! order:
//!
//! 1. One that fits and that no session claims, the youngest of them.
//! 2. For a session that writes: one that only read, while its server was a replica; of those that sessions claim only
//!    what they took in an earlier generation, since who reads from the primary comes back. It gets a
//!    COM_RESET_CONNECTION, which costs the server far less than a login.
//! 3. For a read that no replica could answer in time, and that only passes: as 5, while others of the kind are being
//!    opened.
//! 4. A new one, while there is room ([`connect`](crate::backend::connect)) and fewer than eight of the worker's
//!    connections of this kind are being opened (two, for a read that passes); see below.
//! 5. One that fits and that another session parked, the longest ago: a *steal*. What only that connection
//!    knows, the insert id, is asked and told first (see [`state`](super::state)), by a task of its own: who
//!    wants the connection may be gone before the answer is there.
//! 6. Where one of another class or user waits in the place that is missing, the oldest of those is closed.
//! 7. A wait, in order for each server, for at most `limits.queue_timeout`; then 1040 that names the
//!    [`Limit`](crate::backend::Limit).
//!
//! When the primary changes, all sessions need a connection to the new one in the same moment. Logins are dear: on
//! MySQL a TLS handshake, and a password that goes through 5,000 rounds of SHA-256 where the server does not have it in
//! its cache yet. Opened all at once, the first would be ready when nearly all are. So eight are opened at a time, and
//! who waits gets whatever comes first, mostly one of these that another session has parked. Reads that only pass do
//! not keep sessions that stay from opening theirs. If none was opened for 200 ms (`backend/shelf.rs`), nobody waits for
//! others any more.
//!
//! A connection that has said something unasked is dead or about to be (`is_alive`, a look without a system
//! call while there is no news). A place is taken before the first await and given back when its `Seat` is
//! dropped, so that a client that leaves in between leaves no hole.
//!
//! # Limits
//!
//! Per server (`limits.max_server_connections`) and per user there (`users.max_connections`). Each worker has
//! its share, at least one, so that it can decide alone to steal rather than to open; where the shares make
//! more than the limit, the ceilings hold it. When the server itself says 1226 or 1203, the user's ceiling
//! comes down to what is open now ([`Permit::server_refused`](crate::backend::Permit::server_refused)), and
//! the control thread gives it back once a minute, to find out whether the limit was raised. A reload that
//! lowers a limit closes nothing: what is over it is made up as connections close.
//!
//! Each second the worker drops parked connections that waited for `pool.idle_timeout`, or for three quarters
//! of the `wait_timeout` that the probe saw, lest a statement meets a server that is just closing; but not
//! those with a legacy: their session may still ask.
//!
//! # Generations
//!
//! A connection to the primary remembers the generation of the snapshot by which it was chosen. When the
//! writer changes, the worker drops parked connections of the old generation
//! ([`Context::new_snapshot`](crate::session::Context::new_snapshot)), and `rest` drops the one of a
//! statement that ends after that: no statement on a connection of an old generation reaches the old server.
//! Connections that only read have no such bond; they go when their server is down.
