//! The statement text of a COM_QUERY, behind the query attributes if there are any.
//!
//! The server decides where the text begins, so this module reads attributes as the server does, and refuses those that
//! the server reads in an unusual way: a client must never make the proxy classify another text than the server runs.

use super::parameters::{MAX_PARAMETERS, ParameterType, is_null};
use super::{ProtocolError, Reader};

const WHAT: &str = "the query attributes";

/// Returns the statement text in the payload of a COM_QUERY. `payload` begins after the command byte. `attributes`:
/// CLIENT_QUERY_ATTRIBUTES is on, so query attributes precede the text.
///
/// `ProtocolError::Truncated` may mean that the payload is not complete yet; any other error is the client's fault.
///
/// Source: "COM_QUERY" in MySQL's internals, and MySQL 9.7 itself (`tests/it/attacks/attributes.rs`).
#[inline]
pub fn query_text(payload: &[u8], attributes: bool) -> Result<&[u8], ProtocolError> {
    if !attributes {
        return Ok(payload);
    }
    let mut r = Reader::new(payload);
    let count = r.lenenc(WHAT)?;
    if r.lenenc(WHAT)? != 1 {
        return Err(ProtocolError::Unsupported("a number of query attribute sets other than 1"));
    }
    if count == 0 { Ok(r.rest()) } else { behind_attributes(r, count) }
}

/// Returns the value of the query attribute of this name, if it is a string. `payload`: see [`query_text`], which must have
/// accepted it.
pub fn query_attribute<'a>(payload: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut r = Reader::new(payload);
    let count = r.lenenc(WHAT).ok().and_then(|count| usize::try_from(count).ok())?;
    if count == 0 || count > MAX_PARAMETERS || r.lenenc(WHAT).ok()? != 1 {
        return None;
    }
    let nulls = r.bytes(count.div_ceil(8), WHAT).ok()?;
    r.u8(WHAT).ok()?;
    let mut values = r;
    for _ in 0..count {
        values.u16(WHAT).ok()?;
        values.lenenc_bytes(WHAT).ok()?;
    }
    for i in 0..count {
        let kind = ParameterType::read(r.u16(WHAT).ok()?)?;
        let is_wanted = r.lenenc_bytes(WHAT).ok()? == name.as_bytes();
        match kind {
            _ if is_null(nulls, i) => {}
            ParameterType::Lenenc if is_wanted => return values.lenenc_bytes(WHAT).ok(),
            _ => kind.skip_value(&mut values, WHAT).ok()?,
        }
    }
    None
}

/// Skips the null bitmap, the types and names, and the values, and returns the text behind them.
fn behind_attributes(mut r: Reader<'_>, count: u64) -> Result<&[u8], ProtocolError> {
    let count = usize::try_from(count).ok().filter(|count| *count <= MAX_PARAMETERS);
    let count = count.ok_or(ProtocolError::Unsupported("more than 65,535 query attributes"))?;
    let nulls = r.bytes(count.div_ceil(8), WHAT)?;
    if r.u8(WHAT)? != 1 {
        return Err(ProtocolError::Unsupported("query attributes without types"));
    }
    // All types come before all values, so each has its own reader.
    let mut types = r;
    for _ in 0..count {
        r.u16(WHAT)?;
        r.lenenc_bytes(WHAT)?;
    }
    for i in 0..count {
        let kind = ParameterType::read(types.u16(WHAT)?);
        types.lenenc_bytes(WHAT)?;
        let kind = kind.ok_or(ProtocolError::Unsupported("a query attribute of this type"))?;
        if !is_null(nulls, i) {
            kind.skip_value(&mut r, WHAT)?;
        }
    }
    Ok(r.rest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_stands_behind_the_attributes() {
        assert_eq!(query_text(b"select 1", false), Ok(&b"select 1"[..]));
        assert_eq!(query_text(b"\0\x01select 1", true), Ok(&b"select 1"[..]));
        // Three attributes: a string "k" = "v", a NULL, a LONGLONG.
        let mut p = vec![3, 1, 0b010, 1];
        p.extend_from_slice(b"\xfe\0\x01k\xfe\0\x01n\x08\0\x01i");
        p.extend_from_slice(b"\x01v\x01\0\0\0\0\0\0\0select 2");
        assert_eq!(query_text(&p, true), Ok(&b"select 2"[..]));
        for cut in 0..p.len() - 8 {
            assert_eq!(query_text(&p[..cut], true), Err(ProtocolError::Truncated(WHAT)), "cut at {cut}");
        }
    }

    #[test]
    fn an_attribute_is_found_by_its_name() {
        // "k" = "v", a NULL "n", a LONGLONG "i", "traceparent" = "00-ab".
        let mut p = vec![4, 1, 0b0010, 1];
        p.extend_from_slice(b"\xfe\0\x01k\xfe\0\x01n\x08\0\x01i\xfd\0\x0btraceparent");
        p.extend_from_slice(b"\x01v\x01\0\0\0\0\0\0\0\x0500-abselect 2");
        assert_eq!(query_attribute(&p, "traceparent"), Some(&b"00-ab"[..]));
        assert_eq!(query_attribute(&p, "k"), Some(&b"v"[..]));
        for other in ["n", "i", "select 2", ""] {
            assert_eq!(query_attribute(&p, other), None, "{other}");
        }
        for cut in 0..p.len() - 8 {
            assert_eq!(query_attribute(&p[..cut], "traceparent"), None, "cut at {cut}");
        }
        assert_eq!(query_attribute(b"\0\x01select 1", "k"), None);
    }

    /// One attribute without a name.
    fn one(kind: u16, rest: &[u8]) -> Vec<u8> {
        let [low, high] = kind.to_le_bytes();
        [&[1, 1, 0, 1, low, high, 0], rest].concat()
    }

    #[test]
    fn types_outside_the_list_are_refused_also_with_other_bits() {
        let value = b"\x0fxxxSELECT 1 -- text";
        for kind in 0..=u16::MAX {
            let payload = one(kind, value);
            let text = query_text(&payload, true);
            let skipped = match kind & 0x7fff {
                0x01 => 1,
                0x02 => 2,
                0x03 | 0x04 => 4,
                0x05 | 0x08 => 8,
                0x00 | 0x07 | 0x0a..=0x0c | 0x0f | 0xf2 | 0xf5 | 0xf6 | 0xf9..=0xfe => 16,
                _ => {
                    assert!(matches!(text, Err(ProtocolError::Unsupported(_))), "{kind:#06x}");
                    continue;
                }
            };
            assert_eq!(text, Ok(&value[skipped..]), "{kind:#06x}");
        }
    }

    #[test]
    fn a_null_of_type_null_has_no_value() {
        assert_eq!(query_text(b"\x01\x01\x01\x01\x06\0\0select 1", true), Ok(&b"select 1"[..]));
        assert!(query_text(b"\x01\x01\0\x01\x06\0\0\0select 1", true).is_err());
    }

    #[test]
    fn lengths_that_the_server_reads_in_its_own_way_are_refused() {
        for kind in [0xfd, 0x0c] {
            assert_eq!(query_text(&one(kind, b"\xfc\x04\0abcdtext"), true), Ok(&b"text"[..]));
            assert_eq!(query_text(&one(kind, b"\xfe\x04\0\0\0\0\0\0\0abcdtext"), true), Ok(&b"text"[..]));
            for value in [
                &b"\xfb\x04\0\0\0\0\0\0\0abcdtext"[..],
                b"\xff\x04\0\0\0\0\0\0\0abcdtext",
                b"\xfe\x04\0\0\0\x01\0\0\0abcdtext",
                b"\x50abcdtext",
            ] {
                assert!(query_text(&one(kind, value), true).is_err(), "{}", value.escape_ascii());
            }
        }
        for begin in [
            &b"\x01\0"[..],
            b"\x01\x02",
            b"\x01\xff\x01\0\0\0\0\0\0\0",
            b"\x01\xfb",
            b"\xff\x01\0\0\0\0\0\0\0\x01",
            b"\xfe\x01\0\0\0\x01\0\0\0\x01",
            b"\xfb\x01",
        ] {
            let payload = [begin, b"\0\x01\xfd\0\0\x01xselect 1"].concat();
            assert!(query_text(&payload, true).is_err(), "{}", payload.escape_ascii());
        }
        for flag in [0, 2, 0x80, 0xff] {
            let payload = [&[1, 1, 0, flag], &b"\xfd\0\0\x01xselect 1"[..]].concat();
            assert!(query_text(&payload, true).is_err(), "flag {flag}");
        }
    }

    #[test]
    fn the_count_has_the_servers_bound() {
        let payload = |count: u32| {
            let [a, b, c, _] = count.to_le_bytes();
            let mut out = vec![0xfd, a, b, c, 1];
            out.resize(5 + (count as usize).div_ceil(8), 0xff);
            out.push(1);
            (0..count).for_each(|_| out.extend_from_slice(b"\xfd\0\0"));
            out.extend_from_slice(b"select 1");
            out
        };
        assert_eq!(query_text(&payload(65_535), true), Ok(&b"select 1"[..]));
        assert!(matches!(query_text(&payload(65_536), true), Err(ProtocolError::Unsupported(_))));
    }
}
