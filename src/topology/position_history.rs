//! The primary's positions of the last minutes, and when it had them: a replica's position is as old
//! as the time since the primary had no more than that. No clock and no table of heartbeats is needed.

use std::sync::Arc;
use std::time::Duration;

use super::gtid::GtidSet;
use super::types::ServerId;

/// It reaches back this far, or twice `replicas.max_lag` if that is more.
const REACH: Duration = Duration::from_secs(600);
/// At most so many positions. Then the older half is thinned: of a primary that writes all the time, and is probed
/// every 100 ms, the last 100 s stay as fine as the probes.
const MOST: usize = 2048;
/// A thinned trail is as fine as this part of the age.
const FINENESS: u64 = 128;
/// At most so many bytes of positions: then every second one of the older half goes. Only sets of thousands of
/// intervals come near it.
const MOST_BYTES: usize = 1 << 20;
/// Never fewer than this, however long they are.
const FEWEST: usize = 4;
/// Positions that lie in one allocation: a new snapshot copies one of these, and shares the others.
const CHUNK: usize = 64;

/// Each position contains the ones before it. Cheap to clone.
///
/// Two of them are equal if they know the same positions: that the primary still has the newest one
/// makes no new snapshot.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    newest: Option<Newest>,
    older: Arc<Older>,
    /// Unix time in milliseconds: the primary was seen with the newest position until then.
    seen_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Newest {
    position: Arc<GtidSet>,
    /// Whose it is.
    of: ServerId,
    /// Unix time in milliseconds when it was first seen.
    since_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Older {
    /// Oldest first; none is empty.
    chunks: Vec<Arc<Vec<Mark>>>,
    count: usize,
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    position: Arc<GtidSet>,
    /// Unix time in milliseconds when the primary was first seen with it, and last.
    first_ms: u64,
    last_ms: u64,
}

/// Until when ages are counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// Unix time in milliseconds; this server is the primary.
    Now(u64, ServerId),
    /// There is no primary: nothing gets older by what is not written.
    End,
}

/// How old a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// So old, and at most one probe interval less.
    Of(Duration),
    /// The primary had more than this already when the trail began: at least so old.
    Beyond(Duration),
}

impl PartialEq for Trail {
    fn eq(&self, other: &Self) -> bool {
        self.newest == other.newest && self.older == other.older
    }
}

impl Trail {
    /// The primary `of` had this position at some moment from `begun_ms` (the probe was sent) to `now_ms`
    /// (its answer is here).
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
                    older.push(Mark { position, first_ms, last_ms: self.seen_ms });
                }
                older.drop_foreign(position);
                let reach = REACH.max(max_lag.saturating_mul(2));
                older.shrink(now_ms, reach);
                self.newest = Some(Newest { position: position.clone(), of, since_ms: now_ms });
            }
        }
        // What was written after the probe was sent may be missing in its answer.
        self.seen_ms = self.seen_ms.max(begun_ms);
    }

    /// Server `of` becomes the primary, and had this position when it was last probed, an interval ago. If that is
    /// all that its predecessor was seen with, what somebody lacks was not written before: else everybody
    /// who lacks its first write would be as old as the time without a primary.
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

    /// Nothing of it can be compared with what comes.
    pub(super) fn forget(&mut self) {
        *self = Trail::default();
    }

    /// How old this position is; None: there is nothing to compare it with.
    ///
    /// The first write that it lacks was made after the primary was last seen with a position that it
    /// contains, and before the primary was first seen with the next one. The earlier end counts: an age
    /// is never too small once a write is known to be missing, and too great by less than the time
    /// between two probes of the primary. Before that it is 0, while a write that no probe has seen yet may
    /// be missing for as long.
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
                // Its predecessor's: nobody knows yet what it wrote itself.
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
    /// How many older positions it has, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.older.count, self.older.bytes)
    }
}

impl Older {
    fn push(&mut self, mark: Mark) {
        self.count += 1;
        self.bytes += mark.position.bytes();
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => Arc::make_mut(chunk).push(mark),
            None => self.chunks.push(Arc::new(vec![mark])),
        }
    }

    fn oldest(&self) -> Option<&Mark> {
        self.chunks.first()?.first()
    }

    /// The newest one that `position` contains.
    fn newest_in(&self, position: &GtidSet) -> Option<&Mark> {
        let within = |mark: &Mark| position.contains(&mark.position);
        let chunks = self.chunks.partition_point(|chunk| chunk.first().is_some_and(within));
        let chunk = self.chunks.get(chunks.checked_sub(1)?)?;
        chunk.get(chunk.partition_point(within).checked_sub(1)?)
    }

    /// What is not a part of `position` is not a part of the primary's past: another server took over without
    /// it, or its binary log was reset.
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

    /// Drops what was over before `from_ms`, and thins the rest until it is within its bounds.
    fn shrink(&mut self, now_ms: u64, reach: Duration) {
        let from_ms = now_ms.saturating_sub(millis(reach));
        let is_over = |chunk: &Arc<Vec<Mark>>| chunk.last().is_some_and(|mark| mark.last_ms < from_ms);
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

    /// Without those of the older half for which `spare` says so, of the one before and the one after it.
    fn thin(&mut self, mut spare: impl FnMut(&Mark, &Mark) -> bool) {
        let half = self.count / 2;
        let marks: Vec<&Mark> = self.chunks.iter().flat_map(|chunk| chunk.iter()).collect();
        let mut rest = Older::default();
        let mut before: Option<&Mark> = None;
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
