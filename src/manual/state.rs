//! Session state: what a session is, what of it moves to another server connection, and what pins it to one.
//!
//! A session belongs to no server. Its only owner of facts is `SessionState` in `session/state.rs`, fed from
//! two sides: by the OK packets of its answers, and by the [class](super::splitting) of each statement.
//!
//! # What is carried
//!
//! [`Carried`](crate::backend::Carried): schema, character set, autocommit, the system variables that the
//! session set (up to 64) with the values that the servers' trackers reported, and user variables that got
//! literals (up to 64 of up to 1 KiB, as they were written). The proxy does not guess what a SET did: every
//! server connection tracks `session_track_system_variables='*'`, the schema, and
//! `session_track_state_change`. It is shared by reference: a connection that was told this very state is
//! recognised by one comparison of pointers
//! ([`Connection::is_in_line`](crate::backend::Connection::is_in_line)).
//!
//! Three things go beside it:
//!
//! - Statements [prepared as text](super::prepared), needed only by PREPARE, EXECUTE and DEALLOCATE.
//! - The insert id (below), needed on the primary, and where `LAST_INSERT_ID()` is asked.
//! - What the session has written (`Written`, see [`splitting`](super::splitting)).
//!
//! No tracker reports the collation that `SET NAMES … COLLATE …` chose:
//! [`sql::set_names`](crate::sql::set_names) reads it from the text, and a text that does not tell pins the
//! session.
//!
//! Some variables are noise (`last_gtid`, `statement_id`), and some cannot be carried
//! ([`Carried::note`](crate::backend::Carried::note) says false): those that hold for the next statement only
//! (`insert_id`, `gtid_next`, …), values with a backslash, whose meaning depends on the SQL mode, and
//! `session_track_*`, which the proxy needs for itself. Three are read from the text as well
//! ([`sql::parts::system_variables`](crate::sql::parts::system_variables)): `timestamp`, of which the servers
//! report a moment also where it was set to the clock; what MariaDB does not report, `SET @@name = value`; and
//! the end of either. Which variables only a connection knows is kept by name (`session/untold.rs`), so that a
//! later literal ends the pin; a string says its character set in front once that changes
//! ([`Charset::introduce`](crate::backend::Charset::introduce)). What a transaction on a replica left there
//! alone, user variables and an insert id, is asked for when it is over (`session/transfer.rs`).
//!
//! A COM_RESET_CONNECTION by the client keeps the schema and puts the rest back to the login's. The character
//! set becomes the handshake's, as on MariaDB (MySQL takes the server's default).
//!
//! # Bringing
//!
//! [`Connection::become_session`](crate::backend::Connection::become_session) compares what the server was
//! told last with what the session is, and appends a `SET` with the difference only, one for user variables,
//! and perhaps COM_INIT_DB: the *prelude*. If a server can refuse nothing of it (system variables and schema
//! are alike), or if the statement is a read without effects on a replica, it leaves in the same write in
//! front of the statement and its answers are swallowed: no extra round trip. Otherwise the prelude goes
//! alone and its answers are awaited (`send_prelude`), since the statement must not run after a refusal. A
//! schema that is refused is the client's to hear; any other refusal costs the connection, and another one is
//! tried, five in all. A replica that refuses either for a read (it may not have the schema yet) is passed
//! over for the primary.
//!
//! # Pins
//!
//! What cannot be carried pins the session: a set of [`Pin`](crate::telemetry::Pin) for each of its two
//! servers (`session/pins.rs`). README has the table of what begins and ends them.
//!
//! - `sends` sets what a statement *may* leave, before it is sent. If it fails as a whole, or has no answer,
//!   or a server refused it unexecuted, exactly what it added is taken back.
//! - `done` sets what the answer says: the status flags tell a transaction, the OK packet warnings. And it
//!   ends what the statement ended: temporary tables, named locks and HANDLERs are counted by the texts, in
//!   doubt upwards.
//! - The trackers' last word is `state change` without a name. If the statement does not explain it
//!   (`EXPLAINS` in `session/answer.rs`), something unknown is there: `unknown`.
//! - `begins` ends what the statement before left to be asked for (`warnings`, `found_rows`), unless this one
//!   asks.
//!
//! Reads follow a pin (`reads_follow`) except `sequence`, `warnings` and `found_rows`, which no read looks
//! at. When a connection is lost, `held` says which pins must be told to the client; see
//! [`failover`](super::failover).
//!
//! # The insert id
//!
//! Nearly every session has one, so it must not pin. But the number in an OK packet is also one that the
//! statement gave itself, which `LAST_INSERT_ID()` does not answer: only the server knows. So
//! [`InsertId`](crate::backend::InsertId) is `Known`, `OnConnection` or `Lost`. A connection that is parked
//! while it knows gets a [`Legacy`](crate::backend::Legacy): before another session gets it, the pool asks it
//! (`SELECT LAST_INSERT_ID()`) and tells the first session, which brings the number along by `SET
//! last_insert_id`. If the connection dies before, the `Legacy` is dropped and says so: the session goes on,
//! and gets 1053 if it ever asks.
//!
//! # What the last statement did
//!
//! An error or warnings pin until the next statement; that is rare enough. `ROW_COUNT()` and `FOUND_ROWS()`
//! could be asked after any statement, and hardly any session does. `SELECT ROW_COUNT()` alone the session
//! answers itself when its connection was another's since; for the rest a session that asks for the first time
//! gets an error then (1105, `Forgotten`), and from then on each of its statements keeps its connection until
//! the next (`looks_back`). Whether it is the connection of the statement before is known by its server and its
//! number there (`last_connection`); diagnostics have their own (`diagnostics_connection`), since SET on
//! MariaDB and COM_INIT_DB on both leave those of the statement before them.
//!
//! # What a session asks about itself
//!
//! Statements that the proxy adds on a session's connection would be listed there, too. `SET profiling` cannot be
//! carried, so it pins the session to the connection with its profiles, also after `SET profiling = 0`. MariaDB's COM_RESET_CONNECTION keeps the profiles, so such a connection is closed with its session. From then on the
//! proxy asks nothing on that connection (`variables_to_ask`) and marks no COMMIT there (`has_profiles`), and a pinned
//! connection needs nothing in front of a statement. `SHOW STATUS LIKE 'last_query_cost'` is kept where the last statement
//! ran: it goes the way of `FOUND_ROWS()` (`QUERY_COST` in `session/guard.rs`), since the shape of the text, by which
//! classes are cached, does not say which variable it asks for.
//!
//! # Connections that only read
//!
//! Those to replicas run under `transaction_read_only = 1`, which is part of the `SET` and of the
//! [`Class`](crate::backend::Class); what the session sets of the access mode does not reach them. If a
//! tracker says that it was switched off all the same, the connection is taken from the session at once and
//! never pooled (`read_only_lost`).
