//! Whether text, catalogue and reports show everything that a statement left on its connection.

use crate::backend::Connection;
use crate::client::RequestHead;
use crate::net::{Runtime, Stream};
use crate::session::Session;
use crate::sql::Effects;
use crate::telemetry::WorkerMetrics;
use crate::terms::Unexplained;

/// The effects that explain the flag by which servers report that something changed. Other statements explain it if they
/// set variables, and everything in them is explained.
const EXPLAINS: Effects = Effects::SETS_LITERALS
    .union(Effects::SETS_USER_VARIABLES)
    .union(Effects::CREATES_TEMPORARY)
    .union(Effects::DROPS_TABLE)
    .union(Effects::PREPARES)
    .union(Effects::DEALLOCATES)
    .union(Effects::SETS_ROLE)
    .union(Effects::LEAVES_UNKNOWN);

/// True if a statement with these effects explains the flag by which servers report that something changed.
pub(in crate::session) fn explains(effects: Effects) -> bool {
    let sets = Effects::SETS_STATE | Effects::EXPLAINED;
    effects.intersects(EXPLAINS) || effects.contains(sets)
}

/// Records the end of a statement on its connection, and counts a connection that is not explained any more.
pub(in crate::session) fn ran<S: Stream>(
    connection: &mut Connection<S>,
    by: Option<Unexplained>,
    metrics: &WorkerMetrics,
) {
    if connection.ran(by)
        && let Some(by) = by
    {
        metrics.unexplained[by].add(1);
    }
}

impl<R: Runtime> Session<R> {
    /// Returns why text, catalogue and reports do not show everything that the statement left on its connection; None if
    /// they do.
    #[inline]
    pub(in crate::session) fn unexplained(
        &self,
        request: &RequestHead,
        text: Option<&[u8]>,
    ) -> Option<Unexplained> {
        Some(self.or_no_catalogue(self.state.unexplained(&request.class, text)?))
    }

    /// Returns the reason, or that the catalogue was not read, if that is the reason behind it.
    pub(in crate::session) fn or_no_catalogue(&self, by: Unexplained) -> Unexplained {
        let unread =
            by == Unexplained::Relation && self.context.texts.routines.borrow().counts().relations == 0;
        if unread { Unexplained::Catalogue } else { by }
    }
}
