//! Tells the server for which client a statement is (`pool.client_tag`): sessions share server connections, so that a server
//! by itself sees only the proxy.

use crate::client::Request;
use crate::config::ClientTag;
use crate::net::{LARGE_BUFFER, Runtime};
use crate::session::Session;
use crate::wire::{
    Capabilities, Command, Splice, attribute_of_execute, attribute_of_query, client_named, comment_in_front,
};

/// Every server accepts commands of this length, in bytes: the least `max_allowed_packet`.
const ACCEPTED_BY_ALL: usize = 1024;

impl<R: Runtime> Session<R> {
    /// True if servers are to learn for which client a statement is.
    #[inline]
    pub(in crate::session) fn names_client(&self) -> bool {
        self.context.live.borrow().pool.client_tag != ClientTag::Off
    }

    /// Sends a request that is whole in the buffer, with the client's name if the request can have it. Returns true if any
    /// byte was sent.
    pub(in crate::session) async fn send_with_client(&mut self, request: &mut Request) -> bool {
        match self.client_tag(request) {
            Some(tag) => self.upstream.send_changed(request, tag).await,
            None => self.upstream.send_whole(request).await,
        }
    }

    /// Returns the change that adds the client's name to the request. None: the request stays as it is.
    fn client_tag(&self, request: &Request) -> Option<Splice> {
        let tag = self.context.live.borrow().pool.client_tag;
        if request.header.total() > LARGE_BUFFER {
            return None;
        }
        let about = &self.upstream.connection()?.about;
        let attributes = about.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let payload = request.payload();
        let client = || {
            let peer = self.client.handle.peer.get().to_string();
            client_named(&peer, &about.user, self.client.handle.id)
        };
        let splice = match (tag, request.command) {
            (ClientTag::Comment, Command::Query) => comment_in_front(payload, attributes, &client()),
            (ClientTag::Attribute, Command::Query) if attributes => attribute_of_query(payload, &client()),
            (ClientTag::Attribute, Command::StmtExecute) if attributes => {
                let prepared = self.state.statements.peek(request.statement)?;
                let here = prepared.long_data.is_none();
                here.then(|| attribute_of_execute(payload, prepared.params, &client())).flatten()
            }
            _ => None,
        }?;
        let len = splice.len(payload);
        let most = self.context.topology.get().server(about.server)?.facts.as_ref()?.max_packet;
        (len < most.unwrap_or_default().max(ACCEPTED_BY_ALL)).then_some(splice)
    }
}
