//! Which server a connection leads to. A name, or the address of a pod that is gone, may lead to another server than the one
//! that the monitor sees: nothing that is known of one may be assumed of the other.

use super::connect::{ConnectError, Target};
use super::{Connection, QueryError};
use crate::net::Stream;
use crate::topology::Flavor;

/// Returns the question whose answer, in the column `instance`, no two servers have in common that live at the same time. It
/// needs no privilege.
pub const fn instance_question(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MySql => {
            "SELECT CONCAT_WS('/', @@global.server_uuid, @@global.hostname, @@global.port, @@global.datadir) AS instance"
        }
        Flavor::MariaDb => {
            "SELECT CONCAT_WS('/', @@global.server_id, @@global.hostname, @@global.port, @@global.datadir) AS instance"
        }
    }
}

impl<S: Stream> Connection<S> {
    /// Checks, right after the login, that the connection leads to the server that the monitor sees at this address. An
    /// account that may run nothing yet (its password has expired) is not checked.
    pub async fn check_instance(&mut self, target: &Target) -> Result<(), ConnectError> {
        if target.instance.is_empty() {
            return Ok(());
        }
        let answer = self.query(instance_question(self.about.flavor)).await;
        // Row counts and FOUND_ROWS() are about the question now.
        self.has_past = true;
        self.counted_another = true;
        let sets = match answer {
            Ok(sets) => sets,
            Err(QueryError::Refused(_)) => return Ok(()),
            Err(QueryError::Io(error)) => return Err(error.into()),
            Err(QueryError::Protocol(error)) => return Err(error.into()),
        };
        let found = sets.first().and_then(|set| set.rows.first()?.first()?.as_deref());
        if found.is_some_and(|found| found != target.instance.as_bytes()) {
            return Err(ConnectError::AnotherServer {
                server: target.name.clone(),
                address: target.address.clone(),
            });
        }
        Ok(())
    }
}
