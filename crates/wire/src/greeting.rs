//! The first packet of a connection, from server to client: protocol version 10.

use super::{Capabilities, ProtocolError, Reader, StatusFlags, Writer};

/// "Protocol::HandshakeV10".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The version string, byte for byte; MariaDB's may begin with `5.5.5-`.
    pub version: Vec<u8>,
    /// The value of `CONNECTION_ID()` in this session.
    pub connection_id: u32,
    /// The challenge of the authentication plugin.
    pub nonce: [u8; 20],
    /// What the server can do.
    pub capabilities: Capabilities,
    /// The default collation's id.
    pub collation: u8,
    /// The initial status flags.
    pub status: StatusFlags,
    /// The plugin that the nonce is for.
    pub auth_plugin: Vec<u8>,
}

impl Greeting {
    /// Reads the payload. The caller must first check for an ERR packet instead of a greeting (1040, host blocked).
    pub fn parse(payload: &[u8]) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        let protocol = r.u8("the protocol version")?;
        if protocol != 10 {
            return Err(ProtocolError::Unexpected { expected: "protocol version 10", byte: protocol });
        }
        let version = r.nul_bytes("the server version")?.to_vec();
        let connection_id = r.u32("the connection id")?;
        let mut nonce = [0; 20];
        let head = r.bytes(8, "the nonce")?;
        r.u8("the filler")?;
        let low = r.u16("the capability flags")?;
        let collation = r.u8("the collation")?;
        let status = StatusFlags::from_bits_retain(r.u16("the status flags")?);
        let high = r.u16("the capability flags")?;
        r.u8("the length of the nonce")?;
        r.bytes(6, "the reserved bytes")?;
        let extension = r.u32("MariaDB's capability flags")?;
        let tail = r.bytes(12, "the nonce")?;
        r.u8("the nonce's NUL")?;
        for (to, from) in nonce.iter_mut().zip(head.iter().chain(tail)) {
            *to = *from;
        }
        let auth_plugin = r.nul_or_rest().to_vec();
        let mut capabilities = Capabilities::from_halves(u32::from(low) | u32::from(high) << 16, 0);
        if !capabilities.contains(Capabilities::LONG_PASSWORD) {
            capabilities |= Capabilities::from_halves(0, extension);
        }
        Ok(Greeting { version, connection_id, nonce, capabilities, collation, status, auth_plugin })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let [a, b, c, d] = self.capabilities.low();
        let (head, tail) = self.nonce.split_at(8);
        out.push(10);
        out.put_nul_bytes(&self.version);
        out.extend_from_slice(&self.connection_id.to_le_bytes());
        out.extend_from_slice(head);
        out.extend_from_slice(&[0, a, b, self.collation]);
        out.extend_from_slice(&self.status.bits().to_le_bytes());
        out.extend_from_slice(&[c, d, 21]);
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.capabilities.high());
        out.put_nul_bytes(tail);
        out.put_nul_bytes(&self.auth_plugin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> Greeting {
        Greeting {
            version: b"5.5.5-10.11.6-MariaDB".to_vec(),
            connection_id: 77,
            nonce: *b"abcdefghijklmnopqrst",
            capabilities: (Capabilities::OFFERED - Capabilities::LONG_PASSWORD) | Capabilities::DEPRECATE_EOF,
            collation: 45,
            status: StatusFlags::AUTOCOMMIT,
            auth_plugin: b"mysql_native_password".to_vec(),
        }
    }

    #[test]
    fn round_trips() {
        let mut out = Vec::new();
        greeting().encode(&mut out);
        assert_eq!(Greeting::parse(&out), Ok(greeting()));
    }

    #[test]
    fn a_mysql_server_has_no_mariadb_extension() {
        let mut out = Vec::new();
        let mut mysql = greeting();
        mysql.capabilities |= Capabilities::LONG_PASSWORD;
        mysql.encode(&mut out);
        let parsed = Greeting::parse(&out).unwrap();
        assert_eq!(parsed.capabilities & Capabilities::MARIADB, Capabilities::empty());
    }

    #[test]
    fn any_cut_is_an_error_or_a_shorter_plugin_name() {
        let mut out = Vec::new();
        greeting().encode(&mut out);
        let fixed = out.len() - b"mysql_native_password\0".len();
        for cut in 0..fixed {
            assert!(Greeting::parse(&out[..cut]).is_err(), "cut at {cut}");
        }
    }
}
