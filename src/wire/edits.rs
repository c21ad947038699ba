//! How a stretch of bytes leaves for the client: ranges of the input kept as they
//! are, and bytes put between them.

/// One piece of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Input bytes from..to.
    Keep(usize, usize),
    /// Bytes from..to of what was put.
    Put(usize, usize),
}

/// A list of pieces, reused from one response to the next.
#[derive(Debug, Default)]
pub struct Edits {
    pieces: Vec<Piece>,
    put: Vec<u8>,
}

impl Edits {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.put.clear();
    }

    /// Keeps a range of the input; runs that touch become one.
    #[inline]
    pub fn keep(&mut self, from: usize, to: usize) {
        if let Some(Piece::Keep(_, end)) = self.pieces.last_mut()
            && *end == from
        {
            *end = to;
        } else if from < to {
            self.pieces.push(Piece::Keep(from, to));
        }
    }

    /// Puts what `write` appends in this place.
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

    /// Whether nothing leaves.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The one range, if the output is just that.
    pub fn single(&self) -> Option<(usize, usize)> {
        match self.pieces.as_slice() {
            [Piece::Keep(from, to)] => Some((*from, *to)),
            _ => None,
        }
    }

    /// Hands the output to `each`, piece by piece.
    pub fn apply(&self, input: &[u8], mut each: impl FnMut(&[u8])) {
        for piece in &self.pieces {
            let bytes = match *piece {
                Piece::Keep(from, to) => input.get(from..to),
                Piece::Put(from, to) => self.put.get(from..to),
            };
            each(bytes.unwrap_or_default());
        }
    }

    /// How many bytes the output has.
    pub fn len(&self) -> usize {
        let of = |piece: &Piece| match *piece {
            Piece::Keep(from, to) | Piece::Put(from, to) => to - from,
        };
        self.pieces.iter().map(of).sum()
    }
}
