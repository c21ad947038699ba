//! KILL: two numbers for one session.
//!
//! A client knows two numbers of its connection: the id in the greeting, which is the proxy's, and which
//! client libraries remember and kill by (`mysql_thread_id()`, Ctrl-C in the command line); and what `SELECT
//! CONNECTION_ID()` answers, which is the server's. The proxy does not rewrite answers, so both must work.
//! The proxy's ids begin at 2^30 (`server/outside.rs`), far over what servers count from 1.
//!
//! [`sql::kill::parse`](crate::sql::kill::parse) finds `KILL [HARD|SOFT] [CONNECTION|QUERY] n` standing
//! alone; other forms are the server's. COM_PROCESS_KILL comes here too. Then `session/kill.rs`:
//!
//! 1. The session's own number: 1317, and for a connection the end, as on a server.
//! 2. Every worker is asked in turn ([`Outside::kill`](crate::session::Outside::kill),
//!    [`Control::Kill`](crate::server::Control)): is there a session of the *same account* with this id, or
//!    one whose connection to the primary has this thread id, in use, kept or parked
//!    ([`Pool::owner_of`](crate::backend::Pool::owner_of))? The proxy's ids are looked at first.
//! 3. [`kill_here`](crate::session::kill_here), on the worker of that session: if a statement is under way, a
//!    connection of its own, with the session's account, says `KILL` to its server; then, for a connection,
//!    the signal `KILLED` ends the session.
//! 4. Found nowhere: the statement goes to the server as it is, which judges it.
//!
//! Only sessions of the same account are the proxy's to kill: it knows no privileges. With several Pointsmen
//! in front of the same servers, the proxy's ids mean nothing to the others; the server's number still works
//! for a statement, by step 4.
