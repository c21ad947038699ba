//! What `LAST_INSERT_ID()` answers to a session. After an INSERT only the server knows: the
//! id in an OK packet is also a value that the statement gave itself, which does not count.
//! So the connection is asked before another session gets it.

use std::cell::Cell;
use std::rc::Rc;

/// Where the value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertId {
    /// Here.
    Known(u64),
    /// On the session's connection to the primary.
    OnConnection,
    /// It went with that connection.
    Lost,
}

/// The session's own, which a connection can be given a share of.
#[derive(Debug, Clone)]
pub struct InsertIdCell(Rc<Cell<InsertId>>);

impl Default for InsertIdCell {
    fn default() -> Self {
        InsertIdCell(Rc::new(Cell::new(InsertId::Known(0))))
    }
}

impl InsertIdCell {
    /// As of now.
    pub fn get(&self) -> InsertId {
        self.0.get()
    }

    /// Something else from now on.
    pub fn set(&self, value: InsertId) {
        self.0.set(value);
    }

    /// For the connection that knows it, while it waits.
    pub fn bequeath(&self) -> PendingInsertId {
        PendingInsertId(Some(self.clone()))
    }
}

/// With a waiting connection: the session that must be told before the value is gone.
#[derive(Debug)]
pub struct PendingInsertId(Option<InsertIdCell>);

impl PendingInsertId {
    /// The session has its connection back.
    pub fn revoke(mut self) {
        self.0 = None;
    }

    /// The value.
    pub fn tell(mut self, id: u64) {
        if let Some(cell) = self.0.take() {
            cell.set(InsertId::Known(id));
        }
    }
}

impl Drop for PendingInsertId {
    fn drop(&mut self) {
        if let Some(cell) = self.0.take() {
            cell.set(InsertId::Lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_told_or_knows_that_it_is_lost() {
        let cell = InsertIdCell::default();
        assert_eq!(cell.get(), InsertId::Known(0));
        cell.set(InsertId::OnConnection);
        cell.bequeath().revoke();
        assert_eq!(cell.get(), InsertId::OnConnection);
        cell.bequeath().tell(7);
        assert_eq!(cell.get(), InsertId::Known(7));
        cell.set(InsertId::OnConnection);
        drop(cell.bequeath());
        assert_eq!(cell.get(), InsertId::Lost);
    }
}
