//! Failover: what becomes of a session, and of a statement, when its server goes.
//!
//! # How a session learns of it
//!
//! - The worker gets a new snapshot: [`Context::new_snapshot`](crate::session::Context::new_snapshot) raises
//!   `LOST` at sessions whose server is down, and at idle ones of an old generation. A statement under way on
//!   a demoted but living server may end; the next one moves.
//! - The server connection breaks, or a server says that it is read-only. The session has the server probed
//!   at once.
//! - At the next statement the snapshot's version is another one, and [`may_stay`](crate::routing::may_stay)
//!   says no. An open transaction on a replica that merely lost its role stays there to its end.
//!
//! A session that is idle lets the connection go and says nothing: the client hears of what it lost at its
//! next statement, which is the only moment when it listens.
//!
//! # Leaving a connection between statements
//!
//! `Session::let_go` in `session/attach.rs`, in this order: holds something ([`state`](super::state)): 1053
//! and the connection ends, since a client that goes on would work without it. Open transaction: 1213
//! (40001), the connection stays. Otherwise it moves silently. Then [`route`](crate::routing::route): without
//! a writer the statement waits for the next snapshot, `failover.hold` at most, and then gets 1290 with
//! nothing executed. A writer that cannot be reached is tried again until then, at growing distances; one
//! that refuses because it is full, for `limits.queue_timeout` at most, and its own words go to the client. A
//! connection that was opened, or waited for, while the server lost its role is not used.
//!
//! # Losing a server in the middle of a statement
//!
//! `session/outcome.rs` decides by what is known for sure:
//!
//! - *sent*: the kernel took at least one byte. `write_now` and `write_all` tell.
//! - *forwarded*: the client has a part of the answer.
//! - *whole*: the request still stands in the buffer.
//! - *open*: a transaction is open, or autocommit is off, so that one may be.
//! - *repeatable*: [`is_plain_read`](crate::sql::plain_read::is_plain_read), or a command without effects; on
//!   replica ports everything.
//!
//! | | |
//! |---|---|
//! | not open, not forwarded, whole, nothing held, and (not sent, or repeatable) | again elsewhere, four times at most |
//! | open, and the statement cannot have ended the transaction | 1213 (40001): rolled back |
//! | repeatable, forwarded | an ERR packet in place of the next row; inside a packet the connection ends |
//! | sent, and neither of these | SQLSTATE 08007: outcome unknown. Never sent again |
//! | something held | 1053, or 08007 where that is the truth, and the connection ends |
//!
//! Whether a statement may have ended the transaction is asked of its text (`may_control` in
//! `session/guard.rs`); for COM_STMT_EXECUTE, of all texts that the session prepared.
//!
//! # A server that says it is read-only
//!
//! 1290 that speaks of read-only, 1836 and 3100 mean that nothing was executed. Outside a transaction, with
//! nothing held, and as long as the client has nothing of an answer, the walker swallows the packet and
//! `Session::refused` waits for another writer. If the probes go on calling that server the writer for three
//! intervals (300 ms at least), its own words go to the client.
//!
//! Every effect is counted: [`Disruption`](crate::telemetry::Disruption),
//! `pointsman_disruptions_total{effect}`.
