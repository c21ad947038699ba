//! Whether the history of a register is linearizable, exactly, in the time that sorting takes.
//!
//! Each value is written once. The operations of a value (its write, and the reads that saw it) stand next to each
//! other in every order that explains the history, so only the order of the values is to be found. With `first` the
//! earliest end among them and `last` the latest start: where one operation of value b ends before one of value a
//! starts (b.first < a.last), a cannot stand before b. An order exists exactly if this forbids no pair of values both
//! ways, and no read precedes its own write: P. B. Gibbons, E. Korach, Testing Shared Memories, SIAM J. Comput. 26
//! (1997). Two values are forbidden both ways if the times `first … last` of the two overlap, or one with
//! last <= first lies within the time of another.

use super::history::{Act, Fault, NEVER, Op, Told, Via, Violation};
use std::collections::HashMap;

/// What a read finds before the first write.
pub const NOTHING: u64 = 0;

/// A value's operations, as far as they matter.
#[derive(Debug, Clone, Copy)]
struct Zone {
    write: Op,
    /// Ends first.
    first: Op,
    /// Starts last.
    last: Op,
}

impl Zone {
    fn of(write: Op) -> Self {
        Zone { write, first: write, last: write }
    }

    fn add(&mut self, op: Op) {
        if op.end < self.first.end {
            self.first = op;
        }
        if op.start > self.last.start {
            self.last = op;
        }
    }

    /// The value was the register's for certain from `first.end` to `last.start`.
    fn is_forward(&self) -> bool {
        self.first.end < self.last.start
    }

    /// If the other value is the newer one: whether one of the reads began when that was acknowledged.
    fn is_stale_before(&self, newer: &Zone) -> bool {
        self.last.reads() && newer.write.end < self.last.start
    }
}

/// The operations of one register, in any order.
pub fn check(ops: &[Op]) -> Vec<Violation> {
    let (mut zones, mut refused, mut violations) = (HashMap::new(), HashMap::new(), Vec::new());
    zones.extend(ops.first().map(|op| {
        let act = Act::Write(NOTHING);
        let nothing = Op {
            session: 0,
            via: Via::Direct,
            start: 0,
            end: 0,
            act,
            told: Told::Done,
            how: "nothing",
            ..*op
        };
        (NOTHING, Zone::of(nothing))
    }));
    for op in ops {
        match op.act {
            Act::Write(value) if op.told == Told::Refused => drop(refused.insert(value, *op)),
            Act::Write(value) => {
                let known = zones.insert(value, Zone::of(*op));
                assert!(known.is_none(), "{value} is written twice: {op}");
            }
            Act::Read(_) => {}
            Act::Add(_) | Act::Get(_) => panic!("not of a register: {op}"),
        }
    }
    for op in ops {
        let Act::Read(value) = op.act else { continue };
        let Some(zone) = zones.get_mut(&value) else {
            let write = refused.get(&value).copied();
            let fault = if write.is_some() { Fault::Refused } else { Fault::Unwritten };
            violations.push(Violation { fault, ops: write.into_iter().chain([*op]).collect() });
            continue;
        };
        if op.end < zone.write.start {
            violations.push(Violation { fault: Fault::Early, ops: vec![zone.write, *op] });
        } else {
            zone.add(*op);
        }
    }
    // Nobody saw it, and it may come last of all.
    let zones = zones.into_values().filter(|zone| zone.first.end != NEVER);
    violations.extend(conflicts(zones));
    violations.sort_by_key(Violation::at);
    violations
}

fn conflicts(zones: impl Iterator<Item = Zone>) -> Vec<Violation> {
    let (mut forward, backward): (Vec<_>, Vec<_>) = zones.partition(Zone::is_forward);
    forward.sort_by_key(|zone| zone.first.end);
    let mut violations = Vec::new();
    // Of those before, the one that lasts longest: after a conflict there may be further ones with it.
    let mut longest: Vec<Zone> = Vec::new();
    for zone in &forward {
        let before = longest.last().copied();
        if let Some(before) = before.filter(|before| zone.first.end < before.last.start) {
            violations.push(conflict(before, *zone));
        }
        longest.push(match before {
            Some(before) if before.last.start > zone.last.start => before,
            _ => *zone,
        });
    }
    for zone in backward {
        let began = forward.partition_point(|other| other.first.end < zone.last.start);
        if let Some(around) = longest[..began].last()
            && zone.first.end < around.last.start
        {
            violations.push(conflict(*around, zone));
        }
    }
    violations
}

fn conflict(a: Zone, b: Zone) -> Violation {
    // Only what is stale in either order of the two writes is certainly so; one that was seen before the other
    // began is the older one.
    let explained = |older: &Zone, newer: &Zone| {
        let possible = older.write.start <= newer.first.end;
        possible && !older.is_stale_before(newer)
    };
    let inversion = explained(&a, &b) || explained(&b, &a);
    let fault = if inversion { Fault::Inversion } else { Fault::Stale };
    Violation { fault, ops: vec![a.write, a.first, a.last, b.write, b.first, b.last] }
}
