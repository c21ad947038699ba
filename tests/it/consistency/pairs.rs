//! Pairs of a write that was acknowledged and a read that began afterwards: how many, and how many of the reads lack
//! the write. Each read is at most one pair: with the newest such write of its key.

use super::history::{Act, Op, Told, Via};
use super::{counters, load};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Who wrote, seen from who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    SameSession,
    SameProxy,
    OtherProxy,
    Direct,
}

pub const WRITERS: [Writer; 4] = [Writer::SameSession, Writer::SameProxy, Writer::OtherProxy, Writer::Direct];

impl Writer {
    fn of(write: &Op, read: &Op) -> Self {
        match write.via {
            _ if write.session == read.session => Writer::SameSession,
            Via::Direct => Writer::Direct,
            via if via == read.via => Writer::SameProxy,
            Via::Proxy(_) => Writer::OtherProxy,
        }
    }
}

/// By writer: pairs, and stale ones among them.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    counts: BTreeMap<Writer, (usize, usize)>,
    /// The stale ones, by how they read.
    pub stale: BTreeMap<&'static str, usize>,
    /// From the acknowledgement to the read's beginning, ns.
    ages: Vec<u64>,
}

impl Pairs {
    pub fn merge(&mut self, other: Pairs) {
        for (writer, (all, stale)) in other.counts {
            let count = self.counts.entry(writer).or_default();
            *count = (count.0 + all, count.1 + stale);
        }
        for (how, count) in other.stale {
            *self.stale.entry(how).or_default() += count;
        }
        self.ages.extend(other.ages);
    }

    pub fn of(&self, writer: Writer) -> (usize, usize) {
        self.counts.get(&writer).copied().unwrap_or_default()
    }

    pub fn all(&self) -> (usize, usize) {
        self.counts.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    }

    /// Counts the operations of one key.
    pub fn count(&mut self, ops: &[Op]) {
        let written: HashMap<_, _> = ops.iter().filter_map(|op| Some((written_value(op)?, *op))).collect();
        let (mut acknowledged, mut reads): (Vec<&Op>, Vec<&Op>) =
            ops.iter().filter(|op| op.reads() || op.acknowledged()).partition(|op| op.acknowledged());
        acknowledged.sort_by_key(|op| op.end);
        reads.sort_by_key(|op| op.start);
        let (mut ended, mut newest) = (acknowledged.into_iter().peekable(), None);
        for read in reads {
            while let Some(write) = ended.next_if(|write| write.end < read.start) {
                if newest.is_none_or(|newest| rank(newest) < rank(write)) {
                    newest = Some(write);
                }
            }
            let Some(newest) = newest else { continue };
            let stale = match read.act {
                Act::Get(value) => counters::value(newest).is_some_and(|newest| value < newest),
                // Of writes at the same time nobody knows the order.
                Act::Read(value) => written.get(&value).is_none_or(|seen| seen.end < newest.start),
                _ => false,
            };
            let count = self.counts.entry(Writer::of(newest, read)).or_default();
            *count = (count.0 + 1, count.1 + usize::from(stale));
            if stale {
                *self.stale.entry(read.how).or_default() += 1;
            }
            self.ages.push(read.start - newest.end);
        }
    }

    /// Half of the pairs are not further apart, in ms.
    pub fn median_age(&self) -> f64 {
        let mut ages = self.ages.clone();
        ages.sort_unstable();
        ages.get(ages.len() / 2).map_or(0.0, |age| *age as f64 / 1e6)
    }
}

fn written_value(op: &Op) -> Option<u64> {
    match op.act {
        Act::Write(value) if op.told != Told::Refused => Some(value),
        _ => None,
    }
}

/// The newest write of a counter has the largest value; of a register, it began last of those that have ended.
fn rank(write: &Op) -> u64 {
    match load::is_counter(write.key) {
        true => counters::value(write).unwrap_or_default(),
        false => write.start,
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for writer in WRITERS {
            let (all, stale) = self.of(writer);
            write!(f, "{:>16}", format!("{all} / {stale}"))?;
        }
        Ok(())
    }
}
