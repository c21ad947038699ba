//! Stands in for the exporter of `[traces]` in a build without the cargo feature `traces`.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Live;
use crate::telemetry::traces::TraceSender;

/// Exports nothing.
pub(super) struct Traces(TraceSender);

impl Traces {
    /// Refuses to start with an endpoint configured: somebody would wait for spans in vain. One that a reload brings has its
    /// traces counted as dropped.
    pub fn start(live: watch::Receiver<Arc<Live>>) -> io::Result<Self> {
        match live.borrow().traces.endpoint {
            Some(_) => Err(io::Error::other(
                "traces.endpoint: this pointsman was built without traces (cargo feature `traces`)",
            )),
            None => Ok(Traces(TraceSender::new().0)),
        }
    }

    /// Returns where traces go.
    pub fn sender(&self) -> TraceSender {
        self.0.clone()
    }
}
