//! Warnings of `check` about settings that are valid but risky.

use super::choice::Choice;
use super::types::{Config, Discovery};

impl Config {
    /// Returns a line for each setting that works but is risky: the key, what it allows, and what to write instead.
    pub fn warnings(&self) -> Vec<String> {
        let claimed = self.claimed_addresses();
        let of_servers = self.no_server().into_iter().chain(self.unverified_servers());
        of_servers.chain(claimed).chain(self.shown_literals()).collect()
    }

    /// Returns what to fill in, if the file still names no server.
    pub fn no_server(&self) -> Option<String> {
        let is_empty = matches!(self.fixed.discovery, Discovery::Static) && self.live.servers.is_empty();
        is_empty.then(|| {
            "discovery.servers: the list is empty, so clients get an error; write [[discovery.servers]] with name and address \
             for each server in place of servers = [], fill in [monitor], and reload the file"
                .to_owned()
        })
    }

    fn shown_literals(&self) -> Option<String> {
        self.live.statements.literals.then(|| {
            "log.literals: the slow log and, to who has admin.token, pointsman tap show the values in statements, which \
             may be personal data; write false"
                .to_owned()
        })
    }

    fn claimed_addresses(&self) -> impl Iterator<Item = String> {
        self.fixed.listeners.iter().filter_map(|listener| {
            let everywhere = listener.proxy_protocol_from.everywhere()?;
            Some(format!(
                "listeners.proxy_protocol_from: \"{everywhere}\" (listener {}) lets every host that reaches the port claim \
                 any address, which users.from, limits and logs then believe; write the addresses of the load balancers",
                listener.name
            ))
        })
    }

    fn unverified_servers(&self) -> Option<String> {
        let mode = self.live.servers_tls.mode;
        let over_a_network = match self.fixed.discovery {
            Discovery::Kubernetes(_) => true,
            Discovery::Static => self.live.servers.iter().any(|server| !server.address.starts_with("unix:")),
        };
        (over_a_network && !mode.verifies()).then(|| {
            format!(
                "servers_tls.mode: with \"{}\" no server proves who it is, so passwords go to whoever answers at a \
                 server's address and asks for them (caching_sha2_password, full exchange); write ca_file, or \
                 ca_secret on Kubernetes, and mode = \"verify_identity\"",
                mode.word()
            )
        })
    }
}
