//! What `LAST_INSERT_ID()` returns to a session. After an INSERT only the server knows: the id in an OK
//! packet may also be a value that the statement itself supplied, which `LAST_INSERT_ID()` ignores. So the
//! proxy queries the connection before another session gets it.

use std::cell::Cell;
use std::rc::Rc;

use super::Connection;
use crate::net::Stream;

/// Where the session's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertId {
    /// In the proxy.
    Known(u64),
    /// On the session's connection to the primary.
    OnConnection,
    /// Lost with that connection.
    Lost,
}

/// The session's insert id. A parked connection can share the cell.
#[derive(Debug, Clone)]
pub struct InsertIdCell(Rc<Cell<InsertId>>);

impl Default for InsertIdCell {
    fn default() -> Self {
        InsertIdCell(Rc::new(Cell::new(InsertId::Known(0))))
    }
}

impl InsertIdCell {
    /// Returns where the value is.
    pub fn get(&self) -> InsertId {
        self.0.get()
    }

    /// Sets where the value is.
    pub fn set(&self, value: InsertId) {
        self.0.set(value);
    }

    /// Returns the link that the connection with the value keeps while it is parked.
    pub fn link(&self) -> PendingInsertId {
        PendingInsertId(Some(self.clone()))
    }
}

/// A parked connection's link to the session that must learn the value before it is lost. Dropping it marks
/// the value as lost.
#[derive(Debug)]
pub struct PendingInsertId(Option<InsertIdCell>);

impl PendingInsertId {
    /// Removes the link: the session has reclaimed its connection.
    pub fn revoke(mut self) {
        self.0 = None;
    }

    /// True if the session is still there.
    fn is_awaited(&self) -> bool {
        self.0.as_ref().is_some_and(|cell| Rc::strong_count(&cell.0) > 1)
    }

    /// Passes the value to the session.
    pub fn deliver(mut self, id: u64) {
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

impl<S: Stream> Connection<S> {
    /// True if a session needs the insert id that only this parked connection knows.
    pub fn is_awaited(&self) -> bool {
        self.pending_insert_id.as_ref().is_some_and(PendingInsertId::is_awaited)
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
        cell.link().revoke();
        assert_eq!(cell.get(), InsertId::OnConnection);
        cell.link().deliver(7);
        assert_eq!(cell.get(), InsertId::Known(7));
        cell.set(InsertId::OnConnection);
        drop(cell.link());
        assert_eq!(cell.get(), InsertId::Lost);
    }
}
