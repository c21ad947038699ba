//! Notices that a server's name leads to other addresses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::net::Endpoint;

/// How often a name is looked up. The system's resolver does not tell for how long an answer counts; the shortest times in
/// use are a few seconds.
const PERIOD: Duration = Duration::from_secs(2);

/// A name, and the address that a connection was opened to.
pub(super) struct NameWatch {
    host: String,
    port: u16,
    address: IpAddr,
    /// The last answer.
    known: Vec<IpAddr>,
    /// When the next look-up is due.
    due: Instant,
    /// The look-up under way. It may take longer than anybody waits for `moved`.
    asking: Option<JoinHandle<std::io::Result<Vec<SocketAddr>>>>,
}

impl Drop for NameWatch {
    fn drop(&mut self) {
        if let Some(asking) = &self.asking {
            asking.abort();
        }
    }
}

/// What the name does not lead to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftAddresses {
    /// The address that the connection was opened to.
    Own,
    /// Another one.
    Another,
}

impl NameWatch {
    /// Returns None if the server's address is no name, or the connection's is unknown.
    pub fn of(server: &str, address: Option<IpAddr>) -> Option<Self> {
        let Endpoint::Tcp { host, port } = server.parse().ok()? else { return None };
        let is_name = host.parse::<IpAddr>().is_err();
        let watch = |address| {
            let due = Instant::now() + PERIOD;
            NameWatch { host, port, address, known: vec![address], due, asking: None }
        };
        address.filter(|_| is_name).map(watch)
    }

    /// Returns when the name does not lead to an address any more. A name that cannot be looked up still leads there. The
    /// future may be dropped at any time.
    pub async fn left(&mut self) -> LeftAddresses {
        loop {
            if self.asking.is_none() {
                sleep_until(self.due).await;
                let (host, port) = (self.host.clone(), self.port);
                let look_up =
                    async move { tokio::net::lookup_host((host, port)).await.map(Iterator::collect) };
                self.asking = Some(tokio::spawn(look_up));
            }
            let Some(asking) = &mut self.asking else { continue };
            let answer = asking.await;
            self.asking = None;
            self.due = Instant::now() + PERIOD;
            let Ok(Ok(addresses)) = answer else { continue };
            if addresses.is_empty() {
                continue;
            }
            let now: Vec<_> = addresses.iter().map(SocketAddr::ip).collect();
            let before = std::mem::replace(&mut self.known, now);
            if !self.known.contains(&self.address) {
                return LeftAddresses::Own;
            }
            if before.iter().any(|address| !self.known.contains(address)) {
                return LeftAddresses::Another;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_that_leads_elsewhere_has_moved() {
        let at = |server: &str, address: [u8; 4]| NameWatch::of(server, Some(IpAddr::from(address)));
        assert!(at("10.0.0.7:3306", [10, 0, 0, 8]).is_none(), "an address is no name");
        assert!(at("unix:/run/mysqld.sock", [127, 0, 0, 1]).is_none());
        assert!(NameWatch::of("localhost:3306", None).is_none());
        let began = Instant::now();
        assert_eq!(at("localhost:3306", [10, 0, 0, 8]).unwrap().left().await, LeftAddresses::Own);
        assert!(began.elapsed() >= PERIOD);
        let mut stays = at("localhost:3306", [127, 0, 0, 1]).unwrap();
        assert!(tokio::time::timeout(PERIOD * 3, stays.left()).await.is_err());
        stays.known.push(IpAddr::from([10, 0, 0, 9]));
        assert_eq!(stays.left().await, LeftAddresses::Another);
        let mut lost = at("nobody.invalid:3306", [10, 0, 0, 8]).unwrap();
        assert!(tokio::time::timeout(PERIOD * 3, lost.left()).await.is_err(), "no answer proves nothing");
    }
}
