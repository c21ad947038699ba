//! Servers that are drained: they get no new reads, and what runs on them continues. A primary stays the primary.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Who asks for a server's drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drain {
    /// An order to this process.
    Order,
    /// `discovery.servers.drain`
    Configuration,
    /// The annotation of its pod.
    Annotation,
}

impl Drain {
    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Drain::Order => "order",
            Drain::Configuration => "configuration",
            Drain::Annotation => "annotation",
        }
    }
}

/// The names of the servers that orders to this process drain. A name may be of a server that is not there now.
pub type DrainOrders = Arc<BTreeSet<Arc<str>>>;
