//! Which server replicates from which other one.

use super::types::{Health, Server};

/// True if `replica` replicates from `source`. Compares texts only: a source under another name for the same
/// host is not recognised, and the result is no primary and an alarm. A pod's name in DNS begins with the name
/// of the pod.
pub(super) fn replicates_from(replica: &Server, source: &Server) -> bool {
    replica.health == Health::Up && has_source(replica, source)
}

/// True if `replica` was configured as a replica of `source` when it last answered.
pub(super) fn has_source(replica: &Server, source: &Server) -> bool {
    let is_source = |at: &str| {
        let of_pod = || {
            let (host, port) = at.rsplit_once(':')?;
            let (_, own_port) = source.address.rsplit_once(':')?;
            (host.split('.').next() == Some(&*source.name) && port == own_port).then_some(())
        };
        at == &*source.address || (!source.uid.is_empty() && of_pod().is_some())
    };
    replica.id != source.id && replica.replication().and_then(|r| r.source.as_deref()).is_some_and(is_source)
}
