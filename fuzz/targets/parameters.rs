//! Query attributes and the parameters of COM_STMT_EXECUTE, against a model of how MySQL reads them: wherever the proxy
//! reads a packet, the server reads the same text, the same types and the same values. The model follows what MySQL 9.7
//! does with packets, oddities included, and shares no code with the proxy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::wire::{Execute, Types, query_text};

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (how, params, bytes) = input;
    query(bytes);
    // Mostly statements with few parameters, and a head that servers take.
    let params = if how & 1 == 0 { params % 4 } else { params };
    let attributes = how & 2 != 0;
    let flags = if how & 4 != 0 { 8 } else { 0 };
    let payload = [&[0x17, 1, 0, 0, 0, flags, 1, 0, 0, 0], bytes].concat();
    execute(&payload, params, attributes);
    execute(bytes, params, attributes);
});

fn query(payload: &[u8]) {
    assert_eq!(query_text(payload, false), Ok(payload));
    if let Ok(text) = query_text(payload, true) {
        let read = Packet(payload).text();
        assert_eq!(Some(text), read, "{}", payload.escape_ascii());
    }
}

fn execute(payload: &[u8], params: u16, attributes: bool) {
    let Ok(ours) = Execute::parse(payload, params, attributes) else { return };
    let theirs = Packet(payload).execute(params, attributes);
    let Some(theirs) = theirs else {
        panic!("the server refuses what the proxy reads: {}", payload.escape_ascii())
    };
    let begin = payload.len() - ours.values.len();
    match ours.types {
        Types::None => assert_eq!(theirs, Read { types: None, values: None, first: None }),
        Types::Given(types) => {
            assert_eq!(theirs.types, Some((begin - types.len(), begin)));
            assert_eq!(theirs.values, Some(begin));
            if let (Some(string), Some(first)) = (ours.only_string(None), theirs.first) {
                assert_eq!(string, &payload[first.0..first.1]);
            }
        }
        Types::AsBefore(at) => {
            assert_eq!((theirs.types, theirs.values), (None, Some(at)));
            assert_eq!(at, begin);
        }
    }
}

/// What the server takes from COM_STMT_EXECUTE, as offsets in the payload.
#[derive(Debug, PartialEq)]
struct Read {
    types: Option<(usize, usize)>,
    values: Option<usize>,
    /// The first value, if it is not NULL and its type was given.
    first: Option<(usize, usize)>,
}

/// A payload, as a C program walks over it: an offset, and how much is left.
struct Packet<'a>(&'a [u8]);

impl<'a> Packet<'a> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn little_endian(&self, at: usize, len: usize) -> Option<u64> {
        let bytes = self.0.get(at..at + len)?;
        Some(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// A number of parameters or of sets, or the length of a name: the value and where it ends. Of eight bytes the server
    /// looks at four, and takes every first byte beyond 0xfd for the longest form.
    fn counted(&self, at: usize) -> Option<(u64, usize)> {
        match self.byte(at)? {
            small @ ..=0xfa => Some((u64::from(small), at + 1)),
            0xfb => Some((u64::MAX, at + 1)),
            0xfc => Some((self.little_endian(at + 1, 2)?, at + 3)),
            0xfd => Some((self.little_endian(at + 1, 3)?, at + 4)),
            0xfe.. => {
                self.little_endian(at + 1, 8)?;
                Some((self.little_endian(at + 1, 4)?, at + 9))
            }
        }
    }

    /// Where the value of a type ends. The server cuts a string that is longer than the packet; the proxy must refuse it.
    fn value(&self, kind: u16, at: usize) -> Option<(usize, usize)> {
        let fixed = match kind & 0x7fff {
            1 => 1,
            2 => 2,
            3 | 4 => 4,
            5 | 8 => 8,
            _ => 0,
        };
        if fixed > 0 {
            return (self.0.len() - at >= fixed).then_some((at, at + fixed));
        }
        let (len, begin) = match self.byte(at)? {
            0xff => return None,
            0xfb => (u64::MAX, at + 1),
            _ => self.counted(at)?,
        };
        let begin = begin.min(self.0.len());
        let left = self.0.len() - begin;
        let temporal = matches!(kind & 0x7fff, 7 | 10 | 11 | 12);
        let cut = usize::try_from(len).unwrap_or(usize::MAX).min(left);
        if temporal && len > left as u64 {
            return None;
        }
        Some((begin, begin + cut))
    }

    fn text(&self) -> Option<&'a [u8]> {
        let (count, at) = self.counted(0)?;
        let (sets, mut at) = self.counted(at)?;
        if sets != 1 || count > 0xffff {
            return None;
        }
        if count == 0 {
            return self.0.get(at..);
        }
        let nulls = at;
        at += (count as usize).div_ceil(8);
        let has_types = self.byte(at)?;
        at += 1;
        if has_types == 0 {
            return None;
        }
        let (kinds, mut at) = self.kinds(count, at, true)?;
        for (i, kind) in kinds.iter().enumerate() {
            if self.byte(nulls + i / 8)? & 1 << (i % 8) == 0 {
                at = self.value(*kind, at)?.1;
            }
        }
        self.0.get(at..)
    }

    fn kinds(&self, count: u64, mut at: usize, named: bool) -> Option<(Vec<u16>, usize)> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            kinds.push(self.little_endian(at, 2)? as u16);
            at += 2;
            if named {
                let (len, begin) = self.counted(at)?;
                at = begin.checked_add(usize::try_from(len).ok()?)?;
                self.0.get(at..)?;
            }
        }
        Some((kinds, at))
    }

    fn execute(&self, params: u16, attributes: bool) -> Option<Read> {
        let flags = self.byte(5)?;
        self.0.get(10..)?;
        let (mut count, mut at) = (u64::from(params), 10);
        if attributes && (params > 0 || flags & 8 != 0) {
            (count, at) = self.counted(at)?;
        }
        if count > 0xffff || count < u64::from(params) {
            return None;
        }
        if count == 0 {
            return Some(Read { types: None, values: None, first: None });
        }
        let nulls = at;
        at += (count as usize).div_ceil(8);
        let has_types = self.byte(at)?;
        at += 1;
        if has_types == 0 {
            return (count == u64::from(params)).then_some(Read {
                types: None,
                values: Some(at),
                first: None,
            });
        }
        let (kinds, end) = self.kinds(count, at, attributes)?;
        let is_null = self.byte(nulls)? & 1 == 1;
        let first = if is_null { None } else { self.value(*kinds.first()?, end) };
        Some(Read { types: Some((at, end)), values: Some(end), first })
    }
}
