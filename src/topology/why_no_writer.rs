//! Describes the servers to a client that waited in vain for a primary.

use super::types::*;

/// The maximum number of servers that are listed: an ERR packet has room for 512 bytes, and names can be
/// long.
const MAX_SERVERS: usize = 5;

impl Snapshot {
    /// Returns why there is no primary: the state of each server.
    pub fn why_no_writer(&self) -> String {
        if self.servers.is_empty() {
            return "no server is known".to_owned();
        }
        let known = self.servers.iter().take(MAX_SERVERS);
        let mut words: Vec<_> =
            known.map(|server| format!("{:.40} {}", server.name, self.state_of(server))).collect();
        match self.servers.len().saturating_sub(MAX_SERVERS) {
            0 => {}
            more => words.push(format!("and {more} more")),
        }
        words.join(", ")
    }

    fn state_of(&self, server: &Server) -> &'static str {
        match server.health {
            Health::Unknown => "was not reached yet",
            Health::Down => "is down",
            Health::Up if server.deleting => "is being deleted",
            Health::Up if server.is_cut_off() => "is without its group",
            Health::Up if !server.is_candidate() => "is read-only",
            Health::Up if self.alarm == Some(Alarm::SeveralCandidates) => "is writable, but not alone",
            Health::Up if server.deposed || self.last_writer == Some(server.id) => {
                "is writable, but may lack writes of a later primary"
            }
            Health::Up => "is writable, but not known to be the primary",
        }
    }
}
