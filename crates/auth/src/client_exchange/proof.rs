//! Verifies a server's certificate by the password, without a CA: MariaDB's servers since 11.4 end a login over TLS with a
//! proof that the owner of the certificate knows what the server stores of the password.
//! <https://mariadb.com/kb/en/mission-impossible-zero-configuration-ssl/>, `run_plugin_auth` of Connector/C.

use super::{Known, Pending};
use crate::native_password::{certificate_proof, certificate_proof_by};
use crate::{AccountPlugin, Plugin, ed25519, native_password, parsec, same};
use pointsman_terms::CertificateProof;

impl Pending<'_> {
    /// Checks the text of the OK packet that ended the login. `fingerprint` is the SHA-256 of the server's certificate. None:
    /// servers prove nothing with this plugin, or without a password.
    pub fn certificate_proof(&self, text: &[u8], fingerprint: &[u8; 32]) -> Option<CertificateProof> {
        let password = match self.exchange.known {
            Known::Password([]) => return None,
            Known::Password(password) => password,
            // With a hash, mysql_native_password is the only plugin.
            Known::Sha1(single) => {
                let double = native_password::double_of_single(single);
                return Some(judge(text, &certificate_proof(&double, &self.proof_nonce, fingerprint)));
            }
        };
        let right = match self.plugin {
            AccountPlugin::Scramble(Plugin::NativePassword) => {
                certificate_proof(&native_password::double_sha1(password), &self.proof_nonce, fingerprint)
            }
            AccountPlugin::Ed25519 => {
                certificate_proof_by(&ed25519::public_key(password), &self.proof_nonce, fingerprint)
            }
            AccountPlugin::Parsec => {
                let salt = self.salt?;
                let key = parsec::public_key(password, &salt).ok()?;
                let stored = [salt.encode().as_slice(), &key].concat();
                certificate_proof_by(&stored, &self.proof_nonce, fingerprint)
            }
            _ => return None,
        };
        Some(judge(text, &right))
    }
}

fn judge(text: &[u8], right: &[u8]) -> CertificateProof {
    match text.first() {
        Some(1) if same(text, right) => CertificateProof::Right,
        Some(1) => CertificateProof::Wrong,
        _ => CertificateProof::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channel, ClientExchange, ClientStep};

    const FINGERPRINT: [u8; 32] = [7; 32];

    fn begun() -> Pending<'static> {
        ClientExchange::new(Known::Password(b"secret"), Channel::Encrypted)
            .greeted(b"mysql_native_password", [1; 20])
            .1
    }

    fn switched(to: &str, data: &[u8]) -> Pending<'static> {
        after(begun().auth_switch(to.as_bytes(), data).unwrap())
    }

    fn after(step: ClientStep<'static>) -> Pending<'static> {
        match step {
            ClientStep::Send(_, next)
            | ClientStep::RequestPublicKey(next)
            | ClientStep::WaitForVerdict(next) => next,
        }
    }

    #[test]
    fn a_proof_is_right_wrong_or_missing() {
        let right = certificate_proof(&native_password::double_sha1(b"secret"), &[1; 20], &FINGERPRINT);
        let of = |text: &[u8]| begun().certificate_proof(text, &FINGERPRINT);
        assert_eq!(of(&right), Some(CertificateProof::Right));
        // Whoever is in between has another certificate.
        assert_eq!(begun().certificate_proof(&right, &[8; 32]), Some(CertificateProof::Wrong));
        assert_eq!(of(&right[..right.len() - 1]), Some(CertificateProof::Wrong));
        assert_eq!(
            of(&certificate_proof(&native_password::double_sha1(b"other"), &[1; 20], &FINGERPRINT)),
            Some(CertificateProof::Wrong)
        );
        assert_eq!(of(&right[1..]), Some(CertificateProof::Missing), "a text for people");
        assert_eq!(of(b""), Some(CertificateProof::Missing));
    }

    #[test]
    fn the_nonce_is_that_of_the_greeting_or_of_the_last_native_password() {
        let by = |stored: &[u8], nonce| certificate_proof_by(stored, &[nonce; 20], &FINGERPRINT);
        let native = switched("mysql_native_password", &[2; 20]);
        let right = by(&native_password::double_sha1(b"secret"), 2);
        assert_eq!(native.certificate_proof(&right, &FINGERPRINT), Some(CertificateProof::Right));
        let ed25519 = switched("client_ed25519", &[3; 32]);
        let right = by(&ed25519::public_key(b"secret"), 1);
        assert_eq!(ed25519.certificate_proof(&right, &FINGERPRINT), Some(CertificateProof::Right));
        let salt = parsec::ExtSalt::random().unwrap();
        let parsec = after(switched("parsec", &[4; 32]).more_data(&salt.encode()).unwrap());
        let key = parsec::public_key(b"secret", &salt).unwrap();
        let right = by(&[salt.encode().as_slice(), &key].concat(), 1);
        assert_eq!(parsec.certificate_proof(&right, &FINGERPRINT), Some(CertificateProof::Right));
    }

    #[test]
    fn without_a_password_or_with_other_plugins_nothing_is_proven() {
        let exchange = ClientExchange::new(Known::Password(b""), Channel::Encrypted);
        let (_, empty) = exchange.greeted(b"mysql_native_password", [1; 20]);
        assert_eq!(empty.certificate_proof(b"", &FINGERPRINT), None);
        let other = switched("caching_sha2_password", &[2; 20]);
        assert_eq!(other.certificate_proof(b"", &FINGERPRINT), None);
    }
}
