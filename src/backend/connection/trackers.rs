//! The session trackers of a connection, which the proxy sets for itself.

use super::{Connection, Expect};
use crate::net::Stream;
use crate::topology::Flavor;
use crate::wire::Tracked;

impl<S: Stream> Connection<S> {
    /// Notes that the session's statement changed the trackers: the next statement sets the proxy's own again. Nothing else is
    /// set again, since what that statement changed besides may not have been reported.
    pub fn trackers_changed(&mut self) {
        self.trackers_changed = true;
    }

    /// Appends a statement by which the variables of the session trackers read as those of the client. The next statement sets
    /// the proxy's own again.
    pub fn show_trackers(&mut self, tracked: &Tracked, out: &mut Vec<u8>) {
        let mut set = b"SET ".to_vec();
        tracked.write(self.about.flavor == Flavor::MySql && !self.in_transaction, &mut set);
        self.query_in_front(&set, Expect::Set, out);
        self.trackers_changed();
    }
}
