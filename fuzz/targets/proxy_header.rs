//! What a load balancer says of its client: any bytes are a header, the beginning of one, or none. A header is the same
//! whatever follows it, each cut of it needs more, and what is no header never becomes one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::wire::{ProxyHeader, ProxyHeaderStart};

fuzz_target!(|bytes: &[u8]| {
    let answer = ProxyHeader::parse(bytes);
    match answer {
        Ok(ProxyHeaderStart::Whole(header)) => {
            assert!(header.len <= bytes.len() && header.len <= ProxyHeader::LONGEST);
            assert_eq!(ProxyHeader::parse(&bytes[..header.len]), answer);
            for cut in 0..header.len {
                let Ok(ProxyHeaderStart::Partial { least }) = ProxyHeader::parse(&bytes[..cut]) else {
                    panic!("{cut} bytes of a header are not its beginning");
                };
                assert!(cut < least && least <= header.len);
            }
        }
        Ok(ProxyHeaderStart::Partial { least }) => {
            assert!(bytes.len() < least && least <= ProxyHeader::LONGEST);
        }
        Err(_) => {
            let longer = [bytes, b"\r\n"].concat();
            assert_eq!(ProxyHeader::parse(&longer), answer);
        }
    }
});
