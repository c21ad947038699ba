//! What proves a certificate to a client that has no CA.

use super::*;

#[test]
fn it_depends_on_the_password_the_nonce_and_the_certificate() {
    let fingerprint: [u8; 32] = std::array::from_fn(|i| i as u8);
    let proof =
        native_password::certificate_proof(&native_password::double_sha1(b"secret"), &NONCE, &fingerprint);
    // By Python's hashlib.
    assert_eq!(proof, b"\x0121D5C9B1766DD96C58C43A45C5943FBB2A13E4B39AAAE1C529B2CD362FA54D52");
    let mut other = fingerprint;
    other[31] ^= 1;
    assert_ne!(
        native_password::certificate_proof(&native_password::double_sha1(b"secret"), &NONCE, &other),
        proof
    );
    assert_ne!(
        native_password::certificate_proof(&native_password::double_sha1(b"Secret"), &NONCE, &fingerprint),
        proof
    );
    assert_ne!(
        native_password::certificate_proof(&native_password::double_sha1(b"secret"), &[7; 20], &fingerprint),
        proof
    );
}
