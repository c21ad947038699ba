//! Describes the servers to people: to a client that waited in vain for a primary, and where an alarm is shown.

use std::borrow::Cow;

use super::candidates::may_be_primary;
use super::in_question::shown;
use super::types::*;

/// The maximum number of servers that are listed: an ERR packet has room for 512 bytes, and names can be
/// long.
const MAX_SERVERS: usize = 5;

impl Snapshot {
    /// Returns why there is no primary: the state of each server.
    pub fn why_no_primary(&self) -> String {
        self.states(|server| self.state_of(server))
    }

    /// Returns what an alarm is about, with positions; None: there is no alarm.
    pub fn why_alarm(&self) -> Option<String> {
        self.alarm?;
        let Some(primary) = self.primary() else { return Some(self.states(|server| self.detail_of(server))) };
        let others = self.servers.iter().filter(|s| s.id != primary.id && s.is_candidate());
        let others: Vec<_> = others.take(MAX_SERVERS).map(|s| format!("{:.40}", s.name)).collect();
        Some(format!(
            "{} writable besides the primary {:.40}",
            others.join(", ") + are(others.len()),
            primary.name
        ))
    }

    fn states<'a>(&'a self, state: impl Fn(&'a Server) -> Cow<'static, str>) -> String {
        if self.servers.is_empty() {
            return "no server is known".to_owned();
        }
        let known = self.servers.iter().take(MAX_SERVERS);
        let mut words: Vec<_> =
            known.map(|server| format!("{:.40} {}", server.name, state(server))).collect();
        match self.servers.len().saturating_sub(MAX_SERVERS) {
            0 => {}
            more => words.push(format!("and {more} more")),
        }
        words.join(", ")
    }

    fn state_of(&self, server: &Server) -> Cow<'static, str> {
        let labels = self.servers.iter().any(|s| s.label.is_some());
        Cow::Borrowed(match server.health {
            Health::Unknown => "was not reached yet",
            Health::Down => "is down",
            Health::Up if server.deleting => "is being deleted",
            Health::Up if server.is_cut_off() => "is without its group",
            Health::Up if !server.is_candidate() => "is read-only",
            Health::Up if !may_be_primary(&self.servers, server, self.last_primary) => {
                "is writable, but replicates from another server"
            }
            Health::Up if self.alarm == Some(Alarm::SeveralCandidates) => "is writable, but not alone",
            Health::Up if server.deposed || self.last_primary == Some(server.id) => {
                "is writable, but may lack writes of a later primary"
            }
            Health::Up if labels && server.label != Some(Label::Primary) => {
                "is writable, but not known to have all writes, and waits for its label"
            }
            Health::Up => "is writable, but not known to be the primary",
        })
    }

    fn detail_of(&self, server: &Server) -> Cow<'static, str> {
        let state = self.state_of(server);
        let wanted = self.acknowledged.as_ref().filter(|w| w.generation == self.generation).map(|w| &*w.set);
        let last = self.last_primary.and_then(|id| self.server(id)).filter(|last| last.id != server.id);
        let wanted = last
            .filter(|last| last.is_up_read_only())
            .and_then(|last| last.facts.as_ref())
            .filter(|facts| facts.gtid_on)
            .map(|facts| &*facts.gtid)
            .or(wanted);
        match (wanted, &server.facts) {
            (Some(wanted), Some(facts))
                if may_be_primary(&self.servers, server, self.last_primary) && !server.has(wanted) =>
            {
                let (own, wanted) = (shown(&server.all_held(facts)), shown(wanted));
                format!("{state} (its position {own} is not known to contain {wanted})").into()
            }
            _ => match server.replication().and_then(|r| r.source.as_deref()) {
                Some(source) if server.is_candidate() => format!("{state} ({source:.80})").into(),
                _ => state,
            },
        }
    }
}

fn are(count: usize) -> &'static str {
    if count == 1 { " is" } else { " are" }
}
