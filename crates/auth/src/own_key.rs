//! The proxy's own RSA key: clients that log in without TLS encrypt their password with it
//! (`caching_sha2_password`, `sha256_password`).

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use zeroize::Zeroizing;

use super::{Nonce, pem};

/// See the module. The process makes the key in memory; it is another one after a restart.
pub struct OwnKey {
    private: OaepPrivateDecryptingKey,
    public: Vec<u8>,
}

static KEY: LazyLock<Option<OwnKey>> = LazyLock::new(OwnKey::generate);

impl OwnKey {
    /// Returns the key of the process; None if it could not be made. The first call makes the key, which takes some
    /// 100 ms: call it once where nobody waits.
    pub fn of_process() -> Option<&'static Self> {
        KEY.as_ref()
    }

    /// The size is the one that servers use (`caching_sha2_password_auto_generate_rsa_keys`).
    fn generate() -> Option<Self> {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).ok()?;
        let der: PublicKeyX509Der<'_> = key.public_key().as_der().ok()?;
        let public = pem::public_key_pem(der.as_ref());
        Some(Self { private: OaepPrivateDecryptingKey::new(key).ok()?, public })
    }

    /// Returns the public key as PEM.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Returns the password that a client encrypted: with a NUL, and XORed with the repeated nonce. None if the packet was
    /// not made so.
    pub fn password(&self, cipher: &[u8], nonce: &Nonce) -> Option<Zeroizing<Vec<u8>>> {
        let mut plain = Zeroizing::new(vec![0; self.private.min_output_size()]);
        let length = self.private.decrypt(&OAEP_SHA1_MGF1SHA1, cipher, &mut plain, None).ok()?.len();
        plain.truncate(length);
        plain.iter_mut().zip(nonce.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        (plain.pop() == Some(0)).then_some(plain)
    }
}
