//! `dialog`, the client's plugin for MariaDB's PAM: the server asks questions, the client answers them in clear text.
//! The proxy can answer one question, for the password.
//! <https://mariadb.com/kb/en/authentication-plugin-pam/>, `plugin/auth_pam/auth_pam_base.c` in MariaDB's source.

use super::AuthError;

/// The longest text of a question that an error repeats, in characters.
const MAX_TEXT: usize = 80;

/// The types of a question; the packet's first byte has them above the bit that marks a last question.
const ORDINARY: u8 = 1;
const PASSWORD: u8 = 2;

/// One question of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// True if a terminal must not show the answer.
    pub is_password: bool,
    /// What the server asks, shortened and without control characters, for errors and the log.
    pub text: String,
}

impl Question {
    /// Reads a packet, or the data of an auth switch request. Empty data count as the question for the password: such
    /// a server reads before it asks.
    ///
    /// # Errors
    /// [`AuthError::Question`] for an unknown type.
    pub fn parse(packet: &[u8]) -> Result<Self, AuthError> {
        let Some((kind, text)) = packet.split_first() else {
            return Ok(Self { is_password: true, text: String::new() });
        };
        let text = readable(text);
        match kind >> 1 {
            ORDINARY => Ok(Self { is_password: false, text }),
            PASSWORD => Ok(Self { is_password: true, text }),
            _ => Err(AuthError::Question(text)),
        }
    }
}

fn readable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let shown: String = text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
    shown.trim().to_owned()
}
