//! Consistency: what a read knows before it goes to a replica.
//!
//! | level | what is asked |
//! |---|---|
//! | `strong` | before each read: how far the primary is |
//! | `session` | the same, where the session could go back behind what it has seen; its own writes it knows |
//! | `bounded`, `eventual` | nothing |
//!
//! # The question
//!
//! `session/asking.rs`. A read that must know takes part in a *batch*: all reads of a worker that want the same thing of
//! the same server. One batch is under way to a server; who comes meanwhile joins the next, which leaves when the
//! answer is there: an answer that was on its way when a read began may be older than the read. The task that asks is
//! behind all tasks that are ready in this turn of the worker's loop, so these share the question, too. The more
//! clients, the more reads a question serves; nothing is waited for to make batches larger.
//!
//! The questions run under the monitor account, on one connection a server, kind and worker, opened when it is first
//! needed and closed after `pool.idle_timeout` without use. They count to no limit of the pool.
//! A new primary is asked on the connection by which it was waited for as a replica, if nobody waits there just then;
//! so is who is asked what it has seen.
//!
//! | question | to | text |
//! |---|---|---|
//! | position | the primary | MySQL `@@global.gtid_owned` and `gtid_executed`; MariaDB `@@global.gtid_binlog_pos` and `gtid_current_pos` together: the former has what it wrote itself under whatever domain, the latter what it replicated before |
//! | wait | a replica | MySQL `WAIT_FOR_EXECUTED_GTID_SET(set, max_wait)`, MariaDB `MASTER_GTID_WAIT(pos, max_wait)`: the union of what the batch wants |
//! | seen | all but the primary | MySQL `@@global.gtid_owned` and `gtid_executed`: whether any of what the primary is committing is there |
//! | step | a Galera node | a read under `wsrep_sync_wait = 1` |
//!
//! Why the answer holds for a read that began before it: a server counts a transaction in these variables before it says
//! OK to the client that committed it. Why it is the primary's: it must be the snapshot's writer, in the same
//! generation, when the question leaves and when the answer comes, and `@@read_only`, asked in the same statement, must
//! be off. A planned switchover makes the old primary read-only before the new one takes a write, so an old primary
//! that says it is writable was the only one, whatever this proxy has heard by then. An empty position (a MariaDB
//! without a binary log) says nothing: the primary answers.
//!
//! A replica may show a write before the primary does: it gets it from the binary log, and under semi-synchronous
//! replication (`AFTER_SYNC`) the primary commits only when a replica has it. Who has seen it there must not miss it
//! later. So what is being committed belongs to the position: MySQL has it in `gtid_owned`, asked first because a GTID
//! goes from there to `gtid_executed`; MariaDB's `gtid_binlog_pos` has it already. Where such a read ends on a MySQL
//! primary it waits there for that write, `max_wait` at most, unless it has waited as long for a replica before, or
//! all other servers say that they have nothing of it: then nobody can have seen it there when they said so, which is after
//! the read came. That is the rule while a new primary waits for the first replica to follow it, 60 to 250 ms with
//! semi-synchronous replication. A read on a port that splits whose replica cannot answer after all, being lost or full, asks
//! again what a MySQL primary is committing, and waits for that in the same way.
//!
//! # The replica
//!
//! `session/barrier.rs`. With the position at hand the read looks, in this order, for
//!
//! 1. the replica of its last read, if that is known to be there,
//! 2. another one that is known to be there, as [`choose_replica`](crate::routing::choose_replica) chooses,
//! 3. a wait on a replica, its own if possible, `consistency.max_wait` at most,
//! 4. the primary.
//!
//! What is known: the probes' positions, and what a wait has shown since (`asking/known.rs`), as long as no server's role
//! has changed: a replica that was rebuilt was down in between. A replica that was waited for in vain is not waited
//! for again before a probe sees that it has what was missed. So one that is a second behind costs its readers
//! `max_wait` once a second, not with each read. Nor is one waited for that lacks what the primary itself wrote and, when
//! it was last probed, did not follow it, directly or by way of others (`Snapshot::is_out_of_reach`): after a change of the
//! primary that is the rule, too. What the former primary wrote it may have received and be about to apply. In doubt it
//! follows: with several sources, without the privilege to see, behind a server that is lost. On a replica port with
//! `replicas.fallback = "none"` there is nowhere to hurry to, and the replica is waited for.
//!
//! Reads that end up on the primary count (`Diversions`), and beyond `consistency.primary_share` of
//! `limits.max_server_connections` they wait until one of them is done or a replica has come so far: when all replicas
//! fall behind at once, the primary gets its usual load and a bounded part of theirs, not all of it.
//!
//! A position goes with its statement (`Freshness`): a replica that fails before it has answered is replaced by one that
//! is there as well, or by the primary.
//!
//! # Ahead of the answer
//!
//! `session/ahead.rs`. As long as nobody writes, the primary says the same each time. After eight equal answers in a row,
//! with nothing being committed, a worker takes the primary to be *quiet*, and a plain `strong` read goes to a replica
//! that has that position at once, beside the question that it takes part in. Its answer stays unread until the
//! primary has said that the position holds: then it is as good as one that was asked for afterwards, since the replica
//! had the position before it ran the read. If the primary says anything else (another position, something being committed,
//! that it is the primary no more), the answer is dropped and the read begins anew, with the question in front. So a
//! read takes as long as the longer of the two round trips and not their sum; the reads that a write makes run twice
//! (`pointsman_consistency_reads_overtaken_total`) are at most those under way when it came, and none before the next eight
//! equal answers.
//!
//! Plain is a SELECT or an execute without a cursor, on a port that splits, of a session that keeps nothing on a
//! replica's connection, with nothing but a result set to leave behind. Of a dropped answer 256 KiB are read; a
//! connection with more of it is closed.
//!
//! # What takes no part
//!
//! - Statements of a transaction: one that only reads asks at its beginning, and what it sees is of that moment or later,
//!   as its isolation level has it.
//! - What looks back (`SHOW WARNINGS`, `FOUND_ROWS()`), and what follows a cursor or parameters sent in advance.
//! - Reads while there is one server only.
//! - `SET` and the like on replica ports.
//!
//! # Without a primary
//!
//! Nobody knows then what was acknowledged: a write may have been, by a primary that another proxy knows already. So
//! `strong` reads wait for the primary as writes do, `failover.hold` at most. `bounded` and `eventual` do not.
//!
//! A primary that does not answer is given three probe intervals, at least 300 ms. If the probes say by then that it goes on
//! being the primary, the read goes there; for example, if the monitor account finds no connection free.
//!
//! # `session`
//!
//! What a session wrote is known from the OK packets ([`Written`](crate::session)). What it has *seen* is not: neither the
//! primary's state that a read there showed, nor how far a replica really was. But the primary is always at least as far as
//! anything that was read. So the session asks for the primary's position where it could go back: if rows came from the
//! primary since its last read from a replica, if it would read from another replica than last time, or if a server's
//! role changed meanwhile (`Seen`). A session that stays on its replica asks nothing; after a write it waits there for
//! that write, `max_wait` at most, until the probes see it on all replicas. If it comes there too late, the session asks
//! as above, and another replica or the primary answers. (Another replica may have what the session wrote, and still
//! lack what it has seen, so that one is not taken without the question.)
//!
//! # Groups
//!
//! MySQL group replication has `group_replication_consistency = BEFORE`, under which each read waits on its member until
//! that has applied all that the group agreed on before: a message through the group for each read. The batch costs the
//! primary one short statement for many reads, and the same wait, so members of a group are asked like replicas. Galera
//! has no positions that members could be compared by (unless `wsrep_gtid_mode` is on), so there a node is asked to
//! wait, one message through the group for a batch.
//!
//! `cargo test --test consistency -- galera_strong replication_group_strong --nocapture` prints what both take, with 16
//! sessions beside a writer and everything on two cores. On a member of a MySQL 9.7 group 4,463 reads a second without a
//! wait (p50 2.9 ms) and 2,251 under `BEFORE` (4.6 ms); through the proxy at `strong`, as tests build it, without
//! optimization, 2,451 (5.7 ms). On a Galera node 7,599 (1.8 ms) and 6,236 under `wsrep_sync_wait` (2.2 ms), through that
//! proxy 2,456 (5.8 ms).
//!
//! # What it cannot see
//!
//! - A primary that is cut off from everybody but this proxy still answers that it is writable. Where another one was
//!   promoted meanwhile, reads here are stale until the probes, or the labels, tell; as long as the old one would take
//!   this proxy's writes, too. Group replication and Galera do not have that window, semi-synchronous replication has it
//!   for reads.
//! - MariaDB does not say when a write that is in its binary log can be seen on the primary. A read that no replica could
//!   answer in time, and that goes there in that moment, can miss a write that nobody was told of yet and somebody saw
//!   on a replica.
//! - Who reads the binary log (change data capture) knows a write before the primary shows it, and so does who reads it on a
//!   server that the proxy does not know. A read that goes to the primary in that moment can miss it.
//! - What is written with `sql_log_bin = 0`, or past replication.
