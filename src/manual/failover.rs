//! Failover: what becomes of a session, and of a statement, when its server goes.
//!
//! # How a session learns of it
//!
//! - The worker gets a new snapshot: [`Context::new_snapshot`](crate::session::Context::new_snapshot) drops
//!   parked connections that must not be used again, and raises `LOST` at sessions that keep a connection (or
//!   have a statement under way) on a server that is down, and at idle ones that keep one of an old
//!   generation. A read under way on a demoted but living server may end, what writes is ended
//!   there (below); the next one moves.
//! - The server connection breaks, or a server says that it is read-only. The session has the server probed
//!   at once.
//! - At the next statement the snapshot's version is another one, and a kept connection is looked at again
//!   (`is_good`). One that only reads is good as long as its server lives: a transaction on a replica that
//!   lost its role, or became the primary, stays there to its end.
//! - A primary that gives its role up and lives, before there is another: the reducer counts the time without a writer
//!   (`Snapshot::lost_at_ms`), and with the first event, a probe as a rule, after `failover.grace` it says so
//!   (`grace_over`). From then on no kept connection of its generation is good: idle sessions hear of it by `LOST`, busy
//!   ones raise it themselves behind their statement. The time begins anew with each loss, and does not run where no
//!   other server is known, nor while the operator's resource asks for a read-only primary: nobody waits for another then.
//!
//! A session that is idle lets the connection go and says nothing: it notes for which of its two servers
//! (`lost`), and the client hears of it at its next statement, which is the only moment when it listens.
//!
//! # Between statements
//!
//! A session that is not pinned has nothing to lose but what its parked connections know, and moves without a
//! word. For kept ones `tell_of_loss` in `session/attach.rs` says, in this order: a pin that the client would
//! miss (`SessionState::held`): 1053 and the connection ends, since a client that goes on would work without
//! it. Open transaction: run again (below), else 1213 (40001), the connection stays. Otherwise it moves: `warnings` and `found_rows`
//! end, and a statement that asks for them gets 1105 (`Forgotten`).
//!
//! Then `attach`: without a writer the statement waits for the next snapshot, `failover.hold` at most, and
//! then gets 1290 with nothing executed. A writer that cannot be reached is tried again until then, at
//! growing distances; one that refuses because it is full, for `limits.queue_timeout` at most, and its own
//! words go to the client. A connection that was opened, or waited for, while the server lost its role is not
//! used ([`may_stay`](crate::routing::may_stay)). A read on a port that splits does not wait: it goes to
//! another replica, or to the primary, also where a replica says that it is full (1040). Where a limit is the proxy's, or
//! the account's (1203, 1226), it waits in line, and is told so in the end.
//!
//! # Losing a server in the middle of a statement
//!
//! `session/outcome.rs` decides by what is known for sure:
//!
//! - *sent*: the kernel took at least one byte. `write_now` and `write_all` tell.
//! - *forwarded*: the client has a part of the answer.
//! - *whole*: the request still stands in the buffer.
//! - *open*: a transaction is open, or autocommit is off, so that one may be.
//! - *held*: pins of before; what this statement itself would have left is taken back, since it is not there.
//! - *repeatable*: the class says so ([`Effects::REPEATABLE`](crate::sql::Effects)), or it is a command
//!   without effects; on connections that only read everything.
//!
//! | | |
//! |---|---|
//! | not open, not forwarded, whole, nothing held, and (not sent, or repeatable) | again elsewhere, eight times at most (four where a server refuses the session's state), from the second time on 20, 40, … ms later or on news of the servers, since pooled connections to a dead one turn out dead one by one; what two servers had when their connections broke goes to no third one |
//! | open, not forwarded, and the statement does nothing but `ROLLBACK` | said again elsewhere, where nothing is open |
//! | open, not forwarded, and the transaction can be run again, with this statement behind it | run again |
//! | open, and the statement cannot have ended the transaction, or is repeatable | 1213 (40001): rolled back |
//! | not open, repeatable, forwarded | an ERR packet in place of the next row; inside a packet longer than 16 KiB, of which the client has a part, the connection ends |
//! | a marked COMMIT, sent, nothing held | looked up on the next primary, see below |
//! | sent, and none of these | SQLSTATE 08007: outcome unknown. Never sent again |
//! | something held, or, with 08007, perhaps left by the statement itself | 1053, or 08007 where that is the truth, and the connection ends |
//!
//! Whether a statement may have ended the transaction is asked of its class (`may_end_transaction`), for
//! COM_STMT_EXECUTE of the class that its text got when it was prepared.
//!
//! # Running a transaction again
//!
//! `session/journal.rs` keeps, for a transaction on the primary, each packet and a sum of its answer
//! ([`Observer::unread`](crate::wire::Observer::unread) hears columns and rows as they pass; OK and ERR packets are
//! summed without what they tell of the session). The first statement that may not be run elsewhere drops the journal,
//! and there is none from then on: to have one is to be able. Packets of prepared statements are made to stand alone
//! (types are put in), and name their text, since the client may close the statement.
//!
//! `session/replay.rs` runs it on the primary of now. `InsertId` at the begin is brought along; the session's state is
//! that of the begin, or the journal would have been dropped. Nothing that is heard there changes the session: it is
//! what it was. Of the server the proxy asks whether the account sees tables without rollback, once per worker, account
//! and version of the servers' roles, since tables may be made before the next loss (the others wait for that answer);
//! what `LAST_INSERT_ID()` is, in front of an INSERT that made an id or a statement that asks for one: it was made 0 at
//! the begin if nobody knows it, since an OK packet's id is also one that the client gave itself. Where an insert id
//! differs: `ROLLBACK TO SAVEPOINT`, `SET insert_id, last_insert_id` (the first try left its own there, and a savepoint
//! does not take that back), and whether the id was used (`@@insert_id` is 0 then on both kinds of server; MySQL cannot
//! take it back, and so the connection goes if it was not).
//!
//! Only a lost *server* is a reason (`has_lost_primary`): the snapshot says so, or another generation has begun. A COMMIT
//! that was sent is never run again.
//!
//! # Looking up a COMMIT
//!
//! `session/commits.rs`. A client's account may not choose its GTID, and what a MySQL replica writes down of the
//! connection that made a row-based transaction is the number of an applier thread (tried on 9.7: the thread id in
//! `BEGIN` is that of the worker, or of the last statement that the worker applied as a statement). Savepoints it does
//! write down, so [`Connection::mark`](crate::backend::Connection::mark) puts one in front of COMMIT.
//!
//! [`Connection::binlog`](crate::backend::Connection::binlog) reads the new primary's binary log by
//! COM_BINLOG_DUMP_GTID up to its end, without what the lost primary had by a snapshot of before the COMMIT was sent:
//! each worker notes those positions with its own clock. To be found is final: it is replicated under that name. Not
//! to be found is only if
//!
//! - each GTID of `gtid_executed` beyond that position was met, and no event in between that cannot be read;
//! - the *witness* was met, the last marked COMMIT that the lost server answered with a GTID to this worker: it shows that
//!   marks come through and are read there, and that what was acknowledged is there, too;
//! - no channel receives or has something to apply, asked before the log is read;
//! - every other server than the lost one is up, was seen to follow the new primary, and has nothing of the lost one's
//!   that this one lacks (`Snapshot::has_more_of`). The lost one may be ahead: what only it has is lost;
//! - the server is the primary still.
//!
//! A mark may be refused where the COMMIT behind it is not (a KILL QUERY between them, a transaction that fills
//! `max_binlog_cache_size` to the last 120 bytes), and the server be lost before either is heard of: that
//! transaction is not found although it may be there. Sessions that lose theirs together share one answer
//! (`session/commits/asked.rs`). MariaDB is not asked: it would take another command and other events.
//!
//! # A server that says it is read-only
//!
//! 1290 that speaks of read-only, 1836, 3100 and a Galera server's 1047 mean that nothing was executed, except by a
//! procedure, whose statements are asked one by one, and by what commits an open transaction first (DDL, LOCK TABLES,
//! START TRANSACTION READ WRITE) and may be refused behind that (`runs_in_steps`): that refusal is the client's to hear,
//! and nothing is run again. In a read-only maintenance the session stays as it is. From a primary, with no
//! transaction and nothing held, and as long as the client has nothing of an answer, the walker swallows the
//! packet and `Session::refused` waits for another writer. If the probes go on calling that server the writer
//! for three intervals (300 ms at least), its own words go to the client. From a replica see
//! [`splitting`](super::splitting).
//!
//! # A primary that lost its role and lives
//!
//! `session/demoted.rs`. An account that passes `read_only`, and a procedure whose definer does, write on a demoted primary
//! without an error, and an operator may hold the global read lock until its change is done: what waits for the lock runs
//! there when it ends. [`Snapshot::has_demoted`](crate::topology::Snapshot::has_demoted) says which connections that
//! concerns: another server has the role, or the last primary is read-only and another is to be expected. Members of a group
//! are out: what one of them takes, the majority has.
//!
//! - Each new snapshot in which a role changed: what writes on such a server ([`Deed`](crate::session::Deed)) is ended there
//!   (`Context::end_demoted_writes`): one connection for each account says SHOW GRANTS, then `KILL QUERY` for each of its
//!   statements under way. An account may kill its own threads; where it gets no connection, the monitor's account tries.
//!   In a procedure with the rights
//!   of another account the thread is that account's, so that the server refuses the KILL (1095, tried on MariaDB 10.11).
//! - A 1317 that answers such a KILL says that a single statement, or a COMMIT, did nothing: it runs on the next primary as
//!   behind a refusal, an open transaction is run again. Tables without rollback may keep a part: unless the server was
//!   read-only and `read_only` binds the account, so that it never began, the new primary is asked for such tables first. A
//!   procedure, a definition, or a statement of which the client has a part gets 08007. (Before it waits for the lock,
//!   MariaDB looks whether it is read-only, and at a commit once more: a definition has none, and would run, whoever asks.)
//! - An OK that comes from such a server (`Session::settle_late`) is kept back until there is a primary. It is passed on if
//!   that has the answer's GTIDs, by its probe or by `@@gtid_binlog_state` (operators empty `gtid_slave_pos`), and else it is
//!   08007. A GTID that was there before the statement came is of another history: RESET MASTER lets numbers begin anew. A
//!   procedure does not tell the GTIDs of its statements: 08007.
//! - A statement that would write or commit on a connection that is kept there, as that of an open transaction, is not sent
//!   if the account is known to pass `read_only`: as if the server had refused it.
//!
//! `monitor/accounts.rs` asks for the grants of each user of the configuration before anything moves, and the log, `/topology`, a
//! metric and `pointsman check --connect` name those that pass.
//!
//! What remains: a primary that becomes read-only without a lock is noticed with the next probe. What an account that passes
//! `read_only` is told to be written in between may be on the former primary alone.
//!
//! # A server that is stopped
//!
//! SIGTERM: MySQL and MariaDB end statements that are under way, and answer them with 1053, which MySQL also says to
//! who is killed (`KILL`); MariaDB says 1927 then. As long as the client has nothing of an answer, and no statement
//! before it in the same text is done, the walker swallows the packet, and `Session::ending` asks the probes. A server
//! that goes is lost without an answer. One that stays has its words forwarded: nobody who kills a statement wants it
//! run again. If the connection is open behind that, a SIGNAL said so, and nothing is lost; if not, a COMMIT that was
//! answered so counts as one that may have been executed, since MySQL puts the error over one that was. Who has a part
//! of the answer, or whose text had a statement done before, gets 1105 in its place: 08S01 where nothing is in doubt
//! (`leaves_no_doubt`), else 08007 (also behind rows of a procedure that ends with such a SIGNAL: the packets are the
//! same). A connection that was ended so, and holds nothing, is not parked.
//!
//! On connections where nothing is under way some say a last word before they close, with a sequence id of 0; a statement
//! that crosses it on its way counts as sent and not answered (`is_farewell`).
//!
//! # A server without its group
//!
//! A member that lost the majority answers probes, reads and pings; a commit there waits, perhaps until the others
//! are back. [`Snapshot::has_lost`](crate::topology::Snapshot::has_lost): once the group has another writer, what
//! was sent to it is given up like what was sent to a dead server. Before that it is waited for: it may come back.
//!
//! A Galera server says 1047 to what comes after it has noticed (`session/refusals.rs`): a write waits for another
//! writer, a read runs elsewhere. What it was at gets 1180 with a "provider status", as if it had failed; the test
//! with three real servers found such a row on the others. So the client is told 08007.
//!
//! Every effect is counted: [`Disruption`](crate::telemetry::Disruption),
//! `pointsman_disruptions_total{effect}`.
