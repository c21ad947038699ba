//! Whether the history of a counter is linearizable. It counts from 0 by ones, so values are an order by themselves:
//! what began after another operation had ended must not have a smaller value. Increments that told no value, or
//! whose outcome is unknown, bound the others by their number.

use super::history::{Act, Fault, NEVER, Op, Told, Violation};

/// The operations of one counter, in any order.
pub fn check(ops: &[Op]) -> Vec<Violation> {
    let mut by_start: Vec<_> = ops.iter().filter(|op| op.told != Told::Refused).copied().collect();
    by_start.sort_by_key(|op| op.start);
    let mut by_end: Vec<_> = by_start.iter().filter(|op| op.end != NEVER).copied().collect();
    by_end.sort_by_key(|op| op.end);
    let begun: Vec<_> = by_start.iter().filter(|op| !op.reads()).map(|op| op.start).collect();

    let (mut violations, mut before, mut ended) =
        (twice(&by_start), Before::default(), by_end.iter().peekable());
    for op in &by_start {
        while let Some(earlier) = ended.next_if(|earlier| earlier.end < op.start) {
            before.add(*earlier);
        }
        violations.extend(before.contradict(*op));
        let most = begun.partition_point(|start| *start <= op.end) as u64;
        if value(op).is_some_and(|value| value > most) {
            violations.push(Violation { fault: Fault::TooMuch, ops: vec![*op] });
        }
    }
    violations.sort_by_key(Violation::at);
    violations
}

pub fn value(op: &Op) -> Option<u64> {
    match op.act {
        Act::Add(value) => value,
        Act::Get(value) => Some(value),
        Act::Write(_) | Act::Read(_) => panic!("not of a counter: {op}"),
    }
}

/// Operations that ended before the one of now began.
#[derive(Default)]
struct Before {
    /// The largest value, and the largest of an acknowledged increment.
    largest: Option<Op>,
    added: Option<Op>,
    /// Acknowledged increments, with the one that was acknowledged last.
    count: u64,
    last: Option<Op>,
}

impl Before {
    fn add(&mut self, op: Op) {
        let larger = |than: &Option<Op>| than.as_ref().and_then(value) < value(&op);
        if larger(&self.largest) {
            self.largest = Some(op);
        }
        if op.acknowledged() {
            self.count += 1;
            self.last = Some(op);
            if larger(&self.added) {
                self.added = Some(op);
            }
        }
    }

    fn contradict(&self, op: Op) -> Option<Violation> {
        let value_now = value(&op)?;
        // An increment found one less.
        let found = value_now - u64::from(!op.reads());
        let less_than = |other: &Option<Op>| other.filter(|other| value(other).is_some_and(|v| found < v));
        let (fault, other) = if let Some(added) = less_than(&self.added) {
            (Fault::Stale, added)
        } else if let Some(largest) = less_than(&self.largest) {
            (Fault::Inversion, largest)
        } else {
            (Fault::Stale, self.last.filter(|_| found < self.count)?)
        };
        let fault = if op.reads() { fault } else { Fault::Lost };
        Some(Violation { fault, ops: vec![other, op] })
    }
}

/// Two increments to the same value.
fn twice(ops: &[Op]) -> Vec<Violation> {
    let mut added: Vec<_> = ops.iter().filter(|op| op.acknowledged()).collect();
    added.sort_by_key(|op| value(op));
    let same = added.windows(2).filter(|pair| value(pair[0]).is_some() && value(pair[0]) == value(pair[1]));
    same.map(|pair| Violation { fault: Fault::Lost, ops: vec![*pair[0], *pair[1]] }).collect()
}
