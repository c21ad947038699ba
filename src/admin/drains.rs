//! Orders to drain servers.

use std::sync::Arc;
use std::time::Duration;

use super::AdminState;
use crate::discovery::NotOrdered;
use crate::topology::{Drain, Snapshot};

/// How long an order may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Why a drain was not ordered, or did not end.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DrainError {
    /// There is no such server.
    #[error("no server is called {name}; there are {known}")]
    Unknown {
        /// The name in the order.
        name: String,
        /// The names of the servers.
        known: String,
    },
    /// Nobody drains the server.
    #[error("{name} is not drained")]
    NotDrained {
        /// The name in the order.
        name: String,
    },
    /// No order drains the server.
    #[error("{name} is drained by the {by}, and only the {by} can end that")]
    Elsewhere {
        /// The name in the order.
        name: String,
        /// Who drains it.
        by: &'static str,
    },
    /// Nobody carried the order out in time. Nobody will do that later.
    #[error("the order was not carried out within {} s; try again", LIMIT.as_secs())]
    Late,
    /// Another process takes over, and would not know of the order.
    #[error("a new process takes over: log in again in a moment, and repeat this")]
    HandsOver,
    /// Nobody carries out orders any more.
    #[error("the process ends")]
    Ending,
}

impl AdminState {
    /// Drains a server by an order to this process, or ends such a drain. Returns what that did, for people.
    pub async fn order_drain(&self, name: &str, drained: bool) -> Result<String, DrainError> {
        let before = self.snapshot.borrow().clone();
        let ordered = before.drain_orders.contains(name);
        let server = before.servers.iter().find(|server| *server.name == *name);
        let name = name.to_owned();
        match (drained, server) {
            (true, None) => return Err(DrainError::Unknown { known: names(&before), name }),
            (false, _) if !ordered => {
                return Err(match server.and_then(|server| before.drain_of(server)) {
                    Some(by) => DrainError::Elsewhere { name, by: by.as_str() },
                    None => DrainError::NotDrained { name },
                });
            }
            _ => {}
        }
        let drainer = self.drainer.as_ref().ok_or(DrainError::Ending)?;
        let ordered = tokio::time::timeout(LIMIT, drainer.order(Arc::from(&*name), drained));
        let after = ordered.await.map_err(|_| DrainError::Late)?.map_err(|not| match not {
            NotOrdered::Ending => DrainError::Ending,
            NotOrdered::HandsOver => DrainError::HandsOver,
        })?;
        Ok(said(&after, &name, drained))
    }
}

fn names(snapshot: &Snapshot) -> String {
    let names: Vec<_> = snapshot.servers.iter().map(|server| &*server.name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn said(after: &Snapshot, name: &str, drained: bool) -> String {
    let server = after.servers.iter().find(|server| *server.name == *name);
    let is_primary = server.is_some_and(|server| after.primary == Some(server.id));
    let still = server.and_then(|server| after.drain_of(server)).filter(|by| *by != Drain::Order);
    match (drained, still) {
        (true, _) if is_primary => {
            format!("{name} gets no new reads; it is the primary, so writes and transactions go on there")
        }
        (true, _) => format!("{name} gets no new reads; what runs on it continues"),
        (false, Some(by)) => format!("{name} is not drained by order any more, but by the {}", by.as_str()),
        (false, None) => format!("{name} is not drained any more"),
    }
}
