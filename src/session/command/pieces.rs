//! Texts of several statements on a replica port. Each statement is sent to the server alone, on a connection
//! that does not accept several statements in a text, and is checked under the session's state at that
//! moment. So whatever the guard may have misread, no server runs a statement that the proxy does not know
//! of. Between two statements the connection is checked: a connection that could write by now is not used
//! again.
//!
//! The client is answered as by a server: sequence ids continue, each answer but the last says that more
//! follow, and an error ends the text.

use crate::client::{Failure, Piece, Request, RequestHead};
use crate::net::{Claim, Runtime, SMALL_BUFFER};
use crate::session::Session;
use crate::session::common::{Classified, cut, has_several, reads_aside, trimmed};
use crate::sql::Effects;
use crate::sql::read_only::Verdict;
use crate::state::MOST_STATEMENTS;
use crate::terms::{Close, Port};
use crate::wire::{Capabilities, Command, PacketHeader, query_text};

impl<R: Runtime> Session<R> {
    /// Forwards a text that passed the guard: as it is, or one statement at a time.
    pub(in crate::session) async fn forward_text(&mut self, request: &mut Request) -> Result<(), Close> {
        if self.goes_in_pieces(request) {
            return self.one_at_a_time(request).await;
        }
        self.forward(request).await
    }

    /// True if a text has several statements, which are sent one at a time.
    pub(in crate::session) fn goes_in_pieces(&self, request: &Request) -> bool {
        let text = if self.takes_several(request) { self.client.text_of(request) } else { None };
        text.is_some_and(|text| text.contains(&b';') && has_several(text, self.state.sql_options()))
    }

    /// True if the client may send several statements in this text, but its server connection does not accept
    /// these.
    pub(in crate::session) fn takes_several(&self, request: &RequestHead) -> bool {
        self.client.port == Port::Replica
            && request.command == Command::Query
            && self.client.capabilities.contains(Capabilities::MULTI_STATEMENTS)
    }

    pub(in crate::session) async fn one_at_a_time(&mut self, whole: &mut Request) -> Result<(), Close> {
        let done = self.each_statement(whole).await;
        self.client.piece = Piece::default();
        whole.buf.consume(whole.header.total());
        done
    }

    async fn each_statement(&mut self, whole: &Request) -> Result<(), Close> {
        let attributed = self.client.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let arguments = whole.arguments();
        let text = query_text(arguments, attributed).unwrap_or_default();
        // Query attributes belong to the first statement.
        let mut attributes = arguments.get(..arguments.len() - text.len()).unwrap_or_default();
        let mut rest = trimmed(text);
        let mut ahead = 0u8;
        loop {
            let cut = cut(rest, self.state.sql_options());
            let Some(mut request) = self.request_of(attributes, cut.text, ahead) else {
                return self.replies().send_failure(ahead.wrapping_add(1), &Failure::OutOfMemory).await;
            };
            self.observation().begin(&request);
            let Classified { verdict, class, .. } = if reads_aside(self.client.port, cut.text.len()) {
                let place = request.buf.len() - cut.text.len()..request.buf.len();
                self.classifier().look_aside(&mut request.buf, place).await?
            } else {
                self.classifier().look(cut.text)
            };
            if let Verdict::Refused(refusal) = verdict {
                self.state.refuses_to_prepare(cut.text);
                return self
                    .replies()
                    .send_failure(request.answer_seq(), &Failure::ReadOnlyPort(refusal))
                    .await;
            }
            request.class = class;
            if request.class.effects.contains(Effects::PREPARES)
                && !self.context.may_keep_text(cut.text.len())
            {
                self.state.refuses_to_prepare(cut.text);
                return self
                    .replies()
                    .send_failure(request.answer_seq(), &Failure::TooManyStatements(MOST_STATEMENTS))
                    .await;
            }
            request.class = match self.classifier().class_looked_into(cut.text, request.class) {
                Ok(class) => class,
                Err(refusal) => {
                    let failure = Failure::ReadOnlyPort(refusal);
                    return self.replies().send_failure(request.answer_seq(), &failure).await;
                }
            };
            let judged = self.context.topology.modes();
            self.client.piece = Piece { more: cut.rest.is_some(), judged };
            self.forward(&mut request).await?;
            self.context.buffers.give(request.buf);
            let (Some(behind), Some(next)) = (cut.rest, self.state.answer.next_seq) else { return Ok(()) };
            if self.state.answer.failed() {
                return Ok(());
            }
            self.upstream.release_after_statement(&mut self.state);
            ahead = next.wrapping_sub(1);
            attributes = if attributed { &[0, 1] } else { &[] };
            rest = behind;
        }
    }

    /// Builds the COM_QUERY of one statement. None: there is no memory for it.
    fn request_of(&self, attributes: &[u8], text: &[u8], ahead: u8) -> Option<Request> {
        let header = PacketHeader { len: 1 + attributes.len() + text.len(), seq: 0 };
        let grows = header.total().saturating_sub(SMALL_BUFFER);
        if grows > 0 && !self.context.buffers.memory.grant(Claim::Statement, grows) {
            return None;
        }
        let mut packet = self.client.buffer();
        packet.extend_from_slice(&header.to_bytes());
        // COM_QUERY
        packet.extend_from_slice(&[3]);
        packet.extend_from_slice(attributes);
        packet.extend_from_slice(text);
        let header = PacketHeader { seq: ahead, ..header };
        let mut request = Request::reading_into(packet);
        request.begin(header, Command::Query);
        Some(request)
    }
}
