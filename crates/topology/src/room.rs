//! How many connections a server has room for.

use super::types::{Facts, Server};

impl Server {
    /// Returns how many connections this process may have here: `most`, or as many as the server takes less those of others
    /// and less `reserve`, at most half of what is left. Until the server is counted again, this process takes only half of
    /// what is free: another one may do the same.
    pub fn bears(&self, most: usize, reserve: usize) -> usize {
        let Some((takes, facts)) = self.takes() else { return most };
        let (all, by_others) = facts.occupied.map_or((0, 0), |occupied| (occupied.all, occupied.by_others));
        let room = takes.saturating_sub(by_others);
        let limit = room - reserve.min(room / 2);
        let own = all.saturating_sub(by_others).min(limit);
        let more = limit - own;
        let now = if facts.occupied.is_some() { own + more.div_ceil(2) } else { limit };
        most.min(now.max(1))
    }

    /// True if not much more than `reserve` is free here: somebody else may need the place of an idle connection.
    pub fn is_nearly_full(&self, reserve: usize) -> bool {
        self.takes().is_some_and(|(takes, facts)| {
            let all = facts.occupied.map_or(0, |occupied| occupied.all);
            takes.saturating_sub(all) <= 2 * reserve.min(takes / 2 / 2)
        })
    }

    fn takes(&self) -> Option<(usize, &Facts)> {
        let facts = self.facts.as_ref()?;
        Some((facts.max_connections?, facts))
    }
}
