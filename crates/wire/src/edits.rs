//! How input bytes become output for the client: ranges of the input are kept as they
//! are, and new bytes are put between them.

use std::ops::Range;

/// One piece of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Input bytes from..to.
    Keep(usize, usize),
    /// Bytes from..to of the new bytes (`Edits::put`).
    Put(usize, usize),
}

impl Piece {
    fn len(&self) -> usize {
        match *self {
            Piece::Keep(from, to) | Piece::Put(from, to) => to - from,
        }
    }
}

/// A list of pieces that make up the output. Reused from one response to the next.
#[derive(Debug, Default)]
pub struct Edits {
    pieces: Vec<Piece>,
    put: Vec<u8>,
}

impl Edits {
    /// Empties the list, and keeps its memory.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.put.clear();
    }

    /// Appends a range of the input. Adjacent ranges become one piece.
    #[inline]
    pub fn keep(&mut self, from: usize, to: usize) {
        debug_assert!(from <= to, "a range");
        if let Some(Piece::Keep(_, end)) = self.pieces.last_mut()
            && *end == from
        {
            *end = to;
        } else if from < to {
            self.pieces.push(Piece::Keep(from, to));
        }
    }

    /// Appends the bytes that `write` writes.
    pub fn put_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let from = self.put.len();
        write(&mut self.put);
        let to = self.put.len();
        if let Some(Piece::Put(_, end)) = self.pieces.last_mut()
            && *end == from
        {
            *end = to;
        } else if from < to {
            self.pieces.push(Piece::Put(from, to));
        }
    }

    /// True if the output is empty.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns the range of the input that is the whole output, if the output is a single range.
    pub fn single(&self) -> Option<(usize, usize)> {
        match self.pieces.as_slice() {
            [Piece::Keep(from, to)] => Some((*from, *to)),
            _ => None,
        }
    }

    /// Calls `each` with the bytes of each piece, in order.
    pub fn apply(&self, input: &[u8], mut each: impl FnMut(&[u8])) {
        for piece in &self.pieces {
            let bytes = match *piece {
                Piece::Keep(from, to) => input.get(from..to),
                Piece::Put(from, to) => self.put.get(from..to),
            };
            each(bytes.unwrap_or_default());
        }
    }

    /// Builds the output in the memory of the input, which is `used` bytes of `data` from `from` on. The last range
    /// that is kept stays in place; pieces before it move towards the front, into the free bytes before the input if
    /// needed. Returns where in `data` the output is, or None, with `data` unchanged, if the output does not fit.
    pub fn in_place(&self, data: &mut [u8], from: usize, used: usize) -> Option<Range<usize>> {
        let lens = self.pieces.iter().map(Piece::len);
        let last = self.pieces.iter().rposition(|piece| matches!(piece, Piece::Keep(..)));
        let begin = match last.and_then(|last| Some((last, self.pieces.get(last)?))) {
            Some((last, Piece::Keep(kept, _))) => (from + kept).checked_sub(lens.clone().take(last).sum())?,
            _ => from,
        };
        // Kept ranges may move only towards the front, so that no byte is overwritten before it was moved itself.
        let mut at = begin;
        for piece in &self.pieces {
            if matches!(piece, Piece::Keep(kept, to) if at > from + kept || *to > used) {
                return None;
            }
            at += piece.len();
        }
        if at > from + used || from + used > data.len() {
            return None;
        }
        let mut at = begin;
        for piece in &self.pieces {
            match *piece {
                Piece::Keep(kept, to) if at != from + kept => data.copy_within(from + kept..from + to, at),
                Piece::Keep(..) => {}
                Piece::Put(put, to) => {
                    let place = data.get_mut(at..at + (to - put))?;
                    place.copy_from_slice(self.put.get(put..to)?);
                }
            }
            at += piece.len();
        }
        Some(begin..at)
    }

    /// Returns the length of the output in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that `in_place`, with `front` free bytes before the input, gives the same output as `apply` and does not
    /// change the bytes behind the input. True if the output fitted.
    fn check(edits: &Edits, input: &[u8], front: usize) -> bool {
        let mut expected = Vec::new();
        edits.apply(input, |bytes| expected.extend_from_slice(bytes));
        let tail = b"what follows";
        let mut data = [&vec![b'?'; front][..], input, tail].concat();
        let before = data.clone();
        match edits.in_place(&mut data, front, input.len()) {
            Some(place) => {
                assert_eq!(data[place], expected);
                assert_eq!(&data[front + input.len()..], tail);
                true
            }
            None => {
                assert_eq!(data, before);
                false
            }
        }
    }

    #[test]
    fn an_eof_is_put_between_without_moving_the_rows() {
        let input = b"columnsrowsrowsrowsthe end.";
        let mut edits = Edits::default();
        edits.keep(0, 7);
        edits.put_with(|out| out.extend_from_slice(b"[eof]"));
        edits.keep(7, 19);
        edits.put_with(|out| out.extend_from_slice(b"[end]"));
        assert!(check(&edits, input, 5));
        assert!(!check(&edits, input, 4), "no room in front");
        edits.put_with(|out| out.extend_from_slice(b"longer than it was"));
        assert!(!check(&edits, input, 50), "no room behind");
    }

    #[test]
    fn any_pieces_come_out_as_they_would_apart() {
        let input: Vec<u8> = (0..60).collect();
        let mut seed = 1_u64;
        let mut below = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from((seed >> 33) % n).unwrap()
        };
        let mut fitted = 0;
        for _ in 0..20_000 {
            let (mut edits, mut at) = (Edits::default(), 0);
            while at < 50 {
                let to = at + below(10);
                match below(3) {
                    0 => edits.put_with(|out| out.resize(out.len() + below(9), b'+')),
                    1 => edits.keep(at, to),
                    _ => {}
                }
                at = to;
            }
            fitted += usize::from(check(&edits, &input, below(40)));
        }
        assert!(fitted > 2_000, "only {fitted} fitted");
    }
}
