//! Acknowledged writes that a new primary is not known to have. Nobody can bring them back; somebody must hear of them.

use super::types::*;

/// The longest position that is shown.
const MAX_SHOWN: usize = 200;

/// What a new primary is not known to have of its predecessor's writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InQuestion {
    /// How many writes these are, at most.
    pub writes: u64,
    acknowledged: String,
    held: String,
}

impl InQuestion {
    /// Returns None if `new` has all that the former primary `old` was seen with, and that clients were told was done, as far
    /// as positions tell. The majority of a group has what a member accepts.
    pub fn of(
        before: &Snapshot,
        acknowledged: Option<&Acknowledged>,
        old: Option<&Server>,
        new: &Server,
    ) -> Option<Self> {
        let facts = new.facts.as_ref().filter(|facts| facts.gtid_on && new.member.is_none())?;
        let told =
            acknowledged.filter(|writes| writes.generation == before.generation).map(|writes| &writes.set);
        let seen = || old.and_then(|old| old.facts.as_ref()).filter(|old| old.gtid_on).map(|old| &old.gtid);
        let wanted = told.or_else(seen)?;
        if new.has(wanted) {
            return None;
        }
        let all = new.all_held(facts);
        Some(InQuestion { writes: wanted.count_beyond(&all), acknowledged: shown(wanted), held: shown(&all) })
    }
}

impl std::fmt::Display for InQuestion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let InQuestion { writes, acknowledged, held } = self;
        write!(
            f,
            "up to {writes} acknowledged writes are not known to be there (acknowledged: {acknowledged}; there: {held})"
        )
    }
}

pub(super) fn shown(set: &super::GtidSet) -> String {
    let text = set.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        _ if text.is_empty() => "nothing".to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
