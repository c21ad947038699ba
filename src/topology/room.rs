//! How many connections a server has room for.

use super::types::Server;

impl Server {
    /// Returns how many connections this process may have here: `most`, or as many as the server takes less `reserve`, at
    /// most half of them.
    pub fn bears(&self, most: usize, reserve: usize) -> usize {
        let takes = self.facts.as_ref().and_then(|facts| facts.max_connections);
        takes.map_or(most, |takes| most.min((takes - reserve.min(takes / 2)).max(1)))
    }
}
