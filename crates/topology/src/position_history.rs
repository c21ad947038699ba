//! The primary's positions of the last minutes, and when it had them. A replica's position is as old as the
//! time since the primary last had nothing beyond that position. Needs no synchronised clocks and no table of
//! heartbeats.

use std::sync::Arc;
use std::time::Duration;

use super::gtid::GtidSet;
use super::identity::ServerId;

/// The trail reaches back this far, or twice `replicas.max_lag` if that is more.
const REACH: Duration = Duration::from_secs(600);
/// The maximum number of positions. Beyond it the older half is thinned: if the primary writes all the time
/// and is probed every 100 ms, the last 100 s keep every probe's position.
const MOST: usize = 2048;
/// Thinning leaves gaps of at most the age divided by this.
const FINENESS: u64 = 128;
/// The maximum size of the positions, in bytes. Beyond it every second position of the older half is dropped.
/// Only sets of thousands of intervals come near it.
const MOST_BYTES: usize = 1 << 20;
/// The minimum number of positions that are kept, however long they are.
const FEWEST: usize = 4;
/// The number of positions in one allocation: a new snapshot copies one allocation and shares the others.
const CHUNK: usize = 64;

/// A list of positions, each of which contains the earlier ones. Cheap to clone.
///
/// Two trails are equal if they contain the same positions: a primary that still has the newest position
/// makes no new snapshot.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    newest: Option<Newest>,
    older: Arc<Older>,
    /// When the primary was last seen with the newest position (Unix time in milliseconds).
    seen_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Newest {
    position: Arc<GtidSet>,
    /// The primary that has it.
    of: ServerId,
    /// When it was first seen (Unix time in milliseconds).
    since_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Older {
    /// Oldest first; none is empty.
    chunks: Vec<Arc<Vec<TrailMark>>>,
    count: usize,
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TrailMark {
    position: Arc<GtidSet>,
    /// When the primary was first seen with it (Unix time in milliseconds).
    first_ms: u64,
    /// When it was last seen with it.
    last_ms: u64,
}

/// The moment up to which ages are counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// Now (Unix time in milliseconds), with the current primary.
    Now(u64, ServerId),
    /// When the primary was last seen: without a primary no position gets older.
    End,
}

/// How old a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// This old, or younger by at most one probe interval.
    Of(Duration),
    /// At least this old: the primary was already beyond this position when the trail began.
    Beyond(Duration),
}

impl PartialEq for Trail {
    fn eq(&self, other: &Self) -> bool {
        self.newest == other.newest && self.older == other.older
    }
}

impl Trail {
    /// Records that the primary `of` had this position at some moment between `begun_ms` (when the probe was
    /// sent) and `now_ms` (when its answer arrived).
    pub(super) fn note(
        &mut self,
        of: ServerId,
        position: &Arc<GtidSet>,
        (begun_ms, now_ms): (u64, u64),
        max_lag: Duration,
    ) {
        match self.newest.take() {
            Some(newest) if newest.position == *position => self.newest = Some(Newest { of, ..newest }),
            before => {
                let older = Arc::make_mut(&mut self.older);
                if let Some(Newest { position, since_ms: first_ms, .. }) = before {
                    older.push(TrailMark { position, first_ms, last_ms: self.seen_ms });
                }
                older.drop_foreign(position);
                let reach = REACH.max(max_lag.saturating_mul(2));
                older.shrink(now_ms, reach);
                self.newest = Some(Newest { position: position.clone(), of, since_ms: now_ms });
            }
        }
        // The answer may lack what was written after the probe was sent.
        self.seen_ms = self.seen_ms.max(begun_ms);
    }

    /// Records that server `of` becomes the primary. `position` is from its last probe, an interval ago. If
    /// it contains all that the predecessor was seen with, a write that a replica lacks is not older than
    /// now. Otherwise every replica that lacks the new primary's first write would count as old as the time
    /// without a primary.
    pub(super) fn take_over(
        &mut self,
        of: ServerId,
        position: &Arc<GtidSet>,
        now_ms: u64,
        max_lag: Duration,
    ) {
        if self.newest.as_ref().is_none_or(|newest| position.contains(&newest.position)) {
            self.note(of, position, (now_ms, now_ms), max_lag);
        }
    }

    /// Clears the trail: its positions cannot be compared with later ones.
    pub(super) fn forget(&mut self) {
        *self = Trail::default();
    }

    /// Returns the age of this position; None: there is nothing to compare it with.
    ///
    /// The first write that the position lacks was made after the primary was last seen with a position that
    /// it contains, and before the primary was first seen with the next one. The earlier moment counts: once
    /// a write is known to be missing, the age is never too low, and too high by less than the time between
    /// two probes of the primary. Until a probe has seen the missing write, the age is 0.
    pub(super) fn age(&self, position: &GtidSet, until: Until) -> Option<Age> {
        let newest = self.newest.as_ref().filter(|n| n.position.flavor() == position.flavor())?;
        let end_ms = match until {
            Until::Now(now_ms, _) => now_ms,
            Until::End => self.seen_ms,
        };
        let since = |at_ms: u64| Duration::from_millis(end_ms.saturating_sub(at_ms));
        if position.contains(&newest.position) {
            return Some(Age::Of(match until {
                Until::Now(_, primary) if primary == newest.of => Duration::ZERO,
                // The newest position is the predecessor's: the new primary's own writes are unknown yet.
                _ => since(self.seen_ms),
            }));
        }
        if let Some(mark) = self.older.newest_in(position) {
            return Some(Age::Of(since(mark.last_ms)));
        }
        let first_ms = self.older.oldest().map_or(newest.since_ms, |mark| mark.first_ms);
        Some(Age::Beyond(since(first_ms)))
    }
}

#[cfg(test)]
impl Trail {
    /// Returns the number of older positions and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.older.count, self.older.bytes)
    }
}

impl Older {
    fn push(&mut self, mark: TrailMark) {
        self.count += 1;
        self.bytes += mark.position.bytes();
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => Arc::make_mut(chunk).push(mark),
            None => self.chunks.push(Arc::new(vec![mark])),
        }
    }

    fn oldest(&self) -> Option<&TrailMark> {
        self.chunks.first()?.first()
    }

    /// Returns the newest entry that `position` contains.
    fn newest_in(&self, position: &GtidSet) -> Option<&TrailMark> {
        let within = |mark: &TrailMark| position.contains(&mark.position);
        let chunks = self.chunks.partition_point(|chunk| chunk.first().is_some_and(within));
        let chunk = self.chunks.get(chunks.checked_sub(1)?)?;
        chunk.get(chunk.partition_point(within).checked_sub(1)?)
    }

    /// Drops the entries that `position` does not contain. They are not part of the primary's past: another
    /// server took over without them, or the primary's binary log was reset.
    fn drop_foreign(&mut self, position: &GtidSet) {
        while let Some(chunk) = self.chunks.last_mut() {
            if chunk.last().is_some_and(|mark| position.contains(&mark.position)) {
                return;
            }
            let chunk = Arc::make_mut(chunk);
            if let Some(mark) = chunk.pop() {
                self.count -= 1;
                self.bytes -= mark.position.bytes();
            }
            if chunk.is_empty() {
                self.chunks.pop();
            }
        }
    }

    /// Drops entries older than `reach`, and thins the rest until it is within its bounds.
    fn shrink(&mut self, now_ms: u64, reach: Duration) {
        let from_ms = now_ms.saturating_sub(millis(reach));
        let is_over = |chunk: &Arc<Vec<TrailMark>>| chunk.last().is_some_and(|mark| mark.last_ms < from_ms);
        let over = self.chunks.iter().take_while(|chunk| is_over(chunk)).count();
        for mark in self.chunks.drain(..over).collect::<Vec<_>>().iter().flat_map(|chunk| chunk.iter()) {
            self.count -= 1;
            self.bytes -= mark.position.bytes();
        }
        if self.is_over() {
            self.thin(|before, next| {
                let age_ms = now_ms.saturating_sub(next.first_ms);
                next.first_ms.saturating_sub(before.last_ms) <= age_ms / FINENESS
            });
        }
        while self.is_over() {
            let mut second = false;
            self.thin(|_, _| {
                second = !second;
                second
            });
        }
    }

    fn is_over(&self) -> bool {
        self.count > FEWEST && (self.count > MOST || self.bytes > MOST_BYTES)
    }

    /// Drops each entry of the older half for which `spare` returns true, given the entries before and after
    /// it.
    fn thin(&mut self, mut spare: impl FnMut(&TrailMark, &TrailMark) -> bool) {
        let half = self.count / 2;
        let marks: Vec<&TrailMark> = self.chunks.iter().flat_map(|chunk| chunk.iter()).collect();
        let mut rest = Older::default();
        let mut before: Option<&TrailMark> = None;
        for (at, mark) in marks.iter().enumerate() {
            let between = before.zip(marks.get(at + 1)).filter(|_| at < half);
            if between.is_none_or(|(before, next)| !spare(before, next)) {
                rest.push((*mark).clone());
                before = Some(mark);
            }
        }
        *self = rest;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
