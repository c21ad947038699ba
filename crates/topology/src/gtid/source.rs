//! MySQL's GTID sets for reading a binary log: adding one transaction after another, and the form in which
//! COM_BINLOG_DUMP_GTID excludes a set.

use super::GtidSet;
use super::mysql::{Interval, UuidSource};

/// One transaction on MySQL, whose GTID has no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gtid {
    /// The UUID of the server that numbered it.
    pub source: u128,
    /// Its number.
    pub number: u64,
}

impl GtidSet {
    /// Adds one transaction.
    pub fn add_one(&mut self, Gtid { source, number }: Gtid) {
        if let GtidSet::MySql(set) = self {
            set.add(UuidSource::of(source), Interval { first: number, last: number });
        }
    }

    /// Encodes the set for COM_BINLOG_DUMP_GTID, without GTIDs that have a tag: the number of sources; for
    /// each source its UUID and the number of its intervals; for each interval its first number and its last
    /// number plus one.
    pub fn dump_form(&self) -> Vec<u8> {
        let GtidSet::MySql(set) = self else { return vec![0; 8] };
        let untagged = || set.sources.iter().filter(|(source, _)| source.untagged().is_some());
        let mut out = (untagged().count() as u64).to_le_bytes().to_vec();
        for (source, intervals) in untagged() {
            out.extend_from_slice(&source.uuid.to_be_bytes());
            out.extend_from_slice(&(intervals.len() as u64).to_le_bytes());
            for Interval { first, last } in intervals {
                out.extend_from_slice(&first.to_le_bytes());
                out.extend_from_slice(&(last + 1).to_le_bytes());
            }
        }
        out
    }
}

impl UuidSource {
    fn of(uuid: u128) -> Self {
        UuidSource { uuid, tag: [0; 32] }
    }

    fn untagged(&self) -> Option<u128> {
        (self.tag == [0; 32]).then_some(self.uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Flavor;

    const A: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
    const B: &str = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb";

    fn set(text: &str) -> GtidSet {
        GtidSet::parse(Flavor::MySql, text).unwrap()
    }

    #[test]
    fn transactions_are_added_one_by_one() {
        let mut known = set(&format!("{A}:1-5:9"));
        known.add_one(Gtid { source: 0xaaaa_aaaa_aaaa_aaaa_aaaa_aaaa_aaaa_aaaa, number: 6 });
        assert_eq!(known, set(&format!("{A}:1-6:9")));
    }

    #[test]
    fn what_a_binary_log_is_asked_to_leave_out() {
        let form = set(&format!("{A}:1-5:9,{A}:tag:1,{B}:3")).dump_form();
        let number = |n: u64| n.to_le_bytes();
        let expected = [
            &number(2)[..],
            &[0xaa; 16],
            &[number(2), number(1), number(6), number(9), number(10)].concat(),
            &[0xbb; 16],
            &[number(1), number(3), number(4)].concat(),
        ];
        assert_eq!(form, expected.concat());
    }
}
