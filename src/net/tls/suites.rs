//! The order of the cipher suites, and how many records each may encrypt.
//!
//! rustls lets AES-GCM encrypt 2^24 records under one key, which keeps an attacker's advantage small. TLS 1.3 then changes the
//! keys. TLS 1.2 cannot, so rustls closes the connection; ChaCha20-Poly1305 has no such limit. (The servers' OpenSSL counts
//! no records.)

use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;

/// A connection is worn when all but one of this many parts of its records are written: 65,536 records, of up to 16 KiB each,
/// are left to the statement under way and to the open transaction.
const PARTS: u64 = 256;

/// Returns the cryptographic library with the suites in this order: those of TLS 1.3; those of TLS 1.2 without a limit; others.
pub(super) fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| most_records(*suite).is_some());
    provider.cipher_suites.sort_by_key(|suite| suite.tls13().is_none());
    provider
}

/// Returns how many records a suite may encrypt on one connection. None: as many as there will ever be.
pub(super) fn most_records(suite: SupportedCipherSuite) -> Option<u64> {
    match suite {
        SupportedCipherSuite::Tls12(suite) => {
            Some(suite.common.confidentiality_limit).filter(|limit| *limit != u64::MAX)
        }
        SupportedCipherSuite::Tls13(_) => None,
    }
}

/// True if a connection with so many written records should end.
pub(super) fn is_worn(most: u64, written: u64) -> bool {
    written >= most - most / PARTS
}
