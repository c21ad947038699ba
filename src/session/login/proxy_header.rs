//! The connection phase of a client behind a load balancer. The balancer's connection begins with a header of the
//! PROXY protocol, which the session reads before it sends the greeting. From then on the address in the header is
//! the client's address, for limits, logs and errors.
//!
//! The header is required of the peers in `listeners.proxy_protocol_from`. If it were optional, the proxy could only
//! guess: MySQL's clients send nothing before they have the greeting, so "no header" looks like "not yet".

use super::entry::LoginPhase;
use super::phase::{GreetingAnswer, without_a_word};
use crate::client::Failure;
use crate::net::{Buf, Peer, Runtime, Stream};
use crate::terms::{Close, Refused};
use crate::wire::{ProxyHeader, ProxyHeaderStart};
use crate::worker::Signals;

/// The room for a header, in bytes: senders keep it within the smallest TCP segment, of 536 bytes.
const USUAL: usize = 536;

impl<R: Runtime> LoginPhase<'_, R> {
    /// Reads what precedes the greeting, greets the client, and reads its answer.
    pub(super) async fn begin(&mut self) -> Result<GreetingAnswer, Close> {
        let awaits_header = self.client.handle.pass.borrow().awaits_header();
        let early = if awaits_header { self.behind_balancer().await? } else { Buf::default() };
        self.greet(early).await
    }

    /// Reads the PROXY header, and admits the client whose address it has. Returns what came behind the header.
    async fn behind_balancer(&mut self) -> Result<Buf, Close> {
        let (header, behind) = self.read_proxy_header().await?;
        let handle = self.client.handle.clone();
        let balancer = handle.peer.get();
        let client = header.source.map_or(balancer, Peer::from);
        handle.peer.set(client);
        tracing::debug!(id = handle.id, %balancer, peer = %client, "a PROXY header was read");
        let admitted = handle.pass.borrow_mut().read_header(client, &self.context.live().limits);
        let Err(refused) = admitted else { return Ok(behind) };
        let (failure, close) = match refused {
            Refused::AddressConnections => {
                self.note_refusal(refused, b"");
                (Failure::TooManyOfAddress(client.host()), Close::TooManyConnections)
            }
            _ => (self.refusal(refused, b""), Close::LoginFailed),
        };
        Err(self.turn_away(failure, close).await)
    }

    async fn read_proxy_header(&mut self) -> Result<(ProxyHeader, Buf), Close> {
        let mut buf = Buf::default();
        loop {
            let missing = match ProxyHeader::parse(buf.filled()) {
                Ok(ProxyHeaderStart::Whole(header)) => {
                    buf.consume(header.len);
                    return Ok((header, buf));
                }
                Ok(ProxyHeaderStart::Partial { least }) => least.saturating_sub(buf.len()),
                Err(error) => {
                    let failure = Failure::Handshake(error.to_string());
                    return Err(self.turn_away(failure, Close::ClientProtocol).await);
                }
            };
            match self.wait_for_client().await {
                Ok(()) => {}
                Err(Close::LoginTimeout) => return Err(self.no_header_in_time().await),
                Err(close) => return Err(without_a_word(close, &buf)),
            }
            // No buffer before there is something to read.
            let room = if buf.is_empty() { USUAL } else { missing };
            if !buf.make_some_room(room, usize::MAX, &self.context.buffers.memory) {
                return Err(self.turn_away(Failure::OutOfMemory, Close::OutOfMemory).await);
            }
            match self.client.stream.read_now(&mut buf) {
                Ok(Some(0)) | Err(_) => return Err(without_a_word(Close::ClientLost, &buf)),
                Ok(_) => {}
            }
        }
    }

    /// Tells a client that connects directly, from an address of the load balancers, why it got no greeting.
    async fn no_header_in_time(&mut self) -> Close {
        // The error must still be written. If the client does not take it, the next second raises the signal again.
        self.client.handle.signal.lower(Signals::LOGIN);
        let failure = Failure::Handshake(format!(
            "no PROXY header within timeouts.login; listeners.proxy_protocol_from demands one from {}",
            self.client.handle.peer.get().host()
        ));
        self.turn_away(failure, Close::LoginTimeout).await
    }

    /// Sends the error in place of the greeting, and returns the reason to end the session.
    async fn turn_away(&mut self, failure: Failure, close: Close) -> Close {
        let handle = &self.client.handle;
        tracing::debug!(id = handle.id, peer = %handle.peer.get(), ?failure, "error in place of the greeting");
        let _ = self.client.send(0, |out| failure.encode(out)).await;
        close
    }
}
