//! MySQL's GTID sets: sequence numbers of each source, as disjoint intervals. A source is a server's UUID
//! and, since 8.3, an optional tag; each source counts by itself.

use std::fmt;

use super::{GtidError, number};

/// The greatest sequence number that the server allows (2^63 - 2), plus one.
const LIMIT: u64 = i64::MAX as u64;

/// The source that numbered a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UuidSource {
    pub(super) uuid: u128,
    /// Lower case, padded with zeros; all zeros without a tag, which sorts first, as on the server.
    pub(super) tag: [u8; 32],
}

/// Sequence numbers from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) first: u64,
    pub(super) last: u64,
}

/// A set of GTIDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    /// Sorted by source; no source is without intervals. The intervals of a source are sorted, disjoint and
    /// not adjacent.
    pub(super) sources: Vec<(UuidSource, Vec<Interval>)>,
}

impl Intervals {
    pub(super) const EMPTY: Intervals = Intervals { sources: Vec::new() };

    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    pub(super) fn heap(&self) -> usize {
        let intervals: usize = self.sources.iter().map(|(_, i)| i.capacity()).sum();
        self.sources.capacity() * size_of::<(UuidSource, Vec<Interval>)>() + intervals * size_of::<Interval>()
    }

    fn of(&self, source: &UuidSource) -> &[Interval] {
        let at = self.sources.binary_search_by(|(s, _)| s.cmp(source));
        at.ok().and_then(|at| self.sources.get(at)).map_or(&[], |(_, intervals)| intervals)
    }

    pub(super) fn add(&mut self, source: UuidSource, new: Interval) {
        match self.sources.binary_search_by(|(s, _)| s.cmp(&source)) {
            Err(at) => self.sources.insert(at, (source, vec![new])),
            Ok(at) => {
                if let Some((_, intervals)) = self.sources.get_mut(at) {
                    join(intervals, new);
                }
            }
        }
    }

    pub(super) fn union(&mut self, other: &Intervals) {
        for (source, intervals) in &other.sources {
            for interval in intervals {
                self.add(*source, *interval);
            }
        }
    }

    pub(super) fn close_gaps(&mut self, most: usize) {
        for (_, intervals) in self.sources.iter_mut().filter(|(_, intervals)| intervals.len() > most) {
            if let (Some(first), Some(last)) = (intervals.first(), intervals.last()) {
                *intervals = vec![Interval { first: first.first, last: last.last }];
            }
        }
    }

    pub(super) fn subtract(&self, other: &Intervals) -> Intervals {
        let rest = self.sources.iter().map(|(source, own)| (*source, without(own, other.of(source))));
        Intervals { sources: rest.filter(|(_, intervals)| !intervals.is_empty()).collect() }
    }

    pub(super) fn count(&self) -> u64 {
        let all = self.sources.iter().flat_map(|(_, intervals)| intervals);
        all.fold(0, |sum, i| sum.saturating_add(i.last.saturating_sub(i.first).saturating_add(1)))
    }

    pub(super) fn has_writes_of(&self, identity: &str) -> bool {
        let uuid = u128::from_str_radix(&identity.replace('-', ""), 16);
        uuid.is_ok_and(|uuid| self.sources.iter().any(|(source, _)| source.uuid == uuid))
    }

    pub(super) fn contains(&self, other: &Intervals) -> bool {
        other.sources.iter().all(|(source, intervals)| {
            let own = self.of(source);
            intervals.iter().all(|wanted| {
                // Intervals never touch, so one interval contains the whole run or the run is incomplete.
                let at = own.partition_point(|i| i.last < wanted.last);
                own.get(at).is_some_and(|i| i.first <= wanted.first)
            })
        })
    }
}

/// Inserts one interval and merges it with those that it overlaps or touches. Usually it belongs at the end.
fn join(intervals: &mut Vec<Interval>, new: Interval) {
    let from = intervals.partition_point(|i| i.last + 1 < new.first);
    let until = from + intervals.iter().skip(from).take_while(|i| i.first <= new.last + 1).count();
    let met = intervals.get(from..until).unwrap_or_default();
    let joined = Interval {
        first: met.first().map_or(new.first, |i| i.first.min(new.first)),
        last: met.last().map_or(new.last, |i| i.last.max(new.last)),
    };
    intervals.splice(from..until, [joined]);
}

fn without(own: &[Interval], other: &[Interval]) -> Vec<Interval> {
    let mut rest = Vec::new();
    for interval in own {
        let mut first = interval.first;
        for gap in other.iter().filter(|o| o.last >= interval.first && o.first <= interval.last) {
            if gap.first > first {
                rest.push(Interval { first, last: gap.first - 1 });
            }
            first = gap.last + 1;
        }
        if first <= interval.last {
            rest.push(Interval { first, last: interval.last });
        }
    }
    rest
}

impl fmt::Display for Intervals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<u128> = None;
        for (source, intervals) in &self.sources {
            if before != Some(source.uuid) {
                f.write_str(if before.is_some() { "," } else { "" })?;
                write_uuid(f, source.uuid)?;
                before = Some(source.uuid);
            }
            let tag = source.tag.split(|b| *b == 0).next().unwrap_or_default();
            if !tag.is_empty() {
                write!(f, ":{}", std::str::from_utf8(tag).unwrap_or_default())?;
            }
            for Interval { first, last } in intervals {
                if first == last { write!(f, ":{first}") } else { write!(f, ":{first}-{last}") }?;
            }
        }
        Ok(())
    }
}

fn write_uuid(f: &mut fmt::Formatter<'_>, uuid: u128) -> fmt::Result {
    let part = |bits: u32, width: u32| (uuid >> bits) & ((1 << (width * 4)) - 1);
    let (a, b, c, d, e) = (part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12));
    write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
}

/// Calls `found` for each interval of a text, in order.
pub(super) fn each(text: &[u8], mut found: impl FnMut(UuidSource, Interval)) -> Result<(), GtidError> {
    for part in text.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()) {
        let mut pieces = part.split(|b| *b == b':').map(<[u8]>::trim_ascii);
        let uuid = pieces.next().and_then(uuid).ok_or_else(|| GtidError::of(part))?;
        let mut source = UuidSource { uuid, tag: [0; 32] };
        let mut intervals_missing = true;
        for piece in pieces {
            if let Some(tag) = tag(piece) {
                if intervals_missing && source.tag != [0; 32] {
                    return Err(GtidError::of(part));
                }
                source.tag = tag;
                intervals_missing = true;
            } else {
                intervals_missing = false;
                if let Some(interval) = interval(piece).ok_or_else(|| GtidError::of(part))? {
                    found(source, interval);
                }
            }
        }
        if intervals_missing {
            return Err(GtidError::of(part));
        }
    }
    Ok(())
}

/// Parses 32 hexadecimal digits, in groups of 8-4-4-4-12 or without hyphens.
fn uuid(text: &[u8]) -> Option<u128> {
    let mut groups = [text, b"", b"", b"", b""];
    if text.len() == 36 {
        let mut parts = text.split(|b| *b == b'-');
        for (group, length) in groups.iter_mut().zip([8, 4, 4, 4, 12]) {
            *group = parts.next().filter(|part| part.len() == length)?;
        }
    } else if text.len() != 32 {
        return None;
    }
    groups.iter().try_fold(0, |value, group| hexadecimal(value, group))
}

/// The value of each byte as a hexadecimal digit; `NO_DIGIT` if the byte is none.
const DIGITS: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};
/// Has a bit that no digit has.
const NO_DIGIT: u8 = 0xFF;

fn hexadecimal(before: u128, digits: &[u8]) -> Option<u128> {
    let (mut all, mut seen) = (before, 0);
    // 16 digits at a time fit a machine word.
    for word in digits.chunks(16) {
        let mut value = 0u64;
        for byte in word {
            let digit = DIGITS.get(usize::from(*byte)).copied().unwrap_or(NO_DIGIT);
            seen |= digit;
            value = (value << 4) | u64::from(digit & 0xF);
        }
        all = (all << (4 * word.len())) | u128::from(value);
    }
    (seen < 16).then_some(all)
}

/// Parses a tag: a letter or an underscore, then letters, digits and underscores; at most 32 characters.
fn tag(text: &[u8]) -> Option<[u8; 32]> {
    let first = text.first()?;
    let fits = first.is_ascii_alphabetic() || *first == b'_';
    if !fits || !text.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        return None;
    }
    let mut tag = [0; 32];
    tag.get_mut(..text.len())?.copy_from_slice(text);
    tag.make_ascii_lowercase();
    Some(tag)
}

/// Parses `7` or `7-9`. Returns `Some(None)` for an interval that ends before it begins, which the server
/// treats as empty.
fn interval(text: &[u8]) -> Option<Option<Interval>> {
    let mut ends = text.splitn(2, |b| *b == b'-');
    let first = number::<u64>(ends.next()?)?;
    let last = match ends.next() {
        Some(last) => number::<u64>(last)?,
        None => first,
    };
    let valid = first > 0 && first < LIMIT && last < LIMIT;
    valid.then_some((first <= last).then_some(Interval { first, last }))
}
