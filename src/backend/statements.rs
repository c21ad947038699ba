//! The prepared statements that one server connection has: prepared when a session first
//! needs them there, shared by the sessions that come to it, the least used closed first.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::Carried;

/// A text and what it was prepared under, alike for all sessions of a worker that prepared the same.
#[derive(Debug)]
pub struct PreparedText {
    /// Tells it apart from all others of the worker, now and later.
    pub id: u64,
    /// The statement.
    pub text: Arc<[u8]>,
    /// Schema, character set and SQL mode were these.
    pub under: Rc<Carried>,
}

/// One statement on a server.
#[derive(Debug, Clone)]
pub struct ServerStatement {
    /// The server's id of it.
    pub id: u32,
    /// The parameter types that the server was told last; an execute without types means these.
    pub types: Option<Rc<[u8]>>,
    /// True if it was executed with types that are not known.
    pub mixed: bool,
    used: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Statements {
    open: HashMap<u64, ServerStatement>,
    uses: u64,
    /// To be closed with the next write.
    closing: Vec<u32>,
}

impl Statements {
    /// The statement of this text, if it is prepared here.
    pub fn get(&mut self, text: u64) -> Option<&mut ServerStatement> {
        self.uses += 1;
        let uses = self.uses;
        let statement = self.open.get_mut(&text)?;
        statement.used = uses;
        Some(statement)
    }

    /// The server prepared it. What it had under the same text before is closed, and the least used beyond `max`.
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

    /// It is not wanted here any more.
    pub fn close(&mut self, text: u64) {
        self.closing.extend(self.open.remove(&text).map(|s| s.id));
    }

    /// The server says that it does not know it.
    pub fn forget(&mut self, text: u64) {
        self.open.remove(&text);
    }

    /// Closes all: the server has too many.
    pub fn close_all(&mut self) {
        self.closing.extend(self.open.drain().map(|(_, s)| s.id));
    }

    /// COM_RESET_CONNECTION closed all of them.
    pub fn clear(&mut self) {
        self.open.clear();
        self.closing.clear();
    }

    /// Whether COM_STMT_CLOSE is owed.
    pub fn owes_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    /// Those to close now: COM_STMT_CLOSE has no answer.
    pub fn take_closing(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.closing)
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
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
