//! The response walker: how an answer passes without being decoded.
//!
//! [`ResponseWalker`](crate::wire::ResponseWalker) answers two questions: where does the answer to this
//! command end, and what must the client get in place of what the server sent. It has no I/O. It is fed
//! stretches of bytes and appends to [`Edits`](crate::wire::Edits): ranges of the input that stay as they
//! are, and bytes put between them. When the edits are one range, which is the usual case, the buffer that
//! was read is the buffer that is written.
//!
//! # What it looks at
//!
//! Four bytes of header, and in places the first byte of the payload.
//! [`ResponseShape`](crate::wire::ResponseShape) says what a command's answer looks like,
//! `wire/walker/phase.rs` what may follow what. Packets are either *opaque* (rows, column definitions: passed
//! as they come, in any number of stretches) or *control* (OK, EOF, ERR, the head of a prepare: collected
//! whole, at most 1 MiB, and read).
//!
//! # What it translates
//!
//! Server connections always use DEPRECATE_EOF and SESSION_TRACK where the server has them, because trackers
//! travel in OK packets only; most drivers ask for neither. [`Legs`](crate::wire::Legs) holds how the two
//! sides differ. For a client without DEPRECATE_EOF an EOF packet is put in behind the columns and another in
//! place of the final OK; from the first of them on sequence ids are shifted, in place. Trackers that the
//! proxy asked for and the client did not are taken out ([`keep_changes`](crate::wire::keep_changes)). A
//! session that sets `session_track_*` itself gets all of them.
//!
//! # Traps
//!
//! Each is a test in `wire/walker/tests.rs`, and the fuzz target `response_walker` checks that the same
//! bytes, cut anywhere, give the same output.
//!
//! - 0xFE is an EOF, an OK, or a row whose first value is 16 MiB or longer. Which, its length tells, and the
//!   limit depends on the server's leg.
//! - A packet of 16 MiB - 1 is continued by the next, which is never interpreted. It may be empty.
//! - The EOF packet for the client goes in front of the first row, not behind the last column: an answer that
//!   opens a cursor ends after its columns and has just one.
//! - SERVER_STATUS_CURSOR_EXISTS behind the columns does not mean that the answer ends there. While a procedure or a
//!   compound statement has a cursor of its own open, all results that it sends carry that flag, and their rows follow. An
//!   answer ends behind its columns only if the command is a COM_STMT_EXECUTE that asked for a cursor
//!   ([`ResponseShape::Cursor`](crate::wire::ResponseShape::Cursor)) and SERVER_MORE_RESULTS_EXISTS is not set: the results of a
//!   CALL are always followed by another packet. MySQL leaves the flag set to the last OK packet of a CALL.
//! - MORE_RESULTS_EXISTS: the answer goes on after the OK, or after the rows.
//! - A request for a local file turns the direction round: the walker says
//!   [`Walked::LocalInfile`](crate::wire::Walked), `session/infile.rs` passes the client's packets with the
//!   shift taken out, and `resume` tells the walker where sequence ids stand. A server that was taken over could ask for
//!   any file. So the walker lets a request pass only if the client offered CLIENT_LOCAL_FILES and its own statement names
//!   that file behind `LOCAL INFILE` ([`sql::parts::local_files`](crate::sql::parts::local_files)); any other request ends
//!   both connections, and the client hears nothing of it but ERROR 1105.
//! - MySQL sometimes sets SERVER_SESSION_STATE_CHANGED with nothing behind it: that flag must not go on to a
//!   client that does not track.
//!
//! # Between packets
//!
//! `between_packets` says whether the client stands where a packet may begin, and `client_seq` which sequence
//! id it must have. This is what allows an ERR packet in place of the next row when a server dies in the
//! middle of a result; inside a packet there is no such place, and the connection ends.
