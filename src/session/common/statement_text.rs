//! Finds the text that a statement executes, and names in that text.

use std::rc::Rc;

use super::classification::{Classifier, prepared_as_text};
use crate::client::{Count, CountQuestion, Request};
use crate::net::Runtime;
use crate::sql::parts::local_files;
use crate::sql::{Effects, MAX_READ};
use crate::state::{Asked, AskedText, PREPARED, with_string};
use crate::terms::Why;
use crate::wire::{Capabilities, Command, Execute};

/// Returns what the server's reports are compared with. `text`: see `Classifier::text_that_sets`.
pub(in crate::session) fn asked<'a>(request: &'a Request, text: Option<&'a Rc<AskedText>>) -> Asked<'a> {
    Asked {
        class: if request.command == Command::StmtPrepare { PREPARED } else { request.class },
        command: request.command,
        arguments: if request.whole { request.arguments() } else { &[] },
        statement: request.statement,
        text,
    }
}

impl<R: Runtime> Classifier<'_, R> {
    /// Returns the text that a statement executes: its own text, or the prepared text that it names.
    pub(in crate::session) fn meant_text(&self, request: &Request) -> Option<std::sync::Arc<[u8]>> {
        if request.statement != 0 {
            let prepared = self.state.statements.peek(request.statement)?;
            let text = Some(&prepared.text.text).filter(|text| text.len() <= MAX_READ)?;
            // The parameter may be the name of the lock: put its value into the text.
            let locks = request.class.reason == Why::NamedLock && request.command == Command::StmtExecute;
            let attributes = self.client.capabilities.contains(Capabilities::QUERY_ATTRIBUTES);
            let named = (locks && prepared.params == 1 && prepared.long_data.is_none())
                .then(|| Execute::parse(request.payload(), 1, attributes).ok())
                .flatten()
                .and_then(|execute| execute.only_string(prepared.types.as_deref()))
                .and_then(|value| with_string(text, value));
            return Some(named.map_or_else(|| text.clone(), std::sync::Arc::from));
        }
        let text = (request.command == Command::Query).then(|| self.client.text_of(request))??;
        if request.class.effects.contains(Effects::EXECUTES)
            && let Some(known) = prepared_as_text(self.state, text)
        {
            return Some(known.text);
        }
        Some(text.into())
    }

    /// Returns the text of a statement that sets state, with which the server's reports are compared.
    pub(in crate::session) fn text_that_sets(&mut self, request: &Request) -> Option<Rc<AskedText>> {
        if request.class.effects.contains(Effects::SETS_STATE) { self.asked_text(request) } else { None }
    }

    /// Returns the text whose answer is under way. It is the same value until the answer is whole, so that what was found in
    /// the text once is not looked for again.
    pub(in crate::session) fn asked_text(&mut self, request: &Request) -> Option<Rc<AskedText>> {
        if [Command::StmtPrepare, Command::InitDb].contains(&request.command) {
            return None;
        }
        if self.measured.asked.is_none() {
            let text = self.meant_text(request)?;
            self.measured.asked = Some(Rc::new(AskedText::new(text, self.state.sql_options())));
        }
        self.measured.asked.clone()
    }

    /// Returns the name in an EXECUTE, a PREPARE or a DEALLOCATE, if the text does nothing else.
    pub(in crate::session) fn statement_name(&self, request: &Request) -> Option<Rc<[u8]>> {
        use crate::sql::parts::{deallocated, executed, prepared_name};
        let (effects, options) = (request.class.effects, self.state.sql_options());
        let named = Effects::PREPARES | Effects::EXECUTES | Effects::DEALLOCATES;
        if !effects.intersects(named) || effects.contains(Effects::SEVERAL) {
            return None;
        }
        let text = self.client.text_of(request)?;
        let name = executed(text, options)
            .or_else(|| deallocated(text, options))
            .or_else(|| prepared_name(text, options));
        name.map(Rc::from)
    }

    /// True unless the text shows, in whatever settings it is read, that it executes nothing that was prepared as text: it is one
    /// statement that reads. (In all character sets of clients these letters and the semicolon are ASCII's.)
    pub(in crate::session) fn may_reach_text_statements(&self, request: &Request) -> bool {
        const READING: [&[u8]; 3] = [b"SELECT", b"SHOW", b"GET"];
        let only_reads = |text: &[u8]| {
            let text = text.trim_ascii();
            let text = text.strip_suffix(b";").unwrap_or(text);
            let word = text.split(|byte| !byte.is_ascii_alphabetic()).next().unwrap_or_default();
            READING.iter().any(|reading| word.eq_ignore_ascii_case(reading)) && !text.contains(&b';')
        };
        !self.meant_text(request).is_some_and(|text| only_reads(&text))
    }

    /// Returns the question if the text is `SELECT ROW_COUNT()` or `SELECT FOUND_ROWS()` and nothing else.
    pub(in crate::session) fn asks_count(&self, request: &Request) -> Option<CountQuestion> {
        let text = self.client.text_of(request).filter(|_| request.command == crate::wire::Command::Query)?;
        let text = text.trim_ascii();
        let text = text.strip_suffix(b";").unwrap_or(text).trim_ascii_end();
        let (verb, column) = text.split_at_checked(b"select ".len())?;
        let count = match column.to_ascii_lowercase().as_slice() {
            b"row_count()" => Count::Row,
            b"found_rows()" => Count::Found,
            _ => return None,
        };
        let column = std::str::from_utf8(column).ok()?.into();
        verb.eq_ignore_ascii_case(b"select ").then_some(CountQuestion { count, column })
    }

    /// Returns the files that a server may ask the client for: those that this LOAD DATA LOCAL names.
    pub(in crate::session) fn local_files(&self, request: &Request) -> Vec<Vec<u8>> {
        if !self.client.capabilities.contains(Capabilities::LOCAL_FILES) {
            return Vec::new();
        }
        let text = self.meant_text(request).unwrap_or_default();
        local_files(&text, self.state.sql_options())
    }
}
