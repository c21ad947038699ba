//! The default schema of a server connection: selected in front of a statement, and perhaps refused by the server.

use std::rc::Rc;

use super::{Connection, Expect};
use crate::backend::{Carried, ServerError};
use crate::net::{Buf, Stream};
use crate::wire::{PacketHeader, frame_with};

/// A schema that the server refused to select.
#[derive(Debug)]
pub(super) struct RefusedSchema {
    /// The schema.
    pub name: Rc<[u8]>,
    /// The server's error.
    pub error: ServerError,
}

/// Appends COM_INIT_DB.
pub(super) fn frame_init_db(schema: &[u8], out: &mut Vec<u8>) {
    frame_with(out, 0, |out| {
        out.push(0x02);
        out.extend_from_slice(schema);
    });
}

impl<S: Stream> Connection<S> {
    /// Selects the session's schema even if the connection has it, so that the server says what is true of the schema
    /// now, and of the account's rights. Follows `become_session`, and does nothing if that selects a schema.
    pub fn select_again(&mut self, wish: &Carried, out: &mut Vec<u8>) {
        if let Some(schema) = &wish.schema
            && !self.expecting.contains(&Expect::InitDb)
        {
            self.select_in_front(schema, wish, out);
        }
    }

    /// Appends COM_INIT_DB, whose answer is swallowed, on a connection with this session's character set. A server reads the
    /// name in that character set, and the proxy has it in UTF-8.
    pub(super) fn select_in_front(&mut self, schema: &[u8], wish: &Carried, out: &mut Vec<u8>) {
        self.aside.former_schema.clone_from(&self.schema);
        let mut back = b"SET ".to_vec();
        if !schema.is_ascii() {
            wish.write_charset(self.about.flavor, &mut back);
            back.pop();
            self.query_in_front(b"SET NAMES utf8mb4", Expect::Set, out);
        }
        frame_init_db(schema, out);
        self.expecting.push_back(Expect::InitDb);
        if !schema.is_ascii() {
            self.query_in_front(&back, Expect::Set, out);
        }
    }

    /// Returns the error with which the server refused the session's schema, and whether the connection has another
    /// schema instead, in which no statement of the session may run. None: it did not refuse.
    pub fn refused_schema(&self) -> Option<(&ServerError, bool)> {
        let refused = self.aside.refused.as_ref()?;
        let is_another = self.schema.as_ref().is_some_and(|schema| *schema != refused.name);
        Some((&refused.error, is_another))
    }

    /// Records that the server refused the session's schema, with the ERR packet at the front of `buf`.
    pub(super) fn refuses_schema(&mut self, error: ServerError, buf: &mut Buf) {
        if let Some(header) = PacketHeader::parse(buf.filled()) {
            buf.consume(header.total());
        }
        self.expecting.pop_front();
        let Some(wish) = self.applied.clone() else { return };
        let former = self.aside.former_schema.take();
        let Some(name) = std::mem::replace(&mut self.schema, former) else { return };
        self.aside.refused = Some(RefusedSchema { name, error });
        self.now_has(&wish);
    }
}
