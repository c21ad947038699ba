//! The client's answer to the greeting: its user name, its authentication and its capabilities.

use super::attributes::{MAX_ATTRIBUTES, attribute};
use super::{Capabilities, ProtocolError, Reader, Writer};

/// The length of "Protocol::SSLRequest", in bytes.
const SSL_REQUEST_LEN: usize = 32;

/// "Protocol::HandshakeResponse41".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeResponse<'a> {
    /// What the client can do and asks for.
    pub capabilities: Capabilities,
    /// The longest packet that the client accepts, in bytes; servers ignore it.
    pub max_packet: u32,
    /// The collation that sets the session's initial character set.
    pub collation: u8,
    /// The account's name.
    pub user: &'a [u8],
    /// The authentication plugin's first answer.
    pub auth_response: &'a [u8],
    /// The schema, if one was named.
    pub schema: Option<&'a [u8]>,
    /// The plugin that the answer is for; empty if the client does not say.
    pub auth_plugin: &'a [u8],
    /// The connection attributes, still encoded.
    pub attributes: &'a [u8],
    /// The level of zstd compression; 0 without ZSTD_COMPRESSION_ALGORITHM.
    pub zstd_level: u8,
}

impl<'a> HandshakeResponse<'a> {
    /// Reads the payload.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        let low = r.u32("the capability flags")?;
        let mut capabilities = Capabilities::from_halves(low, 0);
        if !capabilities.contains(Capabilities::PROTOCOL_41) {
            return Err(ProtocolError::Unsupported("the 4.1 protocol"));
        }
        let max_packet = r.u32("the maximum packet size")?;
        let collation = r.u8("the collation")?;
        r.bytes(19, "the reserved bytes")?;
        let extension = r.u32("MariaDB's capability flags")?;
        if !capabilities.contains(Capabilities::LONG_PASSWORD) {
            capabilities |= Capabilities::from_halves(0, extension);
        }
        if capabilities.contains(Capabilities::SSL) && r.is_empty() {
            return Err(ProtocolError::Unsupported("a handshake response in place of a request for TLS"));
        }
        let user = r.nul_bytes("the user name")?;
        let auth_response = if capabilities.contains(Capabilities::PLUGIN_AUTH_LENENC_CLIENT_DATA) {
            r.lenenc_bytes("the auth response")?
        } else if capabilities.contains(Capabilities::SECURE_CONNECTION) {
            let len = r.u8("the auth response")?;
            r.bytes(usize::from(len), "the auth response")?
        } else {
            r.nul_bytes("the auth response")?
        };
        let schema = capabilities.contains(Capabilities::CONNECT_WITH_DB).then(|| r.nul_or_rest());
        let auth_plugin =
            if capabilities.contains(Capabilities::PLUGIN_AUTH) { r.nul_or_rest() } else { &[] };
        let attributes = if capabilities.contains(Capabilities::CONNECT_ATTRS) && !r.is_empty() {
            let what = "the connection attributes";
            let attributes = r.lenenc_bytes(what)?;
            let len = attributes.len();
            if len > MAX_ATTRIBUTES {
                return Err(ProtocolError::TooLarge { what, len, limit: MAX_ATTRIBUTES });
            }
            attributes
        } else {
            &[]
        };
        let zstd = capabilities.contains(Capabilities::ZSTD_COMPRESSION_ALGORITHM) && !r.is_empty();
        let zstd_level = if zstd { r.u8("the level of compression")? } else { 0 };
        let schema = schema.filter(|s| !s.is_empty());
        Ok(HandshakeResponse {
            capabilities,
            max_packet,
            collation,
            user,
            auth_response,
            schema,
            auth_plugin,
            attributes,
            zstd_level,
        })
    }

    /// Returns the value of a connection attribute.
    pub fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        attribute(self.attributes, name)
    }

    /// Appends the payload. `capabilities` must contain PLUGIN_AUTH_LENENC_CLIENT_DATA, PLUGIN_AUTH and CONNECT_ATTRS,
    /// and CONNECT_WITH_DB if and only if there is a schema.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.capabilities.low());
        out.extend_from_slice(&self.max_packet.to_le_bytes());
        out.push(self.collation);
        out.extend_from_slice(&[0; 19]);
        out.extend_from_slice(&self.capabilities.high());
        out.put_nul_bytes(self.user);
        out.put_lenenc_bytes(self.auth_response);
        if let Some(schema) = self.schema {
            out.put_nul_bytes(schema);
        }
        out.put_nul_bytes(self.auth_plugin);
        out.put_lenenc_bytes(self.attributes);
        if self.capabilities.contains(Capabilities::ZSTD_COMPRESSION_ALGORITHM) {
            out.push(self.zstd_level);
        }
    }
}

/// Returns whether the first packet of a client asks for TLS, if that was offered. "Protocol::SSLRequest" is a handshake
/// response that ends before the user name. A server begins TLS behind any packet with the flag, so a longer one would be
/// read in two ways, and is an error.
pub fn is_ssl_request(payload: &[u8]) -> Result<bool, ProtocolError> {
    let flags = payload.first_chunk().map(|low| Capabilities::from_halves(u32::from_le_bytes(*low), 0));
    let both = Capabilities::PROTOCOL_41 | Capabilities::SSL;
    match flags.is_some_and(|flags| flags.contains(both)) {
        true if payload.len() != SSL_REQUEST_LEN => Err(ProtocolError::Unsupported("a user name before TLS")),
        asks => Ok(asks),
    }
}

/// Appends "Protocol::SSLRequest": the beginning of a handshake response. The whole response follows, encrypted.
pub fn encode_ssl_request(capabilities: Capabilities, max_packet: u32, collation: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&(capabilities | Capabilities::SSL).low());
    out.extend_from_slice(&max_packet.to_le_bytes());
    out.push(collation);
    out.extend_from_slice(&[0; 19]);
    out.extend_from_slice(&capabilities.high());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> HandshakeResponse<'static> {
        HandshakeResponse {
            capabilities: Capabilities::ALWAYS | Capabilities::CONNECT_WITH_DB | Capabilities::LONG_PASSWORD,
            max_packet: 1 << 24,
            collation: 255,
            user: b"app",
            auth_response: &[1; 20],
            schema: Some(b"test"),
            auth_plugin: b"mysql_native_password",
            attributes: b"\x01a\x01b",
            zstd_level: 0,
        }
    }

    #[test]
    fn round_trips() {
        let mut out = Vec::new();
        response().encode(&mut out);
        assert_eq!(HandshakeResponse::parse(&out), Ok(response()));
        let mut zstd = HandshakeResponse { zstd_level: 7, ..response() };
        zstd.capabilities |= Capabilities::ZSTD_COMPRESSION_ALGORITHM;
        out.clear();
        zstd.encode(&mut out);
        assert_eq!(HandshakeResponse::parse(&out), Ok(zstd));
    }

    #[test]
    fn attributes_are_found_by_name() {
        let with = |attributes| HandshakeResponse { attributes, ..response() };
        assert_eq!(with(b"\x01a\x01b\x02cd\x03efg").attribute("cd"), Some(&b"efg"[..]));
        assert_eq!(with(b"\x01a\x01b\x02cd\x03ef").attribute("cd"), None);
        assert_eq!(with(b"").attribute("cd"), None);
    }

    #[test]
    fn mariadb_clients_put_their_flags_in_the_reserved_bytes() {
        let mut mariadb = response();
        mariadb.capabilities -= Capabilities::LONG_PASSWORD;
        mariadb.capabilities |= Capabilities::MARIADB_STMT_BULK_OPERATIONS;
        let mut out = Vec::new();
        mariadb.encode(&mut out);
        assert_eq!(HandshakeResponse::parse(&out).unwrap().capabilities, mariadb.capabilities);
    }

    #[test]
    fn a_tls_request_and_a_protocol_of_3_are_told_apart_from_garbage() {
        let mut out = Vec::new();
        let mut tls = response();
        tls.capabilities |= Capabilities::SSL;
        tls.encode(&mut out);
        assert!(matches!(HandshakeResponse::parse(&out[..32]), Err(ProtocolError::Unsupported(_))));
        assert!(matches!(HandshakeResponse::parse(&[0; 32]), Err(ProtocolError::Unsupported(_))));
    }

    #[test]
    fn short_forms_of_the_auth_response() {
        let mut out = Vec::new();
        let caps = Capabilities::PROTOCOL_41 | Capabilities::LONG_PASSWORD;
        out.extend_from_slice(&(caps | Capabilities::SECURE_CONNECTION).low());
        out.extend_from_slice(&[0; 28]);
        out.extend_from_slice(b"u\0\x02ab");
        let parsed = HandshakeResponse::parse(&out).unwrap();
        assert_eq!((parsed.user, parsed.auth_response, parsed.schema), (&b"u"[..], &b"ab"[..], None));
        let mut out = caps.low().to_vec();
        out.extend_from_slice(&[0; 28]);
        out.extend_from_slice(b"u\0old\0");
        assert_eq!(HandshakeResponse::parse(&out).unwrap().auth_response, b"old");
    }
}
