//! The statements prepared on one server connection. A statement is prepared when a session first needs it
//! there, and shared by later sessions. Beyond a limit, the least recently used is closed.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::Carried;

/// A statement's text and the state it was prepared in, shared by all sessions of a worker that prepared the
/// same.
#[derive(Debug)]
pub struct PreparedText {
    /// An id that is unique in the worker for its whole life.
    pub id: u64,
    /// The statement.
    pub text: Arc<[u8]>,
    /// The state at the time: its schema, character set and SQL mode count.
    pub under: Rc<Carried>,
}

/// One statement on a server.
#[derive(Debug, Clone)]
pub struct ServerStatement {
    /// The server's statement id.
    pub id: u32,
    /// The parameter types that were last sent to the server; an execute without types reuses them.
    pub types: Option<Rc<[u8]>>,
    /// True if it was executed with unknown types.
    pub mixed: bool,
    used: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Statements {
    open: HashMap<u64, ServerStatement, RandomState>,
    uses: u64,
    /// Statement ids to close with the next write.
    closing: Vec<u32>,
}

impl Statements {
    /// Returns the statement of this text, if it is prepared here.
    pub fn get(&mut self, text: u64) -> Option<&mut ServerStatement> {
        self.uses += 1;
        let uses = self.uses;
        let statement = self.open.get_mut(&text)?;
        statement.used = uses;
        Some(statement)
    }

    /// True if the server knows a statement by this id.
    pub fn has_id(&self, id: u32) -> bool {
        self.closing.contains(&id) || self.open.values().any(|statement| statement.id == id)
    }

    /// Adds a statement that the server prepared. Closes the previous one of the same text, and the least
    /// recently used beyond `max`.
    pub fn insert(&mut self, text: u64, id: u32, max: usize) {
        self.uses += 1;
        let statement = ServerStatement { id, types: None, mixed: false, used: self.uses };
        if let Some(old) = self.open.insert(text, statement) {
            self.closing.push(old.id);
        }
        while self.open.len() > max.max(1) {
            let oldest = self.open.iter().min_by_key(|(_, s)| s.used).map(|(text, _)| *text);
            oldest.into_iter().for_each(|text| self.close(text));
        }
    }

    /// Closes the statement of this text.
    pub fn close(&mut self, text: u64) {
        self.closing.extend(self.open.remove(&text).map(|s| s.id));
    }

    /// Removes a statement that the server does not know.
    pub fn forget(&mut self, text: u64) {
        self.open.remove(&text);
    }

    /// Closes all statements, because the server has too many.
    pub fn close_all(&mut self) {
        self.closing.extend(self.open.drain().map(|(_, s)| s.id));
    }

    /// Forgets all statements: COM_RESET_CONNECTION closed them.
    pub fn clear(&mut self) {
        self.open.clear();
        self.closing.clear();
    }

    /// True if COM_STMT_CLOSE must be sent.
    pub fn owes_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    /// Takes the ids to close. COM_STMT_CLOSE has no answer.
    pub fn take_closing(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.closing)
    }

    /// Returns how many statements are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// True if no statement is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_is_closed_on_the_server() {
        let mut s = Statements::default();
        s.insert(10, 1, 2);
        s.insert(11, 2, 2);
        assert_eq!(s.get(10).unwrap().id, 1);
        s.insert(12, 3, 2);
        assert_eq!(s.take_closing(), [2]);
        assert!(s.get(11).is_none() && s.get(10).is_some() && s.len() == 2);
        s.insert(10, 4, 2);
        assert_eq!((s.take_closing(), s.get(10).unwrap().id), (vec![1], 4));
        s.close_all();
        assert!(s.owes_closing() && s.is_empty());
        s.clear();
        assert!(!s.owes_closing());
    }
}
