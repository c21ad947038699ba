//! A list of networks, as the file has it: who may do something.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

/// The word for clients of unix sockets, which have no address.
const UNIX: &str = "unix";

/// IPv4 and IPv6 networks, and perhaps unix sockets. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    networks: Arc<[IpNet]>,
    unix: bool,
}

impl Networks {
    /// Reads networks, single addresses and the word `unix`. The error says what is wrong with one of the texts, and
    /// what to write instead.
    pub(super) fn parse(texts: &[Arc<str>]) -> Result<Self, String> {
        let (unix, texts): (Vec<_>, Vec<_>) = texts.iter().partition(|text| &***text == UNIX);
        let networks = texts.into_iter().map(|text| network(text)).collect::<Result<_, _>>()?;
        Ok(Networks { networks, unix: !unix.is_empty() })
    }

    /// True if the list has this address; None is a unix socket.
    pub fn contains(&self, address: Option<IpAddr>) -> bool {
        match address.map(|address| address.to_canonical()) {
            Some(address) => self.networks.iter().any(|network| network.contains(&address)),
            None => self.unix,
        }
    }

    /// True if the list is empty.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// True if the list has unix sockets.
    pub(super) fn has_unix(&self) -> bool {
        self.unix
    }

    /// True if the list has a network.
    pub(super) fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Returns a network that has all addresses of IPv4 or IPv6, if the list has one.
    pub(super) fn everywhere(&self) -> Option<IpNet> {
        self.networks.iter().find(|network| network.prefix_len() == 0).copied()
    }
}

/// A TOML array.
impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |network: &IpNet| match network.prefix_len() == network.max_prefix_len() {
            true => format!("\"{}\"", network.addr()),
            false => format!("\"{network}\""),
        };
        let unix = self.unix.then(|| format!("\"{UNIX}\""));
        let all: Vec<_> = self.networks.iter().map(shown).chain(unix).collect();
        write!(f, "[{}]", all.join(", "))
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let Ok(network) = text.parse::<IpNet>() else {
        let instead = match text {
            "localhost" => "\"unix\" for unix sockets, \"127.0.0.1\" and \"::1\" for TCP",
            _ => "a network like \"10.0.0.0/8\" or \"fd00::/8\", an address, or \"unix\"",
        };
        return Err(format!("{text:?} is no network; write {instead}"));
    };
    // Addresses of clients are never written this way, so the network would have none of them.
    let is_mapped = |address: Ipv6Addr| address.to_ipv4_mapped().is_some();
    if matches!(network, IpNet::V6(network) if is_mapped(network.addr())) {
        return Err(format!("{text:?} is an IPv4 network; write it like \"10.0.0.0/8\""));
    }
    if network.trunc() != network {
        let (whole, address) = (network.trunc(), network.addr());
        return Err(format!("{text:?} is an address in a network; write \"{whole}\" or \"{address}\""));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Networks, String> {
        Networks::parse(&texts.iter().map(|text| Arc::from(*text)).collect::<Vec<_>>())
    }

    #[test]
    fn a_list_has_the_addresses_of_its_networks() {
        let list = parse(&["10.0.0.0/8", "192.168.1.7", "fd00::/8", "::ffff:172.16.0.1"]).unwrap();
        let has = |text: &str| list.contains(Some(text.parse().unwrap()));
        for inside in
            ["10.0.0.0", "10.255.255.255", "192.168.1.7", "fdff::1", "172.16.0.1", "::ffff:10.1.2.3"]
        {
            assert!(has(inside), "{inside}");
        }
        for outside in ["9.255.255.255", "11.0.0.0", "192.168.1.8", "fe80::1", "::ffff:11.0.0.0", "::1"] {
            assert!(!has(outside), "{outside}");
        }
        assert!(!list.contains(None) && !list.is_empty());
        assert!(parse(&["unix"]).unwrap().contains(None));
        assert!(parse(&[]).unwrap().is_empty() && !parse(&["unix"]).unwrap().is_empty());
        assert_eq!(list.to_string(), r#"["10.0.0.0/8", "192.168.1.7", "fd00::/8", "172.16.0.1"]"#);
        assert_eq!(parse(&["unix", "::/0"]).unwrap().to_string(), r#"["::/0", "unix"]"#);
    }

    #[test]
    fn wrong_networks_say_what_to_write() {
        let wrong = |text: &str| parse(&["10.0.0.0/8", text]).unwrap_err();
        assert_eq!(
            wrong("10.0.0.1/8"),
            "\"10.0.0.1/8\" is an address in a network; write \"10.0.0.0/8\" or \"10.0.0.1\""
        );
        assert_eq!(
            wrong("localhost"),
            "\"localhost\" is no network; write \"unix\" for unix sockets, \"127.0.0.1\" and \"::1\" for TCP"
        );
        assert!(wrong("::ffff:10.0.0.0/104").ends_with("is an IPv4 network; write it like \"10.0.0.0/8\""));
        for text in
            ["", "*", "10.0.0.0/33", "10.0.0", "10.0.0.0/", "db.example", "10.0.0.1:3306", "fe80::1%eth0"]
        {
            assert!(wrong(text).contains("is no network; write a network like"), "{text}");
        }
    }
}
