//! What a client sends before it is known: any bytes are read or refused, and what was
//! read is read again from what we write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::wire::{Capabilities, HandshakeResponse, HandshakeResponse320, is_ssl_request};

fuzz_target!(|payload: &[u8]| {
    // A request for TLS is no login, and a login is no request for TLS.
    let asks = is_ssl_request(payload);
    assert!(asks != Ok(true) || HandshakeResponse::parse(payload).is_err());
    // Nothing is read in both protocols.
    if HandshakeResponse320::parse(payload).is_ok() {
        assert!(HandshakeResponse320::is_one(payload) && HandshakeResponse::parse(payload).is_err());
    }
    let Ok(read) = HandshakeResponse::parse(payload) else { return };
    let mut rewritten = read;
    rewritten.capabilities |= Capabilities::PLUGIN_AUTH_LENENC_CLIENT_DATA
        | Capabilities::PLUGIN_AUTH
        | Capabilities::CONNECT_ATTRS
        | Capabilities::LONG_PASSWORD;
    // Without TLS: a TLS request is another packet. Without MariaDB's flags, which need their place.
    rewritten.capabilities -= Capabilities::SSL;
    rewritten.capabilities = Capabilities::from_halves(u32::from_le_bytes(rewritten.capabilities.low()), 0);
    rewritten.capabilities.set(Capabilities::CONNECT_WITH_DB, rewritten.schema.is_some());
    let mut written = Vec::new();
    rewritten.encode(&mut written);
    assert_eq!(HandshakeResponse::parse(&written).expect("our own packet"), rewritten);
});
