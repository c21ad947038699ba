//! The statement text of a COM_QUERY, behind the query attributes if there are any.

use super::{ProtocolError, Reader};

/// The text in a COM_QUERY's payload after the command byte. `attributes` says whether
/// CLIENT_QUERY_ATTRIBUTES is on, which puts parameters in front of it.
pub fn query_text(payload: &[u8], attributes: bool) -> Result<&[u8], ProtocolError> {
    let mut r = Reader::new(payload);
    if !attributes {
        return Ok(payload);
    }
    const WHAT: &str = "the query attributes";
    let count = usize::try_from(r.lenenc(WHAT)?).map_err(|_| ProtocolError::Truncated(WHAT))?;
    r.lenenc(WHAT)?;
    if count == 0 {
        return Ok(r.rest());
    }
    let nulls = r.bytes(count.div_ceil(8), WHAT)?;
    if r.u8(WHAT)? != 1 {
        return Err(ProtocolError::Unsupported("query attributes without types"));
    }
    // The types stand in front of the values: walk both with a reader each.
    let mut types = r;
    for _ in 0..count {
        r.u16(WHAT)?;
        r.lenenc_bytes(WHAT)?;
    }
    for i in 0..count {
        let kind = types.u16(WHAT)?;
        types.lenenc_bytes(WHAT)?;
        if nulls.get(i / 8).is_some_and(|bits| bits >> (i % 8) & 1 == 1) {
            continue;
        }
        skip_value(&mut r, kind & 0xff, WHAT)?;
    }
    Ok(r.rest())
}

/// Binary protocol values by their column type. Source: `field_types.h`.
fn skip_value(r: &mut Reader<'_>, kind: u16, what: &'static str) -> Result<(), ProtocolError> {
    let len = match kind {
        0x06 => 0,
        0x01 => 1,
        0x02 | 0x0d => 2,
        0x03 | 0x04 | 0x09 => 4,
        0x05 | 0x08 => 8,
        0x07 | 0x0a | 0x0b | 0x0c => usize::from(r.u8(what)?),
        _ => return r.lenenc_bytes(what).map(|_| ()),
    };
    r.bytes(len, what).map(|_| ())
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
            assert!(query_text(&p[..cut], true).is_err(), "cut at {cut}");
        }
    }
}
