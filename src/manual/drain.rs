//! Drain: how a process ends without its clients' statements.
//!
//! # The problem
//!
//! The protocol has no word for "please connect again". A proxy can only close, and a client that closes its eyes
//! to that loses the statement that it sends next. So the question is when a client *looks*, and clients of pools
//! look when a connection is lent out:
//!
//! | pool | looks by | but not |
//! |---|---|---|
//! | HikariCP | COM_PING (`isValid()`); a refusal makes it try its next connection, and so on | within 500 ms of the last use (`com.zaxxer.hikari.aliveBypassWindowMs`; 0 still trusts within the same millisecond) |
//! | MariaDB Connector/J's and Node's own | COM_PING | within 1 s (`poolValidMinDelay`), within 500 ms (`minDelayValidation`) |
//! | Tomcat JDBC, `testOnBorrow` | COM_PING or its query | within 3 s of the last look (`validationInterval`) |
//! | Druid, `testWhileIdle` | COM_PING | within 60 s of the last use |
//! | DBCP2, SQLAlchemy with `pool_pre_ping`, sqlx | COM_PING, each time | |
//! | MySqlConnector (.NET) | COM_RESET_CONNECTION, each time | |
//! | Connector/Python | COM_PING, each time; resets what comes *back*, and an error of that is the application's | |
//! | mysqlnd's persistent connections | COM_CHANGE_USER | |
//! | `database/sql` with go-sql-driver | reads from the socket without waiting, each time | |
//!
//! # What is done
//!
//! `session/drain.rs`. [`Lifecycle`](crate::telemetry::Lifecycle) enters `Draining` at SIGTERM, which turns
//! `/readyz`; after `drain.delay` the ports close, when the clients that the kernel had connected already are
//! accepted. Then [`Drain`](crate::session::Drain) says how far it is:
//!
//! * `Gentle`, for all but the last quarter of `drain.timeout` (and at most its last five seconds): COM_PING and
//!   COM_CHANGE_USER are refused with 1053, unless something is unfinished: a transaction, a temporary table, a lock, a
//!   cursor. COM_RESET_CONNECTION is answered: see Connector/Python above; whoever resets to look is ended by what
//!   follows. A client that was silent for more than ten seconds is closed without a word (`LEAVE`, raised by the
//!   worker's tick): it looks before it speaks, or its pool does not need the connection. Longer than those three
//!   seconds, because it may speak just as the end is on its way to it, which it then does not see: the rarer it
//!   speaks, the rarer that is. The socket is looked at once more right before.
//! * `Pressed`: a session also ends behind the answer to a statement, if nothing is unfinished and the statement did
//!   not only prepare another one (SET, USE, PREPARE). The answer is held back (`TCP_CORK`) until the
//!   end goes with it in one packet, so a client that looks cannot miss it. Who does not look loses its next statement:
//!   that is HikariCP with a connection that is never idle for half a second.
//! * At the end of `drain.timeout`, `END` interrupts the rest with 1053. What comes then is not executed.
//!
//! go-sql-driver says its name among the connection attributes. It looks each time, so for it `Pressed` begins at once,
//! and a COM_PING of it is answered, then closed behind: it is the application's own, and so would the error be.
//!
//! A worker that drains hands no client over to another one, which may have ended; whoever was on the way to a worker is
//! in its load, and keeps it. When another process has taken the ports over ([`upgrade`](super::upgrade)), the drain is
//! the same, without `drain.delay`.
//!
//! Sessions know this by a bit of their signal and a cell of their worker: nothing of it is in an idle session.
