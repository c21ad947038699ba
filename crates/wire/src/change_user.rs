//! COM_CHANGE_USER: another login on the same connection.

use super::attributes::attribute;
use super::{Capabilities, ProtocolError, Reader};

/// The payload after the command byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeUser<'a> {
    /// The account's name.
    pub user: &'a [u8],
    /// An answer to the nonce of the connection's greeting.
    pub auth_response: &'a [u8],
    /// The schema; None if the client names none.
    pub schema: Option<&'a [u8]>,
    /// The collation that sets the session's initial character set; None keeps the server's default.
    pub collation: Option<u16>,
    /// The plugin that the answer is for; empty if the client does not say.
    pub auth_plugin: &'a [u8],
    /// The connection attributes, still encoded.
    pub attributes: &'a [u8],
}

impl<'a> ChangeUser<'a> {
    /// Reads the payload after the command byte.
    pub fn parse(payload: &'a [u8], capabilities: Capabilities) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        let user = r.nul_bytes("the user name")?;
        let auth_response = if capabilities.contains(Capabilities::SECURE_CONNECTION) {
            let len = r.u8("the auth response")?;
            r.bytes(usize::from(len), "the auth response")?
        } else {
            r.nul_bytes("the auth response")?
        };
        let schema = Some(r.nul_or_rest()).filter(|s| !s.is_empty());
        let collation = if r.is_empty() { None } else { Some(r.u16("the collation")?) };
        let auth_plugin =
            if capabilities.contains(Capabilities::PLUGIN_AUTH) { r.nul_or_rest() } else { &[] };
        let attributes = if capabilities.contains(Capabilities::CONNECT_ATTRS) && !r.is_empty() {
            // Attributes that are cut off are ignored: nothing depends on them.
            r.lenenc_bytes("the connection attributes").unwrap_or_default()
        } else {
            &[]
        };
        Ok(ChangeUser { user, auth_response, schema, collation, auth_plugin, attributes })
    }

    /// Returns the value of a connection attribute.
    pub fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        attribute(self.attributes, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_the_optional_end() {
        let caps = Capabilities::SECURE_CONNECTION | Capabilities::PLUGIN_AUTH;
        let full = ChangeUser::parse(b"bob\0\x02xytest\0\x2d\0mysql_native_password\0", caps).unwrap();
        assert_eq!(full.user, b"bob");
        assert_eq!(full.auth_response, b"xy");
        assert_eq!(full.schema, Some(&b"test"[..]));
        assert_eq!(full.collation, Some(45));
        assert_eq!(full.auth_plugin, b"mysql_native_password");
        let short = ChangeUser::parse(b"bob\0\0\0", caps).unwrap();
        assert_eq!((short.schema, short.collation), (None, None));
        assert_eq!(short.attributes, b"");
        let caps = caps | Capabilities::CONNECT_ATTRS;
        let with = b"bob\0\x02xytest\0\x2d\0mysql_native_password\0\x06\x01a\x03bcd";
        let with = ChangeUser::parse(with, caps).unwrap();
        assert_eq!((with.attribute("a"), with.attribute("b")), (Some(&b"bcd"[..]), None));
        assert_eq!(ChangeUser::parse(b"bob\0\0\0", caps).unwrap().attributes, b"");
        let without = caps - Capabilities::PLUGIN_AUTH;
        let bare = ChangeUser::parse(b"bob\0\0\0\x2d\0\x04\x01a\x01b", without).unwrap();
        assert_eq!((bare.auth_plugin, bare.attribute("a")), (&b""[..], Some(&b"b"[..])));
        assert!(ChangeUser::parse(b"bob", caps).is_err());
        assert!(ChangeUser::parse(b"bob\0\x05xy", caps).is_err());
    }
}
