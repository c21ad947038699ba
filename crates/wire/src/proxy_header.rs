//! The header of the PROXY protocol, in which a load balancer sends the address of its client: one line of text
//! (version 1), or a binary block (version 2). The proxy reads both, and sends version 2 to servers. Source:
//! "doc/proxy-protocol.txt" of HAProxy, sections 2.1 and 2.2.
//!
//! Additional fields of version 2 (TLVs) are skipped, the checksum among them: TCP has one, too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{ProtocolError, Reader};

/// The beginning of version 1.
const TEXT: &[u8] = b"PROXY ";
/// The beginning of version 2.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 with the command LOCAL: the balancer speaks for itself.
const LOCAL: u8 = 0x20;
/// Version 2 with the command PROXY: the balancer speaks for its client.
const PROXY: u8 = 0x21;
/// The length of version 2 up to the addresses, in bytes.
const FIXED: usize = 16;
/// The longest line of version 1 with its CRLF, in bytes.
const LONGEST_LINE: usize = 107;

/// A whole header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The address of the balancer's client. None if the balancer speaks for itself (LOCAL) or does not know the
    /// address (UNKNOWN, AF_UNSPEC, a socket that is not TCP): then the address of the connection counts.
    pub source: Option<SocketAddr>,
    /// The length of the header, in bytes.
    pub len: usize,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeaderStart {
    /// The bytes begin with this header.
    Whole(ProxyHeader),
    /// The bytes are the beginning of a header, which has at least `least` bytes.
    Partial {
        /// The least length that the whole header can have, in bytes; more than there are.
        least: usize,
    },
}

impl ProxyHeader {
    /// The longest header that is accepted, in bytes.
    pub const LONGEST: usize = 4096;

    /// Reads the header at the start of `bytes`. The work does not depend on the bytes behind the header.
    pub fn parse(bytes: &[u8]) -> Result<ProxyHeaderStart, ProtocolError> {
        match bytes.first() {
            None => Ok(ProxyHeaderStart::Partial { least: FIXED - 1 }),
            Some(b'P') => parse_text(bytes),
            Some(b'\r') => parse_binary(bytes),
            Some(&byte) => Err(ProtocolError::Unexpected { expected: "a PROXY header", byte }),
        }
    }
}

impl ProxyHeader {
    /// Appends a header of version 2 for a client with this address. None: the address is not known, or must not be told;
    /// the receiver then uses the address of the connection (LOCAL). Names no destination, which receivers of MySQL's
    /// protocol do not use.
    pub fn write(source: Option<SocketAddr>, out: &mut Vec<u8>) {
        out.extend_from_slice(BINARY);
        match source.map(|source| (source.ip().to_canonical(), source.port().to_be_bytes())) {
            None => out.extend_from_slice(&[LOCAL, 0, 0, 0]),
            Some((IpAddr::V4(address), port)) => {
                out.extend_from_slice(&[PROXY, 0x11, 0, 12]);
                out.extend_from_slice(&address.octets());
                out.extend_from_slice(&[0; 4]);
                out.extend_from_slice(&port);
                out.extend_from_slice(&[0; 2]);
            }
            Some((IpAddr::V6(address), port)) => {
                out.extend_from_slice(&[PROXY, 0x21, 0, 36]);
                out.extend_from_slice(&address.octets());
                out.extend_from_slice(&[0; 16]);
                out.extend_from_slice(&port);
                out.extend_from_slice(&[0; 2]);
            }
        }
    }
}

/// True if `bytes` has the whole signature, false if it has a part. Any other byte is an error.
fn has_signature(bytes: &[u8], signature: &[u8]) -> Result<bool, ProtocolError> {
    match bytes.iter().zip(signature).find(|(byte, expected)| byte != expected) {
        Some((&byte, _)) => {
            Err(ProtocolError::Unexpected { expected: "the signature of a PROXY header", byte })
        }
        None => Ok(bytes.len() >= signature.len()),
    }
}

fn parse_text(bytes: &[u8]) -> Result<ProxyHeaderStart, ProtocolError> {
    const SHORTEST: usize = b"PROXY UNKNOWN\r\n".len();
    let partial = Ok(ProxyHeaderStart::Partial { least: SHORTEST.max(bytes.len() + 1) });
    if !has_signature(bytes, TEXT)? {
        return partial;
    }
    let line = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let end = line.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let too_long = ProtocolError::ProxyHeader("no end of its line within 107 bytes");
    match end.and_then(|end| line.split_at_checked(end)) {
        Some((before, [b'\r', b'\n', ..])) => {
            let fields = before.get(TEXT.len()..).unwrap_or_default();
            Ok(ProxyHeaderStart::Whole(ProxyHeader { source: source_of(fields)?, len: before.len() + 2 }))
        }
        None | Some((_, [b'\r'])) if line.len() < LONGEST_LINE => partial,
        None | Some((_, [b'\r'])) => Err(too_long),
        Some(_) => Err(ProtocolError::ProxyHeader("a line that does not end with CRLF")),
    }
}

/// Reads the fields of a line: protocol, source address, destination address, source port, destination port.
fn source_of(fields: &[u8]) -> Result<Option<SocketAddr>, ProtocolError> {
    // Whatever follows the word is to be ignored.
    if fields == b"UNKNOWN" || fields.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let wrong = ProtocolError::ProxyHeader;
    let text = std::str::from_utf8(fields).map_err(|_| wrong("a byte that is no text"))?;
    let mut fields = text.split(' ');
    let mut next = || fields.next().unwrap_or_default();
    let address = match next() {
        "TCP4" => addresses::<Ipv4Addr>(next(), next()),
        "TCP6" => addresses::<Ipv6Addr>(next(), next()),
        _ => return Err(wrong("a protocol other than TCP4, TCP6 and UNKNOWN")),
    };
    let address = address.ok_or(wrong("a wrong address"))?;
    let (source, destination) = (port(next()), port(next()));
    match (source.zip(destination), fields.next()) {
        (Some((port, _)), None) => Ok(Some(SocketAddr::new(address, port))),
        (None, _) => Err(wrong("a wrong port")),
        (_, Some(_)) => Err(wrong("more fields than five")),
    }
}

/// Returns the source address if both addresses are valid.
fn addresses<A: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<IpAddr> {
    destination.parse::<A>().ok()?;
    source.parse::<A>().ok().map(Into::into)
}

/// Reads a decimal port without leading zeros.
fn port(text: &str) -> Option<u16> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    text.parse().ok().filter(|_| canonical)
}

fn parse_binary(bytes: &[u8]) -> Result<ProxyHeaderStart, ProtocolError> {
    let has_signature = has_signature(bytes, BINARY)?;
    let fixed = bytes.get(BINARY.len()..).and_then(|rest| rest.first_chunk::<4>());
    let Some(&[command, family, high, low]) = fixed.filter(|_| has_signature) else {
        return Ok(ProxyHeaderStart::Partial { least: FIXED });
    };
    let is_local = match command {
        LOCAL => true,
        PROXY => false,
        byte => {
            let expected = "version 2 and a command of a PROXY header";
            return Err(ProtocolError::Unexpected { expected, byte });
        }
    };
    let len = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if len > ProxyHeader::LONGEST {
        return Err(ProtocolError::TooLarge { what: "a PROXY header", len, limit: ProxyHeader::LONGEST });
    }
    let Some(addresses) = bytes.get(FIXED..len) else {
        return Ok(ProxyHeaderStart::Partial { least: len });
    };
    let source = if is_local { None } else { binary_source(family, addresses)? };
    Ok(ProxyHeaderStart::Whole(ProxyHeader { source, len }))
}

/// Reads the source address of a block of addresses. `family` has the address family in its high half, and the kind of
/// socket in its low half.
fn binary_source(family: u8, addresses: &[u8]) -> Result<Option<SocketAddr>, ProtocolError> {
    const WHAT: &str = "the addresses of a PROXY header";
    let mut r = Reader::new(addresses);
    let address: IpAddr = match (family >> 4, family & 0x0f) {
        (1, 1) => {
            let address = r.u32(WHAT)?.to_le_bytes();
            r.bytes(4, WHAT)?;
            Ipv4Addr::from(address).into()
        }
        (2, 1) => {
            let address = r.bytes(16, WHAT)?.first_chunk::<16>().ok_or(ProtocolError::Truncated(WHAT))?;
            r.bytes(16, WHAT)?;
            Ipv6Addr::from(*address).into()
        }
        // No TCP: unspecified, UDP or unix sockets.
        (0..=3, 0..=2) => return Ok(None),
        _ => {
            return Err(ProtocolError::Unexpected {
                expected: "the protocol of a PROXY header",
                byte: family,
            });
        }
    };
    let port = r.u16(WHAT)?.swap_bytes();
    r.u16(WHAT)?;
    Ok(Some(SocketAddr::new(address, port)))
}

#[cfg(test)]
mod tests;
