//! Probes, the snapshot, and who is the writer.
//!
//! # One probe
//!
//! [`Prober`](crate::monitor::Prober), a task for each server on the control thread: one statement in one
//! round trip every `monitor.interval`, on a connection that is kept (`monitor/statement.rs`). MySQL answers
//! everything with one SELECT over `performance_schema`; MariaDB needs two statements in one COM_QUERY, since
//! nothing but `SHOW ALL SLAVES STATUS` knows the source. The answer becomes
//! [`Facts`](crate::topology::Facts): flavour, version, capabilities, read-only, replication, GTID position,
//! identity, and how the server reads texts ([`TextModes`](crate::topology::TextModes)). If the account may not see replication, a smaller statement goes on alone, the log says which
//! GRANT is missing, and the connection is renewed each minute, because privileges bind new connections only.
//!
//! - No answer within the interval, or within two round trips if that is longer, is a missed probe. (A round trip: the
//!   quickest answer on the connection; before the first a third of its login.) The next is not sent behind it; a late answer still
//!   counts. Three missed: down.
//! - Refused, reset, closed: down at once, except that a loss on a connection that had answered is tried once
//!   more, since it proves nothing alone.
//! - An ERR packet (a bad password): counts as missed; after three the server is asked once a second.
//! - A *kick* ([`Kicker`](crate::monitor::Kicker)) asks at once: sessions do this when they meet a lost or
//!   read-only server. Many kicks are one probe, and one starts at most every 5 ms.
//! - While there is no writer, probes come every 20 ms, for a minute at most: a set of replicas alone has
//!   none for ever.
//! - Connecting to a silent server has patience of 1 to 4 s: a frozen MySQL must not find hundreds of
//!   abandoned handshakes when it wakes, for which it would block this host.
//!
//! # The snapshot
//!
//! One task owns it (`discovery/owner.rs`). Every event, be it a probe's outcome or a reload, goes through
//! [`reduce`](crate::topology::reduce): snapshot and event in, next snapshot out, without clock, I/O or log.
//! So each failover story is a unit test (`topology/tests`). An event that says nothing new gives an equal
//! snapshot with the same version, and nobody is woken. The result is a `watch<Arc<Snapshot>>`; each worker
//! copies it into its own [`TopologyCell`](crate::session::TopologyCell), so that no statement touches what
//! other threads do.
//!
//! Under writes each probe brings a new position, so `version` changes several times a second. What a worker
//! does for its sessions and pooled connections hangs on `roles_version`, which leaves out positions, lags,
//! round trips and missed probes.
//!
//! A server is its name and address. If the identity (`server_uuid`, on MariaDB `server_id`) behind an
//! address changes, it gets a new [`ServerId`](crate::topology::ServerId), and nothing of the old one is
//! believed.
//!
//! # Positions
//!
//! [`GtidSet`](crate::topology::GtidSet) is what a server has applied and a session has written; `contains`
//! asks whether the one covers the other. MySQL's `gtid_executed` and MariaDB's `gtid_slave_pos` move when a
//! replicated transaction is committed, not when it is received. On MariaDB a server's own writes stand in
//! the same line of sequence numbers, and a former primary that lost some of them is ahead by number of what
//! its successor wrote since: so own writes (`gtid_current_pos`) contain only GTIDs with the server's own id.
//!
//! # Lag
//!
//! [`Trail`](crate::topology::Trail), a part of the snapshot, is where the writer was when: each new position of its
//! probes with the times when it was first and last seen. A server's `lag` is the time since the writer was last
//! seen with a position that the server contains; each position contains the ones before it, so that a binary search
//! finds it. 0 if that is the newest one.
//!
//! - The first write that a server lacks was made between two probes of the writer: after the one that was sent at
//!   the time that counts, and before the next one's answer. So a lag above 0 is too great by less than the time
//!   between them, and never too small, which is what `max_lag` promises. At 0 a write may be missing that no
//!   probe saw yet: for less than an interval. A writer that
//!   misses probes is down after the third, and until then nobody gets older by its silence.
//! - It is measured at each probe of the server, missed ones too, and for all when the writer changes: not at the
//!   writer's probes, which would make a new `Server` of each of them ten times a second for a number that its own next
//!   probe gives. That the writer still has its newest position is no news: the owner keeps it without
//!   waking anybody (two trails are equal if their positions are).
//! - Without a writer the clock stands still at its last answer. A new one takes over what it contains of the trail,
//!   the rest was lost with the old one; the same after a reset of the binary log. What it had when it was probed
//!   last, before it was the writer, belongs to the trail too: else who lacks its first write would be as old as the time
//!   without a primary.
//! - A server that contains nothing of the trail is at least as old as the trail. If that is less than `max_lag`, its own
//!   word counts if that is more, else its lag is unknown; and it does not serve, unless it did and only lacks what
//!   a new writer began with. A trail begins with the first probe of the writer, so after the start of a proxy a replica
//!   serves when it has what the primary had then.
//! - Bounds: 10 minutes or twice `max_lag` back, 2048 positions, 1 MiB; the older half is thinned when it is more. Chunks
//!   of 64 are shared between snapshots, so that a new position copies one of them.
//!
//! `topology/tests/lag.rs` has a property test against the true age of the first missing write, `tests/positions.rs`
//! the same with real servers.
//!
//! # Stored routines
//!
//! [`Routines`](crate::monitor::Routines) reads the primary's routines: at start, from a new primary, each
//! minute, and at most once a second when a session says that it changed one. `sql/body.rs` judges each body,
//! [`RoutineCatalogue`](crate::sql::RoutineCatalogue) follows the calls among them. Between a change by
//! another proxy and the next read a function that begins to write may be sent to a replica, which refuses
//! it.
//!
//! # Who is the writer
//!
//! `topology/elect.rs`, and nowhere else. A *candidate* is up, not being deleted, and not read-only. In
//! order:
//!
//! 1. The current writer stays for as long as it is a candidate, with an alarm if there is another one: never
//!    alternate.
//! 2. At start nobody is chosen before every server answered or is down.
//! 3. A *deposed* server (it was the writer until another took over, and was not seen to give the role up) is
//!    not eligible until it was seen read-only or replicating, or its successor is read-only or no longer
//!    configured: it may lack acknowledged writes. A pod without a label stays deposed when it is made anew under
//!    its name, one with a label at another address, and one that is gone has given nothing up (`topology/gone.rs`).
//! 4. One eligible candidate: the writer. (With labels it must carry the label; static discovery has none.)
//! 5. Several: at start the one that others replicate from; later only one from which all the others
//!    replicate; else none, and an alarm.
//!
//! `generation` counts changes to *another* server: A, none, A again is one generation, and sessions on A
//! stay.
//!
//! In a replication group or a Galera cluster a candidate must also be a member that may write, by its own word:
//! ONLINE and PRIMARY in a view with a majority, or Synced in the Primary component. A replication group names its
//! primary itself, so that its word comes before the labels; in a Galera cluster all may write, so that the label
//! decides. Where it does not (none, or several: some operators label every synced member a primary), the writer
//! stays while it is fit, and the next one is the fit member with the lowest name. `tests/groups.rs` has real servers.
//!
//! Whether a server is a node of Galera is asked in the first probe of each connection (`wsrep_on`, `wsrep_provider`;
//! only a restart changes it). A node is asked again at once for its place in the cluster, before anything is reported:
//! three writable servers would be an alarm.
//!
//! # Replica clusters
//!
//! `topology/outside.rs`: no writer, every server that answers is read-only, and one of them receives and applies from a
//! source that is none of them, nor the writer that was lost. Then having no writer is no alarm, and
//! [`readiness`](crate::admin::readiness) asks for a replica only, if there is a `replica` port. As soon as the link to
//! that source breaks, nobody can tell such a cluster from the rest of one whose primary is gone: it is an alarm, and
//! the process is not ready.
//!
//! # Who serves reads
//!
//! `topology/reads.rs`: up, not the writer, applying, and within `replicas.max_lag`, with hysteresis
//! (`topology/lag.rs`): who is out comes back at 80 % of it. A replica whose source died still serves: without a
//! writer nothing is written that it could lack, and with a new one its position tells. Where positions do not
//! tell and it does not know its lag, it stops when there has been a writer for `max_lag` from which it did
//! not receive. What is read-only and follows nobody serves unless it has writes that the primary has not, as a former
//! primary that came back with what no replica got. Without a primary, and of one that kept the channel of an earlier
//! life, positions do not tell.
