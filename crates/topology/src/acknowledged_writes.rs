//! The writes that this worker's clients were told were done. The election (`elect.rs`) needs them once the
//! primary is lost.

use super::gtid::GtidSet;
use super::identity::Flavor;

/// When a source has more intervals than this, they are joined, including the gaps. The gaps are writes of
/// other proxies' clients, which a server that replicates in order has, too.
const MAX_INTERVALS: usize = 64;

/// The acknowledged writes of the latest generation.
#[derive(Debug, Default)]
pub struct AcknowledgedWrites {
    generation: u64,
    set: Option<GtidSet>,
    /// True if a write was acknowledged without its position: nobody can tell which servers have it.
    incomplete: bool,
}

impl AcknowledgedWrites {
    /// Adds a write that a connection of this generation reported. `gtid` is None, or unreadable, if its
    /// position is unknown.
    pub fn add(&mut self, generation: u64, flavor: Flavor, gtid: Option<&[u8]>) {
        if generation > self.generation {
            *self = AcknowledgedWrites { generation, ..AcknowledgedWrites::default() };
        }
        // An older generation does not matter any more.
        if generation < self.generation {
            return;
        }
        let set = self.set.get_or_insert(GtidSet::empty(flavor));
        let known = set.flavor() == flavor && gtid.is_some_and(|gtid| set.insert(gtid).is_ok());
        set.close_gaps(MAX_INTERVALS);
        self.incomplete |= !known;
    }

    /// Returns the acknowledged writes of a generation. None: the position of a write is unknown.
    pub fn of(&self, generation: u64) -> Option<GtidSet> {
        match &self.set {
            Some(set) if self.generation == generation => (!self.incomplete).then(|| set.clone()),
            // Every set contains the empty set, whatever its flavour.
            _ => Some(GtidSet::empty(Flavor::MySql)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

    /// Returns None if the set is incomplete.
    fn text(heard: &AcknowledgedWrites, generation: u64) -> Option<String> {
        heard.of(generation).map(|set| set.to_string())
    }

    #[test]
    fn each_generation_for_itself() {
        let mut heard = AcknowledgedWrites::default();
        assert_eq!(text(&heard, 1).as_deref(), Some(""));
        heard.add(1, Flavor::MariaDb, Some(b"0-1-7"));
        heard.add(1, Flavor::MariaDb, Some(b"0-1-9"));
        heard.add(1, Flavor::MariaDb, Some(b"0-1-8"));
        assert_eq!(text(&heard, 1).as_deref(), Some("0-1-9"));
        heard.add(2, Flavor::MariaDb, Some(b"0-2-10"));
        heard.add(1, Flavor::MariaDb, Some(b"0-1-11"));
        assert_eq!(text(&heard, 2).as_deref(), Some("0-2-10"));
        heard.add(2, Flavor::MariaDb, None);
        assert_eq!(text(&heard, 2), None, "a write without its position");
        assert_eq!(text(&heard, 3).as_deref(), Some(""));
        heard.add(3, Flavor::MariaDb, Some(b"0-1-12"));
        assert_eq!(text(&heard, 3).as_deref(), Some("0-1-12"));
    }

    #[test]
    fn what_cannot_be_read_is_a_write_without_its_position() {
        for gtid in ["0-1", &format!("{A}:7")] {
            let mut heard = AcknowledgedWrites::default();
            heard.add(1, Flavor::MariaDb, Some(gtid.as_bytes()));
            assert_eq!(text(&heard, 1), None);
        }
    }

    #[test]
    fn gaps_of_other_proxies_do_not_pile_up() {
        let mut heard = AcknowledgedWrites::default();
        for number in (1..=1_001).step_by(2) {
            heard.add(1, Flavor::MySql, Some(format!("{A}:{number}").as_bytes()));
        }
        let shown = text(&heard, 1).unwrap();
        assert!(shown.starts_with(&format!("{A}:1-")) && shown.ends_with(":1001"), "{shown}");
        assert!(shown.split(':').count() <= 66, "{shown}");
    }
}
