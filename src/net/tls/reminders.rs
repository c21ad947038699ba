//! Remembers which servers a warning has named lately. A pool opens hundreds of connections, and each of them would
//! repeat the warning.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The shortest time after which a warning about a server is repeated.
const PERIOD: Duration = Duration::from_secs(3600);
/// The most servers that are remembered at a time: pods come and go under new names.
const SERVERS: usize = 1024;

/// When each server was named last. Clones share the same data.
#[derive(Debug, Clone, Default)]
pub(super) struct Reminders(Arc<watch::Sender<HashMap<Arc<str>, Instant>>>);

impl Reminders {
    /// Returns true if the log should name this server now, and counts the server as named then.
    pub fn is_due(&self, server: &Arc<str>) -> bool {
        let now = Instant::now();
        let mut due = false;
        self.0.send_if_modified(|named| {
            due = named.get(server).is_none_or(|last| now.duration_since(*last) >= PERIOD);
            if due {
                if named.len() >= SERVERS {
                    named.retain(|_, last| now.duration_since(*last) < PERIOD);
                }
                if named.len() < SERVERS || named.contains_key(server) {
                    named.insert(server.clone(), now);
                } else {
                    due = false;
                }
            }
            false
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_server_is_named_once_an_hour() {
        let reminders = Reminders::default();
        let [a, b] = ["db-0", "db-1"].map(Arc::<str>::from);
        assert!(reminders.is_due(&a) && reminders.clone().is_due(&b));
        assert!(!reminders.is_due(&a) && !reminders.clone().is_due(&b));
        tokio::time::advance(PERIOD).await;
        assert!(reminders.is_due(&a) && !reminders.is_due(&a));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_remembered_servers_is_bounded() {
        let reminders = Reminders::default();
        let due = |n: usize| reminders.is_due(&format!("db-{n}").into());
        assert_eq!((0..3 * SERVERS).filter(|n| due(*n)).count(), SERVERS);
        tokio::time::advance(PERIOD).await;
        assert!(due(3 * SERVERS));
        assert_eq!(reminders.0.borrow().len(), 1);
    }
}
