//! What `consistency.level = "session"` promises, checked session by session: a counter never has less than the session
//! has seen of it or added to it before.

use super::counters;
use super::history::{Fault, Op, Told, Violation};
use std::collections::HashMap;

/// The operations of counters, of any number of sessions.
pub fn check(ops: &[Op]) -> Vec<Violation> {
    let mut ops: Vec<_> = ops.iter().filter(|op| op.told == Told::Done).copied().collect();
    ops.sort_by_key(|op| (op.start, op.end));
    let added: HashMap<_, _> =
        ops.iter().filter(|op| !op.reads()).map(|op| ((op.key, counters::value(op)), *op)).collect();
    let (mut newest, mut violations) = (HashMap::<_, Op>::new(), Vec::new());
    for op in ops {
        let Some(value) = counters::value(&op) else { continue };
        let Some(before) = newest.get_mut(&(op.session, op.key)) else {
            newest.insert((op.session, op.key), op);
            continue;
        };
        let found = value - u64::from(!op.reads());
        if counters::value(before).is_some_and(|before| found < before) {
            let increment = added.get(&(op.key, counters::value(before)));
            let fault = match increment {
                _ if !before.reads() => Fault::Stale,
                Some(increment) if increment.end < op.start => Fault::Backwards,
                _ => Fault::BackwardsUnderWay,
            };
            violations.push(Violation {
                fault,
                ops: increment.into_iter().copied().chain([*before, op]).collect(),
            });
        }
        if counters::value(before) <= Some(value) {
            *before = op;
        }
    }
    violations
}
