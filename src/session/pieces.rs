//! Texts of several statements on a replica port. Each statement is sent to the server alone, on a connection
//! that does not accept several statements in a text, and is checked under the session's state at that
//! moment. So whatever the guard may have misread, no server runs a statement that the proxy does not know
//! of. Between two statements the connection is checked: a connection that could write by now is not used
//! again.
//!
//! The client is answered as by a server: sequence ids continue, each answer but the last says that more
//! follow, and an error ends the text.

use super::request::Request;
use super::{Failure, Session};
use crate::net::{Buf, Claim, Runtime, SMALL_BUFFER};
use crate::sql::read_only::{Verdict, first_statement, is_blank};
use crate::sql::{Effects, Options};
use crate::state::MOST_STATEMENTS;
use crate::terms::{Close, Port};
use crate::topology::TextModes;
use crate::wire::{Capabilities, Command, PacketHeader, query_text};

/// Where the statement under way stands in its text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Piece {
    /// True if other statements follow, unless this one fails.
    pub more: bool,
    /// The ways in which the servers known at that time might read the statement's text. Empty if the text
    /// was not checked.
    pub judged: TextModes,
}

/// The first statement of a text, and the rest.
struct Cut<'a> {
    text: &'a [u8],
    /// What follows the statement's semicolon.
    rest: Option<&'a [u8]>,
}

impl<R: Runtime> Session<R> {
    /// Forwards a text that passed the guard: as it is, or one statement at a time.
    pub(super) async fn forward_text(&mut self, buf: &mut Buf, request: &mut Request) -> Result<(), Close> {
        if self.goes_in_pieces(buf, request) {
            return self.one_at_a_time(buf, *request).await;
        }
        self.forward(buf, request).await
    }

    /// True if a text has several statements, which are sent one at a time.
    pub(super) fn goes_in_pieces(&self, buf: &Buf, request: &Request) -> bool {
        let text = if self.takes_several(request) { self.text_of(buf, *request) } else { None };
        text.is_some_and(|text| text.contains(&b';') && has_several(text, self.state.sql_options()))
    }

    /// True if the client may send several statements in this text, but its server connection does not accept
    /// these.
    pub(super) fn takes_several(&self, request: &Request) -> bool {
        self.port == Port::Replica
            && request.command == Command::Query
            && self.capabilities.contains(Capabilities::MULTI_STATEMENTS)
    }

    pub(super) async fn one_at_a_time(&mut self, buf: &mut Buf, whole: Request) -> Result<(), Close> {
        let done = self.each_statement(buf, whole).await;
        self.handle.piece.set(Piece::default());
        buf.consume(whole.header.total());
        done
    }

    async fn each_statement(&mut self, buf: &Buf, whole: Request) -> Result<(), Close> {
        let attributed = self.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
        let arguments = whole.arguments(buf);
        let text = query_text(arguments, attributed).unwrap_or_default();
        // Query attributes belong to the first statement.
        let mut attributes = arguments.get(..arguments.len() - text.len()).unwrap_or_default();
        let mut rest = trimmed(text);
        let mut ahead = 0u8;
        loop {
            let cut = cut(rest, self.state.sql_options());
            let Some((mut packet, mut request)) = self.request_of(attributes, cut.text, ahead) else {
                return self.send_failure(ahead.wrapping_add(1), &Failure::OutOfMemory).await;
            };
            let look = if self.reads_aside(cut.text.len()) {
                let place = packet.len() - cut.text.len()..packet.len();
                self.look_aside(&mut packet, place).await?
            } else {
                self.look(cut.text)
            };
            if let Verdict::Refused(reason) = look.verdict {
                return self
                    .send_failure(request.answer_seq(), &Failure::ReadOnlyPort(reason.as_str()))
                    .await;
            }
            request.class = look.class;
            if request.class.effects.contains(Effects::PREPARES) && !self.may_keep_text(cut.text.len()) {
                return self
                    .send_failure(request.answer_seq(), &Failure::TooManyStatements(MOST_STATEMENTS))
                    .await;
            }
            request.class = self.class_looked_into(cut.text, request.class);
            let judged = self.context.topology.modes();
            self.handle.piece.set(Piece { more: cut.rest.is_some(), judged });
            self.forward(&mut packet, &mut request).await?;
            self.context.buffers.give(packet);
            let (Some(behind), Some(next)) = (cut.rest, self.state.answer.next_seq) else { return Ok(()) };
            if self.state.answer.failed {
                return Ok(());
            }
            self.release_after_statement();
            ahead = next.wrapping_sub(1);
            attributes = if attributed { &[0, 1] } else { &[] };
            rest = behind;
        }
    }

    /// Builds the COM_QUERY of one statement. None: there is no memory for it.
    fn request_of(&self, attributes: &[u8], text: &[u8], ahead: u8) -> Option<(Buf, Request)> {
        let header = PacketHeader { len: 1 + attributes.len() + text.len(), seq: 0 };
        let grows = header.total().saturating_sub(SMALL_BUFFER);
        if grows > 0 && !self.context.buffers.memory.grant(Claim::Statement, grows) {
            return None;
        }
        let mut packet = self.buffer();
        packet.extend_from_slice(&header.to_bytes());
        // COM_QUERY
        packet.extend_from_slice(&[3]);
        packet.extend_from_slice(attributes);
        packet.extend_from_slice(text);
        let header = PacketHeader { seq: ahead, ..header };
        let request = Request::at(&packet, header, Command::Query);
        Some((packet, request))
    }
}

/// Splits the first statement off a text. If that statement is empty, the rest is not split off: servers
/// reject an empty statement in the middle of a text, too.
fn cut(text: &[u8], options: Options) -> Cut<'_> {
    match first_statement(text, options) {
        (first, Some(_)) if is_blank(first, options) => Cut { text, rest: None },
        (first, rest) => Cut { text: first, rest },
    }
}

/// True if a text has several statements.
pub(super) fn has_several(text: &[u8], options: Options) -> bool {
    cut(trimmed(text), options).rest.is_some()
}

/// Returns a text without the semicolons and white space at its end, which the servers cut off, too.
fn trimmed(text: &[u8]) -> &[u8] {
    let is_garbage = |byte: &u8| matches!(byte, b';' | b' ' | b'\t'..=b'\r');
    let length = text.iter().rposition(|byte| !is_garbage(byte)).map_or(0, |last| last + 1);
    text.get(..length).unwrap_or_default()
}
