//! The host part of an account: a name, an address, a network, or a pattern with `%` and `_`.
//! <https://dev.mysql.com/doc/refman/8.4/en/account-names.html>

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// A name or an address, in lower case.
    Exact(Box<str>),
    /// A network: `10.1.0.0/255.255.0.0`, and since MySQL 8.0.23 `10.1.0.0/16`.
    Network(IpNet),
    /// A pattern, in lower case: `%` is any text, `_` any character, and a backslash makes the next character literal.
    Like(Box<str>),
}

impl HostPattern {
    /// Reads a host part. An empty one permits all hosts.
    pub fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        if text.is_empty() {
            return HostPattern::Like("%".into());
        }
        if let Some(network) = network(&text) {
            return HostPattern::Network(network);
        }
        match text.contains(['%', '_']) {
            true => HostPattern::Like(text.into()),
            false => HostPattern::Exact(text.into()),
        }
    }

    /// Returns the key by which servers sort accounts: names and addresses first, then networks (the smaller ones first), then
    /// patterns by the place of their first wildcard.
    pub fn rank(&self) -> (u8, Reverse<usize>) {
        match self {
            HostPattern::Exact(_) => (0, Reverse(0)),
            HostPattern::Network(network) => (1, Reverse(usize::from(network.prefix_len()))),
            HostPattern::Like(text) => (2, Reverse(text.find(['%', '_']).unwrap_or(text.len()))),
        }
    }

    /// True if this host, an address or a name, may log in.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        // The servers resolve 127.0.0.1 to this name.
        let addresses: &[&str] =
            if host == "localhost" { &["localhost", "127.0.0.1", "::1"] } else { &[&host] };
        addresses.iter().any(|host| match self {
            HostPattern::Exact(text) => **text == **host,
            HostPattern::Network(network) => host.parse::<IpAddr>().is_ok_and(|ip| network.contains(&ip)),
            HostPattern::Like(pattern) => is_like(host.as_bytes(), pattern.as_bytes()),
        })
    }
}

fn network(text: &str) -> Option<IpNet> {
    let (address, mask) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let prefix = match mask.parse::<Ipv4Addr>() {
        Ok(mask) => {
            let bits = u32::from(mask);
            (bits.leading_ones() + bits.trailing_zeros() >= 32).then(|| bits.leading_ones())?
        }
        Err(_) => mask.parse().ok()?,
    };
    IpNet::new(address, u8::try_from(prefix).ok()?).ok()
}

/// Compares as LIKE does. Takes time in proportion to the product of the lengths at worst; both are short (255 and 60
/// characters in the servers' tables).
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let (mut text, mut pattern) = (text, pattern);
    // Where to go on if the text behind the last `%` does not match here.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        let next = match (pattern, text) {
            ([b'%', behind @ ..], _) => {
                again = Some((text, behind));
                Some((text, behind))
            }
            ([], []) => return true,
            ([b'_', behind @ ..], [_, rest @ ..]) => Some((rest, behind)),
            ([b'\\', literal, behind @ ..], [byte, rest @ ..]) if literal == byte => Some((rest, behind)),
            ([literal, behind @ ..], [byte, rest @ ..]) if literal == byte => Some((rest, behind)),
            _ => None,
        };
        (text, pattern) = match next {
            Some(next) => next,
            None => {
                let Some((from, behind)) = again else { return false };
                let [_, rest @ ..] = from else { return false };
                again = Some((rest, behind));
                (rest, behind)
            }
        };
    }
}
