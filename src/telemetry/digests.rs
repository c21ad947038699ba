//! What the statements of each digest did: one table for each worker, of a fixed size. Counting a statement of a known
//! digest allocates nothing. A statement that finds the table full takes the place of one that was not counted for a
//! while, whose counts go to a common rest; so nothing is lost, whatever clients send.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU128;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::terms::{Disruption, Pin, Role, Why};

/// The buckets of a [`Histogram`] for each power of two. So a quantile is at most an eighth too large.
const PER_OCTAVE: u32 = 8;
/// The powers of two: up to 2^26 microseconds, over a minute.
const OCTAVES: u32 = 24;
const BUCKETS: usize = (PER_OCTAVE * OCTAVES) as usize;

/// How many different errors of a digest are counted by their codes.
const ERRORS: usize = 4;

/// Durations in log-linear buckets.
#[derive(Clone)]
pub struct Histogram([u32; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram([0; BUCKETS])
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} durations", self.0.iter().map(|n| u64::from(*n)).sum::<u64>())
    }
}

impl Histogram {
    /// Durations under 8 microseconds have a bucket each; then each power of two has eight buckets.
    fn bucket(micros: u64) -> usize {
        let shift = micros.max(1).ilog2().saturating_sub(3);
        let at = u64::from(shift * PER_OCTAVE) + (micros >> shift);
        usize::try_from(at).unwrap_or(BUCKETS).min(BUCKETS - 1)
    }

    /// Returns the largest duration that a bucket counts, in microseconds.
    fn bound(bucket: usize) -> u64 {
        let at = bucket as u64;
        let shift = (at / u64::from(PER_OCTAVE)).saturating_sub(1);
        ((at - shift * u64::from(PER_OCTAVE) + 1) << shift) - 1
    }

    fn add(&mut self, micros: u64) {
        if let Some(count) = self.0.get_mut(Self::bucket(micros)) {
            *count = count.saturating_add(1);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            *count = count.saturating_add(*more);
        }
    }

    /// Returns the duration, in microseconds, that this share of the durations (0 to 1) does not exceed.
    pub fn quantile(&self, share: f64) -> u64 {
        let total: u64 = self.0.iter().map(|n| u64::from(*n)).sum();
        let mut left = (share * total as f64).ceil().max(1.0) as u64;
        for (at, count) in self.0.iter().enumerate() {
            match left.checked_sub(u64::from(*count)) {
                Some(0) | None if *count > 0 => return Self::bound(at),
                Some(rest) => left = rest,
                None => {}
            }
        }
        0
    }
}

/// How long statements waited in the proxy, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// For a primary.
    pub hold: u64,
    /// For a server connection: in line, or while one was opened.
    pub pool: u64,
    /// For the primary's position, and for a replica that has it.
    pub position: u64,
}

impl Waits {
    /// Returns how long they waited in all.
    pub fn sum(&self) -> u64 {
        self.hold + self.pool + self.position
    }

    fn add(&mut self, more: &Self) {
        self.hold += more.hold;
        self.pool += more.pool;
        self.position += more.position;
    }
}

/// What one statement did.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// When the statement arrived.
    pub began: Instant,
    /// The trace that has the statement. None: it is not traced.
    pub trace: Option<NonZeroU128>,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// How much of that it waited in the proxy.
    pub waits: Waits,
    /// What it began to keep its session on the connection by: a bit for the index of each [`Pin`].
    pub pins: u32,
    /// How often a server had it before the try whose answer the client got.
    pub repeated: u32,
    /// The effects of a failover on it: a bit for the index of each [`Disruption`].
    pub disruptions: u16,
    /// The role of its server, and the reason for it. None: no server executed it.
    pub placed: Option<(Role, Why)>,
    /// The code of the error that the client got.
    pub error: Option<u16>,
    /// The rows that the client got.
    pub rows_sent: u64,
    /// The rows that it changed.
    pub rows_affected: u64,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
}

/// The sums over statements. Times are in microseconds.
#[derive(Debug, Clone)]
pub struct Totals {
    /// How many statements.
    pub count: u64,
    /// How long they took.
    pub sum: u64,
    /// How long the longest took.
    pub max: u64,
    /// How long they waited in the proxy.
    pub waits: Waits,
    /// How often they began to keep their session on its connection, by what.
    pub pins: [u32; Pin::ALL.len()],
    /// How often servers had them before the tries whose answers the clients got.
    pub repeated: u64,
    /// How often failovers affected them, by effect.
    pub disruptions: [u32; Disruption::ALL.len()],
    /// Rows that clients got.
    pub rows_sent: u64,
    /// Rows changed.
    pub rows_affected: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Errors by code, the first codes that occurred.
    pub errors: [(u16, u64); ERRORS],
    /// Errors with other codes.
    pub other_errors: u64,
    /// Statements by the role of their server.
    pub roles: [u64; Role::BOTH.len()],
    /// Statements by the reason for that role.
    pub reasons: [u32; Why::ALL.len()],
    /// How long they took.
    pub latency: Histogram,
    /// When the first one arrived and when the last one did: in the table since its start, in a report since the Unix
    /// epoch.
    pub seen: Option<(Duration, Duration)>,
}

// By hand, because arrays of more than 32 elements have no default.
impl Default for Totals {
    fn default() -> Self {
        Totals {
            count: 0,
            sum: 0,
            max: 0,
            waits: Waits::default(),
            pins: Default::default(),
            repeated: 0,
            disruptions: Default::default(),
            rows_sent: 0,
            rows_affected: 0,
            bytes_in: 0,
            bytes_out: 0,
            errors: Default::default(),
            other_errors: 0,
            roles: Default::default(),
            reasons: [0; Why::ALL.len()],
            latency: Histogram::default(),
            seen: None,
        }
    }
}

/// Adds one to the counts whose index is a bit that is set.
fn add_bits(counts: &mut [u32], mut bits: u32) {
    while bits != 0 {
        if let Some(n) = counts.get_mut(bits.trailing_zeros() as usize) {
            *n = n.saturating_add(1);
        }
        bits &= bits - 1;
    }
}

fn add_all(counts: &mut [u32], more: &[u32]) {
    counts.iter_mut().zip(more).for_each(|(n, more)| *n = n.saturating_add(*more));
}

impl Totals {
    fn add(&mut self, one: &Figures, at: Duration) {
        self.count += 1;
        self.sum += one.micros;
        self.max = self.max.max(one.micros);
        self.waits.add(&one.waits);
        self.repeated += u64::from(one.repeated);
        add_bits(&mut self.pins, one.pins);
        add_bits(&mut self.disruptions, one.disruptions.into());
        self.rows_sent += one.rows_sent;
        self.rows_affected += one.rows_affected;
        self.bytes_in += one.bytes_in;
        self.bytes_out += one.bytes_out;
        if let Some(code) = one.error {
            self.add_errors(code, 1);
        }
        if let Some((role, why)) = one.placed {
            self.roles.iter_mut().skip(role as usize).take(1).for_each(|n| *n += 1);
            self.reasons.iter_mut().skip(why as usize).take(1).for_each(|n| *n = n.saturating_add(1));
        }
        self.latency.add(one.micros);
        self.seen = Some((self.seen.map_or(at, |(first, _)| first), at));
    }

    fn add_errors(&mut self, code: u16, count: u64) {
        match self.errors.iter_mut().find(|(known, n)| *known == code || *n == 0) {
            Some(place) => *place = (code, place.1 + count),
            None => self.other_errors += count,
        }
    }

    /// Adds other sums.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
        self.waits.add(&other.waits);
        self.repeated += other.repeated;
        add_all(&mut self.pins, &other.pins);
        add_all(&mut self.disruptions, &other.disruptions);
        self.rows_sent += other.rows_sent;
        self.rows_affected += other.rows_affected;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        other.errors.iter().filter(|(_, n)| *n > 0).for_each(|(code, n)| self.add_errors(*code, *n));
        self.other_errors += other.other_errors;
        self.roles.iter_mut().zip(&other.roles).for_each(|(n, more)| *n += more);
        self.reasons.iter_mut().zip(&other.reasons).for_each(|(n, more)| *n = n.saturating_add(*more));
        self.latency.merge(&other.latency);
        self.seen = match (self.seen, other.seen) {
            (Some((first, last)), Some((other_first, other_last))) => {
                Some((first.min(other_first), last.max(other_last)))
            }
            (seen, other_seen) => seen.or(other_seen),
        };
    }

    /// Returns the sums with times that begin at `epoch`.
    fn since(&self, epoch: Duration) -> Self {
        let seen = self.seen.map(|(first, last)| (epoch + first, epoch + last));
        Totals { seen, ..self.clone() }
    }

    /// Returns how many statements got an error.
    pub fn failed(&self) -> u64 {
        self.errors.iter().map(|(_, n)| n).sum::<u64>() + self.other_errors
    }
}

/// The sums of one digest for one account and schema.
#[derive(Debug, Clone)]
pub struct DigestTotals {
    /// The account.
    pub user: String,
    /// The default schema.
    pub schema: String,
    /// The digest's number, which is the same in all processes.
    pub id: u64,
    /// The digest text.
    pub text: String,
    /// The sums.
    pub totals: Totals,
}

/// All sums of a worker.
#[derive(Debug, Clone, Default)]
pub struct DigestReport {
    /// The digests in the table.
    pub digests: Vec<DigestTotals>,
    /// The sums of digests that lost their place.
    pub other: Totals,
    /// How often a digest lost its place.
    pub evicted: u64,
}

impl DigestReport {
    /// Returns the report of several workers with one entry for each digest, those first on which most time was spent.
    pub fn merged(self) -> Self {
        let mut places: HashMap<(String, String, u64), usize> = HashMap::new();
        let mut digests: Vec<DigestTotals> = Vec::new();
        for one in self.digests {
            let key = (one.user.clone(), one.schema.clone(), one.id);
            match places.get(&key).and_then(|at| digests.get_mut(*at)) {
                Some(known) => known.totals.merge(&one.totals),
                None => {
                    places.insert(key, digests.len());
                    digests.push(one);
                }
            }
        }
        digests.sort_by_key(|one| std::cmp::Reverse(one.totals.sum));
        DigestReport { digests, ..self }
    }
}

struct DigestEntry {
    key: u64,
    /// True if a statement was counted since the hand of the clock passed.
    used: bool,
    user: Box<str>,
    schema: Box<[u8]>,
    id: u64,
    text: Box<str>,
    totals: Totals,
}

/// The table of one worker.
pub struct Digests {
    most: usize,
    entries: Vec<DigestEntry>,
    index: HashMap<u64, usize, BuildHasherDefault<Mixed>>,
    /// Where the search for a place begins.
    hand: usize,
    other: Totals,
    evicted: u64,
    began: Instant,
    /// `began`, since the Unix epoch.
    epoch: Duration,
}

impl std::fmt::Debug for Digests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} digests", self.entries.len(), self.most)
    }
}

impl Digests {
    /// Makes an empty table for this many digests. 0: nothing is counted.
    pub fn new(most: usize) -> Self {
        Digests {
            most,
            entries: Vec::new(),
            index: HashMap::default(),
            hand: 0,
            other: Totals::default(),
            evicted: 0,
            began: Instant::now(),
            epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// True if statements are counted.
    pub fn is_on(&self) -> bool {
        self.most > 0
    }

    /// Counts a statement. `digest` is the digest's number and text.
    pub fn count(&mut self, user: &str, schema: &[u8], digest: (u64, &str), one: &Figures) {
        if self.most == 0 {
            return;
        }
        let key = mix(mix(digest.0, user.as_bytes()), schema);
        let known = self.index.get(&key).copied();
        let at = known.unwrap_or_else(|| self.place(key, user, schema, digest));
        let seen = one.began.saturating_duration_since(self.began);
        if let Some(entry) = self.entries.get_mut(at) {
            // A digest that is seen only once never takes the place of one that is used.
            entry.used = known.is_some();
            entry.totals.add(one, seen);
        }
    }

    /// Finds a place for a new digest.
    #[cold]
    fn place(&mut self, key: u64, user: &str, schema: &[u8], (id, text): (u64, &str)) -> usize {
        let entry = DigestEntry {
            key,
            used: false,
            user: user.into(),
            schema: schema.into(),
            id,
            text: text.into(),
            totals: Totals::default(),
        };
        let at = if self.entries.len() < self.most {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            let at = self.least_used();
            if let Some(place) = self.entries.get_mut(at) {
                let old = std::mem::replace(place, entry);
                self.index.remove(&old.key);
                self.other.merge(&old.totals);
                self.evicted += 1;
            }
            at
        };
        self.index.insert(key, at);
        at
    }

    /// Moves the hand of the clock to a digest that was not counted since it passed last. Ends after one round.
    fn least_used(&mut self) -> usize {
        loop {
            let at = self.hand;
            self.hand = (at + 1) % self.entries.len().max(1);
            match self.entries.get_mut(at) {
                Some(entry) if entry.used => entry.used = false,
                _ => return at,
            }
        }
    }

    /// Copies the digests from this place on, at most `most` of them, and the sums of the others.
    pub fn report(&self, from: usize, most: usize) -> DigestReport {
        let some = self.entries.iter().skip(from).take(most);
        let digests = some.map(|entry| DigestTotals {
            user: entry.user.to_string(),
            schema: String::from_utf8_lossy(&entry.schema).into_owned(),
            id: entry.id,
            text: entry.text.to_string(),
            totals: entry.totals.since(self.epoch),
        });
        DigestReport {
            digests: digests.collect(),
            other: self.other.since(self.epoch),
            evicted: self.evicted,
        }
    }

    /// Forgets all sums.
    pub fn reset(&mut self) {
        *self = Digests::new(self.most);
    }
}

/// Mixes bytes into a key. Two digests with one key would share a place, which takes 2^32 of them on average; keys decide
/// nothing but that.
fn mix(state: u64, bytes: &[u8]) -> u64 {
    let step = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * 0x9e37_79b9_7f4a_7c15;
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut chunks = bytes.chunks_exact(8);
    let mut state = state ^ bytes.len() as u64;
    for chunk in &mut chunks {
        state = step(state, u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    let mut last = [0u8; 8];
    let tail = chunks.remainder();
    if let Some(place) = last.get_mut(..tail.len()) {
        place.copy_from_slice(tail);
    }
    step(state, u64::from_le_bytes(last))
}

/// The hash of a key, which is mixed already.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix(self.0, bytes);
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
