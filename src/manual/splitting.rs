//! Splitting: how a statement finds its server on a port with `mode = "split"`.
//!
//! The other ports go the same way through the same code; `Session::place` then says "the port decides".
//!
//! # From the text to the next statement
//!
//! | step | where | what it is |
//! |---|---|---|
//! | classify | [`ClassCache`](crate::sql::ClassCache) | text in, [`StatementClass`](crate::sql::StatementClass) out: kind, effects, reason |
//! | place | [`routing::place`](crate::routing::place), `session/place.rs` | class and what the session holds in, [`Role`](crate::routing::Role) and [`Why`](crate::routing::Why) out |
//! | link | `session/links.rs`, `session/reader.rs`, `session/attach.rs` | the session's own connection for that role, or one from the [pool](super::pool) |
//! | bring | `session/place.rs`, `session/prepared.rs` | what the connection must be told first; see [`state`](super::state) and [`prepared`](super::prepared) |
//! | exchange | `session/exchange.rs`, `session/answer.rs` | the request, the answer through the [walker](super::walker), another try where nothing was executed |
//! | answered | `SessionState::done` | pins that begin or end, variables, prepared statements |
//! | rest | `Session::rest` | the connection is kept if it is pinned, else parked |
//!
//! The usual statement (a known shape, its own connection parked where it left it, in line) makes no system
//! call before its write and allocates nothing.
//!
//! # Classification
//!
//! [`sql::classify`](mod@crate::sql::classify) is a lexer, the first words of each statement, and a scan of
//! its expressions for functions, variables, locking clauses. It knows what servers have built in
//! (`names.rs`: tried on both), and asks the [catalogue](super::probes#stored-routines) for the rest. A
//! statement is a read only if *all* of it is known to be harmless; there is no parser behind it whose
//! leniency would have to be trusted. Versioned comments are read in every way in which a server may read
//! them, and the strictest counts; of several statements too.
//!
//! The cache is a worker's own: the key is the statement's whole shape (literals left out), with the default
//! schema and what changes the lexer's mind, never only a hash; it is emptied when the catalogue changes.
//! Texts over 1 MiB, and texts of which only the front is there (over 128 KiB), are
//! [`StatementClass::UNKNOWN`](crate::sql::StatementClass).
//!
//! Two tests keep it honest: the fuzz target `classify`, and `tests/classify.rs`, which runs what it calls a
//! read on real servers that refuse writes.
//!
//! # What a text may cost
//!
//! Every reader of texts is linear: whatever a text repeats or nests, its readers pass each token and each byte a
//! bounded number of times. Nothing calls itself as often as a text says. What multiplies (versioned comments, which each
//! server reads or skips; texts in PREPARE) has a budget:
//!
//! | reader | budget | beyond it |
//! |---|---|---|
//! | [`classify`](mod@crate::sql::classify) | 100,000 tokens, lists of literals shortened, over all statements and readings of a text | not understood: the primary, and a pin |
//! | [`read_only`](crate::sql::read_only) | ten steps a byte and 65,536, over all readings and the texts in PREPAREs | refused |
//! | [`parts`](crate::sql::parts), [`own`](crate::sql::own), [`kill`](crate::sql::kill) | texts of 128 KiB ([`MAX_READ`](crate::sql::MAX_READ)) | what the class says that the text may leave pins the session |
//!
//! A text over 128 KiB (32 KiB on a replica port, where the guard reads it as well) is read on another thread
//! (`session/aside.rs`), one of each worker's at a time, so that a worker never stands still for it.
//!
//! `sql::linear_tests` and the fuzz target `classify` count steps with [`steps`](crate::sql::steps), which
//! does nothing in other builds.
//!
//! # Placing
//!
//! [`routing::place`](crate::routing::place) is pure, and its order is the rule:
//!
//! 1. An open transaction: where it is. One that is open on a replica and meets `BEGIN` or `LOCK TABLES` is
//!    ended there (`end_reading_transaction`), and the statement goes to the primary.
//! 2. What looks back (`SHOW WARNINGS`, `ROW_COUNT()`, …): where the last statement ran.
//! 3. No read: the primary. `/* pointsman: primary */` makes any statement such.
//! 4. A read while the session is pinned to the primary by something that reads must see, or with autocommit
//!    off: the primary.
//! 5. A read: a replica.
//!
//! Before it, `bound_to`: a prepared statement with a cursor, or with parameters that were sent in advance,
//! goes where these are.
//!
//! Every [`Why`](crate::routing::Why) is a value of the label `reason` of `pointsman_split_statements_total`
//! and a sentence of `explain`. `/* pointsman: explain */` (`session/explain.rs`) asks `place` and answers
//! without running anything; `pointsman explain` (`app/explain.rs`) does the same for a session that holds
//! nothing, without the catalogue.
//!
//! # Choosing a replica
//!
//! `session/reader.rs`. The replica of the last read is taken again, without looking at the snapshot, as long
//! as no server's role changed, the session has written nothing that a replica could lack, and fewer than 4
//! of this worker's statements are under way there: its connection is at hand and its statements are
//! prepared. Else [`choose_replica`](crate::routing::choose_replica) draws two by weight, in the proxy's own
//! zone if one serves there, and takes the less loaded. *Load* is this worker's statements under way: workers
//! share nothing.
//!
//! A replica that failed a read or a connect is *ejected*: avoided for two probe intervals, at least 200 ms,
//! unless there is no other. By then a probe has seen it. Without any replica the statement goes to the
//! primary in the same loop (`Session::forward`).
//!
//! # What reads must see
//!
//! [`Written`](crate::session) is what the session wrote as far as a replica could lack it: nothing, a
//! [`GtidSet`](crate::topology::GtidSet), or something unknown (a write on a server without GTIDs). It grows
//! by the trackers in the primary's OK packets (MySQL's GTIDs, MariaDB's `last_gtid`). While it is not empty
//! each read looks for a replica whose probed position contains it, and finds the primary if there is none.
//! Once *every* server but the primary has it, also those that do not serve now, it is forgotten.
//! COM_RESET_CONNECTION does not forget it: the connection pool's next borrower may be the same request.
//!
//! That is `session`'s knowledge of its own writes; what else it and `strong` ask is in
//! [`consistency`](super::consistency). `bounded` and `eventual` skip the check.
//!
//! # The level of a read
//!
//! `Session::level` (`session/level.rs`) is asked for each read and must cost nothing: a comment's level is an
//! effect of the class, what the session chose stands in the session, and what follows from its user, its
//! listener and the configuration in its [`Handle`](crate::session::Handle), where
//! [`Context::new_settings`](crate::session::Context::new_settings) puts it anew after a reload. So a reload
//! reaches sessions that exist. `explain` finds out by whose word it is so, with the same order.
//!
//! The variable `pointsman_consistency` is answered by `Session::own_variable`. A text that names it, or is a
//! SHOW VARIABLES (whose pattern is a literal, and so not in the shape), has the effect
//! [`MAY_BE_OWN`](crate::sql::Effects::MAY_BE_OWN); only such a text is looked at by
//! [`sql::own`](crate::sql::own), and goes on to a server if it means something else.
//!
//! # When it was no read
//!
//! Connections for reads run under `transaction_read_only = 1`. A replica that answers 1792, or that it is
//! read-only, has executed nothing: outside a transaction the walker swallows the packet and the statement
//! goes to the primary, with the reason [`Refused`](crate::routing::Why::Refused). So does a read that a
//! replica does not understand because it may be behind (`may_be_behind`: no such table, column, routine or
//! grant). A class that is wrong in this direction so costs time and shows in the metrics. What this cannot
//! catch (a lock, a variable, a sequence on a replica) the classifier must know.
