//! The answer of a client from before version 4.1 to the greeting. Health checks of load balancers still send it.

use super::{Capabilities, ProtocolError, Reader};

/// "Protocol::HandshakeResponse320".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeResponse320<'a> {
    /// What the client can do and asks for, without PROTOCOL_41.
    pub capabilities: Capabilities,
    /// The account's name.
    pub user: &'a [u8],
    /// The answer to the nonce; empty for an empty password.
    pub auth_response: &'a [u8],
    /// The schema, if one was named.
    pub schema: Option<&'a [u8]>,
}

impl<'a> HandshakeResponse320<'a> {
    /// True if the first packet of a client is of this kind.
    pub fn is_one(payload: &[u8]) -> bool {
        let low = payload.first_chunk().map(|low| u32::from(u16::from_le_bytes(*low)));
        low.is_some_and(|low| !Capabilities::from_halves(low, 0).contains(Capabilities::PROTOCOL_41))
    }

    /// Reads the payload.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        let capabilities = Capabilities::from_halves(u32::from(r.u16("the capability flags")?), 0);
        if capabilities.contains(Capabilities::PROTOCOL_41) {
            return Err(ProtocolError::Unsupported("a handshake response of the 4.1 protocol here"));
        }
        r.bytes(3, "the maximum packet size")?;
        let user = r.nul_bytes("the user name")?;
        let auth_response = if capabilities.contains(Capabilities::SECURE_CONNECTION) {
            let len = r.u8("the auth response")?;
            r.bytes(usize::from(len), "the auth response")?
        } else {
            r.nul_or_rest()
        };
        let schema = capabilities.contains(Capabilities::CONNECT_WITH_DB).then(|| r.nul_or_rest());
        let schema = schema.filter(|schema| !schema.is_empty());
        Ok(HandshakeResponse320 { capabilities, user, auth_response, schema })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_haproxy_sends() {
        let payload = b"\x00\x80\x00\x00\x01haproxy\0\0";
        assert!(HandshakeResponse320::is_one(payload));
        let parsed = HandshakeResponse320::parse(payload).unwrap();
        assert_eq!((parsed.user, parsed.auth_response, parsed.schema), (&b"haproxy"[..], &b""[..], None));
        assert_eq!(parsed.capabilities, Capabilities::SECURE_CONNECTION);
    }

    #[test]
    fn with_a_password_and_a_schema() {
        let parsed = HandshakeResponse320::parse(b"\x08\x80\x00\x00\x01app\0\x02xytest\0").unwrap();
        assert_eq!((parsed.auth_response, parsed.schema), (&b"xy"[..], Some(&b"test"[..])));
        let parsed = HandshakeResponse320::parse(b"\x01\x00\x00\x00\x01app\0xy").unwrap();
        assert_eq!((parsed.auth_response, parsed.schema), (&b"xy"[..], None));
        for cut in 0..9 {
            assert!(HandshakeResponse320::parse(&b"\x08\x80\x00\x00\x01app\0\x02xytest\0"[..cut]).is_err());
        }
        assert!(!HandshakeResponse320::is_one(b"\x00\x82\x00\x00") && !HandshakeResponse320::is_one(b"\x00"));
        assert!(HandshakeResponse320::parse(b"\x00\x82\x00\x00\x01a\0\0").is_err());
    }
}
