//! Prepared statements: the client's ids, the servers' ids, and what connects them.
//!
//! # Three names for one statement
//!
//! - The client's id, from 1 up, in `ClientStatements` (`session/statements.rs`). It means a *text*, with its
//!   class, its number of parameters, and the parameter types that the client gave last.
//! - [`PreparedText`](crate::backend::PreparedText): the text and the schema, character set and SQL mode
//!   under which it was prepared, since it means something else under others. All sessions of a worker that
//!   prepared the same share one (`Texts`, by weak references).
//! - The server's id on each connection ([`Statements`](crate::backend::Statements)), by the `PreparedText`.
//!
//! So a statement that a hundred sessions prepare is prepared once on each server connection that it is
//! executed on, and a COM_STMT_CLOSE of one of them closes nothing on the server.
//!
//! # Preparing
//!
//! COM_STMT_PREPARE goes to where its text would go, since the client needs the server's answer (columns,
//! parameters, errors); the walker puts the client's id in place of the server's. The text must be whole: 16
//! MiB at most. On other connections `prepare_here` prepares when an execute first needs it, under the state
//! of then: the session is brought there, and back.
//!
//! # Executing
//!
//! `name_statement` writes the server's id into the request in its buffer. One detail is easily missed: an
//! execute may leave the parameter types out and mean those of the execute before. A connection that was told
//! others, or none, gets them put into the packet (`with_types`); for that an execute without types must fit
//! into one packet. So the proxy must know at every moment which types a server has:
//!
//! - [`wire::Execute`](crate::wire::Execute) reads the packet as the server does, and what it cannot read is refused
//!   (1835). With CLIENT_QUERY_ATTRIBUTES the parameters are counted wherever the statement has any, whatever the flag
//!   says. Of an execute that is too long to be held, the types are waited for before any of it is sent.
//! - A server that refuses parameters (1210, 1835) may have kept their types, or those of before: the statement is closed
//!   there.
//! - An execute without types of a client that never gave any is refused (1210): the types there are another client's.
//! - MySQL gives a parameter its type for good at the first execute (`SELECT ?` behind an integer makes a number of a
//!   string). A client whose kinds of types differ from those of another client before it gets the statement prepared
//!   anew (`is_of_others`).
//!
//! MariaDB's id -1 ("the one prepared last") and COM_STMT_BULK_EXECUTE go the same way. COM_STMT_RESET of a
//! statement without cursor and long data is answered by the proxy.
//!
//! An open cursor (pin `cursor`) and parameters sent in advance (pin `long_data`) bind their statement to the
//! connection where they are; its close closes it on the server, too. On a port that splits parameters go
//! to where the statement's cursor is, else to the primary, but in a transaction on a replica to that one. Those
//! of a statement that writes go to the primary also then, and its execute within the transaction is refused by
//! the proxy (1792), as the replica would refuse it.
//!
//! 1243 (the server does not know it) and 1615 (it wants it anew), as the first packet of an answer, are
//! swallowed: the statement is prepared again and executed, four times at most.
//!
//! # How many
//!
//! `pool.max_statements` on a connection, the least used closed first, by COM_STMT_CLOSE in front of the next
//! statement. And less where connections are many: all connections of the process to a server together keep
//! 12,000 at most (`max_statements` in `session/prepared.rs`; each worker takes its own as its share of all).
//! 1461 (the server has too many) closes those of this connection and of the waiting ones that have some, and
//! tries once more.
//!
//! # Prepared as text
//!
//! `PREPARE name FROM 'text'` is read by [`sql::parts::prepared`](crate::sql::parts::prepared); the session
//! knows names and texts. A PREPARE, EXECUTE or DEALLOCATE on a connection that has another under its name is
//! preceded by what makes that the session's (`become_text_statements`); what may execute anything, by what
//! takes away all that are not the session's. EXECUTE has the class of the text that its name
//! means (`executed` in `session/guard.rs`), so reads go to replicas. A text from a variable, or with a
//! backslash, which means two things by SQL mode, pins the session (`unknown`): nobody can prepare it
//! elsewhere.
