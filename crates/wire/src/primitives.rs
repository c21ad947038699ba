//! Integers, length-encoded values and strings, read from a slice and appended to
//! a `Vec`. Source: "Protocol::Integer" and "Protocol::String" in MySQL's internals.

use super::ProtocolError;

/// Reads fields from the front of a payload.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// Returns the bytes that are not read yet.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// True if all bytes were read.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns an error if any bytes are left; `what` names the end in it.
    pub fn end(self, what: &'static str) -> Result<(), ProtocolError> {
        match self.0.first() {
            None => Ok(()),
            Some(&byte) => Err(ProtocolError::Unexpected { expected: what, byte }),
        }
    }

    /// Reads the next `n` bytes. Here and below, `what` names the field in the error.
    pub fn bytes(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], ProtocolError> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(ProtocolError::Truncated(what))?;
        self.0 = rest;
        Ok(head)
    }

    fn chunk<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ProtocolError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(ProtocolError::Truncated(what))?;
        self.0 = rest;
        Ok(*head)
    }

    /// A one-byte integer.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, ProtocolError> {
        self.chunk::<1>(what).map(|[b]| b)
    }

    /// A two-byte integer.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, ProtocolError> {
        self.chunk(what).map(u16::from_le_bytes)
    }

    /// A four-byte integer.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, ProtocolError> {
        self.chunk(what).map(u32::from_le_bytes)
    }

    /// A length-encoded integer. A first byte of 0xfb (NULL) or 0xff is an error.
    pub fn lenenc(&mut self, what: &'static str) -> Result<u64, ProtocolError> {
        match self.u8(what)? {
            0xfc => self.u16(what).map(u64::from),
            0xfd => {
                let [a, b, c] = self.chunk::<3>(what)?;
                Ok(u64::from(u32::from_le_bytes([a, b, c, 0])))
            }
            0xfe => self.chunk(what).map(u64::from_le_bytes),
            byte @ (0xfb | 0xff) => Err(ProtocolError::Unexpected { expected: what, byte }),
            small => Ok(u64::from(small)),
        }
    }

    /// A length-encoded string.
    pub fn lenenc_bytes(&mut self, what: &'static str) -> Result<&'a [u8], ProtocolError> {
        let len = self.lenenc(what)?;
        let len = usize::try_from(len).map_err(|_| ProtocolError::Truncated(what))?;
        self.bytes(len, what)
    }

    /// A string up to the next NUL, which is read but not returned.
    pub fn nul_bytes(&mut self, what: &'static str) -> Result<&'a [u8], ProtocolError> {
        let end = self.0.iter().position(|&b| b == 0).ok_or(ProtocolError::Truncated(what))?;
        let head = self.bytes(end, what)?;
        self.u8(what)?;
        Ok(head)
    }

    /// A string up to the next NUL, or up to the end if the peer left out the NUL.
    pub fn nul_or_rest(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&b| b == 0);
        let (head, rest) = self.0.split_at_checked(end.unwrap_or(self.0.len())).unwrap_or((self.0, &[]));
        self.0 = rest.split_first().map_or(&[], |(_, rest)| rest);
        head
    }
}

/// Appends fields to a payload.
pub trait Writer {
    /// A length-encoded integer, in its shortest form.
    fn put_lenenc(&mut self, n: u64);
    /// A length-encoded string.
    fn put_lenenc_bytes(&mut self, bytes: &[u8]);
    /// A string and its NUL.
    fn put_nul_bytes(&mut self, bytes: &[u8]);
}

impl Writer for Vec<u8> {
    fn put_lenenc(&mut self, n: u64) {
        let bytes = n.to_le_bytes();
        let (prefix, len) = match n {
            0..=0xfa => (None, 1),
            0xfb..=0xffff => (Some(0xfc), 2),
            0x1_0000..=0xff_ffff => (Some(0xfd), 3),
            _ => (Some(0xfe), 8),
        };
        self.extend(prefix);
        self.extend(bytes.iter().take(len));
    }

    fn put_lenenc_bytes(&mut self, bytes: &[u8]) {
        self.put_lenenc(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }

    fn put_nul_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
        self.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenenc_round_trips_at_every_border() {
        for n in [0, 250, 251, 252, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut out = Vec::new();
            out.put_lenenc(n);
            let mut r = Reader::new(&out);
            assert_eq!(r.lenenc("n"), Ok(n));
            assert!(r.is_empty());
            for cut in 0..out.len() {
                assert!(Reader::new(&out[..cut]).lenenc("n").is_err());
            }
        }
    }

    #[test]
    fn null_and_err_bytes_are_no_integers() {
        for byte in [0xfb, 0xff] {
            assert_eq!(
                Reader::new(&[byte, 1, 2]).lenenc("n"),
                Err(ProtocolError::Unexpected { expected: "n", byte })
            );
        }
    }

    #[test]
    fn a_string_longer_than_the_packet_is_truncated_not_allocated() {
        let mut r = Reader::new(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'x']);
        assert_eq!(r.lenenc_bytes("s"), Err(ProtocolError::Truncated("s")));
    }

    #[test]
    fn nul_strings() {
        let mut r = Reader::new(b"ab\0cd");
        assert_eq!(r.nul_bytes("s"), Ok(&b"ab"[..]));
        assert_eq!(r.nul_bytes("s"), Err(ProtocolError::Truncated("s")));
        assert_eq!(r.nul_or_rest(), b"cd");
        assert_eq!(r.nul_or_rest(), b"");
    }
}
