//! Adds to a command for which client it is: as a comment in front of a statement's text, or as a query attribute of
//! COM_QUERY or COM_STMT_EXECUTE.
//!
//! Source: "COM_QUERY" and "COM_STMT_EXECUTE" in MySQL's internals.

use std::ops::Range;

use super::parameters::{MAX_PARAMETERS, PARAMETER_COUNT_AVAILABLE, ParameterType, is_null};
use super::{Execute, PacketHeader, Reader, Types, Writer, first_types, query_text};

/// The name of the attribute, which also stands in the comment.
const NAME: &str = "pointsman_client";

/// MYSQL_TYPE_STRING, as the type of a parameter.
const STRING: [u8; 2] = [0xfe, 0];

/// The offset of the flags in COM_STMT_EXECUTE, behind the command byte and the statement's id.
const FLAGS: usize = 5;

/// The length of COM_STMT_EXECUTE up to the number of parameters: the flags and the number of iterations follow the id.
const FIXED: usize = FLAGS + 1 + 4;

/// A change of a command's payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// The part of the payload that is replaced.
    range: Range<usize>,
    /// What stands in its place.
    bytes: Vec<u8>,
}

impl Splice {
    /// Returns the length that the payload then has, in bytes.
    pub fn len(&self, payload: &[u8]) -> usize {
        payload.len() - self.range.len() + self.bytes.len()
    }

    /// Returns the parts of the changed packet, in order. Its sequence id is 0. The changed payload must be shorter than
    /// `MAX_PAYLOAD`.
    pub fn packet<'a>(&'a self, payload: &'a [u8]) -> ([u8; PacketHeader::LEN], [&'a [u8]; 3]) {
        let header = PacketHeader { len: self.len(payload), seq: 0 }.to_bytes();
        let before = payload.get(..self.range.start).unwrap_or_default();
        (header, [before, &self.bytes, payload.get(self.range.end..).unwrap_or_default()])
    }
}

/// Returns the text that names a client: its address, its account and the id of its session. Everything in it but letters,
/// digits and a few harmless characters is encoded as in URLs, so that no name can end the comment, or begin another.
pub fn client_named(peer: &str, user: &str, session: u32) -> String {
    let mut named = String::with_capacity(peer.len() + user.len() + 12);
    named.push_str(peer);
    named.push(' ');
    for byte in user.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'@' => {
                named.push(char::from(byte))
            }
            _ => {
                named.push('%');
                for half in [byte >> 4, byte & 15] {
                    named.extend(char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase()));
                }
            }
        }
    }
    named.push(' ');
    named.push_str(&session.to_string());
    named
}

/// Adds a comment in front of the text of a COM_QUERY. `attributes`: CLIENT_QUERY_ATTRIBUTES is on. None for an empty text:
/// servers refuse it (1065), but not a text that has a comment.
pub fn comment_in_front(payload: &[u8], attributes: bool, client: &str) -> Option<Splice> {
    let text = query_text(payload.get(1..)?, attributes).ok()?;
    if text.iter().all(|byte| matches!(byte, b'\t'..=b'\r' | b' ' | b';' | b'\0')) {
        return None;
    }
    let at = payload.len() - text.len();
    Some(Splice { range: at..at, bytes: format!("/* {NAME}={client} */ ").into_bytes() })
}

/// Adds a query attribute to a COM_QUERY with CLIENT_QUERY_ATTRIBUTES, in front of the client's own: a server that looks for
/// the name finds the first attribute.
pub fn attribute_of_query(payload: &[u8], client: &str) -> Option<Splice> {
    // Checks the attributes that are there, too.
    query_text(payload.get(1..)?, true).ok()?;
    let mut r = Reader::new(payload.get(1..)?);
    let count = usize::try_from(r.lenenc("").ok()?).ok()?;
    r.lenenc("").ok()?;
    let (mut nulls, mut types) = (&[][..], &[][..]);
    if count > 0 {
        nulls = r.bytes(count.div_ceil(8), "").ok()?;
        r.u8("").ok()?;
        let rest = r.rest();
        for _ in 0..count {
            r.u16("").ok()?;
            r.lenenc_bytes("").ok()?;
        }
        types = rest.get(..rest.len() - r.rest().len())?;
    }
    let end = payload.len() - r.rest().len();
    let mut bytes = Vec::new();
    bytes.put_lenenc(u64::try_from(count + 1).ok().filter(|_| count < MAX_PARAMETERS)?);
    bytes.push(1);
    bytes.extend(with_one_more(nulls, count, 0));
    bytes.push(1);
    put_type(&mut bytes);
    bytes.extend_from_slice(types);
    bytes.put_lenenc_bytes(client.as_bytes());
    Some(Splice { range: 1..end, bytes })
}

/// Adds a query attribute to a COM_STMT_EXECUTE with CLIENT_QUERY_ATTRIBUTES, in front of the client's own. `params`: the number
/// of the statement's own parameters, all of which must have their values in the packet. None if that is not so, or if the
/// packet has no types: a server then takes no attributes.
pub fn attribute_of_execute(payload: &[u8], params: u16, client: &str) -> Option<Splice> {
    let execute = Execute::parse(payload, params, true).ok()?;
    let params = usize::from(params);
    let types = match execute.types {
        Types::None => &[],
        Types::Given(types) => types,
        Types::AsBefore(_) => return None,
    };
    let of_params = first_types(types, params, true)?;
    let (mut kinds, mut values, mut at) = (Reader::new(types), Reader::new(execute.values), 0);
    for i in 0..execute.count {
        let kind = ParameterType::read(kinds.u16("").ok()?)?;
        kinds.lenenc_bytes("").ok()?;
        if !is_null(execute.nulls, i) {
            kind.skip_value(&mut values, "").ok()?;
        }
        if i + 1 == params {
            at = execute.values.len() - values.rest().len();
        }
    }
    // A statement without parameters may have bytes here that the server does not read.
    if execute.count > 0 && !values.is_empty() {
        return None;
    }
    let values = if execute.count > 0 { execute.values } else { &[] };
    let mut bytes = vec![payload.get(FLAGS)? | PARAMETER_COUNT_AVAILABLE];
    bytes.extend_from_slice(payload.get(FLAGS + 1..FIXED)?);
    let count = execute.count + 1;
    bytes.put_lenenc(u64::try_from(count).ok().filter(|_| count <= MAX_PARAMETERS)?);
    bytes.extend(with_one_more(execute.nulls, execute.count, params));
    bytes.push(1);
    bytes.extend_from_slice(of_params);
    put_type(&mut bytes);
    bytes.extend_from_slice(types.get(of_params.len()..)?);
    bytes.extend_from_slice(values.get(..at)?);
    bytes.put_lenenc_bytes(client.as_bytes());
    bytes.extend_from_slice(values.get(at..)?);
    Some(Splice { range: FLAGS..payload.len(), bytes })
}

fn put_type(out: &mut Vec<u8>) {
    out.extend_from_slice(&STRING);
    out.put_lenenc_bytes(NAME.as_bytes());
}

/// Returns a null bitmap of `count` parameters with one more, which is not NULL, at this place.
fn with_one_more(nulls: &[u8], count: usize, at: usize) -> Vec<u8> {
    let mut all = vec![0; (count + 1).div_ceil(8)];
    for old in (0..count).filter(|old| is_null(nulls, *old)) {
        let new = old + usize::from(old >= at);
        if let Some(byte) = all.get_mut(new / 8) {
            *byte |= 1 << (new % 8);
        }
    }
    all
}

#[cfg(test)]
mod tests;
