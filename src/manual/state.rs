//! Session state: what a session is, what of it moves to another server connection, and what holds it.
//!
//! A session belongs to no server. Its only owner of facts is `SessionState` in `session/state.rs`, fed from
//! two sides: by OK packets, and by a look at each text before it goes.
//!
//! # What is carried
//!
//! [`Carried`](crate::backend::Carried): schema, character set, autocommit, and the system variables that the
//! session set (up to 64, `last_insert_id` among them), with the values that the servers' trackers reported.
//! The proxy does not guess what a SET did: every server connection tracks
//! `session_track_system_variables='*'`, the schema, and `session_track_state_change`. Another connection
//! gets it by one `SET` ([`Carried::write_set`](crate::backend::Carried::write_set)) and, if the schema
//! differs, COM_INIT_DB.
//!
//! No tracker reports the collation that `SET NAMES … COLLATE …` chose:
//! [`sql::set_names`](crate::sql::set_names) reads it from the text, and a text that does not tell holds the
//! session.
//!
//! Some variables are noise (`last_gtid`, `statement_id`), and some cannot be carried
//! ([`Carried::note`](crate::backend::Carried::note) says false): those that hold for the next statement only
//! (`insert_id`, `gtid_next`, `timestamp`, …), values with a backslash, whose meaning depends on the SQL
//! mode, and `session_track_*`, which the proxy needs for itself.
//!
//! A COM_RESET_CONNECTION by the client keeps the schema and puts the rest back to the login's. The character
//! set becomes the handshake's, as on MariaDB (MySQL takes the server's default).
//!
//! # What holds
//!
//! A session that holds something cannot silently move. `Hold` names why:
//!
//! | hold | from |
//! |---|---|
//! | `Text` | [`sql::holds::may_hold`](crate::sql::holds::may_hold): a user variable, a temporary table, a lock, HANDLER, CALL, … in the text; errs on the side of yes |
//! | `LongText` | a text longer than 128 KiB, of which only the front is there |
//! | `Untracked` | a state change that no tracker named, or a tracker that cannot be read |
//! | `Variable` | a variable that cannot be carried |
//! | `Command` | COM_SET_OPTION, COM_DEBUG, COM_REGISTER_SLAVE: not undone by a reset, so the connection is not pooled either |
//!
//! Open prepared statements hold too, until they are closed. The other holds last until COM_RESET_CONNECTION,
//! COM_CHANGE_USER or the end: what they stand for is not followed further. The look at the text is a scan
//! for first letters; only a text that could match is tokenised, with the session's own SQL mode and
//! character set ([`sql::Options`](crate::sql::Options)). Where these could split a text in two ways, it
//! holds.
//!
//! Two things neither move nor hold, since nearly every session has them. The insert id that an INSERT left:
//! an OK packet's id may also be one that the statement gave itself, so it cannot be carried with certainty.
//! And what the last statement left behind: warnings, `ROW_COUNT()`, `FOUND_ROWS()`. A session moves without
//! them, and a text that then asks for them (`SessionState::misses`, a look for words) gets 1053 instead of a
//! wrong answer.
//!
//! An open transaction is no hold: the status flags tell it, and it has its own error (see
//! [`failover`](super::failover)).
//!
//! # On replica ports
//!
//! Their connections run under `transaction_read_only = 1`, which is part of the `SET` and of the
//! [`Class`](crate::backend::Class). If a tracker says that it was switched off all the same, the connection
//! is taken from the session at once and never pooled (`read_only_lost`).
