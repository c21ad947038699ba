//! The life of a connection: one client, from accept to close.
//!
//! # Accept
//!
//! Each worker has its own listening sockets ([`net::Listener`](crate::net::Listener), SO_REUSEPORT), and
//! `server/accept.rs` takes what comes. Three things can happen to a new socket: over
//! `limits.max_connections` it gets ERROR 1040 in place of a greeting; if this worker has clearly more
//! clients than the least loaded one, the raw socket is handed over
//! ([`Control::Adopt`](crate::server::Control)); otherwise [`Session::new`](crate::session::Session::new) and
//! a task. Without file descriptors accept pauses for 50 ms and tries again: it never ends the listener.
//!
//! # Login
//!
//! `session/login.rs`. The proxy greets at once and waits for no server. What it says of itself comes from
//! the snapshot: the primary's version string, its collation and its default plugin, and those capabilities
//! that the proxy offers ([`Capabilities::OFFERED`](crate::wire::Capabilities::OFFERED)) *and* every known
//! server has, since the session may come to any of them. The client's answer is checked against the password
//! in the configuration by [`ServerExchange`](crate::auth::ServerExchange), a chain of states that consume
//! themselves, so that no answer can be checked twice and no client is asked to switch plugins twice. A user
//! that does not exist takes the same course as a wrong password. A password is never empty unless
//! `allow_empty_password` says so: see `Section::secret` and, for Secrets, `Secrets::password`.
//!
//! A login costs no server connection, with one exception: the first time on a worker that an account names a
//! schema, a server is asked (for at most a second), because "Unknown database" belongs into the answer to
//! the login.
//!
//! # Who may come in
//!
//! `session/admission.rs`, one for all workers, counts connections of an address and sessions of a user, and failed
//! logins: a client has a `Pass` from accept to close. Wrong passwords count for the pair of address and name, and
//! one name counts once for its address, however often it fails: others may stand behind the address. Who has a session
//! from a blocked address logs in again. A client that leaves without a word, as a load balancer's check does, counts
//! for nothing; and an account that gets another password starts anew. What is remembered of failures alone is
//! bounded. Log lines about refused logins are ten a second at most, and what a client calls itself is cut and escaped
//! (`admission/lines.rs`).
//!
//! # The command loop
//!
//! `session/commands.rs`. An idle session owns no buffer: it waits for readability and for its signal (drain,
//! kill, idle timeout, server lost). Then it borrows a buffer from its worker, reads, and makes a
//! [`Request`](crate::session) of the first header and the command byte. `whole` says that every byte of it
//! is in the buffer: only such a request can be looked at as a whole, and sent a second time. Commands up to
//! 128 KiB are read until they are whole; longer ones stream.
//!
//! Some commands the proxy answers itself: COM_PING, COM_RESET_CONNECTION (the server connections go back to
//! the pool and the state begins anew), COM_CHANGE_USER (a login), COM_PROCESS_KILL (see
//! [`kill`](super::kill)), COM_STMT_CLOSE (see [`prepared`](super::prepared)). COM_SET_OPTION only changes
//! which [`Class`](crate::backend::Class) of connections the session goes on with, on replica ports
//! nothing but whether texts of several statements are cut. COM_BINLOG_DUMP and
//! COM_BINLOG_DUMP_GTID go to a server alone, without what the client sent behind them. If the server answers with an
//! ERR packet, the session goes on. If it answers with an event, the session is a [`tunnel`](crate::net::tunnel) until
//! it ends: events pass up to an EOF or ERR packet, and of the client only acknowledgements of semi-synchronous
//! replication pass (`session/dump.rs`, `wire/dump.rs`), so nothing that a client sends there is a command.
//! COM_TABLE_DUMP, COM_CLONE and numbers that are no command get 1047 and reach no server. Everything else goes to a
//! server.
//!
//! Texts (COM_QUERY, COM_STMT_PREPARE) pass `session/guard.rs` first: on a replica port the allow list of
//! [`sql::read_only`](crate::sql::read_only) decides; every text gets its class
//! ([`ClassCache`](crate::sql::ClassCache), see [`splitting`](super::splitting)); `KILL` is looked for. Long
//! texts are read on another thread (see [`splitting`](super::splitting#what-a-text-may-cost)).
//! [`wire::query_text`](crate::wire::query_text) finds the text behind query attributes as the server does. What the
//! server reads in a way of its own (types that no library sends, lengths with a first byte of 0xfb or 0xff) is
//! refused, since a client could hide a write there; so is a server without query attributes for a client with them.
//!
//! # Replica ports
//!
//! The guard must read a text as the server will. What decides that is known of the session as far as trackers and
//! status flags reported it (`session/state/reading.rs`). Where they did not, all
//! [`TextModes`](crate::topology::TextModes) count that the probes have seen on any server since the proxy began: the global
//! `sql_mode`, what `init_connect` may set, and for a session with the server's default character set the global
//! `character_set_client`. [`Readings`](crate::sql::Readings) are at most four ways to read a text, and one if it has neither
//! a backslash nor a double quote. A text must pass in all of them; a class that differs between them is
//! [`UNKNOWN`](crate::sql::StatementClass). A server that is probed for the first time while a statement waits has the text
//! judged again (`judge_again`), and so is a prepared text before it is prepared on another connection.
//!
//! Should the guard misread a text all the same, its connections do not take several statements in a text
//! ([`Class`](crate::backend::Class) without CLIENT_MULTI_STATEMENTS): `session/pieces.rs` cuts the text, judges each statement by
//! the modes that hold then, and sends it alone. Sequence ids go on, all answers but the last carry SERVER_MORE_RESULTS_EXISTS,
//! an error ends the text. `transaction_read_only = OFF`, as reported by a tracker, ends the connection before the next
//! statement. Two things differ from the server's own answer: the text that a syntax error quotes ends with its
//! statement, and query attributes belong to the first statement.
//!
//! Functions are an allow list (`sql/read_only/functions.rs`): built in (`sql/classify/names.rs` and a few more words), or in
//! the [catalogue](super::probes#stored-routines) as one that only reads. `tests/attacks/functions.rs` holds the list against
//! what the servers document and load, `tests/attacks/readings.rs` tries texts, and the fuzz target `guard` compares with
//! another parser.
//!
//! # One statement
//!
//! `session/exchange.rs`, in `Session::forward`, the same on all ports:
//!
//! 1. What was lost since the last statement is told (see [`failover`](super::failover)).
//! 2. *Place*: the session speaks to at most two servers, its [`Role`](crate::routing::Role)s, and `place`
//!    names one.
//! 3. *Link*: the usual case is a look at the session's own parked connection (`take_for`). If there is none,
//!    `session/attach.rs` gets one from the [pool](super::pool).
//! 4. *Bring*: what brings it to the session's state becomes the *prelude*, which leaves in the same write in
//!    front of the statement; a prepared statement is prepared there if it is not yet.
//! 5. *Exchange*: the request is sent, whole in one write, or streamed by `PacketRun` if it is larger than a
//!    buffer. Answers to the prelude are swallowed, then the [walker](super::walker) passes the answer to the
//!    client. An observer hears every OK, ERR and prepare-OK packet on the session's behalf.
//! 6. The outcome: done; again elsewhere; not on a replica; prepared anew; refused as read-only; or an error
//!    for the client. All but the first and the last begin again at 2.
//! 7. *Rest*, in the command loop: the connection is kept if something pins the session to it, else parked.
//!
//! MySQL is half-duplex, so all of this is one task that reads and writes in turn: no reader/writer pair, no
//! channel per statement.
//!
//! # The end
//!
//! `Session::run` gives the server connections back (those that something pinned are reset, one with an
//! answer under way is closed), and counts the reason: [`Close`](crate::telemetry::Close) is a closed enum
//! that names who ended it. Every ERR packet that a client can get from the proxy itself is a variant of
//! [`Failure`](crate::session::Failure): one place for codes and texts.
