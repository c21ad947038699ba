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
pub struct InsertIdCell(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    value: Cell<InsertId>,
    /// Counts the values: what a connection tells of a former one is of no use.
    number: Cell<u32>,
    /// True if a connection will tell the value.
    linked: Cell<bool>,
}

impl Default for InsertIdCell {
    fn default() -> Self {
        let value = Cell::new(InsertId::Known(0));
        InsertIdCell(Rc::new(Shared { value, number: Cell::new(0), linked: Cell::new(false) }))
    }
}

impl InsertIdCell {
    /// Returns where the value is.
    pub fn get(&self) -> InsertId {
        self.0.value.get()
    }

    /// Sets where the value is.
    pub fn set(&self, value: InsertId) {
        self.0.value.set(value);
        self.0.number.set(self.0.number.get().wrapping_add(1));
        self.0.linked.set(false);
    }

    /// True if a connection that is parked, or is being closed, will still tell the value.
    pub fn is_coming(&self) -> bool {
        self.get() == InsertId::OnConnection && self.0.linked.get()
    }

    /// Returns the link that the connection with the value keeps while it is parked.
    pub fn link(&self) -> PendingInsertId {
        self.0.linked.set(true);
        PendingInsertId { cell: Some(self.clone()), number: self.0.number.get() }
    }
}

/// A parked connection's link to the session that must learn the value before it is lost. Dropping it marks
/// the value as lost, unless the session has another one by now.
#[derive(Debug)]
pub struct PendingInsertId {
    cell: Option<InsertIdCell>,
    number: u32,
}

impl PendingInsertId {
    /// Removes the link: the session has reclaimed its connection.
    pub fn revoke(mut self) {
        if let Some(cell) = self.cell.take().filter(|cell| cell.0.number.get() == self.number) {
            cell.0.linked.set(false);
        }
    }

    /// True if the session is still there.
    fn is_awaited(&self) -> bool {
        self.cell.as_ref().is_some_and(|cell| Rc::strong_count(&cell.0) > 1)
    }

    /// Passes the value to the session.
    pub fn deliver(mut self, id: u64) {
        self.tell(InsertId::Known(id));
    }

    fn tell(&mut self, value: InsertId) {
        if let Some(cell) = self.cell.take().filter(|cell| cell.0.number.get() == self.number) {
            cell.set(value);
        }
    }
}

impl Drop for PendingInsertId {
    fn drop(&mut self) {
        self.tell(InsertId::Lost);
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
        assert!(!cell.is_coming());
        let link = cell.link();
        assert!(cell.is_coming() && link.is_awaited());
        drop(link);
        assert_eq!(cell.get(), InsertId::Lost);
    }

    #[test]
    fn what_comes_too_late_changes_nothing() {
        let cell = InsertIdCell::default();
        for of_now in [InsertId::OnConnection, InsertId::Known(9)] {
            cell.set(InsertId::OnConnection);
            let (told, lost, revoked) = (cell.link(), cell.link(), cell.link());
            cell.set(of_now);
            told.deliver(7);
            drop(lost);
            assert_eq!((cell.get(), cell.is_coming()), (of_now, false));
            cell.link().deliver(8);
            revoked.revoke();
            assert_eq!(cell.get(), InsertId::Known(8));
        }
    }
}
