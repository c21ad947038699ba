//! Makes a failing plan small: drops sessions, then steps, as long as it still fails. Sessions run at the same
//! time, so a plan fails with some probability only: each candidate gets several tries.

use std::collections::BTreeMap;
use std::io;

use tokio::time::Instant;

use super::driver::{Report, run};
use super::shared::{Plan, Settings};

/// Steps before the failure that are kept of each session at first.
const WINDOW: u64 = 150;

pub struct Shrinker<'a> {
    pub settings: &'a Settings,
    pub seed: u64,
    /// How long one try runs.
    pub try_seconds: f64,
    pub tries: u32,
    pub until: Instant,
}

type Sessions = BTreeMap<u32, Vec<u64>>;

impl Shrinker<'_> {
    /// The smallest plan found, with the report of its failure. None: it did not fail again.
    pub fn shrink(&self, report: &Report) -> io::Result<Option<(Sessions, Report)>> {
        let all: Sessions = report
            .steps
            .iter()
            .map(|(session, last)| (*session, (last.saturating_sub(WINDOW)..=*last).collect()))
            .collect();
        let Some(mut last) = self.fails(&all)? else { return Ok(None) };
        let mut best = all;
        let guilty = |report: &Report| report.faults.first().map(|fault| fault.session);
        // Sessions, in ever smaller groups; the one that failed goes last.
        let mut size = best.len().div_ceil(2);
        while size > 0 && Instant::now() < self.until {
            let mut order: Vec<u32> =
                best.keys().copied().filter(|number| Some(*number) != guilty(&last)).collect();
            order.extend(guilty(&last));
            for group in order.chunks(size) {
                let smaller: Sessions = best
                    .iter()
                    .filter(|(number, _)| !group.contains(number))
                    .map(|(n, s)| (*n, s.clone()))
                    .collect();
                if smaller.is_empty() {
                    continue;
                }
                if let Some(report) = self.fails(&smaller)? {
                    (best, last) = (smaller, report);
                }
            }
            size = if size == 1 { 0 } else { (size / 2).min(best.len().div_ceil(2)).max(1) };
            println!("shrink: {} sessions, {} steps", best.len(), best.values().map(Vec::len).sum::<usize>());
        }
        let sessions: Vec<u32> = best.keys().copied().collect();
        for session in sessions {
            self.steps(session, &mut best, &mut last)?;
        }
        println!("shrink: {} sessions, {} steps", best.len(), best.values().map(Vec::len).sum::<usize>());
        Ok(Some((best, last)))
    }

    /// Drops runs of steps of one session.
    fn steps(&self, session: u32, best: &mut Sessions, last: &mut Report) -> io::Result<()> {
        let mut size = best.get(&session).map_or(0, Vec::len).div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < best.get(&session).map_or(0, Vec::len) {
                if Instant::now() >= self.until {
                    return Ok(());
                }
                let mut smaller = best.clone();
                if let Some(steps) = smaller.get_mut(&session) {
                    steps.drain(from..(from + size).min(steps.len()));
                }
                match self.fails(&smaller)? {
                    Some(report) => (*best, *last) = (smaller, report),
                    None => from += size,
                }
            }
            size /= 2;
        }
        Ok(())
    }

    fn fails(&self, sessions: &Sessions) -> io::Result<Option<Report>> {
        let sessions = sessions.iter().map(|(number, steps)| (*number, Some(steps.clone()))).collect();
        let plan = Plan { seed: self.seed, sessions, statements: u64::MAX, seconds: self.try_seconds };
        for _ in 0..self.tries {
            if Instant::now() >= self.until {
                return Ok(None);
            }
            let report = run(self.settings, &plan, true)?;
            if !report.faults.is_empty() {
                return Ok(Some(report));
            }
        }
        Ok(None)
    }
}
