//! The number of a result's columns, and whether it is the number that the client knows.

use std::num::NonZeroU16;

use super::ResponseWalker;
use crate::{ProtocolError, Reader, StatusFlags};

impl ResponseWalker {
    /// Sets how many columns the client was told of the prepared statement that is being executed. Whether the number changed
    /// since (METADATA_CHANGED) is then a matter of this client, and not of the server connection, where the statement may have
    /// been prepared at another time.
    pub fn expects_columns(&mut self, columns: u16) {
        self.columns = NonZeroU16::new(columns);
    }

    /// Returns the number of columns (at most 65,535), if it is another than `expects_columns` said.
    pub fn other_columns(&self) -> Option<u16> {
        self.other_columns.map(NonZeroU16::get)
    }

    /// Sets METADATA_CHANGED for the client, or takes it away, by the number of columns.
    pub(super) fn compare_columns(&mut self, columns: u64) {
        let Some(expected) = self.columns.take() else { return };
        self.legs.never = StatusFlags::METADATA_CHANGED;
        if u64::from(expected.get()) != columns {
            self.legs.also |= StatusFlags::METADATA_CHANGED;
            let columns = u16::try_from(columns).unwrap_or(u16::MAX);
            self.other_columns = NonZeroU16::new(columns);
        }
    }
}

/// Reads the packet in front of column definitions. Clients take the number 0 for an OK packet, whatever its form.
pub(super) fn number_of_columns(payload: &[u8]) -> Result<u64, ProtocolError> {
    let mut r = Reader::new(payload);
    let columns = r.lenenc("the number of columns")?;
    // MariaDB answers with as many columns as a text asks for.
    let right = r.is_empty() && (1..=u64::from(u32::MAX)).contains(&columns);
    if right {
        Ok(columns)
    } else {
        Err(ProtocolError::Unsupported("a number of columns of 1 to 4294967295"))
    }
}
