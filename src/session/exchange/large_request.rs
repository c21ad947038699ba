//! Forwards requests that are larger than a buffer, while their bytes arrive.

use crate::client::{Failure, PacketRun};
use crate::net::{Buf, Runtime};
use crate::routing::may_stay;
use crate::session::Session;
use crate::session::fresh::{Freshness, Needed};
use crate::terms::{Close, Role};
use crate::worker::Signals;

/// How a large request went to the server.
pub(in crate::session) struct Streamed {
    /// The sequence id of the answer's first packet.
    pub seq: u8,
    /// The number of the request's packets; 255 stands for more.
    pub packets: u8,
    /// True if something was sent.
    pub sent: bool,
}

impl<R: Runtime> Session<R> {
    /// Streams a request that is larger than the buffer. Reads the client's request to its end even if the
    /// server is lost on the way, because the client reads an answer only then. If the server refuses the request in
    /// the middle, the rest stays unread, as on a server.
    pub(in crate::session) async fn send_large(
        &mut self,
        buf: &mut Buf,
        freshness: &Freshness,
    ) -> Result<Streamed, Close> {
        let mut run = PacketRun::command(0).from_compressed(self.client.compresses());
        let (mut broken, mut any) = (false, false);
        if let Some(connection) = self.upstream.connection_mut() {
            connection.begins();
        }
        let mut head = self.context.buffers.large();
        if !self.upstream.prelude.is_empty() {
            self.context.metrics.replays.add(1);
            head.extend_from_slice(&std::mem::take(&mut self.upstream.prelude));
        }
        let mut ahead = head.len();
        head.extend_from_slice(buf.filled());
        buf.clear();
        loop {
            let Some(used) = head.filled_mut().get_mut(ahead..).and_then(|input| run.feed(input)) else {
                self.upstream.server_lost();
                return Err(self.client.refuse(run.seq, &Failure::OutOfOrder, Close::ClientProtocol).await);
            };
            let tail = head.filled().get(ahead + used..).unwrap_or_default().to_vec();
            head.truncate(ahead + used);
            // A server that is no longer the primary must not get the rest, and never answers without it:
            // give it up.
            if ahead == 0 && !self.keeps_its_role(freshness) {
                self.upstream.server_lost();
                broken = true;
            }
            let mut refused = false;
            if !broken {
                any = true;
                (broken, head) = self.upstream.write_server(head).await;
                refused = broken && self.is_refused_midway().await;
            }
            head.clear();
            head.extend_from_slice(&tail);
            ahead = 0;
            if refused {
                buf.extend_from_slice(head.filled());
                self.context.buffers.give(head);
                let streamed = Streamed { seq: run.seq, packets: run.packets, sent: true };
                self.measured.unread = Some(run).filter(|run| !run.has_ended());
                return Ok(streamed);
            }
            if run.has_ended() {
                buf.extend_from_slice(head.filled());
                self.context.buffers.give(head);
                if broken {
                    // The server may still report why it broke off (1153, a packet too large): let the next
                    // step read that. If the server was given up, there is no connection to read from.
                    self.client.handle.signal.lower(Signals::LOST);
                }
                return Ok(Streamed { seq: run.seq, packets: run.packets, sent: any });
            }
            match self.client.fill(&mut head, run.seq).await {
                Ok(n) if n > 0 => {}
                ended => {
                    self.upstream.server_lost();
                    return Err(ended.err().unwrap_or(Close::ClientLost));
                }
            }
        }
    }

    /// True if the connection in use may get more of a request, because its server still has its role.
    pub(in crate::session) fn keeps_its_role(&mut self, freshness: &Freshness) -> bool {
        let Some(connection) = self.upstream.connection() else { return false };
        let before = self.state.pins.on(self.upstream.role).without(self.upstream.sent);
        if !before.is_empty()
            && self.client.handle.servers.attached().is_some_and(|kept| self.context.is_good(kept))
        {
            // Earlier statements pinned the session to this connection, so this statement continues there.
            return true;
        }
        let about = &connection.about;
        let want = self.context.want(self.client.port, self.upstream.role);
        let snapshot = self.context.topology.get();
        let avoid = if self.upstream.role == Role::Replica {
            self.reads.not_fresh(&Needed { written: &self.state.written, freshness }, &snapshot)
        } else {
            Vec::new()
        };
        may_stay(want, &snapshot, about.server, about.generation, &avoid)
            // A transaction that is open on a replica continues there even if the replica lost its role, as long as
            // the replica is alive.
            || (about.class.read_only && self.state.in_transaction())
    }
}
