//! A login that the client does with a server itself, because the proxy knows neither the account's plugin nor all of its
//! factors. The packets pass unchanged; this module says which ones may pass, and when the login has ended.
//! "Protocol::AuthSwitchRequest", "Protocol::AuthNextFactor", "Protocol::AuthMoreData".

use super::Channel;

/// The most packets of one login, in both directions: three factors with some questions each.
const MAX_PACKETS: u16 = 96;

/// The longest name of a plugin that an error repeats, in characters.
const MAX_NAME: usize = 64;

/// The plugins of clients that send a password or a token as it is, and rely on TLS.
const IN_CLEAR: [&[u8]; 3] = [b"mysql_clear_password", b"dialog", b"authentication_openid_connect_client"];

/// The plugins that send nothing which must stay secret: tickets for the server, signatures and scrambles of its challenge.
const WITHOUT_TLS: [&[u8]; 7] = [
    b"auth_gssapi_client",
    b"authentication_kerberos_client",
    b"authentication_ldap_sasl_client",
    b"authentication_webauthn_client",
    b"client_ed25519",
    b"mysql_native_password",
    b"parsec",
];

/// How safe both connections are, by which plugins decide what to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BothLegs {
    /// True if the client uses TLS.
    pub client_tls: bool,
    /// True if the client uses TLS or a unix socket.
    pub client_private: bool,
    /// The server's connection.
    pub server: Channel,
}

/// A login under way.
#[derive(Debug, Clone, Copy)]
pub struct PassedLogin {
    legs: BothLegs,
    /// True if the server was told that the client knows several factors.
    several_factors: bool,
    packets: u16,
    /// True once the client has answered the server.
    answered: bool,
    /// True once the server has asked the client for something.
    asked: bool,
    /// True if the server may be waiting for the client.
    waits: bool,
}

/// What a packet of the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromServer {
    /// The client gets the packet.
    Pass,
    /// OK: the server lets the client in.
    LetIn,
    /// ERR.
    Refused,
}

/// Why a login cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// The server's connection has no TLS, but the client's is private, and the plugin may rely on that.
    #[error(
        "the client's connection is encrypted or a unix socket, and the one to the server is not: what the client sends \
         ({0}) would be readable there; set servers_tls, and TLS on the server"
    )]
    ServerOpen(String),
    /// The plugin sends a password in clear text, and the client has no TLS.
    #[error(
        "the server asks for a password in clear text ({0}), and the client's connection has no TLS: log in with TLS"
    )]
    ClientOpen(String),
    /// The plugin sends a password in clear text, and the server is not verified.
    #[error(
        "the server asks for a password in clear text ({0}), and only a server with a verified certificate gets it: set \
         servers_tls.ca_file (or ca_secret)"
    )]
    Unverified(String),
    /// The plugin decides by TLS what it sends, and only one of the connections has TLS.
    #[error(
        "{plugin} sends something else with TLS than without, and only the {with} connection has TLS: log in {how} TLS"
    )]
    OneLeg {
        /// The plugin.
        plugin: String,
        /// Which connection has TLS.
        with: &'static str,
        /// What the client can change.
        how: &'static str,
    },
    /// The server let the proxy in without any answer of the client.
    #[error("the server asked the client for nothing")]
    Unproven,
    /// The password hash of servers before 4.1.
    #[error("the server asks for the password hash of MySQL before 4.1 (mysql_old_password)")]
    OldPassword,
    /// A packet that no login has.
    #[error("the server sent a packet that no login has")]
    Malformed,
    /// More packets than any login needs.
    #[error("the login takes more than {MAX_PACKETS} packets")]
    TooLong,
    /// The client sent something although the server had not asked.
    #[error("the client sent a packet that the server did not ask for")]
    OutOfTurn,
}

impl PassedLogin {
    /// Begins a login after the server has greeted.
    pub fn begin(legs: BothLegs, several_factors: bool) -> Self {
        PassedLogin { legs, several_factors, packets: 0, answered: false, asked: false, waits: false }
    }

    /// Judges the payload of a packet of the server.
    ///
    /// # Errors
    /// [`PassError`] if the client must not get the packet.
    pub fn from_server(&mut self, payload: &[u8]) -> Result<FromServer, PassError> {
        self.count()?;
        self.waits = false;
        match payload {
            [0, ..] if self.answered => Ok(FromServer::LetIn),
            [0, ..] => Err(PassError::Unproven),
            [0xff, ..] => Ok(FromServer::Refused),
            [0xfe] => Err(PassError::OldPassword),
            [0xfe, switch @ ..] => self.asks_for(switch),
            // MariaDB has one factor, and sends plugins' data without a byte in front: this may be a question of dialog.
            [2, next @ ..] if self.several_factors => self.asks_for(next),
            [] => Err(PassError::Malformed),
            // Before a switch these would be data for the plugin of the client's own choice.
            _ if !self.asked => Err(PassError::Malformed),
            _ => Ok(self.passes()),
        }
    }

    fn passes(&mut self) -> FromServer {
        (self.asked, self.waits) = (true, true);
        FromServer::Pass
    }

    /// Judges a packet of the client. A plugin may send several packets in a row.
    ///
    /// # Errors
    /// [`PassError`] if the server must not get the packet.
    pub fn from_client(&mut self) -> Result<(), PassError> {
        self.count()?;
        if !self.asked {
            return Err(PassError::OutOfTurn);
        }
        (self.answered, self.waits) = (true, false);
        Ok(())
    }

    /// True if the server may be waiting for the client.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// True once the client has answered the server.
    pub fn answered(&self) -> bool {
        self.answered
    }

    fn count(&mut self) -> Result<(), PassError> {
        self.packets += 1;
        if self.packets > MAX_PACKETS { Err(PassError::TooLong) } else { Ok(()) }
    }

    /// Reads the name of a plugin and the NUL behind it.
    fn asks_for(&mut self, request: &[u8]) -> Result<FromServer, PassError> {
        let end = request.iter().position(|byte| *byte == 0).ok_or(PassError::Malformed)?;
        let plugin = request.get(..end).unwrap_or_default();
        self.waits = true;
        self.may_use(plugin)?;
        Ok(self.passes())
    }

    fn may_use(&self, plugin: &[u8]) -> Result<(), PassError> {
        let BothLegs { client_tls, client_private, server } = self.legs;
        let name = || readable(plugin);
        if IN_CLEAR.contains(&plugin) {
            if !client_private {
                return Err(PassError::ClientOpen(name()));
            }
            if !matches!(server, Channel::Verified | Channel::Local) {
                return Err(PassError::Unverified(name()));
            }
        }
        if client_private && server == Channel::Open && !WITHOUT_TLS.contains(&plugin) {
            return Err(PassError::ServerOpen(name()));
        }
        let server_tls = matches!(server, Channel::Verified | Channel::Encrypted);
        let same = match plugin {
            b"caching_sha2_password" => client_private == (server != Channel::Open),
            // A unix socket is not safe to it.
            b"sha256_password" => client_tls == server_tls,
            _ => true,
        };
        if same {
            return Ok(());
        }
        let (with, how) = if client_tls { ("client's", "without") } else { ("server's", "with") };
        Err(PassError::OneLeg { plugin: name(), with, how })
    }
}

/// Returns the name of a plugin for errors: shortened, and without control characters.
pub fn readable(plugin: &[u8]) -> String {
    String::from_utf8_lossy(plugin).chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TLS: BothLegs = BothLegs { client_tls: true, client_private: true, server: Channel::Verified };
    const OPEN: BothLegs = BothLegs { client_tls: false, client_private: false, server: Channel::Open };

    fn switch(plugin: &str) -> Vec<u8> {
        [b"\xfe", plugin.as_bytes(), b"\0challenge"].concat()
    }

    fn asked(legs: BothLegs, plugin: &str) -> Result<FromServer, PassError> {
        PassedLogin::begin(legs, true).from_server(&switch(plugin))
    }

    #[test]
    fn two_factors_pass_until_ok() {
        let mut login = PassedLogin::begin(TLS, true);
        assert_eq!(login.from_client(), Err(PassError::OutOfTurn));
        assert_eq!(login.from_server(&switch("caching_sha2_password")), Ok(FromServer::Pass));
        assert!(login.waits() && !login.answered());
        assert_eq!(login.from_client(), Ok(()));
        assert_eq!(login.from_server(&[1, 3]), Ok(FromServer::Pass));
        assert_eq!(login.from_server(b"\x02authentication_webauthn_client\0x"), Ok(FromServer::Pass));
        assert_eq!(login.from_client(), Ok(()));
        assert_eq!(login.from_server(&[0, 0, 0, 2, 0, 0, 0]), Ok(FromServer::LetIn));
    }

    #[test]
    fn a_server_that_asks_for_nothing_lets_nobody_in() {
        let mut login = PassedLogin::begin(TLS, false);
        assert_eq!(login.from_server(&[0, 0, 0, 2, 0, 0, 0]), Err(PassError::Unproven));
        assert_eq!(login.from_server(&[0xff, 21, 4]), Ok(FromServer::Refused));
        assert_eq!(login.from_server(&[0xfe]), Err(PassError::OldPassword));
        assert_eq!(login.from_server(b"\xfeno end"), Err(PassError::Malformed));
        assert_eq!(login.from_server(&[]), Err(PassError::Malformed));
        // It would be for the plugin of the client's greeting.
        assert_eq!(login.from_server(&[1, 4]), Err(PassError::Malformed));
        assert_eq!(login.from_server(&switch("dialog")), Ok(FromServer::Pass));
        // A question of dialog, which is no second factor.
        assert_eq!(login.from_server(b"\x02Name: "), Ok(FromServer::Pass));
    }

    #[test]
    fn what_is_in_clear_text_stays_private_up_to_a_verified_server() {
        for plugin in ["mysql_clear_password", "dialog", "authentication_openid_connect_client"] {
            assert_eq!(asked(TLS, plugin), Ok(FromServer::Pass));
            assert_eq!(asked(OPEN, plugin), Err(PassError::ClientOpen(plugin.to_owned())));
            let unverified = BothLegs { server: Channel::Encrypted, ..TLS };
            assert_eq!(asked(unverified, plugin), Err(PassError::Unverified(plugin.to_owned())));
        }
        let open = BothLegs { server: Channel::Open, ..TLS };
        for plugin in ["caching_sha2_password", "any"] {
            assert_eq!(asked(open, plugin), Err(PassError::ServerOpen(plugin.to_owned())));
        }
        for plugin in ["auth_gssapi_client", "authentication_webauthn_client"] {
            assert_eq!(asked(open, plugin), Ok(FromServer::Pass));
        }
    }

    #[test]
    fn a_plugin_that_decides_by_tls_needs_it_on_both_connections_or_none() {
        let server_only = BothLegs { server: Channel::Verified, ..OPEN };
        let unix = BothLegs { client_private: true, server: Channel::Encrypted, client_tls: false };
        for (legs, caching, sha256) in [
            (TLS, true, true),
            (OPEN, true, true),
            (server_only, false, false),
            (unix, true, false),
            (BothLegs { server: Channel::Local, ..TLS }, true, false),
        ] {
            for (plugin, good) in [("caching_sha2_password", caching), ("sha256_password", sha256)] {
                let asked = asked(legs, plugin);
                assert_eq!(asked.is_ok(), good, "{plugin} {legs:?}");
                assert_eq!(matches!(asked, Err(PassError::OneLeg { .. })), !good);
            }
            assert_eq!(asked(legs, "auth_gssapi_client"), Ok(FromServer::Pass));
        }
    }

    #[test]
    fn no_login_goes_on_for_ever() {
        let mut login = PassedLogin::begin(OPEN, false);
        let mut packets = 0;
        assert_eq!(login.from_server(&switch("any")), Ok(FromServer::Pass));
        assert_eq!(login.from_client(), Ok(()));
        let stopped = loop {
            let step = login.from_server(b"\x01more").and_then(|_| login.from_client());
            match step {
                Ok(()) => packets += 2,
                Err(error) => break error,
            }
        };
        assert_eq!((packets, stopped), (MAX_PACKETS - 2, PassError::TooLong));
    }
}
