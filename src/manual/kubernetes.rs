//! Kubernetes: from pods to servers.
//!
//! # The way of a change
//!
//! `discovery/kubernetes/watcher.rs` lists the pods that the preset's selector names, in pages, and then
//! watches from where the list was. A watch ends after 25 to 30 s and the next one goes on where it ended, so
//! that a connection that hangs is found out soon; bookmarks move the place while nothing of ours changes. A
//! place that the API server has forgotten (410) is a new list. Whatever fails is tried again, at distances
//! that grow to 10 s.
//!
//! `pods.rs` keeps of each pod what matters (address, role, whether it is being deleted, zone) and says
//! whether a change makes a difference. If it does, the whole list of servers goes to the owner of the snapshot
//! through one watched value: a new list of pods is one difference, and nobody waits for anybody. The owner
//! turns it into one event for [`reduce`](crate::topology::reduce), and has the servers probed at once whose
//! label or deletion is new, and the writer.
//!
//! # What is believed
//!
//! A label is never enough: the writer must be writable by its probe, `topology/elect.rs` has the rules.
//! Without its label a server is taken only if it was a replica of this generation, and
//!
//! - the last writer answers that it is read-only, and its position is contained in the new one's: a planned
//!   switchover needs no label, nor an API server; or
//! - an [`Acknowledged`](crate::topology::Acknowledged) event brought the positions of all writes that clients
//!   were told of: the workers keep them as they hear of them
//!   ([`HeardWrites`](crate::topology::HeardWrites)), and are asked for it while there is no writer. A crash
//!   needs no label either, as long as the successor lacks nothing.
//!
//! A writer that was lost and comes back is not taken, not even as the only candidate, while another server that
//! does not answer got the label in this generation, or is followed by a replica that followed someone else while
//! the writer still answered: the proxy may be cut off from its successor. Found by `tests/orders.rs`.
//!
//! A pod that never had a role is left out where the preset says so. One that loses its role while it works
//! stays, without a label. Another pod (uid) or address under an old name is another server;
//! where there are no labels, one whose predecessor was deposed is deposed, too, and with them the same pod (uid)
//! at another address (`topology/gone.rs`).
//!
//! # The operator's resource
//!
//! With `read_resource` one more watch follows the cluster's resource by its name (`resource.rs`). Whom that
//! calls the primary counts as labelled, too, since either may be the first to say it; where the label agrees,
//! another pod's label is left over. What `spec.maintenance` of a MariaDB asks for goes into the snapshot
//! ([`Maintenance`](crate::topology::Maintenance)), because who waits for a primary waits for snapshots:
//! `server/accept.rs` turns clients away, the worker's tick ends silent ones, and `session/attach.rs` does not
//! wait for a primary that is read-only on purpose. A resource that is gone, or not there, asks for nothing.
//!
//! # When the API is away
//!
//! Nothing is taken back: the last list stays, and so do probes, sessions and Secrets' passwords.
//! [`WatchState`](crate::discovery::WatchState) says so in `/topology`, `pointsman status` and
//! `pointsman_kubernetes_connected`. A refusal (403) names the rule that would allow it, a refused token (401)
//! makes the next request read the file again.
//!
//! # Which configuration
//!
//! The kubelet may start a pod with an older ConfigMap than the one that its Deployment was rendered with. So the chart
//! puts the file's SHA-256 into the environment (`POINTSMAN_CONFIG_SHA256`): a change of it makes new pods, and
//! `app/served.rs` keeps a process unready until it served a file with this sum once. Any file behind it is newer, so a
//! pod of a former release that reloads the next one stays ready. After five minutes, longer than a kubelet takes, what
//! is there is not older but was changed by other means, and is served. The sum that is shown is that of the file with
//! `********` in place of passwords and tokens ([`Fingerprint`](crate::config::Fingerprint)): by a sum over a password
//! it could be guessed.
//!
//! # Events
//!
//! With `notify.events` each change of the writer is posted as an Event of the pod that it is about: `app/events.rs`
//! says of which and in what words, [`PodEvents`](crate::discovery::PodEvents) has the queue and the tries. One for
//! each proxy: nothing that all of them see alike identifies a change (the generation counts from a process's start,
//! the time is its own, and the same two pods may change places twice in an Event's life of an hour), so they could
//! not agree on one name. Within a process the name is the same in each try, so that none is doubled.
//!
//! # Certificates
//!
//! A pod's certificate may be for any name that its headless Service (`spec.subdomain`) gives it: `pods.rs` makes the
//! list, longest first, which goes through the snapshot to who connects. That covers what operators issue:
//! mariadb-operator `*.<c>-internal` in all lengths, Percona's PS operator `*.<c>-mysql` up to `.svc`, Oracle's what its
//! user writes, as a rule `*.<c>-instances.<ns>.svc.cluster.local`. Percona's PXC operator issues for `<c>-pxc` and
//! `*.<c>-pxc`; webpki takes no wildcard with one label behind it, so with that preset the Service's own name does.
//! The others issue nothing, or by cert-manager for the names that they are told. The CA of a Secret
//! (`servers_tls.ca_secret`) comes as passwords do; see [`tls`](super::tls).
//!
//! # Passwords
//!
//! `secret = "name/key"` leaves an empty password in [`Config`](crate::config::Config) and a
//! [`SecretUse`](crate::config::SecretUse) beside it. `secrets.rs` watches each Secret by name, which a Role
//! can allow by `resourceNames`; the reloader fills the values in (`Config::live_with`) and tells everybody
//! as after a reload. A user whose Secret is unknown is not there, rather than there with an empty password. While a
//! key is empty (`Secrets::password` in `app/reload.rs`), the last password that was not empty stays.
